/* The broker and the actors that an import needs when none run: started for it, ended after it. */
#ifndef CLI_IMPORT_RUN_H
#define CLI_IMPORT_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/command.h"

struct import_run;

/* Takes the directory's lock and starts the broker. NULL: said on stderr, and *code is the exit code. */
struct import_run *import_run_start(struct cli *cli, int *code);
/* Starts the actors that read what an import, or a training, publishes. */
enum import_readers { READERS_OF_HISTORY, READERS_OF_MODELS };
void import_run_actors(struct import_run *self, enum import_readers of);
/* Restarts what died. */
void import_run_turn(struct import_run *self);
/* True once every one of those actors has committed everything up to `position`. `behind` (may be NULL) gets the records
 * that the slowest still has before it. */
bool import_run_applied(struct import_run *self, uint64_t position, uint64_t *behind);
/* NULL while all is well; else which process does not stay up. */
const char *import_run_broken(const struct import_run *self);
/* Ends everything in order. */
void import_run_stop(struct import_run **self);

#endif
