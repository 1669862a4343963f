/* The calendar, both teams, and who is with his. */
#include <math.h>
#include <string.h>

#include "actors/features/window_parts.h"
#include "config/clock.h"

static size_t newer_than(const struct window_line *lines, size_t count, int32_t date,
                         int64_t *minutes)
{
    size_t games = 0;
    *minutes = 0;
    while (games < count && lines[count - 1 - games].date >= date) {
        *minutes += lines[count - 1 - games].minutes;
        games++;
    }
    return games;
}

/* Pairs of games on two days running, the second in the newest `games`. */
static size_t back_to_backs(const struct window_line *lines, size_t count, size_t games)
{
    size_t pairs = 0;
    for (size_t i = count - games; i < count; i++) {
        pairs += i > 0 && clock_date_diff(lines[i].date, lines[i - 1].date) == 1;
    }
    return pairs;
}

static double fatigue(int rest, size_t week, int64_t week_minutes, size_t pairs)
{
    double score = 100;
    score += rest == 1 ? -15 : rest >= 3 ? 5 : 0;
    score -= week >= 4 ? 10 : 0;
    score -= week_minutes > 240 ? 10 : 0;
    score -= week > 0 && week_minutes > 35 * (int64_t)week ? 8 : 0;
    score -= pairs >= 2 ? 12 : pairs == 1 ? 5 : 0;
    return score < 0 ? 0 : score > 100 ? 100 : score;
}

/* Of his team's games: those since his last one, and how many of the newest ten he was in. */
static void missed_values(const struct window_input *input, size_t count, size_t season,
                          size_t team_count, struct window_output *output)
{
    const struct window_line *lines = input->lines;
    size_t ten = team_count < 10 ? team_count : 10, there = 0, missed = 0;
    for (size_t i = team_count, at = count; i > team_count - ten; i--) {
        const struct window_team *game = &input->team[i - 1];
        while (at > 0 && window_order(lines[at - 1].date, lines[at - 1].game_id, game->date,
                                      game->game_id) > 0) {
            at--;
        }
        there += at > 0 && window_order(lines[at - 1].date, lines[at - 1].game_id, game->date,
                                        game->game_id) == 0;
    }
    if (ten > 0) {
        window_set(output, FEATURE_played_share_last_10, (double)there / (double)ten, ten);
    }
    while (season > 0 && missed < team_count &&
           window_order(input->team[team_count - 1 - missed].date,
                        input->team[team_count - 1 - missed].game_id, lines[count - 1].date,
                        lines[count - 1].game_id) > 0) {
        missed++;
    }
    if (season > 0) {
        window_set(output, FEATURE_team_games_missed, (double)missed, missed);
    }
}

void calendar_values(const struct window_input *input, size_t count, size_t team_count,
                     struct window_output *output)
{
    const struct window_line *lines = input->lines;
    int64_t week_minutes, fortnight_minutes;
    size_t season = 0, here = 0;
    size_t week = newer_than(lines, count, clock_date_add(input->game_date, -7), &week_minutes);
    size_t fortnight =
        newer_than(lines, count, clock_date_add(input->game_date, -14), &fortnight_minutes);
    while (season < count &&
           window_season(lines[count - 1 - season].date) == window_season(input->game_date)) {
        here +=
            input->team_code && memcmp(lines[count - 1 - season].team, input->team_code, 4) == 0;
        season++;
    }
    window_set(output, FEATURE_games_season, (double)season, season);
    window_set(output, FEATURE_games_with_team, (double)here, season);
    window_set(output, FEATURE_games_career, (double)input->games_career,
               (size_t)input->games_career);
    int rest = season > 0 ? clock_date_diff(input->game_date, lines[count - 1].date) : 99;
    if (count > 0) {
        window_set(output, FEATURE_games_in_last_7_days, (double)week, week);
        window_set(output, FEATURE_games_in_last_14_days, (double)fortnight, fortnight);
        window_set(output, FEATURE_minutes_in_last_7_days, (double)week_minutes, week);
        window_set(
            output, FEATURE_fatigue_score,
            fatigue(rest, week, week_minutes, back_to_backs(lines, count, fortnight) + (rest == 1)),
            fortnight);
    }
    if (season > 0) {
        window_set(output, FEATURE_rest_days, rest, 1);
        window_set(output, FEATURE_back_to_back, rest == 1, 1);
    }
    missed_values(input, count, season, team_count, output);
}

/* ---- teams ---- */

static struct window_sums sum_games(const struct window_team *games, size_t count, size_t used,
                                    bool other)
{
    struct window_sums sums;
    memset(&sums, 0, sizeof sums);
    for (size_t i = count - used; i < count; i++) {
        window_sums_add(&sums, other ? &games[i].other : &games[i].own);
    }
    return sums;
}

/* Plays per 48 minutes of the newest `most` of a team's games (240 team minutes). */
static void pace_value(const struct window_team *games, size_t count, size_t most,
                       enum feature feature, struct window_output *output)
{
    size_t used = count < most ? count : most;
    int64_t hundredths = 0, minutes = 0;
    for (size_t i = count - used; i < count; i++) {
        const struct window_sums *own = &games[i].own;
        hundredths += window_plays(own->fga, own->fta, own->turnovers) -
                      INT64_C(100) * own->offensive_rebounds;
        minutes += own->minutes;
    }
    if (minutes > 0) {
        window_set(output, feature, (double)(hundredths * 240) / (double)(minutes * 100), used);
    }
}

static void rating_value(const struct window_sums *sums, size_t games, enum feature feature,
                         struct window_output *output)
{
    int64_t hundredths = window_plays(sums->fga, sums->fta, sums->turnovers) -
                         INT64_C(100) * sums->offensive_rebounds;
    if (hundredths > 0) {
        window_set(output, feature, (double)sums->points * 10000 / (double)hundredths, games);
    }
}

static void season_share(const struct window_input *input, const struct window_team *games,
                         size_t count, enum feature wins_feature, struct window_output *output)
{
    size_t played = 0, wins = 0;
    while (played < count &&
           window_season(games[count - 1 - played].date) == window_season(input->game_date)) {
        const struct window_team *game = &games[count - 1 - played++];
        wins += game->own.points > game->other.points;
    }
    if (played >= 5) {
        window_set(output, wins_feature, (double)wins / (double)played, played);
    }
}

static int rest_value(const struct window_input *input, const struct window_team *games,
                      size_t count, enum feature feature, struct window_output *output)
{
    if (count == 0 || window_season(games[count - 1].date) != window_season(input->game_date)) {
        return -1;
    }
    int rest = clock_date_diff(input->game_date, games[count - 1].date);
    window_set(output, feature, rest, 1);
    return rest;
}

static void season_day(const struct window_input *input, size_t count, struct window_output *output)
{
    size_t played = 0;
    while (played < count &&
           window_season(input->team[count - 1 - played].date) == window_season(input->game_date)) {
        played++;
    }
    if (played > 0) {
        window_set(output, FEATURE_season_day,
                   clock_date_diff(input->game_date, input->team[count - played].date), played);
    }
}

static void own_side(const struct window_input *input, size_t count, struct window_output *output)
{
    size_t ten = count < 10 ? count : 10;
    struct window_sums sums = sum_games(input->team, count, ten, false);
    pace_value(input->team, count, 10, FEATURE_team_pace_last_10, output);
    rating_value(&sums, ten, FEATURE_team_off_rating_last_10, output);
    season_share(input, input->team, count, FEATURE_team_win_pct, output);
    season_day(input, count, output);
    if (ten > 0) {
        window_set(output, FEATURE_team_points_avg_last_10, (double)sums.points / (double)ten, ten);
    }
}

static void allowed_per_48(const struct window_sums *sums, size_t games, enum feature feature,
                           int64_t points, struct window_output *output)
{
    if (sums->minutes > 0) {
        window_set(output, feature, (double)points * 240 / (double)sums->minutes, games);
    }
}

static void other_side(const struct window_input *input, size_t count, struct window_output *output)
{
    size_t used = count < 15 ? count : 15, twenty = count < 20 ? count : 20;
    struct window_sums sums = sum_games(input->opponent, count, used, true);
    struct window_sums group = sum_games(input->opponent, count, twenty, true);
    int64_t twos = sums.fgm - sums.three_pointers_made;
    pace_value(input->opponent, count, 15, FEATURE_opponent_pace_last_15, output);
    season_share(input, input->opponent, count, FEATURE_opponent_win_pct, output);
    if (used == 0) {
        return;
    }
    window_set(output, FEATURE_opponent_points_allowed_last_15, (double)sums.points / (double)used,
               used);
    rating_value(&sums, used, FEATURE_opponent_def_rating_last_15, output);
    if (sums.fga > sums.three_attempts) {
        window_set(output, FEATURE_opponent_two_pct_last_15,
                   (double)twos / (double)(sums.fga - sums.three_attempts), used);
    }
    allowed_per_48(&sums, used, FEATURE_opponent_twos_allowed_last_15, 2 * twos, output);
    allowed_per_48(&sums, used, FEATURE_opponent_three_points_allowed_last_15,
                   INT64_C(3) * sums.three_pointers_made, output);
    allowed_per_48(&sums, used, FEATURE_opponent_free_throws_allowed_last_15, sums.ftm, output);
    if (input->group != GROUP_UNKNOWN && group.group_minutes[input->group] > 0) {
        window_set(output, FEATURE_opponent_group_points_last_20,
                   (double)group.group_points[input->group] * 48 /
                       (double)group.group_minutes[input->group],
                   twenty);
    }
}

void side_values(const struct window_input *input, size_t team_count, size_t opponent_count,
                 struct window_output *output)
{
    own_side(input, team_count, output);
    other_side(input, opponent_count, output);
    int own = rest_value(input, input->team, team_count, FEATURE_team_rest_days, output);
    int other =
        rest_value(input, input->opponent, opponent_count, FEATURE_opponent_rest_days, output);
    if (own > 0 && other > 0) {
        int ahead = own - other;
        window_set(output, FEATURE_rest_advantage, ahead < -2 ? -2 : ahead > 2 ? 2 : ahead, 1);
    }
    double pace =
        (output->value[FEATURE_opponent_pace_last_15] - output->value[FEATURE_team_pace_last_10]) /
        2;
    if (!isnan(pace)) {
        window_set(output, FEATURE_pace_score, pace < -3 ? -3 : pace > 3 ? 3 : pace, 1);
    }
}

/* ---- teammates ---- */

/* How many of the team's games up to `at` (not included) came after the line before `line`. */
static int missed_between(const struct window_line *lines, size_t line, int32_t date,
                          const char game_id[16], const struct window_team *games, size_t count)
{
    int missed = 0;
    for (size_t i = count; i > 0; i--) {
        const struct window_team *game = &games[i - 1];
        if (window_order(game->date, game->game_id, date, game_id) >= 0) {
            continue;
        }
        if (line == 0 || window_order(game->date, game->game_id, lines[line - 1].date,
                                      lines[line - 1].game_id) <= 0) {
            break;
        }
        missed++;
    }
    return missed;
}

struct window_mate window_mate(int64_t player_id, const struct window_line *lines, size_t count,
                               const struct window_team *games, size_t game_count)
{
    struct window_mate mate = {.player_id = player_id};
    struct line_sums sums = window_newest(lines, count, 10);
    if (count == 0) {
        return mate;
    }
    mate.group = lines[count - 1].group;
    mate.minutes = (double)sums.minutes / (double)sums.games;
    mate.points = (double)sums.points / (double)sums.games;
    mate.plays =
        (double)window_plays(sums.fga, sums.fta, sums.turnovers) / 100 / (double)sums.games;
    while ((size_t)mate.missed < game_count) {
        const struct window_team *game = &games[game_count - 1 - (size_t)mate.missed];
        if (window_order(game->date, game->game_id, lines[count - 1].date,
                         lines[count - 1].game_id) <= 0) {
            break;
        }
        mate.missed++;
    }
    if (mate.missed == 0 && count > 1) {
        mate.returned = missed_between(lines, count - 1, lines[count - 1].date,
                                       lines[count - 1].game_id, games, game_count);
    }
    return mate;
}

double window_tier(const struct window_team *games, size_t before)
{
    int64_t allowed = 0;
    size_t used = before < 15 ? before : 15;
    for (size_t i = before - used; i < before; i++) {
        allowed += games[i].other.points;
    }
    return used >= 5 ? (double)allowed / (double)used : NAN;
}

bool window_mate_absent(const struct window_mate *mate)
{
    return mate->out || mate->missed > 0;
}

void mate_values(const struct window_input *input, size_t count, struct window_output *output)
{
    double minutes = 0, points = 0, fresh = 0, plays = 0, returned = 0, group = 0, rotation = 0;
    size_t regulars = 0, minutes_rank = 1, points_rank = 1;
    /* His own from his games: who was traded, or is back after long, is not among the mates. */
    struct line_sums own = window_newest(input->lines, count, 10);
    double own_minutes = own.games > 0 ? (double)own.minutes / (double)own.games : 0;
    double own_points = own.games > 0 ? (double)own.points / (double)own.games : 0;
    rotation = own_minutes;
    for (size_t i = 0; i < input->mate_count; i++) {
        const struct window_mate *mate = &input->mates[i];
        if (mate->player_id == input->player_id) {
            continue;
        }
        if (!window_mate_absent(mate)) {
            rotation += mate->minutes;
            minutes_rank += mate->minutes > own_minutes;
            points_rank += mate->points > own_points;
        }
        if (mate->minutes < WINDOW_REGULAR_MINUTES) {
            continue;
        }
        regulars++;
        if (window_mate_absent(mate)) {
            minutes += mate->minutes;
            points += mate->points;
            plays += mate->plays;
            fresh += mate->missed <= 2 ? mate->points : 0;
            group += mate->group == input->group ? mate->minutes : 0;
        } else if (mate->returned >= 3) {
            returned += mate->points;
        }
    }
    window_set(output, FEATURE_absent_minutes, minutes, regulars);
    window_set(output, FEATURE_absent_points, points, regulars);
    window_set(output, FEATURE_absent_points_new, fresh, regulars);
    window_set(output, FEATURE_absent_usage, plays, regulars);
    window_set(output, FEATURE_returned_points, returned, regulars);
    window_set(output, FEATURE_rotation_minutes, rotation, regulars);
    window_set(output, FEATURE_minutes_rank, (double)minutes_rank, regulars);
    window_set(output, FEATURE_points_rank, (double)points_rank, regulars);
    if (input->group != GROUP_UNKNOWN) {
        window_set(output, FEATURE_group_absent_minutes, group, regulars);
    }
}
