/* Another of our executables, run to its end with the settings that were given to us. */
#ifndef CLI_SIBLING_H
#define CLI_SIBLING_H

#include "cli/command.h"

/* `words` begin with the subcommand if `program` is "tipoff", and end with NULL; --dir is `dir`. Its exit code; 128 + signal if one
 * ended it. While it runs a SIGTERM of ours is passed on to it, and a SIGINT is left to it (the terminal sends both one). */
int sibling_run(const struct cli *cli, const char *dir, const char *program,
                const char *const *words);
/* The simulated league of `seed` is made in DIR/league, with the nights from `date` to `to` (NULL: only that one), and its past until
 * `date` imported. An exit code. */
int sibling_league(const struct cli *cli, const char *dir, const char *seed, const char *date,
                   const char *to);

#endif
