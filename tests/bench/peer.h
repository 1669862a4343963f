/* The same load for another broker: a peer hands in who publishes and who takes, peer.c reads the shape from the command
 * line and prints what `tipoff bench --json` prints, as far as it can be known from outside the server.
 *
 *     PEER --size N --producers P --consumers C --window W --seconds S --rate R --port PORT */
#ifndef TESTS_BENCH_PEER_H
#define TESTS_BENCH_PEER_H

#include "cli/load.h"

struct peer {
    int port; /* on 127.0.0.1 */
    struct load_shape shape;
};

/* Before anybody runs: makes the stream, empty, and one group of consumers. Ends the process when it cannot. */
void peer_setup(const struct peer *self);
/* load_work's; the context is the peer. */
void peer_produce(struct load *load, uint32_t number, void *context);
void peer_consume(struct load *load, uint32_t number, void *context);

_Noreturn void peer_fail(const char *what, const char *why);
/* When each message under way was sent: messages are acknowledged in order. */
struct peer_times {
    int64_t *sent_us;
    uint64_t sent, acked, capacity;
};
void peer_times_open(struct peer_times *self, const struct load_shape *shape);
void peer_times_sent(struct peer_times *self, int64_t now);
void peer_times_acked(struct peer_times *self, struct load *load, uint64_t messages);

#endif
