/* Reading a feed: bytes to plain rows and refusals. No store, no clock, no log: what a body says, checked for what can
 * be checked from the body alone. Unknown fields are ignored; what matters is strict; a row that breaks a rule is set
 * aside with its path and the rule, and the rest goes on. Each feed has a header-less parser in feed_<name>.c; all of
 * them are declared here. */
#ifndef ACTORS_PROCESSOR_FEED_H
#define ACTORS_PROCESSOR_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schema/message.h"

#define FEED_PATH_SIZE 161
#define FEED_RULE_SIZE 201
#define FEED_ABOUT_SIZE 101
#define FEED_ERROR_SIZE 200
#define FEED_NAME_SIZE 65
#define FEED_CLOCK_SIZE 13
#define FEED_EVENT_SIZE 41
#define FEED_KEY_SIZE 33

struct feed_refusal {
    char path[FEED_PATH_SIZE];
    char rule[FEED_RULE_SIZE];
    char about[FEED_ABOUT_SIZE];
    bool expected; /* it breaks no rule: what a sound body holds and nobody here reads */
};

enum feed_status { FEED_SCHEDULED, FEED_IN_PROGRESS, FEED_FINAL, FEED_POSTPONED };
const char *feed_status_text(enum feed_status status);
int feed_status_of(const char *text); /* -1 if it is none */

/* A team as a source names it: what is unknown is MESSAGE_NONE or "". */
struct feed_team {
    int64_t source_id;
    char code[8]; /* abbreviation */
    char name[FEED_NAME_SIZE];
    char full_name[FEED_NAME_SIZE];
};

struct feed_stats {
    int64_t minutes, points, rebounds, offensive_rebounds, defensive_rebounds, assists, steals,
        blocks, turnovers, personal_fouls, field_goals_made, field_goals_attempted,
        three_pointers_made, three_pointers_attempted, free_throws_made, free_throws_attempted;
    int64_t plus_minus; /* MESSAGE_NONE if the source has none */
    bool played;        /* minutes other than 00, or something counted */
};

struct feed_player {
    size_t game; /* index of his game in the same feed */
    bool home;   /* on the side that the source calls home */
    int64_t source_id;
    char name[FEED_NAME_SIZE];
    struct feed_stats stats;
    char path[FEED_PATH_SIZE];
};

struct feed_game {
    int64_t source_id; /* MESSAGE_NONE in the older shape */
    char game_id[17];  /* if the source has the league's own id, else "" */
    int32_t date;      /* league day, as the source says */
    int64_t tip_us;    /* MESSAGE_NONE if unknown */
    enum feed_status status;
    int64_t period;
    char clock[FEED_CLOCK_SIZE];
    int64_t home_score, away_score; /* MESSAGE_NONE if unknown */
    bool neutral;
    bool has_box;   /* it came with lists of players */
    size_t players; /* of this game in the same feed, refused ones not counted */
    struct feed_team home, away;
    char path[FEED_PATH_SIZE];
};

struct feed_event {
    char event_id[FEED_EVENT_SIZE];
    int64_t
        source_id; /* balldontlie's odds: the game's id there; their events have no sides and no start */
    int64_t commence_us;
    char home[FEED_NAME_SIZE], away[FEED_NAME_SIZE];
    char path[FEED_PATH_SIZE];
};

struct feed_line {
    char player[FEED_NAME_SIZE]; /* as the book spells it; with a source_id, that in digits */
    int64_t source_id;           /* balldontlie's id of him; 0: he has a name only */
    char book[FEED_KEY_SIZE];
    char market[FEED_KEY_SIZE];
    double line;
    int64_t over_price, under_price; /* American; MESSAGE_NONE if that side is not offered */
    bool main;
    char path[FEED_PATH_SIZE];
};

struct feed_report {
    int64_t source_id, team_id; /* MESSAGE_NONE if the source has none */
    char name[FEED_NAME_SIZE];
    char status[33], return_date[33], description[401];
    char path[FEED_PATH_SIZE];
};

/* A player of a squad, or (with a game) of its line-up. */
struct feed_listed {
    int64_t source_id;
    int64_t game_source_id; /* MESSAGE_NONE: of no game */
    int64_t weight;         /* MESSAGE_NONE if the source has none */
    struct feed_team team;
    char name[FEED_NAME_SIZE];
    char position[9], height[9], jersey[9];
    bool starter;
    char path[FEED_PATH_SIZE];
};

/* One market of an event at one book. */
struct feed_market {
    size_t event; /* index of its event in the same feed */
    char book[FEED_KEY_SIZE], market[FEED_KEY_SIZE];
    double point;                      /* NAN: it has none */
    int64_t first_price, second_price; /* American: home and visitors, or over and under */
    char path[FEED_PATH_SIZE];
};

/* How a game stands, as a source says that is not the box scores'. */
struct feed_score {
    size_t event; /* index of its event in the same feed */
    bool over;
    int64_t home_score, away_score; /* both MESSAGE_NONE before the tip */
};

/* A team of a list of teams. */
struct feed_club {
    struct feed_team team;
    bool current; /* of a conference: the others are of the past */
    char path[FEED_PATH_SIZE];
};

/* An action of the play-by-play of one game. */
struct feed_play {
    int64_t number, period;
    int64_t player_id; /* the NBA's; MESSAGE_NONE: a team's or nobody's */
    int64_t points;
    int64_t home_score, away_score; /* MESSAGE_NONE if unknown */
    char clock[FEED_CLOCK_SIZE], team[5], kind[FEED_KEY_SIZE];
    char path[FEED_PATH_SIZE];
};
#define FEED_PLAY_NUMBER_MAX 999999

/* Rows of one body at most; what is more is refused, so that no body costs more than its size. */
#define FEED_GAMES_MAX 3000
#define FEED_GAME_PLAYERS_MAX 100
#define FEED_EVENTS_MAX 1000
#define FEED_MARKET_LINES_MAX 1000
#define FEED_LISTED_MAX 1000
#define FEED_EVENT_MARKETS_MAX 200
#define FEED_PLAYS_MAX 2000
#define FEED_PROPS_MAX 20000
#define FEED_PROP_LINES_MAX 4000

/* What a body said. Zeroed before the first use; feed_free leaves it zeroed. */
struct feed {
    struct feed_game *games;
    size_t game_count, game_capacity;
    struct feed_player *players; /* of box scores: grouped by game, in the order of the games */
    size_t player_count, player_capacity;
    struct feed_event *events;
    size_t event_count, event_capacity;
    struct feed_line *lines;
    size_t line_count, line_capacity;
    struct feed_report *reports; /* of injuries */
    size_t report_count, report_capacity;
    struct feed_listed *listeds; /* of squads or line-ups */
    size_t listed_count, listed_capacity;
    struct feed_market *markets; /* grouped by event */
    size_t market_count, market_capacity;
    struct feed_score *scores; /* one of each event, in their order */
    size_t score_count, score_capacity;
    struct feed_club *clubs;
    size_t club_count, club_capacity;
    struct feed_play *plays;
    size_t play_count, play_capacity;
    char game_id[17];    /* of a body that is about one game: the league's */
    int64_t snapshot_us; /* of a body of the past: when it held; 0: it is of when it was fetched */
    int64_t next_page;   /* cursor of the next page; MESSAGE_NONE or 0: this is the last */
    struct feed_refusal *refusals;
    size_t refusal_count, refusal_capacity;
    size_t items; /* rows that the body held, refused ones included */
    size_t aside; /* of them: rows that break no rule, and that nobody here reads */
    size_t books; /* odds: bookmakers with at least one line */
};
void feed_free(struct feed *self);
void feed_refuse(struct feed *self, const char *path, const char *about, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Sets `rows` sound rows aside together, by what they have in common; `path` is the first one's. No rows: nothing. */
void feed_set_aside(struct feed *self, const char *path, size_t rows, const char *what);
/* Refusals for a broken rule. */
size_t feed_broken(const struct feed *self);

/* The parsers: 0, or -1 with `error` if the body as a whole is not what it should be (then *out holds nothing). */
typedef int feed_parse(const void *body, size_t size, struct feed *out,
                       char error[FEED_ERROR_SIZE]);
feed_parse feed_bdl_games, feed_bdl_box_scores, feed_bdl_injuries, feed_bdl_players,
    feed_bdl_lineups, feed_bdl_stats, feed_bdl_teams, feed_bdl_odds, feed_bdl_props,
    feed_odds_events, feed_odds_props, feed_odds_games, feed_odds_scores, feed_odds_history_events,
    feed_odds_history, feed_bp_events, feed_bp_offers, feed_nba_schedule, feed_nba_plays;

#endif
