#include "broker/log.h"

#include <errno.h>
#include <string.h>

#include "broker/log_impl.h"

const char *log_error_text(int error)
{
    switch (error) {
    case LOG_OK:
        return "ok";
    case LOG_NONE:
        return "nothing there";
    case LOG_FULL:
        return "no space";
    case LOG_CORRUPT:
        return "corrupt";
    case LOG_TRIMMED:
        return "trimmed";
    case LOG_REMOVED:
        return "removed by retention";
    default:
        return strerror(errno);
    }
}

int log_value_open(const void *data, size_t size, struct batch_header *header, struct span *body)
{
    memset(header, 0, sizeof *header);
    if (size < PROTOCOL_HEADER_BYTES || batch_header_read(header, data) != 0 ||
        header->size != size - PROTOCOL_HEADER_BYTES)
        return LOG_CORRUPT;
    *body = (struct span){(const uint8_t *)data + PROTOCOL_HEADER_BYTES, header->size};
    return pack_crc32c(0, body->data, body->size) == header->crc ? LOG_OK : LOG_CORRUPT;
}

int log_open(struct log **out, const char *dir, const struct log_options *options)
{
    return options->disk ? log_memory_open(out, options->disk, options)
                         : log_lmdb_open(out, dir, options);
}

void log_close(struct log **self_ref)
{
    if (*self_ref)
        (*self_ref)->ops->close(*self_ref);
    *self_ref = NULL;
}

uint64_t log_first(const struct log *self)
{
    return self->ops->first(self);
}

uint64_t log_head(const struct log *self)
{
    return self->ops->head(self);
}

int64_t log_last_time_us(const struct log *self)
{
    return self->ops->last_time_us(self);
}

uint32_t log_segments(const struct log *self)
{
    return self->ops->segments(self);
}

uint64_t log_bytes(const struct log *self)
{
    return self->ops->bytes(self);
}

uint64_t log_bad_batches(const struct log *self)
{
    return self->ops->bad_batches(self);
}

int log_refresh(struct log *self)
{
    return self->ops->refresh(self);
}

int log_begin(struct log *self)
{
    return self->ops->begin(self);
}

int log_append(struct log *self, const struct batch_header *header, const void *body)
{
    return self->ops->append(self, header, body);
}

int log_later_put(struct log *self, const struct batch_header *header, const void *body)
{
    return self->ops->later_put(self, header, body);
}

int log_later_next(struct log *self, int64_t *due_us, uint64_t *id)
{
    return self->ops->later_next(self, due_us, id);
}

int log_later_take(struct log *self, int64_t due_us, uint64_t id, struct batch_header *header,
                   struct span *body)
{
    return self->ops->later_take(self, due_us, id, header, body);
}

uint64_t log_later_count(const struct log *self)
{
    return self->ops->later_count(self);
}

int log_put_meta(struct log *self, enum log_meta kind, const void *key, size_t key_size,
                 const void *value, size_t value_size)
{
    return self->ops->put_meta(self, kind, key, key_size, value, value_size);
}

int log_each_meta(struct log *self, enum log_meta kind, log_meta_visit *visit, void *context)
{
    return self->ops->each_meta(self, kind, visit, context);
}

int log_commit(struct log *self)
{
    return self->ops->commit(self);
}

void log_abort(struct log *self)
{
    self->ops->abort(self);
}

uint64_t log_behind(const struct log *self)
{
    return self->ops->behind(self);
}

int log_checkpoint(struct log *self)
{
    return self->ops->checkpoint(self);
}

bool log_roll_due(struct log *self)
{
    return self->ops->roll_due(self);
}

int log_roll(struct log *self)
{
    return self->ops->roll(self);
}

int log_trim(struct log *self, uint64_t position)
{
    return self->ops->trim(self, position);
}

int log_tidy(struct log *self)
{
    return self->ops->tidy(self);
}

int log_rewrite_begin(struct log *self, uint64_t first)
{
    return self->ops->rewrite_begin(self, first);
}

int log_rewrite_step(struct log *self, uint64_t bytes, log_rewrite_visit *visit, void *context)
{
    return self->ops->rewrite_step(self, bytes, visit, context);
}

int log_rewrite_keep(struct log *self, const struct batch_header *header, const void *body)
{
    return self->ops->rewrite_keep(self, header, body);
}

void log_rewrite_drop(struct log *self)
{
    self->ops->rewrite_drop(self);
}

int log_next(struct log *self, uint16_t stream, uint16_t partition, uint64_t position,
             uint64_t *base)
{
    return self->ops->next(self, stream, partition, position, base);
}

int log_next_any(struct log *self, uint64_t position, uint64_t *base)
{
    return self->ops->next_any(self, position, base);
}

int log_batch(struct log *self, uint64_t base, struct batch_header *header, struct span *body)
{
    return self->ops->batch(self, base, header, body);
}

uint64_t log_count_from(struct log *self, uint16_t stream, uint16_t partition, uint64_t position)
{
    return self->ops->count_from(self, stream, partition, position);
}

int log_lane_find(struct log *self, uint32_t producer, uint16_t stream, uint16_t partition,
                  uint64_t seq, struct log_seq *out)
{
    return self->ops->lane_find(self, producer, stream, partition, seq, out);
}

int log_later_read(struct log *self, int64_t due_us, uint64_t id, struct batch_header *header,
                   struct span *body)
{
    return self->ops->later_read(self, due_us, id, header, body);
}

void log_read_end(struct log *self)
{
    self->ops->read_end(self);
}

int log_segment_at(const struct log *self, uint32_t index, struct log_segment_info *out)
{
    return self->ops->segment_at(self, index, out);
}
