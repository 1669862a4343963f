#include "actors/poller/ledger.h"

#include <string.h>

#include "config/clock.h"

#include "schema/message_table.h"
#include "actors/poller/state.def"
#include "schema/message_end.h"

static struct store_key key_text(const char *text)
{
    struct store_key key;
    store_key_start(&key);
    store_key_text(&key, text);
    return key;
}

bool ledger_game(struct store_txn *txn, int32_t date, const char *game_id,
                 struct msg_poller_game *out)
{
    struct store_key key = key_text(game_id);
    return store_get_message(txn, "game", date, key.data, key.size, &msg_poller_game_desc, out) ==
           STORE_OK;
}

int ledger_put_game(struct store_txn *txn, const struct msg_poller_game *game)
{
    struct store_key key = key_text(game->game_id);
    return store_put_message(txn, "game", game->game_date, key.data, key.size,
                             &msg_poller_game_desc, game);
}

int ledger_put_event(struct store_txn *txn, const struct msg_poller_event *event)
{
    struct store_key key = key_text(event->event_id);
    return store_put_message(txn, "event", event->game_date, key.data, key.size,
                             &msg_poller_event_desc, event);
}

void ledger_subject(struct store_txn *txn, const char *subject, struct msg_poller_subject *out)
{
    struct store_key key = key_text(subject);
    if (store_get_message(txn, "subject", STORE_UNDATED, key.data, key.size,
                          &msg_poller_subject_desc, out) != STORE_OK) {
        message_clear(&msg_poller_subject_desc, out);
    }
}

int ledger_put_subject(struct store_txn *txn, const char *subject,
                       const struct msg_poller_subject *row)
{
    struct store_key key = key_text(subject);
    int error = store_put_message(txn, "subject", STORE_UNDATED, key.data, key.size,
                                  &msg_poller_subject_desc, row);
    if (error != STORE_OK) {
        return error;
    }
    if (row->forced) {
        return store_put(txn, "forced", STORE_UNDATED, key.data, key.size, "", 0);
    }
    error = store_del(txn, "forced", STORE_UNDATED, key.data, key.size);
    return error == STORE_NOT_FOUND ? STORE_OK : error;
}

static int visit_forced(const struct store_row *row, void *context)
{
    char *after = context;
    struct span rest = row->key;
    const char *subject;
    if (store_key_read_text(&rest, &subject) != 0 || strlen(subject) >= FEED_SUBJECT_SIZE ||
        strcmp(subject, after) <= 0) {
        return 0;
    }
    strcpy(after, subject);
    return 1;
}

bool ledger_next_forced(struct store_txn *txn, char after[FEED_SUBJECT_SIZE])
{
    return store_scan(txn, "forced", STORE_UNDATED, STORE_UNDATED, NULL, 0, false, visit_forced,
                      after) == 1;
}

static struct store_key key_source(enum feed_source source)
{
    struct store_key key;
    store_key_start(&key);
    store_key_i64(&key, source);
    return key;
}

void ledger_source(struct store_txn *txn, enum feed_source source, struct msg_poller_source *out)
{
    struct store_key key = key_source(source);
    if (store_get_message(txn, "source", STORE_UNDATED, key.data, key.size, &msg_poller_source_desc,
                          out) != STORE_OK) {
        message_clear(&msg_poller_source_desc, out);
    }
}

int ledger_put_source(struct store_txn *txn, enum feed_source source,
                      const struct msg_poller_source *row)
{
    struct store_key key = key_source(source);
    return store_put_message(txn, "source", STORE_UNDATED, key.data, key.size,
                             &msg_poller_source_desc, row);
}

int ledger_put_live(struct store_txn *txn, const struct live_list *list)
{
    return store_put(txn, "live", STORE_UNDATED, "list", 4, list, sizeof *list);
}

int ledger_new_command(struct store_txn *txn, const char *command_id, bool *is_new)
{
    struct store_key key = key_text(command_id);
    struct span value;
    int error = store_get(txn, "command", STORE_UNDATED, key.data, key.size, &value);
    *is_new = error == STORE_NOT_FOUND;
    return *is_new ? store_put(txn, "command", STORE_UNDATED, key.data, key.size, "", 0) : error;
}

/* ---- the plan's view ---- */

struct loading {
    struct ledger_view *view;
    struct live_list live;
    bool live_known;
};

static enum plan_state state_of(const char *status)
{
    return strcmp(status, "final") == 0         ? PLAN_FINAL
           : strcmp(status, "in_progress") == 0 ? PLAN_IN_PLAY
           : strcmp(status, "postponed") == 0   ? PLAN_POSTPONED
                                                : PLAN_SCHEDULED;
}

static int load_game(const struct store_row *row, void *context)
{
    struct loading *loading = context;
    struct msg_poller_game game;
    struct message_error why;
    if (message_decode(&msg_poller_game_desc, row->value.data, row->value.size, &game, &why) != 0) {
        return STORE_CORRUPT;
    }
    if (loading->view->game_count == LEDGER_GAMES_MAX) {
        return 1;
    }
    struct plan_game *to = &loading->view->games[loading->view->game_count++];
    strcpy(to->game_id, game.game_id);
    to->date = game.game_date;
    to->tip_us = game.tip_at;
    to->state = state_of(game.status);
    to->box_final = game.box_final_at != MESSAGE_NONE;
    to->box_final_us = game.box_final_at;
    to->begun_us = game.begun_at;
    to->source_id = game.source_game_id;
    to->in_list = !loading->live_known || game.source_game_id == MESSAGE_NONE ||
                  live_list_has(&loading->live, game.source_game_id);
    return 0;
}

static int load_event(const struct store_row *row, void *context)
{
    struct loading *loading = context;
    struct msg_poller_event event;
    struct message_error why;
    if (message_decode(&msg_poller_event_desc, row->value.data, row->value.size, &event, &why) !=
        0) {
        return STORE_CORRUPT;
    }
    if (loading->view->event_count == LEDGER_EVENTS_MAX) {
        return 1;
    }
    struct plan_event *to = &loading->view->events[loading->view->event_count++];
    strcpy(to->event_id, event.event_id);
    strcpy(to->game_id, event.game_id);
    to->date = event.game_date;
    to->commence_us = event.commence_at;
    return 0;
}

int ledger_view(struct store_txn *txn, int32_t from, int32_t to, struct ledger_view *out)
{
    struct loading loading = {.view = out};
    struct span live;
    out->game_count = out->event_count = 0;
    if (store_get(txn, "live", STORE_UNDATED, "list", 4, &live) == STORE_OK &&
        live.size == sizeof loading.live) {
        memcpy(&loading.live, live.data, sizeof loading.live);
        loading.live_known = true;
    }
    return store_scan(txn, "game", from, to, NULL, 0, false, load_game, &loading) < 0 ||
                   store_scan(txn, "event", to, to, NULL, 0, false, load_event, &loading) < 0
               ? -1
               : 0;
}
