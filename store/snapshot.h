/* Snapshots: an environment as of one instant, compact, in one file; made in slices while its owner goes on writing, so
 * that a lost environment is made again from the newest one and the log behind it.
 *
 * The file, `snap-<cursor, 20 digits>`: head (what it is of), chunks of rows (each with its CRC-32C), end (how many there are, and
 * a CRC over those of all chunks); all numbers big-endian. Nothing in a chunk is believed before its CRC was compared. While it is
 * being written it is called `snap-<cursor>.<owner>.tmp` and flock'ed by its writer; it gets its name when it is whole, was
 * read back and is synced. One that turned out broken is called `snap-<cursor>.bad`.
 * Functions return 0 or a negative store_error, unless they say otherwise. */
#ifndef STORE_SNAPSHOT_H
#define STORE_SNAPSHOT_H

#include "store/store.h"

#define SNAPSHOT_MOST 64 /* of a folder that are looked at */

/* Written into its head: as of which instant. */
struct snapshot_about {
    uint64_t cursor, counted_from; /* of the shard; the first is what it is named by */
    uint64_t step, epoch;
    int64_t league_us; /* when it was begun */
};

/* ---- making one ---- */

struct snapshot_writer;

struct snapshot_slice {
    size_t bytes;    /* copied, or read back, in one turn; one row is always taken */
    int64_t time_us; /* ... or so long */
};
/* Rows for which it says true are left out. `key`: table, NUL, date, row's key. */
typedef bool snapshot_leaves_out(const struct span *key);

/* A read transaction is held from here on: what is committed later is not in it. `folder` exists; leftovers of dead
 * writers in it are removed. `owner`: a few letters that no other writer's file has. */
int snapshot_begin(struct snapshot_writer **out, struct store *store, const char *folder,
                   const char *owner, const struct snapshot_about *about,
                   snapshot_leaves_out *leaves_out);
/* The next slice: copied and synced, or read back. 1: there is more; 0: it is whole and durable, but for its name. */
int snapshot_turn(struct snapshot_writer *self, const struct snapshot_slice *slice);
uint64_t snapshot_rows(const struct snapshot_writer *self); /* copied so far */
uint64_t snapshot_bytes(const struct snapshot_writer *self);
/* Gives it its name, durably, then leaves the `keep` newest ones. Frees it, whatever it returns. */
int snapshot_name(struct snapshot_writer **self, uint32_t keep);
void snapshot_drop(struct snapshot_writer **self); /* as if it had never been begun */

/* ---- those there are ---- */

/* Cursors of the whole ones, newest first; at most `most`. How many; 0 too if there is no such folder. */
uint32_t snapshot_list(const char *folder, uint64_t *cursors, uint32_t most);
/* The path of one; -1 if it does not fit. */
int snapshot_path(char *path, size_t size, const char *folder, uint64_t cursor);
void snapshot_set_aside(const char *folder, uint64_t cursor); /* it is broken */
/* Those with above < cursor <= last, durably; what cannot be is logged. */
void snapshot_remove(const char *folder, uint64_t above, uint64_t last);
/* Removes what dead writers left; what lives is counted in `*found` too (both may be NULL). */
void snapshot_sweep(const char *folder, int64_t *found, int64_t *removed);

/* ---- reading one ---- */

struct snapshot_reader;

/* STORE_CORRUPT: it is none, or a broken one. */
int snapshot_open(struct snapshot_reader **out, const char *path, struct snapshot_about *about);
void snapshot_close(struct snapshot_reader **self);
/* Checks the next chunk and visits its rows. 1: there is more; 0: that was the end, and all of it agrees. Anything else that
 * `visit` (may be NULL) returns stops it and is returned. */
typedef int snapshot_visit(const struct span *key, const struct span *value, void *context);
int snapshot_next(struct snapshot_reader *self, snapshot_visit *visit, void *context);
/* The same, into `store`, in one durable transaction a chunk. */
int snapshot_load(struct snapshot_reader *self, struct store *store);

#endif
