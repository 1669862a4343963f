/* The simulated league: the same bytes for the same seed, and nothing in it that a real season could not hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/clock.h"
#include "config/log.h"
#include "schema/hash.h"
#include "sim/league.h"
#include "sim/random.h"
#include "sim/root.h"
#include "sim/spelling.h"
#include "sim/table.h"

#define WHY_SIZE 256

static char folder[64]; /* of this test; league/ in it is made from seed 7 */
static char league[80];

static int make_folder(void **state)
{
    (void)state;
    char why[WHY_SIZE];
    snprintf(folder, sizeof folder, "/tmp/tipoff-league.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(league, sizeof league, "%s/league", folder);
    return league_ensure(league, 7, LEAGUE_DEMO_DATE, LEAGUE_DEMO_DATE, why, sizeof why) == 1 ? 0
                                                                                              : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static void hash_file(const char *root, const char *name, char hash[HASH_HEX_SIZE])
{
    char path[256];
    static char bytes[4 << 20];
    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *in = fopen(path, "re");
    assert_non_null(in);
    size_t size = fread(bytes, 1, sizeof bytes, in);
    assert_true(size > 0 && size < sizeof bytes);
    fclose(in);
    hash_sha256_hex(bytes, size, hash);
}

static void test_random_is_the_same_everywhere(void **state)
{
    (void)state;
    struct random random = random_of(1, "test", 2);
    static const int expected[] = {537, 182, 632, 642, 695, 93, 481, 524};
    int counts[3] = {0};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_int_equal(random_below(&random, 1000), expected[i]);
    }
    for (int i = 0; i < 6000; i++) {
        counts[random_pick(&random, (const int[]){1, 0, 2}, 3)]++;
    }
    assert_true(counts[0] > 1800 && counts[0] < 2200 && counts[1] == 0);
    assert_int_equal(random_pick(&random, (const int[]){0, 0}, 2), -1);
}

static void test_spelling(void **state)
{
    (void)state;
    char text[64];
    spelling_write("Luka Dončić", "ascii", text, sizeof text);
    assert_string_equal(text, "Luka Doncic");
    spelling_write("Théo", "decomposed", text, sizeof text);
    assert_string_equal(text, "The\u0301o");
    spelling_write("Théo", "upper", text, sizeof text);
    assert_string_equal(text, "THéO");
    spelling_key("Nikola O'Farrell-Žukauskas III", text, sizeof text);
    assert_string_equal(text, "nikola ofarrell zukauskas");
}

static void test_same_seed_same_bytes(void **state)
{
    (void)state;
    static const char *const names[] = {"teams.csv",
                                        "players.csv",
                                        "games/2025-26.csv.gz",
                                        "player_games/2025-26.csv.gz",
                                        "props_points/2025-26.csv.gz",
                                        "absent.csv.gz",
                                        "replay/2026-01-14/events.csv.gz",
                                        "replay/2026-01-14/games.csv"};
    char again[96], other[96], why[WHY_SIZE], a[HASH_HEX_SIZE], b[HASH_HEX_SIZE];
    snprintf(again, sizeof again, "%s/again", folder);
    snprintf(other, sizeof other, "%s/other", folder);
    assert_int_equal(mkdir(again, 0755) | mkdir(other, 0755), 0);
    assert_int_equal(league_generate(again, 7, LEAGUE_DEMO_DATE, LEAGUE_DEMO_DATE, why, sizeof why),
                     0);
    assert_int_equal(league_generate(other, 8, LEAGUE_DEMO_DATE, LEAGUE_DEMO_DATE, why, sizeof why),
                     0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        hash_file(league, names[i], a);
        hash_file(again, names[i], b);
        assert_string_equal(a, b);
        hash_file(other, names[i], b);
        assert_true(strcmp(names[i], "teams.csv") == 0 || strcmp(a, b) != 0);
    }
}

static void test_made_once(void **state)
{
    (void)state;
    char why[WHY_SIZE], copy[96], torn[128];
    assert_int_equal(league_ensure(league, 7, LEAGUE_DEMO_DATE, LEAGUE_DEMO_DATE, why, sizeof why),
                     0);
    snprintf(copy, sizeof copy, "%s/twice", folder);
    assert_int_equal(league_ensure(copy, 9, LEAGUE_DEMO_DATE, LEAGUE_DEMO_DATE, why, sizeof why),
                     1);
    assert_int_equal(league_ensure(copy, 10, LEAGUE_DEMO_DATE, LEAGUE_DEMO_DATE, why, sizeof why),
                     1);
    assert_int_equal(league_ensure(copy, 10, LEAGUE_DEMO_DATE, LEAGUE_DEMO_DATE, why, sizeof why),
                     0);
    snprintf(torn, sizeof torn, "%s/league.stamp",
             copy); /* without its stamp nothing in it is trusted */
    assert_int_equal(unlink(torn), 0);
    assert_int_equal(league_ensure(copy, 10, LEAGUE_DEMO_DATE, LEAGUE_DEMO_DATE, why, sizeof why),
                     1);
}

/* ---- what a box score must hold ---- */

struct sums {
    char key[24];
    int points, seconds, plus_minus, starters;
};

static void test_box_scores_add_up(void **state)
{
    (void)state;
    enum {
        GAME,
        TEAM,
        PTS,
        FGM,
        FGA,
        FG3M,
        FG3A,
        FTM,
        FTA,
        OREB,
        DREB,
        REB,
        SEC,
        PLUS_MINUS,
        STARTER
    };
    static const char *const columns[] = {
        "game_id", "team", "pts",  "fgm", "fga", "fg3m",       "fg3a",    "ftm",
        "fta",     "oreb", "dreb", "reb", "sec", "plus_minus", "starter", NULL};
    static const char *const game_columns[] = {"game_id",  "home",    "away",   "home_pts",
                                               "away_pts", "periods", "status", NULL};
    static struct sums sums[2048];
    char why[WHY_SIZE], key[24];
    int count = 0, rows = 0, finals = 0;
    struct table *table = table_open(league, "player_games/2025-26.csv", columns, why, sizeof why);
    assert_non_null(table);
    while (table_next(table)) {
        int n[STARTER + 1];
        for (int i = PTS; i <= STARTER; i++) {
            n[i] = (int)table_int(table, i, -9999);
        }
        assert_int_equal(n[PTS], 2 * n[FGM] + n[FG3M] + n[FTM]);
        assert_int_equal(n[REB], n[OREB] + n[DREB]);
        assert_true(n[FGM] <= n[FGA] && n[FG3M] <= n[FG3A] && n[FG3A] <= n[FGA] &&
                    n[FTM] <= n[FTA]);
        snprintf(key, sizeof key, "%s %s", table_text(table, GAME), table_text(table, TEAM));
        int at = count - 1;
        while (at >= 0 && strcmp(sums[at].key, key) != 0) {
            at--;
        }
        at = at < 0 ? count++ : at;
        strcpy(sums[at].key, key);
        sums[at].points += n[PTS];
        sums[at].seconds += n[SEC];
        sums[at].plus_minus += n[PLUS_MINUS];
        sums[at].starters += n[STARTER];
        rows++;
    }
    table_close(&table);
    assert_true(rows > 8000);
    table = table_open(league, "games/2025-26.csv", game_columns, why, sizeof why);
    assert_non_null(table);
    while (table_next(table)) {
        if (strcmp(table_text(table, 6), "final") != 0) {
            continue;
        }
        int points[2] = {(int)table_int(table, 3, -1), (int)table_int(table, 4, -1)};
        int seconds = 5 * (2880 + 300 * ((int)table_int(table, 5, 0) - 4));
        assert_int_not_equal(points[0], points[1]);
        for (int side = 0; side < 2; side++) {
            snprintf(key, sizeof key, "%s %s", table_text(table, 0), table_text(table, 1 + side));
            int at = 0;
            while (at < count && strcmp(sums[at].key, key) != 0) {
                at++;
            }
            assert_true(at < count);
            assert_int_equal(sums[at].points, points[side]);
            assert_int_equal(sums[at].seconds, seconds);
            assert_int_equal(sums[at].plus_minus, 5 * (points[side] - points[1 - side]));
            assert_int_equal(sums[at].starters, 5);
        }
        finals++;
    }
    table_close(&table);
    assert_int_equal(2 * finals, count);
    assert_true(finals > 300);
}

/* The demo night is read as a recorded one would be: every lineup told, every game with lines that move and close. */
static void test_the_night_loads(void **state)
{
    (void)state;
    char why[WHY_SIZE];
    struct root *root = root_load(league, LEAGUE_DEMO_DATE, why, sizeof why);
    struct night_state end;
    int moved = 0, without_bdl = 0;
    assert_non_null(root);
    assert_int_equal(root->game_count, 7);
    for (int g = 0; g < root->game_count; g++) {
        struct night_game *game = &root->games[g];
        assert_int_equal(night_game_prepare(game), 0);
        night_game_state(game, game->end_us, &end);
        assert_int_equal(end.status, NIGHT_FINAL);
        assert_true(game->odds_count > 200);
        int64_t first_us = game->odds[0].snapshot_us,
                last_us = game->odds[game->odds_count - 1].snapshot_us;
        assert_true(last_us == game->tip_us - 10 * INT64_C(60000000));
        assert_true(game->tip_us - first_us > 6 * INT64_C(3600000000));
        for (size_t i = 0; i < game->odds_count; i++) {
            const struct night_odds *a = &game->odds[i];
            for (size_t k = 0; a->main && k < i; k++) {
                const struct night_odds *b = &game->odds[k];
                moved += b->main && b->book == a->book && b->player_id == a->player_id &&
                         b->line != a->line;
            }
        }
        for (int m = 0; m < game->roster_count; m++) {
            without_bdl += root->players[game->roster[m].player].bdl_id >= ROOT_STAND_IN_PLAYER;
        }
    }
    assert_true(moved > 100);
    assert_true(without_bdl > 5);
    assert_true(root->games[6].end_us > clock_date_start_us(20260115)); /* past midnight */
    root_free(&root);
}

static void test_namesakes_and_accents(void **state)
{
    (void)state;
    static const char *const columns[] = {"player_name", "name_key", NULL};
    char why[WHY_SIZE];
    int namesakes = 0, accents = 0;
    struct table *table = table_open(league, "players.csv", columns, why, sizeof why);
    assert_non_null(table);
    while (table_next(table)) {
        const char *key = table_text(table, 1);
        assert_int_equal(strspn(key, "abcdefghijklmnopqrstuvwxyz "), strlen(key));
        namesakes += strcmp(key, "theo marchand") == 0;
        for (const char *c = table_text(table, 0); *c != '\0'; c++) {
            accents += (*c & 0xc0) == 0xc0;
        }
    }
    table_close(&table);
    assert_int_equal(namesakes, 2);
    assert_true(accents > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_is_the_same_everywhere),
        cmocka_unit_test(test_spelling),
        cmocka_unit_test(test_same_seed_same_bytes),
        cmocka_unit_test(test_made_once),
        cmocka_unit_test(test_box_scores_add_up),
        cmocka_unit_test(test_the_night_loads),
        cmocka_unit_test(test_namesakes_and_accents),
    };
    log_init("test", LOG_LEVEL_WARN, 0);
    clock_zone_set("America/New_York");
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
