/* Lists that are not of one game, and lists of games in play, as the processor judges them: what fails is said by name, once, and so is
 * that it holds again. */
#include "actors/harness.h"
#include "actors/processor/processor.h"
#include "config/clock.h"
#include "schema/messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DAY "2025-11-17"
#define HOUR INT64_C(3600000000)
#define PEOPLE 60

static const struct {
    const char *code, *city, *name;
    int bdl;
} TEAMS[] = {{"BOS", "Boston", "Celtics", 2},   {"TOR", "Toronto", "Raptors", 28},
             {"NYK", "New York", "Knicks", 20}, {"MIA", "Miami", "Heat", 16},
             {"CHI", "Chicago", "Bulls", 5},    {"DEN", "Denver", "Nuggets", 8}};
#define TEAM_COUNT (sizeof TEAMS / sizeof TEAMS[0])

static struct harness *harness;
static int64_t now_us;
static uint64_t fetched;
static size_t forgotten;

static void give(const struct message_desc *desc, const void *message)
{
    now_us += 1000;
    assert_true(harness_put(harness, desc, message, now_us) > 0);
    assert_int_equal(harness_run(harness), 0);
}

static void give_raw(const char *feed, const char *subject, const char *body)
{
    struct msg_raw_exchange raw;
    message_clear(&msg_raw_exchange_desc, &raw);
    now_us += 180 * INT64_C(1000000);
    snprintf(raw.feed, sizeof raw.feed, "%s", feed);
    snprintf(raw.subject, sizeof raw.subject, "%s", subject);
    snprintf(raw.url, sizeof raw.url, "http://upstream/%s", subject);
    snprintf(raw.body_sha256, sizeof raw.body_sha256, "%064llx", (unsigned long long)++fetched);
    raw.status = 200;
    raw.fetched_at = now_us;
    raw.body = (struct span){(const uint8_t *)body, (uint32_t)strlen(body)};
    give(&msg_raw_exchange_desc, &raw);
}

/* ---- the league ---- */

static void give_team(size_t i)
{
    struct msg_history_team row;
    message_clear(&msg_history_team_desc, &row);
    strcpy(row.import_id, "i1");
    strcpy(row.team, TEAMS[i].code);
    row.bdl_team_id = TEAMS[i].bdl;
    strcpy(row.city, TEAMS[i].city);
    strcpy(row.name, TEAMS[i].name);
    snprintf(row.odds_api_name, sizeof row.odds_api_name, "%s %s", TEAMS[i].city, TEAMS[i].name);
    strcpy(row.full_name, row.odds_api_name);
    strcpy(row.source, "teams.csv:2");
    give(&msg_history_team_desc, &row);
}

static void give_player(int i)
{
    struct msg_history_player row;
    message_clear(&msg_history_player_desc, &row);
    strcpy(row.import_id, "i1");
    row.player_id = 200 + i;
    snprintf(row.player_name, sizeof row.player_name, "Ann %c%c", 'A' + i / 26, 'a' + i % 26);
    snprintf(row.name_key, sizeof row.name_key, "ann %c%c", 'a' + i / 26, 'a' + i % 26);
    row.bdl_player_id = 1000 + i;
    strcpy(row.source, "players.csv:2");
    give(&msg_history_player_desc, &row);
}

static void give_game(int i)
{
    struct msg_history_game row;
    message_clear(&msg_history_game_desc, &row);
    strcpy(row.import_id, "i1");
    snprintf(row.game_id, sizeof row.game_id, "002250024%d", i);
    strcpy(row.season, "2025-26");
    row.game_date = 20251117;
    strcpy(row.home, TEAMS[2 * i].code);
    strcpy(row.away, TEAMS[2 * i + 1].code);
    strcpy(row.status, "scheduled");
    assert_int_equal(clock_parse_utc("2025-11-18T00:00:00Z", &row.tip_at), 0);
    strcpy(row.source, "games.csv:2");
    give(&msg_history_game_desc, &row);
}

static void give_league(int games)
{
    struct msg_import_commit commit;
    for (size_t i = 0; i < TEAM_COUNT; i++) {
        give_team(i);
    }
    for (int i = 0; i < PEOPLE; i++) {
        give_player(i);
    }
    for (int i = 0; i < games; i++) {
        give_game(i);
    }
    message_clear(&msg_import_commit_desc, &commit);
    strcpy(commit.import_id, "i1");
    snprintf(commit.sha256, sizeof commit.sha256, "%064d", 0);
    give(&msg_import_commit_desc, &commit);
}

/* ---- what it says ---- */

static void forget_said(void)
{
    forgotten = harness_count(harness, &msg_row_check_desc);
}

static int said(void)
{
    return (int)(harness_count(harness, &msg_row_check_desc) - forgotten);
}

/* The newest of that name since. */
static const struct msg_row_check *check_of(const char *name)
{
    const struct msg_row_check *found = NULL;
    for (size_t i = forgotten; i < harness_count(harness, &msg_row_check_desc); i++) {
        const struct msg_row_check *row = harness_at(harness, &msg_row_check_desc, i)->message;
        found = strcmp(row->check, name) == 0 ? row : found;
    }
    return found;
}

static void expect_fails(const char *name, const char *outputs)
{
    const struct msg_row_check *row = check_of(name);
    if (row == NULL) {
        fail_msg("nothing was said of %s", name);
        return;
    }
    assert_false(row->good);
    assert_string_equal(row->outputs, outputs);
}

static void expect_holds(const char *name)
{
    const struct msg_row_check *row = check_of(name);
    assert_true(row != NULL && row->good);
}

/* ---- lists of people ---- */

struct list {
    int first, count; /* of the people; those beyond PEOPLE are strangers */
    size_t teams;     /* so many of the teams, in turn; 0: all */
    int bare;         /* so many of them lack what others have */
    int odd;          /* so many have a return date that is none */
    int broken;       /* so many more break a rule */
    int next;         /* page */
};

static const char *list_body(const struct list *list, bool squad)
{
    static char text[60000];
    int used = snprintf(text, sizeof text, "{\"data\":[");
    for (int i = 0; i < list->count + list->broken; i++) {
        size_t team = (size_t)i % (list->teams > 0 ? list->teams : TEAM_COUNT);
        const char *comma = i > 0 ? "," : "";
        int id = 1000 + list->first + i;
        char *at = text + used;
        size_t room = sizeof text - (size_t)used;
        if (i >= list->count) {
            used += snprintf(at, room, "%s7", comma);
        } else if (squad) {
            used += snprintf(at, room,
                             "%s{\"id\":%d,\"first_name\":\"Bo\",\"last_name\":\"Nobody%d\","
                             "\"position\":\"%s\",\"team\":{\"id\":%d,\"abbreviation\":\"%s\"}}",
                             comma, id, id, i < list->bare ? "" : "G", TEAMS[team].bdl,
                             TEAMS[team].code);
        } else {
            used += snprintf(at, room,
                             "%s{\"player\":{\"id\":%d,\"first_name\":\"Bo\",\"last_name\":"
                             "\"Nobody%d\",\"team_id\":%d},\"return_date\":\"%s\","
                             "\"description\":\"%s\",\"status\":\"Out\"}",
                             comma, id, id, TEAMS[team].bdl, i < list->odd ? "soon" : "Oct 1",
                             i < list->bare ? "" : "Knee.");
        }
    }
    snprintf(text + used, sizeof text - (size_t)used,
             list->next ? "],\"meta\":{\"next_cursor\":%d}}" : "]}", list->next);
    return text;
}

static void injuries_page(const char *subject, struct list list)
{
    give_raw("bdl_injuries", subject, list_body(&list, false));
}
static void injuries(struct list list)
{
    injuries_page("bdl_injuries", list);
}
static void squads(struct list list)
{
    give_raw("bdl_players", "bdl_players", list_body(&list, true));
}
#define ON_INJURIES "features,predictions"

static void a_list_that_shrinks_to_half_is_suspicious(void **state)
{
    (void)state;
    give_league(3);
    injuries((struct list){.count = 24}); /* of the first nobody knows how long it should be */
    injuries((struct list){.count = 26});
    injuries((struct list){.count = 26});
    assert_int_equal(said(), 0);
    injuries((struct list){.count = 12});
    assert_int_equal(said(), 1);
    const struct msg_row_check *rows = check_of("injuries_rows");
    expect_fails("injuries_rows", ON_INJURIES);
    assert_string_equal(rows->game_id, DAY);
    assert_int_equal(rows->game_date, 20251117);
    assert_string_equal(rows->feed, "bdl_injuries");
    assert_true(rows->value == 12 && rows->least > 15.5 && rows->least < 15.7);
    forget_said();
    injuries((struct list){.count = 12});
    assert_int_equal(harness_restart(harness), 0);
    injuries((struct list){.count = 12});
    assert_int_equal(said(), 0); /* the same again is no news, and no measure for the next */
    injuries((struct list){.count = 0});
    assert_true(check_of("injuries_rows")->value == 0); /* fails otherwise */
    injuries((struct list){.count = 23});
    expect_holds("injuries_rows");
    forget_said();
    injuries((struct list){.count = 50}); /* and one that doubles */
    expect_fails("injuries_rows", ON_INJURIES);
}

/* What is held against nothing does not fail for ever: what stays is how things are. */
static void a_list_that_stays_short_is_how_things_are(void **state)
{
    (void)state;
    give_league(3);
    injuries((struct list){.count = 40});
    injuries((struct list){.count = 20});
    expect_fails("injuries_rows", ON_INJURIES);
    forget_said();
    now_us += 11 * HOUR;
    injuries((struct list){.count = 21});
    expect_fails("injuries_rows", ON_INJURIES);
    forget_said();
    now_us += HOUR;
    injuries((struct list){.count = 20});
    expect_holds("injuries_rows"); /* said of the day on which it failed, which is over */
    injuries((struct list){.count = 20});
    assert_string_equal(check_of("injuries_rows")->game_id, DAY);
}

/* Failed yesterday, holds today. */
static void what_holds_today_ends_what_failed_yesterday(void **state)
{
    (void)state;
    give_league(3);
    injuries((struct list){.count = 24, .bare = 20});
    expect_fails("injuries_nulls", ON_INJURIES);
    forget_said();
    now_us += 24 * HOUR;
    injuries((struct list){.count = 24});
    expect_holds("injuries_nulls");
    assert_int_equal(said(), 1);
    assert_string_equal(check_of("injuries_nulls")->game_id, DAY);
    assert_int_equal(check_of("injuries_nulls")->game_date, 20251117);
}

static void reports_of_injuries_are_checked(void **state)
{
    static const struct {
        const char *name;
        struct list list;
    } FAIL[] = {{"injuries_unknown", {.first = PEOPLE - 12, .count = 24}},
                {"injuries_nulls", {.count = 24, .bare = 13}},
                {"injuries_dates", {.count = 24, .odd = 13}},
                {"injuries_broken", {.count = 24, .broken = 3}},
                {"injuries_lost", {.count = 24, .teams = 2}}},
      HOLD[] = {{"injuries_unknown", {.first = PEOPLE - 18, .count = 24}},
                {"injuries_nulls", {.count = 24, .bare = 12}},
                {"injuries_dates", {.count = 24, .odd = 12}},
                {"injuries_broken", {.count = 24, .broken = 2}},
                {"injuries_lost", {.count = 24, .teams = 3}}};
    (void)state;
    give_league(3);
    for (size_t i = 0; i < sizeof FAIL / sizeof FAIL[0]; i++) {
        injuries(HOLD[i].list);
        assert_int_equal(said(), 0);
        injuries(FAIL[i].list);
        expect_fails(FAIL[i].name, ON_INJURIES);
        assert_int_equal(said(), 1);
        forget_said();
        injuries(FAIL[i].list);
        assert_int_equal(said(), 0);
        injuries(HOLD[i].list);
        expect_holds(FAIL[i].name);
        assert_int_equal(said(), 1);
        forget_said();
    }
}

/* A day of no games, and one of so few that chance decides, say nothing about who is missing. */
static void a_day_of_no_games_misses_nobody(void **state)
{
    (void)state;
    give_league(2);
    injuries((struct list){.count = 24, .teams = 1});
    assert_int_equal(said(), 0);
    now_us += 24 * HOUR;
    squads((struct list){.count = 20, .teams = 1});
    assert_int_equal(said(), 0);
}

/* Each page comes when it changed, and a list fails when all of it is known to be of one time: with its last page. */
static void pages_are_one_list(void **state)
{
    (void)state;
    give_league(3);
    injuries((struct list){.count = 12, .next = 50});
    assert_int_equal(said(), 0);
    injuries_page("bdl_injuries:50", (struct list){.first = 12, .count = 12});
    injuries((struct list){.count = 13, .next = 50}); /* the other has not changed */
    injuries_page("bdl_injuries:50", (struct list){.first = 13, .count = 12});
    assert_int_equal(said(), 0);
    injuries((struct list){.count = 12, .next = 51}); /* of the page behind it nothing is known */
    assert_int_equal(said(), 0);
    injuries_page("bdl_injuries:51", (struct list){.first = 12, .count = 13});
    assert_int_equal(said(), 0);
    injuries((struct list){.count = 12}); /* cut off behind the first */
    expect_fails("injuries_rows", ON_INJURIES);
    assert_true(check_of("injuries_rows")->value == 12);
    forget_said();
    injuries((struct list){.count = 12, .next = 51}); /* whole again: the other has not changed */
    expect_holds("injuries_rows");
    assert_true(check_of("injuries_rows")->value == 25);
    forget_said();
    injuries_page("bdl_injuries:51", (struct list){.first = 12, .count = 2});
    expect_fails("injuries_rows", ON_INJURIES);
    assert_true(check_of("injuries_rows")->value == 14);
}

/* The first page is of today, the other still of yesterday. */
static void pages_of_two_days_are_no_list(void **state)
{
    (void)state;
    give_league(3);
    injuries((struct list){.count = 24, .next = 50});
    injuries_page("bdl_injuries:50", (struct list){.first = 24, .count = 24});
    injuries((struct list){.count = 4, .bare = 4, .next = 50});
    injuries((struct list){.first = PEOPLE - 1, .count = 24, .next = 50});
    assert_int_equal(said(), 0);
    injuries_page("bdl_injuries:50", (struct list){.first = 24, .count = 24});
    expect_fails("injuries_unknown", ON_INJURIES);
    assert_int_equal(said(), 1);
}

/* Held against the mean of the days before, if there are enough. */
static void reports_of_a_team_drift(void **state)
{
    (void)state;
    give_league(3);
    for (int day = 0; day < 4; day++, now_us += 24 * HOUR) {
        injuries((struct list){.count = 24}); /* four of a team */
    }
    injuries((struct list){.count = 54});
    now_us += 24 * HOUR;
    assert_int_equal(said(), 0); /* too few days */
    injuries((struct list){.count = 24});
    now_us += 24 * HOUR;
    injuries((struct list){.count = 57, .teams = 4});
    expect_fails("injuries_drift", ON_INJURIES);
    forget_said();
    injuries((struct list){.count = 24});
    expect_holds("injuries_drift");
}

static void squads_are_checked(void **state)
{
    static const struct list GOOD = {.count = 58};
    static const struct {
        const char *name;
        struct list list;
    } FAIL[] = {{"players_rows", {.count = 27}},
                {"players_lost", {.count = 45, .teams = 4}},
                {"players_team", {.count = 45}},
                {"players_unknown", {.first = 30, .count = 58}},
                {"players_nulls", {.count = 58, .bare = 30}},
                {"players_broken", {.count = 58, .broken = 7}}};
    (void)state;
    give_league(3);
    for (size_t i = 0; i < sizeof FAIL / sizeof FAIL[0]; i++) {
        squads(GOOD);
        assert_int_equal(said(), 0);
        squads(FAIL[i].list);
        expect_fails(FAIL[i].name, "features,predictions");
        int failed = said();
        squads(FAIL[i].list);
        assert_int_equal(said(), failed);
        squads(GOOD);
        expect_holds(FAIL[i].name);
        assert_int_equal(said(), 2 * failed);
        forget_said();
    }
}

/* ---- teams ---- */

static void teams(size_t count, size_t strangers)
{
    char text[4000];
    int used = snprintf(text, sizeof text, "{\"data\":[");
    for (size_t i = 0; i < count + strangers; i++) {
        bool known = i < count;
        used +=
            snprintf(text + used, sizeof text - (size_t)used,
                     "%s{\"id\":%d,\"conference\":\"East\",\"abbreviation\":\"%s\",\"full_name\":"
                     "\"%s\"}",
                     i > 0 ? "," : "", known ? TEAMS[i].bdl : 100 + (int)i,
                     known ? TEAMS[i].code : "ZZ", known ? TEAMS[i].name : "Strangers");
    }
    snprintf(text + used, sizeof text - (size_t)used, "]}");
    give_raw("bdl_teams", "bdl_teams", text);
}

static void teams_are_checked(void **state)
{
    (void)state;
    give_league(3);
    teams(6, 0);
    assert_int_equal(said(), 0);
    teams(3, 0);
    expect_fails("teams_lost", "features,predictions");
    assert_true(check_of("teams_lost")->value == 0.5);
    teams(6, 0);
    expect_holds("teams_lost");
    assert_null(check_of("teams_unknown"));
    teams(6, 4);
    expect_fails("teams_unknown", "features,predictions");
    assert_true(check_of("teams_unknown")->value == 0.4);
}

/* ---- games ---- */

/* Games of the league, `first` to `last`, and others that no schedule has. */
static void games(int first, int last, int others, const char *status)
{
    char text[8000];
    int used = snprintf(text, sizeof text, "{\"data\":[");
    for (int i = first; i <= last + others; i++) {
        int home = i <= last ? 2 * i : 0, away = i <= last ? 2 * i + 1 : 2 + (i - last);
        used += snprintf(text + used, sizeof text - (size_t)used,
                         "%s{\"id\":%d,\"date\":\"" DAY "\",\"datetime\":\"2025-11-18T00:00:00Z\","
                         "\"status\":\"%s\",\"period\":0,\"home_team\":{\"id\":%d,\"abbreviation\":"
                         "\"%s\"},\"visitor_team\":{\"id\":%d,\"abbreviation\":\"%s\"}}",
                         i > first ? "," : "", 70 + i, status, TEAMS[home].bdl, TEAMS[home].code,
                         TEAMS[away].bdl, TEAMS[away].code);
    }
    snprintf(text + used, sizeof text - (size_t)used, "]}");
    give_raw("bdl_games", "bdl_games:" DAY, text);
}

static void a_days_games_are_those_of_the_schedule(void **state)
{
    (void)state;
    give_league(3);
    games(0, 2, 0, "7:00 pm ET");
    games(0, 1, 0, "7:00 pm ET"); /* one may have been called off */
    assert_int_equal(said(), 0);
    games(0, 0, 0, "7:00 pm ET");
    assert_int_equal(said(), 1);
    expect_fails("games_lost", "live");
    assert_string_equal(check_of("games_lost")->game_id, DAY);
    games(0, 2, 0, "7:00 pm ET");
    expect_holds("games_lost");
    forget_said();
    games(0, 0, 0, "Postponed"); /* what is called off is owed by nobody: two are left */
    games(0, -1, 0, "");
    assert_int_equal(said(), 0);
}

static void games_that_no_schedule_has(void **state)
{
    (void)state;
    give_league(3);
    games(0, 2, 2, "7:00 pm ET");
    assert_int_equal(said(), 0); /* exactly as many as may be */
    games(0, 2, 3, "7:00 pm ET");
    expect_fails("games_unknown", "live");
    games(0, 2, 0, "7:00 pm ET");
    expect_holds("games_unknown");
}

/* `from`: number of the first; `days`: on as many days, from that day on. */
static void schedule(int from, int to, const char *day, const char *tip, const char *code)
{
    static char text[60000];
    int used = snprintf(text, sizeof text, "{\"leagueSchedule\":{\"gameDates\":[{\"games\":[");
    for (int i = from; i < to; i++) {
        used += snprintf(
            text + used, sizeof text - (size_t)used,
            "%s{\"gameId\":\"00225%05d\",\"gameStatus\":1,\"gameDateEst\":\"%sT00:00:00Z\","
            "\"gameDateTimeEst\":\"%sT%s:00Z\",\"gameDateTimeUTC\":\"2025-11-18T00:00:00Z\","
            "\"homeTeam\":{\"teamTricode\":\"%s\"},\"awayTeam\":{\"teamTricode\":\"%s\"}}",
            i > from ? "," : "", 240 + i, i < 3 ? day : "2025-12-01", i < 3 ? day : "2025-12-01",
            tip, i < 3 ? TEAMS[2 * i].code : code, i < 3 ? TEAMS[2 * i + 1].code : "TOR");
    }
    snprintf(text + used, sizeof text - (size_t)used, "]}]}}");
    give_raw("nba_schedule", "nba_schedule", text);
}
#define ON_SCHEDULE "odds,features,predictions,live"

static void the_schedule_is_checked(void **state)
{
    (void)state;
    give_league(0);
    schedule(0, 40, DAY, "19:00", "BOS");
    schedule(0, 40, DAY, "19:00", "BOS");
    assert_int_equal(said(), 0);
    schedule(0, 20, DAY, "19:00", "BOS");
    expect_fails("schedule_rows", ON_SCHEDULE);
    assert_int_equal(said(), 1);
    schedule(0, 40, DAY, "19:00", "BOS");
    expect_holds("schedule_rows");
    forget_said();
    schedule(1, 40, DAY, "19:00", "BOS");
    expect_fails("schedule_lost", ON_SCHEDULE);
    schedule(0, 40, DAY, "00:00", "BOS"); /* as the league writes that it is not set */
    expect_holds("schedule_lost");
    expect_fails("schedule_tips", ON_SCHEDULE);
    schedule(0, 40, DAY, "19:00", "XYZ");
    expect_holds("schedule_tips");
    expect_fails("schedule_unknown", ON_SCHEDULE);
}

/* Moved to another day, with the day's other games: none of them is lost. */
static void what_is_moved_is_not_lost(void **state)
{
    (void)state;
    give_league(0);
    schedule(0, 40, DAY, "19:00", "BOS");
    schedule(0, 40, "2025-11-25", "19:00", "BOS");
    assert_int_equal(said(), 0);
}

/* ---- events ---- */

static void events(int count, int strangers)
{
    char text[4000];
    int used = snprintf(text, sizeof text, "[");
    for (int i = 0; i < count + strangers; i++) {
        int home = i < count ? 2 * i : 0, away = i < count ? 2 * i + 1 : 2;
        used += snprintf(text + used, sizeof text - (size_t)used,
                         "%s{\"id\":\"e%d\",\"commence_time\":\"2025-11-18T00:10:00Z\","
                         "\"home_team\":\"%s %s\",\"away_team\":\"%s %s\"}",
                         i > 0 ? "," : "", i, TEAMS[home].city, TEAMS[home].name, TEAMS[away].city,
                         TEAMS[away].name);
    }
    snprintf(text + used, sizeof text - (size_t)used, "]");
    give_raw("odds_events", "odds_events", text);
}

static void events_are_checked(void **state)
{
    (void)state;
    events(3, 0); /* nobody knows a game: nothing to be held against */
    give_league(3);
    events(3, 0);
    events(2, 0);
    assert_int_equal(said(), 0);
    events(1, 0);
    expect_fails("events_lost", "odds");
    events(3, 0);
    expect_holds("events_lost");
    events(3, 3);
    expect_fails("events_unknown", "odds");
    events(3, 0);
    expect_holds("events_unknown");
    forget_said();
    now_us += 5 * HOUR; /* they have begun */
    events(0, 0);
    assert_int_equal(said(), 0);
}

/* ---- games in play ---- */

struct play {
    int lines;     /* of either side */
    int strangers; /* of them, at home */
    int points;    /* of each */
    int home;      /* the score; the visitors': lines * points */
    int minutes, period;
};

static int side(char *text, size_t size, const struct play *play, int first)
{
    int used = 0;
    for (int i = 0; i < play->lines; i++) {
        int id = 1000 + first + i + (first == 0 && i < play->strangers ? 500 : 0);
        used += snprintf(
            text + used, size - (size_t)used,
            "%s{\"min\":\"%02d\",\"fgm\":0,\"fga\":0,\"fg3m\":0,\"fg3a\":0,\"ftm\":%d,\"fta\":%d,"
            "\"oreb\":0,\"dreb\":0,\"reb\":0,\"ast\":0,\"stl\":0,\"blk\":0,\"turnover\":0,\"pf\":0,"
            "\"pts\":%d,\"plus_minus\":0,\"player\":{\"id\":%d,\"first_name\":\"Bo\",\"last_name\":"
            "\"Nobody%d\"}}",
            i > 0 ? "," : "", play->minutes, play->points, play->points, play->points, id, id);
    }
    return used;
}

static const char *play_body(const struct play *play, const char *status)
{
    static char text[60000];
    int used =
        snprintf(text, sizeof text,
                 "{\"data\":[{\"id\":70,\"date\":\"" DAY "\",\"datetime\":"
                 "\"2025-11-18T00:00:00Z\",\"status\":\"%s\",\"period\":%d,\"time\":\"5:00\","
                 "\"home_team_score\":%d,\"visitor_team_score\":%d,\"home_team\":{\"id\":2,"
                 "\"abbreviation\":\"BOS\",\"players\":[",
                 status, play->period, play->home, play->lines * play->points);
    used += side(text + used, sizeof text - (size_t)used, play, 0);
    used += snprintf(text + used, sizeof text - (size_t)used,
                     "]},\"visitor_team\":{\"id\":28,\"abbreviation\":\"TOR\",\"players\":[");
    used += side(text + used, sizeof text - (size_t)used, play, 20);
    snprintf(text + used, sizeof text - (size_t)used, "]}}]}");
    return text;
}

static void live(struct play play)
{
    give_raw("bdl_live", "bdl_live", play_body(&play, "2nd Qtr"));
}

static void a_game_in_play_is_checked(void **state)
{
    static const struct {
        const char *name;
        struct play play;
    } FAIL[] = {
        {"live_lost", {.lines = 8, .points = 2, .home = 16, .minutes = 10, .period = 2}},
        {"live_sum", {.lines = 13, .points = 2, .home = 35, .minutes = 10, .period = 2}},
        {"live_minutes", {.lines = 13, .points = 2, .home = 26, .minutes = 27, .period = 2}},
    };
    static const struct play GOOD = {
        .lines = 13, .points = 2, .home = 34, .minutes = 26, .period = 2}; /* the lines are late */
    (void)state;
    give_league(3);
    for (size_t i = 0; i < sizeof FAIL / sizeof FAIL[0]; i++) {
        live(GOOD);
        assert_int_equal(said(), 0);
        live(FAIL[i].play);
        expect_fails(FAIL[i].name, "live");
        assert_string_equal(check_of(FAIL[i].name)->game_id, "0022500240");
        live(FAIL[i].play);
        assert_int_equal(said(), 1);
        live(GOOD);
        expect_holds(FAIL[i].name);
        assert_int_equal(said(), 2);
        forget_said();
    }
}

static void strangers_in_play_are_counted(void **state)
{
    (void)state;
    give_league(3);
    live((struct play){.lines = 13, .strangers = 6, .minutes = 5, .period = 1});
    assert_int_equal(said(), 0);
    harness_close(&harness);
    harness = harness_open(&processor_actor, NULL);
    forgotten = 0;
    give_league(3);
    live((struct play){.lines = 13, .strangers = 7, .minutes = 5, .period = 1});
    expect_fails("live_unknown", "live");
}

/* The final box score is the last list of a game: what failed in play and holds there is over; what fails there has other names. */
static void the_final_box_score_ends_what_failed_in_play(void **state)
{
    (void)state;
    struct play over = {.lines = 13, .points = 2, .home = 46, .minutes = 30, .period = 4};
    give_league(3);
    live((struct play){.lines = 13, .points = 2, .home = 46, .minutes = 10, .period = 2});
    expect_fails("live_sum", "live");
    forget_said();
    give_raw("bdl_box_scores", "bdl_box_scores:" DAY, play_body(&over, "Final"));
    expect_fails("box_sum", "boxscore,grades");
    assert_null(check_of("live_sum"));
    over.home = 26;
    give_raw("bdl_box_scores", "bdl_box_scores:" DAY, play_body(&over, "Final"));
    expect_holds("box_sum");
    expect_holds("live_sum");
}

/* ---- line-ups ---- */

/* `sides`: 1: of the home side alone. */
static void lineup(int count, int starters, int first, int sides)
{
    static char text[20000];
    int used = snprintf(text, sizeof text, "{\"data\":[");
    for (int i = 0; i < count; i++) {
        int id = 1000 + first + i;
        used += snprintf(text + used, sizeof text - (size_t)used,
                         "%s{\"id\":%d,\"game_id\":70,\"starter\":%s,\"position\":\"G\",\"player\":"
                         "{\"id\":%d,\"first_name\":\"Bo\",\"last_name\":\"Nobody%d\"},\"team\":"
                         "{\"id\":%d,\"abbreviation\":\"%s\"}}",
                         i > 0 ? "," : "", i + 1, i < starters ? "true" : "false", id, id,
                         i % sides ? 28 : 2, i % sides ? "TOR" : "BOS");
    }
    snprintf(text + used, sizeof text - (size_t)used, "]}");
    give_raw("bdl_lineups", "bdl_lineups:70", text);
}

static void lineups_are_checked(void **state)
{
    (void)state;
    give_league(3);
    games(0, 2, 0, "7:00 pm ET");
    lineup(0, 0, 0, 2); /* not out yet */
    lineup(5, 5, 0, 2);
    lineup(15, 5, 0, 1); /* of one side only */
    lineup(20, 10, 0, 2);
    assert_int_equal(said(), 0);
    lineup(20, 3, 0, 2);
    expect_fails("lineup_starters", "live");
    assert_true(check_of("lineup_starters")->value == 7);
    assert_string_equal(check_of("lineup_starters")->game_id, "0022500240");
    lineup(20, 10, PEOPLE - 10, 2);
    expect_holds("lineup_starters");
    expect_fails("lineup_unknown", "live");
}

static int set_up(void **state)
{
    (void)state;
    assert_int_equal(clock_zone_set("America/New_York"), 0);
    assert_int_equal(clock_parse_utc("2025-11-17T20:00:00Z", &now_us), 0);
    forgotten = 0;
    harness = harness_open(&processor_actor, NULL);
    return harness != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    harness_close(&harness);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    messages_register();
    const struct CMUnitTest tests[] = {
        TEST(a_list_that_shrinks_to_half_is_suspicious),
        TEST(a_list_that_stays_short_is_how_things_are),
        TEST(what_holds_today_ends_what_failed_yesterday),
        TEST(reports_of_injuries_are_checked),
        TEST(a_day_of_no_games_misses_nobody),
        TEST(pages_are_one_list),
        TEST(pages_of_two_days_are_no_list),
        TEST(reports_of_a_team_drift),
        TEST(squads_are_checked),
        TEST(teams_are_checked),
        TEST(a_days_games_are_those_of_the_schedule),
        TEST(games_that_no_schedule_has),
        TEST(the_schedule_is_checked),
        TEST(what_is_moved_is_not_lost),
        TEST(events_are_checked),
        TEST(a_game_in_play_is_checked),
        TEST(strangers_in_play_are_counted),
        TEST(the_final_box_score_ends_what_failed_in_play),
        TEST(lineups_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
