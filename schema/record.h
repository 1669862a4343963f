/* The record and the batch, as bytes (PROTOCOL.md §"Batch body" is the contract).
 *
 * batch body = msgpack array [code_version str, config_hash str, record, record, ...]
 * record     = msgpack array [key str, version uint, parents array of uint, run str|nil,
 *                             payload map]
 *
 * A batch belongs to one (stream, partition): partition = crc32c(key) mod the stream's partition
 * count. Limits: key 1..191 bytes, parents 0..RECORD_PARENTS_MAX, run 0..63 bytes, a payload
 * at most RECORD_BYTES_MAX. */
#ifndef SCHEMA_RECORD_H
#define SCHEMA_RECORD_H

#include "schema/message.h"
#include "schema/pack.h"

#define RECORD_KEY_MAX 191
#define RECORD_PARENTS_MAX 64
#define RECORD_RUN_MAX 63
#define RECORD_BYTES_MAX (8u * 1024 * 1024)
#define BATCH_RECORDS_MAX 65536u
#define BATCH_BYTES_MAX                                                                            \
    (RECORD_BYTES_MAX + 65536u) /* so that one record of the largest size always fits */

struct record {
    const char *key; /* borrows, NOT NUL-terminated */
    uint32_t key_size;
    uint32_t version;
    uint32_t parent_count;
    uint64_t parents[RECORD_PARENTS_MAX]; /* positions */
    const char *run;                      /* borrows, NOT NUL-terminated; NULL if none */
    uint32_t run_size;
    struct span payload; /* a msgpack map; borrows */
};

uint32_t record_partition(const char *key, size_t key_size, uint32_t partitions);
/* Appends one record (array form) to `out`. 0, or -1 with a static text in `*rule`. */
int record_encode(struct pack *out, const struct record *record, const char **rule);
/* The head of a body whose records follow: `count` records. */
void batch_head(struct pack *out, uint32_t count, const char *code_version,
                const char *config_hash);

struct batch_reader {
    struct unpack in;
    uint32_t left;                          /* records not yet read */
    const char *code_version, *config_hash; /* borrow, not NUL-terminated */
    uint32_t code_version_size, config_hash_size;
};
/* 0, or -1 with a static text in `*rule`: not an array, not `count` + 2 long, heads not strings. */
int batch_open(struct batch_reader *self, const void *body, size_t size, uint32_t count,
               const char **rule);
/* 1: `record` filled; 0: no more (and nothing trails); -1: broken, `*rule` says how. */
int batch_next(struct batch_reader *self, struct record *record, const char **rule);

#endif
