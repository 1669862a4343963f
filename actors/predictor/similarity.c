/* similarity - what he did in those of his games that were most like this one (feature points_similar says how they are chosen),
 * drawn towards his level. */
#include <math.h>

#include "actors/predictor/system.h"

static const char *const INPUTS[] = {"points_similar",    "points_level", "ppm_last_30",
                                     "minutes_projected", "home",         NULL};

static bool design(const double *in, double *x)
{
    x[0] = 1;
    x[1] = in[0];
    x[2] = in[1];
    x[3] = in[2] * in[3];
    x[4] = in[1] * in[4];
    return !isnan(in[0]) && !isnan(in[1]) && !isnan(x[3]) && !isnan(in[4]);
}

static const struct system_linear LINEAR = {INPUTS, 5, design};

const struct system system_similarity = {
    .name = "similarity",
    .does = "what he did in those of his games that were most like this one",
    .points_only = true,
    .linear = &LINEAR,
};
