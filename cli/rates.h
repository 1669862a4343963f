/* Two answers to STATUS, and what happened between them. No sockets and no clock in here. */
#ifndef CLI_RATES_H
#define CLI_RATES_H

#include "schema/json.h"

/* {seconds, broker, shards, streams}: figures of `after`, and rates a second where there is a `before` of the same broker process
 * (by `instance`), else null. `seconds` is the broker's own time between the two. The caller's. */
json_t *rates_between(const json_t *before, const json_t *after);

/* The least bucket edge that `percent` of a hundred of a spread's new counts are not above: of `after` less `before` (NULL: all of
 * it). -1: there are none. */
long long rates_percentile(const json_t *before, const json_t *after, double percent);

#endif
