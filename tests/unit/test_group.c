/* A work group's decisions, alone: leases, settling, commits that fail, what a restart finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "broker/core_group.h"

static struct group group_make(void)
{
    struct group self = {.lease_us = 100, .attempts_max = 3, .open_max = 10, .last_lease = 1000};
    group_rewind(&self, 1);
    return self;
}

static void one_member_holds_a_record(void **state)
{
    struct group self = group_make();
    struct group_lease lease;
    (void)state;
    assert_int_equal(group_take_new(&self, 1, 4, 1, 50, 0, &lease), 0);
    assert_int_equal(lease.count, 4);
    assert_int_equal(group_room(&self), 6);
    assert_null(group_waiting(&self, 0));
    assert_true(group_holds(&self, lease.lease, 1, 4, 99));
    assert_false(group_holds(&self, lease.lease, 1, 5, 99));
    assert_false(group_holds(&self, lease.lease + 1, 1, 1, 99));
    uint64_t bytes;
    assert_int_equal(group_out(&self, 1, &bytes), 4);
    assert_int_equal(bytes, 50);
    group_stage_done(&self, 2, 2);
    assert_false(group_holds(&self, lease.lease, 2, 1, 99)); /* settled once */
    group_commit(&self);
    assert_int_equal(group_floor(&self), 1); /* 1 is still out */
    group_stage_done(&self, 1, 1);
    group_commit(&self);
    assert_int_equal(group_floor(&self), 4);
    group_stage_done(&self, 4, 1);
    group_commit(&self);
    assert_int_equal(group_floor(&self), 5);
    assert_int_equal(group_room(&self), 10);
    group_free(&self);
}

static void an_ended_lease_gives_back(void **state)
{
    struct group self = group_make();
    struct group_lease first, second;
    (void)state;
    group_take_new(&self, 1, 2, 1, 9, 0, &first);
    assert_int_equal(self.due_us, 100);
    assert_int_equal(group_expire(&self, 99), 0);
    group_extend(&self, 2, 1, 50);
    assert_int_equal(group_expire(&self, 100), 1);
    assert_false(group_holds(&self, first.lease, 1, 1, 100)); /* late */
    assert_true(group_holds(&self, first.lease, 2, 1, 149));
    assert_false(group_holds(&self, first.lease, 2, 1, 150)); /* ended, if nobody looked yet */
    assert_int_equal(group_waiting(&self, 100)->position, 1);
    group_take_again(&self, 1, 3, 5, 2, 9, 100, &second);
    assert_int_equal(second.count, 1);
    assert_int_equal(second.attempts, 2);
    assert_false(group_holds(&self, first.lease, 1, 1, 101));
    assert_true(group_holds(&self, second.lease, 1, 1, 101));
    group_free(&self);
}

/* In one turn somebody leaves, and another's lease has ended: it is found so all the same. */
static void who_leaves_hides_no_ended_lease(void **state)
{
    struct group self = group_make();
    struct group_lease first, second;
    (void)state;
    group_take_new(&self, 1, 1, 1, 9, 0, &first);
    group_take_new(&self, 2, 1, 2, 9, 50, &second);
    group_leave(&self, 2, 120);
    assert_int_equal(group_expire(&self, 120), 1);
    assert_int_equal(group_waiting(&self, 120)->position, 1);
    group_free(&self);
}

static void a_failed_commit_settles_nothing(void **state)
{
    struct group self = group_make();
    struct group_lease lease;
    (void)state;
    group_take_new(&self, 1, 3, 1, 9, 0, &lease);
    group_stage_done(&self, 1, 1);
    group_stage_wait(&self, 2, 1, 500);
    group_leave(&self, 1, 10); /* who asked is gone before it is known */
    group_rollback(&self);
    assert_int_equal(group_floor(&self), 1);
    assert_int_equal(group_at(&self, 1)->state, GROUP_WAITS);
    assert_int_equal(group_waiting(&self, 10)->position, 1);
    group_take_again(&self, 1, 9, 9, 2, 9, 10, &lease);
    assert_int_equal(lease.count, 3);
    group_free(&self);
}

static void attempts_are_spent(void **state)
{
    struct group self = group_make();
    struct group_lease lease;
    (void)state;
    group_take_new(&self, 7, 1, 1, 9, 0, &lease);
    for (int attempt = 2; attempt <= 3; attempt++) {
        group_stage_wait(&self, 7, 1, attempt * 1000);
        group_commit(&self);
        assert_null(group_waiting(&self, attempt * 1000 - 1));
        assert_int_equal(self.due_us, attempt * 1000);
        assert_null(group_spent(&self));
        group_take_again(&self, 7, 8, 1, 1, 9, attempt * 1000, &lease);
        assert_int_equal(lease.attempts, attempt);
    }
    group_expire(&self, 3100);
    assert_null(group_waiting(&self, 3100));
    assert_int_equal(group_spent(&self)->position, 7);
    group_stage_done(&self, 7, 1);
    assert_null(group_spent(&self));
    group_rollback(&self);
    assert_int_equal(group_spent(&self)->position, 7); /* the letter was not stored either */
    group_stage_done(&self, 7, 1);
    group_commit(&self);
    assert_int_equal(group_floor(&self), 8);
    group_free(&self);
}

static struct group restarted(const struct group *self, int64_t now_us, int64_t wall_us,
                              int64_t later_us)
{
    struct pack row = {0};
    struct group again = group_make();
    group_encode(self, &row, now_us, wall_us);
    assert_false(row.failed);
    struct unpack in = {row.data, row.size, 0};
    assert_int_equal(group_decode(&again, &in, 0, wall_us + later_us), 0);
    assert_int_equal(in.at, row.size);
    for (size_t cut = 0; cut < row.size; cut++) { /* broken rows are told apart */
        struct group broken = group_make();
        struct unpack part = {row.data, cut, 0};
        assert_int_equal(group_decode(&broken, &part, 0, 0), -1);
        group_free(&broken);
    }
    pack_free(&row);
    return again;
}

static void a_restart_finds_what_was_settled(void **state)
{
    struct group self = group_make();
    struct group_lease lease;
    (void)state;
    group_take_new(&self, 1, 3, 1, 9, 0, &lease);
    group_take_new(&self, 10, 3, 1, 9, 0, &lease); /* what lies between is of other streams */
    group_stage_done(&self, 2, 1);
    group_stage_done(&self, 11, 1);
    group_stage_wait(&self, 12, 1, 600); /* staged: as the row of this commit says it */
    struct group again = restarted(&self, 100, 1000000, 200);
    assert_int_equal(again.next, 13);
    assert_int_equal(again.count, 6);
    assert_int_equal(group_at(&again, 2)->state, GROUP_DONE);
    assert_int_equal(group_at(&again, 11)->state, GROUP_DONE);
    assert_int_equal(group_at(&again, 1)->state, GROUP_WAITS);
    assert_int_equal(group_at(&again, 1)->attempts, 1);
    assert_int_equal(group_waiting(&again, 0)->position, 1);
    assert_int_equal(group_at(&again, 12)->due_us, 300); /* 500 after, 200 of them gone */
    group_free(&again);
    group_stage_done(&self, 1, 1);
    again = restarted(&self, 100, 1000000, 0);
    assert_int_equal(group_floor(&again), 3); /* 1 and 2 were done with that commit */
    group_free(&again);
    group_free(&self);
}

/* Random talk against a plain array: what was settled with a commit is never handed out again, nothing is forgotten, no two hold one. */
enum { RECORDS = 400, STEPS = 20000 };

static void random_talk_loses_and_doubles_nothing(void **state)
{
    static uint8_t done[RECORDS + 1], staged[RECORDS + 1];
    struct group self = group_make();
    uint64_t leases[RECORDS + 1] = {0};
    uint64_t next = 1;
    int64_t now = 0;
    unsigned seed = 7;
    (void)state;
    self.attempts_max = 1000000;
    memset(done, 0, sizeof done);
    memset(staged, 0, sizeof staged);
    for (int step = 0; step < STEPS; step++) {
        struct group_lease lease = {0};
        uint64_t at = group_floor(&self) + (uint64_t)rand_r(&seed) % 12;
        now += rand_r(&seed) % 8;
        switch (rand_r(&seed) % 8) {
        case 0:
            if (next <= RECORDS && group_room(&self) > 0) {
                assert_int_equal(group_take_new(&self, next, 1, 1, 1, now, &lease), 0);
                leases[next++] = lease.lease;
            }
            break;
        case 1:
            group_expire(&self, now);
            if (group_waiting(&self, now)) {
                uint64_t again = group_waiting(&self, now)->position;
                group_take_again(&self, again, again + 1, 1, 1, 1, now, &lease);
                assert_int_equal(lease.count, 1);
                assert_false(done[again]);
                leases[again] = lease.lease;
            }
            break;
        case 2:
        case 3:
        case 4:
            if (at <= RECORDS && group_holds(&self, leases[at], at, 1, now)) {
                assert_false(done[at]);
                group_stage_done(&self, at, 1);
                staged[at] = 1;
            }
            break;
        case 5:
            group_commit(&self);
            for (int i = 1; i <= RECORDS; i++)
                done[i] |= staged[i];
            memset(staged, 0, sizeof staged);
            break;
        case 6:
            group_rollback(&self);
            memset(staged, 0, sizeof staged);
            break;
        default:
            if (step % 50 == 0) { /* killed, and started on what the last commit wrote */
                group_rollback(&self);
                memset(staged, 0, sizeof staged);
                struct group again = restarted(&self, now, now, 0);
                group_expire(&again, 0);
                again.attempts_max = self.attempts_max;
                again.last_lease = self.last_lease;
                group_free(&self);
                self = again;
                now = 0;
            }
        }
        assert_true(self.count <= self.open_max);
        for (uint64_t i = 1; i < group_floor(&self) && i <= RECORDS; i++)
            assert_true(done[i]);
    }
    assert_int_equal(next, RECORDS + 1);
    for (int i = 1; i <= RECORDS; i++)
        assert_true(done[i]);
    group_free(&self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_member_holds_a_record),
        cmocka_unit_test(an_ended_lease_gives_back),
        cmocka_unit_test(who_leaves_hides_no_ended_lease),
        cmocka_unit_test(a_failed_commit_settles_nothing),
        cmocka_unit_test(attempts_are_spent),
        cmocka_unit_test(a_restart_finds_what_was_settled),
        cmocka_unit_test(random_talk_loses_and_doubles_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
