/* Environments over LMDB. One database holds every table: key = table, NUL, date (4 bytes, big-endian, sign bit flipped), row's
 * key; so tables cost nothing, and a walk over dates of one table is a walk over neighbours. */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "config/fault.h"
#include "store/compact.h"
#include "store/env_make.h"
#include "store/store_inside.h"

#define READERS_DEFAULT 126
/* LMDB's locks belong to the process: opening an environment twice, closing it once, would drop them. */
static struct store *opened;

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

int store_error_of(int rc)
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
    case MDB_INCOMPATIBLE:
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

static int env_open(struct store *self)
{
    const struct store_options *options = &self->options;
    MDB_txn *txn = NULL;
    struct stat info;
    int dead, fd;
    bool lasting = !self->read_only && !options->scratch;
    int rc = lasting ? env_make(self->dir) : 0;
    if (!rc && lasting)
        rc = env_names_sync(self->dir);
    if (!rc)
        rc = mdb_env_create(&self->env);
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
        rc = mdb_env_get_fd(self->env, &fd);
    if (!rc && fstat(fd, &info) != 0)
        rc = errno;
    if (!rc)
        self->file_inode = info.st_ino;
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
    return store_error_of(rc);
}

static void env_close(struct store *self)
{
    if (self->writer.txn)
        mdb_txn_abort(self->writer.txn);
    if (self->reader.txn)
        mdb_txn_abort(self->reader.txn);
    self->writer.txn = self->reader.txn = NULL;
    if (self->env)
        mdb_env_close(self->env);
    self->env = NULL;
}

int store_reopen(struct store *self)
{
    env_close(self);
    int error = env_open(self);
    if (error) {
        int saved = errno;
        env_close(self);
        errno = saved;
    }
    return error;
}

static int already_open(const struct store *self)
{
    for (const struct store *other = opened; other; other = other->next)
        if (other->device == self->device && other->inode == self->inode)
            return STORE_BUSY;
    return STORE_OK;
}

static int store_try_open(struct store *self)
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
    if (!error && !self->read_only)
        (void)compact_sweep(self->dir);
    if (error)
        return error;
    store_gate_open(self);
    error = store_gate_enter(self);
    if (error)
        return error;
    error = env_open(self);
    store_gate_leave(self);
    return error;
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
    self->lock_fd = self->gate_fd = -1;
    self->read_only = options->read_only;
    self->options = *options;
    self->dir = strdup(dir);
    int error = self->dir ? store_try_open(self) : STORE_IO;
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
    env_close(self);
    store_gate_close(self);
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

/* A reader that comes in: is the file still the one that is mapped? What is open of the old one goes on with that. */
static int file_look(struct store *self)
{
    char path[4096];
    struct stat info;
    if (!self->read_only || self->reading > 0)
        return STORE_OK;
    if (snprintf(path, sizeof path, "%s/" ENV_FILE, self->dir) >= (int)sizeof path ||
        stat(path, &info) != 0 || info.st_ino == self->file_inode)
        return STORE_OK;
    return store_reopen(self);
}

static int reader_begin(struct store *self, struct store_txn **out)
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
        return store_error_of(rc);
    }
    txn->store = self;
    txn->open = true;
    self->reading++;
    *out = txn;
    return STORE_OK;
}

static int read_begin(struct store *self, struct store_txn **out)
{
    int error = store_gate_enter(self);
    if (error)
        return error;
    error = file_look(self);
    if (!error)
        error = reader_begin(self, out);
    if (error)
        store_gate_leave(self);
    return error;
}

int store_begin(struct store *self, bool write, struct store_txn **out)
{
    *out = NULL;
    if (!self->env) {
        errno = EIO;
        return STORE_IO;
    }
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
        return store_error_of(rc);
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
    error = store_error_of(mdb_txn_commit(txn->txn)); /* frees it, whatever it returns */
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
    struct store *store = txn->store;
    *txn_ref = NULL;
    txn->open = false;
    if (txn->write) {
        mdb_txn_abort(txn->txn);
        txn->txn = NULL;
        return;
    }
    if (txn == &store->reader) {
        mdb_txn_reset(txn->txn);
    } else {
        mdb_txn_abort(txn->txn);
        free(txn);
    }
    store->reading--;
    store_gate_leave(store);
}

uint64_t store_writes(const struct store_txn *txn)
{
    return txn->writes;
}

/* ---- rows ---- */

int store_full_key(struct store_full_key *full, const char *table, int32_t date, const void *key,
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

int store_spoil(struct store_txn *txn, int rc)
{
    int error = store_error_of(rc);
    if (txn->write && error != STORE_OK && error != STORE_NOT_FOUND && !txn->failed)
        txn->failed = error;
    return error;
}

int store_put(struct store_txn *txn, const char *table, int32_t date, const void *key,
              size_t key_size, const void *value, size_t value_size)
{
    struct store_full_key full;
    int error = store_full_key(&full, table, date, key, key_size);
    if (error)
        return error;
    MDB_val k = {full.size, full.data}, v = {value_size, (void *)(uintptr_t)value};
    txn->writes++;
    return store_spoil(txn, mdb_put(txn->txn, txn->store->dbi, &k, &v, 0));
}

int store_get(struct store_txn *txn, const char *table, int32_t date, const void *key,
              size_t key_size, struct span *value)
{
    struct store_full_key full;
    int error = store_full_key(&full, table, date, key, key_size);
    if (error)
        return error;
    MDB_val k = {full.size, full.data}, v;
    error = store_spoil(txn, mdb_get(txn->txn, txn->store->dbi, &k, &v));
    if (!error)
        *value = (struct span){v.mv_data, (uint32_t)v.mv_size};
    return error;
}

int store_del(struct store_txn *txn, const char *table, int32_t date, const void *key,
              size_t key_size)
{
    struct store_full_key full;
    int error = store_full_key(&full, table, date, key, key_size);
    if (error)
        return error;
    MDB_val k = {full.size, full.data};
    txn->writes++;
    return store_spoil(txn, mdb_del(txn->txn, txn->store->dbi, &k, NULL));
}

int store_clear(struct store_txn *txn, const char *table)
{
    struct store_full_key full;
    MDB_cursor *cursor;
    int error = store_full_key(&full, table, INT32_MIN, NULL, 0);
    if (error)
        return error;
    size_t name_size = strlen(table) + 1;
    MDB_val k = {full.size, full.data}, v;
    txn->writes++;
    int rc = mdb_cursor_open(txn->txn, txn->store->dbi, &cursor);
    if (rc)
        return store_spoil(txn, rc);
    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    while (!rc && k.mv_size >= name_size && memcmp(k.mv_data, table, name_size) == 0) {
        rc = mdb_cursor_del(cursor, 0);
        if (!rc)
            rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? STORE_OK : store_spoil(txn, rc);
}

int store_clear_all(struct store_txn *txn)
{
    txn->writes++;
    return store_spoil(txn, mdb_drop(txn->txn, txn->store->dbi, 0));
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
