/* ensemble - the others weighed as they have proved on games they had not learned from, and the line where there is one.
 *
 *   centre = boosting + b + sum of w_s (centre_s - boosting)                                  without a line
 *   centre = boosting + b' + sum of w'_s (centre_s - boosting) + w_m (market - boosting)      with one
 *   market = line + deviation x probit(the prices' probability of over)
 *
 * A system that has nothing to say counts as the boosting does. Before lines were seen w_m is drawn to PRIOR_MARKET. */
#include <math.h>
#include <stdio.h>

#include "actors/predictor/system.h"

#define STRENGTH 2000.0 /* holds a weight at its prior as so many squared points do */
#define PRIOR_MARKET 0.7
#define MARKET_STRENGTH 3000.0

enum {
    OTHERS = SYSTEM_gradient_boosting, /* those before it */
    WIDTH_PLAIN = 1 + OTHERS,
    WIDTH_LINED = 2 + OTHERS,
    WIDTH = WIDTH_PLAIN + WIDTH_LINED
};

/* The normal's quantile, by Newton. */
static double probit(double p)
{
    double x = 0;
    p = p < 0.02 ? 0.02 : p > 0.98 ? 0.98 : p;
    for (int i = 0; i < 20; i++) {
        double off = 0.5 * erfc(-x / 1.4142135623730951) - p;
        x -= off / (0.3989422804014327 * exp(-x * x / 2));
    }
    return x;
}

static double market(const struct sample *sample, double boosting)
{
    return isnan(sample->market) ? sample->line
                                 : sample->line + system_scale(boosting) * probit(sample->market);
}

/* x[0..): 1 and what each of the others says more than the boosting, and the market behind them. */
static bool design(const struct system_rows *rows, size_t i, double *x, bool *lined)
{
    double boosting = rows->centres[SYSTEM_gradient_boosting][i];
    const struct sample *sample = &rows->samples->rows[i];
    if (isnan(boosting)) {
        return false;
    }
    x[0] = 1;
    for (int s = 0; s < OTHERS; s++) {
        double centre = rows->centres[s][i];
        x[1 + s] = isnan(centre) ? 0 : centre - boosting;
    }
    *lined = !isnan(sample->line);
    if (*lined) {
        x[WIDTH_PLAIN] = market(sample, boosting) - boosting;
    }
    return true;
}

struct learn {
    const struct system_rows *rows;
    bool lined;
};

static double learn_row(size_t i, double *x, void *context)
{
    const struct learn *learn = context;
    size_t row = learn->rows->first + i;
    bool lined;
    if (!design(learn->rows, row, x, &lined) || (learn->lined && !lined)) {
        return NAN;
    }
    return learn->rows->samples->rows[row].actual -
           learn->rows->centres[SYSTEM_gradient_boosting][row];
}

static int fit(const struct system_rows *rows, const struct system_options *options,
               struct system_fit *out, char why[SYSTEM_WHY])
{
    struct learn plain = {rows, false}, lined = {rows, true};
    struct linear_fit how = {.width = WIDTH_PLAIN, .slope = system_slope(rows->samples->stat)};
    (void)options;
    for (int i = 0; i < WIDTH_LINED; i++) {
        how.strength[i] = STRENGTH;
    }
    how.strength[0] = 100;
    int error = linear_solve(&how, rows->end - rows->first, learn_row, &plain, out->coefficients);
    if (!error) { /* with a line: what holds without one, until lines have proved otherwise */
        how.width = WIDTH_LINED;
        for (int i = 1; i < WIDTH_PLAIN; i++) {
            how.prior[i] = out->coefficients[i] * (1 - PRIOR_MARKET);
        }
        how.prior[WIDTH_PLAIN] = PRIOR_MARKET;
        how.strength[WIDTH_PLAIN] = MARKET_STRENGTH;
        error = linear_solve(&how, rows->end - rows->first, learn_row, &lined,
                             out->coefficients + WIDTH_PLAIN);
    }
    if (error) {
        snprintf(why, SYSTEM_WHY, "the games do not determine its weights");
    }
    out->coefficient_count = WIDTH;
    return error;
}

static int centre(const struct system_fit *learned, const struct system_rows *rows, double *out,
                  char why[SYSTEM_WHY])
{
    if (learned->coefficient_count != WIDTH) {
        snprintf(why, SYSTEM_WHY, "%zu weights, not %d", learned->coefficient_count, WIDTH);
        return -1;
    }
    for (size_t i = rows->first; i < rows->end; i++) {
        double x[LINEAR_MOST], value = NAN;
        bool lined;
        if (design(rows, i, x, &lined)) {
            const double *weights = learned->coefficients + (lined ? WIDTH_PLAIN : 0);
            value = rows->centres[SYSTEM_gradient_boosting][i];
            for (int j = 0; j < (lined ? WIDTH_LINED : WIDTH_PLAIN); j++) {
                value += weights[j] * x[j];
            }
            value = value < 0 ? 0 : value;
        }
        out[i - rows->first] = value;
    }
    return 0;
}

const struct system system_ensemble = {
    .name = "ensemble",
    .does = "the others weighed as they have proved, and the line where there is one",
    .from_others = true,
    .fit = fit,
    .centre = centre,
};
