/* What is remembered: one LMDB environment per shard (or per materialised view), typed tables partitioned by
 * game date, one transaction per step.
 *
 * Full sync always. An environment is opened once per process and flock'ed by its one writer: a second writer is
 * refused (STORE_BUSY). Readers of other processes open it read-only, for milliseconds at a time.
 * Functions return 0 or a negative store_error; STORE_NOT_FOUND is an answer, the rest are logged by whoever knows why. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schema/message.h"

enum store_error {
    STORE_OK = 0,
    STORE_NOT_FOUND = -1,
    STORE_BUSY = -2,     /* another process holds the environment */
    STORE_FULL = -3,     /* disk or map full: nothing of the transaction happened */
    STORE_CORRUPT = -4,  /* LMDB or a value's own check says so */
    STORE_IO = -5,       /* errno says */
    STORE_TOO_LARGE = -6 /* key over STORE_KEY_MAX */
};
const char *store_error_text(int error);

#define STORE_KEY_MAX 400 /* bytes of a row's key, beside table and date */
#define STORE_UNDATED 0   /* the date of rows that have none */

struct store;
struct store_txn;

struct store_options {
    size_t map_bytes; /* most the environment may grow to; 0: setting's default */
    bool read_only;   /* no lock taken; ENOENT if nothing is there */
    bool scratch; /* nothing is fsynced: for what nobody will want after a crash (replay, tests) */
    unsigned readers; /* read transactions at once, over all processes; 0: 126 */
};
/* `dir` is created (one level). NFS and CIFS are refused. */
int store_open(struct store **out, const char *dir, const struct store_options *options);
void store_close(struct store **self);
const char *store_dir(const struct store *self);

/* One write transaction at a time. Commit makes it durable (fsync) before it returns; on error it is aborted. */
int store_begin(struct store *self, bool write, struct store_txn **out);
int store_commit(struct store_txn **txn);
void store_abort(struct store_txn **txn);

/* Tables are names (short, lower case), made on first write. A row = (table, date, key) -> bytes.
 * Data returned borrows from the map: valid until the next write in this transaction or its end.
 * Keys sort bytewise; use store_key_* below for numbers and parts. */
int store_put(struct store_txn *txn, const char *table, int32_t date, const void *key,
              size_t key_size, const void *value, size_t value_size);
int store_get(struct store_txn *txn, const char *table, int32_t date, const void *key,
              size_t key_size, struct span *value);
int store_del(struct store_txn *txn, const char *table, int32_t date, const void *key,
              size_t key_size);                            /* NOT_FOUND if absent */
int store_clear(struct store_txn *txn, const char *table); /* every row of every date */
int store_clear_all(struct store_txn *txn);                /* every row of every table */
uint64_t store_writes(const struct store_txn *txn);        /* puts, deletes and clears so far */

/* The same for a message: encoded and checked by its descriptor. `error` may be NULL. */
int store_put_message(struct store_txn *txn, const char *table, int32_t date, const void *key,
                      size_t key_size, const struct message_desc *desc, const void *message);
int store_get_message(struct store_txn *txn, const char *table, int32_t date, const void *key,
                      size_t key_size, const struct message_desc *desc, void *message);

/* A walk over the rows of `table` with from <= date <= to (both included; there is no walk without a range), whose key
 * begins with `prefix` (may be NULL/0), in (date, key) order, or the reverse. The callback returns 0 to go on,
 * anything else to stop (returned by store_scan). It must not write to the same table.
 * Undated rows: from = to = STORE_UNDATED. */
struct store_row {
    int32_t date;
    struct span key, value;
};
typedef int store_visit(const struct store_row *row, void *context);
int store_scan(struct store_txn *txn, const char *table, int32_t from, int32_t to,
               const void *prefix, size_t prefix_size, bool reverse, store_visit *visit,
               void *context);

/* Every row of every table, in order of table, date and key: for people who look into an environment. As above otherwise. */
typedef int store_visit_each(const char *table, const struct store_row *row, void *context);
int store_each(struct store_txn *txn, store_visit_each *visit, void *context);

/* Key building: parts that sort as their values do. Numbers are 8 bytes big-endian with the sign bit flipped; text is its
 * bytes and a NUL. */
struct store_key {
    uint8_t data[STORE_KEY_MAX];
    size_t size;
    bool too_long;
};
void store_key_start(struct store_key *key);
void store_key_text(struct store_key *key, const char *text);
void store_key_bytes(struct store_key *key, const void *data,
                     size_t size); /* length not marked: last part only */
void store_key_i64(struct store_key *key, int64_t value);
/* Reading back, in order; -1 if the key ends early. */
int store_key_read_text(struct span *rest, const char **text);
int store_key_read_i64(struct span *rest, int64_t *value);

#endif
