/* The watchdog's judgement: sources while games are on, shards, dead letters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "actors/watchdog/rules.h"
#include "config/clock.h"

#define MINUTE 60000000LL
#define SECOND 1000000LL

static const struct rules rules = {.stale_warn_us = 15 * MINUTE,
                                   .stale_alert_us = 30 * MINUTE,
                                   .stale_critical_us = 60 * MINUTE,
                                   .unchanged_us = 25 * MINUTE,
                                   .refused_us = 60 * MINUTE,
                                   .silence_us = 30 * SECOND,
                                   .model_age_us = 30LL * 24 * 60 * MINUTE,
                                   .drift_coverage = 0.06,
                                   .drift_error = 0.2};

static const int64_t tip = 1763424000000000; /* 2025-11-18T00:00Z: still the 17th in New York */

static void test_game_is_on(void **state)
{
    (void)state;
    struct {
        const char *status;
        int64_t tip_us, seen_us, now_us, since_us;
    } rows[] = {
        {"scheduled", tip, CLOCK_NONE, tip - 1, CLOCK_NONE},
        {"scheduled", tip, CLOCK_NONE, tip, tip}, /* nobody told us that it began */
        {"scheduled", tip, CLOCK_NONE, tip + 359 * MINUTE, tip},
        {"scheduled", tip, CLOCK_NONE, tip + 360 * MINUTE, CLOCK_NONE},
        {"scheduled", CLOCK_NONE, CLOCK_NONE, tip, CLOCK_NONE},
        {"in_progress", tip, tip + 9 * MINUTE, tip + 300 * MINUTE,
         tip + 9 * MINUTE}, /* past midnight */
        {"in_progress", CLOCK_NONE, tip, tip + 600 * MINUTE, tip},
        {"final", tip, tip, tip + 10 * MINUTE, CLOCK_NONE},
        {"postponed", tip, CLOCK_NONE, tip + 10 * MINUTE, CLOCK_NONE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct watched_game game = {rows[i].status, rows[i].tip_us, rows[i].seen_us};
        assert_true(game_on_since(&game, rows[i].now_us) == rows[i].since_us);
    }
}

static void test_source_staleness(void **state)
{
    (void)state;
    struct {
        int64_t on_since, last_good, now;
        const char *severity; /* NULL: nothing wrong */
    } rows[] = {
        {tip, CLOCK_NONE, tip + 14 * MINUTE, NULL},
        {tip, CLOCK_NONE, tip + 15 * MINUTE, "warning"}, /* there was never a run */
        {tip, CLOCK_NONE, tip + 30 * MINUTE, "alert"},
        {tip, CLOCK_NONE, tip + 60 * MINUTE, "critical"},
        {tip, tip - 90 * MINUTE, tip + 14 * MINUTE,
         NULL}, /* silence before the tip does not count */
        {tip, tip + 40 * MINUTE, tip + 54 * MINUTE, NULL},
        {tip, tip + 40 * MINUTE, tip + 55 * MINUTE, "warning"},
        {tip, tip + 300 * MINUTE, tip + 331 * MINUTE, "alert"},
        {CLOCK_NONE, tip, tip + 600 * MINUTE, NULL}, /* no game: no hurry */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct incidents out = {.count = 0};
        struct watched_source source = {"PollBdlLive", rows[i].last_good};
        judge_source(&rules, &source, rows[i].on_since, rows[i].now, &out);
        assert_int_equal(out.count, rows[i].severity ? 1 : 0);
        if (!rows[i].severity)
            continue;
        assert_string_equal(out.list[0].severity, rows[i].severity);
        assert_string_equal(out.list[0].cause, "stale");
        assert_string_equal(out.list[0].subject, "PollBdlLive");
        assert_true(out.list[0].since_us ==
                    (rows[i].last_good > rows[i].on_since ? rows[i].last_good : rows[i].on_since));
    }
}

static void test_shards(void **state)
{
    (void)state;
    struct {
        struct watched_shard shard;
        const char *cause;
    } rows[] = {
        {{.state = "ready", .connected = true, .silent_us = SECOND}, NULL},
        {{.state = "ready", .connected = true, .silent_us = 30 * SECOND}, "hung"},
        {{.state = "gone", .connected = false, .away_us = 29 * SECOND}, NULL}, /* a restart */
        {{.state = "gone", .connected = false, .away_us = 30 * SECOND}, "dead"},
        {{.state = "halted", .cause = "seq-conflict", .connected = true}, "halted"},
        {{.state = "ready", .connected = true, .stuck_us = 31 * SECOND, .lag = 7}, "backlogged"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct incidents out = {.count = 0};
        strcpy(rows[i].shard.name, "grader.0");
        judge_shard(&rules, &rows[i].shard, &out);
        assert_int_equal(out.count, rows[i].cause ? 1 : 0);
        if (rows[i].cause)
            assert_string_equal(out.list[0].cause, rows[i].cause);
    }
}

static void test_dead_letters(void **state)
{
    (void)state;
    struct incidents out = {.count = 0};
    judge_dead_letters("grader.0", 0, tip, &out);
    assert_int_equal(out.count, 0);
    judge_dead_letters("grader.0", 3, tip, &out);
    assert_int_equal(out.count, 1);
    assert_string_equal(out.list[0].cause, "dead_letter");
    assert_true(out.list[0].since_us == tip);
}

static void test_frozen(void **state)
{
    (void)state;
    struct incidents out = {.count = 0};
    judge_frozen(&rules, "PollBdlLive", tip, tip + 600 * MINUTE, CLOCK_NONE,
                 &out); /* no game is on */
    judge_frozen(&rules, "PollBdlLive", tip - 90 * MINUTE, tip + 24 * MINUTE, tip, &out);
    judge_frozen(&rules, "PollBdlLive", tip + 20 * MINUTE, tip + 44 * MINUTE, tip, &out);
    assert_int_equal(out.count, 0);
    judge_frozen(&rules, "PollBdlLive", tip + 20 * MINUTE, tip + 45 * MINUTE, tip, &out);
    assert_int_equal(out.count, 1);
    assert_string_equal(out.list[0].cause, "frozen");
    assert_true(out.list[0].since_us == tip + 20 * MINUTE);
    judge_frozen(&rules, "PollOther", CLOCK_NONE, tip + 25 * MINUTE, tip,
                 &out); /* never anything */
    assert_int_equal(out.count, 2);
    out.count = 0; /* nobody answered since: that is another incident */
    judge_frozen(&rules, "PollBdlLive", tip + 20 * MINUTE, tip + 30 * MINUTE, tip, &out);
    judge_frozen(&rules, "PollBdlLive", tip + 20 * MINUTE, CLOCK_NONE, tip, &out);
    assert_int_equal(out.count, 0);
}

static void test_unprocessed(void **state)
{
    (void)state;
    struct incidents out = {.count = 0};
    judge_unprocessed(&rules, "B", CLOCK_NONE, tip + 90 * MINUTE, CLOCK_NONE,
                      &out);                                           /* no game is on */
    judge_unprocessed(&rules, "B", CLOCK_NONE, CLOCK_NONE, tip, &out); /* no news */
    judge_unprocessed(&rules, "B", tip + 20 * MINUTE, tip + 20 * MINUTE, tip,
                      &out); /* half-time: nothing to take */
    judge_unprocessed(&rules, "B", tip + 20 * MINUTE, tip + 34 * MINUTE, tip, &out);
    assert_int_equal(out.count, 0);
    judge_unprocessed(&rules, "B", tip + 20 * MINUTE, tip + 35 * MINUTE, tip, &out);
    judge_unprocessed(&rules, "C", CLOCK_NONE, tip + 60 * MINUTE, tip,
                      &out); /* it never took any */
    assert_int_equal(out.count, 2);
    assert_string_equal(out.list[0].severity, "warning");
    assert_string_equal(out.list[1].severity, "critical");
}

static void test_refused(void **state)
{
    (void)state;
    struct incidents out = {.count = 0};
    judge_refused(&rules, "bdl_live", 0, tip, tip, "", tip, &out);
    judge_refused(&rules, "bdl_live", 4, tip, tip, "data[0]: no", tip + 60 * MINUTE,
                  &out); /* past */
    assert_int_equal(out.count, 0);
    judge_refused(&rules, "bdl_live", 4, tip, tip + 30 * MINUTE, "data[0]: no", tip + 60 * MINUTE,
                  &out);
    assert_int_equal(out.count, 1);
    assert_string_equal(out.list[0].severity, "warning");
    assert_non_null(strstr(out.list[0].text, "data[0]: no"));
}

static void test_no_more_than_fit(void **state)
{
    (void)state;
    static struct incidents out;
    for (int i = 0; i < RULES_INCIDENTS_MAX + 10; i++)
        judge_dead_letters("x.0", 1, tip, &out);
    assert_int_equal(out.count, RULES_INCIDENTS_MAX);
}

static const struct incident *of_model(struct watched_model model, int64_t now_us,
                                       struct incidents *out)
{
    memset(out, 0, sizeof *out);
    strcpy(model.name, "0123456789abcdef");
    judge_model(&rules, &model, now_us, out);
    return out->count ? &out->list[0] : NULL;
}

static void test_model(void **state)
{
    (void)state;
    struct incidents out;
    const int64_t day = 24LL * 60 * MINUTE;
    struct watched_model well = {
        .learned_us = tip, .mae = 4.5, .graded = 400, .inside = 320, .absolute = 400 * 4.6};
    assert_null(of_model(well, tip + 29 * day, &out));
    const struct incident *found = of_model(well, tip + 31 * day, &out);
    assert_non_null(found);
    assert_string_equal(found->cause, "model-old");
    assert_true(found->since_us == tip + 30 * day);
    assert_non_null(strstr(found->text, "31 days"));
    struct watched_model narrow = well;
    narrow.inside = 290; /* 72.5 % */
    found = of_model(narrow, tip, &out);
    assert_non_null(found);
    assert_string_equal(found->cause, "model-drift");
    assert_non_null(strstr(found->text, "72.5 %"));
    narrow.graded = 299; /* too few to say anything of */
    narrow.inside = 200;
    assert_null(of_model(narrow, tip, &out));
    struct watched_model wide = well;
    wide.inside = 380;
    assert_non_null(of_model(wide, tip, &out));
    struct watched_model off = well;
    off.absolute = 400 * 5.5; /* 22 % more than it was promoted with */
    found = of_model(off, tip, &out);
    assert_non_null(found);
    assert_non_null(strstr(found->text, "off by 5.50"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_game_is_on),
        cmocka_unit_test(test_source_staleness),
        cmocka_unit_test(test_shards),
        cmocka_unit_test(test_dead_letters),
        cmocka_unit_test(test_no_more_than_fit),
        cmocka_unit_test(test_frozen),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_unprocessed),
    };
    return cmocka_run_group_tests_name("watchdog rules", tests, NULL, NULL);
}
