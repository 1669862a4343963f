#include "cli/procs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 512

static FILE *proc_open(int64_t pid, const char *file)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%" PRId64 "/%s", pid, file);
    return fopen(path, "re");
}

static int64_t pss_of(int64_t pid)
{
    char line[LINE_BYTES];
    long long kib, bytes = -1;
    FILE *in = proc_open(pid, "smaps_rollup");
    while (in && bytes < 0 && fgets(line, sizeof line, in))
        if (sscanf(line, "Pss: %lld kB", &kib) == 1)
            bytes = kib * 1024;
    if (in)
        fclose(in);
    return bytes;
}

int procs_read(int64_t pid, struct proc_use *out)
{
    char line[1024];
    unsigned long long user, system;
    long long pages;
    if (pid <= 0)
        return -1;
    FILE *in = proc_open(pid, "stat");
    const char *got = in ? fgets(line, sizeof line, in) : NULL;
    if (in)
        fclose(in);
    /* The name may hold anything; what follows its last bracket are numbers: fields 14 and 15 the times, 24 the pages. */
    const char *rest = got ? strrchr(line, ')') : NULL;
    if (!rest ||
        sscanf(rest + 1,
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %*u "
               "%*u %lld",
               &user, &system, &pages) != 3)
        return -1;
    out->cpu_us = (int64_t)((user + system) * 1000000 / (unsigned long long)sysconf(_SC_CLK_TCK));
    out->rss_bytes = (int64_t)pages * sysconf(_SC_PAGESIZE);
    out->pss_bytes = pss_of(pid);
    return 0;
}
