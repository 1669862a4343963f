/* tipoff check-config - refuses what is wrong, prints what holds. */
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "config/exit.h"
#include "config/settings.h"
#include "schema/json.h"

static json_t *lines_of(char *text)
{
    json_t *out = json_array();
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        json_array_append_new(out, json_of_string(line));
    return out;
}

static int check_config_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    static struct settings settings;
    char *errors = NULL, *printed = NULL, hash[SETTINGS_HASH_SIZE] = "";
    size_t size;
    FILE *to = open_memstream(&errors, &size);
    if (!to)
        return EXIT_UNREACHABLE;
    bool good = settings_load(&settings, cli->config, cli->sets, cli->set_count, to) == 0;
    fclose(to);
    if (good && cli->json) {
        to = open_memstream(&printed, &size);
        if (to) {
            settings_print(&settings, false, to);
            fclose(to);
        }
        settings_hash(&settings, hash);
    }
    if (cli->json) {
        json_t *out = json_object();
        json_object_set_new(out, "valid", json_boolean(good));
        json_object_set_new(out, "errors", lines_of(errors));
        json_object_set_new(out, "config_hash", json_of_string(hash));
        json_object_set_new(out, "settings", json_of_string(printed));
        json_print(stdout, out, 0);
        json_decref(out);
    } else if (good) {
        settings_print(&settings, true, stdout);
    } else {
        fputs(errors, stderr);
    }
    free(errors);
    free(printed);
    return good ? EXIT_OK : EXIT_CONFIG;
}

const struct command command_check_config = {
    .name = "check-config",
    .args = "",
    .summary = "refuse what is wrong with the settings, print those that hold",
    .run = check_config_run,
    .own_settings = true,
};
