/* What a subcommand of `tipoff` is, and what it is given. One file per subcommand: cli/<name>.c defines
 * `const struct command command_<name>`, and one line in cli/commands.def makes it known. Parsing, --help and the
 * manual page derive from the table.
 *
 * Every subcommand has -c FILE, --set KEY=VALUE, --dir DIR, --json and --help beside its own options. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct settings;
struct cli;

struct command_option {
    const char *name;  /* without the dashes: "date"; NULL ends the table */
    const char *value; /* what follows it, for people: "D"; NULL: it is a flag */
    const char *doc;   /* one line */
};

struct command {
    const char *name; /* "boxscores" */
    const char
        *args; /* positional arguments, for people: "PATH…", "[PATTERN]"; "" if it takes none */
    const char *summary;                  /* one line */
    const struct command_option *options; /* its own; NULL if it has none */
    int (*run)(struct cli *cli, int argc,
               char **argv); /* positionals only; returns an exit code (config/exit.h) */
    bool own_settings; /* does not want the settings read before it runs (cli->settings is NULL) */
};

#define CLI_OPTIONS_MAX 24
#define CLI_SETS_MAX 64

struct cli {
    const struct command *command;
    const struct settings *settings; /* of -c FILE and --set, or the defaults */
    const char *config;              /* -c FILE; NULL if not given */
    const char *sets[CLI_SETS_MAX];  /* each --set KEY=VALUE, and dir= if --dir was given */
    size_t set_count;
    const char *dir;     /* --dir, or the setting */
    const char *bin_dir; /* where this executable and its siblings are */
    bool json;           /* --json */
    struct {
        const char *name, *value; /* value "" for flags */
    } options[CLI_OPTIONS_MAX];
    int option_count;
};

/* The value of an option of this command ("" for a flag), NULL if it was not given. Asking for one that the
 * command's table does not have is our bug (assert). The last of several wins. */
const char *cli_option(const struct cli *cli, const char *name);
/* The same as a type. 0: `*out` set, or left as it was if the option is absent; else EXIT_USAGE, said on stderr. */
int cli_date(const struct cli *cli, const char *name, int32_t *out);
int cli_instant(const struct cli *cli, const char *name, int64_t *out);
int cli_number(const struct cli *cli, const char *name, double lo, double hi, double *out);
int cli_integer(const struct cli *cli, const char *name, int64_t lo, int64_t hi, int64_t *out);

/* Says `tipoff <command>: <words>` on stderr and returns `code`: so `return cli_fail(cli, EXIT_USAGE, ...)`. */
int cli_fail(const struct cli *cli, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* "<dir>/<name>" into `path`; asserts that it fits. */
#define CLI_PATH_MAX 4096
const char *cli_path(const struct cli *cli, char path[CLI_PATH_MAX], const char *name);

/* Every command, in the order of cli/commands.def; ended by NULL. */
const struct command *const *command_list(void);
const struct command *command_find(const char *name);
const struct command_option *command_common(void);            /* the options that all have */
void command_usage(FILE *out, const struct command *command); /* NULL: of `tipoff` itself */

#endif
