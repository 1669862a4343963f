/* The processor, record by record: what it says of what the feeds say, and what its runs say. */
#include "actors/harness.h"
#include "actors/processor/processor.h"
#include "config/clock.h"
#include "schema/messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/commanding.h"

#define TIP "2025-11-18T00:00:00.000Z"

static struct harness *harness;
static int64_t now_us;
static uint64_t fetched;
static bool grouped; /* what is given waits for harness_run */

/* ---- what it is told ---- */

/* One record, one step. */
static void give(const struct message_desc *desc, const void *message)
{
    now_us += 1000;
    assert_true(harness_put(harness, desc, message, now_us) > 0);
    if (!grouped) {
        assert_int_equal(harness_run(harness), 0);
    }
}
static void give_raw(const char *feed, const char *subject, const char *body)
{
    struct msg_raw_exchange raw;
    message_clear(&msg_raw_exchange_desc, &raw);
    now_us += 180 * INT64_C(1000000);
    snprintf(raw.feed, sizeof raw.feed, "%s", feed);
    snprintf(raw.subject, sizeof raw.subject, "%s", subject);
    snprintf(raw.url, sizeof raw.url, "http://upstream/%s", subject);
    snprintf(raw.body_sha256, sizeof raw.body_sha256, "%064llx", (unsigned long long)++fetched);
    raw.status = 200;
    raw.fetched_at = now_us;
    raw.body = (struct span){(const uint8_t *)body, (uint32_t)strlen(body)};
    give(&msg_raw_exchange_desc, &raw);
}
static void live(const char *body)
{
    give_raw("bdl_live", "bdl_live", body);
}
static void final(const char *body)
{
    give_raw("bdl_box_scores", "bdl_box_scores:2025-11-17", body);
}
static void games(const char *body)
{
    give_raw("bdl_games", "bdl_games:2025-11-17", body);
}
static void props(const char *body)
{
    give_raw("odds_props", "odds_props:e1", body);
}

static void give_team(const char *import_id, const char *code, int id, const char *city,
                      const char *name)
{
    struct msg_history_team row;
    message_clear(&msg_history_team_desc, &row);
    snprintf(row.import_id, sizeof row.import_id, "%s", import_id);
    snprintf(row.team, sizeof row.team, "%s", code);
    row.bdl_team_id = id;
    snprintf(row.city, sizeof row.city, "%s", city);
    snprintf(row.name, sizeof row.name, "%s", name);
    snprintf(row.odds_api_name, sizeof row.odds_api_name, "%s %s", city, name);
    snprintf(row.full_name, sizeof row.full_name, "%s %s", city, name);
    snprintf(row.source, sizeof row.source, "teams.csv:2");
    give(&msg_history_team_desc, &row);
}

static void give_player(const char *import_id, int64_t id, const char *name, const char *key,
                        int64_t bdl)
{
    struct msg_history_player row;
    message_clear(&msg_history_player_desc, &row);
    snprintf(row.import_id, sizeof row.import_id, "%s", import_id);
    row.player_id = id;
    snprintf(row.player_name, sizeof row.player_name, "%s", name);
    snprintf(row.name_key, sizeof row.name_key, "%s", key);
    row.bdl_player_id = bdl;
    snprintf(row.source, sizeof row.source, "players.csv:2");
    give(&msg_history_player_desc, &row);
}

static void give_roster(const char *import_id, int64_t id, const char *name, const char *team,
                        int32_t date)
{
    struct msg_history_player_game row;
    message_clear(&msg_history_player_game_desc, &row);
    snprintf(row.import_id, sizeof row.import_id, "%s", import_id);
    snprintf(row.game_id, sizeof row.game_id, "002250%04d", (int)(date % 10000));
    snprintf(row.season, sizeof row.season, "2025-26");
    row.game_date = date;
    row.player_id = id;
    snprintf(row.player_name, sizeof row.player_name, "%s", name);
    snprintf(row.team, sizeof row.team, "%s", team);
    snprintf(row.opponent, sizeof row.opponent, "%s", strcmp(team, "BOS") == 0 ? "TOR" : "BOS");
    snprintf(row.source, sizeof row.source, "games.csv:2");
    give(&msg_history_player_game_desc, &row);
}

static void give_game(const char *import_id, const char *id, int32_t date, const char *home,
                      const char *away, const char *tip)
{
    struct msg_history_game row;
    message_clear(&msg_history_game_desc, &row);
    snprintf(row.import_id, sizeof row.import_id, "%s", import_id);
    snprintf(row.game_id, sizeof row.game_id, "%s", id);
    snprintf(row.season, sizeof row.season, "2025-26");
    row.game_date = date;
    snprintf(row.home, sizeof row.home, "%s", home);
    snprintf(row.away, sizeof row.away, "%s", away);
    snprintf(row.status, sizeof row.status, "scheduled");
    assert_int_equal(clock_parse_utc(tip, &row.tip_at), 0);
    snprintf(row.source, sizeof row.source, "games.csv:2");
    give(&msg_history_game_desc, &row);
}

static void give_commit(const char *import_id)
{
    struct msg_import_commit row;
    message_clear(&msg_import_commit_desc, &row);
    snprintf(row.import_id, sizeof row.import_id, "%s", import_id);
    snprintf(row.sha256, sizeof row.sha256, "%064d", 0);
    give(&msg_import_commit_desc, &row);
}

static void import_rows(const char *import_id)
{
    give_team(import_id, "BOS", 2, "Boston", "Celtics");
    give_team(import_id, "TOR", 28, "Toronto", "Raptors");
    give_player(import_id, 101, "José Álvarez", "jose alvarez", 11);
    give_player(import_id, 102, "Bram Stone Jr.", "bram stone", MESSAGE_NONE);
    give_player(import_id, 103, "Twin Name", "twin name", MESSAGE_NONE);
    give_player(import_id, 104, "Twin Name", "twin name", MESSAGE_NONE);
    give_roster(import_id, 103, "Twin Name", "BOS", 20251110);
    give_roster(import_id, 104, "Twin Name", "BOS", 20251101);
    give_roster(import_id, 104, "Twin Name", "TOR", 20251112);
    give_game(import_id, "0022500241", 20251117, "BOS", "TOR", TIP);
}

static void import_all(void)
{
    import_rows("i1");
    give_commit("i1");
}

/* A line of balldontlie: two-pointers and free throws made, minutes. */
static const char *line(int64_t id, const char *first, const char *last, int twos, int free_throws,
                        int minutes)
{
    static char ring[16][700];
    static int at;
    char *text = ring[at++ % 16];
    snprintf(text, sizeof ring[0],
             "{\"min\":\"%02d\",\"fgm\":%d,\"fga\":%d,\"fg3m\":0,\"fg3a\":0,\"ftm\":%d,\"fta\":%d,"
             "\"oreb\":0,\"dreb\":0,"
             "\"reb\":0,\"ast\":0,\"stl\":0,\"blk\":0,\"turnover\":0,\"pf\":0,\"pts\":%d,\"plus_"
             "minus\":0,"
             "\"player\":{\"id\":%lld,\"first_name\":\"%s\",\"last_name\":\"%s\"}}",
             minutes, twos, twos, free_throws, free_throws, 2 * twos + free_throws, (long long)id,
             first, last);
    return text;
}

static const char *game_body(const char *head, const char *home, const char *away)
{
    static char text[20000];
    snprintf(text, sizeof text,
             "{\"data\":[{\"id\":7,\"date\":\"2025-11-17\",\"datetime\":\"" TIP "\",%s,"
             "\"home_team\":{\"id\":2,\"abbreviation\":\"BOS\",\"players\":[%s]},"
             "\"visitor_team\":{\"id\":28,\"abbreviation\":\"TOR\",\"players\":[%s]}}]}",
             head, home, away);
    return text;
}
#define PLAY                                                                                       \
    "\"status\":\"1st "                                                                            \
    "Qtr\",\"period\":1,\"time\":\"5:42\",\"home_team_score\":4,\"visitor_team_score\":2"
#define OVER                                                                                       \
    "\"status\":\"Final\",\"period\":4,\"time\":\"Final\",\"home_team_score\":4,\"visitor_team_"   \
    "score\":2"
#define CORRECTED                                                                                  \
    "\"status\":\"Final\",\"period\":4,\"time\":\"Final\",\"home_team_score\":6,\"visitor_team_"   \
    "score\":2"
#define EMPTY "{\"data\":[]}"

/* ---- what it says ---- */

static size_t forgotten; /* what was said before does not count */

static void forget_said(void)
{
    forgotten = harness_count(harness, NULL);
}

static const void *nth(const struct message_desc *desc, int index)
{
    for (size_t i = forgotten; i < harness_count(harness, NULL); i++) {
        const struct harness_record *record = harness_at(harness, NULL, i);
        if ((desc == NULL || record->desc == desc) && index-- == 0) {
            return record->message;
        }
    }
    return NULL;
}

static int said(const struct message_desc *desc)
{
    int count = 0;
    while (nth(desc, count) != NULL) {
        count++;
    }
    return count;
}

static const struct msg_row_box_score *box_of(int64_t player_id)
{
    for (int i = 0; i < said(&msg_row_box_score_desc); i++) {
        const struct msg_row_box_score *row = nth(&msg_row_box_score_desc, i);
        if (row->player_id == player_id) {
            return row;
        }
    }
    fail_msg("nothing was said of player %lld", (long long)player_id);
    return NULL;
}

static void expect_run(const char *name, const char *outcome, const char *error)
{
    int count = said(&msg_ops_run_desc);
    assert_true(count > 0);
    const struct msg_ops_run *run = nth(&msg_ops_run_desc, count - 1);
    assert_string_equal(run->name, name);
    assert_string_equal(run->outcome, outcome);
    assert_string_equal(run->error_class, error);
}

static const struct msg_row_game *last_game(void)
{
    int count = said(&msg_row_game_desc);
    assert_true(count > 0);
    return nth(&msg_row_game_desc, count - 1);
}

/* ---- games and box scores ---- */

static void lines_of_a_live_game(void **state)
{
    (void)state;
    import_all();
    forget_said();
    live(game_body(PLAY, line(11, "Jose", "Alvarez", 2, 0, 5),
                   line(900000001, "Bram", "Stone", 1, 0, 5)));
    assert_int_equal(said(&msg_row_box_score_desc), 2);
    const struct msg_row_box_score *one = box_of(101);
    assert_string_equal(one->player_name, "José Álvarez");
    assert_true(one->player_known && one->home && one->played && !one->final);
    assert_string_equal(one->team, "BOS");
    assert_string_equal(one->opponent, "TOR");
    assert_string_equal(one->game_id, "0022500241");
    assert_int_equal(one->points, 4);
    assert_int_equal(box_of(102)->points, 2); /* no id, but the name */
    assert_int_equal(said(&msg_row_game_desc), 1);
    assert_string_equal(last_game()->status, "in_progress");
    assert_int_equal(last_game()->box_players, 2);
    assert_int_equal(last_game()->source_game_id, 7);
    assert_true(last_game() == nth(NULL, said(NULL) - 2)); /* after the lines; the run follows */
    expect_run("BdlLiveBoxscores", "success", "none");
}

static void the_same_again_says_nothing_and_a_b_a_three_times(void **state)
{
    (void)state;
    import_all();
    char a[20000], b[20000];
    strcpy(a, game_body(PLAY, line(11, "Jose", "Alvarez", 2, 0, 5), ""));
    strcpy(b, game_body(PLAY, line(11, "Jose", "Alvarez", 3, 0, 5), ""));
    forget_said();
    live(a);
    live(a);
    assert_int_equal(said(&msg_row_box_score_desc), 1);
    assert_int_equal(said(&msg_row_game_desc), 1);
    live(b);
    live(a);
    assert_int_equal(said(&msg_row_box_score_desc), 3);
    assert_int_equal(said(&msg_row_game_desc),
                     3); /* the mark follows lines even if the game is as it was */
}

static void what_is_missing_is_not_erased(void **state)
{
    (void)state;
    import_all();
    char both[20000];
    strcpy(both, game_body(PLAY, line(11, "Jose", "Alvarez", 2, 0, 5),
                           line(900000001, "Bram", "Stone", 1, 0, 5)));
    live(both);
    forget_said();
    live(EMPTY);
    expect_run("BdlLiveBoxscores", "empty_ok", "none");
    live(game_body(PLAY, line(11, "Jose", "Alvarez", 2, 0, 5), ""));
    assert_int_equal(said(&msg_row_box_score_desc), 0);
    live(both);
    assert_int_equal(said(&msg_row_box_score_desc), 0);
}

static void the_final_closes_and_is_corrected_downwards(void **state)
{
    (void)state;
    import_all();
    live(game_body(PLAY, line(11, "Jose", "Alvarez", 2, 0, 5), ""));
    forget_said();
    live(
        game_body(OVER, line(11, "Jose", "Alvarez", 3, 0, 5), "")); /* the live feed never closes */
    assert_string_equal(last_game()->status, "in_progress");
    assert_false(box_of(101)->final);
    forget_said();
    final(game_body(OVER, line(11, "Jose", "Alvarez", 3, 0, 5), ""));
    assert_true(box_of(101)->final);
    assert_string_equal(box_of(101)->game_status, "final");
    assert_string_equal(last_game()->status, "final");
    assert_int_equal(last_game()->box_players, 1);
    forget_said();
    live(game_body(PLAY, line(11, "Jose", "Alvarez", 9, 0, 5), "")); /* stale */
    assert_int_equal(said(&msg_row_box_score_desc) + said(&msg_row_game_desc), 0);
    games(game_body("\"status\":\"4th Qtr\",\"period\":4", "", ""));
    assert_int_equal(said(&msg_row_game_desc), 0);
    final(game_body(OVER, line(11, "Jose", "Alvarez", 2, 1, 5), ""));
    assert_int_equal(box_of(101)->points, 5);
    assert_int_equal(said(&msg_row_game_desc), 1);
    forget_said();
    final(game_body(PLAY, line(11, "Jose", "Alvarez", 1, 0, 5), ""));
    assert_int_equal(said(&msg_row_box_score_desc), 0);
    assert_int_equal(said(&msg_row_refused_desc), 1);
    expect_run("BdlBoxScores", "partial", "invalid");
}

static const struct msg_row_check *check_of(const char *name)
{
    const struct msg_row_check *found = NULL, *row;
    for (int i = 0; (row = nth(&msg_row_check_desc, i)) != NULL; i++) {
        found = strcmp(row->check, name) == 0 ? row : found;
    }
    return found;
}

/* Said when it fails, and once when it holds again; what holds from the start is not worth a word. */
static void a_box_score_is_checked(void **state)
{
    (void)state;
    char home[2000], away[2000];
    import_all();
    forget_said();
    strcpy(home, line(11, "Jose", "Alvarez", 2, 0, 5));
    strcpy(away, line(9999, "No", "Body", 1, 0, 5));
    live(game_body(PLAY, home, "")); /* not before it is final */
    assert_int_equal(said(&msg_row_check_desc), 0);
    final(game_body(OVER, home, ""));
    const struct msg_row_check *sum = check_of("box_sum"), *lines = check_of("box_lines");
    assert_true(sum && !sum->good && sum->value == 2 && sum->most == 0 && sum->rows == 1);
    assert_string_equal(sum->outputs, "boxscore,grades");
    assert_string_equal(sum->game_id, "0022500241");
    assert_true(lines && !lines->good && lines->value == 1 && lines->least == 16);
    assert_null(check_of("box_unknown"));
    assert_null(check_of("box_drift")); /* of no other game is anything known */
    forget_said();
    final(game_body(OVER, home, ""));
    assert_int_equal(said(&msg_row_check_desc), 0);
    final(game_body(OVER, home, away));
    sum = check_of("box_sum");
    assert_true(sum && sum->good && sum->value == 0);
    const struct msg_row_check *unknown = check_of("box_unknown");
    assert_true(unknown && !unknown->good && unknown->value == 0.5);
    assert_true(check_of("box_lines")->value == 2); /* fails otherwise */
    forget_said();
    final(game_body(OVER, home, away));
    assert_int_equal(said(&msg_row_check_desc), 0);
}

static void over_without_a_box_score(void **state)
{
    (void)state;
    import_all();
    live(game_body(PLAY, line(11, "Jose", "Alvarez", 2, 0, 5), ""));
    forget_said();
    games(game_body("\"status\":\"2nd Qtr\",\"period\":1", "",
                    "")); /* behind the live feed: no news */
    assert_int_equal(said(&msg_row_game_desc), 0);
    games(game_body(OVER, "", ""));
    assert_string_equal(last_game()->status, "final");
    assert_int_equal(last_game()->box_players, 0);
    expect_run("BdlGames", "success", "none");
    forget_said();
    live(game_body(PLAY, line(11, "Jose", "Alvarez", 5, 0, 5), ""));
    assert_int_equal(said(&msg_row_box_score_desc), 0);
    final(game_body(OVER, line(11, "Jose", "Alvarez", 2, 0, 5), ""));
    assert_int_equal(last_game()->box_players, 1);
}

static void a_period_does_not_go_back_to_none(void **state)
{
    (void)state;
    import_all();
    live(game_body(PLAY, line(11, "Jose", "Alvarez", 2, 0, 5), ""));
    forget_said();
    live(game_body("\"status\":\"7:00 pm ET\",\"period\":0", line(11, "Jose", "Alvarez", 0, 0, 0),
                   ""));
    assert_int_equal(said(&msg_row_box_score_desc) + said(&msg_row_game_desc), 0);
    assert_string_equal(((const struct msg_row_refused *)nth(&msg_row_refused_desc, 0))->rule,
                        "period: went back from 1 to 0");
}

static void postponed_and_back(void **state)
{
    (void)state;
    import_all();
    forget_said();
    games(game_body("\"status\":\"Postponed\",\"period\":0", "", ""));
    assert_string_equal(last_game()->status, "postponed");
    games(game_body("\"status\":\"7:00 pm ET\",\"period\":0", "", ""));
    assert_string_equal(last_game()->status, "scheduled");
    assert_int_equal(last_game()->game_date, 20251117);
}

static void past_midnight_it_is_still_its_own_day(void **state)
{
    (void)state;
    import_all();
    assert_int_equal(clock_parse_utc("2025-11-18T07:30:00Z", &now_us), 0);
    forget_said();
    live(game_body(PLAY, line(11, "Jose", "Alvarez", 2, 0, 5), ""));
    assert_int_equal(last_game()->game_date, 20251117);
    assert_int_equal(box_of(101)->game_date, 20251117);
}

static void a_broken_line_is_set_aside_alone(void **state)
{
    (void)state;
    import_all();
    forget_said();
    char broken[2000];
    snprintf(broken, sizeof broken, "%s,%s", line(11, "Jose", "Alvarez", 2, 0, 5),
             "{\"min\":\"05\",\"fgm\":3,\"fga\":2,\"player\":{\"id\":12,\"first_name\":\"X\","
             "\"last_name\":\"Y\"}}");
    live(game_body(PLAY, broken, ""));
    assert_int_equal(said(&msg_row_box_score_desc), 1);
    assert_int_equal(said(&msg_row_game_desc), 1);
    const struct msg_row_refused *refused = nth(&msg_row_refused_desc, 0);
    assert_string_equal(refused->path, "data[0].home_team.players[1]");
    assert_string_equal(refused->about, "X Y (12)");
    assert_string_equal(refused->feed, "bdl_live");
    expect_run("BdlLiveBoxscores", "partial", "invalid");
}

static void a_broken_body_changes_nothing(void **state)
{
    (void)state;
    import_all();
    live(game_body(PLAY, line(11, "Jose", "Alvarez", 2, 0, 5), ""));
    static const char *const BODIES[] = {"<html>no</html>", "{\"data\":[{\"id\":7", "[]",
                                         "{\"data\":{}}"};
    for (size_t i = 0; i < sizeof BODIES / sizeof BODIES[0]; i++) {
        forget_said();
        live(BODIES[i]);
        expect_run("BdlLiveBoxscores", "failed", "malformed");
        assert_int_equal(said(NULL), 1);
    }
    live(game_body(PLAY, line(11, "Jose", "Alvarez", 2, 0, 5), ""));
    assert_int_equal(said(&msg_row_box_score_desc), 0);
}

static void who_is_who(void **state)
{
    (void)state;
    import_all();
    forget_said();
    live(game_body(PLAY, line(900000003, "Twin", "Name", 1, 0, 5),
                   line(900000004, "Twin", "Name", 2, 0, 5)));
    assert_string_equal(box_of(103)->team, "BOS");
    assert_string_equal(box_of(104)->team, "TOR"); /* his newest game says so */
    live(game_body(PLAY, line(900000005, "Nobody", "Known", 3, 0, 5), ""));
    assert_false(box_of(-900000005)->player_known);
    assert_string_equal(box_of(-900000005)->player_name, "Nobody Known");
    live(game_body(PLAY, line(900000006, "Twin", "Name", 3, 0, 5),
                   "")); /* a third: that name is taken by others */
    assert_false(box_of(-900000006)->player_known);
    forget_said();
    live(game_body(PLAY, line(900000003, "Renamed", "Entirely", 4, 0, 6),
                   "")); /* an id once learned is kept */
    assert_int_equal(box_of(103)->points, 8);
}

static void a_namesake_does_not_take_a_players_place(void **state)
{
    (void)state;
    import_rows("i1");
    give_roster("i1", 102, "Bram Stone", "TOR", 20251112);
    give_commit("i1");
    forget_said();
    live(game_body(PLAY, line(900000008, "Bram", "Stone", 1, 0, 5),
                   line(900000002, "BRAM", "STONE", 2, 0, 5)));
    assert_int_equal(box_of(102)->points, 4);
    assert_string_equal(box_of(102)->team, "TOR");
    assert_false(box_of(-900000008)->player_known);
}

static int stand_ins_called_off(void)
{
    int count = 0;
    for (int i = 0; i < said(&msg_row_game_desc); i++) {
        const struct msg_row_game *game = nth(&msg_row_game_desc, i);
        count += strcmp(game->game_id, "bdl-7") == 0 && strcmp(game->status, "postponed") == 0;
    }
    return count;
}

static void a_game_that_the_schedule_lacks_is_kept(void **state)
{
    (void)state;
    give_team("i1", "BOS", 2, "Boston", "Celtics");
    give_team("i1", "TOR", 28, "Toronto", "Raptors");
    give_commit("i1");
    forget_said();
    live(game_body(PLAY, line(11, "Jose", "Alvarez", 2, 0, 5), ""));
    assert_string_equal(last_game()->game_id, "bdl-7");
    assert_int_equal(box_of(-11)->points, 4);
    expect_run("BdlLiveBoxscores", "partial", "identity");
    forget_said();
    give_raw(
        "nba_schedule", "nba_schedule",
        "{\"leagueSchedule\":{\"gameDates\":[{\"games\":[{\"gameId\":\"0022500241\",\"gameStatus\":"
        "1,"
        "\"gameDateEst\":\"2025-11-17T00:00:00Z\",\"gameDateTimeUTC\":\"2025-11-18T00:00:00Z\","
        "\"homeTeam\":{\"teamTricode\":\"BOS\"},\"awayTeam\":{\"teamTricode\":\"TOR\"}}]}]}}");
    assert_string_equal(last_game()->game_id, "0022500241");
    assert_string_equal(last_game()->status, "scheduled");
    expect_run("NbaSchedule", "success", "none");
    live(game_body(PLAY, line(11, "Jose", "Alvarez", 3, 0, 5), ""));
    assert_string_equal(last_game()->game_id, "0022500241");
    assert_string_equal(last_game()->status, "in_progress");
    /* Nobody is to wait for the other one: said once. */
    assert_int_equal(stand_ins_called_off(), 1);
    live(game_body(PLAY, line(11, "Jose", "Alvarez", 4, 0, 5), ""));
    assert_int_equal(stand_ins_called_off(), 1);
}

static void unknown_teams_are_refused(void **state)
{
    (void)state;
    forget_said();
    live(game_body(PLAY, line(11, "Jose", "Alvarez", 2, 0, 5), ""));
    assert_int_equal(said(&msg_row_box_score_desc) + said(&msg_row_game_desc), 0);
    expect_run("BdlLiveBoxscores", "partial", "identity");
}

/* Somebody lost a box score that was said: he hears it again as it was, however long ago; what is not over is said by its polls. */
static void a_final_box_score_is_said_again_when_asked(void **state)
{
    (void)state;
    import_all();
    commanded(harness, "processor", "say", "0022500241:2025-11-17", ++now_us);
    answered(harness, 1, "nothing", 0);
    live(game_body(PLAY, line(11, "Jose", "Alvarez", 2, 0, 5), ""));
    commanded(harness, "processor", "say", "0022500241:2025-11-17", ++now_us);
    answered(harness, 2, "nothing", 0);
    forget_said();
    final(game_body(OVER, line(11, "Jose", "Alvarez", 3, 0, 5), ""));
    struct msg_row_box_score row = *box_of(101);
    struct msg_row_game game = *last_game();
    forget_said();
    now_us += INT64_C(120) * 24 * 3600 * 1000000;
    commanded(harness, "processor", "say", "0022500241:2025-11-17", ++now_us);
    answered(harness, 3, "done", 2);
    assert_true(message_equal(&msg_row_box_score_desc, box_of(101), &row, NULL));
    assert_true(message_equal(&msg_row_game_desc, last_game(), &game, NULL));
    commanded(harness, "processor", "say", "0022500241", ++now_us);
    answered(harness, 4, "nothing", 0);
}

/* A body that nobody could make sense of is taken again when somebody asks, with what is known by then; no poll brings it again. */
static void a_body_is_taken_again_when_asked(void **state)
{
    (void)state;
    give_team("i1", "BOS", 2, "Boston", "Celtics");
    give_commit("i1");
    commanded(harness, "processor", "reprocess", "bdl_live", ++now_us);
    answered(harness, 1, "nothing", 0);
    live(game_body(PLAY, line(11, "Jose", "Alvarez", 2, 0, 5), ""));
    assert_int_equal(said(&msg_row_box_score_desc), 0);
    commanded(harness, "processor", "reprocess", "bdl_live", ++now_us); /* as wise as before */
    assert_int_equal(said(&msg_row_box_score_desc), 0);
    import_rows("i2");
    give_commit("i2");
    assert_int_equal(harness_restart(harness), 0);
    forget_said();
    uint64_t asked = commanded(harness, "processor", "reprocess", "bdl_live", ++now_us);
    assert_int_equal(box_of(101)->points, 4);
    assert_string_equal(last_game()->game_id, "0022500241");
    assert_int_equal(harness_at(harness, &msg_row_box_score_desc, 0)->parents[0], asked);
    answered(harness, 3, "done", 2);
    expect_run("BdlLiveBoxscores", "success", "none");
    forget_said();
    commanded(harness, "processor", "reprocess", "bdl_live", ++now_us);
    answered(harness, 4, "nothing", 0);
    live("{not json");
    commanded(harness, "processor", "reprocess", "bdl_live", ++now_us);
    expect_run("BdlLiveBoxscores", "failed", "malformed");
    commanded(harness, "processor", "reprocess", "weather:today", ++now_us);
    answered(harness, 6, "nothing", 0);
    commanded(harness, "processor", "poll", "bdl_live", ++now_us);
    answered(harness, 7, "refused", 0);
    assert_int_equal(said(&msg_row_box_score_desc) + said(&msg_row_game_desc), 0);
}

/* ---- imports ---- */

static void an_import_is_nothing_until_its_commit(void **state)
{
    (void)state;
    import_rows("dead");
    forget_said();
    live(game_body(PLAY, line(11, "Jose", "Alvarez", 2, 0, 5), ""));
    assert_int_equal(said(&msg_row_game_desc), 0);
    give_team("i2", "BOS", 2, "Boston", "Celtics");
    give_team("i2", "TOR", 28, "Toronto", "Raptors");
    give_commit("i2");
    expect_run("CrossWalkImport", "success", "none");
    give_commit("dead"); /* what it had staged is swept */
    forget_said();
    live(game_body(PLAY, line(11, "Jose", "Alvarez", 2, 0, 5), ""));
    assert_string_equal(last_game()->game_id, "bdl-7");
    assert_false(box_of(-11)->player_known);
}

/* ---- odds ---- */

#define EVENT                                                                                      \
    "\"id\":\"e1\",\"commence_time\":\"2025-11-18T00:10:00Z\",\"home_team\":\"Boston "             \
    "Celtics\",\"away_team\":\"Toronto Raptors\""
#define SIDE(name, player, price, point)                                                           \
    "{\"name\":\"" name "\",\"description\":\"" player "\",\"price\":" #price ",\"point\":" #point \
    "}"
#define PROPS(outcomes)                                                                            \
    "{" EVENT ",\"bookmakers\":[{\"key\":\"dk\",\"markets\":[{\"key\":\"player_points\","          \
    "\"outcomes\":[" outcomes "]}]}]}"

static void events_wait_for_their_game(void **state)
{
    (void)state;
    forget_said();
    give_raw("odds_events", "odds_events", "[{" EVENT "}]");
    expect_run("OddsApiEvents", "partial", "identity");
    assert_int_equal(said(&msg_row_event_desc), 0);
    import_all();
    assert_int_equal(said(&msg_row_event_desc), 1);
    const struct msg_row_event *event = nth(&msg_row_event_desc, 0);
    assert_string_equal(event->game_id, "0022500241");
    assert_int_equal(event->game_date, 20251117);
    give_raw("odds_events", "odds_events", "[{" EVENT "}]");
    assert_int_equal(said(&msg_row_event_desc), 1);
}

#define SCORED(over, home, away)                                                                   \
    "[{" EVENT ",\"completed\":" over ",\"scores\":[{\"name\":\"Boston "                           \
    "Celtics\",\"score\":\"" home "\"},{\"name\":\"Toronto Raptors\",\"score\":\"" away "\"}]}]"

static void scores(const char *body)
{
    give_raw("odds_scores", "odds_scores", body);
}

/* What another source says of the end is held against the box scores, whichever comes first; it never changes a game. */
static void a_second_opinion_on_the_score(void **state)
{
    (void)state;
    char home[2000];
    import_all();
    strcpy(home, line(11, "Jose", "Alvarez", 2, 0, 5));
    live(game_body(PLAY, home, ""));
    forget_said();
    scores(SCORED("false", "9", "9")); /* in play everyone sees another moment */
    expect_run("OddsApiScores", "success", "none");
    scores(SCORED("true", "5", "2"));
    assert_int_equal(said(&msg_row_game_desc), 0);
    assert_null(check_of("score_over")); /* it may be a little behind */
    final(game_body(OVER, home, ""));
    const struct msg_row_check *other = check_of("score_other");
    assert_true(other && !other->good && other->value == 1);
    assert_string_equal(other->outputs, "boxscore,grades");
    assert_int_equal(last_game()->home_score, 4);
    scores(SCORED("true", "4", "2"));
    other = check_of("score_other");
    assert_true(other->good && other->value == 0);
    forget_said();
    final(game_body(CORRECTED, home, "")); /* what was said before it says nothing of it */
    assert_int_equal(last_game()->home_score, 6);
    assert_null(check_of("score_other"));
    scores(SCORED("true", "4", "3"));
    other = check_of("score_other");
    assert_true(other && !other->good && other->value == 3);
    scores("[]");
    expect_run("OddsApiScores", "empty_ok", "none");
    scores(
        "[{\"id\":\"e9\",\"commence_time\":\"2025-11-18T00:10:00Z\",\"home_team\":\"No\","
        "\"away_team\":\"Body\",\"completed\":true,\"scores\":[{\"name\":\"No\",\"score\":\"1\"},"
        "{\"name\":\"Body\",\"score\":\"2\"}]}]");
    expect_run("OddsApiScores", "partial", "identity");
    scores("[{");
    expect_run("OddsApiScores", "failed", "malformed");
}

static void a_game_that_is_over_elsewhere(void **state)
{
    (void)state;
    char home[2000];
    import_all();
    strcpy(home, line(11, "Jose", "Alvarez", 2, 0, 5));
    live(game_body(PLAY, home, ""));
    scores(SCORED("true", "4", "2"));
    forget_said();
    for (int i = 0; i < 9; i++) { /* three minutes each */
        live(game_body(PLAY, home, ""));
    }
    assert_null(check_of("score_over"));
    live(game_body(PLAY, home, ""));
    const struct msg_row_check *over = check_of("score_over");
    assert_true(over && !over->good && over->value > 30 && over->value < 31);
    final(game_body(OVER, home, ""));
    over = check_of("score_over");
    assert_true(over->good && over->value == 0);
    assert_null(check_of("score_other"));
}

#define HURT(id, last, status)                                                                     \
    "{\"player\":{\"id\":" id ",\"first_name\":\"Jose\",\"last_name\":\"" last                     \
    "\",\"team_id\":2},\"description\":"                                                           \
    "\"Knee.\",\"status\":\"" status "\"}"

static void injuries(const char *subject, const char *body)
{
    give_raw("bdl_injuries", subject, body);
}

/* Said when it changed, and once when he is not listed any more; only a whole list says who is not. */
static void injuries_come_change_and_go(void **state)
{
    (void)state;
    import_all();
    forget_said();
    injuries("bdl_injuries", "{\"data\":[" HURT("11", "Alvarez", "Out") "]}");
    assert_int_equal(said(&msg_row_injury_desc), 1);
    const struct msg_row_injury *row = nth(&msg_row_injury_desc, 0);
    assert_true(row->player_known && row->listed);
    assert_int_equal(row->player_id, 101);
    assert_string_equal(row->status, "Out");
    expect_run("BdlInjuries", "success", "none");
    injuries("bdl_injuries", "{\"data\":[" HURT("11", "Alvarez", "Out") "]}");
    assert_int_equal(said(&msg_row_injury_desc), 1);
    injuries("bdl_injuries", "{\"data\":[" HURT("11", "Alvarez", "Day-To-Day") "]}");
    assert_int_equal(said(&msg_row_injury_desc), 2);
    forget_said();
    injuries("bdl_injuries", "{\"data\":[],\"meta\":{\"next_cursor\":5}}"); /* not the whole list */
    injuries("bdl_injuries:5", "{\"data\":[]}");
    injuries("bdl_injuries", "{\"data\":[7]}");
    assert_int_equal(said(&msg_row_injury_desc), 0);
    injuries("bdl_injuries", "{\"data\":[]}");
    assert_int_equal(said(&msg_row_injury_desc), 1);
    row = nth(&msg_row_injury_desc, 0);
    assert_false(row->listed);
    injuries("bdl_injuries", "{\"data\":[]}");
    assert_int_equal(said(&msg_row_injury_desc), 1);
}

static void an_injured_stranger_is_named(void **state)
{
    (void)state;
    import_all();
    forget_said();
    injuries("bdl_injuries", "{\"data\":[" HURT("9999", "Nobody", "Out") "]}");
    assert_int_equal(said(&msg_row_injury_desc), 1);
    const struct msg_row_injury *row = nth(&msg_row_injury_desc, 0);
    assert_false(row->player_known);
    assert_int_equal(row->player_id, -9999);
    injuries("bdl_injuries", "{\"data\":[{\"player\":{\"id\":9998,\"first_name\":\"X\"},"
                             "\"status\":\"Out\"}]}"); /* of no team that is known */
    assert_int_equal(said(&msg_row_injury_desc), 1);
    expect_run("BdlInjuries", "partial", "identity");
}

#define OF_BOSTON "\"team\":{\"id\":2,\"abbreviation\":\"BOS\",\"full_name\":\"Boston Celtics\"}"

static void squads_are_said_when_they_change(void **state)
{
    (void)state;
    import_all();
    forget_said();
    give_raw("bdl_players", "bdl_players",
             "{\"data\":[{\"id\":11,\"first_name\":\"Jose\",\"last_name\":\"Alvarez\"," OF_BOSTON
             "}]}");
    assert_int_equal(said(&msg_row_player_desc), 1);
    const struct msg_row_player *row = nth(&msg_row_player_desc, 0);
    assert_int_equal(row->player_id, 101);
    assert_string_equal(row->team, "BOS");
    assert_int_equal(row->weight, MESSAGE_NONE);
    give_raw("bdl_players", "bdl_players:11",
             "{\"data\":[{\"id\":11,\"first_name\":\"Jose\",\"last_name\":\"Alvarez\",\"weight\":"
             "\"200\"," OF_BOSTON "}]}");
    assert_int_equal(said(&msg_row_player_desc), 2);
    give_raw("bdl_players", "bdl_players:11",
             "{\"data\":[{\"id\":11,\"first_name\":\"Jose\",\"last_name\":\"Alvarez\",\"weight\":"
             "\"200\"," OF_BOSTON "}]}");
    assert_int_equal(said(&msg_row_player_desc), 2);
}

static void a_lineup_of_no_game_is_named(void **state)
{
    (void)state;
    import_all();
    forget_said();
    give_raw(
        "bdl_lineups", "bdl_lineups:77",
        "{\"data\":[{\"game_id\":77,\"starter\":true,\"player\":{\"id\":11,\"first_name\":\"Jose\","
        "\"last_name\":\"Alvarez\"}," OF_BOSTON "}]}");
    assert_int_equal(said(&msg_row_lineup_desc), 0);
    expect_run("BdlLineups", "partial", "identity");
}

#define SPREAD(home, away)                                                                         \
    "{\"key\":\"spreads\",\"outcomes\":[{\"name\":\"Boston "                                       \
    "Celtics\",\"price\":-110,\"point\":" home                                                     \
    "},{\"name\":\"Toronto Raptors\",\"price\":-110,\"point\":" away "}]}"
#define GAME_ODDS(markets)                                                                         \
    "[{" EVENT ",\"bookmakers\":[{\"key\":\"dk\",\"markets\":[" markets "]}]}]"

static void game_odds_are_said_when_they_move(void **state)
{
    (void)state;
    import_all();
    forget_said();
    give_raw("odds_games", "odds_games", GAME_ODDS(SPREAD("-7.5", "7.5")));
    assert_int_equal(said(&msg_row_game_odds_desc), 1);
    const struct msg_row_game_odds *row = nth(&msg_row_game_odds_desc, 0);
    assert_string_equal(row->game_id, "0022500241");
    assert_string_equal(row->market, "spreads");
    assert_true(row->point == -7.5 && row->first_price == -110);
    expect_run("OddsApiGameLines", "success", "none");
    give_raw("odds_games", "odds_games", GAME_ODDS(SPREAD("-7.5", "7.5")));
    assert_int_equal(said(&msg_row_game_odds_desc), 1);
    give_raw("odds_games", "odds_games", GAME_ODDS(SPREAD("-8", "8")));
    assert_int_equal(said(&msg_row_game_odds_desc), 2);
}

/* The same line as of /v1/stats: with his team and his game. */
static const char *single(const char *of, const char *team, int home_score)
{
    static char ring[4][2000];
    static int at;
    char *text = ring[at++ % 4];
    snprintf(text, sizeof ring[0],
             "%.*s,\"team\":%s,\"game\":{\"id\":7,\"date\":\"2025-11-17\",\"status\":\"Final\","
             "\"period\":4,"
             "\"time\":\"Final\",\"home_team_score\":%d,\"visitor_team_score\":2,\"home_team_id\":"
             "2,\"visitor_team_id\":28}}",
             (int)strlen(of) - 1, of, team, home_score);
    return text;
}
#define BOSTON "{\"id\":2,\"abbreviation\":\"BOS\"}"
#define TORONTO "{\"id\":28,\"abbreviation\":\"TOR\"}"

static void stats(const char *subject, const char *first, const char *second)
{
    char body[5000];
    snprintf(body, sizeof body, "{\"data\":[%s%s%s]}", first, second != NULL ? "," : "",
             second != NULL ? second : "");
    give_raw("bdl_stats", subject, body);
}

/* Of today single lines change nothing: where the box score is another is said. */
static void single_lines_of_today(void **state)
{
    (void)state;
    char jose[2000], bram[2000];
    import_all();
    strcpy(jose, line(11, "Jose", "Alvarez", 2, 0, 5));
    strcpy(bram, line(900000001, "Bram", "Stone", 1, 0, 5));
    forget_said();
    stats("bdl_stats:2025-11-17", single(jose, BOSTON, 4), NULL);
    assert_int_equal(said(&msg_row_box_score_desc) + said(&msg_row_game_desc),
                     0); /* it is not final yet */
    final(game_body(OVER, jose, bram));
    forget_said();
    stats("bdl_stats:2025-11-17", single(jose, BOSTON, 4), single(bram, TORONTO, 4));
    expect_run("BdlStats", "success", "none");
    assert_null(check_of("stats_other"));
    stats("bdl_stats:2025-11-17", single(line(11, "Jose", "Alvarez", 3, 0, 5), BOSTON, 4), NULL);
    const struct msg_row_check *other = check_of("stats_other");
    assert_true(other && !other->good && other->value == 1);
    stats("bdl_stats:2025-11-17+2", single(bram, TORONTO, 4),
          NULL); /* the rest of the game is right */
    assert_false(check_of("stats_other")->good);
    assert_int_equal(said(&msg_row_box_score_desc) + said(&msg_row_game_desc), 0);
    stats("bdl_stats:2025-11-17", single(jose, BOSTON, 4), single(bram, TORONTO, 4));
    assert_true(check_of("stats_other")->good);
    give_raw("bdl_stats", "bdl_stats:2025-11-17", EMPTY);
    expect_run("BdlStats", "empty_ok", "none");
    give_raw("bdl_stats", "bdl_stats:2025-11-17", "{\"data\":[7]}");
    expect_run("BdlStats", "partial", "invalid");
    give_raw("bdl_stats", "bdl_stats:2025-11-17", "{\"data\":");
    expect_run("BdlStats", "failed", "malformed");
}

/* Of a day that is over a box score is made of them, page by page, and corrected. */
static void single_lines_of_a_day_that_is_over(void **state)
{
    (void)state;
    char jose[2000], bram[2000];
    import_all();
    strcpy(jose, line(11, "Jose", "Alvarez", 2, 0, 5));
    strcpy(bram, line(900000001, "Bram", "Stone", 1, 0, 5));
    now_us += 48 * INT64_C(3600000000);
    forget_said();
    stats("bdl_stats:2025-11-17", single(jose, BOSTON, 4), NULL);
    assert_true(box_of(101)->final && box_of(101)->points == 4 && box_of(101)->home);
    assert_string_equal(last_game()->status, "final");
    assert_string_equal(last_game()->feed, "bdl_stats");
    assert_int_equal(last_game()->box_players, 1);
    stats("bdl_stats:2025-11-17+1", single(bram, TORONTO, 4), NULL);
    assert_string_equal(box_of(102)->team, "TOR");
    assert_int_equal(last_game()->box_players, 2);
    forget_said();
    stats("bdl_stats:2025-11-17", single(jose, BOSTON, 4), NULL);
    assert_int_equal(said(&msg_row_box_score_desc) + said(&msg_row_game_desc), 0);
    stats("bdl_stats:2025-11-17", single(line(11, "Jose", "Alvarez", 3, 0, 5), BOSTON, 6), NULL);
    assert_int_equal(box_of(101)->points, 6);
    assert_true(last_game()->home_score == 6 && last_game()->box_players == 2);
}

static void teams_are_held_against_those_that_are_known(void **state)
{
    (void)state;
    import_all();
    forget_said();
    give_raw("bdl_teams", "bdl_teams",
             "{\"data\":[{\"id\":2,\"conference\":\"East\",\"abbreviation\":\"BOS\"},"
             "{\"id\":28,\"conference\":\"East\",\"abbreviation\":\"TOR\",\"full_name\":\"Toronto "
             "Raptors\"},"
             "{\"id\":47,\"conference\":\"    \",\"abbreviation\":\"AND\"}]}");
    expect_run("BdlTeams", "success", "none");
    give_raw("bdl_teams", "bdl_teams",
             "{\"data\":[{\"id\":2,\"conference\":\"East\",\"abbreviation\":\"TOR\"},"
             "{\"id\":31,\"conference\":\"West\",\"abbreviation\":\"SEA\",\"full_name\":\"Seattle "
             "Supersonics\"}]}");
    expect_run("BdlTeams", "partial", "identity");
    assert_int_equal(said(&msg_row_refused_desc), 2);
    const struct msg_row_refused *refused = nth(&msg_row_refused_desc, 0);
    assert_string_equal(refused->rule, "id: 2 is BOS, and by its names it is TOR");
    refused = nth(&msg_row_refused_desc, 1);
    assert_string_equal(refused->about, "Seattle Supersonics");
    assert_string_equal(refused->rule, "no such team is known");
}

/* Whoever has a player's name and team is he; a namesake of another team teaches nothing. */
static void everybodys_ids_are_learned(void **state)
{
    (void)state;
    import_all();
    forget_said();
    give_raw("bdl_all_players", "bdl_all_players",
             "{\"data\":[{\"id\":71,\"first_name\":\"Twin\",\"last_name\":\"Name\",\"team\":" BOSTON
             "},"
             "{\"id\":72,\"first_name\":\"Bram\",\"last_name\":\"Stone\",\"team\":" BOSTON "}]}");
    expect_run("BdlAllPlayers", "success", "none");
    assert_int_equal(said(NULL), 1); /* the run */
    live(game_body(PLAY, line(71, "T.", "N.", 1, 0, 5), line(72, "B.", "S.", 1, 0, 5)));
    assert_int_equal(box_of(103)->points, 2);
    assert_int_equal(box_of(-72)->points, 2); /* nobody knows his team */
}

#define OFFERS(lines)                                                                              \
    "{\"offers\":[{\"event_id\":5,\"market_id\":156,\"participants\":[{\"name\":\"Jose "           \
    "Alvarez\"}],"                                                                                 \
    "\"selections\":[{\"selection\":\"over\",\"books\":[{\"id\":10,\"lines\":[" lines "]}]},"      \
    "{\"selection\":\"under\",\"books\":[{\"id\":10,\"lines\":[" lines "]}]}]}]}"

/* The same rows as of the books themselves, under an event and book of their own: neither takes the other's place. */
static void lines_at_second_hand(void **state)
{
    (void)state;
    import_all();
    forget_said();
    give_raw("bp_offers", "bp_offers:5", OFFERS("{\"line\":9.5,\"cost\":-110}"));
    expect_run("BettingProsOffers", "partial", "identity");
    give_raw("bp_events", "bp_events:2025-11-17",
             "{\"events\":[{\"id\":5,\"scheduled\":\"2025-11-18 "
             "00:00:00\",\"home\":\"BOS\",\"visitor\":\"TOR\"}]}");
    expect_run("BettingProsEvents", "success", "none");
    const struct msg_row_event *event = nth(&msg_row_event_desc, 0);
    assert_non_null(event);
    assert_string_equal(event->event_id, "bp-5");
    assert_string_equal(event->game_id, "0022500241");
    props(PROPS(
        SIDE("Over", "Jose Alvarez", -110, 10.5) "," SIDE("Under", "Jose Alvarez", -110, 10.5)));
    forget_said();
    give_raw("bp_offers", "bp_offers:5", OFFERS("{\"line\":9.5,\"cost\":-110}"));
    expect_run("BettingProsOffers", "success", "none");
    assert_int_equal(said(&msg_row_odds_desc), 1);
    const struct msg_row_odds *row = nth(&msg_row_odds_desc, 0);
    assert_string_equal(row->book, "bp-fanduel");
    assert_true(row->player_id == 101 && row->main && row->line == 9.5 && !row->past);
    assert_int_equal(said(&msg_row_odds_snapshot_desc), 1);
    give_raw("bp_offers", "bp_offers:5", OFFERS("{\"line\":8.5,\"cost\":-110}"));
    assert_int_equal(said(&msg_row_odds_desc), 3); /* one came, one went: its own */
    row = nth(&msg_row_odds_desc, 2);
    assert_true(!row->offered && row->line == 9.5);
    give_raw("bp_offers", "bp_offers:5", "{\"offers\":[]}");
    expect_run("BettingProsOffers", "empty_ok", "none");
    give_raw("bp_offers", "bp_offers:5", "{\"offers\":");
    expect_run("BettingProsOffers", "failed", "malformed");
}

#define BDL_PROP(player, line)                                                                     \
    "{\"game_id\":7,\"player_id\":" player ",\"vendor\":\"betway\",\"prop_type\":\"points\","      \
    "\"line_value\":\"" line                                                                       \
    "\",\"market\":{\"type\":\"over_under\",\"over_odds\":-110,\"under_odds\":-110}}"
#define MILESTONE                                                                                  \
    "{\"game_id\":7,\"player_id\":11,\"vendor\":\"betway\",\"prop_type\":\"points\",\"line_"       \
    "value\":"                                                                                     \
    "\"30.0\",\"market\":{\"type\":\"milestone\",\"odds\":200}}"

static void bdl_props(const char *rows)
{
    char body[2000];
    snprintf(body, sizeof body, "{\"data\":[%s]}", rows);
    give_raw("bdl_props", "bdl_props:7", body);
}

/* Its lines stand beside the other source's, under an event and books of their own; a milestone does not keep the body from being whole. */
static void players_lines_by_number(void **state)
{
    (void)state;
    import_all();
    bdl_props(BDL_PROP("11", "9.5"));
    expect_run("BdlProps", "partial", "identity"); /* no such game yet */
    games(game_body("\"status\":\"7:00 pm ET\",\"period\":0", "", ""));
    props(PROPS(
        SIDE("Over", "Jose Alvarez", -110, 10.5) "," SIDE("Under", "Jose Alvarez", -110, 10.5)));
    forget_said();
    bdl_props(BDL_PROP("11", "9.5") "," MILESTONE);
    expect_run("BdlProps", "success", "none");
    assert_int_equal(said(&msg_row_odds_desc), 1);
    const struct msg_row_odds *row = nth(&msg_row_odds_desc, 0);
    assert_string_equal(row->event_id, "bdl-7");
    assert_string_equal(row->book, "bdl-betway");
    assert_string_equal(row->game_id, "0022500241");
    assert_string_equal(row->player_name, "José Álvarez");
    assert_true(row->player_id == 101 && row->player_known && row->main && row->line == 9.5);
    assert_int_equal(said(&msg_row_odds_snapshot_desc), 1);
    assert_int_equal(said(&msg_row_refused_desc), 0); /* nothing is wrong with a milestone */
    const struct msg_ops_run *run = nth(&msg_ops_run_desc, 0);
    assert_true(run->rows_in == 2 && run->rows_refused == 1);
    forget_said();
    bdl_props(BDL_PROP("11", "8.5") "," MILESTONE);
    assert_int_equal(said(&msg_row_odds_desc), 2); /* one came, one went: its own */
    row = nth(&msg_row_odds_desc, 1);
    assert_true(!row->offered && row->line == 9.5);
    forget_said();
    bdl_props(MILESTONE); /* no line at all: it takes nothing back */
    expect_run("BdlProps", "success", "none");
    assert_int_equal(said(&msg_row_odds_desc), 0);
    bdl_props("");
    expect_run("BdlProps", "empty_ok", "none");
    props(PROPS(
        SIDE("Over", "Jose Alvarez", -110, 11.5) "," SIDE("Under", "Jose Alvarez", -110, 11.5)));
    assert_int_equal(said(&msg_row_odds_desc), 2);
    for (int i = 0; i < 2; i++) {
        row = nth(&msg_row_odds_desc, i);
        assert_string_equal(row->book, "dk"); /* nor does the other take back its lines */
    }
}

/* A number of which no name is known is set aside; one that a squad listed is somebody, though the cross-walk has him not. */
static void players_lines_of_numbers_that_nobody_knows(void **state)
{
    (void)state;
    import_all();
    games(game_body("\"status\":\"7:00 pm ET\",\"period\":0", "", ""));
    forget_said();
    bdl_props(BDL_PROP("55", "9.5") "," BDL_PROP("11", "9.5"));
    expect_run("BdlProps", "partial", "identity");
    assert_int_equal(said(&msg_row_odds_desc), 1);
    const struct msg_row_refused *refused = nth(&msg_row_refused_desc, 0);
    assert_string_equal(refused->path, "data[0]");
    assert_string_equal(refused->rule, "player_id: nobody knows him");
    give_raw("bdl_players", "bdl_players",
             "{\"data\":[{\"id\":55,\"first_name\":\"New\",\"last_name\":\"Man\",\"team\":" BOSTON
             "}]}");
    forget_said();
    bdl_props(BDL_PROP("55", "9.5") "," BDL_PROP("11", "9.5"));
    expect_run("BdlProps", "success", "none");
    const struct msg_row_odds *row = nth(&msg_row_odds_desc, 0);
    assert_string_equal(row->player_name, "New Man");
    assert_true(row->player_id == -55 && !row->player_known);
}

static void game_lines_of_the_second_source(void **state)
{
    (void)state;
    import_all();
    games(game_body("\"status\":\"7:00 pm ET\",\"period\":0", "", ""));
    forget_said();
    static const char BODY[] =
        "{\"data\":[{\"game_id\":7,\"vendor\":\"betway\",\"total_value\":\"228.5\",\"total_over_"
        "odds\":"
        "-110,\"total_under_odds\":-110,\"spread_home_value\":null},{\"game_id\":8,\"vendor\":"
        "\"betway\",\"moneyline_home_odds\":-150,\"moneyline_away_odds\":130}]}";
    give_raw("bdl_odds", "bdl_odds:2025-11-17", BODY);
    expect_run("BdlOdds", "partial", "identity");
    assert_int_equal(said(&msg_row_game_odds_desc), 1);
    const struct msg_row_game_odds *row = nth(&msg_row_game_odds_desc, 0);
    assert_string_equal(row->game_id, "0022500241");
    assert_string_equal(row->event_id, "bdl-7");
    assert_string_equal(row->book, "bdl-betway");
    assert_string_equal(row->market, "totals");
    int64_t tip;
    assert_int_equal(clock_parse_utc(TIP, &tip), 0);
    assert_true(row->point == 228.5 && row->first_price == -110 && row->commence_at == tip);
    const struct msg_row_refused *refused = nth(&msg_row_refused_desc, 0);
    assert_string_equal(refused->rule, "game_id: no game 8 is known");
    forget_said();
    give_raw("bdl_odds", "bdl_odds:2025-11-17", BODY);
    assert_int_equal(said(&msg_row_game_odds_desc), 0);
    give_raw("bdl_odds", "bdl_odds:2025-11-17", EMPTY);
    expect_run("BdlOdds", "empty_ok", "none");
}

/* ---- names that nobody knows ---- */

#define CALLED(id, first, last, team)                                                              \
    "{\"id\":" id ",\"first_name\":\"" first "\",\"last_name\":\"" last "\",\"team\":" team "}"

static void found(const char *subject, const char *rows)
{
    char body[1000];
    snprintf(body, sizeof body, "{\"data\":[%s]}", rows);
    give_raw("bdl_search", subject, body);
}

/* The first row that is said of a price on him; NULL: none changed. */
static const struct msg_row_odds *priced(const char *name, int price)
{
    char body[1000];
    snprintf(body, sizeof body,
             "{" EVENT ",\"bookmakers\":[{\"key\":\"dk\",\"markets\":[{\"key\":\"player_points\","
             "\"outcomes\":[{\"name\":\"Over\",\"description\":\"%s\",\"price\":%d,\"point\":10.5},"
             "{\"name\":\"Under\",\"description\":\"%s\",\"price\":-110,\"point\":10.5}]}]}]}",
             name, price, name);
    forget_said();
    props(body);
    return nth(&msg_row_odds_desc, 0);
}
#define MADE_UP INT64_C(-5000000000) /* numbers made from names are not above it */

/* Asked for once, by the words that a subject may hold; whoever is called so and plays for a side of the game is he. */
static void a_name_is_looked_up(void **state)
{
    (void)state;
    import_all();
    const struct msg_row_odds *row = priced("Pépé Al-Varez III", -110);
    int64_t made_up = row->player_id;
    assert_true(made_up <= MADE_UP && !row->player_known);
    assert_int_equal(said(&msg_ops_command_desc), 1);
    const struct msg_ops_command *command = nth(&msg_ops_command_desc, 0);
    assert_string_equal(command->target, "poller");
    assert_string_equal(command->verb, "poll");
    assert_string_equal(command->subject, "bdl_search:pepe-al-varez");
    assert_true(priced("Pepe Al Varez", -111)->player_id == made_up);
    assert_int_equal(said(&msg_ops_command_desc), 0);
    found("bdl_search:pepe-al-varez",
          CALLED("11", "Pepe", "Al-Varez", BOSTON) "," CALLED("60", "Ana", "Varez", TORONTO));
    expect_run("BdlSearch", "success", "none");
    row = priced("Pepe Al-Varez", -112); /* 11 is José Álvarez's number: so the books call him */
    assert_true(row->player_id == 101 && row->player_known && row->offered);
    assert_string_equal(row->player_name, "Pepe Al-Varez");
    row = nth(&msg_row_odds_desc, 1);
    assert_true(row->player_id == made_up && !row->offered);
}

/* Whom the cross-walk has not has one number from now on, in odds as in box scores. */
static void a_new_man_is_looked_up(void **state)
{
    (void)state;
    import_all();
    (void)priced("New Man", -110);
    assert_int_equal(said(&msg_ops_command_desc), 1);
    found("bdl_search:new-man", CALLED("55", "New", "Man", TORONTO));
    const struct msg_row_odds *row = priced("New Man", -111);
    assert_true(row->player_id == -55 && !row->player_known);
    forget_said();
    live(game_body(PLAY, "", line(55, "New", "Man", 1, 0, 5)));
    assert_int_equal(box_of(-55)->points, 2);
    assert_int_equal(said(&msg_ops_command_desc), 0); /* not again for days */
}

/* What was found before does not hold any more, either. */
static void a_lookup_that_tells_nobody(void **state)
{
    (void)state;
    static const struct {
        const char *body, *rule;
    } CASES[] = {
        {"{\"data\":[" CALLED("55", "New", "Man", BOSTON) "," CALLED("56", "New", "Man Jr.",
                                                                     TORONTO) "]}",
         "2 are called so: 55, 56"},
        {"{\"data\":[" CALLED("57", "Newton", "Man", BOSTON) "]}", "nobody is called so"},
        {"{\"data\":[]}", "nobody is called so"},
        {"{\"data\":[" CALLED("55", "New", "Man", BOSTON) "],\"meta\":{\"next_cursor\":56}}",
         "there are more than one page: who is the only one cannot be told"},
        {"{\"data\":[" CALLED("55", "New", "Man", BOSTON) ",7]}", "not an object"},
        {"{\"data\":[" CALLED("55", "New", "Man", "{\"id\":99}") "]}",
         "team: no such team is known"},
    };
    import_all();
    (void)priced("New Man", -150);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        found("bdl_search:new-man", CALLED("55", "New", "Man", BOSTON));
        assert_true(priced("New Man", 110 + (int)i)->player_id == -55);
        forget_said();
        give_raw("bdl_search", "bdl_search:new-man", CASES[i].body);
        expect_run("BdlSearch", "partial", "identity");
        const struct msg_row_refused *refused = nth(&msg_row_refused_desc, 0);
        assert_string_equal(refused->rule, CASES[i].rule);
        assert_true(priced("New Man", 210 + (int)i)->player_id <= MADE_UP);
    }
}

/* A namesake of old, of another team, is not he. */
static void a_lookup_of_another_team(void **state)
{
    (void)state;
    import_rows("i2");
    give_team("i2", "MIA", 16, "Miami", "Heat");
    give_commit("i2");
    (void)priced("New Man", -110);
    found("bdl_search:new-man", CALLED("55", "New", "Man", "{\"id\":16}"));
    expect_run("BdlSearch", "success", "none");
    assert_true(priced("New Man", -111)->player_id <= MADE_UP);
}

/* Twenty a day, then no more until the next; a name is asked for again after its rest. */
static void lookups_are_bounded(void **state)
{
    (void)state;
    import_all();
    int asked = 0;
    for (int i = 0; i < 25; i++) {
        char name[20];
        snprintf(name, sizeof name, "New Man%c", 'a' + i);
        (void)priced(name, -110);
        asked += said(&msg_ops_command_desc);
    }
    assert_int_equal(asked, 20);
    now_us += 24 * 3600 * INT64_C(1000000);
    (void)priced("New Mana", -110);
    assert_int_equal(said(&msg_ops_command_desc), 0);
    (void)priced("New Many", -110);
    assert_int_equal(said(&msg_ops_command_desc), 1);
    now_us += 7 * 24 * 3600 * INT64_C(1000000);
    (void)priced("New Mana", -110);
    assert_int_equal(said(&msg_ops_command_desc), 1);
}

static void names_of_box_scores_are_looked_up(void **state)
{
    (void)state;
    import_all();
    forget_said();
    live(game_body(PLAY, line(900000005, "Nobody", "Known", 3, 0, 5), ""));
    live(game_body(PLAY, line(900000005, "Nobody", "Known", 4, 0, 6), ""));
    assert_int_equal(said(&msg_ops_command_desc), 1);
    const struct msg_ops_command *command = nth(&msg_ops_command_desc, 0);
    assert_string_equal(command->subject, "bdl_search:nobody-known");
}

#define SHOT(number, kind, who)                                                                    \
    "{\"actionNumber\":" number ",\"period\":1,\"clock\":\"PT11M38.00S\",\"actionType\":\"" kind   \
    "\",\"shotResult\":\"Made\",\"personId\":" who ",\"teamTricode\":\"BOS\"}"
#define PLAYS(list) "{\"game\":{\"gameId\":\"0022500241\",\"actions\":[" list "]}}"

static void plays(const char *body)
{
    give_raw("nba_plays", "nba_plays:0022500241", body);
}

/* Actions are rows, said when they come, change and go; the points of each player must be those of the final box score. */
static void plays_are_held_against_the_box_score(void **state)
{
    (void)state;
    char jose[2000], bram[2000];
    import_all();
    strcpy(jose, line(11, "Jose", "Alvarez", 2, 0, 5));
    strcpy(bram, line(900000001, "Bram", "Stone", 1, 0, 5));
    forget_said();
    plays(PLAYS(SHOT("2", "2pt", "101") "," SHOT("4", "2pt", "102")));
    expect_run("NbaPlays", "success", "none");
    assert_int_equal(said(&msg_row_play_desc), 2);
    const struct msg_row_play *play = nth(&msg_row_play_desc, 0);
    assert_true(play->player_id == 101 && play->points == 2 && play->action == 2 && !play->removed);
    assert_string_equal(play->game_id, "0022500241");
    assert_int_equal(said(&msg_row_check_desc) + said(&msg_row_game_desc),
                     0); /* nothing is final */
    final(game_body(OVER, jose, bram));
    const struct msg_row_check *points = check_of("plays_points");
    assert_true(points && !points->good && points->value == 2 && points->rows == 2);
    forget_said();
    plays(PLAYS(SHOT("2", "2pt", "101") "," SHOT("4", "2pt", "102") "," SHOT("7", "2pt", "101")));
    assert_int_equal(said(&msg_row_play_desc), 1);
    assert_true(check_of("plays_points")->good);
    plays(PLAYS(SHOT("2", "2pt", "101") "," SHOT("7", "2pt", "101")));
    assert_int_equal(said(&msg_row_play_desc), 2);
    play = nth(&msg_row_play_desc, 1);
    assert_true(play->removed && play->action == 4);
    points = check_of("plays_points");
    assert_true(!points->good && points->value == 2);
    plays(PLAYS("7," SHOT("2", "3pt", "101") "," SHOT(
        "4", "2pt", "102"))); /* a broken body takes nothing away */
    expect_run("NbaPlays", "partial", "invalid");
    assert_int_equal(said(&msg_row_play_desc), 4);
    assert_int_equal(said(&msg_row_box_score_desc) + said(&msg_row_game_desc), 0);
    plays(PLAYS(""));
    expect_run("NbaPlays", "empty_ok", "none");
    plays("{\"game\":{\"gameId\":\"0029900001\",\"actions\":[]}}");
    expect_run("NbaPlays", "partial", "identity");
    plays("{\"game\":");
    expect_run("NbaPlays", "failed", "malformed");
}

#define PAST(at, outcomes)                                                                         \
    "{\"timestamp\":\"" at "\",\"data\":{" EVENT ",\"bookmakers\":[{\"key\":\"dk\",\"markets\":["  \
    "{\"key\":\"player_points\",\"outcomes\":[" outcomes "]}," SPREAD("-7.5", "7.5") "]}]}}"

static void past(const char *body)
{
    give_raw("odds_history", "odds_history:e1@20251117T230000Z", body);
}

/* A snapshot of the past is said with its own time, each once; it takes nothing back, and what was said last stays. */
static void the_past_is_said_as_the_past(void **state)
{
    (void)state;
    import_all();
    props(PROPS(
        SIDE("Over", "Jose Alvarez", -110, 10.5) "," SIDE("Under", "Jose Alvarez", -110, 10.5)));
    forget_said();
    past(PAST("2025-11-17T22:55:38Z",
              SIDE("Over", "Jose Alvarez", -120, 9.5) "," SIDE("Under", "Jose Alvarez", 100, 9.5)));
    expect_run("OddsApiHistory", "success", "none");
    assert_int_equal(said(&msg_row_odds_desc), 1);
    assert_int_equal(said(&msg_row_game_odds_desc), 1);
    assert_int_equal(said(&msg_row_odds_snapshot_desc), 0); /* nobody waits for it */
    assert_int_equal(said(&msg_row_event_desc), 0);
    const struct msg_row_odds *row = nth(&msg_row_odds_desc, 0);
    assert_true(row->past && row->main && row->offered && row->line == 9.5);
    assert_true(row->snapshot_at == INT64_C(1763420138000000));
    assert_string_equal(row->game_id, "0022500241");
    const struct msg_row_game_odds *spread = nth(&msg_row_game_odds_desc, 0);
    assert_true(spread->past && spread->snapshot_at == row->snapshot_at);
    const struct msg_ops_run *run = nth(&msg_ops_run_desc, said(&msg_ops_run_desc) - 1);
    assert_int_equal(run->data_date, 20251117);
    past(PAST("2025-11-17T22:55:38Z", SIDE("Over", "Jose Alvarez", -120, 9.5)));
    assert_int_equal(said(&msg_row_odds_desc), 1); /* that snapshot was said */
    past(PAST("2025-11-17T22:50:38Z", SIDE("Over", "Jose Alvarez", -120, 9.5)));
    assert_int_equal(said(&msg_row_odds_desc), 2);
    give_raw("odds_games", "odds_games", GAME_ODDS(SPREAD("-7.5", "7.5")));
    assert_int_equal(said(&msg_row_game_odds_desc), 3); /* of now nothing was said yet */
    forget_said();
    props(PROPS(
        SIDE("Over", "Jose Alvarez", -110, 10.5) "," SIDE("Under", "Jose Alvarez", -110, 10.5)));
    assert_int_equal(said(&msg_row_odds_desc), 0); /* nothing came, nothing went */
    past("{\"timestamp\":\"2025-11-17T22:55:38Z\",\"data\":7}");
    expect_run("OddsApiHistory", "failed", "malformed");
    past("{\"timestamp\":\"2025-11-17T22:40:38Z\",\"data\":{\"id\":\"e9\",\"commence_time\":\"2025-"
         "11-18T00:10:00Z\","
         "\"home_team\":\"No\",\"away_team\":\"Body\",\"bookmakers\":[]}}");
    expect_run("OddsApiHistory", "partial", "identity");
}

#define LISTED(date)                                                                               \
    "{\"id\":\"e" date "\",\"commence_time\":\"2025-11-" date                                      \
    "T00:10:00Z\",\"home_team\":\"No\",\"away_team\":\"Body\"}"

static void a_list_of_the_past_is_of_its_day(void **state)
{
    (void)state;
    import_all();
    forget_said();
    give_raw("odds_history_events", "odds_history_events:20251117T140000Z",
             "{\"timestamp\":\"2025-11-17T13:55:38Z\",\"data\":[{" EVENT "}," LISTED("19") "]}");
    expect_run("OddsApiHistoryEvents", "success", "none");
    assert_int_equal(said(&msg_row_event_desc), 0);
    give_raw("odds_history_events", "odds_history_events:20251117T140000Z",
             "{\"timestamp\":\"2025-11-17T13:55:38Z\",\"data\":[{" EVENT "}," LISTED("18") "]}");
    expect_run("OddsApiHistoryEvents", "partial", "identity");
    give_raw("odds_history_events", "odds_history_events:20251117T140000Z",
             "{\"timestamp\":\"2025-11-17T13:55:38Z\",\"data\":[]}");
    expect_run("OddsApiHistoryEvents", "empty_ok", "none");
}

static void lines_come_change_and_go(void **state)
{
    (void)state;
    import_all();
    forget_said();
    props(PROPS(SIDE("Over", "Jose Alvarez", -110, 10.5) "," SIDE(
        "Under", "Jose Alvarez", -110, 10.5) "," SIDE("Over", "Jose Alvarez", 150,
                                                      14.5) "," SIDE("Under", "Jose Alvarez", -180,
                                                                     14.5)));
    assert_int_equal(said(&msg_row_odds_desc), 2);
    assert_int_equal(said(&msg_row_odds_snapshot_desc), 1);
    const struct msg_row_odds *row = nth(&msg_row_odds_desc, 0);
    assert_int_equal(row->player_id, 101);
    assert_true(row->player_known && row->main && row->offered);
    assert_string_equal(row->player_name, "Jose Alvarez"); /* as the book spells it */
    expect_run("OddsApiProps", "success", "none");
    forget_said();
    props(PROPS(SIDE("Over", "Jose Alvarez", -110, 10.5) "," SIDE(
        "Under", "Jose Alvarez", -110, 10.5) "," SIDE("Over", "Jose Alvarez", 150,
                                                      14.5) "," SIDE("Under", "Jose Alvarez", -180,
                                                                     14.5)));
    assert_int_equal(said(&msg_row_odds_desc) + said(&msg_row_odds_snapshot_desc), 0);
    props(PROPS(
        SIDE("Over", "Jose Alvarez", -115, 10.5) "," SIDE("Under", "Jose Alvarez", -105, 10.5)));
    assert_int_equal(said(&msg_row_odds_desc), 2);
    row = nth(&msg_row_odds_desc, 1);
    assert_true(row->line == 14.5 && !row->offered);
    const struct msg_row_odds_snapshot *mark = nth(&msg_row_odds_snapshot_desc, 0);
    assert_int_equal(mark->rows, 1);
    assert_int_equal(mark->changed, 2);
    forget_said();
    props("{" EVENT ",\"bookmakers\":[]}"); /* closed, or broken: takes nothing back */
    assert_int_equal(said(&msg_row_odds_desc) + said(&msg_row_odds_snapshot_desc), 0);
    expect_run("OddsApiProps", "empty_ok", "none");
}

static void who_a_book_means(void **state)
{
    (void)state;
    import_all();
    forget_said();
    props(PROPS(
        SIDE("Over", "Twin Name", -110, 10.5) "," SIDE("Over", "B. Stone", -110, 9.5) "," SIDE(
            "Over", "BRAM STONE JR", -110, 9.5) "," SIDE("Over", "Bramwell Stone", -110, 8.5)));
    assert_int_equal(said(&msg_row_odds_desc), 4);
    const struct msg_row_odds *twin = nth(&msg_row_odds_desc, 0),
                              *other = nth(&msg_row_odds_desc, 1);
    assert_false(twin->player_known); /* one on each side: nobody can tell */
    assert_true(twin->player_id < -4999999999);
    assert_false(other->player_known);
    assert_true(other->player_id < -4999999999 && other->player_id != twin->player_id);
    assert_int_equal(((const struct msg_row_odds *)nth(&msg_row_odds_desc, 2))->player_id, 102);
    assert_false(
        ((const struct msg_row_odds *)nth(&msg_row_odds_desc, 3))->player_known); /* team unknown */
}

static void a_record_of_an_unknown_feed_is_dead(void **state)
{
    (void)state;
    forget_said();
    give_raw("no_feed", "no_feed", EMPTY);
    assert_int_equal(said(&msg_dead_letter_desc), 1);
    const struct msg_dead_letter *dead = nth(&msg_dead_letter_desc, 0);
    assert_string_equal(dead->rule, "raw_exchange.feed: unknown feed no_feed");
}

static void it_goes_on_where_it_was_after_a_kill(void **state)
{
    (void)state;
    import_all();
    char body[20000];
    strcpy(body, game_body(PLAY, line(11, "Jose", "Alvarez", 2, 0, 5), ""));
    live(body);
    assert_int_equal(harness_restart(harness), 0);
    forget_said();
    live(body);
    assert_int_equal(said(&msg_row_box_score_desc) + said(&msg_row_game_desc), 0);
}

/* ---- a real season's lines: who is meant, against the ids that the season's file has ---- */

static FILE *open_csv(const char *name)
{
    char command[700];
    snprintf(command, sizeof command, "gzip -dcf '%s/%s'", getenv("TIPOFF_DATA"), name);
    FILE *in = popen(command, "r");
    assert_non_null(in);
    char head[1000];
    assert_non_null(fgets(head, sizeof head, in));
    return in;
}

static bool next_row(FILE *in, char *text, size_t size, char *fields[], int count)
{
    if (fgets(text, (int)size, in) == NULL) {
        assert_int_equal(pclose(in), 0);
        return false;
    }
    text[strcspn(text, "\n")] = '\0';
    for (int i = 0; i < count; i++) {
        fields[i] = strsep(&text, ",");
        assert_non_null(fields[i]);
    }
    return true;
}

static void import_real(void)
{
    char text[1000], *field[16];
    int32_t date;
    FILE *in = open_csv("teams.csv");
    while (next_row(in, text, sizeof text, field, 7)) {
        struct msg_history_team row;
        message_clear(&msg_history_team_desc, &row);
        snprintf(row.import_id, sizeof row.import_id, "i1");
        snprintf(row.team, sizeof row.team, "%s", field[0]);
        row.bdl_team_id = atoi(field[2]);
        snprintf(row.odds_api_name, sizeof row.odds_api_name, "%s", field[3]);
        snprintf(row.source, sizeof row.source, "teams.csv");
        give(&msg_history_team_desc, &row);
    }
    in = open_csv("players.csv");
    while (next_row(in, text, sizeof text, field, 5)) {
        give_player("i1", atoll(field[0]), field[1], field[2],
                    field[4][0] != '\0' ? atoll(field[4]) : MESSAGE_NONE);
    }
    in = open_csv("games/2025-26.csv.gz");
    while (next_row(in, text, sizeof text, field, 7)) {
        assert_int_equal(clock_parse_date(field[2], &date), 0);
        give_game("i1", field[0], date, field[5], field[6], field[3][0] != '\0' ? field[3] : TIP);
    }
    static const char *const SEASONS[] = {"player_games/2024-25.csv.gz",
                                          "player_games/2025-26_to_2025-11-17.csv.gz"};
    for (int i = 0; i < 2; i++) {
        in = open_csv(SEASONS[i]);
        while (next_row(in, text, sizeof text, field, 6)) {
            assert_int_equal(clock_parse_date(field[2], &date), 0);
            give_roster("i1", atoll(field[3]), field[4], field[5], date);
        }
    }
    give_commit("i1");
}

/* Two sides of the row's game, as its body names them: any names will do that mean the teams. */
static const char *sides_of(const char *game_id)
{
    static char sides[200];
    char text[1000], *field[7];
    FILE *in = open_csv("games/2025-26.csv.gz");
    sides[0] = '\0';
    while (next_row(in, text, sizeof text, field, 7)) {
        if (strcmp(field[0], game_id) == 0) {
            snprintf(sides, sizeof sides, "\"home_team\":\"%s\",\"away_team\":\"%s\"", field[5],
                     field[6]);
        }
    }
    assert_true(sides[0] != '\0');
    return sides;
}

static int check_event(const int64_t *ids, int count)
{
    int known = 0;
    assert_int_equal(said(&msg_row_odds_desc), count);
    for (int i = 0; i < count; i++) {
        const struct msg_row_odds *row = nth(&msg_row_odds_desc, i);
        known += row->player_known;
        if (row->player_id != ids[i]) {
            fail_msg("%s is %lld, not %lld", row->player_name, (long long)ids[i],
                     (long long)row->player_id);
        }
    }
    return known;
}

static void a_seasons_names_find_their_players(void **state)
{
    (void)state;
    static char body[1 << 20];
    static int64_t ids[1000];
    char text[1000], *field[13], event[64] = "";
    int count = 0, known = 0, total = 0;
    size_t used = 0;
    if (getenv("TIPOFF_DATA") == NULL) {
        skip();
    }
    grouped = true;
    harness_group(harness, true);
    import_real();
    harness_group(harness, false);
    grouped = false;
    assert_int_equal(harness_run(harness), 0);
    FILE *in = open_csv("props_points/2025-26_to_2025-11-17.csv.gz");
    for (bool more = true; more;) {
        more = next_row(in, text, sizeof text, field, 13);
        if (!more || strcmp(event, field[3]) != 0) {
            if (count > 0) {
                snprintf(body + used, sizeof body - used, "]}]}]}");
                forget_said();
                props(body);
                known += check_event(ids, count);
                total += count;
            }
            if (!more) {
                break;
            }
            snprintf(event, sizeof event, "%s", field[3]);
            used = (size_t)snprintf(
                body, sizeof body,
                "{\"id\":\"%s\",\"commence_time\":\"%s\",%s,\"bookmakers\":[{\"key\":\"all\","
                "\"markets\":[{\"key\":\"player_points\",\"outcomes\":[",
                field[3], field[4], sides_of(field[0]));
            count = 0;
        }
        bool seen = false; /* one line of each player is enough */
        for (int i = 0; i < count; i++) {
            seen = seen || ids[i] == atoll(field[6]);
        }
        if (!seen) {
            ids[count] = atoll(field[6]);
            used += (size_t)snprintf(
                body + used, sizeof body - used,
                "%s{\"name\":\"Over\",\"description\":\"%s\",\"price\":-110,\"point\":%s}",
                count > 0 ? "," : "", field[7], field[8]);
            count++;
        }
    }
    assert_int_equal(known, total);
    assert_int_equal(total, 3090);
}

static int set_up(void **state)
{
    (void)state;
    assert_int_equal(clock_zone_set("America/New_York"), 0);
    assert_int_equal(clock_parse_utc("2025-11-18T00:10:00Z", &now_us), 0);
    forgotten = 0;
    grouped = false;
    harness = harness_open(&processor_actor, NULL);
    return harness != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    harness_close(&harness);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    messages_register();
    const struct CMUnitTest tests[] = {
        TEST(lines_of_a_live_game),
        TEST(the_same_again_says_nothing_and_a_b_a_three_times),
        TEST(what_is_missing_is_not_erased),
        TEST(the_final_closes_and_is_corrected_downwards),
        TEST(a_box_score_is_checked),
        TEST(over_without_a_box_score),
        TEST(a_period_does_not_go_back_to_none),
        TEST(postponed_and_back),
        TEST(past_midnight_it_is_still_its_own_day),
        TEST(a_broken_line_is_set_aside_alone),
        TEST(a_broken_body_changes_nothing),
        TEST(who_is_who),
        TEST(a_namesake_does_not_take_a_players_place),
        TEST(a_game_that_the_schedule_lacks_is_kept),
        TEST(unknown_teams_are_refused),
        TEST(a_body_is_taken_again_when_asked),
        TEST(a_final_box_score_is_said_again_when_asked),
        TEST(an_import_is_nothing_until_its_commit),
        TEST(events_wait_for_their_game),
        TEST(game_odds_are_said_when_they_move),
        TEST(a_second_opinion_on_the_score),
        TEST(a_game_that_is_over_elsewhere),
        TEST(single_lines_of_today),
        TEST(single_lines_of_a_day_that_is_over),
        TEST(teams_are_held_against_those_that_are_known),
        TEST(everybodys_ids_are_learned),
        TEST(lines_at_second_hand),
        TEST(players_lines_by_number),
        TEST(players_lines_of_numbers_that_nobody_knows),
        TEST(game_lines_of_the_second_source),
        TEST(a_name_is_looked_up),
        TEST(a_new_man_is_looked_up),
        TEST(a_lookup_that_tells_nobody),
        TEST(a_lookup_of_another_team),
        TEST(lookups_are_bounded),
        TEST(names_of_box_scores_are_looked_up),
        TEST(plays_are_held_against_the_box_score),
        TEST(the_past_is_said_as_the_past),
        TEST(a_list_of_the_past_is_of_its_day),
        TEST(an_injured_stranger_is_named),
        TEST(injuries_come_change_and_go),
        TEST(a_lineup_of_no_game_is_named),
        TEST(squads_are_said_when_they_change),
        TEST(lines_come_change_and_go),
        TEST(who_a_book_means),
        TEST(a_record_of_an_unknown_feed_is_dead),
        TEST(it_goes_on_where_it_was_after_a_kill),
        TEST(a_seasons_names_find_their_players),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
