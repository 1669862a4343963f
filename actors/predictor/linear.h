/* Linear regression by iteratively re-weighted least squares: the fit that is least off in absolute terms, smoothed near zero
 * (pseudo-Huber), drawn towards a prior. By hand: it is thirty lines, and no numerical library is needed for anything else. */
#ifndef ACTORS_PREDICTOR_LINEAR_H
#define ACTORS_PREDICTOR_LINEAR_H

#include <stddef.h>

#define LINEAR_MOST 24

struct linear_fit {
    size_t width;
    double slope; /* residuals below it count squared, above it in absolute terms; 0: all squared */
    double prior[LINEAR_MOST]; /* what the coefficients are without rows */
    double
        strength[LINEAR_MOST]; /* ... and how many rows' worth of squared input hold them there */
};
/* `row(i, x, context)` gives row i's inputs in x[0..width) and returns its label; NaN: leave the row out. The same rows in the same
 * order give the same bits. 0; -1: they do not determine it. */
typedef double linear_row(size_t i, double *x, void *context);
int linear_solve(const struct linear_fit *fit, size_t count, linear_row *row, void *context,
                 double *coefficients);

#endif
