#include "tests/simulate/net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

#include "broker/wire.h"

enum { FRAMES_MAX = ZMTP_FRAMES_MAX, NAME_MAX_BYTES = 200 };

struct message {
    struct message *next;
    int64_t at_us;
    uint32_t count, read;
    uint32_t from;         /* to a ROUTER: which DEALER said it */
    enum wire_event event; /* of no frames: what happened to the connection */
    zmq_msg_t frames[FRAMES_MAX];
};
/* One of libzmq's, or a wire: a ROUTER or a DEALER. */
struct wire {
    struct wire *next;
    uint32_t process, id;
    int type, fd;
    char name[NAME_MAX_BYTES]; /* endpoint */
    struct wire_options options;
    struct wire *router; /* of a DEALER that is connected */
    bool pending;
    struct message *first, *last; /* arrived, or on their way */
};

static struct net_hooks hooks;
static struct wire *sockets;
static uint32_t next_id;
static uint64_t sent;
static bool more; /* behind the frame last read */

static int64_t now(void)
{
    return hooks.now_us ? hooks.now_us() : 0;
}

static uint32_t caller(void)
{
    return hooks.process ? hooks.process() : 0;
}

static void calls(const char *what)
{
    if (hooks.call)
        hooks.call(what);
}

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

/* ---- messages ---- */

static void message_free(struct message *message)
{
    for (uint32_t i = message ? message->read : 0; message && i < message->count; i++)
        zmq_msg_close(&message->frames[i]);
    free(message);
}

static void put(struct wire *to, struct message *message, int64_t at_us)
{
    message->at_us = to->last && to->last->at_us > at_us ? to->last->at_us : at_us;
    message->next = NULL;
    if (to->last)
        to->last->next = message;
    else
        to->first = message;
    to->last = message;
}

static bool arrived(const struct wire *self)
{
    return self->first && self->first->at_us <= now();
}

static void take_first(struct wire *self)
{
    struct message *message = self->first;
    self->first = message->next;
    if (!self->first)
        self->last = NULL;
    message_free(message);
}

/* Loses what has not arrived. */
static void lose(struct wire *self)
{
    struct message **link = &self->first;
    self->last = NULL;
    while (*link) {
        struct message *message = *link;
        if (message->at_us <= now() || message->read > 0) {
            self->last = message;
            link = &message->next;
            continue;
        }
        *link = message->next;
        message_free(message);
    }
}

static void event(struct wire *of, enum wire_event event)
{
    struct message *message = must(calloc(1, sizeof *message));
    message->event = event;
    put(of, message, now());
}

/* ---- connections ---- */

static void connection_try(struct wire *dealer)
{
    for (struct wire *at = sockets; at && !dealer->router; at = at->next)
        if (at->type == ZMQ_ROUTER && strcmp(at->name, dealer->name) == 0) {
            dealer->router = at;
            dealer->id = ++next_id;
            event(dealer, WIRE_READY);
        }
}

static void connection_fall(struct wire *dealer)
{
    if (!dealer->router)
        return;
    dealer->router = NULL;
    lose(dealer);
    event(dealer, WIRE_DISCONNECTED);
}

void net_cut(uint32_t process)
{
    for (struct wire *at = sockets; at; at = at->next)
        if (at->type == ZMQ_DEALER && at->router &&
            (at->process == process || at->router->process == process)) {
            connection_fall(at);
            connection_try(at);
        }
}

static void socket_free(struct wire *self)
{
    for (struct wire **link = &sockets; *link; link = &(*link)->next)
        if (*link == self) {
            *link = self->next;
            break;
        }
    for (struct wire *at = sockets; at; at = at->next)
        if (at->router == self)
            connection_fall(at);
    while (self->first) {
        struct message *next = self->first->next;
        message_free(self->first);
        self->first = next;
    }
    close(self->fd);
    free(self);
}

void net_end(uint32_t process)
{
    for (struct wire *at = sockets; at;) {
        struct wire *gone = at;
        at = at->next;
        if (gone->process == process) {
            socket_free(gone);
            at = sockets;
        }
    }
}

void net_open(const struct net_hooks *these)
{
    net_close();
    hooks = *these;
    next_id = 0;
    sent = 0;
}

void net_close(void)
{
    while (sockets)
        socket_free(sockets);
}

bool net_readable(uint32_t process)
{
    for (const struct wire *at = sockets; at; at = at->next)
        if (at->process == process && arrived(at))
            return true;
    return false;
}

int64_t net_next_us(uint32_t process)
{
    int64_t next = INT64_MAX;
    for (const struct wire *at = sockets; at; at = at->next)
        if (at->process == process && at->first && at->first->at_us < next)
            next = at->first->at_us;
    return next;
}

uint64_t net_sent(void)
{
    return sent;
}

void net_put(void *socket, const void *bytes, size_t size)
{
    struct message *message = must(calloc(1, sizeof *message));
    message->count = 1;
    zmq_msg_init_size(&message->frames[0], size);
    if (size)
        memcpy(zmq_msg_data(&message->frames[0]), bytes, size);
    put(socket, message, now());
}

/* ---- what stands in for the library ---- */

void *zmq_ctx_new(void)
{
    static int context;
    return &context;
}

int zmq_ctx_term(void *context)
{
    (void)context;
    return 0;
}

static struct wire *socket_make(int type)
{
    struct wire *self = must(calloc(1, sizeof *self));
    self->type = type;
    self->process = caller();
    self->fd = eventfd(0, EFD_CLOEXEC);
    struct wire **end = &sockets;
    while (*end)
        end = &(*end)->next;
    *end = self;
    return self;
}

void *zmq_socket(void *context, int type)
{
    (void)context;
    return socket_make(type);
}

int zmq_close(void *socket)
{
    socket_free(socket);
    return 0;
}

int zmq_setsockopt(void *socket, int option, const void *value, size_t size)
{
    (void)socket;
    (void)option;
    (void)value;
    (void)size;
    return 0;
}

int zmq_getsockopt(void *socket, int option, void *value, size_t *size)
{
    struct wire *self = socket;
    int answer = option == ZMQ_FD        ? self->fd
                 : option == ZMQ_EVENTS  ? (arrived(self) ? ZMQ_POLLIN : 0) | ZMQ_POLLOUT
                 : option == ZMQ_RCVMORE ? more
                                         : 0;
    memcpy(value, &answer, sizeof answer);
    *size = sizeof answer;
    return 0;
}

int zmq_bind(void *socket, const char *endpoint)
{
    (void)socket;
    (void)endpoint;
    return 0;
}

int zmq_connect(void *socket, const char *endpoint)
{
    return zmq_bind(socket, endpoint);
}

int zmq_socket_monitor(void *socket, const char *endpoint, int events)
{
    (void)events;
    return zmq_bind(socket, endpoint);
}

int zmq_send(void *socket, const void *bytes, size_t size, int flags)
{
    (void)flags;
    (void)socket; /* nobody listens */
    calls("send");
    if (hooks.said)
        hooks.said(bytes, size);
    return (int)size;
}

int zmq_recv(void *socket, void *bytes, size_t size, int flags)
{
    struct wire *self = socket;
    (void)flags;
    more = false;
    if (!arrived(self)) {
        errno = EAGAIN;
        return -1;
    }
    struct message *message = self->first;
    calls("receive");
    zmq_msg_t *frame = &message->frames[message->read++];
    size_t got = zmq_msg_size(frame);
    if (got > 0)
        memcpy(bytes, zmq_msg_data(frame), got < size ? got : size);
    zmq_msg_close(frame);
    more = message->read < message->count;
    if (!more)
        take_first(self);
    return (int)got;
}

/* ---- wires ---- */

struct wire *wire_bind(const struct wire_options *options)
{
    struct wire *self = socket_make(ZMQ_ROUTER);
    self->options = *options;
    snprintf(self->name, sizeof self->name, "%s", options->endpoint);
    for (struct wire *at = sockets; at; at = at->next)
        if (at->type == ZMQ_DEALER)
            connection_try(at);
    return self;
}

struct wire *wire_connect(const struct wire_options *options)
{
    struct wire *self = socket_make(ZMQ_DEALER);
    self->options = *options;
    snprintf(self->name, sizeof self->name, "%s", options->endpoint);
    connection_try(self);
    return self;
}

void wire_close(struct wire **self, int linger_ms)
{
    (void)linger_ms;
    if (*self)
        socket_free(*self);
    *self = NULL;
}

void wire_cut(struct wire *self)
{
    while (self->first) {
        struct message *message = self->first;
        self->first = message->next;
        message_free(message);
    }
    self->last = NULL;
    self->router = NULL;
    self->pending = false;
    connection_try(self);
}

int wire_fd(const struct wire *self)
{
    return self->fd;
}

int64_t wire_due_us(const struct wire *self)
{
    (void)self;
    return INT64_MAX;
}

bool wire_pending(const struct wire *self)
{
    return self->pending || arrived(self);
}

bool wire_receive(struct wire *self, uint8_t peer[WIRE_PEER_BYTES],
                  zmq_msg_t frames[ZMTP_FRAMES_MAX], uint32_t *count)
{
    self->pending = false;
    while (arrived(self)) {
        struct message *message = self->first;
        if (message->count == 0) {
            enum wire_event what = message->event;
            take_first(self);
            if (self->options.told)
                self->options.told(self->options.context, what, 0);
            continue;
        }
        calls("receive");
        *count = message->count;
        for (; message->read < message->count; message->read++)
            frames[message->read] = message->frames[message->read];
        if (self->type == ZMQ_ROUTER) {
            memset(peer, 0, WIRE_PEER_BYTES);
            memcpy(peer + 1, &message->from, sizeof message->from);
        }
        take_first(self);
        self->pending = true;
        return true;
    }
    return false;
}

static struct wire *addressed(const struct wire *router, const uint8_t *peer)
{
    uint32_t id;
    memcpy(&id, peer + 1, sizeof id);
    for (struct wire *at = sockets; at; at = at->next)
        if (at->router == router && at->id == id)
            return at;
    return NULL;
}

bool wire_send(struct wire *self, const uint8_t *peer, size_t peer_size, zmq_msg_t *frames,
               uint32_t count)
{
    calls("send");
    struct wire *to = self->type == ZMQ_DEALER       ? self->router
                      : peer_size == WIRE_PEER_BYTES ? addressed(self, peer)
                                                     : NULL;
    struct message *message = must(calloc(1, sizeof *message));
    if (count > FRAMES_MAX)
        abort();
    message->count = count;
    message->from = self->id;
    for (uint32_t i = 0; i < count; i++)
        message->frames[i] = frames[i];
    if (!to) {
        message_free(message);
        return false;
    }
    sent++;
    put(to, message, now() + (hooks.delay_us ? hooks.delay_us() : 0));
    return true;
}

bool wire_put(struct wire *self, zmq_msg_t *frames, uint32_t count)
{
    return wire_send(self, NULL, 0, frames, count);
}

void wire_flush(struct wire *self)
{
    (void)self;
}
