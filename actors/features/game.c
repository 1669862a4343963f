#include "actors/features/game.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "actors/features/career.h"
#include "actors/features/line.h"

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

static int put_odds(struct store_txn *txn, int32_t date, const char *game_id,
                    const struct game_odds *odds)
{
    struct store_key key;
    store_key_start(&key);
    store_key_text(&key, game_id);
    store_key_i64(&key, odds->player_id);
    store_key_text(&key, odds->book);
    store_key_i64(&key, (int64_t)llround(odds->line * 1000));
    return store_put(txn, "odds", date, key.data, key.size, odds, sizeof *odds);
}

int game_put_odds(struct store_txn *txn, const struct msg_row_odds *row, uint64_t position)
{
    struct game_odds odds;
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
    return put_odds(txn, row->game_date, row->game_id, &odds);
}

/* ---- snapshots of the past ---- */

struct key_list {
    uint8_t keys[64][STORE_KEY_MAX];
    size_t sizes[64], count;
};

static int note_key(const struct store_row *row, void *context)
{
    struct key_list *list = context;
    memcpy(list->keys[list->count], row->key.data, row->key.size);
    list->sizes[list->count++] = row->key.size;
    return list->count == sizeof list->sizes / sizeof list->sizes[0];
}

/* Every row of the game in that table. */
static int drop_rows(struct store_txn *txn, const char *table, int32_t date, const char *game_id)
{
    struct key_list list;
    int error = 0;
    do {
        list.count = 0;
        error = store_scan(txn, table, date, date, game_id, strlen(game_id) + 1, false, note_key,
                           &list);
        error = error > 0 || error == STORE_NOT_FOUND ? 0 : error;
        for (size_t i = 0; i < list.count && !error; i++) {
            error = store_del(txn, table, date, list.keys[i], list.sizes[i]);
        }
    } while (!error && list.count > 0);
    return error;
}

int game_past_snapshot(struct store_txn *txn, int32_t date, const char *game_id,
                       int64_t snapshot_us, bool *newest)
{
    struct span value;
    int64_t known_us = 0;
    int error = store_get(txn, "odds_past", date, game_id, strlen(game_id), &value);
    if (!error && value.size == sizeof known_us) {
        memcpy(&known_us, value.data, sizeof known_us);
    }
    if (error && error != STORE_NOT_FOUND) {
        return error;
    }
    *newest = error == STORE_NOT_FOUND || snapshot_us >= known_us;
    if (!*newest || snapshot_us == known_us) {
        return 0;
    }
    error = drop_rows(txn, "odds", date, game_id);
    if (!error) {
        error = drop_rows(txn, "game_line", date, game_id);
    }
    return error ? error
                 : store_put(txn, "odds_past", date, game_id, strlen(game_id), &snapshot_us,
                             sizeof snapshot_us);
}

/* ---- lines of the past ---- */

struct staged_prop {
    int32_t date;
    char game_id[20];
    struct game_odds odds;
};
struct staged_line {
    int32_t date;
    char game_id[20], book[40];
    struct game_line line;
};

int game_stage_prop(struct store_txn *txn, const struct msg_history_prop_line *row,
                    uint64_t position)
{
    struct staged_prop prop;
    if (!row->main) {
        return 0;
    }
    memset(&prop, 0, sizeof prop); /* padding is stored too */
    prop.date = row->game_date;
    memcpy(prop.game_id, row->game_id, strlen(row->game_id));
    prop.odds.player_id = row->player_id;
    prop.odds.line = row->line;
    prop.odds.over_price = row->over_price;
    prop.odds.under_price = row->under_price;
    prop.odds.position = position;
    prop.odds.main = prop.odds.offered = true;
    memcpy(prop.odds.book, row->book, strlen(row->book));
    memcpy(prop.odds.player_name, row->player_name, strlen(row->player_name));
    return career_stage_row(txn, row->import_id, "prop", (int64_t)position, &prop, sizeof prop);
}

int game_stage_line(struct store_txn *txn, const struct msg_history_game_line *row,
                    uint64_t position)
{
    struct staged_line line;
    memset(&line, 0, sizeof line);
    line.date = row->game_date;
    memcpy(line.game_id, row->game_id, strlen(row->game_id));
    memcpy(line.book, row->book, strlen(row->book));
    line.line = (struct game_line){row->spread_home, row->total};
    return career_stage_row(txn, row->import_id, "spread", (int64_t)position, &line, sizeof line);
}

static int put_line(struct store_txn *txn, int32_t date, const char *game_id, const char *book,
                    const struct game_line *line)
{
    struct store_key key;
    store_key_start(&key);
    store_key_text(&key, game_id);
    store_key_text(&key, book);
    return store_put(txn, "game_line", date, key.data, key.size, line, sizeof *line);
}

static int move_prop(const struct store_row *row, void *context)
{
    struct staged_prop prop;
    if (row->value.size != sizeof prop) {
        return STORE_CORRUPT;
    }
    memcpy(&prop, row->value.data, sizeof prop);
    return put_odds(context, prop.date, prop.game_id, &prop.odds);
}

static int move_line(const struct store_row *row, void *context)
{
    struct staged_line line;
    if (row->value.size != sizeof line) {
        return STORE_CORRUPT;
    }
    memcpy(&line, row->value.data, sizeof line);
    return put_line(context, line.date, line.game_id, line.book, &line.line);
}

int game_commit(struct store_txn *txn, const char *import_id)
{
    int error = career_stage_for(txn, import_id);
    if (!error) {
        error = store_scan(txn, "staged", STORE_UNDATED, STORE_UNDATED, "prop", 5, false, move_prop,
                           txn);
    }
    if (!error || error == STORE_NOT_FOUND) {
        error = store_scan(txn, "staged", STORE_UNDATED, STORE_UNDATED, "spread", 7, false,
                           move_line, txn);
    }
    return error == STORE_NOT_FOUND ? 0 : error;
}

/* ---- opening ---- */

int game_opening(struct store_txn *txn, int32_t date, const char *game_id, int64_t player_id,
                 double *line, bool note)
{
    struct store_key key;
    struct span value;
    store_key_start(&key);
    store_key_text(&key, game_id);
    store_key_i64(&key, player_id);
    int error = store_get(txn, "opening", date, key.data, key.size, &value);
    if (!error && value.size == sizeof *line) {
        memcpy(line, value.data, sizeof *line);
        return 0;
    }
    if (error != STORE_NOT_FOUND || !note) {
        *line = NAN;
        return error == STORE_NOT_FOUND ? 0 : error ? error : STORE_CORRUPT;
    }
    return store_put(txn, "opening", date, key.data, key.size, line, sizeof *line);
}

/* ---- spread and total ---- */

int game_put_line(struct store_txn *txn, const struct msg_row_game_odds *row)
{
    struct game_line line = {NAN, NAN};
    struct store_key key;
    struct span value;
    bool spread = strcmp(row->market, "spreads") == 0;
    if (!spread && strcmp(row->market, "totals") != 0) {
        return 0;
    }
    store_key_start(&key);
    store_key_text(&key, row->game_id);
    store_key_text(&key, row->book);
    int error = store_get(txn, "game_line", row->game_date, key.data, key.size, &value);
    if (!error && value.size == sizeof line) {
        memcpy(&line, value.data, sizeof line);
    }
    if (error && error != STORE_NOT_FOUND) {
        return error;
    }
    *(spread ? &line.spread_home : &line.total) = row->point;
    return put_line(txn, row->game_date, row->game_id, row->book, &line);
}

/* By hand (line.h): a site's word of a book counts where no book has one of its own. */
struct line_scan {
    double spreads[LINE_HANDS][LINE_BOOKS_MAX], totals[LINE_HANDS][LINE_BOOKS_MAX];
    size_t spread_count[LINE_HANDS], total_count[LINE_HANDS];
};

static int visit_line(const struct store_row *row, void *context)
{
    struct line_scan *scan = context;
    struct game_line line;
    struct span rest = row->key;
    const char *game_id, *book;
    if (row->value.size != sizeof line || store_key_read_text(&rest, &game_id) != 0 ||
        store_key_read_text(&rest, &book) != 0) {
        return STORE_CORRUPT;
    }
    memcpy(&line, row->value.data, sizeof line);
    int hand = line_hand(book);
    if (!isnan(line.spread_home) && scan->spread_count[hand] < LINE_BOOKS_MAX) {
        scan->spreads[hand][scan->spread_count[hand]++] = line.spread_home;
    }
    if (!isnan(line.total) && scan->total_count[hand] < LINE_BOOKS_MAX) {
        scan->totals[hand][scan->total_count[hand]++] = line.total;
    }
    return 0;
}

static double first_median(double values[LINE_HANDS][LINE_BOOKS_MAX],
                           const size_t counts[LINE_HANDS])
{
    int hand = 0;
    while (hand + 1 < LINE_HANDS && counts[hand] == 0) {
        hand++;
    }
    return line_median_of(values[hand], counts[hand]);
}

int game_median_line(struct store_txn *txn, int32_t date, const char *game_id,
                     struct game_line *line)
{
    struct line_scan scan = {.spread_count = {0}};
    int error = store_scan(txn, "game_line", date, date, game_id, strlen(game_id) + 1, false,
                           visit_line, &scan);
    line->spread_home = first_median(scan.spreads, scan.spread_count);
    line->total = first_median(scan.totals, scan.total_count);
    return error == STORE_NOT_FOUND ? 0 : error;
}

/* ---- injuries ---- */

static bool says(const char *status, const char *word)
{
    size_t size = strlen(word);
    for (; *status; status++) {
        size_t i = 0;
        while (i < size && tolower((unsigned char)status[i]) == word[i]) {
            i++;
        }
        if (i == size) {
            return true;
        }
    }
    return false;
}

int game_put_injury(struct store_txn *txn, const struct msg_row_injury *row)
{
    struct store_key key;
    int64_t risk = 1;
    if (row->player_id <= 0) {
        return 0; /* unresolved: nobody's features */
    }
    if (!row->listed) {
        risk = 0;
    } else if (says(row->status, "out") || says(row->status, "doubt")) {
        risk = 3;
    } else if (says(row->status, "question")) {
        risk = 2;
    }
    store_key_start(&key);
    store_key_i64(&key, row->player_id);
    int error = store_put(txn, "injury", STORE_UNDATED, key.data, key.size, &risk, sizeof risk);
    store_key_start(&key);
    store_key_i64(&key, 0); /* nobody's: that a report was read */
    return error ? error
                 : store_put(txn, "injury", STORE_UNDATED, key.data, key.size, &risk, sizeof risk);
}

static int injury_row(struct store_txn *txn, int64_t player_id, int64_t *risk)
{
    struct store_key key;
    struct span value;
    store_key_start(&key);
    store_key_i64(&key, player_id);
    int error = store_get(txn, "injury", STORE_UNDATED, key.data, key.size, &value);
    if (!error && value.size != sizeof *risk) {
        return STORE_CORRUPT;
    }
    if (!error) {
        memcpy(risk, value.data, sizeof *risk);
    }
    return error;
}

int game_injury(struct store_txn *txn, int64_t player_id, double *risk)
{
    int64_t value = 0;
    int error = injury_row(txn, player_id, &value);
    *risk = (double)value;
    if (error == STORE_NOT_FOUND) {
        error = injury_row(txn, 0, &value);
        *risk = error ? NAN : 0;
    }
    return error == STORE_NOT_FOUND ? 0 : error;
}

/* ---- odds of a game ---- */

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
                      const char *print, bool *same)
{
    struct store_key key;
    struct span value;
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
