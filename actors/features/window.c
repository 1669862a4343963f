#include "actors/features/window.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "config/clock.h"

#define POINTS_DECAY 0.91700404320467121  /* 0.5^(1/8) */
#define MINUTES_DECAY 0.79370052598409979 /* 0.5^(1/3) */

static const struct {
    const char *name, *source;
} FEATURES[FEATURE_COUNT] = {
#define FEATURE(name, unit, window, missing, source) {#name, source},
#include "actors/features/features.def"
#undef FEATURE
};

_Static_assert(sizeof(struct window_line) == 48, "stored as it is");
_Static_assert(sizeof(struct window_team) == 40, "stored as it is");

const char *feature_name(enum feature feature)
{
    return FEATURES[feature].name;
}

int window_order(int32_t date_a, const char game_a[16], int32_t date_b, const char game_b[16])
{
    if (date_a != date_b) {
        return date_a < date_b ? -1 : 1;
    }
    return memcmp(game_a, game_b, 16);
}

int32_t window_season(int32_t date)
{
    int32_t year = date / 10000, month = date / 100 % 100;
    return month >= 7 ? year : year - 1;
}

double window_round(double value)
{
    return round(value * 1e6) / 1e6;
}

static void set(struct window_output *output, enum feature feature, double value, size_t rests_on)
{
    output->value[feature] = window_round(value);
    output->rests_on[feature] = (int)rests_on;
}

/* Sums over the newest `count` lines. */
struct sums {
    size_t games;
    int64_t points, points_squared, minutes, fga, fta, threes;
};

static struct sums sum_newest(const struct window_line *lines, size_t line_count, size_t count)
{
    struct sums sums = {.games = line_count < count ? line_count : count};
    for (size_t i = line_count - sums.games; i < line_count; i++) {
        sums.points += lines[i].points;
        sums.points_squared += (int64_t)lines[i].points * lines[i].points;
        sums.minutes += lines[i].minutes;
        sums.fga += lines[i].fga;
        sums.fta += lines[i].fta;
        sums.threes += lines[i].three_attempts;
    }
    return sums;
}

static double mean(int64_t sum, size_t games)
{
    return (double)sum / (double)games;
}

/* Newest first, each older game weighs `decay` times the one after it. */
static double weighted_points(const struct window_line *lines, size_t count)
{
    double total = 0, weights = 0, weight = 1;
    for (size_t i = 0; i < count && i < WINDOW_GAMES; i++) {
        total += weight * lines[count - 1 - i].points;
        weights += weight;
        weight *= POINTS_DECAY;
    }
    return total / weights;
}

static double weighted_minutes(const struct window_line *lines, size_t count)
{
    double total = 0, weights = 0, weight = 1;
    for (size_t i = 0; i < count && i < WINDOW_GAMES; i++) {
        total += weight * lines[count - 1 - i].minutes;
        weights += weight;
        weight *= MINUTES_DECAY;
    }
    return total / weights;
}

static void form_values(const struct window_line *lines, size_t count, struct window_output *output)
{
    struct sums last_5 = sum_newest(lines, count, 5), last_10 = sum_newest(lines, count, 10);
    struct sums last_20 = sum_newest(lines, count, 20), last_30 = sum_newest(lines, count, 30);
    size_t ten = last_10.games, weighted = count < WINDOW_GAMES ? count : WINDOW_GAMES;

    set(output, FEATURE_points_avg_last_5, mean(last_5.points, last_5.games), last_5.games);
    set(output, FEATURE_points_avg_last_10, mean(last_10.points, ten), ten);
    set(output, FEATURE_points_avg_last_20, mean(last_20.points, last_20.games), last_20.games);
    if (ten >= 2) {
        int64_t n = (int64_t)ten;
        int64_t spread = n * last_10.points_squared - last_10.points * last_10.points;
        set(output, FEATURE_points_std_last_10, sqrt((double)spread / (double)(n * (n - 1))), ten);
    }
    set(output, FEATURE_points_ewma, weighted_points(lines, count), weighted);
    if (last_30.minutes > 0) {
        set(output, FEATURE_ppm_last_30, (double)last_30.points / (double)last_30.minutes,
            last_30.games);
    }
    set(output, FEATURE_minutes_avg_last_10, mean(last_10.minutes, ten), ten);
    set(output, FEATURE_minutes_ewma, weighted_minutes(lines, count), weighted);
    set(output, FEATURE_minutes_last, lines[count - 1].minutes, 1);
    set(output, FEATURE_fga_avg_last_10, mean(last_10.fga, ten), ten);
    set(output, FEATURE_fta_avg_last_10, mean(last_10.fta, ten), ten);
    set(output, FEATURE_three_attempts_avg_last_10, mean(last_10.threes, ten), ten);
}

/* Plays that end with him (or the team), in hundredths: FGA + .44 FTA + TO. */
static int64_t plays_hundredths(int64_t fga, int64_t fta, int64_t turnovers)
{
    return 100 * fga + 44 * fta + 100 * turnovers;
}

static void usage_value(const struct window_input *input, size_t count,
                        struct window_output *output)
{
    int64_t own = 0, could = 0;
    size_t games = 0;
    for (size_t i = count < WINDOW_USAGE_GAMES ? 0 : count - WINDOW_USAGE_GAMES; i < count; i++) {
        const struct window_line *line = &input->lines[i];
        const struct window_team *team = input->line_teams ? input->line_teams[i] : NULL;
        if (!team) {
            continue;
        }
        own += plays_hundredths(line->fga, line->fta, line->turnovers);
        could += line->minutes * plays_hundredths(team->fga, team->fta, team->turnovers);
        games++;
    }
    if (could > 0) {
        set(output, FEATURE_usage_last_10, (double)(own * 4800) / (double)could, games);
    }
}

static void season_values(const struct window_input *input, size_t count,
                          struct window_output *output)
{
    size_t season = 0, week = 0;
    int32_t week_ago = clock_date_add(input->game_date, -7);
    while (season < count && window_season(input->lines[count - 1 - season].date) ==
                                 window_season(input->game_date)) {
        season++;
    }
    while (week < count && input->lines[count - 1 - week].date >= week_ago) {
        week++;
    }
    set(output, FEATURE_games_season, (double)season, season);
    set(output, FEATURE_games_career, (double)input->games_career, (size_t)input->games_career);
    if (count > 0) {
        set(output, FEATURE_games_in_last_7_days, (double)week, week);
    }
    if (season > 0) {
        struct sums sums = sum_newest(input->lines, count, season);
        int rest = clock_date_diff(input->game_date, input->lines[count - 1].date);
        set(output, FEATURE_points_avg_season, mean(sums.points, season), season);
        set(output, FEATURE_minutes_avg_season, mean(sums.minutes, season), season);
        set(output, FEATURE_rest_days, rest, 1);
        set(output, FEATURE_back_to_back, rest == 1, 1);
    }
}

static size_t team_before(const struct window_team *games, size_t count, int32_t date)
{
    while (count > 0 && games[count - 1].date >= date) {
        count--;
    }
    return count;
}

/* Plays per 48 minutes of the newest `most` of a team's games (240 team minutes). */
static void team_pace(const struct window_team *games, size_t count, size_t most,
                      enum feature feature, struct window_output *output)
{
    size_t used = count < most ? count : most;
    int64_t hundredths = 0, minutes = 0;
    for (size_t i = count - used; i < count; i++) {
        hundredths += plays_hundredths(games[i].fga, games[i].fta, games[i].turnovers) -
                      100 * games[i].offensive_rebounds;
        minutes += games[i].minutes;
    }
    if (minutes > 0) {
        set(output, feature, (double)(hundredths * 240) / (double)(minutes * 100), used);
    }
}

static void team_values(const struct window_input *input, struct window_output *output)
{
    size_t team = team_before(input->team, input->team_count, input->game_date);
    size_t opponent = team_before(input->opponent, input->opponent_count, input->game_date);
    size_t used = opponent < WINDOW_TEAM_GAMES ? opponent : WINDOW_TEAM_GAMES;
    int64_t allowed = 0;
    for (size_t i = opponent - used; i < opponent; i++) {
        allowed += input->opponent[i].allowed;
    }
    if (used > 0) {
        set(output, FEATURE_opponent_points_allowed_last_15, mean(allowed, used), used);
    }
    team_pace(input->opponent, opponent, WINDOW_TEAM_GAMES, FEATURE_opponent_pace_last_15, output);
    team_pace(input->team, team, 10, FEATURE_team_pace_last_10, output);
}

void window_values(const struct window_input *input, struct window_output *output)
{
    size_t count = input->line_count;
    while (count > 0 && input->lines[count - 1].date >= input->game_date) {
        count--;
    }
    *output = (struct window_output){.line_count = count};
    for (int i = 0; i < FEATURE_COUNT; i++) {
        output->value[i] = NAN;
    }
    if (count > 0) {
        form_values(input->lines, count, output);
        usage_value(input, count, output);
    }
    season_values(input, count, output);
    team_values(input, output);
    set(output, FEATURE_home, input->home, 0);
    if (!isnan(input->line)) {
        set(output, FEATURE_line, input->line, (size_t)input->books);
        set(output, FEATURE_line_books, input->books, (size_t)input->books);
    }
}

bool window_source(const struct window_output *output, enum feature feature, char text[32])
{
    if (isnan(output->value[feature])) {
        return false;
    }
    const char *source = FEATURES[feature].source;
    if (strcmp(source, "schedule") == 0) {
        snprintf(text, 32, "%s", source);
    } else {
        snprintf(text, 32, "%s:%d", source, output->rests_on[feature]);
    }
    return true;
}

double window_quality(const struct window_output *output)
{
    int known = 0;
    for (int i = 0; i < FEATURE_COUNT; i++) {
        known += !isnan(output->value[i]);
    }
    return window_round((double)known / FEATURE_COUNT);
}
