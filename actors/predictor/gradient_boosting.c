/* gradient_boosting - trees over everything that is known before a game but the line on him, learned on what the first guess (rate
 * times minutes) was off by. The line is left to the ensemble: seasons without lines teach nothing of it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/predictor/system.h"

/* Lines; and what no season but the newest has: trees would take its absence for the season. */
static const char *const LEFT_OUT[] = {
    "line",           "line_books",  "line_opening",          "line_move",
    "line_prob_over", "injury_risk", "starter_share_last_10", NULL};
static const struct boost_params PARAMS = {.rounds = 900,
                                           .depth = 5,
                                           .eta = 0.03,
                                           .subsample = 0.6,
                                           .columns = 0.4,
                                           .min_child_weight = 100,
                                           .lambda = 10,
                                           .seed = 1};
enum { PATIENCE = 60 };

static bool is_used(const char *name)
{
    for (size_t i = 0; LEFT_OUT[i]; i++) {
        if (strcmp(LEFT_OUT[i], name) == 0) {
            return false;
        }
    }
    return true;
}

struct matrix {
    float *values, *labels;
    double *guesses; /* of each row that is in */
    size_t *rows;    /* ... and which that is */
    size_t count, width;
};

static void matrix_free(struct matrix *matrix)
{
    free(matrix->values);
    free(matrix->labels);
    free(matrix->guesses);
    free(matrix->rows);
}

static const size_t *used_columns(const struct samples *samples, size_t own[SAMPLES_WIDTH_MAX],
                                  size_t *width)
{
    struct samples_found *found = samples->found;
    size_t *columns = found ? found->used : own, count = found ? found->used_count : 0;
    for (size_t i = 0;
         (!found || !found->used_count) && i < samples->width && count < SAMPLES_WIDTH_MAX; i++) {
        if (is_used(samples->names[i])) {
            columns[count++] = i;
        }
    }
    if (found) {
        found->used_count = count;
    }
    *width = count;
    return columns;
}

/* Rows of which there is a guess. -1: no memory. */
static int matrix_make(const struct samples *samples, size_t first, size_t end,
                       struct matrix *matrix)
{
    size_t own[SAMPLES_WIDTH_MAX], most = end - first;
    const struct system_guess how = system_guess_of(samples);
    *matrix = (struct matrix){.count = 0};
    const size_t *columns = used_columns(samples, own, &matrix->width);
    matrix->values = malloc((most * matrix->width + 1) * sizeof *matrix->values);
    matrix->labels = malloc((most + 1) * sizeof *matrix->labels);
    matrix->guesses = malloc((most + 1) * sizeof *matrix->guesses);
    matrix->rows = malloc((most + 1) * sizeof *matrix->rows);
    if (!matrix->values || !matrix->labels || !matrix->guesses || !matrix->rows) {
        return -1;
    }
    for (size_t i = first; i < end; i++) {
        double guess = system_guess_at(&how, samples, i);
        if (isnan(guess)) {
            continue;
        }
        size_t at = matrix->count++;
        for (size_t j = 0; j < matrix->width; j++) {
            matrix->values[at * matrix->width + j] =
                samples->values[i * samples->width + columns[j]];
        }
        matrix->guesses[at] = guess;
        matrix->rows[at] = i;
        matrix->labels[at] = (float)(samples->rows[i].actual - guess);
    }
    return 0;
}

static struct boost_rows rows_of(const struct matrix *matrix)
{
    return (struct boost_rows){matrix->values, matrix->labels, matrix->count, matrix->width};
}

static int fit(const struct system_rows *rows, const struct system_options *options,
               struct system_fit *out, char why[SYSTEM_WHY])
{
    struct matrix learn = {.count = 0}, stop = {.count = 0};
    struct boost_params params = PARAMS;
    bool early = options->rounds == 0 && options->stop_end > options->stop_first;
    int error = matrix_make(rows->samples, rows->first, rows->end, &learn);
    if (!error && early) {
        error = matrix_make(rows->samples, options->stop_first, options->stop_end, &stop);
    }
    if (error || learn.count == 0) {
        snprintf(why, SYSTEM_WHY, "%s", error ? "no memory" : "no games to learn from");
        error = -1;
    } else {
        struct boost_rows these = rows_of(&learn), held_out = rows_of(&stop);
        params.huber_slope = system_slope(rows->samples->stat);
        params.rounds = options->rounds > 0 ? options->rounds : params.rounds;
        out->boost =
            boost_fit(&these, early ? &held_out : NULL, PATIENCE, &params,
                      options->rounds > 0 ? NULL : options->limit, &out->rounds, why, SYSTEM_WHY);
        error = out->boost ? 0 : -1;
    }
    matrix_free(&learn);
    matrix_free(&stop);
    return error;
}

static int centre(const struct system_fit *learned, const struct system_rows *rows, double *out,
                  char why[SYSTEM_WHY])
{
    struct matrix matrix = {.count = 0};
    float *left = NULL;
    int error = matrix_make(rows->samples, rows->first, rows->end, &matrix);
    if (!error) {
        left = malloc((matrix.count + 1) * sizeof *left);
        error = left ? 0 : -1;
    }
    if (error) {
        snprintf(why, SYSTEM_WHY, "no memory");
    } else {
        for (size_t i = rows->first; i < rows->end; i++) {
            out[i - rows->first] = NAN;
        }
        error = matrix.count == 0 ? 0
                                  : boost_predict(learned->boost, matrix.values, matrix.count,
                                                  matrix.width, left, why, SYSTEM_WHY);
        for (size_t i = 0; i < matrix.count && !error; i++) {
            double value = matrix.guesses[i] + (double)left[i];
            out[matrix.rows[i] - rows->first] = value < 0 ? 0 : value;
        }
    }
    free(left);
    matrix_free(&matrix);
    return error;
}

const struct system system_gradient_boosting = {
    .name = "gradient_boosting",
    .does = "trees over everything that is known before the game but the line on him",
    .fit = fit,
    .centre = centre,
};
