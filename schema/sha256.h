/* SHA-256 (FIPS 180-4): what names a body, a file's rows or a digest. */
#ifndef SCHEMA_SHA256_H
#define SCHEMA_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32
#define SHA256_TEXT_SIZE 65 /* 64 hex digits and NUL */

struct sha256 {
    uint32_t state[8];
    uint64_t bytes;
    uint8_t block[64];
};
void sha256_start(struct sha256 *self);
void sha256_add(struct sha256 *self, const void *data, size_t size);
void sha256_end(struct sha256 *self, uint8_t digest[SHA256_BYTES]);
void sha256_end_text(struct sha256 *self, char text[SHA256_TEXT_SIZE]); /* lower-case hex */
void sha256_text(const void *data, size_t size, char text[SHA256_TEXT_SIZE]);

#endif
