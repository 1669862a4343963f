/* What each snapshot of a line says beside the others: whether its book moved, what all books had then, whose price was best, and the
 * price without the margin. Pure. */
#ifndef ACTORS_SCOREBOARD_ODDS_HISTORY_H
#define ACTORS_SCOREBOARD_ODDS_HISTORY_H

#include <stdbool.h>
#include <stddef.h>

#include "schema/messages.h"

struct odds_point {
    const struct msg_row_odds *row; /* in */
    int64_t tip_at;
    const char *tag;
    /* out; of a book's main lines only, the rest has no movement: */
    const char *movement; /* moved, price_changed, no_change; NULL: its first, or no main line */
    double line_before;   /* of the book's main line before it; NAN: none */
    double consensus;     /* median of the books' main lines as of this snapshot; NAN: none */
    bool best_over, best_under; /* no book had a better price at this line then */
    double fair_over; /* P(over) by its two prices, margin removed in proportion; NAN: one-sided */
};
/* Sorts the points: game, player, market, snapshot, book, line. */
void odds_history(struct odds_point *points, size_t count);
/* What an American price says of the probability, margin included. */
double odds_implied(int64_t american);

#endif
