/* Several nights in a row: which one is in hand, when it begins, and when league time may leap to it. Pure but for the root's
 * schedule, which is read once for each night. */
#ifndef CLI_SEASON_H
#define CLI_SEASON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct season {
    const char *root; /* where the schedule is; NULL: every day is one that may have games */
    int32_t first, last;
    int32_t date;      /* the night in hand */
    int number, total; /* of it, from 1; of the days from first to last */
    int64_t lead_us;   /* it begins so long before its first tip; CLOCK_NONE: at noon */
    int64_t start_us, last_tip_us;
    int rollover_hour;
};

/* Takes `date`, or the next one that has games, in hand. 0; 1 if there is none up to `last`; -1 with `why`. */
int season_take(struct season *self, int32_t date, char *why, size_t why_size);
/* The night that goes on at `now_us`, after an end in the middle. */
int32_t season_at(const struct season *self, int64_t now_us);
/* When the day of the night in hand is over, whatever became of its games. */
int64_t season_morning_us(const struct season *self);

#endif
