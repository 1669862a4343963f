#include "actors/predictor/score.h"

#include <math.h>
#include <stdlib.h>

#define SURE 1e-6 /* no probability is taken to be nearer to 0 or 1 */

static double ratio(double sum, int64_t n)
{
    return n > 0 ? sum / (double)n : NAN;
}

static double log_loss(double probability, bool happened)
{
    double p = happened ? probability : 1 - probability;
    return -log(p < SURE ? SURE : p);
}

static double brier(double probability, bool happened)
{
    double off = probability - happened;
    return off * off;
}

double score_payout(int64_t price)
{
    return price > 0 ? (double)price / 100 : price < 0 ? 100 / (double)-price : 0;
}

double score_kelly(double probability, int64_t price)
{
    double odds = score_payout(price);
    double share = odds > 0 ? (probability * (odds + 1) - 1) / odds : 0;
    return share > 0 ? share : 0;
}

static void add_side(struct score *score, const struct said *said)
{
    double settled = said->over + said->under;
    double probability = settled > 0 ? said->over / settled : 0.5;
    bool over = said->actual > said->line;
    int bin = (int)(probability * SCORE_BINS);
    bin = bin < 0 ? 0 : bin >= SCORE_BINS ? SCORE_BINS - 1 : bin;
    score->sides++;
    score->hits += (probability > 0.5) == over;
    score->brier += brier(probability, over);
    score->log_loss += log_loss(probability, over);
    score->bins[bin].n++;
    score->bins[bin].over += over;
    score->bins[bin].probability += probability;
    if (!isnan(said->market)) {
        score->priced++;
        score->priced_brier += brier(probability, over);
        score->priced_log_loss += log_loss(probability, over);
        score->market_brier += brier(said->market, over);
        score->market_log_loss += log_loss(said->market, over);
    }
}

static void add_bet(struct score *score, const struct said *said)
{
    bool pushed = said->actual == said->line;
    bool won = !pushed && (said->actual > said->line) == said->bet_over;
    score->bets++;
    score->bets_pushed += pushed;
    score->bets_won += won;
    score->returned += pushed ? 0
                       : won  ? score_payout(said->bet_over ? said->over_price : said->under_price)
                              : -1;
}

void score_add(struct score *score, const struct said *said)
{
    double error = said->predicted - said->actual, absolute = fabs(error);
    score->n++;
    score->within_3 += absolute <= 3;
    score->inside += said->low <= said->actual && said->actual <= said->high;
    score->absolute += absolute;
    score->absolute_squared += absolute * absolute;
    score->squared += error * error;
    score->error += error;
    if (isnan(said->line)) {
        return;
    }
    score->lines++;
    score->line_absolute += fabs(said->line - said->actual);
    score->own_absolute += absolute;
    if (said->actual != said->line) {
        add_side(score, said);
    }
    if (!isnan(said->edge) && !isnan(said->market)) {
        add_bet(score, said);
    }
}

double score_mae(const struct score *score)
{
    return ratio(score->absolute, score->n);
}

double score_mae_error(const struct score *score)
{
    double mean = score_mae(score);
    double variance = ratio(score->absolute_squared, score->n) - mean * mean;
    return score->n > 1 ? sqrt((variance > 0 ? variance : 0) / (double)(score->n - 1)) : NAN;
}

double score_rmse(const struct score *score)
{
    return sqrt(ratio(score->squared, score->n));
}

double score_bias(const struct score *score)
{
    return ratio(score->error, score->n);
}

double score_hit_rate(const struct score *score)
{
    return ratio((double)score->hits, score->sides);
}

double score_return(const struct score *score)
{
    return ratio(score->returned, score->bets);
}
