/* How good what was said was: figures over games that were not learned from. Pure. */
#ifndef ACTORS_PREDICTOR_SCORE_H
#define ACTORS_PREDICTOR_SCORE_H

#include <stdbool.h>
#include <stdint.h>

/* One thing that was said of one game, and what came of it. */
struct said {
    int32_t date;
    double minutes_average;                 /* of the season, before the game */
    double predicted, deviation, low, high; /* low, high: what 80 of 100 outcomes lie between */
    double actual;
    double line;        /* NaN: none */
    double over, under; /* probabilities; NaN without a line */
    double
        market; /* the prices' probability of over, without the margin; NaN: no prices to compare with */
    int64_t over_price, under_price;
    double edge; /* of the side that would be bet on, from min_edge up; NaN: none is */
    bool bet_over;
};

#define SCORE_BINS 10
struct score {
    int64_t n, within_3, inside;                       /* inside: low <= actual <= high */
    double absolute, squared, error, absolute_squared; /* sums; error: said - actual */
    int64_t lines, sides, hits;         /* sides: lines that the outcome was not on */
    double line_absolute, own_absolute; /* sums over lines: |line - actual|, |said - actual| */
    double brier, log_loss;             /* sums over sides */
    int64_t priced;                     /* sides of which the market says a probability */
    double priced_brier, priced_log_loss, market_brier, market_log_loss; /* sums over those */
    int64_t bets, bets_won, bets_pushed;
    double returned; /* sum of what each bet of 1 brought above its stake */
    struct score_bin {
        int64_t n, over;
        double probability; /* sum */
    } bins[SCORE_BINS];     /* of the probability of over, pushes left out */
};
void score_add(struct score *score, const struct said *said);

double score_mae(const struct score *score);       /* NaN of nothing; so are all of these */
double score_mae_error(const struct score *score); /* standard error of the mean */
double score_rmse(const struct score *score);
double score_bias(const struct score *score);
double score_hit_rate(const struct score *score);
double score_return(const struct score *score); /* per bet, at the prices quoted */

/* What a bet of 1 at an American price brings above its stake when it is won. */
double score_payout(int64_t price);
/* The share of what one has that makes it grow fastest (Kelly), for a probability of winning with pushes left out; 0 if none is worth
 * it. */
double score_kelly(double probability, int64_t price);

#endif
