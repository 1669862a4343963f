/* Rows go in as they came: key, mark, payload. */
#include "actors/scoreboard/take.h"

#include <stdlib.h>
#include <string.h>

#include "actors/command.h"
#include "actors/scoreboard/held.h"
#include "actors/scoreboard/run_index.h"
#include "config/clock.h"
#include "schema/messages.h"

static take_notice *notice;
static void *notice_context;
static char import_open[41]; /* the import whose opening was noted last: a cache of import_open */

void take_on_notice(take_notice *told, void *context)
{
    notice = told;
    notice_context = context;
}

void take_forget(void)
{
    import_open[0] = '\0';
}

static enum verdict failed(struct step *step, int error)
{
    return step_refuse(step, error == STORE_TOO_LARGE ? NEVER : LATER, "store: %s",
                       store_error_text(error));
}

static struct table_mark mark_of(const struct input *input)
{
    return (struct table_mark){.position = input->position, .time_us = input->time_us};
}

static enum verdict put(struct step *step, const struct input *input, const char *table,
                        int32_t date, const struct store_key *key)
{
    struct table_mark mark = mark_of(input);
    int error = table_put(step_store(step), table, date, key, &mark, &input->record->payload);
    return error ? failed(step, error) : DONE;
}

/* The exports of `date` have something new; and so has the page. */
static enum verdict touch(struct step *step, const struct input *input, int32_t date,
                          const char *what, const char *game_id)
{
    struct store_key key;
    struct table_mark mark = mark_of(input);
    const struct span none = {0};
    store_key_start(&key);
    store_key_text(&key, what);
    int error = table_put(step_store(step), TABLE_TOUCHED, date, &key, &mark, &none);
    if (error)
        return failed(step, error);
    if (notice)
        notice(notice_context, input, date, game_id);
    return DONE;
}

/* ---- the night ---- */

/* First seen in play, first seen final: kept apart because the game's own row is replaced. */
static int put_span(struct step *step, const struct input *input, const struct msg_row_game *game)
{
    struct store_key key, value;
    struct span old, payload;
    struct table_mark mark = mark_of(input), was;
    int64_t live_at = CLOCK_NONE, final_at = CLOCK_NONE;
    store_key_start(&key);
    store_key_text(&key, game->game_id);
    int error = store_get(step_store(step), TABLE_SPAN, game->game_date, key.data, key.size, &old);
    if (error && error != STORE_NOT_FOUND)
        return error;
    if (!error && (table_read(&old, &was, &payload) || store_key_read_i64(&payload, &live_at) ||
                   store_key_read_i64(&payload, &final_at)))
        return STORE_CORRUPT;
    bool final = !strcmp(game->status, "final");
    if (final || !strcmp(game->status, "in_progress") || game->period > 0)
        live_at = live_at == CLOCK_NONE ? input->time_us : live_at;
    if (final)
        final_at = final_at == CLOCK_NONE ? input->time_us : final_at;
    store_key_start(&value);
    store_key_i64(&value, live_at);
    store_key_i64(&value, final_at);
    payload = (struct span){value.data, (uint32_t)value.size};
    return table_put(step_store(step), TABLE_SPAN, game->game_date, &key, &mark, &payload);
}

static enum verdict take_game(struct step *step, const struct input *input, void *self)
{
    const struct msg_row_game *game = input->message;
    struct store_key key;
    (void)self;
    int error = put_span(step, input, game);
    if (error)
        return failed(step, error);
    store_key_start(&key);
    store_key_text(&key, game->game_id);
    enum verdict verdict = put(step, input, TABLE_GAME, game->game_date, &key);
    return verdict == DONE ? touch(step, input, game->game_date, "live", game->game_id) : verdict;
}

static void player_key(struct store_key *key, const char *game_id, int64_t player_id)
{
    store_key_start(key);
    store_key_text(key, game_id);
    store_key_i64(key, player_id);
}

static enum verdict take_box(struct step *step, const struct input *input, void *self)
{
    const struct msg_row_box_score *row = input->message;
    struct store_key key;
    (void)self;
    player_key(&key, row->game_id, row->player_id);
    enum verdict verdict = put(step, input, TABLE_BOX, row->game_date, &key);
    return verdict == DONE ? touch(step, input, row->game_date, "live", row->game_id) : verdict;
}

static enum verdict take_odds(struct step *step, const struct input *input, void *self)
{
    const struct msg_row_odds *row = input->message;
    struct store_key key;
    (void)self;
    player_key(&key, row->game_id, row->player_id);
    store_key_text(&key, row->market);
    store_key_text(&key, row->book);
    store_key_i64(&key, (int64_t)(row->line * 1000 + 0.5));
    store_key_i64(&key, (int64_t)input->position);
    return put(step, input, TABLE_ODDS, row->game_date, &key);
}

static enum verdict take_feature(struct step *step, const struct input *input, void *self)
{
    const struct msg_feature_player *row = input->message;
    struct store_key key;
    (void)self;
    player_key(&key, row->game_id, row->player_id);
    return put(step, input, TABLE_FEATURE, row->game_date, &key);
}

static enum verdict take_summary(struct step *step, const struct input *input, void *self)
{
    const struct msg_summary_player_game *row = input->message;
    struct store_key key;
    (void)self;
    player_key(&key, row->game_id, row->player_id);
    return put(step, input, TABLE_SUMMARY, row->game_date, &key);
}

static enum verdict take_team_summary(struct step *step, const struct input *input, void *self)
{
    const struct msg_summary_team_game *row = input->message;
    struct store_key key;
    (void)self;
    store_key_start(&key);
    store_key_text(&key, row->game_id);
    store_key_text(&key, row->team);
    return put(step, input, TABLE_TEAM_SUMMARY, row->game_date, &key);
}

static int newest_id(const struct store_row *at, void *context)
{
    struct msg_prediction_points row;
    struct message_error broken;
    struct table_mark mark;
    struct span payload;
    if (table_read(&at->value, &mark, &payload) != 0 ||
        message_decode(&msg_prediction_points_desc, payload.data, payload.size, &row, &broken) != 0)
        return STORE_CORRUPT;
    strcpy(context, row.prediction_id);
    return 1;
}

/* The predictor says again word for word what somebody lost: whoever has it keeps it once. */
static enum verdict take_prediction(struct step *step, const struct input *input, void *self)
{
    const struct msg_prediction_points *row = input->message;
    char newest[sizeof row->prediction_id] = "";
    struct store_key key;
    (void)self;
    player_key(&key, row->game_id, row->player_id);
    store_key_text(&key, row->system);
    store_key_text(&key, row->stat);
    int error = store_scan(step_store(step), TABLE_PREDICTION, row->game_date, row->game_date,
                           key.data, key.size, true, newest_id, newest);
    if (error < 0 && error != STORE_NOT_FOUND)
        return step_refuse(step, LATER, "store: %s", store_error_text(error));
    if (error > 0 && strcmp(newest, row->prediction_id) == 0)
        return DONE;
    store_key_i64(&key, (int64_t)input->position);
    enum verdict verdict = put(step, input, TABLE_PREDICTION, row->game_date, &key);
    return verdict == DONE ? touch(step, input, row->game_date, "grading", row->game_id) : verdict;
}

static enum verdict take_grade(struct step *step, const struct input *input, void *self)
{
    const struct msg_grade_points *row = input->message;
    struct store_key key;
    (void)self;
    player_key(&key, row->game_id, row->player_id);
    store_key_text(&key, row->system);
    store_key_text(&key, row->stat);
    enum verdict verdict = put(step, input, TABLE_GRADE, row->game_date, &key);
    return verdict == DONE ? touch(step, input, row->game_date, "grading", row->game_id) : verdict;
}

/* ---- the machinery ---- */

static int32_t day_of(const struct step *step, int64_t instant_us)
{
    return clock_league_day(instant_us, (int)step_settings(step)->day.rollover_hour);
}

static enum verdict take_run(struct step *step, const struct input *input, void *self)
{
    const struct msg_ops_run *run = input->message;
    int32_t date = run->data_date ? run->data_date : day_of(step, run->opened_at);
    struct store_key key;
    (void)self;
    struct table_mark mark = mark_of(input);
    int error = run_put(step_store(step), date, run, &mark, &input->record->payload);
    if (error)
        return failed(step, error);
    store_key_start(&key);
    store_key_i64(&key, run->opened_at);
    store_key_text(&key, run->run_id);
    return strcmp(run->actor, "poller") == 0 ? put(step, input, TABLE_POLL, date, &key) : DONE;
}

static enum verdict take_alert(struct step *step, const struct input *input, void *self)
{
    const struct msg_ops_alert *alert = input->message;
    int32_t date = day_of(step, alert->since);
    struct store_key key;
    (void)self;
    store_key_start(&key);
    store_key_text(&key, alert->alert_id);
    enum verdict verdict = put(step, input, TABLE_ALERT, date, &key);
    if (verdict == DONE && notice)
        notice(notice_context, input, date, "");
    return verdict;
}

static enum verdict take_exit(struct step *step, const struct input *input, void *self)
{
    const struct msg_ops_exit *end = input->message;
    struct store_key key;
    (void)self;
    store_key_start(&key);
    store_key_i64(&key, (int64_t)input->position);
    return put(step, input, TABLE_EXIT, day_of(step, end->at), &key);
}

static enum verdict take_expected(struct step *step, const struct input *input, void *self)
{
    const struct msg_ops_expected *row = input->message;
    struct store_key key;
    (void)self;
    store_key_start(&key);
    store_key_text(&key, row->game_id);
    store_key_text(&key, row->output);
    return put(step, input, TABLE_EXPECTED, row->game_date, &key);
}

static enum verdict take_action(struct step *step, const struct input *input, void *self)
{
    const struct msg_ops_action *row = input->message;
    struct store_key key;
    (void)self;
    store_key_start(&key);
    store_key_text(&key, row->action_id);
    return put(step, input, TABLE_ACTION, row->game_date, &key);
}

static int find_any(const struct store_row *row, void *context)
{
    (void)row;
    (void)context;
    return 1;
}

/* Without the payload: it stays in the log, where `tipoff dead` finds it. */
static enum verdict take_dead(struct step *step, const struct input *input, void *self)
{
    struct msg_dead_letter letter = *(const struct msg_dead_letter *)input->message;
    struct table_mark mark = mark_of(input);
    struct message_error error;
    struct store_key key;
    uint8_t text[2048];
    (void)self;
    letter.payload = (struct span){0};
    long size = message_encode(&msg_dead_letter_desc, &letter, text, sizeof text, &error);
    if (size < 0)
        return step_refuse(step, NEVER, "%s.%s: %s", error.message, error.field, error.rule);
    const struct span payload = {text, (uint32_t)size};
    store_key_start(&key);
    store_key_i64(&key, (int64_t)input->position);
    int failure = table_put(step_store(step), TABLE_DEAD, STORE_UNDATED, &key, &mark, &payload);
    return failure ? failed(step, failure) : DONE;
}

/* Asked to: how much is held of a game. Everything that was said of it before the command is in, if anything was lost since, that shows. */
static enum verdict take_count(struct step *step, const struct input *input,
                               const struct command_kind *kind)
{
    const struct msg_ops_command *command = input->message;
    struct msg_ops_held out;
    int error = STORE_OK;
    message_clear(&msg_ops_held_desc, &out);
    out.game_date = command_game(command->subject, out.game_id);
    if (!command_take(step, input, kind, out.game_id))
        return DONE;
    if (!out.game_date) {
        command_nothing(step, input, "no game and day: GAME:YYYY-MM-DD");
        return DONE;
    }
    const struct {
        const char *output;
        int64_t *rows;
    } counted[] = {{"boxscore", &out.boxscore},
                   {"features", &out.features},
                   {"predictions", &out.predictions},
                   {"grades", &out.grades}};
    for (size_t i = 0; i < sizeof counted / sizeof *counted && !error; i++)
        if (out.game_date >= step_kept_since(step, held_table(counted[i].output)))
            error = held_rows(step_store(step), out.game_date, out.game_id, counted[i].output,
                              counted[i].rows);
    if (error)
        return failed(step, error);
    const uint32_t said = step_emitted(step);
    out.at = input->time_us;
    step_emit(step, &msg_ops_held_desc, &out);
    command_done(step, input, said);
    return DONE;
}

/* Asked to: the day's files have something new, so that they are written again, whatever became of them. */
static enum verdict take_command(struct step *step, const struct input *input, void *self)
{
    static const struct command_kind KIND = {"scoreboard", "export", &msg_row_game_desc, NULL,
                                             "count"};
    static const struct command_kind COUNT = {"scoreboard", "count", &msg_row_game_desc, NULL,
                                              NULL};
    const struct msg_ops_command *command = input->message;
    int32_t date;
    (void)self;
    if (command_is(input, &COUNT))
        return take_count(step, input, &COUNT);
    if (!command_take(step, input, &KIND, NULL))
        return DONE;
    int error = clock_parse_date(command->subject, &date)
                    ? STORE_NOT_FOUND
                    : store_scan(step_store(step), TABLE_TOUCHED, date, date, NULL, 0, false,
                                 find_any, NULL);
    if (error < 0 && error != STORE_NOT_FOUND)
        return failed(step, error);
    if (error != 1) {
        command_nothing(step, input, "no table has anything of that day");
        return DONE;
    }
    enum verdict verdict = touch(step, input, date, "export", "");
    if (verdict == DONE)
        command_done(step, input, step_emitted(step));
    return verdict;
}

/* ---- imports: rows wait under their import's id until its commit makes them visible ---- */

static int note_import(struct step *step, const struct input *input, const char *import_id)
{
    struct store_key key;
    struct table_mark mark = mark_of(input);
    const struct span none = {0};
    if (!strcmp(import_open, import_id))
        return STORE_OK;
    store_key_start(&key);
    store_key_text(&key, import_id);
    int error = table_put(step_store(step), TABLE_IMPORT_OPEN, STORE_UNDATED, &key, &mark, &none);
    if (!error)
        strcpy(import_open, import_id);
    return error;
}

static enum verdict take_history_game(struct step *step, const struct input *input, void *self)
{
    const struct msg_history_game *row = input->message;
    struct store_key key;
    (void)self;
    int error = note_import(step, input, row->import_id);
    if (error)
        return failed(step, error);
    store_key_start(&key);
    store_key_text(&key, row->game_id);
    store_key_i64(&key, (int64_t)input->position);
    return put(step, input, TABLE_HISTORY_GAME, row->game_date, &key);
}

static enum verdict take_history_player_game(struct step *step, const struct input *input,
                                             void *self)
{
    const struct msg_history_player_game *row = input->message;
    struct store_key key;
    (void)self;
    int error = note_import(step, input, row->import_id);
    if (error)
        return failed(step, error);
    player_key(&key, row->game_id, row->player_id);
    store_key_i64(&key, (int64_t)input->position);
    return put(step, input, TABLE_HISTORY_BOX, row->game_date, &key);
}

static enum verdict take_import_file(struct step *step, const struct input *input, void *self)
{
    const struct msg_import_file *file = input->message;
    struct store_key key;
    (void)self;
    store_key_start(&key);
    store_key_text(&key, file->import_id);
    store_key_text(&key, file->file);
    return put(step, input, TABLE_IMPORT_FILE, STORE_UNDATED, &key);
}

/* Rows of imports that ended without a commit: their importer is gone, for a later one has committed. */
struct orphan {
    char import_id[41];
};
struct sweep {
    const char *committed;
    struct orphan *orphans;
    struct row_key {
        int32_t date;
        uint16_t size;
        uint8_t data[96];
    } * rows;
    size_t orphan_count, row_count;
    const struct message_desc *desc;
    void *message;
};

static void *grow(void *list, size_t count, size_t size)
{
    if (count & (count - 1))
        return list;
    return realloc(list, (count ? 2 * count : 1) * size);
}

static int find_orphan(const struct store_row *row, void *context)
{
    struct sweep *sweep = context;
    struct span rest = row->key;
    const char *import_id;
    if (store_key_read_text(&rest, &import_id) != 0)
        return STORE_CORRUPT;
    if (!strcmp(import_id, sweep->committed))
        return 0;
    struct orphan *bigger = grow(sweep->orphans, sweep->orphan_count, sizeof *sweep->orphans);
    if (!bigger)
        return STORE_IO;
    sweep->orphans = bigger;
    memset(&sweep->orphans[sweep->orphan_count], 0, sizeof *sweep->orphans);
    memcpy(sweep->orphans[sweep->orphan_count++].import_id, import_id,
           strnlen(import_id, sizeof sweep->orphans->import_id - 1));
    return 0;
}

static int find_row(const struct store_row *row, void *context)
{
    struct sweep *sweep = context;
    struct table_mark mark;
    struct span payload;
    struct message_error error;
    if (table_read(&row->value, &mark, &payload) ||
        message_decode(sweep->desc, payload.data, payload.size, sweep->message, &error) != 0)
        return STORE_CORRUPT;
    const char *import_id = (const char *)sweep->message + sweep->desc->fields[0].offset;
    bool orphaned = false;
    for (size_t i = 0; i < sweep->orphan_count; i++)
        orphaned |= !strcmp(sweep->orphans[i].import_id, import_id);
    if (!orphaned || row->key.size > sizeof sweep->rows->data)
        return 0;
    struct row_key *bigger = grow(sweep->rows, sweep->row_count, sizeof *sweep->rows);
    if (!bigger)
        return STORE_IO;
    sweep->rows = bigger;
    struct row_key *key = &sweep->rows[sweep->row_count++];
    key->date = row->date;
    key->size = (uint16_t)row->key.size;
    memcpy(key->data, row->key.data, row->key.size);
    return 0;
}

static int sweep_table(struct store_txn *txn, const char *table, struct sweep *sweep)
{
    int error =
        store_scan(txn, table, TABLE_DATE_FIRST, TABLE_DATE_LAST, NULL, 0, false, find_row, sweep);
    error = error == STORE_NOT_FOUND ? STORE_OK : error;
    for (size_t i = 0; i < sweep->row_count && !error; i++)
        error =
            store_del(txn, table, sweep->rows[i].date, sweep->rows[i].data, sweep->rows[i].size);
    sweep->row_count = 0;
    return error;
}

static int sweep_orphans(struct store_txn *txn, const char *committed)
{
    static union {
        struct msg_history_game game;
        struct msg_history_player_game player_game;
    } message;
    struct sweep sweep = {.committed = committed, .message = &message};
    int error = store_scan(txn, TABLE_IMPORT_OPEN, STORE_UNDATED, STORE_UNDATED, NULL, 0, false,
                           find_orphan, &sweep);
    error = error == STORE_NOT_FOUND ? STORE_OK : error;
    sweep.desc = &msg_history_game_desc;
    if (!error && sweep.orphan_count > 0)
        error = sweep_table(txn, TABLE_HISTORY_GAME, &sweep);
    sweep.desc = &msg_history_player_game_desc;
    if (!error && sweep.orphan_count > 0)
        error = sweep_table(txn, TABLE_HISTORY_BOX, &sweep);
    free(sweep.orphans);
    free(sweep.rows);
    return error ? error : store_clear(txn, TABLE_IMPORT_OPEN);
}

static enum verdict take_import_commit(struct step *step, const struct input *input, void *self)
{
    const struct msg_import_commit *commit = input->message;
    struct store_key key;
    (void)self;
    int error = sweep_orphans(step_store(step), commit->import_id);
    if (error && error != STORE_NOT_FOUND)
        return failed(step, error);
    import_open[0] = '\0';
    store_key_start(&key);
    store_key_text(&key, commit->import_id);
    enum verdict verdict = put(step, input, TABLE_IMPORT, STORE_UNDATED, &key);
    if (verdict == DONE && notice)
        notice(notice_context, input, 0, "");
    return verdict;
}

const struct take scoreboard_takes[] = {
    {&msg_row_game_desc, take_game, RUN_NONE, NULL, false},
    {&msg_row_box_score_desc, take_box, RUN_NONE, NULL, false},
    {&msg_row_odds_desc, take_odds, RUN_NONE, NULL, false},
    {&msg_feature_player_desc, take_feature, RUN_NONE, NULL, false},
    {&msg_summary_player_game_desc, take_summary, RUN_NONE, NULL, false},
    {&msg_summary_team_game_desc, take_team_summary, RUN_NONE, NULL, false},
    {&msg_prediction_points_desc, take_prediction, RUN_NONE, NULL, false},
    {&msg_grade_points_desc, take_grade, RUN_NONE, NULL, false},
    {&msg_ops_run_desc, take_run, RUN_NONE, NULL, false},
    {&msg_ops_alert_desc, take_alert, RUN_NONE, NULL, false},
    {&msg_ops_exit_desc, take_exit, RUN_NONE, NULL, false},
    {&msg_ops_expected_desc, take_expected, RUN_NONE, NULL, false},
    {&msg_ops_action_desc, take_action, RUN_NONE, NULL, false},
    {&msg_ops_command_desc, take_command, RUN_NONE, NULL, true},
    {&msg_dead_letter_desc, take_dead, RUN_NONE, NULL, false},
    {&msg_history_game_desc, take_history_game, RUN_NONE, NULL, false},
    {&msg_history_player_game_desc, take_history_player_game, RUN_NONE, NULL, false},
    {&msg_import_file_desc, take_import_file, RUN_NONE, NULL, false},
    {&msg_import_commit_desc, take_import_commit, RUN_NONE, NULL, false},
    {NULL, NULL, RUN_NONE, NULL, false},
};
