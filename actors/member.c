#include "actors/member.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/link.h"
#include "config/clock.h"
#include "config/exit.h"
#include "config/log.h"
#include "config/process.h"
#include "config/version.h"

#define SHARDS_MAX 256

struct run {
    bool wanted;
    bool given_up;              /* no restart mends it; until it is assigned anew */
    pid_t pid;                  /* 0: none */
    int in_a_row;               /* ends without a longer life between */
    int64_t started_us, due_us; /* monotonic */
    int64_t kill_us;            /* told to end: SIGKILL at this time; 0: not told */
};

struct member {
    const struct actor *actor;
    const struct settings *settings;
    struct link *link;
    char **argv; /* of a shard, with room for its number at the end */
    char **environment;
    int argc, signals;
    uint16_t shards;
    bool told, stopping;
    int exit_code; /* -1: go on */
    struct run runs[SHARDS_MAX];
};

/* ---- processes ---- */

static void run_start(struct member *self, uint16_t shard)
{
    struct run *run = &self->runs[shard];
    posix_spawnattr_t attributes;
    sigset_t none;
    char number[8];
    snprintf(number, sizeof number, "%u", shard);
    self->argv[self->argc + 1] = number;
    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    int error =
        posix_spawn(&run->pid, "/proc/self/exe", NULL, &attributes, self->argv, self->environment);
    posix_spawnattr_destroy(&attributes);
    run->started_us = clock_mono_us();
    run->kill_us = 0;
    if (!error) {
        log_info("started", "shard=%s.%u pid=%d", self->actor->name, shard, (int)run->pid);
        return;
    }
    run->pid = 0;
    run->due_us = run->started_us + self->settings->supervisor.backoff_cap_us;
    log_error("not-started", "shard=%s.%u why=\"%s\"", self->actor->name, shard, strerror(error));
}

/* The first restart is immediate, then they wait, twice as long each time. Who was refused (75) tries for ever. */
static void run_ended(struct member *self, uint16_t shard, int status)
{
    struct run *run = &self->runs[shard];
    int64_t now = clock_mono_us(), cap_us = self->settings->supervisor.backoff_cap_us;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    bool told = run->kill_us != 0;
    int64_t wait_us = 0;
    run->in_a_row = now - run->started_us > cap_us ? 1 : run->in_a_row + 1;
    for (int i = 1; i < run->in_a_row && wait_us < cap_us; i++)
        wait_us = wait_us ? 2 * wait_us : self->settings->supervisor.backoff_base_us;
    run->given_up =
        !told && (code == EXIT_USAGE || code == EXIT_CONFIG ||
                  (code != EXIT_AGAIN && run->in_a_row >= self->settings->supervisor.crash_loop));
    run->due_us = now + (wait_us < cap_us ? wait_us : cap_us);
    log_event(run->given_up ? LOG_LEVEL_ERROR
              : told        ? LOG_LEVEL_INFO
                            : LOG_LEVEL_WARN,
              run->given_up ? "quarantined"
              : told        ? "shard-stopped"
                            : "exited",
              "shard=%s.%u pid=%d code=%d signal=%d wait_ms=%" PRId64, self->actor->name, shard,
              (int)run->pid, code, WIFSIGNALED(status) ? WTERMSIG(status) : 0, wait_us / 1000);
    run->pid = 0;
    run->kill_us = 0;
}

static void reap(struct member *self)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        for (uint16_t shard = 0; shard < self->shards; shard++)
            if (self->runs[shard].pid == pid)
                run_ended(self, shard, status);
}

/* True while any lives. */
static bool runs_turn(struct member *self, int64_t *timeout_us)
{
    int64_t now = clock_mono_us(), next = INT64_MAX;
    bool any = false;
    for (uint16_t shard = 0; shard < self->shards; shard++) {
        struct run *run = &self->runs[shard];
        bool wanted = run->wanted && !self->stopping;
        if (wanted && !run->pid && !run->given_up && now >= run->due_us)
            run_start(self, shard);
        if (!wanted && run->pid && !run->kill_us) {
            kill(run->pid, SIGTERM);
            run->kill_us = now + self->settings->supervisor.drain_us;
        }
        if (run->pid && run->kill_us && now >= run->kill_us)
            kill(run->pid, SIGKILL);
        any = any || run->pid;
        int64_t due = run->pid ? run->kill_us : wanted && !run->given_up ? run->due_us : 0;
        if (due && due < next)
            next = due;
    }
    if (next != INT64_MAX)
        *timeout_us = next > now ? next - now : 1000;
    return any;
}

/* ---- what the broker says ---- */

static void on_assigned(void *context, const struct link_shard *shards, uint32_t count)
{
    struct member *self = context;
    bool wanted[SHARDS_MAX] = {false};
    uint32_t mine = 0;
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(shards[i].actor, self->actor->name) == 0 && shards[i].shard < self->shards) {
            wanted[shards[i].shard] = true;
            mine++;
        }
    for (uint16_t shard = 0; shard < self->shards; shard++) {
        struct run *run = &self->runs[shard];
        if (wanted[shard] && !run->wanted) {
            run->given_up = false;
            run->in_a_row = 0;
            run->due_us = 0;
        }
        run->wanted = wanted[shard];
    }
    log_info("assigned", "actor=%s shards=%u of=%u", self->actor->name, mine, self->shards);
    if (!self->told)
        process_ready(-1);
    self->told = true;
}

static void on_refused(void *context, const char *tag, const char *text, const char *stream,
                       uint16_t partition, uint64_t first_seq)
{
    struct member *self = context;
    (void)stream;
    (void)partition;
    (void)first_seq;
    log_warn("refused", "tag=%s why=\"%s\"", tag, text);
    if (strcmp(tag, "shards-differ") == 0 || strcmp(tag, "protocol-version") == 0) {
        self->exit_code = EXIT_CONFIG;
        self->stopping = true;
    }
}

static bool link_make(struct member *self, const struct options *options)
{
    static const struct link_handlers handlers = {.assigned = on_assigned, .refused = on_refused};
    static char incarnation[64], config_hash[SETTINGS_HASH_SIZE];
    struct link_options ask = {.endpoint = self->settings->broker.endpoint,
                               .actor = self->actor->name,
                               .host = options->host,
                               .incarnation = incarnation,
                               .code_version = version_code(),
                               .config_hash = config_hash,
                               .handlers = handlers,
                               .context = self};
    snprintf(incarnation, sizeof incarnation, "%d-%" PRIx64, (int)getpid(),
             (uint64_t)clock_real_us());
    settings_hash(self->settings, config_hash);
    self->link = link_open(&ask);
    if (!self->link)
        return false;
    link_state(self->link, "ready", "", 0, 0);
    link_member(self->link, self->actor->name, self->shards,
                (uint32_t)self->settings->member.capacity);
    return true;
}

/* ---- the loop ---- */

static void loop(struct member *self)
{
    int64_t timeout_us = 0;
    for (;;) {
        int64_t link_us = link_timeout_us(self->link);
        struct pollfd fds[] = {{.fd = link_fd(self->link), .events = POLLIN},
                               {.fd = self->signals, .events = POLLIN}};
        if (link_us < timeout_us)
            timeout_us = link_us > 0 ? link_us : 0;
        if (poll(fds, 2, (int)((timeout_us + 999) / 1000)) < 0 && errno != EINTR)
            log_fatal(EXIT_BUG, "poll-failed", "why=\"%s\"", strerror(errno));
        for (int signal; (signal = process_signal_next(self->signals)) != 0;)
            if (signal == SIGTERM || signal == SIGINT)
                self->stopping = true;
        link_turn(self->link); /* before anything is started again: it may be another's by now */
        reap(self);
        timeout_us = 1000000;
        if (!runs_turn(self, &timeout_us) && self->stopping)
            return;
    }
}

extern char **environ;

/* Ours, except that the shards die with us, and are no business of the service manager's. */
static char **environment_make(void)
{
    static const char *const ours[] = {"TIPOFF_PARENT=", "NOTIFY_SOCKET=", "WATCHDOG_"};
    static char parent[40];
    size_t count = 0, kept = 0;
    while (environ[count])
        count++;
    char **made = calloc(count + 2, sizeof *made);
    for (size_t i = 0; made && i < count; i++) {
        bool drop = false;
        for (size_t k = 0; k < sizeof ours / sizeof *ours; k++)
            drop = drop || strncmp(environ[i], ours[k], strlen(ours[k])) == 0;
        if (!drop)
            made[kept++] = environ[i];
    }
    snprintf(parent, sizeof parent, "TIPOFF_PARENT=%d", (int)getpid());
    if (made)
        made[kept] = parent;
    return made;
}

static bool argv_make(struct member *self, int argc, char **argv)
{
    self->argv = calloc((size_t)argc + 4, sizeof *self->argv);
    for (int i = 0; self->argv && i < argc; i++) {
        if (strcmp(argv[i], "--member") == 0 || strncmp(argv[i], "--shard=", 8) == 0)
            continue;
        if (strcmp(argv[i], "--shard") == 0) {
            i++;
            continue;
        }
        self->argv[self->argc++] = argv[i];
    }
    if (self->argv)
        self->argv[self->argc] = (char *)(uintptr_t) "--shard";
    return self->argv != NULL;
}

int member_main(const struct actor *actor, const struct options *options,
                const struct settings *settings, uint16_t shards, int argc, char **argv)
{
    static struct member self;
    self = (struct member){
        .actor = actor, .settings = settings, .shards = shards, .exit_code = EXIT_OK};
    self.signals = process_signals_open(true);
    self.environment = environment_make();
    if (self.signals < 0 || !self.environment || !argv_make(&self, argc, argv) ||
        !link_make(&self, options))
        log_fatal(EXIT_UNREACHABLE, "member-failed", "why=\"%s\"", strerror(errno));
    log_info("member", "name=%s actor=%s shards=%u", options->host, actor->name, shards);
    loop(&self);
    process_notify("STOPPING=1");
    link_close(&self.link);
    free(self.environment);
    free(self.argv);
    close(self.signals);
    log_info("stopped", "code=%d", self.exit_code);
    return self.exit_code;
}
