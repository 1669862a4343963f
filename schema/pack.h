/* msgpack, written and read value by value: what the walker, the batch codec and the protocol
 * frames share. msgpack-c does the encoding behind pack.c, this is the only door to it; reading
 * is a cursor of our own (pack.c says why). Every read checks bounds. msgpack is canonical here:
 * shortest integer form, floats always float64. */
#ifndef SCHEMA_PACK_H
#define SCHEMA_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A growing buffer. Zero-initialise; pack_free when done. A failed allocation sets `failed` and
 * drops all that follows; so does a full buffer that is `fixed`: the caller's memory, never
 * grown nor freed. */
struct pack {
    uint8_t *data;
    size_t size, capacity;
    bool failed;
    bool fixed;
};
void pack_free(struct pack *self);
void pack_reset(struct pack *self); /* keeps the memory */
void pack_array(struct pack *self, uint32_t count);
void pack_map(struct pack *self, uint32_t count);
void pack_u64(struct pack *self, uint64_t value);
void pack_i64(struct pack *self, int64_t value);
void pack_f64(struct pack *self, double value);
void pack_bool(struct pack *self, bool value);
void pack_nil(struct pack *self);
void pack_str(struct pack *self, const char *text, size_t size);
void pack_text(struct pack *self, const char *text); /* NUL-terminated */
void pack_bin(struct pack *self, const void *data, size_t size);
void pack_raw(struct pack *self, const void *data, size_t size); /* already encoded */

/* A cursor over bytes. Each take returns true and advances, or false and stays (wrong kind or
 * out of bytes). */
struct unpack {
    const uint8_t *data;
    size_t size, at;
};
enum pack_kind {
    PACK_NIL,
    PACK_BOOL,
    PACK_INT,
    PACK_FLOAT,
    PACK_STR,
    PACK_BIN,
    PACK_ARRAY,
    PACK_MAP,
    PACK_EXT,
    PACK_END
};
enum pack_kind unpack_peek(const struct unpack *self); /* PACK_END at the end or on a broken head */
bool unpack_array(struct unpack *self, uint32_t *count);
bool unpack_map(struct unpack *self, uint32_t *count);
bool unpack_u64(struct unpack *self, uint64_t *value); /* negative refused */
bool unpack_i64(struct unpack *self, int64_t *value);  /* > INT64_MAX refused */
bool unpack_f64(struct unpack *self, double *value);   /* ints accepted */
bool unpack_bool(struct unpack *self, bool *value);
bool unpack_nil(struct unpack *self);
bool unpack_str(struct unpack *self, const char **text,
                uint32_t *size); /* NOT NUL-terminated; borrows */
bool unpack_bin(struct unpack *self, const uint8_t **data, uint32_t *size);
bool unpack_skip(struct unpack *self); /* one whole value, whatever it is */

/* Walks one value without building anything: every declared count fits the bytes left, depth and
 * node limits hold, no ext types, map keys are str. Returns the size of the value, or -1 with a
 * static text in `*rule`. */
long pack_prescan(const void *data, size_t size, uint32_t depth_max, uint32_t nodes_max,
                  const char **rule);

/* One flat map: every key a str, none twice, every value nil, bool, a finite number or a str; text is UTF-8. NULL with its size in `*used`, or
 * a static text: the rule that it breaks. */
const char *pack_flat(const void *data, size_t size, size_t *used);

/* CRC-32C (Castagnoli), as used for batches and for the partition of a key. `seed` 0 to start,
 * or the result so far. */
uint32_t pack_crc32c(uint32_t seed, const void *data, size_t size);

#endif
