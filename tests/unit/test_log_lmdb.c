/* The log: dense positions, nothing of an aborted append, reads across segments, broken bytes set aside. */
#include <fcntl.h>
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

static char dir[64];

static struct log *log_make(uint64_t segment_bytes)
{
    struct log_options options = {.segment_bytes = segment_bytes};
    struct log *log;
    assert_int_equal(log_open(&log, dir, &options), LOG_OK);
    return log;
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

static int dir_new(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/tipoff-log-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int dir_drop(void **state)
{
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
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

/* One flipped bit in a body: that batch is named and set aside, its neighbours are read. */
static void test_flipped_bit(void **state)
{
    (void)state;
    struct log *log = log_make(1 << 20);
    assert_int_equal(log_begin(log), LOG_OK);
    append(log, 1, 0, 1, 1, 1, 0xA1);
    append(log, 1, 0, 1, 2, 1, 0xB2);
    append(log, 1, 0, 1, 3, 1, 0xC3);
    assert_int_equal(log_commit(log), LOG_OK);
    log_close(&log);
    char path[128];
    snprintf(path, sizeof path, "%s/seg-%020d/data.mdb", dir, 1);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    uint8_t pattern[64], page[4096];
    memset(pattern, 0xB2, sizeof pattern);
    bool flipped = false;
    for (off_t at = 0; pread(fd, page, sizeof page, at) == sizeof page; at += (off_t)sizeof page) {
        uint8_t *found = memmem(page, sizeof page, pattern, sizeof pattern);
        if (!found)
            continue;
        found[5] ^= 4;
        assert_int_equal(pwrite(fd, page, sizeof page, at), sizeof page);
        flipped = true;
    }
    close(fd);
    assert_true(flipped);
    log = log_make(1 << 20);
    struct batch_header header;
    struct span body;
    assert_int_equal(log_batch(log, 1, &header, &body), LOG_OK);
    assert_int_equal(log_batch(log, 2, &header, &body), LOG_CORRUPT);
    assert_int_equal(header.count, 1);
    assert_int_equal(log_batch(log, 3, &header, &body), LOG_OK);
    assert_int_equal(log_bad_batches(log), 1);
    log_close(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_append_abort_read, dir_new, dir_drop),
        cmocka_unit_test_setup_teardown(test_segments, dir_new, dir_drop),
        cmocka_unit_test_setup_teardown(test_later, dir_new, dir_drop),
        cmocka_unit_test_setup_teardown(test_flipped_bit, dir_new, dir_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
