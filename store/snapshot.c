/* Making a snapshot, and the files of a folder of them. Reading is snapshot_read.c. */
#include "store/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/clock.h"
#include "config/fault.h"
#include "config/log.h"
#include "schema/pack.h"
#include "store/env_make.h"
#include "store/snapshot_inside.h"
#include "store/store_inside.h"

#define TIME_EVERY_ROWS 16 /* the clock is looked at so often */

struct snapshot_writer {
    struct store_txn *txn;
    MDB_cursor *cursor; /* of the rows; NULL: all are copied */
    bool started;
    snapshot_leaves_out *leaves_out;
    char folder[PATH_MAX - 64], temporary[PATH_MAX], path[PATH_MAX];
    int fd;
    uint64_t rows, bytes;
    uint32_t chain; /* CRC over the CRCs of the chunks */
    struct pack chunk;
    uint32_t chunk_rows;
    struct snapshot_reader *check; /* what is read back */
};

/* ---- the folder ---- */

static int errno_error(void)
{
    return errno == ENOSPC || errno == EDQUOT ? STORE_FULL : STORE_IO;
}

int snapshot_path(char *path, size_t size, const char *folder, uint64_t cursor)
{
    return snprintf(path, size, "%s/snap-%020" PRIu64, folder, cursor) < (int)size ? 0 : -1;
}

/* "snap-<20 digits>" and what follows: `*rest`; false if the name is another. */
static bool name_read(const char *name, uint64_t *cursor, const char **rest)
{
    if (strncmp(name, "snap-", 5) != 0 || strspn(name + 5, "0123456789") != 20)
        return false;
    *cursor = strtoull(name + 5, NULL, 10);
    *rest = name + 25;
    return true;
}

static int newest_first(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? 1 : left > right ? -1 : 0;
}

uint32_t snapshot_list(const char *folder, uint64_t *cursors, uint32_t most)
{
    uint32_t count = 0;
    uint64_t cursor;
    const char *rest;
    DIR *open_folder = opendir(folder);
    for (const struct dirent *entry; open_folder && (entry = readdir(open_folder));) {
        if (!name_read(entry->d_name, &cursor, &rest) || *rest)
            continue;
        if (count < most) {
            cursors[count++] = cursor;
            continue;
        }
        uint32_t oldest = 0; /* there are too many: the newest are wanted */
        for (uint32_t i = 1; i < count; i++)
            if (cursors[i] < cursors[oldest])
                oldest = i;
        if (count > 0 && cursor > cursors[oldest])
            cursors[oldest] = cursor;
    }
    if (open_folder)
        closedir(open_folder);
    qsort(cursors, count, sizeof *cursors, newest_first);
    return count;
}

void snapshot_set_aside(const char *folder, uint64_t cursor)
{
    char path[PATH_MAX], bad[PATH_MAX + 8];
    if (snapshot_path(path, sizeof path, folder, cursor) != 0)
        return;
    snprintf(bad, sizeof bad, "%s.bad", path);
    if (rename(path, bad) == 0)
        (void)env_dir_sync(folder);
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);
    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

/* Its writer holds a lock on it as long as it lives. */
static bool writer_lives(int folder, const char *name)
{
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    bool lives = flock(fd, LOCK_EX | LOCK_NB) != 0;
    close(fd);
    return lives;
}

void snapshot_remove(const char *folder, uint64_t above, uint64_t last)
{
    uint64_t cursors[SNAPSHOT_MOST];
    char path[PATH_MAX];
    uint32_t count = snapshot_list(folder, cursors, SNAPSHOT_MOST);
    for (uint32_t i = 0; i < count; i++) {
        if (cursors[i] <= above || cursors[i] > last)
            continue;
        if (snapshot_path(path, sizeof path, folder, cursors[i]) != 0 || unlink(path) != 0)
            log_error("snapshot-unremoved", "path=%s why=\"%s\"", path, strerror(errno));
    }
    (void)env_dir_sync(folder);
}

void snapshot_sweep(const char *folder, int64_t *found, int64_t *removed)
{
    uint64_t cursor;
    const char *rest;
    DIR *open_folder = opendir(folder);
    for (const struct dirent *entry; open_folder && (entry = readdir(open_folder));) {
        if (!name_read(entry->d_name, &cursor, &rest) || !ends_with(rest, ".tmp"))
            continue;
        if (found)
            ++*found;
        if (!writer_lives(dirfd(open_folder), entry->d_name) &&
            unlinkat(dirfd(open_folder), entry->d_name, 0) == 0 && removed)
            ++*removed;
    }
    if (open_folder)
        closedir(open_folder);
}

/* The newest `keep` stay; so do broken ones that are not older than those. */
static void retain(const char *folder, uint32_t keep)
{
    uint64_t cursors[SNAPSHOT_MOST], cursor;
    const char *rest;
    uint32_t count = snapshot_list(folder, cursors, SNAPSHOT_MOST);
    if (keep == 0 || count < keep)
        return;
    DIR *open_folder = opendir(folder);
    for (const struct dirent *entry; open_folder && (entry = readdir(open_folder));)
        if (name_read(entry->d_name, &cursor, &rest) && cursor < cursors[keep - 1] &&
            (!*rest || strcmp(rest, ".bad") == 0))
            (void)unlinkat(dirfd(open_folder), entry->d_name, 0);
    if (open_folder)
        closedir(open_folder);
}

/* ---- writing ---- */

static int write_all(struct snapshot_writer *self, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(self->fd, data, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return errno_error();
        data += written;
        size -= (size_t)written;
    }
    return STORE_OK;
}

static int head_write(struct snapshot_writer *self, const struct snapshot_about *about)
{
    uint8_t head[SNAPSHOT_HEAD_BYTES];
    uint8_t *at = head;
    memcpy(at, SNAPSHOT_MAGIC, 8);
    at = snapshot_put(at + 8, about->cursor, 8);
    at = snapshot_put(at, about->counted_from, 8);
    at = snapshot_put(at, about->step, 8);
    at = snapshot_put(at, about->epoch, 8);
    at = snapshot_put(at, (uint64_t)about->league_us, 8);
    snapshot_put(at, pack_crc32c(0, head, (size_t)(at - head)), 4);
    return write_all(self, head, sizeof head);
}

/* Its head is before the rows in the same buffer, so that it is one write. */
static int chunk_write(struct snapshot_writer *self)
{
    if (self->chunk.failed || self->chunk.size > UINT32_MAX)
        return STORE_IO;
    uint8_t *head = self->chunk.data, *rows = head + SNAPSHOT_CHUNK_BYTES;
    size_t size = self->chunk.size - SNAPSHOT_CHUNK_BYTES;
    uint32_t crc = pack_crc32c(0, rows, size);
    uint8_t *at = snapshot_put(head, size, 4);
    at = snapshot_put(at, self->chunk_rows, 4);
    at = snapshot_put(at, crc, 4);
    snapshot_put(at, pack_crc32c(0, head, 12), 4);
    self->chain = pack_crc32c(self->chain, head + 8, 4);
    int error = write_all(self, head, self->chunk.size);
    if (!error && fdatasync(self->fd) != 0)
        error = errno_error();
    self->rows += self->chunk_rows;
    self->bytes += size;
    return error;
}

static void chunk_start(struct snapshot_writer *self)
{
    static const uint8_t nothing[SNAPSHOT_CHUNK_BYTES];
    pack_reset(&self->chunk);
    pack_raw(&self->chunk, nothing, sizeof nothing);
    self->chunk_rows = 0;
}

/* A chunk without rows: the end. */
static int end_write(struct snapshot_writer *self)
{
    uint8_t end[SNAPSHOT_END_BYTES];
    uint8_t *at = snapshot_put(end, self->rows, 8);
    at = snapshot_put(at, self->bytes, 8);
    snapshot_put(at, self->chain, 4);
    chunk_start(self);
    pack_raw(&self->chunk, end, sizeof end);
    return chunk_write(self);
}

static void row_add(struct snapshot_writer *self, const MDB_val *key, const MDB_val *value)
{
    uint8_t sizes[SNAPSHOT_ROW_BYTES];
    snapshot_put(snapshot_put(sizes, key->mv_size, 2), value->mv_size, 4);
    pack_raw(&self->chunk, sizes, sizeof sizes);
    pack_raw(&self->chunk, key->mv_data, key->mv_size);
    pack_raw(&self->chunk, value->mv_data, value->mv_size);
    self->chunk_rows++;
}

static void source_end(struct snapshot_writer *self)
{
    if (self->cursor)
        mdb_cursor_close(self->cursor);
    self->cursor = NULL;
    if (self->txn)
        store_abort(&self->txn);
}

static int copy_turn(struct snapshot_writer *self, const struct snapshot_slice *slice)
{
    MDB_val key, value;
    int rc = 0;
    int64_t until_us = clock_mono_us() + slice->time_us;
    chunk_start(self);
    for (uint32_t seen = 1; self->chunk.size < slice->bytes && !self->chunk.failed; seen++) {
        rc = mdb_cursor_get(self->cursor, &key, &value, self->started ? MDB_NEXT : MDB_FIRST);
        self->started = true;
        if (rc)
            break;
        struct span name = {key.mv_data, (uint32_t)key.mv_size};
        if (!self->leaves_out || !self->leaves_out(&name))
            row_add(self, &key, &value);
        if (seen % TIME_EVERY_ROWS == 0 && clock_mono_us() >= until_us)
            break;
    }
    int error = self->chunk_rows > 0 ? chunk_write(self) : STORE_OK;
    if (!rc || error)
        return error ? error : 1;
    if (rc != MDB_NOTFOUND)
        return store_spoil(self->txn, rc);
    source_end(self);
    error = end_write(self);
    return error ? error : 1;
}

int snapshot_begin(struct snapshot_writer **out, struct store *store, const char *folder,
                   const char *owner, const struct snapshot_about *about,
                   snapshot_leaves_out *leaves_out)
{
    struct snapshot_writer *self = calloc(1, sizeof *self);
    *out = NULL;
    if (!self)
        return STORE_IO;
    self->fd = -1;
    self->leaves_out = leaves_out;
    snapshot_sweep(folder, NULL, NULL);
    int error = store_begin(store, false, &self->txn);
    if (!error)
        error = store_spoil(self->txn, mdb_cursor_open(self->txn->txn, store->dbi, &self->cursor));
    if (!error &&
        (snprintf(self->folder, sizeof self->folder, "%s", folder) >= (int)sizeof self->folder ||
         snapshot_path(self->path, sizeof self->path, folder, about->cursor) != 0 ||
         snprintf(self->temporary, sizeof self->temporary, "%s.%.16s.tmp", self->path, owner) >=
             (int)sizeof self->temporary)) {
        errno = ENAMETOOLONG;
        error = STORE_IO;
    }
    if (!error)
        self->fd = open(self->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (!error && (self->fd < 0 || flock(self->fd, LOCK_EX | LOCK_NB) != 0))
        error = errno_error();
    if (!error)
        error = head_write(self, about);
    if (error) {
        int saved = errno;
        snapshot_drop(&self);
        errno = saved;
        return error;
    }
    (void)fault_hit(FAULT_SNAPSHOT_BEGUN);
    *out = self;
    return STORE_OK;
}

static int check_turn(struct snapshot_writer *self, const struct snapshot_slice *slice)
{
    struct snapshot_about about;
    int rc = self->check ? STORE_OK : snapshot_open(&self->check, self->temporary, &about);
    int64_t until_us = clock_mono_us() + slice->time_us;
    size_t read_bytes = 0;
    if (rc)
        return rc;
    do {
        rc = snapshot_next(self->check, NULL, NULL);
        read_bytes += snapshot_chunk_bytes(self->check);
    } while (rc == 1 && read_bytes < slice->bytes && clock_mono_us() < until_us);
    if (rc == 0 && (snapshot_rows_read(self->check) != self->rows))
        rc = STORE_CORRUPT;
    return rc;
}

int snapshot_turn(struct snapshot_writer *self, const struct snapshot_slice *slice)
{
    int rc = self->cursor ? copy_turn(self, slice) : check_turn(self, slice);
    if (rc == 0)
        (void)fault_hit(FAULT_SNAPSHOT_WRITTEN);
    return rc;
}

uint64_t snapshot_rows(const struct snapshot_writer *self)
{
    return self->rows;
}

uint64_t snapshot_bytes(const struct snapshot_writer *self)
{
    return self->bytes;
}

int snapshot_name(struct snapshot_writer **self_ref, uint32_t keep)
{
    struct snapshot_writer *self = *self_ref;
    int error =
        fsync(self->fd) != 0 || rename(self->temporary, self->path) != 0 ? errno_error() : STORE_OK;
    if (!error) {
        self->temporary[0] = '\0';
        (void)fault_hit(FAULT_SNAPSHOT_RENAMED);
        error = env_names_sync(self->folder) ? STORE_IO : STORE_OK;
    }
    if (!error)
        retain(self->folder, keep);
    snapshot_drop(self_ref);
    return error;
}

void snapshot_drop(struct snapshot_writer **self_ref)
{
    struct snapshot_writer *self = *self_ref;
    if (!self)
        return;
    source_end(self);
    snapshot_close(&self->check);
    if (self->fd >= 0) {
        if (self->temporary[0])
            (void)unlink(self->temporary);
        close(self->fd);
    }
    pack_free(&self->chunk);
    free(self);
    *self_ref = NULL;
}
