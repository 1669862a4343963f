/* The inside of the simulated disk, shared by disk.c (environments), disk_snapshots.c and disk_compact.c. */
#ifndef TESTS_SIMULATE_DISK_INSIDE_H
#define TESTS_SIMULATE_DISK_INSIDE_H

#include "store/run_marks.h"
#include "store/store.h"

enum { DISK_TABLE_BYTES = 64, DISK_KEY_BYTES = DISK_TABLE_BYTES + 4 + STORE_KEY_MAX };

/* Never changes once it is made; lives as long as the disk. */
struct disk_row {
    uint8_t key[DISK_KEY_BYTES]; /* table, NUL, date, row's key: as snapshots have it */
    size_t key_size, head;       /* head: all before the row's key */
    int32_t date;
    uint8_t *value;
    size_t value_size;
};
/* In order of their keys. */
struct disk_rows {
    struct disk_row **items;
    uint32_t count, capacity;
};
struct store_txn {
    struct store *store;
    struct disk_rows rows; /* a list of its own */
    bool write;
    uint64_t writes;
};
struct store { /* an environment */
    char dir[200];
    struct disk_rows rows;
    uint32_t holder; /* process + 1; 0: closed */
    struct store_txn writer;
    bool writing;
    uint64_t commits, compacted; /* so far; how many when it was compacted last */
    struct run_mark marks[RUN_MARKS_SLOTS];
};

/* Memory that is freed with the disk, and not before: who died in the middle of something frees nothing. */
void *disk_keep(size_t size);
void disk_row_put(struct store_txn *txn, struct disk_row *row); /* instead of one of the same key */
void disk_call(const char *what);                               /* the process may die here */
void disk_snapshots_close(void);
void disk_compacted(void); /* counted: disk_compactions */

#endif
