/* Events and lines. A line that changed is said, one that vanished is said once as no longer offered, and what follows them is
 * the mark that all of the snapshot is out. */
#include "actors/processor/apply.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/processor/check.h"
#include "actors/processor/lookup.h"
#include "config/clock.h"

/* ---- events ---- */

static void say_event(struct apply *self, const struct msg_processor_event *event,
                      const struct msg_processor_game *game)
{
    struct msg_row_event row, last;
    message_clear(&msg_row_event_desc, &row);
    strcpy(row.game_id, game->game_id);
    row.game_date = game->game_date;
    strcpy(row.event_id, event->event_id);
    row.commence_at = event->commence_at;
    if (!memory_row_event(&self->memory, row.game_date, row.event_id, &last) ||
        !message_equal(&msg_row_event_desc, &row, &last, NULL)) {
        memory_put_row_event(&self->memory, &row);
        step_emit(self->step, &msg_row_event_desc, &row);
    }
}

/* Its game: the one it was resolved to before, else the one its names and start mean. */
static bool resolve(struct apply *self, struct msg_processor_event *event,
                    struct msg_processor_game *game)
{
    struct msg_processor_event before;
    bool had = memory_event(&self->memory, event->event_id, &before);
    if (!(had && memory_game(&self->memory, before.game_id, game)) &&
        !identity_event(&self->memory, event->home, event->away, event->commence_at,
                        self->rollover_hour, game)) {
        return false;
    }
    strcpy(event->game_id, game->game_id);
    event->game_date = game->game_date;
    if (!had || !message_equal(&msg_processor_event_desc, event, &before, NULL)) {
        memory_put_event(&self->memory, event);
    }
    return true;
}

static void event_of(const struct feed_event *from, struct msg_processor_event *event)
{
    message_clear(&msg_processor_event_desc, event);
    strcpy(event->event_id, from->event_id);
    strcpy(event->home, from->home);
    strcpy(event->away, from->away);
    event->commence_at = from->commence_us;
    event->game_date = clock_date_of(from->commence_us);
}

static void refuse_event(struct apply *self, const struct feed_event *from)
{
    self->identity_refused = true;
    feed_refuse(self->feed, from->path, from->event_id,
                "no game of %.60s at %.60s is known that day", from->away, from->home);
}

bool apply_event_game(struct apply *self, const struct feed_event *from,
                      struct msg_processor_event *event, struct msg_processor_game *game)
{
    event_of(from, event);
    if (resolve(self, event, game)) {
        return true;
    }
    refuse_event(self, from);
    return false;
}

/* Of today's games, as a list of events is held against them. */
struct expected {
    struct msg_processor_game games[MEMORY_DAY_GAMES_MAX];
    size_t count;
    bool met[MEMORY_DAY_GAMES_MAX];
    int32_t date;
    double events, unknown; /* of today */
};

static void meet(struct expected *self, const struct msg_processor_event *event,
                 const struct msg_processor_game *game)
{
    bool today = game != NULL ? game->game_date == self->date : event->game_date == self->date;
    self->events += today;
    self->unknown += today && game == NULL;
    for (size_t i = 0; game != NULL && i < self->count; i++) {
        self->met[i] = self->met[i] || strcmp(self->games[i].game_id, game->game_id) == 0;
    }
}

/* Books may have no event any more of a game that has begun. */
static void check_events(struct apply *self, const struct expected *expected)
{
    double owed = 0, lost = 0;
    for (size_t i = 0; i < expected->count; i++) {
        const struct msg_processor_game *game = &expected->games[i];
        struct msg_row_game row;
        bool waits = game->tip_at != MESSAGE_NONE && game->tip_at > self->raw->fetched_at &&
                     !(memory_row_game(&self->memory, game->game_date, game->game_id, &row) &&
                       strcmp(row.status, feed_status_text(FEED_SCHEDULED)) != 0);
        owed += waits;
        lost += waits && !expected->met[i];
    }
    const struct check_figures figures = {
        .rows = (double)self->feed->event_count,
        .broken = check_broken(self),
        .lost = owed >= CHECK_GAMES_LEAST ? lost / owed : NAN,
        .unknown = expected->count >= CHECK_GAMES_LEAST && expected->events > 0
                       ? expected->unknown / expected->events
                       : NAN,
    };
    check_newest(self, LIST_EVENTS, &figures, true);
}

void apply_events(struct apply *self)
{
    struct expected expected = {.date =
                                    clock_league_day(self->raw->fetched_at, self->rollover_hour)};
    expected.count = memory_games_of(&self->memory, expected.date, expected.date, expected.games,
                                     MEMORY_DAY_GAMES_MAX);
    for (size_t i = 0; i < self->feed->event_count; i++) {
        struct feed_event *from = &self->feed->events[i];
        struct msg_processor_event event;
        struct msg_processor_game game;
        event_of(from, &event);
        bool resolved = resolve(self, &event, &game);
        meet(&expected, &event, resolved ? &game : NULL);
        if (resolved) {
            say_event(self, &event, &game);
        } else if (!memory_event_waits(&self->memory, &event)) {
            memory_put_waiting(&self->memory, &event);
            refuse_event(self, from);
        }
    }
    if (strcmp(self->raw->feed, "odds_events") == 0) { /* others have a part of them */
        check_events(self, &expected);
    }
}

static void take_market(struct apply *self, const struct msg_processor_event *event,
                        const struct msg_processor_game *game, const struct feed_market *market)
{
    static const char *const EXCEPT[] = {"snapshot_at", "commence_at", NULL};
    struct msg_row_game_odds row, last;
    bool past = self->feed->snapshot_us != 0;
    message_clear(&msg_row_game_odds_desc, &row);
    strcpy(row.game_id, game->game_id);
    row.game_date = game->game_date;
    strcpy(row.event_id, event->event_id);
    strcpy(row.market, market->market);
    strcpy(row.book, market->book);
    row.point = market->point;
    row.first_price = market->first_price;
    row.second_price = market->second_price;
    row.snapshot_at = past ? self->feed->snapshot_us : self->raw->fetched_at;
    row.commence_at = event->commence_at;
    row.past = past;
    if (past) {
        step_emit(self->step, &msg_row_game_odds_desc, &row);
    } else if (!memory_row_game_odds(&self->memory, &row, &last) ||
               !message_equal(&msg_row_game_odds_desc, &row, &last, EXCEPT)) {
        memory_put_row_game_odds(&self->memory, &row);
        step_emit(self->step, &msg_row_game_odds_desc, &row);
    }
}

void apply_game_odds(struct apply *self)
{
    for (size_t i = 0, at = 0; i < self->feed->event_count; i++) {
        const struct feed_event *from = &self->feed->events[i];
        struct msg_processor_event event;
        struct msg_processor_game game;
        bool resolved = apply_event_game(self, from, &event, &game);
        for (; at < self->feed->market_count && self->feed->markets[at].event == i; at++) {
            if (resolved) {
                take_market(self, &event, &game, &self->feed->markets[at]);
            }
        }
    }
}

/* balldontlie's odds name a game by number, and no start: it is the schedule's. False, and refused, if there is none such. */
static bool numbered_event(struct apply *self, const struct feed_event *from,
                           struct msg_processor_event *event, struct msg_processor_game *game)
{
    message_clear(&msg_processor_event_desc, event);
    strcpy(event->event_id, from->event_id);
    if (!memory_game_by_source(&self->memory, from->source_id, game)) {
        self->identity_refused = true;
        feed_refuse(self->feed, from->path, from->event_id, "game_id: no game %lld is known",
                    (long long)from->source_id);
        return false;
    }
    event->commence_at = game->tip_at;
    return true;
}

void apply_bdl_odds(struct apply *self)
{
    for (size_t i = 0, at = 0; i < self->feed->event_count; i++) {
        const struct feed_event *from = &self->feed->events[i];
        struct msg_processor_event event;
        struct msg_processor_game game;
        bool known = numbered_event(self, from, &event, &game);
        if (known && event.commence_at == MESSAGE_NONE) {
            known = false;
            feed_refuse(self->feed, from->path, from->event_id, "the tip of %s is not known",
                        game.game_id);
        }
        for (; at < self->feed->market_count && self->feed->markets[at].event == i; at++) {
            if (known) {
                take_market(self, &event, &game, &self->feed->markets[at]);
            }
        }
    }
}

void apply_waiting_events(struct apply *self)
{
    struct msg_processor_event after;
    memset(&after, 0, sizeof after);
    while (memory_next_waiting(&self->memory, &after)) {
        struct msg_processor_event event = after;
        struct msg_processor_game game;
        if (resolve(self, &event, &game)) {
            say_event(self, &event, &game);
            memory_del_waiting(&self->memory, &after);
        }
    }
}

/* ---- lines ---- */

struct snapshot {
    struct apply *apply;
    struct msg_processor_event event;
    struct msg_processor_game game;
    uint64_t *seen; /* hashes of the keys of its rows, sorted once all are in */
    size_t seen_count;
    int64_t changed;
    int64_t mains, unknown;    /* main lines; those of players whom nobody knows */
    double points;             /* sum of the main lines */
    struct msg_row_odds *gone; /* rows that are not in it any more */
    size_t gone_count, gone_capacity;
};

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* What held in the past is not what holds now: it is said, and not remembered. */
static void say_line(struct snapshot *self, const struct msg_row_odds *row)
{
    if (!row->past) {
        memory_put_row_odds(&self->apply->memory, row);
    }
    step_emit(self->apply->step, &msg_row_odds_desc, row);
    self->changed++;
}

/* Whose line it is, and how he is called in it. Of a number alone that nobody knows by name there is nothing to say. */
static bool whose_line(struct snapshot *self, const struct feed_line *line,
                       struct identity_player *who)
{
    struct apply *apply = self->apply;
    if (line->source_id == 0) {
        identity_odds_player(&apply->memory, line->player, self->game.home, self->game.away, who);
        if (!who->known && apply->feed->snapshot_us == 0) {
            lookup_want(apply, line->player);
        }
        snprintf(who->name, sizeof who->name, "%s", line->player);
        return true;
    }
    if (identity_numbered_player(&apply->memory, line->source_id, who)) {
        return true;
    }
    apply->identity_refused = true;
    feed_refuse(apply->feed, line->path, line->player, "player_id: nobody knows him");
    return false;
}

static void take_line(struct snapshot *self, const struct feed_line *line)
{
    static const char *const EXCEPT[] = {"snapshot_at", "commence_at", NULL};
    struct apply *apply = self->apply;
    struct identity_player who;
    struct msg_row_odds row, last;
    if (!whose_line(self, line, &who)) {
        return;
    }
    message_clear(&msg_row_odds_desc, &row);
    strcpy(row.game_id, self->game.game_id);
    row.game_date = self->game.game_date;
    strcpy(row.event_id, self->event.event_id);
    row.player_id = who.player_id;
    row.player_known = who.known;
    strcpy(row.player_name, who.name);
    strcpy(row.market, line->market);
    strcpy(row.book, line->book);
    row.line = line->line;
    row.over_price = line->over_price;
    row.under_price = line->under_price;
    row.main = line->main;
    row.offered = true;
    row.past = apply->feed->snapshot_us != 0;
    row.snapshot_at = row.past ? apply->feed->snapshot_us : apply->raw->fetched_at;
    row.commence_at = self->event.commence_at;
    uint64_t hash = memory_odds_hash(&row);
    for (size_t i = 0; i < self->seen_count; i++) {
        if (self->seen[i] == hash) {
            feed_refuse(apply->feed, line->path, line->player,
                        "the same line of player %lld is there twice", (long long)who.player_id);
            return;
        }
    }
    self->seen[self->seen_count++] = hash;
    self->mains += row.main;
    self->unknown += row.main && !row.player_known;
    self->points += row.main ? row.line : 0;
    if (row.past || !memory_row_odds(&apply->memory, &row, &last) ||
        !message_equal(&msg_row_odds_desc, &row, &last, EXCEPT)) {
        say_line(self, &row);
    }
}

static void collect_gone(const struct msg_row_odds *row, void *context)
{
    struct snapshot *self = context;
    uint64_t hash = memory_odds_hash(row);
    if (!row->offered || strcmp(row->event_id, self->event.event_id) != 0 ||
        bsearch(&hash, self->seen, self->seen_count, sizeof hash, compare) != NULL) {
        return;
    }
    if (self->gone_count == self->gone_capacity) {
        size_t more = self->gone_capacity == 0 ? 64 : self->gone_capacity * 2;
        struct msg_row_odds *grown = reallocarray(self->gone, more, sizeof *grown);
        if (grown == NULL) {
            abort(); /* bounded by what bodies brought before */
        }
        self->gone = grown;
        self->gone_capacity = more;
    }
    self->gone[self->gone_count++] = *row;
}

/* A body with a row that could not be read cannot say what is gone, and one without any line has closed or failed: it takes nothing back.
 * A line of somebody whom nobody knows was read, and none of his is kept. */
static void say_gone(struct snapshot *self)
{
    struct apply *apply = self->apply;
    if (apply->broken > 0 || apply->feed->line_count == 0) {
        return;
    }
    qsort(self->seen, self->seen_count, sizeof *self->seen, compare);
    memory_each_odds(&apply->memory, self->game.game_date, self->game.game_id, collect_gone, self);
    for (size_t i = 0; i < self->gone_count; i++) {
        struct msg_row_odds *row = &self->gone[i];
        row->offered = false;
        row->snapshot_at = apply->raw->fetched_at;
        say_line(self, row);
    }
}

static void check_snapshot(struct snapshot *self)
{
    double mains = (double)self->mains;
    const struct check_figures figures = {.rows = mains,
                                          .unknown = (double)self->unknown / mains,
                                          .nulls = NAN,
                                          .off = NAN,
                                          .mean = self->points / mains};
    if (self->mains > 0) {
        check_game(self->apply, LIST_ODDS, self->game.game_id, self->game.game_date, &figures);
    }
}

static void say_snapshot(struct snapshot *self)
{
    struct apply *apply = self->apply;
    struct msg_row_odds_snapshot row;
    bool first = memory_first_snapshot(&apply->memory, self->game.game_date, self->event.event_id);
    if (!first && self->changed == 0) {
        return;
    }
    message_clear(&msg_row_odds_snapshot_desc, &row);
    strcpy(row.game_id, self->game.game_id);
    row.game_date = self->game.game_date;
    strcpy(row.event_id, self->event.event_id);
    row.snapshot_at = apply->raw->fetched_at;
    row.commence_at = self->event.commence_at;
    row.rows = (int64_t)self->seen_count;
    row.changed = self->changed;
    step_emit(apply->step, &msg_row_odds_snapshot_desc, &row);
}

static void take_lines(struct snapshot *self)
{
    const struct feed *feed = self->apply->feed;
    self->apply->data_date = self->game.game_date;
    strcpy(self->apply->game_id, self->game.game_id);
    if (feed->line_count > 0) {
        self->seen = calloc(feed->line_count, sizeof *self->seen);
        if (self->seen == NULL) {
            abort(); /* bounded by the body */
        }
    }
    for (size_t i = 0; i < feed->line_count; i++) {
        take_line(self, &feed->lines[i]);
    }
}

void apply_props(struct apply *self)
{
    struct snapshot snapshot = {.apply = self};
    if (!apply_event_game(self, &self->feed->events[0], &snapshot.event, &snapshot.game)) {
        return;
    }
    take_lines(&snapshot);
    say_gone(&snapshot);
    say_snapshot(&snapshot);
    check_snapshot(&snapshot);
    free(snapshot.seen);
    free(snapshot.gone);
}

/* Another site's word of the books. What drifts is not held against the other source's lines. */
static void take_second_hand(struct snapshot *self)
{
    take_lines(self);
    say_gone(self);
    say_snapshot(self);
    free(self->seen);
    free(self->gone);
}

void apply_bdl_props(struct apply *self)
{
    struct snapshot snapshot = {.apply = self};
    if (self->feed->event_count > 0 &&
        numbered_event(self, &self->feed->events[0], &snapshot.event, &snapshot.game)) {
        take_second_hand(&snapshot);
    }
}

/* Offers name their event by number alone: it is known by its list, or not at all. */
void apply_offers(struct apply *self)
{
    struct snapshot snapshot = {.apply = self};
    if (self->feed->event_count == 0) {
        return;
    }
    const struct feed_event *from = &self->feed->events[0];
    if (!memory_event(&self->memory, from->event_id, &snapshot.event) ||
        !memory_game(&self->memory, snapshot.event.game_id, &snapshot.game)) {
        self->identity_refused = true;
        feed_refuse(self->feed, from->path, from->event_id, "no such event is known");
        return;
    }
    take_second_hand(&snapshot);
}

/* ---- snapshots of the past ---- */

/* Only those of the day that the list is of: the others have lists of their own. Nothing is said of them: nobody asks for the lines
 * of a game that is over. */
void apply_past_events(struct apply *self)
{
    int32_t day = clock_league_day(self->feed->snapshot_us, self->rollover_hour);
    self->data_date = day;
    for (size_t i = 0; i < self->feed->event_count; i++) {
        const struct feed_event *from = &self->feed->events[i];
        struct msg_processor_event event;
        struct msg_processor_game game;
        if (clock_league_day(from->commence_us, self->rollover_hour) == day) {
            (void)apply_event_game(self, from, &event, &game);
        }
    }
}

/* Every line and market with the snapshot's own time, once: two questions may get the same snapshot. It takes nothing back, no
 * snapshot is said to be out, and what was said last stays as it was. */
void apply_past_odds(struct apply *self)
{
    struct snapshot snapshot = {.apply = self};
    self->data_date = clock_league_day(self->feed->snapshot_us, self->rollover_hour);
    if (!apply_event_game(self, &self->feed->events[0], &snapshot.event, &snapshot.game) ||
        !memory_first_past(&self->memory, snapshot.game.game_date, snapshot.event.event_id,
                           self->feed->snapshot_us)) {
        return;
    }
    take_lines(&snapshot);
    for (size_t i = 0; i < self->feed->market_count; i++) {
        take_market(self, &snapshot.event, &snapshot.game, &self->feed->markets[i]);
    }
    free(snapshot.seen);
}
