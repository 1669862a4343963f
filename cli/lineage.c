/* tipoff lineage - from a grade, a prediction or any position back to the bytes and the lines it came from. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/records.h"
#include "config/exit.h"
#include "schema/messages.h"

#define DEPTH_MAX 32

struct walk {
    struct records *log;
    uint64_t *seen; /* positions shown already: a branch that is met again is named, not repeated */
    size_t seen_count, seen_capacity;
    bool want_body; /* the newest exchange of the tree is kept */
    uint64_t body_at;
    uint8_t *body;
    uint32_t body_size;
    int depth;
};

static bool seen_before(struct walk *self, uint64_t position)
{
    for (size_t i = 0; i < self->seen_count; i++)
        if (self->seen[i] == position)
            return true;
    if (self->seen_count == self->seen_capacity) {
        size_t capacity = self->seen_capacity ? self->seen_capacity * 2 : 64;
        uint64_t *grown = realloc(self->seen, capacity * sizeof *grown);
        if (!grown)
            return true;
        self->seen = grown;
        self->seen_capacity = capacity;
    }
    self->seen[self->seen_count++] = position;
    return false;
}

/* ---- leaves ---- */

static void keep_body(struct walk *self, uint64_t position, const struct span *body)
{
    if (!self->want_body || position < self->body_at)
        return;
    uint8_t *copy = malloc(body->size ? body->size : 1);
    if (!copy)
        return;
    if (body->size)
        memcpy(copy, body->data, body->size);
    free(self->body);
    self->body = copy;
    self->body_size = body->size;
    self->body_at = position;
}

static void add_exchange(struct walk *self, const struct records_item *item, json_t *node)
{
    struct msg_raw_exchange exchange;
    if (records_message(item, message_of_stream("raw.exchange"), &exchange) != 0)
        return;
    char source[sizeof exchange.feed];
    strcpy(source, exchange.feed);
    source[strcspn(source, "_")] = '\0';
    json_object_set_new(node, "source", json_of_string(source));
    json_object_set_new(node, "feed", json_of_string(exchange.feed));
    json_object_set_new(node, "url", json_of_string(exchange.url));
    json_object_set_new(node, "status", json_integer(exchange.status));
    json_object_set_new(node, "fetched_at", json_of_time(exchange.fetched_at));
    json_object_set_new(node, "body_sha256", json_of_string(exchange.body_sha256));
    json_object_set_new(node, "body_bytes", json_integer(exchange.body.size));
    keep_body(self, item->position, &exchange.body);
}

struct file_wanted {
    const char *import_id, *file;
    char sha256[65];
};

static int visit_import_file(const struct records_item *item, void *context)
{
    struct file_wanted *wanted = context;
    struct msg_import_file file;
    if (records_message(item, message_of_stream("import.file"), &file) != 0 ||
        strcmp(file.import_id, wanted->import_id) != 0 || strcmp(file.file, wanted->file) != 0)
        return 0;
    memcpy(wanted->sha256, file.sha256, sizeof wanted->sha256);
    return 1;
}

/* An imported row says "file:line" itself; the hash of that file stands in the import's own record. */
static void add_import(struct walk *self, json_t *node, const char *import_id, char *source)
{
    struct file_wanted wanted = {.import_id = import_id, .file = source};
    char *colon = strrchr(source, ':');
    long line = colon ? strtol(colon + 1, NULL, 10) : 0;
    if (colon)
        *colon = '\0';
    records_each(self->log, "import.file", 0, UINT64_MAX, visit_import_file, &wanted);
    json_object_set_new(node, "file", json_of_string(source));
    json_object_set_new(node, "line", line ? json_integer(line) : json_null());
    json_object_set_new(node, "sha256", json_of_string(wanted.sha256));
}

/* ---- the tree ---- */

static const char *string_in(const json_t *payload, const char *key)
{
    const char *text = json_string_value(json_object_get(payload, key));
    return text ? text : "";
}

/* A model's bytes are kept as a file, too, beside the log. */
static void add_model(const json_t *payload, json_t *node)
{
    char file[100];
    snprintf(file, sizeof file, "models/%.64s.model", string_in(payload, "sha256"));
    json_object_set_new(node, "file", json_string(file));
    json_object_set_new(node, "line", json_null());
    json_object_set_new(node, "sha256", json_of_string(string_in(payload, "sha256")));
    json_object_set_new(node, "learned_through",
                        json_of_string(string_in(payload, "learned_through")));
}

struct pending { /* what must be read in other places, after this record's bytes are given back */
    uint64_t parents[RECORD_PARENTS_MAX];
    uint32_t parent_count;
    char import_id[64], source[200];
};

struct making {
    struct walk *walk;
    struct pending *pending;
    json_t *node;
};

static int visit_node(const struct records_item *item, void *context)
{
    struct making *making = context;
    const struct record *record = item->record;
    const struct message_desc *desc = message_of_stream(item->stream->name);
    json_t *payload = records_payload(item), *node = making->node;
    const char *id = string_in(payload, "prediction_id");
    char key[RECORD_KEY_MAX + 1], run[RECORD_RUN_MAX + 1] = "";
    snprintf(key, sizeof key, "%.*s", (int)record->key_size, record->key);
    if (record->run)
        snprintf(run, sizeof run, "%.*s", (int)record->run_size, record->run);
    json_object_set_new(node, "kind", json_of_string(desc ? desc->name : item->stream->name));
    json_object_set_new(node, "id", json_of_string(*id ? id : key));
    json_object_set_new(node, "position", json_integer((json_int_t)item->position));
    json_object_set_new(node, "stream", json_string(item->stream->name));
    json_object_set_new(node, "run_id", json_of_string(run));
    json_object_set_new(node, "code_version", json_of_string(item->code_version));
    json_object_set_new(node, "config_hash", json_of_string(item->config_hash));
    memcpy(making->pending->parents, record->parents,
           record->parent_count * sizeof *record->parents);
    making->pending->parent_count = record->parent_count;
    if (!strncmp(item->stream->name, "history.", 8)) {
        snprintf(making->pending->import_id, sizeof making->pending->import_id, "%s",
                 string_in(payload, "import_id"));
        snprintf(making->pending->source, sizeof making->pending->source, "%s",
                 string_in(payload, "source"));
    }
    if (!strcmp(item->stream->name, "model.promoted"))
        add_model(payload, node);
    if (!strcmp(item->stream->name, "raw.exchange"))
        add_exchange(making->walk, item, node);
    json_decref(payload);
    return 0;
}

static json_t *make_node(struct walk *self, uint64_t position)
{
    struct pending pending = {.parent_count = 0};
    struct making making = {.walk = self, .pending = &pending, .node = json_object()};
    bool again = seen_before(self, position);
    int answer = records_get(self->log, position, visit_node, &making);
    json_t *parents = json_array();
    if (answer == RECORDS_NONE) {
        json_object_set_new(making.node, "position", json_integer((json_int_t)position));
        json_object_set_new(making.node, "missing", json_true()); /* trimmed by retention */
    }
    if (pending.source[0])
        add_import(self, making.node, pending.import_id, pending.source);
    json_object_set_new(making.node, "parents", parents);
    if (again || self->depth >= DEPTH_MAX) {
        json_object_set_new(making.node, "seen", json_true());
        return making.node;
    }
    self->depth++;
    for (uint32_t i = 0; i < pending.parent_count; i++)
        json_array_append_new(parents, make_node(self, pending.parents[i]));
    self->depth--;
    return making.node;
}

/* ---- finding the root ---- */

struct wanted_id {
    const char *id;
    uint64_t position; /* 0 = not found */
};

static int visit_grade(const struct records_item *item, void *context)
{
    struct wanted_id *wanted = context;
    struct msg_grade_points grade;
    if (records_message(item, message_of_stream("grade.points"), &grade) == 0 &&
        !strcmp(grade.prediction_id, wanted->id))
        wanted->position = item->position;
    return 0;
}

static int visit_prediction(const struct records_item *item, void *context)
{
    struct wanted_id *wanted = context;
    struct msg_prediction_points prediction;
    if (records_message(item, message_of_stream("prediction.points"), &prediction) == 0 &&
        !strcmp(prediction.prediction_id, wanted->id))
        wanted->position = item->position;
    return 0;
}

/* A position, or the id of a prediction: its newest grade if it has one. */
static uint64_t find_root(struct records *log, const char *text)
{
    char *end;
    errno = 0;
    unsigned long long position = strtoull(text, &end, 10);
    if (*text && !*end && !errno && strlen(text) < 20 && position < records_head(log))
        return position;
    struct wanted_id wanted = {.id = text};
    records_each(log, "grade.points", 0, UINT64_MAX, visit_grade, &wanted);
    if (!wanted.position)
        records_each(log, "prediction.points", 0, UINT64_MAX, visit_prediction, &wanted);
    return wanted.position;
}

static void print_tree(const json_t *node, int depth)
{
    size_t i;
    json_t *parent;
    const char *url = string_in(node, "url"), *file = string_in(node, "file");
    printf("%*s%lld %s %s%s%s", 2 * depth, "",
           (long long)json_integer_value(json_object_get(node, "position")),
           string_in(node, "kind"), string_in(node, "id"),
           json_object_get(node, "missing") ? " (trimmed)" : "",
           json_object_get(node, "seen") ? " (above)" : "");
    if (*string_in(node, "run_id"))
        printf("  run %s", string_in(node, "run_id"));
    if (*url)
        printf("  %s %lld bytes sha256 %.16s", url,
               (long long)json_integer_value(json_object_get(node, "body_bytes")),
               string_in(node, "body_sha256"));
    if (*file) {
        const json_t *line = json_object_get(node, "line");
        printf("  %s", file);
        if (json_is_integer(line))
            printf(":%lld", (long long)json_integer_value(line));
        printf(" sha256 %.16s", string_in(node, "sha256"));
    }
    putchar('\n');
    json_array_foreach(json_object_get(node, "parents"), i, parent)
    {
        print_tree(parent, depth + 1);
    }
}

static int lineage_run(struct cli *cli, int argc, char **argv)
{
    char why[256];
    struct walk walk = {.want_body = cli_option(cli, "body") != NULL};
    if (argc != 1)
        return cli_fail(cli, EXIT_USAGE, "wants one ID: a prediction's, or a position");
    int code = records_open(&walk.log, cli->dir, why, sizeof why);
    if (code)
        return cli_fail(cli, code, "%s", why);
    uint64_t root = find_root(walk.log, argv[0]);
    json_t *tree = NULL;
    if (!root || root < records_first(walk.log)) {
        code = cli_fail(cli, EXIT_NO, "no such prediction or position: %s", argv[0]);
    } else {
        tree = make_node(&walk, root);
        if (walk.want_body && !walk.body)
            code = cli_fail(cli, EXIT_NO, "no exchange in what it came from");
        else if (walk.want_body)
            fwrite(walk.body, 1, walk.body_size, stdout);
        else if (cli->json)
            json_print(stdout, tree, 0);
        else
            print_tree(tree, 0);
    }
    json_decref(tree);
    free(walk.body);
    free(walk.seen);
    records_close(&walk.log);
    return code;
}

static const struct command_option options[] = {
    {"body", NULL, "write the exact bytes of the newest HTTP body it came from"},
    {NULL, NULL, NULL},
};

const struct command command_lineage = {
    .name = "lineage",
    .args = "ID",
    .summary = "from a grade, a prediction or a position back to the exact bytes it came from",
    .options = options,
    .run = lineage_run,
};
