/* What a handler may call inside a step. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/step.h"
#include "config/clock.h"
#include "config/log.h"

struct store_txn *step_store(struct step *step)
{
    return step->txn;
}

int64_t step_now_us(const struct step *step)
{
    return step->now_us;
}

uint32_t step_shard(const struct step *step, uint32_t *shards)
{
    if (shards)
        *shards = step->shard->options.shards;
    return step->shard->options.number;
}

const struct settings *step_settings(const struct step *step)
{
    return step->shard->options.settings;
}

int32_t step_kept_since(const struct step *step, const char *table)
{
    const struct shard_options *options = &step->shard->options;
    return actor_kept_since(options->actor, options->settings, table, clock_date_of(step->now_us));
}

int32_t actor_kept_since(const struct actor *actor, const struct settings *settings,
                         const char *table, int32_t today)
{
    for (const struct aging *aging = actor->ages; aging && aging->table; aging++) {
        int32_t days = aging_days(actor, aging, settings);
        if (strcmp(aging->table, table) == 0 && days != AGING_NEVER)
            return clock_date_add(today, 1 - days);
    }
    return 0;
}

bool step_owns(const struct step *step, const struct message_desc *desc, const char *key)
{
    const struct shard_options *options = &step->shard->options;
    uint16_t partitions = options->partitions(options->context, desc->stream);
    uint32_t shards = options->shards ? options->shards : 1;
    return partitions > 0 &&
           record_partition(key, strlen(key), partitions) % shards == options->number;
}

uint32_t step_emitted(const struct step *step)
{
    return step->shard->emission.added_count;
}

enum verdict step_refuse(struct step *step, enum verdict verdict, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(step->rule, sizeof step->rule, fmt, args);
    va_end(args);
    return verdict;
}

/* ---- emitting ---- */

static bool scratch_grow(struct shard *shard, size_t size)
{
    if (size <= shard->scratch_size)
        return true;
    uint8_t *grown = realloc(shard->scratch, size * 2);
    if (!grown)
        return false;
    shard->scratch = grown;
    shard->scratch_size = size * 2;
    return true;
}

static const char *key_of(const struct message_desc *desc, const void *message,
                          const struct emit *how)
{
    if (how->key)
        return how->key;
    const struct field_desc *field = desc->key[0] ? message_field(desc, desc->key) : NULL;
    return field ? (const char *)message + field->offset : "";
}

/* 0, or -1 with the rule. */
static int put_payload(struct step *step, struct out_stream *stream,
                       const struct message_desc *desc, const void *message,
                       const struct span *payload, const struct emit *how, const struct run *run,
                       const char **rule)
{
    struct shard *shard = step->shard;
    const char *key = key_of(desc, message, how);
    struct record record = {.key = key,
                            .key_size = (uint32_t)strlen(key),
                            .version = desc->version,
                            .run = run ? run->id : NULL,
                            .run_size = run ? (uint32_t)strlen(run->id) : 0,
                            .payload = *payload};
    if (how->parents) {
        record.parent_count = how->parent_count;
        if (record.parent_count <= RECORD_PARENTS_MAX)
            memcpy(record.parents, how->parents, record.parent_count * sizeof *record.parents);
    } else if (step->input) {
        record.parent_count = 1;
        record.parents[0] = step->input->position;
    }
    return emission_add(&shard->emission, stream, &record, how->due_us, shard->batch_bytes_max,
                        rule);
}

static const char NO_STREAM[] = "the broker has no such stream";

/* 0, or -1 with the rule; what cannot be said in a static text stands in step->rule. */
int step_put(struct step *step, const struct message_desc *desc, const void *message,
             const struct emit *how, const struct run *run, const char **rule)
{
    struct shard *shard = step->shard;
    struct message_error error;
    struct out_stream *stream = emission_stream_of(&shard->emission, desc);
    if (!stream) {
        *rule = NO_STREAM;
        return -1;
    }
    if (!scratch_grow(shard, message_size_max(desc, message))) {
        *rule = "out of memory";
        return -1;
    }
    long size = message_encode(desc, message, shard->scratch, shard->scratch_size, &error);
    if (size < 0) {
        snprintf(step->rule, sizeof step->rule, "%s.%s: %s", error.message, error.field,
                 error.rule);
        *rule = step->rule;
        return -1;
    }
    const struct span payload = {shard->scratch, (uint32_t)size};
    return put_payload(step, stream, desc, message, &payload, how, run, rule);
}

static void emit_counted(struct step *step)
{
    if (step->run)
        step->run->rows_out++;
    else
        step->loose++;
}

static void emit_broken(struct step *step, const struct message_desc *desc, const char *rule)
{
    char why[RULE_SIZE];
    snprintf(why, sizeof why, "%s%s%s", rule == step->rule ? "" : desc->name,
             rule == step->rule ? "" : ": ", rule);
    memcpy(step->rule, why, sizeof why);
    step->broken = true;
    log_error("emission-broken", "message=%s rule=\"%s\"", desc->name, why);
}

void step_emit_with(struct step *step, const struct message_desc *desc, const void *message,
                    const struct emit *how)
{
    const char *rule;
    if (step->broken)
        return;
    if (step_put(step, desc, message, how, step->run, &rule) == 0)
        emit_counted(step);
    else
        emit_broken(step, desc, rule);
}

void step_emit_encoded(struct step *step, const struct message_desc *desc, const void *message,
                       const struct span *payload, const struct emit *how)
{
    const char *rule = NO_STREAM;
    if (step->broken)
        return;
    struct out_stream *stream = emission_stream_of(&step->shard->emission, desc);
    if (stream && put_payload(step, stream, desc, message, payload, how, step->run, &rule) == 0)
        emit_counted(step);
    else
        emit_broken(step, desc, rule);
}

void step_emit(struct step *step, const struct message_desc *desc, const void *message)
{
    step_emit_with(step, desc, message, &(struct emit){.due_us = CLOCK_NONE});
}

void step_later(struct step *step, const struct message_desc *desc, const void *message,
                int64_t due_us)
{
    step_emit_with(step, desc, message, &(struct emit){.due_us = due_us});
}

/* ---- the run of the record in hand ---- */

static void text_copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}

void step_run_name(struct step *step, const char *name)
{
    struct run *run = step->run;
    if (!run || strcmp(run->name, name) == 0)
        return;
    if (step->scope == RUN_PER_RECORD) {
        text_copy(run->name, sizeof run->name, name);
    } else { /* the record belongs to another run of this step */
        struct run *other = run_in_step(step->shard, name);
        if (!other)
            return;
        other->rows_told = run->rows_told;
        step->run = other;
    }
    run_mark_open(step->shard, step->run, 0, step->input ? step->input->position : 0);
}

void step_run_begin(struct step *step, const char *name)
{
    const struct take take = {.scope = RUN_PER_RECORD, .run = name};
    step->run = run_of_record(step->shard, &take, step->input);
    step->scope = take.scope;
    run_mark_open(step->shard, step->run, 0, step->input->position);
}

void step_run_about(struct step *step, int32_t data_date, const char *game_id)
{
    if (!step->run)
        return;
    step->run->data_date = data_date;
    text_copy(step->run->game_id, sizeof step->run->game_id, game_id);
}

void step_run_rows(struct step *step, int64_t rows_in, int64_t rows_refused)
{
    if (!step->run)
        return;
    step->run->rows_in += rows_in;
    step->run->rows_refused += rows_refused;
    step->run->rows_told = true;
}

void step_run_outcome(struct step *step, enum run_outcome outcome, enum error_class error,
                      const char *fmt, ...)
{
    va_list args;
    if (!step->run)
        return;
    step->run->outcome = outcome;
    step->run->error = error;
    va_start(args, fmt);
    if (fmt)
        vsnprintf(step->run->error_message, sizeof step->run->error_message, fmt, args);
    va_end(args);
}

/* ---- runs that an edge opened ---- */

static struct run *open_run(struct shard *shard, int run)
{
    return run >= 0 && run < RUN_MARKS_OPEN_MAX && shard->open_state[run] == RUN_OPEN
               ? &shard->open_runs[run]
               : NULL;
}

void step_run_use(struct step *step, int run)
{
    step->run = open_run(step->shard, run);
}

void step_run_close(struct step *step, int number, const struct run_close *how)
{
    struct shard *shard = step->shard;
    struct run *open = open_run(shard, number);
    if (!open)
        return;
    struct run run = *open; /* the open one stays as it is: the step may be undone */
    run.outcome = how->outcome;
    run.error = how->error;
    text_copy(run.error_message, sizeof run.error_message, how->error_message);
    run.data_date = how->data_date;
    text_copy(run.game_id, sizeof run.game_id, how->game_id);
    text_copy(run.duplicate_of, sizeof run.duplicate_of, how->duplicate_of);
    run.rows_in = how->rows_in;
    run.rows_refused = how->rows_refused;
    run.bytes_in = how->bytes_in;
    run.bytes_out = how->bytes_out;
    run.next_check = how->next_check;
    run.rows_out += step->loose;
    step->loose = 0;
    if (step->run == open)
        step->run = NULL;
    ops_run_emit(shard, &run, clock_league_us());
    shard->open_state[number] = RUN_CLOSING;
}
