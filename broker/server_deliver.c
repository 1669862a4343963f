/* Delivery: merged in log order, by credit, old reads in slices so that a catch-up costs the head nothing. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "broker/server.h"
#include "config/log.h"

#define MESSAGE_BATCHES_MAX 256   /* in one DLVR */
#define PARCEL_BYTES 65536u       /* its memory to begin with */
#define SLICE_BYTES (1024 * 1024) /* one subscription's share of a turn, of what is new */
#define OLD_BYTES (128 * 1024)    /* what all who read what is old share in a slice */
#define OLD_RECORDS 65536 /* so far behind the head it is old: a disk may have to be asked */
#define OLD_EVERY_US 1000 /* between slices, while somebody publishes: for disk and cores to rest */
#define HEAD_LIVE_US 1000000 /* that long after an append it is taken for somebody publishing */

/* A DLVR or OWND being filled. The bodies' memory goes with the message. */
struct parcel {
    uint8_t headers[MESSAGE_BATCHES_MAX * PROTOCOL_HEADER_BYTES];
    uint8_t *bodies;
    size_t bytes, capacity;
    uint32_t count;
};

/* One thread has one, too large for the stack; empty, whatever became of a broker that lived here before. */
static struct parcel *parcel_begin(void)
{
    static struct parcel parcel;
    parcel.bodies = NULL;
    parcel.bytes = parcel.capacity = 0;
    parcel.count = 0;
    return &parcel;
}

static bool parcel_add(struct parcel *self, const struct batch_header *header,
                       const struct span *body)
{
    if (self->bytes + body->size > self->capacity || !self->bodies) {
        size_t capacity = self->capacity ? self->capacity * 2 : PARCEL_BYTES;
        while (capacity < self->bytes + body->size)
            capacity *= 2;
        uint8_t *grown = realloc(self->bodies, capacity);
        if (!grown)
            return false;
        self->bodies = grown;
        self->capacity = capacity;
    }
    if (body->size)
        memcpy(self->bodies + self->bytes, body->data, body->size);
    batch_header_write(header, self->headers + self->count * (size_t)PROTOCOL_HEADER_BYTES);
    self->count++;
    self->bytes += body->size;
    return true;
}

static void bodies_free(void *data, void *hint)
{
    (void)hint;
    free(data);
}

/* What was taken as delivered is sent, or the session is given up. */
static bool parcel_send(struct server *self, struct core_session *session, struct parcel *parcel,
                        const char *verb)
{
    size_t size = 8 + parcel->count * (size_t)PROTOCOL_HEADER_BYTES;
    zmq_msg_t frames[2];
    bool made = zmq_msg_init_size(&frames[0], size) == 0;
    if (made) {
        uint8_t *at = zmq_msg_data(&frames[0]);
        memcpy(at, verb, PROTOCOL_VERB_BYTES);
        put_u32(at + 4, parcel->count);
        memcpy(at + 8, parcel->headers, size - 8);
    }
    if (made && parcel->count &&
        zmq_msg_init_data(&frames[1], parcel->bodies, parcel->bytes, bodies_free, NULL) != 0) {
        zmq_msg_close(&frames[0]);
        made = false;
    }
    if (!made && parcel->bodies)
        free(parcel->bodies);
    bool sent = made && server_send_frames(self, session, frames, parcel->count ? 2 : 1);
    session->gone = session->gone || !made;
    parcel->bodies = NULL;
    parcel->count = 0;
    parcel->bytes = parcel->capacity = 0;
    return sent;
}

/* Moves a lane past `base`. */
static uint64_t lane_after(struct server *self, const struct core_sub_lane *lane, uint64_t position)
{
    uint64_t next;
    return log_next(self->log, lane->stream, lane->partition, position, &next) == LOG_OK
               ? next
               : CORE_NONE;
}

/* Behind what retention removed. */
static void lane_skip_hole(struct server *self, struct core_sub *sub, struct core_sub_lane *lane)
{
    const struct core_stream *stream = &self->core->streams[lane->stream];
    uint64_t total = stream->per_partition[lane->partition];
    uint64_t left = log_count_from(self->log, lane->stream, lane->partition, lane->next);
    uint64_t passed = total > left ? total - left : 0;
    core_sub_skipped(sub, lane, (uint32_t)(passed > lane->passed ? passed - lane->passed : 0),
                     lane_after(self, lane, lane->next));
}

/* The batch that is next in the lane into the parcel. False: the subscription is over, or takes no more now. */
static bool deliver_batch(struct server *self, struct core_session *session,
                          struct core_sub_lane *lane, struct parcel *parcel)
{
    struct core_sub *sub = &session->sub;
    struct batch_header header;
    struct span body;
    int error = log_batch(self->log, lane->next, &header, &body);
    if (error == LOG_TRIMMED) { /* said, never skipped over */
        server_refuse(self, session, "SUBS", REFUSAL_TRIMMED, NULL, "trimmed(%" PRIu64 ")",
                      log_first(self->log));
        core_unsubscribe(session);
        return false;
    }
    if (error == LOG_REMOVED) { /* it was done with it without having had it */
        lane_skip_hole(self, sub, lane);
        return true;
    }
    if (error) { /* set aside: named by the log, never delivered, never fatal */
        uint32_t count = error == LOG_CORRUPT && header.count ? header.count : 1;
        core_sub_skipped(sub, lane, count, lane_after(self, lane, lane->next + count));
        return true;
    }
    if (!core_sub_admits(sub, header.count, header.size) || !parcel_add(parcel, &header, &body))
        return false;
    core_sub_delivered(sub, lane, header.count, header.size,
                       lane_after(self, lane, header.base + header.count));
    server_count_delivered(self, session, &header);
    return true;
}

/* At most `*share` bytes (one batch more), which become less by what was delivered. True if it stopped for that, not for lack of
 * work. */
static bool deliver_one(struct server *self, struct core_session *session, struct parcel *parcel,
                        int64_t *share)
{
    struct core_sub_lane *lane;
    bool more = false, sent = true;
    int64_t left = *share;
    while (sent && (lane = core_sub_next(session)) != NULL) {
        more = *share <= 0;
        if (more || !deliver_batch(self, session, lane, parcel))
            break;
        *share = left - (int64_t)parcel->bytes - parcel->count * (int64_t)PROTOCOL_HEADER_BYTES;
        if (parcel->count < MESSAGE_BATCHES_MAX)
            continue;
        left = *share;
        core_sub_sent(&session->sub);
        sent = parcel_send(self, session, parcel, "DLVR");
    }
    if (parcel->count) {
        core_sub_sent(&session->sub);
        sent = parcel_send(self, session, parcel, "DLVR") && sent;
    }
    if (!sent)
        log_warn("peer-gone", "actor=%s", session->actor);
    return more && sent;
}

static bool reads_old(const struct server *self, struct core_session *session)
{
    const struct core_sub_lane *lane = core_sub_next(session);
    return lane && lane->next + OLD_RECORDS < self->head;
}

static int served_order(const void *a, const void *b)
{
    const struct core_session *one = *(struct core_session *const *)a;
    const struct core_session *other = *(struct core_session *const *)b;
    return (one->sub.served > other->sub.served) - (one->sub.served < other->sub.served);
}

/* Who reads what is old, who waits for longest first. */
static uint32_t old_readers(struct server *self, struct core_session ***out)
{
    uint32_t count = 0;
    if (self->old_capacity < self->core->session_count) {
        struct core_session **grown =
            realloc(self->old, self->core->session_count * sizeof *self->old);
        if (!grown)
            return 0; /* and again in the next turn */
        self->old = grown;
        self->old_capacity = self->core->session_count;
    }
    for (struct core_session *session = self->core->sessions; session; session = session->next)
        if (session->sub.live && !session->gone && reads_old(self, session))
            self->old[count++] = session;
    if (count > 1)
        qsort(self->old, count, sizeof *self->old, served_order);
    *out = self->old;
    return count;
}

/* Whoever catches up gets a slice now and then, all of them together: little more than what came new meanwhile, and nothing until the
 * next is due, so that they cost the others no more than that. Nobody publishes: at once, as much as they take. */
static bool deliver_old(struct server *self, struct parcel *parcel)
{
    struct core_session **sessions = NULL;
    int64_t now_us = clock_mono_us();
    if (now_us < self->old_due_us)
        return false;
    uint32_t count = old_readers(self, &sessions);
    int64_t share = OLD_BYTES + 2 * (int64_t)self->new_bytes;
    bool more = false;
    self->new_bytes = 0;
    for (uint32_t i = 0; i < count && !more; i++) {
        int64_t before = share;
        more = deliver_one(self, sessions[i], parcel, &share);
        if (share < before)
            sessions[i]->sub.served = self->deliveries;
    }
    if (!more || !self->appended_us || now_us - self->appended_us > HEAD_LIVE_US)
        return more;
    self->old_due_us = clock_mono_us() + OLD_EVERY_US;
    return false;
}

int64_t server_deliver_wait_us(const struct server *self)
{
    return self->old_due_us > self->turn_us ? self->old_due_us - self->turn_us : INT64_MAX;
}

/* What may be on its way to all of them together, members of groups too, in equal shares: the memory that it takes does not grow with
 * their number. */
static void shares_give(struct server *self)
{
    uint64_t live = 0, most = (uint64_t)self->settings->broker.delivery_bytes;
    for (struct core_session *session = self->core->sessions; session; session = session->next)
        live += session->sub.live || session->reader;
    for (struct core_session *session = self->core->sessions; session; session = session->next)
        session->sub.share_bytes = most && most < live ? 1 : live ? most / live : 0;
}

bool server_deliver(struct server *self)
{
    struct parcel *parcel = parcel_begin();
    bool more = false;
    self->deliveries++;
    shares_give(self);
    for (struct core_session *session = self->core->sessions; session; session = session->next) {
        int64_t share = SLICE_BYTES;
        if (session->sub.live && !session->gone && !reads_old(self, session))
            more = deliver_one(self, session, parcel, &share) || more;
    }
    more = deliver_old(self, parcel) || more;
    log_read_end(self->log);
    return server_readers_deliver(self) || more;
}

bool server_at_rest(const struct server *self)
{
    for (const struct core_session *each = self->core->sessions; each; each = each->next)
        if (each->producer && each->sub.live && each->sub.flying_records > 0)
            return false;
    return true;
}

static int lane_order(const void *a, const void *b)
{
    const struct core_sub_lane *one = a, *other = b;
    if (one->stream != other->stream)
        return one->stream < other->stream ? -1 : 1;
    return (one->partition > other->partition) - (one->partition < other->partition);
}

/* "*": every partition there is. */
static bool inputs_all(struct unpack *in, uint32_t *partitions)
{
    const char *text;
    uint32_t size;
    *partitions = 0;
    return unpack_peek(in) == PACK_STR && unpack_str(in, &text, &size) && size == 1 &&
           text[0] == '*';
}

bool server_inputs(struct server *self, struct core_session *session, const char *verb,
                   const struct span *list, struct core_sub_lane *lanes, uint32_t most,
                   uint32_t *count)
{
    struct unpack in = {list->data, list->size, 0};
    uint32_t inputs = 0;
    *count = 0;
    bool good = unpack_array(&in, &inputs);
    for (uint32_t i = 0; good && i < inputs; i++) {
        uint32_t pair, size, partitions;
        const char *text;
        char name[STREAM_NAME_MAX + 1];
        good = unpack_array(&in, &pair) && pair == 2 && unpack_str(&in, &text, &size) &&
               size < sizeof name;
        bool all = good && inputs_all(&in, &partitions);
        good = good && (all || unpack_array(&in, &partitions));
        if (!good)
            break;
        memcpy(name, text, size);
        name[size] = '\0';
        const struct core_stream *stream = core_stream_by_name(self->core, name);
        if (!stream) {
            server_refuse(self, session, verb, REFUSAL_UNKNOWN_STREAM, NULL, "no stream %s", name);
            return false;
        }
        if (all)
            partitions = stream->partitions;
        for (uint32_t j = 0; good && j < partitions; j++) {
            uint64_t partition = j;
            good = (all || unpack_u64(&in, &partition)) && *count < most;
            if (good && partition >= stream->partitions) {
                server_refuse(self, session, verb, REFUSAL_BAD_PARTITION, NULL,
                              "%s has %u partitions", name, stream->partitions);
                return false;
            }
            if (good)
                lanes[(*count)++] =
                    (struct core_sub_lane){.stream = stream->id, .partition = (uint16_t)partition};
        }
    }
    if (!good) {
        server_refuse(self, session, verb, REFUSAL_BAD_FRAME, NULL,
                      "inputs: [[stream, [partition, ...]], ...], at most %u", most);
        return false;
    }
    if (*count)
        qsort(lanes, *count, sizeof *lanes, lane_order);
    for (uint32_t i = 1; i < *count; i++)
        if (lane_order(&lanes[i - 1], &lanes[i]) == 0) { /* would be delivered twice */
            server_refuse(self, session, verb, REFUSAL_BAD_FRAME, NULL,
                          "inputs: stream %u partition %u is named twice", lanes[i].stream,
                          lanes[i].partition);
            return false;
        }
    return true;
}

bool server_subscription(struct server *self, struct core_session *session,
                         struct core_sub_lane *lanes, uint32_t count, uint64_t from,
                         uint64_t records, uint64_t bytes)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct core_stream *stream = core_stream_by_id(self->core, lanes[i].stream);
        uint64_t left = log_count_from(self->log, lanes[i].stream, lanes[i].partition, from);
        uint64_t total = stream->per_partition[lanes[i].partition];
        lanes[i].passed = total > left ? total - left : 0;
        lanes[i].next = lane_after(self, &lanes[i], from);
    }
    log_read_end(self->log);
    return core_subscribe(session, lanes, count, from, records, bytes) == 0;
}

/* The position below which something is missing that this reader cannot do without: trimmed, or removed by force before it had
 * read it, or removed since, and it is about to read it again. */
static uint64_t whole_before(struct server *self, struct core_producer *producer, uint64_t from,
                             const struct core_sub_lane *lanes, uint32_t count)
{
    uint64_t first = log_first(self->log);
    if (producer && first < producer->passed)
        first = producer->passed;
    for (uint32_t i = 0; producer && from < producer->cursor && i < count; i++) {
        const struct core_stream *stream = core_stream_by_id(self->core, lanes[i].stream);
        if (first < stream->whole_from)
            first = stream->whole_from;
    }
    if (producer && producer->passed && from >= producer->passed) {
        producer->passed = 0; /* it takes the gap */
        producer->dirty = true;
    }
    return first;
}

void server_subscribe(struct server *self, struct core_session *session,
                      const struct msg_subs *subs)
{
    enum { LANES_MAX = 4096 };
    if (self->appending)
        server_commit(self); /* what is staged counts neither as there nor as passed */
    struct core_sub_lane *lanes = calloc(LANES_MAX, sizeof *lanes);
    uint32_t count;
    if (!lanes || !server_inputs(self, session, "SUBS", &subs->inputs, lanes, LANES_MAX, &count)) {
        free(lanes);
        return;
    }
    uint64_t first = whole_before(self, session->producer, subs->from, lanes, count);
    if (subs->from < first && first > 1 && subs->from > 0) {
        server_refuse(self, session, "SUBS", REFUSAL_TRIMMED, NULL, "trimmed(%" PRIu64 ")", first);
        free(lanes);
        return;
    }
    if (server_subscription(self, session, lanes, count, subs->from, subs->records, subs->bytes)) {
        struct msg_subd subd = {.head = self->head, .lag = core_sub_lag(self->core, session)};
        server_send_map(self, session, "SUBD", &msg_subd_desc, &subd);
    } else {
        session->gone = true;
    }
    free(lanes);
}

#define OWN_GONE_MAX 65536 /* batches that retention removed, passed over for one question */

/* What is left of the batch from sequence `seq` on. LOG_REMOVED: nothing. */
static int own_batch(struct server *self, uint16_t stream, uint16_t partition, uint64_t seq,
                     const struct log_seq *found, struct batch_header *header, struct span *body)
{
    uint64_t base, position = found->base + (seq - found->first_seq);
    int error = log_next(self->log, stream, partition, position, &base);
    if (error == LOG_NONE || (!error && base >= found->base + found->count))
        return LOG_REMOVED;
    return error ? error : log_batch(self->log, base, header, body);
}

void server_own(struct server *self, struct core_session *session, const struct msg_ownq *ask)
{
    struct parcel *parcel = parcel_begin();
    if (self->appending)
        server_commit(self);
    const struct core_stream *stream = core_stream_by_name(self->core, ask->stream);
    const struct core_producer *producer = session->producer;
    if (!producer || !stream) {
        server_refuse(self, session, "OWNQ", producer ? REFUSAL_UNKNOWN_STREAM : REFUSAL_NOT_LEASED,
                      NULL, "%s", ask->stream);
        return;
    }
    uint64_t seq = ask->from_seq, records = 0, bytes = 0, gone = 0;
    while (records < ask->records && bytes < SLICE_BYTES) {
        struct log_seq found;
        struct batch_header header;
        struct span body;
        int error = log_lane_find(self->log, producer->id, stream->id, (uint16_t)ask->partition,
                                  seq, &found);
        if (!error)
            error = found.base ? own_batch(self, stream->id, (uint16_t)ask->partition, seq, &found,
                                           &header, &body)
                               : log_later_read(self->log, found.later_due_us, found.later_id,
                                                &header, &body);
        if (error == LOG_REMOVED && gone++ < OWN_GONE_MAX) {
            seq = found.first_seq + found.count;
            continue;
        }
        if (error || !parcel_add(parcel, &header, &body))
            break;
        seq = header.first_seq + header.count;
        records += header.count;
        bytes += header.size;
        if (parcel->count == MESSAGE_BATCHES_MAX)
            (void)parcel_send(self, session, parcel, "OWND");
    }
    if (parcel->count)
        (void)parcel_send(self, session, parcel, "OWND");
    (void)parcel_send(self, session, parcel, "OWND"); /* empty: the end of this answer */
    log_read_end(self->log);
}
