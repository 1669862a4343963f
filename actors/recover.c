/* What a grant means for the state at hand: go on, begin, or re-execute. */
#include "actors/kit.h"

#include <errno.h>
#include <limits.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config/exit.h"
#include "config/fault.h"
#include "config/log.h"

#define OUTBOX_BATCHES_MAX 4096
#define OUTBOX_BYTES_MAX (32u << 20)
#define PUBLISH_BATCHES_MAX 128 /* in one PUBL */
#define PAUSE_US 500000         /* after a full disk */

void kit_end(struct kit *self, int exit_code)
{
    if (self->exit_code < 0)
        self->exit_code = exit_code;
}

void kit_halt(struct kit *self, const char *tag, const char *why)
{
    log_error(tag, "shard=%s.%u why=\"%s\" action=halted", self->actor->name, self->number, why);
    link_state(self->link, "halted", why, shard_state(self->shard)->cursor,
               shard_state(self->shard)->step);
    kit_end(self, EXIT_BUG);
}

/* ---- publishing and committing ---- */

void kit_publish(struct kit *self)
{
    struct link_out out[PUBLISH_BATCHES_MAX];
    if (self->stage == KIT_REBUILDING && kit_room(self))
        return; /* news waits until all that is old was found equal */
    if (self->stage == KIT_RESTORING)
        return; /* what waits here is of an environment that is about to be forgotten */
    while (self->granted) {
        uint32_t count = 0;
        const struct shard_out *next;
        while (count < PUBLISH_BATCHES_MAX && (next = shard_unsent(self->shard, count)) != NULL) {
            out[count] = (struct link_out){.stream = next->stream,
                                           .partition = next->partition,
                                           .count = next->count,
                                           .first_seq = next->first_seq,
                                           .due_us = next->due_us,
                                           .body = next->body};
            count++;
        }
        if (count == 0 || !link_publish(self->link, out, count))
            return;
        shard_sent(self->shard, count);
        (void)fault_hit(FAULT_STEP_PUBLISHED);
    }
}

bool kit_room(const struct kit *self)
{
    uint64_t records, bytes;
    return shard_outbox(self->shard, &records, &bytes) < OUTBOX_BATCHES_MAX &&
           bytes < OUTBOX_BYTES_MAX && records < (uint64_t)self->settings.actor.outbox_records;
}

bool kit_stale(const struct kit *self)
{
    return clock_mono_us() - self->heard_us >= self->lease_us;
}

bool kit_pump(struct kit *self)
{
    uint64_t epoch = self->epoch;
    struct pollfd fds[] = {{.fd = link_fd(self->link), .events = POLLIN},
                           {.fd = self->signals, .events = POLLIN}};
    int64_t timeout_us = link_timeout_us(self->link);
    if (poll(fds, 2, timeout_us <= 0 ? 0 : (int)((timeout_us + 999) / 1000)) < 0 && errno != EINTR)
        log_fatal(EXIT_BUG, "poll-failed", "why=\"%s\"", strerror(errno));
    kit_signals(self);
    link_turn(self->link);
    return self->granted && self->epoch == epoch && self->exit_code < 0;
}

/* Asks whether the lease still holds, when this process stood still, or was busy, for too long to know. */
static bool lease_sure(struct kit *self)
{
    bool holds = self->granted;
    if (holds && kit_stale(self)) {
        log_info("lease-asked", "shard=%s.%u silent_ms=%" PRId64, self->actor->name, self->number,
                 (clock_mono_us() - self->heard_us) / 1000);
        link_beat(self->link);
        while (holds && kit_stale(self))
            holds = kit_pump(self);
    }
    return holds;
}

bool kit_environment_set_aside(struct kit *self)
{
    char dir[PATH_MAX], aside[PATH_MAX + 16], name[80];
    struct stat info;
    int number = 1;
    snprintf(name, sizeof name, "shards/%s-%u", self->actor->name, self->number);
    if (self->actor->edge || settings_path(&self->settings, dir, sizeof dir, name) != 0)
        return false;
    do
        snprintf(aside, sizeof aside, "%s.bad-%d", dir, number);
    while (number++ < 1000 && lstat(aside, &info) == 0);
    if (rename(dir, aside) != 0)
        return false;
    log_error("environment-set-aside", "dir=%s as=%s", dir, aside);
    return true;
}

void kit_step_failed(struct kit *self, int error)
{
    if (error != STORE_FULL || self->pause_us == 0)
        log_error("step-failed", "shard=%s.%u why=\"%s\"", self->actor->name, self->number,
                  store_error_text(error));
    if (error == STORE_FULL)
        self->pause_us = clock_mono_us() + PAUSE_US; /* it may become less full */
    else if (error == STORE_BUSY)
        log_error("zombie-refused", "shard=%s.%u epoch=%" PRIu64 " where=environment",
                  self->actor->name, self->number, self->epoch);
    if (error != STORE_FULL)
        kit_end(self,
                error == STORE_CORRUPT && !kit_environment_set_aside(self) ? EXIT_BUG : EXIT_AGAIN);
}

int kit_commit_step(struct kit *self)
{
    if (!lease_sure(self)) {
        shard_undo(self->shard);
        return STORE_BUSY;
    }
    int error = shard_commit(self->shard);
    if (error) {
        kit_step_failed(self, error);
        return error;
    }
    self->pause_us = 0;
    kit_credit(self); /* goes with what is published */
    kit_publish(self);
    return STORE_OK;
}

/* ---- grants ---- */

/* What the kit and the edges say about the machinery is no function of the input: never compared. */
bool kit_stream_is_ours(const char *stream)
{
    return strncmp(stream, "ops.", 4) == 0 || strcmp(stream, "dead") == 0;
}

struct behind {
    const struct link_grant *grant;
    bool ahead;
    char what[240];
};

/* The broker acknowledged more than it has now: it lost its log, or this is another one. */
static void lane_ahead(const struct shard_lane *lane, void *context)
{
    struct behind *behind = context;
    for (uint32_t i = 0; i < behind->grant->lane_count; i++) {
        const struct link_lane *known = &behind->grant->lanes[i];
        if (known->partition != lane->partition || strcmp(known->stream, lane->stream) != 0)
            continue;
        if (known->last_seq >= lane->acked)
            return;
    }
    if (lane->acked == 0 || behind->ahead)
        return;
    behind->ahead = true;
    snprintf(behind->what, sizeof behind->what,
             "lane %s/%u: acknowledged up to %" PRIu64 ", the log does not have it", lane->stream,
             lane->partition, lane->acked);
}

static bool lanes_behind(struct kit *self, const struct link_grant *grant)
{
    for (uint32_t i = 0; i < grant->lane_count; i++) {
        uint64_t last, acked;
        shard_lane(self->shard, grant->lanes[i].stream, grant->lanes[i].partition, &last, &acked);
        if (last < grant->lanes[i].last_seq)
            return true;
    }
    return false;
}

void kit_subscribe(struct kit *self)
{
    kit_subscribe_from(self, shard_state(self->shard)->cursor);
}

void kit_subscribe_from(struct kit *self, uint64_t position)
{
    struct link_input inputs[KIT_STREAMS_MAX];
    uint32_t count = 0;
    for (const struct take *take = self->actor->takes;
         take && take->message && count < KIT_STREAMS_MAX; take++)
        inputs[count++] = (struct link_input){take->message->stream, take->every_partition};
    for (int i = 0; count && count < KIT_STREAMS_MAX && i < SHARD_OWN_TAKES; i++)
        if (self->own_takes[i])
            inputs[count++] = (struct link_input){shard_own_takes[i]->message->stream, true};
    if (count)
        link_subscribe(self->link, inputs, count, position,
                       (uint32_t)self->settings.broker.credit_records,
                       (uint32_t)self->settings.broker.credit_bytes);
}

static int start_with(struct kit *self, const struct shard_start *start)
{
    (void)fault_hit(FAULT_LEASE_RECEIVED);
    int error = shard_start(self->shard, start);
    self->rewinding = self->rewinding && error;
    if (error) {
        log_error("start-failed", "shard=%s.%u why=\"%s\"", self->actor->name, self->number,
                  store_error_text(error));
        kit_end(self, error == STORE_CORRUPT ? EXIT_BUG : EXIT_AGAIN);
    }
    return error;
}

static int start_as(struct kit *self, const struct link_grant *grant, bool discard, uint64_t cursor,
                    const struct shard_lane *lanes, uint32_t lane_count)
{
    struct shard_start start = {.epoch = grant->epoch,
                                .discard = discard,
                                .rewound = self->rewinding,
                                .cursor = cursor,
                                .lanes = lanes,
                                .lane_count = lane_count};
    return start_with(self, &start);
}

/* The state is there as of the shard's cursor: from here on it is done again, beside what the log holds. */
void rebuild_go_on(struct kit *self)
{
    const struct snapshots *grant = &self->snapshots;
    int failed = 0;
    rebuild_forget(self);
    for (uint32_t i = 0; !failed && i < grant->lane_count; i++)
        if (!kit_stream_is_ours(grant->lanes[i].stream))
            failed = rebuild_lane(self, grant->lanes[i].stream, grant->lanes[i].partition,
                                  grant->lanes[i].last);
    if (failed) {
        kit_end(self, EXIT_AGAIN);
        return;
    }
    self->rewind_base = shard_state(self->shard)->cursor;
    shard_drop_queue(self->shard);
    shard_quiet_until(self->shard, grant->grant_cursor);
    self->rebuild_until = grant->grant_cursor;
    self->stage = KIT_REBUILDING;
    kit_subscribe(self);
}

void rebuild_from_start(struct kit *self)
{
    const struct snapshots *grant = &self->snapshots;
    struct shard_start start = {.epoch = grant->grant_epoch,
                                .discard = true,
                                .rebuilding = true,
                                .rewound = self->rewinding,
                                .cursor = 1,
                                .lanes = grant->spoken,
                                .lane_count = grant->spoken_count};
    if (grant->first > 1 && rewind_limit(self) != UINT64_MAX) {
        /* it was good a moment ago: not the end of the shard, which has a newer one */
        (void)shard_rewind_off(self->shard, "the snapshot to begin from cannot be read any more");
        kit_end(self, EXIT_AGAIN);
        return;
    }
    if (grant->first > 1) {
        char text[160];
        snprintf(text, sizeof text,
                 "%s; the log begins at %" PRIu64 ": its state cannot be made again",
                 self->lost_why, grant->first);
        kit_halt(self, "trimmed", text);
        return;
    }
    if (start_with(self, &start) == STORE_OK)
        rebuild_go_on(self);
}

static void rebuild_begin(struct kit *self, const struct link_grant *grant, const char *why)
{
    self->lost_why = why;
    log_warn("rebuild", "shard=%s.%u why=\"%s\" lanes=%u to=%" PRIu64, self->actor->name,
             self->number, why, grant->lane_count, grant->head);
    if (!snapshots_restore(self, grant, rewind_limit(self)))
        rebuild_from_start(self);
}

static void edge_begin(struct kit *self, const struct link_grant *grant)
{
    struct shard_lane *lanes = calloc(grant->lane_count + 1, sizeof *lanes);
    if (!lanes) {
        kit_end(self, EXIT_AGAIN);
        return;
    }
    for (uint32_t i = 0; i < grant->lane_count; i++) {
        snprintf(lanes[i].stream, sizeof lanes[i].stream, "%s", grant->lanes[i].stream);
        lanes[i].partition = grant->lanes[i].partition;
        lanes[i].last = lanes[i].acked = grant->lanes[i].last_seq;
    }
    log_warn("state-lost", "shard=%s.%u action=\"go on behind what the log has\"",
             self->actor->name, self->number);
    if (start_as(self, grant, true, grant->cursor ? grant->cursor : 1, lanes, grant->lane_count) ==
        STORE_OK) {
        self->stage = KIT_WORKING;
        kit_subscribe(self);
    }
    free(lanes);
}

void recover_back(struct kit *self, const struct link_grant *grant)
{
    if (self->actor->edge)
        edge_begin(self, grant);
    else
        rebuild_begin(self, grant, "it was asked to go back");
}

static void go_on(struct kit *self, const struct link_grant *grant)
{
    if (start_as(self, grant, false, grant->first, NULL, 0) != STORE_OK)
        return;
    self->stage = KIT_WORKING;
    shard_resend(
        self->shard); /* all of it: what the broker has already it compares, and acknowledges */
    kit_publish(self);
    if (shard_rewinding(self->shard)->state == SHARD_REWIND_ASKED)
        rewind_granted(self);
    else
        kit_subscribe(self);
}

void kit_granted(struct kit *self, const struct link_grant *grant)
{
    const struct shard_state *state = shard_state(self->shard);
    struct behind behind = {.grant = grant};
    self->epoch = grant->epoch;
    self->lease_us = grant->lease_us;
    self->heard_us = clock_mono_us();
    self->granted = true;
    self->log_first = grant->first;
    self->ready = self->rewinding = false;
    snapshots_drop(self);
    if (self->stage == KIT_DRAINING) { /* only what is unsent matters now */
        if (start_as(self, grant, false, grant->first, NULL, 0) == STORE_OK) {
            shard_resend(self->shard);
            kit_publish(self);
        }
        return;
    }
    shard_each_lane(self->shard, lane_ahead, &behind);
    bool mine = grant->last_env[0] == '\0' || strcmp(grant->last_env, state->env_id) == 0;
    bool lost = lanes_behind(self, grant) || (state->cursor == 0 && grant->cursor > 1) ||
                (!mine && (state->step > 0 || grant->lane_count > 0 || grant->cursor > 1));
    if (!behind.ahead && (state->epoch >= grant->epoch || state->cursor > grant->head)) {
        behind.ahead = true;
        snprintf(behind.what, sizeof behind.what,
                 "epoch %" PRIu64 " and cursor %" PRIu64 " here, epoch %" PRIu64
                 " and head %" PRIu64 " there: this is another log",
                 state->epoch, state->cursor, grant->epoch, grant->head);
    }
    log_info("granted", "shard=%s.%u epoch=%" PRIu64 " cursor=%" PRIu64 " head=%" PRIu64,
             self->actor->name, self->number, grant->epoch, state->cursor, grant->head);
    if (behind.ahead)
        kit_halt(self, "log-behind", behind.what);
    else if (self->actor->edge && lost)
        edge_begin(self, grant);
    else if (!self->actor->edge && state->rebuilding)
        rebuild_begin(self, grant, "a rebuild was cut short");
    else if (lost)
        rebuild_begin(self, grant,
                      mine ? "its environment is older than the log"
                           : "another environment held this shard");
    else
        go_on(self, grant);
}
