/* Tables of a data root: quoting, line ends, what is passed over, gzip and torn gzip. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "config/clock.h"
#include "sim/table.h"

static char folder[64];
static const char *const columns[] = {"name", "count", NULL};

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/tipoff-table.XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static struct table *open_text(const char *name, const char *text, char why[256])
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *out = fopen(path, "we");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
    return table_open(folder, name, columns, why, 256);
}

static void test_rows_and_quotes(void **state)
{
    (void)state;
    char why[256];
    struct table *table = open_text("a.csv",
                                    "count,other,name\n"
                                    "1,x,plain\r\n"
                                    "2,,\"a, \"\"b\"\"\nc\"\n"
                                    ",,\n"
                                    "7,last,no line end",
                                    why);
    assert_non_null(table);
    assert_true(table_next(table));
    assert_string_equal(table_text(table, 0), "plain");
    assert_int_equal(table_int(table, 1, -1), 1);
    assert_int_equal(table_line(table), 2);
    assert_true(table_next(table));
    assert_string_equal(table_text(table, 0), "a, \"b\"\nc");
    assert_true(table_next(table));
    assert_int_equal(table_line(table), 5);
    assert_string_equal(table_text(table, 0), "");
    assert_int_equal(table_int(table, 1, -1), -1);
    assert_true(table_next(table));
    assert_string_equal(table_text(table, 0), "no line end");
    assert_false(table_next(table));
    assert_int_equal(table_bad_rows(table), 0);
    assert_false(table_torn(table));
    table_close(&table);
    assert_null(table);
}

static void test_what_is_passed_over(void **state)
{
    (void)state;
    char why[256], text[3 * TABLE_ROW_MAX];
    strcpy(text, "name,count\ntoo,many,fields\nfew\n");
    memset(text + strlen(text), 'x', TABLE_ROW_MAX + 100);
    strcpy(text + 31 + TABLE_ROW_MAX + 100, ",1\ngood,3\n\"never closed,4\n");
    struct table *table = open_text("b.csv", text, why);
    assert_non_null(table);
    assert_true(table_next(table));
    assert_string_equal(table_text(table, 0), "good");
    assert_int_equal(table_bad_rows(table), 3);
    assert_false(table_next(table));
    assert_int_equal(table_bad_rows(table), 4);
    table_close(&table);
}

static void test_missing_column_and_file(void **state)
{
    (void)state;
    char why[256];
    assert_null(open_text("c.csv", "name,counts\n", why));
    assert_non_null(strstr(why, "count"));
    assert_null(open_text("d.csv", "", why));
    assert_null(table_open(folder, "nowhere.csv", columns, why, sizeof why));
    assert_int_equal(errno, ENOENT);
}

static void test_times_and_dates(void **state)
{
    (void)state;
    char why[256];
    int64_t instant_us;
    struct table *table =
        open_text("e.csv", "name,count\n2025-11-18T00:10:31Z,2025-11-17\nnoon,2025-13-01\n", why);
    assert_true(table_next(table));
    clock_parse_utc("2025-11-18T00:10:31Z", &instant_us);
    assert_true(table_time_us(table, 0) == instant_us);
    assert_int_equal(table_date(table, 1), 20251117);
    assert_true(table_next(table));
    assert_true(table_time_us(table, 0) == CLOCK_NONE);
    assert_int_equal(table_date(table, 1), 0);
    table_close(&table);
}

static void test_gzip_and_torn_gzip(void **state)
{
    (void)state;
    char why[256], path[128];
    snprintf(path, sizeof path, "%s/f.csv.gz", folder);
    gzFile out = gzopen(path, "wb");
    assert_non_null(out);
    gzputs(out, "name,count\n");
    for (int i = 0; i < 20000; i++) {
        gzprintf(out, "player %d,%d\n", i * 7919 % 20011, i);
    }
    gzclose(out);
    struct table *table = table_open(folder, "f.csv", columns, why, sizeof why);
    int rows = 0;
    assert_non_null(table);
    while (table_next(table)) {
        assert_int_equal(table_int(table, 1, -1), rows++);
    }
    assert_int_equal(rows, 20000);
    assert_false(table_torn(table));
    table_close(&table);
    assert_int_equal(truncate(path, 30000), 0);
    table = table_open(folder, "f.csv", columns, why, sizeof why);
    assert_non_null(table);
    for (rows = 0; table_next(table);) {
        rows++;
    }
    assert_true(rows > 100 && rows < 20000);
    assert_true(table_torn(table));
    table_close(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_and_quotes),         cmocka_unit_test(test_what_is_passed_over),
        cmocka_unit_test(test_missing_column_and_file), cmocka_unit_test(test_times_and_dates),
        cmocka_unit_test(test_gzip_and_torn_gzip),
    };
    clock_zone_set("America/New_York");
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
