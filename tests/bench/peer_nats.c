/* NATS JetStream through its own C client: publishes with a reply subject (each acknowledgement of the stream comes there), a
 * durable push consumer with a deliver group, one acknowledgement a message. */
#include <nats/nats.h>
#include <stdlib.h>
#include <string.h>

#include "config/clock.h"
#include "tests/bench/peer.h"

#define STREAM "bench"
#define PENDING_MOST 16384

static void good(natsStatus status, const char *what)
{
    if (status != NATS_OK)
        peer_fail(what, natsStatus_GetText(status));
}

static natsConnection *connection_open(const struct peer *self)
{
    char url[64];
    natsConnection *nats;
    natsOptions *options;
    snprintf(url, sizeof url, "nats://127.0.0.1:%d", self->port);
    good(natsOptions_Create(&options), "options");
    good(natsOptions_SetURL(options, url), "options");
    if (self->shape.rate > 0) /* else it is kept for a millisecond, for more to go with it */
        good(natsOptions_SetSendAsap(options, true), "options");
    good(natsConnection_Connect(&nats, options), "connect");
    natsOptions_Destroy(options);
    return nats;
}

/* In a process of its own: the client starts threads, and nothing may be forked behind them. */
static void setup(const struct peer *self)
{
    natsConnection *nats = connection_open(self);
    jsCtx *js;
    jsErrCode code = 0;
    jsStreamConfig stream;
    jsConsumerConfig consumer;
    good(natsConnection_JetStream(&js, nats, NULL), "jetstream");
    (void)js_DeleteStream(js, STREAM, NULL, &code); /* there may be none */
    jsStreamConfig_Init(&stream);
    stream.Name = STREAM;
    stream.Subjects = (const char *[]){STREAM};
    stream.SubjectsLen = 1;
    stream.Storage = js_FileStorage;
    stream.Retention = js_LimitsPolicy;
    good(js_AddStream(NULL, js, &stream, NULL, &code), "add stream");
    if (self->shape.consumers) {
        jsConsumerConfig_Init(&consumer);
        consumer.Durable = "g";
        consumer.DeliverSubject = "deliver";
        consumer.DeliverGroup = "g";
        consumer.AckPolicy = js_AckExplicit;
        consumer.MaxAckPending = PENDING_MOST;
        consumer.AckWait = 60000000000LL;
        good(js_AddConsumer(NULL, js, STREAM, &consumer, NULL, &code), "add consumer");
    }
    jsCtx_Destroy(js);
    natsConnection_Destroy(nats);
}

static void setup_work(struct load *load, uint32_t number, void *context)
{
    (void)number;
    setup(context);
    load_ready(load);
    load_sent(load, 0);
}

void peer_setup(const struct peer *self)
{
    const struct load_shape shape = {.producers = 1, .batch = 1, .window = 1};
    const struct load_work work = {.produce = setup_work, .context = (void *)(uintptr_t)self};
    struct load_result result;
    if (load_run(&shape, &work, NULL, &result) != 0)
        peer_fail("setup", "see above");
}

static uint64_t acks_take(natsSubscription *acks, int64_t wait_us)
{
    natsMsg *reply = NULL;
    uint64_t count = 0;
    while (natsSubscription_NextMsg(&reply, acks, count ? 0 : (wait_us + 999) / 1000) == NATS_OK) {
        static const char begin[] = "{\"stream\"";
        if (strncmp(natsMsg_GetData(reply), begin, sizeof begin - 1) != 0)
            peer_fail("publish", natsMsg_GetData(reply));
        natsMsg_Destroy(reply);
        if (++count == PENDING_MOST)
            break;
    }
    return count;
}

void peer_produce(struct load *load, uint32_t number, void *context)
{
    const struct load_shape *shape = load_shape(load);
    natsConnection *nats = connection_open(context);
    natsSubscription *acks;
    struct peer_times times;
    natsInbox *inbox;
    char *payload = malloc(shape->size);
    (void)number;
    peer_times_open(&times, shape);
    memset(payload, 'x', shape->size);
    good(natsInbox_Create(&inbox), "inbox");
    good(natsConnection_SubscribeSync(&acks, nats, inbox), "subscribe");
    good(natsSubscription_SetPendingLimits(acks, -1, -1), "limits");
    good(natsConnection_Flush(nats), "flush");
    load_ready(load);
    for (bool over = false; !over || times.acked < times.sent;) {
        int64_t wait = -1, now = clock_mono_us();
        over = over || load_ended(load);
        uint32_t messages = over ? 0 : load_allows(load, times.sent, times.acked, &wait);
        load_stamp((uint8_t *)payload + shape->size - LOAD_STAMP_BYTES, now);
        for (uint32_t i = 0; i < messages; i++) {
            good(natsConnection_PublishRequest(nats, STREAM, inbox, payload, (int)shape->size),
                 "publish");
            peer_times_sent(&times, now);
        }
        peer_times_acked(&times, load, acks_take(acks, wait >= 0 ? wait : 100000));
    }
    load_sent(load, times.sent);
    natsConnection_Close(nats);
}

void peer_consume(struct load *load, uint32_t number, void *context)
{
    natsConnection *nats = connection_open(context);
    natsSubscription *deliveries;
    (void)number;
    good(natsConnection_QueueSubscribeSync(&deliveries, nats, "deliver", "g"), "subscribe");
    good(natsSubscription_SetPendingLimits(deliveries, -1, -1), "limits");
    good(natsConnection_Flush(nats), "flush");
    load_ready(load);
    while (!load_all_taken(load)) {
        natsMsg *message = NULL;
        uint64_t count = 0;
        while (count < 512 &&
               natsSubscription_NextMsg(&message, deliveries, count ? 0 : 20) == NATS_OK) {
            const uint8_t *data = (const uint8_t *)natsMsg_GetData(message);
            int size = natsMsg_GetDataLength(message);
            if (size >= LOAD_STAMP_BYTES)
                load_delivery_took(load,
                                   clock_mono_us() - load_stamped(data + size - LOAD_STAMP_BYTES));
            good(natsConnection_PublishString(nats, natsMsg_GetReply(message), "+ACK"), "ack");
            natsMsg_Destroy(message);
            count++;
        }
        if (count)
            load_took(load, count);
    }
    natsConnection_Close(nats);
}
