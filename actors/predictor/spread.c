#include "actors/predictor/spread.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "actors/predictor/linear.h"
#include "actors/predictor/system.h"

#define FEWEST_MINUTES 8.0
#define LEAST_SCALE 0.5
#define FEWEST_ROWS 400u
#define PARTS 5u
#define FEWEST_IN_BAND 100u

static const double P[SPREAD_KNOTS] = {.005, .01, .02, .05, .1,  .15, .2,  .25, .3,
                                       .35,  .4,  .45, .5,  .55, .6,  .65, .7,  .75,
                                       .8,   .85, .9,  .95, .98, .99, .995};
/* Where in its unit an outcome is taken to be: the middles of five fifths. */
static const double WITHIN[PARTS] = {-.4, -.2, 0, .2, .4};

struct spread_columns {
    size_t deviation, minutes_deviation, minutes;
};

static struct spread_columns columns_of(const struct samples *samples)
{
    static const char *const INPUTS[] = {"@_std_last_10", "minutes_std_last_10", "minutes_ewma_10",
                                         NULL};
    char why[SYSTEM_WHY];
    size_t columns[SYSTEM_INPUTS_MAX];
    if (system_columns(samples, INPUTS, columns, why)) {
        return (struct spread_columns){samples->width, samples->width, samples->width};
    }
    return (struct spread_columns){columns[0], columns[1], columns[2]};
}

static double value_at(const struct samples *samples, size_t row, size_t column, double otherwise)
{
    double value =
        column < samples->width ? (double)samples->values[row * samples->width + column] : NAN;
    return isnan(value) ? otherwise : value;
}

/* Deviations that are not known yet are what is usual around such a centre. */
static void scale_row(const struct samples *samples, const struct spread_columns *columns,
                      size_t row, double centre, double *x)
{
    x[0] = 1;
    x[1] = centre;
    x[2] = value_at(samples, row, columns->deviation, system_scale(centre));
    x[3] = value_at(samples, row, columns->minutes_deviation, 5);
}

struct learn {
    const struct samples *samples;
    struct spread_columns columns;
    const double *centres;
    size_t first;
};

static double learn_row(size_t i, double *x, void *context)
{
    const struct learn *learn = context;
    size_t row = learn->first + i;
    double centre = learn->centres[row];
    if (isnan(centre) ||
        value_at(learn->samples, row, learn->columns.minutes, 0) < FEWEST_MINUTES) {
        return NAN;
    }
    scale_row(learn->samples, &learn->columns, row, centre, x);
    return fabs(learn->samples->rows[row].actual - centre);
}

static double scale_of(const struct spread *spread, const double *x)
{
    double scale = 0;
    for (int i = 0; i < SPREAD_SCALES; i++) {
        scale += spread->scale[i] * x[i];
    }
    return scale < LEAST_SCALE ? LEAST_SCALE : scale;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Quantile of sorted values, straight between them. */
static double quantile(const double *sorted, size_t count, double p)
{
    double at = p * (double)(count - 1);
    size_t low = (size_t)at;
    double rest = at - (double)low;
    return low + 1 < count ? sorted[low] + rest * (sorted[low + 1] - sorted[low]) : sorted[low];
}

static int band_of(const struct spread *spread, double centre)
{
    int band = 0;
    while (band < SPREAD_BANDS - 1 && centre >= spread->edges[band]) {
        band++;
    }
    return band;
}

static void fill_band(struct spread *spread, int band, double *z, size_t count)
{
    double sum = 0, squares = 0;
    qsort(z, count, sizeof *z, compare_doubles);
    for (int i = 0; i < SPREAD_KNOTS; i++) {
        spread->z[band][i] = quantile(z, count, P[i]);
        if (i > 0 && spread->z[band][i] < spread->z[band][i - 1] + 1e-6) {
            spread->z[band][i] = spread->z[band][i - 1] + 1e-6; /* F stays a function */
        }
    }
    for (size_t i = 0; i < count; i++) {
        sum += z[i];
        squares += z[i] * z[i];
    }
    double mean = sum / (double)count;
    spread->deviation[band] = sqrt(squares / (double)count - mean * mean);
}

/* The bands' edges: quarters of the centres. */
static void find_edges(struct spread *spread, const struct learn *learn, size_t count,
                       double *centres)
{
    size_t used = 0;
    double x[LINEAR_MOST];
    for (size_t i = 0; i < count; i++) {
        if (!isnan(learn_row(i, x, (void *)(uintptr_t)learn))) {
            centres[used++] = learn->centres[learn->first + i];
        }
    }
    qsort(centres, used, sizeof *centres, compare_doubles);
    for (int i = 0; i < SPREAD_BANDS - 1; i++) {
        spread->edges[i] = quantile(centres, used, (double)(i + 1) / SPREAD_BANDS);
    }
}

/* Where outcomes of a band, or of `all` bands, lie; how many numbers. */
static size_t list_band(const struct spread *spread, struct learn *learn, size_t count, int band,
                        bool all, double *z)
{
    size_t have = 0;
    double x[LINEAR_MOST];
    for (size_t i = 0; i < count; i++) {
        double off = learn_row(i, x, learn), centre = learn->centres[learn->first + i];
        if (isnan(off) || (!all && band_of(spread, centre) != band)) {
            continue;
        }
        double scale = scale_of(spread, x);
        for (size_t j = 0; j < PARTS; j++) {
            z[have++] =
                (learn->samples->rows[learn->first + i].actual + WITHIN[j] - centre) / scale;
        }
    }
    return have;
}

int spread_fit(struct spread *spread, const struct samples *samples, size_t first, size_t end,
               const double *centres)
{
    struct learn learn = {samples, columns_of(samples), centres, first};
    struct linear_fit how = {.width = SPREAD_SCALES, .strength = {1e-3, 1e-3, 1e-3, 1e-3}};
    size_t count = end - first, used = 0;
    double x[LINEAR_MOST];
    for (size_t i = 0; i < count; i++) {
        used += isnan(learn_row(i, x, &learn)) ? 0u : 1u;
    }
    double *z = malloc((PARTS * used + 1) * sizeof *z);
    if (!z || used < FEWEST_ROWS || linear_solve(&how, count, learn_row, &learn, spread->scale)) {
        free(z);
        return -1;
    }
    find_edges(spread, &learn, count, z);
    for (int band = 0; band < SPREAD_BANDS; band++) {
        size_t have = list_band(spread, &learn, count, band, false, z);
        if (have < PARTS * FEWEST_IN_BAND) { /* centres that are all alike leave a band empty */
            have = list_band(spread, &learn, count, band, true, z);
        }
        fill_band(spread, band, z, have);
    }
    free(z);
    return 0;
}

struct outlook spread_at(const struct spread *spread, const struct samples *samples, size_t row,
                         double centre)
{
    struct spread_columns columns = columns_of(samples);
    double x[SPREAD_SCALES];
    scale_row(samples, &columns, row, centre, x);
    return (struct outlook){spread, centre, scale_of(spread, x), band_of(spread, centre)};
}

/* ---- asking ---- */

static double table_below(const double *z, double at)
{
    const int last = SPREAD_KNOTS - 1;
    if (at < z[0]) {
        return P[0] * exp((at - z[0]) * log(P[1] / P[0]) / (z[1] - z[0]));
    }
    if (at >= z[last]) {
        return 1 - (1 - P[last]) * exp((z[last] - at) * log((1 - P[last - 1]) / (1 - P[last])) /
                                       (z[last] - z[last - 1]));
    }
    int i = 0;
    while (at >= z[i + 1]) {
        i++;
    }
    return P[i] + (P[i + 1] - P[i]) * (at - z[i]) / (z[i + 1] - z[i]);
}

double outlook_below(const struct outlook *outlook, double x)
{
    if (x < 0) {
        return 0; /* nothing is below 0, whose unit begins at -1/2 */
    }
    return table_below(outlook->spread->z[outlook->band], (x - outlook->centre) / outlook->scale);
}

double outlook_quantile(const struct outlook *outlook, double p)
{
    const double *z = outlook->spread->z[outlook->band];
    int i = 0;
    p = p < P[0] ? P[0] : p > P[SPREAD_KNOTS - 1] ? P[SPREAD_KNOTS - 1] : p;
    while (i < SPREAD_KNOTS - 2 && p >= P[i + 1]) {
        i++;
    }
    double at = z[i] + (z[i + 1] - z[i]) * (p - P[i]) / (P[i + 1] - P[i]);
    double x = outlook->centre + outlook->scale * at;
    return x < -0.5 ? -0.5 : x;
}

double outlook_median(const struct outlook *outlook)
{
    double median = outlook_quantile(outlook, 0.5);
    return median < 0 ? 0 : median;
}

double outlook_over(const struct outlook *outlook, double line)
{
    return 1 - outlook_below(outlook, floor(line) + 0.5);
}

double outlook_under(const struct outlook *outlook, double line)
{
    return outlook_below(outlook, ceil(line) - 0.5);
}

double outlook_exactly(const struct outlook *outlook, int outcome)
{
    return outlook_below(outlook, outcome + 0.5) - outlook_below(outlook, outcome - 0.5);
}

double outlook_deviation(const struct outlook *outlook)
{
    return outlook->scale * outlook->spread->deviation[outlook->band];
}
