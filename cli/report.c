/* tipoff report - how a night went; exit 0 if it is well. */
#include "actors/scoreboard/report.h"
#include "cli/query.h"
#include "config/exit.h"

static int report_run(struct cli *cli, int argc, char **argv)
{
    struct view_query query = {0};
    (void)argc;
    (void)argv;
    int code = query_date(cli, &query.date);
    if (code)
        return code;
    json_t *answer = query_answer(cli, view_find("report"), &query, &code);
    if (!answer)
        return code;
    query_print(cli, answer, NULL);
    code = report_healthy(answer) ? EXIT_OK : EXIT_NO;
    json_decref(answer);
    return code;
}

const struct command command_report = {
    .name = "report",
    .args = "",
    .summary = "The report of a night: uptime over game time, polls, gaps, coverage, verdict.",
    .options = query_date_option,
    .run = report_run,
};
