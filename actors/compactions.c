/* When a shard's environment is compacted (store/compact.h): so much of its file is free that it is worth it. Of every actor, edges
 * too.
 *
 * The shard's own process does it, by the same rule wherever it runs, and not by order of the janitor: nobody else may write there, nobody
 * else knows when it stands between two steps, and the janitor may be on another host. It makes no step meanwhile, but says that it lives;
 * at its longest pause (store.compact_most) it gives up, and what waited is taken. Each is a run, StoreCompact. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "actors/kit.h"
#include "config/disk.h"
#include "config/exit.h"
#include "config/log.h"

#define SLICE_BYTES (8u << 20)
#define SLICE_US 30000
#define WAIT_MOST_US INT64_C(86400000000)

bool compactions_hold(const struct kit *self)
{
    return self->compactions.making != NULL;
}

/* ---- its run ---- */

static void close_run(struct kit *kit)
{
    struct compactions *self = &kit->compactions;
    struct step *step = kit_step(kit);
    if (!step)
        return; /* tried again; should the process end before, it is said to have crashed */
    step_run_close(step, self->run, &self->how);
    if (kit_commit(kit, &step))
        self->closing = false;
}

static void close_as(struct kit *kit, const struct run_close *how)
{
    struct compactions *self = &kit->compactions;
    self->how = *how;
    self->how.next_check = CLOCK_NONE;
    self->how.bytes_in = (int64_t)self->before.bytes;
    self->closing = self->run >= 0;
    if (self->closing)
        close_run(kit);
}

/* `why` is kept. */
static void give_up(struct kit *kit, enum run_outcome outcome, enum error_class error,
                    const char *why)
{
    struct compactions *self = &kit->compactions;
    compact_drop(&self->making);
    self->wait_us = self->wait_us < WAIT_MOST_US / 2 ? 2 * self->wait_us : WAIT_MOST_US;
    self->look_us = clock_mono_us() + self->wait_us;
    log_warn("compaction-given-up", "shard=%s.%u why=\"%s\" again_in_s=%" PRId64, kit->actor->name,
             kit->number, why, self->wait_us / 1000000);
    const struct run_close how = {.outcome = outcome, .error = error, .error_message = why};
    close_as(kit, &how);
}

static void failed(struct kit *kit, int error)
{
    give_up(kit, RUN_FAILED, error == STORE_FULL ? ERROR_NO_SPACE : ERROR_INTERNAL,
            error == STORE_BUSY ? "it was written to meanwhile" : store_error_text(error));
}

/* ---- making one ---- */

static bool is_due(const struct kit *kit, struct store_space *space)
{
    const struct settings *settings = &kit->settings;
    return store_space(kit->store, space) == STORE_OK &&
           space->free_bytes >= (uint64_t)settings->store.compact_bytes &&
           space->free_bytes / 100 >=
               space->bytes / 100 * (uint64_t)settings->store.compact_percent / 100;
}

static void begin(struct kit *kit)
{
    struct compactions *self = &kit->compactions;
    char cause[96];
    int64_t left = disk_free_bytes(store_dir(kit->store));
    uint64_t used = self->before.bytes - self->before.free_bytes;
    snprintf(cause, sizeof cause, "%" PRIu64 " of %" PRIu64 " bytes are free",
             self->before.free_bytes, self->before.bytes);
    self->run = shard_run_open(kit->shard, "StoreCompact", cause, 1);
    self->whole = false;
    self->begun_us = clock_mono_us();
    if (left >= 0 && (uint64_t)left < used + (uint64_t)kit->settings.janitor.disk_stop) {
        give_up(kit, RUN_FAILED, ERROR_NO_SPACE, "too little space for a copy");
        return;
    }
    int error = compact_begin(&self->making, kit->store);
    if (error)
        failed(kit, error);
}

static void swap(struct kit *kit)
{
    struct compactions *self = &kit->compactions;
    struct store_space after = {0};
    uint64_t rows = compact_rows(self->making);
    int error = compact_swap(&self->making);
    if (error == 1)
        return; /* somebody reads */
    if (error == STORE_CORRUPT) {
        log_error("environment-unopened", "shard=%s.%u after=compaction", kit->actor->name,
                  kit->number);
        kit_end(kit, EXIT_AGAIN);
        return;
    }
    if (!error)
        error = store_space(kit->store, &after);
    if (error) {
        failed(kit, error);
        return;
    }
    self->wait_us = kit->settings.store.compact_every_us;
    self->look_us = clock_mono_us() + self->wait_us;
    log_info("compacted",
             "shard=%s.%u rows=%" PRIu64 " bytes=%" PRIu64 " left=%" PRIu64 " took_ms=%" PRId64,
             kit->actor->name, kit->number, rows, self->before.bytes, after.bytes,
             (clock_mono_us() - self->begun_us) / 1000);
    const struct run_close how = {.outcome = RUN_SUCCESS,
                                  .error = ERROR_NONE,
                                  .rows_in = (int64_t)rows,
                                  .bytes_out = (int64_t)after.bytes};
    close_as(kit, &how);
}

static void make_turn(struct kit *kit)
{
    static const struct compact_slice slice = {.bytes = SLICE_BYTES, .time_us = SLICE_US};
    struct compactions *self = &kit->compactions;
    if (kit->stage != KIT_WORKING || !kit->granted) {
        give_up(kit, RUN_SKIPPED, ERROR_NONE, "the shard has other things to do");
        return;
    }
    bool late = clock_mono_us() - self->begun_us > kit->settings.store.compact_most_us;
    if (self->whole)
        swap(kit);
    if (self->making && late) {
        give_up(kit, RUN_TIMEOUT, ERROR_TIMEOUT,
                self->whole ? "somebody else read all the time"
                            : "it took longer than the longest pause (store.compact_most)");
        return;
    }
    if (!self->making || self->whole)
        return;
    int more = compact_turn(self->making, &slice);
    if (more < 0)
        failed(kit, more);
    else if (more == 0)
        self->whole = true;
}

/* May one be begun? What was closed is said first. */
static bool may_begin(const struct kit *kit)
{
    return kit->stage == KIT_WORKING && kit->granted && kit->ready && !kit->snapshots.writer &&
           !kit->compactions.closing && kit->settings.store.compact_percent > 0;
}

bool compactions_turn(struct kit *kit)
{
    struct compactions *self = &kit->compactions;
    int64_t now = clock_mono_us();
    if (self->closing)
        close_run(kit);
    if (self->making) {
        make_turn(kit);
    } else if (may_begin(kit) && now >= self->look_us) {
        bool first = !self->wait_us; /* who has just begun has other things to do */
        if (first)
            self->wait_us = kit->settings.store.compact_every_us;
        self->look_us = now + self->wait_us;
        if (!first && is_due(kit, &self->before))
            begin(kit);
    }
    return self->making && !self->whole;
}

int64_t compactions_timeout_us(const struct kit *kit)
{
    const struct compactions *self = &kit->compactions;
    if (self->making)
        return SLICE_US; /* until nobody reads */
    return may_begin(kit) ? self->look_us - clock_mono_us() : INT64_MAX;
}

void compactions_drop(struct kit *kit)
{
    compact_drop(&kit->compactions.making);
}
