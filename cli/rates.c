#include "cli/rates.h"

#include <string.h>

static json_int_t number_of(const json_t *row, const char *key)
{
    return json_integer_value(json_object_get(row, key));
}

/* ---- spreads ---- */

static json_int_t bucket_of(const json_t *spread, json_int_t edge)
{
    size_t i;
    json_t *bucket;
    json_array_foreach(json_object_get(spread, "buckets"), i, bucket)
    {
        if (json_integer_value(json_array_get(bucket, 0)) == edge)
            return json_integer_value(json_array_get(bucket, 1));
    }
    return 0;
}

long long rates_percentile(const json_t *before, const json_t *after, double percent)
{
    json_int_t count = number_of(after, "count") - number_of(before, "count"), below = 0;
    const json_t *buckets = json_object_get(after, "buckets");
    for (size_t i = 0; i < json_array_size(buckets) && count > 0; i++) { /* their edges ascend */
        const json_t *bucket = json_array_get(buckets, i);
        json_int_t edge = json_integer_value(json_array_get(bucket, 0));
        below += json_integer_value(json_array_get(bucket, 1)) - bucket_of(before, edge);
        if ((double)below >= (double)count * percent / 100)
            return edge;
    }
    return -1;
}

static json_t *percentile(const json_t *before, const json_t *after, const char *spread,
                          double percent)
{
    long long value =
        rates_percentile(json_object_get(before, spread), json_object_get(after, spread), percent);
    return value < 0 ? json_null() : json_integer(value);
}

/* ---- rates ---- */

/* What grows: `group.key`, or `key` where there is no group. */
struct counter {
    const char *name, *group, *key;
};

static void put_rates(json_t *out, const json_t *before, const json_t *after, double seconds,
                      const struct counter *counters)
{
    for (; counters->name; counters++) {
        const json_t *then = counters->group ? json_object_get(before, counters->group) : before;
        const json_t *now = counters->group ? json_object_get(after, counters->group) : after;
        const json_t *was = json_object_get(then, counters->key),
                     *is = json_object_get(now, counters->key);
        double grown = (double)(json_integer_value(is) - json_integer_value(was));
        bool known = seconds > 0 && json_is_integer(was) && json_is_integer(is);
        json_object_set_new(out, counters->name,
                            known ? json_real(grown > 0 ? grown / seconds : 0) : json_null());
    }
}

static void put_same(json_t *out, const json_t *after, const char *const *keys)
{
    for (; *keys; keys++) {
        json_t *value = json_object_get(after, *keys);
        if (value)
            json_object_set(out, *keys, value);
        else
            json_object_set_new(out, *keys, json_null());
    }
}

static json_t *broker_rates(const json_t *before, const json_t *after, double seconds)
{
    static const char *const keys[] = {
        "instance", "pid",        "uptime_s", "league_time",     "speed",     "first",
        "head",     "segments",   "bytes",    "later",           "sessions",  "bad_batches",
        "refused",  "duplicates", "sockets",  "tap_subscribers", "tap_drops", NULL};
    static const struct counter counters[] = {{"records_in_per_s", NULL, "appended_records"},
                                              {"batches_in_per_s", NULL, "appended_batches"},
                                              {"bytes_in_per_s", NULL, "appended_bytes"},
                                              {"records_out_per_s", "delivered", "records"},
                                              {"bytes_out_per_s", "delivered", "bytes"},
                                              {"commits_per_s", NULL, "commits"},
                                              {"acks_per_s", NULL, "acks"},
                                              {"tap_per_s", NULL, "tap_records"},
                                              {NULL, NULL, NULL}};
    json_t *out = json_object();
    put_same(out, after, keys);
    put_rates(out, before, after, seconds, counters);
    json_object_set_new(out, "sync_p50_us", percentile(before, after, "sync_us", 50));
    json_object_set_new(out, "sync_p99_us", percentile(before, after, "sync_us", 99));
    json_object_set_new(out, "group_p50", percentile(before, after, "group_batches", 50));
    return out;
}

static const json_t *shard_in(const json_t *status, const json_t *shard)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(status, "shards"), i, row)
    {
        if (json_equal(json_object_get(row, "actor"), json_object_get(shard, "actor")) &&
            json_equal(json_object_get(row, "partition"), json_object_get(shard, "partition")))
            return row;
    }
    return NULL;
}

static json_t *shard_rates(const json_t *before, const json_t *after, double seconds)
{
    static const char *const keys[] = {"actor",   "partition", "host",     "pid",    "state",
                                       "cause",   "epoch",     "restarts", "cursor", "lag",
                                       "outbox",  "done",      "never",    "later",  "duplicates",
                                       "refused", NULL};
    static const struct counter counters[] = {{"steps_per_s", NULL, "steps"},
                                              {"taken_per_s", NULL, "taken"},
                                              {"records_in_per_s", "delivered", "records"},
                                              {"bytes_in_per_s", "delivered", "bytes"},
                                              {"records_out_per_s", "published", "records"},
                                              {"bytes_out_per_s", "published", "bytes"},
                                              {"acks_per_s", NULL, "acks"},
                                              {NULL, NULL, NULL}};
    json_t *out = json_object();
    put_same(out, after, keys);
    put_rates(out, before, after, seconds, counters);
    return out;
}

static const json_t *stream_in(const json_t *status, const json_t *stream)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(status, "streams"), i, row)
    {
        if (json_equal(json_object_get(row, "stream"), json_object_get(stream, "stream")))
            return row;
    }
    return NULL;
}

static json_t *stream_rates(const json_t *before, const json_t *after, double seconds)
{
    static const char *const keys[] = {"stream", "records",    "bytes", "first",
                                       "last",   "duplicates", NULL};
    static const struct counter counters[] = {
        {"records_in_per_s", NULL, "records"},       {"bytes_in_per_s", NULL, "bytes"},
        {"batches_in_per_s", "appended", "batches"}, {"records_out_per_s", "delivered", "records"},
        {"bytes_out_per_s", "delivered", "bytes"},   {NULL, NULL, NULL}};
    json_t *out = json_object();
    put_same(out, after, keys);
    put_rates(out, before, after, seconds, counters);
    return out;
}

json_t *rates_between(const json_t *before, const json_t *after)
{
    const json_t *then = json_object_get(before, "broker"), *now = json_object_get(after, "broker");
    json_t *out = json_object(), *shards = json_array(), *streams = json_array(), *row;
    double seconds = 0;
    size_t i;
    if (then && json_equal(json_object_get(then, "instance"), json_object_get(now, "instance")))
        seconds = json_number_value(json_object_get(now, "uptime_s")) -
                  json_number_value(json_object_get(then, "uptime_s"));
    if (seconds <= 0) { /* another process of it counts from nothing */
        before = then = NULL;
        seconds = 0;
    }
    json_array_foreach(json_object_get(after, "shards"), i, row)
    {
        json_array_append_new(shards, shard_rates(shard_in(before, row), row, seconds));
    }
    json_array_foreach(json_object_get(after, "streams"), i, row)
    {
        json_array_append_new(streams, stream_rates(stream_in(before, row), row, seconds));
    }
    json_object_set_new(out, "seconds", seconds > 0 ? json_real(seconds) : json_null());
    json_object_set_new(out, "broker", broker_rates(then, now, seconds));
    json_object_set_new(out, "shards", shards);
    json_object_set_new(out, "streams", streams);
    return out;
}
