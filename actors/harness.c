#include "actors/harness.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actors/step.h"
#include "schema/messages.h"

#define PARTITIONS 4
#define SCRATCH_MAP_BYTES ((size_t)1 << 30)

struct kept {
    struct harness_record record;
    struct kept *next;
    bool offered;
    char key[RECORD_KEY_MAX + 1], run[RECORD_RUN_MAX + 1];
    const char *stream;
    struct span payload;
    uint32_t version;
};

/* What the log holds of the actor's inputs. */
struct logged {
    struct logged *next;
    struct shard_batch batch;
    uint8_t body[];
};

struct harness {
    const struct actor *actor;
    struct settings settings;
    char dir[64];
    struct store *store;
    struct shard *shard;
    void *memory;
    uint64_t epoch, head;
    int64_t now_us;
    bool grouped;
    struct kept *first, *last;
    struct logged *log, **log_end;
    uint64_t done, never; /* of earlier lives */
};

static uint16_t partitions(void *context, const char *stream)
{
    (void)context;
    (void)stream;
    return PARTITIONS;
}

/* ---- life ---- */

static int harness_begin(struct harness *self)
{
    bool failed = false;
    struct store_options store = {.map_bytes = SCRATCH_MAP_BYTES, .scratch = true};
    int error = store_open(&self->store, self->dir, &store);
    if (error)
        return error;
    self->memory = self->actor->start ? self->actor->start(&self->settings, &failed) : NULL;
    if (failed)
        return STORE_IO;
    struct shard_options options = {.actor = self->actor,
                                    .self = self->memory,
                                    .settings = &self->settings,
                                    .host = "harness",
                                    .shards = 1,
                                    .store = self->store,
                                    .partitions = partitions};
    error = shard_open(&self->shard, &options);
    struct shard_start start = {.epoch = ++self->epoch, .cursor = 1};
    if (!error)
        error = shard_start(self->shard, &start);
    for (struct logged *at = self->log; !error && at; at = at->next)
        if (at->batch.base >= shard_state(self->shard)->cursor)
            error = shard_offer(self->shard, &at->batch) != 0 ? STORE_IO : STORE_OK;
    return error;
}

static void harness_end(struct harness *self)
{
    if (self->shard) {
        struct shard_totals totals;
        shard_totals(self->shard, &totals);
        self->done += totals.done;
        self->never += totals.never;
    }
    shard_close(&self->shard);
    if (self->actor->stop && self->memory)
        self->actor->stop(self->memory);
    self->memory = NULL;
    store_close(&self->store);
}

struct harness *harness_open(const struct actor *actor, const struct settings *settings)
{
    struct harness *self = calloc(1, sizeof *self);
    const char *tmp = getenv("TMPDIR");
    if (!self)
        return NULL;
    self->actor = actor;
    self->head = 1;
    self->log_end = &self->log;
    snprintf(self->dir, sizeof self->dir, "%.40s/harness-XXXXXX", tmp ? tmp : "/tmp");
    if (settings)
        self->settings = *settings;
    else if (settings_load(&self->settings, NULL, NULL, 0, stderr) != 0)
        goto fail;
    (void)clock_zone_set(self->settings.timezone);
    if (!mkdtemp(self->dir))
        goto fail;
    int error = harness_begin(self);
    if (!error)
        return self;
    fprintf(stderr, "harness: %s: %s\n", self->dir, store_error_text(error));
fail:
    harness_close(&self);
    return NULL;
}

void harness_close(struct harness **self_ref)
{
    static const char *const files[] = {"data.mdb", "lock.mdb", "lock", "gate", "runs.mark"};
    struct harness *self = *self_ref;
    if (!self)
        return;
    harness_end(self);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[96];
        snprintf(path, sizeof path, "%s/%s", self->dir, files[i]);
        unlink(path);
    }
    rmdir(self->dir);
    while (self->first) {
        struct kept *next = self->first->next;
        free((void *)(uintptr_t)self->first->record.message);
        free((void *)(uintptr_t)self->first->payload.data);
        free(self->first);
        self->first = next;
    }
    while (self->log) {
        struct logged *next = self->log->next;
        free(self->log);
        self->log = next;
    }
    free(self);
    *self_ref = NULL;
}

void *harness_self(struct harness *self)
{
    return self->memory;
}

struct store *harness_store(struct harness *self)
{
    return self->store;
}

void harness_outcomes(const struct harness *self, uint64_t *done, uint64_t *never)
{
    struct shard_totals totals;
    shard_totals(self->shard, &totals);
    *done = self->done + totals.done;
    *never = self->never + totals.never;
}

/* ---- the log ---- */

static bool takes(const struct harness *self, const char *stream)
{
    for (const struct take *take = self->actor->takes; take && take->message; take++)
        if (strcmp(take->message->stream, stream) == 0)
            return true;
    for (int i = 0; self->actor->takes && i < SHARD_OWN_TAKES; i++)
        if (strcmp(shard_own_takes[i]->message->stream, stream) == 0)
            return true;
    return false;
}

/* Gives it the next position, and to the actor if it takes such. */
static uint64_t append(struct harness *self, const char *stream, const struct record *record,
                       int64_t time_us)
{
    const char *rule;
    struct pack body = {0};
    uint64_t position = self->head++;
    batch_head(&body, 1, "harness", "0000000000000000");
    if (record_encode(&body, record, &rule) != 0) {
        fprintf(stderr, "harness: %s: %s\n", stream, rule);
        position = 0;
    } else if (takes(self, stream)) {
        struct logged *logged = malloc(sizeof *logged + body.size);
        if (!logged)
            abort();
        memcpy(logged->body, body.data, body.size);
        logged->next = NULL;
        logged->batch = (struct shard_batch){.base = position,
                                             .count = 1,
                                             .stream = stream,
                                             .time_us = time_us,
                                             .body = {logged->body, (uint32_t)body.size}};
        *self->log_end = logged;
        self->log_end = &logged->next;
        if (shard_offer(self->shard, &logged->batch) != 0)
            position = 0;
    }
    pack_free(&body);
    return position;
}

static void kept_append(struct harness *self, struct kept *kept, int64_t time_us)
{
    struct record record = {.key = kept->key,
                            .key_size = (uint32_t)strlen(kept->key),
                            .version = kept->version,
                            .parent_count = kept->record.parent_count,
                            .run = kept->run[0] ? kept->run : NULL,
                            .run_size = (uint32_t)strlen(kept->run),
                            .payload = kept->payload};
    memcpy(record.parents, kept->record.parents, sizeof record.parents);
    kept->record.position = append(self, kept->stream, &record, time_us);
    kept->record.time_us = time_us;
    kept->offered = true;
}

static const struct message_desc *desc_of(const struct harness *self, const char *stream)
{
    const struct emission *emission = &self->shard->emission;
    for (uint32_t i = 0; i < emission->stream_count; i++)
        if (strcmp(emission->streams[i].name, stream) == 0 && emission->desc_of[i])
            return emission->desc_of[i];
    return message_of_stream(stream); /* said by the kit, or written only before a restart */
}

/* Sent again after a restart: the broker would know it by its sequence. */
static bool kept_before(const struct harness *self, const struct shard_out *out, uint64_t sequence)
{
    for (const struct kept *kept = self->epoch > 1 ? self->first : NULL; kept; kept = kept->next)
        if (kept->record.sequence == sequence && kept->record.partition == out->partition &&
            kept->stream && strcmp(kept->stream, out->stream) == 0)
            return true;
    return false;
}

static int keep(struct harness *self, const struct shard_out *out, const struct record *record,
                uint64_t sequence)
{
    struct message_error error;
    struct kept *kept = calloc(1, sizeof *kept);
    if (!kept)
        return -1;
    kept->record.desc = desc_of(self, out->stream);
    kept->stream = kept->record.desc->stream;
    kept->version = record->version;
    memcpy(kept->key, record->key, record->key_size);
    if (record->run)
        memcpy(kept->run, record->run, record->run_size);
    uint8_t *payload = malloc(record->payload.size);
    void *message = calloc(1, kept->record.desc->struct_size);
    if (payload && message)
        memcpy(payload, record->payload.data, record->payload.size);
    kept->payload = (struct span){payload, record->payload.size};
    kept->record.message = message;
    kept->record.key = kept->key;
    kept->record.run = kept->run;
    kept->record.due_us = out->due_us;
    kept->record.partition = out->partition;
    kept->record.sequence = sequence;
    kept->record.parent_count = record->parent_count;
    memcpy(kept->record.parents, record->parents, sizeof record->parents);
    if (self->last)
        self->last->next = kept;
    else
        self->first = kept;
    self->last = kept;
    if (!payload || !message ||
        message_decode(kept->record.desc, payload, record->payload.size, message, &error) != 0)
        return -1;
    if (out->due_us == CLOCK_NONE)
        kept_append(self, kept, self->now_us);
    return 0;
}

/* The broker's part: takes over all that is unsent, and acknowledges it. */
static int drain(struct harness *self)
{
    const struct shard_out *out;
    while ((out = shard_unsent(self->shard, 0)) != NULL) {
        struct batch_reader reader;
        struct record record;
        const char *rule;
        uint64_t sequence = out->first_seq;
        int error = batch_open(&reader, out->body.data, out->body.size, out->count, &rule);
        while (!error && batch_next(&reader, &record, &rule) == 1)
            if (!kept_before(self, out, sequence++))
                error = keep(self, out, &record, sequence - 1);
        if (error || sequence != out->first_seq + out->count)
            return STORE_CORRUPT;
        shard_sent(self->shard, 1);
        if (shard_acked(self->shard, out->stream, out->partition, sequence - 1) < 0)
            return STORE_IO;
    }
    return STORE_OK;
}

/* ---- driving it ---- */

int harness_run(struct harness *self)
{
    for (;;) {
        switch (shard_build(self->shard, clock_mono_us())) {
        case SHARD_NOTHING:
            return 0;
        case SHARD_WAITING:
            return 1;
        case SHARD_ZOMBIE:
            return STORE_BUSY;
        case SHARD_FAILED:
            return shard_error(self->shard);
        case SHARD_BUILT:
            break;
        }
        int error = shard_commit(self->shard);
        if (!error)
            error = drain(self);
        if (error)
            return error;
    }
}

static struct kept *next_due(struct harness *self, int64_t until_us)
{
    struct kept *best = NULL;
    for (struct kept *at = self->first; at; at = at->next)
        if (!at->offered && at->record.due_us <= until_us &&
            (!best || at->record.due_us < best->record.due_us))
            best = at;
    return best;
}

int harness_advance(struct harness *self, int64_t time_us)
{
    int result = harness_run(self);
    struct kept *due;
    while (!result && (due = next_due(self, time_us)) != NULL) {
        if (due->record.due_us > self->now_us)
            self->now_us = due->record.due_us;
        kept_append(self, due, self->now_us);
        result = harness_run(self);
    }
    if (time_us > self->now_us)
        self->now_us = time_us;
    return result;
}

uint64_t harness_put_payload(struct harness *self, const char *stream, const char *key,
                             uint32_t version, const void *payload, size_t size, int64_t time_us)
{
    struct record record = {.key = key,
                            .key_size = (uint32_t)strlen(key),
                            .version = version,
                            .payload = {payload, (uint32_t)size}};
    if (self->grouped)
        self->now_us = time_us > self->now_us ? time_us : self->now_us;
    else if (harness_advance(self, time_us) < 0)
        return 0;
    return append(self, stream, &record, self->now_us);
}

uint64_t harness_put_key(struct harness *self, const struct message_desc *desc, const void *message,
                         const char *key, int64_t time_us)
{
    struct message_error error;
    size_t most = message_size_max(desc, message);
    uint8_t *payload = malloc(most);
    long size = payload ? message_encode(desc, message, payload, most, &error) : -1;
    if (payload && size < 0)
        fprintf(stderr, "harness: %s.%s: %s\n", error.message, error.field, error.rule);
    uint64_t position = size < 0 ? 0
                                 : harness_put_payload(self, desc->stream, key, desc->version,
                                                       payload, (size_t)size, time_us);
    free(payload);
    return position;
}

uint64_t harness_put(struct harness *self, const struct message_desc *desc, const void *message,
                     int64_t time_us)
{
    const struct field_desc *field = message_field(desc, desc->key);
    return harness_put_key(self, desc, message,
                           field ? (const char *)message + field->offset : desc->name, time_us);
}

void harness_group(struct harness *self, bool on)
{
    self->grouped = on;
}

int harness_restart(struct harness *self)
{
    harness_end(self);
    return harness_begin(self);
}

size_t harness_count(const struct harness *self, const struct message_desc *desc)
{
    size_t count = 0;
    for (const struct kept *at = self->first; at; at = at->next)
        count += !desc || at->record.desc == desc;
    return count;
}

const struct harness_record *harness_at(const struct harness *self, const struct message_desc *desc,
                                        size_t index)
{
    for (const struct kept *at = self->first; at; at = at->next)
        if ((!desc || at->record.desc == desc) && index-- == 0)
            return &at->record;
    return NULL;
}
