#include "cli/others.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGUMENTS_MAX 128
#define PATIENCE_MS 10000

const char *others_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Signals are blocked in us, to be read in turn; not in it. */
static int spawn(pid_t *pid, char *const *argv)
{
    posix_spawnattr_t how;
    sigset_t none;
    sigemptyset(&none);
    if (posix_spawnattr_init(&how) != 0)
        return -1;
    posix_spawnattr_setsigmask(&how, &none);
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK);
    int error = posix_spawn(pid, argv[0], NULL, &how, argv, environ);
    posix_spawnattr_destroy(&how);
    return error ? -1 : 0;
}

int others_register(const char *const *argv)
{
    char *words[ARGUMENTS_MAX];
    size_t count = 0;
    pid_t pid;
    int status;
    while (count < ARGUMENTS_MAX - 2 && argv[count]) {
        words[count] = (char *)(uintptr_t)argv[count];
        count++;
    }
    words[count++] = (char *)(uintptr_t) "--register";
    words[count] = NULL;
    if (spawn(&pid, words) != 0)
        return -1;
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd ends = {.fd = fd, .events = POLLIN};
    if (fd < 0 || poll(&ends, 1, PATIENCE_MS) <= 0)
        kill(pid, SIGKILL);
    if (fd >= 0)
        close(fd);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
