/* An ops_command as its actor takes it: whose it is, and what is answered. Everyone reads them all (`every_partition`); what is another
 * actor's, or about what another shard owns, is passed over without a word. */
#ifndef ACTORS_COMMAND_H
#define ACTORS_COMMAND_H

#include <stdbool.h>

#include "actors/actor.h"

/* What an actor can be asked: one verb, about what has the key of a record of `of`. */
struct command_kind {
    const char *actor, *verb;
    const struct message_desc *of;
    const char *run; /* of doing it; NULL: none */
};
/* True: it is for this shard, and its run has begun. `key` NULL: the subject itself is the key. False: there is nothing more to do (another verb to
 * this actor is answered `refused`). */
bool command_take(struct step *step, const struct input *input, const struct command_kind *kind,
                  const char *key);
/* `said_before`: step_emitted as the work began. */
void command_done(struct step *step, const struct input *input, uint32_t said_before);
/* What it names is not there, or closed. */
void command_nothing(struct step *step, const struct input *input, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
