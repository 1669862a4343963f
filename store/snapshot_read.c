/* Reading a snapshot: no byte is believed before its CRC was compared. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "schema/pack.h"
#include "store/snapshot_inside.h"
#include "store/store_inside.h"

struct snapshot_reader {
    int fd;
    uint64_t left; /* bytes of the file that were not read yet */
    uint64_t rows, bytes;
    uint32_t chain;
    uint8_t *chunk;
    size_t capacity, chunk_bytes;
    uint32_t chunk_rows;
    bool ended;
};

/* STORE_CORRUPT if the file ends before. */
static int read_all(struct snapshot_reader *self, uint8_t *data, size_t size)
{
    if (size > self->left)
        return STORE_CORRUPT;
    self->left -= size;
    while (size > 0) {
        ssize_t got = read(self->fd, data, size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno == EIO ? STORE_CORRUPT : STORE_IO; /* the device cannot read it any more */
        if (got == 0)
            return STORE_CORRUPT;
        data += got;
        size -= (size_t)got;
    }
    return STORE_OK;
}

static int head_read(struct snapshot_reader *self, struct snapshot_about *about)
{
    uint8_t head[SNAPSHOT_HEAD_BYTES];
    uint64_t crc, league;
    int error = read_all(self, head, sizeof head);
    if (error)
        return error;
    const uint8_t *at = snapshot_get(head + 8, &about->cursor, 8);
    at = snapshot_get(at, &about->counted_from, 8);
    at = snapshot_get(at, &about->step, 8);
    at = snapshot_get(at, &about->epoch, 8);
    at = snapshot_get(at, &league, 8);
    size_t size = (size_t)(at - head);
    snapshot_get(at, &crc, 4);
    about->league_us = (int64_t)league;
    return memcmp(head, SNAPSHOT_MAGIC, 8) == 0 && pack_crc32c(0, head, size) == crc
               ? STORE_OK
               : STORE_CORRUPT;
}

int snapshot_open(struct snapshot_reader **out, const char *path, struct snapshot_about *about)
{
    struct stat info;
    struct snapshot_reader *self = calloc(1, sizeof *self);
    *out = NULL;
    if (!self)
        return STORE_IO;
    self->fd = open(path, O_RDONLY | O_CLOEXEC);
    int error = self->fd < 0 || fstat(self->fd, &info) != 0 ? STORE_IO : STORE_OK;
    if (!error) {
        self->left = (uint64_t)info.st_size;
        error = head_read(self, about);
    }
    if (error) {
        int saved = errno;
        snapshot_close(&self);
        errno = saved;
        return error;
    }
    *out = self;
    return STORE_OK;
}

void snapshot_close(struct snapshot_reader **self_ref)
{
    struct snapshot_reader *self = *self_ref;
    if (!self)
        return;
    if (self->fd >= 0)
        close(self->fd);
    free(self->chunk);
    free(self);
    *self_ref = NULL;
}

uint64_t snapshot_rows_read(const struct snapshot_reader *self)
{
    return self->rows;
}

size_t snapshot_chunk_bytes(const struct snapshot_reader *self)
{
    return self->chunk_bytes;
}

/* Its size is bounded by what is left of the file before anything is allocated. */
static int chunk_read(struct snapshot_reader *self)
{
    uint8_t head[SNAPSHOT_CHUNK_BYTES];
    uint64_t size, rows, crc, head_crc;
    int error = read_all(self, head, sizeof head);
    if (error)
        return error;
    const uint8_t *at = snapshot_get(head, &size, 4);
    at = snapshot_get(at, &rows, 4);
    at = snapshot_get(at, &crc, 4);
    snapshot_get(at, &head_crc, 4);
    if (pack_crc32c(0, head, 12) != head_crc || size > self->left)
        return STORE_CORRUPT;
    if (size > self->capacity) {
        uint8_t *grown = realloc(self->chunk, size);
        if (!grown)
            return STORE_IO;
        self->chunk = grown;
        self->capacity = size;
    }
    self->chunk_bytes = size;
    self->chunk_rows = (uint32_t)rows;
    error = read_all(self, self->chunk, size);
    if (error)
        return error;
    if (pack_crc32c(0, self->chunk, size) != crc)
        return STORE_CORRUPT;
    if (rows > 0)
        self->chain = pack_crc32c(self->chain, head + 8, 4);
    return STORE_OK;
}

static int end_check(const struct snapshot_reader *self)
{
    uint64_t rows, bytes, chain;
    if (self->chunk_bytes != SNAPSHOT_END_BYTES || self->left > 0)
        return STORE_CORRUPT;
    snapshot_get(snapshot_get(snapshot_get(self->chunk, &rows, 8), &bytes, 8), &chain, 4);
    return rows == self->rows && bytes == self->bytes && chain == self->chain ? STORE_OK
                                                                              : STORE_CORRUPT;
}

static int rows_visit(const struct snapshot_reader *self, snapshot_visit *visit, void *context)
{
    const uint8_t *at = self->chunk, *end = at + self->chunk_bytes;
    int result = 0;
    for (uint32_t i = 0; i < self->chunk_rows && !result; i++) {
        uint64_t key_size, value_size;
        if (end - at < SNAPSHOT_ROW_BYTES)
            return STORE_CORRUPT;
        at = snapshot_get(snapshot_get(at, &key_size, 2), &value_size, 4);
        if ((uint64_t)(end - at) < key_size + value_size)
            return STORE_CORRUPT;
        struct span key = {at, (uint32_t)key_size}, value = {at + key_size, (uint32_t)value_size};
        at += key_size + value_size;
        result = visit ? visit(&key, &value, context) : 0;
    }
    return result ? result : at == end ? 0 : STORE_CORRUPT;
}

int snapshot_next(struct snapshot_reader *self, snapshot_visit *visit, void *context)
{
    if (self->ended)
        return STORE_OK;
    int result = chunk_read(self);
    if (result)
        return result;
    if (self->chunk_rows == 0) {
        self->ended = true;
        return end_check(self);
    }
    result = rows_visit(self, visit, context);
    self->rows += self->chunk_rows;
    self->bytes += self->chunk_bytes;
    return result ? result : 1;
}

static int row_put(const struct span *key, const struct span *value, void *context)
{
    struct store_txn *txn = context;
    MDB_val k = {key->size, (void *)(uintptr_t)key->data},
            v = {value->size, (void *)(uintptr_t)value->data};
    txn->writes++;
    return store_spoil(txn, mdb_put(txn->txn, txn->store->dbi, &k, &v, 0));
}

int snapshot_load(struct snapshot_reader *self, struct store *store)
{
    struct store_txn *txn;
    int error = store_begin(store, true, &txn);
    if (error)
        return error;
    int result = snapshot_next(self, row_put, txn);
    if (result != 1) {
        store_abort(&txn);
        return result;
    }
    error = store_commit(&txn);
    return error ? error : 1;
}
