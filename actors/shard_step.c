/* A step, from the first record taken to the commit.
 *
 * A record that must not happen is undone by itself: what it emitted is taken back, and if it wrote to the store the whole
 * transaction is, and the step is built again without it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/step.h"
#include "config/fault.h"
#include "config/log.h"

#define BACKOFF_MOST 32

/* ---- beginning and ending ---- */

static enum shard_built failed(struct shard *self, int error)
{
    shard_undo(self);
    self->error = error;
    return SHARD_FAILED;
}

enum shard_built shard_begin(struct shard *self)
{
    self->error = store_begin(self->options.store, true, &self->step.txn);
    if (self->error)
        return SHARD_FAILED;
    self->open = true;
    int error = shard_env_state(self->step.txn, &self->building);
    if (error)
        return failed(self, error);
    if (self->building.epoch != self->state.epoch || self->building.step != self->state.step) {
        log_error("zombie-refused", "shard=%s epoch=%" PRIu64 " now=%" PRIu64 " where=environment",
                  self->reader, self->state.epoch, self->building.epoch);
        shard_undo(self);
        return SHARD_ZOMBIE;
    }
    self->step = (struct step){.shard = self, .txn = self->step.txn};
    error = aging_load(self);
    if (error)
        return failed(self, error);
    self->bodies_made = false;
    self->step_records = 0;
    self->step_run_count = 0;
    memset(self->counts, 0, (self->take_count + SHARD_OWN_TAKES) * sizeof *self->counts);
    self->rewind_building = self->rewind;
    self->retrying = false;
    self->here.batch = self->head;
    self->here.at = self->head_at;
    self->here.byte = self->head_byte;
    return SHARD_BUILT;
}

/* Without a word to the actor: it did nothing in this one. */
static void step_drop(struct shard *self)
{
    if (self->step.txn)
        store_abort(&self->step.txn);
    self->open = false;
    emission_undo(&self->emission, 0);
    run_undone(self);
}

void shard_undo(struct shard *self)
{
    if (!self->open)
        return;
    step_drop(self);
    if (self->options.actor->forget)
        self->options.actor->forget(self->options.self);
}

int shard_error(const struct shard *self)
{
    return self->error;
}

int64_t shard_wait_until(const struct shard *self)
{
    return self->later.again_us;
}

/* ---- refusals ---- */

static const struct refusal *refusal_of(const struct shard *self, uint32_t index)
{
    for (uint32_t i = self->refusal_count; i > 0; i--)
        if (self->refusals[i - 1].index == index)
            return &self->refusals[i - 1];
    return NULL;
}

static bool refusal_add(struct shard *self, uint32_t index, const char *rule, int64_t attempts)
{
    if (self->refusal_count == self->refusal_capacity) {
        uint32_t capacity = self->refusal_capacity ? self->refusal_capacity * 2 : 16;
        struct refusal *grown = realloc(self->refusals, capacity * sizeof *grown);
        if (!grown)
            return false;
        self->refusals = grown;
        self->refusal_capacity = capacity;
    }
    struct refusal *refusal = &self->refusals[self->refusal_count++];
    refusal->index = index;
    refusal->attempts = attempts;
    snprintf(refusal->rule, sizeof refusal->rule, "%s", rule);
    return true;
}

/* Where an outcome is counted: by the stream of the record that has it. */
static struct take_count *count_of(struct shard *self, const struct take *take)
{
    for (uint32_t i = 0; i < SHARD_OWN_TAKES; i++)
        if (shard_own_takes[i] == (self->retrying ? &verdict_take : take))
            return &self->counts[self->take_count + i];
    return &self->counts[take - self->options.actor->takes];
}

/* The record is a dead letter, in this step. */
static void never(struct shard *self, const struct take *take, const struct input *input,
                  enum error_class error, const char *rule, int64_t attempts)
{
    struct run *run = self->step.run;
    count_of(self, take)->never++;
    if (run)
        run->bytes_in += input->record->payload.size;
    if (run && take->scope == RUN_PER_RECORD) {
        run->outcome = RUN_FAILED;
        run->error = error;
        snprintf(run->error_message, sizeof run->error_message, "%s", rule);
    } else if (run) {
        run->rows_in++;
        run->rows_refused++;
        if (run->outcome == RUN_SUCCESS)
            run->outcome = RUN_PARTIAL;
    }
    ops_dead_emit(self, input, run, rule, attempts);
    if (run && take->scope == RUN_PER_RECORD) {
        run->rows_in = run->rows_refused = 1;
        ops_run_emit(self, run, clock_league_us());
    }
}

/* ---- one record ---- */

enum taken {
    TAKEN,    /* it has its outcome */
    TAKE_BACK /* the transaction holds what must not be: build the step again */
};

static void record_done(struct shard *self, const struct take *take)
{
    struct run *run = self->step.run;
    count_of(self, take)->done++;
    if (!run)
        return;
    run->bytes_in += self->step.input->record->payload.size;
    if (!run->rows_told)
        run->rows_in++;
    if (self->step.scope == RUN_PER_RECORD)
        ops_run_emit(self, run, clock_league_us());
}

/* LATER: this step ends before the record; the next one begins with it. */
static void record_later(struct shard *self, const struct input *input)
{
    int64_t now = clock_mono_us();
    const struct settings *settings = self->options.settings;
    if (self->later.position != input->position) {
        memset(&self->later, 0, sizeof self->later);
        self->later.position = input->position;
        self->later.since_us = now;
        self->later.wait_us = settings->actor.retry_wait_us;
    } else if (self->later.wait_us < BACKOFF_MOST * settings->actor.retry_wait_us) {
        self->later.wait_us *= 2;
    }
    self->later.attempts++;
    self->later.again_us = now + self->later.wait_us;
    snprintf(self->later.rule, sizeof self->later.rule, "%s", self->step.rule);
    self->totals.later++;
    log_info("later", "position=%" PRIu64 " stream=%s attempt=%" PRId64 " rule=\"%s\"",
             input->position, input->stream, self->later.attempts, self->later.rule);
}

static bool later_is_over(const struct shard *self)
{
    if (self->options.replay) /* what it waits for is in its own environment: the same for ever */
        return true;
    return clock_mono_us() - self->later.since_us >= self->options.settings->actor.retry_max_age_us;
}

/* The handler said no. Its emissions are gone already. */
static enum taken record_refused(struct shard *self, const struct take *take,
                                 const struct input *input, enum verdict verdict, bool wrote)
{
    uint32_t index = self->step_records;
    int64_t attempts = 1;
    if (self->options.actor->forget)
        self->options.actor->forget(self->options.self);
    if (verdict == LATER) {
        record_later(self, input);
        if (!later_is_over(self)) {
            self->limit = index;
            return wrote ? TAKE_BACK : TAKEN;
        }
        attempts = self->later.attempts;
    }
    if (wrote) { /* without memory it is offered once more: the same again */
        (void)refusal_add(self, index, self->step.rule, attempts);
        return TAKE_BACK;
    }
    never(self, take, input, ERROR_INVALID, self->step.rule, attempts);
    return TAKEN;
}

static enum taken record_handle(struct shard *self, const struct take *take,
                                const struct input *input)
{
    struct step *step = &self->step;
    uint64_t writes = store_writes(step->txn);
    uint32_t emitted = self->emission.added_count;
    struct run before;
    bool shared = step->run && take->scope == RUN_PER_STEP;
    if (shared)
        before = *step->run;
    struct run *run = step->run;
    if (run && (take->scope == RUN_PER_RECORD || strcmp(run->id, self->marked) != 0))
        run_mark_open(self, run, 0, input->position);
    enum verdict verdict = DONE;
    step->rule[0] = '\0';
    step->broken = false;
    if (run && !self->quiet && fault_hit(FAULT_HANDLER))
        verdict = step_refuse(step, LATER, "a fault was asked for");
    else
        verdict = take->take(step, input, self->options.self);
    if (step->broken)
        verdict = NEVER; /* rule: says the emission */
    if (verdict == DONE) {
        record_done(self, take);
        return TAKEN;
    }
    emission_undo(&self->emission, emitted);
    if (shared)
        *run = before;
    step->run = run;
    return record_refused(self, take, input, verdict, store_writes(step->txn) != writes);
}

static enum taken record_offer(struct shard *self, const struct take *take,
                               const struct input *input)
{
    struct message_error error;
    char rule[RULE_SIZE];
    self->step.input = input;
    self->step.now_us = input->time_us;
    self->step.scope = take->scope;
    self->step.run = run_of_record(self, take, input);
    const struct refusal *refused = refusal_of(self, self->step_records);
    if (refused) {
        never(self, take, input, ERROR_INVALID, refused->rule, refused->attempts);
        return TAKEN;
    }
    if (self->options.refused && self->options.refused(self->options.context, input->position)) {
        never(self, take, input, ERROR_INVALID, "as it was", 1);
        return TAKEN;
    }
    if (input->record->version > take->message->version) {
        snprintf(rule, sizeof rule, "%s: version %" PRIu32 " is newer than %" PRIu32,
                 take->message->name, input->record->version, take->message->version);
        never(self, take, input, ERROR_MALFORMED, rule, 1);
        return TAKEN;
    }
    if (message_decode(take->message, input->record->payload.data, input->record->payload.size,
                       self->message, &error) != 0) {
        snprintf(rule, sizeof rule, "%s.%s: %s", take->message->name, error.field, error.rule);
        never(self, take, input, ERROR_MALFORMED, rule, 1);
        return TAKEN;
    }
    return record_handle(self, take, input);
}

/* The environment failed: this step ends before the record, and it is tried again. */
static enum taken own_failed(struct shard *self, const struct input *input)
{
    (void)step_refuse(&self->step, LATER, "what was done for it cannot be looked up or kept now");
    record_later(self, input);
    self->limit = self->step_records;
    return TAKE_BACK;
}

/* A verdict has one outcome like any record: counted as never if what it offers again is refused again. */
static enum taken verdict_take_one(struct shard *self, const struct input *input)
{
    struct input again;
    const struct take *take = NULL;
    const char *outcome = "dropped";
    struct take_count *count = count_of(self, &verdict_take);
    uint64_t refused = count->never;
    self->step.input = input;
    self->step.run = NULL;
    self->step.now_us = input->time_us;
    enum verdict_asks asks = verdict_open(self, input, &again, &take);
    if (asks == VERDICT_FAILED)
        return own_failed(self, input);
    if (asks == VERDICT_RETRY) {
        self->retrying = true;
        enum taken taken = record_offer(self, take, &again);
        self->retrying = false;
        if (taken == TAKE_BACK || self->step_records >= self->limit)
            return taken;
        outcome = count->never > refused ? "refused" : "taken";
    } else {
        count->done++;
    }
    return asks != VERDICT_NOTHING && verdict_close(self, input, outcome) != STORE_OK
               ? own_failed(self, input)
               : TAKEN;
}

/* It may ask to go back: then it is the last of this step, and this the last step before that. */
static enum taken rewind_take_one(struct shard *self, const struct input *input)
{
    int error;
    self->step.input = input;
    self->step.run = NULL;
    self->step.now_us = input->time_us;
    if (rewind_open(self, input, &error))
        self->limit = self->step_records + 1;
    else if (error)
        return own_failed(self, input);
    count_of(self, &rewind_take)->done++;
    return TAKEN;
}

static enum taken record_take(struct shard *self, const struct take *take,
                              const struct input *input)
{
    if (take == &rewind_take)
        return rewind_take_one(self, input);
    return take == &verdict_take ? verdict_take_one(self, input) : record_offer(self, take, input);
}

/* ---- many records ---- */

/* What cannot be read as records at all: each of them is dead, without a payload. */
static void batch_broken(struct shard *self, const struct queued *batch, const char *rule)
{
    struct record nothing = {.key = "?", .key_size = 1};
    char text[RULE_SIZE];
    snprintf(text, sizeof text, "batch: %s", rule);
    for (; self->here.at < batch->count; self->here.at++, self->step_records++) {
        struct input input = {.record = &nothing,
                              .stream = batch->take->message->stream,
                              .position = batch->base + self->here.at,
                              .time_us = batch->time_us};
        if (input.position < self->building.cursor)
            continue;
        self->step.input = &input;
        self->step.run = NULL;
        never(self, batch->take, &input, ERROR_MALFORMED, text, 1);
        self->building.cursor = input.position + 1;
    }
}

static bool reader_open(struct shard *self, struct batch_reader *reader, const char **rule)
{
    const struct queued *batch = self->here.batch;
    if (batch_open(reader, batch->body, batch->size, batch->count, rule) != 0)
        return false;
    if (self->here.at > 0) { /* go on where the last step ended */
        reader->in.at = self->here.byte;
        reader->left = batch->count - self->here.at;
    }
    return true;
}

/* Takes from the batch in hand until it or the step ends. */
static enum taken batch_take(struct shard *self, size_t *bytes)
{
    const struct queued *batch = self->here.batch;
    const struct settings *settings = self->options.settings;
    struct batch_reader reader;
    struct record record;
    const char *rule = NULL;
    if (!reader_open(self, &reader, &rule)) {
        batch_broken(self, batch, rule);
        return TAKEN;
    }
    while (self->here.at < batch->count && self->step_records < self->limit) {
        struct input input = {.record = &record,
                              .message = self->message,
                              .stream = batch->take->message->stream,
                              .position = batch->base + self->here.at,
                              .time_us = batch->time_us};
        if (batch_next(&reader, &record, &rule) != 1) {
            batch_broken(self, batch, rule ? rule : "fewer records than declared");
            return TAKEN;
        }
        if (input.position >= self->building.cursor) {
            if (*bytes > 0 && *bytes + record.payload.size > (size_t)settings->actor.step_bytes)
                self->limit = self->step_records;
            if (self->quiet && input.position >= self->quiet_until)
                self->limit = self->step_records; /* what comes now is new: another step */
            if (self->step_records >= self->limit)
                return TAKEN;
            if (record_take(self, batch->take, &input) == TAKE_BACK)
                return TAKE_BACK;
            if (self->step_records >= self->limit) /* it said LATER */
                return TAKEN;
            (void)aging_turn(self, input.time_us); /* a failure spoils the transaction */
            *bytes += record.payload.size + 1;
            self->step_records++;
            self->building.cursor = input.position + 1;
        }
        self->here.at++;
        self->here.byte = reader.in.at;
    }
    return TAKEN;
}

static enum taken records_take(struct shard *self)
{
    size_t bytes = 0;
    while (self->here.batch && self->step_records < self->limit) {
        const struct queued *batch = self->here.batch;
        if (batch->take) {
            if (batch_take(self, &bytes) == TAKE_BACK)
                return TAKE_BACK;
        } else {
            self->here.at = batch->count;
        }
        if (self->here.at < batch->count)
            break;
        self->here.batch = batch->next;
        self->here.at = 0;
        self->here.byte = 0;
    }
    self->step.input = NULL;
    self->step.run = NULL;
    return TAKEN;
}

/* The position that comes next of what is queued. */
static uint64_t next_position(const struct shard *self)
{
    uint64_t position = self->head ? self->head->base + self->head_at : 0;
    return position > self->state.cursor ? position : self->state.cursor;
}

/* The runs that a dead owner left open, in a step of their own: a handler that kills again must not hide them. */
static enum shard_built crashed_build(struct shard *self)
{
    enum shard_built result = shard_begin(self);
    if (result != SHARD_BUILT)
        return result;
    run_say_crashed(self);
    run_close_step(self);
    return SHARD_BUILT;
}

enum shard_built shard_build(struct shard *self, int64_t mono_us)
{
    uint64_t position = next_position(self);
    if (self->rewind.state == SHARD_REWIND_ASKED && !self->state.rebuilding &&
        !self->options.replay)
        return SHARD_NOTHING; /* the owner's turn; a rebuild that is under way goes before */
    self->quiet = self->options.replay || position < self->quiet_until;
    if (self->crashed_count && !self->quiet)
        return crashed_build(self);
    if (!self->head)
        return SHARD_NOTHING;
    if (self->later.position == position && !self->options.replay && mono_us < self->later.again_us)
        return SHARD_WAITING;
    self->refusal_count = 0;
    self->limit = (uint32_t)self->options.settings->actor.step_records;
    for (;;) {
        enum shard_built result = shard_begin(self);
        if (result != SHARD_BUILT)
            return result;
        if (records_take(self) != TAKE_BACK)
            break;
        shard_undo(self);
        if (self->limit == 0)
            return SHARD_WAITING;
    }
    run_close_step(self);
    if (self->step_records > 0 || self->emission.added_count > 0)
        return SHARD_BUILT;
    step_drop(self);     /* a step of nothing is no step */
    shard_consume(self); /* what was passed over lies below the cursor */
    return self->limit == 0 ? SHARD_WAITING : SHARD_NOTHING;
}

/* ---- edges ---- */

struct step *shard_step_open(struct shard *self)
{
    self->error = STORE_OK;
    if (self->open)
        return NULL;
    self->quiet = self->options.replay;
    if (shard_begin(self) != SHARD_BUILT) {
        if (!self->error)
            self->error = STORE_BUSY;
        return NULL;
    }
    self->step.now_us = clock_league_us();
    return &self->step;
}

int shard_step_finish(struct shard *self)
{
    self->step.input = NULL;
    self->step.run = NULL;
    run_close_step(self);
    return self->step.broken ? -1 : 0;
}
