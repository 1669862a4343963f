#include "config/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>
#include <yaml.h>

#include "config/exit.h"
#include "config/settings_table.h"

#define FILE_BYTES_MAX (1 << 20)
#define KEY_SIZE 128

/* One reading of one file: where we are, and what has been said already. */
struct reading {
    struct settings *self;
    const char *path;
    yaml_document_t *document;
    FILE *errors;
    int refused;
    size_t seen[SETTINGS_ROWS_MAX]; /* line of each row's first mention, 0 = none */
};

static void refuse(struct reading *reading, size_t line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void refuse(struct reading *reading, size_t line, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(reading->errors, "%s:%zu: ", reading->path, line);
    vfprintf(reading->errors, fmt, args);
    fputc('\n', reading->errors);
    va_end(args);
    reading->refused++;
}

static size_t line_of(const yaml_node_t *node)
{
    return node->start_mark.line + 1;
}

/* A scalar's text; NULL if it is no scalar, or holds a NUL. */
static const char *text_of(const yaml_node_t *node)
{
    if (node->type != YAML_SCALAR_NODE) {
        return NULL;
    }
    const char *text = (const char *)node->data.scalar.value;
    return strlen(text) == node->data.scalar.length ? text : NULL;
}

static bool is_null(const yaml_node_t *node, const char *text)
{
    return node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

static void read_list(struct reading *reading, const struct settings_row *row,
                      const yaml_node_t *node)
{
    char why[256];
    settings_list_clear(row, reading->self);
    for (yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top; item++) {
        const yaml_node_t *child = yaml_document_get_node(reading->document, *item);
        const char *text = text_of(child);
        const char *rule = text == NULL
                               ? "must be a list of plain values"
                               : settings_row_append(row, reading->self, text, why, sizeof why);
        if (rule != NULL) {
            refuse(reading, line_of(child), "%s: %s", row->key, rule);
            return;
        }
    }
}

static void read_value(struct reading *reading, const struct settings_row *row,
                       const yaml_node_t *node)
{
    char why[256];
    if (row->kind == KIND_LIST && node->type == YAML_SEQUENCE_NODE) {
        read_list(reading, row, node);
        return;
    }
    const char *text = text_of(node);
    const char *rule = NULL;
    if (node->type != YAML_SCALAR_NODE) {
        rule = row->kind == KIND_LIST ? "must be a list: [a, b]" : "must be a single value";
    } else if (text == NULL) {
        rule = "must not contain a NUL";
    } else if (is_null(node, text)) {
        rule = "has no value";
    } else {
        bool quoted = node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        rule = settings_row_set(row, reading->self, text, quoted, why, sizeof why);
    }
    if (rule != NULL) {
        refuse(reading, line_of(node), "%s: %s", row->key, rule);
    }
}

/* Depth is bounded by the table: only a key that is a section is entered. */
static void read_section(struct reading *reading, const char *prefix, const yaml_node_t *node)
{
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *name = yaml_document_get_node(reading->document, pair->key);
        const yaml_node_t *value = yaml_document_get_node(reading->document, pair->value);
        char key[KEY_SIZE];
        const char *text = text_of(name);
        if (text == NULL || snprintf(key, sizeof key, "%s%s", prefix, text) >= (int)sizeof key) {
            refuse(reading, line_of(name), "%s: keys must be short plain names",
                   prefix[0] != '\0' ? prefix : "file");
            continue;
        }
        const struct settings_row *row = strchr(text, '.') == NULL ? settings_row_find(key) : NULL;
        if (row == NULL) {
            refuse(reading, line_of(name), "%s: unknown key", key);
            continue;
        }
        size_t *seen = &reading->seen[row - settings_rows];
        if (*seen != 0) {
            refuse(reading, line_of(name), "%s: duplicate key, first in line %zu", key, *seen);
            continue;
        }
        *seen = line_of(name);
        if (row->kind != KIND_SECTION) {
            read_value(reading, row, value);
        } else if (value->type == YAML_MAPPING_NODE) {
            char below[KEY_SIZE + 1];
            snprintf(below, sizeof below, "%s.", key);
            read_section(reading, below, value);
        } else if (text_of(value) == NULL ||
                   !is_null(value, text_of(value))) { /* all of it commented out: fine */
            refuse(reading, line_of(value), "%s: is a section: its keys go below it", key);
        }
    }
}

/* The whole file, or NULL with the reason said. */
static unsigned char *slurp(const char *path, size_t *size, FILE *errors)
{
    unsigned char *bytes = malloc(FILE_BYTES_MAX + 1);
    FILE *file = fopen(path, "rbe");
    if (file != NULL && bytes != NULL) {
        *size = fread(bytes, 1, FILE_BYTES_MAX + 1, file);
        if (!ferror(file) && *size <= FILE_BYTES_MAX) {
            fclose(file);
            return bytes;
        }
        errno = ferror(file) ? errno : EFBIG;
    }
    fprintf(errors, "%s: file: cannot be read: %s\n", path, strerror(errno));
    if (file != NULL) {
        fclose(file);
    }
    free(bytes);
    return NULL;
}

static void read_document(struct reading *reading)
{
    const yaml_node_t *root = yaml_document_get_root_node(reading->document);
    if (root == NULL) {
        return; /* an empty file: all defaults */
    }
    if (root->type == YAML_MAPPING_NODE) {
        read_section(reading, "", root);
    } else if (text_of(root) == NULL || !is_null(root, text_of(root))) {
        refuse(reading, line_of(root), "file: must be a map of keys");
    }
}

static int read_file(struct settings *self, const char *path, FILE *errors)
{
    yaml_parser_t parser;
    yaml_document_t document;
    size_t size = 0;
    unsigned char *bytes = slurp(path, &size, errors);
    if (bytes == NULL) {
        return -1;
    }
    struct reading reading = {.self = self, .path = path, .document = &document, .errors = errors};
    if (yaml_parser_initialize(&parser) == 0) {
        free(bytes);
        fprintf(errors, "%s: file: no memory to read it\n", path);
        return -1;
    }
    yaml_parser_set_input_string(&parser, bytes, size);
    for (int documents = 0;; documents++) {
        if (yaml_parser_load(&parser, &document) == 0) {
            refuse(&reading, parser.problem_mark.line + 1, "file: not YAML: %s",
                   parser.problem != NULL ? parser.problem : "no memory");
            break;
        }
        bool end = yaml_document_get_root_node(&document) == NULL;
        if (documents == 0) {
            read_document(&reading);
        } else if (!end) {
            refuse(&reading, document.start_mark.line + 1, "file: must hold one document");
        }
        yaml_document_delete(&document);
        if (end || documents > 0) {
            break;
        }
    }
    yaml_parser_delete(&parser);
    free(bytes);
    return reading.refused > 0 ? -1 : 0;
}

/* ---- the command line's key=value ---- */

static const char *set_list(const struct settings_row *row, struct settings *self, const char *text,
                            char *why, size_t why_size)
{
    settings_list_clear(row, self);
    while (*text != '\0') {
        char item[KEY_SIZE];
        size_t length = (size_t)(strchrnul(text, ',') - text);
        if (length >= sizeof item) {
            return "has an item that is too long";
        }
        memcpy(item, text, length);
        item[length] = '\0';
        const char *rule = settings_row_append(row, self, item, why, why_size);
        if (rule != NULL) {
            return rule;
        }
        text += length + (text[length] == ',' ? 1 : 0);
    }
    return NULL;
}

static int set_one(struct settings *self, const char *set, FILE *errors)
{
    char key[KEY_SIZE], why[256];
    const char *sign = strchr(set, '=');
    if (sign == NULL || sign == set || (size_t)(sign - set) >= sizeof key) {
        fprintf(errors, "command line: %s: must be key=value\n", set);
        return -1;
    }
    memcpy(key, set, (size_t)(sign - set));
    key[sign - set] = '\0';
    const struct settings_row *row = settings_row_find(key);
    const char *rule = "unknown key";
    if (row != NULL) {
        rule = row->kind == KIND_LIST
                   ? set_list(row, self, sign + 1, why, sizeof why)
                   : settings_row_set(row, self, sign + 1, false, why, sizeof why);
    }
    if (rule != NULL) {
        fprintf(errors, "command line: %s: %s\n", key, rule);
        return -1;
    }
    return 0;
}

/* ---- what derives, what must fit together ---- */

static int derive_endpoint(const struct settings *self, char *endpoint, size_t size,
                           const char *key, const char *file, FILE *errors)
{
    const size_t path_max = sizeof((struct sockaddr_un *)0)->sun_path - 1;
    int length = endpoint[0] != '\0' ? (int)strlen(endpoint)
                                     : snprintf(endpoint, size, "ipc://%s/%s", self->dir, file);
    if ((size_t)length >= size || (size_t)length - strlen("ipc://") > path_max) {
        fprintf(errors,
                "effective: %s: a socket's path must be at most %zu bytes; `dir` is too long\n",
                key, path_max);
        return -1;
    }
    return 0;
}

struct order {
    const char *less, *more;
};
/* The first must not be larger than the second. */
static const struct order orders[] = {
    {"poller.retry_base", "poller.retry_cap"},
    {"poller.connect_timeout", "poller.timeout"},
    {"broker.heartbeat", "broker.lease"},
    {"watchdog.stale_warn", "watchdog.stale_alert"},
    {"watchdog.stale_alert", "watchdog.stale_critical"},
    {"supervisor.backoff_base", "supervisor.backoff_cap"},
    {"actor.drain", "supervisor.drain"},
    {"shards.processor", "broker.partitions"},
    {"shards.features", "broker.partitions"},
    {"shards.predictor", "broker.partitions"},
    {"shards.grader", "broker.partitions"},
};

static int64_t int_of(const struct settings *self, const struct settings_row *row)
{
    int64_t value = 0;
    memcpy(&value, (const char *)self + row->offset, sizeof value);
    return value;
}

static int check_orders(const struct settings *self, FILE *errors)
{
    int refused = 0;
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        const struct settings_row *less = settings_row_find(orders[i].less);
        const struct settings_row *more = settings_row_find(orders[i].more);
        if (int_of(self, less) > int_of(self, more)) {
            fprintf(errors, "effective: %s: must not be larger than %s (", less->key, more->key);
            settings_row_print(less, self, errors);
            fputs(" > ", errors);
            settings_row_print(more, self, errors);
            fputs(")\n", errors);
            refused = -1;
        }
    }
    return refused;
}

static int finish(struct settings *self, FILE *errors)
{
    for (size_t i = 0; i < settings_row_count; i++) {
        const struct settings_row *row = &settings_rows[i];
        if (row->kind == KIND_SECRET && getenv(row->text) != NULL) {
            struct settings_secret *secret =
                (struct settings_secret *)(void *)((char *)self + row->offset);
            snprintf(secret->where, sizeof secret->where, "env:%s", row->text);
        }
    }
    if (self->dir[0] == '\0') {
        fputs("effective: dir: must not be empty\n", errors);
        return -1;
    }
    int refused = 0;
    struct settings_broker *broker = &self->broker;
    refused |= derive_endpoint(self, broker->endpoint, sizeof broker->endpoint, "broker.endpoint",
                               "broker.ipc", errors);
    refused |= derive_endpoint(self, broker->tap_endpoint, sizeof broker->tap_endpoint,
                               "broker.tap_endpoint", "tap.ipc", errors);
    refused |= derive_endpoint(self, broker->control_endpoint, sizeof broker->control_endpoint,
                               "broker.control_endpoint", "control.ipc", errors);
    return refused | check_orders(self, errors);
}

int settings_load(struct settings *self, const char *path, const char *const *sets,
                  size_t set_count, FILE *errors)
{
    int refused = 0;
    settings_defaults(self);
    if (path != NULL) {
        refused |= read_file(self, path, errors);
    }
    for (size_t i = 0; i < set_count; i++) {
        refused |= set_one(self, sets[i], errors);
    }
    return refused != 0 ? -1 : finish(self, errors);
}

uint16_t settings_shards(const struct settings *self, const char *actor)
{
    char key[64];
    int64_t shards = 1;
    snprintf(key, sizeof key, "shards.%.48s", actor);
    const struct settings_row *row = settings_row_find(key);
    if (row != NULL && row->kind == KIND_INT) {
        memcpy(&shards, (const char *)self + row->offset, sizeof shards);
    }
    return (uint16_t)shards;
}

/* ---- print ---- */

void settings_hash(const struct settings *self, char hash[SETTINGS_HASH_SIZE])
{
    char *text = NULL;
    size_t size = 0;
    uint64_t sum = UINT64_C(0xcbf29ce484222325); /* FNV-1a, 64 bits */
    FILE *out = open_memstream(&text, &size);
    for (size_t i = 0; out != NULL && i < settings_row_count; i++) {
        if (settings_rows[i].result) {
            fprintf(out, "%s=", settings_rows[i].key);
            settings_row_print(&settings_rows[i], self, out);
            fputc('\n', out);
        }
    }
    if (out == NULL || fclose(out) != 0) {
        log_fatal(EXIT_BUG, "no-memory", "what=settings-hash");
    }
    for (size_t i = 0; i < size; i++) {
        sum = (sum ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    }
    free(text);
    snprintf(hash, SETTINGS_HASH_SIZE, "%016" PRIx64, sum);
}

static int depth_of(const char *key)
{
    int depth = 0;
    for (const char *dot = strchr(key, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
        depth++;
    }
    return depth;
}

void settings_print(const struct settings *self, bool comments, FILE *out)
{
    for (size_t i = 0; i < settings_row_count; i++) {
        const struct settings_row *row = &settings_rows[i];
        int indent = 2 * depth_of(row->key);
        const char *dot = strrchr(row->key, '.');
        if (comments) {
            fprintf(out, "%s%*s# %s\n", row->kind == KIND_SECTION ? "\n" : "", indent, "",
                    row->doc);
        }
        fprintf(out, "%*s%s:%s", indent, "", dot != NULL ? dot + 1 : row->key,
                row->kind == KIND_SECTION ? "" : " ");
        settings_row_print(row, self, out);
        fputc('\n', out);
    }
}

void settings_print_sample(FILE *out)
{
    struct settings defaults;
    settings_defaults(&defaults); /* what derives stays empty */
    fputs("# tipoff: every setting at its default, so any line may be left out. Printed from "
          "config/settings.def;\n"
          "# docs/SETTINGS.md has types and limits. `tipoff check-config -c FILE` refuses what is "
          "wrong by file, line and rule.\n"
          "#\n"
          "# Durations carry their unit (500ms, 90s, 1h30m, 7d), sizes may (4MiB). Secrets are "
          "named, never written:\n"
          "#   key: file:/etc/tipoff/bdl.key      or      key: env:MY_VARIABLE\n\n",
          out);
    settings_print(&defaults, true, out);
}

void settings_print_docs(FILE *out)
{
    struct settings defaults;
    settings_defaults(&defaults);
    fputs("# Settings\n\n"
          "Printed from `config/settings.def`; do not edit. Settings come from one YAML file (`-c "
          "FILE`); without it\n"
          "everything has the default below. On the command line `--set key=value` goes before the "
          "file. A key that is\n"
          "not listed here, a wrong type, a value out of its limits: refused, with file, line and "
          "rule; `tipoff\n"
          "check-config` prints what is in force. Durations carry units (`500ms`, `90s`, `1h30m`, "
          "`7d`), sizes may\n"
          "(`4MiB`). A secret is named (`file:PATH`, `env:NAME`), never written. Keys marked * can "
          "change what the\n"
          "pipeline says and make the config hash that every record's run carries.\n",
          out);
    fputs("\n| key | default | may be | meaning |\n|---|---|---|---|\n", out);
    for (size_t i = 0; i < settings_row_count; i++) {
        const struct settings_row *row = &settings_rows[i];
        if (row->kind == KIND_SECTION) {
            fprintf(out,
                    "\n## %s\n\n%s\n\n| key | default | may be | meaning |\n|---|---|---|---|\n",
                    row->key, row->doc);
            continue;
        }
        fprintf(out, "| `%s`%s | `", row->key, row->result ? " *" : "");
        settings_row_print(row, &defaults, out);
        fputs("` | ", out);
        settings_row_print_type(row, out);
        fprintf(out, " | %s |\n", row->doc);
    }
}

/* ---- secrets, paths ---- */

static ssize_t read_secret_file(const char *path, char *value, FILE *errors)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, value, SETTINGS_SECRET_SIZE - 1);
    if (got < 0) {
        fprintf(errors, "secret file %s: cannot be read: %s\n", path, strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    return got;
}

int settings_secret_read(const struct settings_secret *secret, char value[SETTINGS_SECRET_SIZE],
                         FILE *errors)
{
    ssize_t length = 0;
    value[0] = '\0';
    if (secret->where[0] == '\0') {
        return 0;
    }
    if (strncmp(secret->where, "file:", 5) == 0) {
        length = read_secret_file(secret->where + 5, value, errors);
        if (length < 0) {
            return -1;
        }
    } else {
        const char *set = getenv(secret->where + 4);
        if (set == NULL || strlen(set) >= SETTINGS_SECRET_SIZE) {
            fprintf(errors, "secret variable %s: %s\n", secret->where + 4,
                    set == NULL ? "is not set" : "is too long");
            return -1;
        }
        length = (ssize_t)strlen(set);
        memcpy(value, set, (size_t)length);
    }
    while (length > 0 && (value[length - 1] == '\n' || value[length - 1] == '\r')) {
        length--;
    }
    value[length] = '\0';
    for (ssize_t i = 0; i < length; i++) {
        if ((unsigned char)value[i] <= 0x20 || value[i] == 0x7f) {
            explicit_bzero(value, SETTINGS_SECRET_SIZE);
            fprintf(errors, "secret %s: must be one line without blanks\n", secret->where);
            return -1;
        }
    }
    if (length == 0) {
        fprintf(errors, "secret %s: is empty\n", secret->where);
        return -1;
    }
    return 1;
}

int settings_path(const struct settings *self, char *path, size_t size, const char *name)
{
    int length = snprintf(path, size, "%s/%s", self->dir, name);
    return length < 0 || (size_t)length >= size ? -1 : 0;
}
