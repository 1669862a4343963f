/* Gradient-boosted trees: the one door to XGBoost. One thread each, so that the same rows give the same bytes on any machine; who has
 * more cores fits several at once. NaN is a value that is not known. */
#ifndef ACTORS_PREDICTOR_BOOST_H
#define ACTORS_PREDICTOR_BOOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct boost;

struct boost_rows {
    const float *values; /* count x width, row after row */
    const float *labels; /* NULL where there is nothing to learn from */
    size_t count, width;
};
/* How it learns. Written into the model, so that a model says how it was made. */
struct boost_params {
    int rounds, depth;
    double eta, subsample, columns, min_child_weight, lambda, huber_slope;
    int seed;
};
/* A number of rounds that becomes known while it grows: 0 as long as it is not (`wait`: until it is), -1 if it never will be. */
struct boost_limit {
    int (*rounds)(const struct boost_limit *self, bool wait);
};
/* Pseudo-Huber loss from 0: labels are what is left over of a first guess. `valid` (may be NULL): stops when its mean absolute error
 * has not improved for `patience` rounds, and keeps the best number. `limit` (may be NULL): the same as with so many rounds in `params`,
 * but begun before they are known. NULL: XGBoost says why in `why`. */
struct boost *boost_fit(const struct boost_rows *rows, const struct boost_rows *valid, int patience,
                        const struct boost_params *params, const struct boost_limit *limit,
                        int *rounds, char *why, size_t why_size);
struct boost *boost_load(const void *bytes, size_t size, char *why, size_t why_size);
void boost_free(struct boost **self);

/* The model's bytes, the same for the same model; they stay until the next call. -1: why. */
int boost_save(struct boost *self, const void **bytes, size_t *size, char *why, size_t why_size);
/* One number a row. -1: why. */
int boost_predict(struct boost *self, const float *values, size_t count, size_t width, float *out,
                  char *why, size_t why_size);

#endif
