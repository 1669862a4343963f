/* Made-up games whose truth is known, and a model of them: for tests of what learns and of what uses what was learned. */
#ifndef TESTS_UNIT_MADE_GAMES_H
#define TESTS_UNIT_MADE_GAMES_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "actors/predictor/trained.h"
#include "config/clock.h"

enum { DAYS = 230, A_DAY = 36, ROWS = DAYS * A_DAY };
#define FIRST_DAY 20240101

/* Every input of every system, and one feature that says nothing. */
static const char *const NAMES[] = {"points_avg_last_10",
                                    "points_avg_season",
                                    "points_ewma",
                                    "ppm_last_30",
                                    "minutes_projected",
                                    "points_projected",
                                    "points_level",
                                    "three_share_last_20",
                                    "free_throw_share_last_20",
                                    "opponent_twos_allowed_last_15",
                                    "opponent_three_points_allowed_last_15",
                                    "opponent_free_throws_allowed_last_15",
                                    "pace_score",
                                    "home",
                                    "back_to_back",
                                    "points_similar",
                                    "points_std_last_10",
                                    "minutes_std_last_10",
                                    "minutes_ewma_10",
                                    "noise"};
enum { WIDTH = sizeof NAMES / sizeof NAMES[0], HOME = 13 };

static float values[ROWS * WIDTH];
static struct sample rows[ROWS];
static double truth[ROWS];
static struct samples samples = {.stat = STAT_points,
                                 .names = NAMES,
                                 .width = WIDTH,
                                 .count = ROWS,
                                 .values = values,
                                 .rows = rows};

static uint32_t state_of_dice;
static double dice(void)
{
    state_of_dice = state_of_dice * 1664525u + 1013904223u;
    return (double)(state_of_dice >> 8) / (double)(1 << 24);
}

/* Sum of twelve less six: near enough to normal. */
static double bell(void)
{
    double sum = -6;
    for (int i = 0; i < 12; i++) {
        sum += dice();
    }
    return sum;
}

static int32_t day_at(int day)
{
    return clock_date_add(FIRST_DAY, day);
}

static void make_row(size_t i, int day)
{
    float *at = values + i * WIDTH;
    double level = 6 + 20 * dice(), home = dice() < 0.5, seen = level + bell();
    for (size_t j = 0; j < WIDTH; j++) {
        at[j] = (float)seen;
    }
    at[3] = (float)(seen / 30);
    at[4] = 30;
    at[7] = 0.3f;
    at[8] = 0.15f;
    at[9] = (float)(54 + 4 * dice());
    at[10] = (float)(36 + 4 * dice());
    at[11] = (float)(16 + 3 * dice());
    at[12] = (float)(2 * dice() - 1);
    at[HOME] = (float)home;
    at[14] = 0;
    at[16] = 5;
    at[17] = 5;
    at[18] = 30;
    at[19] = (float)dice();
    truth[i] =
        level + 3 * home; /* at home they make three more: only the trees and the zones can know */
    double actual = round(truth[i] + 5 * bell());
    rows[i] = (struct sample){.date = day_at(day),
                              .actual = actual < 0 ? 0 : actual,
                              .line = NAN,
                              .market = NAN,
                              .over_price = -110,
                              .under_price = -110};
    if (i % 3 == 0) { /* lines know more than the features */
        rows[i].line = floor(truth[i] + 0.5 * bell()) + 0.5;
        rows[i].market = 0.5;
    }
}

static void make_games(void)
{
    state_of_dice = 4;
    for (size_t i = 0; i < ROWS; i++) {
        make_row(i, (int)(i / A_DAY));
    }
}

static struct trained *train(struct pack *bytes)
{
    char why[SYSTEM_WHY] = "";
    const struct fit_options options = {.jobs = 2};
    struct trained *made = calloc(1, sizeof *made);
    struct fit_walk walk;
    assert_non_null(made);
    assert_int_equal(fit_walk(&walk, &samples, day_at(DAYS), day_at(DAYS), 1, &options, why), 0);
    struct fitted *fitted = &made->fitted[STAT_points];
    assert_int_equal(fit_base(&samples, samples.count, walk.rounds, fitted, why), 0);
    assert_int_equal(fit_top(&walk, samples.count, fitted, why), 0);
    assert_int_equal(fit_proof(&walk, samples.count, fitted, why), 0);
    fit_walk_free(&walk);
    strcpy(made->code, "test");
    made->from = day_at(0);
    made->through = day_at(DAYS - 1);
    made->rows = ROWS;
    made->says[STAT_points] = true;
    made->width = WIDTH;
    made->names = calloc(WIDTH, sizeof(char *));
    for (size_t i = 0; i < WIDTH; i++) {
        made->names[i] = strdup(NAMES[i]);
    }
    assert_int_equal(trained_write(made, bytes, why), 0);
    return made;
}

#endif
