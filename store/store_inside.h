/* The inside of a store, shared by store.c and store_walk.c. */
#ifndef STORE_STORE_INSIDE_H
#define STORE_STORE_INSIDE_H

#include <lmdb.h>
#include <sys/types.h>

#include "store/store.h"

#define TABLE_MAX 63
#define DATE_BYTES 4
#define MAP_BYTES_DEFAULT ((size_t)64 << 30)
#define FULL_KEY_MAX (TABLE_MAX + 1 + DATE_BYTES + STORE_KEY_MAX) /* LMDB's own limit is 511 */

struct store_txn {
    struct store *store;
    MDB_txn *txn;
    bool write, open;
    int failed; /* the first error that spoils the whole transaction */
    uint64_t writes;
};

struct store {
    MDB_env *env; /* NULL: it could not be opened again, see store_reopen */
    MDB_dbi dbi;
    bool read_only;
    struct store_options options;
    int lock_fd;
    int gate_fd;      /* store_gate.c; -1: none can be had */
    unsigned inside;  /* how often this process, a reader, went in */
    unsigned reading; /* read transactions that are open */
    ino_t file_inode; /* of the ENV_FILE that is mapped */
    dev_t device;
    ino_t inode;
    struct store_txn writer,
        reader; /* the one write transaction; a read transaction kept for renewal */
    char *dir;
    struct store *next; /* of all that this process has open */
};

struct store_full_key {
    uint8_t data[FULL_KEY_MAX + 1];
    size_t size, head; /* head: table, NUL and date */
};

/* 0, or STORE_TOO_LARGE. */
int store_full_key(struct store_full_key *full, const char *table, int32_t date, const void *key,
                   size_t key_size);
/* The store_error of what LMDB said. Keeps the first that makes the transaction worthless, so that a caller who looks away
 * cannot commit half of it. */
int store_spoil(struct store_txn *txn, int rc);

int store_error_of(int rc); /* what LMDB or errno said, as a store_error */

/* Opens again what has ENV_FILE's name now; nobody reads or writes through `self`. If that fails, every call says STORE_IO. */
int store_reopen(struct store *self);

/* ---- store_gate.c: readers of other processes, and the file that is swapped under them ----
 *
 * LMDB's lock file tells of one data file: who maps the old one and begins a transaction by what the lock file says of the new one
 * reads garbage, and so the other way round. So a reader is inside, with a shared lock on DIR/gate, while it opens the environment and
 * while a transaction of it is open; when it comes in it looks whether the file is still the one that it has mapped, and else opens the new
 * one. The owner swaps with the lock for itself alone, for some milliseconds. Readers of other makes
 * (LMDB's own tools) do not know the gate: what they have open stays as it was, for the old lock file goes with the old file. */
void store_gate_open(struct store *self);
void store_gate_close(struct store *self);
int store_gate_enter(struct store *self); /* STORE_BUSY: not within some seconds */
void store_gate_leave(struct store *self);
bool store_gate_take(struct store *self); /* by the owner; false: someone is inside */
void store_gate_give(struct store *self);

#endif
