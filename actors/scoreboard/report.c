/* The report of a night: coverage, polls, gaps within game time. */
#include "actors/scoreboard/report.h"

#include <stdlib.h>
#include <string.h>

#include "actors/scoreboard/games.h"
#include "actors/scoreboard/views.h"
#include "config/clock.h"

enum { FEEDS_MAX = 8, HOURS_MAX = 72 };
#define HOUR_US (INT64_C(3600) * 1000000)
#define ODDS_RUN "PollOddsProps"
#define LAST_ODDS_US                                                                               \
    (INT64_C(5) * 60 * 1000000) /* the poller looks once more so long before the tip */

struct window {
    int64_t from, to;
};
struct poll {
    int64_t at, next; /* next: not to be asked before; CLOCK_NONE */
    bool good;
    char name[49], error_class[17];
    char game_id[17]; /* "": of none */
};
struct ended {
    int64_t at;
    char text[96];
};
struct night {
    struct window *windows; /* sorted, apart */
    int window_count;
    int64_t window_us;
    struct poll *polls; /* of live feeds, as they were opened */
    int poll_count;
    struct poll *odds; /* of games' odds */
    int odds_count;
    struct ended *ends; /* processes that the polls need */
    int end_count;
    int64_t polls_all, changed, unchanged, rows;
    int64_t first_poll, last_poll;
    int64_t newest_run;       /* of anybody: so far at least this day went on */
    int64_t hours[HOURS_MAX]; /* hours since 1970 with a changed poll */
    int hour_count;
    int64_t predictions, graded;
    int64_t gap_us;
    json_t *gaps;
};

static void *grow(void *list, int count, size_t size)
{
    if (count & (count - 1))
        return list;
    return realloc(list, (count ? 2 * (size_t)count : 1) * size);
}

/* ---- game time ---- */

static int compare_windows(const void *a, const void *b)
{
    const struct window *x = a, *y = b;
    return x->from < y->from ? -1 : x->from > y->from;
}

/* A game that was never seen in play, and whose tip is past by more than this as far as anybody's runs know, was played unseen. */
#define UNSEEN_US (INT64_C(20) * 60 * 1000000)
#define GAME_US (INT64_C(150) * 60 * 1000000)

static bool unseen(const struct night *night, const struct games_game *game)
{
    return game->live_at == CLOCK_NONE && !strcmp(game->row.status, "scheduled") &&
           game->row.tip_at != CLOCK_NONE && night->newest_run != CLOCK_NONE &&
           night->newest_run - game->row.tip_at > UNSEEN_US;
}

static int64_t unseen_end(const struct night *night, const struct games_game *game)
{
    int64_t end = game->row.tip_at + GAME_US;
    return end < night->newest_run ? end : night->newest_run;
}

/* From tip (or the first sight of play, if that is earlier or no tip is known) to the end; a game still on lasts until the
 * newest word of it. */
static int make_windows(struct night *night, const struct games_day *day)
{
    night->windows = calloc((size_t)day->count + 1, sizeof *night->windows);
    if (!night->windows)
        return STORE_IO;
    for (int i = 0; i < day->count; i++) {
        const struct games_game *game = &day->games[i];
        int64_t from = game->row.tip_at;
        bool was_unseen = unseen(night, game);
        if (game->imported || (game->live_at == CLOCK_NONE && !was_unseen))
            continue; /* no night of ours, or not begun */
        if (!was_unseen && (from == CLOCK_NONE || game->live_at < from))
            from = game->live_at;
        int64_t to = was_unseen                     ? unseen_end(night, game)
                     : game->final_at != CLOCK_NONE ? game->final_at
                                                    : game->mark.time_us;
        if (to > from)
            night->windows[night->window_count++] = (struct window){from, to};
    }
    qsort(night->windows, (size_t)night->window_count, sizeof *night->windows, compare_windows);
    int kept = 0;
    for (int i = 0; i < night->window_count; i++) {
        struct window *last = kept ? &night->windows[kept - 1] : NULL;
        if (last && night->windows[i].from <= last->to)
            last->to = night->windows[i].to > last->to ? night->windows[i].to : last->to;
        else
            night->windows[kept++] = night->windows[i];
    }
    night->window_count = kept;
    for (int i = 0; i < kept; i++)
        night->window_us += night->windows[i].to - night->windows[i].from;
    return STORE_OK;
}

/* ---- what was done ---- */

static bool is_any(const char *text, const char *const *list)
{
    for (; *list; list++)
        if (!strcmp(text, *list))
            return true;
    return false;
}

static void take_hour(struct night *night, int64_t at)
{
    int64_t hour = at / HOUR_US;
    for (int i = 0; i < night->hour_count; i++)
        if (night->hours[i] == hour)
            return;
    if (night->hour_count < HOURS_MAX)
        night->hours[night->hour_count++] = hour;
}

static int take_poll(void *context, int32_t date, const struct table_mark *mark,
                     const void *message)
{
    static const char *const good[] = {"success",     "unchanged", "partial",
                                       "no_data_yet", "empty_ok",  NULL};
    struct night *night = context;
    const struct msg_ops_run *run = message;
    (void)date;
    (void)mark;
    bool changed = !strcmp(run->outcome, "success") || !strcmp(run->outcome, "partial");
    night->polls_all++;
    night->changed += changed;
    night->unchanged += !strcmp(run->outcome, "unchanged");
    if (night->first_poll == CLOCK_NONE || run->closed_at < night->first_poll)
        night->first_poll = run->closed_at;
    if (night->last_poll == CLOCK_NONE || run->closed_at > night->last_poll)
        night->last_poll = run->closed_at;
    if (changed)
        take_hour(night, run->closed_at);
    bool odds = !strcmp(run->name, ODDS_RUN);
    if (!odds && !strstr(run->name, "Live"))
        return 0;
    struct poll **list = odds ? &night->odds : &night->polls;
    int *count = odds ? &night->odds_count : &night->poll_count;
    struct poll *bigger = grow(*list, *count, sizeof **list);
    if (!bigger)
        return STORE_IO;
    *list = bigger;
    struct poll *poll = &bigger[(*count)++];
    poll->at = run->closed_at;
    poll->next = run->next_check;
    poll->good = is_any(run->outcome, good);
    memcpy(poll->name, run->name, sizeof poll->name);
    memcpy(poll->error_class, run->error_class, sizeof poll->error_class);
    memcpy(poll->game_id, run->game_id, sizeof poll->game_id);
    return 0;
}

static int take_run(void *context, int32_t date, const struct table_mark *mark, const void *message)
{
    struct night *night = context;
    const struct msg_ops_run *run = message;
    (void)date;
    (void)mark;
    if (!strcmp(run->actor, "processor"))
        night->rows += run->rows_out;
    return 0;
}

static int take_exit(void *context, int32_t date, const struct table_mark *mark,
                     const void *message)
{
    static const char *const needed[] = {"poller", "broker", "upstream", NULL};
    struct night *night = context;
    const struct msg_ops_exit *end = message;
    (void)date;
    (void)mark;
    if (!is_any(end->actor, needed) || !strcmp(end->verdict, "stopped"))
        return 0;
    struct ended *bigger = grow(night->ends, night->end_count, sizeof *night->ends);
    if (!bigger)
        return STORE_IO;
    night->ends = bigger;
    struct ended *ended = &night->ends[night->end_count++];
    ended->at = end->at;
    if (end->signal != MESSAGE_NONE)
        snprintf(ended->text, sizeof ended->text, "%s ended by signal %lld", end->actor,
                 (long long)end->signal);
    else
        snprintf(ended->text, sizeof ended->text, "%s exited with %lld", end->actor,
                 (long long)(end->code == MESSAGE_NONE ? 0 : end->code));
    return 0;
}

static int take_prediction(void *context, const struct msg_prediction_points *prediction,
                           bool active)
{
    struct night *night = context;
    (void)prediction;
    night->predictions += active;
    return 0;
}

static int take_grade(void *context, int32_t date, const struct table_mark *mark,
                      const void *message)
{
    struct night *night = context;
    const struct msg_grade_points *grade = message;
    (void)date;
    (void)mark;
    night->graded += grade->final;
    return 0;
}

/* ---- gaps ---- */

/* `game_id` NULL: of live feeds. */
static const char *cause_of(const struct night *night, const char *feed, const char *game_id,
                            int64_t from, int64_t to)
{
    const struct poll *polls = game_id ? night->odds : night->polls;
    int count = game_id ? night->odds_count : night->poll_count;
    for (int i = 0; i < night->end_count; i++)
        if (night->ends[i].at >= from && night->ends[i].at <= to)
            return night->ends[i].text;
    const struct poll *first = NULL;
    int64_t asked_us = from, quiet_us = 0; /* the longest that nobody asked, nor was told to wait */
    for (int i = 0; i < count; i++) {
        const struct poll *poll = &polls[i];
        if (poll->at < from || poll->at > to || strcmp(poll->name, feed) != 0 ||
            (game_id && strcmp(poll->game_id, game_id) != 0))
            continue;
        first = first || poll->good ? first : poll;
        quiet_us = poll->at - asked_us > quiet_us ? poll->at - asked_us : quiet_us;
        asked_us = poll->next > poll->at ? poll->next : poll->at;
    }
    quiet_us = to - asked_us > quiet_us ? to - asked_us : quiet_us;
    bool paused = !game_id && quiet_us > (to - from) / 2; /* odds have slots, which may be longer */
    return first && !paused ? first->error_class : "no runs";
}

static void put_gap(struct night *night, const char *feed, const char *game_id, int64_t from,
                    int64_t to, bool counts)
{
    json_t *gap = json_object();
    json_object_set_new(gap, "game_id", game_id ? json_of_string(game_id) : json_null());
    json_object_set_new(gap, "source", json_of_string(feed));
    json_object_set_new(gap, "from", json_of_time(from));
    json_object_set_new(gap, "to", json_of_time(to));
    json_object_set_new(gap, "minutes", json_integer((to - from) / 60000000));
    json_object_set_new(gap, "cause", json_of_string(cause_of(night, feed, game_id, from, to)));
    json_array_append_new(night->gaps, gap);
    if (counts)
        night->gap_us += to - from;
}

static void add_gap(struct night *night, const char *feed, const char *game_id, int64_t from,
                    int64_t to, bool counts)
{
    if (to - from > REPORT_GAP_US)
        put_gap(night, feed, game_id, from, to, counts);
}

static int compare_polls(const void *a, const void *b)
{
    const struct poll *x = a, *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

static void find_gaps(struct night *night)
{
    char feeds[FEEDS_MAX][49];
    int count = 0;
    for (int i = 0; i < night->poll_count; i++) {
        int at = 0;
        while (at < count && strcmp(feeds[at], night->polls[i].name) != 0)
            at++;
        if (at == count && count < FEEDS_MAX)
            memcpy(feeds[count++], night->polls[i].name, sizeof feeds[0]);
    }
    if (count == 0) /* nobody ever looked */
        snprintf(feeds[count++], sizeof feeds[0], "live box scores");
    if (night->poll_count > 0)
        qsort(night->polls, (size_t)night->poll_count, sizeof *night->polls, compare_polls);
    for (int feed = 0; feed < count; feed++) {
        for (int w = 0; w < night->window_count; w++) {
            int64_t last = night->windows[w].from, to = night->windows[w].to;
            for (int i = 0; i < night->poll_count; i++) {
                const struct poll *poll = &night->polls[i];
                if (!poll->good || strcmp(poll->name, feeds[feed]) != 0 || poll->at <= last ||
                    poll->at > to)
                    continue;
                add_gap(night, feeds[feed], NULL, last, poll->at, feed == 0);
                last = poll->at;
            }
            add_gap(night, feeds[feed], NULL, last, to, feed == 0);
        }
    }
}

/* The first look at its odds; if there never was one, at anybody's. */
static int64_t first_odds(const struct night *night, const char *game_id)
{
    for (int i = 0; i < night->odds_count; i++)
        if (!strcmp(night->odds[i].game_id, game_id))
            return night->odds[i].at;
    return night->odds[0].at;
}

/* A snapshot of a game's odds is due in each slot until its tip; one that came late by no more than a gap may be was not missed. */
static void find_odds_gaps(struct night *night, const struct games_game *game, int64_t interval_us)
{
    int64_t tip = game->row.tip_at, due = first_odds(night, game->row.game_id);
    int64_t failed = CLOCK_NONE; /* the first since the last good one */
    if (game->live_at != CLOCK_NONE && game->live_at < tip)
        tip = game->live_at;
    for (int i = 0; i < night->odds_count; i++) {
        const struct poll *poll = &night->odds[i];
        if (strcmp(poll->game_id, game->row.game_id) != 0 || poll->at > tip)
            continue;
        if (!poll->good) {
            failed = failed == CLOCK_NONE ? poll->at : failed;
            continue;
        }
        failed = CLOCK_NONE;
        if (poll->at > due)
            add_gap(night, ODDS_RUN, game->row.game_id, due, poll->at, false);
        due = (poll->at / interval_us + 1) * interval_us;
    }
    if (due >= tip - LAST_ODDS_US && failed != CLOCK_NONE) /* the last look of all */
        put_gap(night, ODDS_RUN, game->row.game_id, failed, tip, false);
    else if (due < tip - LAST_ODDS_US && night->newest_run != CLOCK_NONE && night->newest_run > due)
        add_gap(night, ODDS_RUN, game->row.game_id, due,
                night->newest_run < tip ? night->newest_run : tip, false);
}

static void find_all_odds_gaps(struct night *night, const struct games_day *day,
                               int64_t interval_us)
{
    if (night->odds_count == 0)
        return;
    qsort(night->odds, (size_t)night->odds_count, sizeof *night->odds, compare_polls);
    for (int i = 0; i < day->count; i++) {
        const struct games_game *game = &day->games[i];
        if (!game->imported && game->row.tip_at != CLOCK_NONE &&
            strcmp(game->row.status, "postponed") != 0)
            find_odds_gaps(night, game, interval_us);
    }
}

/* ---- */

static const char *verdict_of(const struct night *night, const struct games_day *day, double uptime)
{
    int settled = 0;
    if (day->count == 0)
        return "NO_GAMES";
    for (int i = 0; i < day->count; i++)
        settled +=
            games_final(&day->games[i].row) || !strcmp(day->games[i].row.status, "postponed");
    if (night->window_count == 0)
        return settled == 0 ? "NOT_STARTED" : "NOT_WATCHED";
    if (uptime < 80)
        return "CRITICAL";
    if (uptime < 95 || json_array_size(night->gaps) > 0)
        return "WARNING";
    if (settled < day->count)
        return "IN_PROGRESS";
    return night->graded < night->predictions ? "WARNING" : "HEALTHY";
}

bool report_healthy(const json_t *report)
{
    static const char *const good[] = {"HEALTHY", "IN_PROGRESS", "NOT_STARTED", "NO_GAMES", NULL};
    const char *verdict = json_string_value(json_object_get(report, "verdict"));
    return verdict && is_any(verdict, good);
}

static int count_covered(const struct games_day *day, const struct boxes_day *boxes, int *players)
{
    int covered = 0;
    for (int i = 0; i < boxes->count; i++)
        *players += boxes->lines[i].row.played;
    for (int i = 0; i < day->count; i++) {
        bool any = false;
        for (int k = 0; k < boxes->count && !any; k++)
            any = boxes->lines[k].row.played &&
                  !strcmp(boxes->lines[k].row.game_id, day->games[i].row.game_id);
        covered += any;
    }
    return covered;
}

/* Whoever ran last, on that day or later, knew what time it was. */
static int take_last_run(const struct store_row *row, void *context)
{
    struct night *night = context;
    static struct msg_ops_run run;
    struct table_mark mark;
    struct span payload;
    struct message_error error;
    if (table_read(&row->value, &mark, &payload) != STORE_OK ||
        message_decode(&msg_ops_run_desc, payload.data, payload.size, &run, &error) != 0)
        return STORE_CORRUPT;
    night->newest_run = run.closed_at;
    return 1;
}

static int load_night(struct night *night, struct store_txn *txn, int32_t date,
                      const struct games_day *day)
{
    int error =
        store_scan(txn, TABLE_RUN, date, TABLE_DATE_LAST, NULL, 0, true, take_last_run, night);
    if (error > 0 || error == STORE_NOT_FOUND)
        error = STORE_OK;
    if (!error)
        error = make_windows(night, day);
    if (!error)
        error = table_each(txn, TABLE_RUN, date, date, NULL, &msg_ops_run_desc, take_run, night);
    if (!error)
        error = table_each(txn, TABLE_POLL, date, date, NULL, &msg_ops_run_desc, take_poll, night);
    if (!error)
        error = table_each(txn, TABLE_EXIT, date, clock_date_add(date, 1), NULL, &msg_ops_exit_desc,
                           take_exit, night);
    if (!error)
        error = view_each_prediction(txn, date, take_prediction, night);
    if (!error)
        error = table_each(txn, TABLE_GRADE, date, date, NULL, &msg_grade_points_desc, take_grade,
                           night);
    return error;
}

/* ---- remedies, by what became of them ---- */

struct remedies {
    int64_t asked, helped, no_help;
};

static int take_action(void *context, int32_t date, const struct table_mark *mark,
                       const void *message)
{
    struct remedies *self = context;
    const struct msg_ops_action *action = message;
    (void)date;
    (void)mark;
    self->asked++;
    self->helped += !strcmp(action->outcome, "helped");
    self->no_help += !strcmp(action->outcome, "no_help");
    return 0;
}

static json_t *remedies_json(struct store_txn *txn, int32_t date, int *error)
{
    struct remedies self = {.asked = 0};
    json_t *out = json_object();
    *error =
        table_each(txn, TABLE_ACTION, date, date, NULL, &msg_ops_action_desc, take_action, &self);
    json_object_set_new(out, "asked", json_of_int(self.asked));
    json_object_set_new(out, "helped", json_of_int(self.helped));
    json_object_set_new(out, "no_help", json_of_int(self.no_help));
    return out;
}

json_t *report_make(struct store_txn *txn, const struct settings *settings, int32_t date,
                    int *error)
{
    struct games_day day;
    struct boxes_day boxes = {0};
    struct night night = {.first_poll = CLOCK_NONE,
                          .last_poll = CLOCK_NONE,
                          .newest_run = CLOCK_NONE,
                          .gaps = json_array()};
    json_t *out = NULL;
    int players = 0, covered = 0;
    *error = games_day_load(&day, txn, date);
    if (!*error)
        *error = boxes_day_load(&boxes, txn, date);
    if (!*error)
        *error = load_night(&night, txn, date, &day);
    if (*error)
        goto done;
    covered = count_covered(&day, &boxes, &players);
    find_gaps(&night);
    find_all_odds_gaps(&night, &day, settings->poller.odds_interval_us);
    double uptime = night.window_us > 0
                        ? 100.0 * (double)(night.window_us - night.gap_us) / (double)night.window_us
                        : 0.0;
    uptime = (double)(int64_t)(uptime * 100 + 0.5) / 100;
    out = json_object();
    json_object_set_new(out, "date", json_of_date(date));
    json_object_set_new(out, "uptime_pct",
                        night.window_us > 0 ? json_of_number(uptime) : json_null());
    json_object_set_new(out, "games_scheduled", json_of_int(day.count));
    json_object_set_new(out, "games_covered", json_of_int(covered));
    json_object_set_new(out, "players_covered", json_of_int(players));
    json_object_set_new(out, "polls", json_of_int(night.polls_all));
    json_object_set_new(out, "polls_changed", json_of_int(night.changed));
    json_object_set_new(out, "polls_unchanged", json_of_int(night.unchanged));
    json_object_set_new(out, "first_poll", json_of_time(night.first_poll));
    json_object_set_new(out, "last_poll", json_of_time(night.last_poll));
    json_object_set_new(out, "hours_with_data", json_of_int(night.hour_count));
    json_object_set_new(out, "rows", json_of_int(night.rows));
    json_object_set(out, "gaps", night.gaps);
    json_object_set_new(out, "predictions", json_of_int(night.predictions));
    json_object_set_new(out, "graded", json_of_int(night.graded));
    json_object_set_new(out, "remedies", remedies_json(txn, date, error));
    json_object_set_new(out, "verdict", json_string(verdict_of(&night, &day, uptime)));
    if (*error) {
        json_decref(out);
        out = NULL;
    }
done:
    json_decref(night.gaps);
    free(night.windows);
    free(night.polls);
    free(night.odds);
    free(night.ends);
    boxes_day_free(&boxes);
    games_day_free(&day);
    return out;
}
