#include "actors/predictor/backtest.h"

#include <math.h>
#include <string.h>

/* The side whose probability is `min_edge` or more above its price's. */
static void choose_bet(double min_edge, struct said *said)
{
    double settled = said->over + said->under;
    double edge = (settled > 0 ? said->over / settled : 0.5) - said->market;
    said->bet_over = edge >= 0;
    if (fabs(edge) >= min_edge) {
        said->edge = fabs(edge);
    }
}

void backtest_said(const struct spread *spread, const struct samples *samples, size_t row,
                   double centre, double min_edge, struct said *said)
{
    const struct sample *sample = &samples->rows[row];
    const struct outlook outlook = spread_at(spread, samples, row, centre);
    *said = (struct said){
        .date = sample->date,
        .predicted = outlook_median(&outlook),
        .deviation = outlook_deviation(&outlook),
        .low = outlook_quantile(&outlook, 0.1),
        .high = outlook_quantile(&outlook, 0.9),
        .actual = sample->actual,
        .line = sample->line,
        .over = NAN,
        .under = NAN,
        .market = sample->market,
        .over_price = sample->over_price,
        .under_price = sample->under_price,
        .edge = NAN,
    };
    if (!isnan(sample->line)) {
        said->over = outlook_over(&outlook, sample->line);
        said->under = outlook_under(&outlook, sample->line);
        if (!isnan(sample->market)) {
            choose_bet(min_edge, said);
        }
    }
}

static void say_step(const struct backtest *backtest, const struct fit_walk *walk,
                     const struct fit_step *step, const struct fitted *fitted,
                     backtest_visit *visit, void *context)
{
    struct said said;
    for (size_t row = step->first; row < step->end; row++) {
        for (int i = 0; i < SYSTEM_COUNT; i++) {
            double centre = walk->centres[i][row];
            if (!isnan(centre)) {
                backtest_said(&fitted->spreads[i], walk->samples, row, centre, backtest->min_edge,
                              &said);
                visit(row, (enum system_id)i, &said, context);
            }
        }
    }
}

static int forward(const struct backtest *backtest, struct fit_walk *walk, backtest_visit *visit,
                   void *context, char why[SYSTEM_WHY])
{
    for (size_t i = 0; i < walk->step_count; i++) {
        const struct fit_step *step = &walk->steps[i];
        struct fitted fitted;
        memset(&fitted, 0, sizeof fitted);
        fitted.stat = walk->samples->stat;
        if (walk->samples->rows[step->first].date < backtest->from) {
            continue;
        }
        if (fit_top(walk, step->first, &fitted, why) ||
            fit_say_top(&fitted, walk->samples, step->first, step->end, walk->centres, why)) {
            return -1;
        }
        say_step(backtest, walk, step, &fitted, visit, context);
    }
    return 0;
}

int backtest_run(const struct backtest *backtest, const struct samples *samples,
                 backtest_visit *visit, void *context, char why[SYSTEM_WHY])
{
    struct fit_walk walk;
    int error = fit_walk(&walk, samples, backtest->from, backtest->to, backtest->every,
                         &backtest->fit, why);
    if (!error) {
        error = forward(backtest, &walk, visit, context, why);
    }
    fit_walk_free(&walk);
    return error;
}
