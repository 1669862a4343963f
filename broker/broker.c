#include "broker/broker.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/server.h"
#include "config/exit.h"
#include "config/log.h"
#include "config/process.h"

#define DRAIN_MESSAGES_MAX 8192 /* taken before a commit, so that nobody waits long for its ack */
#define DRAIN_BYTES_MAX (16u * 1024 * 1024)
#define CURSORS_EVERY_US 1000000
#define LOOK_EVERY_US 200000
#define ANSWER_LATE_US 20000 /* so long at most a question waits for a moment of rest */

static bool router_send(struct server *self, const struct core_session *session, zmq_msg_t *frames,
                        uint32_t count)
{
    return wire_send(self->wire, session->peer, session->peer_size, frames, count);
}

/* One whole message. Returns the bytes read; 0 if there was none. */
static size_t message_receive(struct server *self)
{
    uint8_t peer[WIRE_PEER_BYTES];
    zmq_msg_t frames[ZMTP_FRAMES_MAX];
    uint32_t count = 0;
    size_t bytes = 1;
    if (!wire_receive(self->wire, peer, frames, &count))
        return 0;
    for (uint32_t i = 0; i < count; i++)
        bytes += zmq_msg_size(&frames[i]);
    server_take(self, peer, sizeof peer, frames, count);
    for (uint32_t i = 0; i < count; i++)
        zmq_msg_close(&frames[i]);
    return bytes;
}

static void router_drain(struct server *self)
{
    size_t bytes = 0;
    for (int i = 0; i < DRAIN_MESSAGES_MAX && bytes < DRAIN_BYTES_MAX; i++) {
        size_t got = message_receive(self);
        if (!got)
            return;
        bytes += got;
    }
}

static bool clock_restore(struct server *self)
{
    struct clock_anchor anchor;
    if (settings_path(self->settings, self->clock_path, sizeof self->clock_path, "clock") != 0)
        return false;
    if (clock_anchor_load(self->clock_path, &anchor) == 0) {
        clock_league_set(&anchor);
        return true;
    }
    if (errno == ENOENT)
        return true; /* the real clock */
    log_error("clock-unreadable", "file=%s why=\"%s\"", self->clock_path, strerror(errno));
    return false;
}

/* In how long the questions that wait are answered; INT64_MAX: none does. */
static int64_t answer_wait_us(const struct server *self)
{
    if (!self->control.touched)
        return INT64_MAX;
    int64_t left_us = self->asked_us + ANSWER_LATE_US - self->turn_us;
    return left_us <= 0 || server_at_rest(self) ? 0 : left_us;
}

/* STATUS takes most of a millisecond, for which no record should wait that is on its way through several actors. */
static void answer_turn(struct server *self)
{
    if (self->control.touched && !self->asked_us)
        self->asked_us = self->turn_us;
    if (answer_wait_us(self) > 0)
        return;
    self->asked_us = 0;
    server_control_turn(self);
}

static long wait_ms(struct server *self, bool more)
{
    if (more || wire_pending(self->wire) || self->tap.touched)
        return 0;
    int64_t wait_us = self->settings->broker.heartbeat_us;
    if (answer_wait_us(self) < wait_us)
        wait_us = answer_wait_us(self);
    if (wire_due_us(self->wire) < INT64_MAX && wire_due_us(self->wire) - self->turn_us < wait_us)
        wait_us =
            wire_due_us(self->wire) > self->turn_us ? wire_due_us(self->wire) - self->turn_us : 0;
    if (self->next_later_us != INT64_MAX) {
        int64_t due = clock_league_wait_us(self->next_later_us);
        if (due < self->full_until_us - self->turn_us) /* nothing can be appended before */
            due = self->full_until_us - self->turn_us;
        if (due < wait_us)
            wait_us = due;
    }
    int64_t due_us = server_readers_due_us(self);
    if (due_us < self->full_until_us)
        due_us = self->full_until_us;
    if (due_us < INT64_MAX && due_us - self->turn_us < wait_us)
        wait_us = due_us > self->turn_us ? due_us - self->turn_us : 0;
    if (server_retain_wait_us(self) < wait_us)
        wait_us = server_retain_wait_us(self);
    if (server_deliver_wait_us(self) < wait_us)
        wait_us = server_deliver_wait_us(self);
    if (server_checkpoint_wait_us(self) < wait_us)
        wait_us = server_checkpoint_wait_us(self);
    return (long)((wait_us + 999) / 1000);
}

static int stop_asked(int stop_fd)
{
    for (int signal; (signal = process_signal_next(stop_fd)) != 0;)
        if (signal == SIGTERM || signal == SIGINT)
            return signal;
    return 0;
}

static bool cursors_due(const struct server *self)
{
    return self->turn_us - (int64_t)self->cursors_stored_us > CURSORS_EVERY_US;
}

static void turn(struct server *self)
{
    self->turn_us = clock_mono_us();
    router_drain(self);
    if (self->tap.touched)
        server_tap_turn(self);
    server_fire_later(self);
    server_readers_turn(self);
    server_commit(self);
    if (self->turn_us - self->looked_us > LOOK_EVERY_US) {
        self->looked_us = self->turn_us;
        server_sockets_turn(self);
        if (self->members.count > 0)
            server_members_turn(self);
        server_sys_turn(self);
    }
}

/* What may take the disk for a while, when everybody has been told what there is to tell. */
static void upkeep(struct server *self)
{
    answer_turn(self);
    server_checkpoint_turn(self);
    server_tidy_turn(self);
    server_retain_turn(self);
    if (cursors_due(self)) {
        self->cursors_stored_us = (uint64_t)self->turn_us;
        server_store_cursors(self);
        core_sessions_expire(self->core, self->turn_us, 6 * self->settings->broker.lease_us);
    }
}

/* Looks for a while before it sleeps (broker.spin), and lets whoever wants the core have it. */
static int wait_for(const struct server *self, struct pollfd *items, nfds_t count, long most_ms)
{
    const int64_t begun_us = clock_mono_us(), spin_us = self->settings->broker.spin_us;
    int64_t spent_us = 0;
    int ready = 0;
    while (spent_us < spin_us && spent_us < most_ms * 1000 && ready == 0) {
        ready = poll(items, count, 0);
        sched_yield();
        spent_us = clock_mono_us() - begun_us;
    }
    if (ready != 0)
        return ready;
    long rest_ms = most_ms - (long)(spent_us / 1000);
    return poll(items, count, rest_ms > 0 ? (int)rest_ms : 0);
}

static void loop(struct server *self, int stop_fd)
{
    bool more = false;
    int64_t watchdog_us = process_watchdog_us(), watched_us = 0;
    while (!self->stopping) {
        struct pollfd items[] = {{wire_fd(self->wire), POLLIN, 0},
                                 {self->tap.fd, POLLIN, 0},
                                 {self->control.touched ? -1 : self->control.fd, POLLIN, 0},
                                 {stop_fd, POLLIN, 0}};
        if (wait_for(self, items, 4, wait_ms(self, more)) < 0 && errno != EINTR)
            break;
        self->tap.touched = self->tap.touched || items[1].revents;
        self->control.touched = self->control.touched || items[2].revents;
        turn(self);
        more = server_deliver(self);
        wire_flush(self->wire);
        if (self->tap.touched) /* a send may have taken the edge of its descriptor with it */
            server_tap_turn(self);
        upkeep(self);
        wire_flush(self->wire);
        core_sessions_sweep(self->core);
        if ((items[3].revents & POLLIN) && stop_asked(stop_fd))
            self->stopping = true;
        if (watchdog_us && self->turn_us - watched_us >= watchdog_us) {
            watched_us = self->turn_us;
            process_notify("WATCHDOG=1");
        }
    }
}

/* The log has one writer: a second broker on the directory is refused. */
static int log_lock(const char *dir)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/lock", dir) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (mkdir(dir, 0750) != 0 && errno != EEXIST)
        return -1;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool streams_dirty(const struct server *self)
{
    for (uint32_t i = 1; i <= self->core->stream_count; i++)
        if (self->core->streams[i].dirty)
            return true;
    return false;
}

/* The streams' ids are durable before anyone is told. Nothing new: nothing is written, so that a full disk can be read. */
bool server_streams_stored(struct server *self)
{
    if (!streams_dirty(self))
        return true;
    if (server_append_begin(self))
        server_commit(self);
    return !streams_dirty(self);
}

/* A segment holds two files open, and a log may have a thousand. */
static void files_allow(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int server_open(struct server *self)
{
    const struct settings *settings = self->settings;
    struct log_options options = {.segment_bytes = (uint64_t)settings->broker.segment_bytes,
                                  .segment_age_us = settings->broker.segment_age_us,
                                  .journal_bytes = (uint64_t)settings->broker.journal_bytes};
    struct core_options core = {.lease_us = settings->broker.lease_us,
                                .sessions_max = (uint32_t)settings->broker.peers_max,
                                .max_batch_bytes = (uint32_t)settings->broker.max_batch_bytes,
                                .later_max = (uint64_t)settings->broker.later_max,
                                .lookup = server_lookup,
                                .context = self};
    char dir[PATH_MAX];
    if (settings_path(settings, dir, sizeof dir, "log") != 0)
        return EXIT_CONFIG;
    if (log_lock(dir) < 0) {
        log_error("log-busy", "dir=%s why=\"%s\"", dir,
                  errno == EWOULDBLOCK ? "another broker has it" : strerror(errno));
        return EXIT_AGAIN;
    }
    if (!clock_restore(self))
        return EXIT_DATA;
    int error = log_open(&self->log, dir, &options);
    if (error) {
        log_error("log-open-failed", "dir=%s why=\"%s\"", dir, log_error_text(error));
        return error == LOG_CORRUPT ? EXIT_DATA : EXIT_UNREACHABLE;
    }
    self->core = core_new(&core);
    struct registry *registry = malloc(sizeof *registry);
    int code = !registry || server_registry_read(self, registry) != 0 ? EXIT_CONFIG
               : !self->core || server_restore(self, registry) != 0   ? EXIT_DATA
                                                                      : EXIT_OK;
    free(registry);
    if (code != EXIT_OK)
        return code;
    self->next_later_us = 0; /* looked up in the first turn */
    self->head = log_head(self->log);
    if (!server_streams_stored(self))
        return EXIT_UNREACHABLE;
    return server_sockets_open(self) ? EXIT_OK : EXIT_UNREACHABLE;
}

int broker_run(const struct settings *settings, const struct registry *registry,
               const char *registry_path, int stop_fd)
{
    struct server self = {.send = router_send,
                          .settings = settings,
                          .registry = registry,
                          .registry_path = registry_path,
                          .started_us = clock_mono_us(),
                          .turn_us = clock_mono_us()};
    snprintf(self.instance, sizeof self.instance, "%d-%" PRIx64, (int)getpid(),
             (uint64_t)clock_real_us());
    files_allow();
    int code = server_open(&self);
    if (code == EXIT_OK) {
        log_info("ready", "head=%" PRIu64 " segments=%u streams=%u producers=%u",
                 log_head(self.log), log_segments(self.log), self.core->stream_count,
                 self.core->producer_count);
        process_ready(-1);
        loop(&self, stop_fd);
        process_notify("STOPPING=1");
        self.turn_us = clock_mono_us();
        if (!self.failed)
            server_store_cursors(&self);
        else
            code = EXIT_UNREACHABLE;
        log_info("stopped", "head=%" PRIu64 " commits=%" PRIu64, log_head(self.log), self.commits);
    }
    server_sockets_close(&self);
    core_free(&self.core);
    members_free(&self.members);
    server_readers_free(&self);
    server_retain_free(&self);
    log_close(&self.log);
    free(self.staged);
    free(self.old);
    json_decref(self.registries);
    return code;
}
