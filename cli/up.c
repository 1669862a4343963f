/* tipoff up - starts everything of this host and keeps it up, until told to stop or the night is over. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/asker.h"
#include "cli/command.h"
#include "cli/exits.h"
#include "cli/import_seen.h"
#include "cli/members.h"
#include "cli/night.h"
#include "cli/others.h"
#include "cli/season.h"
#include "cli/sibling.h"
#include "cli/supervisor.h"
#include "cli/view.h"
#include "config/clock.h"
#include "config/exit.h"
#include "config/log.h"
#include "config/process.h"
#include "config/settings.h"
#include "schema/json.h"
#include "schema/registry.h"

#define STATUS_INTERVAL_US                                                                         \
    200000 /* how often the broker is asked how everyone is, while that decides what comes next */
#define STEADY_INTERVAL_US                                                                         \
    1000000 /* ... and while everyone works: an answer costs the broker as much as some messages */
#define NIGHT_INTERVAL_US 250000 /* how often the tables are looked at */
#define SEASON_INTERVAL_US 50000 /* the same two, where many nights are lived one after the other */
#define TURN_MOST_US 250000
#define LEAD_US (3600 * 1000000LL) /* the night begins so long before its first tip */
#define OVERDUE_US                                                                                 \
    (14 * 3600 * 1000000LL) /* ... and cannot be over any more so long after the last one */
#define SIM_DATE 20260114   /* what the simulated league is lived on unless told */
#define QUIET_STATUSES                                                                             \
    3 /* answers in a row in which nobody had anything left to do: the night is settled */
#define SETS_MAX (CLI_SETS_MAX + 12)

/* Drained in falling order. Others have no part in the night: it neither waits for them nor ends with them. */
enum stage { STAGE_BROKER, STAGE_UPSTREAM, STAGE_ACTORS, STAGE_OTHERS };
enum phase {
    PHASE_BROKER,
    PHASE_STAND,
    PHASE_UPSTREAM,
    PHASE_ACTORS,
    PHASE_CLOCK,
    PHASE_NIGHT,
    PHASE_DRAIN
};

/* What STATUS last said of a child. */
struct word {
    bool known, ready, idle;
    int64_t heard_us; /* monotonic: when it was last heard of at all */
    /* Where the incarnation `pid` stood when it was first seen ready. */
    pid_t pid;
    json_int_t cursor, steps;
};

struct up {
    struct cli *cli;
    const struct settings *settings;
    /* What was asked for. */
    const char *upstream; /* NULL: none, or sim is set */
    bool sim, until_final, has_speed, members;
    const char *only, *host, *seed;
    int32_t date; /* 0 = whatever is on; of several nights the one in hand */
    int32_t to;   /* the last night; 0: there is one */
    double speed;
    int64_t lead_us; /* a night begins so long before its first tip; CLOCK_NONE: at noon */
    int64_t start_us, last_tip_us; /* CLOCK_NONE: not known */
    /* What runs. */
    struct supervisor *supervisor;
    struct asker *asker;
    struct exits *exits;
    struct night_reader *reader;
    struct view *view;
    struct night night;
    struct season season;
    bool leaping; /* to start_us of the night in hand, or to the last morning */
    bool
        closing; /* the last of several nights is over: the ledger is still to say what became of it */
    struct word words[SUPERVISOR_CHILDREN_MAX];
    enum phase phase;
    int lock_fd, signal_fd, broker, upstream_child;
    int64_t broker_up_us; /* when the broker that runs now first answered; 0 = not yet */
    int64_t night_read_us;
    int quiet;
    bool anchored; /* the league clock runs from an anchor */
    bool impossible, upstream_seen;
    int code;
    char port_path[CLI_PATH_MAX];
    const char *sets[SETS_MAX];
    size_t set_count;
    char set_text[12][320];
    int set_texts;
};

/* ---- what may run here ---- */

static const struct {
    const char *name;
    bool sharded; /* as many as the setting shards.<name> says */
} actors[] = {
    {"processor", true},   {"features", true},  {"predictor", true}, {"grader", true},
    {"scoreboard", false}, {"watchdog", false}, {"janitor", false},  {"poller", false},
};

static int64_t shards_of(const struct settings *settings, const char *actor)
{
    return !strcmp(actor, "processor")   ? settings->shards.processor
           : !strcmp(actor, "features")  ? settings->shards.features
           : !strcmp(actor, "predictor") ? settings->shards.predictor
           : !strcmp(actor, "grader")    ? settings->shards.grader
                                         : 1;
}

/* Is `name` asked for? Without --only everything is. */
static bool wanted(const struct up *self, const char *name)
{
    size_t size = strlen(name);
    for (const char *at = self->only; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : "")
        if (!strncmp(at, name, size) && (at[size] == ',' || !at[size]))
            return true;
    return !self->only;
}

static int check_only(const struct up *self)
{
    for (const char *at = self->only; at && *at;) {
        size_t size = strcspn(at, ",");
        bool known =
            (size == 6 && !strncmp(at, "broker", 6)) || (size == 8 && !strncmp(at, "upstream", 8));
        for (size_t i = 0; i < sizeof actors / sizeof *actors; i++)
            known |= strlen(actors[i].name) == size && !strncmp(at, actors[i].name, size);
        for (int i = 0; i < self->settings->supervisor.also.count; i++) {
            const char *other = others_name(self->settings->supervisor.also.item[i]);
            known |= strlen(other) == size && !strncmp(at, other, size);
        }
        if (!known)
            return cli_fail(self->cli, EXIT_USAGE, "--only: no such process: %.*s", (int)size, at);
        at += size + (at[size] == ',');
    }
    return EXIT_OK;
}

/* ---- before anything runs ---- */

static int read_season(struct up *self)
{
    double hours = 0;
    self->lead_us = self->sim ? CLOCK_NONE : LEAD_US;
    int code = cli_date(self->cli, "to", &self->to);
    if (!code)
        code = cli_number(self->cli, "lead", 0, 24, &hours);
    if (!code && cli_option(self->cli, "lead"))
        self->lead_us = (int64_t)(hours * 3600e6);
    if (!code && self->to && (!self->date || self->to < self->date))
        code = cli_fail(self->cli, EXIT_USAGE, "--to wants --date, and no day before it");
    return code;
}

static int read_options(struct up *self)
{
    const struct cli *cli = self->cli;
    self->until_final = cli_option(cli, "until-final") != NULL;
    self->only = cli_option(cli, "only");
    self->members = cli_option(cli, "members") != NULL;
    self->host = cli_option(cli, "host");
    self->has_speed = cli_option(cli, "speed") != NULL;
    self->speed = 1;
    self->start_us = self->last_tip_us = CLOCK_NONE;
    const char *upstream = cli_option(cli, "upstream");
    self->sim = upstream && (!strcmp(upstream, "sim") || !strncmp(upstream, "sim:", 4));
    self->upstream = self->sim ? NULL : upstream;
    self->seed = self->sim && upstream[3] ? upstream + 4 : NULL;
    if (self->seed && (!*self->seed || strspn(self->seed, "0123456789") != strlen(self->seed)))
        return cli_fail(cli, EXIT_USAGE, "--upstream %s: the seed is a number", upstream);
    int code = cli_date(cli, "date", &self->date);
    if (!code)
        code = cli_number(cli, "speed", 0.001, 1e6, &self->speed);
    if (!code)
        code = cli_instant(cli, "start", &self->start_us);
    if (!code)
        code = check_only(self);
    if (!self->date && self->sim)
        self->date = SIM_DATE;
    if (!code)
        code = read_season(self);
    if (!code && self->until_final && !self->date)
        code = cli_fail(cli, EXIT_USAGE, "--until-final wants --date");
    return code;
}

static int make_folders(const struct up *self)
{
    static const char *const names[] = {"", "log", "shards", "logs", "exports"};
    char path[CLI_PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (mkdir(names[i][0] ? cli_path(self->cli, path, names[i]) : self->cli->dir, 0755) != 0 &&
            errno != EEXIST)
            return cli_fail(self->cli, EXIT_UNREACHABLE, "%s/%s: %s", self->cli->dir, names[i],
                            strerror(errno));
    return EXIT_OK;
}

/* One runtime a directory: the lock is ours until we die, and says who we are. */
static int take_lock(struct up *self)
{
    char path[CLI_PATH_MAX], who[160];
    self->lock_fd = open(cli_path(self->cli, path, "lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (self->lock_fd < 0)
        return cli_fail(self->cli, EXIT_UNREACHABLE, "%s: %s", path, strerror(errno));
    if (flock(self->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        ssize_t size = read(self->lock_fd, who, sizeof who - 1);
        who[size > 0 ? size : 0] = '\0';
        who[strcspn(who, "\n")] = '\0';
        return cli_fail(self->cli, EXIT_AGAIN, "%s is in use by %s", self->cli->dir,
                        who[0] ? who : "another process");
    }
    char since[CLOCK_TEXT_SIZE];
    clock_format_utc(clock_real_us(), since);
    int size = snprintf(who, sizeof who, "tipoff up, pid %d on %s since %s\n", (int)getpid(),
                        self->host, since);
    if (ftruncate(self->lock_fd, 0) != 0 || pwrite(self->lock_fd, who, (size_t)size, 0) != size)
        return cli_fail(self->cli, EXIT_UNREACHABLE, "%s: %s", path, strerror(errno));
    return EXIT_OK;
}

static int sweep_orphans(const struct up *self)
{
    char path[CLI_PATH_MAX];
    int killed = supervisor_sweep(cli_path(self->cli, path, "pids"));
    if (killed < 0)
        return cli_fail(self->cli, EXIT_AGAIN, "processes of an earlier life do not end; see %s",
                        path);
    if (killed)
        log_warn("orphans-killed", "count=%d", killed);
    return EXIT_OK;
}

static int write_registry(const struct up *self)
{
    static struct registry registry;
    char path[CLI_PATH_MAX];
    registry_of_messages(&registry, (uint16_t)self->settings->broker.partitions);
    if (registry_write(&registry, cli_path(self->cli, path, "registry.json")) != 0)
        return cli_fail(self->cli, EXIT_UNREACHABLE, "%s: %s", path, strerror(errno));
    return EXIT_OK;
}

/* Unless the command line has it. */
static void add_set(struct up *self, const char *key, const char *value)
{
    size_t size = strlen(key);
    for (size_t i = 0; i < self->cli->set_count; i++)
        if (!strncmp(self->cli->sets[i], key, size) && self->cli->sets[i][size] == '=')
            return;
    char *text = self->set_text[self->set_texts++];
    snprintf(text, sizeof *self->set_text, "%s=%s", key, value);
    self->sets[self->set_count++] = text;
}

/* ---- starting processes ---- */

#define COMMON_MAX (2 * SETS_MAX + 8) /* words that every child is started with */

static size_t common_words(const struct up *self, const char *program, const char **argv)
{
    size_t count = 0;
    argv[count++] = program;
    if (self->cli->config) {
        argv[count++] = "-c";
        argv[count++] = self->cli->config;
    }
    for (size_t i = 0; i < self->set_count; i++) {
        argv[count++] = "--set";
        argv[count++] = self->sets[i];
    }
    argv[count++] = "--dir";
    argv[count++] = self->cli->dir;
    argv[count++] = "--host";
    argv[count++] = self->host;
    argv[count] = NULL;
    return count;
}

static int add_program(struct up *self, const char *program, const char *actor, unsigned shard,
                       int stage, bool named_shard, const char *const *more)
{
    const char *argv[COMMON_MAX + 16];
    char log_path[CLI_PATH_MAX], name[48], number[16], dir[CLI_PATH_MAX];
    snprintf(name, sizeof name, named_shard ? "%s.%u" : "%s", actor, shard);
    snprintf(number, sizeof number, "%u", shard);
    snprintf(dir, sizeof dir, "logs/%s.log", name);
    cli_path(self->cli, log_path, dir);
    size_t count = common_words(self, program, argv);
    if (named_shard) {
        argv[count++] = "--shard";
        argv[count++] = number;
    }
    for (; more && *more; more++)
        argv[count++] = *more;
    argv[count] = NULL;
    int index = supervisor_add(self->supervisor, name, actor, shard, stage, argv, log_path);
    if (index < 0)
        log_fatal(EXIT_BUG, "child-not-added", "name=%s why=\"%s\"", name, strerror(errno));
    supervisor_start(self->supervisor, index);
    return index;
}

static int add_child(struct up *self, const char *actor, unsigned shard, int stage,
                     bool named_shard, const char *const *more)
{
    char program[CLI_PATH_MAX];
    snprintf(program, sizeof program, "%s/tipoff-%s", self->cli->bin_dir, actor);
    return add_program(self, program, actor, shard, stage, named_shard, more);
}

/* The broker learns their streams, then they start. Who cannot tell them is not started. */
static void start_others(struct up *self)
{
    const struct settings_list *also = &self->settings->supervisor.also;
    for (int i = 0; i < also->count; i++) {
        const char *argv[COMMON_MAX];
        const char *program = also->item[i], *name = others_name(program);
        if (!wanted(self, name))
            continue;
        (void)common_words(self, program, argv);
        int code = others_register(argv);
        if (code == EXIT_OK)
            add_program(self, program, name, 0, STAGE_OTHERS, true, NULL);
        else
            log_error("not-registered", "program=%s code=%d", program, code);
    }
}

/* A port that is free now, so that the upstream comes back at the same one after a restart; 0 if there is none. */
static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool good = fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0 &&
                getsockname(fd, (struct sockaddr *)&address, &size) == 0;
    if (fd >= 0)
        close(fd);
    return good ? ntohs(address.sin_port) : 0;
}

static void start_upstream(struct up *self)
{
    char date[CLOCK_DATE_SIZE], to[CLOCK_DATE_SIZE], port[40];
    const char *more[16];
    size_t count = 0;
    if (self->upstream) {
        more[count++] = "--root";
        more[count++] = self->upstream;
    } else {
        more[count++] = "--sim";
        more[count++] = self->seed ? self->seed : "1";
    }
    if (self->date) {
        clock_format_date(self->season.first, date);
        more[count++] = "--date";
        more[count++] = date;
    }
    if (self->to) {
        clock_format_date(self->to, to);
        more[count++] = "--to";
        more[count++] = to;
    }
    if (!self->settings->upstream.port) {
        snprintf(port, sizeof port, "upstream.port=%d", free_port());
        more[count++] = "--set";
        more[count++] = port;
    }
    more[count++] = "--port-file";
    more[count++] = self->port_path;
    more[count] = NULL;
    unlink(self->port_path);
    self->upstream_child = add_child(self, "upstream", 0, STAGE_UPSTREAM, false, more);
}

/* The upstream's port, once it listens; 0 until then. */
static int read_port(const struct up *self)
{
    FILE *in = fopen(self->port_path, "re");
    int port = 0;
    if (in) {
        if (fscanf(in, "%d", &port) != 1 || port < 1 || port > 65535)
            port = 0;
        fclose(in);
    }
    return port;
}

static void start_actors(struct up *self)
{
    static const char *const as_member[] = {"--member", NULL};
    for (size_t i = 0; i < sizeof actors / sizeof *actors; i++)
        if (self->members && actors[i].sharded && wanted(self, actors[i].name))
            add_child(self, actors[i].name, 0, STAGE_ACTORS, false, as_member);
    for (size_t i = 0; i < sizeof actors / sizeof *actors; i++)
        for (unsigned shard = 0;
             wanted(self, actors[i].name) && !(self->members && actors[i].sharded) &&
             shard < shards_of(self->settings, actors[i].name);
             shard++)
            add_child(self, actors[i].name, shard, STAGE_ACTORS, true, NULL);
    start_others(self);
}

/* ---- what children did ---- */

static void publish_exit(struct up *self, const struct child_event *event)
{
    struct msg_ops_exit message;
    const struct message_desc *desc = message_of_stream("ops.exit");
    message_clear(desc, &message);
    snprintf(message.actor, sizeof message.actor, "%s", event->child->actor);
    message.shard = event->child->shard;
    message.pid = event->pid;
    message.code = event->code >= 0 ? event->code : MESSAGE_NONE;
    message.signal = event->signal ? event->signal : MESSAGE_NONE;
    message.restarts = event->child->restarts;
    snprintf(message.verdict, sizeof message.verdict, "%s", exit_verdict_text(event->verdict));
    message.at = clock_league_us();
    exits_add(self->exits, &message);
}

static void on_exit_of(struct up *self, const struct child_event *event)
{
    const char *name = event->child->name;
    if (event->verdict == EXIT_QUARANTINED) {
        log_error("quarantined",
                  "name=%s pid=%d code=%d signal=%d restarts=%u log=logs/%s.log why=\"%s\"", name,
                  (int)event->pid, event->code, event->signal, event->child->restarts, name,
                  event->code == EXIT_USAGE || event->code == EXIT_CONFIG
                      ? "no restart mends that exit code"
                      : "crash loop: no step between its exits");
        self->impossible |= event->child->stage != STAGE_OTHERS;
    } else if (event->verdict == EXIT_STOPPED) {
        log_info("stopped", "name=%s pid=%d code=%d signal=%d", name, (int)event->pid, event->code,
                 event->signal);
    } else {
        log_warn("exited", "name=%s pid=%d code=%d signal=%d verdict=%s wait_ms=%lld restarts=%u",
                 name, (int)event->pid, event->code, event->signal,
                 exit_verdict_text(event->verdict), (long long)(event->wait_us / 1000),
                 event->child->restarts);
    }
    if (self->broker >= 0 && event->child == supervisor_child(self->supervisor, self->broker))
        self->broker_up_us = 0;
    if (self->upstream_child >= 0 &&
        event->child == supervisor_child(self->supervisor, self->upstream_child)) {
        self->upstream_seen = false;
        unlink(self->port_path);
    }
    publish_exit(self, event);
}

static void on_event(void *context, const struct child_event *event)
{
    struct up *self = context;
    const char *name = event->child->name;
    switch (event->kind) {
    case CHILD_STARTED:
        log_info("started", "name=%s pid=%d", name, (int)event->pid);
        break;
    case CHILD_EXITED:
        on_exit_of(self, event);
        break;
    case CHILD_HUNG:
        log_error("hung", "name=%s pid=%d why=\"no heartbeat\" signal=ABRT", name, (int)event->pid);
        break;
    case CHILD_KILLED:
        log_warn("killed", "name=%s pid=%d why=\"did not end in time\"", name, (int)event->pid);
        break;
    case CHILD_NOT_STARTED:
        log_error("not-started", "name=%s program=%s why=\"%s\" state=%s", name,
                  event->child->argv[0], strerror(event->error),
                  child_state_text(event->child->state));
        self->impossible |=
            event->child->state == CHILD_QUARANTINED && event->child->stage != STAGE_OTHERS;
        break;
    }
    if (self->view)
        view_event(self->view, event);
}

/* A season that is left goes on where it was left, and not days later. */
static void stand_still(struct up *self)
{
    asker_say(self->asker, "CLOCK STAND");
}

static void begin_drain(struct up *self, int code)
{
    if (self->phase != PHASE_DRAIN)
        self->code = code;
    if (self->to && self->broker >= 0 && self->phase == PHASE_NIGHT)
        stand_still(self);
    self->phase = PHASE_DRAIN;
    supervisor_drain(self->supervisor);
}

/* ---- what the broker says of everyone ---- */

static bool text_is(const json_t *object, const char *key, const char *value)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text && !strcmp(text, value);
}

/* A reader has, if its cursor moved or it has nothing left to take; one that mostly acts by itself, if it committed
 * more than the step that says what its last life left behind. */
static bool has_progressed(struct word *word, const json_t *shard, const struct child *child)
{
    json_int_t cursor = json_integer_value(json_object_get(shard, "cursor"));
    json_int_t steps = json_integer_value(json_object_get(shard, "steps"));
    bool acts = !strcmp(child->actor, "poller") || !strcmp(child->actor, "watchdog") ||
                !strcmp(child->actor, "janitor");
    if (word->pid != child->pid) {
        word->pid = child->pid;
        word->cursor = cursor;
        word->steps = steps;
    }
    return acts ? steps > word->steps + 1 : cursor > word->cursor || word->idle;
}

static void take_shard(struct up *self, const json_t *shard, int64_t now)
{
    const char *actor = json_string_value(json_object_get(shard, "actor"));
    int index =
        actor ? supervisor_find(self->supervisor, actor,
                                (unsigned)json_integer_value(json_object_get(shard, "partition")))
              : -1;
    if (index < 0)
        return;
    const struct child *child = supervisor_child(self->supervisor, index);
    struct word *word = &self->words[index];
    const json_t *silent_ms = json_object_get(shard, "silent_ms"); /* null: not connected */
    if (!child->pid || json_integer_value(json_object_get(shard, "pid")) != child->pid ||
        !json_is_integer(silent_ms))
        return;
    word->known = true;
    word->ready = text_is(shard, "state", "ready");
    word->idle = word->ready && json_integer_value(json_object_get(shard, "lag")) == 0;
    word->heard_us = now - json_integer_value(silent_ms) * 1000;
    if (word->ready && has_progressed(word, shard, child))
        supervisor_progressed(self->supervisor, index);
}

/* One that runs shards as the broker says: it is as ready as they are. */
static void take_member(struct up *self, const json_t *status, const json_t *member, int64_t now)
{
    const char *actor = json_string_value(json_object_get(member, "actor"));
    int index = self->members && actor ? supervisor_find(self->supervisor, actor, 0) : -1;
    const struct child *child = index >= 0 ? supervisor_child(self->supervisor, index) : NULL;
    if (!child || !child->pid || json_integer_value(json_object_get(member, "pid")) != child->pid ||
        !text_is(member, "member", self->host))
        return;
    struct members_word word = members_word(status, member, self->host);
    self->words[index].known = true;
    self->words[index].ready = word.ready;
    self->words[index].idle = word.idle;
    self->words[index].heard_us =
        now - json_integer_value(json_object_get(member, "silent_ms")) * 1000;
    if (word.ready)
        supervisor_progressed(self->supervisor, index);
}

/* Behind its last night, too: the clock of a season never goes back. */
static bool in_season(const struct up *self, const struct clock_anchor *anchor)
{
    return self->to && clock_date_of(anchor->league_us) >= self->season.first;
}

/* Does a clock run already, and is it this night's? The clock of another date is not gone on with. */
static bool night_goes_on(const struct up *self, struct clock_anchor *anchor)
{
    char path[CLI_PATH_MAX];
    return clock_anchor_load(cli_path(self->cli, path, "clock"), anchor) == 0 && anchor->running &&
           (!self->date || clock_date_of(anchor->league_us) == self->date ||
            in_season(self, anchor) || anchor->league_us == self->start_us);
}

/* Silence counts only while there was a broker to speak to. */
static void find_hung(struct up *self, int64_t now)
{
    int64_t most = self->settings->watchdog.silence_us;
    for (int i = 0; i < supervisor_count(self->supervisor); i++) {
        const struct child *child = supervisor_child(self->supervisor, i);
        int64_t since = child->started_us;
        if (self->words[i].heard_us > since)
            since = self->words[i].heard_us;
        if (self->broker_up_us > since)
            since = self->broker_up_us;
        if (child->stage == STAGE_ACTORS && child->state == CHILD_RUNNING && self->broker_up_us &&
            now - since > most)
            supervisor_abort(self->supervisor, i);
    }
}

/* A broker that runs and answers nothing. */
static void find_deaf_broker(struct up *self)
{
    int64_t now = clock_mono_us(), heard_us = asker_heard_us(self->asker);
    const struct child *broker =
        self->broker >= 0 ? supervisor_child(self->supervisor, self->broker) : NULL;
    if (!broker || broker->state != CHILD_RUNNING)
        return;
    if (heard_us < broker->started_us)
        heard_us = broker->started_us;
    if (now - heard_us > self->settings->watchdog.silence_us)
        supervisor_abort(self->supervisor, self->broker);
}

static void take_clock(struct up *self)
{
    struct clock_anchor anchor;
    if (!self->anchored && night_goes_on(self, &anchor)) {
        clock_league_set(&anchor);
        self->anchored = true;
    }
}

static void take_status(struct up *self, const char *text)
{
    char why[160];
    json_t *status = json_read(text, strlen(text), why, sizeof why);
    if (!status) {
        log_warn("status-malformed", "why=\"%s\"", why);
        return;
    }
    int64_t now = clock_mono_us();
    if (!self->broker_up_us) {
        self->broker_up_us = now;
        if (self->broker >= 0) /* it answers: its restarts are not in a row */
            supervisor_progressed(self->supervisor, self->broker);
    }
    for (int i = 0; i < SUPERVISOR_CHILDREN_MAX; i++)
        self->words[i].known = self->words[i].ready = self->words[i].idle = false;
    size_t i;
    json_t *shard;
    json_array_foreach(json_object_get(status, "shards"), i, shard)
    {
        take_shard(self, shard, now);
    }
    json_array_foreach(json_object_get(status, "members"), i, shard)
    {
        take_member(self, status, shard, now);
    }
    find_hung(self, now);
    if (self->view)
        view_status(self->view, status);
    json_decref(status);
}

/* Those that cannot come back do not hold up the others. */
static bool everyone(const struct up *self, bool idle)
{
    for (int i = 0; i < supervisor_count(self->supervisor); i++) {
        const struct child *child = supervisor_child(self->supervisor, i);
        if (child->stage != STAGE_ACTORS || child->state == CHILD_QUARANTINED)
            continue;
        if (!self->words[i].known || !(idle ? self->words[i].idle : self->words[i].ready))
            return false;
    }
    return true;
}

/* ---- phases ---- */

static void say_clock(struct up *self, const char *verb)
{
    char words[96];
    snprintf(words, sizeof words, "CLOCK %s %lld %.17g", verb, (long long)self->start_us,
             self->speed);
    free(asker_answer(self->asker)); /* of an earlier word */
    asker_say(self->asker, words);
}

/* True once the broker answered; a refusal ends everything. */
static bool clock_answered(struct up *self)
{
    char *answer = asker_answer(self->asker);
    if (answer && strstr(answer, "\"error\"")) {
        log_error("clock-refused", "answer=%s", answer);
        begin_drain(self, EXIT_BUG);
    }
    bool answered = answer != NULL;
    free(answer);
    return answered;
}

/* It listens: its next exit is the first in a row. Each life announces its port anew. */
static void look_at_upstream(struct up *self)
{
    if (self->upstream_child < 0 || self->upstream_seen || !read_port(self))
        return;
    self->upstream_seen = true;
    supervisor_progressed(self->supervisor, self->upstream_child);
}

static void phase_upstream(struct up *self)
{
    int port = read_port(self);
    if (!port)
        return;
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d", port);
    /* The services that we serve ourselves want a key too, and a real one is not for them. */
    (void)setenv("TIPOFF_BDL_KEY", "upstream", 1);
    (void)setenv("TIPOFF_ODDS_KEY", "upstream", 1);
    add_set(self, "poller.bdl.base_url", url);
    add_set(self, "poller.odds.base_url", url);
    add_set(self, "poller.schedule.base_url", url);
    add_set(self, "poller.bettingpros.base_url", url);
    log_info("upstream-listens", "url=%s", url);
    self->phase = PHASE_ACTORS;
    start_actors(self);
}

static void start_rest(struct up *self)
{
    bool upstream = (self->upstream || self->sim) && wanted(self, "upstream");
    self->phase = upstream ? PHASE_UPSTREAM : PHASE_ACTORS;
    if (upstream)
        start_upstream(self);
    else
        start_actors(self);
}

static void phase_broker(struct up *self)
{
    if (!self->broker_up_us)
        return;
    take_clock(self);
    if (self->anchored ||
        self->start_us == CLOCK_NONE) { /* the night goes on, or it is the real one */
        start_rest(self);
    } else {
        self->phase = PHASE_STAND;
        say_clock(self, "STAND");
    }
}

static void phase_stand(struct up *self)
{
    if (clock_answered(self) && self->phase == PHASE_STAND)
        start_rest(self);
}

static void phase_actors(struct up *self)
{
    if (!everyone(self, false))
        return;
    take_clock(self);
    bool starts = !self->anchored && self->start_us != CLOCK_NONE;
    log_info("ready", "processes=%d clock=%s", supervisor_count(self->supervisor),
             starts           ? "starts"
             : self->anchored ? "continues"
                              : "real");
    self->phase = starts ? PHASE_CLOCK : PHASE_NIGHT;
    if (starts)
        say_clock(self, "START");
}

static void phase_clock(struct up *self)
{
    clock_answered(self);
    take_clock(self);
    if (self->anchored && self->phase == PHASE_CLOCK) {
        char now[CLOCK_TEXT_SIZE];
        clock_format_utc(clock_league_us(), now);
        log_info("clock-started", "league=%s speed=%g", now, self->speed);
        self->phase = PHASE_NIGHT;
    }
}

static void say_night(const struct night *before, const struct night *now)
{
    for (int i = 0; i < now->games; i++) {
        const struct msg_row_game *game = &now->game[i];
        const char *status = "";
        for (int k = 0; k < before->games; k++)
            if (!strcmp(before->game[k].game_id, game->game_id))
                status = before->game[k].status;
        if (strcmp(status, game->status) != 0)
            log_info("game", "id=%s teams=%s-%s status=%s score=%lld-%lld", game->game_id,
                     game->away, game->home, game->status,
                     (long long)(game->away_score == MESSAGE_NONE ? 0 : game->away_score),
                     (long long)(game->home_score == MESSAGE_NONE ? 0 : game->home_score));
    }
}

static void look_at_night(struct up *self)
{
    static struct night night;
    int32_t date =
        self->date ? self->date
                   : clock_league_day(clock_league_us(), (int)self->settings->day.rollover_hour);
    if (night_read(self->reader, date, &night) != 0)
        return;
    if (!self->view)
        say_night(&self->night, &night);
    self->night = night;
}

/* ---- one night after the other ---- */

static void say_night_over(const struct up *self, const char *tag)
{
    char date[CLOCK_DATE_SIZE];
    clock_format_date(self->season.date, date);
    log_info(tag, "games=%d final=%d predictions=%d graded=%d date=%s day=%d of=%d",
             self->night.games, self->night.final, self->night.predictions, self->night.graded,
             date, self->season.number, self->season.total);
}

/* False: it was the last. */
static bool next_night(struct up *self)
{
    char why[256] = "";
    int taken = season_take(&self->season, clock_date_add(self->season.date, 1), why, sizeof why);
    if (taken != 0) {
        if (taken < 0)
            log_error("schedule-unreadable", "why=\"%s\"", why);
        return false;
    }
    self->date = self->season.date;
    self->start_us = self->season.start_us;
    self->last_tip_us = self->season.last_tip_us;
    self->quiet = 0;
    self->leaping = true;
    memset(&self->night, 0, sizeof self->night);
    if (self->view)
        view_night(self->view, self->date);
    return true;
}

/* Over the hours between two nights, once nobody has anything left to do: until then they are lived. The broker stops at what falls due for
 * later; then it is asked again. */
static void leap(struct up *self)
{
    char words[64];
    char path[CLI_PATH_MAX];
    struct clock_anchor anchor;
    char *answer = asker_answer(self->asker);
    if (answer && clock_anchor_load(cli_path(self->cli, path, "clock"), &anchor) == 0)
        clock_league_set(&anchor);
    free(answer);
    self->quiet = everyone(self, true) ? self->quiet + 1 : 0;
    if (clock_league_us() >= self->start_us) {
        self->leaping = false;
        self->quiet = 0;
    } else if (self->quiet >= QUIET_STATUSES) {
        snprintf(words, sizeof words, "CLOCK LEAP %lld", (long long)self->start_us);
        asker_say(self->asker, words);
        self->quiet = 0;
    }
}

/* Deadlines of the last night lie behind its end: the season is over once its morning has come and the watchdog has judged what was due. */
static void close_season(struct up *self)
{
    self->closing = self->leaping = true;
    self->start_us = season_morning_us(&self->season);
    self->quiet = 0;
}

static void leave_night(struct up *self, const char *tag)
{
    say_night_over(self, tag);
    if (!next_night(self))
        close_season(self);
}

/* What a night still lacks in the morning is the ledger's to say: the next one does not wait for it. */
static void phase_season(struct up *self)
{
    if (self->leaping) {
        leap(self);
        return;
    }
    bool over = self->closing ? self->night.undecided == 0 : night_over(&self->night);
    self->quiet = over && everyone(self, true) ? self->quiet + 1 : 0;
    if (self->quiet >= QUIET_STATUSES && !self->closing) {
        leave_night(self, "night-over");
    } else if (self->quiet >= QUIET_STATUSES && self->until_final) {
        say_night_over(self, "season-over");
        begin_drain(self, EXIT_OK);
    } else if (!self->closing && clock_league_us() >= season_morning_us(&self->season)) {
        leave_night(self, "night-unfinished");
    }
}

static void phase_one_night(struct up *self)
{
    bool over = night_over(&self->night) && everyone(self, true);
    self->quiet = over ? self->quiet + 1 : 0;
    if (self->quiet >= QUIET_STATUSES) {
        say_night_over(self, "night-over");
        begin_drain(self, EXIT_OK);
    } else if (self->last_tip_us != CLOCK_NONE &&
               clock_league_us() > self->last_tip_us + OVERDUE_US) {
        log_error("night-impossible",
                  "why=\"not over so long after its last tip\" games=%d final=%d predictions=%d "
                  "graded=%d",
                  self->night.games, self->night.final, self->night.predictions,
                  self->night.graded);
        begin_drain(self, EXIT_NO);
    }
}

static void phase_night(struct up *self, bool news)
{
    if ((!self->until_final && !self->to) || !news)
        return;
    if (self->to)
        phase_season(self);
    else
        phase_one_night(self);
    if (self->impossible && self->until_final && self->phase == PHASE_NIGHT) {
        log_error("night-impossible", "why=\"a process is quarantined\"");
        begin_drain(self, EXIT_NO);
    }
}

static void take_phase(struct up *self, bool news)
{
    enum phase before;
    do {
        before = self->phase;
        if (before == PHASE_BROKER)
            phase_broker(self);
        else if (before == PHASE_STAND)
            phase_stand(self);
        else if (before == PHASE_UPSTREAM)
            phase_upstream(self);
        else if (before == PHASE_ACTORS)
            phase_actors(self);
        else if (before == PHASE_CLOCK)
            phase_clock(self);
        else if (before == PHASE_NIGHT)
            phase_night(self, news);
    } while (self->phase != before && self->phase != PHASE_NIGHT && self->phase != PHASE_DRAIN);
    if (self->impossible && self->until_final && self->phase < PHASE_NIGHT) {
        log_error("night-impossible", "why=\"a process is quarantined\"");
        begin_drain(self, EXIT_NO);
    }
}

/* ---- the loop ---- */

static void take_signals(struct up *self)
{
    for (int signal; (signal = process_signal_next(self->signal_fd)) != 0;) {
        bool hung_up = signal == SIGHUP && self->view; /* the terminal it is shown on is gone */
        if (signal != SIGTERM && signal != SIGINT && !hung_up)
            continue;
        log_info("draining", "signal=%s",
                 signal == SIGINT    ? "INT"
                 : signal == SIGTERM ? "TERM"
                                     : "HUP");
        begin_drain(self, EXIT_OK);
    }
}

static void wait_for_news(struct up *self)
{
    struct pollfd fds[] = {{.fd = self->signal_fd, .events = POLLIN},
                           {.fd = asker_fd(self->asker), .events = POLLIN},
                           {.fd = exits_fd(self->exits), .events = POLLIN}};
    int64_t wait_us = TURN_MOST_US, child_us = supervisor_timeout_us(self->supervisor),
            exits_us = exits_timeout_us(self->exits);
    if (child_us < wait_us)
        wait_us = child_us;
    if (exits_us < wait_us)
        wait_us = exits_us;
    /* The port file is the one thing that announces itself to nobody. */
    if (self->phase == PHASE_UPSTREAM && wait_us > 10000)
        wait_us = 10000;
    struct timespec wait = {.tv_sec = wait_us / 1000000, .tv_nsec = wait_us % 1000000 * 1000};
    ppoll(fds, sizeof fds / sizeof *fds, &wait, NULL);
}

/* Nothing waits for the next STATUS but those who look. */
static bool is_steady(const struct up *self)
{
    return self->phase == PHASE_NIGHT && !self->until_final && everyone(self, false);
}

static void run_loop(struct up *self)
{
    while (!supervisor_drained(self->supervisor)) {
        wait_for_news(self);
        take_signals(self);
        supervisor_turn(self->supervisor);
        asker_turn(self->asker);
        exits_turn(self->exits);
        char *status = asker_status(self->asker);
        if (status)
            take_status(self, status);
        int64_t now = clock_mono_us();
        int64_t interval_us = self->to ? SEASON_INTERVAL_US : NIGHT_INTERVAL_US;
        if (self->phase == PHASE_NIGHT && now - self->night_read_us >= interval_us) {
            self->night_read_us = now;
            look_at_night(self);
        }
        find_deaf_broker(self);
        look_at_upstream(self);
        take_phase(self, status != NULL);
        asker_every(self->asker, is_steady(self) ? STEADY_INTERVAL_US
                                 : self->to      ? SEASON_INTERVAL_US
                                                 : STATUS_INTERVAL_US);
        free(status);
        if (self->view)
            view_draw(self->view, self->supervisor, &self->night);
    }
}

/* ---- from the first line to the last ---- */

/* Which night is in hand: the first one, or the one in which an earlier life of us ended. */
static int find_night(struct up *self)
{
    static char league[CLI_PATH_MAX];
    char why[256] = "", text[CLOCK_DATE_SIZE], clock[CLI_PATH_MAX];
    struct clock_anchor anchor;
    struct season *season = &self->season;
    int32_t date = season->first;
    if (self->to && clock_anchor_load(cli_path(self->cli, clock, "clock"), &anchor) == 0 &&
        in_season(self, &anchor)) {
        clock_league_set(&anchor);
        date = season_at(season, clock_league_us());
        if (!anchor.running && self->start_us == CLOCK_NONE)
            self->start_us = anchor.league_us; /* it was made to stand: it goes on from there */
    }
    season->root = self->sim ? cli_path(self->cli, league, "league") : self->upstream;
    int taken = season_take(season, date, why, sizeof why);
    if (taken != 0 && self->sim) { /* the league is not made yet */
        season->root = NULL;
        taken = season_take(season, date, why, sizeof why);
    }
    clock_format_date(date, text);
    return taken < 0   ? cli_fail(self->cli, EXIT_DATA, "%s", why)
           : taken > 0 ? cli_fail(self->cli, EXIT_NO, "%s has no game on %s", season->root, text)
                       : EXIT_OK;
}

/* When the night of --date begins, unless it goes on already. */
static int find_start(struct up *self)
{
    struct clock_anchor anchor;
    self->season = (struct season){.first = self->date,
                                   .last = self->to ? self->to : self->date,
                                   .lead_us = self->lead_us,
                                   .rollover_hour = (int)self->settings->day.rollover_hour};
    if (night_goes_on(self, &anchor) && self->has_speed && anchor.speed != self->speed)
        log_warn("speed-kept", "speed=%g asked=%g why=\"the night goes on on its clock\"",
                 anchor.speed, self->speed);
    if (!self->date) {
        if (self->start_us == CLOCK_NONE && self->has_speed)
            self->start_us = clock_real_us();
        return EXIT_OK;
    }
    int code = find_night(self);
    if (code)
        return code;
    self->date = self->season.date;
    self->last_tip_us = self->season.last_tip_us;
    if (self->start_us == CLOCK_NONE)
        self->start_us = self->season.start_us;
    return EXIT_OK;
}

static int prepare(struct up *self)
{
    static char host[65];
    if (!self->host) {
        if (gethostname(host, sizeof host - 1) != 0)
            strcpy(host, "localhost");
        self->host = host;
    }
    int code = make_folders(self);
    if (!code)
        code = take_lock(self);
    if (!code)
        code = sweep_orphans(self);
    if (!code)
        code = write_registry(self);
    if (!code)
        code = find_start(self);
    for (size_t i = 0; i < self->cli->set_count; i++)
        self->sets[self->set_count++] = self->cli->sets[i];
    cli_path(self->cli, self->port_path, "upstream.port");
    return code;
}

static int open_all(struct up *self)
{
    static char pids_path[CLI_PATH_MAX], env_path[CLI_PATH_MAX];
    const struct settings *settings = self->settings;
    struct supervisor_options options = {
        .policy = {.backoff_base_us = settings->supervisor.backoff_base_us,
                   .backoff_cap_us = settings->supervisor.backoff_cap_us,
                   .crash_loop = (int)settings->supervisor.crash_loop},
        .drain_us = settings->supervisor.drain_us,
        .pids_path = cli_path(self->cli, pids_path, "pids"),
        .event = on_event,
        .context = self,
    };
    self->signal_fd = process_signals_open(true);
    self->supervisor = supervisor_new(&options);
    self->asker = asker_open(settings->broker.control_endpoint,
                             self->to ? SEASON_INTERVAL_US : STATUS_INTERVAL_US);
    self->exits = exits_open(settings->broker.endpoint, self->host,
                             cli_path(self->cli, env_path, "supervisor.env"));
    self->reader = night_open(self->cli->dir);
    if (self->signal_fd < 0 || !self->supervisor || !self->asker || !self->exits || !self->reader)
        return cli_fail(self->cli, EXIT_UNREACHABLE, "cannot start: %s", strerror(errno));
    if (isatty(STDOUT_FILENO) && !self->cli->json) {
        /* The screen is the view's; the lines go where the children's go. */
        char log_path[CLI_PATH_MAX];
        int fd = open(cli_path(self->cli, log_path, "logs/up.log"),
                      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (fd >= 0) {
            dup2(fd, STDERR_FILENO);
            close(fd);
        }
        self->view = view_open(stdout, self->date);
    }
    return EXIT_OK;
}

/* Nothing ever ran there, or only an import of the league that did not come to its end. 1: so; 0: not; -1: said. */
static int league_missing(const struct up *self)
{
    char path[CLI_PATH_MAX], why[256];
    if (access(cli_path(self->cli, path, "log"), F_OK) != 0)
        return 1;
    if (access(cli_path(self->cli, path, "league"), F_OK) != 0)
        return 0;
    struct import_seen *seen = import_seen_load(self->cli->dir, why, sizeof why);
    if (!seen) {
        (void)cli_fail(self->cli, EXIT_DATA, "%s", why);
        return -1;
    }
    int missing = !import_seen_any(seen);
    import_seen_free(&seen);
    return missing;
}

/* The simulated league has a past, and its teams and players are known from there: it is imported first. */
static int league_past(const struct up *self)
{
    char date[CLOCK_DATE_SIZE], to[CLOCK_DATE_SIZE];
    if (!self->sim || !wanted(self, "broker") || !wanted(self, "upstream"))
        return EXIT_OK;
    int missing = league_missing(self);
    if (missing <= 0)
        return missing < 0 ? EXIT_DATA : EXIT_OK;
    if (mkdir(self->cli->dir, 0755) != 0 && errno != EEXIST)
        return cli_fail(self->cli, EXIT_UNREACHABLE, "%s: %s", self->cli->dir, strerror(errno));
    clock_format_date(self->date, date);
    if (self->to)
        clock_format_date(self->to, to);
    return sibling_league(self->cli, self->cli->dir, self->seed ? self->seed : "1", date,
                          self->to ? to : NULL);
}

static int up_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    static struct up self;
    self = (struct up){.cli = cli,
                       .settings = cli->settings,
                       .lock_fd = -1,
                       .signal_fd = -1,
                       .broker = -1,
                       .upstream_child = -1};
    log_init("up", (enum log_level)cli->settings->log.level,
             cli->settings->log.format == LOG_FORMAT_JSON);
    int code = read_options(&self);
    if (!code)
        code = league_past(&self);
    if (!code)
        code = prepare(&self);
    if (!code)
        code = open_all(&self);
    if (!code) {
        if (wanted(&self, "broker"))
            self.broker = add_child(&self, "broker", 0, STAGE_BROKER, false, NULL);
        run_loop(&self);
        code = self.code;
        log_info("down", "code=%d", code);
    }
    bool viewed = self.view != NULL;
    view_close(&self.view);
    if (viewed) /* the screen is gone; what it showed last stays */
        printf("%d games, %d final; %d predictions, %d graded\n", self.night.games,
               self.night.final, self.night.predictions, self.night.graded);
    night_close(&self.reader);
    supervisor_free(&self.supervisor);
    asker_close(&self.asker);
    exits_close(&self.exits);
    if (self.signal_fd >= 0)
        close(self.signal_fd);
    if (self.lock_fd >= 0)
        close(self.lock_fd);
    return code;
}

static const struct command_option options[] = {
    {"upstream", "ROOT|sim[:SEED]",
     "serve recorded nights of a data root, or the simulated league, and poll that"},
    {"date", "D", "the night to live (YYYY-MM-DD); without it, whatever is on"},
    {"to", "D",
     "... and those after it, to this one; league time leaps over the hours in which nothing is "
     "left to do"},
    {"lead", "HOURS",
     "a night begins so long before its first tip (1; of the simulated league: at noon)"},
    {"speed", "X", "league seconds in a real one (1)"},
    {"start", "INSTANT", "where the clock starts; default: an hour before the first tip of D"},
    {"until-final", NULL, "end in order once every game of D is final and graded"},
    {"only", "NAME,...", "only these processes (broker, upstream, poller, ...)"},
    {"host", "NAME", "what this host is called; default: its own name"},
    {"members", NULL,
     "of processor, features, predictor, grader: the shards that the broker gives this host"},
    {NULL, NULL, NULL},
};

const struct command command_up = {
    .name = "up",
    .args = "",
    .summary = "start everything of this host and keep it up",
    .options = options,
    .run = up_run,
};
