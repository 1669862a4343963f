/* What features are made from, in memory, read from the store when it is asked for and kept: the same for the game of tonight and for
 * every game of the past, which training and backtest walk through. Nothing here looks at the day itself: whoever asks
 * names a day, and gets what was known before it. */
#ifndef ACTORS_FEATURES_LEAGUE_H
#define ACTORS_FEATURES_LEAGUE_H

#include "actors/features/career.h"
#include "actors/features/window.h"
#include "store/store.h"

struct league;
struct league_player {
    int64_t player_id;
    char name[72];
    enum window_group group;
    struct window_line *lines; /* all that are known, oldest first */
    size_t count;
};
struct league_team {
    char code[4];
    struct window_team *games; /* likewise */
    size_t count;
};

/* Borrows `txn`. NULL: no memory. */
struct league *league_new(struct store_txn *txn);
/* Asks this transaction from now on; what was read stays, and must still be true. */
void league_use(struct league *self, struct store_txn *txn);
void league_free(struct league **self);

/* All return 0 or a store_error; what is not known has no lines or games. The result stays as long as the league. */
int league_player(struct league *self, int64_t player_id, const struct league_player **player);
int league_team(struct league *self, const char code[4], const struct league_team **team);
/* Everything that is known, so that nothing is read from the store any more; then players by id can be walked. */
int league_load(struct league *self);
size_t league_player_count(const struct league *self);
const struct league_player *league_player_at(const struct league *self, size_t index);

/* How many of them are before the day. */
size_t league_lines_before(const struct league_player *player, int32_t date);
size_t league_games_before(const struct league_team *team, int32_t date);

#define LEAGUE_MATES_MAX 64
/* One side of a game: its games before the day, and who is with it. */
struct league_side {
    char code[4];
    const struct window_team *games;
    size_t count;
    struct window_mate mates[LEAGUE_MATES_MAX]; /* by player_id */
    size_t mate_count;
};
/* `members`: who is with the team (career_roster, or league_roster). With `reports` what the injury report says counts; without,
 * as for games of the past, it does not. */
int league_side(struct league *self, const char code[4], int32_t date,
                const struct career_member *members, size_t member_count, bool reports,
                struct league_side *side);
/* As career_roster, of a loaded league and one team. */
size_t league_roster(const struct league *self, const char code[4], int32_t date, int days_back,
                     struct career_member *members, size_t most);

/* A player before a game. `input` gets what history knows; what the game and the books say is filled in by the caller before
 * window_values, and what stood around each of his lines (line_teams, tiers) by league_around, which window_past needs and window_said
 * does not. Valid until the next call. */
int league_input(struct league *self, int64_t player_id, const char *game_id, int32_t date,
                 bool home, const struct league_side *own, const struct league_side *other,
                 struct window_input *input);
int league_around(struct league *self, struct window_input *input);

#endif
