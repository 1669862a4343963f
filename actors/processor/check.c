#include "actors/processor/check.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "config/clock.h"

#define DRIFT_DAYS 30
#define DRIFT_GAMES_LEAST 5 /* of fewer nobody knows what is usual */

static const struct check {
    const char *name, *outputs;
    enum check_list list;
    size_t figure; /* where in struct check_figures */
    double least, most;
    bool drift;
} checks[] = {
#define CHECK(id, name, outputs, list, figure, least, most, drift, doc)                            \
    {name, outputs, list, offsetof(struct check_figures, figure), least, most, drift},
#include "actors/processor/checks.def"
#undef CHECK
};

static double figure_of(const struct check *check, const struct check_figures *figures)
{
    double value;
    memcpy(&value, (const char *)figures + check->figure, sizeof value);
    return value;
}

/* Bounds of a drift are of the mean over the days before; false: too few games to tell. */
static bool bounds_of(struct apply *self, const struct check *check, int32_t date, double *least,
                      double *most)
{
    *least = check->least;
    *most = check->most;
    if (!check->drift) {
        return true;
    }
    int games;
    double mean = memory_figure_mean(&self->memory, check->name, clock_date_add(date, -DRIFT_DAYS),
                                     clock_date_add(date, -1), &games);
    *least *= mean;
    *most *= mean;
    return games >= DRIFT_GAMES_LEAST;
}

static void say(struct apply *self, const struct msg_row_check *row)
{
    static const char *const EXCEPT[] = {"feed", "rows", NULL};
    struct msg_row_check last;
    bool had = memory_row_check(&self->memory, row, &last);
    if ((row->good && (!had || last.good)) ||
        (had && message_equal(&msg_row_check_desc, row, &last, EXCEPT))) {
        return;
    }
    memory_put_row_check(&self->memory, row);
    step_emit(self->step, &msg_row_check_desc, row);
}

void check_game(struct apply *self, enum check_list list, const char *game_id, int32_t game_date,
                const struct check_figures *figures)
{
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        const struct check *check = &checks[i];
        struct msg_row_check row;
        double value = figure_of(check, figures), least, most;
        if (check->list != list || isnan(value)) {
            continue;
        }
        bool told = bounds_of(self, check, game_date, &least, &most);
        if (check->drift) {
            memory_put_figure(&self->memory, check->name, game_date, game_id, value);
        }
        if (!told) {
            continue;
        }
        message_clear(&msg_row_check_desc, &row);
        snprintf(row.check, sizeof row.check, "%s", check->name);
        snprintf(row.game_id, sizeof row.game_id, "%s", game_id);
        row.game_date = game_date;
        snprintf(row.feed, sizeof row.feed, "%s", self->raw->feed);
        snprintf(row.outputs, sizeof row.outputs, "%s", check->outputs);
        row.good = value >= least && value <= most;
        row.value = value;
        row.least = least;
        row.most = most;
        row.rows = (int64_t)figures->rows;
        say(self, &row);
    }
}
