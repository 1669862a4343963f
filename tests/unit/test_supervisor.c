/* The supervisor: the restart policy alone, and real children (/bin/sh) that die in every way. */
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/supervisor.h"
#include "config/clock.h"
#include "config/exit.h"

static const struct restart_policy policy = {
    .backoff_base_us = 20000, .backoff_cap_us = 150000, .crash_loop = 5};

static void test_policy(void **state)
{
    (void)state;
    struct {
        int in_a_row, code;
        enum exit_verdict verdict;
        int64_t wait_us;
    } rows[] = {
        {1, -1, EXIT_RESTARTED, 0},
        {2, -1, EXIT_BACKING_OFF, 20000},
        {3, 70, EXIT_BACKING_OFF, 40000},
        {4, 0, EXIT_BACKING_OFF, 80000},
        {5, -1, EXIT_QUARANTINED, -1},
        {1, EXIT_CONFIG, EXIT_QUARANTINED, -1},
        {1, EXIT_USAGE, EXIT_QUARANTINED, -1},
        {1, EXIT_AGAIN, EXIT_RESTARTED, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t wait_us = -1;
        assert_int_equal(restart_judge(&policy, rows[i].in_a_row, rows[i].code, &wait_us),
                         rows[i].verdict);
        assert_int_equal(wait_us, rows[i].wait_us);
    }
    struct restart_policy patient = policy;
    patient.crash_loop = 1000;
    int64_t wait_us;
    assert_int_equal(restart_judge(&patient, 900, -1, &wait_us), EXIT_BACKING_OFF);
    assert_int_equal(wait_us, patient.backoff_cap_us);
}

/* ---- with processes ---- */

struct notes {
    int started, exited, hung, killed, not_started;
    struct child_event last_exit;
    char order[256]; /* names in the order of their last exit */
};

static void note(void *context, const struct child_event *event)
{
    struct notes *notes = context;
    switch (event->kind) {
    case CHILD_STARTED:
        notes->started++;
        break;
    case CHILD_EXITED:
        notes->exited++;
        notes->last_exit = *event;
        strcat(strcat(notes->order, event->child->name), " ");
        break;
    case CHILD_HUNG:
        notes->hung++;
        break;
    case CHILD_KILLED:
        notes->killed++;
        break;
    case CHILD_NOT_STARTED:
        notes->not_started++;
        break;
    }
}

static struct supervisor *make(struct notes *notes, const char *pids_path)
{
    memset(notes, 0, sizeof *notes);
    struct supervisor_options options = {.policy = policy,
                                         .drain_us = 300000,
                                         .pids_path = pids_path,
                                         .event = note,
                                         .context = notes};
    struct supervisor *self = supervisor_new(&options);
    assert_non_null(self);
    return self;
}

static int add(struct supervisor *self, const char *name, int stage, const char *script)
{
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    int index = supervisor_add(self, name, name, 0, stage, argv, NULL);
    assert_true(index >= 0);
    return index;
}

/* Turns until `*counter` reaches `wanted`; SIGCHLD (blocked in main) or the supervisor's own deadline ends each wait. */
static void turn_until(struct supervisor *self, const int *counter, int wanted)
{
    int64_t deadline = clock_mono_us() + 20000000;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    supervisor_turn(self);
    while (*counter < wanted) {
        assert_true(clock_mono_us() < deadline);
        int64_t wait_us = supervisor_timeout_us(self);
        if (wait_us > 1000000)
            wait_us = 1000000;
        struct timespec wait = {.tv_sec = wait_us / 1000000, .tv_nsec = wait_us % 1000000 * 1000};
        sigtimedwait(&set, NULL, &wait);
        supervisor_turn(self);
    }
}

static void test_restart_is_immediate_then_backs_off_then_quarantine(void **state)
{
    (void)state;
    struct notes notes;
    struct supervisor *self = make(&notes, NULL);
    int index = add(self, "looper", 2, "exit 70");
    int64_t started = clock_mono_us();
    supervisor_start(self, index);
    turn_until(self, &notes.exited, 1);
    assert_int_equal(notes.last_exit.verdict, EXIT_RESTARTED);
    assert_int_equal(notes.last_exit.code, 70);
    assert_int_equal(notes.last_exit.signal, 0);
    turn_until(self, &notes.exited, 2);
    assert_int_equal(notes.last_exit.verdict, EXIT_BACKING_OFF);
    turn_until(self, &notes.exited, 5);
    assert_int_equal(notes.last_exit.verdict, EXIT_QUARANTINED);
    assert_int_equal(supervisor_child(self, index)->state, CHILD_QUARANTINED);
    assert_true(clock_mono_us() - started >= 20000 + 40000 + 80000);
    assert_int_equal(notes.started, 5);
    assert_true(supervisor_timeout_us(self) == INT64_MAX);
    supervisor_free(&self);
}

static void test_progress_ends_the_row(void **state)
{
    (void)state;
    struct notes notes;
    struct supervisor *self = make(&notes, NULL);
    int index = add(self, "worker", 2, "exec sleep 100");
    supervisor_start(self, index);
    for (int life = 1; life <= 8; life++) {
        turn_until(self, &notes.started, life);
        supervisor_progressed(self, index);
        assert_int_equal(kill(supervisor_child(self, index)->pid, SIGKILL), 0);
        turn_until(self, &notes.exited, life);
        assert_int_equal(notes.last_exit.verdict, EXIT_RESTARTED);
        assert_int_equal(notes.last_exit.signal, SIGKILL);
        assert_int_equal(notes.last_exit.code, -1);
    }
    assert_int_equal(supervisor_child(self, index)->restarts, 8);
    turn_until(self, &notes.started, 9);
    /* Nothing done in this life: what the last one did does not count. */
    kill(supervisor_child(self, index)->pid, SIGKILL);
    turn_until(self, &notes.exited, 9);
    assert_int_equal(notes.last_exit.verdict, EXIT_BACKING_OFF);
    supervisor_free(&self);
}

static void test_wrong_config_is_not_restarted(void **state)
{
    (void)state;
    struct notes notes;
    struct supervisor *self = make(&notes, NULL);
    int index = add(self, "wrong", 2, "exit 78");
    supervisor_start(self, index);
    turn_until(self, &notes.exited, 1);
    assert_int_equal(notes.last_exit.verdict, EXIT_QUARANTINED);
    assert_int_equal(supervisor_child(self, index)->restarts, 0);
    supervisor_free(&self);
}

static void test_no_executable_is_said_and_quarantined(void **state)
{
    (void)state;
    struct notes notes;
    struct supervisor *self = make(&notes, NULL);
    const char *argv[] = {"/nonexistent/program", NULL};
    int index = supervisor_add(self, "none", "none", 0, 2, argv, NULL);
    supervisor_start(self, index);
    turn_until(self, &notes.not_started, 5);
    assert_int_equal(supervisor_child(self, index)->state, CHILD_QUARANTINED);
    supervisor_free(&self);
}

static void test_drain_goes_stage_by_stage(void **state)
{
    (void)state;
    struct notes notes;
    struct supervisor *self = make(&notes, NULL);
    /* The shell answers TERM by exiting 0; sleep in the background so that the trap is taken at once. */
    static const char polite[] = "trap 'kill $!; exit 0' TERM; sleep 100 & wait";
    int broker = add(self, "broker", 0, polite);
    int upstream = add(self, "upstream", 1, polite);
    int deaf = add(self, "deaf", 2, "trap '' TERM; while :; do sleep 1; done");
    supervisor_start(self, broker);
    supervisor_start(self, upstream);
    supervisor_start(self, deaf);
    turn_until(self, &notes.started, 3);
    /* Wait until `deaf` has set its trap, or TERM would end it: its own child exists only after that. */
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)supervisor_child(self, deaf)->pid,
             (int)supervisor_child(self, deaf)->pid);
    for (int child = 0; !child;) {
        FILE *in = fopen(path, "r");
        assert_non_null(in);
        if (fscanf(in, "%d", &child) != 1)
            child = 0;
        fclose(in);
    }
    supervisor_drain(self);
    turn_until(self, &notes.exited, 3);
    assert_string_equal(notes.order, "deaf upstream broker ");
    assert_int_equal(notes.killed, 1); /* only the deaf one */
    assert_int_equal(notes.last_exit.verdict, EXIT_STOPPED);
    assert_true(supervisor_drained(self));
    supervisor_free(&self);
}

static void test_silence_is_aborted_then_killed(void **state)
{
    (void)state;
    struct notes notes;
    struct supervisor *self = make(&notes, NULL);
    int index = add(self, "hung", 2, "kill -STOP $$");
    supervisor_start(self, index);
    pid_t pid = supervisor_child(self, index)->pid;
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOWAIT), 0);
    supervisor_abort(self, index);
    assert_int_equal(notes.hung, 1);
    turn_until(self, &notes.exited,
               1); /* a stopped process does not even take SIGABRT: KILL does it */
    assert_int_equal(notes.killed, 1);
    assert_int_equal(notes.last_exit.signal, SIGKILL);
    supervisor_free(&self);
}

static void test_sweep_ends_only_what_was_ours(void **state)
{
    (void)state;
    char path[] = "/tmp/tipoff-pids-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    struct notes notes;
    struct supervisor *self = make(&notes, path);
    int index = add(self, "orphan", 2, "exec sleep 100");
    supervisor_start(self, index);
    pid_t orphan = supervisor_child(self, index)->pid;
    /* Our own pid with a wrong start time stands for a number that was given to someone else since. */
    FILE *out = fopen(path, "a");
    assert_non_null(out);
    fprintf(out, "%d 1\n", (int)getpid());
    fclose(out);
    assert_int_equal(supervisor_sweep(path), 1);
    int status;
    assert_int_equal(waitpid(orphan, &status, WNOHANG), orphan);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(supervisor_sweep(path), 0);
    supervisor_free(&self);
}

static void test_child_knows_its_parent(void **state)
{
    (void)state;
    char path[] = "/tmp/tipoff-child-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    struct notes notes;
    struct supervisor *self = make(&notes, NULL);
    const char *argv[] = {"/bin/sh", "-c", "echo $TIPOFF_PARENT $(ps -o pgid= -p $$) $$; exit 64",
                          NULL};
    int index = supervisor_add(self, "child", "child", 0, 2, argv, path);
    supervisor_start(self, index);
    turn_until(self, &notes.exited, 1);
    FILE *in = fdopen(fd, "r");
    int parent = 0, group = 0, pid = -1;
    assert_int_equal(fscanf(in, "%d %d %d", &parent, &group, &pid), 3);
    assert_int_equal(parent, getpid());
    assert_int_equal(group, pid); /* a group of its own: our terminal's Ctrl-C is not for it */
    fclose(in);
    unlink(path);
    supervisor_free(&self);
}

int main(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policy),
        cmocka_unit_test(test_restart_is_immediate_then_backs_off_then_quarantine),
        cmocka_unit_test(test_progress_ends_the_row),
        cmocka_unit_test(test_wrong_config_is_not_restarted),
        cmocka_unit_test(test_no_executable_is_said_and_quarantined),
        cmocka_unit_test(test_drain_goes_stage_by_stage),
        cmocka_unit_test(test_silence_is_aborted_then_killed),
        cmocka_unit_test(test_sweep_ends_only_what_was_ours),
        cmocka_unit_test(test_child_knows_its_parent),
    };
    return cmocka_run_group_tests_name("supervisor", tests, NULL, NULL);
}
