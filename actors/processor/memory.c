#include "actors/processor/memory.h"

#include <math.h>
#include <string.h>

#include "actors/processor/name_key.h"
#include "schema/hash.h"

#include "schema/message_table.h"
#include "actors/processor/state.def"
#include "schema/message_end.h"

#define ALL_DAYS 10000101, 99991231

bool memory_ok(struct memory *self, int error)
{
    if (self->error == STORE_OK && error != STORE_OK && error != STORE_NOT_FOUND) {
        self->error = error;
    }
    return self->error == STORE_OK && error == STORE_OK;
}

bool memory_get(struct memory *self, const char *table, int32_t date, const struct store_key *key,
                const struct message_desc *desc, void *message)
{
    if (self->error != STORE_OK) {
        return false;
    }
    return memory_ok(
        self, store_get_message(self->txn, table, date, key->data, key->size, desc, message));
}

void memory_put(struct memory *self, const char *table, int32_t date, const struct store_key *key,
                const struct message_desc *desc, const void *message)
{
    if (self->error == STORE_OK) {
        memory_ok(self, key->too_long ? STORE_TOO_LARGE
                                      : store_put_message(self->txn, table, date, key->data,
                                                          key->size, desc, message));
    }
}

static void put_bytes(struct memory *self, const char *table, const struct store_key *key,
                      const void *value, size_t size)
{
    if (self->error == STORE_OK) {
        memory_ok(self,
                  store_put(self->txn, table, STORE_UNDATED, key->data, key->size, value, size));
    }
}

/* Copies at most size - 1 bytes of an undated row that holds text. */
static bool get_text(struct memory *self, const char *table, const struct store_key *key, char *out,
                     size_t size)
{
    struct span value;
    if (self->error != STORE_OK ||
        !memory_ok(self,
                   store_get(self->txn, table, STORE_UNDATED, key->data, key->size, &value)) ||
        value.size >= size) {
        return false;
    }
    memcpy(out, value.data, value.size);
    out[value.size] = '\0';
    return true;
}

static void del(struct memory *self, const char *table, int32_t date, const struct store_key *key)
{
    if (self->error == STORE_OK) {
        memory_ok(self, store_del(self->txn, table, date, key->data, key->size));
    }
}

static struct store_key key_text(const char *text)
{
    struct store_key key;
    store_key_start(&key);
    store_key_text(&key, text);
    return key;
}

static struct store_key key_number(int64_t number)
{
    struct store_key key;
    store_key_start(&key);
    store_key_i64(&key, number);
    return key;
}

/* ---- teams ---- */

static void put_team_name(struct memory *self, const char *name, const char *code)
{
    char normal[NAME_KEY_SIZE];
    name_key(name, normal);
    if (normal[0] != '\0') {
        struct store_key key = key_text(normal);
        put_bytes(self, "team", &key, code, strlen(code));
    }
}

void memory_put_team(struct memory *self, const struct msg_history_team *team)
{
    char both[96];
    both[0] = '\0';
    strcat(strcat(strcat(both, team->city), " "), team->name);
    put_team_name(self, team->name, team->team);
    put_team_name(self, both, team->team);
    put_team_name(self, team->full_name, team->team);
    put_team_name(self, team->odds_api_name, team->team);
    put_team_name(self, team->team, team->team);
    if (team->bdl_team_id != MESSAGE_NONE) {
        struct store_key key = key_number(team->bdl_team_id);
        put_bytes(self, "team-bdl", &key, team->team, strlen(team->team));
    }
}

bool memory_team_by_id(struct memory *self, int64_t bdl_team_id, char code[MEMORY_CODE_SIZE])
{
    struct store_key key = key_number(bdl_team_id);
    return get_text(self, "team-bdl", &key, code, MEMORY_CODE_SIZE);
}

bool memory_team_by_name(struct memory *self, const char *name, char code[MEMORY_CODE_SIZE])
{
    char normal[NAME_KEY_SIZE];
    name_key(name, normal);
    struct store_key key = key_text(normal);
    return normal[0] != '\0' && get_text(self, "team", &key, code, MEMORY_CODE_SIZE);
}

/* ---- players ---- */

bool memory_player(struct memory *self, int64_t player_id, struct msg_processor_player *out)
{
    struct store_key key = key_number(player_id);
    return memory_get(self, "player", STORE_UNDATED, &key, &msg_processor_player_desc, out);
}

static void put_player_name(struct memory *self, const char *normal, int64_t player_id)
{
    if (normal[0] == '\0') {
        return;
    }
    struct store_key key = key_text(normal);
    store_key_i64(&key, player_id);
    put_bytes(self, "player-name", &key, "", 0);
    key = key_text(name_key_family(normal));
    store_key_i64(&key, player_id);
    put_bytes(self, "player-family", &key, "", 0);
}

void memory_put_player(struct memory *self, const struct msg_processor_player *player)
{
    char normal[NAME_KEY_SIZE];
    struct store_key key = key_number(player->player_id);
    memory_put(self, "player", STORE_UNDATED, &key, &msg_processor_player_desc, player);
    name_key(player->player_name, normal);
    put_player_name(self, normal, player->player_id);
    if (strcmp(normal, player->name_key) != 0) {
        put_player_name(self, player->name_key, player->player_id);
    }
    if (player->bdl_player_id != MESSAGE_NONE) {
        key = key_number(player->bdl_player_id);
        put_bytes(self, "player-bdl", &key, &player->player_id, sizeof player->player_id);
    }
}

bool memory_player_by_bdl(struct memory *self, int64_t bdl_player_id, int64_t *player_id)
{
    struct store_key key = key_number(bdl_player_id);
    struct span value;
    if (self->error != STORE_OK ||
        !memory_ok(self,
                   store_get(self->txn, "player-bdl", STORE_UNDATED, key.data, key.size, &value)) ||
        value.size != sizeof *player_id) {
        return false;
    }
    memcpy(player_id, value.data, sizeof *player_id);
    return true;
}

struct candidates {
    int64_t *ids;
    int count;
};

static int add_candidate(const struct store_row *row, void *context)
{
    struct candidates *found = context;
    struct span rest = row->key;
    const char *name;
    if (found->count == MEMORY_CANDIDATES_MAX) {
        return 1;
    }
    if (store_key_read_text(&rest, &name) == 0 &&
        store_key_read_i64(&rest, &found->ids[found->count]) == 0) {
        found->count++;
    }
    return 0;
}

int memory_players_named(struct memory *self, const char *key, bool family,
                         int64_t ids[MEMORY_CANDIDATES_MAX])
{
    struct candidates found = {.ids = ids};
    struct store_key prefix = key_text(family ? name_key_family(key) : key);
    if (self->error == STORE_OK) {
        int error =
            store_scan(self->txn, family ? "player-family" : "player-name", STORE_UNDATED,
                       STORE_UNDATED, prefix.data, prefix.size, false, add_candidate, &found);
        memory_ok(self, error > 0 ? STORE_OK : error);
    }
    return found.count;
}

/* ---- games ---- */

bool memory_game(struct memory *self, const char *game_id, struct msg_processor_game *out)
{
    struct store_key key = key_text(game_id);
    return memory_get(self, "game", STORE_UNDATED, &key, &msg_processor_game_desc, out);
}

static struct store_key key_sides(const char *home, const char *away)
{
    struct store_key key = key_text(home);
    store_key_text(&key, away);
    return key;
}

bool memory_game_of(struct memory *self, int32_t date, const char *home, const char *away,
                    struct msg_processor_game *out)
{
    struct store_key key = key_sides(home, away);
    return date != 0 && memory_get(self, "game-day", date, &key, &msg_processor_game_desc, out);
}

void memory_put_game(struct memory *self, const struct msg_processor_game *game)
{
    struct msg_processor_game old;
    struct store_key key;
    if (memory_game(self, game->game_id, &old)) {
        struct msg_processor_game there;
        key = key_sides(old.home, old.away);
        if (memory_game_of(self, old.game_date, old.home, old.away, &there) &&
            strcmp(there.game_id, game->game_id) == 0) {
            del(self, "game-day", old.game_date, &key);
        }
    }
    key = key_sides(game->home, game->away);
    memory_put(self, "game-day", game->game_date, &key, &msg_processor_game_desc, game);
    key = key_text(game->game_id);
    memory_put(self, "game", STORE_UNDATED, &key, &msg_processor_game_desc, game);
}

struct some_games {
    struct msg_processor_game *games;
    size_t count, most;
};

static int add_game(const struct store_row *row, void *context)
{
    struct some_games *some = context;
    struct msg_processor_game game;
    struct message_error why;
    if (message_decode(&msg_processor_game_desc, row->value.data, row->value.size, &game, &why) !=
        0) {
        return STORE_CORRUPT;
    }
    some->games[some->count++] = game;
    return some->count == some->most;
}

size_t memory_games_of(struct memory *self, int32_t from, int32_t to,
                       struct msg_processor_game *games, size_t most)
{
    struct some_games some = {.games = games, .most = most};
    if (self->error == STORE_OK) {
        int error = store_scan(self->txn, "game-day", from, to, NULL, 0, false, add_game, &some);
        memory_ok(self, error == STORE_NOT_FOUND || error > 0 ? STORE_OK : error);
    }
    return some.count;
}

bool memory_game_by_source(struct memory *self, int64_t source_id, struct msg_processor_game *out)
{
    char game_id[17];
    struct store_key key = key_number(source_id);
    return get_text(self, "game-source", &key, game_id, sizeof game_id) &&
           memory_game(self, game_id, out);
}

void memory_put_source(struct memory *self, int64_t source_id, const char *game_id)
{
    struct store_key key = key_number(source_id);
    put_bytes(self, "game-source", &key, game_id, strlen(game_id));
}

/* ---- events ---- */

bool memory_event(struct memory *self, const char *event_id, struct msg_processor_event *out)
{
    struct store_key key = key_text(event_id);
    return memory_get(self, "event", STORE_UNDATED, &key, &msg_processor_event_desc, out);
}

void memory_put_event(struct memory *self, const struct msg_processor_event *event)
{
    struct store_key key = key_text(event->event_id);
    memory_put(self, "event", STORE_UNDATED, &key, &msg_processor_event_desc, event);
}

bool memory_event_waits(struct memory *self, const struct msg_processor_event *event)
{
    struct msg_processor_event out;
    struct store_key key = key_text(event->event_id);
    return memory_get(self, "event-waits", event->game_date, &key, &msg_processor_event_desc, &out);
}

void memory_put_waiting(struct memory *self, const struct msg_processor_event *event)
{
    struct store_key key = key_text(event->event_id);
    memory_put(self, "event-waits", event->game_date, &key, &msg_processor_event_desc, event);
}

void memory_del_waiting(struct memory *self, const struct msg_processor_event *event)
{
    struct store_key key = key_text(event->event_id);
    del(self, "event-waits", event->game_date, &key);
}

struct next_waiting {
    struct msg_processor_event *after;
    bool found;
};

static int visit_waiting(const struct store_row *row, void *context)
{
    struct next_waiting *next = context;
    struct msg_processor_event event;
    struct message_error why;
    if (message_decode(&msg_processor_event_desc, row->value.data, row->value.size, &event, &why) !=
        0) {
        return STORE_CORRUPT;
    }
    if (row->date < next->after->game_date ||
        (row->date == next->after->game_date &&
         strcmp(event.event_id, next->after->event_id) <= 0)) {
        return 0;
    }
    *next->after = event;
    next->found = true;
    return 1;
}

bool memory_next_waiting(struct memory *self, struct msg_processor_event *after)
{
    struct next_waiting next = {.after = after};
    if (self->error == STORE_OK) {
        int error =
            store_scan(self->txn, "event-waits", ALL_DAYS, NULL, 0, false, visit_waiting, &next);
        memory_ok(self, error > 0 ? STORE_OK : error);
    }
    return next.found;
}

/* ---- the rows said last ---- */

bool memory_row_game(struct memory *self, int32_t date, const char *game_id,
                     struct msg_row_game *out)
{
    struct store_key key = key_text(game_id);
    return memory_get(self, "row-game", date, &key, &msg_row_game_desc, out);
}

void memory_put_row_game(struct memory *self, const struct msg_row_game *row)
{
    struct store_key key = key_text(row->game_id);
    memory_put(self, "row-game", row->game_date, &key, &msg_row_game_desc, row);
}

static struct store_key key_box(const char *game_id, int64_t player_id)
{
    struct store_key key = key_text(game_id);
    store_key_i64(&key, player_id);
    return key;
}

bool memory_row_box(struct memory *self, int32_t date, const char *game_id, int64_t player_id,
                    struct msg_row_box_score *out)
{
    struct store_key key = key_box(game_id, player_id);
    return memory_get(self, "row-box", date, &key, &msg_row_box_score_desc, out);
}

void memory_put_row_box(struct memory *self, const struct msg_row_box_score *row)
{
    struct store_key key = key_box(row->game_id, row->player_id);
    memory_put(self, "row-box", row->game_date, &key, &msg_row_box_score_desc, row);
}

static int count_row(const struct store_row *row, void *context)
{
    (void)row;
    ++*(int64_t *)context;
    return 0;
}

int64_t memory_count_box(struct memory *self, int32_t date, const char *game_id)
{
    int64_t count = 0;
    struct store_key prefix = key_text(game_id);
    if (self->error == STORE_OK) {
        int error = store_scan(self->txn, "row-box", date, date, prefix.data, prefix.size, false,
                               count_row, &count);
        memory_ok(self, error == STORE_NOT_FOUND ? STORE_OK : error);
    }
    return count;
}

static struct store_key key_odds(const struct msg_row_odds *row)
{
    struct store_key key = key_text(row->game_id);
    store_key_text(&key, row->market);
    store_key_text(&key, row->book);
    store_key_i64(&key, row->player_id);
    store_key_i64(&key, llround(row->line * 1000));
    return key;
}

uint64_t memory_odds_hash(const struct msg_row_odds *row)
{
    struct store_key key = key_odds(row);
    return hash_fnv64(key.data, key.size);
}

bool memory_row_odds(struct memory *self, const struct msg_row_odds *like, struct msg_row_odds *out)
{
    struct store_key key = key_odds(like);
    return memory_get(self, "row-odds", like->game_date, &key, &msg_row_odds_desc, out);
}

void memory_put_row_odds(struct memory *self, const struct msg_row_odds *row)
{
    struct store_key key = key_odds(row);
    memory_put(self, "row-odds", row->game_date, &key, &msg_row_odds_desc, row);
}

struct odds_visit {
    memory_visit_odds *visit;
    void *context;
};

static int visit_odds(const struct store_row *row, void *context)
{
    struct odds_visit *to = context;
    struct msg_row_odds odds;
    struct message_error why;
    if (message_decode(&msg_row_odds_desc, row->value.data, row->value.size, &odds, &why) != 0) {
        return STORE_CORRUPT;
    }
    to->visit(&odds, to->context);
    return 0;
}

void memory_each_odds(struct memory *self, int32_t date, const char *game_id,
                      memory_visit_odds *visit, void *context)
{
    struct odds_visit to = {visit, context};
    struct store_key prefix = key_text(game_id);
    if (self->error == STORE_OK) {
        memory_ok(self, store_scan(self->txn, "row-odds", date, date, prefix.data, prefix.size,
                                   false, visit_odds, &to));
    }
}

bool memory_row_event(struct memory *self, int32_t date, const char *event_id,
                      struct msg_row_event *out)
{
    struct store_key key = key_text(event_id);
    return memory_get(self, "row-event", date, &key, &msg_row_event_desc, out);
}

void memory_put_row_event(struct memory *self, const struct msg_row_event *row)
{
    struct store_key key = key_text(row->event_id);
    memory_put(self, "row-event", row->game_date, &key, &msg_row_event_desc, row);
}

/* True once for each key. */
static bool mark_first(struct memory *self, const char *table, int32_t date,
                       const struct store_key *key)
{
    struct span value;
    if (self->error != STORE_OK ||
        memory_ok(self, store_get(self->txn, table, date, key->data, key->size, &value)) ||
        self->error != STORE_OK) {
        return false;
    }
    memory_ok(self, store_put(self->txn, table, date, key->data, key->size, "", 0));
    return true;
}

bool memory_first_snapshot(struct memory *self, int32_t date, const char *event_id)
{
    struct store_key key = key_text(event_id);
    return mark_first(self, "odds-seen", date, &key);
}

bool memory_first_past(struct memory *self, int32_t date, const char *event_id, int64_t snapshot_us)
{
    struct store_key key = key_text(event_id);
    store_key_i64(&key, snapshot_us);
    return mark_first(self, "odds-past", date, &key);
}

/* ---- squads, line-ups, injuries, and markets of games ---- */

bool memory_row_player(struct memory *self, int64_t player_id, struct msg_row_player *out)
{
    struct store_key key = key_number(player_id);
    return memory_get(self, "row-player", STORE_UNDATED, &key, &msg_row_player_desc, out);
}

void memory_put_row_player(struct memory *self, const struct msg_row_player *row)
{
    struct store_key key = key_number(row->player_id);
    memory_put(self, "row-player", STORE_UNDATED, &key, &msg_row_player_desc, row);
}

static struct store_key key_lineup(const struct msg_row_lineup *row)
{
    struct store_key key = key_text(row->game_id);
    store_key_i64(&key, row->player_id);
    return key;
}

bool memory_row_lineup(struct memory *self, const struct msg_row_lineup *like,
                       struct msg_row_lineup *out)
{
    struct store_key key = key_lineup(like);
    return memory_get(self, "row-lineup", like->game_date, &key, &msg_row_lineup_desc, out);
}

void memory_put_row_lineup(struct memory *self, const struct msg_row_lineup *row)
{
    struct store_key key = key_lineup(row);
    memory_put(self, "row-lineup", row->game_date, &key, &msg_row_lineup_desc, row);
}

static struct store_key key_play(const struct msg_row_play *row)
{
    struct store_key key = key_text(row->game_id);
    store_key_i64(&key, row->action);
    return key;
}

bool memory_row_play(struct memory *self, const struct msg_row_play *like, struct msg_row_play *out)
{
    struct store_key key = key_play(like);
    return memory_get(self, "row-play", like->game_date, &key, &msg_row_play_desc, out);
}

void memory_put_row_play(struct memory *self, const struct msg_row_play *row)
{
    struct store_key key = key_play(row);
    memory_put(self, "row-play", row->game_date, &key, &msg_row_play_desc, row);
}

struct each_row {
    const struct message_desc *desc;
    memory_visit *visit;
    void *context;
};

static int visit_row(const struct store_row *row, void *context)
{
    const struct each_row *each = context;
    union {
        struct msg_row_play play;
        struct msg_row_box_score box;
    } message;
    struct message_error why;
    if (message_decode(each->desc, row->value.data, row->value.size, &message, &why) != 0) {
        return STORE_CORRUPT;
    }
    each->visit(&message, each->context);
    return 0;
}

static void each_of_game(struct memory *self, const char *table, int32_t date, const char *game_id,
                         struct each_row *each)
{
    struct store_key prefix = key_text(game_id);
    if (self->error == STORE_OK) {
        int error = store_scan(self->txn, table, date, date, prefix.data, prefix.size, false,
                               visit_row, each);
        memory_ok(self, error == STORE_NOT_FOUND ? STORE_OK : error);
    }
}

void memory_each_play(struct memory *self, int32_t date, const char *game_id, memory_visit *visit,
                      void *context)
{
    struct each_row each = {&msg_row_play_desc, visit, context};
    each_of_game(self, "row-play", date, game_id, &each);
}

void memory_each_box(struct memory *self, int32_t date, const char *game_id, memory_visit *visit,
                     void *context)
{
    struct each_row each = {&msg_row_box_score_desc, visit, context};
    each_of_game(self, "row-box", date, game_id, &each);
}

bool memory_row_injury(struct memory *self, int64_t player_id, struct msg_row_injury *out)
{
    struct store_key key = key_number(player_id);
    return memory_get(self, "row-injury", STORE_UNDATED, &key, &msg_row_injury_desc, out);
}

void memory_put_row_injury(struct memory *self, const struct msg_row_injury *row)
{
    struct store_key key = key_number(row->player_id);
    memory_put(self, "row-injury", STORE_UNDATED, &key, &msg_row_injury_desc, row);
}

struct each_injury {
    memory_visit_injury *visit;
    void *context;
};

static int visit_injury(const struct store_row *row, void *context)
{
    const struct each_injury *each = context;
    struct msg_row_injury injury;
    struct message_error why;
    if (message_decode(&msg_row_injury_desc, row->value.data, row->value.size, &injury, &why) !=
        0) {
        return STORE_CORRUPT;
    }
    if (injury.listed) {
        each->visit(&injury, each->context);
    }
    return 0;
}

void memory_each_injury(struct memory *self, memory_visit_injury *visit, void *context)
{
    struct each_injury each = {visit, context};
    if (self->error == STORE_OK) {
        memory_ok(self, store_scan(self->txn, "row-injury", STORE_UNDATED, STORE_UNDATED, NULL, 0,
                                   false, visit_injury, &each));
    }
}

static struct store_key key_game_odds(const struct msg_row_game_odds *row)
{
    struct store_key key = key_text(row->game_id);
    store_key_text(&key, row->event_id);
    store_key_text(&key, row->market);
    store_key_text(&key, row->book);
    return key;
}

bool memory_row_game_odds(struct memory *self, const struct msg_row_game_odds *like,
                          struct msg_row_game_odds *out)
{
    struct store_key key = key_game_odds(like);
    return memory_get(self, "row-game-odds", like->game_date, &key, &msg_row_game_odds_desc, out);
}

void memory_put_row_game_odds(struct memory *self, const struct msg_row_game_odds *row)
{
    struct store_key key = key_game_odds(row);
    memory_put(self, "row-game-odds", row->game_date, &key, &msg_row_game_odds_desc, row);
}

/* ---- checks ---- */

static struct store_key key_check(const struct msg_row_check *row)
{
    struct store_key key = key_text(row->game_id);
    store_key_text(&key, row->check);
    return key;
}

bool memory_row_check(struct memory *self, const struct msg_row_check *like,
                      struct msg_row_check *out)
{
    struct store_key key = key_check(like);
    return memory_get(self, "row-check", like->game_date, &key, &msg_row_check_desc, out);
}

void memory_put_row_check(struct memory *self, const struct msg_row_check *row)
{
    struct store_key key = key_check(row);
    memory_put(self, "row-check", row->game_date, &key, &msg_row_check_desc, row);
}

bool memory_score(struct memory *self, int32_t date, const char *game_id,
                  struct msg_processor_score *out)
{
    struct store_key key = key_text(game_id);
    return memory_get(self, "score", date, &key, &msg_processor_score_desc, out);
}

void memory_put_score(struct memory *self, int32_t date, const char *game_id,
                      const struct msg_processor_score *score)
{
    struct store_key key = key_text(game_id);
    memory_put(self, "score", date, &key, &msg_processor_score_desc, score);
}

bool memory_accepted(struct memory *self, const char *check, struct msg_processor_accepted *out)
{
    struct store_key key = key_text(check);
    return memory_get(self, "accepted", STORE_UNDATED, &key, &msg_processor_accepted_desc, out);
}

void memory_put_accepted(struct memory *self, const char *check,
                         const struct msg_processor_accepted *accepted)
{
    struct store_key key = key_text(check);
    memory_put(self, "accepted", STORE_UNDATED, &key, &msg_processor_accepted_desc, accepted);
}

static struct store_key key_page(const char *feed, int64_t cursor)
{
    struct store_key key = key_text(feed);
    store_key_i64(&key, cursor);
    return key;
}

bool memory_page(struct memory *self, const char *feed, int64_t cursor,
                 struct msg_processor_page *out)
{
    struct store_key key = key_page(feed, cursor);
    return memory_get(self, "page", STORE_UNDATED, &key, &msg_processor_page_desc, out);
}

void memory_put_page(struct memory *self, const char *feed, int64_t cursor,
                     const struct msg_processor_page *page)
{
    struct store_key key = key_page(feed, cursor);
    memory_put(self, "page", STORE_UNDATED, &key, &msg_processor_page_desc, page);
}

void memory_put_figure(struct memory *self, const char *name, int32_t date, const char *game_id,
                       double value)
{
    struct msg_processor_figure figure = {.value = value};
    struct store_key key = key_text(name);
    store_key_text(&key, game_id);
    memory_put(self, "figure", date, &key, &msg_processor_figure_desc, &figure);
}

struct mean {
    double sum;
    int count;
};

static int add_figure(const struct store_row *row, void *context)
{
    struct mean *mean = context;
    struct msg_processor_figure figure;
    struct message_error why;
    if (message_decode(&msg_processor_figure_desc, row->value.data, row->value.size, &figure,
                       &why) != 0) {
        return STORE_CORRUPT;
    }
    mean->sum += figure.value;
    mean->count++;
    return 0;
}

double memory_figure_mean(struct memory *self, const char *name, int32_t from, int32_t to,
                          int *games)
{
    struct mean mean = {0};
    struct store_key key = key_text(name);
    if (self->error == STORE_OK) {
        int error =
            store_scan(self->txn, "figure", from, to, key.data, key.size, false, add_figure, &mean);
        memory_ok(self, error == STORE_NOT_FOUND ? STORE_OK : error);
    }
    *games = mean.count;
    return mean.count > 0 ? mean.sum / mean.count : 0;
}
