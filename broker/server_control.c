/* Control: one text frame in, one JSON frame out (PROTOCOL.md §9). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/server.h"
#include "config/log.h"
#include "schema/json.h"

static json_t *whole(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *say_ping(struct server *self, const char *words)
{
    (void)words;
    return json_pack("{s:b, s:s, s:I}", "pong", 1, "broker", self->instance, "pid",
                     (json_int_t)getpid());
}

static json_t *broker_status(struct server *self)
{
    struct clock_anchor anchor;
    clock_league_get(&anchor);
    json_t *refused = json_object();
    for (int i = 0; i < REFUSAL_COUNT; i++)
        if (self->core->refused[i])
            json_object_set_new(refused, refusal_text((enum refusal)i),
                                whole(self->core->refused[i]));
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
    json_object_set_new(out, "sessions", whole(self->core->session_count));
    json_object_set_new(out, "commits", whole(self->commits));
    json_object_set_new(out, "appended_batches", whole(self->appended_batches));
    json_object_set_new(out, "appended_records", whole(self->appended_records));
    json_object_set_new(out, "refused", refused);
    json_object_set_new(out, "tap_subscribers", whole(self->tap_subscribers));
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

static json_t *shard_status(struct server *self, const struct core_producer *producer)
{
    json_t *out = json_object();
    const struct core_session *holder = producer->holder;
    char silence[64];
    bool silent =
        holder && self->turn_us - holder->seen_us > 5 * self->settings->broker.heartbeat_us;
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
    json_object_set_new(out, "silent_ms",
                        holder ? json_integer((self->turn_us - holder->seen_us) / 1000)
                               : json_null());
    json_object_set_new(out, "inputs", inputs_status(self, holder));
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
    json_object_set_new(out, "retention",
                        stream->retention_days ? whole(stream->retention_days) : json_null());
    return out;
}

static json_t *say_status(struct server *self, const char *words)
{
    (void)words;
    json_t *shards = json_array(), *streams = json_array();
    for (uint32_t i = 0; i < self->core->producer_count; i++)
        json_array_append_new(shards, shard_status(self, self->core->producers[i]));
    for (uint32_t i = 1; i <= self->core->stream_count; i++)
        json_array_append_new(streams, stream_status(&self->core->streams[i]));
    json_t *out = json_object();
    json_object_set_new(out, "broker", broker_status(self));
    json_object_set_new(out, "shards", shards);
    json_object_set_new(out, "streams", streams);
    return out;
}

static json_t *clock_status(void)
{
    struct clock_anchor anchor;
    clock_league_get(&anchor);
    json_t *out = json_object();
    json_object_set_new(out, "league_time", json_of_time(clock_league_us()));
    json_object_set_new(out, "league_us", json_integer(clock_league_us()));
    json_object_set_new(out, "speed", json_of_number(anchor.speed));
    json_object_set_new(out, "running", json_boolean(anchor.running));
    return out;
}

static json_t *said_wrong(const char *tag, const char *text)
{
    return json_pack("{s:s, s:s}", "error", tag, "text", text);
}

static json_t *say_clock(struct server *self, const char *words)
{
    char verb[16] = "";
    int64_t league_us;
    double speed;
    struct clock_anchor anchor;
    clock_league_get(&anchor);
    int given = sscanf(words, "CLOCK %15s %" SCNd64 " %lf", verb, &league_us, &speed);
    if (given < 1)
        return clock_status();
    bool start = strcmp(verb, "START") == 0;
    if ((!start && strcmp(verb, "STAND") != 0) || (given == 1 && !start) || given == 2)
        return said_wrong("usage",
                          "CLOCK [STAND <league_us> <speed> | START [<league_us> <speed>]]");
    if (given == 3 && !(speed > 0 && speed <= 1e6))
        return said_wrong("usage", "speed: above 0, at most 1000000");
    if (given == 3) {
        anchor.league_us = league_us;
        anchor.speed = speed;
    } else {
        anchor.league_us = clock_league_us();
    }
    anchor.real_us = clock_real_us();
    anchor.running = start;
    if (clock_anchor_save(self->clock_path, &anchor) != 0)
        return said_wrong("disk", "the anchor could not be stored");
    clock_league_set(&anchor);
    log_info("clock-set", "league_us=%" PRId64 " speed=%g running=%d", anchor.league_us,
             anchor.speed, anchor.running);
    server_tell_clock(self);
    server_tap_sys(self, "$SYS.clock.", words);
    return clock_status();
}

static json_t *say_trim(struct server *self, const char *words)
{
    uint64_t position;
    char force[8] = "";
    int given = sscanf(words, "TRIM %" SCNu64 " %7s", &position, force);
    if (given < 1)
        return said_wrong("usage", "TRIM <position> [FORCE]");
    uint64_t lowest = position;
    for (uint32_t i = 0; i < self->core->producer_count; i++) {
        const struct core_producer *producer = self->core->producers[i];
        if (producer->cursor > 0 && producer->cursor < lowest)
            lowest = producer->cursor;
        if (producer->cursor == 0 && producer->holder && producer->holder->sub.live &&
            producer->holder->sub.from < lowest)
            lowest = producer->holder->sub.from; /* reads, and has not said yet how far it is */
    }
    if (self->appending)
        server_commit(self);
    int removed = log_trim(self->log, strcmp(force, "FORCE") == 0 ? position : lowest);
    if (removed < 0)
        return said_wrong("disk", log_error_text(removed));
    return json_pack("{s:i, s:I, s:I}", "segments", removed, "first",
                     (json_int_t)log_first(self->log), "allowed", (json_int_t)lowest);
}

static const struct {
    const char *word;
    json_t *(*say)(struct server *self, const char *words);
} words_known[] = {
    {"PING", say_ping}, {"STATUS", say_status}, {"CLOCK", say_clock}, {"TRIM", say_trim}};

static json_t *say(struct server *self, const char *words)
{
    size_t size = strcspn(words, " ");
    for (size_t i = 0; i < sizeof words_known / sizeof *words_known; i++)
        if (strlen(words_known[i].word) == size && strncmp(words, words_known[i].word, size) == 0)
            return words_known[i].say(self, words);
    return said_wrong("unknown-word", "PING, STATUS, CLOCK, TRIM");
}

#define QUESTIONS_MAX 16 /* a turn */

void server_control_turn(struct server *self)
{
    char words[512];
    int size;
    for (int i = 0; i < QUESTIONS_MAX; i++) {
        size = zmq_recv(self->control, words, sizeof words - 1, ZMQ_DONTWAIT);
        if (size < 0)
            return;
        int more;
        size_t more_size = sizeof more;
        words[(size_t)size < sizeof words ? (size_t)size : sizeof words - 1] = '\0';
        while (zmq_getsockopt(self->control, ZMQ_RCVMORE, &more, &more_size) == 0 && more) {
            char dropped[64];
            if (zmq_recv(self->control, dropped, sizeof dropped, ZMQ_DONTWAIT) < 0)
                break;
        }
        json_t *answer = say(self, words);
        char *text = answer ? json_text(answer) : NULL;
        const char *reply = text ? text : "{\"error\":\"memory\"}";
        (void)zmq_send(self->control, reply, strlen(reply), ZMQ_DONTWAIT);
        free(text);
        json_decref(answer);
    }
}
