#include "actors/poller/plan.h"

#include <stdio.h>
#include <string.h>

#include "config/clock.h"
#include "schema/message.h"

/* A scheduled game that has not begun so long after its tip is not waited for any longer; another state brings it back. */
#define NEVER_BEGAN_US (INT64_C(12) * 3600 * 1000000)
/* The last look at a game's odds. */
#define LAST_ODDS_US (INT64_C(5) * 60 * 1000000)
/* Bookmakers start a game so long after its tip. */
#define COMMENCE_AFTER_TIP_US (INT64_C(10) * 60 * 1000000)

static void add(struct plan *plan, enum feed_id feed, const char *arg, int64_t due_us,
                bool after_close)
{
    if (due_us == CLOCK_NONE || plan->count == PLAN_MAX) {
        return;
    }
    struct plan_item *item = &plan->items[plan->count++];
    item->feed = feed;
    snprintf(item->arg, sizeof item->arg, "%s", arg);
    item->due_us = due_us;
    item->after_close = after_close;
}

static int64_t asked(const struct plan_view *view, enum feed_id feed, const char *arg)
{
    char subject[FEED_SUBJECT_SIZE];
    feed_subject(feed, arg, subject);
    return view->asked(view->context, subject);
}

/* The first slot after `last`, not before `from`; never asked: `from`. */
static int64_t next_slot(int64_t last, int64_t interval_us, int64_t from)
{
    if (last == CLOCK_NONE) {
        return from;
    }
    int64_t slot = (last / interval_us + 1) * interval_us;
    return slot > from ? slot : from;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a == CLOCK_NONE ? b : b == CLOCK_NONE ? a : a < b ? a : b;
}

static bool over(const struct plan_game *game)
{
    return game->state == PLAN_FINAL || game->state == PLAN_POSTPONED;
}

struct day {
    int32_t date;
    char arg[CLOCK_DATE_SIZE];
    int games;
    bool numbered; /* balldontlie said its numbers of them: its odds have nothing else */
    bool all_over;
    int64_t first_tip_us, last_tip_us; /* of those that are still scheduled; CLOCK_NONE if none */
};

static struct day day_of(const struct plan_view *view, int32_t date)
{
    struct day day = {
        .date = date, .all_over = true, .first_tip_us = CLOCK_NONE, .last_tip_us = CLOCK_NONE};
    clock_format_date(date, day.arg);
    for (int i = 0; i < view->game_count; i++) {
        const struct plan_game *game = &view->games[i];
        if (game->date != date) {
            continue;
        }
        day.games++;
        day.numbered = day.numbered || game->source_id != MESSAGE_NONE;
        day.all_over = day.all_over && over(game);
        if (game->tip_us != CLOCK_NONE) {
            day.first_tip_us = sooner(day.first_tip_us, game->tip_us);
        }
        if (game->state == PLAN_SCHEDULED && game->tip_us != CLOCK_NONE &&
            (day.last_tip_us == CLOCK_NONE || game->tip_us > day.last_tip_us)) {
            day.last_tip_us = game->tip_us;
        }
    }
    return day;
}

static void plan_games(const struct plan_view *view, const struct day *day, bool today,
                       struct plan *plan)
{
    int64_t last = asked(view, FEED_BDL_GAMES, day->arg);
    if (today && last == CLOCK_NONE) {
        add(plan, FEED_BDL_GAMES, day->arg, view->now_us, false);
    } else if (day->games > 0 && !day->all_over) {
        add(plan, FEED_BDL_GAMES, day->arg,
            next_slot(last, view->settings->poller.games_interval_us, view->now_us), false);
    } else if (today && day->games == 0) {
        add(plan, FEED_BDL_GAMES, day->arg,
            next_slot(last, view->settings->poller.schedule_interval_us, view->now_us), false);
    }
}

/* From shortly before the first tip until nothing is in play any more. */
static void plan_live(const struct plan_view *view, struct plan *plan)
{
    int64_t last = asked(view, FEED_BDL_LIVE, ""), due = CLOCK_NONE;
    for (int i = 0; i < view->game_count; i++) {
        const struct plan_game *game = &view->games[i];
        int64_t from = view->now_us;
        if (game->state == PLAN_SCHEDULED) {
            if (game->tip_us == CLOCK_NONE || view->now_us >= game->tip_us + NEVER_BEGAN_US) {
                continue;
            }
            from = game->tip_us - view->settings->poller.live_lead_us;
        } else if (game->state != PLAN_IN_PLAY) {
            continue;
        }
        due = sooner(due, next_slot(last, view->settings->poller.live_interval_us, from));
    }
    add(plan, FEED_BDL_LIVE, "", due, false);
}

/* In play, but no longer in a live list that is newer than its beginning; or over without a final box score. */
static bool wants_final(const struct plan_view *view, const struct plan_game *game)
{
    if (game->state == PLAN_FINAL) {
        return !game->box_final;
    }
    return game->state == PLAN_IN_PLAY && !game->in_list && view->live_ok_us != CLOCK_NONE &&
           game->begun_us != CLOCK_NONE && view->live_ok_us > game->begun_us;
}

static void plan_box_scores(const struct plan_view *view, const struct day *day, struct plan *plan)
{
    int64_t last = asked(view, FEED_BDL_BOX_SCORES, day->arg), closed = CLOCK_NONE;
    const struct settings *settings = view->settings;
    bool wanted = false;
    for (int i = 0; i < view->game_count; i++) {
        const struct plan_game *game = &view->games[i];
        if (game->date == day->date) {
            wanted = wanted || wants_final(view, game);
            if (game->box_final && (closed == CLOCK_NONE || game->box_final_us > closed)) {
                closed = game->box_final_us;
            }
        }
    }
    if (wanted) {
        add(plan, FEED_BDL_BOX_SCORES, day->arg,
            next_slot(last, settings->poller.live_interval_us, view->now_us), false);
    } else if (closed != CLOCK_NONE) {
        int64_t interval = settings->poller.correction_interval_us;
        int64_t since = last != CLOCK_NONE && last > closed ? (last - closed) / interval + 1 : 1;
        int64_t due = closed + since * interval;
        if (due <= closed + settings->poller.correction_window_us) {
            add(plan, FEED_BDL_BOX_SCORES, day->arg, due, day->all_over);
        }
    }
}

static void plan_events(const struct plan_view *view, const struct day *today, struct plan *plan)
{
    int64_t last = asked(view, FEED_ODDS_EVENTS, "");
    if (last == CLOCK_NONE) {
        add(plan, FEED_ODDS_EVENTS, "", view->now_us, false);
        return;
    }
    int64_t from = today->first_tip_us != CLOCK_NONE
                       ? today->first_tip_us - view->settings->poller.odds_lead_us
                       : view->now_us;
    int64_t due = next_slot(last, view->settings->poller.odds_interval_us, from);
    if (today->last_tip_us != CLOCK_NONE && due < today->last_tip_us) {
        add(plan, FEED_ODDS_EVENTS, "", due, false);
    }
}

/* What is asked for all games at once, every so often until the last of today's tips. */
static void plan_until_tip(const struct plan_view *view, const struct day *today, enum feed_id feed,
                           int64_t interval_us, struct plan *plan)
{
    bool dated = FEEDS[feed].arg == ARG_DATE || FEEDS[feed].arg == ARG_DATE_PAGE;
    const char *arg = dated ? today->arg : "";
    int64_t last = asked(view, feed, arg);
    if (interval_us == 0 || today->games == 0 || today->last_tip_us == CLOCK_NONE) {
        return;
    }
    int64_t from = today->first_tip_us - view->settings->poller.odds_lead_us;
    int64_t due = last == CLOCK_NONE ? view->now_us : next_slot(last, interval_us, from);
    if (due < today->last_tip_us) {
        add(plan, feed, arg, due, false);
    }
}

/* Twice: it is there once the game has begun, and corrected soon after. */
static void plan_lineup(const struct plan_view *view, const struct plan_game *game,
                        struct plan *plan)
{
    char arg[FEED_ARG_SIZE];
    int64_t again_us = view->settings->poller.lineups_after_us;
    if (again_us == 0 || game->state != PLAN_IN_PLAY || game->source_id == MESSAGE_NONE ||
        game->begun_us == CLOCK_NONE) {
        return;
    }
    snprintf(arg, sizeof arg, "%lld", (long long)game->source_id);
    int64_t last = asked(view, FEED_BDL_LINEUPS, arg);
    if (last == CLOCK_NONE) {
        add(plan, FEED_BDL_LINEUPS, arg, view->now_us, false);
    } else if (last < game->begun_us + again_us) {
        add(plan, FEED_BDL_LINEUPS, arg, game->begun_us + again_us, false);
    }
}

/* Once, when its final box score is in. */
static void plan_plays(const struct plan_view *view, const struct plan_game *game,
                       struct plan *plan)
{
    int64_t after_us = view->settings->poller.plays_after_us;
    bool known = game->game_id[strspn(game->game_id, "0123456789")] == '\0'; /* to the league */
    if (after_us != 0 && known && game->box_final &&
        asked(view, FEED_NBA_PLAYS, game->game_id) == CLOCK_NONE) {
        add(plan, FEED_NBA_PLAYS, game->game_id, game->box_final_us + after_us, false);
    }
}

/* A game that is not over so long after its beginning is worth another opinion. */
#define OVERDUE_US (INT64_C(3) * 3600 * 1000000)

/* A second opinion on each game's end: once it is in, and as long as it is overdue. Every call costs credits. */
static void plan_scores(const struct plan_view *view, struct plan *plan)
{
    int64_t interval_us = view->settings->poller.scores_interval_us;
    int64_t last = asked(view, FEED_ODDS_SCORES, ""), due = CLOCK_NONE;
    for (int i = 0; interval_us != 0 && i < view->game_count; i++) {
        const struct plan_game *game = &view->games[i];
        if (game->box_final && (last == CLOCK_NONE || last < game->box_final_us)) {
            due = sooner(due, next_slot(last, interval_us, game->box_final_us));
        } else if (!game->box_final && game->state == PLAN_IN_PLAY &&
                   game->begun_us != CLOCK_NONE) {
            due = sooner(due, next_slot(last, interval_us, game->begun_us + OVERDUE_US));
        }
    }
    add(plan, FEED_ODDS_SCORES, "", due, false);
}

static const struct plan_game *game_of(const struct plan_view *view, const char *game_id)
{
    for (int i = 0; i < view->game_count; i++) {
        if (strcmp(view->games[i].game_id, game_id) == 0) {
            return &view->games[i];
        }
    }
    return NULL;
}

/* As soon as the event is known, then in every slot, and once more shortly before the tip. */
static void plan_lines(const struct plan_view *view, const struct day *today,
                       const struct plan_event *event, enum feed_id feed, const char *arg,
                       int64_t interval_us, struct plan *plan)
{
    const struct plan_game *game = game_of(view, event->game_id);
    int64_t tip = game != NULL && game->tip_us != CLOCK_NONE
                      ? game->tip_us
                      : event->commence_us - COMMENCE_AFTER_TIP_US;
    int64_t first_tip = sooner(today->first_tip_us, tip), last = asked(view, feed, arg);
    int64_t from = first_tip - view->settings->poller.odds_lead_us;
    if (event->date != today->date || view->now_us >= tip ||
        (game != NULL && game->state != PLAN_SCHEDULED)) {
        return;
    }
    int64_t due = next_slot(last, interval_us, from);
    if (last != CLOCK_NONE && last < tip - LAST_ODDS_US && due > tip - LAST_ODDS_US) {
        due = tip - LAST_ODDS_US;
    }
    if (due < tip) {
        add(plan, feed, arg, due, false);
    }
}

/* Whose event it is stands in its id. */
static void plan_props(const struct plan_view *view, const struct day *today,
                       const struct plan_event *event, struct plan *plan)
{
    int64_t bp_us = view->settings->poller.bettingpros.interval_us;
    if (strncmp(event->event_id, "bp-", 3) != 0) {
        plan_lines(view, today, event, FEED_ODDS_PROPS, event->event_id,
                   view->settings->poller.odds_interval_us, plan);
    } else if (bp_us != 0) {
        plan_lines(view, today, event, FEED_BP_OFFERS, event->event_id + 3, bp_us, plan);
    }
}

/* balldontlie's, of a game whose number it said: as if it were an event of the schedule's own. Players are numbers in it: those whom only the
 * squads name are nobody before. */
static void plan_bdl_props(const struct plan_view *view, const struct day *today,
                           const struct plan_game *game, struct plan *plan)
{
    char arg[FEED_ARG_SIZE];
    struct plan_event event = {.date = game->date,
                               .commence_us = game->tip_us + COMMENCE_AFTER_TIP_US};
    int64_t interval_us = view->settings->poller.bdl.odds_interval_us;
    bool squads = view->settings->poller.players_interval_us == 0 ||
                  asked(view, FEED_BDL_PLAYERS, "") != CLOCK_NONE;
    if (interval_us == 0 || !squads || game->source_id == MESSAGE_NONE ||
        game->tip_us == CLOCK_NONE) {
        return;
    }
    snprintf(arg, sizeof arg, "%lld", (long long)game->source_id);
    memcpy(event.game_id, game->game_id, sizeof event.game_id);
    plan_lines(view, today, &event, FEED_BDL_PROPS, arg, interval_us, plan);
}

void plan_make(const struct plan_view *view, struct plan *out)
{
    int32_t date = clock_league_day(view->now_us, (int)view->settings->day.rollover_hour);
    struct day today = day_of(view, date), before = day_of(view, clock_date_add(date, -1));
    out->count = 0;
    add(out, FEED_NBA_SCHEDULE, "",
        next_slot(asked(view, FEED_NBA_SCHEDULE, ""), view->settings->poller.schedule_interval_us,
                  view->now_us),
        false);
    plan_games(view, &today, true, out);
    plan_games(view, &before, false, out);
    plan_live(view, out);
    plan_box_scores(view, &today, out);
    plan_box_scores(view, &before, out);
    plan_events(view, &today, out);
    plan_until_tip(view, &today, FEED_BDL_INJURIES, view->settings->poller.injuries_interval_us,
                   out);
    plan_until_tip(view, &today, FEED_BDL_PLAYERS, view->settings->poller.players_interval_us, out);
    plan_until_tip(view, &today, FEED_BDL_TEAMS, view->settings->poller.teams_interval_us, out);
    plan_until_tip(view, &today, FEED_BDL_ALL_PLAYERS,
                   view->settings->poller.all_players_interval_us, out);
    for (int i = 0; i < view->game_count; i++) {
        plan_lineup(view, &view->games[i], out);
        plan_plays(view, &view->games[i], out);
        plan_bdl_props(view, &today, &view->games[i], out);
    }
    plan_until_tip(view, &today, FEED_ODDS_GAMES, view->settings->poller.game_odds_interval_us,
                   out);
    plan_until_tip(view, &today, FEED_BDL_ODDS,
                   today.numbered ? view->settings->poller.bdl.odds_interval_us : 0, out);
    plan_until_tip(view, &today, FEED_BP_EVENTS, view->settings->poller.bettingpros.interval_us,
                   out);
    plan_scores(view, out);
    for (int i = 0; i < view->event_count; i++) {
        plan_props(view, &today, &view->events[i], out);
    }
}
