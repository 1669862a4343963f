/* What retention decides (broker/retain.h), over the log in memory and over LMDB: each rule, exactly; what is below the line only; keys
 * in ranges when they do not fit; and the fronts of the log that nothing is left of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "broker/log_memory.h"
#include "broker/retain.h"
#include "schema/record.h"

enum { AGED = 1, BOUNDED, NEWEST, KEPT, STREAMS };
enum { BATCHES = 400, KEYS = 300, PER_SEGMENT = 50, RECORDS = 4 };
#define AGE_US 100
#define BYTES 2000

static char dir[64];
static struct log_disk *disk; /* NULL: LMDB in `dir` */
static uint64_t seed;

static struct {
    struct log *log;
    struct retain *retain;
    uint32_t keys_max;
    uint64_t told[STREAMS]; /* removes() said up to there */
    int refuse;
    struct {
        uint64_t base;
        uint16_t stream;
        uint32_t size;
        int64_t time_us;
        uint32_t keys[RECORDS];
    } batches[BATCHES];
} test;

static uint32_t random_below(uint32_t bound)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % bound;
}

static int removes(void *context, uint16_t stream, uint64_t end)
{
    (void)context;
    assert_true(stream >= AGED && stream < KEPT);
    if (test.told[stream] < end)
        test.told[stream] = end;
    return test.refuse;
}

static int setup(void **state)
{
    (void)state;
    memset(&test, 0, sizeof test);
    seed = 20260401;
    test.keys_max = 1000;
    return 0;
}

static int memory_new(void **state)
{
    disk = log_disk_new();
    return disk ? setup(state) : -1;
}

static int memory_drop(void **state)
{
    (void)state;
    retain_free(&test.retain, test.log);
    log_close(&test.log);
    log_disk_free(&disk);
    return 0;
}

static int dir_new(void **state)
{
    disk = NULL;
    snprintf(dir, sizeof dir, "%s/tipoff-log-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    return mkdtemp(dir) ? setup(state) : -1;
}

static int dir_drop(void **state)
{
    char command[96];
    memory_drop(state);
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

static void append(uint32_t i, uint16_t stream)
{
    struct pack body = {0};
    const char *rule;
    batch_head(&body, RECORDS, "v1", "0123");
    for (uint32_t j = 0; j < RECORDS; j++) {
        char key[16];
        test.batches[i].keys[j] = random_below(KEYS);
        int size = snprintf(key, sizeof key, "key-%u", test.batches[i].keys[j]);
        struct record record = {.key = key,
                                .key_size = (uint32_t)size,
                                .version = 1,
                                .payload = {(const uint8_t *)"\x80", 1}};
        assert_int_equal(record_encode(&body, &record, &rule), 0);
    }
    struct batch_header header = {.base = log_head(test.log),
                                  .count = RECORDS,
                                  .stream = stream,
                                  .partition = (uint16_t)(i % 2),
                                  .producer = 1,
                                  .size = (uint32_t)body.size,
                                  .first_seq = i * RECORDS + 1,
                                  .time_us = (int64_t)i + 1,
                                  .crc = pack_crc32c(0, body.data, body.size)};
    assert_int_equal(log_begin(test.log), LOG_OK);
    assert_int_equal(log_append(test.log, &header, body.data), LOG_OK);
    assert_int_equal(log_commit(test.log), LOG_OK);
    test.batches[i].base = header.base;
    test.batches[i].stream = stream;
    test.batches[i].size = header.size;
    test.batches[i].time_us = header.time_us;
    pack_free(&body);
}

/* `streams` of them take turns. */
static void fill(uint16_t streams)
{
    const struct log_options log = {.segment_bytes = 1 << 20, .disk = disk};
    const struct retain_options options = {
        .percent = 0, .keys_max = test.keys_max, .removes = removes};
    const struct retain_rule rules[STREAMS] = {
        [AGED] = {.age_us = AGE_US}, [BOUNDED] = {.bytes = BYTES}, [NEWEST] = {.latest = true}};
    assert_int_equal(log_open(&test.log, dir, &log), LOG_OK);
    test.retain = retain_new(&options);
    assert_non_null(test.retain);
    assert_false(retain_ruled(test.retain));
    for (int i = AGED; i < STREAMS; i++)
        retain_rule_set(test.retain, (uint16_t)i, 2, &rules[i]);
    assert_true(retain_ruled(test.retain));
    for (uint32_t i = 0; i < BATCHES; i++) {
        append(i, (uint16_t)(1 + random_below(streams)));
        if (i % PER_SEGMENT == PER_SEGMENT - 1 && i + 1 < BATCHES)
            assert_int_equal(log_roll(test.log), LOG_OK);
    }
}

static void pass(uint64_t below)
{
    int more, slices = 0;
    retain_begin(test.retain, test.log, below);
    while ((more = retain_step(test.retain, test.log, 3000)) == 1)
        slices++;
    assert_int_equal(more, 0);
    assert_true(slices > 0);
    assert_false(retain_live(test.retain));
    while (log_tidy(test.log) == LOG_OK)
        ;
}

static bool superseded(uint32_t i, uint32_t record)
{
    for (uint32_t k = i; k < BATCHES; k++)
        for (uint32_t j = k == i ? record + 1 : 0; j < RECORDS; j++)
            if (test.batches[k].stream == NEWEST &&
                test.batches[k].keys[j] == test.batches[i].keys[record])
                return true;
    return false;
}

static bool expired(uint32_t i, uint32_t record)
{
    uint64_t behind = 0;
    switch (test.batches[i].stream) {
    case AGED:
        return test.batches[i].time_us < test.batches[BATCHES - 1].time_us - AGE_US;
    case BOUNDED:
        for (uint32_t k = i + 1; k < BATCHES; k++)
            behind += test.batches[k].stream == BOUNDED ? test.batches[k].size : 0;
        return behind >= BYTES;
    case NEWEST:
        return superseded(i, record);
    default:
        return false;
    }
}

static bool there(uint64_t position)
{
    uint64_t base;
    struct batch_header header;
    struct span body;
    if (log_next_any(test.log, position, &base) != LOG_OK || base > position)
        return false;
    assert_int_equal(log_batch(test.log, base, &header, &body), LOG_OK);
    struct batch_reader reader;
    struct record record;
    const char *rule;
    assert_int_equal(batch_open(&reader, body.data, body.size, header.count, &rule), 0);
    assert_int_equal(reader.code_version_size, 2);
    for (uint64_t at = base; at <= position; at++)
        assert_int_equal(batch_next(&reader, &record, &rule), 1);
    char key[16];
    const uint32_t i = (uint32_t)((position - 1) / RECORDS);
    snprintf(key, sizeof key, "key-%u", test.batches[i].keys[(position - 1) % RECORDS]);
    assert_int_equal(record.key_size, strlen(key));
    assert_memory_equal(record.key, key, record.key_size);
    assert_int_equal(header.first_seq - 1, base - 1);
    return true;
}

/* Exactly what the rules say, in closed segments and below the line. */
static uint64_t check(uint64_t below)
{
    uint64_t gone = 0;
    const uint32_t sealed = BATCHES - PER_SEGMENT;
    for (uint32_t i = 0; i < BATCHES; i++)
        for (uint32_t j = 0; j < RECORDS; j++) {
            uint64_t position = test.batches[i].base + j;
            bool goes = i < sealed && test.batches[i].base + RECORDS <= below && expired(i, j);
            if (there(position) == goes)
                fail_msg("position %llu of stream %u", (unsigned long long)position,
                         test.batches[i].stream);
            if (goes)
                assert_true(test.told[test.batches[i].stream] > position);
            gone += goes;
        }
    log_read_end(test.log);
    return gone;
}

static void it_is_exact(void **state)
{
    (void)state;
    fill(4);
    pass(1);
    assert_int_equal(check(1), 0);
    uint64_t half = test.batches[BATCHES / 2].base + 1;
    pass(half);
    uint64_t gone = check(half);
    assert_true(gone > 100);
    assert_int_equal(retain_counts(test.retain)->records, gone);
    pass(UINT64_MAX);
    gone = check(UINT64_MAX);
    pass(UINT64_MAX); /* once more: nothing is left to be done */
    assert_int_equal(check(UINT64_MAX), gone);
    assert_int_equal(retain_counts(test.retain)->records, gone);
}

/* Of so many keys at once only few fit. */
static void keys_come_in_ranges(void **state)
{
    test.keys_max = 20;
    it_is_exact(state);
}

static void a_segment_is_left_for_who_cannot_be_told(void **state)
{
    (void)state;
    fill(4);
    test.refuse = LOG_FULL;
    pass(UINT64_MAX);
    memset(test.told, 0, sizeof test.told);
    assert_int_equal(retain_counts(test.retain)->rewritten, 0);
    assert_int_equal(check(1), 0);
}

static void it_is_given_up_between_slices(void **state)
{
    (void)state;
    fill(4);
    for (int slices = 1; slices < 60; slices += 7) {
        retain_begin(test.retain, test.log, 1);
        for (int i = 0; i < slices && retain_live(test.retain); i++)
            assert_true(retain_step(test.retain, test.log, 3000) >= 0);
        retain_drop(test.retain, test.log);
        assert_false(retain_live(test.retain));
    }
    assert_int_equal(check(1), 0);
    pass(UINT64_MAX);
    assert_true(check(UINT64_MAX) > 0);
}

static void what_nothing_is_left_of_goes(void **state)
{
    (void)state;
    fill(1); /* all of it ages */
    pass(test.batches[PER_SEGMENT * 2].base);
    assert_int_equal(log_segments(test.log), BATCHES / PER_SEGMENT - 2);
    pass(UINT64_MAX);
    assert_int_equal(log_segments(test.log), 3); /* 100 of age, and the one that is appended to */
    assert_int_equal(retain_counts(test.retain)->trimmed, BATCHES / PER_SEGMENT - 3);
}

int main(void)
{
    const struct CMUnitTest memory[] = {
        cmocka_unit_test_setup_teardown(it_is_exact, memory_new, memory_drop),
        cmocka_unit_test_setup_teardown(keys_come_in_ranges, memory_new, memory_drop),
        cmocka_unit_test_setup_teardown(a_segment_is_left_for_who_cannot_be_told, memory_new,
                                        memory_drop),
        cmocka_unit_test_setup_teardown(it_is_given_up_between_slices, memory_new, memory_drop),
        cmocka_unit_test_setup_teardown(what_nothing_is_left_of_goes, memory_new, memory_drop),
    };
    const struct CMUnitTest lmdb[] = {
        cmocka_unit_test_setup_teardown(it_is_exact, dir_new, dir_drop),
        cmocka_unit_test_setup_teardown(keys_come_in_ranges, dir_new, dir_drop),
        cmocka_unit_test_setup_teardown(a_segment_is_left_for_who_cannot_be_told, dir_new,
                                        dir_drop),
        cmocka_unit_test_setup_teardown(it_is_given_up_between_slices, dir_new, dir_drop),
        cmocka_unit_test_setup_teardown(what_nothing_is_left_of_goes, dir_new, dir_drop),
    };
    int failed = cmocka_run_group_tests_name("memory", memory, NULL, NULL);
    return failed + cmocka_run_group_tests_name("lmdb", lmdb, NULL, NULL);
}
