/* The tap: what was committed, mirrored for any SUB to read. Nothing durable rides on it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "broker/server.h"
#include "schema/record.h"

/* Refused as a whole as soon as one reader's backlog is full, so that we hear of it; or passed by whoever is full. */
static void tap_refuses(void *tap, int refuses)
{
    (void)zmq_setsockopt(tap, ZMQ_XPUB_NODROP, &refuses, sizeof refuses);
}

/* A reader that is full is counted once, and then left out by the socket until it reads again; the others lose nothing. */
void server_tap_send(struct server *self, const char *topic, const struct span *head,
                     const struct span *payload)
{
    void *tap = self->tap.zmq;
    bool full = false;
    self->tap.touched = true;
    if (zmq_send(tap, topic, strlen(topic), ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) {
        if (errno != EAGAIN)
            return;
        full = true;
        self->tap_drops++;
        tap_refuses(tap, 0);
        (void)zmq_send(tap, topic, strlen(topic), ZMQ_SNDMORE | ZMQ_DONTWAIT);
    }
    (void)zmq_send(tap, head->data, head->size, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    (void)zmq_send(tap, payload->data, payload->size, ZMQ_DONTWAIT);
    if (full)
        tap_refuses(tap, 1);
    self->tap_sent++;
}

void server_tap_topic(char *topic)
{
    for (; *topic; topic++)
        if ((unsigned char)*topic < '!' || (unsigned char)*topic > '~')
            *topic = '_';
}

static void head_make(struct pack *head, const struct core_stream *stream,
                      const struct batch_header *header, const struct record *record,
                      uint64_t position)
{
    pack_reset(head);
    pack_map(head, 10);
    pack_text(head, "position");
    pack_u64(head, position);
    pack_text(head, "stream");
    pack_text(head, stream->name);
    pack_text(head, "partition");
    pack_u64(head, header->partition);
    pack_text(head, "key");
    pack_str(head, record->key, record->key_size);
    pack_text(head, "version");
    pack_u64(head, record->version);
    pack_text(head, "parents");
    pack_array(head, record->parent_count);
    for (uint32_t i = 0; i < record->parent_count; i++)
        pack_u64(head, record->parents[i]);
    pack_text(head, "run");
    if (record->run)
        pack_str(head, record->run, record->run_size);
    else
        pack_nil(head);
    pack_text(head, "time_us");
    pack_i64(head, header->time_us);
    pack_text(head, "producer");
    pack_u64(head, header->producer);
    pack_text(head, "epoch");
    pack_u64(head, header->epoch);
}

void server_tap_batch(struct server *self, const struct batch_header *header,
                      const struct span *body)
{
    const struct core_stream *stream = core_stream_by_id(self->core, header->stream);
    struct batch_reader reader;
    struct record record;
    struct pack head = {0};
    const char *rule;
    if (!stream || batch_open(&reader, body->data, body->size, header->count, &rule) != 0)
        return;
    for (uint64_t position = header->base; batch_next(&reader, &record, &rule) == 1; position++) {
        char topic[STREAM_NAME_MAX + RECORD_KEY_MAX + 8];
        snprintf(topic, sizeof topic, "%s.%.*s.", stream->name, (int)record.key_size, record.key);
        server_tap_topic(topic);
        head_make(&head, stream, header, &record, position);
        server_tap_send(self, topic, &(struct span){head.data, (uint32_t)head.size},
                        &record.payload);
    }
    pack_free(&head);
}

#define SUBSCRIPTIONS_MAX 1024 /* a turn */

void server_tap_turn(struct server *self)
{
    uint8_t frame[256];
    int size;
    for (int i = 0; i < SUBSCRIPTIONS_MAX; i++) {
        size = zmq_recv(self->tap.zmq, frame, sizeof frame, ZMQ_DONTWAIT);
        self->tap.touched = size >= 0;
        if (size < 0)
            return;
        if (size > 0 && frame[0] == 1) {
            self->tap_subscribers++;
            server_sys_welcome(self);
        } else if (size > 0 && frame[0] == 0 && self->tap_subscribers) {
            self->tap_subscribers--;
        }
    }
}
