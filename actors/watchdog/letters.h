/* Dead letters that a remedy may have offered again: records of a game, or raw bodies, of which nothing newer is known. */
#ifndef ACTORS_WATCHDOG_LETTERS_H
#define ACTORS_WATCHDOG_LETTERS_H

#include "actors/actor.h"
#include "schema/messages.h"

/* All return 0 or a store_error. `about`: a game, or the subject of a raw body. */
int letters_newest_put(struct store_txn *txn, const char *stream, int32_t date, const char *about,
                       const char *entity, uint64_t position);
/* The first of those of `about` in a stream; 0: there is none. */
int letters_first(struct store_txn *txn, const char *stream, int32_t date, const char *about,
                  uint64_t *position);
/* `input` is a dead_letter; one that is about no game, or not the newest, is none of ours. */
int letters_put(struct step *step, const struct input *input);
int letters_any(struct store_txn *txn, int32_t date, const char *about, const char *actor,
                bool *any);
/* Says a verdict for each, and forgets them: what is refused again is another letter. *first: the position of the first record that
 * is offered again. */
int letters_retry(struct step *step, int32_t date, const char *about, const char *actor,
                  uint64_t *first, int64_t *count);

#endif
