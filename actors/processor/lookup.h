/* Names that nobody knows, looked up at balldontlie (/v1/players?search=): which are asked for, and whom an answer names. The processor
 * asks the poller for "bdl_search:jay-huff" by a command; the answer is a body like any other. */
#ifndef ACTORS_PROCESSOR_LOOKUP_H
#define ACTORS_PROCESSOR_LOOKUP_H

#include "actors/processor/apply.h"

/* Asks for a name, unless it was asked for not long ago (setting processor.lookup_cooldown) or the day's are spent (processor.lookups_per_day).
 * 'Now' is when the body in hand was fetched. */
void lookup_want(struct apply *self, const char *name);
/* Whom that name (name_key.h) was found to mean, if he plays for one of these teams. */
bool lookup_found(struct memory *memory, const char *key, const char *home, const char *away,
                  struct identity_player *out);

#endif
