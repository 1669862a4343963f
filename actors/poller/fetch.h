/* HTTP GETs over one libcurl multi handle, driven by the owner's poll loop: nothing here blocks, nothing starts a thread but
 * libcurl's resolver. Bytes are counted as they arrive, before and after decompression. */
#ifndef ACTORS_POLLER_FETCH_H
#define ACTORS_POLLER_FETCH_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "actors/poller/retry.h"
#include "config/settings.h"

#define FETCH_HEADERS_MAX 16
#define FETCH_HEADER_SIZE 256
#define FETCH_HEADERS_LIST_MAX 4 /* of a request */

struct fetcher;
struct fetch;

/* NULL if libcurl refuses. */
struct fetcher *fetcher_open(const struct settings *settings);
void fetcher_close(struct fetcher **self); /* drops what is under way */

struct fetch_request {
    const char *url; /* with its key: used, never kept where a log or message could see it */
    const char *headers[FETCH_HEADERS_LIST_MAX]; /* "Name: value"; ended by NULL or full */
};
/* NULL if too many are under way (setting poller.max_connections) or libcurl refuses. */
struct fetch *fetcher_start(struct fetcher *self, const struct fetch_request *request);
bool fetcher_full(const struct fetcher *self);

/* For the loop: the sockets to poll, and lowers *timeout_us to when fetcher_turn wants to be called. */
int fetcher_fds(struct fetcher *self, struct pollfd *fds, int max, int64_t *timeout_us);
void fetcher_turn(struct fetcher *self, const struct pollfd *fds, int count);

struct fetch_header {
    char name[48]; /* lower case */
    char value[FETCH_HEADER_SIZE];
};
struct fetch_result {
    enum fetch_error error;
    char error_text[128];
    long status;
    const uint8_t *body; /* decoded; the fetch's own */
    size_t body_size;
    int64_t wire_bytes; /* of the body, as it travelled */
    int64_t retry_after_us;
    struct fetch_header headers[FETCH_HEADERS_MAX]; /* those that are kept */
    int header_count;
};
/* NULL while it is under way. */
const struct fetch_result *fetch_done(const struct fetch *self);
const char *fetch_header(const struct fetch_result *result, const char *name); /* "" if absent */
void fetcher_drop(struct fetcher *self, struct fetch **fetch);                 /* done or not */

#endif
