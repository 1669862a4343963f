/* The outbox in memory: what the environment holds of committed batches until the broker has acknowledged them. */
#ifndef ACTORS_OUTBOX_H
#define ACTORS_OUTBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "actors/emission.h"
#include "store/shard_env.h"

struct outbox_entry {
    struct shard_out out;      /* its body is ours */
    struct out_stream *stream; /* borrowed from the emission */
    bool acked;
};

struct outbox {
    struct outbox_entry *entries; /* a ring, in order */
    uint32_t first, count, capacity;
    uint32_t sent; /* of `count`, from the first: handed to the link since the last grant */
    uint64_t records, bytes; /* unacknowledged */
    uint64_t *trim;          /* numbers that the next transaction deletes */
    uint32_t trim_count, trim_capacity;
};

void outbox_free(struct outbox *self);
void outbox_clear(struct outbox *self);
/* Takes over `body`'s memory. -1: no memory. */
int outbox_add(struct outbox *self, struct out_stream *stream, const struct shard_out *out);
struct outbox_entry *outbox_at(struct outbox *self, uint32_t index); /* 0 = the oldest */
/* Cumulative for a lane. Returns how many batches it was the first to acknowledge; -1: no memory. */
int outbox_ack(struct outbox *self, const struct out_stream *stream, uint16_t partition,
               uint64_t last_seq);

#endif
