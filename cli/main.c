/* tipoff - the command people type. */
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/man.h"
#include "config/clock.h"
#include "config/exit.h"
#include "config/log.h"
#include "config/settings.h"
#include "config/version.h"
#include "schema/messages.h"

static bool find_bin_dir(char path[PATH_MAX])
{
    ssize_t size = readlink("/proc/self/exe", path, PATH_MAX - 1);
    if (size <= 0)
        return false;
    path[size] = '\0';
    char *slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
    return slash != NULL;
}

static const struct command_option *own_option(const struct command *command, const char *name,
                                               size_t size)
{
    for (const struct command_option *at = command->options; at && at->name; at++)
        if (strlen(at->name) == size && !strncmp(at->name, name, size))
            return at;
    return NULL;
}

enum common { COMMON_NONE, COMMON_CONFIG, COMMON_SET, COMMON_DIR, COMMON_JSON, COMMON_HELP };

static enum common common_option(const char *name, size_t size)
{
    static const struct {
        const char *name;
        enum common which;
    } shared[] = {
        {"c", COMMON_CONFIG},  {"config", COMMON_CONFIG}, {"set", COMMON_SET}, {"dir", COMMON_DIR},
        {"json", COMMON_JSON}, {"help", COMMON_HELP},     {"h", COMMON_HELP},
    };
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
        if (strlen(shared[i].name) == size && !strncmp(shared[i].name, name, size))
            return shared[i].which;
    return COMMON_NONE;
}

static int take_common(struct cli *cli, enum common which, const char *value)
{
    static char dir_set[CLI_PATH_MAX];
    switch (which) {
    case COMMON_CONFIG:
        cli->config = value;
        return EXIT_OK;
    case COMMON_DIR:
        if ((size_t)snprintf(dir_set, sizeof dir_set, "dir=%s", value) >= sizeof dir_set)
            return cli_fail(cli, EXIT_USAGE, "--dir: too long");
        cli->dir = value;
        value = dir_set;
        break;
    case COMMON_SET:
        break;
    case COMMON_JSON:
        cli->json = true;
        return EXIT_OK;
    default:
        command_usage(stdout, cli->command);
        exit(EXIT_OK);
    }
    if (cli->set_count == CLI_SETS_MAX)
        return cli_fail(cli, EXIT_USAGE, "too many --set");
    cli->sets[cli->set_count++] = value;
    return EXIT_OK;
}

/* One `--name`, `--name VALUE` or `--name=VALUE`; advances *at. 0 or an exit code. */
static int take_option(struct cli *cli, int argc, char **argv, int *at)
{
    const char *text = argv[*at];
    const char *name = text + (text[1] == '-' ? 2 : 1);
    const char *equals = strchr(name, '=');
    size_t size = equals ? (size_t)(equals - name) : strlen(name);
    const char *value = equals ? equals + 1 : *at + 1 < argc ? argv[*at + 1] : NULL;

    const struct command_option *own = own_option(cli->command, name, size);
    enum common common = own ? COMMON_NONE : common_option(name, size);
    if (!own && !common)
        return cli_fail(cli, EXIT_USAGE, "unknown option %s; see tipoff %s --help", text,
                        cli->command->name);
    bool wants_value = own ? own->value != NULL : common < COMMON_JSON;
    if (wants_value && !value)
        return cli_fail(cli, EXIT_USAGE, "%s wants a value", text);
    if (!wants_value && equals)
        return cli_fail(cli, EXIT_USAGE, "%s takes no value", text);
    *at += wants_value && !equals;
    if (!own)
        return take_common(cli, common, value);
    if (cli->option_count == CLI_OPTIONS_MAX)
        return cli_fail(cli, EXIT_USAGE, "too many options");
    cli->options[cli->option_count].name = own->name;
    cli->options[cli->option_count++].value = wants_value ? value : "";
    return EXIT_OK;
}

/* Options in any place, positionals gathered to the front of argv; what follows `--` is positional. */
static int take_arguments(struct cli *cli, int *argc, char **argv)
{
    int kept = 0;
    bool literal = false;
    for (int at = 0; at < *argc; at++) {
        if (!literal && !strcmp(argv[at], "--")) {
            literal = true;
        } else if (literal || argv[at][0] != '-' || !argv[at][1]) {
            argv[kept++] = argv[at];
        } else {
            int code = take_option(cli, *argc, argv, &at);
            if (code)
                return code;
        }
    }
    argv[kept] = NULL;
    *argc = kept;
    if (kept > 0 && !cli->command->args[0])
        return cli_fail(cli, EXIT_USAGE, "takes no argument: %s", argv[0]);
    return EXIT_OK;
}

static int run_command(struct cli *cli, int argc, char **argv)
{
    static struct settings settings;
    if (cli->command->own_settings) {
        cli->dir = cli->dir ? cli->dir : "./tipoff-data";
        return cli->command->run(cli, argc, argv);
    }
    if (settings_load(&settings, cli->config, cli->sets, cli->set_count, stderr) != 0)
        return EXIT_CONFIG;
    if (clock_zone_set(settings.timezone) != 0)
        return cli_fail(cli, EXIT_CONFIG, "timezone: unknown to this system: %s",
                        settings.timezone);
    cli->settings = &settings;
    cli->dir = settings.dir;
    return cli->command->run(cli, argc, argv);
}

int main(int argc, char **argv)
{
    static char bin_dir[PATH_MAX];
    log_init("tipoff", LOG_LEVEL_INFO, 0);
    signal(SIGPIPE, SIG_IGN);
    messages_register();
    if (!find_bin_dir(bin_dir))
        log_fatal(EXIT_BUG, "no-self", "why=\"/proc/self/exe cannot be read\"");
    if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
        !strcmp(argv[1], "help")) {
        command_usage(argc < 2 ? stderr : stdout, NULL);
        return argc < 2 ? EXIT_USAGE : EXIT_OK;
    }
    if (!strcmp(argv[1], "--version")) {
        printf("tipoff %s\n", version_code());
        return EXIT_OK;
    }
    if (!strcmp(argv[1], "--man")) {
        man_print(stdout);
        return EXIT_OK;
    }
    struct cli cli = {.command = command_find(argv[1]), .bin_dir = bin_dir};
    if (!cli.command) {
        fprintf(stderr, "tipoff: no such command: %s; see tipoff --help\n", argv[1]);
        return EXIT_USAGE;
    }
    argc -= 2;
    argv += 2;
    int code = take_arguments(&cli, &argc, argv);
    if (!code)
        code = run_command(&cli, argc, argv);
    if (fflush(stdout) != 0 && !code)
        code = EXIT_UNREACHABLE; /* the reader of our output is gone */
    return code;
}
