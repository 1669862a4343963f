#include "broker/retain.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "broker/retain_keys.h"
#include "config/log.h"
#include "schema/record.h"

enum phase { PHASE_SUM, PHASE_KEYS, PHASE_NEXT, PHASE_LOOK, PHASE_WRITE };

/* Bytes of bodies that a stream has in a segment. */
struct sum {
    uint64_t first; /* of the segment */
    uint64_t bytes;
    uint16_t stream;
};

struct stream {
    struct retain_rule rule;
    uint16_t partitions;
    uint64_t summed; /* its bytes are known up to there */
    /* In the segment at hand. */
    uint64_t excess;  /* bytes that are to go, from its beginning on */
    uint64_t removed; /* behind the last record that goes; 0: none does */
    uint64_t bytes;   /* of bodies that go */
};

struct retain {
    struct retain_options options;
    struct stream streams[RETAIN_STREAMS_MAX + 1]; /* by id */
    struct retain_counts counts;
    struct sum *sums;
    uint32_t sum_count, sum_capacity;
    /* The pass. */
    bool live;
    enum phase phase;
    uint64_t below, head;
    int64_t now_us;
    struct retain_keys keys;
    /* The lane that is walked: of stream `id`, from `position`. */
    uint16_t id, partition;
    uint64_t position;
    /* The segment at hand, and what of it goes. */
    struct log_segment_info segment;
    uint64_t end, records, bytes;
    /* The batch at hand: where its records begin, and which of them go. */
    uint32_t starts[BATCH_RECORDS_MAX + 1];
    bool goes[BATCH_RECORDS_MAX];
    struct pack piece;
};

struct retain *retain_new(const struct retain_options *options)
{
    struct retain *self = calloc(1, sizeof *self);
    if (self)
        self->options = *options;
    return self;
}

void retain_free(struct retain **self_ref, struct log *log)
{
    struct retain *self = *self_ref;
    *self_ref = NULL;
    if (!self)
        return;
    retain_drop(self, log);
    free(self->sums);
    pack_free(&self->piece);
    free(self);
}

static bool ruled(const struct stream *stream)
{
    return stream->rule.age_us > 0 || stream->rule.bytes > 0 || stream->rule.latest;
}

void retain_rule_set(struct retain *self, uint16_t stream, uint16_t partitions,
                     const struct retain_rule *rule)
{
    if (stream == 0 || stream > RETAIN_STREAMS_MAX)
        return;
    self->streams[stream].rule = *rule;
    self->streams[stream].partitions = partitions;
}

bool retain_ruled(const struct retain *self)
{
    bool any = false;
    for (uint32_t i = 1; i <= RETAIN_STREAMS_MAX; i++)
        any = any || ruled(&self->streams[i]);
    return any;
}

bool retain_live(const struct retain *self)
{
    return self->live;
}

uint64_t retain_below(const struct retain *self)
{
    return self->below;
}

const struct retain_counts *retain_counts(const struct retain *self)
{
    return &self->counts;
}

static void lanes_begin(struct retain *self, enum phase phase)
{
    self->phase = phase;
    self->id = 0;
    self->partition = 0;
    self->position = 0;
}

void retain_begin(struct retain *self, const struct log *log, uint64_t below)
{
    self->live = true;
    self->below = below;
    self->head = log_head(log);
    self->now_us = log_last_time_us(log);
    lanes_begin(self, PHASE_SUM);
}

void retain_drop(struct retain *self, struct log *log)
{
    if (self->live && self->phase == PHASE_WRITE)
        log_rewrite_drop(log);
    self->live = false;
    retain_keys_close(&self->keys);
}

/* ---- which segment a position is in ---- */

static bool segment_around(const struct log *log, uint64_t position, struct log_segment_info *out)
{
    struct log_segment_info info;
    bool found = false;
    for (uint32_t i = 0; log_segment_at(log, i, &info) == LOG_OK && info.first <= position; i++) {
        *out = info;
        found = true;
    }
    return found;
}

/* The first sealed segment from `position` on that what may be removed reaches into; `*end`: where the next begins. */
static bool segment_from(const struct retain *self, const struct log *log, uint64_t position,
                         struct log_segment_info *out, uint64_t *end)
{
    struct log_segment_info info, next;
    for (uint32_t i = 0; log_segment_at(log, i, &info) == LOG_OK && info.first < self->below; i++)
        if (info.first >= position && info.sealed && log_segment_at(log, i + 1, &next) == LOG_OK) {
            *out = info;
            *end = next.first;
            return true;
        }
    return false;
}

/* ---- walking lanes ---- */

typedef int batch_each(struct retain *self, struct log *log, const struct batch_header *header,
                       const struct span *body);

/* The lane at hand up to the head, or until `*left` bytes are read. LOG_NONE: it is walked. */
static int lane_walk(struct retain *self, struct log *log, int64_t *left, batch_each *each)
{
    while (*left > 0) {
        struct batch_header header = {0};
        struct span body;
        uint64_t base;
        int error = log_next(log, self->id, self->partition, self->position, &base);
        if (error || base >= self->head)
            return error ? error : LOG_NONE;
        error = log_batch(log, base, &header, &body);
        if (error && error != LOG_CORRUPT)
            return error;
        self->position = base + (header.count ? header.count : 1);
        *left -= PROTOCOL_HEADER_BYTES + (int64_t)header.size;
        if (!error)
            error = each(self, log, &header, &body);
        if (error && error != LOG_CORRUPT) /* what is broken stays where it is */
            return error;
    }
    return LOG_OK;
}

/* All lanes of streams that `wanted` says, one after the other. 0: all are walked. */
static int lanes_walk(struct retain *self, struct log *log, int64_t *left,
                      bool (*wanted)(const struct stream *stream),
                      void (*done)(struct retain *self, struct stream *stream),
                      uint64_t (*from)(const struct stream *stream), batch_each *each)
{
    while (self->id <= RETAIN_STREAMS_MAX) {
        struct stream *stream = &self->streams[self->id];
        if (self->id > 0 && wanted(stream) && self->partition < stream->partitions) {
            if (self->position < from(stream))
                self->position = from(stream);
            int error = lane_walk(self, log, left, each);
            if (error != LOG_NONE)
                return error ? error : 1;
            self->partition++;
            self->position = 0;
            continue;
        }
        if (self->id > 0 && wanted(stream))
            done(self, stream);
        self->id++;
        self->partition = 0;
        self->position = 0;
    }
    return 0;
}

/* ---- bytes: what each stream holds, by segment; what was counted once is not read again ---- */

static struct sum *sum_of(struct retain *self, uint64_t first, uint16_t stream)
{
    for (uint32_t i = self->sum_count; i-- > 0;)
        if (self->sums[i].first == first && self->sums[i].stream == stream)
            return &self->sums[i];
    if (self->sum_count == self->sum_capacity) {
        uint32_t capacity = self->sum_capacity ? self->sum_capacity * 2 : 64;
        struct sum *grown = realloc(self->sums, capacity * sizeof *grown);
        if (!grown)
            return NULL;
        self->sums = grown;
        self->sum_capacity = capacity;
    }
    struct sum *sum = &self->sums[self->sum_count++];
    *sum = (struct sum){.first = first, .stream = stream};
    return sum;
}

static void sums_trim(struct retain *self, uint64_t first)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < self->sum_count; i++)
        if (self->sums[i].first >= first)
            self->sums[kept++] = self->sums[i];
    self->sum_count = kept;
}

/* What the stream holds from the segment on, less what it may. */
static uint64_t excess_from(const struct retain *self, uint64_t first, uint16_t id)
{
    uint64_t held = 0, bytes = self->streams[id].rule.bytes;
    for (uint32_t i = 0; i < self->sum_count; i++)
        if (self->sums[i].stream == id && self->sums[i].first >= first)
            held += self->sums[i].bytes;
    return bytes > 0 && held > bytes ? held - bytes : 0;
}

static int sum_batch(struct retain *self, struct log *log, const struct batch_header *header,
                     const struct span *body)
{
    struct log_segment_info info;
    (void)body;
    struct sum *sum =
        segment_around(log, header->base, &info) ? sum_of(self, info.first, header->stream) : NULL;
    if (!sum)
        return LOG_FULL;
    sum->bytes += header->size;
    return LOG_OK;
}

static bool by_bytes(const struct stream *stream)
{
    return stream->rule.bytes > 0;
}

static void summed(struct retain *self, struct stream *stream)
{
    stream->summed = self->head;
}

static uint64_t from_summed(const struct stream *stream)
{
    return stream->summed;
}

static bool by_latest(const struct stream *stream)
{
    return stream->rule.latest;
}

static void no_more(struct retain *self, struct stream *stream)
{
    (void)self;
    (void)stream;
}

static uint64_t from_first(const struct stream *stream)
{
    (void)stream;
    return 0;
}

static bool latest_any(const struct retain *self)
{
    bool any = false;
    for (uint32_t i = 1; i <= RETAIN_STREAMS_MAX; i++)
        any = any || self->streams[i].rule.latest;
    return any;
}

static int phase_sum(struct retain *self, struct log *log, int64_t *left)
{
    sums_trim(self, log_first(log));
    int more = lanes_walk(self, log, left, by_bytes, summed, from_summed, sum_batch);
    if (more != 0)
        return more;
    self->segment.first = self->end = 0;
    lanes_begin(self, PHASE_NEXT);
    if (!latest_any(self))
        return 1;
    lanes_begin(self, PHASE_KEYS);
    return retain_keys_open(&self->keys, self->options.keys_max) ? 1 : LOG_FULL;
}

/* ---- keys ---- */

static int keys_batch(struct retain *self, struct log *log, const struct batch_header *header,
                      const struct span *body)
{
    struct batch_reader reader;
    struct record record;
    const char *rule;
    (void)log;
    if (batch_open(&reader, body->data, body->size, header->count, &rule) != 0)
        return LOG_OK; /* not for us to judge */
    for (uint64_t at = header->base; batch_next(&reader, &record, &rule) == 1; at++)
        retain_keys_put(&self->keys, header->stream, record.key, record.key_size, at);
    return LOG_OK;
}

static int phase_keys(struct retain *self, struct log *log, int64_t *left)
{
    int more = lanes_walk(self, log, left, by_latest, no_more, from_first, keys_batch);
    if (more == 0) {
        self->end = 0;
        self->phase = PHASE_NEXT;
    }
    return more == 0 ? 1 : more;
}

/* ---- what goes of a batch ---- */

/* By age and bytes a batch goes as a whole. */
static bool batch_goes(struct retain *self, struct stream *stream,
                       const struct batch_header *header)
{
    if (stream->rule.age_us > 0 && header->time_us < self->now_us - stream->rule.age_us) {
        stream->excess = stream->excess > header->size ? stream->excess - header->size : 0;
        return true;
    }
    if (stream->excess >= header->size && stream->excess > 0) {
        stream->excess -= header->size;
        return true;
    }
    stream->excess = 0;
    return false;
}

/* Marks the records that have a newer one of their key. How many go; 0 too if the batch cannot be read as one. */
static uint32_t records_mark(struct retain *self, const struct batch_header *header,
                             const struct span *body, struct batch_reader *reader)
{
    struct record record;
    const char *rule;
    uint32_t count = 0, going = 0;
    if (batch_open(reader, body->data, body->size, header->count, &rule) != 0)
        return 0;
    int more;
    self->starts[0] = (uint32_t)reader->in.at;
    while ((more = batch_next(reader, &record, &rule)) == 1) {
        self->goes[count] = retain_keys_newer(&self->keys, header->stream, record.key,
                                              record.key_size, header->base + count);
        going += self->goes[count++];
        self->starts[count] = (uint32_t)reader->in.at;
    }
    return more == 0 && count == header->count ? going : 0;
}

/* How many of its records go; `*reader` is of use if not all do. */
static uint32_t records_going(struct retain *self, const struct batch_header *header,
                              const struct span *body, struct batch_reader *reader)
{
    if (header->stream == 0 || header->stream > RETAIN_STREAMS_MAX ||
        header->base + header->count > self->below)
        return 0;
    struct stream *stream = &self->streams[header->stream];
    if (!ruled(stream))
        return 0;
    if (batch_goes(self, stream, header))
        return header->count;
    return stream->rule.latest ? records_mark(self, header, body, reader) : 0;
}

/* The records from `from` to before `to` as a batch of their own. */
static int piece_make(struct retain *self, const struct batch_header *header,
                      const struct span *body, const struct batch_reader *reader, uint32_t from,
                      uint32_t to, struct batch_header *out)
{
    pack_reset(&self->piece);
    pack_array(&self->piece, to - from + 2);
    pack_str(&self->piece, reader->code_version, reader->code_version_size);
    pack_str(&self->piece, reader->config_hash, reader->config_hash_size);
    pack_raw(&self->piece, body->data + self->starts[from], self->starts[to] - self->starts[from]);
    if (self->piece.failed)
        return LOG_FULL;
    *out = *header;
    out->base += from;
    out->first_seq += from;
    out->count = to - from;
    out->size = (uint32_t)self->piece.size;
    out->crc = pack_crc32c(0, self->piece.data, self->piece.size);
    return LOG_OK;
}

typedef int piece_each(struct log *log, const struct batch_header *header, const void *body);

/* The runs that stay, each to `each` if there is one; `*bytes` of their bodies, `*count` of them. */
static int pieces_each(struct retain *self, struct log *log, const struct batch_header *header,
                       const struct span *body, const struct batch_reader *reader, piece_each *each,
                       uint64_t *bytes, uint64_t *count)
{
    int error = LOG_OK;
    *bytes = *count = 0;
    for (uint32_t from = 0, to; from < header->count && !error; from = to) {
        struct batch_header piece = *header;
        for (to = from + 1; to < header->count && self->goes[to] == self->goes[from]; to++)
            ;
        if (self->goes[from])
            continue;
        error = piece_make(self, header, body, reader, from, to, &piece);
        *bytes += piece.size;
        (*count)++;
        if (!error && each)
            error = each(log, &piece, self->piece.data);
    }
    return error;
}

static uint64_t last_going(const struct retain *self, const struct batch_header *header,
                           uint32_t going)
{
    uint32_t last = header->count;
    while (going < header->count && last > 0 && !self->goes[last - 1])
        last--;
    return header->base + last;
}

/* Decides on one batch, counts what goes, hands what stays of a cut one to `each`. `*stays`: it stays whole. */
static int batch_judge(struct retain *self, struct log *log, const struct batch_header *header,
                       const struct span *body, piece_each *each, bool *stays)
{
    struct batch_reader reader;
    uint32_t going = records_going(self, header, body, &reader);
    uint64_t kept = 0, pieces = 0;
    *stays = going == 0;
    if (going == 0)
        return LOG_OK;
    int error = going < header->count
                    ? pieces_each(self, log, header, body, &reader, each, &kept, &pieces)
                    : LOG_OK;
    struct stream *stream = &self->streams[header->stream];
    uint64_t whole = header->size + (uint64_t)PROTOCOL_HEADER_BYTES;
    uint64_t stored = kept + pieces * PROTOCOL_HEADER_BYTES;
    stream->removed = last_going(self, header, going);
    stream->bytes += header->size > kept ? header->size - kept : 0;
    self->records += going;
    self->bytes += whole > stored ? whole - stored : 0;
    return error;
}

/* ---- a segment ---- */

static void segment_begin(struct retain *self)
{
    self->records = self->bytes = 0;
    for (uint16_t i = 1; i <= RETAIN_STREAMS_MAX; i++) {
        struct stream *stream = &self->streams[i];
        stream->removed = stream->bytes = 0;
        stream->excess = stream->rule.bytes > 0 ? excess_from(self, self->segment.first, i) : 0;
    }
}

/* Whether the lane has anything in it that may go: cheap, so that most segments are not read. */
static bool lane_may(struct retain *self, struct log *log, uint16_t id, uint16_t partition)
{
    const struct stream *stream = &self->streams[id];
    struct batch_header header;
    struct span body;
    uint64_t base;
    if (log_next(log, id, partition, self->segment.first, &base) != LOG_OK || base >= self->end)
        return false;
    if (stream->rule.latest || stream->excess > 0)
        return true;
    return stream->rule.age_us > 0 && log_batch(log, base, &header, &body) == LOG_OK &&
           header.time_us < self->now_us - stream->rule.age_us;
}

static bool segment_may(struct retain *self, struct log *log)
{
    for (uint16_t id = 1; id <= RETAIN_STREAMS_MAX; id++)
        for (uint16_t i = 0; ruled(&self->streams[id]) && i < self->streams[id].partitions; i++)
            if (lane_may(self, log, id, i))
                return true;
    return false;
}

/* Sealed segments at the front in which nothing is left go as a whole. */
static void front_trim(struct retain *self, struct log *log)
{
    uint64_t base, to = self->below;
    if (log_next_any(log, log_first(log), &base) == LOG_OK && base < to)
        to = base;
    log_read_end(log);
    int gone = to > log_first(log) ? log_trim(log, to) : 0;
    if (gone > 0)
        self->counts.trimmed += (uint64_t)gone;
}

/* Keys that did not fit have their turn now. */
static bool range_next(struct retain *self)
{
    if (!self->keys.slots || self->keys.to == UINT64_MAX)
        return false;
    retain_keys_begin(&self->keys, self->keys.to + 1);
    lanes_begin(self, PHASE_KEYS);
    self->end = 0;
    return true;
}

static int phase_next(struct retain *self, struct log *log, int64_t *left)
{
    *left -= 1024; /* a few look-ups */
    if (!segment_from(self, log, self->end, &self->segment, &self->end)) {
        if (range_next(self))
            return 1;
        front_trim(self, log);
        self->counts.passes++;
        retain_drop(self, log);
        return 0;
    }
    segment_begin(self);
    self->position = self->segment.first;
    if (segment_may(self, log))
        self->phase = PHASE_LOOK;
    return 1;
}

/* Of what a pass may take at once of all keys, so much is to have expired: else many ranges would never be worth it. */
static uint64_t worth_bytes(const struct retain *self)
{
    uint64_t worth = self->segment.bytes / 100 * self->options.percent;
    if (self->keys.slots)
        worth = (uint64_t)((double)worth * ((double)(self->keys.to - self->keys.from) / 0x1p64));
    return worth;
}

static int segment_decide(struct retain *self, struct log *log)
{
    self->counts.looked++;
    self->phase = PHASE_NEXT;
    if (self->records == 0 || self->bytes < worth_bytes(self))
        return 1;
    for (uint16_t i = 1; i <= RETAIN_STREAMS_MAX; i++)
        if (self->streams[i].removed > 0 && self->options.removes &&
            self->options.removes(self->options.context, i, self->streams[i].removed) != 0)
            return 1;
    int error = log_rewrite_begin(log, self->segment.first);
    if (error)
        return error == LOG_NONE ? 1 : error; /* trimmed meanwhile */
    segment_begin(self);
    self->phase = PHASE_WRITE;
    return 1;
}

static int phase_look(struct retain *self, struct log *log, int64_t *left)
{
    while (*left > 0) {
        struct batch_header header = {0};
        struct span body;
        uint64_t base;
        bool stays;
        int error = log_next_any(log, self->position, &base);
        if (error == LOG_NONE || (!error && base >= self->end))
            return segment_decide(self, log);
        if (!error)
            error = log_batch(log, base, &header, &body);
        if (error && error != LOG_CORRUPT)
            return error;
        self->position = base + (header.count ? header.count : 1);
        *left -= PROTOCOL_HEADER_BYTES + (int64_t)header.size;
        if (!error)
            error = batch_judge(self, log, &header, &body, NULL, &stays);
        if (error && error != LOG_CORRUPT)
            return error;
    }
    return 1;
}

/* ---- writing ---- */

static int batch_visit(struct log *log, const struct batch_header *header, const struct span *body,
                       void *context)
{
    struct retain *self = context;
    bool stays = true;
    int error = body ? batch_judge(self, log, header, body, log_rewrite_keep, &stays) : LOG_OK;
    return !error && stays ? log_rewrite_keep(log, NULL, NULL) : error;
}

static void segment_done(struct retain *self)
{
    self->counts.rewritten++;
    self->counts.records += self->records;
    self->counts.bytes += self->bytes;
    for (uint32_t i = 0; i < self->sum_count; i++) {
        struct sum *sum = &self->sums[i];
        uint64_t gone = self->streams[sum->stream].bytes;
        if (sum->first == self->segment.first)
            sum->bytes = sum->bytes > gone ? sum->bytes - gone : 0;
    }
    log_info("segment-retained",
             "first=%" PRIu64 " end=%" PRIu64 " records=%" PRIu64 " bytes=%" PRIu64,
             self->segment.first, self->end, self->records, self->bytes);
}

static int phase_write(struct retain *self, struct log *log, int64_t *left)
{
    int more = log_rewrite_step(log, (uint64_t)*left, batch_visit, self);
    *left = 0; /* each is a commit */
    if (more > 0)
        return 1;
    self->phase = PHASE_NEXT;
    if (more == LOG_CORRUPT || more == LOG_TRIMMED) {
        log_warn("segment-kept", "first=%" PRIu64 " why=\"%s\"", self->segment.first,
                 log_error_text(more));
        return 1;
    }
    if (more == 0)
        segment_done(self);
    return more == 0 ? 1 : more;
}

int retain_step(struct retain *self, struct log *log, uint64_t bytes)
{
    static int (*const phases[])(struct retain *, struct log *, int64_t *) = {
        phase_sum, phase_keys, phase_next, phase_look, phase_write};
    int64_t left = (int64_t)bytes;
    int more = self->live;
    while (more == 1 && left > 0)
        more = phases[self->phase](self, log, &left);
    log_read_end(log); /* no snapshot outlives a slice */
    if (more < 0)
        retain_drop(self, log);
    return more;
}
