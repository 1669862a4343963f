#include "actors/emission.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "config/clock.h"

#define BATCH_RECORDS_AIM 8192
#define BATCH_BYTES_AIM (512u * 1024)
#define HEAD_BYTES_MOST 1024 /* of a record, beside its payload */

void emission_free(struct emission *self)
{
    for (uint32_t i = 0; i < self->stream_count; i++)
        free(self->streams[i].lanes);
    for (uint32_t i = 0; i < self->batch_capacity; i++) {
        pack_free(&self->batches[i].records);
        pack_free(&self->batches[i].body);
    }
    free(self->batches);
    free(self->open[0]);
    free(self->open[1]);
    free(self->added);
    free(self->order);
}

/* ---- streams ---- */

static bool open_grow(struct emission *self, uint32_t partitions)
{
    if (partitions <= self->open_count)
        return true;
    for (int i = 0; i < 2; i++) {
        int32_t *grown = realloc(self->open[i], partitions * sizeof *grown);
        if (!grown)
            return false;
        for (uint32_t p = self->open_count; p < partitions; p++)
            grown[p] = -1;
        self->open[i] = grown;
    }
    self->open_count = partitions;
    return true;
}

struct out_stream *emission_stream(struct emission *self, const char *name)
{
    for (uint32_t i = 0; i < self->stream_count; i++)
        if (strcmp(self->streams[i].name, name) == 0)
            return &self->streams[i];
    uint16_t partitions = self->partitions(self->context, name);
    if (partitions == 0 || self->stream_count == EMISSION_STREAMS_MAX ||
        strlen(name) >= sizeof self->streams->name || !open_grow(self, partitions))
        return NULL;
    struct out_stream *stream = &self->streams[self->stream_count];
    stream->lanes = calloc(partitions, sizeof *stream->lanes);
    if (!stream->lanes)
        return NULL;
    for (uint16_t p = 0; p < partitions && self->all_known; p++)
        stream->lanes[p].known = UINT64_MAX;
    strcpy(stream->name, name);
    stream->partitions = partitions;
    stream->ours = strcmp(name, "dead") == 0 || strncmp(name, "ops.", 4) == 0;
    self->desc_of[self->stream_count++] = NULL;
    return stream;
}

struct out_stream *emission_stream_of(struct emission *self, const struct message_desc *desc)
{
    if (self->last_stream < self->stream_count && self->desc_of[self->last_stream] == desc)
        return &self->streams[self->last_stream];
    for (uint32_t i = 0; i < self->stream_count; i++)
        if (self->desc_of[i] == desc) {
            self->last_stream = i;
            return &self->streams[i];
        }
    struct out_stream *stream = emission_stream(self, desc->stream);
    if (stream) {
        self->last_stream = (uint32_t)(stream - self->streams);
        self->desc_of[self->last_stream] = desc;
    }
    return stream;
}

/* ---- records ---- */

static bool batches_grow(struct emission *self)
{
    uint32_t capacity = self->batch_capacity ? self->batch_capacity * 2 : 16;
    uint32_t *order = realloc(self->order, capacity * sizeof *order);
    if (!order)
        return false;
    self->order = order;
    struct out_batch *batches = realloc(self->batches, capacity * sizeof *batches);
    if (!batches)
        return false;
    memset(batches + self->batch_capacity, 0, (capacity - self->batch_capacity) * sizeof *batches);
    self->batches = batches;
    self->batch_capacity = capacity;
    return true;
}

static struct out_batch *batch_begin(struct emission *self, struct out_stream *stream,
                                     uint16_t partition, int64_t due_us)
{
    if (self->batch_count == self->batch_capacity && !batches_grow(self))
        return NULL;
    assert(self->batches);
    struct out_batch *batch = &self->batches[self->batch_count];
    const struct lane *lane = &stream->lanes[partition];
    batch->stream = stream;
    batch->partition = partition;
    batch->due_us = due_us;
    batch->first_seq = lane->next + 1;
    batch->known = lane->next < lane->known;
    batch->count = 0;
    batch->before = self->open[stream->ours][partition];
    pack_reset(&batch->records);
    self->open[stream->ours][partition] = (int32_t)self->batch_count++;
    return batch;
}

static bool batch_takes(const struct out_batch *batch, const struct out_stream *stream,
                        int64_t due_us, const struct lane *lane, size_t more, size_t bytes_max)
{
    size_t aim = bytes_max / 2 < BATCH_BYTES_AIM ? bytes_max / 2 : BATCH_BYTES_AIM;
    return batch->stream == stream && batch->due_us == due_us && batch->count < BATCH_RECORDS_AIM &&
           batch->records.size + more <= aim && batch->known == (lane->next < lane->known);
}

static bool added_grow(struct emission *self)
{
    if (self->added_count < self->added_capacity)
        return true;
    uint32_t capacity = self->added_capacity ? self->added_capacity * 2 : 1024;
    void *grown = realloc(self->added, capacity * sizeof *self->added);
    if (!grown)
        return false;
    self->added = grown;
    self->added_capacity = capacity;
    return true;
}

int emission_add(struct emission *self, struct out_stream *stream, const struct record *record,
                 int64_t due_us, size_t bytes_max, const char **rule)
{
    uint16_t partition =
        (uint16_t)record_partition(record->key, record->key_size, stream->partitions);
    struct lane *lane = &stream->lanes[partition];
    int32_t open = self->open[stream->ours][partition];
    struct out_batch *batch = open < 0 ? NULL : &self->batches[open];
    *rule = "out of memory";
    if (!added_grow(self))
        return -1;
    if (!batch || !batch_takes(batch, stream, due_us, lane, record->payload.size + HEAD_BYTES_MOST,
                               bytes_max))
        batch = batch_begin(self, stream, partition, due_us);
    if (!batch)
        return -1;
    size_t size = batch->records.size;
    int failed = record_encode(&batch->records, record, rule);
    if (!failed && batch->records.size - size > bytes_max) {
        *rule = "larger than a batch may be";
        failed = -1;
    }
    self->added[self->added_count].batch = (uint32_t)(batch - self->batches);
    self->added[self->added_count++].size = size;
    batch->count++;
    lane->next++;
    if (failed)
        emission_undo(self, self->added_count - 1);
    return failed;
}

void emission_undo(struct emission *self, uint32_t count)
{
    while (self->added_count > count) {
        self->added_count--;
        struct out_batch *batch = &self->batches[self->added[self->added_count].batch];
        batch->records.size = self->added[self->added_count].size;
        batch->records.failed = false;
        batch->stream->lanes[batch->partition].next--;
        if (--batch->count == 0) { /* then it is the last of all: batches are begun in order */
            self->open[batch->stream->ours][batch->partition] = batch->before;
            self->batch_count--;
        }
    }
}

static int body_make(struct out_batch *batch, const char *code_version, const char *config_hash)
{
    pack_free(&batch->body);
    memset(&batch->body, 0, sizeof batch->body);
    batch_head(&batch->body, batch->count, code_version, config_hash);
    pack_raw(&batch->body, batch->records.data, batch->records.size);
    return batch->body.failed ? -1 : 0;
}

int emission_finish(struct emission *self, const char *code_version, const char *config_hash)
{
    uint32_t at = 0;
    for (int ours = 0; ours < 2; ours++)
        for (uint32_t i = 0; i < self->batch_count; i++)
            if (self->batches[i].stream->ours == (ours == 1))
                self->order[at++] = i;
    for (uint32_t i = 0; i < self->batch_count; i++)
        if (body_make(&self->batches[i], code_version, config_hash) != 0)
            return -1;
    return 0;
}

struct out_batch *emission_at(struct emission *self, uint32_t index)
{
    return &self->batches[self->order[index]];
}

void emission_commit(struct emission *self)
{
    for (uint32_t i = 0; i < self->batch_count; i++) {
        struct out_batch *batch = &self->batches[i];
        struct lane *lane = &batch->stream->lanes[batch->partition];
        lane->last = lane->next;
        self->open[batch->stream->ours][batch->partition] = -1;
        if (batch->records.capacity >
            4 * BATCH_BYTES_AIM) { /* one huge record is no reason to keep its room */
            pack_free(&batch->records);
            memset(&batch->records, 0, sizeof batch->records);
        }
    }
    self->batch_count = 0;
    self->added_count = 0;
}
