/* Builds the features of a game's players from what is remembered, and publishes those that changed. */
#ifndef ACTORS_FEATURES_BUILD_H
#define ACTORS_FEATURES_BUILD_H

#include "actors/actor.h"
#include "actors/features/game.h"

struct build_counts {
    int64_t built, emitted;
    int64_t teamless; /* players with odds whose side is not known: nothing is said of them */
};
/* `trigger`: position of the record in hand. 0 or a store_error. */
int build_game(struct step *step, const char *game_id, const struct game_state *game,
               uint64_t trigger, struct build_counts *counts);

#endif
