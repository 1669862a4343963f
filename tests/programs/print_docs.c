/* print_docs messages|settings|sample: docs/MESSAGES.md, docs/SETTINGS.md or config/tipoff.yaml,
 * as the lists have it, on stdout. */
#include <stdio.h>
#include <string.h>

#include "config/exit.h"
#include "config/settings.h"
#include "schema/messages.h"

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "messages") == 0) {
        messages_register();
        message_print_docs(stdout);
    } else if (argc == 2 && strcmp(argv[1], "settings") == 0) {
        settings_print_docs(stdout);
    } else if (argc == 2 && strcmp(argv[1], "sample") == 0) {
        settings_print_sample(stdout);
    } else {
        fprintf(stderr, "usage: print_docs messages|settings|sample\n");
        return EXIT_USAGE;
    }
    return fflush(stdout) ? 1 : 0;
}
