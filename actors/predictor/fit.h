/* Learning: all systems, walked forward. What a system is trusted by is what it said of games it had not learned from.
 *
 *   steps     the days are cut; of each step's games every system says what it learned from all games before the step
 *   top       the ensemble's weights and every system's spread, from the newest FIT_WINDOW_DAYS game days of what was said so
 *
 * train and backtest are the same walk: training ends with a step that has no games yet. Steps are worked out by several processes;
 * the result does not depend on how many. */
#ifndef ACTORS_PREDICTOR_FIT_H
#define ACTORS_PREDICTOR_FIT_H

#include "actors/predictor/spread.h"
#include "actors/predictor/system.h"

#define FIT_WINDOW_DAYS 168 /* about a season; where less is known, two thirds of it */
#define FIT_STEP_DAYS 28

/* What has been learned of one stat. */
struct fitted {
    enum stat_id stat;
    struct system_fit fits[SYSTEM_COUNT];
    struct spread spreads[SYSTEM_COUNT];
    struct fit_figures {
        int64_t n;
        double mae;          /* NaN: it says nothing of this stat */
        int64_t inside;      /* the 80 % interval */
    } figures[SYSTEM_COUNT]; /* fit_proof's */
};
void fitted_free(struct fitted *fitted);

struct fit_step {
    size_t first, end; /* rows of it */
};
struct fit_walk {
    const struct samples *samples;
    struct fit_step *steps;
    size_t step_count;
    double *centres[SYSTEM_COUNT]; /* what each said of each row; NaN outside the steps */
    int rounds;                    /* of boosting, found on the first step */
    size_t mapped;
};
/* Called in this process when a step is done. */
typedef void fit_progress(size_t done, size_t all, void *context);
struct fit_options {
    unsigned jobs; /* processes */
    fit_progress *progress;
    /* Done by this process while others are at the steps, once the number of rounds is known; may be NULL. 0; -1: why. */
    int (*beside)(int rounds, void *context, char why[SYSTEM_WHY]);
    void *context;
};

/* Cuts the game days before `from` into steps of FIT_STEP_DAYS, FIT_WINDOW_DAYS of them, and those from `from` to `to` into steps of
 * `every` calendar days; then walks all but the last system through them. 0; -1: why. */
int fit_walk(struct fit_walk *walk, const struct samples *samples, int32_t from, int32_t to,
             int every, const struct fit_options *options, char why[SYSTEM_WHY]);
void fit_walk_free(struct fit_walk *walk);

/* The ensemble and the spreads as of row `end`: from what was said of the window before it. -1: why. */
int fit_top(const struct fit_walk *walk, size_t end, struct fitted *fitted, char why[SYSTEM_WHY]);
/* All systems but the ensemble, on all rows before `end`. */
int fit_base(const struct samples *samples, size_t end, int rounds, struct fitted *fitted,
             char why[SYSTEM_WHY]);
/* What every system says of rows first <= i < end: into centres[system][i]; the ensemble out of the others. */
int fit_say(const struct fitted *fitted, const struct samples *samples, size_t first, size_t end,
            double *const centres[SYSTEM_COUNT], char why[SYSTEM_WHY]);

/* The ensemble alone, where the others have been asked. */
int fit_say_top(const struct fitted *fitted, const struct samples *samples, size_t first,
                size_t end, double *const centres[SYSTEM_COUNT], char why[SYSTEM_WHY]);

/* How all do on the newer half of the window, with an ensemble and spreads from the days before it: what is scored was not learned from
 * by anything. Fills `figures`; leaves what the ensemble said there in the walk's centres. */
int fit_proof(const struct fit_walk *walk, size_t end, struct fitted *fitted, char why[SYSTEM_WHY]);

#endif
