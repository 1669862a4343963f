/* The janitor's sweep: what the dead left goes, what the living own stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "actors/janitor/sweep.h"
#include "config/disk.h"
#include "store/store.h"

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

static char folder[64];

static int open_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/tipoff-sweep-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int close_folder(void **state)
{
    char command[100];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

/* What is written beside in the state directory itself, and what stands there that looks like it. */
static void test_state(void **state)
{
    int dead = dead_pid(), alive = getpid();
    struct swept swept = {0};
    (void)state;
    make("%s/clock.%d.new", folder, dead, false);
    make("%s/clock.%d.new", folder, alive, false);
    make("%s/clock", folder, 0, false);
    make("%s/registry.d", folder, 0, true);
    make("%s/registry.d/other.json.%d.new", folder, dead, false);
    make("%s/registry.d/other.json", folder, 0, false);
    make("%s/models", folder, 0, true);
    make("%s/models/abc.model.%d.new", folder, dead, false);
    make("%s/models/abc.model", folder, 0, false);
    make("%s/league-new-%d", folder, dead, true);
    make("%s/league-new-%d/x", folder, dead, false);
    make("%s/league-old-%d", folder, dead, true);
    make("%s/league-new-%d", folder, alive, true);
    make("%s/league", folder, 0, true);
    make("%s/mine-%d", folder, dead, true);          /* nobody of ours calls a folder there so */
    make("%s/league/x.%d.new", folder, dead, false); /* nor writes there */
    sweep_state(folder, &swept);
    assert_int_equal(swept.found, 7);
    assert_int_equal(swept.removed, 5);
    assert_int_equal(swept.failed, 0);
    assert_true(there("%s/clock", folder, 0) && there("%s/clock.%d.new", folder, alive));
    assert_true(there("%s/registry.d/other.json", folder, 0));
    assert_true(there("%s/models/abc.model", folder, 0));
    assert_true(there("%s/league", folder, 0) && there("%s/league-new-%d", folder, alive));
    assert_true(there("%s/mine-%d", folder, dead) && there("%s/league/x.%d.new", folder, dead));
    sweep_state(folder, &swept);
    assert_int_equal(swept.removed, 5);
}

/* Beside an environment: only when nobody holds it. */
static void test_shards(void **state)
{
    struct swept swept = {0};
    struct store *store;
    char path[100];
    (void)state;
    make("%s/shards", folder, 0, true);
    snprintf(path, sizeof path, "%s/shards/one-0", folder);
    assert_int_equal(store_open(&store, path, NULL), 0);
    make("%s/shards/one-0/data.compact", folder, 0, false);
    make("%s/shards/one-0/data.new", folder, 0, false);
    sweep_shards(folder, &swept);
    assert_int_equal(swept.found, 2);
    assert_int_equal(swept.removed, 0);
    assert_true(there("%s/shards/one-0/data.compact", folder, 0));
    store_close(&store);
    sweep_shards(folder, &swept);
    assert_int_equal(swept.found, 4);
    assert_int_equal(swept.removed, 2);
    assert_false(there("%s/shards/one-0/data.compact", folder, 0));
    assert_false(there("%s/shards/one-0/data.new", folder, 0));
    assert_true(there("%s/shards/one-0/data.mdb", folder, 0));
    assert_true(there("%s/shards/one-0/lock", folder, 0));
    make("%s/shards/two-0", folder, 0, true); /* nobody ever locked this one */
    make("%s/shards/two-0/data.new", folder, 0, false);
    sweep_shards(folder, &swept);
    assert_int_equal(swept.removed, 3);
    assert_int_equal(swept.failed, 0);
    make("%s/shards/one-0/data.compact", folder, 0, false);
    assert_int_equal(store_open(&store, path, NULL), 0); /* an owner removes it itself */
    assert_false(there("%s/shards/one-0/data.compact", folder, 0));
    store_close(&store);
}

static void test_snapshots(void **state)
{
    static const char whole[] = "snap-00000000000000000007";
    struct swept swept = {0};
    char path[200];
    (void)state;
    snprintf(path, sizeof path, "%s/snapshots", folder);
    assert_int_equal(mkdir(path, 0755), 0);
    sweep_snapshots(path, &swept);
    assert_int_equal(swept.found, 0);
    make("%s/snapshots/one-0", folder, 0, true);
    for (int i = 0; i < 3; i++) { /* of a living writer, of a dead one, and a whole one */
        snprintf(path, sizeof path, "%s/snapshots/one-0/%s%s", folder, whole,
                 i == 0   ? ".abc.tmp"
                 : i == 1 ? ".def.tmp"
                          : "");
        FILE *out = fopen(path, "w");
        assert_non_null(out);
        fclose(out);
    }
    snprintf(path, sizeof path, "%s/snapshots/one-0/%s.abc.tmp", folder, whole);
    int writer = open(path, O_RDWR);
    assert_int_equal(flock(writer, LOCK_EX | LOCK_NB), 0);
    snprintf(path, sizeof path, "%s/snapshots", folder);
    sweep_snapshots(path, &swept);
    assert_int_equal(swept.found, 2);
    assert_int_equal(swept.removed, 1);
    close(writer);
    sweep_snapshots(path, &swept);
    assert_int_equal(swept.removed, 2);
    snprintf(path, sizeof path, "%s/snapshots/one-0/%s", folder, whole);
    assert_int_equal(access(path, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_owner), cmocka_unit_test(test_sweep),
        cmocka_unit_test_setup_teardown(test_state, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(test_shards, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(test_snapshots, open_folder, close_folder)};
    return cmocka_run_group_tests_name("sweep", tests, NULL, NULL);
}
