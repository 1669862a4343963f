/* The predictor on the real engine: whom it predicts, when it speaks again, what it refuses. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "actors/harness.h"
#include "actors/predictor/predictor.h"
#include "schema/messages.h"
#include "schema/pack.h"
#include "tests/unit/commanding.h"
#include "tests/unit/made_games.h"

static const int64_t NOON = INT64_C(1763398800000000);
static struct harness *harness;
static uint8_t packed[4096], sources[16];

static int set_up(void **state)
{
    (void)state;
    messages_register();
    harness = harness_open(&predictor_actor, NULL);
    return harness ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    harness_close(&harness);
    return 0;
}

/* `form` stands for all point features; `missing` is left nil. */
static void pack_features(struct msg_feature_player *row, double form, const char *missing)
{
    static const struct {
        const char *name;
        double value, forms;
    } all[] = {
        {"points_avg_last_20", 0, 1}, {"points_avg_season", 0, 1},
        {"points_ewma", 0, 1},        {"ppm_last_30", 0.7, 0},
        {"minutes_ewma", 30, 0},      {"minutes_last", 31, 0},
        {"games_season", 12, 0},      {"home", 1, 0},
        {"rest_days", 2, 0},          {"opponent_points_allowed_last_15", 115, 0},
        {"something_newer", 1, 0},
    };
    struct pack out = {.data = packed, .capacity = sizeof packed, .fixed = true};
    struct pack none = {.data = sources, .capacity = sizeof sources, .fixed = true};
    pack_map(&out, sizeof all / sizeof all[0]);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        pack_text(&out, all[i].name);
        if (missing && strcmp(missing, all[i].name) == 0) {
            pack_nil(&out);
        } else {
            pack_f64(&out, all[i].value + all[i].forms * form);
        }
    }
    pack_map(&none, 0);
    row->values = (struct span){out.data, (uint32_t)out.size};
    row->sources = (struct span){none.data, (uint32_t)none.size};
}

static struct msg_feature_player feature_of(int64_t player, double form, double line, int64_t games)
{
    struct msg_feature_player row;
    message_clear(&msg_feature_player_desc, &row);
    strcpy(row.game_id, "0022500241");
    row.game_date = 20251117;
    row.player_id = player;
    strcpy(row.player_name, "Luka Dončić");
    strcpy(row.team, "AAA");
    strcpy(row.opponent, "BBB");
    row.home = true;
    row.as_of = NOON;
    row.quality = 1;
    row.line = line;
    row.games = games;
    if (!isnan(line)) {
        strcpy(row.line_source, "median:8");
        row.over_price = row.under_price = -110;
    }
    pack_features(&row, form, NULL);
    return row;
}

static void put(const struct msg_feature_player *row, int64_t time_us)
{
    assert_true(harness_put(harness, &msg_feature_player_desc, row, time_us) > 0);
    assert_int_equal(harness_run(harness), 0);
}

static size_t predictions(void)
{
    return harness_count(harness, &msg_prediction_points_desc);
}

static const struct msg_prediction_points *prediction(size_t index)
{
    const struct harness_record *record = harness_at(harness, &msg_prediction_points_desc, index);
    assert_non_null(record);
    return record->message;
}

static void test_prediction(void **state)
{
    (void)state;
    struct msg_feature_player row = feature_of(5, 20, 21.5, 3);
    put(&row, NOON + 1000);
    assert_int_equal(predictions(), 1);
    const struct msg_prediction_points *message = prediction(0);
    assert_int_equal(strlen(message->prediction_id), 32);
    assert_string_equal(message->player_name, "Luka Dončić");
    assert_string_equal(message->system, "blend");
    assert_string_equal(message->stat, "points");
    assert_true(message->line == 21.5);
    assert_true(message->predicted > 20 && message->predicted < 22);
    assert_true(message->prob_over > 0.4 && message->prob_over < 0.55);
    assert_string_equal(message->recommendation, "PASS");
    assert_int_equal(message->made_at, NOON + 1000);
    assert_int_equal(message->as_of, NOON);
    const struct harness_record *record = harness_at(harness, &msg_prediction_points_desc, 0);
    assert_int_equal(record->parent_count, 1);
    assert_int_equal(record->parents[0], 1);
}

static void test_too_few_games(void **state)
{
    (void)state;
    struct msg_feature_player row = feature_of(5, 20, 21.5, 2);
    put(&row, NOON);
    assert_int_equal(predictions(), 0);
    uint64_t done, never;
    harness_outcomes(harness, &done, &never);
    assert_int_equal(done, 1);
    assert_int_equal(never, 0);
}

static void test_missing_feature(void **state)
{
    (void)state;
    struct msg_feature_player row = feature_of(5, 20, 21.5, 10);
    pack_features(&row, 20, "points_ewma");
    put(&row, NOON);
    assert_int_equal(predictions(), 0);
    pack_features(&row, 20, "rest_days"); /* can be done without */
    put(&row, NOON);
    assert_int_equal(predictions(), 1);
}

static void test_no_line(void **state)
{
    (void)state;
    struct msg_feature_player row = feature_of(5, 20, NAN, 10);
    put(&row, NOON);
    assert_string_equal(prediction(0)->recommendation, "NO_LINE");
    assert_true(isnan(prediction(0)->line) && isnan(prediction(0)->prob_over));
}

static void test_said_once(void **state)
{
    (void)state;
    struct msg_feature_player row = feature_of(5, 20, 21.5, 10);
    put(&row, NOON);
    row.as_of = NOON + 5;
    put(&row, NOON + 6);
    assert_int_equal(predictions(), 1); /* only when it was looked at is new */
    row.line = 22.5;
    put(&row, NOON + 7);
    assert_int_equal(predictions(), 2);
    assert_string_not_equal(prediction(0)->prediction_id, prediction(1)->prediction_id);
    struct msg_feature_player other = feature_of(6, 20, 21.5, 10);
    put(&other, NOON + 8);
    assert_int_equal(predictions(), 3);
    assert_string_not_equal(prediction(0)->prediction_id, prediction(2)->prediction_id);
    assert_int_equal(harness_restart(harness), 0);
    put(&other, NOON + 9);
    assert_int_equal(predictions(), 3);
}

static void test_same_inputs_same_name(void **state)
{
    char id[41];
    struct msg_feature_player row = feature_of(5, 20, 21.5, 10);
    put(&row, NOON);
    strcpy(id, prediction(0)->prediction_id);
    tear_down(state);
    set_up(state);
    row.as_of = NOON + 77;
    put(&row, NOON + 100);
    assert_string_equal(prediction(0)->prediction_id, id);
}

static void test_malformed_values(void **state)
{
    (void)state;
    struct msg_feature_player row = feature_of(5, 20, 21.5, 10);
    struct pack out = {.data = packed, .capacity = sizeof packed, .fixed = true};
    pack_map(&out, 1);
    pack_text(&out, "points_ewma");
    pack_text(&out, "twenty");
    row.values = (struct span){out.data, (uint32_t)out.size};
    put(&row, NOON);
    assert_int_equal(predictions(), 0);
    const struct harness_record *dead = harness_at(harness, &msg_dead_letter_desc, 0);
    assert_non_null(dead);
    assert_non_null(strstr(((const struct msg_dead_letter *)dead->message)->rule, "values"));
}

/* ---- with a model ---- */

static struct msg_model_promoted promotion_of(struct pack *bytes)
{
    struct msg_model_promoted row;
    message_clear(&msg_model_promoted_desc, &row);
    hash_sha256_hex(bytes->data, bytes->size, row.sha256);
    strcpy(row.code_version, "test");
    row.learned_from = day_at(0);
    row.learned_through = day_at(DAYS - 1);
    row.rows = ROWS;
    row.mae = 4;
    row.coverage_80 = 0.8;
    row.promoted_at = NOON;
    row.body = (struct span){bytes->data, (uint32_t)bytes->size};
    return row;
}

/* Game `i` of the made ones, as features would say it: the blend has not what it needs. */
static struct msg_feature_player made_feature(size_t i)
{
    struct msg_feature_player row = feature_of(5, 20, rows[i].line, 30);
    struct pack out = {.data = packed, .capacity = sizeof packed, .fixed = true};
    pack_map(&out, WIDTH + 2);
    pack_text(&out, "something_newer");
    pack_f64(&out, 1);
    for (size_t j = WIDTH; j > 0; j--) { /* in another order than the model has them */
        pack_text(&out, NAMES[j - 1]);
        pack_f64(&out, (double)values[i * WIDTH + j - 1]);
    }
    pack_text(&out, "line_prob_over");
    pack_f64(&out, 0.5);
    row.values = (struct span){out.data, (uint32_t)out.size};
    return row;
}

static const struct msg_prediction_points *newest_of(const char *system)
{
    for (size_t i = predictions(); i > 0; i--) {
        if (strcmp(prediction(i - 1)->system, system) == 0) {
            return prediction(i - 1);
        }
    }
    return NULL;
}

static void test_model(void **state)
{
    char why[SYSTEM_WHY];
    struct pack bytes = {0};
    (void)state;
    make_games();
    struct trained *made = train(&bytes);
    struct msg_model_promoted promotion = promotion_of(&bytes);
    struct msg_feature_player row = made_feature(0);
    put(&row, NOON);
    assert_int_equal(predictions(), 0); /* no model, and nothing for the blend */
    uint64_t model_at = harness_put(harness, &msg_model_promoted_desc, &promotion, NOON + 1);
    assert_true(model_at > 0);
    assert_int_equal(harness_run(harness), 0);
    uint64_t feature_at = harness_put(harness, &msg_feature_player_desc, &row, NOON + 2);
    assert_int_equal(harness_run(harness), 0);
    assert_int_equal(predictions(), SYSTEM_COUNT);
    const struct trained_ask ask = {values, rows[0].line, rows[0].market};
    struct trained_said said;
    assert_int_equal(trained_say(made, STAT_points, &ask, &said, why), 0);
    for (int i = 0; i < SYSTEM_COUNT; i++) {
        const struct msg_prediction_points *message = newest_of(system_at((enum system_id)i)->name);
        assert_non_null(message);
        assert_memory_equal(message->model, promotion.sha256, 16);
        const struct harness_record *record =
            harness_at(harness, &msg_prediction_points_desc, (size_t)i);
        assert_int_equal(record->parent_count, 2); /* the features and the model */
        assert_int_equal(record->parents[0], feature_at);
        assert_int_equal(record->parents[1], model_at);
        assert_true(fabs(message->predicted - outlook_median(&said.outlook[i])) < 1e-6);
        assert_true(message->low < message->predicted && message->predicted < message->high);
        assert_true(fabs(message->prob_over + message->prob_under - 1) < 1e-5); /* half a line */
        bool bet = strcmp(message->recommendation, "PASS") != 0;
        assert_int_equal(bet, !isnan(message->stake));
    }
    put(&row, NOON + 3);
    assert_int_equal(predictions(), SYSTEM_COUNT); /* said once */
    assert_int_equal(harness_restart(harness), 0);
    row = made_feature(3);
    put(&row, NOON + 4);
    assert_int_equal(predictions(), 2 * SYSTEM_COUNT); /* the model was kept */
    trained_free(&made);
    pack_free(&bytes);
}

/* A model that came behind the features: who was never predicted is, from the features that were kept, once. */
static void test_predicted_when_asked(void **state)
{
    struct pack bytes = {0};
    (void)state;
    make_games();
    struct trained *made = train(&bytes);
    struct msg_model_promoted promotion = promotion_of(&bytes);
    struct msg_feature_player row = made_feature(0), known = feature_of(6, 20, 21.5, 3);
    commanded(harness, "predictor", "predict", "0022500241", NOON);
    answered(harness, 1, "nothing", 0);
    row = made_feature(0);
    put(&row, NOON + 1);
    uint64_t feature_at = harness_put(harness, &msg_feature_player_desc, &row, NOON + 2);
    assert_int_equal(harness_run(harness), 0);
    known = feature_of(6, 20, 21.5, 3);
    put(&known, NOON + 3);
    assert_int_equal(predictions(), 1); /* the blend's of the other */
    uint64_t model_at = harness_put(harness, &msg_model_promoted_desc, &promotion, NOON + 4);
    assert_int_equal(harness_run(harness), 0);
    assert_int_equal(harness_restart(harness), 0);
    uint64_t asked = commanded(harness, "predictor", "predict", "0022500241", NOON + 5);
    answered(harness, 2, "done", (int64_t)predictions() - 1);
    assert_true(predictions() >= 1 + SYSTEM_COUNT);
    const struct harness_record *record = harness_at(harness, &msg_prediction_points_desc, 1);
    const struct msg_prediction_points *message = record->message;
    assert_int_equal(message->player_id, 5);
    assert_int_equal(message->made_at, NOON + 2);
    assert_int_equal(record->parent_count, 3);
    assert_int_equal(record->parents[0], feature_at);
    assert_int_equal(record->parents[1], model_at);
    assert_int_equal(record->parents[2], asked);
    size_t before = predictions();
    commanded(harness, "predictor", "predict", "0022500241", NOON + 6);
    answered(harness, 3, "done", 0);
    assert_int_equal(predictions(), before);
    trained_free(&made);
    pack_free(&bytes);
}

/* Somebody lost what was said: he hears it again as it was, however long ago. */
static void test_said_again_when_asked(void **state)
{
    (void)state;
    struct msg_feature_player known = feature_of(6, 20, 21.5, 3);
    char subject[40], day[CLOCK_DATE_SIZE];
    clock_format_date(known.game_date, day);
    snprintf(subject, sizeof subject, "%s:%s", known.game_id, day);
    put(&known, NOON);
    assert_int_equal(predictions(), 1);
    struct msg_prediction_points said =
        *(const struct msg_prediction_points *)harness_at(harness, &msg_prediction_points_desc, 0)
             ->message;
    commanded(harness, "predictor", "say", known.game_id, NOON + 1);
    answered(harness, 1, "nothing", 0); /* of which day? */
    commanded(harness, "predictor", "say", subject, NOON + INT64_C(90) * 24 * 3600 * 1000000);
    answered(harness, 2, "done", 1);
    assert_int_equal(predictions(), 2);
    assert_true(message_equal(&msg_prediction_points_desc,
                              harness_at(harness, &msg_prediction_points_desc, 1)->message, &said,
                              NULL));
}

static void test_model_refused(void **state)
{
    struct pack bytes = {0};
    (void)state;
    make_games();
    struct trained *made = train(&bytes);
    struct msg_model_promoted promotion = promotion_of(&bytes);
    struct msg_feature_player row = made_feature(0);
    assert_true(harness_put(harness, &msg_model_promoted_desc, &promotion, NOON) > 0);
    assert_int_equal(harness_run(harness), 0);
    bytes.data[bytes.size / 2] ^= 1;
    assert_true(harness_put(harness, &msg_model_promoted_desc, &promotion, NOON + 1) > 0);
    promotion.body.size = 100; /* whole by its name, but no model */
    hash_sha256_hex(bytes.data, 100, promotion.sha256);
    assert_true(harness_put(harness, &msg_model_promoted_desc, &promotion, NOON + 2) > 0);
    assert_int_equal(harness_run(harness), 0);
    const struct harness_record *one = harness_at(harness, &msg_dead_letter_desc, 0);
    const struct harness_record *two = harness_at(harness, &msg_dead_letter_desc, 1);
    assert_non_null(one);
    assert_non_null(two);
    const struct msg_dead_letter *letter = one->message;
    assert_non_null(strstr(letter->rule, "another SHA-256"));
    letter = two->message;
    assert_non_null(strstr(letter->rule, "not a model"));
    put(&row, NOON + 3);
    assert_int_equal(predictions(), SYSTEM_COUNT); /* the first one still speaks */
    trained_free(&made);
    pack_free(&bytes);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_prediction),
        TEST(test_too_few_games),
        TEST(test_missing_feature),
        TEST(test_no_line),
        TEST(test_said_once),
        TEST(test_same_inputs_same_name),
        TEST(test_malformed_values),
        TEST(test_model),
        TEST(test_model_refused),
        TEST(test_predicted_when_asked),
        TEST(test_said_again_when_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
