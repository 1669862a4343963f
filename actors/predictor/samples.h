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
/* Which column an input was found in, by its address, and which columns trees look at: looked for by name once for one list of names, not for each
 * row that is asked about. */
#define SAMPLES_FOUND 256
#define SAMPLES_WIDTH_MAX 1024
struct samples_found {
    struct {
        const char *input; /* NULL: free */
        enum stat_id stat;
        size_t column;
    } rows[SAMPLES_FOUND];
    size_t used[SAMPLES_WIDTH_MAX], used_count; /* 0: not looked for yet */
};
struct samples {
    enum stat_id stat;
    const char *const *names; /* of the features, as feature.player has them */
    size_t width, count;      /* by date */
    const float *values;      /* count x width; NaN: not known */
    const struct sample *rows;
    struct samples_found *found; /* of these names; NULL: nothing is remembered */
};
/* Column of a feature; `width` if there is none. */
size_t samples_column(const struct samples *samples, const char *name);
/* The first row whose day is not before `date`. */
size_t samples_before(const struct samples *samples, int32_t date);

#endif
