/* The page, compiled in from actors/scoreboard/web/index.html. */
#ifndef ACTORS_SCOREBOARD_PAGE_H
#define ACTORS_SCOREBOARD_PAGE_H

#include <stddef.h>

const char *page_html(size_t *size);

#endif
