/* Batches for later: durable, without a position yet. */
#include "broker/log_lmdb.h"

#include <stdlib.h>
#include <string.h>

void lmdb_later_key(uint8_t key[16], int64_t due_us, uint64_t id)
{
    put_u64(key, (uint64_t)due_us);
    put_u64(key + 8, id);
}

int log_lmdb_later_put(struct log *base, const struct batch_header *header, const void *body)
{
    struct log_lmdb *self = lmdb_of(base);
    uint8_t key_bytes[16], lane[LANE_KEY + 8], entry[24];
    lmdb_later_key(key_bytes, header->due_us, self->txn_later_id);
    int error =
        lmdb_batch_put(self, DB_LATER, (MDB_val){sizeof key_bytes, key_bytes}, header, body);
    if (error)
        return error;
    lmdb_lane_key(lane, header->producer, header->stream, header->partition);
    put_u64(lane + LANE_KEY, header->first_seq);
    put_u32(entry, header->count);
    put_u32(entry + 4, header->crc);
    memcpy(entry + 8, key_bytes, sizeof key_bytes);
    MDB_val key = {sizeof lane, lane}, value = {sizeof entry, entry};
    error = lmdb_write_error(
        self, mdb_put(self->txn, lmdb_active(self)->db[DB_LATERSEQ], &key, &value, 0));
    if (error)
        return error;
    if (!self->replaying)
        journal_later_put(&self->journal, header, body);
    self->txn_later_id++;
    self->txn_later_count++;
    return LOG_OK;
}

static int later_first(MDB_txn *txn, struct segment *segment, int64_t *due_us, uint64_t *id)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, segment->db[DB_LATER], &cursor);
    if (rc)
        return lmdb_error_of(rc);
    MDB_val key, value;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    if (rc == MDB_SUCCESS) {
        *due_us = (int64_t)get_u64(key.mv_data);
        *id = get_u64((const uint8_t *)key.mv_data + 8);
        if (*due_us == LATER_ASIDE)
            rc = MDB_NOTFOUND;
    }
    mdb_cursor_close(cursor);
    return lmdb_error_of(rc);
}

/* A bad one is counted. */
static int value_open(struct log_lmdb *self, const MDB_val *value, struct batch_header *header,
                      struct span *body)
{
    int error = log_value_open(value->mv_data, value->mv_size, header, body);
    self->bad_batches += error == LOG_CORRUPT;
    return error;
}

int log_lmdb_later_next(struct log *base, int64_t *due_us, uint64_t *id)
{
    struct log_lmdb *self = lmdb_of(base);
    if ((self->appending ? self->txn_later_count : self->later_count) == 0)
        return LOG_NONE;
    if (self->txn)
        return later_first(self->txn, lmdb_active(self), due_us, id);
    MDB_txn *reader;
    int error = lmdb_reader_of(self, lmdb_active(self), &reader);
    if (error)
        return error;
    error = later_first(reader, lmdb_active(self), due_us, id);
    log_lmdb_read_end(&self->base);
    return error;
}

/* Kept as it is, where nothing falls due: those behind it must not wait for it. */
static int later_aside(struct log_lmdb *self, const MDB_val *key, const MDB_val *value)
{
    struct segment *segment = lmdb_active(self);
    uint8_t aside[16];
    void *copy = malloc(value->mv_size + 1); /* the value's page may move under the put */
    if (!copy)
        return LOG_FULL;
    memcpy(copy, value->mv_data, value->mv_size);
    lmdb_later_key(aside, LATER_ASIDE, get_u64((const uint8_t *)key->mv_data + 8));
    MDB_val to = {sizeof aside, aside}, kept = {value->mv_size, copy}, from = *key;
    self->put = true;
    int rc = mdb_put(self->txn, segment->db[DB_LATER], &to, &kept, 0);
    if (!rc)
        rc = mdb_del(self->txn, segment->db[DB_LATER], &from, NULL);
    free(copy);
    return lmdb_write_error(self, rc);
}

int log_lmdb_later_take(struct log *base, int64_t due_us, uint64_t id, struct batch_header *header,
                        struct span *body)
{
    struct log_lmdb *self = lmdb_of(base);
    struct segment *segment = lmdb_active(self);
    uint8_t key_bytes[16], lane[LANE_KEY + 8];
    lmdb_later_key(key_bytes, due_us, id);
    MDB_val key = {sizeof key_bytes, key_bytes}, value;
    int rc = mdb_get(self->txn, segment->db[DB_LATER], &key, &value);
    if (rc)
        return lmdb_error_of(rc);
    if (!self->replaying)
        journal_later_take(&self->journal, due_us, id);
    if (value_open(self, &value, header, body) != LOG_OK) {
        int error = later_aside(self, &key, &value);
        return error ? error : LOG_CORRUPT;
    }
    if (self->later_body_size < header->size) {
        uint8_t *grown = realloc(self->later_body, header->size);
        if (!grown)
            return LOG_FULL;
        self->later_body = grown;
        self->later_body_size = header->size;
    }
    if (header->size)
        memcpy(self->later_body, body->data, header->size);
    *body = (struct span){self->later_body, header->size};
    lmdb_lane_key(lane, header->producer, header->stream, header->partition);
    put_u64(lane + LANE_KEY, header->first_seq);
    MDB_val lane_val = {sizeof lane, lane};
    self->put = true;
    rc = mdb_del(self->txn, segment->db[DB_LATER], &key, NULL);
    if (!rc)
        rc = mdb_del(self->txn, segment->db[DB_LATERSEQ], &lane_val, NULL);
    if (!rc)
        self->txn_later_count--;
    return lmdb_write_error(self, rc);
}

int log_lmdb_later_read(struct log *base, int64_t due_us, uint64_t id, struct batch_header *header,
                        struct span *body)
{
    struct log_lmdb *self = lmdb_of(base);
    MDB_txn *txn;
    int error = lmdb_reader_of(self, lmdb_active(self), &txn);
    if (error)
        return error;
    uint8_t key_bytes[16];
    lmdb_later_key(key_bytes, due_us, id);
    MDB_val key = {sizeof key_bytes, key_bytes}, value;
    int rc = mdb_get(txn, lmdb_active(self)->db[DB_LATER], &key, &value);
    if (rc == MDB_NOTFOUND) {
        lmdb_later_key(key_bytes, LATER_ASIDE, id);
        key = (MDB_val){sizeof key_bytes, key_bytes};
        rc = mdb_get(txn, lmdb_active(self)->db[DB_LATER], &key, &value);
    }
    if (rc)
        return lmdb_error_of(rc);
    return value_open(self, &value, header, body);
}
