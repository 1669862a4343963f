/* The index of a segment: where the batches of a lane are. It tells of itself whether it is whole, for nothing else would: a row has a
 * CRC and names the row before it in its lane, and a sealed segment has a directory with the last row of each lane. So a row that is not
 * found is missed, wherever in LMDB's tree the damage is. */
#include <errno.h>
#include <string.h>

#include "broker/log_lmdb.h"

#define INDEX_KEY 12 /* stream u16, partition u16, first base u64; the directory's is all 0 */
#define INDEX_TAIL                                                                                 \
    13 /* first base of the row before u64 (0: none), 'R' or 'D', CRC-32C u32 of key and all before it */
#define LANE 4

struct index_row {
    const uint8_t *entries;
    size_t count;
    uint64_t first, prev;
};

static void tail_write(uint8_t tail[INDEX_TAIL], char kind, uint64_t prev, const uint8_t *key,
                       const void *entries, size_t size)
{
    uint32_t crc = pack_crc32c(0, key, INDEX_KEY);
    put_u64(tail, prev);
    tail[8] = (uint8_t)kind;
    crc = pack_crc32c(crc, entries, size);
    put_u32(tail + 9, pack_crc32c(crc, tail, 9));
}

static int tail_read(const MDB_val *key, const MDB_val *value, char kind, size_t *size,
                     uint64_t *prev)
{
    uint8_t tail[INDEX_TAIL];
    if (key->mv_size != INDEX_KEY || value->mv_size < INDEX_TAIL)
        return LOG_CORRUPT;
    *size = value->mv_size - INDEX_TAIL;
    const uint8_t *stored = (const uint8_t *)value->mv_data + *size;
    *prev = get_u64(stored);
    tail_write(tail, kind, *prev, key->mv_data, value->mv_data, *size);
    return memcmp(tail, stored, INDEX_TAIL) == 0 ? LOG_OK : LOG_CORRUPT;
}

static int row_open(const MDB_val *key, const MDB_val *value, struct index_row *out)
{
    size_t size;
    *out = (struct index_row){.entries = value->mv_data};
    if (tail_read(key, value, 'R', &size, &out->prev) || size % INDEX_ENTRY != 0 || size == 0)
        return LOG_CORRUPT;
    out->count = size / INDEX_ENTRY;
    out->first = get_u64((const uint8_t *)key->mv_data + LANE);
    return get_u64(out->entries) == out->first ? LOG_OK : LOG_CORRUPT;
}

static bool lane_same(const MDB_val *key, const uint8_t *lane)
{
    return key->mv_size == INDEX_KEY && memcmp(key->mv_data, lane, LANE) == 0;
}

static void index_key(uint8_t key[INDEX_KEY], uint16_t stream, uint16_t partition, uint64_t base)
{
    put_u16(key, stream);
    put_u16(key + 2, partition);
    put_u64(key + LANE, base);
}

/* ---- writing ---- */

/* First base of the lane's last row so far; 0: it has none. */
static int last_of(MDB_cursor *cursor, const uint8_t lane[LANE], uint64_t *first)
{
    uint8_t key_bytes[INDEX_KEY];
    memcpy(key_bytes, lane, LANE);
    put_u64(key_bytes + LANE, UINT64_MAX);
    MDB_val key = {INDEX_KEY, key_bytes}, value;
    int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    rc = mdb_cursor_get(cursor, &key, &value, rc == MDB_SUCCESS ? MDB_PREV : MDB_LAST);
    *first = rc == MDB_SUCCESS && lane_same(&key, lane)
                 ? get_u64((const uint8_t *)key.mv_data + LANE)
                 : 0;
    return rc == MDB_NOTFOUND ? MDB_SUCCESS : rc;
}

int lmdb_index_put(MDB_txn *txn, MDB_dbi db, struct gathers *rows)
{
    MDB_cursor *cursor;
    int rc = rows->count ? mdb_cursor_open(txn, db, &cursor) : MDB_SUCCESS;
    if (rc || !rows->count)
        return rc;
    for (uint32_t i = 0; i < rows->count && !rc; i++) {
        struct gather *row = &rows->rows[i];
        uint8_t tail[INDEX_TAIL];
        uint64_t prev;
        rc = last_of(cursor, row->key, &prev);
        if (rc)
            break;
        tail_write(tail, 'R', prev, row->key, row->value.data, row->value.size);
        pack_raw(&row->value, tail, sizeof tail);
        MDB_val key = {INDEX_KEY, row->key}, value = {row->value.size, row->value.data};
        rc = row->value.failed ? ENOMEM : mdb_cursor_put(cursor, &key, &value, 0);
    }
    mdb_cursor_close(cursor);
    return rc;
}

static int directory_gather(MDB_cursor *cursor, struct pack *out)
{
    uint8_t key_bytes[INDEX_KEY] = {0};
    int rc;
    for (;;) { /* from lane to lane */
        uint64_t last;
        uint8_t lane[LANE], entry[INDEX_ENTRY];
        put_u64(key_bytes + LANE, UINT64_MAX);
        MDB_val key = {INDEX_KEY, key_bytes}, value;
        rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
        if (rc || key.mv_size != INDEX_KEY)
            return rc == MDB_NOTFOUND ? MDB_SUCCESS : rc ? rc : MDB_CORRUPTED;
        memcpy(lane, key.mv_data, LANE);
        rc = last_of(cursor, lane, &last);
        if (rc)
            return rc;
        memcpy(entry, lane, LANE);
        put_u64(entry + LANE, last);
        pack_raw(out, entry, sizeof entry);
        memcpy(key_bytes, lane, LANE);
    }
}

int lmdb_directory_put(MDB_txn *txn, MDB_dbi db)
{
    static const uint8_t key_bytes[INDEX_KEY];
    struct pack directory = {0};
    uint8_t tail[INDEX_TAIL];
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, db, &cursor);
    if (rc)
        return rc;
    rc = directory_gather(cursor, &directory);
    tail_write(tail, 'D', 0, key_bytes, directory.data, directory.size);
    pack_raw(&directory, tail, sizeof tail);
    MDB_val key = {INDEX_KEY, (void *)(uintptr_t)key_bytes};
    MDB_val value = {directory.size, directory.data};
    if (!rc)
        rc = directory.failed ? ENOMEM : mdb_cursor_put(cursor, &key, &value, 0);
    mdb_cursor_close(cursor);
    pack_free(&directory);
    return rc;
}

/* ---- reading ---- */

/* First entry that ends after `position`; -1 if none. */
static int64_t entry_search(const struct index_row *row, uint64_t position)
{
    size_t low = 0, high = row->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const uint8_t *entry = row->entries + middle * INDEX_ENTRY;
        if (get_u64(entry) + get_u32(entry + 8) > position)
            high = middle;
        else
            low = middle + 1;
    }
    return low < row->count ? (int64_t)low : -1;
}

/* That `before` (NULL: none) is the last row of its lane, as the directory of a sealed segment has it. */
static int end_check(MDB_cursor *cursor, const uint8_t lane[LANE], const struct index_row *before)
{
    static const uint8_t key_bytes[INDEX_KEY];
    MDB_val key = {INDEX_KEY, (void *)(uintptr_t)key_bytes}, value;
    size_t size = 0;
    uint64_t last = 0, none;
    int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET);
    int error = rc == MDB_NOTFOUND ? LOG_CORRUPT
                : rc               ? lmdb_error_of(rc)
                                   : tail_read(&key, &value, 'D', &size, &none);
    if (error)
        return error;
    for (size_t at = 0; at + INDEX_ENTRY <= size; at += INDEX_ENTRY)
        if (memcmp((const uint8_t *)value.mv_data + at, lane, LANE) == 0)
            last = get_u64((const uint8_t *)value.mv_data + at + LANE);
    return last == (before ? before->first : 0) ? LOG_NONE : LOG_CORRUPT;
}

int lmdb_index_next(MDB_cursor *cursor, bool sealed, uint16_t stream, uint16_t partition,
                    uint64_t position, MDB_val *entries, size_t *at)
{
    uint8_t key_bytes[INDEX_KEY];
    struct index_row row, before;
    *at = 0;
    *entries = (MDB_val){0};
    index_key(key_bytes, stream, partition, position);
    MDB_val key = {INDEX_KEY, key_bytes}, value, before_key, before_value;
    int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND)
        return lmdb_error_of(rc);
    bool here = rc == MDB_SUCCESS && lane_same(&key, key_bytes);
    int error = here ? row_open(&key, &value, &row) : LOG_OK;
    if (error || (here && row.first < position)) /* LMDB lost its way */
        return LOG_CORRUPT;
    if (here)
        *entries = (MDB_val){row.count * INDEX_ENTRY, value.mv_data};
    if (here && row.first == position)
        return LOG_OK;
    /* The row before may reach to or past `position`. */
    rc =
        mdb_cursor_get(cursor, &before_key, &before_value, rc == MDB_SUCCESS ? MDB_PREV : MDB_LAST);
    if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND)
        return lmdb_error_of(rc);
    bool behind = rc == MDB_SUCCESS && lane_same(&before_key, key_bytes);
    error = behind ? row_open(&before_key, &before_value, &before) : LOG_OK;
    if (error || (behind && before.first >= position))
        return LOG_CORRUPT;
    int64_t found = behind ? entry_search(&before, position) : -1;
    if (found >= 0) {
        *entries = (MDB_val){before.count * INDEX_ENTRY, before_value.mv_data};
        *at = (size_t)found;
        return LOG_OK;
    }
    if (here)
        return row.prev != (behind ? before.first : 0) ? LOG_CORRUPT : LOG_OK;
    return sealed ? end_check(cursor, key_bytes, behind ? &before : NULL) : LOG_NONE;
}

int lmdb_index_count(MDB_cursor *cursor, bool sealed, uint16_t stream, uint16_t partition,
                     uint64_t position, uint64_t *sum)
{
    uint8_t lane[INDEX_KEY];
    struct index_row row = {0}, next;
    MDB_val entries, key, value;
    size_t at;
    int error = lmdb_index_next(cursor, sealed, stream, partition, position, &entries, &at);
    if (error)
        return error == LOG_NONE ? LOG_OK : error;
    index_key(lane, stream, partition, 0);
    const uint8_t *first = (const uint8_t *)entries.mv_data + at * INDEX_ENTRY;
    if (get_u64(first) < position) /* the end of a batch */
        *sum -= position - get_u64(first);
    for (; at * INDEX_ENTRY < entries.mv_size; at++)
        *sum += get_u32((const uint8_t *)entries.mv_data + at * INDEX_ENTRY + 8);
    uint8_t row_key[INDEX_KEY]; /* the look before may have left the cursor at the row in front */
    index_key(row_key, stream, partition, get_u64(entries.mv_data));
    key = (MDB_val){INDEX_KEY, row_key};
    int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_KEY);
    error = rc ? LOG_CORRUPT : row_open(&key, &value, &row);
    if (error)
        return error;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    for (; rc == MDB_SUCCESS && lane_same(&key, lane);
         rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        error = row_open(&key, &value, &next);
        if (error || next.prev != row.first)
            return LOG_CORRUPT;
        for (size_t i = 0; i < next.count; i++)
            *sum += get_u32(next.entries + i * INDEX_ENTRY + 8);
        row = next;
    }
    if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND)
        return lmdb_error_of(rc);
    error = sealed ? end_check(cursor, lane, &row) : LOG_NONE;
    return error == LOG_NONE ? LOG_OK : error;
}

uint32_t lmdb_index_extent(MDB_cursor *cursor, uint64_t position)
{
    uint8_t key_bytes[INDEX_KEY] = {0};
    for (;;) {
        MDB_val key = {INDEX_KEY, key_bytes}, value, entries;
        size_t at;
        put_u64(key_bytes + LANE, UINT64_MAX);
        if (mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE) != MDB_SUCCESS ||
            key.mv_size != INDEX_KEY || memcmp(key.mv_data, key_bytes, LANE) <= 0)
            return 0;
        memcpy(key_bytes, key.mv_data, LANE);
        if (lmdb_index_next(cursor, false, get_u16(key_bytes), get_u16(key_bytes + 2), position,
                            &entries, &at) != LOG_OK)
            continue;
        const uint8_t *entry = (const uint8_t *)entries.mv_data + at * INDEX_ENTRY;
        uint64_t base = get_u64(entry), end = base + get_u32(entry + 8);
        if (base <= position && position < end)
            return (uint32_t)(end - position);
    }
}

uint64_t lmdb_index_records(const MDB_val *key, const MDB_val *value)
{
    static const uint8_t directory[INDEX_KEY];
    struct index_row row;
    uint64_t records = 0;
    if (key->mv_size == INDEX_KEY && memcmp(key->mv_data, directory, INDEX_KEY) == 0)
        return 0;
    if (row_open(key, value, &row) != LOG_OK)
        return UINT64_MAX;
    for (size_t i = 0; i < row.count; i++)
        records += get_u32(row.entries + i * INDEX_ENTRY + 8);
    return records;
}
