/* The ledger of expected outputs: its tables, and what goes on the wire of it. */
#include "actors/watchdog/due.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config/clock.h"

#define CHECK_DAYS                                                                                 \
    2 /* a check that failed for a game of so many days ago is history, not an incident */
#define MISSED_US (INT64_C(36) * 3600 * 1000000)
#define MISSED_DAYS 7   /* longer silent than that, it begins anew */
#define TABLE_DAY "day" /* undated; game_id -> the date its rows are under */

static void key_of(struct store_key *key, const char *game_id, const char *output)
{
    store_key_start(key);
    store_key_text(key, game_id);
    store_key_text(key, output);
}

int due_row(struct store_txn *txn, int32_t date, const char *game_id, enum output_id output,
            struct msg_ops_expected *row)
{
    struct store_key key;
    key_of(&key, game_id, OUTPUTS[output].name);
    return store_get_message(txn, DUE_TABLE_EXPECTED, date, key.data, key.size,
                             &msg_ops_expected_desc, row);
}

int due_row_put(struct store_txn *txn, const struct msg_ops_expected *row)
{
    struct store_key key;
    key_of(&key, row->game_id, row->output);
    int error = store_put_message(txn, DUE_TABLE_EXPECTED, row->game_date, key.data, key.size,
                                  &msg_ops_expected_desc, row);
    if (error)
        return error;
    if (expect_open(row))
        return store_put(txn, DUE_TABLE_OPEN, row->game_date, key.data, key.size, "", 0);
    error = store_del(txn, DUE_TABLE_OPEN, row->game_date, key.data, key.size);
    return error == STORE_NOT_FOUND ? STORE_OK : error;
}

static void say(struct step *step, const struct msg_ops_expected *row)
{
    struct msg_ops_expected said = *row;
    said.wanted = expect_need(row);
    said.at = step_now_us(step);
    step_emit(step, &msg_ops_expected_desc, &said);
}

int due_row_say(struct step *step, struct msg_ops_expected *row)
{
    row->at = step_now_us(step);
    int error = due_row_put(step_store(step), row);
    if (!error)
        say(step, row);
    return error;
}

/* ---- the schedule ---- */

static bool begun(const struct msg_row_game *game)
{
    return !strcmp(game->status, "in_progress") || !strcmp(game->status, "final") ||
           game->period > 0;
}

/* What a game owes that is over when it is first heard of: it was none of ours to predict. */
static bool owed_late(enum output_id output)
{
    return output == OUTPUT_BOXSCORE;
}

struct before {
    int64_t tip_us;
    bool any;
};

static int said_before(const struct store_row *at, void *context)
{
    struct before *before = context;
    struct msg_ops_expected row;
    struct message_error error;
    if (message_decode(&msg_ops_expected_desc, at->value.data, at->value.size, &row, &error) != 0)
        return STORE_CORRUPT;
    before->any = row.at != CLOCK_NONE && row.at < before->tip_us;
    return before->any;
}

/* Yesterday's or today's game, and this ledger said things before its tip: nobody heard of it while it could be predicted, but it was ours. */
static int was_missed(struct step *step, const struct msg_row_game *game, bool *missed)
{
    struct before before = {.tip_us = game->tip_at};
    *missed = false;
    if (game->tip_at == CLOCK_NONE || step_now_us(step) - game->tip_at > MISSED_US)
        return STORE_OK;
    int error = store_scan(
        step_store(step), DUE_TABLE_EXPECTED, clock_date_add(game->game_date, -MISSED_DAYS),
        clock_date_add(game->game_date, -1), NULL, 0, true, said_before, &before);
    *missed = before.any;
    return error == STORE_NOT_FOUND || error > 0 ? STORE_OK : error;
}

static int rows_begin(struct step *step, const struct msg_row_game *game)
{
    bool over = !strcmp(game->status, "final"), missed = false;
    int failed = over ? was_missed(step, game, &missed) : STORE_OK;
    if (failed)
        return failed;
    over = over && !missed;
    for (int i = 0; i < OUTPUT_COUNT; i++) {
        struct msg_ops_expected row;
        if (i == OUTPUT_GRADES || (over && !owed_late((enum output_id)i)))
            continue; /* grades are owed once there is a prediction */
        expect_begin(&row, &OUTPUTS[i], game->game_id, game->game_date, game->tip_at);
        if (over)
            row.deadline = step_now_us(step) + OUTPUTS[i].after_us;
        int error = due_row_say(step, &row);
        if (error)
            return error;
    }
    return STORE_OK;
}

static int rows_void(struct step *step, const char *game_id, int32_t date, const char *reason)
{
    for (int i = 0; i < OUTPUT_COUNT; i++) {
        struct msg_ops_expected row;
        int error = due_row(step_store(step), date, game_id, (enum output_id)i, &row);
        if (error == STORE_NOT_FOUND)
            continue;
        if (error)
            return error;
        if (!strcmp(row.state, "EMPTY_OK") || !strcmp(row.state, "COMPLETE"))
            continue;
        expect_void(&row, reason);
        if ((error = due_row_say(step, &row)) != 0)
            return error;
    }
    return STORE_OK;
}

/* Which date the game's rows are under: 0 none so far. */
int due_day(struct store_txn *txn, const char *game_id, int32_t *date)
{
    struct store_key key;
    struct span value;
    int64_t day;
    store_key_start(&key);
    store_key_text(&key, game_id);
    *date = 0;
    int error = store_get(txn, TABLE_DAY, STORE_UNDATED, key.data, key.size, &value);
    if (error)
        return error == STORE_NOT_FOUND ? STORE_OK : error;
    if (store_key_read_i64(&value, &day) != 0)
        return STORE_CORRUPT;
    *date = (int32_t)day;
    return STORE_OK;
}

static int day_put(struct store_txn *txn, const char *game_id, int32_t date)
{
    struct store_key key, value;
    store_key_start(&key);
    store_key_text(&key, game_id);
    store_key_start(&value);
    store_key_i64(&value, date);
    return store_put(txn, TABLE_DAY, STORE_UNDATED, key.data, key.size, value.data, value.size);
}

/* True: first time that this was counted. */
static int seen_first(struct store_txn *txn, int32_t date, const char *game_id,
                      enum output_id output, const char *what, bool *first)
{
    struct store_key key;
    struct span value;
    key_of(&key, game_id, OUTPUTS[output].name);
    store_key_text(&key, what);
    int error = store_get(txn, DUE_TABLE_SEEN, date, key.data, key.size, &value);
    *first = error == STORE_NOT_FOUND;
    return *first ? store_put(txn, DUE_TABLE_SEEN, date, key.data, key.size, "", 0) : error;
}

/* So many rows more; `wanted` more are wanted of it. A row that nobody expected is none of ours. */
static int count(struct step *step, int32_t date, const char *game_id, enum output_id output,
                 int64_t more, int64_t wanted, int64_t at_us)
{
    struct msg_ops_expected row;
    int error = due_row(step_store(step), date, game_id, output, &row);
    if (error)
        return error == STORE_NOT_FOUND ? STORE_OK : error;
    (void)expect_count(&row, more, wanted, at_us);
    return due_row_put(step_store(step), &row);
}

/* At least so many there are: a state of a game says it anew each time. */
static int count_to(struct step *step, const struct msg_row_game *game, enum output_id output,
                    int64_t rows, int64_t at_us)
{
    struct msg_ops_expected row;
    int error = due_row(step_store(step), game->game_date, game->game_id, output, &row);
    if (error)
        return error == STORE_NOT_FOUND ? STORE_OK : error;
    if (rows <= row.rows)
        return STORE_OK;
    (void)expect_count(&row, rows - row.rows, 0, at_us);
    return due_row_put(step_store(step), &row);
}

static int tips_set(struct step *step, const struct msg_row_game *game)
{
    for (int i = 0; i < OUTPUT_COUNT; i++) {
        struct msg_ops_expected row;
        int error =
            due_row(step_store(step), game->game_date, game->game_id, (enum output_id)i, &row);
        if (error == STORE_NOT_FOUND)
            continue;
        if (error)
            return error;
        int64_t before = row.deadline;
        bool was_void = !strcmp(row.state, "EMPTY_OK");
        if (was_void) /* postponed, and on again */
            (void)snprintf(row.state, sizeof row.state, "EXPECTED");
        expect_tip(&row, &OUTPUTS[i], game->tip_at);
        if ((before != row.deadline || was_void) && (error = due_row_say(step, &row)) != 0)
            return error;
    }
    return STORE_OK;
}

static int final_seen(struct step *step, const struct input *input, const struct msg_row_game *game)
{
    struct msg_ops_expected row;
    int error = game->box_players
                    ? count_to(step, game, OUTPUT_BOXSCORE, game->box_players, input->time_us)
                    : STORE_OK;
    if (!error)
        error = due_row(step_store(step), game->game_date, game->game_id, OUTPUT_GRADES, &row);
    if (error)
        return error == STORE_NOT_FOUND ? STORE_OK : error;
    if (row.deadline != CLOCK_NONE || !game->box_players)
        return STORE_OK;
    expect_final(&row, &OUTPUTS[OUTPUT_GRADES], input->time_us);
    return due_row_say(step, &row);
}

int due_game(struct step *step, const struct input *input, const struct msg_row_game *game)
{
    int32_t date;
    struct store_txn *txn = step_store(step);
    int error = due_day(txn, game->game_id, &date);
    if (!error && date && date != game->game_date) {
        char reason[40];
        snprintf(reason, sizeof reason, "moved to %" PRId32, game->game_date);
        error = rows_void(step, game->game_id, date, reason);
        date = 0;
    }
    if (!error && !date) {
        error = day_put(txn, game->game_id, game->game_date);
        if (!error)
            error = rows_begin(step, game);
    }
    if (!error && !strcmp(game->status, "postponed"))
        return rows_void(step, game->game_id, game->game_date, "postponed");
    if (!error)
        error = tips_set(step, game);
    if (!error && begun(game))
        error = count_to(step, game, OUTPUT_LIVE, 1, input->time_us);
    if (!error && !strcmp(game->status, "final"))
        error = final_seen(step, input, game);
    return error;
}

/* ---- what comes of it ---- */

int due_odds(struct step *step, const struct msg_row_odds_snapshot *snapshot, int64_t at_us)
{
    return snapshot->rows
               ? count(step, snapshot->game_date, snapshot->game_id, OUTPUT_ODDS, 1, 0, at_us)
               : STORE_OK;
}

/* Of a list: its subject is its day. */
static bool of_day(const struct msg_row_check *check)
{
    char day[CLOCK_DATE_SIZE];
    clock_format_date(check->game_date, day);
    return !strcmp(check->game_id, day);
}

#define DAY_ROWS_MAX 40

struct day_rows {
    const char *output;
    int64_t now_us;
    struct msg_ops_expected rows[DAY_ROWS_MAX];
    int count;
};

/* What was due before now was made of the lists before this one. */
static int add_again(const struct store_row *at, void *context)
{
    struct day_rows *day = context;
    struct msg_ops_expected *row = &day->rows[day->count];
    struct message_error error;
    if (message_decode(&msg_ops_expected_desc, at->value.data, at->value.size, row, &error) != 0)
        return STORE_CORRUPT;
    day->count += !strcmp(row->output, day->output) &&
                  (row->deadline == CLOCK_NONE || row->deadline > day->now_us);
    return day->count == DAY_ROWS_MAX;
}

static int judge_day_again(struct step *step, int32_t date, enum output_id output)
{
    struct day_rows day = {.output = OUTPUTS[output].name, .now_us = step_now_us(step)};
    int error = store_scan(step_store(step), DUE_TABLE_EXPECTED, date, date, NULL, 0, false,
                           add_again, &day);
    if (error < 0 && error != STORE_NOT_FOUND)
        return error;
    for (int i = 0; i < day.count; i++) {
        expect_again(&day.rows[i]);
        if ((error = due_row_put(step_store(step), &day.rows[i])) != 0)
            return error;
    }
    return STORE_OK;
}

/* It fails, or holds again, for one of the outputs that it is about. */
static int check_put(struct step *step, const struct msg_row_check *check,
                     const struct output *output)
{
    struct store_txn *txn = step_store(step);
    struct msg_ops_expected row;
    struct store_key key;
    char how[EXPECT_CHECK_SIZE];
    int size = snprintf(
        how, sizeof how, "check %s: %.4g, not within %.4g to %.4g (%" PRId64 " rows of %s)",
        check->check, check->value, check->least, check->most, check->rows, check->feed);
    key_of(&key, check->game_id, output->name);
    store_key_text(&key, check->check);
    int error = check->good ? store_del(txn, DUE_TABLE_CHECK, check->game_date, key.data, key.size)
                            : store_put(txn, DUE_TABLE_CHECK, check->game_date, key.data, key.size,
                                        how, (size_t)size + 1);
    if (error && error != STORE_NOT_FOUND)
        return error;
    if (of_day(check))
        return judge_day_again(step, check->game_date, (enum output_id)(output - OUTPUTS));
    error =
        due_row(txn, check->game_date, check->game_id, (enum output_id)(output - OUTPUTS), &row);
    if (error)
        return error == STORE_NOT_FOUND ? STORE_OK : error;
    expect_again(&row);
    return due_row_put(txn, &row);
}

int due_check(struct step *step, const struct msg_row_check *check)
{
    char names[sizeof check->outputs], *rest = names;
    snprintf(names, sizeof names, "%s", check->outputs);
    for (char *name; (name = strsep(&rest, ",")) != NULL;) {
        const struct output *output = output_named(name);
        int error = output ? check_put(step, check, output) : STORE_OK;
        if (error)
            return error;
    }
    return STORE_OK;
}

int due_feature(struct step *step, const struct msg_feature_player *feature, int64_t at_us)
{
    char what[32];
    bool first;
    snprintf(what, sizeof what, "%" PRId64, feature->player_id);
    int error = seen_first(step_store(step), feature->game_date, feature->game_id, OUTPUT_FEATURES,
                           what, &first);
    if (error || !first)
        return error;
    error = count(step, feature->game_date, feature->game_id, OUTPUT_FEATURES, 1, 0, at_us);
    /* Of whom too little is known there is no prediction: the predictor's run counts him. */
    if (feature->games < step_settings(step)->predictor.min_games)
        return error;
    return error
               ? error
               : count(step, feature->game_date, feature->game_id, OUTPUT_PREDICTIONS, 0, 1, at_us);
}

static int grades_begin(struct step *step, const struct msg_prediction_points *prediction)
{
    struct msg_ops_expected row;
    int error =
        due_row(step_store(step), prediction->game_date, prediction->game_id, OUTPUT_GRADES, &row);
    if (error != STORE_NOT_FOUND)
        return error;
    expect_begin(&row, &OUTPUTS[OUTPUT_GRADES], prediction->game_id, prediction->game_date,
                 CLOCK_NONE);
    /* It was on its way when the game was called off, or moved. */
    struct msg_ops_expected box;
    error = due_row(step_store(step), prediction->game_date, prediction->game_id, OUTPUT_BOXSCORE,
                    &box);
    if (error && error != STORE_NOT_FOUND)
        return error;
    if (!error && !strcmp(box.state, "EMPTY_OK"))
        expect_void(&row, box.reason);
    return due_row_say(step, &row);
}

int due_prediction(struct step *step, const struct msg_prediction_points *prediction, int64_t at_us)
{
    char player[32], what[80];
    bool first, first_player;
    snprintf(player, sizeof player, "%" PRId64, prediction->player_id);
    snprintf(what, sizeof what, "%" PRId64 " %.32s %.16s", prediction->player_id,
             prediction->system, prediction->stat);
    int error = seen_first(step_store(step), prediction->game_date, prediction->game_id,
                           OUTPUT_GRADES, what, &first);
    if (!error && first)
        error = seen_first(step_store(step), prediction->game_date, prediction->game_id,
                           OUTPUT_PREDICTIONS, player, &first_player);
    if (error || !first)
        return error;
    error = grades_begin(step, prediction);
    if (!error && first_player)
        error = count(step, prediction->game_date, prediction->game_id, OUTPUT_PREDICTIONS, 1, 0,
                      at_us);
    return error ? error
                 : count(step, prediction->game_date, prediction->game_id, OUTPUT_GRADES, 0, 1,
                         at_us);
}

int due_grade(struct step *step, const struct msg_grade_points *grade, int64_t at_us, bool *first)
{
    char what[88];
    *first = false;
    if (!grade->final)
        return STORE_OK;
    snprintf(what, sizeof what, "final %" PRId64 " %.32s %.16s", grade->player_id, grade->system,
             grade->stat);
    int error =
        seen_first(step_store(step), grade->game_date, grade->game_id, OUTPUT_GRADES, what, first);
    return error || !*first
               ? error
               : count(step, grade->game_date, grade->game_id, OUTPUT_GRADES, 1, 0, at_us);
}

/* ---- looking ---- */

static void incident_add(struct due_look *look, const struct msg_ops_expected *row, bool spent)
{
    struct incidents *out = look->incidents;
    char subject[97];
    const char *cause = "late";
    int32_t date = row->game_date;
    snprintf(subject, sizeof subject, "%s %04d-%02d-%02d", row->output, date / 10000,
             date / 100 % 100, date % 100);
    struct incident *incident = NULL;
    for (int i = 0; i < out->count && !incident; i++)
        if (!strcmp(out->list[i].cause, cause) && !strcmp(out->list[i].subject, subject))
            incident = &out->list[i];
    if (incident ? !spent || !strcmp(incident->severity, "critical")
                 : out->count == RULES_INCIDENTS_MAX)
        return; /* one word for all games of a day, and one more when nothing helps */
    if (!incident)
        incident = &out->list[out->count++];
    snprintf(incident->cause, sizeof incident->cause, "%s", cause);
    snprintf(incident->subject, sizeof incident->subject, "%s", subject);
    incident->severity = spent ? "critical" : "alert";
    incident->since_us = row->deadline;
    snprintf(incident->text, sizeof incident->text, "%.20s of %.12s: %.130s%s", row->output,
             row->game_id, row->reason,
             spent ? "; no remedy helped, and nothing more is tried" : "");
}

/* One word for each check and day, with an example: a feed that is wrong is wrong of many games. */
static int failed_check(const struct store_row *at, void *context)
{
    struct incidents *out = context;
    struct span rest = at->key;
    const char *game_id, *name, *check;
    char subject[97];
    if (store_key_read_text(&rest, &game_id) != 0 || store_key_read_text(&rest, &name) != 0 ||
        store_key_read_text(&rest, &check) != 0)
        return STORE_CORRUPT;
    snprintf(subject, sizeof subject, "%.40s %04d-%02d-%02d", check, at->date / 10000,
             at->date / 100 % 100, at->date % 100);
    for (int i = 0; i < out->count; i++)
        if (!strcmp(out->list[i].cause, "degraded") && !strcmp(out->list[i].subject, subject))
            return 0;
    if (out->count == RULES_INCIDENTS_MAX)
        return 1;
    struct incident *incident = &out->list[out->count++];
    snprintf(incident->cause, sizeof incident->cause, "degraded");
    snprintf(incident->subject, sizeof incident->subject, "%s", subject);
    incident->severity = "warning";
    incident->since_us = CLOCK_NONE;
    snprintf(incident->text, sizeof incident->text, "%.20s of %.12s: %.*s", name, game_id,
             (int)at->value.size, (const char *)at->value.data);
    return 0;
}

int due_checks(struct store_txn *txn, int64_t now_us, struct incidents *out)
{
    int32_t today = clock_date_of(now_us);
    int error = store_scan(txn, DUE_TABLE_CHECK, clock_date_add(today, -CHECK_DAYS),
                           clock_date_add(today, 1), NULL, 0, false, failed_check, out);
    return error == STORE_NOT_FOUND || error > 0 ? STORE_OK : error;
}

static int first_check(const struct store_row *row, void *context)
{
    char *how = context;
    snprintf(how, EXPECT_CHECK_SIZE, "%.*s", (int)row->value.size, (const char *)row->value.data);
    return 1;
}

static int check_find(struct store_txn *txn, const struct msg_ops_expected *row,
                      char how[EXPECT_CHECK_SIZE])
{
    struct store_key prefix;
    char day[CLOCK_DATE_SIZE];
    clock_format_date(row->game_date, day);
    const char *const subjects[] = {row->game_id, day};
    int error = STORE_OK;
    how[0] = '\0';
    for (int i = 0; i < 2 && (error == STORE_OK || error == STORE_NOT_FOUND) && !how[0]; i++) {
        key_of(&prefix, subjects[i], row->output);
        error = store_scan(txn, DUE_TABLE_CHECK, row->game_date, row->game_date, prefix.data,
                           prefix.size, false, first_check, how);
    }
    return error == STORE_NOT_FOUND || error > 0 ? STORE_OK : error;
}

static int judge_row(const struct store_row *at, void *context)
{
    struct due_look *look = context;
    struct span rest = at->key;
    const char *game_id, *name;
    struct msg_ops_expected row;
    if (store_key_read_text(&rest, &game_id) != 0 || store_key_read_text(&rest, &name) != 0)
        return STORE_CORRUPT;
    const struct output *output = output_named(name);
    if (!output)
        return 0; /* of a list of other times */
    struct store_txn *txn = look->txn;
    int error = due_row(txn, at->date, game_id, (enum output_id)(output - OUTPUTS), &row);
    char check[EXPECT_CHECK_SIZE];
    if (!error)
        error = check_find(txn, &row, check);
    if (error)
        return error;
    bool said = expect_judge(&row, &look->owners[output - OUTPUTS], check, look->now_us);
    const struct owner *owner = &look->owners[output - OUTPUTS];
    struct remedy_turn *turn = &look->turns[look->count];
    error =
        remedies_look(&look->remedies, txn, &row, expect_wanting(&row, owner, look->now_us), turn);
    if (error)
        return error;
    if (expect_missing(&row))
        incident_add(look, &row, turn->spent);
    if (!said && !turn->ask && !turn->ended)
        return 0;
    look->rows[look->count] = row;
    look->said[look->count] = said;
    return ++look->count == DUE_CHANGES_MAX; /* the rest with the next look */
}

int due_judge(struct due_look *look, struct store_txn *txn)
{
    look->txn = txn;
    look->count = 0;
    int error = store_scan(txn, DUE_TABLE_OPEN, 1, clock_date_add(clock_date_of(look->now_us), 1),
                           NULL, 0, false, judge_row, look);
    return error == STORE_NOT_FOUND || error > 0 ? STORE_OK : error;
}

/* A box score that is late makes the grades late: they are due after it, and it may never come. */
static int grades_due(struct step *step, const struct msg_ops_expected *box)
{
    struct msg_ops_expected row;
    int error = due_row(step_store(step), box->game_date, box->game_id, OUTPUT_GRADES, &row);
    if (error)
        return error == STORE_NOT_FOUND ? STORE_OK : error;
    if (row.deadline != CLOCK_NONE)
        return STORE_OK;
    expect_final(&row, &OUTPUTS[OUTPUT_GRADES], box->deadline);
    return due_row_say(step, &row);
}

int due_speak(const struct due_look *look, struct step *step)
{
    for (int i = 0; i < look->count; i++) {
        struct msg_ops_expected row = look->rows[i];
        const struct remedy_turn *turn = &look->turns[i];
        if (turn->ask) {
            row.tries++;
            row.tried_at = step_now_us(step);
        }
        row.at = step_now_us(step);
        int error = due_row_put(step_store(step), &row);
        if (!error && (look->said[i] || turn->ask))
            say(step, &row);
        if (!error)
            error = remedies_speak(step, &row, turn);
        if (error)
            return error;
        if (look->said[i] && expect_missing(&row) &&
            !strcmp(row.output, OUTPUTS[OUTPUT_BOXSCORE].name) &&
            (error = grades_due(step, &row)) != 0)
            return error;
    }
    return STORE_OK;
}
