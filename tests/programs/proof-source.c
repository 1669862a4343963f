/* proof-source - publishes numbered records: PROOF_KEYS keys, PROOF_TOTAL numbers each, PROOF_BURST records a step, a step each
 * PROOF_PAUSE_MS. An edge: what it has published is in its own environment; when that is lost, or another one has
 * published meanwhile, the sequences of its lanes say how far each partition (PROOF_PARTITIONS) got, for the order is always
 * the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/actor.h"
#include "config/clock.h"
#include "schema/record.h"
#include "store/shard_env.h"
#include "tests/proof/proof.h"

#define PARTITIONS_MAX 16

static struct {
    uint64_t keys, total, burst;
    uint32_t partitions;
    int64_t pause_us, next_us;
} plan;

static uint64_t told(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void *source_start(const struct settings *settings, bool *failed)
{
    (void)settings;
    (void)failed;
    plan.keys = told("PROOF_KEYS", 8);
    plan.total = told("PROOF_TOTAL", 0);
    plan.partitions = (uint32_t)told("PROOF_PARTITIONS", 2);
    plan.burst = told("PROOF_BURST", 16);
    plan.pause_us = (int64_t)told("PROOF_PAUSE_MS", 1) * 1000;
    return NULL;
}

/* How far this shard is: records made, in all and by partition; of those the first `there` are in the log already. */
struct progress {
    uint64_t next, made[PARTITIONS_MAX], there[PARTITIONS_MAX];
};

static int lane_there(const struct shard_lane *lane, void *context)
{
    struct progress *at = context;
    if (strcmp(lane->stream, msg_proof_number_desc.stream) == 0 && lane->partition < PARTITIONS_MAX)
        at->there[lane->partition] = lane->last;
    return 0;
}

static void progress_load(struct step *step, struct progress *at)
{
    struct span row;
    memset(at, 0, sizeof *at);
    if (store_get(step_store(step), "next", STORE_UNDATED, "n", 1, &row) == STORE_OK)
        memcpy(at, row.data, sizeof *at);
    else
        shard_env_each_lane(step_store(step), lane_there, at);
}

/* Publishes up to a burst of this shard's records: numbers go round the keys. False: all are out. */
static bool publish(struct step *step)
{
    struct progress at;
    uint32_t shards, shard = step_shard(step, &shards);
    uint64_t mine = (plan.keys + shards - 1 - shard) / shards; /* keys of this shard */
    uint64_t out = 0, before;
    progress_load(step, &at);
    before = at.next;
    while (out < plan.burst && at.next < mine * plan.total) {
        struct msg_proof_number number;
        uint64_t key = at.next % mine * shards + shard;
        snprintf(number.key, sizeof number.key, "key-%llu", (unsigned long long)key);
        number.number = at.next / mine + 1;
        number.value = (key * 7919 + number.number * 104729) % 1000;
        at.next++;
        uint32_t partition = record_partition(number.key, strlen(number.key), plan.partitions);
        if (++at.made[partition] <= at.there[partition])
            continue;
        step_emit(step, &msg_proof_number_desc, &number);
        out++;
    }
    store_put(step_store(step), "next", STORE_UNDATED, "n", 1, &at, sizeof at);
    return at.next > before;
}

static int source_fds(void *self, struct pollfd *fds, int max, int64_t *timeout_us)
{
    (void)self;
    (void)fds;
    (void)max;
    int64_t wait_us = plan.next_us - clock_mono_us();
    if (wait_us < *timeout_us)
        *timeout_us = wait_us > 0 ? wait_us : 0;
    return 0;
}

static void source_work(void *self, struct kit *kit, const struct pollfd *fds, int count)
{
    (void)self;
    (void)fds;
    (void)count;
    if (clock_mono_us() < plan.next_us || kit_draining(kit))
        return;
    struct step *step = kit_step(kit);
    if (!step)
        return;
    bool more = publish(step);
    plan.next_us = clock_mono_us() + (more ? plan.pause_us : 100000);
    if (more)
        kit_commit(kit, &step);
    else
        kit_abort(kit, &step);
}

int main(int argc, char **argv)
{
    static const struct actor source = {.name = "proof-source",
                                        .does = "publishes numbered records",
                                        .edge = true,
                                        .start = source_start,
                                        .fds = source_fds,
                                        .work = source_work};
    return actor_main(&source, argc, argv);
}
