/* Bits flipped anywhere in a sealed segment's file: whoever reads the log is told, or nothing is missing; nobody crashes, hangs or is
 * given what was not appended. A campaign over seeded places; FLIPS in the environment: how many, if not a slice. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
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

#include "broker/log.h"
#include "config/log.h"

enum { STREAMS = 3, PARTITIONS = 4, BATCHES = 3000, SEGMENT_BYTES = 1 << 20, PAGE = 4096 };
enum outcome { UNHARMED, NAMED, SILENT, WRONG, STOPPED, CRASHED, HUNG, OUTCOMES };
static const char *const outcomes[OUTCOMES] = {"unharmed", "named",   "silent", "wrong",
                                               "stopped",  "crashed", "hung"};

static char whole[64], dir[72]; /* as written, and a copy of it that is damaged and read */

static uint64_t mix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Of the batch at `base`: a function of it, so that what is read can be told from what was never written. */
static void batch_make(uint64_t base, struct batch_header *header, uint8_t body[900])
{
    uint64_t seed = base;
    uint32_t size = (uint32_t)(20 + mix(&seed) % 880);
    memset(body, (int)(base & 0xff), size);
    *header = (struct batch_header){.base = base,
                                    .count = 1,
                                    .stream = (uint16_t)(1 + mix(&seed) % STREAMS),
                                    .partition = (uint16_t)(mix(&seed) % PARTITIONS),
                                    .producer = 1,
                                    .size = size,
                                    .epoch = 1,
                                    .first_seq = base,
                                    .time_us = (int64_t)base,
                                    .crc = pack_crc32c(0, body, size)};
}

static void log_fill(void)
{
    struct log_options options = {.segment_bytes = SEGMENT_BYTES};
    struct log *log;
    assert_int_equal(log_open(&log, whole, &options), LOG_OK);
    for (uint64_t base = 1; base <= BATCHES;) {
        assert_int_equal(log_begin(log), LOG_OK);
        for (int i = 0; i < 7; i++, base++) {
            struct batch_header header;
            uint8_t body[900];
            batch_make(base, &header, body);
            assert_int_equal(log_append(log, &header, body), LOG_OK);
        }
        assert_int_equal(log_commit(log), LOG_OK);
        if (log_roll_due(log))
            assert_int_equal(log_roll(log), LOG_OK);
    }
    assert_true(log_segments(log) >= 3);
    log_close(&log);
}

static bool batch_right(uint64_t base, const struct batch_header *header, const struct span *body)
{
    struct batch_header expected;
    uint8_t bytes[900];
    batch_make(base, &expected, bytes);
    return header->base == base && header->stream == expected.stream &&
           header->partition == expected.partition && header->first_seq == base &&
           body->size == expected.size && memcmp(body->data, bytes, body->size) == 0;
}

/* Every batch by position, then lane by lane. */
static enum outcome log_read(struct log *log)
{
    uint64_t seen = 0, head = log_head(log);
    uint8_t bytes[900];
    struct batch_header header;
    struct span body;
    for (uint64_t position = log_first(log), base;
         position < head && log_next_any(log, position, &base) == LOG_OK;) {
        int error = log_batch(log, base, &header, &body);
        if (!error && !batch_right(base, &header, &body))
            return WRONG;
        seen += !error;
        position = base + (header.count ? header.count : 1);
    }
    log_read_end(log);
    bool all = seen + log_first(log) == head;
    uint64_t lanes_seen = 0;
    for (unsigned lane = 0; lane < STREAMS * PARTITIONS; lane++) {
        const uint16_t stream = (uint16_t)(1 + lane / PARTITIONS);
        const uint16_t partition = (uint16_t)(lane % PARTITIONS);
        for (uint64_t position = log_first(log), base;
             position < head && log_next(log, stream, partition, position, &base) == LOG_OK;) {
            int error = log_batch(log, base, &header, &body);
            if (!error && (!batch_right(base, &header, &body) || header.stream != stream ||
                           header.partition != partition))
                return WRONG;
            lanes_seen += !error;
            position = base + (header.count ? header.count : 1);
        }
    }
    struct log_seq found;
    for (uint64_t seq = 1; seq < head; seq += 31) {
        batch_make(seq, &header, bytes);
        if (log_lane_find(log, 1, header.stream, header.partition, seq, &found) == LOG_OK &&
            found.first_seq != seq)
            return WRONG;
    }
    log_read_end(log);
    all = all && lanes_seen + log_first(log) == head;
    return all ? UNHARMED : log_bad_batches(log) > 0 ? NAMED : SILENT;
}

static enum outcome damaged_read(void)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        struct log_options options = {.segment_bytes = SEGMENT_BYTES};
        struct log *log;
        alarm(20);
        log_init("damage", LOG_LEVEL_ERROR + 1, 0);
        if (log_open(&log, dir, &options) != LOG_OK)
            _exit(STOPPED);
        _exit((int)log_read(log));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status))
        return WTERMSIG(status) == SIGALRM ? HUNG : CRASHED;
    assert_true(WEXITSTATUS(status) < OUTCOMES);
    return (enum outcome)WEXITSTATUS(status);
}

static off_t place_of(int flip, off_t size, uint8_t *bit)
{
    uint64_t seed = (uint64_t)flip;
    off_t at = (off_t)(mix(&seed) % (uint64_t)size);
    /* every second one in the first bytes of a page, where LMDB keeps what it finds its way by */
    if (flip % 2)
        at = at / PAGE * PAGE + (off_t)(mix(&seed) % 64);
    *bit = (uint8_t)(1u << (mix(&seed) % 8));
    return at;
}

static enum outcome flip_try(int flip)
{
    char command[256], path[160];
    struct stat data;
    uint8_t byte, bit;
    snprintf(command, sizeof command, "rm -rf %s && cp -r %s %s", dir, whole, dir);
    assert_int_equal(system(command), 0);
    snprintf(path, sizeof path, "%s/seg-%020d/data.mdb", dir, 1);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(fstat(fd, &data), 0);
    off_t at = place_of(flip, data.st_size, &bit);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= bit;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
    enum outcome outcome = damaged_read();
    if (outcome > NAMED)
        print_message("flip %d at %ld (page %ld, byte %ld) bit %u: %s\n", flip, (long)at,
                      (long)(at / PAGE), (long)(at % PAGE), bit, outcomes[outcome]);
    return outcome;
}

static void test_any_bit(void **state)
{
    (void)state;
    char command[256];
    const char *asked = getenv("FLIPS");
    int flips = asked ? atoi(asked) : 150, counts[OUTCOMES] = {0};
    snprintf(whole, sizeof whole, "/tmp/tipoff-log-XXXXXX");
    assert_non_null(mkdtemp(whole));
    snprintf(dir, sizeof dir, "%s.bad", whole);
    log_fill();
    for (int flip = 0; flip < flips; flip++)
        counts[flip_try(flip)]++;
    snprintf(command, sizeof command, "rm -r %s %s", whole, dir);
    assert_int_equal(system(command), 0);
    for (int i = 0; i < OUTCOMES; i++)
        print_message("%d of %d flips: %s\n", counts[i], flips, outcomes[i]);
    for (int i = SILENT; i < OUTCOMES; i++)
        assert_int_equal(counts[i], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_any_bit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
