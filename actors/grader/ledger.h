/* What the grader remembers of each game: its state, the players' lines, the predictions in force, what was said last.
 *
 *   game        undated, game                          -> struct ledger_game
 *   box         game date, (game, player)              -> struct ledger_box
 *   prediction  its date, (game, player, system, stat) -> prediction.points: the newest made before the lock
 *   made        likewise                               -> position of that prediction
 *   grade       likewise                               -> grade.points: the last one said
 *
 * All but `game` are aged: a game is graded within days, and no import writes here. */
#ifndef ACTORS_GRADER_LEDGER_H
#define ACTORS_GRADER_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "actors/actor.h"
#include "schema/messages.h"
#include "schema/stats.h"
#include "store/store.h"

extern const struct aging ledger_ages[];

struct ledger_game {
    int32_t first_date,
        date;          /* a postponed game moves: predictions made for the first date still hold */
    int64_t tip_at;    /* MESSAGE_NONE: unknown */
    int64_t play_seen; /* append time of the first record that saw play; MESSAGE_NONE: not yet */
    int64_t period;    /* of the newest state */
    int64_t box_players; /* lines the final box score has; 0: it is not in yet */
    int64_t seen_at;     /* append time and position of the newest state */
    uint64_t position;
    char clock[16];
    bool in_play, final;
};
struct ledger_box {
    int64_t player_id;
    int64_t seen_at; /* append time and position of the row */
    uint64_t position;
    int32_t stats[STAT_COUNT], minutes;
    bool played, final;
};

/* All return 0, STORE_NOT_FOUND or another store_error. */
int ledger_get_game(struct store_txn *txn, const char *game_id, struct ledger_game *game);
int ledger_put_game(struct store_txn *txn, const char *game_id, const struct ledger_game *game);
int ledger_put_box(struct store_txn *txn, const struct msg_row_box_score *row, uint64_t position,
                   int64_t seen_at);
/* All lines of a game, by player; at most `most`. */
int ledger_get_boxes(struct store_txn *txn, const struct ledger_game *game, const char *game_id,
                     struct ledger_box *boxes, size_t most, size_t *count);

/* Keeps it unless a newer one is kept. */
int ledger_put_prediction(struct store_txn *txn, const struct msg_prediction_points *message,
                          uint64_t position);
int ledger_prediction_position(struct store_txn *txn, const struct msg_prediction_points *message,
                               uint64_t *position);
/* Predictions of a game; of one player, system and stat made for several dates, all, oldest date first. */
typedef int ledger_visit_prediction(const struct msg_prediction_points *message, void *context);
int ledger_each_prediction(struct store_txn *txn, const struct ledger_game *game,
                           const char *game_id, ledger_visit_prediction *visit, void *context);

/* The newest final ones that were said of a game. */
typedef int ledger_visit_grade(const struct msg_grade_points *message, void *context);
int ledger_each_grade(struct store_txn *txn, const struct ledger_game *game, const char *game_id,
                      ledger_visit_grade *visit, void *context);
/* `*same` if that is what was said last but for when, and for the game's clock; else remembers it. */
int ledger_note_grade(struct store_txn *txn, const struct msg_grade_points *message, bool *same);

#endif
