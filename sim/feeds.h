/* The feeds that are served: their names in faults and logs, and the paths they live at. */
#ifndef SIM_FEEDS_H
#define SIM_FEEDS_H

#define FEEDS(X)                                                                                   \
    X(BDL_GAMES, "bdl.games")                                                                      \
    X(BDL_GAME, "bdl.game")                                                                        \
    X(BDL_BOX_SCORES, "bdl.box_scores")                                                            \
    X(BDL_LIVE, "bdl.live")                                                                        \
    X(BDL_INJURIES, "bdl.player_injuries")                                                         \
    X(BDL_PLAYERS, "bdl.players_active")                                                           \
    X(BDL_LINEUPS, "bdl.lineups")                                                                  \
    X(BDL_STATS, "bdl.stats")                                                                      \
    X(BDL_TEAMS, "bdl.teams")                                                                      \
    X(BDL_ALL_PLAYERS, "bdl.players")                                                              \
    X(BDL_ODDS, "bdl.odds")                                                                        \
    X(BDL_PROPS, "bdl.player_props")                                                               \
    X(ODDS_EVENTS, "odds.events")                                                                  \
    X(ODDS_EVENT_ODDS, "odds.event_odds")                                                          \
    X(ODDS_GAMES, "odds.odds")                                                                     \
    X(ODDS_HISTORY_EVENTS, "odds.history_events")                                                  \
    X(ODDS_HISTORY, "odds.history")                                                                \
    X(ODDS_SCORES, "odds.scores")                                                                  \
    X(CDN_SCHEDULE, "cdn.schedule")                                                                \
    X(CDN_PLAYS, "cdn.play_by_play")                                                               \
    X(BP_EVENTS, "bp.events")                                                                      \
    X(BP_OFFERS, "bp.offers")

#define FEED_ROW(id, name) FEED_##id,
enum feed { FEEDS(FEED_ROW) FEED_COUNT };
#undef FEED_ROW

/* Where a path leads. `rest` is what follows the feed's own part ("18012345" of /v1/games/18012345), else "". */
struct feed_route {
    enum feed feed; /* FEED_COUNT: nowhere */
    char rest[80];
    char sport[40]; /* of The Odds API */
};

struct feed_route feeds_route(const char *path);
const char *feeds_name(enum feed feed);
enum feed feeds_named(const char *name); /* FEED_COUNT: none */

#endif
