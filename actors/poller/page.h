/* Bodies of balldontlie that come in pages. Pure. */
#ifndef ACTORS_POLLER_PAGE_H
#define ACTORS_POLLER_PAGE_H

#include <stddef.h>
#include <stdint.h>

/* Cursor of the page behind this one; MESSAGE_NONE: it is the last, or does not say. */
int64_t page_next(const void *body, size_t size);

#endif
