/* A table of a data root: CSV as RFC 4180 has it, plain or gzip, its columns found by their header. */
#ifndef SIM_TABLE_H
#define SIM_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_COLUMNS_MAX 48
#define TABLE_ROW_MAX 8192 /* bytes */

struct table;

/* Opens DIR/NAME, or DIR/NAME.gz where that is missing. `columns` (NULL-terminated, borrowed) are what the caller will
 * ask for, by their index in it. NULL with `why` (size >= 200): cannot be read, or has not those columns. A missing
 * file: NULL with errno ENOENT. */
struct table *table_open(const char *dir, const char *name, const char *const *columns, char *why,
                         size_t why_size);
void table_close(struct table **self);
/* The next row; false at the end. Rows of the wrong arity or too long are counted and passed over. */
bool table_next(struct table *self);
/* Field of the row in hand: "" where it is blank; valid until the next table_next. */
const char *table_text(const struct table *self, int column);
/* Whole number, or `otherwise` where it is blank or none. */
int64_t table_int(const struct table *self, int column, int64_t otherwise);
double table_number(const struct table *self, int column, double otherwise);
int64_t table_time_us(const struct table *self, int column); /* CLOCK_NONE where blank or wrong */
int32_t table_date(const struct table *self, int column);    /* 0 where blank or wrong */
uint64_t table_line(const struct table *self);
/* What was passed over so far; true too if the file ended in the middle (torn gzip). */
uint64_t table_bad_rows(const struct table *self);
bool table_torn(const struct table *self);

#endif
