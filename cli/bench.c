/* tipoff bench - what the broker does on this machine: a scratch one over ipc, loaded through the link that every actor
 * uses. Every publish is acknowledged after its sync. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/link.h"
#include "cli/bench_workers.h"
#include "cli/command.h"
#include "cli/scratch.h"
#include "config/clock.h"
#include "config/exit.h"
#include "schema/json.h"

struct bench {
    struct cli *cli;
    struct load_shape shape;
    struct scratch broker;
    double cpu_us; /* of the broker, when the load began; afterwards what it took */
    uint64_t commits;
};

static int broker_start(struct bench *self)
{
    char registry[256];
    struct scratch *broker = &self->broker;
    snprintf(registry, sizeof registry,
             "{\"format\":1,\"streams\":[{\"name\":\"" BENCH_STREAM
             "\",\"writer\":\"bench\",\"partitions\":%u,\"retention_days\":null}]}",
             self->shape.consumers ? self->shape.consumers : 1);
    broker->bin_dir = self->cli->bin_dir;
    for (size_t i = 0; i < self->cli->set_count; i++)
        if (strncmp(self->cli->sets[i], "dir=", 4) != 0)
            broker->sets[broker->set_count++] = self->cli->sets[i];
    if (scratch_make(broker, registry) != 0)
        return cli_fail(self->cli, EXIT_UNREACHABLE, "%s: %s", broker->dir, strerror(errno));
    if (scratch_start(broker) != 0 || scratch_await(broker) != 0)
        return cli_fail(self->cli, EXIT_UNREACHABLE, "the scratch broker does not answer");
    return EXIT_OK;
}

static uint64_t broker_commits(const struct bench *self)
{
    char *text = link_control(self->broker.control, "STATUS", 10000), why[160];
    json_t *status = text ? json_read(text, strlen(text), why, sizeof why) : NULL;
    const json_t *broker = json_object_get(status, "broker");
    uint64_t commits = (uint64_t)json_integer_value(json_object_get(broker, "commits"));
    json_decref(status);
    free(text);
    return commits;
}

static double sync_us(const struct bench *self)
{
    enum { SYNCS = 100 };
    char path[128];
    static const char block[4096];
    snprintf(path, sizeof path, "%s/sync", self->broker.dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    bool good = fd >= 0 && pwrite(fd, block, sizeof block, 0) == sizeof block && fsync(fd) == 0;
    int64_t began = clock_mono_us();
    for (int i = 0; good && i < SYNCS; i++)
        good = pwrite(fd, block, sizeof block, 0) == sizeof block && fdatasync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return good ? (double)(clock_mono_us() - began) / SYNCS : -1;
}

/* ---- the command ---- */

static int shape_read(struct bench *self)
{
    struct load_shape *shape = &self->shape;
    int64_t size = 256, producers = 1, consumers = 1, batch = 64, window = 4096;
    struct cli *cli = self->cli;
    *shape = (struct load_shape){.seconds = 5};
    int code = cli_integer(cli, "size", 32, 1 << 20, &size);
    if (!code)
        code = cli_integer(cli, "producers", 1, 32, &producers);
    if (!code)
        code = cli_integer(cli, "consumers", 0, 32, &consumers);
    if (!code)
        code = cli_integer(cli, "batch", 1, 4096, &batch);
    if (!code)
        code = cli_integer(cli, "window", 1, 1 << 20, &window);
    if (!code)
        code = cli_number(cli, "seconds", 0.1, 3600, &shape->seconds);
    if (!code)
        code = cli_number(cli, "rate", 1, 1e9, &shape->rate);
    if (shape->rate > 0 && !cli_option(cli, "batch"))
        batch = 1; /* who is paced sends one at a time */
    if (!code && size * batch > 4 << 20)
        return cli_fail(cli, EXIT_USAGE, "a batch of more than 4 MiB");
    shape->size = (uint32_t)size;
    shape->producers = (uint32_t)producers;
    shape->consumers = (uint32_t)consumers;
    shape->batch = (uint32_t)batch;
    shape->window = (uint32_t)window;
    return code;
}

static json_t *time_or_null(double us)
{
    return us < 0 ? json_null() : json_real(us);
}

static json_t *result_json(const struct bench *self, const struct load_result *result)
{
    const struct load_shape *shape = &self->shape;
    bool consumed = shape->consumers > 0;
    json_t *out = json_object();
    json_object_set_new(out, "size", json_integer(shape->size));
    json_object_set_new(out, "producers", json_integer(shape->producers));
    json_object_set_new(out, "consumers", json_integer(shape->consumers));
    json_object_set_new(out, "batch", json_integer(shape->batch));
    json_object_set_new(out, "window", json_integer(shape->window));
    json_object_set_new(out, "rate", shape->rate > 0 ? json_real(shape->rate) : json_null());
    json_object_set_new(out, "seconds", json_real(shape->seconds));
    json_object_set_new(out, "published", json_integer((json_int_t)result->published));
    json_object_set_new(out, "delivered", json_integer((json_int_t)result->delivered));
    json_object_set_new(out, "published_per_s", json_real(result->published_per_s));
    json_object_set_new(out, "delivered_per_s",
                        consumed ? json_real(result->delivered_per_s) : json_null());
    json_object_set_new(out, "ack_p50_us", time_or_null(result->ack_p50_us));
    json_object_set_new(out, "ack_p99_us", time_or_null(result->ack_p99_us));
    json_object_set_new(out, "ack_max_us", time_or_null(result->ack_max_us));
    json_object_set_new(out, "e2e_p50_us", time_or_null(result->e2e_p50_us));
    json_object_set_new(out, "e2e_p99_us", time_or_null(result->e2e_p99_us));
    json_object_set_new(out, "broker_cpu_us",
                        result->published ? json_real(self->cpu_us / (double)result->published)
                                          : json_null());
    json_object_set_new(out, "messages_per_commit",
                        self->commits ? json_real((double)result->published / (double)self->commits)
                                      : json_null());
    json_object_set_new(out, "sync", json_string("full"));
    json_object_set_new(out, "fdatasync_us", time_or_null(sync_us(self)));
    return out;
}

/* Lets go of all sealed segments, whoever has yet to read them. */
static void trim_beside(void *context)
{
    const struct bench *self = context;
    free(link_control(self->broker.control, "TRIM 9000000000000000000 FORCE", 1000));
}

static int bench_measure(struct bench *self)
{
    const struct load_work work = {.produce = bench_produce,
                                   .consume = bench_consume,
                                   .context = self->broker.endpoint,
                                   .beside = cli_option(self->cli, "trim") ? trim_beside : NULL,
                                   .beside_context = self};
    struct load_result result;
    self->commits = broker_commits(self);
    self->cpu_us = scratch_cpu_us(self->broker.pid);
    if (load_run(&self->shape, &work, isatty(STDERR_FILENO) ? stderr : NULL, &result))
        return EXIT_UNREACHABLE;
    self->cpu_us = scratch_cpu_us(self->broker.pid) - self->cpu_us;
    self->commits = broker_commits(self) - self->commits;
    json_t *out = result_json(self, &result);
    if (self->cli->json) {
        json_print(stdout, out, 0);
    } else {
        const char *key;
        json_t *value;
        json_object_foreach(out, key, value)
        {
            double number = json_number_value(value);
            if (json_is_number(value))
                printf("%-20s %.*f\n", key, json_is_real(value) && number < 10 ? 3 : 0, number);
            else
                printf("%-20s %s\n", key, json_is_string(value) ? json_string_value(value) : "-");
        }
    }
    json_decref(out);
    return EXIT_OK;
}

static int bench_run(struct cli *cli, int argc, char **argv)
{
    struct bench self = {.cli = cli};
    (void)argc;
    (void)argv;
    int code = shape_read(&self);
    if (code)
        return code;
    code = broker_start(&self);
    if (!code)
        code = bench_measure(&self);
    scratch_remove(&self.broker);
    return code;
}

static const struct command_option options[] = {
    {"size", "N", "bytes of a message's payload (256)"},
    {"producers", "P", "processes that publish (1)"},
    {"consumers", "C", "processes that take, each a partition of its own; 0: none (1)"},
    {"batch", "B", "messages published at once (64; 1 with --rate)"},
    {"seconds", "S", "for so long is published (5)"},
    {"rate", "R", "messages a second, instead of as many as are acknowledged"},
    {"trim", NULL, "all sealed segments are let go of, four times a second, whoever reads them"},
    {"window", "W", "messages unacknowledged at most (4096)"},
    {NULL, NULL, NULL}};

const struct command command_bench = {
    .name = "bench",
    .args = "",
    .summary = "measure a scratch broker: published, delivered, acknowledged after sync",
    .options = options,
    .run = bench_run,
};
