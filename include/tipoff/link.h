/* The client of the broker: one connection, one shard (or none, for tools). An actor needs none of it: its loop has one.
 *
 * Single-threaded: the owner polls tip_link_fd for POLLIN and calls tip_link_turn; everything that happened is told through the handlers,
 * inside tip_link_turn. The link hides reconnecting: after `down` it says HELLO again by itself and tells `welcome`; leases and
 * subscriptions do not survive and are the owner's to ask for again (a new grant = a new epoch). Every promise is in PROTOCOL.md. */
#ifndef TIPOFF_LINK_H
#define TIPOFF_LINK_H

#include <tipoff/api.h>
#include <tipoff/message.h>

struct tip_link;

/* A batch as it stands in the log. Names are borrowed as long as the link's welcome; body until the handler returns. */
struct tip_link_batch {
    uint64_t base; /* position of its first record */
    uint32_t count;
    const char *stream;
    uint16_t partition;
    uint32_t producer; /* the broker's number for it */
    uint64_t epoch, first_seq;
    int64_t time_us;      /* time of the append */
    int64_t due_us;       /* TIP_CLOCK_NONE unless it was published for later */
    uint32_t crc;         /* CRC-32C of the body: verified by the link */
    struct tip_span body; /* see <tipoff/record.h> */
};
/* The highest sequence the broker has accepted in one lane of the producer. */
struct tip_link_lane {
    const char *stream;
    uint16_t partition;
    uint64_t last_seq;
};
struct tip_link_grant { /* borrowed until the handler returns */
    uint64_t epoch;
    uint32_t producer;
    uint64_t cursor; /* as last reported by the shard: records before it are done; 0 = nothing */
    uint64_t head;   /* position the next record will get */
    uint64_t first;  /* the oldest position still there */
    const char *last_env; /* environment id of the last holder, "" if there was none */
    int64_t lease_us;
    const struct tip_link_lane *lanes; /* every lane this producer ever wrote */
    uint32_t lane_count;
};
struct tip_link_stream {
    const char *name, *writer;
    uint16_t partitions;
};

struct tip_link_shard {
    char actor[33];
    uint16_t shard;
};

/* What is joined: a named cursor, or a work group (PROTOCOL.md §11). Zeros and NULLs are what the broker has by itself. */
enum tip_link_kind { TIP_LINK_CURSOR, TIP_LINK_GROUP };
struct tip_link_join {
    const char *name;
    enum tip_link_kind kind;
    const char *const *streams; /* every partition of each; NULL-terminated. NULL: it exists */
    const char *start;          /* a new one's: "first" (or NULL), "head", "position", "time" */
    uint64_t position;          /* for "position" */
    int64_t time_us;            /* for "time": league time */
    uint32_t records, bytes;    /* most in flight, both at least 1 */
    bool take;                  /* a cursor: from whoever reads it, at once */
    int64_t lease_us;           /* a new group: a record is given back after; 0: the broker's */
    uint32_t attempts, open;    /* a new group: dead after; most above the floor; 0: the broker's */
};
struct tip_link_joined {
    const char *name;
    uint64_t generation;
    uint64_t position; /* everything below is done */
    uint64_t head, first;
    int64_t lease_us;
};
/* Records of a group that are this member's under `lease`; of the batch only these. */
struct tip_link_item {
    uint64_t lease, position;
    uint32_t count;
};
struct tip_link_work {
    struct tip_link_batch batch;
    struct tip_link_item item;
    uint32_t first;    /* index in the batch of the item's first record */
    uint32_t attempts; /* times they were handed out, this one counted */
};
enum tip_link_does { TIP_LINK_ACK, TIP_LINK_NACK, TIP_LINK_EXTEND };
struct tip_link_settle {
    enum tip_link_does does;
    const struct tip_link_item *items;
    uint32_t count;
    int64_t delay_us;   /* nack: not before; 0: at once */
    const char *reason; /* nack: for the dead letter, if it comes to that; NULL: none */
    uint64_t serial;    /* repeated in the answer */
};
struct tip_link_settled {
    enum tip_link_does does;
    uint64_t serial, records;
    const struct tip_link_item
        *expired; /* of those asked for: their lease had ended, they were not */
    uint32_t expired_count;
};

struct tip_link_handlers { /* all optional; what they are told is borrowed until they return */
    void (*welcome)(void *context, const struct tip_link_stream *streams, uint32_t count);
    void (*granted)(void *context, const struct tip_link_grant *grant);
    /* Someone else holds it: `holder` is told to people; asked again by the link itself after retry_us. */
    void (*waiting)(void *context, const char *holder, int64_t retry_us);
    void (*acked)(void *context, const char *stream, uint16_t partition, uint64_t last_seq);
    /* A request was refused: `tag` is stable (PROTOCOL.md, Errors), e.g. "stale-epoch", "seq-conflict". For publishes stream, partition and
     * first_seq say which batch; else stream is "". */
    void (*refused)(void *context, const char *tag, const char *text, const char *stream,
                    uint16_t partition, uint64_t first_seq);
    void (*batch)(void *context, const struct tip_link_batch *batch);
    void (*own)(void *context,
                const struct tip_link_batch *batch); /* tip_link_own's; NULL batch = no more now */
    /* The lease is gone, another epoch exists; or the cursor or group was left: to be asked for again. */
    void (*lost)(void *context, const char *why);
    void (*down)(void *context); /* connection or broker gone; the link is trying again */
    void (*up)(void *context);   /* heartbeat answered: the broker is alive */
    /* A member's: what it is to run from now on, all of it. */
    void (*assigned)(void *context, const struct tip_link_shard *shards, uint32_t count);
    /* tip_link_join's answer, and each rewind's: what comes from here on is of this place; leases of records before it are void. */
    void (*joined)(void *context, const struct tip_link_joined *joined);
    void (*done)(void *context, uint64_t position); /* a cursor's: below it all is done, durably */
    void (*work)(void *context, const struct tip_link_work *work);
    void (*settled)(void *context, const struct tip_link_settled *settled);
};
struct tip_link_options {
    const char *endpoint;                   /* "ipc:///..." */
    const char *actor, *host, *incarnation; /* incarnation: unique per start of a process */
    const char *code_version, *config_hash;
    struct tip_link_handlers handlers;
    void *context;
};
struct tip_link_input {
    const char *stream;
    bool every_partition;
};
/* One batch to publish; copied before tip_link_publish returns. */
struct tip_link_out {
    const char *stream;
    uint16_t partition;
    uint32_t count;
    uint64_t first_seq;
    int64_t due_us; /* TIP_CLOCK_NONE: now */
    struct tip_span body;
};

/* Copies the options. The caller's to close; NULL with errno. Connecting goes on by itself. */
TIP_API struct tip_link *tip_link_open(const struct tip_link_options *options);
TIP_API void tip_link_close(struct tip_link **self);  /* says BYE, waits at most 200 ms */
TIP_API int tip_link_fd(const struct tip_link *self); /* the link's: not to be closed */
/* Call tip_link_turn after so long even if the fd is quiet. To be asked right before waiting: what was sent since the last turn may have
 * used up what the fd had to say. */
TIP_API int64_t tip_link_timeout_us(const struct tip_link *self);
/* Reads what came, tells the handlers. Handlers may call anything but tip_link_turn and tip_link_close. */
TIP_API void tip_link_turn(struct tip_link *self);
TIP_API bool tip_link_connected(const struct tip_link *self); /* welcomed */
/* Records this subscription has yet to take, as of the broker's last heartbeat answer since it was made; UINT64_MAX: not heard yet; 0: caught
 * up. tip_link_beat asks at once. */
TIP_API uint64_t tip_link_lag(const struct tip_link *self);
TIP_API void tip_link_beat(struct tip_link *self);
/* When tip_link_lag is 0: everything of the subscription below this position was delivered and taken. */
TIP_API uint64_t tip_link_passed(const struct tip_link *self);
/* Heartbeats said on this connection that the broker has not answered yet. */
TIP_API uint32_t tip_link_unanswered(const struct tip_link *self);

/* Asks for the lease of (actor, shard) and goes on asking until granted, also after the connection or the broker was lost. While one ask is
 * unanswered another of the same changes nothing; nothing is published until the answer. `env_id` is copied. */
TIP_API void tip_link_lease(struct tip_link *self, uint16_t shard, uint16_t shards,
                            const char *env_id);
/* Needs a welcome. Batches come merged, in log order, from position `from`; what an earlier subscription still has on its way is not told any
 * more. `credit_*` bound what is in flight; tip_link_taken gives it back. `inputs` are copied. Errors come as `refused`. */
TIP_API void tip_link_subscribe(struct tip_link *self, const struct tip_link_input *inputs,
                                uint32_t count, uint64_t from, uint32_t credit_records,
                                uint32_t credit_bytes);
TIP_API void tip_link_unsubscribe(struct tip_link *self);
/* Says that `records`/`bytes` delivered earlier are done with: gives that credit back (never more than this subscription delivered). */
TIP_API void tip_link_taken(struct tip_link *self, uint32_t records, uint64_t bytes);
/* In order; needs a grant. False if the socket will take no more now (retry all of it after tip_link_turn: what was sent is a repeat then).
 * The answer is `acked`, once it is durable, or `refused`. */
TIP_API bool tip_link_publish(struct tip_link *self, const struct tip_link_out *batches,
                              uint32_t count);
/* Reads what this producer itself has in the log in one lane, from sequence `from_seq`. Answers through `own`. */
TIP_API void tip_link_own(struct tip_link *self, const char *stream, uint16_t partition,
                          uint64_t from_seq, uint32_t records_max);
/* What the next heartbeat says: state ("starting", "recovering", "ready", "draining", "halted"), why, committed cursor (next position to
 * take), steps; sends one now if `state` changed. Copied. */
TIP_API void tip_link_state(struct tip_link *self, const char *state, const char *cause,
                            uint64_t cursor, uint64_t steps);

/* This session speaks for the member that options.host names: it can run `actor`, of `shards` shards in all, and at most `capacity` of all its
 * shards (0: any number). Copied; said again with each connection; answers come through `assigned`. */
TIP_API void tip_link_member(struct tip_link *self, const char *actor, uint16_t shards,
                             uint32_t capacity);

/* Becomes the reader of a cursor or a member of a group, copied; leaves what was subscribed to or joined. Said again with each connection, and
 * after a while if refused with busy, disk-full or too-many (told each time); other refusals are the owner's to mend. A cursor's batches come
 * through `batch`, with tip_link_taken for credit; a group's records through `work`. tip_link_unsubscribe leaves. -1 with errno EINVAL (name, or sizes
 * out of range) or ENOMEM. */
TIP_API int tip_link_join(struct tip_link *self, const struct tip_link_join *join);
/* A cursor's: everything below `position` is done. The answer is `done`, once that is durable. False, with nothing said, if the cursor is not joined
 * now: it will be delivered again. */
TIP_API bool tip_link_done(struct tip_link *self, uint64_t position);
/* A group's: answered by `settled`, for ack and nack once that is durable. False, with nothing said, if the group is not joined now (the records were
 * given back by that) or something is out of range. */
TIP_API bool tip_link_settle(struct tip_link *self, const struct tip_link_settle *what);

/* One question to the control socket, blocking at most `timeout_ms`: its JSON text, the caller's to free(); NULL with errno. */
TIP_API char *tip_link_control(const char *endpoint, const char *words, int timeout_ms);

#endif
