#include "tests/simulate/net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

enum { FRAMES_MAX = 4, NAME_MAX_BYTES = 200, ID_BYTES = 5, CONNECT_US = 300 };

struct message {
    struct message *next;
    int64_t at_us;
    uint32_t count, read;
    zmq_msg_t frames[FRAMES_MAX];
};
struct socket {
    struct socket *next;
    uint32_t process, id;
    int type, fd;
    char name[NAME_MAX_BYTES]; /* endpoint; of a monitored socket's own monitor: monitor_name */
    char monitor_name[NAME_MAX_BYTES];
    struct socket *router;        /* of a DEALER that is connected */
    bool wants_router;            /* connected, or would like to be */
    struct message *first, *last; /* arrived, or on their way */
    struct message *building;     /* being sent, frame by frame */
    struct socket *building_to;
};

static struct net_hooks hooks;
static struct socket *sockets;
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

static void put(struct socket *to, struct message *message, int64_t at_us)
{
    message->at_us = to->last && to->last->at_us > at_us ? to->last->at_us : at_us;
    message->next = NULL;
    if (to->last)
        to->last->next = message;
    else
        to->first = message;
    to->last = message;
}

static bool arrived(const struct socket *self)
{
    return self->first && self->first->at_us <= now();
}

/* Loses what has not arrived. */
static void lose(struct socket *self)
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

static void event(struct socket *of, uint16_t number)
{
    for (struct socket *at = sockets; at; at = at->next) {
        if (at->type != ZMQ_PAIR || strcmp(at->name, of->monitor_name) != 0)
            continue;
        struct message *message = must(calloc(1, sizeof *message));
        message->count = 2;
        zmq_msg_init_size(&message->frames[0], 6);
        memset(zmq_msg_data(&message->frames[0]), 0, 6);
        memcpy(zmq_msg_data(&message->frames[0]), &number, sizeof number);
        zmq_msg_init(&message->frames[1]);
        put(at, message, now());
    }
}

/* ---- connections ---- */

static void connection_try(struct socket *dealer)
{
    for (struct socket *at = sockets; at && dealer->wants_router && !dealer->router; at = at->next)
        if (at->type == ZMQ_ROUTER && strcmp(at->name, dealer->name) == 0) {
            dealer->router = at;
            dealer->id = ++next_id;
            event(dealer, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
        }
}

static void connection_fall(struct socket *dealer)
{
    if (!dealer->router)
        return;
    dealer->router = NULL;
    lose(dealer);
    event(dealer, ZMQ_EVENT_DISCONNECTED);
}

void net_cut(uint32_t process)
{
    for (struct socket *at = sockets; at; at = at->next)
        if (at->type == ZMQ_DEALER && at->router &&
            (at->process == process || at->router->process == process)) {
            connection_fall(at);
            connection_try(at);
        }
}

static void socket_free(struct socket *self)
{
    for (struct socket **link = &sockets; *link; link = &(*link)->next)
        if (*link == self) {
            *link = self->next;
            break;
        }
    for (struct socket *at = sockets; at; at = at->next)
        if (at->router == self)
            connection_fall(at);
    while (self->first) {
        struct message *next = self->first->next;
        message_free(self->first);
        self->first = next;
    }
    message_free(self->building);
    close(self->fd);
    free(self);
}

void net_end(uint32_t process)
{
    for (struct socket *at = sockets; at;) {
        struct socket *gone = at;
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
    for (const struct socket *at = sockets; at; at = at->next)
        if (at->process == process && arrived(at))
            return true;
    return false;
}

int64_t net_next_us(uint32_t process)
{
    int64_t next = INT64_MAX;
    for (const struct socket *at = sockets; at; at = at->next)
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

void *zmq_socket(void *context, int type)
{
    (void)context;
    struct socket *self = must(calloc(1, sizeof *self));
    self->type = type;
    self->process = caller();
    self->fd = eventfd(0, EFD_CLOEXEC);
    struct socket **end = &sockets;
    while (*end)
        end = &(*end)->next;
    *end = self;
    return self;
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
    struct socket *self = socket;
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
    struct socket *self = socket;
    snprintf(self->name, sizeof self->name, "%s", endpoint);
    for (struct socket *at = sockets; at; at = at->next)
        if (at->type == ZMQ_DEALER)
            connection_try(at);
    return 0;
}

int zmq_connect(void *socket, const char *endpoint)
{
    struct socket *self = socket;
    snprintf(self->name, sizeof self->name, "%s", endpoint);
    self->wants_router = self->type == ZMQ_DEALER;
    connection_try(self);
    return 0;
}

int zmq_socket_monitor(void *socket, const char *endpoint, int events)
{
    struct socket *self = socket;
    (void)events;
    snprintf(self->monitor_name, sizeof self->monitor_name, "%s", endpoint ? endpoint : "-");
    return 0;
}

/* The first frame of what a ROUTER sends names who gets it. */
static struct socket *addressed(const struct socket *router, zmq_msg_t *frame)
{
    uint32_t id;
    if (zmq_msg_size(frame) != ID_BYTES)
        return NULL;
    memcpy(&id, (const uint8_t *)zmq_msg_data(frame) + 1, sizeof id);
    for (struct socket *at = sockets; at; at = at->next)
        if (at->router == router && at->id == id)
            return at;
    return NULL;
}

static int frame_send(struct socket *self, zmq_msg_t *frame, bool last)
{
    struct socket *to = self->type == ZMQ_ROUTER ? self->building_to : self->router;
    if (self->type != ZMQ_ROUTER && self->type != ZMQ_DEALER) { /* nobody listens */
        int size = (int)zmq_msg_size(frame);
        if (hooks.said)
            hooks.said(zmq_msg_data(frame), zmq_msg_size(frame));
        zmq_msg_close(frame);
        zmq_msg_init(frame);
        return size;
    }
    if (self->type == ZMQ_ROUTER && !self->building) {
        to = self->building_to = addressed(self, frame);
        errno = EHOSTUNREACH;
    } else {
        errno = EAGAIN;
    }
    if (!to)
        return -1;
    if (!self->building) {
        self->building = must(calloc(1, sizeof *self->building));
        if (self->type == ZMQ_DEALER) {
            zmq_msg_init_size(&self->building->frames[0], ID_BYTES);
            memset(zmq_msg_data(&self->building->frames[0]), 0, ID_BYTES);
            memcpy((uint8_t *)zmq_msg_data(&self->building->frames[0]) + 1, &self->id,
                   sizeof self->id);
            self->building->count = 1;
        }
    }
    struct message *message = self->building;
    int size = (int)zmq_msg_size(frame);
    if (message->count == FRAMES_MAX)
        abort();
    zmq_msg_init(&message->frames[message->count]);
    zmq_msg_move(&message->frames[message->count++], frame);
    if (!last)
        return size;
    if (self->type == ZMQ_ROUTER) { /* the address is not part of it */
        zmq_msg_close(&message->frames[0]);
        memmove(message->frames, message->frames + 1, --message->count * sizeof *message->frames);
    }
    self->building = NULL;
    sent++;
    put(to, message, now() + (hooks.delay_us ? hooks.delay_us() : 0));
    return size;
}

int zmq_msg_send(zmq_msg_t *frame, void *socket, int flags)
{
    struct socket *self = socket;
    if (!self->building)
        calls("send");
    return frame_send(self, frame, !(flags & ZMQ_SNDMORE));
}

int zmq_send(void *socket, const void *bytes, size_t size, int flags)
{
    zmq_msg_t frame;
    zmq_msg_init_size(&frame, size);
    if (size)
        memcpy(zmq_msg_data(&frame), bytes, size);
    int result = zmq_msg_send(&frame, socket, flags);
    int saved = errno;
    zmq_msg_close(&frame);
    errno = saved;
    return result;
}

int zmq_msg_recv(zmq_msg_t *frame, void *socket, int flags)
{
    struct socket *self = socket;
    (void)flags;
    if (!arrived(self)) {
        errno = EAGAIN;
        return -1;
    }
    struct message *message = self->first;
    if (message->read == 0 && self->type != ZMQ_PAIR)
        calls("receive");
    zmq_msg_move(frame, &message->frames[message->read++]);
    more = message->read < message->count;
    if (!more) {
        self->first = message->next;
        if (!self->first)
            self->last = NULL;
        message_free(message);
    }
    return (int)zmq_msg_size(frame);
}

int zmq_recv(void *socket, void *bytes, size_t size, int flags)
{
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    int got = zmq_msg_recv(&frame, socket, flags);
    if (got > 0)
        memcpy(bytes, zmq_msg_data(&frame), (size_t)got < size ? (size_t)got : size);
    zmq_msg_close(&frame);
    return got;
}

int zmq_msg_more(const zmq_msg_t *frame)
{
    (void)frame; /* asked right after it was read */
    return more;
}

int zmq_poll(zmq_pollitem_t *items, int count, long timeout_ms)
{
    int ready = 0;
    if (hooks.wait)
        hooks.wait(timeout_ms < 0 ? -1 : timeout_ms * INT64_C(1000));
    for (int i = 0; i < count; i++) {
        items[i].revents = items[i].socket && arrived(items[i].socket) ? ZMQ_POLLIN : 0;
        ready += items[i].revents != 0;
    }
    return ready;
}
