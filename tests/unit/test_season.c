/* Several nights in a row: which is next, when it begins, when its day is over. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "cli/season.h"
#include "config/clock.h"

#define HOUR INT64_C(3600000000)

static char root[] = "/tmp/tipoff-season-XXXXXX";

static int make_root(void **state)
{
    char path[PATH_MAX];
    (void)state;
    if (!mkdtemp(root) || clock_zone_set("America/New_York") != 0)
        return -1;
    snprintf(path, sizeof path, "%s/games", root);
    if (mkdir(path, 0755) != 0)
        return -1;
    snprintf(path, sizeof path, "%s/games/2025-26.csv", root);
    FILE *out = fopen(path, "w");
    if (!out)
        return -1;
    fputs("game_id,game_date,tip_utc\n"
          "1,2025-11-01,2025-11-02T00:00:00Z\n"
          "2,2025-11-01,2025-11-02T02:30:00Z\n"
          "3,2025-11-03,2025-11-04T00:30:00Z\n"
          "4,2025-11-05,\n",
          out);
    return fclose(out);
}

static int remove_root(void **state)
{
    char command[PATH_MAX];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

static int64_t at(const char *text)
{
    int64_t instant_us;
    assert_int_equal(clock_parse_utc(text, &instant_us), 0);
    return instant_us;
}

static struct season season_of(int64_t lead_us)
{
    return (struct season){
        .root = root, .first = 20251101, .last = 20251106, .lead_us = lead_us, .rollover_hour = 6};
}

static void test_days_without_games_are_passed_over(void **state)
{
    (void)state;
    char why[256];
    struct season season = season_of(2 * HOUR);
    assert_int_equal(season_take(&season, 20251101, why, sizeof why), 0);
    assert_int_equal(season.date, 20251101);
    assert_true(season.start_us == at("2025-11-01T22:00:00Z"));
    assert_true(season.last_tip_us == at("2025-11-02T02:30:00Z"));
    assert_int_equal(season_take(&season, 20251102, why, sizeof why), 0);
    assert_int_equal(season.date, 20251103);
    assert_int_equal(season.number, 3);
    assert_int_equal(season.total, 6);
    assert_int_equal(season_take(&season, 20251104, why, sizeof why), 0);
    assert_true(season.start_us == at("2025-11-05T17:00:00Z")); /* no tip is known: noon */
    assert_int_equal(season_take(&season, 20251106, why, sizeof why), 1);
    assert_int_equal(season.date, 20251105);
}

static void test_noon_and_no_schedule(void **state)
{
    (void)state;
    char why[256];
    struct season season = season_of(CLOCK_NONE);
    assert_int_equal(season_take(&season, 20251101, why, sizeof why), 0);
    assert_true(season.start_us == at("2025-11-01T16:00:00Z")); /* still summer time */
    season.root = NULL;
    assert_int_equal(season_take(&season, 20251102, why, sizeof why), 0);
    assert_int_equal(season.date, 20251102);
    season.root = "/no/such/root";
    assert_int_equal(season_take(&season, 20251103, why, sizeof why), -1);
    assert_non_null(why);
}

/* The night on which the clocks are set back: its morning is at six by the wall all the same. */
static void test_a_day_ends_in_the_morning(void **state)
{
    (void)state;
    char why[256];
    struct season season = season_of(2 * HOUR);
    assert_int_equal(season_take(&season, 20251101, why, sizeof why), 0);
    assert_true(season_morning_us(&season) == at("2025-11-02T11:00:00Z"));
    assert_int_equal(season_at(&season, season_morning_us(&season) - 1), 20251101);
    assert_int_equal(season_at(&season, season_morning_us(&season)), 20251102);
    assert_int_equal(season_at(&season, at("2025-10-01T00:00:00Z")), 20251101);
    assert_int_equal(season_at(&season, at("2026-10-01T00:00:00Z")), 20251106);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_days_without_games_are_passed_over),
        cmocka_unit_test(test_noon_and_no_schedule),
        cmocka_unit_test(test_a_day_ends_in_the_morning),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
