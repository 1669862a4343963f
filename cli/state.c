/* tipoff state get - what a shard holds under a key, now or as of any position or time of the log. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "broker/log.h"
#include "cli/command.h"
#include "cli/records.h"
#include "cli/replay.h"
#include "config/clock.h"
#include "config/exit.h"
#include "schema/json.h"
#include "schema/utf8.h"
#include "store/store.h"

#define PARTS_MAX 12
#define MARK_BYTES 16 /* the scoreboard's rows begin with position and time of their record */

struct get {
    const struct cli *cli;
    const char *actor;
    char table[64]; /* "": any */
    char wanted[PARTS_MAX][128];
    int wanted_count;
    unsigned shard;
    json_t *out;
};

/* ---- keys: texts that end with a NUL, and numbers of eight bytes ---- */

static bool printable(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] < 0x20 || data[i] == 0x7f)
            return false;
    return utf8_valid((const char *)data, size) == size;
}

static json_t *hex_of(const uint8_t *data, size_t size)
{
    char *text = malloc(2 * size + 3);
    if (!text)
        return json_null();
    memcpy(text, "0x", 3);
    for (size_t i = 0; i < size; i++)
        snprintf(text + 2 + 2 * i, 3, "%02x", data[i]);
    json_t *out = json_string(text);
    free(text);
    return out;
}

static json_t *parts_of(const struct span *key)
{
    json_t *out = json_array();
    struct span rest = *key;
    while (rest.size) {
        const uint8_t *end = memchr(rest.data, '\0', rest.size);
        size_t size = end ? (size_t)(end - rest.data) : 0;
        int64_t number;
        if (end && printable(rest.data, size)) {
            json_array_append_new(out, json_of_string((const char *)rest.data));
            rest.data += size + 1;
            rest.size -= (uint32_t)size + 1;
        } else if (rest.size >= 8 && store_key_read_i64(&rest, &number) == 0) {
            json_array_append_new(out, json_integer(number));
        } else {
            json_array_append_new(out, hex_of(rest.data, rest.size));
            break;
        }
    }
    return out;
}

static bool part_is(const json_t *part, const char *wanted)
{
    char number[32];
    if (json_is_string(part))
        return !strcmp(json_string_value(part), wanted);
    snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(part));
    return !strcmp(number, wanted);
}

/* One part is looked for anywhere in the key; several are its beginning. */
static bool matches(const struct get *self, const json_t *parts)
{
    size_t count = json_array_size(parts);
    if (self->wanted_count == 1) {
        for (size_t i = 0; i < count; i++)
            if (part_is(json_array_get(parts, i), self->wanted[0]))
                return true;
        return false;
    }
    if ((size_t)self->wanted_count > count)
        return false;
    for (int i = 0; i < self->wanted_count; i++)
        if (!part_is(json_array_get(parts, (size_t)i), self->wanted[i]))
            return false;
    return true;
}

/* ---- values: messages, with or without a mark; else as they are ---- */

static json_t *value_of(const struct span *value)
{
    if (value->size == 0)
        return json_null();
    json_t *out = json_of_msgpack(value->data, value->size);
    if (!out && value->size > MARK_BYTES)
        out = json_of_msgpack(value->data + MARK_BYTES, value->size - MARK_BYTES);
    return out ? out : hex_of(value->data, value->size);
}

static int take_row(const char *table, const struct store_row *row, void *context)
{
    struct get *self = context;
    if (self->table[0] && strcmp(table, self->table) != 0)
        return 0;
    json_t *parts = parts_of(&row->key);
    if (matches(self, parts)) {
        json_t *out = json_object();
        json_object_set_new(out, "shard", json_integer(self->shard));
        json_object_set_new(out, "table", json_of_string(table));
        json_object_set_new(out, "date", json_of_date(row->date));
        json_object_set(out, "key", parts);
        json_object_set_new(out, "value", value_of(&row->value));
        json_array_append_new(self->out, out);
    }
    json_decref(parts);
    return 0;
}

static int read_env(struct get *self, const char *path)
{
    struct store *store;
    struct store_txn *txn;
    int error = store_open(&store, path, &(struct store_options){.read_only = true});
    if (error)
        return error == STORE_IO && errno == ENOENT ? STORE_NOT_FOUND : error;
    error = store_begin(store, false, &txn);
    if (!error) {
        error = store_each(txn, take_row, self);
        store_abort(&txn);
    }
    store_close(&store);
    return error;
}

/* ---- now, or then ---- */

static int get_now(struct get *self, const struct records_producer *producer)
{
    char name[CLI_PATH_MAX], path[CLI_PATH_MAX];
    snprintf(name, sizeof name, "shards/%s-%u", producer->actor, producer->shard);
    int error = read_env(self, cli_path(self->cli, path, name));
    return !error ? EXIT_OK
           : error == STORE_NOT_FOUND
               ? cli_fail(self->cli, EXIT_NO, "%s is not there", path)
               : cli_fail(self->cli, EXIT_DATA, "%s: %s", path, store_error_text(error));
}

static int get_then(struct get *self, struct records *records,
                    const struct records_producer *producer, uint64_t end)
{
    struct rerun_env env;
    int code = rerun_until(self->cli, records, producer, end, &env);
    if (code == EXIT_NO)
        return cli_fail(self->cli, code, "%s is an edge: its past cannot be made again",
                        producer->actor);
    if (code)
        return cli_fail(self->cli, code, "%s could not be re-executed", producer->actor);
    int error = read_env(self, env.path);
    rerun_remove(&env);
    return error ? cli_fail(self->cli, EXIT_DATA, "%s", store_error_text(error)) : EXIT_OK;
}

/* Behind the last batch that was appended by then. League time may have been set back (an import, then a night of the past): the last
 * one in log order counts, whatever stands before it. */
static uint64_t end_at(struct log *log, int64_t instant_us)
{
    uint64_t position = log_first(log), base, end = 0;
    struct batch_header header;
    struct span body;
    while (log_next_any(log, position, &base) == LOG_OK &&
           log_batch(log, base, &header, &body) == LOG_OK) {
        position = header.base + header.count;
        if (header.time_us <= instant_us)
            end = position;
    }
    log_read_end(log);
    return end;
}

/* Where the records end that count: a position, or the first one behind an instant. */
static int end_of(const struct cli *cli, struct records *records, uint64_t *end)
{
    struct log *log = records_log(records);
    const char *at = cli_option(cli, "at");
    int64_t instant_us = CLOCK_NONE;
    char *rest;
    *end = strtoull(at, &rest, 10);
    if (*rest != '\0' || *end == 0) {
        int code = cli_instant(cli, "at", &instant_us);
        if (code)
            return code;
        *end = end_at(log, instant_us);
        if (*end <= log_first(log))
            return cli_fail(cli, EXIT_NO, "the log has nothing from then or before");
        return EXIT_OK;
    }
    if (*end > log_head(log))
        return cli_fail(cli, EXIT_NO, "the log ends at %" PRIu64, log_head(log) - 1);
    return EXIT_OK;
}

/* "[TABLE:]PART[/PART...]" */
static int key_read(struct get *self, const char *text)
{
    const char *colon = strchr(text, ':');
    if (colon && (size_t)(colon - text) < sizeof self->table) {
        memcpy(self->table, text, (size_t)(colon - text));
        text = colon + 1;
    }
    while (*text && self->wanted_count < PARTS_MAX) {
        size_t size = strcspn(text, "/");
        if (size >= sizeof self->wanted[0])
            return -1;
        memcpy(self->wanted[self->wanted_count++], text, size);
        text += size + (text[size] == '/');
    }
    return self->wanted_count && *text == '\0' ? 0 : -1;
}

static int get_all(struct get *self, struct records *records)
{
    uint64_t end = 0;
    bool any = false;
    int code = cli_option(self->cli, "at") ? end_of(self->cli, records, &end) : EXIT_OK;
    for (size_t i = 0; i < records_producer_count(records) && !code; i++) {
        const struct records_producer *producer = records_producer_at(records, i);
        if (strcmp(producer->actor, self->actor) != 0)
            continue;
        any = true;
        self->shard = producer->shard;
        code = end ? get_then(self, records, producer, end) : get_now(self, producer);
    }
    if (!code && !any)
        return cli_fail(self->cli, EXIT_NO, "no actor %s ever ran here", self->actor);
    if (!code && json_array_size(self->out) == 0)
        return cli_fail(self->cli, EXIT_NO, "nothing under that key");
    return code;
}

static void print_rows(const struct get *self)
{
    size_t i;
    json_t *row;
    if (self->cli->json) {
        json_print(stdout, self->out, 0);
        putchar('\n');
        return;
    }
    json_array_foreach(self->out, i, row)
    {
        char *text = json_text(row);
        puts(text ? text : "");
        free(text);
    }
}

static int state_run(struct cli *cli, int argc, char **argv)
{
    char why[256];
    struct records *records;
    static struct get self;
    if (argc != 3 || strcmp(argv[0], "get") != 0)
        return cli_fail(cli, EXIT_USAGE, "wants: get ACTOR KEY");
    self = (struct get){.cli = cli, .actor = argv[1]};
    if (key_read(&self, argv[2]) != 0)
        return cli_fail(cli, EXIT_USAGE, "%s: a key is [TABLE:]PART[/PART...]", argv[2]);
    int code = records_open(&records, cli->dir, why, sizeof why);
    if (code)
        return cli_fail(cli, code, "%s", why);
    self.out = json_array();
    code = get_all(&self, records);
    if (!code)
        print_rows(&self);
    json_decref(self.out);
    records_close(&records);
    return code;
}

static const struct command_option options[] = {
    {"at", "POSITION|TIME",
     "as it was when the shard had taken what is before it (deterministic actors)"},
    {NULL, NULL, NULL},
};

const struct command command_state = {
    .name = "state",
    .args = "get ACTOR [TABLE:]KEY",
    .summary = "What a shard holds under a key, now or as of any position or time of the log.",
    .options = options,
    .run = state_run,
};
