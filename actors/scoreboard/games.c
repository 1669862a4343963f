/* Two sorted sources, merged: the record with the higher position says what is. */
#include "actors/scoreboard/games.h"

#include <stdlib.h>
#include <string.h>

#include "config/clock.h"

struct load {
    struct store_txn *txn;
    struct games_day *games;
    struct boxes_day *boxes;
};

/* Room for one more of `size` bytes each; NULL without memory (the list stays as it was). */
static void *grow(void *list, int count, size_t size)
{
    if (count & (count - 1))
        return list;
    return realloc(list, (count ? 2 * (size_t)count : 1) * size);
}

bool games_live(const struct msg_row_game *game)
{
    return !strcmp(game->status, "in_progress");
}

bool games_final(const struct msg_row_game *game)
{
    return !strcmp(game->status, "final");
}

/* ---- games ---- */

static struct games_game *game_place(struct games_day *day, const char *game_id)
{
    for (int i = 0; i < day->count; i++)
        if (!strcmp(day->games[i].row.game_id, game_id))
            return &day->games[i];
    struct games_game *bigger = grow(day->games, day->count, sizeof *day->games);
    if (!bigger)
        return NULL;
    day->games = bigger;
    day->games[day->count] = (struct games_game){.live_at = CLOCK_NONE, .final_at = CLOCK_NONE};
    return &day->games[day->count++];
}

static int take_history_game(void *context, int32_t date, const struct table_mark *mark,
                             const void *message)
{
    struct load *load = context;
    const struct msg_history_game *from = message;
    (void)date;
    if (!table_import_visible(load->txn, from->import_id))
        return 0;
    struct games_game *game = game_place(load->games, from->game_id);
    if (!game)
        return STORE_IO;
    struct msg_row_game *row = &game->row;
    message_clear(&msg_row_game_desc, row);
    memcpy(row->game_id, from->game_id, sizeof row->game_id);
    memcpy(row->home, from->home, sizeof row->home);
    memcpy(row->away, from->away, sizeof row->away);
    memcpy(row->status, from->status, sizeof row->status);
    row->game_date = from->game_date;
    row->tip_at = from->tip_at;
    row->period = games_final(row) && from->periods != MESSAGE_NONE ? from->periods : 0;
    row->home_score = from->home_points;
    row->away_score = from->away_points;
    memcpy(row->feed, "import", 7);
    game->mark = *mark;
    game->imported = true;
    return 0;
}

static int take_game(void *context, int32_t date, const struct table_mark *mark,
                     const void *message)
{
    struct load *load = context;
    const struct msg_row_game *row = message;
    (void)date;
    struct games_game *game = game_place(load->games, row->game_id);
    if (!game)
        return STORE_IO;
    if (game->mark.position > mark->position)
        return 0; /* an import after the night says how it ended */
    int64_t tip_at = row->tip_at == MESSAGE_NONE ? game->row.tip_at : row->tip_at;
    bool known = game->mark.position > 0;
    game->row = *row;
    if (known)
        game->row.tip_at = tip_at;
    game->mark = *mark;
    game->imported = false;
    return 0;
}

static int take_span(const struct store_row *row, void *context)
{
    struct load *load = context;
    struct table_mark mark;
    struct span payload, rest = row->key;
    const char *game_id;
    int64_t live_at, final_at;
    if (table_read(&row->value, &mark, &payload) != STORE_OK ||
        store_key_read_text(&rest, &game_id) != 0 || store_key_read_i64(&payload, &live_at) != 0 ||
        store_key_read_i64(&payload, &final_at) != 0)
        return STORE_CORRUPT;
    for (int i = 0; i < load->games->count; i++) {
        if (strcmp(load->games->games[i].row.game_id, game_id) != 0)
            continue;
        load->games->games[i].live_at = live_at;
        load->games->games[i].final_at = final_at;
    }
    return 0;
}

static int compare_games(const void *a, const void *b)
{
    const struct msg_row_game *x = &((const struct games_game *)a)->row,
                              *y = &((const struct games_game *)b)->row;
    if (x->tip_at != y->tip_at)
        return x->tip_at < y->tip_at ? -1 : 1;
    return strcmp(x->game_id, y->game_id);
}

int games_day_load(struct games_day *out, struct store_txn *txn, int32_t date)
{
    struct load load = {.txn = txn, .games = out};
    *out = (struct games_day){0};
    int error = table_each(txn, TABLE_HISTORY_GAME, date, date, NULL, &msg_history_game_desc,
                           take_history_game, &load);
    if (!error)
        error = table_each(txn, TABLE_GAME, date, date, NULL, &msg_row_game_desc, take_game, &load);
    if (!error) {
        error = store_scan(txn, TABLE_SPAN, date, date, NULL, 0, false, take_span, &load);
        error = error == STORE_NOT_FOUND ? STORE_OK : error;
    }
    if (out->count > 0)
        qsort(out->games, (size_t)out->count, sizeof *out->games, compare_games);
    return error;
}

void games_day_free(struct games_day *self)
{
    free(self->games);
    *self = (struct games_day){0};
}

const struct games_game *games_find(const struct games_day *self, const char *game_id)
{
    for (int i = 0; i < self->count; i++)
        if (!strcmp(self->games[i].row.game_id, game_id))
            return &self->games[i];
    return NULL;
}

/* ---- box scores ---- */

static int add_line(struct boxes_day *day, const struct boxes_line *line)
{
    struct boxes_line *bigger = grow(day->lines, day->count, sizeof *day->lines);
    if (!bigger)
        return STORE_IO;
    day->lines = bigger;
    day->lines[day->count++] = *line;
    return 0;
}

static int take_history_box(void *context, int32_t date, const struct table_mark *mark,
                            const void *message)
{
    struct load *load = context;
    const struct msg_history_player_game *from = message;
    (void)date;
    if (!table_import_visible(load->txn, from->import_id))
        return 0;
    struct boxes_line line = {.mark = *mark, .imported = true};
    struct msg_row_box_score *row = &line.row;
    message_clear(&msg_row_box_score_desc, row);
    /* Every field of the row that the import has under the same name. */
    for (uint32_t i = 0; i < msg_row_box_score_desc.field_count; i++) {
        const struct field_desc *to = &msg_row_box_score_desc.fields[i];
        const struct field_desc *field = message_field(&msg_history_player_game_desc, to->name);
        if (!field || field->kind != to->kind)
            continue;
        size_t size = to->kind == FIELD_STR    ? (size_t)to->hi + 1
                      : to->kind == FIELD_BOOL ? sizeof(bool)
                      : to->kind == FIELD_DATE ? sizeof(int32_t)
                                               : sizeof(int64_t);
        memcpy((char *)row + to->offset, (const char *)from + field->offset, size);
    }
    memcpy(row->game_status, "final", 6);
    row->player_known = row->played = row->final = true;
    return add_line(load->boxes, &line);
}

static int take_box(void *context, int32_t date, const struct table_mark *mark, const void *message)
{
    struct load *load = context;
    struct boxes_line line = {.mark = *mark};
    (void)date;
    memcpy(&line.row, message, sizeof line.row);
    return add_line(load->boxes, &line);
}

static int compare_lines(const void *a, const void *b)
{
    const struct boxes_line *x = a, *y = b;
    int order = strcmp(x->row.game_id, y->row.game_id);
    if (order == 0 && x->row.player_id != y->row.player_id)
        order = x->row.player_id < y->row.player_id ? -1 : 1;
    if (order == 0 && x->mark.position != y->mark.position)
        order = x->mark.position < y->mark.position ? -1 : 1;
    return order;
}

int boxes_day_load(struct boxes_day *out, struct store_txn *txn, int32_t date)
{
    struct load load = {.txn = txn, .boxes = out};
    *out = (struct boxes_day){0};
    int error = table_each(txn, TABLE_HISTORY_BOX, date, date, NULL, &msg_history_player_game_desc,
                           take_history_box, &load);
    if (!error)
        error =
            table_each(txn, TABLE_BOX, date, date, NULL, &msg_row_box_score_desc, take_box, &load);
    if (out->count > 0)
        qsort(out->lines, (size_t)out->count, sizeof *out->lines, compare_lines);
    int kept = 0; /* the newest of each player and game is the last of its run */
    for (int i = 0; i < out->count; i++) {
        bool last = i + 1 == out->count ||
                    strcmp(out->lines[i].row.game_id, out->lines[i + 1].row.game_id) != 0 ||
                    out->lines[i].row.player_id != out->lines[i + 1].row.player_id;
        if (last)
            out->lines[kept++] = out->lines[i];
    }
    out->count = kept;
    return error;
}

void boxes_day_free(struct boxes_day *self)
{
    free(self->lines);
    *self = (struct boxes_day){0};
}

const struct boxes_line *boxes_find(const struct boxes_day *self, const char *game_id,
                                    int64_t player_id)
{
    for (int i = 0; i < self->count; i++)
        if (self->lines[i].row.player_id == player_id &&
            !strcmp(self->lines[i].row.game_id, game_id))
            return &self->lines[i];
    return NULL;
}
