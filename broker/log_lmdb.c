/* The log in LMDB: opening, what it holds, and the table. */
#include "broker/log_lmdb.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "broker/log_guard.h"
#include "config/log.h"
#include "store/env_make.h"

struct named {
    char name[40];
    uint64_t first;
    uint32_t made;
};

static int named_order(const void *a, const void *b)
{
    const struct named *left = a, *right = b;
    if (left->first != right->first)
        return left->first < right->first ? -1 : 1;
    return left->made < right->made ? -1 : left->made > right->made;
}

/* seg-<20 digits>, and once rewritten .<how often>. */
static bool named_read(struct named *out, const char *name)
{
    if (strncmp(name, "seg-", 4) != 0 || strspn(name + 4, "0123456789") != 20 || strlen(name) > 34)
        return false;
    out->first = strtoull(name + 4, NULL, 10);
    out->made = 0;
    snprintf(out->name, sizeof out->name, "%s", name);
    if (name[24] == '\0')
        return true;
    out->made = (uint32_t)strtoul(name + 25, NULL, 10);
    return name[24] == '.' && name[25] != '\0' &&
           strspn(name + 25, "0123456789") == strlen(name + 25);
}

static int names_read(const char *dir, struct named **out, size_t *count)
{
    DIR *handle = opendir(dir);
    *out = NULL;
    *count = 0;
    if (!handle)
        return -1;
    for (struct dirent *entry; (entry = readdir(handle));) {
        struct named named;
        if (!named_read(&named, entry->d_name))
            continue;
        struct named *grown = realloc(*out, (*count + 1) * sizeof **out);
        if (!grown)
            break;
        *out = grown;
        grown[(*count)++] = named;
    }
    closedir(handle);
    if (*count)
        qsort(*out, *count, sizeof **out, named_order);
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

static bool segment_known(const struct log_lmdb *self, const char *name)
{
    for (uint32_t i = 0; i < self->count; i++)
        if (strcmp(self->segments[i].name, name) == 0)
            return true;
    return false;
}

/* What a roll or a rewriting did not get to mark, or what has a newer form. */
static void segment_discard(struct log_lmdb *self, const char *name, const char *why)
{
    if (self->options.read_only)
        return;
    log_warn("segment-removed", "segment=%s why=%s", name, why);
    if (lmdb_segment_remove(self, name) != 0)
        log_warn("segment-left", "segment=%s why=\"%s\"", name, strerror(errno));
}

/* The last one in the list goes where its first position belongs, in the place of one that it was made from. */
static void segment_place(struct log_lmdb *self)
{
    struct segment segment = self->segments[--self->count];
    uint32_t i = self->count;
    while (i > 0 && self->segments[i - 1].first > segment.first)
        i--;
    if (i > 0 && self->segments[i - 1].first == segment.first) {
        char name[40];
        snprintf(name, sizeof name, "%s", self->segments[i - 1].name);
        lmdb_segment_close(&self->segments[i - 1]);
        self->segments[i - 1] = segment;
        segment_discard(self, name, "rewritten");
        return;
    }
    memmove(self->segments + i + 1, self->segments + i, (self->count - i) * sizeof *self->segments);
    self->segments[i] = segment;
    self->count++;
}

/* Made by a roll that did not get to its end: nothing was ever appended to it. */
static bool segment_empty(struct log_lmdb *self, struct segment *segment)
{
    MDB_txn *txn;
    MDB_stat stat = {.ms_entries = 1};
    bool empty = lmdb_reader_of(self, segment, &txn) == LOG_OK &&
                 mdb_stat(txn, segment->db[DB_BATCHES], &stat) == MDB_SUCCESS &&
                 stat.ms_entries == 0;
    log_lmdb_read_end(&self->base);
    return empty;
}

/* One that it was made from, or was to be: of a rewriting that did not get to its end the old one is still there. */
static bool segment_has_older(const struct log_lmdb *self, uint64_t first)
{
    for (uint32_t i = 0; i + 1 < self->count; i++)
        if (self->segments[i].first == first)
            return true;
    return false;
}

struct loading {
    struct log_lmdb *self;
    const struct named *named;
    bool newest, complete;
    bool damaged; /* the mark that it is complete is what is missing */
};

static int segment_add(void *context)
{
    struct loading *loading = context;
    struct log_lmdb *self = loading->self;
    int error = lmdb_segment_add(self, loading->named->name, loading->named->first, 0);
    if (error)
        return error;
    lmdb_active(self)->made = loading->named->made;
    error = lmdb_head_load(self, lmdb_active(self), &loading->complete);
    /* It was complete before the first append, and before what it was made from went. */
    loading->damaged = !error && !loading->complete &&
                       (loading->named->made ? !segment_has_older(self, loading->named->first)
                                             : !segment_empty(self, lmdb_active(self)));
    if (loading->damaged && loading->newest)
        error = LOG_CORRUPT; /* nothing more is built on it */
    if (error) {
        lmdb_segment_close(lmdb_active(self));
        self->count--;
    }
    return error;
}

/* One that others follow is set aside, and holds its place: what was in it is missing, by name. The newest is what goes on. */
static int segment_set_aside(struct log_lmdb *self, const struct named *named)
{
    struct segment *segment = &self->segments[self->count]; /* room was made for it */
    log_error("segment-damaged", "segment=%s part=all action=set-aside", named->name);
    *segment = (struct segment){.first = named->first, .made = named->made, .index_damaged = true};
    snprintf(segment->name, sizeof segment->name, "%s", named->name);
    self->bad_batches++;
    self->count++;
    segment_place(self);
    return LOG_OK;
}

static int segment_load(struct log_lmdb *self, const struct named *named, bool newest)
{
    struct loading loading = {.self = self, .named = named, .newest = newest};
    uint32_t count = self->count;
    int error = log_guard(segment_add, &loading);
    if (error && self->options.read_only && segment_unmade(self, named->name, error))
        return LOG_OK;
    self->count = error ? count : self->count;
    if (error == LOG_CORRUPT && !newest && self->count < self->capacity)
        return segment_set_aside(self, named);
    if (error)
        return error;
    if (loading.damaged)
        lmdb_active(self)->mark_lost = true;
    if (loading.complete || loading.damaged) {
        segment_place(self);
        return LOG_OK;
    }
    lmdb_segment_close(lmdb_active(self));
    self->count--;
    segment_discard(self, named->name, "incomplete");
    return LOG_OK;
}

/* A trim let go of them; who was to remove the files may have been killed before. */
static void segments_let_go(struct log_lmdb *self)
{
    uint32_t gone = 0;
    while (gone + 1 < self->count && self->segments[gone + 1].first <= self->kept_first)
        gone++;
    for (uint32_t i = 0; i < gone; i++) {
        lmdb_segment_close(&self->segments[i]);
        if (!self->options.read_only)
            (void)lmdb_segment_let_go(self, self->segments[i].name);
    }
    self->count -= gone;
    if (gone)
        memmove(self->segments, self->segments + gone, self->count * sizeof *self->segments);
}

/* Of those that are kept: one that a trim passed may be what is left of a rewriting that was given up. */
static void marks_name(struct log_lmdb *self)
{
    for (uint32_t i = 0; i < self->count; i++) {
        if (!self->segments[i].mark_lost)
            continue;
        self->segments[i].mark_lost = false;
        self->bad_batches++;
        log_error("segment-damaged", "segment=%s part=mark action=\"it is read all the same\"",
                  self->segments[i].name);
    }
}

static int segments_load(struct log_lmdb *self)
{
    struct named *names;
    size_t count;
    bool complete;
    if (names_read(self->dir, &names, &count) != 0)
        return errno == ENOENT ? LOG_NONE : LOG_IO;
    int error = LOG_OK;
    for (size_t i = 0; i < count && !error; i++)
        if (!segment_known(self, names[i].name))
            error = segment_load(self, &names[i], names[i].first == names[count - 1].first);
    free(names);
    if (!error && self->count)
        error = lmdb_head_load(self, lmdb_active(self), &complete);
    if (!error)
        segments_let_go(self);
    return error;
}

static void lmdb_close(struct log *base)
{
    struct log_lmdb *self = lmdb_of(base);
    log_lmdb_abort(base);
    if (!self->broken)
        (void)log_lmdb_checkpoint(base); /* else it stays in the journal */
    lmdb_txn_drop(self);
    log_lmdb_rewrite_drop(base);
    journal_close(&self->journal);
    for (uint32_t i = 0; i < self->count; i++)
        lmdb_segment_close(&self->segments[i]);
    lmdb_gathers_free(&self->index);
    lmdb_gathers_free(&self->seqs);
    lmdb_gathers_free(&self->rewrite.index);
    free(self->gone);
    free(self->later_body);
    free(self->segments);
    free(self->dir);
    free(self);
}

/* Whatever there is; the first segment if there is none. */
static int lmdb_begin(void *context)
{
    struct log_lmdb *self = context;
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
    segments_let_go(self); /* as the journal may say */
    /* Always: who made the newest one may have been killed before its names were durable. */
    if (!error && writes)
        error = lmdb_segment_sync(self, lmdb_active(self));
    if (!error && writes)
        error = lmdb_error_of(env_names_sync(self->dir));
    if (!error && !writes)
        error = lmdb_head_load(self, lmdb_active(self), &complete);
    if (!error && !writes)
        error = lmdb_journal_await(self);
    if (!error)
        marks_name(self);
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
    return segments_load(self);
}

static int lmdb_refresh(struct log *base)
{
    struct log_lmdb *self = lmdb_of(base);
    int error = lmdb_load(self);
    if (!error && self->options.read_only)
        error = lmdb_journal_await(self);
    if (!error)
        marks_name(self);
    return error;
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
    .tidy = log_lmdb_tidy,
    .rewrite_begin = log_lmdb_rewrite_begin,
    .rewrite_step = log_lmdb_rewrite_step,
    .rewrite_keep = log_lmdb_rewrite_keep,
    .rewrite_drop = log_lmdb_rewrite_drop,
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
    log_guard_open();
    int error = self->dir ? log_guard(lmdb_begin, self) : LOG_IO;
    if (error) {
        int saved = errno;
        lmdb_close(&self->base);
        errno = saved;
        return error;
    }
    *out = &self->base;
    return LOG_OK;
}
