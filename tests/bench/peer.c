#include "tests/bench/peer.h"

#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/clock.h"

void peer_fail(const char *what, const char *why)
{
    fprintf(stderr, "peer: %s: %s\n", what, why ? why : "");
    _exit(1);
}

void peer_times_open(struct peer_times *self, const struct load_shape *shape)
{
    *self = (struct peer_times){.capacity = shape->window + 1};
    self->sent_us = calloc(self->capacity, sizeof *self->sent_us);
    if (!self->sent_us)
        peer_fail("no memory", NULL);
}

void peer_times_sent(struct peer_times *self, int64_t now)
{
    self->sent_us[self->sent++ % self->capacity] = now;
}

void peer_times_acked(struct peer_times *self, struct load *load, uint64_t messages)
{
    int64_t now = clock_mono_us();
    for (uint64_t i = 0; i < messages; i++)
        load_ack_took(load, now - self->sent_us[self->acked++ % self->capacity]);
    if (messages)
        load_acked(load, messages);
}

static const struct option words[] = {
    {"size", required_argument, NULL, 's'},      {"producers", required_argument, NULL, 'p'},
    {"consumers", required_argument, NULL, 'c'}, {"window", required_argument, NULL, 'w'},
    {"seconds", required_argument, NULL, 't'},   {"rate", required_argument, NULL, 'r'},
    {"port", required_argument, NULL, 'P'},      {NULL, 0, NULL, 0}};

static void shape_read(struct peer *self, int argc, char **argv)
{
    struct load_shape *shape = &self->shape;
    for (int option; (option = getopt_long(argc, argv, "", words, NULL)) != -1;)
        switch (option) {
        case 's':
            shape->size = (uint32_t)atoi(optarg);
            break;
        case 'p':
            shape->producers = (uint32_t)atoi(optarg);
            break;
        case 'c':
            shape->consumers = (uint32_t)atoi(optarg);
            break;
        case 'w':
            shape->window = (uint32_t)atoi(optarg);
            break;
        case 't':
            shape->seconds = atof(optarg);
            break;
        case 'r':
            shape->rate = atof(optarg);
            break;
        case 'P':
            self->port = atoi(optarg);
            break;
        default:
            exit(64);
        }
}

int main(int argc, char **argv)
{
    struct peer self = {
        .shape = {
            .size = 256, .producers = 1, .consumers = 1, .batch = 1, .window = 4096, .seconds = 3}};
    const struct load_work work = {
        .produce = peer_produce, .consume = peer_consume, .context = &self};
    struct load_result result;
    shape_read(&self, argc, argv);
    peer_setup(&self);
    if (load_run(&self.shape, &work, NULL, &result) != 0)
        return 69;
    printf("{\"size\":%u,\"producers\":%u,\"consumers\":%u,\"published\":%llu,\"delivered\":%llu,"
           "\"published_per_s\":%.0f,"
           "\"delivered_per_s\":%.0f,\"ack_p50_us\":%.0f,\"ack_p99_us\":%.0f,\"e2e_p50_us\":%.0f,"
           "\"e2e_p99_us\":%.0f}\n",
           self.shape.size, self.shape.producers, self.shape.consumers,
           (unsigned long long)result.published, (unsigned long long)result.delivered,
           result.published_per_s, result.delivered_per_s, result.ack_p50_us, result.ack_p99_us,
           result.e2e_p50_us, result.e2e_p99_us);
    return 0;
}
