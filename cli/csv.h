/* CSV as RFC 4180 has it, plain or gzip, read row by row with bounded memory.
 *
 * Quoted fields may hold commas, quotes (doubled) and line ends; CRLF is taken for LF. A broken row is one answer, not
 * the end: reading goes on at the line after the one the row began on. */
#ifndef CLI_CSV_H
#define CLI_CSV_H

#include <stdint.h>

#define CSV_FIELDS_MAX 64
#define CSV_ROW_MAX 65536 /* bytes */

struct csv;

enum csv_answer {
    CSV_ROW = 1,
    CSV_END = 0,
    CSV_BROKEN_ROW = -1, /* row->rule says why */
    CSV_BROKEN_FILE = -2 /* the rest cannot be read: row->rule */
};
struct csv_row {
    uint64_t line; /* the row begins on, from 1 */
    int count;
    const char *field[CSV_FIELDS_MAX]; /* NUL-terminated, valid until the next csv_next */
    const char *rule;                  /* static text */
};

struct csv *csv_open(const char *path); /* NULL with errno */
void csv_close(struct csv **self);
enum csv_answer csv_next(struct csv *self, struct csv_row *row);
uint64_t csv_bytes(const struct csv *self); /* of the file, as stored, read so far */

#endif
