/* The log as a directory of LMDB environments, one per segment (PROTOCOL.md §7). Private to broker/log_lmdb*.c.
 *
 * `batches`  base u64                                  -> header (80 bytes) + body; or a hole: HOLE_ROW bytes
 * `index`    stream u16, partition u16, first base u64 -> (base u64, count u32)*, tail; one row per lane and commit; under the
 *            key 0 the directory of a segment that another follows (log_lmdb_index.c)
 * `seqs`     producer u32, stream, partition, first seq u64 -> (seq u64, count u32, crc u32, base u64)*  contiguous runs
 * `later`    due u64, id u64                           -> header + body; due LATER_ASIDE: broken, never taken
 * `laterseq` producer u32, stream, partition, seq u64  -> count u32, crc u32, due u64, id u64
 * `meta`     "c" complete; "h" head row; "g" generation u64 (log_journal.h); "f" first position u64 that is kept; other letters +
 *            key: the core's own
 * All integers big-endian, so that keys sort by value. */
#ifndef BROKER_LOG_LMDB_H
#define BROKER_LOG_LMDB_H

#include <lmdb.h>

#include "broker/log_impl.h"
#include "broker/log_journal.h"

enum { DB_BATCHES, DB_INDEX, DB_SEQS, DB_LATER, DB_LATERSEQ, DB_META, DB_COUNT };

#define INDEX_ENTRY 12 /* of a row, which ends with a tail (log_lmdb_index.c) */
#define SEQ_ENTRY 24
#define LANE_KEY 8 /* producer, stream, partition */
#define LATER_ASIDE INT64_MAX
#define HOLE_ROW 16 /* "HOLE", count u64, CRC-32C u32 of base and both */

struct segment {
    uint64_t first;
    uint32_t made; /* how often it was rewritten: part of its name */
    char name[40];
    MDB_env *env; /* NULL: damaged such that LMDB does not open it */
    MDB_dbi db[DB_COUNT];
    MDB_txn *reader; /* open during a burst of reads */
    MDB_cursor *at;  /* of it, in `batches`: the next one asked for is most often beside the last */
    bool reader_live;
    bool index_damaged, seqs_damaged; /* found to be */
    bool mark_lost;     /* that it is complete; named if it is not one that was let go of */
    uint64_t missed_to; /* where what was named as missing ends */
};

/* Where a lane was read last, in this burst of reads: what follows stands in the same row of the index. */
struct spot {
    uint64_t burst, end; /* end: the position after that batch */
    uint16_t stream, partition;
    MDB_val row;
    size_t at;
};
#define SPOTS 64

/* What one commit adds to a lane's index or seqs row: gathered, written once before the commit. */
struct gather {
    uint8_t key[LANE_KEY + 8];
    uint32_t key_size;
    uint64_t next_seq; /* seqs: what would continue the run */
    struct pack value;
};
struct gathers {
    struct gather *rows;
    uint32_t count, capacity;
};

/* A sealed segment that is being written anew (log_lmdb_rewrite.c). */
struct rewrite {
    bool live;
    int phase;
    uint64_t first, end; /* of the old one, and of what follows it */
    uint64_t at;         /* base of the next batch to be looked at */
    uint64_t
        reached; /* where the last one ended: there the next one begins, or something is missing */
    uint64_t expected; /* position after what is written: behind it a hole begins */
    uint64_t checked, checked_records, index_records;
    uint64_t broken, checked_broken; /* batches that were broken already, and stay so */
    bool raw_whole;
    uint8_t seqs_key[LANE_KEY + 8]; /* the last one copied */
    bool seqs_begun;
    MDB_val raw; /* the batch that a visit looks at */
    struct segment to;
    MDB_txn *txn; /* of the slice */
    struct gathers index;
};

struct log_lmdb {
    struct log base;
    char *dir;
    struct log_options options;
    struct segment *segments;
    uint32_t count, capacity;
    /* Of the active segment: the append in progress, and with a journal all that it holds, until the next checkpoint. */
    MDB_txn *txn;
    bool appending;
    bool replaying; /* what is put now comes from the journal */
    struct journal journal;
    uint64_t generation; /* of the active segment's last commit */
    uint64_t kept_first; /* segments that end below it were let go of */
    char (*gone)[40];    /* names of those whose files are still there */
    uint32_t gone_count, gone_capacity;
    struct rewrite rewrite;
    bool put;      /* something was put into it */
    bool map_full; /* the last one ended for want of map: the next begins with a larger one */
    bool
        broken; /* a roll left the directory such that appending on would lose records at the next start */
    uint64_t head, txn_head;
    uint64_t later_id, txn_later_id;
    uint64_t later_count, txn_later_count;
    int64_t last_time_us, txn_last_time_us;
    int64_t segment_start_us, txn_segment_start_us;
    uint64_t bad_batches;
    uint64_t burst;
    struct spot spots[SPOTS];
    MDB_cursor *tail; /* of txn: where batches are appended */
    struct gathers index, seqs;
    uint8_t *later_body;
    size_t later_body_size;
};

static inline struct log_lmdb *lmdb_of(struct log *base)
{
    return (struct log_lmdb *)(void *)base;
}

static inline const struct log_lmdb *lmdb_of_const(const struct log *base)
{
    return (const struct log_lmdb *)(const void *)base;
}

/* NULL before there is one. */
static inline struct segment *lmdb_active(const struct log_lmdb *self)
{
    return self->count ? &self->segments[self->count - 1] : NULL;
}

/* ---- log_lmdb_segment.c ---- */
int lmdb_error_of(int rc);
int lmdb_write_error(struct log_lmdb *self, int rc); /* the same; remembers a full map */
int lmdb_segment_add(struct log_lmdb *self, const char *name, uint64_t first, uint64_t carried);
/* Opens (a writer: makes) what `segment` names, and nothing more. */
int lmdb_segment_open(const struct log_lmdb *self, struct segment *segment, uint64_t carried);
void lmdb_segment_name(char name[40], uint64_t first, uint32_t made);
int lmdb_segment_create(struct log_lmdb *self, uint64_t first, uint64_t carried);
void lmdb_segment_close(struct segment *segment);
int lmdb_segment_remove(const struct log_lmdb *self, const char *name); /* -1: errno */
/* Its files are to be removed by log_tidy. */
int lmdb_segment_let_go(struct log_lmdb *self, const char *name);
int lmdb_segment_sync(const struct log_lmdb *self, const struct segment *segment);
/* Pages in use, which is what a roll is decided by; the file itself only grows. */
uint64_t lmdb_segment_bytes(const struct segment *segment);
/* The newest segment whose first position is at or below `position`; the oldest if all are above. */
uint32_t lmdb_segment_of(const struct log_lmdb *self, uint64_t position);
/* A snapshot of it, until log_read_end. */
int lmdb_reader_of(struct log_lmdb *self, struct segment *segment, MDB_txn **out);
void lmdb_reader_drop(struct segment *segment);
int lmdb_head_load(struct log_lmdb *self, struct segment *segment, bool *complete);
int lmdb_head_store(struct log_lmdb *self, MDB_txn *txn, const struct segment *segment);

/* ---- log_lmdb_roll.c ---- */
/* Marks the segment complete in one transaction with the head row and whatever `from` (may be NULL) carries over. */
int lmdb_segment_complete(struct log_lmdb *self, struct segment *from, struct segment *to);

/* ---- log_lmdb_checkpoint.c ---- */
/* Opens the journal, and the active segment's transaction with what it holds. */
int lmdb_journal_begin(struct log_lmdb *self);
/* For a reader: waits until what was acknowledged before is in the segments, or brings it there if there is no writer. */
int lmdb_journal_await(struct log_lmdb *self);
/* The transaction, with the head as it says, becomes the segment's; if it fails, it is as before that append. */
int lmdb_segment_commit(struct log_lmdb *self);
/* A transaction that holds what the journal does and nothing else; none if that is nothing. */
int lmdb_redo(struct log_lmdb *self);
void lmdb_txn_drop(struct log_lmdb *self);
/* The txn_ fields from the others, and back. */
void lmdb_state_begin(struct log_lmdb *self);
void lmdb_state_keep(struct log_lmdb *self);

/* ---- log_lmdb.c ---- */
/* The segments that are there now, and the head. */
int lmdb_load(struct log_lmdb *self);

/* ---- log_lmdb_append.c ---- */
int lmdb_index_gather(struct gathers *rows, const struct batch_header *header);
int lmdb_gathers_put(struct log_lmdb *self);
void lmdb_map_grow(struct log_lmdb *self);
void lmdb_gathers_free(struct gathers *self);
int lmdb_batch_put(struct log_lmdb *self, int db, MDB_val key, const struct batch_header *header,
                   const void *body);

/* ---- log_lmdb_lane.c ---- */
void lmdb_lane_key(uint8_t *key, uint32_t producer, uint16_t stream, uint16_t partition);

/* ---- log_lmdb_later.c ---- */
void lmdb_later_key(uint8_t key[16], int64_t due_us, uint64_t id);

/* ---- log_lmdb_index.c: LMDB's code, or (what reads) a log_error ---- */
int lmdb_index_put(MDB_txn *txn, MDB_dbi db, struct gathers *rows);
/* The last row of each lane, for a segment that is sealed with it. */
int lmdb_directory_put(MDB_txn *txn, MDB_dbi db);
/* The first batch of the lane that holds or follows `position`: entry `at` of `entries`. LOG_CORRUPT: that cannot be told from it. */
int lmdb_index_next(MDB_cursor *cursor, bool sealed, uint16_t stream, uint16_t partition,
                    uint64_t position, MDB_val *entries, size_t *at);
/* Adds the records of the lane at or after `position`. */
int lmdb_index_count(MDB_cursor *cursor, bool sealed, uint16_t stream, uint16_t partition,
                     uint64_t position, uint64_t *sum);
/* From `position` to the end of the batch that holds it, in whichever lane; 0: the index does not have it. */
uint32_t lmdb_index_extent(MDB_cursor *cursor, uint64_t position);
/* Records in a row; the directory has none; UINT64_MAX: it is broken. */
uint64_t lmdb_index_records(const MDB_val *key, const MDB_val *value);

/* The table's functions, one file each or with their kin. */
int log_lmdb_begin(struct log *base);
int log_lmdb_append(struct log *base, const struct batch_header *header, const void *body);
int log_lmdb_later_put(struct log *base, const struct batch_header *header, const void *body);
int log_lmdb_later_next(struct log *base, int64_t *due_us, uint64_t *id);
int log_lmdb_later_take(struct log *base, int64_t due_us, uint64_t id, struct batch_header *header,
                        struct span *body);
int log_lmdb_later_read(struct log *base, int64_t due_us, uint64_t id, struct batch_header *header,
                        struct span *body);
int log_lmdb_put_meta(struct log *base, enum log_meta kind, const void *key, size_t key_size,
                      const void *value, size_t value_size);
int log_lmdb_each_meta(struct log *base, enum log_meta kind, log_meta_visit *visit, void *context);
int log_lmdb_commit(struct log *base);
void log_lmdb_abort(struct log *base);
uint64_t log_lmdb_behind(const struct log *base);
int log_lmdb_checkpoint(struct log *base);
bool log_lmdb_roll_due(struct log *base);
int log_lmdb_roll(struct log *base);
int log_lmdb_trim(struct log *base, uint64_t position);
int log_lmdb_next(struct log *base, uint16_t stream, uint16_t partition, uint64_t position,
                  uint64_t *found);
int log_lmdb_next_any(struct log *base, uint64_t position, uint64_t *found);
int log_lmdb_batch(struct log *base, uint64_t position, struct batch_header *header,
                   struct span *body);
uint64_t log_lmdb_count_from(struct log *base, uint16_t stream, uint16_t partition,
                             uint64_t position);
int log_lmdb_lane_find(struct log *base, uint32_t producer, uint16_t stream, uint16_t partition,
                       uint64_t seq, struct log_seq *out);
void log_lmdb_read_end(struct log *base);
int log_lmdb_tidy(struct log *base);
int log_lmdb_rewrite_begin(struct log *base, uint64_t first);
int log_lmdb_rewrite_step(struct log *base, uint64_t bytes, log_rewrite_visit *visit,
                          void *context);
int log_lmdb_rewrite_keep(struct log *base, const struct batch_header *header, const void *body);
void log_lmdb_rewrite_drop(struct log *base);

/* ---- holes (log_lmdb_read.c) ---- */
void lmdb_hole_write(uint8_t row[HOLE_ROW], uint64_t base, uint64_t count);
/* Records that are missing there; 0: it is no hole. */
uint64_t lmdb_hole_read(const MDB_val *value, uint64_t base);

#endif
