/* The broker's decisions: sessions, leases, producers, lanes, subscriptions and credit, as a pure state machine.
 * No sockets, files or clock in here: `now_us` is handed in (monotonic), what must be durable is read from the dirty
 * lists by whoever appends, and nothing counts until core_commit; core_rollback takes back everything since the last commit.
 * PROTOCOL.md §4-6 is what it implements. */
#ifndef BROKER_CORE_H
#define BROKER_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/protocol.h"
#include "schema/registry.h"

#define CORE_PEER_MAX 255 /* bytes of a ZeroMQ routing id */
#define CORE_NONE UINT64_MAX

/* This life of the broker. */
struct core_traffic {
    uint64_t batches, records, bytes;
};

struct core_stream {
    uint16_t id;
    char name[STREAM_NAME_MAX + 1], writer[STREAM_NAME_MAX + 1];
    uint16_t partitions;
    uint32_t retention_days;
    int64_t
        retention_age_us; /* as of the registry: a record older than that has expired; 0: none does */
    uint64_t retention_bytes; /* ... or one with so much behind it */
    bool retention_latest;    /* ... or one whose key has a newer one */
    uint64_t whole_from;      /* retention has removed nothing from there on */
    bool retired;             /* in the log, not in the registry any more: readable, not writable */
    bool dirty;
    uint64_t records, bytes, first, last; /* since the log began; positions 0 = none */
    uint64_t *per_partition;              /* records appended so far, by partition */
    char message[STREAM_NAME_MAX + 1]; /* what its records are, as the registry says; "": unsaid */
    uint64_t version;                  /* ... and which version of it */
    struct core_traffic appended, delivered;
    uint64_t duplicates; /* batches that were there already */
};

struct core_lane {
    uint16_t stream, partition;
    uint64_t last_seq, committed_seq; /* the second is what a rollback returns to */
    bool dirty, acked;                /* acked: owes an acknowledgement */
};

struct core_session;
struct core_member; /* members.h */

struct core_producer {
    uint32_t id;
    char actor[33];
    uint16_t shard, shards;
    uint64_t epoch, committed_epoch;
    /* env: of the holder; used_env: the newest that was worked on (published under, or reported ready), so that one which
     * was leased and died before it did anything does not pass for the one that holds the state; last_env: used_env as of
     * the lease, which the holder is told. */
    char env[121], committed_env[121], used_env[121], last_env[121], host[65], incarnation[64];
    bool used;   /* by this holder */
    bool untold; /* granted, the holder not told yet */
    uint64_t pid;
    char code_version[49], config_hash[17];
    uint64_t cursor, stored_cursor, steps;
    uint64_t keep, stored_keep; /* no trimming beyond, if not 0 */
    uint64_t passed; /* forced retention took what it had not read, up to there; 0: nothing */
    char state[17], cause[121];
    uint32_t grants;             /* this life of the broker */
    int64_t expires_us;          /* monotonic; INT64_MIN: released */
    struct core_session *holder; /* NULL: not connected (the lease may still run) */
    struct core_lane *lanes;
    uint32_t lane_count, lane_capacity, last_lane;
    bool dirty;
    struct core_traffic published, delivered;
    uint64_t duplicates, acks; /* batches; lanes acknowledged */
    uint64_t refused[REFUSAL_COUNT];
    struct { /* by its last beat; UINT64_MAX: not said */
        uint64_t taken, done, never, later, outbox;
    } told;
    char said_state[17]; /* on the tap */
};

struct core_sub_lane {
    uint16_t stream, partition;
    uint64_t next;   /* base of the next batch to deliver, CORE_NONE if there is none yet */
    uint64_t passed; /* records of the lane not to be delivered any more */
};
struct core_sub {
    bool live;
    uint64_t from; /* positions below are not wanted */
    struct core_sub_lane *lanes;
    uint32_t lane_count;
    uint64_t flying_records, flying_bytes, most_records, most_bytes;
    uint64_t
        share_bytes; /* of what the broker lets be in flight over all; 0: as much as was asked for */
    uint64_t served; /* the turn in which it was last given what is old */
    /* Messages that may be in flight: credit counts records, so those sent up to a mark are gone when its records are taken. */
    uint64_t sent_records, mark_records;
    uint32_t messages_before, messages_since; /* the mark */
};

struct core_session {
    uint8_t peer[CORE_PEER_MAX];
    size_t peer_size;
    bool welcomed;
    bool gone;   /* could not be sent to: dropped at the end of the turn */
    bool staged; /* took part in the append being built */
    char actor[33], host[65], incarnation[64], code_version[49], config_hash[17];
    uint64_t pid;
    int64_t seen_us;                /* monotonic */
    struct core_producer *producer; /* leased by it */
    struct core_member *member;     /* it runs shards as it is told; NULL: it is none */
    struct core_sub sub;
    uint32_t refused_tags; /* bit per tag already logged */
    struct reader *reader; /* the named cursor or group it is of (server_group.c); NULL: none */
    struct core_session *next;
};

struct core_options {
    int64_t lease_us;
    uint32_t sessions_max;
    uint32_t max_batch_bytes;
    uint64_t later_max;
    /* What a lane of a producer holds at a sequence, for repeats, the append being built counted: true and count, CRC and
     * first_seq; false = not there any more. */
    bool (*lookup)(void *context, uint32_t producer, uint16_t stream, uint16_t partition,
                   uint64_t seq, uint64_t *first_seq, uint32_t *count, uint32_t *crc);
    void (*dropped)(void *context, struct core_session *session); /* one with a reader */
    void *context;
};

struct core {
    struct core_options options;
    struct core_stream streams[REGISTRY_STREAMS_MAX + 1]; /* by id, from 1 */
    uint32_t stream_count;                                /* highest id */
    struct core_producer **producers;                     /* by id - 1 */
    uint32_t producer_count, producer_capacity;
    struct core_session *sessions;
    uint32_t session_count;
    uint64_t later_count, later_committed;
    uint64_t refused[REFUSAL_COUNT];
};

struct core *core_new(const struct core_options *options);
void core_free(struct core **self);

/* Streams: ids are given once and for ever. NULL if there are too many. */
struct core_stream *core_stream_add(struct core *self, const char *name);
struct core_stream *core_stream_by_name(struct core *self, const char *name);
struct core_stream *core_stream_by_id(struct core *self, uint32_t id);

/* Producers as the log remembers them. */
struct core_producer *core_producer_get(struct core *self, const char *actor,
                                        uint16_t shard); /* made if new */
struct core_producer *core_producer_by_id(struct core *self, uint32_t id);
struct core_lane *core_lane_get(struct core *self, struct core_producer *producer, uint16_t stream,
                                uint16_t partition);

/* Sessions. NULL: too many, none of them silent for long. */
struct core_session *core_session_get(struct core *self, const uint8_t *peer, size_t size,
                                      int64_t now_us);
void core_session_drop(struct core *self, struct core_session *session, bool release);
void core_sessions_sweep(struct core *self); /* drops the gone */
void core_sessions_expire(struct core *self, int64_t now_us, int64_t silence_us);
/* Counts it; true the first time this session is refused with this tag (the caller logs it then). */
bool core_refused(struct core *self, struct core_session *session, enum refusal refusal);

/* L1-L2. True: granted (producer dirty, to be made durable before anyone is told), `*old` is the session that lost it, or NULL.
 * False: `*retry_us`, `holder` say how long and for whom to wait. */
bool core_lease(struct core *self, struct core_session *session, const struct msg_leas *ask,
                int64_t now_us, struct core_session **old, int64_t *retry_us, char holder[160]);
void core_beat(struct core *self, struct core_session *session, const struct msg_beat *beat,
               int64_t now_us);

/* B3-B4: what to do with one descriptor. REFUSAL_NONE: `*duplicate` says whether it is to be appended. */
enum refusal core_publish(struct core *self, struct core_session *session, uint32_t producer,
                          uint64_t epoch, const struct batch_desc *desc, bool *duplicate);
/* The append happened (all since the last commit), or did not. */
void core_commit(struct core *self);
void core_rollback(struct core *self);

/* ---- subscriptions ---- */
/* Replaces the session's. Lanes are copied; each `next` is filled by the caller through core_sub_set. -1: no memory. */
int core_subscribe(struct core_session *session, const struct core_sub_lane *lanes, uint32_t count,
                   uint64_t from, uint64_t records, uint64_t bytes);
void core_unsubscribe(struct core_session *session);
/* The lane whose batch comes next in log order, if credit allows one more of unknown size; NULL otherwise. */
struct core_sub_lane *core_sub_next(struct core_session *session);
bool core_sub_admits(const struct core_sub *sub, uint32_t records,
                     uint64_t bytes); /* one batch is always allowed */
void core_sub_delivered(struct core_sub *sub, struct core_sub_lane *lane, uint32_t records,
                        uint64_t bytes, uint64_t next);
/* What was delivered since the last went out as one message: of those, too, only so many are in flight. */
void core_sub_sent(struct core_sub *sub);
/* The lane's next batch is not delivered: it was set aside. */
void core_sub_skipped(struct core_sub *sub, struct core_sub_lane *lane, uint32_t records,
                      uint64_t next);
void core_credit(struct core_session *session, uint32_t records, uint32_t bytes);
/* Tells every subscription of a new batch at the head. True: none waits for more of this lane, for as long as none was
 * delivered it. */
bool core_appended(struct core *self, uint16_t stream, uint16_t partition, uint64_t base,
                   uint32_t count);
/* Records the shard has yet to take, in flight ones included. */
uint64_t core_sub_lag(const struct core *self, const struct core_session *session);

#endif
