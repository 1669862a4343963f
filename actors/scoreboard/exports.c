/* The contents of the exported files. */
#include "actors/scoreboard/exports.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "actors/scoreboard/games.h"
#include "actors/scoreboard/views.h"
#include "config/clock.h"

#define MINUTE_US (INT64_C(60) * 1000000)
#define POLL_INTERVAL_US (3 * MINUTE_US)

/* ---- names ---- */

/* Letters of Latin-1 and Latin Extended-A, U+00C0 to U+017F, as ASCII; '.' stands for none. */
static const char folded[] = "aaaaaaaceeeeiiii"
                             "dnooooo.ouuuuyts"
                             "aaaaaaaceeeeiiii"
                             "dnooooo.ouuuuyty"
                             "aaaaaaccccccccdd"
                             "ddeeeeeeeeeegggg"
                             "gggghhhhiiiiiiii"
                             "iiiijjkkklllllll"
                             "lllnnnnnnnnnoooo"
                             "oooorrrrrrssssss"
                             "ssttttttuuuuuuuu"
                             "uuuuwwyyyzzzzzzs";

void export_lookup(const char *name, char lookup[EXPORT_LOOKUP_SIZE])
{
    size_t size = 0;
    for (const unsigned char *at = (const unsigned char *)name;
         *at && size + 1 < EXPORT_LOOKUP_SIZE; at++) {
        unsigned char c = *at;
        if (c >= 'A' && c <= 'Z')
            c = (unsigned char)(c + ('a' - 'A'));
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
            lookup[size++] = (char)c;
        } else if (c >= 0xC3 && c <= 0xC5 && (at[1] & 0xC0) == 0x80) {
            unsigned code = (unsigned)(c & 0x1F) << 6 | (*++at & 0x3Fu);
            if (folded[code - 0xC0] != '.')
                lookup[size++] = folded[code - 0xC0];
        }
    }
    lookup[size] = '\0';
}

static json_t *lookup_json(const char *name)
{
    char lookup[EXPORT_LOOKUP_SIZE];
    export_lookup(name, lookup);
    return json_of_string(lookup);
}

/* ---- helpers ---- */

static json_t *rounded(double value, int places)
{
    double scale = pow(10, places);
    return isnan(value) ? json_null() : json_of_number(round(value * scale) / scale);
}

static const struct {
    const char *status;
    int order;
} game_order[] = {{"in_progress", 0}, {"final", 1}, {"scheduled", 2}, {"postponed", 3}};

static int order_of_game(const struct msg_row_game *game)
{
    for (size_t i = 0; i < sizeof game_order / sizeof *game_order; i++)
        if (!strcmp(game->status, game_order[i].status))
            return game_order[i].order;
    return 4;
}

/* The newest record that the files of `what` show of a date. */
static struct table_mark touched(struct store_txn *txn, int32_t date, const char *what)
{
    struct store_key key;
    struct span value, payload;
    struct table_mark mark;
    store_key_start(&key);
    store_key_text(&key, what);
    if (store_get(txn, TABLE_TOUCHED, date, key.data, key.size, &value) != STORE_OK ||
        table_read(&value, &mark, &payload) != STORE_OK)
        return (struct table_mark){.position = 0, .time_us = CLOCK_NONE};
    return mark;
}

/* ... of all of them: what a file says that shows both. */
static struct table_mark touched_any(struct store_txn *txn, int32_t date)
{
    struct table_mark graded = touched(txn, date, "grading"), live = touched(txn, date, "live");
    return (struct table_mark){
        .position = graded.position > live.position ? graded.position : live.position,
        .time_us = graded.time_us > live.time_us ? graded.time_us : live.time_us};
}

static int count_games(const struct games_day *day, bool (*is)(const struct msg_row_game *))
{
    int count = 0;
    for (int i = 0; i < day->count; i++)
        count += is(&day->games[i].row);
    return count;
}

/* ---- live ---- */

static int compare_points(const void *a, const void *b)
{
    const struct boxes_line *x = *(const struct boxes_line *const *)a,
                            *y = *(const struct boxes_line *const *)b;
    if (x->row.points != y->row.points)
        return x->row.points > y->row.points ? -1 : 1;
    return x->row.player_id < y->row.player_id ? -1 : x->row.player_id > y->row.player_id;
}

static json_t *live_player(const struct msg_row_box_score *row)
{
    json_t *out = json_object();
    json_object_set_new(out, "player_lookup", lookup_json(row->player_name));
    json_object_set_new(out, "name", json_of_string(row->player_name));
    json_object_set_new(out, "team", json_of_string(row->team));
    json_object_set_new(out, "points", json_of_int(row->points));
    json_object_set_new(out, "rebounds", json_of_int(row->rebounds));
    json_object_set_new(out, "assists", json_of_int(row->assists));
    json_object_set_new(out, "steals", json_of_int(row->steals));
    json_object_set_new(out, "blocks", json_of_int(row->blocks));
    json_object_set_new(out, "turnovers", json_of_int(row->turnovers));
    json_object_set_new(out, "minutes", json_of_int(row->minutes));
    json_object_set_new(out, "fg_made", json_of_int(row->field_goals_made));
    json_object_set_new(out, "fg_attempted", json_of_int(row->field_goals_attempted));
    json_object_set_new(out, "fg3_made", json_of_int(row->three_pointers_made));
    json_object_set_new(out, "fg3_attempted", json_of_int(row->three_pointers_attempted));
    json_object_set_new(out, "ft_made", json_of_int(row->free_throws_made));
    json_object_set_new(out, "ft_attempted", json_of_int(row->free_throws_attempted));
    json_object_set_new(out, "player_id", json_of_int(row->player_id));
    json_object_set_new(out, "played", json_boolean(row->played));
    return out;
}

static json_t *live_game(const struct msg_row_game *game, const struct boxes_day *boxes)
{
    json_t *out = json_object(), *players = json_array();
    const struct boxes_line **lines =
        calloc((size_t)boxes->count + 1, sizeof(const struct boxes_line *));
    int count = 0;
    for (int i = 0; lines && i < boxes->count; i++)
        if (!strcmp(boxes->lines[i].row.game_id, game->game_id))
            lines[count++] = &boxes->lines[i];
    if (count > 0)
        qsort(lines, (size_t)count, sizeof *lines, compare_points);
    for (int i = 0; i < count; i++)
        json_array_append_new(players, live_player(&lines[i]->row));
    free(lines);
    json_object_set_new(out, "game_id", json_of_string(game->game_id));
    json_object_set_new(out, "status", json_of_string(game->status));
    json_object_set_new(out, "period", json_of_int(game->period));
    json_object_set_new(out, "time_remaining", json_of_string(game->clock));
    json_object_set_new(out, "home_team", json_of_string(game->home));
    json_object_set_new(out, "away_team", json_of_string(game->away));
    json_object_set_new(out, "home_score", json_of_int(game->home_score));
    json_object_set_new(out, "away_score", json_of_int(game->away_score));
    json_object_set_new(out, "player_count", json_of_int(count));
    json_object_set_new(out, "tip_at", json_of_time(game->tip_at));
    json_object_set_new(out, "players", players);
    return out;
}

json_t *export_live(struct store_txn *txn, int32_t date, int *error)
{
    struct games_day games;
    struct boxes_day boxes = {0};
    json_t *out = NULL, *list = json_array();
    struct table_mark mark = touched(txn, date, "live");
    *error = games_day_load(&games, txn, date);
    if (!*error)
        *error = boxes_day_load(&boxes, txn, date);
    for (int order = 0; order <= 4 && !*error; order++)
        for (int i = 0; i < games.count; i++)
            if (order_of_game(&games.games[i].row) == order)
                json_array_append_new(list, live_game(&games.games[i].row, &boxes));
    if (!*error) {
        out = json_object();
        json_object_set_new(out, "updated_at", json_of_time(mark.time_us));
        json_object_set_new(out, "game_date", json_of_date(date));
        json_object_set_new(out, "poll_id",
                            mark.position ? json_integer((json_int_t)mark.position) : json_null());
        json_object_set_new(out, "position", json_of_int((int64_t)mark.position));
        json_object_set_new(out, "games_in_progress", json_of_int(count_games(&games, games_live)));
        json_object_set_new(out, "games_final", json_of_int(count_games(&games, games_final)));
        json_object_set_new(out, "total_games", json_of_int(games.count));
        json_object_set(out, "games", list);
    }
    json_decref(list);
    boxes_day_free(&boxes);
    games_day_free(&games);
    return out;
}

/* ---- live grading ---- */

/* Every status there is, in the order of the file. */
static const char *const statuses[] = {"correct",     "incorrect",        "push",
                                       "void",        "trending_correct", "trending_incorrect",
                                       "in_progress", "graded",           "pending"};
enum { STATUSES = sizeof statuses / sizeof *statuses, GRADED = 7, PENDING = 8 };

struct grading_row {
    json_t *json;
    int status;
    double confidence;
};
struct grading {
    const struct games_day *games;
    struct store_txn *txn;
    struct grading_row *rows;
    int count, by_status[STATUSES], with_actual, finals;
    double error_sum;
    const char *system; /* whose predictions are shown */
};

static int status_of(const struct msg_grade_points *grade)
{
    const char *word = grade->final ? grade->outcome : grade->state;
    for (int i = 0; i < STATUSES; i++)
        if (!strcmp(word, statuses[i]))
            return i;
    return grade->final ? GRADED : PENDING; /* no_line, pass */
}

/* Who never came in has no points, not nought. */
static bool has_actual(const struct msg_grade_points *grade)
{
    return grade->actual != MESSAGE_NONE && strcmp(grade->outcome, "void") != 0;
}

static bool find_grade(struct store_txn *txn, const struct msg_prediction_points *prediction,
                       struct msg_grade_points *grade)
{
    struct store_key key;
    struct span value, payload;
    struct table_mark mark;
    struct message_error error;
    store_key_start(&key);
    store_key_text(&key, prediction->game_id);
    store_key_i64(&key, prediction->player_id);
    store_key_text(&key, prediction->system);
    store_key_text(&key, prediction->stat);
    return store_get(txn, TABLE_GRADE, prediction->game_date, key.data, key.size, &value) ==
               STORE_OK &&
           table_read(&value, &mark, &payload) == STORE_OK &&
           message_decode(&msg_grade_points_desc, payload.data, payload.size, grade, &error) == 0 &&
           strcmp(grade->prediction_id, prediction->prediction_id) == 0;
}

static json_t *grading_json(const struct grading *self,
                            const struct msg_prediction_points *prediction,
                            const struct msg_grade_points *grade, int status)
{
    const struct games_game *game = games_find(self->games, prediction->game_id);
    bool known = has_actual(grade);
    json_t *out = json_object();
    json_object_set_new(out, "player_lookup", lookup_json(prediction->player_name));
    json_object_set_new(out, "player_name", json_of_string(prediction->player_name));
    json_object_set_new(out, "team", json_of_string(prediction->team));
    json_object_set_new(out, "home_team",
                        json_of_string(prediction->home ? prediction->team : prediction->opponent));
    json_object_set_new(out, "away_team",
                        json_of_string(prediction->home ? prediction->opponent : prediction->team));
    json_object_set_new(out, "game_status", json_of_string(game ? game->row.status : ""));
    json_object_set_new(out, "period", game ? json_of_int(game->row.period) : json_null());
    json_object_set_new(out, "time_remaining", json_of_string(game ? game->row.clock : ""));
    json_object_set_new(out, "predicted", rounded(prediction->predicted, 1));
    json_object_set_new(out, "line", json_of_number(prediction->line));
    json_object_set_new(out, "recommendation", json_of_string(prediction->recommendation));
    json_object_set_new(out, "confidence", rounded(prediction->confidence, 4));
    json_object_set_new(out, "has_line", json_boolean(!isnan(prediction->line)));
    json_object_set_new(out, "line_source", json_of_string(prediction->line_source));
    json_object_set_new(out, "actual", known ? json_of_int(grade->actual) : json_null());
    json_object_set_new(out, "minutes", json_of_int(grade->minutes));
    json_object_set_new(out, "error",
                        known ? rounded(prediction->predicted - (double)grade->actual, 1)
                              : json_null());
    json_object_set_new(out, "margin_vs_line",
                        known ? rounded((double)grade->actual - prediction->line, 1) : json_null());
    json_object_set_new(out, "status", json_of_string(statuses[status]));
    json_object_set_new(out, "score_source",
                        json_of_string(grade->final ? "final"
                                       : known      ? "live"
                                                    : ""));
    json_object_set_new(out, "void_reason", json_of_string(grade->void_reason));
    json_object_set_new(out, "prediction_id", json_of_string(prediction->prediction_id));
    json_object_set_new(out, "game_id", json_of_string(prediction->game_id));
    json_object_set_new(out, "player_id", json_of_int(prediction->player_id));
    json_object_set_new(out, "system", json_of_string(prediction->system));
    return out;
}

static int take_prediction(void *context, const struct msg_prediction_points *prediction,
                           bool active)
{
    struct grading *self = context;
    struct msg_grade_points grade;
    if (!active || strcmp(prediction->system, self->system) != 0 ||
        strcmp(prediction->stat, "points") != 0)
        return 0;
    if (!(self->count & (self->count - 1))) {
        size_t capacity = self->count ? 2 * (size_t)self->count : 1;
        struct grading_row *bigger = realloc(self->rows, capacity * sizeof *bigger);
        if (!bigger)
            return STORE_IO;
        self->rows = bigger;
    }
    message_clear(&msg_grade_points_desc, &grade);
    int status = find_grade(self->txn, prediction, &grade) ? status_of(&grade) : PENDING;
    bool known = has_actual(&grade);
    self->rows[self->count++] =
        (struct grading_row){.json = grading_json(self, prediction, &grade, status),
                             .status = status,
                             .confidence = prediction->confidence};
    self->by_status[status]++;
    self->with_actual += known;
    if (grade.final && known) {
        self->finals++;
        self->error_sum += fabs(prediction->predicted - (double)grade.actual);
    }
    return 0;
}

static int compare_grading(const void *a, const void *b)
{
    const struct grading_row *x = a, *y = b;
    if (x->status != y->status)
        return x->status - y->status;
    return x->confidence > y->confidence ? -1 : x->confidence < y->confidence;
}

static json_t *grading_summary(const struct grading *self)
{
    json_t *out = json_object();
    int decided = self->by_status[0] + self->by_status[1];
    json_object_set_new(out, "total_predictions", json_of_int(self->count));
    json_object_set_new(out, "graded", json_of_int(self->with_actual));
    for (int i = 0; i < STATUSES; i++)
        if (i != GRADED && i != 6) /* `graded` has its own meaning here, in_progress is no total */
            json_object_set_new(out, statuses[i], json_of_int(self->by_status[i]));
    json_object_set_new(out, "win_rate",
                        decided ? rounded((double)self->by_status[0] / decided, 3) : json_null());
    json_object_set_new(out, "avg_error",
                        self->finals ? rounded(self->error_sum / self->finals, 1) : json_null());
    json_object_set_new(out, "games_in_progress",
                        json_of_int(count_games(self->games, games_live)));
    json_object_set_new(out, "games_final", json_of_int(count_games(self->games, games_final)));
    return out;
}

/* Several systems speak once a model is promoted: then the ensemble is shown, until then the only one there is. */
#define SYSTEM_TRAINED "ensemble"
#define SYSTEM_BUILT_IN "blend"

static int find_trained(void *context, const struct msg_prediction_points *prediction, bool active)
{
    *(bool *)context |= active && !strcmp(prediction->system, SYSTEM_TRAINED);
    return 0;
}

json_t *export_grading(struct store_txn *txn, int32_t date, int *error)
{
    struct games_day games;
    bool trained = false;
    struct grading self = {.games = &games, .txn = txn};
    struct table_mark mark = touched_any(txn, date);
    json_t *out = NULL;
    *error = games_day_load(&games, txn, date);
    if (!*error)
        *error = view_each_prediction(txn, date, find_trained, &trained);
    self.system = trained ? SYSTEM_TRAINED : SYSTEM_BUILT_IN;
    if (!*error)
        *error = view_each_prediction(txn, date, take_prediction, &self);
    if (self.count > 0)
        qsort(self.rows, (size_t)self.count, sizeof *self.rows, compare_grading);
    if (!*error) {
        json_t *list = json_array();
        for (int i = 0; i < self.count; i++)
            json_array_append(list, self.rows[i].json);
        out = json_object();
        json_object_set_new(out, "updated_at", json_of_time(mark.time_us));
        json_object_set_new(out, "game_date", json_of_date(date));
        json_object_set_new(out, "position", json_of_int((int64_t)mark.position));
        json_object_set_new(out, "summary", grading_summary(&self));
        json_object_set_new(out, "predictions", list);
    }
    for (int i = 0; i < self.count; i++)
        json_decref(self.rows[i].json);
    free(self.rows);
    games_day_free(&games);
    return out;
}

/* ---- status ---- */

int32_t export_today(struct store_txn *txn, int64_t now_us, int rollover_hour)
{
    struct games_day day;
    int32_t today = clock_league_day(now_us, rollover_hour);
    int32_t before = clock_date_add(today, -1);
    bool still = games_day_load(&day, txn, before) == STORE_OK && count_games(&day, games_live) > 0;
    games_day_free(&day);
    return still ? before : today;
}

struct newest_poll {
    int64_t at;
};

static int take_poll(void *context, int32_t date, const struct table_mark *mark,
                     const void *message)
{
    struct newest_poll *newest = context;
    const struct msg_ops_run *run = message;
    (void)date;
    (void)mark;
    bool good = strcmp(run->error_class, "none") == 0;
    if (good && strstr(run->name, "Live") && run->closed_at > newest->at)
        newest->at = run->closed_at;
    return 0;
}

static json_t *service(const char *status, const char *message)
{
    json_t *out = json_object();
    json_object_set_new(out, "status", json_string(status));
    json_object_set_new(out, "message", json_string(message));
    return out;
}

static json_t *live_service(struct store_txn *txn, const struct games_day *games, int32_t today,
                            int64_t now_us)
{
    struct newest_poll poll = {.at = CLOCK_NONE};
    struct table_mark mark = touched(txn, today, "live");
    bool active = count_games(games, games_live) > 0;
    table_each(txn, TABLE_POLL, today, clock_date_add(today, 1), NULL, &msg_ops_run_desc, take_poll,
               &poll);
    int64_t age_us = poll.at == CLOCK_NONE ? INT64_MAX : now_us - poll.at;
    bool stale = active && age_us > 10 * MINUTE_US;
    json_t *out = service(stale && age_us > 30 * MINUTE_US ? "unhealthy"
                          : stale                          ? "degraded"
                                                           : "healthy",
                          stale    ? "games are on, but the live feed has not been read"
                          : active ? "games are on and read"
                                   : "no game is on");
    json_object_set_new(out, "last_update", json_of_time(mark.time_us));
    json_object_set_new(out, "last_poll", json_of_time(poll.at));
    json_object_set_new(out, "age_minutes",
                        poll.at == CLOCK_NONE ? json_null() : json_of_int(age_us / MINUTE_US));
    json_object_set_new(out, "is_stale", json_boolean(stale));
    json_object_set_new(out, "games_active", json_boolean(active));
    json_object_set_new(out, "next_update_expected",
                        active && poll.at != CLOCK_NONE ? json_of_time(poll.at + POLL_INTERVAL_US)
                                                        : json_null());
    return out;
}

static int count_active(void *context, const struct msg_prediction_points *prediction, bool active)
{
    (void)prediction;
    *(int *)context += active;
    return 0;
}

static int count_final(void *context, int32_t date, const struct table_mark *mark,
                       const void *message)
{
    const struct msg_grade_points *grade = message;
    (void)date;
    (void)mark;
    *(int *)context += grade->final;
    return 0;
}

static int count_any(void *context, int32_t date, const struct table_mark *mark,
                     const void *message)
{
    (void)date;
    (void)mark;
    (void)message;
    ++*(int *)context;
    return 0;
}

static int put_issue(void *context, int32_t date, const struct table_mark *mark,
                     const void *message)
{
    const struct msg_ops_alert *alert = message;
    (void)date;
    (void)mark;
    if (strcmp(alert->state, "raised") != 0)
        return 0;
    json_t *issue = json_object();
    json_object_set_new(issue, "severity", json_of_string(alert->severity));
    json_object_set_new(issue, "message", json_of_string(alert->text));
    json_object_set_new(issue, "detected_at", json_of_time(alert->since));
    json_object_set_new(issue, "cause", json_of_string(alert->cause));
    json_object_set_new(issue, "subject", json_of_string(alert->subject));
    json_array_append_new(context, issue);
    return 0;
}

static const char *overall(const json_t *services)
{
    static const char *const counted[] = {"live_data", "tonight_data", "predictions", NULL};
    const char *worst = "healthy";
    for (int i = 0; counted[i]; i++) {
        const char *status =
            json_string_value(json_object_get(json_object_get(services, counted[i]), "status"));
        if (!strcmp(status, "unhealthy"))
            return status;
        worst = !strcmp(status, "degraded") ? status : worst;
    }
    return worst;
}

json_t *export_status(struct store_txn *txn, int32_t today, int64_t now_us, int *error)
{
    struct games_day games;
    int predictions = 0, features = 0, graded = 0;
    json_t *issues = json_array();
    *error = games_day_load(&games, txn, today);
    if (!*error)
        *error = view_each_prediction(txn, today, count_active, &predictions);
    if (!*error)
        *error = table_each(txn, TABLE_FEATURE, today, today, NULL, NULL, count_any, &features);
    if (!*error)
        *error = table_each(txn, TABLE_GRADE, today, today, NULL, &msg_grade_points_desc,
                            count_final, &graded);
    if (!*error)
        *error = table_each(txn, TABLE_ALERT, clock_date_add(today, -1), clock_date_add(today, 1),
                            NULL, &msg_ops_alert_desc, put_issue, issues);
    if (*error) {
        json_decref(issues);
        games_day_free(&games);
        return NULL;
    }
    bool any = games.count > 0, ended = count_games(&games, games_final) > 0;
    json_t *out = json_object(), *services = json_object();
    json_object_set_new(services, "live_data", live_service(txn, &games, today, now_us));
    json_object_set_new(services, "tonight_data",
                        service(any && !features ? "degraded" : "healthy",
                                !any       ? "no games today"
                                : features ? "features are there"
                                           : "games, but no features yet"));
    json_t *grading = service(ended && !graded && predictions ? "degraded" : "healthy",
                              graded ? "final games are graded" : "nothing graded yet");
    json_object_set_new(grading, "graded", json_of_int(graded));
    json_object_set_new(services, "grading", grading);
    json_t *predicted = service(any && !predictions ? "degraded" : "healthy",
                                predictions ? "predictions are active" : "no active predictions");
    json_object_set_new(predicted, "predictions_count", json_of_int(predictions));
    json_object_set_new(predicted, "target_date", json_of_date(today));
    json_object_set_new(services, "predictions", predicted);
    json_object_set_new(out, "updated_at", json_of_time(now_us));
    json_object_set_new(out, "position", json_of_int((int64_t)touched_any(txn, today).position));
    json_object_set_new(out, "overall_status", json_string(overall(services)));
    json_object_set_new(out, "services", services);
    json_object_set_new(out, "known_issues", issues);
    json_object_set_new(out, "maintenance_windows", json_array());
    games_day_free(&games);
    return out;
}
