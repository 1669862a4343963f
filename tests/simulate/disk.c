#include "tests/simulate/disk.h"

#include <stdlib.h>
#include <string.h>

#include "tests/simulate/disk_inside.h"

enum { ENVIRONMENTS_MAX = 64 };

static struct disk_hooks hooks;
static struct store *environments[ENVIRONMENTS_MAX];
static uint32_t environment_count;
static uint64_t commits, compactions;
static struct kept { /* every allocation of this disk's life */
    struct kept *next;
} * kept;

void *disk_keep(size_t size)
{
    struct kept *memory = calloc(1, sizeof *memory + 8 + size);
    if (!memory)
        abort();
    memory->next = kept;
    kept = memory;
    return (uint8_t *)memory + sizeof *memory;
}

void disk_open(const struct disk_hooks *these)
{
    disk_close();
    hooks = *these;
    commits = compactions = 0;
}

void disk_close(void)
{
    for (uint32_t i = 0; i < environment_count; i++)
        free(environments[i]->rows.items);
    environment_count = 0;
    disk_snapshots_close();
    while (kept) {
        struct kept *next = kept->next;
        free(kept);
        kept = next;
    }
}

void disk_end(uint32_t process)
{
    for (uint32_t i = 0; i < environment_count; i++)
        if (environments[i]->holder == process + 1) {
            if (environments[i]->writing)
                free(environments[i]->writer.rows.items);
            environments[i]->writing = false;
            environments[i]->holder = 0;
        }
}

void disk_lose(const char *dir)
{
    for (uint32_t i = 0; i < environment_count; i++)
        if (strcmp(environments[i]->dir, dir) == 0) {
            environments[i]->rows.count = 0;
            memset(environments[i]->marks, 0, sizeof environments[i]->marks);
        }
}

uint64_t disk_commits(void)
{
    return commits;
}

uint64_t disk_compactions(void)
{
    return compactions;
}

void disk_compacted(void)
{
    compactions++;
}

const char *store_error_text(int error)
{
    return error == STORE_OK          ? "no error"
           : error == STORE_NOT_FOUND ? "not found"
           : error == STORE_BUSY      ? "held by another process"
                                      : "an error of the simulated disk";
}

void disk_call(const char *what)
{
    if (hooks.call)
        hooks.call(what);
}

/* ---- environments ---- */

int store_open(struct store **out, const char *dir, const struct store_options *options)
{
    struct store *self = NULL;
    (void)options;
    for (uint32_t i = 0; i < environment_count; i++)
        if (strcmp(environments[i]->dir, dir) == 0)
            self = environments[i];
    *out = NULL;
    if (!self) {
        if (environment_count == ENVIRONMENTS_MAX || strlen(dir) >= sizeof self->dir)
            return STORE_IO;
        self = environments[environment_count++] = disk_keep(sizeof *self);
        strcpy(self->dir, dir);
    }
    if (self->holder)
        return STORE_BUSY;
    self->holder = (hooks.process ? hooks.process() : 0) + 1;
    *out = self;
    return STORE_OK;
}

void store_close(struct store **self)
{
    if (*self && (*self)->writing) {
        free((*self)->writer.rows.items);
        (*self)->writing = false;
    }
    if (*self)
        (*self)->holder = 0;
    *self = NULL;
}

const char *store_dir(const struct store *self)
{
    return self->dir;
}

/* ---- transactions ---- */

static void rows_copy(struct disk_rows *to, const struct disk_rows *from)
{
    to->count = from->count;
    to->capacity = from->count + 16;
    to->items = malloc(to->capacity * sizeof *to->items);
    if (!to->items)
        abort();
    if (from->count)
        memcpy(to->items, from->items, from->count * sizeof *to->items);
}

int store_begin(struct store *self, bool write, struct store_txn **out)
{
    struct store_txn *txn = write ? &self->writer : calloc(1, sizeof *txn);
    *out = NULL;
    if (!txn || (write && self->writing))
        return STORE_IO;
    memset(txn, 0, sizeof *txn);
    txn->store = self;
    txn->write = write;
    rows_copy(&txn->rows, &self->rows);
    self->writing = self->writing || write;
    *out = txn;
    return STORE_OK;
}

void store_abort(struct store_txn **txn_ref)
{
    struct store_txn *txn = *txn_ref;
    *txn_ref = NULL;
    if (!txn)
        return;
    free(txn->rows.items);
    if (txn->write)
        txn->store->writing = false;
    else
        free(txn);
}

int store_commit(struct store_txn **txn_ref)
{
    struct store_txn *txn = *txn_ref;
    if (!txn->write) {
        store_abort(txn_ref);
        return STORE_OK;
    }
    disk_call("store_commit");
    if (hooks.fails && hooks.fails("store_commit")) {
        store_abort(txn_ref);
        return STORE_FULL;
    }
    commits++;
    txn->store->commits++;
    *txn_ref = NULL;
    free(txn->store->rows.items);
    txn->store->rows = txn->rows;
    txn->store->writing = false;
    return STORE_OK;
}

uint64_t store_writes(const struct store_txn *txn)
{
    return txn->writes;
}

/* ---- rows ---- */

static int key_make(struct disk_row *row, const char *table, int32_t date, const void *key,
                    size_t key_size)
{
    size_t table_size = strlen(table) + 1;
    if (table_size == 1 || table_size > DISK_TABLE_BYTES || key_size > STORE_KEY_MAX)
        return STORE_TOO_LARGE;
    memcpy(row->key, table, table_size);
    uint32_t sorted = (uint32_t)date ^ 0x80000000u;
    for (int i = 0; i < 4; i++)
        row->key[table_size + (size_t)i] = (uint8_t)(sorted >> (24 - 8 * i));
    row->head = table_size + 4;
    row->date = date;
    if (key_size)
        memcpy(row->key + row->head, key, key_size);
    row->key_size = row->head + key_size;
    return STORE_OK;
}

static int key_order(const struct disk_row *a, const struct disk_row *b)
{
    size_t size = a->key_size < b->key_size ? a->key_size : b->key_size;
    int order = memcmp(a->key, b->key, size);
    return order ? order : (a->key_size > b->key_size) - (a->key_size < b->key_size);
}

/* The first row that is not before `row`; `*there`: it is the same. */
static uint32_t row_find(const struct disk_rows *rows, const struct disk_row *row, bool *there)
{
    uint32_t low = 0, high = rows->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (key_order(rows->items[middle], row) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *there = low < rows->count && key_order(rows->items[low], row) == 0;
    return low;
}

void disk_row_put(struct store_txn *txn, struct disk_row *row)
{
    bool there;
    struct disk_rows *rows = &txn->rows;
    uint32_t at = row_find(rows, row, &there);
    txn->writes++;
    if (!there) {
        if (rows->count == rows->capacity) {
            rows->capacity = rows->capacity * 2 + 16;
            rows->items = realloc(rows->items, rows->capacity * sizeof *rows->items);
            if (!rows->items)
                abort();
        }
        memmove(rows->items + at + 1, rows->items + at, (rows->count++ - at) * sizeof *rows->items);
    }
    rows->items[at] = row;
}

int store_put(struct store_txn *txn, const char *table, int32_t date, const void *key,
              size_t key_size, const void *value, size_t value_size)
{
    struct disk_row *row = disk_keep(sizeof *row);
    int error = key_make(row, table, date, key, key_size);
    if (error)
        return error;
    row->value = disk_keep(value_size + 1);
    row->value_size = value_size;
    if (value_size)
        memcpy(row->value, value, value_size);
    disk_row_put(txn, row);
    return STORE_OK;
}

int store_get(struct store_txn *txn, const char *table, int32_t date, const void *key,
              size_t key_size, struct span *value)
{
    bool there;
    struct disk_row row = {.value = NULL};
    int error = key_make(&row, table, date, key, key_size);
    if (error)
        return error;
    uint32_t at = row_find(&txn->rows, &row, &there);
    if (!there)
        return STORE_NOT_FOUND;
    *value = (struct span){txn->rows.items[at]->value, (uint32_t)txn->rows.items[at]->value_size};
    return STORE_OK;
}

static void rows_remove(struct disk_rows *rows, uint32_t at)
{
    memmove(rows->items + at, rows->items + at + 1, (--rows->count - at) * sizeof *rows->items);
}

int store_del(struct store_txn *txn, const char *table, int32_t date, const void *key,
              size_t key_size)
{
    bool there;
    struct disk_row row = {.value = NULL};
    int error = key_make(&row, table, date, key, key_size);
    if (error)
        return error;
    uint32_t at = row_find(&txn->rows, &row, &there);
    txn->writes++;
    if (!there)
        return STORE_NOT_FOUND;
    rows_remove(&txn->rows, at);
    return STORE_OK;
}

int store_clear(struct store_txn *txn, const char *table)
{
    size_t size = strlen(table) + 1;
    txn->writes++;
    for (uint32_t i = txn->rows.count; i > 0; i--)
        if (memcmp(txn->rows.items[i - 1]->key, table, size) == 0)
            rows_remove(&txn->rows, i - 1);
    return STORE_OK;
}

int store_clear_all(struct store_txn *txn)
{
    txn->writes++;
    txn->rows.count = 0;
    return STORE_OK;
}

int store_scan(struct store_txn *txn, const char *table, int32_t from, int32_t to,
               const void *prefix, size_t prefix_size, bool reverse, store_visit *visit,
               void *context)
{
    size_t size = strlen(table) + 1;
    struct disk_rows rows;
    int result = 0;
    rows_copy(&rows, &txn->rows); /* the visitor may write to other tables */
    for (uint32_t i = 0; !result && i < rows.count; i++) {
        const struct disk_row *row = rows.items[reverse ? rows.count - 1 - i : i];
        if (memcmp(row->key, table, size) != 0 || row->date < from || row->date > to ||
            row->key_size - row->head < prefix_size ||
            (prefix_size && memcmp(row->key + row->head, prefix, prefix_size) != 0))
            continue;
        struct store_row found = {
            .date = row->date,
            .key = {row->key + row->head, (uint32_t)(row->key_size - row->head)},
            .value = {row->value, (uint32_t)row->value_size}};
        result = visit(&found, context);
    }
    free(rows.items);
    return result;
}

int store_put_message(struct store_txn *txn, const char *table, int32_t date, const void *key,
                      size_t key_size, const struct message_desc *desc, const void *message)
{
    struct message_error error;
    size_t most = message_size_max(desc, message);
    uint8_t *buffer = disk_keep(most);
    long size = message_encode(desc, message, buffer, most, &error);
    return size < 0 ? STORE_CORRUPT
                    : store_put(txn, table, date, key, key_size, buffer, (size_t)size);
}

int store_get_message(struct store_txn *txn, const char *table, int32_t date, const void *key,
                      size_t key_size, const struct message_desc *desc, void *message)
{
    struct span value;
    struct message_error why;
    int error = store_get(txn, table, date, key, key_size, &value);
    if (!error && message_decode(desc, value.data, value.size, message, &why) != 0)
        error = STORE_CORRUPT;
    return error;
}

/* ---- run marks: they survive the process, as a mapped file does ---- */

struct run_marks {
    struct store *store;
};

struct run_marks *run_marks_open(const char *dir)
{
    for (uint32_t i = 0; i < environment_count; i++)
        if (strcmp(environments[i]->dir, dir) == 0) {
            struct run_marks *self = disk_keep(sizeof *self);
            self->store = environments[i];
            return self;
        }
    return NULL;
}

void run_marks_close(struct run_marks **self)
{
    *self = NULL;
}

void run_marks_set(struct run_marks *self, int slot, const struct run_mark *mark)
{
    self->store->marks[slot] = *mark;
    self->store->marks[slot].open = 1;
}

void run_marks_closing(struct run_marks *self, int slot, uint64_t step)
{
    self->store->marks[slot].step = step;
}

void run_marks_clear(struct run_marks *self, int slot)
{
    self->store->marks[slot].open = 0;
}

const struct run_mark *run_marks_get(const struct run_marks *self, int slot)
{
    return self->store->marks[slot].open ? &self->store->marks[slot] : NULL;
}
