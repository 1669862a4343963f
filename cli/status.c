/* tipoff status - who runs, how far, and what the log holds. */
#include "cli/status.h"

#include <stdlib.h>
#include <string.h>

#include "broker/link.h"
#include "cli/records.h"
#include "config/exit.h"
#include "config/settings.h"
#include "schema/registry.h"

#define ANSWER_MS 1000

static json_t *whole(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *whole_or_null(uint64_t value)
{
    return value ? whole(value) : json_null();
}

static json_t *shards_of_log(struct records *log)
{
    json_t *out = json_array();
    for (size_t i = 0; i < records_producer_count(log); i++) {
        const struct records_producer *producer = records_producer_at(log, i);
        json_t *shard = json_object();
        json_object_set_new(shard, "actor", json_string(producer->actor));
        json_object_set_new(shard, "partition", json_integer(producer->shard));
        json_object_set_new(shard, "host", json_of_string(producer->host));
        json_object_set_new(shard, "pid", json_null());
        json_object_set_new(shard, "state", json_string("gone"));
        json_object_set_new(shard, "cause", json_null());
        json_object_set_new(shard, "epoch", whole(producer->epoch));
        json_object_set_new(shard, "restarts", json_null());
        json_object_set_new(shard, "cursor", whole(producer->cursor));
        json_object_set_new(shard, "lag", json_null());
        json_object_set_new(shard, "code_version", json_of_string(producer->code_version));
        json_object_set_new(shard, "config_hash", json_of_string(producer->config_hash));
        json_array_append_new(out, shard);
    }
    return out;
}

static const struct registry_stream *registered(const struct registry *registry, const char *name)
{
    for (uint32_t i = 0; i < registry->count; i++)
        if (!strcmp(registry->streams[i].name, name))
            return &registry->streams[i];
    return NULL;
}

static json_t *streams_of_log(struct records *log, const struct registry *registry)
{
    json_t *out = json_array();
    for (size_t i = 0; i < records_stream_count(log); i++) {
        const struct records_stream *stream = records_stream_at(log, i);
        const struct registry_stream *known = registered(registry, stream->name);
        json_t *row = json_object();
        json_object_set_new(row, "stream", json_string(stream->name));
        json_object_set_new(row, "writer", known ? json_of_string(known->writer) : json_null());
        json_object_set_new(row, "partitions", json_integer(stream->partitions));
        json_object_set_new(row, "first", whole_or_null(stream->first));
        json_object_set_new(row, "last", whole_or_null(stream->last));
        json_object_set_new(row, "records", whole(stream->records));
        json_object_set_new(row, "bytes", whole(stream->bytes));
        json_object_set_new(row, "retention", whole_or_null(known ? known->retention_days : 0));
        json_array_append_new(out, row);
    }
    return out;
}

static json_t *status_of_log(const struct cli *cli, int *code)
{
    static struct registry registry;
    char why[256];
    struct records *log;
    *code = records_open(&log, cli->dir, why, sizeof why);
    if (*code) {
        cli_fail(cli, *code, "nothing runs, and %s", why);
        return NULL;
    }
    registry.count = 0;
    if (registry_gather(&registry, cli->dir, NULL, NULL, NULL, why, sizeof why) != 0)
        registry.count = 0;
    json_t *broker = json_object(), *out = json_object();
    json_object_set_new(broker, "pid", json_null());
    json_object_set_new(broker, "first", whole(records_first(log)));
    json_object_set_new(broker, "head", whole(records_head(log)));
    json_object_set_new(out, "broker", broker);
    json_object_set_new(out, "shards", shards_of_log(log));
    json_object_set_new(out, "streams", streams_of_log(log, &registry));
    records_close(&log);
    return out;
}

/* As tipoff check words it; null: nothing is wrong with the broker itself. */
static json_t *cause_of(const struct cli *cli, const json_t *broker)
{
    const char *error = json_string_value(json_object_get(broker, "write_error"));
    if (!json_is_true(json_object_get(broker, "running")))
        return json_sprintf("broker: it does not answer at %s",
                            cli->settings->broker.control_endpoint);
    return error ? json_sprintf("no_space: the log cannot be written: %s", error) : json_null();
}

json_t *status_read(const struct cli *cli, int *code)
{
    char why[160];
    char *text = link_control(cli->settings->broker.control_endpoint, "STATUS", ANSWER_MS);
    json_t *out = text ? json_read(text, strlen(text), why, sizeof why) : NULL;
    free(text);
    bool running = out;
    if (!out)
        out = status_of_log(cli, code);
    if (!out)
        return NULL;
    *code = EXIT_OK;
    json_t *broker = json_object_get(out, "broker");
    json_object_set_new(broker, "running", json_boolean(running));
    json_object_set_new(broker, "cause", cause_of(cli, broker));
    return out;
}

/* ---- for people ---- */

static const char *text_of(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text ? text : "-";
}

static long long number_of(const json_t *row, const char *key)
{
    return (long long)json_integer_value(json_object_get(row, key));
}

static void print_status(const json_t *status)
{
    const json_t *broker = json_object_get(status, "broker");
    bool running = json_is_true(json_object_get(broker, "running"));
    size_t i;
    json_t *row;
    const char *cause = json_string_value(json_object_get(broker, "cause"));
    printf("broker %s  log %lld..%lld%s%s\n\n", running ? "runs" : "does not run",
           number_of(broker, "first"), number_of(broker, "head") - 1, cause ? "  " : "",
           cause ? cause : "");
    printf("%-16s %-12s %-11s %8s %6s %9s %10s %8s  %s\n", "shard", "host", "state", "pid", "epoch",
           "restarts", "cursor", "lag", "cause");
    json_array_foreach(json_object_get(status, "shards"), i, row)
    {
        char name[48];
        snprintf(name, sizeof name, "%s.%lld", text_of(row, "actor"), number_of(row, "partition"));
        printf("%-16s %-12s %-11s %8lld %6lld %9lld %10lld %8lld  %s\n", name, text_of(row, "host"),
               text_of(row, "state"), number_of(row, "pid"), number_of(row, "epoch"),
               number_of(row, "restarts"), number_of(row, "cursor"), number_of(row, "lag"),
               text_of(row, "cause"));
    }
    printf("\n%-24s %-11s %10s %12s %10s %10s\n", "stream", "writer", "records", "bytes", "first",
           "last");
    json_array_foreach(json_object_get(status, "streams"), i, row)
    {
        if (number_of(row, "records"))
            printf("%-24s %-11s %10lld %12lld %10lld %10lld\n", text_of(row, "stream"),
                   text_of(row, "writer"), number_of(row, "records"), number_of(row, "bytes"),
                   number_of(row, "first"), number_of(row, "last"));
    }
}

static int status_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    int code;
    json_t *status = status_read(cli, &code);
    if (!status)
        return code;
    if (cli->json)
        json_print(stdout, status, 0);
    else
        print_status(status);
    json_decref(status);
    return EXIT_OK;
}

const struct command command_status = {
    .name = "status",
    .args = "",
    .summary = "who runs, how far, and what the log holds",
    .run = status_run,
};
