/* How long `tipoff runs` takes over a season of them: fills a scoreboard's environment with made-up runs, then asks what people ask, as
 * the command does, a few times each; also what the run index costs when runs are taken, and when it is made for a season that has none.
 *
 *     bench_runs BIN [RUNS]      BIN: where tipoff is; prints one JSON object, times in milliseconds (the least of five); `_rows` is
 *                                how many runs that answer has */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actors/scoreboard/run_index.h"
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

/* One in five hundred fails; a third is the poller's. */
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
    enum run_outcome outcome = i % 499 == 0 ? RUN_FAILED : i % 3 ? RUN_SUCCESS : RUN_UNCHANGED;
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

/* `indexed` false: as it was done before there was an index. */
static void take(struct store_txn *txn, const struct msg_ops_run *run, uint64_t position,
                 bool indexed)
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
    if (indexed)
        must(run_put(txn, run->data_date, run, &mark, &span) == STORE_OK, "put");
    else
        must(table_put(txn, TABLE_RUN, run->data_date, &key, &mark, &span) == STORE_OK, "put");
    if (strcmp(run->actor, "poller") == 0)
        must(table_put(txn, TABLE_POLL, run->data_date, &key, &mark, &span) == STORE_OK, "put");
}

static struct store *environment(const char *name)
{
    char path[200];
    struct store *store;
    snprintf(path, sizeof path, "%s/shards", dir);
    (void)mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    must(store_open(&store, path, &(struct store_options){.map_bytes = (uint64_t)8 << 30}) ==
             STORE_OK,
         path);
    return store;
}

/* Runs a second that are taken, `step` in each transaction. */
static double fill(const char *name, int64_t runs, int64_t step, bool indexed)
{
    struct store *store = environment(name);
    struct store_txn *txn = NULL;
    struct msg_ops_run run;
    int64_t a_day = (runs + DAYS - 1) / DAYS, began = clock_mono_us();
    for (int64_t i = 0; i < runs; i++) {
        int32_t date = clock_date_add(FIRST_DAY, (int)(i / a_day));
        if (!txn)
            must(store_begin(store, true, &txn) == STORE_OK, "begin");
        run_make(i, clock_date_start_us(date), date, &run);
        take(txn, &run, (uint64_t)i + 1, indexed);
        if ((i + 1) % step == 0 || i + 1 == runs)
            must(store_commit(&txn) == STORE_OK, "commit");
    }
    double seconds = (double)(clock_mono_us() - began) / 1e6;
    store_close(&store);
    return (double)runs / seconds;
}

/* The index of all that `fill` put there without; *slice_ms: the longest transaction. */
static double index_ms(double *slice_ms)
{
    struct store *store = environment(SCOREBOARD_ENVIRONMENT);
    struct store_txn *txn;
    int64_t began = clock_mono_us();
    uint64_t made = 0;
    int more = 1;
    *slice_ms = 0;
    while (more) {
        int64_t slice = clock_mono_us();
        must(store_begin(store, true, &txn) == STORE_OK, "begin");
        more = run_index_make(txn, STEP_RUNS, &made);
        must(more >= 0 && store_commit(&txn) == STORE_OK, "index");
        double took = (double)(clock_mono_us() - slice) / 1e3;
        *slice_ms = took > *slice_ms ? took : *slice_ms;
    }
    store_close(&store);
    return (double)(clock_mono_us() - began) / 1e3;
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

static int64_t rows_of(const char *bin, const char *words)
{
    char command[600], text[40] = "";
    snprintf(command, sizeof command, "%s/tipoff runs %s --json --dir %s | grep -o run_id | wc -l",
             bin, words, dir);
    FILE *in = popen(command, "r");
    must(in != NULL && fgets(text, sizeof text, in) != NULL, command);
    pclose(in);
    return strtoll(text, NULL, 10);
}

static const struct {
    const char *name, *words;
} asked[] = {
    {"day", "--date 2026-01-14"},
    {"day_name", "--date 2026-01-14 --name PollBdlLive"},
    {"day_failed", "--date 2026-01-14 --outcome failed"},
    {"season_failed", "--outcome failed"},
    {"season_failed_name", "--outcome failed --name PredictPoints"},
    {"season_timeout", "--outcome timeout"},
    {"last_50_name", "--name PollBdlLive --last 50"},
    {"last_50", "--last 50"},
};

static void ask_all(const char *bin, const char *suffix)
{
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        printf(",\"%s%s_ms\":%.1f", asked[i].name, suffix, ask_ms(bin, asked[i].words));
        if (!*suffix)
            printf(",\"%s_rows\":%lld", asked[i].name, (long long)rows_of(bin, asked[i].words));
    }
}

int main(int argc, char **argv)
{
    int64_t runs = argc > 2 ? strtoll(argv[2], NULL, 10) : 1000000, some = runs / 5;
    char command[100];
    double slice_ms;
    if (argc < 2)
        return 64;
    must(mkdtemp(dir) != NULL, dir);
    printf("{\"runs\":%lld", (long long)runs);
    printf(",\"taken_per_s_without\":%.0f", fill("shards/without", some, 512, false));
    printf(",\"taken_per_s\":%.0f", fill("shards/with", some, 512, true));
    (void)fill(SCOREBOARD_ENVIRONMENT, runs, STEP_RUNS, false);
    printf(",\"help_ms\":%.1f", ask_ms(argv[1], "--help"));
    ask_all(argv[1], "_without");
    double made_ms = index_ms(&slice_ms);
    printf(",\"index_made_ms\":%.0f,\"index_slice_most_ms\":%.1f", made_ms, slice_ms);
    ask_all(argv[1], "");
    puts("}");
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command) == 0 ? 0 : 70;
}
