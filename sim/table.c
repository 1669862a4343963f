#include "sim/table.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "config/clock.h"

struct table {
    gzFile file;
    uint64_t line, row_line, bad_rows;
    bool torn;
    int wanted[TABLE_COLUMNS_MAX]; /* caller's index -> field of the file */
    int wanted_count, field_count; /* the header's arity */
    int count;
    const char *field[TABLE_COLUMNS_MAX];
    char text[TABLE_ROW_MAX];
};

/* The rest of a line that cannot be taken. */
static void skip_line(struct table *self)
{
    int c;
    do {
        c = gzgetc(self->file);
    } while (c != '\n' && c != -1);
    self->line++;
}

/* One record into text and field[]. 1, 0 at the end, -1 if it breaks a rule (read past it). */
static int read_record(struct table *self)
{
    size_t size = 0;
    bool quoted = false;
    int c = gzgetc(self->file);
    self->row_line = self->line + 1;
    self->count = 0;
    if (c == -1) {
        return 0;
    }
    self->field[self->count++] = self->text;
    for (;; c = gzgetc(self->file)) {
        if (size + 2 > sizeof self->text) {
            skip_line(self);
            return -1;
        }
        if (quoted && c != '"') {
            if (c == -1) {
                return -1;
            }
            self->line += c == '\n';
            self->text[size++] = (char)c;
        } else if (c == '"') {
            if (quoted) {
                int next = gzgetc(self->file);
                if (next == '"') {
                    self->text[size++] = '"';
                    continue;
                }
                gzungetc(next, self->file);
            }
            quoted = !quoted;
        } else if (c == ',') {
            self->text[size++] = '\0';
            if (self->count == TABLE_COLUMNS_MAX) {
                skip_line(self);
                return -1;
            }
            self->field[self->count++] = self->text + size;
        } else if (c == '\n' || c == -1) {
            self->line++;
            self->text[size] = '\0';
            if (size > 0 && self->text[size - 1] == '\r') {
                self->text[size - 1] = '\0';
            }
            return 1;
        } else {
            self->text[size++] = (char)c;
        }
    }
}

static bool find_columns(struct table *self, const char *const *columns, const char **missing)
{
    for (; columns[self->wanted_count] != NULL; self->wanted_count++) {
        int found = -1;
        for (int i = 0; i < self->count && found < 0; i++) {
            found = strcmp(self->field[i], columns[self->wanted_count]) == 0 ? i : -1;
        }
        if (found < 0 || self->wanted_count == TABLE_COLUMNS_MAX) {
            *missing = columns[self->wanted_count];
            return false;
        }
        self->wanted[self->wanted_count] = found;
    }
    self->field_count = self->count;
    return true;
}

struct table *table_open(const char *dir, const char *name, const char *const *columns, char *why,
                         size_t why_size)
{
    char path[PATH_MAX];
    struct stat about;
    const char *missing = NULL;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (stat(path, &about) != 0) {
        snprintf(path, sizeof path, "%s/%s.gz", dir, name);
    }
    gzFile file = gzopen(path, "rbe");
    if (file == NULL) {
        int cause = errno;
        snprintf(why, why_size, "%.120s/%.60s: %s", dir, name, strerror(cause));
        errno = cause;
        return NULL;
    }
    struct table *self = calloc(1, sizeof *self);
    if (self == NULL) {
        gzclose(file);
        snprintf(why, why_size, "no memory");
        errno = ENOMEM;
        return NULL;
    }
    self->file = file;
    gzbuffer(file, 1u << 16);
    if (read_record(self) != 1 || !find_columns(self, columns, &missing)) {
        snprintf(why, why_size, "%.120s: header: column %.40s is missing", path,
                 missing != NULL ? missing : "1");
        table_close(&self);
        errno = EINVAL;
        return NULL;
    }
    return self;
}

void table_close(struct table **self)
{
    if (*self != NULL) {
        gzclose((*self)->file);
        free(*self);
        *self = NULL;
    }
}

bool table_next(struct table *self)
{
    for (;;) {
        int got = read_record(self);
        if (got == 0) {
            int error = Z_OK;
            gzerror(self->file, &error);
            self->torn = self->torn || error != Z_OK;
            return false;
        }
        if (got == 1 && self->count == self->field_count) {
            return true;
        }
        self->bad_rows++;
    }
}

const char *table_text(const struct table *self, int column)
{
    return self->field[self->wanted[column]];
}

int64_t table_int(const struct table *self, int column, int64_t otherwise)
{
    const char *text = table_text(self, column);
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    return end == text || *end != '\0' || errno != 0 ? otherwise : value;
}

double table_number(const struct table *self, int column, double otherwise)
{
    const char *text = table_text(self, column);
    char *end = NULL;
    double value = strtod(text, &end);
    return end == text || *end != '\0' ? otherwise : value;
}

int64_t table_time_us(const struct table *self, int column)
{
    int64_t instant_us;
    return clock_parse_utc(table_text(self, column), &instant_us) == 0 ? instant_us : CLOCK_NONE;
}

int32_t table_date(const struct table *self, int column)
{
    int32_t date;
    return clock_parse_date(table_text(self, column), &date) == 0 ? date : 0;
}

uint64_t table_line(const struct table *self)
{
    return self->row_line;
}

uint64_t table_bad_rows(const struct table *self)
{
    return self->bad_rows;
}

bool table_torn(const struct table *self)
{
    return self->torn;
}
