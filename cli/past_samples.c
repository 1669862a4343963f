#include "cli/past_samples.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/clock.h"
#include "config/exit.h"
#include "config/settings.h"
#include "store/store.h"

#define SHARDS_MOST 64

void past_progress_say(const char *what, size_t done, size_t all)
{
    if (isatty(STDERR_FILENO) && all > 0) {
        fprintf(stderr, "\r%s %zu %%\033[K", what, 100 * done / all);
    }
}

void past_progress_end(void)
{
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r\033[K");
    }
}

static void say_features(size_t done, size_t all, void *context)
{
    (void)context;
    past_progress_say("features of games played:", done, all);
}

struct stores {
    struct store *stores[SHARDS_MOST];
    struct store_txn *txns[SHARDS_MOST];
    size_t count;
};

static void stores_close(struct stores *self)
{
    for (size_t i = 0; i < self->count; i++) {
        store_abort(&self->txns[i]);
        store_close(&self->stores[i]);
    }
}

static int stores_open(struct cli *cli, struct stores *self)
{
    const struct store_options options = {.read_only = true};
    char path[CLI_PATH_MAX], name[64];
    self->count = 0;
    for (int64_t shard = 0; shard < cli->settings->shards.features && shard < SHARDS_MOST;
         shard++) {
        struct store *store;
        struct store_txn *txn;
        snprintf(name, sizeof name, "shards/features-%lld", (long long)shard);
        int error = store_open(&store, cli_path(cli, path, name), &options);
        if (error) {
            const char *why = error == STORE_IO ? strerror(errno) : store_error_text(error);
            stores_close(self);
            return cli_fail(cli, EXIT_NO,
                            "%s: %s: nothing is known of games played yet; "
                            "`tipoff import` brings seasons in",
                            path, why);
        }
        error = store_begin(store, false, &txn);
        if (error) {
            store_close(&store);
            stores_close(self);
            return cli_fail(cli, EXIT_UNREACHABLE, "%s: %s", path, store_error_text(error));
        }
        self->stores[self->count] = store;
        self->txns[self->count++] = txn;
    }
    return EXIT_OK;
}

/* Players of whom too little is known are neither learned from nor said anything of. */
static void leave_out_new(struct past *past, int64_t fewest)
{
    size_t kept = 0;
    for (size_t i = 0; i < past->count; i++) {
        const float *values = past->values + i * FEATURE_COUNT;
        if (values[FEATURE_games_career] < (float)fewest) {
            continue;
        }
        if (kept != i) {
            past->rows[kept] = past->rows[i];
            memcpy(past->values + kept * FEATURE_COUNT, values, FEATURE_COUNT * sizeof *values);
        }
        kept++;
    }
    past->count = kept;
}

static int name_columns(struct cli *cli, struct past_samples *out)
{
    out->names = calloc(FEATURE_COUNT, sizeof *out->names);
    out->rows = calloc(out->past.count + 1, sizeof *out->rows);
    if (!out->names || !out->rows) {
        return cli_fail(cli, EXIT_UNREACHABLE, "no memory");
    }
    for (int i = 0; i < FEATURE_COUNT; i++) {
        out->names[i] = feature_name((enum feature)i);
    }
    past_samples_of(out, STAT_points);
    return EXIT_OK;
}

int past_samples_make(struct cli *cli, int32_t to, unsigned jobs, struct past_samples *out)
{
    struct stores stores;
    int64_t begun_us = clock_mono_us();
    *out = (struct past_samples){0};
    int code = stores_open(cli, &stores);
    if (code != EXIT_OK) {
        return code;
    }
    int error = past_build(stores.txns, stores.count, 1, to, jobs, say_features, NULL, &out->past);
    stores_close(&stores);
    past_progress_end();
    out->seconds = (double)(clock_mono_us() - begun_us) / 1e6;
    if (!error) {
        leave_out_new(&out->past, cli->settings->predictor.min_games);
    }
    code = error ? cli_fail(cli, error == STORE_CORRUPT ? EXIT_DATA : EXIT_UNREACHABLE, "%s",
                            store_error_text(error))
                 : name_columns(cli, out);
    if (code != EXIT_OK) {
        past_samples_free(out);
    }
    return code;
}

void past_samples_of(struct past_samples *self, enum stat_id stat)
{
    bool lines = stat == STAT_points;
    for (size_t i = 0; i < self->past.count; i++) {
        const struct past_row *row = &self->past.rows[i];
        self->rows[i] = (struct sample){
            .date = row->date,
            .actual = row->actual[stat],
            .line = lines ? row->line : NAN,
            .market = lines ? row->market : NAN,
            .over_price = row->over_price,
            .under_price = row->under_price,
        };
    }
    self->samples = (struct samples){.stat = stat,
                                     .names = self->names,
                                     .width = FEATURE_COUNT,
                                     .count = self->past.count,
                                     .values = self->past.values,
                                     .rows = self->rows};
}

void past_samples_free(struct past_samples *self)
{
    past_free(&self->past);
    free(self->names);
    free(self->rows);
    *self = (struct past_samples){0};
}
