/* Where in the log a time is: over what the seam offers, whatever is behind it. */
#include "broker/log.h"

/* Of the first batch that holds or follows `position`; what is broken passes for the one behind it. */
static int time_from(struct log *self, uint64_t position, int64_t *time_us, uint64_t *base,
                     uint64_t *after)
{
    for (;;) {
        struct batch_header header;
        struct span body;
        int error = log_next_any(self, position, base);
        if (error)
            return error;
        error = log_batch(self, *base, &header, &body);
        if (!error) {
            *time_us = header.time_us;
            *after = *base + header.count;
            return LOG_OK;
        }
        if (error != LOG_CORRUPT)
            return error;
        position = *base + (header.count ? header.count : 1);
    }
}

int log_at_time(struct log *self, int64_t time_us, uint64_t *position)
{
    uint64_t low = log_first(self), high = log_head(self);
    while (low < high) { /* what is below low is earlier; from high on it is not */
        int64_t found_us;
        uint64_t middle = low + (high - low) / 2, base, after;
        int error = time_from(self, middle, &found_us, &base, &after);
        if (error && error != LOG_NONE) {
            log_read_end(self);
            return error;
        }
        if (!error && found_us < time_us)
            low = after;
        else
            high = !error && base < middle ? base : middle;
    }
    uint64_t base;
    if (low < log_head(self) && log_next_any(self, low, &base) == LOG_OK && base > low)
        low = base; /* what lay between was removed */
    log_read_end(self);
    *position = low;
    return LOG_OK;
}
