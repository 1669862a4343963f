/* tipoff compact - makes the files of a stopped system's shards as small as what they hold. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/query.h"
#include "config/clock.h"
#include "config/exit.h"
#include "config/settings.h"
#include "store/compact.h"

struct compact {
    struct cli *cli;
    json_t *out;
    int code; /* the first that is not EXIT_OK */
};

struct compacted {
    uint64_t rows;
    struct store_space before, after;
};

/* All of it in one go: nobody waits. */
static int whole(struct store *store, struct compacted *done)
{
    static const struct compact_slice slice = {.bytes = 64u << 20, .time_us = 1000000};
    struct compaction *compaction;
    int error = store_space(store, &done->before);
    if (!error)
        error = compact_begin(&compaction, store);
    if (error)
        return error;
    do
        error = compact_turn(compaction, &slice);
    while (error == 1);
    done->rows = compact_rows(compaction);
    if (error) {
        compact_drop(&compaction);
        return error;
    }
    error = compact_swap(&compaction);
    if (error == 1) { /* a reader of another process is inside */
        compact_drop(&compaction);
        return STORE_BUSY;
    }
    return error ? error : store_space(store, &done->after);
}

static int exit_of(int error)
{
    switch (error) {
    case STORE_OK:
        return EXIT_OK;
    case STORE_NOT_FOUND:
        return EXIT_NO;
    case STORE_BUSY:
    case STORE_FULL:
        return EXIT_AGAIN;
    case STORE_CORRUPT:
        return EXIT_DATA;
    default:
        return EXIT_UNREACHABLE;
    }
}

static void one(struct compact *self, const char *name, const char *path)
{
    char file[CLI_PATH_MAX + 16];
    const struct store_options options = {.map_bytes =
                                              (size_t)self->cli->settings->store.map_bytes};
    struct compacted done = {0};
    struct store *store = NULL;
    int64_t began_us = clock_mono_us();
    snprintf(file, sizeof file, "%s/data.mdb", path);
    int error = access(file, F_OK) != 0 ? STORE_NOT_FOUND : store_open(&store, path, &options);
    if (!error)
        error = whole(store, &done);
    store_close(&store);
    int code = exit_of(error);
    if (self->code == EXIT_OK)
        self->code = code;
    json_t *row = json_object();
    json_object_set_new(row, "shard", json_of_string(name));
    json_object_set_new(row, "rows", error ? json_null() : json_integer((json_int_t)done.rows));
    json_object_set_new(row, "bytes",
                        error ? json_null() : json_integer((json_int_t)done.before.bytes));
    json_object_set_new(row, "bytes_out",
                        error ? json_null() : json_integer((json_int_t)done.after.bytes));
    json_object_set_new(row, "seconds", json_of_number((double)(clock_mono_us() - began_us) / 1e6));
    json_object_set_new(row, "why",
                        json_of_string(error == STORE_BUSY ? "somebody has it open"
                                       : error             ? store_error_text(error)
                                                           : NULL));
    json_array_append_new(self->out, row);
}

/* "scoreboard.0", or the folder itself. */
static void named(struct compact *self, const char *name)
{
    char folder[CLI_PATH_MAX], path[CLI_PATH_MAX];
    const char *dot = strrchr(name, '.');
    if (strchr(name, '/') || !dot || strlen(name) > 200) {
        one(self, name, name);
        return;
    }
    snprintf(folder, sizeof folder, "shards/%.*s-%s", (int)(dot - name), name, dot + 1);
    one(self, name, cli_path(self->cli, path, folder));
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Those of shards: NAME-N. What was set aside (NAME-N.bad-N) is for people to look at as it is. */
static int is_shard(const struct dirent *entry)
{
    const char *hyphen = strrchr(entry->d_name, '-');
    return hyphen && hyphen > entry->d_name && hyphen[1] &&
           hyphen[1 + strspn(hyphen + 1, "0123456789")] == '\0' && !strchr(entry->d_name, '.');
}

static void every(struct compact *self)
{
    char path[CLI_PATH_MAX];
    struct dirent **entries = NULL;
    int count = scandir(cli_path(self->cli, path, "shards"), &entries, is_shard, by_name);
    for (int i = 0; i < count; i++) {
        char name[300], file[CLI_PATH_MAX + 300];
        const char *folder = entries[i]->d_name, *hyphen = strrchr(folder, '-');
        snprintf(name, sizeof name, "%.*s.%s", (int)(hyphen - folder), folder, hyphen + 1);
        snprintf(file, sizeof file, "%s/%s/data.mdb", path, folder);
        if (access(file, F_OK) == 0)
            named(self, name);
        free(entries[i]);
    }
    free(entries);
}

static int compact_run(struct cli *cli, int argc, char **argv)
{
    struct compact self = {.cli = cli, .out = json_array()};
    for (int i = 0; i < argc; i++)
        named(&self, argv[i]);
    if (argc == 0)
        every(&self);
    query_print(cli, self.out, NULL);
    int code = json_array_size(self.out) ? self.code
                                         : cli_fail(cli, EXIT_NO, "%s has no shards", cli->dir);
    json_decref(self.out);
    return code;
}

const struct command command_compact = {
    .name = "compact",
    .args = "[SHARD|FOLDER…]",
    .summary = "Makes the files of a stopped system's shards as small as what they hold.",
    .run = compact_run,
};
