#include "store/compact.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/clock.h"
#include "config/fault.h"
#include "schema/pack.h"
#include "store/env_make.h"
#include "store/store_inside.h"

#define TIME_EVERY_ROWS 64 /* the clock is looked at so often */

/* What two files must agree in. */
struct sum {
    uint64_t rows, bytes;
    uint32_t crc; /* CRC-32C over size and bytes of each key and value, in order */
};

struct compaction {
    struct store *store;
    struct store_txn *source; /* of what is copied; NULL: all of it is */
    size_t as_of;             /* LMDB's number of the transaction that is copied */
    MDB_cursor *cursor;       /* in the source while copying, then in the copy */
    bool started;
    MDB_env *copy;
    MDB_txn *reading; /* in the copy */
    MDB_dbi dbi;
    struct sum written, read;
    char path[PATH_MAX];
};

/* ---- how much there is to gain ---- */

int store_space(struct store *store, struct store_space *space)
{
    struct store_txn *txn;
    MDB_envinfo info;
    MDB_stat rows, unused;
    int error = store_begin(store, false, &txn);
    if (error)
        return error;
    int rc = mdb_env_info(store->env, &info);
    if (!rc)
        rc = mdb_stat(txn->txn, store->dbi, &rows);
    if (!rc)
        rc = mdb_stat(txn->txn, 0, &unused); /* LMDB's own list of free pages is database 0 */
    store_abort(&txn);
    if (rc)
        return store_error_of(rc);
    uint64_t pages = info.me_last_pgno + 1;
    uint64_t used = 2 + rows.ms_branch_pages + rows.ms_leaf_pages + rows.ms_overflow_pages +
                    unused.ms_branch_pages + unused.ms_leaf_pages + unused.ms_overflow_pages;
    space->bytes = pages * rows.ms_psize;
    space->free_bytes = pages > used ? (pages - used) * rows.ms_psize : 0;
    return STORE_OK;
}

/* ---- copying ---- */

static int copy_path(char *path, size_t size, const char *dir, const char *name)
{
    return snprintf(path, size, "%s/%s", dir, name) < (int)size ? 0 : ENAMETOOLONG;
}

bool compact_sweep(const char *dir)
{
    char path[PATH_MAX];
    return copy_path(path, sizeof path, dir, COMPACT_FILE) == 0 && unlink(path) == 0;
}

/* Without a lock file: it is nobody's but ours. */
static int copy_open(struct compaction *self, unsigned flags)
{
    size_t map_bytes = self->store->options.map_bytes;
    int rc = mdb_env_create(&self->copy);
    if (!rc)
        rc = mdb_env_set_mapsize(self->copy, map_bytes ? map_bytes : MAP_BYTES_DEFAULT);
    if (!rc)
        rc = mdb_env_open(self->copy, self->path, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NORDAHEAD | flags,
                          0640);
    return rc;
}

static void copy_close(struct compaction *self)
{
    if (self->cursor && !self->source)
        mdb_cursor_close(self->cursor);
    if (self->reading)
        mdb_txn_abort(self->reading);
    if (self->copy)
        mdb_env_close(self->copy);
    if (!self->source)
        self->cursor = NULL;
    self->reading = NULL;
    self->copy = NULL;
}

static void source_close(struct compaction *self)
{
    if (!self->source)
        return;
    if (self->cursor)
        mdb_cursor_close(self->cursor);
    self->cursor = NULL;
    store_abort(&self->source);
}

int compact_begin(struct compaction **out, struct store *store)
{
    struct compaction *self = calloc(1, sizeof *self);
    *out = NULL;
    if (!self)
        return STORE_IO;
    self->store = store;
    int error =
        store->read_only
            ? STORE_IO
            : store_error_of(copy_path(self->path, sizeof self->path, store->dir, COMPACT_FILE));
    if (!error) {
        (void)compact_sweep(store->dir);
        error = store_begin(store, false, &self->source);
    }
    if (!error) {
        self->as_of = mdb_txn_id(self->source->txn);
        error = store_error_of(mdb_cursor_open(self->source->txn, store->dbi, &self->cursor));
    }
    if (!error)
        error = store_error_of(copy_open(self, 0));
    if (error) {
        int saved = errno;
        compact_drop(&self);
        errno = saved;
        return error;
    }
    *out = self;
    return STORE_OK;
}

static void sum_add(struct sum *sum, const MDB_val *key, const MDB_val *value)
{
    uint64_t sizes[2] = {key->mv_size, value->mv_size};
    sum->rows++;
    sum->bytes += key->mv_size + value->mv_size;
    sum->crc = pack_crc32c(sum->crc, sizes, sizeof sizes);
    sum->crc = pack_crc32c(sum->crc, key->mv_data, key->mv_size);
    sum->crc = pack_crc32c(sum->crc, value->mv_data, value->mv_size);
}

/* The next row under the cursor; MDB_NOTFOUND behind the last. */
static int next_row(struct compaction *self, MDB_val *key, MDB_val *value)
{
    int rc = mdb_cursor_get(self->cursor, key, value, self->started ? MDB_NEXT : MDB_FIRST);
    self->started = true;
    return rc;
}

/* Table, NUL, date and more. What is not of this form is no store's: LMDB's named databases would be lost by copying. */
static bool is_row(const MDB_val *key)
{
    const uint8_t *end = memchr(key->mv_data, '\0', key->mv_size);
    return end && key->mv_size - (size_t)(end + 1 - (const uint8_t *)key->mv_data) >= DATE_BYTES;
}

/* Rows come in the order of their keys: each is put behind the last, and pages are left full. */
static int copy_rows(struct compaction *self, MDB_txn *txn, const struct compact_slice *slice)
{
    int64_t until_us = clock_mono_us() + slice->time_us;
    uint64_t until_bytes = self->written.bytes + slice->bytes;
    for (uint32_t seen = 1;; seen++) {
        MDB_val key, value;
        int rc = next_row(self, &key, &value);
        if (rc)
            return rc;
        if (!is_row(&key))
            return MDB_INCOMPATIBLE;
        sum_add(&self->written, &key, &value);
        rc = mdb_put(txn, self->dbi, &key, &value, MDB_APPEND);
        if (rc)
            return rc;
        if (self->written.bytes >= until_bytes ||
            (seen % TIME_EVERY_ROWS == 0 && clock_mono_us() >= until_us))
            return 0;
    }
}

static int copy_turn(struct compaction *self, const struct compact_slice *slice)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(self->copy, NULL, 0, &txn);
    if (rc)
        return store_error_of(rc);
    rc = mdb_dbi_open(txn, NULL, 0, &self->dbi);
    int end = rc ? rc : copy_rows(self, txn, slice);
    if (end && end != MDB_NOTFOUND) {
        mdb_txn_abort(txn);
        return store_error_of(end);
    }
    if (fault_hit(FAULT_DISK_FULL)) {
        mdb_txn_abort(txn);
        return STORE_FULL;
    }
    rc = mdb_txn_commit(txn); /* synced */
    (void)fault_hit(FAULT_COMPACT_SLICE);
    if (rc || !end)
        return rc ? store_error_of(rc) : 1;
    source_close(self);
    rc = mdb_env_sync(self->copy, 1);
    copy_close(self);
    return rc ? store_error_of(rc) : 1;
}

/* ---- reading back ---- */

static int check_open(struct compaction *self)
{
    int rc = copy_open(self, MDB_RDONLY);
    if (!rc)
        rc = mdb_txn_begin(self->copy, NULL, MDB_RDONLY, &self->reading);
    if (!rc)
        rc = mdb_cursor_open(self->reading, self->dbi, &self->cursor);
    self->started = false;
    return store_error_of(rc);
}

static int check_turn(struct compaction *self, const struct compact_slice *slice)
{
    int64_t until_us = clock_mono_us() + slice->time_us;
    uint64_t until_bytes = self->read.bytes + slice->bytes;
    int error = self->copy ? STORE_OK : check_open(self);
    if (error)
        return error;
    for (uint32_t seen = 1;; seen++) {
        MDB_val key, value;
        int rc = next_row(self, &key, &value);
        if (rc == MDB_NOTFOUND)
            break;
        if (rc)
            return store_error_of(rc);
        sum_add(&self->read, &key, &value);
        if (self->read.bytes >= until_bytes ||
            (seen % TIME_EVERY_ROWS == 0 && clock_mono_us() >= until_us))
            return 1;
    }
    copy_close(self);
    if (self->read.rows != self->written.rows || self->read.bytes != self->written.bytes ||
        self->read.crc != self->written.crc)
        return STORE_CORRUPT;
    (void)fault_hit(FAULT_COMPACT_CHECKED);
    return 0;
}

int compact_turn(struct compaction *self, const struct compact_slice *slice)
{
    return self->source ? copy_turn(self, slice) : check_turn(self, slice);
}

uint64_t compact_rows(const struct compaction *self)
{
    return self->written.rows;
}

void compact_drop(struct compaction **self_ref)
{
    struct compaction *self = *self_ref;
    if (!self)
        return;
    source_close(self);
    copy_close(self);
    if (self->path[0])
        (void)unlink(self->path);
    free(self);
    *self_ref = NULL;
}

/* ---- swapping ---- */

/* The name, durably. LMDB's lock file speaks of the old file: it goes, too, and is made anew. */
static int file_rename(struct compaction *self)
{
    const char *dir = self->store->dir;
    char file[PATH_MAX], lock[PATH_MAX];
    int rc = copy_path(file, sizeof file, dir, ENV_FILE);
    if (!rc)
        rc = copy_path(lock, sizeof lock, dir, "lock.mdb");
    if (!rc && rename(self->path, file) != 0)
        rc = errno;
    if (rc)
        return rc;
    self->path[0] = '\0';
    (void)fault_hit(FAULT_COMPACT_RENAMED);
    (void)unlink(lock);
    (void)env_dir_sync(dir); /* to be sure of it is for store_reopen, which ends it all otherwise */
    (void)fault_hit(FAULT_COMPACT_SWAPPED);
    return 0;
}

int compact_swap(struct compaction **self_ref)
{
    struct compaction *self = *self_ref;
    struct store *store = self->store;
    MDB_envinfo info;
    if (store->writer.open || store->reading > 0)
        return 1;
    int rc = mdb_env_info(store->env, &info);
    int error = store_error_of(rc);
    if (!error && info.me_last_txnid != self->as_of)
        error = STORE_BUSY;
    if (!error && !store_gate_take(store))
        return 1;
    if (!error) {
        error = store_error_of(file_rename(self));
        if (!error && store_reopen(store) != STORE_OK)
            error = STORE_CORRUPT;
        store_gate_give(store);
    }
    compact_drop(self_ref);
    return error;
}
