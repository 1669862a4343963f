#include "config/options.h"

#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <unistd.h>

#include "config/clock.h"
#include "config/exit.h"
#include "config/process.h"
#include "config/version.h"

#define SET_SIZE 1024

enum {
    OPTION_HELP = 256,
    OPTION_VERSION,
    OPTION_DIR,
    OPTION_SET,
    OPTION_SHARD,
    OPTION_HOST,
    OPTION_LOG_LEVEL,
    OPTION_NOTIFY_FD,
    OPTION_OWN
};

static const struct {
    int id;
    const char *name, *value, *doc;
} common[] = {
    {'c', "config", "FILE", "settings; without it everything has its default"},
    {OPTION_SET, "set", "KEY=VALUE", "one setting, over the file; may be repeated"},
    {OPTION_DIR, "dir", "DIR", "state directory (setting dir)"},
    {OPTION_SHARD, "shard", "N", "which shard of the actor this is, from 0"},
    {OPTION_HOST, "host", "NAME", "what this host is called; default: its own name"},
    {OPTION_LOG_LEVEL, "log-level", "LEVEL", "debug, info, warn or error (setting log.level)"},
    {OPTION_NOTIFY_FD, "notify-fd", "FD", "write a newline there when ready (s6)"},
    {OPTION_HELP, "help", NULL, "this text"},
    {OPTION_VERSION, "version", NULL, "what code this is"},
};
#define COMMON_COUNT (sizeof common / sizeof common[0])

static void print_help(const char *program, const char *does, const struct options_own *own)
{
    printf("%s - %s\n\nusage: %s [option...]\n\n", program, does, program);
    for (size_t i = 0; i < COMMON_COUNT; i++) {
        char left[48];
        snprintf(left, sizeof left, "%s--%s%s%s", common[i].id == 'c' ? "-c, " : "    ",
                 common[i].name, common[i].value != NULL ? " " : "",
                 common[i].value != NULL ? common[i].value : "");
        printf("  %-26s %s\n", left, common[i].doc);
    }
    for (; own != NULL && own->name != NULL; own++) {
        char left[48];
        snprintf(left, sizeof left, "    --%s%s%s", own->name, own->value != NULL ? " " : "",
                 own->value != NULL ? own->value : "");
        printf("  %-26s %s\n", left, own->doc);
    }
}

static noreturn void usage(const char *program, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static noreturn void usage(const char *program, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "%s: ", program);
    vfprintf(stderr, fmt, args);
    fprintf(stderr, "; try --help\n");
    va_end(args);
    exit(EXIT_USAGE);
}

static int number(const struct options *self, const char *name, const char *text, long most)
{
    char *end = NULL;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || value < 0 || value > most) {
        usage(self->program, "--%s must be from 0 to %ld", name, most);
    }
    return (int)value;
}

static void add_set(struct options *self, const char *set)
{
    if (self->set_count == OPTIONS_SETS_MAX) {
        usage(self->program, "too many --set");
    }
    self->sets[self->set_count++] = set;
}

/* "dir=" + value; `room` lives as long as the process, as argv does. */
static void add_named_set(struct options *self, char room[SET_SIZE], const char *key,
                          const char *value)
{
    if (snprintf(room, SET_SIZE, "%s=%s", key, value) >= SET_SIZE) {
        usage(self->program, "%s is too long", key);
    }
    add_set(self, room);
}

static void take(struct options *self, int id, const char *value)
{
    static char dir[SET_SIZE], level[SET_SIZE];
    switch (id) {
    case 'c':
        self->config = value;
        break;
    case OPTION_SET:
        add_set(self, value);
        break;
    case OPTION_DIR:
        add_named_set(self, dir, "dir", value);
        break;
    case OPTION_LOG_LEVEL:
        add_named_set(self, level, "log.level", value);
        break;
    case OPTION_SHARD:
        self->shard = number(self, "shard", value, 65535);
        break;
    case OPTION_HOST:
        self->host = value;
        break;
    case OPTION_NOTIFY_FD:
        self->notify_fd = number(self, "notify-fd", value, 1 << 20);
        process_ready_at(self->notify_fd);
        break;
    default:
        break;
    }
}

static const char *host_name(void)
{
    static char name[65];
    if (gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') {
        return "localhost";
    }
    return name;
}

static void build_table(struct option *table, const struct options_own *own)
{
    for (size_t i = 0; i < COMMON_COUNT; i++) {
        *table++ =
            (struct option){.name = common[i].name,
                            .has_arg = common[i].value != NULL ? required_argument : no_argument,
                            .val = common[i].id};
    }
    for (int i = 0; own != NULL && own[i].name != NULL && i < OPTIONS_OWN_MAX; i++) {
        *table++ =
            (struct option){.name = own[i].name,
                            .has_arg = own[i].value != NULL ? required_argument : no_argument,
                            .val = OPTION_OWN + i};
    }
}

void options_parse(struct options *self, int argc, char **argv, const char *does,
                   const struct options_own *own)
{
    struct option table[COMMON_COUNT + OPTIONS_OWN_MAX + 1] = {0};
    *self = (struct options){
        .program = argc > 0 ? basename(argv[0]) : "tipoff", .host = host_name(), .notify_fd = -1};
    build_table(table, own);
    opterr = 0;
    optind = 1;
    for (int id; (id = getopt_long(argc, argv, "+:c:", table, NULL)) != -1;) {
        if (id == '?' || id == ':') {
            usage(self->program, "%s %s", argv[optind - 1],
                  id == ':' ? "needs a value" : "is no option of mine");
        } else if (id == OPTION_HELP) {
            print_help(self->program, does, own);
            exit(EXIT_OK);
        } else if (id == OPTION_VERSION) {
            printf("%s %s\n", self->program, version_code());
            exit(EXIT_OK);
        } else if (id >= OPTION_OWN) {
            *own[id - OPTION_OWN].found = optarg != NULL ? optarg : "";
        } else {
            take(self, id, optarg != NULL ? optarg : "");
        }
    }
    if (optind < argc) {
        usage(self->program, "%s: takes no arguments", argv[optind]);
    }
}

void options_settings(const struct options *self, struct settings *settings)
{
    if (settings_load(settings, self->config, self->sets, self->set_count, stderr) != 0) {
        exit(EXIT_CONFIG);
    }
    if (clock_zone_set(settings->timezone) != 0) {
        fprintf(stderr, "%s: timezone %s cannot be set\n", self->program, settings->timezone);
        exit(EXIT_CONFIG);
    }
}
