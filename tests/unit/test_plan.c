/* When what is polled: a night, told to the plan game by game. */
#include "actors/poller/plan.h"
#include "config/clock.h"
#include "schema/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE INT64_C(60000000)
#define HOUR (60 * MINUTE)

static struct settings settings;
static struct plan_game games[4];
static struct plan_event events[2];
static struct {
    char subject[FEED_SUBJECT_SIZE];
    int64_t at;
} asked[16];
static int asked_count;
static struct plan_view view;
static struct plan plan;

static int64_t at(const char *text)
{
    int64_t instant = 0;
    assert_int_equal(clock_parse_utc(text, &instant), 0);
    return instant;
}

static int64_t asked_at(void *context, const char *subject)
{
    (void)context;
    for (int i = 0; i < asked_count; i++) {
        if (strcmp(asked[i].subject, subject) == 0) {
            return asked[i].at;
        }
    }
    return CLOCK_NONE;
}

static void set_asked(const char *subject, int64_t when)
{
    int i = 0;
    while (i < asked_count && strcmp(asked[i].subject, subject) != 0) {
        i++;
    }
    asked_count += i == asked_count;
    snprintf(asked[i].subject, sizeof asked[i].subject, "%s", subject);
    asked[i].at = when;
}

/* Two games of 2025-11-17: tips at 19:00 and 22:00 Eastern; everything was asked at 18:00. */
static int set_up(void **state)
{
    (void)state;
    clock_zone_set("America/New_York");
    assert_int_equal(settings_load(&settings, NULL, NULL, 0, stderr), 0);
    memset(games, 0, sizeof games);
    memset(&view, 0, sizeof view);
    asked_count = 0;
    for (int i = 0; i < 2; i++) {
        snprintf(games[i].game_id, sizeof games[i].game_id, "g%d", i);
        games[i].date = 20251117;
        games[i].in_list = true;
        games[i].begun_us = games[i].box_final_us = CLOCK_NONE;
        games[i].source_id = MESSAGE_NONE;
    }
    games[0].tip_us = at("2025-11-18T00:00:00Z");
    games[1].tip_us = at("2025-11-18T03:00:00Z");
    snprintf(events[0].event_id, sizeof events[0].event_id, "e0");
    snprintf(events[0].game_id, sizeof events[0].game_id, "g0");
    events[0].date = 20251117;
    events[0].commence_us = at("2025-11-18T00:10:00Z");
    view.settings = &settings;
    view.now_us = at("2025-11-17T23:00:30Z");
    view.games = games;
    view.game_count = 2;
    view.events = events;
    view.event_count = 0;
    view.live_ok_us = CLOCK_NONE;
    view.asked = asked_at;
    static const char *const ALL[] = {"nba_schedule", "bdl_games:2025-11-17", "odds_events"};
    for (size_t i = 0; i < sizeof ALL / sizeof ALL[0]; i++) {
        set_asked(ALL[i], at("2025-11-17T23:00:00Z"));
    }
    return 0;
}

/* When the subject is due: CLOCK_NONE if it is not in the plan. */
static int64_t due(enum feed_id feed, const char *arg)
{
    int64_t when = CLOCK_NONE;
    plan_make(&view, &plan);
    for (int i = 0; i < plan.count; i++) {
        if (plan.items[i].feed == feed && strcmp(plan.items[i].arg, arg) == 0) {
            assert_true(when == CLOCK_NONE); /* each subject once */
            when = plan.items[i].due_us;
        }
    }
    return when;
}

static void at_the_start_everything_is_asked_once(void **state)
{
    (void)state;
    asked_count = 0;
    view.game_count = 0;
    plan_make(&view, &plan);
    assert_int_equal(plan.count, 3);
    assert_true(due(FEED_NBA_SCHEDULE, "") == view.now_us);
    assert_true(due(FEED_BDL_GAMES, "2025-11-17") == view.now_us);
    assert_true(due(FEED_ODDS_EVENTS, "") == view.now_us);
    assert_true(due(FEED_BDL_LIVE, "") == CLOCK_NONE);
}

static void live_from_shortly_before_the_first_tip(void **state)
{
    (void)state;
    assert_true(due(FEED_BDL_LIVE, "") == games[0].tip_us - settings.poller.live_lead_us);
    view.now_us = games[0].tip_us - 1 * MINUTE;
    assert_true(due(FEED_BDL_LIVE, "") <= view.now_us);
    set_asked("bdl_live", view.now_us); /* 23:59: the next slot of three minutes is midnight UTC */
    assert_true(due(FEED_BDL_LIVE, "") == at("2025-11-18T00:00:00Z"));
    set_asked("bdl_live", at("2025-11-18T00:00:00.4Z"));
    assert_true(due(FEED_BDL_LIVE, "") == at("2025-11-18T00:03:00Z"));
}

static void missed_slots_are_made_up_for_once(void **state)
{
    (void)state;
    games[0].state = PLAN_IN_PLAY;
    set_asked("bdl_live", at("2025-11-18T00:03:00Z"));
    view.now_us = at("2025-11-18T01:01:00Z");
    assert_true(due(FEED_BDL_LIVE, "") == view.now_us);
    set_asked("bdl_live", view.now_us);
    assert_true(due(FEED_BDL_LIVE, "") == at("2025-11-18T01:03:00Z"));
}

static void live_ends_with_the_last_game_and_crosses_midnight(void **state)
{
    (void)state;
    games[0].state = PLAN_FINAL;
    games[1].state = PLAN_IN_PLAY;
    games[1].begun_us = at("2025-11-18T03:05:00Z");
    set_asked("bdl_live", at("2025-11-18T06:30:00Z"));
    view.now_us = at("2025-11-18T06:31:00Z"); /* 01:31 Eastern: still the league day of the game */
    assert_true(due(FEED_BDL_LIVE, "") == at("2025-11-18T06:33:00Z"));
    assert_true(due(FEED_BDL_GAMES, "2025-11-17") != CLOCK_NONE);
    view.now_us = at("2025-11-18T12:00:00Z"); /* 07:00: the next league day, the game still on */
    assert_true(due(FEED_BDL_LIVE, "") == view.now_us);
    assert_true(due(FEED_BDL_GAMES, "2025-11-18") == view.now_us);
    games[1].state = PLAN_FINAL;
    assert_true(due(FEED_BDL_LIVE, "") == CLOCK_NONE);
    assert_true(due(FEED_BDL_GAMES, "2025-11-17") == CLOCK_NONE);
}

static void nothing_live_when_nothing_is_on(void **state)
{
    (void)state;
    games[0].state = PLAN_FINAL;
    games[1].state = PLAN_POSTPONED;
    view.now_us = at("2025-11-18T03:05:00Z");
    assert_true(due(FEED_BDL_LIVE, "") == CLOCK_NONE);
    games[1].state = PLAN_SCHEDULED; /* late: still waited for ... */
    assert_true(due(FEED_BDL_LIVE, "") != CLOCK_NONE && due(FEED_BDL_LIVE, "") <= view.now_us);
    view.now_us = games[1].tip_us + 13 * HOUR; /* ... but not for ever */
    assert_true(due(FEED_BDL_LIVE, "") == CLOCK_NONE);
}

static void finals_are_asked_for_until_they_are_in(void **state)
{
    (void)state;
    view.now_us = at("2025-11-18T02:40:10Z");
    games[0].state = PLAN_IN_PLAY;
    games[0].begun_us = at("2025-11-18T00:12:00Z");
    view.live_ok_us = at("2025-11-18T02:39:00Z");
    assert_true(due(FEED_BDL_BOX_SCORES, "2025-11-17") == CLOCK_NONE);
    games[0].in_list = false; /* gone from the live list */
    assert_true(due(FEED_BDL_BOX_SCORES, "2025-11-17") == view.now_us);
    view.live_ok_us = games[0].begun_us - 1; /* a list from before it began says nothing */
    assert_true(due(FEED_BDL_BOX_SCORES, "2025-11-17") == CLOCK_NONE);
    games[0].state = PLAN_FINAL;
    assert_true(due(FEED_BDL_BOX_SCORES, "2025-11-17") == view.now_us);
    set_asked("bdl_box_scores:2025-11-17", view.now_us);
    assert_true(due(FEED_BDL_BOX_SCORES, "2025-11-17") == at("2025-11-18T02:42:00Z"));
}

static void corrections_are_looked_for_and_then_no_more(void **state)
{
    (void)state;
    int64_t closed = at("2025-11-18T05:00:00Z");
    for (int i = 0; i < 2; i++) {
        games[i].state = PLAN_FINAL;
        games[i].box_final = true;
        games[i].box_final_us = closed - i * HOUR;
    }
    set_asked("bdl_box_scores:2025-11-17", closed - 1);
    view.now_us = closed + 1 * MINUTE;
    assert_true(due(FEED_BDL_BOX_SCORES, "2025-11-17") == closed + 30 * MINUTE);
    assert_true(plan.items[plan.count - 1].after_close || plan.items[0].after_close ||
                plan.items[plan.count - 2].after_close);
    set_asked("bdl_box_scores:2025-11-17", closed + 61 * MINUTE);
    assert_true(due(FEED_BDL_BOX_SCORES, "2025-11-17") == closed + 90 * MINUTE);
    set_asked("bdl_box_scores:2025-11-17", closed + 3 * HOUR);
    assert_true(due(FEED_BDL_BOX_SCORES, "2025-11-17") == CLOCK_NONE);
}

static void odds_until_the_tip(void **state)
{
    (void)state;
    view.event_count = 1;
    view.now_us = at("2025-11-17T17:00:30Z");
    set_asked("odds_events", view.now_us - 1);
    assert_true(due(FEED_ODDS_PROPS, "e0") != CLOCK_NONE &&
                due(FEED_ODDS_PROPS, "e0") <= view.now_us); /* just known */
    set_asked("odds_props:e0", view.now_us);
    assert_true(due(FEED_ODDS_PROPS, "e0") == at("2025-11-17T17:30:00Z"));
    assert_true(due(FEED_ODDS_EVENTS, "") == at("2025-11-17T17:30:00Z"));
    set_asked("odds_props:e0", at("2025-11-17T23:30:01Z"));
    view.now_us = at("2025-11-17T23:31:00Z");
    assert_true(due(FEED_ODDS_PROPS, "e0") == at("2025-11-17T23:55:00Z")); /* the last look */
    set_asked("odds_props:e0", at("2025-11-17T23:55:01Z"));
    assert_true(due(FEED_ODDS_PROPS, "e0") == CLOCK_NONE);
    set_asked("odds_props:e0", at("2025-11-17T22:00:00Z"));
    view.now_us = games[0].tip_us; /* too late: its odds move with the game */
    assert_true(due(FEED_ODDS_PROPS, "e0") == CLOCK_NONE);
    assert_true(due(FEED_ODDS_EVENTS, "") != CLOCK_NONE); /* one more tip tonight */
    view.now_us = games[1].tip_us;
    set_asked("odds_events", view.now_us);
    assert_true(due(FEED_ODDS_EVENTS, "") == CLOCK_NONE);
}

static void odds_not_too_early(void **state)
{
    (void)state;
    view.event_count = 1;
    view.now_us = at("2025-11-17T11:30:00Z"); /* 06:30 Eastern, twelve and a half hours before */
    set_asked("odds_events", at("2025-11-17T11:00:01Z"));
    assert_true(due(FEED_ODDS_PROPS, "e0") == games[0].tip_us - settings.poller.odds_lead_us);
    assert_true(due(FEED_ODDS_EVENTS, "") == games[0].tip_us - settings.poller.odds_lead_us);
    events[0].date = 20251118;
    assert_true(due(FEED_ODDS_PROPS, "e0") == CLOCK_NONE);
}

static void what_is_of_all_games_until_the_last_tip(void **state)
{
    (void)state;
    static const enum feed_id ALL[] = {FEED_BDL_INJURIES, FEED_ODDS_GAMES};
    assert_true(due(FEED_BDL_TEAMS, "") == view.now_us &&
                due(FEED_BDL_ALL_PLAYERS, "") == CLOCK_NONE);
    for (size_t i = 0; i < sizeof ALL / sizeof ALL[0]; i++) {
        view.now_us = at("2025-11-17T17:00:30Z");
        assert_true(due(ALL[i], "") <= view.now_us);
        set_asked(FEEDS[ALL[i]].name, view.now_us);
        assert_true(due(ALL[i], "") == at("2025-11-17T18:00:00Z"));
        set_asked(FEEDS[ALL[i]].name, games[1].tip_us - 10 * MINUTE);
        assert_true(due(ALL[i], "") == CLOCK_NONE); /* the next slot is behind the last tip */
    }
    asked_count = 0;
    view.now_us = at("2025-11-17T17:00:30Z");
    settings.poller.injuries_interval_us = settings.poller.game_odds_interval_us = 0;
    assert_true(due(FEED_BDL_INJURIES, "") == CLOCK_NONE);
    assert_true(due(FEED_ODDS_GAMES, "") == CLOCK_NONE);
}

static void a_lineup_is_asked_for_twice(void **state)
{
    (void)state;
    games[0].source_id = 77;
    games[1].source_id = MESSAGE_NONE;
    view.now_us = games[0].tip_us + 2 * MINUTE;
    assert_true(due(FEED_BDL_LINEUPS, "77") == CLOCK_NONE); /* it has not begun */
    for (int i = 0; i < 2; i++) {
        games[i].state = PLAN_IN_PLAY;
        games[i].begun_us = view.now_us;
    }
    assert_true(due(FEED_BDL_LINEUPS, "77") == view.now_us);
    set_asked("bdl_lineups:77", view.now_us);
    assert_true(due(FEED_BDL_LINEUPS, "77") == view.now_us + settings.poller.lineups_after_us);
    set_asked("bdl_lineups:77", view.now_us + settings.poller.lineups_after_us);
    assert_true(due(FEED_BDL_LINEUPS, "77") == CLOCK_NONE);
}

static void scores_once_a_game_is_over(void **state)
{
    (void)state;
    view.now_us = games[0].tip_us + 2 * HOUR;
    games[0].state = PLAN_IN_PLAY;
    games[0].begun_us = games[0].tip_us;
    assert_true(due(FEED_ODDS_SCORES, "") ==
                games[0].tip_us + 3 * HOUR); /* if it still goes on then */
    games[0].state = PLAN_FINAL;
    games[0].box_final = true;
    games[0].box_final_us = games[0].tip_us + 2 * HOUR + 10 * MINUTE;
    view.now_us = games[0].box_final_us + 1;
    assert_true(due(FEED_ODDS_SCORES, "") == games[0].box_final_us);
    set_asked("odds_scores", view.now_us);
    assert_true(due(FEED_ODDS_SCORES, "") == CLOCK_NONE);
    games[1] = games[0];
    games[1].box_final_us = view.now_us + MINUTE; /* not before the next slot: it costs credits */
    assert_true(due(FEED_ODDS_SCORES, "") == games[0].tip_us + 3 * HOUR);
    settings.poller.scores_interval_us = 0;
    assert_true(due(FEED_ODDS_SCORES, "") == CLOCK_NONE);
}

static void second_hand_only_if_it_is_wanted(void **state)
{
    (void)state;
    view.now_us = at("2025-11-17T17:00:30Z");
    view.event_count = 2;
    events[1] = events[0];
    snprintf(events[1].event_id, sizeof events[1].event_id, "bp-5");
    assert_true(due(FEED_BP_EVENTS, "2025-11-17") == CLOCK_NONE &&
                due(FEED_BP_OFFERS, "5") == CLOCK_NONE);
    assert_true(due(FEED_ODDS_PROPS, "bp-5") == CLOCK_NONE &&
                due(FEED_ODDS_PROPS, "e0") != CLOCK_NONE);
    settings.poller.bettingpros.interval_us = HOUR;
    assert_true(due(FEED_BP_EVENTS, "2025-11-17") == view.now_us);
    assert_true(due(FEED_BP_OFFERS, "5") <= view.now_us && due(FEED_BP_OFFERS, "5") != CLOCK_NONE);
    assert_true(due(FEED_ODDS_PROPS, "bp-5") == CLOCK_NONE);
    set_asked("bp_events:2025-11-17", view.now_us);
    set_asked("bp_offers:5", view.now_us);
    assert_true(due(FEED_BP_EVENTS, "2025-11-17") == at("2025-11-17T18:00:00Z"));
    assert_true(due(FEED_BP_OFFERS, "5") == at("2025-11-17T18:00:00Z"));
}

/* balldontlie's odds: of each game whose number it said, until its tip. */
static void a_second_source_only_if_it_is_wanted(void **state)
{
    (void)state;
    view.now_us = at("2025-11-17T17:00:30Z");
    games[0].source_id = 77;
    assert_true(due(FEED_BDL_ODDS, "2025-11-17") == CLOCK_NONE &&
                due(FEED_BDL_PROPS, "77") == CLOCK_NONE);
    settings.poller.bdl.odds_interval_us = HOUR;
    games[0].source_id = MESSAGE_NONE;
    assert_true(due(FEED_BDL_ODDS, "2025-11-17") == CLOCK_NONE); /* they name games by numbers */
    games[0].source_id = 77;
    assert_true(due(FEED_BDL_ODDS, "2025-11-17") == view.now_us);
    assert_true(due(FEED_BDL_PROPS, "77") == CLOCK_NONE); /* ... and players */
    set_asked("bdl_players", view.now_us);
    assert_true(due(FEED_BDL_PROPS, "77") <= view.now_us &&
                due(FEED_BDL_PROPS, "77") != CLOCK_NONE);
    set_asked("bdl_odds:2025-11-17", view.now_us);
    set_asked("bdl_props:77", view.now_us);
    assert_true(due(FEED_BDL_ODDS, "2025-11-17") == at("2025-11-17T18:00:00Z"));
    assert_true(due(FEED_BDL_PROPS, "77") == at("2025-11-17T18:00:00Z"));
    set_asked("bdl_props:77", games[0].tip_us - 20 * MINUTE); /* once more before the tip */
    view.now_us = games[0].tip_us - 19 * MINUTE;
    assert_true(due(FEED_BDL_PROPS, "77") == games[0].tip_us - 5 * MINUTE);
    view.now_us = games[0].tip_us;
    assert_true(due(FEED_BDL_PROPS, "77") == CLOCK_NONE);
    view.now_us = at("2025-11-17T17:00:30Z");
    games[0].tip_us = CLOCK_NONE;
    assert_true(due(FEED_BDL_PROPS, "77") == CLOCK_NONE);
    games[1].source_id = 78;
    assert_true(due(FEED_BDL_PROPS, "78") != CLOCK_NONE);
    games[1].state = PLAN_POSTPONED;
    assert_true(due(FEED_BDL_PROPS, "78") == CLOCK_NONE);
}

static void plays_once_if_they_are_wanted(void **state)
{
    (void)state;
    games[0].state = PLAN_FINAL;
    games[0].box_final = true;
    snprintf(games[0].game_id, sizeof games[0].game_id, "0022500241");
    games[0].box_final_us = view.now_us = games[0].tip_us + 3 * HOUR;
    assert_true(due(FEED_NBA_PLAYS, "0022500241") == CLOCK_NONE);
    settings.poller.plays_after_us = 10 * MINUTE;
    assert_true(due(FEED_NBA_PLAYS, "0022500241") == games[0].box_final_us + 10 * MINUTE);
    set_asked("nba_plays:0022500241", view.now_us + 10 * MINUTE);
    assert_true(due(FEED_NBA_PLAYS, "0022500241") == CLOCK_NONE);
    snprintf(games[0].game_id, sizeof games[0].game_id, "bdl-7"); /* the league has no such game */
    assert_true(due(FEED_NBA_PLAYS, "bdl-7") == CLOCK_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(at_the_start_everything_is_asked_once, set_up),
        cmocka_unit_test_setup(live_from_shortly_before_the_first_tip, set_up),
        cmocka_unit_test_setup(missed_slots_are_made_up_for_once, set_up),
        cmocka_unit_test_setup(live_ends_with_the_last_game_and_crosses_midnight, set_up),
        cmocka_unit_test_setup(nothing_live_when_nothing_is_on, set_up),
        cmocka_unit_test_setup(finals_are_asked_for_until_they_are_in, set_up),
        cmocka_unit_test_setup(corrections_are_looked_for_and_then_no_more, set_up),
        cmocka_unit_test_setup(odds_until_the_tip, set_up),
        cmocka_unit_test_setup(odds_not_too_early, set_up),
        cmocka_unit_test_setup(a_lineup_is_asked_for_twice, set_up),
        cmocka_unit_test_setup(scores_once_a_game_is_over, set_up),
        cmocka_unit_test_setup(second_hand_only_if_it_is_wanted, set_up),
        cmocka_unit_test_setup(a_second_source_only_if_it_is_wanted, set_up),
        cmocka_unit_test_setup(plays_once_if_they_are_wanted, set_up),
        cmocka_unit_test_setup(what_is_of_all_games_until_the_last_tip, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
