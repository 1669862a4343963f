#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/log.h"

static int kept_stderr;

static void capture_begin(FILE **file)
{
    *file = tmpfile();
    assert_non_null(*file);
    kept_stderr = dup(STDERR_FILENO);
    dup2(fileno(*file), STDERR_FILENO);
}

/* What was written, without the time stamp of a text line. */
static const char *capture_end(FILE *file, char text[8192])
{
    dup2(kept_stderr, STDERR_FILENO);
    close(kept_stderr);
    rewind(file);
    size_t size = fread(text, 1, 8191, file);
    text[size] = '\0';
    fclose(file);
    return text;
}

static void test_text_line(void **state)
{
    (void)state;
    FILE *file;
    char text[8192];
    log_init("poller.0", LOG_LEVEL_INFO, 0);
    capture_begin(&file);
    errno = ENOSPC;
    log_debug("hidden", "x=%d", 1);
    log_warn("fetch-failed", "feed=%s status=%d why=\"%s\"", "bdl", 503, "try later");
    assert_int_equal(errno, ENOSPC);
    capture_end(file, text);
    assert_int_equal(text[4], '-');
    assert_string_equal(text + strlen("2025-11-18T00:10:00.000000Z"),
                        " warn poller.0 fetch-failed feed=bdl status=503 why=\"try later\"\n");
}

static void test_nothing_from_outside_steers_the_log(void **state)
{
    (void)state;
    FILE *file;
    char text[8192];
    log_init("x", LOG_LEVEL_INFO, 0);
    capture_begin(&file);
    log_info("t", "name=%s", "a\nb\x1b[31m\xff Jokić");
    capture_end(file, text);
    assert_non_null(strstr(text, "name=a\\x0ab\\x1b[31m\\xff Jokić\n"));
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void test_long_line_is_cut(void **state)
{
    (void)state;
    FILE *file;
    char text[8192], huge[6000];
    memset(huge, 'y', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    for (int json = 0; json < 2; json++) {
        log_init("x", LOG_LEVEL_INFO, json);
        capture_begin(&file);
        log_info("t", "v=\"%s\"", huge);
        capture_end(file, text);
        assert_true(strlen(text) <= 4096);
        assert_int_equal(text[strlen(text) - 1], '\n');
    }
    assert_int_equal(text[strlen(text) - 2], '}');
}

static void test_json_line(void **state)
{
    (void)state;
    FILE *file;
    char text[8192];
    log_init("grader.1", LOG_LEVEL_DEBUG, 1);
    capture_begin(&file);
    log_error("bad-row", "game=%s why=\"has \\ and blanks\" rest of it \"quoted\"\n", "0022500123");
    log_debug("empty", "%s", "");
    capture_end(file, text);
    char *second = strchr(text, '\n') + 1;
    const char *tail =
        ",\"level\":\"error\",\"actor\":\"grader.1\",\"tag\":\"bad-row\",\"game\":\"0022500123\","
        "\"why\":\"has \\\\ and blanks\",\"text\":\"rest of it \\\"quoted\\\"\\u000a\"}\n";
    assert_memory_equal(text, "{\"time\":\"", 9);
    assert_memory_equal(second - strlen(tail), tail, strlen(tail));
    assert_non_null(strstr(second, "\"tag\":\"empty\"}\n"));
}

static void test_fatal_says_why_and_exits(void **state)
{
    (void)state;
    FILE *file;
    char text[8192];
    int status = 0;
    log_init("broker", LOG_LEVEL_ERROR, 0);
    capture_begin(&file);
    pid_t child = fork();
    if (child == 0) {
        log_fatal(78, "config-wrong", "key=%s", "dir");
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    capture_end(file, text);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 78);
    assert_non_null(strstr(text, " fatal broker config-wrong key=dir\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_line),
        cmocka_unit_test(test_nothing_from_outside_steers_the_log),
        cmocka_unit_test(test_long_line_is_cut),
        cmocka_unit_test(test_json_line),
        cmocka_unit_test(test_fatal_says_why_and_exits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
