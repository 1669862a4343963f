#include "actors/features/line.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "schema/message.h"

double line_price_probability(int64_t price)
{
    double size = (double)llabs(price);
    return price < 0 ? size / (size + 100) : 100 / (size + 100);
}

int64_t line_price_american(double probability)
{
    if (probability >= 0.5) {
        return -(int64_t)round(100 * probability / (1 - probability));
    }
    return (int64_t)round(100 * (1 - probability) / probability);
}

double line_fair_over(int64_t over_price, int64_t under_price)
{
    if (over_price == MESSAGE_NONE || under_price == MESSAGE_NONE) {
        return NAN;
    }
    double over = line_price_probability(over_price), under = line_price_probability(under_price);
    return over / (over + under);
}

bool line_pickem(const char *book)
{
    return strcmp(book, "prizepicks") == 0 || strcmp(book, "underdog") == 0;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double line_median_of(double *values, size_t count)
{
    if (count == 0) {
        return NAN;
    }
    qsort(values, count, sizeof *values, compare_doubles);
    if (count % 2 == 1) {
        return values[count / 2];
    }
    return (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* American prices jump from -100 to +100, so their median is taken as probabilities. */
static int64_t median_price(const struct line_offer *offers, size_t count, double line, bool over)
{
    double values[LINE_BOOKS_MAX];
    size_t used = 0;
    for (size_t i = 0; i < count && used < LINE_BOOKS_MAX; i++) {
        int64_t price = over ? offers[i].over_price : offers[i].under_price;
        if (offers[i].line == line && price != MESSAGE_NONE && price != 0) {
            values[used++] = line_price_probability(price);
        }
    }
    return used > 0 ? line_price_american(line_median_of(values, used)) : MESSAGE_NONE;
}

/* A book that has several main lines counts once, with the middle of them. */
static double book_line(const struct line_offer *offers, size_t count, const char *book)
{
    double values[LINE_BOOKS_MAX];
    size_t used = 0;
    for (size_t i = 0; i < count && used < LINE_BOOKS_MAX; i++) {
        if (strcmp(offers[i].book, book) == 0) {
            values[used++] = offers[i].line;
        }
    }
    return line_median_of(values, used);
}

static bool book_before(const struct line_offer *offers, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (strcmp(offers[i].book, offers[at].book) == 0) {
            return true;
        }
    }
    return false;
}

int line_hand(const char *book)
{
    return strncmp(book, "bdl-", 4) == 0 ? 1 : strncmp(book, "bp-", 3) == 0 ? 2 : 0;
}

/* Those of the first hand that has any. */
static size_t first_hand(const struct line_offer *from, size_t count,
                         struct line_offer to[LINE_BOOKS_MAX])
{
    size_t used = 0;
    for (int hand = 0; used == 0 && hand < LINE_HANDS; hand++) {
        for (size_t i = 0; i < count && used < LINE_BOOKS_MAX; i++) {
            if (line_hand(from[i].book) == hand) {
                to[used++] = from[i];
            }
        }
    }
    return used;
}

struct line_median line_median(const struct line_offer *all, size_t all_count)
{
    struct line_offer offers[LINE_BOOKS_MAX];
    size_t count = first_hand(all, all_count, offers);
    struct line_median result = {0, NAN, MESSAGE_NONE, MESSAGE_NONE};
    double values[LINE_BOOKS_MAX];
    size_t books = 0;
    for (size_t i = 0; i < count && books < LINE_BOOKS_MAX; i++) {
        if (!book_before(offers, i)) {
            values[books++] = book_line(offers, count, offers[i].book);
        }
    }
    if (books == 0) {
        return result;
    }
    result.books = (int)books;
    result.line = line_median_of(values, books);
    result.over_price = median_price(offers, count, result.line, true);
    result.under_price = median_price(offers, count, result.line, false);
    return result;
}
