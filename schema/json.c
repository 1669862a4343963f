/* JSON in and out, and messages as JSON. Reading is jansson's; writing is our own walk over
 * jansson's values, because jansson prints every float with 17 digits (0.1 as
 * 0.10000000000000001). */
#include "schema/json.h"

#include <math.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>

#include "config/clock.h"
#include "schema/pack.h"
#include "schema/utf8.h"

/* ---- reading ---- */

/* The rule that the text breaks before a single value of it is built, or NULL. Strings are
 * walked over, so that what looks like structure within them does not count. */
static const char *prescan_rule(const char *text, size_t size)
{
    size_t depth = 0, nodes = 1;
    bool quoted = false;
    if (size > JSON_BYTES_MAX) {
        return "too large";
    }
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (quoted) {
            i += c == '\\';
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '[' || c == '{') {
            nodes++;
            if (++depth > JSON_DEPTH_MAX) {
                return "nested deeper than 32";
            }
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        } else if (c == ',' || c == ':') {
            nodes++;
        }
    }
    return nodes > JSON_NODES_MAX ? "more than 2000000 values" : NULL;
}

json_t *json_read(const void *text, size_t size, char *why, size_t why_size)
{
    const char *rule = prescan_rule(text, size);
    if (rule) {
        snprintf(why, why_size, "%s (%zu bytes)", rule, size);
        return NULL;
    }
    json_error_t error;
    json_t *value = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (!value) {
        snprintf(why, why_size, "line %d, column %d: %s", error.line, error.column, error.text);
    }
    return value;
}

/* ---- writing ---- */

static void write_indent(FILE *out, int depth)
{
    if (depth >= 0) {
        fprintf(out, "\n%*s", 2 * depth, "");
    }
}

static void write_string(FILE *out, const char *text, size_t size)
{
    static const char SHORT[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                 ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};
    size_t plain = 0; /* where what is not yet written begins */
    putc_unlocked('"', out);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        char letter = c < sizeof SHORT ? SHORT[c] : 0;
        if (c >= 0x20 && !letter) {
            continue;
        }
        fwrite_unlocked(text + plain, 1, i - plain, out);
        plain = i + 1;
        if (letter) {
            fprintf(out, "\\%c", letter);
        } else {
            fprintf(out, "\\u%04x", c);
        }
    }
    fwrite_unlocked(text + plain, 1, size - plain, out);
    putc_unlocked('"', out);
}

/* The fewest digits that read back as the same double; always recognisable as a float. */
static void write_real(FILE *out, double value)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    fputs_unlocked(text, out);
    if (!strpbrk(text, ".e")) {
        fputs_unlocked(".0", out);
    }
}

/* `depth` < 0: compact; otherwise how far to indent. Recursion is bounded by what was read or
 * built. */
static void write_value(FILE *out, const json_t *value, int depth);

static void write_array(FILE *out, const json_t *value, int depth)
{
    size_t count = json_array_size(value);
    int inner = depth < 0 ? depth : depth + 1;
    putc_unlocked('[', out);
    for (size_t i = 0; i < count; i++) {
        if (i) {
            putc_unlocked(',', out);
        }
        write_indent(out, inner);
        write_value(out, json_array_get(value, i), inner);
    }
    if (count) {
        write_indent(out, depth);
    }
    putc_unlocked(']', out);
}

static void write_object(FILE *out, const json_t *value, int depth)
{
    json_t *object =
        (json_t *)(uintptr_t)value; /* jansson's iterators want it, and change nothing */
    int inner = depth < 0 ? depth : depth + 1;
    bool first = true;
    putc_unlocked('{', out);
    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
        const char *key = json_object_iter_key(at);
        if (!first) {
            putc_unlocked(',', out);
        }
        first = false;
        write_indent(out, inner);
        write_string(out, key, strlen(key));
        fputs_unlocked(depth < 0 ? ":" : ": ", out);
        write_value(out, json_object_iter_value(at), inner);
    }
    if (!first) {
        write_indent(out, depth);
    }
    putc_unlocked('}', out);
}

static void write_value(FILE *out, const json_t *value, int depth)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        write_object(out, value, depth);
        break;
    case JSON_ARRAY:
        write_array(out, value, depth);
        break;
    case JSON_STRING:
        write_string(out, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        write_real(out, json_real_value(value));
        break;
    case JSON_TRUE:
        fputs_unlocked("true", out);
        break;
    case JSON_FALSE:
        fputs_unlocked("false", out);
        break;
    case JSON_NULL:
        fputs_unlocked("null", out);
        break;
    }
}

/* By one thread: a lock for each letter costs more than the letter. */
static void write_whole(FILE *out, const json_t *value, int depth)
{
    __fsetlocking(out, FSETLOCKING_BYCALLER);
    write_value(out, value, depth);
}

char *json_text(const json_t *value)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out) {
        return NULL;
    }
    write_whole(out, value, -1);
    if (fclose(out)) {
        free(text);
        return NULL;
    }
    return text;
}

void json_print(FILE *out, const json_t *value, int pretty)
{
    write_whole(out, value, pretty ? 0 : -1);
    putc_unlocked('\n', out);
}

/* ---- single values ---- */

json_t *json_of_time(int64_t instant_us)
{
    char text[CLOCK_TEXT_SIZE];
    if (instant_us == CLOCK_NONE) {
        return json_null();
    }
    clock_format_utc(instant_us, text);
    return json_string(text);
}

json_t *json_of_date(int32_t date)
{
    char text[CLOCK_DATE_SIZE];
    if (date == 0) {
        return json_null();
    }
    clock_format_date(date, text);
    return json_string(text);
}

json_t *json_of_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *json_of_int(int64_t value)
{
    return value == MESSAGE_NONE ? json_null() : json_integer(value);
}

/* Bytes that are no UTF-8 become U+FFFD, each. */
static json_t *json_of_text(const char *text, size_t size)
{
    static const char REPLACEMENT[] = "\xef\xbf\xbd";
    size_t valid = utf8_valid(text, size);
    if (valid == size) {
        return json_stringn(text, size);
    }
    struct pack mended = {0};
    while (size > 0) {
        valid = utf8_valid(text, size);
        pack_raw(&mended, text, valid);
        text += valid;
        size -= valid;
        if (size > 0) {
            pack_raw(&mended, REPLACEMENT, sizeof REPLACEMENT - 1);
            text++;
            size--;
        }
    }
    json_t *value = mended.failed ? NULL : json_stringn((const char *)mended.data, mended.size);
    pack_free(&mended);
    return value;
}

json_t *json_of_string(const char *value)
{
    return value && value[0] ? json_of_text(value, strlen(value)) : json_null();
}

static json_t *json_of_bytes(const uint8_t *data, size_t size)
{
    static const char LETTERS[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t length = (size + 2) / 3 * 4;
    char *text = malloc(length + 1), *at = text;
    if (!text) {
        return NULL;
    }
    for (size_t i = 0; i < size; i += 3, at += 4) {
        size_t left = size - i;
        uint32_t three = (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
                         (left > 2 ? data[i + 2] : 0);
        at[0] = LETTERS[three >> 18];
        at[1] = LETTERS[three >> 12 & 63];
        at[2] = left > 1 ? LETTERS[three >> 6 & 63] : '=';
        at[3] = left > 2 ? LETTERS[three & 63] : '=';
    }
    json_t *value = json_stringn(text, length);
    free(text);
    return value;
}

/* ---- msgpack ---- */

static json_t *take_value(struct unpack *in);

static json_t *take_array(struct unpack *in)
{
    uint32_t count;
    unpack_array(in, &count);
    json_t *array = json_array();
    for (uint32_t i = 0; i < count; i++) {
        json_array_append_new(array, take_value(in));
    }
    return array;
}

static json_t *take_map(struct unpack *in)
{
    uint32_t pairs;
    unpack_map(in, &pairs);
    json_t *object = json_object();
    for (uint32_t i = 0; i < pairs; i++) {
        const char *key;
        uint32_t size;
        unpack_str(in, &key, &size);
        json_t *name = json_of_text(key, size);
        json_object_set_new_nocheck(object, name ? json_string_value(name) : "", take_value(in));
        json_decref(name);
    }
    return object;
}

static json_t *take_int(struct unpack *in)
{
    int64_t value;
    double large;
    if (unpack_i64(in, &value)) {
        return json_integer(value);
    }
    unpack_f64(in, &large);
    return json_real(large);
}

/* One value of what pack_prescan found sound: no take can fail. */
static json_t *take_value(struct unpack *in)
{
    const char *text;
    const uint8_t *data;
    uint32_t size;
    double number;
    bool truth;
    switch (unpack_peek(in)) {
    case PACK_BOOL:
        unpack_bool(in, &truth);
        return json_boolean(truth);
    case PACK_INT:
        return take_int(in);
    case PACK_FLOAT:
        unpack_f64(in, &number);
        return json_of_number(number);
    case PACK_STR:
        unpack_str(in, &text, &size);
        return json_of_text(text, size);
    case PACK_BIN:
        unpack_bin(in, &data, &size);
        return json_of_bytes(data, size);
    case PACK_ARRAY:
        return take_array(in);
    case PACK_MAP:
        return take_map(in);
    default:
        unpack_skip(in);
        return json_null();
    }
}

json_t *json_of_msgpack(const void *data, size_t size)
{
    const char *rule;
    struct unpack in = {.data = data, .size = size};
    if (pack_prescan(data, size, MESSAGE_DEPTH_MAX, UINT32_MAX, &rule) != (long)size) {
        return NULL;
    }
    return take_value(&in);
}

/* ---- messages ---- */

static json_t *json_of_span(const struct field_desc *field, const struct span *span)
{
    if (span->size == 0 && (field->kind != FIELD_BYTES || field->presence == OPT)) {
        return json_null();
    }
    if (field->kind == FIELD_BYTES) {
        return json_of_bytes(span->data, span->size);
    }
    json_t *value = json_of_msgpack(span->data, span->size);
    return value ? value : json_null();
}

static json_t *json_of_u64(uint64_t value)
{
    if (value == UINT64_MAX) {
        return json_null();
    }
    return value <= INT64_MAX ? json_integer((json_int_t)value) : json_real((double)value);
}

static json_t *json_of_field(const struct field_desc *field, const void *at)
{
    switch (field->kind) {
    case FIELD_U64:
        return json_of_u64(*(const uint64_t *)at);
    case FIELD_I64:
        return json_of_int(*(const int64_t *)at);
    case FIELD_F64:
        return json_of_number(*(const double *)at);
    case FIELD_BOOL:
        return json_boolean(*(const bool *)at);
    case FIELD_STR:
        return json_of_string(at);
    case FIELD_TIME:
        return json_of_time(*(const int64_t *)at);
    case FIELD_DATE:
        return json_of_date(*(const int32_t *)at);
    case FIELD_BYTES:
    case FIELD_MAP:
    case FIELD_LIST:
        return json_of_span(field, at);
    }
    return json_null();
}

json_t *json_of_message(const struct message_desc *desc, const void *message)
{
    json_t *object = json_object();
    for (uint32_t i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];
        const void *at = (const char *)message + field->offset;
        json_object_set_new_nocheck(object, field->name, json_of_field(field, at));
    }
    return object;
}
