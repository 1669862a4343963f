/* The layout of a snapshot's file, shared by its writer and its reader. */
#ifndef STORE_SNAPSHOT_INSIDE_H
#define STORE_SNAPSHOT_INSIDE_H

#include "store/snapshot.h"

#define SNAPSHOT_MAGIC "TIPSNAP1"
#define SNAPSHOT_HEAD_BYTES (8 + 5 * 8 + 4) /* magic, about, CRC of both */
#define SNAPSHOT_CHUNK_BYTES 16             /* size, rows, CRC of the rows, CRC of these three */
#define SNAPSHOT_ROW_BYTES 6                /* size of key, size of value; both follow */
#define SNAPSHOT_END_BYTES 20               /* rows, bytes, CRC over the chunks' CRCs */

static inline uint8_t *snapshot_put(uint8_t *at, uint64_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        *at++ = (uint8_t)(value >> (8 * i));
    return at;
}

static inline const uint8_t *snapshot_get(const uint8_t *at, uint64_t *value, int bytes)
{
    *value = 0;
    for (int i = 0; i < bytes; i++)
        *value = *value << 8 | *at++;
    return at;
}

uint64_t snapshot_rows_read(const struct snapshot_reader *self);
size_t snapshot_chunk_bytes(const struct snapshot_reader *self); /* of the last one read */

#endif
