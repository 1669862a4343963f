#include "broker/zmtp.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    BUFFER_BYTES = 65536,
    GREETING_BYTES = 64,
    COMMAND_BYTES_MAX = 8192,
    QUEUE_FIRST = 16,
    HEAD_BYTES_MAX = 9,
    PING_CONTEXT_MAX = 16,
    PONGS_MAX = 1000, /* who does not read what he asked for is not answered any more */
    FLAG_MORE = 1,
    FLAG_LONG = 2,
    FLAG_COMMAND = 4,
};

struct outgoing {
    zmq_msg_t frame;
    uint8_t head[HEAD_BYTES_MAX], head_size; /* the greeting has none */
};

struct zmtp {
    enum zmtp_role role;
    enum { GREETING, HANDSHAKE, READY } stage;
    enum zmtp_failure failure;
    uint64_t frame_bytes_max;
    /* what came */
    uint8_t *buffer;
    size_t begin, end;
    bool direct;        /* the room last given was the frame's own */
    bool filling, more; /* `frame` is being filled; another one follows it */
    size_t filled;      /* of `frame` */
    zmq_msg_t frame;
    zmq_msg_t frames[ZMTP_FRAMES_MAX]; /* of the message so far */
    uint32_t count;
    /* what is to go: a ring, `capacity` a power of two */
    struct outgoing *queue;
    size_t first, queued, capacity;
    size_t sent; /* of the first: head and body */
};

static uint8_t *peek(const struct zmtp *self)
{
    return self->buffer + self->begin;
}

static size_t there(const struct zmtp *self)
{
    return self->end - self->begin;
}

static int fail(struct zmtp *self, enum zmtp_failure failure)
{
    self->failure = failure;
    return -1;
}

/* ---- what is to go ---- */

static bool queue_grow(struct zmtp *self)
{
    size_t capacity = self->capacity ? 2 * self->capacity : QUEUE_FIRST;
    struct outgoing *queue = malloc(capacity * sizeof *queue);
    if (!queue)
        return false;
    for (size_t i = 0; i < self->queued; i++)
        queue[i] = self->queue[(self->first + i) & (self->capacity - 1)];
    free(self->queue);
    self->queue = queue;
    self->first = 0;
    self->capacity = capacity;
    return true;
}

static struct outgoing *outgoing_at(const struct zmtp *self, size_t i)
{
    return &self->queue[(self->first + i) & (self->capacity - 1)];
}

static void head_write(struct outgoing *out, uint8_t flags, uint64_t size)
{
    if (size < 256) {
        out->head[0] = flags;
        out->head[1] = (uint8_t)size;
        out->head_size = 2;
        return;
    }
    uint64_t wide = htobe64(size);
    out->head[0] = flags | FLAG_LONG;
    memcpy(out->head + 1, &wide, sizeof wide);
    out->head_size = HEAD_BYTES_MAX;
}

bool zmtp_put(struct zmtp *self, zmq_msg_t *frames, uint32_t count)
{
    while (self->capacity - self->queued < count)
        if (!queue_grow(self))
            return false;
    for (uint32_t i = 0; i < count; i++) {
        struct outgoing *out = outgoing_at(self, self->queued);
        head_write(out, i + 1 < count ? FLAG_MORE : 0, zmq_msg_size(&frames[i]));
        zmq_msg_init(&out->frame);
        zmq_msg_move(&out->frame, &frames[i]);
        zmq_msg_close(&frames[i]);
        self->queued++;
    }
    return true;
}

/* Bytes of our own: the greeting as they are, a command with its head. */
static bool put_bytes(struct zmtp *self, const void *bytes, size_t size, bool command)
{
    if (self->capacity == self->queued && !queue_grow(self))
        return false;
    struct outgoing *out = outgoing_at(self, self->queued);
    if (zmq_msg_init_size(&out->frame, size) != 0)
        return false;
    memcpy(zmq_msg_data(&out->frame), bytes, size);
    out->head_size = 0;
    if (command)
        head_write(out, FLAG_COMMAND, size);
    self->queued++;
    return true;
}

size_t zmtp_queued(const struct zmtp *self)
{
    return self->queued;
}

int zmtp_pieces(const struct zmtp *self, struct iovec *pieces, int most)
{
    int count = 0;
    size_t skip = self->sent;
    for (size_t i = 0; i < self->queued && count + 2 <= most; i++, skip = 0) {
        struct outgoing *out = outgoing_at(self, i);
        size_t size = zmq_msg_size(&out->frame);
        if (skip < out->head_size)
            pieces[count++] = (struct iovec){out->head + skip, out->head_size - skip};
        size_t of_body = skip > out->head_size ? skip - out->head_size : 0;
        if (size > of_body)
            pieces[count++] =
                (struct iovec){(uint8_t *)zmq_msg_data(&out->frame) + of_body, size - of_body};
    }
    return count;
}

void zmtp_sent(struct zmtp *self, size_t size)
{
    self->sent += size;
    while (self->queued > 0) {
        struct outgoing *out = outgoing_at(self, 0);
        size_t whole = out->head_size + zmq_msg_size(&out->frame);
        if (self->sent < whole)
            return;
        self->sent -= whole;
        zmq_msg_close(&out->frame);
        self->first = (self->first + 1) & (self->capacity - 1);
        self->queued--;
    }
}

/* ---- greeting and handshake ---- */

static bool put_greeting(struct zmtp *self)
{
    /* Signature, version 3.1, mechanism, as-server (meaningless with NULL), filler. */
    static const uint8_t greeting[GREETING_BYTES] = {0xff, 0,    0, 0, 0,   0,   0,   0,
                                                     1,    0x7f, 3, 1, 'N', 'U', 'L', 'L'};
    return put_bytes(self, greeting, sizeof greeting, false);
}

static bool put_ready(struct zmtp *self)
{
    static const uint8_t dealer[] = "\5READY\13Socket-Type\0\0\0\6DEALER\10Identity\0\0\0";
    static const uint8_t router[] = "\5READY\13Socket-Type\0\0\0\6ROUTER\10Identity\0\0\0";
    /* the NUL that ends the text is the last byte of the identity's size */
    return self->role == ZMTP_DEALER ? put_bytes(self, dealer, sizeof dealer, true)
                                     : put_bytes(self, router, sizeof router, true);
}

/* 1: it is there and right; 0: not all of it yet; -1: it is none. What is wrong is known as soon as it is seen. */
static int greeting_take(struct zmtp *self)
{
    enum { SIGNATURE_END = 9, MAJOR = 10, MECHANISM = 12, MECHANISM_BYTES = 20 };
    static const uint8_t null[MECHANISM_BYTES] = "NULL";
    const uint8_t *at = peek(self);
    size_t size = there(self);
    if ((size > 0 && at[0] != 0xff) || (size > SIGNATURE_END && !(at[SIGNATURE_END] & 1)) ||
        (size > MAJOR && at[MAJOR] < 3))
        return fail(self, ZMTP_BAD);
    if (size < GREETING_BYTES)
        return 0;
    if (memcmp(at + MECHANISM, null, sizeof null) != 0)
        return fail(self, ZMTP_OTHER);
    self->begin += GREETING_BYTES;
    self->stage = HANDSHAKE;
    return put_ready(self) ? 1 : fail(self, ZMTP_BAD);
}

static bool goes_with(enum zmtp_role role, const uint8_t *type, size_t size)
{
    static const char *const TYPES[][3] = {
        [ZMTP_DEALER] = {"ROUTER", "DEALER", "REP"}, [ZMTP_ROUTER] = {"DEALER", "ROUTER", "REQ"}};
    for (int i = 0; i < 3; i++)
        if (strlen(TYPES[role][i]) == size && memcmp(TYPES[role][i], type, size) == 0)
            return true;
    return false;
}

/* READY's properties: name with a size of one byte, value with a size of four. */
static int ready_take(struct zmtp *self, const uint8_t *at, size_t size)
{
    static const char wanted[] = "Socket-Type";
    bool typed = false;
    while (size > 0) {
        size_t name_size = at[0];
        uint32_t value_size;
        if (size < 1 + name_size + sizeof value_size)
            return fail(self, ZMTP_BAD);
        const uint8_t *name = at + 1;
        memcpy(&value_size, name + name_size, sizeof value_size);
        value_size = be32toh(value_size);
        at += 1 + name_size + sizeof value_size;
        size -= 1 + name_size + sizeof value_size;
        if (value_size > size)
            return fail(self, ZMTP_BAD);
        if (name_size == sizeof wanted - 1 &&
            strncasecmp((const char *)name, wanted, name_size) == 0) {
            if (!goes_with(self->role, at, value_size))
                return fail(self, ZMTP_OTHER);
            typed = true;
        }
        at += value_size;
        size -= value_size;
    }
    if (!typed)
        return fail(self, ZMTP_BAD);
    self->stage = READY;
    return 0;
}

static bool named(const uint8_t *at, size_t size, const char *name)
{
    size_t name_size = strlen(name);
    return size > name_size && at[0] == name_size && memcmp(at + 1, name, name_size) == 0;
}

/* 0, or -1. Commands that nobody here knows mean nothing. */
static int command_take(struct zmtp *self, const uint8_t *at, size_t size)
{
    enum { PING_HEAD = 7 }; /* the name, and a time to live that we do not go by */
    if (size == 0 || size < 1u + at[0])
        return fail(self, ZMTP_BAD);
    if (self->stage == HANDSHAKE)
        return named(at, size, "READY") ? ready_take(self, at + 6, size - 6) : fail(self, ZMTP_BAD);
    if (!named(at, size, "PING"))
        return 0;
    uint8_t pong[5 + PING_CONTEXT_MAX] = "\4PONG";
    if (size < PING_HEAD || size > PING_HEAD + PING_CONTEXT_MAX)
        return fail(self, ZMTP_BAD);
    if (self->queued >= PONGS_MAX)
        return 0;
    memcpy(pong + 5, at + PING_HEAD, size - PING_HEAD);
    return put_bytes(self, pong, 5 + size - PING_HEAD, true) ? 0 : fail(self, ZMTP_BAD);
}

/* ---- what came ---- */

void zmtp_room(struct zmtp *self, uint8_t **at, size_t *size)
{
    self->direct = self->filling && zmq_msg_size(&self->frame) - self->filled >= BUFFER_BYTES / 2;
    if (self->direct) { /* the buffer is empty: the frame has had all of it */
        *at = (uint8_t *)zmq_msg_data(&self->frame) + self->filled;
        *size = zmq_msg_size(&self->frame) - self->filled;
        return;
    }
    if (self->begin > 0) {
        memmove(self->buffer, peek(self), there(self));
        self->end -= self->begin;
        self->begin = 0;
    }
    *at = self->buffer + self->end;
    *size = BUFFER_BYTES - self->end;
}

void zmtp_filled(struct zmtp *self, size_t size)
{
    if (self->direct)
        self->filled += size;
    else
        self->end += size;
}

/* 1: a frame was begun, or a command taken; 0: its head, or the command, is not all there; -1. */
static int head_take(struct zmtp *self)
{
    const uint8_t *at = peek(self);
    size_t left = there(self), head = left > 0 && (at[0] & FLAG_LONG) ? HEAD_BYTES_MAX : 2;
    if (left == 0)
        return 0;
    const uint8_t flags = at[0];
    if ((flags & ~(FLAG_MORE | FLAG_LONG | FLAG_COMMAND)) ||
        ((flags & FLAG_COMMAND) && (flags & FLAG_MORE)) ||
        (self->stage == HANDSHAKE && !(flags & FLAG_COMMAND)))
        return fail(self, ZMTP_BAD);
    if (left < head)
        return 0;
    uint64_t size = at[1];
    if (flags & FLAG_LONG) {
        memcpy(&size, at + 1, sizeof size);
        size = be64toh(size);
    }
    if (flags & FLAG_COMMAND) {
        if (size > COMMAND_BYTES_MAX)
            return fail(self, ZMTP_BAD);
        if (left - head < size)
            return 0;
        self->begin += head + size;
        return command_take(self, at + head, size) == 0 ? 1 : -1;
    }
    if (size > self->frame_bytes_max || zmq_msg_init_size(&self->frame, size) != 0)
        return fail(self, ZMTP_TOO_LARGE);
    self->begin += head;
    self->filling = true;
    self->filled = 0;
    self->more = flags & FLAG_MORE;
    return 1;
}

/* True if the frame is whole now. */
static bool frame_fill(struct zmtp *self)
{
    size_t missing = zmq_msg_size(&self->frame) - self->filled;
    size_t part = there(self) < missing ? there(self) : missing;
    if (part)
        memcpy((uint8_t *)zmq_msg_data(&self->frame) + self->filled, peek(self), part);
    self->begin += part;
    self->filled += part;
    return part == missing;
}

static void frame_keep(struct zmtp *self)
{
    self->filling = false;
    if (self->count == ZMTP_FRAMES_MAX) {
        zmq_msg_close(&self->frame);
        return;
    }
    zmq_msg_t *kept = &self->frames[self->count++];
    zmq_msg_init(kept);
    zmq_msg_move(kept, &self->frame);
    zmq_msg_close(&self->frame);
}

int zmtp_next(struct zmtp *self, zmq_msg_t frames[ZMTP_FRAMES_MAX], uint32_t *count)
{
    if (self->failure)
        return -1;
    int moved = self->stage == GREETING ? greeting_take(self) : 1;
    while (moved > 0) {
        moved = self->filling ? 1 : head_take(self);
        if (moved <= 0 || !self->filling)
            continue;
        if (!frame_fill(self))
            return 0;
        frame_keep(self);
        if (self->more)
            continue;
        for (uint32_t i = 0; i < self->count; i++)
            frames[i] = self->frames[i];
        *count = self->count;
        self->count = 0;
        return 1;
    }
    return moved;
}

enum zmtp_failure zmtp_failed(const struct zmtp *self)
{
    return self->failure;
}

bool zmtp_ready(const struct zmtp *self)
{
    return self->stage == READY && !self->failure;
}

struct zmtp *zmtp_new(enum zmtp_role role, uint64_t frame_bytes_max)
{
    struct zmtp *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->role = role;
    self->frame_bytes_max = frame_bytes_max;
    self->buffer = malloc(BUFFER_BYTES);
    if (!self->buffer || !put_greeting(self))
        zmtp_free(&self);
    return self;
}

void zmtp_free(struct zmtp **self_ref)
{
    struct zmtp *self = *self_ref;
    if (!self)
        return;
    for (size_t i = 0; i < self->queued; i++)
        zmq_msg_close(&outgoing_at(self, i)->frame);
    for (uint32_t i = 0; i < self->count; i++)
        zmq_msg_close(&self->frames[i]);
    if (self->filling)
        zmq_msg_close(&self->frame);
    free(self->queue);
    free(self->buffer);
    free(self);
    *self_ref = NULL;
}
