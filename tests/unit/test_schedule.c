/* When a night begins, as a data root's games say. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <zlib.h>

#include "cli/schedule.h"
#include "config/clock.h"

static char root[] = "/tmp/tipoff-schedule-XXXXXX";

static void path_of(char path[PATH_MAX], const char *name)
{
    snprintf(path, PATH_MAX, "%s/%s", root, name);
}

static void write_file(const char *name, const char *text)
{
    char path[PATH_MAX];
    path_of(path, name);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static int make_root(void **state)
{
    char path[PATH_MAX];
    (void)state;
    assert_non_null(mkdtemp(root));
    path_of(path, "games");
    assert_int_equal(mkdir(path, 0755), 0);
    write_file("games/2024-25.csv", "game_id,season,game_date,tip_utc,home\n"
                                    "1,s,2025-01-02,2025-01-03T00:30:00Z,AAA\n"
                                    "2,s,2025-01-02,2025-01-03T03:00:00Z,BBB\n"
                                    "3,s,2025-01-02,,CCC\n"
                                    "4,s,2025-01-03,,DDD\n"
                                    "5,s,2025-01-04,noonish,EEE\n");
    path_of(path, "games/2025-26.csv.gz");
    gzFile out = gzopen(path, "w");
    assert_non_null(out);
    /* Columns in another order, and a quoted field in front of those that matter. */
    gzputs(out, "home,tip_utc,game_date\n\"A, \"\"b\"\"\",2025-01-03T00:00:00Z,2025-01-02\n");
    assert_int_equal(gzclose(out), Z_OK);
    write_file("games/notes.txt", "no table at all");
    return 0;
}

static int remove_root(void **state)
{
    char command[PATH_MAX + 16];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

static void test_first_and_last_tip(void **state)
{
    struct schedule_day day;
    char why[200];
    int64_t first, last;
    (void)state;
    assert_int_equal(schedule_of_day(root, 20250102, &day, why, sizeof why), 0);
    assert_int_equal(day.games, 4);
    assert_int_equal(day.tips, 3);
    assert_int_equal(clock_parse_utc("2025-01-03T00:00:00Z", &first), 0);
    assert_int_equal(clock_parse_utc("2025-01-03T03:00:00Z", &last), 0);
    assert_true(day.first_tip_us == first && day.last_tip_us == last);
}

static void test_no_tip_and_no_game(void **state)
{
    struct schedule_day day;
    char why[200];
    (void)state;
    assert_int_equal(schedule_of_day(root, 20250103, &day, why, sizeof why), 0);
    assert_int_equal(day.games, 1);
    assert_true(day.first_tip_us == CLOCK_NONE);
    assert_int_equal(schedule_of_day(root, 20250105, &day, why, sizeof why), 0);
    assert_int_equal(day.games, 0);
}

static void test_what_is_wrong_is_named(void **state)
{
    struct schedule_day day;
    char why[300];
    (void)state;
    assert_int_equal(schedule_of_day(root, 20250104, &day, why, sizeof why), -1);
    assert_non_null(strstr(why, "2024-25.csv:6: tip_utc"));
    assert_int_equal(schedule_of_day("/nonexistent", 20250104, &day, why, sizeof why), -1);
    write_file("games/zz.csv", "home,away\n");
    assert_int_equal(schedule_of_day(root, 20250103, &day, why, sizeof why), -1);
    assert_non_null(strstr(why, "zz.csv:1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_and_last_tip),
        cmocka_unit_test(test_no_tip_and_no_game),
        cmocka_unit_test(test_what_is_wrong_is_named),
    };
    return cmocka_run_group_tests_name("schedule", tests, make_root, remove_root);
}
