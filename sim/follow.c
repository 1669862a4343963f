#include "sim/follow.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/clock.h"
#include "config/log.h"

void follow_init(struct follow *self, const char *path, int64_t waiting_us)
{
    *self = (struct follow){.waiting_us = waiting_us};
    snprintf(self->path, sizeof self->path, "%s", path);
    clock_league_set(&(struct clock_anchor){
        .league_us = waiting_us, .real_us = clock_real_us(), .speed = 1.0, .running = false});
}

static bool same(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

int64_t follow_now_us(struct follow *self)
{
    struct stat about;
    struct clock_anchor anchor;
    if (stat(self->path, &about) == 0 && !(self->known && same(&about, &self->seen))) {
        if (clock_anchor_load(self->path, &anchor) == 0) {
            clock_league_set(&anchor);
            self->seen = about;
            self->known = true;
            log_info("clock-followed", "running=%d speed=%g", anchor.running, anchor.speed);
        } else if (errno != ENOENT) {
            log_warn("clock-unreadable", "path=\"%s\" why=\"%s\"", self->path, strerror(errno));
        }
    }
    return clock_league_us();
}
