/* Rolling into a new segment, letting go of old ones. */
#include "broker/log_lmdb.h"

#include <stdio.h>
#include <string.h>

#include "config/fault.h"
#include "store/env_make.h"

int lmdb_segment_complete(struct log_lmdb *self, struct segment *from, struct segment *to)
{
    static const int carried[] = {DB_LATER, DB_LATERSEQ, DB_META};
    MDB_txn *txn = NULL, *reader = NULL;
    int rc = mdb_txn_begin(to->env, NULL, 0, &txn);
    if (rc)
        return lmdb_error_of(rc);
    int error = from ? lmdb_reader_of(self, from, &reader) : LOG_OK;
    for (size_t i = 0; from && !error && i < sizeof carried / sizeof *carried; i++) {
        MDB_cursor *cursor;
        error = lmdb_error_of(mdb_cursor_open(reader, from->db[carried[i]], &cursor));
        if (error)
            break;
        MDB_val key, value;
        while (!error && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == MDB_SUCCESS)
            error = lmdb_error_of(mdb_put(txn, to->db[carried[i]], &key, &value, 0));
        if (!error && rc != MDB_NOTFOUND) /* not the end: what follows would be lost */
            error = lmdb_error_of(rc);
        mdb_cursor_close(cursor);
    }
    self->txn_head = self->head;
    self->txn_last_time_us = self->last_time_us;
    self->txn_segment_start_us = self->last_time_us;
    self->txn_later_id = self->later_id;
    self->txn_later_count = self->later_count;
    if (!error)
        error = lmdb_head_store(self, txn, to);
    MDB_val key = {1, "c"}, value = {1, "1"};
    if (!error)
        error = lmdb_error_of(mdb_put(txn, to->db[DB_META], &key, &value, 0));
    log_lmdb_read_end(&self->base);
    if (error) {
        mdb_txn_abort(txn);
        return error;
    }
    rc = mdb_txn_commit(txn);
    if (rc)
        return lmdb_error_of(rc);
    self->segment_start_us = self->txn_segment_start_us;
    return LOG_OK;
}

/* What comes along into every new segment: a roll does not make it less. */
static uint64_t carried_bytes(struct log_lmdb *self)
{
    static const int carried[] = {DB_LATER, DB_LATERSEQ, DB_META};
    struct segment *segment = lmdb_active(self);
    uint64_t sum = 0;
    MDB_txn *txn;
    MDB_stat stat;
    if (lmdb_reader_of(self, segment, &txn) != LOG_OK)
        return 0;
    for (size_t i = 0; i < sizeof carried / sizeof *carried; i++)
        if (mdb_stat(txn, segment->db[carried[i]], &stat) == MDB_SUCCESS)
            sum += (stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages) *
                   (uint64_t)stat.ms_psize;
    log_lmdb_read_end(&self->base);
    return sum;
}

bool log_lmdb_roll_due(struct log *base)
{
    struct log_lmdb *self = lmdb_of(base);
    const struct segment *segment = lmdb_active(self);
    if (self->head == segment->first)
        return false;
    if (self->options.segment_age_us > 0 && self->segment_start_us != INT64_MIN &&
        self->last_time_us - self->segment_start_us > self->options.segment_age_us)
        return true;
    uint64_t bytes = lmdb_segment_bytes(segment) + self->journal.offset;
    return bytes > self->options.segment_bytes &&
           bytes - self->options.segment_bytes > carried_bytes(self);
}

/* The last that is written to a segment before another follows it. */
static int segment_seal(struct log_lmdb *self)
{
    const struct segment *segment = lmdb_active(self);
    MDB_txn *txn;
    lmdb_txn_drop(self); /* after the checkpoint it holds nothing */
    int rc = mdb_txn_begin(segment->env, NULL, 0, &txn);
    if (rc)
        return lmdb_error_of(rc);
    rc = lmdb_directory_put(txn, segment->db[DB_INDEX]);
    if (rc) {
        mdb_txn_abort(txn);
        return lmdb_write_error(self, rc);
    }
    return lmdb_write_error(self, mdb_txn_commit(txn));
}

int log_lmdb_roll(struct log *base)
{
    struct log_lmdb *self = lmdb_of(base);
    if (self->head == lmdb_active(self)->first)
        return LOG_OK; /* segments are named by their first position: one without any cannot be followed */
    int error = log_lmdb_checkpoint(base);
    if (!error)
        error = segment_seal(self);
    if (!error)
        error = lmdb_segment_create(self, self->head, carried_bytes(self));
    if (error)
        return error;
    fault_hit(FAULT_ROLL_CREATED);
    struct segment *to = lmdb_active(self), *from = &self->segments[self->count - 2];
    error = lmdb_segment_complete(self, from, to);
    bool complete = error == LOG_OK;
    if (!error)
        error = lmdb_segment_sync(self, to);
    if (error) { /* stay where we were; the next start removes it too, but for its mark */
        char name[40];
        snprintf(name, sizeof name, "%s", to->name);
        lmdb_segment_close(to);
        self->count--;
        if (lmdb_segment_remove(self, name) != 0 || env_dir_sync(self->dir) != 0)
            self->broken = complete;
        return error;
    }
    fault_hit(FAULT_ROLL_COMPLETE);
    return LOG_OK;
}

/* ---- trim ---- */

int log_lmdb_trim(struct log *base, uint64_t position)
{
    struct log_lmdb *self = lmdb_of(base);
    uint32_t gone = 0;
    uint8_t row[8];
    while (gone + 1 < self->count && self->segments[gone + 1].first <= position)
        gone++;
    if (gone == 0)
        return 0;
    log_lmdb_read_end(base);
    put_u64(row, self->segments[gone].first);
    int error = log_lmdb_begin(base);
    if (!error)
        error = log_lmdb_put_meta(base, LOG_META_FIRST, "", 0, row, sizeof row);
    if (error)
        log_lmdb_abort(base);
    else
        error = log_lmdb_commit(base);
    if (error)
        return error;
    fault_hit(FAULT_TRIM_DECIDED);
    self->kept_first = self->segments[gone].first;
    if (self->rewrite.live && self->rewrite.first < self->kept_first)
        log_lmdb_rewrite_drop(base);
    for (uint32_t i = 0; i < gone; i++) {
        lmdb_segment_close(&self->segments[i]);
        (void)lmdb_segment_let_go(self, self->segments[i].name);
    }
    self->count -= gone;
    memmove(self->segments, self->segments + gone, self->count * sizeof *self->segments);
    return (int)gone;
}

int log_lmdb_tidy(struct log *base)
{
    struct log_lmdb *self = lmdb_of(base);
    if (self->gone_count == 0)
        return LOG_NONE;
    if (lmdb_segment_remove(self, self->gone[0]) != 0)
        return LOG_IO;
    self->gone_count--;
    memmove(self->gone, self->gone + 1, self->gone_count * sizeof *self->gone);
    fault_hit(FAULT_TRIM_REMOVED);
    return LOG_OK;
}
