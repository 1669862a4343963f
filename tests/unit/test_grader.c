/* The grader on the real engine: locks, live states, finals, corrections, and that no order of arrival changes an outcome. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "actors/grader/grader.h"
#include "actors/harness.h"
#include "config/clock.h"
#include "schema/messages.h"
#include "tests/unit/commanding.h"

#define MINUTE INT64_C(60000000)
#define HOUR (60 * MINUTE)

static const int64_t TIP = INT64_C(1763424000000000); /* 2025-11-18T00:00:00Z */
static struct harness *harness;

static int set_up(void **state)
{
    (void)state;
    messages_register();
    harness = harness_open(&grader_actor, NULL);
    return harness ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    harness_close(&harness);
    return 0;
}

static uint64_t put(const struct message_desc *desc, const void *message, int64_t time_us)
{
    uint64_t position = harness_put(harness, desc, message, time_us);
    assert_true(position > 0);
    assert_int_equal(harness_run(harness), 0);
    return position;
}

static struct msg_prediction_points prediction_of(int64_t player, const char *recommendation,
                                                  double line, int64_t as_of)
{
    struct msg_prediction_points row;
    message_clear(&msg_prediction_points_desc, &row);
    snprintf(row.prediction_id, sizeof row.prediction_id, "p%lld-%lld", (long long)player,
             (long long)(as_of / MINUTE % 10000));
    strcpy(row.game_id, "0022500241");
    row.game_date = 20251117;
    row.player_id = player;
    strcpy(row.player_name, "Someone");
    strcpy(row.team, "AAA");
    strcpy(row.opponent, "BBB");
    row.tip_at = TIP;
    strcpy(row.system, "blend");
    strcpy(row.stat, "points");
    row.predicted = 20.25;
    row.stddev = 7;
    row.line = line;
    row.prob_over = isnan(line) ? NAN : 0.5;
    row.edge = isnan(line) ? NAN : 0.1;
    row.confidence = 0.6;
    strcpy(row.recommendation, recommendation);
    row.made_at = as_of;
    row.as_of = as_of;
    return row;
}

static uint64_t predict(int64_t player, const char *recommendation, double line, int64_t as_of,
                        int64_t time_us)
{
    struct msg_prediction_points row = prediction_of(player, recommendation, line, as_of);
    return put(&msg_prediction_points_desc, &row, time_us);
}

static struct msg_row_game game_of(const char *status, int period, const char *clock,
                                   int box_players)
{
    struct msg_row_game row;
    message_clear(&msg_row_game_desc, &row);
    strcpy(row.game_id, "0022500241");
    row.game_date = 20251117;
    strcpy(row.home, "AAA");
    strcpy(row.away, "BBB");
    row.tip_at = TIP;
    strcpy(row.status, status);
    row.period = period;
    strcpy(row.clock, clock);
    row.box_players = box_players;
    strcpy(row.feed, "bdl_live");
    return row;
}

static uint64_t game(const char *status, int period, const char *clock, int box_players,
                     int64_t time_us)
{
    struct msg_row_game row = game_of(status, period, clock, box_players);
    return put(&msg_row_game_desc, &row, time_us);
}

static struct msg_row_box_score box_of(int64_t player, int points, bool played, bool final)
{
    struct msg_row_box_score row;
    message_clear(&msg_row_box_score_desc, &row);
    strcpy(row.game_id, "0022500241");
    row.game_date = 20251117;
    row.player_id = player;
    row.player_known = player > 0;
    strcpy(row.player_name, "Someone");
    strcpy(row.team, "AAA");
    strcpy(row.opponent, "BBB");
    strcpy(row.game_status, final ? "final" : "in_progress");
    row.minutes = played ? 30 : 0;
    row.points = points;
    row.played = played;
    row.final = final;
    return row;
}

static uint64_t box(int64_t player, int points, bool played, bool final, int64_t time_us)
{
    struct msg_row_box_score row = box_of(player, points, played, final);
    return put(&msg_row_box_score_desc, &row, time_us);
}

static size_t grades(void)
{
    return harness_count(harness, &msg_grade_points_desc);
}

static const struct harness_record *newest(int64_t player)
{
    const struct harness_record *found = NULL;
    for (size_t i = 0; i < grades(); i++) {
        const struct harness_record *record = harness_at(harness, &msg_grade_points_desc, i);
        const struct msg_grade_points *message = record->message;
        found = message->player_id == player ? record : found;
    }
    return found;
}

static const struct msg_grade_points *grade(int64_t player)
{
    const struct harness_record *record = newest(player);
    assert_non_null(record);
    return record->message;
}

static bool has_parent(const struct harness_record *record, uint64_t position)
{
    for (uint32_t i = 0; i < record->parent_count; i++) {
        if (record->parents[i] == position) {
            return true;
        }
    }
    return false;
}

static void test_nothing_before_the_lock(void **state)
{
    (void)state;
    game("scheduled", 0, "", 0, TIP - 5 * HOUR);
    predict(1, "OVER", 20.5, TIP - 4 * HOUR, TIP - 4 * HOUR);
    game("scheduled", 0, "7:00 pm", 0, TIP - HOUR);
    assert_int_equal(grades(), 0);
    const struct harness_record *timer = harness_at(harness, &msg_timer_grader_desc, 0);
    assert_int_equal(timer->due_us, TIP + 15 * MINUTE);
    assert_int_equal(harness_advance(harness, TIP + 15 * MINUTE), 0);
    assert_int_equal(grades(), 1);
    assert_string_equal(grade(1)->state, "pending");
    assert_true(grade(1)->actual == MESSAGE_NONE);
}

static void test_a_night(void **state)
{
    (void)state;
    uint64_t made = predict(1, "OVER", 20.5, TIP - 4 * HOUR, TIP - 4 * HOUR);
    game("scheduled", 0, "", 0, TIP - 3 * HOUR);
    box(1, 0, true, false, TIP + 10 * MINUTE);
    game("in_progress", 1, "11:00", 1, TIP + 10 * MINUTE);
    assert_int_equal(grades(), 1);
    assert_string_equal(grade(1)->state, "in_progress");
    assert_string_equal(grade(1)->outcome, "");
    assert_int_equal(grade(1)->actual, 0);
    assert_true(grade(1)->error == 20.25);
    game("in_progress", 1, "9:00", 1, TIP + 13 * MINUTE); /* only the clock: not worth a word */
    assert_int_equal(grades(), 1);
    box(1, 21, true, false, TIP + HOUR);
    assert_int_equal(grades(), 1); /* the state of the poll follows its lines */
    game("in_progress", 2, "3:00", 1, TIP + HOUR);
    assert_string_equal(grade(1)->state, "trending_correct");
    assert_int_equal(grade(1)->period, 2);

    game("final", 4, "Final", 0, TIP + 2 * HOUR); /* without a box score: no outcome yet */
    assert_string_equal(grade(1)->outcome, "");
    uint64_t line = box(1, 24, true, true, TIP + 3 * HOUR);
    uint64_t state_row = game("final", 4, "Final", 1, TIP + 3 * HOUR);
    assert_string_equal(grade(1)->state, "final");
    assert_string_equal(grade(1)->outcome, "correct");
    assert_true(grade(1)->final);
    assert_int_equal(grade(1)->actual, 24);
    assert_int_equal(grade(1)->graded_at, TIP + 3 * HOUR);
    const struct harness_record *record = newest(1);
    assert_true(has_parent(record, made) && has_parent(record, line) &&
                has_parent(record, state_row));
    size_t said = grades();
    game("final", 4, "Final", 1, TIP + 4 * HOUR);
    assert_int_equal(grades(), said);
    box(1, 20, true, true, TIP + 5 * HOUR); /* corrected downwards */
    assert_int_equal(grades(), said + 1);
    assert_string_equal(grade(1)->outcome, "incorrect");
    assert_true(grade(1)->error == 0.25);
}

static void test_lock(void **state)
{
    (void)state;
    game("scheduled", 0, "", 0, TIP - 5 * HOUR);
    predict(1, "OVER", 20.5, TIP - 4 * HOUR, TIP - 4 * HOUR);
    predict(1, "OVER", 21.5, TIP - HOUR, TIP - HOUR);
    game("in_progress", 1, "12:00", 0, TIP + 5 * MINUTE);
    assert_true(grade(1)->line == 21.5);
    predict(1, "UNDER", 22.5, TIP + 6 * MINUTE, TIP + 6 * MINUTE); /* too late */
    assert_true(grade(1)->line == 21.5);
    predict(1, "UNDER", 23.5, TIP + 4 * MINUTE, TIP + 7 * MINUTE); /* late on its way only */
    assert_true(grade(1)->line == 23.5);
    assert_string_equal(grade(1)->recommendation, "UNDER");
    predict(2, "UNDER", 9.5, TIP - MINUTE, TIP + 8 * MINUTE);
    assert_true(grade(2)->line == 9.5);
}

static void test_lock_by_time(void **state)
{
    (void)state;
    game("scheduled", 0, "", 0, TIP - 5 * HOUR);
    predict(1, "OVER", 20.5, TIP + 14 * MINUTE, TIP + 14 * MINUTE);
    predict(1, "OVER", 25.5, TIP + 15 * MINUTE, TIP + 15 * MINUTE);
    assert_int_equal(harness_advance(harness, TIP + 16 * MINUTE), 0);
    assert_int_equal(grades(), 1);
    assert_true(grade(1)->line == 20.5);
}

static void finish(int64_t player, int points, bool played)
{
    box(player, points, played, true, TIP + 3 * HOUR);
    box(99, 10, true, true, TIP + 3 * HOUR);
    game("final", 4, "Final", 2, TIP + 3 * HOUR);
}

static void test_outcomes(void **state)
{
    (void)state;
    predict(1, "OVER", 20, TIP - HOUR, TIP - HOUR);
    predict(2, "OVER", 20, TIP - HOUR, TIP - HOUR);
    predict(3, "PASS", 19.5, TIP - HOUR, TIP - HOUR);
    predict(4, "NO_LINE", NAN, TIP - HOUR, TIP - HOUR);
    predict(5, "UNDER", 0.5, TIP - HOUR, TIP - HOUR);
    predict(6, "UNDER", 0.5, TIP - HOUR, TIP - HOUR);
    box(1, 20, true, true, TIP + 3 * HOUR);
    box(3, 20, true, true, TIP + 3 * HOUR);
    box(4, 20, true, true, TIP + 3 * HOUR);
    box(5, 0, false, true, TIP + 3 * HOUR);
    box(6, 0, true, true, TIP + 3 * HOUR);
    game("final", 4, "Final", 5, TIP + 3 * HOUR);
    assert_string_equal(grade(1)->outcome, "push");
    assert_string_equal(grade(2)->outcome, "void");
    assert_string_equal(grade(2)->void_reason, "absent");
    assert_true(grade(2)->actual == MESSAGE_NONE && isnan(grade(2)->error));
    assert_string_equal(grade(3)->outcome, "pass");
    assert_true(grade(3)->error == 0.25);
    assert_string_equal(grade(4)->outcome, "no_line");
    assert_int_equal(grade(4)->actual, 20);
    assert_string_equal(grade(5)->outcome, "void");
    assert_string_equal(grade(5)->void_reason, "did_not_play");
    assert_true(isnan(grade(5)->error));
    assert_string_equal(grade(6)->outcome, "correct"); /* scoreless, but he played */
    assert_string_equal(newest(1)->run, newest(6)->run);
    const struct harness_record *run = NULL;
    assert_int_equal(harness_restart(harness), 0);
    for (size_t i = 0; i < harness_count(harness, &msg_ops_run_desc); i++) {
        run = harness_at(harness, &msg_ops_run_desc, i);
        if (strcmp(((const struct msg_ops_run *)run->message)->run_id, newest(1)->run) == 0) {
            break;
        }
    }
    assert_non_null(run);
    assert_string_equal(((const struct msg_ops_run *)run->message)->name, "GradeFinal");
}

static void test_whole_box_score_only(void **state)
{
    (void)state;
    predict(1, "OVER", 20.5, TIP - HOUR, TIP - HOUR);
    predict(2, "OVER", 20.5, TIP - HOUR, TIP - HOUR);
    game("in_progress", 1, "12:00", 0, TIP + 10 * MINUTE);
    box(1, 30, true, true, TIP + 3 * HOUR);
    game("final", 4, "Final", 2, TIP + 3 * HOUR); /* says two lines, one is here */
    assert_string_equal(grade(1)->outcome, "");
    assert_string_equal(grade(2)->outcome, "");
    box(2, 10, true, true, TIP + 3 * HOUR + MINUTE);
    assert_string_equal(grade(1)->outcome, "correct");
    assert_string_equal(grade(2)->outcome, "incorrect");
}

static void test_absent_then_listed(void **state)
{
    (void)state;
    predict(1, "OVER", 20.5, TIP - HOUR, TIP - HOUR);
    box(99, 10, true, true, TIP + 3 * HOUR);
    game("final", 4, "Final", 1, TIP + 3 * HOUR);
    assert_string_equal(grade(1)->outcome, "void");
    box(1, 22, true, true, TIP + 4 * HOUR); /* his row was broken in the first body */
    game("final", 4, "Final", 2, TIP + 4 * HOUR);
    assert_string_equal(grade(1)->outcome, "correct");
}

static void test_postponed(void **state)
{
    (void)state;
    predict(1, "OVER", 20.5, TIP - HOUR, TIP - HOUR);
    game("postponed", 0, "", 0, TIP - MINUTE);
    assert_int_equal(harness_advance(harness, TIP + HOUR), 0);
    for (size_t i = 0; i < grades(); i++) {
        assert_string_equal(grade(1)->state, "pending");
    }
    struct msg_row_game later = game_of("in_progress", 1, "12:00", 0);
    later.game_date = 20251201;
    later.tip_at = TIP + 14 * 24 * HOUR;
    put(&msg_row_game_desc, &later, TIP + 14 * 24 * HOUR);
    struct msg_row_box_score row = box_of(1, 30, true, true);
    row.game_date = 20251201;
    put(&msg_row_box_score_desc, &row, TIP + 14 * 24 * HOUR + 3 * HOUR);
    strcpy(later.status, "final");
    later.box_players = 1;
    put(&msg_row_game_desc, &later, TIP + 14 * 24 * HOUR + 3 * HOUR);
    assert_string_equal(grade(1)->outcome, "correct");
    assert_int_equal(grade(1)->game_date, 20251201);
}

static void test_kill_between(void **state)
{
    (void)state;
    predict(1, "OVER", 20.5, TIP - HOUR, TIP - HOUR);
    game("in_progress", 1, "12:00", 0, TIP + 10 * MINUTE);
    assert_int_equal(harness_restart(harness), 0);
    finish(1, 30, true);
    assert_string_equal(grade(1)->outcome, "correct");
    size_t said = grades();
    assert_int_equal(harness_restart(harness), 0);
    assert_int_equal(harness_run(harness), 0);
    assert_int_equal(grades(), said);
}

/* ---- every order of arrival ---- */

enum { EVENTS = 7 };

static void event(int number, int64_t time_us)
{
    /* What they say was known when does not depend on when they come. */
    switch (number) {
    case 0: {
        struct msg_prediction_points row = prediction_of(1, "OVER", 20.5, TIP - 3 * HOUR);
        put(&msg_prediction_points_desc, &row, time_us);
        break;
    }
    case 1: {
        struct msg_prediction_points row = prediction_of(1, "UNDER", 21.5, TIP - 2 * HOUR);
        put(&msg_prediction_points_desc, &row, time_us);
        break;
    }
    case 2: {
        struct msg_prediction_points row = prediction_of(2, "UNDER", 9.5, TIP - 2 * HOUR);
        put(&msg_prediction_points_desc, &row, time_us);
        break;
    }
    case 3:
        game("in_progress", 3, "12:00", 2, time_us);
        break;
    case 4:
        box(1, 21, true, true, time_us);
        break;
    case 5:
        box(3, 5, true, true, time_us);
        break;
    default:
        game("final", 4, "Final", 2, time_us);
    }
}

static bool next_order(int order[EVENTS])
{
    int i = EVENTS - 2, j = EVENTS - 1;
    while (i >= 0 && order[i] > order[i + 1]) {
        i--;
    }
    if (i < 0) {
        return false;
    }
    while (order[j] < order[i]) {
        j--;
    }
    int swap = order[i];
    order[i] = order[j];
    order[j] = swap;
    for (int a = i + 1, b = EVENTS - 1; a < b; a++, b--) {
        swap = order[a];
        order[a] = order[b];
        order[b] = swap;
    }
    return true;
}

static void test_every_order(void **state)
{
    int order[EVENTS] = {0, 1, 2, 3, 4, 5, 6}, tried = 0;
    do {
        if (tried++ % 41 != 0) { /* 123 of the 5,040 */
            continue;
        }
        set_up(state);
        for (int i = 0; i < EVENTS; i++) {
            event(order[i], TIP + i * MINUTE);
        }
        const struct msg_grade_points *one = grade(1), *two = grade(2);
        if (strcmp(one->outcome, "correct") != 0 || one->line != 21.5 || one->actual != 21 ||
            strcmp(two->outcome, "void") != 0 || strcmp(two->void_reason, "absent") != 0) {
            fail_msg("order %d%d%d%d%d%d%d: %s %g %lld, %s", order[0], order[1], order[2], order[3],
                     order[4], order[5], order[6], one->outcome, one->line, (long long)one->actual,
                     two->outcome);
        }
        tear_down(state);
    } while (next_order(order));
}

/* What is graded is what was predicted: of a stat, by each system. */
static void test_stats(void **state)
{
    static const struct {
        const char *system, *stat;
        int actual;
    } said[] = {{"ensemble", "points", 24}, {"ensemble", "rebounds", 9}, {"ensemble", "assists", 7},
                {"ensemble", "threes", 3},  {"ensemble", "pra", 40},     {"blend", "points", 24}};
    size_t count = sizeof said / sizeof said[0], seen = 0;
    (void)state;
    game("scheduled", 0, "", 0, TIP - HOUR);
    for (size_t i = 0; i < count; i++) {
        struct msg_prediction_points row = prediction_of(5, "NO_LINE", NAN, TIP - HOUR);
        strcpy(row.system, said[i].system);
        strcpy(row.stat, said[i].stat);
        row.low = 10;
        row.high = 30;
        put(&msg_prediction_points_desc, &row, TIP - HOUR);
    }
    struct msg_row_box_score line = box_of(5, 24, true, true);
    line.rebounds = 9;
    line.assists = 7;
    line.three_pointers_made = 3;
    put(&msg_row_box_score_desc, &line, TIP + 2 * HOUR);
    game("final", 4, "", 1, TIP + 2 * HOUR);
    for (size_t i = 0; i < grades(); i++) {
        const struct harness_record *record = harness_at(harness, &msg_grade_points_desc, i);
        const struct msg_grade_points *message = record->message;
        for (size_t j = 0; j < count && message->final; j++) {
            if (strcmp(message->system, said[j].system) == 0 &&
                strcmp(message->stat, said[j].stat) == 0) {
                assert_int_equal(message->actual, said[j].actual);
                assert_true(fabs(message->error - (20.25 - said[j].actual)) < 1e-6);
                assert_true(message->low == 10 && message->high == 30);
                seen++;
            }
        }
    }
    assert_int_equal(seen, count);
}

static void test_graded_when_asked(void **state)
{
    (void)state;
    commanded(harness, "grader", "grade", "0022500241", TIP - 2 * HOUR);
    answered(harness, 1, "nothing", 0);
    game("scheduled", 0, "", 0, TIP - HOUR);
    predict(5, "OVER", 20.5, TIP - HOUR, TIP - HOUR);
    commanded(harness, "grader", "grade", "0022500241", TIP - HOUR);
    answered(harness, 2, "nothing", 0);
    assert_int_equal(grades(), 0);
    box(5, 24, true, false, TIP + HOUR); /* lines wait for the state of their poll */
    game("in_progress", 2, "Q2 1:00", 0, TIP + HOUR);
    size_t before = grades();
    box(5, 26, true, false, TIP + HOUR + MINUTE);
    assert_int_equal(grades(), before);
    commanded(harness, "grader", "grade", "0022500241", TIP + HOUR + 2 * MINUTE);
    answered(harness, 3, "done", 1);
    assert_int_equal(grade(5)->actual, 26);
    commanded(harness, "grader", "grade", "0022500241", TIP + HOUR + 3 * MINUTE);
    answered(harness, 4, "done", 0);
    assert_int_equal(grades(), before + 1);
}

/* Somebody lost what was said of a game that is over: he hears it again, and nobody else anything new. */
static void test_said_again_when_asked(void **state)
{
    (void)state;
    commanded(harness, "grader", "say", "0022500241:2025-11-17", TIP - 3 * HOUR);
    answered(harness, 1, "nothing", 0);
    game("scheduled", 0, "", 0, TIP - HOUR);
    predict(5, "OVER", 20.5, TIP - HOUR, TIP - HOUR);
    box(5, 24, true, false, TIP + HOUR);
    game("in_progress", 2, "Q2 1:00", 0, TIP + HOUR);
    commanded(harness, "grader", "say", "0022500241", TIP + HOUR + MINUTE);
    answered(harness, 2, "nothing", 0); /* of a game in play more comes by itself */
    box(5, 30, true, true, TIP + 2 * HOUR);
    game("final", 4, "", 1, TIP + 2 * HOUR);
    size_t before = grades();
    struct msg_grade_points said = *grade(5);
    assert_true(said.final);
    uint64_t asked = commanded(harness, "grader", "say", "0022500241:2025-11-17", TIP + 999 * HOUR);
    answered(harness, 3, "done", 1);
    assert_int_equal(grades(), before + 1);
    assert_true(message_equal(&msg_grade_points_desc, grade(5), &said, NULL));
    assert_int_equal(harness_at(harness, &msg_grade_points_desc, before)->parents[0], asked);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_stats),
        TEST(test_graded_when_asked),
        TEST(test_said_again_when_asked),
        TEST(test_nothing_before_the_lock),
        TEST(test_a_night),
        TEST(test_lock),
        TEST(test_lock_by_time),
        TEST(test_outcomes),
        TEST(test_whole_box_score_only),
        TEST(test_absent_then_listed),
        TEST(test_postponed),
        TEST(test_kill_between),
        cmocka_unit_test(test_every_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
