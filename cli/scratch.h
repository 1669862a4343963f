/* A broker of one's own for a while: in a directory that is made for it and goes with it, reachable over ipc only. */
#ifndef CLI_SCRATCH_H
#define CLI_SCRATCH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SCRATCH_SETS_MAX 80

struct scratch {
    char dir[96], endpoint[128], control[128];
    const char *bin_dir;                /* where tipoff-broker is; borrowed */
    const char *sets[SCRATCH_SETS_MAX]; /* KEY=VALUE for it, beside the necessary; borrowed */
    size_t set_count;
    pid_t pid; /* 0: not running */
};

/* Makes the directory (below TMPDIR) with this registry. -1 with errno. */
int scratch_make(struct scratch *self, const char *registry);
/* Starts the broker; scratch_await returns when it answers. -1: it did not start, or does not answer (it said why). */
int scratch_start(struct scratch *self);
int scratch_await(struct scratch *self);
void scratch_stop(struct scratch *self, int signal); /* and waits for its end */
void scratch_remove(struct scratch *self);           /* stops it, too */

/* User and system time of a process so far; 0 if it is gone. */
double scratch_cpu_us(pid_t pid);

#endif
