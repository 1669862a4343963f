/* Walks the days in order, says of each game what would have been said then, and shows it beside what came of it. Learning is the walk
 * of fit.h; what is known of a game is made by whoever made the samples. */
#ifndef ACTORS_PREDICTOR_BACKTEST_H
#define ACTORS_PREDICTOR_BACKTEST_H

#include "actors/predictor/fit.h"
#include "actors/predictor/score.h"

struct backtest {
    int32_t from, to;
    int every;       /* days between two trainings */
    double min_edge; /* smaller edges are no bet */
    struct fit_options fit;
};
/* Of each row from <= day <= to in order, of each system that has something to say of it. */
typedef void backtest_visit(size_t row, enum system_id system, const struct said *said,
                            void *context);
/* 0; -1: why. */
int backtest_run(const struct backtest *backtest, const struct samples *samples,
                 backtest_visit *visit, void *context, char why[SYSTEM_WHY]);

/* What is said of one row around `centre`. */
void backtest_said(const struct spread *spread, const struct samples *samples, size_t row,
                   double centre, double min_edge, struct said *said);

#endif
