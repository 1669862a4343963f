/* tipoff tap - records as JSON lines: as they come, or from a position of the log; and what the broker says of itself, live. */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "broker/link.h"
#include "broker/tap.h"
#include "cli/command.h"
#include "cli/records.h"
#include "config/exit.h"
#include "config/settings.h"

#define LOOK_INTERVAL_US 100000 /* between two looks for what was appended */
#define ALIVE_EVERY 10 /* looks without news between two questions whether the broker still runs */
#define ANSWER_MS 1000

struct tap {
    const char *pattern; /* NULL: everything */
    int64_t left;        /* records still to print; -1 = no limit */
    uint64_t next;       /* position */
};

/* PATTERN is a shell pattern over "stream" or "stream.key": row.*, grade.points.0022500241. */
static bool matches(const struct tap *self, const struct records_item *item)
{
    char topic[64 + RECORD_KEY_MAX + 2];
    if (!self->pattern || fnmatch(self->pattern, item->stream->name, 0) == 0)
        return true;
    snprintf(topic, sizeof topic, "%s.%.*s", item->stream->name, (int)item->record->key_size,
             item->record->key);
    return fnmatch(self->pattern, topic, 0) == 0;
}

static int visit(const struct records_item *item, void *context)
{
    struct tap *self = context;
    self->next = item->position + 1;
    if (!matches(self, item))
        return 0;
    json_t *line = records_json(item);
    json_print(stdout, line, 0);
    json_decref(line);
    if (self->left > 0)
        self->left--;
    return self->left == 0 || ferror(stdout);
}

static bool broker_runs(const struct cli *cli)
{
    char *answer = link_control(cli->settings->broker.control_endpoint, "PING", ANSWER_MS);
    bool runs = answer != NULL;
    free(answer);
    return runs;
}

/* Prints what there is, then what comes, for as long as the broker runs. */
static int follow(const struct cli *cli, struct records *log, struct tap *self)
{
    const struct timespec pause = {.tv_nsec = LOOK_INTERVAL_US * 1000};
    int idle = 0;
    for (;;) {
        uint64_t before = self->next;
        int answer = records_each(log, NULL, self->next, UINT64_MAX, visit, self);
        fflush(stdout);
        if (answer < 0)
            return EXIT_DATA;
        if (answer > 0)
            return EXIT_OK;
        idle = self->next == before ? idle + 1 : 0;
        if (idle % ALIVE_EVERY == 1 && !broker_runs(cli))
            return EXIT_OK;
        nanosleep(&pause, NULL);
        if (records_refresh(log) != 0)
            return EXIT_DATA;
    }
}

/* ---- $SYS. topics: they stand in no log ---- */

static void print_sys(const char *topic, const struct span *head, const struct span *payload)
{
    json_t *line = json_object(), *said = json_of_msgpack(head->data, head->size);
    json_object_set_new(line, "topic", json_of_string(topic));
    json_object_set_new(line, "time",
                        json_of_time(json_integer_value(json_object_get(said, "time_us"))));
    json_object_set_new(line, "payload", json_of_msgpack(payload->data, payload->size));
    json_print(stdout, line, 0);
    fflush(stdout);
    json_decref(line);
    json_decref(said);
}

static int follow_sys(const struct cli *cli, struct tap *self)
{
    const char *topic;
    struct span head, payload;
    int answer = 0;
    if (!broker_runs(cli))
        return cli_fail(cli, EXIT_UNREACHABLE, "nothing runs: no broker answers at %s",
                        cli->settings->broker.control_endpoint);
    struct tap_reader *tap = tap_open(cli->settings->broker.tap_endpoint, "$SYS.");
    if (!tap)
        return cli_fail(cli, EXIT_UNREACHABLE, "%s: %s", cli->settings->broker.tap_endpoint,
                        strerror(errno));
    while (answer >= 0 && self->left != 0 && !ferror(stdout)) {
        answer = tap_next(tap, ANSWER_MS, &topic, &head, &payload);
        if (answer == 0 && !broker_runs(cli))
            break;
        if (answer <= 0 || fnmatch(self->pattern, topic, 0) != 0)
            continue;
        print_sys(topic, &head, &payload);
        self->left -= self->left > 0;
    }
    tap_close(&tap);
    return answer < 0 ? EXIT_UNREACHABLE : EXIT_OK;
}

static int tap_run(struct cli *cli, int argc, char **argv)
{
    struct records *log;
    char why[256];
    int64_t from = -1;
    struct tap self = {.pattern = argc > 0 ? argv[0] : NULL, .left = -1};
    int code = cli_integer(cli, "from", 0, INT64_MAX, &from);
    if (!code)
        code = cli_integer(cli, "count", 1, INT64_MAX, &self.left);
    if (code)
        return code;
    if (self.pattern && strncmp(self.pattern, "$SYS", 4) == 0)
        return from >= 0 ? cli_fail(cli, EXIT_USAGE, "--from: $SYS. topics stand in no log")
                         : follow_sys(cli, &self);
    code = records_open(&log, cli->dir, why, sizeof why);
    if (code)
        return cli_fail(cli, code, "%s", why);
    self.next = from >= 0 ? (uint64_t)from : records_head(log);
    if (from >= 0 && self.next < records_first(log))
        fprintf(stderr, "tipoff tap: trimmed: the oldest position is %llu\n",
                (unsigned long long)records_first(log));
    code = follow(cli, log, &self);
    records_close(&log);
    return code;
}

static const struct command_option options[] = {
    {"from", "POSITION", "from there on; default: what comes from now on"},
    {"count", "N", "end after so many records"},
    {NULL, NULL, NULL},
};

const struct command command_tap = {
    .name = "tap",
    .args = "[PATTERN]",
    .summary =
        "records as JSON lines; PATTERN is a shell pattern over stream or stream.key, or over the "
        "broker's own topics: '$SYS.*'",
    .options = options,
    .run = tap_run,
};
