/* What an answer means: which outcome, which class, whether to try again and when. Pure. */
#ifndef ACTORS_POLLER_RETRY_H
#define ACTORS_POLLER_RETRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "actors/poller/feeds.h"
#include "schema/runs.h"

enum fetch_error { FETCH_OK, FETCH_NETWORK, FETCH_TIMEOUT, FETCH_TOO_LARGE };

struct answer {
    enum fetch_error error;
    const char *error_text; /* what the transport said; never holds a URL */
    long status;            /* 0 if none came */
    const void *body;
    size_t body_size;
    int64_t retry_after_us; /* 0 if the answer names no time */
    bool conditional;       /* asked with If-None-Match or If-Modified-Since */
};
struct judgement {
    enum run_outcome
        outcome; /* SUCCESS: a body to look at; UNCHANGED: 304; EMPTY_OK: what is asked about is over */
    enum error_class error;
    char message[160];
    bool retry;
    bool stop_source; /* out of credits: not before the next day */
    bool
        of_request; /* the service is there, and refuses this request: nothing is wrong with the service */
    bool hold_source; /* the service asked for patience: every feed of it waits */
    bool whole;       /* the body ends as it should: its ETag may be trusted */
};
void retry_judge(const struct answer *answer, const struct feed_desc *feed, struct judgement *out);

/* Real time to wait before attempt + 1 (attempt counts from 1): base doubled each time, cut to the cap, half of it
 * left to `random` (any 32 bits), and never less than what the service asked for, cut to the cap. */
int64_t retry_wait_us(const struct settings *settings, int attempt, int64_t retry_after_us,
                      uint32_t random);

#endif
