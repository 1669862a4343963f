/* A terminal that is drawn as a whole, line by line: plain ANSI, on the other screen, without a cursor. */
#ifndef CLI_SCREEN_H
#define CLI_SCREEN_H

#include <stdio.h>

struct screen;

struct screen *screen_open(FILE *out);   /* NULL: no memory */
void screen_close(struct screen **self); /* gives the terminal back as it was */
void screen_begin(struct screen *self);  /* asks how large it is now */
/* One line, cut at the right edge; nothing below the last row. */
void screen_line(struct screen *self, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void screen_end(struct screen *self); /* shows it, and clears what an earlier, longer one left */

#endif
