/* What the broker's STATUS says, as Prometheus text. */
#ifndef ACTORS_SCOREBOARD_METRICS_H
#define ACTORS_SCOREBOARD_METRICS_H

#include <stdio.h>

#include "schema/json.h"

/* The two lines before a metric's samples. */
void metrics_head(FILE *out, const char *name, const char *type, const char *help);
void metrics_status(FILE *out, const json_t *status); /* NULL: the broker did not answer */

#endif
