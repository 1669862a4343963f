/* print_docs messages|settings|sample|features: docs/MESSAGES.md, docs/SETTINGS.md, config/tipoff.yaml or docs/FEATURES.md,
 * as the lists have it, on stdout. print_docs registry FILE: the pipeline's streams, for the broker. */
#include <stdio.h>
#include <string.h>

#include "actors/features/features_docs.h"
#include "config/exit.h"
#include "config/settings.h"
#include "schema/messages.h"
#include "schema/registry.h"

/* As many partitions as the settings have by default. */
static int print_registry(const char *path)
{
    struct settings settings;
    static struct registry registry;
    if (settings_load(&settings, NULL, NULL, 0, stderr) != 0) {
        return EXIT_BUG;
    }
    messages_register();
    registry_of_messages(&registry, (uint16_t)settings.broker.partitions);
    if (registry_write(&registry, path) != 0) {
        perror(path);
        return EXIT_BUG;
    }
    return EXIT_OK;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "messages") == 0) {
        messages_register();
        message_print_docs(stdout);
    } else if (argc == 2 && strcmp(argv[1], "settings") == 0) {
        settings_print_docs(stdout);
    } else if (argc == 2 && strcmp(argv[1], "sample") == 0) {
        settings_print_sample(stdout);
    } else if (argc == 2 && strcmp(argv[1], "features") == 0) {
        features_print_docs(stdout);
    } else if (argc == 3 && strcmp(argv[1], "registry") == 0) {
        return print_registry(argv[2]);
    } else {
        fprintf(stderr, "usage: print_docs messages|settings|sample|features|registry FILE\n");
        return EXIT_USAGE;
    }
    return fflush(stdout) ? 1 : 0;
}
