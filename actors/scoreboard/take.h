/* What the scoreboard does with each record: one row of a table, no more. */
#ifndef ACTORS_SCOREBOARD_TAKE_H
#define ACTORS_SCOREBOARD_TAKE_H

#include "actors/actor.h"

extern const struct take scoreboard_takes[];

/* Told of every record taken that the page shows; the step it belongs to may still be undone. */
typedef void take_notice(void *context, const struct input *input, int32_t date,
                         const char *game_id);
void take_on_notice(take_notice *notice, void *context);
/* Drops what was remembered between calls. */
void take_forget(void);

#endif
