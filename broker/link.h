/* The client of the broker that every actor uses: one connection, one shard (or none, for tools).
 *
 * Single-threaded: the owner polls link_fd for POLLIN and calls link_turn; everything that happened is told through the
 * handlers, inside link_turn. The link hides reconnecting: after `down` it says HELLO again by itself and tells `welcome`; leases and
 * subscriptions do not survive and are the owner's to ask for again (a new grant = a new epoch).
 * Every promise is in broker/PROTOCOL.md. */
#ifndef BROKER_LINK_H
#define BROKER_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/clock.h"
#include "schema/message.h"

struct link;

/* A batch as it stands in the log. Name pointers live as long as the link's welcome; body until the handler returns. */
struct link_batch {
    uint64_t base; /* position of its first record */
    uint32_t count;
    const char *stream;
    uint16_t partition;
    uint32_t producer; /* the broker's number for it */
    uint64_t epoch, first_seq;
    int64_t time_us; /* league time of the append */
    int64_t due_us;  /* CLOCK_NONE unless it was published for later */
    uint32_t crc;    /* CRC-32C of the body: verified by the link */
    struct span body;
};
/* The highest sequence the broker has accepted in one lane of the producer. */
struct link_lane {
    const char *stream;
    uint16_t partition;
    uint64_t last_seq;
};
struct link_shard {
    char actor[33];
    uint16_t shard;
};
struct link_grant {
    uint64_t epoch;
    uint32_t producer;
    uint64_t cursor; /* as last reported by the shard: records before it are done; 0 = nothing */
    uint64_t head;   /* position the next record will get */
    uint64_t first;  /* the oldest position still there */
    const char *last_env; /* environment id of the last holder, "" if there was none */
    int64_t lease_us;
    const struct link_lane *lanes; /* every lane this producer ever wrote */
    uint32_t lane_count;
};
struct link_stream {
    const char *name, *writer;
    uint16_t partitions;
};

/* What is joined: a named cursor, or a work group (PROTOCOL.md §11). Zeros and NULLs are what the broker has by itself. */
enum link_kind { LINK_CURSOR, LINK_GROUP };
struct link_join {
    const char *name;
    enum link_kind kind;
    const char *const *streams; /* every partition of each; NULL-terminated. NULL: it exists */
    const char *start;          /* a new one's: "first" (or NULL), "head", "position", "time" */
    uint64_t position;          /* for "position" */
    int64_t time_us;            /* for "time": league time */
    uint32_t records, bytes;    /* most in flight, both at least 1 */
    bool take;                  /* a cursor: from whoever reads it, at once */
    int64_t lease_us;           /* a new group: a record is given back after; 0: the broker's */
    uint32_t attempts, open;    /* a new group: dead after; most above the floor; 0: the broker's */
};
struct link_joined {
    const char *name;
    uint64_t generation;
    uint64_t position; /* everything below is done */
    uint64_t head, first;
    int64_t lease_us;
};
/* Records of a group that are this member's under `lease`; of the batch only these. */
struct link_item {
    uint64_t lease, position;
    uint32_t count;
};
struct link_work {
    struct link_batch batch;
    struct link_item item;
    uint32_t first;    /* index in the batch of the item's first record */
    uint32_t attempts; /* times they were handed out, this one counted */
};
enum link_does { LINK_ACK, LINK_NACK, LINK_EXTEND };
struct link_settle {
    enum link_does does;
    const struct link_item *items;
    uint32_t count;
    int64_t delay_us;   /* nack: not before; 0: at once */
    const char *reason; /* nack: for the dead letter, if it comes to that; NULL: none */
    uint64_t serial;    /* repeated in the answer */
};
struct link_settled {
    enum link_does does;
    uint64_t serial, records;
    const struct link_item *expired; /* of those asked for: their lease had ended, they were not */
    uint32_t expired_count;
};

struct link_handlers { /* all optional */
    void (*welcome)(void *context, const struct link_stream *streams, uint32_t count);
    void (*granted)(void *context, const struct link_grant *grant);
    /* Someone else holds it: `holder` is told to people; asked again by the link itself after retry_us. */
    void (*waiting)(void *context, const char *holder, int64_t retry_us);
    void (*acked)(void *context, const char *stream, uint16_t partition, uint64_t last_seq);
    /* A request was refused: `tag` is stable (PROTOCOL.md §Errors), e.g. "stale-epoch", "seq-conflict". For publishes
     * stream, partition and first_seq say which batch; else stream is "". */
    void (*refused)(void *context, const char *tag, const char *text, const char *stream,
                    uint16_t partition, uint64_t first_seq);
    void (*batch)(void *context, const struct link_batch *batch);
    void (*own)(void *context,
                const struct link_batch *batch); /* answer to link_own; NULL batch = no more now */
    /* The lease is gone, another epoch exists; or the cursor or group was left: to be asked for again. */
    void (*lost)(void *context, const char *why);
    void (*down)(void *context); /* connection or broker gone; the link is trying again */
    void (*up)(void *context);   /* heartbeat answered: the broker is alive */
    /* A member's: what it is to run from now on, all of it. */
    void (*assigned)(void *context, const struct link_shard *shards, uint32_t count);
    /* link_join's answer, and each rewind's: what comes from here on is of this place; leases of records before it are void. */
    void (*joined)(void *context, const struct link_joined *joined);
    void (*done)(void *context, uint64_t position); /* a cursor's: below it all is done, durably */
    void (*work)(void *context, const struct link_work *work);
    void (*settled)(void *context, const struct link_settled *settled);
};
struct link_options {
    const char *endpoint;                   /* "ipc:///..." */
    const char *actor, *host, *incarnation; /* incarnation: unique per start of a process */
    const char *code_version, *config_hash;
    struct link_handlers handlers;
    void *context;
};
struct link_input {
    const char *stream;
    bool every_partition;
};
/* One batch to publish; copied before link_publish returns. */
struct link_out {
    const char *stream;
    uint16_t partition;
    uint32_t count;
    uint64_t first_seq;
    int64_t due_us; /* CLOCK_NONE: now */
    struct span body;
};

struct link *link_open(const struct link_options *options); /* NULL with errno */
void link_close(struct link **self);                        /* says BYE, waits at most 200 ms */
int link_fd(const struct link *self);
/* Call link_turn after so long even if the fd is quiet. To be asked right before waiting: what was sent since the last turn may
 * have used up what the fd had to say. */
int64_t link_timeout_us(const struct link *self);
void link_turn(struct link *self);
bool link_connected(const struct link *self); /* welcomed */
/* Records this subscription has yet to take, as of the broker's last heartbeat answer since it was made; UINT64_MAX: not heard yet. 0 =
 * caught up. link_beat asks at once. */
uint64_t link_lag(const struct link *self);
void link_beat(struct link *self);
/* When link_lag is 0: everything of the subscription below this position was delivered and taken. */
uint64_t link_passed(const struct link *self);
/* Heartbeats said on this connection that the broker has not answered yet. */
uint32_t link_unanswered(const struct link *self);

/* Asks for the lease of (actor, shard) and goes on asking until granted, also after the connection or the broker was lost. While one
 * ask is unanswered another of the same changes nothing; nothing is published until the answer. */
void link_lease(struct link *self, uint16_t shard, uint16_t shards, const char *env_id);
/* Needs a welcome. What an earlier subscription still has on its way is not told any more. Merged, in log order, from position `from`; with credit kept topped up as batches are taken. `credit_*` bound what is in flight. */
void link_subscribe(struct link *self, const struct link_input *inputs, uint32_t count,
                    uint64_t from, uint32_t credit_records, uint32_t credit_bytes);
void link_unsubscribe(struct link *self);
/* Says that `records`/`bytes` delivered earlier are done with: gives that credit back (never more than this subscription
 * delivered), within 5 ms, at once if it is a quarter of what was asked for. */
void link_taken(struct link *self, uint32_t records, uint64_t bytes);
/* In order; needs a grant. false if the socket will take no more now (retry all of it after link_turn: what was sent is a
 * repeat then). A body above the broker's limit is told through `refused` (too-large), with what stands before it sent. */
bool link_publish(struct link *self, const struct link_out *batches, uint32_t count);
/* Reads what this producer itself has in the log in one lane, from sequence `from_seq`. Answers through `own`. */
void link_own(struct link *self, const char *stream, uint16_t partition, uint64_t from_seq,
              uint32_t records_max);
/* What the next heartbeat says: state ("starting", "recovering", "ready", "draining", "halted"), committed cursor (next position to
 * take), lag in records, restarts; and sends one now if `state` changed. */
void link_state(struct link *self, const char *state, const char *cause, uint64_t cursor,
                uint64_t steps);

/* What the next heartbeats say beside it; counts since the process began. */
struct link_progress {
    uint64_t taken, done, never, later;
    uint64_t outbox; /* records committed and not acknowledged */
    uint64_t keep;   /* oldest position needed to make the state again; 0: the cursor is all */
};
void link_progress(struct link *self, const struct link_progress *progress);

/* This session speaks for the member that options.host names: it can run `actor`, of `shards` shards in all, and at most `capacity` of
 * all its shards (0: any number). Said again with each connection; answers come through `assigned`. */
void link_member(struct link *self, const char *actor, uint16_t shards, uint32_t capacity);

/* Becomes the reader of a cursor or a member of a group, copied; leaves what was subscribed to or joined. Said again with each connection, and
 * after a while if refused with busy, disk-full or too-many (told each time); other refusals are the owner's to mend. A cursor's batches come
 * through `batch`, with link_taken for credit; a group's records through `work`. link_unsubscribe leaves. -1 with errno EINVAL (name, or sizes
 * out of range) or ENOMEM. */
int link_join(struct link *self, const struct link_join *join);
/* A cursor's: everything below `position` is done. The answer is `done`, once that is durable. False, with nothing said, if the cursor is not joined
 * now: it will be delivered again. */
bool link_done(struct link *self, uint64_t position);
/* A group's: answered by `settled`, for ack and nack once that is durable. False, with nothing said, if the group is not joined now (the records were
 * given back by that) or something is out of range. */
bool link_settle(struct link *self, const struct link_settle *what);

/* One question to the control socket, blocking at most `timeout_ms` (not at all if there is no such socket). malloc'ed JSON text, or NULL with errno. */
char *link_control(const char *endpoint, const char *words, int timeout_ms);

#endif
