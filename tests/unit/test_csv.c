/* RFC 4180 by example, broken rows that end nothing, and gzip. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <zlib.h>

#include "cli/csv.h"

static char path[64];

static int make_path(void **state)
{
    (void)state;
    strcpy(path, "/tmp/test_csv.XXXXXX");
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int drop_path(void **state)
{
    (void)state;
    return unlink(path);
}

static void put(const char *text, size_t size, int gzip)
{
    gzFile file = gzopen(path, gzip ? "wb" : "wbT");
    assert_non_null(file);
    assert_int_equal(gzwrite(file, text, (unsigned)size), (int)size);
    assert_int_equal(gzclose(file), Z_OK);
}

/* Every row as "line:a|b|c", broken ones as "line!rule"; separated by newlines. */
static void read_all(char *out, size_t size)
{
    struct csv *csv = csv_open(path);
    assert_non_null(csv);
    struct csv_row row;
    size_t at = 0;
    enum csv_answer answer;
    out[0] = '\0';
    while ((answer = csv_next(csv, &row)) != CSV_END) {
        at += (size_t)snprintf(out + at, size - at, "%d%s", (int)row.line,
                               answer == CSV_ROW          ? ":"
                               : answer == CSV_BROKEN_ROW ? "!"
                                                          : "!!");
        if (answer != CSV_ROW)
            at += (size_t)snprintf(out + at, size - at, "%s", row.rule);
        for (int i = 0; answer == CSV_ROW && i < row.count; i++)
            at += (size_t)snprintf(out + at, size - at, "%s%s", i ? "|" : "", row.field[i]);
        at += (size_t)snprintf(out + at, size - at, "\n");
        if (answer == CSV_BROKEN_FILE)
            break;
    }
    csv_close(&csv);
}

static void rows_by_example(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"", ""},
        {"a,b\n1,2\n", "1:a|b\n2:1|2\n"},
        {"a,b\r\n1,2\r\n", "1:a|b\n2:1|2\n"},
        {"a,b\n1,2", "1:a|b\n2:1|2\n"},
        {",\n", "1:|\n"},
        {"\n", "1:\n"},
        {"\"a,b\",c\n", "1:a,b|c\n"},
        {"\"say \"\"hi\"\"\",c\nd,e\n", "1:say \"hi\"|c\n2:d|e\n"},
        {"\"two\nlines\",c\nd,e\n", "1:two\nlines|c\n3:d|e\n"},
        {"x,\"\"\ny,\"z\"", "1:x|\n2:y|z\n"},
        {"a\"b,c\nd,e\n", "1!quote within an unquoted field\n2:d|e\n"},
        {"\"a\"b,c\nd,e\n", "1!text after a closing quote\n2:d|e\n"},
        {"a,\"open\nb,c\nd,e\n", "1!quoted field is not closed\n2:b|c\n3:d|e\n"},
        {"Luka Don\xc4\x8di\xc4\x87,1\n", "1:Luka Don\xc4\x8di\xc4\x87|1\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[512];
        put(cases[i].in, strlen(cases[i].in), 0);
        read_all(out, sizeof out);
        assert_string_equal(out, cases[i].out);
        put(cases[i].in, strlen(cases[i].in), 1);
        read_all(out, sizeof out);
        assert_string_equal(out, cases[i].out);
    }
}

static void a_nul_byte_is_a_broken_row(void **state)
{
    (void)state;
    char out[256];
    put("a,b\nc\0d,e\nf,g\n", 14, 0);
    read_all(out, sizeof out);
    assert_string_equal(out, "1:a|b\n2!NUL byte\n3:f|g\n");
}

static void too_many_fields_and_too_long_rows(void **state)
{
    (void)state;
    enum { SIZE = 3 * CSV_ROW_MAX };
    char *text = malloc(SIZE), out[512];
    assert_non_null(text);
    memset(text, ',', 100);
    memcpy(text + 100, "\nok\n", 4);
    put(text, 104, 0);
    read_all(out, sizeof out);
    assert_string_equal(out, "1!too many fields\n2:ok\n");
    memset(text, 'x', SIZE);
    memcpy(text + SIZE - 4, "\nok\n", 4);
    put(text, SIZE, 1);
    read_all(out, sizeof out);
    assert_string_equal(out, "1!row is too long\n2:ok\n");
    text[0] = '"';
    put(text, SIZE, 1);
    read_all(out, sizeof out);
    assert_string_equal(out, "1!row is too long\n2:ok\n");
    free(text);
}

/* More than the buffer holds, with a quoted row at every possible place of its end. */
static void rows_across_the_buffer(void **state)
{
    (void)state;
    enum { ROWS = 40000 };
    gzFile file = gzopen(path, "wb");
    assert_non_null(file);
    for (int i = 0; i < ROWS; i++)
        gzprintf(file, i % 7 ? "%d,plain,%d\n" : "%d,\"quo,ted\",%d\n", i, i * 3);
    assert_int_equal(gzclose(file), Z_OK);
    struct csv *csv = csv_open(path);
    assert_non_null(csv);
    struct csv_row row;
    int rows = 0;
    while (csv_next(csv, &row) == CSV_ROW) {
        assert_int_equal(row.count, 3);
        assert_int_equal(atoi(row.field[0]), rows);
        assert_string_equal(row.field[1], rows % 7 ? "plain" : "quo,ted");
        assert_int_equal(atoi(row.field[2]), rows * 3);
        rows++;
        assert_int_equal((int)row.line, rows);
    }
    assert_int_equal(rows, ROWS);
    csv_close(&csv);
}

static void a_cut_gzip_file_is_told_from_a_short_one(void **state)
{
    (void)state;
    gzFile file = gzopen(path, "wb");
    assert_non_null(file);
    for (int i = 0; i < 20000; i++)
        gzprintf(file, "%d,%d\n", i, i * 7919 % 10007);
    assert_int_equal(gzclose(file), Z_OK);
    FILE *raw = fopen(path, "r+");
    assert_non_null(raw);
    assert_int_equal(fseek(raw, 0, SEEK_END), 0);
    long size = ftell(raw);
    assert_int_equal(fclose(raw), 0);
    assert_int_equal(truncate(path, size / 2), 0);
    struct csv *csv = csv_open(path);
    assert_non_null(csv);
    struct csv_row row;
    enum csv_answer answer;
    while ((answer = csv_next(csv, &row)) == CSV_ROW)
        continue;
    assert_int_equal(answer, CSV_BROKEN_FILE);
    assert_string_equal(row.rule, "gzip stream is damaged or cut off");
    csv_close(&csv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_by_example),
        cmocka_unit_test(a_nul_byte_is_a_broken_row),
        cmocka_unit_test(too_many_fields_and_too_long_rows),
        cmocka_unit_test(rows_across_the_buffer),
        cmocka_unit_test(a_cut_gzip_file_is_told_from_a_short_one),
    };
    return cmocka_run_group_tests(tests, make_path, drop_path);
}
