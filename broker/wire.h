/* A ZeroMQ socket of its caller's thread: a ROUTER that is bound, or a DEALER that connects and connects again, over ipc:// with NULL
 * (zmtp.h says why not libzmq's). One connection is one peer: an Identity that it says is not looked at.
 *
 * Poll wire_fd for POLLIN, at most until wire_due_us, not at all if wire_pending; then take messages until there are none. Nothing here
 * blocks but wire_close. */
#ifndef BROKER_WIRE_H
#define BROKER_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

#include "broker/zmtp.h"

enum wire_event {
    WIRE_ACCEPTED,
    WIRE_READY,         /* the handshake is done */
    WIRE_BAD,           /* ... or failed: not ZMTP 3 with NULL, or a socket of another kind */
    WIRE_MUTE,          /* ... or nothing came of it in time, or the peer left before */
    WIRE_DISCONNECTED,  /* who was ready */
    WIRE_ACCEPT_FAILED, /* value: errno */
    WIRE_NEVER          /* is not told */
};
struct wire_options {
    const char *endpoint; /* "ipc://PATH"; PATH may begin with @: an abstract name */
    uint64_t frame_bytes_max;
    size_t backlog;       /* frames kept for a peer that does not read */
    int64_t handshake_us; /* a handshake may take so long; 0: 30 s, as libzmq has it */
    /* May be NULL; `value` is the connection's descriptor. Told inside of the calls below; none of them may be made from it but wire_send to
     * whoever is ready. */
    void (*told)(void *context, enum wire_event event, int value);
    void *context;
};
#define WIRE_PEER_BYTES 9
struct wire;

struct wire *wire_bind(const struct wire_options *options); /* NULL with errno */
/* Connects when it can: NULL with errno only for no memory, or an endpoint that is none. */
struct wire *wire_connect(const struct wire_options *options);
/* What waits to be sent has so long to go. */
void wire_close(struct wire **self, int linger_ms);
/* A DEALER's connection ends, without a word of it, and is made anew. */
void wire_cut(struct wire *self);
int wire_fd(const struct wire *self);         /* the same for as long as it is open */
int64_t wire_due_us(const struct wire *self); /* monotonic; INT64_MAX: never */
bool wire_pending(const struct wire *self); /* something may be there that wire_fd does not tell */
/* The next whole message, whose frames are the caller's to close, and of a ROUTER who said it; false: there is none now. */
bool wire_receive(struct wire *self, uint8_t peer[WIRE_PEER_BYTES],
                  zmq_msg_t frames[ZMTP_FRAMES_MAX], uint32_t *count);
/* Takes the frames over in any case. False: the peer (a DEALER's: NULL) is not there, or does not read. Is on its way at once for a DEALER, with
 * wire_flush for a ROUTER. */
bool wire_send(struct wire *self, const uint8_t *peer, size_t peer_size, zmq_msg_t *frames,
               uint32_t count);
/* The same for a DEALER that is about to send something else: on its way with that. */
bool wire_put(struct wire *self, zmq_msg_t *frames, uint32_t count);
void wire_flush(struct wire *self);

#endif
