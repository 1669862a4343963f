/* Which dead letters the watchdog may have offered again: of games that owe something, and only the newest of their kind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "actors/harness.h"
#include "actors/watchdog/letters.h"
#include "actors/watchdog/watchdog.h"
#include "config/clock.h"
#include "schema/messages.h"

#define GAME "0022500241"
#define DATE 20251117
#define RAW "bdl_box_scores:2025-11-17"

static const int64_t NOON = INT64_C(1763398800000000);
static struct harness *harness;
static int64_t now_us;

static int set_up(void **state)
{
    (void)state;
    messages_register();
    if (clock_zone_set("America/New_York") != 0)
        return -1;
    now_us = NOON;
    harness = harness_open(&watchdog_actor, NULL);
    return harness ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    harness_close(&harness);
    return 0;
}

static uint64_t put(const struct message_desc *desc, const void *message)
{
    uint64_t position = harness_put(harness, desc, message, ++now_us);
    assert_true(position > 0);
    assert_int_equal(harness_run(harness), 0);
    return position;
}

static uint64_t put_game(void)
{
    struct msg_row_game row;
    message_clear(&msg_row_game_desc, &row);
    strcpy(row.game_id, GAME);
    row.game_date = DATE;
    strcpy(row.home, "AAA");
    strcpy(row.away, "BBB");
    strcpy(row.status, "scheduled");
    row.tip_at = NOON + INT64_C(6) * 3600 * 1000000;
    strcpy(row.feed, "bdl_games");
    return put(&msg_row_game_desc, &row);
}

static void fill_feature(struct msg_feature_player *row, int64_t player)
{
    static const uint8_t nothing[] = {0x80};
    message_clear(&msg_feature_player_desc, row);
    strcpy(row->game_id, GAME);
    row->game_date = DATE;
    row->player_id = player;
    strcpy(row->player_name, "Someone");
    strcpy(row->team, "AAA");
    strcpy(row->opponent, "BBB");
    row->as_of = NOON;
    row->quality = 1;
    row->games = 9;
    row->values = row->sources = (struct span){nothing, 1};
}

static uint64_t put_feature(int64_t player)
{
    struct msg_feature_player row;
    fill_feature(&row, player);
    return put(&msg_feature_player_desc, &row);
}

/* Of the record at `position`, as its reader says it. */
static uint64_t put_letter(const struct message_desc *desc, const void *message, const char *reader,
                           const char *key, uint64_t position)
{
    static uint8_t bytes[16384];
    struct msg_dead_letter letter;
    struct message_error error;
    long size = message_encode(desc, message, bytes, sizeof bytes, &error);
    assert_true(size > 0);
    message_clear(&msg_dead_letter_desc, &letter);
    snprintf(letter.origin, sizeof letter.origin, "%s/%s", reader, desc->stream);
    letter.position = position;
    snprintf(letter.stream, sizeof letter.stream, "%s", desc->stream);
    snprintf(letter.reader, sizeof letter.reader, "%s", reader);
    snprintf(letter.key, sizeof letter.key, "%s", key);
    strcpy(letter.rule, "store: full");
    letter.attempts = 3;
    letter.version = desc->version;
    letter.payload = (struct span){bytes, (uint32_t)size};
    letter.at = now_us;
    return put(&msg_dead_letter_desc, &letter);
}

static bool any(const char *about, const char *actor)
{
    struct store_txn *txn;
    bool found = false;
    assert_int_equal(store_begin(harness_store(harness), false, &txn), 0);
    assert_int_equal(letters_any(txn, DATE, about, actor, &found), 0);
    store_abort(&txn);
    return found;
}

static void only_the_newest_is_offered_again(void **state)
{
    struct msg_feature_player row;
    (void)state;
    fill_feature(&row, 7);
    uint64_t early = put_feature(7);
    put_letter(&msg_feature_player_desc, &row, "predictor.0", GAME, early);
    assert_false(any(GAME, "predictor")); /* nobody expects anything of the game */
    put_game();
    put_letter(&msg_feature_player_desc, &row, "predictor.0", GAME, early);
    assert_true(any(GAME, "predictor"));
    assert_false(any(GAME, "grader"));
    (void)put_feature(8); /* another's */
    assert_true(any(GAME, "predictor"));
    uint64_t late = put_feature(7);
    assert_false(any(GAME, "predictor")); /* the old one would take its place */
    put_letter(&msg_feature_player_desc, &row, "predictor.0", GAME, late);
    assert_true(any(GAME, "predictor"));
    assert_int_equal(harness_restart(harness), 0);
    assert_true(any(GAME, "predictor"));
}

static void lines_of_a_game_in_play_are_not(void **state)
{
    struct msg_row_box_score row;
    (void)state;
    put_game();
    message_clear(&msg_row_box_score_desc, &row);
    strcpy(row.game_id, GAME);
    row.game_date = DATE;
    row.player_id = 7;
    strcpy(row.player_name, "Someone");
    strcpy(row.team, "AAA");
    strcpy(row.opponent, "BBB");
    strcpy(row.game_status, "in_progress");
    uint64_t position = put(&msg_row_box_score_desc, &row);
    put_letter(&msg_row_box_score_desc, &row, "grader.0", GAME, position);
    assert_false(any(GAME, "grader"));
    row.final = true;
    position = put(&msg_row_box_score_desc, &row);
    put_letter(&msg_row_box_score_desc, &row, "grader.0", GAME, position);
    assert_true(any(GAME, "grader"));
    (void)put(&msg_row_box_score_desc, &row); /* corrected */
    assert_false(any(GAME, "grader"));
}

static void put_run(const char *outcome, uint64_t position)
{
    struct msg_ops_run run;
    message_clear(&msg_ops_run_desc, &run);
    strcpy(run.run_id, "processor.0-1-1");
    strcpy(run.name, "BdlBoxScores");
    strcpy(run.actor, "processor");
    run.data_date = DATE;
    strcpy(run.outcome, outcome);
    strcpy(run.error_class, "none");
    snprintf(run.cause, sizeof run.cause, "position %llu", (unsigned long long)position);
    run.opened_at = run.closed_at = now_us;
    run.attempt = 1;
    strcpy(run.code_version, "x");
    strcpy(run.config_hash, "x");
    strcpy(run.host, "x");
    (void)put(&msg_ops_run_desc, &run);
}

static void a_body_is_until_another_is_taken(void **state)
{
    struct msg_raw_exchange raw;
    (void)state;
    put_game();
    message_clear(&msg_raw_exchange_desc, &raw);
    strcpy(raw.feed, "bdl_box_scores");
    strcpy(raw.subject, RAW);
    strcpy(raw.url, "http://upstream/");
    raw.status = 200;
    raw.fetched_at = now_us;
    strcpy(raw.body_sha256, "0");
    raw.body = (struct span){(const uint8_t *)"{}", 2};
    put_letter(&msg_raw_exchange_desc, &raw, "processor.0", "games", 1000);
    assert_true(any(RAW, "processor"));
    put_run("success", 999); /* an older one */
    assert_true(any(RAW, "processor"));
    put_run("success", 1001);
    assert_false(any(RAW, "processor"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(only_the_newest_is_offered_again),
        TEST(lines_of_a_game_in_play_are_not),
        TEST(a_body_is_until_another_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
