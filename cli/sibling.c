#include "cli/sibling.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "config/exit.h"

#define ARGUMENTS_MAX (2 * CLI_SETS_MAX + 32)

/* The command that runs now: it gets our SIGTERM. SIGINT it gets from the terminal itself; we only wait for it. */
static volatile sig_atomic_t running;

static void on_signal(int signal)
{
    if (signal == SIGTERM && running)
        kill((pid_t)running, SIGTERM);
}

static int child_spawn(pid_t *pid, const char *path, const char *const *argv, const sigset_t *mask)
{
    extern char **environ;
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, mask);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    int error = posix_spawn(pid, path, NULL, &attributes, (char *const *)argv, environ);
    posix_spawnattr_destroy(&attributes);
    return error;
}

int sibling_run(const struct cli *cli, const char *dir, const char *program,
                const char *const *words)
{
    const char *argv[ARGUMENTS_MAX];
    char path[CLI_PATH_MAX];
    size_t count = 0;
    pid_t pid;
    int status = 0;
    snprintf(path, sizeof path, "%s/%s", cli->bin_dir, program);
    argv[count++] = path;
    if (!strcmp(program, "tipoff"))
        argv[count++] = *words++;
    for (size_t i = 0; i < cli->set_count; i++) {
        if (!strncmp(cli->sets[i], "dir=", 4))
            continue;
        argv[count++] = "--set";
        argv[count++] = cli->sets[i];
    }
    if (cli->config) {
        argv[count++] = "-c";
        argv[count++] = cli->config;
    }
    argv[count++] = "--dir";
    argv[count++] = dir;
    while (*words)
        argv[count++] = *words++;
    argv[count] = NULL;
    fflush(stdout);
    /* A SIGTERM from here on is either handed to what we run, or waits until it can be: it is held back while `running` is not known. */
    struct sigaction action = {.sa_handler =
                                   on_signal}, /* unlike SIG_IGN, not inherited by what we run */
        term, interrupt;
    sigset_t held, before;
    sigemptyset(&held);
    sigaddset(&held, SIGTERM);
    sigaddset(&held, SIGINT);
    sigprocmask(SIG_BLOCK, &held, &before);
    sigaction(SIGTERM, &action, &term);
    sigaction(SIGINT, &action, &interrupt);
    int error = child_spawn(&pid, path, argv, &before);
    running = error ? 0 : pid;
    sigprocmask(SIG_SETMASK, &before, NULL);
    while (!error && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    running = 0;
    sigaction(SIGTERM, &term, NULL);
    sigaction(SIGINT, &interrupt, NULL);
    if (error)
        return cli_fail(cli, EXIT_UNREACHABLE, "%s: %s", path, strerror(error));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int sibling_league(const struct cli *cli, const char *dir, const char *seed, const char *date,
                   const char *to)
{
    char league[CLI_PATH_MAX];
    if ((size_t)snprintf(league, sizeof league, "%s/league", dir) >= sizeof league)
        return cli_fail(cli, EXIT_USAGE, "--dir: too long");
    const char *const generate[] = {
        "--sim", seed, "--date", date, "--generate-only", to ? "--to" : NULL, to, NULL};
    const char *const import[] = {"import", league, "--before", date, NULL};
    fprintf(stderr, "making the simulated league of seed %s ...\n", seed);
    int code = sibling_run(cli, dir, "tipoff-upstream", generate);
    if (code)
        return code;
    fprintf(stderr, "importing its past, until %s ...\n", date);
    return sibling_run(cli, dir, "tipoff", import);
}
