/* What the scoreboard keeps, and how: the layout of its environment, DIR/shards/scoreboard-0. The actor writes it; the
 * `tipoff` command reads it with a store opened read_only, whether anything runs or not.
 *
 * A row's value is 16 bytes, position and league time of the record it came from (big-endian), and that record's payload as
 * it was. Keys are built by store_key_*, parts in the order given here. Rows are dated by the game's date.
 *
 * A table that is aged (scoreboard_ages) is kept as long as the log, unless retention.tables says otherwise; the others are kept for ever:
 * the season's games, lines, predictions and grades, and what was imported.
 *
 *   table         date         key                                             message
 *   game          game's       game_id                                         row_game, newest
 *   span          game's       game_id                                         two instants: first seen in play, first seen final
 *   box           game's       game_id, player_id                              row_box_score, newest
 *   odds          game's       game_id, player_id, market, book, line*1000, position   row_odds, every one
 *   feature       game's       game_id, player_id                              feature_player, newest
 *   summary       game's       game_id, player_id                              summary_player_game, newest
 *   team_summary  game's       game_id, team                                   summary_team_game, newest
 *   prediction    game's       game_id, player_id, system, stat, position      prediction_points, every one
 *   grade         game's       game_id, player_id, system, stat                grade_points, newest
 *   run           data_date, else day it was opened   opened_at, run_id        ops_run
 *   run_name      the run's    name, outcome, opened_at, run_id                none }
 *   run_outcome   the run's    outcome, opened_at, run_id                      none } actors/scoreboard/run_index.h
 *   run_index     undated      "made"                                          is it whole; else up to which date }
 *   poll          the run's    opened_at, run_id                               ops_run, those of the poller only
 *   alert         league day   alert_id                                        ops_alert, newest
 *   exit          league day   position                                        ops_exit
 *   expected      game's       game_id, output                                 ops_expected, newest
 *   action        game's       action_id                                       ops_action, newest
 *   dead          undated      position                                        dead_letter, without the payload
 *   history_game  game's       game_id, position                               history_game     } visible once their
 *   history_box   game's       game_id, player_id, position                    history_player_game } import is committed
 *   import_open   undated      import_id                                       none: seen, not committed
 *   import        undated      import_id                                       import_commit
 *   import_file   undated      import_id, file                                 import_file
 *   touched       game's       "live", "grading" or "export"                    none: the newest record that the exports show, or that asked for them */
#ifndef ACTORS_SCOREBOARD_TABLES_H
#define ACTORS_SCOREBOARD_TABLES_H

#include <stdbool.h>
#include <stdint.h>

#include "actors/actor.h"
#include "schema/messages.h"
#include "store/store.h"

#define SCOREBOARD_ENVIRONMENT "shards/scoreboard-0"

#define TABLE_GAME "game"
#define TABLE_SPAN "span"
#define TABLE_BOX "box"
#define TABLE_ODDS "odds"
#define TABLE_FEATURE "feature"
#define TABLE_SUMMARY "summary"
#define TABLE_TEAM_SUMMARY "team_summary"
#define TABLE_PREDICTION "prediction"
#define TABLE_GRADE "grade"
#define TABLE_RUN "run"
#define TABLE_RUN_NAME "run_name"
#define TABLE_RUN_OUTCOME "run_outcome"
#define TABLE_RUN_INDEX "run_index"
#define TABLE_POLL "poll"
#define TABLE_ALERT "alert"
#define TABLE_EXIT "exit"
#define TABLE_EXPECTED "expected"
#define TABLE_ACTION "action"
#define TABLE_DEAD "dead"
#define TABLE_HISTORY_GAME "history_game"
#define TABLE_HISTORY_BOX "history_box"
#define TABLE_IMPORT_OPEN "import_open"
#define TABLE_IMPORT "import"
#define TABLE_IMPORT_FILE "import_file"
#define TABLE_TOUCHED "touched"

#define TABLE_DATE_FIRST 1 /* every dated row lies between these */
#define TABLE_DATE_LAST 99991231

extern const struct aging scoreboard_ages[];

/* Which record a row came from. */
struct table_mark {
    uint64_t position;
    int64_t time_us; /* league time of its append */
};

int table_put(struct store_txn *txn, const char *table, int32_t date, const struct store_key *key,
              const struct table_mark *mark, const struct span *payload);
/* 0, or STORE_CORRUPT: shorter than a mark. `payload` borrows from `value`. */
int table_read(const struct span *value, struct table_mark *mark, struct span *payload);

/* Walks one table over a range of dates, each row decoded. `message` (struct of `desc`) is overwritten row by row; what it
 * borrows is valid until the transaction ends. `visit` returns 0 to go on. `prefix` may be NULL. Returns what stopped it, 0 or
 * a store_error. */
typedef int table_visit(void *context, int32_t date, const struct table_mark *mark,
                        const void *message);
int table_each(struct store_txn *txn, const char *table, int32_t from, int32_t to,
               const struct store_key *prefix, const struct message_desc *desc, table_visit *visit,
               void *context);

/* The same of rows whose payload holds each of `words` (ended by NULL) somewhere: most of a large table is passed over without being
 * decoded. That a word is in the field it is meant for is for `visit` to see. */
int table_each_with(struct store_txn *txn, const char *table, int32_t from, int32_t to,
                    const struct store_key *prefix, const char *const *words,
                    const struct message_desc *desc, table_visit *visit, void *context);

/* Is the import `import_id` committed, i.e. are its rows to be seen? */
bool table_import_visible(struct store_txn *txn, const char *import_id);

/* The environment, opened for reading only. NULL: *error says why; STORE_NOT_FOUND if there is none yet. */
struct store *tables_open(const char *dir, int *error);

#endif
