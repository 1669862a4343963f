#include "broker/assign.h"

#include <stdlib.h>
#include <string.h>

struct work {
    const struct assign *ask;
    int32_t *was;              /* [shard] */
    uint32_t *count;           /* [member * actors + actor] */
    uint32_t *total, *had;     /* [member]: now, and before */
    uint32_t *kept, *had_here; /* [member]: of the actor in hand */
};

static bool runs(const struct work *self, uint32_t member, uint32_t actor)
{
    return self->ask->runs[member * self->ask->actors + actor];
}

static uint32_t *count_of(const struct work *self, uint32_t member, uint32_t actor)
{
    return &self->count[member * self->ask->actors + actor];
}

static bool room(const struct work *self, uint32_t member)
{
    return self->ask->capacity[member] == 0 || self->total[member] < self->ask->capacity[member];
}

static void give(struct work *self, struct assign_shard *shard, uint32_t member)
{
    shard->owner = (int32_t)member;
    ++*count_of(self, member, shard->actor);
    self->total[member]++;
}

static void take(struct work *self, struct assign_shard *shard)
{
    uint32_t member = (uint32_t)shard->owner;
    --*count_of(self, member, shard->actor);
    self->total[member]--;
    shard->owner = ASSIGN_NOBODY;
}

/* How many each may keep of one actor: the even share, and one more for as many as there is more; first for those that have the
 * least of all. */
static void keep_limits(struct work *self, uint32_t actor, uint32_t shards)
{
    const struct assign *ask = self->ask;
    uint32_t able = 0;
    for (uint32_t m = 0; m < ask->members; m++)
        able += runs(self, m, actor);
    uint32_t share = able ? shards / able : 0, more = able ? shards % able : 0;
    for (uint32_t m = 0; m < ask->members; m++)
        self->kept[m] = runs(self, m, actor) ? share : 0;
    for (; more > 0; more--) {
        uint32_t best = ask->members;
        for (uint32_t m = 0; m < ask->members; m++)
            if (runs(self, m, actor) && self->kept[m] == share && self->had_here[m] > share &&
                (best == ask->members || self->had[m] < self->had[best]))
                best = m;
        if (best == ask->members)
            return; /* the rest goes to those who have less */
        self->kept[best]++;
    }
}

static void keep(struct work *self, uint32_t actor)
{
    const struct assign *ask = self->ask;
    uint32_t shards = 0;
    memset(self->had_here, 0, ask->members * sizeof *self->had_here);
    for (uint32_t i = 0; i < ask->shard_count; i++) {
        shards += ask->shards[i].actor == actor;
        if (ask->shards[i].actor == actor && self->was[i] != ASSIGN_NOBODY)
            self->had_here[self->was[i]]++;
    }
    keep_limits(self, actor, shards);
    for (uint32_t i = 0; i < ask->shard_count; i++) {
        uint32_t member = (uint32_t)self->was[i];
        if (ask->shards[i].actor == actor && self->was[i] != ASSIGN_NOBODY &&
            *count_of(self, member, actor) < self->kept[member] && room(self, member))
            give(self, &ask->shards[i], member);
    }
}

/* To the one with the fewest of that actor; of those to the one with the fewest of all. */
static void fill(struct work *self, struct assign_shard *shard)
{
    const struct assign *ask = self->ask;
    uint32_t best = ask->members;
    for (uint32_t m = 0; m < ask->members; m++) {
        if (!runs(self, m, shard->actor) || !room(self, m))
            continue;
        if (best < ask->members) {
            uint32_t mine = *count_of(self, m, shard->actor);
            uint32_t others = *count_of(self, best, shard->actor);
            if (mine > others || (mine == others && self->total[m] >= self->total[best]))
                continue;
        }
        best = m;
    }
    if (best < ask->members)
        give(self, shard, best);
}

/* The shard that goes most cheaply from one to the other without making any actor less even; NULL: none may. */
static struct assign_shard *movable(const struct work *self, uint32_t from, uint32_t to)
{
    const struct assign *ask = self->ask;
    struct assign_shard *best = NULL;
    int best_cost = 3;
    for (uint32_t i = 0; i < ask->shard_count; i++) {
        struct assign_shard *shard = &ask->shards[i];
        if (shard->owner != (int32_t)from || !runs(self, to, shard->actor) ||
            *count_of(self, from, shard->actor) <= *count_of(self, to, shard->actor))
            continue;
        int cost = self->was[i] == (int32_t)to ? 0 : self->was[i] != (int32_t)from ? 1 : 2;
        if (cost < best_cost) {
            best_cost = cost;
            best = shard;
        }
    }
    return best;
}

/* One shard from a member to another that has two less or fewer, the widest gap first. False: there is none. */
static bool level(struct work *self)
{
    const struct assign *ask = self->ask;
    struct assign_shard *best = NULL;
    uint32_t best_gap = 1, best_to = 0;
    for (uint32_t from = 0; from < ask->members; from++)
        for (uint32_t to = 0; to < ask->members; to++) {
            uint32_t gap =
                self->total[from] > self->total[to] ? self->total[from] - self->total[to] : 0;
            if (gap <= best_gap || !room(self, to))
                continue;
            struct assign_shard *shard = movable(self, from, to);
            if (!shard)
                continue;
            best = shard;
            best_gap = gap;
            best_to = to;
        }
    if (!best)
        return false;
    take(self, best);
    give(self, best, best_to);
    return true;
}

static void assign_once(struct work *self)
{
    const struct assign *ask = self->ask;
    size_t cells = (size_t)ask->members * ask->actors;
    memset(self->count, 0, cells * sizeof *self->count);
    memset(self->total, 0, ask->members * sizeof *self->total);
    memset(self->had, 0, ask->members * sizeof *self->had);
    for (uint32_t i = 0; i < ask->shard_count; i++) {
        self->was[i] = ask->shards[i].owner;
        ask->shards[i].owner = ASSIGN_NOBODY;
        if (self->was[i] != ASSIGN_NOBODY)
            self->had[self->was[i]]++;
    }
    for (uint32_t actor = 0; actor < ask->actors; actor++)
        keep(self, actor);
    for (uint32_t i = 0; i < ask->shard_count; i++)
        if (ask->shards[i].owner == ASSIGN_NOBODY)
            fill(self, &ask->shards[i]);
    while (level(self)) /* each time the squares of the totals sum up to less */
        ;
}

/* How uneven it is; less is better. First what nobody runs, then each actor's shards, then all of them. */
struct worth {
    uint64_t nobody, per_actor, in_all;
};

static struct worth worth_of(struct work *self)
{
    const struct assign *ask = self->ask;
    struct worth worth = {0};
    size_t cells = (size_t)ask->members * ask->actors;
    memset(self->count, 0, cells * sizeof *self->count);
    memset(self->total, 0, ask->members * sizeof *self->total);
    for (uint32_t i = 0; i < ask->shard_count; i++)
        if (ask->shards[i].owner == ASSIGN_NOBODY)
            worth.nobody++;
        else
            give(self, &ask->shards[i], (uint32_t)ask->shards[i].owner);
    for (size_t i = 0; i < cells; i++)
        worth.per_actor += (uint64_t)self->count[i] * self->count[i];
    for (uint32_t m = 0; m < ask->members; m++) {
        worth.in_all += (uint64_t)self->total[m] * self->total[m];
        if (ask->capacity[m] && self->total[m] > ask->capacity[m])
            worth.nobody = UINT64_MAX; /* anything is better */
    }
    return worth;
}

static bool better(const struct worth *a, const struct worth *b)
{
    if (a->nobody != b->nobody)
        return a->nobody < b->nobody;
    return a->per_actor != b->per_actor ? a->per_actor < b->per_actor : a->in_all < b->in_all;
}

/* Until it gets no better: what is as good as another stays as it is. */
static int assign_all(struct work *self, int32_t *first)
{
    const struct assign *ask = self->ask;
    int moved = 0;
    for (uint32_t i = 0; i < ask->shard_count; i++) {
        struct assign_shard *shard = &ask->shards[i];
        first[i] = shard->owner;
        if (shard->owner < 0 || (uint32_t)shard->owner >= ask->members ||
            !runs(self, (uint32_t)shard->owner, shard->actor))
            shard->owner = ASSIGN_NOBODY;
    }
    struct worth now = worth_of(self), next;
    for (;;) {
        assign_once(self);
        next = worth_of(self);
        if (!better(&next, &now))
            break;
        now = next;
    }
    for (uint32_t i = 0; i < ask->shard_count; i++) {
        ask->shards[i].owner = self->was[i];
        moved += first[i] != ASSIGN_NOBODY && self->was[i] != first[i];
    }
    return moved;
}

int assign_shards(const struct assign *ask)
{
    struct work work = {.ask = ask};
    size_t members = (size_t)ask->members + 1, cells = members * ((size_t)ask->actors + 1);
    work.was = calloc(2 * ((size_t)ask->shard_count + 1), sizeof *work.was);
    work.count = calloc(cells, sizeof *work.count);
    work.total = calloc(4 * members, sizeof *work.total);
    int moved = -1;
    if (work.was && work.count && work.total) {
        work.had = work.total + members;
        work.kept = work.had + members;
        work.had_here = work.kept + members;
        moved = assign_all(&work, work.was + ask->shard_count + 1);
    }
    free(work.was);
    free(work.count);
    free(work.total);
    return moved;
}
