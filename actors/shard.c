/* The engine: its input queue, its state, its outbox. Steps are built in shard_step.c. */
#include "actors/shard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/step.h"
#include "config/version.h"

#define BATCH_HEAD_MOST 256 /* of a batch's body before its first record */

/* ---- opening ---- */

static int lane_load(const struct shard_lane *row, void *context)
{
    struct shard *self = context;
    struct out_stream *stream = emission_stream(&self->emission, row->stream);
    if (!stream || row->partition >= stream->partitions)
        return STORE_OK; /* a stream that is no more: nothing will be said there */
    struct lane *lane = &stream->lanes[row->partition];
    lane->last = lane->next = row->last;
    lane->acked = row->acked;
    return STORE_OK;
}

static int out_load(const struct shard_out *row, void *context)
{
    struct shard *self = context;
    struct out_stream *stream = emission_stream(&self->emission, row->stream);
    if (!stream)
        return STORE_CORRUPT;
    struct shard_out out = *row;
    uint8_t *body = malloc(row->body.size + 1);
    if (!body)
        return STORE_IO;
    memcpy(body, row->body.data, row->body.size);
    out.stream = stream->name;
    out.body.data = body;
    if (outbox_add(&self->outbox, stream, &out) == 0)
        return STORE_OK;
    free(body);
    return STORE_IO;
}

static void memory_clear(struct shard *self)
{
    outbox_clear(&self->outbox);
    for (uint32_t i = 0; i < self->emission.stream_count; i++) {
        struct out_stream *stream = &self->emission.streams[i];
        for (uint32_t p = 0; p < stream->partitions; p++)
            stream->lanes[p] = (struct lane){.known = self->emission.all_known ? UINT64_MAX : 0};
    }
}

static int memory_load(struct shard *self)
{
    struct store_txn *txn;
    memory_clear(self);
    int error = store_begin(self->options.store, false, &txn);
    if (error)
        return error;
    error = shard_env_state(txn, &self->state);
    if (!error)
        error = shard_env_rewind(txn, &self->rewind);
    self->rewind_building = self->rewind;
    if (!error)
        error = shard_env_each_lane(txn, lane_load, self);
    if (!error)
        error = shard_env_each_out(txn, out_load, self);
    store_abort(&txn);
    return error;
}

static int room_make(struct shard *self)
{
    size_t most = 1;
    const struct take *take = self->options.actor->takes;
    for (; take && take->message; take++, self->take_count++)
        if (take->message->struct_size > most)
            most = take->message->struct_size;
    self->message = malloc(most);
    self->counts = calloc(self->take_count + SHARD_OWN_TAKES, sizeof *self->counts);
    return self->message && self->counts ? STORE_OK : STORE_IO;
}

int shard_open(struct shard **out, const struct shard_options *options)
{
    struct shard *self = calloc(1, sizeof *self);
    *out = NULL;
    if (!self)
        return STORE_IO;
    self->options = *options;
    self->emission.partitions = options->partitions;
    self->emission.context = options->context;
    self->emission.all_known = options->replay;
    self->batch_bytes_max = (size_t)options->settings->broker.max_batch_bytes - BATCH_HEAD_MOST;
    if (self->batch_bytes_max > BATCH_BYTES_MAX - BATCH_HEAD_MOST)
        self->batch_bytes_max = BATCH_BYTES_MAX - BATCH_HEAD_MOST;
    snprintf(self->reader, sizeof self->reader, "%.32s.%u", options->actor->name,
             (unsigned)options->number);
    snprintf(self->code_version, sizeof self->code_version, "%.48s", version_code());
    settings_hash(options->settings, self->config_hash);
    struct shard_state state;
    int error = room_make(self);
    if (!error)
        error = shard_env_open(options->store, &state);
    if (!error)
        error = memory_load(self);
    if (!error && !options->replay) {
        self->marks = run_marks_open(store_dir(options->store));
        error = self->marks ? STORE_OK : STORE_IO;
    }
    if (error) {
        int saved = errno;
        shard_close(&self);
        errno = saved;
        return error;
    }
    run_marks_recover(self);
    *out = self;
    return STORE_OK;
}

void shard_close(struct shard **self_ref)
{
    struct shard *self = *self_ref;
    if (!self)
        return;
    shard_undo(self);
    shard_drop_queue(self);
    outbox_free(&self->outbox);
    emission_free(&self->emission);
    run_marks_close(&self->marks);
    free(self->counts);
    free(self->message);
    free(self->scratch);
    free(self->refusals);
    free(self);
    *self_ref = NULL;
}

/* ---- state and lanes ---- */

const struct shard_state *shard_state(const struct shard *self)
{
    return &self->state;
}

static struct lane *lane_of(struct shard *self, const char *name, uint16_t partition)
{
    struct out_stream *stream = emission_stream(&self->emission, name);
    return stream && partition < stream->partitions ? &stream->lanes[partition] : NULL;
}

void shard_lane(struct shard *self, const char *stream, uint16_t partition, uint64_t *last,
                uint64_t *acked)
{
    const struct lane *lane = lane_of(self, stream, partition);
    *last = lane ? lane->last : 0;
    *acked = lane ? lane->acked : 0;
}

void shard_each_lane(struct shard *self, shard_lane_fn *visit, void *context)
{
    for (uint32_t i = 0; i < self->emission.stream_count; i++) {
        const struct out_stream *stream = &self->emission.streams[i];
        struct shard_lane lane;
        memcpy(lane.stream, stream->name, sizeof lane.stream);
        for (uint32_t p = 0; p < stream->partitions; p++) {
            lane.partition = (uint16_t)p;
            lane.last = stream->lanes[p].last;
            lane.acked = stream->lanes[p].acked;
            if (lane.last)
                visit(&lane, context);
        }
    }
}

static int start_write(struct store_txn *txn, const struct shard_start *start,
                       struct shard_state *state)
{
    int error = shard_env_state(txn, state);
    if (!error && start->discard)
        error = shard_env_discard(txn, state);
    if (start->discard || state->cursor == 0) {
        state->cursor = start->cursor;
        state->counted_from = start->cursor;
    }
    if (start->discard)
        state->rebuilding = start->rebuilding;
    if (!error && start->rewound) {
        struct shard_rewind rewind;
        error = shard_env_rewind(txn, &rewind);
        rewind.state = SHARD_REWIND_BEGUN;
        if (!error)
            error = shard_env_put_rewind(txn, &rewind);
    }
    state->epoch = start->epoch;
    for (uint32_t i = 0; !error && start->discard && i < start->lane_count; i++)
        error = shard_env_put_lane(txn, &start->lanes[i]);
    return error ? error : shard_env_put_state(txn, state);
}

int shard_start(struct shard *self, const struct shard_start *start)
{
    struct store_txn *txn;
    struct shard_state state;
    shard_undo(self);
    shard_drop_queue(self);
    memset(&self->later, 0, sizeof self->later);
    int error = store_begin(self->options.store, true, &txn);
    if (error)
        return error;
    error = start_write(txn, start, &state);
    if (error)
        store_abort(&txn);
    else
        error = store_commit(&txn);
    if (!error && start->discard && self->options.actor->forget)
        self->options.actor->forget(self->options.self);
    return error ? error : memory_load(self);
}

int shard_restored(struct shard *self, uint64_t cursor, uint64_t counted_from,
                   const struct shard_lane *lanes, uint32_t lane_count)
{
    struct store_txn *txn;
    struct shard_state state;
    int error = store_begin(self->options.store, true, &txn);
    if (error)
        return error;
    error = shard_env_state(txn, &state);
    state.cursor = cursor;
    state.counted_from = counted_from;
    for (uint32_t i = 0; !error && i < lane_count; i++)
        error = shard_env_put_lane(txn, &lanes[i]);
    if (!error)
        error = shard_env_put_state(txn, &state);
    if (error)
        store_abort(&txn);
    else
        error = store_commit(&txn);
    return error ? error : memory_load(self);
}

int shard_known(struct shard *self, const char *stream, uint16_t partition, uint64_t last)
{
    struct lane *lane = lane_of(self, stream, partition);
    if (!lane)
        return -1;
    lane->known = last;
    return 0;
}

void shard_quiet_until(struct shard *self, uint64_t position)
{
    self->quiet_until = position;
}

void shard_rebuilt(struct shard *self)
{
    self->rebuilt = true;
}

/* ---- queue ---- */

int shard_offer(struct shard *self, const struct shard_batch *batch)
{
    struct queued *queued = malloc(sizeof *queued + batch->body.size);
    if (!queued)
        return -1;
    *queued = (struct queued){.base = batch->base,
                              .time_us = batch->time_us,
                              .count = batch->count,
                              .size = batch->body.size};
    for (uint32_t i = 0; i < self->take_count && !queued->take; i++)
        if (strcmp(self->options.actor->takes[i].message->stream, batch->stream) == 0)
            queued->take = &self->options.actor->takes[i];
    if (!queued->take)
        queued->take = own_take_of(self, batch->stream);
    if (batch->body.size)
        memcpy(queued->body, batch->body.data, batch->body.size);
    if (self->tail)
        self->tail->next = queued;
    else
        self->head = queued;
    self->tail = queued;
    self->queued++;
    if (self->open && !self->here.batch) { /* the step in hand took all there was: it ends here */
        self->here.batch = queued;
        self->here.at = 0;
        self->here.byte = 0;
    }
    self->passed = 0; /* the cursor moves with what is taken */
    return 0;
}

void shard_drop_queue(struct shard *self)
{
    while (self->head) {
        struct queued *next = self->head->next;
        free(self->head);
        self->head = next;
    }
    self->tail = NULL;
    self->queued = self->head_at = 0;
    self->head_byte = 0;
    self->taken_records = 0;
    self->taken_bytes = 0;
    self->passed = 0;
}

uint32_t shard_queued(const struct shard *self)
{
    return self->queued;
}

void shard_taken(struct shard *self, uint32_t *records, uint64_t *bytes)
{
    *records = self->taken_records;
    *bytes = self->taken_bytes;
    self->taken_records = 0;
    self->taken_bytes = 0;
}

/* ---- outbox ---- */

const struct shard_out *shard_unsent(struct shard *self, uint32_t index)
{
    struct outbox *outbox = &self->outbox;
    for (uint32_t i = outbox->sent; i < outbox->count; i++) {
        struct outbox_entry *entry = outbox_at(outbox, i);
        if (entry->acked) { /* sent under an earlier grant, answered meanwhile */
            if (i == outbox->sent && index == 0)
                outbox->sent++;
            continue;
        }
        if (index-- == 0)
            return &entry->out;
    }
    return NULL;
}

void shard_sent(struct shard *self, uint32_t count)
{
    struct outbox *outbox = &self->outbox;
    while (outbox->sent < outbox->count) {
        if (!outbox_at(outbox, outbox->sent)->acked) {
            if (count == 0)
                return;
            count--;
        }
        outbox->sent++;
    }
}

void shard_resend(struct shard *self)
{
    self->outbox.sent = 0;
}

int shard_acked(struct shard *self, const char *stream, uint16_t partition, uint64_t last_seq)
{
    struct out_stream *out = emission_stream(&self->emission, stream);
    if (!out || partition >= out->partitions)
        return 0;
    struct lane *lane = &out->lanes[partition];
    if (last_seq > lane->acked) {
        lane->acked = last_seq;
        lane->touched = true;
    }
    return outbox_ack(&self->outbox, out, partition, last_seq);
}

uint32_t shard_outbox(const struct shard *self, uint64_t *records, uint64_t *bytes)
{
    if (records)
        *records = self->outbox.records;
    if (bytes)
        *bytes = self->outbox.bytes;
    return self->outbox.count;
}

uint64_t shard_unacked(struct shard *self)
{
    for (uint32_t i = 0; i < self->outbox.count; i++)
        if (!outbox_at(&self->outbox, i)->acked)
            return outbox_at(&self->outbox, i)->out.number;
    return self->state.outbox_next;
}

void shard_pass(struct shard *self, uint64_t position)
{
    if (!self->head && !self->open && position > self->state.cursor)
        self->passed = position;
}

bool shard_trim_due(const struct shard *self)
{
    return self->outbox.trim_count > 0 || self->passed > self->state.cursor;
}

void shard_totals(const struct shard *self, struct shard_totals *totals)
{
    *totals = self->totals;
}
