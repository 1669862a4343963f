#include "sim/feeds.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define FEED_NAME(id, name) name,
static const char *const names[FEED_COUNT] = {FEEDS(FEED_NAME)};
#undef FEED_NAME

/* `*` stands for one part of the path that is kept: the last one as the rest, one before it as the sport. */
static const struct {
    const char *pattern;
    enum feed feed;
} routes[] = {{"/v1/games", FEED_BDL_GAMES},
              {"/v1/games/*", FEED_BDL_GAME},
              {"/v1/box_scores", FEED_BDL_BOX_SCORES},
              {"/v1/box_scores/live", FEED_BDL_LIVE},
              {"/v1/player_injuries", FEED_BDL_INJURIES},
              {"/v1/players/active", FEED_BDL_PLAYERS},
              {"/v1/lineups", FEED_BDL_LINEUPS},
              {"/v1/stats", FEED_BDL_STATS},
              {"/v1/teams", FEED_BDL_TEAMS},
              {"/v1/players", FEED_BDL_ALL_PLAYERS},
              {"/v2/odds", FEED_BDL_ODDS},
              {"/v2/odds/player_props", FEED_BDL_PROPS},
              {"/v4/sports/*/events", FEED_ODDS_EVENTS},
              {"/v4/sports/*/odds", FEED_ODDS_GAMES},
              {"/v4/sports/*/events/*/odds", FEED_ODDS_EVENT_ODDS},
              {"/v4/sports/*/scores", FEED_ODDS_SCORES},
              {"/v4/historical/sports/*/events", FEED_ODDS_HISTORY_EVENTS},
              {"/v4/historical/sports/*/events/*/odds", FEED_ODDS_HISTORY},
              {"/v3/events", FEED_BP_EVENTS},
              {"/v3/offers", FEED_BP_OFFERS},
              {"/static/json/staticData/scheduleLeagueV2.json", FEED_CDN_SCHEDULE},
              {"/static/json/liveData/playbyplay/*", FEED_CDN_PLAYS}};

const char *feeds_name(enum feed feed)
{
    return names[feed];
}

enum feed feeds_named(const char *name)
{
    int feed = 0;
    while (feed < FEED_COUNT && strcmp(names[feed], name) != 0) {
        feed++;
    }
    return (enum feed)feed;
}

static int match(const char *pattern, const char *path, char parts[2][80])
{
    int count = 0;
    while (*pattern != '\0') {
        if (*pattern == '*') {
            size_t size = strcspn(path, "/");
            if (size == 0 || size >= sizeof parts[0] || count == 2) {
                return -1;
            }
            snprintf(parts[count++], sizeof parts[0], "%.*s", (int)size, path);
            path += size;
            pattern++;
        } else if (*pattern++ != *path++) {
            return -1;
        }
    }
    size_t left = strcspn(path, "/");
    return *path == '\0' || (left == 0 && path[1] == '\0') ? count : -1;
}

struct feed_route feeds_route(const char *path)
{
    struct feed_route out = {.feed = FEED_COUNT};
    path += strncmp(path, "/nba/v1/", 8) == 0 ? 4 : 0; /* the vendor's other name for the same */
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        char parts[2][80] = {"", ""};
        int count = match(routes[i].pattern, path, parts);
        if (count < 0) {
            continue;
        }
        bool odds = strncmp(routes[i].pattern, "/v4/", 4) == 0;
        out.feed = routes[i].feed;
        snprintf(out.sport, sizeof out.sport, "%.39s", odds ? parts[0] : "");
        snprintf(out.rest, sizeof out.rest, "%s", odds ? parts[1] : parts[0]);
    }
    return out;
}
