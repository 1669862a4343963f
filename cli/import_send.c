/* Records gather per lane until a batch is full; full batches stand in a queue until they are acknowledged. */
#include "cli/import_send.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/link.h"
#include "config/clock.h"
#include "config/exit.h"
#include "config/fault.h"
#include "config/version.h"
#include "schema/record.h"

enum {
    PUBLISHED_TOGETHER = 64, /* batches */
    BATCH_RECORDS = 512,
    WINDOW = 64, /* batches on their way at most */
    STREAMS_MAX = 16,
    PARTITIONS_MAX = 256,
    SILENCE_US = 60 * 1000000 /* a broker that is away for longer is given up */
};

struct lane {
    uint64_t next_seq;
    struct pack records; /* of the batch being filled */
    uint32_t count;
};
struct stream {
    const struct message_desc *desc; /* NULL: free */
    uint16_t partitions;
    struct lane lanes[PARTITIONS_MAX];
};
struct batch {
    struct batch *next;
    struct stream *stream;
    uint16_t partition;
    uint32_t count;
    uint64_t first_seq;
    struct pack body;
    bool sent;
};

struct import_send {
    struct import_send_options options;
    uint8_t *payload; /* of the record in hand */
    struct link *link;
    char incarnation[64];
    bool welcomed, granted, granted_before;
    uint64_t epoch;
    struct stream streams[STREAMS_MAX];
    struct batch *first, **end; /* not acknowledged yet, oldest first */
    int waiting;
    int64_t heard_us;
    uint64_t own_base; /* answer to link_own; 0 = none yet */
    bool own_ended;
    int code; /* an exit code, once it failed */
    char why[256];
};

static int fail(struct import_send *self, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static int fail(struct import_send *self, int code, const char *fmt, ...)
{
    if (!self->code) {
        va_list args;
        va_start(args, fmt);
        vsnprintf(self->why, sizeof self->why, fmt, args);
        va_end(args);
        self->code = code;
    }
    return self->code;
}

/* ---- what the link tells ---- */

static struct stream *stream_of(struct import_send *self, const char *name)
{
    for (int i = 0; i < STREAMS_MAX && self->streams[i].desc; i++)
        if (!strcmp(self->streams[i].desc->stream, name))
            return &self->streams[i];
    return NULL;
}

static void on_welcome(void *context, const struct link_stream *streams, uint32_t count)
{
    struct import_send *self = context;
    int made = 0;
    self->heard_us = clock_mono_us();
    for (uint32_t i = 0; i < count && !self->welcomed; i++) {
        const struct message_desc *desc = message_of_stream(streams[i].name);
        if (!desc || (strcmp(desc->writer, self->options.writer) != 0 &&
                      strcmp(desc->stream, "ops.run") != 0))
            continue;
        if (made == STREAMS_MAX || streams[i].partitions > PARTITIONS_MAX) {
            fail(self, EXIT_BUG, "more streams or partitions than an import can write");
            return;
        }
        self->streams[made++] = (struct stream){.desc = desc, .partitions = streams[i].partitions};
    }
    self->welcomed = true;
    if (!self->granted) /* a second welcome of the same session takes nothing away */
        link_lease(self->link, 0, 1, self->options.env);
}

static void batch_drop(struct import_send *self, struct batch **at)
{
    struct batch *batch = *at;
    *at = batch->next;
    if (!batch->next)
        self->end = at;
    pack_free(&batch->body);
    free(batch);
    self->waiting--;
}

static void drop_accepted(struct import_send *self, const struct stream *stream, uint16_t partition,
                          uint64_t last_seq)
{
    for (struct batch **at = &self->first; *at;) {
        struct batch *batch = *at;
        if (batch->stream == stream && batch->partition == partition &&
            batch->first_seq + batch->count - 1 <= last_seq)
            batch_drop(self, at);
        else
            at = &batch->next;
    }
}

static void lane_granted(struct import_send *self, const struct link_lane *lane)
{
    struct stream *stream = stream_of(self, lane->stream);
    if (!stream || lane->partition >= stream->partitions)
        return;
    struct lane *known = &stream->lanes[lane->partition];
    if (!self->granted_before)
        known->next_seq = lane->last_seq + 1;
    else if (lane->last_seq >= known->next_seq)
        fail(self, EXIT_AGAIN, "another import took over while the broker was away");
    else
        drop_accepted(self, stream, lane->partition, lane->last_seq);
}

static void on_granted(void *context, const struct link_grant *grant)
{
    struct import_send *self = context;
    for (int i = 0; i < STREAMS_MAX && !self->granted_before; i++)
        for (int p = 0; p < PARTITIONS_MAX; p++)
            self->streams[i].lanes[p].next_seq = 1;
    for (uint32_t i = 0; i < grant->lane_count; i++)
        lane_granted(self, &grant->lanes[i]);
    for (struct batch *batch = self->first; batch; batch = batch->next)
        batch->sent = false;
    self->granted = self->granted_before = true;
    self->epoch = grant->epoch;
    self->heard_us = clock_mono_us();
    link_state(self->link, "ready", "", 0, 0);
}

static void on_waiting(void *context, const char *holder, int64_t retry_us)
{
    struct import_send *self = context;
    (void)holder;
    (void)retry_us;
    self->heard_us = clock_mono_us();
}

static void on_acked(void *context, const char *stream, uint16_t partition, uint64_t last_seq)
{
    struct import_send *self = context;
    const struct stream *known = stream_of(self, stream);
    self->heard_us = clock_mono_us();
    if (known)
        drop_accepted(self, known, partition, last_seq);
}

static void on_refused(void *context, const char *tag, const char *text, const char *stream,
                       uint16_t partition, uint64_t first_seq)
{
    /* A lease of ours that a newer one of ours ended, or a batch behind such a one: what the log has, the next grant says. */
    static const char *const again[] = {"stale-epoch", "not-leased", "no-session", "after-refusal"};
    struct import_send *self = context;
    (void)partition;
    (void)first_seq;
    for (size_t i = 0; i < sizeof again / sizeof *again; i++) {
        if (strcmp(tag, again[i]) != 0)
            continue;
        if (self->granted)
            link_lease(self->link, 0, 1, self->options.env);
        self->granted = false;
        return;
    }
    fail(self, !strcmp(tag, "disk-full") ? EXIT_AGAIN : EXIT_BUG, "the broker refused %s: %s: %s",
         stream[0] ? stream : "a request", tag, text);
}

static void on_own(void *context, const struct link_batch *batch)
{
    struct import_send *self = context;
    if (!batch)
        self->own_ended = true;
    else
        self->own_base = batch->base + batch->count - 1;
}

static void on_lost(void *context, const char *why)
{
    fail(context, EXIT_AGAIN, "another import took over: %s", why);
}

static void on_down(void *context)
{
    struct import_send *self = context;
    self->granted = false;
}

static void on_up(void *context)
{
    struct import_send *self = context;
    self->heard_us = clock_mono_us();
}

/* ---- */

struct import_send *import_send_open(const struct import_send_options *options)
{
    struct import_send *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->options = *options;
    self->end = &self->first;
    self->heard_us = clock_mono_us();
    snprintf(self->incarnation, sizeof self->incarnation, "%d-%lld", (int)getpid(),
             (long long)clock_real_us());
    const struct link_options link_options = {
        .endpoint = options->endpoint,
        .actor = options->writer,
        .host = options->host,
        .incarnation = self->incarnation,
        .code_version = version_code(),
        .config_hash = options->config_hash,
        .handlers = {.welcome = on_welcome,
                     .granted = on_granted,
                     .waiting = on_waiting,
                     .acked = on_acked,
                     .refused = on_refused,
                     .own = on_own,
                     .lost = on_lost,
                     .down = on_down,
                     .up = on_up},
        .context = self,
    };
    self->link = link_open(&link_options);
    self->payload = malloc(options->payload_bytes);
    if (self->link && self->payload)
        return self;
    int error = errno;
    if (self->link)
        link_close(&self->link);
    free(self->payload);
    free(self);
    errno = error;
    return NULL;
}

void import_send_close(struct import_send **self)
{
    if (!*self)
        return;
    link_close(&(*self)->link);
    while ((*self)->first)
        batch_drop(*self, &(*self)->first);
    for (int i = 0; i < STREAMS_MAX; i++)
        for (int p = 0; p < PARTITIONS_MAX; p++)
            pack_free(&(*self)->streams[i].lanes[p].records);
    free((*self)->payload);
    free(*self);
    *self = NULL;
}

const char *import_send_why(const struct import_send *self)
{
    return self->why;
}

uint64_t import_send_epoch(const struct import_send *self)
{
    return self->epoch;
}

/* What is said together goes together: the broker makes it durable at once. */
static void publish_waiting(struct import_send *self)
{
    struct batch *batch = self->first;
    while (batch && batch->sent)
        batch = batch->next;
    while (batch && self->granted) {
        struct link_out out[PUBLISHED_TOGETHER];
        struct batch *next = batch;
        uint32_t count = 0;
        for (; next && count < PUBLISHED_TOGETHER; next = next->next, count++)
            out[count] = (struct link_out){.stream = next->stream->desc->stream,
                                           .partition = next->partition,
                                           .count = next->count,
                                           .first_seq = next->first_seq,
                                           .due_us = CLOCK_NONE,
                                           .body = {next->body.data, (uint32_t)next->body.size}};
        if (!link_publish(self->link, out, count))
            return;
        for (; batch != next; batch = batch->next)
            batch->sent = true;
    }
}

/* One turn of the link: sends what waits, takes what came; waits for it at most `wait_us`. */
static int turn(struct import_send *self, int64_t wait_us)
{
    int64_t own = link_timeout_us(self->link);
    wait_us = own < wait_us ? own : wait_us;
    if (wait_us > 0) {
        struct pollfd fd = {.fd = link_fd(self->link), .events = POLLIN};
        poll(&fd, 1, (int)((wait_us + 999) / 1000));
    }
    link_turn(self->link);
    publish_waiting(self);
    if (self->options.idle)
        self->options.idle(self->options.context);
    if (clock_mono_us() - self->heard_us > SILENCE_US)
        fail(self, EXIT_UNREACHABLE, "the broker does not answer");
    return self->code;
}

int import_send_start(struct import_send *self, int64_t patience_us)
{
    int64_t until = clock_mono_us() + patience_us;
    while (!self->granted && turn(self, 20000) == 0)
        if (clock_mono_us() > until && !self->welcomed)
            fail(self, EXIT_UNREACHABLE, "no broker answers at %s", self->options.endpoint);
    return self->code;
}

static int seal(struct import_send *self, struct stream *stream, uint16_t partition)
{
    struct lane *lane = &stream->lanes[partition];
    struct batch *batch = calloc(1, sizeof *batch);
    if (!batch)
        return fail(self, EXIT_UNREACHABLE, "out of memory");
    fault_hit(FAULT_IMPORT_BATCH);
    batch_head(&batch->body, lane->count, version_code(), self->options.config_hash);
    pack_raw(&batch->body, lane->records.data, lane->records.size);
    batch->stream = stream;
    batch->partition = partition;
    batch->count = lane->count;
    batch->first_seq = lane->next_seq;
    lane->next_seq += lane->count;
    lane->count = 0;
    pack_reset(&lane->records);
    *self->end = batch;
    self->end = &batch->next;
    self->waiting++;
    return batch->body.failed ? fail(self, EXIT_UNREACHABLE, "out of memory") : self->code;
}

static int send_sealed(struct import_send *self)
{
    turn(self, 0);
    while (!self->code && self->waiting > WINDOW)
        turn(self, 20000);
    return self->code;
}

int import_send_add(struct import_send *self, const struct message_desc *desc, const void *message)
{
    struct message_error error;
    const char *rule;
    struct stream *stream = stream_of(self, desc->stream);
    if (self->code)
        return self->code;
    if (!stream)
        return fail(self, EXIT_BUG, "the broker knows no stream %s", desc->stream);
    long size = message_encode(desc, message, self->payload, self->options.payload_bytes, &error);
    if (size < 0)
        return fail(self, EXIT_BUG, "%s.%s: %s", error.message, error.field, error.rule);
    const char *key = (const char *)message + message_field(desc, desc->key)->offset;
    const struct record record = {.key = key,
                                  .key_size = (uint32_t)strlen(key),
                                  .version = desc->version,
                                  .payload = {self->payload, (uint32_t)size}};
    uint16_t partition =
        (uint16_t)record_partition(record.key, record.key_size, stream->partitions);
    struct lane *lane = &stream->lanes[partition];
    if (record_encode(&lane->records, &record, &rule) != 0 || lane->records.failed)
        return fail(self, EXIT_BUG, "%s: %s", desc->name,
                    lane->records.failed ? "out of memory" : rule);
    lane->count++;
    if (lane->count < BATCH_RECORDS)
        return EXIT_OK;
    return seal(self, stream, partition) == EXIT_OK ? send_sealed(self) : self->code;
}

int import_send_flush(struct import_send *self)
{
    for (int i = 0; i < STREAMS_MAX && self->streams[i].desc; i++)
        for (uint16_t p = 0; p < self->streams[i].partitions; p++)
            if (self->streams[i].lanes[p].count > 0 && seal(self, &self->streams[i], p) != 0)
                return self->code;
    publish_waiting(self);
    while (!self->code && self->waiting > 0)
        turn(self, 20000);
    return self->code;
}

int import_send_position(struct import_send *self, const struct message_desc *desc, const char *key,
                         uint64_t *position)
{
    struct stream *stream = stream_of(self, desc->stream);
    uint16_t partition = (uint16_t)record_partition(key, strlen(key), stream->partitions);
    self->own_base = 0;
    while (!self->code && !self->own_base) {
        self->own_ended = false;
        link_own(self->link, desc->stream, partition, stream->lanes[partition].next_seq - 1, 1);
        int64_t again = clock_mono_us() + 1000000;
        while (!self->code && !self->own_ended && clock_mono_us() < again)
            turn(self, 20000);
    }
    *position = self->own_base;
    return self->code;
}
