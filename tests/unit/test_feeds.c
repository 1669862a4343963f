/* The feed parsers: documented shapes, the odd ones, and what is set aside under which rule. */
#include "actors/processor/feed.h"
#include "schema/json.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOME_TEAM                                                                                  \
    "{\"id\":2,\"abbreviation\":\"BOS\",\"name\":\"Celtics\",\"full_name\":\"Boston Celtics\""
#define AWAY_TEAM                                                                                  \
    "{\"id\":28,\"abbreviation\":\"TOR\",\"name\":\"Raptors\",\"full_name\":\"Toronto Raptors\""

static struct feed feed;
static char error[FEED_ERROR_SIZE];

static int parse(feed_parse *with, const char *text)
{
    feed_free(&feed);
    error[0] = '\0';
    return with(text, strlen(text), &feed, error);
}

static int forget(void **state)
{
    (void)state;
    feed_free(&feed);
    return 0;
}

/* ---- games ---- */

static void games_read_states(void **state)
{
    (void)state;
    static const struct {
        const char *members;
        enum feed_status status;
        int64_t period;
        const char *clock;
    } CASES[] = {
        {"\"status\":\"Final\",\"period\":4,\"time\":\"Final\"", FEED_FINAL, 4, "Final"},
        {"\"status\":\"Final/OT\",\"period\":5,\"time\":\"\"", FEED_FINAL, 5, ""},
        {"\"status\":\"7:00 pm ET\",\"period\":0,\"time\":null", FEED_SCHEDULED, 0, ""},
        {"\"status\":\"2025-11-18T00:00:00Z\",\"period\":null", FEED_SCHEDULED, 0, ""},
        {"\"status\":\"3rd Qtr\",\"period\":3,\"time\":\"Q3 5:42 \"", FEED_IN_PROGRESS, 3,
         "Q3 5:42"},
        {"\"status\":\"Halftime\",\"period\":2.0,\"time\":\"0:00\"", FEED_IN_PROGRESS, 2, "0:00"},
        {"\"status\":\"Postponed\",\"period\":0,\"time\":\"\"", FEED_POSTPONED, 0, ""},
        {"\"period\":1", FEED_IN_PROGRESS, 1, ""},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char text[1000];
        snprintf(text, sizeof text,
                 "{\"data\":[{\"id\":7,\"date\":\"2025-11-17\",\"datetime\":\"2025-11-18T00:00:00."
                 "000Z\",%s,"
                 "\"home_team_score\":1,\"visitor_team_score\":null,\"home_team\":" HOME_TEAM "},"
                 "\"visitor_team\":" AWAY_TEAM
                 "},\"new_field\":[1,{}]}],\"meta\":{\"per_page\":100}}",
                 CASES[i].members);
        assert_int_equal(parse(feed_bdl_games, text), 0);
        assert_int_equal(feed.refusal_count, 0);
        assert_int_equal(feed.game_count, 1);
        assert_int_equal(feed.games[0].status, CASES[i].status);
        assert_int_equal(feed.games[0].period, CASES[i].period);
        assert_string_equal(feed.games[0].clock, CASES[i].clock);
        assert_int_equal(feed.games[0].date, 20251117);
        assert_true(feed.games[0].tip_us == INT64_C(1763424000000000));
        assert_int_equal(feed.games[0].home_score, 1);
        assert_true(feed.games[0].away_score == MESSAGE_NONE);
        assert_string_equal(feed.games[0].home.code, "BOS");
        assert_string_equal(feed.games[0].away.full_name, "Toronto Raptors");
    }
}

static void games_refuse_by_rule(void **state)
{
    (void)state;
    static const struct {
        const char *game, *rule;
    } CASES[] = {
        {"7", "not an object"},
        {"{\"id\":7,\"status\":\"Final\"}", "date: missing"},
        {"{\"id\":\"7\",\"date\":\"2025-11-17\",\"status\":\"Final\"}",
         "id: not a whole number but string"},
        {"{\"id\":7,\"date\":\"2025-02-30\",\"status\":\"Final\"}", "date: not a date"},
        {"{\"id\":7,\"date\":\"2025-11-17\",\"status\":\"Final\",\"period\":15}",
         "period: 15 is outside 0..14"},
        {"{\"id\":7,\"date\":\"2025-11-17\",\"period\":1.5}",
         "period: not a whole number but a fraction"},
        {"{\"id\":7,\"date\":\"2025-11-17\"}", "status: missing, and period too"},
        {"{\"id\":7,\"date\":\"2025-11-17\",\"status\":\"Final\",\"home_team_score\":-1}",
         "home_team_score: -1 is outside 0..300"},
        {"{\"id\":7,\"date\":\"2025-11-17\",\"status\":\"Final\",\"home_team\":{\"id\":[]}}",
         "home_team.id: not a whole number but array"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char text[1000];
        snprintf(text, sizeof text,
                 "{\"data\":[%s,{\"id\":8,\"date\":\"2025-11-17\",\"status\":\"Final\",\"home_"
                 "team\":" HOME_TEAM "},\"visitor_team\":" AWAY_TEAM "}}]}",
                 CASES[i].game);
        assert_int_equal(parse(feed_bdl_games, text), 0);
        assert_int_equal(feed.game_count, 1); /* the one beside it stays */
        assert_int_equal(feed.games[0].source_id, 8);
        assert_int_equal(feed.refusal_count, 1);
        assert_string_equal(feed.refusals[0].path, "data[0]");
        assert_string_equal(feed.refusals[0].rule, CASES[i].rule);
    }
}

static void games_single_and_pages(void **state)
{
    (void)state;
    assert_int_equal(parse(feed_bdl_games,
                           "{\"data\":{\"id\":8,\"date\":\"2025-11-17\",\"status\":\"Final\","
                           "\"home_team\":" HOME_TEAM "},\"visitor_team\":" AWAY_TEAM "}}}"),
                     0);
    assert_int_equal(feed.game_count, 1);
    assert_int_equal(parse(feed_bdl_games, "{\"data\":[],\"meta\":{\"next_cursor\":277}}"), 0);
    assert_int_equal(feed.refusal_count, 1);
    assert_int_equal(parse(feed_bdl_games, "{\"data\":[],\"meta\":{\"next_cursor\":null}}"), 0);
    assert_int_equal(feed.refusal_count, 0);
}

static void a_body_that_is_none(void **state)
{
    (void)state;
    static feed_parse *const ALL[] = {feed_bdl_games,   feed_bdl_box_scores,      feed_odds_events,
                                      feed_odds_props,  feed_nba_schedule,        feed_bdl_injuries,
                                      feed_odds_games,  feed_bdl_players,         feed_bdl_lineups,
                                      feed_odds_scores, feed_odds_history_events, feed_odds_history,
                                      feed_bdl_stats,   feed_bdl_teams,           feed_bp_events,
                                      feed_bp_offers,   feed_nba_plays,           feed_bdl_odds,
                                      feed_bdl_props};
    static const char *const BODIES[] = {"",
                                         "<html><body>Bad gateway</body></html>",
                                         "{\"data\":[{\"id\":1",
                                         "[{\"id\":1}",
                                         "null",
                                         "\"text\"",
                                         "{\"data\":7}",
                                         "{\"data\":[]} trailing",
                                         "{\"error\":\"no\"}",
                                         "{\"a\":1,\"a\":2}",
                                         "\xff\xfe"};
    for (size_t i = 0; i < sizeof ALL / sizeof ALL[0]; i++) {
        for (size_t j = 0; j < sizeof BODIES / sizeof BODIES[0]; j++) {
            assert_int_equal(parse(ALL[i], BODIES[j]), -1);
            assert_true(error[0] != '\0');
            assert_int_equal(
                feed.game_count + feed.player_count + feed.event_count + feed.line_count, 0);
        }
    }
}

/* ---- box scores ---- */

#define LINE(id, min, fgm, fga, fg3m, fg3a, ftm, fta, oreb, dreb, reb, pts, more)                  \
    "{\"min\":" min ",\"fgm\":" #fgm ",\"fga\":" #fga ",\"fg_pct\":null,\"fg3m\":" #fg3m           \
    ",\"fg3a\":" #fg3a ",\"ftm\":" #ftm ",\"fta\":" #fta ",\"oreb\":" #oreb ",\"dreb\":" #dreb     \
    ",\"reb\":" #reb ",\"ast\":0,\"stl\":0,\"blk\":0,\"turnover\":0,\"pf\":0,\"pts\":" #pts more   \
    ",\"player\":{\"id\":" #id ",\"first_name\":\"Test\",\"last_name\":\"Player" #id "\"}}"
#define GOOD_LINE(id) LINE(id, "\"12\"", 3, 5, 1, 2, 2, 2, 1, 2, 3, 9, ",\"plus_minus\":-4")

static int box(const char *home_players, const char *away_players)
{
    static char text[20000];
    snprintf(text, sizeof text,
             "{\"data\":[{\"id\":7,\"date\":\"2025-11-17\",\"status\":\"1st "
             "Qtr\",\"period\":1,\"time\":\"5:42\","
             "\"home_team_score\":9,\"visitor_team_score\":9,\"home_team\":" HOME_TEAM
             ",\"players\":[%s]},"
             "\"visitor_team\":" AWAY_TEAM ",\"players\":[%s]}}]}",
             home_players, away_players);
    return parse(feed_bdl_box_scores, text);
}

static void box_scores_read_lines(void **state)
{
    (void)state;
    assert_int_equal(
        box(GOOD_LINE(11) "," LINE(12, "\"00\"", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ""), GOOD_LINE(13)),
        0);
    assert_int_equal(feed.refusal_count, 0);
    assert_int_equal(feed.player_count, 3);
    assert_int_equal(feed.games[0].players, 3);
    assert_int_equal(feed.items, 4);
    const struct feed_player *one = &feed.players[0], *bench = &feed.players[1],
                             *away = &feed.players[2];
    assert_string_equal(one->name, "Test Player11");
    assert_string_equal(away->path, "data[0].visitor_team.players[0]");
    assert_true(one->home && bench->home && !away->home);
    assert_int_equal(one->stats.minutes, 12);
    assert_int_equal(one->stats.points, 9);
    assert_int_equal(one->stats.rebounds, 3);
    assert_int_equal(one->stats.plus_minus, -4);
    assert_true(one->stats.played);
    assert_false(bench->stats.played);
    assert_true(bench->stats.plus_minus == MESSAGE_NONE);
}

static void box_scores_minutes(void **state)
{
    (void)state;
    static const struct {
        const char *min;
        int minutes;
        bool played;
    } CASES[] = {{"\"37\"", 37, true},    {"\"35:59\"", 35, true}, {"\"00\"", 0, false},
                 {"\"00:00\"", 0, false}, {"\"0:31\"", 0, true},   {"\"\"", 0, false},
                 {"null", 0, false},      {"17", 17, true},        {"0", 0, false},
                 {"\"0\"", 0, true},      {"\"07\"", 7, true}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char line[1000];
        snprintf(line, sizeof line, LINE(11, "%s", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ""), CASES[i].min);
        assert_int_equal(box(line, ""), 0);
        assert_int_equal(feed.player_count, 1);
        assert_int_equal(feed.players[0].stats.minutes, CASES[i].minutes);
        assert_int_equal(feed.players[0].stats.played, CASES[i].played);
    }
}

static void box_scores_refuse_one_line(void **state)
{
    (void)state;
    static const struct {
        const char *line, *rule;
    } CASES[] = {
        {LINE(11, "\"12\"", 6, 5, 1, 2, 2, 2, 1, 2, 3, 15, ""), "fgm: 6 is more than fga, 5"},
        {LINE(11, "\"12\"", 3, 5, 3, 2, 2, 2, 1, 2, 3, 11, ""), "fg3m: 3 is more than fg3a, 2"},
        {LINE(11, "\"12\"", 1, 5, 2, 2, 0, 0, 1, 2, 3, 4, ""), "fg3m: 2 is more than fgm, 1"},
        {LINE(11, "\"12\"", 3, 5, 1, 6, 2, 2, 1, 2, 3, 9, ""), "fg3a: 6 is more than fga, 5"},
        {LINE(11, "\"12\"", 3, 5, 1, 2, 3, 2, 1, 2, 3, 10, ""), "ftm: 3 is more than fta, 2"},
        {LINE(11, "\"12\"", 3, 5, 1, 2, 2, 2, 1, 2, 3, 10, ""),
         "pts: 10 is not 2*fgm + fg3m + ftm, 9"},
        {LINE(11, "\"12\"", 3, 5, 1, 2, 2, 2, 1, 2, 4, 9, ""), "reb: 4 is not oreb + dreb, 3"},
        {LINE(11, "\"12\"", 3, 5, 1, 2, 2, 2, 1, 2, null, 9, ""), "reb: missing"},
        {LINE(11, "\"12\"", 3, 5, 1, 2, 2, 2, 1, 2, 3, "9", ""),
         "pts: not a whole number but string"},
        {LINE(11, "\"12\"", 3, 5, 1, 2, 2, 2, 1, 2, 3, 9.5, ""),
         "pts: not a whole number but a fraction"},
        {LINE(11, "\"12\"", -3, 5, 1, 2, 2, 2, 1, 2, 3, 9, ""), "fgm: -3 is outside 0..100"},
        {LINE(11, "\"x\"", 3, 5, 1, 2, 2, 2, 1, 2, 3, 9, ""),
         "min: neither minutes nor minutes:seconds"},
        {LINE(11, "\"12:60\"", 3, 5, 1, 2, 2, 2, 1, 2, 3, 9, ""),
         "min: neither minutes nor minutes:seconds"},
        {LINE(11, "101", 3, 5, 1, 2, 2, 2, 1, 2, 3, 9, ""), "min: 101 is outside 0..100"},
        {LINE(11, "\"12\"", 3, 5, 1, 2, 2, 2, 1, 2, 3, 9, ",\"plus_minus\":200"),
         "plus_minus: 200 is outside -150..150"},
        {LINE(13, "\"12\"", 3, 5, 1, 2, 2, 2, 1, 2, 3, 9, ""),
         "player.id: 13 is already in data[0].home_team.players[0]"},
        {"{\"min\":\"12\",\"player\":{\"id\":5}}", "player.first_name, last_name: missing"},
        {"{\"min\":\"12\"}", "player: missing"},
        {"[]", "not an object"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char home[3000];
        snprintf(home, sizeof home, "%s,%s", GOOD_LINE(13), CASES[i].line);
        assert_int_equal(box(home, GOOD_LINE(14)), 0);
        assert_int_equal(feed.player_count, 2);
        assert_int_equal(feed.refusal_count, 1);
        assert_string_equal(feed.refusals[0].path, "data[0].home_team.players[1]");
        assert_string_equal(feed.refusals[0].rule, CASES[i].rule);
    }
}

static void nulls_of_who_never_came_in(void **state)
{
    (void)state;
    assert_int_equal(
        box("{\"min\":null,\"pts\":null,\"player\":{\"id\":5,\"last_name\":\"Nen\u00ea\"}}", ""),
        0);
    assert_int_equal(feed.player_count, 1);
    assert_string_equal(feed.players[0].name, "Nen\u00ea");
    assert_false(feed.players[0].stats.played);
}

static void the_older_shape_and_the_nested_one(void **state)
{
    (void)state;
    assert_int_equal(
        parse(
            feed_bdl_box_scores,
            "{\"data\":[{\"date\":\"2024-01-05\",\"season\":2023,\"status\":\"Final\",\"period\":4,"
            "\"time\":\"Final\",\"postseason\":false,\"home_team_score\":9,\"visitor_team_score\":"
            "0,"
            "\"home_team\":" HOME_TEAM ",\"players\":[" GOOD_LINE(
                1) "]},"
                   "\"visitor_team\":{\"team\":" AWAY_TEAM "},\"players\":[]}}]}"),
        0);
    assert_int_equal(feed.refusal_count, 0);
    assert_true(feed.games[0].source_id == MESSAGE_NONE);
    assert_true(feed.games[0].tip_us == MESSAGE_NONE);
    assert_string_equal(feed.games[0].away.code, "TOR");
    assert_int_equal(feed.games[0].players, 1);
    assert_int_equal(parse(feed_bdl_box_scores, "{\"data\":[]}"), 0);
    assert_int_equal(feed.items, 0);
}

/* ---- odds ---- */

static int props(const char *books)
{
    static char text[20000];
    snprintf(
        text, sizeof text,
        "{\"id\":\"e1\",\"sport_key\":\"basketball_nba\",\"commence_time\":\"2025-11-18T00:10:"
        "00Z\","
        "\"home_team\":\"Boston Celtics\",\"away_team\":\"Toronto Raptors\",\"bookmakers\":%s}",
        books);
    return parse(feed_odds_props, text);
}
#define MARKET(outcomes)                                                                           \
    "[{\"key\":\"dk\",\"title\":\"D\",\"markets\":[{\"key\":\"player_points\",\"outcomes\":"       \
    "[" outcomes "]}]}]"
#define SIDE(name, player, price, point)                                                           \
    "{\"name\":\"" name "\",\"description\":\"" player "\",\"price\":" #price ",\"point\":" #point \
    "}"

static void props_pair_sides(void **state)
{
    (void)state;
    assert_int_equal(
        props(MARKET(SIDE("Under", "A B", -120, 10.5) "," SIDE("Over", "C D", 2.5, 9.5) "," SIDE(
            "Over", "A B", 100, 10.5) "," SIDE("Over", "A B", 180, 14.5) "," SIDE("Under", "A B",
                                                                                  -240, 14.5))),
        0);
    assert_int_equal(feed.refusal_count, 0);
    assert_int_equal(feed.line_count, 3);
    assert_int_equal(feed.books, 1);
    assert_int_equal(feed.lines[0].over_price, 100);
    assert_int_equal(feed.lines[0].under_price, -120);
    assert_true(feed.lines[0].main);
    assert_int_equal(feed.lines[1].over_price, 150); /* decimal 2.5 */
    assert_true(feed.lines[1].under_price == MESSAGE_NONE);
    assert_false(feed.lines[1].main); /* one side is no main line */
    assert_false(feed.lines[2].main);
    assert_string_equal(feed.events[0].event_id, "e1");
    assert_int_equal(props("[]"), 0);
    assert_int_equal(feed.line_count, 0);
}

static void props_equal_lines_the_lowest_is_main(void **state)
{
    (void)state;
    assert_int_equal(
        props(MARKET(SIDE("Over", "A B", -125, 11.5) "," SIDE("Under", "A B", -105, 11.5) "," SIDE(
            "Over", "A B", -105, 10.5) "," SIDE("Under", "A B", -125, 10.5))),
        0);
    assert_false(feed.lines[0].main);
    assert_true(feed.lines[1].main);
}

static void props_refuse_by_rule(void **state)
{
    (void)state;
    static const struct {
        const char *side, *rule;
    } CASES[] = {
        {SIDE("Over", "A B", -110, 10.5), "outcome: the same side of the same line is already in "
                                          "bookmakers[0].markets[0].outcomes[0]"},
        {SIDE("Yes", "A B", -110, 11.5), "name: neither Over nor Under"},
        {SIDE("Over", "A B", 0, 11.5), "price: neither American nor decimal odds"},
        {SIDE("Over", "A B", -50, 11.5), "price: neither American nor decimal odds"},
        {SIDE("Over", "A B", "x", 11.5), "price: not a number"},
        {SIDE("Over", "A B", -110, null), "point: missing"},
        {SIDE("Over", "A B", -110, 300), "point: outside 0..200"},
        {SIDE("Over", "", -110, 11.5), "description: empty"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char books[2000];
        snprintf(
            books, sizeof books,
            "[{\"key\":\"dk\",\"markets\":[{\"key\":\"player_points\",\"outcomes\":[%s,%s]}]}]",
            SIDE("Over", "A B", -110, 10.5), CASES[i].side);
        assert_int_equal(props(books), 0);
        assert_int_equal(feed.line_count, 1);
        assert_int_equal(feed.refusal_count, 1);
        assert_string_equal(feed.refusals[0].rule, CASES[i].rule);
        assert_string_equal(feed.refusals[0].path, "bookmakers[0].markets[0].outcomes[1]");
    }
}

static void props_decimal_prices(void **state)
{
    (void)state;
    static const struct {
        const char *price;
        int american;
    } CASES[] = {{"1.91", -110}, {"2.0", 100},   {"2", 100},      {"1.5", -200},
                 {"3.4", 240},   {"-110", -110}, {"-110.0", -110}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char books[1000];
        snprintf(books, sizeof books,
                 "[{\"key\":\"dk\",\"markets\":[{\"key\":\"player_points\",\"outcomes\":[{\"name\":"
                 "\"over\","
                 "\"description\":\"A\",\"price\":%s,\"point\":1}]}]}]",
                 CASES[i].price);
        assert_int_equal(props(books), 0);
        assert_int_equal(feed.lines[0].over_price, CASES[i].american);
    }
}

static void events_read_and_refuse(void **state)
{
    (void)state;
    assert_int_equal(
        parse(
            feed_odds_events,
            "[{\"id\":\"ab12\",\"commence_time\":\"2025-11-18T00:10:00Z\",\"home_team\":\"H\","
            "\"away_team\":\"A\"},"
            "{\"id\":\"../x\",\"commence_time\":\"2025-11-18T00:10:00Z\",\"home_team\":\"H\","
            "\"away_team\":\"A\"},"
            "{\"id\":\"ab13\",\"commence_time\":\"soon\",\"home_team\":\"H\",\"away_team\":\"A\"},"
            "{\"id\":\"ab12\",\"commence_time\":\"2025-11-18T00:10:00Z\",\"home_team\":\"H\","
            "\"away_team\":\"A\"}]"),
        0);
    assert_int_equal(feed.event_count, 1);
    assert_int_equal(feed.refusal_count, 3);
    assert_string_equal(feed.refusals[0].rule, "id: holds something else than letters and digits");
    assert_string_equal(feed.refusals[1].rule, "commence_time: not an instant");
    assert_string_equal(feed.refusals[2].rule, "id: is already in [0]");
    assert_int_equal(parse(feed_odds_events, "[]"), 0);
}

/* ---- schedule ---- */

static void schedule_reads_games(void **state)
{
    (void)state;
    assert_int_equal(
        parse(
            feed_nba_schedule,
            "{\"leagueSchedule\":{\"gameDates\":[{\"gameDate\":\"11/17/2025 00:00:00\",\"games\":["
            "{\"gameId\":\"0022500241\",\"gameStatus\":1,\"gameDateEst\":\"2025-11-17T00:00:00Z\","
            "\"gameDateTimeEst\":\"2025-11-17T19:00:00Z\",\"gameDateTimeUTC\":\"2025-11-18T00:00:"
            "00Z\","
            "\"isNeutral\":true,\"postponedStatus\":\"N\",\"homeTeam\":{\"teamId\":1,"
            "\"teamTricode\":\"CLE\"},"
            "\"awayTeam\":{\"teamId\":2,\"teamTricode\":\"MIL\"}},"
            "{\"gameId\":\"0022500242\",\"gameStatus\":1,\"gameDateEst\":\"2025-11-17T00:00:00Z\","
            "\"gameDateTimeEst\":\"2025-11-17T00:00:00Z\",\"gameDateTimeUTC\":\"2025-11-17T05:00:"
            "00Z\","
            "\"postponedStatus\":\"Y\",\"homeTeam\":{\"teamTricode\":\"DET\"},\"awayTeam\":{"
            "\"teamTricode\":\"IND\"}},"
            "{\"gameId\":\"0012500001\",\"gameStatus\":3},"
            "{\"gameId\":\"0062500001\",\"gameStatus\":1,\"gameDateEst\":\"2025-12-16T00:00:00Z\","
            "\"homeTeam\":{\"teamTricode\":\"\"},\"awayTeam\":{\"teamTricode\":null}},"
            "{\"gameId\":\"0022500999\",\"gameStatus\":9,\"gameDateEst\":\"2025-12-16T00:00:00Z\"}]"
            "}]}}"),
        0);
    assert_int_equal(feed.game_count, 2);
    assert_string_equal(feed.games[0].game_id, "0022500241");
    assert_int_equal(feed.games[0].date, 20251117);
    assert_true(feed.games[0].tip_us == INT64_C(1763424000000000));
    assert_true(feed.games[0].neutral);
    assert_int_equal(feed.games[1].status, FEED_POSTPONED);
    assert_true(feed.games[1].tip_us == MESSAGE_NONE);
    assert_int_equal(feed.refusal_count, 1);
    assert_string_equal(feed.refusals[0].path, "leagueSchedule.gameDates[0].games[4]");
    assert_string_equal(feed.refusals[0].rule, "gameStatus: 9 is outside 1..3");
}

/* ---- injuries ---- */

#define HURT(id, first, last, status)                                                              \
    "{\"player\":{\"id\":" id ",\"first_name\":" first ",\"last_name\":" last                      \
    ",\"team_id\":2},\"return_date\":null,\"description\":\"Knee.\",\"status\":" status "}"

static void injuries_read_and_refuse(void **state)
{
    (void)state;
    assert_int_equal(
        parse(
            feed_bdl_injuries,
            "{\"data\":[" HURT("11", "\"A\"", "\"B\"", "\"Out\"") "," HURT("12", "null", "\"Nene\"", "\"Day-To-Day\"") "," HURT(
                "11", "\"A\"", "\"B\"",
                "\"Out\"") "," HURT("13", "\"\"", "null",
                                    "\"Out\"") "," HURT("14", "\"C\"", "\"D\"",
                                                        "null") "," HURT("1.5", "\"E\"", "\"F\"",
                                                                         "\"Out\"") ",7,"
                                                                                    "{\"status\":"
                                                                                    "\"Out\"}],"
                                                                                    "\"meta\":{"
                                                                                    "\"next_"
                                                                                    "cursor\":277,"
                                                                                    "\"per_page\":"
                                                                                    "100}}"),
        0);
    assert_int_equal(feed.items, 8);
    assert_int_equal(feed.report_count, 2);
    assert_string_equal(feed.reports[0].name, "A B");
    assert_int_equal(feed.reports[0].team_id, 2);
    assert_string_equal(feed.reports[1].name, "Nene");
    assert_string_equal(feed.reports[1].status, "Day-To-Day");
    assert_string_equal(feed.reports[1].description, "Knee.");
    assert_string_equal(feed.reports[1].return_date, "");
    assert_int_equal(feed.next_page, 277);
    assert_int_equal(feed.refusal_count, 6);
    assert_string_equal(feed.refusals[0].rule, "player.id: is already in data[0]");
    assert_string_equal(feed.refusals[1].rule, "player.first_name: missing, and last_name too");
    assert_string_equal(feed.refusals[2].rule, "status: missing");
    assert_string_equal(feed.refusals[3].rule, "player.id: not a whole number but a fraction");
    assert_string_equal(feed.refusals[4].rule, "not an object");
    assert_string_equal(feed.refusals[5].rule, "player: missing");
    assert_int_equal(parse(feed_bdl_injuries, "{\"data\":[]}"), 0);
    assert_int_equal(feed.items + feed.refusal_count, 0);
    assert_int_equal(feed.next_page, 0);
    assert_int_equal(parse(feed_bdl_injuries, "{\"data\":[],\"meta\":{\"next_cursor\":\"x\"}}"), 0);
    assert_int_equal(feed.refusal_count, 1);
}

/* A report that is too long is cut between two characters. */
static void a_long_report_is_cut(void **state)
{
    (void)state;
    char body[2000], text[1201] = "";
    for (int i = 0; i < 400; i++) {
        strcat(text, "\u00e9");
    }
    snprintf(body, sizeof body,
             "{\"data\":[{\"player\":{\"id\":1,\"first_name\":\"A\",\"last_name\":\"B\"},"
             "\"description\":\"x%s\",\"status\":\"Out\"}]}",
             text);
    assert_int_equal(parse(feed_bdl_injuries, body), 0);
    assert_int_equal(feed.report_count, 1);
    assert_int_equal(strlen(feed.reports[0].description), 399);
    assert_int_equal(feed.reports[0].team_id, MESSAGE_NONE);
}

/* ---- squads and line-ups ---- */

#define TEAM "\"team\":{\"id\":2,\"abbreviation\":\"BOS\"}"

static void squads_read_and_refuse(void **state)
{
    (void)state;
    assert_int_equal(
        parse(feed_bdl_players,
              "{\"data\":[{\"id\":3,\"first_name\":\"Steven\",\"last_name\":\"Adams\",\"position\":"
              "\"C\",\"height\":\"6-11\",\"weight\":\"265\",\"jersey_number\":\"00\"," TEAM "},"
              "{\"id\":4,\"first_name\":\"A\",\"last_name\":\"B\",\"position\":\"\",\"weight\":"
              "null," TEAM "},"
              "{\"id\":5,\"first_name\":\"C\",\"last_name\":\"D\",\"weight\":\"heavy\"," TEAM "},"
              "{\"id\":3,\"first_name\":\"S\",\"last_name\":\"A\"," TEAM "},"
              "{\"id\":5000000000,\"first_name\":\"E\",\"last_name\":\"F\"," TEAM "},"
              "{\"id\":6,\"first_name\":\"G\",\"last_name\":\"H\",\"team\":null},"
              "{\"id\":7,\"first_name\":\"I\",\"last_name\":\"J\",\"team\":\"BOS\"}],\"meta\":{"
              "\"next_cursor\":9}}"),
        0);
    assert_int_equal(feed.items, 7);
    assert_int_equal(feed.listed_count, 4);
    assert_true(feed.listeds[3].source_id == 6 && feed.listeds[3].team.source_id == MESSAGE_NONE);
    assert_string_equal(feed.listeds[0].name, "Steven Adams");
    assert_string_equal(feed.listeds[0].jersey, "00");
    assert_int_equal(feed.listeds[0].weight, 265);
    assert_string_equal(feed.listeds[0].team.code, "BOS");
    assert_int_equal(feed.listeds[1].weight, MESSAGE_NONE);
    assert_int_equal(feed.listeds[2].weight, MESSAGE_NONE);
    assert_int_equal(feed.next_page, 9);
    assert_int_equal(feed.refusal_count, 4);
    assert_string_equal(feed.refusals[0].rule, "weight: not a number within 50..600");
    assert_string_equal(feed.refusals[1].rule, "id: is already in data[0]");
    assert_string_equal(feed.refusals[2].rule, "id: 5000000000 is outside 1..4999999999");
    assert_string_equal(feed.refusals[3].rule, "team: wrong kind: string");
}

/* Those of one game fit on one page. */
static void lineups_of_more_than_a_page(void **state)
{
    (void)state;
    assert_int_equal(
        parse(feed_bdl_lineups, "{\"data\":[],\"meta\":{\"per_page\":100,\"next_cursor\":null}}"),
        0);
    assert_int_equal(feed.refusal_count, 0);
    assert_int_equal(parse(feed_bdl_lineups, "{\"data\":[],\"meta\":{\"next_cursor\":9}}"), 0);
    assert_int_equal(feed.refusal_count, 1);
    assert_string_equal(feed.refusals[0].rule, "more than one page: the rest was not asked for");
}

static void lineups_read_and_refuse(void **state)
{
    (void)state;
    assert_int_equal(
        parse(feed_bdl_lineups,
              "{\"data\":[{\"id\":1,\"game_id\":77,\"starter\":true,\"position\":\"G\",\"player\":{"
              "\"id\":11,"
              "\"first_name\":\"A\",\"last_name\":\"B\"}," TEAM "},"
              "{\"id\":2,\"game_id\":77,\"starter\":\"yes\",\"player\":{\"id\":12,\"first_name\":"
              "\"C\"}," TEAM "},"
              "{\"id\":3,\"game_id\":77,\"starter\":false,\"player\":{\"id\":11,\"first_name\":"
              "\"A\"}," TEAM "},"
              "{\"id\":4,\"starter\":false,\"player\":{\"id\":13,\"first_name\":\"D\"}," TEAM
              "}]}"),
        0);
    assert_int_equal(feed.listed_count, 1);
    assert_true(feed.listeds[0].starter);
    assert_int_equal(feed.listeds[0].game_source_id, 77);
    assert_int_equal(feed.refusal_count, 3);
    assert_string_equal(feed.refusals[0].rule, "starter: not a boolean but string");
    assert_string_equal(feed.refusals[1].rule, "player.id: is already in data[0]");
    assert_string_equal(feed.refusals[2].rule, "game_id: missing");
}

/* ---- markets of games ---- */

#define GAME_ODDS(markets)                                                                         \
    "[{\"id\":\"e1\",\"commence_time\":\"2025-11-18T00:10:00Z\",\"home_team\":\"H\","              \
    "\"away_team\":\"A\",\"bookmakers\":[{\"key\":\"dk\",\"markets\":[" markets "]}]}]"
#define TWO_SIDES(key, first, second) "{\"key\":\"" key "\",\"outcomes\":[" first "," second "]}"

static void game_markets_have_two_sides(void **state)
{
    (void)state;
    assert_int_equal(
        parse(
            feed_odds_games,
            GAME_ODDS(TWO_SIDES("h2h", "{\"name\":\"A\",\"price\":3.3}", "{\"name\":\"H\",\"price\":-350}") "," TWO_SIDES(
                "spreads", "{\"name\":\"H\",\"price\":-110,\"point\":-7.5}",
                "{\"name\":\"A\",\"price\":-110,\"point\":7.5}") "," TWO_SIDES("totals",
                                                                               "{\"name\":"
                                                                               "\"Under\","
                                                                               "\"price\":-"
                                                                               "105,"
                                                                               "\"point\":"
                                                                               "225}",
                                                                               "{\"name\":"
                                                                               "\"Over\","
                                                                               "\"price\":-"
                                                                               "115,"
                                                                               "\"point\":"
                                                                               "225}") "," TWO_SIDES("outrights",
                                                                                                     "1",
                                                                                                     "2"))),
        0);
    assert_int_equal(feed.market_count, 3);
    assert_int_equal(feed.refusal_count, 0);
    assert_int_equal(feed.books, 1);
    assert_int_equal(feed.markets[0].first_price, -350); /* home first, whatever their order */
    assert_int_equal(feed.markets[0].second_price, 230);
    assert_true(isnan(feed.markets[0].point));
    assert_true(feed.markets[1].point == -7.5);
    assert_true(feed.markets[2].point == 225);
    assert_int_equal(feed.markets[2].first_price, -115);
}

static void game_markets_refuse(void **state)
{
    (void)state;
    static const struct {
        const char *body, *rule;
    } CASES[] = {
        {GAME_ODDS("{\"key\":\"h2h\",\"outcomes\":[{\"name\":\"H\",\"price\":-110}]}"),
         "outcomes: not both sides"},
        {GAME_ODDS(TWO_SIDES("h2h", "{\"name\":\"H\",\"price\":-110}",
                             "{\"name\":\"X\",\"price\":-110}")),
         "name: X is neither side"},
        {GAME_ODDS(TWO_SIDES("h2h", "{\"name\":\"H\",\"price\":-110}",
                             "{\"name\":\"H\",\"price\":-110}")),
         "name: H is there twice"},
        {GAME_ODDS(
             TWO_SIDES("h2h", "{\"name\":\"H\",\"price\":0}", "{\"name\":\"A\",\"price\":-110}")),
         "price: neither American nor decimal odds"},
        {GAME_ODDS(TWO_SIDES("spreads", "{\"name\":\"H\",\"price\":-110,\"point\":-7.5}",
                             "{\"name\":\"A\",\"price\":-110,\"point\":8}")),
         "outcomes: -7.5 and 8 are not each other's opposite"},
        {GAME_ODDS(TWO_SIDES("spreads", "{\"name\":\"H\",\"price\":-110}",
                             "{\"name\":\"A\",\"price\":-110,\"point\":8}")),
         "point: not a number within -100..100"},
        {GAME_ODDS(TWO_SIDES("totals", "{\"name\":\"Over\",\"price\":-110,\"point\":225}",
                             "{\"name\":\"Under\",\"price\":-110,\"point\":226}")),
         "outcomes: over 225 and under 226"},
        {GAME_ODDS(TWO_SIDES("totals", "{\"name\":\"Over\",\"price\":-110,\"point\":5}",
                             "{\"name\":\"Under\",\"price\":-110,\"point\":5}")),
         "point: not a number within 50..500"},
        {GAME_ODDS("{\"key\":\"h2h\"}"), "outcomes: missing"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        assert_int_equal(parse(feed_odds_games, CASES[i].body), 0);
        assert_int_equal(feed.market_count, 0);
        assert_int_equal(feed.refusal_count, 1);
        assert_string_equal(feed.refusals[0].rule, CASES[i].rule);
        assert_string_equal(feed.refusals[0].path, "[0].bookmakers[0].markets[0]");
    }
    const char *twice =
        TWO_SIDES("h2h", "{\"name\":\"H\",\"price\":-110}", "{\"name\":\"A\",\"price\":-110}");
    char body[1000];
    snprintf(body, sizeof body, GAME_ODDS("%s,%s"), twice, twice);
    assert_int_equal(parse(feed_odds_games, body), 0);
    assert_int_equal(feed.market_count, 1);
    assert_string_equal(feed.refusals[0].rule,
                        "key: h2h of dk is already in [0].bookmakers[0].markets[0]");
    assert_int_equal(parse(feed_odds_games, "[{\"id\":\"e1\"}]"), 0);
    assert_int_equal(feed.event_count, 0);
    assert_int_equal(feed.refusal_count, 1);
}

/* ---- single lines, teams ---- */

#define OF_GAME(id, members)                                                                       \
    ",\"game\":{\"id\":" #id ",\"date\":\"2025-11-17\",\"status\":\"Final\",\"period\":4,"         \
    "\"home_team_score\":9,\"visitor_team_score\":0,\"home_team_id\":2,\"visitor_team_id\":"       \
    "28" members "}"
#define FOR(team) ",\"team\":" team "}"
#define SINGLE(id, more) LINE(id, "\"12\"", 3, 5, 1, 2, 2, 2, 1, 2, 3, 9, more)

static void single_lines_read_and_refuse(void **state)
{
    (void)state;
    assert_int_equal(
        parse(feed_bdl_stats,
              "{\"data\":[" SINGLE(11, OF_GAME(7, "") FOR(HOME_TEAM)) "," SINGLE(
                  12, OF_GAME(8, "") FOR(
                          AWAY_TEAM)) "," SINGLE(12,
                                                 OF_GAME(7, "") FOR(
                                                     AWAY_TEAM)) "],\"meta\":{\"next_cursor\":3}}"),
        0);
    assert_true(feed.game_count == 2 && feed.player_count == 3 && feed.refusal_count == 0 &&
                feed.items == 3);
    assert_int_equal(feed.next_page, 3);
    assert_true(feed.games[0].source_id == 7 && feed.games[0].status == FEED_FINAL &&
                feed.games[0].date == 20251117);
    assert_string_equal(feed.games[0].home.code, "BOS"); /* as its players' teams have it */
    assert_string_equal(feed.games[0].away.full_name, "Toronto Raptors");
    assert_true(feed.games[1].home.source_id == 2 && feed.games[1].home.code[0] == '\0');
    assert_true(feed.players[0].home && !feed.players[2].home && feed.players[2].game == 0);
    assert_int_equal(feed.players[0].stats.points, 9);
    assert_true(feed.players[0].stats.plus_minus == MESSAGE_NONE);
    static const struct {
        const char *row, *rule;
    } CASES[] = {
        {"7", "not an object"},
        {SINGLE(11, FOR(HOME_TEAM)), "game: missing"},
        {SINGLE(11, ",\"game\":[]" FOR(HOME_TEAM)), "game: wrong kind: array"},
        {SINGLE(11, ",\"game\":{\"id\":7,\"status\":\"Final\"}" FOR(HOME_TEAM)),
         "game.date: missing"},
        {SINGLE(11,
                ",\"game\":{\"id\":7,\"date\":\"2025-11-17\",\"status\":\"Final\"}" FOR(HOME_TEAM)),
         "game.home_team_id: missing"},
        {SINGLE(11, ",\"game\":{\"date\":\"2025-11-17\",\"status\":\"Final\",\"home_team_id\":2,"
                    "\"visitor_team_id\":28}" FOR(HOME_TEAM)),
         "game.id: missing"},
        {SINGLE(11, OF_GAME(7, "")), "team: missing"},
        {SINGLE(11, OF_GAME(7, "") FOR("{\"id\":5")), "team.id: 5 is neither side of the game"},
        {LINE(11, "\"x\"", 3, 5, 1, 2, 2, 2, 1, 2, 3, 9, OF_GAME(7, "") FOR(HOME_TEAM)),
         "min: neither minutes nor minutes:seconds"},
        {LINE(11, "\"12\"", 3, 5, 1, 2, 2, 2, 1, 2, 3, 8, OF_GAME(7, "") FOR(HOME_TEAM)),
         "pts: 8 is not 2*fgm + fg3m + ftm, 9"},
        {SINGLE(12, OF_GAME(7, "") FOR(HOME_TEAM)), "player.id: 12 is already in data[0]"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char body[3000];
        snprintf(body, sizeof body, "{\"data\":[%s,%s]}", SINGLE(12, OF_GAME(7, "") FOR(AWAY_TEAM)),
                 CASES[i].row);
        assert_int_equal(parse(feed_bdl_stats, body), 0);
        assert_true(feed.player_count == 1 && feed.refusal_count == 1 && feed.items == 2);
        assert_string_equal(feed.refusals[0].rule, CASES[i].rule);
        assert_string_equal(feed.refusals[0].path, "data[1]");
    }
    assert_int_equal(parse(feed_bdl_stats, "{\"data\":[],\"meta\":{\"next_cursor\":null}}"), 0);
    assert_true(feed.items == 0 && feed.next_page == 0);
}

static void teams_read_and_refuse(void **state)
{
    (void)state;
    assert_int_equal(
        parse(
            feed_bdl_teams,
            "{\"data\":[" HOME_TEAM ",\"conference\":\"East\"},{\"id\":47,\"conference\":\"    "
            "\",\"abbreviation\":\"AND\"},"
            "{\"id\":48,\"conference\":null},{\"id\":null},{\"id\":2},{\"id\":3,\"conference\":7},"
            "{\"id\":4,\"abbreviation\":\"TOO LONG A CODE\"},[]]}"),
        0);
    assert_true(feed.club_count == 3 && feed.items == 8 && feed.refusal_count == 5);
    assert_true(feed.clubs[0].current && !feed.clubs[1].current && !feed.clubs[2].current);
    assert_string_equal(feed.clubs[0].team.code, "BOS");
    static const char *const RULES[] = {"id: missing", "id: is already in data[0]",
                                        "conference: not a string but number",
                                        "abbreviation: longer than 7 bytes", "not an object"};
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(feed.refusals[i].rule, RULES[i]);
    }
}

/* ---- scores ---- */

#define SCORED(members)                                                                            \
    "[{\"id\":\"e1\",\"commence_time\":\"2025-11-18T00:10:00Z\",\"home_team\":\"H\","              \
    "\"away_team\":\"A\"," members "}]"
#define HAS(name, score) "{\"name\":\"" name "\",\"score\":" score "}"

static void scores_read_and_refuse(void **state)
{
    (void)state;
    static const struct {
        const char *body, *rule;
    } CASES[] = {
        {SCORED("\"completed\":true,\"scores\":[" HAS("A", "\"99\"") "," HAS(
             "H", "101") "],"
                         "\"last_update\":\"2025-11-18T02:30:00Z\""),
         NULL},
        {SCORED("\"completed\":false,\"scores\":null,\"last_update\":null"), NULL},
        {SCORED("\"new\":{}"), NULL},
        {SCORED("\"completed\":false,\"scores\":[]"), NULL},
        {SCORED("\"completed\":true,\"scores\":null"), "scores: missing, and it is completed"},
        {SCORED("\"completed\":\"true\""), "completed: not a boolean but string"},
        {SCORED("\"scores\":{}"), "scores: wrong kind: object"},
        {SCORED("\"scores\":[7]"), "scores: not an object"},
        {SCORED("\"scores\":[" HAS("A", "\"1\"") "]"), "scores: not both sides"},
        {SCORED("\"scores\":[" HAS("X", "\"1\"") "]"), "scores: name: X is neither side"},
        {SCORED("\"scores\":[" HAS("A", "\"1\"") "," HAS("A", "\"1\"") "]"),
         "scores: name: A is there twice"},
        {SCORED("\"scores\":[" HAS("A", "\"1x\"") "]"), "scores: score: not a number"},
        {SCORED("\"scores\":[" HAS("A", "\"\"") "]"), "scores: score: not a number"},
        {SCORED("\"scores\":[" HAS("A", "null") "]"), "scores: score: missing"},
        {SCORED("\"scores\":[" HAS("A", "[]") "]"), "scores: score: neither text nor a number"},
        {SCORED("\"scores\":[" HAS("A", "\"301\"") "]"), "scores: score: outside 0..300"},
        {SCORED("\"scores\":[" HAS("A", "-1") "]"), "scores: score: outside 0..300"},
        {SCORED("\"last_update\":\"soon\""), "last_update: not an instant"},
        {"[7]", "not an object"},
        {"[{\"id\":\"e1\"}]", "commence_time: missing"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        assert_int_equal(parse(feed_odds_scores, CASES[i].body), 0);
        assert_int_equal(feed.items, 1);
        assert_int_equal(feed.score_count, CASES[i].rule == NULL);
        assert_int_equal(feed.event_count, feed.score_count);
        assert_int_equal(feed.refusal_count, CASES[i].rule != NULL);
        if (CASES[i].rule != NULL) {
            assert_string_equal(feed.refusals[0].rule, CASES[i].rule);
        }
    }
    assert_int_equal(parse(feed_odds_scores, CASES[0].body), 0);
    assert_true(feed.scores[0].over && feed.scores[0].home_score == 101 &&
                feed.scores[0].away_score == 99);
    assert_int_equal(parse(feed_odds_scores, CASES[1].body), 0);
    assert_true(!feed.scores[0].over && feed.scores[0].home_score == MESSAGE_NONE);
    assert_int_equal(parse(feed_odds_scores, "[]"), 0);
    assert_int_equal(feed.items, 0);
}

/* ---- the past ---- */

#define WRAPPED(times, data) "{" times ",\"data\":" data "}"
#define AT "\"timestamp\":\"2025-11-17T23:55:38Z\""
#define AN_EVENT                                                                                   \
    "\"id\":\"e1\",\"commence_time\":\"2025-11-18T00:10:00Z\",\"home_team\":\"H\","                \
    "\"away_team\":\"A\""
#define PAST_BOOK                                                                                  \
    "{\"key\":\"dk\",\"last_update\":\"2025-11-17T23:55:22Z\",\"markets\":["                       \
    "{\"key\":\"player_points\",\"outcomes\":[{\"name\":\"Over\",\"description\":\"A B\","         \
    "\"price\":-110,\"point\":10.5}]},{\"key\":\"h2h\",\"outcomes\":[{\"name\":\"A\",\"price\":3." \
    "3},"                                                                                          \
    "{\"name\":\"H\",\"price\":1.32}]}]}"

static void the_past_is_wrapped(void **state)
{
    (void)state;
    static const struct {
        feed_parse *parse;
        const char *body, *error, *rule; /* of the whole, or of one thing in it */
    } CASES[] = {
        {feed_odds_history_events, WRAPPED(AT, "[{" AN_EVENT "}]"), NULL, NULL},
        {feed_odds_history_events, WRAPPED(AT, "[]"), NULL, NULL},
        {feed_odds_history_events, WRAPPED(AT, "[7]"), NULL, "not an object"},
        {feed_odds_history_events, WRAPPED(AT, "{}"), "data: wrong kind: object", NULL},
        {feed_odds_history_events, WRAPPED(AT, "null"), "data: missing", NULL},
        {feed_odds_history_events, WRAPPED("\"timestamp\":null", "[]"), "timestamp: missing", NULL},
        {feed_odds_history_events, WRAPPED("\"timestamp\":\"now\"", "[]"),
         "timestamp: not an instant", NULL},
        {feed_odds_history_events, WRAPPED("\"timestamp\":5", "[]"),
         "timestamp: not a string but number", NULL},
        {feed_odds_history_events, WRAPPED(AT ",\"previous_timestamp\":7", "[]"), NULL,
         "previous_timestamp: not a string but number"},
        {feed_odds_history_events, WRAPPED(AT ",\"next_timestamp\":\"2025-11-17T23:50:38Z\"", "[]"),
         NULL, "next_timestamp: not behind the timestamp"},
        {feed_odds_history_events,
         WRAPPED(AT ",\"previous_timestamp\":\"2025-11-17T23:50:38Z\",\"next_timestamp\":null",
                 "[]"),
         NULL, NULL},
        {feed_odds_history, WRAPPED(AT, "{" AN_EVENT ",\"bookmakers\":[" PAST_BOOK "]}"), NULL,
         NULL},
        {feed_odds_history, WRAPPED(AT, "{" AN_EVENT ",\"bookmakers\":[]}"), NULL, NULL},
        {feed_odds_history, WRAPPED(AT, "{" AN_EVENT "}"), "data.bookmakers: missing", NULL},
        {feed_odds_history, WRAPPED(AT, "{\"bookmakers\":[]}"), "data.id: missing", NULL},
        {feed_odds_history, WRAPPED(AT, "[]"), "data: wrong kind: array", NULL},
        {feed_odds_history, WRAPPED(AT, "{" AN_EVENT ",\"bookmakers\":[{\"key\":\"dk\"}]}"), NULL,
         "markets: missing"},
        {feed_odds_history,
         WRAPPED(
             AT,
             "{" AN_EVENT
             ",\"bookmakers\":[{\"key\":\"dk\",\"markets\":[{\"key\":\"h2h\",\"outcomes\":[]}]}]}"),
         NULL, "outcomes: not both sides"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        assert_int_equal(parse(CASES[i].parse, CASES[i].body), CASES[i].error != NULL ? -1 : 0);
        assert_string_equal(error, CASES[i].error != NULL ? CASES[i].error : "");
        assert_int_equal(feed.refusal_count, CASES[i].rule != NULL);
        assert_true(feed.snapshot_us == (CASES[i].error != NULL ? 0 : INT64_C(1763423738000000)));
        if (CASES[i].rule != NULL) {
            assert_string_equal(feed.refusals[0].rule, CASES[i].rule);
        }
    }
    assert_int_equal(parse(feed_odds_history, CASES[11].body), 0);
    assert_true(feed.event_count == 1 && feed.line_count == 1 && feed.market_count == 1 &&
                feed.books == 1);
    assert_string_equal(feed.lines[0].path, "data.bookmakers[0].markets[0].outcomes[0]");
    assert_string_equal(feed.markets[0].path, "data.bookmakers[0].markets[1]");
    assert_int_equal(feed.markets[0].second_price, 230);
}

/* ---- play by play ---- */

#define ACTIONS(list) "{\"meta\":{},\"game\":{\"gameId\":\"0022500241\",\"actions\":[" list "]}}"
#define ACTION(number, members) "{\"actionNumber\":" number ",\"period\":1" members "}"
#define SHOT(number, kind, result, who)                                                            \
    ACTION(number, ",\"clock\":\"PT11M38.00S\",\"actionType\":\"" kind "\",\"shotResult\":" result \
                   ",\"personId\":" who                                                            \
                   ",\"teamTricode\":\"BOS\",\"scoreHome\":\"7\",\"scoreAway\":\"5\"")

static void plays_read_and_refuse(void **state)
{
    (void)state;
    assert_int_equal(
        parse(
            feed_nba_plays,
            ACTIONS(
                SHOT("2", "2pt", "\"Made\"", "101") "," SHOT("3", "3pt", "\"Made\"", "101") "," SHOT(
                    "4", "freethrow", "\"Made\"",
                    "101") "," SHOT("5", "3pt", "\"Missed\"",
                                    "101") "," SHOT("7", "heave", "\"Made\"",
                                                    "101") "," SHOT("9", "rebound", "null",
                                                                    "0") "," ACTION("12",
                                                                                    ",\"actionType"
                                                                                    "\":\"period\","
                                                                                    "\"personId\":"
                                                                                    "0,"
                                                                                    "\"teamTricode"
                                                                                    "\":null"))),
        0);
    static const int POINTS[] = {2, 3, 1, 0, 3, 0, 0};
    assert_true(feed.play_count == 7 && feed.refusal_count == 0 && feed.items == 7);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(feed.plays[i].points, POINTS[i]);
    }
    assert_string_equal(feed.game_id, "0022500241");
    assert_string_equal(feed.plays[0].clock, "PT11M38.00S");
    assert_true(feed.plays[0].player_id == 101 && feed.plays[0].home_score == 7 &&
                feed.plays[0].away_score == 5);
    assert_true(feed.plays[5].player_id == MESSAGE_NONE &&
                feed.plays[6].home_score == MESSAGE_NONE);
    static const struct {
        const char *action, *rule;
    } CASES[] = {
        {"7", "not an object"},
        {"{\"period\":1,\"actionType\":\"x\"}", "actionNumber: missing"},
        {ACTION("0", ",\"actionType\":\"x\""), "actionNumber: 0 is outside 1..999999"},
        {ACTION("1", ",\"actionType\":\"x\""), "actionNumber: is already in game.actions[0]"},
        {"{\"actionNumber\":2,\"actionType\":\"x\"}", "period: missing"},
        {"{\"actionNumber\":2,\"actionType\":\"x\",\"period\":15}", "period: 15 is outside 1..14"},
        {ACTION("2", ""), "actionType: missing"},
        {ACTION("2", ",\"actionType\":\"\""), "actionType: empty"},
        {ACTION("2", ",\"actionType\":\"x\",\"personId\":\"101\""),
         "personId: not a whole number but string"},
        {ACTION("2", ",\"actionType\":\"x\",\"clock\":7"), "clock: not a string"},
        {ACTION("2", ",\"actionType\":\"x\",\"scoreHome\":\"x\""),
         "scoreHome: not a number within 0..300"},
        {ACTION("2", ",\"actionType\":\"x\",\"scoreAway\":\"-1\""),
         "scoreAway: not a number within 0..300"},
        {ACTION("2", ",\"actionType\":\"x\",\"scoreAway\":7"),
         "scoreAway: not a string but number"},
        {ACTION("2", ",\"actionType\":\"x\",\"teamTricode\":\"BOSTON\""),
         "teamTricode: longer than 4 bytes"},
        {ACTION("2", ",\"actionType\":\"2pt\",\"shotResult\":\"Made\""),
         "personId: missing, and it went in"},
        {ACTION("2", ",\"actionType\":\"2pt\",\"shotResult\":true"),
         "shotResult: not a string but boolean"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char body[1000];
        snprintf(body, sizeof body, ACTIONS("%s,%s"),
                 ACTION("1", ",\"actionType\":\"x\",\"new\":[]"), CASES[i].action);
        assert_int_equal(parse(feed_nba_plays, body), 0);
        assert_true(feed.play_count == 1 && feed.refusal_count == 1 && feed.items == 2);
        assert_string_equal(feed.refusals[0].rule, CASES[i].rule);
    }
    assert_int_equal(parse(feed_nba_plays, ACTIONS("")), 0);
    assert_int_equal(feed.items, 0);
    static const char *const WRONG[] = {"{\"game\":[]}", "{\"game\":{\"actions\":[]}}",
                                        "{\"game\":{\"gameId\":\"1\"}}",
                                        "{\"game\":{\"gameId\":\"1\",\"actions\":{}}}"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(parse(feed_nba_plays, WRONG[i]), -1);
        assert_true(error[0] != '\0' && feed.game_id[0] == '\0');
    }
}

/* ---- lines at second hand ---- */

static void bp_events_read_and_refuse(void **state)
{
    (void)state;
    static const struct {
        const char *event, *rule;
    } CASES[] = {
        {"7", "not an object"},
        {"{\"scheduled\":\"2021-10-21 23:30:00\",\"home\":\"A\",\"visitor\":\"B\"}", "id: missing"},
        {"{\"id\":\"7\",\"scheduled\":\"2021-10-21 23:30:00\",\"home\":\"A\",\"visitor\":\"B\"}",
         "id: not a whole number but string"},
        {"{\"id\":7,\"home\":\"A\",\"visitor\":\"B\"}", "scheduled: missing"},
        {"{\"id\":7,\"scheduled\":\"2021-10-21T23:30:00\",\"home\":\"A\",\"visitor\":\"B\"}",
         "scheduled: not an instant"},
        {"{\"id\":7,\"scheduled\":\"2021-10-41 23:30:00\",\"home\":\"A\",\"visitor\":\"B\"}",
         "scheduled: not an instant"},
        {"{\"id\":7,\"scheduled\":\"soon\",\"home\":\"A\",\"visitor\":\"B\"}",
         "scheduled: not an instant"},
        {"{\"id\":7,\"scheduled\":\"2021-10-21 23:30:00\",\"home\":null,\"visitor\":\"B\"}",
         "home: missing"},
        {"{\"id\":5,\"scheduled\":\"2021-10-21 23:30:00\",\"home\":\"A\",\"visitor\":\"B\"}",
         "id: is already in events[0]"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char body[600];
        snprintf(body, sizeof body,
                 "{\"events\":[{\"id\":5,\"scheduled\":\"2021-10-21 "
                 "23:30:00\",\"home\":\"ATL\",\"visitor\":\"DAL\",\"x\":{}},%s]}",
                 CASES[i].event);
        assert_int_equal(parse(feed_bp_events, body), 0);
        assert_true(feed.event_count == 1 && feed.refusal_count == 1 && feed.items == 2);
        assert_string_equal(feed.refusals[0].rule, CASES[i].rule);
        assert_string_equal(feed.events[0].event_id, "bp-5");
        assert_string_equal(feed.events[0].away, "DAL");
        assert_true(feed.events[0].commence_us == INT64_C(1634859000000000));
    }
    assert_int_equal(parse(feed_bp_events, "{\"events\":[]}"), 0);
    assert_int_equal(feed.items, 0);
    assert_int_equal(parse(feed_bp_events, "{\"events\":null}"), -1);
}

#define OFFER(event, market, who, over, under)                                                     \
    "{\"event_id\":" event ",\"market_id\":" market ",\"participants\":[" who "],\"selections\":[" \
    "{\"selection\":\"over\",\"books\":[" over "]},{\"selection\":\"under\",\"books\":[" under     \
    "]}]}"
#define BOOK(id, lines) "{\"id\":" id ",\"lines\":[" lines "]}"
#define AT_LINE(line, cost, more) "{\"line\":" line ",\"cost\":" cost more "}"
#define WHO "{\"name\":\"A B\"}"

static void bp_offers_read_and_refuse(void **state)
{
    (void)state;
    assert_int_equal(
        parse(feed_bp_offers,
              "{\"offers\":[" OFFER(
                  "5", "156", WHO,
                  BOOK("0", AT_LINE("9.5", "-1", "")) "," BOOK(
                      "10", AT_LINE("10.5", "-110", ",\"active\":true") "," AT_LINE(
                                "11.5", "-300",
                                "") "," AT_LINE("9.5", "-110",
                                                ",\"active\":false")) "," BOOK("77",
                                                                               AT_LINE("12.5",
                                                                                       "100", "")),
                  BOOK("10", AT_LINE("11.5", "240", ",\"active\":null") "," AT_LINE("10.5", "-105",
                                                                                    ""))) "]}"),
        0);
    assert_true(feed.refusal_count == 0 && feed.line_count == 3 && feed.event_count == 1);
    assert_string_equal(feed.events[0].event_id, "bp-5");
    assert_string_equal(feed.lines[0].book, "bp-fanduel");
    assert_string_equal(feed.lines[0].market, "player_points");
    assert_true(feed.lines[0].main && feed.lines[0].over_price == -110 &&
                feed.lines[0].under_price == -105);
    assert_true(!feed.lines[1].main && feed.lines[1].under_price == 240);
    assert_string_equal(feed.lines[2].book, "bp-77");
    assert_true(!feed.lines[2].main && feed.lines[2].under_price == MESSAGE_NONE);
    static const struct {
        const char *offer, *rule;
    } CASES[] = {
        {"7", "not an object"},
        {OFFER("5", "999", WHO, "", ""), "market_id: no market that is known"},
        {OFFER("5", "\"156\"", WHO, "", ""), "market_id: not a whole number but string"},
        {OFFER("6", "156", WHO, "", ""), "event_id: 6 is another event"},
        {OFFER("null", "156", WHO, "", ""), "event_id: missing"},
        {OFFER("5", "156", "", "", ""), "participants[0]: not an object"},
        {OFFER("5", "156", "{\"name\":7}", "", ""),
         "participants[0]: name: not a string but number"},
        {"{\"event_id\":5,\"market_id\":156,\"participants\":[" WHO "]}", "selections: missing"},
        {"{\"event_id\":5,\"market_id\":156,\"participants\":[" WHO
         "],\"selections\":[{\"selection\":\"both\",\"books\":[]}]}",
         "selection: neither over nor under"},
        {OFFER("5", "156", WHO, "7", ""), "not an object"},
        {OFFER("5", "156", WHO, "{\"id\":10}", ""), "lines: missing"},
        {OFFER("5", "156", WHO, BOOK("10", AT_LINE("\"9.5\"", "-110", "")), ""),
         "line: not a number within 0..200"},
        {OFFER("5", "156", WHO, BOOK("10", AT_LINE("9.5", "1.91", "")), ""),
         "cost: not a whole number but a fraction"},
        {OFFER("5", "156", WHO, BOOK("10", AT_LINE("9.5", "50", "")), ""),
         "cost: no American odds"},
        {OFFER("5", "156", WHO, BOOK("10", AT_LINE("9.5", "-110", ",\"active\":1")), ""),
         "active: not a boolean but number"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char body[2000];
        snprintf(body, sizeof body, "{\"offers\":[%s,%s]}",
                 OFFER("5", "156", WHO, BOOK("12", AT_LINE("8.5", "-110", "")), ""),
                 CASES[i].offer);
        assert_int_equal(parse(feed_bp_offers, body), 0);
        assert_true(feed.line_count == 1 && feed.refusal_count == 1 && feed.items == 2);
        assert_string_equal(feed.refusals[0].rule, CASES[i].rule);
    }
    assert_int_equal(
        parse(feed_bp_offers,
              "{\"offers\":[" OFFER(
                  "5", "156", WHO,
                  BOOK("10", AT_LINE("9.5", "-110", "") "," AT_LINE("9.5", "-115", "")), "") "]}"),
        0);
    assert_string_equal(
        feed.refusals[0].rule,
        "line: the same side is already in offers[0].selections[0].books[0].lines[0]");
    assert_int_equal(parse(feed_bp_offers, "{\"offers\":[]}"), 0);
    assert_true(feed.items == 0 && feed.event_count == 0);
}

/* ---- balldontlie's odds ---- */

#define NO_SPREAD                                                                                  \
    "\"spread_home_value\":null,\"spread_home_odds\":null,\"spread_away_value\":null,"             \
    "\"spread_away_odds\":null"
#define SPREAD(home, home_odds, away, away_odds)                                                   \
    "\"spread_home_value\":" home ",\"spread_home_odds\":" home_odds                               \
    ",\"spread_away_value\":" away ",\"spread_away_odds\":" away_odds

static void bdl_odds_read_every_market(void **state)
{
    (void)state;
    assert_int_equal(
        parse(
            feed_bdl_odds,
            "{\"data\":[{\"id\":1,\"game_id\":77,\"vendor\":\"betway\"," SPREAD(
                "\"-3.5\"", "-110", "\"3.5\"",
                "-112.0") ",\"moneyline_home_odds\":-160,\"moneyline_away_odds\":135,"
                          "\"total_value\":\"228\",\"total_over_odds\":-105,"
                          "\"total_under_odds\":-115,\"updated_at\":"
                          "\"2025-11-17T20:00:00.000Z\",\"new\":{}},"
                          "{\"game_id\":77,\"vendor\":\"caesars\"," NO_SPREAD
                          ",\"moneyline_home_odds\":null,\"moneyline_away_odds\":null,\"total_"
                          "value\":230.5,"
                          "\"total_over_odds\":100,\"total_under_odds\":-120,\"updated_at\":null},"
                          "{\"game_id\":78,\"vendor\":\"betway\"}],\"meta\":{\"next_cursor\":9,"
                          "\"per_page\":100}}"),
        0);
    assert_true(feed.refusal_count == 0 && feed.items == 3 && feed.event_count == 3);
    assert_true(feed.next_page == 9 && feed.market_count == 4);
    static const struct {
        const char *market, *book;
        size_t event;
        double point;
        int64_t first, second;
    } WANTED[] = {{"h2h", "bdl-betway", 0, NAN, -160, 135},
                  {"spreads", "bdl-betway", 0, -3.5, -110, -112},
                  {"totals", "bdl-betway", 0, 228, -105, -115},
                  {"totals", "bdl-caesars", 1, 230.5, 100, -120}};
    for (size_t i = 0; i < 4; i++) {
        const struct feed_market *market = &feed.markets[i];
        assert_string_equal(market->market, WANTED[i].market);
        assert_string_equal(market->book, WANTED[i].book);
        assert_true(market->event == WANTED[i].event && market->first_price == WANTED[i].first &&
                    market->second_price == WANTED[i].second);
        assert_true(market->point == WANTED[i].point ||
                    (isnan(market->point) && isnan(WANTED[i].point)));
    }
    assert_string_equal(feed.events[0].event_id, "bdl-77");
    assert_true(feed.events[2].source_id == 78);
    assert_int_equal(parse(feed_bdl_odds, "{\"data\":[]}"), 0);
    assert_true(feed.items == 0 && feed.refusal_count == 0);
}

static void bdl_odds_refuse_by_rule(void **state)
{
    (void)state;
    static const struct {
        const char *members, *rule;
        size_t markets; /* that stay of it */
    } CASES[] = {
        {"\"vendor\":\"x\"", "game_id: missing", 0},
        {"\"game_id\":\"78\",\"vendor\":\"x\"", "game_id: not a whole number but string", 0},
        {"\"game_id\":78", "vendor: missing", 0},
        {"\"game_id\":78,\"vendor\":\"0123456789012345678901234567890\"",
         "vendor: longer than 28 bytes", 0},
        {"\"game_id\":77,\"vendor\":\"betway\"",
         "vendor: the game's odds of it are already in data[0]", 0},
        {"\"game_id\":78,\"vendor\":\"x\",\"moneyline_home_odds\":-160", "h2h: not both sides", 0},
        {"\"game_id\":78,\"vendor\":\"x\",\"moneyline_home_odds\":-160,\"moneyline_away_odds\":1.9",
         "moneyline_away_odds: not a whole number but a fraction", 0},
        {"\"game_id\":78,\"vendor\":\"x\",\"moneyline_home_odds\":-160,\"moneyline_away_odds\":50",
         "moneyline_away_odds: no American odds", 0},
        {"\"game_id\":78,\"vendor\":\"x\"," SPREAD("\"-3.5\"", "-110", "\"-3.5\"", "-110"),
         "spreads: -3.5 and -3.5 are not each other's opposite", 0},
        {"\"game_id\":78,\"vendor\":\"x\"," SPREAD("\"-3,5\"", "-110", "\"3.5\"", "-110"),
         "spread_home_value: not a number within -100..100", 0},
        {"\"game_id\":78,\"vendor\":\"x\"," SPREAD("\"\"", "-110", "\"3.5\"", "-110"),
         "spread_home_value: not a number within -100..100", 0},
        {"\"game_id\":78,\"vendor\":\"x\",\"total_value\":\"230.5\",\"total_over_odds\":-110,"
         "\"total_under_odds\":null,\"moneyline_home_odds\":-160,\"moneyline_away_odds\":135",
         "totals: not both sides", 1},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char text[1500];
        snprintf(text, sizeof text,
                 "{\"data\":[{\"game_id\":77,\"vendor\":\"betway\",\"total_value\":\"228\","
                 "\"total_over_odds\":-105,\"total_under_odds\":-115},{%s}]}",
                 CASES[i].members);
        assert_int_equal(parse(feed_bdl_odds, text), 0);
        assert_int_equal(feed.refusal_count, 1);
        assert_string_equal(feed.refusals[0].path, "data[1]");
        assert_string_equal(feed.refusals[0].rule, CASES[i].rule);
        assert_int_equal(feed.market_count, 1 + CASES[i].markets);
    }
}

#define PROP(player, type, line, market)                                                           \
    "{\"game_id\":77,\"player_id\":" player ",\"vendor\":\"betway\",\"prop_type\":" type           \
    ",\"line_value\":" line ",\"market\":" market "}"
#define OVER_UNDER(over, under)                                                                    \
    "{\"type\":\"over_under\",\"over_odds\":" over ",\"under_odds\":" under "}"

/* Milestones have no under; what nobody reads and what has no price is no line either: counted, and named once each. */
static void bdl_props_read_lines(void **state)
{
    (void)state;
    static const char *const ROWS[] = {
        PROP("11", "\"points\"", "\"30.0\"", "{\"type\":\"milestone\",\"odds\":200}"),
        PROP("11", "\"points\"", "\"25.5\"", OVER_UNDER("-110", "-110.0")),
        PROP("11", "\"points\"", "26.5", OVER_UNDER("150", "-190")),
        PROP("11", "\"threes\"", "\"2.5\"", OVER_UNDER("105", "null")),
        PROP("12", "\"points\"", "\"35.0\"", "{\"type\":\"milestone\",\"odds\":900}"),
        PROP("12", "\"double_double\"", "null", "{\"type\":\"over_under\"}"),
        PROP("12", "\"points\"", "\"9.5\"", OVER_UNDER("null", "null")),
    };
    char text[2000] = "{\"data\":[";
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%s", i > 0 ? "," : "", ROWS[i]);
    }
    strcat(text, "]}");
    assert_int_equal(parse(feed_bdl_props, text), 0);
    assert_true(feed.items == 7 && feed.line_count == 3 && feed.event_count == 1);
    assert_string_equal(feed.events[0].event_id, "bdl-77");
    assert_string_equal(feed.lines[0].book, "bdl-betway");
    assert_string_equal(feed.lines[0].market, "player_points");
    assert_string_equal(feed.lines[0].player, "11");
    assert_true(feed.lines[0].source_id == 11 && feed.lines[0].main && feed.lines[0].line == 25.5 &&
                feed.lines[0].over_price == -110 && feed.lines[0].under_price == -110);
    assert_true(!feed.lines[1].main && feed.lines[1].line == 26.5);
    assert_string_equal(feed.lines[2].market, "player_threes");
    assert_true(!feed.lines[2].main && feed.lines[2].under_price == MESSAGE_NONE);
    assert_true(feed_broken(&feed) == 0 && feed.refusal_count == 3 && feed.aside == 4);
    assert_string_equal(feed.refusals[0].about, "milestones");
    assert_string_equal(feed.refusals[0].path, "data[0]");
    assert_string_equal(feed.refusals[0].rule, "2 rows are sound, and not read here");
    assert_string_equal(feed.refusals[1].about, "other prop_types");
    assert_string_equal(feed.refusals[2].about, "without a price");
    assert_int_equal(parse(feed_bdl_props, "{\"data\":[]}"), 0);
    assert_true(feed.items == 0 && feed.refusal_count == 0 && feed.event_count == 0);
}

/* Main is of one market: the most even threes say nothing of the points. */
static void bdl_props_have_a_main_line_per_market(void **state)
{
    (void)state;
    assert_int_equal(
        parse(
            feed_bdl_props,
            "{\"data\":[" PROP("11", "\"points\"", "\"25.5\"", OVER_UNDER("-120", "100")) "," PROP(
                "11", "\"threes\"", "\"2.5\"", OVER_UNDER("-110", "-110")) "]}"),
        0);
    assert_true(feed.line_count == 2 && feed.lines[0].main && feed.lines[1].main);
}

static void bdl_props_refuse_by_rule(void **state)
{
    (void)state;
    static const struct {
        const char *row, *rule;
    } CASES[] = {
        {"7", "not an object"},
        {PROP("null", "\"points\"", "\"9.5\"", OVER_UNDER("-110", "-110")), "player_id: missing"},
        {PROP("12", "null", "\"9.5\"", OVER_UNDER("-110", "-110")), "prop_type: missing"},
        {PROP("12", "\"points\"", "null", OVER_UNDER("-110", "-110")), "line_value: missing"},
        {PROP("12", "\"points\"", "\"nan\"", OVER_UNDER("-110", "-110")),
         "line_value: not a number within 0..200"},
        {PROP("12", "\"points\"", "\"201\"", OVER_UNDER("-110", "-110")),
         "line_value: not a number within 0..200"},
        {PROP("12", "\"points\"", "\"9.5\"", "null"), "market: missing"},
        {PROP("12", "\"points\"", "\"9.5\"", "{}"), "market.type: missing"},
        {PROP("12", "\"points\"", "\"9.5\"", "{\"type\":\"parlay\"}"),
         "market.type: neither over_under nor milestone"},
        {PROP("12", "\"points\"", "\"9.5\"", OVER_UNDER("\"-110\"", "-110")),
         "market.over_odds: not a whole number but string"},
        {PROP("11", "\"points\"", "\"25.50\"", OVER_UNDER("-105", "-115")),
         "line_value: the same line is already in data[0]"},
        {"{\"game_id\":78,\"player_id\":12,\"vendor\":\"betway\",\"prop_type\":\"points\","
         "\"line_value\":\"9.5\",\"market\":" OVER_UNDER("-110", "-110") "}",
         "game_id: 78 is another game"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char text[1500];
        snprintf(text, sizeof text, "{\"data\":[%s,%s]}",
                 PROP("11", "\"points\"", "\"25.5\"", OVER_UNDER("-110", "-110")), CASES[i].row);
        assert_int_equal(parse(feed_bdl_props, text), 0);
        assert_int_equal(feed.refusal_count, 1);
        assert_string_equal(feed.refusals[0].path, "data[1]");
        assert_string_equal(feed.refusals[0].rule, CASES[i].rule);
        assert_true(feed_broken(&feed) == 1 && feed.line_count == 1);
    }
}

/* ---- bodies that the services really sent ---- */

static void recorded_bodies(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        feed_parse *parse;
        size_t games, players, events, lines;
    } CASES[] = {
        {"balldontlie/games.json", feed_bdl_games, 9, 0, 0, 0},
        {"balldontlie/game_by_id.json", feed_bdl_games, 1, 0, 0, 0},
        {"balldontlie/box_scores.json", feed_bdl_box_scores, 3, 103, 0, 0},
        {"balldontlie/box_scores_2024_older_shape.json", feed_bdl_box_scores, 2, 71, 0, 0},
        {"balldontlie/box_scores_empty.json", feed_bdl_box_scores, 0, 0, 0, 0},
        {"balldontlie/box_scores_live_derived.json", feed_bdl_box_scores, 7, 150, 0, 0},
        {"balldontlie/player_injuries_page.json", feed_bdl_injuries, 0, 0, 0, 0},
        {"balldontlie/players_active_page.json", feed_bdl_players, 0, 0, 0, 0},
        {"balldontlie/stats.json", feed_bdl_stats, 1, 30, 0, 0},
        {"balldontlie/teams.json", feed_bdl_teams, 0, 0, 0, 0},
        {"balldontlie/players_search.json", feed_bdl_players, 0, 0, 0, 0},
        {"balldontlie/odds_empty.json", feed_bdl_odds, 0, 0, 0, 0},
        {"balldontlie/player_props_documented_example.json", feed_bdl_props, 0, 0, 1, 2},
        {"bettingpros/events.json", feed_bp_events, 0, 0, 2, 0},
        {"nba-cdn/liveData_playbyplay_excerpt.json", feed_nba_plays, 0, 0, 0, 0},
        {"odds-api/scores.json", feed_odds_events, 0, 0, 21, 0},
        {"odds-api/scores.json", feed_odds_scores, 0, 0, 21, 0},
        {"odds-api/event_odds_player_points.json", feed_odds_props, 0, 0, 1, 241},
        {"odds-api/historical_events_2024-01-25.json", feed_odds_history_events, 0, 0, 10, 0},
        {"odds-api/historical_events_2025-03-09.json", feed_odds_history_events, 0, 0, 16, 0},
        {"odds-api/historical_event_odds_h2h.json", feed_odds_history, 0, 0, 1, 0},
        {"odds-api/historical_event_odds_spreads_totals.json", feed_odds_history, 0, 0, 1, 0},
        {"nba-cdn/scheduleLeagueV2_one_day.json", feed_nba_schedule, 2, 0, 0, 0},
    };
    static char body[1 << 20];
    const char *root = getenv("TIPOFF_DATA");
    if (root == NULL) {
        skip();
    }
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char path[600];
        snprintf(path, sizeof path, "%s/api-samples/%s", root, CASES[i].file);
        FILE *in = fopen(path, "rb");
        assert_non_null(in);
        size_t size = fread(body, 1, sizeof body, in);
        fclose(in);
        feed_free(&feed);
        assert_int_equal(CASES[i].parse(body, size, &feed, error), 0);
        assert_int_equal(feed_broken(&feed), 0);
        assert_int_equal(feed.game_count, CASES[i].games);
        assert_int_equal(feed.player_count, CASES[i].players);
        assert_int_equal(feed.event_count, CASES[i].events);
        assert_int_equal(feed.line_count, CASES[i].lines);
    }
}

/* ---- the main line, against a real season's ---- */

#define ROWS_MAX 50000
struct csv_row {
    char group[120]; /* game, snapshot and event: one body */
    char book[40], name[64];
    double line;
    char over[12], under[12];
    bool main;
};
static struct csv_row rows[ROWS_MAX];

static size_t read_rows(const char *root)
{
    char command[700], text[1000];
    size_t count = 0;
    snprintf(command, sizeof command, "gzip -dc '%s/props_points/2025-26_to_2025-11-17.csv.gz'",
             root);
    FILE *in = popen(command, "r");
    assert_non_null(in);
    assert_non_null(fgets(text, sizeof text, in));
    while (fgets(text, sizeof text, in) != NULL) {
        struct csv_row *row = &rows[count++];
        char *field[13], *at = text;
        assert_true(count < ROWS_MAX);
        for (int i = 0; i < 13; i++) {
            field[i] = strsep(&at, ",");
            assert_non_null(field[i]);
        }
        snprintf(row->group, sizeof row->group, "%.20s %.30s %.40s", field[0], field[2], field[3]);
        snprintf(row->book, sizeof row->book, "%.39s", field[5]);
        snprintf(row->name, sizeof row->name, "%.63s", field[7]);
        snprintf(row->over, sizeof row->over, "%.11s", field[9]);
        snprintf(row->under, sizeof row->under, "%.11s", field[10]);
        row->line = atof(field[8]);
        row->main = field[11][0] == '1';
    }
    assert_int_equal(pclose(in), 0);
    return count;
}

static void add_side(json_t *outcomes, const struct csv_row *row, const char *name,
                     const char *price)
{
    if (price[0] != '\0') {
        json_array_append_new(outcomes,
                              json_pack("{s:s,s:s,s:i,s:f}", "name", name, "description", row->name,
                                        "price", atoi(price), "point", row->line));
    }
}

static int by_book(const void *a, const void *b)
{
    const struct csv_row *x = a, *y = b;
    int order = strcmp(x->group, y->group);
    return order != 0 ? order : strcmp(x->book, y->book);
}

/* One body per group, one bookmaker per book, its rows as outcomes; lines come back in the order of the rows. */
static void check_group(const struct csv_row *first, size_t count, size_t *checked, size_t *mains)
{
    json_t *books = json_array();
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || strcmp(first[i].book, first[i - 1].book) != 0) {
            json_array_append_new(books, json_pack("{s:s,s:[{s:s,s:[]}]}", "key", first[i].book,
                                                   "markets", "key", "player_points", "outcomes"));
        }
        json_t *book = json_array_get(books, json_array_size(books) - 1);
        json_t *outcomes =
            json_object_get(json_array_get(json_object_get(book, "markets"), 0), "outcomes");
        add_side(outcomes, &first[i], "Over", first[i].over);
        add_side(outcomes, &first[i], "Under", first[i].under);
    }
    json_t *body =
        json_pack("{s:s,s:s,s:s,s:s,s:o}", "id", "e", "commence_time", "2025-11-18T00:10:00Z",
                  "home_team", "H", "away_team", "A", "bookmakers", books);
    char *text = json_text(body);
    assert_int_equal(parse(feed_odds_props, text), 0);
    assert_int_equal(feed.refusal_count, 0);
    assert_int_equal(feed.line_count, count);
    for (size_t i = 0; i < count; i++) {
        assert_true(feed.lines[i].line == first[i].line);
        assert_int_equal(feed.lines[i].main, first[i].main);
        (*checked)++;
        *mains += feed.lines[i].main;
    }
    free(text);
    json_decref(body);
}

static void main_lines_of_a_season(void **state)
{
    (void)state;
    const char *root = getenv("TIPOFF_DATA");
    if (root == NULL) {
        skip();
    }
    size_t count = read_rows(root), checked = 0, mains = 0;
    qsort(rows, count, sizeof rows[0], by_book);
    for (size_t first = 0, next; first < count; first = next) {
        for (next = first; next < count && strcmp(rows[next].group, rows[first].group) == 0;
             next++) {
        }
        check_group(&rows[first], next - first, &checked, &mains);
    }
    assert_int_equal(checked, 39896);
    assert_int_equal(mains, 21312);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(games_read_states, forget),
        cmocka_unit_test_teardown(games_refuse_by_rule, forget),
        cmocka_unit_test_teardown(games_single_and_pages, forget),
        cmocka_unit_test_teardown(a_body_that_is_none, forget),
        cmocka_unit_test_teardown(box_scores_read_lines, forget),
        cmocka_unit_test_teardown(box_scores_minutes, forget),
        cmocka_unit_test_teardown(box_scores_refuse_one_line, forget),
        cmocka_unit_test_teardown(nulls_of_who_never_came_in, forget),
        cmocka_unit_test_teardown(the_older_shape_and_the_nested_one, forget),
        cmocka_unit_test_teardown(props_pair_sides, forget),
        cmocka_unit_test_teardown(props_equal_lines_the_lowest_is_main, forget),
        cmocka_unit_test_teardown(props_refuse_by_rule, forget),
        cmocka_unit_test_teardown(props_decimal_prices, forget),
        cmocka_unit_test_teardown(events_read_and_refuse, forget),
        cmocka_unit_test_teardown(injuries_read_and_refuse, forget),
        cmocka_unit_test_teardown(a_long_report_is_cut, forget),
        cmocka_unit_test_teardown(squads_read_and_refuse, forget),
        cmocka_unit_test_teardown(lineups_read_and_refuse, forget),
        cmocka_unit_test_teardown(lineups_of_more_than_a_page, forget),
        cmocka_unit_test_teardown(game_markets_have_two_sides, forget),
        cmocka_unit_test_teardown(game_markets_refuse, forget),
        cmocka_unit_test_teardown(single_lines_read_and_refuse, forget),
        cmocka_unit_test_teardown(teams_read_and_refuse, forget),
        cmocka_unit_test_teardown(scores_read_and_refuse, forget),
        cmocka_unit_test_teardown(the_past_is_wrapped, forget),
        cmocka_unit_test_teardown(plays_read_and_refuse, forget),
        cmocka_unit_test_teardown(bp_events_read_and_refuse, forget),
        cmocka_unit_test_teardown(bp_offers_read_and_refuse, forget),
        cmocka_unit_test_teardown(bdl_odds_read_every_market, forget),
        cmocka_unit_test_teardown(bdl_odds_refuse_by_rule, forget),
        cmocka_unit_test_teardown(bdl_props_read_lines, forget),
        cmocka_unit_test_teardown(bdl_props_have_a_main_line_per_market, forget),
        cmocka_unit_test_teardown(bdl_props_refuse_by_rule, forget),
        cmocka_unit_test_teardown(schedule_reads_games, forget),
        cmocka_unit_test_teardown(recorded_bodies, forget),
        cmocka_unit_test_teardown(main_lines_of_a_season, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
