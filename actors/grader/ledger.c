#include "actors/grader/ledger.h"

#include <string.h>

const struct aging ledger_ages[] = {
    {"box", AGING_LOG, NULL, NULL},  {"prediction", AGING_LOG, NULL, NULL},
    {"made", AGING_LOG, NULL, NULL}, {"grade", AGING_LOG, NULL, NULL},
    {NULL, 0, NULL, NULL},
};

int ledger_get_game(struct store_txn *txn, const char *game_id, struct ledger_game *game)
{
    struct span value;
    int error = store_get(txn, "game", STORE_UNDATED, game_id, strlen(game_id), &value);
    if (!error && value.size != sizeof *game) {
        return STORE_CORRUPT;
    }
    if (!error) {
        memcpy(game, value.data, sizeof *game);
    }
    return error;
}

int ledger_put_game(struct store_txn *txn, const char *game_id, const struct ledger_game *game)
{
    return store_put(txn, "game", STORE_UNDATED, game_id, strlen(game_id), game, sizeof *game);
}

int ledger_put_box(struct store_txn *txn, const struct msg_row_box_score *row, uint64_t position,
                   int64_t seen_at)
{
    struct ledger_box box;
    struct store_key key;
    memset(&box, 0, sizeof box); /* padding is stored too */
    box.player_id = row->player_id;
    box.seen_at = seen_at;
    box.position = position;
#define FIELD(name) row->name
#define STAT(name, unit, sum) box.stats[STAT_##name] = (int32_t)(sum);
#include "schema/stats.def"
#undef STAT
#undef FIELD
    box.minutes = (int32_t)row->minutes;
    box.played = row->played;
    box.final = row->final;
    store_key_start(&key);
    store_key_text(&key, row->game_id);
    store_key_i64(&key, row->player_id);
    return store_put(txn, "box", row->game_date, key.data, key.size, &box, sizeof box);
}

struct box_scan {
    struct ledger_box *boxes;
    size_t most, count;
};

static int visit_box(const struct store_row *row, void *context)
{
    struct box_scan *scan = context;
    if (row->value.size != sizeof *scan->boxes) {
        return STORE_CORRUPT;
    }
    if (scan->count < scan->most) {
        memcpy(&scan->boxes[scan->count++], row->value.data, sizeof *scan->boxes);
    }
    return 0;
}

int ledger_get_boxes(struct store_txn *txn, const struct ledger_game *game, const char *game_id,
                     struct ledger_box *boxes, size_t most, size_t *count)
{
    struct box_scan scan = {boxes, most, 0};
    int error = store_scan(txn, "box", game->date, game->date, game_id, strlen(game_id) + 1, false,
                           visit_box, &scan);
    *count = scan.count;
    return error == STORE_NOT_FOUND ? 0 : error;
}

static void prediction_key(struct store_key *key, const char *game_id, int64_t player_id,
                           const char *system, const char *stat)
{
    store_key_start(key);
    store_key_text(key, game_id);
    store_key_i64(key, player_id);
    store_key_text(key, system);
    store_key_text(key, stat);
}

int ledger_put_prediction(struct store_txn *txn, const struct msg_prediction_points *message,
                          uint64_t position)
{
    struct msg_prediction_points last;
    struct store_key key;
    prediction_key(&key, message->game_id, message->player_id, message->system, message->stat);
    int error = store_get_message(txn, "prediction", message->game_date, key.data, key.size,
                                  &msg_prediction_points_desc, &last);
    if (error && error != STORE_NOT_FOUND) {
        return error;
    }
    if (!error && last.as_of > message->as_of) {
        return 0;
    }
    error = store_put_message(txn, "prediction", message->game_date, key.data, key.size,
                              &msg_prediction_points_desc, message);
    return error ? error
                 : store_put(txn, "made", message->game_date, key.data, key.size, &position,
                             sizeof position);
}

int ledger_prediction_position(struct store_txn *txn, const struct msg_prediction_points *message,
                               uint64_t *position)
{
    struct store_key key;
    struct span value;
    prediction_key(&key, message->game_id, message->player_id, message->system, message->stat);
    int error = store_get(txn, "made", message->game_date, key.data, key.size, &value);
    if (!error && value.size != sizeof *position) {
        return STORE_CORRUPT;
    }
    if (!error) {
        memcpy(position, value.data, sizeof *position);
    }
    return error;
}

struct prediction_scan {
    ledger_visit_prediction *visit;
    void *context;
};

static int visit_prediction(const struct store_row *row, void *context)
{
    const struct prediction_scan *scan = context;
    struct msg_prediction_points message;
    struct message_error broken;
    if (message_decode(&msg_prediction_points_desc, row->value.data, row->value.size, &message,
                       &broken)) {
        return STORE_CORRUPT;
    }
    return scan->visit(&message, scan->context);
}

int ledger_each_prediction(struct store_txn *txn, const struct ledger_game *game,
                           const char *game_id, ledger_visit_prediction *visit, void *context)
{
    struct prediction_scan scan = {visit, context};
    int error = store_scan(txn, "prediction", game->first_date, game->date, game_id,
                           strlen(game_id) + 1, false, visit_prediction, &scan);
    return error == STORE_NOT_FOUND ? 0 : error;
}

int ledger_note_grade(struct store_txn *txn, const struct msg_grade_points *message, bool *same)
{
    static const char *const PASSING[] = {"graded_at", "period", "clock", NULL};
    struct msg_grade_points last;
    struct store_key key;
    prediction_key(&key, message->game_id, message->player_id, message->system, message->stat);
    int error = store_get_message(txn, "grade", message->game_date, key.data, key.size,
                                  &msg_grade_points_desc, &last);
    if (error && error != STORE_NOT_FOUND) {
        return error;
    }
    *same = !error && message_equal(&msg_grade_points_desc, &last, message, PASSING);
    return *same ? 0
                 : store_put_message(txn, "grade", message->game_date, key.data, key.size,
                                     &msg_grade_points_desc, message);
}

struct grade_scan {
    ledger_visit_grade *visit;
    void *context;
};

static int visit_grade(const struct store_row *row, void *context)
{
    const struct grade_scan *scan = context;
    struct msg_grade_points message;
    struct message_error broken;
    if (message_decode(&msg_grade_points_desc, row->value.data, row->value.size, &message,
                       &broken)) {
        return STORE_CORRUPT;
    }
    return message.final ? scan->visit(&message, scan->context) : 0;
}

int ledger_each_grade(struct store_txn *txn, const struct ledger_game *game, const char *game_id,
                      ledger_visit_grade *visit, void *context)
{
    struct grade_scan scan = {visit, context};
    int error = store_scan(txn, "grade", game->date, game->date, game_id, strlen(game_id) + 1,
                           false, visit_grade, &scan);
    return error == STORE_NOT_FOUND ? 0 : error;
}
