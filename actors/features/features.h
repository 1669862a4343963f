/* features - says what is known of each player before a game.
 * takes  history.player, history.player_game, history.prop_line, history.game_line, import.commit, row.game,
 *        row.box_score, row.odds, row.odds_snapshot, row.game_odds, row.injury, timer.features, timer.summary,
 *        ops.command
 * gives  feature.player, summary.player_game, summary.team_game, timer.features, timer.summary, command.answer
 * keeps  finished games (actors/features/career.h); games to come and their odds (actors/features/game.h);
 *        final lines of a night (actors/features/summary.h)
 * never  looks at the game's own day or later, changes anything after the lock, or makes up a value */
#ifndef ACTORS_FEATURES_FEATURES_H
#define ACTORS_FEATURES_FEATURES_H

#include "actors/actor.h"

extern const struct actor features_actor;

#endif
