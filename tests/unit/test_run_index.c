/* Runs by name and outcome: what the index answers is what a walk over all rows finds, whatever was replaced or removed, and however
 * much of an older environment is indexed yet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "actors/scoreboard/run_index.h"
#include "config/clock.h"
#include "schema/messages.h"
#include "schema/runs.h"

enum { DAYS = 9, RUNS = 600, FIRST_DAY = 20251225 };

static const char *const names[] = {"PollBdlLive", "PollBdl", "Grade", "PredictPoints", "X"};
enum { NAMES = sizeof names / sizeof *names };

static char dir[64];
static struct store *store;
static uint64_t seed, position;

static uint64_t draw(uint64_t most)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (seed >> 33) % most;
}

static int open_store(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/tipoff-run-index-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    seed = 20251117;
    position = 0;
    return store_open(&store, dir, &(struct store_options){.scratch = true});
}

static int close_store(void **state)
{
    char command[100];
    (void)state;
    store_close(&store);
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

static struct store_txn *begin(bool write)
{
    struct store_txn *txn;
    assert_int_equal(store_begin(store, write, &txn), 0);
    return txn;
}

/* Several share a start, and which of the runs it is decides all but its words: so a second one replaces the first. */
static int32_t run_make(uint64_t which, struct msg_ops_run *run)
{
    int32_t date = clock_date_add(FIRST_DAY, (int)(which % DAYS));
    message_clear(&msg_ops_run_desc, run);
    snprintf(run->run_id, sizeof run->run_id, "a.0-1-%llu", (unsigned long long)which);
    strcpy(run->name, names[draw(NAMES)]);
    strcpy(run->actor, which % 3 ? "a" : "poller");
    strcpy(run->outcome, run_outcome_text((enum run_outcome)draw(RUN_OUTCOME_COUNT)));
    strcpy(run->error_class, "none");
    /* words of others where they do not count */
    strcpy(run->error_message, names[draw(NAMES)]);
    run->opened_at = (int64_t)(which / 7) * 1000 - 5000;
    run->closed_at = run->opened_at + (int64_t)position;
    run->attempt = 1;
    strcpy(run->code_version, "1");
    strcpy(run->config_hash, "1");
    strcpy(run->host, "h");
    return date;
}

static long encode(const struct msg_ops_run *run, uint8_t *payload, size_t size)
{
    struct message_error error;
    long bytes = message_encode(&msg_ops_run_desc, run, payload, size, &error);
    assert_true(bytes > 0);
    return bytes;
}

static void put_one(struct store_txn *txn, uint64_t which, bool indexed)
{
    struct msg_ops_run run;
    uint8_t payload[4096];
    struct store_key key;
    struct table_mark mark = {.position = position + 1, .time_us = 1};
    position++;
    int32_t date = run_make(which, &run);
    struct span span = {payload, (uint32_t)encode(&run, payload, sizeof payload)};
    if (indexed) {
        assert_int_equal(run_put(txn, date, &run, &mark, &span), 0);
        return;
    }
    store_key_start(&key);
    store_key_i64(&key, run.opened_at);
    store_key_text(&key, run.run_id);
    assert_int_equal(table_put(txn, TABLE_RUN, date, &key, &mark, &span), 0);
}

static void put_some(uint64_t from, uint64_t to, bool indexed)
{
    struct store_txn *txn = begin(true);
    for (uint64_t i = from; i < to; i++)
        put_one(txn, i, indexed);
    assert_int_equal(store_commit(&txn), 0);
}

/* ---- both ways of asking ---- */

struct answer {
    size_t count;
    char ids[RUNS + 1][24];
};

static struct answer by_index, by_walk;

static void note(struct answer *answer, const struct msg_ops_run *run)
{
    assert_true(answer->count <= RUNS);
    snprintf(answer->ids[answer->count++], 24, "%s", run->run_id + 6);
}

static int take_indexed(void *context, int32_t date, const struct table_mark *mark,
                        const void *message)
{
    (void)date;
    assert_true(mark->position > 0);
    note(context, message);
    return 0;
}

static const struct run_query *asked;

static int take_walked(void *context, int32_t date, const struct table_mark *mark,
                       const void *message)
{
    const struct msg_ops_run *run = message;
    (void)date;
    (void)mark;
    if ((!asked->name || !strcmp(asked->name, run->name)) &&
        (!asked->outcome || !strcmp(asked->outcome, run->outcome)))
        note(context, run);
    return 0;
}

static void compare(struct store_txn *txn, const struct run_query *query)
{
    by_index.count = by_walk.count = 0;
    asked = query;
    assert_int_equal(run_each(txn, query, take_indexed, &by_index), 0);
    assert_int_equal(table_each(txn, TABLE_RUN, query->from, query->to, NULL, &msg_ops_run_desc,
                                take_walked, &by_walk),
                     0);
    size_t skip =
        query->last && by_walk.count > query->last ? by_walk.count - (size_t)query->last : 0;
    assert_int_equal(by_index.count, by_walk.count - skip);
    for (size_t i = 0; i < by_index.count; i++)
        assert_string_equal(by_index.ids[i], by_walk.ids[i + skip]);
}

static void compare_all(void)
{
    static const uint64_t lasts[] = {0, 1, 7, 50, 100000};
    const int32_t middle = clock_date_add(FIRST_DAY, 4);
    const int32_t ranges[][2] = {
        {TABLE_DATE_FIRST, TABLE_DATE_LAST}, {middle, middle}, {middle, TABLE_DATE_LAST}, {1, 2}};
    struct store_txn *txn = begin(false);
    for (int name = -1; name <= NAMES; name++)
        for (int outcome = -1; outcome < RUN_OUTCOME_COUNT; outcome++)
            for (size_t i = 0; i < sizeof lasts / sizeof *lasts; i++)
                for (size_t k = 0; k < sizeof ranges / sizeof *ranges; k++) {
                    const struct run_query query = {
                        .from = ranges[k][0],
                        .to = ranges[k][1],
                        .name = name < 0        ? NULL
                                : name == NAMES ? "Nobody"
                                                : names[name],
                        .outcome = outcome < 0 ? NULL : run_outcome_text((enum run_outcome)outcome),
                        .last = lasts[i]};
                    compare(txn, &query);
                }
    store_abort(&txn);
}

static int count_row(const struct store_row *row, void *context)
{
    (void)row;
    ++*(int *)context;
    return 0;
}

static int rows_in(const char *table)
{
    struct store_txn *txn = begin(false);
    int count = 0;
    int error = store_scan(txn, table, 0, TABLE_DATE_LAST, NULL, 0, false, count_row, &count);
    assert_true(error == 0 || error == STORE_NOT_FOUND);
    store_abort(&txn);
    return count;
}

static void assert_index_agrees(void)
{
    assert_int_equal(rows_in(TABLE_RUN_NAME), rows_in(TABLE_RUN));
    assert_int_equal(rows_in(TABLE_RUN_OUTCOME), rows_in(TABLE_RUN));
}

static bool whole(void)
{
    struct store_txn *txn = begin(false);
    bool is = run_index_is_whole(txn);
    store_abort(&txn);
    return is;
}

/* ---- */

static void the_index_answers_as_a_walk_does(void **state)
{
    (void)state;
    assert_false(whole());
    compare_all(); /* nothing there */
    put_some(0, RUNS, true);
    assert_true(whole());
    assert_index_agrees();
    compare_all();
}

static void a_replaced_run_is_found_under_its_new_words_only(void **state)
{
    (void)state;
    put_some(0, RUNS, true);
    put_some(100, 500, true);
    assert_int_equal(rows_in(TABLE_RUN), RUNS);
    assert_index_agrees();
    compare_all();
}

static int collect(const struct store_row *row, void *context)
{
    struct store_row *kept = context;
    static uint8_t key[96];
    if (draw(50) != 0)
        return 0;
    memcpy(key, row->key.data, row->key.size);
    *kept = (struct store_row){.date = row->date, .key = {key, row->key.size}};
    return 1;
}

static void a_removed_run_is_gone_from_the_index_too(void **state)
{
    (void)state;
    put_some(0, RUNS, true);
    struct store_txn *txn = begin(true);
    int removed = 0;
    for (int i = 0; i < 200; i++) {
        struct store_row row;
        if (store_scan(txn, TABLE_RUN, 1, TABLE_DATE_LAST, NULL, 0, false, collect, &row) != 1)
            continue;
        assert_int_equal(run_remove(txn, row.date, &row.key), 0);
        assert_int_equal(run_remove(txn, row.date, &row.key), STORE_NOT_FOUND);
        removed++;
    }
    assert_int_equal(store_commit(&txn), 0);
    assert_true(removed > 20);
    assert_int_equal(rows_in(TABLE_RUN), RUNS - removed);
    assert_index_agrees();
    compare_all();
}

static void an_older_environment_is_indexed_by_and_by(void **state)
{
    (void)state;
    uint64_t made = 0, taken = RUNS / 2;
    int more = 1, slices = 0;
    put_some(0, RUNS / 2, false);
    while (more == 1) {
        assert_false(whole());
        compare_all(); /* by a walk, as long as it is not whole */
        /* New ones and new words on old ones come in between. */
        put_some(taken, taken + 20, true);
        put_some(taken - 90, taken - 70, true);
        taken += 20;
        struct store_txn *txn = begin(true);
        more = run_index_make(txn, 40, &made);
        assert_int_equal(store_commit(&txn), 0);
        slices++;
    }
    assert_int_equal(more, 0);
    assert_in_range(slices, 3, DAYS + 1);
    assert_true(made >= RUNS / 2);
    assert_true(whole());
    assert_index_agrees();
    compare_all();
    struct store_txn *txn = begin(true);
    made = 0;
    assert_int_equal(run_index_make(txn, 40, &made), 0); /* once is enough */
    assert_int_equal(made, 0);
    store_abort(&txn);
}

static void a_key_without_a_row_is_said_to_be_corrupt(void **state)
{
    (void)state;
    put_some(0, 50, true);
    struct store_txn *txn = begin(true);
    assert_int_equal(store_clear(txn, TABLE_RUN), 0);
    const struct run_query query = {
        .from = TABLE_DATE_FIRST, .to = TABLE_DATE_LAST, .name = names[0]};
    assert_int_equal(run_each(txn, &query, take_indexed, &by_index), STORE_CORRUPT);
    store_abort(&txn);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_store, close_store)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_index_answers_as_a_walk_does),
        TEST(a_replaced_run_is_found_under_its_new_words_only),
        TEST(a_removed_run_is_gone_from_the_index_too),
        TEST(an_older_environment_is_indexed_by_and_by),
        TEST(a_key_without_a_row_is_said_to_be_corrupt),
    };
    messages_register();
    return cmocka_run_group_tests_name("run_index", tests, NULL, NULL);
}
