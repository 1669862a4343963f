/* A data root, read for one night: teams, players, the season's schedule, the events and the books' lines. */
#ifndef SIM_ROOT_H
#define SIM_ROOT_H

#include "sim/night.h"

struct root_match { /* one game of the season's schedule */
    char id[16];
    int64_t bdl_id;
    int32_t date;
    int64_t tip_us; /* CLOCK_NONE: not set */
    int home, away; /* of the teams */
    bool neutral, final;
    bool postponed; /* a night before was told so: it has no end */
    bool moved;     /* not said yet: date and tip are those that it had before */
    int32_t played_date;
    int64_t played_tip_us;
    int score[2], periods; /* if final */
};

struct root {
    char season[8]; /* "2025-26" */
    int season_start;
    int32_t date;
    struct night_team *teams;
    int team_count;
    struct night_player *players; /* by id */
    int player_count, player_room;
    struct root_match *matches; /* by date, tip and id */
    int match_count;
    int shown;                /* counts how often the schedule became another */
    struct night_game *games; /* the night's, by tip and id */
    int game_count;
};

#define ROOT_STAND_IN_PLAYER INT64_C(900000000)
#define ROOT_STAND_IN_GAME INT64_C(18000000)

/* Never reads player_games/. NULL with `why` (size >= 256) when what is needed is not there. What is odd about the data
 * (a lineup that cannot be told, rows passed over) is logged. */
struct root *root_load(const char *path, int32_t date, char *why, size_t why_size);
void root_free(struct root **self);
/* The schedule has the game at `tip_us` of `date`, as if it was to be played then (`moved`), or where it is played. */
void root_show(struct root *self, const char *game_id, bool moved, int32_t date, int64_t tip_us);
/* "2025-26" for any date from July 2025 to June 2026. */
void root_season_of(int32_t date, char season[8]);
int root_team_find(const struct root *self, const char *code); /* -1: none */
int root_player_find(const struct root *self, int64_t id);     /* -1: none */

#endif
