/* tipoff stream - what a stream holds, who writes and reads it, and how far each reader is. */
#include <string.h>

#include "cli/command.h"
#include "cli/records.h"
#include "cli/status.h"
#include "config/exit.h"

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
        json_int_t position = json_integer_value(json_object_get(row, ends[i].position));
        if (log && position > 0)
            records_get(log, (uint64_t)position, visit_first, &time);
        json_object_set_new(row, ends[i].time, time ? time : json_null());
    }
}

/* A shard reads a stream if the broker says so (it subscribed); what it has yet to take of everything is its lag. */
static json_t *readers_of(const json_t *status, const char *stream)
{
    json_t *out = json_array();
    size_t i, k;
    json_t *shard, *input;
    json_array_foreach(json_object_get(status, "shards"), i, shard)
    {
        json_array_foreach(json_object_get(shard, "inputs"), k, input)
        {
            const char *name = json_string_value(input);
            if (!name || strcmp(name, stream) != 0)
                continue;
            json_t *reader = json_object();
            json_object_set(reader, "actor", json_object_get(shard, "actor"));
            json_object_set(reader, "partition", json_object_get(shard, "partition"));
            json_object_set(reader, "cursor", json_object_get(shard, "cursor"));
            json_object_set(reader, "lag", json_object_get(shard, "lag"));
            json_array_append_new(out, reader);
        }
    }
    return out;
}

static void print_stream(const json_t *row)
{
    size_t i;
    json_t *reader;
    const char *first = json_string_value(json_object_get(row, "first_at"));
    const char *last = json_string_value(json_object_get(row, "last_at"));
    printf("%-24s %8lld records %12lld bytes  %lld..%lld  %s .. %s\n",
           json_string_value(json_object_get(row, "stream")),
           (long long)json_integer_value(json_object_get(row, "records")),
           (long long)json_integer_value(json_object_get(row, "bytes")),
           (long long)json_integer_value(json_object_get(row, "first")),
           (long long)json_integer_value(json_object_get(row, "last")), first ? first : "-",
           last ? last : "-");
    json_array_foreach(json_object_get(row, "readers"), i, reader)
    {
        printf("    read by %s.%lld at %lld, %lld behind\n",
               json_string_value(json_object_get(reader, "actor")),
               (long long)json_integer_value(json_object_get(reader, "partition")),
               (long long)json_integer_value(json_object_get(reader, "cursor")),
               (long long)json_integer_value(json_object_get(reader, "lag")));
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
        json_object_set_new(row, "readers", readers_of(status, name));
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
