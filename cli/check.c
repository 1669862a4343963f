/* tipoff check - is it well, for a monitor: one line and the exit code that Nagios and its kin know, or Prometheus' text. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "actors/scoreboard/metrics.h"
#include "actors/scoreboard/tables.h"
#include "broker/link.h"
#include "cli/command.h"
#include "config/settings.h"
#include "schema/json.h"

#define ANSWER_MS 1000
#define DISK_WARN_PCT 10.0
#define DISK_CRITICAL_PCT 3.0

/* What monitors make of an exit code. */
enum level { LEVEL_OK, LEVEL_WARNING, LEVEL_CRITICAL, LEVEL_UNKNOWN };
static const char *const level_names[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};

struct check {
    const struct cli *cli;
    json_t *status; /* NULL: the broker did not answer */
    json_t *causes;
    enum level level;
    int ready, alerts;
    long long lag;
    double disk_free_pct;
};

static void cause(struct check *self, enum level level, const char *name, const char *subject,
                  const char *fmt, ...) __attribute__((format(printf, 5, 6)));
static void cause(struct check *self, enum level level, const char *name, const char *subject,
                  const char *fmt, ...)
{
    char text[300];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    json_t *row = json_object();
    json_object_set_new(row, "severity", json_string(level_names[level]));
    json_object_set_new(row, "cause", json_string(name));
    json_object_set_new(row, "subject", json_of_string(subject));
    json_object_set_new(row, "text", json_of_string(text));
    /* The worst first: that is what fits into one line. */
    if (level > self->level)
        json_array_insert_new(self->causes, 0, row);
    else
        json_array_append_new(self->causes, row);
    if (level > self->level)
        self->level = level;
}

/* ---- processes ---- */

static const char *text_in(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text ? text : "";
}

/* It runs, and says itself what it cannot do: "CLASS: text; CLASS: text". */
static void judge_told(struct check *self, const char *name, const char *told)
{
    char all[128], *rest = all, *one;
    snprintf(all, sizeof all, "%s", told);
    while ((one = strsep(&rest, ";")) != NULL) {
        char *class = one + strspn(one, " "), *text = class;
        strsep(&text, ":");
        if (text)
            cause(self, strcmp(class, "no_space") ? LEVEL_WARNING : LEVEL_CRITICAL, class, name,
                  "%s: %s:%s", name, class, text);
    }
}

static void judge_shard(struct check *self, const json_t *row)
{
    const char *actor = text_in(row, "actor"), *state = text_in(row, "state");
    const json_t *silent = json_object_get(row, "silent_ms");
    long long silence_ms = self->cli->settings->watchdog.silence_us / 1000;
    char name[64];
    if (!strcmp(actor, "import") || !strcmp(actor, "supervisor"))
        return; /* come and go */
    snprintf(name, sizeof name, "%s.%lld", actor,
             (long long)json_integer_value(json_object_get(row, "partition")));
    self->lag += json_integer_value(json_object_get(row, "lag"));
    if (!strcmp(state, "halted"))
        cause(self, LEVEL_CRITICAL, "halted", name, "%s halted: %s", name, text_in(row, "cause"));
    else if (!json_is_integer(silent))
        cause(self, LEVEL_CRITICAL, "dead", name, "%s is not there", name);
    else if (json_integer_value(silent) >= silence_ms)
        cause(self, LEVEL_CRITICAL, "hung", name, "%s has been silent for %lld s", name,
              (long long)json_integer_value(silent) / 1000);
    else if (!strcmp(state, "silent"))
        cause(self, LEVEL_WARNING, "hung", name, "%s: %s", name, text_in(row, "cause"));
    else if (strcmp(state, "ready") != 0)
        cause(self, LEVEL_WARNING, "starting", name, "%s is %s", name, state);
    else
        self->ready++;
    if (!strcmp(state, "ready"))
        judge_told(self, name, text_in(row, "cause"));
}

static void judge_broker(struct check *self)
{
    size_t i;
    json_t *row;
    const json_t *broker = json_object_get(self->status, "broker");
    if (!self->status) {
        cause(self, LEVEL_CRITICAL, "broker", "broker", "the broker does not answer at %s",
              self->cli->settings->broker.control_endpoint);
        return;
    }
    if (text_in(broker, "write_error")[0])
        cause(self, LEVEL_CRITICAL, "no_space", "broker", "the log cannot be written: %s",
              text_in(broker, "write_error"));
    json_array_foreach(json_object_get(self->status, "shards"), i, row)
    {
        judge_shard(self, row);
    }
}

/* ---- what the watchdog said and has not taken back ---- */

static int judge_alert(void *context, int32_t date, const struct table_mark *mark,
                       const void *message)
{
    struct check *self = context;
    const struct msg_ops_alert *alert = message;
    (void)date;
    (void)mark;
    if (strcmp(alert->state, "raised") != 0)
        return 0;
    self->alerts++;
    cause(self, strcmp(alert->severity, "warning") ? LEVEL_CRITICAL : LEVEL_WARNING, alert->cause,
          alert->subject, "%s", alert->text);
    return 0;
}

static void judge_alerts(struct check *self)
{
    int error;
    struct store_txn *txn;
    struct store *store = tables_open(self->cli->dir, &error);
    if (!store) {
        if (error != STORE_NOT_FOUND)
            cause(self, LEVEL_UNKNOWN, "tables", "scoreboard", "the tables cannot be read: %s",
                  store_error_text(error));
        return;
    }
    error = store_begin(store, false, &txn);
    if (!error) {
        error = table_each(txn, TABLE_ALERT, TABLE_DATE_FIRST, TABLE_DATE_LAST, NULL,
                           &msg_ops_alert_desc, judge_alert, self);
        store_abort(&txn);
    }
    if (error)
        cause(self, LEVEL_UNKNOWN, "tables", "scoreboard", "the tables cannot be read: %s",
              store_error_text(error));
    store_close(&store);
}

/* ---- the disk ---- */

static void judge_disk(struct check *self)
{
    struct statvfs disk;
    self->disk_free_pct = -1;
    if (statvfs(self->cli->dir, &disk) != 0 || disk.f_blocks == 0)
        return;
    self->disk_free_pct = 100.0 * (double)disk.f_bavail / (double)disk.f_blocks;
    if (self->disk_free_pct < DISK_CRITICAL_PCT)
        cause(self, LEVEL_CRITICAL, "disk", self->cli->dir, "%.1f %% of the disk is free",
              self->disk_free_pct);
    else if (self->disk_free_pct < DISK_WARN_PCT)
        cause(self, LEVEL_WARNING, "disk", self->cli->dir, "%.1f %% of the disk is free",
              self->disk_free_pct);
}

/* ---- said ---- */

static void print_line(const struct check *self)
{
    size_t count = json_array_size(self->causes);
    printf("TIPOFF %s - ", level_names[self->level]);
    if (count == 0)
        printf("%d shards ready", self->ready);
    else
        printf("%s", text_in(json_array_get(self->causes, 0), "text"));
    if (count > 1)
        printf(" (and %zu more)", count - 1);
    printf(" | ready=%d lag=%lld alerts=%d", self->ready, self->lag, self->alerts);
    if (self->disk_free_pct >= 0)
        printf(" disk_free=%.1f%%;%.0f:;%.0f:", self->disk_free_pct, DISK_WARN_PCT,
               DISK_CRITICAL_PCT);
    putchar('\n');
}

static void print_json(const struct check *self)
{
    json_t *out = json_object();
    json_object_set_new(out, "status", json_string(level_names[self->level]));
    json_object_set_new(out, "ready", json_integer(self->ready));
    json_object_set_new(out, "lag", json_integer(self->lag));
    json_object_set_new(out, "alerts", json_integer(self->alerts));
    json_object_set_new(out, "disk_free_pct",
                        self->disk_free_pct < 0 ? json_null()
                                                : json_of_number(self->disk_free_pct));
    json_object_set(out, "causes", self->causes);
    json_print(stdout, out, 0);
    putchar('\n');
    json_decref(out);
}

static void print_prometheus(const struct check *self)
{
    size_t i;
    json_t *row;
    metrics_status(stdout, self->status);
    metrics_head(stdout, "check", "gauge", "0 well, 1 warning, 2 critical, 3 unknown");
    printf("tipoff_check %d\n", (int)self->level);
    metrics_head(stdout, "cause", "gauge", "what is wrong now");
    json_array_foreach(self->causes, i, row)
    {
        printf("tipoff_cause{cause=\"%s\",subject=\"%s\",severity=\"%s\"} 1\n",
               text_in(row, "cause"), text_in(row, "subject"), text_in(row, "severity"));
    }
    metrics_head(stdout, "alerts", "gauge", "alerts that are raised");
    printf("tipoff_alerts %d\n", self->alerts);
}

static int check_run(struct cli *cli, int argc, char **argv)
{
    char why[160];
    struct check self = {.cli = cli, .causes = json_array()};
    (void)argc;
    (void)argv;
    char *text = link_control(cli->settings->broker.control_endpoint, "STATUS", ANSWER_MS);
    self.status = text ? json_read(text, strlen(text), why, sizeof why) : NULL;
    free(text);
    judge_broker(&self);
    judge_alerts(&self);
    judge_disk(&self);
    if (cli_option(cli, "prometheus"))
        print_prometheus(&self);
    else if (cli->json)
        print_json(&self);
    else
        print_line(&self);
    json_decref(self.status);
    json_decref(self.causes);
    return (int)self.level;
}

static const struct command_option options[] = {
    {"prometheus", NULL, "Prometheus' text instead of a line"},
    {NULL, NULL, NULL},
};

const struct command command_check = {
    .name = "check",
    .args = "",
    .summary = "Is it well? One line, and exit code 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.",
    .options = options,
    .run = check_run,
};
