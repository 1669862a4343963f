/* balldontlie's bodies, in the newer shape of its box scores. Callers own what is returned; NULL: no memory. */
#ifndef SIM_BDL_H
#define SIM_BDL_H

#include "schema/json.h"
#include "sim/scene.h"

#define BDL_DATES_MAX 31
#define BDL_PAGE_MAX 100

struct bdl_query {
    int32_t dates[BDL_DATES_MAX]; /* none: the whole season */
    int date_count;
    int64_t cursor; /* 0: from the start */
    int per_page;
};

json_t *bdl_games(const struct scene *scene, const struct bdl_query *query);
json_t *bdl_game(const struct scene *scene, int64_t id); /* NULL too if there is none */
/* Who is listed for a game of the night that is not over and will not come in. The cursor is the place in that list of the last one of the
 * page before, from 1. */
json_t *bdl_injuries(const struct scene *scene, int64_t cursor, int per_page);
/* Everybody who is listed for a game of the night, with his team; pages as above. */
json_t *bdl_players(const struct scene *scene, int64_t cursor, int per_page);
/* Who stands in the box score of a game that has begun; nobody of one that has not, or of no such game. */
json_t *bdl_lineup(const struct scene *scene, int64_t game_id);
/* The night's games; `date` 0: those in progress. Another date's games have no box scores here: an empty list. */
json_t *bdl_box_scores(const struct scene *scene, int32_t date);

/* Lines of single players of games that have begun, of the night if its date is asked for or none is; paged. */
json_t *bdl_stats(const struct scene *scene, const struct bdl_query *query);
json_t *bdl_teams(const struct scene *scene);
/* Everybody who was ever seen with a team, whose name holds `search` ("": all); paged. */
json_t *bdl_all_players(const struct scene *scene, int64_t cursor, int per_page,
                        const char *search);
/* The lines of the night's games that are not over, one vendor; of the dates asked for; paged. */
json_t *bdl_odds(const struct scene *scene, const struct bdl_query *query);
/* What each vendor has up on the players of a game that is not over, as of its newest snapshot, and one milestone a player; nothing of a
 * game that is over, or of no such game. */
json_t *bdl_player_props(const struct scene *scene, int64_t game_id);

#endif
