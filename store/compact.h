/* Compaction: LMDB's file never shrinks. What a store holds is copied beside it, row by row, without free pages and half-empty ones;
 * the copy is read back and compared (rows, bytes and a CRC over all keys and values), and takes the file's name by one rename. A
 * kill or a power cut at any point leaves the old file or the new one, whole.
 *
 * The store's owner does it, for nobody else may write there, and only the owner knows when it is between two steps. It makes no step
 * meanwhile: a commit would not be in the copy, which is then of no use, and said to be. It is done in slices, so that the owner goes on
 * to say that it lives, and can give up; mdb_env_copy2 is one call of any length, and leaves half-empty pages as they are.
 * Functions return 0 or a negative store_error, unless they say otherwise. */
#ifndef STORE_COMPACT_H
#define STORE_COMPACT_H

#include "store/store.h"

#define COMPACT_FILE "data.compact" /* beside data.mdb; left behind by a kill: of no use */

struct store_space {
    uint64_t bytes;      /* of the file, as far as pages were ever used */
    uint64_t free_bytes; /* of which nothing is in use */
};
/* Cheap: counts no pages. */
int store_space(struct store *store, struct store_space *space);

struct compaction;

struct compact_slice {
    size_t bytes;    /* copied and synced, or read back, in one turn; one row is always taken */
    int64_t time_us; /* ... or so long, without the sync */
};

/* Begins one. Nothing is written to the store until its end. */
int compact_begin(struct compaction **out, struct store *store);
/* The next slice. 1: there is more; 0: the copy is whole, durable and equal. */
int compact_turn(struct compaction *self, const struct compact_slice *slice);
/* Puts the copy in the file's place. 1: not now, somebody reads (ask again). STORE_BUSY: the store was written to meanwhile. Else it is
 * over, and freed. After STORE_CORRUPT nothing can be read from `store` any more: the process is to end, the next one opens what
 * is there. */
int compact_swap(struct compaction **self);
void compact_drop(struct compaction **self); /* as if it had never been begun */

uint64_t compact_rows(const struct compaction *self);
/* Removes what a dead one left in `dir`, which the caller has to itself. True: there was something. */
bool compact_sweep(const char *dir);

#endif
