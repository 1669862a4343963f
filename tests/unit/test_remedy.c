/* What mends what: the table, its order, its limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "actors/watchdog/remedy.h"
#include "config/clock.h"

#define MINUTE 60000000LL
#define NOW (1763424000000000LL)

static struct remedy_limits limits;
static struct remedy_budget budget;
static struct remedy_past past[REMEDY_KINDS];

static int set_up(void **state)
{
    (void)state;
    limits = (struct remedy_limits){.tries = 2, .per_hour = 100};
    for (int i = 0; i < REMEDY_KINDS; i++) {
        limits.of[i].cooldown_us = 10 * MINUTE;
        limits.of[i].per_hour = 10;
        past[i] = (struct remedy_past){.asked_us = CLOCK_NONE};
    }
    budget = (struct remedy_budget){.hour = 0};
    remedy_hour(&budget, NOW);
    return 0;
}

static const struct remedy *asked(enum output_id output, const struct remedy_facts *facts,
                                  int64_t now_us, enum remedy_answer expected)
{
    const struct remedy *remedy = NULL;
    assert_int_equal(remedy_next(output, facts, past, &limits, &budget, now_us, &remedy), expected);
    return expected == REMEDY_ASK ? remedy : NULL;
}

static void each_cause_has_its_own(void **state)
{
    (void)state;
    static const struct {
        enum output_id output;
        enum remedy_cause cause;
        const char *verb, *subject;
    } rows[] = {{OUTPUT_FEATURES, CAUSE_REFUSED, "rebuild", "0022500001"},
                {OUTPUT_FEATURES, CAUSE_INPUTS, "rebuild", "0022500001"},
                {OUTPUT_PREDICTIONS, CAUSE_INPUTS, "predict", "0022500001"},
                {OUTPUT_LIVE, CAUSE_NOT_WHOLE, "reprocess", "bdl_live"},
                {OUTPUT_LIVE, CAUSE_NOTHING, "poll", "bdl_live"},
                {OUTPUT_BOXSCORE, CAUSE_REFUSED, "reprocess", "bdl_box_scores:2025-11-17"},
                {OUTPUT_BOXSCORE, CAUSE_NOT_WHOLE, "reprocess", "bdl_box_scores:2025-11-17"},
                {OUTPUT_BOXSCORE, CAUSE_NOTHING, "poll", "bdl_box_scores:2025-11-17"},
                {OUTPUT_GRADES, CAUSE_REFUSED, "grade", "0022500001"},
                {OUTPUT_GRADES, CAUSE_INPUTS, "grade", "0022500001"},
                {OUTPUT_FEATURES, CAUSE_LOST, "rewind", "0022500001:2025-11-17"},
                {OUTPUT_PREDICTIONS, CAUSE_LOST, "say", "0022500001:2025-11-17"},
                {OUTPUT_BOXSCORE, CAUSE_LOST, "say", "0022500001:2025-11-17"},
                {OUTPUT_GRADES, CAUSE_LOST, "say", "0022500001:2025-11-17"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct remedy_facts facts = {.so[CAUSE_NOTHING] = true};
        struct msg_ops_expected row;
        char subject[REMEDY_SUBJECT_SIZE];
        facts.so[rows[i].cause] = true;
        expect_begin(&row, &OUTPUTS[rows[i].output], "0022500001", 20251117, NOW);
        const struct remedy *remedy = asked(rows[i].output, &facts, NOW, REMEDY_ASK);
        remedy_subject(remedy, &row, subject);
        assert_string_equal(remedy_verb(remedy->kind), rows[i].verb);
        assert_string_equal(subject, rows[i].subject);
        assert_int_equal(remedy->cause, rows[i].cause);
    }
    const struct remedy_facts all = {{true, true, true, true, true, true}}, none = {{false}};
    (void)asked(OUTPUT_ODDS, &all, NOW, REMEDY_NONE);
    (void)asked(OUTPUT_PREDICTIONS, &none, NOW, REMEDY_NONE);
}

static void what_does_not_help_makes_room_for_the_next(void **state)
{
    (void)state;
    const struct remedy_facts facts = {.so[CAUSE_NOT_WHOLE] = true, .so[CAUSE_NOTHING] = true};
    assert_int_equal(asked(OUTPUT_BOXSCORE, &facts, NOW, REMEDY_ASK)->kind, REMEDY_REPROCESS);
    past[REMEDY_REPROCESS] = (struct remedy_past){.open = true, .asked_us = NOW, .attempts = 1};
    (void)asked(OUTPUT_BOXSCORE, &facts, NOW + 20 * MINUTE, REMEDY_WAIT); /* nobody knows yet */
    assert_false(remedy_over(REMEDY_REPROCESS, &past[REMEDY_REPROCESS], &limits, NOW + MINUTE));
    assert_true(remedy_over(REMEDY_REPROCESS, &past[REMEDY_REPROCESS], &limits, NOW + 10 * MINUTE));
    past[REMEDY_REPROCESS].open = false;
    past[REMEDY_REPROCESS].failed = 1;
    (void)asked(OUTPUT_BOXSCORE, &facts, NOW + 9 * MINUTE, REMEDY_WAIT); /* cools down */
    assert_int_equal(asked(OUTPUT_BOXSCORE, &facts, NOW + 10 * MINUTE, REMEDY_ASK)->kind,
                     REMEDY_REPROCESS);
    past[REMEDY_REPROCESS].failed = 2;
    assert_int_equal(asked(OUTPUT_BOXSCORE, &facts, NOW + 10 * MINUTE, REMEDY_ASK)->kind,
                     REMEDY_POLL);
    past[REMEDY_POLL].failed = 2;
    (void)asked(OUTPUT_BOXSCORE, &facts, NOW + 999 * MINUTE, REMEDY_SPENT);
    past[REMEDY_POLL].failed = 0; /* helped after all: it begins anew */
    past[REMEDY_POLL].attempts = 7;
    assert_int_equal(asked(OUTPUT_BOXSCORE, &facts, NOW + 999 * MINUTE, REMEDY_ASK)->kind,
                     REMEDY_POLL);
}

static void an_hour_has_a_budget(void **state)
{
    (void)state;
    const struct remedy_facts facts = {.so[CAUSE_NOTHING] = true};
    budget.asked[REMEDY_POLL] = 9;
    (void)asked(OUTPUT_LIVE, &facts, NOW, REMEDY_ASK);
    budget.asked[REMEDY_POLL] = 10;
    (void)asked(OUTPUT_LIVE, &facts, NOW, REMEDY_WAIT);
    remedy_hour(&budget, NOW + MINUTE);
    (void)asked(OUTPUT_LIVE, &facts, NOW + MINUTE, REMEDY_WAIT);
    remedy_hour(&budget, NOW + 60 * MINUTE);
    (void)asked(OUTPUT_LIVE, &facts, NOW + 60 * MINUTE, REMEDY_ASK);
    limits.per_hour = 3; /* over all of them */
    budget.asked[REMEDY_GRADE] = budget.asked[REMEDY_EXPORT] = 1;
    (void)asked(OUTPUT_LIVE, &facts, NOW + 60 * MINUTE, REMEDY_ASK);
    budget.asked[REMEDY_GRADE] = 2;
    (void)asked(OUTPUT_LIVE, &facts, NOW + 60 * MINUTE, REMEDY_WAIT);
}

static void every_kind_has_its_settings(void **state)
{
    struct settings settings;
    struct remedy_limits of;
    (void)state;
    assert_int_equal(settings_load(&settings, NULL, NULL, 0, stderr), 0);
    remedy_limits(&settings, &of);
    for (int i = 0; i < REMEDY_KINDS; i++)
        assert_true(of.of[i].cooldown_us > 0 && of.of[i].per_hour > 0);
    assert_int_equal(of.of[REMEDY_POLL].cooldown_us, 10 * MINUTE);
    assert_int_equal(of.of[REMEDY_EXPORT].cooldown_us, 2 * MINUTE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(each_cause_has_its_own),
        TEST(what_does_not_help_makes_room_for_the_next),
        TEST(an_hour_has_a_budget),
        TEST(every_kind_has_its_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
