/* Holes: what of the past is not there, however long ago. Everything that the ledger holds is gone through slowly, a day of games with each
 * look: what was settled without coming is a hole, if it can still be made; and the tables are asked how much they hold of each game, so that
 * what was lost of them is one, too. A hole has the remedies of its cause (remedies.def), behind those of tonight, and an incident (`hole`) that ends when it is
 * mended or, when nothing helps, says so once; then it rests for watchdog.hole_again. */
#ifndef ACTORS_WATCHDOG_HOLES_H
#define ACTORS_WATCHDOG_HOLES_H

#include "actors/actor.h"
#include "actors/watchdog/expect.h"
#include "actors/watchdog/remedies.h"
#include "actors/watchdog/rules.h"

/* By the game's date. */
#define HOLES_TABLE "hole"           /* game_id, output -> watch_hole */
#define HOLES_TABLE_OPEN "hole_open" /* the same, of those that are worked on -> nothing */
#define HOLES_CAUSE "hole"           /* of their incidents */

/* ---- records: each returns 0 or a store_error ---- */
int holes_held(struct step *step, const struct msg_ops_held *held);
int holes_run(struct step *step, const struct msg_ops_run *run);

/* ---- looking ---- */
struct holes; /* what one look found */
struct holes *holes_new(void);
void holes_free(struct holes **self);

struct holes_view {
    const struct settings *settings;
    const struct remedies_look *remedies;
    const struct owner *owners; /* OUTPUT_COUNT of them: nothing is given up while one works */
    bool behind;                /* records wait here: what is missed may be among them */
};
/* Without writing: 0 or a store_error. */
int holes_look(struct holes *self, struct store_txn *txn, const struct holes_view *view);
bool holes_news(const struct holes *self);
/* Stores and says it, but for the incidents. */
int holes_speak(struct holes *self, struct step *step);
/* Is there still a hole that the incident of this subject is about? Its rows may have aged away. Likewise. */
int holes_stand(struct store_txn *txn, const char *subject, bool *stand);
/* The incidents that are to be raised or made worse; and those that are over: NULL beyond the last. */
const struct incident *holes_raised(const struct holes *self, int index);
const struct incident *holes_over(const struct holes *self, int index);

#endif
