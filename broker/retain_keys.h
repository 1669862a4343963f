/* The newest position of each key, of as many keys as fit: of those whose hash lies in a range that becomes smaller when there are too
 * many. Who wants the others asks again with the range behind it. */
#ifndef BROKER_RETAIN_KEYS_H
#define BROKER_RETAIN_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct retain_key; /* 24 bytes */
struct retain_keys {
    struct retain_key *slots;
    uint64_t slot_count, count;
    uint64_t from, to; /* hashes in [from, to] are in it, by their first word */
};

/* Room for at least `keys`; false: no memory. The range is all of them. */
bool retain_keys_open(struct retain_keys *self, uint64_t keys);
void retain_keys_close(struct retain_keys *self);
/* Empty, for hashes from `from` on. */
void retain_keys_begin(struct retain_keys *self, uint64_t from);
void retain_keys_put(struct retain_keys *self, uint16_t stream, const char *key, size_t key_size,
                     uint64_t position);
/* Of this key a newer position than `position` was put. */
bool retain_keys_newer(const struct retain_keys *self, uint16_t stream, const char *key,
                       size_t key_size, uint64_t position);

#endif
