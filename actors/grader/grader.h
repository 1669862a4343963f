/* grader - says how each prediction stands while its game is on, and how it ended.
 * takes  prediction.points, row.game, row.box_score, timer.grader, ops.command      gives  grade.points, timer.grader, command.answer
 * keeps  per game: its state, the players' lines, the predictions in force (actors/grader/ledger.h)
 * never  grades what was made after the lock, says an outcome before the whole final box score is in, or guesses one
 *
 * The lock is a matter of what was known when (grading_in_time), not of what arrives when: a prediction that is late on its way
 * still counts, and is graded when it comes. A postponed game's predictions stay pending until it is played. */
#ifndef ACTORS_GRADER_GRADER_H
#define ACTORS_GRADER_GRADER_H

#include "actors/actor.h"

extern const struct actor grader_actor;

#endif
