/* The games of the past with their features, out of what the features actor remembers: for train and backtest. */
#ifndef CLI_PAST_SAMPLES_H
#define CLI_PAST_SAMPLES_H

#include "actors/features/past.h"
#include "actors/predictor/samples.h"
#include "cli/command.h"

struct past_samples {
    struct past past;
    const char **names;
    struct sample *rows;
    struct samples samples; /* of the stat last asked for */
    double seconds;         /* that making it took */
};
/* Of all days up to `to`. An exit code, said on stderr. */
int past_samples_make(struct cli *cli, int32_t to, unsigned jobs, struct past_samples *out);
/* Points `samples` at a stat. */
void past_samples_of(struct past_samples *self, enum stat_id stat);
void past_samples_free(struct past_samples *self);

/* One line on a terminal's stderr that is written over again: "features 34 %". Nothing where it is no terminal. */
void past_progress_say(const char *what, size_t done, size_t all);
void past_progress_end(void);

#endif
