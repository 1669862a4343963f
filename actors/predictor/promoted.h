/* The promoted model: in the store as it came (table `model`, key "promoted": struct promoted_head and its bytes), and in memory once it
 * is needed. */
#ifndef ACTORS_PREDICTOR_PROMOTED_H
#define ACTORS_PREDICTOR_PROMOTED_H

#include <stdbool.h>

#include "actors/predictor/trained.h"
#include "schema/messages.h"
#include "store/store.h"

struct promoted_head {
    uint64_t position; /* of its model.promoted: a parent of every prediction made with it */
    char sha256[HASH_HEX_SIZE];
    char spare[7];
};
struct promoted {
    struct trained *trained; /* NULL: none is promoted, or it was not needed yet */
    uint64_t position;
    float *values; /* one game's, in its order */
};
int promoted_put(struct store_txn *txn, const struct msg_model_promoted *row, uint64_t position);
/* The bytes that are in force; they borrow from the map. STORE_NOT_FOUND. */
int promoted_get(struct store_txn *txn, struct promoted_head *head, struct span *bytes);
/* Brings memory up to the store. STORE_CORRUPT with why: what is there cannot be read. */
int promoted_refresh(struct promoted *self, struct store_txn *txn, char why[SYSTEM_WHY]);
void promoted_drop(struct promoted *self);

/* Fills `values` from the map of a feature.player; `*market` from its line_prob_over. False: the map is broken. */
bool promoted_values(struct promoted *self, const struct span *map, double *market);

#endif
