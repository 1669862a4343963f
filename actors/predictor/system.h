/* A system: how a number is expected from what is known. It learns from games of the past and says of any game the value that the
 * outcome is as likely to be above as below (its centre); spread.h makes a distribution of that. One file each, behind
 * one table (systems.def).
 *
 * Pure: the same samples give the same bytes. No clock; randomness is the seed's. */
#ifndef ACTORS_PREDICTOR_SYSTEM_H
#define ACTORS_PREDICTOR_SYSTEM_H

#include <stdbool.h>

#include "actors/predictor/boost.h"
#include "actors/predictor/linear.h"
#include "actors/predictor/samples.h"

enum system_id {
#define SYSTEM(name) SYSTEM_##name,
#include "actors/predictor/systems.def"
#undef SYSTEM
    SYSTEM_COUNT
};

#define SYSTEM_WHY 200
#define SYSTEM_INPUTS_MAX 24

/* What a system has learned. */
struct system_fit {
    double coefficients[LINEAR_MOST];
    size_t coefficient_count;
    struct boost *boost; /* owned; NULL: it has none */
    int rounds;
};
void system_fit_free(struct system_fit *fit);

/* The rows first <= i < end, and for the last system what the others say of them (row i of system s at centres[s][i]). */
struct system_rows {
    const struct samples *samples;
    size_t first, end;
    double *const *centres;
};
struct system_options {
    int rounds; /* of boosting; 0: stopped early on `stop_first <= i < stop_end`, or at `limit` */
    size_t stop_first, stop_end;
    const struct boost_limit *limit; /* NULL: none */
};

/* A linear system: x of a row from its inputs (features by name, "@" for the stat; NULL ends them); false: nothing to say. */
typedef bool system_design(const double *inputs, double *x);
struct system_linear {
    const char *const *inputs;
    size_t width;
    system_design *design;
};

struct system {
    const char *name;
    const char *does; /* one line */
    bool points_only; /* says nothing of other stats */
    bool from_others; /* learns from what the others said of rows they had not learned from */
    const struct system_linear *linear; /* it is this and no more; the two below are NULL then */
    /* 0; -1: why. */
    int (*fit)(const struct system_rows *rows, const struct system_options *options,
               struct system_fit *fit, char why[SYSTEM_WHY]);
    /* Writes out[i - first]; NaN where it has nothing to say. */
    int (*centre)(const struct system_fit *fit, const struct system_rows *rows, double *out,
                  char why[SYSTEM_WHY]);
};
const struct system *system_at(enum system_id id);
/* SYSTEM_COUNT if there is none of that name. */
enum system_id system_named(const char *name);
bool system_says(enum system_id id, enum stat_id stat);

/* A system's fit and centre, whichever kind it is. */
int system_learn(const struct system *system, const struct system_rows *rows,
                 const struct system_options *options, struct system_fit *fit,
                 char why[SYSTEM_WHY]);
int system_say(const struct system *system, const struct system_fit *fit,
               const struct system_rows *rows, double *out, char why[SYSTEM_WHY]);

/* For the systems: columns of inputs by name ("@_ewma" of rebounds is rebounds_ewma); -1: why names one that is missing. */
int system_columns(const struct samples *samples, const char *const *inputs,
                   size_t columns[SYSTEM_INPUTS_MAX], char why[SYSTEM_WHY]);
/* The first guess that is improved on: minutes projected times what he makes of them; else his weighted mean; NaN. */
struct system_guess {
    size_t projected, rate, minutes, mean; /* columns; the width where there is none */
};
struct system_guess system_guess_of(const struct samples *samples);
double system_guess_at(const struct system_guess *guess, const struct samples *samples, size_t row);
/* Smaller residuals than this count squared, larger ones in absolute terms: about two fifths of what outcomes deviate. */
double system_slope(enum stat_id stat);
/* Rough deviation of points around `centre`, where a scale is needed before there is a spread. */
double system_scale(double centre);

#endif
