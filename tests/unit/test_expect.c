/* What a game owes, by when, and what became of it: the rules alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "actors/watchdog/expect.h"
#include "actors/watchdog/remedy.h"
#include "config/clock.h"

#define MINUTE 60000000LL
#define TIP 1763424000000000LL

static const struct owner well = {.halted = false};

static struct msg_ops_expected row_of(enum output_id output)
{
    struct msg_ops_expected row;
    expect_begin(&row, &OUTPUTS[output], "0022500001", 20251117, TIP);
    return row;
}

static void judged(struct msg_ops_expected *row, const struct owner *owner, int64_t now_us,
                   bool news, const char *state)
{
    assert_int_equal(expect_judge(row, owner, "", now_us), news);
    assert_string_equal(row->state, state);
}

static void test_complete_in_time(void **state)
{
    (void)state;
    struct msg_ops_expected row = row_of(OUTPUT_FEATURES);
    judged(&row, &well, TIP - 1, false, "EXPECTED");
    assert_false(expect_count(&row, 9, 0, TIP - 10 * MINUTE));
    judged(&row, &well, TIP - 1, false, "EXPECTED");
    assert_false(expect_count(&row, 1, 0, TIP - 5 * MINUTE));
    /* When it is looked at matters less than when it came. */
    judged(&row, &well, TIP + 60 * MINUTE, true, "COMPLETE");
    assert_string_equal(row.reason, "");
    judged(&row, &well, TIP + 600 * MINUTE, false, "COMPLETE");
}

static void test_degraded_by_a_check(void **state)
{
    (void)state;
    struct msg_ops_expected row = row_of(OUTPUT_BOXSCORE);
    (void)expect_count(&row, 26, 0, TIP + 180 * MINUTE);
    assert_true(
        expect_judge(&row, &well, "check box_sum: 3, not within 0 to 0", TIP + 181 * MINUTE));
    assert_string_equal(row.state, "DEGRADED");
    assert_string_equal(row.reason, "check box_sum: 3, not within 0 to 0");
    judged(&row, &well, TIP + 182 * MINUTE, false,
           "DEGRADED"); /* settled until somebody says otherwise */
    expect_again(&row);
    judged(&row, &well, TIP + 183 * MINUTE, true, "COMPLETE");
    expect_again(&row);
    assert_true(expect_open(&row));
    struct msg_ops_expected late = row_of(OUTPUT_BOXSCORE);
    judged(&late, &well, late.deadline + MINUTE, true, "LATE");
    expect_again(&late); /* a check makes nothing come */
    assert_string_equal(late.state, "LATE");
}

static void test_late_and_then(void **state)
{
    (void)state;
    struct msg_ops_expected row = row_of(OUTPUT_BOXSCORE);
    assert_true(row.deadline == TIP + 240 * MINUTE);
    judged(&row, &well, row.deadline - 1, false, "EXPECTED");
    struct owner failing = {.last_error = "http_status"};
    judged(&row, &failing, row.deadline + MINUTE, true, "LATE");
    assert_non_null(strstr(row.reason, "http_status"));
    judged(&row, &failing, row.deadline + 2 * MINUTE, false, "LATE"); /* said once */
    assert_false(expect_count(&row, 26, 0, row.deadline + 3 * MINUTE));
    judged(&row, &failing, row.deadline + 4 * MINUTE, true, "COMPLETE");
    assert_string_equal(row.reason, "late by 4 min");
}

static void test_given_up(void **state)
{
    (void)state;
    struct msg_ops_expected row = row_of(OUTPUT_BOXSCORE);
    judged(&row, &well, row.deadline, true, "LATE");
    judged(&row, &well, row.deadline + 720 * MINUTE, true, "FAILED");
    assert_false(expect_open(&row));
    /* What comes all the same counts. */
    assert_true(expect_count(&row, 26, 0, row.deadline + 800 * MINUTE));
    judged(&row, &well, row.deadline + 801 * MINUTE, true, "COMPLETE");
}

static void test_owner_explains(void **state)
{
    (void)state;
    struct msg_ops_expected row = row_of(OUTPUT_PREDICTIONS);
    struct owner busy = {.working = true};
    judged(&row, &busy, row.deadline + MINUTE, false, "EXPECTED"); /* no false LATE */
    struct owner halted = {.halted = true, .cause = "log-behind"};
    judged(&row, &halted, row.deadline + MINUTE, true, "HALTED");
    assert_non_null(strstr(row.reason, "log-behind"));
    judged(&row, &halted, row.deadline + 2 * MINUTE, false, "HALTED");
    judged(&row, &well, row.deadline + 3 * MINUTE, true,
           "LATE"); /* it goes on, and still nothing */
}

static void test_wanted_by_others(void **state)
{
    (void)state;
    struct msg_ops_expected row = row_of(OUTPUT_PREDICTIONS);
    for (int i = 0; i < 20; i++) {
        assert_false(expect_count(&row, 0, 1, TIP - 30 * MINUTE)); /* features that lead to it */
        if (i < 19)
            assert_false(expect_count(&row, 1, 0, TIP - 29 * MINUTE));
    }
    assert_int_equal(expect_need(&row), 20);
    judged(&row, &well, TIP, false, "EXPECTED");
    (void)expect_count(&row, 1, 0, TIP);
    judged(&row, &well, TIP, true, "COMPLETE");
    assert_true(expect_count(&row, 0, 1, TIP + MINUTE)); /* one more is wanted: open again */
    judged(&row, &well, TIP + MINUTE, false, "EXPECTED");
    judged(&row, &well, row.deadline + MINUTE, true, "LATE");
}

static void test_void_and_moved(void **state)
{
    (void)state;
    struct msg_ops_expected row = row_of(OUTPUT_LIVE), done = row_of(OUTPUT_LIVE);
    expect_void(&row, "postponed");
    judged(&row, &well, TIP + 900 * MINUTE, false, "EMPTY_OK");
    (void)expect_count(&done, 1, 0, TIP + 10 * MINUTE);
    judged(&done, &well, TIP + 11 * MINUTE, true, "COMPLETE");
    expect_void(&done, "postponed"); /* what is there stays there */
    assert_string_equal(done.state, "COMPLETE");
    row = row_of(OUTPUT_LIVE);
    judged(&row, &well, TIP + 30 * MINUTE, true, "LATE");
    expect_tip(&row, &OUTPUTS[OUTPUT_LIVE], TIP + 120 * MINUTE);
    assert_string_equal(row.state, "EXPECTED");
    judged(&row, &well, TIP + 60 * MINUTE, false, "EXPECTED");
}

static void test_grades_are_due_behind_the_final(void **state)
{
    (void)state;
    struct msg_ops_expected row = row_of(OUTPUT_GRADES);
    assert_true(row.deadline == CLOCK_NONE);
    judged(&row, &well, TIP + 9000 * MINUTE, false, "EXPECTED"); /* no final, nothing due */
    expect_final(&row, &OUTPUTS[OUTPUT_GRADES], TIP + 150 * MINUTE);
    assert_true(row.deadline == TIP + 165 * MINUTE);
    expect_final(&row, &OUTPUTS[OUTPUT_GRADES], TIP + 400 * MINUTE); /* the first one counts */
    assert_true(row.deadline == TIP + 165 * MINUTE);
    judged(&row, &well, TIP + 166 * MINUTE, true, "LATE");
}

/* The final never came, and the box score is late by now: the grades are due behind it. */
static void test_grades_of_a_box_score_that_is_late(void **state)
{
    (void)state;
    struct msg_ops_expected row = row_of(OUTPUT_GRADES), box = row_of(OUTPUT_BOXSCORE);
    (void)expect_count(&row, 0, 27, TIP - 60 * MINUTE);
    judged(&box, &well, box.deadline, true, "LATE");
    expect_final(&row, &OUTPUTS[OUTPUT_GRADES], box.deadline);
    judged(&row, &well, box.deadline + 14 * MINUTE, false, "EXPECTED");
    judged(&row, &well, box.deadline + 15 * MINUTE, true, "LATE");
    judged(&row, &well, row.deadline + 12 * 60 * MINUTE, true, "FAILED");
    /* Found months later, both are whole: late, but there. */
    assert_true(expect_count(&row, 27, 0, TIP + 100 * 24 * 60 * MINUTE));
    judged(&row, &well, TIP + 100 * 24 * 60 * MINUTE, true, "COMPLETE");
}

static void test_informational(void **state)
{
    (void)state;
    struct msg_ops_expected row = row_of(OUTPUT_ODDS);
    judged(&row, &well, TIP, true, "DEGRADED");
    assert_false(expect_open(&row));
    assert_false(expect_wanting(&row, &well, TIP + MINUTE));
}

static void test_wanting(void **state)
{
    (void)state;
    struct msg_ops_expected row = row_of(OUTPUT_BOXSCORE), ahead = row_of(OUTPUT_FEATURES),
                            made = row_of(OUTPUT_PREDICTIONS);
    const struct owner busy = {.working = true};
    assert_false(expect_wanting(&row, &well, row.deadline - MINUTE)); /* not late yet */
    judged(&row, &well, row.deadline, true, "LATE");
    assert_true(expect_wanting(&row, &well, row.deadline));
    (void)expect_count(&row, 26, 0, row.deadline + MINUTE);
    assert_false(expect_wanting(&row, &well, row.deadline + MINUTE));
    /* What ought to be there long before its deadline is asked for before it, if nothing comes. */
    ahead.at = made.at = TIP - 600 * MINUTE;
    assert_false(expect_wanting(&ahead, &well, TIP - 61 * MINUTE));
    assert_false(expect_wanting(&ahead, &busy, TIP - 60 * MINUTE));
    assert_true(expect_wanting(&ahead, &well, TIP - 60 * MINUTE));
    ahead.at = TIP - 65 * MINUTE; /* only just heard of */
    assert_false(expect_wanting(&ahead, &well, TIP - 60 * MINUTE));
    (void)expect_count(&ahead, 1, 0, TIP - 55 * MINUTE); /* they are coming */
    assert_false(expect_wanting(&ahead, &well, TIP - 50 * MINUTE));
    assert_true(expect_wanting(&ahead, &well, TIP - 45 * MINUTE));
    assert_false(
        expect_wanting(&made, &well, TIP - 30 * MINUTE)); /* no features, nothing to make */
    (void)expect_count(&made, 0, 3, TIP - 100 * MINUTE);
    assert_true(expect_wanting(&made, &well, TIP - 30 * MINUTE));
}

static void test_every_output_is_whole(void **state)
{
    (void)state;
    for (int i = 0; i < OUTPUT_COUNT; i++) {
        assert_ptr_equal(output_named(OUTPUTS[i].name), &OUTPUTS[i]);
        assert_true(OUTPUTS[i].least >= 1);
        for (size_t r = 0; r < REMEDIES_MOST; r++) /* what is only said, is never mended */
            assert_true(!OUTPUTS[i].told_only || (int)REMEDIES[r].output != i);
    }
    assert_null(output_named("toast"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_complete_in_time),
        cmocka_unit_test(test_degraded_by_a_check),
        cmocka_unit_test(test_late_and_then),
        cmocka_unit_test(test_given_up),
        cmocka_unit_test(test_owner_explains),
        cmocka_unit_test(test_wanted_by_others),
        cmocka_unit_test(test_void_and_moved),
        cmocka_unit_test(test_grades_are_due_behind_the_final),
        cmocka_unit_test(test_grades_of_a_box_score_that_is_late),
        cmocka_unit_test(test_informational),
        cmocka_unit_test(test_wanting),
        cmocka_unit_test(test_every_output_is_whole),
    };
    return cmocka_run_group_tests_name("expected outputs", tests, NULL, NULL);
}
