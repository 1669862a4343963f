/* Snapshots: what is copied while writes go on is the state of one instant; what is broken is not believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "config/clock.h"
#include "config/fault.h"
#include "store/shard_env.h"
#include "store/snapshot.h"
#include "store/store.h"

#define KEYS 400
#define VALUE_MOST 3000
static const struct snapshot_slice small_slice = {.bytes = 65536, .time_us = 1000000};

static char root[64], env_dir[96], folder[96], other_dir[96];

/* What the environment should hold: the size of each row's value, which its key determines otherwise; 0: no row. */
struct model {
    uint32_t size[KEYS], seed[KEYS];
};

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void value_fill(uint8_t *value, uint32_t size, uint32_t seed)
{
    for (uint32_t i = 0; i < size; i++)
        value[i] = (uint8_t)(seed * 31 + i * 7);
}

static void row_key(struct store_key *key, uint32_t row)
{
    store_key_start(key);
    store_key_i64(key, row);
}

static void write_some(struct store *store, struct model *model, uint32_t *random, uint32_t writes)
{
    static uint8_t value[VALUE_MOST];
    struct store_txn *txn;
    struct store_key key;
    assert_int_equal(store_begin(store, true, &txn), STORE_OK);
    for (uint32_t i = 0; i < writes; i++) {
        uint32_t row = next_random(random) % KEYS;
        row_key(&key, row);
        if (model->size[row] && next_random(random) % 3 == 0) {
            assert_int_equal(store_del(txn, "t", STORE_UNDATED, key.data, key.size), STORE_OK);
            model->size[row] = 0;
            continue;
        }
        model->size[row] = 1 + next_random(random) % VALUE_MOST;
        model->seed[row] = next_random(random);
        value_fill(value, model->size[row], model->seed[row]);
        assert_int_equal(
            store_put(txn, "t", STORE_UNDATED, key.data, key.size, value, model->size[row]),
            STORE_OK);
    }
    assert_int_equal(store_commit(&txn), STORE_OK);
}

static void compare(struct store *store, const struct model *model)
{
    static uint8_t value[VALUE_MOST];
    struct store_txn *txn;
    struct store_key key;
    struct span found;
    assert_int_equal(store_begin(store, false, &txn), STORE_OK);
    for (uint32_t row = 0; row < KEYS; row++) {
        row_key(&key, row);
        int error = store_get(txn, "t", STORE_UNDATED, key.data, key.size, &found);
        assert_int_equal(error, model->size[row] ? STORE_OK : STORE_NOT_FOUND);
        if (error)
            continue;
        value_fill(value, model->size[row], model->seed[row]);
        assert_int_equal(found.size, model->size[row]);
        assert_memory_equal(found.data, value, found.size);
    }
    store_abort(&txn);
}

static struct store *open_env(const char *dir)
{
    struct store *store;
    struct store_options options = {.map_bytes = (size_t)256 << 20};
    assert_int_equal(store_open(&store, dir, &options), STORE_OK);
    return store;
}

static struct snapshot_writer *start_one(struct store *store, uint64_t cursor)
{
    struct snapshot_about about = {
        .cursor = cursor, .counted_from = 1, .step = 5, .epoch = 2, .league_us = 99};
    struct snapshot_writer *writer;
    assert_int_equal(snapshot_begin(&writer, store, folder, "me", &about, shard_env_is_own),
                     STORE_OK);
    return writer;
}

static void make(struct store *store, uint64_t cursor, uint32_t keep)
{
    struct snapshot_writer *writer = start_one(store, cursor);
    int more;
    while ((more = snapshot_turn(writer, &small_slice)) == 1)
        ;
    assert_int_equal(more, 0);
    assert_int_equal(snapshot_name(&writer, keep), STORE_OK);
}

/* 0, or what reading all of it says. */
static int read_whole(const char *path, struct snapshot_about *about)
{
    struct snapshot_reader *reader;
    int more = snapshot_open(&reader, path, about);
    if (more)
        return more;
    while ((more = snapshot_next(reader, NULL, NULL)) == 1)
        ;
    snapshot_close(&reader);
    return more;
}

static int setup(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/test-snapshot-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    snprintf(env_dir, sizeof env_dir, "%s/env", root);
    snprintf(other_dir, sizeof other_dir, "%s/other", root);
    snprintf(folder, sizeof folder, "%s/snapshots", root);
    return mkdir(folder, 0750);
}

static int teardown(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

static unsigned files(const char *end)
{
    unsigned count = 0;
    DIR *open_folder = opendir(folder);
    assert_non_null(open_folder);
    for (const struct dirent *entry; (entry = readdir(open_folder));) {
        size_t size = strlen(entry->d_name);
        count += entry->d_name[0] != '.' && size >= strlen(end) &&
                 strcmp(entry->d_name + size - strlen(end), end) == 0;
    }
    closedir(open_folder);
    return count;
}

/* ---- */

static void it_is_the_state_of_one_instant(void **state)
{
    static struct model model, then;
    struct snapshot_about about;
    char path[256];
    (void)state;
    for (uint32_t round = 1; round <= 3; round++) {
        uint32_t random = round;
        struct store *store = open_env(env_dir), *other = open_env(other_dir);
        write_some(store, &model, &random, 600);
        then = model;
        struct snapshot_writer *writer = start_one(store, 100 + round);
        int more, turns = 0;
        while ((more = snapshot_turn(writer, &small_slice)) == 1) {
            write_some(store, &model, &random, 20); /* the owner goes on */
            turns++;
        }
        assert_int_equal(more, 0);
        assert_true(turns > 5);
        assert_int_equal(snapshot_name(&writer, 2), STORE_OK);
        compare(store, &model);

        struct snapshot_reader *reader;
        assert_int_equal(snapshot_path(path, sizeof path, folder, 100 + round), 0);
        assert_int_equal(snapshot_open(&reader, path, &about), STORE_OK);
        assert_true(about.cursor == 100 + round && about.counted_from == 1 && about.step == 5 &&
                    about.epoch == 2 && about.league_us == 99);
        struct store_txn *txn;
        assert_int_equal(store_begin(other, true, &txn), STORE_OK);
        assert_int_equal(store_clear_all(txn), STORE_OK);
        assert_int_equal(store_commit(&txn), STORE_OK);
        while ((more = snapshot_load(reader, other)) == 1)
            ;
        assert_int_equal(more, 0);
        snapshot_close(&reader);
        compare(other, &then);
        store_close(&store);
        store_close(&other);
    }
    assert_int_equal(files(""), 2); /* the newest two */
}

static void it_says_nothing_of_who_made_it(void **state)
{
    struct shard_state mine, theirs;
    struct store_txn *txn;
    struct snapshot_about about;
    struct snapshot_reader *reader;
    char path[256];
    (void)state;
    struct store *store = open_env(env_dir), *other = open_env(other_dir);
    assert_int_equal(shard_env_open(store, &mine), STORE_OK);
    assert_int_equal(shard_env_open(other, &theirs), STORE_OK);
    assert_int_equal(store_begin(store, true, &txn), STORE_OK);
    struct shard_lane lane = {.stream = "s", .partition = 3, .last = 7, .acked = 7};
    struct shard_out out = {.number = 1,
                            .stream = "s",
                            .count = 1,
                            .first_seq = 7,
                            .due_us = CLOCK_NONE,
                            .body = {(const uint8_t *)"x", 1}};
    assert_int_equal(shard_env_put_lane(txn, &lane), STORE_OK);
    assert_int_equal(shard_env_put_out(txn, &out), STORE_OK);
    assert_int_equal(shard_env_add_count(txn, "in", 4, 1), STORE_OK);
    assert_int_equal(store_commit(&txn), STORE_OK);
    make(store, 9, 2);
    assert_int_equal(snapshot_path(path, sizeof path, folder, 9), 0);
    assert_int_equal(snapshot_open(&reader, path, &about), STORE_OK);
    while (snapshot_load(reader, other) == 1)
        ;
    snapshot_close(&reader);
    assert_int_equal(store_begin(other, false, &txn), STORE_OK);
    struct span row;
    struct shard_state now;
    assert_int_equal(shard_env_state(txn, &now), STORE_OK);
    assert_string_equal(now.env_id, theirs.env_id);
    assert_int_equal(store_get(txn, "_count", STORE_UNDATED, "in", 3, &row), STORE_OK);
    assert_int_equal(store_get(txn, "_outbox", STORE_UNDATED, NULL, 0, &row), STORE_NOT_FOUND);
    store_abort(&txn);
    store_close(&store);
    store_close(&other);
}

/* Any byte that is another, any end that is missing, any that is too much. */
static void what_is_broken_is_not_believed(void **state)
{
    static struct model model;
    static uint8_t whole[4 << 20];
    struct snapshot_about about;
    char path[256];
    uint32_t random = 77;
    (void)state;
    struct store *store = open_env(env_dir);
    memset(&model, 0, sizeof model);
    write_some(store, &model, &random, 200);
    make(store, 5, 2);
    store_close(&store);
    assert_int_equal(snapshot_path(path, sizeof path, folder, 5), 0);
    assert_int_equal(read_whole(path, &about), STORE_OK);
    int fd = open(path, O_RDWR);
    ssize_t size = read(fd, whole, sizeof whole);
    assert_true(size > 10000 && size < (ssize_t)sizeof whole);
    for (int i = 0; i < 400; i++) {
        off_t at = i < 60 ? i : i < 100 ? size - 1 - (i - 60) : next_random(&random) % size;
        uint8_t other = whole[at] ^ (uint8_t)(1 << i % 8);
        assert_int_equal(pwrite(fd, &other, 1, at), 1);
        assert_int_equal(read_whole(path, &about), STORE_CORRUPT);
        assert_int_equal(pwrite(fd, &whole[at], 1, at), 1);
    }
    assert_int_equal(read_whole(path, &about), STORE_OK);
    for (int i = 0; i < 60; i++) {
        ssize_t shorter = i < 30   ? i * 3
                          : i < 45 ? size - 1 - (i - 30)
                                   : next_random(&random) % size;
        assert_int_equal(ftruncate(fd, shorter), 0);
        assert_int_equal(read_whole(path, &about), STORE_CORRUPT);
        assert_int_equal(pwrite(fd, whole, (size_t)size, 0), size);
    }
    assert_int_equal(pwrite(fd, "x", 1, size), 1);
    assert_int_equal(read_whole(path, &about), STORE_CORRUPT);
    close(fd);
}

static void the_newest_are_kept(void **state)
{
    uint64_t cursors[8];
    struct store *store = open_env(env_dir);
    (void)state;
    assert_int_equal(snapshot_list(folder, cursors, 8), 0);
    make(store, 10, 2);
    make(store, 20, 2);
    snapshot_set_aside(folder, 10);
    assert_int_equal(files(".bad"), 1);
    make(store, 30, 2); /* one of two was broken: nothing goes */
    assert_int_equal(snapshot_list(folder, cursors, 8), 2);
    assert_true(cursors[0] == 30 && cursors[1] == 20);
    assert_int_equal(files(".bad"), 0); /* older than all that are kept */
    make(store, 40, 2);
    make(store, 50, 3);
    assert_int_equal(snapshot_list(folder, cursors, 8), 3);
    assert_true(cursors[0] == 50 && cursors[2] == 30);
    assert_int_equal(snapshot_list(folder, cursors, 2), 2);
    assert_true(cursors[0] == 50 && cursors[1] == 40);
    store_close(&store);
}

static void a_dead_writers_file_is_swept(void **state)
{
    int64_t found = 0, removed = 0;
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct snapshot_writer *theirs = start_one(open_env(env_dir), 3);
        (void)theirs;
        raise(SIGKILL);
    }
    waitpid(child, NULL, 0);
    struct store *store = open_env(env_dir);
    assert_int_equal(files(".tmp"), 1);
    struct snapshot_writer *mine = start_one(store, 4); /* sweeps first */
    assert_int_equal(files(".tmp"), 1);
    snapshot_sweep(folder, &found, &removed);
    assert_true(found == 1 && removed == 0);
    snapshot_drop(&mine);
    assert_int_equal(files(""), 0);
    store_close(&store);
}

/* Killed at each point: a name that is there is that of a whole one. */
static void kills_leave_whole_ones(void **state)
{
    static const char *const points[] = {"snapshot-begun:1", "snapshot-written:1",
                                         "snapshot-renamed:1"};
    static struct model model;
    struct snapshot_about about;
    uint64_t cursors[8];
    char path[256];
    uint32_t random = 5;
    (void)state;
    struct store *store = open_env(env_dir);
    memset(&model, 0, sizeof model);
    write_some(store, &model, &random, 300);
    make(store, 1000, 2);
    store_close(&store); /* LMDB's are not for children of who opened them */
    for (uint32_t i = 0; i < 3; i++) {
        pid_t child = fork();
        if (child == 0) {
            setenv("TIPOFF_FAULT", points[i], 1);
            fault_init("test");
            make(open_env(env_dir), 2000 + i, 2);
            _exit(0);
        }
        int status;
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        uint32_t count = snapshot_list(folder, cursors, 8);
        assert_int_equal(count, i < 2 ? 1 : 2);
        assert_true(cursors[count - 1] == 1000);
        for (uint32_t k = 0; k < count; k++) {
            assert_int_equal(snapshot_path(path, sizeof path, folder, cursors[k]), 0);
            assert_int_equal(read_whole(path, &about), STORE_OK);
        }
    }
    store = open_env(env_dir);
    make(store, 3000, 2);
    assert_int_equal(files(""), 2);
    store_close(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_is_the_state_of_one_instant, setup, teardown),
        cmocka_unit_test_setup_teardown(it_says_nothing_of_who_made_it, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_broken_is_not_believed, setup, teardown),
        cmocka_unit_test_setup_teardown(the_newest_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dead_writers_file_is_swept, setup, teardown),
        cmocka_unit_test_setup_teardown(kills_leave_whole_ones, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
