/* tipoff replay - executes the deterministic actors again on the log of a night, in a scratch directory, and compares every
 * record that they emit with what the log has. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actors/features/features.h"
#include "actors/grader/grader.h"
#include "actors/janitor/sweep.h"
#include "actors/predictor/predictor.h"
#include "actors/processor/processor.h"
#include "actors/shard.h"
#include "broker/log.h"
#include "cli/command.h"
#include "cli/records.h"
#include "cli/replay.h"
#include "config/clock.h"
#include "config/exit.h"
#include "config/log.h"
#include "config/settings.h"
#include "schema/json.h"
#include "schema/messages.h"

#define HOUR_US INT64_C(3600000000)
#define STEP_RECORDS                                                                               \
    20000 /* fewer commits than a live shard makes; where steps end changes nothing */
#define STEP_BYTES (64 * 1024 * 1024)
#define SLICE_BATCHES 256
#define QUEUE_BATCHES 512 /* offered before a step is built */
#define LANES_MAX 4096

static const struct actor *const actors[] = {&processor_actor, &features_actor, &predictor_actor,
                                             &grader_actor};

struct replay {
    const struct cli *cli;
    struct records *records;
    struct log *log;
    struct settings settings;
    char scratch[CLI_PATH_MAX];
    uint64_t end; /* inputs before it are taken */
    int64_t night_us;
    uint64_t compared, taken;
    uint64_t *refused; /* ascending: inputs that the shard in hand made dead letters of */
    size_t refused_count, refused_capacity;
    bool differs, failed;
    json_t *difference;
};

/* ---- differences ---- */

static void differ(struct replay *self, const char *reader, const char *stream, uint16_t partition,
                   uint64_t sequence, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
static void differ(struct replay *self, const char *reader, const char *stream, uint16_t partition,
                   uint64_t sequence, const char *fmt, ...)
{
    char text[300];
    va_list args;
    self->differs = true;
    if (self->difference)
        return; /* the first one is what helps */
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    self->difference = json_object();
    json_object_set_new(self->difference, "shard", json_string(reader));
    json_object_set_new(self->difference, "stream", json_string(stream));
    json_object_set_new(self->difference, "partition", json_integer(partition));
    json_object_set_new(self->difference, "sequence", json_integer((json_int_t)sequence));
    json_object_set_new(self->difference, "rule", json_of_string(text));
}

/* ---- what the log has in one lane of the shard ---- */

struct out_lane {
    char stream[64];
    uint16_t partition;
    uint64_t next; /* sequence that the next emission will have */
    /* The batch that holds it: a copy, for its bytes must outlive the snapshot. */
    uint8_t *body;
    size_t body_capacity;
    struct batch_header header;
    struct batch_reader reader;
    uint64_t reader_seq, reader_position; /* of the record the reader gives next */
    bool open;
};

struct rerun {
    struct replay *replay;
    const struct actor *actor;
    const struct records_producer *producer;
    char name[48];
    struct shard *shard;
    struct out_lane *lanes;
    size_t lane_count;
};

static struct out_lane *lane_of(struct rerun *self, const char *stream, uint16_t partition)
{
    for (size_t i = 0; i < self->lane_count; i++)
        if (self->lanes[i].partition == partition && !strcmp(self->lanes[i].stream, stream))
            return &self->lanes[i];
    if (self->lane_count == LANES_MAX)
        return NULL;
    struct out_lane *lane = &self->lanes[self->lane_count++];
    memset(lane, 0, sizeof *lane);
    snprintf(lane->stream, sizeof lane->stream, "%s", stream);
    lane->partition = partition;
    lane->next = 1;
    return lane;
}

/* Opens the batch of the log that holds sequence lane->next. False if the log has none (`lane->open` is false then). */
static bool lane_open(struct rerun *self, struct out_lane *lane)
{
    struct log *log = self->replay->log;
    const struct records_stream *stream = records_stream_named(self->replay->records, lane->stream);
    struct log_seq found;
    struct span body;
    const char *rule;
    lane->open = false;
    if (!stream || log_lane_find(log, self->producer->id, stream->id, lane->partition, lane->next,
                                 &found) != LOG_OK)
        return false;
    int error = found.base
                    ? log_batch(log, found.base, &lane->header, &body)
                    : log_later_read(log, found.later_due_us, found.later_id, &lane->header, &body);
    if (error)
        return false;
    if (body.size > lane->body_capacity) {
        uint8_t *grown = realloc(lane->body, body.size);
        if (!grown)
            return false;
        lane->body = grown;
        lane->body_capacity = body.size;
    }
    memcpy(lane->body, body.data, body.size);
    lane->reader_seq = lane->header.first_seq;
    lane->reader_position = found.base;
    lane->open = batch_open(&lane->reader, lane->body, body.size, lane->header.count, &rule) == 0;
    return lane->open;
}

/* The record of the log at lane->next. */
static bool lane_record(struct rerun *self, struct out_lane *lane, struct record *record)
{
    const char *rule;
    if (!lane->open || lane->reader_seq > lane->next ||
        lane->next >= lane->header.first_seq + lane->header.count)
        if (!lane_open(self, lane))
            return false;
    while (lane->reader_seq <= lane->next) {
        if (batch_next(&lane->reader, record, &rule) != 1)
            return false;
        lane->reader_seq++;
        lane->reader_position++;
    }
    return true;
}

static bool same_bytes(const void *a, size_t a_size, const void *b, size_t b_size)
{
    return a_size == b_size && (a_size == 0 || memcmp(a, b, a_size) == 0);
}

static const char *unlike(const struct record *a, const struct record *b)
{
    if (!same_bytes(a->key, a->key_size, b->key, b->key_size))
        return "key";
    if (a->version != b->version)
        return "version";
    if (!same_bytes(a->parents, a->parent_count * sizeof *a->parents, b->parents,
                    b->parent_count * sizeof *b->parents))
        return "parents";
    return same_bytes(a->payload.data, a->payload.size, b->payload.data, b->payload.size)
               ? NULL
               : "payload";
}

static void compare_record(struct rerun *self, struct out_lane *lane, const struct record *made,
                           int64_t due_us)
{
    static struct record logged; /* large: not on the stack beside another one */
    struct replay *replay = self->replay;
    if (!lane_record(self, lane, &logged)) {
        differ(replay, self->name, lane->stream, lane->partition, lane->next,
               "the log does not have it: key %.*s", (int)made->key_size, made->key);
        return;
    }
    const char *what = unlike(made, &logged);
    int64_t logged_due_us = lane->header.due_us ? lane->header.due_us : CLOCK_NONE;
    if (!what && logged_due_us != due_us)
        what = "due";
    if (what)
        differ(replay, self->name, lane->stream, lane->partition, lane->next,
               "%s differs from position %" PRIu64 ": key %.*s", what, lane->reader_position - 1,
               (int)made->key_size, made->key);
}

static int visit_out(const struct shard_out *out, bool known, void *context)
{
    struct rerun *self = context;
    static struct record made;
    struct batch_reader reader;
    const char *rule;
    (void)known;
    struct out_lane *lane = lane_of(self, out->stream, out->partition);
    if (!lane || batch_open(&reader, out->body.data, out->body.size, out->count, &rule) != 0)
        return -1;
    while (batch_next(&reader, &made, &rule) == 1) {
        compare_record(self, lane, &made, out->due_us);
        lane->next++;
        self->replay->compared++;
    }
    return 0;
}

/* ---- its inputs, merged in log order ---- */

struct in_lane {
    const struct records_stream *stream;
    uint16_t partition;
    uint64_t base; /* of its next batch; UINT64_MAX: none */
};

struct inputs {
    struct in_lane lanes[LANES_MAX];
    size_t count;
};

static void lane_seek(struct replay *self, struct in_lane *lane, uint64_t position)
{
    uint64_t base;
    int error = log_next(self->log, lane->stream->id, lane->partition, position, &base);
    lane->base = error == LOG_OK && base < self->end ? base : UINT64_MAX;
    if (error != LOG_OK && error != LOG_NONE) {
        self->failed = true;
        log_error("log-unreadable", "position=%" PRIu64 " why=\"%s\"", position,
                  log_error_text(error));
    }
}

static void input_open(struct rerun *self, struct inputs *inputs, const struct take *take,
                       unsigned shards)
{
    const struct records_stream *stream =
        records_stream_named(self->replay->records, take->message->stream);
    for (uint16_t p = 0; stream && p < stream->partitions && inputs->count < LANES_MAX; p++) {
        if (!take->every_partition && p % shards != self->producer->shard)
            continue;
        struct in_lane *lane = &inputs->lanes[inputs->count++];
        *lane = (struct in_lane){.stream = stream, .partition = p};
        lane_seek(self->replay, lane, 1);
    }
}

static void inputs_open(struct rerun *self, struct inputs *inputs, unsigned shards)
{
    inputs->count = 0;
    for (const struct take *take = self->actor->takes; take && take->message; take++)
        input_open(self, inputs, take, shards);
    for (int i = 0; inputs->count && i < SHARD_OWN_TAKES; i++)
        input_open(self, inputs, shard_own_takes[i], shards);
}

/* 1: offered one; 0: no more; -1: cannot go on. */
static int offer_next(struct rerun *self, struct inputs *inputs)
{
    struct in_lane *least = NULL;
    struct batch_header header;
    struct span body;
    for (size_t i = 0; i < inputs->count; i++)
        if (inputs->lanes[i].base != UINT64_MAX && (!least || inputs->lanes[i].base < least->base))
            least = &inputs->lanes[i];
    if (!least)
        return 0;
    int error = log_batch(self->replay->log, least->base, &header, &body);
    if (error) {
        log_error("batch-unreadable", "base=%" PRIu64 " why=\"%s\"", least->base,
                  log_error_text(error));
        return -1;
    }
    struct shard_batch batch = {.base = header.base,
                                .count = header.count,
                                .stream = least->stream->name,
                                .time_us = header.time_us,
                                .body = body};
    if (shard_offer(self->shard, &batch) != 0)
        return -1;
    self->replay->taken += header.count;
    lane_seek(self->replay, least, header.base + header.count);
    return self->replay->failed ? -1 : 1;
}

/* ---- one shard, from the first record to the night's last ---- */

/* Builds steps until nothing waits. A record that says LATER cannot be waited for here: what it waits for is in its own
 * environment, so it is the same for ever. */
static int take_queued(struct rerun *self)
{
    enum shard_built built;
    while ((built = shard_build(self->shard, clock_mono_us())) == SHARD_BUILT) {
        if (shard_each_out(self->shard, visit_out, self) != 0 ||
            shard_commit(self->shard) != STORE_OK)
            return -1;
    }
    if (built == SHARD_NOTHING)
        return 0;
    log_error("replay-stopped", "shard=%s why=\"%s\"", self->name,
              built == SHARD_WAITING ? "a record said LATER"
                                     : store_error_text(shard_error(self->shard)));
    return -1;
}

static int feed(struct rerun *self, unsigned shards)
{
    static struct inputs inputs;
    int more = 1;
    inputs_open(self, &inputs, shards);
    while (more > 0) {
        for (unsigned count = 1; shard_queued(self->shard) < QUEUE_BATCHES && more > 0; count++) {
            more = offer_next(self, &inputs);
            if (count % SLICE_BATCHES == 0)
                log_read_end(self->replay->log);
        }
        log_read_end(self->replay->log);
        if (more < 0 || take_queued(self) != 0)
            return -1;
    }
    return 0;
}

/* A lane of the log must not go on where the re-execution ended, as far as its producer had read then. */
static void check_ends(struct rerun *self)
{
    struct replay *replay = self->replay;
    for (size_t i = 0; i < records_stream_count(replay->records); i++) {
        const struct records_stream *stream = records_stream_at(replay->records, i);
        if (!strncmp(stream->name, "ops.", 4) || !strcmp(stream->name, "dead"))
            continue; /* the kit's own words are not said again */
        for (uint16_t p = 0; p < stream->partitions; p++) {
            struct log_seq found;
            struct out_lane *lane = lane_of(self, stream->name, p);
            if (lane && log_lane_find(replay->log, self->producer->id, stream->id, p, lane->next,
                                      &found) == LOG_OK)
                differ(replay, self->name, stream->name, p, lane->next,
                       "the log has more than was emitted: position %" PRIu64, found.base);
        }
    }
    log_read_end(replay->log);
}

/* ---- what was refused, and is again ---- */

struct refusals {
    struct replay *replay;
    const char *reader;
};

/* A letter's first parent is what its reader had in hand. */
static int visit_letter(const struct records_item *item, void *context)
{
    static struct msg_dead_letter letter;
    const struct refusals *of = context;
    struct replay *self = of->replay;
    if (records_message(item, &msg_dead_letter_desc, &letter) != 0 ||
        strcmp(letter.reader, of->reader) != 0 || item->record->parent_count == 0)
        return 0;
    if (self->refused_count == self->refused_capacity) {
        size_t capacity = self->refused_capacity ? 2 * self->refused_capacity : 64;
        uint64_t *grown = realloc(self->refused, capacity * sizeof *grown);
        if (!grown)
            return -1;
        self->refused = grown;
        self->refused_capacity = capacity;
    }
    self->refused[self->refused_count++] = item->record->parents[0];
    return 0;
}

static int compare_positions(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static int refusals_find(struct replay *self, const char *reader)
{
    struct refusals of = {self, reader};
    self->refused_count = 0;
    if (!records_stream_named(self->records, msg_dead_letter_desc.stream))
        return 0;
    if (records_each(self->records, msg_dead_letter_desc.stream, 0, UINT64_MAX, visit_letter, &of) <
        0)
        return -1;
    if (self->refused_count)
        qsort(self->refused, self->refused_count, sizeof *self->refused, compare_positions);
    return 0;
}

static bool was_refused(void *context, uint64_t position)
{
    const struct replay *self = context;
    return self->refused_count && bsearch(&position, self->refused, self->refused_count,
                                          sizeof *self->refused, compare_positions);
}

static uint16_t partitions_of(void *context, const char *stream)
{
    const struct replay *self = context;
    const struct records_stream *found = records_stream_named(self->records, stream);
    return found ? found->partitions : 0;
}

static int run_shard(struct rerun *self, void *memory)
{
    struct replay *replay = self->replay;
    char path[CLI_PATH_MAX + 64];
    struct store *store;
    uint16_t shards = self->producer->shards ? self->producer->shards : 1;
    if (refusals_find(replay, self->name) != 0) {
        log_error("log-unreadable", "stream=%s", msg_dead_letter_desc.stream);
        return -1;
    }
    snprintf(path, sizeof path, "%s/%s-%u", replay->scratch, self->actor->name,
             self->producer->shard);
    int error =
        store_open(&store, path,
                   &(struct store_options){.map_bytes = (size_t)replay->settings.store.map_bytes,
                                           .scratch = true});
    if (error) {
        log_error("scratch-failed", "dir=%s why=\"%s\"", path, store_error_text(error));
        return -1;
    }
    struct shard_options options = {.actor = self->actor,
                                    .self = memory,
                                    .settings = &replay->settings,
                                    .host = "replay",
                                    .number = self->producer->shard,
                                    .shards = shards,
                                    .store = store,
                                    .partitions = partitions_of,
                                    .context = replay,
                                    .replay = true,
                                    .refused = was_refused};
    struct shard_start start = {.epoch = 1, .cursor = 1};
    error = shard_open(&self->shard, &options);
    if (!error)
        error = shard_start(self->shard, &start);
    if (!error)
        shard_quiet_until(self->shard, UINT64_MAX);
    int result = error ? -1 : feed(self, shards);
    if (error)
        log_error("scratch-failed", "dir=%s why=\"%s\"", path, store_error_text(error));
    shard_close(&self->shard);
    store_close(&store);
    return result;
}

/* How far the live shard had read: its own environment says so, or what it last reported. */
static uint64_t cursor_of(const struct replay *self, const struct records_producer *producer)
{
    char path[CLI_PATH_MAX];
    struct store *store;
    struct store_txn *txn;
    struct shard_state state = {.cursor = producer->cursor};
    snprintf(path, sizeof path, "%s/shards/%s-%u", self->cli->dir, producer->actor,
             producer->shard);
    if (store_open(&store, path, &(struct store_options){.read_only = true}) != STORE_OK)
        return producer->cursor;
    if (store_begin(store, false, &txn) == STORE_OK) {
        if (shard_env_state(txn, &state) != STORE_OK)
            state.cursor = producer->cursor;
        store_abort(&txn);
    }
    store_close(&store);
    return state.cursor;
}

static void lanes_free(struct rerun *self)
{
    for (size_t i = 0; self->lanes && i < self->lane_count; i++)
        free(self->lanes[i].body);
    free(self->lanes);
}

/* With a memory of the actor's own. Keeps the lanes: whoever is done with them frees them. */
static int run_actor(struct rerun *self)
{
    bool failed = false;
    void *memory = self->actor->start ? self->actor->start(&self->replay->settings, &failed) : NULL;
    self->lanes = calloc(LANES_MAX, sizeof *self->lanes);
    snprintf(self->name, sizeof self->name, "%s.%u", self->actor->name, self->producer->shard);
    int result = failed || !self->lanes ? -1 : run_shard(self, memory);
    if (self->actor->stop)
        self->actor->stop(memory);
    return result;
}

static int rerun(struct replay *replay, const struct actor *actor,
                 const struct records_producer *producer)
{
    struct rerun self = {.replay = replay, .actor = actor, .producer = producer};
    uint64_t night_end = replay->end, cursor = cursor_of(replay, producer);
    if (cursor < replay->end)
        replay->end = cursor;
    int result = run_actor(&self);
    if (result == 0 && cursor <= night_end)
        check_ends(&self);
    replay->end = night_end;
    lanes_free(&self);
    return result;
}

/* ---- the night ---- */

/* The night of D lasts until noon of the next day; what was appended by then, however the clock stood before, is taken. */
static int find_night(struct replay *self, int32_t date)
{
    int64_t from_us = clock_date_start_us(date),
            to_us = clock_date_start_us(clock_date_add(date, 1)) + 12 * HOUR_US;
    int64_t first_us = CLOCK_NONE, last_us = CLOCK_NONE;
    uint64_t position = log_first(self->log), head = log_head(self->log);
    while (position < head) {
        uint64_t base;
        struct batch_header header;
        struct span body;
        if (log_next_any(self->log, position, &base) != LOG_OK ||
            log_batch(self->log, base, &header, &body) != LOG_OK)
            break;
        position = header.base + header.count;
        if (header.time_us < from_us || header.time_us > to_us)
            continue;
        if (first_us == CLOCK_NONE)
            first_us = header.time_us;
        last_us = header.time_us;
        self->end = position;
    }
    log_read_end(self->log);
    self->night_us = self->end ? last_us - first_us : 0;
    return self->end ? 0 : -1;
}

static int make_scratch(struct replay *self)
{
    char path[CLI_PATH_MAX];
    if (mkdir(cli_path(self->cli, path, "scratch"), 0755) != 0 && errno != EEXIST)
        return -1;
    snprintf(path, sizeof path, "scratch/replay-%d", (int)getpid());
    cli_path(self->cli, self->scratch, path);
    return mkdir(self->scratch, 0755);
}

static int rerun_all(struct replay *self)
{
    for (size_t a = 0; a < sizeof actors / sizeof *actors; a++)
        for (size_t i = 0; i < records_producer_count(self->records); i++) {
            const struct records_producer *producer = records_producer_at(self->records, i);
            if (!strcmp(producer->actor, actors[a]->name) && rerun(self, actors[a], producer) != 0)
                return -1;
        }
    return 0;
}

static void replay_begin(struct replay *self, const struct cli *cli)
{
    *self = (struct replay){.cli = cli, .settings = *cli->settings};
    self->settings.actor.step_records = STEP_RECORDS;
    self->settings.actor.step_bytes = STEP_BYTES;
}

int rerun_until(const struct cli *cli, struct records *records,
                const struct records_producer *producer, uint64_t end, struct rerun_env *out)
{
    static struct replay self;
    struct rerun shard = {.replay = &self, .producer = producer};
    replay_begin(&self, cli);
    self.records = records;
    self.log = records_log(records);
    self.end = end;
    for (size_t a = 0; a < sizeof actors / sizeof *actors; a++)
        if (!strcmp(producer->actor, actors[a]->name))
            shard.actor = actors[a];
    if (!shard.actor)
        return EXIT_NO;
    if (make_scratch(&self) != 0)
        return EXIT_UNREACHABLE;
    int result = run_actor(&shard);
    lanes_free(&shard);
    json_decref(self.difference);
    free(self.refused);
    snprintf(out->scratch, sizeof out->scratch, "%s", self.scratch);
    snprintf(out->path, sizeof out->path, "%s/%s-%u", self.scratch, shard.actor->name,
             producer->shard);
    if (result != 0)
        rerun_remove(out);
    return result ? EXIT_DATA : EXIT_OK;
}

void rerun_remove(const struct rerun_env *env)
{
    sweep_remove(env->scratch);
}

static void print_replay(const struct replay *self, double seconds)
{
    json_t *out = json_object();
    double speed = seconds > 0 ? (double)self->night_us / 1e6 / seconds : 0;
    json_object_set_new(out, "records", json_integer((json_int_t)self->compared));
    json_object_set_new(out, "inputs", json_integer((json_int_t)self->taken));
    json_object_set_new(out, "seconds", json_of_number(seconds));
    json_object_set_new(out, "records_per_s",
                        json_of_number(seconds > 0 ? (double)self->compared / seconds : 0));
    json_object_set_new(out, "times_real_time", json_of_number(speed));
    json_object_set_new(out, "identical", json_boolean(!self->differs));
    json_object_set(out, "first_difference", self->difference ? self->difference : json_null());
    if (self->cli->json) {
        json_print(stdout, out, 0);
    } else {
        char *text = self->difference ? json_text(self->difference) : NULL;
        printf("%" PRIu64 " records compared in %.2f s (%.0f/s, %.0f times real time): %s%s\n",
               self->compared, seconds, seconds > 0 ? (double)self->compared / seconds : 0, speed,
               self->differs ? "DIFFERENT: " : "identical", text ? text : "");
        free(text);
    }
    json_decref(out);
}

static int replay_night(struct replay *self, int32_t date)
{
    int64_t begun_us = clock_mono_us();
    if (find_night(self, date) != 0)
        return cli_fail(self->cli, EXIT_NO, "the log has nothing of that night");
    if (make_scratch(self) != 0)
        return cli_fail(self->cli, EXIT_UNREACHABLE, "%s: %s", self->scratch, strerror(errno));
    int result = rerun_all(self);
    sweep_remove(self->scratch); /* a kill leaves it to the janitor */
    if (result != 0)
        return cli_fail(self->cli, EXIT_DATA, "could not be re-executed");
    print_replay(self, (double)(clock_mono_us() - begun_us) / 1e6);
    return self->differs ? EXIT_NO : EXIT_OK;
}

static int replay_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    static struct replay self;
    char why[256];
    int32_t date = 0;
    replay_begin(&self, cli);
    int code = cli_date(cli, "date", &date);
    if (!code && !date)
        code = cli_fail(cli, EXIT_USAGE, "wants --date D");
    if (code)
        return code;
    code = records_open(&self.records, cli->dir, why, sizeof why);
    if (code)
        return cli_fail(cli, code, "%s", why);
    self.log = records_log(self.records);
    code = replay_night(&self, date);
    json_decref(self.difference);
    free(self.refused);
    records_close(&self.records);
    return code;
}

static const struct command_option options[] = {
    {"date", "D", "the night (YYYY-MM-DD)"},
    {NULL, NULL, NULL},
};

const struct command command_replay = {
    .name = "replay",
    .args = "",
    .summary = "execute a night again from the log and compare every record",
    .options = options,
    .run = replay_run,
};
