/* The ledger of expected outputs as records come: what a game owes that is called off, or moved, while others still speak of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "actors/harness.h"
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_game_owes_from_when_it_is_known),
        TEST(a_prediction_of_a_game_that_was_called_off_owes_nothing),
        TEST(a_game_that_is_moved_owes_on_its_new_day),
        TEST(a_night_that_nobody_heard_of_was_missed),
        TEST(a_ledger_that_begins_late_owes_no_predictions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
