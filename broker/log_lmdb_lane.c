/* What a producer has in a lane. */
#include "broker/log_lmdb.h"

#include <string.h>

#include "broker/log_guard.h"
#include "config/log.h"

static bool seqs_search(const MDB_val *value, uint64_t seq, struct log_seq *out)
{
    for (size_t at = 0; at + SEQ_ENTRY <= value->mv_size; at += SEQ_ENTRY) {
        const uint8_t *entry = (const uint8_t *)value->mv_data + at;
        uint64_t first = get_u64(entry);
        uint32_t count = get_u32(entry + 8);
        if (seq >= first && seq < first + count) {
            *out = (struct log_seq){.first_seq = first,
                                    .count = count,
                                    .crc = get_u32(entry + 12),
                                    .base = get_u64(entry + 16)};
            return true;
        }
    }
    return false;
}

/* The row of the lane at or before `seq`, in `db` of one segment. */
static int lane_row(MDB_txn *txn, MDB_dbi db, const uint8_t lane[LANE_KEY], uint64_t seq,
                    MDB_val *key, MDB_val *value)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, db, &cursor);
    if (rc)
        return lmdb_error_of(rc);
    uint8_t key_bytes[LANE_KEY + 8];
    memcpy(key_bytes, lane, LANE_KEY);
    put_u64(key_bytes + LANE_KEY, seq);
    *key = (MDB_val){sizeof key_bytes, key_bytes};
    rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
    if (rc != MDB_SUCCESS || memcmp(key->mv_data, key_bytes, sizeof key_bytes) != 0)
        rc = mdb_cursor_get(cursor, key, value, rc == MDB_SUCCESS ? MDB_PREV : MDB_LAST);
    bool ours = rc == MDB_SUCCESS && memcmp(key->mv_data, lane, LANE_KEY) == 0;
    mdb_cursor_close(cursor);
    return rc == MDB_SUCCESS && !ours ? LOG_NONE : lmdb_error_of(rc);
}

void lmdb_lane_key(uint8_t *key, uint32_t producer, uint16_t stream, uint16_t partition)
{
    put_u32(key, producer);
    put_u16(key + 4, stream);
    put_u16(key + 6, partition);
}

static bool gathered_find(const struct gathers *self, const uint8_t lane[LANE_KEY], uint64_t seq,
                          struct log_seq *out)
{
    for (uint32_t i = 0; i < self->count; i++) {
        const struct gather *row = &self->rows[i];
        MDB_val value = {row->value.size, row->value.data};
        if (memcmp(row->key, lane, LANE_KEY) == 0 && seq >= get_u64(row->key + LANE_KEY) &&
            seq < row->next_seq && seqs_search(&value, seq, out))
            return true;
    }
    return false;
}

struct finding {
    struct log_lmdb *self;
    struct segment *segment;
    const uint8_t *lane;
    uint64_t seq;
    struct log_seq *out;
};

static int seq_find(void *context)
{
    const struct finding *finding = context;
    MDB_val key = {0}, value = {0};
    MDB_txn *txn;
    int error = lmdb_reader_of(finding->self, finding->segment, &txn);
    if (!error)
        error =
            lane_row(txn, finding->segment->db[DB_SEQS], finding->lane, finding->seq, &key, &value);
    return !error && !seqs_search(&value, finding->seq, finding->out) ? LOG_NONE : error;
}

/* What is damaged cannot be compared any more, like what was trimmed. */
static void seqs_damaged(struct log_lmdb *self, struct segment *segment)
{
    if (segment->seqs_damaged)
        return;
    segment->seqs_damaged = true;
    self->bad_batches++;
    log_error("segment-damaged", "segment=%s part=seqs action=\"repeats of it are not compared\"",
              segment->name);
}

int log_lmdb_lane_find(struct log *base, uint32_t producer, uint16_t stream, uint16_t partition,
                       uint64_t seq, struct log_seq *out)
{
    struct log_lmdb *self = lmdb_of(base);
    uint8_t lane[LANE_KEY];
    lmdb_lane_key(lane, producer, stream, partition);
    MDB_val key = {0}, value = {0};
    if (self->appending && gathered_find(&self->seqs, lane, seq, out))
        return LOG_OK;
    for (uint32_t i = self->count; i-- > 0;) {
        struct finding finding = {self, &self->segments[i], lane, seq, out};
        int error = finding.segment->seqs_damaged ? LOG_NONE : log_guard(seq_find, &finding);
        if (error == LOG_CORRUPT)
            seqs_damaged(self, finding.segment);
        else if (error != LOG_NONE)
            return error;
    }
    MDB_txn *txn = self->txn; /* what is for later is put at once */
    int error = txn ? LOG_OK : lmdb_reader_of(self, lmdb_active(self), &txn);
    key = (MDB_val){0};
    value = (MDB_val){0};
    if (!error)
        error = lane_row(txn, lmdb_active(self)->db[DB_LATERSEQ], lane, seq, &key, &value);
    if (error)
        return error;
    const uint8_t *entry = value.mv_data;
    uint64_t first = get_u64((const uint8_t *)key.mv_data + LANE_KEY);
    uint32_t count = get_u32(entry);
    if (seq < first || seq >= first + count)
        return LOG_NONE;
    *out = (struct log_seq){.first_seq = first,
                            .count = count,
                            .crc = get_u32(entry + 4),
                            .base = 0,
                            .later_due_us = (int64_t)get_u64(entry + 8),
                            .later_id = get_u64(entry + 16)};
    return LOG_OK;
}
