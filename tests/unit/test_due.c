/* The ledger of expected outputs as records come: what a game owes that is called off, or moved, while others still speak of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "actors/harness.h"
#include "actors/watchdog/due.h"
#include "actors/watchdog/watchdog.h"
#include "config/clock.h"
#include "schema/messages.h"

#define GAME "0022500248"
#define MINUTE INT64_C(60000000)
#define TIP INT64_C(1763424000000000) /* 2025-11-18T00:00Z */

static struct harness *harness;

static int set_up(void **state)
{
    (void)state;
    messages_register();
    harness = clock_zone_set("America/New_York") == 0 ? harness_open(&watchdog_actor, NULL) : NULL;
    return harness ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    harness_close(&harness);
    return 0;
}

static void give_game_of(const char *game_id, const char *status, int32_t date, int64_t at_us)
{
    struct msg_row_game game;
    message_clear(&msg_row_game_desc, &game);
    strcpy(game.game_id, game_id);
    game.game_date = date;
    strcpy(game.home, "CHI");
    strcpy(game.away, "DEN");
    strcpy(game.status, status);
    strcpy(game.clock, "");
    strcpy(game.feed, "bdl_games");
    game.tip_at = TIP + (date - 20251117) * 24 * 60 * MINUTE;
    game.period = game.home_score = game.away_score = game.box_players = 0;
    assert_true(harness_put(harness, &msg_row_game_desc, &game, at_us) > 0);
}

static void give_game(const char *status, int32_t date, int64_t at_us)
{
    give_game_of(GAME, status, date, at_us);
}

static void give_prediction(int32_t date, int64_t at_us)
{
    struct msg_prediction_points prediction;
    message_clear(&msg_prediction_points_desc, &prediction);
    strcpy(prediction.prediction_id, "p1");
    strcpy(prediction.game_id, GAME);
    prediction.game_date = date;
    prediction.player_id = 7;
    strcpy(prediction.player_name, "Ann Other");
    strcpy(prediction.system, "blend");
    strcpy(prediction.stat, "points");
    prediction.predicted = 20;
    prediction.stddev = 6;
    prediction.made_at = at_us;
    strcpy(prediction.team, "CHI");
    strcpy(prediction.opponent, "DEN");
    prediction.home = true;
    prediction.confidence = 0.5;
    prediction.as_of = at_us;
    strcpy(prediction.recommendation, "NO_LINE");
    assert_true(harness_put(harness, &msg_prediction_points_desc, &prediction, at_us) > 0);
}

/* What was said last of this output of this day; "" nothing. */
static const char *state_of(const char *output, int32_t date)
{
    const char *state = "";
    assert_int_equal(harness_run(harness), 0);
    for (size_t i = 0; i < harness_count(harness, &msg_ops_expected_desc); i++) {
        const struct msg_ops_expected *row =
            harness_at(harness, &msg_ops_expected_desc, i)->message;
        if (!strcmp(row->output, output) && row->game_date == date)
            state = row->state;
    }
    return state;
}

static void a_game_owes_from_when_it_is_known(void **state)
{
    (void)state;
    give_game("scheduled", 20251117, TIP - 600 * MINUTE);
    assert_string_equal(state_of("boxscore", 20251117), "EXPECTED");
    assert_string_equal(state_of("grades", 20251117), "");
    give_prediction(20251117, TIP - 500 * MINUTE);
    assert_string_equal(state_of("grades", 20251117), "EXPECTED");
    give_game("postponed", 20251117, TIP - 400 * MINUTE);
    assert_string_equal(state_of("boxscore", 20251117), "EMPTY_OK");
    assert_string_equal(state_of("grades", 20251117), "EMPTY_OK");
}

/* The prediction was on its way: nobody is ever going to grade it. */
static void a_prediction_of_a_game_that_was_called_off_owes_nothing(void **state)
{
    (void)state;
    give_game("scheduled", 20251117, TIP - 600 * MINUTE);
    give_game("postponed", 20251117, TIP - 400 * MINUTE);
    give_prediction(20251117, TIP - 399 * MINUTE);
    assert_string_equal(state_of("grades", 20251117), "EMPTY_OK");
    /* On again: it does. */
    give_game("scheduled", 20251117, TIP - 300 * MINUTE);
    assert_string_equal(state_of("boxscore", 20251117), "EXPECTED");
    assert_string_equal(state_of("grades", 20251117), "EXPECTED");
}

static void a_game_that_is_moved_owes_on_its_new_day(void **state)
{
    (void)state;
    give_game("scheduled", 20251117, TIP - 600 * MINUTE);
    give_game("scheduled", 20251118, TIP - 400 * MINUTE);
    give_prediction(20251117, TIP - 399 * MINUTE);
    assert_string_equal(state_of("boxscore", 20251117), "EMPTY_OK");
    assert_string_equal(state_of("grades", 20251117), "EMPTY_OK");
    assert_string_equal(state_of("boxscore", 20251118), "EXPECTED");
}

/* All feeds were silent for a night: what was not made of its games is owed. Of games from before this ledger only the box score is. */
static void a_night_that_nobody_heard_of_was_missed(void **state)
{
    (void)state;
    give_game_of("0022500111", "final", 20251116, TIP - 20 * 60 * MINUTE);
    assert_string_equal(state_of("predictions", 20251116), ""); /* the first it ever hears of */
    assert_string_equal(state_of("boxscore", 20251116), "EXPECTED");
    give_game("final", 20251117, TIP + 180 * MINUTE);
    assert_string_equal(state_of("predictions", 20251117), "EXPECTED");
    assert_string_equal(state_of("live", 20251117), "EXPECTED");
    assert_string_equal(state_of("boxscore", 20251117), "EXPECTED");
    give_game_of("0022500222", "final", 20251118, TIP + 100 * 60 * MINUTE); /* history */
    assert_string_equal(state_of("predictions", 20251118), "");
    assert_string_equal(state_of("boxscore", 20251118), "EXPECTED");
}

/* Begun late in the evening: the ledger hears of yesterday and of what is over today, and neither was ever its to predict. */
static void a_ledger_that_begins_late_owes_no_predictions(void **state)
{
    (void)state;
    give_game_of("0022500111", "final", 20251116, TIP + 200 * MINUTE);
    give_game("final", 20251117, TIP + 200 * MINUTE);
    assert_string_equal(state_of("boxscore", 20251117), "EXPECTED");
    assert_string_equal(state_of("predictions", 20251117), "");
    assert_string_equal(state_of("live", 20251117), "");
}

/* ---- checks of lists ---- */

static void give_snapshot(const char *game_id, int32_t date, int64_t at_us)
{
    struct msg_row_odds_snapshot row;
    message_clear(&msg_row_odds_snapshot_desc, &row);
    strcpy(row.game_id, game_id);
    row.game_date = date;
    strcpy(row.event_id, "e1");
    row.snapshot_at = at_us;
    row.rows = row.changed = 1;
    assert_true(harness_put(harness, &msg_row_odds_snapshot_desc, &row, at_us) > 0);
    assert_int_equal(harness_run(harness), 0);
}

static void give_check(const char *subject, int32_t date, bool good, int64_t at_us)
{
    struct msg_row_check row;
    message_clear(&msg_row_check_desc, &row);
    strcpy(row.check, "events_lost");
    strcpy(row.game_id, subject);
    row.game_date = date;
    strcpy(row.feed, "odds_events");
    strcpy(row.outputs, "odds");
    row.good = good;
    row.value = good ? 0 : 0.75;
    row.least = 0;
    row.most = 0.5;
    row.rows = 1;
    assert_true(harness_put(harness, &msg_row_check_desc, &row, at_us) > 0);
    assert_int_equal(harness_run(harness), 0);
}

static struct incidents incidents;

static int degraded(void)
{
    int count = 0;
    for (int i = 0; i < incidents.count; i++)
        count += !strcmp(incidents.list[i].cause, "degraded");
    return count;
}

/* What the next look makes of the odds of a game, and what it says of checks; nothing is stored of it. */
static const char *odds_judged(const char *game_id, int64_t now_us)
{
    static struct due_look look;
    static struct remedy_limits limits;
    static struct remedy_budget budget;
    static char text[sizeof look.rows[0].state + sizeof look.rows[0].reason + 2];
    struct store_txn *txn;
    look = (struct due_look){.now_us = now_us, .incidents = &incidents};
    look.remedies = (struct remedies_look){.limits = &limits, .budget = &budget, .now_us = now_us};
    incidents.count = 0;
    text[0] = '\0';
    assert_int_equal(store_begin(harness_store(harness), false, &txn), STORE_OK);
    assert_int_equal(due_judge(&look, txn), STORE_OK);
    assert_int_equal(due_checks(txn, now_us, &incidents), STORE_OK);
    store_abort(&txn);
    for (int i = 0; i < look.count; i++)
        if (look.said[i] && !strcmp(look.rows[i].game_id, game_id) &&
            !strcmp(look.rows[i].output, "odds"))
            snprintf(text, sizeof text, "%s %s", look.rows[i].state, look.rows[i].reason);
    return text;
}

static void a_list_that_fails_degrades_what_is_due_of_its_day(void **state)
{
    (void)state;
    give_game("scheduled", 20251117, TIP - 600 * MINUTE);
    give_game_of("0022500249", "scheduled", 20251117, TIP - 600 * MINUTE);
    give_game_of("0022500333", "scheduled", 20251118, TIP - 600 * MINUTE);
    give_snapshot(GAME, 20251117, TIP - 500 * MINUTE);
    give_snapshot("0022500249", 20251117, TIP - 500 * MINUTE);
    give_snapshot("0022500333", 20251118, TIP - 500 * MINUTE);
    assert_string_equal(odds_judged(GAME, TIP - 490 * MINUTE), "COMPLETE ");
    assert_int_equal(incidents.count, 0);
    give_check("2025-11-17", 20251117, false, TIP - 400 * MINUTE);
    assert_string_equal(
        odds_judged(GAME, TIP - 390 * MINUTE),
        "DEGRADED check events_lost: 0.75, not within 0 to 0.5 (1 rows of odds_events)");
    assert_int_equal(strncmp(odds_judged("0022500249", TIP - 390 * MINUTE), "DEGRADED", 8), 0);
    assert_string_equal(odds_judged("0022500333", TIP - 390 * MINUTE), "COMPLETE ");
    assert_int_equal(incidents.count, 1);
    assert_string_equal(incidents.list[0].cause, "degraded");
    assert_string_equal(incidents.list[0].subject, "events_lost 2025-11-17");
    assert_string_equal(
        incidents.list[0].text,
        "odds of 2025-11-17: check events_lost: 0.75, not within 0 to 0.5 (1 rows of odds_events)");
    give_check("2025-11-17", 20251117, true, TIP - 300 * MINUTE);
    assert_string_equal(odds_judged(GAME, TIP - 290 * MINUTE), "COMPLETE ");
    assert_int_equal(incidents.count, 0);
}

/* The ledger as the watchdog keeps it, after a look. */
static void judge_and_store(int64_t now_us)
{
    static struct due_look look;
    static struct remedy_limits limits;
    static struct remedy_budget budget;
    struct store_txn *txn;
    look = (struct due_look){.now_us = now_us, .incidents = &incidents};
    look.remedies = (struct remedies_look){.limits = &limits, .budget = &budget, .now_us = now_us};
    incidents.count = 0;
    assert_int_equal(store_begin(harness_store(harness), true, &txn), STORE_OK);
    assert_int_equal(due_judge(&look, txn), STORE_OK);
    for (int i = 0; i < look.count; i++) {
        struct store_key key;
        store_key_start(&key);
        store_key_text(&key, look.rows[i].game_id);
        store_key_text(&key, look.rows[i].output);
        assert_int_equal(store_put_message(txn, DUE_TABLE_EXPECTED, look.rows[i].game_date,
                                           key.data, key.size, &msg_ops_expected_desc,
                                           &look.rows[i]),
                         STORE_OK);
        if (!expect_open(&look.rows[i]))
            assert_int_equal(
                store_del(txn, DUE_TABLE_OPEN, look.rows[i].game_date, key.data, key.size),
                STORE_OK);
    }
    assert_int_equal(store_commit(&txn), STORE_OK);
}

/* Its odds were made of the lists before; a list that fails, or holds again, behind its tip is about the next. */
static void what_was_due_before_a_list_failed_is_not_judged_again(void **state)
{
    (void)state;
    give_game("scheduled", 20251117, TIP - 600 * MINUTE);
    give_snapshot(GAME, 20251117, TIP - 500 * MINUTE);
    judge_and_store(TIP - 490 * MINUTE);
    assert_string_equal(odds_judged(GAME, TIP - 480 * MINUTE), "");
    give_check("2025-11-17", 20251117, false, TIP + MINUTE);
    assert_string_equal(odds_judged(GAME, TIP + 2 * MINUTE), "");
    assert_int_equal(degraded(), 1); /* said all the same */
    give_check("2025-11-17", 20251117, true, TIP + 3 * MINUTE);
    assert_string_equal(odds_judged(GAME, TIP + 4 * MINUTE), "");
    assert_int_equal(degraded(), 0);
}

/* Of one game, as ever. */
static void a_game_that_fails_degrades_itself(void **state)
{
    (void)state;
    give_game("scheduled", 20251117, TIP - 600 * MINUTE);
    give_game_of("0022500249", "scheduled", 20251117, TIP - 600 * MINUTE);
    give_snapshot(GAME, 20251117, TIP - 500 * MINUTE);
    give_snapshot("0022500249", 20251117, TIP - 500 * MINUTE);
    give_check(GAME, 20251117, false, TIP - 400 * MINUTE);
    assert_int_equal(strncmp(odds_judged(GAME, TIP - 390 * MINUTE), "DEGRADED", 8), 0);
    assert_string_equal(odds_judged("0022500249", TIP - 390 * MINUTE), "COMPLETE ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_game_owes_from_when_it_is_known),
        TEST(a_prediction_of_a_game_that_was_called_off_owes_nothing),
        TEST(a_game_that_is_moved_owes_on_its_new_day),
        TEST(a_night_that_nobody_heard_of_was_missed),
        TEST(a_ledger_that_begins_late_owes_no_predictions),
        TEST(a_list_that_fails_degrades_what_is_due_of_its_day),
        TEST(a_game_that_fails_degrades_itself),
        TEST(what_was_due_before_a_list_failed_is_not_judged_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
