/* What every body is made from: the night, an instant, and how each game stands then. Faults bend a scene before it is
 * written, so that the altered bodies of one poll agree with each other. */
#ifndef SIM_SCENE_H
#define SIM_SCENE_H

#include "sim/root.h"

#define SCENE_GAMES_MAX 32

struct scene {
    const struct root *root;
    int64_t now_us;
    int game_count; /* at most SCENE_GAMES_MAX of the root's */
    struct night_state state[SCENE_GAMES_MAX];
};

void scene_set(struct scene *self, const struct root *root, int64_t now_us);
bool scene_live(const struct scene *self, int game);         /* the ball is up and it is not over */
bool scene_in_live_list(const struct scene *self, int game); /* ... or ended a few minutes ago */

/* "2025-11-18T00:00:00Z", and with ".000Z" if `milliseconds`. */
void scene_time(int64_t instant_us, bool milliseconds, char text[32]);

#endif
