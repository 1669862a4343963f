/* The end of a step: everything it did becomes one transaction, and then it is so. */
#include <stdlib.h>
#include <string.h>

#include "actors/step.h"
#include "config/fault.h"

/* What the step took leaves the queue. */
void shard_consume(struct shard *self)
{
    while (self->head != self->here.batch) {
        struct queued *done = self->head;
        self->head = done->next;
        self->taken_records += done->count;
        self->taken_bytes += done->size;
        self->queued--;
        free(done);
    }
    if (!self->head)
        self->tail = NULL;
    self->head_at = self->here.at;
    self->head_byte = self->here.byte;
}

static int out_of(const struct out_batch *batch, struct shard_out *out)
{
    *out = (struct shard_out){.stream = batch->stream->name,
                              .partition = batch->partition,
                              .count = batch->count,
                              .first_seq = batch->first_seq,
                              .due_us = batch->due_us,
                              .body = {batch->body.data, (uint32_t)batch->body.size}};
    return 0;
}

/* Bodies are made when somebody wants to see them. */
static int bodies_make(struct shard *self)
{
    if (self->bodies_made)
        return 0;
    if (emission_finish(&self->emission, self->code_version, self->config_hash) != 0)
        return -1;
    self->bodies_made = true;
    return 0;
}

int shard_each_out(struct shard *self, shard_emitted *visit, void *context)
{
    int result = bodies_make(self);
    for (uint32_t i = 0; !result && i < self->emission.batch_count; i++) {
        struct shard_out out;
        const struct out_batch *batch = emission_at(&self->emission, i);
        out_of(batch, &out);
        result = visit(&out, batch->known, context);
    }
    return result;
}

static int lanes_write(struct shard *self)
{
    int error = STORE_OK;
    for (uint32_t i = 0; i < self->emission.stream_count; i++) {
        struct out_stream *stream = &self->emission.streams[i];
        struct shard_lane row;
        memcpy(row.stream, stream->name, sizeof row.stream);
        for (uint32_t p = 0; !error && p < stream->partitions; p++) {
            struct lane *lane = &stream->lanes[p];
            if (!lane->touched && lane->next == lane->last)
                continue;
            if (lane->known && lane->acked < lane->known) /* what is compared needs no sending */
                lane->acked = lane->next < lane->known ? lane->next : lane->known;
            row.partition = (uint16_t)p;
            row.last = lane->next;
            row.acked = lane->acked;
            error = shard_env_put_lane(self->step.txn, &row);
        }
    }
    return error;
}

static void lanes_written(struct shard *self)
{
    for (uint32_t i = 0; i < self->emission.stream_count; i++)
        for (uint32_t p = 0; p < self->emission.streams[i].partitions; p++)
            self->emission.streams[i].lanes[p].touched = false;
}

static int trims_write(struct shard *self)
{
    int error = STORE_OK;
    for (uint32_t i = 0; !error && i < self->outbox.trim_count; i++) {
        error = shard_env_del_out(self->step.txn, self->outbox.trim[i]);
        if (error == STORE_NOT_FOUND)
            error = STORE_OK;
    }
    return error;
}

static int outbox_write(struct shard *self)
{
    int error = STORE_OK;
    for (uint32_t i = 0; !error && i < self->emission.batch_count; i++) {
        struct shard_out out;
        const struct out_batch *batch = emission_at(&self->emission, i);
        if (batch->known)
            continue;
        out_of(batch, &out);
        out.number = self->building.outbox_next++;
        error = shard_env_put_out(self->step.txn, &out);
    }
    return error;
}

static int counts_write(struct shard *self)
{
    int error = STORE_OK;
    for (uint32_t i = 0; !error && i < self->take_count + SHARD_OWN_TAKES; i++) {
        const struct take_count *count = &self->counts[i];
        const struct take *take = i < self->take_count ? &self->options.actor->takes[i]
                                                       : shard_own_takes[i - self->take_count];
        if (count->done || count->never)
            error = shard_env_add_count(self->step.txn, take->message->stream, count->done,
                                        count->never);
    }
    return error;
}

static int step_write(struct shard *self)
{
    int error = bodies_make(self) ? STORE_IO : STORE_OK;
    if (!error)
        error = trims_write(self);
    if (!error)
        error = lanes_write(self);
    if (!error)
        error = outbox_write(self);
    if (!error)
        error = counts_write(self);
    self->building.step++;
    if (self->rebuilt)
        self->building.rebuilding = false;
    return error ? error : shard_env_put_state(self->step.txn, &self->building);
}

/* The bodies change hands: they are the outbox's now. */
static int outbox_fill(struct shard *self)
{
    uint64_t number = self->state.outbox_next;
    for (uint32_t i = 0; i < self->emission.batch_count; i++) {
        struct shard_out out;
        struct out_batch *batch = emission_at(&self->emission, i);
        if (batch->known)
            continue;
        out_of(batch, &out);
        out.number = number++;
        if (outbox_add(&self->outbox, batch->stream, &out) != 0)
            return -1;
        memset(&batch->body, 0, sizeof batch->body);
    }
    return 0;
}

static void totals_add(struct shard *self)
{
    self->totals.steps++;
    self->totals.records += self->step_records;
    self->totals.emitted += self->emission.added_count;
    for (uint32_t i = 0; i < self->take_count + SHARD_OWN_TAKES; i++) {
        self->totals.done += self->counts[i].done;
        self->totals.never += self->counts[i].never;
    }
}

int shard_commit(struct shard *self)
{
    int error = step_write(self);
    if (!error)
        (void)fault_hit(FAULT_STEP_BEFORE_COMMIT);
    if (!error)
        error = store_commit(&self->step.txn);
    if (error) {
        self->error = error;
        shard_undo(self);
        return error;
    }
    (void)fault_hit(FAULT_STEP_COMMITTED);
    self->open = false;
    self->bodies_made = false;
    self->rebuilt = false;
    self->outbox.trim_count = 0;
    int lost = outbox_fill(self);
    totals_add(self);
    emission_commit(&self->emission);
    lanes_written(self);
    self->state = self->building;
    self->rewind = self->rewind_building;
    shard_consume(self);
    run_committed(self);
    return lost ? STORE_IO
                : STORE_OK; /* no memory: the owner ends, its successor finds all of it */
}

int shard_trim(struct shard *self)
{
    if (self->open)
        return STORE_OK;
    enum shard_built begun = shard_begin(self);
    if (begun != SHARD_BUILT)
        return begun == SHARD_ZOMBIE ? STORE_BUSY : self->error;
    int error = trims_write(self);
    if (!error)
        error = lanes_write(self);
    if (!error && self->rebuilt)
        self->building.rebuilding = false;
    if (self->passed > self->building.cursor)
        self->building.cursor = self->passed;
    if (!error)
        error = shard_env_put_state(self->step.txn, &self->building);
    if (!error)
        error = store_commit(&self->step.txn);
    if (error) {
        shard_undo(self);
        return error;
    }
    self->open = false;
    self->rebuilt = false;
    self->state = self->building;
    self->outbox.trim_count = 0;
    lanes_written(self);
    return STORE_OK;
}
