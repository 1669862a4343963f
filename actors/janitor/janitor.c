/* janitor - sweeps what nobody owns any more, lets go of what retention says, warns before the disk is full.
 * takes  nothing      gives  its runs
 * keeps  nothing
 * never  touches what a living process owns, or trims past a reader */
#include "actors/janitor/janitor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/janitor/sweep.h"
#include "broker/log.h"
#include "config/clock.h"
#include "config/disk.h"
#include "config/log.h"
#include "schema/json.h"

#define REAL_INTERVAL_US 1000000 /* however fast the league clock runs */
#define DAY_US INT64_C(86400000000)

struct janitor {
    const struct settings *settings;
    int64_t next_league_us, next_real_us;
    uint64_t trimmed_to; /* asked for already */
    const char *disk;    /* what was said of it last */
};

/* ---- retention ---- */

/* The first position that must stay: whole sealed segments before it hold only what is older than `cutoff_us`. 0: none. */
static uint64_t trim_position(struct log *log, int64_t cutoff_us)
{
    uint64_t position = 0;
    for (uint32_t i = 1; i < log_segments(log); i++) {
        struct log_segment_info info;
        struct batch_header header;
        struct span body;
        uint64_t base;
        /* What the next segment begins with is not older than all of this one. */
        if (log_segment_at(log, i, &info) != LOG_OK ||
            log_next_any(log, info.first, &base) != LOG_OK ||
            log_batch(log, base, &header, &body) != LOG_OK || header.time_us >= cutoff_us)
            break;
        position = info.first;
    }
    log_read_end(log);
    return position;
}

/* Segments let go of; -1: the broker refused or did not answer. */
static int64_t trim(struct janitor *self, struct kit *kit)
{
    char path[4096], words[64];
    struct log *log;
    struct log_options options = {.read_only = true};
    if (settings_path(self->settings, path, sizeof path, "log") != 0 ||
        log_open(&log, path, &options) != LOG_OK)
        return 0; /* the broker is on another host, where another janitor is */
    int64_t cutoff_us = clock_league_us() - self->settings->retention.default_days * DAY_US;
    uint64_t position = trim_position(log, cutoff_us);
    log_close(&log);
    if (position <= self->trimmed_to)
        return 0;
    snprintf(words, sizeof words, "TRIM %" PRIu64, position);
    char why[160], *text = kit_control(kit, words);
    json_t *answer = text ? json_read(text, strlen(text), why, sizeof why) : NULL;
    const json_t *segments = json_object_get(answer, "segments");
    int64_t removed = json_is_integer(segments) ? json_integer_value(segments) : -1;
    if (removed < 0)
        log_warn("trim-failed", "position=%" PRIu64 " answer=%s", position, text ? text : "none");
    else if (removed > 0)
        log_info("trimmed", "position=%" PRIu64 " segments=%" PRId64, position, removed);
    if ((uint64_t)json_integer_value(json_object_get(answer, "allowed")) >= position)
        self->trimmed_to = position; /* else a reader is not there yet: asked again */
    json_decref(answer);
    free(text);
    return removed;
}

/* ---- a sweep ---- */

enum disk { DISK_WELL, DISK_LOW, DISK_STOP };
static const char *const disk_words[] = {"disk-well", "disk-low", "disk-stop"};

/* Warns below one mark; below the other backfills take nothing in any more (cli/backfill.c), so that what is left is the live feeds'. */
static enum disk disk_look(struct janitor *self, char text[120])
{
    int64_t free_bytes = disk_free_bytes(self->settings->dir);
    enum disk disk = free_bytes < 0                                   ? DISK_WELL
                     : free_bytes < self->settings->janitor.disk_stop ? DISK_STOP
                     : free_bytes < self->settings->janitor.disk_warn ? DISK_LOW
                                                                      : DISK_WELL;
    snprintf(text, 120, "%" PRId64 " MiB free%s", free_bytes >> 20,
             disk == DISK_STOP ? ": backfills take nothing in" : "");
    if (self->disk != disk_words[disk] && (self->disk || disk != DISK_WELL))
        log_event(disk == DISK_WELL ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, disk_words[disk],
                  "dir=%s free_bytes=%" PRId64, self->settings->dir, free_bytes);
    self->disk = disk_words[disk];
    return disk;
}

static void sweep(struct janitor *self, struct kit *kit)
{
    struct swept swept = {.found = 0};
    struct run_close how = {.outcome = RUN_SUCCESS, .error = ERROR_NONE, .next_check = CLOCK_NONE};
    char snapshots[1024], disk[120];
    int run = kit_run_open(kit, "JanitorSweep", "schedule", 1);
    if (run < 0)
        return;
    sweep_exports(self->settings->dir, &swept);
    sweep_state(self->settings->dir, &swept);
    sweep_scratch(self->settings->dir, &swept);
    sweep_shards(self->settings->dir, &swept);
    if (self->settings->snapshot.dir[0])
        sweep_snapshots(self->settings->snapshot.dir, &swept);
    else if (settings_path(self->settings, snapshots, sizeof snapshots, "snapshots") == 0)
        sweep_snapshots(snapshots, &swept);
    int64_t segments = trim(self, kit);
    how.rows_in = swept.found + (segments > 0 ? segments : 0);
    how.rows_refused = swept.failed;
    if (disk_look(self, disk) != DISK_WELL) {
        how.outcome = RUN_PARTIAL;
        how.error = ERROR_NO_SPACE;
        how.error_message = disk;
    } else if (swept.failed > 0 || segments < 0) {
        how.outcome = RUN_PARTIAL;
        how.error = ERROR_REFUSED;
        how.error_message =
            segments < 0 ? "the broker did not trim" : "some leftovers could not be removed";
    }
    if (swept.removed)
        log_info("swept", "found=%" PRId64 " removed=%" PRId64, swept.found, swept.removed);
    struct step *step = kit_step(kit);
    if (!step)
        return; /* the run stays open and is closed by the next owner: it did happen */
    step_run_close(step, run, &how);
    kit_commit(kit, &step);
}

/* ---- the actor ---- */

static void *start(const struct settings *settings, bool *failed)
{
    struct janitor *self = calloc(1, sizeof *self);
    *failed = !self;
    if (self)
        self->settings = settings;
    return self;
}

static void stop(void *self)
{
    free(self);
}

static int fds(void *context, struct pollfd *fds, int max, int64_t *timeout_us)
{
    const struct janitor *self = context;
    (void)fds;
    (void)max;
    int64_t wait_us = self->next_real_us - clock_mono_us();
    int64_t league_us = self->next_league_us ? clock_league_wait_us(self->next_league_us) : 0;
    if (league_us > wait_us)
        wait_us = league_us;
    if (wait_us < 0)
        wait_us = 0;
    if (wait_us < *timeout_us)
        *timeout_us = wait_us;
    return 0;
}

static void work(void *context, struct kit *kit, const struct pollfd *fds, int count)
{
    struct janitor *self = context;
    int64_t mono_us = clock_mono_us();
    (void)fds;
    (void)count;
    if (mono_us < self->next_real_us || clock_league_us() < self->next_league_us ||
        !clock_league_running() || kit_draining(kit))
        return;
    sweep(self, kit);
    self->next_real_us = mono_us + REAL_INTERVAL_US;
    self->next_league_us = clock_league_us() + self->settings->janitor.interval_us;
}

const struct actor janitor_actor = {
    .name = "janitor",
    .does = "sweeps what nobody owns any more, and lets go of what retention says",
    .edge = true,
    .start = start,
    .stop = stop,
    .fds = fds,
    .work = work,
};
