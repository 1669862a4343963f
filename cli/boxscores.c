#include "cli/query.h"

static int boxscores_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return query_view(cli, "boxscores");
}

const struct command command_boxscores = {
    .name = "boxscores",
    .args = "",
    .summary = "Box scores of a day: the newest line of each player and game.",
    .options = query_date_option,
    .run = boxscores_run,
};
