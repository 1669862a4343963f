/* An ops_command as its actor takes it: whose it is, and what is answered. Everyone reads them all (`every_partition`); what is another
 * actor's, or about what another shard owns, is passed over without a word. */
#ifndef ACTORS_COMMAND_H
#define ACTORS_COMMAND_H

#include <stdbool.h>

#include "actors/actor.h"

/* What an actor can be asked: a verb, about what has the key of a record of `of`. */
struct command_kind {
    const char *actor, *verb;
    const struct message_desc *of;
    const char *run;  /* of doing it; NULL: none */
    const char *also; /* the other verbs that its actor knows, as they are said; NULL: none */
};
/* Is it this verb of this actor? For one that knows several: whose is it, before command_take. */
bool command_is(const struct input *input, const struct command_kind *kind);
/* True: it is for this shard, and its run has begun. `key` NULL: the subject itself is the key. False: there is nothing more to do (another verb to
 * this actor is answered `refused`). */
bool command_take(struct step *step, const struct input *input, const struct command_kind *kind,
                  const char *key);
/* `said_before`: step_emitted as the work began. */
void command_done(struct step *step, const struct input *input, uint32_t said_before);
/* The game that a subject names, "0022500001" or with its day "0022500001:2025-10-21"; returns the day, 0: none is named. */
#define COMMAND_GAME_SIZE 17
int32_t command_game(const char *subject, char game_id[COMMAND_GAME_SIZE]);
/* What it names is not there, or closed. */
void command_nothing(struct step *step, const struct input *input, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
