/* What the broker says of itself on the tap: the $SYS. topics of PROTOCOL.md §9. Nothing is packed while nobody listens. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "broker/server.h"
#include "config/version.h"
#include "schema/pack.h"
#include "schema/utf8.h"

/* ---- fields ---- */

/* A peer's word, or the system's: what is not UTF-8 would break the map for every reader. */
static void put_text(struct pack *out, const char *name, const char *text)
{
    char clean[256];
    size_t size = strlen(text), valid;
    if (size >= sizeof clean)
        size = sizeof clean - 1;
    memcpy(clean, text, size);
    while ((valid = utf8_valid(clean, size)) < size)
        clean[valid] = '?';
    pack_text(out, name);
    pack_str(out, clean, size);
}

static void put_whole(struct pack *out, const char *name, uint64_t value)
{
    pack_text(out, name);
    pack_u64(out, value);
}

/* Absent in what the peer said: nil. */
static void put_told(struct pack *out, const char *name, uint64_t value)
{
    pack_text(out, name);
    if (value == UINT64_MAX)
        pack_nil(out);
    else
        pack_u64(out, value);
}

static void put_shard(struct pack *out, uint32_t fields, const struct core_producer *producer)
{
    pack_map(out, fields + 2);
    put_text(out, "actor", producer->actor);
    put_whole(out, "partition", producer->shard);
}

/* ---- sending ---- */

static void say(struct server *self, struct pack *payload, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void say(struct server *self, struct pack *payload, const char *fmt, ...)
{
    char topic[160];
    struct pack head = {0};
    va_list args;
    va_start(args, fmt);
    int size = vsnprintf(topic, sizeof topic, fmt, args);
    va_end(args);
    server_tap_topic(topic);
    pack_map(&head, 3);
    put_text(&head, "stream", "$SYS");
    pack_text(&head, "time_us");
    pack_i64(&head, clock_league_us());
    put_text(&head, "broker", self->instance);
    if (size > 0 && (size_t)size < sizeof topic && !head.failed && !payload->failed)
        server_tap_send(self, topic, &(struct span){head.data, (uint32_t)head.size},
                        &(struct span){payload->data, (uint32_t)payload->size});
    pack_free(&head);
    pack_free(payload);
}

/* ---- what is said ---- */

static void say_config(struct server *self)
{
    const struct settings *settings = self->settings;
    struct pack out = {0};
    char hash[SETTINGS_HASH_SIZE];
    settings_hash(settings, hash);
    pack_map(&out, 7);
    put_text(&out, "config_hash", hash);
    put_whole(&out, "heartbeat_us", (uint64_t)settings->broker.heartbeat_us);
    put_whole(&out, "lease_us", (uint64_t)settings->broker.lease_us);
    put_whole(&out, "max_batch_bytes", (uint64_t)settings->broker.max_batch_bytes);
    put_whole(&out, "segment_bytes", (uint64_t)settings->broker.segment_bytes);
    put_whole(&out, "tap_backlog", (uint64_t)settings->broker.tap_backlog);
    put_whole(&out, "peers_max", (uint64_t)settings->broker.peers_max);
    say(self, &out, "$SYS.config.");
}

void server_sys_welcome(struct server *self)
{
    struct pack out = {0};
    pack_map(&out, 5);
    put_whole(&out, "protocol", PROTOCOL_VERSION);
    put_text(&out, "broker", self->instance);
    put_text(&out, "version", version_code());
    put_whole(&out, "head", self->head);
    pack_text(&out, "streams");
    pack_array(&out, self->core->stream_count);
    for (uint32_t i = 1; i <= self->core->stream_count; i++) {
        const struct core_stream *stream = &self->core->streams[i];
        pack_map(&out, 5);
        put_text(&out, "stream", stream->name);
        put_text(&out, "writer", stream->writer);
        put_whole(&out, "partitions", stream->partitions);
        pack_text(&out, "message");
        if (stream->message[0])
            pack_text(&out, stream->message);
        else
            pack_nil(&out);
        put_told(&out, "version", stream->message[0] ? stream->version : UINT64_MAX);
    }
    say(self, &out, "$SYS.welcome.");
    say_config(self);
}

void server_sys_lease(struct server *self, const struct core_producer *producer)
{
    static const char *const words[] = {"lease", "restart"};
    uint64_t restarts = producer->grants ? producer->grants - 1 : 0;
    for (size_t i = 0; i < (restarts ? 2 : 1) && self->tap_subscribers; i++) {
        struct pack out = {0};
        put_shard(&out, 4, producer);
        put_whole(&out, "epoch", producer->epoch);
        put_text(&out, "host", producer->host);
        put_whole(&out, "pid", producer->pid);
        put_whole(&out, "restarts", restarts);
        say(self, &out, "$SYS.%s.%s.%u.", words[i], producer->actor, producer->shard);
    }
}

void server_sys_retain(struct server *self, const struct retain_counts *counts, bool live)
{
    struct pack out = {0};
    if (!self->tap_subscribers)
        return;
    pack_map(&out, 6);
    put_whole(&out, "passes", counts->passes);
    put_whole(&out, "segments", counts->rewritten);
    put_whole(&out, "trimmed", counts->trimmed);
    put_whole(&out, "records", counts->records);
    put_whole(&out, "bytes", counts->bytes);
    pack_text(&out, "running");
    pack_bool(&out, live);
    say(self, &out, "$SYS.retain.");
}

void server_sys_heartbeat(struct server *self, const struct core_session *session)
{
    const struct core_producer *producer = session->producer;
    if (!self->tap_subscribers || !producer)
        return;
    struct pack out = {0};
    put_shard(&out, 10, producer);
    put_text(&out, "state", producer->state);
    put_text(&out, "cause", producer->cause);
    put_whole(&out, "epoch", producer->epoch);
    put_whole(&out, "cursor", producer->cursor);
    put_whole(&out, "steps", producer->steps);
    put_told(&out, "taken", producer->told.taken);
    put_told(&out, "done", producer->told.done);
    put_told(&out, "never", producer->told.never);
    put_told(&out, "later", producer->told.later);
    put_told(&out, "outbox", producer->told.outbox);
    say(self, &out, "$SYS.heartbeat.%s.%u.", producer->actor, producer->shard);
    if (!session->sub.live)
        return;
    struct pack lag = {0};
    put_shard(&lag, 3, producer);
    put_whole(&lag, "cursor", producer->cursor);
    put_whole(&lag, "lag", core_sub_lag(self->core, session));
    put_whole(&lag, "head", self->head);
    say(self, &lag, "$SYS.lag.%s.%u.", producer->actor, producer->shard);
}

void server_sys_clock(struct server *self)
{
    struct clock_anchor anchor;
    struct pack out = {0};
    if (!self->tap_subscribers)
        return;
    clock_league_get(&anchor);
    pack_map(&out, 4);
    pack_text(&out, "league_us");
    pack_i64(&out, anchor.league_us);
    pack_text(&out, "real_us");
    pack_i64(&out, anchor.real_us);
    pack_text(&out, "speed");
    pack_f64(&out, anchor.speed);
    pack_text(&out, "running");
    pack_bool(&out, anchor.running);
    say(self, &out, "$SYS.clock.");
}

void server_sys_socket(struct server *self, const char *socket, const char *event, uint64_t value,
                       const char *endpoint)
{
    struct pack out = {0};
    if (!self->tap_subscribers)
        return;
    pack_map(&out, 4);
    put_text(&out, "socket", socket);
    put_text(&out, "event", event);
    put_whole(&out, "value", value);
    put_text(&out, "endpoint", endpoint);
    say(self, &out, "$SYS.socket.%s.%s.", socket, event);
}

/* ---- what is looked for ---- */

bool server_silent(const struct server *self, const struct core_producer *producer)
{
    return producer->holder &&
           self->turn_us - producer->holder->seen_us > 5 * self->settings->broker.heartbeat_us;
}

static void state_look(struct server *self, struct core_producer *producer)
{
    const char *state = server_silent(self, producer) ? "silent" : producer->state;
    if (strcmp(producer->said_state, state) == 0)
        return;
    struct pack out = {0};
    put_shard(&out, 3, producer);
    put_text(&out, "from", producer->said_state);
    put_text(&out, "to", state);
    put_text(&out, "cause", producer->cause);
    snprintf(producer->said_state, sizeof producer->said_state, "%s", state);
    if (self->tap_subscribers)
        say(self, &out, "$SYS.state.%s.%u.", producer->actor, producer->shard);
    else
        pack_free(&out);
}

void server_sys_turn(struct server *self)
{
    for (uint32_t i = 0; i < self->core->producer_count; i++)
        if (self->core->producers[i]->epoch > 0) /* else it is the broker's own */
            state_look(self, self->core->producers[i]);
    if (self->tap_drops == self->said_drops || !self->tap_subscribers)
        return;
    struct pack out = {0};
    self->said_drops = self->tap_drops;
    pack_map(&out, 2);
    put_whole(&out, "subscribers", self->tap_subscribers);
    put_whole(&out, "drops", self->tap_drops);
    say(self, &out, "$SYS.tap.");
}
