/* tipoff-broker - the durable log and its delivery. Knows nothing of the application but its registry of streams. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "broker/broker.h"
#include "config/exit.h"
#include "config/fault.h"
#include "config/log.h"
#include "config/options.h"
#include "config/process.h"

static void registry_load(struct registry *registry, const struct settings *settings,
                          const char *asked)
{
    char path[PATH_MAX], why[256];
    if (!asked && settings_path(settings, path, sizeof path, "registry.json") != 0)
        log_fatal(EXIT_CONFIG, "path-too-long", "dir=%s", settings->dir);
    if (registry_read(registry, asked ? asked : path, why, sizeof why) != 0)
        log_fatal(EXIT_CONFIG, "registry-unreadable", "file=%s why=\"%s\"", asked ? asked : path,
                  why);
}

int main(int argc, char **argv)
{
    static struct settings settings;
    static struct registry registry;
    const char *registry_path = NULL;
    const struct options_own own[] = {{"registry", "FILE",
                                       "streams, writers, partitions (default: DIR/registry.json)",
                                       &registry_path},
                                      {NULL, NULL, NULL, NULL}};
    struct options options;
    options_parse(&options, argc, argv, "the durable log and its delivery", own);
    options_settings(&options, &settings);
    log_init("broker", (enum log_level)settings.log.level, settings.log.format == LOG_FORMAT_JSON);
    process_tie_to_parent();
    fault_init("broker");
    int signals = process_signals_open(false);
    if (signals < 0)
        log_fatal(EXIT_BUG, "signals-failed", "why=\"%s\"", strerror(errno));
    if (mkdir(settings.dir, 0750) != 0 && errno != EEXIST)
        log_fatal(EXIT_UNREACHABLE, "dir-failed", "dir=%s why=\"%s\"", settings.dir,
                  strerror(errno));
    registry_load(&registry, &settings, registry_path);
    return broker_run(&settings, &registry, signals);
}
