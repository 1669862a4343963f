/* History in the store: staged until it is committed, replaced and taken back without leaving a trace in the sums, asked for
 * strictly before a day. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "actors/features/career.h"
#include "actors/features/league.h"
#include "config/clock.h"

static char dir[] = "/tmp/test_career.XXXXXX";
static struct store *store;
static struct store_txn *txn;

static int set_up(void **state)
{
    (void)state;
    strcpy(dir + strlen(dir) - 6, "XXXXXX");
    if (!mkdtemp(dir)) {
        return -1;
    }
    char path[64];
    snprintf(path, sizeof path, "%s/env", dir);
    struct store_options options = {.map_bytes = (size_t)64 << 20};
    return store_open(&store, path, &options) || store_begin(store, true, &txn);
}

static int tear_down(void **state)
{
    char command[96];
    (void)state;
    store_abort(&txn);
    store_close(&store);
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

static struct window_line line_of(int32_t date, const char *game, const char *team,
                                  const char *opponent, int points, uint64_t position)
{
    struct window_line line = {.position = position,
                               .date = date,
                               .points = (uint8_t)points,
                               .minutes = 20,
                               .fga = 10,
                               .fta = 4,
                               .turnovers = 1,
                               .offensive_rebounds = 2,
                               .played = 1};
    career_game(line.game_id, game);
    career_code(line.team, team);
    career_code(line.opponent, opponent);
    return line;
}

static void add(int64_t player, int32_t date, const char *game, const char *team,
                const char *opponent, int points)
{
    struct window_line line = line_of(date, game, team, opponent, points, 7);
    assert_int_equal(career_add(txn, player, "Someone", &line), 0);
}

static void stage(const char *import_id, int64_t player, int32_t date, const char *game, int points,
                  uint64_t position)
{
    struct window_line line = line_of(date, game, "AAA", "BBB", points, position);
    assert_int_equal(career_stage_line(txn, import_id, &line, player, "As Played"), 0);
}

static size_t lines_of(int64_t player, int32_t date, struct window_line *lines, int64_t *career)
{
    size_t count;
    assert_int_equal(career_lines(txn, player, date, lines, &count, career), 0);
    return count;
}

static void points_are(int64_t player, int32_t date, const char *expected)
{
    struct window_line lines[WINDOW_LINES_MAX];
    char text[1024] = "";
    int64_t career;
    size_t count = lines_of(player, date, lines, &career);
    assert_int_equal(count, career);
    for (size_t i = 0; i < count; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%d ", lines[i].points);
    }
    assert_string_equal(text, expected);
}

static void test_staged_is_not_visible(void **state)
{
    (void)state;
    int64_t moved;
    stage("one", 5, 20241101, "g2", 20, 11);
    stage("one", 5, 20241030, "g1", 10, 12);
    stage("one", 6, 20241030, "g1", 30, 13);
    points_are(5, 20251117, "");
    assert_int_equal(career_stage_name(txn, "one", 5, "In The List"), 0);
    assert_int_equal(career_commit(txn, "one", &moved), 0);
    assert_int_equal(moved, 3);
    points_are(5, 20251117, "10 20 ");
    points_are(5, 20241101, "10 "); /* strictly before */
    points_are(5, 20241030, "");
    struct career_player player;
    assert_int_equal(career_player(txn, 5, &player), 0);
    assert_string_equal(player.name, "In The List");
    assert_int_equal(player.last_date, 20241101);
    assert_int_equal(career_player(txn, 6, &player), 0);
    assert_string_equal(player.name, "As Played");
    assert_int_equal(career_commit(txn, "one", &moved), 0);
    assert_int_equal(moved, 0);
}

static void test_a_dead_import_leaves_nothing(void **state)
{
    (void)state;
    int64_t moved;
    stage("dead", 5, 20241101, "g2", 20, 11);
    stage("next", 6, 20241101, "g2", 30, 12);
    assert_int_equal(career_commit(txn, "next", &moved), 0);
    assert_int_equal(moved, 1);
    points_are(5, 20251117, "");
    points_are(6, 20251117, "30 ");
    stage("dead", 5, 20241101, "g2", 20, 13);
    assert_int_equal(career_commit(txn, "other", &moved), 0);
    assert_int_equal(moved, 0);
    points_are(5, 20251117, "");
}

/* The team's games before `date`, oldest first, as everyone asks for them: the newest `most`. */
static size_t team_games(const char *team, int32_t date, struct window_team *games, size_t most)
{
    const struct league_team *found;
    char code[4];
    career_code(code, team);
    struct league *league = league_new(txn);
    assert_non_null(league);
    assert_int_equal(league_team(league, code, &found), 0);
    size_t count = league_games_before(found, date), take = count < most ? count : most;
    for (size_t i = 0; i < take; i++)
        games[i] = found->games[count - take + i];
    league_free(&league);
    return take;
}

/* Its sums in one game. */
static struct window_team team_game(const char *team, const char *id)
{
    struct window_team games[16];
    char game_id[16];
    career_game(game_id, id);
    size_t count = team_games(team, 20991231, games, 16);
    for (size_t i = 0; i < count; i++)
        if (memcmp(games[i].game_id, game_id, sizeof game_id) == 0)
            return games[i];
    fail_msg("%s has no game %s", team, id);
    return games[0];
}

static void test_sent_twice_counts_once(void **state)
{
    (void)state;
    int64_t moved;
    struct window_team game;
    stage("one", 5, 20241101, "g2", 20, 11);
    stage("one", 5, 20241101, "g2", 21, 12);
    assert_int_equal(career_commit(txn, "one", &moved), 0);
    points_are(5, 20251117, "21 ");
    game = team_game("AAA", "g2");
    assert_int_equal(game.own.points, 21);
    assert_int_equal(game.own.fga, 10);
}

static void team_is(const char *team, const char *id, int points, int allowed, int minutes)
{
    struct window_team game = team_game(team, id);
    assert_int_equal(game.own.points, points);
    assert_int_equal(game.other.points, allowed);
    assert_int_equal(game.own.minutes, minutes);
}

static void test_sums_of_teams(void **state)
{
    (void)state;
    add(1, 20251101, "g1", "AAA", "BBB", 20);
    add(2, 20251101, "g1", "AAA", "BBB", 15);
    add(3, 20251101, "g1", "BBB", "AAA", 30);
    team_is("AAA", "g1", 35, 30, 40);
    team_is("BBB", "g1", 30, 35, 20);
    add(2, 20251101, "g1", "AAA", "BBB", 11); /* corrected downwards */
    team_is("AAA", "g1", 31, 30, 40);
    team_is("BBB", "g1", 30, 31, 20);
    struct window_line gone = line_of(20251101, "g1", "AAA", "BBB", 0, 9);
    gone.played = 0;
    assert_int_equal(career_add(txn, 2, "Someone", &gone), 0);
    team_is("AAA", "g1", 20, 30, 20);
    points_are(2, 20251117, "");
    struct window_team games[4];
    assert_int_equal(team_games("AAA", 20251101, games, 4), 0);
    assert_int_equal(team_games("AAA", 20251102, games, 4), 1);
}

static void test_team_windows_cross_seasons(void **state)
{
    (void)state;
    struct window_team games[3];
    add(1, 20250410, "g1", "AAA", "BBB", 1);
    add(1, 20250412, "g2", "AAA", "BBB", 2);
    add(1, 20251021, "g3", "AAA", "BBB", 3);
    add(1, 20251023, "g4", "AAA", "BBB", 4);
    assert_int_equal(team_games("AAA", 20251117, games, 3), 3);
    assert_int_equal(games[0].own.points, 2);
    assert_int_equal(games[1].own.points, 3);
    assert_int_equal(games[2].own.points, 4);
}

static void test_long_careers(void **state)
{
    (void)state;
    struct window_line lines[WINDOW_LINES_MAX];
    int64_t career;
    int expected = 0;
    for (int season = 2022; season <= 2025; season++) {
        int32_t date = season * 10000 + 1101;
        for (int i = 0; i < 50; i++) {
            char game[16];
            snprintf(game, sizeof game, "%d-%d", season, i);
            add(4, date, game, "AAA", "BBB", i);
            date = clock_date_add(date, 2);
            expected++;
        }
    }
    size_t count = lines_of(4, 20260601, lines, &career);
    assert_int_equal(career, expected);
    assert_int_equal(count, 200);
    for (size_t i = 1; i < count; i++) {
        assert_true(window_order(lines[i - 1].date, lines[i - 1].game_id, lines[i].date,
                                 lines[i].game_id) < 0);
    }
    assert_int_equal(lines_of(4, 20251101, lines, &career), 150);
    assert_int_equal(career, 150);
    assert_int_equal(lines_of(4, 20200101, lines, &career), 0);
    assert_int_equal(career, 0);
}

static const char *roster_of(int32_t date)
{
    static char text[256];
    struct career_member members[16];
    size_t count;
    char home[4], away[4];
    career_code(home, "AAA");
    career_code(away, "BBB");
    assert_int_equal(career_roster(txn, home, away, date, 30, members, 16, &count), 0);
    text[0] = 0;
    for (size_t i = 0; i < count; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%lld%.4s ",
                 (long long)members[i].player_id, members[i].team);
    }
    return text;
}

static void test_roster(void **state)
{
    (void)state;
    add(3, 20251021, "a", "AAA", "BBB", 1);
    add(1, 20251115, "b", "AAA", "CCC", 1);
    add(2, 20251115, "c", "CCC", "AAA", 1); /* another team */
    add(5, 20251105, "d", "BBB", "CCC", 1);
    add(5, 20251116, "e", "CCC", "BBB", 1); /* traded away */
    add(6, 20251117, "f", "CCC", "DDD", 1); /* newer than the game: what was before counts */
    add(6, 20251110, "g", "BBB", "DDD", 1);
    add(7, 20250401, "h", "AAA", "DDD", 1);  /* last season */
    add(8, 20240401, "i", "AAA", "DDD", 1);  /* and long ago */
    add(-9, 20251115, "j", "AAA", "CCC", 1); /* nobody knows who */
    assert_string_equal(roster_of(20251117), "1AAA 3AAA 6BBB ");
    assert_string_equal(roster_of(20251201), "1AAA ");
    assert_string_equal(roster_of(20251112), "3AAA 5BBB 6BBB ");
    assert_string_equal(roster_of(20251021), "7AAA "); /* the season's first day */
    assert_string_equal(roster_of(20251031), "3AAA 7AAA ");
    assert_string_equal(roster_of(20251101), "3AAA "); /* not so young any more */
}

static void test_names(void **state)
{
    (void)state;
    struct career_player player;
    assert_int_equal(career_name(txn, 1, ""), 0);
    assert_int_equal(career_player(txn, 1, &player), STORE_NOT_FOUND);
    assert_int_equal(career_name(txn, 1, "First"), 0);
    assert_int_equal(career_name(txn, 1, "Second"), 0);
    assert_int_equal(career_player(txn, 1, &player), 0);
    assert_string_equal(player.name, "First");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_staged_is_not_visible),
        TEST(test_a_dead_import_leaves_nothing),
        TEST(test_sent_twice_counts_once),
        TEST(test_sums_of_teams),
        TEST(test_team_windows_cross_seasons),
        TEST(test_long_careers),
        TEST(test_roster),
        TEST(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
