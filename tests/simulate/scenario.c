#include "tests/simulate/scenario.h"

#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actors/kit.h"
#include "broker/broker.h"
#include "broker/log.h"
#include "config/version.h"
#include "schema/messages.h"
#include "schema/record.h"
#include "tests/proof/proof.h"
#include "tests/simulate/disk.h"

enum { KEYS = 4, NUMBERS = 8, BURST = 3, TIMER_EVERY = 3, REWIND_AT = 20, REWIND_TO = 12 };
#define STREAMS_ALL (SCENARIO_STREAMS + 4)
#define SECOND_US INT64_C(1000000)
#define HALF_US (8 * SECOND_US) /* the second half of the numbers comes then */
#define END_US                                                                                     \
    (HALF_US + 2 * SECOND_US) /* at the earliest: who stood still has been refused by then */
#define LIMIT_US (600 * SECOND_US)

bool scenario_lie;

/* ---- the actors ---- */

static uint64_t number_of(struct store_txn *txn, const char *table, const char *key)
{
    struct span row;
    uint64_t number = 0;
    if (store_get(txn, table, STORE_UNDATED, key, strlen(key), &row) == STORE_OK)
        memcpy(&number, row.data, sizeof number);
    return number;
}

static void number_put(struct store_txn *txn, const char *table, const char *key, uint64_t number)
{
    (void)store_put(txn, table, STORE_UNDATED, key, strlen(key), &number, sizeof number);
}

/* A shard is set back in the middle: to before the numbers' first half is over. */
static void source_rewind(struct step *step)
{
    struct msg_ops_rewind out;
    message_clear(&msg_ops_rewind_desc, &out);
    snprintf(out.reader, sizeof out.reader, "proof-join.0");
    out.position = REWIND_TO;
    snprintf(out.by, sizeof out.by, "scenario");
    out.at = step_now_us(step);
    step_emit(step, &msg_ops_rewind_desc, &out);
}

static bool source_next(struct step *step)
{
    struct msg_proof_number out;
    uint64_t next = number_of(step_store(step), "next", "n");
    if (next >= KEYS * NUMBERS ||
        (next >= KEYS * NUMBERS / 2 && clock_mono_us() < HALF_US + SECOND_US))
        return false;
    message_clear(&msg_proof_number_desc, &out);
    snprintf(out.key, sizeof out.key, "key-%d", (int)(next % KEYS));
    out.number = next / KEYS + 1;
    out.value = next * 7919 % 1000;
    number_put(step_store(step), "next", "n", next + 1);
    step_emit(step, &msg_proof_number_desc, &out);
    if (next + 1 == REWIND_AT)
        source_rewind(step);
    return true;
}

static void source_work(void *self, struct kit *kit, const struct pollfd *fds, int count)
{
    (void)self;
    (void)fds;
    (void)count;
    struct step *step = kit_step(kit);
    uint32_t out = 0;
    while (step && out < BURST && source_next(step))
        out++;
    if (out)
        (void)kit_commit(kit, &step);
    else if (step)
        kit_abort(kit, &step);
}

static int source_fds(void *self, struct pollfd *fds, int max, int64_t *timeout_us)
{
    (void)self;
    (void)fds;
    (void)max;
    if (*timeout_us > 100000)
        *timeout_us = 100000;
    return 0;
}

static enum verdict count_number(struct step *step, const struct input *input, void *self)
{
    const struct msg_proof_number *in = input->message;
    struct msg_proof_counted out;
    (void)self;
    message_clear(&msg_proof_counted_desc, &out);
    snprintf(out.key, sizeof out.key, "%s", in->key);
    out.number = in->number;
    out.count = number_of(step_store(step), "count", in->key) + 1;
    number_put(step_store(step), "count", in->key, out.count);
    out.count += scenario_lie && world_deaths() > 0 && in->number == NUMBERS;
    step_emit(step, &msg_proof_counted_desc, &out);
    return DONE;
}

static enum verdict join_counted(struct step *step, const struct input *input, void *self)
{
    const struct msg_proof_counted *in = input->message;
    struct msg_proof_joined out;
    struct msg_proof_timer timer;
    (void)self;
    message_clear(&msg_proof_joined_desc, &out);
    snprintf(out.key, sizeof out.key, "%s", in->key);
    out.number = in->number;
    out.product = number_of(step_store(step), "product", in->key) * 31 + in->count;
    number_put(step_store(step), "product", in->key, out.product);
    step_emit(step, &msg_proof_joined_desc, &out);
    if (in->number % TIMER_EVERY == 0) {
        message_clear(&msg_proof_timer_desc, &timer);
        snprintf(timer.key, sizeof timer.key, "%s", in->key);
        timer.number = in->number;
        timer.turn = 1;
        step_later(step, &msg_proof_timer_desc, &timer, step_now_us(step) + SECOND_US / 2);
    }
    return DONE;
}

static enum verdict join_timer(struct step *step, const struct input *input, void *self)
{
    const struct msg_proof_timer *in = input->message;
    struct msg_proof_sum out;
    (void)self;
    message_clear(&msg_proof_sum_desc, &out);
    snprintf(out.key, sizeof out.key, "%s", in->key);
    out.number = in->number;
    out.terms = number_of(step_store(step), "timers", in->key) + 1;
    number_put(step_store(step), "timers", in->key, out.terms);
    step_emit(step, &msg_proof_sum_desc, &out);
    return DONE;
}

static const struct take count_takes[] = {
    {&msg_proof_number_desc, count_number, RUN_PER_STEP, "ProofCount", false},
    {NULL, NULL, RUN_NONE, NULL, false}};
static const struct take join_takes[] = {
    {&msg_proof_counted_desc, join_counted, RUN_PER_STEP, "ProofJoin", false},
    {&msg_proof_timer_desc, join_timer, RUN_PER_RECORD, "ProofTimer", false},
    {NULL, NULL, RUN_NONE, NULL, false}};
static const struct actor source = {.name = "proof-source",
                                    .does = "numbers",
                                    .edge = true,
                                    .fds = source_fds,
                                    .work = source_work};
static const struct actor count = {.name = "proof-count", .does = "counts", .takes = count_takes};
static const struct actor join = {.name = "proof-join", .does = "joins", .takes = join_takes};

/* ---- their lives ---- */

struct life {
    const struct actor *actor;
    uint16_t number, shards;
    const char *host;
};
static struct life lives[] = {{&source, 0, 1, "one"},
                              {&count, 0, 2, "one"},
                              {&count, 1, 2, "one"},
                              {&join, 0, 1, "one"},
                              {&count, 1, 2, "another"}};
static struct settings settings;
static uint32_t incarnations, broker, lost /* environments */;

static void life_dir(const struct life *life, char *dir, size_t size)
{
    snprintf(dir, size, "%s/%s-%u", life->host, life->actor->name, life->number);
}

static int kit_life(void *context)
{
    const struct life *life = context;
    struct kit *self = calloc(1, sizeof *self);
    char dir[160];
    if (!self)
        abort();
    self->actor = life->actor;
    self->number = life->number;
    self->shards = life->shards;
    self->settings = settings;
    self->options.host = life->host;
    self->options.notify_fd = self->signals = self->exit_code = -1;
    snprintf(self->incarnation, sizeof self->incarnation, "life-%u", ++incarnations);
    life_dir(life, dir, sizeof dir);
    const struct link_options options = {.endpoint = settings.broker.endpoint,
                                         .actor = life->actor->name,
                                         .host = life->host,
                                         .incarnation = self->incarnation,
                                         .code_version = "1",
                                         .config_hash = "1",
                                         .handlers = kit_handlers,
                                         .context = self};
    if (store_open(&self->store, dir, NULL) != STORE_OK)
        abort();
    snapshots_open(self);
    self->link = link_open(&options);
    if (!self->link)
        abort();
    kit_loop(self);
    int code = self->exit_code;
    link_close(&self->link);
    snapshots_drop(self);
    compactions_drop(self);
    shard_close(&self->shard);
    store_close(&self->store);
    rebuild_forget(self);
    free(self);
    return code;
}

static const char *const streams[STREAMS_ALL] = {"proof.number", "proof.counted", "proof.joined",
                                                 "proof.timer",  "proof.sum",     "ops.run",
                                                 "dead",         "ops.rewind",    "ops.rewound"};

static int broker_life(void *context)
{
    static struct registry registry;
    (void)context;
    registry.count = STREAMS_ALL;
    for (uint32_t i = 0; i < registry.count; i++) {
        snprintf(registry.streams[i].name, sizeof registry.streams[i].name, "%s", streams[i]);
        snprintf(registry.streams[i].writer, sizeof registry.streams[i].writer, "*");
        registry.streams[i].partitions = SCENARIO_PARTITIONS;
    }
    (void)broker_run(&settings, &registry, NULL, -1);
    return 1; /* it is started again */
}

/* ---- the end ---- */

static uint64_t stream_records(struct log *log, uint16_t stream)
{
    uint64_t records = 0;
    for (uint32_t p = 0; p < SCENARIO_PARTITIONS; p++)
        records += log_count_from(log, stream, (uint16_t)p, 0);
    return records;
}

static bool done(void)
{
    struct log *log = world_log(broker);
    if (!log || world_us() < END_US)
        return false;
    bool all =
        stream_records(log, 1) == KEYS * NUMBERS && stream_records(log, 2) == KEYS * NUMBERS &&
        stream_records(log, 3) == KEYS * NUMBERS &&
        stream_records(log, 4) == KEYS * (NUMBERS / TIMER_EVERY) &&
        stream_records(log, 5) == KEYS * (NUMBERS / TIMER_EVERY) && log_later_count(log) == 0 &&
        (stream_records(log, STREAMS_ALL) == 1 || lost > 0); /* it is lost with its environment */
    log_read_end(log);
    return all;
}

static uint64_t mix(uint64_t hash, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
    return (hash ^ size) * UINT64_C(0x100000001b3);
}

enum { POSITIONS_MAX = 8192 };
struct reading {
    struct scenario_result *result;
    uint64_t
        identity[POSITIONS_MAX]; /* of the record at a position: its lane and its place in it */
};

static bool wrong(struct scenario_result *result, const char *what, uint64_t position)
{
    snprintf(result->why, sizeof result->why, "%s at position %" PRIu64, what, position);
    return false;
}

static bool record_read(struct reading *reading, const struct batch_header *header,
                        uint64_t position, const struct record *record)
{
    struct scenario_log *log = &reading->result->log;
    uint32_t lane = header->stream - 1u, *at;
    if (header->stream == SCENARIO_STREAMS + 2)
        return wrong(reading->result, "a dead letter", position);
    if (header->stream > SCENARIO_STREAMS || position >= POSITIONS_MAX)
        return true;
    at = &log->counts[lane][header->partition];
    if (*at == SCENARIO_RECORDS_MAX)
        return wrong(reading->result, "too many records", position);
    uint64_t hash = mix(UINT64_C(0xcbf29ce484222325), record->key, record->key_size);
    hash = mix(hash, record->payload.data, record->payload.size);
    for (uint32_t i = 0; i < record->parent_count; i++) {
        if (record->parents[i] >= position)
            return wrong(reading->result, "a parent that is no earlier record", position);
        hash = mix(hash, &reading->identity[record->parents[i] % POSITIONS_MAX], 8);
    }
    reading->identity[position] =
        (uint64_t)header->stream << 48 | (uint64_t)header->partition << 32 | *at;
    log->records[lane][header->partition][(*at)++] = hash;
    return true;
}

/* The whole log: positions dense, every batch whole, sequences of every lane without gap or repeat. */
static bool log_read(struct log *log, struct scenario_result *result)
{
    static struct reading reading;
    static struct record record;
    static uint64_t last[64][STREAMS_ALL + 1][SCENARIO_PARTITIONS];
    memset(&reading, 0, sizeof reading);
    memset(last, 0, sizeof last);
    reading.result = result;
    for (uint64_t position = 1, head = log_head(log); position < head;) {
        struct batch_header header;
        struct span body;
        struct batch_reader reader;
        const char *rule;
        if (log_batch(log, position, &header, &body) != LOG_OK || header.base != position ||
            header.producer >= 64 || header.stream > STREAMS_ALL ||
            batch_open(&reader, body.data, body.size, header.count, &rule) != 0)
            return wrong(result, "no batch, or not a whole one", position);
        uint64_t *seq = &last[header.producer][header.stream][header.partition];
        if (header.first_seq != *seq + 1)
            return wrong(result, "a sequence that does not follow", position);
        *seq += header.count;
        for (uint32_t i = 0; i < header.count; i++)
            if (batch_next(&reader, &record, &rule) != 1 ||
                !record_read(&reading, &header, position + i, &record))
                return result->why[0] ? false : wrong(result, "no record", position);
        position += header.count;
    }
    if (stream_records(log, STREAMS_ALL) > 1)
        return wrong(result, "a rewind with two outcomes", 0);
    log_read_end(log);
    return true;
}

bool scenario_same(const struct scenario_log *before, struct scenario_result *now)
{
    for (uint32_t s = 0; s < SCENARIO_STREAMS; s++)
        for (uint32_t p = 0; p < SCENARIO_PARTITIONS; p++)
            for (uint32_t i = 0; i < SCENARIO_RECORDS_MAX; i++)
                if (before->counts[s][p] != now->log.counts[s][p] ||
                    before->records[s][p][i] != now->log.records[s][p][i]) {
                    snprintf(now->why, sizeof now->why,
                             "%s/%u: %u records, %u without a crash; the first that differs: %u",
                             streams[s], p, now->log.counts[s][p], before->counts[s][p], i + 1);
                    return false;
                }
    return true;
}

static int remove_one(const char *path, const struct stat *there, int kind, struct FTW *where)
{
    (void)there;
    (void)kind;
    (void)where;
    return remove(path);
}

/* An edge that lost its own would begin anew, by right: it is spared. */
static void lose(uint32_t process)
{
    const struct life *life = process == broker ? NULL : &lives[process - 1];
    char dir[160];
    if (!life || life->actor->edge || world_chance() % 2)
        return;
    life_dir(life, dir, sizeof dir);
    disk_lose(dir);
    lost++;
}

void scenario_run(const struct world_wish *wish, bool losses, struct scenario_result *result)
{
    static char dir[64], set[96];
    const char *const sets[] = {set,
                                "broker.lease=2s",
                                "broker.heartbeat=500ms",
                                "broker.credit_records=8",
                                "broker.segment_bytes=65536",
                                "actor.step_records=4",
                                "snapshot.every_records=12",
                                "store.compact_every=300ms"};
    memset(result, 0, sizeof *result);
    snprintf(dir, sizeof dir, "/dev/shm/tipoff-simulate-%d", (int)getpid());
    snprintf(set, sizeof set, "dir=%s", dir);
    if (settings_load(&settings, NULL, sets, sizeof sets / sizeof *sets, stderr) != 0)
        abort();
    (void)mkdir(dir, 0755);
    incarnations = 0;
    lost = 0;
    world_open(wish);
    if (losses)
        world_mourn(lose);
    broker = world_process("broker", broker_life, NULL, 0);
    for (uint32_t i = 0; i < sizeof lives / sizeof *lives; i++) {
        bool second = strcmp(lives[i].host, "another") == 0;
        uint32_t process =
            world_process(lives[i].actor->name, kit_life, &lives[i], second ? 2 * SECOND_US : 0);
        if (lives[i].actor == &count && lives[i].number == 1 && !second)
            world_stop(process, SECOND_US, HALF_US + SECOND_US / 5);
    }
    if (losses &&
        world_chance() % 2) /* one more, for longer than its lease; it may be the broker */
        world_stop(world_chance() % 3, SECOND_US + world_chance() % 6000000, 8 * SECOND_US);
    result->good = world_run(done, LIMIT_US);
    if (!result->good)
        snprintf(result->why, sizeof result->why, "no end within %d s",
                 (int)(LIMIT_US / SECOND_US));
    else
        result->good = log_read(world_log(broker), result);
    result->calls = world_calls();
    result->hash = world_hash();
    result->deaths = world_deaths();
    result->lost = lost;
    result->compacted = disk_compactions();
    snprintf(result->died, sizeof result->died, "%s", world_died());
    world_close();
    (void)nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
