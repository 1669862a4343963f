#include "tests/protocol/subject.h"

#include <ftw.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "broker/log_memory.h"
#include "broker/server.h"

struct subject_inside {
    struct server server; /* first: the send hook finds the rest behind it */
    struct subject *outside;
    struct settings settings;
    struct log_disk *disk; /* NULL: LMDB in `dir` */
    char dir[96];
    bool deaf[MODEL_PEERS], muted;
    enum lie lie;
};

/* ---- the clocks and the disk: what the linker puts in place of the real calls ---- */

static int64_t clock_us;
static bool disk_full, disk_full_append;

int __wrap_clock_gettime(clockid_t id, struct timespec *now);
int __wrap_log_commit(struct log *log);
int __real_log_commit(struct log *log);

int __wrap_clock_gettime(clockid_t id, struct timespec *now)
{
    (void)id;
    now->tv_sec = (time_t)(clock_us / 1000000);
    now->tv_nsec = (long)(clock_us % 1000000) * 1000;
    return 0;
}

int __wrap_log_commit(struct log *log)
{
    if (!disk_full)
        return __real_log_commit(log);
    disk_full = false;
    log_abort(log);
    return LOG_FULL;
}

int __real_log_append(struct log *log, const struct batch_header *header, const void *body);
int __wrap_log_append(struct log *log, const struct batch_header *header, const void *body);
int __real_log_later_put(struct log *log, const struct batch_header *header, const void *body);
int __wrap_log_later_put(struct log *log, const struct batch_header *header, const void *body);

static bool append_fails(void)
{
    bool fails = disk_full_append;
    disk_full_append = false;
    return fails;
}

int __wrap_log_append(struct log *log, const struct batch_header *header, const void *body)
{
    return append_fails() ? LOG_FULL : __real_log_append(log, header, body);
}

int __wrap_log_later_put(struct log *log, const struct batch_header *header, const void *body)
{
    return append_fails() ? LOG_FULL : __real_log_later_put(log, header, body);
}

void subject_clock(int64_t now_us)
{
    clock_us = now_us;
}

/* ---- answers ---- */

static void broken(struct subject_inside *in, const char *what)
{
    if (!in->outside->broken)
        in->outside->broken = what;
}

static void heard_batches(struct subject_inside *in, uint32_t peer, zmq_msg_t *frames,
                          uint32_t count)
{
    const uint8_t *at = zmq_msg_data(&frames[0]);
    uint32_t batches = get_u32(at + 4);
    char verb[5] = {(char)at[0], (char)at[1], (char)at[2], (char)at[3]};
    size_t offset = 0;
    if (count != (batches ? 2u : 1u) ||
        zmq_msg_size(&frames[0]) != 8 + batches * (size_t)PROTOCOL_HEADER_BYTES) {
        broken(in, "headers and bodies do not agree");
        return;
    }
    for (uint32_t i = 0; i < batches; i++) {
        struct batch_header header;
        if (batch_header_read(&header, at + 8 + i * (size_t)PROTOCOL_HEADER_BYTES) != 0 ||
            offset + header.size > zmq_msg_size(&frames[1]) ||
            pack_crc32c(0, (const uint8_t *)zmq_msg_data(&frames[1]) + offset, header.size) !=
                header.crc) {
            broken(in, "a header or a body that is not whole");
            return;
        }
        offset += header.size;
        answer_batch(answers_add(&in->outside->said, peer, verb), &header);
    }
    if (batches == 0)
        snprintf(answers_add(&in->outside->said, peer, verb)->text, 200, "end");
    else if (offset != zmq_msg_size(&frames[1]))
        broken(in, "bytes behind the last body");
}

static void heard_ackd(struct subject_inside *in, uint32_t peer, const uint8_t *at, size_t size)
{
    uint32_t count = size >= PROTOCOL_PUBL_HEAD_BYTES ? get_u32(at + 16) : 0;
    if (size != PROTOCOL_PUBL_HEAD_BYTES + count * (size_t)PROTOCOL_ACK_BYTES || count == 0)
        broken(in, "an ACKD of the wrong size");
    if (in->server.appending)
        broken(in, "acknowledged before the commit");
    for (uint32_t i = 0; i < count && !in->outside->broken; i++) {
        const uint8_t *entry = at + PROTOCOL_PUBL_HEAD_BYTES + i * (size_t)PROTOCOL_ACK_BYTES;
        struct ack ack = {.peer = peer,
                          .producer = get_u32(at + 4),
                          .epoch = get_u64(at + 8),
                          .stream = get_u16(entry),
                          .partition = get_u16(entry + 2),
                          .last = get_u64(entry + 4)};
        if (in->lie == LIE_ACK_EARLY && ack.last % 5 == 3)
            ack.last++;
        if (in->lie == LIE_ACK_LOST && ack.last % 5 == 3)
            continue;
        acks_add(&in->outside->acked, &ack);
    }
}

static void heard_work(struct subject_inside *in, uint32_t peer, zmq_msg_t *frames, uint32_t count,
                       bool heard)
{
    const uint8_t *at = zmq_msg_data(&frames[0]);
    uint32_t items = get_u32(at + 4);
    uint64_t base = 0;
    size_t bodies = 0;
    if (count != 2 || zmq_msg_size(&frames[0]) != 8 + items * (size_t)PROTOCOL_WORK_BYTES) {
        broken(in, "work of the wrong size");
        return;
    }
    for (uint32_t i = 0; i < items; i++) {
        const uint8_t *item = at + 8 + i * (size_t)PROTOCOL_WORK_BYTES;
        struct work work = {.peer = peer, .heard = heard};
        if (batch_header_read(&work.header, item) != 0) {
            broken(in, "work with a header that is not whole");
            return;
        }
        bodies += work.header.base != base ? work.header.size : 0;
        base = work.header.base;
        work.lease = get_u64(item + 80);
        work.position = base + get_u32(item + 88);
        work.count = get_u32(item + 92);
        work.attempts = get_u32(item + 96);
        works_add(&in->outside->works, &work);
        if (in->lie == LIE_WORK && i == 0)
            works_add(&in->outside->works, &work);
    }
    if (bodies != zmq_msg_size(&frames[1]))
        broken(in, "work whose bodies are not those of its headers");
}

static int lane_order(const void *a, const void *b)
{
    const uint64_t *one = a, *other = b;
    return (one[0] > other[0]) - (one[0] < other[0]);
}

static void text_grnt(const struct msg_grnt *grnt, char *out, size_t size)
{
    struct unpack in = {grnt->lanes.data, grnt->lanes.size, 0};
    uint64_t lanes[16][2] = {{0}}, stream = 0, partition = 0;
    uint32_t count = 0, fields, kept = 0;
    int used = snprintf(out, size,
                        "shard=%" PRIu64 " producer=%" PRIu64 " epoch=%" PRIu64 " cursor=%" PRIu64
                        " head=%" PRIu64 " first=%" PRIu64 " last_env=%s lanes",
                        grnt->shard, grnt->producer, grnt->epoch, grnt->cursor, grnt->head,
                        grnt->first, grnt->last_env);
    bool good = unpack_array(&in, &count) && count <= 16;
    for (uint32_t i = 0; good && i < count; i++) {
        good = unpack_array(&in, &fields) && fields == 3 && unpack_u64(&in, &stream) &&
               unpack_u64(&in, &partition) && unpack_u64(&in, &lanes[kept][1]);
        lanes[kept][0] = stream << 16 | partition;
        kept += lanes[kept][1] > 0; /* one that was only ever refused has nothing */
    }
    qsort(lanes, kept, sizeof *lanes, lane_order);
    for (uint32_t i = 0; i < kept; i++)
        used +=
            snprintf(out + used, size - (size_t)used, " %u/%u:%" PRIu64,
                     (unsigned)(lanes[i][0] >> 16), (unsigned)(lanes[i][0] & 0xffff), lanes[i][1]);
    if (!good)
        snprintf(out, size, "unreadable lanes");
}

static void text_refu(const struct msg_refu *refu, struct answer *said)
{
    for (int i = 0; i < REFUSAL_COUNT; i++)
        if (strcmp(refu->tag, refusal_text((enum refusal)i)) == 0)
            said->tags = UINT32_C(1) << i;
    int used = snprintf(said->text, sizeof said->text, "verb=%s", refu->verb);
    if (refu->partition != UINT64_MAX)
        snprintf(said->text + used, sizeof said->text - (size_t)used,
                 " stream=%s partition=%" PRIu64 " first=%" PRIu64, refu->stream, refu->partition,
                 refu->first_seq);
}

static void text_jond(const struct msg_jond *jond, struct answer *said)
{
    snprintf(said->text, sizeof said->text,
             "name=%s kind=%s generation=%" PRIu64 " position=%" PRIu64 " head=%" PRIu64
             " first=%" PRIu64 " lag=%" PRIu64,
             jond->name, jond->kind, jond->generation, jond->position, jond->head, jond->first,
             jond->lag);
}

static void text_lag(uint64_t head, uint64_t lag, char *out, size_t size)
{
    if (lag == UINT64_MAX)
        snprintf(out, size, "head=%" PRIu64 " lag=-", head);
    else
        snprintf(out, size, "head=%" PRIu64 " lag=%" PRIu64, head, lag);
}

static void heard_map(struct subject_inside *in, uint32_t peer, const uint8_t *at, size_t size)
{
    union {
        struct msg_welc welc;
        struct msg_grnt grnt;
        struct msg_wait wait;
        struct msg_lost lost;
        struct msg_subd subd;
        struct msg_aliv aliv;
        struct msg_refu refu;
        struct msg_jond jond;
        struct msg_dond dond;
        struct msg_setd setd;
    } said;
    static const struct message_desc *const maps[] = {
        &msg_welc_desc, &msg_grnt_desc, &msg_wait_desc, &msg_lost_desc, &msg_subd_desc,
        &msg_aliv_desc, &msg_refu_desc, &msg_jond_desc, &msg_dond_desc, &msg_setd_desc};
    const struct message_desc *desc = NULL;
    struct message_error error;
    char verb[5] = {(char)at[0], (char)at[1], (char)at[2], (char)at[3]};
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++)
        if (strncasecmp(maps[i]->name, verb, 4) == 0)
            desc = maps[i];
    if (!desc || message_decode(desc, at + 4, size - 4, &said, &error) != 0) {
        broken(in, "an answer that does not decode");
        return;
    }
    struct answer *answer = answers_add(&in->outside->said, peer, verb);
    uint32_t streams = 0;
    if (desc == &msg_welc_desc) {
        struct unpack list = {said.welc.streams.data, said.welc.streams.size, 0};
        (void)unpack_array(&list, &streams);
        snprintf(answer->text, sizeof answer->text, "protocol=%" PRIu64 " streams=%u",
                 said.welc.protocol, streams);
    } else if (desc == &msg_grnt_desc) {
        said.grnt.epoch += in->lie == LIE_EPOCH && said.grnt.epoch == 3;
        text_grnt(&said.grnt, answer->text, sizeof answer->text);
    } else if (desc == &msg_wait_desc) {
        snprintf(answer->text, sizeof answer->text, "retry=%" PRIu64, said.wait.retry_us);
    } else if (desc == &msg_subd_desc) {
        text_lag(said.subd.head, said.subd.lag, answer->text, sizeof answer->text);
    } else if (desc == &msg_aliv_desc) {
        text_lag(said.aliv.head, said.aliv.lag, answer->text, sizeof answer->text);
    } else if (desc == &msg_refu_desc) {
        text_refu(&said.refu, answer);
    } else if (desc == &msg_jond_desc) {
        text_jond(&said.jond, answer);
    } else if (desc == &msg_setd_desc) {
        struct unpack list = {said.setd.expired.data, said.setd.expired.size, 0};
        if (in->server.appending && strcmp(said.setd.does, "extend") != 0)
            broken(in, "settled before the commit");
        (void)unpack_array(&list, &streams);
        snprintf(answer->text, sizeof answer->text,
                 "name=%s does=%s settled=%" PRIu64 " expired=%u", said.setd.name, said.setd.does,
                 said.setd.settled, streams);
    } else if (desc == &msg_dond_desc) {
        if (in->server.appending)
            broken(in, "done before the commit");
        said.dond.position += in->lie == LIE_DONE && said.dond.position > 1;
        snprintf(answer->text, sizeof answer->text,
                 "name=%s generation=%" PRIu64 " position=%" PRIu64, said.dond.name,
                 said.dond.generation, said.dond.position);
    }
}

/* What a broker that is wrong would say: the answers are bent here, behind it. */
static void bend(struct subject_inside *in, uint32_t before)
{
    struct answers *said = &in->outside->said;
    if (said->count == before || memcmp(said->items[before].verb, "DLVR", 4) != 0)
        return;
    bool due = in->lie >= LIE_TWICE && strstr(said->items[before].text, " count=3 ");
    if (due && in->lie == LIE_TWICE) {
        struct answer again = said->items[said->count - 1];
        *answers_add(said, again.peer, "DLVR") = again;
    } else if (due && in->lie == LIE_SWAPPED && said->count - before > 1) {
        struct answer first = said->items[before];
        said->items[before] = said->items[before + 1];
        said->items[before + 1] = first;
    } else if (due && in->lie == LIE_DROPPED) {
        said->count--;
    } else if (due && in->lie == LIE_DIES) {
        abort();
    }
}

static bool send_hook(struct server *server, const struct core_session *session, zmq_msg_t *frames,
                      uint32_t count)
{
    struct subject_inside *in = (struct subject_inside *)server;
    uint32_t peer = session->peer[2], before = in->outside->said.count;
    const uint8_t *at = zmq_msg_data(&frames[0]);
    size_t size = zmq_msg_size(&frames[0]);
    bool heard = peer < MODEL_PEERS && !in->deaf[peer];
    if (!in->muted && peer < MODEL_PEERS && size >= 8 && memcmp(at, "WORK", 4) == 0)
        heard_work(in, peer, frames, count, heard);
    else if (!heard || in->muted)
        ;
    else if (size < PROTOCOL_VERB_BYTES)
        broken(in, "an answer without a verb");
    else if (memcmp(at, "DLVR", 4) == 0 || memcmp(at, "OWND", 4) == 0)
        heard_batches(in, peer, frames, count);
    else if (memcmp(at, "ACKD", 4) == 0)
        heard_ackd(in, peer, at, size);
    else
        heard_map(in, peer, at, size);
    bend(in, before);
    for (uint32_t i = 0; i < count; i++)
        zmq_msg_close(&frames[i]);
    return heard;
}

/* ---- frames ---- */

static void frame_set(zmq_msg_t *frame, const void *data, size_t size)
{
    if (zmq_msg_init_size(frame, size) != 0)
        abort();
    if (size)
        memcpy(zmq_msg_data(frame), data, size);
}

static void frames_say(struct subject_inside *in, uint32_t peer, zmq_msg_t *frames, uint32_t count)
{
    const uint8_t name[] = {0, 'p', (uint8_t)peer};
    server_take(&in->server, name, sizeof name, frames, count);
    for (uint32_t i = 0; i < count; i++)
        zmq_msg_close(&frames[i]);
}

static void map_say(struct subject_inside *in, uint32_t peer, const char *verb,
                    const struct message_desc *desc, const void *message)
{
    struct message_error error;
    uint8_t buffer[4096];
    zmq_msg_t frame;
    memcpy(buffer, verb, 4);
    long size = message_encode(desc, message, buffer + 4, sizeof buffer - 4, &error);
    if (size < 0)
        abort();
    frame_set(&frame, buffer, 4 + (size_t)size);
    frames_say(in, peer, &frame, 1);
}

static void say_helo(struct subject_inside *in, const struct ask *ask)
{
    struct msg_helo helo;
    message_clear(&msg_helo_desc, &helo);
    helo.protocol = ask->protocol;
    snprintf(helo.actor, sizeof helo.actor, "%s", ask->actor);
    snprintf(helo.host, sizeof helo.host, "host");
    snprintf(helo.incarnation, sizeof helo.incarnation, "%s", ask->incarnation);
    map_say(in, ask->peer, "HELO", &msg_helo_desc, &helo);
}

static void say_leas(struct subject_inside *in, const struct ask *ask)
{
    struct msg_leas leas;
    message_clear(&msg_leas_desc, &leas);
    snprintf(leas.actor, sizeof leas.actor, "%s", ask->actor);
    snprintf(leas.env, sizeof leas.env, "%s", ask->env);
    leas.shard = ask->shard;
    leas.shards = 2;
    map_say(in, ask->peer, "LEAS", &msg_leas_desc, &leas);
}

static void lane_pack(struct pack *list, const char *stream, uint64_t partition)
{
    pack_array(list, 2);
    pack_text(list, stream);
    pack_array(list, 1);
    pack_u64(list, partition);
}

/* The list of lanes that is asked for, with its flaw. */
static void lanes_pack(const struct ask *ask, struct pack *list)
{
    uint32_t lane = 0;
    bool flaw = ask->flaw && ask->flaw <= FLAW_SHAPE;
    pack_array(list, (uint32_t)__builtin_popcount(ask->lanes) + (flaw ? 1 : 0));
    for (uint32_t i = 0; i < MODEL_STREAMS; i++)
        for (uint32_t p = 0; p < model_streams[i].partitions; p++, lane++)
            if (ask->lanes >> lane & 1)
                lane_pack(list, model_streams[i].name, p);
    if (ask->flaw == FLAW_TWICE) { /* a list of its own: two of the same */
        pack_reset(list);
        pack_array(list, 2);
        lane_pack(list, "one", 1);
        lane_pack(list, "one", 1);
    }
    if (ask->flaw == FLAW_UNKNOWN)
        lane_pack(list, "none", 0);
    if (ask->flaw == FLAW_PARTITION)
        lane_pack(list, "owned", 1);
    if (ask->flaw == FLAW_SHAPE)
        pack_u64(list, 7);
}

static void say_subs(struct subject_inside *in, const struct ask *ask)
{
    struct pack list = {0};
    lanes_pack(ask, &list);
    struct msg_subs subs = {.inputs = {list.data, (uint32_t)list.size},
                            .from = ask->from,
                            .records = ask->records,
                            .bytes = ask->bytes};
    map_say(in, ask->peer, "SUBS", &msg_subs_desc, &subs);
    pack_free(&list);
}

static void say_join(struct subject_inside *in, const struct ask *ask)
{
    static const char *const starts[] = {"first", "head", "position", "position"};
    struct pack list = {0};
    struct msg_join join;
    message_clear(&msg_join_desc, &join);
    lanes_pack(ask, &list);
    snprintf(join.name, sizeof join.name, "%s",
             ask->flaw == FLAW_NAME ? "no/name" : model_readers[ask->reader]);
    snprintf(join.kind, sizeof join.kind, "%s",
             ask->flaw == FLAW_KIND         ? "pigeon"
             : ask->reader >= MODEL_CURSORS ? "group"
                                            : "cursor");
    join.lease_us = MODEL_WORK_US;
    join.attempts = MODEL_ATTEMPTS;
    join.open = MODEL_OPEN;
    snprintf(join.start, sizeof join.start, "%s", starts[ask->start]);
    if (ask->start >= 2)
        join.position = ask->from;
    if (ask->flaw != FLAW_NO_INPUTS)
        join.inputs = (struct span){list.data, (uint32_t)list.size};
    join.records = ask->records;
    join.bytes = ask->bytes;
    join.take = ask->take;
    map_say(in, ask->peer, "JOIN", &msg_join_desc, &join);
    pack_free(&list);
}

static void say_done(struct subject_inside *in, const struct ask *ask)
{
    struct msg_done done = {.generation = ask->generation, .position = ask->from};
    snprintf(done.name, sizeof done.name, "%s", model_readers[ask->reader]);
    map_say(in, ask->peer, "DONE", &msg_done_desc, &done);
}

static void say_setl(struct subject_inside *in, const struct ask *ask)
{
    static const char *const does[] = {"ack", "nack", "extend", "burn"};
    struct pack list = {0};
    struct msg_setl setl;
    message_clear(&msg_setl_desc, &setl);
    pack_array(&list, ask->item_count);
    for (uint32_t i = 0; i < ask->item_count; i++) {
        pack_array(&list, ask->flaw ? 2 : 3);
        pack_u64(&list, ask->items[i].lease);
        pack_u64(&list, ask->items[i].position);
        if (!ask->flaw)
            pack_u64(&list, ask->items[i].count);
    }
    snprintf(setl.name, sizeof setl.name, "%s", model_readers[ask->reader]);
    snprintf(setl.does, sizeof setl.does, "%s", does[ask->does]);
    setl.items = (struct span){list.data, (uint32_t)list.size};
    setl.delay_us = (uint64_t)ask->delay_us;
    map_say(in, ask->peer, "SETL", &msg_setl_desc, &setl);
    pack_free(&list);
}

static void say_publ(struct subject_inside *in, const struct ask *ask)
{
    uint8_t head[PROTOCOL_PUBL_HEAD_BYTES + SCRIPT_BATCHES * PROTOCOL_DESCRIPTOR_BYTES];
    uint8_t bodies[SCRIPT_BATCHES * (MODEL_BATCH_BYTES + 128)];
    size_t size = 0;
    memcpy(head, "PUBL", 4);
    put_u32(head + 4, ask->producer);
    put_u64(head + 8, ask->epoch);
    put_u32(head + 16, ask->batch_count);
    for (uint32_t i = 0; i < ask->batch_count; i++) {
        batch_desc_write(&ask->batches[i].desc,
                         head + PROTOCOL_PUBL_HEAD_BYTES + i * (size_t)PROTOCOL_DESCRIPTOR_BYTES);
        size += ask_body(&ask->batches[i], bodies + size);
    }
    zmq_msg_t frames[2];
    frame_set(&frames[0], head,
              PROTOCOL_PUBL_HEAD_BYTES + ask->batch_count * (size_t)PROTOCOL_DESCRIPTOR_BYTES);
    frame_set(&frames[1], bodies, size);
    frames_say(in, ask->peer, frames, 2);
}

static void say_ownq(struct subject_inside *in, const struct ask *ask)
{
    static const struct {
        const char *stream;
        uint64_t partition;
    } lanes[] = {{"one", 0}, {"one", 1}, {"two", 0}, {"two", 1}, {"owned", 0}, {"none", 0}};
    struct msg_ownq own = {.partition = lanes[ask->lanes].partition,
                           .from_seq = ask->from_seq,
                           .records = ask->records};
    snprintf(own.stream, sizeof own.stream, "%s", lanes[ask->lanes].stream);
    map_say(in, ask->peer, "OWNQ", &msg_ownq_desc, &own);
}

static void say_beat(struct subject_inside *in, const struct ask *ask)
{
    struct msg_beat beat = {.cursor = ask->cursor, .steps = 1};
    snprintf(beat.state, sizeof beat.state, "%s", ask->state);
    beat.cause[0] = '\0';
    map_say(in, ask->peer, "BEAT", &msg_beat_desc, &beat);
}

static void say_plain(struct subject_inside *in, const struct ask *ask)
{
    uint8_t cred[12];
    zmq_msg_t frame;
    memcpy(cred, ask->verb == SCRIPT_CRED ? "CRED" : ask->verb == SCRIPT_USUB ? "USUB" : "GBYE", 4);
    put_u32(cred + 4, (uint32_t)ask->records);
    put_u32(cred + 8, (uint32_t)ask->bytes);
    frame_set(&frame, cred, ask->verb == SCRIPT_CRED ? 12 : 4);
    frames_say(in, ask->peer, &frame, 1);
}

/* In the order of the model's table of nonsense. */
static void say_raw(struct subject_inside *in, const struct ask *ask)
{
    static const struct {
        const char *bytes[2];
        uint32_t sizes[2], count;
    } raw[] = {{{"HE"}, {2}, 1},
               {{"\x01\x02\x03\xff"}, {4}, 1},
               {{"CRED\0\0\0\1"}, {8}, 1},
               {{"BEAT\x80", "more"}, {5, 4}, 2},
               {{"HELO\x81\xa1"}, {6}, 1},
               {{"PUBL\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\1short", "body"}, {25, 4}, 2},
               {{"PUBL\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\1"}, {20}, 1},
               {{"PUBL\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0", ""}, {20, 0}, 2},
               {{""}, {0}, 0},
               {{"SUBS\x80"}, {5}, 1}};
    zmq_msg_t frames[2];
    for (uint32_t i = 0; i < raw[ask->kind].count; i++)
        frame_set(&frames[i], raw[ask->kind].bytes[i], raw[ask->kind].sizes[i]);
    frames_say(in, ask->peer, frames, raw[ask->kind].count);
}

void subject_say(struct subject *self, const struct ask *ask)
{
    static void (*const says[SCRIPT_VERB_COUNT])(struct subject_inside * in,
                                                 const struct ask *ask) = {
        [SCRIPT_HELO] = say_helo,  [SCRIPT_LEAS] = say_leas,  [SCRIPT_SUBS] = say_subs,
        [SCRIPT_USUB] = say_plain, [SCRIPT_CRED] = say_plain, [SCRIPT_PUBL] = say_publ,
        [SCRIPT_OWNQ] = say_ownq,  [SCRIPT_BEAT] = say_beat,  [SCRIPT_GBYE] = say_plain,
        [SCRIPT_RAW] = say_raw,    [SCRIPT_JOIN] = say_join,  [SCRIPT_DONE] = say_done,
        [SCRIPT_SETL] = say_setl};
    self->inside->server.turn_us = clock_mono_us();
    says[ask->verb](self->inside, ask);
}

/* ---- the broker's life ---- */

bool subject_lmdb;

static void server_make(struct subject_inside *in)
{
    static struct registry registry = {.count = MODEL_STREAMS};
    const struct log_options log = {
        .segment_bytes = 128 << 10, .map_bytes = 1 << 22, .disk = in->disk};
    struct core_options core = {.lease_us = MODEL_LEASE_US,
                                .sessions_max = MODEL_SESSIONS_MAX,
                                .max_batch_bytes = MODEL_BATCH_BYTES,
                                .later_max = MODEL_LATER_MAX,
                                .lookup = server_lookup,
                                .context = &in->server};
    for (uint32_t i = 0; i < MODEL_STREAMS; i++) {
        struct registry_stream *stream = &registry.streams[i];
        snprintf(stream->name, sizeof stream->name, "%s", model_streams[i].name);
        snprintf(stream->writer, sizeof stream->writer, "%s", model_streams[i].writer);
        stream->partitions = model_streams[i].partitions;
    }
    in->server =
        (struct server){.send = send_hook, .settings = &in->settings, .turn_us = clock_mono_us()};
    snprintf(in->server.instance, sizeof in->server.instance, "subject");
    if (log_open(&in->server.log, in->dir, &log) != LOG_OK)
        abort();
    in->server.core = core_new(&core);
    if (!in->server.core || server_restore(&in->server, &registry) != 0)
        abort();
    in->server.head = log_head(in->server.log);
    bool dirty = false;
    for (uint32_t i = 1; i <= in->server.core->stream_count; i++)
        dirty = dirty || in->server.core->streams[i].dirty;
    if (dirty && server_append_begin(&in->server))
        server_commit(&in->server);
}

static void server_end(struct subject_inside *in)
{
    core_free(&in->server.core);
    server_readers_free(&in->server);
    log_close(&in->server.log);
    free(in->server.staged);
    free(in->server.old);
}

void subject_open(struct subject *self, enum lie lie)
{
    memset(self, 0, sizeof *self);
    struct subject_inside *in = calloc(1, sizeof *in);
    if (!in)
        abort();
    self->inside = in;
    in->outside = self;
    in->lie = lie;
    in->settings.broker.lease_us = MODEL_LEASE_US;
    in->settings.broker.heartbeat_us = MODEL_HEARTBEAT_US;
    in->settings.broker.max_batch_bytes = MODEL_BATCH_BYTES;
    snprintf(in->dir, sizeof in->dir, "%s/tipoff-protocol-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!subject_lmdb)
        in->disk = log_disk_new();
    if (subject_lmdb ? !mkdtemp(in->dir) : !in->disk)
        abort();
    disk_full = disk_full_append = false;
    const struct clock_anchor real = {
        .league_us = clock_us, .real_us = clock_us, .speed = 1, .running = true};
    clock_league_set(&real);
    server_make(in);
}

static int remove_one(const char *path, const struct stat *there, int kind, struct FTW *where)
{
    (void)there;
    (void)kind;
    (void)where;
    return remove(path);
}

void subject_close(struct subject *self)
{
    server_end(self->inside);
    if (self->inside->disk)
        log_disk_free(&self->inside->disk);
    else
        (void)nftw(self->inside->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(self->inside);
    free(self->said.items);
    free(self->acked.items);
    free(self->works.items);
}

void subject_turn(struct subject *self, bool second, bool muted)
{
    struct server *server = &self->inside->server;
    self->inside->muted = muted;
    server->turn_us = clock_mono_us();
    server_fire_later(server);
    server_readers_turn(server);
    server_commit(server);
    if (second) {
        server_store_cursors(server);
        core_sessions_expire(server->core, server->turn_us, 6 * MODEL_LEASE_US);
    }
    while (server_deliver(server))
        ;
    core_sessions_sweep(server->core);
    self->inside->muted = false;
}

void subject_deaf(struct subject *self, uint32_t peer, bool deaf)
{
    self->inside->deaf[peer] = deaf;
}

uint64_t subject_trim(struct subject *self, uint64_t position)
{
    struct server *server = &self->inside->server;
    server->turn_us = clock_mono_us();
    if (server->appending)
        server_commit(server);
    if (log_trim(server->log, position) < 0)
        broken(self->inside, "the log cannot be trimmed");
    return log_first(server->log);
}

void subject_full(struct subject *self, bool append)
{
    (void)self;
    disk_full = disk_full || !append;
    disk_full_append = disk_full_append || append;
}

static void control_said(struct subject *self, const char *error, uint64_t generation)
{
    struct answer *said = answers_add(&self->said, MODEL_PEERS, "CTRL");
    snprintf(said->text, sizeof said->text, "%s %" PRIu64, error ? error : "done", generation);
}

void subject_rewind(struct subject *self, uint32_t reader, uint64_t position)
{
    struct server *server = &self->inside->server;
    uint64_t generation = 0;
    server->turn_us = clock_mono_us();
    const char *error = server_rewind(server, model_readers[reader], position, &generation);
    control_said(self, error, error ? 0 : generation);
}

void subject_forget(struct subject *self, uint32_t reader)
{
    struct server *server = &self->inside->server;
    server->turn_us = clock_mono_us();
    control_said(self, server_forget(server, model_readers[reader]), 0);
}

void subject_set(struct subject *self, int64_t by_us, bool stand)
{
    (void)self;
    const struct clock_anchor anchor = {.league_us = clock_league_us() + by_us,
                                        .real_us = clock_real_us(),
                                        .speed = 1,
                                        .running = !stand};
    clock_league_set(&anchor);
}

void subject_crash(struct subject *self)
{
    server_end(self->inside);
    disk_full = disk_full_append = false;
    server_make(self->inside);
}

uint64_t subject_head(const struct subject *self)
{
    return self->inside->server.head;
}
