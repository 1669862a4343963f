#include "actors/watchdog/expect.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/clock.h"

#define MINUTE_US INT64_C(60000000)
#define QUIET_US (10 * MINUTE_US)        /* ahead of its deadline: so long nothing came */
#define GIVE_UP_US (12 * 60 * MINUTE_US) /* so long after its deadline nobody waits any more */

#define OUTPUT(id, name, actor, since, after_min, ahead_min, least, told_only, any_time, doc)      \
    {name,      actor,    since, (after_min)*MINUTE_US, (ahead_min)*MINUTE_US, least,              \
     told_only, any_time, doc},
const struct output OUTPUTS[OUTPUT_COUNT] = {
#include "actors/watchdog/outputs.def"
};
#undef OUTPUT

const struct output *output_named(const char *name)
{
    for (int i = 0; i < OUTPUT_COUNT; i++)
        if (!strcmp(OUTPUTS[i].name, name))
            return &OUTPUTS[i];
    return NULL;
}

static void set(struct msg_ops_expected *row, const char *state, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void set(struct msg_ops_expected *row, const char *state, const char *fmt, ...)
{
    va_list args;
    snprintf(row->state, sizeof row->state, "%s", state);
    va_start(args, fmt);
    vsnprintf(row->reason, sizeof row->reason, fmt, args);
    va_end(args);
}

static bool is(const struct msg_ops_expected *row, const char *state)
{
    return !strcmp(row->state, state);
}

bool expect_open(const struct msg_ops_expected *row)
{
    return is(row, "EXPECTED") || expect_missing(row);
}

bool expect_missing(const struct msg_ops_expected *row)
{
    return is(row, "LATE") || is(row, "HALTED");
}

bool expect_hole(const struct msg_ops_expected *row)
{
    const struct output *output = output_named(row->output);
    return output && output->any_time && (is(row, "FAILED") || is(row, "DEGRADED")) &&
           row->rows < expect_need(row);
}

void expect_begin(struct msg_ops_expected *row, const struct output *output, const char *game_id,
                  int32_t game_date, int64_t tip_us)
{
    message_clear(&msg_ops_expected_desc, row);
    snprintf(row->output, sizeof row->output, "%s", output->name);
    snprintf(row->game_id, sizeof row->game_id, "%s", game_id);
    snprintf(row->actor, sizeof row->actor, "%s", output->actor);
    row->game_date = game_date;
    row->rows = row->wanted = row->tries = 0;
    set(row, "EXPECTED", "%s", "");
    expect_tip(row, output, tip_us);
}

static void deadline_set(struct msg_ops_expected *row, int64_t deadline_us)
{
    bool moved = row->deadline != CLOCK_NONE && row->deadline != deadline_us;
    row->deadline = deadline_us;
    if (moved && (expect_missing(row) || is(row, "FAILED") || is(row, "DEGRADED")))
        set(row, "EXPECTED", "the tip was moved");
}

void expect_tip(struct msg_ops_expected *row, const struct output *output, int64_t tip_us)
{
    if (output->since == SINCE_TIP)
        deadline_set(row, tip_us == CLOCK_NONE ? CLOCK_NONE : tip_us + output->after_us);
}

void expect_final(struct msg_ops_expected *row, const struct output *output, int64_t final_us)
{
    if (output->since == SINCE_FINAL && row->deadline == CLOCK_NONE)
        deadline_set(row, final_us + output->after_us);
}

void expect_void(struct msg_ops_expected *row, const char *reason)
{
    if (!is(row, "COMPLETE"))
        set(row, "EMPTY_OK", "%s", reason);
}

int64_t expect_need(const struct msg_ops_expected *row)
{
    int64_t least = output_named(row->output)->least;
    return row->wanted > least ? row->wanted : least;
}

bool expect_count(struct msg_ops_expected *row, int64_t more, int64_t wanted, int64_t at_us)
{
    row->rows += more;
    row->wanted += wanted;
    if (more)
        row->newest = at_us;
    if (expect_open(row) || is(row, "EMPTY_OK") ||
        (is(row, "COMPLETE") && row->rows >= expect_need(row)))
        return false;
    set(row, "EXPECTED", "%s", "");
    return true;
}

/* What explains that it is not there. */
static void why_late(const struct msg_ops_expected *row, const struct owner *owner, char *out,
                     size_t size, int64_t now_us)
{
    int used = snprintf(out, size, "%" PRId64 " of %" PRId64 ", %" PRId64 " min after its deadline",
                        row->rows, expect_need(row), (now_us - row->deadline) / MINUTE_US);
    if (owner->last_error && used > 0 && (size_t)used < size)
        snprintf(out + used, size - (size_t)used, "; the newest failure of its source: %s",
                 owner->last_error);
}

static bool judge_overdue(struct msg_ops_expected *row, const struct output *output,
                          const struct owner *owner, int64_t now_us)
{
    char why[160];
    why_late(row, owner, why, sizeof why, now_us);
    if (owner->halted) {
        bool news = !is(row, "HALTED");
        set(row, "HALTED", "%s halted: %.150s", row->actor, owner->cause);
        return news;
    }
    if (owner->working)
        return false;
    if (output->told_only) {
        set(row, "DEGRADED", "none before its deadline");
        return true;
    }
    if (now_us - row->deadline >= GIVE_UP_US) {
        set(row, row->rows ? "DEGRADED" : "FAILED", "%s; tried %" PRId64 " times", why, row->tries);
        return true;
    }
    if (is(row, "LATE"))
        return false;
    set(row, "LATE", "%s", why);
    return true;
}

void expect_again(struct msg_ops_expected *row)
{
    if (is(row, "COMPLETE") || is(row, "DEGRADED"))
        set(row, "EXPECTED", "%s", "");
}

bool expect_judge(struct msg_ops_expected *row, const struct owner *owner, const char *check,
                  int64_t now_us)
{
    const struct output *output = output_named(row->output);
    if (!output || !expect_open(row))
        return false;
    if (row->rows >= expect_need(row)) {
        int64_t late_us = row->deadline == CLOCK_NONE || row->newest == CLOCK_NONE
                              ? 0
                              : row->newest - row->deadline;
        if (check[0])
            set(row, "DEGRADED", "%s", check);
        else if (late_us > 0)
            set(row, "COMPLETE", "late by %" PRId64 " min", late_us / MINUTE_US + 1);
        else
            set(row, "COMPLETE", "%s", "");
        return true;
    }
    return row->deadline != CLOCK_NONE && row->deadline <= now_us &&
           judge_overdue(row, output, owner, now_us);
}

bool expect_wanting(const struct msg_ops_expected *row, const struct owner *owner, int64_t now_us)
{
    const struct output *output = output_named(row->output);
    if (!output || output->told_only || row->rows >= expect_need(row))
        return false;
    if (is(row, "LATE"))
        return true;
    int64_t quiet_us = row->newest == CLOCK_NONE || row->newest < row->at ? row->at : row->newest;
    if (!is(row, "EXPECTED") || owner->halted || owner->working || output->ahead_us == 0 ||
        row->deadline == CLOCK_NONE || now_us < row->deadline - output->ahead_us ||
        now_us - quiet_us < QUIET_US)
        return false;
    /* what is made of others is wanted only when they are there */
    return strcmp(row->output, OUTPUTS[OUTPUT_PREDICTIONS].name) != 0 || row->wanted > row->rows;
}
