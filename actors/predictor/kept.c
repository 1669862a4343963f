/* The newest features of each player of a game. */
#include "actors/predictor/kept.h"

#include <stdlib.h>
#include <string.h>

#include "config/clock.h"

#define TABLE_FEATURE "feature"
#define HEAD_SIZE (2 * sizeof(int64_t))
#define DAYS                                                                                       \
    7 /* a game is predicted so many days before it at most, and asked about so many behind */

int kept_put(struct store_txn *txn, const struct input *input)
{
    const struct msg_feature_player *feature = input->message;
    const struct span *payload = &input->record->payload;
    struct store_key key;
    const int64_t head[2] = {(int64_t)input->position, input->time_us};
    uint8_t *value = malloc(HEAD_SIZE + payload->size);
    if (!value) {
        return STORE_FULL;
    }
    memcpy(value, head, HEAD_SIZE);
    memcpy(value + HEAD_SIZE, payload->data, payload->size);
    store_key_start(&key);
    store_key_text(&key, feature->game_id);
    store_key_i64(&key, feature->player_id);
    int error = store_put(txn, TABLE_FEATURE, feature->game_date, key.data, key.size, value,
                          HEAD_SIZE + payload->size);
    free(value);
    return error;
}

static bool grow(void **list, size_t need, size_t *capacity, size_t size)
{
    if (need <= *capacity) {
        return true;
    }
    size_t wanted = *capacity ? *capacity : 64;
    while (wanted < need) {
        wanted *= 2;
    }
    void *grown = realloc(*list, wanted * size);
    if (!grown) {
        return false;
    }
    *list = grown;
    *capacity = wanted;
    return true;
}

static int add(const struct store_row *row, void *context)
{
    struct kept_game *self = context;
    int64_t head[2];
    if (row->value.size < HEAD_SIZE) {
        return STORE_CORRUPT;
    }
    size_t size = row->value.size - HEAD_SIZE;
    void *rows = self->rows, *bytes = self->bytes;
    bool room = grow(&rows, self->count + 1, &self->capacity, sizeof *self->rows) &&
                grow(&bytes, self->bytes_size + size, &self->bytes_capacity, 1);
    self->rows = rows;
    self->bytes = bytes;
    if (!room) {
        return STORE_FULL;
    }
    memcpy(head, row->value.data, HEAD_SIZE);
    memcpy(self->bytes + self->bytes_size, (const uint8_t *)row->value.data + HEAD_SIZE, size);
    self->rows[self->count++] = (struct kept_row){
        .position = (uint64_t)head[0], .time_us = head[1], .at = self->bytes_size, .size = size};
    self->bytes_size += size;
    return 0;
}

int kept_load(struct store_txn *txn, const char *game_id, int64_t now_us, struct kept_game *out)
{
    int32_t today = clock_date_of(now_us);
    *out = (struct kept_game){.count = 0};
    int error =
        store_scan(txn, TABLE_FEATURE, clock_date_add(today, -DAYS), clock_date_add(today, DAYS),
                   game_id, strlen(game_id) + 1, false, add, out);
    return error == STORE_NOT_FOUND ? STORE_OK : error;
}

int kept_read(const struct kept_game *self, size_t index, struct msg_feature_player *feature)
{
    const struct kept_row *row = &self->rows[index];
    struct message_error error;
    return message_decode(&msg_feature_player_desc, self->bytes + row->at, row->size, feature,
                          &error) == 0
               ? STORE_OK
               : STORE_CORRUPT;
}

void kept_free(struct kept_game *self)
{
    free(self->rows);
    free(self->bytes);
    *self = (struct kept_game){.count = 0};
}
