/* What the kit does with a real broker: numbers are stored in its log, then one shard of proof-count is started, which takes each,
 * counts its key in its state and emits what it counted. Records a second, from its first step to the last record counted in
 * the log; everything committed with full sync at both sides.
 *
 *     bench_kit BIN TESTS [RECORDS [STEP_RECORDS]]   BIN, TESTS: where tipoff-broker and proof-count are; prints one JSON object */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "broker/link.h"
#include "cli/scratch.h"
#include "config/log.h"
#include "schema/record.h"
#include "tests/proof/proof.h"

extern char **environ;

enum { BATCH = 256, WINDOW = 65536, KEYS = 500 };

struct bench {
    struct scratch broker;
    struct link *link;
    bool granted;
    uint64_t acked, counted;
    int64_t first_us, last_us; /* of what was counted */
};

static _Noreturn void fail(struct bench *self, const char *why)
{
    fprintf(stderr, "bench_kit: %s\n", why);
    scratch_remove(&self->broker);
    exit(1);
}

static void on_granted(void *context, const struct link_grant *grant)
{
    struct bench *self = context;
    (void)grant;
    self->granted = true;
}

static void on_acked(void *context, const char *stream, uint16_t partition, uint64_t last_seq)
{
    struct bench *self = context;
    (void)stream;
    (void)partition;
    self->acked = last_seq;
}

static void on_batch(void *context, const struct link_batch *batch)
{
    struct bench *self = context;
    self->last_us = clock_mono_us();
    if (!self->counted)
        self->first_us = self->last_us;
    self->counted += batch->count;
    link_taken(self->link, batch->count, batch->body.size);
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

static void body_make(struct pack *body, uint64_t first)
{
    pack_reset(body);
    batch_head(body, BATCH, "bench", "0000000000000000");
    for (uint32_t i = 0; i < BATCH; i++) {
        struct msg_proof_number in = {.number = first + i, .value = i};
        struct message_error error;
        uint8_t payload[256];
        const char *rule;
        snprintf(in.key, sizeof in.key, "game-%u", (unsigned)((first + i) % KEYS));
        long size = message_encode(&msg_proof_number_desc, &in, payload, sizeof payload, &error);
        const struct record record = {.key = in.key,
                                      .key_size = (uint32_t)strlen(in.key),
                                      .version = 1,
                                      .payload = {payload, (uint32_t)size}};
        if (size < 0 || record_encode(body, &record, &rule) != 0)
            abort();
    }
}

static void numbers_store(struct bench *self, uint64_t records)
{
    struct pack body = {0};
    link_lease(self->link, 0, 1, "bench");
    while (!self->granted)
        turn(self->link, 100000);
    for (uint64_t next = 1; self->acked < records;) {
        bool sent = false;
        if (next <= records && next - self->acked <= WINDOW) {
            body_make(&body, next);
            const struct link_out out = {.stream = "proof.number",
                                         .count = BATCH,
                                         .first_seq = next,
                                         .due_us = CLOCK_NONE,
                                         .body = {body.data, (uint32_t)body.size}};
            sent = link_publish(self->link, &out, 1);
        }
        if (sent)
            next += BATCH;
        turn(self->link, sent ? 0 : 100000);
    }
    pack_free(&body);
}

static pid_t counter_start(struct bench *self, const char *tests, const char *step)
{
    char path[4096], step_set[64], outbox_set[64];
    pid_t pid;
    snprintf(path, sizeof path, "%s/proof-count", tests);
    snprintf(step_set, sizeof step_set, "actor.step_records=%s", step);
    snprintf(outbox_set, sizeof outbox_set, "actor.outbox_records=%d", 1 << 20);
    const char *argv[] = {
        path,       "--dir", self->broker.dir, "--shard",        "0",
        "--shards", "1",     "--set",          "log.level=warn", "--set",
        step_set,   "--set", outbox_set,       "--set",          "broker.credit_records=65536",
        NULL};
    if (posix_spawn(&pid, path, NULL, NULL, (char *const *)argv, environ) != 0)
        fail(self, "proof-count does not start");
    return pid;
}

#define STREAM(name)                                                                               \
    "{\"name\":\"" name "\",\"writer\":\"*\",\"partitions\":1,\"retention_days\":null}"
static const char registry[] = "{\"format\":1,\"streams\":[" STREAM("proof.number") "," STREAM(
    "proof.counted") "," STREAM("ops.run") "," STREAM("ops.heartbeat") "," STREAM("ops.dead") "]}";

int main(int argc, char **argv)
{
    struct bench self = {.broker = {.bin_dir = argv[1]}};
    uint64_t records = (argc > 3 ? strtoull(argv[3], NULL, 10) : 1000000) / BATCH * BATCH;
    const char *step = argc > 4 ? argv[4] : "4096";
    if (argc < 3)
        return 64;
    log_init("bench_kit", LOG_LEVEL_ERROR, 0);
    if (scratch_make(&self.broker, registry) != 0 || scratch_start(&self.broker) != 0 ||
        scratch_await(&self.broker) != 0)
        fail(&self, "the broker does not start");
    const struct link_options options = {
        .endpoint = self.broker.endpoint,
        .actor = "proof-source",
        .host = "here",
        .incarnation = "1",
        .code_version = "bench",
        .config_hash = "0000000000000000",
        .handlers = {.granted = on_granted, .acked = on_acked, .batch = on_batch},
        .context = &self};
    self.link = link_open(&options);
    if (!self.link)
        fail(&self, strerror(errno));
    numbers_store(&self, records);
    link_subscribe(self.link, &(struct link_input){"proof.counted", true}, 1, 0, 65536, 64u << 20);
    double broker_us = scratch_cpu_us(self.broker.pid);
    int64_t began = clock_mono_us();
    pid_t counter = counter_start(&self, argv[2], step);
    while (self.counted < records && waitpid(counter, NULL, WNOHANG) == 0)
        turn(self.link, 100000);
    if (self.counted < records)
        fail(&self, "proof-count ended");
    double counter_us = scratch_cpu_us(counter);
    broker_us = scratch_cpu_us(self.broker.pid) - broker_us;
    kill(counter, SIGTERM);
    waitpid(counter, NULL, 0);
    printf("{\"records\":%llu,\"step_records\":%s,\"records_per_s\":%.0f,\"start_ms\":%.1f,"
           "\"shard_cpu_us\":%.2f,\"broker_cpu_us\":%.2f}\n",
           (unsigned long long)records, step,
           (double)records * 1e6 / (double)(self.last_us - self.first_us),
           (double)(self.first_us - began) / 1e3, counter_us / (double)records,
           broker_us / (double)records);
    link_close(&self.link);
    scratch_remove(&self.broker);
    return 0;
}
