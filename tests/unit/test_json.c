/* JSON in and out, messages as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>
#include <cmocka.h>

#include "schema/json.h"
#include "schema/message.h"
#include "tests/unit/message_fill.h"

#include "schema/message_struct.h"
#include "tests/unit/every_kind.def"
#include "schema/message_end.h"

#include "schema/message_table.h"
#include "tests/unit/every_kind.def"
#include "schema/message_end.h"

static void expect_text(json_t *value, const char *expected)
{
    char *text = json_text(value);
    assert_string_equal(text, expected);
    free(text);
    json_decref(value);
}

static json_t *read_text(const char *text, char *why)
{
    return json_read(text, strlen(text), why, 160);
}

static void what_is_read_is_written(void **state)
{
    (void)state;
    static const char *const TEXTS[] = {
        "{}",
        "[]",
        "{\"z\":1,\"a\":[true,false,null,-7,\"\",{\"b\":[]}]}",
        "[0.1,25.5,1e+300,2.0,-0.0,3.141592653589793,1e-07]",
        "[\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\",\"Joki\xc4\x87\"]",
        "[9223372036854775807,-9223372036854775808]",
    };
    char why[160];
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        json_t *value = read_text(TEXTS[i], why);
        if (!value) {
            fail_msg("%s", why);
        }
        expect_text(value, TEXTS[i]);
    }
}

static void floats_read_back_the_same(void **state)
{
    (void)state;
    uint64_t bits = 20251117;
    for (int i = 0; i < 20000; i++) {
        double value;
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value)) {
            continue;
        }
        json_t *number = json_of_number(value);
        char *text = json_text(number);
        assert_true(strtod(text, NULL) == value);
        free(text);
        json_decref(number);
    }
}

static void pretty_is_indented(void **state)
{
    (void)state;
    char why[160], *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    json_t *value = read_text("{\"a\":[1,2],\"b\":{},\"c\":[]}", why);
    json_print(out, value, 1);
    json_print(out, value, 0);
    fclose(out);
    assert_string_equal(text, "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {},\n  \"c\": []\n}\n"
                              "{\"a\":[1,2],\"b\":{},\"c\":[]}\n");
    json_decref(value);
    free(text);
}

static void what_is_wrong_is_placed(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } CASES[] = {
        {"{\"a\":1,\n\"a\":2}", "line 2, column 3: duplicate object key near '\"a\"'"},
        {"[1]\n[2]", "line 2, column 1: end of file expected near '['"},
        {"<html>", "line 1, column 1: '[' or '{' expected near '<'"},
        {"[1,", "line 1, column 3: ']' expected near end of file"},
        {"", "line 1, column 0: '[' or '{' expected near end of file"},
        {"[\"\xff\"]", NULL},
        {"[\"\\u0000\"]", NULL},
        {"[nan]", NULL},
        {"[1e999]", NULL},
        {"[99999999999999999999]", NULL},
    };
    char why[160];
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        assert_null(read_text(CASES[i].text, why));
        if (CASES[i].why) {
            assert_string_equal(why, CASES[i].why);
        }
        assert_non_null(strstr(why, "line 1") ? why : strstr(why, "line 2"));
    }
}

static void limits_hold_before_anything_is_built(void **state)
{
    (void)state;
    char why[160], deep[JSON_DEPTH_MAX * 2 + 3];
    memset(deep, '[', JSON_DEPTH_MAX);
    memset(deep + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    json_t *value = json_read(deep, JSON_DEPTH_MAX * 2, why, sizeof why);
    assert_non_null(value);
    json_decref(value);
    memset(deep, '[', JSON_DEPTH_MAX + 1);
    assert_null(json_read(deep, sizeof deep, why, sizeof why));
    assert_non_null(strstr(why, "nested deeper than 32"));
    /* brackets in strings are text */
    value = read_text("[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[\"]", why);
    assert_non_null(value);
    json_decref(value);
    size_t size = JSON_NODES_MAX + 10;
    char *many = malloc(size);
    memset(many, ',', size);
    many[0] = '[';
    assert_null(json_read(many, size, why, sizeof why));
    assert_non_null(strstr(why, "more than 2000000 values"));
    free(many);
    assert_null(
        json_read("[]", (size_t)JSON_BYTES_MAX + 1, why, sizeof why)); /* not even looked at */
    assert_non_null(strstr(why, "too large"));
}

static void single_values_know_absence(void **state)
{
    (void)state;
    expect_text(json_of_time(INT64_C(1763424600000000)), "\"2025-11-18T00:10:00.000000Z\"");
    expect_text(json_of_time(MESSAGE_NONE), "null");
    expect_text(json_of_date(20251117), "\"2025-11-17\"");
    expect_text(json_of_date(0), "null");
    expect_text(json_of_number(24.5), "24.5");
    expect_text(json_of_number((double)NAN), "null");
    expect_text(json_of_int(-3), "-3");
    expect_text(json_of_int(MESSAGE_NONE), "null");
    expect_text(json_of_string("x"), "\"x\"");
    expect_text(json_of_string(""), "null");
    expect_text(json_of_string(NULL), "null");
    expect_text(json_of_string("a\xff\xc3z"), "\"a\xef\xbf\xbd\xef\xbf\xbdz\"");
}

static void a_message_is_an_object(void **state)
{
    (void)state;
    struct msg_every_kind message;
    message_fill(&msg_every_kind_desc, &message);
    message.serial = 17;
    message.score = -4;
    message.share = 0.25;
    message.home = true;
    message.at = INT64_C(1763424600000001);
    message.day = 20251117;
    message.serial_opt = UINT64_MAX;
    message.score_opt = message.at_opt = MESSAGE_NONE;
    message.share_opt = (double)NAN;
    message.home_opt = false;
    message.day_opt = 0;
    message.name_opt[0] = '\0';
    message.body_opt = message.values_opt = message.items_opt = (struct span){0};
    expect_text(
        json_of_message(&msg_every_kind_desc, &message),
        "{\"serial\":17,\"score\":-4,\"share\":0.25,\"home\":true,\"name\":\"name\xc3\xa9\","
        "\"at\":\"2025-11-18T00:10:00.000001Z\",\"day\":\"2025-11-17\",\"body\":\"AP9yYXc=\","
        "\"values\":{\"a\":7,\"b\":2.5,\"c\":null,\"d\":\"x\"},\"items\":[1,[\"y\",true]],"
        "\"serial_opt\":null,\"score_opt\":null,\"share_opt\":null,\"home_opt\":false,"
        "\"name_opt\":null,\"at_opt\":null,\"day_opt\":null,\"body_opt\":null,"
        "\"values_opt\":null,\"items_opt\":null}");
    message.body = (struct span){0};
    json_t *value = json_of_message(&msg_every_kind_desc, &message);
    assert_string_equal(json_string_value(json_object_get(value, "body")), "");
    json_decref(value);
}

static void bytes_are_base64(void **state)
{
    (void)state;
    static const struct { /* RFC 4648, 10 */
        const char *bin, *text;
    } CASES[] = {
        {"\xc4\x00", "\"\""},
        {"\xc4\x01"
         "f",
         "\"Zg==\""},
        {"\xc4\x02"
         "fo",
         "\"Zm8=\""},
        {"\xc4\x03"
         "foo",
         "\"Zm9v\""},
        {"\xc4\x06"
         "foobar",
         "\"Zm9vYmFy\""},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        size_t size = 2 + (size_t)CASES[i].bin[1];
        expect_text(json_of_msgpack(CASES[i].bin, size), CASES[i].text);
    }
}

static void any_msgpack_has_a_form(void **state)
{
    (void)state;
    static const char SOUND[] =
        "\x83\xa1"
        "a\x93\xc0\xc2\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xa1\xff\xcb\x7f\xf8"
        "\0\0\0\0\0\0\xa0\xd0\x80";
    expect_text(json_of_msgpack(SOUND, sizeof SOUND - 1),
                "{\"a\":[null,false,1.8446744073709552e+19],\"\xef\xbf\xbd\":null,\"\":-128}");
    assert_null(json_of_msgpack("\x91", 1));
    assert_null(json_of_msgpack("\x01\x01", 2));
    assert_null(json_of_msgpack("\xd4\x01\x01", 3));
    assert_null(json_of_msgpack("", 0));
    char deep[MESSAGE_DEPTH_MAX + 1];
    memset(deep, '\x91', sizeof deep);
    deep[sizeof deep - 1] = '\x90';
    assert_null(json_of_msgpack(deep, sizeof deep));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_written),
        cmocka_unit_test(floats_read_back_the_same),
        cmocka_unit_test(pretty_is_indented),
        cmocka_unit_test(what_is_wrong_is_placed),
        cmocka_unit_test(limits_hold_before_anything_is_built),
        cmocka_unit_test(single_values_know_absence),
        cmocka_unit_test(a_message_is_an_object),
        cmocka_unit_test(bytes_are_base64),
        cmocka_unit_test(any_msgpack_has_a_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
