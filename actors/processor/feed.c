#include "actors/processor/feed.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/processor/feed_read.h"
#include "config/clock.h"
#include "schema/utf8.h"

static const char *const STATUS_TEXTS[] = {"scheduled", "in_progress", "final", "postponed"};

const char *feed_status_text(enum feed_status status)
{
    return STATUS_TEXTS[status];
}

int feed_status_of(const char *text)
{
    for (int i = 0; i < (int)(sizeof STATUS_TEXTS / sizeof STATUS_TEXTS[0]); i++) {
        if (strcmp(STATUS_TEXTS[i], text) == 0) {
            return i;
        }
    }
    return -1;
}

void feed_free(struct feed *self)
{
    free(self->games);
    free(self->players);
    free(self->events);
    free(self->lines);
    free(self->reports);
    free(self->markets);
    free(self->scores);
    free(self->clubs);
    free(self->plays);
    free(self->listeds);
    free(self->refusals);
    memset(self, 0, sizeof *self);
}

/* A text that was cut may end within a character. */
static void whole_characters(char *text)
{
    text[utf8_valid(text, strlen(text))] = '\0';
}

void feed_text_cut(struct feed_reader *self, const char *name, char *out, size_t out_size)
{
    const json_t *value = json_object_get(self->object, name);
    out[0] = '\0';
    if (json_is_string(value)) {
        snprintf(out, out_size, "%s", json_string_value(value));
        whole_characters(out);
    } else if (value != NULL && !json_is_null(value)) {
        feed_break(self, "%s: not a string", name);
    }
}

void feed_refuse(struct feed *self, const char *path, const char *about, const char *fmt, ...)
{
    struct feed_refusal *refusal = FEED_ADD(self, refusal);
    snprintf(refusal->path, sizeof refusal->path, "%s", path);
    snprintf(refusal->about, sizeof refusal->about, "%s", about != NULL ? about : "");
    whole_characters(refusal->path);
    whole_characters(refusal->about);
    va_list args;
    va_start(args, fmt);
    vsnprintf(refusal->rule, sizeof refusal->rule, fmt, args);
    va_end(args);
    whole_characters(refusal->rule);
}

void feed_set_aside(struct feed *self, const char *path, size_t rows, const char *what)
{
    if (rows > 0) {
        feed_refuse(self, path, what, "%zu rows are sound, and not read here", rows);
        self->refusals[self->refusal_count - 1].expected = true;
        self->aside += rows;
    }
}

size_t feed_broken(const struct feed *self)
{
    size_t broken = 0;
    for (size_t i = 0; i < self->refusal_count; i++) {
        broken += !self->refusals[i].expected;
    }
    return broken;
}

void *feed_grow(void **items, size_t *count, size_t *capacity, size_t item_size)
{
    if (*count == *capacity) {
        size_t more = *capacity == 0 ? 16 : *capacity * 2;
        void *grown = reallocarray(*items, more, item_size);
        if (grown == NULL) {
            abort(); /* bodies are bounded: this is a machine without memory */
        }
        *items = grown;
        *capacity = more;
    }
    void *item = (char *)*items + *count * item_size;
    (*count)++;
    return memset(item, 0, item_size);
}

struct feed_reader feed_reader_of(const json_t *value)
{
    struct feed_reader self = {.object = json_is_object(value) ? value : NULL};
    if (self.object == NULL) {
        feed_break(&self, "not an object");
    }
    return self;
}

void feed_break(struct feed_reader *self, const char *fmt, ...)
{
    if (self->rule[0] != '\0') {
        return;
    }
    va_list args;
    va_start(args, fmt);
    vsnprintf(self->rule, sizeof self->rule, fmt, args);
    va_end(args);
}

static const json_t *member(struct feed_reader *self, const char *name, enum presence presence)
{
    const json_t *value = json_object_get(self->object, name);
    if (value != NULL && !json_is_null(value)) {
        return value;
    }
    if (presence == REQ) {
        feed_break(self, "%s: missing", name);
    }
    return NULL;
}

static const char *kind_text(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "object";
    case JSON_ARRAY:
        return "array";
    case JSON_STRING:
        return "string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "boolean";
    case JSON_NULL:
        break;
    }
    return "null";
}

int feed_whole(const json_t *value, int64_t *out)
{
    if (json_is_integer(value)) {
        *out = json_integer_value(value);
        return 0;
    }
    if (json_is_real(value)) {
        double real = json_real_value(value);
        if (real > -9e15 && real < 9e15 && real == (double)(int64_t)real) {
            *out = (int64_t)real;
            return 0;
        }
    }
    return -1;
}

int64_t feed_int(struct feed_reader *self, const char *name, enum presence presence, int64_t least,
                 int64_t most)
{
    const json_t *value = member(self, name, presence);
    int64_t number = 0;
    if (value == NULL) {
        return MESSAGE_NONE;
    }
    if (feed_whole(value, &number) != 0) {
        feed_break(self, "%s: not a whole number but %s", name,
                   json_is_number(value) ? "a fraction" : kind_text(value));
        return MESSAGE_NONE;
    }
    if (number < least || number > most) {
        feed_break(self, "%s: %lld is outside %lld..%lld", name, (long long)number,
                   (long long)least, (long long)most);
        return MESSAGE_NONE;
    }
    return number;
}

bool feed_bool(struct feed_reader *self, const char *name)
{
    const json_t *value = member(self, name, OPT);
    if (value != NULL && !json_is_boolean(value)) {
        feed_break(self, "%s: not a boolean but %s", name, kind_text(value));
    }
    return json_is_true(value);
}

void feed_text(struct feed_reader *self, const char *name, enum presence presence, char *out,
               size_t out_size)
{
    const json_t *value = member(self, name, presence);
    out[0] = '\0';
    if (value == NULL) {
        return;
    }
    if (!json_is_string(value)) {
        feed_break(self, "%s: not a string but %s", name, kind_text(value));
        return;
    }
    if (json_string_length(value) >= out_size) {
        feed_break(self, "%s: longer than %zu bytes", name, out_size - 1);
        return;
    }
    memcpy(out, json_string_value(value), json_string_length(value) + 1);
    if (presence == REQ && out[0] == '\0') {
        feed_break(self, "%s: empty", name);
    }
}

int64_t feed_time(struct feed_reader *self, const char *name, enum presence presence)
{
    char text[40];
    int64_t instant = MESSAGE_NONE;
    feed_text(self, name, presence, text, sizeof text);
    if (text[0] != '\0' && clock_parse_utc(text, &instant) != 0) {
        feed_break(self, "%s: not an instant", name);
        return MESSAGE_NONE;
    }
    return instant;
}

int32_t feed_date(struct feed_reader *self, const char *name, enum presence presence)
{
    char text[40];
    int32_t date = 0;
    feed_text(self, name, presence, text, sizeof text);
    if (text[0] == '\0') {
        return 0;
    }
    if (strlen(text) > 10) {
        text[10] = '\0';
    }
    if (clock_parse_date(text, &date) != 0) {
        feed_break(self, "%s: not a date", name);
        return 0;
    }
    return date;
}

const json_t *feed_member(struct feed_reader *self, const char *name, enum presence presence,
                          json_type type)
{
    const json_t *value = member(self, name, presence);
    if (value != NULL && json_typeof(value) != type) {
        feed_break(self, "%s: wrong kind: %s", name, kind_text(value));
        return NULL;
    }
    return value;
}

json_t *feed_open(const void *body, size_t size, json_type type, char error[FEED_ERROR_SIZE])
{
    json_t *root = json_read(body, size, error, FEED_ERROR_SIZE);
    if (root == NULL) {
        whole_characters(error);
    }
    if (root != NULL && json_typeof(root) != type) {
        snprintf(error, FEED_ERROR_SIZE, "the body is not %s but %s",
                 type == JSON_ARRAY ? "an array" : "an object", kind_text(root));
        json_decref(root);
        return NULL;
    }
    return root;
}
