/* Keeps child processes up. */
#include "cli/supervisor.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "config/clock.h"
#include "config/exit.h"

#define ABORT_PATIENCE_US 2000000 /* from SIGABRT to SIGKILL: time for a core file */
#define STAGES 4

struct supervisor {
    struct supervisor_options options;
    struct child children[SUPERVISOR_CHILDREN_MAX];
    int count;
    bool draining, impatient;
    int drain_stage; /* the stage that is being ended */
};

const char *child_state_text(enum child_state state)
{
    static const char *const texts[] = {"idle", "running", "waiting", "stopping", "quarantined"};
    return texts[state];
}

const char *exit_verdict_text(enum exit_verdict verdict)
{
    static const char *const texts[] = {"restarted", "backing_off", "quarantined", "stopped"};
    return texts[verdict];
}

enum exit_verdict restart_judge(const struct restart_policy *policy, int in_a_row, int exit_code,
                                int64_t *wait_us)
{
    if (exit_code == EXIT_USAGE || exit_code == EXIT_CONFIG || in_a_row >= policy->crash_loop)
        return EXIT_QUARANTINED;
    *wait_us = 0;
    if (in_a_row <= 1)
        return EXIT_RESTARTED;
    int64_t wait = policy->backoff_base_us;
    for (int i = 2; i < in_a_row && wait < policy->backoff_cap_us; i++)
        wait *= 2;
    *wait_us = wait < policy->backoff_cap_us ? wait : policy->backoff_cap_us;
    return EXIT_BACKING_OFF;
}

static void tell(struct supervisor *self, const struct child_event *event)
{
    if (self->options.event)
        self->options.event(self->options.context, event);
}

/* ---- the file of living children ---- */

/* Clock ticks since boot when `pid` started, which with the pid names a process for good; 0 if there is none. */
static unsigned long long start_ticks(pid_t pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    if (size <= 0)
        return 0;
    text[size] = '\0';
    char *at = strrchr(
        text, ')'); /* the command may hold blanks and brackets: fields count from its end */
    unsigned long long ticks = 0;
    char state = 0;
    if (!at ||
        sscanf(at + 1,
               " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
               &state, &ticks) != 2)
        return 0;
    return state == 'Z' || state == 'X' ? 0 : ticks;
}

static void write_pids(const struct supervisor *self)
{
    if (!self->options.pids_path)
        return;
    FILE *out = fopen(self->options.pids_path, "we");
    if (!out)
        return; /* only a successor after a kill of ours would miss it, and children die with us anyhow */
    for (int i = 0; i < self->count; i++)
        if (self->children[i].pid)
            fprintf(out, "%d %llu\n", (int)self->children[i].pid,
                    start_ticks(self->children[i].pid));
    fclose(out);
}

int supervisor_sweep(const char *pids_path)
{
    FILE *in = fopen(pids_path, "re");
    if (!in)
        return errno == ENOENT ? 0 : -1;
    int pid, killed = 0;
    unsigned long long ticks;
    bool stuck = false;
    while (fscanf(in, "%d %llu", &pid, &ticks) == 2) {
        if (pid <= 1 || !ticks || start_ticks(pid) != ticks)
            continue;
        kill(pid, SIGKILL);
        killed++;
        const struct timespec pause = {.tv_nsec = 2000000};
        int tries = 5000;
        while (start_ticks(pid) == ticks && --tries)
            nanosleep(&pause, NULL);
        stuck |= !tries;
    }
    fclose(in);
    if (stuck) {
        errno = EBUSY;
        return -1;
    }
    unlink(pids_path);
    return killed;
}

/* ---- life ---- */

struct supervisor *supervisor_new(const struct supervisor_options *options)
{
    struct supervisor *self = calloc(1, sizeof *self);
    if (self)
        self->options = *options;
    return self;
}

static void child_clear(struct child *child)
{
    for (char **at = child->argv; at && *at; at++)
        free(*at);
    free(child->argv);
    free(child->log_path);
    memset(child, 0, sizeof *child);
}

void supervisor_free(struct supervisor **self)
{
    if (!*self)
        return;
    for (int i = 0; i < (*self)->count; i++) {
        struct child *child = &(*self)->children[i];
        if (child->pid) {
            kill(child->pid, SIGKILL);
            while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
                ;
        }
        child_clear(child);
    }
    free(*self);
    *self = NULL;
}

static char **copy_argv(const char *const *argv)
{
    size_t count = 0;
    while (argv[count])
        count++;
    char **copy = calloc(count + 1, sizeof *copy);
    for (size_t i = 0; copy && i < count; i++) {
        copy[i] = strdup(argv[i]);
        if (!copy[i]) {
            while (i)
                free(copy[--i]);
            free(copy);
            return NULL;
        }
    }
    return copy;
}

int supervisor_add(struct supervisor *self, const char *name, const char *actor, unsigned shard,
                   int stage, const char *const *argv, const char *log_path)
{
    assert(stage >= 0 && stage < STAGES);
    struct child *child = &self->children[self->count];
    if (self->count == SUPERVISOR_CHILDREN_MAX || strlen(name) >= sizeof child->name ||
        strlen(actor) >= sizeof child->actor) {
        errno = E2BIG;
        return -1;
    }
    child->argv = copy_argv(argv);
    child->log_path = log_path ? strdup(log_path) : NULL;
    if (!child->argv || (log_path && !child->log_path)) {
        child_clear(child);
        errno = ENOMEM;
        return -1;
    }
    strcpy(child->name, name);
    strcpy(child->actor, actor);
    child->shard = shard;
    child->stage = stage;
    return self->count++;
}

int supervisor_count(const struct supervisor *self)
{
    return self->count;
}

const struct child *supervisor_child(const struct supervisor *self, int index)
{
    return &self->children[index];
}

int supervisor_find(const struct supervisor *self, const char *actor, unsigned shard)
{
    for (int i = 0; i < self->count; i++)
        if (self->children[i].shard == shard && !strcmp(self->children[i].actor, actor))
            return i;
    return -1;
}

/* ---- starting ---- */

/* Our environment with TIPOFF_PARENT, so that the child can die with us; the caller frees the array and the string. */
static char **child_environment(char parent[32])
{
    extern char **environ;
    size_t count = 0;
    while (environ[count])
        count++;
    char **copy = calloc(count + 2, sizeof *copy);
    if (!copy)
        return NULL;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], "TIPOFF_PARENT=", 14) != 0)
            copy[kept++] = environ[i];
    snprintf(parent, 32, "TIPOFF_PARENT=%d", (int)getpid());
    copy[kept] = parent;
    return copy;
}

/* In a process group of its own, so that a Ctrl-C at our terminal is ours alone to answer: actors first, broker last. */
static int spawn(const struct child *child, pid_t *pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, usual;
    char parent[32];
    sigemptyset(&none);
    sigfillset(&usual);
    char **environment = child_environment(parent);
    if (!environment)
        return ENOMEM;
    int error = posix_spawn_file_actions_init(&files);
    if (error)
        goto out_environment;
    error = posix_spawnattr_init(&attributes);
    if (error)
        goto out_files;
    error = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    if (!error && child->log_path)
        error = posix_spawn_file_actions_addopen(&files, 2, child->log_path,
                                                 O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (!error && child->log_path)
        error = posix_spawn_file_actions_adddup2(&files, 2, 1);
    if (!error)
        error = posix_spawnattr_setflags(
            &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    if (!error)
        error = posix_spawnattr_setsigmask(&attributes, &none);
    if (!error)
        error = posix_spawnattr_setsigdefault(&attributes, &usual);
    if (!error)
        error = posix_spawn(pid, child->argv[0], &files, &attributes, child->argv, environment);
    posix_spawnattr_destroy(&attributes);
out_files:
    posix_spawn_file_actions_destroy(&files);
out_environment:
    free(environment);
    return error;
}

static void child_start(struct supervisor *self, struct child *child)
{
    pid_t pid;
    int error = spawn(child, &pid);
    child->started_us = clock_mono_us();
    child->kill_us = 0;
    child->aborted = child->progressed = false;
    if (error) {
        /* No executable, no memory: the same policy as for a process that died at once. */
        int64_t wait_us = 0;
        child->in_a_row++;
        bool again =
            restart_judge(&self->options.policy, child->in_a_row, 0, &wait_us) != EXIT_QUARANTINED;
        child->state = again ? CHILD_WAITING : CHILD_QUARANTINED;
        child->due_us = child->started_us + wait_us;
        tell(self,
             &(struct child_event){
                 .kind = CHILD_NOT_STARTED, .child = child, .error = error, .wait_us = wait_us});
        return;
    }
    child->pid = pid;
    child->state = CHILD_RUNNING;
    write_pids(self);
    tell(self, &(struct child_event){.kind = CHILD_STARTED, .child = child, .pid = pid});
}

void supervisor_start(struct supervisor *self, int index)
{
    struct child *child = &self->children[index];
    if (child->state == CHILD_IDLE && !self->draining)
        child_start(self, child);
}

void supervisor_progressed(struct supervisor *self, int index)
{
    if (self->children[index].state == CHILD_RUNNING)
        self->children[index].progressed = true;
}

/* ---- ending ---- */

void supervisor_abort(struct supervisor *self, int index)
{
    struct child *child = &self->children[index];
    if (child->state != CHILD_RUNNING || child->aborted)
        return;
    child->aborted = true;
    child->kill_us = clock_mono_us() + ABORT_PATIENCE_US;
    kill(child->pid, SIGABRT);
    tell(self, &(struct child_event){.kind = CHILD_HUNG, .child = child, .pid = child->pid});
}

static void stop_stage(struct supervisor *self)
{
    int64_t deadline_us = clock_mono_us() + (self->impatient ? 0 : self->options.drain_us);
    for (int i = 0; i < self->count; i++) {
        struct child *child = &self->children[i];
        if (child->stage != self->drain_stage)
            continue;
        if (child->state == CHILD_RUNNING) {
            child->state = CHILD_STOPPING;
            child->kill_us = deadline_us;
            kill(child->pid, SIGTERM);
        } else if (child->state == CHILD_WAITING) {
            child->state = CHILD_IDLE;
        }
    }
}

static bool stage_ended(const struct supervisor *self)
{
    for (int i = 0; i < self->count; i++)
        if (self->children[i].stage == self->drain_stage && self->children[i].pid)
            return false;
    return true;
}

void supervisor_drain(struct supervisor *self)
{
    if (self->draining) {
        self->impatient = true;
        for (int i = 0; i < self->count; i++)
            if (self->children[i].state == CHILD_STOPPING)
                self->children[i].kill_us = clock_mono_us();
        return;
    }
    self->draining = true;
    self->drain_stage = STAGES - 1;
    stop_stage(self);
}

bool supervisor_drained(const struct supervisor *self)
{
    return self->draining && self->drain_stage < 0;
}

/* ---- the turn ---- */

static void child_ended(struct supervisor *self, struct child *child, int status)
{
    int64_t now = clock_mono_us();
    struct child_event event = {.kind = CHILD_EXITED,
                                .child = child,
                                .pid = child->pid,
                                .code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
                                .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0};
    bool was_stopping = child->state == CHILD_STOPPING;
    child->pid = 0;
    child->kill_us = 0;
    if (was_stopping || self->draining) {
        child->state = CHILD_IDLE;
        event.verdict = EXIT_STOPPED;
    } else {
        if (child->progressed || now - child->started_us > self->options.policy.backoff_cap_us)
            child->in_a_row = 0;
        child->in_a_row++;
        event.verdict =
            restart_judge(&self->options.policy, child->in_a_row, event.code, &event.wait_us);
        child->state = event.verdict == EXIT_QUARANTINED ? CHILD_QUARANTINED : CHILD_WAITING;
        child->due_us = now + event.wait_us;
        child->restarts += event.verdict != EXIT_QUARANTINED;
    }
    write_pids(self);
    tell(self, &event);
}

static void child_turn(struct supervisor *self, struct child *child)
{
    int status;
    if (child->pid) {
        pid_t pid = waitpid(child->pid, &status, WNOHANG);
        if (pid == child->pid)
            child_ended(self, child, status);
    }
    int64_t now = clock_mono_us();
    if (child->pid && child->kill_us && now >= child->kill_us) {
        child->kill_us = 0;
        kill(child->pid, SIGKILL);
        tell(self, &(struct child_event){.kind = CHILD_KILLED, .child = child, .pid = child->pid});
    }
    if (child->state == CHILD_WAITING && !self->draining && now >= child->due_us)
        child_start(self, child);
}

void supervisor_turn(struct supervisor *self)
{
    for (int i = 0; i < self->count; i++)
        child_turn(self, &self->children[i]);
    while (self->draining && self->drain_stage >= 0 && stage_ended(self)) {
        self->drain_stage--;
        if (self->drain_stage >= 0)
            stop_stage(self);
    }
}

int64_t supervisor_timeout_us(const struct supervisor *self)
{
    int64_t now = clock_mono_us(), least = INT64_MAX;
    for (int i = 0; i < self->count; i++) {
        const struct child *child = &self->children[i];
        int64_t at = child->state == CHILD_WAITING ? child->due_us
                     : child->pid                  ? child->kill_us
                                                   : 0;
        if (at && at - now < least)
            least = at > now ? at - now : 0;
    }
    return least;
}
