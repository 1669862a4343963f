#include "cli/query.h"

static int predictions_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return query_view(cli, "predictions");
}

const struct command command_predictions = {
    .name = "predictions",
    .args = "",
    .summary = "What each system expected, and what is in force.",
    .options = query_date_option,
    .run = predictions_run,
};
