/* How far a night has come, from the scoreboard's tables. */
#include "cli/night.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "actors/scoreboard/tables.h"
#include "config/clock.h"
#include "config/log.h"

/* What identifies a prediction while the walk over its older versions goes on: the last one is the active one. */
struct active {
    char game_id[17], system[33], stat[17], prediction_id[41];
    int64_t player_id;
};

struct night_reader {
    char *dir;
    struct store *store; /* NULL until the tables exist */
    int said;            /* the error last said in the log */
    struct active *active;
    int active_count, active_capacity;
};

struct night_reader *night_open(const char *dir)
{
    struct night_reader *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->dir = strdup(dir);
    if (self->dir)
        return self;
    free(self);
    return NULL;
}

void night_close(struct night_reader **self)
{
    if (!*self)
        return;
    if ((*self)->store)
        store_close(&(*self)->store);
    free((*self)->active);
    free((*self)->dir);
    free(*self);
    *self = NULL;
}

static bool is_over(const struct msg_row_game *game)
{
    return !strcmp(game->status, "final") || !strcmp(game->status, "postponed");
}

static int visit_game(void *context, int32_t date, const struct table_mark *mark,
                      const void *message)
{
    struct night *out = context;
    const struct msg_row_game *game = message;
    (void)date;
    (void)mark;
    if (out->games == NIGHT_GAMES_MAX)
        return 0;
    out->game[out->games++] = *game;
    out->final += !strcmp(game->status, "final");
    out->postponed += !strcmp(game->status, "postponed");
    return 0;
}

static int visit_prediction(void *context, int32_t date, const struct table_mark *mark,
                            const void *message)
{
    struct night_reader *self = context;
    const struct msg_prediction_points *prediction = message;
    (void)date;
    (void)mark;
    struct active *last = self->active_count ? &self->active[self->active_count - 1] : NULL;
    bool same = last && last->player_id == prediction->player_id &&
                !strcmp(last->game_id, prediction->game_id) &&
                !strcmp(last->system, prediction->system) && !strcmp(last->stat, prediction->stat);
    if (!same && self->active_count == self->active_capacity) {
        int capacity = self->active_capacity ? self->active_capacity * 2 : 256;
        struct active *grown = realloc(self->active, (size_t)capacity * sizeof *grown);
        if (!grown)
            return STORE_IO;
        self->active = grown;
        self->active_capacity = capacity;
    }
    if (!same)
        last = &self->active[self->active_count++];
    assert(last);
    last->player_id = prediction->player_id;
    memcpy(last->game_id, prediction->game_id, sizeof last->game_id);
    memcpy(last->system, prediction->system, sizeof last->system);
    memcpy(last->stat, prediction->stat, sizeof last->stat);
    memcpy(last->prediction_id, prediction->prediction_id, sizeof last->prediction_id);
    return 0;
}

static int visit_box(void *context, int32_t date, const struct table_mark *mark,
                     const void *message)
{
    struct night *out = context;
    const struct msg_row_box_score *row = message;
    (void)date;
    (void)mark;
    out->box_scores++;
    out->final_box_scores += row->final;
    return 0;
}

struct grade_wanted {
    const struct active *active;
    bool graded;
};

static int visit_grade(void *context, int32_t date, const struct table_mark *mark,
                       const void *message)
{
    struct grade_wanted *wanted = context;
    const struct msg_grade_points *grade = message;
    (void)date;
    (void)mark;
    wanted->graded |= grade->final && !strcmp(grade->prediction_id, wanted->active->prediction_id);
    return 0;
}

/* Predictions of games that were put off never get a grade, and none is waited for. */
static bool game_is_postponed(const struct night *night, const char *game_id)
{
    for (int i = 0; i < night->games; i++)
        if (!strcmp(night->game[i].game_id, game_id))
            return !strcmp(night->game[i].status, "postponed");
    return false;
}

static int count_grades(const struct night_reader *self, struct store_txn *txn, int32_t date,
                        struct night *out)
{
    for (int i = 0; i < self->active_count; i++) {
        const struct active *active = &self->active[i];
        if (game_is_postponed(out, active->game_id))
            continue;
        struct grade_wanted wanted = {.active = active};
        struct store_key key;
        store_key_start(&key);
        store_key_text(&key, active->game_id);
        store_key_i64(&key, active->player_id);
        int error = table_each(txn, TABLE_GRADE, date, date, &key,
                               message_of_stream("grade.points"), visit_grade, &wanted);
        if (error)
            return error;
        out->predictions++;
        out->graded += wanted.graded;
    }
    return 0;
}

static int visit_expected(void *context, int32_t date, const struct table_mark *mark,
                          const void *message)
{
    struct night *out = context;
    const struct msg_ops_expected *row = message;
    (void)date;
    (void)mark;
    out->undecided += !strcmp(row->state, "EXPECTED") && row->deadline != CLOCK_NONE &&
                      row->deadline <= clock_league_us();
    return 0;
}

static int read_tables(struct night_reader *self, struct store_txn *txn, int32_t date,
                       struct night *out)
{
    self->active_count = 0;
    int error = table_each(txn, TABLE_GAME, date, date, NULL, message_of_stream("row.game"),
                           visit_game, out);
    if (!error)
        error = table_each(txn, TABLE_BOX, date, date, NULL, message_of_stream("row.box_score"),
                           visit_box, out);
    if (!error)
        error = table_each(txn, TABLE_PREDICTION, date, date, NULL,
                           message_of_stream("prediction.points"), visit_prediction, self);
    if (!error)
        error = table_each(txn, TABLE_EXPECTED, date, date, NULL, message_of_stream("ops.expected"),
                           visit_expected, out);
    return error ? error : count_grades(self, txn, date, out);
}

static int fail(struct night_reader *self, int error)
{
    if (error != self->said)
        log_warn("tables-unreadable", "dir=%s why=\"%s\"", self->dir, store_error_text(error));
    self->said = error;
    return -1;
}

int night_read(struct night_reader *self, int32_t date, struct night *out)
{
    int error = 0;
    struct store_txn *txn;
    memset(out, 0, sizeof *out);
    if (!self->store)
        self->store = tables_open(self->dir, &error);
    if (!self->store)
        return error == STORE_NOT_FOUND ? 1 : fail(self, error);
    error = store_begin(self->store, false, &txn);
    if (error)
        return fail(self, error);
    error = read_tables(self, txn, date, out);
    store_abort(&txn);
    if (error)
        return fail(self, error);
    self->said = 0;
    return 0;
}

bool night_over(const struct night *self)
{
    for (int i = 0; i < self->games; i++)
        if (!is_over(&self->game[i]))
            return false;
    return self->games > 0 && self->graded == self->predictions;
}
