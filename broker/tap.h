/* A reader of the tap: what is published there from now on, by topic. Nothing of it is promised (PROTOCOL.md §9); the log is. */
#ifndef BROKER_TAP_H
#define BROKER_TAP_H

#include "schema/message.h"

struct tap_reader;

/* `prefix`: of the topics that are wanted. NULL with errno. */
struct tap_reader *tap_open(const char *endpoint, const char *prefix);
void tap_close(struct tap_reader **self);
/* The next message: msgpack maps that borrow until the next call. 1; 0: none came in `timeout_ms`; -1 with errno. What is no message
 * of a tap is passed over. */
int tap_next(struct tap_reader *self, int timeout_ms, const char **topic, struct span *head,
             struct span *payload);

#endif
