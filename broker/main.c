/* tipoff-broker - the durable log and its delivery. Knows nothing of the application but its registry of streams. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "broker/broker.h"
#include "config/exit.h"
#include "config/fault.h"
#include "config/log.h"
#include "config/options.h"
#include "config/process.h"

int main(int argc, char **argv)
{
    static struct settings settings;
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
    process_cpus_keep("broker.cpus", settings.broker.cpus);
    int signals = process_signals_open(false);
    if (signals < 0)
        log_fatal(EXIT_BUG, "signals-failed", "why=\"%s\"", strerror(errno));
    if (mkdir(settings.dir, 0750) != 0 && errno != EEXIST)
        log_fatal(EXIT_UNREACHABLE, "dir-failed", "dir=%s why=\"%s\"", settings.dir,
                  strerror(errno));
    return broker_run(&settings, NULL, registry_path, signals);
}
