#include "cli/query.h"

static int grades_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return query_view(cli, "grades");
}

const struct command command_grades = {
    .name = "grades",
    .args = "",
    .summary = "How the predictions of a day stand or ended.",
    .options = query_date_option,
    .run = grades_run,
};
