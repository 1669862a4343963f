/* bench_snapshot [MEGABYTES] [SLICE_KIB] - what a snapshot costs the steps beside it: the longest and the median step of an
 * environment of that size, without one and while one is made. A step is 64 rows of 1,000 bytes, committed with full sync. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/clock.h"
#include "store/shard_env.h"
#include "store/snapshot.h"
#include "store/store.h"

#define ROW_BYTES 1000
#define STEP_ROWS 64
#define STEPS_MOST 100000

static uint8_t row[ROW_BYTES];
static int64_t took_us[STEPS_MOST];

static void must(int error, const char *what)
{
    if (!error)
        return;
    fprintf(stderr, "%s: %s\n", what, store_error_text(error));
    exit(1);
}

static void write_rows(struct store *store, uint64_t from, uint64_t count, uint64_t rows)
{
    struct store_txn *txn;
    struct store_key key;
    must(store_begin(store, true, &txn), "begin");
    for (uint64_t i = from; i < from + count; i++) {
        store_key_start(&key);
        store_key_i64(&key, (int64_t)(i * 7919 % rows));
        memset(row, (int)i, sizeof row);
        must(store_put(txn, "t", STORE_UNDATED, key.data, key.size, row, sizeof row), "put");
    }
    must(store_commit(&txn), "commit");
}

static int by_value(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

static void say(const char *what, size_t count)
{
    size_t half = count / 2, most = count * 99 / 100;
    qsort(took_us, count, sizeof *took_us, by_value);
    printf("%s: %zu steps, p50 %.2f ms, p99 %.2f ms, longest %.2f ms\n", what, count,
           (double)took_us[half] / 1e3, (double)took_us[most] / 1e3,
           (double)took_us[count - 1] / 1e3);
}

int main(int argc, char **argv)
{
    uint64_t rows = (argc > 1 ? strtoull(argv[1], NULL, 10) : 100) * 1000000 / ROW_BYTES, at = 0;
    struct snapshot_slice slice = {.bytes = (argc > 2 ? strtoull(argv[2], NULL, 10) : 256) * 1024,
                                   .time_us = 5000};
    char root[] = "/tmp/bench-snapshot-XXXXXX", dir[64], folder[64], command[64];
    struct store *store;
    struct snapshot_writer *writer;
    if (rows == 0)
        return 1;
    const struct snapshot_about about = {.cursor = 1};
    if (!mkdtemp(root))
        return 1;
    snprintf(dir, sizeof dir, "%s/env", root);
    snprintf(folder, sizeof folder, "%s/snapshots", root);
    mkdir(folder, 0750);
    must(store_open(&store, dir, NULL), "open");
    for (uint64_t i = 0; i < rows; i += 10000)
        write_rows(store, i, 10000, rows);
    size_t count = 0;
    for (; count < 300; count++, at += STEP_ROWS) {
        int64_t begun_us = clock_mono_us();
        write_rows(store, at, STEP_ROWS, rows);
        took_us[count] = clock_mono_us() - begun_us;
    }
    say("alone", count);
    int64_t begun_us = clock_mono_us(), slowest_us = 0;
    must(snapshot_begin(&writer, store, folder, "bench", &about, shard_env_is_own), "begin");
    int more = 1;
    for (count = 0; more == 1 && count < STEPS_MOST; count++, at += STEP_ROWS) {
        int64_t step_us = clock_mono_us(); /* a step waits for the slice before it */
        more = snapshot_turn(writer, &slice);
        int64_t slice_us = clock_mono_us() - step_us;
        slowest_us = slice_us > slowest_us ? slice_us : slowest_us;
        write_rows(store, at, STEP_ROWS, rows);
        took_us[count] = clock_mono_us() - step_us;
    }
    must(more == 0 ? 0 : more, "turn");
    uint64_t bytes = snapshot_bytes(writer);
    must(snapshot_name(&writer, 2), "name");
    printf("%.1f MB in %.2f s, slowest slice %.2f ms\n", (double)bytes / 1e6,
           (double)(clock_mono_us() - begun_us) / 1e6, (double)slowest_us / 1e3);
    say("beside a snapshot", count);
    store_close(&store);
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command) != 0;
}
