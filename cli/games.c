#include "cli/query.h"

static int games_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return query_view(cli, "games");
}

const struct command command_games = {
    .name = "games",
    .args = "",
    .summary = "The games of a day and how they stand.",
    .options = query_date_option,
    .run = games_run,
};
