/* The tables' answers: views, digest, report and exports over a small night of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "actors/scoreboard/digest.h"
#include "actors/scoreboard/exports.h"
#include "actors/scoreboard/games.h"
#include "actors/scoreboard/report.h"
#include "actors/scoreboard/views.h"
#include "config/clock.h"
#include "schema/messages.h"
#include "schema/pack.h"

#define DATE 20251117
#define GAME "0022500248"
#define MINUTE (INT64_C(60) * 1000000)

static char dir[64];
static struct store *store;
static struct store_txn *txn;
static int64_t tip_at;
static uint64_t position;

static int start(void **state)
{
    (void)state;
    messages_register();
    if (clock_zone_set("America/New_York") != 0)
        return -1;
    return clock_parse_utc("2025-11-18T00:00:00Z", &tip_at);
}

static int open_store(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/test_scoreboard.XXXXXX");
    position = 0;
    const struct store_options options = {.map_bytes = 64 << 20};
    return mkdtemp(dir) && store_open(&store, dir, &options) == 0 &&
                   store_begin(store, true, &txn) == 0
               ? 0
               : -1;
}

static int close_store(void **state)
{
    char command[128];
    (void)state;
    store_abort(&txn);
    store_close(&store);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static void put(const char *table, int32_t date, const struct store_key *key,
                const struct message_desc *desc, const void *message, int64_t time_us)
{
    uint8_t data[16384];
    struct message_error error;
    long size = message_encode(desc, message, data, sizeof data, &error);
    if (size < 0)
        fail_msg("%s.%s: %s", error.message, error.field, error.rule);
    position++;
    const struct table_mark mark = {.position = position, .time_us = time_us};
    const struct span payload = {data, (uint32_t)size};
    assert_int_equal(table_put(txn, table, date, key, &mark, &payload), 0);
}

static void put_game(const char *game_id, const char *status, int64_t period, int64_t home,
                     int64_t away)
{
    struct msg_row_game game;
    struct store_key key;
    message_clear(&msg_row_game_desc, &game);
    strcpy(game.game_id, game_id);
    game.game_date = DATE;
    strcpy(game.home, "CHI");
    strcpy(game.away, "DEN");
    game.tip_at = tip_at;
    strcpy(game.status, status);
    game.period = period;
    game.home_score = home;
    game.away_score = away;
    strcpy(game.feed, "bdl_live");
    store_key_start(&key);
    store_key_text(&key, game_id);
    put(TABLE_GAME, DATE, &key, &msg_row_game_desc, &game, tip_at + 10 * MINUTE);
}

static void put_span(const char *game_id, int64_t live_at, int64_t final_at)
{
    struct store_key key, value;
    store_key_start(&key);
    store_key_text(&key, game_id);
    store_key_start(&value);
    store_key_i64(&value, live_at);
    store_key_i64(&value, final_at);
    position++;
    const struct table_mark mark = {.position = position, .time_us = live_at};
    const struct span payload = {value.data, (uint32_t)value.size};
    assert_int_equal(table_put(txn, TABLE_SPAN, DATE, &key, &mark, &payload), 0);
}

static void put_touched(const char *what, int64_t time_us)
{
    struct store_key key;
    position++;
    const struct table_mark mark = {.position = position, .time_us = time_us};
    const struct span none = {0};
    store_key_start(&key);
    store_key_text(&key, what);
    assert_int_equal(table_put(txn, TABLE_TOUCHED, DATE, &key, &mark, &none), 0);
}

static void put_box(int64_t player_id, const char *name, int64_t points, bool played, bool final)
{
    struct msg_row_box_score row;
    struct store_key key;
    message_clear(&msg_row_box_score_desc, &row);
    strcpy(row.game_id, GAME);
    row.game_date = DATE;
    row.player_id = player_id;
    row.player_known = player_id > 0;
    strcpy(row.player_name, name);
    strcpy(row.team, "CHI");
    strcpy(row.opponent, "DEN");
    row.home = true;
    strcpy(row.game_status, final ? "final" : "in_progress");
    row.points = points;
    row.minutes = played ? 12 : 0;
    row.played = played;
    row.final = final;
    store_key_start(&key);
    store_key_text(&key, GAME);
    store_key_i64(&key, player_id);
    put(TABLE_BOX, DATE, &key, &msg_row_box_score_desc, &row, tip_at + 20 * MINUTE);
}

static void put_odds(double line, int64_t over_price, int64_t snapshot_at, bool offered)
{
    struct msg_row_odds row;
    struct store_key key;
    message_clear(&msg_row_odds_desc, &row);
    strcpy(row.game_id, GAME);
    row.game_date = DATE;
    strcpy(row.event_id, "e");
    row.player_id = 7;
    row.player_known = true;
    strcpy(row.player_name, "Ann Other");
    strcpy(row.market, "player_points");
    strcpy(row.book, "bk");
    row.line = line;
    row.over_price = over_price;
    row.under_price = -110;
    row.main = true;
    row.offered = offered;
    row.snapshot_at = snapshot_at;
    store_key_start(&key);
    store_key_text(&key, GAME);
    store_key_i64(&key, 7);
    store_key_text(&key, row.market);
    store_key_text(&key, row.book);
    store_key_i64(&key, (int64_t)(line * 1000 + 0.5));
    store_key_i64(&key, (int64_t)position + 1);
    put(TABLE_ODDS, DATE, &key, &msg_row_odds_desc, &row, snapshot_at);
}

static void put_prediction(const char *id, double predicted, double line, const char *pick)
{
    struct msg_prediction_points row;
    struct store_key key;
    message_clear(&msg_prediction_points_desc, &row);
    strcpy(row.prediction_id, id);
    strcpy(row.game_id, GAME);
    row.game_date = DATE;
    row.player_id = 7;
    strcpy(row.player_name, "Luka Don\xc4\x8di\xc4\x87");
    strcpy(row.team, "CHI");
    strcpy(row.opponent, "DEN");
    row.home = true;
    strcpy(row.system, "blend");
    strcpy(row.stat, "points");
    row.predicted = predicted;
    row.stddev = 5.5;
    row.line = line;
    row.prob_over = isnan(line) ? NAN : 0.5;
    row.confidence = 0.6;
    strcpy(row.recommendation, pick);
    row.made_at = row.as_of = tip_at - 60 * MINUTE;
    store_key_start(&key);
    store_key_text(&key, GAME);
    store_key_i64(&key, 7);
    store_key_text(&key, row.system);
    store_key_text(&key, row.stat);
    store_key_i64(&key, (int64_t)position + 1);
    put(TABLE_PREDICTION, DATE, &key, &msg_prediction_points_desc, &row, row.made_at);
}

static void put_grade(const char *id, const char *state, const char *outcome, int64_t actual,
                      bool final)
{
    struct msg_grade_points row;
    struct store_key key;
    message_clear(&msg_grade_points_desc, &row);
    strcpy(row.prediction_id, id);
    strcpy(row.game_id, GAME);
    row.game_date = DATE;
    row.player_id = 7;
    strcpy(row.player_name, "Luka Don\xc4\x8di\xc4\x87");
    strcpy(row.team, "CHI");
    strcpy(row.opponent, "DEN");
    strcpy(row.system, "blend");
    strcpy(row.stat, "points");
    row.predicted = 20.25;
    row.stddev = 5.5;
    row.line = 20;
    row.confidence = 0.6;
    strcpy(row.recommendation, "OVER");
    row.made_at = tip_at - 60 * MINUTE;
    strcpy(row.state, state);
    strcpy(row.outcome, outcome);
    row.actual = actual;
    row.final = final;
    row.graded_at = tip_at + 150 * MINUTE;
    store_key_start(&key);
    store_key_text(&key, GAME);
    store_key_i64(&key, 7);
    store_key_text(&key, row.system);
    store_key_text(&key, row.stat);
    put(TABLE_GRADE, DATE, &key, &msg_grade_points_desc, &row, row.graded_at);
}

static void put_game_run(const char *table, const char *actor, const char *name, int64_t at,
                         const char *outcome, const char *error, const char *game_id)
{
    struct msg_ops_run run;
    struct store_key key;
    message_clear(&msg_ops_run_desc, &run);
    snprintf(run.run_id, sizeof run.run_id, "poller.0-1-%llu", (unsigned long long)position);
    strcpy(run.name, name);
    strcpy(run.actor, actor);
    run.data_date = DATE;
    strcpy(run.outcome, outcome);
    strcpy(run.game_id, game_id);
    strcpy(run.error_class, error);
    run.opened_at = run.closed_at = at;
    run.attempt = 1;
    strcpy(run.code_version, "1");
    strcpy(run.config_hash, "1");
    strcpy(run.host, "h");
    store_key_start(&key);
    store_key_i64(&key, at);
    store_key_text(&key, run.run_id);
    put(table, DATE, &key, &msg_ops_run_desc, &run, at);
}

static void put_run_of(const char *table, const char *actor, const char *name, int64_t at,
                       const char *outcome, const char *error)
{
    put_game_run(table, actor, name, at, outcome, error, "");
}

static void put_poll(int64_t at, const char *outcome, const char *error)
{
    put_run_of(TABLE_POLL, "poller", "PollBdlLive", at, outcome, error);
}

static json_t *ask(const char *name)
{
    static const struct settings settings = {.poller = {.odds_interval_us = 30 * MINUTE}};
    const struct view_query query = {.date = DATE, .settings = &settings};
    int error = 0;
    json_t *answer = view_find(name)->make(txn, &query, &error);
    assert_int_equal(error, 0);
    assert_non_null(answer);
    return answer;
}

static const json_t *at(const json_t *list, size_t index, const char *key)
{
    const json_t *row = json_array_get(list, index);
    assert_non_null(row);
    return json_object_get(row, key);
}

static const char *text_at(const json_t *list, size_t index, const char *key)
{
    const char *text = json_string_value(at(list, index, key));
    return text ? text : "null";
}

/* ---- */

static void nothing_is_an_empty_answer(void **state)
{
    (void)state;
    for (int i = 0; view_at(i); i++) {
        json_t *answer = ask(view_at(i)->name);
        if (strcmp(view_at(i)->name, "report") != 0)
            assert_int_equal(json_array_size(answer), 0);
        else
            assert_string_equal(json_string_value(json_object_get(answer, "verdict")), "NO_GAMES");
        json_decref(answer);
    }
}

static void box_scores_are_who_came_in(void **state)
{
    (void)state;
    put_game(GAME, "in_progress", 2, 50, 40);
    put_box(7, "Ann Other", 12, true, false);
    put_box(8, "On Bench", 0, false, false);
    put_box(-900, "New Face", 2, true, false);
    json_t *rows = ask("boxscores");
    assert_int_equal(json_array_size(rows), 2);
    assert_int_equal(json_integer_value(at(rows, 0, "player_id")), -900);
    assert_int_equal(json_integer_value(at(rows, 1, "points")), 12);
    assert_true(json_is_null(at(rows, 1, "plus_minus")) ||
                json_is_integer(at(rows, 1, "plus_minus")));
    assert_true(json_is_true(at(rows, 1, "home")));
    json_decref(rows);
}

static void imports_show_only_once_committed(void **state)
{
    (void)state;
    struct msg_history_player_game row;
    struct msg_import_commit commit;
    struct store_key key;
    message_clear(&msg_history_player_game_desc, &row);
    strcpy(row.import_id, "import-1");
    strcpy(row.game_id, GAME);
    strcpy(row.season, "2025-26");
    row.game_date = DATE;
    row.player_id = 7;
    strcpy(row.player_name, "Ann Other");
    strcpy(row.team, "CHI");
    strcpy(row.opponent, "DEN");
    row.points = 31;
    row.minutes = 33;
    strcpy(row.source, "f:2");
    store_key_start(&key);
    store_key_text(&key, GAME);
    store_key_i64(&key, 7);
    store_key_i64(&key, 1);
    put(TABLE_HISTORY_BOX, DATE, &key, &msg_history_player_game_desc, &row, tip_at);
    json_t *rows = ask("boxscores");
    assert_int_equal(json_array_size(rows), 0);
    json_decref(rows);
    message_clear(&msg_import_commit_desc, &commit);
    strcpy(commit.import_id, "import-1");
    strcpy(commit.sha256, "x");
    store_key_start(&key);
    store_key_text(&key, "import-1");
    put(TABLE_IMPORT, STORE_UNDATED, &key, &msg_import_commit_desc, &commit, tip_at);
    rows = ask("boxscores");
    assert_int_equal(json_array_size(rows), 1);
    assert_int_equal(json_integer_value(at(rows, 0, "points")), 31);
    assert_string_equal(text_at(rows, 0, "game_status"), "final");
    json_decref(rows);
    put_box(7, "Ann Other", 33, true, true); /* what came after the import counts */
    rows = ask("boxscores");
    assert_int_equal(json_array_size(rows), 1);
    assert_int_equal(json_integer_value(at(rows, 0, "points")), 33);
    json_decref(rows);
}

static void odds_are_tagged_by_when_they_were_seen(void **state)
{
    (void)state;
    int64_t noon = clock_date_start_us(DATE) + 12 * 60 * MINUTE;
    put_game(GAME, "scheduled", 0, MESSAGE_NONE, MESSAGE_NONE);
    put_odds(20.5, -105, noon - 120 * MINUTE, true);
    put_odds(20.5, -110, noon - 30 * MINUTE, true);
    put_odds(20.5, -115, tip_at - 30 * MINUTE, true);
    put_odds(20.5, -120, tip_at - 20 * MINUTE, false); /* went away */
    put_odds(20.5, -400, tip_at + 30 * MINUTE, true);  /* in play */
    put_odds(21.5, -101, tip_at - 30 * MINUTE, true);
    json_t *rows = ask("odds");
    assert_int_equal(json_array_size(rows), 5);
    assert_string_equal(text_at(rows, 0, "tag"), "opening");
    assert_string_equal(text_at(rows, 1, "tag"), "morning");
    assert_string_equal(text_at(rows, 2, "tag"), "null"); /* not closed yet: the game is not on */
    assert_string_equal(text_at(rows, 3, "tag"), "null");
    assert_string_equal(text_at(rows, 4, "tag"), "opening");
    assert_int_equal(json_integer_value(at(rows, 2, "minutes_before_game")), 30);
    assert_int_equal(json_integer_value(at(rows, 3, "minutes_before_game")), -30);
    json_decref(rows);
    put_game(GAME, "in_progress", 1, 2, 0);
    rows = ask("odds");
    assert_string_equal(text_at(rows, 2, "tag"), "closing");
    assert_string_equal(text_at(rows, 3, "tag"), "null");
    assert_string_equal(text_at(rows, 4, "tag"), "closing");
    json_decref(rows);
    struct digest digest;
    assert_int_equal(digest_make(&digest, txn, DATE), 0);
    assert_int_equal(digest.parts[DIGEST_ODDS].count, 2);
    assert_string_equal(digest.parts[DIGEST_ODDS].rows[0],
                        GAME "\t7\tplayer_points\tbk\t20.500000\t-115\t-110");
    digest_free(&digest);
}

/* A snapshot of the past comes last, and counts where it stood. */
static void odds_of_the_past_stand_where_they_held(void **state)
{
    (void)state;
    int64_t noon = clock_date_start_us(DATE) + 12 * 60 * MINUTE;
    put_game(GAME, "in_progress", 1, 2, 0);
    put_odds(20.5, -110, noon + 60 * MINUTE, true);
    put_odds(20.5, -400, tip_at + 30 * MINUTE, true); /* in play */
    put_odds(20.5, -115, tip_at - 5 * MINUTE, true);
    put_odds(20.5, -105, noon - 120 * MINUTE, true);
    json_t *rows = ask("odds");
    static const char *const TAGS[] = {"opening", "null", "closing", "null"};
    static const int PRICES[] = {-105, -110, -115, -400};
    assert_int_equal(json_array_size(rows), 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(text_at(rows, i, "tag"), TAGS[i]);
        assert_int_equal(json_integer_value(at(rows, i, "over_price")), PRICES[i]);
    }
    json_decref(rows);
    struct digest digest;
    assert_int_equal(digest_make(&digest, txn, DATE), 0);
    assert_string_equal(digest.parts[DIGEST_ODDS].rows[0],
                        GAME "\t7\tplayer_points\tbk\t20.500000\t-115\t-110");
    digest_free(&digest);
}

static void the_newest_prediction_is_in_force(void **state)
{
    (void)state;
    put_prediction("p1", 20.25, 19.5, "OVER");
    put_prediction("p2", 21, 20, "OVER");
    json_t *rows = ask("predictions");
    assert_int_equal(json_array_size(rows), 2);
    assert_true(json_is_false(at(rows, 0, "active")));
    assert_true(json_is_true(at(rows, 1, "active")));
    assert_string_equal(text_at(rows, 1, "prediction_id"), "p2");
    json_decref(rows);
}

static void a_digest_is_of_content_only(void **state)
{
    (void)state;
    struct digest first, second;
    struct msg_feature_player feature;
    struct store_key key;
    struct pack values = {0}, sources = {0};
    pack_map(&values, 3);
    pack_text(&values, "rest");
    pack_i64(&values, 2);
    pack_text(&values, "pace");
    pack_nil(&values);
    pack_text(&values, "avg");
    pack_f64(&values, 1.0 / 3);
    pack_map(&sources, 0);
    message_clear(&msg_feature_player_desc, &feature);
    strcpy(feature.game_id, GAME);
    feature.game_date = DATE;
    feature.player_id = 7;
    strcpy(feature.player_name, "Ann Other");
    strcpy(feature.team, "CHI");
    strcpy(feature.opponent, "DEN");
    feature.as_of = tip_at;
    feature.values = (struct span){values.data, (uint32_t)values.size};
    feature.sources = (struct span){sources.data, (uint32_t)sources.size};
    store_key_start(&key);
    store_key_text(&key, GAME);
    store_key_i64(&key, 7);
    put(TABLE_FEATURE, DATE, &key, &msg_feature_player_desc, &feature, tip_at);
    put_box(7, "Ann Other", 20, true, true);
    put_box(8, "Still On", 9, true, false);
    put_prediction("p1", 20.25, NAN, "NO_LINE");
    put_grade("p1", "final", "no_line", 20, true);
    assert_int_equal(digest_make(&first, txn, DATE), 0);
    assert_int_equal(first.parts[DIGEST_BOXSCORES].count, 1);
    assert_string_equal(first.parts[DIGEST_BOXSCORES].rows[0],
                        GAME "\t7\tAnn Other\tCHI\tDEN\t1\tfinal\t12\t20\t0\t0\t0\t0\t0\t0\t0\t0\t0"
                             "\t0\t0\t0\t0\t0\t");
    assert_string_equal(first.parts[DIGEST_FEATURES].rows[0],
                        GAME "\t7\tavg=0.333333\tpace=\trest=2.000000");
    assert_string_equal(first.parts[DIGEST_PREDICTIONS].rows[0],
                        GAME "\t7\tblend\tpoints\t20.250000\t5.500000\t\t\tNO_LINE");
    assert_string_equal(first.parts[DIGEST_GRADES].rows[0],
                        GAME "\t7\tblend\tpoints\t20\tno_line\t20.000000\tOVER");
    position += 1000; /* the same again, at other positions: nothing changes */
    put_box(7, "Ann Other", 20, true, true);
    put_prediction("p9", 20.25, NAN, "NO_LINE");
    assert_int_equal(digest_make(&second, txn, DATE), 0);
    for (int part = 0; part < DIGEST_PARTS; part++)
        assert_string_equal(first.sha256[part], second.sha256[part]);
    digest_free(&second);
    put_box(7, "Ann Other", 21, true, true);
    assert_int_equal(digest_make(&second, txn, DATE), 0);
    assert_string_not_equal(first.sha256[DIGEST_BOXSCORES], second.sha256[DIGEST_BOXSCORES]);
    assert_string_equal(first.sha256[DIGEST_GRADES], second.sha256[DIGEST_GRADES]);
    digest_free(&second);
    digest_free(&first);
    pack_free(&values);
    pack_free(&sources);
}

static double uptime(const json_t *report)
{
    return json_number_value(json_object_get(report, "uptime_pct"));
}

static void gaps_count_only_in_game_time(void **state)
{
    (void)state;
    put_game(GAME, "final", 4, 110, 100);
    put_span(GAME, tip_at, tip_at + 150 * MINUTE);
    put_poll(tip_at - 300 * MINUTE, "no_data_yet", "none"); /* hours before: no gap */
    for (int i = 0; i <= 50; i++)
        put_poll(tip_at + i * 3 * MINUTE, i % 2 ? "unchanged" : "success", "none");
    json_t *report = ask("report");
    assert_true(uptime(report) == 100.0);
    assert_int_equal(json_array_size(json_object_get(report, "gaps")), 0);
    assert_int_equal(json_integer_value(json_object_get(report, "polls")), 52);
    assert_int_equal(json_integer_value(json_object_get(report, "polls_changed")), 26);
    assert_int_equal(json_integer_value(json_object_get(report, "polls_unchanged")), 25);
    assert_string_equal(json_string_value(json_object_get(report, "verdict")), "HEALTHY");
    assert_true(report_healthy(report));
    json_decref(report);
}

static void a_silence_in_a_game_is_a_gap_with_its_cause(void **state)
{
    (void)state;
    put_game(GAME, "final", 4, 110, 100);
    put_span(GAME, tip_at, tip_at + 150 * MINUTE);
    for (int i = 0; i <= 50; i++) {
        if (i > 20 && i <= 30)
            put_poll(tip_at + i * 3 * MINUTE, "failed", "http_status");
        else
            put_poll(tip_at + i * 3 * MINUTE, "success", "none");
    }
    json_t *report = ask("report");
    const json_t *gaps = json_object_get(report, "gaps");
    assert_int_equal(json_array_size(gaps), 1);
    assert_string_equal(text_at(gaps, 0, "source"), "PollBdlLive");
    assert_string_equal(text_at(gaps, 0, "cause"), "http_status");
    assert_int_equal(json_integer_value(at(gaps, 0, "minutes")), 33);
    assert_true(uptime(report) == 78.0);
    assert_string_equal(json_string_value(json_object_get(report, "verdict")), "CRITICAL");
    assert_false(report_healthy(report));
    json_decref(report);
}

/* That the last poll before it happened to fail explains no pause of half an hour. */
static void a_pause_is_no_failed_poll(void **state)
{
    (void)state;
    put_game(GAME, "final", 4, 110, 100);
    put_span(GAME, tip_at, tip_at + 150 * MINUTE);
    for (int i = 0; i <= 50; i++)
        if (i <= 20 || i > 30)
            put_poll(tip_at + i * 3 * MINUTE, i == 20 ? "failed" : "success",
                     i == 20 ? "http_status" : "none");
    json_t *report = ask("report");
    const json_t *gaps = json_object_get(report, "gaps");
    assert_int_equal(json_array_size(gaps), 1);
    assert_int_equal(json_integer_value(at(gaps, 0, "minutes")), 36);
    assert_string_equal(text_at(gaps, 0, "cause"), "no runs");
    json_decref(report);
}

static void put_odds_poll(const char *game_id, int64_t at, const char *outcome, const char *error)
{
    put_game_run(TABLE_POLL, "poller", "PollOddsProps", at, outcome, error, game_id);
}

/* Every half hour until the tip; a game that is listed late has nothing to miss before. */
static void a_missed_snapshot_of_odds_is_a_gap(void **state)
{
    (void)state;
    const int64_t slot =
        tip_at / (30 * MINUTE) * 30 * MINUTE; /* the last one before the tip, or at it */
    put_game(GAME, "final", 4, 110, 100);
    put_span(GAME, tip_at, tip_at + 150 * MINUTE);
    for (int i = 0; i <= 50; i++)
        put_poll(tip_at + i * 3 * MINUTE, "success", "none");
    put_odds_poll("0022500998", slot - 300 * MINUTE, "success", "none"); /* of another */
    put_odds_poll(GAME, slot - 180 * MINUTE, "success", "none");
    put_odds_poll(GAME, slot - 150 * MINUTE, "failed", "http_status");
    put_odds_poll(GAME, slot - 149 * MINUTE, "unchanged", "none"); /* tried again in time */
    put_odds_poll(GAME, slot - 120 * MINUTE, "failed", "timeout");
    put_odds_poll(GAME, slot - 90 * MINUTE, "success", "none");
    for (int i = 2; i >= 1; i--)
        put_odds_poll(GAME, slot - i * 30 * MINUTE, "success", "none");
    put_odds_poll(GAME, tip_at - 5 * MINUTE, "success", "none");
    json_t *report = ask("report");
    const json_t *gaps = json_object_get(report, "gaps");
    assert_int_equal(json_array_size(gaps), 1);
    assert_string_equal(text_at(gaps, 0, "source"), "PollOddsProps");
    assert_string_equal(text_at(gaps, 0, "game_id"), GAME);
    assert_string_equal(text_at(gaps, 0, "cause"), "timeout");
    assert_int_equal(json_integer_value(at(gaps, 0, "minutes")), 30);
    assert_true(uptime(report) == 100.0); /* that is of game time */
    assert_string_equal(json_string_value(json_object_get(report, "verdict")), "WARNING");
    json_decref(report);
}

/* Nobody asked any more: from the first slot that was due to the tip. */
static void odds_that_end_before_the_tip_are_a_gap(void **state)
{
    (void)state;
    const int64_t slot = tip_at / (30 * MINUTE) * 30 * MINUTE;
    put_game(GAME, "final", 4, 110, 100);
    put_span(GAME, tip_at, tip_at + 150 * MINUTE);
    for (int i = 0; i <= 50; i++)
        put_poll(tip_at + i * 3 * MINUTE, "success", "none");
    put_odds_poll(GAME, slot - 180 * MINUTE, "success", "none");
    put_run_of(TABLE_RUN, "janitor", "JanitorSweep", tip_at + 10 * MINUTE, "success", "none");
    json_t *report = ask("report");
    const json_t *gaps = json_object_get(report, "gaps");
    assert_int_equal(json_array_size(gaps), 1);
    assert_string_equal(text_at(gaps, 0, "cause"), "no runs");
    assert_int_equal(json_integer_value(at(gaps, 0, "minutes")),
                     (tip_at - (slot - 150 * MINUTE)) / MINUTE);
    json_decref(report);
}

static void no_runs_at_all_is_no_uptime(void **state)
{
    (void)state;
    put_game(GAME, "final", 4, 110, 100);
    put_span(GAME, tip_at, tip_at + 150 * MINUTE);
    json_t *report = ask("report");
    assert_true(uptime(report) == 0.0);
    assert_string_equal(text_at(json_object_get(report, "gaps"), 0, "cause"), "no runs");
    assert_string_equal(json_string_value(json_object_get(report, "verdict")), "CRITICAL");
    json_decref(report);
}

static void a_night_that_nobody_watched_has_no_uptime(void **state)
{
    (void)state;
    put_game(GAME, "scheduled", 0, 0, 0); /* known from the day before, and never heard of again */
    put_run_of(TABLE_RUN, "janitor", "JanitorSweep", tip_at + 10 * MINUTE, "success", "none");
    json_t *report = ask("report");
    assert_true(json_is_null(json_object_get(report, "uptime_pct"))); /* it may begin late */
    json_decref(report);
    put_run_of(TABLE_RUN, "janitor", "JanitorSweep", tip_at + 100 * MINUTE, "success", "none");
    report = ask("report");
    assert_true(uptime(report) == 0.0 && !json_is_null(json_object_get(report, "uptime_pct")));
    assert_int_equal(json_integer_value(at(json_object_get(report, "gaps"), 0, "minutes")), 100);
    assert_string_equal(json_string_value(json_object_get(report, "verdict")), "CRITICAL");
    assert_false(report_healthy(report));
    json_decref(report);
}

static json_t *grading(void)
{
    int error;
    json_t *content = export_grading(txn, DATE, &error);
    assert_non_null(content);
    return content;
}

static void a_push_is_a_push_and_void_is_void(void **state)
{
    (void)state;
    static const struct {
        const char *state, *outcome, *status;
        int64_t actual;
        bool final;
    } cases[] = {
        {"pending", "", "pending", MESSAGE_NONE, false},
        {"in_progress", "", "in_progress", 0, false},
        {"trending_correct", "", "trending_correct", 22, false},
        {"final", "correct", "correct", 22, true},
        {"final", "incorrect", "incorrect", 2, true},
        {"final", "push", "push", 20, true},
        {"final", "void", "void", MESSAGE_NONE, true},
        {"final", "pass", "graded", 20, true},
        {"final", "no_line", "graded", 20, true},
    };
    put_game(GAME, "final", 4, 110, 100);
    put_prediction("p1", 20.25, 20, "OVER");
    put_touched("live", tip_at + 5 * MINUTE);
    put_touched("grading", tip_at + 7 * MINUTE);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_grade("p1", cases[i].state, cases[i].outcome, cases[i].actual, cases[i].final);
        json_t *content = grading();
        const json_t *rows = json_object_get(content, "predictions");
        const json_t *summary = json_object_get(content, "summary");
        assert_string_equal(text_at(rows, 0, "status"), cases[i].status);
        assert_string_equal(text_at(rows, 0, "player_lookup"), "lukadoncic");
        assert_true(json_is_null(at(rows, 0, "actual")) == (cases[i].actual == MESSAGE_NONE));
        assert_int_equal(json_integer_value(json_object_get(summary, "incorrect")),
                         !strcmp(cases[i].status, "incorrect"));
        assert_int_equal(json_integer_value(json_object_get(summary, "push")),
                         !strcmp(cases[i].status, "push"));
        assert_string_equal(json_string_value(json_object_get(content, "updated_at")),
                            "2025-11-18T00:07:00.000000Z"); /* of the content, not of now */
        json_decref(content);
    }
}

static void a_live_export_lists_games_and_players_in_order(void **state)
{
    (void)state;
    int error;
    put_game("0022500249", "scheduled", 0, MESSAGE_NONE, MESSAGE_NONE);
    put_game("0022500250", "final", 4, 99, 98);
    put_game(GAME, "in_progress", 2, 50, 40);
    put_box(7, "Ann Other", 12, true, false);
    put_box(8, "Be More", 20, true, false);
    json_t *content = export_live(txn, DATE, &error);
    const json_t *games = json_object_get(content, "games");
    assert_string_equal(text_at(games, 0, "game_id"), GAME);
    assert_string_equal(text_at(games, 1, "status"), "final");
    assert_string_equal(text_at(games, 2, "status"), "scheduled");
    assert_string_equal(text_at(at(games, 0, "players"), 0, "name"), "Be More");
    assert_int_equal(json_integer_value(json_object_get(content, "games_in_progress")), 1);
    assert_true(json_is_null(json_object_get(content, "updated_at"))); /* nothing was touched */
    json_decref(content);
}

static void today_stays_with_a_game_that_is_on(void **state)
{
    (void)state;
    int64_t night;
    assert_int_equal(clock_parse_utc("2025-11-18T12:00:00Z", &night), 0); /* 07:00 in New York */
    assert_int_equal(export_today(txn, night, 6), 20251118);
    put_game(GAME, "in_progress", 4, 1, 2);
    assert_int_equal(export_today(txn, night, 6), DATE);
    put_game(GAME, "final", 4, 1, 2);
    assert_int_equal(export_today(txn, night, 6), 20251118);
    assert_int_equal(export_today(txn, night - 120 * MINUTE, 6), DATE); /* 05:00: still the night */
}

static void stale_live_data_is_said(void **state)
{
    (void)state;
    int error;
    put_game(GAME, "in_progress", 2, 50, 40);
    put_poll(tip_at, "unchanged", "none");
    json_t *content = export_status(txn, DATE, tip_at + 5 * MINUTE, &error);
    const json_t *live = json_object_get(json_object_get(content, "services"), "live_data");
    assert_string_equal(json_string_value(json_object_get(live, "status")), "healthy");
    json_decref(content);
    content = export_status(txn, DATE, tip_at + 45 * MINUTE, &error);
    live = json_object_get(json_object_get(content, "services"), "live_data");
    assert_string_equal(json_string_value(json_object_get(live, "status")), "unhealthy");
    assert_string_equal(json_string_value(json_object_get(content, "overall_status")), "unhealthy");
    json_decref(content);
}

static void exports_are_replaced_whole(void **state)
{
    (void)state;
    char path[128], text[8] = "";
    snprintf(path, sizeof path, "%s/file.json", dir);
    assert_int_equal(exports_replace(path, "one", 3), 0);
    assert_int_equal(exports_replace(path, "two!", 4), 0);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    assert_int_equal(fread(text, 1, sizeof text, in), 4);
    assert_string_equal(text, "two!");
    fclose(in);
    snprintf(path, sizeof path, "%s/none/file.json", dir);
    assert_int_equal(exports_replace(path, "one", 3), -1);
}

/* Long after the night, and though nothing new was said of it. */
static void an_export_that_is_gone_is_written_again(void **state)
{
    (void)state;
    char path[128];
    put_game(GAME, "final", 4, 110, 104);
    put_touched("live", tip_at);
    struct exports *exports = exports_new(dir);
    const int64_t day = 24 * 60 * MINUTE;
    assert_int_equal(exports_write(exports, txn, tip_at, 6), 0);
    snprintf(path, sizeof path, "%s/exports/live/2025-11-17.json", dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(exports_write(exports, txn, tip_at + MINUTE, 6), 0);
    assert_int_not_equal(access(path, F_OK), 0); /* once a day is often enough */
    assert_int_equal(exports_write(exports, txn, tip_at + 100 * day, 6), 0);
    assert_int_equal(access(path, F_OK), 0);
    exports_free(&exports);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_store, close_store)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_an_empty_answer),
        TEST(box_scores_are_who_came_in),
        TEST(imports_show_only_once_committed),
        TEST(odds_are_tagged_by_when_they_were_seen),
        TEST(odds_of_the_past_stand_where_they_held),
        TEST(the_newest_prediction_is_in_force),
        TEST(a_digest_is_of_content_only),
        TEST(gaps_count_only_in_game_time),
        TEST(a_silence_in_a_game_is_a_gap_with_its_cause),
        TEST(a_pause_is_no_failed_poll),
        TEST(a_missed_snapshot_of_odds_is_a_gap),
        TEST(odds_that_end_before_the_tip_are_a_gap),
        TEST(no_runs_at_all_is_no_uptime),
        TEST(a_night_that_nobody_watched_has_no_uptime),
        TEST(a_push_is_a_push_and_void_is_void),
        TEST(a_live_export_lists_games_and_players_in_order),
        TEST(today_stays_with_a_game_that_is_on),
        TEST(stale_live_data_is_said),
        TEST(exports_are_replaced_whole),
        TEST(an_export_that_is_gone_is_written_again),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
