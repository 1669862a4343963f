/* Runs: begun with the record, marked open before the handler, closed in the step that did the work. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "actors/step.h"
#include "config/log.h"

void run_begin(struct shard *self, struct run *run, const char *name)
{
    memset(run, 0, sizeof *run);
    snprintf(run->id, sizeof run->id, "%s-%" PRIu64 "-%" PRIu64, self->reader, self->state.epoch,
             ++self->run_next);
    snprintf(run->name, sizeof run->name, "%s", name);
    run->opened_at = clock_league_us();
    run->opened_mono_us = clock_mono_us();
    run->attempt = 1;
    run->next_check = CLOCK_NONE;
}

struct run *run_in_step(struct shard *self, const char *name)
{
    for (uint32_t i = 0; i < self->step_run_count; i++)
        if (strcmp(self->step_runs[i].name, name) == 0)
            return &self->step_runs[i];
    if (self->step_run_count == STEP_RUNS_MAX)
        return NULL;
    struct run *run = &self->step_runs[self->step_run_count++];
    run_begin(self, run, name);
    return run;
}

struct run *run_of_record(struct shard *self, const struct take *take, const struct input *input)
{
    struct run *run = NULL;
    if (take->scope == RUN_NONE)
        return NULL;
    if (take->scope == RUN_PER_RECORD) {
        run = &self->record_run;
        run_begin(self, run, take->run);
    } else {
        run = run_in_step(self, take->run);
        if (!run)
            return NULL;
    }
    if (!run->cause[0])
        snprintf(run->cause, sizeof run->cause, "position %" PRIu64, input->position);
    if (input->position == self->retried_position)
        run->attempt = self->retried_attempt;
    run->rows_told = false;
    return run;
}

/* ---- marks ---- */

void run_mark_open(struct shard *self, const struct run *run, int slot, uint64_t position)
{
    struct run_mark mark = {.step = slot == 0 ? self->state.step + 1 : 0,
                            .position = position,
                            .epoch = self->state.epoch,
                            .opened_at = run->opened_at,
                            .attempt = run->attempt};
    if (!self->marks || self->quiet)
        return;
    memcpy(mark.run_id, run->id, sizeof run->id);
    memcpy(mark.name, run->name, sizeof run->name);
    memcpy(mark.cause, run->cause, sizeof run->cause);
    run_marks_set(self->marks, slot, &mark);
    if (slot == 0)
        memcpy(self->marked, run->id, sizeof self->marked);
}

void run_marks_recover(struct shard *self)
{
    for (int slot = 0; self->marks && slot < RUN_MARKS_SLOTS; slot++) {
        const struct run_mark *mark = run_marks_get(self->marks, slot);
        if (!mark)
            continue;
        if (slot == 0 && mark->position >= self->state.cursor) { /* it will be taken again */
            self->retried_position = mark->position;
            self->retried_attempt = mark->attempt + 1;
        }
        if (mark->step > 0 && mark->step <= self->state.step) {
            if (slot > 0)
                run_marks_clear(self->marks, slot);
            continue; /* it was closed */
        }
        self->crashed[self->crashed_count] = *mark;
        self->crashed_slot[self->crashed_count++] = slot;
    }
}

void run_say_crashed(struct shard *self)
{
    for (uint32_t i = 0; i < self->crashed_count; i++)
        ops_crashed_emit(self, &self->crashed[i]);
    self->saying_crashed = true;
}

/* The step is about to be committed with these runs in it: should it be the last deed of this process, they are closed. */
static void closing(struct shard *self)
{
    uint64_t step = self->state.step + 1;
    for (uint32_t i = 0; self->saying_crashed && i < self->crashed_count; i++)
        run_marks_closing(self->marks, self->crashed_slot[i], step);
    for (int i = 0; i < RUN_MARKS_OPEN_MAX; i++)
        if (self->marks && self->open_state[i] == RUN_CLOSING)
            run_marks_closing(self->marks, i + 1, step);
}

void run_close_step(struct shard *self)
{
    for (uint32_t i = 0; i < self->step_run_count; i++)
        if (self->step_runs[i].bytes_in > 0) /* or its records were renamed away, or undone */
            ops_run_emit(self, &self->step_runs[i], clock_league_us());
    closing(self);
}

void run_committed(struct shard *self)
{
    for (uint32_t i = 0; self->saying_crashed && i < self->crashed_count; i++)
        if (self->crashed_slot[i] > 0)
            run_marks_clear(self->marks, self->crashed_slot[i]);
    if (self->saying_crashed)
        self->crashed_count = 0;
    self->saying_crashed = false;
    for (int i = 0; i < RUN_MARKS_OPEN_MAX; i++)
        if (self->open_state[i] == RUN_CLOSING) {
            self->open_state[i] = RUN_FREE;
            if (self->marks)
                run_marks_clear(self->marks, i + 1);
        }
}

void run_undone(struct shard *self)
{
    self->saying_crashed = false;
    for (int i = 0; i < RUN_MARKS_OPEN_MAX; i++)
        if (self->open_state[i] == RUN_CLOSING) {
            self->open_state[i] = RUN_OPEN;
            if (self->marks)
                run_marks_closing(self->marks, i + 1, 0);
        }
}

/* ---- an edge's own ---- */

int shard_run_open(struct shard *self, const char *name, const char *cause, int attempt)
{
    for (int i = 0; i < RUN_MARKS_OPEN_MAX; i++) {
        if (self->open_state[i] != RUN_FREE)
            continue;
        if (self->crashed_count && !self->quiet && self->marks && run_marks_get(self->marks, i + 1))
            continue; /* a dead one's mark that is not said yet */
        struct run *run = &self->open_runs[i];
        run_begin(self, run, name);
        run->attempt = attempt > 0 ? attempt : 1;
        snprintf(run->cause, sizeof run->cause, "%s", cause ? cause : "");
        self->open_state[i] = RUN_OPEN;
        run_mark_open(self, run, i + 1, 0);
        return i;
    }
    return -1;
}

const char *shard_run_id(const struct shard *self, int run)
{
    return run >= 0 && run < RUN_MARKS_OPEN_MAX && self->open_state[run] != RUN_FREE
               ? self->open_runs[run].id
               : "";
}

uint32_t shard_runs_open(const struct shard *self)
{
    uint32_t count = 0;
    for (int i = 0; i < RUN_MARKS_OPEN_MAX; i++)
        count += self->open_state[i] == RUN_OPEN;
    return count;
}

void shard_runs_close(struct shard *self, const struct run_close *how)
{
    for (int i = 0; i < RUN_MARKS_OPEN_MAX; i++)
        if (self->open_state[i] == RUN_OPEN)
            step_run_close(&self->step, i, how);
}
