/* libFuzzer: any bytes as what a log says at its start: rows of streams, producers and lanes, as a broken disk may hold them. Refused
 * as corrupt, or taken; what is taken can be told, as JSON and as a lease. Build and run: see tests/fuzz/run.py. */
#include <assert.h>
#include <zmq.h>

#include "broker/server.h"
#include "config/log.h"
#include "schema/json.h"
#include "tests/fuzz/frames.h"
#include "tests/fuzz/input.h"
#include "tests/simulate/net.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROWS_MAX = 64 };

static const char kinds[] = {'s', 'p', 'l', 'x'};
static struct frames_run run;
static struct {
    char kind;
    struct span key, value;
} rows[ROWS_MAX];
static uint32_t row_count, answers;
static bool real; /* rows are the log's own */

int __real_log_each_meta(struct log *log, enum log_meta kind, log_meta_visit *visit, void *context);
int __wrap_log_each_meta(struct log *log, enum log_meta kind, log_meta_visit *visit, void *context);

int __wrap_log_each_meta(struct log *log, enum log_meta kind, log_meta_visit *visit, void *context)
{
    int result = real ? __real_log_each_meta(log, kind, visit, context) : 0;
    for (uint32_t i = 0; !real && !result && i < row_count; i++)
        if (rows[i].kind == (char)kind)
            result = visit(&rows[i].key, &rows[i].value, context);
    return result;
}

static void answered(const void *bytes, size_t size)
{
    json_error_t where;
    json_t *json = json_loadb(bytes, size, JSON_DECODE_ANY, &where);
    assert(json);
    json_decref(json);
    answers++;
}

/* ---- seeds: the rows of a log that was used ---- */

static uint8_t seed[4096];
static size_t seed_size;

static int seed_row(const struct span *key, const struct span *value, void *context)
{
    const char *kind = context;
    if (seed_size + 4 + key->size + value->size > sizeof seed)
        return 0;
    seed[seed_size++] = (uint8_t)(kind - kinds);
    seed[seed_size++] = (uint8_t)key->size;
    seed[seed_size++] = (uint8_t)(value->size >> 8);
    seed[seed_size++] = (uint8_t)value->size;
    memcpy(seed + seed_size, key->data, key->size);
    seed_size += key->size;
    memcpy(seed + seed_size, value->data, value->size);
    seed_size += value->size;
    return 0;
}

static void end(void)
{
    real = true;
    frames_close(&run);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const uint8_t talk[] = {0x01, 0x01, 0x02, 0x01, 0x11, 0x02, 0x12, 0x02, 0x10, 0x04,
                                   0x00, 0x00, 0x02, 0x00, 0x03, 0x10, 0x04, 0x00, 0x10};
    (void)argc;
    (void)argv;
    log_init("fuzz", (enum log_level)(LOG_LEVEL_ERROR + 1), 0);
    real = true;
    frames_open(&run);
    frames_talk(&run, talk, sizeof talk);
    for (int i = 0; i < 3; i++)
        (void)__real_log_each_meta(run.server.log, (enum log_meta)kinds[i], seed_row,
                                   (void *)(uintptr_t)&kinds[i]);
    input_seed("rows", seed, seed_size);
    real = false;
    (void)atexit(end);
    return 0;
}

static void rows_read(const uint8_t *data, size_t size)
{
    struct input_bytes in = {data, data + size};
    for (row_count = 0; in.at < in.end && row_count < ROWS_MAX; row_count++) {
        rows[row_count].kind = kinds[input_u8(&in) & 3];
        size_t key = input_u8(&in), value = input_u16(&in);
        const uint8_t *bytes;
        key = input_take(&in, key, &bytes);
        rows[row_count].key = (struct span){bytes, (uint32_t)key};
        value = input_take(&in, value, &bytes);
        rows[row_count].value = (struct span){bytes, (uint32_t)value};
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct frames_run other;
    static struct registry registry = {.count = 1};
    const struct net_hooks hooks = {.said = answered};
    struct core_options options = {.lease_us = 10000000,
                                   .sessions_max = 3,
                                   .max_batch_bytes = 100,
                                   .later_max = 6,
                                   .lookup = server_lookup,
                                   .context = &other.server};
    rows_read(data, size);
    net_open(&hooks);
    snprintf(registry.streams[0].name, sizeof registry.streams[0].name, "one");
    snprintf(registry.streams[0].writer, sizeof registry.streams[0].writer, "*");
    registry.streams[0].partitions = 2;
    other.settings = run.settings;
    other.server = (struct server){
        .send = frames_answer, .settings = &other.settings, .log = run.server.log, .turn_us = 1};
    snprintf(other.server.instance, sizeof other.server.instance, "restored");
    other.server.core = core_new(&options);
    assert(other.server.core);
    if (server_restore(&other.server, &registry) == 0) {
        static const uint8_t talk[] = {0x01, 0x01, 0x02, 0x01, 0x11, 0x02, 0x12, 0x02};
        other.server.control.zmq = zmq_socket(zmq_ctx_new(), ZMQ_REP);
        net_put(other.server.control.zmq, "STATUS", 6);
        answers = 0;
        server_control_turn(&other.server);
        assert(answers == 1);
        zmq_close(other.server.control.zmq);
        struct frames_input in = {talk, talk + sizeof talk};
        while (in.at < in.end) { /* leases: what was restored is told in them */
            uint32_t what = frames_u8(&in), peer = what >> 4 & 3;
            if ((what & 7) == 1)
                frames_helo(&other, &in, peer);
            else
                frames_leas(&other, &in, peer);
        }
        server_tell_grants(&other.server);
        if (other.server.appending)
            log_abort(other.server.log);
    }
    core_free(&other.server.core);
    free(other.server.staged);
    net_close();
    return 0;
}
