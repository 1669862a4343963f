/* Who and what a feed means: teams, games and players of the sources, resolved against the cross-walk.
 * team    by balldontlie's id, then abbreviation, then name
 * game    by day and sides (either way round), then by the source id that was resolved before
 * player  by balldontlie's id, then by normalised name: of several with one name the one whose team it is; then what was
 *         looked up by name */
#ifndef ACTORS_PROCESSOR_IDENTITY_H
#define ACTORS_PROCESSOR_IDENTITY_H

#include "actors/processor/feed.h"
#include "actors/processor/memory.h"

bool identity_team(struct memory *memory, const struct feed_team *team,
                   char code[MEMORY_CODE_SIZE]);

/* A source's game, whose sides are known by code. On success `out` is the league's game; whether the source's home side is
 * the league's home side is for the caller to compare. What was resolved is remembered by source id. */
bool identity_game(struct memory *memory, const struct feed_game *game, const char *home,
                   const char *away, struct msg_processor_game *out);
/* A bookmaker's event, by the names of its sides and its start. `rollover_hour`: setting day.rollover_hour. */
bool identity_event(struct memory *memory, const char *home, const char *away, int64_t commence_us,
                    int rollover_hour, struct msg_processor_game *out);

struct identity_player {
    int64_t player_id; /* the NBA's, or negative */
    bool known;
    char name[FEED_NAME_SIZE]; /* the cross-walk's, or the source's while unknown */
};
/* balldontlie's player, in a box score of `team`. `sure`: only if his id is known or, by name, he is known to play for that
 * team; otherwise anyone whose name it is will do. What was found by name is remembered by id. False: nobody. */
bool identity_box_player(struct memory *memory, int64_t source_id, const char *name,
                         const char *team, bool sure, struct identity_player *out);
/* Nobody: kept under -source_id. */
void identity_unknown(int64_t source_id, const char *name, struct identity_player *out);
/* balldontlie's, known by his number only: of the cross-walk, or of a squad that was listed. False: nobody. */
bool identity_numbered_player(struct memory *memory, int64_t source_id,
                              struct identity_player *out);
/* A bookmaker's, known by name only, in a game of these teams: of the cross-walk, or looked up (lookup.h). Unknown: a number made from the
 * name. */
void identity_odds_player(struct memory *memory, const char *name, const char *home,
                          const char *away, struct identity_player *out);

#endif
