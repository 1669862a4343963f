#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/exit.h"
#include "config/options.h"

#define ARGUMENTS_MAX 32

static const char *found_date, *found_flag;
static const struct options_own own[] = {
    {"date", "D", "which day", &found_date},
    {"dry-run", NULL, "only say", &found_flag},
    {NULL, NULL, NULL, NULL},
};

/* Splits `line` at blanks, argv[0] included; `room` holds the words. */
static int split(const char *line, char room[512], char *argv[ARGUMENTS_MAX])
{
    int argc = 0;
    snprintf(room, 512, "%s", line);
    for (char *word = strtok(room, " "); word != NULL; word = strtok(NULL, " ")) {
        argv[argc++] = word;
    }
    argv[argc] = NULL;
    return argc;
}

static void test_all_of_them(void **state)
{
    (void)state;
    char room[512], *argv[ARGUMENTS_MAX];
    struct options options;
    struct settings settings;
    int argc = split("/usr/bin/tipoff-grader --shard 2 --host h1 --dir /tmp/t --log-level debug "
                     "--set broker.lease=2s "
                     "--notify-fd 3 --date 2025-11-17 --dry-run",
                     room, argv);
    options_parse(&options, argc, argv, "grades", own);
    assert_string_equal(options.program, "tipoff-grader");
    assert_int_equal(options.shard, 2);
    assert_string_equal(options.host, "h1");
    assert_int_equal(options.notify_fd, 3);
    assert_null(options.config);
    assert_string_equal(found_date, "2025-11-17");
    assert_string_equal(found_flag, "");
    options_settings(&options, &settings);
    assert_string_equal(settings.dir, "/tmp/t");
    assert_int_equal(settings.log.level, LOG_LEVEL_DEBUG);
    assert_int_equal(settings.broker.lease_us, 2000000);
}

static void test_nothing(void **state)
{
    (void)state;
    char room[512], *argv[ARGUMENTS_MAX], name[65] = "";
    struct options options;
    int argc = split("tipoff-broker", room, argv);
    options_parse(&options, argc, argv, "the log", NULL);
    gethostname(name, sizeof name - 1);
    assert_string_equal(options.host, name);
    assert_int_equal(options.shard, 0);
    assert_int_equal(options.notify_fd, -1);
    assert_int_equal(options.set_count, 0);
}

/* Exit code of a process with that command line that also wants its settings; what it prints goes to `out`. */
static int exit_of(const char *line, char out[4096])
{
    int ends[2], status = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        char room[512], *argv[ARGUMENTS_MAX];
        struct options options;
        struct settings settings;
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        int argc = split(line, room, argv);
        options_parse(&options, argc, argv, "grades", own);
        options_settings(&options, &settings);
        exit(0);
    }
    close(ends[1]);
    size_t size = 0;
    for (ssize_t got; (got = read(ends[0], out + size, 4095 - size)) > 0; size += (size_t)got) {
    }
    out[size] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_help_and_version(void **state)
{
    (void)state;
    char out[4096];
    assert_int_equal(exit_of("tipoff-grader --help", out), 0);
    assert_non_null(strstr(out, "tipoff-grader - grades\n"));
    assert_non_null(strstr(out, "-c, --config FILE"));
    assert_non_null(strstr(out, "--date D"));
    assert_int_equal(exit_of("tipoff-grader --version", out), 0);
    assert_memory_equal(out, "tipoff-grader 0.", 16);
}

static void test_wrong_is_usage_or_config(void **state)
{
    (void)state;
    static const struct {
        const char *line, *said;
        int code;
    } wrong[] = {
        {"x --nope", "x: --nope is no option of mine; try --help\n", EXIT_USAGE},
        {"x --shard", "x: --shard needs a value; try --help\n", EXIT_USAGE},
        {"x --shard one", "x: --shard must be from 0 to 65535; try --help\n", EXIT_USAGE},
        {"x --shard -1", "x: --shard must be from 0 to 65535; try --help\n", EXIT_USAGE},
        {"x stray", "x: stray: takes no arguments; try --help\n", EXIT_USAGE},
        {"x --set nope=1", "command line: nope: unknown key\n", EXIT_CONFIG},
        {"x --log-level loud", "command line: log.level: must be one of debug|info|warn|error\n",
         EXIT_CONFIG},
        {"x -c /no/such.yaml", "/no/such.yaml: file: cannot be read: No such file or directory\n",
         EXIT_CONFIG},
    };
    char out[4096];
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        int code = exit_of(wrong[i].line, out);
        assert_string_equal(out, wrong[i].said);
        assert_int_equal(code, wrong[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_of_them),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_help_and_version),
        cmocka_unit_test(test_wrong_is_usage_or_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
