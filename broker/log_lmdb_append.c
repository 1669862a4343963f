/* The append in progress. */
#include "broker/log_lmdb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/fault.h"

#define MAP_BYTES_MAX ((uint64_t)1 << 42)

void lmdb_map_grow(struct log_lmdb *self)
{
    struct segment *segment = lmdb_active(self);
    MDB_envinfo info;
    log_lmdb_read_end(&self->base);
    lmdb_reader_drop(segment); /* a map is exchanged with nobody looking */
    if (mdb_env_info(segment->env, &info) == MDB_SUCCESS && info.me_mapsize < MAP_BYTES_MAX)
        (void)mdb_env_set_mapsize(segment->env, info.me_mapsize * 2);
    self->map_full = false;
}

int log_lmdb_begin(struct log *base)
{
    struct log_lmdb *self = lmdb_of(base);
    if (self->broken)
        return LOG_CORRUPT;
    if (self->map_full && !self->txn)
        lmdb_map_grow(self);
    int rc = self->txn ? MDB_SUCCESS : mdb_txn_begin(lmdb_active(self)->env, NULL, 0, &self->txn);
    if (rc) {
        self->txn = NULL;
        return lmdb_error_of(rc);
    }
    lmdb_state_begin(self);
    journal_begin(&self->journal);
    return LOG_OK;
}

static struct gather *gather_new(struct gathers *self)
{
    if (self->count == self->capacity) {
        uint32_t capacity = self->capacity ? self->capacity * 2 : 32;
        struct gather *grown = realloc(self->rows, capacity * sizeof *grown);
        if (!grown)
            return NULL;
        memset(grown + self->capacity, 0, (capacity - self->capacity) * sizeof *grown);
        self->rows = grown;
        self->capacity = capacity;
    }
    struct gather *row = &self->rows[self->count++];
    pack_reset(&row->value);
    row->key_size = 0;
    return row;
}

/* The newest row of this transaction whose key begins with `prefix`: the lists are short (lanes touched by one commit). */
static struct gather *gather_find(struct gathers *self, const uint8_t *prefix, uint32_t size)
{
    for (uint32_t i = self->count; i-- > 0;)
        if (memcmp(self->rows[i].key, prefix, size) == 0)
            return &self->rows[i];
    return NULL;
}

int lmdb_index_gather(struct gathers *rows, const struct batch_header *header)
{
    uint8_t prefix[4], entry[INDEX_ENTRY];
    put_u16(prefix, header->stream);
    put_u16(prefix + 2, header->partition);
    struct gather *row = gather_find(rows, prefix, sizeof prefix);
    if (!row) {
        row = gather_new(rows);
        if (!row)
            return LOG_FULL;
        memcpy(row->key, prefix, sizeof prefix);
        put_u64(row->key + 4, header->base);
        row->key_size = 12;
    }
    put_u64(entry, header->base);
    put_u32(entry + 8, header->count);
    pack_raw(&row->value, entry, sizeof entry);
    return row->value.failed ? LOG_FULL : LOG_OK;
}

static int seq_gather(struct log_lmdb *self, const struct batch_header *header)
{
    uint8_t prefix[LANE_KEY], entry[SEQ_ENTRY];
    lmdb_lane_key(prefix, header->producer, header->stream, header->partition);
    struct gather *row = gather_find(&self->seqs, prefix, sizeof prefix);
    if (!row || row->next_seq != header->first_seq) {
        row = gather_new(&self->seqs);
        if (!row)
            return LOG_FULL;
        memcpy(row->key, prefix, sizeof prefix);
        put_u64(row->key + LANE_KEY, header->first_seq);
        row->key_size = LANE_KEY + 8;
    }
    row->next_seq = header->first_seq + header->count;
    put_u64(entry, header->first_seq);
    put_u32(entry + 8, header->count);
    put_u32(entry + 12, header->crc);
    put_u64(entry + 16, header->base);
    pack_raw(&row->value, entry, sizeof entry);
    return row->value.failed ? LOG_FULL : LOG_OK;
}

/* Through a cursor that stays at the end if the batch goes there, else wherever the key belongs. */
int lmdb_batch_put(struct log_lmdb *self, int db, MDB_val key, const struct batch_header *header,
                   const void *body)
{
    MDB_val value = {PROTOCOL_HEADER_BYTES + header->size, NULL};
    MDB_dbi dbi = lmdb_active(self)->db[db];
    self->put = true;
    int rc = MDB_SUCCESS;
    if (db == DB_BATCHES && !self->tail)
        rc = mdb_cursor_open(self->txn, dbi, &self->tail);
    if (rc == MDB_SUCCESS)
        rc = db == DB_BATCHES ? mdb_cursor_put(self->tail, &key, &value, MDB_APPEND | MDB_RESERVE)
                              : mdb_put(self->txn, dbi, &key, &value, MDB_RESERVE);
    if (rc)
        return lmdb_write_error(self, rc);
    batch_header_write(header, value.mv_data);
    memcpy((uint8_t *)value.mv_data + PROTOCOL_HEADER_BYTES, body, header->size);
    return LOG_OK;
}

int log_lmdb_append(struct log *base, const struct batch_header *header, const void *body)
{
    struct log_lmdb *self = lmdb_of(base);
    if (header->base != self->txn_head) {
        errno = EINVAL;
        return LOG_IO;
    }
    uint8_t key_bytes[8];
    put_u64(key_bytes, header->base);
    int error =
        lmdb_batch_put(self, DB_BATCHES, (MDB_val){sizeof key_bytes, key_bytes}, header, body);
    if (!error)
        error = lmdb_index_gather(&self->index, header);
    if (!error)
        error = seq_gather(self, header);
    if (error)
        return error;
    if (!self->replaying)
        journal_append(&self->journal, header, body);
    self->txn_head += header->count;
    self->txn_last_time_us = header->time_us;
    if (self->txn_segment_start_us == INT64_MIN)
        self->txn_segment_start_us = header->time_us;
    return LOG_OK;
}

int log_lmdb_put_meta(struct log *base, enum log_meta kind, const void *key, size_t key_size,
                      const void *value, size_t value_size)
{
    struct log_lmdb *self = lmdb_of(base);
    uint8_t key_bytes[256];
    if (key_size >= sizeof key_bytes) {
        errno = EINVAL;
        return LOG_IO;
    }
    key_bytes[0] = (uint8_t)kind;
    memcpy(key_bytes + 1, key, key_size);
    MDB_val k = {key_size + 1, key_bytes}, v = {value_size, (void *)(uintptr_t)value};
    self->put = true;
    if (!self->replaying)
        journal_meta(&self->journal, kind, key, key_size, value, value_size);
    return lmdb_write_error(self, mdb_put(self->txn, lmdb_active(self)->db[DB_META], &k, &v, 0));
}

int log_lmdb_each_meta(struct log *base, enum log_meta kind, log_meta_visit *visit, void *context)
{
    struct log_lmdb *self = lmdb_of(base);
    struct segment *segment = lmdb_active(self);
    MDB_txn *txn;
    int error = lmdb_reader_of(self, segment, &txn);
    if (error)
        return error;
    MDB_cursor *cursor;
    error = lmdb_error_of(mdb_cursor_open(txn, segment->db[DB_META], &cursor));
    if (!error) {
        uint8_t first = (uint8_t)kind;
        MDB_val key = {1, &first}, value;
        int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
        while (rc == MDB_SUCCESS && *(const uint8_t *)key.mv_data == first) {
            struct span k = {(const uint8_t *)key.mv_data + 1, (uint32_t)key.mv_size - 1};
            struct span v = {value.mv_data, (uint32_t)value.mv_size};
            error = visit(&k, &v, context);
            if (error)
                break;
            rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
        }
        mdb_cursor_close(cursor);
    }
    log_lmdb_read_end(&self->base);
    return error;
}

static int rows_put(MDB_txn *txn, MDB_dbi db, const struct gathers *rows)
{
    int rc = MDB_SUCCESS;
    for (uint32_t i = 0; i < rows->count && !rc; i++) {
        MDB_val key = {rows->rows[i].key_size, rows->rows[i].key};
        MDB_val value = {rows->rows[i].value.size, rows->rows[i].value.data};
        rc = mdb_put(txn, db, &key, &value, 0);
    }
    return rc;
}

int lmdb_gathers_put(struct log_lmdb *self)
{
    const struct segment *segment = lmdb_active(self);
    int rc = lmdb_index_put(self->txn, segment->db[DB_INDEX], &self->index);
    if (!rc)
        rc = rows_put(self->txn, segment->db[DB_SEQS], &self->seqs);
    self->index.count = self->seqs.count = 0;
    return lmdb_write_error(self, rc);
}

/* Into the journal if it has room for it, which is soonest; else, with all that the journal holds, into the segment. */
static int append_keep(struct log_lmdb *self)
{
    if (journal_fits(&self->journal)) {
        int error = journal_commit(&self->journal);
        if (error == LOG_CORRUPT)
            self->broken = true; /* what the disk holds, only a new start tells */
        if (error != LOG_IO)
            return error;
    }
    return lmdb_segment_commit(self);
}

int log_lmdb_commit(struct log *base)
{
    struct log_lmdb *self = lmdb_of(base);
    if (!self->put) { /* nothing to make durable */
        log_lmdb_abort(&self->base);
        return LOG_OK;
    }
    int error = lmdb_gathers_put(self);
    if (!error && fault_hit(FAULT_DISK_FULL))
        error = LOG_FULL;
    if (error) {
        log_lmdb_abort(&self->base);
        return error;
    }
    fault_hit(FAULT_APPEND_BEFORE_COMMIT);
    error = append_keep(self);
    self->appending = false;
    if (error)
        return error;
    fault_hit(FAULT_APPEND_COMMITTED);
    lmdb_state_keep(self);
    return LOG_OK;
}

void log_lmdb_abort(struct log *base)
{
    struct log_lmdb *self = lmdb_of(base);
    bool put = self->appending && self->put, behind = log_lmdb_behind(base) > 0;
    self->appending = false;
    if (put || !behind)
        lmdb_txn_drop(self);
    if (put && behind && lmdb_redo(self) != LOG_OK)
        self->broken = true; /* all of it is in the journal: for the next start */
}

void lmdb_gathers_free(struct gathers *self)
{
    for (uint32_t i = 0; i < self->capacity; i++)
        pack_free(&self->rows[i].value);
    free(self->rows);
}
