/* The exported files, by what they show: each says the position of the log that it is made of, and one that lacks what came since is stale,
 * however new the file is. The scoreboard writes them; who finds none under DIR/exports has nothing to judge. */
#ifndef ACTORS_WATCHDOG_EXPORTED_H
#define ACTORS_WATCHDOG_EXPORTED_H

#include "actors/actor.h"
#include "actors/watchdog/remedies.h"
#include "actors/watchdog/rules.h"

struct exported;
struct exported *exported_new(const struct settings *settings); /* NULL without memory */
void exported_free(struct exported **self);

enum exported_what { EXPORTED_LIVE, EXPORTED_GRADING, EXPORTED_WHATS };
/* A record that the files of `what` of that day must show. A store_error. */
int exported_shows(struct step *step, enum exported_what what, int32_t date, uint64_t position);
/* Whether the scoreboard has records to take: then what a file lacks is on its way, and is not asked for. */
void exported_writer(struct exported *self, bool busy);
/* Judges the files of the days around now; without writing. A store_error. */
int exported_look(struct exported *self, struct store_txn *txn, const struct remedies_look *look,
                  struct incidents *out);
bool exported_news(const struct exported *self); /* there is something to say */
int exported_speak(struct exported *self, struct step *step);

#endif
