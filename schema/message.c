/* The walk over a message's fields: clear, check, encode, decode, equal. One strictness for
 * every message: what the encoder refuses to write is what the decoder refuses to read, by
 * message, field and rule. */
#include "schema/message.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/clock.h"
#include "schema/pack.h"
#include "schema/utf8.h"

#define NESTED_DEPTH_MAX (MESSAGE_DEPTH_MAX - 1) /* the message itself is the first level */

/* A value within its struct, whatever its kind. */
union place {
    const void *at;
    const uint64_t *u64;
    const int64_t *i64;
    const int32_t *i32;
    const double *f64;
    const bool *boolean;
    const char *text;
    const struct span *span;
};

static inline union place place_of(const struct field_desc *field, const void *message)
{
    return (union place){.at = (const char *)message + field->offset};
}

/* ---- errors ---- */

__attribute__((format(printf, 4, 5))) static int refuse(const struct message_desc *desc,
                                                        const char *field,
                                                        struct message_error *error,
                                                        const char *rule, ...)
{
    va_list arguments;
    va_start(arguments, rule);
    snprintf(error->message, sizeof error->message, "%s", desc->name);
    snprintf(error->field, sizeof error->field, "%s", field);
    vsnprintf(error->rule, sizeof error->rule, rule, arguments);
    va_end(arguments);
    return -1;
}

/* ---- rules, of a value that is there: 0 or -1 ---- */

static int check_number(const struct message_desc *desc, const struct field_desc *field,
                        double value, struct message_error *error)
{
    if (value >= field->lo && value <= field->hi) {
        return 0;
    }
    if (!isfinite(value)) {
        return refuse(desc, field->name, error, "not finite: %g", value);
    }
    bool low = value < field->lo;
    return refuse(desc, field->name, error, "out of range: %.15g %c %.15g", value, low ? '<' : '>',
                  low ? field->lo : field->hi);
}

static int check_size(const struct message_desc *desc, const struct field_desc *field, size_t size,
                      struct message_error *error)
{
    if ((double)size <= field->hi) {
        return 0;
    }
    return refuse(desc, field->name, error, "too long: %zu > %.0f bytes", size, field->hi);
}

static int check_text(const struct message_desc *desc, const struct field_desc *field,
                      const char *text, size_t size, struct message_error *error)
{
    if (check_size(desc, field, size, error)) {
        return -1;
    }
    size_t valid = utf8_valid(text, size);
    if (valid < size) {
        return refuse(desc, field->name, error, "invalid UTF-8 at byte %zu", valid);
    }
    if (memchr(text, 0, size)) {
        return refuse(desc, field->name, error, "NUL inside");
    }
    return 0;
}

static int check_time(const struct message_desc *desc, const struct field_desc *field,
                      int64_t value, struct message_error *error)
{
    if (value >= CLOCK_FIRST_US && value <= CLOCK_LAST_US) {
        return 0;
    }
    return refuse(desc, field->name, error, "not an instant of the years 1 to 9999: %" PRId64,
                  value);
}

static int check_date(const struct message_desc *desc, const struct field_desc *field,
                      int32_t value, struct message_error *error)
{
    if (clock_date_valid(value)) {
        return 0;
    }
    return refuse(desc, field->name, error, "no such date: %" PRId32, value);
}

static const char *list_rule(struct unpack *in)
{
    const char *rule;
    if (unpack_peek(in) != PACK_ARRAY) {
        return "not an array";
    }
    long size =
        pack_prescan(in->data + in->at, in->size - in->at, NESTED_DEPTH_MAX, UINT32_MAX, &rule);
    if (size < 0) {
        return rule;
    }
    in->at += (size_t)size;
    return NULL;
}

static int check_nested(const struct message_desc *desc, const struct field_desc *field,
                        const struct span *span, struct message_error *error)
{
    if (check_size(desc, field, span->size, error)) {
        return -1;
    }
    struct unpack in = {.data = span->data, .size = span->size};
    const char *rule =
        field->kind == FIELD_MAP ? pack_flat(in.data, in.size, &in.at) : list_rule(&in);
    if (!rule && in.at < in.size) {
        rule = "trailing bytes";
    }
    return rule ? refuse(desc, field->name, error, "%s", rule) : 0;
}

/* ---- absence ---- */

static bool value_absent(const struct field_desc *field, union place value)
{
    switch (field->kind) {
    case FIELD_U64:
        return *value.u64 == UINT64_MAX;
    case FIELD_I64:
    case FIELD_TIME:
        return *value.i64 == MESSAGE_NONE;
    case FIELD_F64:
        return isnan(*value.f64);
    case FIELD_BOOL:
        return false;
    case FIELD_STR:
        return value.text[0] == '\0';
    case FIELD_DATE:
        return *value.i32 == 0;
    case FIELD_BYTES:
        return value.span->size == 0 && field->presence == OPT;
    case FIELD_MAP:
    case FIELD_LIST:
        return value.span->size == 0;
    }
    return false;
}

/* The kind's absent value, but for required numbers: they begin at 0. */
static void value_clear(const struct field_desc *field, void *message)
{
    char *at = (char *)message + field->offset;
    bool zero = field->presence == REQ;
    switch (field->kind) {
    case FIELD_U64:
        *(uint64_t *)(void *)at = zero ? 0 : UINT64_MAX;
        break;
    case FIELD_I64:
        *(int64_t *)(void *)at = zero ? 0 : MESSAGE_NONE;
        break;
    case FIELD_TIME:
        *(int64_t *)(void *)at = MESSAGE_NONE;
        break;
    case FIELD_F64:
        *(double *)(void *)at = zero ? 0.0 : (double)NAN;
        break;
    case FIELD_BOOL:
        *(bool *)at = false;
        break;
    case FIELD_STR:
        *at = '\0';
        break;
    case FIELD_DATE:
        *(int32_t *)(void *)at = 0;
        break;
    case FIELD_BYTES:
    case FIELD_MAP:
    case FIELD_LIST:
        *(struct span *)(void *)at = (struct span){0};
        break;
    }
}

void message_clear(const struct message_desc *desc, void *message)
{
    memset(message, 0, desc->struct_size);
    for (uint32_t i = 0; i < desc->field_count; i++) {
        value_clear(&desc->fields[i], message);
    }
}

/* ---- check ---- */

/* A value that is there. `*text_size` is set for a STR. */
static int check_value(const struct message_desc *desc, const struct field_desc *field,
                       union place value, size_t *text_size, struct message_error *error)
{
    switch (field->kind) {
    case FIELD_U64:
        return check_number(desc, field, (double)*value.u64, error);
    case FIELD_I64:
        return check_number(desc, field, (double)*value.i64, error);
    case FIELD_F64:
        return check_number(desc, field, *value.f64, error);
    case FIELD_BOOL:
        return 0;
    case FIELD_STR:
        *text_size = strnlen(value.text, (size_t)field->hi + 1);
        return check_text(desc, field, value.text, *text_size, error);
    case FIELD_TIME:
        return check_time(desc, field, *value.i64, error);
    case FIELD_DATE:
        return check_date(desc, field, *value.i32, error);
    case FIELD_BYTES:
        return check_size(desc, field, value.span->size, error);
    case FIELD_MAP:
    case FIELD_LIST:
        return check_nested(desc, field, value.span, error);
    }
    return 0;
}

int message_check(const struct message_desc *desc, const void *message, struct message_error *error)
{
    for (uint32_t i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];
        union place value = place_of(field, message);
        size_t text_size;
        if (value_absent(field, value)) {
            if (field->presence == REQ) {
                return refuse(desc, field->name, error, "missing");
            }
        } else if (check_value(desc, field, value, &text_size, error)) {
            return -1;
        }
    }
    return 0;
}

/* ---- encode ---- */

size_t message_size_max(const struct message_desc *desc, const void *message)
{
    size_t size = 5; /* of the map's head, at most */
    for (uint32_t i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];
        union place value = place_of(field, message);
        size += 5u + field->name_size;
        if (field->kind == FIELD_STR) {
            size += 5 + strnlen(value.text, (size_t)field->hi + 1);
        } else if (field->kind == FIELD_BYTES || field->kind == FIELD_MAP ||
                   field->kind == FIELD_LIST) {
            size += 5 + (size_t)value.span->size;
        } else {
            size += 9;
        }
    }
    return size;
}

static void encode_value(struct pack *out, const struct field_desc *field, union place value,
                         size_t text_size)
{
    switch (field->kind) {
    case FIELD_U64:
        pack_u64(out, *value.u64);
        break;
    case FIELD_I64:
    case FIELD_TIME:
        pack_i64(out, *value.i64);
        break;
    case FIELD_F64:
        pack_f64(out, *value.f64);
        break;
    case FIELD_BOOL:
        pack_bool(out, *value.boolean);
        break;
    case FIELD_STR:
        pack_str(out, value.text, text_size);
        break;
    case FIELD_DATE:
        pack_i64(out, *value.i32);
        break;
    case FIELD_BYTES:
        pack_bin(out, value.span->data, value.span->size);
        break;
    case FIELD_MAP:
    case FIELD_LIST:
        pack_raw(out, value.span->data, value.span->size);
        break;
    }
}

long message_encode(const struct message_desc *desc, const void *message, uint8_t *out,
                    size_t capacity, struct message_error *error)
{
    struct pack pack = {.data = out, .capacity = capacity, .fixed = true};
    pack_map(&pack, desc->field_count);
    for (uint32_t i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];
        union place value = place_of(field, message);
        size_t text_size = 0;
        pack_str(&pack, field->name, field->name_size);
        if (!value_absent(field, value)) {
            if (check_value(desc, field, value, &text_size, error)) {
                return -1;
            }
            encode_value(&pack, field, value, text_size);
        } else if (field->presence == OPT) {
            pack_nil(&pack);
        } else {
            return refuse(desc, field->name, error, "missing");
        }
        if (pack.failed) {
            return refuse(desc, field->name, error, "does not fit the buffer of %zu bytes",
                          capacity);
        }
    }
    return (long)pack.size;
}

void message_value_in(const void *data, size_t size, const char *field, struct span *at)
{
    struct unpack in = {.data = data, .size = size};
    uint32_t count, name_size;
    const char *name;
    *at = (struct span){.data = NULL};
    bool good = unpack_map(&in, &count);
    for (uint32_t i = 0; good && i < count; i++) {
        good = unpack_str(&in, &name, &name_size);
        const size_t begin = in.at;
        good = good && unpack_skip(&in);
        if (good && name_size == strlen(field) && memcmp(name, field, name_size) == 0) {
            *at = (struct span){.data = in.data + begin, .size = (uint32_t)(in.at - begin)};
            return;
        }
    }
}

/* ---- decode ---- */

static const char *pack_kind_text(enum pack_kind kind)
{
    static const char *const TEXTS[] = {
        [PACK_NIL] = "nil", [PACK_BOOL] = "bool",    [PACK_INT] = "int",     [PACK_FLOAT] = "float",
        [PACK_STR] = "str", [PACK_BIN] = "bin",      [PACK_ARRAY] = "array", [PACK_MAP] = "map",
        [PACK_EXT] = "ext", [PACK_END] = "cut short"};
    return TEXTS[kind];
}

/* The take failed: because of another kind, a value outside the kind's range, or bytes that end
 * too soon. */
static int refuse_kind(const struct message_desc *desc, const struct field_desc *field,
                       const struct unpack *in, enum pack_kind wanted, struct message_error *error)
{
    enum pack_kind kind = unpack_peek(in);
    if (kind == PACK_NIL) {
        return refuse(desc, field->name, error, "missing: nil");
    }
    if (kind == PACK_END || (kind == wanted && kind != PACK_INT)) {
        return refuse(desc, field->name, error, "cut short");
    }
    if (kind == wanted) {
        return refuse(desc, field->name, error, "out of range: beyond 64 bits, or below 0");
    }
    return refuse(desc, field->name, error, "wrong kind: %s, not %s", pack_kind_text(kind),
                  field_kind_text(field->kind));
}

static int decode_number(const struct message_desc *desc, const struct field_desc *field,
                         struct unpack *in, char *at, struct message_error *error)
{
    if (field->kind == FIELD_U64) {
        uint64_t *value = (uint64_t *)(void *)at;
        return unpack_u64(in, value) ? check_number(desc, field, (double)*value, error)
                                     : refuse_kind(desc, field, in, PACK_INT, error);
    }
    if (field->kind == FIELD_I64) {
        int64_t *value = (int64_t *)(void *)at;
        return unpack_i64(in, value) ? check_number(desc, field, (double)*value, error)
                                     : refuse_kind(desc, field, in, PACK_INT, error);
    }
    double *value = (double *)(void *)at;
    return unpack_f64(in, value) ? check_number(desc, field, *value, error)
                                 : refuse_kind(desc, field, in, PACK_FLOAT, error);
}

static int decode_instant(const struct message_desc *desc, const struct field_desc *field,
                          struct unpack *in, char *at, struct message_error *error)
{
    int64_t value;
    if (!unpack_i64(in, &value)) {
        return refuse_kind(desc, field, in, PACK_INT, error);
    }
    if (field->kind == FIELD_TIME) {
        *(int64_t *)(void *)at = value;
        return check_time(desc, field, value, error);
    }
    if (value < 0 || value > INT32_MAX) {
        return refuse(desc, field->name, error, "no such date: %" PRId64, value);
    }
    *(int32_t *)(void *)at = (int32_t)value;
    return check_date(desc, field, (int32_t)value, error);
}

static int decode_text(const struct message_desc *desc, const struct field_desc *field,
                       struct unpack *in, char *at, struct message_error *error)
{
    const char *text;
    uint32_t size;
    if (!unpack_str(in, &text, &size)) {
        return refuse_kind(desc, field, in, PACK_STR, error);
    }
    if (size == 0 && field->presence == REQ) {
        return refuse(desc, field->name, error, "missing: empty");
    }
    if (check_text(desc, field, text, size, error)) {
        return -1;
    }
    memcpy(at, text, size);
    at[size] = '\0';
    return 0;
}

static int decode_span(const struct message_desc *desc, const struct field_desc *field,
                       struct unpack *in, char *at, struct message_error *error)
{
    struct span *span = (struct span *)(void *)at;
    if (field->kind == FIELD_BYTES) {
        return unpack_bin(in, &span->data, &span->size)
                   ? check_size(desc, field, span->size, error)
                   : refuse_kind(desc, field, in, PACK_BIN, error);
    }
    enum pack_kind wanted = field->kind == FIELD_MAP ? PACK_MAP : PACK_ARRAY;
    size_t begin = in->at, used, left = in->size - begin;
    size_t most = (double)left > field->hi ? (size_t)field->hi : left;
    /* Walked once if it is sound, and no further than it may reach; what is wrong with one that is not takes two walks to say. */
    if (wanted == PACK_MAP && !pack_flat(in->data + begin, most, &used)) {
        *span = (struct span){.data = in->data + begin, .size = (uint32_t)used};
        in->at += used;
        return 0;
    }
    if (unpack_peek(in) != wanted || !unpack_skip(in)) {
        return refuse_kind(desc, field, in, wanted, error);
    }
    *span = (struct span){.data = in->data + begin, .size = (uint32_t)(in->at - begin)};
    return check_nested(desc, field, span, error);
}

static int decode_value(const struct message_desc *desc, const struct field_desc *field,
                        struct unpack *in, void *message, struct message_error *error)
{
    char *at = (char *)message + field->offset;
    if (field->presence == OPT && unpack_nil(in)) {
        value_clear(field, message);
        return 0;
    }
    switch (field->kind) {
    case FIELD_U64:
    case FIELD_I64:
    case FIELD_F64:
        return decode_number(desc, field, in, at, error);
    case FIELD_TIME:
    case FIELD_DATE:
        return decode_instant(desc, field, in, at, error);
    case FIELD_STR:
        return decode_text(desc, field, in, at, error);
    case FIELD_BOOL:
        return unpack_bool(in, (bool *)at) ? 0 : refuse_kind(desc, field, in, PACK_BOOL, error);
    case FIELD_BYTES:
    case FIELD_MAP:
    case FIELD_LIST:
        return decode_span(desc, field, in, at, error);
    }
    return 0;
}

/* A field that the list does not know: walked over, once it is known to be sound. */
static int skip_unknown(const struct message_desc *desc, const char *name, uint32_t size,
                        struct unpack *in, struct message_error *error)
{
    const char *rule;
    long value =
        pack_prescan(in->data + in->at, in->size - in->at, NESTED_DEPTH_MAX, UINT32_MAX, &rule);
    if (value < 0) {
        char text[sizeof error->field];
        int printable = (int)utf8_valid(name, size < sizeof text ? size : sizeof text - 1);
        snprintf(text, sizeof text, "%.*s", printable, name);
        return refuse(desc, text, error, "%s", rule);
    }
    in->at += (size_t)value;
    return 0;
}

/* Index of the field, `field_count` if unknown. Fields come in list order as a rule: `expected`
 * is tried first. */
static uint32_t find_field(const struct message_desc *desc, uint32_t expected, const char *name,
                           uint32_t size)
{
    for (uint32_t i = 0; i < desc->field_count; i++) {
        uint32_t index =
            expected + i < desc->field_count ? expected + i : expected + i - desc->field_count;
        const struct field_desc *field = &desc->fields[index];
        if (field->name_size == size && memcmp(field->name, name, size) == 0) {
            return index;
        }
    }
    return desc->field_count;
}

int message_decode(const struct message_desc *desc, const void *data, size_t size, void *message,
                   struct message_error *error)
{
    struct unpack in = {.data = data, .size = size};
    uint32_t pairs, expected = 0;
    uint64_t seen = 0;
    if (!unpack_map(&in, &pairs)) {
        bool map = unpack_peek(&in) == PACK_MAP;
        return refuse(desc, "", error, map ? "declared count exceeds the bytes left" : "not a map");
    }
    for (uint32_t i = 0; i < pairs; i++) {
        const char *name;
        uint32_t name_size;
        if (!unpack_str(&in, &name, &name_size)) {
            return refuse(desc, "", error, "field name not a str, or cut short");
        }
        uint32_t index = find_field(desc, expected, name, name_size);
        if (index == desc->field_count) {
            if (skip_unknown(desc, name, name_size, &in, error)) {
                return -1;
            }
            continue;
        }
        if (seen >> index & 1) {
            return refuse(desc, desc->fields[index].name, error, "duplicate field");
        }
        if (decode_value(desc, &desc->fields[index], &in, message, error)) {
            return -1;
        }
        seen |= (uint64_t)1 << index;
        expected = index + 1 < desc->field_count ? index + 1 : 0;
    }
    if (in.at < in.size) {
        return refuse(desc, "", error, "trailing bytes: %zu", in.size - in.at);
    }
    for (uint32_t i = 0; seen != ((uint64_t)1 << desc->field_count) - 1 && i < desc->field_count;
         i++) {
        if (!(seen >> i & 1)) {
            if (desc->fields[i].presence == REQ) {
                return refuse(desc, desc->fields[i].name, error, "missing");
            }
            value_clear(&desc->fields[i], message);
            seen |= (uint64_t)1 << i;
        }
    }
    return 0;
}

/* ---- equal ---- */

static bool values_equal(const struct field_desc *field, union place a, union place b)
{
    switch (field->kind) {
    case FIELD_U64:
    case FIELD_I64:
    case FIELD_TIME:
        return *a.u64 == *b.u64;
    case FIELD_F64:
        return *a.f64 == *b.f64 || (isnan(*a.f64) && isnan(*b.f64));
    case FIELD_BOOL:
        return *a.boolean == *b.boolean;
    case FIELD_STR:
        return strcmp(a.text, b.text) == 0;
    case FIELD_DATE:
        return *a.i32 == *b.i32;
    case FIELD_BYTES:
    case FIELD_MAP:
    case FIELD_LIST:
        return a.span->size == b.span->size &&
               (a.span->size == 0 || memcmp(a.span->data, b.span->data, a.span->size) == 0);
    }
    return false;
}

static bool is_excepted(const char *name, const char *const *except)
{
    for (; except && *except; except++) {
        if (strcmp(name, *except) == 0) {
            return true;
        }
    }
    return false;
}

bool message_equal(const struct message_desc *desc, const void *a, const void *b,
                   const char *const *except)
{
    for (uint32_t i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];
        if (!is_excepted(field->name, except) &&
            !values_equal(field, place_of(field, a), place_of(field, b))) {
            return false;
        }
    }
    return true;
}
