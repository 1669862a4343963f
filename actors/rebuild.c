/* Re-execution: a shard that lost its environment does its work again, from the log's beginning. What it emits is compared, record
 * by record, with what the log holds of it, and not sent, until it has caught up with itself. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/kit.h"
#include "config/exit.h"
#include "config/log.h"
#include "schema/record.h"

#define ASK_RECORDS 4096

/* ---- what the log holds ---- */

static struct own_lane *lane_of(struct kit *self, const char *stream, uint16_t partition)
{
    for (uint32_t i = 0; i < self->own_count; i++)
        if (self->own[i].partition == partition && strcmp(self->own[i].stream, stream) == 0)
            return &self->own[i];
    return NULL;
}

int rebuild_lane(struct kit *self, const char *stream, uint16_t partition, uint64_t last)
{
    struct own_lane *grown = realloc(self->own, (self->own_count + 1) * sizeof *grown);
    if (!grown)
        return -1;
    self->own = grown;
    struct own_lane *lane = &grown[self->own_count++];
    memset(lane, 0, sizeof *lane);
    snprintf(lane->stream, sizeof lane->stream, "%s", stream);
    lane->partition = partition;
    lane->last = last;
    return shard_known(self->shard, stream, partition, last);
}

void rebuild_forget(struct kit *self)
{
    for (uint32_t i = 0; i < self->own_count; i++)
        while (self->own[i].head) {
            struct own_batch *next = self->own[i].head->next;
            free(self->own[i].head);
            self->own[i].head = next;
        }
    free(self->own);
    self->own = NULL;
    self->own_count = 0;
    self->asked = NULL;
    free(self->refused);
    self->refused = NULL;
    self->refused_count = 0;
    self->refused_known = false;
}

void rebuild_own(struct kit *self, const struct link_batch *batch)
{
    if (!batch || !self->asked) {
        self->asked = NULL;
        return;
    }
    struct own_lane *lane = self->asked;
    struct own_batch *own = malloc(sizeof *own + batch->body.size);
    if (!own)
        return; /* then the lane ends early, and that is said */
    *own = (struct own_batch){.base = batch->base,
                              .first_seq = batch->first_seq,
                              .count = batch->count,
                              .size = batch->body.size,
                              .due_us = batch->due_us};
    memcpy(own->body, batch->body.data, batch->body.size);
    if (lane->tail)
        lane->tail->next = own;
    else
        lane->head = own;
    lane->tail = own;
}

static void batch_drop(struct own_lane *lane)
{
    struct own_batch *done = lane->head;
    lane->head = done->next;
    if (!lane->head)
        lane->tail = NULL;
    lane->at = 0;
    lane->byte = 0;
    free(done);
}

/* Waits for the log's answer. False: the lease or the process is ending. */
static bool ask(struct kit *self, struct own_lane *lane, uint64_t seq)
{
    bool holds = true;
    self->asked = lane;
    link_own(self->link, lane->stream, lane->partition, seq, ASK_RECORDS);
    while (holds && self->asked)
        holds = kit_pump(self);
    self->asked = NULL;
    return holds;
}

enum found { FOUND, FOUND_NOT, FOUND_REMOVED, FOUND_ENDING };

/* The record of sequence `seq`; the lane is read in order. */
static enum found own_record(struct kit *self, struct own_lane *lane, uint64_t seq,
                             struct record *record)
{
    const char *rule;
    while (lane->head && lane->head->first_seq + lane->head->count <= seq)
        batch_drop(lane);
    if (!lane->head && !ask(self, lane, seq))
        return FOUND_ENDING;
    struct own_batch *batch = lane->head;
    if (!batch || batch->first_seq > seq)
        return FOUND_REMOVED; /* by trimming or retention: a lane has no other gaps, which `verify` looks after */
    struct batch_reader reader;
    if (batch_open(&reader, batch->body, batch->size, batch->count, &rule) != 0)
        return FOUND_NOT;
    if (lane->at > 0) {
        reader.in.at = lane->byte;
        reader.left = batch->count - lane->at;
    }
    do {
        if (batch_next(&reader, record, &rule) != 1)
            return FOUND_NOT;
        lane->at++;
        lane->byte = reader.in.at;
    } while (batch->first_seq + lane->at - 1 < seq);
    return FOUND;
}

/* ---- what was refused, and is again ---- */

/* What it was refused for may have been the machine's, or the configuration's of then: the letters know it, the input does not. A letter's
 * first parent is what its reader had in hand. */
static bool refused_add(struct kit *self, const struct record *letter)
{
    if (letter->parent_count == 0)
        return true;
    if ((self->refused_count & (self->refused_count + 1)) == 0) { /* full at 2^n - 1 */
        uint64_t *grown =
            realloc(self->refused, (2 * (size_t)self->refused_count + 1) * sizeof *grown);
        if (!grown)
            return false;
        self->refused = grown;
    }
    self->refused[self->refused_count++] = letter->parents[0];
    return true;
}

static int compare_positions(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The letters of one lane, as far as the log holds them and they can be read. */
static bool letters_read(struct kit *self, const struct shard_lane *from)
{
    static struct record letter; /* large */
    struct own_lane lane = {.partition = from->partition, .last = from->last};
    bool good = true;
    snprintf(lane.stream, sizeof lane.stream, "%s", from->stream);
    for (uint64_t seq = 1; good && seq <= from->last; seq++) {
        enum found found = own_record(self, &lane, seq, &letter);
        if (found == FOUND_REMOVED && lane.head)
            seq = lane.head->first_seq - 1; /* those before it are gone */
        else if (found == FOUND_REMOVED)
            break;
        else if (found == FOUND_ENDING)
            good = false;
        else if (found == FOUND && !refused_add(self, &letter)) {
            kit_end(self, EXIT_AGAIN); /* no memory */
            good = false;
        }
    }
    while (lane.head)
        batch_drop(&lane);
    return good;
}

bool rebuild_ready(struct kit *self)
{
    const struct snapshots *grant = &self->snapshots;
    if (self->stage != KIT_REBUILDING || self->refused_known)
        return true;
    self->refused_count = 0;
    for (uint32_t i = 0; i < grant->lane_count; i++)
        if (strcmp(grant->lanes[i].stream, "dead") == 0 && !letters_read(self, &grant->lanes[i]))
            return false;
    if (self->refused_count)
        qsort(self->refused, self->refused_count, sizeof *self->refused, compare_positions);
    self->refused_known = true;
    return true;
}

bool rebuild_refused(void *context, uint64_t position)
{
    const struct kit *self = context;
    return self->stage == KIT_REBUILDING && position < self->rebuild_until && self->refused_count &&
           bsearch(&position, self->refused, self->refused_count, sizeof *self->refused,
                   compare_positions);
}

/* ---- comparing ---- */

static bool same_bytes(const void *a, size_t a_size, const void *b, size_t b_size)
{
    return a_size == b_size && (a_size == 0 || memcmp(a, b, a_size) == 0);
}

/* What differs, or NULL. Run, code version, configuration and host are outside the comparison. */
static const char *unlike(const struct record *a, const struct record *b)
{
    if (!same_bytes(a->key, a->key_size, b->key, b->key_size))
        return "key";
    if (a->version != b->version)
        return "version";
    if (!same_bytes(a->parents, a->parent_count * sizeof *a->parents, b->parents,
                    b->parent_count * sizeof *b->parents))
        return "parents";
    return same_bytes(a->payload.data, a->payload.size, b->payload.data, b->payload.size)
               ? NULL
               : "payload";
}

static int differs(struct kit *self, const struct shard_out *out, uint64_t seq, uint64_t position,
                   const char *what)
{
    char why[240];
    snprintf(why, sizeof why,
             "lane %s/%u sequence %" PRIu64 " position %" PRIu64 ": %s: done again, it is not what "
             "the log holds",
             out->stream, out->partition, seq, position, what);
    if (shard_rewinding(self->shard)->state == SHARD_REWIND_BEGUN)
        memcpy(self->rewind_differs, why, sizeof why);
    else
        kit_halt(self, "rebuild-differs", why);
    return -1;
}

static int confirm(const struct shard_out *out, bool known, void *context)
{
    static struct record made, logged; /* large */
    struct kit *self = context;
    struct batch_reader reader;
    const char *rule;
    uint64_t seq = out->first_seq;
    if (!known)
        return 0;
    struct own_lane *lane = lane_of(self, out->stream, out->partition);
    if (!lane || batch_open(&reader, out->body.data, out->body.size, out->count, &rule) != 0)
        return differs(self, out, seq, 0, "unreadable");
    for (; batch_next(&reader, &made, &rule) == 1; seq++) {
        enum found found = own_record(self, lane, seq, &logged);
        if (found == FOUND_ENDING)
            return -1;
        if (found == FOUND_NOT)
            return differs(self, out, seq, 0, "the log has it broken");
        if (found == FOUND_REMOVED) {
            self->uncompared++;
            continue;
        }
        const char *what = unlike(&made, &logged);
        if (!what && lane->head->due_us != out->due_us)
            what = "due";
        if (what)
            return differs(self, out, seq, lane->head->base + lane->at - 1, what);
        self->compared++;
    }
    return 0;
}

bool rebuild_confirm(struct kit *self)
{
    return self->stage != KIT_REBUILDING || shard_each_out(self->shard, confirm, self) == 0;
}

/* ---- the end of it ---- */

static const struct own_lane *lane_missing(const struct kit *self, uint64_t *last)
{
    for (uint32_t i = 0; i < self->own_count; i++) {
        uint64_t acked;
        shard_lane(self->shard, self->own[i].stream, self->own[i].partition, last, &acked);
        if (*last < self->own[i].last)
            return &self->own[i];
    }
    return NULL;
}

void rebuild_turn(struct kit *self)
{
    if (self->stage != KIT_REBUILDING || !self->granted)
        return;
    uint64_t last, cursor = shard_state(self->shard)->cursor;
    bool over = shard_queued(self->shard) == 0 && link_lag(self->link) == 0;
    const struct own_lane *missing = lane_missing(self, &last);
    if (!over && (missing || cursor < self->rebuild_until))
        return;
    if (missing) {
        struct shard_out out = {.stream = missing->stream, .partition = missing->partition};
        (void)differs(self, &out, last + 1, 0, "never emitted");
        return;
    }
    shard_quiet_until(self->shard, 0);
    shard_rebuilt(self->shard);
    int error = shard_trim(self->shard);
    if (error) {
        kit_step_failed(self, error);
        return;
    }
    log_info("rebuilt", "shard=%s.%u compared=%" PRIu64 " uncompared=%" PRIu64 " cursor=%" PRIu64,
             self->actor->name, self->number, self->compared, self->uncompared, cursor);
    rebuild_forget(self);
    self->stage = KIT_WORKING;
    kit_publish(self); /* what was kept back until all was compared */
}
