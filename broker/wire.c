#include "broker/wire.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/clock.h"

enum {
    BACKLOG = 128, /* connections that wait to be accepted */
    EVENTS_MAX = 64,
    PIECES_MAX = 64,
    READS_MAX = 8,    /* of one peer before another one's turn */
    ACCEPTS_MAX = 32, /* before anybody is read */
    BATCHES_MAX = 16, /* of events in one call, of peers who say nothing whole */
    RECONNECT_US = 5000,
    RECONNECT_MAX_US = 25000,
    HANDSHAKE_US = 30000000,
    ACCEPT_PAUSE_US = 100000 /* without a descriptor to accept with */
};

struct connection {
    int fd;
    uint32_t slot, number; /* number: of all connections; never 0 */
    struct zmtp *zmtp;
    int64_t since_us;
    int reads;  /* since it was last its turn */
    bool spent; /* the kernel had no more than was asked for */
    bool ready; /* told */
    bool failed;
    bool waiting; /* for room to write */
    bool dirty;
    struct connection *next_dirty;
};

struct wire {
    struct wire_options options;
    enum zmtp_role role;
    struct sockaddr_un address;
    socklen_t address_size;
    int epoll_fd, listener;
    struct connection **connections; /* by slot; NULL: free. A DEALER's: one */
    uint32_t capacity, number;
    struct connection *current, *dirty;
    struct epoll_event events[EVENTS_MAX];
    int event_count, event_at, batches;
    bool asked; /* for events, since there were none left */
    bool pending;
    int64_t connect_us; /* DEALER: when to connect; its interval */
    int64_t interval_us;
    int64_t accept_us; /* ROUTER: when to accept again; INT64_MAX: it does */
    int64_t sweep_us;  /* when a handshake may have taken too long; INT64_MAX: none is under way */
};

static void tell(struct wire *self, enum wire_event event, int value)
{
    if (self->options.told)
        self->options.told(self->options.context, event, value);
}

/* ---- connections ---- */

static bool watch(const struct wire *self, int operation, int fd, uint32_t events, uint64_t tag)
{
    struct epoll_event event = {.events = events, .data = {.u64 = tag}};
    return epoll_ctl(self->epoll_fd, operation, fd, &event) == 0;
}

/* Slot and number: an event may come of one that has ended since. The listener's is 0. */
static uint64_t tag_of(const struct connection *connection)
{
    return (uint64_t)connection->slot << 32 | connection->number;
}

static struct connection *found(const struct wire *self, uint32_t slot, uint32_t number)
{
    struct connection *connection = slot < self->capacity ? self->connections[slot] : NULL;
    return connection && connection->number == number ? connection : NULL;
}

static void connection_flush(struct wire *self, struct connection *connection)
{
    struct iovec pieces[PIECES_MAX];
    struct msghdr header = {.msg_iov = pieces};
    bool full = false;
    while (!full && !connection->failed && zmtp_queued(connection->zmtp) > 0) {
        header.msg_iovlen = (size_t)zmtp_pieces(connection->zmtp, pieces, PIECES_MAX);
        ssize_t sent = sendmsg(connection->fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0)
            zmtp_sent(connection->zmtp, (size_t)sent);
        else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
            full = true;
        else if (errno != EINTR)
            connection->failed = true; /* what it said may still be there to be read */
    }
    if (full != connection->waiting && watch(self, EPOLL_CTL_MOD, connection->fd,
                                             EPOLLIN | (full ? EPOLLOUT : 0), tag_of(connection)))
        connection->waiting = full;
}

static void make_dirty(struct wire *self, struct connection *connection)
{
    if (connection->dirty || zmtp_queued(connection->zmtp) == 0)
        return;
    connection->dirty = true;
    connection->next_dirty = self->dirty;
    self->dirty = connection;
}

void wire_flush(struct wire *self)
{
    while (self->dirty) {
        struct connection *connection = self->dirty;
        self->dirty = connection->next_dirty;
        connection->dirty = false;
        if (!connection->waiting) /* else it is told when there is room */
            connection_flush(self, connection);
    }
}

static void connection_free(struct wire *self, struct connection *connection)
{
    for (struct connection **at = &self->dirty; *at; at = &(*at)->next_dirty)
        if (*at == connection) {
            *at = connection->next_dirty;
            break;
        }
    if (self->current == connection)
        self->current = NULL;
    self->connections[connection->slot] = NULL;
    zmtp_free(&connection->zmtp);
    (void)epoll_ctl(self->epoll_fd, EPOLL_CTL_DEL, connection->fd, NULL); /* a child may have it */
    close(connection->fd);
    free(connection);
}

static void connect_later(struct wire *self)
{
    self->connect_us = clock_mono_us() + self->interval_us;
    self->interval_us *= 2;
    if (self->interval_us > RECONNECT_MAX_US)
        self->interval_us = RECONNECT_MAX_US;
}

static void connection_end(struct wire *self, struct connection *connection)
{
    const enum zmtp_failure failure = zmtp_failed(connection->zmtp);
    const int fd = connection->fd;
    const bool ready = connection->ready, accepted = self->role == ZMTP_ROUTER;
    connection_free(self, connection);
    self->connect_us = clock_mono_us() + self->interval_us;
    self->interval_us =
        2 * self->interval_us < RECONNECT_MAX_US ? 2 * self->interval_us : RECONNECT_MAX_US;
    if (!ready)
        tell(self, failure ? WIRE_BAD : WIRE_MUTE, fd);
    if (ready || accepted)
        tell(self, WIRE_DISCONNECTED, fd);
}

static uint32_t slot_free(struct wire *self)
{
    uint32_t slot = 0;
    while (slot < self->capacity && self->connections[slot])
        slot++;
    if (slot < self->capacity)
        return slot;
    uint32_t capacity = self->capacity ? 2 * self->capacity : 4;
    struct connection **grown = realloc(self->connections, capacity * sizeof(struct connection *));
    if (!grown)
        return UINT32_MAX;
    memset(grown + self->capacity, 0, (capacity - self->capacity) * sizeof(struct connection *));
    self->connections = grown;
    self->capacity = capacity;
    return slot;
}

/* Owns `fd` from here on. NULL: no memory. */
static struct connection *connection_make(struct wire *self, int fd)
{
    uint32_t slot = slot_free(self);
    struct connection *connection = slot < UINT32_MAX ? calloc(1, sizeof *connection) : NULL;
    if (connection)
        connection->zmtp = zmtp_new(self->role, self->options.frame_bytes_max);
    if (!connection || !connection->zmtp) {
        free(connection);
        close(fd);
        return NULL;
    }
    self->number = self->number == UINT32_MAX ? 1 : self->number + 1;
    connection->fd = fd;
    connection->slot = slot;
    connection->number = self->number;
    connection->since_us = clock_mono_us();
    if (!watch(self, EPOLL_CTL_ADD, fd, EPOLLIN, tag_of(connection))) {
        zmtp_free(&connection->zmtp);
        free(connection);
        close(fd);
        return NULL;
    }
    self->connections[slot] = connection;
    if (connection->since_us + self->options.handshake_us < self->sweep_us)
        self->sweep_us = connection->since_us + self->options.handshake_us;
    connection_flush(self, connection);
    return connection;
}

/* Whose handshake takes too long is left. */
static void sweep(struct wire *self, int64_t now)
{
    self->sweep_us = INT64_MAX;
    for (uint32_t i = 0; i < self->capacity; i++) {
        struct connection *connection = self->connections[i];
        if (!connection || connection->ready)
            continue;
        int64_t due_us = connection->since_us + self->options.handshake_us;
        if (due_us <= now)
            connection_end(self, connection);
        else if (due_us < self->sweep_us)
            self->sweep_us = due_us;
    }
}

/* ---- coming to be ---- */

static void accept_some(struct wire *self)
{
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        int fd = accept4(self->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (fd >= 0) {
            tell(self, WIRE_ACCEPTED, fd);
            if (connection_make(self, fd))
                continue;
            errno = ENOMEM;
        }
        tell(self, WIRE_ACCEPT_FAILED, errno); /* would be told again and again: not for a while */
        (void)watch(self, EPOLL_CTL_MOD, self->listener, 0, 0);
        self->accept_us = clock_mono_us() + ACCEPT_PAUSE_US;
        return;
    }
}

static void connect_try(struct wire *self)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    connect_later(self);
    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)&self->address, self->address_size) != 0) {
        close(fd); /* not there, or it has too many that wait: later */
        return;
    }
    (void)connection_make(self, fd);
}

static void timers_turn(struct wire *self)
{
    const bool connects = self->role == ZMTP_DEALER && !self->connections[0];
    if (!connects && self->accept_us == INT64_MAX && self->sweep_us == INT64_MAX)
        return;
    const int64_t now = clock_mono_us();
    if (self->sweep_us <= now) /* what came in time was read before */
        sweep(self, now);
    if (connects && self->connect_us <= now)
        connect_try(self);
    if (self->accept_us <= now && watch(self, EPOLL_CTL_MOD, self->listener, EPOLLIN, 0))
        self->accept_us = INT64_MAX;
}

int64_t wire_due_us(const struct wire *self)
{
    int64_t due_us = self->sweep_us < self->accept_us ? self->sweep_us : self->accept_us;
    if (self->role == ZMTP_DEALER && !self->connections[0] && self->connect_us < due_us)
        due_us = self->connect_us;
    return due_us;
}

/* ---- messages ---- */

/* False: it has nothing more to be read now, or has ended. */
static bool connection_read(struct wire *self, struct connection *connection)
{
    uint8_t *at;
    size_t size;
    if (connection->spent || connection->reads == READS_MAX)
        return false;
    zmtp_room(connection->zmtp, &at, &size);
    ssize_t got = recv(connection->fd, at, size, MSG_DONTWAIT);
    if (got > 0) {
        connection->reads++;
        connection->spent = (size_t)got < size;
        zmtp_filled(connection->zmtp, (size_t)got);
        return true;
    }
    if (got == 0 || connection->failed ||
        (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
        connection_end(self, connection);
    return false;
}

/* What the connection has to say next: 1, 0 for nothing now, -1 for nothing ever: it has ended. */
static int connection_next(struct wire *self, struct connection *connection, zmq_msg_t *frames,
                           uint32_t *count)
{
    const uint32_t slot = connection->slot, number = connection->number;
    for (;;) {
        int got = zmtp_next(connection->zmtp, frames, count);
        if (!connection->ready && zmtp_ready(connection->zmtp)) {
            connection->ready = true;
            self->interval_us = RECONNECT_US;
            connection_flush(self, connection); /* our part of it, before anything else */
            tell(self, WIRE_READY, connection->fd);
        }
        if (got < 0)
            connection_end(self, connection);
        if (got != 0)
            return got;
        if (connection_read(self, connection))
            continue;
        if (!found(self, slot, number))
            return -1;
        make_dirty(self, connection); /* greeting, READY, PONG */
        return 0;
    }
}

/* The next connection that has something to say, or NULL. */
static struct connection *connection_ready(struct wire *self)
{
    for (;;) {
        if (self->event_at == self->event_count) {
            const bool all =
                (self->asked && self->event_count < EVENTS_MAX) || ++self->batches > BATCHES_MAX;
            self->event_at = self->event_count = 0;
            self->asked = !all;
            if (all)
                return NULL;
            int count = epoll_wait(self->epoll_fd, self->events, EVENTS_MAX, 0);
            self->event_count = count > 0 ? count : 0;
            if (count <= 0) {
                self->asked = false;
                return NULL;
            }
        }
        const struct epoll_event *event = &self->events[self->event_at++];
        if (event->data.u64 == 0) {
            accept_some(self);
            continue;
        }
        struct connection *connection =
            found(self, (uint32_t)(event->data.u64 >> 32), (uint32_t)event->data.u64);
        if (!connection)
            continue;
        if (event->events & EPOLLOUT)
            connection_flush(self, connection);
        if (event->events & ~(uint32_t)EPOLLOUT)
            return connection;
    }
}

static void peer_write(const struct connection *connection, uint8_t peer[WIRE_PEER_BYTES])
{
    peer[0] = 0; /* as libzmq has it: a name that nobody gave himself */
    memcpy(peer + 1, &connection->slot, sizeof connection->slot);
    memcpy(peer + 5, &connection->number, sizeof connection->number);
}

static bool router_receive(struct wire *self, uint8_t *peer, zmq_msg_t *frames, uint32_t *count)
{
    for (;;) {
        if (!self->current) {
            self->current = connection_ready(self);
            if (!self->current)
                return false;
            self->current->reads = 0;
            self->current->spent = false;
        }
        struct connection *connection = self->current;
        if (connection_next(self, connection, frames, count) == 1) {
            peer_write(connection, peer);
            return true;
        }
        self->current = NULL;
    }
}

static bool dealer_receive(struct wire *self, zmq_msg_t *frames, uint32_t *count)
{
    struct connection *connection = self->connections[0];
    if (!connection)
        return false;
    if (connection->waiting || connection->dirty)
        connection_flush(self, connection);
    if (!self->pending) {
        connection->reads = 0;
        connection->spent = false;
    }
    return connection_next(self, connection, frames, count) == 1;
}

bool wire_receive(struct wire *self, uint8_t peer[WIRE_PEER_BYTES],
                  zmq_msg_t frames[ZMTP_FRAMES_MAX], uint32_t *count)
{
    self->batches = 0;
    self->pending = self->role == ZMTP_ROUTER ? router_receive(self, peer, frames, count)
                                              : dealer_receive(self, frames, count);
    if (self->pending)
        return true;
    timers_turn(self);
    if (self->role == ZMTP_DEALER)
        wire_flush(self);
    return false;
}

bool wire_pending(const struct wire *self)
{
    return self->pending;
}

/* Behind what waits for the peer; NULL: there is none that takes it. */
static struct connection *queue(struct wire *self, const uint8_t *peer, size_t peer_size,
                                zmq_msg_t *frames, uint32_t count)
{
    struct connection *connection = NULL;
    uint32_t slot, number;
    if (self->role == ZMTP_DEALER) {
        connection = self->connections[0];
    } else if (peer_size == WIRE_PEER_BYTES && peer[0] == 0) {
        memcpy(&slot, peer + 1, sizeof slot);
        memcpy(&number, peer + 5, sizeof number);
        connection = found(self, slot, number);
    }
    if (!connection || !connection->ready || connection->failed ||
        zmtp_queued(connection->zmtp) + count > self->options.backlog ||
        !zmtp_put(connection->zmtp, frames, count)) {
        for (uint32_t i = 0; i < count; i++)
            zmq_msg_close(&frames[i]);
        return NULL;
    }
    return connection;
}

bool wire_send(struct wire *self, const uint8_t *peer, size_t peer_size, zmq_msg_t *frames,
               uint32_t count)
{
    struct connection *connection = queue(self, peer, peer_size, frames, count);
    if (!connection)
        return false;
    if (self->role == ZMTP_ROUTER)
        make_dirty(self, connection);
    else if (!connection->waiting)
        connection_flush(self, connection);
    return true;
}

bool wire_put(struct wire *self, zmq_msg_t *frames, uint32_t count)
{
    return queue(self, NULL, 0, frames, count) != NULL;
}

void wire_cut(struct wire *self)
{
    if (self->connections[0])
        connection_free(self, self->connections[0]);
    self->pending = false;
    self->connect_us = clock_mono_us();
}

int wire_fd(const struct wire *self)
{
    return self->epoll_fd;
}

/* ---- open and close ---- */

static bool address_set(struct wire *self, const char *endpoint)
{
    static const char scheme[] = "ipc://";
    const char *path = endpoint + sizeof scheme - 1;
    self->address.sun_family = AF_UNIX;
    if (strncmp(endpoint, scheme, sizeof scheme - 1) != 0 || path[0] == '\0') {
        errno = EPROTONOSUPPORT;
        return false;
    }
    if (strlen(path) >= sizeof self->address.sun_path) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(self->address.sun_path, path, strlen(path) + 1);
    self->address_size = (socklen_t)sizeof self->address;
    if (path[0] == '@') { /* abstract: its name ends with its size, not with a NUL */
        self->address.sun_path[0] = '\0';
        self->address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    }
    return true;
}

static struct wire *wire_new(const struct wire_options *options, enum zmtp_role role)
{
    struct wire *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->options = *options;
    if (self->options.handshake_us == 0)
        self->options.handshake_us = HANDSHAKE_US;
    self->role = role;
    self->listener = -1;
    self->interval_us = RECONNECT_US;
    self->accept_us = self->sweep_us = INT64_MAX;
    self->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    self->capacity = 1;
    self->connections = calloc(1, sizeof(struct connection *));
    if (self->epoll_fd < 0 || !self->connections || !address_set(self, options->endpoint)) {
        int saved = errno;
        wire_close(&self, 0);
        errno = saved;
    }
    return self;
}

struct wire *wire_connect(const struct wire_options *options)
{
    struct wire *self = wire_new(options, ZMTP_DEALER);
    if (self)
        connect_try(self);
    return self;
}

/* What is left of a broker that was killed is in the way; who may bind here is settled by a lock (broker.c). */
static void address_clear(const struct wire *self)
{
    if (self->address.sun_path[0] != '\0')
        (void)unlink(self->address.sun_path);
}

struct wire *wire_bind(const struct wire_options *options)
{
    struct wire *self = wire_new(options, ZMTP_ROUTER);
    if (!self)
        return NULL;
    address_clear(self);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&self->address, self->address_size) == 0) {
        self->listener = fd; /* from here on the name is ours to remove */
        if (listen(fd, BACKLOG) == 0 && watch(self, EPOLL_CTL_ADD, fd, EPOLLIN, 0))
            return self;
    }
    int saved = errno;
    if (fd >= 0 && self->listener < 0)
        close(fd);
    wire_close(&self, 0);
    errno = saved;
    return NULL;
}

static void linger(struct wire *self, struct connection *connection, int64_t until_us)
{
    for (;;) {
        connection_flush(self, connection);
        int64_t left_us = until_us - clock_mono_us();
        struct pollfd fd = {.fd = connection->fd, .events = POLLOUT};
        if (connection->failed || zmtp_queued(connection->zmtp) == 0 || left_us <= 0 ||
            (poll(&fd, 1, (int)((left_us + 999) / 1000)) < 0 && errno != EINTR))
            return;
    }
}

void wire_close(struct wire **self_ref, int linger_ms)
{
    struct wire *self = *self_ref;
    if (!self)
        return;
    const int64_t until_us = clock_mono_us() + linger_ms * INT64_C(1000);
    for (uint32_t i = 0; self->connections && i < self->capacity; i++) {
        struct connection *connection = self->connections[i];
        if (!connection)
            continue;
        linger(self, connection, until_us);
        connection_free(self, connection);
    }
    if (self->listener >= 0) {
        address_clear(self);
        close(self->listener);
    }
    if (self->epoll_fd >= 0)
        close(self->epoll_fd);
    free(self->connections);
    free(self);
    *self_ref = NULL;
}
