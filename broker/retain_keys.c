#include "broker/retain_keys.h"

#include <stdlib.h>
#include <string.h>

#include "broker/protocol.h"
#include "schema/hash.h"
#include "schema/record.h"

struct retain_key {
    uint64_t hash[2], position; /* 0: free */
};

bool retain_keys_open(struct retain_keys *self, uint64_t keys)
{
    uint64_t slots = 16;
    while (slots / 4 * 3 < keys)
        slots *= 2;
    *self = (struct retain_keys){
        .slots = calloc(slots, sizeof *self->slots), .slot_count = slots, .to = UINT64_MAX};
    return self->slots != NULL;
}

void retain_keys_close(struct retain_keys *self)
{
    free(self->slots);
    self->slots = NULL;
}

void retain_keys_begin(struct retain_keys *self, uint64_t from)
{
    memset(self->slots, 0, self->slot_count * sizeof *self->slots);
    self->count = 0;
    self->from = from;
    self->to = UINT64_MAX;
}

/* What is of another stream is another key. */
static void hash_of(uint16_t stream, const char *key, size_t key_size, uint64_t hash[2])
{
    uint8_t bytes[2 + RECORD_KEY_MAX];
    if (key_size > RECORD_KEY_MAX)
        key_size = RECORD_KEY_MAX;
    put_u16(bytes, stream);
    memcpy(bytes + 2, key, key_size);
    hash_sha256_128(bytes, 2 + key_size, hash);
}

/* Its slot, or the free one where it would go. */
static struct retain_key *slot_of(const struct retain_keys *self, const uint64_t hash[2])
{
    uint64_t at = hash[1] & (self->slot_count - 1);
    for (;; at = (at + 1) & (self->slot_count - 1)) {
        struct retain_key *slot = &self->slots[at];
        if (slot->position == 0 || (slot->hash[0] == hash[0] && slot->hash[1] == hash[1]))
            return slot;
    }
}

/* The upper half of the range goes, until there is room again. */
static void halve(struct retain_keys *self)
{
    struct retain_key *old = self->slots;
    struct retain_key *kept = calloc(self->slot_count, sizeof *kept);
    self->to = self->from + (self->to - self->from) / 2;
    if (!kept) { /* without memory: nothing is known of any key, and nothing will be taken for old */
        memset(old, 0, self->slot_count * sizeof *old);
        self->count = 0;
        self->to = self->from;
        return;
    }
    self->slots = kept;
    self->count = 0;
    for (uint64_t i = 0; i < self->slot_count; i++)
        if (old[i].position && old[i].hash[0] <= self->to) {
            *slot_of(self, old[i].hash) = old[i];
            self->count++;
        }
    free(old);
}

void retain_keys_put(struct retain_keys *self, uint16_t stream, const char *key, size_t key_size,
                     uint64_t position)
{
    uint64_t hash[2];
    hash_of(stream, key, key_size, hash);
    while (hash[0] >= self->from && hash[0] <= self->to) {
        struct retain_key *slot = slot_of(self, hash);
        if (slot->position == 0 && self->count >= self->slot_count / 4 * 3 &&
            self->to > self->from) {
            halve(self);
            continue;
        }
        if (slot->position == 0 && self->count + 1 >= self->slot_count)
            return; /* it is kept */
        self->count += slot->position == 0;
        memcpy(slot->hash, hash, sizeof hash);
        if (slot->position < position)
            slot->position = position;
        return;
    }
}

bool retain_keys_newer(const struct retain_keys *self, uint16_t stream, const char *key,
                       size_t key_size, uint64_t position)
{
    uint64_t hash[2];
    hash_of(stream, key, key_size, hash);
    return hash[0] >= self->from && hash[0] <= self->to && slot_of(self, hash)->position > position;
}
