/* What an edge's work calls: steps of its own making. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/kit.h"
#include "config/log.h"

struct step *kit_step(struct kit *kit)
{
    if (kit->step || (kit->stage != KIT_WORKING && kit->stage != KIT_DRAINING) || !kit->granted ||
        !kit_room(kit) || kit_stale(kit) || compactions_hold(kit) ||
        clock_mono_us() < kit->pause_us)
        return NULL;
    kit->step = shard_step_open(kit->shard);
    return kit->step;
}

bool kit_commit(struct kit *kit, struct step **step)
{
    *step = NULL;
    if (!kit->step)
        return false;
    kit->step = NULL;
    if (shard_step_finish(kit->shard) != 0) {
        shard_undo(kit->shard);
        return false;
    }
    return kit_commit_step(kit) == STORE_OK;
}

void kit_abort(struct kit *kit, struct step **step)
{
    *step = NULL;
    if (!kit->step)
        return;
    kit->step = NULL;
    shard_undo(kit->shard);
}

int kit_run_open(struct kit *kit, const char *name, const char *cause, int attempt)
{
    return shard_run_open(kit->shard, name, cause, attempt);
}

const char *kit_run_id(const struct kit *kit, int run)
{
    return shard_run_id(kit->shard, run);
}

struct store *kit_store(struct kit *kit)
{
    return kit->store;
}

const struct settings *kit_settings(const struct kit *kit)
{
    return &kit->settings;
}

void kit_cause(struct kit *kit, const char *cause)
{
    snprintf(kit->cause, sizeof kit->cause, "%s", cause);
}

bool kit_draining(const struct kit *kit)
{
    return kit->stage == KIT_DRAINING;
}

char *kit_control(struct kit *kit, const char *word)
{
    return link_control(kit->settings.broker.control_endpoint, word, 1000);
}
