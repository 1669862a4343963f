#include "sim/night.h"

#include <string.h>

#include "config/clock.h"

#define SECOND_US INT64_C(1000000)
#define BREAK_US (150 * SECOND_US)
#define HALFTIME_US (15 * 60 * SECOND_US)

#define NIGHT_EVENT_NAME(id, name) name,
static const char *const event_names[NIGHT_EVENT_TYPES] = {NIGHT_EVENTS(NIGHT_EVENT_NAME)};
#undef NIGHT_EVENT_NAME

const char *night_event_name(enum night_event_type type)
{
    return event_names[type];
}

int night_event_of(const char *name)
{
    for (int i = 0; i < NIGHT_EVENT_TYPES; i++) {
        if (strcmp(event_names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

const char *night_status_name(enum night_status status)
{
    static const char *const names[] = {"scheduled", "in_progress", "break",
                                        "halftime",  "final",       "postponed"};
    return names[status];
}

/* ---- the wall clock of a game ---- */

double night_period_length_s(int period)
{
    return period <= 4 ? 720.0 : 300.0;
}

double night_period_base_s(int period)
{
    return period <= 5 ? 720.0 * (period - 1) : 2880.0 + 300.0 * (period - 5);
}

static int64_t wall_length_us(int period)
{
    static const int minutes[] = {27, 29, 28, 32};
    return (period <= 4 ? minutes[period - 1] : 15) * 60 * SECOND_US;
}

int64_t night_period_start_us(int64_t start_us, int period)
{
    for (int p = 1; p < period; p++) {
        start_us += wall_length_us(p) + (p == 2 ? HALFTIME_US : BREAK_US);
    }
    return start_us;
}

int64_t night_period_end_us(int64_t start_us, int period)
{
    return night_period_start_us(start_us, period) + wall_length_us(period);
}

int64_t night_wall_us(int64_t start_us, int period, double elapsed_s)
{
    double part = (elapsed_s - night_period_base_s(period)) / night_period_length_s(period);
    return night_period_start_us(start_us, period) +
           (int64_t)(part * (double)wall_length_us(period));
}

/* ---- who is on the court ---- */

static bool contains(const int8_t lineup[NIGHT_ON_COURT], int member)
{
    for (int i = 0; i < NIGHT_ON_COURT; i++) {
        if (lineup[i] == member) {
            return true;
        }
    }
    return false;
}

static int fill(int8_t lineup[NIGHT_ON_COURT], int count, int member)
{
    if (count < NIGHT_ON_COURT && !contains(lineup, member)) {
        lineup[count++] = (int8_t)member;
    }
    return count;
}

/* Replaces `out` by `in`; either may be -1 (the other half stands in an event of its own). */
static void substitute(int8_t lineup[NIGHT_ON_COURT], int out, int in)
{
    if (in >= 0 && contains(lineup, in)) {
        return;
    }
    for (int i = 0; i < NIGHT_ON_COURT; i++) {
        if (lineup[i] == out) {
            lineup[i] = (int8_t)in;
            return;
        }
    }
}

/* Six may stand there for the moment between a sub_in and its sub_out: they wait in `extra`. */
struct court {
    int8_t on[2][NIGHT_ON_COURT];
    int8_t extra[2][NIGHT_ON_COURT];
};

static void court_set(struct court *self, int8_t lineup[2][NIGHT_ON_COURT])
{
    memcpy(self->on, lineup, sizeof self->on);
    memset(self->extra, -1, sizeof self->extra);
}

static void court_in(struct court *self, enum night_side side, int member)
{
    if (contains(self->on[side], member) || contains(self->extra[side], member)) {
        return;
    }
    substitute(contains(self->on[side], -1) ? self->on[side] : self->extra[side], -1, member);
}

static void court_out(struct court *self, enum night_side side, int member)
{
    if (contains(self->extra[side], member)) {
        substitute(self->extra[side], member, -1);
        return;
    }
    substitute(self->on[side], member, -1);
    for (int i = 0; i < NIGHT_ON_COURT && contains(self->on[side], -1); i++) {
        if (self->extra[side][i] >= 0) {
            substitute(self->on[side], -1, self->extra[side][i]);
            self->extra[side][i] = -1;
        }
    }
}

static bool court_has(const struct court *self, enum night_side side, int member)
{
    return contains(self->on[side], member) || contains(self->extra[side], member);
}

/* Who began a period is told by what happened in it: whoever acts, or goes out, before coming in. A technical foul may be
 * called on the bench. Whoever did nothing all period stayed from the period before. */
static int find_lineup(const struct night_game *self, int period, size_t from, size_t to,
                       const struct court *before, int8_t lineup[2][NIGHT_ON_COURT])
{
    bool seen[NIGHT_ROSTER_MAX] = {false};
    int count[2] = {0, 0}, bad = 0;
    memset(lineup[NIGHT_HOME], -1, sizeof lineup[NIGHT_HOME]);
    memset(lineup[NIGHT_AWAY], -1, sizeof lineup[NIGHT_AWAY]);
    for (size_t i = from; i < to; i++) {
        const struct night_event *event = &self->events[i];
        if (event->member < 0 || event->type == NIGHT_TECH || seen[event->member]) {
            continue;
        }
        seen[event->member] = true;
        if (event->type != NIGHT_SUB_IN) {
            count[event->side] = fill(lineup[event->side], count[event->side], event->member);
        }
    }
    for (int side = 0; side < 2; side++) {
        for (int i = 0; period > 1 && i < NIGHT_ON_COURT; i++) {
            int member = before->on[side][i];
            if (member >= 0 && !seen[member]) {
                count[side] = fill(lineup[side], count[side], member);
            }
        }
        bad += count[side] != NIGHT_ON_COURT;
    }
    return bad;
}

int night_game_prepare(struct night_game *self)
{
    struct court court;
    size_t from = 0;
    int bad = 0;
    memset(self->lineup, -1, sizeof self->lineup);
    memset(&court, -1, sizeof court);
    self->periods = self->event_count > 0 ? self->events[self->event_count - 1].period : 0;
    self->periods = self->periods > 0 && self->periods < 4 ? 4 : self->periods;
    for (int period = 1; period <= self->periods; period++) {
        size_t to = from;
        while (to < self->event_count && self->events[to].period <= period) {
            to++;
        }
        bad += find_lineup(self, period, from, to, &court, self->lineup[period]);
        court_set(&court, self->lineup[period]);
        for (; from < to; from++) {
            const struct night_event *event = &self->events[from];
            if (event->member >= 0 && event->type == NIGHT_SUB_IN) {
                court_in(&court, event->side, event->member);
            } else if (event->member >= 0 && event->type == NIGHT_SUB_OUT) {
                court_out(&court, event->side, event->member);
            }
        }
    }
    for (int i = 0; i < self->roster_count; i++) {
        self->roster[i].starter = contains(self->lineup[1][self->roster[i].side], i);
    }
    self->end_us =
        self->periods > 0 ? night_period_end_us(self->start_us, self->periods) + 1 : CLOCK_NONE;
    return bad;
}

/* ---- the box score ---- */

static void count_event(struct night_stat *stat, enum night_event_type type)
{
    switch (type) {
    case NIGHT_FG3_MADE:
        stat->fg3m++;
        stat->pts++;
        /* fall through */
    case NIGHT_FG2_MADE:
        stat->fgm++;
        stat->pts += 2;
        /* fall through */
    case NIGHT_FG3_MISS:
    case NIGHT_FG2_MISS:
        stat->fga++;
        stat->fg3a += type == NIGHT_FG3_MADE || type == NIGHT_FG3_MISS;
        break;
    case NIGHT_FT_MADE:
        stat->ftm++;
        stat->pts++;
        /* fall through */
    case NIGHT_FT_MISS:
        stat->fta++;
        break;
    case NIGHT_OREB:
        stat->oreb++;
        break;
    case NIGHT_DREB:
        stat->dreb++;
        break;
    case NIGHT_ASSIST:
        stat->ast++;
        break;
    case NIGHT_STEAL:
        stat->stl++;
        break;
    case NIGHT_BLOCK:
        stat->blk++;
        break;
    case NIGHT_TURNOVER:
        stat->tov++;
        break;
    case NIGHT_FOUL:
        stat->pf++;
        break;
    default:
        break;
    }
}

static void count_plus_minus(struct night_state *out, const struct court *court, const int gain[2])
{
    for (int side = 0; side < 2; side++) {
        int margin = gain[side] - gain[1 - side];
        for (int i = 0; i < NIGHT_ON_COURT; i++) {
            if (court->on[side][i] >= 0) {
                out->stat[court->on[side][i]].plus_minus += margin;
            }
            if (court->extra[side][i] >= 0) {
                out->stat[court->extra[side][i]].plus_minus += margin;
            }
        }
    }
}

/* A run over one period up to an instant. */
struct walk {
    const struct night_game *game;
    struct night_state *out;
    struct court court, at_instant; /* at_instant: as this reading of the game clock began */
    double instant_s;
    double since_s[NIGHT_ROSTER_MAX];
};

static void enter(struct walk *self, int member, double elapsed_s)
{
    self->since_s[member] = elapsed_s;
    self->out->stat[member].came_in = true;
}

static void leave(struct walk *self, int member, double elapsed_s)
{
    self->out->stat[member].seconds += elapsed_s - self->since_s[member];
}

static void walk_event(struct walk *self, const struct night_event *event)
{
    struct night_state *out = self->out;
    if (event->elapsed_s > self->instant_s) {
        self->instant_s = event->elapsed_s;
        self->at_instant = self->court;
    }
    int gain[2] = {event->score[0] - out->score[0], event->score[1] - out->score[1]};
    if (gain[0] != 0 || gain[1] != 0) {
        /* a free throw counts for those who stood there at the foul, not for who came in before the shot */
        count_plus_minus(out, event->type == NIGHT_FT_MADE ? &self->at_instant : &self->court,
                         gain);
        for (int side = 0; side < 2; side++) {
            out->by_period[side][event->period - 1] += gain[side];
            out->score[side] = event->score[side];
        }
    }
    if (event->member < 0) {
        return;
    }
    if (event->type == NIGHT_SUB_IN && !court_has(&self->court, event->side, event->member)) {
        court_in(&self->court, event->side, event->member);
        enter(self, event->member, event->elapsed_s);
    } else if (event->type == NIGHT_SUB_OUT &&
               court_has(&self->court, event->side, event->member)) {
        court_out(&self->court, event->side, event->member);
        leave(self, event->member, event->elapsed_s);
    } else {
        count_event(&out->stat[event->member], event->type);
    }
}

/* Everybody on the court has played until `elapsed_s`. */
static void close_walk(struct walk *self, double elapsed_s, bool stay)
{
    for (int side = 0; side < 2; side++) {
        for (int i = 0; i < 2 * NIGHT_ON_COURT; i++) {
            int member = i < NIGHT_ON_COURT ? self->court.on[side][i]
                                            : self->court.extra[side][i - NIGHT_ON_COURT];
            if (member >= 0) {
                leave(self, member, elapsed_s);
                self->out->stat[member].on_court = stay;
            }
        }
    }
}

static void walk_period(struct walk *self, int period, int64_t now_us)
{
    const struct night_game *game = self->game;
    struct night_state *out = self->out;
    double base_s = night_period_base_s(period), end_s = base_s + night_period_length_s(period);
    int64_t start_us = night_period_start_us(game->start_us, period);
    int64_t stop_us = night_period_end_us(game->start_us, period);
    bool over = now_us > stop_us;
    int8_t lineup[2][NIGHT_ON_COURT];
    memcpy(lineup, game->lineup[period], sizeof lineup);
    court_set(&self->court, lineup);
    self->at_instant = self->court;
    self->instant_s = base_s;
    for (int side = 0; side < 2; side++) {
        for (int i = 0; i < NIGHT_ON_COURT; i++) {
            if (lineup[side][i] >= 0) {
                enter(self, lineup[side][i], base_s);
            }
        }
    }
    while (out->events < game->event_count && game->events[out->events].period <= period &&
           (over || game->events[out->events].est_us <= now_us)) {
        walk_event(self, &game->events[out->events++]);
    }
    double elapsed_s = end_s;
    if (!over) {
        elapsed_s = base_s + night_period_length_s(period) *
                                 ((double)(now_us - start_us) / (double)(stop_us - start_us));
        elapsed_s = elapsed_s < self->instant_s ? self->instant_s : elapsed_s;
    }
    close_walk(self, elapsed_s, !over);
    out->period = period;
    out->clock_s = end_s - elapsed_s;
}

void night_game_state(const struct night_game *self, int64_t now_us, struct night_state *out)
{
    struct walk walk = {.game = self, .out = out};
    memset(out, 0, sizeof *out);
    out->status = NIGHT_SCHEDULED;
    if (self->start_us == CLOCK_NONE || now_us < self->start_us) {
        return;
    }
    for (int period = 1; period <= self->periods; period++) {
        if (now_us < night_period_start_us(self->start_us, period)) {
            out->status = period == 3 ? NIGHT_HALFTIME : NIGHT_BREAK;
            return;
        }
        walk_period(&walk, period, now_us);
        if (now_us <= night_period_end_us(self->start_us, period)) { /* 0:00, not over yet */
            out->status = NIGHT_PLAYING;
            return;
        }
    }
    out->status = NIGHT_FINAL;
}
