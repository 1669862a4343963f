/* The blend: missing inputs, the distribution at whole and half lines, margins, recommendations. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actors/predictor/model.h"
#include "schema/message.h"

static struct model_input steady(double points, double minutes)
{
    return (struct model_input){.points_avg_last_20 = points,
                                .points_avg_season = points,
                                .points_ewma = points,
                                .ppm_last_30 = points / minutes,
                                .minutes_ewma = minutes,
                                .minutes_last = minutes,
                                .games_season = 20,
                                .opponent_points_allowed_last_15 = 113,
                                .home = 0,
                                .rest_days = 2,
                                .line = NAN};
}

static void near(double value, double expected, double within)
{
    if (!(fabs(value - expected) <= within)) {
        fail_msg("%.9f is not within %g of %.9f", value, within, expected);
    }
}

static void test_missing(void **state)
{
    (void)state;
    struct model_input input = steady(20, 30);
    assert_null(model_missing(&input));
    input.points_avg_season = input.rest_days = input.opponent_points_allowed_last_15 = NAN;
    assert_null(model_missing(&input));
    input.minutes_last = NAN;
    assert_string_equal(model_missing(&input), "minutes_last");
}

static void test_mean(void **state)
{
    (void)state;
    struct model_input input = steady(20, 30);
    struct model_points points = model_points(&input);
    near(points.mean, 0.5609 + 20 * (0.1102 + 0.4098 + 0.2479 + 0.1835), 1e-9);
    near(points.stddev, sqrt(9.2977 + 2.4787 * points.mean), 1e-9);

    struct model_input first = input; /* the first game of a season: form alone makes the level */
    first.points_avg_season = NAN;
    first.games_season = 0;
    near(model_points(&first).mean, points.mean, 1e-9);

    struct model_input tired = input;
    tired.rest_days = 20;
    near(model_points(&tired).mean, points.mean - 20 * (0.0394 + 0.0740), 1e-9);

    struct model_input short_minutes = input;
    short_minutes.minutes_last = 15;
    assert_true(model_points(&short_minutes).mean < points.mean);

    input.line = 30.5;
    near(model_points(&input).mean, points.mean + 0.9223 * (30.5 - points.mean), 1e-9);
}

static void test_never_below_zero(void **state)
{
    (void)state;
    struct model_input input = steady(0, 30);
    input.opponent_points_allowed_last_15 = -1e9;
    input.points_avg_last_20 = input.points_avg_season = 10;
    assert_true(model_points(&input).mean == 0);
    assert_true(model_points(&input).stddev > 0);
}

static void test_half_line_has_no_push(void **state)
{
    (void)state;
    struct model_points points = {22, 7};
    for (double line = 0.5; line < 60; line += 1) {
        near(model_over(&points, line) + model_under(&points, line), 1, 1e-12);
    }
    near(model_over(&points, 21.5), 0.5 * erfc(-0.5 / (7 * sqrt(2))), 1e-12);
}

static void test_whole_line_pushes(void **state)
{
    (void)state;
    struct model_points points = {22, 7};
    near(model_over(&points, 22), model_under(&points, 22), 1e-12);
    near(model_over(&points, 22), model_over(&points, 22.5), 1e-12);
    near(model_under(&points, 22), model_under(&points, 21.5), 1e-12);
    near(1 - model_over(&points, 22) - model_under(&points, 22), 0.0569, 1e-3);
    assert_true(model_over(&points, 20.5) > model_over(&points, 21.5));
}

static void test_bets(void **state)
{
    (void)state;
    struct model_points points = {22, 7};
    struct model_bet none = model_bet(&points, NAN, -110, -110, 0.03);
    assert_int_equal(none.side, MODEL_NO_LINE);
    assert_true(isnan(none.edge) && isnan(none.prob_over));
    assert_true(none.confidence == 0);

    struct model_bet over = model_bet(&points, 20.5, -110, -110, 0.03);
    assert_int_equal(over.side, MODEL_OVER);
    near(over.edge, model_over(&points, 20.5) - 0.5, 1e-12);
    near(over.confidence, model_over(&points, 20.5), 1e-12);

    struct model_bet under = model_bet(&points, 24.5, -110, -110, 0.03);
    assert_int_equal(under.side, MODEL_UNDER);
    near(under.confidence, model_under(&points, 24.5), 1e-12);

    struct model_bet even = model_bet(&points, 22, -110, -110, 0.03);
    assert_int_equal(even.side, MODEL_PASS);
    near(even.edge, 0, 1e-12);
}

static void test_margin_is_taken_out(void **state)
{
    (void)state;
    struct model_points points = {22, 7};
    /* -130 / +100: 0.5652 and 0.5 make 0.5306 of over */
    struct model_bet bet = model_bet(&points, 21.5, -130, 100, 0.03);
    double fair = (130.0 / 230) / (130.0 / 230 + 0.5);
    near(bet.edge, fabs(model_over(&points, 21.5) - fair), 1e-12);
    assert_int_equal(bet.side, MODEL_PASS);
    struct model_bet one_sided = model_bet(&points, 21.5, -130, MESSAGE_NONE, 0.02);
    near(one_sided.edge, model_over(&points, 21.5) - 0.5, 1e-12);
    assert_int_equal(one_sided.side, MODEL_OVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_mean),
        cmocka_unit_test(test_never_below_zero),
        cmocka_unit_test(test_half_line_has_no_push),
        cmocka_unit_test(test_whole_line_pushes),
        cmocka_unit_test(test_bets),
        cmocka_unit_test(test_margin_is_taken_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
