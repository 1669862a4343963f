/* Records and batches: what goes in comes out, and nothing broken passes for a batch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "schema/record.h"

#define RAW(text) text, sizeof text - 1

static struct span span_of(const char *bytes, size_t size)
{
    return (struct span){.data = (const uint8_t *)bytes, .size = (uint32_t)size};
}

static struct record plain_record(void)
{
    return (struct record){.key = "0022500001",
                           .key_size = 10,
                           .version = 1,
                           .payload = span_of(RAW("\x81\xa1"
                                                  "a\x01"))};
}

static void must_encode(struct pack *out, const struct record *record)
{
    const char *rule = NULL;
    if (record_encode(out, record, &rule)) {
        fail_msg("%s", rule);
    }
}

/* Three records: bare, with everything, with everything at its limit. */
static struct pack batch_of_three(char *long_key, char *long_run)
{
    struct pack out = {0};
    struct record record = plain_record();
    batch_head(&out, 3, "0.1.0+abc", "0123456789abcdef");
    must_encode(&out, &record);
    record.version = 4000000000;
    record.parent_count = 2;
    record.parents[0] = 0;
    record.parents[1] = UINT64_MAX;
    record.run = "poller.0-3-17";
    record.run_size = 13;
    must_encode(&out, &record);
    memset(long_key, 'k', RECORD_KEY_MAX);
    memset(long_run, 'r', RECORD_RUN_MAX);
    record.key = long_key;
    record.key_size = RECORD_KEY_MAX;
    record.run = long_run;
    record.run_size = RECORD_RUN_MAX;
    record.parent_count = RECORD_PARENTS_MAX;
    for (uint32_t i = 0; i < RECORD_PARENTS_MAX; i++) {
        record.parents[i] = (uint64_t)i << (i % 64);
    }
    record.payload = span_of(RAW("\x80"));
    must_encode(&out, &record);
    return out;
}

/* Reads the batch to its end: how many records came, -1 if it broke. */
static int read_all(const void *body, size_t size, uint32_t count, const char **rule)
{
    struct batch_reader reader;
    struct record record;
    int records = 0, result;
    if (batch_open(&reader, body, size, count, rule)) {
        return -1;
    }
    while ((result = batch_next(&reader, &record, rule)) == 1) {
        records++;
    }
    return result < 0 ? -1 : records;
}

static void a_batch_round_trips(void **state)
{
    (void)state;
    char key[RECORD_KEY_MAX], run[RECORD_RUN_MAX];
    struct pack body = batch_of_three(key, run);
    struct batch_reader reader;
    struct record record;
    const char *rule;
    assert_int_equal(batch_open(&reader, body.data, body.size, 3, &rule), 0);
    assert_int_equal(reader.code_version_size, 9);
    assert_memory_equal(reader.code_version, "0.1.0+abc", 9);
    assert_int_equal(reader.config_hash_size, 16);
    assert_int_equal(batch_next(&reader, &record, &rule), 1);
    assert_int_equal(record.key_size, 10);
    assert_memory_equal(record.key, "0022500001", 10);
    assert_null(record.run);
    assert_int_equal(record.parent_count, 0);
    assert_int_equal(record.payload.size, 4);
    assert_memory_equal(record.payload.data,
                        "\x81\xa1"
                        "a\x01",
                        4);
    assert_int_equal(batch_next(&reader, &record, &rule), 1);
    assert_int_equal(record.version, 4000000000);
    assert_int_equal(record.parent_count, 2);
    assert_true(record.parents[1] == UINT64_MAX);
    assert_int_equal(record.run_size, 13);
    assert_memory_equal(record.run, "poller.0-3-17", 13);
    assert_int_equal(batch_next(&reader, &record, &rule), 1);
    assert_int_equal(record.key_size, RECORD_KEY_MAX);
    assert_int_equal(record.run_size, RECORD_RUN_MAX);
    assert_int_equal(record.parent_count, RECORD_PARENTS_MAX);
    assert_true(record.parents[63] == (uint64_t)63 << 63);
    assert_int_equal(batch_next(&reader, &record, &rule), 0);
    assert_int_equal(batch_next(&reader, &record, &rule), 0);
    pack_free(&body);
}

static void a_batch_cut_anywhere_is_broken(void **state)
{
    (void)state;
    char key[RECORD_KEY_MAX], run[RECORD_RUN_MAX];
    struct pack body = batch_of_three(key, run);
    for (size_t cut = 0; cut < body.size; cut++) {
        const char *rule = NULL;
        uint8_t *exact = malloc(cut ? cut : 1);
        memcpy(exact, body.data, cut);
        assert_int_equal(read_all(exact, cut, 3, &rule), -1);
        assert_non_null(rule);
        free(exact);
    }
    pack_free(&body);
}

static void the_count_must_be_the_declared(void **state)
{
    (void)state;
    char key[RECORD_KEY_MAX], run[RECORD_RUN_MAX];
    struct pack body = batch_of_three(key, run);
    const char *rule;
    assert_int_equal(read_all(body.data, body.size, 3, &rule), 3);
    static const uint32_t OTHERS[] = {1, 2, 4, BATCH_RECORDS_MAX};
    for (size_t i = 0; i < sizeof OTHERS / sizeof OTHERS[0]; i++) {
        assert_int_equal(read_all(body.data, body.size, OTHERS[i], &rule), -1);
        assert_string_equal(rule, "record count differs from the declared");
    }
    assert_int_equal(read_all(body.data, body.size, 0, &rule), -1);
    assert_string_equal(rule, "record count out of range");
    assert_int_equal(read_all(body.data, body.size, UINT32_MAX, &rule), -1);
    assert_string_equal(rule, "record count out of range");
    pack_nil(&body);
    assert_int_equal(read_all(body.data, body.size, 3, &rule), -1);
    assert_string_equal(rule, "trailing bytes");
    pack_free(&body);
}

static void refused(const struct record *record, const char *rule)
{
    struct pack out = {0};
    const char *broken = "(taken)";
    int result = record_encode(&out, record, &broken);
    pack_free(&out);
    assert_int_equal(result, -1);
    assert_string_equal(broken, rule);
}

static void the_encoder_keeps_the_limits(void **state)
{
    (void)state;
    char text[256];
    memset(text, 'x', sizeof text);
    struct record record = plain_record();
    record.key_size = 0;
    refused(&record, "key empty");
    record.key = text;
    record.key_size = RECORD_KEY_MAX + 1;
    refused(&record, "key too long");
    record.key = "a\0b";
    record.key_size = 3;
    refused(&record, "key not plain UTF-8");
    record = plain_record();
    record.run = text;
    record.run_size = RECORD_RUN_MAX + 1;
    refused(&record, "run too long");
    record = plain_record();
    record.parent_count = RECORD_PARENTS_MAX + 1;
    refused(&record, "too many parents");
    record = plain_record();
    record.payload = span_of(RAW("\x90"));
    refused(&record, "payload not a map");
    record.payload = span_of(RAW("\x80\x80"));
    refused(&record, "payload with trailing bytes");
    record.payload = span_of(RAW("\x81\xa1"
                                 "a"));
    refused(&record, "ends within a value");
    record.payload = (struct span){0};
    refused(&record, "payload not a map");
}

static void the_largest_record_fits_a_batch(void **state)
{
    (void)state;
    struct pack payload = {0}, body = {0};
    struct record record = plain_record();
    const char *rule;
    uint32_t most = RECORD_BYTES_MAX - 8; /* what the payload's own heads take */
    uint8_t *bytes = calloc(1, most);
    pack_map(&payload, 1);
    pack_text(&payload, "b");
    pack_bin(&payload, bytes, most);
    record.payload = (struct span){payload.data, (uint32_t)payload.size};
    assert_int_equal(payload.size, RECORD_BYTES_MAX);
    batch_head(&body, 1, "v", "h");
    must_encode(&body, &record);
    assert_int_equal(read_all(body.data, body.size, 1, &rule), 1);
    pack_reset(&payload);
    pack_map(&payload, 1);
    pack_text(&payload, "longer by these");
    pack_bin(&payload, bytes, most);
    record.payload = (struct span){payload.data, (uint32_t)payload.size};
    refused(&record, "payload too large");
    free(bytes);
    pack_free(&payload);
    pack_free(&body);
}

static void foreign_batches_are_refused_by_rule(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        size_t size;
        const char *rule;
    } CASES[] = {
        {RAW("\x80"), "batch not an array, or cut short"},
        {RAW("\xdd\xff\xff\xff\xff"), "batch not an array, or cut short"},
        {RAW("\x93\x01\xa1h\x90"), "code version or config hash not a str"},
        {RAW("\x93\xa1v\xc0\x90"), "code version or config hash not a str"},
        {RAW("\x93\xa1v\xa1h\x90"), "record not an array of 5, or cut short"},
        {RAW("\x93\xa1v\xa1h\x95\x01\x01\x90\xc0\x80"), "key not a str, or cut short"},
        {RAW("\x93\xa1v\xa1h\x95\xa0\x01\x90\xc0\x80"), "key empty"},
        {RAW("\x93\xa1v\xa1h\x95\xa1\xff\x01\x90\xc0\x80"), "key not plain UTF-8"},
        {RAW("\x93\xa1v\xa1h\x95\xa1k\xff\x90\xc0\x80"), "version not a 32-bit uint"},
        {RAW("\x93\xa1v\xa1h\x95\xa1k\x01\x80\xc0\x80"), "parents not an array, or cut short"},
        {RAW("\x93\xa1v\xa1h\x95\xa1k\x01\x91\xff\xc0\x80"), "a parent not a position"},
        {RAW("\x93\xa1v\xa1h\x95\xa1k\x01\x90\x07\x80"), "run neither str nor nil"},
        {RAW("\x93\xa1v\xa1h\x95\xa1k\x01\x90\xc0\x90"), "payload not a map"},
        {RAW("\x93\xa1v\xa1h\x95\xa1k\x01\x90\xc0\x81\x01\x01"), "map key not a str"},
        {RAW("\x93\xa1v\xa1h\x95\xa1k\x01\x90\xc0\x81\xa1"
             "a\xd4\x01\x01"),
         "ext type"},
        {RAW("\x93\xa1v\xa1h\x95\xa1k\x01\x90\xc0\x80\xc0"), "trailing bytes"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const char *rule = "(taken)";
        assert_int_equal(read_all(CASES[i].body, CASES[i].size, 1, &rule), -1);
        assert_string_equal(rule, CASES[i].rule);
    }
}

static void keys_spread_over_partitions(void **state)
{
    (void)state;
    assert_int_equal(record_partition("123456789", 9, 1), 0);
    assert_int_equal(record_partition("123456789", 9, 8), 0xE3069283 % 8);
    assert_int_equal(record_partition("123456789", 9, 65535), 0xE3069283 % 65535);
    uint32_t hits[4] = {0};
    for (int game = 0; game < 1230; game++) {
        char key[16];
        int size = snprintf(key, sizeof key, "00225%05d", game);
        hits[record_partition(key, (size_t)size, 4)]++;
    }
    for (int i = 0; i < 4; i++) { /* a season's games: no partition more than a fifth off */
        assert_in_range(hits[i], 1230 / 4 * 4 / 5, 1230 / 4 * 6 / 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_round_trips),
        cmocka_unit_test(a_batch_cut_anywhere_is_broken),
        cmocka_unit_test(the_count_must_be_the_declared),
        cmocka_unit_test(the_encoder_keeps_the_limits),
        cmocka_unit_test(the_largest_record_fits_a_batch),
        cmocka_unit_test(foreign_batches_are_refused_by_rule),
        cmocka_unit_test(keys_spread_over_partitions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
