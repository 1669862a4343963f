/* What his own games say: points, minutes, shooting, the other stats. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "actors/features/window_parts.h"
#include "config/clock.h"

/* 0.5^(1/n) of the half-lives that are used */
#define DECAY_3 0.79370052598409979
#define DECAY_8 0.91700404320467121
#define DECAY_10 0.93303299153680741
#define DECAY_20 0.96593632892484560
#define DECAY_25 0.97265494741228565
#define LEVEL_GAMES 10
/* Five players, four quarters of twelve, and what rounding may add; a period of overtime is 25 more. */
#define OVERTIME_MINUTES 252
#define CLOSE_POINTS 15

static double mean(int64_t sum, size_t games)
{
    return (double)sum / (double)games;
}

static size_t at_most(size_t count, size_t most)
{
    return count < most ? count : most;
}

/* Sample deviation from integer sums. */
static double deviation(int64_t sum, int64_t squares, size_t games)
{
    int64_t n = (int64_t)games;
    return sqrt((double)(n * squares - sum * sum) / (double)(n * (n - 1)));
}

typedef int line_field(const struct window_line *line);
static int points_of(const struct window_line *line)
{
    return line->points;
}
static int minutes_of(const struct window_line *line)
{
    return line->minutes;
}
static int fga_of(const struct window_line *line)
{
    return line->fga;
}
static int fta_of(const struct window_line *line)
{
    return line->fta;
}
static int twos_of(const struct window_line *line)
{
    return line->fga - line->three_attempts;
}
static int three_attempts_of(const struct window_line *line)
{
    return line->three_attempts;
}

/* Newest first, each older game weighs `decay` times the one after it. */
static double weighted(const struct window_line *lines, size_t count, size_t most, double decay,
                       line_field *field)
{
    double total = 0, weights = 0, weight = 1;
    for (size_t i = 0; i < count && i < most; i++) {
        total += weight * field(&lines[count - 1 - i]);
        weights += weight;
        weight *= decay;
    }
    return total / weights;
}

static size_t season_games(const struct window_input *input, size_t count)
{
    size_t season = 0;
    while (season < count && window_season(input->lines[count - 1 - season].date) ==
                                 window_season(input->game_date)) {
        season++;
    }
    return season;
}

static void points_values(const struct window_input *input, size_t count,
                          struct window_output *output)
{
    const struct window_line *lines = input->lines;
    struct line_sums last_5 = window_newest(lines, count, 5);
    struct line_sums last_10 = window_newest(lines, count, 10);
    struct line_sums last_20 = window_newest(lines, count, 20);
    struct line_sums known = window_newest(lines, count, WINDOW_LINES_MAX);
    size_t season = season_games(input, count), used = at_most(count, WINDOW_GAMES);
    double form = mean(last_20.points, last_20.games);

    window_set(output, FEATURE_points_avg_last_5, mean(last_5.points, last_5.games), last_5.games);
    window_set(output, FEATURE_points_avg_last_10, mean(last_10.points, last_10.games),
               last_10.games);
    window_set(output, FEATURE_points_avg_last_20, form, last_20.games);
    window_set(output, FEATURE_points_avg_known, mean(known.points, known.games), known.games);
    if (last_10.games >= 2) {
        window_set(output, FEATURE_points_std_last_10,
                   deviation(last_10.points, last_10.points_squared, last_10.games), last_10.games);
        window_set(output, FEATURE_points_std_last_20,
                   deviation(last_20.points, last_20.points_squared, last_20.games), last_20.games);
    }
    window_set(output, FEATURE_points_ewma,
               weighted(lines, count, WINDOW_GAMES, DECAY_8, points_of), used);
    window_set(output, FEATURE_points_ewma_3,
               weighted(lines, count, WINDOW_GAMES, DECAY_3, points_of), used);
    window_set(output, FEATURE_points_ewma_25,
               weighted(lines, count, WINDOW_LINES_MAX, DECAY_25, points_of), known.games);
    struct line_sums sums = window_newest(lines, count, season);
    window_set(output, FEATURE_points_level,
               ((double)sums.points + LEVEL_GAMES * form) / (double)(season + LEVEL_GAMES), count);
    if (season > 0) {
        double average = mean(sums.points, season);
        window_set(output, FEATURE_points_avg_season, average, season);
        window_set(output, FEATURE_points_trend, mean(last_5.points, last_5.games) - average,
                   season);
    }
}

/* Newest against oldest of his last five. */
static void trend_value(const struct window_line *lines, size_t count, struct window_output *output)
{
    if (count < 5) {
        return;
    }
    int halves = (lines[count - 1].points + lines[count - 2].points) -
                 (lines[count - 4].points + lines[count - 5].points); /* twice the difference */
    int size = abs(halves) >= 10 ? 2 : abs(halves) >= 4 ? 1 : 0;
    window_set(output, FEATURE_recent_trend, halves < 0 ? -size : size, 5);
}

static void opponent_games(const struct window_input *input, size_t count,
                           struct window_output *output)
{
    size_t games = 0;
    int64_t points = 0;
    if (!input->opponent_code) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (memcmp(input->lines[i].opponent, input->opponent_code, 4) == 0) {
            games++;
            points += input->lines[i].points;
        }
    }
    window_set(output, FEATURE_games_vs_opponent, (double)games, games);
    if (games > 0) {
        window_set(output, FEATURE_points_vs_opponent, mean(points, games), games);
    }
}

/* ---- games like this one ---- */

static int rest_bucket(int days)
{
    return days <= 1 ? 1 : days == 2 ? 2 : 3;
}

/* `form`: mean of the 5 games before each. */
static double alike(const struct window_input *input, size_t at, double tier, double form,
                    double form_then)
{
    const struct window_line *lines = input->lines;
    size_t count = input->line_count;
    double score = 0, apart = fabs(input->tiers[at] - tier);
    score += apart <= 2 ? 40 : apart <= 5 ? 20 : 0; /* no score where either is not known */
    int now = rest_bucket(clock_date_diff(input->game_date, lines[count - 1].date));
    int then = at > 0 ? rest_bucket(clock_date_diff(lines[at].date, lines[at - 1].date)) : 3;
    score += now == then ? 30 : abs(now - then) == 1 ? 15 : 0;
    score += lines[at].home == input->home ? 15 : 0;
    score += fabs(form - form_then) <= 3 ? 15 : 0;
    return score;
}

static void similar_value(const struct window_input *input, size_t count,
                          struct window_output *output)
{
    enum { MOST = 20 };
    /* 0.5^(i/4): halved every 60 games, in steps of 15 */
    static const double AGES[] = {
        1,      0.84089641525371454, 0.70710678118654752, 0.59460355750136053,
        0.5,    0.42044820762685727, 0.35355339059327376, 0.29730177875068027,
        0.25,   0.21022410381342864, 0.17677669529663688, 0.14865088937534013,
        0.125,  0.10511205190671432, 0.08838834764831844, 0.07432544468767006,
        0.0625, 0.05255602595335716};
    double weights[MOST];
    size_t games[MOST], kept = 0;
    if (!input->tiers || count < 10) {
        return;
    }
    double tier = window_tier(input->opponent, input->opponent_count);
    double form = (double)window_newest(input->lines, count, 5).points / 5;
    for (size_t i = 5; i < count; i++) {
        double then = (double)window_newest(input->lines, i, 5).points / 5;
        double weight = alike(input, i, tier, form, then);
        weight *= AGES[(count - 1 - i) / 15];
        size_t at = kept;
        if (kept == MOST) { /* the least alike goes; of equals the oldest */
            at = 0;
            for (size_t j = 1; j < MOST; j++) {
                bool less = weights[j] < weights[at];
                bool older = weights[j] == weights[at] && games[j] < games[at];
                at = less || older ? j : at;
            }
            if (weights[at] > weight) {
                continue;
            }
        }
        games[at] = i;
        weights[at] = weight;
        kept += at == kept;
    }
    double total = 0, sum = 0;
    for (size_t i = 0; i < kept; i++) {
        total += weights[i] * input->lines[games[i]].points;
        sum += weights[i];
    }
    if (sum > 0) {
        window_set(output, FEATURE_points_similar, total / sum, kept);
    }
}

/* His form against tonight's opponent: each game as it would be against a defence like this one. */
static void here_value(const struct window_input *input, size_t count, struct window_output *output)
{
    double total = 0, weights = 0, weight = 1;
    size_t known = 0;
    double tier = window_tier(input->opponent, input->opponent_count);
    for (size_t i = 0; i < count && i < WINDOW_GAMES && input->tiers && !isnan(tier); i++) {
        double then = input->tiers[count - 1 - i];
        if (!isnan(then)) {
            total += weight * (input->lines[count - 1 - i].points * (tier / then));
            weights += weight;
            known++;
        }
        weight *= DECAY_8;
    }
    if (known > 0) {
        window_set(output, FEATURE_points_here_ewma, total / weights, known);
    }
}

static void minutes_values(const struct window_input *input, size_t count,
                           struct window_output *output)
{
    const struct window_line *lines = input->lines;
    struct line_sums last_5 = window_newest(lines, count, 5);
    struct line_sums last_10 = window_newest(lines, count, 10);
    size_t season = season_games(input, count), used = at_most(count, WINDOW_GAMES);
    size_t ten = last_10.games, starter_known = 0;
    int64_t squares = 0, starts = 0;
    int most = 0;
    for (size_t i = count - ten; i < count; i++) {
        squares += lines[i].minutes * lines[i].minutes;
        most = lines[i].minutes > most ? lines[i].minutes : most;
        starter_known += lines[i].starter != WINDOW_NOT_KNOWN;
        starts += lines[i].starter == 1;
    }
    double recent = weighted(lines, count, WINDOW_GAMES, DECAY_3, minutes_of);
    double steady = weighted(lines, count, WINDOW_GAMES, DECAY_10, minutes_of);
    double average = mean(last_10.minutes, ten);
    window_set(output, FEATURE_minutes_avg_last_5, mean(last_5.minutes, last_5.games),
               last_5.games);
    window_set(output, FEATURE_minutes_avg_last_10, average, ten);
    window_set(output, FEATURE_minutes_ewma, recent, used);
    window_set(output, FEATURE_minutes_ewma_10, steady, used);
    window_set(output, FEATURE_minutes_last, lines[count - 1].minutes, 1);
    window_set(output, FEATURE_minutes_projected,
               0.5 * recent + 0.3 * steady + 0.2 * lines[count - 1].minutes, used);
    window_set(output, FEATURE_minutes_max_last_10, most, ten);
    if (count >= 2) {
        window_set(output, FEATURE_minutes_last_2, lines[count - 2].minutes, 1);
        window_set(output, FEATURE_minutes_std_last_10, deviation(last_10.minutes, squares, ten),
                   ten);
    }
    if (starter_known > 0) {
        window_set(output, FEATURE_starter_share_last_10, mean(starts, starter_known),
                   starter_known);
    }
    if (season > 0) {
        double season_average = mean(window_newest(lines, count, season).minutes, season);
        window_set(output, FEATURE_minutes_avg_season, season_average, season);
        if (season_average > 0) {
            window_set(output, FEATURE_minutes_change, (average - season_average) / season_average,
                       season);
        }
    }
}

void form_values(const struct window_input *input, size_t count, struct window_output *output)
{
    points_values(input, count, output);
    trend_value(input->lines, count, output);
    opponent_games(input, count, output);
    similar_value(input, count, output);
    here_value(input, count, output);
    minutes_values(input, count, output);
}

/* ---- shooting ---- */

static void share(struct window_output *output, enum feature feature, int64_t part, int64_t whole,
                  size_t games)
{
    if (whole > 0) {
        window_set(output, feature, (double)part / (double)whole, games);
    }
}

static void pace_of_scoring(const struct window_line *lines, size_t count,
                            struct window_output *output)
{
    struct line_sums last_10 = window_newest(lines, count, 10);
    struct line_sums last_30 = window_newest(lines, count, 30);
    share(output, FEATURE_ppm_last_10, last_10.points, last_10.minutes, last_10.games);
    share(output, FEATURE_ppm_last_30, last_30.points, last_30.minutes, last_30.games);
    double minutes = weighted(lines, count, WINDOW_LINES_MAX, DECAY_20, minutes_of);
    if (minutes > 0) {
        double rate = weighted(lines, count, WINDOW_LINES_MAX, DECAY_20, points_of) / minutes;
        size_t games = at_most(count, WINDOW_LINES_MAX);
        window_set(output, FEATURE_ppm_ewma, rate, games);
        window_set(output, FEATURE_points_projected,
                   rate * output->value[FEATURE_minutes_projected], games);
    }
}

/* What his attempts are worth when chance is taken out of what went in. */
static void expected_value(const struct window_line *lines, size_t count,
                           struct window_output *output)
{
    struct line_sums sums = window_newest(lines, count, WINDOW_GAMES);
    int64_t twos = sums.fga - sums.three_attempts, twos_made = sums.fgm - sums.threes;
    double two = ((double)twos_made + 50 * 0.53) / ((double)twos + 50);
    double three = ((double)sums.threes + 100 * 0.36) / ((double)sums.three_attempts + 100);
    double free = ((double)sums.ftm + 30 * 0.77) / ((double)sums.fta + 30);
    double value = 2 * two * weighted(lines, count, WINDOW_GAMES, DECAY_8, twos_of);
    value += 3 * three * weighted(lines, count, WINDOW_GAMES, DECAY_8, three_attempts_of);
    value += free * weighted(lines, count, WINDOW_GAMES, DECAY_8, fta_of);
    window_set(output, FEATURE_points_expected_ewma, value, sums.games);
}

static void shot_values(const struct window_line *lines, size_t count, struct window_output *output)
{
    struct line_sums last_10 = window_newest(lines, count, 10);
    struct line_sums last_20 = window_newest(lines, count, 20);
    struct line_sums last_30 = window_newest(lines, count, 30);
    struct line_sums last_60 = window_newest(lines, count, 60);
    size_t used = at_most(count, WINDOW_GAMES);
    window_set(output, FEATURE_fga_avg_last_10, mean(last_10.fga, last_10.games), last_10.games);
    window_set(output, FEATURE_fta_avg_last_10, mean(last_10.fta, last_10.games), last_10.games);
    window_set(output, FEATURE_three_attempts_avg_last_10,
               mean(last_10.three_attempts, last_10.games), last_10.games);
    window_set(output, FEATURE_fga_ewma, weighted(lines, count, WINDOW_GAMES, DECAY_8, fga_of),
               used);
    window_set(output, FEATURE_fta_ewma, weighted(lines, count, WINDOW_GAMES, DECAY_8, fta_of),
               used);
    share(output, FEATURE_two_pct_last_30, last_30.fgm - last_30.threes,
          last_30.fga - last_30.three_attempts, last_30.games);
    share(output, FEATURE_three_pct_last_60, last_60.threes, last_60.three_attempts, last_60.games);
    share(output, FEATURE_free_throw_pct_last_60, last_60.ftm, last_60.fta, last_60.games);
    share(output, FEATURE_true_shooting_last_20, 100 * last_20.points,
          2 * (100 * last_20.fga + 44 * last_20.fta), last_20.games);
    share(output, FEATURE_three_share_last_20, 3 * last_20.threes, last_20.points, last_20.games);
    share(output, FEATURE_free_throw_share_last_20, last_20.ftm, last_20.points, last_20.games);
    share(output, FEATURE_fouls_per_36_last_20, 36 * last_20.fouls, last_20.minutes, last_20.games);
}

/* Usage over the newest `most` games of which his team's sums are known; NaN without a minute. */
static double usage(const struct window_input *input, size_t count, size_t most, size_t *games)
{
    int64_t own = 0, could = 0;
    *games = 0;
    for (size_t i = count < most ? 0 : count - most; i < count; i++) {
        const struct window_line *line = &input->lines[i];
        const struct window_team *team = input->line_teams ? input->line_teams[i] : NULL;
        if (team) {
            own += window_plays(line->fga, line->fta, line->turnovers);
            could +=
                line->minutes * window_plays(team->own.fga, team->own.fta, team->own.turnovers);
            ++*games;
        }
    }
    return could > 0 ? (double)(own * 4800) / (double)could : NAN;
}

/* Minutes as they would be without overtime, and in games that were close to the end: of those whose team's sums are known. */
static void even_minutes(const struct window_input *input, size_t count,
                         struct window_output *output)
{
    double total = 0, weights = 0, weight = 1;
    int64_t close_minutes = 0;
    size_t close = 0, known = 0;
    for (size_t i = 0; i < count && i < WINDOW_USAGE_GAMES; i++) {
        const struct window_line *line = &input->lines[count - 1 - i];
        const struct window_team *team =
            input->line_teams ? input->line_teams[count - 1 - i] : NULL;
        if (team && team->own.minutes > 0) {
            double share = team->own.minutes > OVERTIME_MINUTES ? 240.0 / team->own.minutes : 1;
            total += weight * (line->minutes * share);
            weights += weight;
            known++;
        }
        weight *= DECAY_3;
        if (team && i < 10 && abs(team->own.points - team->other.points) <= CLOSE_POINTS) {
            close_minutes += line->minutes;
            close++;
        }
    }
    if (known > 0) {
        window_set(output, FEATURE_minutes_regulation_ewma, total / weights, known);
    }
    if (close > 0) {
        window_set(output, FEATURE_minutes_close_last_10, mean(close_minutes, close), close);
    }
}

static void usage_values(const struct window_input *input, size_t count,
                         struct window_output *output)
{
    size_t five, ten, thirty, known = 0, shared = 0;
    int64_t plus = 0, points = 0, team_points = 0;
    double usage_5 = usage(input, count, 5, &five), usage_10 = usage(input, count, 10, &ten);
    double usage_30 = usage(input, count, 30, &thirty);
    if (!isnan(usage_10)) {
        window_set(output, FEATURE_usage_last_10, usage_10, ten);
    }
    if (!isnan(usage_30)) {
        window_set(output, FEATURE_usage_last_30, usage_30, thirty);
    }
    if (!isnan(usage_5) && !isnan(usage_30)) {
        window_set(output, FEATURE_usage_change, usage_5 - usage_30, thirty);
    }
    const struct window_team *last = input->line_teams ? input->line_teams[count - 1] : NULL;
    if (last) {
        window_set(output, FEATURE_overtime_last, last->own.minutes > OVERTIME_MINUTES, 1);
    }
    for (size_t i = count < 10 ? 0 : count - 10; i < count; i++) {
        const struct window_line *line = &input->lines[i];
        const struct window_team *team = input->line_teams ? input->line_teams[i] : NULL;
        if (line->plus_minus != WINDOW_NOT_KNOWN) {
            plus += line->plus_minus;
            known++;
        }
        if (team) {
            points += line->points;
            team_points += team->own.points;
            shared++;
        }
    }
    if (known > 0) {
        window_set(output, FEATURE_plus_minus_avg_last_10, mean(plus, known), known);
    }
    share(output, FEATURE_points_share_last_10, points, team_points, shared);
}

void shooting_values(const struct window_input *input, size_t count, struct window_output *output)
{
    pace_of_scoring(input->lines, count, output);
    expected_value(input->lines, count, output);
    even_minutes(input, count, output);
    shot_values(input->lines, count, output);
    usage_values(input, count, output);
}

/* ---- the other stats ---- */

static void own_stat(const struct window_input *input, size_t count, enum stat_id stat,
                     enum feature first, struct window_output *output)
{
    const struct window_line *lines = input->lines;
    int64_t last_10 = 0, squares = 0, season_sum = 0, last_30 = 0, minutes = 0;
    size_t ten = at_most(count, 10), thirty = at_most(count, 30);
    size_t season = season_games(input, count);
    double total = 0, weights = 0, weight = 1;
    for (size_t i = 0; i < count && i < WINDOW_LINES_MAX; i++) {
        const struct window_line *line = &lines[count - 1 - i];
        int value = window_stat(line, stat);
        last_10 += i < ten ? value : 0;
        squares += i < ten ? value * value : 0;
        last_30 += i < thirty ? value : 0;
        minutes += i < thirty ? line->minutes : 0;
        season_sum += i < season ? value : 0;
        if (i < WINDOW_GAMES) {
            total += weight * value;
            weights += weight;
            weight *= DECAY_8;
        }
    }
    window_set(output, first, mean(last_10, ten), ten);
    if (season > 0) {
        window_set(output, first + 1, mean(season_sum, season), season);
    }
    window_set(output, first + 2, total / weights, at_most(count, WINDOW_GAMES));
    if (ten >= 2) {
        window_set(output, first + 3, deviation(last_10, squares, ten), ten);
    }
    share(output, first + 4, last_30, minutes, thirty);
}

void stat_values(const struct window_input *input, size_t count, size_t opponent_count,
                 struct window_output *output)
{
    static const struct {
        enum stat_id stat;
        enum feature first; /* of its six, in the order of STAT_FEATURES */
    } FAMILIES[] = {{STAT_rebounds, FEATURE_rebounds_avg_last_10},
                    {STAT_assists, FEATURE_assists_avg_last_10},
                    {STAT_threes, FEATURE_threes_avg_last_10},
                    {STAT_pra, FEATURE_pra_avg_last_10}};
    size_t used = at_most(opponent_count, 15);
    for (size_t i = 0; i < sizeof FAMILIES / sizeof FAMILIES[0]; i++) {
        int64_t allowed = 0;
        if (count > 0) {
            own_stat(input, count, FAMILIES[i].stat, FAMILIES[i].first, output);
        }
        for (size_t j = opponent_count - used; j < opponent_count; j++) {
            allowed += window_sums_stat(&input->opponent[j].other, FAMILIES[i].stat);
        }
        if (used > 0) {
            window_set(output, FAMILIES[i].first + 5, mean(allowed, used), used);
        }
    }
}
