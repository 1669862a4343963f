/* power_check - opens what a disk may hold after a power cut as broker and actors would, and says what does not hold.
 *
 * Lines on stdin, fields parted by blanks:
 *     stream ID NAME                                     names for numbers
 *     promise PRODUCER STREAM PARTITION FIRST COUNT CRC BASE LATER
 *                                                        a batch that somebody was told is durable; BASE 0: never seen in the
 *                                                        log; LATER 1: may still wait for its time
 *     check DIR PROMISES TRIMMED_TO LOST RETAINED        the first PROMISES of them hold in DIR; the log may begin at up to
 *                                                        TRIMMED_TO; LOST: shard whose environment is away (-: none); RETAINED 1:
 *                                                        retention may have removed what stood in closed segments, and
 *                                                        the oldest ones
 * Whoever published and is an actor of the proof ("proof-...") must have its environment.
 * Each check answers with lines `bad: ...` and one `done FIRST HEAD SEGMENTS BATCHES`. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "broker/log.h"
#include "store/run_marks.h"
#include "store/shard_env.h"

#define STREAMS_MAX 64
#define PRODUCERS_MAX 64
#define SEGMENT_BYTES (64 * 1024)

struct promise {
    uint32_t producer, count, crc;
    uint16_t stream, partition;
    uint64_t first_seq, base;
    bool later;
};
struct producer {
    char actor[33];
    unsigned shard;
};
struct lane {
    uint32_t producer;
    uint16_t stream, partition;
    uint64_t last;
};

static struct {
    char streams[STREAMS_MAX][64];
    struct producer producers[PRODUCERS_MAX];
    struct promise *promises;
    size_t promise_count, promise_capacity;
    /* of the image at hand */
    struct log *log;
    struct lane lanes[4096];
    size_t lane_count;
    uint64_t batches;
} check;

static void bad(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void bad(const char *fmt, ...)
{
    va_list args;
    printf("bad: ");
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    printf("\n");
}

/* ---- the log ---- */

static void check_positions(uint64_t trimmed_to)
{
    uint64_t position = log_first(check.log), head = log_head(check.log), base;
    if (position > trimmed_to)
        bad("the log begins at %" PRIu64 ", nobody trimmed beyond %" PRIu64, position, trimmed_to);
    check.batches = 0;
    while (position < head) {
        struct batch_header header;
        struct span body;
        if (log_batch(check.log, position, &header, &body) == LOG_REMOVED) { /* and says so */
            position = header.base + header.count;
            continue;
        }
        if (log_next_any(check.log, position, &base) != LOG_OK || base != position) {
            bad("position %" PRIu64 " of %" PRIu64 " is missing", position, head);
            break;
        }
        int error = log_batch(check.log, base, &header, &body);
        if (error || header.base != base) {
            bad("the batch at %" PRIu64 ": %s", base, log_error_text(error));
            break;
        }
        position += header.count;
        check.batches++;
    }
    if (position > head)
        bad("the last batch reaches to %" PRIu64 ", the head is %" PRIu64, position, head);
    log_read_end(check.log);
}

static void check_promise(const struct promise *promise)
{
    struct log_seq found;
    if (promise->base && promise->base < log_first(check.log))
        return; /* trimmed; whether it might be was looked at */
    int error = log_lane_find(check.log, promise->producer, promise->stream, promise->partition,
                              promise->first_seq, &found);
    if (error)
        bad("promised and missing: producer %u lane %s/%u sequence %" PRIu64 " (position %" PRIu64
            "): %s",
            promise->producer, check.streams[promise->stream], promise->partition,
            promise->first_seq, promise->base, log_error_text(error));
    else if (found.first_seq != promise->first_seq || found.count != promise->count ||
             found.crc != promise->crc ||
             (found.base != promise->base &&
              !(promise->later &&
                (found.base == 0 || promise->base == 0)))) /* waits yet, or fell due in
                                                                                another life than the one that was read */
        bad("promised and other: producer %u lane %s/%u sequence %" PRIu64 " at %" PRIu64
            ", told %" PRIu64,
            promise->producer, check.streams[promise->stream], promise->partition,
            promise->first_seq, found.base, promise->base);
}

/* Where it says: as long as nobody asked for retention, nothing is removed. */
static void check_kept(const struct promise *promise, bool retained)
{
    struct batch_header header;
    struct span body;
    if (!promise->base || promise->base < log_first(check.log) ||
        (promise->later && promise->base >= log_head(check.log)))
        return;
    int error = log_batch(check.log, promise->base, &header, &body);
    if (error && !(retained && error == LOG_REMOVED))
        bad("promised and not there: stream %s position %" PRIu64 ": %s",
            check.streams[promise->stream], promise->base, log_error_text(error));
}

static void check_later(const struct promise *promise)
{
    struct log_seq found;
    struct batch_header header;
    struct span body;
    if (!promise->later ||
        log_lane_find(check.log, promise->producer, promise->stream, promise->partition,
                      promise->first_seq, &found) != LOG_OK ||
        found.base)
        return;
    int error = log_later_read(check.log, found.later_due_us, found.later_id, &header, &body);
    if (error || header.crc != promise->crc)
        bad("for later, producer %u sequence %" PRIu64 ": %s", promise->producer,
            promise->first_seq, log_error_text(error));
}

static int lane_row(const struct span *key, const struct span *value, void *context)
{
    (void)context;
    if (key->size != 8 || value->size < 8 ||
        check.lane_count == sizeof check.lanes / sizeof *check.lanes)
        return LOG_CORRUPT;
    check.lanes[check.lane_count++] = (struct lane){get_u32(key->data), get_u16(key->data + 4),
                                                    get_u16(key->data + 6), get_u64(value->data)};
    return 0;
}

static int producer_row(const struct span *key, const struct span *value, void *context)
{
    struct unpack in = {value->data, value->size, 0};
    const char *actor;
    uint64_t shard;
    uint32_t fields, size;
    (void)context;
    if (key->size != 4 || get_u32(key->data) >= PRODUCERS_MAX || !unpack_array(&in, &fields) ||
        !unpack_str(&in, &actor, &size) || !unpack_u64(&in, &shard))
        return LOG_CORRUPT;
    struct producer *producer = &check.producers[get_u32(key->data)];
    snprintf(producer->actor, sizeof producer->actor, "%.*s", (int)size, actor);
    producer->shard = (unsigned)shard;
    return 0;
}

static uint64_t last_in_log(uint32_t producer, const char *stream, uint16_t partition)
{
    for (size_t i = 0; i < check.lane_count; i++) {
        const struct lane *lane = &check.lanes[i];
        if (lane->producer == producer && lane->partition == partition &&
            strcmp(check.streams[lane->stream], stream) == 0)
            return lane->last;
    }
    return 0;
}

static uint16_t stream_id(const char *name)
{
    for (uint16_t i = 0; i < STREAMS_MAX; i++)
        if (strcmp(check.streams[i], name) == 0)
            return i;
    return 0;
}

/* ---- the environments ---- */

struct shard_check {
    uint32_t producer;
    const char *name;
    struct shard_lane lanes[64];
    uint64_t covered[64]; /* the log and the outbox have the lane up to here */
    size_t count;
};

static int take_lane(const struct shard_lane *lane, void *context)
{
    struct shard_check *self = context;
    uint64_t last = last_in_log(self->producer, lane->stream, lane->partition);
    if (lane->acked > last)
        bad("%s: lane %s/%u: acknowledged up to %" PRIu64 ", the log has %" PRIu64, self->name,
            lane->stream, lane->partition, lane->acked, last);
    if (lane->last < last)
        bad("%s: lane %s/%u: the log has %" PRIu64 ", its environment is older: %" PRIu64,
            self->name, lane->stream, lane->partition, last, lane->last);
    if (self->count == sizeof self->lanes / sizeof *self->lanes)
        return STORE_CORRUPT;
    self->covered[self->count] = last;
    self->lanes[self->count++] = *lane;
    return 0;
}

static int take_out(const struct shard_out *out, void *context)
{
    struct shard_check *self = context;
    struct log_seq found;
    uint32_t crc = pack_crc32c(0, out->body.data, out->body.size);
    size_t at = 0;
    while (at < self->count && (self->lanes[at].partition != out->partition ||
                                strcmp(self->lanes[at].stream, out->stream) != 0))
        at++;
    if (at == self->count) {
        bad("%s: its outbox names lane %s/%u, which it has not", self->name, out->stream,
            out->partition);
        return 0;
    }
    uint64_t last = last_in_log(self->producer, out->stream, out->partition);
    if (out->first_seq + out->count - 1 > self->covered[at]) {
        if (out->first_seq > self->covered[at] + 1)
            bad("%s: lane %s/%u: %" PRIu64 " follows %" PRIu64, self->name, out->stream,
                out->partition, out->first_seq, self->covered[at]);
        self->covered[at] = out->first_seq + out->count - 1;
    }
    if (out->first_seq > last)
        return 0;
    int error = log_lane_find(check.log, self->producer, stream_id(out->stream), out->partition,
                              out->first_seq, &found);
    if (error == LOG_NONE && log_first(check.log) > 1)
        return 0; /* trimmed */
    if (error || found.first_seq != out->first_seq || found.count != out->count || found.crc != crc)
        bad("%s: lane %s/%u: sequence %" PRIu64 " is another in the log", self->name, out->stream,
            out->partition, out->first_seq);
    return 0;
}

static void check_tables(struct shard_check *self, struct store *store)
{
    struct shard_state state;
    struct store_txn *txn;
    int error = shard_env_open(store, &state);
    if (!error)
        error = store_begin(store, false, &txn);
    if (error) {
        bad("%s: %s", self->name, store_error_text(error));
        return;
    }
    if (state.cursor > log_head(check.log))
        bad("%s: cursor %" PRIu64 ", the log ends at %" PRIu64, self->name, state.cursor,
            log_head(check.log));
    error = shard_env_each_lane(txn, take_lane, self);
    if (!error)
        error = shard_env_each_out(txn, take_out, self);
    store_abort(&txn);
    if (error)
        bad("%s: %s", self->name, store_error_text(error));
    for (size_t i = 0; i < self->count; i++)
        if (self->covered[i] < self->lanes[i].last)
            bad("%s: lane %s/%u: %" PRIu64
                " were made, neither log nor outbox has more than %" PRIu64,
                self->name, self->lanes[i].stream, self->lanes[i].partition, self->lanes[i].last,
                self->covered[i]);
    for (size_t i = 0; i < check.lane_count; i++) {
        const struct lane *lane = &check.lanes[i];
        size_t at = 0;
        while (at < self->count &&
               (self->lanes[at].partition != lane->partition ||
                strcmp(self->lanes[at].stream, check.streams[lane->stream]) != 0))
            at++;
        if (lane->producer == self->producer && at == self->count && lane->last)
            bad("%s: lane %s/%u: the log has %" PRIu64 ", its environment nothing", self->name,
                check.streams[lane->stream], lane->partition, lane->last);
    }
}

static bool has_published(uint32_t producer)
{
    for (size_t i = 0; i < check.lane_count; i++)
        if (check.lanes[i].producer == producer && check.lanes[i].last)
            return true;
    return false;
}

static void check_shard(const char *dir, uint32_t id, const char *away)
{
    const struct producer *producer = &check.producers[id];
    struct shard_check self = {.producer = id};
    char path[4200], name[64];
    struct stat there;
    struct store *store;
    snprintf(name, sizeof name, "%s.%u", producer->actor, producer->shard);
    snprintf(path, sizeof path, "%s/shards/%s-%u", dir, producer->actor, producer->shard);
    self.name = name;
    bool lost = strcmp(name, away) == 0;
    if (stat(path, &there) != 0) {
        if (has_published(id) && !lost)
            bad("%s: its environment is gone, the log has what it published", name);
        return;
    }
    int error = store_open(&store, path, NULL);
    if (error) {
        bad("%s: %s (%s)", name, store_error_text(error), strerror(errno));
        return;
    }
    if (!lost)
        check_tables(&self, store);
    struct run_marks *marks = run_marks_open(path); /* whatever is in it must be readable */
    if (!marks)
        bad("%s: its marks: %s", name, strerror(errno));
    run_marks_close(&marks);
    store_close(&store);
}

static void check_image(const char *dir, size_t promises, uint64_t trimmed_to, const char *lost,
                        bool retained)
{
    struct log_options options = {.segment_bytes = SEGMENT_BYTES};
    char path[4200];
    snprintf(path, sizeof path, "%s/log", dir);
    int error = log_open(&check.log, path, &options);
    if (error) {
        bad("the log: %s", log_error_text(error));
        printf("done 0 0 0 0\n");
        return;
    }
    /* Retention lets go of the oldest ones of which nothing is left, with nobody asking for that. */
    check_positions(retained ? log_head(check.log) : trimmed_to);
    for (size_t i = 0; i < promises && i < check.promise_count; i++) {
        check_promise(&check.promises[i]);
        check_kept(&check.promises[i], retained);
        check_later(&check.promises[i]);
    }
    log_read_end(check.log);
    check.lane_count = 0;
    memset(check.producers, 0, sizeof check.producers);
    if (log_each_meta(check.log, LOG_META_LANE, lane_row, NULL) != 0 ||
        log_each_meta(check.log, LOG_META_PRODUCER, producer_row, NULL) != 0)
        bad("the lanes and producers cannot be read");
    for (uint32_t id = 1; id < PRODUCERS_MAX; id++)
        if (strncmp(check.producers[id].actor, "proof-", 6) == 0)
            check_shard(dir, id, lost);
    log_read_end(check.log);
    if (log_bad_batches(check.log))
        bad("%" PRIu64 " bad batches", log_bad_batches(check.log));
    printf("done %" PRIu64 " %" PRIu64 " %u %" PRIu64 "\n", log_first(check.log),
           log_head(check.log), log_segments(check.log), check.batches);
    log_close(&check.log);
}

static bool promise_add(const char *line)
{
    struct promise promise = {0};
    unsigned stream, partition, later;
    if (sscanf(line, "promise %u %u %u %" SCNu64 " %u %u %" SCNu64 " %u", &promise.producer,
               &stream, &partition, &promise.first_seq, &promise.count, &promise.crc, &promise.base,
               &later) != 8 ||
        stream >= STREAMS_MAX)
        return false;
    promise.stream = (uint16_t)stream;
    promise.partition = (uint16_t)partition;
    promise.later = later != 0;
    if (check.promise_count == check.promise_capacity) {
        size_t capacity = check.promise_capacity ? check.promise_capacity * 2 : 1024;
        struct promise *grown = realloc(check.promises, capacity * sizeof *grown);
        if (!grown)
            return false;
        check.promises = grown;
        check.promise_capacity = capacity;
    }
    check.promises[check.promise_count++] = promise;
    return true;
}

static bool take_line(const char *line)
{
    char name[4096], lost[64];
    unsigned id, retained;
    size_t promises;
    uint64_t trimmed_to;
    if (strncmp(line, "promise ", 8) == 0)
        return promise_add(line);
    if (sscanf(line, "stream %u %63s", &id, name) == 2 && id < STREAMS_MAX) {
        snprintf(check.streams[id], sizeof check.streams[id], "%.63s", name);
        return true;
    }
    if (sscanf(line, "check %4095s %zu %" SCNu64 " %63s %u", name, &promises, &trimmed_to, lost,
               &retained) != 5)
        return false;
    check_image(name, promises, trimmed_to, lost, retained != 0);
    fflush(stdout);
    return true;
}

int main(void)
{
    char line[8192];
    while (fgets(line, sizeof line, stdin))
        if (!take_line(line)) {
            fprintf(stderr, "power_check: not understood: %s", line);
            return 64;
        }
    free(check.promises);
    return 0;
}
