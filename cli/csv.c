/* Rows are cut in place in one buffer; only a row that has a quote in it is copied out to lose its quoting. */
#include "cli/csv.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { BUFFER_BYTES = 4 * CSV_ROW_MAX };

struct csv {
    gzFile file;
    uint64_t line; /* of what stands at `at` */
    size_t at, end;
    bool finished; /* nothing more comes from the file */
    const char *broken;
    char buffer[BUFFER_BYTES + 1];
    char unquoted[CSV_ROW_MAX + 1];
};

struct csv *csv_open(const char *path)
{
    struct csv *self = malloc(sizeof *self);
    if (!self)
        return NULL;
    errno = 0;
    self->file = gzopen(path, "rbe");
    if (!self->file) {
        int error = errno ? errno : ENOMEM;
        free(self);
        errno = error;
        return NULL;
    }
    gzbuffer(self->file, 128 * 1024);
    self->line = 1;
    self->at = self->end = 0;
    self->finished = false;
    self->broken = NULL;
    return self;
}

void csv_close(struct csv **self)
{
    if (!*self)
        return;
    gzclose((*self)->file);
    free(*self);
    *self = NULL;
}

uint64_t csv_bytes(const struct csv *self)
{
    z_off_t offset = gzoffset(self->file);
    return offset > 0 ? (uint64_t)offset : 0;
}

/* True if there is more now than before. */
static bool csv_fill(struct csv *self)
{
    if (self->finished)
        return false;
    if (self->at > 0) {
        memmove(self->buffer, self->buffer + self->at, self->end - self->at);
        self->end -= self->at;
        self->at = 0;
    }
    if (self->end == BUFFER_BYTES)
        return false;
    int got = gzread(self->file, self->buffer + self->end, (unsigned)(BUFFER_BYTES - self->end));
    if (got > 0) {
        self->end += (size_t)got;
        return true;
    }
    self->finished = true;
    int error = Z_OK;
    gzerror(self->file, &error);
    if (got < 0 || error == Z_BUF_ERROR)
        self->broken = error == Z_ERRNO ? "cannot be read" : "gzip stream is damaged or cut off";
    return false;
}

static enum csv_answer broken_row(struct csv *self, struct csv_row *row, const char *rule)
{
    /* The next row is looked for on the line after the one this began on, however long that is. */
    for (;;) {
        char *newline = memchr(self->buffer + self->at, '\n', self->end - self->at);
        if (newline) {
            self->at = (size_t)(newline - self->buffer) + 1;
            break;
        }
        self->at = self->end;
        if (!csv_fill(self))
            break;
    }
    self->line++;
    row->rule = rule;
    return CSV_BROKEN_ROW;
}

/* A line without quotes: commas and the line end become NULs. */
static enum csv_answer plain_row(struct csv *self, struct csv_row *row, char *text, size_t size)
{
    self->at += size + 1;
    self->line++;
    if (size > 0 && text[size - 1] == '\r')
        size--;
    text[size] = '\0';
    row->count = 0;
    for (char *at = text;;) {
        if (row->count == CSV_FIELDS_MAX) {
            row->rule = "too many fields";
            return CSV_BROKEN_ROW;
        }
        row->field[row->count++] = at;
        char *comma = memchr(at, ',', (size_t)(text + size - at));
        if (!comma)
            return CSV_ROW;
        *comma = '\0';
        at = comma + 1;
    }
}

enum cut { CUT_DONE, CUT_SHORT, CUT_BAD };

/* Cuts one row with quotes out of `in` into self->unquoted. CUT_SHORT: it does not end within `size`. */
static enum cut cut_quoted(struct csv *self, struct csv_row *row, const char *in, size_t size,
                           bool last, size_t *used, uint64_t *lines)
{
    char *out = self->unquoted;
    size_t at = 0;
    *lines = 0;
    row->count = 0;
    for (;;) {
        if (row->count == CSV_FIELDS_MAX) {
            row->rule = "too many fields";
            return CUT_BAD;
        }
        row->field[row->count++] = out;
        if (at < size && in[at] == '"') {
            for (at++;; at++) {
                if (at >= size) {
                    row->rule = "quoted field is not closed";
                    return last ? CUT_BAD : CUT_SHORT;
                }
                if (in[at] == '"') {
                    if (at + 1 < size && in[at + 1] == '"')
                        at++;
                    else if (at + 1 < size || last)
                        break;
                    else
                        return CUT_SHORT;
                }
                *lines += in[at] == '\n';
                *out++ = in[at];
            }
            at++;
        } else {
            for (; at < size && in[at] != ',' && in[at] != '\n' && in[at] != '\r'; at++) {
                if (in[at] == '"') {
                    row->rule = "quote within an unquoted field";
                    return CUT_BAD;
                }
                *out++ = in[at];
            }
        }
        *out++ = '\0';
        if (at < size && in[at] == ',') {
            at++;
            continue;
        }
        if (at + 1 < size && in[at] == '\r' && in[at + 1] == '\n')
            at++;
        if (at >= size || in[at] == '\n') {
            if (at >= size && !last)
                return CUT_SHORT;
            ++*lines;
            *used = at + 1;
            return CUT_DONE;
        }
        row->rule = "text after a closing quote";
        return CUT_BAD;
    }
}

static enum csv_answer quoted_row(struct csv *self, struct csv_row *row)
{
    for (;;) {
        size_t size = self->end - self->at, used = 0;
        bool last = self->finished && size < CSV_ROW_MAX;
        size = size > CSV_ROW_MAX - CSV_FIELDS_MAX ? CSV_ROW_MAX - CSV_FIELDS_MAX : size;
        uint64_t lines;
        enum cut cut = cut_quoted(self, row, self->buffer + self->at, size, last, &used, &lines);
        if (cut == CUT_BAD)
            return broken_row(self, row, row->rule);
        if (cut == CUT_DONE) {
            self->at = self->at + used > self->end ? self->end : self->at + used;
            self->line += lines;
            return CSV_ROW;
        }
        if (size >= CSV_ROW_MAX - CSV_FIELDS_MAX)
            return broken_row(self, row, "row is too long, or a quoted field is not closed");
        csv_fill(self);
    }
}

enum csv_answer csv_next(struct csv *self, struct csv_row *row)
{
    row->line = self->line;
    row->rule = NULL;
    row->count = 0;
    char *newline;
    while (!(newline = memchr(self->buffer + self->at, '\n', self->end - self->at)) &&
           self->end - self->at < CSV_ROW_MAX && csv_fill(self))
        continue;
    if (self->at == self->end || (self->broken && !newline)) {
        self->at = self->end;
        row->rule = self->broken;
        return self->broken ? CSV_BROKEN_FILE : CSV_END;
    }
    char *text = self->buffer + self->at;
    size_t size = newline ? (size_t)(newline - text) : self->end - self->at;
    if (size >= CSV_ROW_MAX)
        return broken_row(self, row, "row is too long");
    if (memchr(text, '"', size))
        return quoted_row(self, row);
    if (memchr(text, '\0', size))
        return broken_row(self, row, "NUL byte");
    enum csv_answer answer = plain_row(self, row, text, size);
    if (self->at > self->end)
        self->at = self->end; /* the last line had no line end */
    return answer;
}
