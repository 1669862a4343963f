/* A night of games as it was played, and what a box score says of it at any instant: a pure function of the events.
 *
 * The wall clock of a game is modelled: it begins ten minutes after its scheduled tip; quarters take 27, 29, 28 and 32
 * real minutes, an overtime 15, breaks 2.5 and half-time 15, linear in the game clock. */
#ifndef SIM_NIGHT_H
#define SIM_NIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NIGHT_PERIODS_MAX 12
#define NIGHT_ROSTER_MAX 64
#define NIGHT_ON_COURT 5
#define NIGHT_TIP_LAG_US (10 * 60 * INT64_C(1000000))

enum night_side { NIGHT_HOME, NIGHT_AWAY };

/* Event types as replay/D/events.csv spells them; the counts that each adds to are in night.c. */
#define NIGHT_EVENTS(X)                                                                            \
    X(FG2_MADE, "fg2_made")                                                                        \
    X(FG2_MISS, "fg2_miss")                                                                        \
    X(FG3_MADE, "fg3_made")                                                                        \
    X(FG3_MISS, "fg3_miss")                                                                        \
    X(FT_MADE, "ft_made")                                                                          \
    X(FT_MISS, "ft_miss")                                                                          \
    X(OREB, "oreb")                                                                                \
    X(DREB, "dreb")                                                                                \
    X(ASSIST, "assist")                                                                            \
    X(STEAL, "steal")                                                                              \
    X(BLOCK, "block")                                                                              \
    X(TURNOVER, "turnover")                                                                        \
    X(FOUL, "foul")                                                                                \
    X(SUB_IN, "sub_in")                                                                            \
    X(SUB_OUT, "sub_out")                                                                          \
    X(TECH, "tech")                                                                                \
    X(TEAMFOUL, "teamfoul")                                                                        \
    X(HEAVE_MISS, "heave_miss")

#define NIGHT_EVENT_ID(id, name) NIGHT_##id,
enum night_event_type { NIGHT_EVENTS(NIGHT_EVENT_ID) NIGHT_EVENT_TYPES };
#undef NIGHT_EVENT_ID

const char *night_event_name(enum night_event_type type);
int night_event_of(const char *name); /* -1: unknown */

struct night_team {
    char code[8];
    int64_t nba_id, bdl_id;
    char odds_name[48], full_name[48], city[32], name[32], conference[12], division[16];
};

struct night_player {
    int64_t id;     /* the NBA's */
    int64_t bdl_id; /* balldontlie's, or a stand-in >= 900000000 */
    char name[80];
    char position[8];
    int last_team; /* of the team he was last seen with before this night; -1: never */
    int32_t last_seen;
};

struct night_event {
    int64_t est_us;
    double elapsed_s; /* of game clock since the tip */
    int period;       /* from 1 */
    int member;       /* of the game's roster; -1: nobody's */
    enum night_side side;
    enum night_event_type type;
    int score[2]; /* after it */
};

/* Who stands in a box score. Members who appear come first, per side starters before the others, by name. */
struct night_member {
    int player; /* of the night's players */
    enum night_side side;
    bool appears; /* somewhere in the events */
    bool starter;
};

/* One line of one book, as of a snapshot. */
struct night_odds {
    int64_t snapshot_us; /* CLOCK_NONE: unknown, always visible */
    const char *book;    /* static: interned by the loader */
    char player_name[80];
    int64_t player_id; /* the NBA's; 0: unknown */
    double line;
    int over_price, under_price; /* American; 0: none */
    bool main;
};

struct night_game {
    char id[16];
    int64_t bdl_id;
    int team[2]; /* of the night's teams, by side */
    int64_t tip_us;
    int64_t start_us,
        end_us; /* when the ball goes up; the first instant at which all is over; CLOCK_NONE: no events */
    int periods;
    struct night_event *events;
    size_t event_count, event_room;
    struct night_member roster[NIGHT_ROSTER_MAX];
    int roster_count;
    int8_t lineup[NIGHT_PERIODS_MAX + 1][2]
                 [NIGHT_ON_COURT]; /* who begins a period; -1: nobody known */
    char event_id[40];
    int64_t commence_us;
    struct night_odds *odds; /* by snapshot, then as in the file */
    size_t odds_count, odds_room;
    bool has_spread, has_total; /* of the game_lines */
    double spread_home, total;
};

enum night_status {
    NIGHT_SCHEDULED,
    NIGHT_PLAYING,
    NIGHT_BREAK,
    NIGHT_HALFTIME,
    NIGHT_FINAL,
    NIGHT_POSTPONED /* never by itself: only a fault makes it so */
};

struct night_stat {
    bool came_in, on_court;
    double seconds;
    int pts, fgm, fga, fg3m, fg3a, ftm, fta, oreb, dreb, ast, stl, blk, tov, pf, plus_minus;
};

struct night_state {
    enum night_status status;
    int period;     /* 0 before the tip */
    double clock_s; /* left in the period */
    size_t events;  /* that have happened */
    int score[2];
    int by_period[2][NIGHT_PERIODS_MAX];
    struct night_stat stat[NIGHT_ROSTER_MAX]; /* as the roster */
};

/* From the game clock to the wall clock and back; `start_us` is the game's. */
int64_t night_period_start_us(int64_t start_us, int period);
int64_t night_period_end_us(int64_t start_us, int period);
double night_period_length_s(int period);
double night_period_base_s(int period); /* elapsed when it begins */
int64_t night_wall_us(int64_t start_us, int period, double elapsed_s);

/* Fills lineup, starters, periods and end_us from the events (whole game known). The number of period starts at which
 * not exactly five of a side could be told: 0 in a sound game. */
int night_game_prepare(struct night_game *self);
void night_game_state(const struct night_game *self, int64_t now_us, struct night_state *out);
const char *night_status_name(enum night_status status);

#endif
