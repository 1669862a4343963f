/* tipoff rewind - sets a named cursor or a work group to a position or a time, in place. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "broker/link.h"
#include "cli/command.h"
#include "config/clock.h"
#include "config/exit.h"
#include "config/settings.h"
#include "schema/json.h"

#define ANSWER_MS 10000

/* What the control socket wants to hear of `to`; false: it is none. */
static bool where_of(const char *to, char *out, size_t size)
{
    int64_t time_us;
    char *end;
    if (strcmp(to, "first") == 0 || strcmp(to, "head") == 0)
        snprintf(out, size, "%s", to[0] == 'f' ? "FIRST" : "HEAD");
    else if (to[strspn(to, "0123456789")] == '\0' && strtoull(to, &end, 10) > 0)
        snprintf(out, size, "POSITION %s", to);
    else if (clock_parse_utc(to, &time_us) == 0)
        snprintf(out, size, "TIME %" PRId64, time_us);
    else
        return false;
    return true;
}

static int rewind_run(struct cli *cli, int argc, char **argv)
{
    char words[160], where[64], why[160];
    if (argc != 2 || strlen(argv[0]) > 60 || strpbrk(argv[0], " \t\n"))
        return cli_fail(cli, EXIT_USAGE, "a NAME, and a position, time, first or head");
    if (strchr(argv[0], '/'))
        return cli_fail(cli, EXIT_USAGE,
                        "%s: a shard's cursor is part of its own state; what can be rewound is a "
                        "named cursor or a group (tipoff status --json: readers)",
                        argv[0]);
    if (!where_of(argv[1], where, sizeof where))
        return cli_fail(cli, EXIT_USAGE, "%s: a position, 2026-01-31T19:00:00Z, first or head",
                        argv[1]);
    snprintf(words, sizeof words, "REWIND %s %s", argv[0], where);
    char *text = link_control(cli->settings->broker.control_endpoint, words, ANSWER_MS);
    json_t *answer = text ? json_read(text, strlen(text), why, sizeof why) : NULL;
    const char *error = json_string_value(json_object_get(answer, "error"));
    int code = EXIT_OK;
    if (!answer)
        code = cli_fail(cli, EXIT_UNREACHABLE, "the broker does not answer at %s",
                        cli->settings->broker.control_endpoint);
    else if (error)
        code = cli_fail(cli, EXIT_NO, "%s: %s (the log holds %lld to %lld)", argv[0], error,
                        (long long)json_integer_value(json_object_get(answer, "first")),
                        (long long)json_integer_value(json_object_get(answer, "head")) - 1);
    else if (cli->json)
        printf("%s\n", text);
    else
        printf("%s goes on from position %lld\n", argv[0],
               (long long)json_integer_value(json_object_get(answer, "position")));
    json_decref(answer);
    free(text);
    return code;
}

const struct command command_rewind = {
    .name = "rewind",
    .args = "NAME POSITION|TIME|first|head",
    .summary = "set a named cursor or a work group back, or forward, while it is read",
    .run = rewind_run,
};
