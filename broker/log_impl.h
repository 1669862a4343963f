/* What an implementation of the log (log.h) fills in: one function of each, named as there. Private to broker/log*.c and to
 * nobody else. The head of an implementation's own struct is a struct log. */
#ifndef BROKER_LOG_IMPL_H
#define BROKER_LOG_IMPL_H

#include "broker/log.h"

struct log_ops {
    void (*close)(struct log *self); /* frees it */
    uint64_t (*first)(const struct log *self);
    uint64_t (*head)(const struct log *self);
    int64_t (*last_time_us)(const struct log *self);
    uint32_t (*segments)(const struct log *self);
    uint64_t (*bytes)(const struct log *self);
    uint64_t (*bad_batches)(const struct log *self);
    int (*refresh)(struct log *self);
    int (*begin)(struct log *self);
    int (*append)(struct log *self, const struct batch_header *header, const void *body);
    int (*later_put)(struct log *self, const struct batch_header *header, const void *body);
    int (*later_next)(struct log *self, int64_t *due_us, uint64_t *id);
    int (*later_take)(struct log *self, int64_t due_us, uint64_t id, struct batch_header *header,
                      struct span *body);
    uint64_t (*later_count)(const struct log *self);
    int (*put_meta)(struct log *self, enum log_meta kind, const void *key, size_t key_size,
                    const void *value, size_t value_size);
    int (*each_meta)(struct log *self, enum log_meta kind, log_meta_visit *visit, void *context);
    int (*commit)(struct log *self);
    void (*abort)(struct log *self);
    uint64_t (*behind)(const struct log *self);
    int (*checkpoint)(struct log *self);
    bool (*roll_due)(struct log *self);
    int (*roll)(struct log *self);
    int (*trim)(struct log *self, uint64_t position);
    int (*tidy)(struct log *self);
    int (*rewrite_begin)(struct log *self, uint64_t first);
    int (*rewrite_step)(struct log *self, uint64_t bytes, log_rewrite_visit *visit, void *context);
    int (*rewrite_keep)(struct log *self, const struct batch_header *header, const void *body);
    void (*rewrite_drop)(struct log *self);
    int (*next)(struct log *self, uint16_t stream, uint16_t partition, uint64_t position,
                uint64_t *base);
    int (*next_any)(struct log *self, uint64_t position, uint64_t *base);
    int (*batch)(struct log *self, uint64_t base, struct batch_header *header, struct span *body);
    uint64_t (*count_from)(struct log *self, uint16_t stream, uint16_t partition,
                           uint64_t position);
    int (*lane_find)(struct log *self, uint32_t producer, uint16_t stream, uint16_t partition,
                     uint64_t seq, struct log_seq *out);
    int (*later_read)(struct log *self, int64_t due_us, uint64_t id, struct batch_header *header,
                      struct span *body);
    void (*read_end)(struct log *self);
    int (*segment_at)(const struct log *self, uint32_t index, struct log_segment_info *out);
};

struct log {
    const struct log_ops *ops;
};

int log_lmdb_open(struct log **out, const char *dir, const struct log_options *options);
int log_memory_open(struct log **out, struct log_disk *disk, const struct log_options *options);

/* Checks a stored value, header and body, against its CRCs: LOG_OK or LOG_CORRUPT. */
int log_value_open(const void *data, size_t size, struct batch_header *header, struct span *body);

#endif
