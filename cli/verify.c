/* tipoff verify - walks the log and the stores, and says all that does not hold. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/log.h"
#include "cli/command.h"
#include "cli/records.h"
#include "cli/snapshots.h"
#include "config/exit.h"
#include "config/settings.h"
#include "store/shard_env.h"

#define SLICE_BATCHES 256
#define SAID_MAX 1000 /* of each list; more are counted only */

struct range {
    uint32_t producer;
    uint16_t stream, partition;
    uint32_t count;
    uint64_t first_seq, base;
};

/* Where the walk is, for the process that waits for it. LMDB follows the page numbers of a damaged index without a look at them:
 * that can end the process, and must not end it without a word. */
struct place {
    uint64_t position; /* 0: not in the log */
    char what[80];
};

struct verify {
    volatile struct place *place;
    struct records *records;
    struct log *log;
    const char *dir;
    uint64_t batches, count, removed, bad_count, unhandled_count; /* removed: by retention */
    json_t *bad, *unhandled;
    struct range *ranges;
    size_t range_count, range_capacity;
};

static void say_bad(struct verify *self, uint64_t position, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void say_bad(struct verify *self, uint64_t position, const char *fmt, ...)
{
    char text[400];
    va_list args;
    if (self->bad_count++ >= SAID_MAX)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    json_t *row = json_object();
    json_object_set_new(row, "position",
                        position ? json_integer((json_int_t)position) : json_null());
    json_object_set_new(row, "rule", json_of_string(text));
    json_array_append_new(self->bad, row);
}

/* ---- the log: positions, CRCs, records, references ---- */

static const struct records_stream *stream_of(const struct verify *self, uint16_t id)
{
    for (size_t i = 0; i < records_stream_count(self->records); i++)
        if (records_stream_at(self->records, i)->id == id)
            return records_stream_at(self->records, i);
    return NULL;
}

static const struct records_producer *producer_of(const struct verify *self, uint32_t id)
{
    for (size_t i = 0; i < records_producer_count(self->records); i++)
        if (records_producer_at(self->records, i)->id == id)
            return records_producer_at(self->records, i);
    return NULL;
}

static void check_payload(struct verify *self, uint64_t position,
                          const struct records_stream *stream, const struct record *record)
{
    const struct message_desc *desc = message_of_stream(stream->name);
    struct message_error error;
    if (!desc || desc->version != record->version)
        return; /* of another application, or of other times */
    void *message = malloc(desc->struct_size);
    if (message &&
        message_decode(desc, record->payload.data, record->payload.size, message, &error) != 0)
        say_bad(self, position, "%s.%s: %s", desc->name, error.field, error.rule);
    free(message);
}

static void check_record(struct verify *self, uint64_t position, const struct batch_header *header,
                         const struct records_stream *stream, const struct record *record)
{
    uint32_t partition = record_partition(record->key, record->key_size, stream->partitions);
    if (partition != header->partition)
        say_bad(self, position, "partition %u, its key says %u", header->partition, partition);
    for (uint32_t i = 0; i < record->parent_count; i++)
        if (!record->parents[i] || record->parents[i] >= position)
            say_bad(self, position, "parent %" PRIu64 " is not an earlier position",
                    record->parents[i]);
    check_payload(self, position, stream, record);
}

static void check_records(struct verify *self, const struct batch_header *header,
                          const struct span *body)
{
    struct batch_reader reader;
    struct record record;
    const char *rule;
    const struct records_stream *stream = stream_of(self, header->stream);
    if (!stream || header->partition >= stream->partitions) {
        say_bad(self, header->base, "stream %u partition %u are unknown", header->stream,
                header->partition);
        return;
    }
    if (!producer_of(self, header->producer))
        say_bad(self, header->base, "producer %u is unknown", header->producer);
    if (batch_open(&reader, body->data, body->size, header->count, &rule) != 0) {
        say_bad(self, header->base, "batch: %s", rule);
        return;
    }
    uint64_t position = header->base;
    int more;
    while ((more = batch_next(&reader, &record, &rule)) == 1)
        check_record(self, position++, header, stream, &record);
    if (more < 0)
        say_bad(self, position, "record: %s", rule);
    else if (position != header->base + header->count)
        say_bad(self, header->base, "batch holds %" PRIu64 " records, its header says %u",
                position - header->base, header->count);
}

static bool note_range(struct verify *self, const struct batch_header *header)
{
    if (self->range_count == self->range_capacity) {
        size_t capacity = self->range_capacity ? self->range_capacity * 2 : 4096;
        struct range *grown = realloc(self->ranges, capacity * sizeof *grown);
        if (!grown)
            return false;
        self->ranges = grown;
        self->range_capacity = capacity;
    }
    self->ranges[self->range_count++] = (struct range){.producer = header->producer,
                                                       .stream = header->stream,
                                                       .partition = header->partition,
                                                       .count = header->count,
                                                       .first_seq = header->first_seq,
                                                       .base = header->base};
    return true;
}

/* The end of the hole that `position` is in, which retention has said; `position` itself if it is in none. */
static uint64_t hole_end(struct verify *self, uint64_t position)
{
    struct batch_header hole;
    struct span body;
    return log_batch(self->log, position, &hole, &body) == LOG_REMOVED ? hole.base + hole.count
                                                                       : position;
}

/* From `position` to `base`, where the next batch stands, there must be holes and nothing else. Where that ends. */
static uint64_t walk_holes(struct verify *self, uint64_t position, uint64_t base)
{
    uint64_t end;
    while (position < base && (end = hole_end(self, position)) > position) {
        self->removed += end - position;
        position = end;
    }
    return position;
}

static void place_note(struct verify *self, const char *what, uint64_t position)
{
    struct place place = {.position = position};
    snprintf(place.what, sizeof place.what, "%s", what);
    *self->place = place;
}

/* The segment that holds `position`; returns where the next one begins. */
static uint64_t place_segment(struct verify *self, uint64_t position)
{
    struct log_segment_info info, found = {.name = "log"};
    uint64_t next = UINT64_MAX;
    for (uint32_t i = 0; log_segment_at(self->log, i, &info) == LOG_OK; i++) {
        if (info.first <= position)
            found = info;
        else if (info.first < next)
            next = info.first;
    }
    place_note(self, found.name, position);
    return next;
}

static int walk_log(struct verify *self)
{
    uint64_t next_segment = 0;
    uint64_t position = log_first(self->log), head = log_head(self->log);
    while (position < head) {
        struct batch_header header;
        struct span body;
        uint64_t base;
        if (position >= next_segment)
            next_segment = place_segment(self, position);
        self->place->position = position;
        int error = log_next_any(self->log, position, &base);
        position = walk_holes(self, position, error ? head : base);
        if (error && position == head)
            break;
        if (error || base != position) {
            const struct place place = *self->place;
            say_bad(self, position,
                    error ? "missing in %s: the log ends at %" PRIu64
                          : "missing in %s up to %" PRIu64,
                    place.what, error ? head : base);
            if (error || base < position)
                break;
        }
        error = log_batch(self->log, base, &header, &body);
        if (error) {
            say_bad(self, base, "batch: %s", log_error_text(error));
            position = base + (header.count ? header.count : 1);
            continue;
        }
        check_records(self, &header, &body);
        if (!note_range(self, &header))
            return -1;
        self->count += header.count;
        position = header.base + header.count;
        if (++self->batches % SLICE_BATCHES == 0)
            log_read_end(self->log);
    }
    log_read_end(self->log);
    return 0;
}

/* ---- sequences: in each lane every number once ---- */

static int compare_ranges(const void *left, const void *right)
{
    const struct range *a = left, *b = right;
    if (a->producer != b->producer)
        return a->producer < b->producer ? -1 : 1;
    if (a->stream != b->stream)
        return a->stream < b->stream ? -1 : 1;
    if (a->partition != b->partition)
        return a->partition < b->partition ? -1 : 1;
    return a->first_seq < b->first_seq ? -1 : a->first_seq > b->first_seq;
}

static bool same_lane(const struct range *a, const struct range *b)
{
    return a->producer == b->producer && a->stream == b->stream && a->partition == b->partition;
}

/* Of a batch that was appended and is not at its place any more: how many of its sequences from `seq` on retention removed. */
static uint64_t removed_from(struct verify *self, const struct log_seq *found, uint64_t seq)
{
    uint64_t position = found->base + (seq - found->first_seq);
    uint64_t end = hole_end(self, position), last = found->base + found->count;
    return (end < last ? end : last) - position;
}

/* A gap is allowed where the missing sequences still wait for their time, or where retention removed them. */
static bool accounted_for(struct verify *self, const struct range *lane, uint64_t from, uint64_t to)
{
    while (from < to) {
        struct log_seq found;
        if (log_lane_find(self->log, lane->producer, lane->stream, lane->partition, from, &found) !=
            LOG_OK)
            return false;
        uint64_t removed = found.base ? removed_from(self, &found, from) : 0;
        if (found.base && removed == 0)
            return false;
        from = found.base ? from + removed : found.first_seq + found.count;
    }
    return true;
}

static void check_sequences(struct verify *self)
{
    bool trimmed = log_first(self->log) > 1;
    if (self->range_count)
        qsort(self->ranges, self->range_count, sizeof *self->ranges, compare_ranges);
    for (size_t i = 0; i < self->range_count; i++) {
        const struct range *range = &self->ranges[i],
                           *before = i && same_lane(range, range - 1) ? range - 1 : NULL;
        uint64_t next = before ? before->first_seq + before->count : 1;
        if (range->first_seq < next)
            say_bad(self, range->base, "sequence %" PRIu64 " is there twice in its lane",
                    range->first_seq);
        else if (range->first_seq > next && (before || !trimmed) &&
                 !accounted_for(self, range, next, range->first_seq))
            say_bad(self, range->base,
                    "sequences %" PRIu64 " to %" PRIu64 " are missing from its lane", next,
                    range->first_seq - 1);
    }
    log_read_end(self->log);
}

/* ---- the stores: outboxes, lanes, and what became of each record read ---- */

struct shard_check {
    struct verify *verify;
    const struct records_producer *producer;
    const char *name;
    struct shard_state state;
};

static int check_lane(const struct shard_lane *lane, void *context)
{
    struct shard_check *check = context;
    const struct records_stream *stream =
        records_stream_named(check->verify->records, lane->stream);
    struct log_seq found;
    if (!stream || lane->acked > lane->last)
        say_bad(check->verify, 0, "%s: lane %s/%u: acknowledged %" PRIu64 " of %" PRIu64,
                check->name, lane->stream, lane->partition, lane->acked, lane->last);
    else if (lane->acked && log_first(check->verify->log) == 1 &&
             log_lane_find(check->verify->log, check->producer->id, stream->id, lane->partition,
                           lane->acked, &found) != LOG_OK)
        say_bad(check->verify, 0,
                "%s: lane %s/%u: sequence %" PRIu64 " was acknowledged and is not in the log",
                check->name, lane->stream, lane->partition, lane->acked);
    return 0;
}

/* What waits in an outbox and is in the log already must be the same there. Its own CRC was compared by whoever walks. */
static int check_out(const struct shard_out *out, void *context)
{
    struct shard_check *check = context;
    const struct records_stream *stream = records_stream_named(check->verify->records, out->stream);
    struct log_seq found;
    if (!stream || log_lane_find(check->verify->log, check->producer->id, stream->id,
                                 out->partition, out->first_seq, &found) != LOG_OK)
        return 0;
    if (found.first_seq != out->first_seq || found.count != out->count ||
        found.crc != pack_crc32c(0, out->body.data, out->body.size))
        say_bad(check->verify, found.base,
                "%s: lane %s/%u: its outbox has sequence %" PRIu64 " otherwise", check->name,
                out->stream, out->partition, out->first_seq);
    return 0;
}

struct counting {
    uint64_t own, all;
    unsigned shard, shards;
};

static int count_record(const struct records_item *item, void *context)
{
    struct counting *counting = context;
    counting->all++;
    counting->own += item->header->partition % counting->shards == counting->shard;
    return 0;
}

/* Every record below the cursor was DONE or NEVER, once. A shard reads its own partitions of a stream, or all of them. */
static int check_count(const struct shard_count *count, void *context)
{
    struct shard_check *check = context;
    struct verify *self = check->verify;
    uint64_t from = check->state.counted_from > log_first(self->log) ? check->state.counted_from
                                                                     : log_first(self->log);
    struct counting counting = {.shard = check->producer->shard, .shards = check->producer->shards};
    uint64_t handled = count->done + count->never;
    if (!counting.shards)
        counting.shards = 1;
    const struct records_stream *stream = records_stream_named(self->records, count->stream);
    if (check->state.counted_from < log_first(self->log) && log_first(self->log) > 1)
        return 0; /* what it counted is trimmed */
    if (stream && from < stream->whole_from)
        return 0; /* ... or removed since by retention */
    if (records_each(self->records, count->stream, from, check->state.cursor, count_record,
                     &counting) < 0)
        return STORE_IO;
    if (handled == counting.own || handled == counting.all || self->unhandled_count++ >= SAID_MAX)
        return 0;
    json_t *row = json_object();
    json_object_set_new(row, "reader", json_of_string(check->name));
    json_object_set_new(row, "stream", json_of_string(count->stream));
    json_object_set_new(row, "from", json_integer((json_int_t)from));
    json_object_set_new(row, "cursor", json_integer((json_int_t)check->state.cursor));
    json_object_set_new(row, "records", json_integer((json_int_t)counting.own));
    json_object_set_new(row, "done", json_integer((json_int_t)count->done));
    json_object_set_new(row, "never", json_integer((json_int_t)count->never));
    json_array_append_new(self->unhandled, row);
    return 0;
}

static int check_tables(struct shard_check *check, struct store_txn *txn)
{
    int error = shard_env_state(txn, &check->state);
    if (error == STORE_NOT_FOUND)
        return 0; /* made and never used */
    if (!error && check->state.cursor > log_head(check->verify->log))
        say_bad(check->verify, 0, "%s: its cursor %" PRIu64 " is beyond the log's end", check->name,
                check->state.cursor);
    if (!error)
        error = shard_env_each_lane(txn, check_lane, check);
    if (!error)
        error = shard_env_each_out(txn, check_out, check);
    /* Cut short while a snapshot was loaded: the counts are there before the cursor they belong to, and both are loaded anew. */
    bool loading = check->state.rebuilding && check->state.cursor <= 1;
    if (!error && !loading)
        error = shard_env_each_count(txn, check_count, check);
    return error;
}

/* `folder` is <actor>-<shard>; an actor's name may hold a hyphen too. */
static bool folder_names(const char *folder, char actor[33], unsigned *shard)
{
    const char *hyphen = strrchr(folder, '-');
    size_t size = hyphen ? (size_t)(hyphen - folder) : 0;
    if (size == 0 || size > 32 || sscanf(hyphen + 1, "%u", shard) != 1)
        return false;
    memcpy(actor, folder, size);
    actor[size] = '\0';
    return true;
}

static void check_shard(struct verify *self, const char *folder)
{
    char path[CLI_PATH_MAX], name[48], actor[33];
    unsigned shard;
    struct store *store;
    struct store_txn *txn;
    struct store_options options = {.read_only = true};
    if (!folder_names(folder, actor, &shard))
        return;
    snprintf(name, sizeof name, "%s.%u", actor, shard);
    snprintf(path, sizeof path, "%s/shards/%s", self->dir, folder);
    struct shard_check check = {
        .verify = self, .name = name, .producer = records_producer_of(self->records, actor, shard)};
    if (!check.producer)
        return; /* never leased: it wrote and read nothing */
    int error = store_open(&store, path, &options);
    if (error == STORE_NOT_FOUND || (error == STORE_IO && errno == ENOENT))
        return;
    if (!error) {
        error = store_begin(store, false, &txn);
        if (!error) {
            /* What was appended until this snapshot began is all it can refer to. */
            records_refresh(self->records);
            check.producer =
                records_producer_of(self->records, actor, shard); /* the names were read anew */
            error = check_tables(&check, txn);
            store_abort(&txn);
        }
        store_close(&store);
    }
    log_read_end(self->log);
    if (error)
        say_bad(self, 0, "%s: its store: %s", name, store_error_text(error));
}

static void check_shards(struct verify *self)
{
    char path[CLI_PATH_MAX];
    snprintf(path, sizeof path, "%s/shards", self->dir);
    DIR *folder = opendir(path);
    for (const struct dirent *entry; folder && (entry = readdir(folder));)
        if (entry->d_name[0] != '.')
            check_shard(self, entry->d_name);
    if (folder)
        closedir(folder);
}

static void bad_snapshot(void *context, const char *name, const char *why)
{
    say_bad(context, 0, "snapshot %s: %s", name, why);
}

static void check_snapshots(struct verify *self, const char *root)
{
    char path[CLI_PATH_MAX];
    snprintf(path, sizeof path, "%s/snapshots", self->dir);
    (void)snapshots_verify(root[0] ? root : path, bad_snapshot, self);
}

/* ---- dead letters: one refusal of a record by a reader ---- */

static int check_letter(const struct records_item *item, void *context)
{
    struct verify *self = context;
    const struct message_desc *desc = message_of_stream("dead");
    json_t *payload = desc ? records_payload(item) : NULL;
    json_int_t position = json_integer_value(json_object_get(payload, "position"));
    if (payload && (position <= 0 || (uint64_t)position >= item->position))
        say_bad(self, item->position, "dead letter about position %lld", (long long)position);
    json_decref(payload);
    return 0;
}

static void print_verify(const struct verify *self)
{
    size_t i;
    json_t *row;
    printf("%" PRIu64 " batches, %" PRIu64 " records, %" PRIu64 " bad, %" PRIu64 " unhandled\n",
           self->batches, self->count, self->bad_count, self->unhandled_count);
    if (self->removed)
        printf("%" PRIu64 " records removed by retention\n", self->removed);
    json_array_foreach(self->bad, i, row)
    {
        printf("bad: position %lld: %s\n",
               (long long)json_integer_value(json_object_get(row, "position")),
               json_string_value(json_object_get(row, "rule")));
    }
    json_array_foreach(self->unhandled, i, row)
    {
        char *text = json_text(row);
        printf("unhandled: %s\n", text);
        free(text);
    }
}

static void print_json(const struct verify *self)
{
    json_t *out = json_object();
    json_object_set_new(out, "batches", json_integer((json_int_t)self->batches));
    json_object_set_new(out, "records", json_integer((json_int_t)self->count));
    if (self->removed)
        json_object_set_new(out, "removed", json_integer((json_int_t)self->removed));
    json_object_set(out, "bad", self->bad);
    json_object_set(out, "unhandled", self->unhandled);
    json_print(stdout, out, 0);
    json_decref(out);
}

static int verify_all(struct cli *cli, struct verify *self)
{
    char why[256];
    place_note(self, "log, when it was opened", 0);
    int code = records_open(&self->records, cli->dir, why, sizeof why);
    if (code)
        return cli_fail(cli, code, "%s", why);
    self->log = records_log(self->records);
    if (walk_log(self) != 0) {
        records_close(&self->records);
        return cli_fail(cli, EXIT_UNREACHABLE, "no memory");
    }
    place_note(self, "index of the lanes", 0);
    check_sequences(self);
    records_each(self->records, "dead", 0, UINT64_MAX, check_letter, self);
    place_note(self, "stores of the shards", 0);
    check_shards(self);
    place_note(self, "snapshots", 0);
    check_snapshots(self, cli->settings->snapshot.dir);
    records_close(&self->records);
    return EXIT_OK;
}

static int verify_say(const struct cli *cli, const struct verify *self)
{
    if (cli->json)
        print_json(self);
    else
        print_verify(self);
    return self->bad_count || self->unhandled_count ? EXIT_NO : EXIT_OK;
}

/* In the child: all of it. */
static int verify_child(struct cli *cli, struct verify *self)
{
    int code = verify_all(cli, self);
    if (!code)
        code = verify_say(cli, self);
    free(self->ranges);
    return code;
}

static int verify_wait(struct cli *cli, struct verify *self, pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return cli_fail(cli, EXIT_UNREACHABLE, "waitpid: %s", strerror(errno));
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    struct place at = *self->place;
    say_bad(self, at.position,
            "%.79s: its structure is damaged: reading it ended with signal %d (%s); what comes "
            "after it was not looked at",
            at.what, WTERMSIG(status), strsignal(WTERMSIG(status)));
    return verify_say(cli, self);
}

static int verify_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    struct verify self = {.dir = cli->dir, .bad = json_array(), .unhandled = json_array()};
    void *place =
        mmap(NULL, sizeof *self.place, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int code = EXIT_UNREACHABLE;
    fflush(NULL);
    self.place = place;
    pid_t child = place == MAP_FAILED ? -1 : fork();
    if (child == 0)
        code = verify_child(cli, &self);
    else if (child > 0)
        code = verify_wait(cli, &self, child);
    else
        code = cli_fail(cli, EXIT_UNREACHABLE, "%s", strerror(errno));
    json_decref(self.bad);
    json_decref(self.unhandled);
    if (place != MAP_FAILED)
        munmap(place, sizeof *self.place);
    return code;
}

const struct command command_verify = {
    .name = "verify",
    .args = "",
    .summary = "walk the log and the stores: every CRC, sequence, reference and verdict",
    .run = verify_run,
};
