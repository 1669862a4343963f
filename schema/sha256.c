/* SHA-256, plain: about 300 MB/s, far more than is ever hashed here. */
#include "schema/sha256.h"

#include <string.h>

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t value, unsigned bits)
{
    return value >> bits | value << (32 - bits);
}

static void sha256_block(uint32_t state[8], const uint8_t *in)
{
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++) {
        w[i] = (uint32_t)in[4 * i] << 24 | (uint32_t)in[4 * i + 1] << 16 |
               (uint32_t)in[4 * i + 2] << 8 | in[4 * i + 3];
    }
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[i - 7] +
               (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t e = s[4], a = s[0];
        uint32_t t1 = s[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
                      ((e & s[5]) ^ (~e & s[6])) + K[i] + w[i];
        uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +
                      ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof s[0]);
        s[4] += t1;
        s[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++) {
        state[i] += s[i];
    }
}

void sha256_start(struct sha256 *self)
{
    static const uint32_t first[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(self->state, first, sizeof first);
    self->bytes = 0;
}

void sha256_add(struct sha256 *self, const void *data, size_t size)
{
    const uint8_t *at = data;
    size_t held = self->bytes % 64;
    self->bytes += size;
    if (held > 0) {
        size_t room = 64 - held, part = size < room ? size : room;
        memcpy(self->block + held, at, part);
        at += part;
        size -= part;
        if (part < room) {
            return;
        }
        sha256_block(self->state, self->block);
    }
    for (; size >= 64; at += 64, size -= 64) {
        sha256_block(self->state, at);
    }
    if (size > 0) {
        memcpy(self->block, at, size);
    }
}

void sha256_end(struct sha256 *self, uint8_t digest[SHA256_BYTES])
{
    static const uint8_t padding[64] = {0x80};
    uint64_t bits = self->bytes * 8;
    size_t held = self->bytes % 64;
    sha256_add(self, padding, held < 56 ? 56 - held : 120 - held);
    uint8_t tail[8];
    for (int i = 0; i < 8; i++) {
        tail[i] = (uint8_t)(bits >> (56 - 8 * i));
    }
    sha256_add(self, tail, sizeof tail);
    for (int i = 0; i < 32; i++) {
        digest[i] = (uint8_t)(self->state[i / 4] >> (24 - 8 * (i % 4)));
    }
}

void sha256_end_text(struct sha256 *self, char text[SHA256_TEXT_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    uint8_t digest[SHA256_BYTES];
    sha256_end(self, digest);
    for (int i = 0; i < SHA256_BYTES; i++) {
        text[2 * i] = hex[digest[i] >> 4];
        text[2 * i + 1] = hex[digest[i] & 15];
    }
    text[SHA256_TEXT_SIZE - 1] = '\0';
}

void sha256_text(const void *data, size_t size, char text[SHA256_TEXT_SIZE])
{
    struct sha256 self;
    sha256_start(&self);
    sha256_add(&self, data, size);
    sha256_end_text(&self, text);
}
