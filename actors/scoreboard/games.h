/* The games of a date and the players' lines in them, from whatever is newest: the night's own rows or an import's. */
#ifndef ACTORS_SCOREBOARD_GAMES_H
#define ACTORS_SCOREBOARD_GAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "actors/scoreboard/tables.h"

struct games_game {
    struct msg_row_game row;
    struct table_mark mark;
    bool imported;             /* from history, not from a feed */
    int64_t live_at, final_at; /* league time it was first seen in play, final; CLOCK_NONE */
};
struct games_day {
    struct games_game *games; /* by tip, then id */
    int count;
};
/* 0 or a store_error; games_day_free either way. */
int games_day_load(struct games_day *out, struct store_txn *txn, int32_t date);
void games_day_free(struct games_day *self);
const struct games_game *games_find(const struct games_day *self,
                                    const char *game_id); /* or NULL */
bool games_live(const struct msg_row_game *game);         /* in play */
bool games_final(const struct msg_row_game *game);

struct boxes_line {
    struct msg_row_box_score row;
    struct table_mark mark;
    bool imported;
};
struct boxes_day {
    struct boxes_line *lines; /* by game, then player */
    int count;
};
int boxes_day_load(struct boxes_day *out, struct store_txn *txn, int32_t date);
void boxes_day_free(struct boxes_day *self);
const struct boxes_line *boxes_find(const struct boxes_day *self, const char *game_id,
                                    int64_t player_id); /* or NULL */

#endif
