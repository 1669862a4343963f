/* Rows as text, sorted, hashed. */
#include "actors/scoreboard/digest.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/scoreboard/games.h"
#include "actors/scoreboard/views.h"
#include "schema/pack.h"

const char *const digest_names[DIGEST_PARTS] = {"boxscores", "odds", "features", "predictions",
                                                "grades"};

/* One row being written. */
struct line {
    char *text;
    size_t size, capacity;
    bool failed;
};

static void line_add(struct line *self, const char *text, size_t size)
{
    if (self->size + size + 1 > self->capacity) {
        size_t capacity = 2 * (self->size + size + 1);
        char *bigger = realloc(self->text, capacity);
        if (!bigger) {
            self->failed = true;
            return;
        }
        self->text = bigger;
        self->capacity = capacity;
    }
    memcpy(self->text + self->size, text, size);
    self->size += size;
    self->text[self->size] = '\0';
}

static void line_field(struct line *self, const char *text, size_t size)
{
    if (self->size > 0)
        line_add(self, "\t", 1);
    line_add(self, text, size);
}

static void line_text(struct line *self, const char *text)
{
    line_field(self, text, strlen(text));
}

static void line_i64(struct line *self, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)value);
    line_text(self, value == MESSAGE_NONE ? "" : text);
}

/* Six places; minus nought is nought. */
static void format_f64(double value, char text[64])
{
    snprintf(text, 64, "%.6f", value);
    if (!strcmp(text, "-0.000000"))
        memmove(text, text + 1, strlen(text));
}

static void line_f64(struct line *self, double value)
{
    char text[64];
    format_f64(value, text);
    line_text(self, isnan(value) ? "" : text);
}

/* Takes the line over; it starts anew. */
static int rows_add(struct digest_rows *rows, struct line *line)
{
    if (!(rows->count & (rows->count - 1))) {
        size_t capacity = rows->count ? 2 * (size_t)rows->count : 1;
        char **bigger = realloc(rows->rows, capacity * sizeof *bigger);
        if (!bigger)
            line->failed = true;
        else
            rows->rows = bigger;
    }
    if (line->failed) {
        free(line->text);
        return STORE_IO;
    }
    rows->rows[rows->count++] = line->text;
    return STORE_OK;
}

/* ---- the five parts ---- */

static int add_boxscores(struct digest_rows *rows, struct store_txn *txn, int32_t date)
{
    struct boxes_day day;
    int error = boxes_day_load(&day, txn, date);
    for (int i = 0; i < day.count && !error; i++) {
        const struct msg_row_box_score *row = &day.lines[i].row;
        const int64_t counts[] = {row->minutes,
                                  row->points,
                                  row->rebounds,
                                  row->offensive_rebounds,
                                  row->defensive_rebounds,
                                  row->assists,
                                  row->steals,
                                  row->blocks,
                                  row->turnovers,
                                  row->personal_fouls,
                                  row->field_goals_made,
                                  row->field_goals_attempted,
                                  row->three_pointers_made,
                                  row->three_pointers_attempted,
                                  row->free_throws_made,
                                  row->free_throws_attempted,
                                  row->plus_minus};
        struct line line = {0};
        if (!row->final || !row->played)
            continue;
        line_text(&line, row->game_id);
        line_i64(&line, row->player_id);
        line_text(&line, row->player_name);
        line_text(&line, row->team);
        line_text(&line, row->opponent);
        line_i64(&line, row->home);
        line_text(&line, row->game_status);
        for (size_t k = 0; k < sizeof counts / sizeof *counts; k++)
            line_i64(&line, counts[k]);
        error = rows_add(rows, &line);
    }
    boxes_day_free(&day);
    return error;
}

static int take_odds(void *context, const struct view_odds_row *odds)
{
    struct line line = {0};
    if (!odds->last_before_tip)
        return 0;
    line_text(&line, odds->row->game_id);
    line_i64(&line, odds->row->player_id);
    line_text(&line, odds->row->market);
    line_text(&line, odds->row->book);
    line_f64(&line, odds->row->line);
    line_i64(&line, odds->row->over_price);
    line_i64(&line, odds->row->under_price);
    return rows_add(context, &line);
}

static int compare_rows(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void rows_sort(struct digest_rows *rows)
{
    if (rows->count > 0)
        qsort(rows->rows, (size_t)rows->count, sizeof *rows->rows, compare_rows);
}

static void rows_free(struct digest_rows *rows)
{
    for (int i = 0; i < rows->count; i++)
        free(rows->rows[i]);
    free(rows->rows);
    *rows = (struct digest_rows){0};
}

/* name=value of every feature, by name. 0, or STORE_CORRUPT: not a map of numbers and nils. */
static int values_add(struct line *line, const struct span *values)
{
    struct digest_rows sorted = {0};
    struct unpack in = {values->data, values->size, 0};
    uint32_t count, size;
    const char *name;
    int error = unpack_map(&in, &count) ? STORE_OK : STORE_CORRUPT;
    for (uint32_t i = 0; i < count && !error; i++) {
        struct line one = {0};
        double value = 0;
        char text[64] = "";
        if (!unpack_str(&in, &name, &size)) {
            error = STORE_CORRUPT;
            break;
        }
        if (unpack_peek(&in) == PACK_INT || unpack_peek(&in) == PACK_FLOAT) {
            unpack_f64(&in, &value);
            format_f64(value, text);
        } else if (!unpack_nil(&in)) {
            error = STORE_CORRUPT;
            break;
        }
        line_add(&one, name, size);
        line_add(&one, "=", 1);
        line_add(&one, text, strlen(text));
        error = rows_add(&sorted, &one);
    }
    rows_sort(&sorted);
    for (int i = 0; i < sorted.count; i++)
        line_text(line, sorted.rows[i]);
    rows_free(&sorted);
    return error;
}

static int take_feature(void *context, int32_t date, const struct table_mark *mark,
                        const void *message)
{
    const struct msg_feature_player *feature = message;
    struct line line = {0};
    (void)date;
    (void)mark;
    line_text(&line, feature->game_id);
    line_i64(&line, feature->player_id);
    int error = values_add(&line, &feature->values);
    if (error)
        free(line.text);
    return error ? error : rows_add(context, &line);
}

static int take_prediction(void *context, const struct msg_prediction_points *prediction,
                           bool active)
{
    struct line line = {0};
    if (!active)
        return 0;
    line_text(&line, prediction->game_id);
    line_i64(&line, prediction->player_id);
    line_text(&line, prediction->system);
    line_text(&line, prediction->stat);
    line_f64(&line, prediction->predicted);
    line_f64(&line, prediction->stddev);
    line_f64(&line, prediction->line);
    line_f64(&line, prediction->prob_over);
    line_text(&line, prediction->recommendation);
    return rows_add(context, &line);
}

static int take_grade(void *context, int32_t date, const struct table_mark *mark,
                      const void *message)
{
    const struct msg_grade_points *grade = message;
    struct line line = {0};
    (void)date;
    (void)mark;
    if (!grade->final)
        return 0;
    line_text(&line, grade->game_id);
    line_i64(&line, grade->player_id);
    line_text(&line, grade->system);
    line_text(&line, grade->stat);
    line_i64(&line, grade->actual);
    line_text(&line, grade->outcome);
    line_f64(&line, grade->line);
    line_text(&line, grade->recommendation);
    return rows_add(context, &line);
}

int digest_make(struct digest *out, struct store_txn *txn, int32_t date)
{
    memset(out, 0, sizeof *out);
    struct digest_rows *parts = out->parts;
    int error = add_boxscores(&parts[DIGEST_BOXSCORES], txn, date);
    if (!error)
        error = view_each_odds(txn, date, take_odds, &parts[DIGEST_ODDS]);
    if (!error)
        error = table_each(txn, TABLE_FEATURE, date, date, NULL, &msg_feature_player_desc,
                           take_feature, &parts[DIGEST_FEATURES]);
    if (!error)
        error = view_each_prediction(txn, date, take_prediction, &parts[DIGEST_PREDICTIONS]);
    if (!error)
        error = table_each(txn, TABLE_GRADE, date, date, NULL, &msg_grade_points_desc, take_grade,
                           &parts[DIGEST_GRADES]);
    for (int part = 0; part < DIGEST_PARTS; part++) {
        struct hash *hash = hash_open();
        rows_sort(&parts[part]);
        for (int i = 0; i < parts[part].count; i++) {
            hash_add(hash, parts[part].rows[i], strlen(parts[part].rows[i]));
            hash_add(hash, "\n", 1);
        }
        hash_close(&hash, out->sha256[part]);
    }
    return error;
}

void digest_free(struct digest *self)
{
    for (int part = 0; part < DIGEST_PARTS; part++)
        rows_free(&self->parts[part]);
}
