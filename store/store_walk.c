/* Walks over the rows of a table, by date and prefix, either way. */
#include <string.h>

#include "store/store_inside.h"

struct walk {
    const char *table;
    size_t table_size; /* with its NUL */
    const uint8_t *prefix;
    size_t prefix_size;
    int32_t from, to;
    bool reverse;
    MDB_cursor *cursor;
    MDB_val key, value;
};

/* The row under the cursor; false if it belongs to another table. */
static bool walk_row(const struct walk *self, struct store_row *row)
{
    const uint8_t *at = self->key.mv_data;
    if (self->key.mv_size < self->table_size + DATE_BYTES ||
        memcmp(at, self->table, self->table_size) != 0)
        return false;
    at += self->table_size;
    uint32_t sorted = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    row->date = (int32_t)(sorted ^ 0x80000000u);
    row->key = (struct span){at + DATE_BYTES,
                             (uint32_t)(self->key.mv_size - self->table_size - DATE_BYTES)};
    row->value = (struct span){self->value.mv_data, (uint32_t)self->value.mv_size};
    return true;
}

/* To the first row at or after (date, key); in reverse to the last one before it. */
static int walk_seek(struct walk *self, int32_t date, const void *key, size_t size)
{
    struct store_full_key full;
    int error = store_full_key(&full, self->table, date, key, size);
    if (error)
        return MDB_BAD_VALSIZE;
    self->key = (MDB_val){full.size, full.data};
    int rc = mdb_cursor_get(self->cursor, &self->key, &self->value, MDB_SET_RANGE);
    if (!self->reverse)
        return rc;
    return mdb_cursor_get(self->cursor, &self->key, &self->value,
                          rc == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
}

/* In reverse: to the last row of `date` with the prefix, or before. */
static int walk_seek_end(struct walk *self, int32_t date)
{
    uint8_t after[STORE_KEY_MAX];
    size_t size = self->prefix_size;
    if (size)
        memcpy(after, self->prefix, size);
    while (size && after[size - 1] == 0xff)
        size--;
    if (size) {
        after[size - 1]++;
        return walk_seek(self, date, after, size);
    }
    if (date < INT32_MAX)
        return walk_seek(self, date + 1, NULL, 0);
    /* behind every row of the table: no key of it begins with the table's name and a byte above NUL */
    uint8_t full[TABLE_MAX + 1];
    memcpy(full, self->table, self->table_size);
    full[self->table_size - 1] = 1;
    self->key = (MDB_val){self->table_size, full};
    int rc = mdb_cursor_get(self->cursor, &self->key, &self->value, MDB_SET_RANGE);
    return mdb_cursor_get(self->cursor, &self->key, &self->value,
                          rc == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
}

static int walk_enter(struct walk *self, int32_t date)
{
    return self->reverse ? walk_seek_end(self, date)
                         : walk_seek(self, date, self->prefix, self->prefix_size);
}

static int compare_prefix(const struct walk *self, const struct span *key)
{
    size_t size = key->size < self->prefix_size ? key->size : self->prefix_size;
    int order = size ? memcmp(key->data, self->prefix, size) : 0;
    return order ? order : (key->size < self->prefix_size ? -1 : 0);
}

/* The next row that is asked for, from where the cursor stands. */
static int walk_settle(struct walk *self, int rc, struct store_row *row)
{
    while (!rc) {
        if (!walk_row(self, row) || row->date > self->to || row->date < self->from)
            return MDB_NOTFOUND;
        int order = compare_prefix(self, &row->key);
        if (order == 0)
            return MDB_SUCCESS;
        bool here =
            self->reverse ? order > 0 : order < 0; /* what is asked for of this date is ahead */
        int32_t last = self->reverse ? self->from : self->to;
        if (!here && row->date == last)
            return MDB_NOTFOUND;
        rc = walk_enter(self, here ? row->date : row->date + (self->reverse ? -1 : 1));
    }
    return rc;
}

int store_scan(struct store_txn *txn, const char *table, int32_t from, int32_t to,
               const void *prefix, size_t prefix_size, bool reverse, store_visit *visit,
               void *context)
{
    struct store_row row;
    struct walk walk = {.table = table,
                        .table_size = strlen(table) + 1,
                        .prefix = prefix,
                        .prefix_size = prefix_size,
                        .from = from,
                        .to = to,
                        .reverse = reverse};
    int result = STORE_OK;
    if (walk.table_size > TABLE_MAX + 1 || prefix_size > STORE_KEY_MAX)
        return STORE_TOO_LARGE;
    if (from > to)
        return STORE_OK;
    int rc = mdb_cursor_open(txn->txn, txn->store->dbi, &walk.cursor);
    if (rc)
        return store_spoil(txn, rc);
    rc = walk_settle(&walk, walk_enter(&walk, reverse ? to : from), &row);
    while (!rc && !(result = visit(&row, context))) {
        rc = mdb_cursor_get(walk.cursor, &walk.key, &walk.value, reverse ? MDB_PREV : MDB_NEXT);
        rc = walk_settle(&walk, rc, &row);
    }
    mdb_cursor_close(walk.cursor);
    return rc == MDB_SUCCESS || rc == MDB_NOTFOUND ? result : store_spoil(txn, rc);
}

int store_each(struct store_txn *txn, store_visit_each *visit, void *context)
{
    struct walk walk = {.table_size = 0};
    struct store_row row;
    int result = STORE_OK;
    int rc = mdb_cursor_open(txn->txn, txn->store->dbi, &walk.cursor);
    if (rc)
        return store_spoil(txn, rc);
    while (!result && (rc = mdb_cursor_get(walk.cursor, &walk.key, &walk.value, MDB_NEXT)) == 0) {
        const uint8_t *end = memchr(walk.key.mv_data, '\0', walk.key.mv_size);
        walk.table = walk.key.mv_data;
        walk.table_size = end ? (size_t)(end - (const uint8_t *)walk.key.mv_data) + 1 : 0;
        if (!end || !walk_row(&walk, &row))
            result = STORE_CORRUPT;
        else
            result = visit(walk.table, &row, context);
    }
    mdb_cursor_close(walk.cursor);
    return result ? result : rc == MDB_NOTFOUND ? STORE_OK : store_spoil(txn, rc);
}
