/* The broker's three sockets, and what is said of their connections: counted, and mirrored on the tap. The router, whose peers wait for each
 * other, is a wire of this thread; tap and control are libzmq's.
 *
 * A monitor hands its events to an inproc PAIR from the I/O thread, which must never wait for us: the PAIR has no high-water
 * mark, and is emptied several times a second. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "broker/server.h"
#include "config/log.h"

#define ROUTER_BACKLOG 100000 /* frames of a peer that does not read */

static const struct {
    int event;
    enum wire_event of_wire;
    const char *name;
    bool alarms;
} watched[SERVER_EVENTS] = {
    {ZMQ_EVENT_ACCEPTED, WIRE_ACCEPTED, "accepted", false},
    {ZMQ_EVENT_DISCONNECTED, WIRE_DISCONNECTED, "disconnected", false},
    {ZMQ_EVENT_HANDSHAKE_SUCCEEDED, WIRE_READY, "handshake_succeeded", false},
    {ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, WIRE_MUTE, "handshake_failed_no_detail", true},
    {ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL, WIRE_BAD, "handshake_failed_protocol", true},
    {ZMQ_EVENT_HANDSHAKE_FAILED_AUTH, WIRE_NEVER, "handshake_failed_auth", true},
    {ZMQ_EVENT_ACCEPT_FAILED, WIRE_ACCEPT_FAILED, "accept_failed", true},
};

const char *server_event_name(uint32_t index)
{
    return watched[index].name;
}

static void *monitor_open(struct server *self, void *socket, const char *name)
{
    char endpoint[64];
    int events = 0, unlimited = 0;
    for (size_t i = 0; i < SERVER_EVENTS; i++)
        events |= watched[i].event;
    snprintf(endpoint, sizeof endpoint, "inproc://monitor.%s", name);
    void *monitor = zmq_socket_monitor(socket, endpoint, events) == 0
                        ? zmq_socket(self->context, ZMQ_PAIR)
                        : NULL;
    if (monitor) {
        zmq_setsockopt(monitor, ZMQ_LINGER, &unlimited, sizeof unlimited); /* 0: keeps nothing */
        zmq_setsockopt(monitor, ZMQ_RCVHWM, &unlimited, sizeof unlimited);
        if (zmq_connect(monitor, endpoint) == 0)
            return monitor;
        zmq_close(monitor);
    }
    log_warn("unmonitored", "socket=%s why=\"%s\"", name, zmq_strerror(errno));
    return NULL;
}

static bool socket_bind(struct server_socket *self, const char *endpoint)
{
    if (endpoint[0] == '\0' || zmq_bind(self->zmq, endpoint) == 0)
        return true;
    log_error("bind-failed", "endpoint=%s why=\"%s\"", endpoint, zmq_strerror(errno));
    return false;
}

static bool socket_open(struct server *self, struct server_socket *out, const char *name, int type,
                        int backlog)
{
    int zero = 0, yes = 1;
    int64_t most = self->settings->broker.max_batch_bytes + 65536;
    out->name = name;
    out->zmq = zmq_socket(self->context, type);
    if (!out->zmq)
        return false;
    zmq_setsockopt(out->zmq, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt(out->zmq, ZMQ_SNDHWM, &backlog, sizeof backlog);
    zmq_setsockopt(out->zmq, ZMQ_RCVHWM, &backlog, sizeof backlog);
    zmq_setsockopt(out->zmq, ZMQ_MAXMSGSIZE, &most, sizeof most);
    if (type == ZMQ_XPUB) {
        zmq_setsockopt(out->zmq, ZMQ_XPUB_VERBOSER, &yes, sizeof yes);
        zmq_setsockopt(out->zmq, ZMQ_XPUB_NODROP, &yes, sizeof yes);
    }
    out->monitor = monitor_open(self, out->zmq, name);
    out->touched = true;
    size_t size = sizeof out->fd;
    return zmq_getsockopt(out->zmq, ZMQ_FD, &out->fd, &size) == 0;
}

static void happened(struct server *self, struct server_socket *socket, uint32_t what,
                     uint64_t value, const char *endpoint)
{
    socket->events[what]++;
    server_sys_socket(self, socket->name, watched[what].name, value, endpoint);
    if (watched[what].alarms && socket->events[what] == 1)
        log_warn("socket", "socket=%s event=%s value=%" PRIu64 " action=\"counted from here on\"",
                 socket->name, watched[what].name, value);
}

static void wire_told(void *context, enum wire_event event, int value)
{
    struct server *self = context;
    for (uint32_t i = 0; i < SERVER_EVENTS; i++)
        if (watched[i].of_wire == event)
            happened(self, &self->router, i, (uint64_t)value, self->settings->broker.endpoint);
}

static bool router_open(struct server *self)
{
    const struct settings *settings = self->settings;
    const struct wire_options options = {.endpoint = settings->broker.endpoint,
                                         .frame_bytes_max =
                                             (uint64_t)settings->broker.max_batch_bytes + 65536,
                                         .backlog = ROUTER_BACKLOG,
                                         .told = wire_told,
                                         .context = self};
    self->router.name = "router";
    self->wire = wire_bind(&options);
    if (!self->wire)
        log_error("bind-failed", "endpoint=%s why=\"%s\"", options.endpoint, strerror(errno));
    return self->wire != NULL;
}

bool server_sockets_open(struct server *self)
{
    const struct settings *settings = self->settings;
    self->context = zmq_ctx_new();
    return self->context && router_open(self) &&
           socket_open(self, &self->tap, "tap", ZMQ_XPUB, (int)settings->broker.tap_backlog) &&
           socket_open(self, &self->control, "control", ZMQ_REP, 1000) &&
           socket_bind(&self->tap, settings->broker.tap_endpoint) &&
           socket_bind(&self->tap, settings->broker.tap_tcp) &&
           socket_bind(&self->control, settings->broker.control_endpoint);
}

static void socket_close(struct server_socket *self)
{
    if (self->monitor) {
        zmq_socket_monitor(self->zmq, NULL, 0);
        zmq_close(self->monitor);
    }
    if (self->zmq)
        zmq_close(self->zmq);
}

void server_sockets_close(struct server *self)
{
    wire_close(&self->wire, 0);
    socket_close(&self->tap);
    socket_close(&self->control);
    if (self->context)
        zmq_ctx_term(self->context);
}

/* ---- events: frame 0 is u16 event and u32 value of this machine, frame 1 the endpoint ---- */

static bool event_next(void *monitor, uint16_t *event, uint32_t *value, char *endpoint, size_t size)
{
    uint8_t head[16];
    int got = zmq_recv(monitor, head, sizeof head, ZMQ_DONTWAIT);
    if (got < 0)
        return false;
    *event = 0;
    if (got == 6) {
        memcpy(event, head, sizeof *event);
        memcpy(value, head + 2, sizeof *value);
    }
    got = zmq_recv(monitor, endpoint, size - 1, ZMQ_DONTWAIT);
    endpoint[got < 0 ? 0 : (size_t)got < size ? (size_t)got : size - 1] = '\0';
    return true;
}

static void socket_turn(struct server *self, struct server_socket *socket)
{
    uint16_t event;
    uint32_t value = 0;
    char endpoint[128];
    while (socket->monitor &&
           event_next(socket->monitor, &event, &value, endpoint, sizeof endpoint))
        for (uint32_t i = 0; i < SERVER_EVENTS; i++)
            if (watched[i].event == event)
                happened(self, socket, i, value, endpoint);
}

void server_sockets_turn(struct server *self)
{
    socket_turn(self, &self->tap);
    socket_turn(self, &self->control);
}
