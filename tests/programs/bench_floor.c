/* The way of a moved line with nothing on it: `bench_floor TIMES DIR [libzmq]`. Four processes pass a message on as the bench, the broker,
 * features and the predictor do (bench_line.c): messages of the same sizes, as many syncs of one page in the same places; over wires as they
 * do (broker/wire.h), or over libzmq's sockets. What it takes is what separate processes cost, whatever they do. Beside it, in turn, the
 * same syncs in one process. Prints one JSON object. tests/bench/line.py starts it. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <zmq.h>

#include "broker/wire.h"
#include "config/clock.h"
#include "tests/programs/times.h"

enum { HOPS = 3, SYNCS = 7, PAGES = 64, PAGE_BYTES = 4096, MESSAGE_MOST = 16384 };
enum { PATIENCE_MS = 20000, WARM = 20, TIMES_MOST = 5000 };
/* Bytes of what is said, as a line that moves has them: two lines and their snapshot; delivered; features of one player and their run;
 * delivered; the predictions of all systems and their run; delivered. */
enum {
    SAID = 1000,
    TO_FEATURES = 900,
    FEATURES = 7500,
    TO_PREDICTOR = 7000,
    PREDICTIONS = 3600,
    TO_READER = 3100
};

static char message[MESSAGE_MOST];

static void name_of(char *path, size_t size, const char *dir, const char *what, int number)
{
    snprintf(path, size, "%s/floor-%d.%s", dir, number, what);
}

/* One end of a hop, of either kind. */
struct end {
    struct wire *wire; /* NULL: libzmq's */
    void *zmq;
    uint8_t peer[WIRE_PEER_BYTES]; /* of a bound wire: who spoke last */
    bool bound;
};
static bool of_libzmq;

static void end_open(struct end *end, const char *dir, int number, bool bind)
{
    char path[480], endpoint[500];
    name_of(path, sizeof path, dir, "ipc", number);
    snprintf(endpoint, sizeof endpoint, "ipc://%s", path);
    const struct wire_options options = {
        .endpoint = endpoint, .frame_bytes_max = MESSAGE_MOST, .backlog = 16};
    static void *context;
    if (of_libzmq && !context) {
        context = zmq_ctx_new();
    }
    *end = (struct end){.bound = bind};
    if (of_libzmq) {
        end->zmq = zmq_socket(context, ZMQ_PAIR);
    } else {
        end->wire = bind ? wire_bind(&options) : wire_connect(&options);
    }
    if (of_libzmq ? !end->zmq ||
                        (bind ? zmq_bind(end->zmq, endpoint) : zmq_connect(end->zmq, endpoint)) != 0
                  : !end->wire) {
        perror(endpoint);
        _exit(70);
    }
}

static int end_fd(const struct end *end)
{
    int fd = -1;
    size_t size = sizeof fd;
    if (end->wire) {
        return wire_fd(end->wire);
    }
    (void)zmq_getsockopt(end->zmq, ZMQ_FD, &fd, &size);
    return fd;
}

/* One whole message if there is one, without waiting. */
static bool end_take(struct end *end)
{
    zmq_msg_t frames[ZMTP_FRAMES_MAX];
    uint32_t count = 0;
    if (!end->wire) {
        return zmq_recv(end->zmq, message, sizeof message, ZMQ_DONTWAIT) >= 0;
    }
    if (!wire_receive(end->wire, end->peer, frames, &count)) {
        wire_flush(end->wire);
        return false;
    }
    memcpy(message, zmq_msg_data(&frames[0]), zmq_msg_size(&frames[0]));
    for (uint32_t i = 0; i < count; i++) {
        zmq_msg_close(&frames[i]);
    }
    return true;
}

/* False: there is nobody there yet. */
static bool end_give(struct end *end, size_t size)
{
    zmq_msg_t frame;
    if (!end->wire) {
        return zmq_send(end->zmq, message, size, 0) >= 0;
    }
    if (zmq_msg_init_size(&frame, size) != 0) {
        _exit(70);
    }
    memcpy(zmq_msg_data(&frame), message, size);
    bool given = wire_send(end->wire, end->bound ? end->peer : NULL, sizeof end->peer, &frame, 1);
    wire_flush(end->wire);
    return given;
}

static int64_t wait_us(const struct end *end)
{
    int64_t due_us = end->wire ? wire_due_us(end->wire) : INT64_MAX, now = clock_mono_us();
    return due_us - now < PATIENCE_MS * INT64_C(1000) ? due_us - now : PATIENCE_MS * INT64_C(1000);
}

/* Waits for one. False: none came in all that time. */
static bool end_hear(struct end *end)
{
    struct pollfd fd = {.fd = end_fd(end), .events = POLLIN};
    int64_t until_us = clock_mono_us() + PATIENCE_MS * INT64_C(1000);
    while (!end_take(end)) {
        if (clock_mono_us() > until_us) {
            return false;
        }
        int64_t most_us = wait_us(end);
        (void)poll(&fd, 1, most_us > 0 ? (int)((most_us + 999) / 1000) : 0);
    }
    return true;
}

static int file_of(const char *dir, int number)
{
    static const char blank[PAGES * PAGE_BYTES];
    char path[480];
    name_of(path, sizeof path, dir, "sync", number);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, blank, sizeof blank) != sizeof blank || fsync(fd)) {
        perror(path);
        _exit(70);
    }
    return fd;
}

static void sync_page(int fd)
{
    static char page[PAGE_BYTES];
    static int at;
    page[0]++;
    if (pwrite(fd, page, sizeof page, (off_t)(at++ % PAGES) * PAGE_BYTES) != sizeof page ||
        fdatasync(fd)) {
        _exit(70);
    }
}

/* As a shard: its step is two syncs. It says who it is first, as shards do. */
static _Noreturn void shard(const char *dir, int number, size_t says)
{
    struct end end;
    end_open(&end, dir, number, false);
    int fd = file_of(dir, number);
    while (!end_give(&end, 1)) {
        (void)end_take(&end);
    }
    for (;;) {
        if (!end_hear(&end)) {
            _exit(0);
        }
        sync_page(fd);
        sync_page(fd);
        (void)end_give(&end, says);
    }
}

/* As the broker: what comes is synced and goes on. */
static _Noreturn void broker(const char *dir)
{
    static const size_t GOES_ON[HOPS] = {TO_FEATURES, TO_PREDICTOR, TO_READER};
    struct end ends[HOPS];
    struct pollfd fds[HOPS];
    int known = 0, fd = file_of(dir, 0);
    for (int i = 0; i < HOPS; i++) {
        end_open(&ends[i], dir, i, true);
        fds[i] = (struct pollfd){.fd = end_fd(&ends[i]), .events = POLLIN};
    }
    for (;;) {
        bool took = false;
        for (int i = 0; i < HOPS; i++) {
            if (!end_take(&ends[i])) {
                continue;
            }
            took = true;
            if (known < HOPS) { /* each says who it is; the first one hears when all have */
                if (++known == HOPS) {
                    (void)end_give(&ends[0], 1);
                }
                continue;
            }
            sync_page(fd);
            (void)end_give(&ends[(i + 1) % HOPS], GOES_ON[i]);
        }
        if (!took) {
            (void)poll(fds, HOPS, 100);
        }
    }
}

static int64_t one_way(struct end *end)
{
    int64_t begun = clock_mono_us();
    if (!end_give(end, SAID) || !end_hear(end)) {
        fprintf(stderr, "bench_floor: nothing came back\n");
        exit(70);
    }
    return clock_mono_us() - begun;
}

static int64_t one_chain(int fd)
{
    int64_t begun = clock_mono_us();
    for (int i = 0; i < SYNCS; i++) {
        sync_page(fd);
    }
    return clock_mono_us() - begun;
}

int main(int argc, char **argv)
{
    static int64_t ways[TIMES_MOST], chains[TIMES_MOST];
    int times = argc == 3 || argc == 4 ? atoi(argv[1]) : 0;
    of_libzmq = argc == 4 && strcmp(argv[3], "libzmq") == 0;
    if (times < 1 || times > TIMES_MOST || (argc == 4 && !of_libzmq)) {
        fprintf(stderr, "usage: bench_floor TIMES DIR [libzmq]\n");
        return 64;
    }
    for (int i = 0; i < HOPS; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* they end with this one */
            if (i == 0) {
                broker(argv[2]);
            }
            shard(argv[2], i, i == 1 ? FEATURES : PREDICTIONS);
        }
        if (pid < 0) {
            perror("fork");
            return 71;
        }
    }
    int fd = file_of(argv[2], HOPS);
    struct end end;
    end_open(&end, argv[2], 0, false);
    while (!end_give(&end, 1)) {
        (void)end_take(&end);
    }
    if (!end_hear(&end)) {
        fprintf(stderr, "bench_floor: the others did not come\n");
        return 70;
    }
    for (int i = -WARM; i < times; i++) {
        int64_t way = one_way(&end), chain = one_chain(fd);
        if (i >= 0) {
            ways[i] = way;
            chains[i] = chain;
        }
    }
    printf("{");
    times_tell(of_libzmq ? "libzmq" : "floor", ways, times, ", ");
    times_tell(of_libzmq ? "libzmq_chain" : "floor_chain", chains, times, "}\n");
    (void)fflush(stdout);
    _exit(0);
}
