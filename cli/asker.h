/* Asks the broker's control socket from a thread of its own, so that a broker that does not answer never holds up the
 * one who supervises it. STATUS again and again; other words when told to. */
#ifndef CLI_ASKER_H
#define CLI_ASKER_H

#include <stdint.h>

struct asker;

/* `interval_us` between two STATUS. NULL with errno. */
struct asker *asker_open(const char *endpoint, int64_t interval_us);
void asker_every(struct asker *self, int64_t interval_us); /* from the next one on */
void asker_close(struct asker **self);
int asker_fd(
    const struct asker *self); /* readable when there is news; asker_turn makes it quiet again */
void asker_turn(struct asker *self);
/* The newest STATUS answer, once; NULL if none came since. The caller frees. */
char *asker_status(struct asker *self);
/* When it last answered anything (clock_mono_us), 0 = never. */
int64_t asker_heard_us(struct asker *self);
/* Says `words` once, as soon as the broker answers; a new request replaces one that waits. */
void asker_say(struct asker *self, const char *words);
/* The answer to it, once; NULL if there is none yet. The caller frees. */
char *asker_answer(struct asker *self);

#endif
