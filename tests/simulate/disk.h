/* The environments of the simulated shards, in memory: store.h and run_marks.h once more (disk.c is linked in front of the
 * store's own). What was committed stays; an open transaction goes with its process. */
#ifndef TESTS_SIMULATE_DISK_H
#define TESTS_SIMULATE_DISK_H

#include <stdbool.h>
#include <stdint.h>

struct disk_hooks {                  /* all optional */
    uint32_t (*process)(void);       /* who calls */
    void (*call)(const char *what);  /* before a commit: may not return */
    bool (*fails)(const char *what); /* the commit finds no space */
};
void disk_open(const struct disk_hooks *hooks); /* nothing on it */
void disk_close(void);
void disk_end(uint32_t process); /* it died */
void disk_lose(const char *dir); /* all that was there */
uint64_t disk_commits(void);
uint64_t disk_compactions(void);

#endif
