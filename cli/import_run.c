/* A private runtime of a few processes, kept up by the same supervisor as `tipoff up`. */
#include "cli/import_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/link.h"
#include "cli/supervisor.h"
#include "config/clock.h"
#include "config/exit.h"
#include "config/log.h"
#include "config/settings.h"
#include "schema/json.h"
#include "schema/registry.h"

enum { CONTROL_TIMEOUT_MS = 1000, SHARDS_MAX = 64 };

struct import_run {
    struct cli *cli;
    struct supervisor *supervisor;
    int lock_fd;
    enum import_readers of; /* the readers that run */
    char broken[160];
};

static const struct {
    const char *name;
    bool sharded;
    enum import_readers of; /* what it reads */
} readers[] = {{"processor", true, READERS_OF_HISTORY},
               {"features", true, READERS_OF_HISTORY},
               {"scoreboard", false, READERS_OF_HISTORY},
               {"predictor", true, READERS_OF_MODELS}};

static int64_t shards_of(const struct settings *settings, const char *actor)
{
    return settings_shards(settings, actor);
}

static void on_event(void *context, const struct child_event *event)
{
    struct import_run *self = context;
    if (event->kind == CHILD_NOT_STARTED)
        snprintf(self->broken, sizeof self->broken, "%s cannot be started: %s", event->child->name,
                 strerror(event->error));
    else if (event->kind == CHILD_EXITED && event->verdict == EXIT_QUARANTINED)
        snprintf(self->broken, sizeof self->broken, "%s does not stay up (see %s)",
                 event->child->name, event->child->log_path ? event->child->log_path : "stderr");
}

static int make_folders(struct cli *cli)
{
    static const char *const names[] = {"", "log", "shards", "logs", "exports"};
    char path[CLI_PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (mkdir(names[i][0] ? cli_path(cli, path, names[i]) : cli->dir, 0755) != 0 &&
            errno != EEXIST)
            return cli_fail(cli, EXIT_UNREACHABLE, "%s/%s: %s", cli->dir, names[i],
                            strerror(errno));
    return EXIT_OK;
}

/* The lock that `tipoff up` takes: one runtime a directory. */
static int take_lock(struct import_run *self)
{
    char path[CLI_PATH_MAX], who[64];
    self->lock_fd = open(cli_path(self->cli, path, "lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (self->lock_fd < 0)
        return cli_fail(self->cli, EXIT_UNREACHABLE, "%s: %s", path, strerror(errno));
    if (flock(self->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return cli_fail(self->cli, EXIT_AGAIN, "%s is in use, but its broker does not answer",
                        self->cli->dir);
    int size = snprintf(who, sizeof who, "tipoff import, pid %d\n", (int)getpid());
    if (ftruncate(self->lock_fd, 0) != 0 || pwrite(self->lock_fd, who, (size_t)size, 0) != size)
        return cli_fail(self->cli, EXIT_UNREACHABLE, "%s: %s", path, strerror(errno));
    return EXIT_OK;
}

static int write_registry(struct cli *cli)
{
    static struct registry registry;
    char path[CLI_PATH_MAX];
    registry_of_messages(&registry, (uint16_t)cli->settings->broker.partitions);
    if (registry_write(&registry, cli_path(cli, path, "registry.json")) != 0)
        return cli_fail(cli, EXIT_UNREACHABLE, "%s: %s", path, strerror(errno));
    return EXIT_OK;
}

static void add_child(struct import_run *self, const char *actor, unsigned shard, int stage)
{
    /* Nobody looks at the page of an import. */
    static const char *const own_sets[] = {"scoreboard.port=0", "scoreboard.exports=false"};
    const char *argv[2 * CLI_SETS_MAX + 24];
    char program[CLI_PATH_MAX], log_path[CLI_PATH_MAX], log_name[64], name[48], number[16];
    const struct cli *cli = self->cli;
    size_t count = 0;
    snprintf(program, sizeof program, "%s/tipoff-%s", cli->bin_dir, actor);
    snprintf(name, sizeof name, stage ? "%s.%u" : "%s", actor, shard);
    snprintf(log_name, sizeof log_name, "logs/%s.log", name);
    snprintf(number, sizeof number, "%u", shard);
    cli_path(cli, log_path, log_name);
    argv[count++] = program;
    if (cli->config) {
        argv[count++] = "-c";
        argv[count++] = cli->config;
    }
    for (size_t i = 0; i < cli->set_count; i++) {
        argv[count++] = "--set";
        argv[count++] = cli->sets[i];
    }
    for (size_t i = 0; i < sizeof own_sets / sizeof *own_sets; i++) {
        argv[count++] = "--set";
        argv[count++] = own_sets[i];
    }
    argv[count++] = "--dir";
    argv[count++] = cli->dir;
    if (stage) {
        argv[count++] = "--shard";
        argv[count++] = number;
    }
    argv[count] = NULL;
    int index = supervisor_add(self->supervisor, name, actor, shard, stage, argv, log_path);
    if (index < 0)
        log_fatal(EXIT_BUG, "child-not-added", "name=%s why=\"%s\"", name, strerror(errno));
    supervisor_start(self->supervisor, index);
}

struct import_run *import_run_start(struct cli *cli, int *code)
{
    static char pids[CLI_PATH_MAX];
    struct import_run *self = calloc(1, sizeof *self);
    if (!self) {
        *code = cli_fail(cli, EXIT_UNREACHABLE, "out of memory");
        return NULL;
    }
    self->cli = cli;
    self->lock_fd = -1;
    *code = make_folders(cli);
    if (!*code)
        *code = take_lock(self);
    if (!*code && supervisor_sweep(cli_path(cli, pids, "pids")) < 0)
        *code = cli_fail(cli, EXIT_AGAIN, "processes of an earlier life do not end; see %s", pids);
    if (!*code)
        *code = write_registry(cli);
    const struct settings *settings = cli->settings;
    const struct supervisor_options options = {
        .policy = {.backoff_base_us = settings->supervisor.backoff_base_us,
                   .backoff_cap_us = settings->supervisor.backoff_cap_us,
                   .crash_loop = (int)settings->supervisor.crash_loop},
        .drain_us = settings->supervisor.drain_us,
        .pids_path = pids,
        .event = on_event,
        .context = self,
    };
    if (!*code && !(self->supervisor = supervisor_new(&options)))
        *code = cli_fail(cli, EXIT_UNREACHABLE, "out of memory");
    if (*code) {
        import_run_stop(&self);
        return NULL;
    }
    add_child(self, "broker", 0, 0);
    return self;
}

void import_run_actors(struct import_run *self, enum import_readers of)
{
    self->of = of;
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        for (unsigned shard = 0;
             readers[i].of == of &&
             shard < (readers[i].sharded ? shards_of(self->cli->settings, readers[i].name) : 1);
             shard++)
            add_child(self, readers[i].name, shard, 2);
}

void import_run_turn(struct import_run *self)
{
    supervisor_turn(self->supervisor);
}

const char *import_run_broken(const struct import_run *self)
{
    return self->broken[0] ? self->broken : NULL;
}

/* What STATUS says of one reader: is it past `position`? */
static bool shard_past(const json_t *shards, const char *actor, unsigned shard, uint64_t position,
                       uint64_t *behind)
{
    size_t index;
    json_t *at;
    json_array_foreach(shards, index, at)
    {
        const char *name = json_string_value(json_object_get(at, "actor"));
        if (!name || strcmp(name, actor) != 0 ||
            json_integer_value(json_object_get(at, "partition")) != (json_int_t)shard)
            continue;
        uint64_t cursor = (uint64_t)json_integer_value(json_object_get(at, "cursor"));
        if (cursor <= position && position - cursor + 1 > *behind)
            *behind = position - cursor + 1;
        return cursor > position;
    }
    *behind = position;
    return false;
}

bool import_run_applied(struct import_run *self, uint64_t position, uint64_t *behind)
{
    char why[160];
    uint64_t most = 0;
    bool applied = true;
    char *text =
        link_control(self->cli->settings->broker.control_endpoint, "STATUS", CONTROL_TIMEOUT_MS);
    json_t *status = text ? json_read(text, strlen(text), why, sizeof why) : NULL;
    const json_t *shards = json_object_get(status, "shards");
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        for (unsigned shard = 0;
             readers[i].of == self->of &&
             shard < (readers[i].sharded ? shards_of(self->cli->settings, readers[i].name) : 1);
             shard++)
            applied &= shard_past(shards, readers[i].name, shard, position, &most);
    json_decref(status);
    free(text);
    if (behind)
        *behind = most;
    return applied && text != NULL;
}

void import_run_stop(struct import_run **self)
{
    if (!*self)
        return;
    if ((*self)->supervisor) {
        supervisor_drain((*self)->supervisor);
        while (!supervisor_drained((*self)->supervisor)) {
            int64_t wait_us = supervisor_timeout_us((*self)->supervisor);
            poll(NULL, 0, wait_us < 10000 ? (int)(wait_us / 1000) : 10);
            supervisor_turn((*self)->supervisor);
        }
        supervisor_free(&(*self)->supervisor);
    }
    if ((*self)->lock_fd >= 0)
        close((*self)->lock_fd);
    free(*self);
    *self = NULL;
}
