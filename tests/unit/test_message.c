/* The walker: what goes in comes out; what is wrong is refused by message, field and rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <math.h>
#include <cmocka.h>

#include "schema/messages.h"
#include "schema/pack.h"
#include "tests/unit/message_fill.h"

#include "schema/message_struct.h"
#include "tests/unit/every_kind.def"
#include "schema/message_end.h"

#include "schema/message_table.h"
#include "tests/unit/every_kind.def"
#include "schema/message_end.h"

static const struct message_desc *const DESC = &msg_every_kind_desc;

enum { FRAME_MOST = 4096 };

static long frame_of(const struct msg_every_kind *message, uint8_t *frame)
{
    struct message_error error;
    long size = message_encode(DESC, message, frame, FRAME_MOST, &error);
    if (size < 0) {
        fail_msg("%s %s: %s", error.message, error.field, error.rule);
    }
    return size;
}

/* ---- what goes in comes out ---- */

#define MSG(name, version, stream, writer, key, doc)                                               \
    static void check_offsets_##name(void)                                                         \
    {                                                                                              \
        typedef struct msg_##name STRUCT;                                                          \
        const struct field_desc *field = msg_##name##_desc.fields;
#define FIELD(member)                                                                              \
    assert_string_equal(field->name, #member);                                                     \
    assert_int_equal(field->name_size, strlen(#member));                                           \
    assert_int_equal(field++->offset, offsetof(STRUCT, member));
#define U64(name, presence, lo, hi, unit, doc) FIELD(name)
#define I64(name, presence, lo, hi, unit, doc) FIELD(name)
#define F64(name, presence, lo, hi, unit, doc) FIELD(name)
#define BOOL(name, presence, doc) FIELD(name)
#define TIME(name, presence, doc) FIELD(name)
#define DATE(name, presence, doc) FIELD(name)
#define STR(name, presence, most, doc) FIELD(name)
#define BYTES(name, presence, most, doc) FIELD(name)
#define MAP(name, presence, most, doc) FIELD(name)
#define LIST(name, presence, most, doc) FIELD(name)
#define END(name_)                                                                                 \
    assert_ptr_equal(field, msg_##name_##_desc.fields + msg_##name_##_desc.field_count);           \
    }
#include "tests/unit/every_kind.def"
#include "schema/messages.def"
#include "schema/message_end.h"
#undef FIELD

#define MSG(name, version, stream, writer, key, doc) check_offsets_##name();
#define U64(name, presence, lo, hi, unit, doc)
#define I64(name, presence, lo, hi, unit, doc)
#define F64(name, presence, lo, hi, unit, doc)
#define BOOL(name, presence, doc)
#define TIME(name, presence, doc)
#define DATE(name, presence, doc)
#define STR(name, presence, most, doc)
#define BYTES(name, presence, most, doc)
#define MAP(name, presence, most, doc)
#define LIST(name, presence, most, doc)
#define END(name)
static void offsets_are_the_compilers(void **state)
{
    (void)state;
#include "tests/unit/every_kind.def"
#include "schema/messages.def"
}
#include "schema/message_end.h"

static void every_message_round_trips(void **state)
{
    (void)state;
    for (size_t i = 0; i < message_count(); i++) {
        const struct message_desc *desc = message_at(i);
        struct message_error error = {.rule = ""};
        void *in = malloc(desc->struct_size), *out = malloc(desc->struct_size);
        message_fill(desc, in);
        assert_int_equal(message_check(desc, in, &error), 0);
        size_t most = message_size_max(desc, in);
        uint8_t *frame = malloc(most);
        long size = message_encode(desc, in, frame, most, &error);
        assert_true(size > 0);
        memset(out, 0x5a, desc->struct_size);
        if (message_decode(desc, frame, (size_t)size, out, &error)) {
            fail_msg("%s %s: %s", error.message, error.field, error.rule);
        }
        assert_true(message_equal(desc, in, out, NULL));
        /* every shorter buffer, and every shorter frame, is refused */
        for (size_t cut = 0; cut < (size_t)size; cut++) {
            uint8_t *tight = malloc(cut ? cut : 1);
            assert_int_equal(message_encode(desc, in, tight, cut, &error), -1);
            memcpy(tight, frame, cut);
            assert_int_equal(message_decode(desc, tight, cut, out, &error), -1);
            free(tight);
        }
        free(frame);
        free(in);
        free(out);
    }
}

static void absent_values_are_nil(void **state)
{
    (void)state;
    struct msg_every_kind in, out;
    uint8_t frame[FRAME_MOST];
    struct message_error error;
    message_fill(DESC, &in);
    in.serial_opt = UINT64_MAX;
    in.score_opt = in.at_opt = MESSAGE_NONE;
    in.share_opt = (double)NAN;
    in.name_opt[0] = '\0';
    in.day_opt = 0;
    in.body_opt = in.values_opt = in.items_opt = (struct span){0};
    long size = frame_of(&in, frame);
    memset(&out, 0x5a, sizeof out);
    assert_int_equal(message_decode(DESC, frame, (size_t)size, &out, &error), 0);
    assert_true(message_equal(DESC, &in, &out, NULL));
    assert_true(isnan(out.share_opt));
    assert_true(out.score_opt == MESSAGE_NONE && out.serial_opt == UINT64_MAX);
    const uint8_t *end = frame + size;
    assert_int_equal(end[-1], 0xc0); /* the last field: nil */
}

static void a_cleared_message_lacks_what_is_required(void **state)
{
    (void)state;
    struct msg_every_kind message;
    struct message_error error;
    message_clear(DESC, &message);
    assert_int_equal(message_check(DESC, &message, &error), -1);
    assert_string_equal(error.message, "every_kind");
    assert_string_equal(error.field, "name");
    assert_string_equal(error.rule, "missing");
    assert_int_equal(message.score, 0);
    assert_true(message.score_opt == MESSAGE_NONE);
}

static void an_empty_body_is_a_body(void **state)
{
    (void)state;
    struct msg_every_kind in, out;
    uint8_t frame[FRAME_MOST];
    struct message_error error;
    message_fill(DESC, &in);
    in.body = (struct span){0};
    long size = frame_of(&in, frame);
    assert_int_equal(message_decode(DESC, frame, (size_t)size, &out, &error), 0);
    assert_int_equal(out.body.size, 0);
}

/* Each stands where another value of its own is the only difference. */
static void a_value_is_found_in_what_was_encoded(void **state)
{
    (void)state;
    struct msg_every_kind in;
    uint8_t frame[FRAME_MOST];
    struct span at, before = {0};
    message_fill(DESC, &in);
    long size = frame_of(&in, frame);
    for (uint32_t i = 0; i < DESC->field_count; i++) {
        const struct field_desc *field = &DESC->fields[i];
        message_value_in(frame, (size_t)size, field->name, &at);
        assert_true(at.size > 0);
        const uint8_t *begin = i ? before.data + before.size : frame + (*frame == 0xde ? 3 : 1);
        assert_ptr_equal(at.data, begin + 1 + field->name_size); /* a short name's head */
        assert_memory_equal(at.data - field->name_size, field->name, field->name_size);
        before = at;
    }
    assert_ptr_equal(before.data + before.size, frame + size);
    message_value_in(frame, (size_t)size, "nothing", &at);
    assert_int_equal(at.size, 0);
    for (size_t cut = 0; cut < (size_t)size; cut++) { /* never beyond what there is */
        message_value_in(frame, cut, DESC->fields[DESC->field_count - 1].name, &at);
        assert_true(at.size == 0 || at.data + at.size <= frame + cut);
    }
}

static void equal_looks_at_every_field_but_those_named(void **state)
{
    (void)state;
    struct msg_every_kind a, b;
    message_fill(DESC, &a);
    for (uint32_t i = 0; i < DESC->field_count; i++) {
        const struct field_desc *field = &DESC->fields[i];
        message_fill(DESC, &b);
        uint8_t *at = (uint8_t *)&b + field->offset;
        if (field->kind == FIELD_BYTES || field->kind == FIELD_MAP || field->kind == FIELD_LIST) {
            ((struct span *)(void *)at)->size--;
        } else {
            *at ^= 1;
        }
        assert_false(message_equal(DESC, &a, &b, NULL));
        const char *const except[] = {"no_such_field", field->name, NULL};
        assert_true(message_equal(DESC, &a, &b, except));
    }
}

static void fields_come_in_any_order(void **state)
{
    (void)state;
    struct msg_every_kind in, out;
    uint8_t frame[FRAME_MOST];
    struct message_error error;
    struct pack turned = {0};
    size_t starts[64], ends[64];
    message_fill(DESC, &in);
    struct unpack walk = {.data = frame, .size = (size_t)frame_of(&in, frame)};
    uint32_t pairs;
    assert_true(unpack_map(&walk, &pairs));
    for (uint32_t i = 0; i < pairs; i++) {
        starts[i] = walk.at;
        assert_true(unpack_skip(&walk) && unpack_skip(&walk));
        ends[i] = walk.at;
    }
    pack_map(&turned, pairs);
    for (uint32_t i = pairs; i-- > 0;) {
        pack_raw(&turned, frame + starts[i], ends[i] - starts[i]);
    }
    assert_int_equal(message_decode(DESC, turned.data, turned.size, &out, &error), 0);
    assert_true(message_equal(DESC, &in, &out, NULL));
    pack_free(&turned);
}

/* ---- what is wrong is refused ---- */

/* A frame of a filled message in which the value of `field` is `raw`; `field` twice if `twice`;
 * left out if `raw` is NULL; a field of that name added if there is none. */
static struct pack mutated(const char *field, const void *raw, size_t size, bool twice)
{
    struct msg_every_kind message;
    uint8_t frame[FRAME_MOST];
    struct pack out = {0};
    uint32_t pairs;
    bool known = message_field(DESC, field) != NULL;
    message_fill(DESC, &message);
    struct unpack in = {.data = frame, .size = (size_t)frame_of(&message, frame)};
    assert_true(unpack_map(&in, &pairs));
    pack_map(&out, pairs + (known ? 0 : 1) + (twice ? 1 : 0) - (known && !raw ? 1 : 0));
    if (!known) {
        pack_text(&out, field);
        pack_raw(&out, raw, size);
    }
    for (uint32_t i = 0; i < pairs; i++) {
        const char *name;
        uint32_t name_size;
        assert_true(unpack_str(&in, &name, &name_size));
        size_t begin = in.at;
        assert_true(unpack_skip(&in));
        bool hit = strlen(field) == name_size && memcmp(field, name, name_size) == 0;
        for (int times = hit ? (raw ? 1 : 0) + (twice ? 1 : 0) : 1; times > 0; times--) {
            pack_str(&out, name, name_size);
            pack_raw(&out, hit ? raw : frame + begin, hit ? size : in.at - begin);
        }
    }
    assert_false(out.failed);
    return out;
}

#define RAW(text) text, sizeof text - 1
#define NAN_BYTES "\xcb\x7f\xf8\0\0\0\0\0\0"

static const struct {
    const char *field;
    const char *raw;
    size_t size;
    const char *rule;
} WRONG[] = {
    /* kinds */
    {"score", RAW("\xa1x"), "wrong kind: str, not int"},
    {"score", RAW("\xc3"), "wrong kind: bool, not int"},
    {"score", RAW("\xcb\x3f\xf0\0\0\0\0\0\0"), "wrong kind: float, not int"},
    {"score", RAW("\xc0"), "missing: nil"},
    {"serial", RAW("\xff"), "out of range: beyond 64 bits, or below 0"},
    {"serial", RAW("\x90"), "wrong kind: array, not uint"},
    {"share",
     RAW("\xa1"
         "1"),
     "wrong kind: str, not float"},
    {"home", RAW("\x01"), "wrong kind: int, not bool"},
    {"name", RAW("\xc4\x01x"), "wrong kind: bin, not str"},
    {"name", RAW("\x07"), "wrong kind: int, not str"},
    {"at", RAW("\xa1x"), "wrong kind: str, not time"},
    {"day",
     RAW("\xaa"
         "2025-11-17"),
     "wrong kind: str, not date"},
    {"body", RAW("\xa1x"), "wrong kind: str, not bytes"},
    {"values", RAW("\x90"), "wrong kind: array, not map"},
    {"items", RAW("\x80"), "wrong kind: map, not list"},
    {"score_opt", RAW("\xa1x"), "wrong kind: str, not int"},
    {"score", RAW("\xd4\x01\x01"), "wrong kind: ext, not int"},
    /* limits */
    {"score", RAW("\x3d"), "out of range: 61 > 60"},
    {"score", RAW("\xd0\xc3"), "out of range: -61 < -60"},
    {"score", RAW("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
     "out of range: beyond 64 bits, or below 0"},
    {"share", RAW("\xcb\x3f\xf8\0\0\0\0\0\0"), "out of range: 1.5 > 1"},
    {"share", RAW(NAN_BYTES), "not finite: nan"},
    {"share", RAW("\xcb\xff\xf0\0\0\0\0\0\0"), "not finite: -inf"},
    {"share_opt", RAW(NAN_BYTES), "not finite: nan"},
    {"name",
     RAW("\xad"
         "thirteenbytes"),
     "too long: 13 > 12 bytes"},
    {"name", RAW("\xa0"), "missing: empty"},
    {"name",
     RAW("\xa3"
         "a\0b"),
     "NUL inside"},
    {"name", RAW("\xa2\xc3("), "invalid UTF-8 at byte 0"},
    {"name",
     RAW("\xa4"
         "a\xed\xa0\x80"),
     "invalid UTF-8 at byte 1"},
    {"name", RAW("\xa2\xc0\xaf"), "invalid UTF-8 at byte 0"},
    {"at", RAW("\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"),
     "not an instant of the years 1 to 9999: 9223372036854775807"},
    {"day", RAW("\xce\x01\x34\xfd\xe6"), "no such date: 20250086"},
    {"day", RAW("\xcf\x00\x00\x00\xff\x00\x00\x00\x00"), "no such date: 1095216660480"},
    {"body",
     RAW("\xc4\x09"
         "123456789"),
     "too long: 9 > 8 bytes"},
    /* within maps and lists */
    {"values", RAW("\x81\x01\x02"), "map key not a str, or cut short"},
    {"values",
     RAW("\x81\xa1"
         "a\x90"),
     "a value that is not nil, bool, number or str"},
    {"values",
     RAW("\x81\xa1"
         "a" NAN_BYTES),
     "a value not finite"},
    {"values",
     RAW("\x81\xa1"
         "a\xa1\xff"),
     "a value of invalid UTF-8"},
    {"values", RAW("\x81\xa1\xff\xc0"), "a key of invalid UTF-8"},
    {"values",
     RAW("\x82\xa1"
         "a\x01\xa1"
         "a\x02"),
     "duplicate key"},
    {"values",
     RAW("\x81\xa1"
         "a\xd9\x40"
         "1234567890123456789012345678901234567890123456789012345678901234"),
     "too long: 69 > 64 bytes"},
    {"items", RAW("\x91\xd4\x01\x01"), "ext type"},
    {"items", RAW("\x91\x81\x01\x02"), "map key not a str"},
    {"items",
     RAW("\xdc\x00\x41"
         "11111111111111111111111111111111111111111111111111111111111111111"),
     "too long: 68 > 64 bytes"},
    /* unknown fields are skipped only if they are sound */
    {"unheard_of", RAW("\xd4\x01\x01"), "ext type"},
    {"unheard_of", RAW("\x81\xc0\xc0"), "map key not a str"},
    {"unheard_of", RAW("\xdd\xff\xff\xff\xff"), "declared count exceeds the bytes left"},
    {"unheard_of", RAW("\xc6\xff\xff\xff\xff"), "declared size exceeds the bytes left"},
    /* 16 levels: with the message itself, 17 */
    {"unheard_of", RAW("\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x90"),
     "nested too deep"},
    {"items", RAW("\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x90"),
     "nested too deep"},
};

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        struct msg_every_kind out;
        struct message_error error = {.rule = "(taken)"};
        struct pack frame = mutated(WRONG[i].field, WRONG[i].raw, WRONG[i].size, false);
        int result = message_decode(DESC, frame.data, frame.size, &out, &error);
        if (result == 0 || strcmp(error.rule, WRONG[i].rule) != 0) {
            fail_msg("case %zu, %s: %s, not %s", i, WRONG[i].field, error.rule, WRONG[i].rule);
        }
        assert_string_equal(error.message, "every_kind");
        assert_string_equal(error.field, WRONG[i].field);
        pack_free(&frame);
    }
}

static void tolerated(const char *field, const char *raw, size_t size, struct msg_every_kind *out)
{
    struct message_error error;
    struct pack frame = mutated(field, raw, size, false);
    if (message_decode(DESC, frame.data, frame.size, out, &error)) {
        fail_msg("%s: %s", error.field, error.rule);
    }
    pack_free(&frame);
}

static void what_is_meant_is_taken(void **state)
{
    (void)state;
    struct msg_every_kind out;
    tolerated("share", RAW("\x01"), &out); /* an int for a float */
    assert_true(out.share == 1.0);
    tolerated("share", RAW("\xca\x3f\x00\x00\x00"), &out); /* float32 */
    assert_true(out.share == 0.5);
    tolerated("score", RAW("\xd3\xff\xff\xff\xff\xff\xff\xff\xfe"), &out); /* not the shortest */
    assert_int_equal(out.score, -2);
    tolerated("unheard_of", RAW("\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x90"),
              &out); /* 15 levels, with the message itself 16 */
    tolerated("items", RAW("\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x90"), &out);
    tolerated("name",
              RAW("\xac"
                  "twelve bytes"),
              &out);
    tolerated("score_opt", NULL, 0, &out); /* left out */
    assert_true(out.score_opt == MESSAGE_NONE);
    tolerated("home_opt", RAW("\xc0"), &out);
    assert_false(out.home_opt);
}

static void refused(const struct pack *frame, const char *field, const char *rule)
{
    struct msg_every_kind out;
    struct message_error error = {.rule = "(taken)"};
    assert_int_equal(message_decode(DESC, frame->data, frame->size, &out, &error), -1);
    assert_string_equal(error.field, field);
    assert_string_equal(error.rule, rule);
}

static void missing_and_duplicate_fields_are_named(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < DESC->field_count; i++) {
        const char *name = DESC->fields[i].name;
        if (DESC->fields[i].presence == REQ) {
            struct pack frame = mutated(name, NULL, 0, false);
            refused(&frame, name, "missing");
            pack_free(&frame);
        }
    }
    struct pack frame = mutated("score", RAW("\x01"), true);
    refused(&frame, "score", "duplicate field");
    pack_free(&frame);
}

static void refused_bytes(const char *bytes, size_t size, const char *rule)
{
    struct pack frame = {0};
    pack_raw(&frame, bytes, size);
    refused(&frame, "", rule);
    pack_free(&frame);
}

static void broken_frames_are_refused(void **state)
{
    (void)state;
    struct msg_every_kind message;
    uint8_t bytes[FRAME_MOST];
    message_fill(DESC, &message);
    struct pack frame = {0};
    pack_raw(&frame, bytes, (size_t)frame_of(&message, bytes));
    pack_nil(&frame);
    refused(&frame, "", "trailing bytes: 1");
    pack_free(&frame);
    refused_bytes(RAW("\xdd\xff\xff\xff\xff"), "not a map");
    refused_bytes(RAW("\xdf\xff\xff\xff\xff"), "declared count exceeds the bytes left");
    refused_bytes(RAW("\x81\x01\x01"), "field name not a str, or cut short");
    refused_bytes(RAW("\xc1"), "not a map");
    char nested[90];
    memset(nested, '\x91', sizeof nested);
    refused_bytes(nested, sizeof nested, "not a map");
    memset(nested, '\xdf', sizeof nested);
    refused_bytes(nested, sizeof nested, "declared count exceeds the bytes left");
    struct pack deep = mutated("unheard_of", RAW("\x90"), false);
    memset(nested, '\x91', sizeof nested);
    pack_free(&deep);
    deep = mutated("unheard_of", nested, sizeof nested, false);
    refused(&deep, "unheard_of", "nested too deep");
    pack_free(&deep);
}

static void the_encoder_refuses_what_the_decoder_would(void **state)
{
    (void)state;
    struct msg_every_kind message;
    struct message_error error;
    uint8_t frame[FRAME_MOST];
    message_fill(DESC, &message);
    message.score = 61;
    assert_int_equal(message_encode(DESC, &message, frame, sizeof frame, &error), -1);
    assert_string_equal(error.rule, "out of range: 61 > 60");
    message_fill(DESC, &message);
    message.share = (double)INFINITY;
    assert_int_equal(message_encode(DESC, &message, frame, sizeof frame, &error), -1);
    assert_string_equal(error.rule, "not finite: inf");
    message_fill(DESC, &message);
    message.share = (double)NAN;
    assert_int_equal(message_encode(DESC, &message, frame, sizeof frame, &error), -1);
    assert_string_equal(error.rule, "missing");
    message_fill(DESC, &message);
    memset(message.name, 'x', sizeof message.name); /* not even terminated */
    assert_int_equal(message_encode(DESC, &message, frame, sizeof frame, &error), -1);
    assert_string_equal(error.rule, "too long: 13 > 12 bytes");
    message_fill(DESC, &message);
    message.values.size++; /* trailing */
    uint8_t longer[sizeof FILL_MAP + 1] = {0};
    memcpy(longer, FILL_MAP, sizeof FILL_MAP);
    message.values.data = longer;
    assert_int_equal(message_check(DESC, &message, &error), -1);
    assert_string_equal(error.field, "values");
    assert_string_equal(error.rule, "trailing bytes");
    assert_int_equal(message_encode(DESC, &message, frame, sizeof frame, &error), -1);
    message_fill(DESC, &message);
    assert_int_equal(message_encode(DESC, &message, frame, 20, &error), -1);
    assert_string_equal(error.rule, "does not fit the buffer of 20 bytes");
}

/* ---- mutations: whatever the bytes, a verdict, and what is taken can be said again ---- */

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void mutate(uint8_t *frame, size_t *size, uint64_t *random)
{
    static const uint8_t HEADS[] = {0xc0, 0xc1, 0xc4, 0xc6, 0xc9, 0xca, 0xcb, 0xcf, 0xd3,
                                    0xd9, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0x8f, 0x9f, 0xbf};
    size_t at = random_next(random) % *size;
    switch (random_next(random) % 4) {
    case 0:
        frame[at] ^= (uint8_t)(1u << random_next(random) % 8);
        break;
    case 1:
        frame[at] = HEADS[random_next(random) % sizeof HEADS];
        break;
    case 2:
        *size = at + 1;
        break;
    default: { /* a stretch moves */
        size_t from = random_next(random) % *size, length = random_next(random) % 16;
        if (from + length <= *size && at + length <= *size) {
            memmove(frame + at, frame + from, length);
        }
    }
    }
}

static void mutations_get_a_verdict(void **state)
{
    (void)state;
    uint64_t random = 20251117;
    size_t taken = 0, tried = 0;
    for (size_t i = 0; i < message_count(); i++) {
        const struct message_desc *desc = message_at(i);
        struct message_error error;
        void *message = malloc(desc->struct_size), *again = malloc(desc->struct_size);
        uint8_t frame[FRAME_MOST], said[FRAME_MOST * 2];
        message_fill(desc, message);
        long whole = message_encode(desc, message, frame, sizeof frame, &error);
        assert_true(whole > 0);
        for (int round = 0; round < 2000; round++, tried++) {
            size_t size = (size_t)whole;
            message_fill(desc, message);
            message_encode(desc, message, frame, sizeof frame, &error);
            for (uint64_t times = 1 + random_next(&random) % 3; times > 0; times--) {
                mutate(frame, &size, &random);
            }
            uint8_t *exact = malloc(size); /* so that a read past the end is seen */
            memcpy(exact, frame, size);
            if (message_decode(desc, exact, size, message, &error) == 0) {
                taken++;
                assert_int_equal(message_check(desc, message, &error), 0);
                long size_again = message_encode(desc, message, said, sizeof said, &error);
                assert_true(size_again > 0);
                assert_int_equal(message_decode(desc, said, (size_t)size_again, again, &error), 0);
                assert_true(message_equal(desc, message, again, NULL));
            } else {
                assert_true(error.rule[0] && error.message[0]);
            }
            free(exact);
        }
        free(message);
        free(again);
    }
    assert_true(taken > tried / 100 && taken < tried); /* both verdicts were reached */
}

/* ---- the table ---- */

static void messages_are_found_by_name_and_stream(void **state)
{
    (void)state;
    assert_ptr_equal(message_of_stream("row.box_score"), &msg_row_box_score_desc);
    assert_ptr_equal(message_of_stream("test.every_kind"), DESC);
    assert_ptr_equal(message_of_name("grade_points"), &msg_grade_points_desc);
    assert_null(message_of_stream("row.box_scor"));
    assert_null(message_of_stream(""));
    assert_null(message_of_name("row.box_score"));
    for (size_t i = 0; i < message_count(); i++) {
        assert_ptr_equal(message_of_name(message_at(i)->name), message_at(i));
        assert_ptr_equal(message_of_stream(message_at(i)->stream), message_at(i));
    }
    size_t before = message_count();
    messages_register(); /* again: nothing */
    assert_int_equal(message_count(), before);
    assert_null(message_at(before));
    assert_null(message_field(DESC, "nothing"));
    assert_int_equal(message_field(DESC, "score")->kind, FIELD_I64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_are_the_compilers),
        cmocka_unit_test(every_message_round_trips),
        cmocka_unit_test(absent_values_are_nil),
        cmocka_unit_test(a_cleared_message_lacks_what_is_required),
        cmocka_unit_test(an_empty_body_is_a_body),
        cmocka_unit_test(a_value_is_found_in_what_was_encoded),
        cmocka_unit_test(equal_looks_at_every_field_but_those_named),
        cmocka_unit_test(fields_come_in_any_order),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(what_is_meant_is_taken),
        cmocka_unit_test(missing_and_duplicate_fields_are_named),
        cmocka_unit_test(broken_frames_are_refused),
        cmocka_unit_test(the_encoder_refuses_what_the_decoder_would),
        cmocka_unit_test(mutations_get_a_verdict),
        cmocka_unit_test(messages_are_found_by_name_and_stream),
    };
    static const struct message_desc *const OWN[] = {&msg_every_kind_desc};
    messages_register();
    message_register(OWN, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
