/* tipoff backfill - has history polled beside the live night: one day at a time, never faster than the budget. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "actors/scoreboard/tables.h"
#include "cli/command.h"
#include "cli/past.h"
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
#define FEEDS "bdl_games, bdl_box_scores, bdl_stats or odds_history"

#define BEFORE_MAX 8 /* snapshots of one event */
#define BEFORE "15"  /* minutes before its start: the tip is ten minutes sooner */
#define CREDITS 1000
#define LIST_CREDITS 1
#define MARKET_CREDITS 10 /* of the past, each market and region */
#define GAME_MARKETS 3    /* asked for beside those of players */
#define LIST_HOUR 9       /* by then a day's events are known, and none has begun */

struct backfill {
    const struct cli *cli;
    const struct feed *feed;
    int32_t from, to;
    int64_t per_minute;
    int64_t before[BEFORE_MAX], credits, spent;
    int before_count;
    int64_t days, done, news, unchanged, empty, failed;
    int64_t next_us; /* monotonic: not before */
    bool terminal;
    char last_error[260], outcome[20];
};

/* What of the past can be asked for: its name, that of its runs, and what a day of it is. */
struct feed {
    const char *name, *run;
    int (*day)(struct backfill *self, int32_t date); /* 0, or an exit code, said */
};

/* ---- what became of the poll ---- */

struct seen {
    const char *name; /* of the runs */
    struct msg_ops_run run;
    int64_t count, was; /* runs there are; that there were before it was asked for */
    int64_t at;         /* which of them `run` is; 0: none yet */
    int64_t retries;
};

static bool is(const struct msg_ops_run *run, const char *outcome)
{
    return strcmp(run->outcome, outcome) == 0;
}

/* Refused as it was asked: the same question again has the same answer. */
static bool refused(const struct msg_ops_run *run)
{
    return !strcmp(run->error_class, "too_large") ||
           (!strncmp(run->error_message, "status 4", 8) &&
            strcmp(run->error_message, "status 408") != 0);
}

/* It came, or it failed for good: nobody tries again. */
static bool settled(const struct seen *seen)
{
    const struct msg_ops_run *run = &seen->run;
    bool bad = is(run, "failed") || is(run, "timeout");
    return seen->at && (!bad || run->attempt > seen->retries || refused(run) ||
                        strcmp(run->error_class, "unauthorized") == 0 ||
                        strcmp(run->error_class, "rate_limited") == 0);
}

static int count_run(void *context, int32_t date, const struct table_mark *mark,
                     const void *message)
{
    struct seen *seen = context;
    const struct msg_ops_run *run = message;
    (void)date;
    (void)mark;
    if (strcmp(run->name, seen->name) != 0)
        return 0;
    /* A failed attempt is tried again by the poller: the first that settles it counts. */
    if (++seen->count > seen->was && !settled(seen)) {
        seen->run = *run;
        seen->at = seen->count;
    }
    return 0;
}

/* How many runs of that name there are for the day; the first behind `was` that settles it, or the newest of them, in *seen. A store_error. */
static int look(const struct backfill *self, int32_t date, struct seen *seen)
{
    int error;
    struct store_txn *txn;
    struct store *store = tables_open(self->cli->dir, &error);
    seen->count = seen->at = 0;
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

/* Waits until the run behind the last one that was seen is settled. 0, or an exit code, said. */
static int await(struct backfill *self, const char *subject, int32_t date, struct seen *seen)
{
    int64_t until_us = clock_mono_us() + ANSWER_US;
    while (!look(self, date, seen) && !settled(seen)) {
        if (clock_mono_us() > until_us)
            return cli_fail(self->cli, EXIT_AGAIN, "%s was not polled within %d s", subject,
                            (int)(ANSWER_US / 1000000));
        nap(LOOK_US);
    }
    count(self, &seen->run);
    return !strcmp(seen->run.error_class, "rate_limited") ||
                   !strcmp(seen->run.error_class, "unauthorized")
               ? cli_fail(self->cli, EXIT_AGAIN, "%s: %s", subject, self->last_error)
               : EXIT_OK;
}

/* Waits for its turn, asks, and waits for what becomes of it. `date`: of the run. 0, or an exit code, said. */
static int poll_one(struct backfill *self, const char *subject, const char *run, int32_t date,
                    struct seen *seen)
{
    *seen = (struct seen){
        .name = run, .was = INT64_MAX, .retries = self->cli->settings->poller.retries};
    while (clock_mono_us() < self->next_us)
        nap(self->next_us - clock_mono_us());
    self->next_us = clock_mono_us() + 60000000 / self->per_minute;
    int error = look(self, date, seen);
    if (error)
        return cli_fail(self->cli, EXIT_DATA, "the tables cannot be read: %s",
                        store_error_text(error));
    seen->was = seen->count;
    int code = ask(self, subject);
    return code ? code : await(self, subject, date, seen);
}

static int day_poll(struct backfill *self, int32_t date)
{
    char day[CLOCK_DATE_SIZE], subject[80];
    struct seen seen;
    clock_format_date(date, day);
    snprintf(subject, sizeof subject, "%s:%s", self->feed->name, day);
    int code = poll_one(self, subject, self->feed->run, date, &seen);
    snprintf(self->outcome, sizeof self->outcome, "%s", seen.run.outcome);
    return code;
}

/* The poller asks for each page behind the first by itself; they are of the budget nonetheless. */
static int pages_poll(struct backfill *self, int32_t date)
{
    char day[CLOCK_DATE_SIZE], subject[120], why[200] = "";
    struct seen seen;
    int64_t cursor = 0;
    clock_format_date(date, day);
    snprintf(subject, sizeof subject, "%s:%s", self->feed->name, day);
    int code = poll_one(self, subject, self->feed->run, date, &seen);
    snprintf(self->outcome, sizeof self->outcome, "%s", seen.run.outcome);
    while (!code && !is(&seen.run, "failed") && !is(&seen.run, "timeout")) {
        code = past_page_next(self->cli->dir, subject, &cursor, why, sizeof why);
        if (code)
            return cli_fail(self->cli, code, "%s", why);
        if (cursor <= 0)
            break;
        snprintf(subject, sizeof subject, "%s:%s+%" PRId64, self->feed->name, day, cursor);
        self->next_us += 60000000 / self->per_minute;
        seen.was = seen.at;
        code = await(self, subject, date, &seen);
    }
    return code;
}

/* ---- a day of odds ---- */

static void instant_text(int64_t instant_us, char text[20])
{
    char whole[CLOCK_TEXT_SIZE];
    clock_format_utc(instant_us, whole);
    snprintf(text, 20, "%.4s%.2s%.2sT%.2s%.2s%.2sZ", whole, whole + 5, whole + 8, whole + 11,
             whole + 14, whole + 17);
}

static bool afford(struct backfill *self, int64_t credits)
{
    bool enough = self->spent + credits <= self->credits;
    self->spent += enough ? credits : 0;
    return enough;
}

/* One snapshot of one event; one that the log holds is paid for, and does not change. */
static int snapshot_poll(struct backfill *self, const struct past_odds *past,
                         const struct past_odds_event *event, int64_t before_min)
{
    const struct settings *settings = self->cli->settings;
    char at[20], subject[121];
    struct seen seen;
    int64_t at_us = event->commence_us - before_min * 60000000;
    int64_t cost = MARKET_CREDITS * (GAME_MARKETS + settings->poller.odds.markets.count) *
                   settings->poller.odds.regions.count;
    instant_text(at_us, at);
    snprintf(subject, sizeof subject, "odds_history:%s@%s", event->event_id, at);
    if (past_odds_has(past, subject)) {
        self->unchanged++;
        return EXIT_OK;
    }
    if (!afford(self, cost))
        return cli_fail(self->cli, EXIT_AGAIN,
                        "%s would cost %" PRId64 " credits, and %" PRId64 " of %" PRId64
                        " are spent (--credits)",
                        subject, cost, self->spent, self->credits);
    return poll_one(self, subject, "PollOddsHistory",
                    clock_league_day(at_us, (int)settings->day.rollover_hour), &seen);
}

/* The day's events as they were listed in its morning, then each event so long before its start. */
static int odds_poll(struct backfill *self, int32_t date)
{
    int rollover = (int)self->cli->settings->day.rollover_hour;
    char at[20], subject[80], why[200] = "";
    struct past_odds past;
    struct seen seen;
    instant_text(clock_date_start_us(date) + LIST_HOUR * INT64_C(3600000000), at);
    snprintf(subject, sizeof subject, "odds_history_events:%s", at);
    if (!afford(self, LIST_CREDITS))
        return cli_fail(self->cli, EXIT_AGAIN, "all %" PRId64 " credits are spent (--credits)",
                        self->credits);
    int code = poll_one(self, subject, "PollOddsHistoryEvents", date, &seen);
    snprintf(self->outcome, sizeof self->outcome, "%s", seen.run.outcome);
    if (code || is(&seen.run, "failed") || is(&seen.run, "timeout"))
        return code;
    code = past_odds_read(&past, self->cli->dir, subject, date, rollover, why, sizeof why);
    if (code)
        code = cli_fail(self->cli, code, "%s", why);
    for (size_t i = 0; i < past.event_count && !code; i++)
        for (int j = 0; j < self->before_count && !code; j++)
            code = snapshot_poll(self, &past, &past.events[i], self->before[j]);
    past_odds_free(&past);
    return code;
}

static const struct feed feeds[] = {{"bdl_games", "PollBdlGames", day_poll},
                                    {"bdl_box_scores", "PollBdlBoxScores", day_poll},
                                    {"bdl_stats", "PollBdlStats", pages_poll},
                                    {"odds_history", "PollOddsHistory", odds_poll}};

/* One day; where to go on is said if it cannot be. */
static int day_fill(struct backfill *self, int32_t date)
{
    char day[CLOCK_DATE_SIZE];
    clock_format_date(date, day);
    int code = disk_check(self, day);
    if (code)
        return code;
    code = self->feed->day(self, date);
    if (code) {
        fprintf(stderr, "go on with --from %s\n", day);
        return code;
    }
    self->done++;
    progress(self, day, self->outcome);
    return EXIT_OK;
}

/* ---- all of it ---- */

static void print_all(const struct backfill *self, double seconds)
{
    if (!self->cli->json) {
        printf("%" PRId64 " days of %s in %.1f s: %" PRId64 " news, %" PRId64 " unchanged, %" PRId64
               " empty, %" PRId64 " failed%s%s\n",
               self->done, self->feed->name, seconds, self->news, self->unchanged, self->empty,
               self->failed, self->failed ? ", last " : "", self->last_error);
        return;
    }
    json_t *out = json_object();
    json_object_set_new(out, "feed", json_string(self->feed->name));
    json_object_set_new(out, "from", json_of_date(self->from));
    json_object_set_new(out, "to", json_of_date(self->to));
    json_object_set_new(out, "days", json_integer(self->done));
    json_object_set_new(out, "success", json_integer(self->news));
    json_object_set_new(out, "unchanged", json_integer(self->unchanged));
    json_object_set_new(out, "empty", json_integer(self->empty));
    json_object_set_new(out, "failed", json_integer(self->failed));
    if (self->feed->day == odds_poll)
        json_object_set_new(out, "credits", json_integer(self->spent));
    json_object_set_new(out, "last_error",
                        self->last_error[0] ? json_of_string(self->last_error) : json_null());
    json_object_set_new(out, "seconds", json_of_number(seconds));
    json_print(stdout, out, 0);
    putchar('\n');
    json_decref(out);
}

/* "15,720": minutes before an event's start. */
static int before_read(struct cli *cli, struct backfill *self)
{
    const char *text = cli_option(cli, "before");
    char *end = NULL;
    for (text = text ? text : BEFORE; self->before_count < BEFORE_MAX; text = end + 1) {
        self->before[self->before_count++] = strtoll(text, &end, 10);
        if (end == text || self->before[self->before_count - 1] < 0 ||
            self->before[self->before_count - 1] > 7 * 24 * 60)
            break;
        if (!*end)
            return EXIT_OK;
        if (*end != ',')
            break;
    }
    return cli_fail(cli, EXIT_USAGE, "--before: up to %d numbers of minutes, at most a week",
                    BEFORE_MAX);
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
    if (!code)
        code = cli_integer(cli, "credits", 1, 100000000, &self->credits);
    if (code)
        return code;
    for (size_t i = 0; feed && i < sizeof feeds / sizeof *feeds; i++)
        if (!strcmp(feed, feeds[i].name))
            self->feed = &feeds[i];
    if (!self->feed)
        return cli_fail(cli, EXIT_USAGE, "--feed: " FEEDS);
    code = before_read(cli, self);
    if (code)
        return code;
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
    struct backfill self = {.cli = cli,
                            .per_minute = PER_MINUTE,
                            .credits = CREDITS,
                            .terminal = isatty(STDERR_FILENO) == 1};
    (void)argc;
    (void)argv;
    int code = options_read(cli, &self);
    if (code)
        return code;
    int64_t began_us = clock_mono_us();
    for (int32_t date = self.from; date <= self.to && !code; date = clock_date_add(date, 1))
        code = day_fill(&self, date);
    print_all(&self, (double)(clock_mono_us() - began_us) / 1e6);
    return code ? code : self.failed ? EXIT_NO : EXIT_OK;
}

static const struct command_option options[] = {
    {"feed", "F", FEEDS},
    {"from", "D", "the first day"},
    {"to", "D", "the last day"},
    {"per-minute", "N", "requests a minute at most (20)"},
    {"before", "M,...", "odds_history: snapshots so many minutes before each event's start (15)"},
    {"credits", "N", "odds_history: what may be spent at most (1000)"},
    {NULL, NULL, NULL},
};

const struct command command_backfill = {
    .name = "backfill",
    .args = "",
    .summary = "Has history polled beside the live night, day by day, within a budget.",
    .options = options,
    .run = backfill_run,
};
