#include "actors/processor/check.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "config/clock.h"

#define DRIFT_DAYS 30
#define DRIFT_LEAST 5 /* games or days; of fewer nobody knows what is usual */
/* A list is held against one that was fetched so long before at most: what is older says nothing about a sudden change, and what has
 * stayed so long as it is, is how things are. Longer for lists that are polled once a day. */
#define LAST_US (INT64_C(12) * 3600 * 1000000)
#define LATELY_US (INT64_C(72) * 3600 * 1000000)
#define LAST_LEAST 12  /* rows; fewer come and go */
#define SHARE_LEAST 10 /* rows */
#define BEFORE_DAYS 2  /* a failure of so many days ago is history (actors/watchdog/due.c) */

enum check_against { FIXED, MEAN, LAST, LATELY };

static const struct check {
    const char *name, *outputs;
    enum check_list list;
    size_t figure; /* where in struct check_figures */
    double least, most;
    enum check_against against;
} checks[] = {
#define CHECK(id, name, outputs, list, figure, least, most, against, doc)                          \
    {name, outputs, list, offsetof(struct check_figures, figure), least, most, against},
#include "actors/processor/checks.def"
#undef CHECK
};

/* Whom a check is of: a game, or a day by its date. */
struct subject {
    enum check_list list;
    char id[17];
    int32_t date;
    bool newest; /* what holds now ends what failed on the days before */
    bool
        only_good; /* that something fails is for another list to say; and nothing is remembered of this one */
};

double check_share(double part, double of)
{
    return of >= SHARE_LEAST ? part / of : NAN;
}

double check_broken(const struct apply *self)
{
    double rows = (double)self->feed->items;
    return rows > 0 ? fmin((double)self->broken / rows, 1) : NAN;
}

static double figure_of(const struct check *check, const struct check_figures *figures)
{
    double value;
    memcpy(&value, (const char *)figures + check->figure, sizeof value);
    return value;
}

/* What the bounds are ratios to; false: nobody knows. */
static bool base_of(struct apply *self, const struct check *check, const struct subject *of,
                    double value, double *base)
{
    struct msg_processor_accepted accepted;
    int count = DRIFT_LEAST;
    *base = 1;
    switch (check->against) {
    case FIXED:
        break;
    case MEAN:
        *base =
            memory_figure_mean(&self->memory, check->name, clock_date_add(of->date, -DRIFT_DAYS),
                               clock_date_add(of->date, -1), &count);
        break;
    case LAST:
    case LATELY:
        *base = memory_accepted(&self->memory, check->name, &accepted) &&
                        self->raw->fetched_at - accepted.at <=
                            (check->against == LAST ? LAST_US : LATELY_US) &&
                        accepted.value >= LAST_LEAST
                    ? accepted.value
                    : value;
        break;
    }
    return count >= DRIFT_LEAST;
}

static void remember(struct apply *self, const struct check *check, const struct subject *of,
                     double value, bool good)
{
    if (of->only_good) {
        return;
    }
    if (check->against == MEAN) {
        memory_put_figure(&self->memory, check->name, of->date, of->id, value);
    } else if ((check->against == LAST || check->against == LATELY) && good) {
        const struct msg_processor_accepted accepted = {.value = value,
                                                        .at = self->raw->fetched_at};
        memory_put_accepted(&self->memory, check->name, &accepted);
    }
}

static void say(struct apply *self, const struct msg_row_check *row, bool only_good)
{
    static const char *const EXCEPT[] = {"feed", "rows", NULL};
    struct msg_row_check last;
    bool had = memory_row_check(&self->memory, row, &last);
    if ((row->good ? !had || last.good : only_good) ||
        (had && message_equal(&msg_row_check_desc, row, &last, EXCEPT))) {
        return;
    }
    memory_put_row_check(&self->memory, row);
    step_emit(self->step, &msg_row_check_desc, row);
}

static void say_before(struct apply *self, const struct msg_row_check *row)
{
    for (int days = 1; days <= BEFORE_DAYS; days++) {
        struct msg_row_check before = *row;
        before.game_date = clock_date_add(row->game_date, -days);
        clock_format_date(before.game_date, before.game_id);
        say(self, &before, true);
    }
}

static void judge_one(struct apply *self, const struct check *check, const struct subject *of,
                      const struct check_figures *figures)
{
    struct msg_row_check row;
    double value = figure_of(check, figures), base;
    bool told = base_of(self, check, of, value, &base);
    double least = check->least * base, most = check->most * base;
    bool good = value >= least && value <= most;
    remember(self, check, of, value, good);
    if (!told) {
        return;
    }
    message_clear(&msg_row_check_desc, &row);
    snprintf(row.check, sizeof row.check, "%s", check->name);
    snprintf(row.game_id, sizeof row.game_id, "%s", of->id);
    row.game_date = of->date;
    snprintf(row.feed, sizeof row.feed, "%s", self->raw->feed);
    snprintf(row.outputs, sizeof row.outputs, "%s", check->outputs);
    row.good = good;
    row.value = value;
    row.least = least;
    row.most = most;
    row.rows = (int64_t)figures->rows;
    say(self, &row, of->only_good);
    if (of->newest && good) {
        say_before(self, &row);
    }
}

static void judge(struct apply *self, const struct subject *of, const struct check_figures *figures)
{
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        if (checks[i].list == of->list && !isnan(figure_of(&checks[i], figures))) {
            judge_one(self, &checks[i], of, figures);
        }
    }
}

static struct subject subject_game(enum check_list list, const char *game_id, int32_t date)
{
    struct subject of = {.list = list, .date = date};
    snprintf(of.id, sizeof of.id, "%s", game_id);
    return of;
}

void check_game(struct apply *self, enum check_list list, const char *game_id, int32_t game_date,
                const struct check_figures *figures)
{
    const struct subject of = subject_game(list, game_id, game_date);
    judge(self, &of, figures);
}

void check_game_over(struct apply *self, enum check_list list, const char *game_id,
                     int32_t game_date, const struct check_figures *figures)
{
    struct subject of = subject_game(list, game_id, game_date);
    of.only_good = true;
    judge(self, &of, figures);
}

static struct subject subject_day(enum check_list list, int32_t date)
{
    struct subject of = {.list = list, .date = date};
    clock_format_date(date, of.id);
    return of;
}

void check_day(struct apply *self, enum check_list list, int32_t date,
               const struct check_figures *figures)
{
    const struct subject of = subject_day(list, date);
    judge(self, &of, figures);
}

void check_newest(struct apply *self, enum check_list list, const struct check_figures *figures,
                  bool settled)
{
    struct subject of =
        subject_day(list, clock_league_day(self->raw->fetched_at, self->rollover_hour));
    of.newest = true;
    of.only_good = !settled;
    judge(self, &of, figures);
}
