/* The scoreboard as an actor: what each record becomes in its tables, with the real engine under it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "actors/harness.h"
#include "actors/scoreboard/exports.h"
#include "actors/scoreboard/games.h"
#include "actors/scoreboard/scoreboard.h"
#include "actors/scoreboard/views.h"
#include "config/clock.h"
#include "schema/messages.h"
#include "tests/unit/commanding.h"

#define DATE 20251117
#define GAME "0022500248"

static struct harness *harness;
static int64_t now_us;

static int start(void **state)
{
    (void)state;
    messages_register();
    if (clock_zone_set("America/New_York") != 0)
        return -1;
    return clock_parse_utc("2025-11-18T00:00:00Z", &now_us);
}

static int open_harness(void **state)
{
    (void)state;
    harness = harness_open(&scoreboard_actor, NULL);
    return harness ? 0 : -1;
}

static int close_harness(void **state)
{
    (void)state;
    harness_close(&harness);
    return 0;
}

static uint64_t give(const struct message_desc *desc, const void *message)
{
    now_us += 1000;
    uint64_t position = harness_put(harness, desc, message, now_us);
    assert_true(position > 0);
    assert_int_equal(harness_run(harness), 0);
    return position;
}

static int64_t give_game(const char *status, int64_t period)
{
    struct msg_row_game game;
    message_clear(&msg_row_game_desc, &game);
    strcpy(game.game_id, GAME);
    game.game_date = DATE;
    strcpy(game.home, "CHI");
    strcpy(game.away, "DEN");
    strcpy(game.status, status);
    game.period = period;
    strcpy(game.feed, "bdl_live");
    give(&msg_row_game_desc, &game);
    return now_us;
}

static void give_history(const char *import_id, int64_t player_id, int64_t points)
{
    struct msg_history_player_game row;
    message_clear(&msg_history_player_game_desc, &row);
    strcpy(row.import_id, import_id);
    strcpy(row.game_id, GAME);
    strcpy(row.season, "2025-26");
    row.game_date = DATE;
    row.player_id = player_id;
    snprintf(row.player_name, sizeof row.player_name, "Player %d", (int)player_id);
    strcpy(row.team, "CHI");
    strcpy(row.opponent, "DEN");
    row.points = points;
    strcpy(row.source, "f:2");
    give(&msg_history_player_game_desc, &row);
}

static void give_commit(const char *import_id)
{
    struct msg_import_commit commit;
    message_clear(&msg_import_commit_desc, &commit);
    strcpy(commit.import_id, import_id);
    strcpy(commit.sha256, "x");
    give(&msg_import_commit_desc, &commit);
}

static int count_row(const struct store_row *row, void *context)
{
    (void)row;
    ++*(int *)context;
    return 0;
}

static int rows_in(const char *table)
{
    struct store_txn *txn;
    int count = 0;
    assert_int_equal(store_begin(harness_store(harness), false, &txn), 0);
    int error = store_scan(txn, table, 0, TABLE_DATE_LAST, NULL, 0, false, count_row, &count);
    assert_true(error == 0 || error == STORE_NOT_FOUND);
    store_abort(&txn);
    return count;
}

static json_t *ask(const char *name)
{
    const struct view_query query = {.date = DATE};
    struct store_txn *txn;
    int error;
    assert_int_equal(store_begin(harness_store(harness), false, &txn), 0);
    json_t *answer = view_find(name)->make(txn, &query, &error);
    store_abort(&txn);
    assert_non_null(answer);
    return answer;
}

static int64_t points_of(const json_t *rows, size_t index)
{
    return json_integer_value(json_object_get(json_array_get(rows, index), "points"));
}

/* ---- */

static void a_game_keeps_when_it_began_and_ended(void **state)
{
    (void)state;
    struct games_day day;
    struct store_txn *txn;
    give_game("scheduled", 0);
    int64_t live_at = give_game("in_progress", 1);
    give_game("in_progress", 4);
    int64_t final_at = give_game("final", 4);
    give_game("final", 4); /* a correction later */
    assert_int_equal(store_begin(harness_store(harness), false, &txn), 0);
    assert_int_equal(games_day_load(&day, txn, DATE), 0);
    assert_int_equal(day.count, 1);
    assert_int_equal(day.games[0].live_at, live_at);
    assert_int_equal(day.games[0].final_at, final_at);
    assert_true(games_final(&day.games[0].row));
    games_day_free(&day);
    store_abort(&txn);
    assert_int_equal(rows_in(TABLE_GAME), 1);
}

static void an_import_shows_at_its_commit(void **state)
{
    (void)state;
    give_history("import-1", 7, 20);
    give_history("import-1", 8, 10);
    json_t *rows = ask("boxscores");
    assert_int_equal(json_array_size(rows), 0);
    json_decref(rows);
    give_commit("import-1");
    rows = ask("boxscores");
    assert_int_equal(json_array_size(rows), 2);
    json_decref(rows);
    give_history("import-2", 7, 21); /* the next one changes nothing until it is committed */
    rows = ask("boxscores");
    assert_int_equal(points_of(rows, 0), 20);
    json_decref(rows);
    give_commit("import-2");
    rows = ask("boxscores");
    assert_int_equal(json_array_size(rows), 2);
    assert_int_equal(points_of(rows, 0), 21);
    json_decref(rows);
}

static void what_a_dead_importer_left_is_swept(void **state)
{
    (void)state;
    give_history("import-1", 7, 20);
    give_history("import-1", 8, 10);
    assert_int_equal(harness_restart(harness), 0);
    give_history("import-2", 7, 21);
    assert_int_equal(rows_in(TABLE_HISTORY_BOX), 3);
    give_commit("import-2");
    assert_int_equal(rows_in(TABLE_HISTORY_BOX), 1);
    assert_int_equal(rows_in(TABLE_IMPORT_OPEN), 0);
    json_t *rows = ask("boxscores");
    assert_int_equal(json_array_size(rows), 1);
    assert_int_equal(points_of(rows, 0), 21);
    json_decref(rows);
}

static void a_grade_replaces_the_earlier(void **state)
{
    (void)state;
    struct msg_grade_points grade;
    message_clear(&msg_grade_points_desc, &grade);
    strcpy(grade.prediction_id, "p1");
    strcpy(grade.game_id, GAME);
    grade.game_date = DATE;
    grade.player_id = 7;
    strcpy(grade.player_name, "Ann Other");
    strcpy(grade.team, "CHI");
    strcpy(grade.opponent, "DEN");
    strcpy(grade.system, "blend");
    strcpy(grade.stat, "points");
    strcpy(grade.recommendation, "OVER");
    strcpy(grade.state, "in_progress");
    grade.made_at = grade.graded_at = now_us;
    give(&msg_grade_points_desc, &grade);
    strcpy(grade.state, "final");
    strcpy(grade.outcome, "push");
    grade.actual = 20;
    grade.final = true;
    give(&msg_grade_points_desc, &grade);
    json_t *rows = ask("grades");
    assert_int_equal(json_array_size(rows), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 0), "outcome")),
                        "push");
    json_decref(rows);
    strcpy(grade.prediction_id,
           "p2"); /* made before the lock, late on its way: it is the one in force */
    strcpy(grade.outcome, "correct");
    give(&msg_grade_points_desc, &grade);
    rows = ask("grades");
    assert_int_equal(json_array_size(rows), 1);
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(rows, 0), "prediction_id")), "p2");
    json_decref(rows);
}

static void give_prediction(const char *id)
{
    struct msg_prediction_points row;
    message_clear(&msg_prediction_points_desc, &row);
    strcpy(row.prediction_id, id);
    strcpy(row.game_id, GAME);
    row.game_date = DATE;
    row.player_id = 1;
    strcpy(row.player_name, "Ann Other");
    strcpy(row.team, "CHI");
    strcpy(row.opponent, "DEN");
    row.home = true;
    strcpy(row.system, "blend");
    strcpy(row.stat, "points");
    row.predicted = 20;
    row.stddev = 6;
    row.confidence = 0.5;
    strcpy(row.recommendation, "NO_LINE");
    row.made_at = row.as_of = now_us;
    give(&msg_prediction_points_desc, &row);
}

/* Said again because somebody lost it, it is not kept twice; what it came back to, after another, is a new one. */
static void what_is_said_again_is_kept_once(void **state)
{
    static const struct {
        const char *said;
        size_t kept;
    } EACH[] = {{"p1", 1}, {"p1", 1}, {"p2", 2}, {"p2", 2}, {"p1", 3}, {"p1", 3}};
    (void)state;
    for (size_t i = 0; i < sizeof EACH / sizeof *EACH; i++) {
        give_prediction(EACH[i].said);
        json_t *rows = ask("predictions");
        assert_int_equal(json_array_size(rows), EACH[i].kept);
        json_decref(rows);
    }
}

static void runs_are_dated_and_polls_are_kept_apart(void **state)
{
    (void)state;
    struct msg_ops_run run;
    message_clear(&msg_ops_run_desc, &run);
    strcpy(run.run_id, "poller.0-1-1");
    strcpy(run.name, "PollBdlLive");
    strcpy(run.actor, "poller");
    strcpy(run.outcome, "unchanged");
    strcpy(run.error_class, "none");
    assert_int_equal(clock_parse_utc("2025-11-18T08:30:00Z", &run.opened_at), 0); /* 03:30 there */
    run.closed_at = run.opened_at;
    run.attempt = 1;
    strcpy(run.code_version, "1");
    strcpy(run.config_hash, "1");
    strcpy(run.host, "h");
    give(&msg_ops_run_desc, &run);
    strcpy(run.run_id, "grader.0-1-1");
    strcpy(run.actor, "grader");
    run.data_date = 20251116;
    give(&msg_ops_run_desc, &run);
    json_t *rows = ask("runs"); /* of the 17th: without a date of its own it is the night's */
    assert_int_equal(json_array_size(rows), 1);
    json_decref(rows);
    assert_int_equal(rows_in(TABLE_RUN), 2);
    assert_int_equal(rows_in(TABLE_POLL), 1);
}

static void give_run(const char *id, const char *opened)
{
    struct msg_ops_run run;
    message_clear(&msg_ops_run_desc, &run);
    snprintf(run.run_id, sizeof run.run_id, "poller.0-1-%s", id);
    strcpy(run.name, "PollBdlLive");
    strcpy(run.actor, "poller");
    strcpy(run.outcome, "failed");
    strcpy(run.error_class, "network");
    assert_int_equal(clock_parse_utc(opened, &run.opened_at), 0);
    run.closed_at = run.opened_at;
    run.attempt = 1;
    strcpy(run.code_version, "1");
    strcpy(run.config_hash, "1");
    strcpy(run.host, "h");
    give(&msg_ops_run_desc, &run);
}

/* As long as the log, and the index with them; a season's games for ever. */
static void runs_are_kept_as_long_as_the_log(void **state)
{
    (void)state;
    give_game("final", 4);
    give_run("1", "2025-11-18T08:30:00Z");
    give_run("2", "2025-11-18T08:31:00Z");
    assert_int_equal(clock_parse_utc("2026-12-20T20:00:00Z", &now_us), 0);
    give_run("3", "2026-12-20T08:30:00Z"); /* 398 days later */
    assert_int_equal(rows_in(TABLE_RUN), 3);
    assert_int_equal(clock_parse_utc("2026-12-24T20:00:00Z", &now_us), 0);
    give_run("4", "2026-12-24T08:30:00Z");
    assert_int_equal(rows_in(TABLE_RUN), 3); /* and the run that this is */
    assert_int_equal(rows_in(TABLE_POLL), 2);
    assert_int_equal(rows_in(TABLE_RUN_NAME), 3);
    assert_int_equal(rows_in(TABLE_RUN_OUTCOME), 3);
    assert_int_equal(rows_in(TABLE_TOUCHED), 0);
    assert_int_equal(rows_in(TABLE_GAME), 1);
    assert_int_equal(clock_parse_utc("2025-11-18T00:00:00Z", &now_us), 0);
}

static void a_dead_letter_is_kept_without_its_payload(void **state)
{
    (void)state;
    static uint8_t payload[100000];
    struct msg_dead_letter letter;
    message_clear(&msg_dead_letter_desc, &letter);
    strcpy(letter.origin, "processor.0/raw.exchange");
    letter.position = 5;
    strcpy(letter.stream, "raw.exchange");
    strcpy(letter.reader, "processor.0");
    strcpy(letter.key, "k");
    strcpy(letter.rule, "a.b: c");
    letter.attempts = 1;
    letter.payload = (struct span){payload, sizeof payload};
    letter.at = now_us;
    give(&msg_dead_letter_desc, &letter);
    assert_int_equal(rows_in(TABLE_DEAD), 1);
}

static void it_says_nothing_itself(void **state)
{
    (void)state;
    give_game("in_progress", 1);
    give_history("import-1", 7, 20);
    give_commit("import-1");
    assert_int_equal(harness_count(harness, NULL), 0);
}

static void write_exports(struct exports *exports)
{
    struct store_txn *txn;
    assert_int_equal(store_begin(harness_store(harness), false, &txn), 0);
    assert_int_equal(exports_write(exports, txn, now_us, 6), 0);
    store_abort(&txn);
}

static bool holds(const char *path, const char *text)
{
    char data[4096] = "";
    FILE *in = fopen(path, "re");
    size_t size = in ? fread(data, 1, sizeof data - 1, in) : 0;
    if (in)
        assert_int_equal(fclose(in), 0);
    data[size] = '\0';
    return strstr(data, text) != NULL;
}

/* What became of a file that was written, its writer does not know: it is written again when somebody asks. */
static void files_are_written_again_when_asked(void **state)
{
    char dir[] = "/tmp/tipoff-exports-XXXXXX", path[128], shows[64];
    (void)state;
    assert_non_null(mkdtemp(dir));
    struct exports *exports = exports_new(dir);
    commanded(harness, "scoreboard", "export", "2025-11-17", ++now_us);
    answered(harness, 1, "nothing", 0);
    give_game("in_progress", 1);
    snprintf(shows, sizeof shows,
             "\"position\": 3,"); /* of the game: commands and answers have one, too */
    write_exports(exports);
    snprintf(path, sizeof path, "%s/exports/live/2025-11-17.json", dir);
    assert_true(holds(path, "\"position\":3") || holds(path, shows));
    assert_int_equal(exports_replace(path, "{}", 2), 0);
    write_exports(exports);
    assert_true(holds(path, "{}"));
    commanded(harness, "scoreboard", "export", "2025-11-17", ++now_us);
    answered(harness, 2, "done", 0);
    write_exports(exports);
    assert_true(holds(path, "\"position\":3") || holds(path, shows));
    assert_int_equal(exports_replace(path, "{}", 2), 0);
    write_exports(exports);
    assert_true(holds(path, "{}"));
    commanded(harness, "scoreboard", "export", "yesterday", ++now_us);
    answered(harness, 3, "nothing", 0);
    exports_free(&exports);
    char command[160];
    snprintf(command, sizeof command, "rm -r %s", dir);
    assert_int_equal(system(command), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_harness, close_harness)

static void give_box(int64_t player_id, bool final)
{
    struct msg_row_box_score row;
    message_clear(&msg_row_box_score_desc, &row);
    strcpy(row.game_id, GAME);
    row.game_date = DATE;
    row.player_id = player_id;
    row.player_known = true;
    strcpy(row.player_name, "Ann Other");
    strcpy(row.team, "CHI");
    strcpy(row.opponent, "DEN");
    row.home = row.played = true;
    strcpy(row.game_status, final ? "final" : "in_progress");
    row.final = final;
    row.minutes = row.points = row.rebounds = row.offensive_rebounds = row.defensive_rebounds = 0;
    row.assists = row.steals = row.blocks = row.turnovers = row.personal_fouls = 0;
    row.field_goals_made = row.field_goals_attempted = row.three_pointers_made = 0;
    row.three_pointers_attempted = row.free_throws_made = row.free_throws_attempted = 0;
    give(&msg_row_box_score_desc, &row);
}

/* Asked how much it holds of a game, it counts: nothing is nothing, and what it does not keep so long it does not speak of. */
static void what_is_held_is_counted_when_asked(void **state)
{
    (void)state;
    commanded(harness, "scoreboard", "count", GAME, ++now_us);
    answered(harness, 1, "nothing", 0);
    commanded(harness, "scoreboard", "count", GAME ":2025-11-17", ++now_us);
    answered(harness, 2, "done", 1);
    const struct msg_ops_held *held = harness_at(harness, &msg_ops_held_desc, 0)->message;
    assert_int_equal(held->boxscore, 0);
    assert_int_equal(held->features, 0);
    assert_int_equal(held->at, now_us);
    give_box(1, true);
    give_box(2, true);
    give_box(2, true);
    give_box(3, false);
    now_us += INT64_C(401) * 24 * 3600 * 1000000;
    commanded(harness, "scoreboard", "count", GAME ":2025-11-17", ++now_us);
    held = harness_at(harness, &msg_ops_held_desc, 1)->message;
    assert_string_equal(held->game_id, GAME);
    assert_int_equal(held->game_date, DATE);
    assert_int_equal(held->boxscore, 3);
    assert_int_equal(held->grades, 0);
    assert_int_equal(held->features, MESSAGE_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_game_keeps_when_it_began_and_ended),      TEST(an_import_shows_at_its_commit),
        TEST(what_a_dead_importer_left_is_swept),        TEST(a_grade_replaces_the_earlier),
        TEST(runs_are_dated_and_polls_are_kept_apart),   TEST(runs_are_kept_as_long_as_the_log),
        TEST(a_dead_letter_is_kept_without_its_payload), TEST(it_says_nothing_itself),
        TEST(what_is_said_again_is_kept_once),           TEST(files_are_written_again_when_asked),
        TEST(what_is_held_is_counted_when_asked),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
