/* The inside of a store, shared by store.c and store_walk.c. */
#ifndef STORE_STORE_INSIDE_H
#define STORE_STORE_INSIDE_H

#include <lmdb.h>
#include <sys/types.h>

#include "store/store.h"

#define TABLE_MAX 63
#define DATE_BYTES 4
#define FULL_KEY_MAX (TABLE_MAX + 1 + DATE_BYTES + STORE_KEY_MAX) /* LMDB's own limit is 511 */

struct store_txn {
    struct store *store;
    MDB_txn *txn;
    bool write, open;
    int failed; /* the first error that spoils the whole transaction */
    uint64_t writes;
};

struct store {
    MDB_env *env;
    MDB_dbi dbi;
    bool read_only;
    int lock_fd;
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

#endif
