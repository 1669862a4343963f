/* The two sides of `tipoff bench`, each in a process of its own. */
#include "cli/bench_workers.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/link.h"
#include "config/clock.h"
#include "schema/record.h"

#define PUBLISH_BATCHES 256 /* handed to the link at once */
#define CREDIT_RECORDS 65536
#define CREDIT_BYTES (64u << 20)
#define CURSOR_EVERY_US 5000

static _Noreturn void give_up(const char *why, const char *more)
{
    fprintf(stderr, "bench: %s: %s\n", why, more);
    _exit(1);
}

static void on_refused(void *context, const char *tag, const char *text, const char *stream,
                       uint16_t partition, uint64_t first_seq)
{
    (void)context;
    (void)stream;
    (void)partition;
    (void)first_seq;
    give_up(tag, text);
}

static void on_down(void *context)
{
    (void)context;
    give_up("connection lost", "the broker is gone or does not answer");
}

static struct link *open_link(const char *endpoint, const char *actor, uint32_t number,
                              const struct link_handlers *handlers, void *context)
{
    static char incarnation[32]; /* the link keeps pointing to it; one link a process */
    snprintf(incarnation, sizeof incarnation, "%u-%d", number, (int)getpid());
    const struct link_options options = {.endpoint = endpoint,
                                         .actor = actor,
                                         .host = "bench",
                                         .incarnation = incarnation,
                                         .code_version = "bench",
                                         .config_hash = "0000000000000000",
                                         .handlers = *handlers,
                                         .context = context};
    struct link *link = link_open(&options);
    if (!link)
        give_up("link", strerror(errno));
    return link;
}

/* Waits for what comes, at most so long; -1: as long as the link needs nothing. */
static void turn(struct link *link, int64_t most_us)
{
    int64_t wait = link_timeout_us(link);
    struct pollfd fd = {.fd = link_fd(link), .events = POLLIN};
    if (most_us >= 0 && most_us < wait)
        wait = most_us;
    struct timespec time = {wait / 1000000, wait % 1000000 * 1000};
    if (wait > 0)
        ppoll(&fd, 1, &time, NULL);
    link_turn(link);
}

/* ---- producer ---- */

struct lane {
    uint64_t batches, acked; /* sent so far, and acknowledged */
    int64_t *sent_us;        /* of each batch under way, by its number modulo `ring` */
};
struct producer {
    struct load *load;
    struct link *link;
    const struct load_shape *shape;
    uint32_t number, partitions, next, ring;
    struct lane *lanes;
    struct pack *bodies; /* PUBLISH_BATCHES of them: the same but for the stamp */
    bool granted;
    uint64_t sent, acked; /* messages */
};

static void on_welcome_produce(void *context, const struct link_stream *streams, uint32_t count)
{
    struct producer *self = context;
    for (uint32_t i = 0; i < count; i++)
        if (!strcmp(streams[i].name, BENCH_STREAM))
            self->partitions = streams[i].partitions;
    link_lease(self->link, (uint16_t)self->number, (uint16_t)self->shape->producers, "bench");
}

static void on_granted(void *context, const struct link_grant *grant)
{
    struct producer *self = context;
    if (grant->lane_count)
        give_up("lanes", "this producer has published before: a bench needs a log of its own");
    self->granted = true;
}

static void on_acked(void *context, const char *stream, uint16_t partition, uint64_t last_seq)
{
    struct producer *self = context;
    struct lane *lane = &self->lanes[partition];
    uint64_t acked = last_seq / self->shape->batch, fresh = acked - lane->acked;
    int64_t now = clock_mono_us();
    (void)stream;
    for (; lane->acked < acked; lane->acked++)
        load_ack_took(self->load, now - lane->sent_us[lane->acked % self->ring]);
    self->acked += fresh * self->shape->batch;
    load_acked(self->load, fresh * self->shape->batch);
}

/* `records` of exactly so many bytes of payload (a map), but for the smallest. */
static void body_make(struct pack *body, uint32_t records, uint32_t bytes)
{
    enum { MAP_HEAD = 6 }; /* a map of one, its key "f", the head of a long text */
    struct pack payload = {0};
    const char *rule;
    uint32_t size = bytes > MAP_HEAD + LOAD_STAMP_BYTES ? bytes - MAP_HEAD : LOAD_STAMP_BYTES;
    char *fill = malloc(size);
    if (fill)
        memset(fill, 'x', size);
    else
        give_up("no memory", "");
    pack_map(&payload, 1);
    pack_text(&payload, "f");
    pack_str(&payload, fill, size);
    batch_head(body, records, "bench", "0000000000000000");
    for (uint32_t i = 0; i < records; i++) {
        const struct record record = {.key = "key",
                                      .key_size = 3,
                                      .version = 1,
                                      .payload = {payload.data, (uint32_t)payload.size}};
        if (record_encode(body, &record, &rule) != 0)
            give_up("body", rule);
    }
    pack_free(&payload);
    free(fill);
}

/* The messages that were sent: all of them, or as many as go at once; 0: the socket takes no more now. */
static uint32_t publish(struct producer *self, uint32_t messages)
{
    struct link_out out[PUBLISH_BATCHES];
    uint32_t count = messages / self->shape->batch;
    int64_t now = clock_mono_us();
    if (count > PUBLISH_BATCHES)
        count = PUBLISH_BATCHES;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t partition = (self->next + i) % self->partitions;
        struct lane *lane = &self->lanes[partition];
        load_stamp(self->bodies[i].data + self->bodies[i].size - LOAD_STAMP_BYTES, now);
        out[i] = (struct link_out){
            .stream = BENCH_STREAM,
            .partition = (uint16_t)partition,
            .count = self->shape->batch,
            .first_seq = (lane->batches + i / self->partitions) * self->shape->batch + 1,
            .due_us = CLOCK_NONE,
            .body = {self->bodies[i].data, (uint32_t)self->bodies[i].size}};
    }
    if (!link_publish(self->link, out, count))
        return 0; /* all of it again later: repeats are dropped */
    for (uint32_t i = 0; i < count; i++) {
        struct lane *lane = &self->lanes[(self->next + i) % self->partitions];
        lane->sent_us[lane->batches++ % self->ring] = now;
    }
    self->next = (self->next + count) % self->partitions;
    self->sent += (uint64_t)count * self->shape->batch;
    return count * self->shape->batch;
}

static void producer_make(struct producer *self)
{
    self->ring = self->shape->window / self->shape->batch + 2;
    self->lanes = calloc(self->partitions, sizeof *self->lanes);
    self->bodies = calloc(PUBLISH_BATCHES, sizeof *self->bodies);
    bool good = self->lanes && self->bodies;
    for (uint32_t i = 0; good && i < self->partitions; i++) {
        self->lanes[i].sent_us = calloc(self->ring, sizeof *self->lanes[i].sent_us);
        good = self->lanes[i].sent_us != NULL;
    }
    if (!good)
        give_up("no memory", "");
    uint32_t most = self->ring < PUBLISH_BATCHES ? self->ring : PUBLISH_BATCHES;
    for (uint32_t i = 0; i < most; i++)
        body_make(&self->bodies[i], self->shape->batch, self->shape->size);
}

static void producer_free(struct producer *self)
{
    link_close(&self->link);
    for (uint32_t i = 0; i < PUBLISH_BATCHES; i++)
        pack_free(&self->bodies[i]);
    for (uint32_t i = 0; i < self->partitions; i++)
        free(self->lanes[i].sent_us);
    free(self->bodies);
    free(self->lanes);
}

void bench_produce(struct load *load, uint32_t number, void *context)
{
    struct producer self = {.load = load, .shape = load_shape(load), .number = number};
    const struct link_handlers handlers = {.welcome = on_welcome_produce,
                                           .granted = on_granted,
                                           .acked = on_acked,
                                           .refused = on_refused,
                                           .down = on_down};
    self.link = open_link(context, "bench", number, &handlers, &self);
    while (!self.granted)
        turn(self.link, -1);
    if (!self.partitions)
        give_up("stream", "the broker does not know the stream " BENCH_STREAM);
    producer_make(&self);
    link_state(self.link, "ready", NULL, 0, 0);
    load_ready(load);
    for (bool over = false; !over || self.acked < self.sent;) {
        int64_t wait = -1;
        over = over || load_ended(load);
        uint32_t messages = over ? 0 : load_allows(load, self.sent, self.acked, &wait);
        for (uint32_t sent = 1; messages && sent; messages -= sent)
            sent = publish(&self, messages);
        turn(self.link, wait);
    }
    load_sent(load, self.sent);
    producer_free(&self);
}

/* ---- consumer ---- */

struct consumer {
    struct load *load;
    struct link *link;
    uint32_t number, consumers;
    bool granted;
    uint64_t cursor, taken;
    uint32_t fresh_records;
    uint64_t fresh_bytes;
};

static void on_welcome_consume(void *context, const struct link_stream *streams, uint32_t count)
{
    struct consumer *self = context;
    (void)streams;
    (void)count;
    link_lease(self->link, (uint16_t)self->number, (uint16_t)self->consumers, "bench");
}

static void on_granted_consume(void *context, const struct link_grant *grant)
{
    struct consumer *self = context;
    (void)grant;
    link_subscribe(self->link, &(struct link_input){BENCH_STREAM, false}, 1, self->cursor,
                   CREDIT_RECORDS,
                   CREDIT_BYTES); /* from where it was, if the link had to be made anew */
    self->granted = true;
}

static void on_batch(void *context, const struct link_batch *batch)
{
    struct consumer *self = context;
    if (batch->body.size >= LOAD_STAMP_BYTES)
        load_delivery_took(
            self->load,
            clock_mono_us() - load_stamped(batch->body.data + batch->body.size - LOAD_STAMP_BYTES));
    self->fresh_records += batch->count;
    self->fresh_bytes += batch->body.size;
    self->cursor = batch->base + batch->count;
}

void bench_consume(struct load *load, uint32_t number, void *context)
{
    struct consumer self = {
        .load = load, .number = number, .consumers = load_shape(load)->consumers};
    const struct link_handlers handlers = {.welcome = on_welcome_consume,
                                           .granted = on_granted_consume,
                                           .batch = on_batch,
                                           .refused = on_refused,
                                           .down = on_down};
    int64_t told = 0;
    self.link = open_link(context, "bench-reader", number, &handlers, &self);
    while (!self.granted || link_lag(self.link) == UINT64_MAX) /* the subscription stands */
        turn(self.link, -1);
    link_state(self.link, "ready", NULL, 0, 0);
    load_ready(load);
    while (!load_all_taken(load)) {
        turn(self.link, 20000);
        if (!self.fresh_records)
            continue;
        int64_t now = clock_mono_us();
        link_taken(self.link, self.fresh_records, self.fresh_bytes);
        link_state(self.link, "ready", NULL, self.cursor, 1);
        if (now - told >= CURSOR_EVERY_US) {
            told = now;
            link_beat(self.link);
        }
        load_took(load, self.fresh_records);
        self.fresh_records = 0;
        self.fresh_bytes = 0;
    }
    link_close(&self.link);
}
