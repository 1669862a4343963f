/* How a prediction stands or ended, pure: what was recommended and what he did in, state and outcome out.
 *
 * Final, in this order:
 *   void     he is not in the final box score (absent), or in it and never came in (did_not_play): no error is counted
 *   no_line  nothing was recommended for want of a line
 *   pass     nothing was recommended
 *   push     his points are the line exactly
 *   correct, incorrect   by strict inequality
 *
 * In play, OVER and UNDER are mirror images. Points only grow, so what is past the line is decided but for corrections: OVER
 * trends correct, UNDER incorrect. Before half-time nothing else is said. From then on his points are projected to the
 * whole game at the pace so far: MARGIN or more to one side of the line trends that way, less is in_progress.
 * Without a line or recommendation there is nothing to trend: in_progress. */
#ifndef ACTORS_GRADER_GRADING_H
#define ACTORS_GRADER_GRADING_H

#include <stdbool.h>
#include <stdint.h>

#define GRADING_MARGIN 2 /* points */

enum grading_state {
    GRADING_PENDING,
    GRADING_IN_PROGRESS,
    GRADING_TRENDING_CORRECT,
    GRADING_TRENDING_INCORRECT,
    GRADING_FINAL
};
enum grading_outcome {
    GRADING_NONE,
    GRADING_CORRECT,
    GRADING_INCORRECT,
    GRADING_PUSH,
    GRADING_VOID,
    GRADING_NO_LINE,
    GRADING_PASS
};
enum grading_side { GRADING_OVER, GRADING_UNDER, GRADING_PASSED, GRADING_LINELESS };

struct grading_input {
    enum grading_side side;
    double line; /* with OVER and UNDER */
    bool final;  /* the final box score is in */
    bool in_play;
    bool listed; /* he is in the box score */
    bool played;
    int64_t points;
    int elapsed_s, total_s; /* of the game; grading_clock */
};
struct grading_result {
    enum grading_state state;
    enum grading_outcome outcome;
    const char *void_reason; /* "" if not void */
};
struct grading_result grading_of(const struct grading_input *input);

const char *grading_state_text(enum grading_state state);
const char *grading_outcome_text(enum grading_outcome outcome); /* "" for none */
enum grading_side grading_side(const char *recommendation);

/* Seconds played of how many, by period and the source's words for the time left ("5:42", "Q3 5:42", "Halftime"). A clock that
 * says nothing counts as the start of its period. */
void grading_clock(int64_t period, const char *clock, int *elapsed_s, int *total_s);

/* The lock: is a prediction made from what was known at `as_of` in time? `play_seen`: append time of the first record that saw
 * play (records stamped alike came before it, or features had not made them); `tip_at` + `grace`: the latest.
 * Either may be INT64_MIN: not known. */
bool grading_in_time(int64_t as_of, int64_t play_seen, int64_t tip_at, int64_t grace_us);

#endif
