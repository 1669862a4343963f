/* The protocol's bytes: constants, binary layouts, error tags. PROTOCOL.md is the contract. */
#ifndef BROKER_PROTOCOL_H
#define BROKER_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/message.h"
#include "schema/pack.h"

#include "schema/message_struct.h"
#include "broker/protocol.def"
#include "schema/message_end.h"

#define PROTOCOL_VERSION 1
#define PROTOCOL_VERB_BYTES 4
#define PROTOCOL_DESCRIPTOR_BYTES 32
#define PROTOCOL_ACK_BYTES 12
#define PROTOCOL_HEADER_BYTES 80
#define PROTOCOL_WORK_BYTES 104     /* header, lease, first, records, attempts, reserved */
#define PROTOCOL_PUBL_HEAD_BYTES 20 /* verb, producer, epoch, count */

/* Tags a peer may be refused with: once, in PROTOCOL.md §8's order. */
#define REFUSALS(X)                                                                                \
    X(NO_SESSION, "no-session")                                                                    \
    X(PROTOCOL_VERSION, "protocol-version")                                                        \
    X(BAD_FRAME, "bad-frame")                                                                      \
    X(NOT_LEASED, "not-leased")                                                                    \
    X(STALE_EPOCH, "stale-epoch")                                                                  \
    X(UNKNOWN_STREAM, "unknown-stream")                                                            \
    X(BAD_PARTITION, "bad-partition")                                                              \
    X(NOT_WRITER, "not-writer")                                                                    \
    X(TOO_LARGE, "too-large")                                                                      \
    X(BAD_CRC, "bad-crc")                                                                          \
    X(BAD_COUNT, "bad-count")                                                                      \
    X(SEQ_GAP, "seq-gap")                                                                          \
    X(SEQ_CONFLICT, "seq-conflict")                                                                \
    X(AFTER_REFUSAL, "after-refusal")                                                              \
    X(TRIMMED, "trimmed")                                                                          \
    X(DISK_FULL, "disk-full")                                                                      \
    X(TOO_MANY, "too-many")                                                                        \
    X(SHARDS_DIFFER, "shards-differ")                                                              \
    X(BUSY, "busy")                                                                                \
    X(NOT_JOINED, "not-joined")                                                                    \
    X(STALE_GENERATION, "stale-generation")                                                        \
    X(LEASE_EXPIRED, "lease-expired")                                                              \
    X(READER_DIFFERS, "reader-differs")
#define REFUSAL_ROW(id, text) REFUSAL_##id,
enum refusal { REFUSAL_NONE = -1, REFUSALS(REFUSAL_ROW) REFUSAL_COUNT };
#undef REFUSAL_ROW
const char *refusal_text(enum refusal refusal);

/* One batch of a PUBL. */
struct batch_desc {
    uint16_t stream, partition;
    uint32_t count;
    uint64_t first_seq;
    uint32_t crc, size;
    int64_t due_us; /* 0 = now */
};
/* A batch as stored and delivered. */
struct batch_header {
    uint64_t base;
    uint32_t count;
    uint16_t stream, partition;
    uint32_t producer, size;
    uint64_t epoch, first_seq;
    int64_t time_us, due_us;
    uint32_t crc;
};

void batch_desc_write(const struct batch_desc *desc, uint8_t out[PROTOCOL_DESCRIPTOR_BYTES]);
void batch_desc_read(struct batch_desc *desc, const uint8_t in[PROTOCOL_DESCRIPTOR_BYTES]);
void batch_header_write(const struct batch_header *header, uint8_t out[PROTOCOL_HEADER_BYTES]);
/* 0, or -1: not a header, or its CRC is wrong. */
int batch_header_read(struct batch_header *header, const uint8_t in[PROTOCOL_HEADER_BYTES]);

void put_u16(uint8_t *out, uint16_t value);
void put_u32(uint8_t *out, uint32_t value);
void put_u64(uint8_t *out, uint64_t value);
uint16_t get_u16(const uint8_t *in);
uint32_t get_u32(const uint8_t *in);
uint64_t get_u64(const uint8_t *in);

#endif
