/* What became of a day: every phase's runs by outcome, every class of error, everything that was expected, what was done about it. */
#ifndef ACTORS_SCOREBOARD_AUDIT_H
#define ACTORS_SCOREBOARD_AUDIT_H

#include "actors/scoreboard/tables.h"
#include "config/settings.h"
#include "schema/json.h"

/* Keys of the contract, and beside them: gaps, uptime_pct, predictions and graded (as in the report), alerts, versions (which code and
 * configuration ran, from when to when). What was expected is held against what the tables hold now: a row that is gone is named,
 * whenever it went. NULL with *error. */
json_t *audit_make(struct store_txn *txn, const struct settings *settings, int32_t date,
                   int *error);

#endif
