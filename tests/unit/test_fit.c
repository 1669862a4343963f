/* Learning on made-up games whose truth is known: what is said forward never depends on what comes later or on how many processes said
 * it, intervals mean what they say, lines are believed as far as they have proved, and a model is its bytes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "actors/predictor/backtest.h"
#include "actors/predictor/trained.h"
#include "config/clock.h"
#include "tests/unit/made_games.h"

static int set_up(void **state)
{
    (void)state;
    make_games();
    return 0;
}

/* ---- walking ---- */

struct heard {
    double centre[ROWS][SYSTEM_COUNT];
    struct score score[SYSTEM_COUNT];
    struct score lined[SYSTEM_COUNT];
};

static void hear(size_t row, enum system_id system, const struct said *said, void *context)
{
    struct heard *heard = context;
    heard->centre[row][system] = said->predicted;
    score_add(&heard->score[system], said);
    if (!isnan(said->line)) {
        score_add(&heard->lined[system], said);
    }
}

static struct heard *walk(int from, int to, unsigned jobs)
{
    char why[SYSTEM_WHY] = "";
    struct heard *heard = calloc(1, sizeof *heard);
    const struct backtest backtest = {.from = day_at(from),
                                      .to = day_at(to),
                                      .every = 7,
                                      .min_edge = 0.03,
                                      .fit = {.jobs = jobs}};
    assert_non_null(heard);
    if (backtest_run(&backtest, &samples, hear, heard, why)) {
        fail_msg("%s", why);
    }
    return heard;
}

static void test_walk(void **state)
{
    (void)state;
    struct heard *heard = walk(200, 229, 2);
    const struct score *trees = &heard->score[SYSTEM_gradient_boosting];
    const struct score *plain = &heard->score[SYSTEM_moving_average];
    const struct score *all = &heard->score[SYSTEM_ensemble];
    assert_int_equal(all->n, 30 * A_DAY);
    assert_true(score_mae(trees) < score_mae(plain) - 0.05); /* home is worth knowing */
    assert_true(score_mae(all) < score_mae(plain));
    double inside = (double)all->inside / (double)all->n;
    assert_true(inside > 0.75 && inside < 0.85);
    const struct score *lined = &heard->lined[SYSTEM_ensemble];
    assert_true(lined->n == 30 * A_DAY / 3);
    /* Lines are nearer to the truth than the features are: so is who believes them. */
    double believing = 0, alone = 0;
    for (size_t i = 0; i < ROWS; i++) {
        if (!isnan(rows[i].line) && heard->centre[i][SYSTEM_ensemble] > 0) {
            believing += fabs(heard->centre[i][SYSTEM_ensemble] - truth[i]);
            alone += fabs(heard->centre[i][SYSTEM_gradient_boosting] - truth[i]);
        }
    }
    assert_true(believing < 0.8 * alone);
    free(heard);
}

static void test_any_number_of_processes(void **state)
{
    (void)state;
    struct heard *one = walk(210, 229, 1), *three = walk(210, 229, 3);
    assert_memory_equal(one->centre, three->centre, sizeof one->centre);
    free(one);
    free(three);
}

/* The games from a day on are given each other's outcomes: what was said of the days before is the same, bit for bit, and what is said
 * behind the next training is not. */
static void test_shuffled_future(void **state)
{
    (void)state;
    struct heard *before = walk(200, 229, 2);
    size_t cut = samples_before(&samples, day_at(214)); /* two steps in */
    for (size_t i = ROWS; i > cut + 1; i--) {
        size_t j = cut + (size_t)(dice() * (double)(i - cut));
        double kept = rows[i - 1].actual;
        rows[i - 1].actual = rows[j].actual;
        rows[j].actual = kept;
        rows[i - 1].line = isnan(rows[i - 1].line) ? NAN : 40 * dice();
    }
    struct heard *after = walk(200, 229, 2);
    assert_memory_equal(before->centre, after->centre, cut * sizeof before->centre[0]);
    assert_memory_not_equal(before->centre[cut + 7 * A_DAY], after->centre[cut + 7 * A_DAY],
                            7 * A_DAY * sizeof before->centre[0]);
    free(before);
    free(after);
    set_up(NULL);
}

/* Rows asked for one at a time, in an order that meets each again after more others than are kept, are what all at once are. */
static void test_trees_one_by_one(void **state)
{
    (void)state;
    enum { ACROSS = 3, COUNT = 3000 };
    static float inputs[COUNT * ACROSS], wanted[COUNT], at_once[COUNT];
    char why[SYSTEM_WHY] = "";
    int rounds;
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t j = 0; j < ACROSS; j++) {
            inputs[i * ACROSS + j] = dice() < 0.1 ? NAN : (float)dice();
        }
        wanted[i] = isnan(inputs[i * ACROSS]) ? 3 : 10 * inputs[i * ACROSS];
    }
    const struct boost_rows learn = {inputs, wanted, COUNT, ACROSS};
    const struct boost_params params = {.rounds = 20,
                                        .depth = 4,
                                        .eta = 0.3,
                                        .subsample = 1,
                                        .columns = 1,
                                        .huber_slope = 1,
                                        .seed = 1};
    struct boost *boost = boost_fit(&learn, NULL, 0, &params, NULL, &rounds, why, sizeof why);
    assert_non_null(boost);
    assert_int_equal(boost_predict(boost, inputs, COUNT, ACROSS, at_once, why, sizeof why), 0);
    for (int pass = 0; pass < 3; pass++) {
        for (size_t i = 0; i < COUNT; i++) {
            for (int again = 0; again < 2; again++) {
                float alone = NAN;
                assert_int_equal(
                    boost_predict(boost, inputs + i * ACROSS, 1, ACROSS, &alone, why, sizeof why),
                    0);
                assert_memory_equal(&alone, &at_once[i], sizeof alone);
            }
        }
    }
    boost_free(&boost);
}

/* Knows `rounds` once it has been asked so often; and when it is waited for. */
struct late {
    struct boost_limit limit;
    int rounds;
};
static int late_asked, late_after;

static int late_rounds(const struct boost_limit *limit, bool wait)
{
    const struct late *late = (const struct late *)(const void *)limit;
    return wait || late_asked++ >= late_after ? late->rounds : 0;
}

/* Whenever it becomes known, the trees are those that were grown knowing it. */
static void test_limit(void **state)
{
    (void)state;
    enum { ACROSS = 3, COUNT = 600 };
    static const struct {
        int rounds, after;
    } CASES[] = {{12, 0}, {12, 5}, {12, 11}, {8, 15}, {9, 1000}, {20, 1000}, {1, 0}};
    static float inputs[COUNT * ACROSS], wanted[COUNT], known[COUNT], late[COUNT];
    char why[SYSTEM_WHY] = "";
    int rounds;
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t j = 0; j < ACROSS; j++) {
            inputs[i * ACROSS + j] = (float)dice();
        }
        wanted[i] = 10 * inputs[i * ACROSS] + (float)dice();
    }
    const struct boost_rows learn = {inputs, wanted, COUNT, ACROSS};
    struct boost_params params = {
        .depth = 3, .eta = 0.3, .subsample = 0.8, .columns = 0.7, .huber_slope = 1, .seed = 1};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        params.rounds = CASES[i].rounds;
        struct boost *one = boost_fit(&learn, NULL, 0, &params, NULL, &rounds, why, sizeof why);
        const struct late limit = {{late_rounds}, CASES[i].rounds};
        params.rounds = 20;
        late_asked = 0;
        late_after = CASES[i].after;
        struct boost *other =
            boost_fit(&learn, NULL, 0, &params, &limit.limit, &rounds, why, sizeof why);
        assert_non_null(one);
        assert_non_null(other);
        assert_int_equal(rounds, CASES[i].rounds);
        assert_int_equal(boost_predict(one, inputs, COUNT, ACROSS, known, why, sizeof why), 0);
        assert_int_equal(boost_predict(other, inputs, COUNT, ACROSS, late, why, sizeof why), 0);
        assert_memory_equal(known, late, sizeof known);
        boost_free(&one);
        boost_free(&other);
    }
    const struct late never = {{late_rounds}, -1};
    late_asked = 0;
    late_after = 1000;
    assert_null(boost_fit(&learn, NULL, 0, &params, &never.limit, &rounds, why, sizeof why));
    assert_string_equal(why, "how many rounds are wanted never became known");
}

static void test_too_little(void **state)
{
    (void)state;
    char why[SYSTEM_WHY] = "";
    struct samples few = samples;
    struct fit_walk walk;
    const struct fit_options options = {.jobs = 1};
    few.count = 900;
    assert_int_equal(fit_walk(&walk, &few, day_at(30), day_at(37), 7, &options, why), -1);
    assert_non_null(strstr(why, "import earlier seasons"));
    fit_walk_free(&walk);
    few = samples;
    few.width = 3; /* features that systems need are not there: whoever finds it first says so */
    for (unsigned jobs = 1; jobs <= 3; jobs++) {
        const struct fit_options by_some = {.jobs = jobs};
        why[0] = '\0';
        assert_int_equal(fit_walk(&walk, &few, day_at(210), day_at(217), 7, &by_some, why), -1);
        assert_non_null(strstr(why, "there is no feature"));
        fit_walk_free(&walk);
    }
}

/* ---- the model ---- */

static void test_model_is_its_bytes(void **state)
{
    (void)state;
    char why[SYSTEM_WHY] = "";
    struct pack first = {0}, second = {0}, third = {0};
    struct trained *made = train(&first), *again = train(&second);
    assert_int_equal(first.size, second.size);
    assert_memory_equal(first.data, second.data, first.size);
    struct trained *read = trained_read(first.data, first.size, why);
    assert_non_null(read);
    assert_int_equal(read->through, made->through);
    assert_true(read->fitted[STAT_points].figures[SYSTEM_ensemble].n > 1000);
    assert_int_equal(trained_write(read, &third, why), 0);
    assert_memory_equal(first.data, third.data, first.size);
    for (size_t i = 0; i < 50; i++) {
        const struct trained_ask ask = {values + i * WIDTH, rows[i].line, rows[i].market};
        struct trained_said one, two;
        assert_int_equal(trained_say(made, STAT_points, &ask, &one, why), 0);
        assert_int_equal(trained_say(read, STAT_points, &ask, &two, why), 0);
        assert_memory_equal(one.centre, two.centre, sizeof one.centre);
        assert_true(fabs(one.centre[SYSTEM_ensemble] - truth[i]) < 6);
    }
    trained_free(&made);
    trained_free(&again);
    trained_free(&read);
    pack_free(&first);
    pack_free(&second);
    pack_free(&third);
}

/* Outside the trees, whose bytes are XGBoost's to read, no broken file is taken for a model, and none is a crash. */
static void test_broken_model(void **state)
{
    (void)state;
    char why[SYSTEM_WHY] = "";
    struct pack bytes = {0};
    struct trained *made = train(&bytes);
    for (size_t size = 0; size < 600; size += 3) {
        struct trained *read = trained_read(bytes.data, size, why);
        assert_null(read);
        assert_non_null(strstr(why, "not a model"));
    }
    for (size_t i = 0; i < 400; i++) {
        uint8_t kept = bytes.data[i];
        bytes.data[i] = (uint8_t)(kept ^ (1 << (i % 8)));
        struct trained *read = trained_read(bytes.data, bytes.size, why);
        trained_free(
            &read); /* a changed figure is still a model: its name tells (test_predictor) */
        bytes.data[i] = kept;
    }
    trained_free(&made);
    pack_free(&bytes);
}

/* ---- distributions ---- */

static void test_distribution(void **state)
{
    (void)state;
    static double centres[ROWS];
    struct spread spread;
    for (size_t i = 0; i < ROWS; i++) {
        centres[i] = truth[i];
    }
    assert_int_equal(spread_fit(&spread, &samples, 0, ROWS, centres), 0);
    for (size_t i = 0; i < 200; i++) {
        struct outlook outlook = spread_at(&spread, &samples, i, truth[i]);
        double sum = 0, mean = 0;
        for (int k = 0; k < 150; k++) {
            double p = outlook_exactly(&outlook, k);
            assert_true(p >= 0);
            sum += p;
            mean += k * p;
        }
        assert_true(fabs(sum - 1) < 1e-4);
        assert_true(fabs(mean - truth[i]) < 1);
        double over = outlook_over(&outlook, 20), under = outlook_under(&outlook, 20);
        assert_true(fabs(over + under + outlook_exactly(&outlook, 20) - 1) < 1e-9);
        over = outlook_over(&outlook, 20.5);
        assert_true(fabs(over + outlook_under(&outlook, 20.5) - 1) < 1e-9);
        assert_true(fabs(outlook_below(&outlook, outlook_quantile(&outlook, 0.5)) - 0.5) < 0.02);
        assert_true(outlook_quantile(&outlook, 0.1) < outlook_quantile(&outlook, 0.9));
        assert_true(outlook_quantile(&outlook, 0.1) >= -0.5);
        assert_true(outlook_deviation(&outlook) > 3 && outlook_deviation(&outlook) < 8);
    }
    assert_int_equal(spread_fit(&spread, &samples, 0, 100, centres), -1); /* too few */
}

static void test_scores(void **state)
{
    (void)state;
    struct score score = {0};
    struct said said = {.predicted = 20,
                        .low = 14,
                        .high = 28,
                        .actual = 24,
                        .line = 20.5,
                        .over = 0.55,
                        .under = 0.45,
                        .market = 0.5,
                        .over_price = 120,
                        .under_price = -140,
                        .edge = 0.05,
                        .bet_over = true};
    score_add(&score, &said); /* won at +120 */
    said.actual = 20;
    score_add(&score, &said); /* lost */
    said.line = 20;
    score_add(&score, &said); /* a push: no side, the stake comes back */
    said.line = NAN;
    said.actual = 40;
    score_add(&score, &said);
    assert_int_equal(score.n, 4);
    assert_true(fabs(score_mae(&score) - 6) < 1e-12);
    assert_true(fabs(score_bias(&score) + 6) < 1e-12);
    assert_int_equal(score.within_3, 2);
    assert_int_equal(score.inside, 3);
    assert_int_equal(score.lines, 3);
    assert_int_equal(score.sides, 2);
    assert_true(score_hit_rate(&score) == 0.5);
    assert_int_equal(score.bets, 3);
    assert_int_equal(score.bets_pushed, 1);
    assert_true(fabs(score_return(&score) - (1.2 - 1) / 3) < 1e-12);
    assert_true(fabs(score.log_loss + log(0.55) + log(0.45)) < 1e-12);
    assert_true(fabs(score.brier - 0.45 * 0.45 - 0.55 * 0.55) < 1e-12);
    assert_true(fabs(score_kelly(0.55, 100) - 0.1) < 1e-12);
    assert_true(score_kelly(0.5, -110) == 0);
    assert_true(isnan(score_mae(&(struct score){0})));
}

static double straight(size_t i, double *x, void *context)
{
    (void)context;
    x[0] = 1;
    x[1] = (double)i;
    return i == 40 ? 1000 : i == 7 ? NAN : 2 + 3 * (double)i; /* one wild, one unknown */
}

static void test_linear(void **state)
{
    (void)state;
    double found[LINEAR_MOST];
    struct linear_fit fit = {.width = 2, .slope = 0.1};
    assert_int_equal(linear_solve(&fit, 60, straight, NULL, found), 0);
    assert_true(fabs(found[0] - 2) < 0.1 && fabs(found[1] - 3) < 0.01);
    fit.prior[1] = 1;
    fit.strength[0] = fit.strength[1] = 1e9;
    assert_int_equal(linear_solve(&fit, 60, straight, NULL, found), 0);
    assert_true(fabs(found[1] - 1) < 0.01); /* held at the prior */
    fit.strength[0] = fit.strength[1] = 0;
    assert_int_equal(linear_solve(&fit, 0, straight, NULL, found), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_any_number_of_processes),
        cmocka_unit_test(test_shuffled_future),
        cmocka_unit_test(test_trees_one_by_one),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_too_little),
        cmocka_unit_test(test_model_is_its_bytes),
        cmocka_unit_test(test_broken_model),
        cmocka_unit_test(test_distribution),
        cmocka_unit_test(test_scores),
        cmocka_unit_test(test_linear),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
