#include "actors/watchdog/holes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/watchdog/due.h"
#include "config/clock.h"

/* "ledger" -> the date that is next (0: none), league time it began; "rewind" -> when one was asked for last */
#define TABLE_SWEEP "sweep"
/* Who was asked and says nothing for so long has not heard it. The tables are made again in as long as the log takes, and what is asked of
 * them meanwhile is answered behind that. */
#define PATIENCE_US (INT64_C(24) * 3600 * 1000000)
#define REWIND_PATIENCE_US (30 * PATIENCE_US)
enum {
    DAY_GAMES = 64, /* of one day: a league has far fewer */
    WORKED_MOST = 64,
    DATE_FIRST = 19000101
};

#include "schema/message_struct.h"
#include "actors/watchdog/holes_state.def"
#include "schema/message_end.h"

#include "schema/message_table.h"
#include "actors/watchdog/holes_state.def"
#include "schema/message_end.h"

struct turn {
    struct msg_ops_expected row;
    enum output_id output;
    struct msg_watch_hole hole;
    bool healed, gave_up, count;
    struct remedy_turn remedy;
};
struct holes {
    bool swept; /* the sweep went on */
    int64_t next_date, began_us;
    /* The newest time at which a rewind of the tables was asked for: what was counted before it is not what they hold. */
    int64_t rewound_us;
    bool rewinds; /* one is asked for now */
    struct turn turns[WORKED_MOST];
    int turn_count;
    struct msg_ops_held counts[DAY_GAMES]; /* games of the slice, to be counted */
    int count_count;
    struct incident raised[WORKED_MOST], over[WORKED_MOST];
    int raised_count, over_count;
};

struct holes *holes_new(void)
{
    return calloc(1, sizeof(struct holes));
}

void holes_free(struct holes **self)
{
    free(*self);
    *self = NULL;
}

/* ---- rows ---- */

static void key_of(struct store_key *key, const char *game_id, enum output_id output)
{
    store_key_start(key);
    store_key_text(key, game_id);
    store_key_text(key, OUTPUTS[output].name);
}

/* STORE_NOT_FOUND: there is none. */
static int hole_get(struct store_txn *txn, int32_t date, const char *game_id, enum output_id output,
                    struct msg_watch_hole *hole)
{
    struct store_key key;
    key_of(&key, game_id, output);
    return store_get_message(txn, HOLES_TABLE, date, key.data, key.size, &msg_watch_hole_desc,
                             hole);
}

static int hole_put(struct store_txn *txn, int32_t date, const char *game_id, enum output_id output,
                    const struct msg_watch_hole *hole)
{
    struct store_key key;
    key_of(&key, game_id, output);
    int error =
        store_put_message(txn, HOLES_TABLE, date, key.data, key.size, &msg_watch_hole_desc, hole);
    if (error)
        return error;
    if (hole->gave_up_at == CLOCK_NONE)
        return store_put(txn, HOLES_TABLE_OPEN, date, key.data, key.size, "", 0);
    error = store_del(txn, HOLES_TABLE_OPEN, date, key.data, key.size);
    return error == STORE_NOT_FOUND ? STORE_OK : error;
}

static int hole_del(struct store_txn *txn, int32_t date, const char *game_id, enum output_id output)
{
    struct store_key key;
    key_of(&key, game_id, output);
    int error = store_del(txn, HOLES_TABLE, date, key.data, key.size);
    if (!error || error == STORE_NOT_FOUND)
        error = store_del(txn, HOLES_TABLE_OPEN, date, key.data, key.size);
    return error == STORE_NOT_FOUND ? STORE_OK : error;
}

static void hole_begin(struct msg_watch_hole *hole, bool lost, int64_t held, int64_t now_us)
{
    message_clear(&msg_watch_hole_desc, hole);
    hole->lost = lost;
    hole->told = hole->anew = false;
    hole->held = held;
    hole->since = now_us;
}

/* It is worked on again, with a try of each remedy; what was said of it needs no saying again. */
static void hole_again(struct msg_watch_hole *hole, int64_t now_us)
{
    hole->since = now_us;
    hole->anew = true;
    hole->gave_up_at = CLOCK_NONE;
}

/* ---- records ---- */

static bool lacks(const struct msg_ops_expected *row, int64_t held)
{
    return held < row->rows;
}

static int held_of(struct step *step, const struct msg_ops_held *held, enum output_id output,
                   int64_t rows)
{
    struct store_txn *txn = step_store(step);
    struct msg_ops_expected row;
    struct msg_watch_hole hole;
    int error = due_row(txn, held->game_date, held->game_id, output, &row);
    if (error || rows == MESSAGE_NONE)
        return error == STORE_NOT_FOUND ? STORE_OK : error;
    /* What came since is here, and was not there when it was counted. */
    if (row.newest != CLOCK_NONE && row.newest >= held->at)
        return STORE_OK;
    bool lacking = strcmp(row.state, "COMPLETE") == 0 && lacks(&row, rows);
    error = hole_get(txn, held->game_date, held->game_id, output, &hole);
    if (error == STORE_NOT_FOUND) {
        if (!lacking)
            return STORE_OK;
        hole_begin(&hole, true, rows, step_now_us(step));
    } else if (error || !hole.lost) {
        return error;
    } else if (hole.gave_up_at != CLOCK_NONE && !lacking) {
        hole_again(&hole, step_now_us(step));
    }
    hole.held = rows;
    hole.counted_at = held->at;
    return hole_put(txn, held->game_date, held->game_id, output, &hole);
}

int holes_held(struct step *step, const struct msg_ops_held *held)
{
    int error = held_of(step, held, OUTPUT_BOXSCORE, held->boxscore);
    if (!error)
        error = held_of(step, held, OUTPUT_FEATURES, held->features);
    if (!error)
        error = held_of(step, held, OUTPUT_PREDICTIONS, held->predictions);
    return error ? error : held_of(step, held, OUTPUT_GRADES, held->grades);
}

struct polled {
    enum output_id output;
    int count;
    char games[DAY_GAMES][sizeof((struct msg_ops_expected *)0)->game_id];
};

static int collect_polled(const struct store_row *at, void *context)
{
    struct polled *polled = context;
    struct span rest = at->key;
    const char *game_id, *name;
    if (store_key_read_text(&rest, &game_id) != 0 || store_key_read_text(&rest, &name) != 0)
        return STORE_CORRUPT;
    if (strcmp(name, OUTPUTS[polled->output].name) == 0)
        snprintf(polled->games[polled->count++], sizeof *polled->games, "%s", game_id);
    return polled->count == DAY_GAMES;
}

/* Whose poll it is; OUTPUT_COUNT: nobody's. */
static enum output_id polled_for(const struct msg_ops_run *run)
{
    for (size_t i = 0; i < REMEDIES_MOST; i++)
        if ((REMEDIES[i].kind == REMEDY_POLL || REMEDIES[i].kind == REMEDY_FETCH) &&
            OUTPUTS[REMEDIES[i].output].any_time && strcmp(REMEDIES[i].run, run->name) == 0)
            return REMEDIES[i].output;
    return OUTPUT_COUNT;
}

int holes_run(struct step *step, const struct msg_ops_run *run)
{
    struct polled polled = {.output = polled_for(run)};
    struct msg_watch_hole hole;
    bool failed = !strcmp(run->outcome, "failed") || !strcmp(run->outcome, "timeout");
    if (!run->data_date || polled.output == OUTPUT_COUNT ||
        (failed && run->attempt <= step_settings(step)->poller.retries &&
         strcmp(run->error_class, "unauthorized") != 0))
        return STORE_OK; /* it is tried again by itself */
    int error = store_scan(step_store(step), HOLES_TABLE_OPEN, run->data_date, run->data_date, NULL,
                           0, false, collect_polled, &polled);
    error = error > 0 || error == STORE_NOT_FOUND ? STORE_OK : error;
    for (int i = 0; i < polled.count && !error; i++) {
        error = hole_get(step_store(step), run->data_date, polled.games[i], polled.output, &hole);
        if (error)
            break;
        hole.polled_at = run->closed_at;
        snprintf(hole.polled, sizeof hole.polled, "%.20s%s%.30s", run->outcome, failed ? ": " : "",
                 failed ? run->error_class : "");
        error = hole_put(step_store(step), run->data_date, polled.games[i], polled.output, &hole);
    }
    return error == STORE_NOT_FOUND ? STORE_OK : error;
}

/* ---- going through the ledger ---- */

static void sweep_key(struct store_key *key)
{
    store_key_start(key);
    store_key_text(key, "ledger");
}

static int sweep_read(struct store_txn *txn, struct holes *self)
{
    struct store_key key;
    struct span value;
    sweep_key(&key);
    self->next_date = 0;
    self->began_us = CLOCK_NONE;
    int error = store_get(txn, TABLE_SWEEP, STORE_UNDATED, key.data, key.size, &value);
    if (error)
        return error == STORE_NOT_FOUND ? STORE_OK : error;
    return store_key_read_i64(&value, &self->next_date) != 0 ||
                   store_key_read_i64(&value, &self->began_us) != 0
               ? STORE_CORRUPT
               : STORE_OK;
}

static int sweep_write(struct step *step, const struct holes *self)
{
    struct store_key key, value;
    sweep_key(&key);
    store_key_start(&value);
    store_key_i64(&value, self->next_date);
    store_key_i64(&value, self->began_us);
    return store_put(step_store(step), TABLE_SWEEP, STORE_UNDATED, key.data, key.size, value.data,
                     value.size);
}

static void rewind_key(struct store_key *key)
{
    store_key_start(key);
    store_key_text(key, "rewind");
}

static int rewind_read(struct store_txn *txn, struct holes *self)
{
    struct store_key key;
    struct span value;
    rewind_key(&key);
    self->rewinds = false;
    self->rewound_us = CLOCK_NONE;
    int error = store_get(txn, TABLE_SWEEP, STORE_UNDATED, key.data, key.size, &value);
    if (error)
        return error == STORE_NOT_FOUND ? STORE_OK : error;
    return store_key_read_i64(&value, &self->rewound_us) != 0 ? STORE_CORRUPT : STORE_OK;
}

static int rewind_write(struct step *step)
{
    struct store_key key, value;
    rewind_key(&key);
    store_key_start(&value);
    store_key_i64(&value, step_now_us(step));
    return store_put(step_store(step), TABLE_SWEEP, STORE_UNDATED, key.data, key.size, value.data,
                     value.size);
}

static int first_date(const struct store_row *at, void *context)
{
    *(int32_t *)context = at->date;
    return 1;
}

struct day {
    struct holes *self;
    const struct holes_view *view;
    struct store_txn *txn;
};

static void count_later(struct holes *self, const struct msg_ops_expected *row)
{
    struct msg_ops_held *last =
        self->count_count ? &self->counts[self->count_count - 1] : NULL; /* rows come by game */
    if ((last && strcmp(last->game_id, row->game_id) == 0) || self->count_count == DAY_GAMES)
        return;
    last = &self->counts[self->count_count++];
    snprintf(last->game_id, sizeof last->game_id, "%s", row->game_id);
    last->game_date = row->game_date;
}

static struct turn *turn_add(struct holes *self, const struct msg_ops_expected *row,
                             const struct msg_watch_hole *hole)
{
    struct turn *turn = &self->turns[self->turn_count++];
    *turn = (struct turn){.row = *row,
                          .output = (enum output_id)(output_named(row->output) - OUTPUTS),
                          .hole = *hole};
    return turn;
}

/* One row of the slice. Without grades because there is no box score, there is one hole, not two. */
static int sweep_row(const struct store_row *at, void *context)
{
    struct day *day = context;
    struct holes *self = day->self;
    const int64_t now_us = day->view->remedies->now_us;
    struct msg_ops_expected row, box;
    struct msg_watch_hole hole;
    struct message_error broken;
    if (message_decode(&msg_ops_expected_desc, at->value.data, at->value.size, &row, &broken) != 0)
        return STORE_CORRUPT;
    const struct output *output = output_named(row.output);
    if (!output || output->told_only)
        return 0;
    enum output_id id = (enum output_id)(output - OUTPUTS);
    bool missing = expect_hole(&row);
    if (strcmp(row.state, "COMPLETE") == 0 && id != OUTPUT_LIVE)
        count_later(self, &row);
    int error = hole_get(day->txn, row.game_date, row.game_id, id, &hole);
    if (error && error != STORE_NOT_FOUND)
        return error;
    if (!error) {
        /* Worked on; or resting, unless it came by other ways. */
        if (hole.gave_up_at == CLOCK_NONE ||
            ((hole.lost || missing) &&
             now_us - hole.gave_up_at < day->view->settings->watchdog.hole_again_us))
            return 0;
        hole_again(&hole, now_us);
    } else if (missing) {
        if (id == OUTPUT_GRADES) {
            error = due_row(day->txn, row.game_date, row.game_id, OUTPUT_BOXSCORE, &box);
            if (error || strcmp(box.state, "COMPLETE") != 0)
                return error == STORE_NOT_FOUND ? 0 : error;
        }
        hole_begin(&hole, false, 0, now_us);
    } else {
        return 0;
    }
    (void)turn_add(self, &row, &hole);
    return self->turn_count == WORKED_MOST;
}

/* The next day that the ledger has rows of, or the end of it. What is of today is nobody's past. */
static int sweep(struct holes *self, struct store_txn *txn, const struct holes_view *view)
{
    const int64_t now_us = view->remedies->now_us;
    int32_t date = 0, until = clock_date_add(clock_date_of(now_us), -1);
    int error = sweep_read(txn, self);
    if (error || view->behind)
        return error;
    if (!self->next_date) {
        if (self->began_us != CLOCK_NONE &&
            now_us - self->began_us < view->settings->watchdog.sweep_us)
            return STORE_OK;
        self->began_us = now_us;
        self->next_date = DATE_FIRST;
    }
    self->swept = true;
    error = store_scan(txn, DUE_TABLE_EXPECTED, (int32_t)self->next_date, until, NULL, 0, false,
                       first_date, &date);
    if (error < 0 && error != STORE_NOT_FOUND)
        return error;
    self->next_date = date ? clock_date_add(date, 1) : 0;
    if (!date)
        return STORE_OK;
    struct day day = {.self = self, .view = view, .txn = txn};
    error = store_scan(txn, DUE_TABLE_EXPECTED, date, date, NULL, 0, false, sweep_row, &day);
    if (error > 0) /* as many as fit: the rest of that day comes with the next look */
        self->next_date = date;
    return error > 0 || error == STORE_NOT_FOUND ? STORE_OK : error;
}

/* ---- mending ---- */

static bool there(const struct turn *turn)
{
    const struct msg_ops_expected *row = &turn->row;
    return turn->hole.lost ? !lacks(row, turn->hole.held)
                           : row->rows >= expect_need(row) || strcmp(row->state, "EMPTY_OK") == 0;
}

static bool later(int64_t at_us, int64_t than_us)
{
    return at_us != CLOCK_NONE && at_us > than_us;
}

/* Who was asked has said what came of it. */
static bool answered(const struct turn *turn, enum remedy_kind kind,
                     const struct msg_ops_action *action)
{
    if (kind == REMEDY_POLL || kind == REMEDY_FETCH)
        return later(turn->hole.polled_at, action->asked_at);
    if (kind == REMEDY_REWIND || action->cause[0] == '\0' || !strcmp(action->cause, "refused"))
        return true; /* it says nothing: what it was asked lies before what it is asked next */
    return action->text[0] != '\0';
}

/* How the remedies stand that were asked since it was found. *waits: one is open, and may yet help. */
static int past_find(struct turn *turn, struct store_txn *txn, const struct holes_view *view,
                     struct remedy_past past[REMEDY_KINDS], bool *waits)
{
    const int64_t now_us = view->remedies->now_us;
    struct msg_watch_hole *hole = &turn->hole;
    struct msg_ops_action action;
    bool working = view->behind || view->owners[turn->output].working;
    *waits = false;
    for (int i = 0; i < REMEDY_KINDS; i++) {
        enum remedy_kind kind = (enum remedy_kind)i;
        int error = remedies_past(txn, turn->row.game_date, turn->row.game_id, turn->row.output,
                                  kind, &action, &past[i]);
        if (error)
            return error;
        if (!past[i].open) {
            /* What was of the night itself, or of another time, is not held against it. */
            if (past[i].asked_us == CLOCK_NONE || past[i].asked_us < hole->since)
                past[i].failed = hole->anew && view->remedies->limits->tries > 0
                                     ? view->remedies->limits->tries - 1
                                     : 0;
            continue;
        }
        bool impatient =
            now_us - past[i].asked_us >= (kind == REMEDY_REWIND ? REWIND_PATIENCE_US : PATIENCE_US);
        bool heard = answered(turn, kind, &action) && !working;
        bool counted = !hole->lost || later(hole->counted_at, action.asked_at);
        if (!there(turn) && !impatient &&
            (!heard || !counted || !remedy_over(kind, &past[i], view->remedies->limits, now_us))) {
            *waits = true;
            turn->count = heard && hole->lost && !later(hole->count_asked_at, action.asked_at);
            continue;
        }
        if (hole->lost)
            remedies_end(&action, there(turn), now_us, "the tables hold %" PRId64 " of %" PRId64,
                         hole->held, turn->row.rows);
        else
            remedies_end(&action, there(turn), now_us,
                         "%s: %" PRId64 " of %" PRId64 " there%s%.60s", turn->row.state,
                         turn->row.rows, expect_need(&turn->row),
                         hole->polled[0] ? "; the poll: " : "", hole->polled);
        turn->remedy.ended = true;
        turn->remedy.end = action;
        past[i].open = false;
        past[i].failed = action.failed;
    }
    return STORE_OK;
}

/* Tonight comes first: the past gets half of an hour's budget at most. */
static bool room_for_the_past(const struct remedies_look *look)
{
    int64_t asked = 0;
    for (int i = 0; i < REMEDY_KINDS; i++)
        asked += look->budget->asked[i];
    return 2 * asked < look->limits->per_hour;
}

/* The tables were made again since it was counted, and may hold it: one rewind brings back what many games lost. It is counted anew first.
 * True: there is nothing else to do. */
static bool count_anew(const struct holes *self, struct turn *turn, int64_t now_us)
{
    struct msg_watch_hole *hole = &turn->hole;
    if (!hole->lost || self->rewound_us == CLOCK_NONE || later(hole->counted_at, self->rewound_us))
        return false;
    turn->count = hole->count_asked_at == CLOCK_NONE || hole->count_asked_at < self->rewound_us ||
                  now_us - hole->count_asked_at >= REWIND_PATIENCE_US;
    return true;
}

static int turn_judge(struct holes *self, struct turn *turn, struct store_txn *txn,
                      const struct holes_view *view)
{
    struct remedy_past past[REMEDY_KINDS];
    enum remedy_answer answer;
    bool waits;
    int error = past_find(turn, txn, view, past, &waits);
    if (error)
        return error;
    if (there(turn)) {
        turn->healed = true;
        return STORE_OK;
    }
    if (waits || count_anew(self, turn, view->remedies->now_us) || !view->remedies->heal ||
        view->behind || expect_open(&turn->row) || !room_for_the_past(view->remedies))
        return STORE_OK;
    if (turn->hole.lost)
        snprintf(turn->remedy.why, sizeof turn->remedy.why,
                 "the tables hold %" PRId64 " of %" PRId64, turn->hole.held, turn->row.rows);
    error = remedies_choose(view->remedies, txn, &turn->row, turn->hole.lost, past, &turn->remedy,
                            &answer);
    turn->gave_up = answer == REMEDY_SPENT || answer == REMEDY_NONE;
    if (turn->remedy.ask && turn->remedy.ask->kind == REMEDY_REWIND) {
        self->rewinds = true;
        self->rewound_us = view->remedies->now_us;
    }
    return error;
}

struct working {
    struct holes *self;
    struct store_txn *txn;
    int found; /* turns of the sweep: they come up the next time */
};

static int collect_open(const struct store_row *at, void *context)
{
    struct working *working = context;
    struct span rest = at->key;
    const char *game_id, *name;
    struct msg_ops_expected row;
    struct msg_watch_hole hole;
    if (store_key_read_text(&rest, &game_id) != 0 || store_key_read_text(&rest, &name) != 0 ||
        !output_named(name))
        return STORE_CORRUPT;
    enum output_id output = (enum output_id)(output_named(name) - OUTPUTS);
    int error = hole_get(working->txn, at->date, game_id, output, &hole);
    if (!error)
        error = due_row(working->txn, at->date, game_id, output, &row);
    if (error)
        return error == STORE_NOT_FOUND ? 0 : error; /* its row has aged away, and it will */
    (void)turn_add(working->self, &row, &hole);
    return working->self->turn_count == WORKED_MOST;
}

/* ---- incidents ---- */

static void incident_of(const struct turn *turn, struct incident *incident)
{
    char day[CLOCK_DATE_SIZE];
    clock_format_date(turn->row.game_date, day);
    snprintf(incident->cause, sizeof incident->cause, "%s", HOLES_CAUSE);
    snprintf(incident->subject, sizeof incident->subject, "%s %s", turn->row.output, day);
    incident->since_us = turn->row.deadline;
}

/* Why nothing more is tried. */
static void gave_up_text(const struct turn *turn, char *out, size_t size)
{
    const struct msg_watch_hole *hole = &turn->hole;
    if (hole->lost)
        snprintf(out, size,
                 "not healed: the tables hold %" PRId64 " of %" PRId64
                 ", and no remedy brought the rest",
                 hole->held, turn->row.rows);
    else if (hole->polled[0] && strncmp(hole->polled, "failed", 6) != 0)
        snprintf(out, size, "not healed: the source has it no more (polled: %.60s)", hole->polled);
    else if (hole->polled[0])
        snprintf(out, size, "not healed: the source does not answer (%.60s)", hole->polled);
    else
        snprintf(out, size, "not healed: no remedy helped");
}

struct others {
    const struct turn *turn;
    const struct holes *self;
    bool any;
};

static bool heals(const struct holes *self, int32_t date, const char *game_id, const char *output)
{
    for (int i = 0; i < self->turn_count; i++) {
        const struct turn *turn = &self->turns[i];
        if (turn->healed && turn->row.game_date == date && !strcmp(turn->row.game_id, game_id) &&
            !strcmp(turn->row.output, output))
            return true;
    }
    return false;
}

static int find_other(const struct store_row *at, void *context)
{
    struct others *others = context;
    struct span rest = at->key;
    const char *game_id, *name;
    if (store_key_read_text(&rest, &game_id) != 0 || store_key_read_text(&rest, &name) != 0)
        return STORE_CORRUPT;
    others->any = strcmp(name, others->turn->row.output) == 0 &&
                  !heals(others->self, at->date, game_id, name);
    return others->any;
}

/* One for each output and day. */
static int incident_note(struct holes *self, struct store_txn *txn, struct turn *turn)
{
    if (turn->healed) {
        struct others others = {.turn = turn, .self = self};
        int32_t date = turn->row.game_date;
        int error = store_scan(txn, HOLES_TABLE, date, date, NULL, 0, false, find_other, &others);
        if (error < 0 && error != STORE_NOT_FOUND)
            return error;
        if (!others.any) {
            struct incident *over = &self->over[self->over_count];
            incident_of(turn, over);
            bool said = false; /* of the last ones of a day that are mended in one look */
            for (int i = 0; i < self->over_count; i++)
                said |= strcmp(self->over[i].subject, over->subject) == 0;
            self->over_count += !said;
        }
        return STORE_OK;
    }
    if (turn->hole.told && !turn->gave_up)
        return STORE_OK;
    struct incident *incident = &self->raised[self->raised_count++];
    char text[sizeof turn->row.reason];
    incident_of(turn, incident);
    incident->severity = turn->gave_up ? "critical" : "alert";
    gave_up_text(turn, text, sizeof text);
    if (turn->gave_up)
        snprintf(incident->text, sizeof incident->text, "%.20s of %.16s: %.180s", turn->row.output,
                 turn->row.game_id, text);
    else if (turn->hole.lost)
        snprintf(incident->text, sizeof incident->text,
                 "%.20s of %.16s: the tables hold %" PRId64 " of %" PRId64 " rows",
                 turn->row.output, turn->row.game_id, turn->hole.held, turn->row.rows);
    else
        snprintf(incident->text, sizeof incident->text, "%.20s of %.16s never came: %.150s",
                 turn->row.output, turn->row.game_id, turn->row.reason);
    turn->hole.told = true;
    return STORE_OK;
}

int holes_look(struct holes *self, struct store_txn *txn, const struct holes_view *view)
{
    self->swept = false;
    self->turn_count = self->count_count = self->raised_count = self->over_count = 0;
    int error = rewind_read(txn, self);
    if (!error)
        error = sweep(self, txn, view);
    struct working working = {.self = self, .txn = txn, .found = self->turn_count};
    if (!error && self->turn_count < WORKED_MOST)
        error = store_scan(txn, HOLES_TABLE_OPEN, DATE_FIRST,
                           clock_date_add(clock_date_of(view->remedies->now_us), 1), NULL, 0, false,
                           collect_open, &working);
    error = error > 0 || error == STORE_NOT_FOUND ? STORE_OK : error;
    for (int i = working.found; i < self->turn_count && !error; i++)
        error = turn_judge(self, &self->turns[i], txn, view);
    for (int i = 0; i < self->turn_count && !error; i++)
        error = incident_note(self, txn, &self->turns[i]);
    return error;
}

/* Is there anything about it that is not stored? */
static bool turn_news(const struct turn *turn, bool found, bool raised)
{
    return found || raised || turn->healed || turn->gave_up || turn->count || turn->remedy.ask ||
           turn->remedy.ended;
}

bool holes_news(const struct holes *self)
{
    bool any = self->swept || self->raised_count || self->over_count;
    for (int i = 0; i < self->turn_count && !any; i++)
        any = turn_news(&self->turns[i], false, false);
    return any;
}

/* ---- saying ---- */

static void count_ask(struct step *step, const char *game_id, int32_t date)
{
    struct msg_ops_command command;
    char day[CLOCK_DATE_SIZE];
    message_clear(&msg_ops_command_desc, &command);
    clock_format_date(date, day);
    snprintf(command.target, sizeof command.target, "scoreboard");
    snprintf(command.verb, sizeof command.verb, "count");
    snprintf(command.subject, sizeof command.subject, "%s:%s", game_id, day);
    snprintf(command.by, sizeof command.by, "watchdog");
    snprintf(command.command_id, sizeof command.command_id, "count:%.16s:%" PRId64, game_id,
             step_now_us(step));
    step_emit(step, &msg_ops_command_desc, &command);
}

static int turn_speak(struct step *step, struct turn *turn)
{
    struct store_txn *txn = step_store(step);
    struct msg_ops_expected *row = &turn->row;
    struct msg_watch_hole *hole = &turn->hole;
    int error = STORE_OK;
    if (turn->count) {
        count_ask(step, row->game_id, row->game_date);
        hole->count_asked_at = step_now_us(step);
    }
    if (turn->gave_up) {
        hole->gave_up_at = step_now_us(step);
        gave_up_text(turn, row->reason, sizeof row->reason);
        if (!hole->lost) /* what was lost was complete, and how it stands the audit says */
            error = due_row_say(step, row);
    }
    if (turn->remedy.ask) {
        row->tries++;
        row->tried_at = step_now_us(step);
        error = due_row_put(txn, row);
    }
    if (!error)
        error = remedies_speak(step, row, &turn->remedy);
    if (!error)
        error = turn->healed ? hole_del(txn, row->game_date, row->game_id, turn->output)
                             : hole_put(txn, row->game_date, row->game_id, turn->output, hole);
    return error;
}

int holes_speak(struct holes *self, struct step *step)
{
    int error = self->swept ? sweep_write(step, self) : STORE_OK;
    if (!error && self->rewinds)
        error = rewind_write(step);
    for (int i = 0; i < self->count_count && !error; i++)
        count_ask(step, self->counts[i].game_id, self->counts[i].game_date);
    for (int i = 0; i < self->turn_count && !error; i++)
        error = turn_speak(step, &self->turns[i]);
    return error;
}

struct standing {
    const char *subject;
    size_t size; /* of the output in it */
    bool any;
};

static int find_standing(const struct store_row *at, void *context)
{
    struct standing *standing = context;
    struct span rest = at->key;
    const char *game_id, *name;
    if (store_key_read_text(&rest, &game_id) != 0 || store_key_read_text(&rest, &name) != 0)
        return STORE_CORRUPT;
    standing->any =
        strlen(name) == standing->size && memcmp(name, standing->subject, standing->size) == 0;
    return standing->any;
}

int holes_stand(struct store_txn *txn, const char *subject, bool *stand)
{
    const char *day = strrchr(subject, ' ');
    int32_t date;
    *stand = false;
    if (!day || clock_parse_date(day + 1, &date) != 0)
        return STORE_OK;
    struct standing standing = {.subject = subject, .size = (size_t)(day - subject)};
    int error = store_scan(txn, HOLES_TABLE, date, date, NULL, 0, false, find_standing, &standing);
    *stand = standing.any;
    return error > 0 || error == STORE_NOT_FOUND ? STORE_OK : error;
}

const struct incident *holes_raised(const struct holes *self, int index)
{
    return index < self->raised_count ? &self->raised[index] : NULL;
}

const struct incident *holes_over(const struct holes *self, int index)
{
    return index < self->over_count ? &self->over[index] : NULL;
}
