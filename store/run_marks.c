#include "store/run_marks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FILE_NAME "runs.mark"
#define FILE_BYTES (RUN_MARKS_SLOTS * sizeof(struct run_mark))

struct run_marks {
    struct run_mark *slots;
};

/* What is written must reach the page cache in this order, whatever the compiler thinks: a kill may come between any two. */
#define IN_ORDER() atomic_signal_fence(memory_order_seq_cst)

struct run_marks *run_marks_open(const char *dir)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/" FILE_NAME, dir) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    struct run_marks *self = calloc(1, sizeof *self);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (!self || fd < 0)
        goto fail;
    int rc = posix_fallocate(fd, 0, FILE_BYTES); /* or a full disk would be a SIGBUS */
    if (rc) {
        errno = rc;
        goto fail;
    }
    self->slots = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (self->slots == MAP_FAILED)
        goto fail;
    close(fd);
    return self;
fail:
    rc = errno;
    if (fd >= 0)
        close(fd);
    free(self);
    errno = rc;
    return NULL;
}

void run_marks_close(struct run_marks **self_ref)
{
    struct run_marks *self = *self_ref;
    if (!self)
        return;
    munmap(self->slots, FILE_BYTES);
    free(self);
    *self_ref = NULL;
}

void run_marks_set(struct run_marks *self, int slot, const struct run_mark *mark)
{
    struct run_mark *at = &self->slots[slot];
    *(volatile uint64_t *)&at->open = 0;
    IN_ORDER();
    memcpy((char *)at + sizeof at->open, (const char *)mark + sizeof at->open,
           sizeof *at - sizeof at->open);
    IN_ORDER();
    *(volatile uint64_t *)&at->open = 1;
}

void run_marks_closing(struct run_marks *self, int slot, uint64_t step)
{
    *(volatile uint64_t *)&self->slots[slot].step = step;
}

void run_marks_clear(struct run_marks *self, int slot)
{
    *(volatile uint64_t *)&self->slots[slot].open = 0;
}

const struct run_mark *run_marks_get(const struct run_marks *self, int slot)
{
    const struct run_mark *mark = &self->slots[slot];
    return mark->open == 1 ? mark : NULL;
}
