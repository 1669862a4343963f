/* The one loop. Connect, lease, recover, ready; then take, step, publish, until asked to stop. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actors/kit.h"
#include "actors/member.h"
#include "config/exit.h"
#include "config/fault.h"
#include "config/log.h"
#include "config/process.h"
#include "config/version.h"
#include "store/env_make.h"

#define OWN_FDS_MAX 62       /* an edge's own descriptors */
#define STEPS_PER_TURN 8     /* before the link and the signals are looked at again */
#define TRIM_AFTER_US 200000 /* acknowledged batches stay so long in an idle environment */
#define ASK_LAG_US 20000     /* while catching up */
#define PASS_RECORDS 1000    /* so far behind the head, with nothing to take, the cursor follows */
#define LATER_POLL_US 50000

/* ---- the turn ---- */

/* What must not go before it has been read: behind the snapshots that are kept, behind the cursor, behind where a rewind begins. */
static uint64_t keep_of(const struct kit *self)
{
    uint64_t keep = snapshots_keep(self), cursor = shard_state(self->shard)->cursor;
    if (keep == 0 || cursor < keep)
        keep = cursor;
    if (self->stage == KIT_REWINDING && self->rewind_base < keep)
        keep = self->rewind_base;
    return keep;
}

void kit_said(struct kit *self)
{
    const char *state = self->stage == KIT_DRAINING ? "draining"
                        : self->stage == KIT_REBUILDING || self->stage == KIT_RESTORING ||
                                self->stage == KIT_REWINDING
                            ? "recovering"
                        : self->ready ? "ready"
                                      : "starting";
    const struct shard_state *at = shard_state(self->shard);
    bool reads = self->actor->takes && self->actor->takes->message;
    struct shard_totals totals;
    struct link_progress progress;
    shard_totals(self->shard, &totals);
    progress = (struct link_progress){.taken = totals.done + totals.never,
                                      .done = totals.done,
                                      .never = totals.never,
                                      .later = totals.later,
                                      .keep = reads ? keep_of(self) : 0};
    (void)shard_outbox(self->shard, &progress.outbox, NULL);
    link_progress(self->link, &progress);
    /* who reads nothing holds up no trimming */
    link_state(self->link, state,
               self->pause_us           ? "no_space: its environment cannot be written"
               : compactions_hold(self) ? "compacting"
                                        : self->cause,
               reads ? at->cursor : 0, at->step);
}

/* Caught up once: from then on it is ready, however long its queue gets. */
static void ready_turn(struct kit *self)
{
    bool reads = self->actor->takes && self->actor->takes->message;
    int64_t now = clock_mono_us();
    if (self->ready || self->stage != KIT_WORKING || !self->granted ||
        shard_queued(self->shard) > 0)
        return;
    if (reads && link_lag(self->link) != 0) {
        if (now - self->beat_us >= ASK_LAG_US) {
            self->beat_us = now;
            link_beat(self->link);
        }
        return;
    }
    self->ready = true;
    kit_said(self);
    log_info("ready", "shard=%s.%u cursor=%" PRIu64 " steps=%" PRIu64, self->actor->name,
             self->number, shard_state(self->shard)->cursor, shard_state(self->shard)->step);
    if (!self->told)
        process_ready(self->options.notify_fd);
    self->told = true;
}

void kit_credit(struct kit *self)
{
    uint32_t records;
    uint64_t bytes;
    shard_taken(self->shard, &records, &bytes);
    snapshots_took(self, bytes);
    if (records > 0)
        link_taken(self->link, records, bytes);
}

/* True if another step can follow at once. */
static bool step_turn(struct kit *self)
{
    if (!self->granted || (self->stage != KIT_WORKING && self->stage != KIT_REBUILDING) ||
        !kit_room(self) || kit_stale(self) || compactions_hold(self) ||
        clock_mono_us() < self->pause_us || !rebuild_ready(self))
        return false;
    switch (shard_build(self->shard, clock_mono_us())) {
    case SHARD_BUILT:
        break;
    case SHARD_ZOMBIE:
        kit_end(self, EXIT_AGAIN);
        return false;
    case SHARD_FAILED:
        kit_step_failed(self, shard_error(self->shard));
        return false;
    case SHARD_NOTHING:
    case SHARD_WAITING:
        kit_credit(self);
        return false;
    }
    if (!rebuild_confirm(self)) {
        shard_undo(self->shard);
        return false;
    }
    return kit_commit_step(self) == STORE_OK;
}

static void trim_turn(struct kit *self, int64_t *idle_since)
{
    int64_t now = clock_mono_us();
    if (self->stage == KIT_WORKING && self->granted && shard_queued(self->shard) == 0 &&
        link_passed(self->link) > shard_state(self->shard)->cursor + PASS_RECORDS)
        shard_pass(self->shard, link_passed(self->link));
    if (!shard_trim_due(self->shard) || !self->granted || kit_stale(self) ||
        compactions_hold(self)) {
        *idle_since = now;
        return;
    }
    if (now - *idle_since < TRIM_AFTER_US)
        return;
    *idle_since = now;
    int error = shard_trim(self->shard);
    if (error)
        kit_step_failed(self, error);
}

static void drain_begin(struct kit *self)
{
    if (self->stage == KIT_DRAINING && self->again) { /* first to begin anew, now to stop */
        self->again = false;
        return;
    }
    if (self->stage == KIT_DRAINING) { /* asked twice: now */
        kit_end(self, EXIT_OK);
        return;
    }
    log_info("draining", "shard=%s.%u", self->actor->name, self->number);
    process_notify("STOPPING=1");
    self->stage = KIT_DRAINING;
    self->drain_until_us = clock_mono_us() + self->settings.actor.drain_us;
    link_unsubscribe(self->link);
    if (self->shard)
        shard_drop_queue(self->shard);
}

void kit_drain_again(struct kit *self)
{
    self->again = true;
    drain_begin(self);
}

static void runs_end(struct kit *self)
{
    const struct run_close how = {.outcome = RUN_SKIPPED,
                                  .error = ERROR_NONE,
                                  .error_message = "asked to stop",
                                  .next_check = CLOCK_NONE};
    if (!self->shard || !self->granted || shard_runs_open(self->shard) == 0 ||
        !shard_step_open(self->shard))
        return;
    shard_runs_close(self->shard, &how);
    if (shard_step_finish(self->shard) != 0)
        shard_undo(self->shard);
    else
        (void)kit_commit_step(self);
}

static void drain_turn(struct kit *self)
{
    if (self->stage != KIT_DRAINING)
        return;
    int code = self->again ? EXIT_AGAIN : EXIT_OK;
    if (!self->shard || clock_mono_us() >= self->drain_until_us) {
        kit_end(self, code);
        return;
    }
    if (self->actor->work && self->granted && shard_runs_open(self->shard) > 0)
        self->actor->work(self->self, self, NULL, 0); /* to close what it can still close */
    runs_end(self);
    if (shard_outbox(self->shard, NULL, NULL) == 0) {
        if (self->granted && shard_trim_due(self->shard))
            (void)shard_trim(self->shard);
        kit_end(self, code);
    }
}

static void state_dump(struct kit *self)
{
    uint64_t records = 0, bytes = 0;
    if (!self->shard)
        return;
    uint32_t batches = shard_outbox(self->shard, &records, &bytes);
    const struct shard_state *state = shard_state(self->shard);
    log_info("state",
             "shard=%s.%u env=%s epoch=%" PRIu64 " step=%" PRIu64 " cursor=%" PRIu64
             " queued=%u outbox=%u outbox_records=%" PRIu64 " outbox_bytes=%" PRIu64
             " granted=%d ready=%d",
             self->actor->name, self->number, state->env_id, state->epoch, state->step,
             state->cursor, shard_queued(self->shard), batches, records, bytes, self->granted,
             self->ready);
}

void kit_signals(struct kit *self)
{
    for (int signal; (signal = process_signal_next(self->signals)) != 0;) {
        if (signal == SIGTERM || signal == SIGINT)
            drain_begin(self);
        else if (signal == SIGUSR1)
            state_dump(self);
        else if (signal == SIGHUP)
            log_warn("settings-kept", "why=\"they are read at the start: restart the shard\"");
        else if (signal == SIGCONT && self->granted)
            link_beat(self->link); /* who was stopped asks before it commits: kit_stale */
    }
}

static void limit(int64_t *timeout_us, int64_t at_most)
{
    if (at_most < *timeout_us)
        *timeout_us = at_most > 0 ? at_most : 0;
}

static int64_t timeout_of(struct kit *self, bool more)
{
    int64_t timeout_us = link_timeout_us(self->link), now = clock_mono_us();
    if (!self->shard)
        return timeout_us;
    if (more)
        return 0;
    if (shard_wait_until(self->shard) > now)
        limit(&timeout_us, shard_wait_until(self->shard) - now);
    else if (shard_queued(self->shard) > 0)
        limit(&timeout_us, LATER_POLL_US);
    if (shard_trim_due(self->shard))
        limit(&timeout_us, TRIM_AFTER_US);
    if (!self->ready && self->granted)
        limit(&timeout_us, ASK_LAG_US);
    limit(&timeout_us, compactions_timeout_us(self));
    if (self->stage == KIT_DRAINING)
        limit(&timeout_us, self->drain_until_us - now);
    return timeout_us;
}

static int fds_fill(struct kit *self, struct pollfd *fds, int64_t *timeout_us)
{
    fds[0] = (struct pollfd){.fd = link_fd(self->link), .events = POLLIN};
    fds[1] = (struct pollfd){.fd = self->signals, .events = POLLIN};
    if (!self->actor->fds || !self->shard)
        return 0;
    int own = self->actor->fds(self->self, fds + 2, OWN_FDS_MAX, timeout_us);
    return own < 0 ? 0 : own > OWN_FDS_MAX ? OWN_FDS_MAX : own;
}

static void work_turn(struct kit *self, const struct pollfd *fds, int own)
{
    if (!self->actor->work || self->stage != KIT_WORKING || !self->granted || !self->ready ||
        !kit_room(self) || kit_stale(self))
        return;
    self->actor->work(self->self, self, fds, own);
    if (self->step) { /* left open: nothing of it happened */
        log_warn("step-left-open", "actor=%s", self->actor->name);
        shard_undo(self->shard);
        self->step = NULL;
    }
}

/* With actor.spin it looks for a while before it sleeps: to wake a process that sleeps costs more than the rest of a hop. Whoever else
 * wants the core has it. */
static void wait_for(const struct kit *self, struct pollfd *fds, nfds_t count, int64_t timeout_us)
{
    const int64_t begun_us = clock_mono_us(), spin_us = self->settings.actor.spin_us;
    int64_t spent_us = 0;
    int ready = 0;
    while (spent_us < spin_us && spent_us < timeout_us && ready == 0) {
        ready = poll(fds, count, 0);
        sched_yield();
        spent_us = clock_mono_us() - begun_us;
    }
    if (ready == 0) {
        int64_t rest_us = spent_us < timeout_us ? timeout_us - spent_us : 0;
        ready = poll(fds, count, (int)((rest_us + 999) / 1000));
    }
    if (ready < 0 && errno != EINTR)
        log_fatal(EXIT_BUG, "poll-failed", "why=\"%s\"", strerror(errno));
}

void kit_loop(struct kit *self)
{
    struct pollfd fds[2 + OWN_FDS_MAX];
    bool more = false;
    int64_t idle_since = clock_mono_us(), watchdog_us = process_watchdog_us(), watched_us = 0;
    while (self->exit_code < 0) {
        int64_t timeout_us = timeout_of(self, more);
        int own = fds_fill(self, fds, &timeout_us);
        wait_for(self, fds, (nfds_t)(2 + own), timeout_us);
        kit_signals(self);
        link_turn(self->link);
        more = false;
        if (self->shard && self->exit_code < 0) {
            kit_publish(self);
            for (int i = 0; i < STEPS_PER_TURN && (i == 0 || more) && self->exit_code < 0; i++)
                more = step_turn(self);
            snapshots_restore_turn(self);
            rebuild_turn(self);
            bool back = rewind_turn(self);
            ready_turn(self);
            work_turn(self, fds + 2, own);
            trim_turn(self, &idle_since);
            more |= snapshots_turn(self) || back || self->stage == KIT_RESTORING;
            more |= compactions_turn(self);
            kit_said(self);
        }
        drain_turn(self);
        if (watchdog_us && clock_mono_us() - watched_us >= watchdog_us) {
            watched_us = clock_mono_us();
            process_notify("WATCHDOG=1");
        }
    }
}

/* ---- main ---- */

static uint16_t shards_of(const struct settings *settings, const char *name, const char *asked)
{
    char *end = NULL;
    if (!asked)
        return settings_shards(settings, name);
    unsigned long shards = strtoul(asked, &end, 10);
    if (end == asked || *end != '\0' || shards < 1 || shards > 256)
        log_fatal(EXIT_USAGE, "usage", "option=--shards rule=\"1 to 256\"");
    return (uint16_t)shards;
}

static void store_make(struct kit *self)
{
    char dir[PATH_MAX], name[80];
    struct store_options options = {.map_bytes = (size_t)self->settings.store.map_bytes};
    snprintf(name, sizeof name, "shards/%s-%u", self->actor->name, self->number);
    if (settings_path(&self->settings, dir, sizeof dir, "shards") != 0)
        log_fatal(EXIT_CONFIG, "path-too-long", "dir=%s", self->settings.dir);
    if ((mkdir(self->settings.dir, 0750) != 0 && errno != EEXIST) ||
        (mkdir(dir, 0750) != 0 && errno != EEXIST))
        log_fatal(EXIT_UNREACHABLE, "dir-failed", "dir=%s why=\"%s\"", dir, strerror(errno));
    int unsynced = env_names_sync(self->settings.dir);
    if (unsynced)
        log_fatal(EXIT_AGAIN, "dir-failed", "dir=%s why=\"%s\"", self->settings.dir,
                  strerror(unsynced));
    (void)settings_path(&self->settings, dir, sizeof dir, name);
    int error = store_open(&self->store, dir, &options);
    if (error == STORE_CORRUPT && kit_environment_set_aside(self))
        error = store_open(&self->store, dir, &options);
    if (error)
        log_fatal(error == STORE_CORRUPT ? EXIT_BUG : EXIT_AGAIN, "environment-unopened",
                  "dir=%s why=\"%s\"", dir, store_error_text(error));
}

static void link_make(struct kit *self)
{
    struct link_options options = {.endpoint = self->settings.broker.endpoint,
                                   .actor = self->actor->name,
                                   .host = self->options.host,
                                   .incarnation = self->incarnation,
                                   .code_version = version_code(),
                                   .config_hash = self->config_hash,
                                   .handlers = kit_handlers,
                                   .context = self};
    snprintf(self->incarnation, sizeof self->incarnation, "%d-%" PRIx64, (int)getpid(),
             (uint64_t)clock_real_us());
    settings_hash(&self->settings, self->config_hash);
    self->link = link_open(&options);
    if (!self->link)
        log_fatal(EXIT_UNREACHABLE, "link-failed", "endpoint=%s why=\"%s\"", options.endpoint,
                  strerror(errno));
}

int actor_main(const struct actor *actor, int argc, char **argv)
{
    static struct kit self;
    static char signed_as[64];
    const char *shards = NULL, *asked = NULL, *member = NULL;
    const struct options_own own[] = {
        {"shards", "N", "shards of this actor in all (default: setting shards.NAME, or 1)",
         &shards},
        {"register", NULL, "tell the broker of DIR this application's streams, and end", &asked},
        {"member", NULL, "run the shards that the broker gives this host, each as a process",
         &member},
        {NULL, NULL, NULL, NULL}};
    bool failed = false;
    self.actor = actor;
    self.exit_code = -1;
    options_parse(&self.options, argc, argv, actor->does, own);
    options_settings(&self.options, &self.settings);
    self.number = (uint16_t)self.options.shard;
    self.shards = shards_of(&self.settings, actor->name, shards);
    if (member)
        snprintf(signed_as, sizeof signed_as, "%s.member", actor->name);
    else
        snprintf(signed_as, sizeof signed_as, "%s.%d", actor->name, self.options.shard);
    log_init(signed_as, (enum log_level)self.settings.log.level,
             self.settings.log.format == LOG_FORMAT_JSON);
    if (asked)
        return kit_register(&self);
    process_tie_to_parent();
    if (member)
        return member_main(actor, &self.options, &self.settings, self.shards, argc, argv);
    fault_init(signed_as);
    process_cpus_keep("actor.cpus", self.settings.actor.cpus);
    if (self.number >= self.shards)
        log_fatal(EXIT_USAGE, "no-such-shard", "shard=%d shards=%u", self.options.shard,
                  self.shards);
    const char *unknown = aging_unknown(actor, &self.settings);
    if (unknown)
        log_fatal(EXIT_CONFIG, "no-such-table", "setting=retention.tables item=\"%s\"", unknown);
    self.signals = process_signals_open(false);
    if (self.signals < 0)
        log_fatal(EXIT_BUG, "signals-failed", "why=\"%s\"", strerror(errno));
    store_make(&self);
    snapshots_open(&self);
    self.self = actor->start ? actor->start(&self.settings, &failed) : NULL;
    if (failed)
        log_fatal(EXIT_CONFIG, "start-failed", "actor=%s", actor->name);
    link_make(&self);
    kit_loop(&self);
    link_close(&self.link);
    snapshots_drop(&self);
    compactions_drop(&self);
    shard_close(&self.shard);
    if (actor->stop && self.self)
        actor->stop(self.self);
    store_close(&self.store);
    rebuild_forget(&self);
    close(self.signals);
    log_info("stopped", "code=%d", self.exit_code);
    return self.exit_code;
}
