#include "config/settings_table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "config/clock.h"
#include "config/process.h"

#define RESULT true
#define MACHINE false
#define MILLI INT64_C(1000)
#define SECOND (1000 * MILLI)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define KIB INT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

#define AT(prefix, member) offsetof(struct settings, prefix member)
#define NUMBER(kind_, key_, at, unit_, value_, least_, most_, counts, doc_)                        \
    {.kind = kind_,                                                                                \
     .key = key_,                                                                                  \
     .offset = at,                                                                                 \
     .result = counts,                                                                             \
     .unit = unit_,                                                                                \
     .value = (double)(value_),                                                                    \
     .least = (double)(least_),                                                                    \
     .most = (double)(most_),                                                                      \
     .doc = doc_},
#define SECTION(prefix, name, doc_) {.kind = KIND_SECTION, .key = #prefix #name, .doc = doc_},
#define END(name)
#define INT(prefix, name, unit, value, least, most, counts, doc)                                   \
    NUMBER(KIND_INT, #prefix #name, AT(prefix, name), unit, value, least, most, counts, doc)
#define FLOAT(prefix, name, unit, value, least, most, counts, doc)                                 \
    NUMBER(KIND_FLOAT, #prefix #name, AT(prefix, name), unit, value, least, most, counts, doc)
#define BOOL(prefix, name, value, counts, doc)                                                     \
    NUMBER(KIND_BOOL, #prefix #name, AT(prefix, name), "", value, 0, 1, counts, doc)
#define DURATION(prefix, name, value, least, most, counts, doc)                                    \
    NUMBER(KIND_DURATION, #prefix #name, AT(prefix, name##_us), "", value, least, most, counts, doc)
#define BYTES(prefix, name, value, least, most, counts, doc)                                       \
    NUMBER(KIND_BYTES, #prefix #name, AT(prefix, name), "bytes", value, least, most, counts, doc)
#define TEXT(prefix, name, size_, value_, rule_, counts, doc_)                                     \
    {.kind = KIND_TEXT,                                                                            \
     .key = #prefix #name,                                                                         \
     .offset = AT(prefix, name),                                                                   \
     .size = size_,                                                                                \
     .result = counts,                                                                             \
     .text = value_,                                                                               \
     .rule = RULE_##rule_,                                                                         \
     .doc = doc_},
#define WORD(prefix, name, words, value_, counts, doc_)                                            \
    {.kind = KIND_WORD,                                                                            \
     .key = #prefix #name,                                                                         \
     .offset = AT(prefix, name),                                                                   \
     .result = counts,                                                                             \
     .value = value_,                                                                              \
     .text = words,                                                                                \
     .doc = doc_},
#define LIST(prefix, name, value_, rule_, counts, doc_)                                            \
    {.kind = KIND_LIST,                                                                            \
     .key = #prefix #name,                                                                         \
     .offset = AT(prefix, name),                                                                   \
     .result = counts,                                                                             \
     .text = value_,                                                                               \
     .rule = RULE_##rule_,                                                                         \
     .doc = doc_},
#define SECRET(prefix, name, variable, doc_)                                                       \
    {.kind = KIND_SECRET,                                                                          \
     .key = #prefix #name,                                                                         \
     .offset = AT(prefix, name),                                                                   \
     .text = variable,                                                                             \
     .doc = doc_},

const struct settings_row settings_rows[] = {
#include "config/settings.def"
};
_Static_assert(sizeof settings_rows / sizeof settings_rows[0] <= SETTINGS_ROWS_MAX, "raise it");
const size_t settings_row_count = sizeof settings_rows / sizeof settings_rows[0];

const struct settings_row *settings_row_find(const char *key)
{
    for (size_t i = 0; i < settings_row_count; i++) {
        if (strcmp(settings_rows[i].key, key) == 0) {
            return &settings_rows[i];
        }
    }
    return NULL;
}

/* ---- rules of texts ---- */

/* No control characters, and nothing that YAML takes for a line break, a mark or no character at all: what is set here can
 * be printed as it is and read again. */
static bool rule_text(const char *text)
{
    static const char *const refused[] = {"\xe2\x80\xa8", "\xe2\x80\xa9", "\xef\xbb\xbf",
                                          "\xef\xbf\xbe", "\xef\xbf\xbf"};
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f ||
            (*c == '\xc2' && (unsigned char)c[1] < 0xa0)) {
            return false;
        }
    }
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (strstr(text, refused[i]) != NULL) {
            return false;
        }
    }
    return true;
}

static bool rule_path(const char *text)
{
    return rule_text(text);
}

static bool rule_name(const char *text)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    return text[0] != '\0' && text[strspn(text, allowed)] == '\0';
}

static bool rule_url(const char *text)
{
    size_t scheme = strncmp(text, "http://", 7) == 0    ? 7
                    : strncmp(text, "https://", 8) == 0 ? 8
                                                        : 0;
    return scheme > 0 && text[scheme] != '\0' && text[scheme] != '/' &&
           strpbrk(text, " ?#@\"<>") == NULL && rule_text(text);
}

static bool rule_address(const char *text)
{
    unsigned char parsed[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, text, parsed) == 1 || inet_pton(AF_INET6, text, parsed) == 1;
}

static bool rule_endpoint(const char *text)
{
    return text[0] == '\0' ||
           (strncmp(text, "ipc://", 6) == 0 && text[6] != '\0' && rule_text(text));
}

static bool rule_loopback(const char *text)
{
    static const char *const hosts[] = {"tcp://127.0.0.1:", "tcp://[::1]:"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        size_t size = strlen(hosts[i]);
        if (strncmp(text, hosts[i], size) != 0)
            continue;
        const char *port = text + size;
        return strspn(port, "0123456789") == strlen(port) && strlen(port) >= 1 &&
               strlen(port) <= 5 && atoi(port) >= 1 && atoi(port) <= 65535;
    }
    return text[0] == '\0';
}

static bool rule_cpus(const char *text)
{
    return process_cpus_valid(text);
}

static bool rule_zone(const char *text)
{
    return clock_zone_known(text);
}

static bool rule_table_days(const char *text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t actor = strspn(text, allowed);
    if (actor == 0 || text[actor] != '.')
        return false;
    const char *table = text + actor + 1, *days = table + strspn(table, allowed);
    if (days == table || *days != '=')
        return false;
    days++;
    size_t digits = strspn(days, "0123456789");
    return digits >= 1 && digits <= 5 && days[digits] == '\0' && atoi(days) <= 36500;
}

bool settings_rule_holds(enum settings_rule rule, const char *text)
{
#define SETTINGS_RULE_CHECK(name, doc) rule_##name,
    static bool (*const checks[])(const char *) = {SETTINGS_RULES(SETTINGS_RULE_CHECK)};
#undef SETTINGS_RULE_CHECK
    return checks[rule](text);
}

const char *settings_rule_text(enum settings_rule rule)
{
#define SETTINGS_RULE_DOC(name, doc) doc,
    static const char *const texts[] = {SETTINGS_RULES(SETTINGS_RULE_DOC)};
#undef SETTINGS_RULE_DOC
    return texts[rule];
}

/* ---- numbers with units ---- */

struct unit {
    const char *name;
    int64_t size;
};
/* Largest first: printing takes the first that divides. */
static const struct unit duration_units[] = {
    {"d", DAY}, {"h", HOUR}, {"m", MINUTE}, {"s", SECOND}, {"ms", MILLI}, {"us", 1}, {NULL, 0}};
static const struct unit byte_units[] = {{"GiB", GIB}, {"MiB", MIB}, {"KiB", KIB}, {NULL, 0}};

static const struct unit *unit_find(const struct unit *units, const char *text, size_t length)
{
    for (const struct unit *unit = units; unit->name != NULL; unit++) {
        if (strlen(unit->name) == length && strncmp(unit->name, text, length) == 0) {
            return unit;
        }
    }
    return NULL;
}

/* Digits only, no sign; moves *text behind them. */
static bool parse_digits(const char **text, int64_t *value)
{
    const char *c = *text;
    int64_t sum = 0;
    for (; *c >= '0' && *c <= '9'; c++) {
        if (__builtin_mul_overflow(sum, 10, &sum) || __builtin_add_overflow(sum, *c - '0', &sum)) {
            return false;
        }
    }
    if (c == *text) {
        return false;
    }
    *text = c;
    *value = sum;
    return true;
}

static bool parse_int(const char *text, double *value)
{
    const char *c = text[0] == '-' ? text + 1 : text;
    int64_t number = 0;
    if (!parse_digits(&c, &number) || *c != '\0') {
        return false;
    }
    *value = (double)(text[0] == '-' ? -number : number);
    return true;
}

static bool parse_float(const char *text, double *value)
{
    static const char allowed[] = "0123456789+-.eE";
    char *end = NULL;
    if (text[0] == '\0' || text[strspn(text, allowed)] != '\0') {
        return false; /* no hexadecimal, no nan, no inf */
    }
    *value = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*value);
}

/* "1h30m": every number has its unit. */
static bool parse_duration(const char *text, double *value)
{
    int64_t sum = 0;
    do {
        int64_t number = 0;
        if (!parse_digits(&text, &number)) {
            return false;
        }
        size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz");
        const struct unit *unit = unit_find(duration_units, text, length);
        if (unit == NULL || __builtin_mul_overflow(number, unit->size, &number) ||
            __builtin_add_overflow(sum, number, &sum)) {
            return false;
        }
        text += length;
    } while (*text != '\0');
    *value = (double)sum;
    return true;
}

static bool parse_bytes(const char *text, double *value)
{
    int64_t number = 0;
    if (!parse_digits(&text, &number)) {
        return false;
    }
    if (*text != '\0') {
        const struct unit *unit = unit_find(byte_units, text, strlen(text));
        if (unit == NULL || __builtin_mul_overflow(number, unit->size, &number)) {
            return false;
        }
    }
    *value = (double)number;
    return true;
}

static bool parse_bool(const char *text, double *value)
{
    *value = strcmp(text, "true") == 0;
    return *value > 0 || strcmp(text, "false") == 0;
}

struct number_kind {
    bool (*parse)(const char *text, double *value);
    const char *must; /* what it must be */
};
static const struct number_kind number_kinds[] = {
    [KIND_INT] = {parse_int, "must be a whole number"},
    [KIND_FLOAT] = {parse_float, "must be a number"},
    [KIND_BOOL] = {parse_bool, "must be true or false"},
    [KIND_DURATION] = {parse_duration,
                       "must be a duration with its unit (us, ms, s, m, h, d), such as 90s"},
    [KIND_BYTES] = {parse_bytes, "must be a number of bytes, such as 4194304 or 4MiB"},
};

static void print_units(int64_t value, const struct unit *units, FILE *out)
{
    for (const struct unit *unit = units; unit->name != NULL; unit++) {
        if (value != 0 && value % unit->size == 0) {
            fprintf(out, "%" PRId64 "%s", value / unit->size, unit->name);
            return;
        }
    }
    fprintf(out, "%" PRId64 "%s", value, units == duration_units ? "s" : "");
}

/* The shortest decimal that reads back to the same double. */
static void print_float(double value, FILE *out)
{
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    fputs(text, out);
}

static void print_number(const struct settings_row *row, double value, FILE *out)
{
    switch (row->kind) {
    case KIND_FLOAT:
        print_float(value, out);
        break;
    case KIND_BOOL:
        fputs(value > 0 ? "true" : "false", out);
        break;
    case KIND_DURATION:
        print_units((int64_t)value, duration_units, out);
        break;
    case KIND_BYTES:
        print_units((int64_t)value, byte_units, out);
        break;
    default:
        fprintf(out, "%" PRId64, (int64_t)value);
        break;
    }
}

/* Exact: every integer setting is below 2^53 by its limits. */
static void store_number(const struct settings_row *row, struct settings *self, double value)
{
    char *at = (char *)self + row->offset;
    if (row->kind == KIND_FLOAT) {
        memcpy(at, &value, sizeof value);
    } else if (row->kind == KIND_BOOL) {
        bool truth = value > 0;
        memcpy(at, &truth, sizeof truth);
    } else {
        int64_t number = (int64_t)value;
        memcpy(at, &number, sizeof number);
    }
}

static double load_number(const struct settings_row *row, const struct settings *self)
{
    const char *at = (const char *)self + row->offset;
    if (row->kind == KIND_FLOAT) {
        double value = 0;
        memcpy(&value, at, sizeof value);
        return value;
    }
    if (row->kind == KIND_BOOL) {
        bool truth = false;
        memcpy(&truth, at, sizeof truth);
        return truth ? 1 : 0;
    }
    int64_t number = 0;
    memcpy(&number, at, sizeof number);
    return (double)number;
}

/* ---- one row ---- */

static const char *set_number(const struct settings_row *row, struct settings *self,
                              const char *text, char *why, size_t why_size)
{
    double value = 0;
    if (!number_kinds[row->kind].parse(text, &value)) {
        return number_kinds[row->kind].must;
    }
    if (value < row->least || value > row->most) {
        FILE *out = fmemopen(why, why_size, "w");
        if (out == NULL) {
            return "is out of range";
        }
        fputs("must be from ", out);
        print_number(row, row->least, out);
        fputs(" to ", out);
        print_number(row, row->most, out);
        fclose(out);
        return why;
    }
    store_number(row, self, value);
    return NULL;
}

static const char *set_text(const struct settings_row *row, struct settings *self, const char *text,
                            char *why, size_t why_size)
{
    if (strlen(text) >= row->size) {
        snprintf(why, why_size, "must be shorter than %zu bytes", row->size);
        return why;
    }
    if (!settings_rule_holds(row->rule, text)) {
        snprintf(why, why_size, "must be %s", settings_rule_text(row->rule));
        return why;
    }
    memcpy((char *)self + row->offset, text, strlen(text) + 1);
    return NULL;
}

static const char *set_word(const struct settings_row *row, struct settings *self, const char *text,
                            char *why, size_t why_size)
{
    int number = 0;
    for (const char *word = row->text; word != NULL; number++) {
        const char *end = strchrnul(word, '|');
        if (strlen(text) == (size_t)(end - word) && strncmp(word, text, strlen(text)) == 0) {
            memcpy((char *)self + row->offset, &number, sizeof number);
            return NULL;
        }
        word = *end == '|' ? end + 1 : NULL;
    }
    snprintf(why, why_size, "must be one of %s", row->text);
    return why;
}

/* The value is never repeated: somebody may have written the secret itself. */
static const char *set_secret(const struct settings_row *row, struct settings *self,
                              const char *text)
{
    struct settings_secret *secret = (struct settings_secret *)(void *)((char *)self + row->offset);
    bool named = (strncmp(text, "file:", 5) == 0 || strncmp(text, "env:", 4) == 0) &&
                 strchr(text, ':')[1] != '\0';
    if ((text[0] != '\0' && !named) || !rule_text(text) || strlen(text) >= sizeof secret->where) {
        return "must say where the secret is kept, file:PATH or env:NAME; it is never written here "
               "itself";
    }
    memcpy(secret->where, text, strlen(text) + 1);
    return NULL;
}

const char *settings_row_set(const struct settings_row *row, struct settings *self,
                             const char *text, bool quoted, char *why, size_t why_size)
{
    switch (row->kind) {
    case KIND_SECTION:
        return "is a section: its keys go below it";
    case KIND_TEXT:
        return set_text(row, self, text, why, why_size);
    case KIND_WORD:
        return set_word(row, self, text, why, why_size);
    case KIND_SECRET:
        return set_secret(row, self, text);
    case KIND_LIST:
        return "must be a list: [a, b]";
    default:
        return quoted ? number_kinds[row->kind].must : set_number(row, self, text, why, why_size);
    }
}

void settings_list_clear(const struct settings_row *row, struct settings *self)
{
    memset((char *)self + row->offset, 0, sizeof(struct settings_list));
}

const char *settings_row_append(const struct settings_row *row, struct settings *self,
                                const char *text, char *why, size_t why_size)
{
    struct settings_list *list = (struct settings_list *)(void *)((char *)self + row->offset);
    if (list->count == SETTINGS_LIST_MAX) {
        snprintf(why, why_size, "must have at most %d items", SETTINGS_LIST_MAX);
        return why;
    }
    if (strlen(text) >= SETTINGS_ITEM_SIZE) {
        snprintf(why, why_size, "must have items shorter than %d bytes", SETTINGS_ITEM_SIZE);
        return why;
    }
    if (!settings_rule_holds(row->rule, text)) {
        snprintf(why, why_size, "must be a list of which each is %s",
                 settings_rule_text(row->rule));
        return why;
    }
    for (int i = 0; i < list->count; i++) {
        if (strcmp(list->item[i], text) == 0) {
            snprintf(why, why_size, "names %s twice", text);
            return why;
        }
    }
    memcpy(list->item[list->count++], text, strlen(text) + 1);
    return NULL;
}

/* Always quoted: no text can then be taken for a number, a list or a comment. */
static void print_quoted(const char *text, FILE *out)
{
    fputc('"', out);
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') {
            fputc('\\', out);
        }
        fputc(*c, out);
    }
    fputc('"', out);
}

static void print_word(const struct settings_row *row, int number, FILE *out)
{
    const char *word = row->text;
    while (number-- > 0) {
        word = strchrnul(word, '|') + 1;
    }
    fprintf(out, "%.*s", (int)(strchrnul(word, '|') - word), word);
}

void settings_row_print(const struct settings_row *row, const struct settings *self, FILE *out)
{
    const char *at = (const char *)self + row->offset;
    const struct settings_list *list = (const struct settings_list *)(const void *)at;
    int word = 0;
    switch (row->kind) {
    case KIND_SECTION:
        break;
    case KIND_TEXT:
    case KIND_SECRET:
        print_quoted(at, out);
        break;
    case KIND_WORD:
        memcpy(&word, at, sizeof word);
        print_word(row, word, out);
        break;
    case KIND_LIST:
        fputc('[', out);
        for (int i = 0; i < list->count; i++) {
            fputs(i > 0 ? ", " : "", out);
            print_quoted(list->item[i], out);
        }
        fputc(']', out);
        break;
    default:
        print_number(row, load_number(row, self), out);
        break;
    }
}

void settings_row_print_type(const struct settings_row *row, FILE *out)
{
    static const char *const names[] = {[KIND_INT] = "whole number",
                                        [KIND_FLOAT] = "number",
                                        [KIND_BOOL] = "true or false",
                                        [KIND_DURATION] = "duration",
                                        [KIND_BYTES] = "bytes"};
    switch (row->kind) {
    case KIND_SECTION:
        break;
    case KIND_TEXT:
        fputs(settings_rule_text(row->rule), out);
        break;
    case KIND_WORD:
        for (const char *c = row->text; *c != '\0'; c++) {
            fputs(*c == '|' ? ", " : (char[]){*c, '\0'}, out);
        }
        break;
    case KIND_LIST:
        fprintf(out, "list, at most %d; each %s", SETTINGS_LIST_MAX, settings_rule_text(row->rule));
        break;
    case KIND_SECRET:
        fprintf(out, "file:PATH or env:NAME; env:%s if that variable is set", row->text);
        break;
    case KIND_BOOL:
        fputs(names[row->kind], out);
        break;
    default:
        fprintf(out, "%s, ", names[row->kind]);
        print_number(row, row->least, out);
        fputs(" to ", out);
        print_number(row, row->most, out);
        fprintf(out, "%s%s", row->unit[0] != '\0' && row->kind != KIND_BYTES ? " " : "",
                row->kind == KIND_BYTES ? "" : row->unit);
        break;
    }
}

/* ---- all rows ---- */

static void default_list(const struct settings_row *row, struct settings *self)
{
    struct settings_list *list = (struct settings_list *)(void *)((char *)self + row->offset);
    for (const char *item = row->text; *item != '\0';) {
        size_t length = (size_t)(strchrnul(item, ',') - item);
        memcpy(list->item[list->count++], item, length);
        item += length + (item[length] == ',' ? 1 : 0);
    }
}

void settings_defaults(struct settings *self)
{
    memset(self, 0, sizeof *self);
    for (size_t i = 0; i < settings_row_count; i++) {
        const struct settings_row *row = &settings_rows[i];
        char *at = (char *)self + row->offset;
        int word = 0;
        switch (row->kind) {
        case KIND_SECTION:
        case KIND_SECRET:
            break;
        case KIND_TEXT:
            memcpy(at, row->text, strlen(row->text) + 1);
            break;
        case KIND_WORD:
            word = (int)row->value;
            memcpy(at, &word, sizeof word);
            break;
        case KIND_LIST:
            default_list(row, self);
            break;
        default:
            store_number(row, self, row->value);
            break;
        }
    }
}
