/* moving_average - what he has done lately: the mean of the last ten games, of the season and weighted by age, and his rate times the
 * minutes to expect, weighed against each other as they have proved. */
#include <math.h>

#include "actors/predictor/system.h"

static const char *const INPUTS[] = {"@_avg_last_10",     "@_avg_season",      "@_ewma",
                                     "@_per_min_last_30", "minutes_projected", NULL};

static bool design(const double *in, double *x)
{
    double season = isnan(in[1]) ? in[0] : in[1]; /* his first game of it */
    x[0] = 1;
    x[1] = in[0];
    x[2] = season;
    x[3] = in[2];
    x[4] = in[3] * in[4];
    return !isnan(in[0]) && !isnan(in[2]) && !isnan(x[4]);
}

static const struct system_linear LINEAR = {INPUTS, 5, design};

const struct system system_moving_average = {
    .name = "moving_average",
    .does =
        "recent form: means of several windows and rate times minutes, weighed as they have proved",
    .linear = &LINEAR,
};
