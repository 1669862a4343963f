/* The live view on a terminal: plain ANSI, redrawn at 4 Hz. */
#ifndef CLI_VIEW_H
#define CLI_VIEW_H

#include <stdint.h>
#include <stdio.h>

#include "cli/night.h"
#include "cli/supervisor.h"
#include "schema/json.h"

struct view;

struct view *view_open(FILE *out, int32_t date);  /* NULL: no memory */
void view_night(struct view *self, int32_t date); /* another night is in hand */
void view_close(struct view **self);              /* gives the terminal back as it was */
void view_event(struct view *self, const struct child_event *event);
void view_status(struct view *self, const json_t *status); /* an answer of the broker; copied */
void view_draw(struct view *self, const struct supervisor *supervisor, const struct night *night);

#endif
