/* tipoff digest - a night in five hashes: two runs of the same night agree, however they were lived. */
#include "actors/scoreboard/digest.h"
#include "cli/query.h"
#include "config/exit.h"

static json_t *rows_json(const struct digest_rows *rows)
{
    json_t *out = json_array();
    for (int i = 0; i < rows->count; i++)
        json_array_append_new(out, json_of_string(rows->rows[i]));
    return out;
}

static void print_json(const struct digest *digest, bool with_rows)
{
    json_t *out = json_object(), *rows = json_object();
    for (int part = 0; part < DIGEST_PARTS; part++) {
        json_object_set_new(out, digest_names[part], json_string(digest->sha256[part]));
        json_object_set_new(rows, digest_names[part], rows_json(&digest->parts[part]));
    }
    if (with_rows)
        json_object_set(out, "rows", rows);
    json_decref(rows);
    json_print(stdout, out, 0);
    putchar('\n');
    json_decref(out);
}

static int digest_run(struct cli *cli, int argc, char **argv)
{
    struct store *store;
    struct store_txn *txn;
    struct digest digest;
    int32_t date = 0;
    bool print = cli_option(cli, "print") != NULL;
    (void)argc;
    (void)argv;
    int code = query_date(cli, &date);
    if (!code)
        code = query_open(cli, &store, &txn);
    if (code)
        return code;
    int error = digest_make(&digest, txn, date);
    query_close(&store, &txn);
    if (error) {
        digest_free(&digest);
        return cli_fail(cli, error == STORE_CORRUPT ? EXIT_DATA : EXIT_UNREACHABLE, "%s",
                        store_error_text(error));
    }
    if (cli->json)
        print_json(&digest, print);
    for (int part = 0; part < DIGEST_PARTS && !cli->json; part++) {
        for (int i = 0; i < digest.parts[part].count && print; i++)
            printf("%s\t%s\n", digest_names[part], digest.parts[part].rows[i]);
        if (!print)
            printf("%-12s %s  %d rows\n", digest_names[part], digest.sha256[part],
                   digest.parts[part].count);
    }
    digest_free(&digest);
    return EXIT_OK;
}

static const struct command_option options[] = {
    {"date", "D", "the league day (YYYY-MM-DD)"},
    {"print", NULL, "the canonical rows themselves"},
    {NULL, NULL, NULL},
};

const struct command command_digest = {
    .name = "digest",
    .args = "",
    .summary = "Hashes over what a night came to: equal for equal nights.",
    .options = options,
    .run = digest_run,
};
