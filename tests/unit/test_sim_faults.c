/* Which faults act on which request, and what they do to scenes and bodies, without a socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/clock.h"
#include "sim/bdl.h"
#include "sim/faults.h"
#include "sim/feeds.h"
#include "sim/odds_api.h"
#include "sim/pour.h"

#define MINUTE INT64_C(60000000)
#define TIP INT64_C(1763424000000000) /* 2025-11-18T00:00:00Z */

/* ---- one game: members 0..4 at home, 5..9 away; the first of each scores now and then ---- */

static struct night_team teams[2] = {{.code = "AAA", .bdl_id = 1, .odds_name = "Alpha As"},
                                     {.code = "BBB", .bdl_id = 2, .odds_name = "Beta Bs"}};
static struct night_player players[10];
static struct night_event events[64];
static struct night_odds odds[2];
static struct night_game game;
static struct root_match match;
static struct root root;

static void add(int period, double elapsed_s, int member, enum night_event_type type, int home,
                int away)
{
    events[game.event_count++] =
        (struct night_event){.est_us = night_wall_us(game.start_us, period, elapsed_s),
                             .elapsed_s = elapsed_s,
                             .period = period,
                             .member = member,
                             .side = member >= 5 ? NIGHT_AWAY : NIGHT_HOME,
                             .type = type,
                             .score = {home, away}};
}

static int set_up(void **state)
{
    (void)state;
    memset(&game, 0, sizeof game);
    strcpy(game.id, "0022500001");
    strcpy(game.event_id, "0123456789abcdef0123456789abcdef");
    game.bdl_id = 18000001;
    game.team[NIGHT_AWAY] = 1;
    game.tip_us = TIP;
    game.commence_us = game.start_us = TIP + NIGHT_TIP_LAG_US;
    game.events = events;
    game.odds = odds;
    game.odds_count = 2;
    for (int i = 0; i < 10; i++) {
        players[i] = (struct night_player){.id = 100 + i, .bdl_id = 500 + i};
        snprintf(players[i].name, sizeof players[i].name, "Žan Dončić%c", 'a' + i);
        game.roster[game.roster_count++] = (struct night_member){
            .player = i, .side = i >= 5 ? NIGHT_AWAY : NIGHT_HOME, .appears = true};
    }
    for (int period = 1; period <= 4; period++) {
        for (int i = 0; i < 10; i++) {
            add(period, 720 * (period - 1) + 60, i, NIGHT_DREB, 7 * (period - 1), 0);
        }
        for (int i = 0; i < 2; i++) {
            add(period, 720 * (period - 1) + 100, 0, NIGHT_FG2_MADE, 7 * (period - 1) + 2 * i + 2,
                0);
        }
        add(period, 720 * (period - 1) + 200, 0, NIGHT_FG3_MADE, 7 * period, 0);
    }
    odds[0] = odds[1] = (struct night_odds){.snapshot_us = TIP - 300 * MINUTE,
                                            .book = "book",
                                            .player_id = 100,
                                            .line = 20.5,
                                            .over_price = -110,
                                            .under_price = -110,
                                            .main = true};
    odds[1].line = 28;
    odds[1].main = false;
    strcpy(odds[0].player_name, "Zan Doncica");
    strcpy(odds[1].player_name, "Zan Doncica");
    match = (struct root_match){
        .id = "0022500001", .bdl_id = 18000001, .date = 20251117, .tip_us = TIP, .away = 1};
    root = (struct root){.season = "2025-26",
                         .season_start = 2025,
                         .date = 20251117,
                         .teams = teams,
                         .team_count = 2,
                         .players = players,
                         .player_count = 10,
                         .matches = &match,
                         .match_count = 1,
                         .games = &game,
                         .game_count = 1};
    return night_game_prepare(&game);
}

static void add_fault(struct faults *faults, const char *text)
{
    char why[256];
    json_t *value = json_read(text, strlen(text), why, sizeof why);
    assert_non_null(value);
    if (faults_add(faults, &root, value, why, sizeof why) != 0) {
        fail_msg("%s", why);
    }
    json_decref(value);
}

static bool acts(struct faults *faults, enum feed feed, const char *path, int64_t now_us)
{
    struct faults_due due;
    faults_decide(faults, &root, feed, path, now_us, &due);
    return faults_due_any(&due);
}

static void test_routes(void **state)
{
    (void)state;
    assert_int_equal(feeds_route("/nba/v1/box_scores/live").feed, FEED_BDL_LIVE);
    assert_int_equal(feeds_route("/v1/box_scores").feed, FEED_BDL_BOX_SCORES);
    assert_int_equal(feeds_route("/v1/box_scores/").feed, FEED_BDL_BOX_SCORES);
    assert_string_equal(feeds_route("/v1/games/18000001").rest, "18000001");
    struct feed_route route = feeds_route("/v4/sports/basketball_nba/events/abc/odds");
    assert_int_equal(route.feed, FEED_ODDS_EVENT_ODDS);
    assert_string_equal(route.sport, "basketball_nba");
    assert_string_equal(route.rest, "abc");
    static const char *const nowhere[] = {"/",
                                          "",
                                          "/v1",
                                          "/v1/games/1/2",
                                          "/v1/gamesters",
                                          "/v4/sports//events",
                                          "/nba/v4/sports/x/events"};
    for (size_t i = 0; i < sizeof nowhere / sizeof *nowhere; i++) {
        assert_int_equal(feeds_route(nowhere[i]).feed, FEED_COUNT);
    }
}

static void test_counts(void **state)
{
    (void)state;
    struct faults faults = {0};
    add_fault(&faults,
              "{\"kind\":\"status\",\"feed\":\"bdl.live\",\"skip\":2,\"every\":3,\"times\":2}");
    static const bool expected[] = {false, false, true,  false, false, true,
                                    false, false, false, false, false, false};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_false(acts(&faults, FEED_BDL_GAMES, "/v1/games", TIP)); /* counts nothing */
        assert_int_equal(acts(&faults, FEED_BDL_LIVE, "/v1/box_scores/live", TIP), expected[i]);
    }
}

static void test_windows(void **state)
{
    (void)state;
    struct faults faults = {0};
    add_fault(&faults,
              "[{\"kind\":\"empty\",\"path\":\"/v1/box\",\"from\":\"tip+20\",\"to\":\"final+5\"}]");
    const char *path = "/v1/box_scores/live";
    assert_false(acts(&faults, FEED_BDL_LIVE, path, game.start_us + 20 * MINUTE - 1));
    assert_true(acts(&faults, FEED_BDL_LIVE, path, game.start_us + 20 * MINUTE));
    assert_true(acts(&faults, FEED_BDL_LIVE, path, game.end_us + 5 * MINUTE - 1));
    assert_false(acts(&faults, FEED_BDL_LIVE, path, game.end_us + 5 * MINUTE));
    assert_false(acts(&faults, FEED_BDL_GAMES, "/v1/games", game.end_us));
    faults_clear(&faults);
    add_fault(&faults, "{\"faults\":[{\"kind\":\"html\",\"from\":\"2025-11-18T01:00:00Z\"}]}");
    assert_false(acts(&faults, FEED_BDL_GAMES, "/v1/games", TIP + 60 * MINUTE - 1));
    assert_true(acts(&faults, FEED_BDL_GAMES, "/v1/games", TIP + 60 * MINUTE));
}

static void test_refusals_change_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *text, *word;
    } cases[] = {{"{\"kind\":\"dance\"}", "kind"},
                 {"{\"kind\":\"html\",\"feed\":\"bdl\"}", "feed"},
                 {"{\"kind\":\"html\",\"times\":-1}", "times"},
                 {"{\"kind\":\"html\",\"times\":\"two\"}", "times"},
                 {"{\"kind\":\"html\",\"from\":\"tip+x\"}", "from"},
                 {"{\"kind\":\"html\",\"game\":\"CCC\"}", "game"},
                 {"{\"kind\":\"html\",\"player\":4}", "player"},
                 {"{\"kind\":\"html\",\"whenever\":1}", "whenever"},
                 {"{\"kind\":\"stat\",\"stat\":\"dunk\"}", "stat"},
                 {"[{\"kind\":\"html\"},7]", "fault 2"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct faults faults = {0};
        char why[256] = "";
        json_t *value = json_read(cases[i].text, strlen(cases[i].text), why, sizeof why);
        assert_non_null(value);
        assert_int_equal(faults_add(&faults, &root, value, why, sizeof why), -1);
        assert_int_equal(faults.count, 0);
        assert_ptr_equal(strstr(why, cases[i].word), why);
        json_decref(value);
    }
}

/* ---- what they do ---- */

static struct scene scene;

static json_t *bent_box(const char *fault, int64_t now_us)
{
    struct faults faults = {0};
    struct faults_due due;
    add_fault(&faults, fault);
    scene_set(&scene, &root, now_us);
    faults_decide(&faults, &root, FEED_BDL_LIVE, "/v1/box_scores/live", now_us, &due);
    faults_bend_scene(&due, &scene);
    json_t *body = bdl_box_scores(&scene, 0);
    faults_bend_body(&due, &scene, FEED_BDL_LIVE, body);
    return body;
}

static json_t *member(json_t *body, const char *side, size_t index)
{
    json_t *first = json_array_get(json_object_get(body, "data"), 0);
    return json_array_get(json_object_get(json_object_get(first, side), "players"), index);
}

static json_int_t number(json_t *object, const char *key)
{
    assert_true(json_is_integer(json_object_get(object, key)));
    return json_integer_value(json_object_get(object, key));
}

static void test_points_stay_consistent(void **state)
{
    (void)state;
    json_t *body =
        bent_box("{\"kind\":\"stat\",\"stat\":\"pts\",\"by\":3}", game.start_us + 25 * MINUTE);
    json_t *line = member(body, "home_team", 0);
    assert_int_equal(number(line, "pts"), 10);
    assert_int_equal(number(line, "ftm"), 3);
    assert_int_equal(number(line, "fta"), 3);
    json_t *box = json_array_get(json_object_get(body, "data"), 0);
    assert_int_equal(number(box, "home_team_score"), 10);
    assert_int_equal(number(box, "home_q1"), 10);
    json_decref(body);
    body = bent_box("{\"kind\":\"stat\",\"stat\":\"dreb\",\"by\":-5,\"player\":103}",
                    game.start_us + 25 * MINUTE);
    assert_int_equal(number(member(body, "home_team", 3), "reb"), 0);
    json_decref(body);
}

static void test_postponed_is_not_live(void **state)
{
    (void)state;
    json_t *body =
        bent_box("{\"kind\":\"postponed\",\"game\":\"BBB\"}", game.start_us + 25 * MINUTE);
    assert_int_equal(json_array_size(json_object_get(body, "data")), 0);
    json_decref(body);
}

static void test_namesake_stands_on_the_other_side(void **state)
{
    (void)state;
    json_t *body = bent_box("{\"kind\":\"same_name\",\"player\":101}", game.start_us + 25 * MINUTE);
    json_t *line = member(body, "visitor_team", 5), *player = json_object_get(line, "player");
    assert_null(member(body, "home_team", 5));
    assert_int_equal(number(player, "id"), 999999998);
    assert_string_equal(json_string_value(json_object_get(player, "first_name")), "ZAN");
    assert_string_equal(json_string_value(json_object_get(player, "last_name")), "DONCICB");
    assert_int_equal(number(line, "dreb"), 0);
    json_decref(body);
}

static void test_push_moves_the_main_line_alone(void **state)
{
    (void)state;
    struct faults faults = {0};
    struct faults_due due;
    add_fault(&faults, "{\"kind\":\"push\"}");
    scene_set(&scene, &root, TIP - MINUTE);
    faults_decide(&faults, &root, FEED_ODDS_EVENT_ODDS, "/v4", TIP - MINUTE, &due);
    json_t *body = odds_api_event_odds(&scene, 0, false, NULL);
    faults_bend_body(&due, &scene, FEED_ODDS_EVENT_ODDS, body);
    json_t *book = json_array_get(json_object_get(body, "bookmakers"), 0);
    json_t *market = json_array_get(json_object_get(book, "markets"), 0);
    json_t *outcomes = json_object_get(market, "outcomes");
    assert_int_equal(json_array_size(outcomes), 2); /* the alternate at 28 made room */
    for (size_t i = 0; i < 2; i++) {
        json_t *point = json_object_get(json_array_get(outcomes, i), "point");
        assert_true(json_real_value(point) == 28.0); /* what he scores */
    }
    json_decref(body);
}

static void test_half_of_a_list(void **state)
{
    (void)state;
    struct faults faults = {0};
    struct faults_due due;
    json_t *body = bent_box("{\"kind\":\"halved\"}", game.start_us + 25 * MINUTE);
    assert_non_null(member(body, "home_team", 1));
    assert_null(member(body, "home_team", 2)); /* of five */
    assert_non_null(member(body, "visitor_team", 1));
    assert_null(member(body, "visitor_team", 2));
    json_decref(body);
    add_fault(&faults, "{\"kind\":\"halved\"}");
    scene_set(&scene, &root, TIP - MINUTE);
    faults_decide(&faults, &root, FEED_BDL_PLAYERS, "/v1/players/active", TIP - MINUTE, &due);
    body = bdl_players(&scene, 0, 100);
    assert_int_equal(json_array_size(json_object_get(body, "data")), 10);
    faults_bend_body(&due, &scene, FEED_BDL_PLAYERS, body);
    assert_int_equal(json_array_size(json_object_get(body, "data")), 5);
    json_decref(body);
    assert_false(acts(&faults, FEED_ODDS_EVENT_ODDS, "/v4", TIP - MINUTE)); /* no list */
}

static void test_pours_end_where_they_should(void **state)
{
    (void)state;
    char piece[7], why[160];
    for (int64_t bytes = 16; bytes < 40; bytes++) { /* any length is sound JSON */
        struct pour *pour = pour_huge(bytes);
        char text[64];
        uint64_t offset = 0;
        for (long got; (got = pour_next(pour, offset, piece, sizeof piece)) > 0;) {
            memcpy(text + offset, piece, (size_t)got);
            offset += (uint64_t)got;
        }
        pour_free(pour);
        assert_int_equal(offset, bytes);
        json_t *value = json_read(text, offset, why, sizeof why);
        if (value == NULL) {
            fail_msg("%.*s: %s", (int)offset, text, why);
        }
        json_decref(value);
    }
    struct pour *cut = pour_cut("0123456789", 10);
    assert_int_equal(pour_next(cut, 0, piece, sizeof piece), 5);
    assert_memory_equal(piece, "01234", 5);
    assert_int_equal(pour_next(cut, 5, piece, sizeof piece), -2);
    pour_free(cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_refusals_change_nothing),
        cmocka_unit_test(test_points_stay_consistent),
        cmocka_unit_test(test_postponed_is_not_live),
        cmocka_unit_test(test_namesake_stands_on_the_other_side),
        cmocka_unit_test(test_push_moves_the_main_line_alone),
        cmocka_unit_test(test_half_of_a_list),
        cmocka_unit_test(test_pours_end_where_they_should),
    };
    clock_zone_set("America/New_York");
    return cmocka_run_group_tests(tests, set_up, NULL);
}
