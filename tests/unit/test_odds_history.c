/* Snapshots of lines beside each other: movement, consensus, best prices, prices without the margin. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "actors/scoreboard/odds_history.h"

static struct msg_row_odds rows[16];
static struct odds_point points[16];

static void quote(int at, int64_t snapshot, const char *book, double line, int64_t over,
                  int64_t under, bool main_line)
{
    message_clear(&msg_row_odds_desc, &rows[at]);
    strcpy(rows[at].game_id, "g");
    strcpy(rows[at].market, "player_points");
    strcpy(rows[at].book, book);
    rows[at].player_id = 7;
    rows[at].line = line;
    rows[at].over_price = over;
    rows[at].under_price = under;
    rows[at].main = main_line;
    rows[at].snapshot_at = snapshot;
    points[at] = (struct odds_point){.row = &rows[at]};
}

static const struct odds_point *point_of(int at, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (points[i].row == &rows[at])
            return &points[i];
    return NULL;
}

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-9;
}

static void test_movement(void **state)
{
    (void)state;
    quote(0, 30, "a", 25.5, -110, -110, true); /* not in order: they are sorted */
    quote(1, 10, "a", 24.5, -110, -110, true);
    quote(2, 20, "a", 24.5, -120, 100, true);
    quote(3, 40, "a", 25.5, -110, -110, true);
    quote(4, 40, "a", 29.5, 200, -250, false); /* an alternate line moves nothing */
    odds_history(points, 5);
    assert_null(point_of(1, 5)->movement);
    assert_true(isnan(point_of(1, 5)->line_before));
    assert_string_equal(point_of(2, 5)->movement, "price_changed");
    assert_string_equal(point_of(0, 5)->movement, "moved");
    assert_true(near(point_of(0, 5)->line_before, 24.5));
    assert_string_equal(point_of(3, 5)->movement, "no_change");
    assert_null(point_of(4, 5)->movement);
}

static void test_beside_each_other(void **state)
{
    (void)state;
    quote(0, 10, "a", 24.5, -110, -110, true);
    quote(1, 10, "b", 25.5, -105, -115, true);
    quote(2, 10, "c", 24.5, -105, -120, true);
    quote(3, 20, "b", 24.5, 100, -125, true);
    odds_history(points, 4);
    assert_true(near(point_of(0, 4)->consensus, 24.5));
    assert_false(point_of(0, 4)->best_over); /* c pays more for over */
    assert_true(point_of(0, 4)->best_under);
    assert_true(point_of(2, 4)->best_over);
    assert_false(point_of(2, 4)->best_under);
    assert_true(point_of(1, 4)->best_over && point_of(1, 4)->best_under); /* alone at its line */
    assert_true(point_of(3, 4)->best_over);
    assert_true(near(point_of(3, 4)->consensus, 24.5));
}

static void test_two_books_have_a_middle(void **state)
{
    (void)state;
    quote(0, 10, "a", 24.5, -110, -110, true);
    quote(1, 10, "b", 26.5, -110, -110, true);
    odds_history(points, 2);
    assert_true(near(points[0].consensus, 25.5));
}

static void test_without_the_margin(void **state)
{
    (void)state;
    quote(0, 10, "a", 24.5, -110, -110, true);
    quote(1, 20, "a", 24.5, -150, 130, true);
    quote(2, 30, "a", 24.5, -150, MESSAGE_NONE, true);
    odds_history(points, 3);
    assert_true(near(points[0].fair_over, 0.5));
    double over = 150.0 / 250, under = 100.0 / 230;
    assert_true(near(points[1].fair_over, over / (over + under)));
    assert_true(isnan(points[2].fair_over));
    assert_true(points[2].best_over && !points[2].best_under);
    assert_true(near(odds_implied(100), 0.5) && near(odds_implied(-100), 0.5));
}

static void test_players_apart(void **state)
{
    (void)state;
    quote(0, 10, "a", 24.5, -110, -110, true);
    quote(1, 20, "a", 30.5, -110, -110, true);
    rows[1].player_id = 8;
    odds_history(points, 2);
    assert_null(point_of(1, 2)->movement);
    assert_true(near(point_of(1, 2)->consensus, 30.5));
    odds_history(points, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_movement),
        cmocka_unit_test(test_beside_each_other),
        cmocka_unit_test(test_two_books_have_a_middle),
        cmocka_unit_test(test_without_the_margin),
        cmocka_unit_test(test_players_apart),
    };
    return cmocka_run_group_tests_name("odds history", tests, NULL, NULL);
}
