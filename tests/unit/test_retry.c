/* What an answer means, how long to wait, and how a subject becomes a URL. */
#include "actors/poller/live_list.h"
#include "actors/poller/page.h"
#include "config/clock.h"
#include "schema/message.h"
#include "actors/poller/retry.h"
#include "config/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct settings settings;

static int set_up(void **state)
{
    (void)state;
    return settings_load(&settings, NULL, NULL, 0, stderr);
}

static void answers(void **state)
{
    (void)state;
    static const struct {
        enum fetch_error error;
        long status;
        const char *body;
        bool conditional;
        enum run_outcome outcome;
        enum error_class class;
        bool retry, stop, hold, whole;
    } CASES[] = {
        {FETCH_OK, 200, " {\"data\":[]}\n", false, RUN_SUCCESS, ERROR_NONE, false, false, false,
         true},
        {FETCH_OK, 200, "{\"data\":[{\"id\":1", false, RUN_SUCCESS, ERROR_NONE, true, false, false,
         false},
        {FETCH_OK, 200, "[]", false, RUN_SUCCESS, ERROR_NONE, true, false, false, false},
        {FETCH_OK, 200, "<html></html>", false, RUN_FAILED, ERROR_MALFORMED, true, false, false,
         false},
        {FETCH_OK, 200, "Unauthorized", false, RUN_FAILED, ERROR_MALFORMED, true, false, false,
         false},
        {FETCH_OK, 200, "", false, RUN_FAILED, ERROR_MALFORMED, true, false, false, false},
        {FETCH_OK, 200, " \r\n\t", false, RUN_FAILED, ERROR_MALFORMED, true, false, false, false},
        {FETCH_OK, 304, "", true, RUN_UNCHANGED, ERROR_NONE, false, false, false, false},
        {FETCH_OK, 304, "", false, RUN_FAILED, ERROR_HTTP_STATUS, false, false, false, false},
        {FETCH_OK, 204, "", false, RUN_FAILED, ERROR_HTTP_STATUS, false, false, false, false},
        {FETCH_OK, 301, "", false, RUN_FAILED, ERROR_HTTP_STATUS, false, false, false, false},
        {FETCH_OK, 401, "Unauthorized", false, RUN_FAILED, ERROR_UNAUTHORIZED, false, false, false,
         false},
        {FETCH_OK, 403, "", false, RUN_FAILED, ERROR_UNAUTHORIZED, false, false, false, false},
        {FETCH_OK, 401, "{\"error_code\":\"OUT_OF_USAGE_CREDITS\"}", false, RUN_FAILED,
         ERROR_RATE_LIMITED, false, true, false, false},
        {FETCH_OK, 404, "", false, RUN_FAILED, ERROR_HTTP_STATUS, false, false, false, false},
        {FETCH_OK, 422, "", false, RUN_FAILED, ERROR_HTTP_STATUS, false, false, false, false},
        {FETCH_OK, 429, "", false, RUN_FAILED, ERROR_RATE_LIMITED, true, false, true, false},
        {FETCH_OK, 500, "{\"data\":[]}", false, RUN_FAILED, ERROR_HTTP_STATUS, true, false, false,
         false},
        {FETCH_OK, 503, "", false, RUN_FAILED, ERROR_HTTP_STATUS, true, false, false, false},
        {FETCH_NETWORK, 0, "", false, RUN_FAILED, ERROR_NETWORK, true, false, false, false},
        {FETCH_NETWORK, 200, "{\"da", false, RUN_FAILED, ERROR_NETWORK, true, false, false, false},
        {FETCH_TIMEOUT, 0, "", false, RUN_TIMEOUT, ERROR_TIMEOUT, true, false, false, false},
        {FETCH_TOO_LARGE, 200, "{", false, RUN_FAILED, ERROR_TOO_LARGE, false, false, false, false},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct answer answer = {.error = CASES[i].error,
                                .error_text = "in words",
                                .status = CASES[i].status,
                                .body = CASES[i].body,
                                .body_size = strlen(CASES[i].body),
                                .conditional = CASES[i].conditional};
        struct judgement out;
        retry_judge(&answer, &FEEDS[FEED_BDL_LIVE], &out);
        assert_int_equal(out.outcome, CASES[i].outcome);
        assert_int_equal(out.error, CASES[i].class);
        assert_int_equal(out.retry, CASES[i].retry);
        assert_int_equal(out.stop_source, CASES[i].stop);
        assert_int_equal(out.hold_source, CASES[i].hold);
        assert_int_equal(out.whole, CASES[i].whole);
        assert_int_equal(out.message[0] == '\0', out.error == ERROR_NONE);
    }
}

/* The Odds API names its errors; what else stands in the body stays there. A refusal is of the request, not of the service. */
static void errors_by_name(void **state)
{
    (void)state;
    static const struct {
        long status;
        const char *body;
        enum run_outcome outcome;
        enum error_class class;
        bool of_request;
        const char *message;
    } CASES[] = {
        {404, "{\"message\":\"Event not found\",\"error_code\":\"EVENT_NOT_FOUND\"}", RUN_EMPTY_OK,
         ERROR_NONE, true, "404: the event is over, or gone"},
        {404, "{\"error_code\": \"UNKNOWN_SPORT\"}", RUN_FAILED, ERROR_HTTP_STATUS, true,
         "status 404: UNKNOWN_SPORT"},
        {404, "<html>EVENT_NOT_FOUND</html>", RUN_FAILED, ERROR_HTTP_STATUS, true, "status 404"},
        {422, "{\"error_code\":\"INVALID_MARKET\",\"details_url\":\"https://x\"}", RUN_FAILED,
         ERROR_HTTP_STATUS, true, "status 422: INVALID_MARKET"},
        {422, "{\"error_code\":\"MISSING_HISTORICAL_TIMESTAMP\"}", RUN_FAILED, ERROR_HTTP_STATUS,
         true, "status 422: MISSING_HISTORICAL_TIMESTAMP"},
        {422, "{\"error_code\":\"apiKey=4711\"}", RUN_FAILED, ERROR_HTTP_STATUS, true,
         "status 422"},
        {422, "{\"error_code\":\"INVALID_REG", RUN_FAILED, ERROR_HTTP_STATUS, true, "status 422"},
        {422, "{\"error_code\":null}", RUN_FAILED, ERROR_HTTP_STATUS, true, "status 422"},
        {401, "{\"error_code\":\"INVALID_KEY\"}", RUN_FAILED, ERROR_UNAUTHORIZED, true,
         "401: key or plan refused: INVALID_KEY"},
        {401, "{\"error_code\":\"HISTORICAL_UNAVAILABLE_ON_FREE_USAGE_PLAN\"}", RUN_FAILED,
         ERROR_UNAUTHORIZED, true,
         "401: key or plan refused: HISTORICAL_UNAVAILABLE_ON_FREE_USAGE_PLAN"},
        {401, "Unauthorized", RUN_FAILED, ERROR_UNAUTHORIZED, true, "401: key or plan refused"},
        {400, "{\"error\":\"bad date\"}", RUN_FAILED, ERROR_HTTP_STATUS, true, "status 400"},
        {429, "{\"error_code\":\"EXCEEDED_FREQ_LIMIT\"}", RUN_FAILED, ERROR_RATE_LIMITED, false,
         "429: too many requests"},
        {408, "", RUN_FAILED, ERROR_HTTP_STATUS, false, "status 408"},
        {500, "{\"error\":\"oops\"}", RUN_FAILED, ERROR_HTTP_STATUS, false, "status 500"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct answer answer = {
            .status = CASES[i].status, .body = CASES[i].body, .body_size = strlen(CASES[i].body)};
        struct judgement out;
        retry_judge(&answer, &FEEDS[FEED_ODDS_PROPS], &out);
        assert_int_equal(out.outcome, CASES[i].outcome);
        assert_int_equal(out.error, CASES[i].class);
        assert_int_equal(out.of_request, CASES[i].of_request);
        assert_string_equal(out.message, CASES[i].message);
        assert_false(out.stop_source);
    }
}

static void a_503_that_names_a_time_holds_the_source(void **state)
{
    (void)state;
    struct answer answer = {.status = 503, .body = "", .retry_after_us = 7000000};
    struct judgement out;
    retry_judge(&answer, &FEEDS[FEED_BDL_LIVE], &out);
    assert_true(out.hold_source && out.retry);
}

static void waits_double_with_jitter_to_a_cap(void **state)
{
    (void)state;
    settings.poller.retry_base_us = 1000000;
    settings.poller.retry_cap_us = 8000000;
    static const int64_t LEAST[] = {500000, 1000000, 2000000, 4000000, 4000000};
    for (int attempt = 1; attempt <= 5; attempt++) {
        int64_t least = retry_wait_us(&settings, attempt, 0, 0);
        int64_t most = retry_wait_us(&settings, attempt, 0, UINT32_MAX);
        assert_int_equal(least, LEAST[attempt - 1]);
        assert_true(most > least && most <= 2 * least);
    }
    assert_int_equal(retry_wait_us(&settings, 1, 5000000, 0), 5000000);    /* the service's wish */
    assert_int_equal(retry_wait_us(&settings, 1, 3600000000, 0), 8000000); /* ... within reason */
    assert_true(retry_wait_us(&settings, 1000000, 0, 1) <= 8000000);
}

/* Arguments of two parts: a page of a day, an instant, an event at an instant. */
static void urls_of_parts(void **state)
{
    (void)state;
    char url[FEED_URL_SIZE], arg[FEED_ARG_SIZE];
    assert_int_equal(feed_of_subject("odds_history_events:20251117T140000Z", arg),
                     FEED_ODDS_HISTORY_EVENTS);
    assert_int_equal(feed_url(&settings, FEED_ODDS_HISTORY_EVENTS, arg, url), 0);
    assert_string_equal(url, "https://api.the-odds-api.com/v4/historical/sports/basketball_nba/"
                             "events?date=2025-11-17T14:00:00Z");
    assert_int_equal(
        feed_of_subject("odds_history:0123456789abcdef0123456789abcdef@20251117T235500Z", arg),
        FEED_ODDS_HISTORY);
    assert_int_equal(feed_url(&settings, FEED_ODDS_HISTORY, arg, url), 0);
    assert_string_equal(
        url, "https://api.the-odds-api.com/v4/historical/sports/basketball_nba/events/"
             "0123456789abcdef0123456789abcdef/odds?regions=us&markets=h2h,spreads,totals,"
             "player_points&oddsFormat=american&date=2025-11-17T23:55:00Z");
    assert_true(feed_arg_instant(FEED_ODDS_HISTORY, arg) == INT64_C(1763423700000000));
    assert_true(feed_arg_instant(FEED_BDL_GAMES, "2025-11-17") == CLOCK_NONE);
    assert_int_equal(feed_of_subject("bdl_stats:2025-11-17", arg), FEED_BDL_STATS);
    assert_int_equal(feed_url(&settings, FEED_BDL_STATS, arg, url), 0);
    assert_string_equal(url,
                        "https://api.balldontlie.io/v1/stats?dates%5B%5D=2025-11-17&per_page=100");
    assert_true(feed_arg_page(FEED_BDL_STATS, arg) == 0 &&
                feed_arg_date(FEED_BDL_STATS, arg) == 20251117);
    char next[FEED_ARG_SIZE];
    feed_page_arg(FEED_BDL_STATS, arg, 277, next);
    assert_string_equal(next, "2025-11-17+277");
    assert_int_equal(feed_of_subject("bdl_stats:2025-11-17+277", arg), FEED_BDL_STATS);
    assert_int_equal(feed_url(&settings, FEED_BDL_STATS, arg, url), 0);
    assert_string_equal(
        url, "https://api.balldontlie.io/v1/stats?dates%5B%5D=2025-11-17&per_page=100&cursor=277");
    assert_true(feed_arg_page(FEED_BDL_STATS, arg) == 277 &&
                feed_arg_date(FEED_BDL_STATS, arg) == 20251117);
    feed_page_arg(FEED_BDL_STATS, arg, 300, next);
    assert_string_equal(next, "2025-11-17+300");
    feed_page_arg(FEED_BDL_INJURIES, "277", 300, next);
    assert_string_equal(next, "300");
    assert_int_equal(feed_arg_page(FEED_BDL_GAMES, "2025-11-17"), -1);
    assert_int_equal(feed_of_subject("nba_plays:0022500241", arg), FEED_NBA_PLAYS);
    assert_int_equal(feed_url(&settings, FEED_NBA_PLAYS, arg, url), 0);
    assert_string_equal(
        url, "https://cdn.nba.com/static/json/liveData/playbyplay/playbyplay_0022500241.json");
    assert_int_equal(feed_of_subject("bp_offers:20879", arg), FEED_BP_OFFERS);
    assert_int_equal(feed_url(&settings, FEED_BP_OFFERS, arg, url), 0);
    assert_string_equal(
        url,
        "https://api.bettingpros.com/v3/offers?sport=NBA&market_id=156&event_id=20879&limit=100");
    assert_string_equal(feed_order_key(FEED_BP_OFFERS, "bp_offers:20879"), "bettingpros");
    assert_int_equal(feed_of_subject("bdl_search:shai-gilgeous-alexander", arg), FEED_BDL_SEARCH);
    assert_int_equal(feed_url(&settings, FEED_BDL_SEARCH, arg, url), 0);
    assert_string_equal(url, "https://api.balldontlie.io/v1/players?search=alexander&per_page=100");
    assert_int_equal(feed_url(&settings, FEED_BDL_SEARCH, "nene", url), 0);
    assert_string_equal(url, "https://api.balldontlie.io/v1/players?search=nene&per_page=100");
    static const char *const NO_NAMES[] = {"bdl_search",       "bdl_search:",   "bdl_search:a b",
                                           "bdl_search:-a",    "bdl_search:a-", "bdl_search:Jay",
                                           "bdl_search:a&b=c", "bdl_search:a%"};
    for (size_t i = 0; i < sizeof NO_NAMES / sizeof NO_NAMES[0]; i++) {
        assert_int_equal(feed_of_subject(NO_NAMES[i], arg), -1);
    }
    assert_int_equal(feed_of_subject("bdl_odds:2025-11-17+277", arg), FEED_BDL_ODDS);
    assert_int_equal(feed_url(&settings, FEED_BDL_ODDS, arg, url), 0);
    assert_string_equal(
        url, "https://api.balldontlie.io/v2/odds?dates%5B%5D=2025-11-17&per_page=100&cursor=277");
    assert_int_equal(feed_of_subject("bdl_props:18444564", arg), FEED_BDL_PROPS);
    assert_int_equal(feed_url(&settings, FEED_BDL_PROPS, arg, url), 0);
    assert_string_equal(url, "https://api.balldontlie.io/v2/odds/player_props?game_id=18444564");
    assert_string_equal(feed_key_query(FEED_BDL_PROPS, url), "");
    char instant[FEED_INSTANT_SIZE];
    feed_instant(INT64_C(1763423700999999), instant);
    assert_string_equal(instant, "20251117T235500Z");
    assert_string_equal(feed_order_key(FEED_ODDS_SCORES, "odds_scores"), "games");
    assert_string_equal(feed_order_key(FEED_ODDS_PROPS, "odds_props:e1"), "odds_props:e1");
}

static void urls(void **state)
{
    (void)state;
    char url[FEED_URL_SIZE], arg[FEED_ARG_SIZE];
    assert_int_equal(feed_url(&settings, FEED_BDL_GAMES, "2025-11-17", url), 0);
    assert_string_equal(url,
                        "https://api.balldontlie.io/v1/games?dates%5B%5D=2025-11-17&per_page=100");
    assert_string_equal(feed_key_query(FEED_BDL_GAMES, url), "");
    snprintf(settings.poller.odds.base_url, sizeof settings.poller.odds.base_url,
             "http://127.0.0.1:8/");
    assert_int_equal(feed_url(&settings, FEED_ODDS_PROPS, "ab12", url), 0);
    assert_string_equal(
        url, "http://127.0.0.1:8/v4/sports/basketball_nba/events/ab12/odds?regions=us&markets="
             "player_points&oddsFormat=american");
    assert_string_equal(feed_key_query(FEED_ODDS_PROPS, url), "&apiKey=");
    assert_int_equal(feed_url(&settings, FEED_ODDS_EVENTS, "", url), 0);
    assert_string_equal(feed_key_query(FEED_ODDS_EVENTS, url), "?apiKey=");
    assert_int_equal(feed_of_subject("bdl_box_scores:2025-11-17", arg), FEED_BDL_BOX_SCORES);
    assert_string_equal(arg, "2025-11-17");
    assert_int_equal(feed_of_subject("bdl_live", arg), FEED_BDL_LIVE);
    assert_int_equal(feed_of_subject("bdl_injuries", arg), FEED_BDL_INJURIES);
    assert_string_equal(arg, "");
    assert_int_equal(feed_url(&settings, FEED_BDL_INJURIES, arg, url), 0);
    assert_string_equal(url, "https://api.balldontlie.io/v1/player_injuries?per_page=100");
    assert_int_equal(feed_of_subject("bdl_injuries:277", arg), FEED_BDL_INJURIES);
    assert_int_equal(feed_url(&settings, FEED_BDL_INJURIES, arg, url), 0);
    assert_string_equal(url,
                        "https://api.balldontlie.io/v1/player_injuries?per_page=100&cursor=277");
    char subject[FEED_SUBJECT_SIZE];
    feed_subject(FEED_BDL_INJURIES, "", subject);
    assert_string_equal(subject, "bdl_injuries");
    feed_subject(FEED_BDL_INJURIES, "277", subject);
    assert_string_equal(subject, "bdl_injuries:277");
    static const char *const WRONG[] = {
        "",
        "bdl_injuries:x",
        "bdl",
        "bdl_live:x",
        "bdl_games",
        "bdl_games:17",
        "bdl_games:2025-02-30",
        "odds_props",
        "odds_props:",
        "odds_props:../../x",
        "bdl_stats",
        "bdl_stats:2025-11-17+",
        "bdl_stats:2025-11-17+x",
        "bdl_stats:2025-11-17277",
        "bdl_stats:2025-11-32+5",
        "odds_history",
        "odds_history:e1",
        "odds_history:@20251117T235500Z",
        "odds_history:e1@20251132T235500Z",
        "odds_history:e1@20251117T235500Z&x",
        "odds_history:e1@e2@20251117T235500Z",
        "odds_history:../x@20251117T235500Z",
        "odds_history_events:2025-11-17",
        "odds_history_events:20251117T235500",
        "odds_history_events:e1@20251117T235500Z",
        "odds_props:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        assert_int_equal(feed_of_subject(WRONG[i], arg), -1);
    }
}

static void pages(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int64_t next;
    } CASES[] = {{"{\"data\":[],\"meta\":{\"next_cursor\":277,\"per_page\":100}}", 277},
                 {"{\"data\":[],\"meta\":{\"per_page\":100}}", MESSAGE_NONE},
                 {"{\"data\":[],\"meta\":{\"next_cursor\":null}}", MESSAGE_NONE},
                 {"{\"data\":[],\"meta\":{\"next_cursor\":-1}}", MESSAGE_NONE},
                 {"{\"data\":[],\"meta\":{\"next_cursor\":\"5\"}}", MESSAGE_NONE},
                 {"{\"meta\":{\"next_cursor\":277.0}}", 277},
                 {"{\"meta\":{\"next_cursor\":277.5}}", MESSAGE_NONE},
                 {"{\"meta\":7}", MESSAGE_NONE},
                 {"[", MESSAGE_NONE}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        assert_true(page_next(CASES[i].body, strlen(CASES[i].body)) == CASES[i].next);
    }
}

static void live_lists(void **state)
{
    (void)state;
    struct live_list list;
    static const char BODY[] =
        "{\"data\":[{\"id\":7.0,\"status\":\"3rd Qtr\"},{\"id\":8,\"status\":\"Final\"}]}";
    assert_int_equal(live_list_read(BODY, strlen(BODY), &list), 0);
    assert_true(live_list_has(&list, 7));
    assert_false(live_list_has(&list, 8)); /* says final: over */
    assert_false(live_list_has(&list, 9));
    static const char OLD[] = "{\"data\":[{\"status\":\"3rd Qtr\"}]}";
    assert_int_equal(live_list_read(OLD, strlen(OLD), &list), 0);
    assert_true(live_list_has(&list, 9)); /* cannot tell */
    assert_int_equal(live_list_read("{\"data\":[]}", 11, &list), 0);
    assert_false(live_list_has(&list, 9));
    assert_int_equal(live_list_read("{\"data\":[", 9, &list), -1);
    assert_int_equal(live_list_read("[]", 2, &list), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(answers, set_up),
        cmocka_unit_test_setup(a_503_that_names_a_time_holds_the_source, set_up),
        cmocka_unit_test_setup(errors_by_name, set_up),
        cmocka_unit_test_setup(waits_double_with_jitter_to_a_cap, set_up),
        cmocka_unit_test_setup(urls_of_parts, set_up),
        cmocka_unit_test_setup(urls, set_up),
        cmocka_unit_test_setup(pages, set_up),
        cmocka_unit_test_setup(live_lists, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
