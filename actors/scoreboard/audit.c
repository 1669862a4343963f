#include "actors/scoreboard/audit.h"

#include <stdlib.h>
#include <string.h>

#include "actors/scoreboard/games.h"
#include "actors/scoreboard/held.h"
#include "actors/scoreboard/report.h"
#include "config/clock.h"
#include "schema/runs.h"

enum { VERSIONS_MAX = 64 };

/* ---- phases and errors ---- */

/* What people call the work of each actor, in the order of the pipeline; the rest are named after themselves. */
static const struct {
    const char *actor, *phase;
} phases[] = {{"poller", "poll"},       {"processor", "process"}, {"features", "features"},
              {"predictor", "predict"}, {"grader", "grade"},      {"watchdog", "watch"},
              {"janitor", "sweep"}};

/* Runs that did, or rightly did not have, work; `skipped` counts for neither side. */
static const char *const good[] = {"success",  "unchanged",   "partial",
                                   "empty_ok", "no_data_yet", NULL};
static const char *const bad[] = {"failed", "timeout", "crashed", NULL};

static bool is_any(const char *text, const char *const *list)
{
    for (; *list; list++)
        if (!strcmp(text, *list))
            return true;
    return false;
}

struct audit {
    json_t *phases, *errors, *versions;
};

static json_t *row_with(json_t *list, const char *key, const char *value)
{
    size_t i;
    json_t *row;
    json_array_foreach(list, i, row)
    {
        if (!strcmp(json_string_value(json_object_get(row, key)), value))
            return row;
    }
    return NULL;
}

static void add(json_t *row, const char *key, json_int_t more)
{
    json_object_set_new(row, key,
                        json_integer(json_integer_value(json_object_get(row, key)) + more));
}

static void count_phase(struct audit *self, const struct msg_ops_run *run)
{
    const char *phase = run->actor;
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++)
        if (!strcmp(run->actor, phases[i].actor))
            phase = phases[i].phase;
    json_t *row = row_with(self->phases, "phase", phase);
    if (!row) {
        row = json_object();
        json_object_set_new(row, "phase", json_of_string(phase));
        json_object_set_new(row, "runs", json_integer(0));
        json_object_set_new(row, "by_outcome", json_object());
        json_array_append_new(self->phases, row);
    }
    add(row, "runs", 1);
    add(json_object_get(row, "by_outcome"), run->outcome, 1);
}

static void count_error(struct audit *self, const struct msg_ops_run *run)
{
    if (!strcmp(run->error_class, error_class_text(ERROR_NONE)))
        return;
    json_t *row = row_with(self->errors, "class", run->error_class);
    if (!row) {
        char example[400];
        row = json_object();
        snprintf(example, sizeof example, "%s %s: %s", run->name, run->run_id,
                 run->error_message[0] ? run->error_message : run->outcome);
        json_object_set_new(row, "class", json_of_string(run->error_class));
        json_object_set_new(row, "count", json_integer(0));
        json_object_set_new(row, "example", json_of_string(example));
        json_array_append_new(self->errors, row);
    }
    add(row, "count", 1);
}

/* Which revision ran when: a row for each stretch of one actor under one code version and configuration. */
static void note_version(struct audit *self, const struct msg_ops_run *run)
{
    size_t i;
    json_t *row, *last = NULL;
    json_array_foreach(self->versions, i, row)
    {
        if (!strcmp(json_string_value(json_object_get(row, "actor")), run->actor))
            last = row;
    }
    bool same =
        last &&
        !strcmp(json_string_value(json_object_get(last, "code_version")), run->code_version) &&
        !strcmp(json_string_value(json_object_get(last, "config_hash")), run->config_hash);
    if (!same && json_array_size(self->versions) < VERSIONS_MAX) {
        last = json_object();
        json_object_set_new(last, "actor", json_of_string(run->actor));
        json_object_set_new(last, "code_version", json_of_string(run->code_version));
        json_object_set_new(last, "config_hash", json_of_string(run->config_hash));
        json_object_set_new(last, "from", json_of_time(run->opened_at));
        json_array_append_new(self->versions, last);
    }
    if (last)
        json_object_set_new(last, "to", json_of_time(run->closed_at));
}

static int take_run(void *context, int32_t date, const struct table_mark *mark, const void *message)
{
    struct audit *self = context;
    (void)date;
    (void)mark;
    count_phase(self, message);
    count_error(self, message);
    note_version(self, message);
    return 0;
}

static void rates_set(json_t *list)
{
    size_t i;
    json_t *row, *count;
    const char *outcome;
    json_array_foreach(list, i, row)
    {
        json_int_t well = 0, ill = 0;
        json_object_foreach(json_object_get(row, "by_outcome"), outcome, count)
        {
            well += is_any(outcome, good) ? json_integer_value(count) : 0;
            ill += is_any(outcome, bad) ? json_integer_value(count) : 0;
        }
        json_object_set_new(row, "success_rate",
                            well + ill ? json_of_number((double)well / (double)(well + ill))
                                       : json_null());
    }
}

/* ---- what was expected, and is there ---- */

struct expected {
    struct store_txn *txn;
    const struct settings *settings;
    json_t *out;
};

/* Do the tables hold fewer than there were, of what they still keep? */
static int lacks(const struct expected *self, const struct msg_ops_expected *row, int32_t date,
                 int64_t *rows, bool *lacking)
{
    int32_t since = 0;
    int error = held_rows(self->txn, date, row->game_id, row->output, rows);
    *lacking = !error && !strcmp(row->state, "COMPLETE") && *rows >= 0 && *rows < row->rows;
    if (*lacking)
        error = held_since(self->txn, self->settings, row->output, &since);
    *lacking = *lacking && date >= since;
    return error;
}

static int put_expected(void *context, int32_t date, const struct table_mark *mark,
                        const void *message)
{
    struct expected *self = context;
    const struct msg_ops_expected *row = message;
    char reason[240];
    const char *state = row->state;
    int64_t rows;
    bool lacking;
    (void)mark;
    int error = lacks(self, row, date, &rows, &lacking);
    if (error)
        return error;
    snprintf(reason, sizeof reason, "%s", row->reason);
    if (lacking) {
        state = "FAILED";
        snprintf(reason, sizeof reason, "was complete with %lld rows; the tables hold %lld",
                 (long long)row->rows, (long long)rows);
    }
    json_t *out = json_object();
    json_object_set_new(out, "output", json_of_string(row->output));
    json_object_set_new(out, "partition", json_of_string(row->game_id));
    json_object_set_new(out, "deadline", json_of_time(row->deadline));
    json_object_set_new(out, "state", json_of_string(state));
    json_object_set_new(out, "reason", reason[0] ? json_of_string(reason) : json_null());
    json_object_set_new(out, "actor", json_of_string(row->actor));
    json_object_set_new(out, "rows", json_of_int(row->rows));
    json_object_set_new(out, "wanted", json_of_int(row->wanted));
    json_object_set_new(out, "tries", json_of_int(row->tries));
    json_object_set_new(out, "at", json_of_time(row->at));
    json_array_append_new(self->out, out);
    return 0;
}

/* ---- what was done about it, and said ---- */

static int put_action(void *context, int32_t date, const struct table_mark *mark,
                      const void *message)
{
    json_t *row = json_of_message(&msg_ops_action_desc, message);
    (void)date;
    (void)mark;
    json_array_append_new(context, row);
    return 0;
}

static int put_alert(void *context, int32_t date, const struct table_mark *mark,
                     const void *message)
{
    json_t *row = json_of_message(&msg_ops_alert_desc, message);
    (void)date;
    (void)mark;
    json_array_append_new(context, row);
    return 0;
}

static void take_from(json_t *out, json_t *report)
{
    static const char *const keys[] = {"uptime_pct", "gaps", "predictions", "graded", "verdict"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        json_object_set(out, keys[i], json_object_get(report, keys[i]));
}

json_t *audit_make(struct store_txn *txn, const struct settings *settings, int32_t date, int *error)
{
    struct audit audit = {json_array(), json_array(), json_array()};
    struct expected expected = {txn, settings, json_array()};
    json_t *actions = json_array(), *alerts = json_array(), *out = NULL;
    json_t *report = report_make(txn, settings, date, error);
    if (!*error)
        *error = table_each(txn, TABLE_RUN, date, date, NULL, &msg_ops_run_desc, take_run, &audit);
    if (!*error)
        *error = table_each(txn, TABLE_EXPECTED, date, date, NULL, &msg_ops_expected_desc,
                            put_expected, &expected);
    if (!*error)
        *error = table_each(txn, TABLE_ACTION, date, date, NULL, &msg_ops_action_desc, put_action,
                            actions);
    if (!*error)
        *error =
            table_each(txn, TABLE_ALERT, date, date, NULL, &msg_ops_alert_desc, put_alert, alerts);
    rates_set(audit.phases);
    if (!*error) {
        out = json_object();
        json_object_set_new(out, "date", json_of_date(date));
        json_object_set(out, "phases", audit.phases);
        json_object_set(out, "errors", audit.errors);
        json_object_set(out, "expected", expected.out);
        json_object_set(out, "actions", actions);
        json_object_set(out, "alerts", alerts);
        json_object_set(out, "versions", audit.versions);
        take_from(out, report);
    }
    json_decref(report);
    json_decref(audit.phases);
    json_decref(audit.errors);
    json_decref(audit.versions);
    json_decref(expected.out);
    json_decref(actions);
    json_decref(alerts);
    return out;
}
