/* The poller's tables. Reads answer false when there is nothing, or the store fails; writes return the store's error. */
#ifndef ACTORS_POLLER_LEDGER_H
#define ACTORS_POLLER_LEDGER_H

#include "actors/poller/live_list.h"
#include "actors/poller/plan.h"
#include "schema/messages.h"
#include "store/store.h"

#include "schema/message_struct.h"
#include "actors/poller/state.def"
#include "schema/message_end.h"

bool ledger_game(struct store_txn *txn, int32_t date, const char *game_id,
                 struct msg_poller_game *out);
int ledger_put_game(struct store_txn *txn, const struct msg_poller_game *game);
int ledger_put_event(struct store_txn *txn, const struct msg_poller_event *event);

/* Absent: all fields absent. */
void ledger_subject(struct store_txn *txn, const char *subject, struct msg_poller_subject *out);
int ledger_put_subject(struct store_txn *txn, const char *subject,
                       const struct msg_poller_subject *row);
/* The first subject after `after` ("": from the start) that a command wants; false: no more. */
bool ledger_next_forced(struct store_txn *txn, char after[FEED_SUBJECT_SIZE]);

/* Absent: all fields absent. */
void ledger_source(struct store_txn *txn, enum feed_source source, struct msg_poller_source *out);
int ledger_put_source(struct store_txn *txn, enum feed_source source,
                      const struct msg_poller_source *row);

int ledger_put_live(struct store_txn *txn, const struct live_list *list);
/* True once; then the command was seen before. */
int ledger_new_command(struct store_txn *txn, const char *command_id, bool *is_new);

/* Games of `from`..`to` and events of `to`, as the plan wants them. Returns -1 if the store fails. */
#define LEDGER_GAMES_MAX 96
#define LEDGER_EVENTS_MAX 96
struct ledger_view {
    struct plan_game games[LEDGER_GAMES_MAX];
    int game_count;
    struct plan_event events[LEDGER_EVENTS_MAX];
    int event_count;
};
int ledger_view(struct store_txn *txn, int32_t from, int32_t to, struct ledger_view *out);

#endif
