#include "broker/tap.h"

#include <errno.h>
#include <stdlib.h>
#include <stdbool.h>
#include <string.h>
#include <zmq.h>

#define TOPIC_BYTES 512

struct tap_reader {
    void *context, *socket;
    zmq_msg_t frames[3];
    char topic[TOPIC_BYTES];
};

static int fail(struct tap_reader *self)
{
    int error = errno;
    tap_close(&self);
    errno = error;
    return -1;
}

struct tap_reader *tap_open(const char *endpoint, const char *prefix)
{
    int linger = 0;
    struct tap_reader *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    for (int i = 0; i < 3; i++)
        zmq_msg_init(&self->frames[i]);
    self->context = zmq_ctx_new();
    self->socket = self->context ? zmq_socket(self->context, ZMQ_SUB) : NULL;
    if (self->socket && zmq_setsockopt(self->socket, ZMQ_LINGER, &linger, sizeof linger) == 0 &&
        zmq_setsockopt(self->socket, ZMQ_SUBSCRIBE, prefix, strlen(prefix)) == 0 &&
        zmq_connect(self->socket, endpoint) == 0)
        return self;
    (void)fail(self);
    return NULL;
}

void tap_close(struct tap_reader **self)
{
    if (!*self)
        return;
    for (int i = 0; i < 3; i++)
        zmq_msg_close(&(*self)->frames[i]);
    if ((*self)->socket)
        zmq_close((*self)->socket);
    if ((*self)->context)
        zmq_ctx_term((*self)->context);
    free(*self);
    *self = NULL;
}

/* All frames of one message; the count, or -1 with errno. More than three are dropped. */
static int receive(struct tap_reader *self)
{
    int count = 0;
    bool more = true;
    while (more) {
        zmq_msg_t *frame = &self->frames[count < 3 ? count : 2];
        if (zmq_msg_recv(frame, self->socket, count ? 0 : ZMQ_DONTWAIT) < 0)
            return -1;
        more = zmq_msg_more(frame);
        count++;
    }
    return count;
}

int tap_next(struct tap_reader *self, int timeout_ms, const char **topic, struct span *head,
             struct span *payload)
{
    zmq_pollitem_t item = {self->socket, 0, ZMQ_POLLIN, 0};
    for (;;) {
        int count = receive(self);
        if (count < 0 && errno != EAGAIN)
            return errno == EINTR ? 0 : -1;
        size_t size = count == 3 ? zmq_msg_size(&self->frames[0]) : TOPIC_BYTES;
        if (size < TOPIC_BYTES) {
            memcpy(self->topic, zmq_msg_data(&self->frames[0]), size);
            self->topic[size] = '\0';
            *topic = self->topic;
            *head = (struct span){zmq_msg_data(&self->frames[1]),
                                  (uint32_t)zmq_msg_size(&self->frames[1])};
            *payload = (struct span){zmq_msg_data(&self->frames[2]),
                                     (uint32_t)zmq_msg_size(&self->frames[2])};
            return 1;
        }
        if (count >= 0)
            continue;
        int ready = zmq_poll(&item, 1, timeout_ms);
        if (ready <= 0)
            return ready < 0 && errno != EINTR ? -1 : 0;
    }
}
