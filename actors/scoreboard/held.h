/* How many rows the tables hold of what is expected of a game. */
#ifndef ACTORS_SCOREBOARD_HELD_H
#define ACTORS_SCOREBOARD_HELD_H

#include "actors/scoreboard/tables.h"

/* Of a box score all lines count: one that was left out of the final one stands as it was in play. *rows of `output` (a name of
 * ops_expected); -1: its rows are not in a table of their own. 0 or a store_error. */
int held_rows(struct store_txn *txn, int32_t date, const char *game_id, const char *output,
              int64_t *rows);
/* From which date on its rows are kept, counted from the newest that there is of them; 0: all are. 0 or a store_error. */
int held_since(struct store_txn *txn, const struct settings *settings, const char *output,
               int32_t *date);
/* The table of an output; NULL: it has none. */
const char *held_table(const char *output);

#endif
