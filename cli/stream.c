/* tipoff stream - what a stream holds, who writes and reads it, and how far each reader is. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "broker/log.h"
#include "cli/command.h"
#include "cli/records.h"
#include "cli/status.h"
#include "config/exit.h"
#include "store/shard_env.h"

static json_int_t number_of(const json_t *row, const char *key)
{
    return json_integer_value(json_object_get(row, key));
}

static const char *text_of(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text ? text : "-";
}

static json_t *whole(uint64_t value)
{
    return json_integer((json_int_t)value);
}

/* ---- what it holds ---- */

static int visit_first(const struct records_item *item, void *context)
{
    *(json_t **)context = json_of_time(item->header->time_us);
    return 0;
}

/* When its first and last record were appended; from the log itself. */
static void add_times(json_t *row, struct records *log)
{
    static const struct {
        const char *position, *time;
    } ends[] = {{"first", "first_at"}, {"last", "last_at"}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        json_t *time = NULL;
        json_int_t position = number_of(row, ends[i].position);
        if (log && position > 0)
            records_get(log, (uint64_t)position, visit_first, &time);
        json_object_set_new(row, ends[i].time, time ? time : json_null());
    }
}

/* ---- who reads it ----
 *
 * Of a shard that is there the broker says which partitions it subscribed to. Of one that is not, what it counted in its
 * environment says what it reads. A reader's lag in a stream is what the log holds there from its committed cursor on. */

static uint64_t count_from(struct records *log, const struct records_stream *stream, uint16_t p,
                           uint64_t position)
{
    uint64_t count = log_count_from(records_log(log), stream->id, p, position);
    log_read_end(records_log(log));
    return count;
}

static json_t *reader_json(const char *actor, json_int_t shard, uint64_t cursor, json_t *partitions,
                           json_t *lag, json_t *lag_all)
{
    json_t *out = json_object();
    json_object_set_new(out, "actor", json_of_string(actor));
    json_object_set_new(out, "partition", json_integer(shard));
    json_object_set_new(out, "cursor", whole(cursor));
    json_object_set_new(out, "partitions", partitions);
    json_object_set_new(out, "lag", lag);
    json_object_set_new(out, "lag_all", lag_all); /* of all that it reads */
    return out;
}

static json_t *lag_of(struct records *log, const char *name, const json_t *partitions,
                      uint64_t cursor, json_int_t undelivered)
{
    const struct records_stream *stream = log ? records_stream_named(log, name) : NULL;
    uint64_t lag = 0;
    size_t i;
    json_t *p;
    if (!stream)
        return json_integer(undelivered);
    json_array_foreach(partitions, i, p)
    {
        lag += count_from(log, stream, (uint16_t)json_integer_value(p), cursor);
    }
    return whole(lag);
}

static void reader_running(json_t *out, const json_t *shard, struct records *log, const char *name)
{
    size_t k;
    json_t *read;
    uint64_t cursor = (uint64_t)number_of(shard, "cursor");
    json_array_foreach(json_object_get(shard, "reads"), k, read)
    {
        json_t *partitions = json_object_get(read, "partitions");
        if (strcmp(text_of(read, "stream"), name) == 0)
            json_array_append_new(
                out,
                reader_json(text_of(shard, "actor"), number_of(shard, "partition"), cursor,
                            json_incref(partitions),
                            lag_of(log, name, partitions, cursor, number_of(read, "undelivered")),
                            json_incref(json_object_get(shard, "lag"))));
    }
}

struct resting {
    struct records *log;
    const struct records_producer *producer;
    const struct records_stream *stream;
    struct shard_state state;
    json_t *readers;
};

/* It read its own partitions, or all of them: as many as it counted. */
static int visit_count(const struct shard_count *count, void *context)
{
    struct resting *self = context;
    uint64_t own = 0, handled = count->done + count->never, lag = 0;
    uint16_t shards = self->producer->shards ? self->producer->shards : 1;
    json_t *partitions = json_array();
    if (strcmp(count->stream, self->stream->name) != 0) {
        json_decref(partitions);
        return 0;
    }
    for (uint16_t p = 0; p < self->stream->partitions; p++)
        if (p % shards == self->producer->shard)
            own += count_from(self->log, self->stream, p, self->state.counted_from) -
                   count_from(self->log, self->stream, p, self->state.cursor);
    for (uint16_t p = 0; p < self->stream->partitions; p++) {
        if (p % shards != self->producer->shard && handled <= own)
            continue;
        json_array_append_new(partitions, json_integer(p));
        lag += count_from(self->log, self->stream, p, self->state.cursor);
    }
    json_array_append_new(self->readers,
                          reader_json(self->producer->actor, self->producer->shard,
                                      self->state.cursor, partitions, whole(lag), json_null()));
    return 0;
}

static void reader_resting(struct resting *self, const char *dir)
{
    char path[CLI_PATH_MAX + 64];
    struct store *store;
    struct store_txn *txn;
    struct store_options options = {.read_only = true};
    snprintf(path, sizeof path, "%s/shards/%s-%u", dir, self->producer->actor,
             self->producer->shard);
    if (store_open(&store, path, &options) != STORE_OK)
        return; /* of another host, or one that wrote only */
    if (store_begin(store, false, &txn) == STORE_OK) {
        if (shard_env_state(txn, &self->state) == STORE_OK)
            (void)shard_env_each_count(txn, visit_count, self);
        store_abort(&txn);
    }
    store_close(&store);
}

/* Named cursors and groups, which the broker keeps. */
static void readers_kept(json_t *out, const json_t *status, const char *name)
{
    size_t i, k;
    json_t *reader, *read;
    json_array_foreach(json_object_get(status, "readers"), i, reader)
    {
        json_array_foreach(json_object_get(reader, "reads"), k, read)
        {
            if (strcmp(text_of(read, "stream"), name) != 0)
                continue;
            json_t *row = json_deep_copy(reader);
            json_object_del(row, "reads");
            json_object_set(row, "partitions", json_object_get(read, "partitions"));
            json_object_set(row, "lag", json_object_get(read, "undone"));
            json_array_append_new(out, row);
        }
    }
}

static json_t *readers_of(const json_t *status, struct records *log, const char *dir,
                          const char *name)
{
    size_t i;
    json_t *out = json_array(), *shard;
    const struct records_stream *stream = log ? records_stream_named(log, name) : NULL;
    json_array_foreach(json_object_get(status, "shards"), i, shard)
    {
        struct resting self = {.log = log, .stream = stream, .readers = out};
        if (json_array_size(json_object_get(shard, "reads")) > 0) {
            reader_running(out, shard, log, name);
            continue;
        }
        if (stream)
            self.producer = records_producer_of(log, text_of(shard, "actor"),
                                                (unsigned)number_of(shard, "partition"));
        if (self.producer)
            reader_resting(&self, dir);
    }
    readers_kept(out, status, name);
    return out;
}

/* ---- for people ---- */

static void print_kept(const json_t *reader)
{
    printf("    read by the %s %s at %lld, %lld behind, %zu in it", text_of(reader, "kind"),
           text_of(reader, "name"), (long long)number_of(reader, "position"),
           (long long)number_of(reader, "lag"),
           json_array_size(json_object_get(reader, "members")));
    if (strcmp(text_of(reader, "kind"), "group") == 0)
        printf("; %lld out, %lld waiting, %lld dead", (long long)number_of(reader, "out"),
               (long long)number_of(reader, "waiting"), (long long)number_of(reader, "dead"));
    printf("\n");
}

static void print_stream(const json_t *row)
{
    size_t i;
    json_t *reader;
    const json_t *retention = json_object_get(row, "retention");
    printf("%-24s %8lld records %12lld bytes  %lld..%lld  %s .. %s\n", text_of(row, "stream"),
           (long long)number_of(row, "records"), (long long)number_of(row, "bytes"),
           (long long)number_of(row, "first"), (long long)number_of(row, "last"),
           text_of(row, "first_at"), text_of(row, "last_at"));
    printf("    written by %s, %lld partitions, ", text_of(row, "writer"),
           (long long)number_of(row, "partitions"));
    if (json_is_integer(retention))
        printf("kept %lld days\n", (long long)json_integer_value(retention));
    if (json_is_integer(json_object_get(row, "retention_bytes")))
        printf("kept: the newest %lld bytes\n",
               (long long)json_integer_value(json_object_get(row, "retention_bytes")));
    if (json_is_true(json_object_get(row, "retention_latest")))
        printf("kept: of each key the newest record\n");
    else
        printf("kept\n");
    json_array_foreach(json_object_get(row, "readers"), i, reader)
    {
        if (json_object_get(reader, "name")) {
            print_kept(reader);
            continue;
        }
        printf("    read by %s.%lld at %lld, %lld behind\n", text_of(reader, "actor"),
               (long long)number_of(reader, "partition"), (long long)number_of(reader, "cursor"),
               (long long)number_of(reader, "lag"));
    }
}

static int stream_run(struct cli *cli, int argc, char **argv)
{
    int code;
    char why[256];
    struct records *log = NULL;
    json_t *status = status_read(cli, &code), *out = json_array(), *row;
    size_t i;
    if (!status) {
        json_decref(out);
        return code;
    }
    if (records_open(&log, cli->dir, why, sizeof why) != EXIT_OK)
        log = NULL; /* the broker is on another host: no times then */
    json_array_foreach(json_object_get(status, "streams"), i, row)
    {
        const char *name = json_string_value(json_object_get(row, "stream"));
        if (!name || (argc > 0 && strcmp(name, argv[0]) != 0))
            continue;
        add_times(row, log);
        json_object_set_new(row, "readers", readers_of(status, log, cli->dir, name));
        json_array_append(out, row);
    }
    if (argc > 0 && json_array_size(out) == 0)
        code = cli_fail(cli, EXIT_NO, "no such stream: %s", argv[0]);
    else if (cli->json)
        json_print(stdout, argc > 0 ? json_array_get(out, 0) : out, 0);
    else
        json_array_foreach(out, i, row)
        {
            print_stream(row);
        }
    json_decref(out);
    json_decref(status);
    records_close(&log);
    return code;
}

const struct command command_stream = {
    .name = "stream",
    .args = "[NAME]",
    .summary = "what a stream holds, who writes and reads it, and how far each reader is",
    .run = stream_run,
};
