/* The features of games that were played, each as it was before its day: what training and backtest learn from and walk through. Made
 * from the store of the features actor by the same code that made, or would have made, feature.player then. */
#ifndef ACTORS_FEATURES_PAST_H
#define ACTORS_FEATURES_PAST_H

#include "actors/features/window.h"
#include "store/store.h"

/* A player who appeared in a game. */
struct past_row {
    int32_t date;
    char game_id[17];
    char team[5], opponent[5];
    char player_name[72];
    int64_t player_id;
    bool home;
    int minutes;
    int actual[STAT_COUNT];
    double line; /* NaN: none */
    int64_t over_price, under_price;
    double
        market; /* probability of over by those prices, without the margin; NaN: not both, or of pick'em books alone */
    int books;
};
struct past {
    size_t count; /* ordered by date, game, player */
    struct past_row *rows;
    float *values; /* count x FEATURE_COUNT, NaN: unknown */
    size_t mapped; /* bytes of both */
};
/* Of the days from <= day <= to. `jobs` processes work on it (1: this one alone); the result does not depend on how many.
 * The first of `txns` is read for history; each is asked for odds (a shard of features has those of its games). 0 or a store_error. `progress` (may be NULL) is told how much is done, in this process. */
typedef void past_progress(size_t done, size_t all, void *context);
int past_build(struct store_txn *const *txns, size_t txn_count, int32_t from, int32_t to,
               unsigned jobs, past_progress *progress, void *context, struct past *past);
void past_free(struct past *past);

#endif
