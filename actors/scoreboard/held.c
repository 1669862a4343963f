#include "actors/scoreboard/held.h"

#include <string.h>

#include "actors/scoreboard/scoreboard.h"
#include "schema/messages.h"

struct held {
    int64_t rows;
    int64_t player_id; /* counted last */
    bool any;
};

static int count_row(void *context, int32_t date, const struct table_mark *mark,
                     const void *message)
{
    struct held *held = context;
    (void)date;
    (void)mark;
    (void)message;
    held->rows++;
    return 0;
}

static int count_grade(void *context, int32_t date, const struct table_mark *mark,
                       const void *message)
{
    struct held *held = context;
    const struct msg_grade_points *row = message;
    (void)date;
    (void)mark;
    held->rows += row->final;
    return 0;
}

/* Players, not predictions: the ledger counts those that have any. They come by player. */
static int count_predicted(void *context, int32_t date, const struct table_mark *mark,
                           const void *message)
{
    struct held *held = context;
    const struct msg_prediction_points *row = message;
    (void)date;
    (void)mark;
    held->rows += !held->any || held->player_id != row->player_id;
    held->any = true;
    held->player_id = row->player_id;
    return 0;
}

static const struct {
    const char *output, *table;
    const struct message_desc *desc;
    table_visit *count;
} kept[] = {{"features", TABLE_FEATURE, &msg_feature_player_desc, count_row},
            {"predictions", TABLE_PREDICTION, &msg_prediction_points_desc, count_predicted},
            {"boxscore", TABLE_BOX, &msg_row_box_score_desc, count_row},
            {"grades", TABLE_GRADE, &msg_grade_points_desc, count_grade}};

const char *held_table(const char *output)
{
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (!strcmp(output, kept[i].output))
            return kept[i].table;
    return NULL;
}

static int newest_date(const struct store_row *row, void *context)
{
    *(int32_t *)context = row->date;
    return 1;
}

int held_since(struct store_txn *txn, const struct settings *settings, const char *output,
               int32_t *date)
{
    const char *table = held_table(output);
    int32_t newest = 0;
    *date = 0;
    if (!table)
        return STORE_OK;
    int error = store_scan(txn, table, TABLE_DATE_FIRST, TABLE_DATE_LAST, NULL, 0, true,
                           newest_date, &newest);
    if (newest)
        *date = actor_kept_since(&scoreboard_actor, settings, table, newest);
    return error > 0 || error == STORE_NOT_FOUND ? STORE_OK : error;
}

int held_rows(struct store_txn *txn, int32_t date, const char *game_id, const char *output,
              int64_t *rows)
{
    struct held held = {.rows = 0};
    struct store_key key;
    int error = STORE_OK;
    *rows = -1;
    store_key_start(&key);
    store_key_text(&key, game_id);
    for (size_t i = 0; i < sizeof kept / sizeof *kept && !error; i++)
        if (!strcmp(output, kept[i].output)) {
            error = table_each(txn, kept[i].table, date, date, &key, kept[i].desc, kept[i].count,
                               &held);
            *rows = held.rows;
        }
    return error;
}
