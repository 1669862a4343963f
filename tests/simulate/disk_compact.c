/* Compaction on the simulated disk: compact.h once more. A few rows a slice; the process may die before each, and at the swap, after which
 * the environment is what the copy holds: a row that was not copied is gone. */
#include <stdlib.h>
#include <string.h>

#include "store/compact.h"
#include "tests/simulate/disk_inside.h"

enum { SLICE_ROWS = 8, DUE_COMMITS = 12, MIB = 1 << 20 };

struct compaction {
    struct store *store;
    uint64_t as_of;
    struct disk_row **rows;
    uint32_t count, at;
};

/* Worth it after so many commits. */
int store_space(struct store *store, struct store_space *space)
{
    space->bytes = UINT64_C(1024) * MIB;
    space->free_bytes = store->commits - store->compacted >= DUE_COMMITS ? space->bytes / 4 * 3 : 0;
    return STORE_OK;
}

int compact_begin(struct compaction **out, struct store *store)
{
    struct compaction *self = disk_keep(sizeof *self);
    *out = NULL;
    disk_call("compact_begin");
    self->store = store;
    self->as_of = store->commits;
    self->count = store->rows.count;
    self->rows = disk_keep((self->count + 1) * sizeof(struct disk_row *));
    *out = self;
    return STORE_OK;
}

int compact_turn(struct compaction *self, const struct compact_slice *slice)
{
    (void)slice;
    disk_call("compact_turn");
    for (uint32_t i = 0; i < SLICE_ROWS && self->at < self->count; i++, self->at++)
        self->rows[self->at] =
            self->at < self->store->rows.count ? self->store->rows.items[self->at] : NULL;
    return self->at < self->count;
}

uint64_t compact_rows(const struct compaction *self)
{
    return self->at;
}

int compact_swap(struct compaction **self_ref)
{
    struct compaction *self = *self_ref;
    struct store *store = self->store;
    if (store->writing)
        return 1;
    *self_ref = NULL;
    if (store->commits != self->as_of)
        return STORE_BUSY;
    disk_call("compact_swap");
    memcpy(store->rows.items, self->rows, self->count * sizeof *self->rows);
    store->rows.count = self->count;
    store->compacted = store->commits;
    disk_compacted();
    disk_call("compact_swapped");
    return 0;
}

void compact_drop(struct compaction **self)
{
    *self = NULL;
}
