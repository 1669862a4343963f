/* bench_message [SECONDS]: how long the walker takes for each message, and a batch of 64 records
 * of one. Not a test: it says where time goes. Best of many short rounds, so that a busy
 * neighbour shows little. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/clock.h"
#include "schema/messages.h"
#include "schema/record.h"
#include "tests/unit/message_fill.h"

enum { FRAME_MOST = 8192, ROUND = 2000, BATCH = 64 };

static uint8_t frame[FRAME_MOST];
static double limit_us; /* for each figure */

struct subject {
    const struct message_desc *desc;
    void *message, *out;
    size_t size; /* of its frame */
    struct pack batch;
};

static void must(int result)
{
    if (result < 0) {
        fprintf(stderr, "bench_message: a filled message is refused\n");
        exit(1);
    }
}

static void encode_once(struct subject *self)
{
    struct message_error error;
    must((int)message_encode(self->desc, self->message, frame, sizeof frame, &error));
}

static void decode_once(struct subject *self)
{
    struct message_error error;
    must(message_decode(self->desc, frame, self->size, self->out, &error));
}

static void batch_write(struct subject *self)
{
    const char *rule;
    struct message_error error;
    pack_reset(&self->batch);
    batch_head(&self->batch, BATCH, "0.1.0", "0123456789abcdef");
    for (int i = 0; i < BATCH; i++) {
        long size = message_encode(self->desc, self->message, frame, sizeof frame, &error);
        const struct record record = {.key = "0022500001",
                                      .key_size = 10,
                                      .version = self->desc->version,
                                      .parent_count = 1,
                                      .parents = {1234567},
                                      .run = "processor.0-1-17",
                                      .run_size = 16,
                                      .payload = {frame, (uint32_t)size}};
        must(record_encode(&self->batch, &record, &rule));
    }
}

static void batch_read(struct subject *self)
{
    const char *rule;
    struct message_error error;
    struct batch_reader reader;
    struct record record;
    must(batch_open(&reader, self->batch.data, self->batch.size, BATCH, &rule));
    while (batch_next(&reader, &record, &rule) == 1) {
        must(message_decode(self->desc, record.payload.data, record.payload.size, self->out,
                            &error));
    }
}

/* Microseconds of one call: the best round. */
static double best_us(struct subject *self, void (*once)(struct subject *), int round)
{
    double best = 1e9;
    int64_t begin = clock_mono_us();
    do {
        int64_t start = clock_mono_us();
        for (int i = 0; i < round; i++) {
            once(self);
        }
        double us = (double)(clock_mono_us() - start) / round;
        best = us < best ? us : best;
    } while ((double)(clock_mono_us() - begin) < limit_us);
    return best;
}

int main(int argc, char **argv)
{
    limit_us = (argc > 1 ? strtod(argv[1], NULL) : 0.1) * 1e6;
    messages_register();
    printf("%-20s %6s %6s %10s %10s %14s %14s\n", "message", "fields", "bytes", "encode us",
           "decode us", "write us/rec", "read us/rec");
    for (size_t i = 0; i < message_count(); i++) {
        struct subject self = {.desc = message_at(i)};
        struct message_error error;
        self.message = malloc(self.desc->struct_size);
        self.out = malloc(self.desc->struct_size);
        message_fill(self.desc, self.message);
        self.size = (size_t)message_encode(self.desc, self.message, frame, sizeof frame, &error);
        double encode = best_us(&self, encode_once, ROUND);
        double decode = best_us(&self, decode_once, ROUND);
        double write = best_us(&self, batch_write, ROUND / BATCH) / BATCH;
        double read = best_us(&self, batch_read, ROUND / BATCH) / BATCH;
        printf("%-20s %6u %6zu %10.3f %10.3f %14.3f %14.3f\n", self.desc->name,
               self.desc->field_count, self.size, encode, decode, write, read);
        pack_free(&self.batch);
        free(self.message);
        free(self.out);
    }
    return 0;
}
