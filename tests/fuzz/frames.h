/* Bytes as a conversation of three peers with the broker behind its sockets: shared by the fuzzer (fuzz_frames.c) and by the slice of
 * mutations that every check runs (tests/unit/test_frames.c).
 *
 * The first byte of each message says what it is: made whole (a real HELO, LEAS, ... from the bytes that follow), a PUBL whose
 * CRC and size are right, or frames of raw bytes. Whatever is said, the broker must answer in frames that decode, what it holds must stay dense
 * and countable, and what it acknowledged must be in the log. */
#ifndef TESTS_FUZZ_FRAMES_H
#define TESTS_FUZZ_FRAMES_H

#include <assert.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/server.h"
#include "schema/record.h"

enum { FRAMES_PEERS = 3, FRAMES_MOST = 8 };

struct frames_input {
    const uint8_t *at, *end;
};

struct frames_run {
    struct server server;
    struct settings settings;
    char dir[96];
    uint64_t answers, acknowledged, delivered;
};

static uint32_t frames_u8(struct frames_input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static uint32_t frames_u16(struct frames_input *in)
{
    uint32_t high = frames_u8(in);
    return high << 8 | frames_u8(in);
}

/* ---- the peers' side ---- */

static const struct message_desc *const frames_maps[] = {
    &msg_welc_desc, &msg_clok_desc, &msg_grnt_desc, &msg_wait_desc,
    &msg_lost_desc, &msg_subd_desc, &msg_aliv_desc, &msg_refu_desc};

static void frames_check_batches(struct frames_run *run, zmq_msg_t *frames, uint32_t count)
{
    const uint8_t *at = (const uint8_t *)zmq_msg_data(&frames[0]) + 4;
    uint32_t batches = get_u32(at);
    assert(count == (batches ? 2 : 1));
    size_t offset = 0;
    assert(zmq_msg_size(&frames[0]) == 8 + batches * (size_t)PROTOCOL_HEADER_BYTES);
    for (uint32_t i = 0; i < batches; i++) {
        struct batch_header header;
        int good = batch_header_read(&header, at + 4 + i * (size_t)PROTOCOL_HEADER_BYTES);
        assert(good == 0 && offset + header.size <= zmq_msg_size(&frames[1]));
        assert(pack_crc32c(0, (const uint8_t *)zmq_msg_data(&frames[1]) + offset, header.size) ==
               header.crc);
        offset += header.size;
        run->delivered += header.count;
    }
    assert(batches == 0 || offset == zmq_msg_size(&frames[1]));
}

static bool frames_answer(struct server *server, const struct core_session *session,
                          zmq_msg_t *frames, uint32_t count)
{
    struct frames_run *run = (struct frames_run *)server;
    const char *data = zmq_msg_data(&frames[0]);
    size_t size = zmq_msg_size(&frames[0]);
    assert(count >= 1 && size >= PROTOCOL_VERB_BYTES);
    run->answers++;
    if (memcmp(data, "DLVR", 4) == 0 || memcmp(data, "OWND", 4) == 0) {
        frames_check_batches(run, frames, count);
    } else if (memcmp(data, "ACKD", 4) == 0) {
        const uint8_t *at = (const uint8_t *)data;
        const struct core_producer *producer = core_producer_by_id(server->core, get_u32(at + 4));
        assert(producer && session->producer == producer && !server->appending);
        for (uint32_t i = 0; i < get_u32(at + 16); i++) {
            const uint8_t *ack = at + 20 + i * (size_t)PROTOCOL_ACK_BYTES;
            struct log_seq found;
            int error = log_lane_find(server->log, producer->id, get_u16(ack), get_u16(ack + 2),
                                      get_u64(ack + 4), &found);
            assert(error == LOG_OK); /* nothing is trimmed here */
            assert(found.first_seq + found.count - 1 == get_u64(ack + 4));
            run->acknowledged++;
        }
    } else {
        struct message_error error;
        bool known = false;
        assert(count == 1);
        for (size_t i = 0; i < sizeof frames_maps / sizeof *frames_maps; i++) {
            const struct message_desc *desc = frames_maps[i];
            char verb[5];
            for (int j = 0; j < 4; j++)
                verb[j] = (char)(desc->name[j] - 'a' + 'A');
            if (memcmp(data, verb, 4) != 0)
                continue;
            known = true;
            void *message = malloc(desc->struct_size);
            int good = message_decode(desc, (const uint8_t *)data + 4, size - 4, message, &error);
            assert(good == 0);
            free(message);
        }
        assert(known);
    }
    for (uint32_t i = 0; i < count; i++)
        zmq_msg_close(&frames[i]);
    return true;
}

/* ---- messages ---- */

static void frames_say(struct frames_run *run, uint32_t peer, zmq_msg_t *frames, uint32_t count)
{
    const uint8_t name[] = {0, 'p', (uint8_t)peer};
    server_take(&run->server, name, sizeof name, frames, count);
    for (uint32_t i = 0; i < count; i++)
        zmq_msg_close(&frames[i]);
}

static void frames_say_map(struct frames_run *run, uint32_t peer, const char *verb,
                           const struct message_desc *desc, const void *message)
{
    struct message_error error;
    size_t most = message_size_max(desc, message);
    uint8_t *buffer = malloc(most);
    long size = message_encode(desc, message, buffer, most, &error);
    assert(size > 0);
    zmq_msg_t frame;
    zmq_msg_init_size(&frame, 4 + (size_t)size);
    memcpy(zmq_msg_data(&frame), verb, 4);
    memcpy((uint8_t *)zmq_msg_data(&frame) + 4, buffer, (size_t)size);
    free(buffer);
    frames_say(run, peer, &frame, 1);
}

static const char *const frames_actors[] = {"owner", "a", "b", "a"};

static void frames_helo(struct frames_run *run, struct frames_input *in, uint32_t peer)
{
    struct msg_helo helo;
    uint32_t byte = frames_u8(in);
    message_clear(&msg_helo_desc, &helo);
    helo.protocol = byte & 0x80 ? byte : 1;
    snprintf(helo.actor, sizeof helo.actor, "%s", frames_actors[byte & 3]);
    snprintf(helo.host, sizeof helo.host, "h");
    snprintf(helo.incarnation, sizeof helo.incarnation, "%u", byte >> 2 & 3);
    frames_say_map(run, peer, "HELO", &msg_helo_desc, &helo);
}

static void frames_leas(struct frames_run *run, struct frames_input *in, uint32_t peer)
{
    struct msg_leas leas;
    uint32_t byte = frames_u8(in);
    message_clear(&msg_leas_desc, &leas);
    snprintf(leas.actor, sizeof leas.actor, "%s", frames_actors[byte & 3]);
    snprintf(leas.env, sizeof leas.env, "%u", byte >> 2 & 3);
    leas.shard = byte >> 4 & 1;
    leas.shards = 2;
    frames_say_map(run, peer, "LEAS", &msg_leas_desc, &leas);
}

static void frames_subs(struct frames_run *run, struct frames_input *in, uint32_t peer)
{
    static const char *const streams[] = {"one", "two", "owned", "none"};
    struct pack list = {0};
    uint32_t lanes = frames_u8(in) & 7;
    pack_array(&list, lanes);
    for (uint32_t i = 0; i < lanes; i++) {
        uint32_t byte = frames_u8(in);
        pack_array(&list, 2);
        pack_text(&list, streams[byte & 3]);
        pack_array(&list, 1 + (byte >> 2 & 1));
        pack_u64(&list, byte >> 3 & 3);
        if (byte >> 2 & 1)
            pack_u64(&list, byte >> 5 & 3);
    }
    struct msg_subs subs = {.inputs = {list.data, (uint32_t)list.size},
                            .from = frames_u8(in),
                            .records = 1 + frames_u8(in),
                            .bytes = 1 + frames_u16(in)};
    frames_say_map(run, peer, "SUBS", &msg_subs_desc, &subs);
    pack_free(&list);
}

static void frames_publ(struct frames_run *run, struct frames_input *in, uint32_t peer)
{
    const uint8_t name[] = {0, 'p', (uint8_t)peer};
    const struct core_session *session = run->server.core->sessions;
    while (session && memcmp(session->peer, name, sizeof name) != 0)
        session = session->next;
    const struct core_producer *mine = session ? session->producer : NULL;
    uint32_t how = frames_u8(in), batches = 1 + (how & 3);
    struct pack bodies = {0};
    zmq_msg_t frames[FRAMES_MOST];
    zmq_msg_init_size(&frames[0],
                      PROTOCOL_PUBL_HEAD_BYTES + batches * (size_t)PROTOCOL_DESCRIPTOR_BYTES);
    uint8_t *at = zmq_msg_data(&frames[0]);
    memcpy(at, "PUBL", 4);
    put_u32(at + 4, mine && !(how & 0x80) ? mine->id : how);
    put_u64(at + 8, mine ? mine->epoch - (how >> 6 & 1) : 1);
    put_u32(at + 16, batches);
    at += PROTOCOL_PUBL_HEAD_BYTES;
    for (uint32_t i = 0; i < batches; i++, at += PROTOCOL_DESCRIPTOR_BYTES) {
        uint32_t where = frames_u8(in), count = 1 + frames_u8(in) % 5, odd = frames_u8(in);
        struct pack body = {0};
        pack_array(&body, count + 2 + (odd == 1));
        for (uint32_t j = 0, items = frames_u8(in) & 31; j < items; j++)
            pack_u64(&body, j);
        struct batch_desc desc = {.stream = (uint16_t)(1 + (where & 3)),
                                  .partition = (uint16_t)(where >> 2 & 3),
                                  .count = count,
                                  .first_seq = 1,
                                  .crc = pack_crc32c(0, body.data, body.size) + (odd == 2),
                                  .size = (uint32_t)body.size + (odd == 3),
                                  .due_us = where >> 7 ? 1 + (int64_t)odd : 0};
        for (uint32_t j = 0; mine && j < mine->lane_count; j++)
            if (mine->lanes[j].stream == desc.stream && mine->lanes[j].partition == desc.partition)
                desc.first_seq = mine->lanes[j].last_seq + 1;
        if (odd >= 0xf0)
            desc.first_seq += 0xf8 - odd; /* repeats, conflicts, gaps */
        batch_desc_write(&desc, at);
        pack_raw(&bodies, body.data, body.size);
        pack_free(&body);
    }
    zmq_msg_init_size(&frames[1], bodies.size);
    memcpy(zmq_msg_data(&frames[1]), bodies.data, bodies.size);
    pack_free(&bodies);
    frames_say(run, peer, frames, 2);
}

static void frames_small(struct frames_run *run, struct frames_input *in, uint32_t peer)
{
    uint32_t what = frames_u8(in);
    if ((what & 3) == 0) {
        struct msg_beat beat = {.cursor = what, .steps = what};
        snprintf(beat.state, sizeof beat.state, "%s", what & 4 ? "ready" : "starting");
        beat.cause[0] = '\0';
        frames_say_map(run, peer, "BEAT", &msg_beat_desc, &beat);
    } else if ((what & 3) == 1) {
        struct msg_ownq ask = {
            .partition = what >> 4 & 3, .from_seq = 1 + (what >> 2 & 3), .records = 1 + what};
        snprintf(ask.stream, sizeof ask.stream, "%s", what >> 6 & 1 ? "one" : "two");
        frames_say_map(run, peer, "OWNQ", &msg_ownq_desc, &ask);
    } else {
        static const char *const verbs[] = {"USUB", "GBYE", "CRED"};
        uint32_t which = what >> 2 & 3;
        zmq_msg_t frame;
        zmq_msg_init_size(&frame, which < 2 ? 4 : 12);
        memset(zmq_msg_data(&frame), 0, zmq_msg_size(&frame));
        memcpy(zmq_msg_data(&frame), verbs[which < 3 ? which : 2], 4);
        if (which >= 2) {
            put_u32((uint8_t *)zmq_msg_data(&frame) + 4, frames_u8(in));
            put_u32((uint8_t *)zmq_msg_data(&frame) + 8, frames_u16(in));
        }
        frames_say(run, peer, &frame, 1);
    }
}

static void frames_raw(struct frames_run *run, struct frames_input *in, uint32_t peer)
{
    static const char *const verbs[] = {"HELO", "LEAS", "SUBS", "CRED",
                                        "PUBL", "OWNQ", "BEAT", "????"};
    zmq_msg_t frames[FRAMES_MOST];
    uint32_t how = frames_u8(in), count = how & 7;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t size = frames_u8(in), verb = i == 0 && how & 8 ? 4 : 0;
        if (size > (size_t)(in->end - in->at))
            size = (uint32_t)(in->end - in->at);
        zmq_msg_init_size(&frames[i], verb + size);
        memcpy(zmq_msg_data(&frames[i]), verbs[how >> 5], verb);
        if (size)
            memcpy((uint8_t *)zmq_msg_data(&frames[i]) + verb, in->at, size);
        in->at += size;
    }
    frames_say(run, peer, frames, count);
}

/* ---- the broker's side ---- */

/* Between appends everything counts up. */
static void frames_check(struct frames_run *run)
{
    struct server *server = &run->server;
    uint64_t records = 0;
    for (uint32_t i = 1; i <= server->core->stream_count; i++) {
        const struct core_stream *stream = &server->core->streams[i];
        uint64_t sum = 0;
        for (uint32_t p = 0; p < stream->partitions; p++) {
            assert(log_count_from(server->log, stream->id, (uint16_t)p, 0) ==
                   stream->per_partition[p]);
            sum += stream->per_partition[p];
        }
        assert(sum == stream->records);
        records += sum;
    }
    log_read_end(server->log);
    assert(records == log_head(server->log) - 1 && server->head == log_head(server->log));
    assert(server->core->later_count == log_later_count(server->log));
    for (uint32_t i = 0; i < server->core->producer_count; i++) {
        const struct core_producer *producer = server->core->producers[i];
        assert(!producer->holder || producer->holder->producer == producer);
        for (uint32_t j = 0; j < producer->lane_count; j++)
            assert(producer->lanes[j].last_seq == producer->lanes[j].committed_seq);
    }
    assert(log_bad_batches(server->log) == 0);
}

static void frames_turn(struct frames_run *run, uint32_t how)
{
    struct server *server = &run->server;
    server->turn_us += (int64_t)how * 1000000;
    if (how & 1)
        server_fire_later(server);
    server_commit(server);
    for (int i = 0; i < 4 && server_deliver(server); i++)
        ;
    core_sessions_sweep(server->core);
    core_sessions_expire(server->core, server->turn_us, 6 * run->settings.broker.lease_us);
    if (how & 2)
        server_store_cursors(server);
    frames_check(run);
}

static void frames_open(struct frames_run *run)
{
    static const struct {
        const char *name, *writer;
    } streams[] = {{"one", "*"}, {"two", "*"}, {"owned", "owner"}};
    static struct registry registry = {.count = 3};
    memset(run, 0, sizeof *run);
    for (uint32_t i = 0; i < 3; i++) {
        snprintf(registry.streams[i].name, sizeof registry.streams[i].name, "%s", streams[i].name);
        snprintf(registry.streams[i].writer, sizeof registry.streams[i].writer, "%s",
                 streams[i].writer);
        registry.streams[i].partitions = 2;
    }
    run->settings.broker.lease_us = 10000000;
    run->settings.broker.heartbeat_us = 1000000;
    run->settings.broker.max_batch_bytes = 100;
    run->server = (struct server){.send = frames_answer, .settings = &run->settings, .turn_us = 1};
    snprintf(run->server.instance, sizeof run->server.instance, "frames");
    snprintf(run->dir, sizeof run->dir, "%s/tipoff-frames-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    char *made = mkdtemp(run->dir);
    assert(made);
    const struct log_options log = {.segment_bytes = 1 << 20, .map_bytes = 1 << 24};
    int error = log_open(&run->server.log, run->dir, &log);
    assert(error == LOG_OK);
    const struct core_options core = {.lease_us = run->settings.broker.lease_us,
                                      .sessions_max = FRAMES_PEERS - 1,
                                      .max_batch_bytes = 100,
                                      .later_max = 6,
                                      .lookup = server_lookup,
                                      .context = &run->server};
    run->server.core = core_new(&core);
    error = server_restore(&run->server, &registry);
    assert(error == 0);
    bool begun = server_append_begin(&run->server);
    assert(begun);
    server_commit(&run->server);
}

static int frames_remove(const char *path, const struct stat *there, int kind, struct FTW *where)
{
    (void)there;
    (void)kind;
    (void)where;
    return remove(path);
}

static void frames_close(struct frames_run *run)
{
    core_free(&run->server.core);
    server_readers_free(&run->server);
    log_close(&run->server.log);
    free(run->server.staged);
    free(run->server.old);
    int rc = nftw(run->dir, frames_remove, 8, FTW_DEPTH | FTW_PHYS);
    assert(rc == 0);
}

static void frames_talk(struct frames_run *run, const uint8_t *data, size_t size)
{
    struct frames_input in = {data, data + size};
    while (in.at < in.end) {
        uint32_t what = frames_u8(&in), peer = what >> 4 & 3;
        switch (what & 7) {
        case 0:
            frames_turn(run, what >> 4);
            break;
        case 1:
            frames_helo(run, &in, peer);
            break;
        case 2:
            frames_leas(run, &in, peer);
            break;
        case 3:
            frames_subs(run, &in, peer);
            break;
        case 4:
        case 5:
            frames_publ(run, &in, peer);
            break;
        case 6:
            frames_small(run, &in, peer);
            break;
        default:
            frames_raw(run, &in, peer);
        }
    }
    frames_turn(run, 1);
}

#endif
