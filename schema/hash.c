#include "schema/hash.h"

#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

struct hash {
    EVP_MD_CTX *context;
};

/* libcrypto fails here only without memory, which none of us survives. */
static void must(int ok)
{
    if (ok != 1)
        abort();
}

/* Looked up once, and for good: with EVP_sha256() it is looked up anew each time, which takes longer than to hash a record. */
static const EVP_MD *sha256(void)
{
    static _Thread_local EVP_MD *found;
    if (found == NULL)
        found = EVP_MD_fetch(NULL, "SHA256", NULL);
    must(found != NULL);
    return found;
}

/* Of one piece, in a context that is made once. The digest's size. */
static size_t digest(const void *data, size_t size, unsigned char out[EVP_MAX_MD_SIZE])
{
    static _Thread_local EVP_MD_CTX *context;
    unsigned int out_size = 0;
    if (context == NULL)
        context = EVP_MD_CTX_new();
    must(context != NULL && EVP_DigestInit_ex(context, sha256(), NULL));
    must(EVP_DigestUpdate(context, size > 0 ? data : "", size));
    must(EVP_DigestFinal_ex(context, out, &out_size));
    return out_size;
}

static void hex(const unsigned char *bytes, size_t size, char *out)
{
    static const char DIGITS[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = DIGITS[bytes[i] >> 4];
        out[2 * i + 1] = DIGITS[bytes[i] & 15];
    }
    out[2 * size] = '\0';
}

void hash_sha256_hex(const void *data, size_t size, char out[HASH_HEX_SIZE])
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    size_t bytes_size = digest(data, size, bytes);
    hex(bytes, bytes_size, out);
}

void hash_hmac_sha256_hex(const void *key, size_t key_size, const void *data, size_t size,
                          char out[HASH_HEX_SIZE])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int digest_size = 0;
    must(HMAC(EVP_sha256(), key, (int)key_size, data, size, digest, &digest_size) != NULL);
    hex(digest, digest_size, out);
}

void hash_sha256_128(const void *data, size_t size, uint64_t out[2])
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    (void)digest(data, size, bytes);
    for (int i = 0; i < 16; i++)
        out[i / 8] = out[i / 8] << 8 | bytes[i];
}

struct hash *hash_open(void)
{
    struct hash *self = calloc(1, sizeof *self);
    if (self == NULL)
        abort();
    self->context = EVP_MD_CTX_new();
    must(self->context != NULL);
    must(EVP_DigestInit_ex(self->context, sha256(), NULL));
    return self;
}

void hash_add(struct hash *self, const void *data, size_t size)
{
    if (size > 0)
        must(EVP_DigestUpdate(self->context, data, size));
}

void hash_close(struct hash **self, char out[HASH_HEX_SIZE])
{
    if (*self == NULL)
        return;
    if (out != NULL) {
        unsigned char digest[EVP_MAX_MD_SIZE];
        unsigned int digest_size = 0;
        must(EVP_DigestFinal_ex((*self)->context, digest, &digest_size));
        hex(digest, digest_size, out);
    }
    EVP_MD_CTX_free((*self)->context);
    free(*self);
    *self = NULL;
}

uint64_t hash_fnv64(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint64_t value = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++) {
        value ^= bytes[i];
        value *= 0x100000001b3u;
    }
    return value;
}
