/* What systems learn from and are scored on: players' games of the past, each with what was known before it. Borrowed from whoever
 * made them. */
#ifndef ACTORS_PREDICTOR_SAMPLES_H
#define ACTORS_PREDICTOR_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

#include "schema/stats.h"

struct sample {
    int32_t date;
    double actual; /* of the stat */
    double line;   /* NaN: none; lines are of points */
    double
        market; /* the prices' probability of over without the margin; NaN: not both prices, or of a pick'em book */
    int64_t over_price, under_price; /* American; MESSAGE_NONE */
};
struct samples {
    enum stat_id stat;
    const char *const *names; /* of the features, as feature.player has them */
    size_t width, count;      /* by date */
    const float *values;      /* count x width; NaN: not known */
    const struct sample *rows;
};
/* Column of a feature; `width` if there is none. */
size_t samples_column(const struct samples *samples, const char *name);
/* The first row whose day is not before `date`. */
size_t samples_before(const struct samples *samples, int32_t date);

#endif
