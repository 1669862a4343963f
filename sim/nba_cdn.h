/* The league's own files: the season's schedule, and the play-by-play of a game. Callers own what is returned. */
#ifndef SIM_NBA_CDN_H
#define SIM_NBA_CDN_H

#include "schema/json.h"
#include "sim/scene.h"

json_t *nba_cdn_schedule(const struct scene *scene);
json_t *nba_cdn_play_by_play(const struct scene *scene,
                             const char *game_id); /* NULL: no such game */

#endif
