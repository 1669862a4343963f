#include "sim/pour.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define MIB ((int64_t)1 << 20)
#define GZIP_HEAD_SIZE 10

struct pour {
    long (*at)(const struct pour *self, uint64_t offset, char *buffer, size_t size);
    int64_t bytes;
    unsigned char
        *block; /* of a gzip bomb: one MiB, packed and flushed, so that it can be repeated */
    size_t block_size;
    uint64_t blocks;
    unsigned char tail[10]; /* last empty block, CRC, length */
    char *text;
};

static struct pour *make(int64_t bytes, long (*at)(const struct pour *self, uint64_t offset,
                                                   char *buffer, size_t size))
{
    struct pour *self = calloc(1, sizeof *self);
    if (self != NULL) {
        self->bytes = bytes;
        self->at = at;
    }
    return self;
}

void pour_free(void *context)
{
    struct pour *self = context;
    free(self->block);
    free(self->text);
    free(self);
}

long pour_next(void *context, uint64_t offset, char *buffer, size_t size)
{
    const struct pour *self = context;
    return self->at(self, offset, buffer, size);
}

/* ---- a huge list ---- */

static long huge_at(const struct pour *self, uint64_t offset, char *buffer, size_t size)
{
    static const char head[] = "{\"data\":[", tail[] = "0]}";
    uint64_t end = (uint64_t)self->bytes, tail_at = end - (sizeof tail - 1);
    size_t done = 0;
    if (offset >= end) {
        return -1;
    }
    for (; done < size && offset < end; done++, offset++) {
        if (offset < sizeof head - 1) {
            buffer[done] = head[offset];
        } else if (offset >= tail_at) {
            buffer[done] = tail[offset - tail_at];
        } else { /* "0,0,0," and a blank where the last comma would have no room */
            bool even = (offset - (sizeof head - 1)) % 2 == 0;
            buffer[done] = !even ? ',' : offset + 1 == tail_at ? ' ' : '0';
        }
    }
    return (long)done;
}

struct pour *pour_huge(int64_t bytes)
{
    return make(bytes < 16 ? 16 : bytes, huge_at);
}

/* ---- a gzip bomb ---- */

static long bomb_at(const struct pour *self, uint64_t offset, char *buffer, size_t size)
{
    static const unsigned char head[GZIP_HEAD_SIZE] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
    uint64_t body = self->block_size * self->blocks, at;
    size_t done = 0;
    for (; done < size && offset < GZIP_HEAD_SIZE; done++, offset++) {
        buffer[done] = (char)head[offset];
    }
    at = offset - GZIP_HEAD_SIZE;
    while (done < size && at < body) {
        size_t from = (size_t)(at % self->block_size), count = self->block_size - from;
        count = count < size - done ? count : size - done;
        memcpy(buffer + done, self->block + from, count);
        done += count;
        at += count;
    }
    for (; done < size && at < body + sizeof self->tail; done++, at++) {
        buffer[done] = (char)self->tail[at - body];
    }
    return done > 0 ? (long)done : -1;
}

/* One MiB of blanks, deflated and flushed to a byte: any number of them in a row is a deflate stream. */
static int pack_block(struct pour *self, const unsigned char *blanks)
{
    z_stream stream = {0};
    if (deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        return -1;
    }
    self->block = malloc(deflateBound(&stream, (uLong)MIB) + 64);
    stream.next_in = (Bytef *)(uintptr_t)blanks;
    stream.avail_in = (uInt)MIB;
    stream.next_out = self->block;
    stream.avail_out = self->block != NULL ? (uInt)(deflateBound(&stream, (uLong)MIB) + 64) : 0;
    int result = self->block != NULL && deflate(&stream, Z_FULL_FLUSH) == Z_OK ? 0 : -1;
    self->block_size = stream.total_out;
    deflateEnd(&stream);
    return result;
}

struct pour *pour_gzip_bomb(int64_t bytes)
{
    struct pour *self = make(bytes, bomb_at);
    unsigned char *blanks = malloc((size_t)MIB);
    if (self == NULL || blanks == NULL) {
        goto fail;
    }
    memset(blanks, ' ', (size_t)MIB);
    if (pack_block(self, blanks) != 0) {
        goto fail;
    }
    self->blocks = (uint64_t)((bytes + MIB - 1) / MIB);
    uLong one = crc32(0, blanks, (uInt)MIB), sum = 0;
    for (uint64_t i = 0; i < self->blocks; i++) {
        sum = crc32_combine(sum, one, (z_off_t)MIB);
    }
    uint32_t length = (uint32_t)(self->blocks * (uint64_t)MIB);
    self->tail[0] = 3; /* a last block, empty */
    for (int i = 0; i < 4; i++) {
        self->tail[2 + i] = (unsigned char)(sum >> (8 * i));
        self->tail[6 + i] = (unsigned char)(length >> (8 * i));
    }
    free(blanks);
    return self;
fail:
    free(blanks);
    if (self != NULL) {
        pour_free(self);
    }
    return NULL;
}

/* ---- half a body ---- */

static long cut_at(const struct pour *self, uint64_t offset, char *buffer, size_t size)
{
    uint64_t left = (uint64_t)self->bytes > offset ? (uint64_t)self->bytes - offset : 0;
    size_t count = left < size ? (size_t)left : size;
    if (count == 0) {
        return -2;
    }
    memcpy(buffer, self->text + offset, count);
    return (long)count;
}

struct pour *pour_cut(const char *text, size_t size)
{
    struct pour *self = make((int64_t)(size / 2), cut_at);
    if (self == NULL || (self->text = malloc(size / 2 + 1)) == NULL) {
        free(self);
        return NULL;
    }
    memcpy(self->text, text, size / 2);
    return self;
}
