/* The log behind its seam: append with dense positions, read in order, remember producers.
 *
 * Two implementations: LMDB segments in a directory (log_lmdb*.c), and memory (log_memory.c, log_memory.h) for whoever
 * wants a disk that fails and crashes on request. tests/unit/test_log_seam.c holds both to this page.
 *
 * One writer (the broker) appends in transactions: log_begin, any number of log_append / log_later_* /
 * log_put_*, log_commit (durable when it returns) or log_abort (nothing happened). Readers of the same process see what is
 * committed; other processes open it read_only and see what was committed before; log_refresh shows them what was committed before
 * it. (Both wait for the writer's next checkpoint, or make it themselves if there is no writer.)
 *
 * Functions return 0 or a negative log_error. Nothing here knows sockets, clocks or epochs' rules. */
#ifndef BROKER_LOG_H
#define BROKER_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/protocol.h"

enum log_error {
    LOG_OK = 0,
    LOG_NONE = -1,    /* nothing there (an answer) */
    LOG_FULL = -2,    /* no space: the transaction is gone */
    LOG_CORRUPT = -3, /* a CRC or LMDB itself says so */
    LOG_IO = -4,      /* errno says */
    LOG_TRIMMED = -5, /* below the oldest position */
    LOG_REMOVED =
        -6 /* not below it, and removed all the same: the segment was rewritten without it */
};
const char *log_error_text(int error);

struct log;
struct log_disk; /* log_memory.h */
struct log_options {
    uint64_t segment_bytes; /* roll when the active segment is larger */
    int64_t segment_age_us; /* or older (league time between first and last append); 0 = never */
    bool read_only;         /* reader of another process; LOG_NONE if there is no log yet */
    uint64_t map_bytes;     /* of a new segment's map at least; 0: enough for segment_bytes */
    /* A commit is durable in a journal of so many bytes beside the segments, and goes to the active one with a checkpoint (log_journal.h);
     * 0: every commit goes to the segment. */
    uint64_t journal_bytes;
    struct log_disk *disk; /* in memory, on this one (borrowed); NULL: LMDB in `dir` */
};
int log_open(struct log **out, const char *dir, const struct log_options *options);
void log_close(struct log **self);

uint64_t log_first(const struct log *self);       /* oldest position there is (= head if empty) */
uint64_t log_head(const struct log *self);        /* position the next record gets; >= 1 */
int64_t log_last_time_us(const struct log *self); /* of the newest append; INT64_MIN if none */
uint32_t log_segments(const struct log *self);
uint64_t log_bytes(const struct log *self);
uint64_t log_bad_batches(const struct log *self); /* found by reads of this process */
int log_refresh(struct log *self); /* read_only: picks up what was appended or rolled since */

/* ---- append ---- */
int log_begin(struct log *self);
/* header->base must be the head as the transaction sees it (counting its own appends). */
int log_append(struct log *self, const struct batch_header *header, const void *body);
/* For later: no position yet. log_later_next: the earliest due one; LOG_NONE. The body borrows until the next write. */
int log_later_put(struct log *self, const struct batch_header *header, const void *body);
int log_later_next(struct log *self, int64_t *due_us, uint64_t *id);
int log_later_take(
    struct log *self, int64_t due_us, uint64_t id, struct batch_header *header,
    struct span *
        body); /* and deletes it; body is a copy valid until the next take. LOG_CORRUPT: set aside, and
                         * not found by log_later_next any more */
uint64_t log_later_count(const struct log *self);
/* The state that goes with the appends. Values are opaque to the log and carried from segment to segment. */
enum log_meta {
    LOG_META_PRODUCER = 'p',
    LOG_META_LANE = 'l',
    LOG_META_STREAM = 's',
    LOG_META_READER = 'r',
    LOG_META_FIRST = 'f' /* the log's own: no one else puts it */
};
int log_put_meta(struct log *self, enum log_meta kind, const void *key, size_t key_size,
                 const void *value, size_t value_size);
typedef int log_meta_visit(const struct span *key, const struct span *value, void *context);
/* Between transactions. */
int log_each_meta(struct log *self, enum log_meta kind, log_meta_visit *visit, void *context);
int log_commit(
    struct log *
        self); /* without anything put it costs nothing. An error: nothing happened; LOG_CORRUPT: open it again to know */
void log_abort(struct log *self);
/* Between transactions. How many commits are durable, but in the journal only: nothing is lost with them, but readers of other
 * processes do not see them yet. log_checkpoint brings them into the segment. */
uint64_t log_behind(const struct log *self);
int log_checkpoint(struct log *self);
/* Between transactions: true if a roll is due; log_roll makes and enters the new segment. */
bool log_roll_due(struct log *self);
int log_roll(struct log *self);
/* Lets go of sealed segments that end below `position`, durably: how many, or an error (then none). Their files go with log_tidy. */
int log_trim(struct log *self, uint64_t position);
/* Between transactions: removes the files of one segment that was let go of. LOG_NONE: there is none left. LOG_IO: it cannot be
 * removed now; nobody reads it any more all the same, not after the next start either. */
int log_tidy(struct log *self);

/* ---- rewriting of one sealed segment, in slices between transactions ----
 * Built beside the old one, read back whole, marked complete, and only then is the old one removed: whatever is killed when, one of the
 * two is there and the other goes. Positions stay: what is not kept leaves a hole that log_next and log_next_any pass over. What a
 * producer has in a lane (log_lane_find) stays known, kept or not. */
/* Each batch of it, in order; what the visit does not keep is gone. `body` NULL: it is broken, or a hole. Returns LOG_OK to go on. */
typedef int log_rewrite_visit(struct log *self, const struct batch_header *header,
                              const struct span *body, void *context);
/* One at a time. LOG_NONE: no sealed segment begins at `first`. */
int log_rewrite_begin(struct log *self, uint64_t first);
/* A slice that reads about `bytes`. 1: there is more; 0: swapped; an error: given up, nothing happened. */
int log_rewrite_step(struct log *self, uint64_t bytes, log_rewrite_visit *visit, void *context);
/* In a visit: keeps the batch as it is (`header` NULL), or a run of its records as a batch of its own: base, count, first_seq within
 * it, body and CRC made anew. Runs ascend. */
int log_rewrite_keep(struct log *self, const struct batch_header *header, const void *body);
void log_rewrite_drop(struct log *self);

/* ---- read (any time; reads of one burst share a snapshot, given back by log_read_end) ---- */
/* Base of the first batch of (stream, partition) that holds or follows `position`. LOG_NONE: none yet. */
int log_next(struct log *self, uint16_t stream, uint16_t partition, uint64_t position,
             uint64_t *base);
/* Base of the first batch of any stream that holds or follows `position`. */
int log_next_any(struct log *self, uint64_t position, uint64_t *base);
/* The batch at `base`, CRC-checked; body borrows until log_read_end or the next write. LOG_CORRUPT: of `header` base and count hold, the
 * rest if it could be read. LOG_REMOVED: base and count of `header` are those of the hole in which it lies. */
int log_batch(struct log *self, uint64_t base, struct batch_header *header, struct span *body);
/* The first position, in log order, of a batch that was appended at or after `time_us`; the head if none was. */
int log_at_time(struct log *self, int64_t time_us, uint64_t *position);
/* Records of (stream, partition) at or after `position`. */
uint64_t log_count_from(struct log *self, uint16_t stream, uint16_t partition, uint64_t position);

/* What a producer has in a lane. */
struct log_seq {
    uint64_t first_seq;
    uint32_t count, crc;
    uint64_t base; /* 0: still for later */
    int64_t later_due_us;
    uint64_t later_id;
};
/* The batch that holds sequence `seq` of the lane, the append in progress counted. LOG_NONE: not there (never was, or
 * trimmed). */
int log_lane_find(struct log *self, uint32_t producer, uint16_t stream, uint16_t partition,
                  uint64_t seq, struct log_seq *out);
/* A pending batch for later, by what log_lane_find said. Body borrows until log_read_end. */
int log_later_read(struct log *self, int64_t due_us, uint64_t id, struct batch_header *header,
                   struct span *body);
void log_read_end(struct log *self);

/* For verify: every base in a segment, in order, without checking bodies first. Visit returns 0 to go on. */
struct log_segment_info {
    uint64_t first, bytes;
    bool sealed;
    char name[40];
};
int log_segment_at(const struct log *self, uint32_t index, struct log_segment_info *out);

#endif
