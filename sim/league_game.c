/* One game, possession by possession, in whole seconds of game clock. */
#include <stdlib.h>
#include <string.h>

#include "config/clock.h"
#include "sim/league_parts.h"

#define FIVE NIGHT_ON_COURT
#define MEMBERS LEAGUE_TEAM_PLAYERS /* of a side; the away side's follow the home side's */
#define STINT_S 120
#define FOULED_OUT 6
#define BONUS_FOULS 5
#define ATTEMPTS_MAX 20

struct play {
    const struct league *league;
    const struct league_squad *squads;
    const struct league_game *match;
    struct random random;
    struct night_game *game;
    bool failed;              /* no memory */
    int period, now_s, end_s; /* of game clock since the tip */
    int score[2], team_fouls[2];
    int on[2][FIVE]; /* slots of the squad */
    int target_s[2][MEMBERS], played_s[2][MEMBERS], fouls[2][MEMBERS];
    int entered_s[2][MEMBERS];
    int8_t truth[NIGHT_PERIODS_MAX + 1][2][FIVE]; /* who really began each period, as members */
};

static const struct league_skill *skill_of(const struct play *self, int side, int slot)
{
    return &self->league->player[self->squads[side].player[slot]].skill;
}

static int member_of(int side, int slot)
{
    return side * MEMBERS + slot;
}

static void add(struct play *self, int side, int slot, enum night_event_type type)
{
    struct night_game *game = self->game;
    if (game->event_count == game->event_room) {
        size_t room = game->event_room + game->event_room / 2 + 512;
        struct night_event *more = realloc(game->events, room * sizeof *more);
        if (more == NULL) {
            self->failed = true;
            return;
        }
        game->events = more;
        game->event_room = room;
    }
    game->events[game->event_count++] =
        (struct night_event){.est_us = night_wall_us(game->start_us, self->period, self->now_s),
                             .elapsed_s = self->now_s,
                             .period = self->period,
                             .member = slot < 0 ? -1 : member_of(side, slot),
                             .side = (enum night_side)side,
                             .type = type,
                             .score = {self->score[0], self->score[1]}};
}

/* ---- who plays ---- */

static void set_targets(struct play *self, int side)
{
    static const int minutes[] = {34, 33, 32, 30, 28, 22, 19, 16, 14, 8, 4, 0, 0, 0, 0};
    const struct league_squad *squad = &self->squads[side];
    int place = 0;
    for (int slot = 0; slot < squad->count; slot++) {
        int wish = squad->scratched[slot] ? 0 : minutes[place++];
        self->target_s[side][slot] = wish == 0 ? 0 : 60 * wish + random_bell(&self->random, 70);
    }
}

static bool may_play(const struct play *self, int side, int slot)
{
    return slot < self->squads[side].count && !self->squads[side].scratched[slot] &&
           self->fouls[side][slot] < FOULED_OUT;
}

static int on_at(const struct play *self, int side, int slot)
{
    for (int i = 0; i < FIVE; i++) {
        if (self->on[side][i] == slot) {
            return i;
        }
    }
    return -1;
}

/* How much a player is behind what he should have played by now; late in a close game the best are wanted. */
static int want_of(struct play *self, int side, int slot)
{
    int total_s = self->period <= 4 ? 2880 : self->end_s;
    int behind =
        self->target_s[side][slot] * (self->now_s + STINT_S) / total_s - self->played_s[side][slot];
    int margin = abs(self->score[0] - self->score[1]);
    if (self->period >= 4 && self->end_s - self->now_s <= 360 && margin <= 12) {
        behind += (MEMBERS - slot) * 40;
    } else if (self->period == 4 && margin > 22) {
        behind += slot * 25;
    }
    behind += on_at(self, side, slot) >= 0 ? 45 : 0; /* nobody changes for nothing */
    return behind + random_below(&self->random, 30);
}

static void choose_five(struct play *self, int side, int five[FIVE])
{
    int want[MEMBERS], count = 0;
    for (int slot = 0; slot < MEMBERS; slot++) {
        want[slot] = self->period == 1 && self->now_s == 0 ? -slot : want_of(self, side, slot);
        want[slot] = self->target_s[side][slot] == 0 ? want[slot] - 5000 : want[slot];
    }
    while (count < FIVE) {
        int best = -1;
        for (int slot = 0; slot < MEMBERS; slot++) {
            bool chosen = false;
            for (int i = 0; i < count; i++) {
                chosen = chosen || five[i] == slot;
            }
            if (!chosen && may_play(self, side, slot) && (best < 0 || want[slot] > want[best])) {
                best = slot;
            }
        }
        if (best < 0) { /* all but four have fouled out: the least guilty goes on */
            best = 0;
            while (on_at(self, side, best) < 0) {
                best++;
            }
        }
        five[count++] = best;
    }
}

static bool is_in(const int five[FIVE], int slot)
{
    for (int i = 0; i < FIVE; i++) {
        if (five[i] == slot) {
            return true;
        }
    }
    return false;
}

static void swap_in(struct play *self, int side, const int five[FIVE])
{
    int next = 0;
    for (int i = 0; i < FIVE; i++) {
        int out = self->on[side][i];
        if (is_in(five, out)) {
            continue;
        }
        while (on_at(self, side, five[next]) >= 0) {
            next++;
        }
        add(self, side, five[next], NIGHT_SUB_IN);
        add(self, side, out, NIGHT_SUB_OUT);
        self->played_s[side][out] += self->now_s - self->entered_s[side][out];
        self->entered_s[side][five[next]] = self->now_s;
        self->on[side][i] = five[next];
    }
}

/* So that targets are followed in the middle of a stay too. */
static void settle_played(struct play *self)
{
    for (int side = 0; side < 2; side++) {
        for (int i = 0; i < FIVE; i++) {
            int slot = self->on[side][i];
            self->played_s[side][slot] += self->now_s - self->entered_s[side][slot];
            self->entered_s[side][slot] = self->now_s;
        }
    }
}

static void substitute(struct play *self)
{
    settle_played(self);
    for (int side = 0; side < 2; side++) {
        int five[FIVE];
        choose_five(self, side, five);
        swap_in(self, side, five);
    }
}

static void replace_fouled_out(struct play *self, int side)
{
    int five[FIVE], want = -1;
    memcpy(five, self->on[side], sizeof five);
    for (int i = 0; i < FIVE; i++) {
        if (self->fouls[side][five[i]] < FOULED_OUT) {
            continue;
        }
        for (int slot = 0; slot < MEMBERS && want < 0; slot++) {
            want = may_play(self, side, slot) && on_at(self, side, slot) < 0 ? slot : -1;
        }
        if (want >= 0) {
            five[i] = want;
            settle_played(self);
            swap_in(self, side, five);
        }
        return;
    }
}

static void begin_period(struct play *self)
{
    for (int side = 0; side < 2; side++) {
        int five[FIVE];
        choose_five(self, side, five);
        memcpy(self->on[side], five, sizeof five);
        self->team_fouls[side] = 0;
        for (int i = 0; i < FIVE; i++) {
            self->entered_s[side][five[i]] = self->now_s;
            self->truth[self->period][side][i] = (int8_t)member_of(side, five[i]);
        }
    }
}

/* ---- what they do ---- */

enum gift { USAGE, REBOUNDS, ASSISTS, STEALS, BLOCKS, TURNOVERS, FOULS };

/* One of the five, by what he is good at; `not_slot` is left out. */
static int pick(struct play *self, int side, enum gift gift, int not_slot)
{
    int weights[FIVE];
    for (int i = 0; i < FIVE; i++) {
        const struct league_skill *skill = skill_of(self, side, self->on[side][i]);
        const int gifts[] = {skill->usage,  skill->rebounds,  skill->assists, skill->steals,
                             skill->blocks, skill->turnovers, skill->fouls};
        weights[i] = self->on[side][i] == not_slot ? 0 : gifts[gift];
    }
    int found = random_pick(&self->random, weights, FIVE);
    return self->on[side][found < 0 ? 0 : found];
}

static void score(struct play *self, int side, int slot, enum night_event_type type, int points)
{
    self->score[side] += points;
    add(self, side, slot, type);
}

static void foul(struct play *self, int side)
{
    int slot = pick(self, side, FOULS, -1);
    self->fouls[side][slot]++;
    self->team_fouls[side]++;
    add(self, side, slot, NIGHT_FOUL);
}

/* True if the last one went in. */
static bool shoot_free_throws(struct play *self, int side, int slot, int count)
{
    bool made = false;
    for (int i = 0; i < count; i++) {
        made = random_chance(&self->random, skill_of(self, side, slot)->ft);
        if (made) {
            score(self, side, slot, NIGHT_FT_MADE, 1);
        } else {
            add(self, side, slot, NIGHT_FT_MISS);
        }
    }
    return made;
}

/* True if the same side goes on. */
static bool rebound(struct play *self, int side)
{
    bool offensive = random_chance(&self->random, 262);
    int by = offensive ? side : 1 - side;
    if (!random_chance(&self->random, 60)) { /* else the team's, nobody's own */
        add(self, by, pick(self, by, REBOUNDS, -1), offensive ? NIGHT_OREB : NIGHT_DREB);
    }
    return offensive;
}

static int permille_of_shot(const struct play *self, int side, int slot, bool three)
{
    const struct league_skill *skill = skill_of(self, side, slot);
    const struct league_team *teams = self->league->team;
    int edge =
        teams[self->match->team[side]].strength - teams[self->match->team[1 - side]].strength;
    return (three ? skill->fg3 : skill->fg2) + edge / 2 + (side == NIGHT_HOME ? 8 : -2);
}

/* True if the same side goes on. */
static bool shoot(struct play *self, int side)
{
    int slot = pick(self, side, USAGE, -1);
    bool three = random_chance(&self->random, skill_of(self, side, slot)->threes);
    bool made = random_chance(&self->random, permille_of_shot(self, side, slot, three));
    bool fouled = random_chance(&self->random, three ? 20 : made ? 70 : 230);
    if (made) {
        score(self, side, slot, three ? NIGHT_FG3_MADE : NIGHT_FG2_MADE, three ? 3 : 2);
        if (random_chance(&self->random, three ? 850 : 530)) {
            add(self, side, pick(self, side, ASSISTS, slot), NIGHT_ASSIST);
        }
    }
    if (fouled) { /* a missed shot with a foul is no attempt */
        foul(self, 1 - side);
        bool last = shoot_free_throws(self, side, slot, made ? 1 : three ? 3 : 2);
        replace_fouled_out(self, 1 - side);
        return last ? false : rebound(self, side);
    }
    if (made) {
        return false;
    }
    add(self, side, slot, three ? NIGHT_FG3_MISS : NIGHT_FG2_MISS);
    if (!three && random_chance(&self->random, 170)) {
        add(self, 1 - side, pick(self, 1 - side, BLOCKS, -1), NIGHT_BLOCK);
    }
    return rebound(self, side);
}

static void lose_ball(struct play *self, int side)
{
    add(self, side, pick(self, side, TURNOVERS, -1), NIGHT_TURNOVER);
    if (random_chance(&self->random, 590)) {
        add(self, 1 - side, pick(self, 1 - side, STEALS, -1), NIGHT_STEAL);
    }
}

/* What comes of having the ball; true if the same side has it again. */
static bool attack(struct play *self, int side)
{
    int what = random_below(&self->random, 1000);
    if (what < 140) {
        lose_ball(self, side);
        return false;
    }
    if (what < 235) { /* a foul away from the shot */
        foul(self, 1 - side);
        bool bonus = self->team_fouls[1 - side] >= BONUS_FOULS;
        bool again = true;
        if (bonus) {
            again = shoot_free_throws(self, side, pick(self, side, USAGE, -1), 2)
                        ? false
                        : rebound(self, side);
        }
        replace_fouled_out(self, 1 - side);
        return again;
    }
    if (what < 238) {
        add(self, side, -1, NIGHT_TURNOVER); /* the team's: 24 seconds */
        return false;
    }
    return shoot(self, side);
}

static void play_period(struct play *self, int first)
{
    int side = first, stint_s = self->now_s + STINT_S + random_below(&self->random, 40);
    bool again = false;
    begin_period(self);
    for (;;) {
        self->now_s +=
            again ? random_between(&self->random, 2, 11) : random_between(&self->random, 5, 20);
        if (self->now_s >= self->end_s) {
            break;
        }
        again = attack(self, side);
        side = again ? side : 1 - side;
        if (self->now_s >= stint_s && self->end_s - self->now_s > 20) {
            substitute(self);
            stint_s = self->now_s + STINT_S + random_below(&self->random, 40);
        }
    }
    self->now_s = self->end_s;
    settle_played(self);
}

/* ---- the whole ---- */

static void play_all(struct play *self)
{
    int first = random_below(&self->random, 2);
    set_targets(self, NIGHT_HOME);
    set_targets(self, NIGHT_AWAY);
    memset(self->truth, -1, sizeof self->truth);
    for (self->period = 1; self->period <= 4 || self->score[0] == self->score[1]; self->period++) {
        if (self->period >= NIGHT_PERIODS_MAX) {
            self->failed = true;
            return;
        }
        self->end_s =
            (int)(night_period_base_s(self->period) + night_period_length_s(self->period));
        play_period(self, self->period % 2 == 1 ? first : 1 - first);
    }
}

static bool same_five(const int8_t a[FIVE], const int8_t b[FIVE])
{
    for (int i = 0; i < FIVE; i++) {
        bool found = false;
        for (int k = 0; k < FIVE; k++) {
            found = found || a[i] == b[k];
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

/* Lineups are not in the data: who reads it must be able to tell them from the events, as we would. */
static bool is_readable(const struct play *self)
{
    const struct night_game *game = self->game;
    if (game->periods != self->period - 1) {
        return false;
    }
    for (int period = 1; period <= game->periods; period++) {
        for (int side = 0; side < 2; side++) {
            if (!same_five(self->truth[period][side], game->lineup[period][side])) {
                return false;
            }
        }
    }
    return true;
}

static void set_roster(struct night_game *game, const struct league_squad squads[2])
{
    game->roster_count = 2 * MEMBERS;
    for (int side = 0; side < 2; side++) {
        for (int slot = 0; slot < MEMBERS; slot++) {
            game->roster[member_of(side, slot)] = (struct night_member){
                .player = slot < squads[side].count ? squads[side].player[slot] : -1,
                .side = (enum night_side)side};
        }
    }
}

int league_play(const struct league *self, const struct league_game *match,
                const struct league_squad squads[2], struct night_game *out)
{
    uint64_t number = strtoull(match->id, NULL, 10);
    memset(out, 0, sizeof *out);
    memcpy(out->id, match->id, sizeof out->id);
    out->tip_us = match->tip_us;
    out->start_us = match->tip_us + NIGHT_TIP_LAG_US;
    set_roster(out, squads);
    for (uint64_t attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        struct play play = {.league = self, .squads = squads, .match = match, .game = out};
        play.random = random_of(self->seed, "game", number * ATTEMPTS_MAX + attempt);
        out->event_count = 0;
        play_all(&play);
        if (play.failed) {
            break;
        }
        if (night_game_prepare(out) == 0 && is_readable(&play)) {
            for (size_t i = 0; i < out->event_count; i++) {
                struct night_member *member =
                    out->events[i].member < 0 ? NULL : &out->roster[out->events[i].member];
                if (member != NULL) {
                    member->appears = true;
                }
            }
            return 0;
        }
    }
    free(out->events);
    out->events = NULL;
    return -1;
}

void league_count_game(struct league *self, const struct night_game *game, int32_t date)
{
    struct night_state end;
    night_game_state(game, game->end_us, &end);
    for (int m = 0; m < game->roster_count; m++) {
        if (!end.stat[m].came_in) {
            continue;
        }
        struct league_player *player = &self->player[game->roster[m].player];
        player->first_game = player->games == 0 ? date : player->first_game;
        player->games++;
        player->points += end.stat[m].pts;
        player->minutes += (int)(end.stat[m].seconds / 60 + 0.5);
        memmove(player->form, player->form + 1, sizeof player->form - sizeof player->form[0]);
        player->form[LEAGUE_FORM_GAMES - 1] = end.stat[m].pts;
    }
}
