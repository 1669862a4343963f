/* What the broker costs: one producer and, if asked for, one consumer, through broker/link.h over ipc, every publish acknowledged after its
 * sync. Not a test; the machine matters, the CPU time per record less than the rates.
 *
 *     bench_broker BROKER [SECONDS [RECORD_BYTES [BATCH]]]       BROKER: path of tipoff-broker
 *
 * For batches of 1 and of 64 records, without and with a consumer: records acknowledged and delivered per second, CPU of the
 * broker per record in microseconds, records a commit; and plain fdatasyncs of a small file in the same directory. */
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/link.h"
#include "config/log.h"
#include "schema/record.h"

extern char **environ;

enum { WINDOW_RECORDS = 16384 };

struct bench {
    char dir[64], endpoint[96], control[96];
    const char *broker;
    pid_t pid;
    int64_t seconds;
    uint32_t record_bytes;
};
struct counts { /* shared with nobody: what a child writes when it ends */
    uint64_t records;
    int64_t us;
};

static void files_make(const struct bench *self)
{
    char path[128];
    snprintf(path, sizeof path, "%s/registry.json", self->dir);
    FILE *out = fopen(path, "w");
    fprintf(out, "{\"format\":1,\"streams\":[{\"name\":\"bench\",\"writer\":\"*\",\"partitions\":1,"
                 "\"retention_days\":null}]}");
    fclose(out);
}

static double broker_cpu_us(pid_t pid)
{
    char path[64], text[1024];
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *in = fopen(path, "r");
    if (!in || !fgets(text, sizeof text, in))
        return 0;
    fclose(in);
    const char *at = strrchr(text, ')');
    if (at)
        sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
    return (double)(user + system) * 1e6 / (double)sysconf(_SC_CLK_TCK);
}

/* ---- producer ---- */

struct producer {
    struct link *link;
    struct pack body;
    uint32_t batch;
    bool granted;
    uint64_t next_seq, acked;
};

static void on_welcome(void *context, const struct link_stream *streams, uint32_t count)
{
    struct producer *self = context;
    (void)streams;
    (void)count;
    link_lease(self->link, 0, 1, "bench");
}

static void on_granted(void *context, const struct link_grant *grant)
{
    struct producer *self = context;
    self->granted = true;
    self->acked = grant->lane_count ? grant->lanes[0].last_seq : 0;
    self->next_seq = self->acked + 1;
}

static void on_acked(void *context, const char *stream, uint16_t partition, uint64_t last_seq)
{
    struct producer *self = context;
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
    fprintf(stderr, "bench_broker: refused: %s: %s (%" PRIu64 ")\n", tag, text, first_seq);
    exit(1);
}

static void turn(struct link *link)
{
    int64_t wait = link_timeout_us(link);
    struct pollfd fd = {.fd = link_fd(link), .events = POLLIN};
    if (wait > 0)
        poll(&fd, 1, (int)((wait + 999) / 1000));
    link_turn(link);
}

static void body_make(struct pack *body, uint32_t records, uint32_t bytes)
{
    struct pack payload = {0};
    const char *rule;
    char *fill = calloc(bytes, 1);
    memset(fill, 'x', bytes);
    pack_map(&payload, 1);
    pack_text(&payload, "f");
    pack_str(&payload, fill, bytes > 20 ? bytes - 20 : 1); /* key, version, heads: about 20 */
    batch_head(body, records, "bench", "0000000000000000");
    for (uint32_t i = 0; i < records; i++) {
        struct record record = {.key = "key",
                                .key_size = 3,
                                .version = 1,
                                .payload = {payload.data, (uint32_t)payload.size}};
        if (record_encode(body, &record, &rule) != 0)
            exit(1);
    }
    pack_free(&payload);
    free(fill);
}

static struct counts produce(const struct bench *bench, uint32_t batch)
{
    struct producer self = {.batch = batch};
    const struct link_options options = {.endpoint = bench->endpoint,
                                         .actor = "bench",
                                         .host = "here",
                                         .incarnation = "1",
                                         .code_version = "bench",
                                         .config_hash = "0000000000000000",
                                         .handlers = {.welcome = on_welcome,
                                                      .granted = on_granted,
                                                      .acked = on_acked,
                                                      .refused = on_refused},
                                         .context = &self};
    body_make(&self.body, batch, bench->record_bytes);
    self.link = link_open(&options);
    while (!self.granted)
        turn(self.link);
    uint64_t first = self.acked;
    int64_t begun = clock_mono_us(), end = begun + bench->seconds * 1000000;
    bool over = false;
    while (!over || self.acked + 1 < self.next_seq) {
        over = over || clock_mono_us() >= end;
        while (!over && self.next_seq - self.acked <= WINDOW_RECORDS) {
            const struct link_out out = {.stream = "bench",
                                         .count = batch,
                                         .first_seq = self.next_seq,
                                         .due_us = CLOCK_NONE,
                                         .body = {self.body.data, (uint32_t)self.body.size}};
            if (!link_publish(self.link, &out, 1))
                break;
            self.next_seq += batch;
        }
        turn(self.link);
    }
    struct counts counts = {self.acked - first, clock_mono_us() - begun};
    link_close(&self.link);
    pack_free(&self.body);
    return counts;
}

/* ---- consumer ---- */

struct consumer {
    struct link *link;
    uint64_t from, records, taken_records, taken_bytes;
};

static void on_consumer_welcome(void *context, const struct link_stream *streams, uint32_t count)
{
    struct consumer *self = context;
    (void)streams;
    (void)count;
    link_subscribe(self->link, &(struct link_input){"bench", true}, 1, self->from, 65536,
                   64u << 20);
}

static void on_batch(void *context, const struct link_batch *batch)
{
    struct consumer *self = context;
    self->records += batch->count;
    self->taken_records += batch->count;
    self->taken_bytes += batch->body.size;
}

static _Noreturn void consume(const struct bench *bench, uint64_t from, int stop, int out)
{
    struct consumer self = {.from = from};
    const struct link_options options = {
        .endpoint = bench->endpoint,
        .actor = "reader",
        .host = "here",
        .incarnation = "1",
        .code_version = "bench",
        .config_hash = "0000000000000000",
        .handlers = {.welcome = on_consumer_welcome, .batch = on_batch},
        .context = &self};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    self.link = link_open(&options);
    uint64_t until = UINT64_MAX;
    int64_t begun = 0, last = 0;
    while (self.records < until) {
        int64_t wait = link_timeout_us(self.link);
        struct pollfd fds[] = {{.fd = link_fd(self.link), .events = POLLIN},
                               {.fd = until == UINT64_MAX ? stop : -1, .events = POLLIN}};
        if (wait > 0)
            poll(fds, 2, (int)((wait + 999) / 1000));
        if ((fds[1].revents & POLLIN) && read(stop, &until, sizeof until) != sizeof until)
            _exit(1);
        link_turn(self.link);
        if (self.taken_records) { /* a step's worth at once, as an actor does */
            last = clock_mono_us();
            begun = begun ? begun : last;
            link_taken(self.link, (uint32_t)self.taken_records, self.taken_bytes);
            self.taken_records = self.taken_bytes = 0;
        }
    }
    struct counts counts = {self.records, last - begun};
    _exit(write(out, &counts, sizeof counts) == sizeof counts ? 0 : 1);
}

/* ---- */

static uint64_t status(const struct bench *self, const char *name)
{
    char *text = link_control(self->control, "STATUS", 10000), quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\":", name);
    const char *at = text ? strstr(text, quoted) : NULL;
    uint64_t value = at ? strtoull(at + strlen(quoted), NULL, 10) : 0;
    free(text);
    return value;
}

static void round_run(struct bench *self, uint32_t batch, bool consumer)
{
    int stop[2], out[2];
    struct counts delivered = {0};
    pid_t reader = 0;
    uint64_t from = status(self, "head"), commits = status(self, "commits");
    if (pipe(stop) != 0 || pipe(out) != 0)
        exit(1);
    if (consumer && (reader = fork()) == 0)
        consume(self, from, stop[0], out[1]);
    double cpu = broker_cpu_us(self->pid);
    struct counts published = produce(self, batch);
    if (consumer && (write(stop[1], &published.records, sizeof published.records) < 0 ||
                     read(out[0], &delivered, sizeof delivered) != sizeof delivered))
        exit(1);
    cpu = broker_cpu_us(self->pid) - cpu;
    commits = status(self, "commits") - commits;
    if (consumer)
        waitpid(reader, NULL, 0);
    printf("%5u %8s %12.0f %12.0f %10.3f %12.1f\n", batch, consumer ? "yes" : "no",
           (double)published.records * 1e6 / (double)published.us,
           delivered.us ? (double)delivered.records * 1e6 / (double)delivered.us : 0,
           cpu / (double)published.records,
           (double)published.records / (double)(commits ? commits : 1));
    fflush(stdout);
    for (int i = 0; i < 2; i++) {
        close(stop[i]);
        close(out[i]);
    }
}

static double sync_us(const struct bench *self)
{
    enum { SYNCS = 200 };
    char path[128], block[4096] = {0};
    snprintf(path, sizeof path, "%s/sync", self->dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    bool good = fd >= 0 && pwrite(fd, block, sizeof block, 0) == sizeof block && fsync(fd) == 0;
    int64_t begun = clock_mono_us();
    for (int i = 0; good && i < SYNCS; i++)
        good = pwrite(fd, block, sizeof block, 0) == sizeof block && fdatasync(fd) == 0;
    close(fd);
    return good ? (double)(clock_mono_us() - begun) / SYNCS : -1;
}

int main(int argc, char **argv)
{
    struct bench self = {.broker = argv[1],
                         .seconds = argc > 2 ? atoi(argv[2]) : 3,
                         .record_bytes = argc > 3 ? (uint32_t)atoi(argv[3]) : 256};
    if (argc < 2) {
        fprintf(stderr, "usage: bench_broker BROKER [SECONDS [RECORD_BYTES [BATCH]]]\n");
        return 64;
    }
    log_init("bench_broker", LOG_LEVEL_WARN, 0);
    const char *place = getenv("TMPDIR");
    snprintf(self.dir, sizeof self.dir, "%.40s/tipoff-bench-XXXXXX", place ? place : "/tmp");
    if (!mkdtemp(self.dir))
        return 1;
    snprintf(self.endpoint, sizeof self.endpoint, "ipc://%s/broker.ipc", self.dir);
    snprintf(self.control, sizeof self.control, "ipc://%s/control.ipc", self.dir);
    files_make(&self);
    char *arguments[] = {argv[1],           (char[]){"--dir"},          self.dir,
                         (char[]){"--set"}, (char[]){"log.level=warn"}, NULL};
    if (posix_spawn(&self.pid, self.broker, NULL, NULL, arguments, environ) != 0)
        return 69;
    char *pong = link_control(self.control, "PING", 10000);
    if (!pong)
        return 69;
    free(pong);
    printf("batch consumer   acked/s  delivered/s  CPU us/rec  records/commit\n");
    static const uint32_t batches[] = {1, 64};
    for (int i = 0; i < 4; i++)
        if (argc <= 4 || batches[i / 2] == (uint32_t)atoi(argv[4]))
            round_run(&self, batches[i / 2], i % 2);
    printf("one fdatasync: %.0f us\n", sync_us(&self));
    kill(self.pid, SIGTERM);
    int code;
    waitpid(self.pid, &code, 0);
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", self.dir);
    return system(command) == 0 && code == 0 ? 0 : 1;
}
