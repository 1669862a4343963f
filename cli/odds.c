#include "cli/query.h"

static int odds_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return query_view(cli, "odds");
}

const struct command command_odds = {
    .name = "odds",
    .args = "",
    .summary = "Player props of a day, as they were seen.",
    .options = query_date_option,
    .run = odds_run,
};
