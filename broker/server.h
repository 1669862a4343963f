/* What the files of the broker process share: not for anyone outside it. */
#ifndef BROKER_SERVER_H
#define BROKER_SERVER_H

#include <zmq.h>

#include "broker/core.h"
#include "broker/log.h"
#include "broker/members.h"
#include "broker/retain.h"
#include "broker/wire.h"
#include "config/clock.h"
#include "config/settings.h"
#include "schema/json.h"

/* A batch staged in the append being built: what to tell the tap about after the commit. */
struct staged {
    uint64_t base;
    uint16_t stream, partition;
    uint32_t count, producer, bytes;
};

/* One of the broker's sockets and what happened to its connections: libzmq's have a monitor that says so, the router is a wire. */
#define SERVER_EVENTS 7
struct server_socket {
    const char *name;
    void *zmq, *monitor;
    int fd;       /* libzmq's, edge-triggered: of use only while the socket was not touched */
    bool touched; /* sent to, or readable, since it last had nothing to be read */
    uint64_t events[SERVER_EVENTS]; /* by server_event_name */
};

/* How often a figure fell between 2^(i-1) and 2^i - 1; [0]: it was 0. */
#define SERVER_SPREAD 32
struct server_spread {
    uint64_t count, sum, most, buckets[SERVER_SPREAD];
};

struct server {
    /* Sends one message to a peer, or closes its frames: broker.c's is the ROUTER, a test's what it likes. */
    bool (*send)(struct server *self, const struct core_session *session, zmq_msg_t *frames,
                 uint32_t count);
    const struct settings *settings;
    const struct registry *registry; /* as given; NULL: of the files */
    const char *registry_path;       /* NULL: DIR/registry.json */
    json_t *registries;              /* what became of the files in registry.d, for STATUS */
    char instance[64];
    struct core *core;
    struct log *log;
    struct members members;
    char clock_path[1024];
    void *context;
    struct server_socket router, tap, control;
    struct wire *wire; /* the router's */
    bool appending;    /* a log transaction is open */
    bool granting;     /* a lease waits for its commit to be told */
    int append_error;  /* of the transaction being built: it will be aborted as a whole */
    int64_t turn_us;   /* monotonic time of this turn */
    struct staged *staged;
    uint32_t staged_count, staged_capacity;
    uint64_t tap_subscribers, tap_drops, tap_sent, said_drops;
    uint64_t commits, appended_batches, appended_records, appended_bytes, acks;
    struct core_traffic delivered;
    struct server_spread group; /* batches in one commit */
    struct server_spread sync;  /* microseconds that one took until it was durable */
    int64_t looked_us;          /* monotonic: the monitors, states */
    uint64_t cursors_stored_us;
    int64_t started_us, roll_failed_us, full_until_us;
    int write_error; /* of the newest append, if it failed; LOG_OK again with the next that does not */
    int64_t appended_us; /* monotonic: the newest append */
    int64_t behind_us; /* since when the journal holds what the segment does not; 0: it does not */
    int64_t checkpoint_us; /* not before: the last one failed */
    int64_t tidy_us;       /* the same for files that are let go of */
    uint64_t checkpoints;
    int64_t next_later_us;     /* league time of the earliest record for later; INT64_MAX if none */
    uint64_t head;             /* as committed */
    uint64_t new_bytes;        /* appended since the last slice of what is old */
    int64_t old_due_us;        /* monotonic: the next one */
    uint64_t deliveries;       /* turns of delivery so far */
    struct core_session **old; /* room for those who read what is old, in one delivery */
    uint32_t old_capacity;
    bool retain_rules;           /* some stream has one */
    struct retaining *retaining; /* NULL: no stream has had a rule */
    struct readers *readers;     /* named cursors and groups; NULL: there never was one */
    int64_t asked_us;            /* monotonic: since when a question waits; 0: none does */
    bool stopping, failed; /* failed: the log is in a state that only opening it again can tell */
};

/* server_session.c: what peers say. One call per message; frames are closed by the caller. */
void server_take(struct server *self, const uint8_t *peer, size_t peer_size, zmq_msg_t *frames,
                 uint32_t count);
void server_tell_grants(struct server *self);
void server_send_map(struct server *self, struct core_session *session, const char *verb,
                     const struct message_desc *desc, const void *message);
/* The message as one frame; false: there is none, said. */
bool server_map_frame(const char *verb, const struct message_desc *desc, const void *message,
                      zmq_msg_t *out);
void server_tell_clock(struct server *self);
void server_refuse(struct server *self, struct core_session *session, const char *verb,
                   enum refusal refusal, const struct batch_desc *batch, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));

/* server_append.c: the append and what it carries. */
int server_restore(struct server *self, const struct registry *registry); /* 0 or -1, logged */
/* Streams as the registry has them now: new ones get the next id, those it does not name any more are retired. 0 or -1, logged. */
int server_streams(struct server *self, const struct registry *registry);
/* core_options.lookup; the context is the server. */
bool server_lookup(void *context, uint32_t producer, uint16_t stream, uint16_t partition,
                   uint64_t seq, uint64_t *first_seq, uint32_t *count, uint32_t *crc);
bool server_append_begin(struct server *self); /* false: the log cannot be written now */
/* Positions are given here. 0 or a log_error. */
int server_append(struct server *self, const struct core_producer *producer,
                  const struct batch_desc *desc, const void *body);
void server_fire_later(struct server *self);
/* Commits what was staged; then acknowledges, tells grants, mirrors to the tap. */
void server_commit(struct server *self);
void server_store_cursors(struct server *self);
/* A checkpoint of the log where it is due: nothing is being appended, or something has waited for long. */
void server_checkpoint_turn(struct server *self);
/* In how long it may be; INT64_MAX: there is nothing to be done. */
int64_t server_checkpoint_wait_us(const struct server *self);
void server_tidy_turn(struct server *self);

/* server_registry.c: the files that name streams, read anew; `out` is the caller's. 0, or -1 with the log told. */
int server_registry_read(struct server *self, struct registry *out);
json_t *server_registry_reload(struct server *self); /* answers the control word */

/* broker.c. Makes new streams durable, so that their ids are for ever. */
bool server_streams_stored(struct server *self);

/* server_members.c */
void server_member(struct server *self, struct core_session *session, const struct msg_memb *said);
void server_members_turn(struct server *self); /* who has come, gone or fallen silent since */
json_t *server_members_status(struct server *self);

/* server_retain.c: retention, in slices when there is time, and with a share of it when there is little. */
void server_retain_turn(struct server *self);
int64_t
server_retain_wait_us(const struct server *self); /* INT64_MAX: there is nothing to be done */
/* Answers the control word: a pass begins now; `force`: it stops for no reader. */
json_t *server_retain_now(struct server *self, bool force);
json_t *server_retain_status(const struct server *self);
void server_retain_free(struct server *self);
/* Nothing from there on is removed without force: the lowest committed cursor, or what is kept for a rebuild. UINT64_MAX: nobody reads. */
uint64_t server_lowest(const struct server *self);

/* server_deliver.c */
/* Delivers to every subscription what credit allows: what is new at once, what is old in slices that all who read it share. True if
 * someone could take more at once. */
bool server_deliver(struct server *self);
/* No actor has anything that it has yet to take: what the broker does for a while now holds up no record on its way. */
bool server_at_rest(const struct server *self);
/* In how long somebody may be given more of what is old; INT64_MAX: nobody waits for that. */
int64_t server_deliver_wait_us(const struct server *self);
void server_subscribe(struct server *self, struct core_session *session,
                      const struct msg_subs *subs);
/* `[[stream, [partition, ...] or "*"], ...]` as sorted lanes. False: refused, said. */
bool server_inputs(struct server *self, struct core_session *session, const char *verb,
                   const struct span *inputs, struct core_sub_lane *lanes, uint32_t most,
                   uint32_t *count);
/* False: no memory. Nothing may be staged. */
bool server_subscription(struct server *self, struct core_session *session,
                         struct core_sub_lane *lanes, uint32_t count, uint64_t from,
                         uint64_t records, uint64_t bytes);
void server_own(struct server *self, struct core_session *session, const struct msg_ownq *ask);
/* Sends frames, or closes them. False if the peer is gone or does not read: its session is dropped at the end of the turn, and
 * it is told so (no-session) when it says anything. */
bool server_send_frames(struct server *self, struct core_session *session, zmq_msg_t *frames,
                        uint32_t count);

/* server_reader.c: named cursors, and what groups have in common with them. */
void server_join(struct server *self, struct core_session *session, const struct msg_join *join);
void server_leave(struct server *self, struct core_session *session);
void server_done(struct server *self, struct core_session *session, const struct msg_done *done);
int server_readers_restore(struct server *self); /* 0 or a log_error */
int server_readers_put(struct server *self);     /* into the append: 0 or a log_error */
void server_readers_commit(struct server *self);
void server_readers_rollback(struct server *self);
void server_readers_answer(struct server *self);
bool server_readers_stale(const struct server *self);     /* marks and tells what is to be stored */
void server_readers_turn(struct server *self);            /* leases and members that end */
bool server_readers_deliver(struct server *self);         /* true if someone could take more */
int64_t server_readers_due_us(const struct server *self); /* monotonic; INT64_MAX: never */
/* Into the append being built, and told: what was removed of the stream below `end`, they have not read. */
void server_readers_pass(struct server *self, uint16_t stream, uint64_t end);
/* Below it the session has said that everything is done: as the cursor, or as the shard, that it reads for; 0: it has not. */
uint64_t server_session_done(const struct core_session *session);
/* Durably moves cursors and groups past what is not theirs, so that one of a stream where nothing happens holds nothing back. False: it
 * could not be stored; nothing may be trimmed on the strength of it. */
bool server_readers_advance(struct server *self);
uint64_t server_readers_lowest(const struct server *self); /* no trimming beyond */
/* NULL, or the tag of why not. */
const char *server_rewind(struct server *self, const char *name, uint64_t position,
                          uint64_t *generation);
const char *server_forget(struct server *self, const char *name);
json_t *server_readers_status(struct server *self);
void server_readers_free(struct server *self); /* after core_free */

/* server_group.c */
void server_settle(struct server *self, struct core_session *session, const struct msg_setl *setl);

/* server_sockets.c */
bool server_sockets_open(struct server *self); /* false: said */
void server_sockets_close(struct server *self);
void server_sockets_turn(struct server *self); /* what the monitors said since */
const char *server_event_name(uint32_t index); /* < SERVER_EVENTS */

/* server_tap.c */
void server_tap_turn(struct server *self);
void server_tap_batch(struct server *self, const struct batch_header *header,
                      const struct span *body);
void server_tap_topic(char *topic); /* makes it printable */
void server_tap_send(struct server *self, const char *topic, const struct span *head,
                     const struct span *payload);

/* server_sys.c: the $SYS. topics. Each does nothing while the tap has no subscriber. */
void server_sys_welcome(struct server *self);
void server_sys_lease(struct server *self, const struct core_producer *producer);
void server_sys_heartbeat(struct server *self, const struct core_session *session);
void server_sys_clock(struct server *self);
void server_sys_socket(struct server *self, const char *socket, const char *event, uint64_t value,
                       const char *endpoint);
void server_sys_retain(struct server *self, const struct retain_counts *counts, bool live);
void server_sys_turn(struct server *self); /* what has changed since: states, drops */
bool server_silent(const struct server *self, const struct core_producer *producer);

/* server_count.c */
void server_spread_add(struct server_spread *self, uint64_t value);
/* The least power of two that so many of a hundred are not above; 0 if there are none. */
uint64_t server_spread_at(const struct server_spread *self, double percent);
void server_count_delivered(struct server *self, struct core_session *session,
                            const struct batch_header *header);

/* server_status.c */
json_t *server_status(struct server *self); /* {broker, shards, streams} */

/* server_control.c */
void server_control_turn(struct server *self);

#endif
