#include <stdio.h>
#include <string.h>
#include <time.h>

#include "config/clock.h"
#include "sim/league_parts.h"

#define DAYS_BEFORE 64
#define DAYS_AFTER 21
#define DEMO_GAMES 7
#define HOUR_US (3600 * INT64_C(1000000))

/* 0 = Sunday. */
static int weekday_of(int32_t date)
{
    return (clock_date_diff(date, 20260111) % 7 + 7) % 7;
}

static bool played_on(const struct league_team *team, int32_t date)
{
    return team->last_day[0] == date || team->last_day[1] == date;
}

/* Nobody plays three days in a row; who has played least is the likelier to play. */
static int pick_team(struct league *self, int32_t date, const bool busy[LEAGUE_TEAMS],
                     struct random *random)
{
    int weights[LEAGUE_TEAMS], least = LEAGUE_GAMES_MAX;
    int32_t yesterday = clock_date_add(date, -1), before = clock_date_add(date, -2);
    for (int t = 0; t < LEAGUE_TEAMS; t++) {
        least = self->team[t].games < least ? self->team[t].games : least;
    }
    for (int t = 0; t < LEAGUE_TEAMS; t++) {
        const struct league_team *team = &self->team[t];
        bool tired = played_on(team, yesterday) && played_on(team, before);
        int behind = 6 - (team->games - least);
        weights[t] = busy[t] || tired ? 0 : behind < 1 ? 1 : behind * behind * 4;
        weights[t] = played_on(team, yesterday) ? (weights[t] + 3) / 4 : weights[t];
    }
    return random_pick(random, weights, LEAGUE_TEAMS);
}

static void note_game(struct league_team *team, int32_t date, bool home)
{
    team->games++;
    team->home_games += home;
    team->last_day[1] = team->last_day[0];
    team->last_day[0] = date;
}

/* Evening in the east; the west plays later, the last game past midnight. */
static int64_t tip_of(const struct league *self, int32_t date, int home, struct random *random)
{
    static const int east[] = {38, 38, 39, 40}, west[] = {40, 41, 42, 44, 45}; /* half-hours */
    bool is_east = strcmp(self->team[home].conference, "East") == 0;
    int half_hours = is_east ? east[random_below(random, 4)] : west[random_below(random, 5)];
    return clock_date_start_us(date) + half_hours * HOUR_US / 2;
}

static void sort_day(struct league_game *games, int count)
{
    for (int i = 1; i < count; i++) {
        struct league_game game = games[i];
        int at = i;
        for (; at > 0 && games[at - 1].tip_us > game.tip_us; at--) {
            games[at] = games[at - 1];
        }
        games[at] = game;
    }
}

static int make_day(struct league *self, int32_t date, struct random *random)
{
    static const int games[] = {6, 8, 5, 8, 4, 9, 7};
    bool busy[LEAGUE_TEAMS] = {false};
    int count = date == self->demo_date ? DEMO_GAMES : games[weekday_of(date)], made = 0;
    struct league_game *day = &self->game[self->game_count];
    for (; made < count; made++) {
        int a = pick_team(self, date, busy, random);
        if (a < 0) {
            break;
        }
        busy[a] = true;
        int b = pick_team(self, date, busy, random);
        if (b < 0) {
            break;
        }
        busy[b] = true;
        bool swap = self->team[a].home_games > self->team[b].home_games;
        int home = swap ? b : a, away = swap ? a : b;
        if (self->game_count + made >= LEAGUE_GAMES_MAX) {
            return -1;
        }
        day[made] = (struct league_game){
            .date = date, .team = {home, away}, .tip_us = tip_of(self, date, home, random)};
        note_game(&self->team[home], date, true);
        note_game(&self->team[away], date, false);
    }
    sort_day(day, made);
    if (date == self->demo_date && made > 0) { /* the last game of the night ends after midnight */
        day[made - 1].tip_us = clock_date_start_us(date) + 22 * HOUR_US;
    }
    self->game_count += made;
    return 0;
}

bool league_lived(const struct league *self, int32_t date)
{
    return date >= self->demo_date && date <= self->last_date;
}

int league_make_schedule(struct league *self)
{
    struct random random = random_of(self->seed, "schedule", 0);
    int32_t last = clock_date_add(self->last_date, DAYS_AFTER);
    unsigned year = (unsigned)(self->season[2] - '0') * 10 + (unsigned)(self->season[3] - '0');
    for (int32_t date = clock_date_add(self->demo_date, -DAYS_BEFORE); date <= last;
         date = clock_date_add(date, 1)) {
        if (make_day(self, date, &random) != 0) {
            return -1;
        }
    }
    for (int i = 0; i < self->game_count; i++) {
        snprintf(self->game[i].id, sizeof self->game[i].id, "002%02u%05u", year % 100,
                 (unsigned)(i + 1) % 100000);
    }
    return 0;
}
