/* League time as the broker of the same state directory runs it: its anchor's file, read again whenever it changed. */
#ifndef SIM_FOLLOW_H
#define SIM_FOLLOW_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct follow {
    char path[PATH_MAX];
    int64_t waiting_us; /* league time while there is no anchor yet */
    struct stat seen;
    bool known;
};

void follow_init(struct follow *self, const char *path, int64_t waiting_us);
/* The league's now; stands still until there is an anchor and it runs. */
int64_t follow_now_us(struct follow *self);

#endif
