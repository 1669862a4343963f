/* The remedies, as the watchdog keeps them: what was asked and what became of it, and what it knows of records that were refused and
 * bodies that were not taken whole. Which is next: remedy.h. */
#ifndef ACTORS_WATCHDOG_REMEDIES_H
#define ACTORS_WATCHDOG_REMEDIES_H

#include "actors/actor.h"
#include "actors/watchdog/remedy.h"

/* ---- records: each returns 0 or a store_error ---- */
/* The newest record of its stream that there is of `entity` ("" the whole game): older ones that were refused are no loss. */
int remedies_record(struct step *step, const struct message_desc *desc, int32_t date,
                    const char *game_id, const char *entity, uint64_t position);
int remedies_letter(struct step *step, const struct input *input);
int remedies_run(struct step *step, const struct msg_ops_run *run);
int remedies_answer(struct step *step, const struct msg_command_answer *answer);

/* ---- looking ---- */
struct remedies_look {
    const struct remedy_limits *limits;
    struct remedy_budget *budget; /* what is to be asked is taken from it */
    bool heal;
    bool playing; /* a game is on: the tables are looked at, and are not made again now */
    int64_t now_us, grace_us; /* grace: so long after the tip a game's features are closed */
};
/* What is to be said of one row. */
struct remedy_turn {
    const struct remedy *ask; /* NULL: nothing is asked */
    int64_t attempt, failed;
    uint64_t position; /* of the record it is about; 0: none */
    char why[80];      /* how it stands; "": as the ledger counts it */
    bool spent;        /* nothing more is tried */
    bool ended;        /* `end` tells how the one before ended */
    struct msg_ops_action end;
};
/* `wanting`: it is missing, and may be asked for. Without writing. A store_error. */
int remedies_look(const struct remedies_look *look, struct store_txn *txn,
                  const struct msg_ops_expected *row, bool wanting, struct remedy_turn *turn);
/* The same without what was asked before: for a row that nobody waits for any more (holes.h). `lost`: it was said, and is gone. `past` is what
 * counts. A store_error; *answer as remedy_next. */
int remedies_choose(const struct remedies_look *look, struct store_txn *txn,
                    const struct msg_ops_expected *row, bool lost,
                    const struct remedy_past past[REMEDY_KINDS], struct remedy_turn *turn,
                    enum remedy_answer *answer);
/* Stores and says it. A store_error. */
int remedies_speak(struct step *step, const struct msg_ops_expected *row,
                   const struct remedy_turn *turn);

/* ---- one action: of an output of a game, or ("" no game) of a day's files ---- */
int remedies_past(struct store_txn *txn, int32_t date, const char *game_id, const char *output,
                  enum remedy_kind kind, struct msg_ops_action *action, struct remedy_past *past);
void remedies_end(struct msg_ops_action *action, bool helped, int64_t at_us, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void remedies_begin(struct msg_ops_action *action, int32_t date, const char *game_id,
                    const char *output, enum remedy_cause cause, enum remedy_kind kind,
                    const char *subject);
int remedies_say(struct step *step, struct msg_ops_action *action);
void remedies_command(struct step *step, const struct msg_ops_action *action);

int remedies_budget_read(struct store_txn *txn, struct remedy_budget *budget);
int remedies_budget_write(struct step *step, const struct remedy_budget *budget);

#endif
