/* Features of games of the past: nothing that comes later is in them, however history came to be what it is. A made-up league; every
 * comparison is bit for bit. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "actors/features/career.h"
#include "actors/features/game.h"
#include "actors/features/past.h"
#include "config/clock.h"
#include "schema/messages.h"

enum { TEAMS = 6, SQUAD = 9, DAYS = 70, LINES_MAX = DAYS * TEAMS * SQUAD };
#define FIRST_DAY 20241022
#define CUT_DAY 20241210

static char dir[] = "/tmp/test_past.XXXXXX";
static struct store *store;
static struct store_txn *txn;

static uint32_t state_of_dice;
static int dice(int sides)
{
    state_of_dice = state_of_dice * 1664525u + 1013904223u;
    return (int)((state_of_dice >> 8) % (uint32_t)sides);
}

struct made {
    int64_t player_id;
    struct window_line line;
};
static struct made lines[LINES_MAX];
static size_t line_count;

static void open_store(void)
{
    char path[64];
    struct store_options options = {.map_bytes = (size_t)64 << 20, .scratch = true};
    strcpy(dir + strlen(dir) - 6, "XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/env", dir);
    assert_int_equal(store_open(&store, path, &options), 0);
    assert_int_equal(store_begin(store, true, &txn), 0);
    for (int team = 0; team < TEAMS; team++) {
        for (int i = 0; i < SQUAD; i++) {
            assert_int_equal(career_group(txn, 1 + team * SQUAD + i, (enum window_group)(i % 4)),
                             0);
        }
    }
}

static void close_store(void)
{
    char command[96];
    store_abort(&txn);
    store_close(&store);
    snprintf(command, sizeof command, "rm -r %s", dir);
    assert_int_equal(system(command), 0);
}

static struct window_line played(int32_t date, int day, int team, int other, bool home)
{
    struct window_line line = {.position = (uint64_t)(1 + day),
                               .date = date,
                               .minutes = (uint8_t)(5 + dice(35)),
                               .points = (uint8_t)dice(40),
                               .rebounds = (uint8_t)dice(12),
                               .assists = (uint8_t)dice(10),
                               .three_pointers_made = (uint8_t)dice(5),
                               .fgm = (uint8_t)dice(12),
                               .three_attempts = (uint8_t)(5 + dice(5)),
                               .fga = (uint8_t)(12 + dice(10)),
                               .fta = (uint8_t)(5 + dice(5)),
                               .ftm = (uint8_t)dice(6),
                               .turnovers = (uint8_t)dice(5),
                               .fouls = (uint8_t)dice(6),
                               .plus_minus = (int8_t)(dice(40) - 20),
                               .starter = WINDOW_NOT_KNOWN,
                               .home = home,
                               .played = 1};
    char text[16];
    snprintf(text, sizeof text, "00224%03d%d", day, team < other ? team : other);
    career_game(line.game_id, text);
    snprintf(text, sizeof text, "T%d", team);
    career_code(line.team, text);
    snprintf(text, sizeof text, "T%d", other);
    career_code(line.opponent, text);
    return line;
}

/* A season: every day some teams play, and some of their players. */
static void make_league(uint32_t seed)
{
    int32_t date = FIRST_DAY;
    line_count = 0;
    state_of_dice = seed;
    for (int day = 0; day < DAYS; day++, date = clock_date_add(date, 1)) {
        int shift = 1 + dice(TEAMS - 1);
        for (int team = 0; team < TEAMS; team++) {
            int other = (team + shift) % TEAMS;
            if (team > other || dice(3) == 0 || (team + shift * 2) % TEAMS == team) {
                continue;
            }
            for (int i = 0; i < 2 * SQUAD; i++) {
                int own = i < SQUAD ? team : other;
                if (dice(4) == 0 || line_count == LINES_MAX) {
                    continue; /* he did not play */
                }
                lines[line_count++] =
                    (struct made){1 + own * SQUAD + i % SQUAD,
                                  played(date, day, own, own == team ? other : team, own == team)};
            }
        }
    }
    assert_true(line_count > 1000);
}

static void add_line(const struct made *made)
{
    char name[24];
    snprintf(name, sizeof name, "Player %lld", (long long)made->player_id);
    assert_int_equal(career_add(txn, made->player_id, name, &made->line), 0);
}

static void put_prop(int32_t date, const char game_id[16], int64_t player_id, double line)
{
    struct msg_row_odds row;
    message_clear(&msg_row_odds_desc, &row);
    row.game_date = date;
    memcpy(row.game_id, game_id, 16);
    row.player_id = player_id;
    strcpy(row.player_name, "Someone");
    strcpy(row.market, "player_points");
    strcpy(row.book, "draftkings");
    row.line = line;
    row.over_price = -120;
    row.under_price = 100;
    row.main = row.offered = true;
    assert_int_equal(game_put_odds(txn, &row, 5), 0);
}

/* Bit for bit: what is not known is equal to what is not known. */
static bool same_value(float a, float b)
{
    return a == b || (isnan(a) && isnan(b));
}

static struct past build(unsigned jobs)
{
    struct past past;
    struct store_txn *txns[] = {txn};
    assert_int_equal(past_build(txns, 1, FIRST_DAY, CUT_DAY, jobs, NULL, NULL, &past), 0);
    assert_true(past.count > 500);
    return past;
}

static void assert_same(const struct past *a, const struct past *b, const char *when)
{
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        assert_int_equal(a->rows[i].player_id, b->rows[i].player_id);
        assert_string_equal(a->rows[i].game_id, b->rows[i].game_id);
        for (size_t j = 0; j < FEATURE_COUNT; j++) {
            if (!same_value(a->values[i * FEATURE_COUNT + j], b->values[i * FEATURE_COUNT + j])) {
                fail_msg("%s: %s of %lld in %s", when, feature_name((enum feature)j),
                         (long long)a->rows[i].player_id, a->rows[i].game_id);
            }
        }
    }
}

static void put_all(void)
{
    for (size_t i = 0; i < line_count; i++) {
        add_line(&lines[i]);
    }
    for (size_t i = 0; i < line_count; i += 7) {
        put_prop(lines[i].line.date, lines[i].line.game_id, lines[i].player_id, 12.5);
    }
}

/* Whatever happens after the day: the rows up to it do not change. */
static void test_later_rows(void **unused)
{
    (void)unused;
    for (uint32_t seed = 1; seed <= 3; seed++) {
        make_league(seed);
        open_store();
        put_all();
        struct past before = build(1);
        for (size_t i = 0; i < line_count; i++) {
            if (lines[i].line.date <= CUT_DAY) {
                continue;
            }
            struct made changed = lines[i];
            int what = dice(3);
            changed.line.points = (uint8_t)dice(60);
            changed.line.minutes = (uint8_t)dice(48);
            changed.line.played = what != 0; /* removed, or altered */
            if (what == 2) {                 /* and one more, of somebody else */
                changed.player_id += 1000;
                career_code(changed.line.team, "T9");
            }
            add_line(&changed);
            put_prop(changed.line.date, changed.line.game_id, changed.player_id, 33.5);
        }
        struct past after = build(1);
        assert_same(&before, &after, "later rows");
        past_free(&before);
        past_free(&after);
        close_store();
    }
}

/* The same of a row's own day: tonight's other games are not in it. */
static void test_own_day(void **unused)
{
    (void)unused;
    make_league(7);
    open_store();
    put_all();
    struct past before = build(1);
    for (size_t i = 0; i < line_count; i++) {
        struct made changed = lines[i];
        if (changed.line.date == CUT_DAY) {
            changed.line.points = (uint8_t)(changed.line.points + 30);
            changed.line.minutes = 1;
            add_line(&changed);
        }
    }
    struct past after = build(1);
    assert_same(&before, &after, "own day");
    past_free(&before);
    past_free(&after);
    close_store();
}

/* An earlier row does change them: the comparison above can fail. */
static void test_earlier_row(void **unused)
{
    size_t apart = 0;
    (void)unused;
    make_league(3);
    open_store();
    put_all();
    struct past before = build(1);
    struct made changed = lines[0];
    changed.line.points = (uint8_t)(changed.line.points + 5);
    add_line(&changed);
    struct past after = build(1);
    assert_int_equal(before.count, after.count);
    for (size_t i = 0; i < before.count * FEATURE_COUNT; i++) {
        apart += !same_value(before.values[i], after.values[i]);
    }
    assert_true(apart > 10);
    past_free(&before);
    past_free(&after);
    close_store();
}

/* One line at a time in any order, with mistakes that are put right, is the same as all at once; so is any number of processes. */
static void test_incremental(void **unused)
{
    int64_t moved;
    (void)unused;
    make_league(11);
    open_store();
    for (size_t i = 0; i < line_count; i++) {
        lines[i].line.position = 1000 + i; /* staged rows are kept by position */
        assert_int_equal(
            career_stage_line(txn, "all", &lines[i].line, lines[i].player_id, "Someone"), 0);
    }
    assert_int_equal(career_commit(txn, "all", &moved), 0);
    struct past at_once = build(1), by_two = build(2);
    assert_same(&at_once, &by_two, "two processes");
    close_store();

    open_store();
    for (size_t i = line_count; i > 1; i--) { /* shuffled */
        size_t j = (size_t)dice((int)i);
        struct made kept = lines[i - 1];
        lines[i - 1] = lines[j];
        lines[j] = kept;
    }
    for (size_t i = 0; i < line_count; i++) {
        struct made wrong = lines[i];
        if (dice(5) == 0) {
            wrong.line.points = 99;
            add_line(&wrong);
        }
        add_line(&lines[i]);
    }
    struct past by_line = build(1);
    assert_same(&at_once, &by_line, "line by line");
    past_free(&at_once);
    past_free(&by_two);
    past_free(&by_line);
    close_store();
}

static void test_lines(void **unused)
{
    size_t with = 0;
    (void)unused;
    make_league(5);
    open_store();
    put_all();
    struct past past = build(1);
    for (size_t i = 0; i < past.count; i++) {
        const struct past_row *row = &past.rows[i];
        bool known = !isnan(row->line);
        with += known;
        assert_int_equal(known, !isnan(past.values[i * FEATURE_COUNT + FEATURE_line]));
        if (known) {
            double over = 120.0 / 220, under = 0.5;
            assert_true(fabs(row->market - over / (over + under)) < 1e-9);
            assert_int_equal(row->books, 1);
        }
    }
    assert_true(with > 50 && with < past.count / 2);
    past_free(&past);
    close_store();
}

int main(void)
{
    messages_register();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_later_rows),  cmocka_unit_test(test_own_day),
        cmocka_unit_test(test_earlier_row), cmocka_unit_test(test_incremental),
        cmocka_unit_test(test_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
