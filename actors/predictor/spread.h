/* How far outcomes lie from a centre: what makes a distribution over whole points of one number. Learned from what a system said of
 * games it had not learned from.
 *
 *   scale = s0 + s1 centre + s2 (his deviation) + s3 (his minutes' deviation)     of the absolute distance
 *   F(x)  = table of (x - centre) / scale, one for each of four bands of the centre; between its knots straight, beyond them
 *           exponential
 *   P(points = k) = F(k + 1/2) - F(k - 1/2), all below 0 counted to 0
 *
 * An outcome k fills k - 1/2 to k + 1/2 evenly, when the table is learned and when it is asked: so F is smooth, an interval means what
 * it says, and a push has its own probability. */
#ifndef ACTORS_PREDICTOR_SPREAD_H
#define ACTORS_PREDICTOR_SPREAD_H

#include "actors/predictor/samples.h"

#define SPREAD_BANDS 4
#define SPREAD_KNOTS 25
#define SPREAD_SCALES 4

struct spread {
    double scale[SPREAD_SCALES];
    double edges[SPREAD_BANDS - 1];
    double z[SPREAD_BANDS][SPREAD_KNOTS];
    double deviation[SPREAD_BANDS]; /* of z */
};
/* What is known of one game's outcome. Borrows the spread. */
struct outlook {
    const struct spread *spread;
    double centre, scale;
    int band;
};

/* From rows first <= i < end whose centre is a number; those of players with few minutes are left out. -1: too few. */
int spread_fit(struct spread *spread, const struct samples *samples, size_t first, size_t end,
               const double *centres);
struct outlook spread_at(const struct spread *spread, const struct samples *samples, size_t row,
                         double centre);

double outlook_below(const struct outlook *outlook, double x);    /* F(x) */
double outlook_quantile(const struct outlook *outlook, double p); /* F(x) = p; not below -1/2 */
/* What is predicted: as likely to be passed as not; not below 0. */
double outlook_median(const struct outlook *outlook);
double outlook_over(const struct outlook *outlook, double line);    /* P(outcome > line) */
double outlook_under(const struct outlook *outlook, double line);   /* P(outcome < line) */
double outlook_exactly(const struct outlook *outlook, int outcome); /* P(outcome) */
double outlook_deviation(const struct outlook *outlook);

#endif
