/* The table of subcommands, and what all of them share. */
#include "cli/command.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "config/clock.h"
#include "config/exit.h"

#define COMMAND(name) extern const struct command command_##name;
#include "cli/commands.def"
#undef COMMAND

static const struct command *const commands[] = {
#define COMMAND(name) &command_##name,
#include "cli/commands.def"
#undef COMMAND
    NULL,
};

static const struct command_option common[] = {
    {"c", "FILE", "settings; also --config"},
    {"set", "KEY=VALUE", "one setting over those of the file; may be repeated"},
    {"dir", "DIR", "where the state is (./tipoff-data)"},
    {"json", NULL, "print JSON: one document, or lines where it streams"},
    {"help", NULL, "print this"},
    {NULL, NULL, NULL},
};

const struct command *const *command_list(void)
{
    return commands;
}

const struct command_option *command_common(void)
{
    return common;
}

const struct command *command_find(const char *name)
{
    for (const struct command *const *at = commands; *at; at++)
        if (!strcmp((*at)->name, name))
            return *at;
    return NULL;
}

static void print_options(FILE *out, const struct command_option *option)
{
    for (; option && option->name; option++) {
        char left[64];
        const char *dashes = option->name[1] ? "--" : "-";
        snprintf(left, sizeof left, "%s%s%s%s", dashes, option->name, option->value ? " " : "",
                 option->value ? option->value : "");
        fprintf(out, "  %-26s %s\n", left, option->doc);
    }
}

void command_usage(FILE *out, const struct command *command)
{
    if (!command) {
        fprintf(out, "usage: tipoff COMMAND [OPTIONS]\n\n");
        for (const struct command *const *at = commands; *at; at++)
            fprintf(out, "  %-14s %s\n", (*at)->name, (*at)->summary);
        fprintf(out, "\nEvery command:\n");
        print_options(out, common);
        return;
    }
    fprintf(out, "usage: tipoff %s%s%s%s\n\n%s\n\n", command->name,
            command->options ? " [OPTIONS]" : "", command->args[0] ? " " : "", command->args,
            command->summary);
    print_options(out, command->options);
    print_options(out, common);
}

const char *cli_option(const struct cli *cli, const char *name)
{
    bool declared = false;
    for (const struct command_option *at = cli->command->options; at && at->name; at++)
        declared |= !strcmp(at->name, name);
    assert(declared);
    (void)declared;
    for (int i = cli->option_count - 1; i >= 0; i--)
        if (!strcmp(cli->options[i].name, name))
            return cli->options[i].value;
    return NULL;
}

int cli_date(const struct cli *cli, const char *name, int32_t *out)
{
    const char *text = cli_option(cli, name);
    if (text && clock_parse_date(text, out) != 0)
        return cli_fail(cli, EXIT_USAGE, "--%s %s: not a date (YYYY-MM-DD)", name, text);
    return EXIT_OK;
}

int cli_instant(const struct cli *cli, const char *name, int64_t *out)
{
    const char *text = cli_option(cli, name);
    if (text && clock_parse_utc(text, out) != 0)
        return cli_fail(cli, EXIT_USAGE, "--%s %s: not an instant (2025-11-17T23:00:00Z)", name,
                        text);
    return EXIT_OK;
}

int cli_number(const struct cli *cli, const char *name, double lo, double hi, double *out)
{
    const char *text = cli_option(cli, name);
    if (!text)
        return EXIT_OK;
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (end == text || *end || errno || !(value >= lo && value <= hi))
        return cli_fail(cli, EXIT_USAGE, "--%s %s: not a number from %g to %g", name, text, lo, hi);
    *out = value;
    return EXIT_OK;
}

int cli_integer(const struct cli *cli, const char *name, int64_t lo, int64_t hi, int64_t *out)
{
    const char *text = cli_option(cli, name);
    if (!text)
        return EXIT_OK;
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno || value < lo || value > hi)
        return cli_fail(cli, EXIT_USAGE, "--%s %s: not a whole number from %lld to %lld", name,
                        text, (long long)lo, (long long)hi);
    *out = value;
    return EXIT_OK;
}

int cli_fail(const struct cli *cli, int code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "tipoff %s: ", cli->command->name);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    return code;
}

const char *cli_path(const struct cli *cli, char path[CLI_PATH_MAX], const char *name)
{
    int size = snprintf(path, CLI_PATH_MAX, "%s/%s", cli->dir, name);
    assert(size > 0 && size < CLI_PATH_MAX);
    (void)size;
    return path;
}
