/* Games and box scores. Five feeds speak of a game; what each may change:
 *
 *   schedule    who, when, postponed; nothing once the game has begun
 *   games       the state: begun, over, postponed. Over without a box score is said as final with box_players 0. While the
 *               live feed speaks of a game, only 'over', 'postponed' and a later period are news.
 *   live        the lines of the players while it is played; never that it is over: a game that the feed calls final
 *               is taken as still in play. Once anyone said 'over', what it says is stale and changes nothing.
 *   box scores  by day, the same; and the final lines. Only these make a box score final (final rows, box_players > 0),
 *               and then only these correct it.
 *   stats       lines of single players of games that are over. Of a day that is over they are the newest word of their source: the
 *               box score is made of them or corrected by them. Of today they are only held against the final box score
 *               (check stats_other).
 *
 * A period never goes back to none, and a final box score never back into play: such a game is set aside, named, in
 * that body. A game or player that a later body lacks keeps what was said of him. */
#include "actors/processor/apply.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "actors/processor/check.h"
#include "actors/processor/lookup.h"
#include "config/clock.h"

/* A feed's game with its identity. */
struct meant {
    const struct feed_game *game;
    char home[MEMORY_CODE_SIZE], away[MEMORY_CODE_SIZE]; /* the league's sides */
    bool swapped;                                        /* the feed has them the other way round */
    char game_id[17];
    int32_t date;
    int64_t tip_us;
    bool resolved;
};

static bool name_sides(struct apply *self, const struct feed_game *game,
                       char home[MEMORY_CODE_SIZE], char away[MEMORY_CODE_SIZE])
{
    const struct feed_team *teams[2] = {&game->home, &game->away};
    char *codes[2] = {home, away};
    for (int i = 0; i < 2; i++) {
        if (!identity_team(&self->memory, teams[i], codes[i])) {
            self->identity_refused = true;
            feed_refuse(self->feed, game->path,
                        teams[i]->full_name[0] ? teams[i]->full_name : teams[i]->code,
                        "%s team: no such team is known", i == 0 ? "home" : "away");
            return false;
        }
    }
    if (strcmp(home, away) == 0) {
        feed_refuse(self->feed, game->path, home, "the two sides are one team");
        return false;
    }
    return true;
}

#define STAND_IN_SIZE 17
/* What a game is called until the schedule has it. */
static void stand_in_id(int64_t source_id, char game_id[STAND_IN_SIZE])
{
    snprintf(game_id, STAND_IN_SIZE, "bdl-%llu", (unsigned long long)source_id % 100000000000u);
}

static bool identify(struct apply *self, const struct feed_game *game, struct meant *out)
{
    struct msg_processor_game known;
    memset(out, 0, sizeof *out);
    out->game = game;
    if (!name_sides(self, game, out->home, out->away)) {
        return false;
    }
    out->resolved = identity_game(&self->memory, game, out->home, out->away, &known);
    if (out->resolved) {
        out->swapped = strcmp(known.home, out->home) != 0;
        strcpy(out->home, known.home);
        strcpy(out->away, known.away);
        strcpy(out->game_id, known.game_id);
        out->date = known.game_date;
        out->tip_us = known.tip_at != MESSAGE_NONE ? known.tip_at : game->tip_us;
        return true;
    }
    out->date = game->date;
    out->tip_us = game->tip_us;
    if (game->source_id != MESSAGE_NONE) {
        stand_in_id(game->source_id, out->game_id);
    } else {
        snprintf(out->game_id, sizeof out->game_id, "%d-%.3s%.3s", (int)(out->date % 100000000),
                 out->away, out->home);
    }
    return true;
}

static int64_t none_as(int64_t value, int64_t other)
{
    return value == MESSAGE_NONE ? other : value;
}

/* The row that this feed's word would make, given the last one (NULL: none). */
static void build(const struct apply *self, const struct meant *meant,
                  const struct msg_row_game *last, struct msg_row_game *row)
{
    const struct feed_game *game = meant->game;
    message_clear(&msg_row_game_desc, row);
    strcpy(row->game_id, meant->game_id);
    row->game_date = meant->date;
    strcpy(row->home, meant->home);
    strcpy(row->away, meant->away);
    row->tip_at = meant->tip_us;
    strcpy(row->status, feed_status_text(game->status));
    row->period = game->period;
    strcpy(row->clock, game->clock);
    row->home_score = meant->swapped ? game->away_score : game->home_score;
    row->away_score = meant->swapped ? game->home_score : game->away_score;
    row->box_players = 0;
    strcpy(row->feed, self->raw->feed);
    row->source_game_id =
        none_as(game->source_id, last != NULL ? last->source_game_id : MESSAGE_NONE);
}

/* Says and remembers it, if it differs from the last or `anyway`. */
static void say_game(struct apply *self, const struct msg_row_game *row,
                     const struct msg_row_game *last, bool anyway)
{
    static const char *const EXCEPT[] = {"feed", NULL};
    if (!anyway && last != NULL && message_equal(&msg_row_game_desc, row, last, EXCEPT)) {
        return;
    }
    memory_put_row_game(&self->memory, row);
    step_emit(self->step, &msg_row_game_desc, row);
}

static void about(struct apply *self, const struct meant *meant)
{
    if (self->data_date == 0) {
        self->data_date = meant->date;
        strcpy(self->game_id, meant->game_id);
    } else if (strcmp(self->game_id, meant->game_id) != 0) {
        self->game_id[0] = '\0';
    }
}

static void tell_unresolved(struct apply *self, const struct meant *meant, bool first)
{
    if (!meant->resolved && first) {
        self->identity_refused = true;
        feed_refuse(self->feed, meant->game->path, meant->game_id,
                    "the schedule has no %s at %s that day: kept as %s", meant->away, meant->home,
                    meant->game_id);
    }
}

/* ---- players ---- */

static void build_box(const struct meant *meant, const struct feed_player *player,
                      const struct identity_player *who, enum feed_status status,
                      struct msg_row_box_score *row)
{
    const struct feed_stats *stats = &player->stats;
    message_clear(&msg_row_box_score_desc, row);
    strcpy(row->game_id, meant->game_id);
    row->game_date = meant->date;
    row->player_id = who->player_id;
    row->player_known = who->known;
    strcpy(row->player_name, who->name);
    row->home = player->home != meant->swapped;
    strcpy(row->team, row->home ? meant->home : meant->away);
    strcpy(row->opponent, row->home ? meant->away : meant->home);
    strcpy(row->game_status, feed_status_text(status));
    row->minutes = stats->minutes;
    row->points = stats->points;
    row->rebounds = stats->rebounds;
    row->offensive_rebounds = stats->offensive_rebounds;
    row->defensive_rebounds = stats->defensive_rebounds;
    row->assists = stats->assists;
    row->steals = stats->steals;
    row->blocks = stats->blocks;
    row->turnovers = stats->turnovers;
    row->personal_fouls = stats->personal_fouls;
    row->field_goals_made = stats->field_goals_made;
    row->field_goals_attempted = stats->field_goals_attempted;
    row->three_pointers_made = stats->three_pointers_made;
    row->three_pointers_attempted = stats->three_pointers_attempted;
    row->free_throws_made = stats->free_throws_made;
    row->free_throws_attempted = stats->free_throws_attempted;
    row->plus_minus = stats->plus_minus;
    row->played = stats->played;
    row->final = status == FEED_FINAL;
}

/* Whose team he is of is learned from final box scores only: those are in the log in the same order every time. */
static void learn_team(struct apply *self, const struct msg_row_box_score *row)
{
    struct msg_processor_player player;
    if (row->player_known && memory_player(&self->memory, row->player_id, &player) &&
        row->game_date >= player.team_date && strcmp(player.team, row->team) != 0) {
        strcpy(player.team, row->team);
        player.team_date = row->game_date;
        memory_put_player(&self->memory, &player);
    }
}

struct lines {
    const struct feed_player *players[FEED_GAME_PLAYERS_MAX];
    struct identity_player who[FEED_GAME_PLAYERS_MAX];
    int count;
};

/* Who is who is settled for the surest first: somebody who merely has the name of a player must not take his place. */
static void identify_players(struct apply *self, const struct meant *meant, struct lines *lines)
{
    size_t game = (size_t)(meant->game - self->feed->games);
    bool settled[FEED_GAME_PLAYERS_MAX] = {false};
    lines->count = 0;
    for (size_t i = 0; i < self->feed->player_count; i++) {
        if (self->feed->players[i].game == game && lines->count < FEED_GAME_PLAYERS_MAX) {
            lines->players[lines->count++] = &self->feed->players[i];
        }
    }
    for (int sure = 1; sure >= 0; sure--) {
        for (int i = 0; i < lines->count; i++) {
            const struct feed_player *player = lines->players[i];
            const char *team = player->home != meant->swapped ? meant->home : meant->away;
            settled[i] =
                settled[i] || identity_box_player(&self->memory, player->source_id, player->name,
                                                  team, sure, &lines->who[i]);
            if (!settled[i] && !sure) {
                identity_unknown(player->source_id, player->name, &lines->who[i]);
                lookup_want(self, player->name);
            }
        }
    }
}

/* A line whose player another line is already. */
static bool twice(struct apply *self, const struct lines *lines, int at)
{
    for (int i = 0; i < at; i++) {
        if (lines->who[i].player_id == lines->who[at].player_id) {
            feed_refuse(self->feed, lines->players[at]->path, lines->players[at]->name,
                        "another line of this game is player %lld already",
                        (long long)lines->who[at].player_id);
            return true;
        }
    }
    return false;
}

/* Sums over the lines that stand. */
struct box {
    int64_t lines, unknown, played, without_plus_minus, points[2]; /* of home and visitors */
    int64_t minutes;                                               /* of whoever played longest */
};

static void box_add(struct box *box, const struct msg_row_box_score *row)
{
    box->lines++;
    box->unknown += !row->player_known;
    box->played += row->played;
    box->without_plus_minus += row->played && row->plus_minus == MESSAGE_NONE;
    box->points[row->home ? 0 : 1] += row->points;
    box->minutes = row->minutes > box->minutes ? row->minutes : box->minutes;
}

static double points_off(const struct box *box, const struct msg_row_game *row)
{
    if (row->home_score == MESSAGE_NONE || row->away_score == MESSAGE_NONE) {
        return NAN;
    }
    return fabs((double)(box->points[0] - row->home_score)) +
           fabs((double)(box->points[1] - row->away_score));
}

/* How long a game has lasted at most that is in that period. */
static int64_t minutes_of(int64_t period)
{
    return period <= 4 ? 12 * period : 48 + 5 * (period - 4);
}

/* The lines of a game in play, or the final ones, which are the last of them. */
static struct check_figures live_figures(struct apply *self, const struct meant *meant,
                                         const struct box *box, const struct msg_row_game *row)
{
    const double lines = (double)box->lines,
                 known = (double)memory_count_box(&self->memory, meant->date, meant->game_id);
    return (struct check_figures){
        .rows = lines,
        .unknown = check_share((double)box->unknown, lines),
        .off = box->lines > 0 ? points_off(box, row) : NAN,
        .lost = check_share(known - lines, known),
        .odd = fmax((double)(box->minutes - minutes_of(row->period)), 0),
    };
}

static void check_box(struct apply *self, const struct meant *meant, const struct box *box,
                      const struct msg_row_game *row)
{
    double lines = (double)box->lines, played = (double)box->played;
    const struct check_figures figures = {
        .rows = lines,
        .unknown = (double)box->unknown / lines,
        .nulls = played > 0 ? (double)box->without_plus_minus / played : NAN,
        .off = points_off(box, row),
        .mean = played > 0 ? (double)(box->points[0] + box->points[1]) / played : NAN,
    };
    check_game(self, LIST_BOX, meant->game_id, meant->date, &figures);
}

/* Returns how many rows were said; *box: of the game's lines that stand. */
static int say_box(struct apply *self, const struct meant *meant, enum feed_status status,
                   struct box *box)
{
    struct lines lines;
    int said = 0;
    *box = (struct box){0};
    identify_players(self, meant, &lines);
    for (int i = 0; i < lines.count; i++) {
        struct msg_row_box_score row, last;
        if (twice(self, &lines, i)) {
            continue;
        }
        build_box(meant, lines.players[i], &lines.who[i], status, &row);
        box_add(box, &row);
        bool had = memory_row_box(&self->memory, row.game_date, row.game_id, row.player_id, &last);
        if (had && row.plus_minus == MESSAGE_NONE && row.final && last.final) {
            row.plus_minus = last.plus_minus; /* /v1/stats has none */
        }
        if (!had || !message_equal(&msg_row_box_score_desc, &row, &last, NULL)) {
            memory_put_row_box(&self->memory, &row);
            step_emit(self->step, &msg_row_box_score_desc, &row);
            said++;
        }
        if (row.final) {
            learn_team(self, &row);
        }
    }
    return said;
}

/* ---- the feeds ---- */

static bool is(const struct msg_row_game *last, enum feed_status status)
{
    return last != NULL && strcmp(last->status, feed_status_text(status)) == 0;
}

/* True, and refused, if the game has begun and the feed says it has not. */
static bool went_back(struct apply *self, const struct meant *meant,
                      const struct msg_row_game *last)
{
    if (last == NULL || last->period == 0 || meant->game->period > 0 ||
        meant->game->status != FEED_SCHEDULED) {
        return false;
    }
    feed_refuse(self->feed, meant->game->path, meant->game_id, "period: went back from %lld to 0",
                (long long)last->period);
    return true;
}

/* The lines of a game in play, then its state. */
static void in_play(struct apply *self, const struct meant *meant, const struct msg_row_game *last)
{
    struct msg_row_game row;
    struct box box = {0};
    int said = 0;
    if (is(last, FEED_FINAL) || went_back(self, meant, last)) {
        return;
    }
    build(self, meant, last, &row);
    if (meant->game->period > 0 && meant->game->status != FEED_POSTPONED) {
        strcpy(row.status, feed_status_text(FEED_IN_PROGRESS));
        said = say_box(self, meant, FEED_IN_PROGRESS, &box);
    }
    row.box_players = box.lines;
    say_game(self, &row, last, said > 0);
    if (meant->game->has_box && row.period > 0 && is(&row, FEED_IN_PROGRESS)) {
        const struct check_figures figures = live_figures(self, meant, &box, &row);
        check_game(self, LIST_LIVE, meant->game_id, meant->date, &figures);
    }
}

static void final_box(struct apply *self, const struct meant *meant,
                      const struct msg_row_game *last)
{
    struct msg_row_game row;
    struct box box;
    int said = say_box(self, meant, FEED_FINAL, &box);
    build(self, meant, last, &row);
    /* a body without the lists it had before takes nothing back */
    row.box_players = box.lines > 0 || !is(last, FEED_FINAL) ? box.lines : last->box_players;
    say_game(self, &row, last, said > 0);
    if (box.lines > 0) {
        const struct check_figures figures = live_figures(self, meant, &box, &row);
        check_box(self, meant, &box, &row);
        check_game_over(self, LIST_LIVE, meant->game_id, meant->date, &figures);
        apply_plays_check(self, meant->date, meant->game_id);
    }
}

/* Nobody plays the stand-in any more once the game has its name: whoever waits for it, need not. */
static void retire_stand_in(struct apply *self, const struct meant *meant)
{
    struct msg_row_game row;
    char game_id[STAND_IN_SIZE];
    if (!meant->resolved || meant->game->source_id == MESSAGE_NONE) {
        return;
    }
    stand_in_id(meant->game->source_id, game_id);
    if ((!memory_row_game(&self->memory, meant->date, game_id, &row) &&
         !memory_row_game(&self->memory, meant->game->date, game_id, &row)) ||
        is(&row, FEED_POSTPONED)) {
        return;
    }
    strcpy(row.status, feed_status_text(FEED_POSTPONED));
    strcpy(row.feed, self->raw->feed);
    say_game(self, &row, NULL, true);
}

static bool was_corrected(struct apply *self, const struct meant *meant,
                          const struct msg_row_game *before)
{
    struct msg_row_game now;
    return is(before, FEED_FINAL) && before->box_players > 0 &&
           memory_row_game(&self->memory, meant->date, meant->game_id, &now) &&
           (now.home_score != before->home_score || now.away_score != before->away_score);
}

static void take_game(struct apply *self, const struct feed_game *game,
                      void (*take)(struct apply *, const struct meant *,
                                   const struct msg_row_game *))
{
    struct meant meant;
    struct msg_row_game last;
    if (!identify(self, game, &meant)) {
        return;
    }
    bool first = !memory_row_game(&self->memory, meant.date, meant.game_id, &last);
    about(self, &meant);
    tell_unresolved(self, &meant, first);
    retire_stand_in(self, &meant);
    take(self, &meant, first ? NULL : &last);
    apply_second_opinion(self, meant.date, meant.game_id,
                         !first && was_corrected(self, &meant, &last));
}

static void take_live(struct apply *self, const struct meant *meant,
                      const struct msg_row_game *last)
{
    if (meant->game->status == FEED_FINAL && meant->game->period == 0) {
        return; /* over, and not even a period: nothing to say about play */
    }
    in_play(self, meant, last);
}

static void take_box_scores(struct apply *self, const struct meant *meant,
                            const struct msg_row_game *last)
{
    bool final = meant->game->status == FEED_FINAL;
    if (final) {
        final_box(self, meant, last);
    } else if (is(last, FEED_FINAL) && last->box_players > 0) {
        feed_refuse(self->feed, meant->game->path, meant->game_id,
                    "status: went back from final to %s", feed_status_text(meant->game->status));
    } else {
        in_play(self, meant, last);
    }
}

static void take_games(struct apply *self, const struct meant *meant,
                       const struct msg_row_game *last)
{
    const struct feed_game *game = meant->game;
    struct msg_row_game row;
    bool boxed = last != NULL && last->box_players > 0;
    if ((is(last, FEED_FINAL) && boxed) || went_back(self, meant, last) ||
        (boxed && game->status == FEED_IN_PROGRESS && game->period <= last->period)) {
        return;
    }
    build(self, meant, last, &row);
    if (boxed && game->status == FEED_IN_PROGRESS) {
        row.box_players = last->box_players;
    }
    say_game(self, &row, last, false);
}

static bool is_among(const struct msg_processor_game *game, const struct msg_processor_game *games,
                     size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(games[i].game_id, game->game_id) == 0) {
            return true;
        }
    }
    return false;
}

static bool called_off(struct apply *self, const struct msg_processor_game *game)
{
    struct msg_row_game row;
    return memory_row_game(&self->memory, game->game_date, game->game_id, &row) &&
           is(&row, FEED_POSTPONED);
}

/* What of the list is a game of the schedule, into `found`; the others are counted as unknown. */
static size_t find_listed(struct apply *self, struct msg_processor_game found[MEMORY_DAY_GAMES_MAX],
                          double *unknown)
{
    size_t count = 0;
    *unknown = 0;
    for (size_t i = 0; i < self->feed->game_count && count < MEMORY_DAY_GAMES_MAX; i++) {
        const struct feed_game *game = &self->feed->games[i];
        char home[MEMORY_CODE_SIZE], away[MEMORY_CODE_SIZE];
        if (identity_team(&self->memory, &game->home, home) &&
            identity_team(&self->memory, &game->away, away) &&
            identity_game(&self->memory, game, home, away, &found[count])) {
            count++;
        } else {
            (*unknown)++;
        }
    }
    return count;
}

/* The list of a day's games against the schedule's games of that day. */
static void check_games(struct apply *self, int32_t date)
{
    struct msg_processor_game known[MEMORY_DAY_GAMES_MAX], found[MEMORY_DAY_GAMES_MAX];
    double unknown, lost = 0, owed = 0;
    size_t count = memory_games_of(&self->memory, date, date, known, MEMORY_DAY_GAMES_MAX);
    size_t listed = find_listed(self, found, &unknown);
    for (size_t i = 0; i < count; i++) {
        bool off = called_off(self, &known[i]);
        owed += !off;
        lost += !off && !is_among(&known[i], found, listed);
    }
    const struct check_figures figures = {
        .rows = (double)self->feed->game_count,
        .broken = check_broken(self),
        .lost = owed >= CHECK_GAMES_LEAST ? lost / owed : NAN,
        .unknown = owed >= CHECK_GAMES_LEAST && self->feed->game_count > 0
                       ? unknown / (double)self->feed->game_count
                       : NAN,
    };
    check_day(self, LIST_GAMES, date, &figures);
}

void apply_games(struct apply *self)
{
    size_t count = self->feed->game_count;
    const char *colon = strchr(self->raw->subject, ':');
    int32_t date;
    for (size_t i = 0; i < count; i++) {
        take_game(self, &self->feed->games[i], take_games);
    }
    if (colon != NULL && clock_parse_date(colon + 1, &date) == 0) {
        check_games(self, date);
    }
}

void apply_live(struct apply *self)
{
    size_t count = self->feed->game_count;
    for (size_t i = 0; i < count; i++) {
        take_game(self, &self->feed->games[i], take_live);
    }
}

void apply_box_scores(struct apply *self)
{
    size_t count = self->feed->game_count;
    for (size_t i = 0; i < count; i++) {
        take_game(self, &self->feed->games[i], take_box_scores);
    }
}

/* ---- lines of single players ---- */

/* How many of them are not as the box score has them; *count: of those that stand. */
static int64_t other_lines(struct apply *self, const struct meant *meant, int64_t *count)
{
    static const char *const EXCEPT[] = {"plus_minus", NULL};
    struct lines lines;
    int64_t other = 0;
    *count = 0;
    identify_players(self, meant, &lines);
    for (int i = 0; i < lines.count; i++) {
        struct msg_row_box_score row, last;
        if (twice(self, &lines, i)) {
            continue;
        }
        build_box(meant, lines.players[i], &lines.who[i], FEED_FINAL, &row);
        bool had = memory_row_box(&self->memory, row.game_date, row.game_id, row.player_id, &last);
        other += had ? !message_equal(&msg_row_box_score_desc, &row, &last, EXCEPT) : row.played;
        (*count)++;
    }
    return other;
}

/* A page may end within a game: that a part of its lines is right does not say that all are. */
static void check_lines(struct apply *self, const struct meant *meant, int64_t other, int64_t count,
                        int64_t known)
{
    const struct check_figures figures = {.rows = (double)count, .off = (double)other};
    if (other > 0 || count >= known) {
        check_game(self, LIST_STATS, meant->game_id, meant->date, &figures);
    }
}

static void take_stats(struct apply *self, const struct meant *meant,
                       const struct msg_row_game *last)
{
    int32_t today = clock_league_day(self->raw->fetched_at, self->rollover_hour);
    int64_t known = last != NULL ? last->box_players : 0, count;
    struct msg_row_game row;
    struct box box;
    if (meant->game->status != FEED_FINAL) {
        return;
    }
    if (meant->date >= today) {
        if (is(last, FEED_FINAL) && known > 0) {
            int64_t other = other_lines(self, meant, &count);
            check_lines(self, meant, other, count, known);
        }
        return;
    }
    int said = say_box(self, meant, FEED_FINAL, &box);
    build(self, meant, last, &row);
    row.box_players = memory_count_box(&self->memory, meant->date, meant->game_id);
    if (row.box_players > FEED_GAME_PLAYERS_MAX) {
        row.box_players = FEED_GAME_PLAYERS_MAX;
    }
    say_game(self, &row, last, said > 0);
    check_lines(self, meant, 0, box.lines, known);
}

void apply_stats(struct apply *self)
{
    size_t count = self->feed->game_count;
    for (size_t i = 0; i < count; i++) {
        take_game(self, &self->feed->games[i], take_stats);
    }
}

/* ---- the schedule ---- */

/* All of the season is remembered, but only what is near, or was said before, is said: nobody works on next month's games. */
#define NEAR_DAYS 2

/* The league's schedule is where days, sides and tips come from; what began or is over is left to the others. False: nobody knows the
 * teams. */
static bool take_scheduled(struct apply *self, const struct feed_game *game, int32_t from,
                           int32_t to)
{
    struct meant meant = {
        .game = game, .date = game->date, .tip_us = game->tip_us, .resolved = true};
    struct msg_processor_game known, old;
    struct msg_row_game row, last;
    if (!name_sides(self, game, meant.home, meant.away)) {
        return false;
    }
    strcpy(meant.game_id, game->game_id);
    message_clear(&msg_processor_game_desc, &known);
    strcpy(known.game_id, game->game_id);
    strcpy(known.home, meant.home);
    strcpy(known.away, meant.away);
    known.game_date = game->date;
    known.scheduled = true;
    bool had = memory_game(&self->memory, game->game_id, &old);
    known.tip_at = game->tip_us != MESSAGE_NONE || !had ? game->tip_us : old.tip_at;
    meant.tip_us = known.tip_at;
    if (!had || !message_equal(&msg_processor_game_desc, &known, &old, NULL)) {
        memory_put_game(&self->memory, &known);
    }
    bool begun = game->status == FEED_IN_PROGRESS || game->status == FEED_FINAL;
    bool said = memory_row_game(&self->memory, meant.date, meant.game_id, &last);
    bool near = game->date >= from && game->date <= to;
    if (begun || (said ? !is(&last, FEED_SCHEDULED) && !is(&last, FEED_POSTPONED) : !near)) {
        return true;
    }
    build(self, &meant, said ? &last : NULL, &row);
    if (said) { /* a state without play has no scores: keep what the other feeds write there */
        row.home_score = last.home_score;
        row.away_score = last.away_score;
        strcpy(row.clock, last.clock);
    }
    say_game(self, &row, said ? &last : NULL, false);
    return true;
}

static bool in_schedule(const struct feed *feed, const char *game_id)
{
    for (size_t i = 0; i < feed->game_count; i++) {
        if (strcmp(feed->games[i].game_id, game_id) == 0) {
            return true;
        }
    }
    return false;
}

/* Of the games that an earlier schedule had on these days and that are on no other now, the share that this one has not. */
static double schedule_lost(struct apply *self, int32_t from, int32_t to)
{
    struct msg_processor_game known[3 * MEMORY_DAY_GAMES_MAX];
    double lost = 0, owed = 0;
    size_t count = memory_games_of(&self->memory, from, to, known, sizeof known / sizeof known[0]);
    for (size_t i = 0; i < count; i++) {
        owed += known[i].scheduled;
        lost += known[i].scheduled && !in_schedule(self->feed, known[i].game_id);
    }
    return owed >= CHECK_GAMES_LEAST ? lost / owed : NAN;
}

static void check_schedule(struct apply *self, double unknown, int32_t today, int32_t to)
{
    double without_tip = 0, games = 0;
    for (size_t i = 0; i < self->feed->game_count; i++) {
        const struct feed_game *game = &self->feed->games[i];
        games += game->date == today;
        without_tip += game->date == today && game->tip_us == MESSAGE_NONE;
    }
    const struct check_figures figures = {
        .rows = (double)self->feed->game_count,
        .unknown = check_share(unknown, (double)self->feed->game_count),
        .nulls = games > 0 ? without_tip / games : NAN,
        .lost = schedule_lost(self, today, to),
        .broken = check_broken(self),
    };
    check_newest(self, LIST_SCHEDULE, &figures, true);
}

void apply_schedule(struct apply *self)
{
    size_t count = self->feed->game_count;
    int32_t today = clock_league_day(self->raw->fetched_at, self->rollover_hour);
    int32_t from = clock_date_add(today, -1), to = clock_date_add(today, NEAR_DAYS);
    double unknown = 0;
    for (size_t i = 0; i < count; i++) {
        unknown += !take_scheduled(self, &self->feed->games[i], from, to);
    }
    check_schedule(self, unknown, today, to);
    apply_waiting_events(self);
}
