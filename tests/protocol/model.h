/* What broker/PROTOCOL.md promises, as a program: maps and lists, nothing shared with the broker. It is told what the peers say
 * and what happens to the broker, and predicts every answer. Where the page leaves the choice (which of two faults of one batch is
 * named), so does the model: an expected refusal is a set of tags. */
#ifndef TESTS_PROTOCOL_MODEL_H
#define TESTS_PROTOCOL_MODEL_H

#include "broker/protocol.h"
#include "tests/protocol/script.h"

enum {
    MODEL_PEERS = 6,
    MODEL_SESSIONS_MAX = 4,
    MODEL_STREAMS = 3,
    MODEL_LANES = 5,
    MODEL_CURSORS = 3,
    MODEL_READERS = 5, /* the rest are groups */
    MODEL_ATTEMPTS = 3,
    MODEL_OPEN = 40,
    MODEL_ITEMS = 3,
    MODEL_BATCH_BYTES = 400,
    MODEL_LATER_MAX = 6,
    MODEL_LEASE_US = 10000000,
    MODEL_HEARTBEAT_US = 1000000,
    MODEL_WORK_US = 4000000,
    MODEL_FULL_PAUSE_US = 500000
};
struct model_stream {
    const char *name, *writer;
    uint16_t partitions;
};
extern const struct model_stream model_streams[MODEL_STREAMS]; /* ids from 1 */
extern const char *const model_readers[MODEL_READERS];

/* What one peer says, spelled out. */
struct ask_batch {
    struct batch_desc desc;
    bool crc_good, count_good;
    uint32_t stamp, extra; /* the body, made again at will: ask_body */
};
struct ask {
    enum script_verb verb;
    uint32_t peer;
    const char *actor, *incarnation, *env, *state;
    uint64_t protocol, shard, from, records, bytes, cursor, epoch, from_seq;
    uint32_t lanes, flaw, kind, producer, batch_count;
    uint32_t reader, start; /* of JOIN, DONE: which cursor, where it begins */
    uint64_t generation;
    bool take;
    int64_t delay_us; /* of SETL, as what follows */
    uint32_t does, item_count;
    struct ask_item {
        uint64_t lease, position, count;
    } items[MODEL_ITEMS];
    struct ask_batch batches[SCRIPT_BATCHES];
};
/* A body of `count` records by its head; `extra` bytes of filling. Returns its size; at most MODEL_BATCH_BYTES + 128. */
uint32_t ask_body(const struct ask_batch *batch, uint8_t *out);

/* One answer, written down so that two of them can be compared. */
struct answer {
    uint32_t peer;
    char verb[5];
    uint32_t tags;     /* of a REFU: a bit each */
    uint64_t loose_by; /* the number at its end may be less by so much */
    char text[240];
};
struct answers {
    struct answer *items;
    uint32_t count, capacity;
};
struct answer *answers_add(struct answers *self, uint32_t peer, const char *verb);
void answer_batch(struct answer *answer, const struct batch_header *header);

/* One lane of an ACKD: owed, or said. */
struct ack {
    uint32_t peer, producer;
    uint64_t epoch, last;
    uint16_t stream, partition;
};
struct acks {
    struct ack *items;
    uint32_t count, capacity;
};
void acks_add(struct acks *self, const struct ack *ack);

/* Records handed out to a member, as the broker says (or would have, to one that cannot be reached). */
struct work {
    uint32_t peer;
    bool heard;
    struct batch_header header;
    uint64_t lease, position;
    uint32_t count, attempts;
};
struct works {
    struct work *items;
    uint32_t count, capacity;
};
void works_add(struct works *self, const struct work *work);

struct model_totals {
    uint64_t worked, settled, expired, dead, joined, done, rewound, accepted, repeats, delivered,
        acked, grants, refused[REFUSAL_COUNT], failed, crashes, fired;
};
struct model {
    struct answers expected; /* of the step in hand */
    struct acks owed;
    bool committed; /* in this step: what is owed is due */
    struct model_totals totals;
    int64_t now_us;
    struct model_inside *inside;
};
void model_open(struct model *self, int64_t now_us);
void model_close(struct model *self);
/* What a step means now. */
void model_spell(struct model *self, const struct script_step *step, struct ask *ask);
void model_say(struct model *self, const struct ask *ask);
void model_turn(struct model *self, bool second, bool muted);
void model_deaf(struct model *self, uint32_t peer, bool deaf);
/* What lies below `position` may be dropped: commits what is on its way. Then the log begins at `first`, as it says itself. */
void model_trim(struct model *self);
void model_trimmed(struct model *self, uint64_t first);
void model_full(struct model *self, bool append); /* the next commit fails; or the next batch put */
void model_set(struct model *self, int64_t by_us, bool stand); /* the league clock: from here on */
void model_crash(struct model *self);
/* Is that so, as of what is durable? */
bool model_ack_holds(const struct model *self, const struct ack *ack);
uint64_t model_head(const struct model *self);
uint64_t model_first(const struct model *self);
/* For whoever makes steps up: what the peer could do. */
bool model_welcomed(const struct model *self, uint32_t peer);
bool model_leased(const struct model *self, uint32_t peer);
bool model_hears(const struct model *self, uint32_t peer);
bool model_subscribed(const struct model *self, uint32_t peer);
int model_reads(const struct model *self, uint32_t peer); /* which cursor; -1: none */
/* What control says: its answer is expected of peer MODEL_PEERS. */
void model_rewind(struct model *self, uint32_t reader, int64_t back);
void model_forget(struct model *self, uint32_t reader);
/* Which record goes to which member is the broker's to choose: takes note of what it chose. NULL, or what is wrong with it. */
const char *model_work(struct model *self, const struct work *work);
void model_worked(struct model *self); /* that was all of it: who could not be reached is gone */
/* After a turn: NULL, or that somebody waits although there is work. */
const char *model_idle(const struct model *self);
/* What a group may still need. */
uint64_t model_needed(const struct model *self);

#endif
