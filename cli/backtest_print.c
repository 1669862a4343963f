#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "cli/backtest.h"
#include "config/clock.h"

static json_t *number(double value)
{
    return json_of_number(isnan(value) ? NAN : round(value * 1e6) / 1e6);
}

static json_t *share(double sum, int64_t n)
{
    return number(n > 0 ? sum / (double)n : NAN);
}

static void put_error(json_t *out, const struct score *score)
{
    json_object_set_new(out, "n", json_integer(score->n));
    json_object_set_new(out, "mae", number(score_mae(score)));
    json_object_set_new(out, "mae_se", number(score_mae_error(score)));
    json_object_set_new(out, "rmse", number(score_rmse(score)));
    json_object_set_new(out, "bias", number(score_bias(score)));
    json_object_set_new(out, "within_3", share((double)score->within_3, score->n));
}

static double rate_error(double rate, int64_t n)
{
    return n > 0 ? sqrt(rate * (1 - rate) / (double)n) : NAN;
}

static void put_lines(json_t *out, const struct score *score)
{
    double rate = score_hit_rate(score);
    json_object_set_new(out, "n_lines", json_integer(score->lines));
    json_object_set_new(out, "mae_lines", share(score->own_absolute, score->lines));
    json_object_set_new(out, "line_mae", share(score->line_absolute, score->lines));
    json_object_set_new(out, "hit_rate", number(rate));
    json_object_set_new(out, "hit_rate_se", number(rate_error(rate, score->sides)));
    json_object_set_new(out, "bets", json_integer(score->bets));
    json_object_set_new(out, "bets_won", json_integer(score->bets_won));
    json_object_set_new(out, "bets_pushed", json_integer(score->bets_pushed));
    json_object_set_new(out, "roi", number(score_return(score)));
    json_object_set_new(out, "brier", share(score->brier, score->sides));
    json_object_set_new(out, "log_loss", share(score->log_loss, score->sides));
    json_object_set_new(out, "n_priced", json_integer(score->priced));
    json_object_set_new(out, "priced_brier", share(score->priced_brier, score->priced));
    json_object_set_new(out, "priced_log_loss", share(score->priced_log_loss, score->priced));
    json_object_set_new(out, "market_brier", share(score->market_brier, score->priced));
    json_object_set_new(out, "market_log_loss", share(score->market_log_loss, score->priced));
}

static json_t *calibration_of(const struct score *score)
{
    json_t *out = json_array();
    for (int i = 0; i < SCORE_BINS; i++) {
        const struct score_bin *bin = &score->bins[i];
        json_t *row = json_object();
        double rate = bin->n > 0 ? (double)bin->over / (double)bin->n : NAN;
        json_object_set_new(row, "from", number(i / (double)SCORE_BINS));
        json_object_set_new(row, "n", json_integer(bin->n));
        json_object_set_new(row, "probability", share(bin->probability, bin->n));
        json_object_set_new(row, "observed", number(rate));
        json_object_set_new(row, "observed_se", number(rate_error(rate, bin->n)));
        json_array_append_new(out, row);
    }
    return out;
}

static json_t *parts_of(const struct found *found, int system)
{
    json_t *bands = json_array(), *months = json_array(), *out = json_object();
    for (int i = 0; i < FOUND_BANDS; i++) {
        json_t *row = json_object();
        json_object_set_new(row, "minutes_from", json_integer(found_band_from[i]));
        put_error(row, &found->band[system][i]);
        json_array_append_new(bands, row);
    }
    for (int i = 0; i < found->month_count; i++) {
        json_t *row = json_object();
        json_object_set_new(row, "month", json_integer(found->months[i]));
        put_error(row, &found->month[system][i]);
        json_array_append_new(months, row);
    }
    json_object_set_new(out, "minutes", bands);
    json_object_set_new(out, "months", months);
    return out;
}

static void add_baseline(json_t *out, const char *name, const struct score *score)
{
    if (score->n == 0) {
        return;
    }
    json_t *row = json_object();
    json_object_set_new(row, "name", json_string(name));
    put_error(row, score);
    json_object_set_new(row, "mae_lines", share(score->own_absolute, score->lines));
    json_array_append_new(out, row);
}

json_t *found_json(const struct found *found)
{
    json_t *out = json_object(), *systems = json_array(), *baselines = json_array();
    json_object_set_new(out, "from", json_of_date(found->from));
    json_object_set_new(out, "to", json_of_date(found->to));
    json_object_set_new(out, "stat", json_string(stat_name(found->stat)));
    json_object_set_new(out, "retrain_days", json_integer(found->every));
    json_object_set_new(out, "days", json_integer(found->days));
    json_object_set_new(out, "predictions", json_integer(found->games));
    for (int i = 0; i < SYSTEM_COUNT; i++) {
        const struct score *score = &found->total[i];
        if (score->n == 0) {
            continue;
        }
        json_t *row = json_object();
        json_object_set_new(row, "system", json_string(system_at((enum system_id)i)->name));
        put_error(row, score);
        put_lines(row, score);
        json_object_set_new(row, "coverage_80", share((double)score->inside, score->n));
        json_object_set_new(row, "calibration", calibration_of(score));
        json_object_set_new(row, "by", parts_of(found, i));
        json_array_append_new(systems, row);
    }
    json_object_set_new(out, "systems", systems);
    add_baseline(baselines, "weighted by age, half-life 8 games", &found->mean_by_age);
    add_baseline(baselines, "season mean", &found->season_mean);
    add_baseline(baselines, "last five", &found->last_five);
    json_object_set_new(out, "baselines", baselines);
    return out;
}

/* ---- for people ---- */

static void print_share(double sum, int64_t n, int width, int digits)
{
    if (n > 0) {
        printf(" %*.*f", width, digits, sum / (double)n);
    } else {
        printf(" %*s", width, "-");
    }
}

static void print_baseline(const char *name, const struct score *score)
{
    if (score->n == 0) {
        return;
    }
    printf("%-36s %7" PRId64 " %7.4f %7.4f %7.4f %+7.3f", name, score->n, score_mae(score),
           score_mae_error(score), score_rmse(score), score_bias(score));
    print_share((double)score->within_3, score->n, 8, 4);
    if (score->lines > 0) {
        printf("   on lines %.4f", score->own_absolute / (double)score->lines);
    }
    printf("\n");
}

static void print_lines(const struct found *found)
{
    const struct score *first = &found->total[SYSTEM_ensemble];
    if (first->lines == 0) {
        return;
    }
    printf("\nAgainst %" PRId64 " lines (the line itself is off by %.4f)\n", first->lines,
           first->line_absolute / (double)first->lines);
    printf("%-20s %8s %8s %8s %8s %8s %8s %8s %8s\n", "system", "mae", "hit_rate", "brier",
           "log_loss", "priced", "market", "bets", "roi");
    for (int i = 0; i < SYSTEM_COUNT; i++) {
        const struct score *score = &found->total[i];
        if (score->lines == 0) {
            continue;
        }
        printf("%-20s", system_at((enum system_id)i)->name);
        print_share(score->own_absolute, score->lines, 8, 4);
        print_share((double)score->hits, score->sides, 8, 4);
        print_share(score->brier, score->sides, 8, 4);
        print_share(score->log_loss, score->sides, 8, 4);
        print_share(score->priced_log_loss, score->priced, 8, 4);
        print_share(score->market_log_loss, score->priced, 8, 4);
        printf(" %8" PRId64, score->bets);
        print_share(score->returned, score->bets, 8, 4);
        printf("\n");
    }
    printf("priced: log loss on the %" PRId64 " lines with prices; market: of the prices' own "
           "probability there\n",
           first->priced);
}

static void print_calibration(const struct found *found)
{
    const struct score *score = &found->total[SYSTEM_ensemble];
    if (score->sides == 0) {
        return;
    }
    printf("\nCalibration of the ensemble: P(over) said, and how often it was\n");
    for (int i = 0; i < SCORE_BINS; i++) {
        const struct score_bin *bin = &score->bins[i];
        if (bin->n > 0) {
            double rate = (double)bin->over / (double)bin->n;
            printf("  %.1f-%.1f  n %6" PRId64 "  said %.3f  was %.3f +- %.3f\n", i / 10.0,
                   (i + 1) / 10.0, bin->n, bin->probability / (double)bin->n, rate,
                   rate_error(rate, bin->n));
        }
    }
}

static void print_parts(const struct found *found)
{
    printf("\nMean absolute error of the ensemble by minutes a game:");
    for (int i = 0; i < FOUND_BANDS; i++) {
        const struct score *score = &found->band[SYSTEM_ensemble][i];
        if (score->n > 0) {
            printf("  from %d: %.3f (%" PRId64 ")", found_band_from[i], score_mae(score), score->n);
        }
    }
    printf("\nby month:");
    for (int i = 0; i < found->month_count; i++) {
        const struct score *score = &found->month[SYSTEM_ensemble][i];
        printf("  %d-%02d: %.3f (%" PRId64 ")", found->months[i] / 100, found->months[i] % 100,
               score_mae(score), score->n);
    }
    printf("\n");
}

void found_print(const struct found *found)
{
    char from[CLOCK_DATE_SIZE], to[CLOCK_DATE_SIZE];
    clock_format_date(found->from, from);
    clock_format_date(found->to, to);
    printf("%s, %s to %s: %d days, %" PRId64 " games of players, trained every %d days\n",
           stat_name(found->stat), from, to, found->days, found->games, found->every);
    printf("%-36s %7s %7s %7s %7s %7s %8s %8s\n", "system", "n", "mae", "+-", "rmse", "bias",
           "within_3", "in_80");
    for (int i = 0; i < SYSTEM_COUNT; i++) {
        const struct score *score = &found->total[i];
        if (score->n > 0) {
            printf("%-36s %7" PRId64 " %7.4f %7.4f %7.4f %+7.3f",
                   system_at((enum system_id)i)->name, score->n, score_mae(score),
                   score_mae_error(score), score_rmse(score), score_bias(score));
            print_share((double)score->within_3, score->n, 8, 4);
            print_share((double)score->inside, score->n, 8, 4);
            printf("\n");
        }
    }
    print_baseline("(weighted by age, half-life 8 games)", &found->mean_by_age);
    print_baseline("(season mean)", &found->season_mean);
    print_baseline("(last five)", &found->last_five);
    print_lines(found);
    print_calibration(found);
    print_parts(found);
    printf("%.1f s, of which features %.1f s\n", found->seconds, found->features_seconds);
}
