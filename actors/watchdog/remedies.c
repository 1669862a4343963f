/* The remedies, as the watchdog keeps them. */
#include "actors/watchdog/remedies.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "actors/watchdog/due.h"
#include "actors/watchdog/letters.h"
#include "config/clock.h"

#define TABLE_ACTION "action" /* game's date; game_id, output, verb -> ops_action */
#define TABLE_RAW "raw"       /* date; run of the processor -> watch_raw */
#define TABLE_BUDGET "budget" /* "remedies" -> hour of league time, asked for in it, by kind */

#include "schema/message_struct.h"
#include "actors/watchdog/remedies_state.def"
#include "schema/message_end.h"

#include "schema/message_table.h"
#include "actors/watchdog/remedies_state.def"
#include "schema/message_end.h"

/* ---- actions ---- */

static void action_key(struct store_key *key, const char *game_id, const char *output,
                       const char *verb)
{
    store_key_start(key);
    store_key_text(key, game_id);
    store_key_text(key, output);
    store_key_text(key, verb);
}

int remedies_past(struct store_txn *txn, int32_t date, const char *game_id, const char *output,
                  enum remedy_kind kind, struct msg_ops_action *action, struct remedy_past *past)
{
    struct store_key key;
    action_key(&key, game_id, output, remedy_verb(kind));
    *past = (struct remedy_past){.asked_us = CLOCK_NONE};
    int error = store_get_message(txn, TABLE_ACTION, date, key.data, key.size, &msg_ops_action_desc,
                                  action);
    if (error)
        return error == STORE_NOT_FOUND ? STORE_OK : error;
    *past = (struct remedy_past){.open = strcmp(action->outcome, "asked") == 0,
                                 .asked_us = action->asked_at,
                                 .attempts = action->attempt,
                                 .failed = action->failed == MESSAGE_NONE ? 0 : action->failed};
    return STORE_OK;
}

int remedies_say(struct step *step, struct msg_ops_action *action)
{
    struct store_key key;
    action->at = step_now_us(step);
    action_key(&key, action->game_id, action->output, action->verb);
    int error = store_put_message(step_store(step), TABLE_ACTION, action->game_date, key.data,
                                  key.size, &msg_ops_action_desc, action);
    if (!error)
        step_emit(step, &msg_ops_action_desc, action);
    return error;
}

void remedies_begin(struct msg_ops_action *action, int32_t date, const char *game_id,
                    const char *output, enum remedy_cause cause, enum remedy_kind kind,
                    const char *subject)
{
    message_clear(&msg_ops_action_desc, action);
    snprintf(action->output, sizeof action->output, "%s", output);
    snprintf(action->game_id, sizeof action->game_id, "%s", game_id);
    action->game_date = date;
    snprintf(action->cause, sizeof action->cause, "%s", remedy_cause_text(cause));
    snprintf(action->target, sizeof action->target, "%s", remedy_target(kind, output));
    snprintf(action->verb, sizeof action->verb, "%s", remedy_verb(kind));
    snprintf(action->subject, sizeof action->subject, "%s", subject);
    snprintf(action->outcome, sizeof action->outcome, "asked");
}

void remedies_end(struct msg_ops_action *action, bool helped, int64_t at_us, const char *fmt, ...)
{
    char text[sizeof action->text]; /* what is said may be made of what was */
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    memcpy(action->text, text, sizeof text);
    snprintf(action->outcome, sizeof action->outcome, "%s", helped ? "helped" : "no_help");
    action->failed = helped ? 0 : action->failed == MESSAGE_NONE ? 1 : action->failed + 1;
    action->at = at_us;
}

/* A shard hears that by a record of its own. There is one scoreboard. */
static void rewind_ask(struct step *step, const struct msg_ops_action *action,
                       const struct emit *how)
{
    struct msg_ops_rewind rewind;
    message_clear(&msg_ops_rewind_desc, &rewind);
    snprintf(rewind.reader, sizeof rewind.reader, "%.30s.0", action->target);
    rewind.position = action->position;
    snprintf(rewind.by, sizeof rewind.by, "watchdog %s", action->action_id);
    rewind.at = step_now_us(step);
    step_emit_with(step, &msg_ops_rewind_desc, &rewind, how);
}

/* It comes of the record that it is about: so do the rows that come of it. */
void remedies_command(struct step *step, const struct msg_ops_action *action)
{
    struct msg_ops_command command;
    const struct emit how = {.parents = &action->position,
                             .parent_count = action->position != UINT64_MAX ? 1 : 0,
                             .due_us = CLOCK_NONE};
    if (strcmp(action->verb, remedy_verb(REMEDY_REWIND)) == 0) {
        rewind_ask(step, action, &how);
        return;
    }
    message_clear(&msg_ops_command_desc, &command);
    snprintf(command.target, sizeof command.target, "%s", action->target);
    snprintf(command.verb, sizeof command.verb, "%s", action->verb);
    snprintf(command.subject, sizeof command.subject, "%s", action->subject);
    snprintf(command.by, sizeof command.by, "watchdog");
    snprintf(command.command_id, sizeof command.command_id, "%s", action->action_id);
    step_emit_with(step, &msg_ops_command_desc, &command, &how);
}

/* ---- the hour's budget counts behind a restart, too ---- */

int remedies_budget_read(struct store_txn *txn, struct remedy_budget *budget)
{
    struct store_key key;
    struct span value;
    store_key_start(&key);
    store_key_text(&key, "remedies");
    int error = store_get(txn, TABLE_BUDGET, STORE_UNDATED, key.data, key.size, &value);
    if (error)
        return error == STORE_NOT_FOUND ? STORE_OK : error;
    if (store_key_read_i64(&value, &budget->hour) != 0)
        return STORE_CORRUPT;
    for (int i = 0; i < REMEDY_KINDS; i++) /* a kind that came later has spent nothing */
        if (store_key_read_i64(&value, &budget->asked[i]) != 0)
            budget->asked[i] = 0;
    return STORE_OK;
}

int remedies_budget_write(struct step *step, const struct remedy_budget *budget)
{
    struct store_key key, value;
    store_key_start(&key);
    store_key_text(&key, "remedies");
    store_key_start(&value);
    store_key_i64(&value, budget->hour);
    for (int i = 0; i < REMEDY_KINDS; i++)
        store_key_i64(&value, budget->asked[i]);
    return store_put(step_store(step), TABLE_BUDGET, STORE_UNDATED, key.data, key.size, value.data,
                     value.size);
}

/* ---- records ---- */

int remedies_record(struct step *step, const struct message_desc *desc, int32_t date,
                    const char *game_id, const char *entity, uint64_t position)
{
    return letters_newest_put(step_store(step), desc->stream, date, game_id, entity, position);
}

int remedies_letter(struct step *step, const struct input *input)
{
    return letters_put(step, input);
}

/* Which body was taken last, and whether whole. Runs of a record say its position as their cause. */
int remedies_run(struct step *step, const struct msg_ops_run *run)
{
    struct msg_watch_raw raw;
    struct store_key key;
    uint64_t position;
    int error = STORE_OK;
    if (strcmp(run->actor, "processor") != 0 || !run->data_date ||
        sscanf(run->cause, "position %" SCNu64, &position) != 1)
        return STORE_OK;
    for (size_t i = 0; i < REMEDIES_MOST && !error; i++) {
        const struct remedy *row = &REMEDIES[i];
        if (row->cause != CAUSE_NOT_WHOLE || strcmp(row->run, run->name) != 0)
            continue;
        struct msg_ops_expected of = {.game_date = run->data_date};
        char subject[REMEDY_SUBJECT_SIZE];
        remedy_subject(row, &of, subject);
        error = letters_newest_put(step_store(step), msg_raw_exchange_desc.stream, run->data_date,
                                   subject, "", position);
        message_clear(&msg_watch_raw_desc, &raw);
        raw.position = position;
        raw.whole = strcmp(run->outcome, "partial") != 0 && strcmp(run->outcome, "failed") != 0;
        store_key_start(&key);
        store_key_text(&key, run->name);
        if (!error)
            error = store_put_message(step_store(step), TABLE_RAW, run->data_date, key.data,
                                      key.size, &msg_watch_raw_desc, &raw);
    }
    return error;
}

static bool kind_of(const char *verb, enum remedy_kind *kind)
{
    for (int i = 0; i < REMEDY_KINDS; i++)
        if (strcmp(remedy_verb((enum remedy_kind)i), verb) == 0) {
            *kind = (enum remedy_kind)i;
            return true;
        }
    return false;
}

/* "boxscore:0022500001:reprocess:2", or of a day's files "export:2026-01-14:export:1". */
static int action_named(struct store_txn *txn, const char *id, struct msg_ops_action *action)
{
    char text[sizeof((struct msg_command_answer *)0)->command_id], *rest = text;
    struct remedy_past past;
    enum remedy_kind kind;
    int32_t date = 0;
    snprintf(text, sizeof text, "%s", id);
    const char *output = strsep(&rest, ":"), *about = strsep(&rest, ":"),
               *verb = strsep(&rest, ":");
    action->action_id[0] = '\0';
    if (!verb || !kind_of(verb, &kind))
        return STORE_NOT_FOUND;
    bool day = clock_parse_date(about, &date) == 0;
    int error = day ? STORE_OK : due_day(txn, about, &date);
    if (!error && date)
        error = remedies_past(txn, date, day ? "" : about, output, kind, action, &past);
    return error ? error : !date || strcmp(action->action_id, id) != 0 ? STORE_NOT_FOUND : STORE_OK;
}

int remedies_answer(struct step *step, const struct msg_command_answer *answer)
{
    struct msg_ops_action action;
    int error = action_named(step_store(step), answer->command_id, &action);
    if (error)
        return error == STORE_NOT_FOUND ? STORE_OK : error;
    if (strcmp(action.outcome, "asked") != 0)
        return STORE_OK;
    /* A body holds many games: who asks for one as others did a moment before may get nothing, and yet have all of it. */
    size_t game = strlen(action.game_id);
    bool alone = strncmp(answer->subject, action.game_id, game) == 0 &&
                 (answer->subject[game] == '\0' || answer->subject[game] == ':');
    bool done = strcmp(answer->outcome, "done") == 0;
    if (done && strcmp(answer->verb, remedy_verb(REMEDY_EXPORT)) == 0)
        snprintf(action.text, sizeof action.text, "done");
    else if (done)
        snprintf(action.text, sizeof action.text, "done: %" PRId64 " said", answer->said);
    else
        snprintf(action.text, sizeof action.text, "%.20s: %.100s", answer->outcome, answer->text);
    if (alone && (!done || answer->said == 0))
        remedies_end(&action, false, 0, "%s", action.text);
    return remedies_say(step, &action);
}

/* ---- looking ---- */

/* What it is made of is there. Features are due at the tip, and nobody builds them long after it. */
static bool has_inputs(const struct remedies_look *look, const struct msg_ops_expected *row,
                       enum output_id output)
{
    return output == OUTPUT_FEATURES
               ? row->deadline == CLOCK_NONE || look->now_us < row->deadline + look->grace_us
               : row->wanted > row->rows;
}

static int facts_find(const struct remedies_look *look, struct store_txn *txn,
                      const struct msg_ops_expected *row, enum output_id output,
                      struct remedy_facts *facts, uint64_t *raw_position)
{
    struct msg_watch_raw raw;
    struct store_key key;
    char subject[REMEDY_SUBJECT_SIZE];
    int error = STORE_OK;
    *facts = (struct remedy_facts){.so[CAUSE_NOTHING] = true};
    *raw_position = 0;
    facts->so[CAUSE_INPUTS] = has_inputs(look, row, output);
    for (size_t i = 0; i < REMEDIES_MOST && !error; i++) {
        const struct remedy *remedy = &REMEDIES[i];
        if (remedy->output != output)
            continue;
        remedy_subject(remedy, row, subject);
        if (remedy->cause == CAUSE_REFUSED) {
            error =
                letters_any(txn, row->game_date, subject, remedy_target(remedy->kind, row->output),
                            &facts->so[CAUSE_REFUSED]);
        } else if (remedy->cause == CAUSE_NOT_WHOLE) {
            store_key_start(&key);
            store_key_text(&key, remedy->run);
            int found = store_get_message(txn, TABLE_RAW, row->game_date, key.data, key.size,
                                          &msg_watch_raw_desc, &raw);
            error = found == STORE_NOT_FOUND ? STORE_OK : found;
            facts->so[CAUSE_NOT_WHOLE] = !found && !raw.whole;
            *raw_position = !found ? raw.position : 0;
        }
    }
    return error;
}

static bool there(const struct msg_ops_expected *row)
{
    return row->rows >= expect_need(row);
}

/* Those of all kinds; the one that was open, if it ended. */
static int past_find(const struct remedies_look *look, struct store_txn *txn,
                     const struct msg_ops_expected *row, struct remedy_past past[REMEDY_KINDS],
                     struct remedy_turn *turn)
{
    struct msg_ops_action action;
    for (int i = 0; i < REMEDY_KINDS; i++) {
        int error = remedies_past(txn, row->game_date, row->game_id, row->output,
                                  (enum remedy_kind)i, &action, &past[i]);
        if (error)
            return error;
        if (!past[i].open ||
            (expect_open(row) && !there(row) &&
             !remedy_over((enum remedy_kind)i, &past[i], look->limits, look->now_us)))
            continue;
        remedies_end(&action, there(row), look->now_us, "%s: %" PRId64 " of %" PRId64 " there%s%s",
                     row->state, row->rows, expect_need(row), action.text[0] ? "; " : "",
                     action.text);
        turn->ended = true;
        turn->end = action;
        past[i].open = false;
        past[i].failed = action.failed;
    }
    return STORE_OK;
}

/* The first record that the tables must be made again from: what was said of the game lies behind it. 0: nobody knows. */
static int first_said(struct store_txn *txn, const struct msg_ops_expected *row,
                      enum output_id output, uint64_t *position)
{
    const struct message_desc *desc = output == OUTPUT_FEATURES   ? &msg_feature_player_desc
                                      : output == OUTPUT_BOXSCORE ? &msg_row_box_score_desc
                                                                  : &msg_prediction_points_desc;
    return letters_first(txn, desc->stream, row->game_date, row->game_id, position);
}

int remedies_choose(const struct remedies_look *look, struct store_txn *txn,
                    const struct msg_ops_expected *row, bool lost,
                    const struct remedy_past past[REMEDY_KINDS], struct remedy_turn *turn,
                    enum remedy_answer *answer)
{
    enum output_id output = (enum output_id)(output_named(row->output) - OUTPUTS);
    struct remedy_facts facts = {.so[CAUSE_LOST] = true};
    const struct remedy *remedy = NULL;
    uint64_t raw_position = 0, first = 0;
    *answer = REMEDY_NONE;
    int error = lost ? STORE_OK : facts_find(look, txn, row, output, &facts, &raw_position);
    if (error)
        return error;
    *answer = remedy_next(output, &facts, past, look->limits, look->budget, look->now_us, &remedy);
    if (*answer == REMEDY_ASK && remedy->kind == REMEDY_REWIND && look->playing)
        *answer = REMEDY_WAIT;
    if (*answer == REMEDY_ASK && remedy->kind == REMEDY_REWIND) {
        error = first_said(txn, row, output, &first);
        *answer = first ? REMEDY_ASK : REMEDY_SPENT;
    }
    if (error || *answer != REMEDY_ASK)
        return error;
    turn->ask = remedy;
    turn->attempt = past[remedy->kind].attempts + 1;
    turn->failed = past[remedy->kind].failed;
    turn->position = remedy->kind == REMEDY_REWIND      ? first
                     : remedy->cause == CAUSE_NOT_WHOLE ? raw_position
                                                        : 0;
    look->budget->asked[remedy->kind]++;
    return STORE_OK;
}

int remedies_look(const struct remedies_look *look, struct store_txn *txn,
                  const struct msg_ops_expected *row, bool wanting, struct remedy_turn *turn)
{
    struct remedy_past past[REMEDY_KINDS];
    *turn = (struct remedy_turn){.ask = NULL};
    int error = past_find(look, txn, row, past, turn);
    if (error || !look->heal || !wanting)
        return error;
    enum remedy_answer answer;
    error = remedies_choose(look, txn, row, false, past, turn, &answer);
    turn->spent = answer == REMEDY_SPENT;
    return error;
}

static int ask(struct step *step, const struct msg_ops_expected *row,
               const struct remedy_turn *turn)
{
    const struct remedy *remedy = turn->ask;
    struct msg_ops_action action;
    char subject[REMEDY_SUBJECT_SIZE];
    int64_t letters = 0;
    remedy_subject(remedy, row, subject);
    remedies_begin(&action, row->game_date, row->game_id, row->output, remedy->cause, remedy->kind,
                   subject);
    action.attempt = turn->attempt;
    action.failed = turn->failed;
    action.asked_at = step_now_us(step);
    snprintf(action.action_id, sizeof action.action_id, "%.16s:%.16s:%.10s:%" PRId64, row->output,
             row->game_id, action.verb, turn->attempt % 1000000);
    if (turn->position)
        action.position = turn->position;
    if (remedy->cause == CAUSE_REFUSED) {
        int error =
            letters_retry(step, row->game_date, subject, action.target, &action.position, &letters);
        if (error)
            return error;
        if (letters)
            snprintf(action.why, sizeof action.why,
                     "%" PRId64 " of %" PRId64 "; refused before: %" PRId64, row->rows,
                     expect_need(row), letters);
        else /* it is of many games */
            snprintf(action.why, sizeof action.why,
                     "%" PRId64 " of %" PRId64 "; offered again for another game", row->rows,
                     expect_need(row));
    } else {
        remedies_command(step, &action);
        if (turn->why[0])
            snprintf(action.why, sizeof action.why, "%s", turn->why);
        else
            snprintf(action.why, sizeof action.why, "%" PRId64 " of %" PRId64, row->rows,
                     expect_need(row));
    }
    return remedies_say(step, &action);
}

int remedies_speak(struct step *step, const struct msg_ops_expected *row,
                   const struct remedy_turn *turn)
{
    struct msg_ops_action end = turn->end;
    int error = turn->ended ? remedies_say(step, &end) : STORE_OK;
    return error || !turn->ask ? error : ask(step, row, turn);
}
