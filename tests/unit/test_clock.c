#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/clock.h"

#define HOUR INT64_C(3600000000)

static int64_t instant(const char *text)
{
    int64_t us = 0;
    assert_int_equal(clock_parse_utc(text, &us), 0);
    return us;
}

static int set_zone(void **state)
{
    (void)state;
    return clock_zone_set("America/New_York");
}

static void test_days_that_change_the_clock(void **state)
{
    (void)state;
    /* 2025-11-02 has 25 hours, 2026-03-08 has 23 */
    assert_int_equal(clock_date_start_us(20251102), instant("2025-11-02T04:00:00Z"));
    assert_int_equal(clock_date_start_us(20251103), instant("2025-11-03T05:00:00Z"));
    assert_int_equal(clock_date_start_us(20251103) - clock_date_start_us(20251102), 25 * HOUR);
    assert_int_equal(clock_date_start_us(20260309) - clock_date_start_us(20260308), 23 * HOUR);
    assert_int_equal(clock_date_of(instant("2025-11-02T04:00:00Z")), 20251102);
    assert_int_equal(clock_date_of(instant("2025-11-02T03:59:59.999999Z")), 20251101);
    assert_int_equal(clock_date_of(instant("2025-11-03T04:59:59Z")), 20251102);
    /* 01:30 happens twice on the first of them: both are the day's */
    assert_int_equal(clock_date_of(instant("2025-11-02T05:30:00Z")), 20251102);
    assert_int_equal(clock_date_of(instant("2025-11-02T06:30:00Z")), 20251102);
    assert_int_equal(clock_date_of(instant("2026-03-08T06:59:59Z")), 20260308);
}

static void test_league_day_rolls_over_at_six(void **state)
{
    (void)state;
    assert_int_equal(clock_league_day(instant("2025-11-18T10:59:59Z"), 6), 20251117); /* 05:59 */
    assert_int_equal(clock_league_day(instant("2025-11-18T11:00:00Z"), 6), 20251118); /* 06:00 */
    assert_int_equal(clock_league_day(instant("2025-11-18T05:00:00Z"), 0), 20251118);
    /* by the wall clock also where a day is short or long */
    assert_int_equal(clock_league_day(instant("2026-03-08T09:59:59Z"), 6),
                     20260307); /* 05:59 EDT */
    assert_int_equal(clock_league_day(instant("2026-03-08T10:00:00Z"), 6),
                     20260308); /* 06:00 EDT */
    assert_int_equal(clock_league_day(instant("2025-11-02T10:59:59Z"), 6),
                     20251101); /* 05:59 EST */
    assert_int_equal(clock_league_day(instant("2025-11-02T11:00:00Z"), 6), 20251102);
    assert_int_equal(clock_league_day(instant("2026-01-01T10:00:00Z"), 6), 20251231);
}

/* What is planned for the next league day is planned for its first instant: not an hour before, when it is still the old one. */
static void test_league_day_starts_where_it_rolls_over(void **state)
{
    (void)state;
    assert_true(clock_league_day_start_us(20251118, 6) == instant("2025-11-18T11:00:00Z"));
    for (int i = 0; i < 400; i++) { /* both changes of the clocks among them */
        int32_t date = clock_date_add(20251018, i);
        for (int hour = 3; hour <= 12; hour += 3) {
            int64_t start_us = clock_league_day_start_us(date, hour);
            assert_int_equal(clock_league_day(start_us, hour), date);
            assert_int_equal(clock_league_day(start_us - 1, hour), clock_date_add(date, -1));
        }
    }
}

static void test_zone_that_skips_midnight(void **state)
{
    (void)state;
    assert_int_equal(clock_zone_set("America/Sao_Paulo"), 0);
    assert_int_equal(clock_date_start_us(20181104),
                     instant("2018-11-04T03:00:00Z")); /* 00:00 became 01:00 */
    assert_int_equal(clock_date_of(clock_date_start_us(20181104) - 1), 20181103);
    assert_int_equal(clock_zone_set("America/New_York"), 0);
}

static void test_zones(void **state)
{
    (void)state;
    static const char *const unknown[] = {"",        "Mars/Olympus", "../etc/passwd", "/etc/passwd",
                                          "America", ":UTC"};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        assert_false(clock_zone_known(unknown[i]));
        assert_int_equal(clock_zone_set(unknown[i]), -1);
    }
    assert_true(clock_zone_known("UTC"));
    assert_int_equal(clock_date_of(instant("2025-11-18T04:00:00Z")), 20251117); /* still New York */
}

static void test_calendar(void **state)
{
    (void)state;
    assert_int_equal(clock_date_add(20251231, 1), 20260101);
    assert_int_equal(clock_date_add(20240228, 1), 20240229);
    assert_int_equal(clock_date_add(20250301, -1), 20250228);
    assert_int_equal(clock_date_add(20251102, 1), 20251103);
    /* every day of four centuries is one after the day before, as the C library counts them */
    for (int32_t date = 18000101; date < 22010101; date = clock_date_add(date, 1))
        assert_int_equal(clock_date_diff(clock_date_add(date, 1), date), 1);
    assert_int_equal(clock_date_diff(19700101, 10101), 719162);
    assert_int_equal(clock_date_diff(20260101, 20251231), 1);
    assert_int_equal(clock_date_diff(20251021, 20260412), -173);
    static const int32_t wrong[] = {0,        -1,       20250229, 20251301,
                                    20250001, 20250100, 20250431, 999999999};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(clock_date_valid(wrong[i]));
    }
    assert_true(clock_date_valid(20240229));
}

static void test_text(void **state)
{
    (void)state;
    char text[CLOCK_TEXT_SIZE], day[CLOCK_DATE_SIZE];
    int32_t date = 0;
    clock_format_utc(INT64_C(1763424600000042), text);
    assert_string_equal(text, "2025-11-18T00:10:00.000042Z");
    clock_format_utc(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999999Z");
    int64_t same = instant("2025-11-18T00:10:00Z");
    assert_int_equal(same, INT64_C(1763424600000000));
    assert_int_equal(instant("2025-11-17T19:10:00-05:00"), same);
    assert_int_equal(instant("2025-11-17T19:10:00.000-0500"), same);
    assert_int_equal(instant("2025-11-18 00:10:00+00:00"), same);
    assert_int_equal(instant("2025-11-18T00:10Z"), same);
    assert_int_equal(instant("2025-11-18T00:10:00.5Z"), same + 500000);
    assert_int_equal(instant("2025-11-18T00:10:00.123456789Z"), same + 123456);
    clock_format_date(20251117, day);
    assert_string_equal(day, "2025-11-17");
    assert_int_equal(clock_parse_date("2025-11-17", &date), 0);
    assert_int_equal(date, 20251117);
}

static void test_text_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "2025-11-18",
                                        "2025-11-18T00:10:00",
                                        "2025-11-18T24:10:00Z",
                                        "2025-11-18T00:60:00Z",
                                        "2025-11-18T00:10:60Z",
                                        "2025-02-29T00:10:00Z",
                                        "2025-11-18T00:10:00.Z",
                                        "2025-11-18T00:10:00.0000000000Z",
                                        "2025-11-18T00:10:00Zx",
                                        "2025-11-18T00:10:00+0a:00",
                                        "2025-11-18T00:10:00+05:60",
                                        "25-11-18T00:10:00Z",
                                        "Final"};
    static const char *const wrong_dates[] = {
        "", "20251117", "2025-11-31", "2025-11-17T", "2025-1-17", " 2025-11-17"};
    int64_t us = 7;
    int32_t date = 7;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(clock_parse_utc(wrong[i], &us), -1);
    }
    for (size_t i = 0; i < sizeof wrong_dates / sizeof wrong_dates[0]; i++) {
        assert_int_equal(clock_parse_date(wrong_dates[i], &date), -1);
    }
    assert_int_equal(us, 7);
    assert_int_equal(date, 7);
}

/* Both clocks are read around the one in question, so that no load of the machine can fail it. */
static void assert_between(int64_t least, int64_t value, int64_t most)
{
    assert_true(least <= value);
    assert_true(value <= most);
}

static void test_league_clock_is_the_real_one_until_set(void **state)
{
    (void)state;
    struct clock_anchor now;
    int64_t before = clock_real_us(), league = clock_league_us();
    assert_between(before, league, clock_real_us());
    assert_true(clock_league_running());
    clock_league_get(&now);
    assert_true(now.running && now.speed == 1.0);
    assert_int_equal(clock_league_wait_us(before - 1), 0);
    int64_t wait = clock_league_wait_us(before + HOUR);
    assert_between(HOUR - (clock_real_us() - before), wait, HOUR);
}

static void test_scaled_clock(void **state)
{
    (void)state;
    int64_t start = instant("2025-11-17T23:00:00Z"), before = clock_mono_us(),
            real = clock_real_us();
    clock_league_set(
        &(struct clock_anchor){.league_us = start, .real_us = real, .speed = 600, .running = true});
    int64_t league = clock_league_us();
    assert_between(start, league, start + (clock_mono_us() - before + 1) * 600);
    int64_t after = clock_league_us();
    assert_true(after >= league);
    int64_t wait = clock_league_wait_us(start + HOUR);
    assert_between(HOUR / 600 - (clock_mono_us() - before) - 1, wait, HOUR / 600);

    /* an anchor of ten real seconds ago */
    real = clock_real_us();
    before = clock_mono_us();
    clock_league_set(&(struct clock_anchor){
        .league_us = start, .real_us = real - 10000000, .speed = 600, .running = true});
    league = clock_league_us();
    assert_between(start + INT64_C(6000000000), league,
                   start + INT64_C(6000000000) + (clock_mono_us() - before + 1000) * 600);

    /* a wall clock that was set back an hour: the night stands at its anchor and goes on from there */
    clock_league_set(&(struct clock_anchor){
        .league_us = start, .real_us = clock_real_us() + HOUR, .speed = 2, .running = true});
    assert_between(start, clock_league_us(), start + HOUR);

    struct clock_anchor now;
    clock_league_get(&now);
    assert_true(now.running && now.speed == 2);
    assert_between(start, now.league_us, clock_league_us());
}

static void test_clock_that_stands(void **state)
{
    (void)state;
    int64_t start = instant("2025-11-17T23:00:00Z");
    clock_league_set(
        &(struct clock_anchor){.league_us = start, .real_us = 0, .speed = 60, .running = false});
    assert_int_equal(clock_league_us(), start);
    assert_false(clock_league_running());
    assert_int_equal(clock_league_wait_us(start), 0);
    assert_int_equal(clock_league_wait_us(start + 1), INT64_MAX);
}

/* ---- the anchor's file ---- */

struct scratch {
    char dir[32], path[64];
};

static int scratch_open(void **state)
{
    struct scratch *self = calloc(1, sizeof *self);
    strcpy(self->dir, "/tmp/tipoff-clock-XXXXXX");
    *state = self;
    if (mkdtemp(self->dir) == NULL) {
        return -1;
    }
    snprintf(self->path, sizeof self->path, "%s/clock", self->dir);
    return 0;
}

static int scratch_close(void **state)
{
    struct scratch *self = *state;
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", self->dir);
    int failed = system(command);
    free(self);
    return failed;
}

static const struct clock_anchor sample = {.league_us = INT64_C(1763420400123456),
                                           .real_us = INT64_C(1790000000654321),
                                           .speed = 600.1,
                                           .running = true};

static void test_anchor_round_trip(void **state)
{
    const struct scratch *self = *state;
    struct clock_anchor found = {0};
    assert_int_equal(clock_anchor_load(self->path, &found), -1);
    assert_int_equal(errno, ENOENT);
    for (int running = 0; running < 2; running++) {
        struct clock_anchor anchor = sample;
        anchor.running = running == 1;
        assert_int_equal(clock_anchor_save(self->path, &anchor), 0);
        assert_int_equal(clock_anchor_load(self->path, &found), 0);
        assert_int_equal(found.league_us, anchor.league_us);
        assert_int_equal(found.real_us, anchor.real_us);
        assert_true(found.speed == anchor.speed);
        assert_int_equal(found.running, anchor.running);
    }
    assert_int_equal(clock_anchor_save("/tmp/no/such/directory/clock", &sample), -1);
    assert_int_equal(errno, ENOENT);
}

static void write_bytes(const char *path, const char *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
}

static void test_anchor_torn_anywhere(void **state)
{
    const struct scratch *self = *state;
    char text[256];
    struct clock_anchor found = {.league_us = 42};
    assert_int_equal(clock_anchor_save(self->path, &sample), 0);
    int fd = open(self->path, O_RDONLY);
    ssize_t size = read(fd, text, sizeof text);
    close(fd);
    assert_true(size > 40);
    for (ssize_t cut = 0; cut < size; cut++) {
        write_bytes(self->path, text, (size_t)cut);
        assert_int_equal(clock_anchor_load(self->path, &found), -1);
        assert_int_equal(errno, EINVAL);
    }
    text[size] = 'x'; /* and one byte too many */
    write_bytes(self->path, text, (size_t)size + 1);
    assert_int_equal(clock_anchor_load(self->path, &found), -1);
    assert_int_equal(found.league_us, 42);
    static const char negative[] = "league_us 1\nreal_us 1\nspeed -1\nrunning 1\n";
    static const char no_speed[] = "league_us 1\nreal_us 1\nspeed nan\nrunning 1\n";
    write_bytes(self->path, negative, sizeof negative - 1);
    assert_int_equal(clock_anchor_load(self->path, &found), -1);
    write_bytes(self->path, no_speed, sizeof no_speed - 1);
    assert_int_equal(clock_anchor_load(self->path, &found), -1);
}

/* A writer is killed again and again in mid-write: whoever reads finds an old or a new anchor, never none. */
static void test_anchor_survives_kills(void **state)
{
    const struct scratch *self = *state;
    struct clock_anchor found;
    assert_int_equal(clock_anchor_save(self->path, &sample), 0);
    for (int round = 0; round < 20; round++) {
        int ready[2];
        assert_int_equal(pipe(ready), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct clock_anchor anchor = sample;
            for (;;) {
                anchor.league_us++;
                anchor.real_us = anchor.league_us * 2;
                if (clock_anchor_save(self->path, &anchor) != 0 || write(ready[1], "", 1) != 1) {
                    _exit(1);
                }
            }
        }
        char byte;
        assert_int_equal(read(ready[0], &byte, 1), 1);
        for (int reads = 0; reads < round; reads++) {
            assert_int_equal(clock_anchor_load(self->path, &found), 0);
        }
        kill(child, SIGKILL);
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        close(ready[0]);
        close(ready[1]);
        assert_int_equal(clock_anchor_load(self->path, &found), 0);
        assert_int_equal(found.real_us, found.league_us * 2);
        assert_true(found.league_us > sample.league_us);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_days_that_change_the_clock),
        cmocka_unit_test(test_league_day_rolls_over_at_six),
        cmocka_unit_test(test_league_day_starts_where_it_rolls_over),
        cmocka_unit_test(test_zone_that_skips_midnight),
        cmocka_unit_test(test_zones),
        cmocka_unit_test(test_calendar),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_text_refused),
        cmocka_unit_test(
            test_league_clock_is_the_real_one_until_set), /* before any test that sets it */
        cmocka_unit_test(test_scaled_clock),
        cmocka_unit_test(test_clock_that_stands),
        cmocka_unit_test_setup_teardown(test_anchor_round_trip, scratch_open, scratch_close),
        cmocka_unit_test_setup_teardown(test_anchor_torn_anywhere, scratch_open, scratch_close),
        cmocka_unit_test_setup_teardown(test_anchor_survives_kills, scratch_open, scratch_close),
    };
    return cmocka_run_group_tests(tests, set_zone, NULL);
}
