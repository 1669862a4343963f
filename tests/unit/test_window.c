/* Rolling features: strictly before the day, the newest n, exact sums, nothing made up. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "actors/features/window.h"
#include "config/clock.h"

static struct window_line line_of(int32_t date, const char *game, int points, int minutes)
{
    struct window_line line = {.date = date,
                               .team = "AAA",
                               .opponent = "BBB",
                               .points = (uint8_t)points,
                               .minutes = (uint8_t)minutes,
                               .fga = 10,
                               .fta = 5,
                               .turnovers = 2,
                               .three_attempts = 4,
                               .played = 1};
    memcpy(line.game_id, game, strlen(game));
    return line;
}

static struct window_output values_of(const struct window_line *lines, size_t count, int32_t date)
{
    struct window_input input = {.game_date = date,
                                 .lines = lines,
                                 .line_count = count,
                                 .games_career = (int64_t)count,
                                 .injury_risk = NAN,
                                 .line = NAN,
                                 .line_opening = NAN,
                                 .line_prob_over = NAN,
                                 .spread = NAN,
                                 .total = NAN};
    struct window_output output;
    window_values(&input, &output);
    return output;
}

static void near(double value, double expected)
{
    if (!(fabs(value - expected) < 1e-9)) {
        fail_msg("%.9f is not %.9f", value, expected);
    }
}
#define VALUE(output, name) ((output).value[FEATURE_##name])

static void test_nothing_known(void **state)
{
    (void)state;
    struct window_output output = values_of(NULL, 0, 20251117);
    for (int i = 0; i < FEATURE_COUNT; i++) {
        bool known = i == FEATURE_games_season || i == FEATURE_games_career ||
                     i == FEATURE_games_with_team || i == FEATURE_home;
        assert_int_equal(!isnan(output.value[i]), known);
    }
    near(window_quality(&output), window_round(4.0 / FEATURE_COUNT));
}

static void test_strictly_before(void **state)
{
    (void)state;
    struct window_line lines[] = {
        line_of(20251110, "1", 10, 20), line_of(20251112, "2", 20, 30),
        line_of(20251117, "3", 60, 48), /* the day itself */
        line_of(20251119, "4", 70, 48), /* later */
    };
    struct window_output output = values_of(lines, 4, 20251117);
    assert_int_equal(output.line_count, 2);
    near(VALUE(output, points_avg_last_5), 15);
    near(VALUE(output, minutes_last), 30);
    near(VALUE(output, games_season), 2);
    near(VALUE(output, ppm_last_30), 30.0 / 50);
    near(VALUE(output, rest_days), 5);
    near(VALUE(output, back_to_back), 0);
}

static void test_newest_n(void **state)
{
    (void)state;
    struct window_line lines[40];
    int32_t date = 20250101;
    for (int i = 0; i < 40; i++) {
        char game[8];
        snprintf(game, sizeof game, "%03d", i);
        lines[i] = line_of(date, game, i, 20);
        date = clock_date_add(date, 2);
    }
    struct window_output output = values_of(lines, 40, date);
    near(VALUE(output, points_avg_last_5), 37);
    near(VALUE(output, points_avg_last_10), 34.5);
    near(VALUE(output, points_avg_last_20), 29.5);
    near(VALUE(output, points_avg_season), 19.5);
    near(VALUE(output, points_std_last_10), window_round(sqrt(82.5 / 9)));
    near(VALUE(output, ppm_last_30), window_round(24.5 / 20));
    near(VALUE(output, games_in_last_7_days), 3); /* 2, 4 and 6 days ago */
    char source[32];
    assert_true(window_source(&output, FEATURE_points_avg_last_10, source));
    assert_string_equal(source, "games:10");
    assert_true(window_source(&output, FEATURE_points_ewma, source));
    assert_string_equal(source, "games:40");
    assert_false(window_source(&output, FEATURE_line, source));
}

static void test_weighted_by_age(void **state)
{
    (void)state;
    struct window_line lines[9];
    for (int i = 0; i < 9; i++) {
        char game[8];
        snprintf(game, sizeof game, "%d", i);
        lines[i] = line_of(20251101 + i, game, i == 0 ? 100 : 0, 10);
    }
    struct window_output output = values_of(lines, 9, 20251120);
    double weights = 0, decay = pow(0.5, 1.0 / 8);
    for (int i = 0; i < 9; i++) {
        weights += pow(decay, i);
    }
    near(VALUE(output, points_ewma), window_round(100 * 0.5 / weights));
    near(VALUE(output, minutes_ewma), 10);
}

static void test_seasons(void **state)
{
    (void)state;
    assert_int_equal(window_season(20250630), 2024);
    assert_int_equal(window_season(20250701), 2025);
    struct window_line lines[] = {line_of(20250410, "1", 30, 30), line_of(20250412, "2", 20, 30)};
    struct window_output first = values_of(lines, 2, 20251021);
    near(VALUE(first, points_avg_last_5), 25); /* windows of games look back into the last season */
    near(VALUE(first, games_season), 0);
    near(VALUE(first, games_in_last_7_days), 0);
    assert_true(isnan(VALUE(first, points_avg_season)));
    assert_true(isnan(VALUE(first, rest_days)));
    assert_true(isnan(VALUE(first, back_to_back)));
}

static void test_back_to_back(void **state)
{
    (void)state;
    struct window_line lines[] = {line_of(20251031, "1", 30, 30)};
    struct window_output output = values_of(lines, 1, 20251101);
    near(VALUE(output, rest_days), 1);
    near(VALUE(output, back_to_back), 1);
    assert_true(isnan(VALUE(output, points_std_last_10))); /* one game has no spread */
}

static void test_no_minutes(void **state)
{
    (void)state;
    struct window_line lines[] = {line_of(20251031, "1", 0, 0)};
    struct window_output output = values_of(lines, 1, 20251101);
    assert_true(isnan(VALUE(output, ppm_last_30)));
    assert_true(isnan(VALUE(output, usage_last_10)));
    near(VALUE(output, minutes_last), 0);
}

static void test_usage_and_teams(void **state)
{
    (void)state;
    struct window_line lines[] = {line_of(20251110, "1", 10, 24), line_of(20251112, "2", 10, 36)};
    struct window_team games[] = {
        {.date = 20251110,
         .game_id = "1",
         .own = {.points = 100,
                 .minutes = 240,
                 .fga = 80,
                 .fta = 25,
                 .turnovers = 14,
                 .offensive_rebounds = 10},
         .other = {.points = 90}},
        {.date = 20251112,
         .game_id = "2",
         .own = {.points = 100,
                 .minutes = 265,
                 .fga = 90,
                 .fta = 20,
                 .turnovers = 10,
                 .offensive_rebounds = 8},
         .other = {.points = 121}},
        {.date = 20251117,
         .game_id = "3",
         .own = {.points = 1, .minutes = 240, .fga = 1},
         .other = {.points = 1}},
    };
    const struct window_team *line_teams[] = {&games[0], NULL};
    struct window_input input = {.game_date = 20251117,
                                 .home = true,
                                 .lines = lines,
                                 .line_count = 2,
                                 .games_career = 2,
                                 .line_teams = line_teams,
                                 .team = games,
                                 .team_count = 3,
                                 .opponent = games,
                                 .opponent_count = 3,
                                 .line = 20.5,
                                 .books = 3};
    struct window_output output;
    window_values(&input, &output);
    /* the second game's team is not known: it is left out on both sides */
    near(VALUE(output, usage_last_10),
         window_round(100 * (10 + 2.2 + 2) * 48 / (24 * (80 + 11 + 14))));
    near(VALUE(output, opponent_points_allowed_last_15), 105.5);
    double plays = (80 + 11 + 14 - 10) + (90 + 8.8 + 10 - 8);
    near(VALUE(output, team_pace_last_10), window_round(plays * 240 / (240 + 265)));
    near(VALUE(output, home), 1);
    near(VALUE(output, line), 20.5);
    near(VALUE(output, line_books), 3);
    char source[32];
    assert_true(window_source(&output, FEATURE_line, source));
    assert_string_equal(source, "odds:3");
    assert_true(window_source(&output, FEATURE_usage_last_10, source));
    assert_string_equal(source, "games:1");
}

static void test_order(void **state)
{
    (void)state;
    char a[16] = "0022500001", b[16] = "0022500002";
    assert_true(window_order(20251101, b, 20251102, a) < 0);
    assert_true(window_order(20251101, a, 20251101, b) < 0);
    assert_int_equal(window_order(20251101, a, 20251101, a), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_known), cmocka_unit_test(test_strictly_before),
        cmocka_unit_test(test_newest_n),      cmocka_unit_test(test_weighted_by_age),
        cmocka_unit_test(test_seasons),       cmocka_unit_test(test_back_to_back),
        cmocka_unit_test(test_no_minutes),    cmocka_unit_test(test_usage_and_teams),
        cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
