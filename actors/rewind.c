/* A shard is set back in place: to the newest snapshot at or below the position asked for, or to the log's beginning; from there it
 * does its work again, beside what the log holds of it (rebuild.c), so that nothing is said twice. An edge, whose work cannot be
 * compared, forgets its state instead and hears again what follows the position; as it has memory of its own, in a new process.
 *
 *   asked     the record is taken: durable, and no other step is built
 *   settling  until all that was published is acknowledged: what the log holds is then known
 *   trying    the broker is asked for what would be read again. It says `trimmed`: the shard stays as it is, and says why
 *   begun     newer snapshots are removed, the state is set back; a kill from here on is a rebuild that was cut short
 *   over      ops.rewound */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/kit.h"
#include "config/exit.h"
#include "config/fault.h"
#include "config/log.h"

/* ---- from where ---- */

static uint64_t base_of(const struct kit *self, uint64_t to)
{
    return self->actor->edge ? to : snapshots_below(self, to);
}

/* What a new lease would say: nothing is unacknowledged, so it is what stands here. */
struct granted {
    struct link_grant grant;
    struct link_lane *lanes;
};

static void lane_count(const struct shard_lane *lane, void *context)
{
    (void)lane;
    ((struct granted *)context)->grant.lane_count++;
}

static void lane_add(const struct shard_lane *lane, void *context)
{
    struct granted *granted = context;
    granted->lanes[granted->grant.lane_count++] = (struct link_lane){
        .stream = lane->stream, .partition = lane->partition, .last_seq = lane->last};
}

static void lane_note(const struct shard_lane *lane, void *context)
{
    struct shard_lane **next = context;
    *(*next)++ = *lane;
}

/* ---- going back ---- */

static void begin(struct kit *self)
{
    uint64_t first = self->actor->edge ? 1 : snapshots_forget_above(self, self->rewind_base);
    const struct shard_state *state = shard_state(self->shard);
    struct granted granted = {.grant = {.epoch = self->epoch,
                                        .cursor = state->cursor,
                                        .head = state->cursor,
                                        .first = first,
                                        .lease_us = self->lease_us}};
    shard_each_lane(self->shard, lane_count, &granted);
    uint32_t count = granted.grant.lane_count;
    struct shard_lane *lanes = calloc(count + 1, sizeof *lanes), *next = lanes;
    granted.lanes = calloc(count + 1, sizeof *granted.lanes);
    if (!lanes || !granted.lanes) {
        kit_end(self, EXIT_AGAIN);
    } else {
        shard_each_lane(self->shard, lane_note, &next); /* names that outlive the discarding */
        granted.grant.lane_count = 0;
        granted.grant.lanes = granted.lanes;
        for (uint32_t i = 0; i < count; i++)
            lane_add(&lanes[i], &granted);
        self->rewinding = true;
        if (self->actor->edge)
            granted.grant.cursor = self->rewind_base;
        recover_back(self, &granted.grant);
    }
    free(granted.lanes);
    free(lanes);
}

static void try(struct kit *self)
{
    self->rewind_base = base_of(self, shard_rewinding(self->shard)->to);
    log_info("rewind", "shard=%s.%u to=%" PRIu64 " from=%" PRIu64, self->actor->name, self->number,
             shard_rewinding(self->shard)->to, self->rewind_base);
    self->rewind_tried = true;
    kit_subscribe_from(self, self->rewind_base);
}

static void over(struct kit *self, const char *why)
{
    int error = shard_rewind_say(self->shard, why, self->rewind_base);
    if (error) {
        kit_step_failed(self, error);
        return;
    }
    log_info("rewound", "shard=%s.%u outcome=%s%s%s", self->actor->name, self->number,
             why ? "refused why=\"" : "done", why ? why : "", why ? "\"" : "");
    kit_publish(self);
}

bool rewind_refused(struct kit *self, const char *why)
{
    if (self->stage != KIT_REWINDING || !self->rewind_tried)
        return false;
    char text[160];
    snprintf(text, sizeof text, "%s: what it would have to do again is not all there", why);
    self->rewind_tried = false;
    self->stage = KIT_WORKING;
    shard_drop_queue(self->shard);
    over(self, text);
    kit_subscribe(self);
    return true;
}

void rewind_granted(struct kit *self)
{
    self->rewind_tried = false;
    self->stage = KIT_REWINDING;
}

void rewind_turn(struct kit *self)
{
    const struct shard_rewind *rewind = shard_rewinding(self->shard);
    if (!self->granted || kit_stale(self) || clock_mono_us() < self->pause_us)
        return;
    if (self->stage == KIT_WORKING && rewind->state == SHARD_REWIND_ASKED) {
        snapshots_drop(self);
        shard_drop_queue(self->shard);
        if (self->actor->edge)
            kit_drain_again(self);
        else
            rewind_granted(self);
    } else if (self->stage == KIT_WORKING && rewind->state == SHARD_REWIND_BEGUN) {
        over(self, NULL);
    } else if (self->stage == KIT_REWINDING && !self->rewind_tried) {
        if (shard_outbox(self->shard, NULL, NULL) == 0)
            try(self);
    } else if (self->stage == KIT_REWINDING && link_lag(self->link) != UINT64_MAX) {
        self->rewind_tried = false;
        (void)fault_hit(FAULT_REWIND_TRIED);
        begin(self);
    }
}
