/* Named cursors, as §11 has them. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/protocol/model_inside.h"

const char *const model_readers[MODEL_READERS] = {"c0", "c1", "c2", "g0", "g1"};

int readers_of(const struct model_inside *in, uint32_t peer)
{
    for (int i = 0; i < MODEL_CURSORS; i++)
        if (in->cursors[i].reader == (int)peer)
            return i;
    return in->sessions[peer].group;
}

int model_reads(const struct model *self, uint32_t peer)
{
    return readers_of(self->inside, peer);
}

void readers_leave(struct model_inside *in, uint32_t peer)
{
    int reads = readers_of(in, peer);
    if (reads == NOBODY)
        return;
    for (uint32_t i = 0; i < in->pending_count; i++)
        if (in->pending[i].peer == (int)peer)
            in->pending[i].peer = NOBODY;
    if (in->sessions[peer].group != NOBODY) {
        in->sessions[peer].group = NOBODY;
        groups_leave(&in->cursors[reads], peer, in->clock_us);
        return;
    }
    in->cursors[reads].reader = NOBODY;
    memset(&in->sessions[peer].sub, 0, sizeof in->sessions[peer].sub);
}

/* ---- what is durable ---- */

void readers_stored(struct model_inside *in)
{
    for (uint32_t i = 0; i < MODEL_READERS; i++) {
        struct cursor *cursor = &in->cursors[i];
        if (!cursor->dirty)
            continue;
        if (cursor->staged)
            cursor->now.position = cursor->staged;
        cursor->staged = 0;
        cursor->dirty = cursor->stale = false;
        groups_stored(cursor);
        cursor->durable = cursor->now;
    }
}

void readers_told(struct model *self)
{
    struct model_inside *in = self->inside;
    for (uint32_t i = 0; i < in->pending_count; i++) {
        struct answer *said =
            in->pending[i].peer == NOBODY
                ? NULL
                : model_answer(self, (uint32_t)in->pending[i].peer, in->pending[i].verb);
        if (said)
            memcpy(said->text, in->pending[i].text, sizeof in->pending[i].text);
    }
    in->pending_count = 0;
}

void readers_failed(struct model *self)
{
    struct model_inside *in = self->inside;
    for (uint32_t i = 0; i < MODEL_READERS; i++) {
        struct cursor *cursor = &in->cursors[i];
        cursor->stale = cursor->stale || cursor->dirty;
        cursor->dirty = false;
        cursor->staged = 0;
        groups_failed(cursor);
    }
    for (uint32_t i = 0; i < in->pending_count; i++)
        if (in->pending[i].peer != NOBODY)
            model_refuse(self, (uint32_t)in->pending[i].peer, TAG(DISK_FULL),
                         in->pending[i].refused_as, NULL);
    in->pending_count = 0;
}

bool readers_stale(struct model_inside *in)
{
    bool any = false;
    for (uint32_t i = 0; i < MODEL_READERS; i++) {
        struct cursor *cursor = &in->cursors[i];
        cursor->dirty = cursor->dirty || cursor->stale;
        any = any || cursor->dirty;
    }
    return any;
}

void readers_crash(struct model_inside *in, int64_t now_us)
{
    for (uint32_t i = 0; i < MODEL_READERS; i++) {
        struct cursor *cursor = &in->cursors[i];
        cursor->now = cursor->durable;
        cursor->staged = cursor->last_lease = 0;
        cursor->dirty = cursor->stale = false;
        cursor->reader = NOBODY;
        groups_crash(cursor, now_us);
    }
    in->pending_count = 0;
}

void readers_pend(struct model_inside *in, uint32_t peer, const char *verb, const char *refused_as,
                  const char *text)
{
    if (in->pending_count == in->pending_capacity) {
        in->pending_capacity = in->pending_capacity ? in->pending_capacity * 2 : 16;
        in->pending = realloc(in->pending, in->pending_capacity * sizeof *in->pending);
        if (!in->pending)
            abort();
    }
    struct pending *pending = &in->pending[in->pending_count++];
    *pending = (struct pending){.peer = (int)peer, .verb = verb, .refused_as = refused_as};
    snprintf(pending->text, sizeof pending->text, "%s", text);
}

/* True: it is durable as it is now. */
static bool store(struct model *self, struct cursor *cursor)
{
    uint64_t failed = self->totals.failed;
    if (!model_append_begin(self))
        return false;
    cursor->dirty = true;
    model_commit(self);
    return self->totals.failed == failed;
}

/* ---- joining ---- */

static void joined_tell(struct model *self, uint32_t reader, uint32_t peer, uint64_t lag)
{
    const struct model_inside *in = self->inside;
    const struct place *place = &in->cursors[reader].now;
    bool group = reader >= MODEL_CURSORS;
    struct answer *said = model_answer(self, peer, "JOND");
    if (said)
        snprintf(said->text, sizeof said->text,
                 "name=%s kind=%s generation=%" PRIu64 " position=%" PRIu64 " head=%" PRIu64
                 " first=%" PRIu64 " lag=%" PRIu64,
                 model_readers[reader], group ? "group" : "cursor", place->generation,
                 group ? groups_floor(place) : place->position, in->head, in->first, lag);
}

/* Whoever is in it is told where it stands; a cursor's reader is delivered from there. */
static void begin(struct model *self, uint32_t reader)
{
    struct model_inside *in = self->inside;
    struct cursor *cursor = &in->cursors[reader];
    for (uint32_t peer = 0; peer < MODEL_PEERS; peer++)
        if (in->sessions[peer].group == (int)reader)
            joined_tell(self, reader, peer, UINT64_MAX);
    if (cursor->reader == NOBODY)
        return;
    struct session *session = &in->sessions[cursor->reader];
    const struct ask as = {
        .lanes = cursor->now.lanes, .records = session->join_records, .bytes = session->join_bytes};
    model_subscribe(in, session, &as, cursor->now.position);
    joined_tell(self, reader, (uint32_t)cursor->reader, model_lag(in, session));
}

/* What is wrong with how it is asked for; 0: nothing. `*position`: where a new one begins. */
static uint32_t join_faults(const struct model_inside *in, const struct ask *ask,
                            uint64_t *position)
{
    const struct cursor *cursor = &in->cursors[ask->reader];
    bool given = ask->flaw != FLAW_NO_INPUTS;
    if (ask->flaw == FLAW_NAME || ask->flaw == FLAW_KIND || (!given && !cursor->now.made))
        return TAG(BAD_FRAME);
    if (ask->flaw && ask->flaw <= FLAW_SHAPE)
        return model_lanes_tags[ask->flaw];
    if (cursor->now.made)
        return given && cursor->now.lanes != ask->lanes ? TAG(READER_DIFFERS) : 0;
    *position = ask->start == 0 ? in->first : ask->start == 1 ? in->head : ask->from;
    if (*position > in->head)
        return TAG(BAD_FRAME);
    return *position < in->first ? TAG(TRIMMED) : 0;
}

/* Whoever reads it now is told and gone, or the asker is refused. */
static bool free_up(struct model *self, struct cursor *cursor, const struct ask *ask)
{
    struct model_inside *in = self->inside;
    if (cursor->reader == NOBODY || cursor->reader == (int)ask->peer)
        return true;
    uint32_t holder = (uint32_t)cursor->reader;
    const struct session *old = &in->sessions[holder], *session = &in->sessions[ask->peer];
    bool same = strcmp(old->actor, session->actor) == 0 &&
                strcmp(old->incarnation, session->incarnation) == 0;
    if (!same && !ask->take && self->now_us - old->seen_us <= MODEL_LEASE_US) {
        model_refuse(self, ask->peer, TAG(BUSY), "JOIN", NULL);
        return false;
    }
    readers_leave(in, holder);
    (void)model_answer(self, holder, "LOST");
    return true;
}

void readers_say_join(struct model *self, const struct ask *ask)
{
    struct model_inside *in = self->inside;
    struct cursor *cursor = &in->cursors[ask->reader];
    struct session *session = &in->sessions[ask->peer];
    uint64_t position = 0;
    if (in->appending)
        model_commit(self);
    uint32_t faults = join_faults(in, ask, &position);
    bool made = !cursor->now.made, group = ask->reader >= MODEL_CURSORS;
    uint64_t floor = group ? groups_floor(&cursor->now) : cursor->now.position;
    if (!faults && !made && floor < in->first && in->first > 1)
        faults = TAG(TRIMMED);
    if (faults) {
        model_refuse(self, ask->peer, faults, "JOIN", NULL);
        return;
    }
    if (!made && !free_up(self, cursor, ask))
        return;
    readers_leave(in, ask->peer);
    memset(&session->sub, 0, sizeof session->sub);
    if (made)
        cursor->now = (struct place){.made = true, .lanes = ask->lanes, .position = position};
    cursor->now.generation += made || !group;
    if ((made || !group) && !store(self, cursor)) {
        if (made)
            *cursor = (struct cursor){.reader = NOBODY, .last_lease = cursor->last_lease};
        model_refuse(self, ask->peer, TAG(DISK_FULL), "JOIN", NULL);
        return;
    }
    session->join_records = ask->records;
    session->join_bytes = ask->bytes;
    self->totals.joined++;
    if (group) {
        session->group = (int)ask->reader;
        joined_tell(self, ask->reader, ask->peer, UINT64_MAX);
    } else {
        cursor->reader = (int)ask->peer;
        begin(self, ask->reader);
    }
}

/* ---- its place ---- */

void readers_say_done(struct model *self, const struct ask *ask)
{
    struct model_inside *in = self->inside;
    struct cursor *cursor = &in->cursors[ask->reader];
    uint64_t now = cursor->staged ? cursor->staged : cursor->now.position;
    uint32_t faults = cursor->reader != (int)ask->peer               ? TAG(NOT_JOINED)
                      : ask->generation != cursor->now.generation    ? TAG(STALE_GENERATION)
                      : ask->from > in->told_head                    ? TAG(BAD_FRAME)
                      : ask->from > now && !model_append_begin(self) ? TAG(DISK_FULL)
                                                                     : 0;
    if (faults) {
        model_refuse(self, ask->peer, faults, "DONE", NULL);
        return;
    }
    if (ask->from > now) {
        cursor->staged = now = ask->from;
        cursor->dirty = true;
    }
    char text[200];
    snprintf(text, sizeof text, "name=%s generation=%" PRIu64 " position=%" PRIu64,
             model_readers[ask->reader], cursor->now.generation, now);
    readers_pend(in, ask->peer, "DOND", "DONE", text);
    self->totals.done++;
}

static void control_said(struct model *self, const char *error, uint64_t generation)
{
    struct answer *said = answers_add(&self->expected, MODEL_PEERS, "CTRL");
    snprintf(said->text, sizeof said->text, "%s %" PRIu64, error, generation);
}

/* Control is about a reader: what is on its way is committed first. NULL: there is none of that name, which was said. */
static struct cursor *control_begin(struct model *self, uint32_t reader)
{
    struct cursor *cursor = &self->inside->cursors[reader];
    self->inside->clock_us = self->now_us;
    if (!cursor->now.made) {
        control_said(self, "unknown-reader", 0);
        return NULL;
    }
    if (self->inside->appending)
        model_commit(self);
    return cursor;
}

void model_rewind(struct model *self, uint32_t reader, int64_t back)
{
    const struct model_inside *in = self->inside;
    struct cursor *cursor = control_begin(self, reader);
    if (!cursor)
        return;
    int64_t to = (int64_t)in->told_head - back;
    uint64_t position = to < 1 ? 1 : (uint64_t)to;
    if (position < in->first || position > in->head) {
        control_said(self, position < in->first ? "trimmed" : "beyond-head", 0);
        return;
    }
    struct cursor before = *cursor;
    cursor->now.position = position;
    cursor->now.count = 0;
    cursor->now.generation++;
    if (!store(self, cursor)) {
        before.now.generation = cursor->now.generation;
        *cursor = before;
        control_said(self, "disk-full", 0);
        return;
    }
    self->totals.rewound++;
    begin(self, reader);
    control_said(self, "done", cursor->now.generation);
}

void model_forget(struct model *self, uint32_t reader)
{
    struct model_inside *in = self->inside;
    struct cursor *cursor = control_begin(self, reader);
    if (!cursor)
        return;
    for (uint32_t peer = 0; peer < MODEL_PEERS; peer++)
        if (readers_of(in, peer) == (int)reader) {
            readers_leave(in, peer);
            (void)model_answer(self, peer, "LOST");
        }
    struct place place = cursor->now;
    cursor->now = (struct place){0};
    bool stored = store(self, cursor);
    if (stored)
        *cursor = (struct cursor){.reader = NOBODY, .last_lease = cursor->last_lease};
    else
        cursor->now = place;
    control_said(self, stored ? "done" : "disk-full", 0);
}
