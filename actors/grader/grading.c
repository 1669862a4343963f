#include "actors/grader/grading.h"

#include <ctype.h>
#include <string.h>

enum { PERIOD_S = 720, OVERTIME_S = 300, GAME_S = 4 * PERIOD_S };

const char *grading_state_text(enum grading_state state)
{
    static const char *const TEXTS[] = {"pending", "in_progress", "trending_correct",
                                        "trending_incorrect", "final"};
    return TEXTS[state];
}

const char *grading_outcome_text(enum grading_outcome outcome)
{
    static const char *const TEXTS[] = {"",     "correct", "incorrect", "push",
                                        "void", "no_line", "pass"};
    return TEXTS[outcome];
}

enum grading_side grading_side(const char *recommendation)
{
    if (strcmp(recommendation, "OVER") == 0) {
        return GRADING_OVER;
    }
    if (strcmp(recommendation, "UNDER") == 0) {
        return GRADING_UNDER;
    }
    return strcmp(recommendation, "NO_LINE") == 0 ? GRADING_LINELESS : GRADING_PASSED;
}

static struct grading_result grade_final(const struct grading_input *input)
{
    struct grading_result grade = {GRADING_FINAL, GRADING_NONE, ""};
    if (!input->listed || !input->played) {
        grade.outcome = GRADING_VOID;
        grade.void_reason = input->listed ? "did_not_play" : "absent";
    } else if (input->side == GRADING_LINELESS) {
        grade.outcome = GRADING_NO_LINE;
    } else if (input->side == GRADING_PASSED) {
        grade.outcome = GRADING_PASS;
    } else if ((double)input->points == input->line) {
        grade.outcome = GRADING_PUSH;
    } else {
        bool over = (double)input->points > input->line;
        grade.outcome = over == (input->side == GRADING_OVER) ? GRADING_CORRECT : GRADING_INCORRECT;
    }
    return grade;
}

static struct grading_result grade_live(const struct grading_input *input)
{
    struct grading_result grade = {GRADING_IN_PROGRESS, GRADING_NONE, ""};
    if (!input->in_play || !input->listed) {
        grade.state = GRADING_PENDING;
        return grade;
    }
    if (input->side != GRADING_OVER && input->side != GRADING_UNDER) {
        return grade;
    }
    int trend = 0; /* 1: over, -1: under */
    double points = (double)input->points;
    if (points > input->line) {
        trend = 1;
    } else if (input->elapsed_s * 2 >= input->total_s && input->elapsed_s > 0) {
        double projected = points * input->total_s / input->elapsed_s;
        trend = projected >= input->line + GRADING_MARGIN   ? 1
                : projected <= input->line - GRADING_MARGIN ? -1
                                                            : 0;
    }
    if (trend != 0) {
        grade.state = (trend > 0) == (input->side == GRADING_OVER) ? GRADING_TRENDING_CORRECT
                                                                   : GRADING_TRENDING_INCORRECT;
    }
    return grade;
}

struct grading_result grading_of(const struct grading_input *input)
{
    return input->final ? grade_final(input) : grade_live(input);
}

/* Seconds left by the last "m:ss" or "ss.s" in the text; -1 if there is none. */
static int seconds_left(const char *clock)
{
    const char *colon = strrchr(clock, ':');
    if (colon && colon > clock && isdigit((unsigned char)colon[-1]) &&
        isdigit((unsigned char)colon[1])) {
        const char *from = colon;
        int minutes = 0, seconds = 0;
        while (from > clock && isdigit((unsigned char)from[-1]) && colon - from < 2) {
            from--;
        }
        for (; from < colon; from++) {
            minutes = minutes * 10 + (*from - '0');
        }
        for (int i = 1; i <= 2 && isdigit((unsigned char)colon[i]); i++) {
            seconds = seconds * 10 + (colon[i] - '0');
        }
        return minutes * 60 + seconds;
    }
    if (isdigit((unsigned char)clock[0]) && strchr(clock, '.')) {
        int seconds = 0;
        for (int i = 0; i < 2 && isdigit((unsigned char)clock[i]); i++) {
            seconds = seconds * 10 + (clock[i] - '0');
        }
        return seconds;
    }
    return -1;
}

void grading_clock(int64_t period, const char *clock, int *elapsed_s, int *total_s)
{
    int overtimes = period > 4 ? (int)(period - 4) : 0;
    int length = overtimes > 0 ? OVERTIME_S : PERIOD_S;
    int before = overtimes > 0 ? GAME_S + (overtimes - 1) * OVERTIME_S
                 : period > 0  ? (int)(period - 1) * PERIOD_S
                               : 0;
    int left = seconds_left(clock);
    *total_s = GAME_S + overtimes * OVERTIME_S;
    if (period <= 0) {
        *elapsed_s = 0;
        return;
    }
    if (strncmp(clock, "Half", 4) == 0 && period <= 2) {
        left = 0;
        before = PERIOD_S;
    }
    if (left < 0 || left > length) {
        left = length;
    }
    *elapsed_s = before + length - left;
}

bool grading_in_time(int64_t as_of, int64_t play_seen, int64_t tip_at, int64_t grace_us)
{
    return (play_seen == INT64_MIN || as_of <= play_seen) &&
           (tip_at == INT64_MIN || as_of < tip_at + grace_us);
}
