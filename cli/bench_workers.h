/* Who publishes and who takes in `tipoff bench`: through broker/link.h, as every actor does. */
#ifndef CLI_BENCH_WORKERS_H
#define CLI_BENCH_WORKERS_H

#include "cli/load.h"

#define BENCH_STREAM "bench" /* written by "bench", in as many partitions as there are consumers */

/* load_work's context is the broker's endpoint, a string. Producer N is shard N of "bench" and writes every partition in
 * turn. Consumer N is shard N of "bench-reader": it takes its partition from the beginning of this load, gives its credit back
 * as it takes, and tells its cursor, which the broker keeps with its next commit. */
void bench_produce(struct load *load, uint32_t number, void *context);
void bench_consume(struct load *load, uint32_t number, void *context);

#endif
