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
    void (*lost)(void *context, const char *why);    /* the lease is gone: another epoch exists */
    void (*down)(void *context); /* connection or broker gone; the link is trying again */
    void (*up)(void *context);   /* heartbeat answered: the broker is alive */
    /* A member's: what it is to run from now on, all of it. */
    void (*assigned)(void *context, const struct tip_link_shard *shards, uint32_t count);
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

/* One question to the control socket, blocking at most `timeout_ms`: its JSON text, the caller's to free(); NULL with errno. */
TIP_API char *tip_link_control(const char *endpoint, const char *words, int timeout_ms);

#endif
