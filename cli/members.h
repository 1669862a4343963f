/* What STATUS says of a member (PROTOCOL.md §4): is everything that it was given at work? */
#ifndef CLI_MEMBERS_H
#define CLI_MEMBERS_H

#include <stdbool.h>

#include "schema/json.h"

struct members_word {
    bool ready; /* each of its shards is, here */
    bool idle;  /* ... and has nothing left to take */
};
/* `member`: a row of STATUS's `members`; `host`: whose shards count. */
struct members_word members_word(const json_t *status, const json_t *member, const char *host);

#endif
