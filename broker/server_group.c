/* Work groups: records handed out to members by their credit, what they settle, and letters for what had its last attempt. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "broker/server_reader.h"
#include "config/log.h"
#include "schema/messages.h"
#include "schema/record.h"

#define WORK_ITEMS_MAX 256
#define WORK_BYTES (1024 * 1024) /* one member's share of a turn */
#define LETTERS_MAX 1024         /* of one group in a turn: the rest in the next */
#define DEAD_STREAM "dead"
#define DEAD_WRITER                                                                                \
    "$broker" /* whose lane letters stand in; it is nobody's shard, its epoch is 0 */

/* ---- where the next record is ---- */

static void lane_seek(struct server *self, struct core_sub_lane *lane, uint64_t position)
{
    if (log_next(self->log, lane->stream, lane->partition, position, &lane->next) != LOG_OK)
        lane->next = CORE_NONE;
}

void reader_group_seek(struct server *self, struct reader *reader)
{
    for (uint32_t i = 0; i < reader->lane_count; i++)
        lane_seek(self, &reader->lanes[i], reader->group.next);
    log_read_end(self->log);
    reader->looked = log_head(self->log);
}

static struct core_sub_lane *lane_first(struct server *self, struct reader *reader)
{
    struct core_sub_lane *first = NULL;
    bool news = reader->looked != self->head;
    for (uint32_t i = 0; i < reader->lane_count; i++) {
        struct core_sub_lane *lane = &reader->lanes[i];
        if (lane->next == CORE_NONE && news)
            lane_seek(self, lane, reader->group.next);
        if (lane->next != CORE_NONE && (!first || lane->next < first->next))
            first = lane;
    }
    reader->looked = self->head;
    return first;
}

/* ---- a WORK message ---- */

struct work {
    uint8_t items[WORK_ITEMS_MAX * PROTOCOL_WORK_BYTES];
    struct pack bodies;
    uint32_t count;
    uint64_t base; /* of the last item's batch: its body is not sent twice */
    uint32_t records;
    uint64_t bytes;
};

static void work_add(struct work *self, const struct batch_header *header, const struct span *body,
                     const struct group_lease *lease)
{
    uint8_t *at = self->items + self->count++ * (size_t)PROTOCOL_WORK_BYTES;
    batch_header_write(header, at);
    put_u64(at + 80, lease->lease);
    put_u32(at + 88, (uint32_t)(lease->position - header->base));
    put_u32(at + 92, lease->count);
    put_u32(at + 96, lease->attempts);
    put_u32(at + 100, 0);
    if (self->base != header->base)
        pack_raw(&self->bodies, body->data, body->size);
    self->base = header->base;
    self->records += lease->count;
    self->bytes += lease->bytes;
}

static void bodies_free(void *data, void *hint)
{
    (void)hint;
    free(data);
}

/* What is not sent stays out under its lease until the session is found gone, or it ends. */
static void work_send(struct server *self, struct core_session *session, struct work *work)
{
    zmq_msg_t frames[2];
    size_t size = work->count * (size_t)PROTOCOL_WORK_BYTES;
    if (work->bodies.failed || zmq_msg_init_size(&frames[0], 8 + size) != 0) {
        pack_free(&work->bodies);
        session->gone = true;
        return;
    }
    uint8_t *at = zmq_msg_data(&frames[0]);
    memcpy(at, "WORK", PROTOCOL_VERB_BYTES);
    put_u32(at + 4, work->count);
    memcpy(at + 8, work->items, size);
    if (zmq_msg_init_data(&frames[1], work->bodies.data, work->bodies.size, bodies_free, NULL) !=
        0) {
        pack_free(&work->bodies);
        zmq_msg_close(&frames[0]);
        session->gone = true;
        return;
    }
    (void)server_send_frames(self, session, frames, 2);
}

/* ---- handing out ---- */

/* The batch at `base`; false: not there, and what is to be done about it was. */
static bool batch_read(struct server *self, struct reader *reader, uint64_t base,
                       struct batch_header *header, struct span *body)
{
    memset(header, 0, sizeof *header);
    int error = log_batch(self->log, base, header, body);
    if (error != LOG_CORRUPT || header->count == 0)
        header->count = error ? 1 : header->count;
    if (!error)
        return true;
    if (error == LOG_REMOVED) /* up to the hole's end */
        header->count = (uint32_t)(header->base + header->count - base);
    if (error == LOG_TRIMMED) { /* said, never skipped over */
        reader->trimmed = true;
        for (uint32_t i = 0; i < reader->member_count; i++)
            server_refuse(self, reader->members[i].session, "JOIN", REFUSAL_TRIMMED, NULL,
                          "trimmed(%" PRIu64 ")", log_first(self->log));
    }
    return false;
}

/* One batch always may; more only within what the member asked for, and within its share of what may be out to all. */
static bool member_admits(const struct reader_member *member, uint64_t bytes_out, uint64_t bytes)
{
    uint64_t share = member->session->sub.share_bytes;
    return bytes_out == 0 ||
           (bytes_out + bytes <= member->bytes_max && (share == 0 || bytes_out + bytes <= share));
}

/* Something that waits again. 1: added; 0: there is none; -1: there is, and not for this member now. */
static int again_pick(struct server *self, struct reader *reader,
                      const struct reader_member *member, struct work *work, uint32_t room,
                      uint64_t bytes_out)
{
    const struct group_entry *entry = group_waiting(&reader->group, self->turn_us);
    struct batch_header header;
    struct span body;
    struct group_lease lease;
    uint64_t base;
    if (!entry)
        return 0;
    uint64_t position = entry->position;
    if (log_next_any(self->log, position, &base) != LOG_OK || base > position ||
        !batch_read(self, reader, base, &header, &body)) {
        if (!reader->trimmed) { /* its batch was set aside: named by the log, never delivered */
            group_stage_done(&reader->group, position, 1);
            reader->stale = true;
        }
        return reader->trimmed ? -1 : 1;
    }
    if (!member_admits(member, bytes_out, header.size))
        return -1;
    group_take_again(&reader->group, position, header.base + header.count, room, member->number,
                     header.size, self->turn_us, &lease);
    work_add(work, &header, &body, &lease);
    return 1;
}

static int new_pick(struct server *self, struct reader *reader, const struct reader_member *member,
                    struct work *work, uint32_t room, uint64_t bytes_out)
{
    struct group *group = &reader->group;
    struct core_sub_lane *lane = lane_first(self, reader);
    struct batch_header header;
    struct span body;
    struct group_lease lease;
    if (!lane || group_room(group) == 0)
        return 0;
    if (!batch_read(self, reader, lane->next, &header, &body)) {
        if (!reader->trimmed)
            lane_seek(self, lane, lane->next + header.count);
        return reader->trimmed ? -1 : 1;
    }
    if (!member_admits(member, bytes_out, header.size))
        return -1;
    uint64_t from = group->next > header.base ? group->next : header.base;
    uint64_t end = header.base + header.count;
    uint32_t count = room < group_room(group) ? room : group_room(group);
    if (count > end - from)
        count = (uint32_t)(end - from);
    if (group_take_new(group, from, count, member->number, header.size, self->turn_us, &lease) != 0)
        return -1;
    if (from + count == end)
        lane_seek(self, lane, end);
    work_add(work, &header, &body, &lease);
    return 1;
}

/* True if it stopped for its share, not for lack of work. */
static bool member_deliver(struct server *self, struct reader *reader,
                           const struct reader_member *member)
{
    static struct work work; /* one thread has one, too large for the stack */
    uint64_t bytes_out;
    uint32_t out = group_out(&reader->group, member->number, &bytes_out);
    bool more = false;
    work.bodies = (struct pack){0};
    work.count = work.records = 0;
    work.base = work.bytes = 0;
    while (out + work.records < member->records_max && !reader->trimmed) {
        uint64_t left = member->records_max - out - work.records;
        uint32_t room = left > UINT32_MAX ? UINT32_MAX : (uint32_t)left;
        if (work.count == WORK_ITEMS_MAX || work.bodies.size >= WORK_BYTES) {
            more = true;
            break;
        }
        int picked = again_pick(self, reader, member, &work, room, bytes_out + work.bytes);
        if (picked == 0)
            picked = new_pick(self, reader, member, &work, room, bytes_out + work.bytes);
        if (picked <= 0)
            break;
    }
    reader->delivered += work.records;
    if (!work.count)
        return more;
    reader->stale = true;
    work_send(self, member->session, &work);
    return more;
}

/* Who begins changes, so that nobody has the first pick always. */
bool reader_group_deliver(struct server *self, struct reader *reader)
{
    bool more = false;
    uint32_t members = reader->member_count;
    if (!group_waiting(&reader->group, self->turn_us) &&
        (group_room(&reader->group) == 0 || !lane_first(self, reader))) {
        log_read_end(self->log);
        return false;
    }
    reader->turn++;
    for (uint32_t i = 0; i < members && !reader->trimmed; i++) {
        const struct reader_member *member = &reader->members[(reader->turn + i) % members];
        if (!member->session->gone)
            more = member_deliver(self, reader, member) || more;
    }
    log_read_end(self->log);
    return more;
}

/* ---- letters ---- */

static bool record_find(struct server *self, uint64_t position, struct batch_header *header,
                        struct record *record)
{
    struct batch_reader in;
    struct span body;
    const char *rule;
    uint64_t base;
    if (log_next_any(self->log, position, &base) != LOG_OK || base > position ||
        log_batch(self->log, base, header, &body) != LOG_OK ||
        batch_open(&in, body.data, body.size, header->count, &rule) != 0)
        return false;
    for (uint64_t at = base; at <= position; at++)
        if (batch_next(&in, record, &rule) != 1)
            return false;
    return true;
}

static int letter_append(struct server *self, const struct core_stream *dead,
                         const struct record *record)
{
    struct core_producer *writer = core_producer_get(self->core, DEAD_WRITER, 0);
    uint16_t partition =
        (uint16_t)record_partition(record->key, record->key_size, dead->partitions);
    struct core_lane *lane = writer ? core_lane_get(self->core, writer, dead->id, partition) : NULL;
    struct pack body = {0};
    const char *rule = "memory";
    int error = LOG_FULL;
    batch_head(&body, 1, "", "");
    if (lane && record_encode(&body, record, &rule) == 0 && !body.failed) {
        struct batch_desc desc = {.stream = dead->id,
                                  .partition = partition,
                                  .count = 1,
                                  .first_seq = ++lane->last_seq,
                                  .crc = pack_crc32c(0, body.data, body.size),
                                  .size = (uint32_t)body.size};
        lane->dirty = writer->dirty = true;
        error = server_append(self, writer, &desc, body.data);
    } else {
        log_error("letter-unsaid", "rule=\"%s\"", rule);
    }
    pack_free(&body);
    return error;
}

static void letter_fill(struct msg_dead_letter *out, const struct reader *reader,
                        const struct batch_header *header, const char *stream,
                        const struct record *record, const struct group_entry *entry,
                        const char *reason)
{
    (void)header;
    message_clear(&msg_dead_letter_desc, out);
    snprintf(out->origin, sizeof out->origin, "%s/%.59s", reader->name, stream);
    snprintf(out->stream, sizeof out->stream, "%s", stream);
    snprintf(out->reader, sizeof out->reader, "%s", reader->name);
    snprintf(out->key, sizeof out->key, "%.*s", (int)record->key_size, record->key);
    snprintf(out->rule, sizeof out->rule, "%s", reason);
    out->position = entry->position;
    out->attempts = entry->attempts;
    out->version = record->version;
    out->payload = record->payload;
    out->at = clock_league_us();
}

/* In the append being built: the record is done with it, or neither is. 0, or the append is to fail. */
static int letter_stage(struct server *self, struct reader *reader, uint64_t position,
                        const char *reason)
{
    static struct msg_dead_letter out;
    const struct core_stream *dead = core_stream_by_name(self->core, DEAD_STREAM);
    const struct group_entry *entry = group_at(&reader->group, position);
    struct batch_header header;
    struct record record;
    struct message_error wrong;
    reader->dead++;
    if (!dead || dead->retired || !record_find(self, position, &header, &record)) {
        log_error("dead-nowhere",
                  "group=%s position=%" PRIu64 " attempts=%u reason=\"%s\" why=\"%s\"",
                  reader->name, position, entry->attempts, reason,
                  dead ? "the record cannot be read" : "there is no stream dead");
        return LOG_OK; /* it stands at its position, and here it is named */
    }
    const char *stream = core_stream_by_id(self->core, header.stream)->name;
    letter_fill(&out, reader, &header, stream, &record, entry, reason);
    size_t most = message_size_max(&msg_dead_letter_desc, &out);
    if (most + 65536 > (uint64_t)self->settings->broker.max_batch_bytes)
        out.payload.size = 0; /* too large to be repeated: it still stands at its position */
    uint8_t *payload = malloc(most);
    long size = payload ? message_encode(&msg_dead_letter_desc, &out, payload, most, &wrong) : -1;
    int error = LOG_OK;
    if (size > 0) {
        struct record letter = {.key = out.origin,
                                .key_size = (uint32_t)strlen(out.origin),
                                .version = msg_dead_letter_desc.version,
                                .parent_count = 1,
                                .parents = {position},
                                .payload = {payload, (uint32_t)size}};
        error = letter_append(self, dead, &letter);
    } else {
        log_error("letter-unsaid", "field=%s rule=\"%s\"", payload ? wrong.field : "",
                  payload ? wrong.rule : "memory");
    }
    free(payload);
    log_read_end(self->log);
    log_warn("dead", "group=%s position=%" PRIu64 " stream=%s attempts=%u reason=\"%s\"",
             reader->name, position, stream, entry->attempts, reason);
    return error;
}

void reader_group_turn(struct server *self, struct reader *reader)
{
    const struct group_entry *spent;
    uint32_t before = reader->group.count;
    uint32_t ended = group_expire(&reader->group, self->turn_us);
    reader->expired += ended;
    reader->stale = reader->stale || ended > 0;
    for (uint32_t i = 0;
         i < before && i < LETTERS_MAX && (spent = group_spent(&reader->group)) != NULL; i++) {
        if (!server_append_begin(self))
            return;
        uint64_t position = spent->position;
        if (letter_stage(self, reader, position, "the lease of its last attempt ended") != LOG_OK)
            return;
        group_stage_done(&reader->group, position, 1);
        reader->dirty = true;
    }
}

/* ---- settling ---- */

enum does { DOES_ACK, DOES_NACK, DOES_EXTEND, DOES_NOTHING };
static const char *const does_names[] = {"ack", "nack", "extend"};

static enum does does_of(const char *text)
{
    for (int i = 0; i < DOES_NOTHING; i++)
        if (strcmp(text, does_names[i]) == 0)
            return (enum does)i;
    return DOES_NOTHING;
}

static void nack(struct server *self, struct reader *reader, uint64_t position, uint32_t count,
                 const struct msg_setl *setl)
{
    int64_t until_us = self->turn_us + (setl->delay_us == UINT64_MAX ? 0 : (int64_t)setl->delay_us);
    const struct group_entry *entry = group_at(&reader->group, position);
    reader->nacked += count;
    if (entry->attempts < reader->group.attempts_max) {
        group_stage_wait(&reader->group, position, count, until_us);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        int error = letter_stage(self, reader, position + i,
                                 setl->reason[0] ? setl->reason : "refused without a reason");
        if (error && !self->append_error) /* none is done without its letter */
            self->append_error = error;
    }
    group_stage_done(&reader->group, position, count);
}

struct item {
    uint64_t lease, position, count;
};

static bool item_take(struct unpack *in, struct item *item)
{
    uint32_t fields;
    return unpack_array(in, &fields) && fields == 3 && unpack_u64(in, &item->lease) &&
           unpack_u64(in, &item->position) && unpack_u64(in, &item->count) && item->count > 0;
}

static bool item_settle(struct server *self, struct reader *reader,
                        const struct core_session *session, enum does does, const struct item *item,
                        const struct msg_setl *setl)
{
    struct group *group = &reader->group;
    uint32_t count = (uint32_t)item->count;
    const struct group_entry *entry = group_at(group, item->position);
    const struct reader_member *member = reader_member_of(reader, session);
    if (item->count > UINT32_MAX || !entry || !member || entry->member != member->number ||
        !group_holds(group, item->lease, item->position, count, self->turn_us))
        return false;
    switch (does) {
    case DOES_ACK:
        group_stage_done(group, item->position, count);
        reader->settled += count;
        break;
    case DOES_NACK:
        nack(self, reader, item->position, count, setl);
        break;
    default:
        group_extend(group, item->position, count, self->turn_us);
    }
    reader->dirty = reader->dirty || does != DOES_EXTEND;
    return true;
}

static bool items_good(const struct span *items, uint32_t *count)
{
    struct unpack in = {items->data, items->size, 0};
    struct item item;
    bool good = unpack_array(&in, count);
    for (uint32_t i = 0; good && i < *count; i++)
        good = item_take(&in, &item);
    return good;
}

static void items_settle(struct server *self, struct reader *reader, struct core_session *session,
                         enum does does, const struct msg_setl *setl)
{
    struct unpack in = {setl->items.data, setl->items.size, 0};
    struct pack expired = {0}, list = {0};
    struct msg_setd setd;
    struct item item;
    uint32_t count, refused = 0;
    message_clear(&msg_setd_desc, &setd);
    (void)unpack_array(&in, &count);
    for (uint32_t i = 0; i < count && item_take(&in, &item); i++) {
        if (item_settle(self, reader, session, does, &item, setl)) {
            setd.settled += item.count;
            continue;
        }
        if (refused++ == 0)
            server_refuse(self, session, "SETL", REFUSAL_LEASE_EXPIRED,
                          &(struct batch_desc){.first_seq = item.position},
                          "%s of %" PRIu64 "+%" PRIu64 " in %s: lease %" PRIu64 " has ended",
                          does_names[does], item.position, item.count, reader->name, item.lease);
        pack_array(&expired, 3);
        pack_u64(&expired, item.lease);
        pack_u64(&expired, item.position);
        pack_u64(&expired, item.count);
    }
    pack_array(&list, refused);
    pack_raw(&list, expired.data, expired.size);
    snprintf(setd.name, sizeof setd.name, "%s", reader->name);
    snprintf(setd.does, sizeof setd.does, "%s", does_names[does]);
    setd.serial = setl->serial;
    setd.expired = (struct span){list.data, (uint32_t)list.size};
    reader_answer(self, session, "SETD", &msg_setd_desc, &setd);
    pack_free(&expired);
    pack_free(&list);
}

void server_settle(struct server *self, struct core_session *session, const struct msg_setl *setl)
{
    struct reader *reader = session->reader;
    enum does does = does_of(setl->does);
    uint32_t count;
    if (!reader || !reader->is_group || strcmp(reader->name, setl->name) != 0) {
        server_refuse(self, session, "SETL", REFUSAL_NOT_JOINED, NULL, "group %s", setl->name);
        return;
    }
    if (does == DOES_NOTHING || !items_good(&setl->items, &count)) {
        server_refuse(self, session, "SETL", REFUSAL_BAD_FRAME, NULL,
                      "setl: ack, nack or extend; items [[lease, position, count], ...]");
        return;
    }
    if (does != DOES_EXTEND && !server_append_begin(self)) {
        server_refuse(self, session, "SETL", REFUSAL_DISK_FULL, NULL,
                      "the log cannot be written now");
        return;
    }
    items_settle(self, reader, session, does, setl);
}
