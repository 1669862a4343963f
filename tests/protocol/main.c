/* The protocol against its model: random conversations of good and bad clients, crashes and full disks, every answer predicted.
 *
 *     protocol-model --steps 100000 --seed 1     a run; what fails is shrunk and printed as a script
 *     protocol-model --replay FILE               a script, as it was printed
 *     protocol-model --lmdb 1                    the log in LMDB, not in memory
 *     protocol-model --lie N                     with a broker that is wrong in one thing: that is found, and shrunk */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config/log.h"
#include "tests/protocol/run.h"

struct wish {
    uint32_t steps;
    uint64_t seed;
    enum lie lie;
    const char *replay;
};

static bool wish_read(struct wish *wish, int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--steps") == 0)
            wish->steps = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0)
            wish->seed = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--lie") == 0)
            wish->lie = (enum lie)(strtoul(argv[i + 1], NULL, 10) % LIE_COUNT);
        else if (strcmp(argv[i], "--lmdb") == 0)
            subject_lmdb = strtoul(argv[i + 1], NULL, 10) != 0;
        else if (strcmp(argv[i], "--replay") == 0)
            wish->replay = argv[i + 1];
        else
            return false;
    }
    return argc % 2 == 1;
}

static void totals_print(const struct model_totals *totals)
{
    printf("  accepted %" PRIu64 ", repeats %" PRIu64 ", acknowledged %" PRIu64
           ", delivered %" PRIu64 ", for later %" PRIu64 ", grants %" PRIu64
           ", appends that failed %" PRIu64 ", crashes %" PRIu64 ", joined %" PRIu64
           ", done %" PRIu64 ", rewound %" PRIu64 ", handed out %" PRIu64 ", settled %" PRIu64
           ", dead %" PRIu64 "\n  refused:",
           totals->accepted, totals->repeats, totals->acked, totals->delivered, totals->fired,
           totals->grants, totals->failed, totals->crashes, totals->joined, totals->done,
           totals->rewound, totals->worked, totals->settled, totals->dead);
    for (int i = 0; i < REFUSAL_COUNT; i++)
        printf(" %s %" PRIu64, refusal_text((enum refusal)i), totals->refused[i]);
    printf("\n");
}

/* A run of some length reaches what it is there for. */
static bool reached(const struct model_totals *totals, uint32_t steps)
{
    bool all = totals->accepted && totals->repeats && totals->acked && totals->delivered &&
               totals->fired && totals->grants && totals->failed && totals->crashes &&
               totals->joined && totals->done && totals->rewound && totals->worked &&
               totals->settled && totals->expired && totals->dead;
    /* Members are not of this model: tests/fault/members.py has them. */
    for (int i = 0; i < REFUSAL_COUNT; i++)
        if (i != REFUSAL_SHARDS_DIFFER && totals->refused[i] == 0) {
            printf("never refused: %s\n", refusal_text((enum refusal)i));
            all = false;
        }
    return all || steps < 20000;
}

static int failure_report(struct script *script, const struct wish *wish, struct run_result *result)
{
    printf("step %u: %s\nshrinking %u steps ...\n", result->step, result->why, script->count);
    run_shrink(script, wish->lie, result);
    printf("# %u steps; replay: protocol-model --replay FILE\n", script->count);
    for (uint32_t i = 0; i < script->count; i++)
        script_print(&script->steps[i], stdout);
    printf("# %s\n", result->why);
    bool small = script->count <= 12;
    script_free(script);
    return wish->lie && small ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct wish wish = {.steps = 10000, .seed = 1};
    struct script script = {0};
    struct run_result result;
    struct model_totals totals;
    log_init("protocol-model", (enum log_level)(LOG_LEVEL_ERROR + 1),
             0); /* refusals by the thousand */
    if (!wish_read(&wish, argc, argv)) {
        fprintf(
            stderr,
            "usage: protocol-model [--steps N] [--seed N] [--replay FILE] [--lie N] [--lmdb 1]\n");
        return 64;
    }
    if (wish.replay) {
        FILE *in = fopen(wish.replay, "r");
        if (!in || script_read(&script, in) != 0) {
            perror(wish.replay);
            return 64;
        }
        fclose(in);
        wish.steps = 0;
    }
    run_apart(&script, wish.steps, wish.seed, wish.lie, &result, &totals);
    printf("%u steps, seed %" PRIu64 "%s\n", wish.replay ? script.count : wish.steps, wish.seed,
           result.failed ? ": FAILED" : "");
    if (result.failed && !wish.replay)
        return failure_report(&script, &wish, &result);
    if (result.failed) {
        printf("step %u: ", result.step);
        script_print(&script.steps[result.step], stdout);
        printf("%s\n", result.why);
        return 1;
    }
    totals_print(&totals);
    script_free(&script);
    return wish.lie || (!wish.replay && !reached(&totals, wish.steps));
}
