#include "cli/query.h"

static int features_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return query_view(cli, "features");
}

const struct command command_features = {
    .name = "features",
    .args = "",
    .summary = "What was known of each player before his game.",
    .options = query_date_option,
    .run = features_run,
};
