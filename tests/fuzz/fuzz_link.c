/* libFuzzer: any bytes as what a broker says to a link: the first of each message says what it is to look like. Nothing of it may be
 * believed beyond what it holds, and the link must be able to go on. Build and run: see tests/fuzz/run.py. */
#include <assert.h>

#include "broker/link.h"
#include "broker/protocol.h"
#include "broker/wire.h"
#include "config/log.h"
#include "tests/fuzz/input.h"
#include "tests/simulate/net.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MESSAGE_BYTES = 2048 };

static struct {
    struct link *link;
    struct wire *router;
    uint8_t peer[WIRE_PEER_BYTES]; /* the link's address, once it has said something */
    uint64_t heard, bytes;
} run;

/* ---- the owner ---- */

static void touch(const struct span *body)
{
    for (uint32_t i = 0; i < body->size; i++)
        run.bytes += body->data[i];
}

static void on_batch(void *context, const struct link_batch *batch)
{
    (void)context;
    assert(strlen(batch->stream) < 64);
    touch(&batch->body);
    link_taken(run.link, batch->count, batch->body.size);
    run.heard++;
}

static void on_own(void *context, const struct link_batch *batch)
{
    if (batch)
        on_batch(context, batch);
}

static void on_granted(void *context, const struct link_grant *grant)
{
    (void)context;
    for (uint32_t i = 0; i < grant->lane_count; i++)
        run.bytes += strlen(grant->lanes[i].stream);
    run.bytes += strlen(grant->last_env);
}

static void on_welcome(void *context, const struct link_stream *streams, uint32_t count)
{
    const struct link_input inputs[] = {{"one", false}, {"two", true}};
    (void)context;
    for (uint32_t i = 0; i < count; i++)
        run.bytes += strlen(streams[i].name) + strlen(streams[i].writer);
    link_subscribe(run.link, inputs, 2, 1, 100, 10000);
}

static void on_acked(void *context, const char *stream, uint16_t partition, uint64_t last_seq)
{
    (void)context;
    run.bytes += strlen(stream) + partition + last_seq;
}

static void on_refused(void *context, const char *tag, const char *text, const char *stream,
                       uint16_t partition, uint64_t first_seq)
{
    (void)context;
    run.bytes += strlen(tag) + strlen(text) + strlen(stream) + partition + first_seq;
}

static void on_words(void *context, const char *why)
{
    (void)context;
    run.bytes += strlen(why);
}

/* ---- the broker ---- */

/* All that the link has said is read, and forgotten but for who it is. */
static void hear(void)
{
    zmq_msg_t frames[ZMTP_FRAMES_MAX];
    uint32_t count;
    while (wire_receive(run.router, run.peer, frames, &count))
        for (uint32_t i = 0; i < count; i++)
            zmq_msg_close(&frames[i]);
}

static void say(const void *head, size_t head_size, const void *bodies, size_t size, bool two)
{
    zmq_msg_t frames[2];
    zmq_msg_init_size(&frames[0], head_size);
    memcpy(zmq_msg_data(&frames[0]), head, head_size);
    if (two)
        zmq_msg_init_size(&frames[1], size);
    if (two && size)
        memcpy(zmq_msg_data(&frames[1]), bodies, size);
    (void)wire_send(run.router, run.peer, sizeof run.peer, frames, two ? 2 : 1);
}

static const char *const verbs[] = {"DLVR", "ACKD", "ALIV", "GRNT", "WELC", "OWND",
                                    "WAIT", "LOST", "REFU", "CLOK", "SUBD", "????"};
enum { VERBS = sizeof verbs / sizeof *verbs };

/* Headers whose magic and CRCs are right, so that what is behind them is looked at. */
static void batches_say(const char *verb, struct input_bytes *in)
{
    uint8_t head[8 + 4 * PROTOCOL_HEADER_BYTES];
    const uint8_t *bodies = in->at;
    size_t size = 0;
    uint32_t how = input_u8(in), count = 1 + (how & 3);
    memcpy(head, verb, 4);
    put_u32(head + 4, count + (how >> 2 & 1));
    bodies = in->at;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *body;
        struct batch_header header = {.base = 1 + i,
                                      .count = (how >> 4) + 1,
                                      .stream = (uint16_t)(1 + (how >> 3 & 3)),
                                      .producer = 1,
                                      .epoch = 1,
                                      .first_seq = 1,
                                      .time_us = 1};
        header.size = (uint32_t)input_take(in, 1 + (how >> 3) * i, &body);
        header.crc = pack_crc32c(0, body, header.size);
        size += header.size;
        batch_header_write(&header, head + 8 + i * (size_t)PROTOCOL_HEADER_BYTES);
    }
    say(head, 8 + count * (size_t)PROTOCOL_HEADER_BYTES, bodies, size, (how & 0x80) == 0);
}

static void message_say(struct input_bytes *in)
{
    uint8_t head[4 + MESSAGE_BYTES];
    const uint8_t *bytes, *more = NULL;
    uint32_t what = input_u8(in), verb = what % 16;
    if (verb >= VERBS) {
        batches_say(what & 16 ? "OWND" : "DLVR", in);
        return;
    }
    size_t size = input_take(in, input_u16(in) % MESSAGE_BYTES, &bytes), more_size = 0;
    memcpy(head, verbs[verb], 4);
    if (size)
        memcpy(head + 4, bytes, size);
    if (what & 32)
        more_size = input_take(in, input_u8(in), &more);
    say(head, 4 + size, more, more_size, (what & 32) != 0);
}

static void owner_does(uint32_t what)
{
    static const uint8_t body[] = {0x93, 0xa0, 0xa0, 0xc0};
    const struct link_out out = {"one", 0, 1, 1, CLOCK_NONE, {body, sizeof body}};
    switch (what & 3) {
    case 0:
        link_own(run.link, "one", 0, 1, 10);
        break;
    case 1:
        (void)link_publish(run.link, &out, 1);
        break;
    case 2:
        link_state(run.link, what & 4 ? "ready" : "starting", "", 1, 1);
        break;
    default:
        link_beat(run.link);
    }
}

/* A map as the page has it, so that there is something to begin with. */
static size_t map_make(uint8_t *out, const struct message_desc *desc, const void *message)
{
    struct message_error error;
    long size = message_encode(desc, message, out, MESSAGE_BYTES, &error);
    assert(size > 0);
    return (size_t)size;
}

static size_t welc_make(uint8_t *out)
{
    static const char *const names[] = {"one", "two"};
    struct msg_welc welc;
    struct pack list = {0};
    message_clear(&msg_welc_desc, &welc);
    pack_array(&list, 2);
    for (uint32_t i = 0; i < 2; i++) {
        pack_array(&list, 4);
        pack_u64(&list, i + 1);
        pack_text(&list, names[i]);
        pack_text(&list, "*");
        pack_u64(&list, 2);
    }
    welc.protocol = 1;
    snprintf(welc.broker, sizeof welc.broker, "fuzz");
    welc.streams = (struct span){list.data, (uint32_t)list.size};
    welc.heartbeat_us = 1000000;
    welc.lease_us = 10000000;
    welc.max_batch_bytes = 1000;
    welc.league_us = welc.real_us = 1000000;
    welc.speed = 1;
    welc.running = true;
    size_t size = map_make(out, &msg_welc_desc, &welc);
    pack_free(&list);
    return size;
}

static size_t grnt_make(uint8_t *out)
{
    static const uint8_t lanes[] = {0x91, 0x93, 1, 0, 7};
    struct msg_grnt grnt;
    message_clear(&msg_grnt_desc, &grnt);
    grnt.shard = 0;
    grnt.producer = grnt.epoch = grnt.head = grnt.first = 1;
    grnt.cursor = 0;
    grnt.lease_us = 10000000;
    snprintf(grnt.last_env, sizeof grnt.last_env, "env");
    grnt.lanes = (struct span){lanes, sizeof lanes};
    return map_make(out, &msg_grnt_desc, &grnt);
}

static void seed_make(const char *name, const uint8_t *map, size_t size, uint8_t verb)
{
    uint8_t seed[MESSAGE_BYTES + 16] = {3, verb, (uint8_t)(size >> 8), (uint8_t)size};
    memcpy(seed + 4, map, size);
    size_t at = 4 + size;
    static const uint8_t behind[] = {12, 0x13, 1, 2, 3, 4, 5, 6};
    memcpy(seed + at, behind, sizeof behind);
    input_seed(name, seed, at + sizeof behind);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    uint8_t map[MESSAGE_BYTES];
    (void)argc;
    (void)argv;
    log_init("fuzz", (enum log_level)(LOG_LEVEL_ERROR + 1), 0);
    seed_make("welc", map, welc_make(map), 4);
    seed_make("grnt", map, grnt_make(map), 3);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct net_hooks hooks = {.call = NULL};
    const struct link_options options = {.endpoint = "ipc://broker",
                                         .actor = "fuzz",
                                         .host = "host",
                                         .incarnation = "1",
                                         .code_version = "1",
                                         .config_hash = "1",
                                         .handlers = {.welcome = on_welcome,
                                                      .granted = on_granted,
                                                      .acked = on_acked,
                                                      .refused = on_refused,
                                                      .batch = on_batch,
                                                      .own = on_own,
                                                      .lost = on_words}};
    uint8_t map[4 + MESSAGE_BYTES];
    struct input_bytes in = {data, data + size};
    if (size > 4096)
        return -1;
    net_open(&hooks);
    const struct wire_options router = {.endpoint = "ipc://broker"};
    run.router = wire_bind(&router);
    run.link = link_open(&options);
    assert(run.link);
    link_turn(run.link);
    hear();
    uint32_t begin = input_u8(&in); /* welcomed and leased already, or not */
    link_lease(run.link, 0, 1, "env");
    if (begin & 1) {
        memcpy(map, "WELC", 4);
        say(map, 4 + welc_make(map + 4), NULL, 0, false);
        link_turn(run.link);
    }
    if (begin & 2) {
        memcpy(map, "GRNT", 4);
        say(map, 4 + grnt_make(map + 4), NULL, 0, false);
    }
    if (begin & 4)
        say("SUBD\x82\xa4head\x01\xa3lag\x00", 16, NULL, 0, false);
    while (in.at < in.end) {
        link_turn(run.link);
        hear();
        message_say(&in);
        if (input_u8(&in) & 1)
            owner_does(input_u8(&in));
    }
    link_turn(run.link);
    link_close(&run.link);
    wire_close(&run.router, 0);
    net_close();
    return 0;
}
