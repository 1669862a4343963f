#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/exit.h"
#include "config/fault.h"
#include "config/log.h"

/* Runs a process named `name` that passes `point` up to `passes` times; returns its wait status. Exit 10 + number of `fail`s. */
static int run(const char *name, enum fault_point point, int passes)
{
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int failed = 0;
        dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        fault_init(name);
        for (int i = 0; i < passes; i++) {
            failed += fault_hit(point) ? 1 : 0;
        }
        _exit(10 + failed);
    }
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    if (WIFSTOPPED(status)) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    return status;
}

static int clean(void **state)
{
    (void)state;
    unsetenv("TIPOFF_FAULT");
    unsetenv("TIPOFF_FAULT_ONLY");
    unsetenv("TIPOFF_FAULT_ONCE");
    return 0;
}

static void assert_killed(int status)
{
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void assert_exit(int status, int code)
{
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), code);
}

static void test_unset_does_nothing(void **state)
{
    (void)state;
    assert_exit(run("features.0", FAULT_HANDLER, 100), 10);
}

static void test_nth_passage(void **state)
{
    (void)state;
    setenv("TIPOFF_FAULT", "step-committed:3", 1);
    assert_exit(run("features.0", FAULT_STEP_COMMITTED, 2), 10);
    assert_killed(run("features.0", FAULT_STEP_COMMITTED, 3));
    assert_exit(run("features.0", FAULT_STEP_PUBLISHED, 9), 10);
}

static void test_actions(void **state)
{
    (void)state;
    setenv("TIPOFF_FAULT", "disk-full:2:fail,disk-full:4:fail,handler:1:stop,fetched:1:kill", 1);
    assert_exit(run("poller.0", FAULT_DISK_FULL, 9), 12);
    int status = run("poller.0", FAULT_HANDLER, 1);
    assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    assert_killed(run("poller.0", FAULT_FETCHED, 1));
}

static void test_and_later(void **state)
{
    (void)state;
    setenv("TIPOFF_FAULT", "disk-full:3+:fail", 1);
    assert_exit(run("broker", FAULT_DISK_FULL, 2), 10);
    assert_exit(run("broker", FAULT_DISK_FULL, 9), 17);
    setenv("TIPOFF_FAULT", "handler:1+stop", 1);
    assert_exit(run("poller.0", FAULT_HANDLER, 1), EXIT_USAGE);
}

static void test_only(void **state)
{
    (void)state;
    setenv("TIPOFF_FAULT", "handler:1", 1);
    setenv("TIPOFF_FAULT_ONLY", "grader.0,features.1", 1);
    assert_exit(run("features.0", FAULT_HANDLER, 1), 10);
    assert_exit(run("features.10", FAULT_HANDLER, 1), 10);
    assert_killed(run("features.1", FAULT_HANDLER, 1));
    assert_killed(run("grader.0", FAULT_HANDLER, 1));
}

static void test_once(void **state)
{
    (void)state;
    char dir[] = "/tmp/tipoff-fault-XXXXXX", command[64];
    assert_non_null(mkdtemp(dir));
    setenv("TIPOFF_FAULT", "handler:1,handler:2", 1);
    setenv("TIPOFF_FAULT_ONCE", dir, 1);
    assert_killed(run("features.0", FAULT_HANDLER, 5));
    assert_killed(run("features.0", FAULT_HANDLER, 5)); /* the first has fired: now the second */
    assert_exit(run("features.0", FAULT_HANDLER, 5), 10);
    assert_killed(run("grader.0", FAULT_HANDLER, 5)); /* another process has its own */
    snprintf(command, sizeof command, "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
    assert_exit(run("grader.0", FAULT_HANDLER, 5),
                EXIT_CONFIG); /* nowhere to remember: not silently always */
}

static void test_wrong_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "no-such-point:1", "handler",         "handler:0",  "handler:x", "handler:1:burn",
        "handler:1:",      "handler:1x",      "handler:-1", ":1",        "handler:1,,x",
        "handle:1",        "handler:1:kill:2"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        setenv("TIPOFF_FAULT", wrong[i], 1);
        assert_exit(run("x", FAULT_HANDLER, 0), EXIT_USAGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_unset_does_nothing, clean),
        cmocka_unit_test_setup(test_nth_passage, clean),
        cmocka_unit_test_setup(test_actions, clean),
        cmocka_unit_test_setup(test_and_later, clean),
        cmocka_unit_test_setup(test_only, clean),
        cmocka_unit_test_setup(test_once, clean),
        cmocka_unit_test_setup(test_wrong_is_refused, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
