#include "schema/utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The forms of a character of several bytes, by its first byte: how long, and what the second
 * byte may be (Unicode 15, table 3-7); the bytes after that are 80..BF. */
static const struct {
    uint8_t first_lo, first_hi, size, second_lo, second_hi;
} FORMS[] = {
    {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf}, {0xe1, 0xec, 3, 0x80, 0xbf},
    {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf}, {0xf0, 0xf0, 4, 0x90, 0xbf},
    {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
};

/* Size of the valid character at `at`, 0 if there is none. */
static size_t character_size(const uint8_t *at, size_t left)
{
    if (at[0] < 0x80) {
        return 1;
    }
    for (size_t i = 0; i < sizeof FORMS / sizeof FORMS[0]; i++) {
        if (at[0] < FORMS[i].first_lo || at[0] > FORMS[i].first_hi) {
            continue;
        }
        if (left < FORMS[i].size || at[1] < FORMS[i].second_lo || at[1] > FORMS[i].second_hi) {
            return 0;
        }
        for (size_t j = 2; j < FORMS[i].size; j++) {
            if ((at[j] & 0xc0) != 0x80) {
                return 0;
            }
        }
        return FORMS[i].size;
    }
    return 0;
}

size_t utf8_valid(const char *text, size_t size)
{
    const uint8_t *data = (const uint8_t *)text;
    size_t at = 0;
    while (at < size) {
        uint64_t eight;
        if (size - at >= sizeof eight) { /* ASCII by the word, which is nearly everything */
            memcpy(&eight, data + at, sizeof eight);
            if (!(eight & UINT64_C(0x8080808080808080))) {
                at += sizeof eight;
                continue;
            }
        } else if (size >= sizeof eight) { /* what is left is in the last word */
            memcpy(&eight, data + size - sizeof eight, sizeof eight);
            if (!(eight & UINT64_C(0x8080808080808080))) {
                return size;
            }
        }
        size_t character = character_size(data + at, size - at);
        if (!character) {
            break;
        }
        at += character;
    }
    return at;
}
