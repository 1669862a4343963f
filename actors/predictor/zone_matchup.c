/* zone_matchup - where his points come from against where the opponent gives them up: twos, threes, free throws; pace, home and rest
 * on top. A defence that allows more than is usual adds, one that allows less takes away. */
#include <math.h>

#include "actors/predictor/system.h"

/* What teams usually allow per 48 minutes: the zero of each zone. */
#define USUAL_TWOS 56.0
#define USUAL_THREES 38.0
#define USUAL_FREE_THROWS 17.5

static const char *const INPUTS[] = {"points_level",
                                     "points_ewma",
                                     "three_share_last_20",
                                     "free_throw_share_last_20",
                                     "opponent_twos_allowed_last_15",
                                     "opponent_three_points_allowed_last_15",
                                     "opponent_free_throws_allowed_last_15",
                                     "pace_score",
                                     "home",
                                     "back_to_back",
                                     NULL};

static bool design(const double *in, double *x)
{
    double level = in[0], threes = isnan(in[2]) ? 0 : in[2], free = isnan(in[3]) ? 0 : in[3];
    double twos = 1 - threes - free;
    x[0] = 1;
    x[1] = level;
    x[2] = in[1];
    x[3] = level * twos * (in[4] / USUAL_TWOS - 1);
    x[4] = level * threes * (in[5] / USUAL_THREES - 1);
    x[5] = level * free * (in[6] / USUAL_FREE_THROWS - 1);
    x[6] = level * (isnan(in[7]) ? 0 : in[7]) / 100;
    x[7] = level * in[8];
    x[8] = level * (isnan(in[9]) ? 0 : in[9]);
    for (int i = 0; i < 9; i++) {
        if (isnan(x[i])) {
            return false;
        }
    }
    return true;
}

static const struct system_linear LINEAR = {INPUTS, 9, design};

const struct system system_zone_matchup = {
    .name = "zone_matchup",
    .does = "where his points come from against where the opponent gives them up",
    .points_only = true,
    .linear = &LINEAR,
};
