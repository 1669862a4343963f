/* BettingPros' bodies: a day's events, and the books' lines of one of them. Callers own what is returned; NULL: no memory. */
#ifndef SIM_BETTINGPROS_H
#define SIM_BETTINGPROS_H

#include "schema/json.h"
#include "sim/scene.h"

json_t *bettingpros_events(const struct scene *scene, int32_t date);
/* Every line that a book has had up since its newest snapshot, of the books that have a number there; no offers for an id that is no event's. */
json_t *bettingpros_offers(const struct scene *scene, int64_t event_id);

#endif
