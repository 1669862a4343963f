#include "config/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/clock.h"

#define LINE_SIZE 4096 /* one line is one write: lines of several processes do not mix */

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static struct {
    const char *name;
    enum log_level least;
    bool json;
} self = {.name = "-", .least = LOG_LEVEL_INFO};

/* A line in the making; what does not fit is cut, and room for the end is kept. */
struct line {
    char bytes[LINE_SIZE];
    size_t size;
};

static void add(struct line *line, const char *bytes, size_t size)
{
    size_t room = sizeof line->bytes - 8 - line->size;
    size = size < room ? size : room;
    memcpy(line->bytes + line->size, bytes, size);
    line->size += size;
}

static void add_text(struct line *line, const char *text)
{
    add(line, text, strlen(text));
}

/* Length of the UTF-8 sequence at `text`, of which `left` bytes are there; 0 if it is none. */
static size_t utf8_length(const unsigned char *text, size_t left)
{
    size_t length = text[0] < 0x80   ? 1
                    : text[0] < 0xc2 ? 0
                    : text[0] < 0xe0 ? 2
                    : text[0] < 0xf0 ? 3
                    : text[0] < 0xf5 ? 4
                                     : 0;
    for (size_t i = 1; i < length; i++) {
        if (i >= left || (text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return length;
}

/* Bytes from outside may reach a line: nothing of them may start a new one or steer a terminal. */
static void add_clean(struct line *line, const char *text, size_t size, bool json)
{
    size_t length = 1;
    for (size_t i = 0; i < size; i += length) {
        const unsigned char *c = (const unsigned char *)text + i;
        char escape[8];
        length = utf8_length(c, size - i);
        if (length == 0 || *c < 0x20 || *c == 0x7f) {
            length = 1;
            snprintf(escape, sizeof escape, json ? "\\u%04x" : "\\x%02x", *c);
            add_text(line, escape);
        } else if (json && (*c == '"' || *c == '\\')) {
            add(line, (char[]){'\\', (char)*c}, 2);
        } else {
            add(line, text + i, length);
        }
    }
}

static size_t key_length(const char *text)
{
    return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");
}

/* `key=value key="value with blanks"` as members; what is not of that form goes into "text". */
static void add_members(struct line *line, const char *text)
{
    while (*text == ' ') {
        text++;
    }
    while (*text != '\0') {
        size_t key = key_length(text);
        if (key == 0 || text[key] != '=') {
            add_text(line, ",\"text\":\"");
            add_clean(line, text, strlen(text), true);
            add_text(line, "\"");
            return;
        }
        const char *value = text + key + 1;
        bool quoted = *value == '"';
        value += quoted ? 1 : 0;
        size_t size = strcspn(value, quoted ? "\"" : " ");
        add_text(line, ",\"");
        add(line, text, key);
        add_text(line, "\":\"");
        add_clean(line, value, size, true);
        add_text(line, "\"");
        text = value + size + (quoted && value[size] == '"' ? 1 : 0);
        while (*text == ' ') {
            text++;
        }
    }
}

static void write_line(const char *level, const char *tag, const char *fmt, va_list args)
{
    struct line line = {.size = 0};
    char text[LINE_SIZE], now[CLOCK_TEXT_SIZE];
    int length = vsnprintf(text, sizeof text, fmt, args);
    if (length < 0) {
        snprintf(text, sizeof text, "text=unprintable");
    }
    clock_format_utc(clock_real_us(), now);
    if (self.json) {
        /* cut before the members, so that the object always ends */
        text[LINE_SIZE / 8] = '\0';
        add_text(&line, "{\"time\":\"");
        add_text(&line, now);
        add_text(&line, "\",\"level\":\"");
        add_text(&line, level);
        add_text(&line, "\",\"actor\":\"");
        add_clean(&line, self.name, strlen(self.name), true);
        add_text(&line, "\",\"tag\":\"");
        add_text(&line, tag);
        add_text(&line, "\"");
        add_members(&line, text);
        add_text(&line, "}");
    } else {
        const char *const head[] = {now, level, self.name, tag};
        for (size_t i = 0; i < sizeof head / sizeof head[0]; i++) {
            add_text(&line, head[i]);
            add_text(&line, " ");
        }
        add_clean(&line, text, strlen(text), false);
    }
    line.bytes[line.size++] = '\n';
    ssize_t wrote;
    do {
        wrote = write(STDERR_FILENO, line.bytes, line.size);
    } while (wrote < 0 && errno == EINTR);
}

void log_init(const char *name, enum log_level least, int json)
{
    self.name = name;
    self.least = least;
    self.json = json != 0;
}

void log_event(enum log_level level, const char *tag, const char *fmt, ...)
{
    if (level < self.least) {
        return;
    }
    int kept = errno;
    va_list args;
    va_start(args, fmt);
    write_line(level_names[level], tag, fmt, args);
    va_end(args);
    errno = kept;
}

noreturn void log_fatal(int code, const char *tag, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    write_line("fatal", tag, fmt, args);
    va_end(args);
    exit(code);
}
