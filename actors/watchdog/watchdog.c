/* watchdog - says what is wrong, once per incident, and when it is right again; knows what every game owes, and asks for it again.
 * takes  row.game, row.box_score, row.odds_snapshot, row.check, feature.player, prediction.points, grade.points, ops.run (the poller's and
 *        the processor's), dead, ops.resolved, ops.held, command.answer
 * gives  ops.alert, ops.expected, ops.action, ops.command, ops.verdict, ops.rewind
 * keeps  games, when each source last did its work, dead letters by reader, incidents that are open, expected outputs (due.c), what was
 *        asked for and what became of it (remedies.c), what the exports must show (exported.c), holes of the past (holes.c)
 * never  does itself what another actor does */
#include "actors/watchdog/watchdog.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/watchdog/due.h"
#include "actors/watchdog/exported.h"
#include "actors/watchdog/holes.h"
#include "actors/watchdog/route.h"
#include "actors/watchdog/rules.h"
#include "config/clock.h"
#include "config/log.h"
#include "schema/json.h"
#include "schema/messages.h"

#define TABLE_GAME "game"       /* date, game_id -> watch_game */
#define TABLE_SOURCE "source"   /* run name -> watch_source */
#define TABLE_DEAD "dead"       /* reader -> watch_dead */
#define TABLE_REFUSED "refused" /* feed -> watch_refused */
#define TABLE_MODEL "model"     /* "promoted" -> watch_model */

#define REAL_INTERVAL_US                                                                           \
    250000 /* however fast the league clock runs, the broker is not asked more often */
#define SHARDS_MAX 256

/* Whose runs feed each output. */
static const char *const sources[OUTPUT_COUNT] = {
    [OUTPUT_ODDS] = "PollOddsProps",        [OUTPUT_FEATURES] = "PollBdlGames",
    [OUTPUT_PREDICTIONS] = "PollBdlGames",  [OUTPUT_LIVE] = "PollBdlLive",
    [OUTPUT_BOXSCORE] = "PollBdlBoxScores", [OUTPUT_GRADES] = "PollBdlBoxScores"};

/* Sources that must be alive whenever games are on. */
static const char *const live_sources[] = {"PollBdlLive"};
/* ... and the runs that take what they fetch. */
static const char *const live_takers[] = {"BdlLiveBoxscores"};

/* What this process alone knows of a shard: real time, so nothing of it outlives the process. */
struct shard_memory {
    char name[48];
    int64_t connected_us; /* last seen connected; 0 = never */
    int64_t moved_us;     /* its cursor moved, or there was nothing to take */
    int64_t cursor;
};

struct watchdog {
    const struct settings *settings;
    struct rules rules;
    int64_t next_league_us, next_real_us;
    struct shard_memory shards[SHARDS_MAX];
    int shard_count;
    bool playing; /* a game is on, as of this look */
    bool behind;  /* this shard has yet to take records that are in the log */
    struct remedy_limits limits;
    struct remedy_budget budget;
    struct incidents incidents;
    struct due_look due;
    struct exported *exported; /* NULL: none are written */
    struct holes *holes;
    bool holes_known; /* they were looked for in this look */
    struct route *route;
};

/* ---- what is remembered of records ---- */

#include "schema/message_struct.h"
#include "actors/watchdog/state.def"
#include "schema/message_end.h"

#include "schema/message_table.h"
#include "actors/watchdog/state.def"
#include "schema/message_end.h"

static void key_of(struct store_key *key, const char *text)
{
    store_key_start(key);
    store_key_text(key, text);
}

/* A broken or full store is nothing a record can help: the step is tried again. */
static enum verdict stored(struct step *step, int error)
{
    return error ? step_refuse(step, LATER, "store: %s", store_error_text(error)) : DONE;
}

static enum verdict take_game(struct step *step, const struct input *input, void *self)
{
    const struct msg_row_game *game = input->message;
    struct msg_watch_game row;
    struct store_key key;
    (void)self;
    key_of(&key, game->game_id);
    int error = store_get_message(step_store(step), TABLE_GAME, game->game_date, key.data, key.size,
                                  &msg_watch_game_desc, &row);
    if (error == STORE_NOT_FOUND) {
        message_clear(&msg_watch_game_desc, &row);
        error = STORE_OK;
    }
    if (error)
        return stored(step, error);
    bool plays = !strcmp(game->status, "in_progress");
    strcpy(row.status, game->status);
    row.tip_at = game->tip_at;
    if (plays && row.playing_since == CLOCK_NONE)
        row.playing_since = input->time_us;
    error = store_put_message(step_store(step), TABLE_GAME, game->game_date, key.data, key.size,
                              &msg_watch_game_desc, &row);
    if (!error)
        error = exported_shows(step, EXPORTED_LIVE, game->game_date, input->position);
    if (!error)
        error = due_game(step, input, game);
    return stored(step, error ? error
                              : remedies_record(step, &msg_row_game_desc, game->game_date,
                                                game->game_id, "", input->position));
}

/* Who is whose record, where there is one for each player. */
static int note_newest(struct step *step, const struct input *input,
                       const struct message_desc *desc, int32_t date, const char *game_id,
                       const char *fmt, ...) __attribute__((format(printf, 6, 7)));
static int note_newest(struct step *step, const struct input *input,
                       const struct message_desc *desc, int32_t date, const char *game_id,
                       const char *fmt, ...)
{
    char entity[96];
    va_list args;
    va_start(args, fmt);
    vsnprintf(entity, sizeof entity, fmt, args);
    va_end(args);
    return remedies_record(step, desc, date, game_id, entity, input->position);
}

static enum verdict take_box(struct step *step, const struct input *input, void *self)
{
    const struct msg_row_box_score *row = input->message;
    (void)self;
    return row->final
               ? stored(step, note_newest(step, input, &msg_row_box_score_desc, row->game_date,
                                          row->game_id, "%" PRId64, row->player_id))
               : DONE;
}

static enum verdict take_odds(struct step *step, const struct input *input, void *self)
{
    (void)self;
    return stored(step, due_odds(step, input->message, input->time_us));
}

static enum verdict take_check(struct step *step, const struct input *input, void *self)
{
    (void)self;
    return stored(step, due_check(step, input->message));
}

static enum verdict take_feature(struct step *step, const struct input *input, void *self)
{
    const struct msg_feature_player *row = input->message;
    (void)self;
    int error = due_feature(step, row, input->time_us);
    return stored(step, error ? error
                              : note_newest(step, input, &msg_feature_player_desc, row->game_date,
                                            row->game_id, "%" PRId64, row->player_id));
}

static enum verdict take_prediction(struct step *step, const struct input *input, void *self)
{
    const struct msg_prediction_points *row = input->message;
    (void)self;
    int error = exported_shows(step, EXPORTED_GRADING, row->game_date, input->position);
    if (!error)
        error = due_prediction(step, row, input->time_us);
    return stored(step, error ? error
                              : note_newest(step, input, &msg_prediction_points_desc,
                                            row->game_date, row->game_id, "%" PRId64 " %.32s %.16s",
                                            row->player_id, row->system, row->stat));
}

/* ---- the model ---- */

#define WATCH_MODEL_MOST 1200
#define KEY_MODEL "promoted"

static int model_get(struct store_txn *txn, struct msg_watch_model *row)
{
    struct store_key key;
    key_of(&key, KEY_MODEL);
    return store_get_message(txn, TABLE_MODEL, STORE_UNDATED, key.data, key.size,
                             &msg_watch_model_desc, row);
}

static int model_put(struct store_txn *txn, const struct msg_watch_model *row)
{
    struct store_key key;
    key_of(&key, KEY_MODEL);
    return store_put_message(txn, TABLE_MODEL, STORE_UNDATED, key.data, key.size,
                             &msg_watch_model_desc, row);
}

static enum verdict take_model(struct step *step, const struct input *input, void *self)
{
    const struct msg_model_promoted *model = input->message;
    struct msg_watch_model row;
    (void)self;
    message_clear(&msg_watch_model_desc, &row);
    snprintf(row.name, sizeof row.name, "%.16s", model->sha256);
    row.learned_at = clock_date_start_us(clock_date_add(model->learned_through, 1));
    row.mae = model->mae;
    row.graded = row.inside = 0;
    row.absolute = 0;
    return stored(step, model_put(step_store(step), &row));
}

/* How the promoted model does: its ensemble's points, as they become final. */
static int count_grade(struct step *step, const struct msg_grade_points *grade)
{
    struct msg_watch_model row;
    if (!grade->final || grade->model[0] == 0 || isnan(grade->low) || isnan(grade->error) ||
        strcmp(grade->system, "ensemble") != 0 || strcmp(grade->stat, "points") != 0)
        return STORE_OK;
    int error = model_get(step_store(step), &row);
    if (error || strcmp(row.name, grade->model) != 0)
        return error == STORE_NOT_FOUND ? STORE_OK : error;
    const double actual = (double)grade->actual;
    row.graded++;
    row.inside += grade->low <= actual && actual <= grade->high;
    row.absolute += fabs(grade->error);
    if (row.graded == WATCH_MODEL_MOST) {
        row.graded /= 2;
        row.inside /= 2;
        row.absolute /= 2;
    }
    return model_put(step_store(step), &row);
}

static enum verdict take_grade(struct step *step, const struct input *input, void *self)
{
    const struct msg_grade_points *grade = input->message;
    bool first = false; /* one that is said again counts for nothing */
    (void)self;
    int error = exported_shows(step, EXPORTED_GRADING, grade->game_date, input->position);
    if (!error)
        error = due_grade(step, grade, input->time_us, &first);
    return stored(step, error || !first ? error : count_grade(step, input->message));
}

static int judge_promoted(struct watchdog *self, struct store_txn *txn, int64_t now_us)
{
    struct msg_watch_model row;
    int error = model_get(txn, &row);
    if (error)
        return error == STORE_NOT_FOUND ? STORE_OK : error;
    struct watched_model model = {.learned_us = row.learned_at,
                                  .mae = row.mae,
                                  .graded = row.graded,
                                  .inside = row.inside,
                                  .absolute = row.absolute};
    memcpy(model.name, row.name, sizeof model.name);
    judge_model(&self->rules, &model, now_us, &self->incidents);
    return STORE_OK;
}

static enum verdict take_run(struct step *step, const struct input *input, void *self)
{
    const struct msg_ops_run *run = input->message;
    struct msg_watch_source row;
    struct store_key key;
    (void)self;
    if (strcmp(run->actor, "poller") != 0 && strcmp(run->actor, "processor") != 0)
        return DONE;
    int error = remedies_run(step, run);
    if (!error)
        error = holes_run(step, run);
    if (error)
        return stored(step, error);
    bool good = !strcmp(run->outcome, "success") || !strcmp(run->outcome, "unchanged") ||
                (!strcmp(run->actor, "processor") &&
                 (!strcmp(run->outcome, "partial") || !strcmp(run->outcome, "empty_ok")));
    bool bad = !strcmp(run->outcome, "failed") || !strcmp(run->outcome, "timeout");
    key_of(&key, run->name);
    error = store_get_message(step_store(step), TABLE_SOURCE, STORE_UNDATED, key.data, key.size,
                              &msg_watch_source_desc, &row);
    if (error == STORE_NOT_FOUND) {
        message_clear(&msg_watch_source_desc, &row);
        error = STORE_OK;
    }
    if (error || (!good && !bad))
        return stored(step, error);
    if (good)
        row.last_good = run->closed_at;
    if (!strcmp(run->outcome, "success"))
        row.last_news = run->closed_at;
    snprintf(row.last_error, sizeof row.last_error, "%s", good ? "" : run->error_class);
    return stored(step, store_put_message(step_store(step), TABLE_SOURCE, STORE_UNDATED, key.data,
                                          key.size, &msg_watch_source_desc, &row));
}

static enum verdict take_refused(struct step *step, const struct input *input, void *self)
{
    const struct msg_row_refused *refused = input->message;
    struct msg_watch_refused row;
    struct store_key key;
    (void)self;
    key_of(&key, refused->feed);
    int error = store_get_message(step_store(step), TABLE_REFUSED, STORE_UNDATED, key.data,
                                  key.size, &msg_watch_refused_desc, &row);
    if (error && error != STORE_NOT_FOUND)
        return stored(step, error);
    if (error || input->time_us - row.last_at >= step_settings(step)->watchdog.refused_us) {
        message_clear(&msg_watch_refused_desc, &row);
        row.count = 0;
        row.first_at = input->time_us;
        snprintf(row.example, sizeof row.example, "%.90s: %.100s", refused->path, refused->rule);
    }
    row.count++;
    row.last_at = input->time_us;
    return stored(step, store_put_message(step_store(step), TABLE_REFUSED, STORE_UNDATED, key.data,
                                          key.size, &msg_watch_refused_desc, &row));
}

static enum verdict take_dead(struct step *step, const struct input *input, void *self)
{
    const struct msg_dead_letter *letter = input->message;
    struct msg_watch_dead row;
    struct store_key key;
    (void)self;
    key_of(&key, letter->reader);
    int error = store_get_message(step_store(step), TABLE_DEAD, STORE_UNDATED, key.data, key.size,
                                  &msg_watch_dead_desc, &row);
    if (error == STORE_NOT_FOUND) {
        message_clear(&msg_watch_dead_desc, &row);
        row.first_at = letter->at;
        error = STORE_OK;
    }
    if (error)
        return stored(step, error);
    row.count++;
    error = store_put_message(step_store(step), TABLE_DEAD, STORE_UNDATED, key.data, key.size,
                              &msg_watch_dead_desc, &row);
    return stored(step, error ? error : remedies_letter(step, input));
}

static enum verdict take_answer(struct step *step, const struct input *input, void *self)
{
    (void)self;
    return stored(step, remedies_answer(step, input->message));
}

static enum verdict take_held(struct step *step, const struct input *input, void *self)
{
    (void)self;
    return stored(step, holes_held(step, input->message));
}

/* One less that waits for somebody's verdict; one that was refused again is another letter. */
static enum verdict take_resolved(struct step *step, const struct input *input, void *self)
{
    const struct msg_ops_resolved *resolved = input->message;
    struct msg_watch_dead row;
    struct store_key key;
    (void)self;
    key_of(&key, resolved->reader);
    int error = store_get_message(step_store(step), TABLE_DEAD, STORE_UNDATED, key.data, key.size,
                                  &msg_watch_dead_desc, &row);
    if (error == STORE_NOT_FOUND)
        return DONE; /* its letter is older than this environment */
    if (error)
        return stored(step, error);
    row.count--;
    return stored(step,
                  row.count > 0
                      ? store_put_message(step_store(step), TABLE_DEAD, STORE_UNDATED, key.data,
                                          key.size, &msg_watch_dead_desc, &row)
                      : store_del(step_store(step), TABLE_DEAD, STORE_UNDATED, key.data, key.size));
}

/* ---- judging sources ---- */

struct on {
    int64_t now_us, since_us;
    int64_t playing_us; /* since when a game has been seen in play; CLOCK_NONE */
};

static int visit_game(const struct store_row *row, void *context)
{
    struct on *on = context;
    struct msg_watch_game game;
    struct message_error error;
    if (message_decode(&msg_watch_game_desc, row->value.data, row->value.size, &game, &error) != 0)
        return STORE_CORRUPT;
    struct watched_game watched = {game.status, game.tip_at, game.playing_since};
    int64_t since_us = game_on_since(&watched, on->now_us);
    if (since_us != CLOCK_NONE && (on->since_us == CLOCK_NONE || since_us < on->since_us))
        on->since_us = since_us;
    if (!strcmp(game.status, "in_progress") &&
        (on->playing_us == CLOCK_NONE || game.playing_since < on->playing_us))
        on->playing_us = game.playing_since;
    return 0;
}

static int source_get(struct store_txn *txn, const char *name, struct msg_watch_source *row)
{
    struct store_key key;
    key_of(&key, name);
    int error = store_get_message(txn, TABLE_SOURCE, STORE_UNDATED, key.data, key.size,
                                  &msg_watch_source_desc, row);
    if (error == STORE_NOT_FOUND) {
        message_clear(&msg_watch_source_desc, row);
        row->last_good = row->last_news = CLOCK_NONE;
        return STORE_OK;
    }
    return error;
}

static int judge_sources(struct watchdog *self, struct store_txn *txn, int64_t now_us)
{
    struct on on = {now_us, CLOCK_NONE, CLOCK_NONE};
    int32_t today = clock_date_of(now_us);
    /* A night that runs past midnight belongs to yesterday. */
    int error = store_scan(txn, TABLE_GAME, clock_date_add(today, -1), clock_date_add(today, 1),
                           NULL, 0, false, visit_game, &on);
    if (error && error != STORE_NOT_FOUND)
        return error;
    self->playing = on.since_us != CLOCK_NONE;
    for (size_t i = 0; i < sizeof live_sources / sizeof *live_sources; i++) {
        struct msg_watch_source row, taker;
        error = source_get(txn, live_sources[i], &row);
        if (!error)
            error = source_get(txn, live_takers[i], &taker);
        if (error)
            return error;
        struct watched_source source = {live_sources[i], row.last_good};
        judge_source(&self->rules, &source, on.since_us, now_us, &self->incidents);
        judge_frozen(&self->rules, live_sources[i], row.last_news, row.last_good, on.playing_us,
                     &self->incidents);
        judge_unprocessed(&self->rules, live_takers[i], taker.last_good, row.last_news,
                          on.playing_us, &self->incidents);
    }
    return STORE_OK;
}

static int visit_dead(const struct store_row *row, void *context)
{
    struct watchdog *self = context;
    struct span rest = row->key;
    struct msg_watch_dead dead;
    struct message_error error;
    const char *reader;
    if (store_key_read_text(&rest, &reader) != 0 ||
        message_decode(&msg_watch_dead_desc, row->value.data, row->value.size, &dead, &error) != 0)
        return STORE_CORRUPT;
    judge_dead_letters(reader, dead.count, dead.first_at, &self->incidents);
    return 0;
}

static int visit_refused(const struct store_row *row, void *context)
{
    struct watchdog *self = context;
    struct span rest = row->key;
    struct msg_watch_refused refused;
    struct message_error error;
    const char *feed;
    if (store_key_read_text(&rest, &feed) != 0 ||
        message_decode(&msg_watch_refused_desc, row->value.data, row->value.size, &refused,
                       &error) != 0)
        return STORE_CORRUPT;
    judge_refused(&self->rules, feed, refused.count, refused.first_at, refused.last_at,
                  refused.example, self->due.now_us, &self->incidents);
    return 0;
}

/* ---- judging shards ---- */

static struct shard_memory *remember(struct watchdog *self, const char *name)
{
    for (int i = 0; i < self->shard_count; i++)
        if (!strcmp(self->shards[i].name, name))
            return &self->shards[i];
    if (self->shard_count == SHARDS_MAX)
        return NULL;
    struct shard_memory *memory = &self->shards[self->shard_count++];
    memset(memory, 0, sizeof *memory);
    snprintf(memory->name, sizeof memory->name, "%s", name);
    return memory;
}

static const char *text_in(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text ? text : "";
}

/* How the shard is explains what its actor owes. */
static void note_owner(struct watchdog *self, const char *actor, const struct watched_shard *shard)
{
    for (int i = 0; i < OUTPUT_COUNT; i++) {
        struct owner *owner = &self->due.owners[i];
        if (strcmp(OUTPUTS[i].actor, actor) != 0)
            continue;
        if (!strcmp(shard->state, "halted")) {
            owner->halted = true;
            snprintf(owner->cause, sizeof owner->cause, "%s", shard->cause);
        }
        owner->working = owner->working || (shard->connected && shard->lag > 0 &&
                                            shard->stuck_us < self->rules.silence_us);
    }
}

/* Shards are watched from when they were first seen at work; tools that come and go never are. */
static void look_at_shard(struct watchdog *self, const json_t *row, int64_t mono_us)
{
    const char *actor = text_in(row, "actor");
    const json_t *silent_ms = json_object_get(row, "silent_ms");
    struct watched_shard shard = {.connected = json_is_integer(silent_ms),
                                  .lag = json_integer_value(json_object_get(row, "lag"))};
    if (!strcmp(actor, "watchdog"))
        self->behind = shard.lag > 0;
    if (!strcmp(actor, "scoreboard") && self->exported)
        exported_writer(self->exported, shard.lag > 0);
    if (!strcmp(actor, "import") || !strcmp(actor, "supervisor") || !strcmp(actor, "watchdog"))
        return;
    snprintf(shard.name, sizeof shard.name, "%s.%lld", actor,
             (long long)json_integer_value(json_object_get(row, "partition")));
    snprintf(shard.state, sizeof shard.state, "%s", text_in(row, "state"));
    snprintf(shard.cause, sizeof shard.cause, "%s", text_in(row, "cause"));
    struct shard_memory *memory = remember(self, shard.name);
    if (!memory)
        return;
    json_int_t cursor = json_integer_value(json_object_get(row, "cursor"));
    if (shard.connected)
        memory->connected_us = mono_us;
    if (!memory->connected_us)
        return;
    if (!shard.lag || cursor != memory->cursor || !memory->moved_us ||
        strcmp(shard.state, "ready") != 0)
        memory->moved_us = mono_us;
    memory->cursor = cursor;
    shard.silent_us = json_integer_value(silent_ms) * 1000;
    shard.away_us = mono_us - memory->connected_us;
    shard.stuck_us = mono_us - memory->moved_us;
    judge_shard(&self->rules, &shard, &self->incidents);
    note_owner(self, actor, &shard);
}

/* False if the broker did not answer: then nothing is known, which is no news either. */
static bool judge_shards(struct watchdog *self, struct kit *kit, int64_t mono_us)
{
    char why[160];
    char *text = kit_control(kit, "STATUS");
    json_t *status = text ? json_read(text, strlen(text), why, sizeof why) : NULL, *row;
    size_t i;
    json_array_foreach(json_object_get(status, "shards"), i, row)
    {
        look_at_shard(self, row, mono_us);
    }
    bool answered = status != NULL;
    for (i = 0; i < OUTPUT_COUNT && self->behind; i++)
        self->due.owners[i].working = true; /* what is missed may be on its way here */
    json_decref(status);
    free(text);
    return answered;
}

/* ---- incidents: raised once, recovered once ---- */

static void incident_key(struct store_key *key, const char *cause, const char *subject)
{
    store_key_start(key);
    store_key_text(key, cause);
    store_key_text(key, subject);
}

static void say(const struct msg_ops_alert *alert)
{
    bool recovered = !strcmp(alert->state, "recovered");
    log_event(recovered                              ? LOG_LEVEL_INFO
              : !strcmp(alert->severity, "critical") ? LOG_LEVEL_ERROR
                                                     : LOG_LEVEL_WARN,
              recovered ? "alert-recovered" : "alert", "cause=%s subject=%s severity=%s why=\"%s\"",
              alert->cause, alert->subject, alert->severity, alert->text);
}

/* 0: nothing new; 1: said; < 0: the store failed. */
static int raise_incident(const struct watchdog *self, struct step *step,
                          const struct incident *incident)
{
    struct msg_ops_alert alert;
    struct store_key key;
    incident_key(&key, incident->cause, incident->subject);
    int error = store_get_message(step_store(step), TABLE_INCIDENT, STORE_UNDATED, key.data,
                                  key.size, &msg_ops_alert_desc, &alert);
    if (!error && !strcmp(alert.severity, incident->severity))
        return 0;
    if (error && error != STORE_NOT_FOUND)
        return error;
    if (error) {
        message_clear(&msg_ops_alert_desc, &alert);
        snprintf(alert.cause, sizeof alert.cause, "%s", incident->cause);
        snprintf(alert.subject, sizeof alert.subject, "%s", incident->subject);
        strcpy(alert.state, "raised");
        alert.since = incident->since_us == CLOCK_NONE ? step_now_us(step) : incident->since_us;
        snprintf(alert.alert_id, sizeof alert.alert_id, "%.16s:%.50s:%" PRId64, alert.cause,
                 alert.subject, alert.since);
    }
    snprintf(alert.severity, sizeof alert.severity, "%s", incident->severity);
    snprintf(alert.text, sizeof alert.text, "%s", incident->text);
    alert.at = step_now_us(step);
    error = store_put_message(step_store(step), TABLE_INCIDENT, STORE_UNDATED, key.data, key.size,
                              &msg_ops_alert_desc, &alert);
    if (error)
        return error;
    step_emit(step, &msg_ops_alert_desc, &alert);
    say(&alert);
    error = route_queue(self->route, step, &alert);
    return error ? error : 1;
}

struct open_incidents {
    const struct incidents *now;
    struct store_txn *txn;
    bool shards_known;
    int count;
    struct msg_ops_alert gone[RULES_INCIDENTS_MAX];
};

static bool about_shards(const char *cause)
{
    return !strcmp(cause, "halted") || !strcmp(cause, "dead") || !strcmp(cause, "hung") ||
           !strcmp(cause, "backlogged");
}

static int visit_open(const struct store_row *row, void *context)
{
    struct open_incidents *open = context;
    struct message_error error;
    struct msg_ops_alert *alert = &open->gone[open->count];
    if (message_decode(&msg_ops_alert_desc, row->value.data, row->value.size, alert, &error) != 0)
        return STORE_CORRUPT;
    if (about_shards(alert->cause) && !open->shards_known)
        return 0;
    if (strcmp(alert->cause, HOLES_CAUSE) == 0) { /* those say themselves when they are mended */
        bool stand;
        int failed = holes_stand(open->txn, alert->subject, &stand);
        return failed || stand ? failed : ++open->count == RULES_INCIDENTS_MAX;
    }
    for (int i = 0; i < open->now->count; i++)
        if (!strcmp(open->now->list[i].cause, alert->cause) &&
            !strcmp(open->now->list[i].subject, alert->subject))
            return 0;
    return ++open->count == RULES_INCIDENTS_MAX;
}

static int recover_incident(const struct watchdog *self, struct step *step,
                            struct msg_ops_alert *alert)
{
    struct store_key key;
    incident_key(&key, alert->cause, alert->subject);
    int error = store_del(step_store(step), TABLE_INCIDENT, STORE_UNDATED, key.data, key.size);
    if (error)
        return error;
    strcpy(alert->state, "recovered");
    alert->at = step_now_us(step);
    char text[sizeof alert->text];
    snprintf(text, sizeof text, "%s: right again after %" PRId64 " min", alert->subject,
             (alert->at - alert->since) / 60000000);
    memcpy(alert->text, text, sizeof text);
    step_emit(step, &msg_ops_alert_desc, alert);
    say(alert);
    return route_queue(self->route, step, alert);
}

static int recover_incidents(const struct watchdog *self, struct step *step,
                             struct open_incidents *open)
{
    int error = 0;
    for (int i = 0; i < open->count && !error; i++)
        error = recover_incident(self, step, &open->gone[i]);
    return error;
}

static int incident_get(struct store_txn *txn, const struct incident *incident,
                        struct msg_ops_alert *alert)
{
    struct store_key key;
    incident_key(&key, incident->cause, incident->subject);
    return store_get_message(txn, TABLE_INCIDENT, STORE_UNDATED, key.data, key.size,
                             &msg_ops_alert_desc, alert);
}

/* Those of holes: what was given up of a day stays the worst that is said of it. < 0: the store failed. */
static int speak_of_holes(const struct watchdog *self, struct step *step)
{
    const struct incident *incident;
    struct msg_ops_alert alert;
    int error = 0;
    for (int i = 0; error >= 0 && (incident = holes_raised(self->holes, i)) != NULL; i++) {
        error = incident_get(step_store(step), incident, &alert);
        if (error == STORE_NOT_FOUND || (!error && strcmp(alert.severity, "critical") != 0))
            error = raise_incident(self, step, incident);
    }
    for (int i = 0; error >= 0 && (incident = holes_over(self->holes, i)) != NULL; i++) {
        error = incident_get(step_store(step), incident, &alert);
        if (!error)
            error = recover_incident(self, step, &alert);
        error = error == STORE_NOT_FOUND ? 0 : error;
    }
    return error;
}

/* The newest failure of what feeds an output; NULL: there is none since its last success. */
static const char *source_error(struct store_txn *txn, const char *name)
{
    static struct msg_watch_source row;
    struct store_key key;
    key_of(&key, name);
    return store_get_message(txn, TABLE_SOURCE, STORE_UNDATED, key.data, key.size,
                             &msg_watch_source_desc, &row) == STORE_OK &&
                   row.last_error[0]
               ? row.last_error
               : NULL;
}

static int judge_due(struct watchdog *self, struct store_txn *txn, int64_t now_us)
{
    struct due_look *due = &self->due;
    due->remedies = (struct remedies_look){.limits = &self->limits,
                                           .budget = &self->budget,
                                           .heal = self->settings->watchdog.heal,
                                           .playing = self->playing,
                                           .now_us = now_us,
                                           .grace_us = self->settings->lock.grace_us};
    due->incidents = &self->incidents;
    static char classes[OUTPUT_COUNT][17];
    for (int i = 0; i < OUTPUT_COUNT; i++) {
        const char *class = source_error(txn, sources[i]);
        snprintf(classes[i], sizeof classes[i], "%s", class ? class : "");
        due->owners[i].last_error = class ? classes[i] : NULL;
    }
    return due_judge(due, txn);
}

static int judge_stored(struct watchdog *self, struct store_txn *txn, int64_t now_us,
                        struct open_incidents *open)
{
    self->due.now_us = now_us;
    open->txn = txn;
    int error = remedies_budget_read(txn, &self->budget);
    remedy_hour(&self->budget, now_us);
    if (!error)
        error = judge_sources(self, txn, now_us);
    if (!error && open->shards_known)
        error = judge_due(self, txn, now_us);
    if (!error && self->exported && open->shards_known)
        error = exported_look(self->exported, txn, &self->due.remedies, &self->incidents);
    if (!error && open->shards_known) {
        const struct holes_view view = {.settings = self->settings,
                                        .remedies = &self->due.remedies,
                                        .owners = self->due.owners,
                                        .behind = self->behind};
        error = holes_look(self->holes, txn, &view);
        self->holes_known = !error;
    }
    if (!error)
        error = due_checks(txn, now_us, &self->incidents);
    if (!error)
        error = judge_promoted(self, txn, now_us);
    if (!error)
        error = store_scan(txn, TABLE_REFUSED, STORE_UNDATED, STORE_UNDATED, NULL, 0, false,
                           visit_refused, self);
    if (error == STORE_NOT_FOUND)
        error = STORE_OK;
    if (!error)
        error = store_scan(txn, TABLE_DEAD, STORE_UNDATED, STORE_UNDATED, NULL, 0, false,
                           visit_dead, self);
    if (!error || error == STORE_NOT_FOUND)
        error = store_scan(txn, TABLE_INCIDENT, STORE_UNDATED, STORE_UNDATED, NULL, 0, false,
                           visit_open, open);
    return error == STORE_NOT_FOUND || error > 0 ? STORE_OK : error;
}

/* Is there anything to say that was not said before? */
static int changes(const struct watchdog *self, struct store_txn *txn,
                   const struct open_incidents *open, bool *any)
{
    *any = open->count > 0;
    for (int i = 0; i < self->incidents.count && !*any; i++) {
        struct msg_ops_alert alert;
        struct store_key key;
        incident_key(&key, self->incidents.list[i].cause, self->incidents.list[i].subject);
        int error = store_get_message(txn, TABLE_INCIDENT, STORE_UNDATED, key.data, key.size,
                                      &msg_ops_alert_desc, &alert);
        if (error && error != STORE_NOT_FOUND)
            return error;
        *any = error == STORE_NOT_FOUND ||
               strcmp(alert.severity, self->incidents.list[i].severity) != 0;
    }
    return STORE_OK;
}

static void speak(struct watchdog *self, struct kit *kit, struct open_incidents *open)
{
    struct step *step = kit_step(kit);
    if (!step)
        return; /* not now; the next look sees the same */
    int error = due_speak(&self->due, step);
    if (!error && self->exported)
        error = exported_speak(self->exported, step);
    if (!error && self->holes_known)
        error = holes_speak(self->holes, step);
    if (!error)
        error = remedies_budget_write(step, &self->budget);
    if (error >= 0)
        error = recover_incidents(self, step, open);
    if (error >= 0 && self->holes_known)
        error = speak_of_holes(self, step);
    for (int i = 0; i < self->incidents.count && error >= 0; i++)
        error = raise_incident(self, step, &self->incidents.list[i]);
    if (error >= 0) {
        kit_commit(kit, &step);
        return;
    }
    log_error("alerts-not-stored", "why=\"%s\"", store_error_text(error));
    kit_abort(kit, &step);
}

static void look(struct watchdog *self, struct kit *kit, int64_t mono_us)
{
    static struct open_incidents open;
    struct store_txn *txn;
    bool any = false;
    self->incidents.count = self->due.count = 0;
    self->holes_known = false;
    memset(self->due.owners, 0, sizeof self->due.owners);
    self->behind = false;
    open = (struct open_incidents){.now = &self->incidents};
    open.shards_known = judge_shards(self, kit, mono_us);
    int error = store_begin(kit_store(kit), false, &txn);
    if (!error) {
        error = judge_stored(self, txn, clock_league_us(), &open);
        if (!error)
            error = changes(self, txn, &open, &any);
        store_abort(&txn);
    }
    if (error)
        log_error("look-failed", "why=\"%s\"", store_error_text(error));
    else if (any || self->due.count || (self->holes_known && holes_news(self->holes)) ||
             (self->exported && exported_news(self->exported)))
        speak(self, kit, &open);
}

/* ---- the actor ---- */

static void *start(const struct settings *settings, bool *failed)
{
    struct watchdog *self = calloc(1, sizeof *self);
    *failed = !self;
    if (!self)
        return NULL;
    self->settings = settings;
    self->rules = (struct rules){.stale_warn_us = settings->watchdog.stale_warn_us,
                                 .stale_alert_us = settings->watchdog.stale_alert_us,
                                 .stale_critical_us = settings->watchdog.stale_critical_us,
                                 .unchanged_us = settings->watchdog.unchanged_us,
                                 .refused_us = settings->watchdog.refused_us,
                                 .model_age_us = settings->watchdog.model_age_us,
                                 .drift_coverage = settings->watchdog.drift_coverage,
                                 .drift_error = settings->watchdog.drift_error,
                                 .silence_us = settings->watchdog.silence_us};
    remedy_limits(settings, &self->limits);
    self->route = route_new(settings);
    self->exported = settings->scoreboard.exports ? exported_new(settings) : NULL;
    self->holes = holes_new();
    if (!self->route || !self->holes || (settings->scoreboard.exports && !self->exported)) {
        route_free(&self->route);
        exported_free(&self->exported);
        holes_free(&self->holes);
        free(self);
        *failed = true;
        return NULL;
    }
    return self;
}

static void stop(void *context)
{
    struct watchdog *self = context;
    route_free(&self->route);
    exported_free(&self->exported);
    holes_free(&self->holes);
    free(self);
}

static int fds(void *context, struct pollfd *fds, int max, int64_t *timeout_us)
{
    const struct watchdog *self = context;
    (void)fds;
    (void)max;
    int64_t wait_us = self->next_real_us - clock_mono_us();
    int64_t league_us = self->next_league_us ? clock_league_wait_us(self->next_league_us) : 0;
    if (league_us > wait_us)
        wait_us = league_us;
    if (wait_us < 0)
        wait_us = 0;
    if (wait_us < *timeout_us)
        *timeout_us = wait_us;
    route_wait(self->route, timeout_us);
    return 0;
}

static void work(void *context, struct kit *kit, const struct pollfd *fds, int count)
{
    struct watchdog *self = context;
    int64_t mono_us = clock_mono_us();
    (void)fds;
    (void)count;
    route_turn(self->route, kit);
    if (mono_us < self->next_real_us || clock_league_us() < self->next_league_us ||
        !clock_league_running())
        return;
    look(self, kit, mono_us);
    self->next_real_us = mono_us + REAL_INTERVAL_US;
    self->next_league_us = clock_league_us() + self->settings->watchdog.interval_us;
}

static const struct take takes[] = {
    {.message = &msg_row_game_desc, .take = take_game, .every_partition = true},
    {.message = &msg_row_box_score_desc, .take = take_box, .every_partition = true},
    {.message = &msg_row_odds_snapshot_desc, .take = take_odds, .every_partition = true},
    {.message = &msg_row_check_desc, .take = take_check, .every_partition = true},
    {.message = &msg_feature_player_desc, .take = take_feature, .every_partition = true},
    {.message = &msg_prediction_points_desc, .take = take_prediction, .every_partition = true},
    {.message = &msg_model_promoted_desc, .take = take_model, .every_partition = true},
    {.message = &msg_grade_points_desc, .take = take_grade, .every_partition = true},
    {.message = &msg_ops_run_desc, .take = take_run, .every_partition = true},
    {.message = &msg_row_refused_desc, .take = take_refused, .every_partition = true},
    {.message = &msg_dead_letter_desc, .take = take_dead, .every_partition = true},
    {.message = &msg_ops_resolved_desc, .take = take_resolved, .every_partition = true},
    {.message = &msg_ops_held_desc, .take = take_held, .every_partition = true},
    {.message = &msg_command_answer_desc, .take = take_answer, .every_partition = true},
    {.message = NULL},
};

static const struct aging ages[] = {
    {TABLE_GAME, AGING_LOG, NULL, NULL},       {DUE_TABLE_EXPECTED, AGING_LOG, NULL, NULL},
    {DUE_TABLE_OPEN, AGING_LOG, NULL, NULL},   {DUE_TABLE_SEEN, AGING_LOG, NULL, NULL},
    {DUE_TABLE_CHECK, AGING_LOG, NULL, NULL},  {HOLES_TABLE, AGING_LOG, NULL, NULL},
    {HOLES_TABLE_OPEN, AGING_LOG, NULL, NULL}, {NULL, 0, NULL, NULL},
};

const struct actor watchdog_actor = {
    .name = "watchdog",
    .does = "says what is wrong and when it is right again, and asks again for what is late",
    .takes = takes,
    .ages = ages,
    .edge = true,
    .start = start,
    .stop = stop,
    .fds = fds,
    .work = work,
};
