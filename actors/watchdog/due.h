/* The ledger of expected outputs, as the watchdog keeps it: rows made from the schedule, counted as records come, judged and mended when
 * the watchdog looks. Rules: expect.h. */
#ifndef ACTORS_WATCHDOG_DUE_H
#define ACTORS_WATCHDOG_DUE_H

#include "actors/actor.h"
#include "actors/watchdog/expect.h"
#include "actors/watchdog/remedies.h"
#include "actors/watchdog/rules.h"

/* Its tables, by the game's date. */
#define DUE_TABLE_EXPECTED "expected" /* game_id, output -> ops_expected */
#define DUE_TABLE_OPEN "open"     /* the same, of those that are still to be judged -> nothing */
#define DUE_TABLE_SEEN "seen"     /* game_id, output, hash of what was counted -> nothing */
#define DUE_TABLE_CHECK "check"   /* game_id or day, output, check that fails -> how */
#define TABLE_INCIDENT "incident" /* undated; cause, subject -> ops_alert as last said */

/* ---- records: each returns 0 or a store_error ---- */
int due_game(struct step *step, const struct input *input, const struct msg_row_game *game);
int due_odds(struct step *step, const struct msg_row_odds_snapshot *snapshot, int64_t at_us);
int due_check(struct step *step, const struct msg_row_check *check);
int due_feature(struct step *step, const struct msg_feature_player *feature, int64_t at_us);
int due_prediction(struct step *step, const struct msg_prediction_points *prediction,
                   int64_t at_us);
/* *first: it is the first final one of its player, system and stat. */
int due_grade(struct step *step, const struct msg_grade_points *grade, int64_t at_us, bool *first);

/* The date that a game's rows are under; 0: it owes nothing. */
int due_day(struct store_txn *txn, const char *game_id, int32_t *date);

/* ---- rows ---- */
int due_row(struct store_txn *txn, int32_t date, const char *game_id, enum output_id output,
            struct msg_ops_expected *row);
int due_row_put(struct store_txn *txn, const struct msg_ops_expected *row);
int due_row_say(struct step *step, struct msg_ops_expected *row); /* stored, and said */

/* ---- looking ---- */
#define DUE_CHANGES_MAX 64

struct due_look {
    struct store_txn *txn;
    int64_t now_us;
    struct remedies_look remedies;
    struct owner owners[OUTPUT_COUNT];
    /* out: */
    struct msg_ops_expected
        rows[DUE_CHANGES_MAX]; /* to be stored and said, or (`tries` counted up) to be asked for */
    struct remedy_turn turns[DUE_CHANGES_MAX]; /* what is asked for, and how what was ended */
    bool said[DUE_CHANGES_MAX];                /* its state is news */
    int count;
    struct incidents *incidents; /* what is late, a line for each output and day */
};
/* Judges what is open. Without writing: 0 or a store_error. */
int due_judge(struct due_look *look, struct store_txn *txn);
/* Checks that fail for games and lists of the last days, as incidents. Likewise. */
int due_checks(struct store_txn *txn, int64_t now_us, struct incidents *out);
/* Stores and says it. */
int due_speak(const struct due_look *look, struct step *step);

#endif
