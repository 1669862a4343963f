/* The model's inside, as its own files share it. */
#ifndef TESTS_PROTOCOL_MODEL_INSIDE_H
#define TESTS_PROTOCOL_MODEL_INSIDE_H

#include "tests/protocol/model.h"

enum { NOBODY = -1, ENVS = 4, PRODUCERS_MAX = 64, UNKNOWN_LANE = 5, NO_PARTITION_LANE = 6 };
#define TAG(id) (UINT32_C(1) << REFUSAL_##id)
#define SECOND_US INT64_C(1000000)
#define SLICE_BYTES (1024 * 1024)

struct batch {
    uint32_t lane, producer; /* index */
    uint64_t base;           /* 0: for later */
    uint64_t epoch, first_seq;
    uint32_t count, size, crc, stamp, extra;
    int64_t put_us, time_us, due_us; /* put: when it was said */
    bool lost; /* the append it is of is broken already: nothing of it can be compared */
};
struct list {
    uint32_t *items;
    uint32_t count, capacity;
};
struct lane {
    uint64_t last, durable_last;
    struct list
        batches; /* in order of sequence; those of an append that failed are taken off again */
};
struct lease { /* what a restart of the broker brings back */
    uint64_t epoch, cursor;
    const char *env, *used_env;
};
struct producer {
    const char *actor;
    uint64_t shard;
    struct lease now, durable;
    bool known;           /* the log knows it */
    const char *last_env; /* as told with the lease */
    bool used, untold;
    int64_t expires_us;
    int holder;      /* peer, or NOBODY */
    int told_holder; /* at the last commit */
    struct lane lanes[MODEL_LANES];
};
struct session {
    bool there, welcomed, gone, staged;
    const char *actor, *incarnation;
    int producer;
    int64_t seen_us;
    int group;                         /* that it is a member of, or NOBODY */
    uint64_t join_records, join_bytes; /* of the cursor or group that it reads */
    struct {
        bool live;
        uint32_t lanes; /* a bit each */
        uint64_t from, flying_records, flying_bytes, most_records, most_bytes;
        uint32_t at; /* in `order` */
    } sub;
};

/* A named cursor, or a group. */
enum entry_state { ENTRY_WAITS, ENTRY_OUT, ENTRY_DONE };
struct entry { /* a record of a group that was handed out, above its floor */
    uint64_t position, lease;
    uint32_t attempts;
    int member;     /* peer, or NOBODY */
    int64_t due_us; /* out: the lease ends; waiting: not before */
    int64_t staged_us;
    enum entry_state state, staged; /* staged: by the append in hand; ENTRY_OUT: nothing */
};
struct place {
    bool made;
    uint32_t lanes;
    uint64_t generation, position; /* position of a group: nothing from there on was handed out */
    struct entry entries[MODEL_OPEN];
    uint32_t count;
};
struct cursor {
    struct place now, durable;
    uint64_t last_lease;
    uint64_t staged; /* what the append in hand makes of its position; 0: nothing */
    bool dirty;      /* stored with the append in hand */
    bool stale;      /* to be stored some time: an append that would have failed */
    int reader;      /* peer, or NOBODY; not of a group */
};
struct pending { /* said after the commit */
    int peer;    /* NOBODY: it has left */
    const char *verb, *refused_as;
    char text[200];
};

struct model_inside {
    int64_t clock_us;          /* the model's now_us, when something was last said or done */
    bool unheard[MODEL_PEERS]; /* who could not be reached and was handed something in this turn */
    bool any_unheard;          /* or that was found gone in it */
    struct cursor cursors[MODEL_READERS];
    struct pending *pending;
    uint32_t pending_count, pending_capacity;
    struct batch *batches;
    uint32_t batch_count, batch_capacity, durable_batches;
    struct list order; /* batches by position */
    uint32_t durable_order;
    struct list later;
    uint64_t head, durable_head, told_head, first;
    struct producer producers[PRODUCERS_MAX];
    uint32_t producer_count;
    struct session sessions[MODEL_PEERS];
    bool deaf[MODEL_PEERS];
    struct {
        uint32_t producer;
        uint64_t epoch;
    } view[MODEL_PEERS]; /* what each was last granted */
    bool appending, full, muted;
    bool full_append, broken;        /* the next batch put finds no space; one of this append has */
    int64_t league_us, league_at_us; /* league time at that moment */
    bool standing;
    int64_t full_until_us;
    uint32_t stamp;
};

/* NULL: nobody hears it. Who cannot be sent to is gone from here on. */
struct answer *model_answer(struct model *self, uint32_t peer, const char *verb);
void model_refuse(struct model *self, uint32_t peer, uint32_t tags, const char *verb,
                  const struct batch_desc *batch);
void model_session_drop(struct model_inside *in, uint32_t peer, bool release);
bool model_append_begin(struct model *self);
void model_commit(struct model *self);
uint64_t model_lag(const struct model_inside *in, const struct session *session);
extern const uint32_t
    model_lanes_tags[FLAW_SHAPE + 1]; /* how a flaw in a list of lanes is refused */
/* Ends what the session was subscribed to, and begins anew. */
void model_subscribe(struct model_inside *in, struct session *session, const struct ask *ask,
                     uint64_t from);

/* model_readers.c: named cursors and what groups have in common with them (§11). */
int readers_of(const struct model_inside *in, uint32_t peer);
void readers_say_join(struct model *self, const struct ask *ask);
void readers_say_done(struct model *self, const struct ask *ask);
void readers_leave(struct model_inside *in, uint32_t peer); /* as of in->clock_us */
void readers_told(struct model *self);   /* a commit went well: what waits for it is said */
void readers_failed(struct model *self); /* ... or did not */
void readers_stored(struct model_inside *in);
bool readers_stale(struct model_inside *in); /* something waits to be stored */
void readers_crash(struct model_inside *in, int64_t now_us);
void readers_pend(struct model_inside *in, uint32_t peer, const char *verb, const char *refused_as,
                  const char *text);

/* model_groups.c: work groups. */
void groups_say_setl(struct model *self, const struct ask *ask);
void groups_spell_setl(struct model *self, const struct script_step *step, struct ask *ask);
uint64_t groups_floor(const struct place *group);
void groups_leave(struct cursor *group, uint32_t peer, int64_t now_us);
void groups_turn(struct model *self); /* leases end, members are silent, last attempts were had */
void groups_stored(struct cursor *group);
void groups_failed(struct cursor *group);
void groups_crash(struct cursor *group, int64_t now_us);

#endif
