/* A shard is set back in place: to the newest snapshot at or below the position asked for, or to the log's beginning; from there it
 * does its work again, beside what the log holds of it (rebuild.c), so that nothing is said twice. An edge, whose work cannot be
 * compared, forgets its state instead and hears again what follows the position; as it has memory of its own, in a new process.
 *
 *   asked      the record is taken: durable, and no other step is built
 *   settling   until all that was published is acknowledged: what the log holds is then known
 *   guarding   a snapshot is made of the state as it is: the way back
 *   checking   the snapshot to begin from is read through; a bad one is set aside, and the next older one is it
 *   trying     the broker keeps what is to be read again, and is asked for it. It says `trimmed`: the shard stays as it is
 *   begun      the state is set back; a kill from here on is a rebuild that was cut short
 *   off        something came out differently: the state is made again from the newest snapshot, the guard, as if it had been lost
 *   over       newer snapshots are removed; ops.rewound */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/kit.h"
#include "config/exit.h"
#include "config/fault.h"
#include "config/log.h"

uint64_t rewind_limit(const struct kit *self)
{
    const struct shard_rewind *rewind = shard_rewinding(self->shard);
    return self->rewinding || rewind->state == SHARD_REWIND_BEGUN ? rewind->to : UINT64_MAX;
}

static void base_find(struct kit *self)
{
    uint64_t to = shard_rewinding(self->shard)->to;
    self->rewind_base = self->actor->edge ? to : snapshots_below(self, to);
}

/* ---- the end of it ---- */

static void over(struct kit *self, const char *why)
{
    const struct shard_rewind *rewind = shard_rewinding(self->shard);
    uint64_t base = self->rewind_base;
    if (rewind->state ==
        SHARD_REWIND_BEGUN) /* those of the state that was left; later ones are of this one */
        snapshots_forget(self, rewind->to, rewind->asked + 1);
    int error = shard_rewind_say(self->shard, why, base);
    if (error) {
        kit_step_failed(self, error);
        return;
    }
    log_info("rewound", "shard=%s.%u outcome=%s%s%s%s", self->actor->name, self->number,
             why ? "refused why=\"" : "done", why ? why : "", why ? "\"" : "",
             self->actor->edge ? " edge=true" : "");
    kit_publish(self);
}

/* Nothing was set back yet, and nothing is. */
static void refuse(struct kit *self, const char *why)
{
    snapshots_drop(self);
    self->stage = KIT_WORKING;
    link_unsubscribe(self->link);
    shard_drop_queue(self->shard);
    over(self, why);
    kit_subscribe(self);
}

bool rewind_refused(struct kit *self, const char *why)
{
    char text[SHARD_REWIND_WHY];
    if (self->stage != KIT_REWINDING || self->rewind_stage != REWIND_TRYING)
        return false;
    snprintf(text, sizeof text, "%s: what it would have to do again is not all there", why);
    refuse(self, text);
    return true;
}

/* The state was set back, and is not the same: made again as it was, by the next process. */
static void differs(struct kit *self)
{
    int error = shard_rewind_off(self->shard, self->rewind_differs);
    log_error("rewind-differs", "shard=%s.%u why=\"%s\" action=\"as it was\"", self->actor->name,
              self->number, self->rewind_differs);
    if (error)
        kit_step_failed(self, error);
    kit_end(self, EXIT_AGAIN);
}

/* ---- going back ---- */

/* What a new lease would say: nothing is unacknowledged, so it is what stands here. */
struct granted {
    struct shard_lane *names; /* that outlive the discarding */
    struct link_lane *lanes;
    uint32_t count;
};

static void lane_count(const struct shard_lane *lane, void *context)
{
    (void)lane;
    ((struct granted *)context)->count++;
}

static void lane_note(const struct shard_lane *lane, void *context)
{
    struct granted *granted = context;
    struct shard_lane *name = &granted->names[granted->count];
    *name = *lane;
    granted->lanes[granted->count++] = (struct link_lane){
        .stream = name->stream, .partition = name->partition, .last_seq = name->last};
}

static void begin(struct kit *self)
{
    const uint64_t cursor = shard_state(self->shard)->cursor;
    struct granted granted = {0};
    link_unsubscribe(self->link); /* what was tried comes again, from where the state will be */
    shard_drop_queue(self->shard);
    shard_each_lane(self->shard, lane_count, &granted);
    granted.names = calloc(granted.count + 1, sizeof *granted.names);
    granted.lanes = calloc(granted.count + 1, sizeof *granted.lanes);
    granted.count = 0;
    if (!granted.names || !granted.lanes) {
        kit_end(self, EXIT_AGAIN);
    } else {
        shard_each_lane(self->shard, lane_note, &granted);
        const struct link_grant grant = {.epoch = self->epoch,
                                         .cursor = self->actor->edge ? self->rewind_base : cursor,
                                         .head = cursor,
                                         .first = self->log_first,
                                         .lease_us = self->lease_us,
                                         .lanes = granted.lanes,
                                         .lane_count = granted.count};
        self->rewinding = true;
        recover_back(self, &grant);
    }
    free(granted.lanes);
    free(granted.names);
}

void rewind_granted(struct kit *self)
{
    self->rewind_stage = REWIND_SETTLING;
    self->stage = KIT_REWINDING;
    base_find(self); /* from here on the broker keeps what lies behind it */
}

static void asked(struct kit *self)
{
    snapshots_drop(self);
    if (self->actor->edge && self->actor->once) {
        over(self, "what it does outside would be done twice");
        return;
    }
    shard_drop_queue(self->shard);
    if (self->actor->edge)
        kit_drain_again(self);
    else
        rewind_granted(self);
}

static void try(struct kit *self)
{
    log_info("rewind", "shard=%s.%u to=%" PRIu64 " from=%" PRIu64, self->actor->name, self->number,
             shard_rewinding(self->shard)->to, self->rewind_base);
    self->rewind_stage = REWIND_TRYING;
    kit_said(self);
    link_beat(self->link); /* what is to be kept goes ahead of the question */
    kit_subscribe_from(self, self->rewind_base);
}

/* True: more at once. */
static bool settled(struct kit *self)
{
    int more;
    switch (self->rewind_stage) {
    case REWIND_SETTLING:
        if (shard_outbox(self->shard, NULL, NULL) > 0)
            return false;
        if (self->actor->edge)
            try(self);
        else
            self->rewind_stage = REWIND_GUARDING;
        return true;
    case REWIND_GUARDING:
        more = snapshots_guard(self);
        if (more < 0)
            refuse(self, "no snapshot can be made of its state, which would be the way back");
        else if (more == 0)
            self->rewind_stage = REWIND_CHECKING;
        return true;
    case REWIND_CHECKING:
        more = self->rewind_base > 1 ? snapshots_check(self, self->rewind_base) : 0;
        if (more == 0)
            try(self);
        else if (more < 0) /* also one that is good, and cannot be read now */
            self->rewind_base = snapshots_below(self, self->rewind_base - 1);
        return true;
    case REWIND_TRYING:
        break;
    }
    if (link_lag(self->link) == UINT64_MAX)
        return false;
    (void)fault_hit(FAULT_REWIND_TRIED);
    begin(self);
    return true;
}

bool rewind_turn(struct kit *self)
{
    const struct shard_rewind *rewind = shard_rewinding(self->shard);
    if (self->rewind_differs[0]) {
        differs(self);
        return false;
    }
    if (!self->granted || kit_stale(self) || clock_mono_us() < self->pause_us)
        return false;
    if (self->stage == KIT_REWINDING)
        return settled(self);
    if (self->stage != KIT_WORKING || compactions_hold(self))
        return false;
    if (rewind->state == SHARD_REWIND_ASKED)
        asked(self);
    else if (rewind->state == SHARD_REWIND_BEGUN)
        over(self, NULL);
    else if (rewind->state == SHARD_REWIND_OFF)
        over(self, rewind->why);
    return rewind->state != SHARD_REWIND_OVER;
}
