/* Our ROUTER and DEALER against libzmq's, against each other, and against who does not speak ZMTP; and the connection itself, told its bytes in
 * pieces of any size. Everything here is turned by conditions: a wait has an end only so that a failure has one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#include "broker/wire.h"
#include "config/clock.h"

enum { PATIENCE_US = 10000000, FRAME_MOST = 4 << 20, EVENTS = WIRE_NEVER + 1, PEERS = 4 };
static const size_t SIZES[] = {0, 1, 255, 256, 4096, 65535, 65536, 300000, 3000000};
enum { SIZE_COUNT = sizeof SIZES / sizeof SIZES[0] };

static struct {
    char folder[64], endpoint[100];
    int told[EVENTS];
} test;

static void on_told(void *context, enum wire_event event, int value)
{
    (void)context;
    (void)value;
    test.told[event]++;
}

static struct wire_options options(void)
{
    return (struct wire_options){
        .endpoint = test.endpoint, .frame_bytes_max = FRAME_MOST, .backlog = 1000, .told = on_told};
}

static struct wire *router_open(void)
{
    const struct wire_options how = options();
    struct wire *router = wire_bind(&how);
    assert_non_null(router);
    return router;
}

static struct wire *dealer_open(void)
{
    const struct wire_options how = options();
    struct wire *dealer = wire_connect(&how);
    assert_non_null(dealer);
    return dealer;
}

static int setup(void **state)
{
    (void)state;
    memset(&test, 0, sizeof test);
    strcpy(test.folder, "/tmp/tipoff-wire-XXXXXX");
    if (!mkdtemp(test.folder))
        return -1;
    snprintf(test.endpoint, sizeof test.endpoint, "ipc://%s/s", test.folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return rmdir(test.folder); /* a wire takes its name away again */
}

/* ---- messages ---- */

static uint8_t byte_at(size_t size, size_t i)
{
    return (uint8_t)(size * 31 + i * 7 + i / 251);
}

static void frame_make(zmq_msg_t *frame, size_t size)
{
    assert_int_equal(zmq_msg_init_size(frame, size), 0);
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)zmq_msg_data(frame))[i] = byte_at(size, i);
}

static void frame_check(zmq_msg_t *frame, size_t size)
{
    assert_int_equal(zmq_msg_size(frame), size);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(((uint8_t *)zmq_msg_data(frame))[i], byte_at(size, i));
    zmq_msg_close(frame);
}

/* Message i of a run has one frame or two, of all sizes. */
static uint32_t message_make(zmq_msg_t *frames, int i)
{
    frame_make(&frames[0], SIZES[i % SIZE_COUNT]);
    if (i % 2)
        frame_make(&frames[1], SIZES[(i + 3) % SIZE_COUNT]);
    return i % 2 ? 2 : 1;
}

static void message_check(zmq_msg_t *frames, uint32_t count, int i)
{
    assert_int_equal(count, i % 2 ? 2 : 1);
    frame_check(&frames[0], SIZES[i % SIZE_COUNT]);
    if (i % 2)
        frame_check(&frames[1], SIZES[(i + 3) % SIZE_COUNT]);
}

static void wait_for(const struct wire *wire)
{
    struct pollfd fd = {.fd = wire_fd(wire), .events = POLLIN};
    if (!wire_pending(wire))
        (void)poll(&fd, 1, 5);
}

static bool take(struct wire *wire, uint8_t *peer, zmq_msg_t *frames, uint32_t *count)
{
    if (wire_receive(wire, peer, frames, count))
        return true;
    wire_flush(wire);
    wait_for(wire);
    return false;
}

/* Turns the wire, and another if there is one, until `*what` has come to `wanted`. Nobody may say anything. */
static void turn_until(struct wire *wire, struct wire *other, const int *what, int wanted)
{
    uint8_t peer[WIRE_PEER_BYTES];
    zmq_msg_t frames[ZMTP_FRAMES_MAX];
    uint32_t count;
    int64_t until_us = clock_mono_us() + PATIENCE_US;
    while (*what < wanted) {
        assert_true(clock_mono_us() < until_us);
        assert_false(take(wire, peer, frames, &count));
        if (other)
            assert_false(take(other, peer, frames, &count));
    }
    assert_int_equal(*what, wanted);
}

/* ---- with libzmq ---- */

static void *peer_open(void *context, int type, bool bind)
{
    int linger = 0, hwm = 0, timeout_ms = 10000;
    void *socket = zmq_socket(context, type);
    assert_non_null(socket);
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(socket, ZMQ_SNDHWM, &hwm, sizeof hwm);
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &timeout_ms, sizeof timeout_ms);
    assert_int_equal(bind ? zmq_bind(socket, test.endpoint) : zmq_connect(socket, test.endpoint),
                     0);
    return socket;
}

static void peer_send(void *socket, int i)
{
    zmq_msg_t frames[2];
    uint32_t count = message_make(frames, i);
    for (uint32_t k = 0; k < count; k++)
        assert_true(zmq_msg_send(&frames[k], socket, k + 1 < count ? ZMQ_SNDMORE : 0) >= 0);
}

static void peer_take(void *socket, int i)
{
    zmq_msg_t frames[3];
    uint32_t count = 0;
    bool more = true;
    while (more) {
        assert_true(count < 3);
        zmq_msg_init(&frames[count]);
        assert_true(zmq_msg_recv(&frames[count], socket, 0) >= 0);
        more = zmq_msg_more(&frames[count++]);
    }
    message_check(frames, count, i);
}

/* Several DEALERs of libzmq at once: each hears what it said itself, in order. */
static void dealers_of_libzmq_are_served(void **state)
{
    enum { TIMES = 2 * SIZE_COUNT };
    void *context = zmq_ctx_new(), *peers[PEERS];
    struct wire *router = router_open();
    zmq_msg_t frames[ZMTP_FRAMES_MAX];
    uint8_t peer[WIRE_PEER_BYTES];
    uint32_t count;
    (void)state;
    for (int p = 0; p < PEERS; p++) {
        peers[p] = peer_open(context, ZMQ_DEALER, false);
        for (int i = 0; i < TIMES; i++)
            peer_send(peers[p], i);
    }
    int64_t until_us = clock_mono_us() + PATIENCE_US;
    for (int heard = 0; heard < PEERS * TIMES;) {
        assert_true(clock_mono_us() < until_us);
        if (!take(router, peer, frames, &count))
            continue;
        heard++;
        assert_int_equal(peer[0], 0);
        assert_true(wire_send(router, peer, sizeof peer, frames, count));
    }
    for (int p = 0; p < PEERS; p++)
        for (int i = 0; i < TIMES; i++) {
            zmq_pollitem_t item = {peers[p], 0, ZMQ_POLLIN, 0};
            while (zmq_poll(&item, 1, 1) == 0) { /* some of it waits for room */
                assert_true(clock_mono_us() < until_us);
                assert_false(take(router, peer, frames, &count));
            }
            peer_take(peers[p], i);
        }
    assert_int_equal(test.told[WIRE_ACCEPTED], PEERS);
    assert_int_equal(test.told[WIRE_READY], PEERS);
    for (int p = 0; p < PEERS; p++)
        zmq_close(peers[p]);
    turn_until(router, NULL, &test.told[WIRE_DISCONNECTED], PEERS);
    memset(frames, 0, sizeof frames);
    frame_make(&frames[0], 1);
    assert_false(wire_send(router, peer, sizeof peer, frames, 1)); /* it has gone */
    wire_close(&router, 0);
    zmq_ctx_term(context);
}

static void a_router_of_libzmq_is_spoken_to(void **state)
{
    void *context = zmq_ctx_new(), *peer = peer_open(context, ZMQ_ROUTER, true);
    struct wire *dealer = dealer_open();
    zmq_msg_t frames[ZMTP_FRAMES_MAX], id;
    uint32_t count;
    (void)state;
    turn_until(dealer, NULL, &test.told[WIRE_READY], 1);
    for (int i = 0; i < 2 * SIZE_COUNT; i++) {
        count = message_make(frames, i);
        assert_true(wire_send(dealer, NULL, 0, frames, count));
        zmq_pollitem_t item = {peer, 0, ZMQ_POLLIN, 0};
        while (zmq_poll(&item, 1, 1) == 0)
            assert_false(take(dealer, NULL, frames, &count));
        zmq_msg_init(&id);
        assert_true(zmq_msg_recv(&id, peer, 0) > 0);
        peer_take(peer, i);
        assert_true(zmq_msg_send(&id, peer, ZMQ_SNDMORE) >= 0);
        peer_send(peer, i);
        while (!take(dealer, NULL, frames, &count))
            continue;
        message_check(frames, count, i);
    }
    zmq_close(peer);
    turn_until(dealer, NULL, &test.told[WIRE_DISCONNECTED], 1);
    frame_make(&frames[0], 1);
    assert_false(wire_send(dealer, NULL, 0, frames, 1)); /* nobody is there: it is not kept */
    peer = peer_open(context, ZMQ_ROUTER, true);
    turn_until(dealer, NULL, &test.told[WIRE_READY], 2);
    wire_close(&dealer, 0);
    zmq_close(peer);
    zmq_ctx_term(context);
    assert_int_equal(unlink(test.endpoint + strlen("ipc://")), 0); /* libzmq leaves it */
}

/* libzmq's PING is answered: else it would leave. */
static void heartbeats_are_answered(void **state)
{
    void *context = zmq_ctx_new(), *peer = zmq_socket(context, ZMQ_DEALER);
    int every_ms = 20, patience_ms = 200, linger = 0;
    struct wire *router = router_open();
    zmq_msg_t frames[ZMTP_FRAMES_MAX];
    uint8_t id[WIRE_PEER_BYTES];
    uint32_t count;
    (void)state;
    zmq_setsockopt(peer, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(peer, ZMQ_HEARTBEAT_IVL, &every_ms, sizeof every_ms);
    zmq_setsockopt(peer, ZMQ_HEARTBEAT_TIMEOUT, &patience_ms, sizeof patience_ms);
    assert_int_equal(zmq_connect(peer, test.endpoint), 0);
    int64_t until_us = clock_mono_us() + 5 * patience_ms * INT64_C(1000);
    while (clock_mono_us() < until_us)
        assert_false(take(router, id, frames, &count));
    assert_int_equal(test.told[WIRE_READY], 1);
    assert_int_equal(test.told[WIRE_DISCONNECTED], 0);
    zmq_close(peer);
    wire_close(&router, 0);
    zmq_ctx_term(context);
}

static void other_sockets_are_refused(void **state)
{
    static const int TYPES[] = {ZMQ_SUB, ZMQ_PAIR, ZMQ_PULL};
    void *context = zmq_ctx_new();
    struct wire *router = router_open();
    (void)state;
    for (int i = 0; i < 3; i++) {
        int no = 100000, bad = test.told[WIRE_BAD], linger = 0;
        void *peer = zmq_socket(context, TYPES[i]);
        zmq_setsockopt(peer, ZMQ_LINGER, &linger, sizeof linger);
        zmq_setsockopt(peer, ZMQ_RECONNECT_IVL, &no, sizeof no);
        assert_int_equal(zmq_connect(peer, test.endpoint), 0);
        turn_until(router, NULL, &test.told[WIRE_BAD], bad + 1);
        zmq_close(peer);
    }
    assert_int_equal(test.told[WIRE_READY], 0);
    wire_close(&router, 0);
    zmq_ctx_term(context);
}

/* ---- with who does not speak it ---- */

static int raw_open(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    strcpy(address.sun_path, test.endpoint + strlen("ipc://"));
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

#define NULL_GREETING                                                                              \
    "\xff\0\0\0\0\0\0\0\1\x7f\3\1NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"                           \
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define DEALER_READY "\4\34\5READY\13Socket-Type\0\0\0\6DEALER"

static void what_is_not_zmtp_is_left(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } BAD[] = {
#define ROW(bytes) {bytes, sizeof(bytes) - 1}
        ROW("GET / HTTP/1.1\r\n\r\n"),
        ROW("\xff\0\0\0\0\0\0\0\1\x7e"),   /* no signature */
        ROW("\xff\0\0\0\0\0\0\0\1\x7f\2"), /* ZMTP 2 */
        ROW("\xff\0\0\0\0\0\0\0\1\x7f\3\0PLAIN\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
            "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        ROW(NULL_GREETING "\0\1x"),       /* a message before READY */
        ROW(NULL_GREETING "\4\6\5ERROR"), /* the peer gives up */
        ROW(NULL_GREETING "\4\6\5READY"), /* of no type */
        ROW(NULL_GREETING "\4\12\5READY\1x\xff\xff"),
        ROW(NULL_GREETING "\4\25\5READY\13Socket-Type\0\0\0\xff"),
        ROW(NULL_GREETING "\6\0\0\0\1\0\0\0\0"), /* a command of 4 GiB */
        ROW(NULL_GREETING "\xf8"),               /* flags that there are not */
#undef ROW
    };
    struct wire *router = router_open();
    (void)state;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        int fd = raw_open(), bad = test.told[WIRE_BAD];
        assert_int_equal(send(fd, BAD[i].bytes, BAD[i].size, MSG_NOSIGNAL), BAD[i].size);
        turn_until(router, NULL, &test.told[WIRE_BAD], bad + 1);
        assert_int_equal(test.told[WIRE_DISCONNECTED], bad + 1);
        close(fd);
    }
    assert_int_equal(test.told[WIRE_READY], 0);
    wire_close(&router, 0);
}

static void who_says_nothing_is_left(void **state)
{
    struct wire_options how = options();
    (void)state;
    how.handshake_us = 50000;
    struct wire *router = wire_bind(&how);
    int mute = raw_open(), half = raw_open();
    assert_int_equal(send(half, "\xff", 1, MSG_NOSIGNAL), 1);
    turn_until(router, NULL, &test.told[WIRE_ACCEPTED], 2);
    assert_true(wire_due_us(router) < clock_mono_us() + 50001);
    turn_until(router, NULL, &test.told[WIRE_MUTE], 2);
    assert_int_equal(wire_due_us(router), INT64_MAX);
    close(mute);
    close(half);
    wire_close(&router, 0);
}

/* After the handshake: what breaks the rules ends the connection, and nobody else's. */
static void rules_hold_after_the_handshake(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } BAD[] = {
#define ROW(bytes) {bytes, sizeof(bytes) - 1}
        ROW("\2\0\0\0\0\0\x40\0\1"), /* a byte above FRAME_MOST */
        ROW("\2\xff\xff\xff\xff\xff\xff\xff\xff"),
        ROW("\5\0"), /* a command that is not the last frame */
        ROW("\4\0"), /* a command without a name */
        ROW("\4\5\4PING"),
        ROW("\4\30\4PING\0\0"
            "0123456789abcdefX"), /* more context than there may be */
#undef ROW
    };
    struct wire *router = router_open(), *dealer = dealer_open();
    uint8_t peer[WIRE_PEER_BYTES];
    zmq_msg_t frames[ZMTP_FRAMES_MAX];
    uint32_t count;
    (void)state;
    for (int i = 0; i < (int)(sizeof BAD / sizeof BAD[0]); i++) {
        int fd = raw_open();
        assert_int_equal(send(fd, NULL_GREETING DEALER_READY, 64 + 30, MSG_NOSIGNAL), 94);
        assert_int_equal(send(fd, BAD[i].bytes, BAD[i].size, MSG_NOSIGNAL), BAD[i].size);
        turn_until(router, dealer, &test.told[WIRE_DISCONNECTED], i + 1);
        close(fd);
    }
    frame_make(&frames[0], 10);
    assert_true(wire_send(dealer, NULL, 0, frames, 1));
    while (!take(router, peer, frames, &count))
        continue;
    assert_int_equal(count, 1);
    frame_check(&frames[0], 10);
    wire_close(&dealer, 0);
    wire_close(&router, 0);
}

static void what_is_put_goes_with_what_is_sent_next(void **state)
{
    struct wire *router = router_open(), *dealer = dealer_open();
    uint8_t peer[WIRE_PEER_BYTES];
    zmq_msg_t frames[ZMTP_FRAMES_MAX];
    uint32_t count;
    (void)state;
    frame_make(&frames[0], 5);
    assert_false(wire_put(dealer, frames, 1)); /* nobody is there yet */
    turn_until(router, dealer, &test.told[WIRE_READY], 2);
    frame_make(&frames[0], 10);
    assert_true(wire_put(dealer, frames, 1));
    for (int i = 0; i < 20; i++)
        assert_false(take(router, peer, frames, &count));
    frame_make(&frames[0], 20);
    assert_true(wire_send(dealer, NULL, 0, frames, 1));
    for (uint32_t size = 10; size <= 20; size += 10) {
        while (!take(router, peer, frames, &count))
            continue;
        assert_int_equal(count, 1);
        frame_check(&frames[0], size);
    }
    wire_close(&dealer, 0);
    wire_close(&router, 0);
}

/* Commands that nobody knows mean nothing; of a message only so many frames are kept. */
static void what_is_not_ours_is_passed_over(void **state)
{
    static const char said[] =
        NULL_GREETING DEALER_READY "\4\5\4PONG\4\7\6FUTURE\1\1a\1\1b\1\1c\0\1d"
                                   "\1\0\0\1z";
    struct wire *router = router_open();
    uint8_t peer[WIRE_PEER_BYTES];
    zmq_msg_t frames[ZMTP_FRAMES_MAX];
    uint32_t count = 0;
    (void)state;
    int fd = raw_open();
    assert_int_equal(send(fd, said, sizeof said - 1, MSG_NOSIGNAL), sizeof said - 1);
    while (!take(router, peer, frames, &count))
        continue;
    assert_int_equal(count, ZMTP_FRAMES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(*(char *)zmq_msg_data(&frames[i]), 'a' + (int)i);
        zmq_msg_close(&frames[i]);
    }
    while (!take(router, peer, frames, &count))
        continue;
    assert_int_equal(count, 2); /* a REQ's: an empty frame first */
    assert_int_equal(zmq_msg_size(&frames[0]), 0);
    assert_int_equal(*(char *)zmq_msg_data(&frames[1]), 'z');
    zmq_msg_close(&frames[0]);
    zmq_msg_close(&frames[1]);
    close(fd);
    wire_close(&router, 0);
}

/* ---- with each other ---- */

static void who_does_not_read_is_told_nothing_more(void **state)
{
    struct wire *router = router_open(), *dealer = dealer_open();
    uint8_t peer[WIRE_PEER_BYTES];
    zmq_msg_t frames[ZMTP_FRAMES_MAX];
    uint32_t count;
    int sent = 0, heard = 0;
    (void)state;
    turn_until(router, dealer, &test.told[WIRE_READY], 2);
    frame_make(&frames[0], 1);
    assert_true(wire_send(dealer, NULL, 0, frames, 1));
    while (!take(router, peer, frames, &count))
        continue;
    frame_check(&frames[0], 1);
    for (;;) {
        frame_make(&frames[0], 1000);
        if (!wire_send(router, peer, sizeof peer, frames, 1))
            break;
        wire_flush(router);
        sent++;
    }
    assert_true(sent >= 1000); /* what was taken is not lost */
    while (heard < sent) {
        uint8_t nobody[WIRE_PEER_BYTES];
        assert_false(take(router, nobody, frames, &count));
        while (wire_receive(dealer, NULL, frames, &count)) {
            frame_check(&frames[0], 1000);
            heard++;
        }
    }
    frame_make(&frames[0], 1000);
    assert_true(wire_send(router, peer, sizeof peer, frames, 1)); /* and it goes on */
    wire_close(&dealer, 0);
    wire_close(&router, 0);
}

static void a_dealer_waits_for_its_router_and_comes_again(void **state)
{
    zmq_msg_t frames[ZMTP_FRAMES_MAX];
    uint32_t count;
    (void)state;
    struct wire *dealer = dealer_open();
    const int fd = wire_fd(dealer);
    assert_false(wire_receive(dealer, NULL, frames, &count));
    assert_true(wire_due_us(dealer) < clock_mono_us() + 100000);
    struct wire *router = router_open();
    turn_until(router, dealer, &test.told[WIRE_READY], 2); /* both say so */
    wire_close(&router, 0);
    turn_until(dealer, NULL, &test.told[WIRE_DISCONNECTED], 1);
    router = router_open();
    turn_until(router, dealer, &test.told[WIRE_READY], 4);
    wire_cut(dealer); /* by ourselves: only the router tells of it */
    turn_until(router, dealer, &test.told[WIRE_READY], 6);
    assert_int_equal(test.told[WIRE_DISCONNECTED], 2);
    assert_int_equal(test.told[WIRE_ACCEPTED], 3);
    wire_close(&router, 0);
    assert_int_equal(wire_fd(dealer), fd);
    wire_close(&dealer, 0);
}

/* What was said before it is closed arrives, if it has the time. */
static void the_last_word_arrives(void **state)
{
    struct wire *router = router_open(), *dealer = dealer_open();
    uint8_t peer[WIRE_PEER_BYTES];
    zmq_msg_t frames[ZMTP_FRAMES_MAX];
    uint32_t count;
    (void)state;
    turn_until(router, dealer, &test.told[WIRE_READY], 2);
    frame_make(&frames[0], 4);
    assert_true(wire_send(dealer, NULL, 0, frames, 1));
    wire_close(&dealer, 200);
    while (!take(router, peer, frames, &count))
        continue;
    frame_check(&frames[0], 4);
    turn_until(router, NULL, &test.told[WIRE_DISCONNECTED], 1);
    wire_close(&router, 0);
}

/* ---- the connection, in pieces ---- */

static uint32_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

/* The next bytes, as many as chance and the room there is will have. */
static void carry(struct zmtp *from, struct zmtp *to, uint64_t *random)
{
    struct iovec piece;
    uint8_t *room;
    size_t size, most = 1 + next_random(random) % (next_random(random) % 2 ? 20 : 200000);
    struct iovec pieces[2];
    if (zmtp_pieces(from, pieces, 2) == 0)
        return;
    piece = pieces[0];
    zmtp_room(to, &room, &size);
    assert_true(size > 0);
    size = size < piece.iov_len ? size : piece.iov_len;
    size = size < most ? size : most;
    memcpy(room, piece.iov_base, size);
    zmtp_filled(to, size);
    zmtp_sent(from, size);
}

static void any_pieces_make_the_same_messages(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        uint64_t random = seed;
        struct zmtp *dealer = zmtp_new(ZMTP_DEALER, FRAME_MOST),
                    *router = zmtp_new(ZMTP_ROUTER, FRAME_MOST);
        zmq_msg_t frames[ZMTP_FRAMES_MAX];
        uint32_t count;
        int said = 0, heard = 0;
        while (heard < 2 * SIZE_COUNT) {
            if (zmtp_ready(dealer) && said < 2 * SIZE_COUNT && next_random(&random) % 3 == 0) {
                count = message_make(frames, said++);
                assert_true(zmtp_put(dealer, frames, count));
            }
            int got = zmtp_next(router, frames, &count);
            assert_true(got >= 0);
            if (got == 1) {
                message_check(frames, count, heard++);
                continue;
            }
            assert_int_equal(zmtp_next(dealer, frames, &count), 0);
            carry(router, dealer, &random);
            carry(dealer, router, &random);
        }
        assert_true(zmtp_ready(router));
        zmtp_free(&dealer);
        zmtp_free(&router);
    }
}

/* Who asks for PONGs and reads none costs no more for asking on. */
static void pongs_are_kept_so_many(void **state)
{
    static const char said[] = NULL_GREETING DEALER_READY, ping[] = "\4\7\4PING\0\0";
    struct zmtp *router = zmtp_new(ZMTP_ROUTER, FRAME_MOST);
    zmq_msg_t frames[ZMTP_FRAMES_MAX];
    uint32_t count;
    (void)state;
    for (int i = -1; i < 5000; i++) {
        uint8_t *room;
        size_t size, part = i < 0 ? sizeof said - 1 : sizeof ping - 1;
        zmtp_room(router, &room, &size);
        assert_true(size >= part);
        memcpy(room, i < 0 ? said : ping, part);
        zmtp_filled(router, part);
        assert_int_equal(zmtp_next(router, frames, &count), 0);
    }
    assert_true(zmtp_ready(router));
    assert_true(zmtp_queued(router) > 100 && zmtp_queued(router) <= 1000);
    zmtp_free(&router);
}

static void endpoints_that_are_none(void **state)
{
    static const char *const NONE[] = {"tcp://127.0.0.1:5555", "ipc://", "", "broker.ipc"};
    struct wire_options how = options();
    (void)state;
    for (size_t i = 0; i < sizeof NONE / sizeof NONE[0]; i++) {
        how.endpoint = NONE[i];
        assert_null(wire_bind(&how));
        assert_null(wire_connect(&how));
    }
    how.endpoint = "ipc:///nowhere/at/all";
    assert_null(wire_bind(&how));
    how.endpoint = "ipc://@tipoff-wire-test";
    struct wire *router = wire_bind(&how), *dealer = wire_connect(&how);
    assert_non_null(router);
    turn_until(router, dealer, &test.told[WIRE_READY], 2);
    wire_close(&dealer, 0);
    wire_close(&router, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(dealers_of_libzmq_are_served),
        TEST(a_router_of_libzmq_is_spoken_to),
        TEST(heartbeats_are_answered),
        TEST(other_sockets_are_refused),
        TEST(what_is_not_zmtp_is_left),
        TEST(who_says_nothing_is_left),
        TEST(rules_hold_after_the_handshake),
        TEST(what_is_put_goes_with_what_is_sent_next),
        TEST(what_is_not_ours_is_passed_over),
        TEST(who_does_not_read_is_told_nothing_more),
        TEST(a_dealer_waits_for_its_router_and_comes_again),
        TEST(the_last_word_arrives),
        TEST(any_pieces_make_the_same_messages),
        TEST(pongs_are_kept_so_many),
        TEST(endpoints_that_are_none),
    };
    return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
