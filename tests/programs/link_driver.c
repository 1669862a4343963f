/* The C link on a string, for tests/conformance: what stdin says it does, what it hears it says. One JSON object a line, both ways.
 *
 *     link_driver ENDPOINT ACTOR INCARNATION
 *
 * in:  {"do": "lease", "shard", "shards", "env"}, {"do": "subscribe", "inputs": [stream, ...], "from", "records", "bytes"},
 *      {"do": "unsubscribe"}, {"do": "taken", "records", "bytes"}, {"do": "own", "stream", "partition", "from_seq", "records"},
 *      {"do": "publish", "batches": [{"stream", "partition", "count", "first_seq", "due_us", "body": hex}, ...]},
 *      {"do": "join", "name", "kind", "inputs": [stream, ...], "start", "position", "records", "bytes", "take", "lease_us", "attempts",
 *      "open"}, {"do": "done", "position"}, {"do": "settle", "does", "items": [[lease, position, count], ...], "delay_us", "reason",
 *      "serial"}
 *      {"do": "deafen", "deaf": 1 or 0}: the link is not turned meanwhile
 * out: {"event": ...} with the names and fields of link.h's handlers; "published" (taken: the link took it) answers "publish",
 *      "deafened" answers "deafen".
 * Ends in order (GBYE) when stdin ends. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/link.h"
#include "config/log.h"
#include "schema/json.h"

enum { BATCHES_MAX = 64, INPUTS_MAX = 16, INPUT_BYTES_MAX = 4 * 1024 * 1024 };

static struct link *connection;
static bool deaf; /* does what it is told, hears nothing */

/* ---- what it hears ---- */

static void tell(json_t *event)
{
    char *text = json_text(event);
    json_decref(event);
    if (!text)
        abort();
    puts(text);
    fflush(stdout);
    free(text);
}

static json_t *hex_of(const struct span *bytes)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *data = bytes->data;
    char *text = malloc(2 * (size_t)bytes->size + 1);
    if (!text)
        abort();
    for (uint32_t i = 0; i < bytes->size; i++) {
        text[2 * i] = digits[data[i] >> 4];
        text[2 * i + 1] = digits[data[i] & 15];
    }
    json_t *value = json_stringn(text, 2 * (size_t)bytes->size);
    free(text);
    return value;
}

static void on_welcome(void *context, const struct link_stream *streams, uint32_t count)
{
    json_t *list = json_array();
    (void)context;
    for (uint32_t i = 0; i < count; i++)
        json_array_append_new(list, json_pack("[s, s, i]", streams[i].name, streams[i].writer,
                                              (int)streams[i].partitions));
    tell(json_pack("{s:s, s:o}", "event", "welcome", "streams", list));
}

static void on_granted(void *context, const struct link_grant *grant)
{
    json_t *lanes = json_array();
    (void)context;
    for (uint32_t i = 0; i < grant->lane_count; i++)
        json_array_append_new(lanes, json_pack("[s, i, I]", grant->lanes[i].stream,
                                               (int)grant->lanes[i].partition,
                                               (json_int_t)grant->lanes[i].last_seq));
    tell(json_pack("{s:s, s:I, s:I, s:I, s:I, s:s, s:o}", "event", "granted", "epoch",
                   (json_int_t)grant->epoch, "cursor", (json_int_t)grant->cursor, "head",
                   (json_int_t)grant->head, "first", (json_int_t)grant->first, "last_env",
                   grant->last_env, "lanes", lanes));
}

static void on_waiting(void *context, const char *holder, int64_t retry_us)
{
    (void)context;
    tell(json_pack("{s:s, s:s, s:I}", "event", "waiting", "holder", holder, "retry_us",
                   (json_int_t)retry_us));
}

static void on_acked(void *context, const char *stream, uint16_t partition, uint64_t last_seq)
{
    (void)context;
    tell(json_pack("{s:s, s:s, s:i, s:I}", "event", "acked", "stream", stream, "partition",
                   (int)partition, "last_seq", (json_int_t)last_seq));
}

static void on_refused(void *context, const char *tag, const char *text, const char *stream,
                       uint16_t partition, uint64_t first_seq)
{
    (void)context;
    tell(json_pack("{s:s, s:s, s:o, s:s, s:i, s:I}", "event", "refused", "tag", tag, "text",
                   json_of_string(text), "stream", stream, "partition", (int)partition, "first_seq",
                   (json_int_t)first_seq));
}

static json_t *batch_of(const char *event, const struct link_batch *batch)
{
    return json_pack("{s:s, s:I, s:I, s:s, s:i, s:I, s:I, s:I, s:I, s:o}", "event", event, "base",
                     (json_int_t)batch->base, "count", (json_int_t)batch->count, "stream",
                     batch->stream, "partition", (int)batch->partition, "epoch",
                     (json_int_t)batch->epoch, "first_seq", (json_int_t)batch->first_seq, "time_us",
                     (json_int_t)batch->time_us, "due_us",
                     batch->due_us == CLOCK_NONE ? (json_int_t)0 : (json_int_t)batch->due_us,
                     "body", hex_of(&batch->body));
}

static void on_batch(void *context, const struct link_batch *batch)
{
    (void)context;
    tell(batch_of("batch", batch));
}

static void on_own(void *context, const struct link_batch *batch)
{
    (void)context;
    tell(batch ? batch_of("own", batch) : json_pack("{s:s, s:I}", "event", "own", "count", 0LL));
}

static void on_lost(void *context, const char *why)
{
    (void)context;
    tell(json_pack("{s:s, s:o}", "event", "lost", "why", json_of_string(why)));
}

static void on_down(void *context)
{
    (void)context;
    tell(json_pack("{s:s}", "event", "down"));
}

static void on_joined(void *context, const struct link_joined *joined)
{
    (void)context;
    tell(json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "event", "joined", "name", joined->name,
                   "generation", (json_int_t)joined->generation, "position",
                   (json_int_t)joined->position, "head", (json_int_t)joined->head, "lease_us",
                   (json_int_t)joined->lease_us));
}

static void on_done(void *context, uint64_t position)
{
    (void)context;
    tell(json_pack("{s:s, s:I}", "event", "done", "position", (json_int_t)position));
}

static json_t *item_of(const struct link_item *item)
{
    return json_pack("[I, I, I]", (json_int_t)item->lease, (json_int_t)item->position,
                     (json_int_t)item->count);
}

static void on_work(void *context, const struct link_work *work)
{
    json_t *event = batch_of("work", &work->batch);
    (void)context;
    json_object_set_new(event, "item", item_of(&work->item));
    json_object_set_new(event, "first", json_integer((json_int_t)work->first));
    json_object_set_new(event, "attempts", json_integer((json_int_t)work->attempts));
    tell(event);
}

static const char *const does_names[] = {"ack", "nack", "extend"};

static void on_settled(void *context, const struct link_settled *settled)
{
    json_t *expired = json_array();
    (void)context;
    for (uint32_t i = 0; i < settled->expired_count; i++)
        json_array_append_new(expired, item_of(&settled->expired[i]));
    tell(json_pack("{s:s, s:s, s:I, s:I, s:o}", "event", "settled", "does",
                   does_names[settled->does], "serial", (json_int_t)settled->serial, "settled",
                   (json_int_t)settled->records, "expired", expired));
}

/* ---- what it does ---- */

static _Noreturn void misused(const char *what)
{
    fprintf(stderr, "link_driver: not understood: %s\n", what);
    exit(64);
}

static uint64_t number(const json_t *from, const char *name)
{
    const json_t *value = json_object_get(from, name);
    if (!json_is_integer(value))
        misused(name);
    return (uint64_t)json_integer_value(value);
}

static const char *string(const json_t *from, const char *name)
{
    const char *value = json_string_value(json_object_get(from, name));
    if (!value)
        misused(name);
    return value;
}

static struct span bytes_of(const char *hex)
{
    size_t size = strlen(hex) / 2;
    uint8_t *data = malloc(size + 1);
    if (!data)
        abort();
    for (size_t i = 0; i < size; i++) {
        const char pair[] = {hex[2 * i], hex[2 * i + 1], '\0'};
        data[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return (struct span){data, (uint32_t)size};
}

static void do_lease(const json_t *ask)
{
    link_lease(connection, (uint16_t)number(ask, "shard"), (uint16_t)number(ask, "shards"),
               string(ask, "env"));
}

static void do_subscribe(const json_t *ask)
{
    struct link_input inputs[INPUTS_MAX];
    const json_t *names = json_object_get(ask, "inputs");
    uint32_t count = (uint32_t)json_array_size(names);
    if (count > INPUTS_MAX)
        misused("inputs");
    for (uint32_t i = 0; i < count; i++)
        inputs[i] = (struct link_input){json_string_value(json_array_get(names, i)), true};
    link_subscribe(connection, inputs, count, number(ask, "from"), (uint32_t)number(ask, "records"),
                   (uint32_t)number(ask, "bytes"));
}

static void do_join(const json_t *ask)
{
    const char *streams[INPUTS_MAX + 1] = {NULL};
    const json_t *names = json_object_get(ask, "inputs");
    if (json_array_size(names) > INPUTS_MAX)
        misused("inputs");
    for (size_t i = 0; i < json_array_size(names); i++)
        streams[i] = json_string_value(json_array_get(names, i));
    const struct link_join join = {
        .name = string(ask, "name"),
        .kind = strcmp(string(ask, "kind"), "group") == 0 ? LINK_GROUP : LINK_CURSOR,
        .streams = streams[0] ? streams : NULL,
        .start = json_string_value(json_object_get(ask, "start")),
        .position = (uint64_t)json_integer_value(json_object_get(ask, "position")),
        .records = (uint32_t)number(ask, "records"),
        .bytes = (uint32_t)number(ask, "bytes"),
        .take = json_is_true(json_object_get(ask, "take")),
        .lease_us = json_integer_value(json_object_get(ask, "lease_us")),
        .attempts = (uint32_t)json_integer_value(json_object_get(ask, "attempts")),
        .open = (uint32_t)json_integer_value(json_object_get(ask, "open"))};
    if (link_join(connection, &join) != 0)
        misused("join");
}

static void do_done(const json_t *ask)
{
    link_done(connection, number(ask, "position"));
}

static void do_settle(const json_t *ask)
{
    struct link_item items[BATCHES_MAX];
    const json_t *list = json_object_get(ask, "items");
    struct link_settle what = {.items = items,
                               .count = (uint32_t)json_array_size(list),
                               .delay_us = (int64_t)number(ask, "delay_us"),
                               .reason = json_string_value(json_object_get(ask, "reason")),
                               .serial = number(ask, "serial")};
    while (what.does < LINK_EXTEND && strcmp(does_names[what.does], string(ask, "does")) != 0)
        what.does++;
    for (uint32_t i = 0; i < what.count && i < BATCHES_MAX; i++) {
        const json_t *item = json_array_get(list, i);
        items[i] = (struct link_item){(uint64_t)json_integer_value(json_array_get(item, 0)),
                                      (uint64_t)json_integer_value(json_array_get(item, 1)),
                                      (uint32_t)json_integer_value(json_array_get(item, 2))};
    }
    link_settle(connection, &what);
}

static void do_unsubscribe(const json_t *ask)
{
    (void)ask;
    link_unsubscribe(connection);
}

static void do_deafen(const json_t *ask)
{
    deaf = number(ask, "deaf") != 0;
    tell(json_pack("{s:s}", "event", "deafened"));
}

static void do_taken(const json_t *ask)
{
    link_taken(connection, (uint32_t)number(ask, "records"), number(ask, "bytes"));
}

static void do_own(const json_t *ask)
{
    link_own(connection, string(ask, "stream"), (uint16_t)number(ask, "partition"),
             number(ask, "from_seq"), (uint32_t)number(ask, "records"));
}

static void do_publish(const json_t *ask)
{
    struct link_out batches[BATCHES_MAX];
    const json_t *list = json_object_get(ask, "batches");
    uint32_t count = (uint32_t)json_array_size(list);
    if (count > BATCHES_MAX)
        misused("batches");
    for (uint32_t i = 0; i < count; i++) {
        const json_t *from = json_array_get(list, i);
        int64_t due_us = (int64_t)number(from, "due_us");
        batches[i] = (struct link_out){.stream = string(from, "stream"),
                                       .partition = (uint16_t)number(from, "partition"),
                                       .count = (uint32_t)number(from, "count"),
                                       .first_seq = number(from, "first_seq"),
                                       .due_us = due_us ? due_us : CLOCK_NONE,
                                       .body = bytes_of(string(from, "body"))};
    }
    bool taken = link_publish(connection, batches, count);
    for (uint32_t i = 0; i < count; i++)
        free((void *)(uintptr_t)batches[i].body.data);
    tell(json_pack("{s:s, s:b}", "event", "published", "taken", (int)taken));
}

static void line_do(const char *line, size_t size)
{
    static const struct {
        const char *name;
        void (*run)(const json_t *ask);
    } table[] = {{"lease", do_lease},     {"subscribe", do_subscribe},
                 {"taken", do_taken},     {"unsubscribe", do_unsubscribe},
                 {"publish", do_publish}, {"own", do_own},
                 {"deafen", do_deafen},   {"join", do_join},
                 {"done", do_done},       {"settle", do_settle}};
    char why[160];
    json_t *ask = json_read(line, size, why, sizeof why);
    if (!ask)
        misused(why);
    const char *name = string(ask, "do");
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].name, name) == 0) {
            table[i].run(ask);
            json_decref(ask);
            return;
        }
    misused(name);
}

/* Does all the whole lines that stand in stdin; false at its end. */
static bool input_turn(void)
{
    static char buffer[INPUT_BYTES_MAX];
    static size_t size;
    char *end;
    if (size == sizeof buffer)
        misused("a line that is too long");
    ssize_t got = read(STDIN_FILENO, buffer + size, sizeof buffer - size);
    if (got <= 0)
        return false;
    size += (size_t)got;
    while ((end = memchr(buffer, '\n', size))) {
        size_t line = (size_t)(end - buffer);
        line_do(buffer, line);
        size -= line + 1;
        memmove(buffer, end + 1, size);
    }
    return true;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: link_driver ENDPOINT ACTOR INCARNATION\n");
        return 64;
    }
    log_init("link_driver", LOG_LEVEL_ERROR, false);
    const struct link_options options = {.endpoint = argv[1],
                                         .actor = argv[2],
                                         .host = "here",
                                         .incarnation = argv[3],
                                         .code_version = "driver",
                                         .config_hash = "0000000000000000",
                                         .handlers = {.welcome = on_welcome,
                                                      .granted = on_granted,
                                                      .waiting = on_waiting,
                                                      .acked = on_acked,
                                                      .refused = on_refused,
                                                      .batch = on_batch,
                                                      .own = on_own,
                                                      .lost = on_lost,
                                                      .joined = on_joined,
                                                      .done = on_done,
                                                      .work = on_work,
                                                      .settled = on_settled,
                                                      .down = on_down}};
    connection = link_open(&options);
    if (!connection)
        return 69;
    for (bool open = true; open;) {
        struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                               {.fd = link_fd(connection), .events = POLLIN}};
        int64_t wait_us = link_timeout_us(connection);
        if (wait_us > 1000000)
            wait_us = 1000000;
        if (deaf)
            poll(fds, 1, -1);
        else
            poll(fds, 2, wait_us > 0 ? (int)((wait_us + 999) / 1000) : 0);
        if (fds[0].revents)
            open = input_turn();
        if (!deaf)
            link_turn(connection);
    }
    link_close(&connection);
    return 0;
}
