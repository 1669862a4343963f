/* What the processor remembers: one function per question, over the tables of its environment. The first store error is
 * kept in `error`; once there is one, questions answer 'no' and nothing is written: the handler then takes its
 * step back. */
#ifndef ACTORS_PROCESSOR_MEMORY_H
#define ACTORS_PROCESSOR_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/messages.h"
#include "store/store.h"

#include "schema/message_struct.h"
#include "actors/processor/state.def"
#include "schema/message_end.h"

#define MEMORY_CODE_SIZE 5

struct memory {
    struct store_txn *txn;
    int error; /* STORE_OK, or the first that happened */
};

/* Teams. Names are keys of name_key.h; a code is a name too. */
void memory_put_team(struct memory *self, const struct msg_history_team *team);
bool memory_team_by_id(struct memory *self, int64_t bdl_team_id, char code[MEMORY_CODE_SIZE]);
bool memory_team_by_name(struct memory *self, const char *name, char code[MEMORY_CODE_SIZE]);

/* Players. */
bool memory_player(struct memory *self, int64_t player_id, struct msg_processor_player *out);
void memory_put_player(struct memory *self, const struct msg_processor_player *player);
bool memory_player_by_bdl(struct memory *self, int64_t bdl_player_id, int64_t *player_id);
#define MEMORY_CANDIDATES_MAX 32
/* Ids of those whose name is `key`, or whose family name is that of `key` (`family`). */
int memory_players_named(struct memory *self, const char *key, bool family,
                         int64_t ids[MEMORY_CANDIDATES_MAX]);

/* Games. A game has one day and one pair of sides: putting it elsewhere moves it. */
bool memory_game(struct memory *self, const char *game_id, struct msg_processor_game *out);
bool memory_game_of(struct memory *self, int32_t date, const char *home, const char *away,
                    struct msg_processor_game *out);
void memory_put_game(struct memory *self, const struct msg_processor_game *game);
#define MEMORY_DAY_GAMES_MAX 20 /* the league has thirty teams */
/* Those of some days, by day, `most` (> 0) of them at most; returns how many. */
size_t memory_games_of(struct memory *self, int32_t from, int32_t to,
                       struct msg_processor_game *games, size_t most);
bool memory_game_by_source(struct memory *self, int64_t source_id, struct msg_processor_game *out);
void memory_put_source(struct memory *self, int64_t source_id, const char *game_id);

/* Events. Those that wait for their game are kept apart, by day. */
bool memory_event(struct memory *self, const char *event_id, struct msg_processor_event *out);
void memory_put_event(struct memory *self, const struct msg_processor_event *event);
bool memory_event_waits(struct memory *self, const struct msg_processor_event *event);
void memory_put_waiting(struct memory *self, const struct msg_processor_event *event);
void memory_del_waiting(struct memory *self, const struct msg_processor_event *event);
/* One that waits, in order after *after (start with zeros); false: no more. */
bool memory_next_waiting(struct memory *self, struct msg_processor_event *after);

/* The rows said last. */
bool memory_row_game(struct memory *self, int32_t date, const char *game_id,
                     struct msg_row_game *out);
void memory_put_row_game(struct memory *self, const struct msg_row_game *row);
bool memory_row_box(struct memory *self, int32_t date, const char *game_id, int64_t player_id,
                    struct msg_row_box_score *out);
void memory_put_row_box(struct memory *self, const struct msg_row_box_score *row);
int64_t memory_count_box(struct memory *self, int32_t date,
                         const char *game_id); /* lines of that game */
bool memory_row_odds(struct memory *self, const struct msg_row_odds *like,
                     struct msg_row_odds *out);
void memory_put_row_odds(struct memory *self, const struct msg_row_odds *row);
/* Those of one game, in order; `visit` must not write. */
typedef void memory_visit_odds(const struct msg_row_odds *row, void *context);
void memory_each_odds(struct memory *self, int32_t date, const char *game_id,
                      memory_visit_odds *visit, void *context);
uint64_t memory_odds_hash(const struct msg_row_odds *row); /* of the row's key */
bool memory_row_event(struct memory *self, int32_t date, const char *event_id,
                      struct msg_row_event *out);
void memory_put_row_event(struct memory *self, const struct msg_row_event *row);
bool memory_row_check(struct memory *self, const struct msg_row_check *like,
                      struct msg_row_check *out);
void memory_put_row_check(struct memory *self, const struct msg_row_check *row);
/* What another source said of a game's end. */
bool memory_score(struct memory *self, int32_t date, const char *game_id,
                  struct msg_processor_score *out);
void memory_put_score(struct memory *self, int32_t date, const char *game_id,
                      const struct msg_processor_score *score);
/* The figure of the newest list that held, by its check. */
bool memory_accepted(struct memory *self, const char *check, struct msg_processor_accepted *out);
void memory_put_accepted(struct memory *self, const char *check,
                         const struct msg_processor_accepted *accepted);
/* The newest of a page of a list, by feed and cursor (0: the first). */
bool memory_page(struct memory *self, const char *feed, int64_t cursor,
                 struct msg_processor_page *out);
void memory_put_page(struct memory *self, const char *feed, int64_t cursor,
                     const struct msg_processor_page *page);
/* The newest figure of a game or day; and the mean over those of some days, and how many they are. */
void memory_put_figure(struct memory *self, const char *name, int32_t date, const char *game_id,
                       double value);
double memory_figure_mean(struct memory *self, const char *name, int32_t from, int32_t to,
                          int *games);
bool memory_row_player(struct memory *self, int64_t player_id, struct msg_row_player *out);
void memory_put_row_player(struct memory *self, const struct msg_row_player *row);
bool memory_row_lineup(struct memory *self, const struct msg_row_lineup *like,
                       struct msg_row_lineup *out);
void memory_put_row_lineup(struct memory *self, const struct msg_row_lineup *row);
bool memory_row_play(struct memory *self, const struct msg_row_play *like,
                     struct msg_row_play *out);
void memory_put_row_play(struct memory *self, const struct msg_row_play *row);
/* Those of one game, each as its message, in order; `visit` must not write. */
typedef void memory_visit(const void *message, void *context);
void memory_each_play(struct memory *self, int32_t date, const char *game_id, memory_visit *visit,
                      void *context);
void memory_each_box(struct memory *self, int32_t date, const char *game_id, memory_visit *visit,
                     void *context);
bool memory_row_injury(struct memory *self, int64_t player_id, struct msg_row_injury *out);
void memory_put_row_injury(struct memory *self, const struct msg_row_injury *row);
/* Those that are listed; `visit` must not write. */
typedef void memory_visit_injury(const struct msg_row_injury *row, void *context);
void memory_each_injury(struct memory *self, memory_visit_injury *visit, void *context);
bool memory_row_game_odds(struct memory *self, const struct msg_row_game_odds *like,
                          struct msg_row_game_odds *out);
void memory_put_row_game_odds(struct memory *self, const struct msg_row_game_odds *row);
/* Whether a snapshot of this event was said before; marks it. */
bool memory_first_snapshot(struct memory *self, int32_t date, const char *event_id);

/* Whether no snapshot of the past of this event and instant was said before; marks it. */
bool memory_first_past(struct memory *self, int32_t date, const char *event_id,
                       int64_t snapshot_us);

/* Plain access, for what has one user (history.c); errors are kept as above. */
bool memory_get(struct memory *self, const char *table, int32_t date, const struct store_key *key,
                const struct message_desc *desc, void *message);
void memory_put(struct memory *self, const char *table, int32_t date, const struct store_key *key,
                const struct message_desc *desc, const void *message);
/* Keeps the first error; whether all is well. */
bool memory_ok(struct memory *self, int error);

#endif
