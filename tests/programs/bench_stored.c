/* A broker with much stored. Fills a log through the link, kills the broker (-9), starts it again and measures the time to the first
 * delivery to a consumer that waits for it; then how long a lone publish waits for its ack, a thousand a second, in quiet and while
 * another client reads a million stored records that no page cache holds; then what memory it takes with many consumers connected and reading.
 *
 *     bench_stored BIN [RECORDS [CONSUMERS]]      BIN: where tipoff-broker is; prints one JSON object */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "broker/link.h"
#include "cli/scratch.h"
#include "config/log.h"
#include "schema/record.h"

enum { BATCH = 64, PAYLOAD_BYTES = 256, WINDOW = 16384, CONSUMERS_MAX = 1000 };

static _Noreturn void fail(const char *why)
{
    fprintf(stderr, "bench_stored: %s\n", why);
    exit(1);
}

/* ---- filling ---- */

struct client {
    struct link *link;
    bool granted;
    uint64_t acked, delivered;
    uint64_t from;
};

static void on_welcome(void *context, const struct link_stream *streams, uint32_t count)
{
    struct client *self = context;
    (void)streams;
    (void)count;
    if (self->from)
        link_subscribe(self->link, &(struct link_input){"bench", true}, 1, self->from, 4096,
                       4u << 20);
    else
        link_lease(self->link, 0, 1, "bench");
}

static void on_granted(void *context, const struct link_grant *grant)
{
    struct client *self = context;
    self->acked = grant->lane_count ? grant->lanes[0].last_seq : 0;
    self->granted = true;
}

static void on_acked(void *context, const char *stream, uint16_t partition, uint64_t last_seq)
{
    struct client *self = context;
    (void)stream;
    (void)partition;
    self->acked = last_seq;
}

static void on_refused(void *context, const char *tag, const char *text, const char *stream,
                       uint16_t partition, uint64_t first_seq)
{
    (void)context;
    (void)stream;
    (void)partition;
    (void)first_seq;
    fprintf(stderr, "bench_stored: %s: %s\n", tag, text);
    exit(1);
}

static void on_batch(void *context, const struct link_batch *batch)
{
    struct client *self = context;
    self->delivered += batch->count;
}

static void client_open(struct client *self, const struct scratch *bench, const char *actor)
{
    const struct link_options options = {.endpoint = bench->endpoint,
                                         .actor = actor,
                                         .host = "here",
                                         .incarnation = "1",
                                         .code_version = "bench",
                                         .config_hash = "0000000000000000",
                                         .handlers = {.welcome = on_welcome,
                                                      .granted = on_granted,
                                                      .acked = on_acked,
                                                      .refused = on_refused,
                                                      .batch = on_batch},
                                         .context = self};
    self->link = link_open(&options);
    if (!self->link)
        fail(strerror(errno));
}

static void turn(struct link *link, int64_t most_us)
{
    int64_t wait = link_timeout_us(link);
    struct pollfd fd = {.fd = link_fd(link), .events = POLLIN};
    if (wait > most_us)
        wait = most_us;
    if (wait > 0)
        ppoll(&fd, 1, &(struct timespec){wait / 1000000, wait % 1000000 * 1000}, NULL);
    link_turn(link);
}

static void body_make(struct pack *body, uint32_t records)
{
    struct pack payload = {0};
    char fill[PAYLOAD_BYTES - 6];
    const char *rule;
    memset(fill, 'x', sizeof fill);
    pack_map(&payload, 1);
    pack_text(&payload, "f");
    pack_str(&payload, fill, sizeof fill);
    batch_head(body, records, "bench", "0000000000000000");
    for (uint32_t i = 0; i < records; i++) {
        const struct record record = {.key = "key",
                                      .key_size = 3,
                                      .version = 1,
                                      .payload = {payload.data, (uint32_t)payload.size}};
        if (record_encode(body, &record, &rule) != 0)
            fail(rule);
    }
    pack_free(&payload);
}

static void fill(const struct scratch *bench, uint64_t records)
{
    struct client client = {0};
    struct pack body = {0};
    uint64_t next = 1;
    body_make(&body, BATCH);
    client_open(&client, bench, "bench");
    while (!client.granted)
        turn(client.link, 100000);
    while (client.acked < records) {
        struct link_out out[16];
        for (uint32_t i = 0; i < 16; i++)
            out[i] = (struct link_out){.stream = "bench",
                                       .count = BATCH,
                                       .first_seq = next + i * (uint64_t)BATCH,
                                       .due_us = CLOCK_NONE,
                                       .body = {body.data, (uint32_t)body.size}};
        bool sent =
            next <= records && next - client.acked <= WINDOW && link_publish(client.link, out, 16);
        if (sent)
            next += 16 * BATCH;
        turn(client.link, sent ? 0 : 100000);
    }
    link_close(&client.link);
    pack_free(&body);
}

/* ---- measuring ---- */

/* A consumer that waits all the while: its connection is what any client would have. */
static double restart_ms(struct scratch *self, uint64_t from)
{
    struct client client = {.from = from};
    client_open(&client, self, "reader");
    while (client.delivered == 0)
        turn(client.link, 100000);
    client.delivered = 0;
    scratch_stop(self, SIGKILL);
    for (int i = 0; i < 20; i++) /* it sees that, and tries again and again */
        turn(client.link, 10000);
    client.delivered = 0;
    int64_t began = clock_mono_us();
    if (scratch_start(self) != 0)
        fail("the broker does not start");
    while (client.delivered == 0)
        turn(client.link, 1000);
    double took = (double)(clock_mono_us() - began) / 1e3;
    link_close(&client.link);
    return took;
}

/* A line of /proc/PID/status in KiB. */
static double memory_kib(pid_t pid, const char *name)
{
    char path[64], line[256];
    double value = -1;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *in = fopen(path, "r");
    while (in && fgets(line, sizeof line, in))
        if (strncmp(line, name, strlen(name)) == 0)
            value = strtod(line + strlen(name) + 1, NULL);
    if (in)
        fclose(in);
    return value;
}

static double consumers_mib(const struct scratch *self, uint32_t count, uint64_t records)
{
    struct client *clients = calloc(count, sizeof *clients);
    enum { QUIET_AFTER_US = 1000000 };
    double most = 0;
    if (!clients)
        fail("no memory");
    for (uint32_t i = 0; i < count; i++) {
        clients[i].from = 1 + records / count * i;
        client_open(&clients[i], self, "reader");
    }
    /* None gives credit back: each holds all that it may, which the broker bounds over all of them, when no more comes. */
    uint64_t seen = 0;
    int64_t news_us = clock_mono_us();
    while (seen == 0 || clock_mono_us() - news_us < QUIET_AFTER_US) {
        uint64_t delivered = 0;
        for (uint32_t i = 0; i < count; i++) {
            turn(clients[i].link, 1000);
            delivered += clients[i].delivered;
        }
        if (delivered != seen)
            news_us = clock_mono_us();
        seen = delivered;
        double now = memory_kib(self->pid, "RssAnon:") / 1024;
        most = now > most ? now : most;
    }
    for (uint32_t i = 0; i < count; i++)
        link_close(&clients[i].link);
    free(clients);
    return most;
}

/* ---- the head during a catch-up ---- */

static int time_order(const void *a, const void *b)
{
    return (*(const int64_t *)a > *(const int64_t *)b) -
           (*(const int64_t *)a < *(const int64_t *)b);
}

/* p99 of the time from a publish to its ack, one at a time and at most one a millisecond, for as long as `reader` runs or (0) three seconds. */
static double paced_p99_us(const struct scratch *bench, pid_t reader)
{
    enum { TIMES_MAX = 60000, EVERY_US = 1000, QUIET_US = 3000000 };
    static int64_t times[TIMES_MAX];
    struct client client = {0};
    struct pack body = {0};
    uint32_t count = 0;
    body_make(&body, 1);
    client_open(&client, bench, "bench");
    while (!client.granted)
        turn(client.link, 100000);
    int64_t began = clock_mono_us();
    while (count < TIMES_MAX &&
           (reader ? waitpid(reader, NULL, WNOHANG) == 0 : clock_mono_us() - began < QUIET_US)) {
        int64_t due = began + count * (int64_t)EVERY_US;
        uint64_t seq = client.acked + 1;
        for (int64_t now; (now = clock_mono_us()) < due;)
            turn(client.link, due - now);
        int64_t sent = clock_mono_us();
        const struct link_out out = {.stream = "bench",
                                     .count = 1,
                                     .first_seq = seq,
                                     .due_us = CLOCK_NONE,
                                     .body = {body.data, (uint32_t)body.size}};
        if (!link_publish(client.link, &out, 1))
            fail("publish");
        while (client.acked < seq)
            turn(client.link, 100000);
        times[count++] = clock_mono_us() - sent;
    }
    link_close(&client.link);
    pack_free(&body);
    qsort(times, count, sizeof *times, time_order);
    size_t at = (size_t)count * 99 / 100;
    return count ? (double)times[at] : -1;
}

/* The pages of the log out of the page cache: they are clean, and nobody has them mapped now. */
static void pages_drop(const struct scratch *bench)
{
    char pattern[128];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/log/*/data.mdb", bench->dir);
    if (glob(pattern, 0, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        int fd = open(found.gl_pathv[i], O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0)
            (void)close(fd);
    }
    globfree(&found);
}

static pid_t reader_start(const struct scratch *bench, uint64_t records)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    struct client client = {.from = 1};
    uint64_t taken = 0;
    client_open(&client, bench, "reader");
    while (client.delivered < records) {
        turn(client.link, 100000);
        link_taken(client.link, (uint32_t)(client.delivered - taken),
                   (client.delivered - taken) * (PAYLOAD_BYTES + 40));
        taken = client.delivered;
    }
    _exit(0);
}

/* Somebody who has nothing to do with the broker reads as many cold bytes from the same disk and looks at each: what that alone does
 * to the head is the machine's doing. */
static pid_t stranger_start(const struct scratch *bench, uint64_t bytes)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    static uint8_t chunk[256 * 1024];
    volatile uint32_t crc = 0;
    char pattern[128];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/log/*/data.mdb", bench->dir);
    if (glob(pattern, 0, NULL, &found) != 0)
        _exit(1);
    for (size_t i = 0; i < found.gl_pathc && bytes; i++) {
        int fd = open(found.gl_pathv[i], O_RDONLY | O_CLOEXEC);
        for (ssize_t got; fd >= 0 && bytes && (got = read(fd, chunk, sizeof chunk)) > 0;) {
            crc = pack_crc32c(crc, chunk, (size_t)got);
            bytes -= bytes < (uint64_t)got ? bytes : (uint64_t)got;
        }
    }
    _exit(0);
}

static void cold_start(struct scratch *self)
{
    scratch_stop(self, SIGTERM);
    pages_drop(self);
    if (scratch_start(self) != 0 || scratch_await(self) != 0)
        fail("the broker does not start");
}

/* In quiet, during a catch-up, and while a stranger reads as much. */
static void catchup_run(struct scratch *self, uint64_t records, double p99_us[3])
{
    uint64_t count = records < 1000000 ? records : 1000000;
    cold_start(self);
    p99_us[0] = paced_p99_us(self, 0);
    p99_us[1] = paced_p99_us(self, reader_start(self, count));
    cold_start(self);
    p99_us[2] = paced_p99_us(self, stranger_start(self, count * (PAYLOAD_BYTES + 40)));
}

int main(int argc, char **argv)
{
    struct scratch self = {.bin_dir = argv[1]};
    uint64_t records = argc > 2 ? strtoull(argv[2], NULL, 10) : 10000000;
    uint32_t consumers = argc > 3 ? (uint32_t)atoi(argv[3]) : 100;
    if (argc < 2 || consumers > CONSUMERS_MAX)
        return 64;
    log_init("bench_stored", LOG_LEVEL_ERROR, 0);
    if (scratch_make(&self, "{\"format\":1,\"streams\":[{\"name\":\"bench\",\"writer\":\"*\","
                            "\"partitions\":1,\"retention_days\":null}]}") != 0 ||
        scratch_start(&self) != 0 || scratch_await(&self) != 0)
        fail("the broker does not start");
    int64_t began = clock_mono_us();
    fill(&self, records);
    double seconds = (double)(clock_mono_us() - began) / 1e6, first[3];
    for (int i = 0; i < 3; i++)
        first[i] = restart_ms(&self, i == 2 ? 1 : records - BATCH);
    double p99_us[3];
    catchup_run(&self, records, p99_us);
    double idle = memory_kib(self.pid, "RssAnon:") / 1024;
    double busy = consumers_mib(&self, consumers, records);
    printf("{\"records\":%" PRIu64 ",\"fill_s\":%.1f,\"restart_ms\":[%.1f,%.1f,%.1f],"
           "\"ack_p99_quiet_us\":%.0f,\"ack_p99_catchup_us\":%.0f,\"ack_p99_stranger_us\":%.0f,"
           "\"consumers\":%u,\"idle_mib\":%.1f,\"busy_mib\":%.1f}\n",
           records, seconds, first[0], first[1], first[2], p99_us[0], p99_us[1], p99_us[2],
           consumers, idle, busy);
    scratch_remove(&self);
    return 0;
}
