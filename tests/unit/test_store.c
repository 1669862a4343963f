/* Environments: rows, walks, transactions, the one writer, a full map, what a shard keeps of itself, marks of open runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "config/clock.h"
#include "config/fault.h"
#include "schema/messages.h"
#include "store/env_make.h"
#include "store/run_marks.h"
#include "store/shard_env.h"
#include "store/store.h"

static char dir[64];

static struct store *open_at(const char *path, size_t map_bytes)
{
    struct store *store;
    struct store_options options = {.map_bytes = map_bytes};
    assert_int_equal(store_open(&store, path, &options), STORE_OK);
    return store;
}

static struct store *open_store(void)
{
    return open_at(dir, (size_t)64 << 20);
}

static struct store_txn *begin(struct store *store, bool write)
{
    struct store_txn *txn;
    assert_int_equal(store_begin(store, write, &txn), STORE_OK);
    return txn;
}

static void put_text(struct store_txn *txn, const char *table, int32_t date, const char *key,
                     const char *value)
{
    assert_int_equal(store_put(txn, table, date, key, strlen(key), value, strlen(value)), STORE_OK);
}

static bool has(struct store_txn *txn, const char *table, int32_t date, const char *key,
                const char *value)
{
    struct span found;
    int error = store_get(txn, table, date, key, strlen(key), &found);
    assert_true(error == STORE_OK || error == STORE_NOT_FOUND);
    return !error && found.size == strlen(value) && memcmp(found.data, value, found.size) == 0;
}

static void file_put(const char *name, const void *data, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_int_equal(fwrite(data, 1, size, out), size);
    assert_int_equal(fclose(out), 0);
}

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/test-store-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    static const char *const files[] = {"data.mdb", "lock.mdb", "lock", "gate", "runs.mark"};
    char path[128];
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        unlink(path);
    }
    rmdir(dir);
    return 0;
}

/* ---- rows ---- */

static void rows_are_kept(void **state)
{
    struct store *store = open_store();
    struct store_txn *txn = begin(store, true);
    (void)state;
    put_text(txn, "games", 20251117, "a", "one");
    put_text(txn, "games", 20251117, "b", "two");
    put_text(txn, "players", STORE_UNDATED, "a", "three");
    put_text(txn, "games", 20251117, "a", "ONE");
    assert_int_equal(store_del(txn, "games", 20251117, "b", 1), STORE_OK);
    assert_int_equal(store_del(txn, "games", 20251117, "b", 1), STORE_NOT_FOUND);
    assert_int_equal(store_commit(&txn), STORE_OK);
    assert_null(txn);
    store_close(&store);
    store = open_store();
    txn = begin(store, false);
    assert_true(has(txn, "games", 20251117, "a", "ONE"));
    assert_false(has(txn, "games", 20251118, "a", "ONE"));
    assert_false(has(txn, "game", 20251117, "a", "ONE"));
    assert_false(has(txn, "games", 20251117, "b", "two"));
    assert_true(has(txn, "players", STORE_UNDATED, "a", "three"));
    store_abort(&txn);
    store_close(&store);
}

static void an_abort_leaves_nothing(void **state)
{
    struct store *store = open_store();
    struct store_txn *txn = begin(store, true);
    (void)state;
    put_text(txn, "t", 1, "k", "v");
    assert_int_equal(store_writes(txn), 1);
    store_abort(&txn);
    txn = begin(store, true);
    assert_false(has(txn, "t", 1, "k", "v"));
    put_text(txn, "t", 1, "k", "w");
    struct store_txn *reader = begin(store, false), *second = begin(store, false);
    assert_false(has(reader, "t", 1, "k", "w")); /* not before the commit */
    assert_int_equal(store_commit(&txn), STORE_OK);
    assert_false(has(reader, "t", 1, "k", "w")); /* nor in a snapshot from before */
    assert_false(has(second, "t", 1, "k", "w"));
    store_abort(&second);
    store_abort(&reader);
    reader = begin(store, false);
    assert_true(has(reader, "t", 1, "k", "w"));
    store_abort(&reader);
    store_close(&store);
}

static void keys_have_a_limit(void **state)
{
    struct store *store = open_store();
    struct store_txn *txn = begin(store, true);
    char key[STORE_KEY_MAX + 1];
    struct store_key long_key;
    (void)state;
    memset(key, 'k', sizeof key);
    assert_int_equal(store_put(txn, "t", 1, key, STORE_KEY_MAX, "v", 1), STORE_OK);
    assert_int_equal(store_put(txn, "t", 1, key, STORE_KEY_MAX + 1, "v", 1), STORE_TOO_LARGE);
    store_key_start(&long_key);
    for (int i = 0; i < 60; i++)
        store_key_i64(&long_key, i);
    assert_true(long_key.too_long);
    assert_int_equal(store_put(txn, "t", 1, long_key.data, long_key.size, "v", 1), STORE_TOO_LARGE);
    assert_int_equal(store_commit(&txn), STORE_OK); /* a refused key spoils nothing */
    store_close(&store);
}

static void key_parts_sort_as_values(void **state)
{
    static const int64_t numbers[] = {INT64_MIN, -1000, -1, 0, 1, 255, 256, 1000, INT64_MAX};
    struct store_key a, b;
    (void)state;
    for (size_t i = 0; i + 1 < sizeof numbers / sizeof *numbers; i++) {
        store_key_start(&a);
        store_key_start(&b);
        store_key_i64(&a, numbers[i]);
        store_key_i64(&b, numbers[i + 1]);
        assert_true(memcmp(a.data, b.data, a.size) < 0);
    }
    store_key_start(&a);
    store_key_text(&a, "name");
    store_key_i64(&a, -7);
    struct span rest = {a.data, (uint32_t)a.size};
    const char *text;
    int64_t number;
    assert_int_equal(store_key_read_text(&rest, &text), 0);
    assert_string_equal(text, "name");
    assert_int_equal(store_key_read_i64(&rest, &number), 0);
    assert_int_equal(number, -7);
    assert_int_equal(store_key_read_i64(&rest, &number), -1);
    assert_int_equal(store_key_read_text(&rest, &text), -1);
}

/* ---- walks, against a model ---- */

struct row {
    int32_t date;
    char key[8];
};
struct walked {
    struct row rows[1000];
    size_t count, stop_at;
};

static int walk(const struct store_row *row, void *context)
{
    struct walked *walked = context;
    struct row *out = &walked->rows[walked->count++];
    out->date = row->date;
    memcpy(out->key, row->key.data, row->key.size);
    out->key[row->key.size] = '\0';
    assert_int_equal(row->value.size, 1);
    return walked->count == walked->stop_at ? 77 : 0;
}

static int by_date_and_key(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    return x->date != y->date ? (x->date < y->date ? -1 : 1) : strcmp(x->key, y->key);
}

static void check_walk(struct store_txn *txn, const struct row *rows, size_t count, int32_t from,
                       int32_t to, const char *prefix, bool reverse)
{
    static struct walked walked;
    static struct row wanted[1000];
    size_t many = 0;
    for (size_t i = 0; i < count; i++)
        if (rows[i].date >= from && rows[i].date <= to &&
            strncmp(rows[i].key, prefix, strlen(prefix)) == 0)
            wanted[many++] = rows[i];
    memset(&walked, 0, sizeof walked);
    assert_int_equal(
        store_scan(txn, "walked", from, to, prefix, strlen(prefix), reverse, walk, &walked), 0);
    assert_int_equal(walked.count, many);
    for (size_t i = 0; i < many; i++)
        assert_memory_equal(&walked.rows[reverse ? many - 1 - i : i].key, wanted[i].key,
                            strlen(wanted[i].key) + 1);
    if (many < 3)
        return;
    memset(&walked, 0, sizeof walked);
    walked.stop_at = 2;
    assert_int_equal(
        store_scan(txn, "walked", from, to, prefix, strlen(prefix), reverse, walk, &walked), 77);
    assert_int_equal(walked.count, 2);
}

static void walks_see_what_a_model_sees(void **state)
{
    static const char *const keys[] = {"a", "ab", "aba", "abb", "b", "ba", "z", "\xff", "\xff\xff"};
    static const char *const prefixes[] = {"", "a", "ab", "abc", "b", "y", "\xff", "\xff\xff"};
    static const int32_t dates[] = {-5, 0, 1, 20251116, 20251117, 20251118, INT32_MAX};
    struct store *store = open_store();
    struct store_txn *txn = begin(store, true);
    struct row rows[100];
    size_t count = 0;
    (void)state;
    srand(7);
    put_text(txn, "walkec", 20251117, "a", "x"); /* neighbours that must not be seen */
    put_text(txn, "walked2", 20251117, "a", "x");
    put_text(txn, "walkee", 20251117, "a", "x");
    for (size_t d = 0; d < sizeof dates / sizeof *dates; d++)
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            if (rand() % 4 == 0)
                continue;
            put_text(txn, "walked", dates[d], keys[k], "x");
            rows[count].date = dates[d];
            strcpy(rows[count++].key, keys[k]);
        }
    qsort(rows, count, sizeof *rows, by_date_and_key);
    for (size_t f = 0; f < sizeof dates / sizeof *dates; f++)
        for (size_t t = f; t < sizeof dates / sizeof *dates; t++)
            for (size_t p = 0; p < sizeof prefixes / sizeof *prefixes; p++)
                for (int reverse = 0; reverse < 2; reverse++)
                    check_walk(txn, rows, count, dates[f], dates[t], prefixes[p], reverse == 1);
    check_walk(txn, rows, count, INT32_MIN, INT32_MAX, "", false);
    check_walk(txn, rows, count, INT32_MIN, INT32_MAX, "", true);
    assert_int_equal(store_clear(txn, "walked"), STORE_OK);
    check_walk(txn, rows, 0, INT32_MIN, INT32_MAX, "", false);
    assert_true(has(txn, "walkee", 20251117, "a", "x"));
    assert_int_equal(store_clear_all(txn), STORE_OK);
    assert_false(has(txn, "walkee", 20251117, "a", "x"));
    store_abort(&txn);
    store_close(&store);
}

static void messages_are_checked_both_ways(void **state)
{
    struct store *store = open_store();
    struct store_txn *txn = begin(store, true);
    struct msg_ops_command in, out;
    (void)state;
    message_clear(&msg_ops_command_desc, &in);
    strcpy(in.target, "poller");
    strcpy(in.verb, "poll");
    strcpy(in.by, "test");
    assert_int_equal(store_put_message(txn, "m", 0, "k", 1, &msg_ops_command_desc, &in),
                     STORE_CORRUPT); /* no command_id */
    strcpy(in.command_id, "1");
    assert_int_equal(store_put_message(txn, "m", 0, "k", 1, &msg_ops_command_desc, &in), STORE_OK);
    assert_int_equal(store_get_message(txn, "m", 0, "k", 1, &msg_ops_command_desc, &out), STORE_OK);
    assert_true(message_equal(&msg_ops_command_desc, &in, &out, NULL));
    put_text(txn, "m", 0, "bad", "\x80 not it");
    assert_int_equal(store_get_message(txn, "m", 0, "bad", 3, &msg_ops_command_desc, &out),
                     STORE_CORRUPT);
    store_abort(&txn);
    store_close(&store);
}

/* ---- who may ---- */

static void one_writer_many_readers(void **state)
{
    struct store *store = open_store(), *second;
    struct store_options read_only = {.read_only = true, .map_bytes = (size_t)64 << 20};
    struct store_txn *txn = begin(store, true);
    (void)state;
    put_text(txn, "t", 1, "k", "v");
    assert_int_equal(store_commit(&txn), STORE_OK);
    assert_int_equal(store_open(&second, dir, NULL), STORE_BUSY);
    assert_null(second);
    pid_t child = fork();
    if (child == 0) { /* another process: may read, may not write */
        execl("/proc/self/exe", "test_store", "reader", dir, (char *)NULL);
        _exit(1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    store_close(&store);
    assert_int_equal(store_open(&store, "/tmp/no/such/place", &read_only), STORE_IO);
    assert_int_equal(errno, ENOENT);
}

/* What the other process does: writing is refused, reading works. */
static int reader_main(const char *path)
{
    struct store *store;
    struct store_txn *txn;
    struct span value;
    struct store_options read_only = {.read_only = true, .map_bytes = (size_t)64 << 20};
    if (store_open(&store, path, NULL) != STORE_BUSY ||
        store_open(&store, path, &read_only) != STORE_OK ||
        store_begin(store, true, &txn) == STORE_OK || store_begin(store, false, &txn) != STORE_OK ||
        store_get(txn, "t", 1, "k", 1, &value) != STORE_OK || value.size != 1)
        return 1;
    store_abort(&txn);
    store_close(&store);
    return 0;
}

static void a_full_map_takes_nothing(void **state)
{
    struct store *store = open_at(dir, 1 << 20);
    struct store_txn *txn = begin(store, true);
    static char value[100000];
    int error = STORE_OK;
    (void)state;
    put_text(txn, "t", 1, "k", "v");
    assert_int_equal(store_commit(&txn), STORE_OK);
    txn = begin(store, true);
    put_text(txn, "t", 1, "k", "w");
    for (int i = 0; i < 100 && !error; i++)
        error = store_put(txn, "big", i, "k", 1, value, sizeof value);
    assert_int_equal(error, STORE_FULL);
    assert_int_equal(store_commit(&txn), STORE_FULL); /* also for who did not look */
    assert_null(txn);
    txn = begin(store, true);
    assert_true(has(txn, "t", 1, "k", "v"));
    put_text(txn, "t", 1, "k", "x"); /* and it can be written again */
    assert_int_equal(store_commit(&txn), STORE_OK);
    store_close(&store);
}

static void a_full_disk_takes_nothing(void **state)
{
    struct store *store = open_store();
    (void)state;
    setenv("TIPOFF_FAULT", "disk-full:1:fail", 1);
    fault_init("test");
    struct store_txn *txn = begin(store, true);
    put_text(txn, "t", 1, "k", "v");
    assert_int_equal(store_commit(&txn), STORE_FULL);
    unsetenv("TIPOFF_FAULT");
    fault_init("test");
    txn = begin(store, true);
    assert_false(has(txn, "t", 1, "k", "v"));
    store_abort(&txn);
    store_close(&store);
}

/* Killed in mid-write, again and again: what was committed is there, what was not is not. */
static void kills_leave_whole_steps(void **state)
{
    (void)state;
    uint64_t committed = 0;
    for (int round = 0; round < 5; round++) {
        int tell[2];
        assert_int_equal(pipe(tell), 0);
        pid_t child = fork();
        if (child == 0) {
            char fd[16];
            snprintf(fd, sizeof fd, "%d", tell[1]);
            execl("/proc/self/exe", "test_store", "writer", dir, fd, (char *)NULL);
            _exit(1);
        }
        close(tell[1]);
        uint64_t told = 0;
        for (int i = 0; i < 20 + round; i++) /* so many commits, then the kill */
            assert_int_equal(read(tell[0], &told, sizeof told), sizeof told);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        while (read(tell[0], &told, sizeof told) == (ssize_t)sizeof told)
            ;
        close(tell[0]);
        struct store *store = open_store();
        struct store_txn *txn = begin(store, false);
        struct span a, b;
        uint64_t x, y;
        assert_int_equal(store_get(txn, "a", 1, "n", 1, &a), STORE_OK);
        assert_int_equal(store_get(txn, "b", 1, "n", 1, &b), STORE_OK);
        memcpy(&x, a.data, sizeof x);
        memcpy(&y, b.data, sizeof y);
        assert_true(x == y && x >= told && x <= told + 1 && x > committed);
        committed = x;
        store_abort(&txn);
        store_close(&store);
    }
}

static int writer_main(const char *path, int fd)
{
    struct store *store;
    struct store_txn *txn;
    struct span row;
    if (store_open(&store, path, &(struct store_options){.map_bytes = (size_t)64 << 20}))
        return 1;
    for (;;) {
        uint64_t n = 0;
        if (store_begin(store, true, &txn))
            return 1;
        if (store_get(txn, "a", 1, "n", 1, &row) == STORE_OK)
            memcpy(&n, row.data, sizeof n);
        n++;
        if (store_put(txn, "a", 1, "n", 1, &n, sizeof n) ||
            store_put(txn, "b", 1, "n", 1, &n, sizeof n) || store_commit(&txn) ||
            write(fd, &n, sizeof n) != (ssize_t)sizeof n)
            return 1;
    }
}

/* ---- what a shard keeps ---- */

static int lane_seen(const struct shard_lane *lane, void *context)
{
    struct shard_lane *out = context;
    if (strcmp(lane->stream, "row.game") == 0 && lane->partition == 3)
        *out = *lane;
    return 0;
}

static int out_seen(const struct shard_out *out, void *context)
{
    uint64_t *last = context;
    assert_true(out->number > *last);
    *last = out->number;
    assert_string_equal(out->stream, "row.game");
    assert_int_equal(out->partition, 2);
    assert_int_equal(out->count, 7);
    assert_int_equal(out->first_seq, 100 + out->number);
    assert_true(out->due_us == (out->number % 2 ? CLOCK_NONE : 55));
    assert_int_equal(out->body.size, 4);
    assert_memory_equal(out->body.data, "body", 4);
    return 0;
}

static int stop_at_once(const struct shard_out *out, void *context)
{
    (void)out;
    (void)context;
    return 0;
}

static int count_seen(const struct shard_count *count, void *context)
{
    *(struct shard_count *)context = *count;
    return 0;
}

static void a_shard_knows_itself(void **state)
{
    struct store *store = open_store();
    struct shard_state shard, again;
    struct shard_lane lane = {.stream = "row.game", .partition = 3, .last = 9, .acked = 4};
    struct shard_count count = {.done = 0};
    uint64_t last = 0;
    (void)state;
    assert_int_equal(shard_env_open(store, &shard), STORE_OK);
    assert_int_equal(strlen(shard.env_id), 32);
    assert_int_equal(shard.epoch + shard.step + shard.cursor, 0);
    assert_int_equal(shard_env_open(store, &again), STORE_OK);
    assert_string_equal(shard.env_id, again.env_id); /* made once */
    struct store_txn *txn = begin(store, true);
    shard.epoch = 5;
    shard.step = 6;
    shard.cursor = UINT64_C(1) << 40;
    shard.rebuilding = true;
    assert_int_equal(shard_env_put_state(txn, &shard), 0);
    assert_int_equal(shard_env_put_lane(txn, &lane), 0);
    for (uint64_t n = 1; n <= 300; n++) {
        struct shard_out out = {.number = n,
                                .stream = "row.game",
                                .partition = 2,
                                .count = 7,
                                .first_seq = 100 + n,
                                .due_us = n % 2 ? CLOCK_NONE : 55,
                                .body = {(const uint8_t *)"body", 4}};
        assert_int_equal(shard_env_put_out(txn, &out), 0);
    }
    assert_int_equal(shard_env_del_out(txn, 1), 0);
    assert_int_equal(shard_env_add_count(txn, "row.game", 10, 1), 0);
    assert_int_equal(shard_env_add_count(txn, "row.game", 5, 0), 0);
    assert_int_equal(store_commit(&txn), 0);
    txn = begin(store, true);
    assert_int_equal(shard_env_state(txn, &again), 0);
    assert_true(again.epoch == 5 && again.step == 6 && again.cursor == shard.cursor);
    assert_true(again.rebuilding);
    memset(&lane, 0, sizeof lane);
    assert_int_equal(shard_env_each_lane(txn, lane_seen, &lane), 0);
    assert_true(lane.last == 9 && lane.acked == 4);
    assert_int_equal(shard_env_each_out(txn, out_seen, &last), 0);
    assert_int_equal(last, 300);
    assert_int_equal(shard_env_each_count(txn, count_seen, &count), 0);
    assert_true(count.done == 15 && count.never == 1);
    struct store_key key; /* one flipped bit */
    struct span row;
    store_key_start(&key);
    store_key_i64(&key, 77);
    assert_int_equal(store_get(txn, "_outbox", 0, key.data, key.size, &row), 0);
    uint8_t copy[128];
    memcpy(copy, row.data, row.size);
    copy[row.size - 1] ^= 1;
    assert_int_equal(store_put(txn, "_outbox", 0, key.data, key.size, copy, row.size), 0);
    assert_int_equal(shard_env_each_out(txn, stop_at_once, NULL), STORE_CORRUPT);
    assert_int_equal(shard_env_discard(txn, &again), 0);
    assert_int_equal(store_commit(&txn), 0);
    txn = begin(store, false);
    assert_int_equal(shard_env_state(txn, &again), 0);
    assert_string_equal(again.env_id, shard.env_id);
    assert_true(again.step == 6 && again.epoch == 5 && again.cursor == 0);
    last = 0;
    assert_int_equal(shard_env_each_out(txn, out_seen, &last), 0);
    assert_int_equal(last, 0);
    store_abort(&txn);
    store_close(&store);
}

static void marks_survive_a_kill(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct run_marks *marks = run_marks_open(dir);
        struct run_mark mark = {.step = 12, .position = 34, .epoch = 5, .attempt = 2};
        strcpy(mark.run_id, "actor.0-5-1");
        strcpy(mark.name, "Run");
        if (!marks)
            _exit(1);
        run_marks_set(marks, 0, &mark);
        run_marks_set(marks, 7, &mark);
        run_marks_closing(marks, 7, 99);
        run_marks_set(marks, 8, &mark);
        run_marks_clear(marks, 8);
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    struct run_marks *marks = run_marks_open(dir);
    assert_non_null(marks);
    const struct run_mark *mark = run_marks_get(marks, 0);
    assert_non_null(mark);
    assert_true(mark->step == 12 && mark->position == 34 && mark->epoch == 5 && mark->attempt == 2);
    assert_string_equal(mark->run_id, "actor.0-5-1");
    assert_int_equal(run_marks_get(marks, 7)->step, 99);
    assert_null(run_marks_get(marks, 8));
    assert_null(run_marks_get(marks, RUN_MARKS_SLOTS - 1));
    run_marks_close(&marks);
}

/* The power went while it was made: what had no name yet is overwritten; what has its name is whole, or somebody broke it. */
static void what_was_half_made_is_made_anew(void **state)
{
    (void)state;
    uint8_t half[512];
    memset(half, 7, sizeof half);
    struct store *store = open_store();
    store_close(&store);
    char path[128];
    snprintf(path, sizeof path, "%s/" ENV_FILE, dir);
    assert_int_equal(unlink(path), 0);
    file_put(ENV_FILE_NEW, half, sizeof half);
    store = open_store();
    struct store_txn *txn = begin(store, true);
    put_text(txn, "t", STORE_UNDATED, "k", "v");
    assert_int_equal(store_commit(&txn), STORE_OK);
    store_close(&store);
    snprintf(path, sizeof path, "%s/" ENV_FILE_NEW, dir);
    assert_int_equal(access(path, F_OK), -1);

    file_put(ENV_FILE, half, sizeof half);
    struct store_options options = {.map_bytes = (size_t)64 << 20};
    assert_int_equal(store_open(&store, dir, &options), STORE_CORRUPT);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(an_abort_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_have_a_limit, setup, teardown),
        cmocka_unit_test(key_parts_sort_as_values),
        cmocka_unit_test_setup_teardown(walks_see_what_a_model_sees, setup, teardown),
        cmocka_unit_test_setup_teardown(messages_are_checked_both_ways, setup, teardown),
        cmocka_unit_test_setup_teardown(one_writer_many_readers, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_map_takes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_takes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(kills_leave_whole_steps, setup, teardown),
        cmocka_unit_test_setup_teardown(a_shard_knows_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_half_made_is_made_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(marks_survive_a_kill, setup, teardown),
    };
    if (argc == 3 && strcmp(argv[1], "reader") == 0)
        return reader_main(argv[2]);
    if (argc == 4 && strcmp(argv[1], "writer") == 0)
        return writer_main(argv[2], atoi(argv[3]));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
