/* tipoff dead - records that a reader will never take: what they were and why. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/records.h"
#include "config/exit.h"
#include "schema/messages.h"

struct dead {
    const struct cli *cli;
    json_t *list;
};

/* The letter without its payload; an id is the letter's own position. */
static json_t *letter_json(const struct records_item *item)
{
    json_t *payload = records_payload(item), *out = json_object();
    static const char *const keys[] = {"reader", "stream",   "position", "key",
                                       "rule",   "attempts", "at"};
    json_object_set_new(out, "id", json_integer((json_int_t)item->position));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        json_object_set(out, keys[i], json_object_get(payload, keys[i]));
    json_decref(payload);
    return out;
}

static int visit_list(const struct records_item *item, void *context)
{
    struct dead *self = context;
    json_array_append_new(self->list, letter_json(item));
    return 0;
}

static int dead_list(struct cli *cli, struct records *log)
{
    struct dead self = {.cli = cli, .list = json_array()};
    size_t i;
    json_t *row;
    int code =
        records_each(log, "dead", 0, UINT64_MAX, visit_list, &self) < 0 ? EXIT_DATA : EXIT_OK;
    if (cli->json)
        json_print(stdout, self.list, 0);
    else
        json_array_foreach(self.list, i, row)
        {
            printf("%lld  %s  %s@%lld  %s\n",
                   (long long)json_integer_value(json_object_get(row, "id")),
                   json_string_value(json_object_get(row, "reader")),
                   json_string_value(json_object_get(row, "stream")),
                   (long long)json_integer_value(json_object_get(row, "position")),
                   json_string_value(json_object_get(row, "rule")));
        }
    json_decref(self.list);
    return code;
}

/* With the record itself, as the log has it. */
static int visit_record(const struct records_item *item, void *context)
{
    json_object_set_new(context, "record", records_json(item));
    return 0;
}

static int visit_show(const struct records_item *item, void *context)
{
    json_t **out = context;
    if (!strcmp(item->stream->name, "dead"))
        *out = letter_json(item);
    return 0;
}

static int dead_show(struct cli *cli, struct records *log, const char *id)
{
    char *end;
    json_t *letter = NULL;
    errno = 0;
    unsigned long long position = strtoull(id, &end, 10);
    if (!*id || *end || errno)
        return cli_fail(cli, EXIT_USAGE, "%s: an ID is the position of a dead letter", id);
    records_get(log, position, visit_show, &letter);
    if (!letter)
        return cli_fail(cli, EXIT_NO, "no such dead letter: %s", id);
    json_int_t origin = json_integer_value(json_object_get(letter, "position"));
    if (records_get(log, (uint64_t)origin, visit_record, letter) == RECORDS_NONE)
        json_object_set_new(letter, "record",
                            json_null()); /* trimmed; the letter has its payload */
    json_print(stdout, letter, !cli->json);
    json_decref(letter);
    return EXIT_OK;
}

static int dead_run(struct cli *cli, int argc, char **argv)
{
    struct records *log;
    char why[256];
    const char *verb = argc > 0 ? argv[0] : "list";
    int code = records_open(&log, cli->dir, why, sizeof why);
    if (code)
        return cli_fail(cli, code, "%s", why);
    if (!strcmp(verb, "list") && argc <= 1)
        code = dead_list(cli, log);
    else if (!strcmp(verb, "show") && argc == 2)
        code = dead_show(cli, log, argv[1]);
    else
        code = cli_fail(cli, EXIT_USAGE, "wants: list, or show ID");
    records_close(&log);
    return code;
}

const struct command command_dead = {
    .name = "dead",
    .args = "[list|show ID]",
    .summary = "records that a reader will never take: what they were and why",
    .run = dead_run,
};
