/* Retention: finds what has expired in sealed segments, and has those written anew that hold enough of it. Over log.h, whatever is behind it;
 * without a clock: the newest append's time is now. PROTOCOL.md §7 is what it does.
 *
 * A pass looks at every sealed segment once, in slices between transactions. What a rule says of a batch or a record depends on the
 * log and the rules as the pass began, so that looking and writing come to the same. */
#ifndef BROKER_RETAIN_H
#define BROKER_RETAIN_H

#include "broker/log.h"

#define RETAIN_STREAMS_MAX 256

struct retain_rule { /* a record that any of them lets go has expired */
    int64_t age_us;  /* older than so much; 0: does not matter */
    uint64_t bytes;  /* the stream has so many bytes of bodies behind it; 0: does not matter */
    bool latest;     /* its key has a newer one in the stream */
};

struct retain_options {
    uint32_t percent; /* of a segment's bytes have expired: it is written anew */
    uint64_t
        keys_max; /* in memory at once, 32 bytes each; with more a pass takes them range by range */
    /* In `stream` records below `end` are about to be removed, and none behind: to be made durable by who is told. Other than 0: the
     * segment stays as it is. */
    int (*removes)(void *context, uint16_t stream, uint64_t end);
    void *context;
};

struct retain_counts {
    uint64_t passes, looked, rewritten, trimmed; /* segments */
    uint64_t records, bytes;                     /* removed; bytes as the segments became smaller */
};

struct retain;
struct retain *retain_new(const struct retain_options *options); /* NULL: no memory */
void retain_free(struct retain **self, struct log *log);
/* Ids from 1 to RETAIN_STREAMS_MAX; others are kept for ever. Not while a pass is live. */
void retain_rule_set(struct retain *self, uint16_t stream, uint16_t partitions,
                     const struct retain_rule *rule);
bool retain_ruled(const struct retain *self); /* any rule at all */
/* Nothing that reaches to `below` or beyond is removed. */
void retain_begin(struct retain *self, const struct log *log, uint64_t below);
bool retain_live(const struct retain *self);
uint64_t retain_below(const struct retain *self);
/* Reads or writes about `bytes`. 1: there is more; 0: the pass is over; an error of the log: it is over, and what was not swapped did
 * not happen. */
int retain_step(struct retain *self, struct log *log, uint64_t bytes);
void retain_drop(struct retain *self, struct log *log);
const struct retain_counts *retain_counts(const struct retain *self);

#endif
