/* A client of the broker through broker/link.h, for tests that kill or starve the broker meanwhile.
 *
 *     link_load publish ENDPOINT BATCHES RECORDS   numbered records to `numbers`, two partitions in turn, each batch
 *                                                  sent again until it is acknowledged
 *     link_load consume ENDPOINT RECORDS           takes so many, in order, each once
 *     link_load echo ENDPOINT TIMES                publishes one and waits for its acknowledgement, again and again
 *
 * Ends with 0 and one line of JSON; 1 if a promise of PROTOCOL.md was broken, saying which. */
#include <assert.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/link.h"
#include "config/log.h"
#include "schema/record.h"

enum { WINDOW = 256, PARTITIONS = 2 };

struct batch {
    uint16_t partition;
    uint64_t first_seq;
    struct pack body;
    bool sent;
};

struct load {
    struct link *link;
    const char *env;
    uint64_t batches, records; /* asked for; records a batch */
    struct batch window[WINDOW];
    uint64_t made, oldest; /* batches: made so far, not yet acknowledged */
    uint64_t acked[PARTITIONS];
    bool granted, done;
    uint64_t grants, downs, refused, first_epoch, epoch;
    uint64_t cursor, next_n[PARTITIONS], taken; /* consume */
    int64_t slowest_us;
};

static _Noreturn void broken(const char *what, uint64_t is, uint64_t should)
{
    fprintf(stderr, "link_load: %s: %" PRIu64 ", should be %" PRIu64 "\n", what, is, should);
    exit(1);
}

/* ---- publish ---- */

static void batch_make(struct load *self, uint64_t number)
{
    struct batch *batch = &self->window[number % WINDOW];
    struct pack payload = {0};
    const char *rule;
    batch->partition = (uint16_t)(number % PARTITIONS);
    batch->first_seq = number / PARTITIONS * self->records + 1;
    batch->sent = false;
    pack_reset(&batch->body);
    batch_head(&batch->body, (uint32_t)self->records, "load", "0000000000000000");
    for (uint64_t i = 0; i < self->records; i++) {
        pack_reset(&payload);
        pack_map(&payload, 1);
        pack_text(&payload, "n");
        pack_u64(&payload, batch->first_seq + i);
        struct record record = {.key = "key",
                                .key_size = 3,
                                .version = 1,
                                .payload = {payload.data, (uint32_t)payload.size}};
        int rc = record_encode(&batch->body, &record, &rule);
        assert(rc == 0 && !batch->body.failed);
    }
    pack_free(&payload);
}

static void window_trim(struct load *self)
{
    while (self->oldest < self->made) {
        const struct batch *batch = &self->window[self->oldest % WINDOW];
        if (batch->first_seq + self->records - 1 > self->acked[batch->partition])
            return;
        self->oldest++;
    }
    self->done = self->oldest == self->batches;
}

static void window_send(struct load *self)
{
    while (self->made < self->batches && self->made - self->oldest < WINDOW)
        batch_make(self, self->made++);
    for (uint64_t i = self->oldest; i < self->made && self->granted; i++) {
        struct batch *batch = &self->window[i % WINDOW];
        const struct link_out out = {.stream = "numbers",
                                     .partition = batch->partition,
                                     .count = (uint32_t)self->records,
                                     .first_seq = batch->first_seq,
                                     .due_us = CLOCK_NONE,
                                     .body = {batch->body.data, (uint32_t)batch->body.size}};
        if (!batch->sent && !(batch->sent = link_publish(self->link, &out, 1)))
            return;
    }
}

static void on_welcome(void *context, const struct link_stream *streams, uint32_t count)
{
    struct load *self = context;
    (void)streams;
    (void)count;
    if (self->env)
        link_lease(self->link, 0, 1, self->env);
    else
        link_subscribe(self->link, &(struct link_input){"numbers", true}, 1, self->cursor, 500,
                       64 * 1024);
}

static void on_granted(void *context, const struct link_grant *grant)
{
    struct load *self = context;
    if (grant->epoch <= self->epoch)
        broken("epoch", grant->epoch, self->epoch + 1);
    self->epoch = grant->epoch;
    if (!self->first_epoch)
        self->first_epoch = grant->epoch;
    self->granted = true;
    self->grants++;
    uint64_t held[PARTITIONS] = {0};
    for (uint32_t i = 0; i < grant->lane_count; i++)
        if (strcmp(grant->lanes[i].stream, "numbers") == 0)
            held[grant->lanes[i].partition] = grant->lanes[i].last_seq;
    for (int i = 0; i < PARTITIONS; i++) {
        if (held[i] < self->acked[i])
            broken("last sequence after an acknowledgement", held[i], self->acked[i]);
        self->acked[i] = held[i];
    }
    for (uint64_t i = self->oldest; i < self->made; i++)
        self->window[i % WINDOW].sent = false;
    window_trim(self);
}

static void on_acked(void *context, const char *stream, uint16_t partition, uint64_t last_seq)
{
    struct load *self = context;
    (void)stream;
    if (last_seq > self->acked[partition])
        self->acked[partition] = last_seq;
    window_trim(self);
}

static void on_refused(void *context, const char *tag, const char *text, const char *stream,
                       uint16_t partition, uint64_t first_seq)
{
    /* After an append that failed; the next grant settles it. */
    static const char *const expected[] = {"disk-full", "seq-gap", "after-refusal", "not-leased"};
    struct load *self = context;
    (void)stream;
    (void)partition;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        if (strcmp(tag, expected[i]) == 0) {
            self->refused++;
            self->granted = false;
            return;
        }
    fprintf(stderr, "link_load: refused: %s: %s (sequence %" PRIu64 ")\n", tag, text, first_seq);
    exit(1);
}

static void on_lost(void *context, const char *why)
{
    (void)context;
    fprintf(stderr, "link_load: lost: %s\n", why);
    exit(1);
}

static void on_down(void *context)
{
    struct load *self = context;
    self->granted = false;
    self->downs++;
    fputs("link_load: down\n", stderr);
}

/* ---- consume ---- */

static void record_take(struct load *self, const struct record *record, uint16_t partition)
{
    struct unpack in = {record->payload.data, record->payload.size, 0};
    uint32_t fields, size;
    const char *name;
    uint64_t n = 0;
    bool good = unpack_map(&in, &fields) && unpack_str(&in, &name, &size) && unpack_u64(&in, &n);
    if (!good || n != ++self->next_n[partition])
        broken("number in its lane", n, self->next_n[partition]);
    self->taken++;
}

static void on_batch(void *context, const struct link_batch *batch)
{
    struct load *self = context;
    struct batch_reader reader;
    struct record record;
    const char *rule;
    if (batch->base < self->cursor)
        broken("position", batch->base, self->cursor);
    int rc = batch_open(&reader, batch->body.data, batch->body.size, batch->count, &rule);
    while (rc == 0 && batch_next(&reader, &record, &rule) == 1)
        record_take(self, &record, batch->partition);
    self->cursor = batch->base + batch->count;
    link_taken(self->link, batch->count, batch->body.size);
    self->done = self->taken >= self->records;
}

/* ---- */

static void turn(struct load *self, int64_t most_us)
{
    int64_t wait = link_timeout_us(self->link);
    struct pollfd fd = {.fd = link_fd(self->link), .events = POLLIN};
    if (wait > most_us)
        wait = most_us;
    if (wait > 0)
        poll(&fd, 1, (int)((wait + 999) / 1000));
    link_turn(self->link);
}

static void echo(struct load *self)
{
    uint64_t times = self->batches;
    for (self->batches = 1; self->batches <= times; self->batches++) {
        int64_t begun = clock_mono_us();
        self->done = false;
        do {
            window_send(self);
            turn(self, INT64_MAX / 4);
        } while (!self->done);
        int64_t took = clock_mono_us() - begun;
        if (self->batches > 1 && took > self->slowest_us)
            self->slowest_us = took;
    }
}

int main(int argc, char **argv)
{
    bool consume = argc == 4 && strcmp(argv[1], "consume") == 0,
         echoes = argc == 4 && strcmp(argv[1], "echo") == 0;
    static struct load self;
    if (!consume && !echoes && (argc != 5 || strcmp(argv[1], "publish") != 0)) {
        fprintf(stderr, "usage: link_load publish|consume|echo ENDPOINT COUNT [RECORDS]\n");
        return 64;
    }
    log_init("link_load", LOG_LEVEL_WARN, false);
    self.env = consume ? NULL : "link-load";
    self.cursor = 1;
    self.batches = strtoull(argv[3], NULL, 10);
    self.records = consume ? self.batches : argc == 5 ? strtoull(argv[4], NULL, 10) : 1;
    char incarnation[32];
    snprintf(incarnation, sizeof incarnation, "%d", (int)getpid());
    const struct link_options options = {.endpoint = argv[2],
                                         .actor = consume ? "consumer" : argv[1],
                                         .host = "here",
                                         .incarnation = incarnation,
                                         .code_version = "load",
                                         .config_hash = "0000000000000000",
                                         .handlers = {.welcome = on_welcome,
                                                      .granted = on_granted,
                                                      .acked = on_acked,
                                                      .refused = on_refused,
                                                      .lost = on_lost,
                                                      .down = on_down,
                                                      .batch = on_batch},
                                         .context = &self};
    self.link = link_open(&options);
    if (!self.link)
        return 69;
    if (echoes)
        echo(&self);
    while (!self.done && !echoes) {
        if (!consume)
            window_send(&self);
        if (!self.done)
            turn(&self, 100000);
    }
    link_close(&self.link);
    for (int i = 0; i < WINDOW; i++)
        pack_free(&self.window[i].body);
    printf("{\"taken\":%" PRIu64 ",\"grants\":%" PRIu64 ",\"downs\":%" PRIu64
           ",\"refused\":%" PRIu64 ",\"epochs\":%" PRIu64 ",\"slowest_us\":%" PRId64 "}\n",
           self.taken, self.grants, self.downs, self.refused,
           self.epoch ? self.epoch - self.first_epoch + 1 : 0, self.slowest_us);
    return 0;
}
