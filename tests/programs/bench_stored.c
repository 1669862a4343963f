/* A broker with much stored. Fills a log through the link, kills the broker (-9), starts it again and measures the time to the first
 * delivery to a consumer that waits for it; then what memory it takes with many consumers connected and reading.
 *
 *     bench_stored BIN [RECORDS [CONSUMERS]]      BIN: where tipoff-broker is; prints one JSON object */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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
    (void)grant;
    self->granted = true;
}

static void on_acked(void *context, const char *stream, uint16_t partition, uint64_t last_seq)
{
    struct client *self = context;
    (void)stream;
    (void)partition;
    self->acked = last_seq;
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

static void body_make(struct pack *body)
{
    struct pack payload = {0};
    char fill[PAYLOAD_BYTES - 6];
    const char *rule;
    memset(fill, 'x', sizeof fill);
    pack_map(&payload, 1);
    pack_text(&payload, "f");
    pack_str(&payload, fill, sizeof fill);
    batch_head(body, BATCH, "bench", "0000000000000000");
    for (uint32_t i = 0; i < BATCH; i++) {
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
    body_make(&body);
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
    double most = 0;
    if (!clients)
        fail("no memory");
    for (uint32_t i = 0; i < count; i++) {
        clients[i].from = 1 + records / count * i;
        client_open(&clients[i], self, "reader");
    }
    for (uint32_t waiting = count; waiting;) { /* everybody has had a full credit */
        waiting = 0;
        for (uint32_t i = 0; i < count; i++) {
            turn(clients[i].link, 1000);
            waiting +=
                clients[i].delivered < 4096 - BATCH && clients[i].delivered + 4096 <= records;
        }
        double now = memory_kib(self->pid, "RssAnon:") / 1024;
        most = now > most ? now : most;
    }
    for (uint32_t i = 0; i < count; i++)
        link_close(&clients[i].link);
    free(clients);
    return most;
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
    double idle = memory_kib(self.pid, "RssAnon:") / 1024;
    double busy = consumers_mib(&self, consumers, records);
    printf("{\"records\":%" PRIu64 ",\"fill_s\":%.1f,\"restart_ms\":[%.1f,%.1f,%.1f],"
           "\"consumers\":%u,\"idle_mib\":%.1f,\"busy_mib\":%.1f}\n",
           records, seconds, first[0], first[1], first[2], consumers, idle, busy);
    scratch_remove(&self);
    return 0;
}
