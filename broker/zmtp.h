/* One connection as ZMTP 3.1 has it (rfc.zeromq.org/spec/23 and /37: greeting, NULL, READY, frames, PING), without the connection: bytes that
 * came are put in, messages come out; messages are put in, bytes to be sent come out. Nothing here waits, reads or writes.
 *
 * libzmq speaks the same from a thread of its own: each message costs a wake-up of it on both sides and one of the thread that asked, and
 * that was most of what a hop took (docs/MODEL-CARD.md, "How fast"). Its peers cannot tell the difference (tests/unit/test_wire.c). */
#ifndef BROKER_ZMTP_H
#define BROKER_ZMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include <zmq.h>

#define ZMTP_FRAMES_MAX 3 /* of a message that are kept: none of ours has more than two */

enum zmtp_role { ZMTP_DEALER, ZMTP_ROUTER };
enum zmtp_failure {
    ZMTP_SOUND,
    ZMTP_BAD,      /* not ZMTP 3, or not as it has it */
    ZMTP_OTHER,    /* another mechanism than NULL, or a socket that does not go with this one */
    ZMTP_TOO_LARGE /* a frame above the limit */
};
struct zmtp;

/* `frame_bytes_max`: of a frame that is taken. NULL: no memory. */
struct zmtp *zmtp_new(enum zmtp_role role, uint64_t frame_bytes_max);
void zmtp_free(struct zmtp **self);
bool zmtp_ready(const struct zmtp *self); /* the peer has said what it is */

/* Where the next bytes that come are to be put, and that so many were. Never of size 0; of no use before zmtp_next has answered 0. */
void zmtp_room(struct zmtp *self, uint8_t **at, size_t *size);
void zmtp_filled(struct zmtp *self, size_t size);
/* Moves the next whole message out: 1, and `frames` are the caller's to close; 0 if there is none yet; -1 if the peer is to be left. */
int zmtp_next(struct zmtp *self, zmq_msg_t frames[ZMTP_FRAMES_MAX], uint32_t *count);
enum zmtp_failure zmtp_failed(const struct zmtp *self);

/* Takes the frames over; false, and they are still the caller's: no memory. */
bool zmtp_put(struct zmtp *self, zmq_msg_t *frames, uint32_t count);
size_t zmtp_queued(const struct zmtp *self); /* frames not sent whole */
/* What is to be sent next, at most `most` pieces; and that so many bytes of it were. */
int zmtp_pieces(const struct zmtp *self, struct iovec *pieces, int most);
void zmtp_sent(struct zmtp *self, size_t size);

#endif
