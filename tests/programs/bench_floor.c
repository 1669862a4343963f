/* The way of a moved line with nothing on it: `bench_floor TIMES DIR`. Four processes pass a message on over ZeroMQ as the bench, the
 * broker, features and the predictor do (bench_line.c): sockets of the same transport, messages of the same sizes, as many syncs of one page
 * in the same places. What it takes is what separate processes over ZeroMQ cost, whatever they do. Beside it, in turn, the same
 * syncs in one process. Prints one JSON object. tests/bench/line.py starts it. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <zmq.h>

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

static void *socket_of(void *context, const char *dir, int number, bool bind)
{
    char path[480], endpoint[500];
    name_of(path, sizeof path, dir, "ipc", number);
    snprintf(endpoint, sizeof endpoint, "ipc://%s", path);
    void *socket = zmq_socket(context, ZMQ_PAIR);
    if (!socket || (bind ? zmq_bind(socket, endpoint) : zmq_connect(socket, endpoint)) != 0) {
        perror(endpoint);
        _exit(70);
    }
    return socket;
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

/* As a shard: its step is two syncs. */
static _Noreturn void shard(const char *dir, int number, size_t says)
{
    void *socket = socket_of(zmq_ctx_new(), dir, number, false);
    int fd = file_of(dir, number);
    for (;;) {
        if (zmq_recv(socket, message, sizeof message, 0) < 0) {
            _exit(0);
        }
        sync_page(fd);
        sync_page(fd);
        (void)zmq_send(socket, message, says, 0);
    }
}

/* As the broker: what comes is synced and goes on. */
static _Noreturn void broker(const char *dir)
{
    static const size_t GOES_ON[HOPS] = {TO_FEATURES, TO_PREDICTOR, TO_READER};
    void *context = zmq_ctx_new(), *sockets[HOPS];
    zmq_pollitem_t items[HOPS];
    for (int i = 0; i < HOPS; i++) {
        sockets[i] = socket_of(context, dir, i, true);
        items[i] = (zmq_pollitem_t){sockets[i], 0, ZMQ_POLLIN, 0};
    }
    int fd = file_of(dir, 0);
    while (zmq_poll(items, HOPS, -1) >= 0) {
        for (int i = 0; i < HOPS; i++) {
            if (items[i].revents && zmq_recv(sockets[i], message, sizeof message, 0) >= 0) {
                sync_page(fd);
                (void)zmq_send(sockets[(i + 1) % HOPS], message, GOES_ON[i], 0);
            }
        }
    }
    _exit(0);
}

static int64_t one_way(void *socket)
{
    int64_t begun = clock_mono_us();
    if (zmq_send(socket, message, SAID, 0) < 0 ||
        zmq_recv(socket, message, sizeof message, 0) < 0) {
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
    int times = argc == 3 ? atoi(argv[1]) : 0;
    if (times < 1 || times > TIMES_MOST) {
        fprintf(stderr, "usage: bench_floor TIMES DIR\n");
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
    int patience_ms = PATIENCE_MS, fd = file_of(argv[2], HOPS);
    void *socket = socket_of(zmq_ctx_new(), argv[2], 0, false);
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &patience_ms, sizeof patience_ms);
    for (int i = -WARM; i < times; i++) {
        int64_t way = one_way(socket), chain = one_chain(fd);
        if (i >= 0) {
            ways[i] = way;
            chains[i] = chain;
        }
    }
    printf("{");
    times_tell("floor", ways, times, ", ");
    times_tell("floor_chain", chains, times, "}\n");
    (void)fflush(stdout);
    _exit(0);
}
