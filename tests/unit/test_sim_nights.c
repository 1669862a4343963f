/* A league of many nights: one after the other, each with its faults, and what was is still to be had. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/clock.h"
#include "sim/bdl.h"
#include "sim/league.h"
#include "sim/nba_cdn.h"
#include "sim/nights.h"

#define FIRST 20260110
#define LAST 20260115
#define HOUR INT64_C(3600000000)

static char folder[] = "/tmp/tipoff-nights-XXXXXX";
static char league[96];
static struct nights *nights;

static int make_league(void **state)
{
    char why[256];
    (void)state;
    if (!mkdtemp(folder) || clock_zone_set("America/New_York") != 0)
        return -1;
    snprintf(league, sizeof league, "%s/league", folder);
    return league_ensure(league, 7, FIRST, LAST, why, sizeof why) == 1 ? 0 : -1;
}

static int remove_league(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static int open_nights(void **state)
{
    char why[256];
    (void)state;
    nights = nights_open(league, FIRST, LAST, 6, why, sizeof why);
    return nights ? 0 : -1;
}

static int end_nights(void **state)
{
    (void)state;
    nights_close(&nights);
    return 0;
}

static void add(const char *text, int wanted)
{
    char why[256];
    json_t *value = json_read(text, strlen(text), why, sizeof why);
    assert_non_null(value);
    assert_int_equal(nights_add_faults(nights, value, why, sizeof why), wanted);
    json_decref(value);
}

static int32_t date_at(int64_t now_us)
{
    return nights_at(nights, now_us)->root->date;
}

static void test_which_night_is_on(void **state)
{
    (void)state;
    int64_t noon_us = clock_date_start_us(FIRST) + 12 * HOUR;
    assert_true(nights_many(nights));
    assert_int_equal(date_at(noon_us - 1000 * HOUR), FIRST);
    assert_int_equal(date_at(noon_us), FIRST);
    assert_int_equal(date_at(noon_us + 17 * HOUR), FIRST); /* five in the morning */
    assert_int_equal(date_at(noon_us + 18 * HOUR), FIRST + 1);
    assert_int_equal(date_at(noon_us + 5000 * HOUR), LAST);
    /* More nights than are held: an old one is read again. */
    for (int32_t date = FIRST; date <= LAST; date++) {
        assert_int_equal(nights_of(nights, date)->root->date, date);
    }
    assert_int_equal(nights_of(nights, FIRST)->root->date, FIRST);
    assert_null(nights_of(nights, LAST + 1));
    assert_null(nights_of(nights, FIRST - 1));
}

/* Every night has its games, their events and its lines; those before it have ended, those behind it have not. */
static void test_every_night_is_whole(void **state)
{
    (void)state;
    for (int32_t date = FIRST; date <= LAST; date++) {
        struct root *root = nights_of(nights, date)->root;
        assert_true(root->game_count >= 4);
        for (int g = 0; g < root->game_count; g++) {
            assert_true(root->games[g].event_count > 300);
            assert_true(root->games[g].odds_count > 200);
        }
        struct scene scene;
        scene_set(&scene, root, root->games[0].tip_us - HOUR);
        struct bdl_query query = {.per_page = 100, .date_count = 2, .dates = {date - 1, date + 1}};
        json_t *body = bdl_games(&scene, &query), *game;
        size_t i;
        json_array_foreach(json_object_get(body, "data"), i, game)
        {
            int32_t played = 0;
            clock_parse_date(json_string_value(json_object_get(game, "date")), &played);
            bool final = !strcmp(json_string_value(json_object_get(game, "status")), "Final");
            assert_int_equal(final, played < date);
        }
        json_decref(body);
    }
}

static void test_faults_are_of_their_night(void **state)
{
    (void)state;
    add("[{\"kind\": \"html\", \"feed\": \"bdl.live\", \"date\": \"2026-01-12\"},"
        " {\"kind\": \"reset\", \"feed\": \"bdl.live\"}]",
        0);
    assert_int_equal(nights_of(nights, FIRST)->faults.count, 1);
    assert_int_equal(nights_of(nights, 20260112)->faults.count, 2);
    add("{\"kind\": \"html\", \"date\": \"2026-01-12\", \"game\": \"0000000000\"}",
        -1); /* is held */
    assert_int_equal(nights_of(nights, 20260112)->faults.count, 2);
    for (int32_t date = FIRST; date <= LAST; date++) {
        (void)nights_of(nights, date);
    }
    assert_int_equal(nights_of(nights, 20260112)->faults.count, 2);
    nights_clear_faults(nights);
    assert_int_equal(nights_of(nights, 20260112)->faults.count, 0);
    assert_int_equal(nights_of(nights, FIRST)->faults.count, 0);
}

static const char *status_in(const json_t *body, const char *game_id, int64_t bdl_id)
{
    size_t d, g;
    json_t *day, *game;
    json_array_foreach(json_object_get(json_object_get(body, "leagueSchedule"), "gameDates"), d,
                       day)
    {
        json_array_foreach(json_object_get(day, "games"), g, game)
        {
            if (!strcmp(json_string_value(json_object_get(game, "gameId")), game_id))
                return json_string_value(json_object_get(game, "gameStatusText"));
        }
    }
    json_array_foreach(json_object_get(body, "data"), g, game)
    {
        if (json_integer_value(json_object_get(game, "id")) == bdl_id)
            return json_string_value(json_object_get(game, "status"));
    }
    return "";
}

/* Who was called off has no score on the nights behind it, in any feed. */
static void test_called_off_for_good(void **state)
{
    (void)state;
    char text[128];
    const struct night_game *off = &nights_of(nights, FIRST)->root->games[1];
    char id[16];
    int64_t bdl_id = off->bdl_id;
    snprintf(id, sizeof id, "%s", off->id);
    snprintf(text, sizeof text,
             "{\"kind\": \"postponed\", \"date\": \"2026-01-10\", \"game\": \"%s\"}", id);
    add(text, 0);
    struct scene scene;
    struct root *root = nights_of(nights, LAST)->root;
    scene_set(&scene, root, root->games[0].tip_us);
    json_t *schedule = nba_cdn_schedule(&scene);
    assert_string_equal(status_in(schedule, id, 0), "PPD");
    struct bdl_query query = {.per_page = 100, .date_count = 1, .dates = {FIRST}};
    json_t *games = bdl_games(&scene, &query);
    assert_string_equal(status_in(games, "", bdl_id), "Postponed");
    json_decref(schedule);
    json_decref(games);
}

/* Where the schedule had it, until it is said; on its night it is played whatever was said. */
static void test_a_game_that_is_moved(void **state)
{
    (void)state;
    char text[200], id[16];
    const struct root *root = nights_of(nights, 20260113)->root;
    snprintf(id, sizeof id, "%s", root->games[0].id);
    int64_t bdl_id = root->games[0].bdl_id, noon_us = clock_date_start_us(FIRST) + 12 * HOUR;
    snprintf(text, sizeof text,
             "{\"kind\": \"moved\", \"date\": \"2026-01-13\", \"game\": \"%s\", \"was\": "
             "\"2026-01-13T00:30:00Z\", \"until\": \"2026-01-11T15:00:00Z\"}",
             id);
    add(text, 0);
    for (int day = 0; day < 4; day++) {
        const struct root *now = nights_at(nights, noon_us + day * 24 * HOUR)->root;
        struct scene scene;
        scene_set(&scene, now, noon_us + day * 24 * HOUR);
        struct bdl_query query = {.per_page = 100, .date_count = 1, .dates = {20260112}};
        json_t *before = bdl_games(&scene, &query);
        query.dates[0] = 20260113;
        json_t *after = bdl_games(&scene, &query), *schedule = nba_cdn_schedule(&scene);
        assert_int_equal(status_in(before, "", bdl_id)[0] != '\0', day == 0);
        assert_int_equal(status_in(after, "", bdl_id)[0] != '\0', day > 0);
        assert_true(status_in(schedule, id, 0)[0] != '\0');
        json_decref(before);
        json_decref(after);
        json_decref(schedule);
    }
    add("{\"kind\": \"moved\", \"date\": \"2026-01-13\", \"was\": \"tip+3\"}", -1);
}

static void test_a_game_that_no_box_score_has(void **state)
{
    (void)state;
    char text[160];
    struct night_slot *night = nights_of(nights, FIRST);
    const struct night_game *game = &night->root->games[0];
    snprintf(text, sizeof text,
             "{\"kind\": \"missing\", \"game\": \"%s\", \"to\": \"2026-01-12T00:00:00Z\"}",
             game->id);
    add(text, 0);
    for (int day = 0; day < 2; day++) {
        struct scene scene;
        struct faults_due due;
        int64_t now_us = game->end_us + HOUR + day * 48 * HOUR;
        faults_decide(&night->faults, night->root, FEED_BDL_BOX_SCORES, "/v1/box_scores", now_us,
                      &due);
        scene_set(&scene, night->root, now_us);
        json_t *body = bdl_box_scores(&scene, FIRST);
        faults_bend_body(&due, &scene, FEED_BDL_BOX_SCORES, body);
        assert_int_equal(json_array_size(json_object_get(body, "data")),
                         night->root->game_count - (day == 0));
        assert_int_equal(status_in(body, "", game->bdl_id)[0] == '\0', day == 0);
        json_decref(body);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_nights, end_nights)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_which_night_is_on),
        TEST(test_every_night_is_whole),
        TEST(test_faults_are_of_their_night),
        TEST(test_called_off_for_good),
        TEST(test_a_game_that_no_box_score_has),
        TEST(test_a_game_that_is_moved),
    };
    return cmocka_run_group_tests(tests, make_league, remove_league);
}
