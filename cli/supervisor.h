/* Keeps child processes up: starts them, sees them die, starts them again, and ends them in order.
 *
 * Single-threaded, driven by the owner's loop: supervisor_turn after SIGCHLD and whenever supervisor_timeout_us has
 * passed. It knows processes only: what they do for a living it is told (supervisor_progressed), and what became of them
 * it tells through `event`. Times are clock_mono_us.
 *
 * Restart policy: the first restart is immediate, the next ones in a row wait backoff_base, doubling up to backoff_cap;
 * `crash_loop` exits in a row are quarantine: not started again. "In a row" is: without progress between, progress being
 * a committed step, all work done, or a life longer than backoff_cap. Exit codes that no restart mends (64, 78) are
 * quarantine at once. The process group of an old incarnation is gone (reaped) before its successor starts. */
#ifndef CLI_SUPERVISOR_H
#define CLI_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SUPERVISOR_CHILDREN_MAX 512

enum child_state {
    CHILD_IDLE, /* not started yet, or ended as it should */
    CHILD_RUNNING,
    CHILD_WAITING,     /* dead, starts again at due_us */
    CHILD_STOPPING,    /* told to end */
    CHILD_QUARANTINED, /* dead, and not started again */
};
const char *child_state_text(enum child_state state);

/* Verdicts on an exit, as ops_exit names them. */
enum exit_verdict { EXIT_RESTARTED, EXIT_BACKING_OFF, EXIT_QUARANTINED, EXIT_STOPPED };
const char *exit_verdict_text(enum exit_verdict verdict);

/* What one process looks like to the restart policy; pure, so that it is tested alone. */
struct restart_policy {
    int64_t backoff_base_us, backoff_cap_us;
    int crash_loop;
};
/* `in_a_row`: exits without progress, this one included (>= 1). `*wait_us` is set unless quarantined. */
enum exit_verdict restart_judge(const struct restart_policy *policy, int in_a_row, int exit_code,
                                int64_t *wait_us);

struct child {
    char name[48];  /* "features.0", "broker": unique */
    char actor[32]; /* "features" */
    unsigned shard;
    int stage; /* drained in falling order: others (3), actors (2), upstream (1), the broker (0) */
    char **argv;    /* owned; argv[0] is the path of the executable */
    char *log_path; /* owned; where stderr and stdout go; NULL: ours */
    enum child_state state;
    pid_t pid;         /* 0 unless running or stopping */
    unsigned restarts; /* over the life of this supervisor */
    int in_a_row;
    bool progressed;                     /* since this incarnation started */
    int64_t started_us, due_us, kill_us; /* kill_us: when patience ends, 0 = no deadline */
    bool aborted;                        /* was sent SIGABRT for silence */
};

struct child_event {
    enum { CHILD_STARTED, CHILD_EXITED, CHILD_HUNG, CHILD_KILLED, CHILD_NOT_STARTED } kind;
    const struct child *child;
    pid_t pid;
    int code, signal; /* CHILD_EXITED: code is -1 if a signal ended it, signal 0 if none did */
    enum exit_verdict verdict; /* CHILD_EXITED */
    int64_t wait_us;           /* until the restart */
    int error;                 /* CHILD_NOT_STARTED: errno */
};

struct supervisor_options {
    struct restart_policy policy;
    int64_t drain_us; /* patience after SIGTERM */
    const char *
        pids_path; /* children alive are written here, so that a successor of ours can end what we left */
    void (*event)(void *context, const struct child_event *event);
    void *context;
};

struct supervisor;

struct supervisor *supervisor_new(const struct supervisor_options *options);
/* Kills whatever still runs (at once) and reaps it. */
void supervisor_free(struct supervisor **self);
/* Ends what an earlier life of us left running, as pids_path tells (a pid counts only with its start time).
 * Returns how many were killed, -1 with errno if they would not go. */
int supervisor_sweep(const char *pids_path);

/* Copies everything. The index is the child's for good; -1 with errno. */
int supervisor_add(struct supervisor *self, const char *name, const char *actor, unsigned shard,
                   int stage, const char *const *argv, const char *log_path);
void supervisor_start(struct supervisor *self, int index);
int supervisor_count(const struct supervisor *self);
const struct child *supervisor_child(const struct supervisor *self, int index);
int supervisor_find(const struct supervisor *self, const char *actor,
                    unsigned shard); /* -1: none */

/* It got something done since it started: its next exit is the first in a row. */
void supervisor_progressed(struct supervisor *self, int index);
/* It has been silent for too long: SIGABRT, then SIGKILL. */
void supervisor_abort(struct supervisor *self, int index);

int64_t
supervisor_timeout_us(const struct supervisor *self); /* INT64_MAX: only a signal brings news */
void supervisor_turn(struct supervisor *self);

/* Stage by stage, each with drain_us of patience; a second call has none. Then supervisor_turn until drained. */
void supervisor_drain(struct supervisor *self);
bool supervisor_drained(const struct supervisor *self);

#endif
