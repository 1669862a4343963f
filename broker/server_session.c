/* What peers say: one handler per verb, in a table. Whatever is wrong is refused by name and disturbs nobody else. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/server.h"
#include "config/log.h"

/* ---- answers ---- */

bool server_send_frames(struct server *self, struct core_session *session, zmq_msg_t *frames,
                        uint32_t count)
{
    if (!session->gone && self->send(self, session, frames, count))
        return true;
    for (uint32_t i = 0; session->gone && i < count; i++)
        zmq_msg_close(&frames[i]);
    session->gone = true;
    return false;
}

bool server_map_frame(const char *verb, const struct message_desc *desc, const void *message,
                      zmq_msg_t *out)
{
    struct message_error error;
    size_t most = message_size_max(desc, message);
    zmq_msg_t frame;
    if (zmq_msg_init_size(&frame, PROTOCOL_VERB_BYTES + most) != 0)
        return false;
    uint8_t *at = zmq_msg_data(&frame);
    memcpy(at, verb, PROTOCOL_VERB_BYTES);
    long size = message_encode(desc, message, at + PROTOCOL_VERB_BYTES, most, &error);
    if (size < 0) {
        log_error("reply-invalid", "verb=%s field=%s rule=\"%s\"", verb, error.field, error.rule);
        zmq_msg_close(&frame);
        return false;
    }
    /* zmq cannot shrink a message */
    bool made = zmq_msg_init_size(out, PROTOCOL_VERB_BYTES + (size_t)size) == 0;
    if (made)
        memcpy(zmq_msg_data(out), at, PROTOCOL_VERB_BYTES + (size_t)size);
    zmq_msg_close(&frame);
    return made;
}

void server_send_map(struct server *self, struct core_session *session, const char *verb,
                     const struct message_desc *desc, const void *message)
{
    zmq_msg_t frame;
    if (server_map_frame(verb, desc, message, &frame))
        (void)server_send_frames(self, session, &frame, 1);
}

void server_refuse(struct server *self, struct core_session *session, const char *verb,
                   enum refusal refusal, const struct batch_desc *batch, const char *fmt, ...)
{
    struct msg_refu refu;
    message_clear(&msg_refu_desc, &refu);
    va_list args;
    va_start(args, fmt);
    vsnprintf(refu.text, sizeof refu.text, fmt, args);
    va_end(args);
    snprintf(refu.tag, sizeof refu.tag, "%s", refusal_text(refusal));
    snprintf(refu.verb, sizeof refu.verb, "%.4s", verb);
    if (batch) {
        const struct core_stream *stream = core_stream_by_id(self->core, batch->stream);
        snprintf(refu.stream, sizeof refu.stream, "%s", stream ? stream->name : "");
        refu.partition = batch->partition;
        refu.first_seq = batch->first_seq;
    }
    for (char *at = refu.text; *at; at++) /* may quote a peer's bytes */
        if ((unsigned char)*at < ' ' || (unsigned char)*at > '~')
            *at = '?';
    for (char *at = refu.verb; *at; at++)
        if ((unsigned char)*at < ' ' || (unsigned char)*at > '~')
            *at = '?';
    if (core_refused(self->core, session, refusal))
        log_warn("refused", "tag=%s verb=%s actor=%s host=%s why=\"%s\"", refu.tag, refu.verb,
                 session->actor[0] ? session->actor : "?", session->host[0] ? session->host : "?",
                 refu.text);
    server_send_map(self, session, "REFU", &msg_refu_desc, &refu);
}

static void clock_fill(int64_t *league_us, int64_t *real_us, double *speed, bool *running)
{
    struct clock_anchor anchor;
    clock_league_get(&anchor);
    *league_us = anchor.league_us;
    *real_us = anchor.real_us;
    *speed = anchor.speed;
    *running = anchor.running;
}

void server_tell_clock(struct server *self)
{
    struct msg_clok clok;
    message_clear(&msg_clok_desc, &clok);
    clock_fill(&clok.league_us, &clok.real_us, &clok.speed, &clok.running);
    for (struct core_session *session = self->core->sessions; session; session = session->next)
        if (session->welcomed)
            server_send_map(self, session, "CLOK", &msg_clok_desc, &clok);
}

/* ---- handlers ---- */

struct said {
    const char *verb;
    const uint8_t *rest; /* frame 0 behind the verb */
    size_t rest_size;
    zmq_msg_t *frames; /* all of them */
    uint32_t count;
};

static bool said_map(struct server *self, struct core_session *session, const struct said *said,
                     const struct message_desc *desc, void *message)
{
    struct message_error error;
    if (message_decode(desc, said->rest, said->rest_size, message, &error) == 0)
        return true;
    server_refuse(self, session, said->verb, REFUSAL_BAD_FRAME, NULL, "%s.%s: %s", desc->name,
                  error.field, error.rule);
    return false;
}

static void take_helo(struct server *self, struct core_session *session, const struct said *said)
{
    struct msg_helo helo;
    if (!said_map(self, session, said, &msg_helo_desc, &helo))
        return;
    if (helo.protocol != PROTOCOL_VERSION) {
        server_refuse(self, session, "HELO", REFUSAL_PROTOCOL_VERSION, NULL,
                      "protocol %" PRIu64 "; spoken here: %d", helo.protocol, PROTOCOL_VERSION);
        return;
    }
    server_leave(self, session); /* who says HELO begins anew */
    if (session->producer && (strcmp(session->actor, helo.actor) != 0 ||
                              strcmp(session->incarnation, helo.incarnation) != 0)) {
        session->producer->holder = NULL; /* another process behind the same connection */
        session->producer = NULL;
        core_unsubscribe(session);
    }
    snprintf(session->actor, sizeof session->actor, "%s", helo.actor);
    snprintf(session->host, sizeof session->host, "%s", helo.host);
    snprintf(session->incarnation, sizeof session->incarnation, "%s", helo.incarnation);
    snprintf(session->code_version, sizeof session->code_version, "%s", helo.code_version);
    snprintf(session->config_hash, sizeof session->config_hash, "%s", helo.config_hash);
    session->pid = helo.pid == UINT64_MAX ? 0 : helo.pid;
    session->welcomed = true;
    struct msg_welc welc;
    message_clear(&msg_welc_desc, &welc);
    struct pack list = {0};
    pack_array(&list, self->core->stream_count);
    for (uint32_t i = 1; i <= self->core->stream_count; i++) {
        const struct core_stream *stream = &self->core->streams[i];
        pack_array(&list, 4);
        pack_u64(&list, stream->id);
        pack_text(&list, stream->name);
        pack_text(&list, stream->writer);
        pack_u64(&list, stream->partitions);
    }
    welc.protocol = PROTOCOL_VERSION;
    snprintf(welc.broker, sizeof welc.broker, "%.62s", self->instance);
    welc.streams = (struct span){list.data, (uint32_t)list.size};
    welc.heartbeat_us = (uint64_t)self->settings->broker.heartbeat_us;
    welc.lease_us = (uint64_t)self->settings->broker.lease_us;
    welc.max_batch_bytes = (uint64_t)self->settings->broker.max_batch_bytes;
    clock_fill(&welc.league_us, &welc.real_us, &welc.speed, &welc.running);
    server_send_map(self, session, "WELC", &msg_welc_desc, &welc);
    pack_free(&list);
}

static void take_leas(struct server *self, struct core_session *session, const struct said *said)
{
    struct msg_leas leas;
    if (!said_map(self, session, said, &msg_leas_desc, &leas))
        return;
    if (strcmp(leas.actor, session->actor) != 0) {
        server_refuse(self, session, "LEAS", REFUSAL_NOT_LEASED, NULL,
                      "%s asks for the lease of %s", session->actor, leas.actor);
        return;
    }
    if (!server_append_begin(self)) {
        server_refuse(self, session, "LEAS", REFUSAL_DISK_FULL, NULL,
                      "the log cannot be written now");
        return;
    }
    session->staged = true;
    struct core_session *old;
    struct msg_wait wait;
    int64_t retry_us;
    message_clear(&msg_wait_desc, &wait);
    if (core_lease(self->core, session, &leas, self->turn_us, &old, &retry_us, wait.holder)) {
        self->granting = true;
        log_info("leased", "shard=%s.%u epoch=%" PRIu64 " host=%s pid=%" PRIu64, leas.actor,
                 (unsigned)leas.shard, session->producer->epoch, session->host, session->pid);
        if (old) {
            struct msg_lost lost;
            message_clear(&msg_lost_desc, &lost);
            snprintf(lost.why, sizeof lost.why,
                     "epoch %" PRIu64 " was given to pid %" PRIu64 " on %s",
                     session->producer->epoch, session->pid, session->host);
            server_send_map(self, old, "LOST", &msg_lost_desc, &lost);
        }
        return;
    }
    wait.retry_us = (uint64_t)retry_us;
    server_send_map(self, session, "WAIT", &msg_wait_desc, &wait);
}

static void grant_tell(struct server *self, struct core_session *session,
                       struct core_producer *producer, const char *last_env)
{
    struct msg_grnt grnt;
    struct pack lanes = {0};
    message_clear(&msg_grnt_desc, &grnt);
    pack_array(&lanes, producer->lane_count);
    for (uint32_t i = 0; i < producer->lane_count; i++) {
        pack_array(&lanes, 3);
        pack_u64(&lanes, producer->lanes[i].stream);
        pack_u64(&lanes, producer->lanes[i].partition);
        pack_u64(&lanes, producer->lanes[i].last_seq);
    }
    grnt.shard = producer->shard;
    grnt.producer = producer->id;
    grnt.epoch = producer->epoch;
    grnt.cursor = producer->cursor;
    grnt.head = log_head(self->log);
    grnt.first = log_first(self->log);
    snprintf(grnt.last_env, sizeof grnt.last_env, "%s", last_env);
    grnt.lease_us = (uint64_t)self->settings->broker.lease_us;
    grnt.lanes = (struct span){lanes.data, (uint32_t)lanes.size};
    server_send_map(self, session, "GRNT", &msg_grnt_desc, &grnt);
    pack_free(&lanes);
    server_sys_lease(self, producer);
}

void server_tell_grants(struct server *self)
{
    for (struct core_session *session = self->core->sessions; session; session = session->next)
        if (session->producer && session->producer->untold) {
            session->producer->untold = false;
            grant_tell(self, session, session->producer, session->producer->last_env);
        }
}

static void take_beat(struct server *self, struct core_session *session, const struct said *said)
{
    struct msg_beat beat;
    if (!said_map(self, session, said, &msg_beat_desc, &beat))
        return;
    core_beat(self->core, session, &beat, self->turn_us);
    struct msg_aliv aliv = {.head = self->head,
                            .lag =
                                session->sub.live ? core_sub_lag(self->core, session) : UINT64_MAX};
    server_send_map(self, session, "ALIV", &msg_aliv_desc, &aliv);
    server_sys_heartbeat(self, session);
}

static void take_subs(struct server *self, struct core_session *session, const struct said *said)
{
    struct msg_subs subs;
    if (!said_map(self, session, said, &msg_subs_desc, &subs))
        return;
    server_leave(self, session);
    server_subscribe(self, session, &subs);
}

static void take_usub(struct server *self, struct core_session *session, const struct said *said)
{
    (void)said;
    server_leave(self, session);
    core_unsubscribe(session);
}

static void take_join(struct server *self, struct core_session *session, const struct said *said)
{
    struct msg_join join;
    if (said_map(self, session, said, &msg_join_desc, &join))
        server_join(self, session, &join);
}

static void take_done(struct server *self, struct core_session *session, const struct said *said)
{
    struct msg_done done;
    if (said_map(self, session, said, &msg_done_desc, &done))
        server_done(self, session, &done);
}

static void take_setl(struct server *self, struct core_session *session, const struct said *said)
{
    struct msg_setl setl;
    if (said_map(self, session, said, &msg_setl_desc, &setl))
        server_settle(self, session, &setl);
}

static void take_cred(struct server *self, struct core_session *session, const struct said *said)
{
    if (said->rest_size != 8)
        server_refuse(self, session, "CRED", REFUSAL_BAD_FRAME, NULL, "CRED is 12 bytes, not %zu",
                      said->rest_size + 4);
    else
        core_credit(session, get_u32(said->rest), get_u32(said->rest + 4));
}

static void take_ownq(struct server *self, struct core_session *session, const struct said *said)
{
    struct msg_ownq ask;
    if (said_map(self, session, said, &msg_ownq_desc, &ask))
        server_own(self, session, &ask);
}

static void take_memb(struct server *self, struct core_session *session, const struct said *said)
{
    struct msg_memb memb;
    if (said_map(self, session, said, &msg_memb_desc, &memb))
        server_member(self, session, &memb);
}

static void take_gbye(struct server *self, struct core_session *session, const struct said *said)
{
    (void)said;
    core_session_drop(self->core, session, true);
    if (self->members.count > 0)
        server_members_turn(self);
}

/* Array of count + 2, whatever form its head has: all the broker looks at in a body. */
static bool body_counts(const uint8_t *body, size_t size, uint32_t count)
{
    struct unpack in = {body, size, 0};
    uint32_t items;
    return unpack_array(&in, &items) && items == count + 2;
}

static enum refusal batch_take(struct server *self, struct core_session *session, uint32_t producer,
                               uint64_t epoch, const struct batch_desc *desc, const uint8_t *data)
{
    if (desc->size > (uint64_t)self->settings->broker.max_batch_bytes)
        return REFUSAL_TOO_LARGE;
    if (pack_crc32c(0, data, desc->size) != desc->crc)
        return REFUSAL_BAD_CRC;
    if (!body_counts(data, desc->size, desc->count))
        return REFUSAL_BAD_COUNT;
    bool duplicate;
    enum refusal refusal = core_publish(self->core, session, producer, epoch, desc, &duplicate);
    if (refusal != REFUSAL_NONE || duplicate)
        return refusal;
    (void)server_append(self, session->producer, desc, data); /* its error is the whole append's */
    return REFUSAL_NONE;
}

static uint64_t bodies_size(const struct said *said, uint32_t batches)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < batches; i++) {
        struct batch_desc desc;
        batch_desc_read(&desc, said->rest + 16 + i * (size_t)PROTOCOL_DESCRIPTOR_BYTES);
        sum += desc.size;
    }
    return sum;
}

static void take_publ(struct server *self, struct core_session *session, const struct said *said)
{
    uint32_t batches = said->rest_size >= 16 ? get_u32(said->rest + 12) : 0;
    if (batches == 0 || said->count != 2 ||
        said->rest_size != 16 + batches * (uint64_t)PROTOCOL_DESCRIPTOR_BYTES ||
        bodies_size(said, batches) != zmq_msg_size(&said->frames[1])) {
        server_refuse(self, session, "PUBL", REFUSAL_BAD_FRAME, NULL,
                      "%u descriptors in %zu bytes, %u frames, sizes that add up", batches,
                      said->rest_size, said->count);
        return;
    }
    if (!server_append_begin(self)) {
        server_refuse(self, session, "PUBL", REFUSAL_DISK_FULL, NULL,
                      "the log cannot be written now");
        return;
    }
    uint32_t producer = get_u32(said->rest);
    uint64_t epoch = get_u64(said->rest + 4);
    bool refused = false;
    const uint8_t *body = zmq_msg_data(&said->frames[1]);
    session->staged = true;
    for (uint32_t i = 0; i < batches; i++) {
        struct batch_desc desc;
        batch_desc_read(&desc, said->rest + 16 + i * (size_t)PROTOCOL_DESCRIPTOR_BYTES);
        enum refusal refusal = REFUSAL_AFTER_REFUSAL;
        if (!refused)
            refusal = batch_take(self, session, producer, epoch, &desc, body);
        body += desc.size;
        if (refusal == REFUSAL_NONE)
            continue;
        refused = true;
        server_refuse(self, session, "PUBL", refusal, &desc,
                      "producer %" PRIu32 " epoch %" PRIu64
                      " stream %u partition %u sequence %" PRIu64 "+%" PRIu32 " %" PRIu32 " bytes",
                      producer, epoch, desc.stream, desc.partition, desc.first_seq, desc.count,
                      desc.size);
        if (refusal == REFUSAL_AFTER_REFUSAL)
            return; /* said once for all the rest */
    }
}

struct verb {
    const char *name;
    void (*take)(struct server *self, struct core_session *session, const struct said *said);
    bool before_helo;
};
static const struct verb verbs[] = {
    {"PUBL", take_publ, false}, {"CRED", take_cred, false}, {"BEAT", take_beat, false},
    {"SUBS", take_subs, false}, {"HELO", take_helo, true},  {"LEAS", take_leas, false},
    {"OWNQ", take_ownq, false}, {"USUB", take_usub, false}, {"GBYE", take_gbye, true},
    {"MEMB", take_memb, false}, {"JOIN", take_join, false}, {"DONE", take_done, false},
    {"SETL", take_setl, false},
};

static void stranger_refuse(struct server *self, const uint8_t *peer, size_t peer_size)
{
    struct core_session stranger = {.peer_size = peer_size};
    if (peer_size > sizeof stranger.peer)
        return;
    memcpy(stranger.peer, peer, peer_size);
    if (self->core->refused[REFUSAL_TOO_MANY]) /* logged once, not for each */
        stranger.refused_tags = UINT32_C(1) << REFUSAL_TOO_MANY;
    server_refuse(self, &stranger, "", REFUSAL_TOO_MANY, NULL, "%u sessions, and no more",
                  self->core->session_count);
}

void server_take(struct server *self, const uint8_t *peer, size_t peer_size, zmq_msg_t *frames,
                 uint32_t count)
{
    struct core_session *session = core_session_get(self->core, peer, peer_size, self->turn_us);
    if (!session) {
        stranger_refuse(self, peer, peer_size);
        return;
    }
    size_t size = count ? zmq_msg_size(&frames[0]) : 0;
    if (size < PROTOCOL_VERB_BYTES) {
        server_refuse(self, session, "", REFUSAL_BAD_FRAME, NULL,
                      "a frame of %zu bytes has no verb", size);
        return;
    }
    const uint8_t *data = zmq_msg_data(&frames[0]);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (memcmp(data, verbs[i].name, PROTOCOL_VERB_BYTES) != 0)
            continue;
        struct said said = {verbs[i].name, data + PROTOCOL_VERB_BYTES, size - PROTOCOL_VERB_BYTES,
                            frames, count};
        if (!session->welcomed && !verbs[i].before_helo)
            server_refuse(self, session, said.verb, REFUSAL_NO_SESSION, NULL, "say HELO first");
        else if (count > 1 && verbs[i].take != take_publ)
            server_refuse(self, session, said.verb, REFUSAL_BAD_FRAME, NULL,
                          "%s has one frame, not %u", said.verb, count);
        else
            verbs[i].take(self, session, &said);
        return;
    }
    server_refuse(self, session, (const char *)data, REFUSAL_BAD_FRAME, NULL, "unknown verb");
}
