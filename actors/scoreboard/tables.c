/* Rows with a mark in front. */
#include "actors/scoreboard/tables.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actors/scoreboard/run_index.h"

enum { MARK_BYTES = 16 };

static int64_t written_us(const struct span *value)
{
    struct table_mark mark;
    struct span payload;
    return table_read(value, &mark, &payload) == STORE_OK ? mark.time_us : INT64_MIN;
}

const struct aging scoreboard_ages[] = {
    {TABLE_RUN, AGING_LOG, run_remove, written_us}, /* and what the index says of it */
    {TABLE_POLL, AGING_LOG, NULL, written_us},
    {TABLE_ODDS, AGING_LOG, NULL, written_us},
    {TABLE_FEATURE, AGING_LOG, NULL, written_us},
    {TABLE_ALERT, AGING_LOG, NULL, written_us},
    {TABLE_EXIT, AGING_LOG, NULL, written_us},
    {TABLE_EXPECTED, AGING_LOG, NULL, written_us},
    {TABLE_ACTION, AGING_LOG, NULL, written_us},
    {TABLE_TOUCHED, AGING_LOG, NULL, written_us},
    {TABLE_GAME, AGING_NEVER, NULL, written_us},
    {TABLE_SPAN, AGING_NEVER, NULL, written_us},
    {TABLE_BOX, AGING_NEVER, NULL, written_us},
    {TABLE_SUMMARY, AGING_NEVER, NULL, written_us},
    {TABLE_TEAM_SUMMARY, AGING_NEVER, NULL, written_us},
    {TABLE_PREDICTION, AGING_NEVER, NULL, written_us},
    {TABLE_GRADE, AGING_NEVER, NULL, written_us},
    {NULL, 0, NULL, NULL},
};

static void write_u64(uint8_t *out, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> (56 - 8 * i));
}

static uint64_t read_u64(const uint8_t *in)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | in[i];
    return value;
}

int table_put(struct store_txn *txn, const char *table, int32_t date, const struct store_key *key,
              const struct table_mark *mark, const struct span *payload)
{
    uint8_t small[4096], *value = small;
    size_t size = MARK_BYTES + payload->size;
    if (key->too_long)
        return STORE_TOO_LARGE;
    if (size > sizeof small && !(value = malloc(size)))
        return STORE_IO;
    write_u64(value, mark->position);
    write_u64(value + 8, (uint64_t)mark->time_us);
    if (payload->size > 0)
        memcpy(value + MARK_BYTES, payload->data, payload->size);
    int error = store_put(txn, table, date, key->data, key->size, value, size);
    if (value != small)
        free(value);
    return error;
}

int table_read(const struct span *value, struct table_mark *mark, struct span *payload)
{
    if (value->size < MARK_BYTES)
        return STORE_CORRUPT;
    mark->position = read_u64(value->data);
    mark->time_us = (int64_t)read_u64(value->data + 8);
    payload->data = value->data + MARK_BYTES;
    payload->size = value->size - MARK_BYTES;
    return STORE_OK;
}

struct walk {
    const struct message_desc *desc;
    void *message;
    const char *const *words; /* each must be in it; NULL: none */
    table_visit *visit;
    void *context;
};

static bool holds_all(const struct span *payload, const char *const *words)
{
    for (; words && *words; words++)
        if (!memmem(payload->data, payload->size, *words, strlen(*words)))
            return false;
    return true;
}

static int walk_row(const struct store_row *row, void *context)
{
    struct walk *walk = context;
    struct table_mark mark;
    struct span payload;
    struct message_error error;
    if (table_read(&row->value, &mark, &payload) != STORE_OK)
        return STORE_CORRUPT;
    if (!holds_all(&payload, walk->words))
        return 0;
    if (walk->desc &&
        message_decode(walk->desc, payload.data, payload.size, walk->message, &error) != 0)
        return STORE_CORRUPT;
    return walk->visit(walk->context, row->date, &mark, walk->message);
}

int table_each(struct store_txn *txn, const char *table, int32_t from, int32_t to,
               const struct store_key *prefix, const struct message_desc *desc, table_visit *visit,
               void *context)
{
    return table_each_with(txn, table, from, to, prefix, NULL, desc, visit, context);
}

int table_each_with(struct store_txn *txn, const char *table, int32_t from, int32_t to,
                    const struct store_key *prefix, const char *const *words,
                    const struct message_desc *desc, table_visit *visit, void *context)
{
    struct walk walk = {.desc = desc, .words = words, .visit = visit, .context = context};
    if (desc && !(walk.message = malloc(desc->struct_size)))
        return STORE_IO;
    int error = store_scan(txn, table, from, to, prefix ? prefix->data : NULL,
                           prefix ? prefix->size : 0, false, walk_row, &walk);
    free(walk.message);
    return error == STORE_NOT_FOUND ? STORE_OK : error; /* a table nobody wrote yet is empty */
}

bool table_import_visible(struct store_txn *txn, const char *import_id)
{
    struct store_key key;
    struct span value;
    store_key_start(&key);
    store_key_text(&key, import_id);
    return store_get(txn, TABLE_IMPORT, STORE_UNDATED, key.data, key.size, &value) == STORE_OK;
}

struct store *tables_open(const char *dir, int *error)
{
    char path[4096];
    struct store *store = NULL;
    const struct store_options options = {.read_only = true};
    snprintf(path, sizeof path, "%s/" SCOREBOARD_ENVIRONMENT, dir);
    if (access(path, F_OK) != 0) {
        *error = errno == ENOENT ? STORE_NOT_FOUND : STORE_IO;
        return NULL;
    }
    *error = store_open(&store, path, &options);
    if (*error == STORE_IO && errno == ENOENT)
        *error = STORE_NOT_FOUND;
    return *error == STORE_OK ? store : NULL;
}
