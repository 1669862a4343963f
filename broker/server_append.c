#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "broker/server.h"
#include "config/fault.h"
#include "config/log.h"
#include "schema/pack.h"

/* ---- rows of the log's meta ---- */

static int stream_put(struct server *self, const struct core_stream *stream)
{
    struct pack row = {0};
    uint8_t key[2];
    put_u16(key, stream->id);
    pack_array(&row, 8);
    pack_text(&row, stream->name);
    pack_u64(&row, stream->partitions);
    pack_u64(&row, stream->records);
    pack_u64(&row, stream->bytes);
    pack_u64(&row, stream->first);
    pack_u64(&row, stream->last);
    pack_array(&row, stream->partitions);
    for (uint32_t i = 0; i < stream->partitions; i++)
        pack_u64(&row, stream->per_partition[i]);
    pack_u64(&row, stream->whole_from);
    int error = row.failed
                    ? LOG_FULL
                    : log_put_meta(self->log, LOG_META_STREAM, key, sizeof key, row.data, row.size);
    pack_free(&row);
    return error;
}

static bool take_text(struct unpack *in, char *out, size_t size)
{
    const char *text;
    uint32_t length;
    if (!unpack_str(in, &text, &length) || length >= size)
        return false;
    memcpy(out, text, length);
    out[length] = '\0';
    return true;
}

static int stream_restore(const struct span *key, const struct span *value, void *context)
{
    struct server *self = context;
    struct unpack in = {value->data, value->size, 0};
    char name[STREAM_NAME_MAX + 1];
    uint32_t fields, counts;
    uint64_t partitions;
    if (key->size != 2 || !unpack_array(&in, &fields) || !take_text(&in, name, sizeof name) ||
        !unpack_u64(&in, &partitions) || partitions == 0 || partitions > UINT16_MAX)
        return LOG_CORRUPT;
    struct core_stream *stream = core_stream_by_id(self->core, get_u16(key->data));
    if (!stream)
        stream = core_stream_add(self->core, name);
    if (!stream || stream->id != get_u16(key->data))
        return LOG_CORRUPT;
    stream->partitions = (uint16_t)partitions;
    if (!stream->per_partition)
        stream->retired = true; /* until the registry names it */
    if (!stream->per_partition)
        stream->per_partition = calloc(partitions, sizeof *stream->per_partition);
    if (!stream->per_partition || !unpack_u64(&in, &stream->records) ||
        !unpack_u64(&in, &stream->bytes) || !unpack_u64(&in, &stream->first) ||
        !unpack_u64(&in, &stream->last) || !unpack_array(&in, &counts) || counts != partitions)
        return LOG_CORRUPT;
    for (uint32_t i = 0; i < counts; i++)
        if (!unpack_u64(&in, &stream->per_partition[i]))
            return LOG_CORRUPT;
    if (fields > 7 && !unpack_u64(&in, &stream->whole_from))
        return LOG_CORRUPT;
    return LOG_OK;
}

static int producer_put(struct server *self, struct core_producer *producer)
{
    struct pack row = {0};
    uint8_t key[4];
    put_u32(key, producer->id);
    pack_array(&row, 14);
    pack_text(&row, producer->actor);
    pack_u64(&row, producer->shard);
    pack_u64(&row, producer->shards);
    pack_u64(&row, producer->epoch);
    pack_text(&row, producer->env);
    pack_text(&row, producer->host);
    pack_text(&row, producer->incarnation);
    pack_u64(&row, producer->pid);
    pack_text(&row, producer->code_version);
    pack_text(&row, producer->config_hash);
    pack_u64(&row, producer->cursor);
    pack_text(&row, producer->used_env);
    pack_u64(&row, producer->keep);
    pack_u64(&row, producer->passed);
    int error = row.failed ? LOG_FULL
                           : log_put_meta(self->log, LOG_META_PRODUCER, key, sizeof key, row.data,
                                          row.size);
    pack_free(&row);
    return error;
}

static int producer_restore(const struct span *key, const struct span *value, void *context)
{
    struct server *self = context;
    struct unpack in = {value->data, value->size, 0};
    char actor[33];
    uint64_t shard, shards, epoch, pid, cursor;
    uint32_t fields;
    if (key->size != 4 || !unpack_array(&in, &fields) || !take_text(&in, actor, sizeof actor) ||
        !unpack_u64(&in, &shard) || !unpack_u64(&in, &shards) || !unpack_u64(&in, &epoch))
        return LOG_CORRUPT;
    struct core_producer *producer = core_producer_get(self->core, actor, (uint16_t)shard);
    if (!producer || producer->id != get_u32(key->data))
        return LOG_CORRUPT;
    if (!take_text(&in, producer->env, sizeof producer->env) ||
        !take_text(&in, producer->host, sizeof producer->host) ||
        !take_text(&in, producer->incarnation, sizeof producer->incarnation) ||
        !unpack_u64(&in, &pid) ||
        !take_text(&in, producer->code_version, sizeof producer->code_version) ||
        !take_text(&in, producer->config_hash, sizeof producer->config_hash) ||
        !unpack_u64(&in, &cursor) ||
        (fields > 11 && !take_text(&in, producer->used_env, sizeof producer->used_env)) ||
        (fields > 12 && !unpack_u64(&in, &producer->keep)) ||
        (fields > 13 && !unpack_u64(&in, &producer->passed)))
        return LOG_CORRUPT;
    memcpy(producer->committed_env, producer->env, sizeof producer->committed_env);
    producer->shards = (uint16_t)shards;
    producer->epoch = producer->committed_epoch = epoch;
    producer->pid = pid;
    producer->cursor = producer->stored_cursor = cursor;
    producer->stored_keep = producer->keep;
    producer->expires_us = self->turn_us + self->settings->broker.lease_us;
    memcpy(producer->state, "gone", sizeof "gone");
    return LOG_OK;
}

static int lane_put(struct server *self, const struct core_producer *producer,
                    const struct core_lane *lane)
{
    uint8_t key[8], value[8];
    put_u32(key, producer->id);
    put_u16(key + 4, lane->stream);
    put_u16(key + 6, lane->partition);
    put_u64(value, lane->last_seq);
    return log_put_meta(self->log, LOG_META_LANE, key, sizeof key, value, sizeof value);
}

static int lane_restore(const struct span *key, const struct span *value, void *context)
{
    struct server *self = context;
    if (key->size != 8 || value->size != 8)
        return LOG_CORRUPT;
    struct core_producer *producer = core_producer_by_id(self->core, get_u32(key->data));
    if (!producer)
        return LOG_CORRUPT;
    struct core_lane *lane =
        core_lane_get(self->core, producer, get_u16(key->data + 4), get_u16(key->data + 6));
    if (!lane)
        return LOG_IO;
    lane->last_seq = lane->committed_seq = get_u64(value->data);
    return LOG_OK;
}

#define SECOND_US INT64_C(1000000)
#define DAY_US (86400 * SECOND_US)

int server_streams(struct server *self, const struct registry *registry)
{
    for (uint32_t i = 1; i <= self->core->stream_count; i++) {
        self->core->streams[i].retired = true;
        self->core->streams[i].writer[0] = '\0';
        self->core->streams[i].retention_age_us = 0;
        self->core->streams[i].retention_bytes = 0;
        self->core->streams[i].retention_latest = false;
    }
    self->retain_rules = false;
    for (uint32_t i = 0; i < registry->count; i++) {
        const struct registry_stream *known = &registry->streams[i];
        struct core_stream *stream = core_stream_by_name(self->core, known->name);
        if (!stream) {
            stream = core_stream_add(self->core, known->name);
            if (!stream) {
                log_error("too-many-streams", "limit=%d", REGISTRY_STREAMS_MAX);
                return -1;
            }
            stream->partitions = known->partitions;
            stream->per_partition = calloc(known->partitions, sizeof *stream->per_partition);
            if (!stream->per_partition)
                return -1;
            stream->dirty = true;
        } else if (stream->partitions != known->partitions) {
            log_warn("partitions-fixed", "stream=%s log=%u registry=%u kept=log", stream->name,
                     stream->partitions, known->partitions);
        }
        stream->retired = false;
        stream->retention_days = known->retention_days;
        stream->retention_age_us = known->retention_s ? (int64_t)known->retention_s * SECOND_US
                                                      : known->retention_days * DAY_US;
        stream->retention_bytes = known->retention_bytes;
        stream->retention_latest = known->retention_latest;
        self->retain_rules = self->retain_rules || stream->retention_age_us > 0 ||
                             stream->retention_bytes > 0 || stream->retention_latest;
        memcpy(stream->writer, known->writer, sizeof stream->writer);
        memcpy(stream->message, known->message, sizeof stream->message);
        stream->version = known->version;
    }
    return 0;
}

int server_restore(struct server *self, const struct registry *registry)
{
    int error = log_each_meta(self->log, LOG_META_STREAM, stream_restore, self);
    if (!error)
        error = log_each_meta(self->log, LOG_META_PRODUCER, producer_restore, self);
    if (!error)
        error = log_each_meta(self->log, LOG_META_LANE, lane_restore, self);
    if (!error)
        error = server_readers_restore(self);
    if (error) {
        log_error("log-unreadable", "why=\"%s\"", log_error_text(error));
        return -1;
    }
    if (server_streams(self, registry) != 0)
        return -1;
    self->core->later_count = log_later_count(self->log);
    return 0;
}

/* ---- the append ---- */

bool server_lookup(void *context, uint32_t producer, uint16_t stream, uint16_t partition,
                   uint64_t seq, uint64_t *first_seq, uint32_t *count, uint32_t *crc)
{
    struct server *self = context;
    struct log_seq found;
    if (log_lane_find(self->log, producer, stream, partition, seq, &found) != LOG_OK)
        return false;
    *first_seq = found.first_seq;
    *count = found.count;
    *crc = found.crc;
    return true;
}

#define FULL_PAUSE_US 500000

/* Want of space, a short write or a failed sync of what would be new leave everything as it was. When the log itself says that it
 * does not know any more what it holds, a new start does: stop. */
static void append_broken(struct server *self, int error)
{
    if (error == LOG_CORRUPT)
        self->failed = self->stopping = true;
}

bool server_append_begin(struct server *self)
{
    if (self->appending)
        return true;
    if (self->turn_us < self->full_until_us)
        return false;
    int error = log_begin(self->log);
    if (error) {
        log_error("append-failed", "why=\"%s\"", log_error_text(error));
        append_broken(self, error);
        self->write_error = error;
        self->full_until_us = self->turn_us + FULL_PAUSE_US;
        return false;
    }
    self->appending = true;
    self->append_error = LOG_OK;
    self->staged_count = 0;
    return true;
}

/* Never back, unless the clock was set: then the new time is the truth, and said once. */
static int64_t append_time_us(const struct server *self)
{
    int64_t now = clock_league_us(), last = log_last_time_us(self->log);
    if (now >= last)
        return now;
    struct clock_anchor anchor;
    clock_league_get(&anchor);
    if ((double)(last - now) <= 5e6 * (anchor.speed > 1 ? anchor.speed : 1))
        return last;
    log_warn("clock-set-back", "from_us=%" PRId64 " to_us=%" PRId64, last, now);
    return now;
}

static int staged_add(struct server *self, const struct batch_header *header)
{
    if (self->staged_count == self->staged_capacity) {
        uint32_t capacity = self->staged_capacity ? self->staged_capacity * 2 : 1024;
        struct staged *grown = realloc(self->staged, capacity * sizeof *grown);
        if (!grown)
            return LOG_FULL;
        self->staged = grown;
        self->staged_capacity = capacity;
    }
    self->staged[self->staged_count++] =
        (struct staged){header->base,  header->stream,   header->partition,
                        header->count, header->producer, header->size};
    return LOG_OK;
}

static void stream_count(struct core_stream *stream, const struct batch_header *header)
{
    if (stream->records == 0)
        stream->first = header->base;
    stream->records += header->count;
    stream->bytes += header->size;
    stream->last = header->base + header->count - 1;
    stream->per_partition[header->partition] += header->count;
    stream->dirty = true;
}

static int position_give(struct server *self, struct batch_header *header, const void *body)
{
    header->base = log_head(self->log);
    int error = log_append(self->log, header, body);
    if (!error)
        error = staged_add(self, header);
    if (!error)
        stream_count(core_stream_by_id(self->core, header->stream), header);
    self->new_bytes += header->size;
    return error;
}

static int append_one(struct server *self, const struct core_producer *producer,
                      const struct batch_desc *desc, const void *body)
{
    struct batch_header header = {.count = desc->count,
                                  .stream = desc->stream,
                                  .partition = desc->partition,
                                  .producer = producer->id,
                                  .size = desc->size,
                                  .epoch = producer->epoch,
                                  .first_seq = desc->first_seq,
                                  .due_us = desc->due_us,
                                  .crc = desc->crc,
                                  .time_us = append_time_us(self)};
    if (desc->due_us > 0) {
        if (desc->due_us < self->next_later_us)
            self->next_later_us = desc->due_us;
        return log_later_put(self->log, &header, body);
    }
    return position_give(self, &header, body);
}

int server_append(struct server *self, const struct core_producer *producer,
                  const struct batch_desc *desc, const void *body)
{
    int error = self->append_error ? self->append_error : append_one(self, producer, desc, body);
    if (error)
        self->append_error = error;
    return error;
}

void server_fire_later(struct server *self)
{
    if (self->next_later_us > clock_league_us() || !clock_league_running())
        return;
    for (int fired = 0; fired < 4096; fired++) {
        int64_t due_us;
        uint64_t id;
        int error = log_later_next(self->log, &due_us, &id);
        self->next_later_us = error == LOG_OK ? due_us : INT64_MAX;
        if (error || due_us > clock_league_us() || !server_append_begin(self))
            return;
        struct batch_header header;
        struct span body;
        error = log_later_take(self->log, due_us, id, &header, &body);
        if (error == LOG_CORRUPT) {
            log_error("later-corrupt", "due_us=%" PRId64 " id=%" PRIu64 " action=set-aside", due_us,
                      id);
            continue;
        }
        header.time_us = append_time_us(self);
        if (!error)
            error = position_give(self, &header, body.data);
        if (error) {
            self->append_error = error;
            return;
        }
    }
}

/* It has said how far it is, or what it needs, since that was stored. */
static bool producer_told(const struct core_producer *producer)
{
    return producer->cursor != producer->stored_cursor || producer->keep != producer->stored_keep;
}

static int dirty_put(struct server *self)
{
    int error = LOG_OK;
    for (uint32_t i = 1; i <= self->core->stream_count && !error; i++)
        if (self->core->streams[i].dirty)
            error = stream_put(self, &self->core->streams[i]);
    for (uint32_t i = 0; i < self->core->producer_count && !error; i++) {
        struct core_producer *producer = self->core->producers[i];
        if (producer->dirty || producer_told(producer))
            error = producer_put(self, producer);
        for (uint32_t j = 0; j < producer->lane_count && !error; j++)
            if (producer->lanes[j].dirty)
                error = lane_put(self, producer, &producer->lanes[j]);
    }
    return error ? error : server_readers_put(self);
}

static void acks_send(struct server *self)
{
    for (struct core_session *session = self->core->sessions; session; session = session->next) {
        struct core_producer *producer = session->producer;
        uint32_t owed = 0;
        bool staged = session->staged;
        session->staged = false;
        if (!producer || !staged)
            continue;
        for (uint32_t i = 0; i < producer->lane_count; i++)
            owed += producer->lanes[i].acked;
        if (!owed)
            continue;
        producer->acks += owed;
        self->acks += owed;
        zmq_msg_t frame;
        if (zmq_msg_init_size(&frame,
                              PROTOCOL_PUBL_HEAD_BYTES + owed * (size_t)PROTOCOL_ACK_BYTES) != 0)
            return;
        uint8_t *at = zmq_msg_data(&frame);
        memcpy(at, "ACKD", PROTOCOL_VERB_BYTES);
        put_u32(at + 4, producer->id);
        put_u64(at + 8, producer->epoch);
        put_u32(at + 16, owed);
        at += PROTOCOL_PUBL_HEAD_BYTES;
        for (uint32_t i = 0; i < producer->lane_count; i++) {
            struct core_lane *lane = &producer->lanes[i];
            if (!lane->acked)
                continue;
            lane->acked = false;
            put_u16(at, lane->stream);
            put_u16(at + 2, lane->partition);
            put_u64(at + 4, lane->last_seq);
            at += PROTOCOL_ACK_BYTES;
        }
        (void)server_send_frames(self, session, &frame, 1);
    }
}

/* Of each lane of the commit the first batch is what subscriptions wait for; the rest they find behind it. */
static void subscriptions_tell(struct server *self)
{
    enum { PARTITIONS = 64 };
    static bool told[REGISTRY_STREAMS_MAX + 1][PARTITIONS];
    for (uint32_t i = 0; i < self->staged_count; i++) {
        const struct staged *staged = &self->staged[i];
        bool counted = staged->partition < PARTITIONS;
        if (counted && told[staged->stream][staged->partition])
            continue;
        bool all = core_appended(self->core, staged->stream, staged->partition, staged->base,
                                 staged->count);
        if (counted)
            told[staged->stream][staged->partition] = all;
    }
    for (uint32_t i = 0; i < self->staged_count; i++)
        if (self->staged[i].partition < PARTITIONS)
            told[self->staged[i].stream][self->staged[i].partition] = false;
}

static void traffic_add(struct core_traffic *traffic, const struct staged *staged)
{
    traffic->batches++;
    traffic->records += staged->count;
    traffic->bytes += staged->bytes;
}

static void staged_count(struct server *self, const struct staged *staged)
{
    struct core_producer *producer = core_producer_by_id(self->core, staged->producer);
    traffic_add(&self->core->streams[staged->stream].appended, staged);
    if (producer)
        traffic_add(&producer->published, staged);
    self->appended_records += staged->count;
    self->appended_bytes += staged->bytes;
}

static void staged_publish(struct server *self)
{
    subscriptions_tell(self);
    for (uint32_t i = 0; i < self->staged_count; i++) {
        const struct staged *staged = &self->staged[i];
        staged_count(self, staged);
        struct batch_header header;
        struct span body;
        if (self->tap_subscribers && log_batch(self->log, staged->base, &header, &body) == LOG_OK)
            server_tap_batch(self, &header, &body);
    }
    log_read_end(self->log);
    self->appended_batches += self->staged_count;
    self->staged_count = 0;
}

static void commit_failed(struct server *self, int error)
{
    log_error("append-failed", "why=\"%s\" batches=%u action=refused", log_error_text(error),
              self->staged_count);
    core_rollback(self->core);
    server_readers_rollback(self);
    (void)log_each_meta(self->log, LOG_META_STREAM, stream_restore,
                        self); /* counters as they were */
    for (uint32_t i = 1; i <= self->core->stream_count; i++)
        if (self->core->streams[i].writer[0])
            self->core->streams[i].retired = false;
    self->staged_count = 0;
    self->granting = false;
    self->next_later_us = 0; /* what fell due in it still is: to be looked up again */
    self->full_until_us = self->turn_us + FULL_PAUSE_US;
    self->write_error = error;
    append_broken(self, error);
    for (struct core_session *session = self->core->sessions; session; session = session->next) {
        if (session->staged)
            server_refuse(self, session, "PUBL", REFUSAL_DISK_FULL, NULL, "%s",
                          log_error_text(error));
        session->staged = false;
    }
}

static void roll_if_due(struct server *self)
{
    if (!log_roll_due(self->log) || self->turn_us - self->roll_failed_us < 1000000)
        return;
    int error = log_roll(self->log);
    if (error) {
        log_error("roll-failed", "why=\"%s\"", log_error_text(error));
        self->roll_failed_us = self->turn_us;
    } else {
        log_info("rolled", "segments=%u head=%" PRIu64, log_segments(self->log),
                 log_head(self->log));
    }
}

static int log_commit_timed(struct server *self)
{
    int64_t began_us = clock_mono_us();
    int error = log_commit(self->log);
    if (!error) {
        server_spread_add(&self->sync, (uint64_t)(clock_mono_us() - began_us));
        server_spread_add(&self->group, self->staged_count);
    }
    return error;
}

void server_commit(struct server *self)
{
    log_read_end(self->log); /* readers opened before the commit would not see it */
    if (self->appending) {
        if (self->granting)
            fault_hit(FAULT_LEASE_BEFORE_GRANT);
        int error = self->append_error ? self->append_error : dirty_put(self);
        if (error)
            log_abort(self->log);
        else
            error = log_commit_timed(self);
        self->appending = false;
        if (error) {
            commit_failed(self, error);
            return;
        }
        self->commits++;
        self->write_error = LOG_OK;
        self->appended_us = self->turn_us;
        for (uint32_t i = 0; i < self->core->producer_count; i++) {
            self->core->producers[i]->stored_cursor = self->core->producers[i]->cursor;
            self->core->producers[i]->stored_keep = self->core->producers[i]->keep;
        }
        core_commit(self->core);
        server_readers_commit(self);
        if (self->granting)
            fault_hit(FAULT_LEASE_GRANTED);
    }
    acks_send(self);
    server_readers_answer(self);
    if (self->granting)
        server_tell_grants(self);
    self->granting = false;
    self->head = log_head(self->log);
    staged_publish(self);
    self->core->later_count = self->core->later_committed = log_later_count(self->log);
    roll_if_due(self);
}

/* Readers of other processes see what is in segments: soon when there is time for it, and not much later when there is none. */
#define CHECKPOINT_IDLE_US 20000
#define CHECKPOINT_LATE_US 1000000
#define CHECKPOINT_AGAIN_US 1000000
#define TIDY_AGAIN_US 10000000

int64_t server_checkpoint_wait_us(const struct server *self)
{
    if (!self->behind_us)
        return INT64_MAX;
    int64_t idle_us = self->appended_us + CHECKPOINT_IDLE_US;
    int64_t late_us = self->behind_us + CHECKPOINT_LATE_US;
    int64_t due_us = idle_us < late_us ? idle_us : late_us;
    if (due_us < self->checkpoint_us)
        due_us = self->checkpoint_us;
    return due_us > self->turn_us ? due_us - self->turn_us : 0;
}

void server_checkpoint_turn(struct server *self)
{
    if (log_behind(self->log) == 0)
        self->behind_us = 0;
    else if (!self->behind_us)
        self->behind_us = self->turn_us;
    if (server_checkpoint_wait_us(self) > 0)
        return;
    int error = log_checkpoint(self->log);
    if (error) {
        log_warn("checkpoint-failed", "why=\"%s\" action=kept-in-journal", log_error_text(error));
        self->checkpoint_us = self->turn_us + CHECKPOINT_AGAIN_US;
        append_broken(self, error);
        return;
    }
    self->checkpoints++;
    self->behind_us = 0;
}

/* Files of one segment a turn, so that nobody waits for more than one. */
void server_tidy_turn(struct server *self)
{
    if (self->turn_us < self->tidy_us || log_tidy(self->log) != LOG_IO)
        return;
    log_warn("segment-left", "why=\"%s\" action=tried-again", strerror(errno));
    self->tidy_us = self->turn_us + TIDY_AGAIN_US;
}

void server_store_cursors(struct server *self)
{
    for (uint32_t i = 0; i < self->core->producer_count; i++)
        if (self->core->producers[i]->dirty || producer_told(self->core->producers[i])) {
            if (server_append_begin(self))
                server_commit(self);
            break;
        }
    if (server_readers_stale(self) && server_append_begin(self))
        server_commit(self);
}
