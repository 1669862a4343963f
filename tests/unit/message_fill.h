/* Fills any message with values that are always the same: what golden frames, mutations and
 * benches start from. */
#ifndef TESTS_UNIT_MESSAGE_FILL_H
#define TESTS_UNIT_MESSAGE_FILL_H

#include <string.h>

#include "schema/message.h"
#include "schema/pack.h"

static const uint8_t FILL_MAP[] = {0x84, 0xa1, 'a', 0x07, 0xa1, 'b', 0xcb, 0x40, 0x04, 0,    0,
                                   0,    0,    0,   0,    0xa1, 'c', 0xc0, 0xa1, 'd',  0xa1, 'x'};
static const uint8_t FILL_LIST[] = {0x92, 0x01, 0x92, 0xa1, 'y', 0xc3};
static const uint8_t FILL_BYTES[] = {0x00, 0xff, 'r', 'a', 'w'};

/* A whole number within the field's limits, other for each name. */
static inline double fill_number(const struct field_desc *field, uint32_t seed)
{
    double share = (double)(seed % 1000) / 1000.0;
    double value = field->lo + share * (field->hi - field->lo);
    double whole = (double)(int64_t)(value / 4) * 4;
    return whole >= field->lo && whole <= field->hi ? whole : field->lo;
}

static inline void fill_text(const struct field_desc *field, char *at)
{
    size_t size = field->name_size < (size_t)field->hi ? field->name_size : (size_t)field->hi;
    memcpy(at, field->name, size);
    if (size + 2 <= (size_t)field->hi) { /* an accent, where there is room */
        memcpy(at + size, "\xc3\xa9", 2);
        size += 2;
    }
    at[size] = '\0';
}

static inline void message_fill(const struct message_desc *desc, void *message)
{
    message_clear(desc, message);
    for (uint32_t i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];
        void *at = (char *)message + field->offset;
        uint32_t seed = pack_crc32c(0, field->name, field->name_size);
        switch (field->kind) {
        case FIELD_U64:
            *(uint64_t *)at = (uint64_t)fill_number(field, seed);
            break;
        case FIELD_I64:
            *(int64_t *)at = (int64_t)fill_number(field, seed);
            break;
        case FIELD_F64:
            *(double *)at = field->lo + (double)(seed % 64) / 64.0 * (field->hi - field->lo);
            break;
        case FIELD_BOOL:
            *(bool *)at = seed & 1;
            break;
        case FIELD_STR:
            fill_text(field, at);
            break;
        case FIELD_TIME:
            *(int64_t *)at = INT64_C(1763424000000000) + seed;
            break;
        case FIELD_DATE:
            *(int32_t *)at = 20251101 + (int32_t)(seed % 30);
            break;
        case FIELD_BYTES:
            *(struct span *)at = (struct span){FILL_BYTES, sizeof FILL_BYTES};
            break;
        case FIELD_MAP:
            *(struct span *)at = (struct span){FILL_MAP, sizeof FILL_MAP};
            break;
        case FIELD_LIST:
            *(struct span *)at = (struct span){FILL_LIST, sizeof FILL_LIST};
            break;
        }
    }
}

#endif
