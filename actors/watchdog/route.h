/* Alerts on their way out: queued with the step that says them, so that no kill loses one, and sent by a child of this process, so that
 * a webhook that hangs holds nobody up. At least once: an alert carries its id. Never more than alert.per_hour to each route; what is
 * left out is counted, and the count is sent. */
#ifndef ACTORS_WATCHDOG_ROUTE_H
#define ACTORS_WATCHDOG_ROUTE_H

#include "actors/actor.h"
#include "schema/messages.h"

/* With its NUL: every field of an alert at its longest, twice, each byte escaped. */
#define ROUTE_BODY_MAX 16384

struct route;
struct route *
route_new(const struct settings *settings); /* NULL: no memory, or the secret cannot be read */
void route_free(struct route **self);
/* In the step that says it. 0 or a store_error. */
int route_queue(const struct route *self, struct step *step, const struct msg_ops_alert *alert);
/* Once a turn: takes note of what was sent, sends the next. Lowers *timeout_us (real time) to when it wants to be called again. */
void route_turn(struct route *self, struct kit *kit);
void route_wait(const struct route *self, int64_t *timeout_us);

/* The child: reads what to send on stdin, sends it. 0: sent. */
int route_send_main(void);
#define ROUTE_SEND "--send-alert" /* the word that makes tipoff-watchdog that child */

#endif
