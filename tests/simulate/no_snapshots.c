/* There are no snapshots on this disk: nobody opens a folder of them, and nothing here is ever called for one. */
#include <stdlib.h>

#include "store/snapshot.h"

int snapshot_begin(struct snapshot_writer **out, struct store *store, const char *folder,
                   const char *owner, const struct snapshot_about *about,
                   snapshot_leaves_out *leaves_out)
{
    (void)store;
    (void)folder;
    (void)owner;
    (void)about;
    (void)leaves_out;
    *out = NULL;
    return STORE_FULL;
}

int snapshot_turn(struct snapshot_writer *self, const struct snapshot_slice *slice)
{
    (void)self;
    (void)slice;
    abort();
}

uint64_t snapshot_rows(const struct snapshot_writer *self)
{
    (void)self;
    abort();
}

uint64_t snapshot_bytes(const struct snapshot_writer *self)
{
    (void)self;
    abort();
}

int snapshot_name(struct snapshot_writer **self, uint32_t keep)
{
    (void)self;
    (void)keep;
    abort();
}

void snapshot_drop(struct snapshot_writer **self)
{
    *self = NULL;
}

uint32_t snapshot_list(const char *folder, uint64_t *cursors, uint32_t most)
{
    (void)folder;
    (void)cursors;
    (void)most;
    return 0;
}

int snapshot_path(char *path, size_t size, const char *folder, uint64_t cursor)
{
    (void)path;
    (void)size;
    (void)folder;
    (void)cursor;
    return -1;
}

void snapshot_set_aside(const char *folder, uint64_t cursor)
{
    (void)folder;
    (void)cursor;
}

int snapshot_open(struct snapshot_reader **out, const char *path, struct snapshot_about *about)
{
    (void)path;
    (void)about;
    *out = NULL;
    return STORE_NOT_FOUND;
}

void snapshot_close(struct snapshot_reader **self)
{
    *self = NULL;
}

int snapshot_load(struct snapshot_reader *self, struct store *store)
{
    (void)self;
    (void)store;
    abort();
}
