#include "actors/outbox.h"

#include <stdlib.h>
#include <string.h>

struct outbox_entry *outbox_at(struct outbox *self, uint32_t index)
{
    return &self->entries[(self->first + index) & (self->capacity - 1)];
}

void outbox_clear(struct outbox *self)
{
    for (uint32_t i = 0; i < self->count; i++)
        free((void *)(uintptr_t)outbox_at(self, i)->out.body.data);
    self->first = self->count = self->sent = self->trim_count = 0;
    self->records = self->bytes = 0;
}

void outbox_free(struct outbox *self)
{
    outbox_clear(self);
    free(self->entries);
    free(self->trim);
    memset(self, 0, sizeof *self);
}

static bool grow(struct outbox *self)
{
    if (self->count < self->capacity)
        return true;
    uint32_t capacity = self->capacity ? self->capacity * 2 : 64;
    struct outbox_entry *entries = malloc(capacity * sizeof *entries);
    if (!entries)
        return false;
    for (uint32_t i = 0; i < self->count; i++)
        entries[i] = *outbox_at(self, i);
    free(self->entries);
    self->entries = entries;
    self->capacity = capacity;
    self->first = 0;
    return true;
}

int outbox_add(struct outbox *self, struct out_stream *stream, const struct shard_out *out)
{
    if (!grow(self))
        return -1;
    *outbox_at(self, self->count++) =
        (struct outbox_entry){.out = *out, .stream = stream, .acked = false};
    self->records += out->count;
    self->bytes += out->body.size;
    return 0;
}

static bool trim_add(struct outbox *self, uint64_t number)
{
    if (self->trim_count == self->trim_capacity) {
        uint32_t capacity = self->trim_capacity ? self->trim_capacity * 2 : 64;
        uint64_t *grown = realloc(self->trim, capacity * sizeof *grown);
        if (!grown)
            return false;
        self->trim = grown;
        self->trim_capacity = capacity;
    }
    self->trim[self->trim_count++] = number;
    return true;
}

int outbox_ack(struct outbox *self, const struct out_stream *stream, uint16_t partition,
               uint64_t last_seq)
{
    int acked = 0;
    for (uint32_t i = 0; i < self->count; i++) {
        struct outbox_entry *entry = outbox_at(self, i);
        if (entry->acked || entry->stream != stream || entry->out.partition != partition)
            continue;
        if (entry->out.first_seq + entry->out.count - 1 > last_seq)
            break; /* in order within its lane */
        if (!trim_add(self, entry->out.number))
            return -1;
        entry->acked = true;
        acked++;
        self->records -= entry->out.count;
        self->bytes -= entry->out.body.size;
        free((void *)(uintptr_t)entry->out.body.data);
        entry->out.body = (struct span){NULL, 0};
    }
    while (self->count && outbox_at(self, 0)->acked) {
        self->first = (self->first + 1) & (self->capacity - 1);
        self->count--;
        if (self->sent)
            self->sent--;
    }
    return acked;
}
