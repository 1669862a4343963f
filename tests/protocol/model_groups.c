/* Work groups, as §11 has them. Which member gets which record the broker chooses; that each choice is one it may make is looked at
 * here, and everything that follows from it is predicted. */
#include <inttypes.h>
#include <string.h>

#include "tests/protocol/model_inside.h"

static const char *const does_names[] = {"ack", "nack", "extend", "burn"};
enum does { DOES_ACK, DOES_NACK, DOES_EXTEND, DOES_NOTHING };

/* ---- a group's records ---- */

uint64_t groups_floor(const struct place *group)
{
    return group->count ? group->entries[0].position : group->position;
}

static struct entry *entry_at(struct place *group, uint64_t position)
{
    for (uint32_t i = 0; i < group->count; i++)
        if (group->entries[i].position == position)
            return &group->entries[i];
    return NULL;
}

static void floor_move(struct place *group)
{
    uint32_t done = 0;
    while (done < group->count && group->entries[done].state == ENTRY_DONE)
        done++;
    memmove(group->entries, group->entries + done, (group->count - done) * sizeof *group->entries);
    group->count -= done;
}

static void give_back(struct entry *entry, int64_t due_us)
{
    entry->state = ENTRY_WAITS;
    entry->due_us = due_us;
    entry->member = NOBODY;
    entry->lease = 0;
}

void groups_leave(struct cursor *group, uint32_t peer, int64_t now_us)
{
    for (uint32_t i = 0; i < group->now.count; i++) {
        struct entry *entry = &group->now.entries[i];
        if (entry->state != ENTRY_OUT || entry->member != (int)peer)
            continue;
        if (entry->staged == ENTRY_OUT)
            give_back(entry, now_us);
        else
            entry->member = NOBODY;
    }
}

void groups_stored(struct cursor *group)
{
    for (uint32_t i = 0; i < group->now.count; i++) {
        struct entry *entry = &group->now.entries[i];
        if (entry->staged == ENTRY_DONE)
            entry->state = ENTRY_DONE;
        else if (entry->staged == ENTRY_WAITS)
            give_back(entry, entry->staged_us);
        entry->staged = ENTRY_OUT;
    }
    floor_move(&group->now);
}

void groups_failed(struct cursor *group)
{
    for (uint32_t i = 0; i < group->now.count; i++) {
        struct entry *entry = &group->now.entries[i];
        if (entry->staged != ENTRY_OUT && entry->state == ENTRY_OUT && entry->member == NOBODY)
            give_back(entry, 0); /* who held it has left meanwhile */
        entry->staged = ENTRY_OUT;
    }
}

/* What was out is given back. */
void groups_crash(struct cursor *group, int64_t now_us)
{
    for (uint32_t i = 0; i < group->now.count; i++) {
        struct entry *entry = &group->now.entries[i];
        entry->staged = ENTRY_OUT;
        if (entry->state != ENTRY_DONE)
            give_back(entry, entry->state == ENTRY_WAITS && entry->due_us > now_us ? entry->due_us
                                                                                   : now_us);
    }
    floor_move(&group->now);
}

static void members_turn(struct model *self, uint32_t group)
{
    struct model_inside *in = self->inside;
    for (uint32_t peer = 0; peer < MODEL_PEERS; peer++)
        if (in->sessions[peer].group == (int)group &&
            self->now_us - in->sessions[peer].seen_us > MODEL_LEASE_US) {
            readers_leave(in, peer);
            (void)model_answer(self, peer, "LOST");
        }
}

void groups_turn(struct model *self)
{
    for (uint32_t g = MODEL_CURSORS; g < MODEL_READERS; g++) {
        struct cursor *group = &self->inside->cursors[g];
        members_turn(self, g);
        for (uint32_t i = 0; i < group->now.count; i++) {
            struct entry *entry = &group->now.entries[i];
            if (entry->state == ENTRY_OUT && entry->staged == ENTRY_OUT &&
                entry->due_us <= self->now_us) {
                give_back(entry, self->now_us);
                group->stale = true;
            }
        }
        for (uint32_t i = 0; i < group->now.count; i++) {
            struct entry *entry = &group->now.entries[i];
            if (entry->state != ENTRY_WAITS || entry->staged != ENTRY_OUT ||
                entry->attempts < MODEL_ATTEMPTS || !model_append_begin(self))
                continue;
            entry->staged = ENTRY_DONE; /* there is no stream for its letter */
            group->dirty = true;
            self->totals.dead++;
        }
    }
}

/* ---- handing out ---- */

/* The first durable record of the group's lanes at or after `from`; 0: none. */
static uint64_t record_after(const struct model_inside *in, const struct place *group,
                             uint64_t from)
{
    for (uint32_t i = 0; i < in->durable_order; i++) {
        const struct batch *batch = &in->batches[in->order.items[i]];
        if ((group->lanes >> batch->lane & 1) != 0 && batch->base + batch->count > from)
            return batch->base > from ? batch->base : from;
    }
    return 0;
}

static const struct batch *batch_with(const struct model_inside *in, uint64_t position)
{
    for (uint32_t i = 0; i < in->durable_order; i++) {
        const struct batch *batch = &in->batches[in->order.items[i]];
        if (batch->base <= position && position < batch->base + batch->count)
            return batch;
    }
    return NULL;
}

static bool offered(const struct entry *entry, int64_t now_us)
{
    return entry->state == ENTRY_WAITS && entry->staged == ENTRY_OUT && entry->due_us <= now_us &&
           entry->attempts < MODEL_ATTEMPTS;
}

static const char *take_new(struct model *self, struct cursor *group, const struct work *work)
{
    struct place *place = &group->now;
    if (work->position != record_after(self->inside, place, place->position))
        return "a record that is not the next";
    if (work->attempts != 1)
        return "a new record that was there before";
    if (place->count + work->count > MODEL_OPEN)
        return "more records above the floor than may be";
    for (uint32_t i = 0; i < work->count; i++)
        place->entries[place->count++] = (struct entry){.position = work->position + i,
                                                        .lease = work->lease,
                                                        .attempts = 1,
                                                        .member = (int)work->peer,
                                                        .due_us = self->now_us + MODEL_WORK_US,
                                                        .state = ENTRY_OUT,
                                                        .staged = ENTRY_OUT};
    place->position = work->position + work->count;
    return NULL;
}

static const char *take_again(struct model *self, struct cursor *group, const struct work *work)
{
    for (uint32_t i = 0; i < work->count; i++) {
        struct entry *entry = entry_at(&group->now, work->position + i);
        if (!entry || entry->state == ENTRY_DONE)
            return "a record that is done";
        if (entry->state == ENTRY_OUT)
            return "a record that is out already";
        if (!offered(entry, self->now_us))
            return "a record that waits for its time, or had its last attempt";
        if (work->attempts != entry->attempts + 1)
            return "not the number of its attempt";
        entry->attempts++;
        entry->state = ENTRY_OUT;
        entry->lease = work->lease;
        entry->member = (int)work->peer;
        entry->due_us = self->now_us + MODEL_WORK_US;
    }
    return NULL;
}

static uint32_t out_of(const struct place *group, uint32_t peer)
{
    uint32_t out = 0;
    for (uint32_t i = 0; i < group->count; i++)
        out += group->entries[i].state == ENTRY_OUT && group->entries[i].member == (int)peer;
    return out;
}

static bool header_same(const struct batch *batch, const struct batch_header *header)
{
    return batch->base == header->base && batch->count == header->count &&
           batch->crc == header->crc && batch->size == header->size &&
           batch->first_seq == header->first_seq && batch->epoch == header->epoch;
}

const char *model_work(struct model *self, const struct work *work)
{
    struct model_inside *in = self->inside;
    struct session *session = &in->sessions[work->peer];
    const struct batch *batch = batch_with(in, work->position);
    if (session->group == NOBODY)
        return work->heard ? "work for one that is no member" : NULL;
    struct cursor *group = &in->cursors[session->group];
    if (!batch || !header_same(batch, &work->header) || work->count == 0 ||
        work->position + work->count > batch->base + batch->count ||
        (group->now.lanes >> batch->lane & 1) == 0)
        return "work that is no record of the group's inputs";
    if (work->lease <= group->last_lease)
        return "a lease that was given before";
    group->last_lease = work->lease;
    const char *wrong = work->position >= group->now.position ? take_new(self, group, work)
                                                              : take_again(self, group, work);
    if (!wrong && out_of(&group->now, work->peer) > session->join_records)
        wrong = "more records than the member takes";
    group->stale = true;
    self->totals.worked += work->count;
    if (!work->heard)
        in->unheard[work->peer] = in->any_unheard = true;
    return wrong;
}

void model_worked(struct model *self)
{
    struct model_inside *in = self->inside;
    in->clock_us = self->now_us;
    for (uint32_t peer = 0; peer < MODEL_PEERS; peer++)
        if (in->unheard[peer])
            model_session_drop(in, peer, false);
    memset(in->unheard, 0, sizeof in->unheard);
}

const char *model_idle(const struct model *self)
{
    const struct model_inside *in = self->inside;
    for (uint32_t peer = 0; peer < MODEL_PEERS && !in->any_unheard; peer++) {
        const struct session *session = &in->sessions[peer];
        if (session->group == NOBODY || session->gone || in->deaf[peer])
            continue;
        const struct place *group = &in->cursors[session->group].now;
        bool work = group->count < MODEL_OPEN && record_after(in, group, group->position);
        for (uint32_t i = 0; i < group->count; i++)
            work = work || offered(&group->entries[i], self->now_us);
        if (work && out_of(group, peer) == 0)
            return "a member waits although there is work";
    }
    return NULL;
}

uint64_t model_needed(const struct model *self)
{
    uint64_t needed = UINT64_MAX;
    for (uint32_t g = MODEL_CURSORS; g < MODEL_READERS; g++) {
        const struct cursor *group = &self->inside->cursors[g];
        const struct place *places[] = {&group->now, &group->durable};
        for (size_t i = 0; i < 2; i++)
            if (places[i]->made && groups_floor(places[i]) < needed)
                needed = groups_floor(places[i]);
    }
    return needed;
}

/* ---- settling ---- */

static bool holds(const struct model *self, struct place *group, uint32_t peer,
                  const struct ask_item *item)
{
    for (uint64_t i = 0; i < item->count; i++) {
        const struct entry *entry = entry_at(group, item->position + i);
        if (!entry || entry->state != ENTRY_OUT || entry->lease != item->lease ||
            entry->staged != ENTRY_OUT || entry->due_us <= self->now_us ||
            entry->member != (int)peer)
            return false;
    }
    return true;
}

static void settle(struct model *self, struct cursor *group, const struct ask *ask,
                   const struct ask_item *item)
{
    for (uint64_t i = 0; i < item->count; i++) {
        struct entry *entry = entry_at(&group->now, item->position + i);
        bool last = entry->attempts >= MODEL_ATTEMPTS;
        if (ask->does == DOES_EXTEND) {
            entry->due_us = self->now_us + MODEL_WORK_US;
            continue;
        }
        entry->staged = ask->does == DOES_ACK || last ? ENTRY_DONE : ENTRY_WAITS;
        entry->staged_us = self->now_us + ask->delay_us;
        self->totals.dead += ask->does == DOES_NACK && last;
    }
    group->dirty = group->dirty || ask->does != DOES_EXTEND;
}

void groups_say_setl(struct model *self, const struct ask *ask)
{
    struct model_inside *in = self->inside;
    const struct session *session = &in->sessions[ask->peer];
    uint64_t settled = 0;
    uint32_t expired = 0;
    uint32_t faults = session->group != (int)ask->reader                      ? TAG(NOT_JOINED)
                      : ask->flaw || ask->does == DOES_NOTHING                ? TAG(BAD_FRAME)
                      : ask->does != DOES_EXTEND && !model_append_begin(self) ? TAG(DISK_FULL)
                                                                              : 0;
    if (faults) {
        model_refuse(self, ask->peer, faults, "SETL", NULL);
        return;
    }
    struct cursor *group = &in->cursors[ask->reader];
    for (uint32_t i = 0; i < ask->item_count; i++) {
        const struct ask_item *item = &ask->items[i];
        if (holds(self, &group->now, ask->peer, item)) {
            settle(self, group, ask, item);
            settled += item->count;
        } else if (expired++ == 0) {
            const struct batch_desc desc = {.first_seq = item->position};
            model_refuse(self, ask->peer, TAG(LEASE_EXPIRED), "SETL", &desc);
        }
    }
    self->totals.settled += settled;
    self->totals.expired += expired;
    char text[200];
    snprintf(text, sizeof text, "name=%s does=%s settled=%" PRIu64 " expired=%u",
             model_readers[ask->reader], does_names[ask->does], settled, expired);
    readers_pend(in, ask->peer, "SETD", "SETL", text);
}

/* The run of records under one lease that begins with the entry. */
static struct ask_item run_of(const struct place *group, uint32_t first)
{
    const struct entry *entry = &group->entries[first];
    struct ask_item item = {entry->lease, entry->position, 1};
    while (first + item.count < group->count &&
           group->entries[first + item.count].lease == item.lease &&
           group->entries[first + item.count].position == item.position + item.count)
        item.count++;
    return item;
}

void groups_spell_setl(struct model *self, const struct script_step *step, struct ask *ask)
{
    struct model_inside *in = self->inside;
    const int32_t *args = step->args;
    ask->reader = MODEL_CURSORS + (uint32_t)args[1] % (MODEL_READERS - MODEL_CURSORS);
    ask->does = (uint32_t)args[2] % (DOES_NOTHING + 1);
    ask->delay_us = ((int64_t)args[7] & 0xffff) * 1000;
    ask->flaw = args[8] != 0;
    const struct place *group = &in->cursors[ask->reader].now;
    uint32_t want = 1 + (uint32_t)args[5] % MODEL_ITEMS, skip = (uint32_t)args[3] % MODEL_OPEN;
    for (uint32_t i = 0; i < group->count && ask->item_count < want; i++) {
        if (group->entries[i].state != ENTRY_OUT || group->entries[i].member != (int)ask->peer)
            continue;
        struct ask_item item = run_of(group, i);
        i += (uint32_t)item.count - 1;
        if (skip) {
            skip--;
            continue;
        }
        if (args[4] && (uint64_t)args[4] < item.count)
            item.count = (uint32_t)args[4];
        item.lease -= (uint32_t)args[6] % 4;
        ask->items[ask->item_count++] = item;
    }
    if (ask->item_count == 0)
        ask->items[ask->item_count++] = (struct ask_item){1, 1 + (uint32_t)args[3] % 100, 1};
}
