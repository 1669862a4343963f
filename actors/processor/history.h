/* Imports: their rows are staged, and become what the processor knows in one step, at their import_commit. */
#ifndef ACTORS_PROCESSOR_HISTORY_H
#define ACTORS_PROCESSOR_HISTORY_H

#include "actors/processor/memory.h"

void history_stage_team(struct memory *memory, const struct msg_history_team *team);
void history_stage_player(struct memory *memory, const struct msg_history_player *player);
void history_stage_game(struct memory *memory, const struct msg_history_game *game);
/* Of a player's games only the newest matters here: whose team he is of. */
void history_stage_player_game(struct memory *memory, const struct msg_history_player_game *line);

/* Applies what the import staged; returns how many rows. All staging is swept: `import` is one producer, so whatever
 * another import left there can no longer be committed. */
int64_t history_commit(struct memory *memory, const char *import_id);

#endif
