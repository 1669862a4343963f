/* The system `blend`, pure: what is known of a player in, a distribution of his points and what to make of a line out.
 *
 * mean   = base + 0.9223 (line - base)      with a line, else base
 * base   = 0.5609
 *        + 0.1102 level                      season mean, as if 10 games at last-20 form were in it
 *        + 0.4098 mean weighted by age       half-life 8 games
 *        + 0.2479 points per minute x minutes weighted by age (half-life 3 games)
 *        + 0.1835 points per minute x minutes of the last game
 *        + level x (0.4213 (opponent's points allowed - 113) / 100 + 0.0102 if home + 0.0184 if back to back
 *                   - 0.0394 after more than 7 days of rest - 0.0740 more after more than 14)
 * var    = 9.2977 + 2.4787 mean
 * P      = normal with that mean and variance, taken at whole points: over 24.5 begins at 24.5, over 25 at 25.5
 *
 * tests/models/fit_blend.py fits these constants on the seasons 2021-22 to 2024-25 by least squares and prints them. Fitted
 * without 2024-25 and scored on it: MAE 4.8522 without a line (the mean weighted by age alone: 4.8820). */
#ifndef ACTORS_PREDICTOR_MODEL_H
#define ACTORS_PREDICTOR_MODEL_H

#include <stdbool.h>
#include <stdint.h>

/* The inputs, by the names that feature.player gives them. X(name, needed): a NaN where it is needed, no prediction. */
#define MODEL_INPUTS(X)                                                                            \
    X(points_avg_last_20, true)                                                                    \
    X(points_avg_season, false)                                                                    \
    X(points_ewma, true)                                                                           \
    X(ppm_last_30, true)                                                                           \
    X(minutes_ewma, true)                                                                          \
    X(minutes_last, true)                                                                          \
    X(games_season, true)                                                                          \
    X(opponent_points_allowed_last_15, false)                                                      \
    X(home, true)                                                                                  \
    X(rest_days, false)

struct model_input {
#define MODEL_INPUT(name, needed) double name;
    MODEL_INPUTS(MODEL_INPUT)
#undef MODEL_INPUT
    double line; /* NaN: none */
};
struct model_points {
    double mean, stddev;
};
/* NULL, or the name of a needed input that is missing. */
const char *model_missing(const struct model_input *input);
struct model_points model_points(const struct model_input *input);

/* P(points > line) and P(points < line); points equal to a whole line are in neither. */
double model_over(const struct model_points *points, double line);
double model_under(const struct model_points *points, double line);

enum model_side { MODEL_NO_LINE, MODEL_PASS, MODEL_OVER, MODEL_UNDER };
const char *model_side_text(enum model_side side);
struct model_bet {
    enum model_side side;
    double prob_over; /* NaN without a line */
    double edge;      /* of the better side, NaN without a line */
    double
        confidence; /* probability of the better side, pushes left out; 0 without a line: there is no side */
};
/* Prices are American, MESSAGE_NONE if not known: then both sides count as even. The better side is recommended if its
 * probability (pushes left out, as they are paid back) is `min_edge` or more above the price's, the margin taken out. */
struct model_bet model_bet(const struct model_points *points, double line, int64_t over_price,
                           int64_t under_price, double min_edge);
/* The same of probabilities from anywhere. */
struct model_bet model_bet_of(double over, double under, double line, int64_t over_price,
                              int64_t under_price, double min_edge);

double model_round(double value); /* to 6 decimals */

#endif
