/* What the kernel says of a process of this host. */
#ifndef CLI_PROCS_H
#define CLI_PROCS_H

#include <stdint.h>

struct proc_use {
    int64_t rss_bytes;
    int64_t pss_bytes; /* with shared pages by their share; -1: not to be had (another user's) */
    int64_t cpu_us;    /* user and system, since it began */
};
/* 0, or -1: there is none of this id. */
int procs_read(int64_t pid, struct proc_use *out);

#endif
