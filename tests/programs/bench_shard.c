/* What the engine costs: records a second through one shard that counts each key, by batch size, without a broker. Give the
 * number of records; every step is committed with full sync, in a directory below TMPDIR. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "actors/shard.h"
#include "config/clock.h"
#include "schema/record.h"
#include "tests/proof/proof.h"

static bool stateless; /* only emits */

static enum verdict take_number(struct step *step, const struct input *input, void *self)
{
    const struct msg_proof_number *in = input->message;
    struct msg_proof_counted out = {.number = in->number, .count = 1};
    struct span row;
    (void)self;
    if (!stateless) {
        if (store_get(step_store(step), "count", 0, in->key, strlen(in->key), &row) == STORE_OK)
            memcpy(&out.count, row.data, sizeof out.count);
        out.count++;
        store_put(step_store(step), "count", 0, in->key, strlen(in->key), &out.count,
                  sizeof out.count);
    }
    memcpy(out.key, in->key, sizeof out.key);
    step_emit(step, &msg_proof_counted_desc, &out);
    return DONE;
}

static int64_t cpu_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static uint16_t partitions(void *context, const char *stream)
{
    (void)context;
    (void)stream;
    return 4;
}

static void body_make(struct pack *body, uint32_t count, uint64_t first)
{
    pack_reset(body);
    batch_head(body, count, "bench", "0000000000000000");
    for (uint32_t i = 0; i < count; i++) {
        struct msg_proof_number in = {.number = first + i, .value = i};
        struct message_error error;
        uint8_t payload[256];
        const char *rule;
        snprintf(in.key, sizeof in.key, "game-%llu", (unsigned long long)((first + i) % 500));
        long size = message_encode(&msg_proof_number_desc, &in, payload, sizeof payload, &error);
        struct record record = {.key = in.key,
                                .key_size = (uint32_t)strlen(in.key),
                                .version = 1,
                                .payload = {payload, (uint32_t)size}};
        if (size < 0 || record_encode(body, &record, &rule) != 0)
            abort();
    }
}

static void offer(struct shard *shard, struct pack *body, uint32_t count, uint64_t base)
{
    body_make(body, count, base);
    struct shard_batch batch = {.base = base,
                                .count = count,
                                .stream = "proof.number",
                                .time_us = 1,
                                .body = {body->data, (uint32_t)body->size}};
    if (shard_offer(shard, &batch) != 0)
        abort();
}

/* The broker's part: everything is acknowledged at once. */
static void drain(struct shard *shard)
{
    const struct shard_out *out;
    while ((out = shard_unsent(shard, 0)) != NULL) {
        uint64_t last = out->first_seq + out->count - 1;
        shard_sent(shard, 1);
        if (shard_acked(shard, out->stream, out->partition, last) < 0)
            abort();
    }
}

static void bench(uint64_t records, uint32_t batch, bool emits_only)
{
    static const struct take takes[] = {
        {&msg_proof_number_desc, take_number, RUN_PER_STEP, "Bench", false},
        {NULL, NULL, RUN_NONE, NULL, false}};
    static const struct actor actor = {.name = "bench", .does = "counts", .takes = takes};
    static struct settings settings;
    char dir[96], path[128];
    const char *tmp = getenv("TMPDIR");
    struct store *store;
    struct shard *shard;
    struct pack body = {0};
    stateless = emits_only;
    snprintf(dir, sizeof dir, "%.60s/bench-shard-XXXXXX", tmp ? tmp : "/tmp");
    if (settings_load(&settings, NULL, NULL, 0, stderr) != 0 || !mkdtemp(dir) ||
        store_open(&store, dir, &(struct store_options){.map_bytes = (size_t)4 << 30}) != STORE_OK)
        exit(1);
    struct shard_options options = {.actor = &actor,
                                    .settings = &settings,
                                    .host = "bench",
                                    .shards = 1,
                                    .store = store,
                                    .partitions = partitions};
    if (shard_open(&shard, &options) != STORE_OK ||
        shard_start(shard, &(struct shard_start){.epoch = 1, .cursor = 1}) != STORE_OK)
        exit(1);
    uint64_t base = 1, spent_us = 0, cpu = 0;
    struct shard_totals totals;
    while (base <= records) {
        for (int i = 0; i < 16 && base <= records; i++, base += batch)
            offer(shard, &body, batch, base);
        int64_t began = clock_mono_us(), began_cpu = cpu_us();
        while (shard_build(shard, began) == SHARD_BUILT) {
            if (shard_commit(shard) != STORE_OK)
                exit(1);
            drain(shard);
        }
        spent_us += (uint64_t)(clock_mono_us() - began);
        cpu += (uint64_t)(cpu_us() - began_cpu);
    }
    shard_totals(shard, &totals);
    printf("%s, batches of %u: %.0f thousand records/s, %.2f us of processor each, %.0f a step\n",
           emits_only ? "emits" : "counts and emits", batch,
           (double)totals.done * 1e3 / (double)spent_us, (double)cpu / (double)totals.done,
           (double)totals.done / (double)totals.steps);
    shard_close(&shard);
    store_close(&store);
    pack_free(&body);
    for (int i = 0; i < 4; i++) {
        static const char *const files[] = {"data.mdb", "lock.mdb", "lock", "gate", "runs.mark"};
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        unlink(path);
    }
    rmdir(dir);
}

int main(int argc, char **argv)
{
    uint64_t records = argc > 1 ? strtoull(argv[1], NULL, 10) : 300000;
    for (int emits_only = 1; emits_only >= 0; emits_only--) {
        bench(records, 512, emits_only == 1);
        bench(records, 64, emits_only == 1);
        bench(records / 10, 1, emits_only == 1);
    }
    return 0;
}
