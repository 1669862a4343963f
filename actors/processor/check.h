/* Checks between raw and row: figures of what a body said of one game against what they may be (checks.def). What they find is said
 * (row.check), and nothing is held back: who depends on it knows it by name. */
#ifndef ACTORS_PROCESSOR_CHECK_H
#define ACTORS_PROCESSOR_CHECK_H

#include "actors/processor/apply.h"

enum check_list { LIST_BOX, LIST_ODDS, LIST_SCORE, LIST_STATS, LIST_PLAYS };

/* NAN: there is none, and the check does not apply. */
struct check_figures {
    double rows, unknown, nulls, off, mean, late;
};

void check_game(struct apply *self, enum check_list list, const char *game_id, int32_t game_date,
                const struct check_figures *figures);

#endif
