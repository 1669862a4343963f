/* The upstream: from a request to its answer. The nights it has, one clock, a list of faults. */
#ifndef SIM_SERVE_H
#define SIM_SERVE_H

#include "config/httpd.h"
#include "schema/json.h"
#include "sim/follow.h"
#include "sim/nights.h"

struct serve;

/* `nights` and `clock` are borrowed. `key`: the only one accepted, NULL for any. NULL: no memory. */
struct serve *serve_open(struct nights *nights, struct follow *clock, const char *key);
void serve_close(struct serve **self); /* after the server was closed */
/* As sim/faults.h has it. */
int serve_add_faults(struct serve *self, const json_t *value, char *why, size_t why_size);

void serve_request(struct httpd_request *request, void *self); /* an httpd_handler */
/* Requests that hang are let go when their time is over: call after each turn; at most so long until it is due, -1: never. */
int serve_timeout_ms(const struct serve *self);
void serve_turn(struct serve *self);

#endif
