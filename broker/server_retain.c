/* Retention by the registry's rules: when a pass begins, how much of the broker's time it takes, and who is told. */
#include <inttypes.h>
#include <stdlib.h>

#include "broker/server.h"
#include "config/log.h"

#define SLICE_BYTES (256 * 1024)
#define BUSY_US 50000 /* since the last append: then there is other work */
#define FAILED_AGAIN_US 60000000
#define FIRST_US 60000000 /* after the start, at the latest: one that is started often gets to it */

struct retaining {
    struct retain *retain;
    bool force;
    int64_t pass_us, slice_us;   /* monotonic: not before */
    uint64_t told;               /* segments rewritten, as of the last $SYS. */
    struct server_spread slices; /* microseconds of one */
};

uint64_t server_lowest(const struct server *self)
{
    uint64_t lowest = server_readers_lowest(self);
    for (uint32_t i = 0; i < self->core->producer_count; i++) {
        const struct core_producer *producer = self->core->producers[i];
        if (producer->cursor > 0 && producer->cursor < lowest)
            lowest = producer->cursor;
        if (producer->keep > 0 && producer->keep < lowest)
            lowest = producer->keep;
        if (producer->cursor == 0 && producer->holder && producer->holder->sub.live &&
            producer->holder->sub.from < lowest)
            lowest = producer->holder->sub.from; /* reads, and has not said yet how far it is */
    }
    return lowest;
}

/* ---- who is told ---- */

static bool lane_below(const struct core_session *session, uint16_t stream, uint64_t end)
{
    bool below = false;
    for (uint32_t i = 0; i < session->sub.lane_count; i++)
        below =
            below || (session->sub.lanes[i].stream == stream && session->sub.lanes[i].next < end);
    return below;
}

/* Whoever is being delivered what will not be there any more. */
static void sessions_tell(struct server *self, uint16_t stream, uint64_t end)
{
    for (struct core_session *session = self->core->sessions; session; session = session->next) {
        if (!session->sub.live || server_session_done(session) >= end ||
            !lane_below(session, stream, end))
            continue;
        server_refuse(self, session, "SUBS", REFUSAL_TRIMMED, NULL, "trimmed(%" PRIu64 ")", end);
        core_unsubscribe(session);
    }
}

/* Shards that have not committed a cursor so far: told when they subscribe again. */
static void producers_pass(struct server *self, uint64_t end)
{
    for (uint32_t i = 0; i < self->core->producer_count; i++) {
        struct core_producer *producer = self->core->producers[i];
        uint64_t needed = producer->keep ? producer->keep : producer->cursor;
        if (needed == 0 || needed >= end || producer->passed >= end)
            continue;
        producer->passed = end;
        producer->dirty = true;
        log_warn("reader-passed", "name=%s.%u position=%" PRIu64 " removed_below=%" PRIu64,
                 producer->actor, producer->shard, needed, end);
    }
}

/* Durable before anything is removed, so that nobody passes over it unawares. */
static int about_to_remove(void *context, uint16_t id, uint64_t end)
{
    struct server *self = context;
    struct core_stream *stream = core_stream_by_id(self->core, id);
    if (!stream || !server_append_begin(self))
        return LOG_FULL;
    if (stream->whole_from < end)
        stream->whole_from = end;
    stream->dirty = true;
    if (self->retaining->force) {
        producers_pass(self, end);
        server_readers_pass(self, id, end);
    }
    server_commit(self);
    if (stream->dirty)
        return LOG_IO;
    sessions_tell(self, id, end);
    return LOG_OK;
}

/* ---- a pass ---- */

static bool retaining_make(struct server *self)
{
    const struct retain_options options = {.percent =
                                               (uint32_t)self->settings->broker.retain_percent,
                                           .keys_max = (uint64_t)self->settings->broker.retain_keys,
                                           .removes = about_to_remove,
                                           .context = self};
    struct retaining *retaining = calloc(1, sizeof *retaining);
    if (retaining && !(retaining->retain = retain_new(&options))) {
        free(retaining);
        retaining = NULL;
    }
    if (retaining)
        retaining->pass_us = self->turn_us + (self->settings->broker.retain_every_us < FIRST_US
                                                  ? self->settings->broker.retain_every_us
                                                  : FIRST_US);
    self->retaining = retaining;
    return retaining != NULL;
}

void server_retain_free(struct server *self)
{
    if (!self->retaining)
        return;
    retain_free(&self->retaining->retain, self->log);
    free(self->retaining);
    self->retaining = NULL;
}

static void rules_set(struct server *self)
{
    for (uint32_t i = 1; i <= self->core->stream_count; i++) {
        const struct core_stream *stream = &self->core->streams[i];
        const struct retain_rule rule = {stream->retention_age_us, stream->retention_bytes,
                                         stream->retention_latest};
        retain_rule_set(self->retaining->retain, stream->id, stream->partitions, &rule);
    }
}

static void pass_begin(struct server *self, bool force)
{
    struct retaining *retaining = self->retaining;
    uint64_t lowest = server_lowest(self); /* holds if nothing can be stored now */
    if (server_readers_advance(self))
        lowest = server_lowest(self);
    rules_set(self);
    retaining->force = force;
    retaining->slice_us = self->turn_us;
    retain_begin(retaining->retain, self->log, force ? UINT64_MAX : lowest);
}

static void pass_ended(struct server *self, int error)
{
    struct retaining *retaining = self->retaining;
    retaining->force = false;
    retaining->pass_us = self->turn_us + self->settings->broker.retain_every_us;
    if (error) {
        log_error("retention-failed", "why=\"%s\" action=tried-again", log_error_text(error));
        if (retaining->pass_us < self->turn_us + FAILED_AGAIN_US)
            retaining->pass_us = self->turn_us + FAILED_AGAIN_US;
    }
}

/* Somebody needs now what this pass may remove: a cursor was set back, or is new. */
static bool overtaken(const struct server *self)
{
    const struct retaining *retaining = self->retaining;
    return !retaining->force && server_lowest(self) < retain_below(retaining->retain);
}

static void slice(struct server *self)
{
    struct retaining *retaining = self->retaining;
    int64_t begun_us = clock_mono_us();
    if (overtaken(self)) {
        retain_drop(retaining->retain, self->log);
        pass_begin(self, false);
    }
    int more = retain_step(retaining->retain, self->log, SLICE_BYTES);
    int64_t took_us = clock_mono_us() - begun_us, share = self->settings->broker.retain_share;
    server_spread_add(&retaining->slices, (uint64_t)took_us);
    retaining->slice_us = self->turn_us;
    if (self->turn_us - self->appended_us < BUSY_US)
        retaining->slice_us = begun_us + took_us * 100 / share;
    if (more <= 0)
        pass_ended(self, more);
    const struct retain_counts *counts = retain_counts(retaining->retain);
    if (more <= 0 || counts->rewritten != retaining->told)
        server_sys_retain(self, counts, more > 0);
    retaining->told = counts->rewritten;
}

void server_retain_turn(struct server *self)
{
    if (self->failed || self->appending)
        return;
    if (!self->retaining && (!self->retain_rules || !retaining_make(self)))
        return;
    struct retaining *retaining = self->retaining;
    if (retain_live(retaining->retain)) {
        if (self->turn_us >= retaining->slice_us)
            slice(self);
    } else if (self->turn_us >= retaining->pass_us) {
        retaining->pass_us = self->turn_us + self->settings->broker.retain_every_us;
        if (self->retain_rules)
            pass_begin(self, false);
    }
}

int64_t server_retain_wait_us(const struct server *self)
{
    const struct retaining *retaining = self->retaining;
    if (!retaining)
        return INT64_MAX;
    int64_t due_us = retain_live(retaining->retain) ? retaining->slice_us : retaining->pass_us;
    return due_us > self->turn_us ? due_us - self->turn_us : 0;
}

json_t *server_retain_now(struct server *self, bool force)
{
    if (!self->retain_rules)
        return json_pack("{s:s, s:s}", "error", "no-rules", "text",
                         "every stream is kept for ever");
    if (self->appending)
        server_commit(self);
    if (!self->retaining && !retaining_make(self))
        return NULL;
    if (retain_live(self->retaining->retain))
        retain_drop(self->retaining->retain, self->log);
    pass_begin(self, force);
    json_t *out = server_retain_status(self);
    json_object_set_new(out, "force", json_boolean(force));
    return out;
}

json_t *server_retain_status(const struct server *self)
{
    static const struct retain_counts nothing = {0};
    const struct retaining *retaining = self->retaining;
    const struct retain_counts *counts = retaining ? retain_counts(retaining->retain) : &nothing;
    bool live = retaining && retain_live(retaining->retain);
    uint64_t lowest = server_lowest(self), head = log_head(self->log);
    json_t *out = json_object();
    json_object_set_new(out, "running", json_boolean(live));
    json_object_set_new(out, "passes", json_integer((json_int_t)counts->passes));
    json_object_set_new(out, "looked", json_integer((json_int_t)counts->looked));
    json_object_set_new(out, "segments", json_integer((json_int_t)counts->rewritten));
    json_object_set_new(out, "trimmed", json_integer((json_int_t)counts->trimmed));
    json_object_set_new(out, "records", json_integer((json_int_t)counts->records));
    json_object_set_new(out, "bytes", json_integer((json_int_t)counts->bytes));
    json_object_set_new(out, "allowed", json_integer((json_int_t)(lowest < head ? lowest : head)));
    json_object_set_new(out, "slice_us_max",
                        json_integer(retaining ? (json_int_t)retaining->slices.most : 0));
    return out;
}
