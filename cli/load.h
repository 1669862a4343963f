/* A measured load: some producers and consumers, each a process of its own, started together, counted in shared memory.
 * Knows no broker: who publishes and who takes is handed in, so that every broker is given the same work.
 *
 * A producer keeps at most its share of the window unacknowledged, and no more than the rate allows; a consumer ends when
 * everything that was published was taken. Times are microseconds of clock_mono_us, one clock for all processes. */
#ifndef CLI_LOAD_H
#define CLI_LOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define LOAD_WORKERS_MAX 64
#define LOAD_STAMP_BYTES 16 /* at the end of a payload: when it was sent */

struct load_shape {
    uint32_t size;                 /* bytes of a message's payload */
    uint32_t producers, consumers; /* together at most LOAD_WORKERS_MAX */
    uint32_t batch;                /* messages that are published at once */
    uint32_t window;               /* messages unacknowledged at most, over all producers */
    double seconds;                /* for so long is published */
    double rate; /* messages a second, over all producers; 0: as fast as they are acknowledged */
};

struct load; /* what the processes share */

struct
    load_work { /* in a process of its own: returns when done, or ends the process with a code and words on stderr */
    void (*produce)(struct load *load, uint32_t number, void *context);
    void (*consume)(struct load *load, uint32_t number, void *context);
    void *context;
    void (*beside)(
        void *context); /* in the process that looks on, four times a second; may be NULL */
    void *beside_context;
};

struct load_result {
    uint64_t published, delivered; /* acknowledged; taken */
    double published_per_s,
        delivered_per_s; /* from the start to the last one; 0 if there were none */
    double ack_p50_us, ack_p99_us, ack_max_us, e2e_p50_us, e2e_p99_us; /* -1: none */
};

/* Runs it to its end. `progress` (NULL: nobody looks) gets a line that is rewritten. 0, or -1: a worker failed, and said why. */
int load_run(const struct load_shape *shape, const struct load_work *work, FILE *progress,
             struct load_result *result);

/* ---- for producers ---- */
const struct load_shape *load_shape(const struct load *self);
void load_ready(struct load *self); /* returns when all are */
/* Messages that may be published now, given how many this one has sent and had acknowledged: whole batches. 0: not now;
 * then `*wait_us` says for how long the rate forbids it (-1: it does not). */
uint32_t load_allows(struct load *self, uint64_t sent, uint64_t acked, int64_t *wait_us);
bool load_ended(const struct load *self); /* nothing more is to be published */
void load_acked(struct load *self, uint64_t messages);
void load_ack_took(struct load *self, int64_t us);
void load_sent(struct load *self, uint64_t messages); /* once, at the end: all it ever sent */

/* Printable bytes, so that it may stand in any text; and what they say. */
void load_stamp(uint8_t at[LOAD_STAMP_BYTES], int64_t us);
int64_t load_stamped(const uint8_t at[LOAD_STAMP_BYTES]);

/* ---- for consumers ---- */
void load_took(struct load *self, uint64_t messages);
void load_delivery_took(struct load *self, int64_t us);
bool load_all_taken(const struct load *self);

#endif
