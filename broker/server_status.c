/* STATUS: all that the broker knows of itself, its shards and its streams, as JSON. The counters of one life of the broker
 * only grow; who wants rates takes the difference of two answers, by their uptime_s. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "broker/server.h"

static json_t *whole(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *whole_or_null(uint64_t value)
{
    return value == UINT64_MAX ? json_null() : whole(value);
}

static json_t *refused_status(const uint64_t refused[REFUSAL_COUNT])
{
    json_t *out = json_object();
    for (int i = 0; i < REFUSAL_COUNT; i++)
        if (refused[i])
            json_object_set_new(out, refusal_text((enum refusal)i), whole(refused[i]));
    return out;
}

static json_t *traffic_status(const struct core_traffic *traffic)
{
    json_t *out = json_object();
    json_object_set_new(out, "batches", whole(traffic->batches));
    json_object_set_new(out, "records", whole(traffic->records));
    json_object_set_new(out, "bytes", whole(traffic->bytes));
    return out;
}

/* {count, sum, max, p50, p99, buckets: [[at most, how often], ...]}, buckets that are empty left out. */
static json_t *spread_status(const struct server_spread *spread)
{
    json_t *out = json_object(), *buckets = json_array();
    for (uint32_t i = 0; i < SERVER_SPREAD; i++) {
        if (!spread->buckets[i])
            continue;
        json_t *row = json_array();
        json_array_append_new(row, whole(i ? (UINT64_C(1) << i) - 1 : 0));
        json_array_append_new(row, whole(spread->buckets[i]));
        json_array_append_new(buckets, row);
    }
    json_object_set_new(out, "count", whole(spread->count));
    json_object_set_new(out, "sum", whole(spread->sum));
    json_object_set_new(out, "max", whole(spread->most));
    json_object_set_new(out, "p50", whole(server_spread_at(spread, 50)));
    json_object_set_new(out, "p99", whole(server_spread_at(spread, 99)));
    json_object_set_new(out, "buckets", buckets);
    return out;
}

static json_t *sockets_status(const struct server *self)
{
    const struct server_socket *const sockets[] = {&self->router, &self->tap, &self->control};
    json_t *out = json_object();
    for (size_t i = 0; i < sizeof sockets / sizeof *sockets; i++) {
        json_t *events = json_object();
        for (uint32_t k = 0; k < SERVER_EVENTS && sockets[i]->name; k++)
            json_object_set_new(events, server_event_name(k), whole(sockets[i]->events[k]));
        if (sockets[i]->name)
            json_object_set_new(out, sockets[i]->name, events);
        else
            json_decref(events);
    }
    return out;
}

static uint64_t duplicates(const struct server *self)
{
    uint64_t sum = 0;
    for (uint32_t i = 1; i <= self->core->stream_count; i++)
        sum += self->core->streams[i].duplicates;
    return sum;
}

static json_t *broker_status(struct server *self)
{
    struct clock_anchor anchor;
    clock_league_get(&anchor);
    json_t *out = json_object();
    json_object_set_new(out, "instance", json_string(self->instance));
    json_object_set_new(out, "pid", json_integer(getpid()));
    json_object_set_new(out, "uptime_s",
                        json_real((double)(self->turn_us - self->started_us) / 1e6));
    json_object_set_new(out, "first", whole(log_first(self->log)));
    json_object_set_new(out, "head", whole(log_head(self->log)));
    json_object_set_new(out, "segments", whole(log_segments(self->log)));
    json_object_set_new(out, "bytes", whole(log_bytes(self->log)));
    json_object_set_new(out, "later", whole(log_later_count(self->log)));
    json_object_set_new(out, "bad_batches", whole(log_bad_batches(self->log)));
    json_object_set_new(out, "write_error",
                        self->write_error ? json_string(log_error_text(self->write_error))
                                          : json_null());
    json_object_set_new(out, "sessions", whole(self->core->session_count));
    json_object_set_new(out, "commits", whole(self->commits));
    json_object_set_new(out, "appended_batches", whole(self->appended_batches));
    json_object_set_new(out, "appended_records", whole(self->appended_records));
    json_object_set_new(out, "appended_bytes", whole(self->appended_bytes));
    json_object_set_new(out, "retention", server_retain_status(self));
    json_object_set_new(out, "delivered", traffic_status(&self->delivered));
    json_object_set_new(out, "acks", whole(self->acks));
    json_object_set_new(out, "duplicates", whole(duplicates(self)));
    json_object_set_new(out, "group_batches", spread_status(&self->group));
    json_object_set_new(out, "sync_us", spread_status(&self->sync));
    json_object_set_new(out, "sockets", sockets_status(self));
    json_object_set_new(out, "refused", refused_status(self->core->refused));
    json_object_set_new(out, "tap_subscribers", whole(self->tap_subscribers));
    json_object_set_new(out, "tap_records", whole(self->tap_sent));
    json_object_set_new(out, "tap_drops", whole(self->tap_drops));
    json_object_set_new(out, "league_time", json_of_time(clock_league_us()));
    json_object_set_new(out, "clock_running", json_boolean(anchor.running));
    json_object_set_new(out, "speed", json_of_number(anchor.speed));
    return out;
}

/* The streams that a subscription reads, each once. */
static json_t *inputs_status(struct server *self, const struct core_session *holder)
{
    bool listed[REGISTRY_STREAMS_MAX + 1] = {false};
    json_t *out = json_array();
    for (uint32_t i = 0; holder && holder->sub.live && i < holder->sub.lane_count; i++) {
        const struct core_stream *stream =
            core_stream_by_id(self->core, holder->sub.lanes[i].stream);
        if (!stream || listed[stream->id])
            continue;
        listed[stream->id] = true;
        json_array_append_new(out, json_string(stream->name));
    }
    return out;
}

/* Which lanes it reads, by stream, and how much of them was not delivered yet. Lanes are in order of their streams. */
static json_t *reads_status(struct server *self, const struct core_session *holder)
{
    json_t *out = json_array(), *row = NULL;
    uint16_t last = 0;
    for (uint32_t i = 0; holder && holder->sub.live && i < holder->sub.lane_count; i++) {
        const struct core_sub_lane *lane = &holder->sub.lanes[i];
        const struct core_stream *stream = core_stream_by_id(self->core, lane->stream);
        if (!stream)
            continue;
        if (!row || lane->stream != last) {
            row = json_object();
            json_object_set_new(row, "stream", json_string(stream->name));
            json_object_set_new(row, "partitions", json_array());
            json_object_set_new(row, "undelivered", whole(0));
            json_array_append_new(out, row);
        }
        last = lane->stream;
        uint64_t total = stream->per_partition[lane->partition];
        json_t *sum = json_object_get(row, "undelivered");
        json_array_append_new(json_object_get(row, "partitions"), json_integer(lane->partition));
        if (total > lane->passed)
            json_integer_set(sum, json_integer_value(sum) + (json_int_t)(total - lane->passed));
    }
    return out;
}

static json_t *shard_status(struct server *self, const struct core_producer *producer)
{
    json_t *out = json_object();
    const struct core_session *holder = producer->holder;
    char silence[64];
    bool silent = server_silent(self, producer);
    if (silent)
        snprintf(silence, sizeof silence, "no heartbeat for %" PRId64 " ms",
                 (self->turn_us - holder->seen_us) / 1000);
    json_object_set_new(out, "actor", json_string(producer->actor));
    json_object_set_new(out, "partition", json_integer(producer->shard));
    json_object_set_new(out, "host", json_of_string(producer->host));
    json_object_set_new(out, "pid", whole(producer->pid));
    json_object_set_new(out, "state", json_of_string(silent ? "silent" : producer->state));
    json_object_set_new(out, "cause", json_of_string(silent ? silence : producer->cause));
    json_object_set_new(out, "epoch", whole(producer->epoch));
    json_object_set_new(out, "restarts", whole(producer->grants ? producer->grants - 1 : 0));
    json_object_set_new(out, "cursor", whole(producer->cursor));
    json_object_set_new(out, "lag",
                        holder && holder->sub.live ? whole(core_sub_lag(self->core, holder))
                                                   : json_null());
    json_object_set_new(out, "steps", whole(producer->steps));
    json_object_set_new(out, "published", traffic_status(&producer->published));
    json_object_set_new(out, "delivered", traffic_status(&producer->delivered));
    json_object_set_new(out, "acks", whole(producer->acks));
    json_object_set_new(out, "duplicates", whole(producer->duplicates));
    json_object_set_new(out, "refused", refused_status(producer->refused));
    json_object_set_new(out, "taken", whole_or_null(producer->told.taken));
    json_object_set_new(out, "done", whole_or_null(producer->told.done));
    json_object_set_new(out, "never", whole_or_null(producer->told.never));
    json_object_set_new(out, "later", whole_or_null(producer->told.later));
    json_object_set_new(out, "outbox", whole_or_null(producer->told.outbox));
    json_object_set_new(out, "silent_ms",
                        holder ? json_integer((self->turn_us - holder->seen_us) / 1000)
                               : json_null());
    json_object_set_new(out, "inputs", inputs_status(self, holder));
    json_object_set_new(out, "reads", reads_status(self, holder));
    json_object_set_new(out, "code_version", json_of_string(producer->code_version));
    json_object_set_new(out, "config_hash", json_of_string(producer->config_hash));
    return out;
}

static json_t *stream_status(const struct core_stream *stream)
{
    json_t *out = json_object();
    json_object_set_new(out, "stream", json_string(stream->name));
    json_object_set_new(out, "writer", json_of_string(stream->writer));
    json_object_set_new(out, "partitions", json_integer(stream->partitions));
    json_object_set_new(out, "first", stream->records ? whole(stream->first) : json_null());
    json_object_set_new(out, "last", stream->records ? whole(stream->last) : json_null());
    json_object_set_new(out, "records", whole(stream->records));
    json_object_set_new(out, "bytes", whole(stream->bytes));
    json_object_set_new(out, "appended", traffic_status(&stream->appended));
    json_object_set_new(out, "delivered", traffic_status(&stream->delivered));
    json_object_set_new(out, "duplicates", whole(stream->duplicates));
    json_object_set_new(out, "message", json_of_string(stream->message));
    json_object_set_new(out, "version", stream->message[0] ? whole(stream->version) : json_null());
    json_object_set_new(out, "retention",
                        stream->retention_days ? whole(stream->retention_days) : json_null());
    json_object_set_new(out, "retention_s",
                        stream->retention_age_us
                            ? whole((uint64_t)stream->retention_age_us / 1000000)
                            : json_null());
    json_object_set_new(out, "retention_bytes",
                        stream->retention_bytes ? whole(stream->retention_bytes) : json_null());
    json_object_set_new(out, "retention_latest", json_boolean(stream->retention_latest));
    json_object_set_new(out, "whole_from", whole(stream->whole_from));
    return out;
}

json_t *server_status(struct server *self)
{
    json_t *shards = json_array(), *streams = json_array();
    for (uint32_t i = 0; i < self->core->producer_count; i++)
        if (self->core->producers[i]->epoch > 0) /* else it is the broker's own */
            json_array_append_new(shards, shard_status(self, self->core->producers[i]));
    for (uint32_t i = 1; i <= self->core->stream_count; i++)
        json_array_append_new(streams, stream_status(&self->core->streams[i]));
    json_t *out = json_object();
    json_object_set_new(out, "broker", broker_status(self));
    json_object_set_new(out, "shards", shards);
    json_object_set_new(out, "streams", streams);
    json_object_set_new(out, "readers", server_readers_status(self));
    if (self->registries)
        json_object_set(out, "registries", self->registries);
    if (self->members.count > 0)
        json_object_set_new(out, "members", server_members_status(self));
    return out;
}
