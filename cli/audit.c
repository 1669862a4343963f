/* tipoff audit - what became of a day: runs, errors, what was expected, what was done. */
#include "cli/query.h"
#include "config/exit.h"

static int audit_run(struct cli *cli, int argc, char **argv)
{
    struct view_query query = {0};
    (void)argc;
    (void)argv;
    int code = query_date(cli, &query.date);
    return code ? code : query_print_view(cli, view_find("audit"), &query);
}

const struct command command_audit = {
    .name = "audit",
    .args = "",
    .summary = "What became of a day: runs by outcome, errors, what was expected, what was done.",
    .options = query_date_option,
    .run = audit_run,
};
