/* The journal: what is in it only is there after a crash, for the writer and for readers; what is torn is not, what is damaged is
 * named, and what merely looks like an entry is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "broker/log_journal.h"
#include "config/log.h"

#define JOURNAL_BYTES (1 << 20)

static char dir[64];

static int dir_new(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/tipoff-journal-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int dir_drop(void **state)
{
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

static int open_as(struct log **log, uint64_t journal_bytes, bool read_only)
{
    struct log_options options = {
        .segment_bytes = 64 << 20, .journal_bytes = journal_bytes, .read_only = read_only};
    return log_open(log, dir, &options);
}

static int append(struct log *log, const void *body, uint32_t size)
{
    struct batch_header header = {.base = log_head(log),
                                  .count = 1,
                                  .stream = 1,
                                  .producer = 1,
                                  .size = size,
                                  .epoch = 1,
                                  .first_seq = log_head(log),
                                  .time_us = (int64_t)log_head(log),
                                  .crc = pack_crc32c(0, body, size)};
    int error = log_begin(log);
    if (!error)
        error = log_append(log, &header, body);
    if (!error)
        error = log_put_meta(log, LOG_META_LANE, "lane", 4, &header.base, sizeof header.base);
    if (!error)
        return log_commit(log);
    log_abort(log);
    return error;
}

/* All of 1 .. head - 1, each once, with the body that was given for it. */
static void all_there(struct log *log, uint64_t head, const void *body, uint32_t size)
{
    struct batch_header header;
    struct span found;
    assert_int_equal(log_head(log), head);
    for (uint64_t position = 1; position < head; position++) {
        struct log_seq seq;
        uint64_t base;
        assert_int_equal(log_next(log, 1, 0, position, &base), LOG_OK);
        assert_int_equal(base, position);
        assert_int_equal(log_batch(log, position, &header, &found), LOG_OK);
        assert_int_equal(found.size, size);
        assert_memory_equal(found.data, body, size);
        assert_int_equal(log_lane_find(log, 1, 1, 0, position, &seq), LOG_OK);
        assert_int_equal(seq.base, position);
    }
    assert_int_equal(log_count_from(log, 1, 0, 0), head - 1);
    log_read_end(log);
}

/* A writer that appends `count` and is gone at once: nothing is closed. */
static void writer_crashes(int count, const void *body, uint32_t size)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct log *log;
        if (open_as(&log, JOURNAL_BYTES, false) != LOG_OK)
            _exit(1);
        for (int i = 0; i < count; i++)
            if (append(log, body, size) != LOG_OK)
                _exit(2);
        _exit(log_behind(log) >= (uint64_t)count ? 0 : 3);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_crash(void **state)
{
    (void)state;
    struct log *log;
    writer_crashes(5, "one", 3);
    writer_crashes(5, "one", 3); /* finds the five of the first in the journal, and crashes again */
    assert_int_equal(open_as(&log, JOURNAL_BYTES, false), LOG_OK);
    assert_int_equal(log_behind(log), 10);
    all_there(log, 11, "one", 3);
    log_close(&log);
}

static void test_crash_and_read(void **state)
{
    (void)state;
    struct log *log;
    writer_crashes(7, "payload", 7);
    assert_int_equal(open_as(&log, JOURNAL_BYTES, false), LOG_OK);
    assert_int_equal(log_behind(log), 7);
    all_there(log, 8, "payload", 7);
    assert_int_equal(append(log, "payload", 7), LOG_OK);
    assert_int_equal(log_behind(log), 8);
    assert_int_equal(log_checkpoint(log), LOG_OK);
    assert_int_equal(log_behind(log), 0);
    all_there(log, 9, "payload", 7);
    log_close(&log);
    assert_int_equal(open_as(&log, JOURNAL_BYTES, false), LOG_OK);
    assert_int_equal(log_behind(log), 0);
    all_there(log, 9, "payload", 7);
    log_close(&log);
}

/* Nobody writes: a reader does what the next start would. */
static void test_reader_after_crash(void **state)
{
    (void)state;
    struct log *log;
    writer_crashes(3, "abc", 3);
    assert_int_equal(open_as(&log, 0, true), LOG_OK);
    all_there(log, 4, "abc", 3);
    log_close(&log);
    assert_int_equal(open_as(&log, JOURNAL_BYTES, false), LOG_OK);
    assert_int_equal(log_behind(log), 0);
    log_close(&log);
}

/* Someone writes: a reader waits for the checkpoint, and then has seen all that was acknowledged before it was opened. */
static void test_reader_beside_writer(void **state)
{
    (void)state;
    struct log *log;
    int asked[2];
    assert_int_equal(pipe(asked), 0);
    assert_int_equal(open_as(&log, JOURNAL_BYTES, false), LOG_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(append(log, "xyz", 3), LOG_OK);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        execl("/proc/self/exe", "test_log_journal", "read", dir, NULL);
        _exit(9);
    }
    usleep(30000); /* whether it waits yet or not, it sees the same */
    assert_int_equal(log_checkpoint(log), LOG_OK);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    log_close(&log);
    close(asked[0]);
    close(asked[1]);
}

static int read_as_other(const char *where)
{
    struct log *log;
    snprintf(dir, sizeof dir, "%s", where);
    if (open_as(&log, 0, true) != LOG_OK)
        return 1;
    int code = log_head(log) == 5 ? 0 : 2;
    log_close(&log);
    return code;
}

static int journal_file(void)
{
    char path[96];
    snprintf(path, sizeof path, "%s/" JOURNAL_FILE, dir);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    return fd;
}

#define BODY_AT (32 + 1 + PROTOCOL_HEADER_BYTES) /* of the first operation, an append */

/* Where the n-th entry begins: each of these takes one sector. */
static void flip(int nth, int at)
{
    int fd = journal_file();
    uint8_t byte;
    off_t where = (off_t)nth * 512 + at;
    assert_int_equal(pread(fd, &byte, 1, where), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, where), 1);
    close(fd);
}

/* The last entry may be one that was never acknowledged; what stands before a whole one was. */
static void test_torn_and_damaged(void **state)
{
    (void)state;
    struct log *log;
    writer_crashes(6, "abcd", 4);
    flip(5, 40);
    assert_int_equal(open_as(&log, JOURNAL_BYTES, false), LOG_OK);
    all_there(log, 6, "abcd", 4);
    assert_int_equal(append(log, "abcd", 4), LOG_OK); /* over the torn one */
    all_there(log, 7, "abcd", 4);
    log_close(&log);
    writer_crashes(6, "abcd", 4);
    const int places[] = {0, 5, 9, 17, 25, 33, 60, 118};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        flip(2, places[i]);
        assert_int_equal(open_as(&log, JOURNAL_BYTES, false), LOG_CORRUPT);
        flip(2, places[i]);
    }
    assert_int_equal(open_as(&log, JOURNAL_BYTES, false), LOG_OK);
    all_there(log, 13, "abcd", 4);
    log_close(&log);
    writer_crashes(3, "abcd", 4);
    flip(1, BODY_AT); /* a body only: set aside when it is read */
    assert_int_equal(open_as(&log, JOURNAL_BYTES, false), LOG_OK);
    struct batch_header header;
    struct span body;
    assert_int_equal(log_head(log), 16);
    assert_int_equal(log_batch(log, 13, &header, &body), LOG_OK);
    assert_int_equal(log_batch(log, 14, &header, &body), LOG_CORRUPT);
    assert_int_equal(log_batch(log, 15, &header, &body), LOG_OK);
    assert_int_equal(log_bad_batches(log), 1);
    log_close(&log);
}

/* A payload that is itself an entry, where the next one would stand: it does not know the generation. */
static void test_forged(void **state)
{
    (void)state;
    struct log *log;
    static uint8_t forged[4096];
    struct journal other = {.fd = -1};
    char beside[] = "/tmp/tipoff-forged-XXXXXX";
    assert_non_null(mkdtemp(beside));
    assert_int_equal(journal_open(&other, beside, 1 << 16), LOG_OK);
    journal_reset(&other, 77);
    journal_begin(&other);
    journal_meta(&other, LOG_META_STREAM, "k", 1, "v", 1);
    assert_int_equal(journal_commit(&other), LOG_OK);
    for (size_t at = 0; at + 512 <= sizeof forged; at += 8) /* whatever stands before it */
        if (at % 256 == 0)
            assert_int_equal(pread(other.fd, forged + at, 56, 0), 56);
    journal_close(&other);
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", beside);
    assert_int_equal(system(command), 0);
    writer_crashes(2, forged, sizeof forged);
    assert_int_equal(open_as(&log, JOURNAL_BYTES, false), LOG_OK);
    all_there(log, 3, forged, sizeof forged);
    log_close(&log);
}

static void test_large_and_full(void **state)
{
    (void)state;
    struct log *log;
    static uint8_t large[JOURNAL_ENTRY_BYTES_MAX];
    memset(large, 'l', sizeof large);
    assert_int_equal(open_as(&log, JOURNAL_BYTES, false), LOG_OK);
    assert_int_equal(append(log, "small", 5), LOG_OK);
    assert_int_equal(log_behind(log), 1);
    assert_int_equal(append(log, large, sizeof large), LOG_OK); /* and what was in the journal */
    assert_int_equal(log_behind(log), 0);
    for (int i = 0; i < 20; i++) /* comes to its end more than once */
        assert_int_equal(append(log, large, sizeof large / 4), LOG_OK);
    assert_int_equal(log_head(log), 23);
    uint64_t behind = log_behind(log);
    assert_true(behind > 0 && behind < 20);
    assert_int_equal(log_roll(log), LOG_OK);
    assert_int_equal(log_behind(log), 0);
    assert_int_equal(append(log, "small", 5), LOG_OK);
    log_close(&log);
    assert_int_equal(open_as(&log, JOURNAL_BYTES / 2, false), LOG_OK); /* another size */
    assert_int_equal(log_head(log), 24);
    struct stat there;
    int fd = journal_file();
    assert_int_equal(fstat(fd, &there), 0);
    close(fd);
    assert_int_equal(there.st_size, JOURNAL_BYTES / 2);
    assert_int_equal(append(log, "small", 5), LOG_OK);
    log_close(&log);
    assert_int_equal(open_as(&log, 0, false), LOG_OK); /* and none */
    assert_int_equal(log_head(log), 25);
    char path[96];
    snprintf(path, sizeof path, "%s/" JOURNAL_FILE, dir);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(append(log, "small", 5), LOG_OK);
    assert_int_equal(log_behind(log), 0);
    log_close(&log);
}

/* An append that is given up takes nothing with it of what the journal holds. */
static void test_abort_behind(void **state)
{
    (void)state;
    struct log *log;
    assert_int_equal(open_as(&log, JOURNAL_BYTES, false), LOG_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(append(log, "abc", 3), LOG_OK);
    for (int i = 0; i < 3; i++) {
        struct batch_header header = {
            .base = log_head(log), .count = 9, .stream = 1, .producer = 1, .first_seq = 4};
        assert_int_equal(log_begin(log), LOG_OK);
        assert_int_equal(log_append(log, &header, ""), LOG_OK);
        log_abort(log);
        assert_int_equal(log_behind(log), 3 + i);
        all_there(log, 4 + (uint64_t)i, "abc", 3);
        assert_int_equal(append(log, "abc", 3), LOG_OK);
    }
    all_there(log, 7, "abc", 3);
    log_close(&log);
}

/* The map is too small for what the journal holds: grown where it is read, and the append that did not fit is refused whole. */
static void test_map_behind(void **state)
{
    (void)state;
    struct log_options options = {
        .segment_bytes = 1 << 30, .map_bytes = 1 << 19, .journal_bytes = JOURNAL_BYTES};
    struct log *log;
    static uint8_t body[100000];
    assert_int_equal(log_open(&log, dir, &options), LOG_OK);
    int refused = 0;
    for (int i = 0; i < 40; i++) {
        int error = append(log, body, sizeof body);
        assert_true(error == LOG_OK || error == LOG_FULL);
        refused += error == LOG_FULL;
    }
    assert_true(refused > 0 && refused < 20);
    all_there(log, 41 - (uint64_t)refused, body, sizeof body);
    log_close(&log);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "read") == 0)
        return read_as_other(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_crash, dir_new, dir_drop),
        cmocka_unit_test_setup_teardown(test_crash_and_read, dir_new, dir_drop),
        cmocka_unit_test_setup_teardown(test_reader_after_crash, dir_new, dir_drop),
        cmocka_unit_test_setup_teardown(test_reader_beside_writer, dir_new, dir_drop),
        cmocka_unit_test_setup_teardown(test_torn_and_damaged, dir_new, dir_drop),
        cmocka_unit_test_setup_teardown(test_forged, dir_new, dir_drop),
        cmocka_unit_test_setup_teardown(test_large_and_full, dir_new, dir_drop),
        cmocka_unit_test_setup_teardown(test_abort_behind, dir_new, dir_drop),
        cmocka_unit_test_setup_teardown(test_map_behind, dir_new, dir_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
