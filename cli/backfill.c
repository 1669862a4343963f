/* tipoff backfill - has history polled beside the live night: one day at a time, never faster than the budget. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "actors/scoreboard/tables.h"
#include "cli/command.h"
#include "cli/say.h"
#include "config/clock.h"
#include "config/disk.h"
#include "config/exit.h"
#include "config/settings.h"
#include "schema/json.h"
#include "schema/messages.h"

#define PATIENCE_US INT64_C(30000000)
#define ANSWER_US INT64_C(180000000) /* real time that one poll may take, retries and all */
#define LOOK_US 50000
#define DAYS_MAX 400
#define PER_MINUTE 20

/* Feeds of the poller that are asked for by date, and the name of their runs. */
static const struct {
    const char *feed, *run;
} feeds[] = {{"bdl_games", "PollBdlGames"}, {"bdl_box_scores", "PollBdlBoxScores"}};

struct backfill {
    const struct cli *cli;
    const char *feed, *run;
    int32_t from, to;
    int64_t per_minute;
    int64_t days, done, news, unchanged, empty, failed;
    int64_t next_us; /* monotonic: not before */
    bool terminal;
    char last_error[260];
};

/* ---- what became of the poll ---- */

struct seen {
    const struct backfill *of;
    struct msg_ops_run run;
    bool found;
    int64_t count, was; /* runs there are; that there were before it was asked for */
};

static int count_run(void *context, int32_t date, const struct table_mark *mark,
                     const void *message)
{
    struct seen *seen = context;
    const struct msg_ops_run *run = message;
    (void)date;
    (void)mark;
    if (strcmp(run->name, seen->of->run) != 0)
        return 0;
    /* A failed attempt is tried again by the poller: the last of them counts. */
    if (++seen->count > seen->was) {
        seen->run = *run;
        seen->found = true;
    }
    return 0;
}

/* How many runs of the feed there are for the day; the newest behind the first `was` in *seen. A store_error. */
static int look(const struct backfill *self, int32_t date, struct seen *seen)
{
    int error;
    struct store_txn *txn;
    struct store *store = tables_open(self->cli->dir, &error);
    seen->of = self;
    seen->count = 0;
    seen->found = false;
    if (!store)
        return error == STORE_NOT_FOUND ? STORE_OK : error;
    error = store_begin(store, false, &txn);
    if (!error) {
        error = table_each(txn, TABLE_POLL, date, date, NULL, &msg_ops_run_desc, count_run, seen);
        store_abort(&txn);
    }
    store_close(&store);
    return error;
}

static void nap(int64_t us)
{
    const struct timespec pause = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    (void)nanosleep(&pause, NULL);
}

static bool is(const struct msg_ops_run *run, const char *outcome)
{
    return strcmp(run->outcome, outcome) == 0;
}

/* It failed for good: nobody tries again. */
static bool settled(const struct seen *seen, int64_t retries)
{
    bool bad = is(&seen->run, "failed") || is(&seen->run, "timeout");
    return seen->found && (!bad || seen->run.attempt > retries ||
                           strcmp(seen->run.error_class, "unauthorized") == 0 ||
                           strcmp(seen->run.error_class, "rate_limited") == 0);
}

/* ---- a day ---- */

static int ask(const struct backfill *self, const char *subject)
{
    struct msg_ops_command command;
    uint64_t position;
    message_clear(&msg_ops_command_desc, &command);
    snprintf(command.target, sizeof command.target, "poller");
    snprintf(command.verb, sizeof command.verb, "poll");
    snprintf(command.subject, sizeof command.subject, "%s", subject);
    say_who(command.by, sizeof command.by);
    snprintf(command.command_id, sizeof command.command_id, "backfill:%.30s:%" PRIx64,
             subject + strlen(subject) - 10, (uint64_t)clock_real_us());
    return say_record(self->cli, &msg_ops_command_desc, &command, NULL, 0, PATIENCE_US, &position);
}

static void count(struct backfill *self, const struct msg_ops_run *run)
{
    self->news += is(run, "success") || is(run, "partial");
    self->unchanged += is(run, "unchanged");
    self->empty += is(run, "empty_ok") || is(run, "no_data_yet");
    if (is(run, "failed") || is(run, "timeout") || is(run, "crashed")) {
        self->failed++;
        snprintf(self->last_error, sizeof self->last_error, "%s: %.220s", run->error_class,
                 run->error_message[0] ? run->error_message : run->outcome);
    }
}

static void progress(const struct backfill *self, const char *day, const char *outcome)
{
    if (self->cli->json && !self->terminal)
        return;
    fprintf(stderr, "%s%s  %-12s %" PRId64 " of %" PRId64 " days%s", self->terminal ? "\r" : "",
            day, outcome, self->done, self->days, self->terminal ? "  \x1b[K" : "\n");
    if (self->terminal && self->done == self->days)
        fputc('\n', stderr);
}

/* What is left of a disk is the live night's. */
static int disk_check(const struct backfill *self, const char *day)
{
    int64_t free_bytes = disk_free_bytes(self->cli->dir),
            least = self->cli->settings->janitor.disk_stop;
    if (free_bytes < 0 || free_bytes >= least)
        return EXIT_OK;
    return cli_fail(self->cli, EXIT_AGAIN,
                    "%s: %" PRId64 " MiB free, less than %" PRId64
                    " (janitor.disk_stop): nothing more is taken in; go on with --from %s",
                    self->cli->dir, free_bytes >> 20, least >> 20, day);
}

static int day_poll(struct backfill *self, int32_t date)
{
    char day[CLOCK_DATE_SIZE], subject[80];
    struct seen seen = {.of = self};
    clock_format_date(date, day);
    int code = disk_check(self, day);
    if (code)
        return code;
    snprintf(subject, sizeof subject, "%s:%s", self->feed, day);
    while (clock_mono_us() < self->next_us)
        nap(self->next_us - clock_mono_us());
    self->next_us = clock_mono_us() + 60000000 / self->per_minute;
    seen.was = INT64_MAX;
    int error = look(self, date, &seen);
    if (error)
        return cli_fail(self->cli, EXIT_DATA, "the tables cannot be read: %s",
                        store_error_text(error));
    seen.was = seen.count;
    code = ask(self, subject);
    if (code)
        return code;
    int64_t until_us = clock_mono_us() + ANSWER_US;
    while (!look(self, date, &seen) && !settled(&seen, self->cli->settings->poller.retries)) {
        if (clock_mono_us() > until_us)
            return cli_fail(self->cli, EXIT_AGAIN,
                            "%s was not polled within %d s; go on with --from %s", subject,
                            (int)(ANSWER_US / 1000000), day);
        nap(LOOK_US);
    }
    self->done++;
    count(self, &seen.run);
    progress(self, day, seen.run.outcome);
    if (!strcmp(seen.run.error_class, "rate_limited") ||
        !strcmp(seen.run.error_class, "unauthorized"))
        return cli_fail(self->cli, EXIT_AGAIN, "%s: %s; go on with --from %s", subject,
                        self->last_error, day);
    return EXIT_OK;
}

/* ---- all of it ---- */

static void print_all(const struct backfill *self, double seconds)
{
    if (!self->cli->json) {
        printf("%" PRId64 " days of %s in %.1f s: %" PRId64 " news, %" PRId64 " unchanged, %" PRId64
               " empty, %" PRId64 " failed%s%s\n",
               self->done, self->feed, seconds, self->news, self->unchanged, self->empty,
               self->failed, self->failed ? ", last " : "", self->last_error);
        return;
    }
    json_t *out = json_object();
    json_object_set_new(out, "feed", json_string(self->feed));
    json_object_set_new(out, "from", json_of_date(self->from));
    json_object_set_new(out, "to", json_of_date(self->to));
    json_object_set_new(out, "days", json_integer(self->done));
    json_object_set_new(out, "success", json_integer(self->news));
    json_object_set_new(out, "unchanged", json_integer(self->unchanged));
    json_object_set_new(out, "empty", json_integer(self->empty));
    json_object_set_new(out, "failed", json_integer(self->failed));
    json_object_set_new(out, "last_error",
                        self->last_error[0] ? json_of_string(self->last_error) : json_null());
    json_object_set_new(out, "seconds", json_of_number(seconds));
    json_print(stdout, out, 0);
    putchar('\n');
    json_decref(out);
}

/* 0, or an exit code, said. */
static int options_read(struct cli *cli, struct backfill *self)
{
    const char *feed = cli_option(cli, "feed");
    int code = cli_date(cli, "from", &self->from);
    if (!code)
        code = cli_date(cli, "to", &self->to);
    if (!code)
        code = cli_integer(cli, "per-minute", 1, 6000, &self->per_minute);
    if (code)
        return code;
    for (size_t i = 0; feed && i < sizeof feeds / sizeof *feeds; i++)
        if (!strcmp(feed, feeds[i].feed)) {
            self->feed = feeds[i].feed;
            self->run = feeds[i].run;
        }
    if (!self->feed)
        return cli_fail(cli, EXIT_USAGE, "--feed: %s or %s", feeds[0].feed, feeds[1].feed);
    if (!self->from || !self->to || self->from > self->to)
        return cli_fail(cli, EXIT_USAGE, "wants --from D and --to D, not later");
    for (int32_t date = self->from; date <= self->to && self->days <= DAYS_MAX;
         date = clock_date_add(date, 1))
        self->days++;
    return self->days > DAYS_MAX ? cli_fail(cli, EXIT_USAGE, "%d days at most at once", DAYS_MAX)
                                 : EXIT_OK;
}

static int backfill_run(struct cli *cli, int argc, char **argv)
{
    struct backfill self = {
        .cli = cli, .per_minute = PER_MINUTE, .terminal = isatty(STDERR_FILENO) == 1};
    (void)argc;
    (void)argv;
    int code = options_read(cli, &self);
    if (code)
        return code;
    int64_t began_us = clock_mono_us();
    for (int32_t date = self.from; date <= self.to && !code; date = clock_date_add(date, 1))
        code = day_poll(&self, date);
    print_all(&self, (double)(clock_mono_us() - began_us) / 1e6);
    return code ? code : self.failed ? EXIT_NO : EXIT_OK;
}

static const struct command_option options[] = {
    {"feed", "F", "bdl_games or bdl_box_scores"},
    {"from", "D", "the first day"},
    {"to", "D", "the last day"},
    {"per-minute", "N", "requests a minute at most (20)"},
    {NULL, NULL, NULL},
};

const struct command command_backfill = {
    .name = "backfill",
    .args = "",
    .summary = "Has history polled beside the live night, day by day, within a budget.",
    .options = options,
    .run = backfill_run,
};
