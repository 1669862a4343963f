/* The record and the batch, as bytes: for who publishes or reads through <tipoff/link.h> by himself. An actor needs none of it.
 *
 * batch body = msgpack array [code_version str, config_hash str, record, record, ...]
 * record     = msgpack array [key str, version uint, parents array of uint, run str|nil, payload map]
 *
 * A batch belongs to one (stream, partition). Limits: key 1..191 bytes, parents 0..TIP_RECORD_PARENTS_MAX, run 0..63 bytes, a payload
 * at most TIP_RECORD_BYTES_MAX. */
#ifndef TIPOFF_RECORD_H
#define TIPOFF_RECORD_H

#include <tipoff/api.h>

#define TIP_RECORD_KEY_MAX 191
#define TIP_RECORD_PARENTS_MAX 64
#define TIP_RECORD_RUN_MAX 63
#define TIP_RECORD_BYTES_MAX (8u * 1024 * 1024)
#define TIP_BATCH_RECORDS_MAX 65536u

struct tip_record {
    const char *key; /* borrows, NOT NUL-terminated */
    uint32_t key_size;
    uint32_t version;
    uint32_t parent_count;
    uint64_t parents[TIP_RECORD_PARENTS_MAX]; /* positions */
    const char *run;                          /* borrows, NOT NUL-terminated; NULL if none */
    uint32_t run_size;
    struct tip_span payload; /* a msgpack map; borrows */
};

/* The partition of a key, from 0: crc32c(key) mod `partitions` (which is at least 1). */
TIP_API uint32_t tip_record_partition(const char *key, size_t key_size, uint32_t partitions);

/* ---- writing ---- */
/* A growing buffer. Zero-initialise; tip_pack_free when done. A failed allocation sets `failed` and drops all that follows; so does a
 * full buffer that is `fixed`: the caller's memory, never grown nor freed. */
struct tip_pack {
    uint8_t *data;
    size_t size, capacity;
    bool failed;
    bool fixed;
};
TIP_API void tip_pack_free(struct tip_pack *self);
TIP_API void tip_pack_reset(struct tip_pack *self); /* empty again; keeps the memory */
/* The head of a body; `count` calls of tip_record_encode follow. Both append to `out`: look at out->failed once, at the end. */
TIP_API void tip_batch_head(struct tip_pack *out, uint32_t count, const char *code_version,
                            const char *config_hash);
/* 0, or -1 with a static text in `*rule`: what the record breaks; nothing is appended then. */
TIP_API int tip_record_encode(struct tip_pack *out, const struct tip_record *record,
                              const char **rule);

/* ---- reading ---- */
struct tip_unpack {
    const uint8_t *data;
    size_t size, at;
};
struct tip_batch_reader {
    struct tip_unpack in;
    uint32_t left;                          /* records not yet read */
    const char *code_version, *config_hash; /* borrow from the body, not NUL-terminated */
    uint32_t code_version_size, config_hash_size;
};
/* Borrows `body` while it is read. 0, or -1 with a static text in `*rule`: not an array, not `count` + 2 long, heads not strings. */
TIP_API int tip_batch_open(struct tip_batch_reader *self, const void *body, size_t size,
                           uint32_t count, const char **rule);
/* 1: `record` filled, borrowing from the body; 0: no more; -1: broken, `*rule` says how. */
TIP_API int tip_batch_next(struct tip_batch_reader *self, struct tip_record *record,
                           const char **rule);

#endif
