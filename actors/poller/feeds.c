#include "actors/poller/feeds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/clock.h"

const char *const FEED_SOURCES[SOURCE_COUNT] = {
    [SOURCE_LEAGUE] = "league",
    [SOURCE_BDL] = "bdl",
    [SOURCE_ODDS] = "odds",
    [SOURCE_BETTINGPROS] = "bettingpros",
};

const struct feed_desc FEEDS[FEED_COUNT] = {
    [FEED_NBA_SCHEDULE] = {"nba_schedule", "PollSchedule", SOURCE_LEAGUE, ARG_NONE,
                           "/static/json/staticData/scheduleLeagueV2.json", '{', '}', "games"},
    [FEED_BDL_GAMES] = {"bdl_games", "PollBdlGames", SOURCE_BDL, ARG_DATE,
                        "/v1/games?dates%5B%5D=%a&per_page=100", '{', '}', "games"},
    [FEED_BDL_LIVE] = {"bdl_live", "PollBdlLive", SOURCE_BDL, ARG_NONE, "/v1/box_scores/live", '{',
                       '}', "games"},
    [FEED_BDL_BOX_SCORES] = {"bdl_box_scores", "PollBdlBoxScores", SOURCE_BDL, ARG_DATE,
                             "/v1/box_scores?date=%a", '{', '}', "games"},
    [FEED_BDL_INJURIES] = {"bdl_injuries", "PollBdlInjuries", SOURCE_BDL, ARG_PAGE,
                           "/v1/player_injuries?per_page=100%c", '{', '}', "bdl_injuries"},
    [FEED_BDL_PLAYERS] = {"bdl_players", "PollBdlActivePlayers", SOURCE_BDL, ARG_PAGE,
                          "/v1/players/active?per_page=100%c", '{', '}', "bdl_players"},
    [FEED_BDL_LINEUPS] = {"bdl_lineups", "PollBdlLineups", SOURCE_BDL, ARG_GAME,
                          "/v1/lineups?game_ids%5B%5D=%a&per_page=100", '{', '}', "games"},
    [FEED_BDL_STATS] = {"bdl_stats", "PollBdlStats", SOURCE_BDL, ARG_DATE_PAGE,
                        "/v1/stats?dates%5B%5D=%d&per_page=100%c", '{', '}', "games"},
    [FEED_BDL_TEAMS] = {"bdl_teams", "PollBdlTeams", SOURCE_BDL, ARG_NONE, "/v1/teams", '{', '}',
                        NULL},
    [FEED_BDL_ALL_PLAYERS] = {"bdl_all_players", "PollBdlAllPlayers", SOURCE_BDL, ARG_PAGE,
                              "/v1/players?per_page=100%c", '{', '}', "games"},
    [FEED_BDL_SEARCH] = {"bdl_search", "PollBdlSearch", SOURCE_BDL, ARG_NAME,
                         "/v1/players?search=%n&per_page=100", '{', '}', "games"},
    [FEED_BDL_ODDS] = {"bdl_odds", "PollBdlOdds", SOURCE_BDL, ARG_DATE_PAGE,
                       "/v2/odds?dates%5B%5D=%d&per_page=100%c", '{', '}', "games"},
    [FEED_BDL_PROPS] = {"bdl_props", "PollBdlProps", SOURCE_BDL, ARG_GAME,
                        "/v2/odds/player_props?game_id=%a", '{', '}', "games"},
    [FEED_ODDS_EVENTS] = {"odds_events", "PollOddsEvents", SOURCE_ODDS, ARG_NONE,
                          "/v4/sports/%s/events", '[', ']', NULL},
    [FEED_ODDS_PROPS] = {"odds_props", "PollOddsProps", SOURCE_ODDS, ARG_EVENT,
                         "/v4/sports/%s/events/%a/odds?regions=%r&markets=%m&oddsFormat=american",
                         '{', '}', NULL},
    [FEED_ODDS_GAMES] =
        {"odds_games", "PollOddsGameLines", SOURCE_ODDS, ARG_NONE,
         "/v4/sports/%s/odds?regions=%r&markets=h2h,spreads,totals&oddsFormat=american", '[', ']',
         NULL},
    [FEED_ODDS_SCORES] = {"odds_scores", "PollOddsScores", SOURCE_ODDS, ARG_NONE,
                          "/v4/sports/%s/scores?daysFrom=1", '[', ']', "games"},
    [FEED_ODDS_HISTORY_EVENTS] = {"odds_history_events", "PollOddsHistoryEvents", SOURCE_ODDS,
                                  ARG_INSTANT, "/v4/historical/sports/%s/events?date=%t", '{', '}',
                                  NULL},
    [FEED_ODDS_HISTORY] = {"odds_history", "PollOddsHistory", SOURCE_ODDS, ARG_EVENT_AT,
                           "/v4/historical/sports/%s/events/%e/odds?regions=%r&markets=h2h,spreads,"
                           "totals,%m&oddsFormat=american&date=%t",
                           '{', '}', NULL},
    [FEED_BP_EVENTS] = {"bp_events", "PollBettingProsEvents", SOURCE_BETTINGPROS, ARG_DATE,
                        "/v3/events?sport=NBA&date=%a", '{', '}', "bettingpros"},
    [FEED_BP_OFFERS] = {"bp_offers", "PollBettingProsOffers", SOURCE_BETTINGPROS, ARG_GAME,
                        "/v3/offers?sport=NBA&market_id=156&event_id=%a&limit=100", '{', '}',
                        "bettingpros"},
    [FEED_NBA_PLAYS] = {"nba_plays", "PollNbaPlays", SOURCE_LEAGUE, ARG_GAME,
                        "/static/json/liveData/playbyplay/playbyplay_%a.json", '{', '}', "games"},
};

void feed_subject(enum feed_id feed, const char *arg, char subject[FEED_SUBJECT_SIZE])
{
    bool alone = FEEDS[feed].arg == ARG_NONE || (FEEDS[feed].arg == ARG_PAGE && arg[0] == '\0');
    snprintf(subject, FEED_SUBJECT_SIZE, alone ? "%s" : "%s:%.64s", FEEDS[feed].name, arg);
}

void feed_instant(int64_t instant_us, char text[FEED_INSTANT_SIZE])
{
    char whole[CLOCK_TEXT_SIZE]; /* 2025-11-17T23:30:00... */
    clock_format_utc(instant_us, whole);
    snprintf(text, FEED_INSTANT_SIZE, "%.4s%.2s%.2sT%.2s%.2s%.2sZ", whole, whole + 5, whole + 8,
             whole + 11, whole + 14, whole + 17);
}

/* As the services want it. */
static void long_instant(const char *text, char whole[CLOCK_TEXT_SIZE])
{
    snprintf(whole, CLOCK_TEXT_SIZE, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", text, text + 4, text + 6,
             text + 9, text + 11, text + 13);
}

int feed_instant_of(const char *text, int64_t *instant_us)
{
    char whole[CLOCK_TEXT_SIZE];
    if (strlen(text) != FEED_INSTANT_SIZE - 1 || strspn(text, "0123456789") != 8 ||
        text[8] != 'T' || strspn(text + 9, "0123456789") != 6 || text[15] != 'Z') {
        return -1;
    }
    long_instant(text, whole);
    return clock_parse_utc(whole, instant_us);
}

int64_t feed_arg_instant(enum feed_id feed, const char *arg)
{
    const char *at = FEEDS[feed].arg == ARG_INSTANT    ? arg
                     : FEEDS[feed].arg == ARG_EVENT_AT ? strchr(arg, '@')
                                                       : NULL;
    int64_t instant_us;
    at = at != NULL && *at == '@' ? at + 1 : at;
    return at != NULL && feed_instant_of(at, &instant_us) == 0 ? instant_us : CLOCK_NONE;
}

int64_t feed_arg_page(enum feed_id feed, const char *arg)
{
    const char *plus = strchr(arg, '+');
    switch (FEEDS[feed].arg) {
    case ARG_PAGE:
        return strtoll(arg, NULL, 10);
    case ARG_DATE_PAGE:
        return plus != NULL ? strtoll(plus + 1, NULL, 10) : 0;
    case ARG_NONE:
    case ARG_DATE:
    case ARG_EVENT:
    case ARG_GAME:
    case ARG_INSTANT:
    case ARG_EVENT_AT:
    case ARG_NAME:
        break;
    }
    return -1;
}

void feed_page_arg(enum feed_id feed, const char *arg, int64_t cursor, char next[FEED_ARG_SIZE])
{
    bool dated = FEEDS[feed].arg == ARG_DATE_PAGE;
    snprintf(next, FEED_ARG_SIZE, "%.*s%s%lld", dated ? (int)strcspn(arg, "+") : 0, arg,
             dated ? "+" : "", (long long)cursor);
}

int32_t feed_arg_date(enum feed_id feed, const char *arg)
{
    char day[FEED_ARG_SIZE];
    int32_t date = 0;
    snprintf(day, sizeof day, "%.*s", (int)strcspn(arg, "+"), arg);
    bool dated = FEEDS[feed].arg == ARG_DATE || FEEDS[feed].arg == ARG_DATE_PAGE;
    return dated && clock_parse_date(day, &date) == 0 ? date : 0;
}

static bool event_fits(const char *text, size_t size)
{
    static const char EVENT[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    return size > 0 && size <= FEED_EVENT_MAX && strspn(text, EVENT) == size;
}

/* Words of letters and digits, with a '-' between two. */
static bool name_fits(const char *text)
{
    size_t size = strlen(text);
    return size > 0 && size < FEED_ARG_SIZE &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == size && text[0] != '-' &&
           text[size - 1] != '-';
}

static bool number_fits(const char *text)
{
    return strlen(text) < 20 && text[strspn(text, "0123456789")] == '\0';
}

/* Arguments go into URLs: nothing else gets there. */
static bool arg_fits(enum feed_arg kind, const char *arg)
{
    int64_t instant_us;
    int32_t date;
    if (kind == ARG_NONE) {
        return arg[0] == '\0';
    }
    if (kind == ARG_PAGE || (kind == ARG_GAME && arg[0] != '\0')) {
        return number_fits(arg);
    }
    if (kind == ARG_DATE_PAGE) {
        char day[CLOCK_DATE_SIZE];
        snprintf(day, sizeof day, "%s", arg);
        const char *rest = arg + strlen(day);
        return clock_parse_date(day, &date) == 0 &&
               (rest[0] == '\0' || (rest[0] == '+' && rest[1] != '\0' && number_fits(rest + 1)));
    }
    if (kind == ARG_DATE) {
        return clock_parse_date(arg, &date) == 0;
    }
    if (kind == ARG_NAME) {
        return name_fits(arg);
    }
    if (kind == ARG_INSTANT) {
        return feed_instant_of(arg, &instant_us) == 0;
    }
    if (kind == ARG_EVENT_AT) {
        const char *at = strchr(arg, '@');
        return at != NULL && event_fits(arg, (size_t)(at - arg)) &&
               feed_instant_of(at + 1, &instant_us) == 0;
    }
    return event_fits(arg, strlen(arg));
}

int feed_of_subject(const char *subject, char arg[FEED_ARG_SIZE])
{
    const char *colon = strchr(subject, ':');
    size_t size = colon != NULL ? (size_t)(colon - subject) : strlen(subject);
    snprintf(arg, FEED_ARG_SIZE, "%s", colon != NULL ? colon + 1 : "");
    for (int feed = 0; feed < FEED_COUNT; feed++) {
        if (strlen(FEEDS[feed].name) == size && strncmp(FEEDS[feed].name, subject, size) == 0) {
            return arg_fits(FEEDS[feed].arg, colon != NULL ? colon + 1 : "") ? feed : -1;
        }
    }
    return -1;
}

static void join(const struct settings_list *list, char *out, size_t size)
{
    out[0] = '\0';
    for (int i = 0; i < list->count; i++) {
        size_t used = strlen(out);
        snprintf(out + used, size - used, "%s%s", i > 0 ? "," : "", list->item[i]);
    }
}

static const char *base_url(const struct settings *settings, enum feed_source source)
{
    switch (source) {
    case SOURCE_LEAGUE:
        return settings->poller.schedule.base_url;
    case SOURCE_BDL:
        return settings->poller.bdl.base_url;
    case SOURCE_BETTINGPROS:
        return settings->poller.bettingpros.base_url;
    case SOURCE_ODDS:
    case SOURCE_COUNT:
        break;
    }
    return settings->poller.odds.base_url;
}

/* What a letter behind a '%' stands for. */
struct pieces {
    char regions[SETTINGS_LIST_MAX * SETTINGS_ITEM_SIZE],
        markets[SETTINGS_LIST_MAX * SETTINGS_ITEM_SIZE];
    char page[FEED_ARG_SIZE + 8], date[FEED_ARG_SIZE], word[FEED_ARG_SIZE],
        event[FEED_EVENT_MAX + 1], instant[CLOCK_TEXT_SIZE];
};

static void cut(const struct settings *settings, enum feed_id feed, const char *arg,
                struct pieces *out)
{
    int64_t instant_us = feed_arg_instant(feed, arg);
    const char *word = strrchr(arg, '-');
    out->page[0] = out->instant[0] = '\0';
    join(&settings->poller.odds.regions, out->regions, sizeof out->regions);
    join(&settings->poller.odds.markets, out->markets, sizeof out->markets);
    if (feed_arg_page(feed, arg) > 0) {
        snprintf(out->page, sizeof out->page, "&cursor=%lld", (long long)feed_arg_page(feed, arg));
    }
    snprintf(out->word, sizeof out->word, "%s", word != NULL ? word + 1 : arg);
    snprintf(out->date, sizeof out->date, "%.*s", (int)strcspn(arg, "+"), arg);
    snprintf(out->event, sizeof out->event, "%.*s", (int)strcspn(arg, "@"), arg);
    if (instant_us != CLOCK_NONE) {
        const char *at = strchr(arg, '@');
        long_instant(at != NULL ? at + 1 : arg, out->instant);
    }
}

/* NULL: no such letter. */
static const char *piece_of(char letter, const struct settings *settings,
                            const struct pieces *pieces, const char *arg)
{
    const struct {
        char letter;
        const char *text;
    } all[] = {{'a', arg},
               {'d', pieces->date},
               {'s', settings->poller.odds.sport},
               {'r', pieces->regions},
               {'m', pieces->markets},
               {'c', pieces->page},
               {'e', pieces->event},
               {'t', pieces->instant},
               {'n', pieces->word}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i].letter == letter) {
            return all[i].text;
        }
    }
    return NULL;
}

int feed_url(const struct settings *settings, enum feed_id feed, const char *arg,
             char url[FEED_URL_SIZE])
{
    struct pieces pieces;
    const char *base = base_url(settings, FEEDS[feed].source);
    size_t used = strlen(base);
    cut(settings, feed, arg, &pieces);
    while (used > 0 && base[used - 1] == '/') {
        used--;
    }
    snprintf(url, FEED_URL_SIZE, "%.*s", (int)used, base);
    for (const char *c = FEEDS[feed].path; *c != '\0'; c++) {
        char one[2] = {*c, '\0'};
        const char *piece = *c == '%' ? piece_of(c[1], settings, &pieces, arg) : NULL;
        if (piece != NULL) {
            c++;
        } else {
            piece = one;
        }
        size_t size = strlen(piece);
        if (used + size >= FEED_URL_SIZE) {
            return -1;
        }
        memcpy(url + used, piece, size + 1);
        used += size;
    }
    return 0;
}

const char *feed_key_query(enum feed_id feed, const char *url)
{
    if (FEEDS[feed].source != SOURCE_ODDS) {
        return "";
    }
    return strchr(url, '?') != NULL ? "&apiKey=" : "?apiKey=";
}

const char *feed_order_key(enum feed_id feed, const char *subject)
{
    return FEEDS[feed].order != NULL ? FEEDS[feed].order : subject;
}
