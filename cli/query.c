/* Queries work with nothing running: they read the scoreboard's environment, never ask it. */
#include "cli/query.h"

#include <stdlib.h>
#include <string.h>

#include "config/exit.h"
#include "config/settings.h"

enum { COLUMNS_MAX = 40, CELL_MAX = 40 };

const struct command_option query_date_option[] = {
    {"date", "D", "the league day (YYYY-MM-DD)"},
    {NULL, NULL, NULL},
};

int query_date(struct cli *cli, int32_t *date)
{
    if (!cli_option(cli, "date"))
        return cli_fail(cli, EXIT_USAGE, "wants --date D");
    return cli_date(cli, "date", date);
}

int query_open(struct cli *cli, struct store **store, struct store_txn **txn)
{
    int error;
    *txn = NULL;
    *store = tables_open(cli->dir, &error);
    if (!*store && error == STORE_NOT_FOUND)
        return cli_fail(cli, EXIT_NO, "nothing is known yet in %s: no scoreboard has run there",
                        cli->dir);
    if (!*store)
        return cli_fail(cli, EXIT_UNREACHABLE, "%s/" SCOREBOARD_ENVIRONMENT ": %s", cli->dir,
                        store_error_text(error));
    error = store_begin(*store, false, txn);
    if (error) {
        query_close(store, txn);
        return cli_fail(cli, EXIT_UNREACHABLE, "%s/" SCOREBOARD_ENVIRONMENT ": %s", cli->dir,
                        store_error_text(error));
    }
    return EXIT_OK;
}

void query_close(struct store **store, struct store_txn **txn)
{
    if (*txn)
        store_abort(txn);
    if (*store)
        store_close(store);
}

json_t *query_answer(struct cli *cli, const struct view *view, const struct view_query *query,
                     int *code)
{
    struct store *store;
    struct store_txn *txn;
    int error = 0;
    json_t *answer = NULL;
    *code = query_open(cli, &store, &txn);
    if (*code)
        return NULL;
    struct view_query asked = *query;
    asked.settings = cli->settings;
    answer = view->make(txn, &asked, &error);
    query_close(&store, &txn);
    if (!answer)
        *code = cli_fail(cli, error == STORE_CORRUPT ? EXIT_DATA : EXIT_UNREACHABLE, "%s",
                         store_error_text(error));
    return answer;
}

int query_print_view(struct cli *cli, const struct view *view, const struct view_query *query)
{
    int code;
    json_t *answer = query_answer(cli, view, query, &code);
    if (answer)
        query_print(cli, answer, view->people);
    json_decref(answer);
    return code;
}

int query_view(struct cli *cli, const char *name)
{
    const struct view *view = view_find(name);
    struct view_query query = {0};
    int code = query_date(cli, &query.date);
    return code ? code : query_print_view(cli, view, &query);
}

/* ---- tables for people ---- */

/* Columns that a terminal cell takes; UTF-8 continuation bytes take none. */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text; text++)
        width += (*text & 0xC0) != 0x80;
    return width;
}

static char *cell_text(const json_t *value)
{
    char text[64];
    if (!value || json_is_null(value))
        return strdup("-");
    if (json_is_string(value))
        return strdup(json_string_value(value));
    if (json_is_boolean(value))
        return strdup(json_is_true(value) ? "yes" : "no");
    if (json_is_integer(value)) {
        snprintf(text, sizeof text, "%lld", (long long)json_integer_value(value));
        return strdup(text);
    }
    if (json_is_real(value)) {
        snprintf(text, sizeof text, "%.4g", json_real_value(value));
        return strdup(text);
    }
    return json_text(value);
}

static void print_cell(const json_t *value, int width, bool last)
{
    char *text = cell_text(value);
    if (!text)
        return;
    int pad = width - width_of(text);
    bool right = json_is_number(value);
    if (!last || right)
        printf("%*s%s%*s%s", right && pad > 0 ? pad : 0, "", text, !right && pad > 0 ? pad : 0, "",
               last ? "" : "  ");
    else
        fputs(text, stdout);
    free(text);
}

static void print_table(const json_t *rows, const char *const *wanted)
{
    const char *keys[COLUMNS_MAX];
    int widths[COLUMNS_MAX], count = 0;
    const char *key;
    json_t *value, *row;
    size_t index;
    if (json_array_size(rows) == 0) {
        puts("(none)");
        return;
    }
    for (int i = 0; wanted && wanted[i] && count < COLUMNS_MAX; i++)
        keys[count++] = wanted[i];
    json_object_foreach(json_array_get(rows, 0), key, value)
    {
        if (!wanted && count < COLUMNS_MAX)
            keys[count++] = key;
    }
    for (int i = 0; i < count; i++) {
        widths[i] = width_of(keys[i]);
        json_array_foreach(rows, index, row)
        {
            char *text = cell_text(json_object_get(row, keys[i]));
            int width = text ? width_of(text) : 0;
            widths[i] = width > widths[i] ? width : widths[i];
            free(text);
        }
        widths[i] = widths[i] > CELL_MAX ? CELL_MAX : widths[i];
    }
    for (int i = 0; i < count; i++)
        printf("%-*s%s", i + 1 < count ? widths[i] : 0, keys[i], i + 1 < count ? "  " : "\n");
    json_array_foreach(rows, index, row)
    {
        for (int i = 0; i < count; i++)
            print_cell(json_object_get(row, keys[i]), widths[i], i + 1 == count);
        putchar('\n');
    }
}

static void print_text(const json_t *value)
{
    char *text = cell_text(value);
    fputs(text ? text : "", stdout);
    free(text);
}

/* An object within one: "asked 2, helped 1". */
static void print_members(const json_t *object)
{
    const char *key, *between = "";
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        printf("%s%s ", between, key);
        print_text(value);
        between = ", ";
    }
}

static void print_object(const json_t *object)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (json_is_array(value)) {
            printf("%s:\n", key);
            print_table(value, NULL);
            continue;
        }
        printf("%-20s ", key);
        if (json_is_object(value))
            print_members(value);
        else
            print_text(value);
        putchar('\n');
    }
}

void query_print(const struct cli *cli, const json_t *value, const char *const *keys)
{
    if (cli->json) {
        json_print(stdout, value, 0);
        putchar('\n');
    } else if (json_is_array(value)) {
        print_table(value, keys);
    } else {
        print_object(value);
    }
}
