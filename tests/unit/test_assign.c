/* Who runs what: total, balanced, sticky, deterministic, over random histories; and members that come, go and fall silent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "broker/assign.h"
#include "broker/members.h"

#define MEMBERS 8
#define ACTORS 6
#define SHARDS 120

static uint32_t random_state;

static uint32_t next_random(uint32_t below)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % below;
}

struct world {
    uint32_t members, actors, shards;
    bool runs[MEMBERS * ACTORS];
    uint32_t capacity[MEMBERS];
    struct assign_shard shard[SHARDS];
    uint32_t count[MEMBERS][ACTORS], total[MEMBERS], of[ACTORS];
};

static int decide(struct world *self)
{
    struct assign ask = {.members = self->members,
                         .actors = self->actors,
                         .shard_count = self->shards,
                         .runs = self->runs,
                         .capacity = self->capacity,
                         .shards = self->shard};
    int moved = assign_shards(&ask);
    memset(self->count, 0, sizeof self->count);
    memset(self->total, 0, sizeof self->total);
    memset(self->of, 0, sizeof self->of);
    for (uint32_t i = 0; i < self->shards; i++) {
        int32_t owner = self->shard[i].owner;
        self->of[self->shard[i].actor]++;
        if (owner < 0)
            continue;
        assert_true((uint32_t)owner < self->members);
        assert_true(self->runs[(uint32_t)owner * self->actors + self->shard[i].actor]);
        self->count[owner][self->shard[i].actor]++;
        self->total[owner]++;
    }
    return moved;
}

static bool able(const struct world *self, uint32_t member, uint32_t actor)
{
    return self->runs[member * self->actors + actor];
}

static void check_total(const struct world *self)
{
    for (uint32_t i = 0; i < self->shards; i++)
        for (uint32_t m = 0; m < self->members; m++)
            if (able(self, m, self->shard[i].actor) &&
                (!self->capacity[m] || self->total[m] < self->capacity[m]))
                assert_true(self->shard[i].owner >= 0);
    for (uint32_t m = 0; m < self->members; m++)
        assert_true(!self->capacity[m] || self->total[m] <= self->capacity[m]);
}

/* Without capacities. */
static void check_balance(const struct world *self)
{
    for (uint32_t a = 0; a < self->actors; a++)
        for (uint32_t m = 0; m < self->members; m++)
            for (uint32_t k = 0; k < self->members; k++) {
                if (!able(self, m, a) || !able(self, k, a))
                    continue;
                assert_true(self->count[m][a] <= self->count[k][a] + 1);
                if (self->count[m][a] > self->count[k][a]) /* it could go */
                    assert_true(self->total[m] <= self->total[k] + 1);
            }
}

static void world_make(struct world *self, bool all_able)
{
    memset(self, 0, sizeof *self);
    self->members = 1 + next_random(MEMBERS - 1);
    self->actors = 1 + next_random(ACTORS);
    for (uint32_t a = 0; a < self->actors; a++) {
        uint32_t shards = 1 + next_random(SHARDS / ACTORS);
        for (uint32_t i = 0; i < shards; i++)
            self->shard[self->shards++] = (struct assign_shard){a, ASSIGN_NOBODY};
    }
    for (uint32_t i = 0; i < self->members * self->actors; i++)
        self->runs[i] = all_able || next_random(4) > 0;
}

/* The member is no more: the others' numbers move up. */
static void leave(struct world *self, uint32_t gone)
{
    memmove(&self->runs[gone * self->actors], &self->runs[(gone + 1) * self->actors],
            (self->members - gone - 1) * self->actors * sizeof *self->runs);
    self->members--;
    for (uint32_t i = 0; i < self->shards; i++)
        if (self->shard[i].owner == (int32_t)gone)
            self->shard[i].owner = ASSIGN_NOBODY;
        else if (self->shard[i].owner > (int32_t)gone)
            self->shard[i].owner--;
}

static void histories_hold(void **state)
{
    static struct world world, again;
    uint64_t moves = 0, least = 0;
    (void)state;
    random_state = 1;
    for (int history = 0; history < 1000; history++) {
        bool all_able = history % 2 == 0;
        world_make(&world, all_able);
        decide(&world);
        for (int event = 0; event < 12; event++) {
            bool joins = world.members < 2 || (world.members < MEMBERS - 1 && next_random(2));
            uint32_t free_ones = 0;
            if (joins) {
                for (uint32_t a = 0; a < world.actors; a++)
                    world.runs[world.members * world.actors + a] = all_able || next_random(4) > 0;
                world.members++;
            } else {
                leave(&world, next_random(world.members));
                for (uint32_t i = 0; i < world.shards; i++)
                    free_ones += world.shard[i].owner == ASSIGN_NOBODY;
            }
            again = world;
            int moved = decide(&world);
            assert_true(moved >= 0);
            assert_int_equal(decide(&again), moved); /* the same question, the same answer */
            assert_memory_equal(again.shard, world.shard, sizeof world.shard);
            assert_int_equal(decide(&again), 0); /* nothing new: nothing moves */
            check_total(&world);
            check_balance(&world);
            if (!all_able)
                continue;
            /* What must move at least: the newcomer's share; of a leaver's nothing else. */
            uint32_t must = joins ? world.total[world.members - 1] : 0;
            moves += (uint64_t)moved;
            least += must;
            assert_true((uint32_t)moved <= must + (joins ? must : free_ones));
        }
    }
    print_message("%llu moves, %llu at least\n", (unsigned long long)moves,
                  (unsigned long long)least);
    assert_true(moves <= least + least / 5);
}

static void capacity_comes_first(void **state)
{
    static struct world world;
    (void)state;
    random_state = 7;
    for (int round = 0; round < 300; round++) {
        world_make(&world, next_random(2));
        for (uint32_t m = 0; m < world.members; m++)
            world.capacity[m] = next_random(3) ? 1 + next_random(20) : 0;
        decide(&world);
        check_total(&world);
        assert_int_equal(decide(&world), 0);
    }
}

/* ---- members ---- */

#define LEASE_US 1000

static struct core *core_make(void)
{
    const struct core_options options = {
        .lease_us = LEASE_US, .sessions_max = 32, .max_batch_bytes = 1 << 20, .later_max = 10};
    struct core *core = core_new(&options);
    assert_non_null(core);
    return core;
}

static struct core_session *session(struct core *core, uint8_t id, int64_t now_us)
{
    struct core_session *found = core_session_get(core, &id, 1, now_us);
    assert_non_null(found);
    found->welcomed = true;
    return found;
}

static enum refusal join(struct core *core, struct core_session *at, const char *name,
                         const char *actor, uint16_t shards, int64_t now_us,
                         struct core_session **old)
{
    struct msg_memb memb;
    struct pack list = {0};
    char why[240];
    message_clear(&msg_memb_desc, &memb);
    pack_array(&list, 1);
    pack_array(&list, 2);
    pack_text(&list, actor);
    pack_u64(&list, shards);
    snprintf(memb.member, sizeof memb.member, "%s", name);
    memb.actors = (struct span){list.data, (uint32_t)list.size};
    enum refusal refusal = members_join(core, at, &memb, now_us, old, why);
    pack_free(&list);
    return refusal;
}

static uint32_t has(const struct members *members, const char *name)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < members->count; i++)
        count += strcmp(members->places[i].owner, name) == 0;
    return count;
}

static void lease(struct core *core, struct core_session *at, const char *host, uint16_t shard,
                  int64_t now_us)
{
    struct core_session *old;
    struct msg_leas ask = {.shard = shard, .shards = 4};
    int64_t retry_us;
    char holder[160];
    strcpy(ask.actor, "count");
    snprintf(ask.env, sizeof ask.env, "env-%s-%u", host, shard);
    snprintf(at->host, sizeof at->host, "%s", host);
    assert_true(core_lease(core, at, &ask, now_us, &old, &retry_us, holder));
    core_commit(core);
}

static void they_come_and_go(void **state)
{
    struct members members = {0};
    struct core *core = core_make();
    struct core_session *old;
    (void)state;
    struct core_session *a = session(core, 1, 0);
    assert_int_equal(join(core, a, "a", "count", 4, 0, &old), REFUSAL_NONE);
    assert_int_equal(members_turn(&members, core, 0), 4);
    assert_true(has(&members, "a") == 4 && a->member->untold);
    a->member->untold = false;

    struct core_session *b = session(core, 2, 10);
    assert_int_equal(join(core, b, "b", "count", 5, 10, &old), REFUSAL_SHARDS_DIFFER);
    assert_null(b->member);
    assert_int_equal(join(core, b, "b", "count", 4, 10, &old), REFUSAL_NONE);
    assert_null(old);
    assert_int_equal(members_turn(&members, core, 10), 2);
    assert_true(has(&members, "a") == 2 && has(&members, "b") == 2);
    assert_true(a->member->untold && b->member->untold);
    a->member->untold = b->member->untold = false;
    assert_int_equal(members_turn(&members, core, 20), 0);
    assert_false(a->member->untold || b->member->untold);

    /* it comes again, by another connection: the old one is told that it is none any more; nothing moves */
    struct core_session *again = session(core, 3, 20);
    assert_int_equal(join(core, again, "b", "count", 4, 20, &old), REFUSAL_NONE);
    assert_ptr_equal(old, b);
    assert_null(b->member);
    assert_int_equal(members_turn(&members, core, 20), 0);
    assert_true(again->member->untold);

    core_session_drop(core, again, true);
    assert_int_equal(members_turn(&members, core, 20), 2);
    assert_int_equal(has(&members, "a"), 4);
    core_session_drop(core, a, true);
    assert_int_equal(members_turn(&members, core, 20), 0); /* nobody names them any more */
    assert_int_equal(members.count, 0);
    members_free(&members);
    core_free(&core);
}

static void the_silent_keep_what_they_hold(void **state)
{
    struct members members = {0};
    struct core *core = core_make();
    struct core_session *old;
    (void)state;
    struct core_session *a = session(core, 1, 0), *b = session(core, 2, 0);
    assert_int_equal(join(core, a, "a", "count", 4, 0, &old), REFUSAL_NONE);
    assert_int_equal(join(core, b, "b", "count", 4, 0, &old), REFUSAL_NONE);
    members_turn(&members, core, 0);
    int mine = 0;
    for (uint32_t i = 0; i < members.count; i++)
        if (strcmp(members.places[i].owner, "a") == 0)
            lease(core, session(core, (uint8_t)(10 + mine++), 100), "a", members.places[i].shard,
                  100);
    assert_int_equal(mine, 2);
    /* a says nothing any more, b does; a's leases run until 1100 */
    session(core, 2, 1050);
    assert_int_equal(members_turn(&members, core, 1050), 0);
    assert_int_equal(has(&members, "a"), 2);
    session(core, 2, 1101);
    assert_int_equal(members_turn(&members, core, 1101), 2);
    assert_int_equal(has(&members, "b"), 4);
    assert_true(a->member->untold); /* it will hear so when it wakes */
    session(core, 1, 1200);
    assert_int_equal(members_turn(&members, core, 1200), 2);
    assert_int_equal(has(&members, "a"), 2);
    members_free(&members);
    core_free(&core);
}

/* After a restart of the broker: what the leases say of hosts counts, and who is not back yet keeps what its lease covers. */
static void a_new_broker_moves_nothing(void **state)
{
    struct members members = {0};
    struct core *core = core_make();
    struct core_session *old;
    (void)state;
    for (uint16_t i = 0; i < 4; i++) {
        struct core_producer *producer = core_producer_get(core, "count", i);
        producer->epoch = producer->committed_epoch = 3;
        producer->expires_us = LEASE_US; /* they run their full time again */
        strcpy(producer->host, i % 3 == 0 ? "b" : "a");
    }
    assert_int_equal(join(core, session(core, 1, 0), "a", "count", 4, 0, &old), REFUSAL_NONE);
    assert_int_equal(members_turn(&members, core, 0), 0);
    /* b is back, but not yet with this actor */
    assert_int_equal(join(core, session(core, 3, 200), "b", "sum", 1, 200, &old), REFUSAL_NONE);
    assert_int_equal(members_turn(&members, core, 200), 1);
    assert_true(has(&members, "a") == 2 && has(&members, "b") == 3);
    assert_int_equal(join(core, session(core, 2, 500), "b", "count", 4, 500, &old), REFUSAL_NONE);
    assert_int_equal(members_turn(&members, core, 500), 0);
    assert_true(strcmp(members.places[0].owner, "b") == 0 &&
                strcmp(members.places[3].owner, "b") == 0);
    members_free(&members);
    core_free(&core);
}

/* What one session names is work for the broker five times a second: so much, and no more. */
static void names_are_bounded(void **state)
{
    (void)state;
    for (uint32_t actors = 4; actors <= 5; actors++) {
        struct core *core = core_make();
        struct members members = {0};
        struct core_session *old, *at = session(core, 1, 0);
        struct msg_memb memb;
        struct pack list = {0};
        char why[240], name[] = "a";
        message_clear(&msg_memb_desc, &memb);
        pack_array(&list, actors);
        for (uint32_t i = actors; i-- > 0;) {
            pack_array(&list, 2);
            name[0] = (char)('a' + i);
            pack_text(&list, name);
            pack_u64(&list, MEMBER_SHARDS_MAX);
        }
        strcpy(memb.member, "m");
        memb.actors = (struct span){list.data, (uint32_t)list.size};
        enum refusal refusal = members_join(core, at, &memb, 0, &old, why);
        assert_int_equal(refusal, actors == 4 ? REFUSAL_NONE : REFUSAL_BAD_FRAME);
        assert_int_equal(members_turn(&members, core, 0), actors == 4 ? 1024 : 0);
        for (uint32_t i = 1; i < members.count; i++)
            assert_true(strcmp(members.places[i - 1].actor, members.places[i].actor) <= 0);
        pack_free(&list);
        members_free(&members);
        core_free(&core);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(histories_hold),
        cmocka_unit_test(capacity_comes_first),
        cmocka_unit_test(they_come_and_go),
        cmocka_unit_test(the_silent_keep_what_they_hold),
        cmocka_unit_test(a_new_broker_moves_nothing),
        cmocka_unit_test(names_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
