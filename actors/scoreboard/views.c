/* Each view walks a table of one date and writes its rows with the keys people rely on. */
#include "actors/scoreboard/views.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "actors/scoreboard/audit.h"
#include "actors/scoreboard/games.h"
#include "actors/scoreboard/odds_history.h"
#include "actors/scoreboard/report.h"
#include "actors/scoreboard/run_index.h"
#include "config/clock.h"

static json_t *fail(json_t *out, int code, int *error)
{
    json_decref(out);
    *error = code;
    return NULL;
}

/* Fields of `message` into `out`, in the order of `names` (ended by NULL). "to=from" takes another name. */
static void put_fields(json_t *out, const struct message_desc *desc, const void *message,
                       const char *const *names)
{
    for (; *names; names++) {
        const struct field_desc *field = message_field(desc, *names);
        const char *from = (const char *)message + field->offset;
        json_t *value = NULL;
        switch (field->kind) {
        case FIELD_I64:
            value = json_of_int(*(const int64_t *)(const void *)from);
            break;
        case FIELD_F64:
            value = json_of_number(*(const double *)(const void *)from);
            break;
        case FIELD_BOOL:
            value = json_boolean(*(const bool *)from);
            break;
        case FIELD_TIME:
            value = json_of_time(*(const int64_t *)(const void *)from);
            break;
        case FIELD_DATE:
            value = json_of_date(*(const int32_t *)(const void *)from);
            break;
        default:
            value = json_of_string(from);
        }
        json_object_set_new(out, *names, value);
    }
}

/* ---- games ---- */

static json_t *view_games(struct store_txn *txn, const struct view_query *query, int *error)
{
    static const char *const fields[] = {"game_id",    "game_date",  "home",   "away",
                                         "tip_at",     "status",     "period", "clock",
                                         "home_score", "away_score", NULL};
    struct games_day day;
    json_t *out = json_array();
    *error = games_day_load(&day, txn, query->date);
    for (int i = 0; i < day.count && !*error; i++) {
        const struct games_game *game = &day.games[i];
        json_t *row = json_object();
        put_fields(row, &msg_row_game_desc, &game->row, fields);
        json_object_set_new(row, "live_at", json_of_time(game->live_at));
        json_object_set_new(row, "final_at", json_of_time(game->final_at));
        json_object_set_new(row, "updated_at", json_of_time(game->mark.time_us));
        json_object_set_new(row, "source", json_of_string(game->row.feed));
        json_array_append_new(out, row);
    }
    games_day_free(&day);
    return *error ? fail(out, *error, error) : out;
}

/* ---- box scores: who came in ---- */

static json_t *view_boxscores(struct store_txn *txn, const struct view_query *query, int *error)
{
    static const char *const fields[] = {"game_id",
                                         "player_id",
                                         "player_name",
                                         "team",
                                         "opponent",
                                         "home",
                                         "game_status",
                                         "minutes",
                                         "points",
                                         "rebounds",
                                         "offensive_rebounds",
                                         "defensive_rebounds",
                                         "assists",
                                         "steals",
                                         "blocks",
                                         "turnovers",
                                         "personal_fouls",
                                         "field_goals_made",
                                         "field_goals_attempted",
                                         "three_pointers_made",
                                         "three_pointers_attempted",
                                         "free_throws_made",
                                         "free_throws_attempted",
                                         "plus_minus",
                                         NULL};
    struct boxes_day day;
    json_t *out = json_array();
    *error = boxes_day_load(&day, txn, query->date);
    for (int i = 0; i < day.count && !*error; i++) {
        if (!day.lines[i].row.played)
            continue; /* on the sheet, but never came in */
        json_t *row = json_object();
        put_fields(row, &msg_row_box_score_desc, &day.lines[i].row, fields);
        json_object_set_new(row, "final", json_boolean(day.lines[i].row.final));
        json_object_set_new(row, "player_known", json_boolean(day.lines[i].row.player_known));
        json_array_append_new(out, row);
    }
    boxes_day_free(&day);
    return *error ? fail(out, *error, error) : out;
}

/* ---- odds ---- */

struct odds_list {
    struct msg_row_odds *rows;
    int count;
};

static int take_odds(void *context, int32_t date, const struct table_mark *mark,
                     const void *message)
{
    struct odds_list *list = context;
    (void)date;
    (void)mark;
    if (!(list->count & (list->count - 1))) {
        size_t capacity = list->count ? 2 * (size_t)list->count : 1;
        struct msg_row_odds *bigger = realloc(list->rows, capacity * sizeof *bigger);
        if (!bigger)
            return STORE_IO;
        list->rows = bigger;
    }
    memcpy(&list->rows[list->count++], message, sizeof *list->rows);
    return 0;
}

static bool same_key(const struct msg_row_odds *a, const struct msg_row_odds *b)
{
    return a->player_id == b->player_id && a->line == b->line && !strcmp(a->game_id, b->game_id) &&
           !strcmp(a->market, b->market) && !strcmp(a->book, b->book);
}

/* By when they held: a snapshot of the past is said after what came later. */
static void order_key(struct odds_list *list, int first, int end)
{
    for (int i = first + 1; i < end; i++) {
        struct msg_row_odds row = list->rows[i];
        int at = i;
        for (; at > first && list->rows[at - 1].snapshot_at > row.snapshot_at; at--)
            list->rows[at] = list->rows[at - 1];
        list->rows[at] = row;
    }
}

/* One key's rows, in the order they held. */
static int visit_key(const struct odds_list *list, int first, int end,
                     const struct games_day *games, int64_t noon_us, view_odds_visit *visit,
                     void *context)
{
    const struct games_game *game = games_find(games, list->rows[first].game_id);
    int64_t tip_at = game ? game->row.tip_at : CLOCK_NONE;
    bool started = game && (games_live(&game->row) || games_final(&game->row));
    int opening = -1, morning = -1, last = -1, closing = -1, result = 0;
    if (tip_at == CLOCK_NONE)
        tip_at = list->rows[end - 1].commence_at;
    int64_t played_at = game && game->live_at != CLOCK_NONE ? game->live_at : tip_at;
    for (int i = first; i < end; i++) {
        const struct msg_row_odds *row = &list->rows[i];
        if (row->offered && (played_at == CLOCK_NONE || row->snapshot_at < played_at))
            closing = i;
        if (!row->offered || (tip_at != CLOCK_NONE && row->snapshot_at >= tip_at))
            continue;
        opening = opening < 0 ? i : opening;
        morning = row->snapshot_at <= noon_us ? i : morning;
        last = i;
    }
    for (int i = first; i < end && !result; i++) {
        if (!list->rows[i].offered)
            continue;
        const struct view_odds_row row = {
            .row = &list->rows[i],
            .tip_at = tip_at,
            .tag = i == closing && started ? "closing"
                   : i == opening          ? "opening"
                   : i == morning          ? "morning"
                                           : NULL,
            .last_before_tip = i == last,
        };
        result = visit(context, &row);
    }
    return result;
}

int view_each_odds(struct store_txn *txn, int32_t date, view_odds_visit *visit, void *context)
{
    struct odds_list list = {0};
    struct games_day games;
    int64_t noon_us = clock_date_start_us(date) + INT64_C(12) * 3600 * 1000000;
    int error = games_day_load(&games, txn, date);
    if (!error)
        error = table_each(txn, TABLE_ODDS, date, date, NULL, &msg_row_odds_desc, take_odds, &list);
    for (int first = 0, end; !error && first < list.count; first = end) {
        end = first + 1;
        while (end < list.count && same_key(&list.rows[first], &list.rows[end]))
            end++;
        order_key(&list, first, end);
        error = visit_key(&list, first, end, &games, noon_us, visit, context);
    }
    games_day_free(&games);
    free(list.rows);
    return error;
}

struct odds_points {
    struct odds_point *list;
    struct msg_row_odds *rows; /* what the points are of */
    size_t count, capacity;
};

static int add_odds(void *context, const struct view_odds_row *odds)
{
    struct odds_points *self = context;
    if (self->count == self->capacity) {
        size_t capacity = self->capacity ? 2 * self->capacity : 1024;
        struct odds_point *list = realloc(self->list, capacity * sizeof *list);
        if (list)
            self->list = list;
        struct msg_row_odds *rows = list ? realloc(self->rows, capacity * sizeof *rows) : NULL;
        if (!rows)
            return STORE_IO;
        self->rows = rows;
        self->capacity = capacity;
    }
    self->rows[self->count] = *odds->row;
    self->list[self->count++] = (struct odds_point){.tip_at = odds->tip_at, .tag = odds->tag};
    return 0;
}

static json_t *number_or_null(double value)
{
    return isnan(value) ? json_null() : json_of_number(value);
}

static json_t *odds_row(const struct odds_point *point)
{
    static const char *const fields[] = {"game_id",     "player_id", "player_name", "market",
                                         "book",        "line",      "over_price",  "under_price",
                                         "snapshot_at", NULL};
    json_t *row = json_object();
    put_fields(row, &msg_row_odds_desc, point->row, fields);
    json_object_set_new(row, "minutes_before_game",
                        point->tip_at == CLOCK_NONE
                            ? json_null()
                            : json_integer((point->tip_at - point->row->snapshot_at) / 60000000));
    json_object_set_new(row, "tag", json_of_string(point->tag));
    json_object_set_new(row, "main", json_boolean(point->row->main));
    json_object_set_new(row, "movement", json_of_string(point->movement));
    json_object_set_new(row, "line_before", number_or_null(point->line_before));
    json_object_set_new(row, "consensus", number_or_null(point->consensus));
    json_object_set_new(row, "best_over", json_boolean(point->best_over));
    json_object_set_new(row, "best_under", json_boolean(point->best_under));
    json_object_set_new(row, "fair_over", number_or_null(point->fair_over));
    return row;
}

static json_t *view_odds(struct store_txn *txn, const struct view_query *query, int *error)
{
    struct odds_points points = {0};
    json_t *out = json_array();
    *error = view_each_odds(txn, query->date, add_odds, &points);
    for (size_t i = 0; i < points.count; i++)
        points.list[i].row = &points.rows[i];
    if (!*error)
        odds_history(points.list, points.count);
    /* Said in the order in which they came. */
    const struct odds_point **in_order = calloc(points.count + 1, sizeof *in_order);
    for (size_t i = 0; i < points.count && in_order; i++)
        in_order[points.list[i].row - points.rows] = &points.list[i];
    for (size_t i = 0; i < points.count && !*error && in_order; i++)
        if (in_order[i])
            json_array_append_new(out, odds_row(in_order[i]));
    if (!in_order)
        *error = STORE_IO;
    free(in_order);
    free(points.list);
    free(points.rows);
    return *error ? fail(out, *error, error) : out;
}

/* ---- features ---- */

static int put_feature(void *context, int32_t date, const struct table_mark *mark,
                       const void *message)
{
    static const char *const fields[] = {"game_id", "player_id", "player_name",
                                         "as_of",   "quality",   NULL};
    const struct msg_feature_player *feature = message;
    json_t *row = json_object();
    (void)date;
    (void)mark;
    put_fields(row, &msg_feature_player_desc, feature, fields);
    json_object_set_new(row, "values", json_of_msgpack(feature->values.data, feature->values.size));
    json_object_set_new(row, "sources",
                        json_of_msgpack(feature->sources.data, feature->sources.size));
    json_array_append_new(context, row);
    return 0;
}

static json_t *view_features(struct store_txn *txn, const struct view_query *query, int *error)
{
    json_t *out = json_array();
    *error = table_each(txn, TABLE_FEATURE, query->date, query->date, NULL,
                        &msg_feature_player_desc, put_feature, out);
    return *error ? fail(out, *error, error) : out;
}

/* ---- what games came to ---- */

/* Every field of the message. */
static json_t *whole(const struct message_desc *desc, const void *message)
{
    json_t *row = json_object();
    for (size_t i = 0; i < desc->field_count; i++) {
        const char *const one[] = {desc->fields[i].name, NULL};
        put_fields(row, desc, message, one);
    }
    return row;
}

static int put_summary(void *context, int32_t date, const struct table_mark *mark,
                       const void *message)
{
    (void)date;
    (void)mark;
    json_array_append_new(context, whole(&msg_summary_player_game_desc, message));
    return 0;
}

static json_t *view_summaries(struct store_txn *txn, const struct view_query *query, int *error)
{
    json_t *out = json_array();
    *error = table_each(txn, TABLE_SUMMARY, query->date, query->date, NULL,
                        &msg_summary_player_game_desc, put_summary, out);
    return *error ? fail(out, *error, error) : out;
}

static int put_team_summary(void *context, int32_t date, const struct table_mark *mark,
                            const void *message)
{
    (void)date;
    (void)mark;
    json_array_append_new(context, whole(&msg_summary_team_game_desc, message));
    return 0;
}

static json_t *view_team_summaries(struct store_txn *txn, const struct view_query *query,
                                   int *error)
{
    json_t *out = json_array();
    *error = table_each(txn, TABLE_TEAM_SUMMARY, query->date, query->date, NULL,
                        &msg_summary_team_game_desc, put_team_summary, out);
    return *error ? fail(out, *error, error) : out;
}

/* ---- predictions ---- */

struct predictions {
    view_prediction_visit *visit;
    void *context;
    struct msg_prediction_points held; /* the one before: in force if the next is of another key */
    bool holds;
};

static bool same_subject(const struct msg_prediction_points *a,
                         const struct msg_prediction_points *b)
{
    return a->player_id == b->player_id && !strcmp(a->game_id, b->game_id) &&
           !strcmp(a->system, b->system) && !strcmp(a->stat, b->stat);
}

static int take_prediction(void *context, int32_t date, const struct table_mark *mark,
                           const void *message)
{
    struct predictions *self = context;
    int result = 0;
    (void)date;
    (void)mark;
    if (self->holds)
        result = self->visit(self->context, &self->held, !same_subject(&self->held, message));
    memcpy(&self->held, message, sizeof self->held);
    self->holds = true;
    return result;
}

int view_each_prediction(struct store_txn *txn, int32_t date, view_prediction_visit *visit,
                         void *context)
{
    struct predictions self = {.visit = visit, .context = context};
    int error = table_each(txn, TABLE_PREDICTION, date, date, NULL, &msg_prediction_points_desc,
                           take_prediction, &self);
    if (!error && self.holds)
        error = visit(context, &self.held, true);
    return error;
}

#define PREDICTION_FIELDS                                                                          \
    "prediction_id", "game_id", "player_id", "player_name", "system", "stat", "predicted",         \
        "stddev", "line", "line_source", "prob_over", "edge", "confidence", "recommendation",      \
        "made_at"

static int put_prediction(void *context, const struct msg_prediction_points *prediction,
                          bool active)
{
    static const char *const fields[] = {PREDICTION_FIELDS, NULL};
    static const char *const more[] = {"team", "opponent", "home",       "tip_at", "as_of", "model",
                                       "low",  "high",     "prob_under", "stake",  NULL};
    json_t *row = json_object();
    put_fields(row, &msg_prediction_points_desc, prediction, fields);
    json_object_set_new(row, "active", json_boolean(active));
    put_fields(row, &msg_prediction_points_desc, prediction, more);
    json_array_append_new(context, row);
    return 0;
}

static json_t *view_predictions(struct store_txn *txn, const struct view_query *query, int *error)
{
    json_t *out = json_array();
    *error = view_each_prediction(txn, query->date, put_prediction, out);
    return *error ? fail(out, *error, error) : out;
}

/* ---- grades ---- */

static int put_grade(void *context, int32_t date, const struct table_mark *mark,
                     const void *message)
{
    static const char *const fields[] = {PREDICTION_FIELDS, "actual",    "minutes", "outcome",
                                         "error",           "graded_at", NULL};
    static const char *const more[] = {"state", "void_reason", "period", "clock", "final",
                                       "team",  "opponent",    "home",   NULL};
    json_t *row = json_object();
    (void)date;
    (void)mark;
    put_fields(row, &msg_grade_points_desc, message, fields);
    put_fields(row, &msg_grade_points_desc, message, more);
    json_array_append_new(context, row);
    return 0;
}

static json_t *view_grades(struct store_txn *txn, const struct view_query *query, int *error)
{
    json_t *out = json_array();
    *error = table_each(txn, TABLE_GRADE, query->date, query->date, NULL, &msg_grade_points_desc,
                        put_grade, out);
    return *error ? fail(out, *error, error) : out;
}

/* ---- runs ---- */

static int put_run(void *context, int32_t date, const struct table_mark *mark, const void *message)
{
    static const char *const fields[] = {
        "run_id",      "name",     "actor",        "shard",         "epoch",        "data_date",
        "game_id",     "outcome",  "error_class",  "error_message", "opened_at",    "closed_at",
        "rows_in",     "rows_out", "bytes_in",     "cause",         "duplicate_of", "code_version",
        "config_hash", "host",     "rows_refused", "duration_us",   "attempt",      "next_check",
        "bytes_out",   NULL};
    json_t *row = json_object();
    (void)date;
    (void)mark;
    put_fields(row, &msg_ops_run_desc, message, fields);
    json_array_append_new(context, row);
    return 0;
}

static json_t *view_runs(struct store_txn *txn, const struct view_query *query, int *error)
{
    const struct run_query runs = {.from = query->date ? query->date : TABLE_DATE_FIRST,
                                   .to = query->date ? query->date : TABLE_DATE_LAST,
                                   .name = query->name,
                                   .outcome = query->outcome,
                                   .last = query->last};
    json_t *out = json_array();
    *error = run_each(txn, &runs, put_run, out);
    return *error ? fail(out, *error, error) : out;
}

static json_t *view_report(struct store_txn *txn, const struct view_query *query, int *error)
{
    return report_make(txn, query->settings, query->date, error);
}

static json_t *view_audit(struct store_txn *txn, const struct view_query *query, int *error)
{
    return audit_make(txn, query->settings, query->date, error);
}

/* ---- */

static const char *const people_games[] = {
    "game_id", "away", "home", "tip_at", "status", "period", "away_score", "home_score", NULL};
static const char *const people_boxes[] = {
    "game_id", "player_name", "team",      "minutes",    "points",      "rebounds", "assists",
    "steals",  "blocks",      "turnovers", "plus_minus", "game_status", NULL};
static const char *const people_features[] = {"game_id", "player_id", "player_name",
                                              "quality", "as_of",     NULL};
static const char *const people_summaries[] = {
    "game_id", "player_name", "team",   "minutes", "points",      "usage", "true_shooting",
    "line",    "line_move",   "result", "margin",  "injury_risk", NULL};
static const char *const people_team_summaries[] = {
    "game_id",        "team",           "won",         "points",          "points_allowed", "pace",
    "offense_rating", "defense_rating", "three_share", "free_throw_rate", "turnover_share", NULL};
static const char *const people_predictions[] = {
    "game_id",   "player_name", "system",         "predicted", "stddev", "line", "line_source",
    "prob_over", "edge",        "recommendation", "made_at",   "active", NULL};
static const char *const people_grades[] = {"game_id",        "player_name", "predicted", "line",
                                            "recommendation", "actual",      "minutes",   "outcome",
                                            "error",          "state",       NULL};
static const char *const people_runs[] = {"closed_at",     "name",    "run_id",   "data_date",
                                          "outcome",       "rows_in", "rows_out", "error_class",
                                          "error_message", NULL};

static const struct view views[] = {
    {"games", false, people_games, view_games},
    {"boxscores", false, people_boxes, view_boxscores},
    {"odds", false, NULL, view_odds},
    {"features", false, people_features, view_features},
    {"summaries", false, people_summaries, view_summaries},
    {"team_summaries", false, people_team_summaries, view_team_summaries},
    {"predictions", false, people_predictions, view_predictions},
    {"grades", false, people_grades, view_grades},
    {"runs", true, people_runs, view_runs},
    {"report", false, NULL, view_report},
    {"audit", false, NULL, view_audit},
};

const struct view *view_at(int index)
{
    return index < (int)(sizeof views / sizeof *views) ? &views[index] : NULL;
}

const struct view *view_find(const char *name)
{
    for (int i = 0; view_at(i); i++)
        if (!strcmp(views[i].name, name))
            return &views[i];
    return NULL;
}
