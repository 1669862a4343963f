#include "actors/features/summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "config/log.h"
#include "schema/hash.h"

#define WAIT_US (INT64_C(60) * 1000000) /* for the rest of the box score */
#define BYTES_MAX 2048

/* ---- the sums ---- */

void summary_sides(const struct summary_line *lines, size_t count, struct summary_side *home,
                   struct summary_side *away)
{
    memset(home, 0, sizeof *home);
    memset(away, 0, sizeof *away);
    for (size_t i = 0; i < count; i++) {
        struct summary_side *side = lines[i].line.home ? home : away;
        if (lines[i].line.played) {
            window_sums_line(&side->sums, &lines[i].line, 1);
            side->players++;
        }
    }
}

static double plays_of(int64_t shots, int64_t free_throws, int64_t turnovers)
{
    return (double)shots + 0.44 * (double)free_throws + (double)turnovers;
}

static double side_plays(const struct window_sums *sums)
{
    return plays_of(sums->fga, sums->fta, sums->turnovers);
}

static double possessions_of(const struct window_sums *sums)
{
    double possessions = side_plays(sums) - sums->offensive_rebounds;
    return possessions < 0 ? 0 : possessions;
}

/* NaN of nothing, and of what cannot be: lines that are odd are what they are, and the ratio says nothing. */
static double share(double part, double whole, double most)
{
    double ratio = whole > 0 ? window_round(part / whole) : NAN;
    return ratio <= most ? ratio : NAN;
}

enum { SHARE_MOST = 1, RATE_MOST = 10, RATING_MOST = 400, USAGE_MOST = 1000 };

static int64_t won(const struct summary_side *own, const struct summary_side *other)
{
    return own->sums.points == other->sums.points ? MESSAGE_NONE
                                                  : own->sums.points > other->sums.points;
}

void summary_of_player(const struct summary_line *from, const struct summary_side *own,
                       const struct summary_side *other, struct msg_summary_player_game *out)
{
    const struct window_line *line = &from->line;
    const double shooting = (double)line->fga + 0.44 * (double)line->fta;
    out->home = line->home;
    out->played = line->played;
    out->won = won(own, other);
    out->minutes = line->minutes;
    out->points = line->points;
    out->rebounds = line->rebounds;
    out->assists = line->assists;
    out->three_pointers_made = line->three_pointers_made;
    out->usage =
        share(100 * plays_of(line->fga, line->fta, line->turnovers) * (double)own->sums.minutes / 5,
              (double)line->minutes * side_plays(&own->sums), USAGE_MOST);
    out->true_shooting = share(line->points, 2 * shooting, RATE_MOST);
    out->three_share = share(line->three_attempts, line->fga, SHARE_MOST);
}

void summary_of_side(const struct summary_side *own, const struct summary_side *other,
                     struct msg_summary_team_game *out)
{
    const struct window_sums *mine = &own->sums, *theirs = &other->sums;
    const double ours = possessions_of(mine), allowed = possessions_of(theirs);
    out->won = won(own, other);
    out->players = own->players;
    out->minutes = mine->minutes;
    out->points = mine->points;
    out->points_allowed = theirs->points;
    out->possessions = window_round(ours);
    out->possessions_allowed = window_round(allowed);
    /* Both sides played the same minutes, but for rounding: the mean of what their players have. */
    out->pace = share(48 * (ours + allowed) / 2, (double)(mine->minutes + theirs->minutes) / 10,
                      RATING_MOST);
    out->offense_rating = share(100 * (double)mine->points, ours, RATING_MOST);
    out->defense_rating = share(100 * (double)theirs->points, allowed, RATING_MOST);
    out->three_share = share(mine->three_attempts, mine->fga, SHARE_MOST);
    out->free_throw_rate = share(mine->fta, mine->fga, RATE_MOST);
    out->turnover_share = share(mine->turnovers, side_plays(mine), SHARE_MOST);
    out->three_share_allowed = share(theirs->three_attempts, theirs->fga, SHARE_MOST);
    out->free_throw_rate_allowed = share(theirs->fta, theirs->fga, RATE_MOST);
    out->turnover_share_forced = share(theirs->turnovers, side_plays(theirs), SHARE_MOST);
    out->threes_allowed = theirs->three_pointers_made;
    out->rebounds = mine->rebounds;
    out->rebounds_allowed = theirs->rebounds;
}

/* ---- what is kept ---- */

static void player_key(struct store_key *key, const char *game_id, int64_t player_id)
{
    store_key_start(key);
    store_key_text(key, game_id);
    store_key_i64(key, player_id);
}

static int timer_set(struct step *step, const char *game_id, int32_t date)
{
    struct msg_timer_summary timer;
    struct store_txn *txn = step_store(step);
    struct span value;
    int64_t now = step_now_us(step), due = now + WAIT_US, set;
    int error = store_get(txn, "final_due", date, game_id, strlen(game_id), &value);
    if (error && error != STORE_NOT_FOUND) {
        return error;
    }
    if (!error && value.size == sizeof set) {
        memcpy(&set, value.data, sizeof set);
        if (set > now) {
            return 0;
        }
    }
    error = store_put(txn, "final_due", date, game_id, strlen(game_id), &due, sizeof due);
    if (error) {
        return error;
    }
    message_clear(&msg_timer_summary_desc, &timer);
    strcpy(timer.game_id, game_id);
    timer.game_date = date;
    timer.due_at = due;
    step_later(step, &msg_timer_summary_desc, &timer, due);
    return 0;
}

int summary_take(struct step *step, const char *game_id, const struct summary_line *line, bool mine)
{
    struct store_key key;
    player_key(&key, game_id, line->player_id);
    int error = store_put(step_store(step), "final", line->line.date, key.data, key.size, line,
                          sizeof *line);
    return error || !mine ? error : timer_set(step, game_id, line->line.date);
}

static int one_is_there(const struct store_row *row, void *context)
{
    (void)row;
    *(bool *)context = true;
    return 1;
}

int summary_game_known(struct step *step, const char *game_id, int32_t date)
{
    struct store_key prefix;
    bool there = false;
    store_key_start(&prefix);
    store_key_text(&prefix, game_id);
    int error = store_scan(step_store(step), "final", date, date, prefix.data, prefix.size, false,
                           one_is_there, &there);
    return there ? timer_set(step, game_id, date) : error;
}

static int before_load(struct store_txn *txn, int32_t date, const char *game_id, int64_t player_id,
                       struct summary_before *before)
{
    struct store_key key;
    struct span value;
    *before = (struct summary_before){NAN, NAN, 0};
    player_key(&key, game_id, player_id);
    int error = store_get(txn, "closing", date, key.data, key.size, &value);
    if (!error && value.size == sizeof *before) {
        memcpy(before, value.data, sizeof *before);
    }
    return error == STORE_NOT_FOUND ? 0 : error;
}

static bool same_number(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

int summary_note_before(struct store_txn *txn, int32_t date, const char *game_id, int64_t player_id,
                        const struct summary_before *before)
{
    struct store_key key;
    struct summary_before old, now = *before;
    int error = before_load(txn, date, game_id, player_id, &old);
    if (error) {
        return error;
    }
    if (isnan(now.line)) {
        now.line = old.line;
        now.position = old.position;
    }
    if (same_number(now.line, old.line) && same_number(now.injury_risk, old.injury_risk)) {
        return 0;
    }
    player_key(&key, game_id, player_id);
    return store_put(txn, "closing", date, key.data, key.size, &now, sizeof now);
}

/* ---- saying it ---- */

struct finals {
    struct summary_line lines[SUMMARY_LINES_MAX];
    size_t count;
};

static int finals_add(const struct store_row *row, void *context)
{
    struct finals *finals = context;
    if (row->value.size != sizeof *finals->lines) {
        return STORE_CORRUPT;
    }
    if (finals->count == SUMMARY_LINES_MAX) {
        log_warn("summary-too-many", "date=%d lines=%d", row->date, SUMMARY_LINES_MAX);
        return 0;
    }
    memcpy(&finals->lines[finals->count++], row->value.data, row->value.size);
    return 0;
}

static int finals_load(struct store_txn *txn, const char *game_id, int32_t date,
                       struct finals *finals)
{
    struct store_key prefix;
    finals->count = 0;
    store_key_start(&prefix);
    store_key_text(&prefix, game_id);
    return store_scan(txn, "final", date, date, prefix.data, prefix.size, false, finals_add,
                      finals);
}

/* Said if it is another than the last time; 1 if it was, 0, or a store_error. */
static int say_changed(struct step *step, const struct message_desc *desc, const void *message,
                       int32_t date, const struct store_key *key, const uint64_t *parents,
                       uint32_t parent_count)
{
    uint8_t bytes[BYTES_MAX];
    char print[HASH_HEX_SIZE];
    struct message_error broken;
    struct span value;
    struct emit how = {.parents = parents, .parent_count = parent_count, .due_us = MESSAGE_NONE};
    long size = message_encode(desc, message, bytes, sizeof bytes, &broken);
    if (size > 0) { /* what is wrong with it is said by step_emit */
        hash_sha256_hex(bytes, (size_t)size, print);
        int error = store_get(step_store(step), "summed", date, key->data, key->size, &value);
        if (!error && value.size == 32 && memcmp(value.data, print, 32) == 0) {
            return 0;
        }
        if (!error || error == STORE_NOT_FOUND) {
            error = store_put(step_store(step), "summed", date, key->data, key->size, print, 32);
        }
        if (error) {
            return error;
        }
    }
    step_emit_with(step, desc, message, &how);
    return 1;
}

/* Codes are not terminated when they fill their four bytes. */
static void code_copy(char *to, const char code[4])
{
    memcpy(to, code, 4);
    to[4] = '\0';
}

static void against_line(struct store_txn *txn, const struct summary_line *line,
                         const struct summary_before *before, struct msg_summary_player_game *out,
                         int *error)
{
    double opening = NAN;
    out->injury_risk = before->injury_risk;
    *error = game_opening(txn, out->game_date, out->game_id, line->player_id, &opening, false);
    if (*error || isnan(before->line)) {
        return;
    }
    out->line = window_round(before->line);
    out->line_opening = window_round(opening);
    if (!isnan(opening)) {
        out->line_move = window_round(before->line - opening);
    }
    if (line->line.played) {
        out->margin = window_round((double)line->line.points - before->line);
        strcpy(out->result, out->margin > 0 ? "over" : out->margin < 0 ? "under" : "push");
    }
}

/* Who made it: the line itself, or none; what told of the time before; then everyone who came in, on either side, as far as there is
 * room. */
static uint32_t parents_of(const struct finals *finals, const struct summary_line *own,
                           uint64_t before, uint64_t parents[RECORD_PARENTS_MAX])
{
    uint32_t count = 0;
    if (own) {
        parents[count++] = own->line.position;
    }
    if (before) {
        parents[count++] = before;
    }
    for (size_t i = 0; i < finals->count && count < RECORD_PARENTS_MAX; i++) {
        if (finals->lines[i].line.played && &finals->lines[i] != own) {
            parents[count++] = finals->lines[i].line.position;
        }
    }
    return count;
}

static int say_player(struct step *step, const char *game_id, int32_t date,
                      const struct finals *finals, const struct summary_line *line,
                      const struct summary_side *own, const struct summary_side *other)
{
    struct msg_summary_player_game out;
    struct summary_before before;
    struct store_key key;
    struct store_txn *txn = step_store(step);
    uint64_t parents[RECORD_PARENTS_MAX];
    message_clear(&msg_summary_player_game_desc, &out);
    strcpy(out.game_id, game_id);
    out.game_date = date;
    out.player_id = line->player_id;
    memcpy(out.player_name, line->name, strnlen(line->name, sizeof out.player_name - 1));
    code_copy(out.team, line->line.team);
    code_copy(out.opponent, line->line.opponent);
    summary_of_player(line, own, other, &out);
    int error = before_load(txn, date, game_id, line->player_id, &before);
    if (!error) {
        against_line(txn, line, &before, &out, &error);
    }
    uint32_t parent_count = parents_of(finals, line, before.position, parents);
    player_key(&key, game_id, line->player_id);
    return error ? error
                 : say_changed(step, &msg_summary_player_game_desc, &out, date, &key, parents,
                               parent_count);
}

static int say_side(struct step *step, const char *game_id, int32_t date,
                    const struct finals *finals, const struct summary_side *own,
                    const struct summary_side *other, bool home)
{
    struct msg_summary_team_game out;
    uint64_t parents[RECORD_PARENTS_MAX];
    struct store_key key;
    message_clear(&msg_summary_team_game_desc, &out);
    strcpy(out.game_id, game_id);
    out.game_date = date;
    out.home = home;
    for (size_t i = 0; i < finals->count; i++) {
        const struct window_line *line = &finals->lines[i].line;
        if ((line->home != 0) == home) {
            code_copy(out.team, line->team);
            code_copy(out.opponent, line->opponent);
        }
    }
    uint32_t parent_count = parents_of(finals, NULL, 0, parents);
    summary_of_side(own, other, &out);
    player_key(&key, game_id, home ? INT64_MAX : INT64_MAX - 1);
    return say_changed(step, &msg_summary_team_game_desc, &out, date, &key, parents, parent_count);
}

int summary_say(struct step *step, const char *game_id, int32_t date, int64_t *said)
{
    struct summary_side home, away;
    struct finals *finals = malloc(sizeof *finals);
    *said = 0;
    if (!finals) {
        return STORE_FULL;
    }
    int result = finals_load(step_store(step), game_id, date, finals);
    summary_sides(finals->lines, finals->count, &home, &away);
    for (size_t i = 0; i < finals->count && result >= 0; i++) {
        bool at_home = finals->lines[i].line.home;
        result = say_player(step, game_id, date, finals, &finals->lines[i], at_home ? &home : &away,
                            at_home ? &away : &home);
        *said += result > 0;
    }
    if (result >= 0 && home.players > 0 && away.players > 0) {
        result = say_side(step, game_id, date, finals, &home, &away, true);
        *said += result > 0;
        if (result >= 0) {
            result = say_side(step, game_id, date, finals, &away, &home, false);
            *said += result > 0;
        }
    }
    free(finals);
    return result < 0 ? result : 0;
}
