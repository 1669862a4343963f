/* The log as a directory of LMDB environments, one per segment (PROTOCOL.md §7).
 *
 * `batches`  base u64                                  -> header (80 bytes) + body
 * `index`    stream u16, partition u16, first base u64 -> (base u64, count u32)*      one row per lane and commit
 * `seqs`     producer u32, stream, partition, first seq u64 -> (seq u64, count u32, crc u32, base u64)*  contiguous runs
 * `later`    due u64, id u64                           -> header + body; due LATER_ASIDE: broken, never taken
 * `laterseq` producer u32, stream, partition, seq u64  -> count u32, crc u32, due u64, id u64
 * `meta`     "h" head row; "c" complete; 'p','l','s' + key: the core's own
 * All integers big-endian, so that keys sort by value. */
#include "broker/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "config/fault.h"
#include "config/log.h"
#include "store/env_make.h"

enum { DB_BATCHES, DB_INDEX, DB_SEQS, DB_LATER, DB_LATERSEQ, DB_META, DB_COUNT };
static const char *const db_names[DB_COUNT] = {"batches", "index",    "seqs",
                                               "later",   "laterseq", "meta"};

#define INDEX_ENTRY 12
#define SEQ_ENTRY 24
#define LANE_KEY 8 /* producer, stream, partition */
#define SEGMENT_MAP_SLACK ((uint64_t)1 << 30)
#define MAP_BYTES_MAX ((uint64_t)1 << 42)
#define LATER_ASIDE INT64_MAX
#define DISK_SHORT_BYTES ((uint64_t)16 << 20)
#define READERS_MAX 254
#define LOCK_BYTES ((READERS_MAX + 2) * 64) /* LMDB: 64 a reader, and as much for its head */

struct segment {
    uint64_t first;
    char name[40];
    MDB_env *env;
    MDB_dbi db[DB_COUNT];
    MDB_txn *reader; /* open during a burst of reads */
    MDB_cursor *at;  /* of it, in `batches`: the next one asked for is most often beside the last */
    bool reader_live;
};

/* Where a lane was read last, in this burst of reads: what follows stands in the same row of the index. */
struct spot {
    uint64_t burst, end; /* end: the position after that batch */
    uint16_t stream, partition;
    MDB_val row;
    size_t at;
};
#define SPOTS 64

/* What one commit adds to a lane's index or seqs row: gathered, written once before the commit. */
struct gather {
    uint8_t key[LANE_KEY + 8];
    uint32_t key_size;
    uint64_t next_seq; /* seqs: what would continue the run */
    struct pack value;
};
struct gathers {
    struct gather *rows;
    uint32_t count, capacity;
};

struct log {
    char *dir;
    struct log_options options;
    struct segment *segments;
    uint32_t count, capacity;
    MDB_txn *txn;  /* the append in progress */
    bool put;      /* something was put into it */
    bool map_full; /* the last one ended for want of map: the next begins with a larger one */
    bool
        broken; /* a roll left the directory such that appending on would lose records at the next start */
    uint64_t head, txn_head;
    uint64_t later_id, txn_later_id;
    uint64_t later_count, txn_later_count;
    int64_t last_time_us, txn_last_time_us;
    int64_t segment_start_us, txn_segment_start_us;
    uint64_t bad_batches;
    uint64_t burst;
    struct spot spots[SPOTS];
    MDB_cursor *tail; /* of txn: where batches are appended */
    struct gathers index, seqs;
    uint8_t *later_body;
    size_t later_body_size;
};

const char *log_error_text(int error)
{
    switch (error) {
    case LOG_OK:
        return "ok";
    case LOG_NONE:
        return "nothing there";
    case LOG_FULL:
        return "no space";
    case LOG_CORRUPT:
        return "corrupt";
    case LOG_TRIMMED:
        return "trimmed";
    default:
        return strerror(errno);
    }
}

static int error_of(int rc)
{
    if (rc == MDB_SUCCESS)
        return LOG_OK;
    if (rc == MDB_NOTFOUND)
        return LOG_NONE;
    if (rc == ENOSPC || rc == EDQUOT || rc == MDB_MAP_FULL || rc == MDB_TXN_FULL)
        return LOG_FULL;
    if (rc == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND || rc == MDB_INVALID || rc == MDB_PANIC)
        return LOG_CORRUPT;
    errno = rc > 0 ? rc : EIO;
    return LOG_IO;
}

static int write_error(struct log *self, int rc)
{
    self->map_full = self->map_full || rc == MDB_MAP_FULL;
    return error_of(rc);
}

static struct segment *active(const struct log *self)
{
    return self->count ? &self->segments[self->count - 1] : NULL;
}

/* ---- segments ---- */

static void segment_path(const struct log *self, const char *name, char *out, size_t size)
{
    snprintf(out, size, "%s/%s", self->dir, name);
}

/* Address space, not memory: room for what a segment holds, for what it begins with, and to grow. */
static uint64_t map_bytes(const struct log *self, const char *path, uint64_t carried)
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
        return error_of(errno);
    struct stat there;
    int rc = fstat(fd, &there) != 0 ? errno : 0;
    if (!rc && there.st_size == 0)
        rc = posix_fallocate(fd, 0, LOCK_BYTES);
    close(fd);
    return error_of(rc == EOPNOTSUPP || rc == EINVAL ? 0 : rc);
}

static int segment_env_open(const struct log *self, struct segment *segment, uint64_t carried)
{
    char path[4096];
    segment_path(self, segment->name, path, sizeof path);
    int error = self->options.read_only ? LOG_OK : lock_reserve(path);
    if (!error && !self->options.read_only)
        error = error_of(env_make(path));
    if (error)
        return error;
    int rc = mdb_env_create(&segment->env);
    if (rc)
        return error_of(rc);
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
    return error_of(rc);
}

static void reader_drop(struct segment *segment)
{
    if (segment->at)
        mdb_cursor_close(segment->at);
    if (segment->reader)
        mdb_txn_abort(segment->reader);
    segment->at = NULL;
    segment->reader = NULL;
    segment->reader_live = false;
}

static void segment_close(struct segment *segment)
{
    reader_drop(segment);
    if (segment->env)
        mdb_env_close(segment->env);
    segment->env = NULL;
}

static int segment_add(struct log *self, const char *name, uint64_t first, uint64_t carried)
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
    int error = segment_env_open(self, segment, carried);
    if (error)
        return error;
    self->count++;
    return LOG_OK;
}

static int reader_of(struct segment *segment, MDB_txn **out)
{
    int rc = MDB_SUCCESS;
    if (segment->reader_live) {
        *out = segment->reader;
        return LOG_OK;
    }
    for (int tries = 0; tries < 2; tries++) {
        rc = segment->reader ? mdb_txn_renew(segment->reader)
                             : mdb_txn_begin(segment->env, NULL, MDB_RDONLY, &segment->reader);
        if (rc != MDB_MAP_RESIZED)
            break;
        reader_drop(segment); /* the writer, another process, has made the map larger */
        (void)mdb_env_set_mapsize(segment->env, 0);
    }
    if (rc == MDB_SUCCESS)
        rc = segment->at ? mdb_cursor_renew(segment->reader, segment->at)
                         : mdb_cursor_open(segment->reader, segment->db[DB_BATCHES], &segment->at);
    if (rc == MDB_SUCCESS)
        segment->reader_live = true;
    else
        reader_drop(segment);
    *out = segment->reader;
    return error_of(rc);
}

void log_read_end(struct log *self)
{
    self->burst++; /* the spots were of the last one */
    for (uint32_t i = 0; i < self->count; i++)
        if (self->segments[i].reader_live) {
            mdb_txn_reset(self->segments[i].reader);
            self->segments[i].reader_live = false;
        }
}

/* The head row: head u64, last time u64, segment start u64, later id u64, later count u64. */
#define HEAD_ROW 40

static int head_load(struct log *self, struct segment *segment, bool *complete)
{
    MDB_txn *txn;
    int error = reader_of(segment, &txn);
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
    log_read_end(self);
    return LOG_OK;
}

static int head_store(struct log *self, MDB_txn *txn, const struct segment *segment)
{
    uint8_t row[HEAD_ROW];
    put_u64(row, self->txn_head);
    put_u64(row + 8, (uint64_t)self->txn_last_time_us);
    put_u64(row + 16, (uint64_t)self->txn_segment_start_us);
    put_u64(row + 24, self->txn_later_id);
    put_u64(row + 32, self->txn_later_count);
    MDB_val key = {1, "h"}, value = {sizeof row, row};
    return error_of(mdb_put(txn, segment->db[DB_META], &key, &value, 0));
}

static int segment_remove(const struct log *self, const char *name)
{
    static const char *const files[] = {ENV_FILE, "lock.mdb", ENV_FILE_NEW};
    char path[4096];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s/%s", self->dir, name, files[i]);
        if (unlink(path) != 0 && errno != ENOENT)
            return -1;
    }
    segment_path(self, name, path, sizeof path);
    return rmdir(path) == 0 && env_dir_sync(self->dir) == 0 ? 0 : -1;
}

/* The names of its files, and its own. */
static int segment_sync(const struct log *self, const struct segment *segment)
{
    char path[4096];
    segment_path(self, segment->name, path, sizeof path);
    return error_of(env_names_sync(path));
}

static int name_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool name_is_segment(const char *name)
{
    return strncmp(name, "seg-", 4) == 0 && strspn(name + 4, "0123456789") == 20 &&
           name[24] == '\0';
}

static int names_read(const char *dir, char ***out, size_t *count)
{
    DIR *handle = opendir(dir);
    *out = NULL;
    *count = 0;
    if (!handle)
        return -1;
    for (struct dirent *entry; (entry = readdir(handle));) {
        if (!name_is_segment(entry->d_name))
            continue;
        char **grown = realloc(*out, (*count + 1) * sizeof **out);
        if (!grown)
            break;
        *out = grown;
        grown[(*count)++] = strdup(entry->d_name);
    }
    closedir(handle);
    if (*count)
        qsort(*out, *count, sizeof **out, name_order);
    return 0;
}

static int segment_create(struct log *self, uint64_t first, uint64_t carried)
{
    char name[40], path[4096];
    snprintf(name, sizeof name, "seg-%020" PRIu64, first);
    segment_path(self, name, path, sizeof path);
    if (mkdir(path, 0750) != 0 && errno != EEXIST)
        return error_of(errno);
    int error = segment_add(self, name, first, carried);
    if (error)
        (void)segment_remove(self, name);
    return error;
}

/* Marks the newest segment complete in one transaction with the head row and whatever `from` carries over. */
static int segment_complete(struct log *self, struct segment *from, struct segment *to)
{
    static const int carried[] = {DB_LATER, DB_LATERSEQ, DB_META};
    MDB_txn *txn = NULL, *reader = NULL;
    int rc = mdb_txn_begin(to->env, NULL, 0, &txn);
    if (rc)
        return error_of(rc);
    int error = from ? reader_of(from, &reader) : LOG_OK;
    for (size_t i = 0; from && !error && i < sizeof carried / sizeof *carried; i++) {
        MDB_cursor *cursor;
        error = error_of(mdb_cursor_open(reader, from->db[carried[i]], &cursor));
        if (error)
            break;
        MDB_val key, value;
        while (!error && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == MDB_SUCCESS)
            error = error_of(mdb_put(txn, to->db[carried[i]], &key, &value, 0));
        if (!error && rc != MDB_NOTFOUND) /* not the end: what follows would be lost */
            error = error_of(rc);
        mdb_cursor_close(cursor);
    }
    self->txn_head = self->head;
    self->txn_last_time_us = self->last_time_us;
    self->txn_segment_start_us = self->last_time_us;
    self->txn_later_id = self->later_id;
    self->txn_later_count = self->later_count;
    if (!error)
        error = head_store(self, txn, to);
    MDB_val key = {1, "c"}, value = {1, "1"};
    if (!error)
        error = error_of(mdb_put(txn, to->db[DB_META], &key, &value, 0));
    log_read_end(self);
    if (error) {
        mdb_txn_abort(txn);
        return error;
    }
    rc = mdb_txn_commit(txn);
    if (rc)
        return error_of(rc);
    self->segment_start_us = self->txn_segment_start_us;
    return LOG_OK;
}

/* For a reader: the writer is making it, has given it up or has removed it meanwhile. */
static bool segment_unmade(const struct log *self, const char *name, int error)
{
    char path[4096 + 16];
    snprintf(path, sizeof path, "%s/%s/data.mdb", self->dir, name);
    struct stat data;
    return error == LOG_NONE || (stat(path, &data) != 0 ? errno == ENOENT : data.st_size == 0);
}

static int segments_load(struct log *self)
{
    char **names;
    size_t count;
    if (names_read(self->dir, &names, &count) != 0)
        return errno == ENOENT ? LOG_NONE : LOG_IO;
    int error = LOG_OK;
    for (size_t i = 0; i < count && !error; i++) {
        bool known = false;
        for (uint32_t j = 0; j < self->count; j++)
            known = known || strcmp(self->segments[j].name, names[i]) == 0;
        if (known)
            continue;
        error = segment_add(self, names[i], strtoull(names[i] + 4, NULL, 10), 0);
        bool complete = false;
        if (error && self->options.read_only && segment_unmade(self, names[i], error)) {
            error = LOG_OK;
            continue;
        }
        if (!error)
            error = head_load(self, active(self), &complete);
        if (!error && !complete) { /* a roll that did not get to its mark */
            segment_close(active(self));
            self->count--;
            if (!self->options.read_only) {
                log_warn("segment-incomplete", "segment=%s action=removed", names[i]);
                if (segment_remove(self, names[i]) != 0)
                    log_warn("segment-left", "segment=%s why=\"%s\"", names[i], strerror(errno));
            }
        }
    }
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
    return error;
}

int log_open(struct log **out, const char *dir, const struct log_options *options)
{
    struct log *self = calloc(1, sizeof *self);
    *out = NULL;
    if (!self)
        return LOG_IO;
    self->options = *options;
    self->dir = strdup(dir);
    self->head = 1;
    self->burst = 1;
    self->later_id = 1;
    self->last_time_us = INT64_MIN;
    self->segment_start_us = INT64_MIN;
    if (!options->read_only && mkdir(dir, 0750) != 0 && errno != EEXIST) {
        log_close(&self);
        return LOG_IO;
    }
    int error = segments_load(self);
    if (!error && self->count == 0) {
        if (options->read_only)
            error = LOG_NONE;
        else {
            error = segment_create(self, self->head, 0);
            if (!error)
                error = segment_complete(self, NULL, active(self));
        }
    }
    /* Always: who made the newest one may have been killed before its names were durable. */
    if (!error && !options->read_only)
        error = segment_sync(self, active(self));
    if (!error && !options->read_only)
        error = error_of(env_names_sync(self->dir));
    if (!error && self->count) {
        bool complete;
        error = head_load(self, active(self), &complete);
    }
    if (error) {
        int saved = errno;
        log_close(&self);
        errno = saved;
        return error;
    }
    *out = self;
    return LOG_OK;
}

static void gathers_free(struct gathers *self)
{
    for (uint32_t i = 0; i < self->capacity; i++)
        pack_free(&self->rows[i].value);
    free(self->rows);
}

void log_close(struct log **self_ref)
{
    struct log *self = *self_ref;
    if (!self)
        return;
    log_abort(self);
    for (uint32_t i = 0; i < self->count; i++)
        segment_close(&self->segments[i]);
    gathers_free(&self->index);
    gathers_free(&self->seqs);
    free(self->later_body);
    free(self->segments);
    free(self->dir);
    free(self);
    *self_ref = NULL;
}

uint64_t log_first(const struct log *self)
{
    return self->count ? self->segments[0].first : self->head;
}

uint64_t log_head(const struct log *self)
{
    return self->txn ? self->txn_head : self->head;
}

int64_t log_last_time_us(const struct log *self)
{
    return self->txn ? self->txn_last_time_us : self->last_time_us;
}

uint32_t log_segments(const struct log *self)
{
    return self->count;
}

uint64_t log_bad_batches(const struct log *self)
{
    return self->bad_batches;
}

uint64_t log_later_count(const struct log *self)
{
    return self->txn ? self->txn_later_count : self->later_count;
}

/* Pages in use, which is what a roll is decided by; the file itself only grows. */
static uint64_t segment_bytes(const struct segment *segment)
{
    MDB_envinfo info;
    MDB_stat stat;
    if (mdb_env_info(segment->env, &info) || mdb_env_stat(segment->env, &stat))
        return 0;
    return (uint64_t)(info.me_last_pgno + 1) * stat.ms_psize;
}

uint64_t log_bytes(const struct log *self)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < self->count; i++)
        sum += segment_bytes(&self->segments[i]);
    return sum;
}

int log_segment_at(const struct log *self, uint32_t index, struct log_segment_info *out)
{
    if (index >= self->count)
        return LOG_NONE;
    out->first = self->segments[index].first;
    out->bytes = segment_bytes(&self->segments[index]);
    out->sealed = index + 1 < self->count;
    snprintf(out->name, sizeof out->name, "%s", self->segments[index].name);
    return LOG_OK;
}

int log_refresh(struct log *self)
{
    log_read_end(self);
    int error = segments_load(self);
    bool complete;
    if (!error && self->count)
        error = head_load(self, active(self), &complete);
    return error;
}

/* ---- append ---- */

static void map_grow(struct log *self)
{
    struct segment *segment = active(self);
    MDB_envinfo info;
    log_read_end(self);
    reader_drop(segment); /* a map is exchanged with nobody looking */
    if (mdb_env_info(segment->env, &info) == MDB_SUCCESS && info.me_mapsize < MAP_BYTES_MAX)
        (void)mdb_env_set_mapsize(segment->env, info.me_mapsize * 2);
    self->map_full = false;
}

int log_begin(struct log *self)
{
    if (self->broken)
        return LOG_CORRUPT;
    if (self->map_full)
        map_grow(self);
    int rc = mdb_txn_begin(active(self)->env, NULL, 0, &self->txn);
    if (rc) {
        self->txn = NULL;
        return error_of(rc);
    }
    self->txn_head = self->head;
    self->txn_later_id = self->later_id;
    self->txn_later_count = self->later_count;
    self->txn_last_time_us = self->last_time_us;
    self->txn_segment_start_us = self->segment_start_us;
    self->index.count = self->seqs.count = 0;
    self->put = false;
    return LOG_OK;
}

static void lane_key(uint8_t *key, uint32_t producer, uint16_t stream, uint16_t partition)
{
    put_u32(key, producer);
    put_u16(key + 4, stream);
    put_u16(key + 6, partition);
}

static struct gather *gather_new(struct gathers *self)
{
    if (self->count == self->capacity) {
        uint32_t capacity = self->capacity ? self->capacity * 2 : 32;
        struct gather *grown = realloc(self->rows, capacity * sizeof *grown);
        if (!grown)
            return NULL;
        memset(grown + self->capacity, 0, (capacity - self->capacity) * sizeof *grown);
        self->rows = grown;
        self->capacity = capacity;
    }
    struct gather *row = &self->rows[self->count++];
    pack_reset(&row->value);
    row->key_size = 0;
    return row;
}

/* The newest row of this transaction whose key begins with `prefix`: the lists are short (lanes touched by one commit). */
static struct gather *gather_find(struct gathers *self, const uint8_t *prefix, uint32_t size)
{
    for (uint32_t i = self->count; i-- > 0;)
        if (memcmp(self->rows[i].key, prefix, size) == 0)
            return &self->rows[i];
    return NULL;
}

static int index_gather(struct log *self, const struct batch_header *header)
{
    uint8_t prefix[4], entry[INDEX_ENTRY];
    put_u16(prefix, header->stream);
    put_u16(prefix + 2, header->partition);
    struct gather *row = gather_find(&self->index, prefix, sizeof prefix);
    if (!row) {
        row = gather_new(&self->index);
        if (!row)
            return LOG_FULL;
        memcpy(row->key, prefix, sizeof prefix);
        put_u64(row->key + 4, header->base);
        row->key_size = 12;
    }
    put_u64(entry, header->base);
    put_u32(entry + 8, header->count);
    pack_raw(&row->value, entry, sizeof entry);
    return row->value.failed ? LOG_FULL : LOG_OK;
}

static int seq_gather(struct log *self, const struct batch_header *header)
{
    uint8_t prefix[LANE_KEY], entry[SEQ_ENTRY];
    lane_key(prefix, header->producer, header->stream, header->partition);
    struct gather *row = gather_find(&self->seqs, prefix, sizeof prefix);
    if (!row || row->next_seq != header->first_seq) {
        row = gather_new(&self->seqs);
        if (!row)
            return LOG_FULL;
        memcpy(row->key, prefix, sizeof prefix);
        put_u64(row->key + LANE_KEY, header->first_seq);
        row->key_size = LANE_KEY + 8;
    }
    row->next_seq = header->first_seq + header->count;
    put_u64(entry, header->first_seq);
    put_u32(entry + 8, header->count);
    put_u32(entry + 12, header->crc);
    put_u64(entry + 16, header->base);
    pack_raw(&row->value, entry, sizeof entry);
    return row->value.failed ? LOG_FULL : LOG_OK;
}

/* Through a cursor that stays at the end if the batch goes there, else wherever the key belongs. */
static int batch_put(struct log *self, int db, MDB_val key, const struct batch_header *header,
                     const void *body)
{
    MDB_val value = {PROTOCOL_HEADER_BYTES + header->size, NULL};
    MDB_dbi dbi = active(self)->db[db];
    self->put = true;
    int rc = MDB_SUCCESS;
    if (db == DB_BATCHES && !self->tail)
        rc = mdb_cursor_open(self->txn, dbi, &self->tail);
    if (rc == MDB_SUCCESS)
        rc = db == DB_BATCHES ? mdb_cursor_put(self->tail, &key, &value, MDB_APPEND | MDB_RESERVE)
                              : mdb_put(self->txn, dbi, &key, &value, MDB_RESERVE);
    if (rc)
        return write_error(self, rc);
    batch_header_write(header, value.mv_data);
    memcpy((uint8_t *)value.mv_data + PROTOCOL_HEADER_BYTES, body, header->size);
    return LOG_OK;
}

int log_append(struct log *self, const struct batch_header *header, const void *body)
{
    if (header->base != self->txn_head) {
        errno = EINVAL;
        return LOG_IO;
    }
    uint8_t key_bytes[8];
    put_u64(key_bytes, header->base);
    int error = batch_put(self, DB_BATCHES, (MDB_val){sizeof key_bytes, key_bytes}, header, body);
    if (!error)
        error = index_gather(self, header);
    if (!error)
        error = seq_gather(self, header);
    if (error)
        return error;
    self->txn_head += header->count;
    self->txn_last_time_us = header->time_us;
    if (self->txn_segment_start_us == INT64_MIN)
        self->txn_segment_start_us = header->time_us;
    return LOG_OK;
}

static void later_key(uint8_t key[16], int64_t due_us, uint64_t id)
{
    put_u64(key, (uint64_t)due_us);
    put_u64(key + 8, id);
}

int log_later_put(struct log *self, const struct batch_header *header, const void *body)
{
    uint8_t key_bytes[16], lane[LANE_KEY + 8], entry[24];
    later_key(key_bytes, header->due_us, self->txn_later_id);
    int error = batch_put(self, DB_LATER, (MDB_val){sizeof key_bytes, key_bytes}, header, body);
    if (error)
        return error;
    lane_key(lane, header->producer, header->stream, header->partition);
    put_u64(lane + LANE_KEY, header->first_seq);
    put_u32(entry, header->count);
    put_u32(entry + 4, header->crc);
    memcpy(entry + 8, key_bytes, sizeof key_bytes);
    MDB_val key = {sizeof lane, lane}, value = {sizeof entry, entry};
    error = write_error(self, mdb_put(self->txn, active(self)->db[DB_LATERSEQ], &key, &value, 0));
    if (error)
        return error;
    self->txn_later_id++;
    self->txn_later_count++;
    return LOG_OK;
}

static int later_first(MDB_txn *txn, struct segment *segment, int64_t *due_us, uint64_t *id)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, segment->db[DB_LATER], &cursor);
    if (rc)
        return error_of(rc);
    MDB_val key, value;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    if (rc == MDB_SUCCESS) {
        *due_us = (int64_t)get_u64(key.mv_data);
        *id = get_u64((const uint8_t *)key.mv_data + 8);
        if (*due_us == LATER_ASIDE)
            rc = MDB_NOTFOUND;
    }
    mdb_cursor_close(cursor);
    return error_of(rc);
}

int log_later_next(struct log *self, int64_t *due_us, uint64_t *id)
{
    if (log_later_count(self) == 0)
        return LOG_NONE;
    if (self->txn)
        return later_first(self->txn, active(self), due_us, id);
    MDB_txn *reader;
    int error = reader_of(active(self), &reader);
    if (error)
        return error;
    error = later_first(reader, active(self), due_us, id);
    log_read_end(self);
    return error;
}

/* Checks a stored value against its header and CRC. */
static int value_open(struct log *self, const MDB_val *value, struct batch_header *header,
                      struct span *body)
{
    memset(header, 0, sizeof *header);
    if (value->mv_size < PROTOCOL_HEADER_BYTES || batch_header_read(header, value->mv_data) != 0 ||
        header->size != value->mv_size - PROTOCOL_HEADER_BYTES) {
        self->bad_batches++;
        return LOG_CORRUPT;
    }
    *body = (struct span){(const uint8_t *)value->mv_data + PROTOCOL_HEADER_BYTES, header->size};
    if (pack_crc32c(0, body->data, body->size) != header->crc) {
        self->bad_batches++;
        return LOG_CORRUPT;
    }
    return LOG_OK;
}

/* Kept as it is, where nothing falls due: those behind it must not wait for it. */
static int later_aside(struct log *self, const MDB_val *key, const MDB_val *value)
{
    struct segment *segment = active(self);
    uint8_t aside[16];
    void *copy = malloc(value->mv_size + 1); /* the value's page may move under the put */
    if (!copy)
        return LOG_FULL;
    memcpy(copy, value->mv_data, value->mv_size);
    later_key(aside, LATER_ASIDE, get_u64((const uint8_t *)key->mv_data + 8));
    MDB_val to = {sizeof aside, aside}, kept = {value->mv_size, copy}, from = *key;
    self->put = true;
    int rc = mdb_put(self->txn, segment->db[DB_LATER], &to, &kept, 0);
    if (!rc)
        rc = mdb_del(self->txn, segment->db[DB_LATER], &from, NULL);
    free(copy);
    return write_error(self, rc);
}

int log_later_take(struct log *self, int64_t due_us, uint64_t id, struct batch_header *header,
                   struct span *body)
{
    struct segment *segment = active(self);
    uint8_t key_bytes[16], lane[LANE_KEY + 8];
    later_key(key_bytes, due_us, id);
    MDB_val key = {sizeof key_bytes, key_bytes}, value;
    int rc = mdb_get(self->txn, segment->db[DB_LATER], &key, &value);
    if (rc)
        return error_of(rc);
    if (value_open(self, &value, header, body) != LOG_OK) {
        int error = later_aside(self, &key, &value);
        return error ? error : LOG_CORRUPT;
    }
    if (self->later_body_size < header->size) {
        uint8_t *grown = realloc(self->later_body, header->size);
        if (!grown)
            return LOG_FULL;
        self->later_body = grown;
        self->later_body_size = header->size;
    }
    if (header->size)
        memcpy(self->later_body, body->data, header->size);
    *body = (struct span){self->later_body, header->size};
    lane_key(lane, header->producer, header->stream, header->partition);
    put_u64(lane + LANE_KEY, header->first_seq);
    MDB_val lane_val = {sizeof lane, lane};
    self->put = true;
    rc = mdb_del(self->txn, segment->db[DB_LATER], &key, NULL);
    if (!rc)
        rc = mdb_del(self->txn, segment->db[DB_LATERSEQ], &lane_val, NULL);
    if (!rc)
        self->txn_later_count--;
    return write_error(self, rc);
}

int log_put_meta(struct log *self, enum log_meta kind, const void *key, size_t key_size,
                 const void *value, size_t value_size)
{
    uint8_t key_bytes[256];
    if (key_size >= sizeof key_bytes) {
        errno = EINVAL;
        return LOG_IO;
    }
    key_bytes[0] = (uint8_t)kind;
    memcpy(key_bytes + 1, key, key_size);
    MDB_val k = {key_size + 1, key_bytes}, v = {value_size, (void *)(uintptr_t)value};
    self->put = true;
    return write_error(self, mdb_put(self->txn, active(self)->db[DB_META], &k, &v, 0));
}

int log_each_meta(struct log *self, enum log_meta kind, log_meta_visit *visit, void *context)
{
    struct segment *segment = active(self);
    MDB_txn *txn;
    int error = reader_of(segment, &txn);
    if (error)
        return error;
    MDB_cursor *cursor;
    error = error_of(mdb_cursor_open(txn, segment->db[DB_META], &cursor));
    if (!error) {
        uint8_t first = (uint8_t)kind;
        MDB_val key = {1, &first}, value;
        int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
        while (rc == MDB_SUCCESS && *(const uint8_t *)key.mv_data == first) {
            struct span k = {(const uint8_t *)key.mv_data + 1, (uint32_t)key.mv_size - 1};
            struct span v = {value.mv_data, (uint32_t)value.mv_size};
            error = visit(&k, &v, context);
            if (error)
                break;
            rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
        }
        mdb_cursor_close(cursor);
    }
    log_read_end(self);
    return error;
}

static int gathers_write(struct log *self, const struct gathers *rows, int db)
{
    for (uint32_t i = 0; i < rows->count; i++) {
        MDB_val key = {rows->rows[i].key_size, rows->rows[i].key};
        MDB_val value = {rows->rows[i].value.size, rows->rows[i].value.data};
        int rc = mdb_put(self->txn, active(self)->db[db], &key, &value, 0);
        if (rc)
            return write_error(self, rc);
    }
    return LOG_OK;
}

static void tail_close(struct log *self)
{
    if (self->tail)
        mdb_cursor_close(self->tail);
    self->tail = NULL;
}

static bool disk_short(const struct log *self)
{
    struct statvfs disk;
    return statvfs(self->dir, &disk) == 0 &&
           (uint64_t)disk.f_bavail * disk.f_frsize < DISK_SHORT_BYTES;
}

int log_commit(struct log *self)
{
    if (!self->put) { /* nothing to make durable */
        log_abort(self);
        return LOG_OK;
    }
    int error = gathers_write(self, &self->index, DB_INDEX);
    if (!error)
        error = gathers_write(self, &self->seqs, DB_SEQS);
    if (!error)
        error = head_store(self, self->txn, active(self));
    if (!error && fault_hit(FAULT_DISK_FULL))
        error = LOG_FULL;
    if (error) {
        log_abort(self);
        return error;
    }
    fault_hit(FAULT_APPEND_BEFORE_COMMIT);
    tail_close(self);
    int rc = mdb_txn_commit(self->txn);
    self->txn = NULL;
    if (rc == EIO && disk_short(self)) /* LMDB's word for a write that was cut short */
        rc = ENOSPC;
    if (rc)
        return write_error(self, rc);
    fault_hit(FAULT_APPEND_COMMITTED);
    self->head = self->txn_head;
    self->later_id = self->txn_later_id;
    self->later_count = self->txn_later_count;
    self->last_time_us = self->txn_last_time_us;
    self->segment_start_us = self->txn_segment_start_us;
    return LOG_OK;
}

void log_abort(struct log *self)
{
    tail_close(self);
    if (self->txn)
        mdb_txn_abort(self->txn);
    self->txn = NULL;
}

/* What comes along into every new segment: a roll does not make it less. */
static uint64_t carried_bytes(struct log *self)
{
    static const int carried[] = {DB_LATER, DB_LATERSEQ, DB_META};
    struct segment *segment = active(self);
    uint64_t sum = 0;
    MDB_txn *txn;
    MDB_stat stat;
    if (reader_of(segment, &txn) != LOG_OK)
        return 0;
    for (size_t i = 0; i < sizeof carried / sizeof *carried; i++)
        if (mdb_stat(txn, segment->db[carried[i]], &stat) == MDB_SUCCESS)
            sum += (stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages) *
                   (uint64_t)stat.ms_psize;
    log_read_end(self);
    return sum;
}

bool log_roll_due(struct log *self)
{
    const struct segment *segment = active(self);
    if (self->head == segment->first)
        return false;
    if (self->options.segment_age_us > 0 && self->segment_start_us != INT64_MIN &&
        self->last_time_us - self->segment_start_us > self->options.segment_age_us)
        return true;
    uint64_t bytes = segment_bytes(segment);
    return bytes > self->options.segment_bytes &&
           bytes - self->options.segment_bytes > carried_bytes(self);
}

int log_roll(struct log *self)
{
    if (self->head == active(self)->first)
        return LOG_OK; /* segments are named by their first position: one without any cannot be followed */
    int error = segment_create(self, self->head, carried_bytes(self));
    if (error)
        return error;
    fault_hit(FAULT_ROLL_CREATED);
    struct segment *to = active(self), *from = &self->segments[self->count - 2];
    error = segment_complete(self, from, to);
    bool complete = error == LOG_OK;
    if (!error)
        error = segment_sync(self, to);
    if (error) { /* stay where we were; the next start removes it too, but for its mark */
        char name[40];
        snprintf(name, sizeof name, "%s", to->name);
        segment_close(to);
        self->count--;
        if (segment_remove(self, name) != 0)
            self->broken = complete;
        return error;
    }
    fault_hit(FAULT_ROLL_COMPLETE);
    return LOG_OK;
}

int log_trim(struct log *self, uint64_t position)
{
    int removed = 0;
    log_read_end(self);
    while (self->count > 1 && self->segments[1].first <= position) {
        struct segment gone = self->segments[0];
        memmove(self->segments, self->segments + 1, (self->count - 1) * sizeof *self->segments);
        self->count--;
        segment_close(&gone);
        if (segment_remove(self, gone.name) != 0)
            return LOG_IO;
        removed++;
    }
    return removed;
}

/* ---- read ---- */

/* The newest segment whose first position is at or below `position`; the oldest if all are above. */
static uint32_t segment_of(const struct log *self, uint64_t position)
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

/* First entry of an index row that ends after `position`; -1 if none. */
static int64_t index_search(const MDB_val *value, uint64_t position)
{
    size_t low = 0, high = value->mv_size / INDEX_ENTRY;
    const uint8_t *rows = value->mv_data;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const uint8_t *entry = rows + middle * INDEX_ENTRY;
        if (get_u64(entry) + get_u32(entry + 8) > position)
            high = middle;
        else
            low = middle + 1;
    }
    return low < value->mv_size / INDEX_ENTRY ? (int64_t)low : -1;
}

static int index_next(MDB_cursor *cursor, uint16_t stream, uint16_t partition, uint64_t position,
                      MDB_val *row, size_t *at)
{
    uint8_t key_bytes[12];
    put_u16(key_bytes, stream);
    put_u16(key_bytes + 2, partition);
    put_u64(key_bytes + 4, position);
    MDB_val key = {sizeof key_bytes, key_bytes};
    int rc = mdb_cursor_get(cursor, &key, row, MDB_SET_RANGE);
    bool here = rc == MDB_SUCCESS && memcmp(key.mv_data, key_bytes, 4) == 0;
    /* The row before may reach to or past `position`. */
    MDB_val before_key, before;
    int rc_before = rc == MDB_SUCCESS ? mdb_cursor_get(cursor, &before_key, &before, MDB_PREV)
                                      : mdb_cursor_get(cursor, &before_key, &before, MDB_LAST);
    if (rc_before == MDB_SUCCESS && memcmp(before_key.mv_data, key_bytes, 4) == 0) {
        int64_t found = index_search(&before, position);
        if (found >= 0) {
            *row = before;
            *at = (size_t)found;
            return LOG_OK;
        }
    }
    if (!here)
        return LOG_NONE;
    key = (MDB_val){sizeof key_bytes, key_bytes};
    rc = mdb_cursor_get(cursor, &key, row, MDB_SET_RANGE); /* back to it */
    *at = 0;
    return error_of(rc);
}

static struct spot *spot_of(struct log *self, uint16_t stream, uint16_t partition)
{
    return &self->spots[(stream * 37u + partition) % SPOTS];
}

static uint64_t spot_set(struct spot *spot, const MDB_val *row, size_t at)
{
    const uint8_t *entry = (const uint8_t *)row->mv_data + at * INDEX_ENTRY;
    uint64_t base = get_u64(entry);
    spot->row = *row;
    spot->at = at;
    spot->end = base + get_u32(entry + 8);
    return base;
}

int log_next(struct log *self, uint16_t stream, uint16_t partition, uint64_t position,
             uint64_t *base)
{
    struct spot *spot = spot_of(self, stream, partition);
    if (spot->burst == self->burst && spot->stream == stream && spot->partition == partition &&
        spot->end == position && (spot->at + 2) * INDEX_ENTRY <= spot->row.mv_size) {
        *base = spot_set(spot, &spot->row, spot->at + 1);
        return LOG_OK;
    }
    for (uint32_t i = segment_of(self, position); i < self->count; i++) {
        struct segment *segment = &self->segments[i];
        MDB_txn *txn;
        int error = reader_of(segment, &txn);
        if (error)
            return error;
        MDB_cursor *cursor;
        error = error_of(mdb_cursor_open(txn, segment->db[DB_INDEX], &cursor));
        if (error)
            return error;
        MDB_val row;
        size_t at;
        error = index_next(cursor, stream, partition, position, &row, &at);
        if (error == LOG_OK) {
            *base = spot_set(spot, &row, at);
            spot->burst = self->burst;
            spot->stream = stream;
            spot->partition = partition;
        }
        mdb_cursor_close(cursor);
        if (error != LOG_NONE)
            return error;
    }
    return LOG_NONE;
}

uint64_t log_count_from(struct log *self, uint16_t stream, uint16_t partition, uint64_t position)
{
    uint64_t sum = 0;
    for (uint32_t i = segment_of(self, position); i < self->count; i++) {
        struct segment *segment = &self->segments[i];
        MDB_txn *txn;
        MDB_cursor *cursor;
        if (reader_of(segment, &txn) || mdb_cursor_open(txn, segment->db[DB_INDEX], &cursor))
            return sum;
        MDB_val row, key;
        size_t at;
        if (index_next(cursor, stream, partition, position, &row, &at) == LOG_OK) {
            uint8_t lane[4];
            put_u16(lane, stream);
            put_u16(lane + 2, partition);
            int rc;
            const uint8_t *first = (const uint8_t *)row.mv_data + at * INDEX_ENTRY;
            if (get_u64(first) < position) /* the end of a batch */
                sum -= position - get_u64(first);
            do {
                for (; at * INDEX_ENTRY < row.mv_size; at++)
                    sum += get_u32((const uint8_t *)row.mv_data + at * INDEX_ENTRY + 8);
                at = 0;
                rc = mdb_cursor_get(cursor, &key, &row, MDB_NEXT);
            } while (rc == MDB_SUCCESS && memcmp(key.mv_data, lane, 4) == 0);
        }
        mdb_cursor_close(cursor);
    }
    return sum;
}

/* Positions are dense: a batch reaches to the next one, whatever its header says. */
static int batch_around(MDB_txn *txn, const struct segment *segment, uint64_t position,
                        uint64_t *base, uint64_t *next)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, segment->db[DB_BATCHES], &cursor);
    if (rc)
        return error_of(rc);
    uint8_t key_bytes[8];
    put_u64(key_bytes, position);
    MDB_val key = {sizeof key_bytes, key_bytes};
    *base = *next = 0;
    rc = mdb_cursor_get(cursor, &key, NULL, MDB_SET_RANGE);
    if (rc == MDB_SUCCESS && get_u64(key.mv_data) == position) {
        *base = position;
        if (mdb_cursor_get(cursor, &key, NULL, MDB_NEXT) == MDB_SUCCESS)
            *next = get_u64(key.mv_data);
    } else if (rc == MDB_SUCCESS || rc == MDB_NOTFOUND) {
        if (rc == MDB_SUCCESS)
            *next = get_u64(key.mv_data);
        rc = mdb_cursor_get(cursor, &key, NULL, rc == MDB_SUCCESS ? MDB_PREV : MDB_LAST);
        if (rc == MDB_SUCCESS)
            *base = get_u64(key.mv_data);
        if (rc == MDB_NOTFOUND)
            rc = MDB_SUCCESS;
    }
    mdb_cursor_close(cursor);
    return error_of(rc);
}

int log_next_any(struct log *self, uint64_t position, uint64_t *base)
{
    for (uint32_t i = segment_of(self, position); i < self->count; i++) {
        MDB_txn *txn;
        uint64_t around = 0, next = 0,
                 end = i + 1 < self->count ? self->segments[i + 1].first : self->head;
        int error = reader_of(&self->segments[i], &txn);
        if (!error)
            error = batch_around(txn, &self->segments[i], position, &around, &next);
        if (error)
            return error;
        if (around && position < (next ? next : end)) {
            *base = around;
            return LOG_OK;
        }
        if (next) {
            *base = next;
            return LOG_OK;
        }
    }
    return LOG_NONE;
}

int log_batch(struct log *self, uint64_t base, struct batch_header *header, struct span *body)
{
    struct segment *segment = &self->segments[segment_of(self, base)];
    MDB_txn *txn;
    int error = reader_of(segment, &txn);
    *header = (struct batch_header){0};
    if (error)
        return error;
    uint8_t key_bytes[8];
    put_u64(key_bytes, base);
    MDB_val key = {sizeof key_bytes, key_bytes}, value;
    int rc = mdb_cursor_get(segment->at, &key, &value, MDB_SET_KEY);
    if (rc == MDB_NOTFOUND && base < log_first(self))
        return LOG_TRIMMED;
    if (rc)
        return error_of(rc);
    error = value_open(self, &value, header, body);
    if (error == LOG_CORRUPT &&
        header->count == 0) { /* not readable: what it covers, its neighbours tell */
        uint32_t i = segment_of(self, base);
        uint64_t around = 0, next = 0,
                 end = i + 1 < self->count ? self->segments[i + 1].first : self->head;
        if (batch_around(txn, segment, base, &around, &next) == LOG_OK)
            header->count = (uint32_t)((next ? next : end) - base);
    }
    if (!error && header->base != base)
        error = LOG_CORRUPT;
    header->base = base;
    if (error)
        log_error("batch-corrupt", "segment=%s base=%" PRIu64 " action=set-aside", segment->name,
                  base);
    return error;
}

static bool seqs_search(const MDB_val *value, uint64_t seq, struct log_seq *out)
{
    for (size_t at = 0; at + SEQ_ENTRY <= value->mv_size; at += SEQ_ENTRY) {
        const uint8_t *entry = (const uint8_t *)value->mv_data + at;
        uint64_t first = get_u64(entry);
        uint32_t count = get_u32(entry + 8);
        if (seq >= first && seq < first + count) {
            *out = (struct log_seq){.first_seq = first,
                                    .count = count,
                                    .crc = get_u32(entry + 12),
                                    .base = get_u64(entry + 16)};
            return true;
        }
    }
    return false;
}

/* The row of the lane at or before `seq`, in `db` of one segment. */
static int lane_row(MDB_txn *txn, MDB_dbi db, const uint8_t lane[LANE_KEY], uint64_t seq,
                    MDB_val *key, MDB_val *value)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, db, &cursor);
    if (rc)
        return error_of(rc);
    uint8_t key_bytes[LANE_KEY + 8];
    memcpy(key_bytes, lane, LANE_KEY);
    put_u64(key_bytes + LANE_KEY, seq);
    *key = (MDB_val){sizeof key_bytes, key_bytes};
    rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
    if (rc != MDB_SUCCESS || memcmp(key->mv_data, key_bytes, sizeof key_bytes) != 0)
        rc = mdb_cursor_get(cursor, key, value, rc == MDB_SUCCESS ? MDB_PREV : MDB_LAST);
    bool ours = rc == MDB_SUCCESS && memcmp(key->mv_data, lane, LANE_KEY) == 0;
    mdb_cursor_close(cursor);
    return rc == MDB_SUCCESS && !ours ? LOG_NONE : error_of(rc);
}

static bool gathered_find(const struct gathers *self, const uint8_t lane[LANE_KEY], uint64_t seq,
                          struct log_seq *out)
{
    for (uint32_t i = 0; i < self->count; i++) {
        const struct gather *row = &self->rows[i];
        MDB_val value = {row->value.size, row->value.data};
        if (memcmp(row->key, lane, LANE_KEY) == 0 && seq >= get_u64(row->key + LANE_KEY) &&
            seq < row->next_seq && seqs_search(&value, seq, out))
            return true;
    }
    return false;
}

int log_lane_find(struct log *self, uint32_t producer, uint16_t stream, uint16_t partition,
                  uint64_t seq, struct log_seq *out)
{
    uint8_t lane[LANE_KEY];
    lane_key(lane, producer, stream, partition);
    MDB_val key = {0}, value = {0};
    if (self->txn && gathered_find(&self->seqs, lane, seq, out))
        return LOG_OK;
    for (uint32_t i = self->count; i-- > 0;) {
        struct segment *segment = &self->segments[i];
        MDB_txn *txn;
        int error = reader_of(segment, &txn);
        if (!error)
            error = lane_row(txn, segment->db[DB_SEQS], lane, seq, &key, &value);
        if (!error && seqs_search(&value, seq, out))
            return LOG_OK;
        if (error && error != LOG_NONE)
            return error;
    }
    MDB_txn *txn = self->txn; /* what is for later is put at once */
    int error = txn ? LOG_OK : reader_of(active(self), &txn);
    key = (MDB_val){0};
    value = (MDB_val){0};
    if (!error)
        error = lane_row(txn, active(self)->db[DB_LATERSEQ], lane, seq, &key, &value);
    if (error)
        return error;
    const uint8_t *entry = value.mv_data;
    uint64_t first = get_u64((const uint8_t *)key.mv_data + LANE_KEY);
    uint32_t count = get_u32(entry);
    if (seq < first || seq >= first + count)
        return LOG_NONE;
    *out = (struct log_seq){.first_seq = first,
                            .count = count,
                            .crc = get_u32(entry + 4),
                            .base = 0,
                            .later_due_us = (int64_t)get_u64(entry + 8),
                            .later_id = get_u64(entry + 16)};
    return LOG_OK;
}

int log_later_read(struct log *self, int64_t due_us, uint64_t id, struct batch_header *header,
                   struct span *body)
{
    MDB_txn *txn;
    int error = reader_of(active(self), &txn);
    if (error)
        return error;
    uint8_t key_bytes[16];
    later_key(key_bytes, due_us, id);
    MDB_val key = {sizeof key_bytes, key_bytes}, value;
    int rc = mdb_get(txn, active(self)->db[DB_LATER], &key, &value);
    if (rc == MDB_NOTFOUND) {
        later_key(key_bytes, LATER_ASIDE, id);
        key = (MDB_val){sizeof key_bytes, key_bytes};
        rc = mdb_get(txn, active(self)->db[DB_LATER], &key, &value);
    }
    if (rc)
        return error_of(rc);
    return value_open(self, &value, header, body);
}
