/* How a shard hears that it shall go back: a record like any other, so that who asked, and when, is in the log. The step that takes it
 * ends with it. What follows is not the engine's: rewind.c.
 *
 * Executed again (a rebuild, a replay) it asks for nothing: what it had done again is in the log once. */
#include <inttypes.h>
#include <string.h>

#include "actors/step.h"
#include "config/log.h"
#include "schema/messages.h"

const struct take rewind_take = {.message = &msg_ops_rewind_desc, .every_partition = true};
const struct take *const shard_own_takes[SHARD_OWN_TAKES] = {&verdict_take, &rewind_take};

const struct take *own_take_of(const struct shard *self, const char *stream)
{
    for (int i = 0; self->take_count > 0 && i < SHARD_OWN_TAKES; i++)
        if (strcmp(stream, shard_own_takes[i]->message->stream) == 0)
            return shard_own_takes[i];
    return NULL;
}

/* Into the open step, of the rewind as committed. */
static void outcome_say(struct shard *self, const char *why, uint64_t position)
{
    struct msg_ops_rewound out;
    message_clear(&msg_ops_rewound_desc, &out);
    snprintf(out.reader, sizeof out.reader, "%.40s", self->reader);
    snprintf(out.outcome, sizeof out.outcome, "%s", why ? "refused" : "done");
    snprintf(out.reason, sizeof out.reason, "%s", why ? why : "");
    out.asked = self->rewind.asked;
    if (!why && position)
        out.position = position;
    out.at = self->step.now_us;
    ops_rewound_emit(self, &out);
}

bool rewind_open(struct shard *self, const struct input *input, int *error)
{
    struct msg_ops_rewind asks;
    struct message_error wrong;
    const struct span *payload = &input->record->payload;
    *error = STORE_OK;
    if (input->record->version > msg_ops_rewind_desc.version ||
        message_decode(&msg_ops_rewind_desc, payload->data, payload->size, &asks, &wrong) != 0) {
        log_warn("rewind-unreadable", "position=%" PRIu64, input->position);
        return false;
    }
    if (self->quiet || strcmp(asks.reader, self->reader) != 0 ||
        self->rewind.asked >= input->position)
        return false;
    if (asks.position > input->position) {
        log_warn("rewind-ahead", "position=%" PRIu64 " to=%" PRIu64 " action=none", input->position,
                 asks.position);
        return false;
    }
    log_info("rewind-asked", "shard=%s position=%" PRIu64 " to=%" PRIu64 " by=\"%s\"", self->reader,
             input->position, asks.position, asks.by);
    if (self->rewind.state != SHARD_REWIND_OVER)
        outcome_say(self, self->rewind.state == SHARD_REWIND_BEGUN ? NULL : "another followed", 0);
    self->rewind_building = (struct shard_rewind){
        .asked = input->position, .to = asks.position, .state = SHARD_REWIND_ASKED};
    *error = shard_env_put_rewind(self->step.txn, &self->rewind_building);
    return *error == STORE_OK;
}

const struct shard_rewind *shard_rewinding(const struct shard *self)
{
    return &self->rewind;
}

int shard_rewind_off(struct shard *self, const char *why)
{
    struct store_txn *txn;
    struct shard_rewind off = self->rewind;
    shard_undo(self);
    off.state = SHARD_REWIND_OFF;
    snprintf(off.why, sizeof off.why, "%s", why);
    int error = store_begin(self->options.store, true, &txn);
    if (error)
        return error;
    error = shard_env_put_rewind(txn, &off);
    if (error)
        store_abort(&txn);
    else
        error = store_commit(&txn);
    if (!error)
        self->rewind = self->rewind_building = off;
    return error;
}

int shard_rewind_say(struct shard *self, const char *why, uint64_t position)
{
    if (!shard_step_open(self))
        return self->error;
    outcome_say(self, why, position);
    self->rewind_building = self->rewind;
    self->rewind_building.state = SHARD_REWIND_OVER;
    self->rewind_building.why[0] = '\0';
    int error = shard_step_finish(self)
                    ? STORE_IO
                    : shard_env_put_rewind(self->step.txn, &self->rewind_building);
    if (!error)
        return shard_commit(self);
    shard_undo(self);
    return error;
}
