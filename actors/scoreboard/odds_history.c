#include "actors/scoreboard/odds_history.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "config/clock.h"

enum { BOOKS_MAX = 64 };

double odds_implied(int64_t american)
{
    double price = (double)american;
    return american >= 0 ? 100 / (price + 100) : -price / (-price + 100);
}

static int order(const void *left, const void *right)
{
    const struct msg_row_odds *a = ((const struct odds_point *)left)->row,
                              *b = ((const struct odds_point *)right)->row;
    int by = strcmp(a->game_id, b->game_id);
    if (!by)
        by = (a->player_id > b->player_id) - (a->player_id < b->player_id);
    if (!by)
        by = strcmp(a->market, b->market);
    if (!by)
        by = (a->snapshot_at > b->snapshot_at) - (a->snapshot_at < b->snapshot_at);
    if (!by)
        by = strcmp(a->book, b->book);
    return by ? by : (a->line > b->line) - (a->line < b->line);
}

static bool same_subject(const struct msg_row_odds *a, const struct msg_row_odds *b)
{
    return a->player_id == b->player_id && !strcmp(a->game_id, b->game_id) &&
           !strcmp(a->market, b->market);
}

/* Each book's main line as it stands. */
struct standing {
    const struct msg_row_odds *books[BOOKS_MAX];
    int count;
};

static const struct msg_row_odds **slot_of(struct standing *self, const char *book)
{
    for (int i = 0; i < self->count; i++)
        if (!strcmp(self->books[i]->book, book))
            return &self->books[i];
    if (self->count == BOOKS_MAX)
        return NULL;
    self->books[self->count] = NULL;
    return &self->books[self->count++];
}

static void moved(struct odds_point *point, const struct msg_row_odds *before)
{
    const struct msg_row_odds *now = point->row;
    point->line_before = before ? before->line : NAN;
    point->movement =
        !before                     ? NULL
        : before->line != now->line ? "moved"
        : before->over_price != now->over_price || before->under_price != now->under_price
            ? "price_changed"
            : "no_change";
}

static int line_order(const void *left, const void *right)
{
    const double *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

static double median(const struct standing *self)
{
    double lines[BOOKS_MAX];
    if (!self->count)
        return NAN;
    for (int i = 0; i < self->count; i++)
        lines[i] = self->books[i]->line;
    qsort(lines, (size_t)self->count, sizeof *lines, line_order);
    int half = self->count / 2;
    return self->count % 2 ? lines[half] : (lines[half - 1] + lines[half]) / 2;
}

static bool better(int64_t price, int64_t than)
{
    return price != MESSAGE_NONE &&
           (than == MESSAGE_NONE || odds_implied(price) < odds_implied(than));
}

static void compare(struct odds_point *point, const struct standing *standing)
{
    const struct msg_row_odds *row = point->row;
    point->consensus = median(standing);
    point->best_over = row->over_price != MESSAGE_NONE;
    point->best_under = row->under_price != MESSAGE_NONE;
    for (int i = 0; i < standing->count; i++) {
        const struct msg_row_odds *other = standing->books[i];
        if (other->line != row->line)
            continue;
        point->best_over = point->best_over && !better(other->over_price, row->over_price);
        point->best_under = point->best_under && !better(other->under_price, row->under_price);
    }
    point->fair_over = NAN;
    if (row->over_price != MESSAGE_NONE && row->under_price != MESSAGE_NONE) {
        double over = odds_implied(row->over_price), under = odds_implied(row->under_price);
        point->fair_over = over / (over + under);
    }
}

/* All of one snapshot stand before any of it is compared: books are asked at once. */
static size_t snapshot_take(struct odds_point *points, size_t count, struct standing *standing)
{
    size_t end = 0;
    for (; end < count && points[end].row->snapshot_at == points[0].row->snapshot_at &&
           same_subject(points[end].row, points[0].row);
         end++) {
        const struct msg_row_odds **slot =
            points[end].row->main ? slot_of(standing, points[end].row->book) : NULL;
        points[end].movement = NULL;
        points[end].line_before = NAN;
        if (!slot)
            continue;
        moved(&points[end], *slot);
        *slot = points[end].row;
    }
    for (size_t i = 0; i < end; i++)
        compare(&points[i], standing);
    return end;
}

void odds_history(struct odds_point *points, size_t count)
{
    struct standing standing = {.count = 0};
    if (count)
        qsort(points, count, sizeof *points, order);
    for (size_t at = 0; at < count;) {
        if (at == 0 || !same_subject(points[at].row, points[at - 1].row))
            standing.count = 0;
        at += snapshot_take(points + at, count - at, &standing);
    }
}
