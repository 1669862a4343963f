/* The journal: what was appended since the active segment's last commit, in one file that is written over and over.
 *
 * A commit of the log is durable when its entry here is: one write and one sync of bytes that have their place on the disk already,
 * where a commit of LMDB scatters pages over a file that grows and syncs twice. The segment gets the same by a commit of its own
 * later, a **checkpoint**; each such commit gives the segment a new generation, and only entries of the segment's generation count. So
 * a checkpoint empties the journal without writing to it.
 *
 * An entry stands at a multiple of 512 bytes (what was acknowledged shares no sector with what is being written):
 *     magic u32 "TJE1", size u32 (of what follows the head), generation u64, number u64 (0, 1, ... of its generation),
 *     crc u32 (CRC-32C of the head but for this field, and of what follows but for bodies, which have their own), reserved u32
 * and then operations, each a letter and
 *     'A' header (80 bytes), body                   an append
 *     'L' header, body                              for later
 *     'T' due u64, id u64                           one for later is taken
 *     'M' kind u8, key size u16, value size u32, key, value     a row of meta
 * Private to broker/log_lmdb*.c. Functions return 0 or a negative log_error. */
#ifndef BROKER_LOG_JOURNAL_H
#define BROKER_LOG_JOURNAL_H

#include "broker/log.h"
#include "schema/pack.h"

#define JOURNAL_FILE "journal"
/* A larger entry is not worth writing twice: it goes to the segment at once. */
#define JOURNAL_ENTRY_BYTES_MAX ((size_t)256 << 10)

struct journal {
    int fd; /* -1: there is none */
    uint64_t bytes, offset;
    uint64_t generation, number; /* of the next entry */
    struct pack entry;           /* being made: its head is filled in when it is written */
    uint32_t crc;                /* of its operations so far */
    bool over;                   /* it has become too large */
};

/* Opens `dir`'s journal for the one writer, or makes it: zeros, synced, renamed (its name is durable with the directory). `bytes` 0:
 * none is made, and one that is there is opened all the same. LOG_NONE: there is none; LOG_IO with EWOULDBLOCK: someone has it. */
int journal_open(struct journal *self, const char *dir, uint64_t bytes);
/* The same without making one and without waiting for who has it. */
int journal_open_there(struct journal *self, const char *dir);
/* True if an entry of `generation` stands at its beginning. For a reader that does not have it. */
bool journal_holds(const char *dir, uint64_t generation);
void journal_close(struct journal *self);
/* Empty from now on, for a segment of this generation. Nothing is written. */
void journal_reset(struct journal *self, uint64_t generation);

/* ---- an entry ---- */
void journal_begin(struct journal *self);
void journal_append(struct journal *self, const struct batch_header *header, const void *body);
void journal_later_put(struct journal *self, const struct batch_header *header, const void *body);
void journal_later_take(struct journal *self, int64_t due_us, uint64_t id);
void journal_meta(struct journal *self, enum log_meta kind, const void *key, size_t key_size,
                  const void *value, size_t value_size);
/* Whether it has room where the next one goes. */
bool journal_fits(const struct journal *self);
/* Writes it and syncs. LOG_IO: it is not there, and will not be (the write failed). LOG_CORRUPT: the sync failed, so nobody knows. */
int journal_commit(struct journal *self);

/* ---- reading it back ---- */
struct journal_visit {
    int (*append)(void *context, const struct batch_header *header, const void *body);
    int (*later_put)(void *context, const struct batch_header *header, const void *body);
    int (*later_take)(void *context, int64_t due_us, uint64_t id);
    int (*meta)(void *context, enum log_meta kind, const struct span *key,
                const struct span *value);
    int (*entry)(void *context); /* all of one was visited */
};
/* Every entry of the journal's generation in order; the next one goes behind them. A visit that returns other than 0 ends it. A broken
 * one that a whole one follows is not the torn end of a write, but damage to what was acknowledged: visited all the same if only a
 * body is broken (which shows when it is read), else LOG_CORRUPT. */
int journal_each(struct journal *self, const struct journal_visit *visit, void *context);
/* What was read may not have been synced by who wrote it. */
int journal_sync(const struct journal *self);

#endif
