#include "broker/protocol.h"

#include <string.h>

#include "schema/message_table.h"
#include "broker/protocol.def"
#include "schema/message_end.h"

static const uint8_t MAGIC[4] = {'T', 'I', 'P', '1'};

#define REFUSAL_ROW(id, text) [REFUSAL_##id] = text,
static const char *const refusal_texts[REFUSAL_COUNT] = {REFUSALS(REFUSAL_ROW)};
#undef REFUSAL_ROW

const char *refusal_text(enum refusal refusal)
{
    return refusal >= 0 && refusal < REFUSAL_COUNT ? refusal_texts[refusal] : "none";
}

void put_u16(uint8_t *out, uint16_t value)
{
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)value;
}

void put_u32(uint8_t *out, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(out, &value, sizeof value);
}

void put_u64(uint8_t *out, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(out, &value, sizeof value);
}

uint16_t get_u16(const uint8_t *in)
{
    return (uint16_t)(in[0] << 8 | in[1]);
}

uint32_t get_u32(const uint8_t *in)
{
    uint32_t value;
    memcpy(&value, in, sizeof value);
    return __builtin_bswap32(value);
}

uint64_t get_u64(const uint8_t *in)
{
    uint64_t value;
    memcpy(&value, in, sizeof value);
    return __builtin_bswap64(value);
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "put_* and get_* swap for little-endian machines");

void batch_desc_write(const struct batch_desc *desc, uint8_t out[PROTOCOL_DESCRIPTOR_BYTES])
{
    put_u16(out, desc->stream);
    put_u16(out + 2, desc->partition);
    put_u32(out + 4, desc->count);
    put_u64(out + 8, desc->first_seq);
    put_u32(out + 16, desc->crc);
    put_u32(out + 20, desc->size);
    put_u64(out + 24, (uint64_t)desc->due_us);
}

void batch_desc_read(struct batch_desc *desc, const uint8_t in[PROTOCOL_DESCRIPTOR_BYTES])
{
    desc->stream = get_u16(in);
    desc->partition = get_u16(in + 2);
    desc->count = get_u32(in + 4);
    desc->first_seq = get_u64(in + 8);
    desc->crc = get_u32(in + 16);
    desc->size = get_u32(in + 20);
    desc->due_us = (int64_t)get_u64(in + 24);
}

void batch_header_write(const struct batch_header *header, uint8_t out[PROTOCOL_HEADER_BYTES])
{
    memcpy(out, MAGIC, sizeof MAGIC);
    put_u64(out + 8, header->base);
    put_u32(out + 16, header->count);
    put_u16(out + 20, header->stream);
    put_u16(out + 22, header->partition);
    put_u32(out + 24, header->producer);
    put_u32(out + 28, header->size);
    put_u64(out + 32, header->epoch);
    put_u64(out + 40, header->first_seq);
    put_u64(out + 48, (uint64_t)header->time_us);
    put_u64(out + 56, (uint64_t)header->due_us);
    put_u32(out + 64, header->crc);
    memset(out + 68, 0, PROTOCOL_HEADER_BYTES - 68);
    put_u32(out + 4, pack_crc32c(0, out + 8, PROTOCOL_HEADER_BYTES - 8));
}

int batch_header_read(struct batch_header *header, const uint8_t in[PROTOCOL_HEADER_BYTES])
{
    if (memcmp(in, MAGIC, sizeof MAGIC) != 0 ||
        get_u32(in + 4) != pack_crc32c(0, in + 8, PROTOCOL_HEADER_BYTES - 8))
        return -1;
    header->base = get_u64(in + 8);
    header->count = get_u32(in + 16);
    header->stream = get_u16(in + 20);
    header->partition = get_u16(in + 22);
    header->producer = get_u32(in + 24);
    header->size = get_u32(in + 28);
    header->epoch = get_u64(in + 32);
    header->first_seq = get_u64(in + 40);
    header->time_us = (int64_t)get_u64(in + 48);
    header->due_us = (int64_t)get_u64(in + 56);
    header->crc = get_u32(in + 64);
    return 0;
}
