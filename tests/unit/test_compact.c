/* Compaction: the same rows in a smaller file, whoever reads, writes, kills or runs out of space meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "config/fault.h"
#include "store/compact.h"
#include "store/store.h"

enum { ROWS = 4000, VALUE_MOST = 9000, KEPT_OF = 10 };

static const struct compact_slice slice = {.bytes = 20000, .time_us = 1000000};

static char dir[64], file[96], copy_file[96];

static struct store *open_store(void)
{
    struct store *store;
    const struct store_options options = {.map_bytes = (size_t)1 << 30};
    assert_int_equal(store_open(&store, dir, &options), STORE_OK);
    return store;
}

static struct store_txn *begin(struct store *store, bool write)
{
    struct store_txn *txn;
    assert_int_equal(store_begin(store, write, &txn), STORE_OK);
    return txn;
}

/* Row `i`: its value follows from its number; some have none at all, some span pages. */
static uint32_t value_of(uint32_t i, uint8_t *value)
{
    uint32_t size = i % 97 == 0                   ? 0
                    : i % 50 == 7 || i % 500 == 0 ? VALUE_MOST - i % 1000
                                                  : 20 + i % 300;
    for (uint32_t k = 0; k < size; k++)
        value[k] = (uint8_t)(i * 7 + k * 13);
    return size;
}

static void put(struct store *store, uint32_t from, uint32_t to)
{
    static uint8_t value[VALUE_MOST];
    struct store_txn *txn = begin(store, true);
    struct store_key key;
    for (uint32_t i = from; i < to; i++) {
        uint32_t size = value_of(i, value);
        store_key_start(&key);
        store_key_i64(&key, i);
        assert_int_equal(
            store_put(txn, i % 3 ? "a" : "b", (int32_t)(i % 5), key.data, key.size, value, size),
            STORE_OK);
    }
    assert_int_equal(store_commit(&txn), STORE_OK);
}

/* One in KEPT_OF stays. */
static void thin(struct store *store)
{
    struct store_txn *txn = begin(store, true);
    struct store_key key;
    for (uint32_t i = 0; i < ROWS; i++) {
        store_key_start(&key);
        store_key_i64(&key, i);
        if (i % KEPT_OF)
            assert_int_equal(
                store_del(txn, i % 3 ? "a" : "b", (int32_t)(i % 5), key.data, key.size), STORE_OK);
    }
    assert_int_equal(store_commit(&txn), STORE_OK);
}

struct seen {
    uint32_t rows;
    uint64_t sum;
};

static int see(const char *table, const struct store_row *row, void *context)
{
    static uint8_t value[VALUE_MOST];
    struct seen *seen = context;
    struct span rest = row->key;
    int64_t i;
    assert_int_equal(store_key_read_i64(&rest, &i), 0);
    assert_string_equal(table, i % 3 ? "a" : "b");
    assert_int_equal(row->date, i % 5);
    assert_int_equal(row->value.size, value_of((uint32_t)i, value));
    if (row->value.size)
        assert_memory_equal(row->value.data, value, row->value.size);
    seen->rows++;
    seen->sum += (uint64_t)i;
    return 0;
}

/* Exactly the thinned rows, and those of `more` behind them. */
static void assert_rows(struct store *store, uint32_t more)
{
    struct store_txn *txn = begin(store, false);
    struct seen seen = {0};
    uint64_t sum = 0;
    for (uint32_t i = 0; i < ROWS; i += KEPT_OF)
        sum += i;
    for (uint32_t i = ROWS; i < ROWS + more; i++)
        sum += i;
    assert_int_equal(store_each(txn, see, &seen), STORE_OK);
    store_abort(&txn);
    assert_int_equal(seen.rows, ROWS / KEPT_OF + more);
    assert_true(seen.sum == sum);
}

static off_t size_of(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? info.st_size : -1;
}

static struct compaction *copied(struct store *store)
{
    struct compaction *compaction;
    int more, turns = 0;
    assert_int_equal(compact_begin(&compaction, store), STORE_OK);
    while ((more = compact_turn(compaction, &slice)) == 1)
        turns++;
    assert_int_equal(more, 0);
    assert_true(turns > 3); /* in slices */
    return compaction;
}

static void compact(struct store *store)
{
    struct compaction *compaction = copied(store);
    assert_int_equal(compact_swap(&compaction), 0);
    assert_null(compaction);
}

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/test-compact-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(file, sizeof file, "%s/data.mdb", dir);
    snprintf(copy_file, sizeof copy_file, "%s/" COMPACT_FILE, dir);
    struct store *store = open_store();
    put(store, 0, ROWS);
    thin(store);
    store_close(&store);
    return 0;
}

static int teardown(void **state)
{
    char command[96];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

/* ---- */

static void the_same_rows_in_a_smaller_file(void **state)
{
    struct store *store = open_store();
    struct store_space before, after;
    (void)state;
    assert_int_equal(store_space(store, &before), STORE_OK);
    assert_int_equal(before.bytes, size_of(file));
    assert_true(before.free_bytes > before.bytes / 2);
    compact(store);
    assert_int_equal(store_space(store, &after), STORE_OK);
    assert_int_equal(after.bytes, size_of(file));
    assert_true(after.bytes < before.bytes / 4);
    assert_true(after.free_bytes < after.bytes / 4);
    assert_int_equal(size_of(copy_file), -1);
    assert_rows(store, 0);
    for (uint32_t i = 0; i < 5; i++) /* and it goes on */
        put(store, ROWS + i * 100, ROWS + i * 100 + 100);
    assert_rows(store, 500);
    compact(store);
    assert_rows(store, 500);
    store_close(&store);
    store = open_store();
    assert_rows(store, 500);
    store_close(&store);
}

static void an_empty_one_stays_empty(void **state)
{
    struct store *store = open_store();
    struct store_txn *txn = begin(store, true);
    struct compaction *compaction;
    struct seen seen = {0};
    int more;
    (void)state;
    assert_int_equal(store_clear_all(txn), STORE_OK);
    assert_int_equal(store_commit(&txn), STORE_OK);
    assert_int_equal(compact_begin(&compaction, store), STORE_OK);
    while ((more = compact_turn(compaction, &slice)) == 1)
        ;
    assert_int_equal(more, 0);
    assert_int_equal(compact_swap(&compaction), 0);
    txn = begin(store, false);
    assert_int_equal(store_each(txn, see, &seen), STORE_OK);
    store_abort(&txn);
    assert_int_equal(seen.rows, 0);
    put(store, ROWS, ROWS + 10);
    store_close(&store);
}

static void a_write_meanwhile_makes_it_worthless(void **state)
{
    struct store *store = open_store();
    struct compaction *compaction = copied(store);
    off_t size = size_of(file);
    (void)state;
    put(store, ROWS, ROWS + 10);
    assert_int_equal(compact_swap(&compaction), STORE_BUSY);
    assert_null(compaction);
    assert_true(size_of(file) >= size);
    assert_int_equal(size_of(copy_file), -1);
    assert_rows(store, 10);
    store_close(&store);
}

static void who_reads_here_holds_the_swap_up(void **state)
{
    struct store *store = open_store();
    struct compaction *compaction = copied(store);
    struct store_txn *first = begin(store, false), *second = begin(store, false);
    (void)state;
    assert_int_equal(compact_swap(&compaction), 1);
    store_abort(&first);
    assert_int_equal(compact_swap(&compaction), 1);
    store_abort(&second);
    assert_int_equal(compact_swap(&compaction), 0);
    assert_rows(store, 0);
    store_close(&store);
}

/* What the other process does at each word: 'i' begins to read, 'o' ends, 'r' reads all; 'q' is the end. */
static int reader_main(const char *path, int in, int out)
{
    const struct store_options options = {.read_only = true, .map_bytes = (size_t)1 << 30};
    struct store *store;
    struct store_txn *txn = NULL;
    char word;
    snprintf(dir, sizeof dir, "%s", path);
    if (store_open(&store, dir, &options) != STORE_OK || write(out, "+", 1) != 1)
        return 1;
    while (read(in, &word, 1) == 1 && word != 'q') {
        if (word == 'i')
            txn = begin(store, false);
        else if (word == 'o')
            store_abort(&txn);
        else
            assert_rows(store, word == 'r' ? 0 : 10);
        if (write(out, "+", 1) != 1)
            return 1;
    }
    store_close(&store);
    return 0;
}

struct other {
    pid_t pid;
    int in, out;
};

static void tell(const struct other *other, char word)
{
    char answer = 0;
    if (word)
        assert_int_equal(write(other->in, &word, 1), 1);
    assert_int_equal(read(other->out, &answer, 1), 1);
    assert_int_equal(answer, '+');
}

static struct other other_start(void)
{
    int to[2], from[2];
    char in[8], out[8];
    assert_int_equal(pipe(to), 0);
    assert_int_equal(pipe(from), 0);
    struct other other = {.pid = fork(), .in = to[1], .out = from[0]};
    if (other.pid == 0) {
        snprintf(in, sizeof in, "%d", to[0]);
        snprintf(out, sizeof out, "%d", from[1]);
        close(to[1]);
        execl("/proc/self/exe", "test_compact", "reader", dir, in, out, (char *)NULL);
        _exit(1);
    }
    close(to[0]);
    close(from[1]);
    tell(&other, 0);
    return other;
}

static void other_end(const struct other *other)
{
    int status;
    assert_int_equal(write(other->in, "q", 1), 1);
    assert_int_equal(waitpid(other->pid, &status, 0), other->pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(other->in);
    close(other->out);
}

static void who_reads_elsewhere_holds_it_up_and_finds_the_new_file(void **state)
{
    struct store *store = open_store();
    (void)state;
    struct other other = other_start();
    struct compaction *compaction = copied(store);
    tell(&other, 'i');
    assert_int_equal(compact_swap(&compaction), 1);
    tell(&other, 'r'); /* a second transaction beside the first */
    assert_int_equal(compact_swap(&compaction), 1);
    tell(&other, 'o');
    assert_int_equal(compact_swap(&compaction), 0);
    /* it has the environment open from before: it reads what is written from now on */
    tell(&other, 'r');
    put(store, ROWS, ROWS + 10);
    tell(&other, 'R');
    compact(store);
    tell(&other, 'R');
    other_end(&other);
    assert_rows(store, 10);
    store_close(&store);
}

/* Killed at each point, also in the middle of copying: what is opened next is whole. */
static void kills_leave_the_old_or_the_new(void **state)
{
    static const struct {
        const char *point;
        bool left;
    } rows[] = {{"compact-slice:2", true},
                {"compact-checked:1", true},
                {"compact-renamed:1", false},
                {"compact-swapped:1", false}};
    (void)state;
    off_t before = size_of(file);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        pid_t child = fork();
        if (child == 0) {
            setenv("TIPOFF_FAULT", rows[i].point, 1);
            fault_init("test");
            compact(open_store());
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        assert_int_equal(size_of(copy_file) > 0, rows[i].left);
        if (rows[i].left)
            assert_int_equal(size_of(file), before);
        else
            assert_true(size_of(file) < before / 4);
        struct store *store = open_store();
        assert_int_equal(size_of(copy_file), -1);
        assert_rows(store, 0);
        put(store, ROWS, ROWS + 10);
        assert_rows(store, 10);
        struct store_txn *txn = begin(store, true); /* as it was, for the next */
        assert_int_equal(store_clear_all(txn), STORE_OK);
        assert_int_equal(store_commit(&txn), STORE_OK);
        put(store, 0, ROWS);
        thin(store);
        store_close(&store);
        before = size_of(file);
    }
}

/* One bit of a value in each page of rows, those of no use any more among them: there nodes end where the page does. */
static void bits_flip(void)
{
    uint8_t page[4096];
    int fd = open(copy_file, O_RDWR);
    assert_true(fd >= 0);
    for (off_t at = size_of(copy_file) - 4096; at >= 8192; at -= 4096) {
        assert_int_equal(pread(fd, page, sizeof page, at), sizeof page);
        if (page[10] != 2 || page[11] != 0) /* flags of the page: a leaf */
            continue;
        page[4096 - 8] ^= 4;
        assert_int_equal(pwrite(fd, page, sizeof page, at), sizeof page);
    }
    close(fd);
}

static void a_copy_that_is_not_equal_is_not_taken(void **state)
{
    struct store *store = open_store();
    struct compaction *compaction;
    int more = 1;
    (void)state;
    assert_int_equal(compact_begin(&compaction, store), STORE_OK);
    while (more == 1 && compact_rows(compaction) < ROWS / KEPT_OF)
        more = compact_turn(compaction, &slice);
    assert_int_equal(compact_turn(compaction, &slice), 1); /* closed */
    bits_flip();
    while ((more = compact_turn(compaction, &slice)) == 1)
        ;
    assert_int_equal(more, STORE_CORRUPT);
    compact_drop(&compaction);
    assert_int_equal(size_of(copy_file), -1);
    assert_rows(store, 0);
    store_close(&store);
}

/* A file of LMDB's that is no store's (a segment of the log has named databases) is left as it is. */
static void what_is_no_store_is_refused(void **state)
{
    struct store *store = open_store();
    struct store_txn *txn = begin(store, true);
    struct compaction *compaction;
    MDB_txn *raw;
    MDB_env *env;
    MDB_dbi dbi;
    MDB_val key = {5, "batch"}, value = {4, "data"};
    int more;
    (void)state;
    assert_int_equal(store_clear_all(txn), STORE_OK);
    assert_int_equal(store_commit(&txn), STORE_OK);
    store_close(&store);
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_mapsize(env, (size_t)1 << 30), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 4), 0);
    assert_int_equal(mdb_env_open(env, dir, 0, 0640), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &raw), 0);
    assert_int_equal(mdb_dbi_open(raw, "batches", MDB_CREATE, &dbi), 0);
    assert_int_equal(mdb_put(raw, dbi, &key, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(raw), 0);
    mdb_env_close(env);
    store = open_store();
    assert_int_equal(compact_begin(&compaction, store), STORE_OK);
    while ((more = compact_turn(compaction, &slice)) == 1)
        ;
    assert_int_equal(more, STORE_CORRUPT);
    compact_drop(&compaction);
    assert_int_equal(size_of(copy_file), -1);
    store_close(&store);
}

static void a_full_disk_gives_it_up(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        setenv("TIPOFF_FAULT", "disk-full:3:fail", 1);
        fault_init("test");
        struct store *store = open_store();
        struct compaction *compaction;
        int more;
        assert_int_equal(compact_begin(&compaction, store), STORE_OK);
        while ((more = compact_turn(compaction, &slice)) == 1)
            ;
        assert_int_equal(more, STORE_FULL);
        compact_drop(&compaction);
        assert_int_equal(size_of(copy_file), -1);
        put(store, ROWS, ROWS + 10);
        assert_rows(store, 10);
        compact(store); /* later there is room */
        assert_rows(store, 10);
        store_close(&store);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(the_same_rows_in_a_smaller_file),
        TEST(an_empty_one_stays_empty),
        TEST(a_write_meanwhile_makes_it_worthless),
        TEST(who_reads_here_holds_the_swap_up),
        TEST(who_reads_elsewhere_holds_it_up_and_finds_the_new_file),
        TEST(kills_leave_the_old_or_the_new),
        TEST(a_copy_that_is_not_equal_is_not_taken),
        TEST(what_is_no_store_is_refused),
        TEST(a_full_disk_gives_it_up),
    };
    if (argc == 5 && strcmp(argv[1], "reader") == 0)
        return reader_main(argv[2], atoi(argv[3]), atoi(argv[4]));
    return cmocka_run_group_tests_name("compact", tests, NULL, NULL);
}
