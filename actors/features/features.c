#include "actors/features/features.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "actors/command.h"
#include "actors/features/build.h"
#include "actors/features/career.h"
#include "actors/features/game.h"
#include "actors/features/summary.h"
#include "config/clock.h"

#define LEAD_US (INT64_C(12) * 3600 * 1000000)

/* A full disk is waited out; what the store cannot read is said and set aside. */
static enum verdict store_verdict(struct step *step, int error)
{
    return error == 0 ? DONE
                      : step_refuse(step, error == STORE_CORRUPT ? NEVER : LATER, "store: %s",
                                    store_error_text(error));
}

/* ---- history ---- */

static enum verdict take_history_player(struct step *step, const struct input *input, void *self)
{
    const struct msg_history_player *row = input->message;
    (void)self;
    int error =
        career_stage_name(step_store(step), row->import_id, row->player_id, row->player_name);
    if (!error && row->position[0]) {
        error = career_stage_group(step_store(step), row->import_id, row->player_id,
                                   window_group(row->position));
    }
    return store_verdict(step, error);
}

static uint8_t byte_of(int64_t value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static int8_t signed_of(int64_t value)
{
    return value == MESSAGE_NONE ? WINDOW_NOT_KNOWN
                                 : (int8_t)(value < -127  ? -127
                                            : value > 127 ? 127
                                                          : value);
}

/* The counts of a line: history.player_game and row.box_score name them alike. */
#define LINE_COUNTS(row)                                                                           \
    .minutes = byte_of((row)->minutes), .points = byte_of((row)->points),                          \
    .rebounds = byte_of((row)->rebounds), .assists = byte_of((row)->assists),                      \
    .three_pointers_made = byte_of((row)->three_pointers_made),                                    \
    .fga = byte_of((row)->field_goals_attempted), .fgm = byte_of((row)->field_goals_made),         \
    .three_attempts = byte_of((row)->three_pointers_attempted),                                    \
    .fta = byte_of((row)->free_throws_attempted), .ftm = byte_of((row)->free_throws_made),         \
    .turnovers = byte_of((row)->turnovers),                                                        \
    .offensive_rebounds = byte_of((row)->offensive_rebounds),                                      \
    .fouls = byte_of((row)->personal_fouls), .plus_minus = signed_of((row)->plus_minus)

static enum verdict take_history_player_game(struct step *step, const struct input *input,
                                             void *self)
{
    const struct msg_history_player_game *row = input->message;
    struct window_line line = {.position = input->position,
                               .date = row->game_date,
                               LINE_COUNTS(row),
                               .home = row->home,
                               .starter = signed_of(row->starter),
                               .played = 1};
    (void)self;
    career_game(line.game_id, row->game_id);
    career_code(line.team, row->team);
    career_code(line.opponent, row->opponent);
    return store_verdict(step, career_stage_line(step_store(step), row->import_id, &line,
                                                 row->player_id, row->player_name));
}

static enum verdict take_history_prop(struct step *step, const struct input *input, void *self)
{
    (void)self;
    return store_verdict(step, game_stage_prop(step_store(step), input->message, input->position));
}

static enum verdict take_history_line(struct step *step, const struct input *input, void *self)
{
    (void)self;
    return store_verdict(step, game_stage_line(step_store(step), input->message, input->position));
}

/* ---- building ---- */

static enum verdict build(struct step *step, const struct input *input, void *self,
                          const char *game_id, const struct game_state *game,
                          struct build_counts *counts)
{
    return store_verdict(step, build_game(step, self, game_id, game, input->position, counts));
}

static void count_run(struct step *step, const struct build_counts *counts)
{
    step_run_rows(step, counts->built + counts->teamless, counts->teamless);
}

/* Features are first built so long before the tip, or from the start of the league day if the tip is not known: a schedule
 * names games of months to come. Odds on a game build it at any time. */
static int64_t build_from(const struct game_state *game)
{
    return game->tip_at != MESSAGE_NONE ? game->tip_at - LEAD_US : clock_date_start_us(game->date);
}

struct rebuild {
    struct step *step;
    const struct input *input;
    struct open_game {
        char game_id[17];
        struct game_state game;
    } * games;
    size_t count, capacity;
};

static int note_open(const char *game_id, const struct game_state *game, void *context)
{
    struct rebuild *rebuild = context;
    int64_t now = step_now_us(rebuild->step);
    if (now < build_from(game) ||
        game_locked(game, now, step_settings(rebuild->step)->lock.grace_us)) {
        return 0;
    }
    if (rebuild->count == rebuild->capacity) {
        size_t capacity = rebuild->capacity ? 2 * rebuild->capacity : 64;
        struct open_game *games = realloc(rebuild->games, capacity * sizeof *games);
        if (!games) {
            return STORE_FULL;
        }
        rebuild->games = games;
        rebuild->capacity = capacity;
    }
    struct open_game *open = &rebuild->games[rebuild->count++];
    strcpy(open->game_id, game_id);
    open->game = *game;
    return 0;
}

/* History changed: every game that is still open is looked at again. */
static enum verdict rebuild_open(struct step *step, const struct input *input, void *self,
                                 struct build_counts *counts)
{
    struct rebuild rebuild = {.step = step, .input = input};
    enum verdict verdict =
        store_verdict(step, game_scan_open(step_store(step), note_open, &rebuild));
    for (size_t i = 0; i < rebuild.count && verdict == DONE; i++) {
        verdict =
            build(step, input, self, rebuild.games[i].game_id, &rebuild.games[i].game, counts);
    }
    free(rebuild.games);
    return verdict;
}

static enum verdict take_import_commit(struct step *step, const struct input *input, void *self)
{
    const struct msg_import_commit *row = input->message;
    struct build_counts counts = {0};
    int64_t lines = 0;
    build_forget(self);
    int error = game_commit(step_store(step), row->import_id);
    if (!error) {
        error = career_commit(step_store(step), row->import_id, &lines);
    }
    if (error) {
        return store_verdict(step, error);
    }
    enum verdict verdict = rebuild_open(step, input, self, &counts);
    step_run_rows(step, lines, 0);
    return verdict;
}

/* ---- games ---- */

static bool play_on(const struct msg_row_game *row)
{
    return row->period > 0 || strcmp(row->status, "in_progress") == 0 ||
           strcmp(row->status, "final") == 0;
}

static void set_timer(struct step *step, const char *game_id, const struct game_state *game,
                      int64_t due_us)
{
    struct msg_timer_features timer;
    if (due_us <= step_now_us(step)) {
        return;
    }
    message_clear(&msg_timer_features_desc, &timer);
    strcpy(timer.game_id, game_id);
    timer.game_date = game->date;
    timer.tip_at = game->tip_at != MESSAGE_NONE ? game->tip_at : due_us;
    step_later(step, &msg_timer_features_desc, &timer, due_us);
}

/* Takes over what the row says of when and who. True if that is news. */
static bool reschedule(struct game_state *game, const struct msg_row_game *row, bool known)
{
    int64_t tip = row->tip_at != MESSAGE_NONE ? row->tip_at : game->tip_at;
    bool news = !known || game->date != row->game_date || game->tip_at != tip ||
                strcmp(game->home, row->home) != 0 || strcmp(game->away, row->away) != 0 ||
                game->postponed;
    game->date = row->game_date;
    game->tip_at = tip;
    memset(game->home, 0, sizeof game->home);
    memset(game->away, 0, sizeof game->away);
    memcpy(game->home, row->home, strlen(row->home));
    memcpy(game->away, row->away, strlen(row->away));
    return news;
}

static enum verdict take_row_game(struct step *step, const struct input *input, void *self)
{
    const struct msg_row_game *row = input->message;
    const int64_t grace = step_settings(step)->lock.grace_us;
    struct game_state game;
    struct build_counts counts = {0};

    memset(&game, 0, sizeof game); /* padding is stored too */
    game.tip_at = game.play_seen = MESSAGE_NONE;
    int error = game_load(step_store(step), row->game_id, &game);
    if (error && error != STORE_NOT_FOUND) {
        return store_verdict(step, error);
    }
    bool known = !error, postponed = strcmp(row->status, "postponed") == 0;
    if (known && game.play_seen != MESSAGE_NONE) {
        return DONE; /* closed for good */
    }
    bool news = reschedule(&game, row, known);
    game.postponed = postponed;
    if (play_on(row)) {
        game.play_seen = input->time_us;
    }
    if (!news && !postponed && game.play_seen == MESSAGE_NONE) {
        return DONE;
    }
    if (!known) {
        error = summary_game_known(step, row->game_id, row->game_date);
        if (error) {
            return store_verdict(step, error);
        }
    }
    build_look_again(self);
    game.position = input->position;
    error = game_save(step_store(step), row->game_id, &game);
    if (error || postponed || game_locked(&game, input->time_us, grace)) {
        return store_verdict(step, error);
    }
    set_timer(step, row->game_id, &game, build_from(&game));
    if (game.tip_at != MESSAGE_NONE) {
        set_timer(step, row->game_id, &game, game.tip_at + grace);
    }
    if (input->time_us < build_from(&game)) {
        return DONE;
    }
    enum verdict verdict = build(step, input, self, row->game_id, &game, &counts);
    count_run(step, &counts);
    return verdict;
}

/* One comes when it is time to build, one at the lock: that is a matter of time alone (game_locked), and its record says in the
 * log when it was. */
static enum verdict take_timer(struct step *step, const struct input *input, void *self)
{
    const struct msg_timer_features *timer = input->message;
    struct build_counts counts = {0};
    struct game_state game;
    int error = game_load(step_store(step), timer->game_id, &game);
    if (error) {
        return error == STORE_NOT_FOUND ? DONE : store_verdict(step, error);
    }
    if (game.postponed || input->time_us < build_from(&game) ||
        game_locked(&game, input->time_us, step_settings(step)->lock.grace_us)) {
        return DONE;
    }
    enum verdict verdict = build(step, input, self, timer->game_id, &game, &counts);
    count_run(step, &counts);
    return verdict;
}

/* Those of a game that this shard has are summed up, when they are all in. */
static int sum_up_later(struct step *step, const struct msg_row_box_score *row,
                        const struct window_line *line)
{
    struct summary_line summary = {.line = *line, .player_id = row->player_id};
    struct game_state game;
    int error = game_load(step_store(step), row->game_id, &game);
    memcpy(summary.name, row->player_name, strlen(row->player_name));
    return error && error != STORE_NOT_FOUND ? error
                                             : summary_take(step, row->game_id, &summary, !error);
}

static enum verdict take_timer_summary(struct step *step, const struct input *input, void *self)
{
    const struct msg_timer_summary *timer = input->message;
    int64_t said;
    (void)self;
    int error = summary_say(step, timer->game_id, timer->game_date, &said);
    return store_verdict(step, error);
}

/* Asked to: from all that is known, and what is other than it was said, or was not said, is said. */
static enum verdict take_command(struct step *step, const struct input *input, void *self)
{
    static const struct command_kind KIND = {"features", "rebuild", &msg_row_game_desc,
                                             "PlayerFeatures", NULL};
    const struct msg_ops_command *command = input->message;
    struct build_counts counts = {0};
    struct game_state game;
    if (!command_take(step, input, &KIND, NULL)) {
        return DONE;
    }
    int error = game_load(step_store(step), command->subject, &game);
    if (error && error != STORE_NOT_FOUND) {
        return store_verdict(step, error);
    }
    if (error || game.postponed || step_now_us(step) < build_from(&game) ||
        game_locked(&game, step_now_us(step), step_settings(step)->lock.grace_us)) {
        command_nothing(step, input, "%s",
                        error            ? "no such game is known"
                        : game.postponed ? "the game is postponed"
                        : step_now_us(step) < build_from(&game)
                            ? "its features are not built so early"
                            : "the game is closed");
        return DONE;
    }
    build_forget(self);
    step_run_about(step, game.date, command->subject);
    uint32_t said = step_emitted(step);
    enum verdict verdict = build(step, input, self, command->subject, &game, &counts);
    count_run(step, &counts);
    if (verdict == DONE) {
        command_done(step, input, said);
    }
    return verdict;
}

/* A line of a final box score is history for later days. */
static enum verdict take_box_score(struct step *step, const struct input *input, void *self)
{
    const struct msg_row_box_score *row = input->message;
    struct window_line line = {.position = input->position,
                               .date = row->game_date,
                               LINE_COUNTS(row),
                               .home = row->home,
                               .starter = WINDOW_NOT_KNOWN,
                               .played = row->played};

    if (!row->final) {
        return DONE;
    }
    build_forget(self);
    career_game(line.game_id, row->game_id);
    career_code(line.team, row->team);
    career_code(line.opponent, row->opponent);
    int error = sum_up_later(step, row, &line);
    return store_verdict(
        step,
        error ? error : career_add(step_store(step), row->player_id, row->player_name, &line));
}

/* ---- odds ---- */

/* What was asked for after the fact counts as an import does: of a day that is over, of a game that nobody followed here (else what was
 * known of it then stands), and only what held before its start. */
#define NOT_FOLLOWED_US (INT64_C(24) * 3600 * 1000000)

static enum verdict past_counts(struct step *step, const char *game_id, int32_t date,
                                int64_t snapshot_at, int64_t commence_at, bool *counts)
{
    struct game_state game;
    int32_t today =
        clock_league_day(step_now_us(step), (int)step_settings(step)->day.rollover_hour);
    int error = game_load(step_store(step), game_id, &game);
    bool followed = !error && (game.play_seen == MESSAGE_NONE || game.tip_at == MESSAGE_NONE ||
                               game.play_seen < game.tip_at + NOT_FOLLOWED_US);
    *counts = false;
    if (error && error != STORE_NOT_FOUND) {
        return store_verdict(step, error);
    }
    if (date >= today || followed || commence_at == MESSAGE_NONE || snapshot_at >= commence_at) {
        return DONE;
    }
    return store_verdict(step,
                         game_past_snapshot(step_store(step), date, game_id, snapshot_at, counts));
}

static enum verdict take_odds(struct step *step, const struct input *input, void *self)
{
    const struct msg_row_odds *row = input->message;
    (void)self;
    if (strcmp(row->market, "player_points") != 0) {
        return DONE;
    }
    if (row->past) {
        bool counts;
        enum verdict verdict = past_counts(step, row->game_id, row->game_date, row->snapshot_at,
                                           row->commence_at, &counts);
        if (verdict != DONE || !counts) {
            return verdict;
        }
    }
    return store_verdict(step, game_put_odds(step_store(step), row, input->position));
}

/* Once the tip is past, by the schedule and by the book's own start, books take lines down or run them in play: such a snapshot
 * changes nothing. */
static bool before_start(const struct msg_row_odds_snapshot *row, const struct game_state *game)
{
    return game->tip_at == MESSAGE_NONE || row->snapshot_at < game->tip_at ||
           (row->commence_at != MESSAGE_NONE && row->snapshot_at < row->commence_at);
}

static enum verdict take_odds_snapshot(struct step *step, const struct input *input, void *self)
{
    const struct msg_row_odds_snapshot *row = input->message;
    struct build_counts counts = {0};
    struct game_state game;
    int error = game_load(step_store(step), row->game_id, &game);
    if (error == STORE_NOT_FOUND) {
        return DONE; /* its rows are kept; they count once the game is known */
    }
    if (error) {
        return store_verdict(step, error);
    }
    if (game.postponed || game_locked(&game, input->time_us, step_settings(step)->lock.grace_us) ||
        !before_start(row, &game)) {
        return DONE;
    }
    enum verdict verdict = build(step, input, self, row->game_id, &game, &counts);
    count_run(step, &counts);
    return verdict;
}

/* Another spread, total or report is looked at a little later: one poll brings many of them. */
#define LOOK_US (INT64_C(5) * 60 * 1000000)

static void look_later(struct step *step, const char *game_id, const struct game_state *game)
{
    int64_t now = step_now_us(step);
    if (now >= build_from(game) && !game_locked(game, now, step_settings(step)->lock.grace_us)) {
        set_timer(step, game_id, game, (now / LOOK_US + 1) * LOOK_US);
    }
}

/* Is what a book said at `snapshot_at` of the time before the game? What it says in play would be the future to whoever looks back. */
static bool said_before(const struct step *step, const struct msg_row_game_odds *row,
                        const struct game_state *game)
{
    if (row->snapshot_at >= row->commence_at) {
        return false;
    }
    return !game || (!game->postponed &&
                     !game_locked(game, step_now_us(step), step_settings(step)->lock.grace_us) &&
                     (game->tip_at == MESSAGE_NONE || row->snapshot_at < game->tip_at));
}

static bool same_line(const struct game_line *a, const struct game_line *b)
{
    return (a->total == b->total || (isnan(a->total) && isnan(b->total))) &&
           (a->spread_home == b->spread_home || (isnan(a->spread_home) && isnan(b->spread_home)));
}

static enum verdict take_past_line(struct step *step, const struct msg_row_game_odds *row)
{
    bool counts;
    enum verdict verdict = past_counts(step, row->game_id, row->game_date, row->snapshot_at,
                                       row->commence_at, &counts);
    return verdict == DONE && counts ? store_verdict(step, game_put_line(step_store(step), row))
                                     : verdict;
}

static enum verdict take_game_odds(struct step *step, const struct input *input, void *self)
{
    const struct msg_row_game_odds *row = input->message;
    struct game_line before, after;
    struct game_state game;
    struct store_txn *txn = step_store(step);
    if (row->past) {
        return take_past_line(step, row);
    }
    int error = game_load(txn, row->game_id, &game);
    bool known = !error;
    if (error && error != STORE_NOT_FOUND) {
        return store_verdict(step, error);
    }
    if (!said_before(step, row, known ? &game : NULL)) {
        return DONE;
    }
    error = game_median_line(txn, row->game_date, row->game_id, &before);
    if (!error) {
        error = game_put_line(txn, row);
    }
    if (!error) {
        error = game_median_line(txn, row->game_date, row->game_id, &after);
    }
    if (!error && !same_line(&before, &after)) {
        build_look_again(self);
        if (known) {
            look_later(step, row->game_id, &game);
        }
    }
    return store_verdict(step, error);
}

struct of_team {
    struct step *step;
    const char *team;
};

static int look_at_team(const char *game_id, const struct game_state *game, void *context)
{
    const struct of_team *of = context;
    if (strcmp(game->home, of->team) == 0 || strcmp(game->away, of->team) == 0) {
        look_later(of->step, game_id, game);
    }
    return 0;
}

static enum verdict take_injury(struct step *step, const struct input *input, void *self)
{
    const struct msg_row_injury *row = input->message;
    struct of_team of = {step, row->team};
    double before = NAN, after = NAN;
    int error = game_injury(step_store(step), row->player_id, &before);
    if (!error) {
        error = game_put_injury(step_store(step), row);
    }
    if (!error) {
        error = game_injury(step_store(step), row->player_id, &after);
    }
    if (!error && before != after && !(isnan(before) && isnan(after))) {
        build_look_again(self);
        error = game_scan_open(step_store(step), look_at_team, &of);
    }
    return store_verdict(step, error);
}

static const struct take TAKES[] = {
    {&msg_history_player_desc, take_history_player, RUN_NONE, NULL, true},
    {&msg_history_player_game_desc, take_history_player_game, RUN_NONE, NULL, true},
    {&msg_history_prop_line_desc, take_history_prop, RUN_NONE, NULL, true},
    {&msg_history_game_line_desc, take_history_line, RUN_NONE, NULL, true},
    {&msg_import_commit_desc, take_import_commit, RUN_PER_RECORD, "PlayerHistory", true},
    {&msg_row_game_desc, take_row_game, RUN_PER_STEP, "PlayerFeatures", false},
    {&msg_row_box_score_desc, take_box_score, RUN_NONE, NULL, true},
    {&msg_row_odds_desc, take_odds, RUN_NONE, NULL, false},
    {&msg_row_odds_snapshot_desc, take_odds_snapshot, RUN_PER_STEP, "PlayerFeatures", false},
    {&msg_row_game_odds_desc, take_game_odds, RUN_NONE, NULL, false},
    {&msg_row_injury_desc, take_injury, RUN_NONE, NULL, true},
    {&msg_timer_features_desc, take_timer, RUN_PER_STEP, "PlayerFeatures", false},
    {&msg_timer_summary_desc, take_timer_summary, RUN_PER_STEP, "GameSummary", false},
    {&msg_ops_command_desc, take_command, RUN_NONE, NULL, true},
    {NULL, NULL, RUN_NONE, NULL, false},
};

static void *features_start(const struct settings *settings, bool *failed)
{
    struct build_memory *memory = calloc(1, sizeof *memory);
    (void)settings;
    *failed = memory == NULL;
    return memory;
}

static void features_forget(void *self)
{
    build_forget(self);
}

static void features_stop(void *self)
{
    build_end(self);
    free(self);
}

/* Careers, lines and openings are what models are fitted on: kept for ever. */
static const struct aging AGES[] = {
    {"emitted", AGING_LOG, NULL, NULL},   {"final", AGING_LOG, NULL, NULL},
    {"final_due", AGING_LOG, NULL, NULL}, {"closing", AGING_LOG, NULL, NULL},
    {"summed", AGING_LOG, NULL, NULL},    {NULL, 0, NULL, NULL}};

const struct actor features_actor = {
    .name = "features",
    .does = "says what is known of each player before a game",
    .takes = TAKES,
    .ages = AGES,
    .start = features_start,
    .forget = features_forget,
    .stop = features_stop,
};
