/* SHA-256, over libcrypto: of bodies, imported files and what a prediction was made from. */
#ifndef SCHEMA_HASH_H
#define SCHEMA_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_HEX_SIZE 65 /* 64 hex digits and NUL */

void hash_sha256_hex(const void *data, size_t size, char out[HASH_HEX_SIZE]);

/* Keyed: RFC 2104. */
void hash_hmac_sha256_hex(const void *key, size_t key_size, const void *data, size_t size,
                          char out[HASH_HEX_SIZE]);
/* Its first 128 bits, as two numbers. */
void hash_sha256_128(const void *data, size_t size, uint64_t out[2]);

/* The same over pieces. */
struct hash;
struct hash *hash_open(void);
void hash_add(struct hash *self, const void *data, size_t size);
void hash_close(struct hash **self, char out[HASH_HEX_SIZE]); /* `out` may be NULL */

/* FNV-1a, 64 bits: stable numbers for names. Not for anything an adversary gains from. */
uint64_t hash_fnv64(const void *data, size_t size);

#endif
