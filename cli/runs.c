/* tipoff runs - what was done, by whom, with what outcome. */
#include "cli/query.h"

#include <string.h>

#include "config/exit.h"
#include "schema/runs.h"

static int runs_run(struct cli *cli, int argc, char **argv)
{
    struct view_query query = {.name = cli_option(cli, "name"),
                               .outcome = cli_option(cli, "outcome")};
    bool known = !query.outcome;
    int64_t last = 0;
    (void)argc;
    (void)argv;
    for (int i = 0; i < RUN_OUTCOME_COUNT && query.outcome; i++)
        known |= !strcmp(query.outcome, run_outcome_text((enum run_outcome)i));
    if (!known)
        return cli_fail(cli, EXIT_USAGE, "--outcome %s: no such outcome", query.outcome);
    int code = cli_date(cli, "date", &query.date);
    if (!code)
        code = cli_integer(cli, "last", 1, 1000000000, &last);
    query.last = (uint64_t)last;
    return code ? code : query_print_view(cli, view_find("runs"), &query);
}

static const struct command_option options[] = {
    {"date", "D", "only of this league day"},
    {"name", "N", "only runs of this name, e.g. PollBdlLive"},
    {"outcome", "O", "only with this outcome, e.g. failed"},
    {"last", "N", "only the newest N of those"},
    {NULL, NULL, NULL},
};

const struct command command_runs = {
    .name = "runs",
    .args = "",
    .summary = "The ledger: every run, its outcome, its counts.",
    .options = options,
    .run = runs_run,
};
