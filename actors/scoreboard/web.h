/* The scoreboard's HTTP side: page, API, exports, events, metrics. Driven from the actor's `work`. */
#ifndef ACTORS_SCOREBOARD_WEB_H
#define ACTORS_SCOREBOARD_WEB_H

#include <poll.h>
#include <stdint.h>

#include "actors/actor.h"
#include "actors/scoreboard/exports.h"

struct web;

/* Listens as soon as it can: a port that is taken is tried again, said once. NULL without memory. */
struct web *web_new(const struct settings *settings, const struct exports *exports);
void web_free(struct web **self);
int web_fds(struct web *self, struct pollfd *fds, int max, int64_t *timeout_us);
void web_turn(struct web *self, struct kit *kit);

/* Something that the page shows was taken; told to listeners by web_turn, once the step is committed. */
void web_notice(struct web *self, const char *what, uint64_t position, int32_t date,
                const char *game_id);
void web_forget(struct web *self); /* what was noticed since the last turn did not happen */

#endif
