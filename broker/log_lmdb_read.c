/* Reads: next of a lane, next of all, one batch. */
#include "broker/log_lmdb.h"

#include <inttypes.h>
#include <string.h>

#include "broker/log_guard.h"
#include "config/log.h"

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

/* Of the append in progress, which a transaction with what the journal holds shows. */
static bool hidden(const struct log_lmdb *self, uint64_t position)
{
    return self->appending && position >= self->head;
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

/* ---- damage: named once for each segment and part of it ---- */

static void index_damaged(struct log_lmdb *self, struct segment *segment)
{
    if (segment->index_damaged)
        return;
    segment->index_damaged = true;
    self->bad_batches++;
    log_error("segment-damaged",
              "segment=%s part=index action=\"its batches are looked through instead\"",
              segment->name);
}

/* `read` in a segment, with LMDB's or the machine's word for a damaged page as LOG_CORRUPT. */
struct reading {
    struct log_lmdb *self;
    uint32_t index;
    MDB_txn *txn;
    bool sealed;
    uint16_t stream, partition;
    uint64_t position;
    /* found: */
    uint64_t base, after, count;
    MDB_val row;
    size_t at;
    struct batch_header *header;
    struct span *body;
};

static int segment_read(log_guarded *read, struct reading *reading)
{
    struct log_lmdb *self = reading->self;
    struct segment *segment = &self->segments[reading->index];
    int error = lmdb_reader_of(self, segment, &reading->txn);
    reading->sealed = reading->index + 1 < self->count;
    if (!error)
        error = log_guard(read, reading);
    if (error == LOG_CORRUPT && reading->txn && reading->txn == segment->reader)
        lmdb_reader_drop(segment); /* its cursor may stand anywhere */
    return error;
}

/* ---- batches in log order: positions are dense, so a batch that is not found is missed ---- */

static uint64_t segment_end(const struct log_lmdb *self, uint32_t index)
{
    return index + 1 < self->count ? self->segments[index + 1].first : self->head;
}

struct around {
    uint64_t base,
        next;      /* of the last row at or before a position and of the first after it; 0: none */
    MDB_val value; /* of the former */
};

static int around_seek(MDB_cursor *cursor, uint64_t position, struct around *out)
{
    uint8_t key_bytes[8];
    MDB_val key = {sizeof key_bytes, key_bytes}, value;
    int rc;
    *out = (struct around){0};
    put_u64(key_bytes, position);
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    bool exact = rc == MDB_SUCCESS && key.mv_size == 8 && get_u64(key.mv_data) == position;
    if (exact) {
        out->base = position;
        out->value = value;
        rc = mdb_cursor_get(cursor, &key, NULL, MDB_NEXT);
    }
    if (rc == MDB_SUCCESS)
        out->next = key.mv_size == 8 ? get_u64(key.mv_data) : 0;
    bool sane = rc == MDB_NOTFOUND || out->next > position;
    if (!exact && (rc == MDB_SUCCESS || rc == MDB_NOTFOUND)) {
        rc = mdb_cursor_get(cursor, &key, &value, rc == MDB_SUCCESS ? MDB_PREV : MDB_LAST);
        sane = sane && (rc == MDB_NOTFOUND || key.mv_size == 8);
        if (rc == MDB_SUCCESS && sane) {
            out->base = get_u64(key.mv_data);
            out->value = value;
            sane = out->base < position;
        }
    }
    return rc && rc != MDB_NOTFOUND ? lmdb_error_of(rc) : sane ? LOG_OK : LOG_CORRUPT;
}

static int around_find(const struct reading *reading, uint64_t position, struct around *out)
{
    const struct segment *segment = &reading->self->segments[reading->index];
    MDB_cursor *cursor;
    *out = (struct around){0};
    if (reading->txn == segment->reader) /* lmdb_reader_drop closes it, whatever happens */
        return around_seek(segment->at, position, out);
    int rc = mdb_cursor_open(reading->txn, segment->db[DB_BATCHES], &cursor);
    if (rc)
        return lmdb_error_of(rc);
    int error = around_seek(cursor, position, out);
    mdb_cursor_close(cursor);
    return error;
}

/* Where what stands at `around->base` ends; one that cannot be read reaches to the next. */
static uint64_t around_after(const struct around *around, uint64_t end, bool *hole)
{
    struct batch_header header;
    uint64_t most = around->next ? around->next : end;
    uint64_t count = lmdb_hole_read(&around->value, around->base);
    *hole = count > 0;
    if (!count && around->value.mv_size >= PROTOCOL_HEADER_BYTES &&
        batch_header_read(&header, around->value.mv_data) == 0 && header.base == around->base)
        count = header.count;
    return count && around->base + count < most ? around->base + count : most;
}

static void missing_name(struct log_lmdb *self, struct segment *segment, uint64_t from, uint64_t to)
{
    if (from < segment->missed_to)
        return;
    segment->missed_to = to;
    self->bad_batches++;
    log_error("batches-missing", "segment=%s from=%" PRIu64 " to=%" PRIu64 " action=set-aside",
              segment->name, from, to);
}

/* The first batch of the segment that holds or follows `position`: base and after. */
static int batch_next(void *context)
{
    struct reading *reading = context;
    struct log_lmdb *self = reading->self;
    struct segment *segment = &self->segments[reading->index];
    uint64_t end = segment_end(self, reading->index), position = reading->position;
    if (position < segment->first)
        position = segment->first;
    while (position < end) {
        struct around around;
        bool hole = false;
        int error = around_find(reading, position, &around);
        if (error)
            return error;
        uint64_t after = around.base ? around_after(&around, end, &hole) : 0;
        if (position < after && !hole) {
            reading->base = around.base;
            reading->after = after;
            return LOG_OK;
        }
        if (position >= after) { /* nothing covers it */
            after = around.next && around.next < end ? around.next : end;
            missing_name(self, segment, position, after);
        }
        position = after;
    }
    return LOG_NONE;
}

/* LMDB fails at `position`: the first one behind it where it does not, most often the next page's; the segment's end if there is none. */
static uint64_t damage_end(const struct reading *reading, uint64_t position)
{
    const struct log_lmdb *self = reading->self;
    uint64_t end = segment_end(self, reading->index), low = position, high = position, step = 1;
    struct reading probe = *reading;
    do {
        low = high; /* fails */
        high = low + step < end ? low + step : end;
        step *= 2;
        probe.position = high;
    } while (high < end && segment_read(batch_next, &probe) == LOG_CORRUPT);
    while (high - low > 1) {
        probe.position = low + (high - low) / 2;
        if (segment_read(batch_next, &probe) == LOG_CORRUPT)
            low = probe.position;
        else
            high = probe.position;
    }
    return high;
}

/* Past damage, which is named. */
static int order_read(log_guarded *read, struct reading *reading)
{
    struct log_lmdb *self = reading->self;
    struct segment *segment = &self->segments[reading->index];
    int error;
    if (reading->position < segment->first)
        reading->position = segment->first;
    if (!segment->env) {
        missing_name(self, segment, segment->first, segment_end(self, reading->index));
        return LOG_NONE;
    }
    while ((error = segment_read(read, reading)) == LOG_CORRUPT) {
        uint64_t behind = damage_end(reading, reading->position);
        missing_name(self, segment, reading->position, behind);
        reading->position = behind;
    }
    return error;
}

int log_lmdb_next_any(struct log *base, uint64_t position, uint64_t *found)
{
    struct log_lmdb *self = lmdb_of(base);
    for (uint32_t i = lmdb_segment_of(self, position); i < self->count; i++) {
        struct reading reading = {.self = self, .index = i, .position = position};
        int error = hidden(self, position) ? LOG_NONE : order_read(batch_next, &reading);
        if (error == LOG_OK && hidden(self, reading.base))
            return LOG_NONE;
        *found = reading.base;
        if (error != LOG_NONE)
            return error;
    }
    return LOG_NONE;
}

/* ---- lanes, by the index; where that is damaged, by the batches themselves ---- */

static int lane_next(void *context)
{
    struct reading *reading = context;
    struct segment *segment = &reading->self->segments[reading->index];
    MDB_cursor *cursor;
    int error = lmdb_error_of(mdb_cursor_open(reading->txn, segment->db[DB_INDEX], &cursor));
    if (error)
        return error;
    error = lmdb_index_next(cursor, reading->sealed, reading->stream, reading->partition,
                            reading->position, &reading->row, &reading->at);
    mdb_cursor_close(cursor);
    return error;
}

/* The header of the batch that batch_next found, if it is one of the lane. */
static bool lane_holds(const struct reading *reading, struct batch_header *header)
{
    struct around around;
    return around_find(reading, reading->base, &around) == LOG_OK && around.base == reading->base &&
           around.value.mv_size >= PROTOCOL_HEADER_BYTES &&
           batch_header_read(header, around.value.mv_data) == 0 && header->base == reading->base &&
           header->stream == reading->stream && header->partition == reading->partition;
}

static int lane_search(void *context)
{
    struct reading *reading = context;
    struct batch_header header;
    for (;;) {
        int error = batch_next(reading);
        if (error || lane_holds(reading, &header))
            return error;
        reading->position = reading->after;
    }
}

/* All its records in the segment from `position` on, added to count. */
static int lane_sum(void *context)
{
    struct reading *reading = context;
    struct batch_header header;
    int error;
    while ((error = batch_next(reading)) == LOG_OK) {
        if (lane_holds(reading, &header))
            reading->count += header.base + header.count -
                              (header.base < reading->position ? reading->position : header.base);
        reading->position = reading->after;
    }
    return error == LOG_NONE ? LOG_OK : error;
}

static int lane_count(void *context)
{
    struct reading *reading = context;
    struct segment *segment = &reading->self->segments[reading->index];
    MDB_cursor *cursor;
    uint64_t sum = 0;
    int error = lmdb_error_of(mdb_cursor_open(reading->txn, segment->db[DB_INDEX], &cursor));
    if (error)
        return error;
    error = lmdb_index_count(cursor, reading->sealed, reading->stream, reading->partition,
                             reading->position, &sum);
    reading->count += error ? 0 : sum;
    mdb_cursor_close(cursor);
    return error;
}

/* By the index, unless it is known to be damaged or found to be. */
static int lane_read(struct reading *reading, log_guarded *by_index, log_guarded *by_batches,
                     bool *indexed)
{
    struct log_lmdb *self = reading->self;
    struct segment *segment = &self->segments[reading->index];
    int error = segment->index_damaged ? LOG_CORRUPT : segment_read(by_index, reading);
    *indexed = error != LOG_CORRUPT;
    if (error != LOG_CORRUPT)
        return error;
    index_damaged(self, segment);
    return order_read(by_batches, reading);
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
        struct reading reading = {.self = self,
                                  .index = i,
                                  .stream = stream,
                                  .partition = partition,
                                  .position = position};
        bool indexed;
        int error = lane_read(&reading, lane_next, lane_search, &indexed);
        if (error == LOG_OK && indexed) {
            *found = spot_set(spot, &reading.row, reading.at);
            spot->burst = self->burst;
            spot->stream = stream;
            spot->partition = partition;
        } else if (error == LOG_OK) {
            *found = reading.base;
        }
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
        struct reading reading = {.self = self,
                                  .index = i,
                                  .stream = stream,
                                  .partition = partition,
                                  .position = position};
        bool indexed;
        if (lane_read(&reading, lane_count, lane_sum, &indexed) == LOG_OK)
            sum += reading.count;
    }
    return sum;
}

/* ---- one batch ---- */

/* No row begins there: it lies in a batch or in a hole, behind everything, or is missing. Of what is missing base and count are told. */
static int batch_absent(const struct reading *reading)
{
    const struct log_lmdb *self = reading->self;
    const struct segment *segment = &self->segments[reading->index];
    uint64_t end = segment_end(self, reading->index), position = reading->position;
    struct around around;
    bool hole = false;
    int error = around_find(reading, position, &around);
    if (error)
        return error;
    if (position >= end || position < segment->first)
        return LOG_NONE;
    uint64_t after = around.base ? around_after(&around, end, &hole) : 0;
    if (position < after) {
        reading->header->base = around.base;
        reading->header->count = (uint32_t)(after - around.base);
        return hole ? LOG_REMOVED : LOG_NONE;
    }
    after = around.next && around.next < end ? around.next : end;
    *reading->header =
        (struct batch_header){.base = position, .count = (uint32_t)(after - position)};
    return LOG_CORRUPT;
}

/* LMDB cannot say what is there. */
static int batch_extent(void *context)
{
    struct reading *reading = context;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(reading->txn, reading->self->segments[reading->index].db[DB_INDEX],
                             &cursor);
    if (rc)
        return lmdb_error_of(rc);
    reading->header->count = lmdb_index_extent(cursor, reading->position);
    mdb_cursor_close(cursor);
    return LOG_OK;
}

static int batch_read(void *context)
{
    struct reading *reading = context;
    struct log_lmdb *self = reading->self;
    struct segment *segment = &self->segments[reading->index];
    uint8_t key_bytes[8];
    put_u64(key_bytes, reading->position);
    MDB_val key = {sizeof key_bytes, key_bytes}, value;
    int rc = reading->txn == self->txn
                 ? mdb_get(reading->txn, segment->db[DB_BATCHES], &key, &value)
                 : mdb_cursor_get(segment->at, &key, &value, MDB_SET_KEY);
    if (rc == MDB_NOTFOUND || (!rc && lmdb_hole_read(&value, reading->position) > 0))
        return batch_absent(reading);
    if (rc)
        return lmdb_error_of(rc);
    int error = log_value_open(value.mv_data, value.mv_size, reading->header, reading->body);
    if (!error && reading->header->base != reading->position)
        error = LOG_CORRUPT;
    bool hole;
    struct around around;
    if (error == LOG_CORRUPT && /* what it covers, its neighbours tell */
        around_find(reading, reading->position, &around) == LOG_OK &&
        around.base == reading->position)
        reading->header->count =
            (uint32_t)(around_after(&around, segment_end(self, reading->index), &hole) -
                       reading->position);
    return error;
}

int log_lmdb_batch(struct log *base, uint64_t position, struct batch_header *header,
                   struct span *body)
{
    struct log_lmdb *self = lmdb_of(base);
    struct reading reading = {.self = self,
                              .index = lmdb_segment_of(self, position),
                              .position = position,
                              .header = header,
                              .body = body};
    *header = (struct batch_header){0};
    if (position < self->segments[0].first)
        return LOG_TRIMMED;
    int error = hidden(self, position) ? LOG_NONE : segment_read(batch_read, &reading);
    if (error == LOG_NONE)
        *header = (struct batch_header){0};
    if (error != LOG_CORRUPT)
        return error;
    self->bad_batches++;
    if (header->count == 0)
        (void)segment_read(batch_extent, &reading);
    if (header->count == 0)
        header->count = 1;
    header->base = position;
    log_error("batch-corrupt", "segment=%s base=%" PRIu64 " count=%u action=set-aside",
              self->segments[reading.index].name, position, header->count);
    return LOG_CORRUPT;
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
