/* Publishes how processes ended (ops.exit), as the producer `supervisor`. Never blocks: what cannot be sent now is kept
 * until the broker is back, and the oldest is dropped (and said) if too many wait. */
#ifndef CLI_EXITS_H
#define CLI_EXITS_H

#include <stdint.h>

#include "schema/messages.h"

struct exits;

/* `endpoint` of the broker, `host` as the actors call it, `env_path`: file that keeps our environment id. NULL with errno. */
struct exits *exits_open(const char *endpoint, const char *host, const char *env_path);
void exits_close(struct exits **self);
void exits_add(struct exits *self, const struct msg_ops_exit *message);
int exits_waiting(const struct exits *self); /* not acknowledged yet */
int exits_fd(const struct exits *self);
int64_t exits_timeout_us(const struct exits *self);
void exits_turn(struct exits *self);

#endif
