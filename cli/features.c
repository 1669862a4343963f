#include <stddef.h>

#include "actors/features/window.h"
#include "cli/query.h"
#include "config/exit.h"
#include "schema/json.h"

/* What there is, as docs/FEATURES.md has it. */
static int list_features(const struct cli *cli)
{
    static const char *const KEYS[] = {"feature", "unit", "over", "without_data", "source", NULL};
    json_t *out = json_array();
    for (int i = 0; i < FEATURE_COUNT; i++) {
        const struct feature_about *about = feature_about((enum feature)i);
        json_t *row = json_object();
        json_object_set_new(row, "feature", json_string(about->name));
        json_object_set_new(row, "unit", json_string(about->unit));
        json_object_set_new(row, "over", json_string(about->window));
        json_object_set_new(row, "without_data", json_string(about->missing));
        json_object_set_new(row, "source", json_string(about->source));
        json_array_append_new(out, row);
    }
    query_print(cli, out, KEYS);
    json_decref(out);
    return EXIT_OK;
}

static int features_run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return cli_option(cli, "list") ? list_features(cli) : query_view(cli, "features");
}

static const struct command_option OPTIONS[] = {
    {"date", "D", "the league day (YYYY-MM-DD)"},
    {"list", NULL, "every feature, with its unit, window and source, instead"},
    {NULL, NULL, NULL},
};

const struct command command_features = {
    .name = "features",
    .args = "",
    .summary = "What was known of each player before his game.",
    .options = OPTIONS,
    .run = features_run,
};
