/* Environments over LMDB. One database holds every table: key = table, NUL, date (4 bytes, big-endian, sign bit flipped), row's
 * key; so tables cost nothing, and a walk over dates of one table is a walk over neighbours. */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "config/fault.h"

#define MAP_BYTES_DEFAULT ((size_t)64 << 30)
#define READERS_DEFAULT 126
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

/* LMDB's locks belong to the process: opening an environment twice, closing it once, would drop them. */
static struct store *opened;

struct full_key {
    uint8_t data[FULL_KEY_MAX + 1];
    size_t size, head; /* head: table, NUL and date */
};

const char *store_error_text(int error)
{
    static const char *const texts[] = {"no error",
                                        "not found",
                                        "held by another process",
                                        "no space: disk or map is full",
                                        "corrupt",
                                        "input/output error",
                                        "key too large"};
    return error <= 0 && error >= STORE_TOO_LARGE ? texts[-error] : "unknown error";
}

static int error_of(int rc)
{
    switch (rc) {
    case MDB_SUCCESS:
        return STORE_OK;
    case MDB_NOTFOUND:
        return STORE_NOT_FOUND;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case ENOSPC:
    case EDQUOT:
        return STORE_FULL;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_PANIC:
        return STORE_CORRUPT;
    case MDB_BAD_VALSIZE:
        return STORE_TOO_LARGE;
    default:
        errno = rc > 0 ? rc : EIO;
        return STORE_IO;
    }
}

/* ---- opening ---- */

static int filesystem_check(const char *dir)
{
    static const unsigned long remote[] = {0x6969ul, 0x517bul, 0xff534d42ul, 0xfe534d42ul};
    struct statfs info;
    if (statfs(dir, &info) != 0)
        return STORE_IO;
    for (size_t i = 0; i < sizeof remote / sizeof *remote; i++)
        if (((unsigned long)info.f_type & 0xfffffffful) == remote[i]) {
            errno = EREMOTEIO; /* its locks and its mmap cannot be trusted */
            return STORE_IO;
        }
    return STORE_OK;
}

static int lock_take(struct store *self)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/lock", self->dir) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return STORE_IO;
    }
    self->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (self->lock_fd < 0)
        return errno == ENOSPC ? STORE_FULL : STORE_IO;
    if (flock(self->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? STORE_BUSY : STORE_IO;
    return STORE_OK;
}

static int env_open(struct store *self, const struct store_options *options)
{
    MDB_txn *txn = NULL;
    int dead;
    int rc = mdb_env_create(&self->env);
    if (!rc)
        rc = mdb_env_set_mapsize(self->env,
                                 options->map_bytes ? options->map_bytes : MAP_BYTES_DEFAULT);
    if (!rc)
        rc = mdb_env_set_maxreaders(self->env,
                                    options->readers ? options->readers : READERS_DEFAULT);
    if (!rc)
        rc = mdb_env_open(self->env, self->dir,
                          MDB_NOTLS | MDB_NORDAHEAD | (self->read_only ? MDB_RDONLY : 0) |
                              (options->scratch ? MDB_NOSYNC : 0),
                          0640);
    if (!rc)
        rc = mdb_reader_check(self->env, &dead);
    if (!rc)
        rc = mdb_txn_begin(self->env, NULL, self->read_only ? MDB_RDONLY : 0, &txn);
    if (!rc)
        rc = mdb_dbi_open(txn, NULL, 0, &self->dbi);
    if (!rc)
        rc = mdb_txn_commit(txn);
    else if (txn)
        mdb_txn_abort(txn);
    return error_of(rc);
}

static int already_open(const struct store *self)
{
    for (const struct store *other = opened; other; other = other->next)
        if (other->device == self->device && other->inode == self->inode)
            return STORE_BUSY;
    return STORE_OK;
}

static int store_try_open(struct store *self, const struct store_options *options)
{
    struct stat info;
    if (!self->read_only && mkdir(self->dir, 0750) != 0 && errno != EEXIST)
        return errno == ENOSPC ? STORE_FULL : STORE_IO;
    if (stat(self->dir, &info) != 0)
        return STORE_IO;
    self->device = info.st_dev;
    self->inode = info.st_ino;
    int error = already_open(self);
    if (!error)
        error = filesystem_check(self->dir);
    if (!error && !self->read_only)
        error = lock_take(self);
    return error ? error : env_open(self, options);
}

int store_open(struct store **out, const char *dir, const struct store_options *options)
{
    static const struct store_options defaults;
    struct store *self = calloc(1, sizeof *self);
    *out = NULL;
    if (!self)
        return STORE_IO;
    if (!options)
        options = &defaults;
    self->lock_fd = -1;
    self->read_only = options->read_only;
    self->dir = strdup(dir);
    int error = self->dir ? store_try_open(self, options) : STORE_IO;
    if (error) {
        int saved = errno;
        store_close(&self);
        errno = saved;
        return error;
    }
    self->next = opened;
    opened = self;
    *out = self;
    return STORE_OK;
}

void store_close(struct store **self_ref)
{
    struct store *self = *self_ref;
    if (!self)
        return;
    for (struct store **at = &opened; *at; at = &(*at)->next)
        if (*at == self) {
            *at = self->next;
            break;
        }
    if (self->writer.txn)
        mdb_txn_abort(self->writer.txn);
    if (self->reader.txn)
        mdb_txn_abort(self->reader.txn);
    if (self->env)
        mdb_env_close(self->env);
    if (self->lock_fd >= 0)
        close(self->lock_fd);
    free(self->dir);
    free(self);
    *self_ref = NULL;
}

const char *store_dir(const struct store *self)
{
    return self->dir;
}

/* ---- transactions ---- */

/* Another process may have grown the map: take over its size, which needs that no transaction is open here. */
static int grown_retry(struct store *self, int rc, MDB_txn **txn, unsigned flags)
{
    if (rc != MDB_MAP_RESIZED || self->writer.open || self->reader.open)
        return rc;
    if (self->reader.txn) {
        mdb_txn_abort(self->reader.txn);
        self->reader.txn = NULL;
    }
    rc = mdb_env_set_mapsize(self->env, 0);
    return rc ? rc : mdb_txn_begin(self->env, NULL, flags, txn);
}

static int read_begin(struct store *self, struct store_txn **out)
{
    struct store_txn *txn = &self->reader;
    int rc;
    if (txn->open) { /* a second one at once */
        txn = calloc(1, sizeof *txn);
        if (!txn)
            return STORE_IO;
    }
    if (txn->txn)
        rc = mdb_txn_renew(txn->txn);
    else
        rc = mdb_txn_begin(self->env, NULL, MDB_RDONLY, &txn->txn);
    rc = grown_retry(self, rc, &txn->txn, MDB_RDONLY);
    if (rc) {
        if (txn != &self->reader)
            free(txn);
        return error_of(rc);
    }
    txn->store = self;
    txn->open = true;
    *out = txn;
    return STORE_OK;
}

int store_begin(struct store *self, bool write, struct store_txn **out)
{
    *out = NULL;
    if (!write)
        return read_begin(self, out);
    if (self->writer.open || self->read_only) {
        errno = EINVAL;
        return STORE_IO;
    }
    struct store_txn *txn = &self->writer;
    int rc = mdb_txn_begin(self->env, NULL, 0, &txn->txn);
    rc = grown_retry(self, rc, &txn->txn, 0);
    if (rc) {
        txn->txn = NULL;
        return error_of(rc);
    }
    *txn = (struct store_txn){.store = self, .txn = txn->txn, .write = true, .open = true};
    *out = txn;
    return STORE_OK;
}

int store_commit(struct store_txn **txn_ref)
{
    struct store_txn *txn = *txn_ref;
    if (!txn->write) {
        store_abort(txn_ref);
        return STORE_OK;
    }
    int error = fault_hit(FAULT_DISK_FULL) ? STORE_FULL : txn->failed;
    if (error) {
        store_abort(txn_ref);
        return error;
    }
    error = error_of(mdb_txn_commit(txn->txn)); /* frees it, whatever it returns */
    txn->txn = NULL;
    txn->open = false;
    *txn_ref = NULL;
    return error;
}

void store_abort(struct store_txn **txn_ref)
{
    struct store_txn *txn = *txn_ref;
    if (!txn)
        return;
    *txn_ref = NULL;
    txn->open = false;
    if (!txn->write && txn == &txn->store->reader) {
        mdb_txn_reset(txn->txn);
        return;
    }
    mdb_txn_abort(txn->txn);
    txn->txn = NULL;
    if (!txn->write)
        free(txn);
}

uint64_t store_writes(const struct store_txn *txn)
{
    return txn->writes;
}

/* ---- rows ---- */

static int full_key(struct full_key *full, const char *table, int32_t date, const void *key,
                    size_t key_size)
{
    size_t table_size = strlen(table);
    if (table_size == 0 || table_size > TABLE_MAX || key_size > STORE_KEY_MAX)
        return STORE_TOO_LARGE;
    uint8_t *at = full->data;
    memcpy(at, table, table_size + 1);
    at += table_size + 1;
    uint32_t sorted = (uint32_t)date ^ 0x80000000u;
    for (int i = 0; i < DATE_BYTES; i++)
        *at++ = (uint8_t)(sorted >> (8 * (DATE_BYTES - 1 - i)));
    full->head = (size_t)(at - full->data);
    if (key_size)
        memcpy(at, key, key_size);
    full->size = full->head + key_size;
    return STORE_OK;
}

/* Keeps the first error that makes the transaction worthless, so that a caller who looks away cannot commit half of it. */
static int spoil(struct store_txn *txn, int rc)
{
    int error = error_of(rc);
    if (txn->write && error != STORE_OK && error != STORE_NOT_FOUND && !txn->failed)
        txn->failed = error;
    return error;
}

int store_put(struct store_txn *txn, const char *table, int32_t date, const void *key,
              size_t key_size, const void *value, size_t value_size)
{
    struct full_key full;
    int error = full_key(&full, table, date, key, key_size);
    if (error)
        return error;
    MDB_val k = {full.size, full.data}, v = {value_size, (void *)(uintptr_t)value};
    txn->writes++;
    return spoil(txn, mdb_put(txn->txn, txn->store->dbi, &k, &v, 0));
}

int store_get(struct store_txn *txn, const char *table, int32_t date, const void *key,
              size_t key_size, struct span *value)
{
    struct full_key full;
    int error = full_key(&full, table, date, key, key_size);
    if (error)
        return error;
    MDB_val k = {full.size, full.data}, v;
    error = spoil(txn, mdb_get(txn->txn, txn->store->dbi, &k, &v));
    if (!error)
        *value = (struct span){v.mv_data, (uint32_t)v.mv_size};
    return error;
}

int store_del(struct store_txn *txn, const char *table, int32_t date, const void *key,
              size_t key_size)
{
    struct full_key full;
    int error = full_key(&full, table, date, key, key_size);
    if (error)
        return error;
    MDB_val k = {full.size, full.data};
    txn->writes++;
    return spoil(txn, mdb_del(txn->txn, txn->store->dbi, &k, NULL));
}

int store_clear(struct store_txn *txn, const char *table)
{
    struct full_key full;
    MDB_cursor *cursor;
    int error = full_key(&full, table, INT32_MIN, NULL, 0);
    if (error)
        return error;
    size_t name_size = strlen(table) + 1;
    MDB_val k = {full.size, full.data}, v;
    txn->writes++;
    int rc = mdb_cursor_open(txn->txn, txn->store->dbi, &cursor);
    if (rc)
        return spoil(txn, rc);
    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    while (!rc && k.mv_size >= name_size && memcmp(k.mv_data, table, name_size) == 0) {
        rc = mdb_cursor_del(cursor, 0);
        if (!rc)
            rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? STORE_OK : spoil(txn, rc);
}

int store_clear_all(struct store_txn *txn)
{
    txn->writes++;
    return spoil(txn, mdb_drop(txn->txn, txn->store->dbi, 0));
}

/* ---- messages ---- */

int store_put_message(struct store_txn *txn, const char *table, int32_t date, const void *key,
                      size_t key_size, const struct message_desc *desc, const void *message)
{
    uint8_t small[2048];
    struct message_error error;
    size_t most = message_size_max(desc, message);
    uint8_t *buffer = most > sizeof small ? malloc(most) : small;
    if (!buffer)
        return STORE_IO;
    long size = message_encode(desc, message, buffer, most, &error);
    int result =
        size < 0 ? STORE_CORRUPT : store_put(txn, table, date, key, key_size, buffer, (size_t)size);
    if (buffer != small)
        free(buffer);
    return result;
}

int store_get_message(struct store_txn *txn, const char *table, int32_t date, const void *key,
                      size_t key_size, const struct message_desc *desc, void *message)
{
    struct span value;
    struct message_error why;
    int error = store_get(txn, table, date, key, key_size, &value);
    if (!error && message_decode(desc, value.data, value.size, message, &why) != 0)
        error = STORE_CORRUPT;
    return error;
}

/* ---- walking ---- */

struct walk {
    const char *table;
    size_t table_size; /* with its NUL */
    const uint8_t *prefix;
    size_t prefix_size;
    int32_t from, to;
    bool reverse;
    MDB_cursor *cursor;
    MDB_val key, value;
};

/* The row under the cursor; false if it belongs to another table. */
static bool walk_row(const struct walk *self, struct store_row *row)
{
    const uint8_t *at = self->key.mv_data;
    if (self->key.mv_size < self->table_size + DATE_BYTES ||
        memcmp(at, self->table, self->table_size) != 0)
        return false;
    at += self->table_size;
    uint32_t sorted = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    row->date = (int32_t)(sorted ^ 0x80000000u);
    row->key = (struct span){at + DATE_BYTES,
                             (uint32_t)(self->key.mv_size - self->table_size - DATE_BYTES)};
    row->value = (struct span){self->value.mv_data, (uint32_t)self->value.mv_size};
    return true;
}

/* To the first row at or after (date, key); in reverse to the last one before it. */
static int walk_seek(struct walk *self, int32_t date, const void *key, size_t size)
{
    struct full_key full;
    int error = full_key(&full, self->table, date, key, size);
    if (error)
        return MDB_BAD_VALSIZE;
    self->key = (MDB_val){full.size, full.data};
    int rc = mdb_cursor_get(self->cursor, &self->key, &self->value, MDB_SET_RANGE);
    if (!self->reverse)
        return rc;
    return mdb_cursor_get(self->cursor, &self->key, &self->value,
                          rc == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
}

/* In reverse: to the last row of `date` with the prefix, or before. */
static int walk_seek_end(struct walk *self, int32_t date)
{
    uint8_t after[STORE_KEY_MAX];
    size_t size = self->prefix_size;
    if (size)
        memcpy(after, self->prefix, size);
    while (size && after[size - 1] == 0xff)
        size--;
    if (size) {
        after[size - 1]++;
        return walk_seek(self, date, after, size);
    }
    if (date < INT32_MAX)
        return walk_seek(self, date + 1, NULL, 0);
    /* behind every row of the table: no key of it begins with the table's name and a byte above NUL */
    uint8_t full[TABLE_MAX + 1];
    memcpy(full, self->table, self->table_size);
    full[self->table_size - 1] = 1;
    self->key = (MDB_val){self->table_size, full};
    int rc = mdb_cursor_get(self->cursor, &self->key, &self->value, MDB_SET_RANGE);
    return mdb_cursor_get(self->cursor, &self->key, &self->value,
                          rc == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
}

static int walk_enter(struct walk *self, int32_t date)
{
    return self->reverse ? walk_seek_end(self, date)
                         : walk_seek(self, date, self->prefix, self->prefix_size);
}

static int compare_prefix(const struct walk *self, const struct span *key)
{
    size_t size = key->size < self->prefix_size ? key->size : self->prefix_size;
    int order = size ? memcmp(key->data, self->prefix, size) : 0;
    return order ? order : (key->size < self->prefix_size ? -1 : 0);
}

/* The next row that is asked for, from where the cursor stands. */
static int walk_settle(struct walk *self, int rc, struct store_row *row)
{
    while (!rc) {
        if (!walk_row(self, row) || row->date > self->to || row->date < self->from)
            return MDB_NOTFOUND;
        int order = compare_prefix(self, &row->key);
        if (order == 0)
            return MDB_SUCCESS;
        bool here =
            self->reverse ? order > 0 : order < 0; /* what is asked for of this date is ahead */
        int32_t last = self->reverse ? self->from : self->to;
        if (!here && row->date == last)
            return MDB_NOTFOUND;
        rc = walk_enter(self, here ? row->date : row->date + (self->reverse ? -1 : 1));
    }
    return rc;
}

int store_scan(struct store_txn *txn, const char *table, int32_t from, int32_t to,
               const void *prefix, size_t prefix_size, bool reverse, store_visit *visit,
               void *context)
{
    struct store_row row;
    struct walk walk = {.table = table,
                        .table_size = strlen(table) + 1,
                        .prefix = prefix,
                        .prefix_size = prefix_size,
                        .from = from,
                        .to = to,
                        .reverse = reverse};
    int result = STORE_OK;
    if (walk.table_size > TABLE_MAX + 1 || prefix_size > STORE_KEY_MAX)
        return STORE_TOO_LARGE;
    if (from > to)
        return STORE_OK;
    int rc = mdb_cursor_open(txn->txn, txn->store->dbi, &walk.cursor);
    if (rc)
        return spoil(txn, rc);
    rc = walk_settle(&walk, walk_enter(&walk, reverse ? to : from), &row);
    while (!rc && !(result = visit(&row, context))) {
        rc = mdb_cursor_get(walk.cursor, &walk.key, &walk.value, reverse ? MDB_PREV : MDB_NEXT);
        rc = walk_settle(&walk, rc, &row);
    }
    mdb_cursor_close(walk.cursor);
    return rc == MDB_SUCCESS || rc == MDB_NOTFOUND ? result : spoil(txn, rc);
}
