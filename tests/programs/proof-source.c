/* proof-source - publishes numbered records: PROOF_KEYS keys, PROOF_TOTAL numbers each, PROOF_BURST records a step, a step each
 * PROOF_PAUSE_MS. An edge: what it has published is in its own environment. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/actor.h"
#include "config/clock.h"
#include "tests/proof/proof.h"

static struct {
    uint64_t keys, total, burst;
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
    plan.burst = told("PROOF_BURST", 16);
    plan.pause_us = (int64_t)told("PROOF_PAUSE_MS", 1) * 1000;
    return NULL;
}

/* The next record of this shard: numbers go round the keys. False: all are out. */
static bool publish(struct step *step)
{
    struct msg_proof_number out;
    struct span row;
    uint64_t next = 0;
    uint32_t shards, shard = step_shard(step, &shards);
    if (store_get(step_store(step), "next", STORE_UNDATED, "n", 1, &row) == STORE_OK)
        memcpy(&next, row.data, sizeof next);
    uint64_t mine = (plan.keys + shards - 1 - shard) / shards; /* keys of this shard */
    if (mine == 0 || next >= mine * plan.total)
        return false;
    uint64_t key = next % mine * shards + shard;
    snprintf(out.key, sizeof out.key, "key-%llu", (unsigned long long)key);
    out.number = next / mine + 1;
    out.value = (key * 7919 + out.number * 104729) % 1000;
    next++;
    store_put(step_store(step), "next", STORE_UNDATED, "n", 1, &next, sizeof next);
    step_emit(step, &msg_proof_number_desc, &out);
    return true;
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
    uint64_t out = 0;
    while (out < plan.burst && publish(step))
        out++;
    plan.next_us = clock_mono_us() + (out > 0 ? plan.pause_us : 100000);
    if (out > 0)
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
