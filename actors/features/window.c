#include "actors/features/window_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct feature_about FEATURES[FEATURE_COUNT] = {
#define FEATURE(name, unit, window, missing, source) {#name, unit, window, missing, source},
#include "actors/features/features.def"
#undef FEATURE
};

_Static_assert(sizeof(struct window_line) == 56, "stored as it is");
_Static_assert(sizeof(struct window_team) == 104, "stored as it is");

const struct feature_about *feature_about(enum feature feature)
{
    return &FEATURES[feature];
}

const char *feature_name(enum feature feature)
{
    return FEATURES[feature].name;
}

enum window_group window_group(const char *position)
{
    switch (position[0]) {
    case 'G':
        return GROUP_GUARD;
    case 'F':
        return GROUP_FORWARD;
    case 'C':
        return GROUP_CENTER;
    default:
        return GROUP_UNKNOWN;
    }
}

int window_stat(const struct window_line *line, enum stat_id stat)
{
#define FIELD(name) line->name
    switch (stat) {
#define STAT(name, unit, sum)                                                                      \
    case STAT_##name:                                                                              \
        return sum;
#include "schema/stats.def"
#undef STAT
    default:
        return 0;
    }
#undef FIELD
}

int window_sums_stat(const struct window_sums *sums, enum stat_id stat)
{
#define FIELD(name) sums->name
    switch (stat) {
#define STAT(name, unit, sum)                                                                      \
    case STAT_##name:                                                                              \
        return sum;
#include "schema/stats.def"
#undef STAT
    default:
        return 0;
    }
#undef FIELD
}

/* The sums of a line's own fields: a name that both structures have. */
#define SUMMED(X)                                                                                  \
    X(points)                                                                                      \
    X(rebounds)                                                                                    \
    X(assists)                                                                                     \
    X(three_pointers_made)                                                                         \
    X(minutes) X(fga) X(fgm) X(three_attempts) X(fta) X(ftm) X(turnovers) X(offensive_rebounds)

void window_sums_line(struct window_sums *sums, const struct window_line *line, int sign)
{
#define ADD(name) sums->name = (int16_t)(sums->name + sign * line->name);
    SUMMED(ADD)
#undef ADD
    int group = line->group < GROUP_COUNT ? line->group : GROUP_UNKNOWN;
    sums->group_points[group] = (int16_t)(sums->group_points[group] + sign * line->points);
    sums->group_minutes[group] = (int16_t)(sums->group_minutes[group] + sign * line->minutes);
}

void window_sums_add(struct window_sums *sums, const struct window_sums *other)
{
#define ADD(name) sums->name = (int16_t)(sums->name + other->name);
    SUMMED(ADD)
#undef ADD
    for (int i = 0; i < GROUP_COUNT; i++) {
        sums->group_points[i] = (int16_t)(sums->group_points[i] + other->group_points[i]);
        sums->group_minutes[i] = (int16_t)(sums->group_minutes[i] + other->group_minutes[i]);
    }
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

void window_set(struct window_output *output, enum feature feature, double value, size_t rests_on)
{
    output->value[feature] = window_round(value);
    output->rests_on[feature] = (int)rests_on;
}

struct line_sums window_newest(const struct window_line *lines, size_t line_count, size_t count)
{
    struct line_sums sums = {.games = line_count < count ? line_count : count};
    for (size_t i = line_count - sums.games; i < line_count; i++) {
        sums.points += lines[i].points;
        sums.points_squared += (int64_t)lines[i].points * lines[i].points;
        sums.minutes += lines[i].minutes;
        sums.fga += lines[i].fga;
        sums.fgm += lines[i].fgm;
        sums.three_attempts += lines[i].three_attempts;
        sums.threes += lines[i].three_pointers_made;
        sums.fta += lines[i].fta;
        sums.ftm += lines[i].ftm;
        sums.fouls += lines[i].fouls;
        sums.turnovers += lines[i].turnovers;
    }
    return sums;
}

int64_t window_plays(int64_t fga, int64_t fta, int64_t turnovers)
{
    return 100 * fga + 44 * fta + 100 * turnovers;
}

static size_t team_before(const struct window_team *games, size_t count, int32_t date)
{
    while (count > 0 && games[count - 1].date >= date) {
        count--;
    }
    return count;
}

static void said_values(const struct window_input *input, struct window_output *output)
{
    size_t books = (size_t)input->books;
    if (!isnan(input->line)) {
        window_set(output, FEATURE_line, input->line, books);
        window_set(output, FEATURE_line_books, input->books, books);
        if (!isnan(input->line_opening)) {
            window_set(output, FEATURE_line_opening, input->line_opening, books);
            window_set(output, FEATURE_line_move, input->line - input->line_opening, books);
        }
        if (!isnan(input->line_prob_over)) {
            window_set(output, FEATURE_line_prob_over, input->line_prob_over, books);
        }
    }
    if (!isnan(input->injury_risk)) {
        window_set(output, FEATURE_injury_risk, input->injury_risk, 1);
    }
}

static void game_values(const struct window_input *input, struct window_output *output)
{
    window_set(output, FEATURE_home, input->home, 0);
    if (input->game_id) {
        window_set(output, FEATURE_playoff_game, strncmp(input->game_id, "004", 3) == 0, 0);
    }
    if (!isnan(input->spread)) {
        window_set(output, FEATURE_spread, input->spread, 1);
    }
    if (!isnan(input->total)) {
        window_set(output, FEATURE_total, input->total, 1);
    }
    if (!isnan(input->total) && !isnan(input->spread)) {
        window_set(output, FEATURE_implied_team_points, (input->total - input->spread) / 2, 1);
    }
}

void window_past(const struct window_input *all, struct window_output *output)
{
    struct window_input before = *all; /* what is of the day or later is cut off for everybody */
    const struct window_input *input = &before;
    while (before.line_count > 0 && before.lines[before.line_count - 1].date >= before.game_date) {
        before.line_count--;
    }
    before.team_count = team_before(all->team, all->team_count, all->game_date);
    before.opponent_count = team_before(all->opponent, all->opponent_count, all->game_date);
    const size_t count = before.line_count;
    *output = (struct window_output){.line_count = count};
    for (int i = 0; i < FEATURE_COUNT; i++) {
        output->value[i] = NAN;
    }
    if (count > 0) {
        form_values(input, count, output);
        shooting_values(input, count, output);
    }
    stat_values(input, count, before.opponent_count, output);
    calendar_values(input, count, before.team_count, output);
    side_values(input, before.team_count, before.opponent_count, output);
    if (input->mate_count > 0) {
        mate_values(input, count, output);
    }
}

void window_said(const struct window_input *input, struct window_output *output)
{
    game_values(input, output);
    said_values(input, output);
}

void window_values(const struct window_input *all, struct window_output *output)
{
    window_past(all, output);
    window_said(all, output);
}

bool window_source(const struct window_output *output, enum feature feature, char text[32])
{
    if (isnan(output->value[feature])) {
        return false;
    }
    const char *source = FEATURES[feature].source;
    const size_t size = strlen(source);
    char digits[12];
    size_t count = 0;
    memcpy(text, source, size + 1);
    if (strcmp(source, "schedule") == 0) {
        return true;
    }
    for (int rest = output->rests_on[feature]; rest > 0 || count == 0; rest /= 10) {
        digits[count++] = (char)('0' + rest % 10); /* snprintf for each was a tenth of a player */
    }
    text[size] = ':';
    for (size_t i = 0; i < count; i++) {
        text[size + 1 + i] = digits[count - 1 - i];
    }
    text[size + 1 + count] = '\0';
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
