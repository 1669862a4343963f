/* tipoff blast - everything that came from one record. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/records.h"
#include "config/exit.h"

struct blast {
    const struct cli *cli;
    uint64_t root;
    uint8_t *bits; /* by position - root: touched */
    uint64_t count;
};

static bool touched(const struct blast *self, uint64_t position)
{
    uint64_t at = position - self->root;
    return position >= self->root && (self->bits[at / 8] >> (at % 8) & 1);
}

static void print_one(const struct blast *self, const struct records_item *item)
{
    const struct message_desc *desc = message_of_stream(item->stream->name);
    const struct record *record = item->record;
    char key[RECORD_KEY_MAX + 1], run[RECORD_RUN_MAX + 1] = "";
    snprintf(key, sizeof key, "%.*s", (int)record->key_size, record->key);
    if (record->run)
        snprintf(run, sizeof run, "%.*s", (int)record->run_size, record->run);
    if (!self->cli->json) {
        printf("%llu %s %s  run %s\n", (unsigned long long)item->position, item->stream->name, key,
               run[0] ? run : "-");
        return;
    }
    json_t *line = json_object();
    json_object_set_new(line, "kind", json_of_string(desc ? desc->name : item->stream->name));
    json_object_set_new(line, "id", json_of_string(key));
    json_object_set_new(line, "position", json_integer((json_int_t)item->position));
    json_object_set_new(line, "stream", json_string(item->stream->name));
    json_object_set_new(line, "run_id", json_of_string(run));
    json_object_set_new(line, "time", json_of_time(item->header->time_us));
    json_print(stdout, line, 0);
    json_decref(line);
}

/* Parents are always older: one walk forward finds every generation. */
static int visit(const struct records_item *item, void *context)
{
    struct blast *self = context;
    bool hit = item->position == self->root;
    for (uint32_t i = 0; i < item->record->parent_count && !hit; i++)
        hit = item->record->parents[i] < item->position && touched(self, item->record->parents[i]);
    if (!hit)
        return 0;
    uint64_t at = item->position - self->root;
    self->bits[at / 8] |= (uint8_t)(1u << (at % 8));
    if (item->position != self->root) {
        self->count++;
        print_one(self, item);
    }
    return ferror(stdout);
}

static int blast_run(struct cli *cli, int argc, char **argv)
{
    struct records *log;
    char why[256], *end = NULL;
    struct blast self = {.cli = cli};
    errno = 0;
    if (argc == 1)
        self.root = strtoull(argv[0], &end, 10);
    if (argc != 1 || !argv[0][0] || argv[0][0] == '-' || *end || errno)
        return cli_fail(cli, EXIT_USAGE, "wants one position");
    int code = records_open(&log, cli->dir, why, sizeof why);
    if (code)
        return cli_fail(cli, code, "%s", why);
    uint64_t head = records_head(log);
    if (self.root < records_first(log) || self.root >= head) {
        code = cli_fail(cli, EXIT_NO, "no such position: %s", argv[0]);
    } else if (!(self.bits = calloc((size_t)(head - self.root) / 8 + 1, 1))) {
        code = cli_fail(cli, EXIT_UNREACHABLE, "no memory");
    } else {
        if (records_each(log, NULL, self.root, head, visit, &self) < 0)
            code = EXIT_DATA;
        if (!cli->json)
            printf("%llu records came from %llu\n", (unsigned long long)self.count,
                   (unsigned long long)self.root);
    }
    free(self.bits);
    records_close(&log);
    return code;
}

const struct command command_blast = {
    .name = "blast",
    .args = "POSITION",
    .summary = "every record that came from that one",
    .run = blast_run,
};
