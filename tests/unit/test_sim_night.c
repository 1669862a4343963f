/* The box score of a game at any instant, from its events: by hand, and against the recorded nights. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/clock.h"
#include "config/log.h"
#include "sim/night.h"
#include "sim/root.h"
#include "sim/table.h"

#define MINUTE INT64_C(60000000)

/* ---- a game by hand: members 0..5 at home, 6..11 away, the last of each on the bench ---- */

static struct night_event events[64];
static struct night_game game;

static void add(int period, double elapsed_s, int member, enum night_event_type type, int home,
                int away)
{
    struct night_event *event = &events[game.event_count++];
    *event = (struct night_event){.est_us = night_wall_us(0, period, elapsed_s),
                                  .elapsed_s = elapsed_s,
                                  .period = period,
                                  .member = member,
                                  .side = member >= 6 ? NIGHT_AWAY : NIGHT_HOME,
                                  .type = type,
                                  .score = {home, away}};
}

static void everyone_rebounds(int period, double elapsed_s, int home, int away)
{
    for (int i = 0; i < 5; i++) {
        add(period, elapsed_s, i, NIGHT_DREB, home, away);
        add(period, elapsed_s, 6 + i, NIGHT_DREB, home, away);
    }
}

static void set_game(void)
{
    memset(&game, 0, sizeof game);
    game.events = events;
    game.start_us = 0;
    game.roster_count = 12;
    for (int i = 0; i < 12; i++) {
        game.roster[i] = (struct night_member){
            .player = i, .side = i >= 6 ? NIGHT_AWAY : NIGHT_HOME, .appears = true};
    }
    add(1, 60, 0, NIGHT_FG3_MADE, 3, 0);
    add(1, 60, 1, NIGHT_ASSIST, 3, 0);
    everyone_rebounds(1, 120, 3, 0);
    add(1, 360, 6, NIGHT_FOUL, 3, 0);
    add(1, 360, 5, NIGHT_SUB_IN, 3, 0);
    add(1, 360, 0, NIGHT_SUB_OUT, 3, 0);
    add(1, 360, 1, NIGHT_FT_MADE, 4, 0);
    add(1, 700, 7, NIGHT_FG2_MADE, 4, 2);
    everyone_rebounds(2, 800, 4, 2);
    add(4, 2880, 7, NIGHT_FG2_MISS, 4, 2);
}

static void test_timeline(void **state)
{
    (void)state;
    assert_int_equal(night_period_end_us(0, 1), 27 * MINUTE);
    assert_int_equal(night_period_start_us(0, 2), 27 * MINUTE + MINUTE * 5 / 2);
    assert_int_equal(night_period_start_us(0, 3), MINUTE * 147 / 2);
    assert_int_equal(night_period_end_us(0, 4), 136 * MINUTE);
    assert_int_equal(night_period_end_us(0, 5), 136 * MINUTE + MINUTE * 35 / 2);
    assert_true(night_period_base_s(6) == 3180.0);
}

static void test_status_through_the_game(void **state)
{
    (void)state;
    static const struct {
        int64_t at;
        enum night_status status;
        int period;
    } cases[] = {{-1, NIGHT_SCHEDULED, 0},         {0, NIGHT_PLAYING, 1},
                 {27 * MINUTE, NIGHT_PLAYING, 1},  {27 * MINUTE + 1, NIGHT_BREAK, 1},
                 {30 * MINUTE, NIGHT_PLAYING, 2},  {59 * MINUTE, NIGHT_HALFTIME, 2},
                 {84 * MINUTE, NIGHT_PLAYING, 3},  {102 * MINUTE, NIGHT_BREAK, 3},
                 {136 * MINUTE, NIGHT_PLAYING, 4}, {136 * MINUTE + 1, NIGHT_FINAL, 4}};
    struct night_state now;
    set_game();
    night_game_prepare(&game);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        night_game_state(&game, cases[i].at, &now);
        assert_int_equal(now.status, cases[i].status);
        assert_int_equal(now.period, cases[i].period);
    }
}

static void test_lineups_seconds_and_plus_minus(void **state)
{
    (void)state;
    struct night_state now;
    set_game();
    game.event_count -=
        1; /* the last shot: then nothing tells who played the second half, but who stood there before */
    assert_int_equal(night_game_prepare(&game), 0);
    assert_true(game.roster[0].starter && !game.roster[5].starter && game.roster[6].starter);
    night_game_state(&game, night_wall_us(0, 1, 180), &now);
    assert_true(now.stat[0].on_court && now.stat[0].seconds > 179.9 && now.stat[0].seconds < 180.1);
    assert_false(now.stat[5].came_in);
    assert_int_equal(now.stat[0].pts, 3);
    assert_int_equal(now.stat[0].plus_minus, 3);
    assert_int_equal(now.stat[6].plus_minus, -3);
    night_game_state(&game, 27 * MINUTE, &now);
    assert_true(now.stat[0].seconds == 360 && now.stat[5].seconds == 360 &&
                now.stat[1].seconds == 720);
    /* the free throw counts for him who went out before it was shot, not for him who came */
    assert_int_equal(now.stat[0].plus_minus, 4);
    assert_int_equal(now.stat[5].plus_minus, -2);
    assert_int_equal(now.by_period[NIGHT_HOME][0], 4);
    assert_int_equal(now.by_period[NIGHT_AWAY][0], 2);
    assert_int_equal(now.stat[6].pf, 1);
}

static void test_an_unclear_lineup_is_counted(void **state)
{
    (void)state;
    set_game();
    game.event_count = 2; /* only two of home, nobody of away, ever did anything */
    assert_int_equal(night_game_prepare(&game), 8);
}

/* ---- recorded nights ---- */

static struct root *load(int32_t date)
{
    char why[256];
    const char *data = getenv("TIPOFF_DATA");
    if (data == NULL) {
        skip();
    }
    struct root *root = root_load(data, date, why, sizeof why);
    if (root == NULL) {
        fail_msg("%s", why);
    }
    return root;
}

static struct night_game *game_of(struct root *root, const char *id)
{
    for (int i = 0; i < root->game_count; i++) {
        if (strcmp(root->games[i].id, id) == 0) {
            return &root->games[i];
        }
    }
    fail_msg("no game %s", id);
    return NULL;
}

static int member_of(const struct root *root, const struct night_game *of, int64_t player)
{
    for (int i = 0; i < of->roster_count; i++) {
        if (root->players[of->roster[i].player].id == player) {
            return i;
        }
    }
    fail_msg("game %s: player %lld is missing", of->id, (long long)player);
    return -1;
}

#define COUNTS(X)                                                                                  \
    X(pts)                                                                                         \
    X(fgm) X(fga) X(fg3m) X(fg3a) X(ftm) X(fta) X(oreb) X(dreb) X(ast) X(stl) X(blk) X(tov) X(pf)
#define COUNT_ID(name) C_##name,
#define COUNT_NAME(name) #name,
#define COUNT_CHECK(name) assert_int_equal(stat->name, table_int(table, C_##name, -1));

/* Every poll of the recorded night says what the events say at that instant. */
static void test_equals_the_recorded_snapshots(void **state)
{
    (void)state;
    enum {
        COUNTS(COUNT_ID) POLL,
        GAME,
        STATUS,
        PERIOD,
        CLOCK,
        HOME,
        AWAY,
        PLAYER,
        STARTER,
        ON_COURT,
        MIN,
        PLUS_MINUS
    };
    static const char *const columns[] = {COUNTS(COUNT_NAME) "poll_utc",
                                          "game_id",
                                          "status",
                                          "period",
                                          "clock",
                                          "home_score",
                                          "away_score",
                                          "player_id",
                                          "starter",
                                          "on_court",
                                          "min",
                                          "plus_minus",
                                          NULL};
    struct root *root = load(20251117);
    char why[256], clock[16];
    struct table *table = table_open(getenv("TIPOFF_DATA"), "replay/2025-11-17/snapshots.csv",
                                     columns, why, sizeof why);
    struct night_state now;
    int rows = 0;
    assert_non_null(table);
    while (table_next(table)) {
        struct night_game *of = game_of(root, table_text(table, GAME));
        night_game_state(of, table_time_us(table, POLL), &now);
        const struct night_stat *stat = &now.stat[member_of(root, of, table_int(table, PLAYER, 0))];
        assert_string_equal(night_status_name(now.status), table_text(table, STATUS));
        assert_int_equal(now.period, table_int(table, PERIOD, -1));
        snprintf(clock, sizeof clock, "%d:%02d", (int)now.clock_s / 60, (int)now.clock_s % 60);
        assert_string_equal(clock, table_text(table, CLOCK));
        assert_int_equal(now.score[NIGHT_HOME], table_int(table, HOME, -1));
        assert_int_equal(now.score[NIGHT_AWAY], table_int(table, AWAY, -1));
        assert_int_equal((int)stat->seconds / 60, table_int(table, MIN, -1));
        assert_int_equal(stat->plus_minus, table_int(table, PLUS_MINUS, -999));
        if (now.clock_s > 0) { /* at 0:00 the recording has the five of the next period */
            assert_int_equal(stat->on_court, table_int(table, ON_COURT, -1));
        }
        COUNTS(COUNT_CHECK)
        rows++;
    }
    assert_int_equal(rows, 8379);
    table_close(&table);
    root_free(&root);
}

static int plus_minus_unsure(const char *date, const char *id)
{
    static const char *const columns[] = {"game_id", "plus_minus_mismatch", NULL};
    char name[48], why[256];
    int unsure = -1;
    snprintf(name, sizeof name, "replay/%s/games.csv", date);
    struct table *table = table_open(getenv("TIPOFF_DATA"), name, columns, why, sizeof why);
    assert_non_null(table);
    while (table_next(table)) {
        unsure = strcmp(table_text(table, 0), id) == 0 ? (int)table_int(table, 1, -1) : unsure;
    }
    table_close(&table);
    assert_true(unsure >= 0);
    return unsure;
}

static int check_official_rows(struct root *root, const char *date)
{
    enum { COUNTS(COUNT_ID) GAME, PLAYER, MIN, SEC, STARTER, PLUS_MINUS };
    static const char *const columns[] = {
        COUNTS(COUNT_NAME) "game_id", "player_id", "min", "sec", "starter", "plus_minus", NULL};
    char why[256], unsure_of[16] = "";
    struct night_state now;
    int rows = 0, unsure = 0;
    struct table *table = table_open(
        getenv("TIPOFF_DATA"), "player_games/2025-26_to_2025-11-17.csv", columns, why, sizeof why);
    assert_non_null(table);
    while (table_next(table)) {
        struct night_game *of = NULL;
        for (int i = 0; i < root->game_count; i++) {
            of = strcmp(root->games[i].id, table_text(table, GAME)) == 0 ? &root->games[i] : of;
        }
        if (of == NULL) {
            continue;
        }
        if (strcmp(unsure_of, of->id) != 0) {
            strcpy(unsure_of, of->id);
            unsure = plus_minus_unsure(date, of->id);
        }
        int member = member_of(root, of, table_int(table, PLAYER, 0));
        night_game_state(of, of->end_us, &now);
        const struct night_stat *stat = &now.stat[member];
        assert_int_equal(now.status, NIGHT_FINAL);
        assert_true(stat->came_in);
        assert_true(labs((long)(stat->seconds / 60 + 0.5) - table_int(table, MIN, -9)) <= 1);
        if (table_text(table, STARTER)[0] != '\0') {
            assert_int_equal(of->roster[member].starter, table_int(table, STARTER, -1));
        }
        if (unsure == 0) {
            assert_int_equal(stat->plus_minus, table_int(table, PLUS_MINUS, -999));
        }
        COUNTS(COUNT_CHECK)
        rows++;
    }
    table_close(&table);
    return rows;
}

static void test_finals_are_the_official_box_scores(void **state)
{
    (void)state;
    static const struct {
        int32_t date;
        const char *name;
        int games, players;
    } nights[] = {{20251105, "2025-11-05", 11, 246},
                  {20251109, "2025-11-09", 7, 157},
                  {20251116, "2025-11-16", 8, 168},
                  {20251117, "2025-11-17", 8, 171}};
    for (size_t i = 0; i < sizeof nights / sizeof *nights; i++) {
        struct root *root = load(nights[i].date);
        int came_in = 0;
        struct night_state now;
        assert_int_equal(root->game_count, nights[i].games);
        assert_int_equal(check_official_rows(root, nights[i].name), nights[i].players);
        for (int g = 0; g < root->game_count; g++) { /* and nobody else came in */
            night_game_state(&root->games[g], root->games[g].end_us, &now);
            for (int m = 0; m < root->games[g].roster_count; m++) {
                came_in += now.stat[m].came_in;
            }
        }
        assert_int_equal(came_in, nights[i].players);
        root_free(&root);
    }
}

static void test_ids_are_not_the_leagues(void **state)
{
    (void)state;
    struct root *root = load(20251117);
    int stand_ins = 0, never_in = 0, listed = 0;
    for (int g = 0; g < root->game_count; g++) {
        const struct night_game *of = &root->games[g];
        assert_true(of->bdl_id >= ROOT_STAND_IN_GAME && of->bdl_id < ROOT_STAND_IN_GAME + 900000);
        for (int m = 0; m < of->roster_count; m++) {
            const struct night_player *player = &root->players[of->roster[m].player];
            assert_int_not_equal(player->bdl_id, player->id);
            stand_ins += of->roster[m].appears && player->bdl_id >= ROOT_STAND_IN_PLAYER &&
                         player->bdl_id < ROOT_STAND_IN_PLAYER + 90000000;
            never_in += !of->roster[m].appears;
            listed++;
        }
    }
    assert_int_equal(stand_ins, 29);
    assert_int_equal(listed - never_in, 171);
    assert_true(never_in * 100 >= 25 * listed && never_in * 100 <= 45 * listed);
    root_free(&root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timeline),
        cmocka_unit_test(test_status_through_the_game),
        cmocka_unit_test(test_lineups_seconds_and_plus_minus),
        cmocka_unit_test(test_an_unclear_lineup_is_counted),
        cmocka_unit_test(test_equals_the_recorded_snapshots),
        cmocka_unit_test(test_finals_are_the_official_box_scores),
        cmocka_unit_test(test_ids_are_not_the_leagues),
    };
    log_init("test", LOG_LEVEL_WARN, 0);
    clock_zone_set("America/New_York");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
