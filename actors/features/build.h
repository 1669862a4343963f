/* Builds the features of a game's players from what is remembered, and publishes those that changed. */
#ifndef ACTORS_FEATURES_BUILD_H
#define ACTORS_FEATURES_BUILD_H

#include "actors/actor.h"
#include "actors/features/game.h"
#include "actors/features/league.h"
#include "actors/features/window.h"

struct build_counts {
    int64_t built, emitted;
    int64_t teamless; /* players with odds whose side is not known: nothing is said of them */
};
/* What is kept between builds, of nothing that the store does not have: history as it was read, and of which players it is known that
 * nothing but their lines can have changed since they were looked at. So a line that moves costs one player's features, not a
 * game's. */
#define BUILD_SEEN 8192
#define BUILD_KNOWN 1024
#define BUILD_PLAYERS_MAX 128
#define BUILD_ROSTERS 32
struct build;
struct build_memory {
    struct league *league; /* NULL: nothing was read yet */
    struct build *scratch; /* of one build; kept because it is large */
    struct build_roster {
        char home[4], away[4];
        int32_t date; /* 0: free */
        struct career_member members[BUILD_PLAYERS_MAX];
        size_t count;
        bool sided; /* the sides as the newest injury report has them; forgotten with `seen` */
        struct league_side home_side, away_side;
    } rosters[BUILD_ROSTERS];
    size_t next_roster;
    struct build_seen {
        uint64_t who, lines; /* hashes of game and player, and of his lines; 0: nobody */
    } seen[BUILD_SEEN];
    /* What history makes of whom (window_past), by the same `who`, and forgotten with it; NULL until it is needed. */
    struct build_known {
        uint64_t who;
        struct window_output past;
    } * known;
};
void build_end(struct build_memory *memory);        /* frees what it holds */
void build_forget(struct build_memory *memory);     /* history changed, or a step was undone */
void build_look_again(struct build_memory *memory); /* a game, its odds or an injury changed */

/* `trigger`: position of the record in hand. 0 or a store_error. */
int build_game(struct step *step, struct build_memory *memory, const char *game_id,
               const struct game_state *game, uint64_t trigger, struct build_counts *counts);

#endif
