#include "cli/screen.h"

#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#define LINE_BYTES 512
#define SCREEN_BYTES 65536

struct screen {
    FILE *out;
    int rows, columns, row; /* the last: being written */
    size_t size;
    char text[SCREEN_BYTES];
};

struct screen *screen_open(FILE *out)
{
    struct screen *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->out = out;
    fputs("\033[?1049h\033[?25l", out);
    return self;
}

void screen_close(struct screen **self)
{
    if (!*self)
        return;
    fputs("\033[?25h\033[?1049l", (*self)->out);
    fflush((*self)->out);
    free(*self);
    *self = NULL;
}

void screen_begin(struct screen *self)
{
    struct winsize size = {.ws_row = 0};
    ioctl(fileno(self->out), TIOCGWINSZ, &size);
    self->rows = size.ws_row ? size.ws_row : 40;
    self->columns = size.ws_col ? size.ws_col : 100;
    self->row = 0;
    self->size = 0;
}

void screen_line(struct screen *self, const char *fmt, ...)
{
    char text[LINE_BYTES];
    va_list args;
    if (self->row >= self->rows || self->size + LINE_BYTES + 16 > sizeof self->text)
        return;
    va_start(args, fmt);
    int size = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (size < 0)
        return;
    int width = self->columns < (int)sizeof text ? self->columns : (int)sizeof text - 1;
    self->size += (size_t)snprintf(self->text + self->size, sizeof self->text - self->size,
                                   "\033[%d;1H%.*s\033[K", ++self->row, width, text);
}

void screen_end(struct screen *self)
{
    fwrite(self->text, 1, self->size, self->out);
    fputs("\033[J", self->out);
    fflush(self->out);
}
