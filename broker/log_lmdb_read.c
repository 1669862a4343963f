/* Reads: next of a lane, next of all, one batch. */
#include "broker/log_lmdb.h"

#include <inttypes.h>
#include <string.h>

#include "config/log.h"

/* Checks a stored value against its header and CRC. */
int lmdb_value_open(struct log_lmdb *self, const MDB_val *value, struct batch_header *header,
                    struct span *body)
{
    int error = log_value_open(value->mv_data, value->mv_size, header, body);
    self->bad_batches += error == LOG_CORRUPT;
    return error;
}

void lmdb_hole_write(uint8_t row[HOLE_ROW], uint64_t base, uint64_t count)
{
    uint8_t where[8];
    put_u64(where, base);
    memcpy(row, "HOLE", 4);
    put_u64(row + 4, count);
    put_u32(row + 12, pack_crc32c(pack_crc32c(0, where, sizeof where), row, 12));
}

uint64_t lmdb_hole_read(const MDB_val *value, uint64_t base)
{
    uint8_t row[HOLE_ROW];
    if (value->mv_size != HOLE_ROW)
        return 0;
    uint64_t count = get_u64((const uint8_t *)value->mv_data + 4);
    lmdb_hole_write(row, base, count);
    return memcmp(row, value->mv_data, HOLE_ROW) == 0 ? count : 0;
}

/* Records missing at `base`, if that is where a hole begins. */
static uint64_t hole_at(MDB_txn *txn, const struct segment *segment, uint64_t base)
{
    uint8_t key_bytes[8];
    put_u64(key_bytes, base);
    MDB_val key = {sizeof key_bytes, key_bytes}, value;
    return mdb_get(txn, segment->db[DB_BATCHES], &key, &value) == MDB_SUCCESS
               ? lmdb_hole_read(&value, base)
               : 0;
}

/* Of the append in progress, which a transaction with what the journal holds shows. */
static bool hidden(const struct log_lmdb *self, uint64_t position)
{
    return self->appending && position >= self->head;
}

/* First entry of an index row that ends after `position`; -1 if none. */
static int64_t index_search(const MDB_val *value, uint64_t position)
{
    size_t low = 0, high = value->mv_size / INDEX_ENTRY;
    const uint8_t *rows = value->mv_data;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const uint8_t *entry = rows + middle * INDEX_ENTRY;
        if (get_u64(entry) + get_u32(entry + 8) > position)
            high = middle;
        else
            low = middle + 1;
    }
    return low < value->mv_size / INDEX_ENTRY ? (int64_t)low : -1;
}

static int index_next(MDB_cursor *cursor, uint16_t stream, uint16_t partition, uint64_t position,
                      MDB_val *row, size_t *at)
{
    uint8_t key_bytes[12];
    put_u16(key_bytes, stream);
    put_u16(key_bytes + 2, partition);
    put_u64(key_bytes + 4, position);
    MDB_val key = {sizeof key_bytes, key_bytes};
    int rc = mdb_cursor_get(cursor, &key, row, MDB_SET_RANGE);
    bool here = rc == MDB_SUCCESS && memcmp(key.mv_data, key_bytes, 4) == 0;
    /* The row before may reach to or past `position`. */
    MDB_val before_key, before;
    int rc_before = rc == MDB_SUCCESS ? mdb_cursor_get(cursor, &before_key, &before, MDB_PREV)
                                      : mdb_cursor_get(cursor, &before_key, &before, MDB_LAST);
    if (rc_before == MDB_SUCCESS && memcmp(before_key.mv_data, key_bytes, 4) == 0) {
        int64_t found = index_search(&before, position);
        if (found >= 0) {
            *row = before;
            *at = (size_t)found;
            return LOG_OK;
        }
    }
    if (!here)
        return LOG_NONE;
    key = (MDB_val){sizeof key_bytes, key_bytes};
    rc = mdb_cursor_get(cursor, &key, row, MDB_SET_RANGE); /* back to it */
    *at = 0;
    return lmdb_error_of(rc);
}

static struct spot *spot_of(struct log_lmdb *self, uint16_t stream, uint16_t partition)
{
    return &self->spots[(stream * 37u + partition) % SPOTS];
}

static uint64_t spot_set(struct spot *spot, const MDB_val *row, size_t at)
{
    const uint8_t *entry = (const uint8_t *)row->mv_data + at * INDEX_ENTRY;
    uint64_t base = get_u64(entry);
    spot->row = *row;
    spot->at = at;
    spot->end = base + get_u32(entry + 8);
    return base;
}

int log_lmdb_next(struct log *base, uint16_t stream, uint16_t partition, uint64_t position,
                  uint64_t *found)
{
    struct log_lmdb *self = lmdb_of(base);
    struct spot *spot = spot_of(self, stream, partition);
    if (spot->burst == self->burst && spot->stream == stream && spot->partition == partition &&
        spot->end == position && (spot->at + 2) * INDEX_ENTRY <= spot->row.mv_size) {
        *found = spot_set(spot, &spot->row, spot->at + 1);
        return LOG_OK;
    }
    for (uint32_t i = lmdb_segment_of(self, position); i < self->count; i++) {
        struct segment *segment = &self->segments[i];
        MDB_txn *txn;
        int error = lmdb_reader_of(self, segment, &txn);
        if (error)
            return error;
        MDB_cursor *cursor;
        error = lmdb_error_of(mdb_cursor_open(txn, segment->db[DB_INDEX], &cursor));
        if (error)
            return error;
        MDB_val row;
        size_t at;
        error = index_next(cursor, stream, partition, position, &row, &at);
        if (error == LOG_OK) {
            *found = spot_set(spot, &row, at);
            spot->burst = self->burst;
            spot->stream = stream;
            spot->partition = partition;
        }
        mdb_cursor_close(cursor);
        if (error == LOG_OK && hidden(self, *found))
            return LOG_NONE;
        if (error != LOG_NONE)
            return error;
    }
    return LOG_NONE;
}

uint64_t log_lmdb_count_from(struct log *base, uint16_t stream, uint16_t partition,
                             uint64_t position)
{
    struct log_lmdb *self = lmdb_of(base);
    uint64_t sum = 0;
    for (uint32_t i = lmdb_segment_of(self, position); i < self->count; i++) {
        struct segment *segment = &self->segments[i];
        MDB_txn *txn;
        MDB_cursor *cursor;
        if (lmdb_reader_of(self, segment, &txn) ||
            mdb_cursor_open(txn, segment->db[DB_INDEX], &cursor))
            return sum;
        MDB_val row, key;
        size_t at;
        if (index_next(cursor, stream, partition, position, &row, &at) == LOG_OK) {
            uint8_t lane[4];
            put_u16(lane, stream);
            put_u16(lane + 2, partition);
            int rc;
            const uint8_t *first = (const uint8_t *)row.mv_data + at * INDEX_ENTRY;
            if (get_u64(first) < position) /* the end of a batch */
                sum -= position - get_u64(first);
            do {
                for (; at * INDEX_ENTRY < row.mv_size; at++)
                    sum += get_u32((const uint8_t *)row.mv_data + at * INDEX_ENTRY + 8);
                at = 0;
                rc = mdb_cursor_get(cursor, &key, &row, MDB_NEXT);
            } while (rc == MDB_SUCCESS && memcmp(key.mv_data, lane, 4) == 0);
        }
        mdb_cursor_close(cursor);
    }
    return sum;
}

/* Positions are dense: a batch reaches to the next one, whatever its header says. */
static int batch_around(MDB_txn *txn, const struct segment *segment, uint64_t position,
                        uint64_t *base, uint64_t *next)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, segment->db[DB_BATCHES], &cursor);
    if (rc)
        return lmdb_error_of(rc);
    uint8_t key_bytes[8];
    put_u64(key_bytes, position);
    MDB_val key = {sizeof key_bytes, key_bytes};
    *base = *next = 0;
    rc = mdb_cursor_get(cursor, &key, NULL, MDB_SET_RANGE);
    if (rc == MDB_SUCCESS && get_u64(key.mv_data) == position) {
        *base = position;
        if (mdb_cursor_get(cursor, &key, NULL, MDB_NEXT) == MDB_SUCCESS)
            *next = get_u64(key.mv_data);
    } else if (rc == MDB_SUCCESS || rc == MDB_NOTFOUND) {
        if (rc == MDB_SUCCESS)
            *next = get_u64(key.mv_data);
        rc = mdb_cursor_get(cursor, &key, NULL, rc == MDB_SUCCESS ? MDB_PREV : MDB_LAST);
        if (rc == MDB_SUCCESS)
            *base = get_u64(key.mv_data);
        if (rc == MDB_NOTFOUND)
            rc = MDB_SUCCESS;
    }
    mdb_cursor_close(cursor);
    return lmdb_error_of(rc);
}

int log_lmdb_next_any(struct log *base, uint64_t position, uint64_t *found)
{
    struct log_lmdb *self = lmdb_of(base);
    if (hidden(self, position))
        return LOG_NONE;
    for (uint32_t i = lmdb_segment_of(self, position); i < self->count; i++) {
        MDB_txn *txn;
        uint64_t around = 0, next = 0,
                 end = i + 1 < self->count ? self->segments[i + 1].first : self->head;
        int error = lmdb_reader_of(self, &self->segments[i], &txn);
        if (!error)
            error = batch_around(txn, &self->segments[i], position, &around, &next);
        if (error)
            return error;
        if (around && position < (next ? next : end)) {
            uint64_t hole = hole_at(txn, &self->segments[i], around);
            if (hole) {
                position = around + hole;
                if (position < end)
                    i--; /* in this one still */
                continue;
            }
            *found = around;
            return LOG_OK;
        }
        if (next && hidden(self, next))
            return LOG_NONE;
        if (next) { /* the first one of a segment */
            position = next;
            i--;
        }
    }
    return LOG_NONE;
}

/* Nothing begins there: it lies in a batch, in a hole, or behind everything. */
static int removed(const struct log_lmdb *self, const struct segment *segment, MDB_txn *txn,
                   uint64_t position, struct batch_header *header)
{
    uint64_t around = 0, next = 0;
    if (batch_around(txn, segment, position, &around, &next) != LOG_OK || !around)
        return LOG_NONE;
    uint64_t hole = hole_at(txn, segment, around);
    if (!hole || position >= around + hole || position >= self->head)
        return LOG_NONE;
    header->base = around;
    header->count = (uint32_t)hole;
    return LOG_REMOVED;
}

int log_lmdb_batch(struct log *base, uint64_t position, struct batch_header *header,
                   struct span *body)
{
    struct log_lmdb *self = lmdb_of(base);
    struct segment *segment = &self->segments[lmdb_segment_of(self, position)];
    MDB_txn *txn;
    int error = lmdb_reader_of(self, segment, &txn);
    *header = (struct batch_header){0};
    if (error || hidden(self, position))
        return error ? error : LOG_NONE;
    uint8_t key_bytes[8];
    put_u64(key_bytes, position);
    MDB_val key = {sizeof key_bytes, key_bytes}, value;
    int rc = txn == self->txn ? mdb_get(txn, segment->db[DB_BATCHES], &key, &value)
                              : mdb_cursor_get(segment->at, &key, &value, MDB_SET_KEY);
    if (rc == MDB_NOTFOUND && position < self->segments[0].first)
        return LOG_TRIMMED;
    if (rc == MDB_NOTFOUND || lmdb_hole_read(&value, position) > 0)
        return removed(self, segment, txn, position, header);
    if (rc)
        return lmdb_error_of(rc);
    error = lmdb_value_open(self, &value, header, body);
    if (error == LOG_CORRUPT &&
        header->count == 0) { /* not readable: what it covers, its neighbours tell */
        uint32_t i = lmdb_segment_of(self, position);
        uint64_t around = 0, next = 0,
                 end = i + 1 < self->count ? self->segments[i + 1].first : self->head;
        if (batch_around(txn, segment, position, &around, &next) == LOG_OK)
            header->count = (uint32_t)((next ? next : end) - position);
    }
    if (!error && header->base != position)
        error = LOG_CORRUPT;
    header->base = position;
    if (error)
        log_error("batch-corrupt", "segment=%s base=%" PRIu64 " action=set-aside", segment->name,
                  position);
    return error;
}

void log_lmdb_read_end(struct log *base)
{
    struct log_lmdb *self = lmdb_of(base);
    self->burst++; /* the spots were of the last one */
    for (uint32_t i = 0; i < self->count; i++)
        if (self->segments[i].reader_live) {
            mdb_txn_reset(self->segments[i].reader);
            self->segments[i].reader_live = false;
        }
}
