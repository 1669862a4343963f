#include "broker/link.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "broker/protocol.h"
#include "broker/wire.h"
#include "config/log.h"
#include "schema/record.h"

#define HELO_EVERY_US 1000000
#define HELO_RETRY_US 20000
#define SILENCE_BEATS 8 /* without an answer for so many heartbeats the connection is made anew */
#define TURN_MESSAGES_MAX 1024
#define LEASE_PAUSE_US 500000
#define PUBLISH_BATCHES_MAX                                                                        \
    1024 /* in one PUBL: their descriptors fit the smallest frame that a broker may allow */

#define BACKLOG_FRAMES 100000 /* of publishes that the broker does not read */
#define GOODBYE_MS 200
#define CREDIT_HOLD_US 5000 /* credit goes with what is said anyway, or after so long */
#define CREDIT_BYTES 12
#define CREDIT_PARTS 4 /* ... or when so much of the window is owed */

enum link_state { LINK_CONNECTING, LINK_GREETING, LINK_WELCOMED };

struct link {
    struct link_options options;
    struct wire *wire;
    enum link_state state;
    int64_t helo_us, beat_us, heartbeat_us; /* monotonic; the last is an interval */
    int64_t quiet_us; /* the first beat since anything was heard; 0: nothing is awaited */
    int64_t turn_us;  /* monotonic: the last turn */
    bool broken;      /* the connection is no good: to be made anew at the end of the turn */
    char broker[64];  /* which process of it */
    /* what the broker told */
    struct link_stream *streams;
    uint32_t stream_count; /* ids run from 1: streams[id - 1] */
    char *names;           /* their text */
    uint32_t producer;
    uint64_t epoch;
    uint64_t max_batch_bytes;
    /* what the owner asked for */
    bool lease_wanted, leasing, granted; /* leasing: asked, not answered */
    uint16_t shard, shards;
    char env[121];
    int64_t lease_again_us; /* monotonic; INT64_MAX: not waiting */
    bool subscribed;
    uint32_t subscriptions;   /* made so far */
    uint32_t subs_unanswered; /* until they are, what is delivered is of the one before */
    uint64_t flying_records, flying_bytes; /* delivered, not yet taken */
    uint64_t owed_records, owed_bytes;     /* taken, credit not yet given back */
    uint64_t window_records, window_bytes; /* that was asked for */
    int64_t owed_us; /* monotonic: since when something is owed, or could not be given */
    char said_state[17], said_cause[121];
    uint64_t cursor, steps;
    bool progressed; /* progress: was said */
    struct link_progress progress;
    bool join_wanted, joined; /* joined: said by the broker, on this connection */
    struct msg_join join;     /* what is said; its inputs are join_inputs */
    struct pack join_inputs;
    int64_t join_again_us; /* monotonic; INT64_MAX: not refused */
    uint64_t generation;
    bool beat_now;
    char member_actor[33]; /* "": no member */
    uint16_t member_shards;
    uint32_t member_capacity;
    uint64_t lag;
    uint64_t head;        /* ... and where the log ended when it was */
    uint32_t beats_out;   /* beats not answered yet */
    uint16_t last_stream; /* that was published to */
};

/* ---- sending ----
 *
 * What is said on a connection that stands is sent or the connection is given up: an ask that got lost would be waited for. Only
 * publishes may be told to wait. */

static bool send_bytes(struct link *self, const void *bytes, size_t size)
{
    zmq_msg_t frame;
    if (zmq_msg_init_size(&frame, size) != 0)
        return false;
    memcpy(zmq_msg_data(&frame), bytes, size);
    return wire_send(self->wire, NULL, 0, &frame, 1);
}

static bool send_map(struct link *self, const char *verb, const struct message_desc *desc,
                     const void *message)
{
    struct message_error error;
    size_t most = message_size_max(desc, message);
    uint8_t *buffer = malloc(PROTOCOL_VERB_BYTES + most);
    if (!buffer)
        return false;
    memcpy(buffer, verb, PROTOCOL_VERB_BYTES);
    long size = message_encode(desc, message, buffer + PROTOCOL_VERB_BYTES, most, &error);
    if (size < 0)
        log_error("ask-invalid", "verb=%s field=%s rule=\"%s\"", verb, error.field, error.rule);
    bool sent = size >= 0 && send_bytes(self, buffer, PROTOCOL_VERB_BYTES + (size_t)size);
    free(buffer);
    self->broken = self->broken || (!sent && self->state == LINK_WELCOMED);
    return sent;
}

static void send_helo(struct link *self, int64_t now)
{
    struct msg_helo helo;
    message_clear(&msg_helo_desc, &helo);
    helo.protocol = PROTOCOL_VERSION;
    snprintf(helo.actor, sizeof helo.actor, "%s", self->options.actor);
    snprintf(helo.host, sizeof helo.host, "%s", self->options.host);
    snprintf(helo.incarnation, sizeof helo.incarnation, "%s", self->options.incarnation);
    snprintf(helo.code_version, sizeof helo.code_version, "%s", self->options.code_version);
    snprintf(helo.config_hash, sizeof helo.config_hash, "%s", self->options.config_hash);
    helo.pid = (uint64_t)getpid();
    self->helo_us = now;
    self->state = LINK_GREETING;
    if (!send_map(self, "HELO", &msg_helo_desc, &helo))
        self->helo_us = now - HELO_EVERY_US + HELO_RETRY_US; /* the pipe is not there yet */
}

static void send_lease(struct link *self)
{
    struct msg_leas leas;
    message_clear(&msg_leas_desc, &leas);
    snprintf(leas.actor, sizeof leas.actor, "%s", self->options.actor);
    leas.shard = self->shard;
    leas.shards = self->shards;
    snprintf(leas.env, sizeof leas.env, "%s", self->env);
    self->lease_again_us = INT64_MAX;
    self->granted = false; /* the epoch is another one from here on */
    self->leasing = send_map(self, "LEAS", &msg_leas_desc, &leas);
}

static void send_member(struct link *self)
{
    struct msg_memb memb;
    struct pack list = {0};
    message_clear(&msg_memb_desc, &memb);
    pack_array(&list, 1);
    pack_array(&list, 2);
    pack_text(&list, self->member_actor);
    pack_u64(&list, self->member_shards);
    snprintf(memb.member, sizeof memb.member, "%s", self->options.host);
    memb.actors = (struct span){list.data, (uint32_t)list.size};
    memb.capacity = self->member_capacity;
    if (!list.failed)
        (void)send_map(self, "MEMB", &msg_memb_desc, &memb);
    pack_free(&list);
}

static void send_join(struct link *self)
{
    self->join_again_us = INT64_MAX;
    self->joined = false;
    (void)send_map(self, "JOIN", &msg_join_desc, &self->join);
}

static bool credit_owed(const struct link *self)
{
    return self->subscribed && (self->owed_records > 0 || self->owed_bytes > 0);
}

/* At once, or on its way with what is sent next. */
static void credit_give(struct link *self, bool at_once)
{
    zmq_msg_t frame;
    if (!credit_owed(self) || zmq_msg_init_size(&frame, CREDIT_BYTES) != 0)
        return;
    uint8_t *at = zmq_msg_data(&frame);
    memcpy(at, "CRED", PROTOCOL_VERB_BYTES);
    put_u32(at + 4, self->owed_records > UINT32_MAX ? UINT32_MAX : (uint32_t)self->owed_records);
    put_u32(at + 8, self->owed_bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)self->owed_bytes);
    if (at_once ? wire_send(self->wire, NULL, 0, &frame, 1) : wire_put(self->wire, &frame, 1))
        self->owed_records = self->owed_bytes = 0;
    else
        self->owed_us = clock_mono_us();
}

/* Each CRED wakes the broker: where records come one at a time it is not worth that. */
static void credit_turn(struct link *self)
{
    if (credit_owed(self) && (CREDIT_PARTS * self->owed_records >= self->window_records ||
                              CREDIT_PARTS * self->owed_bytes >= self->window_bytes ||
                              clock_mono_us() - self->owed_us >= CREDIT_HOLD_US))
        credit_give(self, true);
}

static void send_beat(struct link *self, int64_t now)
{
    struct msg_beat beat;
    credit_give(self, false); /* what is owed would count as lag */
    message_clear(&msg_beat_desc, &beat);
    snprintf(beat.state, sizeof beat.state, "%s", self->said_state);
    snprintf(beat.cause, sizeof beat.cause, "%s", self->said_cause);
    beat.cursor = self->cursor;
    beat.steps = self->steps;
    if (self->progressed) {
        beat.taken = self->progress.taken;
        beat.done = self->progress.done;
        beat.never = self->progress.never;
        beat.later = self->progress.later;
        beat.outbox = self->progress.outbox;
        if (self->progress.keep > 0)
            beat.keep = self->progress.keep;
    }
    self->beat_us = now;
    if (!self->quiet_us)
        self->quiet_us = now;
    self->beat_now = false;
    if (send_map(self, "BEAT", &msg_beat_desc, &beat))
        self->beats_out++;
}

/* ---- connection ---- */

static void went_down(struct link *self)
{
    bool was = self->state == LINK_WELCOMED;
    self->state = LINK_CONNECTING;
    self->granted = self->leasing = false;
    self->subscribed = self->joined = false;
    self->subs_unanswered = 0;
    self->join_again_us = INT64_MAX;
    self->flying_records = self->flying_bytes = self->owed_records = self->owed_bytes = 0;
    self->lag = UINT64_MAX;
    self->beats_out = 0;
    self->quiet_us = 0;
    self->lease_again_us = INT64_MAX;
    if (was && self->options.handlers.down)
        self->options.handlers.down(self->options.context);
}

static void wire_told(void *context, enum wire_event event, int value)
{
    struct link *self = context;
    (void)value;
    if (event == WIRE_DISCONNECTED)
        went_down(self);
    if (event == WIRE_READY)
        send_helo(self, clock_mono_us());
}

struct link *link_open(const struct link_options *options)
{
    struct link *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->options = *options;
    self->heartbeat_us = HELO_EVERY_US;
    self->lease_again_us = self->join_again_us = INT64_MAX;
    snprintf(self->said_state, sizeof self->said_state, "starting");
    self->lag = UINT64_MAX;
    const struct wire_options wire = {.endpoint = self->options.endpoint,
                                      .frame_bytes_max = BATCH_BYTES_MAX * UINT64_C(8),
                                      .backlog = BACKLOG_FRAMES,
                                      .told = wire_told,
                                      .context = self};
    self->wire = wire_connect(&wire);
    if (!self->wire) {
        int saved = errno;
        link_close(&self);
        errno = saved;
        return NULL;
    }
    return self;
}

void link_close(struct link **self_ref)
{
    struct link *self = *self_ref;
    if (!self)
        return;
    if (self->state == LINK_WELCOMED)
        (void)send_bytes(self, "GBYE", PROTOCOL_VERB_BYTES);
    wire_close(&self->wire, self->state == LINK_WELCOMED ? GOODBYE_MS : 0);
    free(self->streams);
    free(self->names);
    pack_free(&self->join_inputs);
    free(self);
    *self_ref = NULL;
}

int link_fd(const struct link *self)
{
    return wire_fd(self->wire);
}

bool link_connected(const struct link *self)
{
    return self->state == LINK_WELCOMED;
}

int64_t link_timeout_us(const struct link *self)
{
    int64_t now = clock_mono_us();
    int64_t due = self->state == LINK_WELCOMED ? self->beat_us + self->heartbeat_us
                                               : self->helo_us + HELO_EVERY_US;
    if (self->lease_again_us < due)
        due = self->lease_again_us;
    if (self->join_again_us < due)
        due = self->join_again_us;
    if (credit_owed(self) && self->owed_us + CREDIT_HOLD_US < due)
        due = self->owed_us + CREDIT_HOLD_US;
    if (self->broken)
        due = now;
    else if (wire_pending(self->wire))
        due = now;
    else if (wire_due_us(self->wire) < due)
        due = wire_due_us(self->wire);
    return due > now ? due - now : 0;
}

/* ---- what the broker says ---- */

struct heard {
    zmq_msg_t *frames;
    uint32_t count;
    const uint8_t *rest; /* frame 0 behind the verb */
    size_t rest_size;
};

static bool heard_map(const struct heard *heard, const struct message_desc *desc, void *message)
{
    struct message_error error;
    if (message_decode(desc, heard->rest, heard->rest_size, message, &error) == 0)
        return true;
    log_error("broker-said", "message=%s field=%s rule=\"%s\"", desc->name, error.field,
              error.rule);
    return false;
}

static void clock_take(int64_t league_us, int64_t real_us, double speed, bool running)
{
    struct clock_anchor anchor = {
        .league_us = league_us, .real_us = real_us, .speed = speed, .running = running};
    struct clock_anchor mine;
    clock_league_get(&mine);
    if (memcmp(&mine.league_us, &anchor.league_us, sizeof mine.league_us) != 0 ||
        mine.real_us != anchor.real_us || mine.speed < anchor.speed || mine.speed > anchor.speed ||
        mine.running != anchor.running)
        clock_league_set(&anchor);
}

static bool streams_take(struct link *self, const struct span *list)
{
    struct unpack in = {list->data, list->size, 0};
    uint32_t count, fields, size;
    if (!unpack_array(&in, &count) || count > UINT16_MAX)
        return false;
    struct link_stream *streams = calloc(count ? count : 1, sizeof *streams);
    char *names = malloc(list->size * 2 + 2), *at = names;
    bool good = streams && names;
    for (uint32_t i = 0; good && i < count; i++) {
        uint64_t id, partitions;
        const char *text[2];
        good = unpack_array(&in, &fields) && fields >= 4 && unpack_u64(&in, &id) && id == i + 1;
        for (int j = 0; good && j < 2; j++) {
            good = unpack_str(&in, &text[j], &size);
            if (!good)
                break;
            memcpy(at, text[j], size);
            at[size] = '\0';
            text[j] = at;
            at += size + 1;
        }
        good = good && unpack_u64(&in, &partitions) && partitions > 0 && partitions <= UINT16_MAX;
        if (good)
            streams[i] = (struct link_stream){text[0], text[1], (uint16_t)partitions};
        for (uint32_t j = 4; good && j < fields; j++)
            good = unpack_skip(&in);
    }
    if (!good) {
        free(streams);
        free(names);
        return false;
    }
    free(self->streams);
    free(self->names);
    self->streams = streams;
    self->names = names;
    self->stream_count = count;
    return true;
}

static void hear_welc(struct link *self, const struct heard *heard)
{
    struct msg_welc welc;
    if (self->state == LINK_CONNECTING || !heard_map(heard, &msg_welc_desc, &welc))
        return; /* the end of an earlier connection */
    if (self->state == LINK_WELCOMED && strcmp(self->broker, welc.broker) == 0)
        return; /* HELO was said twice: nothing is asked for a second time */
    if (self->state == LINK_WELCOMED)
        went_down(self);
    if (!streams_take(self, &welc.streams))
        return;
    memcpy(self->broker, welc.broker, sizeof self->broker);
    self->heartbeat_us = (int64_t)welc.heartbeat_us;
    self->max_batch_bytes = welc.max_batch_bytes;
    clock_take(welc.league_us, welc.real_us, welc.speed, welc.running);
    self->state = LINK_WELCOMED;
    self->beat_us = clock_mono_us();
    if (self->join_wanted)
        send_join(self); /* before the handler, which may join by itself */
    if (self->options.handlers.welcome)
        self->options.handlers.welcome(self->options.context, self->streams, self->stream_count);
    if (self->lease_wanted && !self->leasing && !self->granted)
        send_lease(self);
    if (self->member_actor[0])
        send_member(self);
}

static void hear_asgn(struct link *self, const struct heard *heard)
{
    struct msg_asgn asgn;
    uint32_t count, fields, size;
    const char *name;
    uint64_t number;
    if (!self->member_actor[0] || !heard_map(heard, &msg_asgn_desc, &asgn))
        return;
    struct unpack in = {asgn.shards.data, asgn.shards.size, 0};
    bool good = unpack_array(&in, &count) && count <= asgn.shards.size;
    struct link_shard *shards = good ? calloc(count + 1, sizeof *shards) : NULL;
    good = shards != NULL;
    for (uint32_t i = 0; good && i < count; i++) {
        good = unpack_array(&in, &fields) && fields == 2 && unpack_str(&in, &name, &size) &&
               size < sizeof shards[i].actor && unpack_u64(&in, &number) && number <= UINT16_MAX;
        if (!good)
            break;
        memcpy(shards[i].actor, name, size);
        shards[i].shard = (uint16_t)number;
    }
    if (!good)
        log_error("broker-said", "message=asgn field=shards rule=\"[[actor, shard], ...]\"");
    else if (self->options.handlers.assigned)
        self->options.handlers.assigned(self->options.context, shards, count);
    free(shards);
}

static void hear_clok(struct link *self, const struct heard *heard)
{
    struct msg_clok clok;
    (void)self;
    if (heard_map(heard, &msg_clok_desc, &clok))
        clock_take(clok.league_us, clok.real_us, clok.speed, clok.running);
}

static const char *stream_name(const struct link *self, uint64_t id)
{
    return id >= 1 && id <= self->stream_count ? self->streams[id - 1].name : NULL;
}

static struct link_lane *lanes_take(struct link *self, const struct span *list, uint32_t *count)
{
    struct unpack in = {list->data, list->size, 0};
    uint32_t fields;
    if (!unpack_array(&in, count) || *count > list->size)
        return NULL;
    struct link_lane *lanes = calloc(*count + 1, sizeof *lanes);
    bool good = lanes != NULL;
    for (uint32_t i = 0; good && i < *count; i++) {
        uint64_t id, partition, seq;
        good = unpack_array(&in, &fields) && fields == 3 && unpack_u64(&in, &id) &&
               unpack_u64(&in, &partition) && unpack_u64(&in, &seq) && stream_name(self, id);
        if (good)
            lanes[i] = (struct link_lane){stream_name(self, id), (uint16_t)partition, seq};
    }
    if (good)
        return lanes;
    free(lanes);
    return NULL;
}

static void hear_grnt(struct link *self, const struct heard *heard)
{
    struct msg_grnt grnt;
    struct link_grant grant;
    if (!self->leasing || !heard_map(heard, &msg_grnt_desc, &grnt))
        return;
    struct link_lane *lanes = lanes_take(self, &grnt.lanes, &grant.lane_count);
    if (!lanes) {
        log_error("broker-said",
                  "message=grnt field=lanes rule=\"[[stream, partition, last_seq], ...]\"");
        return;
    }
    self->producer = (uint32_t)grnt.producer;
    self->epoch = grnt.epoch;
    self->granted = true;
    self->leasing = false;
    self->lease_again_us = INT64_MAX;
    grant.epoch = grnt.epoch;
    grant.producer = self->producer;
    grant.cursor = grnt.cursor;
    grant.head = grnt.head;
    grant.first = grnt.first;
    grant.last_env = grnt.last_env;
    grant.lease_us = (int64_t)grnt.lease_us;
    grant.lanes = lanes;
    if (self->options.handlers.granted)
        self->options.handlers.granted(self->options.context, &grant);
    free(lanes);
}

static void hear_wait(struct link *self, const struct heard *heard)
{
    struct msg_wait wait;
    if (!self->leasing || !heard_map(heard, &msg_wait_desc, &wait))
        return;
    self->leasing = false;
    int64_t retry_us = (int64_t)wait.retry_us;
    if (retry_us > self->heartbeat_us)
        retry_us = self->heartbeat_us; /* it may be given back earlier */
    if (retry_us < 20000)
        retry_us = 20000;
    self->lease_again_us = clock_mono_us() + retry_us;
    if (self->options.handlers.waiting)
        self->options.handlers.waiting(self->options.context, wait.holder, retry_us);
}

static void hear_lost(struct link *self, const struct heard *heard)
{
    struct msg_lost lost;
    if (!heard_map(heard, &msg_lost_desc, &lost))
        return;
    if (lost.name[0]) {
        if (!self->join_wanted || strcmp(lost.name, self->join.name) != 0)
            return; /* left meanwhile */
        self->join_wanted = self->joined = self->subscribed = false;
        if (self->options.handlers.lost)
            self->options.handlers.lost(self->options.context, lost.why);
        return;
    }
    self->granted = self->leasing = false;
    self->lease_wanted = false;
    self->lease_again_us = INT64_MAX;
    if (self->options.handlers.lost)
        self->options.handlers.lost(self->options.context, lost.why);
}

static void hear_ackd(struct link *self, const struct heard *heard)
{
    uint32_t count = heard->rest_size >= 16 ? get_u32(heard->rest + 12) : 0;
    if (heard->rest_size != 16 + count * (uint64_t)PROTOCOL_ACK_BYTES ||
        get_u32(heard->rest) != self->producer)
        return;
    for (uint32_t i = 0; i < count && self->options.handlers.acked; i++) {
        const uint8_t *at = heard->rest + 16 + i * (size_t)PROTOCOL_ACK_BYTES;
        const char *name = stream_name(self, get_u16(at));
        if (name)
            self->options.handlers.acked(self->options.context, name, get_u16(at + 2),
                                         get_u64(at + 4));
    }
}

/* What a new look at what the log holds, and sending again, may mend. */
static bool lease_again(const char *tag)
{
    static const char *const tags[] = {"disk-full", "seq-gap", "not-leased", "bad-crc", "too-many"};
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        if (strcmp(tag, tags[i]) == 0)
            return true;
    return false;
}

static void hear_refu(struct link *self, const struct heard *heard)
{
    struct msg_refu refu;
    if (!heard_map(heard, &msg_refu_desc, &refu))
        return;
    if (strcmp(refu.tag, "no-session") ==
        0) { /* another broker process, or it forgot us: once, from the start */
        if (self->state == LINK_WELCOMED) {
            went_down(self);
            send_helo(self, clock_mono_us());
        }
        return;
    }
    if (strcmp(refu.tag, "too-many") == 0 &&
        refu.verb[0] == '\0') { /* no room for another session */
        went_down(self);
        self->state = LINK_GREETING; /* and said again after a while */
        self->helo_us = clock_mono_us();
        return;
    }
    if (strcmp(refu.verb, "SUBS") == 0 && self->subs_unanswered > 0 && --self->subs_unanswered == 0)
        self->subscribed = false;
    if (strcmp(refu.verb, "JOIN") == 0 && self->join_wanted && !self->joined &&
        (strcmp(refu.tag, "busy") == 0 || strcmp(refu.tag, "disk-full") == 0 ||
         strcmp(refu.tag, "too-many") == 0))
        self->join_again_us = clock_mono_us() + LEASE_PAUSE_US;
    if (strcmp(refu.verb, "LEAS") == 0)
        self->leasing = false;
    if (self->lease_wanted && lease_again(refu.tag)) {
        /* A new grant makes the owner send its outbox again: after a pause, for the disk may stay full. */
        if (self->lease_again_us == INT64_MAX)
            self->lease_again_us = clock_mono_us() + LEASE_PAUSE_US;
        self->granted = self->leasing = false;
    }
    if (self->options.handlers.refused)
        self->options.handlers.refused(self->options.context, refu.tag, refu.text, refu.stream,
                                       refu.partition == UINT64_MAX ? 0 : (uint16_t)refu.partition,
                                       refu.first_seq == UINT64_MAX ? 0 : refu.first_seq);
}

static void hear_aliv(struct link *self, const struct heard *heard)
{
    struct msg_aliv aliv;
    if (!heard_map(heard, &msg_aliv_desc, &aliv))
        return;
    if (self->beats_out > 0)
        self->beats_out--;
    if (self->subs_unanswered == 0) {
        self->lag = self->subscribed ? aliv.lag : UINT64_MAX;
        self->head = aliv.head; /* of the same moment */
    }
    if (self->options.handlers.up)
        self->options.handlers.up(self->options.context);
}

static void hear_subd(struct link *self, const struct heard *heard)
{
    struct msg_subd subd;
    if (!heard_map(heard, &msg_subd_desc, &subd) || self->subs_unanswered == 0)
        return;
    if (--self->subs_unanswered == 0 && self->subscribed) {
        self->lag = subd.lag;
        self->head = subd.head;
    }
}

/* What a header and its body say, if they agree. */
static bool batch_take(const struct link *self, const uint8_t *at, struct span *bodies,
                       struct link_batch *batch)
{
    struct batch_header header;
    if (batch_header_read(&header, at) != 0 || header.size > bodies->size)
        return false;
    struct span body = {bodies->data, header.size};
    *bodies = (struct span){bodies->data + header.size, bodies->size - header.size};
    if (pack_crc32c(0, body.data, body.size) != header.crc || !stream_name(self, header.stream))
        return false;
    *batch = (struct link_batch){.base = header.base,
                                 .count = header.count,
                                 .stream = stream_name(self, header.stream),
                                 .partition = header.partition,
                                 .producer = header.producer,
                                 .epoch = header.epoch,
                                 .first_seq = header.first_seq,
                                 .time_us = header.time_us,
                                 .due_us = header.due_us > 0 ? header.due_us : CLOCK_NONE,
                                 .crc = header.crc,
                                 .body = body};
    return true;
}

/* A batch that cannot be taken is not passed over: the connection is made anew, and the owner asks again from its cursor. */
static void batches_broken(struct link *self, const char *rule)
{
    log_error("broker-said", "message=batches rule=\"%s\" action=reconnect", rule);
    self->broken = true;
    self->subscribed = false;
}

static bool batches_agree(struct link *self, const struct heard *heard, uint32_t *count,
                          struct span *bodies)
{
    *count = heard->rest_size >= 4 ? get_u32(heard->rest) : 0;
    if (heard->rest_size == 4 + *count * (uint64_t)PROTOCOL_HEADER_BYTES && heard->count == 2) {
        *bodies = (struct span){zmq_msg_data(&heard->frames[1]),
                                (uint32_t)zmq_msg_size(&heard->frames[1])};
        return true;
    }
    batches_broken(self, "headers, and a frame of bodies");
    return false;
}

static void hear_dlvr(struct link *self, const struct heard *heard)
{
    uint32_t count, subscription = self->subscriptions;
    struct span bodies;
    if (!self->subscribed || self->subs_unanswered > 0 ||
        !batches_agree(self, heard, &count, &bodies))
        return;
    for (uint32_t i = 0; i < count; i++) {
        struct link_batch batch;
        if (!self->subscribed || self->subscriptions != subscription)
            return; /* the handler asked for something else */
        if (!batch_take(self, heard->rest + 4 + i * (size_t)PROTOCOL_HEADER_BYTES, &bodies,
                        &batch)) {
            batches_broken(self, "header, size, CRC and stream agree");
            return;
        }
        self->flying_records += batch.count;
        self->flying_bytes += batch.body.size;
        if (self->options.handlers.batch)
            self->options.handlers.batch(self->options.context, &batch);
    }
}

static void hear_ownd(struct link *self, const struct heard *heard)
{
    if (heard->rest_size == 4 && get_u32(heard->rest) == 0) {
        if (self->options.handlers.own)
            self->options.handlers.own(self->options.context, NULL);
        return;
    }
    uint32_t count;
    struct span bodies;
    if (!batches_agree(self, heard, &count, &bodies))
        return;
    for (uint32_t i = 0; i < count && self->options.handlers.own; i++) {
        struct link_batch batch;
        if (!batch_take(self, heard->rest + 4 + i * (size_t)PROTOCOL_HEADER_BYTES, &bodies,
                        &batch)) {
            batches_broken(self, "header, size, CRC and stream agree");
            return;
        }
        self->options.handlers.own(self->options.context, &batch);
    }
}

static void hear_jond(struct link *self, const struct heard *heard)
{
    struct msg_jond jond;
    if (!heard_map(heard, &msg_jond_desc, &jond) || !self->join_wanted ||
        strcmp(jond.name, self->join.name) != 0 || strcmp(jond.kind, self->join.kind) != 0)
        return; /* left meanwhile */
    self->joined = true;
    self->generation = jond.generation;
    self->subscriptions++; /* what came before is of another place */
    self->flying_records = self->flying_bytes = self->owed_records = self->owed_bytes = 0;
    self->subscribed = strcmp(jond.kind, "cursor") == 0;
    self->lag = self->subscribed ? jond.lag : UINT64_MAX;
    self->head = jond.head;
    struct link_joined joined = {.name = jond.name,
                                 .generation = jond.generation,
                                 .position = jond.position,
                                 .head = jond.head,
                                 .first = jond.first,
                                 .lease_us = (int64_t)jond.lease_us};
    if (self->options.handlers.joined)
        self->options.handlers.joined(self->options.context, &joined);
}

static void hear_dond(struct link *self, const struct heard *heard)
{
    struct msg_dond dond;
    if (heard_map(heard, &msg_dond_desc, &dond) && self->joined &&
        dond.generation == self->generation && self->options.handlers.done)
        self->options.handlers.done(self->options.context, dond.position);
}

static void hear_work(struct link *self, const struct heard *heard)
{
    uint32_t count = heard->rest_size >= 4 ? get_u32(heard->rest) : 0;
    uint32_t subscription = self->subscriptions;
    if (!self->joined)
        return; /* left meanwhile */
    if (heard->rest_size != 4 + count * (uint64_t)PROTOCOL_WORK_BYTES || heard->count != 2) {
        batches_broken(self, "items, and a frame of bodies");
        return;
    }
    struct span bodies = {zmq_msg_data(&heard->frames[1]),
                          (uint32_t)zmq_msg_size(&heard->frames[1])};
    struct link_work work = {.first = 0};
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *at = heard->rest + 4 + i * (size_t)PROTOCOL_WORK_BYTES;
        const uint8_t *item = at + PROTOCOL_HEADER_BYTES;
        bool again = i > 0 && memcmp(at, at - PROTOCOL_WORK_BYTES, PROTOCOL_HEADER_BYTES) == 0;
        if (!self->joined || self->subscriptions != subscription)
            return; /* the handler asked for something else */
        if (!again && !batch_take(self, at, &bodies, &work.batch)) {
            batches_broken(self, "header, size, CRC and stream agree");
            return;
        }
        work.first = get_u32(item + 8);
        work.attempts = get_u32(item + 16);
        work.item =
            (struct link_item){get_u64(item), work.batch.base + work.first, get_u32(item + 12)};
        if (work.first >= work.batch.count || work.item.count > work.batch.count - work.first) {
            batches_broken(self, "an item within its batch");
            return;
        }
        if (self->options.handlers.work)
            self->options.handlers.work(self->options.context, &work);
    }
}

static const char *const does_text[] = {
    [LINK_ACK] = "ack", [LINK_NACK] = "nack", [LINK_EXTEND] = "extend"};

static struct link_item *items_take(const struct span *list, uint32_t *count)
{
    struct unpack in = {list->data, list->size, 0};
    uint32_t fields;
    if (!unpack_array(&in, count) || *count > list->size)
        return NULL;
    struct link_item *items = calloc(*count + 1, sizeof *items);
    bool good = items != NULL;
    for (uint32_t i = 0; good && i < *count; i++) {
        uint64_t lease, position, records;
        good = unpack_array(&in, &fields) && fields == 3 && unpack_u64(&in, &lease) &&
               unpack_u64(&in, &position) && unpack_u64(&in, &records) && records <= UINT32_MAX;
        if (good)
            items[i] = (struct link_item){lease, position, (uint32_t)records};
    }
    if (good)
        return items;
    free(items);
    return NULL;
}

static void hear_setd(struct link *self, const struct heard *heard)
{
    struct msg_setd setd;
    struct link_settled settled = {.does = LINK_ACK};
    if (!heard_map(heard, &msg_setd_desc, &setd) || !self->joined ||
        strcmp(setd.name, self->join.name) != 0)
        return;
    for (unsigned i = 0; i < sizeof does_text / sizeof *does_text; i++)
        if (strcmp(setd.does, does_text[i]) == 0)
            settled.does = (enum link_does)i;
    struct link_item *expired = items_take(&setd.expired, &settled.expired_count);
    if (!expired) {
        log_error("broker-said",
                  "message=setd field=expired rule=\"[[lease, position, count], ...]\"");
        return;
    }
    settled.serial = setd.serial == UINT64_MAX ? 0 : setd.serial;
    settled.records = setd.settled;
    settled.expired = expired;
    if (self->options.handlers.settled)
        self->options.handlers.settled(self->options.context, &settled);
    free(expired);
}

static const struct {
    const char *verb;
    void (*hear)(struct link *self, const struct heard *heard);
} verbs[] = {{"DLVR", hear_dlvr}, {"ACKD", hear_ackd}, {"ALIV", hear_aliv}, {"GRNT", hear_grnt},
             {"WELC", hear_welc}, {"OWND", hear_ownd}, {"WAIT", hear_wait}, {"LOST", hear_lost},
             {"REFU", hear_refu}, {"CLOK", hear_clok}, {"SUBD", hear_subd}, {"ASGN", hear_asgn},
             {"JOND", hear_jond}, {"DOND", hear_dond}, {"WORK", hear_work}, {"SETD", hear_setd}};

static void hear(struct link *self, zmq_msg_t *frames, uint32_t count)
{
    size_t size = zmq_msg_size(&frames[0]);
    const uint8_t *data = zmq_msg_data(&frames[0]);
    self->quiet_us = 0;
    for (size_t i = 0; size >= PROTOCOL_VERB_BYTES && i < sizeof verbs / sizeof *verbs; i++)
        if (memcmp(data, verbs[i].verb, PROTOCOL_VERB_BYTES) == 0) {
            struct heard heard = {frames, count, data + PROTOCOL_VERB_BYTES,
                                  size - PROTOCOL_VERB_BYTES};
            verbs[i].hear(self, &heard);
            return;
        }
    log_warn("broker-said", "message=unknown bytes=%zu", size); /* a newer broker */
}

/* ---- the turn ---- */

static bool receive(struct link *self)
{
    zmq_msg_t frames[ZMTP_FRAMES_MAX];
    uint32_t count = 0;
    if (!wire_receive(self->wire, NULL, frames, &count))
        return false;
    hear(self, frames, count);
    for (uint32_t i = 0; i < count; i++)
        zmq_msg_close(&frames[i]);
    return true;
}

static void timers_turn(struct link *self)
{
    int64_t now = clock_mono_us();
    if (self->state == LINK_GREETING && now - self->helo_us >= HELO_EVERY_US)
        send_helo(self, now);
    if (self->state == LINK_CONNECTING && now - self->helo_us >= HELO_EVERY_US)
        self->helo_us = now; /* the wire tries again */
    if (self->state != LINK_WELCOMED)
        return;
    if (self->quiet_us && now - self->quiet_us > SILENCE_BEATS * self->heartbeat_us) {
        log_warn("broker-silent", "for_ms=%" PRId64 " action=reconnect",
                 (now - self->quiet_us) / 1000);
        self->broken = true;
        return;
    }
    if (self->beat_now || now - self->beat_us >= self->heartbeat_us)
        send_beat(self, now);
    if (self->lease_wanted && now >= self->lease_again_us)
        send_lease(self);
    if (self->join_wanted && now >= self->join_again_us)
        send_join(self);
}

static void remake(struct link *self)
{
    self->broken = false;
    went_down(self);
    wire_cut(self->wire);
}

/* Asleep ourselves (stopped, or busy): what the broker said meanwhile may not have come as far as the socket yet. */
static void slept(struct link *self)
{
    int64_t now = clock_mono_us();
    if (self->quiet_us && now - self->turn_us > 2 * self->heartbeat_us)
        self->quiet_us = now;
    self->turn_us = now;
}

void link_turn(struct link *self)
{
    slept(self);
    for (int i = 0; i < TURN_MESSAGES_MAX; i++)
        if (!receive(self))
            break;
    timers_turn(self); /* after what was there to be heard */
    credit_turn(self);
    if (self->broken)
        remake(self);
}

/* ---- what the owner asks ---- */

void link_lease(struct link *self, uint16_t shard, uint16_t shards, const char *env_id)
{
    self->lease_wanted = true;
    bool same = self->shard == shard && self->shards == shards && strcmp(self->env, env_id) == 0;
    self->shard = shard;
    self->shards = shards;
    snprintf(self->env, sizeof self->env, "%s", env_id);
    if (self->state == LINK_WELCOMED && !(self->leasing && same))
        send_lease(self);
}

void link_subscribe(struct link *self, const struct link_input *inputs, uint32_t count,
                    uint64_t from, uint32_t credit_records, uint32_t credit_bytes)
{
    struct pack list = {0};
    uint16_t shards = self->shards ? self->shards : 1;
    if (self->state != LINK_WELCOMED)
        return; /* the streams are not known: to be asked again then */
    self->join_wanted = self->joined = false; /* SUBS leaves it */
    pack_array(&list, count);
    for (uint32_t i = 0; i < count; i++) {
        uint16_t partitions = 0, mine = 0;
        for (uint32_t j = 0; j < self->stream_count; j++)
            if (strcmp(self->streams[j].name, inputs[i].stream) == 0)
                partitions = self->streams[j].partitions;
        for (uint32_t p = 0; p < partitions; p++)
            mine = (uint16_t)(mine + (inputs[i].every_partition || p % shards == self->shard));
        pack_array(&list, 2);
        pack_text(&list, inputs[i].stream);
        pack_array(&list, mine);
        for (uint32_t p = 0; p < partitions; p++)
            if (inputs[i].every_partition || p % shards == self->shard)
                pack_u64(&list, p);
    }
    struct msg_subs subs = {.inputs = {list.data, (uint32_t)list.size},
                            .from = from,
                            .records = credit_records,
                            .bytes = credit_bytes};
    self->window_records = credit_records;
    self->window_bytes = credit_bytes;
    self->subscribed = send_map(self, "SUBS", &msg_subs_desc, &subs);
    self->subs_unanswered += self->subscribed;
    self->subscriptions++;
    self->flying_records = self->flying_bytes = self->owed_records = self->owed_bytes = 0;
    self->lag = UINT64_MAX;
    pack_free(&list);
}

void link_unsubscribe(struct link *self)
{
    self->subscribed = self->join_wanted = self->joined = false;
    self->lag = UINT64_MAX;
    if (self->state == LINK_WELCOMED && !send_bytes(self, "USUB", PROTOCOL_VERB_BYTES))
        self->broken = true;
}

int link_join(struct link *self, const struct link_join *join)
{
    struct message_error error;
    struct msg_join *say = &self->join;
    uint32_t count = 0;
    self->join_wanted = self->joined = self->subscribed = false;
    self->lag = UINT64_MAX;
    self->subscriptions++;
    message_clear(&msg_join_desc, say);
    snprintf(say->name, sizeof say->name, "%s", join->name);
    snprintf(say->kind, sizeof say->kind, "%s", join->kind == LINK_CURSOR ? "cursor" : "group");
    snprintf(say->start, sizeof say->start, "%s", join->start ? join->start : "");
    say->position = join->position > 0 ? join->position : UINT64_MAX;
    say->time = join->time_us > 0 ? join->time_us : MESSAGE_NONE;
    say->records = self->window_records = join->records;
    say->bytes = self->window_bytes = join->bytes;
    say->take = join->take;
    say->lease_us = join->lease_us > 0 ? (uint64_t)join->lease_us : UINT64_MAX;
    say->attempts = join->attempts > 0 ? join->attempts : UINT64_MAX;
    say->open = join->open > 0 ? join->open : UINT64_MAX;
    while (join->streams && join->streams[count])
        count++;
    pack_reset(&self->join_inputs);
    if (count)
        pack_array(&self->join_inputs, count);
    for (uint32_t i = 0; i < count; i++) {
        pack_array(&self->join_inputs, 2);
        pack_text(&self->join_inputs, join->streams[i]);
        pack_text(&self->join_inputs, "*");
    }
    say->inputs = (struct span){self->join_inputs.data, (uint32_t)self->join_inputs.size};
    if (self->join_inputs.failed || strlen(join->name) >= sizeof say->name ||
        message_check(&msg_join_desc, say, &error) != 0) {
        errno = self->join_inputs.failed ? ENOMEM : EINVAL;
        return -1;
    }
    self->join_wanted = true;
    if (self->state == LINK_WELCOMED)
        send_join(self);
    return 0;
}

bool link_done(struct link *self, uint64_t position)
{
    struct msg_done done;
    if (!self->joined || strcmp(self->join.kind, "cursor") != 0)
        return false;
    message_clear(&msg_done_desc, &done);
    snprintf(done.name, sizeof done.name, "%s", self->join.name);
    done.generation = self->generation;
    done.position = position;
    return send_map(self, "DONE", &msg_done_desc, &done);
}

bool link_settle(struct link *self, const struct link_settle *what)
{
    struct msg_setl setl;
    struct pack items = {0};
    if (!self->joined || strcmp(self->join.kind, "group") != 0)
        return false;
    message_clear(&msg_setl_desc, &setl);
    snprintf(setl.name, sizeof setl.name, "%s", self->join.name);
    snprintf(setl.does, sizeof setl.does, "%s", does_text[what->does]);
    snprintf(setl.reason, sizeof setl.reason, "%s", what->reason ? what->reason : "");
    setl.delay_us = what->delay_us > 0 ? (uint64_t)what->delay_us : UINT64_MAX;
    setl.serial = what->serial;
    pack_array(&items, what->count);
    for (uint32_t i = 0; i < what->count; i++) {
        pack_array(&items, 3);
        pack_u64(&items, what->items[i].lease);
        pack_u64(&items, what->items[i].position);
        pack_u64(&items, what->items[i].count);
    }
    setl.items = (struct span){items.data, (uint32_t)items.size};
    bool sent = !items.failed && send_map(self, "SETL", &msg_setl_desc, &setl);
    pack_free(&items);
    return sent;
}

void link_taken(struct link *self, uint32_t records, uint64_t bytes)
{
    if (!self->subscribed)
        return;
    /* Never more than this subscription delivered: the rest was of an earlier one. */
    if (records > self->flying_records)
        records = (uint32_t)self->flying_records;
    if (bytes > self->flying_bytes)
        bytes = self->flying_bytes;
    self->flying_records -= records;
    self->flying_bytes -= bytes;
    if (!credit_owed(self))
        self->owed_us = clock_mono_us();
    self->owed_records += records;
    self->owed_bytes += bytes;
    credit_turn(self);
}

static uint16_t stream_id(struct link *self, const char *name)
{
    if (self->last_stream < self->stream_count &&
        strcmp(self->streams[self->last_stream].name, name) == 0)
        return (uint16_t)(self->last_stream + 1);
    for (uint32_t i = 0; i < self->stream_count; i++)
        if (strcmp(self->streams[i].name, name) == 0) {
            self->last_stream = (uint16_t)i;
            return (uint16_t)(i + 1);
        }
    return 0; /* unknown: the broker says so by name */
}

static bool publish(struct link *self, const struct link_out *batches, uint32_t count, size_t bytes)
{
    zmq_msg_t frames[2], *frame = &frames[0], *bodies = &frames[1];
    if (zmq_msg_init_size(bodies, bytes) != 0)
        return false;
    if (zmq_msg_init_size(frame, PROTOCOL_PUBL_HEAD_BYTES +
                                     count * (size_t)PROTOCOL_DESCRIPTOR_BYTES) != 0) {
        zmq_msg_close(bodies);
        return false;
    }
    uint8_t *at = zmq_msg_data(frame);
    memcpy(at, "PUBL", PROTOCOL_VERB_BYTES);
    put_u32(at + 4, self->producer);
    put_u64(at + 8, self->epoch);
    put_u32(at + 16, count);
    at += PROTOCOL_PUBL_HEAD_BYTES;
    for (uint32_t i = 0; i < count; i++, at += PROTOCOL_DESCRIPTOR_BYTES) {
        struct batch_desc desc = {.stream = stream_id(self, batches[i].stream),
                                  .partition = batches[i].partition,
                                  .count = batches[i].count,
                                  .first_seq = batches[i].first_seq,
                                  .crc = pack_crc32c(0, batches[i].body.data, batches[i].body.size),
                                  .size = batches[i].body.size,
                                  .due_us = batches[i].due_us > 0 ? batches[i].due_us : 0};
        batch_desc_write(&desc, at);
    }
    at = zmq_msg_data(bodies);
    for (uint32_t i = 0; i < count; i++) {
        if (batches[i].body.size)
            memcpy(at, batches[i].body.data, batches[i].body.size);
        at += batches[i].body.size;
    }
    return wire_send(self->wire, NULL, 0, frames, 2);
}

/* The broker would cut the connection over a frame that is too large: it is refused here, as the broker would. */
static void too_large(struct link *self, const struct link_out *batch)
{
    char text[120];
    snprintf(text, sizeof text, "%u bytes, at most %" PRIu64, batch->body.size,
             self->max_batch_bytes);
    log_error("refused", "tag=too-large stream=%s partition=%u why=\"%s\"", batch->stream,
              batch->partition, text);
    if (self->options.handlers.refused)
        self->options.handlers.refused(self->options.context, "too-large", text, batch->stream,
                                       batch->partition, batch->first_seq);
}

bool link_publish(struct link *self, const struct link_out *batches, uint32_t count)
{
    if (!self->granted || count == 0)
        return self->granted;
    uint32_t fit = 0, sent = 0;
    size_t bytes = 0;
    credit_give(self, false);
    for (; fit < count && batches[fit].body.size <= self->max_batch_bytes; fit++) {
        if (fit - sent == PUBLISH_BATCHES_MAX ||
            bytes + batches[fit].body.size > self->max_batch_bytes) {
            if (!publish(self, batches + sent, fit - sent, bytes))
                return false;
            sent = fit;
            bytes = 0;
        }
        bytes += batches[fit].body.size;
    }
    if (fit > sent && !publish(self, batches + sent, fit - sent, bytes))
        return false; /* what was sent is a repeat then */
    if (fit < count)
        too_large(self, &batches[fit]);
    return true;
}

void link_own(struct link *self, const char *stream, uint16_t partition, uint64_t from_seq,
              uint32_t records_max)
{
    struct msg_ownq ask;
    message_clear(&msg_ownq_desc, &ask);
    snprintf(ask.stream, sizeof ask.stream, "%s", stream);
    ask.partition = partition;
    ask.from_seq = from_seq;
    ask.records = records_max;
    (void)send_map(self, "OWNQ", &msg_ownq_desc, &ask);
}

uint32_t link_unanswered(const struct link *self)
{
    return self->beats_out;
}

uint64_t link_lag(const struct link *self)
{
    return self->lag;
}

uint64_t link_passed(const struct link *self)
{
    return self->lag == 0 ? self->head : 0;
}

void link_beat(struct link *self)
{
    if (self->state == LINK_WELCOMED)
        send_beat(self, clock_mono_us());
}

void link_state(struct link *self, const char *state, const char *cause, uint64_t cursor,
                uint64_t steps)
{
    self->beat_now = self->beat_now || strcmp(self->said_state, state) != 0;
    snprintf(self->said_state, sizeof self->said_state, "%s", state);
    snprintf(self->said_cause, sizeof self->said_cause, "%s", cause ? cause : "");
    self->cursor = cursor;
    self->steps = steps;
    if (self->beat_now && self->state == LINK_WELCOMED)
        send_beat(self, clock_mono_us());
}

void link_progress(struct link *self, const struct link_progress *progress)
{
    self->progress = *progress;
    self->progressed = true;
}

void link_member(struct link *self, const char *actor, uint16_t shards, uint32_t capacity)
{
    snprintf(self->member_actor, sizeof self->member_actor, "%s", actor);
    self->member_shards = shards;
    self->member_capacity = capacity;
    if (self->state == LINK_WELCOMED)
        send_member(self);
}

char *link_control(const char *endpoint, const char *words, int timeout_ms)
{
    if (strncmp(endpoint, "ipc://", 6) == 0 && access(endpoint + 6, F_OK) != 0)
        return NULL; /* nobody was ever there: not worth a wait */
    void *context = zmq_ctx_new(), *socket = context ? zmq_socket(context, ZMQ_REQ) : NULL;
    int linger = 0;
    char *text = NULL;
    zmq_msg_t reply;
    zmq_msg_init(&reply);
    if (socket) {
        zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
        zmq_setsockopt(socket, ZMQ_RCVTIMEO, &timeout_ms, sizeof timeout_ms);
        zmq_setsockopt(socket, ZMQ_SNDTIMEO, &timeout_ms, sizeof timeout_ms);
        if (zmq_connect(socket, endpoint) == 0 && zmq_send(socket, words, strlen(words), 0) >= 0 &&
            zmq_msg_recv(&reply, socket, 0) >= 0) {
            text = malloc(zmq_msg_size(&reply) + 1);
            if (text) {
                memcpy(text, zmq_msg_data(&reply), zmq_msg_size(&reply));
                text[zmq_msg_size(&reply)] = '\0';
            }
        }
    }
    int saved = errno;
    zmq_msg_close(&reply);
    if (socket)
        zmq_close(socket);
    if (context)
        zmq_ctx_term(context);
    errno = saved;
    return text;
}
