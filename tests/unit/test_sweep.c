/* The janitor's sweep: what the dead left goes, what the living own stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "actors/janitor/sweep.h"
#include "config/disk.h"

static void test_owner(void **state)
{
    (void)state;
    struct {
        const char *name;
        pid_t owner;
    } rows[] = {
        {"latest.json.4711.new", 4711}, {"replay-4711", 4711},  {"latest.json", 0},
        {"2025-11-17.json", 0},         {"latest.json.new", 0}, {"4711.new", 0},
        {"latest.4711.json", 0},        {"x-.new", 0},          {"a.99999999999.new", 0},
        {"2025-11-17.json.12.new", 12},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(sweep_owner(rows[i].name), rows[i].owner);
}

/* The id of a process that has ended and was reaped. */
static pid_t dead_pid(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return pid;
}

static void make(const char *fmt, const char *dir, int pid, bool folder)
{
    char path[512];
    snprintf(path, sizeof path, fmt, dir, pid);
    if (folder) {
        assert_int_equal(mkdir(path, 0755), 0);
        return;
    }
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs("{}", out);
    fclose(out);
}

static bool there(const char *fmt, const char *dir, int pid)
{
    char path[512];
    snprintf(path, sizeof path, fmt, dir, pid);
    return access(path, F_OK) == 0;
}

static void test_sweep(void **state)
{
    (void)state;
    char dir[] = "/tmp/tipoff-sweep-XXXXXX";
    assert_non_null(mkdtemp(dir));
    int dead = dead_pid(), alive = getpid();
    struct swept swept = {0};
    sweep_exports(dir, &swept); /* nothing there at all */
    assert_int_equal(swept.found, 0);
    make("%s/exports", dir, 0, true);
    make("%s/exports/live", dir, 0, true);
    make("%s/exports/live/latest.json", dir, 0, false);
    make("%s/exports/live/latest.json.%d.new", dir, dead, false);
    make("%s/exports/live/latest.json.%d.new", dir, alive, false);
    make("%s/exports/status.json.%d.new", dir, dead, false);
    make("%s/exports/part-%d", dir, dead,
         false); /* not half-written: whoever put it there wants it */
    make("%s/scratch", dir, 0, true);
    make("%s/scratch/replay-%d", dir, dead, true);
    make("%s/scratch/replay-%d/data.mdb", dir, dead, false);
    make("%s/scratch/replay-%d", dir, alive, true);
    sweep_exports(dir, &swept);
    sweep_scratch(dir, &swept);
    assert_int_equal(swept.found, 5);
    assert_int_equal(swept.removed, 3);
    assert_int_equal(swept.failed, 0);
    assert_true(there("%s/exports/live/latest.json", dir, 0));
    assert_true(there("%s/exports/live/latest.json.%d.new", dir, alive));
    assert_false(there("%s/exports/live/latest.json.%d.new", dir, dead));
    assert_true(there("%s/exports/part-%d", dir, dead));
    assert_true(there("%s/scratch/replay-%d", dir, alive));
    assert_false(there("%s/scratch/replay-%d", dir, dead));
    assert_true(disk_free_bytes(dir) > 0);
    assert_true(disk_free_bytes("/nonexistent") < 0);
    char command[600];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_owner), cmocka_unit_test(test_sweep)};
    return cmocka_run_group_tests_name("sweep", tests, NULL, NULL);
}
