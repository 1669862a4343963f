/* Rates between two answers to STATUS: pure arithmetic. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cli/rates.h"

static json_t *read_json(const char *text)
{
    char why[160];
    json_t *value = json_read(text, strlen(text), why, sizeof why);
    assert_non_null(value);
    return value;
}

#define BEFORE                                                                                     \
    "{\"broker\":{\"instance\":\"a\",\"uptime_s\":10.0,\"appended_records\":100,\"commits\":10,"   \
    "\"sync_us\":{\"count\":3,\"buckets\":[[127,1],[255,2]]}},"                                    \
    "\"shards\":[{\"actor\":\"x\",\"partition\":0,\"steps\":5,\"taken\":50}],"                     \
    "\"streams\":[{\"stream\":\"s\",\"records\":100,\"delivered\":{\"records\":7}}]}"
#define AFTER                                                                                      \
    "{\"broker\":{\"instance\":\"a\",\"uptime_s\":12.0,\"appended_records\":160,\"commits\":11,"   \
    "\"sync_us\":{\"count\":13,\"buckets\":[[127,2],[255,9],[1023,2]]}},"                          \
    "\"shards\":[{\"actor\":\"x\",\"partition\":1,\"steps\":9,\"taken\":null},"                    \
    "{\"actor\":\"x\",\"partition\":0,\"steps\":6,\"taken\":50}],"                                 \
    "\"streams\":[{\"stream\":\"new\",\"records\":4},"                                             \
    "{\"stream\":\"s\",\"records\":160,\"delivered\":{\"records\":8}}]}"

static double real_of(const json_t *row, const char *key)
{
    const json_t *value = json_object_get(row, key);
    assert_true(json_is_real(value));
    return json_real_value(value);
}

static void differences_a_second(void **state)
{
    json_t *before = read_json(BEFORE), *after = read_json(AFTER);
    (void)state;
    json_t *rates = rates_between(before, after);
    assert_true(real_of(rates, "seconds") == 2.0);
    const json_t *broker = json_object_get(rates, "broker");
    assert_true(real_of(broker, "records_in_per_s") == 30.0);
    assert_true(real_of(broker, "commits_per_s") == 0.5);
    assert_true(json_is_null(json_object_get(broker, "acks_per_s"))); /* not said: not made up */
    assert_int_equal(json_integer_value(json_object_get(broker, "sync_p50_us")), 255);
    assert_int_equal(json_integer_value(json_object_get(broker, "sync_p99_us")), 1023);
    const json_t *shards = json_object_get(rates, "shards"), *first = json_array_get(shards, 0),
                 *second = json_array_get(shards, 1);
    assert_true(json_is_null(json_object_get(first, "steps_per_s"))); /* was not there before */
    assert_true(real_of(second, "steps_per_s") == 0.5);
    assert_true(real_of(second, "taken_per_s") == 0.0);
    const json_t *stream = json_array_get(json_object_get(rates, "streams"), 1);
    assert_true(real_of(stream, "records_in_per_s") == 30.0);
    assert_true(real_of(stream, "records_out_per_s") == 0.5);
    json_decref(rates);
    json_decref(before);
    json_decref(after);
}

/* Another process of the broker counts from nothing; and the first answer has nothing before it. */
static void no_rate_without_a_before(void **state)
{
    json_t *before = read_json(BEFORE), *after = read_json(AFTER);
    (void)state;
    json_object_set_new(json_object_get(before, "broker"), "instance", json_string("b"));
    const json_t *const befores[] = {before, NULL};
    for (size_t i = 0; i < 2; i++) {
        json_t *rates = rates_between(befores[i], after);
        assert_true(json_is_null(json_object_get(rates, "seconds")));
        assert_true(
            json_is_null(json_object_get(json_object_get(rates, "broker"), "records_in_per_s")));
        assert_int_equal(json_array_size(json_object_get(rates, "shards")), 2);
        json_decref(rates);
    }
    json_decref(before);
    json_decref(after);
}

static void percentiles_of_what_is_new(void **state)
{
    json_t *before = read_json("{\"count\":2,\"buckets\":[[1,2]]}"),
           *after = read_json("{\"count\":102,\"buckets\":[[1,2],[3,99],[7,1]]}");
    (void)state;
    assert_int_equal(rates_percentile(before, after, 50), 3);
    assert_int_equal(rates_percentile(before, after, 99), 3);
    assert_int_equal(rates_percentile(before, after, 99.5), 7);
    assert_int_equal(rates_percentile(after, after, 50), -1);
    assert_int_equal(rates_percentile(NULL, before, 50), 1);
    json_decref(before);
    json_decref(after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences_a_second),
        cmocka_unit_test(no_rate_without_a_before),
        cmocka_unit_test(percentiles_of_what_is_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
