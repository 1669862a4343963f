/* The newest features of each player of a game, as they came: what a prediction can be made again from.
 *
 *   feature   its date, (game, player) -> position, append time, payload of feature.player */
#ifndef ACTORS_PREDICTOR_KEPT_H
#define ACTORS_PREDICTOR_KEPT_H

#include "actors/actor.h"
#include "schema/messages.h"
#include "store/store.h"

struct kept_row {
    uint64_t position;
    int64_t time_us;
    size_t at, size; /* its payload, in `bytes` */
};
struct kept_game {
    struct kept_row *rows;
    uint8_t *bytes;
    size_t count, capacity, bytes_size, bytes_capacity;
};
/* Of the record in hand. A store_error. */
int kept_put(struct store_txn *txn, const struct input *input);
/* Those of a game, by player; of games of some days before and after `now_us`. A store_error; kept_free in any case. */
int kept_load(struct store_txn *txn, const char *game_id, int64_t now_us, struct kept_game *out);
/* Its maps borrow from `self`. */
int kept_read(const struct kept_game *self, size_t index, struct msg_feature_player *feature);
void kept_free(struct kept_game *self);

#endif
