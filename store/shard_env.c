#include "store/shard_env.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "schema/pack.h"

#define TABLE_META "_meta"
#define TABLE_LANE "_lane"
#define TABLE_OUT "_outbox"
#define TABLE_COUNT "_count"
#define TABLE_VERDICT "_verdict"
#define KEY_STATE "state"
#define KEY_REWIND "rewind"
#define FORMAT 1 /* of the rows below; a newer one is refused */

/* All rows are fixed big-endian numbers: written here, read here and by tools. */
static uint8_t *put_number(uint8_t *at, uint64_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        *at++ = (uint8_t)(value >> (8 * i));
    return at;
}

static const uint8_t *get_number(const uint8_t *at, uint64_t *value, int bytes)
{
    *value = 0;
    for (int i = 0; i < bytes; i++)
        *value = *value << 8 | *at++;
    return at;
}

/* ---- state: format, id, epoch, step, cursor, counted_from, outbox_next, rebuilding ---- */

#define ID_BYTES (SHARD_ENV_ID_SIZE - 1)
#define STATE_BYTES (1 + ID_BYTES + 5 * 8 + 1)

int shard_env_state(struct store_txn *txn, struct shard_state *state)
{
    struct span row;
    uint64_t format, rebuilding;
    int error = store_get(txn, TABLE_META, STORE_UNDATED, KEY_STATE, strlen(KEY_STATE), &row);
    if (error)
        return error;
    if (row.size != STATE_BYTES)
        return STORE_CORRUPT;
    const uint8_t *at = get_number(row.data, &format, 1);
    if (format != FORMAT)
        return STORE_CORRUPT;
    memcpy(state->env_id, at, ID_BYTES);
    state->env_id[ID_BYTES] = '\0';
    at = get_number(at + ID_BYTES, &state->epoch, 8);
    at = get_number(at, &state->step, 8);
    at = get_number(at, &state->cursor, 8);
    at = get_number(at, &state->counted_from, 8);
    at = get_number(at, &state->outbox_next, 8);
    get_number(at, &rebuilding, 1);
    state->rebuilding = rebuilding != 0;
    return STORE_OK;
}

int shard_env_put_state(struct store_txn *txn, const struct shard_state *state)
{
    uint8_t row[STATE_BYTES];
    uint8_t *at = put_number(row, FORMAT, 1);
    memcpy(at, state->env_id, ID_BYTES);
    at = put_number(at + ID_BYTES, state->epoch, 8);
    at = put_number(at, state->step, 8);
    at = put_number(at, state->cursor, 8);
    at = put_number(at, state->counted_from, 8);
    at = put_number(at, state->outbox_next, 8);
    put_number(at, state->rebuilding, 1);
    return store_put(txn, TABLE_META, STORE_UNDATED, KEY_STATE, strlen(KEY_STATE), row, sizeof row);
}

static int id_make(char id[SHARD_ENV_ID_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[ID_BYTES / 2];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return STORE_IO;
    for (size_t i = 0; i < sizeof bytes; i++) {
        id[2 * i] = digits[bytes[i] >> 4];
        id[2 * i + 1] = digits[bytes[i] & 15];
    }
    id[ID_BYTES] = '\0';
    return STORE_OK;
}

int shard_env_open(struct store *store, struct shard_state *state)
{
    struct store_txn *txn;
    int error = store_begin(store, false, &txn);
    if (error)
        return error;
    error = shard_env_state(txn, state);
    store_abort(&txn);
    if (error != STORE_NOT_FOUND)
        return error;
    error = store_begin(store, true, &txn);
    if (error)
        return STORE_NOT_FOUND; /* read-only: there is none */
    *state = (struct shard_state){.outbox_next = 1};
    error = id_make(state->env_id);
    if (!error)
        error = shard_env_put_state(txn, state);
    if (!error)
        return store_commit(&txn);
    store_abort(&txn);
    return error;
}

/* ---- the last rewind: asked, to, state, why ---- */

#define REWIND_BYTES (2 * 8 + 1 + SHARD_REWIND_WHY)

int shard_env_rewind(struct store_txn *txn, struct shard_rewind *rewind)
{
    struct span row;
    uint64_t state;
    *rewind = (struct shard_rewind){0};
    int error = store_get(txn, TABLE_META, STORE_UNDATED, KEY_REWIND, strlen(KEY_REWIND), &row);
    if (error)
        return error == STORE_NOT_FOUND ? STORE_OK : error;
    if (row.size != REWIND_BYTES)
        return STORE_CORRUPT;
    const uint8_t *at = get_number(row.data, &rewind->asked, 8);
    at = get_number(get_number(at, &rewind->to, 8), &state, 1);
    memcpy(rewind->why, at, SHARD_REWIND_WHY);
    if (state > SHARD_REWIND_OFF || rewind->why[SHARD_REWIND_WHY - 1])
        return STORE_CORRUPT;
    rewind->state = (enum shard_rewind_state)state;
    return STORE_OK;
}

int shard_env_put_rewind(struct store_txn *txn, const struct shard_rewind *rewind)
{
    uint8_t row[REWIND_BYTES] = {0};
    uint8_t *at =
        put_number(put_number(put_number(row, rewind->asked, 8), rewind->to, 8), rewind->state, 1);
    memcpy(at, rewind->why, strnlen(rewind->why, SHARD_REWIND_WHY - 1));
    return store_put(txn, TABLE_META, STORE_UNDATED, KEY_REWIND, strlen(KEY_REWIND), row,
                     sizeof row);
}

int shard_env_discard(struct store_txn *txn, struct shard_state *state)
{
    struct shard_rewind rewind;
    int error = shard_env_rewind(txn, &rewind);
    if (!error)
        error = store_clear_all(txn);
    if (!error && rewind.asked)
        error = shard_env_put_rewind(txn, &rewind);
    state->cursor = 0;
    state->counted_from = 0;
    state->outbox_next = 1;
    return error ? error : shard_env_put_state(txn, state);
}

bool shard_env_is_own(const struct span *key)
{
    return (key->size >= sizeof TABLE_META &&
            memcmp(key->data, TABLE_META, sizeof TABLE_META) == 0) ||
           (key->size >= sizeof TABLE_OUT && memcmp(key->data, TABLE_OUT, sizeof TABLE_OUT) == 0);
}

/* ---- lanes: key = stream, partition; row = last, acked ---- */

static void lane_key(struct store_key *key, const char *stream, uint16_t partition)
{
    store_key_start(key);
    store_key_text(key, stream);
    store_key_i64(key, partition);
}

int shard_env_put_lane(struct store_txn *txn, const struct shard_lane *lane)
{
    uint8_t row[16];
    struct store_key key;
    lane_key(&key, lane->stream, lane->partition);
    put_number(put_number(row, lane->last, 8), lane->acked, 8);
    return store_put(txn, TABLE_LANE, STORE_UNDATED, key.data, key.size, row, sizeof row);
}

static int name_copy(char to[SHARD_STREAM_MAX + 1], const char *name)
{
    size_t size = strlen(name);
    if (size > SHARD_STREAM_MAX)
        return STORE_CORRUPT;
    memcpy(to, name, size + 1);
    return STORE_OK;
}

struct each {
    shard_lane_visit *lane;
    shard_out_visit *out;
    shard_count_visit *count;
    void *context;
};

static int each_lane(const struct store_row *row, void *context)
{
    const struct each *each = context;
    struct shard_lane lane;
    struct span rest = row->key;
    const char *stream;
    int64_t partition;
    if (store_key_read_text(&rest, &stream) || store_key_read_i64(&rest, &partition) ||
        name_copy(lane.stream, stream) || partition < 0 || partition > UINT16_MAX ||
        row->value.size != 16)
        return STORE_CORRUPT;
    lane.partition = (uint16_t)partition;
    get_number(get_number(row->value.data, &lane.last, 8), &lane.acked, 8);
    return each->lane(&lane, each->context);
}

int shard_env_each_lane(struct store_txn *txn, shard_lane_visit *visit, void *context)
{
    struct each each = {.lane = visit, .context = context};
    return store_scan(txn, TABLE_LANE, STORE_UNDATED, STORE_UNDATED, NULL, 0, false, each_lane,
                      &each);
}

/* ---- outbox: key = number; row = crc, partition, count, first_seq, due, stream and NUL, body ---- */

#define OUT_HEAD_BYTES (4 + 2 + 4 + 8 + 8)

static void number_key(struct store_key *key, uint64_t number)
{
    store_key_start(key);
    store_key_i64(key, (int64_t)number);
}

int shard_env_put_out(struct store_txn *txn, const struct shard_out *out)
{
    struct store_key key;
    size_t name_size = strlen(out->stream) + 1;
    size_t size = OUT_HEAD_BYTES + name_size + out->body.size;
    uint8_t *row = malloc(size);
    if (!row)
        return STORE_IO;
    uint8_t *at = put_number(row + 4, out->partition, 2);
    at = put_number(at, out->count, 4);
    at = put_number(at, out->first_seq, 8);
    at = put_number(at, (uint64_t)out->due_us, 8);
    memcpy(at, out->stream, name_size);
    if (out->body.size)
        memcpy(at + name_size, out->body.data, out->body.size);
    put_number(row, pack_crc32c(0, row + 4, size - 4), 4);
    number_key(&key, out->number);
    int error = store_put(txn, TABLE_OUT, STORE_UNDATED, key.data, key.size, row, size);
    free(row);
    return error;
}

int shard_env_del_out(struct store_txn *txn, uint64_t number)
{
    struct store_key key;
    number_key(&key, number);
    return store_del(txn, TABLE_OUT, STORE_UNDATED, key.data, key.size);
}

static int each_out(const struct store_row *row, void *context)
{
    const struct each *each = context;
    struct shard_out out;
    struct span rest = row->key;
    int64_t number;
    uint64_t crc, partition, count, due;
    if (store_key_read_i64(&rest, &number) || row->value.size <= OUT_HEAD_BYTES)
        return STORE_CORRUPT;
    const uint8_t *at = get_number(row->value.data, &crc, 4);
    if (pack_crc32c(0, at, row->value.size - 4) != crc)
        return STORE_CORRUPT;
    at = get_number(at, &partition, 2);
    at = get_number(at, &count, 4);
    at = get_number(at, &out.first_seq, 8);
    at = get_number(at, &due, 8);
    rest = (struct span){at, row->value.size - OUT_HEAD_BYTES};
    if (store_key_read_text(&rest, &out.stream))
        return STORE_CORRUPT;
    out.number = (uint64_t)number;
    out.partition = (uint16_t)partition;
    out.count = (uint32_t)count;
    out.due_us = (int64_t)due;
    out.body = rest;
    return each->out(&out, each->context);
}

int shard_env_each_out(struct store_txn *txn, shard_out_visit *visit, void *context)
{
    struct each each = {.out = visit, .context = context};
    return store_scan(txn, TABLE_OUT, STORE_UNDATED, STORE_UNDATED, NULL, 0, false, each_out,
                      &each);
}

/* ---- counts: key = stream; row = done, never ---- */

int shard_env_add_count(struct store_txn *txn, const char *stream, uint64_t done, uint64_t never)
{
    uint8_t row[16];
    struct store_key key;
    struct span old;
    uint64_t old_done, old_never;
    store_key_start(&key);
    store_key_text(&key, stream);
    int error = store_get(txn, TABLE_COUNT, STORE_UNDATED, key.data, key.size, &old);
    if (!error && old.size == sizeof row) {
        get_number(get_number(old.data, &old_done, 8), &old_never, 8);
        done += old_done;
        never += old_never;
    } else if (error != STORE_NOT_FOUND) {
        return error ? error : STORE_CORRUPT;
    }
    put_number(put_number(row, done, 8), never, 8);
    return store_put(txn, TABLE_COUNT, STORE_UNDATED, key.data, key.size, row, sizeof row);
}

static int each_count(const struct store_row *row, void *context)
{
    const struct each *each = context;
    struct shard_count count;
    struct span rest = row->key;
    const char *stream;
    if (store_key_read_text(&rest, &stream) || name_copy(count.stream, stream) ||
        row->value.size != 16)
        return STORE_CORRUPT;
    get_number(get_number(row->value.data, &count.done, 8), &count.never, 8);
    return each->count(&count, each->context);
}

int shard_env_each_count(struct store_txn *txn, shard_count_visit *visit, void *context)
{
    struct each each = {.count = visit, .context = context};
    return store_scan(txn, TABLE_COUNT, STORE_UNDATED, STORE_UNDATED, NULL, 0, false, each_count,
                      &each);
}

/* ---- verdicts: key = position of the letter; row = position of the verdict ---- */

int shard_env_find_verdict(struct store_txn *txn, uint64_t letter)
{
    struct store_key key;
    struct span row;
    number_key(&key, letter);
    return store_get(txn, TABLE_VERDICT, STORE_UNDATED, key.data, key.size, &row);
}

int shard_env_put_verdict(struct store_txn *txn, uint64_t letter, uint64_t position)
{
    uint8_t row[8];
    struct store_key key;
    number_key(&key, letter);
    put_number(row, position, 8);
    return store_put(txn, TABLE_VERDICT, STORE_UNDATED, key.data, key.size, row, sizeof row);
}
