/* Which games a live body lists as still in play: the poller learns from it that a game is over, or gone. Pure. */
#ifndef ACTORS_POLLER_LIVE_LIST_H
#define ACTORS_POLLER_LIVE_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIVE_LIST_MAX 64
struct live_list {
    int64_t ids[LIVE_LIST_MAX]; /* the source's; without those that it calls final */
    int count;
    bool
        unsure; /* some game has no id (the older shape), or there are too many: absence says nothing */
};
/* -1 if it is no live body. */
int live_list_read(const void *body, size_t size, struct live_list *out);
bool live_list_has(const struct live_list *self, int64_t id); /* true if unsure */

#endif
