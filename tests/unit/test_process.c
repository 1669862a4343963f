#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/exit.h"
#include "config/process.h"

static void test_signals_become_events(void **state)
{
    (void)state;
    int fd = process_signals_open(true);
    assert_true(fd >= 0);
    assert_int_equal(process_signal_next(fd), 0);
    kill(getpid(), SIGTERM);
    kill(getpid(), SIGHUP);
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&poll_fd, 1, 1000), 1);
    int first = process_signal_next(fd), second = process_signal_next(fd);
    assert_true((first == SIGTERM && second == SIGHUP) || (first == SIGHUP && second == SIGTERM));
    assert_int_equal(process_signal_next(fd), 0);

    int ends[2];
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    assert_int_equal(write(ends[1], "x", 1), -1); /* SIGPIPE is ignored */
    assert_int_equal(errno, EPIPE);
    close(ends[1]);

    pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    assert_int_equal(poll(&poll_fd, 1, 10000), 1);
    assert_int_equal(process_signal_next(fd), SIGCHLD);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(fd);
}

/* In a child of its own: what it is bound to it stays bound to. */
static void test_cpus(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        cpu_set_t before, after;
        CPU_ZERO(&before);
        CPU_ZERO(&after);
        bool good = sched_getaffinity(0, sizeof before, &before) == 0 && process_cpus_set("") == 0;
        good = good && process_cpus_set("1-") == -1 && errno == EINVAL;
        good = good && process_cpus_set("1023") == -1 && errno == EINVAL; /* it is not there */
        good =
            good && sched_getaffinity(0, sizeof after, &after) == 0 && CPU_EQUAL(&before, &after);
        good = good && process_cpus_set("0") == 0;
        good = good && sched_getaffinity(0, sizeof after, &after) == 0;
        good = good && CPU_COUNT(&after) == 1 && CPU_ISSET(0, &after);
        _exit(good ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(process_cpus_valid("") && process_cpus_valid("0") && process_cpus_valid("0-3,6"));
    assert_false(process_cpus_valid("3-0") || process_cpus_valid("0,") || process_cpus_valid("a"));
}

/* A socket that listens at `name`; "@..." is an abstract one. */
static int notify_socket(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    memcpy(address.sun_path, name, length);
    address.sun_path[0] = name[0] == '@' ? '\0' : name[0];
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size + (name[0] == '@' ? 0 : 1)), 0);
    return fd;
}

static void assert_heard(int fd, const char *text)
{
    char heard[64] = "";
    assert_true(recv(fd, heard, sizeof heard - 1, MSG_DONTWAIT) > 0);
    assert_string_equal(heard, text);
}

static void test_notify(void **state)
{
    (void)state;
    char dir[] = "/tmp/tipoff-notify-XXXXXX", path[64], abstract[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/socket", dir);
    snprintf(abstract, sizeof abstract, "@tipoff-test-%ld", (long)getpid());
    unsetenv("NOTIFY_SOCKET");
    assert_int_equal(process_notify("READY=1"), 0);
    const char *names[] = {path, abstract};
    for (int i = 0; i < 2; i++) {
        int fd = notify_socket(names[i]);
        setenv("NOTIFY_SOCKET", names[i], 1);
        assert_int_equal(process_notify("STATUS=cursor 12, lag 0"), 1);
        assert_heard(fd, "STATUS=cursor 12, lag 0");
        close(fd);
        assert_int_equal(process_notify("READY=1"), -1); /* nobody listens any more */
    }
    setenv("NOTIFY_SOCKET", "relative", 1);
    assert_int_equal(process_notify("READY=1"), -1);
    assert_int_equal(errno, EINVAL);
    unsetenv("NOTIFY_SOCKET");
    unlink(path);
    rmdir(dir);
}

static void test_ready(void **state)
{
    (void)state;
    char abstract[64], byte = 0;
    int ends[2];
    snprintf(abstract, sizeof abstract, "@tipoff-ready-%ld", (long)getpid());
    int fd = notify_socket(abstract);
    setenv("NOTIFY_SOCKET", abstract, 1);
    assert_int_equal(pipe(ends), 0);
    process_ready(ends[1]);
    assert_heard(fd, "READY=1");
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(byte, '\n');
    assert_int_equal(read(ends[0], &byte, 1), 0); /* and closed */
    close(ends[0]);
    close(fd);
    unsetenv("NOTIFY_SOCKET");
    assert_int_equal(pipe(ends), 0);
    process_ready_at(ends[1]); /* as --notify-fd does */
    process_ready(-1);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(read(ends[0], &byte, 1), 0);
    close(ends[0]);
    process_ready(-1); /* once: the number may belong to something else by now */
}

static void test_watchdog(void **state)
{
    (void)state;
    char pid[32];
    unsetenv("WATCHDOG_PID");
    unsetenv("WATCHDOG_USEC");
    assert_int_equal(process_watchdog_us(), 0);
    setenv("WATCHDOG_USEC", "3000000", 1);
    assert_int_equal(process_watchdog_us(), 1500000);
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(process_watchdog_us(), 1500000);
    setenv("WATCHDOG_PID", "1", 1);
    assert_int_equal(process_watchdog_us(), 0);
    unsetenv("WATCHDOG_PID");
    unsetenv("WATCHDOG_USEC");
}

/* A parent that dies takes its child along: the pipe, which only the child holds open, ends. */
static void test_child_dies_with_its_parent(void **state)
{
    (void)state;
    int life[2], ready[2];
    char byte;
    assert_int_equal(pipe(life), 0);
    assert_int_equal(pipe(ready), 0);
    pid_t parent = fork();
    if (parent == 0) {
        char text[32];
        snprintf(text, sizeof text, "%ld", (long)getpid());
        setenv("TIPOFF_PARENT", text, 1);
        if (fork() == 0) {
            process_tie_to_parent();
            if (write(ready[1], "", 1) != 1) {
                _exit(1);
            }
            for (;;) {
                pause();
            }
        }
        close(life[1]);
        close(ready[1]);
        for (;;) {
            pause();
        }
    }
    close(life[1]);
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    kill(parent, SIGKILL);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    struct pollfd poll_fd = {.fd = life[0], .events = POLLIN};
    assert_int_equal(poll(&poll_fd, 1, 10000), 1);
    assert_int_equal(read(life[0], &byte, 1), 0);
    close(life[0]);
    close(ready[0]);
}

static int exit_of_child_with_parent(const char *parent)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL) {
            _exit(99);
        }
        setenv("TIPOFF_PARENT", parent, 1);
        process_tie_to_parent();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_parent_that_is_gone_already(void **state)
{
    (void)state;
    char self[32];
    snprintf(self, sizeof self, "%ld", (long)getpid());
    assert_int_equal(exit_of_child_with_parent(self), 0);
    assert_int_equal(exit_of_child_with_parent("1"),
                     EXIT_AGAIN); /* adopted by init, as after its parent's death */
    assert_int_equal(exit_of_child_with_parent("x"), EXIT_USAGE);
    assert_int_equal(exit_of_child_with_parent("-3"), EXIT_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cpus),
        cmocka_unit_test(test_notify),
        cmocka_unit_test(test_ready),
        cmocka_unit_test(test_watchdog),
        cmocka_unit_test(test_child_dies_with_its_parent),
        cmocka_unit_test(test_parent_that_is_gone_already),
        cmocka_unit_test(test_signals_become_events), /* last: leaves signals blocked */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
