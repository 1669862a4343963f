/* A sealed segment written anew without what nobody is to keep: copied in slices, read back, marked, swapped. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "broker/log_guard.h"
#include "broker/log_lmdb.h"
#include "config/fault.h"
#include "store/env_make.h"

enum rewrite_phase { COPY_BATCHES, COPY_SEQS, READ_BACK, SWAP, SWAPPED };

/* The sealed segment that begins there; NULL: none. */
static struct segment *sealed_at(const struct log_lmdb *self, uint64_t first)
{
    for (uint32_t i = 0; i + 1 < self->count; i++)
        if (self->segments[i].first == first)
            return &self->segments[i];
    return NULL;
}

void log_lmdb_rewrite_drop(struct log *base)
{
    struct log_lmdb *self = lmdb_of(base);
    struct rewrite *rewrite = &self->rewrite;
    if (!rewrite->live)
        return;
    rewrite->live = false;
    if (rewrite->txn)
        mdb_txn_abort(rewrite->txn);
    rewrite->txn = NULL;
    lmdb_segment_close(&rewrite->to);
    (void)lmdb_segment_let_go(self, rewrite->to.name);
}

int log_lmdb_rewrite_begin(struct log *base, uint64_t first)
{
    struct log_lmdb *self = lmdb_of(base);
    struct rewrite *rewrite = &self->rewrite;
    const struct segment *from = sealed_at(self, first);
    char path[4096];
    if (!from)
        return LOG_NONE;
    log_lmdb_rewrite_drop(base);
    struct gathers index = rewrite->index;
    *rewrite = (struct rewrite){.live = true,
                                .first = first,
                                .end = from[1].first,
                                .at = first,
                                .reached = first,
                                .expected = first,
                                .checked = first,
                                .to = {.first = first, .made = from->made + 1},
                                .index = index};
    lmdb_segment_name(rewrite->to.name, first, rewrite->to.made);
    snprintf(path, sizeof path, "%s/%s", self->dir, rewrite->to.name);
    (void)lmdb_segment_remove(self, rewrite->to.name); /* one that was given up */
    int error = mkdir(path, 0750) != 0 && errno != EEXIST ? lmdb_error_of(errno) : LOG_OK;
    if (!error)
        error = lmdb_segment_open(self, &rewrite->to, lmdb_segment_bytes(from));
    if (error)
        log_lmdb_rewrite_drop(base);
    return error;
}

/* ---- a slice of batches ---- */

static int hole_put(struct rewrite *rewrite, uint64_t end)
{
    uint8_t key_bytes[8], row[HOLE_ROW];
    while (rewrite->expected < end) {
        uint64_t count = end - rewrite->expected;
        if (count > UINT32_MAX)
            count = UINT32_MAX;
        put_u64(key_bytes, rewrite->expected);
        lmdb_hole_write(row, rewrite->expected, count);
        MDB_val key = {sizeof key_bytes, key_bytes}, value = {sizeof row, row};
        int rc = mdb_put(rewrite->txn, rewrite->to.db[DB_BATCHES], &key, &value, MDB_APPEND);
        if (rc)
            return lmdb_error_of(rc);
        rewrite->expected += count;
    }
    return LOG_OK;
}

int log_lmdb_rewrite_keep(struct log *base, const struct batch_header *header, const void *body)
{
    struct rewrite *rewrite = &lmdb_of(base)->rewrite;
    struct batch_header whole;
    if (!header) {
        if (batch_header_read(&whole, rewrite->raw.mv_data) != 0)
            return LOG_CORRUPT; /* nobody knows whose it is */
        rewrite->broken += !rewrite->raw_whole;
        header = &whole;
        body = (const uint8_t *)rewrite->raw.mv_data + PROTOCOL_HEADER_BYTES;
    }
    int error = hole_put(rewrite, header->base);
    if (!error)
        error = lmdb_index_gather(&rewrite->index, header);
    if (error)
        return error;
    uint8_t key_bytes[8];
    put_u64(key_bytes, header->base);
    MDB_val key = {sizeof key_bytes, key_bytes};
    MDB_val value = {PROTOCOL_HEADER_BYTES + header->size, NULL};
    int rc =
        mdb_put(rewrite->txn, rewrite->to.db[DB_BATCHES], &key, &value, MDB_APPEND | MDB_RESERVE);
    if (rc)
        return lmdb_error_of(rc);
    batch_header_write(header, value.mv_data);
    memcpy((uint8_t *)value.mv_data + PROTOCOL_HEADER_BYTES, body, header->size);
    rewrite->expected = header->base + header->count;
    return LOG_OK;
}

static int batch_visit(struct log_lmdb *self, const MDB_val *key, const MDB_val *value,
                       log_rewrite_visit *visit, void *context)
{
    struct rewrite *rewrite = &self->rewrite;
    struct batch_header header;
    struct span body;
    uint64_t base = get_u64(key->mv_data);
    uint64_t hole = lmdb_hole_read(value, base);
    if (key->mv_size != sizeof base || base != rewrite->reached)
        return LOG_CORRUPT; /* what is missing must not pass for removed */
    rewrite->at = base + 1;
    rewrite->reached += hole;
    if (hole)
        return LOG_OK; /* and a hole it stays */
    rewrite->raw = *value;
    if (value->mv_size < PROTOCOL_HEADER_BYTES || batch_header_read(&header, value->mv_data) != 0 ||
        header.base != base)
        return LOG_CORRUPT;
    bool whole = log_value_open(value->mv_data, value->mv_size, &header, &body) == LOG_OK;
    rewrite->raw_whole = whole;
    rewrite->reached += header.count;
    return visit(&self->base, &header, whole ? &body : NULL, context);
}

/* Of the old segment's `db`, from `key` on, until about `bytes` are read. 1: there is more. */
static int rows_each(struct log_lmdb *self, int db, MDB_val key, uint64_t bytes,
                     int (*each)(struct log_lmdb *self, const MDB_val *key, const MDB_val *value,
                                 log_rewrite_visit *visit, void *context),
                     log_rewrite_visit *visit, void *context)
{
    struct segment *from = sealed_at(self, self->rewrite.first);
    MDB_txn *reader;
    MDB_cursor *cursor;
    MDB_val value;
    uint64_t read = 0;
    int error = from ? lmdb_reader_of(self, from, &reader) : LOG_TRIMMED;
    if (!error)
        error = lmdb_error_of(mdb_cursor_open(reader, from->db[db], &cursor));
    if (error)
        return error;
    int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    for (; rc == MDB_SUCCESS && !error && read < bytes;
         rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        error = each(self, &key, &value, visit, context);
        read += key.mv_size + value.mv_size;
    }
    mdb_cursor_close(cursor);
    if (!error && rc != MDB_SUCCESS && rc != MDB_NOTFOUND)
        error = lmdb_error_of(rc);
    return error ? error : rc == MDB_SUCCESS;
}

static int slice_begin(struct rewrite *rewrite)
{
    int rc = mdb_txn_begin(rewrite->to.env, NULL, 0, &rewrite->txn);
    rewrite->index.count = 0;
    if (rc)
        rewrite->txn = NULL;
    return lmdb_error_of(rc);
}

static int slice_commit(struct rewrite *rewrite)
{
    int rc = lmdb_index_put(rewrite->txn, rewrite->to.db[DB_INDEX], &rewrite->index);
    if (rc)
        return lmdb_error_of(rc);
    rc = mdb_txn_commit(rewrite->txn);
    rewrite->txn = NULL;
    fault_hit(FAULT_REWRITE_SLICE);
    return lmdb_error_of(rc);
}

static int batches_copy(struct log_lmdb *self, uint64_t bytes, log_rewrite_visit *visit,
                        void *context)
{
    struct rewrite *rewrite = &self->rewrite;
    uint8_t key_bytes[8];
    put_u64(key_bytes, rewrite->at);
    int error = slice_begin(rewrite);
    if (error)
        return error;
    int more = rows_each(self, DB_BATCHES, (MDB_val){sizeof key_bytes, key_bytes}, bytes,
                         batch_visit, visit, context);
    if (more == 0 && rewrite->reached != rewrite->end)
        return LOG_CORRUPT;
    if (more == 0) {
        error = hole_put(rewrite, rewrite->end);
        rewrite->phase = COPY_SEQS;
    }
    if (more < 0)
        return more;
    return error ? error : slice_commit(rewrite);
}

/* ---- sequences, as they were ---- */

static int seqs_visit(struct log_lmdb *self, const MDB_val *key, const MDB_val *value,
                      log_rewrite_visit *visit, void *context)
{
    struct rewrite *rewrite = &self->rewrite;
    (void)visit;
    (void)context;
    if (key->mv_size != sizeof rewrite->seqs_key)
        return LOG_CORRUPT;
    if (rewrite->seqs_begun && memcmp(rewrite->seqs_key, key->mv_data, key->mv_size) == 0)
        return LOG_OK; /* the slice before ended with it */
    memcpy(rewrite->seqs_key, key->mv_data, key->mv_size);
    rewrite->seqs_begun = true;
    MDB_val k = *key, v = *value;
    return lmdb_error_of(mdb_put(rewrite->txn, rewrite->to.db[DB_SEQS], &k, &v, MDB_APPEND));
}

static int seqs_copy(struct log_lmdb *self, uint64_t bytes)
{
    struct rewrite *rewrite = &self->rewrite;
    uint8_t key_bytes[sizeof rewrite->seqs_key];
    memcpy(key_bytes, rewrite->seqs_key, sizeof key_bytes);
    int error = slice_begin(rewrite);
    if (error)
        return error;
    int more = rows_each(self, DB_SEQS, (MDB_val){sizeof key_bytes, key_bytes}, bytes, seqs_visit,
                         NULL, NULL);
    if (more < 0)
        return more;
    if (more == 0)
        rewrite->phase = READ_BACK;
    return slice_commit(rewrite);
}

/* ---- reading back what was written ---- */

static int batch_check(struct rewrite *rewrite, const MDB_val *key, const MDB_val *value)
{
    struct batch_header header, again;
    struct span body;
    uint64_t hole = lmdb_hole_read(value, rewrite->checked);
    if (get_u64(key->mv_data) != rewrite->checked)
        return LOG_CORRUPT;
    if (!hole &&
        (value->mv_size < PROTOCOL_HEADER_BYTES ||
         batch_header_read(&header, value->mv_data) != 0 || header.base != rewrite->checked ||
         header.count == 0 || header.size != value->mv_size - PROTOCOL_HEADER_BYTES))
        return LOG_CORRUPT;
    if (!hole)
        rewrite->checked_broken +=
            log_value_open(value->mv_data, value->mv_size, &again, &body) != LOG_OK;
    rewrite->checked += hole ? hole : header.count;
    rewrite->checked_records += hole ? 0 : header.count;
    return LOG_OK;
}

static int index_check(struct rewrite *rewrite, MDB_txn *txn)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    uint64_t records = 0;
    int rc = mdb_cursor_open(txn, rewrite->to.db[DB_INDEX], &cursor);
    if (rc)
        return lmdb_error_of(rc);
    while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == MDB_SUCCESS)
        records += lmdb_index_records(&key, &value);
    mdb_cursor_close(cursor);
    if (rc != MDB_NOTFOUND)
        return lmdb_error_of(rc);
    return records == rewrite->checked_records && rewrite->checked_broken == rewrite->broken
               ? LOG_OK
               : LOG_CORRUPT;
}

static int read_back(struct log_lmdb *self, uint64_t bytes)
{
    struct rewrite *rewrite = &self->rewrite;
    MDB_txn *txn;
    MDB_cursor *cursor;
    uint8_t key_bytes[8];
    uint64_t read = 0;
    put_u64(key_bytes, rewrite->checked);
    MDB_val key = {sizeof key_bytes, key_bytes}, value;
    int error = lmdb_reader_of(self, &rewrite->to, &txn);
    if (!error)
        error = lmdb_error_of(mdb_cursor_open(txn, rewrite->to.db[DB_BATCHES], &cursor));
    if (error)
        return error;
    int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    for (; rc == MDB_SUCCESS && !error && read < bytes;
         rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        error = batch_check(rewrite, &key, &value);
        read += value.mv_size;
    }
    mdb_cursor_close(cursor);
    if (!error && rc == MDB_NOTFOUND) {
        error = rewrite->checked == rewrite->end ? index_check(rewrite, txn) : LOG_CORRUPT;
        rewrite->phase = SWAP;
    } else if (!error) {
        error = lmdb_error_of(rc);
    }
    lmdb_reader_drop(&rewrite->to);
    return error;
}

/* ---- the swap ---- */

static int meta_visit(struct log_lmdb *self, const MDB_val *key, const MDB_val *value,
                      log_rewrite_visit *visit, void *context)
{
    MDB_val k = *key, v = *value;
    (void)visit;
    (void)context;
    return lmdb_error_of(mdb_put(self->rewrite.txn, self->rewrite.to.db[DB_META], &k, &v, 0));
}

/* A row of sequences less is a repeat that would not be known. */
static int seqs_check(struct log_lmdb *self)
{
    struct rewrite *rewrite = &self->rewrite;
    MDB_stat before, after;
    MDB_txn *reader;
    struct segment *old = sealed_at(self, rewrite->first);
    int error = old ? lmdb_reader_of(self, old, &reader) : LOG_TRIMMED;
    if (!error)
        error = lmdb_error_of(mdb_stat(reader, old->db[DB_SEQS], &before));
    if (!error)
        error = lmdb_error_of(mdb_stat(rewrite->txn, rewrite->to.db[DB_SEQS], &after));
    return error || before.ms_entries == after.ms_entries ? error : LOG_CORRUPT;
}

/* With `meta` comes the mark that it is complete. */
static int swap(struct log_lmdb *self)
{
    struct rewrite *rewrite = &self->rewrite;
    uint8_t from_start = 0;
    fault_hit(FAULT_REWRITE_BUILT);
    int error = slice_begin(rewrite);
    if (error)
        return error;
    error = seqs_check(self);
    if (!error)
        error = lmdb_error_of(lmdb_directory_put(rewrite->txn, rewrite->to.db[DB_INDEX]));
    if (!error)
        error =
            rows_each(self, DB_META, (MDB_val){1, &from_start}, UINT64_MAX, meta_visit, NULL, NULL);
    if (!error)
        error = slice_commit(rewrite);
    if (!error)
        error = lmdb_segment_sync(self, &rewrite->to);
    struct segment *from = sealed_at(self, rewrite->first);
    if (error || !from)
        return error ? error : LOG_TRIMMED;
    fault_hit(FAULT_REWRITE_COMPLETE);
    char name[40];
    snprintf(name, sizeof name, "%s", from->name);
    log_lmdb_read_end(&self->base);
    lmdb_segment_close(from);
    *from = rewrite->to;
    rewrite->live = false;
    rewrite->phase = SWAPPED;
    (void)lmdb_segment_let_go(self, name);
    return LOG_OK;
}

struct step {
    struct log_lmdb *self;
    uint64_t bytes;
    log_rewrite_visit *visit;
    void *context;
};

static int step_do(void *context)
{
    struct step *step = context;
    switch (step->self->rewrite.phase) {
    case COPY_BATCHES:
        return batches_copy(step->self, step->bytes, step->visit, step->context);
    case COPY_SEQS:
        return seqs_copy(step->self, step->bytes);
    case READ_BACK:
        return read_back(step->self, step->bytes);
    default:
        return swap(step->self);
    }
}

int log_lmdb_rewrite_step(struct log *base, uint64_t bytes, log_rewrite_visit *visit, void *context)
{
    struct log_lmdb *self = lmdb_of(base);
    struct rewrite *rewrite = &self->rewrite;
    struct step step = {self, bytes, visit, context};
    if (!rewrite->live)
        return LOG_NONE;
    int error = log_guard(step_do, &step);
    log_lmdb_read_end(base);
    if (error)
        log_lmdb_rewrite_drop(base);
    return error ? error : rewrite->phase != SWAPPED;
}
