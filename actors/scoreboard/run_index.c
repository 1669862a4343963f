/* Keys of runs in other orders. What is found there is read from the row itself.
 *
 * By name, the outcome stands before the time, so that one index serves both a name and a name with an outcome; a name's runs of a day
 * are then put in order in memory. */
#include "actors/scoreboard/run_index.h"

#include <stdlib.h>
#include <string.h>

enum { RUN_KEY_MOST = 96 }; /* opened_at, run_id */

/* Behind what this word says, `run_index` is whole. */
static const char made_key[] = "made";

/* ---- keys ---- */

static void row_key(struct store_key *key, const struct msg_ops_run *run)
{
    store_key_start(key);
    store_key_i64(key, run->opened_at);
    store_key_text(key, run->run_id);
}

static void name_key(struct store_key *key, const char *name, const char *outcome,
                     const struct span *row)
{
    store_key_start(key);
    store_key_text(key, name);
    if (outcome)
        store_key_text(key, outcome);
    if (row)
        store_key_bytes(key, row->data, row->size);
}

static void outcome_key(struct store_key *key, const char *outcome, const struct span *row)
{
    store_key_start(key);
    store_key_text(key, outcome);
    if (row)
        store_key_bytes(key, row->data, row->size);
}

static int enter(struct store_txn *txn, int32_t date, const struct msg_ops_run *run,
                 const struct span *row)
{
    struct store_key key;
    name_key(&key, run->name, run->outcome, row);
    int error = store_put(txn, TABLE_RUN_NAME, date, key.data, key.size, "", 0);
    outcome_key(&key, run->outcome, row);
    return error ? error : store_put(txn, TABLE_RUN_OUTCOME, date, key.data, key.size, "", 0);
}

/* What is not there is not missed: the row may be older than the index. */
static int withdraw(struct store_txn *txn, int32_t date, const struct msg_ops_run *run,
                    const struct span *row)
{
    struct store_key key;
    name_key(&key, run->name, run->outcome, row);
    int error = store_del(txn, TABLE_RUN_NAME, date, key.data, key.size);
    outcome_key(&key, run->outcome, row);
    if (!error || error == STORE_NOT_FOUND)
        error = store_del(txn, TABLE_RUN_OUTCOME, date, key.data, key.size);
    return error == STORE_NOT_FOUND ? STORE_OK : error;
}

static int run_read(const struct span *value, struct table_mark *mark, struct msg_ops_run *run)
{
    struct span payload;
    struct message_error error;
    if (table_read(value, mark, &payload) != STORE_OK ||
        message_decode(&msg_ops_run_desc, payload.data, payload.size, run, &error) != 0)
        return STORE_CORRUPT;
    return STORE_OK;
}

/* ---- how far the index is ---- */

/* Whole, or every row up to `*date`. STORE_NOT_FOUND: not begun. */
static int made_get(struct store_txn *txn, bool *whole, int32_t *date)
{
    struct span value;
    int64_t all, until;
    int error = store_get(txn, TABLE_RUN_INDEX, STORE_UNDATED, made_key, sizeof made_key, &value);
    if (error)
        return error;
    if (store_key_read_i64(&value, &all) != 0 || store_key_read_i64(&value, &until) != 0)
        return STORE_CORRUPT;
    *whole = all != 0;
    *date = (int32_t)until;
    return STORE_OK;
}

static int made_put(struct store_txn *txn, bool whole, int32_t date)
{
    struct store_key value;
    store_key_start(&value);
    store_key_i64(&value, whole);
    store_key_i64(&value, date);
    return store_put(txn, TABLE_RUN_INDEX, STORE_UNDATED, made_key, sizeof made_key, value.data,
                     value.size);
}

bool run_index_is_whole(struct store_txn *txn)
{
    bool whole = false;
    int32_t date;
    return made_get(txn, &whole, &date) == STORE_OK && whole;
}

static int stop_at_first(const struct store_row *row, void *context)
{
    (void)row;
    (void)context;
    return 1;
}

/* The first row of all has an index that is whole. */
static int begin_if_empty(struct store_txn *txn)
{
    bool whole;
    int32_t date;
    int error = made_get(txn, &whole, &date);
    if (error != STORE_NOT_FOUND)
        return error;
    int any = store_scan(txn, TABLE_RUN, TABLE_DATE_FIRST, TABLE_DATE_LAST, NULL, 0, false,
                         stop_at_first, NULL);
    return any < 0 ? any : any > 0 ? STORE_OK : made_put(txn, true, 0);
}

struct making {
    struct store_txn *txn;
    struct msg_ops_run run;
    uint64_t rows, most;
    int32_t date; /* of the last row; 0: none yet */
};

static int make_row(const struct store_row *row, void *context)
{
    struct making *self = context;
    uint8_t data[RUN_KEY_MOST];
    struct table_mark mark;
    if (row->date != self->date && self->rows >= self->most)
        return 1;
    if (row->key.size > sizeof data)
        return STORE_CORRUPT;
    int error = run_read(&row->value, &mark, &self->run);
    if (error)
        return error;
    memcpy(data, row->key.data, row->key.size); /* borrowed until the next write */
    const struct span key = {data, row->key.size};
    self->date = row->date;
    self->rows++;
    return enter(self->txn, row->date, &self->run, &key);
}

int run_index_make(struct store_txn *txn, uint64_t rows, uint64_t *made)
{
    bool whole = false;
    int32_t until = 0;
    int error = made_get(txn, &whole, &until);
    if (error && error != STORE_NOT_FOUND)
        return error;
    if (whole)
        return 0;
    struct making *self = calloc(1, sizeof *self);
    if (!self)
        return STORE_IO;
    self->txn = txn;
    self->most = rows;
    int more =
        store_scan(txn, TABLE_RUN, until + 1, TABLE_DATE_LAST, NULL, 0, false, make_row, self);
    if (more == STORE_NOT_FOUND)
        more = 0;
    *made += self->rows;
    error = more < 0 ? more : made_put(txn, more == 0, self->date);
    free(self);
    return error ? error : more;
}

/* ---- rows ---- */

int run_put(struct store_txn *txn, int32_t date, const struct msg_ops_run *run,
            const struct table_mark *mark, const struct span *payload)
{
    static struct msg_ops_run old;
    struct store_key key;
    struct span value;
    struct table_mark was;
    row_key(&key, run);
    const struct span row = {key.data, (uint32_t)key.size};
    int error = begin_if_empty(txn);
    if (!error)
        error = store_get(txn, TABLE_RUN, date, key.data, key.size, &value);
    if (!error) { /* another word on the same run: it is found under the new one only */
        error = run_read(&value, &was, &old);
        if (!error)
            error = withdraw(txn, date, &old, &row);
    } else if (error == STORE_NOT_FOUND) {
        error = STORE_OK;
    }
    if (!error)
        error = enter(txn, date, run, &row);
    return error ? error : table_put(txn, TABLE_RUN, date, &key, mark, payload);
}

int run_remove(struct store_txn *txn, int32_t date, const struct span *key)
{
    static struct msg_ops_run old;
    struct span value;
    struct table_mark mark;
    int error = store_get(txn, TABLE_RUN, date, key->data, key->size, &value);
    if (!error)
        error = run_read(&value, &mark, &old);
    if (!error)
        error = withdraw(txn, date, &old, key);
    if (!error)
        error = store_del(txn, TABLE_POLL, date, key->data, key->size);
    if (!error || error == STORE_NOT_FOUND)
        error = store_del(txn, TABLE_RUN, date, key->data, key->size);
    return error;
}

/* ---- asking ---- */

struct ref {
    int32_t date;
    uint32_t size;
    uint8_t key[RUN_KEY_MOST];
};

/* Keys of the rows that are wanted, a day's at once, or of as many days as the newest so many need. */
struct asking {
    struct store_txn *txn;
    const struct run_query *query;
    size_t head; /* of a key in the index, before the row's */
    struct ref *refs;
    size_t count, capacity;
    table_visit *visit;
    void *context;
    struct msg_ops_run *run;
};

static int ref_add(struct asking *self, int32_t date, const uint8_t *key, size_t size)
{
    if (size > RUN_KEY_MOST)
        return STORE_CORRUPT;
    if (self->count == self->capacity) {
        size_t capacity = self->capacity ? 2 * self->capacity : 256;
        struct ref *refs = realloc(self->refs, capacity * sizeof *refs);
        if (!refs)
            return STORE_IO;
        self->refs = refs;
        self->capacity = capacity;
    }
    struct ref *ref = &self->refs[self->count++];
    ref->date = date;
    ref->size = (uint32_t)size;
    memcpy(ref->key, key, size);
    return 0;
}

static int ref_compare(const void *a_ref, const void *b_ref)
{
    const struct ref *a = a_ref, *b = b_ref;
    if (a->date != b->date)
        return a->date < b->date ? -1 : 1;
    size_t size = a->size < b->size ? a->size : b->size;
    int order = memcmp(a->key, b->key, size);
    return order ? order : (a->size > b->size) - (a->size < b->size);
}

/* Shows what is held, in order: the newest `last` of it. */
static int refs_show(struct asking *self)
{
    uint64_t last = self->query->last;
    size_t first = last && self->count > last ? self->count - (size_t)last : 0;
    int result = 0;
    if (self->count)
        qsort(self->refs, self->count, sizeof *self->refs, ref_compare);
    for (size_t i = first; i < self->count && !result; i++) {
        const struct ref *ref = &self->refs[i];
        struct span value;
        struct table_mark mark;
        int error = store_get(self->txn, TABLE_RUN, ref->date, ref->key, ref->size, &value);
        if (error) /* a key without a row */
            return error == STORE_NOT_FOUND ? STORE_CORRUPT : error;
        error = run_read(&value, &mark, self->run);
        result = error ? error : self->visit(self->context, ref->date, &mark, self->run);
    }
    self->count = 0;
    return result;
}

static int ask_row(const struct store_row *row, void *context)
{
    struct asking *self = context;
    size_t head = self->head;
    uint64_t last = self->query->last;
    if (self->count && self->refs[self->count - 1].date != row->date) { /* a day is complete */
        int result = last == 0 ? refs_show(self) : self->count >= last;
        if (result)
            return result;
    }
    if (head == 0 && self->query->name) { /* by name alone: its outcome stands between */
        const char *word;
        struct span rest = row->key;
        for (int i = 0; i < 2; i++)
            if (store_key_read_text(&rest, &word) != 0)
                return STORE_CORRUPT;
        head = row->key.size - rest.size;
    }
    return row->key.size < head
               ? STORE_CORRUPT
               : ref_add(self, row->date, row->key.data + head, row->key.size - head);
}

static int ask_index(struct asking *self)
{
    const struct run_query *query = self->query;
    struct store_key prefix;
    const char *table = TABLE_RUN;
    store_key_start(&prefix);
    if (query->name) {
        table = TABLE_RUN_NAME;
        name_key(&prefix, query->name, query->outcome, NULL);
        self->head = query->outcome ? prefix.size : 0;
    } else if (query->outcome) {
        table = TABLE_RUN_OUTCOME;
        outcome_key(&prefix, query->outcome, NULL);
        self->head = prefix.size;
    }
    if (prefix.too_long) /* no run has such a name */
        return STORE_OK;
    int result = store_scan(self->txn, table, query->from, query->to, prefix.data, prefix.size,
                            query->last > 0, ask_row, self);
    if (result < 0 && result != STORE_NOT_FOUND)
        return result;
    return result > 0 && query->last == 0 ? result : refs_show(self);
}

static int walk_run(void *context, int32_t date, const struct table_mark *mark, const void *message)
{
    struct asking *self = context;
    const struct msg_ops_run *run = message;
    const struct run_query *query = self->query;
    struct store_key key;
    if ((query->name && strcmp(query->name, run->name) != 0) ||
        (query->outcome && strcmp(query->outcome, run->outcome) != 0))
        return 0;
    if (query->last == 0)
        return self->visit(self->context, date, mark, message);
    row_key(&key, run);
    return ref_add(self, date, key.data, key.size);
}

/* Names and outcomes stand in a payload as they are: rows without them are passed over undecoded. */
static int ask_all(struct asking *self)
{
    const struct run_query *query = self->query;
    const char *words[3] = {NULL};
    int count = 0;
    if (query->name)
        words[count++] = query->name;
    if (query->outcome)
        words[count++] = query->outcome;
    int result = table_each_with(self->txn, TABLE_RUN, query->from, query->to, NULL, words,
                                 &msg_ops_run_desc, walk_run, self);
    return result ? result : refs_show(self);
}

int run_each(struct store_txn *txn, const struct run_query *query, table_visit *visit,
             void *context)
{
    struct asking self = {.txn = txn, .query = query, .visit = visit, .context = context};
    bool narrow = query->name || query->outcome || query->last;
    self.run = malloc(sizeof *self.run);
    if (!self.run)
        return STORE_IO;
    int result = narrow && run_index_is_whole(txn) ? ask_index(&self) : ask_all(&self);
    free(self.run);
    free(self.refs);
    return result;
}
