/* tipoff backtest - walks days of the past in order and shows what would have been said beside what came. */
#include "cli/backtest.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/past_samples.h"
#include "config/clock.h"
#include "config/exit.h"
#include "config/settings.h"

const int found_band_from[FOUND_BANDS] = {0, 15, 24, 32};

struct backtest_options {
    int32_t from, to;
    int64_t every, min_games, jobs;
    double min_minutes;
    enum stat_id stat;
};

struct scoring {
    struct found *found;
    const struct past_samples *past;
    const struct backtest_options *options;
    size_t games, minutes; /* columns of what decides whether a row counts */
};

/* ---- collecting ---- */

static double value_of(const struct scoring *scoring, size_t row, size_t column)
{
    return (double)scoring->past->samples.values[row * scoring->past->samples.width + column];
}

static int band_of(double minutes)
{
    int band = 0;
    while (band + 1 < FOUND_BANDS && minutes >= found_band_from[band + 1]) {
        band++;
    }
    return band;
}

static int month_of(struct found *found, int32_t date)
{
    int last = found->month_count - 1;
    if ((last < 0 || found->months[last] != date / 100) && last + 1 < FOUND_MONTHS_MAX) {
        found->months[++last] = date / 100;
        found->month_count++;
    }
    return last;
}

static struct found_day *day_of(struct found *found, int32_t date)
{
    if (found->days == 0 || found->days_found[found->days - 1].date != date) {
        if (found->days == FOUND_DAYS_MAX) {
            return &found->days_found[found->days - 1];
        }
        found->days_found[found->days++].date = date;
    }
    return &found->days_found[found->days - 1];
}

/* What everyone starts from, on the same rows. */
static void add_baseline(struct score *score, double value, const struct said *said)
{
    struct said plain = {.predicted = value,
                         .actual = said->actual,
                         .line = said->line,
                         .over = NAN,
                         .under = NAN,
                         .market = NAN,
                         .edge = NAN};
    if (!isnan(value)) {
        plain.over = value > said->line;
        plain.under = !(value > said->line);
        score_add(score, &plain);
    }
}

static void add_baselines(const struct scoring *scoring, size_t row, const struct said *said)
{
    static const char *const NAMES[] = {"@_ewma", "@_avg_season", NULL};
    struct found *found = scoring->found;
    size_t columns[SYSTEM_INPUTS_MAX];
    char why[SYSTEM_WHY];
    if (system_columns(&scoring->past->samples, NAMES, columns, why) == 0) {
        add_baseline(&found->mean_by_age, value_of(scoring, row, columns[0]), said);
        add_baseline(&found->season_mean, value_of(scoring, row, columns[1]), said);
    }
    if (found->stat == STAT_points) {
        size_t five = samples_column(&scoring->past->samples, "points_avg_last_5");
        add_baseline(&found->last_five, value_of(scoring, row, five), said);
    }
}

static void take_said(size_t row, enum system_id system, const struct said *said, void *context)
{
    const struct scoring *scoring = context;
    struct found *found = scoring->found;
    double games = value_of(scoring, row, scoring->games);
    double minutes = value_of(scoring, row, scoring->minutes);
    if (!(games >= (double)scoring->options->min_games) ||
        !(minutes >= scoring->options->min_minutes)) {
        return;
    }
    score_add(&found->total[system], said);
    score_add(&found->band[system][band_of(minutes)], said);
    score_add(&found->month[system][month_of(found, said->date)], said);
    struct found_day *day = day_of(found, said->date);
    double error = said->predicted - said->actual;
    day->absolute[system] += fabs(error);
    int bin = (int)lround(error) + FOUND_ERRORS / 2;
    found->errors[system][bin < 0 ? 0 : bin >= FOUND_ERRORS ? FOUND_ERRORS - 1 : bin]++;
    if (system == SYSTEM_ensemble) { /* every row has one */
        day->n++;
        found->games++;
        add_baselines(scoring, row, said);
    }
}

/* ---- the command ---- */

static int read_options(const struct cli *cli, struct backtest_options *options)
{
    const char *stat = cli_option(cli, "stat");
    *options = (struct backtest_options){.every = 7,
                                         .min_games = 10,
                                         .min_minutes = 10,
                                         .jobs = sysconf(_SC_NPROCESSORS_ONLN),
                                         .stat = STAT_points};
    int code = cli_date(cli, "from", &options->from);
    code = code ? code : cli_date(cli, "to", &options->to);
    code = code ? code : cli_integer(cli, "retrain", 1, 400, &options->every);
    code = code ? code : cli_integer(cli, "min-games", 0, 82, &options->min_games);
    code = code ? code : cli_number(cli, "min-minutes", 0, 48, &options->min_minutes);
    code = code ? code : cli_integer(cli, "jobs", 1, 16, &options->jobs);
    if (code) {
        return code;
    }
    if (!options->from || !options->to || options->from > options->to) {
        return cli_fail(cli, EXIT_USAGE, "--from D --to D are needed, in that order");
    }
    if (stat && (options->stat = stat_named(stat)) == STAT_COUNT) {
        return cli_fail(cli, EXIT_USAGE,
                        "--stat %s: none of points, rebounds, assists, threes, pra", stat);
    }
    return EXIT_OK;
}

static void say_walk(size_t done, size_t all, void *context)
{
    (void)context;
    past_progress_say("training and saying:", done, all);
}

static int walk(struct cli *cli, const struct backtest_options *options, struct found *found)
{
    char why[SYSTEM_WHY] = "";
    struct past_samples past;
    int64_t begun_us = clock_mono_us();
    int code = past_samples_make(cli, options->to, (unsigned)options->jobs, &past);
    if (code) {
        return code;
    }
    past_samples_of(&past, options->stat);
    struct scoring scoring = {.found = found,
                              .past = &past,
                              .options = options,
                              .games = FEATURE_games_season,
                              .minutes = FEATURE_minutes_avg_season};
    const struct backtest backtest = {
        .from = options->from,
        .to = options->to,
        .every = (int)options->every,
        .min_edge = cli->settings->predictor.min_edge,
        .fit = {.jobs = (unsigned)options->jobs, .progress = say_walk}};
    if (backtest_run(&backtest, &past.samples, take_said, &scoring, why)) {
        code = cli_fail(cli, EXIT_NO, "%s", why);
    }
    past_progress_end();
    found->features_seconds = past.seconds;
    found->seconds = (double)(clock_mono_us() - begun_us) / 1e6;
    past_samples_free(&past);
    return code;
}

static int backtest_run_command(struct cli *cli, int argc, char **argv)
{
    struct backtest_options options;
    const char *page = cli_option(cli, "html");
    (void)argc;
    (void)argv;
    int code = read_options(cli, &options);
    struct found *found = code ? NULL : calloc(1, sizeof *found);
    if (!found) {
        return code ? code : cli_fail(cli, EXIT_UNREACHABLE, "no memory");
    }
    found->from = options.from;
    found->to = options.to;
    found->every = (int)options.every;
    found->stat = options.stat;
    code = walk(cli, &options, found);
    if (!code && found->games == 0) {
        code = cli_fail(cli, EXIT_NO,
                        "no game of those days counts: nobody who appeared had "
                        "%" PRId64 " games and %g minutes a game before it",
                        options.min_games, options.min_minutes);
    }
    if (!code && page && found_page(found, page)) {
        code = cli_fail(cli, EXIT_UNREACHABLE, "%s: %s", page, strerror(errno));
    }
    if (!code && cli->json) {
        json_t *json = found_json(found);
        json_print(stdout, json, 1);
        json_decref(json);
    } else if (!code) {
        found_print(found);
    }
    free(found);
    return code;
}

static const struct command_option OPTIONS[] = {
    {"from", "D", "first day that is said"},
    {"to", "D", "last day that is said"},
    {"retrain", "DAYS", "days between two trainings (7)"},
    {"stat", "STAT", "points, rebounds, assists, threes or pra (points)"},
    {"min-games", "N", "earlier games of the season a player needs to count (10)"},
    {"min-minutes", "M", "minutes a game of the season he needs to count (10)"},
    {"jobs", "N", "processes (one a core); the result does not depend on it"},
    {"html", "FILE", "writes a page with calibration, error by day and residuals"},
    {NULL, NULL, NULL},
};

const struct command command_backtest = {
    .name = "backtest",
    .args = "",
    .summary = "Walks days of the past in order, never looking ahead: what would have been said, "
               "and how good it was.",
    .options = OPTIONS,
    .run = backtest_run_command,
};
