/* tipoff rewind - sets a named cursor, a work group or a shard to a position or a time, in place. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "broker/link.h"
#include "broker/log.h"
#include "cli/command.h"
#include "cli/records.h"
#include "cli/say.h"
#include "config/clock.h"
#include "config/exit.h"
#include "config/settings.h"
#include "schema/json.h"
#include "schema/messages.h"

#define ANSWER_MS 10000
#define WAIT_MS 60000
#define LOOK_US 50000
#define PATIENCE_US INT64_C(10000000)

/* Where to: one of them. */
struct where {
    enum { WHERE_FIRST, WHERE_HEAD, WHERE_POSITION, WHERE_TIME } kind;
    uint64_t position;
    int64_t time_us;
};

static bool where_read(const char *to, struct where *where)
{
    char *end;
    *where = (struct where){0};
    if (strcmp(to, "first") == 0 || strcmp(to, "head") == 0)
        where->kind = to[0] == 'f' ? WHERE_FIRST : WHERE_HEAD;
    else if (to[strspn(to, "0123456789")] == '\0' && (where->position = strtoull(to, &end, 10)) > 0)
        where->kind = WHERE_POSITION;
    else if (clock_parse_utc(to, &where->time_us) == 0)
        where->kind = WHERE_TIME;
    else
        return false;
    return true;
}

/* ---- what the broker keeps the place of ---- */

static int reader_rewind(struct cli *cli, const char *name, const struct where *where)
{
    char words[160], why[160];
    int at = snprintf(words, sizeof words, "REWIND %s ", name);
    if (where->kind == WHERE_POSITION)
        snprintf(words + at, sizeof words - (size_t)at, "POSITION %" PRIu64, where->position);
    else if (where->kind == WHERE_TIME)
        snprintf(words + at, sizeof words - (size_t)at, "TIME %" PRId64, where->time_us);
    else
        snprintf(words + at, sizeof words - (size_t)at, "%s",
                 where->kind == WHERE_FIRST ? "FIRST" : "HEAD");
    char *text = link_control(cli->settings->broker.control_endpoint, words, ANSWER_MS);
    json_t *answer = text ? json_read(text, strlen(text), why, sizeof why) : NULL;
    const char *error = json_string_value(json_object_get(answer, "error"));
    int code = EXIT_OK;
    if (!answer)
        code = cli_fail(cli, EXIT_UNREACHABLE, "the broker does not answer at %s",
                        cli->settings->broker.control_endpoint);
    else if (error)
        code = cli_fail(cli, EXIT_NO, "%s: %s (the log holds %lld to %lld)", name, error,
                        (long long)json_integer_value(json_object_get(answer, "first")),
                        (long long)json_integer_value(json_object_get(answer, "head")) - 1);
    else if (cli->json)
        printf("%s\n", text);
    else
        printf("%s goes on from position %lld\n", name,
               (long long)json_integer_value(json_object_get(answer, "position")));
    json_decref(answer);
    free(text);
    return code;
}

/* ---- shards ---- */

/* The position meant; 0: said. */
static uint64_t position_of(struct cli *cli, struct records *log, const struct where *where)
{
    uint64_t position = where->position;
    if (where->kind == WHERE_FIRST)
        position = records_first(log);
    else if (where->kind == WHERE_HEAD)
        position = records_head(log);
    else if (where->kind == WHERE_TIME &&
             log_at_time(records_log(log), where->time_us, &position) != LOG_OK)
        position = 0;
    if (position == 0)
        cli_fail(cli, EXIT_DATA, "the log cannot be read");
    return position;
}

struct outcome {
    uint64_t asked;
    json_t *said; /* NULL: nothing yet */
};

static int visit_rewound(const struct records_item *item, void *context)
{
    struct outcome *self = context;
    json_t *payload = records_payload(item);
    if ((uint64_t)json_integer_value(json_object_get(payload, "asked")) == self->asked)
        self->said = json_incref(payload);
    json_decref(payload);
    return self->said != NULL;
}

/* What the shard said became of it; NULL if it said nothing in `wait_ms`. */
static json_t *outcome_wait(struct records *log, uint64_t asked, int64_t wait_ms)
{
    const struct timespec pause = {.tv_nsec = LOOK_US * 1000};
    int64_t until_us = clock_mono_us() + wait_ms * 1000;
    struct outcome outcome = {.asked = asked};
    for (;;) {
        if (records_refresh(log) == 0)
            records_each(log, msg_ops_rewound_desc.stream, asked, UINT64_MAX, visit_rewound,
                         &outcome);
        if (outcome.said || clock_mono_us() >= until_us)
            return outcome.said;
        nanosleep(&pause, NULL);
    }
}

static int outcome_print(struct cli *cli, const char *name, uint64_t asked, const json_t *said)
{
    const char *reason = json_string_value(json_object_get(said, "reason"));
    bool done = !strcmp(json_string_value(json_object_get(said, "outcome")), "done");
    if (cli->json)
        json_print(stdout, said, 0);
    else if (done)
        printf("%s went back to position %lld, and has done again what follows up to %" PRIu64 "\n",
               name, (long long)json_integer_value(json_object_get(said, "position")), asked);
    return done        ? EXIT_OK
           : cli->json ? EXIT_NO
                       : cli_fail(cli, EXIT_NO, "%s: refused: %s", name, reason ? reason : "?");
}

/* Says it, and waits for what becomes of it. */
static int shard_say(struct cli *cli, struct records *log, const char *name,
                     struct msg_ops_rewind *message)
{
    int64_t wait_ms = WAIT_MS;
    uint64_t asked;
    int code = cli_integer(cli, "wait", 0, 3600000, &wait_ms);
    if (code)
        return code;
    say_who(message->by, sizeof message->by);
    message->at = clock_league_us();
    code = say_record(cli, &msg_ops_rewind_desc, message, NULL, 0, PATIENCE_US, &asked);
    if (code)
        return code;
    json_t *said = outcome_wait(log, asked, wait_ms);
    if (!said && cli->json)
        printf("{\"reader\":\"%s\",\"asked\":%" PRIu64 ",\"outcome\":null}\n", message->reader,
               asked);
    else if (!said)
        printf("%s is to go back to position %" PRIu64 ": it has not yet (tipoff status)\n", name,
               message->position);
    else
        code = outcome_print(cli, name, asked, said);
    json_decref(said);
    return code;
}

/* 0: the shard is there and reads; else said. */
static int shard_check(struct cli *cli, const char *name, const char *actor, unsigned number)
{
    char why[160];
    size_t i;
    json_t *shard;
    char *text = link_control(cli->settings->broker.control_endpoint, "STATUS", ANSWER_MS);
    json_t *status = text ? json_read(text, strlen(text), why, sizeof why) : NULL;
    int code = EXIT_NO;
    const char *wrong = "there is no such shard (tipoff status)";
    json_array_foreach(json_object_get(status, "shards"), i, shard)
    {
        const char *its = json_string_value(json_object_get(shard, "actor"));
        if (!its || strcmp(its, actor) != 0 ||
            json_integer_value(json_object_get(shard, "partition")) != (json_int_t)number)
            continue;
        wrong = "it reads nothing";
        if (json_integer_value(json_object_get(shard, "cursor")) > 0)
            code = EXIT_OK;
    }
    if (!status)
        code = cli_fail(cli, EXIT_UNREACHABLE, "the broker does not answer at %s",
                        cli->settings->broker.control_endpoint);
    else if (code)
        cli_fail(cli, code, "%s: %s", name, wrong);
    json_decref(status);
    free(text);
    return code;
}

static int shard_rewind(struct cli *cli, const char *name, const struct where *where)
{
    struct msg_ops_rewind message;
    struct records *log;
    char actor[33], why[256], extra;
    unsigned number;
    if (sscanf(name, "%32[^/]/%u%c", actor, &number, &extra) != 2)
        return cli_fail(cli, EXIT_USAGE, "%s: a shard is ACTOR/NUMBER", name);
    int code = shard_check(cli, name, actor, number);
    if (code)
        return code;
    code = records_open(&log, cli->dir, why, sizeof why);
    if (code)
        return cli_fail(cli, code, "%s", why);
    message_clear(&msg_ops_rewind_desc, &message);
    snprintf(message.reader, sizeof message.reader, "%.32s.%u", actor, number % 1000);
    if (!records_stream_named(log, msg_ops_rewind_desc.stream))
        code = cli_fail(cli, EXIT_NO, "the broker's registry has no stream %s",
                        msg_ops_rewind_desc.stream);
    else if ((message.position = position_of(cli, log, where)) == 0)
        code = EXIT_DATA;
    else if (message.position > records_head(log))
        code =
            cli_fail(cli, EXIT_NO,
                     "the log's head is %" PRIu64
                     ": a shard goes back, never ahead, for it would pass over what lies between",
                     records_head(log));
    else
        code = shard_say(cli, log, name, &message);
    records_close(&log);
    return code;
}

static int rewind_run(struct cli *cli, int argc, char **argv)
{
    struct where where;
    if (argc != 2 || strlen(argv[0]) > 60 || strpbrk(argv[0], " \t\n"))
        return cli_fail(cli, EXIT_USAGE, "a NAME, and a position, time, first or head");
    if (!where_read(argv[1], &where))
        return cli_fail(cli, EXIT_USAGE, "%s: a position, 2026-01-31T19:00:00Z, first or head",
                        argv[1]);
    return strchr(argv[0], '/') ? shard_rewind(cli, argv[0], &where)
                                : reader_rewind(cli, argv[0], &where);
}

static const struct command_option options[] = {
    {"wait", "MS", "a shard: wait so long until it has done again what follows (60000)"},
    {NULL, NULL, NULL},
};

const struct command command_rewind = {
    .name = "rewind",
    .args = "NAME|ACTOR/N POSITION|TIME|first|head",
    .summary =
        "set a named cursor or a work group back, or forward, while it is read; a shard back",
    .options = options,
    .run = rewind_run,
};
