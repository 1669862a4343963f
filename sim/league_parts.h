/* What the parts of the simulated league share. Everything is whole numbers, so that every machine gets the same. */
#ifndef SIM_LEAGUE_PARTS_H
#define SIM_LEAGUE_PARTS_H

#include "sim/night.h"
#include "sim/random.h"

#define LEAGUE_TEAMS 30
#define LEAGUE_TEAM_PLAYERS 15
#define LEAGUE_PLAYERS (LEAGUE_TEAMS * LEAGUE_TEAM_PLAYERS)
#define LEAGUE_GAMES_MAX 2048
#define LEAGUE_FORM_GAMES 5

/* How a player plays: weights against his team-mates' or permille. */
struct league_skill {
    int usage, fg2, fg3, ft, threes, rebounds, assists, steals, blocks, turnovers, fouls;
};

struct league_player {
    int64_t id, bdl_id; /* bdl_id 0: none known */
    char name[64], key[64];
    const char *position;
    struct league_skill skill;
    int games_out; /* so many more games he misses */
    int games, points, minutes,
        form[LEAGUE_FORM_GAMES]; /* so far; points of the last games, newest last */
    int32_t first_game;
};

struct league_team {
    const char *code, *city, *name, *conference, *division;
    int strength; /* permille on every shot */
    int games, home_games;
    int32_t last_day[2]; /* on which it played, newest first */
};

struct league_game {
    char id[16];
    int32_t date;
    int64_t tip_us;
    int team[2]; /* by side */
};

struct league {
    uint64_t seed;
    int32_t demo_date, last_date; /* the first and the last night that is lived: mostly one */
    char season[8];
    struct league_team team[LEAGUE_TEAMS];
    struct league_player
        player[LEAGUE_PLAYERS]; /* team t: from t * LEAGUE_TEAM_PLAYERS, best first */
    struct league_game game[LEAGUE_GAMES_MAX]; /* by date and tip */
    int game_count;
};

/* Who dresses for one game, best first; and who had a line and is out after all. */
struct league_squad {
    int count;
    int player[LEAGUE_TEAM_PLAYERS]; /* of the league's */
    bool scratched[LEAGUE_TEAM_PLAYERS];
};

bool league_lived(const struct league *self, int32_t date); /* is its night one that is lived? */
void league_make_people(struct league *self);               /* teams and players */
int league_make_schedule(struct league *self);              /* -1: too many games */
void league_pick_squad(struct league *self, int team, struct random *random,
                       struct league_squad *out);

/* Plays it: fills events, roster (members 0..14 home, 15..29 away, `player` of the league's), lineups and periods.
 * The caller frees game->events. -1: no memory. */
int league_play(const struct league *self, const struct league_game *match,
                const struct league_squad squads[2], struct night_game *out);
void league_count_game(struct league *self, const struct night_game *game, int32_t date);

/* One line of one book at one time. */
struct league_line {
    int64_t snapshot_us;
    const char *book;
    int player, half_points; /* line times two */
    int over, under;
    bool main;
};
typedef int league_on_line(void *context, const struct league_line *line);
/* Every line of a game, by time and book; `full`: all snapshots from opening to closing, else one a day. Stops with what
 * `act` returns unless that is 0. */
int league_make_lines(const struct league *self, const struct league_game *match,
                      const struct league_squad squads[2], bool full, league_on_line *act,
                      void *context);

#endif
