/* The gate: see store_inside.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "store/store_inside.h"

enum { ENTER_TRIES = 5000, ENTER_NAP_NS = 1000000 }; /* a swap takes milliseconds */

void store_gate_open(struct store *self)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/gate", self->dir) >= (int)sizeof path)
        return;
    self->gate_fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0640);
    if (self->gate_fd < 0) /* nothing may be made there, so nothing is swapped there either */
        self->gate_fd = open(path, O_RDONLY | O_CLOEXEC);
}

void store_gate_close(struct store *self)
{
    if (self->gate_fd >= 0)
        close(self->gate_fd);
    self->gate_fd = -1;
}

int store_gate_enter(struct store *self)
{
    if (!self->read_only || self->gate_fd < 0 || self->inside > 0) {
        self->inside++;
        return STORE_OK;
    }
    for (int i = 0; flock(self->gate_fd, LOCK_SH | LOCK_NB) != 0; i++) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return STORE_IO;
        if (i == ENTER_TRIES)
            return STORE_BUSY;
        nanosleep(&(struct timespec){.tv_nsec = ENTER_NAP_NS}, NULL);
    }
    self->inside++;
    return STORE_OK;
}

void store_gate_leave(struct store *self)
{
    if (--self->inside == 0 && self->read_only && self->gate_fd >= 0)
        (void)flock(self->gate_fd, LOCK_UN);
}

bool store_gate_take(struct store *self)
{
    return self->gate_fd >= 0 && flock(self->gate_fd, LOCK_EX | LOCK_NB) == 0;
}

void store_gate_give(struct store *self)
{
    (void)flock(self->gate_fd, LOCK_UN);
}
