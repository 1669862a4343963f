/* When a shard's environment is copied, and how a lost one is made again from the newest copy. Deterministic actors only: what an
 * edge did cannot be done again.
 *
 * A snapshot is begun at a step boundary and copied a slice a turn, between steps. It gets its name only when all that the shard had
 * published by then is acknowledged: the log then holds everything that the copied state has said, whoever copied it.
 * So the snapshot of a process that lost its lease meanwhile is as good as any. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "actors/kit.h"
#include "config/exit.h"
#include "config/fault.h"
#include "config/log.h"
#include "store/env_make.h"

#define AGAIN_US 60000000 /* after one that failed, e.g. for want of space */

static bool is_on(const struct kit *self)
{
    return !self->actor->edge && self->actor->takes && self->actor->takes->message &&
           (self->settings.snapshot.every_records || self->settings.snapshot.every_bytes ||
            self->settings.snapshot.every_us);
}

/* ---- where they are ---- */

static int folder_make(struct snapshots *self, const struct kit *kit)
{
    char path[PATH_MAX];
    if (kit->settings.snapshot.dir[0])
        snprintf(path, sizeof path, "%s", kit->settings.snapshot.dir);
    else if (settings_path(&kit->settings, path, sizeof path, "snapshots") != 0)
        return -1;
    if (mkdir(path, 0750) != 0 && errno != EEXIST)
        return -1;
    if (snprintf(self->folder, sizeof self->folder, "%s/%s-%u", path, kit->actor->name,
                 kit->number) >= (int)sizeof self->folder)
        return -1;
    if (mkdir(self->folder, 0750) != 0 && errno != EEXIST)
        return -1;
    /* Before any of them is counted on: who named one may have been killed before its name was durable. */
    errno = env_names_sync(path);
    if (!errno)
        errno = env_names_sync(self->folder);
    return errno ? -1 : 0;
}

static void look(struct snapshots *self, const struct kit *kit)
{
    uint64_t cursors[SNAPSHOT_MOST];
    uint32_t count = snapshot_list(self->folder, cursors, SNAPSHOT_MOST);
    uint32_t keep = (uint32_t)kit->settings.snapshot.keep;
    self->newest = count > 0 ? cursors[0] : 0;
    self->needed = count > 0 ? cursors[(count < keep ? count : keep) - 1] : 1;
}

void snapshots_open(struct kit *kit)
{
    struct snapshots *self = &kit->snapshots;
    if (!is_on(kit))
        return;
    if (folder_make(self, kit) != 0) {
        log_error("snapshots-off", "shard=%s.%u why=\"%s\"", kit->actor->name, kit->number,
                  strerror(errno));
        return;
    }
    self->on = true;
    self->slice = (struct snapshot_slice){.bytes = (size_t)kit->settings.snapshot.slice_bytes,
                                          .time_us = kit->settings.snapshot.slice_us};
    self->since_us = clock_league_us();
    look(self, kit);
}

uint64_t snapshots_keep(const struct kit *kit)
{
    const struct snapshots *self = &kit->snapshots;
    return self->on ? self->needed : 0;
}

uint64_t snapshots_below(const struct kit *kit, uint64_t position)
{
    const struct snapshots *self = &kit->snapshots;
    uint64_t cursors[SNAPSHOT_MOST];
    uint32_t count = self->on ? snapshot_list(self->folder, cursors, SNAPSHOT_MOST) : 0;
    for (uint32_t i = 0; i < count; i++)
        if (cursors[i] <= position)
            return cursors[i];
    return 1;
}

void snapshots_forget(struct kit *kit, uint64_t above, uint64_t last)
{
    struct snapshots *self = &kit->snapshots;
    if (!self->on)
        return;
    snapshot_remove(self->folder, above, last);
    look(self, kit);
}

int snapshots_check(struct kit *kit, uint64_t cursor)
{
    struct snapshots *self = &kit->snapshots;
    char path[PATH_MAX];
    int more = STORE_OK;
    if (!self->reader) {
        more = snapshot_path(path, sizeof path, self->folder, cursor) != 0
                   ? STORE_IO
                   : snapshot_open(&self->reader, path, &self->about);
        if (!more && (self->about.cursor != cursor || self->about.epoch > kit->epoch))
            more = STORE_CORRUPT;
    }
    if (!more)
        more = snapshot_next(self->reader, NULL, NULL);
    if (more == 1)
        return 1;
    snapshot_close(&self->reader);
    if (more == 0)
        return 0;
    log_warn("snapshot-unusable", "shard=%s.%u cursor=%" PRIu64 " why=\"%s\"", kit->actor->name,
             kit->number, cursor, store_error_text(more));
    if (more == STORE_CORRUPT)
        snapshot_set_aside(self->folder, cursor);
    look(self, kit);
    return -1;
}

/* ---- making one ---- */

void snapshots_took(struct kit *kit, uint64_t bytes)
{
    kit->snapshots.taken_bytes += bytes;
}

static bool is_due(const struct snapshots *self, const struct kit *kit)
{
    uint64_t cursor = shard_state(kit->shard)->cursor;
    int64_t every_us = kit->settings.snapshot.every_us;
    uint64_t records = (uint64_t)kit->settings.snapshot.every_records;
    uint64_t bytes = (uint64_t)kit->settings.snapshot.every_bytes;
    if (cursor <= self->newest || cursor <= 1)
        return false;
    return (records && cursor - self->newest >= records) || (bytes && self->taken_bytes >= bytes) ||
           (every_us && clock_league_us() - self->since_us >= every_us);
}

static void failed(struct snapshots *self, const struct kit *kit, const char *doing, int error)
{
    log_warn("snapshot-failed", "shard=%s.%u doing=%s why=\"%s\" errno=\"%s\"", kit->actor->name,
             kit->number, doing, store_error_text(error), error == STORE_IO ? strerror(errno) : "");
    snapshot_drop(&self->writer);
    self->again_us = clock_mono_us() + AGAIN_US;
}

static void begin(struct snapshots *self, struct kit *kit)
{
    const struct shard_state *state = shard_state(kit->shard);
    char owner[17];
    snprintf(owner, sizeof owner, "%.16s", state->env_id);
    self->about = (struct snapshot_about){.cursor = state->cursor,
                                          .counted_from = state->counted_from,
                                          .step = state->step,
                                          .epoch = state->epoch,
                                          .league_us = clock_league_us()};
    self->said_until = state->outbox_next;
    self->begun_us = clock_mono_us();
    self->slowest_us = 0;
    self->whole = false;
    int error = snapshot_begin(&self->writer, kit->store, self->folder, owner, &self->about,
                               shard_env_is_own);
    if (error)
        failed(self, kit, "begin", error);
}

static void name(struct snapshots *self, struct kit *kit, uint32_t keep)
{
    uint64_t rows = snapshot_rows(self->writer), bytes = snapshot_bytes(self->writer);
    int error = snapshot_name(&self->writer, keep);
    if (error) {
        failed(self, kit, "name", error);
        return;
    }
    log_info("snapshot",
             "shard=%s.%u cursor=%" PRIu64 " rows=%" PRIu64 " bytes=%" PRIu64 " took_ms=%" PRId64
             " slice_most_ms=%" PRId64,
             kit->actor->name, kit->number, self->about.cursor, rows, bytes,
             (clock_mono_us() - self->begun_us) / 1000, self->slowest_us / 1000);
    self->taken_bytes = 0;
    self->since_us = self->about.league_us;
    look(self, kit);
}

/* The next slice of the one being written, and in the end its name. True: there is more to copy. */
static bool copy(struct snapshots *self, struct kit *kit, uint32_t keep)
{
    int64_t now = clock_mono_us();
    if (!self->whole) {
        int more = snapshot_turn(self->writer, &self->slice);
        int64_t took_us = clock_mono_us() - now;
        if (took_us > self->slowest_us)
            self->slowest_us = took_us;
        if (more < 0) {
            failed(self, kit, "copy", more);
            return false;
        }
        self->whole = more == 0;
    }
    if (self->whole && shard_unacked(kit->shard) >= self->said_until)
        name(self, kit, keep);
    return self->writer && !self->whole;
}

bool snapshots_turn(struct kit *kit)
{
    struct snapshots *self = &kit->snapshots;
    if (!self->on || kit->stage != KIT_WORKING || !kit->granted || !kit->ready)
        return false;
    if (!self->writer && clock_mono_us() >= self->again_us && !compactions_hold(kit) &&
        is_due(self, kit))
        begin(self, kit);
    return self->writer && copy(self, kit, (uint32_t)kit->settings.snapshot.keep);
}

int snapshots_guard(struct kit *kit)
{
    struct snapshots *self = &kit->snapshots;
    uint64_t cursor = shard_state(kit->shard)->cursor;
    if (!self->on)
        return -1;
    if (self->newest == cursor)
        return 0;
    if (!self->writer)
        begin(self, kit);
    if (self->writer) /* one more than usual: none that could be gone back to makes room for it */
        (void)copy(self, kit, (uint32_t)kit->settings.snapshot.keep + 1);
    return self->newest == cursor ? 0 : self->writer ? 1 : -1;
}

/* ---- making the state again ---- */

static void restore_end(struct snapshots *self)
{
    snapshot_close(&self->reader);
    free(self->lanes);
    free(self->spoken);
    self->lanes = self->spoken = NULL;
    self->lane_count = self->spoken_count = 0;
}

void snapshots_drop(struct kit *kit)
{
    snapshot_drop(&kit->snapshots.writer);
    restore_end(&kit->snapshots);
}

/* The grant, kept for the turns that follow. */
static int grant_keep(struct snapshots *self, const struct link_grant *grant)
{
    self->lanes = calloc(grant->lane_count + 1, sizeof *self->lanes);
    self->spoken = calloc(grant->lane_count + 1, sizeof *self->spoken);
    if (!self->lanes || !self->spoken)
        return -1;
    for (uint32_t i = 0; i < grant->lane_count; i++) {
        struct shard_lane *lane = &self->lanes[self->lane_count++];
        snprintf(lane->stream, sizeof lane->stream, "%s", grant->lanes[i].stream);
        lane->partition = grant->lanes[i].partition;
        lane->last = lane->acked = grant->lanes[i].last_seq;
        if (kit_stream_is_ours(lane->stream))
            self->spoken[self->spoken_count++] = *lane;
    }
    self->first = grant->first;
    self->head = grant->head;
    self->grant_epoch = grant->epoch;
    self->grant_cursor = grant->cursor;
    return 0;
}

struct ahead {
    const struct snapshots *of;
    bool ahead;
};

static void lane_compare(const struct shard_lane *lane, void *context)
{
    struct ahead *ahead = context;
    for (uint32_t i = 0; i < ahead->of->lane_count; i++)
        if (ahead->of->lanes[i].partition == lane->partition &&
            strcmp(ahead->of->lanes[i].stream, lane->stream) == 0 &&
            ahead->of->lanes[i].last >= lane->last)
            return;
    ahead->ahead = true;
}

/* All rows are there: is it a state that this log has seen? */
static const char *settle(struct snapshots *self, struct kit *kit)
{
    struct ahead ahead = {.of = self};
    int error = shard_restored(kit->shard, self->about.cursor, self->about.counted_from,
                               self->spoken, self->spoken_count);
    if (error)
        return store_error_text(error);
    shard_each_lane(kit->shard, lane_compare, &ahead);
    return ahead.ahead ? "it has published what this log does not have" : NULL;
}

/* Opens the newest that is left. False: there is none. */
static bool next_open(struct snapshots *self, struct kit *kit)
{
    uint64_t cursors[SNAPSHOT_MOST];
    uint32_t count = snapshot_list(self->folder, cursors, SNAPSHOT_MOST);
    for (uint32_t i = 0; i < count; i++) {
        char path[PATH_MAX];
        if (cursors[i] >= self->tried || snapshot_path(path, sizeof path, self->folder, cursors[i]))
            continue;
        self->tried = cursors[i];
        const char *why = cursors[i] > self->head    ? "it is ahead of the log"
                          : cursors[i] < self->first ? "the log behind it is trimmed"
                                                     : NULL;
        int error = why ? STORE_OK : snapshot_open(&self->reader, path, &self->about);
        if (!why && !error && self->about.cursor != cursors[i])
            error = STORE_CORRUPT;
        if (!why && !error && self->about.epoch >= self->grant_epoch + self->own_lease)
            why = "it is of another log";
        if (!why && !error)
            return true;
        snapshot_close(&self->reader);
        log_warn("snapshot-unusable", "shard=%s.%u cursor=%" PRIu64 " why=\"%s\"", kit->actor->name,
                 kit->number, cursors[i], why ? why : store_error_text(error));
        if (error == STORE_CORRUPT)
            snapshot_set_aside(self->folder, cursors[i]);
    }
    return false;
}

bool snapshots_restore(struct kit *kit, const struct link_grant *grant, uint64_t last)
{
    struct snapshots *self = &kit->snapshots;
    snapshots_drop(kit);
    if (grant_keep(self, grant) != 0) {
        kit_end(kit, EXIT_AGAIN);
        return true;
    }
    self->tried = last == UINT64_MAX ? last : last + 1;
    self->own_lease = kit->rewinding; /* which made some of them */
    if (!self->on || !next_open(self, kit))
        return false;
    self->cleared = false;
    kit->stage = KIT_RESTORING;
    return true;
}

/* One chunk. 1: more; 0: the state is there; else a store_error, or what is wrong with it in `*why`. */
static int restore_chunk(struct snapshots *self, struct kit *kit, const char **why)
{
    if (!self->cleared) {
        struct shard_start start = {.epoch = self->grant_epoch,
                                    .discard = true,
                                    .rebuilding = true,
                                    .rewound = kit->rewinding,
                                    .cursor = 1,
                                    .lanes = self->spoken,
                                    .lane_count = self->spoken_count};
        self->cleared = true;
        int error = shard_start(kit->shard, &start);
        kit->rewinding = kit->rewinding && error;
        return error ? error : 1;
    }
    int more = snapshot_load(self->reader, kit->store);
    if (more == 0) {
        fault_hit(FAULT_SNAPSHOT_LOADED);
        *why = settle(self, kit);
    }
    return more;
}

void snapshots_restore_turn(struct kit *kit)
{
    struct snapshots *self = &kit->snapshots;
    const char *why = NULL;
    if (kit->stage != KIT_RESTORING || !kit->granted)
        return;
    int more = restore_chunk(self, kit, &why);
    if (more == 1)
        return;
    snapshot_close(&self->reader);
    if (more == 0 && !why) {
        log_info("restored", "shard=%s.%u cursor=%" PRIu64, kit->actor->name, kit->number,
                 self->about.cursor);
        rebuild_go_on(kit);
        return;
    }
    if (more < 0 && more != STORE_CORRUPT) {
        kit_step_failed(kit, more);
        if (more == STORE_FULL)
            kit_end(kit, EXIT_AGAIN);
        return;
    }
    log_warn("snapshot-unusable", "shard=%s.%u cursor=%" PRIu64 " why=\"%s\"", kit->actor->name,
             kit->number, self->tried, why ? why : store_error_text(more));
    if (more == STORE_CORRUPT)
        snapshot_set_aside(self->folder, self->tried);
    look(self, kit);
    self->cleared = false;
    if (!next_open(self, kit))
        rebuild_from_start(kit);
}
