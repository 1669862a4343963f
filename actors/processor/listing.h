/* Lists of people that come a page at a time, each page only when it changed: sums over the newest of each page, which are checked
 * when they are of a whole list.
 *
 *   page   undated, feed and cursor -> processor_page; as many as there are cursors: people's ids, of the source */
#ifndef ACTORS_PROCESSOR_LISTING_H
#define ACTORS_PROCESSOR_LISTING_H

#include "actors/processor/check.h"

struct msg_processor_page listing_page(const struct apply *self, size_t rows);
/* Somebody of that team is on it. */
void listing_team(struct msg_processor_page *page, const char *team);
/* Keeps it, and checks the list that it is of. `teams_least`: of fewer teams that play nobody can say that some are missing. */
void listing_judge(struct apply *self, enum check_list list, const struct msg_processor_page *page,
                   size_t teams_least);

/* The share of the teams of the day's games that are not among `teams` (codes with commas); NAN if there are fewer than `least`. */
double listing_lost(struct apply *self, const char *teams, size_t least);

#endif
