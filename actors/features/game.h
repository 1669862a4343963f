/* What features remembers of a game to come, and of the odds on it.
 *
 *   game    undated, game                         -> struct game_state
 *   odds    game date, (game, player, book, line) -> struct game_odds
 *   opening game date, (game, player)             -> double, the first line that was seen
 *   game_line game date, (game, book)             -> struct game_line
 *   injury  undated, player                       -> int64, his risk (game_injury)
 *   odds_past game date, (game)                   -> int64, the snapshot of the past that its odds are of
 *   emitted game date, (game, player)             -> fingerprint of the last feature.player */
#ifndef ACTORS_FEATURES_GAME_H
#define ACTORS_FEATURES_GAME_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/messages.h"
#include "store/store.h"

struct game_state {
    int32_t date;
    char home[8], away[8];
    int64_t tip_at;    /* scheduled; MESSAGE_NONE: unknown */
    int64_t play_seen; /* append time of the first record that saw play; MESSAGE_NONE: not yet */
    uint64_t position; /* of the row.game that last changed it */
    bool postponed;
};
/* 0, STORE_NOT_FOUND or another error. */
int game_load(struct store_txn *txn, const char *game_id, struct game_state *game);
int game_save(struct store_txn *txn, const char *game_id, const struct game_state *game);

/* Closed: play was seen, or the grace after the scheduled tip is over. A new tip of a game nobody saw play opens it again. */
bool game_locked(const struct game_state *game, int64_t now_us, int64_t grace_us);

struct game_odds {
    int64_t player_id;
    double line;
    int64_t over_price, under_price;
    uint64_t position;
    bool main, offered;
    char book[40];
    char player_name[72];
};
int game_put_odds(struct store_txn *txn, const struct msg_row_odds *row, uint64_t position);
/* Whether a row of the past that held at `snapshot_us` is the newest known of its game; the first of a newer snapshot takes the place of
 * all odds and lines that are kept of it. */
int game_past_snapshot(struct store_txn *txn, int32_t date, const char *game_id,
                       int64_t snapshot_us, bool *newest);
/* Rows of the game ordered by player, book, line. */
typedef int game_visit_odds(const struct game_odds *odds, void *context);
int game_scan_odds(struct store_txn *txn, int32_t date, const char *game_id, game_visit_odds *visit,
                   void *context);

/* Lines of the past, staged with the import `import_id` (career.h) and visible with its commit; only main ones. */
int game_stage_prop(struct store_txn *txn, const struct msg_history_prop_line *row,
                    uint64_t position);
int game_stage_line(struct store_txn *txn, const struct msg_history_game_line *row,
                    uint64_t position);
int game_commit(struct store_txn *txn, const char *import_id);

/* The first line that was seen: noted if there is none yet, else read into `*line`. */
int game_opening(struct store_txn *txn, int32_t date, const char *game_id, int64_t player_id,
                 double *line, bool note);

/* Spread and total of a game at one book; NaN: not known. */
struct game_line {
    double spread_home, total;
};
int game_put_line(struct store_txn *txn, const struct msg_row_game_odds *row);
/* Over the books: the median of each. */
int game_median_line(struct store_txn *txn, int32_t date, const char *game_id,
                     struct game_line *line);

/* What the newest injury report says of him: 0 nothing, 1 day to day or probable, 2 questionable, 3 doubtful or out; NaN where no
 * report was ever read. */
int game_put_injury(struct store_txn *txn, const struct msg_row_injury *row);
int game_injury(struct store_txn *txn, int64_t player_id, double *risk);

/* Games not over yet whose day is `from` or later. */
typedef int game_visit(const char *game_id, const struct game_state *game, void *context);
int game_scan_open(struct store_txn *txn, game_visit *visit, void *context);

/* Remembers what was emitted of a player, by the first 32 hex digits over it; `*same` if it was that already. */
int game_note_emitted(struct store_txn *txn, int32_t date, const char *game_id, int64_t player_id,
                      const char *print, bool *same);

#endif
