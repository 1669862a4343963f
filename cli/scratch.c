/* A broker of one's own for a while. */
#include "cli/scratch.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "broker/link.h"
#include "config/clock.h"

extern char **environ;

int scratch_make(struct scratch *self, const char *registry)
{
    char path[128];
    const char *place = getenv("TMPDIR");
    snprintf(self->dir, sizeof self->dir, "%.60s/tipoff-bench-XXXXXX", place ? place : "/tmp");
    if (!mkdtemp(self->dir)) {
        self->dir[0] = '\0';
        return -1;
    }
    snprintf(self->endpoint, sizeof self->endpoint, "ipc://%s/broker.ipc", self->dir);
    snprintf(self->control, sizeof self->control, "ipc://%s/control.ipc", self->dir);
    snprintf(path, sizeof path, "%s/registry.json", self->dir);
    FILE *out = fopen(path, "w");
    if (!out)
        return -1;
    fputs(registry, out);
    return fclose(out) == 0 ? 0 : -1;
}

int scratch_start(struct scratch *self)
{
    char path[4096], parent[32];
    const char *argv[2 * SCRATCH_SETS_MAX + 8] = {
        path, "--set", "log.level=warn", "--set",
        "broker.tap_tcp="}; /* another broker may run on this machine */
    size_t count = 5;
    snprintf(path, sizeof path, "%s/tipoff-broker", self->bin_dir);
    for (size_t i = 0; i < self->set_count; i++) {
        argv[count++] = "--set";
        argv[count++] = self->sets[i];
    }
    argv[count++] = "--dir";
    argv[count++] = self->dir;
    argv[count] = NULL;
    snprintf(parent, sizeof parent, "%d", (int)getpid());
    setenv("TIPOFF_PARENT", parent, 1);
    int error = posix_spawn(&self->pid, path, NULL, NULL, (char *const *)argv, environ);
    if (!error)
        return 0;
    fprintf(stderr, "%s: %s\n", path, strerror(error));
    self->pid = 0;
    return -1;
}

int scratch_await(struct scratch *self)
{
    enum { MOST_US = 15000000, LOOK_US = 5000 };
    int64_t asked = clock_mono_us();
    while (self->pid && clock_mono_us() - asked < MOST_US) {
        char *pong = link_control(self->control, "PING", MOST_US / 1000);
        if (pong) {
            free(pong);
            return 0;
        }
        if (waitpid(self->pid, NULL, WNOHANG) == self->pid)
            self->pid = 0;
        else /* its socket is not there yet */
            nanosleep(&(struct timespec){0, LOOK_US * 1000}, NULL);
    }
    return -1;
}

void scratch_stop(struct scratch *self, int signal)
{
    if (self->pid <= 0)
        return;
    kill(self->pid, signal);
    while (waitpid(self->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    self->pid = 0;
}

void scratch_remove(struct scratch *self)
{
    pid_t pid;
    char *argv[] = {(char[]){"rm"}, (char[]){"-rf"}, self->dir, NULL};
    scratch_stop(self, SIGTERM);
    if (self->dir[0] && posix_spawnp(&pid, "rm", NULL, NULL, argv, environ) == 0)
        waitpid(pid, NULL, 0);
    self->dir[0] = '\0';
}

double scratch_cpu_us(pid_t pid)
{
    char path[64], text[1024];
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *in = fopen(path, "r");
    if (!in)
        return 0;
    const char *at = fgets(text, sizeof text, in) ? strrchr(text, ')') : NULL;
    if (at)
        sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
    fclose(in);
    return (double)(user + system) * 1e6 / (double)sysconf(_SC_CLK_TCK);
}
