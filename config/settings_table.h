/* The rows of config/settings.def as a table; private to config/settings*.c. */
#ifndef CONFIG_SETTINGS_TABLE_H
#define CONFIG_SETTINGS_TABLE_H

#include "config/settings.h"

enum settings_kind {
    KIND_SECTION,
    KIND_INT,
    KIND_FLOAT,
    KIND_BOOL,
    KIND_DURATION,
    KIND_BYTES,
    KIND_TEXT,
    KIND_WORD,
    KIND_LIST,
    KIND_SECRET
};

/* What a text must look like: X(name, what it must be). The check is settings_rule_NAME. */
#define SETTINGS_RULES(X)                                                                          \
    X(text, "printable text")                                                                      \
    X(name, "a name: letters, digits, '-', '_', '.'")                                              \
    X(path, "a path without control characters")                                                   \
    X(url, "an http:// or https:// URL without query")                                             \
    X(address, "a numeric IPv4 or IPv6 address")                                                   \
    X(endpoint, "ipc://PATH; tcp:// needs CURVE keys, which this version has not")                 \
    X(loopback,                                                                                    \
      "tcp://127.0.0.1:PORT or tcp://[::1]:PORT: what is not encrypted stays on the host")         \
    X(cpus, "cores like 0 or 0-3,6")                                                               \
    X(zone, "a name of the tz database")                                                           \
    X(table_days, "ACTOR.TABLE=DAYS, 0 to 36500; 0: for ever")

#define SETTINGS_RULE_ID(name, text) RULE_##name,
enum settings_rule { SETTINGS_RULES(SETTINGS_RULE_ID) RULE_COUNT };
#undef SETTINGS_RULE_ID

struct settings_row {
    enum settings_kind kind;
    const char *key; /* "poller.bdl.base_url" */
    size_t offset;
    size_t size;               /* TEXT: room with its NUL */
    bool result;               /* makes the hash */
    const char *unit;          /* "" if none */
    double value, least, most; /* numbers: default and limits, durations in microseconds */
    const char *text;          /* TEXT, LIST: default; WORD: words; SECRET: environment variable */
    enum settings_rule rule;
    const char *doc;
};

#define SETTINGS_ROWS_MAX 256
extern const struct settings_row settings_rows[];
extern const size_t settings_row_count;

/* The row of `key`, or NULL. */
const struct settings_row *settings_row_find(const char *key);
bool settings_rule_holds(enum settings_rule rule, const char *text);
const char *settings_rule_text(enum settings_rule rule);
/* Sets a scalar from text ("quoted" as YAML knows it: a quoted number is a text). NULL, or what the rule is that `text`
 * breaks, in `why`. */
const char *settings_row_set(const struct settings_row *row, struct settings *self,
                             const char *text, bool quoted, char *why, size_t why_size);
/* Adds one item to a LIST; settings_list_clear first. */
const char *settings_row_append(const struct settings_row *row, struct settings *self,
                                const char *text, char *why, size_t why_size);
void settings_list_clear(const struct settings_row *row, struct settings *self);
/* The value as one YAML scalar or flow list. */
void settings_row_print(const struct settings_row *row, const struct settings *self, FILE *out);
/* What may be written: "int, 1 to 256, records". */
void settings_row_print_type(const struct settings_row *row, FILE *out);
void settings_defaults(struct settings *self);

#endif
