/* What is remembered: one environment (LMDB) per shard, tables partitioned by date, one transaction per step.
 *
 * An actor's handlers get the transaction of their step from tip_step_store and never open or commit anything themselves. Opening an
 * environment is for other readers of it (`read_only`), and for tools.
 *
 * Full sync always. An environment is opened once per process and locked by its one writer. Functions return 0 or a negative
 * tip_store_error; TIP_STORE_NOT_FOUND is an answer. After TIP_STORE_FULL, _CORRUPT or _IO the transaction can only be aborted. */
#ifndef TIPOFF_STORE_H
#define TIPOFF_STORE_H

#include <tipoff/api.h>
#include <tipoff/message.h>

enum tip_store_error {
    TIP_STORE_OK = 0,
    TIP_STORE_NOT_FOUND = -1,
    TIP_STORE_BUSY = -2,     /* another process holds the environment */
    TIP_STORE_FULL = -3,     /* disk or map full: nothing of the transaction happened */
    TIP_STORE_CORRUPT = -4,  /* LMDB or a value's own check says so */
    TIP_STORE_IO = -5,       /* errno says */
    TIP_STORE_TOO_LARGE = -6 /* key over TIP_STORE_KEY_MAX */
};
TIP_API const char *tip_store_error_text(int error); /* static */

#define TIP_STORE_KEY_MAX 400 /* bytes of a row's key, beside table and date */
#define TIP_STORE_UNDATED 0   /* the date of rows that have none */

struct tip_store;
struct tip_store_txn;

/* ---- rows, in any transaction ----
 * Tables are names (short, lower case), made on first write. A row = (table, date, key) -> bytes; dates are yyyymmdd. Keys sort bytewise:
 * build them with tip_store_key_*. Arguments are copied; what is returned borrows from the environment: valid until the next write in
 * this transaction, or its end. */
TIP_API int tip_store_put(struct tip_store_txn *txn, const char *table, int32_t date,
                          const void *key, size_t key_size, const void *value, size_t value_size);
TIP_API int tip_store_get(struct tip_store_txn *txn, const char *table, int32_t date,
                          const void *key, size_t key_size, struct tip_span *value);
/* TIP_STORE_NOT_FOUND if there is no such row. */
TIP_API int tip_store_del(struct tip_store_txn *txn, const char *table, int32_t date,
                          const void *key, size_t key_size);
TIP_API int tip_store_clear(struct tip_store_txn *txn, const char *table); /* rows of all dates */

/* The same for a message: put checks and encodes it, get decodes it into the caller's struct (which then borrows like a value). A message
 * that fails its own check, or a value that does, is TIP_STORE_CORRUPT. */
TIP_API int tip_store_put_message(struct tip_store_txn *txn, const char *table, int32_t date,
                                  const void *key, size_t key_size,
                                  const struct tip_message_desc *desc, const void *message);
TIP_API int tip_store_get_message(struct tip_store_txn *txn, const char *table, int32_t date,
                                  const void *key, size_t key_size,
                                  const struct tip_message_desc *desc, void *message);

struct tip_store_row { /* borrows, until the visit returns */
    int32_t date;
    struct tip_span key, value;
};
/* 0 to go on, anything else to stop. Must not write to the table that is walked. */
typedef int tip_store_visit(const struct tip_store_row *row, void *context);
/* Visits the rows of `table` with from <= date <= to (both included; there is no walk without a range) whose key begins with `prefix`
 * (NULL, 0: any), in (date, key) order, or the reverse. Undated rows: from = to = TIP_STORE_UNDATED. 0, a tip_store_error, or what the
 * visit returned to stop. */
TIP_API int tip_store_scan(struct tip_store_txn *txn, const char *table, int32_t from, int32_t to,
                           const void *prefix, size_t prefix_size, bool reverse,
                           tip_store_visit *visit, void *context);

/* ---- keys ----
 * Parts that sort as their values do. A key that grew too long has `too_long` set and is refused by put and get. */
struct tip_store_key {
    uint8_t data[TIP_STORE_KEY_MAX];
    size_t size;
    bool too_long;
};
TIP_API void tip_store_key_start(struct tip_store_key *key);
TIP_API void tip_store_key_text(struct tip_store_key *key, const char *text);
/* Its length is not marked: the last part only. */
TIP_API void tip_store_key_bytes(struct tip_store_key *key, const void *data, size_t size);
TIP_API void tip_store_key_i64(struct tip_store_key *key, int64_t value);
/* Reading back, in order; each moves `rest` on; text borrows from it. 0, or -1 if the key ends early. */
TIP_API int tip_store_key_read_text(struct tip_span *rest, const char **text);
TIP_API int tip_store_key_read_i64(struct tip_span *rest, int64_t *value);

/* ---- environments ---- */
struct tip_store_options {
    size_t map_bytes; /* most the environment may grow to; 0: the setting's default */
    bool read_only;   /* no lock taken; TIP_STORE_IO with ENOENT if nothing is there */
    bool scratch;     /* nothing is fsynced: for what nobody will want after a crash */
    unsigned readers; /* read transactions at once, over all processes; 0: 126 */
};
/* Opens `dir`, creating it (one level). NFS and CIFS are refused. `*out` is the caller's to close. */
TIP_API int tip_store_open(struct tip_store **out, const char *dir,
                           const struct tip_store_options *options);
TIP_API void tip_store_close(struct tip_store **self);
/* One write transaction at a time. Commit makes it durable (fsync) before it returns; on error it is aborted. Either way *txn is NULL. */
TIP_API int tip_store_begin(struct tip_store *self, bool write, struct tip_store_txn **out);
TIP_API int tip_store_commit(struct tip_store_txn **txn);
TIP_API void tip_store_abort(struct tip_store_txn **txn);

#endif
