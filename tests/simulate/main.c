/* Broker core and kit in one deterministic world, which is crashed at every call.
 *
 *     simulate                      without a crash (twice: the same trace), then with a death before every call, then with a full
 *                                   disk at every commit and append, then with a second death soon after the first
 *     simulate --every 7            ... at every seventh
 *     simulate --rounds 100         random worlds: slow messages, falling connections, several deaths
 *     simulate --seed 5             another order of things
 *     simulate --crash N | --full N | --twice N | --round N    one of them, with its trace
 *     simulate --lmdb 1              the broker's log in LMDB, not on a disk in memory
 *     simulate --lie 1              with a shard that is no function of its input: that is found */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/log.h"
#include "schema/messages.h"
#include "tests/simulate/scenario.h"

enum { WORKERS = 2, CHUNK = 40, SECONDS_MAX = 60 };

/* Who dies leaves its memory behind: that is the point. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

enum kind { KIND_CRASH, KIND_FULL, KIND_TWICE, KIND_ROUND, KIND_COUNT };
static const char *const kind_names[] = {"crash", "full", "twice", "round"};

struct plan {
    uint64_t seed, every, rounds, one;
    enum kind kind;
    bool alone, trace;
};
struct shared {
    uint64_t ran, deaths, lost, failed;
};

static void wish_make(const struct plan *plan, enum kind kind, uint64_t number,
                      struct world_wish *wish)
{
    *wish = (struct world_wish){.seed = plan->seed};
    if (kind == KIND_CRASH || kind == KIND_TWICE)
        wish->crash_at = number;
    if (kind == KIND_TWICE)
        wish->again = 1 + number * 7919 % 97;
    if (kind == KIND_FULL)
        wish->fail_at = number;
    if (kind == KIND_ROUND) {
        wish->seed = plan->seed * 1000003 + number;
        wish->crashes = (uint32_t)(number % 5);
        wish->cuts = (uint32_t)(number % 4) * 3;
        wish->slow = number % 3 == 0;
    }
}

static bool try_one(const struct plan *plan, enum kind kind, uint64_t number,
                    const struct scenario_log *before, struct shared *shared)
{
    struct world_wish wish;
    static struct scenario_result now;
    bool losses = kind >= KIND_TWICE && number % 2 == 0;
    wish_make(plan, kind, number, &wish);
    scenario_run(&wish, losses, &now);
    bool good = now.good && scenario_same(before, &now);
    if (good && (plan->alone || number % 50 == 1)) { /* once more: the same to the last call */
        uint64_t hash = now.hash;
        scenario_run(&wish, losses, &now);
        good = hash == now.hash;
        snprintf(now.why, sizeof now.why, "%016" PRIx64 " was %016" PRIx64 ": another trace",
                 now.hash, hash);
    }
    __atomic_add_fetch(&shared->ran, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&shared->deaths, now.deaths, __ATOMIC_RELAXED);
    __atomic_add_fetch(&shared->lost, now.lost, __ATOMIC_RELAXED);
    if (good)
        return true;
    __atomic_add_fetch(&shared->failed, 1, __ATOMIC_RELAXED);
    printf("simulate --seed %" PRIu64 " --%s %" PRIu64 ": %s (%s)\n", plan->seed, kind_names[kind],
           number, now.why, now.died);
    fflush(stdout);
    return false;
}

/* A share of the numbers in a process of its own. */
static pid_t share(const struct plan *plan, enum kind kind, uint64_t from, uint64_t to,
                   uint64_t every, const struct scenario_log *before, struct shared *shared)
{
    fflush(stdout);
    pid_t child = fork();
    if (child != 0)
        return child;
    for (uint64_t number = from; number < to; number += every) {
        alarm(SECONDS_MAX);
        if (!try_one(plan, kind, number, before, shared) && shared->failed > 10)
            break;
    }
    _exit(0);
}

static void all_of(const struct plan *plan, enum kind kind, uint64_t most, uint64_t every,
                   const struct scenario_log *before, struct shared *shared)
{
    uint64_t next = 1 + plan->seed % every, step = every * CHUNK;
    int working = 0, status;
    while (next <= most || working > 0) {
        if (next <= most && working < WORKERS) {
            uint64_t to = next + step < most + 1 ? next + step : most + 1;
            if (share(plan, kind, next, to, every, before, shared) < 0)
                abort();
            working++;
            next += step;
            continue;
        }
        if (wait(&status) < 0)
            abort();
        working--;
        if (status != 0) {
            printf("a share ended with status %d\n", status);
            shared->failed++;
        }
    }
    printf("%s: %" PRIu64 " worlds so far, %" PRIu64 " deaths, %" PRIu64
           " environments lost, %" PRIu64 " failed\n",
           kind_names[kind], shared->ran, shared->deaths, shared->lost, shared->failed);
}

static bool plan_read(struct plan *plan, int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t number = strtoull(argv[i + 1], NULL, 10);
        bool known = false;
        for (int kind = 0; kind < KIND_COUNT; kind++)
            if (strncmp(argv[i], "--", 2) == 0 && strcmp(argv[i] + 2, kind_names[kind]) == 0) {
                plan->kind = (enum kind)kind;
                plan->one = number;
                plan->alone = known = true;
            }
        if (strcmp(argv[i], "--seed") == 0)
            plan->seed = number;
        else if (strcmp(argv[i], "--every") == 0)
            plan->every = number ? number : 1;
        else if (strcmp(argv[i], "--rounds") == 0)
            plan->rounds = number;
        else if (strcmp(argv[i], "--trace") == 0)
            plan->trace = number != 0;
        else if (strcmp(argv[i], "--lmdb") == 0)
            world_lmdb = number != 0;
        else if (strcmp(argv[i], "--lie") == 0)
            scenario_lie = number != 0;
        else if (!known)
            return false;
    }
    return argc % 2 == 1;
}

/* Without a crash, and again: the trace must be the same one. */
static bool begin(const struct plan *plan, struct scenario_result *before)
{
    static struct scenario_result again;
    const struct world_wish none = {.seed = plan->seed};
    scenario_run(&none, false, before);
    scenario_run(&none, false, &again);
    printf("seed %" PRIu64 ": %" PRIu64 " calls, %" PRIu64 " compactions, trace %016" PRIx64 "\n",
           plan->seed, before->calls, before->compacted, before->hash);
    if (!before->good)
        printf("without a crash: %s\n", before->why);
    else if (before->compacted == 0)
        printf("no environment was compacted\n");
    else if (before->hash != again.hash)
        printf("the same seed gave another trace: %016" PRIx64 "\n", again.hash);
    return before->good && before->compacted > 0 && before->hash == again.hash;
}

int main(int argc, char **argv)
{
    static struct scenario_result before;
    struct plan plan = {.seed = 1, .every = 1, .rounds = 20};
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || !plan_read(&plan, argc, argv)) {
        fprintf(
            stderr,
            "usage: simulate [--seed N] [--every N] [--rounds N] [--trace 1] [--lmdb 1] [--lie 1]\n"
            "                [--crash N | --full N | --twice N | --round N]\n");
        return 64;
    }
    messages_register();
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    log_init("simulate", (enum log_level)(LOG_LEVEL_ERROR + !plan.trace), 0);
    world_trace(plan.trace && !plan.alone);
    if (!begin(&plan, &before))
        return 1;
    if (plan.alone) {
        world_trace(plan.trace);
        return !try_one(&plan, plan.kind, plan.one, &before.log, shared);
    }
    all_of(&plan, KIND_CRASH, before.calls, plan.every, &before.log, shared);
    all_of(&plan, KIND_FULL, before.calls, plan.every, &before.log, shared);
    all_of(&plan, KIND_TWICE, before.calls, plan.every, &before.log, shared);
    all_of(&plan, KIND_ROUND, plan.rounds, 1, &before.log, shared);
    return scenario_lie ? shared->failed == 0 : shared->failed != 0;
}
