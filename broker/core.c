#include "broker/core.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct core *core_new(const struct core_options *options)
{
    struct core *self = calloc(1, sizeof *self);
    if (self)
        self->options = *options;
    return self;
}

void core_free(struct core **self_ref)
{
    struct core *self = *self_ref;
    if (!self)
        return;
    while (self->sessions)
        core_session_drop(self, self->sessions, false);
    for (uint32_t i = 0; i < self->producer_count; i++) {
        free(self->producers[i]->lanes);
        free(self->producers[i]);
    }
    for (uint32_t i = 1; i <= self->stream_count; i++)
        free(self->streams[i].per_partition);
    free(self->producers);
    free(self);
    *self_ref = NULL;
}

/* ---- streams ---- */

struct core_stream *core_stream_by_name(struct core *self, const char *name)
{
    for (uint32_t i = 1; i <= self->stream_count; i++)
        if (strcmp(self->streams[i].name, name) == 0)
            return &self->streams[i];
    return NULL;
}

struct core_stream *core_stream_by_id(struct core *self, uint32_t id)
{
    return id >= 1 && id <= self->stream_count ? &self->streams[id] : NULL;
}

struct core_stream *core_stream_add(struct core *self, const char *name)
{
    if (self->stream_count == REGISTRY_STREAMS_MAX)
        return NULL;
    struct core_stream *stream = &self->streams[++self->stream_count];
    memset(stream, 0, sizeof *stream);
    stream->id = (uint16_t)self->stream_count;
    snprintf(stream->name, sizeof stream->name, "%s", name);
    return stream;
}

/* ---- producers and lanes ---- */

struct core_producer *core_producer_by_id(struct core *self, uint32_t id)
{
    return id >= 1 && id <= self->producer_count ? self->producers[id - 1] : NULL;
}

#define PRODUCERS_MAX 65536 /* each is remembered for ever */

struct core_producer *core_producer_get(struct core *self, const char *actor, uint16_t shard)
{
    for (uint32_t i = 0; i < self->producer_count; i++)
        if (self->producers[i]->shard == shard && strcmp(self->producers[i]->actor, actor) == 0)
            return self->producers[i];
    if (self->producer_count == PRODUCERS_MAX)
        return NULL;
    if (self->producer_count == self->producer_capacity) {
        uint32_t capacity = self->producer_capacity ? self->producer_capacity * 2 : 32;
        struct core_producer **grown = realloc(self->producers, capacity * sizeof *grown);
        if (!grown)
            return NULL;
        self->producers = grown;
        self->producer_capacity = capacity;
    }
    struct core_producer *producer = calloc(1, sizeof *producer);
    if (!producer)
        return NULL;
    producer->id = self->producer_count + 1;
    producer->shard = shard;
    producer->shards = 1;
    producer->expires_us = INT64_MIN;
    memset(&producer->told, 0xff, sizeof producer->told);
    snprintf(producer->actor, sizeof producer->actor, "%s", actor);
    self->producers[self->producer_count++] = producer;
    return producer;
}

struct core_lane *core_lane_get(struct core *self, struct core_producer *producer, uint16_t stream,
                                uint16_t partition)
{
    (void)self;
    if (producer->last_lane < producer->lane_count) {
        struct core_lane *last = &producer->lanes[producer->last_lane];
        if (last->stream == stream && last->partition == partition)
            return last;
    }
    for (uint32_t i = 0; i < producer->lane_count; i++)
        if (producer->lanes[i].stream == stream && producer->lanes[i].partition == partition) {
            producer->last_lane = i;
            return &producer->lanes[i];
        }
    if (producer->lane_count == producer->lane_capacity) {
        uint32_t capacity = producer->lane_capacity ? producer->lane_capacity * 2 : 16;
        struct core_lane *grown = realloc(producer->lanes, capacity * sizeof *grown);
        if (!grown)
            return NULL;
        producer->lanes = grown;
        producer->lane_capacity = capacity;
    }
    producer->last_lane = producer->lane_count;
    struct core_lane *lane = &producer->lanes[producer->lane_count++];
    *lane = (struct core_lane){.stream = stream, .partition = partition};
    return lane;
}

/* ---- sessions ---- */

/* Makes room: the one that is silent for longest, if that is a lease and it holds none. */
static bool session_evict(struct core *self, int64_t now_us)
{
    struct core_session *silent = NULL;
    for (struct core_session *session = self->sessions; session; session = session->next)
        if (!session->producer && (!silent || session->seen_us < silent->seen_us))
            silent = session;
    if (!silent || now_us - silent->seen_us <= self->options.lease_us)
        return false;
    core_session_drop(self, silent, false);
    return true;
}

struct core_session *core_session_get(struct core *self, const uint8_t *peer, size_t size,
                                      int64_t now_us)
{
    struct core_session **link = &self->sessions;
    for (struct core_session *session; (session = *link) != NULL; link = &session->next)
        if (session->peer_size == size && memcmp(session->peer, peer, size) == 0) {
            *link = session->next; /* most recent first: peers talk in bursts */
            session->next = self->sessions;
            self->sessions = session;
            session->seen_us = now_us;
            return session;
        }
    if (size > CORE_PEER_MAX ||
        (self->session_count >= self->options.sessions_max && !session_evict(self, now_us)))
        return NULL;
    struct core_session *session = calloc(1, sizeof *session);
    if (!session)
        return NULL;
    memcpy(session->peer, peer, size);
    session->peer_size = size;
    session->seen_us = now_us;
    session->next = self->sessions;
    self->sessions = session;
    self->session_count++;
    return session;
}

void core_session_drop(struct core *self, struct core_session *session, bool release)
{
    if (session->reader && self->options.dropped)
        self->options.dropped(self->options.context, session);
    for (struct core_session **link = &self->sessions; *link; link = &(*link)->next)
        if (*link == session) {
            *link = session->next;
            self->session_count--;
            break;
        }
    if (session->producer && session->producer->holder == session) {
        session->producer->holder = NULL;
        snprintf(session->producer->state, sizeof session->producer->state, "%s",
                 release ? "stopped" : "gone");
        if (release)
            session->producer->expires_us = INT64_MIN;
    }
    core_unsubscribe(session);
    free(session->member);
    free(session);
}

void core_sessions_sweep(struct core *self)
{
    for (struct core_session *session = self->sessions, *next; session; session = next) {
        next = session->next;
        if (session->gone)
            core_session_drop(self, session, false);
    }
}

void core_sessions_expire(struct core *self, int64_t now_us, int64_t silence_us)
{
    for (struct core_session *session = self->sessions, *next; session; session = next) {
        next = session->next;
        if (now_us - session->seen_us > silence_us)
            core_session_drop(self, session, false);
    }
}

bool core_refused(struct core *self, struct core_session *session, enum refusal refusal)
{
    self->refused[refusal]++;
    if (!session)
        return self->refused[refusal] == 1;
    if (session->producer)
        session->producer->refused[refusal]++;
    uint32_t bit = UINT32_C(1) << refusal;
    bool first = !(session->refused_tags & bit);
    session->refused_tags |= bit;
    return first;
}

/* ---- leases ---- */

static void producer_used(struct core_producer *producer)
{
    if (producer->used)
        return;
    producer->used = true;
    if (strcmp(producer->used_env, producer->env) == 0)
        return;
    memcpy(producer->used_env, producer->env, sizeof producer->used_env);
    producer->dirty = true;
}

bool core_lease(struct core *self, struct core_session *session, const struct msg_leas *ask,
                int64_t now_us, struct core_session **old, int64_t *retry_us, char holder[160])
{
    struct core_producer *producer = core_producer_get(self, ask->actor, (uint16_t)ask->shard);
    assert(session);
    *old = NULL;
    *retry_us = 1000000;
    holder[0] = '\0';
    if (!producer) {
        snprintf(holder, 160, "nobody: there are too many shards");
        return false;
    }
    bool running = producer->epoch > 0 && producer->expires_us > now_us;
    bool same_env = strcmp(producer->env, ask->env) == 0;
    if (running && producer->holder != session && !same_env) {
        *retry_us = producer->expires_us - now_us;
        snprintf(holder, 160, "%s@%s pid %" PRIu64 " epoch %" PRIu64, producer->actor,
                 producer->host, producer->pid, producer->epoch);
        return false;
    }
    if (producer->holder && producer->holder != session) {
        *old = producer->holder;
        producer->holder->producer = NULL;
        if (!producer->holder->reader) /* what it reads for a named cursor is not of the shard */
            core_unsubscribe(producer->holder);
    }
    if (session->producer && session->producer != producer)
        session->producer->holder = NULL;
    producer->epoch++;
    producer->shards = (uint16_t)ask->shards;
    memcpy(producer->last_env, producer->used_env, sizeof producer->last_env);
    producer->used = false;
    producer->untold = true;
    snprintf(producer->env, sizeof producer->env, "%s", ask->env);
    snprintf(producer->host, sizeof producer->host, "%s", session->host);
    snprintf(producer->incarnation, sizeof producer->incarnation, "%s", session->incarnation);
    snprintf(producer->code_version, sizeof producer->code_version, "%s", session->code_version);
    snprintf(producer->config_hash, sizeof producer->config_hash, "%s", session->config_hash);
    snprintf(producer->state, sizeof producer->state, "starting");
    producer->cause[0] = '\0';
    producer->pid = session->pid;
    producer->expires_us = now_us + self->options.lease_us;
    producer->holder = session;
    producer->grants++;
    memset(&producer->told, 0xff, sizeof producer->told); /* UINT64_MAX: not said yet */
    session->producer = producer;
    producer->dirty = true;
    return true;
}

void core_beat(struct core *self, struct core_session *session, const struct msg_beat *beat,
               int64_t now_us)
{
    struct core_producer *producer = session->producer;
    if (!producer)
        return;
    producer->expires_us = now_us + self->options.lease_us;
    snprintf(producer->state, sizeof producer->state, "%s", beat->state);
    snprintf(producer->cause, sizeof producer->cause, "%s", beat->cause);
    producer->steps = beat->steps;
    producer->keep = beat->keep == UINT64_MAX ? 0 : beat->keep;
    producer->told.taken = beat->taken;
    producer->told.done = beat->done;
    producer->told.never = beat->never;
    producer->told.later = beat->later;
    producer->told.outbox = beat->outbox;
    if (!producer->untold &&
        (strcmp(beat->state, "ready") == 0 || strcmp(beat->state, "draining") == 0))
        producer_used(producer);
    if (beat->cursor > producer->cursor)
        producer->cursor = beat->cursor;
}

/* ---- publish ---- */

static enum refusal publish_allowed(struct core *self, const struct core_session *session,
                                    uint32_t producer_id, uint64_t epoch,
                                    const struct batch_desc *desc)
{
    const struct core_producer *producer = core_producer_by_id(self, producer_id);
    if (!producer)
        return REFUSAL_NOT_LEASED;
    if (session->producer != producer)
        return strcmp(session->actor, producer->actor) == 0 && epoch < producer->epoch
                   ? REFUSAL_STALE_EPOCH
                   : REFUSAL_NOT_LEASED;
    if (epoch < producer->epoch)
        return REFUSAL_STALE_EPOCH;
    if (epoch > producer->epoch)
        return REFUSAL_NOT_LEASED;
    const struct core_stream *stream = core_stream_by_id(self, desc->stream);
    if (!stream || stream->retired)
        return REFUSAL_UNKNOWN_STREAM;
    if (desc->partition >= stream->partitions)
        return REFUSAL_BAD_PARTITION;
    if (strcmp(stream->writer, "*") != 0 && strcmp(stream->writer, producer->actor) != 0)
        return REFUSAL_NOT_WRITER;
    if (desc->count == 0)
        return REFUSAL_BAD_COUNT;
    if (desc->size > self->options.max_batch_bytes || desc->count > 65536)
        return REFUSAL_TOO_LARGE;
    return REFUSAL_NONE;
}

enum refusal core_publish(struct core *self, struct core_session *session, uint32_t producer_id,
                          uint64_t epoch, const struct batch_desc *desc, bool *duplicate)
{
    *duplicate = false;
    enum refusal refusal = publish_allowed(self, session, producer_id, epoch, desc);
    if (refusal != REFUSAL_NONE)
        return refusal;
    struct core_producer *producer = session->producer;
    struct core_lane *lane = core_lane_get(self, producer, desc->stream, desc->partition);
    if (!lane)
        return REFUSAL_TOO_MANY;
    if (desc->first_seq == lane->last_seq + 1) {
        if (desc->due_us > 0 && self->later_count >= self->options.later_max)
            return REFUSAL_TOO_MANY; /* a repeat takes no more room */
        lane->last_seq += desc->count;
        lane->acked = lane->dirty = true;
        producer_used(producer);
        if (desc->due_us > 0)
            self->later_count++;
        return REFUSAL_NONE;
    }
    if (desc->first_seq > lane->last_seq + 1 || desc->first_seq == 0)
        return REFUSAL_SEQ_GAP;
    uint64_t first_seq;
    uint32_t count, crc;
    if (self->options.lookup(self->options.context, producer_id, desc->stream, desc->partition,
                             desc->first_seq, &first_seq, &count, &crc) &&
        (first_seq != desc->first_seq || count != desc->count || crc != desc->crc))
        return REFUSAL_SEQ_CONFLICT;
    *duplicate = true;
    lane->acked = true;
    producer->duplicates++;
    self->streams[desc->stream].duplicates++;
    return REFUSAL_NONE;
}

typedef void lane_fn(struct core_lane *lane);

static void lanes_each_dirty(struct core *self, lane_fn *fn)
{
    for (uint32_t i = 0; i < self->producer_count; i++)
        for (uint32_t j = 0; j < self->producers[i]->lane_count; j++)
            if (self->producers[i]->lanes[j].dirty)
                fn(&self->producers[i]->lanes[j]);
}

static void lane_commit(struct core_lane *lane)
{
    lane->committed_seq = lane->last_seq;
    lane->dirty = false;
}

static void lane_rollback(struct core_lane *lane)
{
    lane->last_seq = lane->committed_seq;
    lane->dirty = false;
    lane->acked = false;
}

void core_commit(struct core *self)
{
    lanes_each_dirty(self, lane_commit);
    for (uint32_t i = 0; i < self->producer_count; i++) {
        struct core_producer *producer = self->producers[i];
        if (producer->epoch != producer->committed_epoch) {
            producer->committed_epoch = producer->epoch;
            memcpy(producer->committed_env, producer->env, sizeof producer->committed_env);
        }
        producer->dirty = false;
    }
    self->later_committed = self->later_count;
    for (uint32_t i = 1; i <= self->stream_count; i++)
        self->streams[i].dirty = false;
}

void core_rollback(struct core *self)
{
    lanes_each_dirty(self, lane_rollback);
    self->later_count = self->later_committed;
    for (uint32_t i = 0; i < self->producer_count; i++) {
        struct core_producer *producer = self->producers[i];
        if (producer->epoch == producer->committed_epoch)
            continue;
        /* A lease that could not be made durable was never given; its number is not reused while we live. */
        if (producer->holder)
            producer->holder->producer = NULL;
        producer->holder = NULL;
        producer->untold = false;
        producer->expires_us = INT64_MIN;
        memcpy(producer->env, producer->committed_env, sizeof producer->env);
    }
}

/* ---- subscriptions ---- */

int core_subscribe(struct core_session *session, const struct core_sub_lane *lanes, uint32_t count,
                   uint64_t from, uint64_t records, uint64_t bytes)
{
    core_unsubscribe(session);
    struct core_sub *sub = &session->sub;
    sub->lanes = malloc((count ? count : 1) * sizeof *lanes);
    if (!sub->lanes)
        return -1;
    memcpy(sub->lanes, lanes, count * sizeof *lanes);
    sub->lane_count = count;
    sub->from = from;
    sub->most_records = records;
    sub->most_bytes = bytes;
    sub->live = true;
    return 0;
}

void core_unsubscribe(struct core_session *session)
{
    free(session->sub.lanes);
    memset(&session->sub, 0, sizeof session->sub);
}

/* In flight to one reader. The socket takes 100,000 (server_sockets.c), hears only of every 50,000 that they have left, and may
 * still hold as many of the subscription before: more would look like a reader that does not read. */
#define MESSAGES_MAX 16384

struct core_sub_lane *core_sub_next(struct core_session *session)
{
    struct core_sub *sub = &session->sub;
    if (!sub->live || (sub->flying_records > 0 && !core_sub_admits(sub, 1, 1)) ||
        sub->messages_before + sub->messages_since >= MESSAGES_MAX)
        return NULL;
    struct core_sub_lane *first = NULL;
    for (uint32_t i = 0; i < sub->lane_count; i++)
        if (sub->lanes[i].next != CORE_NONE && (!first || sub->lanes[i].next < first->next))
            first = &sub->lanes[i];
    return first;
}

#define RECORD_COST 32 /* bytes that a record in flight costs at least, however empty it is */

bool core_sub_admits(const struct core_sub *sub, uint32_t records, uint64_t bytes)
{
    if (sub->flying_records == 0)
        return true;
    if (sub->share_bytes && (sub->flying_bytes + bytes > sub->share_bytes ||
                             sub->flying_records + records > sub->share_bytes / RECORD_COST))
        return false;
    return sub->flying_records + records <= sub->most_records &&
           sub->flying_bytes + bytes <= sub->most_bytes;
}

void core_sub_skipped(struct core_sub *sub, struct core_sub_lane *lane, uint32_t records,
                      uint64_t next)
{
    lane->passed += records;
    if (lane->next < sub->from) /* the reader asked for the end of this batch only */
        lane->passed -= sub->from - lane->next;
    lane->next = next;
}

void core_sub_delivered(struct core_sub *sub, struct core_sub_lane *lane, uint32_t records,
                        uint64_t bytes, uint64_t next)
{
    core_sub_skipped(sub, lane, records, next);
    sub->flying_records += records;
    sub->flying_bytes += bytes;
    sub->sent_records += records;
}

void core_sub_sent(struct core_sub *sub)
{
    sub->messages_since++;
}

void core_credit(struct core_session *session, uint32_t records, uint32_t bytes)
{
    struct core_sub *sub = &session->sub;
    sub->flying_records = records < sub->flying_records ? sub->flying_records - records : 0;
    sub->flying_bytes = bytes < sub->flying_bytes ? sub->flying_bytes - bytes : 0;
    if (sub->sent_records - sub->flying_records < sub->mark_records)
        return;
    sub->messages_before = sub->flying_records ? sub->messages_since : 0;
    sub->messages_since = 0;
    sub->mark_records = sub->sent_records;
}

bool core_appended(struct core *self, uint16_t stream, uint16_t partition, uint64_t base,
                   uint32_t count)
{
    bool all = true;
    for (struct core_session *session = self->sessions; session; session = session->next)
        for (uint32_t i = 0; session->sub.live && i < session->sub.lane_count; i++) {
            struct core_sub_lane *lane = &session->sub.lanes[i];
            if (lane->next != CORE_NONE || lane->stream != stream || lane->partition != partition)
                continue;
            if (base + count > session->sub.from) {
                lane->next = base;
                if (base < session->sub.from)
                    lane->passed += session->sub.from - base;
            } else { /* asked from a position that is yet to come */
                lane->passed += count;
                all = false;
            }
        }
    return all;
}

uint64_t core_sub_lag(const struct core *self, const struct core_session *session)
{
    const struct core_sub *sub = &session->sub;
    uint64_t lag = sub->flying_records;
    for (uint32_t i = 0; sub->live && i < sub->lane_count; i++) {
        const struct core_stream *stream = &self->streams[sub->lanes[i].stream];
        uint64_t total = stream->per_partition ? stream->per_partition[sub->lanes[i].partition] : 0;
        if (total > sub->lanes[i].passed)
            lag += total - sub->lanes[i].passed;
    }
    return lag;
}
