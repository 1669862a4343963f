/* The line of a player: the median of the books' main lines, and the prices that go with it. Pure. */
#ifndef ACTORS_FEATURES_LINE_H
#define ACTORS_FEATURES_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINE_BOOKS_MAX 48

struct line_offer {
    const char *book;
    double line;
    int64_t over_price, under_price; /* American; MESSAGE_NONE: not offered */
};
struct line_median {
    int books;   /* with a main line; 0: there is no line */
    double line; /* NaN without one; the mean of the two middle ones for an even number */
    int64_t over_price,
        under_price; /* medians at the books whose main line is the line; MESSAGE_NONE: none */
};
/* From whom a book's line is: 0 from itself, above that from another site that says so (bdl-: 1, bp-: 2). A site's lines count where nobody
 * below it has one, so that no book counts twice. */
#define LINE_HANDS 3
int line_hand(const char *book);
/* `offers`: main lines on offer; a book that has several counts once, with the middle of them; at most LINE_BOOKS_MAX count. */
struct line_median line_median(const struct line_offer *offers, size_t count);

/* Of both sides' prices, the margin taken out; NaN without both. */
double line_fair_over(int64_t over_price, int64_t under_price);
/* Sorts `values`; the mean of the two middle ones for an even number, NaN of none. */
double line_median_of(double *values, size_t count);
/* Pick'em books ask one price whatever the line: it says nothing of how likely either side is. */
bool line_pickem(const char *book);
double line_price_probability(int64_t price);    /* with the book's margin in it */
int64_t line_price_american(double probability); /* nearest whole price */

#endif
