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

int sibling_run(const struct cli *cli, const char *dir, const char *program,
                const char *const *words)
{
    extern char **environ;
    const char *argv[ARGUMENTS_MAX];
    char path[CLI_PATH_MAX];
    size_t count = 0;
    pid_t pid;
    int status;
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
    int error = posix_spawn(&pid, path, NULL, NULL, (char *const *)argv, environ);
    if (error)
        return cli_fail(cli, EXIT_UNREACHABLE, "%s: %s", path, strerror(error));
    struct sigaction action = {.sa_handler =
                                   on_signal}, /* unlike SIG_IGN, not inherited by what we run */
        term, interrupt;
    sigaction(SIGTERM, &action, &term);
    sigaction(SIGINT, &action, &interrupt);
    running = pid;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    running = 0;
    sigaction(SIGTERM, &term, NULL);
    sigaction(SIGINT, &interrupt, NULL);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int sibling_league(const struct cli *cli, const char *dir, const char *seed, const char *date)
{
    char league[CLI_PATH_MAX];
    if ((size_t)snprintf(league, sizeof league, "%s/league", dir) >= sizeof league)
        return cli_fail(cli, EXIT_USAGE, "--dir: too long");
    const char *const generate[] = {"--sim", seed, "--date", date, "--generate-only", NULL};
    const char *const import[] = {"import", league, "--before", date, NULL};
    fprintf(stderr, "making the simulated league of seed %s ...\n", seed);
    int code = sibling_run(cli, dir, "tipoff-upstream", generate);
    if (code)
        return code;
    fprintf(stderr, "importing its past, until %s ...\n", date);
    return sibling_run(cli, dir, "tipoff", import);
}
