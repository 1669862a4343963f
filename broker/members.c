#include "broker/members.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/assign.h"

#define NAMES_MAX 1024 /* members, and actors, at once */

void members_free(struct members *self)
{
    free(self->places);
    memset(self, 0, sizeof *self);
}

/* ---- joining ---- */

static bool actors_take(struct core_member *self, const struct span *list)
{
    struct unpack in = {list->data, list->size, 0};
    uint32_t count, fields, size;
    const char *name;
    uint64_t shards, all = 0;
    if (!unpack_array(&in, &count) || count > MEMBER_ACTORS_MAX)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct member_actor *actor = &self->actors[i];
        if (!unpack_array(&in, &fields) || fields != 2 || !unpack_str(&in, &name, &size) ||
            !unpack_u64(&in, &shards) || size == 0 || size >= sizeof actor->actor || shards < 1 ||
            shards > MEMBER_SHARDS_MAX || (all += shards) > MEMBER_SHARDS_ALL)
            return false;
        memcpy(actor->actor, name, size);
        actor->actor[size] = '\0';
        actor->shards = (uint16_t)shards;
    }
    self->actor_count = count;
    return in.at == in.size;
}

static const struct member_actor *actor_of(const struct core_member *self, const char *actor)
{
    for (uint32_t i = 0; i < self->actor_count; i++)
        if (strcmp(self->actors[i].actor, actor) == 0)
            return &self->actors[i];
    return NULL;
}

static bool is_live(const struct core *core, const struct core_session *session, int64_t now_us)
{
    return session->member && now_us - session->seen_us <= core->options.lease_us;
}

/* The same name, and one of the same actors: it takes the other's place. */
static bool replaces(const struct core_member *mine, const struct core_member *other)
{
    bool same = false;
    for (uint32_t i = 0; i < mine->actor_count && !same; i++)
        same = actor_of(other, mine->actors[i].actor) != NULL;
    return same && strcmp(mine->name, other->name) == 0;
}

/* All who live must mean the same by an actor's shards, or a record could be read by two of them, or by none. */
static bool agrees(const struct core *core, const struct core_session *session,
                   const struct core_member *mine, int64_t now_us, char why[240])
{
    for (const struct core_session *at = core->sessions; at; at = at->next) {
        if (at == session || !is_live(core, at, now_us) || replaces(mine, at->member))
            continue;
        for (uint32_t i = 0; i < mine->actor_count; i++) {
            const struct member_actor *theirs = actor_of(at->member, mine->actors[i].actor);
            if (!theirs || theirs->shards == mine->actors[i].shards)
                continue;
            snprintf(why, 240, "%s has %u shards, says %s; %u, says %s", theirs->actor,
                     theirs->shards, at->member->name, mine->actors[i].shards, mine->name);
            return false;
        }
    }
    return true;
}

enum refusal members_join(struct core *core, struct core_session *session,
                          const struct msg_memb *said, int64_t now_us, struct core_session **old,
                          char why[240])
{
    *old = NULL;
    struct core_member *mine = calloc(1, sizeof *mine);
    if (!mine) {
        snprintf(why, 240, "no memory");
        return REFUSAL_TOO_MANY;
    }
    snprintf(mine->name, sizeof mine->name, "%s", said->member);
    mine->capacity = said->capacity == UINT64_MAX ? 0 : (uint32_t)said->capacity;
    mine->untold = true;
    if (!actors_take(mine, &said->actors)) {
        snprintf(why, 240, "memb.actors: [[actor, 1 to %d], ...], at most %d, of %d shards in all",
                 MEMBER_SHARDS_MAX, MEMBER_ACTORS_MAX, MEMBER_SHARDS_ALL);
        free(mine);
        return REFUSAL_BAD_FRAME;
    }
    if (!agrees(core, session, mine, now_us, why)) {
        free(mine);
        return REFUSAL_SHARDS_DIFFER;
    }
    for (struct core_session *at = core->sessions; at; at = at->next)
        if (at != session && at->member && replaces(mine, at->member)) {
            *old = at;
            free(at->member);
            at->member = NULL;
        }
    free(session->member);
    session->member = mine;
    return REFUSAL_NONE;
}

/* ---- who has what ---- */

static int place_order(const void *a, const void *b)
{
    const struct member_place *left = a, *right = b;
    int order = strcmp(left->actor, right->actor);
    return order ? order : (int)left->shard - (int)right->shard;
}

static struct member_place *place_find(const struct members *self, const char *actor,
                                       uint16_t shard)
{
    struct member_place key = {.shard = shard};
    snprintf(key.actor, sizeof key.actor, "%s", actor);
    return self->count ? bsearch(&key, self->places, self->count, sizeof key, place_order) : NULL;
}

/* Whose lease it is, as the log remembers it. */
static const struct core_producer *holder_of(const struct core *core,
                                             const struct member_place *place)
{
    for (uint32_t i = 0; i < core->producer_count; i++)
        if (core->producers[i]->shard == place->shard && core->producers[i]->epoch > 0 &&
            strcmp(core->producers[i]->actor, place->actor) == 0)
            return core->producers[i];
    return NULL;
}

static int place_add(struct members *self, const struct core *core, const char *actor,
                     uint16_t shard)
{
    if (place_find(self, actor, shard))
        return 0;
    if (self->count == self->capacity) {
        uint32_t capacity = self->capacity ? self->capacity * 2 : 32;
        struct member_place *grown = realloc(self->places, capacity * sizeof *grown);
        if (!grown)
            return -1;
        self->places = grown;
        self->capacity = capacity;
    }
    struct member_place place = {.shard = shard};
    snprintf(place.actor, sizeof place.actor, "%s", actor);
    const struct core_producer *producer = holder_of(core, &place);
    if (producer)
        snprintf(place.owner, sizeof place.owner, "%s", producer->host);
    uint32_t at = self->count++;
    for (; at > 0 && place_order(&self->places[at - 1], &place) > 0; at--)
        self->places[at] = self->places[at - 1];
    self->places[at] = place;
    return 0;
}

/* A place for each shard that anyone has named; those that nobody names are forgotten. */
static int places_update(struct members *self, const struct core *core)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < self->count; i++) {
        bool named = false;
        for (const struct core_session *at = core->sessions; at && !named; at = at->next) {
            const struct member_actor *actor =
                at->member ? actor_of(at->member, self->places[i].actor) : NULL;
            named = actor && self->places[i].shard < actor->shards;
        }
        if (named)
            self->places[kept++] = self->places[i];
    }
    self->count = kept;
    for (const struct core_session *at = core->sessions; at; at = at->next)
        for (uint32_t i = 0; at->member && i < at->member->actor_count; i++)
            for (uint16_t shard = 0; shard < at->member->actors[i].shards; shard++)
                if (place_add(self, core, at->member->actors[i].actor, shard) != 0)
                    return -1;
    return 0;
}

/* The question in the form that assign.h wants it. */
struct question {
    const char *members[NAMES_MAX], *actors[NAMES_MAX];
    uint32_t capacity[NAMES_MAX];
    uint32_t member_count, actor_count;
    bool *runs;
    struct assign_shard *shards;
    uint32_t *places; /* of each shard that is asked about */
    uint32_t shard_count;
};

static int name_order(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int32_t name_find(const char *const *names, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return (int32_t)i;
    return -1;
}

static void names_take(struct question *self, const struct members *members,
                       const struct core *core, int64_t now_us)
{
    for (const struct core_session *at = core->sessions; at; at = at->next)
        if (is_live(core, at, now_us) && self->member_count < NAMES_MAX &&
            name_find(self->members, self->member_count, at->member->name) < 0)
            self->members[self->member_count++] = at->member->name;
    qsort(self->members, self->member_count, sizeof *self->members, name_order);
    for (uint32_t i = 0; i < members->count; i++)
        if ((i == 0 || strcmp(members->places[i].actor, members->places[i - 1].actor) != 0) &&
            self->actor_count < NAMES_MAX)
            self->actors[self->actor_count++] = members->places[i].actor;
}

static void abilities_take(struct question *self, const struct core *core, int64_t now_us)
{
    for (const struct core_session *at = core->sessions; at; at = at->next) {
        if (!is_live(core, at, now_us))
            continue;
        int32_t member = name_find(self->members, self->member_count, at->member->name);
        if (member < 0)
            continue;
        self->capacity[member] = at->member->capacity;
        for (uint32_t i = 0; i < at->member->actor_count; i++) {
            int32_t actor = name_find(self->actors, self->actor_count, at->member->actors[i].actor);
            if (actor >= 0)
                self->runs[(uint32_t)member * self->actor_count + (uint32_t)actor] = true;
        }
    }
}

static void shards_take(struct question *self, const struct members *members,
                        const struct core *core, int64_t now_us)
{
    for (uint32_t i = 0; i < members->count; i++) {
        const struct member_place *place = &members->places[i];
        int32_t actor = name_find(self->actors, self->actor_count, place->actor);
        int32_t owner = name_find(self->members, self->member_count, place->owner);
        if (owner >= 0 && actor >= 0 &&
            !self->runs[(uint32_t)owner * self->actor_count + (uint32_t)actor])
            owner = -1; /* who speaks for it is here, who runs this actor is not */
        const struct core_producer *producer = holder_of(core, place);
        bool held =
            producer && producer->expires_us > now_us && strcmp(producer->host, place->owner) == 0;
        if (actor < 0 || (owner < 0 && place->owner[0] && held))
            continue; /* its owner is silent and may be at work */
        self->places[self->shard_count] = i;
        self->shards[self->shard_count++] =
            (struct assign_shard){.actor = (uint32_t)actor, .owner = owner};
    }
}

bool members_runs(const struct core_session *session, const struct member_place *place)
{
    return session->member && strcmp(session->member->name, place->owner) == 0 &&
           actor_of(session->member, place->actor);
}

static void untell(struct core *core, const struct member_place *place)
{
    for (struct core_session *at = core->sessions; at; at = at->next)
        if (members_runs(at, place))
            at->member->untold = true;
}

static int decide(struct members *self, struct question *question, struct core *core)
{
    int moved = 0;
    const struct assign ask = {.members = question->member_count,
                               .actors = question->actor_count,
                               .shard_count = question->shard_count,
                               .runs = question->runs,
                               .capacity = question->capacity,
                               .shards = question->shards};
    if (assign_shards(&ask) < 0)
        return -1;
    for (uint32_t i = 0; i < question->shard_count; i++) {
        struct member_place *place = &self->places[question->places[i]];
        int32_t owner = question->shards[i].owner;
        const char *name = owner == ASSIGN_NOBODY ? "" : question->members[owner];
        if (strcmp(name, place->owner) == 0)
            continue;
        untell(core, place); /* who loses it */
        snprintf(place->owner, sizeof place->owner, "%s", name);
        untell(core, place); /* who gets it */
        moved++;
    }
    return moved;
}

int members_turn(struct members *self, struct core *core, int64_t now_us)
{
    if (places_update(self, core) != 0)
        return -1;
    if (self->count == 0)
        return 0;
    struct question *question = calloc(1, sizeof *question);
    int moved = -1;
    if (!question)
        return -1;
    names_take(question, self, core, now_us);
    question->runs =
        calloc((size_t)(question->member_count + 1) * (question->actor_count + 1), sizeof(bool));
    question->shards = calloc(self->count, sizeof *question->shards);
    question->places = calloc(self->count, sizeof *question->places);
    if (question->runs && question->shards && question->places) {
        abilities_take(question, core, now_us);
        shards_take(question, self, core, now_us);
        moved = decide(self, question, core);
    }
    free(question->runs);
    free(question->shards);
    free(question->places);
    free(question);
    return moved;
}
