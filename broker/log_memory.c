/* The log in memory: the disk holds what is committed and, behind it in the same lists, what the one transaction adds. */
#include "broker/log_memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/log_impl.h"
#include "config/log.h"

struct value { /* as it would be stored: header and body */
    uint8_t *data;
    uint32_t size;
};

struct batch {
    uint64_t base, first_seq;
    uint32_t count, crc, producer;
    uint16_t stream, partition;
    bool part; /* of one that was rewritten: `known` has what its lane has */
    struct value value;
};

/* A lane's batch that was rewritten: what log_lane_find still knows. */
struct known {
    uint64_t base, first_seq;
    uint32_t count, crc, producer;
    uint16_t stream, partition;
};

struct later {
    int64_t due_us;
    uint64_t id, first_seq;
    uint32_t count, crc, producer;
    uint16_t stream, partition;
    struct value value;
    bool fresh;        /* put by the transaction */
    bool taken, aside; /* by the transaction: gone, or set aside, when it commits */
    bool broken;       /* set aside */
};

struct meta {
    uint8_t kind;
    struct value key, value;
};

struct heads {
    uint64_t head, later_id, later_count;
    int64_t last_time_us, segment_start_us;
};

struct log_disk {
    uint64_t *segments; /* first positions */
    uint32_t segment_count, segment_capacity;
    struct batch *batches; /* by base; behind `committed` what the transaction appended */
    uint64_t batch_count, batch_committed, batch_capacity;
    struct known *knowns;
    uint64_t known_count, known_capacity;
    struct later *laters; /* by due and id */
    uint64_t later_count, later_capacity;
    struct meta
        *metas; /* by kind and key; behind `committed` in the order in which they were put */
    uint64_t meta_count, meta_committed, meta_capacity;
    struct heads heads;
    uint64_t calls[LOG_CALL_COUNT];
    enum log_call armed;
    enum log_fault fault;
    uint64_t due; /* calls of the armed kind until then; 0: none is armed */
    bool crashed;
};

struct log_memory {
    struct log base;
    struct log_disk *disk;
    struct log_options options;
    struct heads heads; /* of the transaction */
    bool in_txn, put, dead;
    uint64_t bad_batches;
    struct value taken; /* what log_later_take lent */
    struct rewriting {
        bool live;
        uint64_t first, end;
        const struct batch *of; /* what a visit looks at */
        struct batch *kept;
        uint64_t kept_count, kept_capacity;
        struct known *knowns;
        uint64_t known_count, known_capacity;
    } rewriting;
};

static void memory_rewrite_drop(struct log *base);

static struct log_memory *memory_of(struct log *base)
{
    return (struct log_memory *)(void *)base;
}

static const struct log_memory *memory_of_const(const struct log *base)
{
    return (const struct log_memory *)(const void *)base;
}

/* Room for one more: the list, perhaps moved; NULL: no memory, it stays as it was. */
static void *room(void *items, uint64_t count, uint64_t *capacity, size_t size)
{
    if (count < *capacity)
        return items;
    uint64_t more = *capacity ? *capacity * 2 : 64;
    void *grown = realloc(items, more * size);
    if (grown)
        *capacity = more;
    return grown;
}

static bool value_copy(struct value *out, const void *data, size_t size)
{
    *out = (struct value){.data = malloc(size + 1), .size = (uint32_t)size};
    if (out->data && size)
        memcpy(out->data, data, size);
    return out->data != NULL;
}

static bool value_of_batch(struct value *out, const struct batch_header *header, const void *body)
{
    uint32_t size = PROTOCOL_HEADER_BYTES + header->size;
    *out = (struct value){.data = malloc(size), .size = size};
    if (!out->data)
        return false;
    batch_header_write(header, out->data);
    if (header->size)
        memcpy(out->data + PROTOCOL_HEADER_BYTES, body, header->size);
    return true;
}

/* ---- failures ---- */

/* LOG_OK: the call goes on; `*after`: and is the last one. */
static int call(struct log_memory *self, enum log_call kind, bool *after)
{
    struct log_disk *disk = self->disk;
    *after = false;
    if (self->dead) {
        errno = EIO;
        return LOG_IO;
    }
    disk->calls[LOG_CALL_ANY]++;
    disk->calls[kind]++;
    if (!disk->due || (disk->armed != LOG_CALL_ANY && disk->armed != kind) || --disk->due)
        return LOG_OK;
    *after = disk->fault == LOG_FAULT_CRASH_AFTER;
    if (*after)
        return LOG_OK;
    if (disk->fault == LOG_FAULT_CRASH)
        self->dead = disk->crashed = true;
    errno = EIO;
    return disk->fault == LOG_FAULT_FULL ? LOG_FULL : LOG_IO;
}

static int called(struct log_memory *self, bool after, int result)
{
    if (!after)
        return result;
    self->dead = self->disk->crashed = true;
    errno = EIO;
    return LOG_IO;
}

struct log_disk *log_disk_new(void)
{
    struct log_disk *self = calloc(1, sizeof *self);
    if (self)
        self->heads = (struct heads){
            .head = 1, .later_id = 1, .last_time_us = INT64_MIN, .segment_start_us = INT64_MIN};
    return self;
}

void log_disk_free(struct log_disk **self_ref)
{
    struct log_disk *self = *self_ref;
    *self_ref = NULL;
    if (!self)
        return;
    for (uint64_t i = 0; i < self->batch_count; i++)
        free(self->batches[i].value.data);
    for (uint64_t i = 0; i < self->later_count; i++)
        free(self->laters[i].value.data);
    for (uint64_t i = 0; i < self->meta_count; i++) {
        free(self->metas[i].key.data);
        free(self->metas[i].value.data);
    }
    free(self->segments);
    free(self->knowns);
    free(self->batches);
    free(self->laters);
    free(self->metas);
    free(self);
}

void log_disk_arm(struct log_disk *self, enum log_call call, uint64_t nth, enum log_fault fault)
{
    self->armed = call;
    self->due = nth;
    self->fault = fault;
}

uint64_t log_disk_calls(const struct log_disk *self, enum log_call call)
{
    return self->calls[call];
}

bool log_disk_crashed(const struct log_disk *self)
{
    return self->crashed;
}

/* The first batch of `count` that ends after `position`; `count` if none does. */
static uint64_t batch_from(const struct log_disk *self, uint64_t count, uint64_t position)
{
    uint64_t low = 0, high = count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (self->batches[middle].base + self->batches[middle].count > position)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static struct batch *batch_at(struct log_disk *self, uint64_t base)
{
    uint64_t i = batch_from(self, self->batch_committed, base);
    return i < self->batch_committed && self->batches[i].base == base ? &self->batches[i] : NULL;
}

static bool flip(struct value *value, uint32_t offset)
{
    if (offset >= value->size)
        return false;
    value->data[offset] ^= 4;
    return true;
}

bool log_disk_flip(struct log_disk *self, uint64_t base, uint32_t offset)
{
    struct batch *batch = batch_at(self, base);
    return batch && flip(&batch->value, offset);
}

static struct later *later_at(struct log_disk *self, int64_t due_us, uint64_t id)
{
    for (uint64_t i = 0; i < self->later_count; i++)
        if (self->laters[i].due_us == due_us && self->laters[i].id == id)
            return &self->laters[i];
    return NULL;
}

bool log_disk_flip_later(struct log_disk *self, int64_t due_us, uint64_t id, uint32_t offset)
{
    struct later *later = later_at(self, due_us, id);
    return later && flip(&later->value, offset);
}

/* ---- the transaction ---- */

static void laters_end(struct log_disk *disk, bool committed)
{
    uint64_t kept = 0;
    for (uint64_t i = 0; i < disk->later_count; i++) {
        struct later *later = &disk->laters[i];
        if (committed ? later->taken : later->fresh) {
            free(later->value.data);
            continue;
        }
        later->broken = later->broken || (committed && later->aside);
        later->fresh = later->taken = later->aside = false;
        disk->laters[kept++] = *later;
    }
    disk->later_count = kept;
}

static int meta_order(const struct meta *a, uint8_t kind, const void *key, size_t size)
{
    if (a->kind != kind)
        return a->kind < kind ? -1 : 1;
    size_t shorter = a->key.size < size ? a->key.size : size;
    int order = shorter ? memcmp(a->key.data, key, shorter) : 0;
    return order ? order : (a->key.size > size) - (a->key.size < size);
}

/* The first committed one that does not sort before. */
static uint64_t meta_from(const struct log_disk *disk, uint8_t kind, const void *key, size_t size)
{
    uint64_t low = 0, high = disk->meta_committed;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (meta_order(&disk->metas[middle], kind, key, size) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void metas_commit(struct log_disk *disk)
{
    for (uint64_t i = disk->meta_committed; i < disk->meta_count; i++) {
        struct meta fresh = disk->metas[i];
        uint64_t at = meta_from(disk, fresh.kind, fresh.key.data, fresh.key.size);
        if (at < disk->meta_committed &&
            meta_order(&disk->metas[at], fresh.kind, fresh.key.data, fresh.key.size) == 0) {
            free(disk->metas[at].value.data);
            disk->metas[at].value = fresh.value;
            free(fresh.key.data);
            continue;
        }
        memmove(disk->metas + at + 1, disk->metas + at,
                (disk->meta_committed - at) * sizeof *disk->metas);
        disk->metas[at] = fresh;
        disk->meta_committed++;
    }
    disk->meta_count = disk->meta_committed;
}

static void txn_drop(struct log_memory *self)
{
    struct log_disk *disk = self->disk;
    if (!self->in_txn)
        return;
    self->in_txn = false;
    while (disk->batch_count > disk->batch_committed)
        free(disk->batches[--disk->batch_count].value.data);
    while (disk->meta_count > disk->meta_committed) {
        struct meta *meta = &disk->metas[--disk->meta_count];
        free(meta->key.data);
        free(meta->value.data);
    }
    laters_end(disk, false);
}

static int memory_begin(struct log *base)
{
    struct log_memory *self = memory_of(base);
    bool after;
    int error = call(self, LOG_CALL_BEGIN, &after);
    if (error)
        return error;
    self->heads = self->disk->heads;
    self->in_txn = true;
    self->put = false;
    return called(self, after, LOG_OK);
}

static int batch_push(struct log_memory *self, const struct batch_header *header, const void *body)
{
    struct log_disk *disk = self->disk;
    struct batch batch = {.base = header->base,
                          .first_seq = header->first_seq,
                          .count = header->count,
                          .crc = header->crc,
                          .producer = header->producer,
                          .stream = header->stream,
                          .partition = header->partition};
    struct batch *batches =
        room(disk->batches, disk->batch_count, &disk->batch_capacity, sizeof *batches);
    if (!batches)
        return LOG_FULL;
    disk->batches = batches;
    if (!value_of_batch(&batch.value, header, body))
        return LOG_FULL;
    disk->batches[disk->batch_count++] = batch;
    return LOG_OK;
}

static int memory_append(struct log *base, const struct batch_header *header, const void *body)
{
    struct log_memory *self = memory_of(base);
    bool after;
    int error = call(self, LOG_CALL_APPEND, &after);
    if (error)
        return error;
    if (!self->in_txn || header->base != self->heads.head) {
        errno = EINVAL;
        return LOG_IO;
    }
    error = batch_push(self, header, body);
    if (error)
        return error;
    self->put = true;
    self->heads.head += header->count;
    self->heads.last_time_us = header->time_us;
    if (self->heads.segment_start_us == INT64_MIN)
        self->heads.segment_start_us = header->time_us;
    return called(self, after, LOG_OK);
}

static int memory_later_put(struct log *base, const struct batch_header *header, const void *body)
{
    struct log_memory *self = memory_of(base);
    struct log_disk *disk = self->disk;
    bool after;
    int error = call(self, LOG_CALL_LATER_PUT, &after);
    if (error)
        return error;
    struct later later = {.due_us = header->due_us,
                          .id = self->heads.later_id,
                          .first_seq = header->first_seq,
                          .count = header->count,
                          .crc = header->crc,
                          .producer = header->producer,
                          .stream = header->stream,
                          .partition = header->partition,
                          .fresh = true};
    struct later *laters =
        room(disk->laters, disk->later_count, &disk->later_capacity, sizeof *laters);
    if (!laters)
        return LOG_FULL;
    disk->laters = laters;
    if (!value_of_batch(&later.value, header, body))
        return LOG_FULL;
    uint64_t at = disk->later_count++;
    for (; at > 0 && laters[at - 1].due_us > later.due_us; at--)
        laters[at] = laters[at - 1];
    laters[at] = later;
    self->put = true;
    self->heads.later_id++;
    self->heads.later_count++;
    return called(self, after, LOG_OK);
}

static int memory_later_next(struct log *base, int64_t *due_us, uint64_t *id)
{
    struct log_memory *self = memory_of(base);
    bool after;
    int error = call(self, LOG_CALL_READ, &after);
    for (uint64_t i = 0; !error && i < self->disk->later_count; i++) {
        const struct later *later = &self->disk->laters[i];
        if (later->broken || later->taken || later->aside || (later->fresh && !self->in_txn))
            continue;
        *due_us = later->due_us;
        *id = later->id;
        return called(self, after, LOG_OK);
    }
    return error ? error : called(self, after, LOG_NONE);
}

static int value_open(struct log_memory *self, const struct value *value,
                      struct batch_header *header, struct span *body)
{
    int error = log_value_open(value->data, value->size, header, body);
    self->bad_batches += error == LOG_CORRUPT;
    return error;
}

static int memory_later_take(struct log *base, int64_t due_us, uint64_t id,
                             struct batch_header *header, struct span *body)
{
    struct log_memory *self = memory_of(base);
    bool after;
    int error = call(self, LOG_CALL_LATER_TAKE, &after);
    if (error)
        return error;
    struct later *later = later_at(self->disk, due_us, id);
    if (!later || later->taken || later->aside || later->broken)
        return LOG_NONE;
    struct span stored;
    self->put = true;
    if (value_open(self, &later->value, header, &stored) != LOG_OK) {
        later->aside = true;
        return called(self, after, LOG_CORRUPT);
    }
    struct value copy;
    if (!value_copy(&copy, stored.data, stored.size))
        return LOG_FULL;
    free(self->taken.data);
    self->taken = copy;
    *body = (struct span){copy.data, copy.size};
    later->taken = true;
    self->heads.later_count--;
    return called(self, after, LOG_OK);
}

static int memory_put_meta(struct log *base, enum log_meta kind, const void *key, size_t key_size,
                           const void *value, size_t value_size)
{
    struct log_memory *self = memory_of(base);
    struct log_disk *disk = self->disk;
    bool after;
    int error = call(self, LOG_CALL_PUT_META, &after);
    if (error)
        return error;
    struct meta meta = {.kind = (uint8_t)kind};
    struct meta *metas = room(disk->metas, disk->meta_count, &disk->meta_capacity, sizeof *metas);
    if (!metas)
        return LOG_FULL;
    disk->metas = metas;
    if (!value_copy(&meta.key, key, key_size))
        return LOG_FULL;
    if (!value_copy(&meta.value, value, value_size)) {
        free(meta.key.data);
        return LOG_FULL;
    }
    disk->metas[disk->meta_count++] = meta;
    self->put = true;
    return called(self, after, LOG_OK);
}

static int memory_each_meta(struct log *base, enum log_meta kind, log_meta_visit *visit,
                            void *context)
{
    struct log_memory *self = memory_of(base);
    const struct log_disk *disk = self->disk;
    bool after;
    int error = call(self, LOG_CALL_READ, &after);
    for (uint64_t i = meta_from(disk, (uint8_t)kind, "", 0);
         !error && i < disk->meta_committed && disk->metas[i].kind == (uint8_t)kind; i++) {
        struct span key = {disk->metas[i].key.data, disk->metas[i].key.size};
        struct span value = {disk->metas[i].value.data, disk->metas[i].value.size};
        error = visit(&key, &value, context);
    }
    return called(self, after, error);
}

static int memory_commit(struct log *base)
{
    struct log_memory *self = memory_of(base);
    struct log_disk *disk = self->disk;
    if (!self->put && !self->dead) { /* costs nothing, and cannot fail */
        txn_drop(self);
        return LOG_OK;
    }
    bool after;
    int error = call(self, LOG_CALL_COMMIT, &after);
    if (error) {
        txn_drop(self);
        return error;
    }
    disk->batch_committed = disk->batch_count;
    metas_commit(disk);
    laters_end(disk, true);
    disk->heads = self->heads;
    self->in_txn = false;
    return called(self, after, LOG_OK);
}

/* A commit is where it belongs at once. */
static uint64_t memory_behind(const struct log *base)
{
    (void)base;
    return 0;
}

static int memory_checkpoint(struct log *base)
{
    (void)base;
    return LOG_OK;
}

static void memory_abort(struct log *base)
{
    txn_drop(memory_of(base));
}

/* ---- segments ---- */

static uint64_t bytes_from(const struct log_disk *disk, uint64_t position, uint64_t end)
{
    uint64_t sum = 0;
    for (uint64_t i = batch_from(disk, disk->batch_committed, position);
         i < disk->batch_committed && disk->batches[i].base < end; i++)
        sum += disk->batches[i].value.size;
    return sum;
}

static uint64_t active_first(const struct log_disk *disk)
{
    return disk->segments[disk->segment_count - 1];
}

static bool memory_roll_due(struct log *base)
{
    const struct log_memory *self = memory_of_const(base);
    const struct log_disk *disk = self->disk;
    const struct heads *heads = &disk->heads;
    if (self->dead || heads->head == active_first(disk))
        return false;
    if (self->options.segment_age_us > 0 && heads->segment_start_us != INT64_MIN &&
        heads->last_time_us - heads->segment_start_us > self->options.segment_age_us)
        return true;
    return bytes_from(disk, active_first(disk), UINT64_MAX) > self->options.segment_bytes;
}

static int segment_push(struct log_disk *disk, uint64_t first)
{
    uint64_t capacity = disk->segment_capacity;
    uint64_t *segments =
        room(disk->segments, disk->segment_count, &capacity, sizeof *disk->segments);
    if (!segments)
        return LOG_FULL;
    disk->segments = segments;
    disk->segment_capacity = (uint32_t)capacity;
    disk->segments[disk->segment_count++] = first;
    return LOG_OK;
}

static int memory_roll(struct log *base)
{
    struct log_memory *self = memory_of(base);
    struct log_disk *disk = self->disk;
    bool after;
    int error = call(self, LOG_CALL_ROLL, &after);
    if (error)
        return error;
    if (disk->heads.head != active_first(disk)) {
        error = segment_push(disk, disk->heads.head);
        if (error)
            return error;
        disk->heads.segment_start_us = disk->heads.last_time_us;
    }
    return called(self, after, LOG_OK);
}

static void memory_rewrite_drop(struct log *base)
{
    struct rewriting *rewriting = &memory_of(base)->rewriting;
    for (uint64_t i = 0; i < rewriting->kept_count; i++)
        free(rewriting->kept[i].value.data);
    free(rewriting->kept);
    free(rewriting->knowns);
    *rewriting = (struct rewriting){.live = false};
}

static int memory_trim(struct log *base, uint64_t position)
{
    struct log_memory *self = memory_of(base);
    struct log_disk *disk = self->disk;
    bool after;
    int error = call(self, LOG_CALL_TRIM, &after);
    if (error)
        return error;
    uint32_t removed = 0;
    while (removed + 1 < disk->segment_count && disk->segments[removed + 1] <= position)
        removed++;
    uint64_t gone = batch_from(disk, disk->batch_committed, disk->segments[removed]);
    for (uint64_t i = 0; i < gone; i++)
        free(disk->batches[i].value.data);
    disk->batch_count -= gone;
    disk->batch_committed -= gone;
    if (gone)
        memmove(disk->batches, disk->batches + gone, disk->batch_count * sizeof *disk->batches);
    disk->segment_count -= removed;
    memmove(disk->segments, disk->segments + removed, disk->segment_count * sizeof *disk->segments);
    uint64_t known = 0;
    for (uint64_t i = 0; i < disk->known_count; i++)
        if (disk->knowns[i].base >= disk->segments[0])
            disk->knowns[known++] = disk->knowns[i];
    disk->known_count = known;
    if (self->rewriting.live && self->rewriting.first < disk->segments[0])
        memory_rewrite_drop(base);
    return called(self, after, (int)removed);
}

/* What is let go of has no files. */
static int memory_tidy(struct log *base)
{
    (void)base;
    return LOG_NONE;
}

/* ---- rewriting ---- */

static int memory_rewrite_begin(struct log *base, uint64_t first)
{
    struct log_memory *self = memory_of(base);
    const struct log_disk *disk = self->disk;
    if (self->dead)
        return LOG_IO;
    memory_rewrite_drop(base);
    for (uint32_t i = 0; i + 1 < disk->segment_count; i++)
        if (disk->segments[i] == first) {
            self->rewriting.live = true;
            self->rewriting.first = first;
            self->rewriting.end = disk->segments[i + 1];
            return LOG_OK;
        }
    return LOG_NONE;
}

static int memory_rewrite_keep(struct log *base, const struct batch_header *header,
                               const void *body)
{
    struct log_memory *self = memory_of(base);
    struct rewriting *rewriting = &self->rewriting;
    const struct batch *of = rewriting->of;
    struct batch *kept =
        room(rewriting->kept, rewriting->kept_count, &rewriting->kept_capacity, sizeof *kept);
    if (!kept)
        return LOG_FULL;
    rewriting->kept = kept;
    kept += rewriting->kept_count;
    *kept = *of;
    if (!header && !value_copy(&kept->value, of->value.data, of->value.size))
        return LOG_FULL;
    if (header) {
        kept->part = true;
        kept->base = header->base;
        kept->count = header->count;
        kept->first_seq = header->first_seq;
        kept->crc = header->crc;
        if (!value_of_batch(&kept->value, header, body))
            return LOG_FULL;
    }
    rewriting->kept_count++;
    return LOG_OK;
}

static int known_add(struct rewriting *rewriting, const struct batch *batch)
{
    struct known *known =
        room(rewriting->knowns, rewriting->known_count, &rewriting->known_capacity, sizeof *known);
    if (!known)
        return LOG_FULL;
    rewriting->knowns = known;
    known[rewriting->known_count++] =
        (struct known){batch->base,     batch->first_seq, batch->count,    batch->crc,
                       batch->producer, batch->stream,    batch->partition};
    return LOG_OK;
}

static int rewrite_visit_one(struct log_memory *self, const struct batch *batch,
                             log_rewrite_visit *visit, void *context)
{
    struct rewriting *rewriting = &self->rewriting;
    struct batch_header header;
    struct span body;
    uint64_t before = rewriting->kept_count;
    if (batch->value.size < PROTOCOL_HEADER_BYTES ||
        batch_header_read(&header, batch->value.data) != 0)
        return LOG_CORRUPT;
    bool whole = log_value_open(batch->value.data, batch->value.size, &header, &body) == LOG_OK;
    rewriting->of = batch;
    int error = visit(&self->base, &header, whole ? &body : NULL, context);
    bool as_it_was = rewriting->kept_count == before + 1 && !rewriting->kept[before].part;
    return error || as_it_was || batch->part ? error : known_add(rewriting, batch);
}

/* The kept ones in the place of all of them. */
static int rewrite_swap(struct log_memory *self, uint64_t from, uint64_t until)
{
    struct log_disk *disk = self->disk;
    struct rewriting *rewriting = &self->rewriting;
    uint64_t kept = rewriting->kept_count, count = disk->batch_count - (until - from) + kept;
    struct batch *grown = realloc(disk->batches, (count + disk->batch_count + 1) * sizeof *grown);
    if (!grown)
        return LOG_FULL;
    disk->batches = grown;
    disk->batch_capacity = count + disk->batch_count + 1;
    for (uint64_t i = 0; i < rewriting->known_count; i++) {
        struct known *known =
            room(disk->knowns, disk->known_count, &disk->known_capacity, sizeof *known);
        if (!known)
            return LOG_FULL;
        disk->knowns = known;
        disk->knowns[disk->known_count++] = rewriting->knowns[i];
    }
    for (uint64_t i = from; i < until; i++)
        free(grown[i].value.data);
    memmove(grown + from + kept, grown + until, (disk->batch_count - until) * sizeof *grown);
    if (kept)
        memcpy(grown + from, rewriting->kept, kept * sizeof *grown);
    disk->batch_count = count;
    disk->batch_committed = disk->batch_committed - (until - from) + kept;
    rewriting->kept_count = 0; /* theirs now */
    return LOG_OK;
}

/* All of it in one slice. */
static int memory_rewrite_step(struct log *base, uint64_t bytes, log_rewrite_visit *visit,
                               void *context)
{
    struct log_memory *self = memory_of(base);
    struct log_disk *disk = self->disk;
    bool after;
    (void)bytes;
    if (!self->rewriting.live)
        return LOG_NONE;
    int error = call(self, LOG_CALL_REWRITE, &after);
    uint64_t from = batch_from(disk, disk->batch_committed, self->rewriting.first);
    uint64_t until = batch_from(disk, disk->batch_committed, self->rewriting.end);
    for (uint64_t i = from; i < until && !error; i++)
        error = rewrite_visit_one(self, &disk->batches[i], visit, context);
    if (!error)
        error = rewrite_swap(self, from, until);
    memory_rewrite_drop(base);
    return called(self, after, error);
}

static int memory_segment_at(const struct log *base, uint32_t index, struct log_segment_info *out)
{
    const struct log_disk *disk = memory_of_const(base)->disk;
    if (index >= disk->segment_count)
        return LOG_NONE;
    out->first = disk->segments[index];
    out->sealed = index + 1 < disk->segment_count;
    out->bytes = bytes_from(disk, out->first, out->sealed ? disk->segments[index + 1] : UINT64_MAX);
    snprintf(out->name, sizeof out->name, "seg-%020" PRIu64, out->first);
    return LOG_OK;
}

/* ---- read ---- */

static int memory_next(struct log *base, uint16_t stream, uint16_t partition, uint64_t position,
                       uint64_t *found)
{
    struct log_memory *self = memory_of(base);
    const struct log_disk *disk = self->disk;
    bool after;
    int error = call(self, LOG_CALL_READ, &after);
    if (error)
        return error;
    for (uint64_t i = batch_from(disk, disk->batch_committed, position); i < disk->batch_committed;
         i++) {
        const struct batch *batch = &disk->batches[i];
        if (batch->stream == stream && batch->partition == partition) {
            *found = batch->base;
            return called(self, after, LOG_OK);
        }
    }
    return called(self, after, LOG_NONE);
}

static int memory_next_any(struct log *base, uint64_t position, uint64_t *found)
{
    struct log_memory *self = memory_of(base);
    const struct log_disk *disk = self->disk;
    bool after;
    int error = call(self, LOG_CALL_READ, &after);
    if (error)
        return error;
    uint64_t i = batch_from(disk, disk->batch_committed, position);
    if (i < disk->batch_committed)
        *found = disk->batches[i].base;
    return called(self, after, i < disk->batch_committed ? LOG_OK : LOG_NONE);
}

/* Positions are dense, so whatever no batch covers was rewritten away; never over the end of a segment. */
static bool hole_around(const struct log_disk *disk, uint64_t position, struct batch_header *header)
{
    uint64_t i = batch_from(disk, disk->batch_committed, position);
    uint64_t begin = i > 0 ? disk->batches[i - 1].base + disk->batches[i - 1].count : 0;
    uint64_t end = i < disk->batch_committed ? disk->batches[i].base : disk->heads.head;
    for (uint32_t s = 0; s < disk->segment_count; s++) {
        if (disk->segments[s] <= position && disk->segments[s] > begin)
            begin = disk->segments[s];
        if (disk->segments[s] > position && disk->segments[s] < end)
            end = disk->segments[s];
    }
    if (position < begin || position >= end)
        return false;
    header->base = begin;
    header->count = (uint32_t)(end - begin);
    return true;
}

static int memory_batch(struct log *base, uint64_t position, struct batch_header *header,
                        struct span *body)
{
    struct log_memory *self = memory_of(base);
    bool after;
    int error = call(self, LOG_CALL_READ, &after);
    *header = (struct batch_header){0};
    if (error)
        return error;
    const struct batch *batch = batch_at(self->disk, position);
    if (!batch && position >= self->disk->segments[0] && hole_around(self->disk, position, header))
        return called(self, after, LOG_REMOVED);
    if (!batch)
        return called(self, after, position < self->disk->segments[0] ? LOG_TRIMMED : LOG_NONE);
    error = value_open(self, &batch->value, header, body);
    if (error == LOG_CORRUPT) {
        header->base = batch->base;
        header->count = batch->count;
        log_error("batch-corrupt", "base=%" PRIu64 " action=set-aside", position);
    }
    return called(self, after, error);
}

static uint64_t memory_count_from(struct log *base, uint16_t stream, uint16_t partition,
                                  uint64_t position)
{
    const struct log_memory *self = memory_of_const(base);
    const struct log_disk *disk = self->disk;
    uint64_t sum = 0;
    if (self->dead)
        return 0;
    for (uint64_t i = batch_from(disk, disk->batch_committed, position); i < disk->batch_committed;
         i++) {
        const struct batch *batch = &disk->batches[i];
        if (batch->stream == stream && batch->partition == partition)
            sum += batch->base < position ? batch->base + batch->count - position : batch->count;
    }
    return sum;
}

static int memory_lane_find(struct log *base, uint32_t producer, uint16_t stream,
                            uint16_t partition, uint64_t seq, struct log_seq *out)
{
    struct log_memory *self = memory_of(base);
    const struct log_disk *disk = self->disk;
    bool after;
    int error = call(self, LOG_CALL_READ, &after);
    if (error)
        return error;
    for (uint64_t i = self->in_txn ? disk->batch_count : disk->batch_committed; i-- > 0;) {
        const struct batch *batch = &disk->batches[i];
        if (batch->part || batch->producer != producer || batch->stream != stream ||
            batch->partition != partition || seq < batch->first_seq ||
            seq - batch->first_seq >= batch->count)
            continue;
        *out = (struct log_seq){.first_seq = batch->first_seq,
                                .count = batch->count,
                                .crc = batch->crc,
                                .base = batch->base};
        return called(self, after, LOG_OK);
    }
    for (uint64_t i = 0; i < disk->known_count; i++) {
        const struct known *known = &disk->knowns[i];
        if (known->producer != producer || known->stream != stream ||
            known->partition != partition || seq < known->first_seq ||
            seq - known->first_seq >= known->count)
            continue;
        *out = (struct log_seq){.first_seq = known->first_seq,
                                .count = known->count,
                                .crc = known->crc,
                                .base = known->base};
        return called(self, after, LOG_OK);
    }
    for (uint64_t i = 0; i < disk->later_count; i++) {
        const struct later *later = &disk->laters[i];
        if (later->producer != producer || later->stream != stream ||
            later->partition != partition || later->taken || (later->fresh && !self->in_txn) ||
            seq < later->first_seq || seq - later->first_seq >= later->count)
            continue;
        *out = (struct log_seq){.first_seq = later->first_seq,
                                .count = later->count,
                                .crc = later->crc,
                                .later_due_us = later->due_us,
                                .later_id = later->id};
        return called(self, after, LOG_OK);
    }
    return called(self, after, LOG_NONE);
}

static int memory_later_read(struct log *base, int64_t due_us, uint64_t id,
                             struct batch_header *header, struct span *body)
{
    struct log_memory *self = memory_of(base);
    bool after;
    int error = call(self, LOG_CALL_READ, &after);
    if (error)
        return error;
    const struct later *later = later_at(self->disk, due_us, id);
    return called(self, after,
                  later && !later->fresh ? value_open(self, &later->value, header, body)
                                         : LOG_NONE);
}

static void memory_read_end(struct log *base)
{
    (void)base; /* what is lent moves only with the next write */
}

/* ---- what it holds ---- */

static const struct heads *heads_of(const struct log *base)
{
    const struct log_memory *self = memory_of_const(base);
    return self->in_txn ? &self->heads : &self->disk->heads;
}

static uint64_t memory_first(const struct log *base)
{
    return memory_of_const(base)->disk->segments[0];
}

static uint64_t memory_head(const struct log *base)
{
    return heads_of(base)->head;
}

static int64_t memory_last_time_us(const struct log *base)
{
    return heads_of(base)->last_time_us;
}

static uint64_t memory_later_count(const struct log *base)
{
    return heads_of(base)->later_count;
}

static uint32_t memory_segments(const struct log *base)
{
    return memory_of_const(base)->disk->segment_count;
}

static uint64_t memory_bytes(const struct log *base)
{
    return bytes_from(memory_of_const(base)->disk, 0, UINT64_MAX);
}

static uint64_t memory_bad_batches(const struct log *base)
{
    return memory_of_const(base)->bad_batches;
}

static int memory_refresh(struct log *base)
{
    (void)base;
    return LOG_OK;
}

static void memory_close(struct log *base)
{
    struct log_memory *self = memory_of(base);
    txn_drop(self);
    memory_rewrite_drop(base);
    free(self->taken.data);
    free(self);
}

static const struct log_ops ops = {
    .close = memory_close,
    .first = memory_first,
    .head = memory_head,
    .last_time_us = memory_last_time_us,
    .segments = memory_segments,
    .bytes = memory_bytes,
    .bad_batches = memory_bad_batches,
    .refresh = memory_refresh,
    .begin = memory_begin,
    .append = memory_append,
    .later_put = memory_later_put,
    .later_next = memory_later_next,
    .later_take = memory_later_take,
    .later_count = memory_later_count,
    .put_meta = memory_put_meta,
    .each_meta = memory_each_meta,
    .commit = memory_commit,
    .abort = memory_abort,
    .behind = memory_behind,
    .checkpoint = memory_checkpoint,
    .roll_due = memory_roll_due,
    .roll = memory_roll,
    .trim = memory_trim,
    .tidy = memory_tidy,
    .rewrite_begin = memory_rewrite_begin,
    .rewrite_step = memory_rewrite_step,
    .rewrite_keep = memory_rewrite_keep,
    .rewrite_drop = memory_rewrite_drop,
    .next = memory_next,
    .next_any = memory_next_any,
    .batch = memory_batch,
    .count_from = memory_count_from,
    .lane_find = memory_lane_find,
    .later_read = memory_later_read,
    .read_end = memory_read_end,
    .segment_at = memory_segment_at,
};

int log_memory_open(struct log **out, struct log_disk *disk, const struct log_options *options)
{
    struct log_memory *self = calloc(1, sizeof *self);
    bool after = false;
    *out = NULL;
    if (!self)
        return LOG_IO;
    self->base.ops = &ops;
    self->disk = disk;
    self->options = *options;
    int error = call(self, LOG_CALL_OPEN, &after);
    if (!error && options->read_only && disk->segment_count == 0)
        error = LOG_NONE;
    if (!error && disk->segment_count == 0)
        error = segment_push(disk, 1);
    error = called(self, after, error);
    if (error) {
        memory_close(&self->base);
        return error;
    }
    disk->crashed = false;
    *out = &self->base;
    return LOG_OK;
}
