/* What a game came to: final lines in, a row for each player and each side out. A game is summed up a minute after its first new line, so
 * that a box score is said once and not line by line; a correction says what it changes.
 *
 *   final      game date, (game, player)  -> struct summary_line, the newest final one
 *   final_due  game date, game            -> int64, when the timer that is set comes
 *   closing    game date, (game, player)  -> struct summary_before, as of the last features built
 *   summed     game date, (game, player or side) -> fingerprint of the last row that was said */
#ifndef ACTORS_FEATURES_SUMMARY_H
#define ACTORS_FEATURES_SUMMARY_H

#include <stddef.h>
#include <stdint.h>

#include "actors/actor.h"
#include "actors/features/game.h"
#include "actors/features/window.h"

#define SUMMARY_LINES_MAX 96 /* of one game; more are left out, and said */

struct summary_line {
    struct window_line line; /* `position`: of its row.box_score */
    int64_t player_id;
    char name[72];
};
struct summary_before {
    double line, injury_risk; /* NaN: none, no report */
    uint64_t position; /* of the record that had the features with this line built; 0: none */
};

/* One side's sums over who came in, and how many that were. */
struct summary_side {
    struct window_sums sums;
    int64_t players;
};
void summary_sides(const struct summary_line *lines, size_t count, struct summary_side *home,
                   struct summary_side *away);
/* Pure; the ids and names, and what was known before the game, are the caller's. */
void summary_of_player(const struct summary_line *line, const struct summary_side *own,
                       const struct summary_side *other, struct msg_summary_player_game *out);
void summary_of_side(const struct summary_side *own, const struct summary_side *other,
                     struct msg_summary_team_game *out);

/* ---- in a step; 0 or a store_error ---- */
/* A final line, kept by every shard. Only who has the game sums it up: `mine`. */
int summary_take(struct step *step, const char *game_id, const struct summary_line *line,
                 bool mine);
/* The game is known now, with the lines that came before it. */
int summary_game_known(struct step *step, const char *game_id, int32_t date);
/* What was known of him when features were last built. A line that was taken down stays the last. */
int summary_note_before(struct store_txn *txn, int32_t date, const char *game_id, int64_t player_id,
                        const struct summary_before *before);
/* The timer came: says what is new; `*said`: how many rows. */
int summary_say(struct step *step, const char *game_id, int32_t date, int64_t *said);

#endif
