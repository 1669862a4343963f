/* Snapshots on the simulated disk: snapshot.h once more. A few rows a slice, and the process may die before each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/snapshot.h"
#include "tests/simulate/disk_inside.h"

enum { FILES_MAX = 256, SLICE_ROWS = 4, PATH_BYTES = 300 };

struct file {
    char folder[200];
    struct snapshot_about about;
    struct disk_row **rows;
    uint32_t count;
    bool whole, bad; /* whole: it has its name */
};
struct snapshot_writer {
    struct file *file;
    struct disk_row **rows; /* as of its begin */
    uint32_t count, at;
};
struct snapshot_reader {
    struct file *file;
    uint32_t at;
};

static struct file *files[FILES_MAX];
static uint32_t file_count;

void disk_snapshots_close(void)
{
    file_count = 0;
}

static struct file *file_find(const char *folder, uint64_t cursor)
{
    for (uint32_t i = 0; i < file_count; i++)
        if (files[i]->whole && !files[i]->bad && files[i]->about.cursor == cursor &&
            strcmp(files[i]->folder, folder) == 0)
            return files[i];
    return NULL;
}

/* ---- making one ---- */

int snapshot_begin(struct snapshot_writer **out, struct store *store, const char *folder,
                   const char *owner, const struct snapshot_about *about,
                   snapshot_leaves_out *leaves_out)
{
    (void)owner;
    *out = NULL;
    disk_call("snapshot_begin");
    if (file_count == FILES_MAX)
        return STORE_FULL;
    struct snapshot_writer *self = disk_keep(sizeof *self);
    self->rows = disk_keep((store->rows.count + 1) * sizeof(struct disk_row *));
    for (uint32_t i = 0; i < store->rows.count; i++) {
        struct disk_row *row = store->rows.items[i];
        const struct span key = {row->key, (uint32_t)row->key_size};
        if (!leaves_out || !leaves_out(&key))
            self->rows[self->count++] = row;
    }
    self->file = files[file_count++] = disk_keep(sizeof *self->file);
    snprintf(self->file->folder, sizeof self->file->folder, "%s", folder);
    self->file->about = *about;
    self->file->rows = disk_keep((self->count + 1) * sizeof(struct disk_row *));
    *out = self;
    return STORE_OK;
}

int snapshot_turn(struct snapshot_writer *self, const struct snapshot_slice *slice)
{
    (void)slice;
    disk_call("snapshot_turn");
    for (uint32_t i = 0; i < SLICE_ROWS && self->at < self->count; i++)
        self->file->rows[self->file->count++] = self->rows[self->at++];
    return self->at < self->count;
}

uint64_t snapshot_rows(const struct snapshot_writer *self)
{
    return self->at;
}

uint64_t snapshot_bytes(const struct snapshot_writer *self)
{
    return self->at * UINT64_C(100);
}

int snapshot_name(struct snapshot_writer **self, uint32_t keep)
{
    struct file *file = (*self)->file;
    *self = NULL;
    disk_call("snapshot_name");
    file->whole = true;
    for (uint32_t i = file_count, found = 0; i > 0; i--)
        if (files[i - 1]->whole && strcmp(files[i - 1]->folder, file->folder) == 0 &&
            ++found > keep)
            files[i - 1]->bad = true;
    return STORE_OK;
}

void snapshot_drop(struct snapshot_writer **self)
{
    *self = NULL;
}

/* ---- those there are ---- */

uint32_t snapshot_list(const char *folder, uint64_t *cursors, uint32_t most)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < file_count; i++) {
        uint32_t at = count;
        uint64_t cursor = files[i]->about.cursor;
        if (!files[i]->whole || files[i]->bad || strcmp(files[i]->folder, folder) != 0 ||
            count == most)
            continue;
        for (; at > 0 && cursors[at - 1] < cursor; at--)
            cursors[at] = cursors[at - 1];
        cursors[at] = cursor;
        count++;
    }
    return count;
}

int snapshot_path(char *path, size_t size, const char *folder, uint64_t cursor)
{
    int used = snprintf(path, size, "%s/%llu", folder, (unsigned long long)cursor);
    return used < 0 || (size_t)used >= size ? -1 : 0;
}

void snapshot_set_aside(const char *folder, uint64_t cursor)
{
    struct file *file = file_find(folder, cursor);
    if (file)
        file->bad = true;
}

void snapshot_remove(const char *folder, uint64_t above, uint64_t last)
{
    for (uint32_t i = 0; i < file_count; i++)
        if (strcmp(files[i]->folder, folder) == 0 && files[i]->about.cursor > above &&
            files[i]->about.cursor <= last)
            files[i]->bad = true;
}

/* ---- reading one ---- */

int snapshot_open(struct snapshot_reader **out, const char *path, struct snapshot_about *about)
{
    char folder[PATH_BYTES];
    const char *slash = strrchr(path, '/');
    *out = NULL;
    disk_call("snapshot_open");
    if (!slash || (size_t)(slash - path) >= sizeof folder)
        return STORE_NOT_FOUND;
    memcpy(folder, path, (size_t)(slash - path));
    folder[slash - path] = '\0';
    struct file *file = file_find(folder, strtoull(slash + 1, NULL, 10));
    if (!file)
        return STORE_NOT_FOUND;
    struct snapshot_reader *self = disk_keep(sizeof *self);
    self->file = file;
    *about = file->about;
    *out = self;
    return STORE_OK;
}

void snapshot_close(struct snapshot_reader **self)
{
    *self = NULL;
}

int snapshot_next(struct snapshot_reader *self, snapshot_visit *visit, void *context)
{
    (void)visit;
    (void)context;
    self->at += SLICE_ROWS;
    return self->at < self->file->count;
}

int snapshot_load(struct snapshot_reader *self, struct store *store)
{
    struct store_txn *txn;
    int error = store_begin(store, true, &txn);
    if (error)
        return error;
    for (uint32_t i = 0; i < SLICE_ROWS && self->at < self->file->count; i++)
        disk_row_put(txn, self->file->rows[self->at++]);
    error = store_commit(&txn);
    return error ? error : self->at < self->file->count;
}
