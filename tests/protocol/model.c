#include "tests/protocol/model_inside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const struct model_stream model_streams[MODEL_STREAMS] = {
    {"one", "*", 2}, {"two", "*", 2}, {"owned", "owner", 1}};
static const struct {
    uint16_t stream, partition;
} lane_ids[MODEL_LANES + 2] = {{1, 0}, {1, 1}, {2, 0}, {2, 1}, {3, 0}, {9, 0}, {1, 7}};
static const char *const actors[] = {"owner", "a", "b"};
static const char *const incarnations[] = {"i0", "i1", "i2"};
static const char *const envs[ENVS] = {"e0", "e1", "e2", "e3"};
static const char *const states[] = {"ready", "starting", "draining", "halted"};

/* ---- lists ---- */

static void *grow(void *items, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity)
        return items;
    *capacity = *capacity ? *capacity * 2 : 16;
    items = realloc(items, *capacity * size);
    if (!items)
        abort();
    return items;
}

static void list_add(struct list *self, uint32_t item)
{
    self->items = grow(self->items, self->count, &self->capacity, sizeof *self->items);
    self->items[self->count++] = item;
}

struct answer *answers_add(struct answers *self, uint32_t peer, const char *verb)
{
    self->items = grow(self->items, self->count, &self->capacity, sizeof *self->items);
    struct answer *answer = &self->items[self->count++];
    memset(answer, 0, sizeof *answer);
    answer->peer = peer;
    memcpy(answer->verb, verb, 4);
    return answer;
}

void works_add(struct works *self, const struct work *work)
{
    self->items = grow(self->items, self->count, &self->capacity, sizeof *self->items);
    self->items[self->count++] = *work;
}

void acks_add(struct acks *self, const struct ack *ack)
{
    self->items = grow(self->items, self->count, &self->capacity, sizeof *self->items);
    self->items[self->count++] = *ack;
}

void answer_batch(struct answer *answer, const struct batch_header *header)
{
    snprintf(answer->text, sizeof answer->text,
             "base=%" PRIu64 " count=%" PRIu32 " stream=%u partition=%u producer=%" PRIu32
             " epoch=%" PRIu64 " first=%" PRIu64 " time=%" PRId64 " due=%" PRId64 " size=%" PRIu32
             " crc=%08" PRIx32,
             header->base, header->count, header->stream, header->partition, header->producer,
             header->epoch, header->first_seq, header->time_us, header->due_us, header->size,
             header->crc);
}

/* ---- answers ---- */

struct answer *model_answer(struct model *self, uint32_t peer, const char *verb)
{
    struct model_inside *in = self->inside;
    struct session *session = &in->sessions[peer];
    if (session->there && session->gone)
        return NULL;
    if (in->deaf[peer]) {
        session->gone = session->there;
        return NULL;
    }
    return in->muted ? NULL : answers_add(&self->expected, peer, verb);
}

void model_refuse(struct model *self, uint32_t peer, uint32_t tags, const char *verb,
                  const struct batch_desc *batch)
{
    for (int i = 0; i < REFUSAL_COUNT; i++)
        if (tags == UINT32_C(1) << i)
            self->totals.refused[i]++;
    struct answer *said = model_answer(self, peer, "REFU");
    if (!said)
        return;
    said->tags = tags;
    int used = snprintf(said->text, sizeof said->text, "verb=%s", verb);
    if (batch)
        snprintf(said->text + used, sizeof said->text - (size_t)used,
                 " stream=%s partition=%u first=%" PRIu64,
                 batch->stream >= 1 && batch->stream <= MODEL_STREAMS
                     ? model_streams[batch->stream - 1].name
                     : "",
                 batch->partition, batch->first_seq);
}

/* ---- sessions ---- */

void model_session_drop(struct model_inside *in, uint32_t peer, bool release)
{
    struct session *session = &in->sessions[peer];
    readers_leave(in, peer);
    if (session->producer != NOBODY && in->producers[session->producer].holder == (int)peer) {
        in->producers[session->producer].holder = NOBODY;
        if (release)
            in->producers[session->producer].expires_us = INT64_MIN;
    }
    memset(session, 0, sizeof *session);
    session->producer = session->group = NOBODY;
}

/* §3: the one that is silent for longest makes room, if it holds no lease and has been silent for the time of one. */
static bool session_room(struct model *self)
{
    struct model_inside *in = self->inside;
    int silent = NOBODY;
    uint32_t count = 0;
    for (uint32_t i = 0; i < MODEL_PEERS; i++) {
        const struct session *session = &in->sessions[i];
        count += session->there;
        if (session->there && session->producer == NOBODY &&
            (silent == NOBODY || session->seen_us < in->sessions[silent].seen_us))
            silent = (int)i;
    }
    if (count < MODEL_SESSIONS_MAX)
        return true;
    if (silent == NOBODY || self->now_us - in->sessions[silent].seen_us <= MODEL_LEASE_US)
        return false;
    model_session_drop(in, (uint32_t)silent, false);
    return true;
}

static bool session_get(struct model *self, uint32_t peer)
{
    struct session *session = &self->inside->sessions[peer];
    if (!session->there && !session_room(self))
        return false;
    session->there = true;
    session->seen_us = self->now_us;
    return true;
}

/* ---- league time (§9) ---- */

static int64_t league_now(const struct model *self)
{
    const struct model_inside *in = self->inside;
    return in->league_us + (in->standing ? 0 : self->now_us - in->league_at_us);
}

void model_set(struct model *self, int64_t by_us, bool stand)
{
    struct model_inside *in = self->inside;
    in->league_us = league_now(self) + by_us;
    in->league_at_us = self->now_us;
    in->standing = stand;
}

/* Never earlier than the append before, unless the clock was set back on purpose. */
static int64_t stamp_us(const struct model *self)
{
    const struct model_inside *in = self->inside;
    int64_t now = league_now(self);
    if (in->order.count == 0)
        return now;
    int64_t last = in->batches[in->order.items[in->order.count - 1]].time_us;
    return now < last && last - now <= 5 * SECOND_US ? last : now;
}

/* ---- the append ---- */

bool model_append_begin(struct model *self)
{
    struct model_inside *in = self->inside;
    if (in->appending)
        return true;
    if (self->now_us < in->full_until_us)
        return false;
    in->appending = true;
    return true;
}

/* A batch goes to the log. */
static void put(struct model_inside *in)
{
    if (in->broken) /* nothing more is even tried */
        return;
    in->broken = in->full_append;
    in->full_append = false;
}

static void position_give(struct model *self, uint32_t index)
{
    struct model_inside *in = self->inside;
    struct batch *batch = &in->batches[index];
    batch->time_us = stamp_us(self);
    batch->base = in->head;
    put(in);
    in->head += batch->count;
    list_add(&in->order, index);
}

/* Timers that are due, in order of due; those of one instant as they came. */
static void fire(struct model *self)
{
    struct model_inside *in = self->inside;
    while (!in->standing) { /* tried even in an append that is broken already */
        uint32_t first = UINT32_MAX;
        for (uint32_t i = 0; i < in->later.count; i++) {
            const struct batch *batch = &in->batches[in->later.items[i]];
            if (batch->due_us <= league_now(self) &&
                (first == UINT32_MAX || batch->due_us < in->batches[in->later.items[first]].due_us))
                first = i;
        }
        if (first == UINT32_MAX || !model_append_begin(self))
            return;
        if (in->full_append) {
            in->full_append = false;
            in->broken = true;
            return;
        }
        position_give(self, in->later.items[first]);
        memmove(in->later.items + first, in->later.items + first + 1,
                (in->later.count - first - 1) * sizeof *in->later.items);
        in->later.count--;
        self->totals.fired++;
    }
}

/* Nothing of the append in hand happened, but that the epochs it gave are spent. */
static void append_undo(struct model_inside *in)
{
    for (uint32_t i = in->durable_order; i < in->order.count; i++)
        in->batches[in->order.items[i]].base = 0;
    for (uint32_t i = in->durable_order; i < in->order.count; i++)
        in->batches[in->order.items[i]].time_us = in->batches[in->order.items[i]].put_us;
    in->order.count = in->durable_order;
    in->head = in->durable_head;
    in->batch_count = in->durable_batches;
    in->later.count = 0;
    for (uint32_t i = 0; i < in->batch_count; i++)
        if (in->batches[i].due_us > 0 && in->batches[i].base == 0)
            list_add(&in->later, i);
    for (uint32_t i = 0; i < in->producer_count; i++)
        for (uint32_t j = 0; j < MODEL_LANES; j++) {
            struct lane *lane = &in->producers[i].lanes[j];
            lane->last = lane->durable_last;
            while (lane->batches.count &&
                   lane->batches.items[lane->batches.count - 1] >= in->batch_count)
                lane->batches.count--;
        }
    in->appending = in->broken = false;
}

static void commit_failed(struct model *self)
{
    struct model_inside *in = self->inside;
    append_undo(in);
    self->totals.failed++;
    for (uint32_t i = 0; i < in->producer_count; i++) {
        struct producer *producer = &in->producers[i];
        if (producer->now.epoch == producer->durable.epoch)
            continue;
        if (producer->holder != NOBODY)
            in->sessions[producer->holder].producer = NOBODY;
        producer->holder = NOBODY;
        producer->untold = false;
        producer->expires_us = INT64_MIN;
        producer->now.env = producer->durable.env;
    }
    in->full_until_us = self->now_us + MODEL_FULL_PAUSE_US;
    readers_failed(self);
    for (uint32_t peer = 0; peer < MODEL_PEERS; peer++) {
        if (in->sessions[peer].staged)
            model_refuse(self, peer, TAG(DISK_FULL), "PUBL", NULL);
        in->sessions[peer].staged = false;
    }
    self->owed.count = 0;
}

static void grant_tell(struct model *self, uint32_t peer)
{
    struct model_inside *in = self->inside;
    struct session *session = &in->sessions[peer];
    struct producer *producer = &in->producers[session->producer];
    producer->untold = false;
    struct answer *said = model_answer(self, peer, "GRNT");
    if (!said)
        return;
    self->totals.grants++;
    in->view[peer].producer = (uint32_t)session->producer + 1;
    in->view[peer].epoch = producer->now.epoch;
    int used = snprintf(said->text, sizeof said->text,
                        "shard=%" PRIu64 " producer=%d epoch=%" PRIu64 " cursor=%" PRIu64
                        " head=%" PRIu64 " first=%" PRIu64 " last_env=%s lanes",
                        producer->shard, session->producer + 1, producer->now.epoch,
                        producer->now.cursor, in->head, in->first, producer->last_env);
    for (uint32_t i = 0; i < MODEL_LANES; i++)
        if (producer->lanes[i].last)
            used += snprintf(said->text + used, sizeof said->text - (size_t)used, " %u/%u:%" PRIu64,
                             lane_ids[i].stream, lane_ids[i].partition, producer->lanes[i].last);
}

/* What is owed to whom: not to those who lost the lease meanwhile, or are gone; and who cannot be told is gone from here on. */
static void acks_settle(struct model *self)
{
    struct model_inside *in = self->inside;
    for (uint32_t i = self->owed.count; i > 0; i--) {
        const struct ack *ack = &self->owed.items[i - 1];
        struct session *session = &in->sessions[ack->peer];
        bool due = in->producers[ack->producer - 1].holder == (int)ack->peer && !session->gone;
        session->gone = session->gone || (due && in->deaf[ack->peer]);
        if (!due || in->deaf[ack->peer] || in->muted)
            self->owed.items[i - 1] = self->owed.items[--self->owed.count];
    }
    for (uint32_t peer = 0; peer < MODEL_PEERS; peer++)
        in->sessions[peer].staged = false;
    for (uint32_t i = 0; i < in->producer_count; i++)
        in->producers[i].told_holder = in->producers[i].holder;
}

void model_commit(struct model *self)
{
    struct model_inside *in = self->inside;
    self->committed = true;
    if (in->appending && (in->full || in->broken)) {
        in->full = in->full && in->broken; /* what is broken is not even tried */
        commit_failed(self);
        return;
    }
    if (in->appending) {
        in->appending = false;
        in->durable_order = in->order.count;
        in->durable_head = in->head;
        in->durable_batches = in->batch_count;
        for (uint32_t i = 0; i < in->producer_count; i++) {
            struct producer *producer = &in->producers[i];
            producer->durable = producer->now;
            producer->known = true;
            for (uint32_t j = 0; j < MODEL_LANES; j++)
                producer->lanes[j].durable_last = producer->lanes[j].last;
        }
        readers_stored(in);
    }
    acks_settle(self);
    readers_told(self);
    for (uint32_t peer = 0; peer < MODEL_PEERS; peer++)
        if (in->sessions[peer].producer != NOBODY &&
            in->producers[in->sessions[peer].producer].untold)
            grant_tell(self, peer);
    in->told_head = in->head;
}

/* ---- delivery ---- */

static bool sub_wants(const struct model_inside *in, const struct session *session,
                      const struct batch *batch)
{
    (void)in;
    return (session->sub.lanes >> batch->lane & 1) != 0 &&
           batch->base + batch->count > session->sub.from;
}

static void header_of(const struct model_inside *in, const struct batch *batch,
                      struct batch_header *header)
{
    (void)in;
    *header = (struct batch_header){.base = batch->base,
                                    .count = batch->count,
                                    .stream = lane_ids[batch->lane].stream,
                                    .partition = lane_ids[batch->lane].partition,
                                    .producer = batch->producer + 1,
                                    .size = batch->size,
                                    .epoch = batch->epoch,
                                    .first_seq = batch->first_seq,
                                    .time_us = batch->time_us,
                                    .due_us = batch->due_us,
                                    .crc = batch->crc};
}

static void deliver(struct model *self, uint32_t peer)
{
    struct model_inside *in = self->inside;
    struct session *session = &in->sessions[peer];
    for (; session->sub.live && !session->gone && session->sub.at < in->durable_order;
         session->sub.at++) {
        const struct batch *batch = &in->batches[in->order.items[session->sub.at]];
        if (!sub_wants(in, session, batch))
            continue;
        if (session->sub.flying_records > 0 &&
            (session->sub.flying_records + 1 > session->sub.most_records ||
             session->sub.flying_bytes + 1 > session->sub.most_bytes))
            return;
        if (batch->base < in->first) { /* said, never skipped over */
            model_refuse(self, peer, TAG(TRIMMED), "SUBS", NULL);
            memset(&session->sub, 0, sizeof session->sub);
            return;
        }
        if (session->sub.flying_records > 0 &&
            (session->sub.flying_records + batch->count > session->sub.most_records ||
             session->sub.flying_bytes + batch->size > session->sub.most_bytes))
            return;
        session->sub.flying_records += batch->count;
        session->sub.flying_bytes += batch->size;
        struct batch_header header;
        header_of(in, batch, &header);
        struct answer *said = model_answer(self, peer, "DLVR");
        if (said)
            answer_batch(said, &header);
        self->totals.delivered += batch->count;
    }
}

uint64_t model_lag(const struct model_inside *in, const struct session *session)
{
    uint64_t lag = session->sub.flying_records;
    for (uint32_t i = session->sub.at; i < in->durable_order; i++) {
        const struct batch *batch = &in->batches[in->order.items[i]];
        if (!sub_wants(in, session, batch))
            continue;
        lag += batch->count;
        if (batch->base < session->sub.from)
            lag -= session->sub.from - batch->base;
    }
    return lag;
}

/* What is being appended may count already as still to come, or not. */
static uint64_t lag_staged(const struct model_inside *in, const struct session *session)
{
    uint64_t records = 0;
    for (uint32_t i = in->durable_order; i < in->order.count; i++) {
        const struct batch *batch = &in->batches[in->order.items[i]];
        records += session->sub.lanes >> batch->lane & 1 ? batch->count : 0;
    }
    return records;
}

/* ---- what peers say ---- */

static void say_helo(struct model *self, const struct ask *ask)
{
    struct model_inside *in = self->inside;
    struct session *session = &in->sessions[ask->peer];
    if (ask->protocol != 1) {
        model_refuse(self, ask->peer, TAG(PROTOCOL_VERSION), "HELO", NULL);
        return;
    }
    readers_leave(in, ask->peer);
    if (session->producer != NOBODY &&
        (strcmp(session->actor, ask->actor) != 0 ||
         strcmp(session->incarnation, ask->incarnation) != 0)) { /* another process */
        in->producers[session->producer].holder = NOBODY;
        session->producer = NOBODY;
        session->sub.live = false;
    }
    session->welcomed = true;
    session->actor = ask->actor;
    session->incarnation = ask->incarnation;
    struct answer *said = model_answer(self, ask->peer, "WELC");
    if (said)
        snprintf(said->text, sizeof said->text, "protocol=1 streams=%d", MODEL_STREAMS);
}

static int producer_get(struct model_inside *in, const char *actor, uint64_t shard)
{
    for (uint32_t i = 0; i < in->producer_count; i++)
        if (in->producers[i].shard == shard && strcmp(in->producers[i].actor, actor) == 0)
            return (int)i;
    struct producer *producer = &in->producers[in->producer_count];
    memset(producer, 0, sizeof *producer);
    producer->actor = actor;
    producer->shard = shard;
    producer->holder = NOBODY;
    producer->expires_us = INT64_MIN;
    producer->now.env = producer->now.used_env = producer->last_env = "";
    producer->durable = producer->now;
    return (int)in->producer_count++;
}

static void say_leas(struct model *self, const struct ask *ask)
{
    struct model_inside *in = self->inside;
    struct session *session = &in->sessions[ask->peer];
    if (strcmp(session->actor, ask->actor) != 0) {
        model_refuse(self, ask->peer, TAG(NOT_LEASED), "LEAS", NULL);
        return;
    }
    if (!model_append_begin(self)) {
        model_refuse(self, ask->peer, TAG(DISK_FULL), "LEAS", NULL);
        return;
    }
    session->staged = true;
    int index = producer_get(in, ask->actor, ask->shard);
    struct producer *producer = &in->producers[index];
    bool running = producer->now.epoch > 0 && producer->expires_us > self->now_us;
    if (running && producer->holder != (int)ask->peer && strcmp(producer->now.env, ask->env) != 0) {
        struct answer *said = model_answer(self, ask->peer, "WAIT");
        if (said)
            snprintf(said->text, sizeof said->text, "retry=%" PRId64,
                     producer->expires_us - self->now_us);
        return;
    }
    if (producer->holder != NOBODY && producer->holder != (int)ask->peer) {
        in->sessions[producer->holder].producer = NOBODY;
        if (readers_of(in, (uint32_t)producer->holder) == NOBODY)
            in->sessions[producer->holder].sub.live = false;
        (void)model_answer(self, (uint32_t)producer->holder, "LOST");
    }
    if (session->producer != NOBODY && session->producer != index)
        in->producers[session->producer].holder = NOBODY;
    producer->now.epoch++;
    producer->now.env = ask->env;
    producer->last_env = producer->now.used_env;
    producer->used = false;
    producer->untold = true;
    producer->expires_us = self->now_us + MODEL_LEASE_US;
    producer->holder = (int)ask->peer;
    session->producer = index;
}

static void used(struct producer *producer)
{
    producer->now.used_env = producer->now.env;
}

const uint32_t model_lanes_tags[FLAW_SHAPE + 1] = {[FLAW_UNKNOWN] = TAG(UNKNOWN_STREAM),
                                                   [FLAW_PARTITION] = TAG(BAD_PARTITION),
                                                   [FLAW_TWICE] = TAG(BAD_FRAME),
                                                   [FLAW_SHAPE] = TAG(BAD_FRAME)};

void model_subscribe(struct model_inside *in, struct session *session, const struct ask *ask,
                     uint64_t from)
{
    memset(&session->sub, 0, sizeof session->sub);
    while (session->sub.at < in->durable_order &&
           in->batches[in->order.items[session->sub.at]].base < in->first)
        session->sub.at++;
    session->sub.live = true;
    session->sub.lanes = ask->lanes;
    session->sub.from = from;
    session->sub.most_records = ask->records;
    session->sub.most_bytes = ask->bytes;
}

static void say_subs(struct model *self, const struct ask *ask)
{
    struct model_inside *in = self->inside;
    struct session *session = &in->sessions[ask->peer];
    readers_leave(in, ask->peer);
    if (in->appending) /* what is on its way counts neither as there nor as still to come */
        model_commit(self);
    if (ask->flaw || (ask->from > 0 && ask->from < in->first && in->first > 1)) {
        model_refuse(self, ask->peer, ask->flaw ? model_lanes_tags[ask->flaw] : TAG(TRIMMED),
                     "SUBS", NULL);
        return;
    }
    model_subscribe(in, session, ask, ask->from);
    struct answer *said = model_answer(self, ask->peer, "SUBD");
    if (said)
        snprintf(said->text, sizeof said->text, "head=%" PRIu64 " lag=%" PRIu64, in->told_head,
                 model_lag(in, session));
}

static void say_cred(struct model *self, const struct ask *ask)
{
    struct session *session = &self->inside->sessions[ask->peer];
    uint64_t records = session->sub.flying_records, bytes = session->sub.flying_bytes;
    session->sub.flying_records -= ask->records < records ? ask->records : records;
    session->sub.flying_bytes -= ask->bytes < bytes ? ask->bytes : bytes;
}

/* The batch of the lane that holds a sequence; NULL: none. */
static const struct batch *lane_find(const struct model_inside *in, const struct lane *lane,
                                     uint64_t seq)
{
    for (uint32_t i = lane->batches.count; i > 0; i--) {
        const struct batch *batch = &in->batches[lane->batches.items[i - 1]];
        if (batch->first_seq <= seq)
            return seq < batch->first_seq + batch->count &&
                           (batch->base == 0 || batch->base >= in->first)
                       ? batch
                       : NULL;
    }
    return NULL;
}

static int lane_number(const struct batch_desc *desc)
{
    for (int i = 0; i < MODEL_LANES; i++)
        if (lane_ids[i].stream == desc->stream && lane_ids[i].partition == desc->partition)
            return i;
    return NOBODY;
}

/* Whose epoch it is. */
static uint32_t lease_faults(const struct model_inside *in, const struct ask *ask)
{
    const struct session *session = &in->sessions[ask->peer];
    if (ask->producer == 0 || ask->producer > in->producer_count)
        return TAG(NOT_LEASED);
    const struct producer *producer = &in->producers[ask->producer - 1];
    bool mine = session->producer == (int)ask->producer - 1;
    if (ask->epoch < producer->now.epoch && (mine || strcmp(session->actor, producer->actor) == 0))
        return TAG(STALE_EPOCH);
    return mine && ask->epoch == producer->now.epoch ? 0 : TAG(NOT_LEASED);
}

/* Everything that is wrong with a batch, whatever the order in which it is looked at. */
static uint32_t batch_faults(const struct model_inside *in, const struct ask *ask,
                             const struct ask_batch *batch, bool *repeat)
{
    const struct batch_desc *desc = &batch->desc;
    const struct session *session = &in->sessions[ask->peer];
    uint32_t tags = lease_faults(in, ask);
    int number = lane_number(desc);
    *repeat = false;
    if (!batch->crc_good)
        tags |= TAG(BAD_CRC);
    if (!batch->count_good || desc->count == 0)
        tags |= TAG(BAD_COUNT);
    if (desc->size > MODEL_BATCH_BYTES || desc->count > 65536)
        tags |= TAG(TOO_LARGE);
    if (desc->stream < 1 || desc->stream > MODEL_STREAMS)
        tags |= TAG(UNKNOWN_STREAM);
    else if (number == NOBODY)
        tags |= TAG(BAD_PARTITION);
    else if (strcmp(model_streams[desc->stream - 1].writer, "*") != 0 &&
             strcmp(model_streams[desc->stream - 1].writer, session->actor) != 0)
        tags |= TAG(NOT_WRITER);
    if (number == NOBODY || session->producer == NOBODY)
        return tags;
    const struct lane *lane = &in->producers[session->producer].lanes[number];
    if (desc->first_seq > lane->last + 1 || desc->first_seq == 0)
        return tags | TAG(SEQ_GAP);
    if (desc->first_seq == lane->last + 1)
        return desc->due_us > 0 && in->later.count >= MODEL_LATER_MAX ? tags | TAG(TOO_MANY) : tags;
    const struct batch *there = lane_find(in, lane, desc->first_seq);
    if (there && !there->lost &&
        (there->first_seq != desc->first_seq || there->count != desc->count ||
         there->crc != desc->crc))
        return tags | TAG(SEQ_CONFLICT);
    *repeat = tags == 0;
    return tags;
}

static void batch_accept(struct model *self, const struct ask *ask, const struct ask_batch *batch)
{
    struct model_inside *in = self->inside;
    int index = in->sessions[ask->peer].producer;
    struct producer *producer = &in->producers[index];
    int number = lane_number(&batch->desc);
    in->batches = grow(in->batches, in->batch_count, &in->batch_capacity, sizeof *in->batches);
    in->batches[in->batch_count] = (struct batch){.lane = (uint32_t)number,
                                                  .producer = (uint32_t)index,
                                                  .epoch = producer->now.epoch,
                                                  .first_seq = batch->desc.first_seq,
                                                  .count = batch->desc.count,
                                                  .size = batch->desc.size,
                                                  .crc = batch->desc.crc,
                                                  .stamp = batch->stamp,
                                                  .extra = batch->extra,
                                                  .put_us = stamp_us(self),
                                                  .time_us = stamp_us(self),
                                                  .due_us = batch->desc.due_us};
    producer->lanes[number].last += batch->desc.count;
    list_add(&producer->lanes[number].batches, in->batch_count);
    if (batch->desc.due_us > 0) {
        list_add(&in->later, in->batch_count);
        put(in);
    } else {
        position_give(self, in->batch_count);
    }
    in->batches[in->batch_count++].lost = in->broken;
    used(producer);
    self->totals.accepted++;
}

static void ack_owe(struct model *self, const struct ask *ask, const struct ask_batch *batch)
{
    const struct model_inside *in = self->inside;
    int index = in->sessions[ask->peer].producer;
    const struct producer *producer = &in->producers[index];
    struct ack ack = {.peer = ask->peer,
                      .producer = (uint32_t)index + 1,
                      .epoch = producer->now.epoch,
                      .last = producer->lanes[lane_number(&batch->desc)].last,
                      .stream = batch->desc.stream,
                      .partition = batch->desc.partition};
    acks_add(&self->owed, &ack);
}

static void say_publ(struct model *self, const struct ask *ask)
{
    struct model_inside *in = self->inside;
    bool refused = false;
    if (!model_append_begin(self)) {
        model_refuse(self, ask->peer, TAG(DISK_FULL), "PUBL", NULL);
        return;
    }
    in->sessions[ask->peer].staged = true;
    for (uint32_t i = 0; i < ask->batch_count; i++) {
        const struct ask_batch *batch = &ask->batches[i];
        bool repeat;
        uint32_t tags = refused ? TAG(AFTER_REFUSAL) : batch_faults(in, ask, batch, &repeat);
        if (tags) {
            model_refuse(self, ask->peer, tags, "PUBL", &batch->desc);
            if (refused)
                return; /* said once for all the rest */
            refused = true;
            continue;
        }
        if (repeat)
            self->totals.repeats++;
        else
            batch_accept(self, ask, batch);
        ack_owe(self, ask, batch);
    }
}

static void say_ownq(struct model *self, const struct ask *ask)
{
    struct model_inside *in = self->inside;
    struct session *session = &in->sessions[ask->peer];
    uint64_t seq = ask->from_seq, records = 0, bytes = 0;
    if (in->appending)
        model_commit(self);
    if (session->producer == NOBODY || ask->lanes >= UNKNOWN_LANE) {
        uint32_t tags = (session->producer == NOBODY ? TAG(NOT_LEASED) : 0) |
                        (ask->lanes >= UNKNOWN_LANE ? TAG(UNKNOWN_STREAM) : 0);
        model_refuse(self, ask->peer, tags, "OWNQ", NULL);
        return;
    }
    const struct lane *lane = &in->producers[session->producer].lanes[ask->lanes];
    while (records < ask->records && bytes < SLICE_BYTES) {
        const struct batch *batch = lane_find(in, lane, seq);
        if (!batch)
            break;
        struct batch_header header;
        header_of(in, batch, &header);
        struct answer *said = model_answer(self, ask->peer, "OWND");
        if (said)
            answer_batch(said, &header);
        seq = batch->first_seq + batch->count;
        records += batch->count;
        bytes += batch->size;
    }
    struct answer *said = model_answer(self, ask->peer, "OWND");
    if (said)
        snprintf(said->text, sizeof said->text, "end");
}

static void say_beat(struct model *self, const struct ask *ask)
{
    struct model_inside *in = self->inside;
    struct session *session = &in->sessions[ask->peer];
    if (session->producer != NOBODY) {
        struct producer *producer = &in->producers[session->producer];
        producer->expires_us = self->now_us + MODEL_LEASE_US;
        if (!producer->untold &&
            (strcmp(ask->state, "ready") == 0 || strcmp(ask->state, "draining") == 0))
            used(producer);
        if (ask->cursor > producer->now.cursor)
            producer->now.cursor = ask->cursor;
    }
    struct answer *said = model_answer(self, ask->peer, "ALIV");
    if (said && session->sub.live) {
        said->loose_by = lag_staged(in, session);
        snprintf(said->text, sizeof said->text, "head=%" PRIu64 " lag=%" PRIu64, in->told_head,
                 model_lag(in, session) + said->loose_by);
    } else if (said)
        snprintf(said->text, sizeof said->text, "head=%" PRIu64 " lag=-", in->told_head);
}

static void say_usub(struct model *self, const struct ask *ask)
{
    readers_leave(self->inside, ask->peer);
    memset(&self->inside->sessions[ask->peer].sub, 0, sizeof self->inside->sessions->sub);
}

static void say_gbye(struct model *self, const struct ask *ask)
{
    model_session_drop(self->inside, ask->peer, true);
}

/* Kinds of nonsense: the verb that it is refused as, and whether it takes a session to be told so. */
static const struct {
    const char *verb;
    bool needs_helo;
} nonsense[] = {{"", false},    {"????", false}, {"CRED", true}, {"BEAT", true}, {"HELO", false},
                {"PUBL", true}, {"PUBL", true},  {"PUBL", true}, {"", false},    {"SUBS", true}};

static void say_raw(struct model *self, const struct ask *ask)
{
    bool stranger = nonsense[ask->kind].needs_helo && !self->inside->sessions[ask->peer].welcomed;
    model_refuse(self, ask->peer, stranger ? TAG(NO_SESSION) : TAG(BAD_FRAME),
                 nonsense[ask->kind].verb, NULL);
}

static const struct {
    void (*say)(struct model *self, const struct ask *ask);
    const char *verb;
    bool before_helo;
} verbs[SCRIPT_VERB_COUNT] = {[SCRIPT_HELO] = {say_helo, "HELO", true},
                              [SCRIPT_LEAS] = {say_leas, "LEAS", false},
                              [SCRIPT_SUBS] = {say_subs, "SUBS", false},
                              [SCRIPT_USUB] = {say_usub, "USUB", false},
                              [SCRIPT_CRED] = {say_cred, "CRED", false},
                              [SCRIPT_PUBL] = {say_publ, "PUBL", false},
                              [SCRIPT_OWNQ] = {say_ownq, "OWNQ", false},
                              [SCRIPT_BEAT] = {say_beat, "BEAT", false},
                              [SCRIPT_JOIN] = {readers_say_join, "JOIN", false},
                              [SCRIPT_DONE] = {readers_say_done, "DONE", false},
                              [SCRIPT_SETL] = {groups_say_setl, "SETL", false},
                              [SCRIPT_GBYE] = {say_gbye, "GBYE", true},
                              [SCRIPT_RAW] = {say_raw, "", true}};

void model_say(struct model *self, const struct ask *ask)
{
    self->inside->clock_us = self->now_us;
    struct session *session = &self->inside->sessions[ask->peer];
    if (!session_get(self, ask->peer))
        model_refuse(self, ask->peer, TAG(TOO_MANY), "", NULL);
    else if (!session->welcomed && !verbs[ask->verb].before_helo)
        model_refuse(self, ask->peer, TAG(NO_SESSION), verbs[ask->verb].verb, NULL);
    else
        verbs[ask->verb].say(self, ask);
}

/* ---- what happens ---- */

void model_turn(struct model *self, bool second, bool muted)
{
    struct model_inside *in = self->inside;
    in->muted = muted;
    in->clock_us = self->now_us;
    in->any_unheard = false;
    fire(self);
    groups_turn(self);
    model_commit(self);
    if (second) {
        bool news = false;
        for (uint32_t i = 0; i < in->producer_count; i++)
            news = news || in->producers[i].now.cursor != in->producers[i].durable.cursor ||
                   in->producers[i].now.used_env != in->producers[i].durable.used_env ||
                   in->producers[i].now.epoch != in->producers[i].durable.epoch;
        if (news && model_append_begin(self))
            model_commit(self);
        if (readers_stale(in) && model_append_begin(self))
            model_commit(self);
        for (uint32_t peer = 0; peer < MODEL_PEERS; peer++)
            if (in->sessions[peer].there &&
                self->now_us - in->sessions[peer].seen_us > 6 * INT64_C(1) * MODEL_LEASE_US)
                model_session_drop(in, peer, false);
    }
    for (uint32_t peer = 0; peer < MODEL_PEERS; peer++)
        deliver(self, peer);
    for (uint32_t peer = 0; peer < MODEL_PEERS; peer++)
        if (in->sessions[peer].gone) {
            in->any_unheard = true; /* what it held waits for the next turn */
            model_session_drop(in, peer, false);
        }
    in->muted = false;
}

void model_deaf(struct model *self, uint32_t peer, bool deaf)
{
    self->inside->deaf[peer] = deaf;
}

void model_full(struct model *self, bool append)
{
    self->inside->full = self->inside->full || !append;
    self->inside->full_append = self->inside->full_append || append;
}

void model_crash(struct model *self)
{
    struct model_inside *in = self->inside;
    append_undo(in);
    for (uint32_t peer = 0; peer < MODEL_PEERS; peer++)
        model_session_drop(in, peer, false);
    while (in->producer_count > 0 && !in->producers[in->producer_count - 1].known) {
        in->producer_count--;
        for (uint32_t j = 0; j < MODEL_LANES; j++)
            free(in->producers[in->producer_count].lanes[j].batches.items);
    }
    for (uint32_t i = 0; i < in->producer_count; i++) { /* leases run their full time again */
        struct producer *producer = &in->producers[i];
        producer->now = producer->durable;
        producer->holder = NOBODY;
        producer->untold = false;
        producer->expires_us = self->now_us + MODEL_LEASE_US;
    }
    readers_crash(in, self->now_us);
    in->full = in->full_append = false;
    in->full_until_us = 0;
    in->told_head = in->head;
    self->owed.count = 0;
    self->totals.crashes++;
}

bool model_ack_holds(const struct model *self, const struct ack *ack)
{
    const struct model_inside *in = self->inside;
    struct batch_desc desc = {.stream = ack->stream, .partition = ack->partition};
    int number = lane_number(&desc);
    if (ack->producer == 0 || ack->producer > in->producer_count || number == NOBODY)
        return false;
    const struct producer *producer = &in->producers[ack->producer - 1];
    return producer->told_holder == (int)ack->peer && producer->now.epoch == ack->epoch &&
           producer->lanes[number].durable_last == ack->last;
}

void model_trim(struct model *self)
{
    if (self->inside->appending)
        model_commit(self);
}

void model_trimmed(struct model *self, uint64_t first)
{
    self->inside->first = first;
}

uint64_t model_first(const struct model *self)
{
    return self->inside->first;
}

uint64_t model_head(const struct model *self)
{
    return self->inside->told_head;
}

bool model_welcomed(const struct model *self, uint32_t peer)
{
    return self->inside->sessions[peer].welcomed;
}

bool model_leased(const struct model *self, uint32_t peer)
{
    return self->inside->sessions[peer].producer != NOBODY;
}

bool model_hears(const struct model *self, uint32_t peer)
{
    return !self->inside->deaf[peer];
}

bool model_subscribed(const struct model *self, uint32_t peer)
{
    return self->inside->sessions[peer].sub.live;
}

void model_open(struct model *self, int64_t now_us)
{
    memset(self, 0, sizeof *self);
    self->now_us = now_us;
    self->inside = calloc(1, sizeof *self->inside);
    if (!self->inside)
        abort();
    self->inside->league_us = self->inside->league_at_us = now_us;
    self->inside->head = self->inside->durable_head = self->inside->told_head = 1;
    self->inside->first = 1;
    for (uint32_t peer = 0; peer < MODEL_PEERS; peer++)
        self->inside->sessions[peer].producer = self->inside->sessions[peer].group = NOBODY;
    for (uint32_t i = 0; i < MODEL_READERS; i++)
        self->inside->cursors[i].reader = NOBODY;
}

void model_close(struct model *self)
{
    struct model_inside *in = self->inside;
    for (uint32_t i = 0; i < in->producer_count; i++)
        for (uint32_t j = 0; j < MODEL_LANES; j++)
            free(in->producers[i].lanes[j].batches.items);
    free(in->pending);
    free(in->batches);
    free(in->order.items);
    free(in->later.items);
    free(in);
    free(self->expected.items);
    free(self->owed.items);
}

/* ---- spelling a step out ---- */

uint32_t ask_body(const struct ask_batch *batch, uint8_t *out)
{
    struct pack body = {0};
    pack_array(&body, batch->desc.count + 2 + !batch->count_good);
    pack_u64(&body, batch->stamp);
    uint32_t size = (uint32_t)body.size;
    memcpy(out, body.data, size);
    pack_free(&body);
    /* a byte an item at least, as any array has; but for one that has far too many */
    uint32_t filling = batch->extra + (batch->desc.count < 100 ? batch->desc.count + 2 : 0);
    memset(out + size, (int)(batch->stamp & 0x7f), filling);
    return size + filling;
}

static uint32_t modulo(int32_t value, uint32_t most)
{
    return (uint32_t)value % most;
}

static void spell_batch(struct model *self, const int32_t *args, const struct lane *lanes,
                        const uint64_t *pending, struct ask_batch *batch)
{
    struct model_inside *in = self->inside;
    uint8_t body[MODEL_BATCH_BYTES + 128];
    uint32_t number = modulo(args[0], MODEL_LANES + 2);
    uint32_t flaw = modulo(args[4], FLAW_SHORTER + 1);
    const struct lane *lane = lanes && number < MODEL_LANES ? &lanes[number] : NULL;
    memset(batch, 0, sizeof *batch);
    batch->count_good = batch->crc_good = true;
    batch->desc.stream = lane_ids[number].stream;
    batch->desc.partition = lane_ids[number].partition;
    batch->desc.count = 1 + modulo(args[2], 50);
    batch->extra = modulo(args[3], MODEL_BATCH_BYTES - 80);
    batch->stamp = ++in->stamp;
    batch->desc.due_us = args[5] ? league_now(self) + args[5] * INT64_C(1000) : 0;
    batch->desc.first_seq = 1 + (lane ? lane->last + pending[number] : 0);
    if (args[1] > 0)
        batch->desc.first_seq += (uint64_t)args[1];
    uint32_t back = args[1] < 0 ? (uint32_t)-args[1] : 0;
    if (back && lane && back <= lane->batches.count) {
        const struct batch *old = &in->batches[lane->batches.items[lane->batches.count - back]];
        batch->desc.first_seq = old->first_seq + (flaw == FLAW_INSIDE && old->count > 1);
        batch->desc.count = old->count - (flaw == FLAW_SHORTER && old->count > 1);
        batch->desc.due_us = old->due_us;
        batch->extra = old->extra;
        batch->stamp = flaw == FLAW_CONTENT ? batch->stamp : old->stamp;
    }
    if (flaw == FLAW_EMPTY)
        batch->desc.count = 0;
    if (flaw == FLAW_MANY)
        batch->desc.count = 65537;
    if (flaw == FLAW_LARGE)
        batch->extra = MODEL_BATCH_BYTES;
    batch->count_good = flaw != FLAW_COUNT && flaw != FLAW_MANY;
    batch->crc_good = flaw != FLAW_CRC;
    batch->desc.size = ask_body(batch, body);
    batch->desc.crc = pack_crc32c(0, body, batch->desc.size) ^ (flaw == FLAW_CRC);
}

static void spell_publ(struct model *self, const struct script_step *step, struct ask *ask)
{
    struct model_inside *in = self->inside;
    uint64_t pending[MODEL_LANES] = {0};
    const struct lane *lanes = NULL;
    ask->producer = in->view[ask->peer].producer + (uint32_t)step->args[2];
    ask->epoch = in->view[ask->peer].epoch + (uint64_t)(int64_t)step->args[1];
    ask->batch_count = 1 + modulo(step->args[3], SCRIPT_BATCHES);
    if (ask->producer >= 1 && ask->producer <= in->producer_count)
        lanes = in->producers[ask->producer - 1].lanes;
    for (uint32_t i = 0; i < ask->batch_count; i++) {
        const int32_t *args = step->args + 4 + i * SCRIPT_BATCH_ARGS;
        spell_batch(self, args, lanes, pending, &ask->batches[i]);
        int number = lane_number(&ask->batches[i].desc);
        if (number != NOBODY && args[1] == 0)
            pending[number] += ask->batches[i].desc.count;
    }
}

static void spell_subs(struct model *self, const struct script_step *step, struct ask *ask)
{
    static const uint32_t flaws[] = {FLAW_NONE, FLAW_UNKNOWN, FLAW_PARTITION, FLAW_TWICE,
                                     FLAW_SHAPE};
    int64_t from = (int64_t)self->inside->head - step->args[2];
    ask->lanes = step->args[1] ? modulo(step->args[1], 1u << MODEL_LANES) : (1u << MODEL_LANES) - 1;
    ask->from = step->args[2] == 0 || from < 0 ? 0 : (uint64_t)from;
    ask->records = step->args[3] ? modulo(step->args[3], 100000) + 1 : 1000;
    ask->bytes = step->args[4] ? modulo(step->args[4], 1000000) + 1 : 100000;
    ask->flaw = flaws[modulo(step->args[5], sizeof flaws / sizeof *flaws)];
}

static void spell_join(struct model *self, const struct script_step *step, struct ask *ask)
{
    static const uint32_t flaws[] = {FLAW_NONE,  FLAW_UNKNOWN, FLAW_PARTITION, FLAW_TWICE,
                                     FLAW_SHAPE, FLAW_NAME,    FLAW_KIND,      FLAW_NO_INPUTS};
    const int32_t *args = step->args;
    uint64_t head = self->inside->told_head, back = modulo(args[4], 1000000);
    ask->reader = modulo(args[1], MODEL_READERS);
    ask->lanes = args[2] ? modulo(args[2], 1u << MODEL_LANES) : (1u << MODEL_LANES) - 1;
    ask->start = modulo(args[3], 4);
    ask->from = ask->start == 3 ? head + 1 + back : back < head ? head - back : 1;
    ask->records = args[5] ? modulo(args[5], 100000) + 1 : 1000;
    ask->bytes = args[6] ? modulo(args[6], 1000000) + 1 : 100000;
    ask->take = args[7] != 0;
    ask->flaw = flaws[modulo(args[8], sizeof flaws / sizeof *flaws)];
    if (ask->lanes == 0)
        ask->lanes = 1;
}

static void spell_done(struct model *self, const struct script_step *step, struct ask *ask)
{
    const int32_t *args = step->args;
    int64_t at = (int64_t)self->inside->told_head - args[2];
    ask->reader = modulo(args[1], MODEL_CURSORS);
    ask->from = at < 1 ? 1 : (uint64_t)at;
    ask->generation =
        self->inside->cursors[ask->reader].now.generation + (uint64_t)(int64_t)-args[3];
    if (ask->generation == 0 || ask->generation > INT32_MAX)
        ask->generation = 1;
}

static void spell_small(struct model *self, const struct script_step *step, struct ask *ask)
{
    struct model_inside *in = self->inside;
    const struct session *session = &in->sessions[ask->peer];
    const int32_t *args = step->args;
    switch (step->verb) {
    case SCRIPT_CRED:
        ask->records = args[1] ? (uint32_t)args[1] : session->sub.flying_records;
        ask->bytes = args[2] ? (uint32_t)args[2] : session->sub.flying_bytes;
        break;
    case SCRIPT_OWNQ: {
        ask->lanes = modulo(args[1], MODEL_LANES + 1);
        uint64_t last = session->producer != NOBODY && ask->lanes < MODEL_LANES
                            ? in->producers[session->producer].lanes[ask->lanes].last
                            : 0;
        ask->from_seq = args[2] > 0 && (uint64_t)args[2] <= last ? last + 1 - (uint64_t)args[2] : 1;
        ask->records = 1 + modulo(args[3], 500);
        break;
    }
    case SCRIPT_BEAT:
        ask->state = states[modulo(args[1], 4)];
        ask->cursor = (uint64_t)args[2] < in->head ? in->head - (uint64_t)args[2] : 0;
        break;
    default:
        break;
    }
}

void model_spell(struct model *self, const struct script_step *step, struct ask *ask)
{
    const int32_t *args = step->args;
    memset(ask, 0, sizeof *ask);
    ask->verb = (enum script_verb)step->verb;
    ask->peer = modulo(args[0], MODEL_PEERS);
    const struct session *session = &self->inside->sessions[ask->peer];
    switch (step->verb) {
    case SCRIPT_HELO:
        ask->actor = actors[modulo(args[1], 3)];
        ask->incarnation = incarnations[modulo(args[2], 3)];
        ask->protocol = args[3] ? 2 : 1;
        break;
    case SCRIPT_LEAS:
        ask->shard = modulo(args[1], 2);
        ask->env = envs[modulo(args[2], ENVS)];
        ask->actor = session->actor && !args[3] ? session->actor : "stranger";
        break;
    case SCRIPT_SUBS:
        spell_subs(self, step, ask);
        break;
    case SCRIPT_JOIN:
        spell_join(self, step, ask);
        break;
    case SCRIPT_DONE:
        spell_done(self, step, ask);
        break;
    case SCRIPT_SETL:
        groups_spell_setl(self, step, ask);
        break;
    case SCRIPT_PUBL:
        spell_publ(self, step, ask);
        break;
    case SCRIPT_RAW:
        ask->kind = modulo(args[1], sizeof nonsense / sizeof *nonsense);
        break;
    default:
        spell_small(self, step, ask);
    }
}
