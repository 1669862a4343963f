/* tipoff demo - one night of the simulated league, from nothing to its report. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actors/janitor/sweep.h"
#include "cli/command.h"
#include "cli/sibling.h"
#include "config/clock.h"
#include "config/exit.h"
#include "config/settings.h"

#define DEMO_DIR "./tipoff-demo"
#define DEMO_DATE "2026-01-14" /* a day of the simulated season with many games */
#define DEMO_SPEED "420"       /* from noon to the last grade in about two minutes */
#define DEMO_SEED "1"

struct demo {
    struct cli *cli;
    char dir[CLI_PATH_MAX], marker[CLI_PATH_MAX];
    const char *seed, *date, *speed;
};

/* An earlier demo makes room for this one; anything else that is there is somebody's data. */
static int make_room(const struct demo *self)
{
    if (access(self->dir, F_OK) == 0) {
        if (access(self->marker, F_OK) != 0)
            return cli_fail(self->cli, EXIT_AGAIN, "%s is there and no demo: choose another --dir",
                            self->dir);
        if (sweep_remove(self->dir) != 0)
            return cli_fail(self->cli, EXIT_AGAIN, "%s: %s", self->dir, strerror(errno));
    }
    if (mkdir(self->dir, 0755) != 0)
        return cli_fail(self->cli, EXIT_UNREACHABLE, "%s: %s", self->dir, strerror(errno));
    int fd = open(self->marker, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return cli_fail(self->cli, EXIT_UNREACHABLE, "%s: %s", self->marker, strerror(errno));
    close(fd);
    return EXIT_OK;
}

static int live(const struct demo *self)
{
    char upstream[64];
    snprintf(upstream, sizeof upstream, "sim:%s", self->seed);
    const char *const up[] = {"up",      "--upstream", upstream,        "--date", self->date,
                              "--speed", self->speed,  "--until-final", NULL};
    const char *const report[] = {"report", "--date", self->date, NULL};
    int64_t begun_us = clock_mono_us();
    int code = sibling_league(self->cli, self->dir, self->seed, self->date, NULL);
    if (!code) {
        printf("living the night of %s at %s times real time; the page: http://%s:%lld\n",
               self->date, self->speed, self->cli->settings->scoreboard.address,
               (long long)self->cli->settings->scoreboard.port);
        code = sibling_run(self->cli, self->dir, "tipoff", up);
    }
    if (code)
        return code;
    printf("the night took %.0f s in all; its report:\n",
           (double)(clock_mono_us() - begun_us) / 1e6);
    code = sibling_run(self->cli, self->dir, "tipoff", report);
    printf("its state stays in %s: try  tipoff predictions --dir %s --date %s\n", self->dir,
           self->dir, self->date);
    return code;
}

static int demo_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    struct demo self = {.cli = cli,
                        .seed = cli_option(cli, "seed"),
                        .date = cli_option(cli, "date"),
                        .speed = cli_option(cli, "speed")};
    bool given = false;
    for (size_t i = 0; i < cli->set_count; i++)
        given |= !strncmp(cli->sets[i], "dir=", 4);
    self.seed = self.seed ? self.seed : DEMO_SEED;
    self.date = self.date ? self.date : DEMO_DATE;
    self.speed = self.speed ? self.speed : DEMO_SPEED;
    snprintf(self.dir, sizeof self.dir, "%s", given ? cli->dir : DEMO_DIR);
    if ((size_t)snprintf(self.marker, sizeof self.marker, "%s/demo", self.dir) >=
        sizeof self.marker)
        return cli_fail(cli, EXIT_USAGE, "--dir: too long");
    int code = make_room(&self);
    return code ? code : live(&self);
}

static const struct command_option options[] = {
    {"seed", "N", "of the simulated league (" DEMO_SEED ")"},
    {"date", "D", "the night (" DEMO_DATE ")"},
    {"speed", "X", "times real time (" DEMO_SPEED ")"},
    {NULL, NULL, NULL},
};

const struct command command_demo = {
    .name = "demo",
    .args = "",
    .summary = "live one night of the simulated league, from nothing to its report",
    .options = options,
    .run = demo_run,
};
