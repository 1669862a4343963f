/* The registry: what the messages say, through the file and back; broken files refused by place
 * and rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "schema/messages.h"
#include "schema/registry.h"

static char folder[] = "/tmp/test_registry.XXXXXX";
static char path[sizeof folder + 16];

static const struct registry_stream *stream_of(const struct registry *registry, const char *name)
{
    for (uint32_t i = 0; i < registry->count; i++) {
        if (strcmp(registry->streams[i].name, name) == 0) {
            return &registry->streams[i];
        }
    }
    return NULL;
}

static void it_comes_from_the_messages(void **state)
{
    (void)state;
    struct registry registry;
    registry_of_messages(&registry, 4);
    assert_int_equal(registry.count, message_count()); /* each of ours has a stream */
    const struct registry_stream *stream = stream_of(&registry, "row.box_score");
    assert_non_null(stream);
    assert_string_equal(stream->writer, "processor");
    assert_int_equal(stream->partitions, 4);
    assert_int_equal(stream->retention_days, 0);
    assert_string_equal(stream_of(&registry, "ops.run")->writer, "*");
    assert_null(stream_of(&registry, "row.nothing"));
}

static void it_survives_the_file(void **state)
{
    (void)state;
    struct registry out, in;
    char why[200] = "";
    registry_of_messages(&out, 8);
    out.streams[1].retention_days = 30;
    out.streams[2].partitions = 65535;
    out.streams[2].retention_s = 90;
    out.streams[3].retention_bytes = UINT64_C(1) << 40;
    out.streams[3].retention_latest = true;
    assert_int_equal(registry_write(&out, path), 0);
    assert_int_equal(registry_write(&out, path), 0); /* over itself */
    if (registry_read(&in, path, why, sizeof why)) {
        fail_msg("%s", why);
    }
    assert_memory_equal(&in, &out, sizeof in);
    char missing[sizeof path + 16];
    snprintf(missing, sizeof missing, "%s/none/x.json", folder);
    assert_int_equal(registry_write(&out, missing), -1);
    assert_int_equal(registry_read(&in, missing, why, sizeof why), -1);
    assert_non_null(strstr(why, "No such file"));
}

#define STREAM(name, writer, partitions, days)                                                     \
    "{\"name\":" name ",\"writer\":" writer ",\"partitions\":" partitions                          \
    ",\"retention_days\":" days "}"
#define FILE_OF(streams) "{\"format\":1,\"streams\":[" streams "]}"
#define GOOD STREAM("\"a.b\"", "\"*\"", "1", "null")

static const struct {
    const char *text, *why;
} WRONG[] = {
    {"", "line 1, column 0: '[' or '{' expected near end of file"},
    {"[]", "format is not 1"},
    {"{\"format\":2,\"streams\":[]}", "format is not 1"},
    {"{\"format\":1}", "streams is not an array of at most 256"},
    {FILE_OF("7"), "streams[0].name: not a string"},
    {FILE_OF(STREAM("\"\"", "\"*\"", "1", "null")),
     "streams[0].name: not a name: at most 63 of a-z 0-9 _ . -"},
    {FILE_OF(STREAM("\"*\"", "\"*\"", "1", "null")),
     "streams[0].name: not a name: at most 63 of a-z 0-9 _ . -"},
    {FILE_OF(STREAM("\"../x\"", "\"*\"", "1", "null")),
     "streams[0].name: not a name: at most 63 of a-z 0-9 _ . -"},
    {FILE_OF(GOOD "," GOOD), "streams[1].name: taken by an earlier stream"},
    {FILE_OF(STREAM("\"a\"", "null", "1", "null")), "streams[0].writer: not a string"},
    {FILE_OF(STREAM("\"a\"", "\"b\"", "0", "null")),
     "streams[0].partitions: not an integer from 1 to 65535"},
    {FILE_OF(STREAM("\"a\"", "\"b\"", "65536", "null")),
     "streams[0].partitions: not an integer from 1 to 65535"},
    {FILE_OF(STREAM("\"a\"", "\"b\"", "1.0", "null")),
     "streams[0].partitions: not an integer from 1 to 65535"},
    {FILE_OF(STREAM("\"a\"", "\"b\"", "1", "0")),
     "streams[0].retention_days: neither null nor an integer from 1 to 36525"},
    {FILE_OF(STREAM("\"a\"", "\"b\"", "1", "1,\"retention_s\":0")),
     "streams[0].retention_s: not an integer, or out of range"},
    {FILE_OF(STREAM("\"a\"", "\"b\"", "1", "null,\"retention_bytes\":\"1\"")),
     "streams[0].retention_bytes: not an integer, or out of range"},
    {FILE_OF(STREAM("\"a\"", "\"b\"", "1", "null,\"retention_latest\":1")),
     "streams[0].retention_latest: neither true nor false"},
    {FILE_OF("{\"name\":\"a\",\"writer\":\"b\",\"partitions\":1}"),
     "streams[0].retention_days: neither null nor an integer from 1 to 36525"},
};

static void broken_files_are_refused_by_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        struct registry registry;
        char why[200] = "(taken)";
        FILE *out = fopen(path, "w");
        assert_non_null(out);
        fputs(WRONG[i].text, out);
        fclose(out);
        assert_int_equal(registry_read(&registry, path, why, sizeof why), -1);
        assert_string_equal(why, WRONG[i].why);
        assert_int_equal(registry.count, 0);
    }
}

/* ---- several applications ---- */

static void put(struct registry *registry, const char *name, const char *writer)
{
    struct registry_stream *stream = &registry->streams[registry->count++];
    memset(stream, 0, sizeof *stream);
    snprintf(stream->name, sizeof stream->name, "%s", name);
    snprintf(stream->writer, sizeof stream->writer, "%s", writer);
    stream->partitions = (uint16_t)registry->count;
}

static void what_is_anothers_is_not_taken(void **state)
{
    static const struct {
        const char *name, *writer, *why;
    } tries[] = {{"a.own", "b", "stream a.own is of registry.json"},
                 {"a.own", "*", "stream a.own is of registry.json"},
                 {"a.own", "a", "stream a.own is of registry.json"},
                 {"all", "b", "stream all is of registry.json"},
                 {"b.new", "a", "stream b.new: writer a is of registry.json"},
                 {"c.own", "b", "stream c.own is of c.json"},
                 {"b.new", "c", "stream b.new: writer c is of c.json"}};
    static struct registry into, from;
    char why[200];
    (void)state;
    into.count = from.count = 0;
    put(&into, "a.own", "a");
    put(&into, "all", "*");
    put(&from, "c.own", "c");
    put(&from, "c.other", "c");
    put(&from, "all", "*");
    assert_int_equal(registry_merge(&into, &from, "c.json", why, sizeof why), 0);
    assert_int_equal(into.count, 4);
    assert_int_equal(stream_of(&into, "all")->partitions, 2); /* as the first has it */
    assert_string_equal(stream_of(&into, "c.other")->origin, "c.json");
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        from.count = 0;
        put(&from, "b.sound", "b");
        put(&from, tries[i].name, tries[i].writer);
        assert_int_equal(registry_merge(&into, &from, "b.json", why, sizeof why), -1);
        assert_string_equal(why, tries[i].why);
        assert_int_equal(into.count, 4); /* nothing of it */
    }
    from.count = 0;
    while (from.count < REGISTRY_STREAMS_MAX - 3) {
        char name[16];
        snprintf(name, sizeof name, "d.%u", from.count);
        put(&from, name, "d");
    }
    assert_int_equal(registry_merge(&into, &from, "d.json", why, sizeof why), -1);
    assert_string_equal(why, "more than 256 streams in all");
}

static int make_folder(void **state)
{
    (void)state;
    messages_register();
    if (!mkdtemp(folder)) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/registry.json", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder); /* fails if a temporary file was left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_comes_from_the_messages),
        cmocka_unit_test(it_survives_the_file),
        cmocka_unit_test(broken_files_are_refused_by_place),
        cmocka_unit_test(what_is_anothers_is_not_taken),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
