/* msgpack value by value: the canonical form out, every bound checked in; CRC-32C against its
 * test vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "schema/pack.h"
#include "schema/utf8.h"

#define RAW(text) text, sizeof text - 1

static void expect_bytes(struct pack *pack, const char *bytes, size_t size)
{
    assert_false(pack->failed);
    assert_int_equal(pack->size, size);
    assert_memory_equal(pack->data, bytes, size);
    pack_reset(pack);
}

static void integers_take_the_shortest_form(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        const char *bytes;
        size_t size;
    } CASES[] = {
        {0, RAW("\x00")},
        {127, RAW("\x7f")},
        {128, RAW("\xcc\x80")},
        {255, RAW("\xcc\xff")},
        {256, RAW("\xcd\x01\x00")},
        {65536, RAW("\xce\x00\x01\x00\x00")},
        {INT64_C(4294967296), RAW("\xcf\x00\x00\x00\x01\x00\x00\x00\x00")},
        {-1, RAW("\xff")},
        {-32, RAW("\xe0")},
        {-33, RAW("\xd0\xdf")},
        {-129, RAW("\xd1\xff\x7f")},
        {-32769, RAW("\xd2\xff\xff\x7f\xff")},
        {INT64_MIN, RAW("\xd3\x80\x00\x00\x00\x00\x00\x00\x00")},
    };
    struct pack pack = {0};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        pack_i64(&pack, CASES[i].value);
        struct unpack in = {.data = pack.data, .size = pack.size};
        int64_t value = 1;
        assert_true(unpack_i64(&in, &value));
        assert_true(value == CASES[i].value && in.at == in.size);
        uint64_t natural = 7;
        in.at = 0;
        assert_int_equal(unpack_u64(&in, &natural), CASES[i].value >= 0);
        assert_true(natural == (CASES[i].value >= 0 ? (uint64_t)CASES[i].value : 7));
        double number;
        in.at = 0;
        assert_true(unpack_f64(&in, &number));
        assert_true(number == (double)CASES[i].value);
        expect_bytes(&pack, CASES[i].bytes, CASES[i].size);
    }
    pack_u64(&pack, UINT64_MAX);
    struct unpack in = {.data = pack.data, .size = pack.size};
    int64_t value;
    uint64_t natural;
    assert_false(unpack_i64(&in, &value));
    assert_true(unpack_u64(&in, &natural));
    assert_true(natural == UINT64_MAX);
    pack_free(&pack);
}

static void every_kind_is_written_and_read(void **state)
{
    (void)state;
    struct pack pack = {0};
    pack_array(&pack, 7);
    pack_map(&pack, 1);
    pack_text(&pack, "k");
    pack_f64(&pack, 0.1);
    pack_bool(&pack, true);
    pack_bool(&pack, false);
    pack_nil(&pack);
    pack_str(&pack, "no NUL", 2);
    pack_bin(&pack, "\0\1", 2);
    pack_raw(&pack, "\x2a", 1);
    struct unpack in = {.data = pack.data, .size = pack.size};
    const char *text;
    const uint8_t *data;
    uint32_t count;
    double number;
    bool truth;
    int64_t integer;
    assert_int_equal(unpack_peek(&in), PACK_ARRAY);
    assert_false(unpack_map(&in, &count) || unpack_i64(&in, &integer) || unpack_nil(&in));
    assert_int_equal(in.at, 0); /* a failed take stays */
    assert_true(unpack_array(&in, &count) && count == 7);
    assert_true(unpack_map(&in, &count) && count == 1);
    assert_true(unpack_str(&in, &text, &count) && count == 1 && text[0] == 'k');
    assert_int_equal(unpack_peek(&in), PACK_FLOAT);
    assert_true(unpack_f64(&in, &number) && number == 0.1);
    assert_int_equal(unpack_peek(&in), PACK_BOOL);
    assert_true(unpack_bool(&in, &truth) && truth);
    assert_true(unpack_bool(&in, &truth) && !truth);
    assert_int_equal(unpack_peek(&in), PACK_NIL);
    assert_true(unpack_nil(&in));
    assert_int_equal(unpack_peek(&in), PACK_STR);
    assert_true(unpack_str(&in, &text, &count) && count == 2 && memcmp(text, "no", 2) == 0);
    assert_int_equal(unpack_peek(&in), PACK_BIN);
    assert_true(unpack_bin(&in, &data, &count) && count == 2 && data[1] == 1);
    assert_int_equal(unpack_peek(&in), PACK_INT);
    assert_true(unpack_i64(&in, &integer) && integer == 42);
    assert_int_equal(unpack_peek(&in), PACK_END);
    assert_false(unpack_nil(&in) || unpack_skip(&in));
    pack_free(&pack);
}

static void text_sizes_cross_their_heads(void **state)
{
    (void)state;
    static const size_t SIZES[] = {0, 31, 32, 255, 256, 65535, 65536};
    char *text = malloc(65536);
    memset(text, 'x', 65536);
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        struct pack pack = {0};
        pack_str(&pack, text, SIZES[i]);
        pack_bin(&pack, text, SIZES[i]);
        struct unpack in = {.data = pack.data, .size = pack.size};
        const char *out;
        const uint8_t *data;
        uint32_t size;
        assert_true(unpack_str(&in, &out, &size) && size == SIZES[i]);
        assert_true(unpack_bin(&in, &data, &size) && size == SIZES[i]);
        assert_int_equal(in.at, in.size);
        struct unpack cut = {.data = pack.data, .size = SIZES[i]}; /* the head, but not all of it */
        assert_false(unpack_str(&cut, &out, &size) || unpack_skip(&cut));
        pack_free(&pack);
    }
    free(text);
}

static void a_fixed_buffer_never_grows(void **state)
{
    (void)state;
    uint8_t memory[4];
    struct pack pack = {.data = memory, .capacity = sizeof memory, .fixed = true};
    pack_text(&pack, "abc");
    assert_false(pack.failed);
    pack_nil(&pack);
    assert_true(pack.failed);
    assert_int_equal(pack.size, 4);
    pack_reset(&pack);
    pack_nil(&pack);
    assert_false(pack.failed);
    pack_free(&pack); /* not its to free */
}

static void skip_takes_one_whole_value(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        bool sound;
    } CASES[] = {
        {RAW("\x82\xa1"
             "a\x92\x01\xc0\xa1"
             "b\xcb\0\0\0\0\0\0\0\0"),
         true},
        {RAW("\xc7\x03\x05xyz"), true}, /* ext 8 */
        {RAW("\xd5\x05xy"), true},      /* fixext 2 */
        {RAW("\xc8\x00\x01\x05x"), true},
        {RAW("\xd8\x05"
             "0123456789abcdef"),
         true},
        {RAW("\xd5\x05x"), false},
        {RAW("\xc7\x03"), false},
        {RAW("\xc1"), false},
        {RAW("\x91"), false},
        {RAW("\x81\x01"), false},
        {RAW("\xdd\xff\xff\xff\xff\x01"), false},
        {RAW("\xdf\x7f\xff\xff\xff\x01\x01"), false},
        {RAW("\xc6\xff\xff\xff\xff"), false},
        {RAW("\xcd\x01"), false},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        uint8_t *exact = malloc(CASES[i].size);
        memcpy(exact, CASES[i].bytes, CASES[i].size);
        struct unpack in = {.data = exact, .size = CASES[i].size};
        assert_int_equal(unpack_skip(&in), CASES[i].sound);
        assert_int_equal(in.at, CASES[i].sound ? CASES[i].size : 0);
        free(exact);
    }
}

static void prescan_names_the_rule(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        uint32_t depth, nodes;
        long result;
        const char *rule;
    } CASES[] = {
        {RAW("\x2a"), 16, 10, 1, NULL},
        {RAW("\x92\x01\x02\x03"), 16, 10, 3, NULL}, /* what follows is not its business */
        {RAW("\x80"), 1, 1, 1, NULL},
        {RAW("\x81\xa1"
             "a\x91\xc4\x01x"),
         2, 10, 7, NULL},
        {RAW(""), 16, 10, -1, "ends within a value"},
        {RAW("\x91"), 16, 10, -1, "declared count exceeds the bytes left"},
        {RAW("\x92\x01"), 16, 10, -1, "declared count exceeds the bytes left"},
        {RAW("\x92\x92\x01\x01"), 16, 10, -1, "ends within a value"},
        {RAW("\xdd\xff\xff\xff\xff"), 16, 10, -1, "declared count exceeds the bytes left"},
        {RAW("\xdf\x00\x00\x00\x02\xa0\x01\xa0"), 16, 10, -1,
         "declared count exceeds the bytes left"},
        {RAW("\xdb\xff\xff\xff\xff"), 16, 10, -1, "declared size exceeds the bytes left"},
        {RAW("\xa2x"), 16, 10, -1, "declared size exceeds the bytes left"},
        {RAW("\xcb\x00"), 16, 10, -1, "ends within a value"},
        {RAW("\xc1"), 16, 10, -1, "byte 0xc1"},
        {RAW("\xd4\x01\x01"), 16, 10, -1, "ext type"},
        {RAW("\x81\x01\x01"), 16, 10, -1, "map key not a str"},
        {RAW("\x82\xa0\x01\x90\x01"), 16, 10, -1, "map key not a str"},
        {RAW("\x91\x91\x90"), 2, 10, -1, "nested too deep"},
        {RAW("\x91\x91\x01"), 2, 10, 3, NULL},
        {RAW("\x93\x01\x01\x01"), 16, 3, -1, "too many nodes"},
        {RAW("\x93\x01\x01\x01"), 16, 4, 4, NULL},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const char *rule = NULL;
        uint8_t *exact = malloc(CASES[i].size ? CASES[i].size : 1);
        memcpy(exact, CASES[i].bytes, CASES[i].size);
        long result = pack_prescan(exact, CASES[i].size, CASES[i].depth, CASES[i].nodes, &rule);
        free(exact);
        if (result != CASES[i].result) {
            fail_msg("case %zu: %ld (%s)", i, result, rule ? rule : "");
        }
        if (result < 0) {
            assert_string_equal(rule, CASES[i].rule);
        }
    }
    /* a caller's depth beyond ours is still bounded */
    uint8_t deep[1000];
    const char *rule;
    memset(deep, 0x91, sizeof deep);
    assert_int_equal(pack_prescan(deep, sizeof deep, UINT32_MAX, UINT32_MAX, &rule), -1);
    assert_string_equal(rule, "nested too deep");
}

/* Keys k0.. of all sizes, more than there are slots for; the one that comes twice is found wherever it stands. */
static void flat_maps_have_each_key_once(void **state)
{
    enum { MOST = 3000 };
    static const uint32_t COUNTS[] = {0, 1, 2, 8, 9, 500, 1023, 1024, 1025, MOST};
    struct pack pack = {0};
    size_t used = 0;
    char key[40];
    (void)state;
    for (size_t c = 0; c < sizeof COUNTS / sizeof COUNTS[0]; c++) {
        for (uint32_t again = 0; again <= COUNTS[c]; again += 1 + COUNTS[c] / 5) {
            const bool twice = again > 0 && again < COUNTS[c];
            pack_reset(&pack);
            pack_map(&pack, COUNTS[c]);
            for (uint32_t i = 0; i < COUNTS[c]; i++) {
                uint32_t which = twice && i == COUNTS[c] - 1 ? again - 1 : i;
                snprintf(key, sizeof key, "%.*sk%u", (int)(which % 20), "yyyyyyyyyyyyyyyyyyyy",
                         which);
                pack_text(&pack, key);
                pack_f64(&pack, i);
            }
            size_t size = pack.size;
            pack_nil(&pack); /* what is behind it is not looked at */
            const char *rule = pack_flat(pack.data, pack.size, &used);
            if (twice) {
                assert_string_equal(rule, "duplicate key");
            } else {
                assert_null(rule);
                assert_int_equal(used, size);
            }
        }
    }
    pack_free(&pack);
}

/* Cut anywhere, the map is not sound, and nothing behind its end is read (the buffer is as long as that). */
static void flat_maps_cut_short(void **state)
{
    struct pack pack = {0};
    size_t used;
    (void)state;
    pack_map(&pack, 5);
    pack_text(&pack, "a");
    pack_text(&pack, "J\xc3\xb6ki\xc4\x87");
    pack_text(&pack, "Joki\xc4\x87 is a key of more than thirty-one bytes");
    pack_f64(&pack, 1.5);
    pack_text(&pack, "");
    pack_nil(&pack);
    pack_text(&pack, "b");
    pack_i64(&pack, -70000);
    pack_text(&pack, "c");
    pack_bool(&pack, true);
    assert_null(pack_flat(pack.data, pack.size, &used));
    assert_int_equal(used, pack.size);
    for (size_t size = 0; size < pack.size; size++) {
        uint8_t *cut = malloc(size ? size : 1);
        assert_non_null(cut);
        memcpy(cut, pack.data, size);
        assert_non_null(pack_flat(cut, size, &used));
        free(cut);
    }
    pack_free(&pack);
}

static void crc32c_is_castagnolis(void **state)
{
    (void)state;
    /* RFC 3720, B.4 */
    uint8_t bytes[32];
    assert_int_equal(pack_crc32c(0, "123456789", 9), 0xE3069283);
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(pack_crc32c(0, bytes, sizeof bytes), 0x8A9136AA);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(pack_crc32c(0, bytes, sizeof bytes), 0x62A8AB43);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)i;
    }
    assert_int_equal(pack_crc32c(0, bytes, sizeof bytes), 0x46DD794E);
    assert_int_equal(pack_crc32c(0, NULL, 0), 0);
    for (size_t cut = 0; cut <= sizeof bytes; cut++) { /* chained at any place */
        uint32_t first = pack_crc32c(0, bytes, cut);
        assert_int_equal(pack_crc32c(first, bytes + cut, sizeof bytes - cut), 0x46DD794E);
    }
}

static void utf8_is_strict(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size, valid;
    } CASES[] = {
        {RAW("plain"), 5},
        {RAW("Nikola Joki\xc4\x87, center"), 21},
        {RAW("\xe2\x82\xac\xf0\x9f\x8f\x80"), 7},
        {RAW("\xf4\x8f\xbf\xbf"), 4},
        {RAW("ok\x80"), 2},   /* a stray continuation */
        {RAW("\xc0\x80"), 0}, /* overlong */
        {RAW("\xe0\x9f\xbf"), 0},
        {RAW("\xf0\x8f\xbf\xbf"), 0},
        {RAW("\xed\xa0\x80"), 0},     /* a surrogate */
        {RAW("\xf4\x90\x80\x80"), 0}, /* above U+10FFFF */
        {RAW("\xf5\x80\x80\x80"), 0},
        {RAW("12345678\xc4"), 8}, /* cut short */
        {RAW("1234567\xe2\x82"), 7},
        {RAW("\xe2\x82\x28"), 0},
        {RAW(""), 0},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char *exact = malloc(CASES[i].size ? CASES[i].size : 1);
        memcpy(exact, CASES[i].text, CASES[i].size);
        if (utf8_valid(exact, CASES[i].size) != CASES[i].valid) {
            fail_msg("case %zu", i);
        }
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_take_the_shortest_form),
        cmocka_unit_test(every_kind_is_written_and_read),
        cmocka_unit_test(text_sizes_cross_their_heads),
        cmocka_unit_test(a_fixed_buffer_never_grows),
        cmocka_unit_test(skip_takes_one_whole_value),
        cmocka_unit_test(prescan_names_the_rule),
        cmocka_unit_test(flat_maps_have_each_key_once),
        cmocka_unit_test(flat_maps_cut_short),
        cmocka_unit_test(crc32c_is_castagnolis),
        cmocka_unit_test(utf8_is_strict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
