#include "actors/predictor/system.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define STRENGTH 1e-3 /* keeps a column without variation from being undetermined */
#define NAME_MAX_BYTES 80

#define SYSTEM(name) extern const struct system system_##name;
#include "actors/predictor/systems.def"
#undef SYSTEM

static const struct system *const SYSTEMS[SYSTEM_COUNT] = {
#define SYSTEM(name) &system_##name,
#include "actors/predictor/systems.def"
#undef SYSTEM
};

const struct system *system_at(enum system_id id)
{
    return SYSTEMS[id];
}

enum system_id system_named(const char *name)
{
    int i = 0;
    while (i < SYSTEM_COUNT && strcmp(SYSTEMS[i]->name, name) != 0) {
        i++;
    }
    return (enum system_id)i;
}

bool system_says(enum system_id id, enum stat_id stat)
{
    return stat == STAT_points || !SYSTEMS[id]->points_only;
}

void system_fit_free(struct system_fit *fit)
{
    boost_free(&fit->boost);
}

/* "@_ewma" -> "rebounds_ewma". Points per minute have a name of their own. */
static void input_name(const char *input, enum stat_id stat, char name[NAME_MAX_BYTES])
{
    const char *at = strchr(input, '@');
    if (!at) {
        snprintf(name, NAME_MAX_BYTES, "%s", input);
    } else if (stat == STAT_points && strcmp(input, "@_per_min_last_30") == 0) {
        snprintf(name, NAME_MAX_BYTES, "ppm_last_30");
    } else {
        snprintf(name, NAME_MAX_BYTES, "%.*s%s%s", (int)(at - input), input, stat_name(stat),
                 at + 1);
    }
}

static size_t named_column(const struct samples *samples, const char *input,
                           char name[NAME_MAX_BYTES])
{
    input_name(input, samples->stat, name);
    return samples_column(samples, name);
}

/* Inputs are texts of this code: the same address is the same input. */
static size_t column_of(const struct samples *samples, const char *input)
{
    char name[NAME_MAX_BYTES];
    if (!samples->found) {
        return named_column(samples, input, name);
    }
    size_t at = ((uintptr_t)input ^ (uintptr_t)input >> 8) + (size_t)samples->stat;
    at %= SAMPLES_FOUND;
    if (samples->found->rows[at].input != input || samples->found->rows[at].stat != samples->stat) {
        samples->found->rows[at].column = named_column(samples, input, name);
        samples->found->rows[at].input = input;
        samples->found->rows[at].stat = samples->stat;
    }
    return samples->found->rows[at].column;
}

int system_columns(const struct samples *samples, const char *const *inputs,
                   size_t columns[SYSTEM_INPUTS_MAX], char why[SYSTEM_WHY])
{
    char name[NAME_MAX_BYTES];
    for (size_t i = 0; inputs[i]; i++) {
        columns[i] = column_of(samples, inputs[i]);
        if (columns[i] == samples->width) {
            input_name(inputs[i], samples->stat, name);
            snprintf(why, SYSTEM_WHY, "there is no feature %s", name);
            return -1;
        }
    }
    return 0;
}

double system_slope(enum stat_id stat)
{
    static const double SLOPES[STAT_COUNT] = {[STAT_points] = 3,
                                              [STAT_rebounds] = 1.2,
                                              [STAT_assists] = 0.9,
                                              [STAT_threes] = 0.6,
                                              [STAT_pra] = 4};
    return SLOPES[stat];
}

double system_scale(double centre)
{
    return sqrt(9.3 + 2.48 * (centre > 0 ? centre : 0));
}

struct system_guess system_guess_of(const struct samples *samples)
{
    return (struct system_guess){
        .projected =
            samples->stat == STAT_points ? column_of(samples, "points_projected") : samples->width,
        .rate = column_of(samples, "@_per_min_last_30"),
        .minutes = column_of(samples, "minutes_projected"),
        .mean = column_of(samples, "@_ewma"),
    };
}

static double value_at(const struct samples *samples, size_t row, size_t column)
{
    return column < samples->width ? (double)samples->values[row * samples->width + column] : NAN;
}

double system_guess_at(const struct system_guess *guess, const struct samples *samples, size_t row)
{
    double value = guess->projected < samples->width ? value_at(samples, row, guess->projected)
                                                     : value_at(samples, row, guess->rate) *
                                                           value_at(samples, row, guess->minutes);
    return isnan(value) ? value_at(samples, row, guess->mean) : value;
}

/* ---- linear systems ---- */

struct linear_walk {
    const struct system_linear *linear;
    const struct samples *samples;
    size_t first, columns[SYSTEM_INPUTS_MAX];
};

/* x of a row; false: it has nothing to say there. */
static bool design_row(const struct linear_walk *walk, size_t row, double *x)
{
    double inputs[SYSTEM_INPUTS_MAX];
    const float *values = walk->samples->values + row * walk->samples->width;
    for (size_t i = 0; walk->linear->inputs[i]; i++) {
        inputs[i] = (double)values[walk->columns[i]];
    }
    return walk->linear->design(inputs, x);
}

static double learn_row(size_t i, double *x, void *context)
{
    const struct linear_walk *walk = context;
    return design_row(walk, walk->first + i, x) ? walk->samples->rows[walk->first + i].actual : NAN;
}

static int linear_fit(const struct system_linear *linear, const struct system_rows *rows,
                      struct system_fit *fit, char why[SYSTEM_WHY])
{
    struct linear_walk walk = {.linear = linear, .samples = rows->samples, .first = rows->first};
    struct linear_fit how = {.width = linear->width, .slope = system_slope(rows->samples->stat)};
    for (size_t i = 0; i < linear->width; i++) {
        how.strength[i] = STRENGTH;
    }
    if (system_columns(rows->samples, linear->inputs, walk.columns, why)) {
        return -1;
    }
    if (linear_solve(&how, rows->end - rows->first, learn_row, &walk, fit->coefficients)) {
        snprintf(why, SYSTEM_WHY, "the games do not determine its weights");
        return -1;
    }
    fit->coefficient_count = linear->width;
    return 0;
}

static int linear_centre(const struct system_linear *linear, const struct system_fit *fit,
                         const struct system_rows *rows, double *out, char why[SYSTEM_WHY])
{
    struct linear_walk walk = {.linear = linear, .samples = rows->samples};
    if (fit->coefficient_count != linear->width) {
        snprintf(why, SYSTEM_WHY, "%zu weights, not the %zu of this code: train again",
                 fit->coefficient_count, linear->width);
        return -1;
    }
    if (system_columns(rows->samples, linear->inputs, walk.columns, why)) {
        return -1;
    }
    for (size_t i = rows->first; i < rows->end; i++) {
        double x[LINEAR_MOST], centre = 0;
        bool known = design_row(&walk, i, x);
        for (size_t j = 0; known && j < linear->width; j++) {
            centre += fit->coefficients[j] * x[j];
        }
        out[i - rows->first] = !known ? NAN : centre < 0 ? 0 : centre;
    }
    return 0;
}

/* ---- whichever kind ---- */

int system_learn(const struct system *system, const struct system_rows *rows,
                 const struct system_options *options, struct system_fit *fit, char why[SYSTEM_WHY])
{
    return system->linear ? linear_fit(system->linear, rows, fit, why)
                          : system->fit(rows, options, fit, why);
}

int system_say(const struct system *system, const struct system_fit *fit,
               const struct system_rows *rows, double *out, char why[SYSTEM_WHY])
{
    return system->linear ? linear_centre(system->linear, fit, rows, out, why)
                          : system->centre(fit, rows, out, why);
}
