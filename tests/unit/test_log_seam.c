/* The seam (broker/log.h), held against both implementations, LMDB with and without a journal: the same tests for each, then LMDB
 * and memory driven at random side by side, every answer compared. What only the one in memory can do, fail and crash on request, is
 * at the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "broker/log.h"
#include "broker/log_memory.h"

static char dir[64];
static struct log_disk *disk; /* NULL: LMDB in `dir` */
static uint64_t journal_bytes;

static struct log *log_make(uint64_t segment_bytes)
{
    struct log_options options = {
        .segment_bytes = segment_bytes, .journal_bytes = journal_bytes, .disk = disk};
    struct log *log;
    assert_int_equal(log_open(&log, dir, &options), LOG_OK);
    return log;
}

static int dir_new(void **state)
{
    (void)state;
    disk = NULL;
    /* In memory where there is a place for it: what is held to the seam here is not durability. */
    snprintf(dir, sizeof dir, "%s/tipoff-log-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    return mkdtemp(dir) ? 0 : -1;
}

static int dir_drop(void **state)
{
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

static int journal_new(void **state)
{
    journal_bytes = 1 << 16;
    return dir_new(state);
}

static int journal_drop(void **state)
{
    journal_bytes = 0;
    return dir_drop(state);
}

static int disk_new(void **state)
{
    (void)state;
    disk = log_disk_new();
    return disk ? 0 : -1;
}

static int disk_drop(void **state)
{
    (void)state;
    log_disk_free(&disk);
    return 0;
}

static void append(struct log *log, uint16_t stream, uint16_t partition, uint32_t producer,
                   uint64_t first_seq, uint32_t count, uint8_t fill)
{
    uint8_t body[600];
    memset(body, fill, sizeof body);
    struct batch_header header = {.base = log_head(log),
                                  .count = count,
                                  .stream = stream,
                                  .partition = partition,
                                  .producer = producer,
                                  .size = sizeof body,
                                  .epoch = 1,
                                  .first_seq = first_seq,
                                  .time_us = 1000,
                                  .crc = pack_crc32c(0, body, sizeof body)};
    assert_int_equal(log_append(log, &header, body), LOG_OK);
}

static void later_put(struct log *log, uint64_t seq, int64_t due_us, uint8_t fill, uint32_t size)
{
    uint8_t body[4096];
    memset(body, fill, size);
    struct batch_header header = {.count = 1,
                                  .stream = 1,
                                  .producer = 1,
                                  .size = size,
                                  .first_seq = seq,
                                  .due_us = due_us,
                                  .crc = pack_crc32c(0, body, size)};
    assert_int_equal(log_later_put(log, &header, body), LOG_OK);
}

static void test_append_abort_read(void **state)
{
    (void)state;
    struct log *log = log_make(1 << 20);
    assert_int_equal(log_head(log), 1);
    assert_int_equal(log_begin(log), LOG_OK);
    append(log, 1, 0, 1, 1, 3, 'a');
    append(log, 1, 1, 1, 1, 2, 'b');
    append(log, 1, 0, 1, 4, 1, 'c');
    assert_int_equal(log_commit(log), LOG_OK);
    assert_int_equal(log_head(log), 7);
    assert_int_equal(log_begin(log), LOG_OK);
    append(log, 2, 0, 1, 1, 9, 'x');
    log_abort(log);
    assert_int_equal(log_head(log), 7);
    log_close(&log);
    log = log_make(1 << 20);
    assert_int_equal(log_head(log), 7);
    uint64_t base;
    assert_int_equal(log_next(log, 2, 0, 0, &base), LOG_NONE);
    const struct {
        uint16_t partition;
        uint64_t position, base;
    } nexts[] = {{0, 0, 1}, {0, 3, 1}, {0, 4, 6}, {0, 6, 6}, {1, 1, 4}, {1, 5, 4}};
    for (size_t i = 0; i < sizeof nexts / sizeof *nexts; i++) {
        assert_int_equal(log_next(log, 1, nexts[i].partition, nexts[i].position, &base), LOG_OK);
        assert_int_equal(base, nexts[i].base);
    }
    assert_int_equal(log_next(log, 1, 0, 7, &base), LOG_NONE);
    assert_int_equal(log_count_from(log, 1, 0, 0), 4);
    assert_int_equal(log_count_from(log, 1, 0, 4), 1);
    assert_int_equal(log_count_from(log, 1, 0, 2), 3); /* not what stands before it in its batch */
    assert_int_equal(log_count_from(log, 1, 0, 3), 2);
    assert_int_equal(log_count_from(log, 1, 0, 7), 0);
    assert_int_equal(log_next_any(log, 5, &base), LOG_OK);
    assert_int_equal(base, 4);
    struct log_seq found;
    assert_int_equal(log_lane_find(log, 1, 1, 0, 4, &found), LOG_OK);
    assert_int_equal(found.base, 6);
    assert_int_equal(log_lane_find(log, 1, 1, 0, 2, &found), LOG_OK);
    assert_int_equal(found.first_seq, 1);
    assert_int_equal(log_lane_find(log, 1, 1, 0, 5, &found), LOG_NONE);
    log_close(&log);
}

static void test_segments(void **state)
{
    (void)state;
    struct log *log = log_make(65536);
    uint64_t seq[2] = {1, 1};
    uint32_t rolled = 0;
    for (int i = 0; i < 600; i++) {
        assert_int_equal(log_begin(log), LOG_OK);
        uint16_t lane = (uint16_t)(i % 3 == 0);
        append(log, 1, lane, 7, seq[lane], 2, (uint8_t)i);
        seq[lane] += 2;
        uint8_t value = (uint8_t)i;
        assert_int_equal(log_put_meta(log, LOG_META_PRODUCER, "k", 1, &value, 1), LOG_OK);
        assert_int_equal(log_commit(log), LOG_OK);
        if (log_roll_due(log)) {
            assert_int_equal(log_roll(log), LOG_OK);
            rolled++;
        }
    }
    assert_true(rolled > 3);
    log_close(&log);
    log = log_make(65536);
    assert_int_equal(log_segments(log), rolled + 1);
    assert_int_equal(log_head(log), 1201);
    uint64_t position = 1, base;
    for (int i = 0; i < 600; i++) {
        struct batch_header header;
        struct span body;
        assert_int_equal(log_next_any(log, position, &base), LOG_OK);
        assert_int_equal(base, position);
        assert_int_equal(log_batch(log, base, &header, &body), LOG_OK);
        assert_int_equal(body.data[0], (uint8_t)i);
        position += header.count;
    }
    log_read_end(log);
    assert_int_equal(log_count_from(log, 1, 1, 0), 400);
    struct log_seq found;
    for (uint64_t at = 1; at < seq[0]; at++)
        assert_int_equal(log_lane_find(log, 7, 1, 0, at, &found), LOG_OK);
    log_read_end(log);
    int removed = log_trim(log, 600);
    assert_true(removed > 0);
    assert_true(log_first(log) > 1 && log_first(log) <= 600);
    struct batch_header header;
    struct span body;
    assert_int_equal(log_batch(log, 1, &header, &body), LOG_TRIMMED);
    log_close(&log);
}

static void test_later(void **state)
{
    (void)state;
    struct log *log = log_make(1 << 20);
    uint8_t body[3] = {1, 2, 3};
    assert_int_equal(log_begin(log), LOG_OK);
    for (uint64_t i = 1; i <= 3; i++) {
        struct batch_header header = {.count = 1,
                                      .stream = 1,
                                      .producer = 1,
                                      .size = 3,
                                      .first_seq = i,
                                      .due_us = (int64_t)(400 - i * 100),
                                      .crc = pack_crc32c(0, body, 3)};
        assert_int_equal(log_later_put(log, &header, body), LOG_OK);
    }
    append(log, 1, 1, 1, 1, 1, 'z');
    assert_int_equal(log_commit(log), LOG_OK);
    assert_int_equal(log_roll(log), LOG_OK); /* they are carried */
    int64_t due_us;
    uint64_t id;
    assert_int_equal(log_later_next(log, &due_us, &id), LOG_OK);
    assert_int_equal(due_us, 100);
    struct log_seq found;
    assert_int_equal(log_lane_find(log, 1, 1, 0, 2, &found), LOG_OK);
    assert_int_equal(found.base, 0);
    log_read_end(log);
    struct batch_header header;
    struct span taken;
    assert_int_equal(log_begin(log), LOG_OK);
    assert_int_equal(log_later_take(log, due_us, id, &header, &taken), LOG_OK);
    assert_int_equal(header.first_seq, 3);
    header.base = log_head(log);
    assert_int_equal(log_append(log, &header, taken.data), LOG_OK);
    assert_int_equal(log_commit(log), LOG_OK);
    assert_int_equal(log_later_count(log), 2);
    assert_int_equal(log_lane_find(log, 1, 1, 0, 3, &found), LOG_OK);
    assert_int_equal(found.base, 2);
    log_close(&log);
}

/* A repeat is recognised also while the first is still being appended. */
static void test_find_in_the_append(void **state)
{
    (void)state;
    struct log *log = log_make(1 << 20);
    struct log_seq found;
    assert_int_equal(log_begin(log), LOG_OK);
    append(log, 1, 0, 1, 1, 3, 'a');
    append(log, 1, 1, 1, 1, 2, 'b');
    append(log, 1, 0, 1, 4, 1, 'c');
    later_put(log, 5, 77, 'd', 10);
    assert_int_equal(log_lane_find(log, 1, 1, 0, 2, &found), LOG_OK);
    assert_int_equal(found.first_seq, 1);
    assert_int_equal(found.count, 3);
    assert_int_equal(found.base, 1);
    assert_int_equal(log_lane_find(log, 1, 1, 0, 4, &found), LOG_OK);
    assert_int_equal(found.base, 6);
    assert_int_equal(log_lane_find(log, 1, 1, 0, 5, &found), LOG_OK);
    assert_int_equal(found.later_due_us, 77);
    assert_int_equal(log_lane_find(log, 1, 1, 0, 6, &found), LOG_NONE);
    log_abort(log);
    assert_int_equal(log_lane_find(log, 1, 1, 0, 2, &found), LOG_NONE);
    assert_int_equal(log_lane_find(log, 1, 1, 0, 5, &found), LOG_NONE);
    log_close(&log);
}

/* ---- both at once ---- */

static uint64_t seed;

static uint32_t random_below(uint32_t bound)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % bound;
}

enum { LANES = 4 };
struct pair {
    int removed;         /* looks into holes */
    struct log *logs[2]; /* LMDB, memory */
    uint64_t next_seq[LANES], committed_seq[LANES];
    bool open;
};

#define BOTH(call_of_log)                                                                          \
    do {                                                                                           \
        int answers[2];                                                                            \
        for (int which = 0; which < 2; which++) {                                                  \
            struct log *log = pair->logs[which];                                                   \
            answers[which] = call_of_log;                                                          \
        }                                                                                          \
        assert_int_equal(answers[0], answers[1]);                                                  \
    } while (0)

static void pair_open(struct pair *pair)
{
    struct log_options options = {.segment_bytes = 1 << 30, .journal_bytes = journal_bytes};
    struct log_options memory = {.segment_bytes = 1 << 30, .disk = disk};
    assert_int_equal(log_open(&pair->logs[0], dir, &options), LOG_OK);
    assert_int_equal(log_open(&pair->logs[1], dir, &memory), LOG_OK);
}

static void pair_close(struct pair *pair)
{
    log_close(&pair->logs[0]);
    log_close(&pair->logs[1]);
}

static void pair_put(struct pair *pair)
{
    uint8_t body[200];
    uint16_t lane = (uint16_t)random_below(LANES);
    bool later = random_below(4) == 0;
    uint32_t size = random_below(sizeof body + 1);
    memset(body, (int)random_below(256), size);
    struct batch_header header = {.base = later ? 0 : log_head(pair->logs[0]),
                                  .count = 1 + random_below(5),
                                  .stream = (uint16_t)(1 + lane / 2),
                                  .partition = lane % 2,
                                  .producer = 1,
                                  .size = size,
                                  .epoch = 1,
                                  .first_seq = pair->next_seq[lane],
                                  .due_us = later ? 100 + (int64_t)random_below(50) : 0,
                                  .time_us = 1000 + (int64_t)log_head(pair->logs[0]),
                                  .crc = pack_crc32c(0, body, size)};
    pair->next_seq[lane] += header.count;
    uint8_t key = (uint8_t)lane, value[9] = {(uint8_t)size};
    size_t value_size = random_below(2) ? 9 : 4;
    if (later)
        BOTH(log_later_put(log, &header, body));
    else
        BOTH(log_append(log, &header, body));
    BOTH(log_put_meta(log, LOG_META_LANE, &key, 1, value, value_size));
}

static void batches_equal(const struct batch_header headers[2], const struct span bodies[2])
{
    uint8_t bytes[2][PROTOCOL_HEADER_BYTES];
    for (int which = 0; which < 2; which++)
        batch_header_write(&headers[which], bytes[which]);
    assert_memory_equal(bytes[0], bytes[1], PROTOCOL_HEADER_BYTES);
    assert_int_equal(bodies[0].size, bodies[1].size);
    if (bodies[0].size)
        assert_memory_equal(bodies[0].data, bodies[1].data, bodies[0].size);
}

/* One that fell due is appended, as the broker does it. */
static void pair_fire(struct pair *pair)
{
    int64_t due_us[2];
    uint64_t id[2];
    struct batch_header headers[2];
    struct span bodies[2];
    int error = log_later_next(pair->logs[0], &due_us[0], &id[0]);
    assert_int_equal(log_later_next(pair->logs[1], &due_us[1], &id[1]), error);
    if (error)
        return;
    assert_int_equal(due_us[0], due_us[1]);
    assert_int_equal(id[0], id[1]);
    for (int which = 0; which < 2; which++) {
        struct log *log = pair->logs[which];
        assert_int_equal(
            log_later_take(log, due_us[which], id[which], &headers[which], &bodies[which]), LOG_OK);
        headers[which].base = log_head(log);
        headers[which].time_us = 1000 + (int64_t)log_head(log);
    }
    batches_equal(headers, bodies);
    for (int which = 0; which < 2; which++)
        assert_int_equal(log_append(pair->logs[which], &headers[which], bodies[which].data),
                         LOG_OK);
}

static int meta_sum(const struct span *key, const struct span *value, void *context)
{
    uint32_t *sum = context;
    *sum = pack_crc32c(*sum, key->data, key->size);
    *sum = pack_crc32c(*sum, value->data, value->size);
    return 0;
}

static void pair_look(struct pair *pair)
{
    uint64_t position = random_below((uint32_t)log_head(pair->logs[0]) + 3), found[2] = {0, 0};
    uint16_t lane = (uint16_t)random_below(LANES);
    uint16_t stream = (uint16_t)(1 + lane / 2), partition = lane % 2;
    struct log_seq seqs[2];
    uint32_t sums[2] = {0, 0};
    uint64_t seq = random_below(2) ? 1 : pair->next_seq[lane] - 1;
    memset(seqs, 0, sizeof seqs);
    BOTH(log_lane_find(log, 1, stream, partition, seq, &seqs[which]));
    assert_memory_equal(&seqs[0], &seqs[1], sizeof seqs[0]);
    BOTH(log_next(log, stream, partition, position, &found[which]));
    assert_int_equal(found[0], found[1]);
    BOTH((int)log_count_from(log, stream, partition, position));
    if (!pair->open)
        BOTH(log_each_meta(log, LOG_META_LANE, meta_sum, &sums[which]));
    assert_int_equal(sums[0], sums[1]);
    BOTH(log_next_any(log, position, &found[which]));
    assert_int_equal(found[0], found[1]);
    struct batch_header headers[2];
    struct span bodies[2];
    for (int i = 0; i < 2; i++) { /* what stands next, and wherever that position lies */
        uint64_t at = i ? position : found[0];
        if (at == 0)
            continue;
        int error = log_batch(pair->logs[0], at, &headers[0], &bodies[0]);
        assert_int_equal(log_batch(pair->logs[1], at, &headers[1], &bodies[1]), error);
        if (!error)
            batches_equal(headers, bodies);
        assert_int_equal(headers[0].base, headers[1].base);
        assert_int_equal(headers[0].count, headers[1].count);
        pair->removed += error == LOG_REMOVED;
    }
    for (int which = 0; which < 2; which++)
        log_read_end(pair->logs[which]);
}

static void pair_seen(const struct pair *pair)
{
    const struct log *lmdb = pair->logs[0], *memory = pair->logs[1];
    assert_int_equal(log_first(lmdb), log_first(memory));
    assert_int_equal(log_head(lmdb), log_head(memory));
    assert_int_equal(log_later_count(lmdb), log_later_count(memory));
    assert_int_equal(log_segments(lmdb), log_segments(memory));
    assert_true(log_last_time_us(lmdb) == log_last_time_us(memory));
}

static void pair_end(struct pair *pair, bool commit)
{
    if (!pair->open)
        return;
    pair->open = false;
    if (commit)
        BOTH(log_commit(log));
    for (int which = 0; which < 2 && !commit; which++)
        log_abort(pair->logs[which]);
    memcpy(commit ? pair->committed_seq : pair->next_seq,
           commit ? pair->next_seq : pair->committed_seq, sizeof pair->next_seq);
}

/* By position and salt alone: a batch is kept, or not, or runs of its records are. */
static int keep_some(struct log *log, const struct batch_header *header, const struct span *body,
                     void *context)
{
    uint32_t salt = *(const uint32_t *)context;
    uint32_t what = pack_crc32c(salt, &header->base, sizeof header->base);
    assert_non_null(body);
    if (what % 3 == 0)
        return log_rewrite_keep(log, NULL, NULL);
    for (uint32_t i = 0; what % 3 == 1 && i < header->count; i += 2) {
        struct batch_header run = *header;
        uint8_t made[40];
        memset(made, (int)(i + salt), sizeof made);
        run.base += i;
        run.first_seq += i;
        run.count = i + 1 < header->count && (what >> 8) % 2 ? 2 : 1;
        run.size = sizeof made;
        run.crc = pack_crc32c(0, made, sizeof made);
        int error = log_rewrite_keep(log, &run, made);
        if (error)
            return error;
    }
    return LOG_OK;
}

static void rewrite_whole(struct log *log, uint64_t first, uint32_t salt, int expected)
{
    int error = log_rewrite_begin(log, first);
    while (!error && (error = log_rewrite_step(log, 500, keep_some, &salt)) > 0)
        error = LOG_OK;
    assert_int_equal(error, expected);
}

static void pair_rewrite(struct pair *pair)
{
    struct log_segment_info info[2];
    uint32_t index = random_below(log_segments(pair->logs[0])), salt = random_below(1000);
    for (int which = 0; which < 2; which++)
        assert_int_equal(log_segment_at(pair->logs[which], index, &info[which]), LOG_OK);
    assert_int_equal(info[0].first, info[1].first);
    for (int which = 0; which < 2; which++)
        rewrite_whole(pair->logs[which], info[which].first, salt,
                      info[which].sealed ? LOG_OK : LOG_NONE);
}

static void pair_step(struct pair *pair)
{
    uint32_t what = random_below(100);
    if (!pair->open && what < 30) {
        BOTH(log_begin(log));
        pair->open = true;
    } else if (pair->open && what < 55) {
        pair_put(pair);
    } else if (pair->open && what < 62) {
        pair_fire(pair);
    } else if (pair->open && what < 66) {
        pair_end(pair, what < 65);
    } else if (!pair->open && what < 32) {
        pair_rewrite(pair);
    } else if (what < 95) {
        pair_look(pair);
    } else if (!pair->open && what < 97) {
        BOTH(log_roll(log));
    } else if (!pair->open && what == 97 && random_below(3) == 0) {
        uint64_t position = random_below((uint32_t)log_head(pair->logs[0]) + 1);
        BOTH(log_trim(log, position));
    } else if (!pair->open && what == 98) {
        BOTH(log_checkpoint(log));
        (void)log_tidy(pair->logs[0]);
    } else if (what == 99) { /* a crash: the open transaction is gone, and nothing else */
        pair_close(pair);
        pair->open = false;
        memcpy(pair->next_seq, pair->committed_seq, sizeof pair->next_seq);
        pair_open(pair);
    }
    pair_seen(pair);
}

static void side_by_side(void **state)
{
    assert_int_equal(disk_new(state), 0);
    struct pair pair = {.next_seq = {1, 1, 1, 1}, .committed_seq = {1, 1, 1, 1}};
    seed = 20260401;
    pair_open(&pair);
    for (int i = 0; i < 2000; i++)
        pair_step(&pair);
    assert_true(log_head(pair.logs[0]) > 200);
    print_message("%d looks into holes\n", pair.removed);
    assert_true(pair.removed > 10);
    pair_close(&pair);
    disk_drop(state);
    disk = NULL;
}

/* ---- failures and crashes ---- */

/* Whichever call is the one that fails or the last before a crash: what was committed is there, what was not is not. */
static void test_crash_at_each_call(void **state)
{
    (void)state;
    for (int fault = LOG_FAULT_FULL; fault <= LOG_FAULT_CRASH_AFTER; fault++)
        for (uint64_t nth = 1; nth <= 4; nth++) { /* begin, append, meta, commit */
            struct log *log = log_make(1 << 20);
            uint64_t head = log_head(log);
            bool crash = fault == LOG_FAULT_CRASH || fault == LOG_FAULT_CRASH_AFTER;
            log_disk_arm(disk, LOG_CALL_ANY, nth, (enum log_fault)fault);
            int error = log_begin(log);
            struct batch_header header = {
                .base = head, .count = 2, .stream = 1, .producer = 1, .first_seq = head};
            if (!error)
                error = log_append(log, &header, "");
            if (!error)
                error = log_put_meta(log, LOG_META_STREAM, "k", 1, "v", 1);
            if (!error)
                error = log_commit(log);
            else
                log_abort(log);
            assert_int_equal(error, fault == LOG_FAULT_FULL ? LOG_FULL : LOG_IO);
            assert_int_equal(log_disk_crashed(disk), crash);
            if (crash)
                assert_int_equal(log_begin(log), LOG_IO);
            log_close(&log);
            log = log_make(1 << 20);
            assert_false(log_disk_crashed(disk));
            bool there = fault == LOG_FAULT_CRASH_AFTER && nth == 4;
            assert_int_equal(log_head(log), head + (there ? 2 : 0));
            log_close(&log);
        }
}

static void test_crash_in_a_roll(void **state)
{
    (void)state;
    struct log *log = log_make(1 << 20);
    assert_int_equal(log_begin(log), LOG_OK);
    append(log, 1, 0, 1, 1, 3, 'a');
    assert_int_equal(log_commit(log), LOG_OK);
    log_disk_arm(disk, LOG_CALL_ROLL, 1, LOG_FAULT_CRASH);
    assert_int_equal(log_roll(log), LOG_IO);
    log_close(&log);
    log = log_make(1 << 20);
    assert_int_equal(log_segments(log), 1);
    log_disk_arm(disk, LOG_CALL_ROLL, 1, LOG_FAULT_CRASH_AFTER);
    assert_int_equal(log_roll(log), LOG_IO);
    log_close(&log);
    log = log_make(1 << 20);
    assert_int_equal(log_segments(log), 2);
    assert_int_equal(log_head(log), 4);
    log_close(&log);
}

static void test_broken_bytes(void **state)
{
    (void)state;
    struct log *log = log_make(1 << 20);
    assert_int_equal(log_begin(log), LOG_OK);
    append(log, 1, 0, 1, 1, 2, 'a');
    append(log, 1, 0, 1, 3, 3, 'b');
    append(log, 1, 0, 1, 6, 1, 'c');
    later_put(log, 7, 100, 'd', 20);
    later_put(log, 8, 200, 'e', 20);
    assert_int_equal(log_commit(log), LOG_OK);
    assert_true(log_disk_flip(disk, 1, PROTOCOL_HEADER_BYTES + 5));
    assert_true(log_disk_flip(disk, 3, 16));
    assert_true(log_disk_flip_later(disk, 100, 1, PROTOCOL_HEADER_BYTES));
    assert_false(log_disk_flip(disk, 2, 0));
    struct batch_header header;
    struct span body;
    assert_int_equal(log_batch(log, 1, &header, &body), LOG_CORRUPT);
    assert_int_equal(header.count, 2);
    assert_int_equal(log_batch(log, 3, &header, &body), LOG_CORRUPT);
    assert_int_equal(header.base, 3);
    assert_int_equal(header.count, 3);
    assert_int_equal(log_batch(log, 6, &header, &body), LOG_OK);
    assert_int_equal(log_bad_batches(log), 2);
    assert_int_equal(log_begin(log), LOG_OK);
    assert_int_equal(log_later_take(log, 100, 1, &header, &body), LOG_CORRUPT);
    int64_t due_us;
    uint64_t id;
    assert_int_equal(log_later_next(log, &due_us, &id), LOG_OK);
    assert_int_equal(due_us, 200);
    assert_int_equal(log_commit(log), LOG_OK);
    log_close(&log);
}

int main(void)
{
    const struct CMUnitTest lmdb[] = {
        cmocka_unit_test_setup_teardown(test_append_abort_read, dir_new, dir_drop),
        cmocka_unit_test_setup_teardown(test_segments, dir_new, dir_drop),
        cmocka_unit_test_setup_teardown(test_later, dir_new, dir_drop),
        cmocka_unit_test_setup_teardown(test_find_in_the_append, dir_new, dir_drop),
        cmocka_unit_test_setup_teardown(side_by_side, dir_new, dir_drop),
    };
    const struct CMUnitTest journal[] = {
        cmocka_unit_test_setup_teardown(test_append_abort_read, journal_new, journal_drop),
        cmocka_unit_test_setup_teardown(test_segments, journal_new, journal_drop),
        cmocka_unit_test_setup_teardown(test_later, journal_new, journal_drop),
        cmocka_unit_test_setup_teardown(test_find_in_the_append, journal_new, journal_drop),
        cmocka_unit_test_setup_teardown(side_by_side, journal_new, journal_drop),
    };
    const struct CMUnitTest memory[] = {
        cmocka_unit_test_setup_teardown(test_append_abort_read, disk_new, disk_drop),
        cmocka_unit_test_setup_teardown(test_segments, disk_new, disk_drop),
        cmocka_unit_test_setup_teardown(test_later, disk_new, disk_drop),
        cmocka_unit_test_setup_teardown(test_find_in_the_append, disk_new, disk_drop),
        cmocka_unit_test_setup_teardown(test_crash_at_each_call, disk_new, disk_drop),
        cmocka_unit_test_setup_teardown(test_crash_in_a_roll, disk_new, disk_drop),
        cmocka_unit_test_setup_teardown(test_broken_bytes, disk_new, disk_drop),
    };
    int failed = cmocka_run_group_tests_name("lmdb", lmdb, NULL, NULL);
    failed += cmocka_run_group_tests_name("lmdb with a journal", journal, NULL, NULL);
    return failed + cmocka_run_group_tests_name("memory", memory, NULL, NULL);
}
