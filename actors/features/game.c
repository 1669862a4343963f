#include "actors/features/game.h"

#include <math.h>
#include <string.h>

#include "schema/hash.h"

int game_load(struct store_txn *txn, const char *game_id, struct game_state *game)
{
    struct span value;
    int error = store_get(txn, "game", STORE_UNDATED, game_id, strlen(game_id), &value);
    if (error) {
        return error;
    }
    if (value.size != sizeof *game) {
        return STORE_CORRUPT;
    }
    memcpy(game, value.data, sizeof *game);
    return 0;
}

int game_save(struct store_txn *txn, const char *game_id, const struct game_state *game)
{
    return store_put(txn, "game", STORE_UNDATED, game_id, strlen(game_id), game, sizeof *game);
}

bool game_locked(const struct game_state *game, int64_t now_us, int64_t grace_us)
{
    return game->play_seen != MESSAGE_NONE ||
           (game->tip_at != MESSAGE_NONE && now_us >= game->tip_at + grace_us);
}

int game_put_odds(struct store_txn *txn, const struct msg_row_odds *row, uint64_t position)
{
    struct game_odds odds;
    struct store_key key;
    memset(&odds, 0, sizeof odds); /* padding is stored too */
    odds.player_id = row->player_id;
    odds.line = row->line;
    odds.over_price = row->over_price;
    odds.under_price = row->under_price;
    odds.position = position;
    odds.main = row->main;
    odds.offered = row->offered;
    memcpy(odds.book, row->book, strlen(row->book));
    memcpy(odds.player_name, row->player_name, strlen(row->player_name));
    store_key_start(&key);
    store_key_text(&key, row->game_id);
    store_key_i64(&key, row->player_id);
    store_key_text(&key, row->book);
    store_key_i64(&key, (int64_t)llround(row->line * 1000));
    return store_put(txn, "odds", row->game_date, key.data, key.size, &odds, sizeof odds);
}

struct odds_scan {
    game_visit_odds *visit;
    void *context;
};

static int visit_odds(const struct store_row *row, void *context)
{
    const struct odds_scan *scan = context;
    struct game_odds odds;
    if (row->value.size != sizeof odds) {
        return STORE_CORRUPT;
    }
    memcpy(&odds, row->value.data, sizeof odds);
    return scan->visit(&odds, scan->context);
}

int game_scan_odds(struct store_txn *txn, int32_t date, const char *game_id, game_visit_odds *visit,
                   void *context)
{
    struct odds_scan scan = {visit, context};
    int error =
        store_scan(txn, "odds", date, date, game_id, strlen(game_id) + 1, false, visit_odds, &scan);
    return error == STORE_NOT_FOUND ? 0 : error;
}

struct open_scan {
    game_visit *visit;
    void *context;
};

static int visit_game(const struct store_row *row, void *context)
{
    const struct open_scan *scan = context;
    struct game_state game;
    char game_id[17] = {0};
    if (row->value.size != sizeof game || row->key.size >= sizeof game_id) {
        return STORE_CORRUPT;
    }
    memcpy(&game, row->value.data, sizeof game);
    memcpy(game_id, row->key.data, row->key.size);
    return game.play_seen == MESSAGE_NONE && !game.postponed
               ? scan->visit(game_id, &game, scan->context)
               : 0;
}

int game_scan_open(struct store_txn *txn, game_visit *visit, void *context)
{
    struct open_scan scan = {visit, context};
    int error =
        store_scan(txn, "game", STORE_UNDATED, STORE_UNDATED, NULL, 0, false, visit_game, &scan);
    return error == STORE_NOT_FOUND ? 0 : error;
}

int game_note_emitted(struct store_txn *txn, int32_t date, const char *game_id, int64_t player_id,
                      const void *bytes, size_t size, bool *same)
{
    char print[HASH_HEX_SIZE];
    struct store_key key;
    struct span value;
    hash_sha256_hex(bytes, size, print);
    store_key_start(&key);
    store_key_text(&key, game_id);
    store_key_i64(&key, player_id);
    int error = store_get(txn, "emitted", date, key.data, key.size, &value);
    if (error && error != STORE_NOT_FOUND) {
        return error;
    }
    *same = !error && value.size == 32 && memcmp(value.data, print, 32) == 0;
    return *same ? 0 : store_put(txn, "emitted", date, key.data, key.size, print, 32);
}
