#include "actors/poller/feeds.h"

#include <stdio.h>
#include <string.h>

#include "config/clock.h"

const struct feed_desc FEEDS[FEED_COUNT] = {
    [FEED_NBA_SCHEDULE] = {"nba_schedule", "PollSchedule", SOURCE_LEAGUE, ARG_NONE,
                           "/static/json/staticData/scheduleLeagueV2.json", '{', '}', true},
    [FEED_BDL_GAMES] = {"bdl_games", "PollBdlGames", SOURCE_BDL, ARG_DATE,
                        "/v1/games?dates%5B%5D=%a&per_page=100", '{', '}', true},
    [FEED_BDL_LIVE] = {"bdl_live", "PollBdlLive", SOURCE_BDL, ARG_NONE, "/v1/box_scores/live", '{',
                       '}', true},
    [FEED_BDL_BOX_SCORES] = {"bdl_box_scores", "PollBdlBoxScores", SOURCE_BDL, ARG_DATE,
                             "/v1/box_scores?date=%a", '{', '}', true},
    [FEED_BDL_INJURIES] = {"bdl_injuries", "PollBdlInjuries", SOURCE_BDL, ARG_PAGE,
                           "/v1/player_injuries?per_page=100%c", '{', '}', false},
    [FEED_BDL_PLAYERS] = {"bdl_players", "PollBdlActivePlayers", SOURCE_BDL, ARG_PAGE,
                          "/v1/players/active?per_page=100%c", '{', '}', false},
    [FEED_BDL_LINEUPS] = {"bdl_lineups", "PollBdlLineups", SOURCE_BDL, ARG_GAME,
                          "/v1/lineups?game_ids%5B%5D=%a&per_page=100", '{', '}', true},
    [FEED_ODDS_EVENTS] = {"odds_events", "PollOddsEvents", SOURCE_ODDS, ARG_NONE,
                          "/v4/sports/%s/events", '[', ']', false},
    [FEED_ODDS_PROPS] = {"odds_props", "PollOddsProps", SOURCE_ODDS, ARG_EVENT,
                         "/v4/sports/%s/events/%a/odds?regions=%r&markets=%m&oddsFormat=american",
                         '{', '}', false},
    [FEED_ODDS_GAMES] =
        {"odds_games", "PollOddsGameLines", SOURCE_ODDS, ARG_NONE,
         "/v4/sports/%s/odds?regions=%r&markets=h2h,spreads,totals&oddsFormat=american", '[', ']',
         false},
    [FEED_ODDS_SCORES] = {"odds_scores", "PollOddsScores", SOURCE_ODDS, ARG_NONE,
                          "/v4/sports/%s/scores?daysFrom=1", '[', ']', true},
};

void feed_subject(enum feed_id feed, const char *arg, char subject[FEED_SUBJECT_SIZE])
{
    bool alone = FEEDS[feed].arg == ARG_NONE || (FEEDS[feed].arg == ARG_PAGE && arg[0] == '\0');
    snprintf(subject, FEED_SUBJECT_SIZE, alone ? "%s" : "%s:%.40s", FEEDS[feed].name, arg);
}

/* Arguments go into URLs: nothing else gets there. */
static bool arg_fits(enum feed_arg kind, const char *arg)
{
    static const char EVENT[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    int32_t date;
    if (kind == ARG_NONE) {
        return arg[0] == '\0';
    }
    if (kind == ARG_PAGE || (kind == ARG_GAME && arg[0] != '\0')) {
        return strlen(arg) < 20 && arg[strspn(arg, "0123456789")] == '\0';
    }
    if (kind == ARG_DATE) {
        return clock_parse_date(arg, &date) == 0;
    }
    return arg[0] != '\0' && strlen(arg) < FEED_ARG_SIZE && arg[strspn(arg, EVENT)] == '\0';
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
    case SOURCE_ODDS:
    case SOURCE_COUNT:
        break;
    }
    return settings->poller.odds.base_url;
}

int feed_url(const struct settings *settings, enum feed_id feed, const char *arg,
             char url[FEED_URL_SIZE])
{
    char regions[SETTINGS_LIST_MAX * SETTINGS_ITEM_SIZE],
        markets[SETTINGS_LIST_MAX * SETTINGS_ITEM_SIZE], page[FEED_ARG_SIZE + 8] = "";
    const char *base = base_url(settings, FEEDS[feed].source);
    size_t used = strlen(base);
    join(&settings->poller.odds.regions, regions, sizeof regions);
    join(&settings->poller.odds.markets, markets, sizeof markets);
    if (arg[0] != '\0') {
        snprintf(page, sizeof page, "&cursor=%.40s", arg);
    }
    while (used > 0 && base[used - 1] == '/') {
        used--;
    }
    snprintf(url, FEED_URL_SIZE, "%.*s", (int)used, base);
    for (const char *c = FEEDS[feed].path; *c != '\0'; c++) {
        char one[2] = {*c, '\0'};
        const char *piece = one;
        if (c[0] == '%' && strchr("asrmc", c[1]) != NULL && c[1] != '\0') {
            c++;
            piece = *c == 'a'   ? arg
                    : *c == 's' ? settings->poller.odds.sport
                    : *c == 'r' ? regions
                    : *c == 'c' ? page
                                : markets;
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
    return FEEDS[feed].of_games ? "games" : subject;
}
