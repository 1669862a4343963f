/* tipoff dead - records that a reader will not take: what they were and why; offered again, or dropped.
 *
 * What became of a letter is in the log: the first ops.verdict on it says what shall, ops.resolved what did. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/command.h"
#include "cli/records.h"
#include "cli/say.h"
#include "config/clock.h"
#include "config/exit.h"
#include "schema/messages.h"

#define WAIT_MS 5000
#define LOOK_US 50000
#define PATIENCE_US INT64_C(10000000)

/* Letters by their id, with what was said of them. */
struct letters {
    json_t *list; /* in the order of the log */
    json_t *by_id;
};

static json_t *letter_of(const struct letters *self, const json_t *payload)
{
    char id[24];
    snprintf(id, sizeof id, "%lld",
             (long long)json_integer_value(json_object_get(payload, "letter")));
    return json_object_get(self->by_id, id);
}

/* The letter without its payload; an id is the letter's own position. */
static int visit_letter(const struct records_item *item, void *context)
{
    static const char *const keys[] = {"reader", "stream",   "position", "key",
                                       "rule",   "attempts", "at"};
    static const char *const later[] = {"verdict", "by", "verdict_at"};
    struct letters *self = context;
    json_t *payload = records_payload(item), *out = json_object();
    char id[24];
    snprintf(id, sizeof id, "%" PRIu64, item->position);
    json_object_set_new(out, "id", json_integer((json_int_t)item->position));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        json_object_set(out, keys[i], json_object_get(payload, keys[i]));
    json_object_set_new(out, "state", json_string("open"));
    for (size_t i = 0; i < sizeof later / sizeof *later; i++)
        json_object_set_new(out, later[i], json_null());
    json_object_set(self->by_id, id, out);
    json_array_append_new(self->list, out);
    json_decref(payload);
    return 0;
}

static int visit_verdict(const struct records_item *item, void *context)
{
    json_t *payload = records_payload(item), *letter = letter_of(context, payload);
    const char *verdict = json_string_value(json_object_get(payload, "verdict"));
    if (letter && verdict && json_is_null(json_object_get(letter, "verdict"))) {
        json_object_set(letter, "verdict", json_object_get(payload, "verdict"));
        json_object_set(letter, "by", json_object_get(payload, "by"));
        json_object_set(letter, "verdict_at", json_object_get(payload, "at"));
        json_object_set_new(letter, "state",
                            json_string(strcmp(verdict, "retry") ? "dropped" : "retrying"));
    }
    json_decref(payload);
    return 0;
}

static int visit_resolved(const struct records_item *item, void *context)
{
    json_t *payload = records_payload(item), *letter = letter_of(context, payload);
    if (letter)
        json_object_set(letter, "state", json_object_get(payload, "outcome"));
    json_decref(payload);
    return 0;
}

static void letters_free(struct letters *self)
{
    json_decref(self->list);
    json_decref(self->by_id);
}

/* 0, or EXIT_DATA. */
static int letters_read(struct letters *self, struct records *log)
{
    *self = (struct letters){json_array(), json_object()};
    bool read =
        records_each(log, msg_dead_letter_desc.stream, 0, UINT64_MAX, visit_letter, self) >= 0 &&
        records_each(log, msg_ops_verdict_desc.stream, 0, UINT64_MAX, visit_verdict, self) >= 0 &&
        records_each(log, msg_ops_resolved_desc.stream, 0, UINT64_MAX, visit_resolved, self) >= 0;
    return read ? EXIT_OK : EXIT_DATA;
}

static const char *text_of(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text ? text : "";
}

static bool is_open(const json_t *letter)
{
    return !strcmp(text_of(letter, "state"), "open") ||
           !strcmp(text_of(letter, "state"), "retrying");
}

/* ---- list, show ---- */

static int dead_list(struct cli *cli, struct records *log)
{
    struct letters letters;
    json_t *shown = json_array(), *row;
    size_t i;
    int code = letters_read(&letters, log);
    json_array_foreach(letters.list, i, row)
    {
        if (cli_option(cli, "all") || is_open(row))
            json_array_append(shown, row);
    }
    if (cli->json)
        json_print(stdout, shown, 0);
    else
        json_array_foreach(shown, i, row)
        {
            printf("%lld  %-8s  %s  %s@%lld  %s\n",
                   (long long)json_integer_value(json_object_get(row, "id")), text_of(row, "state"),
                   text_of(row, "reader"), text_of(row, "stream"),
                   (long long)json_integer_value(json_object_get(row, "position")),
                   text_of(row, "rule"));
        }
    json_decref(shown);
    letters_free(&letters);
    return code;
}

/* With the record itself, as the log has it. */
static int visit_record(const struct records_item *item, void *context)
{
    json_object_set_new(context, "record", records_json(item));
    return 0;
}

static json_t *letter_named(struct cli *cli, const struct letters *letters, const char *id)
{
    char *end;
    errno = 0;
    unsigned long long position = strtoull(id, &end, 10);
    if (!*id || *end || errno || position == 0) {
        cli_fail(cli, EXIT_USAGE, "%s: an ID is the position of a dead letter", id);
        return NULL;
    }
    char exact[24];
    snprintf(exact, sizeof exact, "%llu", position);
    json_t *letter = json_object_get(letters->by_id, exact);
    if (!letter)
        cli_fail(cli, EXIT_NO, "no such dead letter: %s", id);
    return letter;
}

static int dead_show(struct cli *cli, struct records *log, json_t *letter)
{
    json_int_t origin = json_integer_value(json_object_get(letter, "position"));
    if (records_get(log, (uint64_t)origin, visit_record, letter) == RECORDS_NONE)
        json_object_set_new(letter, "record",
                            json_null()); /* trimmed; the letter has its payload */
    json_print(stdout, letter, !cli->json);
    return EXIT_OK;
}

/* ---- verdicts ---- */

struct verdict {
    struct msg_ops_verdict message;
    uint8_t *payload; /* a copy; NULL: not found */
    bool found;
};

static int payload_keep(struct verdict *self, struct span from)
{
    uint8_t *copy = malloc((size_t)from.size + 1);
    if (!copy)
        return -1;
    memcpy(copy, from.data, from.size);
    free(self->payload);
    self->payload = copy;
    self->message.payload = (struct span){copy, from.size};
    self->found = true;
    return 0;
}

/* What the letter says of the record. */
static int visit_of_letter(const struct records_item *item, void *context)
{
    static struct msg_dead_letter letter;
    struct verdict *self = context;
    struct msg_ops_verdict *out = &self->message;
    if (records_message(item, &msg_dead_letter_desc, &letter) != 0)
        return 1;
    message_clear(&msg_ops_verdict_desc, out);
    out->letter = item->position;
    snprintf(out->reader, sizeof out->reader, "%s", letter.reader);
    out->position = letter.position;
    snprintf(out->stream, sizeof out->stream, "%s", letter.stream);
    snprintf(out->key, sizeof out->key, "%s", letter.key);
    out->version = letter.version;
    out->attempts = letter.attempts;
    if (letter.payload.size && letter.version != UINT64_MAX)
        return payload_keep(self, letter.payload);
    return 0;
}

/* Better: the record itself, whatever the letter left out. */
static int visit_of_record(const struct records_item *item, void *context)
{
    struct verdict *self = context;
    if (strcmp(item->stream->name, self->message.stream) != 0 ||
        item->record->key_size != strlen(self->message.key) ||
        memcmp(item->record->key, self->message.key, item->record->key_size) != 0)
        return 0;
    self->message.version = item->record->version;
    return payload_keep(self, item->record->payload);
}

/* The letter again, as soon as its reader has said what became of it, or after `wait_ms`. */
static json_t *outcome_wait(struct records *log, const char *id, int64_t wait_ms)
{
    const struct timespec pause = {.tv_nsec = LOOK_US * 1000};
    int64_t until_us = clock_mono_us() + wait_ms * 1000;
    for (;;) {
        struct letters letters;
        bool read = records_refresh(log) == 0 && letters_read(&letters, log) == EXIT_OK;
        json_t *letter = read ? json_incref(json_object_get(letters.by_id, id)) : NULL;
        if (read)
            letters_free(&letters);
        if (!letter || strcmp(text_of(letter, "state"), "retrying") != 0 ||
            clock_mono_us() >= until_us)
            return letter;
        json_decref(letter);
        nanosleep(&pause, NULL);
    }
}

static int verdict_say(struct cli *cli, struct records *log, struct verdict *verdict, bool retry)
{
    uint64_t position, parents[] = {verdict->message.letter};
    struct msg_ops_verdict *out = &verdict->message;
    records_get(log, out->position, visit_of_record, verdict);
    if (retry && !verdict->found)
        return cli_fail(cli, EXIT_NO, "position %" PRIu64 " is trimmed, and the letter has no copy",
                        out->position);
    if (!retry)
        out->payload = (struct span){NULL, 0};
    snprintf(out->verdict, sizeof out->verdict, "%s", retry ? "retry" : "drop");
    say_who(out->by, sizeof out->by);
    out->at = clock_league_us();
    return say_record(cli, &msg_ops_verdict_desc, out, parents, 1, PATIENCE_US, &position);
}

static bool is_shard(struct records *log, const char *reader)
{
    char actor[33];
    unsigned shard;
    return sscanf(reader, "%32[^.].%u", actor, &shard) == 2 &&
           records_producer_of(log, actor, shard) != NULL;
}

static int outcome_print(struct cli *cli, const json_t *letter)
{
    const char *state = text_of(letter, "state");
    if (cli->json)
        json_print(stdout, letter, 0);
    else
        printf("%lld  %s\n", (long long)json_integer_value(json_object_get(letter, "id")),
               !strcmp(state, "retrying") ? "retrying: its reader has not taken it yet" : state);
    return !strcmp(state, "refused") ? EXIT_NO : EXIT_OK;
}

static int dead_verdict(struct cli *cli, struct records *log, const json_t *letter, bool retry)
{
    struct verdict verdict = {.payload = NULL};
    int64_t wait_ms = WAIT_MS;
    char id[24];
    json_int_t position = json_integer_value(json_object_get(letter, "id"));
    int code = cli_integer(cli, "wait", 0, 3600000, &wait_ms);
    if (code)
        return code;
    if (strcmp(text_of(letter, "state"), "open") != 0 &&
        strcmp(text_of(letter, "verdict"), retry ? "retry" : "drop") != 0)
        return cli_fail(cli, EXIT_NO, "%lld was %s by %s: the first verdict counts",
                        (long long)position, text_of(letter, "state"), text_of(letter, "by"));
    snprintf(id, sizeof id, "%lld", (long long)position);
    if (!strcmp(text_of(letter, "state"), "open")) {
        if (retry && !is_shard(log, text_of(letter, "reader")))
            return cli_fail(cli, EXIT_NO, "%s is no shard that could take it again",
                            text_of(letter, "reader"));
        if (records_get(log, (uint64_t)position, visit_of_letter, &verdict) != 0)
            code = cli_fail(cli, EXIT_DATA, "the letter cannot be read");
        if (!code)
            code = verdict_say(cli, log, &verdict, retry);
        free(verdict.payload);
        if (code)
            return code;
    }
    json_t *now = outcome_wait(log, id, retry ? wait_ms : 0);
    code = now ? outcome_print(cli, now) : cli_fail(cli, EXIT_DATA, "the log cannot be read");
    json_decref(now);
    return code;
}

static int dead_one(struct cli *cli, struct records *log, const char *verb, const char *id)
{
    struct letters letters;
    int code = letters_read(&letters, log);
    json_t *letter = code ? NULL : letter_named(cli, &letters, id);
    if (!code && !letter)
        code = id[strspn(id, "0123456789")] ? EXIT_USAGE : EXIT_NO;
    else if (letter && !strcmp(verb, "show"))
        code = dead_show(cli, log, letter);
    else if (letter)
        code = dead_verdict(cli, log, letter, !strcmp(verb, "retry"));
    letters_free(&letters);
    return code;
}

static int dead_run(struct cli *cli, int argc, char **argv)
{
    static const char *const verbs[] = {"show", "retry", "drop"};
    struct records *log;
    char why[256];
    const char *verb = argc > 0 ? argv[0] : "list";
    bool known = !strcmp(verb, "list") && argc <= 1;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        known = known || (!strcmp(verb, verbs[i]) && argc == 2);
    if (!known)
        return cli_fail(cli, EXIT_USAGE, "wants: list, show ID, retry ID, or drop ID");
    int code = records_open(&log, cli->dir, why, sizeof why);
    if (code)
        return cli_fail(cli, code, "%s", why);
    code = argc == 2 ? dead_one(cli, log, verb, argv[1]) : dead_list(cli, log);
    records_close(&log);
    return code;
}

static const struct command_option options[] = {
    {"all", NULL, "list also those that were taken, refused again, or dropped"},
    {"wait", "MS", "retry: wait so long for what becomes of it (5000)"},
    {NULL, NULL, NULL},
};

const struct command command_dead = {
    .name = "dead",
    .args = "[list|show ID|retry ID|drop ID]",
    .summary =
        "records that a reader will not take: what they were and why; offer one again, or drop it",
    .options = options,
    .run = dead_run,
};
