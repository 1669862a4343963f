#include "broker/core_group.h"

#include <stdlib.h>
#include <string.h>

void group_free(struct group *self)
{
    free(self->entries);
    self->entries = NULL;
    self->first = self->count = self->capacity = 0;
}

static struct group_entry *entry_of(const struct group *self, uint32_t index)
{
    return &self->entries[self->first + index];
}

uint64_t group_floor(const struct group *self)
{
    return self->count ? entry_of(self, 0)->position : self->next;
}

uint32_t group_room(const struct group *self)
{
    return self->count < self->open_max ? self->open_max - self->count : 0;
}

/* The first entry at or after `position`; count if there is none. */
static uint32_t index_of(const struct group *self, uint64_t position)
{
    uint32_t low = 0, high = self->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (entry_of(self, middle)->position < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct group_entry *group_at(const struct group *self, uint64_t position)
{
    uint32_t index = index_of(self, position);
    return index < self->count && entry_of(self, index)->position == position
               ? entry_of(self, index)
               : NULL;
}

static void due_lower(struct group *self, int64_t due_us)
{
    if (due_us < self->due_us)
        self->due_us = due_us;
}

void group_rewind(struct group *self, uint64_t position)
{
    self->first = self->count = self->staged = self->waiting = 0;
    self->next = position;
    self->due_us = INT64_MAX;
}

/* ---- handing out ---- */

static bool entries_grow(struct group *self, uint32_t more)
{
    if (self->first && self->first + self->count + more > self->capacity) {
        memmove(self->entries, self->entries + self->first, self->count * sizeof *self->entries);
        self->first = 0;
    }
    if (self->count + more <= self->capacity)
        return true;
    uint32_t capacity = self->capacity ? self->capacity : 64;
    while (capacity < self->count + more)
        capacity *= 2;
    struct group_entry *grown = realloc(self->entries, capacity * sizeof *grown);
    if (!grown)
        return false;
    self->entries = grown;
    self->capacity = capacity;
    return true;
}

int group_take_new(struct group *self, uint64_t position, uint32_t count, uint32_t member,
                   uint64_t bytes, int64_t now_us, struct group_lease *out)
{
    if (!entries_grow(self, count))
        return -1;
    *out = (struct group_lease){.lease = ++self->last_lease,
                                .position = position,
                                .bytes = bytes,
                                .count = count,
                                .attempts = 1,
                                .member = member};
    for (uint32_t i = 0; i < count; i++)
        *entry_of(self, self->count++) = (struct group_entry){.position = position + i,
                                                              .lease = out->lease,
                                                              .due_us = now_us + self->lease_us,
                                                              .bytes = i ? 0 : bytes,
                                                              .attempts = 1,
                                                              .member = member,
                                                              .state = GROUP_OUT,
                                                              .staged = GROUP_OUT};
    self->next = position + count;
    due_lower(self, now_us + self->lease_us);
    return 0;
}

static bool offered(const struct group *self, const struct group_entry *entry, int64_t now_us)
{
    return entry->state == GROUP_WAITS && entry->staged == GROUP_OUT && entry->due_us <= now_us &&
           entry->attempts < self->attempts_max;
}

const struct group_entry *group_waiting(const struct group *self, int64_t now_us)
{
    for (uint32_t i = 0; self->waiting && i < self->count; i++)
        if (offered(self, entry_of(self, i), now_us))
            return entry_of(self, i);
    return NULL;
}

void group_take_again(struct group *self, uint64_t position, uint64_t end, uint32_t most,
                      uint32_t member, uint64_t bytes, int64_t now_us, struct group_lease *out)
{
    uint32_t index = index_of(self, position);
    *out = (struct group_lease){.lease = ++self->last_lease,
                                .position = position,
                                .bytes = bytes,
                                .attempts = entry_of(self, index)->attempts + 1,
                                .member = member};
    for (; index < self->count && out->count < most; index++) {
        struct group_entry *entry = entry_of(self, index);
        if (entry->position != position + out->count || entry->position >= end ||
            !offered(self, entry, now_us) || entry->attempts + 1 != out->attempts)
            break;
        entry->lease = out->lease;
        entry->due_us = now_us + self->lease_us;
        entry->bytes = out->count ? 0 : bytes;
        entry->attempts++;
        entry->member = member;
        entry->state = GROUP_OUT;
        out->count++;
        self->waiting -= self->waiting > 0;
    }
    due_lower(self, now_us + self->lease_us);
}

const struct group_entry *group_spent(const struct group *self)
{
    for (uint32_t i = 0; self->waiting && i < self->count; i++) {
        const struct group_entry *entry = entry_of(self, i);
        if (entry->state == GROUP_WAITS && entry->staged == GROUP_OUT &&
            entry->attempts >= self->attempts_max)
            return entry;
    }
    return NULL;
}

/* ---- settling ---- */

bool group_holds(const struct group *self, uint64_t lease, uint64_t position, uint32_t count,
                 int64_t now_us)
{
    uint32_t index = index_of(self, position);
    if (count == 0 || count > self->count - index)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        const struct group_entry *entry = entry_of(self, index + i);
        if (entry->position != position + i || entry->state != GROUP_OUT || entry->lease != lease ||
            entry->staged != GROUP_OUT || entry->due_us <= now_us)
            return false;
    }
    return true;
}

static void stage(struct group *self, uint64_t position, uint32_t count, enum group_state state,
                  int64_t until_us)
{
    uint32_t index = index_of(self, position);
    for (uint32_t i = 0; i < count; i++) {
        struct group_entry *entry = entry_of(self, index + i);
        entry->staged = (uint8_t)state;
        entry->staged_us = until_us;
    }
    self->staged += count;
}

void group_stage_done(struct group *self, uint64_t position, uint32_t count)
{
    stage(self, position, count, GROUP_DONE, 0);
}

void group_stage_wait(struct group *self, uint64_t position, uint32_t count, int64_t until_us)
{
    stage(self, position, count, GROUP_WAITS, until_us);
}

void group_extend(struct group *self, uint64_t position, uint32_t count, int64_t now_us)
{
    uint32_t index = index_of(self, position);
    for (uint32_t i = 0; i < count; i++)
        entry_of(self, index + i)->due_us = now_us + self->lease_us;
}

static void give_back(struct group_entry *entry, int64_t due_us)
{
    entry->state = GROUP_WAITS;
    entry->due_us = due_us;
    entry->member = 0;
    entry->lease = entry->bytes = 0;
}

/* What waits and was due already waits for a member, not for the time. */
static void due_find(struct group *self, int64_t now_us)
{
    self->due_us = INT64_MAX;
    self->waiting = 0;
    for (uint32_t i = 0; i < self->count; i++) {
        const struct group_entry *entry = entry_of(self, i);
        self->waiting += entry->state == GROUP_WAITS;
        if (entry->state != GROUP_DONE && entry->due_us > now_us)
            due_lower(self, entry->due_us);
    }
}

static void floor_move(struct group *self)
{
    while (self->count && entry_of(self, 0)->state == GROUP_DONE) {
        self->first++;
        self->count--;
    }
}

void group_commit(struct group *self)
{
    if (!self->staged)
        return;
    for (uint32_t i = 0; i < self->count; i++) {
        struct group_entry *entry = entry_of(self, i);
        if (entry->staged == GROUP_DONE) {
            entry->state = GROUP_DONE;
            entry->member = 0;
            entry->bytes = 0;
        } else if (entry->staged == GROUP_WAITS) {
            give_back(entry, entry->staged_us);
        }
        entry->staged = GROUP_OUT;
    }
    floor_move(self);
    self->staged = 0;
    due_find(self, INT64_MIN);
}

void group_rollback(struct group *self)
{
    if (!self->staged)
        return;
    for (uint32_t i = 0; i < self->count; i++) {
        struct group_entry *entry = entry_of(self, i);
        if (entry->staged != GROUP_OUT && entry->state == GROUP_OUT && entry->member == 0)
            give_back(entry, 0); /* who held it has left meanwhile */
        entry->staged = GROUP_OUT;
    }
    self->staged = 0;
    due_find(self, INT64_MIN);
}

uint32_t group_expire(struct group *self, int64_t now_us)
{
    uint32_t ended = 0;
    if (now_us < self->due_us)
        return 0;
    for (uint32_t i = 0; i < self->count; i++) {
        struct group_entry *entry = entry_of(self, i);
        if (entry->state != GROUP_OUT || entry->staged != GROUP_OUT || entry->due_us > now_us)
            continue;
        give_back(entry, now_us);
        ended++;
    }
    due_find(self, now_us);
    return ended;
}

void group_leave(struct group *self, uint32_t member, int64_t now_us)
{
    for (uint32_t i = 0; i < self->count; i++) {
        struct group_entry *entry = entry_of(self, i);
        if (entry->state != GROUP_OUT || entry->member != member)
            continue;
        if (entry->staged == GROUP_OUT)
            give_back(entry, now_us);
        else
            entry->member = 0;
    }
    due_find(self, INT64_MIN); /* a lease that has ended just now is still to be found so */
}

uint32_t group_out(const struct group *self, uint32_t member, uint64_t *bytes)
{
    uint32_t out = 0;
    *bytes = 0;
    for (uint32_t i = 0; i < self->count; i++) {
        const struct group_entry *entry = entry_of(self, i);
        if (entry->state != GROUP_OUT || entry->member != member)
            continue;
        out++;
        *bytes += entry->bytes;
    }
    return out;
}

/* ---- its row ---- */

struct run {
    uint64_t position, count;
    bool done;
    uint32_t attempts;
    int64_t due_us;
};

static struct run run_of(const struct group_entry *entry, int64_t now_us, int64_t wall_us)
{
    bool staged = entry->staged != GROUP_OUT;
    uint8_t state = staged ? entry->staged : entry->state;
    int64_t due_us = staged ? entry->staged_us : entry->due_us;
    bool later = state == GROUP_WAITS && due_us > now_us;
    return (struct run){entry->position, 1, state == GROUP_DONE,
                        state == GROUP_DONE ? 0 : entry->attempts,
                        later ? due_us - now_us + wall_us : 0};
}

static void run_put(struct pack *out, const struct run *run)
{
    pack_array(out, 5);
    pack_u64(out, run->position);
    pack_u64(out, run->count);
    pack_bool(out, run->done);
    pack_u64(out, run->attempts);
    pack_i64(out, run->due_us);
}

/* Walks the runs; writes them where `out` is given. Returns how many. */
static uint32_t runs_walk(const struct group *self, struct pack *out, int64_t now_us,
                          int64_t wall_us)
{
    struct run run = {0};
    uint32_t runs = 0;
    for (uint32_t i = 0; i < self->count; i++) {
        struct run one = run_of(entry_of(self, i), now_us, wall_us);
        if (run.count && run.position + run.count == one.position && run.done == one.done &&
            run.attempts == one.attempts && run.due_us == one.due_us) {
            run.count++;
            continue;
        }
        if (run.count && out)
            run_put(out, &run);
        run = one;
        runs++;
    }
    if (run.count && out)
        run_put(out, &run);
    return runs;
}

void group_encode(const struct group *self, struct pack *out, int64_t now_us, int64_t wall_us)
{
    pack_array(out, 2);
    pack_u64(out, self->next);
    pack_array(out, runs_walk(self, NULL, now_us, wall_us));
    (void)runs_walk(self, out, now_us, wall_us);
}

static bool run_take(struct unpack *in, struct run *run)
{
    uint32_t fields;
    uint64_t attempts;
    bool good = unpack_array(in, &fields) && fields == 5 && unpack_u64(in, &run->position) &&
                unpack_u64(in, &run->count) && unpack_bool(in, &run->done) &&
                unpack_u64(in, &attempts) && attempts <= UINT32_MAX && unpack_i64(in, &run->due_us);
    run->attempts = good ? (uint32_t)attempts : 0;
    return good && run->position > 0;
}

int group_decode(struct group *self, struct unpack *in, int64_t now_us, int64_t wall_us)
{
    uint32_t fields, runs;
    uint64_t next, after = 0;
    if (!unpack_array(in, &fields) || fields != 2 || !unpack_u64(in, &next) ||
        !unpack_array(in, &runs))
        return -1;
    group_rewind(self, next);
    for (uint32_t i = 0; i < runs; i++) {
        struct run run;
        if (!run_take(in, &run) || run.position < after || run.count > group_room(self) ||
            run.position + run.count > next || !entries_grow(self, (uint32_t)run.count))
            return -1;
        after = run.position + run.count;
        int64_t due_us = run.due_us > wall_us ? now_us + (run.due_us - wall_us) : now_us;
        for (uint64_t j = 0; j < run.count; j++)
            *entry_of(self, self->count++) =
                (struct group_entry){.position = run.position + j,
                                     .due_us = due_us,
                                     .attempts = run.attempts,
                                     .state = run.done ? GROUP_DONE : GROUP_WAITS,
                                     .staged = GROUP_OUT};
    }
    floor_move(self); /* the row was written with what its commit made done */
    due_find(self, now_us);
    return 0;
}
