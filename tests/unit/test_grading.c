/* Grading rules: finals, mirror-image trends in play, clocks, the lock. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "actors/grader/grading.h"

static struct grading_input final_of(enum grading_side side, double line, int64_t points)
{
    return (struct grading_input){.side = side,
                                  .line = line,
                                  .final = true,
                                  .in_play = true,
                                  .listed = true,
                                  .played = true,
                                  .points = points,
                                  .elapsed_s = 2880,
                                  .total_s = 2880};
}

static void ends(struct grading_input input, enum grading_outcome outcome, const char *void_reason)
{
    struct grading_result result = grading_of(&input);
    assert_int_equal(result.state, GRADING_FINAL);
    assert_int_equal(result.outcome, outcome);
    assert_string_equal(result.void_reason, void_reason);
}

static void test_final(void **state)
{
    (void)state;
    ends(final_of(GRADING_OVER, 20.5, 21), GRADING_CORRECT, "");
    ends(final_of(GRADING_OVER, 20.5, 20), GRADING_INCORRECT, "");
    ends(final_of(GRADING_UNDER, 20.5, 21), GRADING_INCORRECT, "");
    ends(final_of(GRADING_UNDER, 20.5, 20), GRADING_CORRECT, "");
    ends(final_of(GRADING_OVER, 20, 20), GRADING_PUSH, "");
    ends(final_of(GRADING_UNDER, 20, 20), GRADING_PUSH, "");
    ends(final_of(GRADING_PASSED, 20, 20), GRADING_PASS, "");
    ends(final_of(GRADING_LINELESS, NAN, 20), GRADING_NO_LINE, "");
}

static void test_void(void **state)
{
    (void)state;
    for (enum grading_side side = GRADING_OVER; side <= GRADING_LINELESS; side++) {
        struct grading_input bench = final_of(side, 0.5, 0), absent = final_of(side, 0.5, 0);
        bench.played = false;
        ends(bench, GRADING_VOID, "did_not_play");
        absent.listed = absent.played = false;
        ends(absent, GRADING_VOID, "absent");
        /* scoreless is not absent */
        struct grading_input zero = final_of(side, 0.5, 0);
        assert_int_not_equal(grading_of(&zero).outcome, GRADING_VOID);
    }
}

static enum grading_state live(enum grading_side side, double line, int64_t points, int elapsed_s)
{
    struct grading_input input = final_of(side, line, points);
    input.final = false;
    input.elapsed_s = elapsed_s;
    struct grading_result result = grading_of(&input);
    assert_int_equal(result.outcome, GRADING_NONE);
    return result.state;
}

static void test_in_play(void **state)
{
    (void)state;
    /* from the tip on nothing trends: neither side is right because nobody has scored yet */
    assert_int_equal(live(GRADING_OVER, 20.5, 0, 10), GRADING_IN_PROGRESS);
    assert_int_equal(live(GRADING_UNDER, 20.5, 0, 10), GRADING_IN_PROGRESS);
    /* past the line is decided at any time */
    assert_int_equal(live(GRADING_OVER, 20.5, 21, 600), GRADING_TRENDING_CORRECT);
    assert_int_equal(live(GRADING_UNDER, 20.5, 21, 600), GRADING_TRENDING_INCORRECT);
    /* from half-time by pace: 8 points make 16 */
    assert_int_equal(live(GRADING_OVER, 20.5, 8, 1439), GRADING_IN_PROGRESS);
    assert_int_equal(live(GRADING_OVER, 20.5, 8, 1440), GRADING_TRENDING_INCORRECT);
    assert_int_equal(live(GRADING_UNDER, 20.5, 8, 1440), GRADING_TRENDING_CORRECT);
    assert_int_equal(live(GRADING_OVER, 20.5, 12, 1440), GRADING_TRENDING_CORRECT);
    assert_int_equal(live(GRADING_UNDER, 20.5, 12, 1440), GRADING_TRENDING_INCORRECT);
    assert_int_equal(live(GRADING_OVER, 20.5, 10, 1440), GRADING_IN_PROGRESS); /* too close */
    /* on the line to the end, not past it */
    assert_int_equal(live(GRADING_OVER, 20, 20, 2880), GRADING_IN_PROGRESS);
    assert_int_equal(live(GRADING_PASSED, 20.5, 40, 2000), GRADING_IN_PROGRESS);
    assert_int_equal(live(GRADING_LINELESS, NAN, 40, 2000), GRADING_IN_PROGRESS);
}

static void test_pending(void **state)
{
    (void)state;
    struct grading_input input = final_of(GRADING_UNDER, 20.5, 0);
    input.final = input.in_play = false;
    assert_int_equal(grading_of(&input).state, GRADING_PENDING);
    input.in_play = true;
    input.listed = false;
    assert_int_equal(grading_of(&input).state, GRADING_PENDING);
}

static void clock_is(int64_t period, const char *clock, int elapsed_s, int total_s)
{
    int elapsed, total;
    grading_clock(period, clock, &elapsed, &total);
    assert_int_equal(elapsed, elapsed_s);
    assert_int_equal(total, total_s);
}

static void test_clock(void **state)
{
    (void)state;
    clock_is(0, "", 0, 2880);
    clock_is(0, "7:00 pm ET", 0, 2880);
    clock_is(1, "12:00", 0, 2880);
    clock_is(1, "5:42", 378, 2880);
    clock_is(3, "Q3 5:42", 1440 + 378, 2880);
    clock_is(2, "0:00", 1440, 2880);
    clock_is(2, "Halftime", 1440, 2880);
    clock_is(2, "Half", 1440, 2880);
    clock_is(4, "32.5", 2880 - 32, 2880);
    clock_is(4, "Final", 2160, 2880); /* says nothing */
    clock_is(4, "", 2160, 2880);
    clock_is(5, "5:00", 2880, 3180);
    clock_is(6, "1:00", 3180 + 240, 3480);
    clock_is(5, "12:00", 2880, 3180); /* more than the period has */
    clock_is(1, ":30", 0, 2880);
    clock_is(1, "a:b", 0, 2880);
}

static void test_lock(void **state)
{
    (void)state;
    const int64_t none = INT64_MIN, tip = 1000, grace = 15;
    assert_true(grading_in_time(5, none, none, grace));
    assert_true(grading_in_time(1014, none, tip, grace));
    assert_false(grading_in_time(1015, none, tip, grace));
    assert_true(grading_in_time(900, 900, tip, grace));
    assert_false(grading_in_time(901, 900, tip, grace));
    assert_false(grading_in_time(1015, 2000, tip, grace)); /* the earlier of the two */
}

static void test_texts(void **state)
{
    (void)state;
    assert_int_equal(grading_side("OVER"), GRADING_OVER);
    assert_int_equal(grading_side("UNDER"), GRADING_UNDER);
    assert_int_equal(grading_side("PASS"), GRADING_PASSED);
    assert_int_equal(grading_side("NO_LINE"), GRADING_LINELESS);
    assert_string_equal(grading_state_text(GRADING_TRENDING_INCORRECT), "trending_incorrect");
    assert_string_equal(grading_state_text(GRADING_FINAL), "final");
    assert_string_equal(grading_outcome_text(GRADING_NONE), "");
    assert_string_equal(grading_outcome_text(GRADING_PASS), "pass");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_final),   cmocka_unit_test(test_void),
        cmocka_unit_test(test_in_play), cmocka_unit_test(test_pending),
        cmocka_unit_test(test_clock),   cmocka_unit_test(test_lock),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
