/* One segment: its environment, its reader, its head row, its files. */
#include "broker/log_lmdb.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/log_guard.h"
#include "config/log.h"
#include "store/env_make.h"

#define SEGMENT_MAP_SLACK ((uint64_t)1 << 30)
#define READERS_MAX 254
#define LOCK_BYTES ((READERS_MAX + 2) * 64) /* LMDB: 64 a reader, and as much for its head */

static const char *const db_names[DB_COUNT] = {"batches", "index",    "seqs",
                                               "later",   "laterseq", "meta"};

int lmdb_error_of(int rc)
{
    if (rc == MDB_SUCCESS)
        return LOG_OK;
    if (rc == MDB_NOTFOUND)
        return LOG_NONE;
    if (rc == ENOSPC || rc == EDQUOT || rc == MDB_MAP_FULL || rc == MDB_TXN_FULL)
        return LOG_FULL;
    if (rc == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND || rc == MDB_INVALID || rc == MDB_PANIC ||
        rc == MDB_VERSION_MISMATCH || rc == MDB_INCOMPATIBLE || rc == MDB_BAD_VALSIZE)
        return LOG_CORRUPT;
    errno = rc > 0 ? rc : EIO;
    return LOG_IO;
}

int lmdb_write_error(struct log_lmdb *self, int rc)
{
    self->map_full = self->map_full || rc == MDB_MAP_FULL;
    return lmdb_error_of(rc);
}

static void segment_path(const struct log_lmdb *self, const char *name, char *out, size_t size)
{
    snprintf(out, size, "%s/%s", self->dir, name);
}

/* Address space, not memory: room for what a segment holds, for what it begins with, and to grow. */
static uint64_t map_bytes(const struct log_lmdb *self, const char *path, uint64_t carried)
{
    char file[4096 + 16];
    struct stat data;
    uint64_t least = self->options.map_bytes ? self->options.map_bytes
                                             : self->options.segment_bytes * 2 + SEGMENT_MAP_SLACK;
    snprintf(file, sizeof file, "%s/data.mdb", path);
    if (stat(file, &data) == 0 && (uint64_t)data.st_size > carried)
        carried = (uint64_t)data.st_size;
    return least + carried * 2;
}

/* The lock file is a shared map as well: where no space is left for one of its pages, a write to it ends the process. So it
 * gets its space before it is mapped, or the segment is refused by name. */
static int lock_reserve(const char *path)
{
    char file[4096 + 16];
    snprintf(file, sizeof file, "%s/lock.mdb", path);
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        return lmdb_error_of(errno);
    struct stat there;
    int rc = fstat(fd, &there) != 0 ? errno : 0;
    if (!rc && there.st_size == 0)
        rc = posix_fallocate(fd, 0, LOCK_BYTES);
    close(fd);
    return lmdb_error_of(rc == EOPNOTSUPP || rc == EINVAL ? 0 : rc);
}

/* LMDB found its pages to be what they cannot be; it would end the process. */
static void asserted(MDB_env *env, const char *what)
{
    (void)env;
    log_error("segment-asserted", "what=\"%s\"", what);
    log_guard_fail();
}

int lmdb_segment_open(const struct log_lmdb *self, struct segment *segment, uint64_t carried)
{
    char path[4096];
    segment_path(self, segment->name, path, sizeof path);
    int error = self->options.read_only ? LOG_OK : lock_reserve(path);
    if (!error && !self->options.read_only)
        error = lmdb_error_of(env_make(path));
    if (error)
        return error;
    int rc = mdb_env_create(&segment->env);
    if (rc)
        return lmdb_error_of(rc);
    mdb_env_set_assert(segment->env, asserted);
    mdb_env_set_maxdbs(segment->env, DB_COUNT);
    mdb_env_set_maxreaders(segment->env, READERS_MAX);
    mdb_env_set_mapsize(segment->env, map_bytes(self, path, carried));
    unsigned flags = MDB_NOTLS | (self->options.read_only ? MDB_RDONLY : 0);
    rc = mdb_env_open(segment->env, path, flags, 0640);
    if (rc == MDB_SUCCESS) {
        int dead;
        mdb_reader_check(segment->env, &dead);
        MDB_txn *txn;
        rc = mdb_txn_begin(segment->env, NULL, self->options.read_only ? MDB_RDONLY : 0, &txn);
        for (int i = 0; rc == MDB_SUCCESS && i < DB_COUNT; i++)
            rc = mdb_dbi_open(txn, db_names[i], self->options.read_only ? 0 : MDB_CREATE,
                              &segment->db[i]);
        if (rc == MDB_SUCCESS)
            rc = mdb_txn_commit(txn);
        else if (txn)
            mdb_txn_abort(txn);
    }
    if (rc != MDB_SUCCESS) {
        mdb_env_close(segment->env);
        segment->env = NULL;
    }
    return lmdb_error_of(rc);
}

void lmdb_reader_drop(struct segment *segment)
{
    if (segment->at)
        mdb_cursor_close(segment->at);
    if (segment->reader)
        mdb_txn_abort(segment->reader);
    segment->at = NULL;
    segment->reader = NULL;
    segment->reader_live = false;
}

void lmdb_segment_close(struct segment *segment)
{
    lmdb_reader_drop(segment);
    if (segment->env)
        mdb_env_close(segment->env);
    segment->env = NULL;
}

int lmdb_reader_of(struct log_lmdb *self, struct segment *segment, MDB_txn **out)
{
    int rc = MDB_SUCCESS;
    *out = NULL;
    if (!segment->env) /* set aside */
        return LOG_CORRUPT;
    if (log_lmdb_behind(&self->base) > 0 && segment == &self->segments[self->count - 1]) {
        *out = self->txn; /* what is in the journal only is in it */
        return LOG_OK;
    }
    if (segment->reader_live) {
        *out = segment->reader;
        return LOG_OK;
    }
    for (int tries = 0; tries < 2; tries++) {
        rc = segment->reader ? mdb_txn_renew(segment->reader)
                             : mdb_txn_begin(segment->env, NULL, MDB_RDONLY, &segment->reader);
        if (rc != MDB_MAP_RESIZED)
            break;
        lmdb_reader_drop(segment); /* the writer, another process, has made the map larger */
        (void)mdb_env_set_mapsize(segment->env, 0);
    }
    if (rc == MDB_SUCCESS)
        rc = segment->at ? mdb_cursor_renew(segment->reader, segment->at)
                         : mdb_cursor_open(segment->reader, segment->db[DB_BATCHES], &segment->at);
    if (rc == MDB_SUCCESS)
        segment->reader_live = true;
    else
        lmdb_reader_drop(segment);
    *out = segment->reader;
    return lmdb_error_of(rc);
}

/* The head row: head u64, last time u64, segment start u64, later id u64, later count u64. */
#define HEAD_ROW 40

int lmdb_head_load(struct log_lmdb *self, struct segment *segment, bool *complete)
{
    MDB_txn *txn;
    int error = lmdb_reader_of(self, segment, &txn);
    if (error)
        return error;
    MDB_val key = {1, "c"}, value;
    *complete = mdb_get(txn, segment->db[DB_META], &key, &value) == MDB_SUCCESS;
    key = (MDB_val){1, "h"};
    if (mdb_get(txn, segment->db[DB_META], &key, &value) == MDB_SUCCESS &&
        value.mv_size == HEAD_ROW) {
        const uint8_t *at = value.mv_data;
        self->head = get_u64(at);
        self->last_time_us = (int64_t)get_u64(at + 8);
        self->segment_start_us = (int64_t)get_u64(at + 16);
        self->later_id = get_u64(at + 24);
        self->later_count = get_u64(at + 32);
    }
    key = (MDB_val){1, "f"};
    if (mdb_get(txn, segment->db[DB_META], &key, &value) == MDB_SUCCESS && value.mv_size == 8)
        self->kept_first = get_u64(value.mv_data);
    key = (MDB_val){1, "g"};
    self->generation =
        mdb_get(txn, segment->db[DB_META], &key, &value) == MDB_SUCCESS && value.mv_size == 8
            ? get_u64(value.mv_data)
            : 0;
    log_lmdb_read_end(&self->base);
    return LOG_OK;
}

int lmdb_head_store(struct log_lmdb *self, MDB_txn *txn, const struct segment *segment)
{
    uint8_t row[HEAD_ROW];
    put_u64(row, self->txn_head);
    put_u64(row + 8, (uint64_t)self->txn_last_time_us);
    put_u64(row + 16, (uint64_t)self->txn_segment_start_us);
    put_u64(row + 24, self->txn_later_id);
    put_u64(row + 32, self->txn_later_count);
    MDB_val key = {1, "h"}, value = {sizeof row, row};
    return lmdb_error_of(mdb_put(txn, segment->db[DB_META], &key, &value, 0));
}

int lmdb_segment_remove(const struct log_lmdb *self, const char *name)
{
    static const char *const files[] = {ENV_FILE, "lock.mdb", ENV_FILE_NEW};
    char path[4096];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s/%s", self->dir, name, files[i]);
        if (unlink(path) != 0 && errno != ENOENT)
            return -1;
    }
    segment_path(self, name, path, sizeof path);
    return rmdir(path);
}

int lmdb_segment_let_go(struct log_lmdb *self, const char *name)
{
    if (self->gone_count == self->gone_capacity) {
        uint32_t capacity = self->gone_capacity ? self->gone_capacity * 2 : 16;
        char(*grown)[40] = realloc(self->gone, capacity * sizeof *grown);
        if (!grown)
            return LOG_IO; /* the next start finds it */
        self->gone = grown;
        self->gone_capacity = capacity;
    }
    snprintf(self->gone[self->gone_count++], sizeof *self->gone, "%s", name);
    return LOG_OK;
}

void lmdb_segment_name(char name[40], uint64_t first, uint32_t made)
{
    if (made)
        snprintf(name, 40, "seg-%020" PRIu64 ".%" PRIu32, first, made);
    else
        snprintf(name, 40, "seg-%020" PRIu64, first);
}

/* The names of its files, and its own. */
int lmdb_segment_sync(const struct log_lmdb *self, const struct segment *segment)
{
    char path[4096];
    segment_path(self, segment->name, path, sizeof path);
    return lmdb_error_of(env_names_sync(path));
}

int lmdb_segment_create(struct log_lmdb *self, uint64_t first, uint64_t carried)
{
    char name[40], path[4096];
    lmdb_segment_name(name, first, 0);
    segment_path(self, name, path, sizeof path);
    if (mkdir(path, 0750) != 0 && errno != EEXIST)
        return lmdb_error_of(errno);
    int error = lmdb_segment_add(self, name, first, carried);
    if (error)
        (void)lmdb_segment_remove(self, name);
    return error;
}

/* Pages in use, which is what a roll is decided by; the file itself only grows. */
uint64_t lmdb_segment_bytes(const struct segment *segment)
{
    MDB_envinfo info;
    MDB_stat stat;
    if (mdb_env_info(segment->env, &info) || mdb_env_stat(segment->env, &stat))
        return 0;
    return (uint64_t)(info.me_last_pgno + 1) * stat.ms_psize;
}

int lmdb_segment_add(struct log_lmdb *self, const char *name, uint64_t first, uint64_t carried)
{
    if (self->count == self->capacity) {
        uint32_t capacity = self->capacity ? self->capacity * 2 : 16;
        struct segment *grown = realloc(self->segments, capacity * sizeof *grown);
        if (!grown) {
            errno = ENOMEM;
            return LOG_IO;
        }
        self->segments = grown;
        self->capacity = capacity;
    }
    struct segment *segment = &self->segments[self->count];
    memset(segment, 0, sizeof *segment);
    snprintf(segment->name, sizeof segment->name, "%s", name);
    segment->first = first;
    int error = lmdb_segment_open(self, segment, carried);
    if (error)
        return error;
    self->count++;
    return LOG_OK;
}

uint32_t lmdb_segment_of(const struct log_lmdb *self, uint64_t position)
{
    uint32_t low = 0, high = self->count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (self->segments[middle].first <= position)
            low = middle;
        else
            high = middle;
    }
    return low;
}
