/* Bodies that were not taken whole: the newest of each subject, until one of it is. What is known later (a team, a player, a game) may
 * make sense of them, and no poll brings them again: the poller says a body once.
 *
 *   partly   undated, subject -> raw.exchange */
#ifndef ACTORS_PROCESSOR_PARTLY_H
#define ACTORS_PROCESSOR_PARTLY_H

#include <stdint.h>

#include "actors/processor/memory.h"

/* The newest of its subject: kept if not `whole`, else nothing of the subject is. */
void partly_put(struct memory *memory, const struct msg_raw_exchange *raw,
                const struct span *payload, bool whole);
/* False: there is none. `*payload` is a copy of the whole record, which the caller frees; `raw` borrows from it. */
bool partly_get(struct memory *memory, const char *subject, struct msg_raw_exchange *raw,
                struct span *payload);

#endif
