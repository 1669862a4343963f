#include "actors/scoreboard/metrics.h"

#include <string.h>

void metrics_head(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP tipoff_%s %s\n# TYPE tipoff_%s %s\n", name, help, name, type);
}

/* One number of every row of a list in STATUS, labelled: `group.field`, or `field` where there is no group. */
struct metric {
    const char *name, *type, *help, *group, *field;
};

static const struct metric of_shards[] = {
    {"shard_lag_records", "gauge", "records before the shard", NULL, "lag"},
    {"shard_cursor", "counter", "next position to take", NULL, "cursor"},
    {"shard_restarts", "counter", "new holders in this life of the broker", NULL, "restarts"},
    {"shard_silent_ms", "gauge", "since it was last heard of", NULL, "silent_ms"},
    {"shard_steps_total", "counter", "steps committed by its environment", NULL, "steps"},
    {"shard_taken_total", "counter", "records taken by its process", NULL, "taken"},
    {"shard_done_total", "counter", "... done", NULL, "done"},
    {"shard_never_total", "counter", "... made dead letters", NULL, "never"},
    {"shard_later_total", "counter", "times that a record was put off", NULL, "later"},
    {"shard_outbox_records", "gauge", "committed and not acknowledged", NULL, "outbox"},
    {"shard_published_records_total", "counter", "records of it appended", "published", "records"},
    {"shard_published_bytes_total", "counter", "... their bytes", "published", "bytes"},
    {"shard_delivered_records_total", "counter", "records sent to it", "delivered", "records"},
    {"shard_duplicates_total", "counter", "batches that were there already", NULL, "duplicates"},
    {NULL, NULL, NULL, NULL, NULL}};

static const struct metric of_streams[] = {
    {"stream_records", "counter", "records ever appended", NULL, "records"},
    {"stream_last", "counter", "newest position", NULL, "last"},
    {"stream_bytes", "counter", "bytes ever appended", NULL, "bytes"},
    {"stream_delivered_records_total", "counter", "records sent to readers", "delivered",
     "records"},
    {"stream_delivered_bytes_total", "counter", "... their bytes", "delivered", "bytes"},
    {"stream_duplicates_total", "counter", "batches that were there already", NULL, "duplicates"},
    {NULL, NULL, NULL, NULL, NULL}};

static const struct metric of_broker[] = {
    {"broker_head", "counter", "position the next record gets", NULL, "head"},
    {"broker_first", "gauge", "oldest position", NULL, "first"},
    {"broker_segments", "gauge", "segments of the log", NULL, "segments"},
    {"broker_bytes", "gauge", "bytes of the log", NULL, "bytes"},
    {"broker_later", "gauge", "records waiting for their time", NULL, "later"},
    {"broker_bad_batches", "counter", "batches set aside", NULL, "bad_batches"},
    {"broker_sessions", "gauge", "connections", NULL, "sessions"},
    {"broker_commits", "counter", "appends made durable", NULL, "commits"},
    {"broker_appended_records", "counter", "records appended", NULL, "appended_records"},
    {"broker_appended_bytes", "counter", "... their bytes", NULL, "appended_bytes"},
    {"broker_delivered_records", "counter", "records sent to readers", "delivered", "records"},
    {"broker_acks", "counter", "lanes acknowledged", NULL, "acks"},
    {"broker_duplicates", "counter", "batches that were there already", NULL, "duplicates"},
    {"broker_tap_records", "counter", "messages given to the tap", NULL, "tap_records"},
    {"broker_tap_drops", "counter", "times that a reader of it began to lose some", NULL,
     "tap_drops"},
    {NULL, NULL, NULL, NULL, NULL}};

static const json_t *value_of(const json_t *row, const struct metric *metric)
{
    return json_object_get(metric->group ? json_object_get(row, metric->group) : row,
                           metric->field);
}

static void rows_print(FILE *out, const json_t *rows, const struct metric *metric,
                       const char *label, const char *second_label)
{
    size_t index;
    json_t *at;
    for (; metric->name; metric++) {
        metrics_head(out, metric->name, metric->type, metric->help);
        json_array_foreach(rows, index, at)
        {
            const json_t *value = value_of(at, metric), *second = NULL;
            const char *text = json_string_value(json_object_get(at, label));
            if (!json_is_number(value) || !text)
                continue;
            fprintf(out, "tipoff_%s{%s=\"%s\"", metric->name, label, text);
            if (second_label && (second = json_object_get(at, second_label)) != NULL)
                fprintf(out, ",%s=\"%lld\"", second_label, (long long)json_integer_value(second));
            fprintf(out, "} %.17g\n", json_number_value(value));
        }
    }
}

static void broker_print(FILE *out, const json_t *broker)
{
    for (const struct metric *metric = of_broker; metric->name; metric++) {
        const json_t *value = value_of(broker, metric);
        if (!json_is_number(value))
            continue;
        metrics_head(out, metric->name, metric->type, metric->help);
        fprintf(out, "tipoff_%s %.17g\n", metric->name, json_number_value(value));
    }
}

/* What was refused, by tag; what happened to connections, by socket and event. */
static void tags_print(FILE *out, json_t *broker)
{
    const char *tag, *name;
    json_t *count, *events;
    metrics_head(out, "broker_refused_total", "counter", "requests refused, by tag");
    json_object_foreach(json_object_get(broker, "refused"), tag, count)
    {
        fprintf(out, "tipoff_broker_refused_total{tag=\"%s\"} %lld\n", tag,
                (long long)json_integer_value(count));
    }
    metrics_head(out, "broker_socket_events_total", "counter", "what the sockets' monitors said");
    json_object_foreach(json_object_get(broker, "sockets"), name, events)
    {
        json_object_foreach(events, tag, count)
        {
            fprintf(out, "tipoff_broker_socket_events_total{socket=\"%s\",event=\"%s\"} %lld\n",
                    name, tag, (long long)json_integer_value(count));
        }
    }
}

static long long below(const json_t *buckets, json_int_t edge)
{
    long long sum = 0;
    for (size_t i = 0; i < json_array_size(buckets); i++) {
        const json_t *bucket = json_array_get(buckets, i);
        if (json_integer_value(json_array_get(bucket, 0)) <= edge)
            sum += json_integer_value(json_array_get(bucket, 1));
    }
    return sum;
}

/* How long an append took until it was durable, in seconds: the same buckets whatever there is. */
static void sync_print(FILE *out, const json_t *broker)
{
    const json_t *spread = json_object_get(broker, "sync_us");
    long long count = json_integer_value(json_object_get(spread, "count"));
    if (!spread)
        return;
    metrics_head(out, "broker_sync_seconds", "histogram", "one append, until it is durable");
    for (json_int_t edge = 31; edge < (1 << 23); edge = edge * 2 + 1)
        fprintf(out, "tipoff_broker_sync_seconds_bucket{le=\"%.9g\"} %lld\n", (double)edge / 1e6,
                below(json_object_get(spread, "buckets"), edge));
    fprintf(out,
            "tipoff_broker_sync_seconds_bucket{le=\"+Inf\"} %lld\n"
            "tipoff_broker_sync_seconds_sum %.9g\ntipoff_broker_sync_seconds_count %lld\n",
            count, (double)json_integer_value(json_object_get(spread, "sum")) / 1e6, count);
}

void metrics_status(FILE *out, const json_t *status)
{
    json_t *broker = json_object_get(status, "broker");
    metrics_head(out, "up", "gauge", "the broker answers");
    fprintf(out, "tipoff_up %d\n", status != NULL);
    rows_print(out, json_object_get(status, "shards"), of_shards, "actor", "partition");
    rows_print(out, json_object_get(status, "streams"), of_streams, "stream", NULL);
    broker_print(out, broker);
    tags_print(out, broker);
    sync_print(out, broker);
}
