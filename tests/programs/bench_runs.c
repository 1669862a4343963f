/* How long `tipoff runs` takes over a season of them: fills a scoreboard's environment with made-up runs, then asks what people ask, as
 * the command does, a few times each.
 *
 *     bench_runs BIN [RUNS]      BIN: where tipoff is; prints one JSON object, times in milliseconds (the least of five) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actors/scoreboard/tables.h"
#include "config/clock.h"
#include "schema/messages.h"
#include "schema/runs.h"
#include "store/store.h"

enum { DAYS = 170, STEP_RUNS = 20000, TIMES = 5, FIRST_DAY = 20251021 };

static char dir[] = "/tmp/tipoff-runs-XXXXXX";

static void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "bench_runs: %s\n", what);
        exit(70);
    }
}

/* One in twenty fails; a third is the poller's. */
static void run_make(int64_t i, int64_t day_us, int32_t date, struct msg_ops_run *run)
{
    static const char *const names[] = {"PollBdlLive",   "BdlLiveBoxscores", "FeaturesLine",
                                        "PredictPoints", "PollOddsProps",    "GradeLive"};
    static const char *const actors[] = {"poller",    "processor", "features",
                                         "predictor", "poller",    "grader"};
    message_clear(&msg_ops_run_desc, run);
    snprintf(run->run_id, sizeof run->run_id, "%s.0-1-%lld", actors[i % 6], (long long)i);
    snprintf(run->name, sizeof run->name, "%s", names[i % 6]);
    snprintf(run->actor, sizeof run->actor, "%s", actors[i % 6]);
    run->epoch = 1;
    run->data_date = date;
    enum run_outcome outcome = i % 20 == 0 ? RUN_FAILED : i % 3 ? RUN_SUCCESS : RUN_UNCHANGED;
    snprintf(run->outcome, sizeof run->outcome, "%s", run_outcome_text(outcome));
    snprintf(run->error_class, sizeof run->error_class, "%s",
             outcome == RUN_FAILED ? "http_status" : "none");
    snprintf(run->error_message, sizeof run->error_message, "%s",
             outcome == RUN_FAILED ? "status 503" : "");
    run->opened_at = day_us + i % 1000000 * 1000;
    run->closed_at = run->opened_at + 300000;
    run->attempt = 1;
    snprintf(run->cause, sizeof run->cause, "schedule");
    snprintf(run->code_version, sizeof run->code_version, "bench");
    snprintf(run->config_hash, sizeof run->config_hash, "0000000000000000");
    snprintf(run->host, sizeof run->host, "here");
}

static void run_put(struct store_txn *txn, const struct msg_ops_run *run, uint64_t position)
{
    uint8_t payload[4096];
    struct message_error error;
    struct store_key key;
    struct table_mark mark = {.position = position, .time_us = run->closed_at};
    long size = message_encode(&msg_ops_run_desc, run, payload, sizeof payload, &error);
    must(size > 0, "encode");
    struct span span = {payload, (uint32_t)size};
    store_key_start(&key);
    store_key_i64(&key, run->opened_at);
    store_key_text(&key, run->run_id);
    must(table_put(txn, TABLE_RUN, run->data_date, &key, &mark, &span) == STORE_OK, "put");
    if (strcmp(run->actor, "poller") == 0)
        must(table_put(txn, TABLE_POLL, run->data_date, &key, &mark, &span) == STORE_OK, "put");
}

static void fill(int64_t runs)
{
    char path[200];
    struct store *store;
    struct store_txn *txn = NULL;
    struct msg_ops_run run;
    snprintf(path, sizeof path, "%s/shards", dir);
    must(mkdir(path, 0755) == 0, path);
    snprintf(path, sizeof path, "%s/" SCOREBOARD_ENVIRONMENT, dir);
    must(store_open(&store, path, &(struct store_options){.map_bytes = (uint64_t)8 << 30}) ==
             STORE_OK,
         path);
    int64_t a_day = (runs + DAYS - 1) / DAYS;
    for (int64_t i = 0; i < runs; i++) {
        int32_t date = clock_date_add(FIRST_DAY, (int)(i / a_day));
        if (!txn)
            must(store_begin(store, true, &txn) == STORE_OK, "begin");
        run_make(i, clock_date_start_us(date), date, &run);
        run_put(txn, &run, (uint64_t)i + 1);
        if ((i + 1) % STEP_RUNS == 0 || i + 1 == runs)
            must(store_commit(&txn) == STORE_OK, "commit");
    }
    store_close(&store);
}

/* The command with these words, whole: start, answer, end. */
static double ask_ms(const char *bin, const char *words)
{
    char command[600];
    double least = 1e9;
    snprintf(command, sizeof command, "%s/tipoff runs %s --json --dir %s > /dev/null", bin, words,
             dir);
    for (int i = 0; i < TIMES; i++) {
        int64_t began = clock_mono_us();
        must(system(command) == 0, command);
        double took = (double)(clock_mono_us() - began) / 1e3;
        least = took < least ? took : least;
    }
    return least;
}

int main(int argc, char **argv)
{
    int64_t runs = argc > 2 ? strtoll(argv[2], NULL, 10) : 1000000;
    char command[100];
    if (argc < 2)
        return 64;
    must(mkdtemp(dir) != NULL, dir);
    fill(runs);
    printf("{\"runs\":%lld,\"help_ms\":%.1f", (long long)runs, ask_ms(argv[1], "--help"));
    printf(",\"day_ms\":%.1f", ask_ms(argv[1], "--date 2026-01-14"));
    printf(",\"day_name_ms\":%.1f", ask_ms(argv[1], "--date 2026-01-14 --name PollBdlLive"));
    printf(",\"season_failed_name_ms\":%.1f}\n", ask_ms(argv[1], "--outcome timeout"));
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command) == 0 ? 0 : 70;
}
