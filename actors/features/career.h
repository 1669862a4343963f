/* What features remembers of finished games: per player and season his lines, per team and season its sums, each one
 * row of the store holding a sorted array. So 'last n games before a day' is one or two reads, and an import of
 * five seasons is a few thousand writes.
 *
 * Tables (date = 1 July of the season's year where it says season):
 *   career  season, player   -> struct window_line[]     sorted by date, game
 *   team    season, team     -> struct window_team[]     sorted likewise
 *   player  undated, player  -> struct career_player
 *   staged  undated, kind... -> rows of the import that is not committed yet
 *   meta    undated, name    -> import id, first season */
#ifndef ACTORS_FEATURES_CAREER_H
#define ACTORS_FEATURES_CAREER_H

#include "actors/features/window.h"
#include "store/store.h"

struct career_player {
    int32_t last_date; /* his newest line's, 0: none */
    char last_team[4];
    char name[72];
    uint8_t group; /* where he plays, enum window_group */
    uint8_t spare[3];
};

/* All return 0 or a negative store_error. */

/* Staging. A row of another import than the one staged sweeps what that one left. */
int career_stage_line(struct store_txn *txn, const char *import_id, const struct window_line *line,
                      int64_t player_id, const char *player_name);
int career_stage_name(struct store_txn *txn, const char *import_id, int64_t player_id,
                      const char *name);
/* Where he plays; lines that come in later carry it. */
int career_stage_group(struct store_txn *txn, const char *import_id, int64_t player_id,
                       enum window_group group);
/* Any other row of an import, by kind and number; whoever staged it moves it before career_commit sweeps (store_scan of `staged`
 * behind career_stage_for). */
int career_stage_row(struct store_txn *txn, const char *import_id, const char *kind, int64_t number,
                     const void *value, size_t size);
int career_stage_for(struct store_txn *txn, const char *import_id);
/* Moves what is staged under `import_id` into place, wholly; anything staged under another id is swept. */
int career_commit(struct store_txn *txn, const char *import_id, int64_t *lines);

/* One line in (or, not `played`, out), e.g. from a final box score; a line of the same game is replaced. */
int career_add(struct store_txn *txn, int64_t player_id, const char *player_name,
               const struct window_line *line);
int career_group(struct store_txn *txn, int64_t player_id, enum window_group group);
/* Keeps the name of a player who has none yet. */
int career_name(struct store_txn *txn, int64_t player_id, const char *name);

/* Lines before `date`, oldest first: the newest WINDOW_LINES_MAX. `*career` counts all before `date`. */
int career_lines(struct store_txn *txn, int64_t player_id, int32_t date,
                 struct window_line lines[WINDOW_LINES_MAX], size_t *count, int64_t *career);
#define CAREER_SEASONS_MAX 40
/* The stored arrays of a player (table `career`, by id) or a team (table `team`, by code), a season each, oldest first; they borrow
 * from the map. */
int career_seasons(struct store_txn *txn, const char *table, const int64_t *player_id,
                   const char *code, struct span seasons[CAREER_SEASONS_MAX], size_t *count);
int career_player(struct store_txn *txn, int64_t player_id, struct career_player *player);
/* The day of the season's first game before `date`; `date` itself if none is known. */
int career_opening(struct store_txn *txn, int32_t date, int32_t *opening);

/* Players whose newest line before `date` was for one of the two teams, at most `days_back` days ago; in the first days of a
 * season, any in the one before. Ids ascending, at most `most`. */
struct career_member {
    int64_t player_id;
    char team[4];
};
int career_roster(struct store_txn *txn, const char home[4], const char away[4], int32_t date,
                  int days_back, struct career_member *members, size_t most, size_t *count);

void career_code(char code[4], const char *text);     /* team code, zero-padded */
void career_game(char game_id[16], const char *text); /* game id, zero-padded */

#endif
