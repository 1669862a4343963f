/* The command line that every long-running executable has (broker, actors, upstream). */
#ifndef CONFIG_OPTIONS_H
#define CONFIG_OPTIONS_H

#include <stddef.h>
#include <stdio.h>

#include "config/settings.h"

#define OPTIONS_SETS_MAX 64
#define OPTIONS_OWN_MAX 16

/* An option of one executable's own, beside the common ones; a table ends with name == NULL. */
struct options_own {
    const char *name;  /* "until-final", without dashes */
    const char *value; /* what follows it, for --help: "X"; NULL: it is a flag */
    const char *doc;   /* one line */
    const char *
        *found; /* gets the value ("" for a flag); untouched if absent. Borrowed from argv. */
};

struct options {
    const char *program;                /* "tipoff-poller" */
    const char *config;                 /* -c FILE, or NULL */
    const char *host;                   /* --host, else this machine's name */
    int shard;                          /* --shard, else 0 */
    int notify_fd;                      /* --notify-fd (s6), else -1 */
    const char *sets[OPTIONS_SETS_MAX]; /* --set key=value; --dir and --log-level are two of them */
    size_t set_count;
};

/* Reads argv. --help (with `does`, one line) and --version print and exit 0; a wrong one exits 64. `own` may be NULL. */
void options_parse(struct options *self, int argc, char **argv, const char *does,
                   const struct options_own *own);
/* The settings those options ask for; also sets the time zone. Refused: the lines on stderr, and exit 78. */
void options_settings(const struct options *self, struct settings *settings);

#endif
