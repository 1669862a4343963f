/* How a night went: was there always somebody looking, and did everything get graded. */
#ifndef ACTORS_SCOREBOARD_REPORT_H
#define ACTORS_SCOREBOARD_REPORT_H

#include "actors/scoreboard/tables.h"
#include "config/settings.h"
#include "schema/json.h"

#define REPORT_GAP_US (INT64_C(15) * 60 * 1000000) /* longer between two good polls is a gap */

/* Keys of the contract. Uptime counts only game time: from each game's tip to when it was first seen final. NULL with *error. */
json_t *report_make(struct store_txn *txn, const struct settings *settings, int32_t date,
                    int *error);
bool report_healthy(const json_t *report);

#endif
