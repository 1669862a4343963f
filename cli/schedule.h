/* What a data root's games/ files say of one date: enough to know when its night begins. */
#ifndef CLI_SCHEDULE_H
#define CLI_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

struct schedule_day {
    int games;
    int tips;                          /* games whose tip is known */
    int64_t first_tip_us, last_tip_us; /* CLOCK_NONE if none is known */
};

/* Reads every games/ *.csv and *.csv.gz of `root`. 0, or -1 with `why`: no such folder, a file without the columns
 * game_date and tip_utc, an instant that is none. */
int schedule_of_day(const char *root, int32_t date, struct schedule_day *out, char *why,
                    size_t why_size);

#endif
