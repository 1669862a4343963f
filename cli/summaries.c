#include "cli/query.h"

static int summaries_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return query_view(cli, cli_option(cli, "teams") ? "team_summaries" : "summaries");
}

static const struct command_option options[] = {
    {"date", "D", "the day, YYYY-MM-DD"},
    {"teams", NULL, "of the teams, at both ends"},
    {NULL, NULL, NULL},
};

const struct command command_summaries = {
    .name = "summaries",
    .args = "",
    .summary = "What the games of a day came to: each player beside his line, or each team.",
    .options = options,
    .run = summaries_run,
};
