#include "actors/grader/grader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "actors/command.h"
#include "actors/grader/ledger.h"
#include "actors/grader/grading.h"

enum { BOXES_MAX = 128, PREDICTIONS_MAX = 4096 };

static enum verdict store_verdict(struct step *step, int error)
{
    return error == 0 ? DONE
                      : step_refuse(step, error == STORE_CORRUPT ? NEVER : LATER, "store: %s",
                                    store_error_text(error));
}

/* ---- grading a game ---- */

struct grading {
    struct step *step;
    const char *game_id;
    const struct ledger_game *game;
    struct ledger_box boxes[BOXES_MAX];
    size_t box_count;
    bool final;           /* the whole final box score is in */
    int64_t final_grades; /* said */
};

static bool box_complete(const struct grading *self)
{
    int64_t seen = 0;
    for (size_t i = 0; i < self->box_count; i++) {
        seen += self->boxes[i].final;
    }
    return self->game->final && self->game->box_players > 0 && seen >= self->game->box_players;
}

/* His line: in a complete final box score only a final one counts. */
static const struct ledger_box *box_of(const struct grading *self, int64_t player_id)
{
    for (size_t i = 0; i < self->box_count; i++) {
        const struct ledger_box *box = &self->boxes[i];
        if (box->player_id == player_id && (!self->final || box->final)) {
            return box;
        }
    }
    return NULL;
}

static void copy_prediction(const struct msg_prediction_points *from, struct msg_grade_points *to)
{
    strcpy(to->prediction_id, from->prediction_id);
    strcpy(to->game_id, from->game_id);
    to->player_id = from->player_id;
    strcpy(to->player_name, from->player_name);
    strcpy(to->team, from->team);
    strcpy(to->opponent, from->opponent);
    to->home = from->home;
    strcpy(to->system, from->system);
    strcpy(to->model, from->model);
    strcpy(to->stat, from->stat);
    to->predicted = from->predicted;
    to->stddev = from->stddev;
    to->low = from->low;
    to->high = from->high;
    to->line = from->line;
    strcpy(to->line_source, from->line_source);
    to->prob_over = from->prob_over;
    to->edge = from->edge;
    to->confidence = from->confidence;
    strcpy(to->recommendation, from->recommendation);
    to->made_at = from->made_at;
}

static void fill(const struct grading *self, const struct msg_prediction_points *prediction,
                 const struct ledger_box *box, struct msg_grade_points *message)
{
    const struct ledger_game *game = self->game;
    const enum stat_id stat = stat_named(prediction->stat);
    const int64_t actual = box && stat != STAT_COUNT ? box->stats[stat] : 0;
    struct grading_input input = {
        .side = grading_side(prediction->recommendation),
        .line = prediction->line,
        .final = self->final,
        .in_play = game->in_play || game->final,
        .listed = box != NULL,
        .played = box && box->played,
        .points = actual,
    };
    grading_clock(game->period, game->clock, &input.elapsed_s, &input.total_s);
    struct grading_result grade = grading_of(&input);

    message_clear(&msg_grade_points_desc, message);
    copy_prediction(prediction, message);
    message->game_date = game->date;
    strcpy(message->state, grading_state_text(grade.state));
    strcpy(message->outcome, grading_outcome_text(grade.outcome));
    strcpy(message->void_reason, grade.void_reason);
    if (box && grade.state != GRADING_PENDING) {
        message->actual = actual;
        message->minutes = box->minutes;
        if (grade.outcome != GRADING_VOID) {
            message->error = round((prediction->predicted - (double)actual) * 1e6) / 1e6;
        }
    }
    message->period = game->period;
    strcpy(message->clock, game->clock);
    message->final = self->final;
    message->graded_at = box ? box->seen_at : game->seen_at;
}

static int grade_one(const struct msg_prediction_points *prediction, void *context)
{
    struct grading *self = context;
    struct store_txn *txn = step_store(self->step);
    const struct ledger_box *box = box_of(self, prediction->player_id);
    struct msg_grade_points message;
    uint64_t parents[3];
    bool same = false;

    fill(self, prediction, box, &message);
    int error = ledger_prediction_position(txn, prediction, &parents[0]);
    if (!error) {
        error = ledger_note_grade(txn, &message, &same);
    }
    if (error || same) {
        return error;
    }
    struct emit how = {.parents = parents, .parent_count = 1, .due_us = MESSAGE_NONE};
    if (box) {
        parents[how.parent_count++] = box->position;
    }
    parents[how.parent_count++] = self->game->position;
    step_emit_with(self->step, &msg_grade_points_desc, &message, &how);
    self->final_grades += message.final;
    return 0;
}

/* The predictions in force: of those made for several dates of one game, the one made last. */
struct in_force {
    struct msg_prediction_points items[PREDICTIONS_MAX];
    size_t count;
};

static int collect(const struct msg_prediction_points *message, void *context)
{
    struct in_force *force = context;
    for (size_t i = 0; i < force->count; i++) {
        struct msg_prediction_points *item = &force->items[i];
        if (item->player_id == message->player_id && strcmp(item->system, message->system) == 0 &&
            strcmp(item->stat, message->stat) == 0) {
            if (message->as_of >= item->as_of) {
                *item = *message;
            }
            return 0;
        }
    }
    if (force->count < PREDICTIONS_MAX) {
        force->items[force->count++] = *message;
    }
    return 0;
}

struct grader {
    struct grading grading; /* scratch of one call: nothing is kept between records */
    struct in_force force;
};

static bool locked(const struct step *step, const struct ledger_game *game)
{
    return game->play_seen != MESSAGE_NONE ||
           (game->tip_at != MESSAGE_NONE &&
            step_now_us(step) >= game->tip_at + step_settings(step)->lock.grace_us);
}

static enum verdict grade_game(struct step *step, struct grader *self, const char *game_id,
                               const struct ledger_game *game)
{
    struct store_txn *txn = step_store(step);
    struct grading *grading = &self->grading;
    if (!locked(step, game)) {
        return DONE;
    }
    *grading = (struct grading){.step = step, .game_id = game_id, .game = game};
    self->force.count = 0;
    int error =
        ledger_get_boxes(txn, game, game_id, grading->boxes, BOXES_MAX, &grading->box_count);
    if (!error) {
        grading->final = box_complete(grading);
        error = ledger_each_prediction(txn, game, game_id, collect, &self->force);
    }
    for (size_t i = 0; i < self->force.count && !error; i++) {
        error = grade_one(&self->force.items[i], grading);
    }
    if (grading->final_grades > 0) {
        step_run_name(step, "GradeFinal");
        step_run_about(step, game->date, game_id);
    }
    return store_verdict(step, error);
}

/* ---- takes ---- */

static bool is(const char *text, const char *other)
{
    return strcmp(text, other) == 0;
}

/* What the row says goes over what is known. A final box score is never unsaid; what a state without play says of periods
 * changes nothing once play was seen. */
static void update_game(struct ledger_game *game, const struct msg_row_game *row,
                        const struct input *input)
{
    bool final = is(row->status, "final");
    if (game->first_date == 0 || row->game_date < game->first_date) {
        game->first_date = row->game_date;
    }
    game->date = row->game_date;
    if (row->tip_at != MESSAGE_NONE) {
        game->tip_at = row->tip_at;
    }
    if (game->play_seen == MESSAGE_NONE &&
        (row->period > 0 || final || is(row->status, "in_progress"))) {
        game->play_seen = input->time_us;
    }
    game->final = game->final || final;
    game->in_play =
        is(row->status, "in_progress") || (game->in_play && !is(row->status, "postponed"));
    if (final && row->box_players > 0) {
        game->box_players = row->box_players;
    }
    game->period = row->period;
    memset(game->clock, 0, sizeof game->clock);
    memcpy(game->clock, row->clock, strlen(row->clock));
    game->position = input->position;
    game->seen_at = input->time_us;
}

static void set_timer(struct step *step, const char *game_id, const struct ledger_game *game)
{
    int64_t due = game->tip_at + step_settings(step)->lock.grace_us;
    if (due <= step_now_us(step)) {
        return;
    }
    struct msg_timer_grader timer;
    message_clear(&msg_timer_grader_desc, &timer);
    strcpy(timer.game_id, game_id);
    timer.game_date = game->date;
    timer.tip_at = game->tip_at;
    step_later(step, &msg_timer_grader_desc, &timer, due);
}

static enum verdict take_game(struct step *step, const struct input *input, void *self)
{
    const struct msg_row_game *row = input->message;
    struct ledger_game game;
    memset(&game, 0, sizeof game); /* padding is stored too */
    game.tip_at = game.play_seen = MESSAGE_NONE;
    int error = ledger_get_game(step_store(step), row->game_id, &game);
    if (error && error != STORE_NOT_FOUND) {
        return store_verdict(step, error);
    }
    int64_t old_tip = game.tip_at;
    update_game(&game, row, input);
    error = ledger_put_game(step_store(step), row->game_id, &game);
    if (error) {
        return store_verdict(step, error);
    }
    if (game.play_seen == MESSAGE_NONE && game.tip_at != MESSAGE_NONE && game.tip_at != old_tip) {
        set_timer(step, row->game_id, &game);
    }
    return grade_game(step, self, row->game_id, &game);
}

/* Lines come before the state of their poll, which grades them; one that is late, or a correction, grades at once. */
static enum verdict take_box(struct step *step, const struct input *input, void *self)
{
    const struct msg_row_box_score *row = input->message;
    struct ledger_game game;
    int error = ledger_put_box(step_store(step), row, input->position, input->time_us);
    if (error || !row->final) {
        return store_verdict(step, error);
    }
    error = ledger_get_game(step_store(step), row->game_id, &game);
    if (error) {
        return error == STORE_NOT_FOUND ? DONE : store_verdict(step, error);
    }
    return game.final && game.box_players > 0 ? grade_game(step, self, row->game_id, &game) : DONE;
}

static enum verdict take_prediction(struct step *step, const struct input *input, void *self)
{
    const struct msg_prediction_points *prediction = input->message;
    struct ledger_game game;
    memset(&game, 0, sizeof game);
    game.play_seen = MESSAGE_NONE;
    game.tip_at = prediction->tip_at;
    int error = ledger_get_game(step_store(step), prediction->game_id, &game);
    if (error && error != STORE_NOT_FOUND) {
        return store_verdict(step, error);
    }
    bool known = !error;
    if (!grading_in_time(prediction->as_of, game.play_seen, game.tip_at,
                         step_settings(step)->lock.grace_us)) {
        step_run_rows(step, 1, 1); /* made from what was known only after the lock */
        return DONE;
    }
    error = ledger_put_prediction(step_store(step), prediction, input->position);
    if (error || !known) {
        return store_verdict(step, error);
    }
    return grade_game(step, self, prediction->game_id, &game);
}

/* Closed, though nobody saw play: from now on the predictions stand as pending. */
static enum verdict take_timer(struct step *step, const struct input *input, void *self)
{
    const struct msg_timer_grader *timer = input->message;
    struct ledger_game game;
    int error = ledger_get_game(step_store(step), timer->game_id, &game);
    if (error) {
        return error == STORE_NOT_FOUND ? DONE : store_verdict(step, error);
    }
    if (game.tip_at != timer->tip_at || game.play_seen != MESSAGE_NONE) {
        return DONE; /* set for another tip, or play was seen before */
    }
    return grade_game(step, self, timer->game_id, &game);
}

static int emit_again(const struct msg_grade_points *message, void *step)
{
    step_emit(step, &msg_grade_points_desc, message);
    return 0;
}

/* Asked to: what was said of a game that is over, word for word. Somebody has lost it. */
static enum verdict say_again(struct step *step, const struct input *input,
                              const struct command_kind *kind)
{
    const struct msg_ops_command *command = input->message;
    struct ledger_game game;
    char game_id[COMMAND_GAME_SIZE];
    command_game(command->subject, game_id);
    if (!command_take(step, input, kind, game_id)) {
        return DONE;
    }
    int error = ledger_get_game(step_store(step), game_id, &game);
    uint32_t said = step_emitted(step);
    if (!error) {
        step_run_about(step, game.date, game_id);
        error = ledger_each_grade(step_store(step), &game, game_id, emit_again, step);
    }
    if (error && error != STORE_NOT_FOUND) {
        return store_verdict(step, error);
    }
    if (step_emitted(step) == said) {
        command_nothing(step, input, "%s",
                        error ? "no such game is known" : "no final grade of it was said");
    } else {
        command_done(step, input, said);
    }
    return DONE;
}

/* Asked to: from all that is kept of the game, and a grade that was said and is the same is not said again. */
static enum verdict take_command(struct step *step, const struct input *input, void *self)
{
    static const struct command_kind KIND = {"grader", "grade", &msg_row_game_desc, "GradeLive",
                                             "say"};
    static const struct command_kind SAY = {"grader", "say", &msg_row_game_desc, "GradeFinal",
                                            NULL};
    const struct msg_ops_command *command = input->message;
    struct ledger_game game;
    if (command_is(input, &SAY)) {
        return say_again(step, input, &SAY);
    }
    if (!command_take(step, input, &KIND, NULL)) {
        return DONE;
    }
    int error = ledger_get_game(step_store(step), command->subject, &game);
    if (error && error != STORE_NOT_FOUND) {
        return store_verdict(step, error);
    }
    if (error || !locked(step, &game)) {
        command_nothing(step, input, "%s",
                        error ? "no such game is known" : "its predictions are still open");
        return DONE;
    }
    step_run_about(step, game.date, command->subject);
    uint32_t said = step_emitted(step);
    enum verdict verdict = grade_game(step, self, command->subject, &game);
    if (verdict == DONE) {
        command_done(step, input, said);
    }
    return verdict;
}

static void *grader_start(const struct settings *settings, bool *failed)
{
    struct grader *self = calloc(1, sizeof *self);
    (void)settings;
    *failed = self == NULL;
    return self;
}

static void grader_stop(void *self)
{
    free(self);
}

static const struct take TAKES[] = {
    {&msg_prediction_points_desc, take_prediction, RUN_PER_STEP, "GradeLive", false},
    {&msg_row_game_desc, take_game, RUN_PER_STEP, "GradeLive", false},
    {&msg_row_box_score_desc, take_box, RUN_PER_STEP, "GradeLive", false},
    {&msg_timer_grader_desc, take_timer, RUN_PER_STEP, "GradeLive", false},
    {&msg_ops_command_desc, take_command, RUN_NONE, NULL, true},
    {NULL, NULL, RUN_NONE, NULL, false},
};

const struct actor grader_actor = {
    .name = "grader",
    .does = "says how each prediction stands while its game is on, and how it ended",
    .takes = TAKES,
    .ages = ledger_ages,
    .start = grader_start,
    .stop = grader_stop,
};
