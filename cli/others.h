/* Actors by others that `tipoff up` keeps up beside its own (setting supervisor.also): executables, each called what its actor is called. */
#ifndef CLI_OTHERS_H
#define CLI_OTHERS_H

#include <stddef.h>

/* The actor's name: the last part of the path, borrowed from it. */
const char *others_name(const char *path);
/* Runs `argv` (ended by NULL) with --register behind it and waits for it, ten seconds at most: it tells the broker of its streams. Its exit code; -1
 * if it could not be run, or did not end. What it says goes to our stderr. */
int others_register(const char *const *argv);

#endif
