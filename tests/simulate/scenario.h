/* What lives in the simulated world: the broker, a source of numbers, two shards that count them, one that joins and sets timers;
 * and another host, which takes one of the counters over while that one stands still. */
#ifndef TESTS_SIMULATE_SCENARIO_H
#define TESTS_SIMULATE_SCENARIO_H

#include "tests/simulate/world.h"

enum { SCENARIO_STREAMS = 5, SCENARIO_PARTITIONS = 2, SCENARIO_RECORDS_MAX = 256 };

/* The log at the end: of each lane what was said in it, one number a record, made of key, version, payload and what it says its
 * parents are. Positions, epochs, runs and times are outside of it. */
struct scenario_log {
    uint32_t counts[SCENARIO_STREAMS][SCENARIO_PARTITIONS];
    uint64_t records[SCENARIO_STREAMS][SCENARIO_PARTITIONS][SCENARIO_RECORDS_MAX];
};
struct scenario_result {
    bool good;     /* it came to its end, and the log is whole */
    char why[300]; /* if not */
    uint64_t calls, hash;
    uint32_t deaths, lost;
    uint64_t compacted; /* environments, so often */
    char died[120];
    struct scenario_log log;
};
/* `losses`: every other shard that dies loses its environment, too. */
void scenario_run(const struct world_wish *wish, bool losses, struct scenario_result *result);
/* True; or false, with `why` of `now`. */
bool scenario_same(const struct scenario_log *before, struct scenario_result *now);
extern bool scenario_lie; /* a counter that is no function of its input: to be found out */

#endif
