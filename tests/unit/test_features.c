/* The features actor on the real engine: what is built when, from what, until when. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "actors/features/features.h"
#include "actors/features/game.h"
#include "actors/harness.h"
#include "config/clock.h"
#include "schema/messages.h"
#include "schema/pack.h"
#include "tests/unit/commanding.h"

#define MINUTE INT64_C(60000000)
#define HOUR (60 * MINUTE)

static const int64_t NOON = INT64_C(1763398800000000); /* 2025-11-17T17:00:00Z */
static const int64_t TIP = INT64_C(1763424000000000);  /* 2025-11-18T00:00:00Z */
static struct harness *harness;

static int set_up(void **state)
{
    (void)state;
    messages_register();
    harness = harness_open(&features_actor, NULL);
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

static uint64_t history(int64_t player, const char *name, int32_t date, const char *game,
                        const char *team, const char *opponent, int points, int64_t time_us)
{
    struct msg_history_player_game row;
    message_clear(&msg_history_player_game_desc, &row);
    strcpy(row.import_id, "import-1");
    strcpy(row.game_id, game);
    strcpy(row.season, "2025-26");
    row.game_date = date;
    row.player_id = player;
    strcpy(row.player_name, name);
    strcpy(row.team, team);
    strcpy(row.opponent, opponent);
    row.minutes = 30;
    row.points = points;
    row.field_goals_attempted = 15;
    strcpy(row.source, "test:1");
    return put(&msg_history_player_game_desc, &row, time_us);
}

static uint64_t commit(int64_t time_us)
{
    struct msg_import_commit row;
    message_clear(&msg_import_commit_desc, &row);
    strcpy(row.import_id, "import-1");
    row.files = 1;
    strcpy(row.sha256, "0");
    return put(&msg_import_commit_desc, &row, time_us);
}

static struct msg_row_game game_of(const char *status, int64_t tip_at)
{
    struct msg_row_game row;
    message_clear(&msg_row_game_desc, &row);
    strcpy(row.game_id, "0022500241");
    row.game_date = 20251117;
    strcpy(row.home, "AAA");
    strcpy(row.away, "BBB");
    row.tip_at = tip_at;
    strcpy(row.status, status);
    strcpy(row.feed, "bdl_games");
    return row;
}

static uint64_t game(const char *status, int64_t tip_at, int64_t time_us)
{
    struct msg_row_game row = game_of(status, tip_at);
    row.period = strcmp(status, "in_progress") == 0;
    return put(&msg_row_game_desc, &row, time_us);
}

static uint64_t odds(int64_t player, const char *book, double line, int64_t over, bool main_line,
                     bool offered, int64_t time_us)
{
    struct msg_row_odds row;
    message_clear(&msg_row_odds_desc, &row);
    strcpy(row.game_id, "0022500241");
    row.game_date = 20251117;
    strcpy(row.event_id, "event");
    row.player_id = player;
    row.player_known = player > 0;
    strcpy(row.player_name, "As The Book Says");
    strcpy(row.market, "player_points");
    strcpy(row.book, book);
    row.line = line;
    row.over_price = over;
    row.under_price = -110;
    row.main = main_line;
    row.offered = offered;
    row.snapshot_at = time_us;
    return put(&msg_row_odds_desc, &row, time_us);
}

static uint64_t snapshot_of(int64_t time_us, int64_t commence_at)
{
    struct msg_row_odds_snapshot row;
    message_clear(&msg_row_odds_snapshot_desc, &row);
    strcpy(row.game_id, "0022500241");
    row.game_date = 20251117;
    strcpy(row.event_id, "event");
    row.snapshot_at = time_us;
    row.commence_at = commence_at;
    return put(&msg_row_odds_snapshot_desc, &row, time_us);
}

static uint64_t snapshot(int64_t time_us)
{
    return snapshot_of(time_us, MESSAGE_NONE);
}

static size_t features(void)
{
    return harness_count(harness, &msg_feature_player_desc);
}

/* The newest of a player; NULL if there is none. */
static const struct harness_record *newest(int64_t player)
{
    const struct harness_record *found = NULL;
    for (size_t i = 0; i < features(); i++) {
        const struct harness_record *record = harness_at(harness, &msg_feature_player_desc, i);
        const struct msg_feature_player *message = record->message;
        found = message->player_id == player ? record : found;
    }
    return found;
}

static double value(const struct msg_feature_player *message, const char *name)
{
    struct unpack in = {.data = message->values.data, .size = message->values.size};
    uint32_t count, size;
    const char *text;
    assert_true(unpack_map(&in, &count));
    while (count-- > 0) {
        double number = NAN;
        assert_true(unpack_str(&in, &text, &size));
        if (unpack_peek(&in) == PACK_NIL) {
            assert_true(unpack_nil(&in));
        } else {
            assert_true(unpack_f64(&in, &number));
        }
        if (strlen(name) == size && memcmp(name, text, size) == 0) {
            return number;
        }
    }
    fail_msg("no value %s", name);
    return NAN;
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

/* Two players of AAA, one of BBB, one of neither; the day itself must not be in anything. */
static uint64_t seed(void)
{
    uint64_t first = history(1, "One", 20251110, "0022500201", "AAA", "CCC", 10, NOON - 20 * HOUR);
    history(1, "One", 20251112, "0022500211", "AAA", "CCC", 20, NOON - 20 * HOUR);
    history(2, "Two", 20251112, "0022500211", "AAA", "CCC", 6, NOON - 20 * HOUR);
    history(3, "Three", 20251115, "0022500221", "BBB", "CCC", 30, NOON - 20 * HOUR);
    history(4, "Four", 20251115, "0022500221", "CCC", "BBB", 30, NOON - 20 * HOUR);
    history(1, "One", 20251117, "0022500241", "AAA", "BBB", 99, NOON - 20 * HOUR);
    commit(NOON - 19 * HOUR);
    return first;
}

static void test_scheduled_game(void **state)
{
    (void)state;
    uint64_t line_position = seed();
    assert_int_equal(features(), 0);
    uint64_t trigger = game("scheduled", TIP, NOON);
    assert_int_equal(features(), 3);
    assert_null(newest(4));

    const struct harness_record *record = newest(1);
    const struct msg_feature_player *message = record->message;
    assert_string_equal(record->key, "0022500241");
    assert_string_equal(message->player_name, "One");
    assert_string_equal(message->team, "AAA");
    assert_string_equal(message->opponent, "BBB");
    assert_true(message->home);
    assert_int_equal(message->as_of, NOON);
    assert_int_equal(message->tip_at, TIP);
    assert_int_equal(message->games, 2);
    assert_true(isnan(message->line));
    assert_string_equal(message->line_source, "");
    assert_true(value(message, "points_avg_season") == 15);
    assert_true(value(message, "rest_days") == 5);
    assert_true(value(message, "opponent_points_allowed_last_15") == 30);
    assert_true(isnan(value(message, "line")));
    assert_true(message->quality > 0.5 && message->quality < 1);
    assert_true(has_parent(record, trigger));
    assert_true(has_parent(record, line_position));
    assert_int_equal(record->parent_count, 3);
    assert_false(((const struct msg_feature_player *)newest(3)->message)->home);
    assert_string_not_equal(record->run, "");

    const struct harness_record *timer = harness_at(harness, &msg_timer_features_desc, 0);
    assert_non_null(timer);
    assert_int_equal(timer->due_us, TIP + 15 * MINUTE);
    assert_null(harness_at(harness, &msg_timer_features_desc, 1));
}

static void test_games_to_come(void **state)
{
    (void)state;
    seed();
    struct msg_row_game far = game_of("scheduled", TIP + 72 * HOUR);
    far.game_date = 20251120;
    put(&msg_row_game_desc, &far, NOON);
    assert_int_equal(features(), 0);
    assert_int_equal(harness_advance(harness, TIP + 60 * HOUR - MINUTE), 0);
    assert_int_equal(features(), 0);
    assert_int_equal(harness_advance(harness, TIP + 60 * HOUR), 0);
    assert_int_equal(features(), 3);
    assert_int_equal(((const struct msg_feature_player *)newest(1)->message)->as_of,
                     TIP + 60 * HOUR);
}

static void test_odds_long_before(void **state)
{
    (void)state;
    seed();
    game("scheduled", TIP, NOON - 10 * HOUR); /* 17 hours before the tip */
    assert_int_equal(features(), 0);
    odds(1, "a", 14.5, -110, true, true, NOON - 9 * HOUR);
    snapshot(NOON - 9 * HOUR);
    assert_int_equal(features(), 3);
}

static void test_said_once(void **state)
{
    (void)state;
    seed();
    game("scheduled", TIP, NOON);
    game("scheduled", TIP, NOON + HOUR);
    assert_int_equal(features(), 3);
    snapshot(NOON + HOUR); /* nothing in it */
    assert_int_equal(features(), 3);
    odds(1, "a", 14.5, -110, true, true, NOON + HOUR);
    assert_int_equal(features(), 3); /* until the whole snapshot is out */
    snapshot(NOON + HOUR);
    assert_int_equal(features(), 4);
    snapshot(NOON + 2 * HOUR);
    assert_int_equal(features(), 4);
}

static void test_line(void **state)
{
    (void)state;
    seed();
    game("scheduled", TIP, NOON);
    uint64_t a = odds(1, "a", 14.5, -110, true, true, NOON + HOUR);
    uint64_t b = odds(1, "b", 15.5, -120, true, true, NOON + HOUR);
    odds(1, "b", 25.5, 300, false, true, NOON + HOUR); /* alternate */
    uint64_t c = odds(1, "c", 15.5, -130, true, true, NOON + HOUR);
    odds(-77, "a", 9.5, -110, true, true, NOON + HOUR); /* nobody known */
    odds(4, "a", 9.5, -110, true, true, NOON + HOUR);   /* of neither team, as far as is known */
    odds(9, "a", 9.5, -110, true, true, NOON + HOUR);   /* never played */
    uint64_t trigger = snapshot(NOON + HOUR);
    assert_int_equal(features(), 4);
    const struct harness_record *record = newest(1);
    const struct msg_feature_player *message = record->message;
    assert_true(message->line == 15.5);
    assert_string_equal(message->line_source, "median:3");
    assert_int_equal(message->over_price, -125);
    assert_int_equal(message->under_price, -110);
    assert_true(value(message, "line_books") == 3);
    assert_true(has_parent(record, a) && has_parent(record, b) && has_parent(record, c));
    assert_true(has_parent(record, trigger));

    odds(1, "c", 15.5, -130, true, false, NOON + 2 * HOUR); /* gone */
    snapshot(NOON + 2 * HOUR);
    message = newest(1)->message;
    assert_true(message->line == 15);
    assert_true(message->over_price == MESSAGE_NONE);
}

static void test_odds_before_game(void **state)
{
    (void)state;
    seed();
    odds(1, "a", 14.5, -110, true, true, NOON);
    snapshot(NOON);
    assert_int_equal(features(), 0);
    game("scheduled", TIP, NOON + HOUR);
    assert_int_equal(features(), 3);
    assert_true(((const struct msg_feature_player *)newest(1)->message)->line == 14.5);
}

static void test_locked_by_play(void **state)
{
    (void)state;
    seed();
    game("scheduled", TIP, NOON);
    game("in_progress", TIP, TIP + 10 * MINUTE);
    odds(1, "a", 14.5, -110, true, true, TIP - MINUTE); /* late on its way */
    snapshot(TIP - MINUTE);
    game("scheduled", TIP + HOUR, TIP + 11 * MINUTE);
    assert_int_equal(features(), 3);
}

static void test_locked_by_time(void **state)
{
    (void)state;
    seed();
    game("scheduled", TIP, NOON);
    odds(1, "a", 14.5, -110, true, true, TIP - MINUTE);
    assert_int_equal(harness_advance(harness, TIP + 15 * MINUTE), 0);
    snapshot(TIP - MINUTE);
    assert_int_equal(features(), 3);
}

static void test_odds_after_tip_change_nothing(void **state)
{
    (void)state;
    seed();
    game("scheduled", TIP, NOON);
    odds(1, "a", 14.5, -110, true, true, NOON);
    snapshot(NOON);
    assert_int_equal(features(), 4);
    odds(1, "a", 14.5, -110, true, false, TIP + MINUTE); /* books take it down */
    snapshot(TIP + MINUTE);
    assert_int_equal(features(), 4);
    assert_true(((const struct msg_feature_player *)newest(1)->message)->line == 14.5);
    odds(1, "a", 16.5, -110, true, true,
         TIP + 2 * MINUTE); /* before the start that the book names */
    snapshot_of(TIP + 2 * MINUTE, TIP + 10 * MINUTE);
    assert_int_equal(features(), 5);
    snapshot_of(TIP + 11 * MINUTE, TIP + 10 * MINUTE);
    assert_int_equal(features(), 5);
}

static void test_tip_moves(void **state)
{
    (void)state;
    seed();
    game("scheduled", TIP, NOON);
    assert_int_equal(harness_advance(harness, TIP + 20 * MINUTE), 0);
    game("scheduled", TIP + HOUR, TIP + 20 * MINUTE); /* delayed, and nobody saw play: open again */
    assert_int_equal(features(), 6);
    odds(1, "a", 14.5, -110, true, true, TIP + 25 * MINUTE);
    snapshot(TIP + 25 * MINUTE);
    assert_int_equal(features(), 7);
    assert_int_equal(harness_count(harness, &msg_timer_features_desc), 2);
}

static void test_postponed(void **state)
{
    (void)state;
    seed();
    game("scheduled", TIP, NOON);
    game("postponed", TIP, NOON + HOUR);
    odds(1, "a", 14.5, -110, true, true, NOON + HOUR);
    snapshot(NOON + HOUR);
    assert_int_equal(features(), 3);
    struct msg_row_game later = game_of("scheduled", TIP + 48 * HOUR);
    later.game_date = 20251119;
    put(&msg_row_game_desc, &later, NOON + 2 * HOUR);
    assert_int_equal(features(), 3);
    assert_int_equal(harness_advance(harness, TIP + 36 * HOUR), 0);
    assert_int_equal(features(), 6);
    const struct msg_feature_player *message = newest(1)->message;
    assert_int_equal(message->game_date, 20251119);
    assert_true(isnan(message->line)); /* the odds were for the first date */
}

static void test_import_after_the_schedule(void **state)
{
    (void)state;
    game("scheduled", TIP, NOON);
    assert_int_equal(features(), 0);
    history(1, "One", 20251110, "0022500201", "AAA", "CCC", 10, NOON + HOUR);
    assert_int_equal(features(), 0);
    commit(NOON + HOUR);
    assert_int_equal(features(), 1);
}

static void box(int64_t player, int32_t date, const char *id, int points, bool played, bool final,
                int64_t time_us)
{
    struct msg_row_box_score row;
    message_clear(&msg_row_box_score_desc, &row);
    strcpy(row.game_id, id);
    row.game_date = date;
    row.player_id = player;
    strcpy(row.player_name, "One");
    strcpy(row.team, "AAA");
    strcpy(row.opponent, "CCC");
    strcpy(row.game_status, final ? "final" : "in_progress");
    row.points = points;
    row.minutes = 30;
    row.played = played;
    row.final = final;
    put(&msg_row_box_score_desc, &row, time_us);
}

static void test_finals_become_history(void **state)
{
    (void)state;
    seed();
    box(1, 20251116, "0022500231", 33, true, false, NOON - 15 * HOUR); /* not final */
    box(2, 20251116, "0022500231", 0, false, true, NOON - 15 * HOUR);  /* never came in */
    box(1, 20251117, "0022500299", 50, true, true, NOON - 15 * HOUR);  /* the day itself */
    game("scheduled", TIP, NOON);
    assert_int_equal(((const struct msg_feature_player *)newest(1)->message)->games, 2);
    assert_int_equal(((const struct msg_feature_player *)newest(2)->message)->games, 1);
    box(1, 20251116, "0022500231", 30, true, true, NOON + MINUTE);
    snapshot(NOON + HOUR);
    const struct msg_feature_player *message = newest(1)->message;
    assert_int_equal(message->games, 3);
    assert_true(value(message, "points_avg_season") == 20);
    assert_true(value(message, "back_to_back") == 1);
    box(1, 20251116, "0022500231", 27, true, true, NOON + MINUTE); /* corrected */
    snapshot(NOON + 2 * HOUR);
    message = newest(1)->message;
    assert_true(value(message, "points_avg_season") == 19);
}

/* Kills and the grouping of records into steps change nothing that is said. */
static void say_a_day(bool grouped, bool killed, char *said, size_t size)
{
    harness_group(harness, grouped);
    seed();
    if (killed) {
        assert_int_equal(harness_restart(harness), 0);
    }
    odds(1, "a", 14.5, -110, true, true, NOON);
    game("scheduled", TIP, NOON + HOUR);
    if (killed) {
        assert_int_equal(harness_restart(harness), 0);
    }
    snapshot(NOON + HOUR);
    odds(3, "a", 24.5, -110, true, true, NOON + 2 * HOUR);
    snapshot(NOON + 2 * HOUR);
    game("in_progress", TIP, TIP + 10 * MINUTE);
    harness_group(harness, false);
    assert_int_equal(harness_run(harness), 0);
    size_t at = 0;
    for (size_t i = 0; i < features(); i++) {
        const struct harness_record *record = harness_at(harness, &msg_feature_player_desc, i);
        const struct msg_feature_player *message = record->message;
        at += (size_t)snprintf(said + at, size - at, "%lld %lld %.3f %.6f %u|",
                               (long long)message->player_id, (long long)message->as_of,
                               message->line, value(message, "points_ewma"), record->parent_count);
    }
}

static void test_kills_and_grouping(void **state)
{
    static char plain[8192], other[8192];
    say_a_day(false, false, plain, sizeof plain);
    assert_int_equal(features(), 4);
    tear_down(state);
    set_up(state);
    say_a_day(false, true, other, sizeof other);
    assert_string_equal(plain, other);
    tear_down(state);
    set_up(state);
    say_a_day(true, false, other, sizeof other);
    assert_string_equal(plain, other);
    tear_down(state);
    set_up(state);
    say_a_day(true, true, other, sizeof other);
    assert_string_equal(plain, other);
}

static void book_odds(const char *book, const char *market, double point, int64_t time_us)
{
    struct msg_row_game_odds row;
    message_clear(&msg_row_game_odds_desc, &row);
    strcpy(row.game_id, "0022500241");
    row.game_date = 20251117;
    strcpy(row.event_id, "event");
    strcpy(row.market, market);
    strcpy(row.book, book);
    row.point = point;
    row.first_price = row.second_price = -110;
    row.snapshot_at = time_us;
    row.commence_at = TIP;
    put(&msg_row_game_odds_desc, &row, time_us);
}

static void game_odds(const char *market, double point, int64_t time_us)
{
    book_odds("draftkings", market, point, time_us);
}

static double stored_total(void)
{
    struct store_txn *txn;
    struct game_line line;
    assert_int_equal(store_begin(harness_store(harness), false, &txn), 0);
    assert_int_equal(game_median_line(txn, 20251117, "0022500241", &line), 0);
    store_abort(&txn);
    return line.total;
}

/* Another total is looked at within five minutes; what is said of it in play never counts, not even for whoever looks back. */
static void test_spread_and_total(void **state)
{
    (void)state;
    history(1, "Someone", 20251115, "g1", "AAA", "CCC", 20, NOON);
    commit(NOON);
    game("scheduled", TIP, TIP - 3 * HOUR);
    size_t before = features();
    assert_true(isnan(value(newest(1)->message, "total")));
    game_odds("totals", 221.5, TIP - 2 * HOUR);
    game_odds("spreads", -3.5, TIP - 2 * HOUR);
    assert_int_equal(features(), before); /* not at once: one poll brings many */
    assert_int_equal(harness_advance(harness, TIP - 2 * HOUR + 6 * MINUTE), 0);
    assert_int_equal(features(), before + 1);
    assert_true(value(newest(1)->message, "total") == 221.5);
    assert_true(value(newest(1)->message, "spread") == -3.5);
    assert_true(value(newest(1)->message, "implied_team_points") == 112.5);
    game_odds("totals", 301.5, TIP + HOUR);
    assert_true(stored_total() == 221.5);
}

/* What another site says of the books counts while no book says anything itself: the same book must not count twice. */
static void test_totals_at_second_hand(void **state)
{
    (void)state;
    game("scheduled", TIP, TIP - 3 * HOUR);
    book_odds("bdl-draftkings", "totals", 240.5, TIP - 2 * HOUR);
    book_odds("bdl-betway", "totals", 241.5, TIP - 2 * HOUR);
    assert_true(stored_total() == 241);
    game_odds("spreads", -3.5, TIP - 2 * HOUR);
    assert_true(stored_total() == 241);
    game_odds("totals", 221.5, TIP - 2 * HOUR);
    assert_true(stored_total() == 221.5);
    book_odds("bdl-betway", "totals", 250.5, TIP - HOUR);
    assert_true(stored_total() == 221.5);
}

static void past_odds(double line, int64_t snapshot_at, int64_t said_us)
{
    struct msg_row_odds row;
    message_clear(&msg_row_odds_desc, &row);
    strcpy(row.game_id, "0022500241");
    row.game_date = 20251117;
    strcpy(row.event_id, "event");
    row.player_id = 1;
    row.player_known = row.main = row.offered = row.past = true;
    strcpy(row.player_name, "Someone");
    strcpy(row.market, "player_points");
    strcpy(row.book, "a");
    row.line = line;
    row.over_price = row.under_price = -110;
    row.snapshot_at = snapshot_at;
    row.commence_at = TIP + 10 * MINUTE;
    put(&msg_row_odds_desc, &row, said_us);
}

static void past_total(double total, int64_t snapshot_at, int64_t said_us)
{
    struct msg_row_game_odds row;
    message_clear(&msg_row_game_odds_desc, &row);
    strcpy(row.game_id, "0022500241");
    row.game_date = 20251117;
    strcpy(row.event_id, "event");
    strcpy(row.market, "totals");
    strcpy(row.book, "a");
    row.past = true;
    row.point = total;
    row.first_price = row.second_price = -110;
    row.snapshot_at = snapshot_at;
    row.commence_at = TIP + 10 * MINUTE;
    put(&msg_row_game_odds_desc, &row, said_us);
}

static int sum_lines(const struct game_odds *odds, void *context)
{
    *(double *)context += odds->line;
    return 0;
}

static double stored_lines(void)
{
    struct store_txn *txn;
    double sum = 0;
    assert_int_equal(store_begin(harness_store(harness), false, &txn), 0);
    assert_int_equal(game_scan_odds(txn, 20251117, "0022500241", sum_lines, &sum), 0);
    store_abort(&txn);
    return sum;
}

/* Of a day that is over, and a game that nobody followed: the newest snapshot from before its start, whichever comes first. */
static void test_odds_of_the_past(void **state)
{
    (void)state;
    int64_t later = TIP + 48 * HOUR;
    past_odds(18.5, TIP - 2 * HOUR, TIP - HOUR); /* its day is not over */
    assert_true(stored_lines() == 0);
    past_odds(19.5, TIP - 2 * HOUR, later);
    past_total(220.5, TIP - 2 * HOUR, later);
    assert_true(stored_lines() == 19.5 && stored_total() == 220.5);
    past_odds(22.5, TIP - 5 * MINUTE, later); /* a newer one takes the place of all of it */
    assert_true(stored_lines() == 22.5 && isnan(stored_total()));
    past_total(221.5, TIP - 5 * MINUTE, later);
    past_odds(17.5, TIP - 4 * HOUR, later);
    past_total(217.5, TIP - 4 * HOUR, later);
    past_odds(30.5, TIP + HOUR, later); /* in play */
    past_total(301.5, TIP + HOUR, later);
    assert_true(stored_lines() == 22.5 && stored_total() == 221.5);
    assert_int_equal(features(), 0);
}

/* What was known when a game was followed stays what was known. */
static void test_odds_of_the_past_of_a_game_that_was_followed(void **state)
{
    (void)state;
    history(1, "Someone", 20251115, "g1", "AAA", "CCC", 20, NOON);
    commit(NOON);
    game("scheduled", TIP, TIP - 3 * HOUR);
    odds(1, "a", 20.5, -110, true, true, TIP - HOUR);
    snapshot(TIP - HOUR);
    size_t before = features();
    past_odds(24.5, TIP - 30 * MINUTE, TIP - 20 * MINUTE);
    past_total(230.5, TIP - 30 * MINUTE, TIP - 20 * MINUTE);
    game("in_progress", TIP, TIP + 10 * MINUTE);
    past_odds(25.5, TIP - 5 * MINUTE, TIP + 48 * HOUR);
    past_total(231.5, TIP - 5 * MINUTE, TIP + 48 * HOUR);
    assert_true(stored_lines() == 20.5 && isnan(stored_total()));
    assert_int_equal(features(), before);
}

/* One whose play was heard of days later was not followed. */
static void test_odds_of_the_past_of_a_game_heard_of_later(void **state)
{
    (void)state;
    game("in_progress", TIP, TIP + 48 * HOUR);
    past_odds(25.5, TIP - 5 * MINUTE, TIP + 49 * HOUR);
    assert_true(stored_lines() == 25.5);
}

static void test_injury(void **state)
{
    struct msg_row_injury row;
    (void)state;
    history(1, "Someone", 20251115, "g1", "AAA", "CCC", 20, NOON);
    history(2, "Another", 20251115, "g1", "AAA", "CCC", 10, NOON);
    commit(NOON);
    game("scheduled", TIP, TIP - 3 * HOUR);
    assert_true(isnan(value(newest(1)->message, "injury_risk")));
    assert_true(value(newest(1)->message, "absent_points") == 0);
    message_clear(&msg_row_injury_desc, &row);
    row.player_id = 2;
    row.player_known = row.listed = true;
    strcpy(row.player_name, "Another");
    strcpy(row.team, "AAA");
    strcpy(row.status, "Out");
    row.seen_at = TIP - 2 * HOUR;
    put(&msg_row_injury_desc, &row, TIP - 2 * HOUR);
    assert_int_equal(harness_advance(harness, TIP - 2 * HOUR + 6 * MINUTE), 0);
    assert_true(value(newest(2)->message, "injury_risk") == 3);
    assert_true(value(newest(1)->message, "injury_risk") == 0);
    assert_true(value(newest(1)->message, "absent_points") ==
                10); /* 30 minutes a game: a regular */
}

/* ---- what a game came to ---- */

enum { ODD = 3 }; /* so many shots, and more of three */
static void final_line(int64_t player, bool home, int points, int shots, bool played,
                       int64_t time_us)
{
    struct msg_row_box_score row;
    message_clear(&msg_row_box_score_desc, &row);
    strcpy(row.game_id, "0022500241");
    row.game_date = 20251117;
    row.player_id = player;
    strcpy(row.player_name, "Someone");
    strcpy(row.team, home ? "AAA" : "BBB");
    strcpy(row.opponent, home ? "BBB" : "AAA");
    strcpy(row.game_status, "final");
    row.home = home;
    row.points = points;
    row.minutes = played ? 40 : 0;
    row.field_goals_attempted = shots;
    row.three_pointers_attempted = shots == ODD ? ODD + 1 : shots / 2;
    row.free_throws_attempted = 5;
    row.turnovers = 2;
    row.offensive_rebounds = 1;
    row.played = played;
    row.final = true;
    put(&msg_row_box_score_desc, &row, time_us);
}

static const struct msg_summary_player_game *summary_of(int64_t player)
{
    const struct msg_summary_player_game *found = NULL;
    const struct harness_record *record;
    for (size_t i = 0; (record = harness_at(harness, &msg_summary_player_game_desc, i)) != NULL;
         i++) {
        const struct msg_summary_player_game *message = record->message;
        if (message->player_id == player) {
            found = message;
        }
    }
    assert_non_null(found);
    return found;
}

static void near(double value, double expected)
{
    assert_true(fabs(value - expected) < 1e-6);
}

static void test_summary(void **state)
{
    const int64_t over = TIP + 3 * HOUR;
    (void)state;
    history(1, "Someone", 20251115, "g1", "AAA", "CCC", 20, NOON);
    commit(NOON);
    game("scheduled", TIP, TIP - 3 * HOUR);
    odds(1, "one", 20.5, -110, true, true, TIP - 2 * HOUR);
    snapshot(TIP - 2 * HOUR);
    odds(1, "one", 20.5, -110, false, false, TIP - HOUR);
    odds(1, "one", 22.5, -110, true, true, TIP - HOUR);
    snapshot(TIP - HOUR);
    game("in_progress", TIP, TIP + MINUTE);
    odds(1, "one", 35.5, -110, true, true, TIP + HOUR); /* in play */
    snapshot(TIP + HOUR);
    final_line(1, true, 30, 20, true, over);
    final_line(2, true, 10, 10, true, over);
    final_line(3, true, 0, 0, false, over);
    final_line(4, false, 25, 20, true, over + MINUTE / 2);
    assert_int_equal(harness_count(harness, &msg_timer_summary_desc), 1);
    assert_int_equal(harness_count(harness, &msg_summary_player_game_desc), 0);
    assert_int_equal(harness_advance(harness, over + MINUTE), 0);
    assert_int_equal(harness_count(harness, &msg_summary_player_game_desc), 4);
    assert_int_equal(harness_count(harness, &msg_summary_team_game_desc), 2);

    const struct msg_summary_player_game *one = summary_of(1);
    assert_true(one->line == 22.5 && one->line_opening == 20.5 && one->line_move == 2);
    assert_string_equal(one->result, "over");
    assert_true(one->margin == 7.5 && one->won == 1);
    /* plays 20 + 2.2 + 2; the team's 30 + 4.4 + 4, in 80 minutes */
    near(one->usage, 100 * 24.2 * 16 / (40 * 38.4));
    near(one->true_shooting, 30 / (2 * 22.2));
    near(one->three_share, 0.5);
    const struct msg_summary_player_game *bench = summary_of(3);
    assert_true(!bench->played && isnan(bench->usage) && isnan(bench->line) && !bench->result[0]);

    const struct harness_record *record = harness_at(harness, &msg_summary_team_game_desc, 0);
    const struct msg_summary_team_game *home = record->message;
    assert_string_equal(home->team, "AAA");
    assert_int_equal(record->parent_count, 3); /* both sides make it */
    assert_int_equal(home->players, 2);
    assert_int_equal(home->points_allowed, 25);
    near(home->possessions, 36.4);         /* 38.4 - 2 */
    near(home->possessions_allowed, 23.2); /* 24.2 - 1 */
    near(home->pace, 48 * (36.4 + 23.2) / 2 / 12);
    near(home->offense_rating, 4000 / 36.4);
    near(home->defense_rating, 2500 / 23.2);
    const struct msg_summary_team_game *away =
        harness_at(harness, &msg_summary_team_game_desc, 1)->message;
    near(away->pace, home->pace);
    assert_true(away->won == 0);

    final_line(2, true, 12, 10, true, over + HOUR); /* corrected: he, and both sides */
    assert_int_equal(harness_advance(harness, over + HOUR + MINUTE), 0);
    assert_int_equal(harness_count(harness, &msg_summary_player_game_desc), 5);
    assert_int_equal(harness_count(harness, &msg_summary_team_game_desc), 4);
    assert_int_equal(summary_of(2)->points, 12);
}

/* Of a game that another shard has, or nobody yet: history; summed up when the game is known. What is odd is blank, and the rest is said. */
static void test_summary_of_a_late_game(void **state)
{
    (void)state;
    final_line(1, true, 30, 20, true, TIP);
    final_line(2, false, 7, ODD, true, TIP);
    assert_int_equal(harness_advance(harness, TIP + HOUR), 0);
    assert_int_equal(harness_count(harness, &msg_timer_summary_desc), 0);
    game("final", TIP, TIP + HOUR);
    assert_int_equal(harness_advance(harness, TIP + HOUR + MINUTE), 0);
    assert_int_equal(harness_count(harness, &msg_summary_player_game_desc), 2);
    assert_int_equal(harness_count(harness, &msg_summary_team_game_desc), 2);
    assert_true(isnan(summary_of(2)->three_share));
    assert_int_equal(summary_of(2)->points, 7);
    assert_int_equal(harness_count(harness, &msg_dead_letter_desc), 0);
    /* the line itself first, then the other, which makes whether he won */
    const struct harness_record *record = harness_at(harness, &msg_summary_player_game_desc, 0);
    assert_int_equal(record->parent_count, 2);
    assert_int_equal(record->parents[0], 1);
    assert_int_equal(record->parents[1], 2);
}

/* What came without a trigger of its own is said when somebody asks, once; what is closed or unknown is answered so. */
static void test_rebuilt_when_asked(void **state)
{
    (void)state;
    seed();
    game("scheduled", TIP, NOON);
    size_t before = features();
    size_t runs = harness_count(harness, &msg_ops_run_desc);
    commanded(harness, "predictor", "rebuild", "0022500241", NOON + MINUTE); /* not to us */
    assert_int_equal(harness_count(harness, &msg_command_answer_desc), 0);
    assert_int_equal(harness_count(harness, &msg_ops_run_desc), runs); /* and no run of ours */
    commanded(harness, "features", "rebuild", "0022500241", NOON + MINUTE);
    answered(harness, 1, "done", 0);
    assert_int_equal(features(), before);
    box(1, 20251116, "0022500231", 30, true, true, NOON + 2 * MINUTE);
    assert_int_equal(features(), before);
    uint64_t asked = commanded(harness, "features", "rebuild", "0022500241", NOON + 3 * MINUTE);
    const struct msg_feature_player *message = newest(1)->message;
    assert_int_equal(message->games, 3);
    assert_true(has_parent(newest(1), asked));
    const int64_t said = (int64_t)(features() - before);
    answered(harness, 2, "done", said);
    assert_int_equal(harness_restart(harness), 0);
    commanded(harness, "features", "rebuild", "0022500241", NOON + 4 * MINUTE);
    answered(harness, 3, "done", 0);
    commanded(harness, "features", "rebuild", "0022500999", NOON + 5 * MINUTE);
    answered(harness, 4, "nothing", 0);
    commanded(harness, "features", "guess", "0022500241", NOON + 5 * MINUTE);
    answered(harness, 5, "refused", 0);
    game("in_progress", TIP, TIP + MINUTE);
    commanded(harness, "features", "rebuild", "0022500241", TIP + 2 * MINUTE);
    answered(harness, 6, "nothing", 0);
    assert_int_equal(features(), before + (size_t)said);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_scheduled_game),
        TEST(test_games_to_come),
        TEST(test_odds_of_the_past),
        TEST(test_odds_of_the_past_of_a_game_that_was_followed),
        TEST(test_odds_of_the_past_of_a_game_heard_of_later),
        TEST(test_odds_long_before),
        TEST(test_said_once),
        TEST(test_line),
        TEST(test_odds_before_game),
        TEST(test_locked_by_play),
        TEST(test_locked_by_time),
        TEST(test_odds_after_tip_change_nothing),
        TEST(test_tip_moves),
        TEST(test_postponed),
        TEST(test_import_after_the_schedule),
        TEST(test_finals_become_history),
        TEST(test_kills_and_grouping),
        TEST(test_spread_and_total),
        TEST(test_totals_at_second_hand),
        TEST(test_injury),
        TEST(test_summary),
        TEST(test_summary_of_a_late_game),
        TEST(test_rebuilt_when_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
