/* What `tipoff status` says, for whoever else needs it. */
#ifndef CLI_STATUS_H
#define CLI_STATUS_H

#include "cli/command.h"
#include "schema/json.h"

/* The broker's answer if it runs, else the same from the log's own files: {broker, shards, streams}. NULL, said on
 * stderr with `*code` set, if there is neither. */
json_t *status_read(const struct cli *cli, int *code);

#endif
