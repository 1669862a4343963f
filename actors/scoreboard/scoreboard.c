/* scoreboard - what people see: tables of the night, the page, the API, the exported files.
 * takes  rows, features, predictions, grades, runs, alerts, exits, dead letters, imports, ops.command     gives  command.answer, ops.held
 * keeps  actors/scoreboard/tables.h
 * never  changes what a record says, or shows an import before its commit */
#include "actors/scoreboard/scoreboard.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "actors/scoreboard/exports.h"
#include "actors/scoreboard/run_index.h"
#include "actors/scoreboard/take.h"
#include "actors/scoreboard/web.h"
#include "config/clock.h"
#include "config/log.h"

enum { INDEX_ROWS = 20000 }; /* entered in one step, about: some tens of milliseconds */

struct scoreboard {
    const struct settings *settings;
    struct exports *exports; /* NULL: none are wanted */
    struct web *web;
    struct store *store; /* NULL until `work` was called */
    int64_t export_us;   /* monotonic: not before */
    bool indexed;        /* the run index is whole; not before it was looked at */
    uint64_t index_rows; /* entered so far */
    int64_t index_us;    /* monotonic: begun; 0: not */
    bool worked;         /* since `fds` was asked last: without a lease `work` is not called */
};

static void on_notice(void *context, const struct input *input, int32_t date, const char *game_id)
{
    struct scoreboard *self = context;
    web_notice(self->web, input->stream, input->position, date, game_id);
}

static void write_exports(struct scoreboard *self)
{
    struct store_txn *txn;
    int error = store_begin(self->store, false, &txn);
    if (error) {
        log_warn("export-failed", "why=\"%s\"", store_error_text(error));
        return;
    }
    exports_write(self->exports, txn, clock_league_us(), (int)self->settings->day.rollover_hour);
    store_abort(&txn);
}

static void scoreboard_stop(void *context)
{
    struct scoreboard *self = context;
    if (self->store && self->exports) /* what came since the files were last written */
        write_exports(self);
    take_on_notice(NULL, NULL);
    web_free(&self->web);
    exports_free(&self->exports);
    free(self);
}

static void *scoreboard_start(const struct settings *settings, bool *failed)
{
    struct scoreboard *self = calloc(1, sizeof *self);
    *failed = true;
    if (!self)
        return NULL;
    self->settings = settings;
    self->exports = settings->scoreboard.exports ? exports_new(settings->dir) : NULL;
    self->web = web_new(settings, self->exports);
    if (!self->web || (settings->scoreboard.exports && !self->exports)) {
        scoreboard_stop(self);
        return NULL;
    }
    take_on_notice(on_notice, self);
    *failed = false;
    return self;
}

static void scoreboard_forget(void *context)
{
    struct scoreboard *self = context;
    take_forget();
    web_forget(self->web);
    self->indexed = false; /* the environment may be another, or what was said of it undone */
}

static int scoreboard_fds(void *context, struct pollfd *fds, int max, int64_t *timeout_us)
{
    struct scoreboard *self = context;
    int64_t due_us = self->export_us - clock_mono_us();
    if (!self->worked) /* what is due would be due again at once, for ever */
        return 0;
    self->worked = false;
    due_us = due_us < 0 ? 0 : due_us;
    if (self->index_us)
        *timeout_us = 0;
    if (self->exports && due_us < *timeout_us)
        *timeout_us = due_us;
    return web_fds(self->web, fds, max, timeout_us);
}

/* ---- the run index of an environment that was written without one: some days of runs between two looks at the rest ---- */

static bool index_is_whole(struct scoreboard *self)
{
    struct store_txn *txn;
    if (store_begin(self->store, false, &txn) != STORE_OK)
        return false;
    bool whole = run_index_is_whole(txn);
    store_abort(&txn);
    return whole;
}

static void index_turn(struct scoreboard *self, struct kit *kit)
{
    if (self->indexed || (self->indexed = index_is_whole(self)))
        return;
    struct step *step = kit_step(kit);
    if (!step)
        return;
    uint64_t rows = 0;
    int more = run_index_make(step_store(step), INDEX_ROWS, &rows);
    if (more < 0) {
        kit_abort(kit, &step);
        log_warn("run-index-failed", "why=\"%s\"", store_error_text(more));
        return;
    }
    if (!self->index_us && more) {
        log_info("run-index-begun", "why=\"the environment was written without one\"");
        self->index_us = clock_mono_us();
    }
    if (!kit_commit(kit, &step))
        return;
    self->index_rows += rows;
    self->indexed = more == 0;
    if (!self->indexed)
        return;
    if (self->index_rows)
        log_info("run-index-made", "runs=%" PRIu64 " took_ms=%" PRId64, self->index_rows,
                 self->index_us ? (clock_mono_us() - self->index_us) / 1000 : 0);
    self->index_us = 0;
    self->index_rows = 0;
}

static void scoreboard_work(void *context, struct kit *kit, const struct pollfd *fds, int count)
{
    struct scoreboard *self = context;
    int64_t now = clock_mono_us();
    (void)fds;
    (void)count;
    self->worked = true;
    self->store = kit_store(kit);
    index_turn(self, kit);
    if (self->exports && now >= self->export_us) {
        self->export_us = now + self->settings->scoreboard.export_interval_us;
        write_exports(self);
    }
    web_turn(self->web, kit);
}

const struct actor scoreboard_actor = {
    .name = "scoreboard",
    .does = "keeps the tables that people see: page, API, exported files",
    .takes = scoreboard_takes,
    .ages = scoreboard_ages,
    .edge = false, /* its tables are a function of the log: lost ones are made again from it */
    .start = scoreboard_start,
    .forget = scoreboard_forget,
    .stop = scoreboard_stop,
    .fds = scoreboard_fds,
    .work = scoreboard_work,
};
