/* Keys of parts that sort as their values do. */
#include <string.h>

#include "store/store.h"

#define NUMBER_BYTES 8
#define SIGN_BIT (UINT64_C(1) << 63)

void store_key_start(struct store_key *key)
{
    key->size = 0;
    key->too_long = false;
}

void store_key_bytes(struct store_key *key, const void *data, size_t size)
{
    if (key->too_long || size > sizeof key->data - key->size) {
        key->too_long = true;
        key->size = STORE_KEY_MAX + 1; /* refused wherever it is used */
        return;
    }
    if (size)
        memcpy(key->data + key->size, data, size);
    key->size += size;
}

void store_key_text(struct store_key *key, const char *text)
{
    store_key_bytes(key, text, strlen(text) + 1);
}

void store_key_i64(struct store_key *key, int64_t value)
{
    uint8_t bytes[NUMBER_BYTES];
    uint64_t sorted = (uint64_t)value ^ SIGN_BIT;
    for (int i = 0; i < NUMBER_BYTES; i++)
        bytes[i] = (uint8_t)(sorted >> (8 * (NUMBER_BYTES - 1 - i)));
    store_key_bytes(key, bytes, sizeof bytes);
}

int store_key_read_text(struct span *rest, const char **text)
{
    const uint8_t *end = rest->size ? memchr(rest->data, 0, rest->size) : NULL;
    if (!end)
        return -1;
    *text = (const char *)rest->data;
    rest->size -= (uint32_t)(end + 1 - rest->data);
    rest->data = end + 1;
    return 0;
}

int store_key_read_i64(struct span *rest, int64_t *value)
{
    uint64_t sorted = 0;
    if (rest->size < NUMBER_BYTES)
        return -1;
    for (int i = 0; i < NUMBER_BYTES; i++)
        sorted = sorted << 8 | rest->data[i];
    *value = (int64_t)(sorted ^ SIGN_BIT);
    rest->data += NUMBER_BYTES;
    rest->size -= NUMBER_BYTES;
    return 0;
}
