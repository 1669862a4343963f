/* The log in LMDB: opening, what it holds, and the table. */
#include "broker/log_lmdb.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config/log.h"
#include "store/env_make.h"

static int name_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool name_is_segment(const char *name)
{
    return strncmp(name, "seg-", 4) == 0 && strspn(name + 4, "0123456789") == 20 &&
           name[24] == '\0';
}

static int names_read(const char *dir, char ***out, size_t *count)
{
    DIR *handle = opendir(dir);
    *out = NULL;
    *count = 0;
    if (!handle)
        return -1;
    for (struct dirent *entry; (entry = readdir(handle));) {
        if (!name_is_segment(entry->d_name))
            continue;
        char **grown = realloc(*out, (*count + 1) * sizeof **out);
        if (!grown)
            break;
        *out = grown;
        grown[(*count)++] = strdup(entry->d_name);
    }
    closedir(handle);
    if (*count)
        qsort(*out, *count, sizeof **out, name_order);
    return 0;
}

/* For a reader: the writer is making it, has given it up or has removed it meanwhile. */
static bool segment_unmade(const struct log_lmdb *self, const char *name, int error)
{
    char path[4096 + 16];
    snprintf(path, sizeof path, "%s/%s/data.mdb", self->dir, name);
    struct stat data;
    return error == LOG_NONE || (stat(path, &data) != 0 ? errno == ENOENT : data.st_size == 0);
}

static int segments_load(struct log_lmdb *self)
{
    char **names;
    size_t count;
    if (names_read(self->dir, &names, &count) != 0)
        return errno == ENOENT ? LOG_NONE : LOG_IO;
    int error = LOG_OK;
    for (size_t i = 0; i < count && !error; i++) {
        bool known = false;
        for (uint32_t j = 0; j < self->count; j++)
            known = known || strcmp(self->segments[j].name, names[i]) == 0;
        if (known)
            continue;
        error = lmdb_segment_add(self, names[i], strtoull(names[i] + 4, NULL, 10), 0);
        bool complete = false;
        if (error && self->options.read_only && segment_unmade(self, names[i], error)) {
            error = LOG_OK;
            continue;
        }
        if (!error)
            error = lmdb_head_load(self, lmdb_active(self), &complete);
        if (!error && !complete) { /* a roll that did not get to its mark */
            lmdb_segment_close(lmdb_active(self));
            self->count--;
            if (!self->options.read_only) {
                log_warn("segment-incomplete", "segment=%s action=removed", names[i]);
                if (lmdb_segment_remove(self, names[i]) != 0)
                    log_warn("segment-left", "segment=%s why=\"%s\"", names[i], strerror(errno));
            }
        }
    }
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
    return error;
}

static void lmdb_close(struct log *base)
{
    struct log_lmdb *self = lmdb_of(base);
    log_lmdb_abort(base);
    if (!self->broken)
        (void)log_lmdb_checkpoint(base); /* else it stays in the journal */
    lmdb_txn_drop(self);
    journal_close(&self->journal);
    for (uint32_t i = 0; i < self->count; i++)
        lmdb_segment_close(&self->segments[i]);
    lmdb_gathers_free(&self->index);
    lmdb_gathers_free(&self->seqs);
    free(self->later_body);
    free(self->segments);
    free(self->dir);
    free(self);
}

/* Whatever there is; the first segment if there is none. */
static int lmdb_begin(struct log_lmdb *self)
{
    bool writes = !self->options.read_only, complete;
    if (writes && mkdir(self->dir, 0750) != 0 && errno != EEXIST)
        return LOG_IO;
    int error = segments_load(self);
    if (!error && self->count == 0 && !writes)
        error = LOG_NONE;
    if (!error && self->count == 0) {
        error = lmdb_segment_create(self, self->head, 0);
        if (!error)
            error = lmdb_segment_complete(self, NULL, lmdb_active(self));
    }
    if (!error && writes)
        error = lmdb_head_load(self, lmdb_active(self), &complete);
    if (!error)
        error = writes ? lmdb_journal_begin(self) : LOG_OK;
    /* Always: who made the newest one may have been killed before its names were durable. */
    if (!error && writes)
        error = lmdb_segment_sync(self, lmdb_active(self));
    if (!error && writes)
        error = lmdb_error_of(env_names_sync(self->dir));
    if (!error && !writes)
        error = lmdb_head_load(self, lmdb_active(self), &complete);
    if (!error && !writes)
        error = lmdb_journal_await(self);
    return error;
}

static uint64_t lmdb_first(const struct log *base)
{
    const struct log_lmdb *self = lmdb_of_const(base);
    return self->count ? self->segments[0].first : self->head;
}

static uint64_t lmdb_head(const struct log *base)
{
    const struct log_lmdb *self = lmdb_of_const(base);
    return self->appending ? self->txn_head : self->head;
}

static int64_t lmdb_last_time_us(const struct log *base)
{
    const struct log_lmdb *self = lmdb_of_const(base);
    return self->appending ? self->txn_last_time_us : self->last_time_us;
}

static uint32_t lmdb_segments(const struct log *base)
{
    const struct log_lmdb *self = lmdb_of_const(base);
    return self->count;
}

static uint64_t lmdb_bad_batches(const struct log *base)
{
    const struct log_lmdb *self = lmdb_of_const(base);
    return self->bad_batches;
}

static uint64_t lmdb_later_count(const struct log *base)
{
    const struct log_lmdb *self = lmdb_of_const(base);
    return self->appending ? self->txn_later_count : self->later_count;
}

static uint64_t lmdb_bytes(const struct log *base)
{
    const struct log_lmdb *self = lmdb_of_const(base);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < self->count; i++)
        sum += lmdb_segment_bytes(&self->segments[i]);
    return sum;
}

static int lmdb_segment_at(const struct log *base, uint32_t index, struct log_segment_info *out)
{
    const struct log_lmdb *self = lmdb_of_const(base);
    if (index >= self->count)
        return LOG_NONE;
    out->first = self->segments[index].first;
    out->bytes = lmdb_segment_bytes(&self->segments[index]);
    out->sealed = index + 1 < self->count;
    snprintf(out->name, sizeof out->name, "%s", self->segments[index].name);
    return LOG_OK;
}

int lmdb_load(struct log_lmdb *self)
{
    log_lmdb_read_end(&self->base);
    int error = segments_load(self);
    bool complete;
    if (!error && self->count)
        error = lmdb_head_load(self, lmdb_active(self), &complete);
    return error;
}

static int lmdb_refresh(struct log *base)
{
    struct log_lmdb *self = lmdb_of(base);
    int error = lmdb_load(self);
    return error || !self->options.read_only ? error : lmdb_journal_await(self);
}

static const struct log_ops ops = {
    .close = lmdb_close,
    .first = lmdb_first,
    .head = lmdb_head,
    .last_time_us = lmdb_last_time_us,
    .segments = lmdb_segments,
    .bytes = lmdb_bytes,
    .bad_batches = lmdb_bad_batches,
    .refresh = lmdb_refresh,
    .begin = log_lmdb_begin,
    .append = log_lmdb_append,
    .later_put = log_lmdb_later_put,
    .later_next = log_lmdb_later_next,
    .later_take = log_lmdb_later_take,
    .later_count = lmdb_later_count,
    .put_meta = log_lmdb_put_meta,
    .each_meta = log_lmdb_each_meta,
    .commit = log_lmdb_commit,
    .abort = log_lmdb_abort,
    .behind = log_lmdb_behind,
    .checkpoint = log_lmdb_checkpoint,
    .roll_due = log_lmdb_roll_due,
    .roll = log_lmdb_roll,
    .trim = log_lmdb_trim,
    .next = log_lmdb_next,
    .next_any = log_lmdb_next_any,
    .batch = log_lmdb_batch,
    .count_from = log_lmdb_count_from,
    .lane_find = log_lmdb_lane_find,
    .later_read = log_lmdb_later_read,
    .read_end = log_lmdb_read_end,
    .segment_at = lmdb_segment_at,
};

int log_lmdb_open(struct log **out, const char *dir, const struct log_options *options)
{
    struct log_lmdb *self = calloc(1, sizeof *self);
    *out = NULL;
    if (!self)
        return LOG_IO;
    self->base.ops = &ops;
    self->journal.fd = -1;
    self->options = *options;
    self->dir = strdup(dir);
    self->head = 1;
    self->burst = 1;
    self->later_id = 1;
    self->last_time_us = INT64_MIN;
    self->segment_start_us = INT64_MIN;
    int error = self->dir ? lmdb_begin(self) : LOG_IO;
    if (error) {
        int saved = errno;
        lmdb_close(&self->base);
        errno = saved;
        return error;
    }
    *out = &self->base;
    return LOG_OK;
}
