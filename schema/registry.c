#include "schema/registry.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sys/stat.h>

#include "schema/json.h"
#include "schema/message.h"

enum { REGISTRY_FORMAT = 1, REGISTRY_BYTES_MAX = 1 << 20, RETENTION_DAYS_MAX = 36525 };

void registry_of_messages(struct registry *out, uint16_t partitions)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < message_count() && out->count < REGISTRY_STREAMS_MAX; i++) {
        const struct message_desc *desc = message_at(i);
        if (!desc->stream[0]) {
            continue;
        }
        struct registry_stream *stream = &out->streams[out->count++];
        snprintf(stream->name, sizeof stream->name, "%s", desc->stream);
        snprintf(stream->writer, sizeof stream->writer, "%s", desc->writer);
        stream->partitions = partitions;
        snprintf(stream->message, sizeof stream->message, "%s", desc->name);
        stream->version = desc->version;
    }
}

/* ---- writing ---- */

static void write_retention(const struct registry_stream *stream, json_t *row)
{
    if (stream->retention_s > 0) {
        json_object_set_new(row, "retention_s", json_integer((json_int_t)stream->retention_s));
    }
    if (stream->retention_bytes > 0) {
        json_object_set_new(row, "retention_bytes",
                            json_integer((json_int_t)stream->retention_bytes));
    }
    if (stream->retention_latest) {
        json_object_set_new(row, "retention_latest", json_true());
    }
}

static json_t *registry_json(const struct registry *registry)
{
    json_t *streams = json_array();
    for (uint32_t i = 0; i < registry->count; i++) {
        const struct registry_stream *stream = &registry->streams[i];
        json_t *row = json_object();
        json_object_set_new(row, "name", json_of_string(stream->name));
        json_object_set_new(row, "writer", json_of_string(stream->writer));
        json_object_set_new(row, "partitions", json_integer(stream->partitions));
        json_object_set_new(row, "retention_days",
                            stream->retention_days ? json_integer(stream->retention_days)
                                                   : json_null());
        write_retention(stream, row);
        if (stream->message[0]) {
            json_object_set_new(row, "message", json_of_string(stream->message));
            json_object_set_new(row, "version", json_integer(stream->version));
        }
        json_array_append_new(streams, row);
    }
    json_t *top = json_object();
    json_object_set_new(top, "format", json_integer(REGISTRY_FORMAT));
    json_object_set_new(top, "streams", streams);
    return top;
}

static int sync_folder(const char *path)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    int fd = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    int result = fsync(fd);
    close(fd);
    return result;
}

int registry_write(const struct registry *registry, const char *path)
{
    char temporary[PATH_MAX];
    if (snprintf(temporary, sizeof temporary, "%s.%ld.new", path, (long)getpid()) >=
        (int)sizeof temporary) {
        errno = ENAMETOOLONG;
        return -1;
    }
    FILE *out = fopen(temporary, "we");
    if (!out) {
        return -1;
    }
    json_t *json = registry_json(registry);
    json_print(out, json, 1);
    json_decref(json);
    int failed = fflush(out) || fsync(fileno(out));
    failed |= fclose(out);
    if (!failed && rename(temporary, path) == 0) {
        return sync_folder(path);
    }
    int why = errno;
    unlink(temporary);
    errno = why;
    return -1;
}

/* ---- reading ---- */

/* Words of lower-case letters, digits and '_', with '.' and '-' between: safe as topics and file
 * names. */
static bool name_sound(const char *name)
{
    size_t size = strlen(name);
    if (size == 0 || size > STREAM_NAME_MAX || !isalnum((unsigned char)name[0])) {
        return false;
    }
    return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == size;
}

static const char *read_name(const json_t *row, const char *key, char *out)
{
    const char *text = json_string_value(json_object_get(row, key));
    if (!text) {
        return "not a string";
    }
    if (!name_sound(text) && !(strcmp(key, "writer") == 0 && strcmp(text, "*") == 0)) {
        return "not a name: at most 63 of a-z 0-9 _ . -";
    }
    snprintf(out, STREAM_NAME_MAX + 1, "%s", text);
    return NULL;
}

/* Both may be absent. */
static const char *read_message(const json_t *row, struct registry_stream *out, const char **key)
{
    const json_t *version = json_object_get(row, "version");
    const char *rule;
    *key = "message";
    out->message[0] = '\0';
    out->version = 0;
    if (!json_object_get(row, "message")) {
        return NULL;
    }
    if ((rule = read_name(row, "message", out->message))) {
        return rule;
    }
    *key = "version";
    if (!json_is_integer(version) || json_integer_value(version) < 0 ||
        json_integer_value(version) > UINT16_MAX) {
        return "not an integer from 0 to 65535";
    }
    out->version = (uint32_t)json_integer_value(version);
    return NULL;
}

/* A whole number from 1 to `most`; 0 if it is not there. */
static const char *read_whole(const json_t *row, const char *key, int64_t most, int64_t *out)
{
    const json_t *value = json_object_get(row, key);
    *out = value ? json_integer_value(value) : 0;
    return value && (!json_is_integer(value) || *out < 1 || *out > most)
               ? "not an integer, or out of range"
               : NULL;
}

/* What is finer than days, and what is not age: all may be absent. */
static const char *read_retention(const json_t *row, struct registry_stream *out, const char **key)
{
    const json_t *latest = json_object_get(row, "retention_latest");
    const char *rule;
    int64_t seconds, bytes;
    *key = "retention_s";
    if ((rule = read_whole(row, *key, RETENTION_DAYS_MAX * INT64_C(86400), &seconds))) {
        return rule;
    }
    *key = "retention_bytes";
    if ((rule = read_whole(row, *key, INT64_MAX, &bytes))) {
        return rule;
    }
    *key = "retention_latest";
    if (latest && !json_is_boolean(latest)) {
        return "neither true nor false";
    }
    out->retention_s = (uint64_t)seconds;
    out->retention_bytes = (uint64_t)bytes;
    out->retention_latest = json_is_true(latest);
    return NULL;
}

/* The rule that `row` breaks, or NULL; `*key` is set to the key at fault. */
static const char *read_stream(const json_t *row, struct registry_stream *out, const char **key)
{
    const char *rule;
    *key = "name";
    if ((rule = read_name(row, "name", out->name))) {
        return rule;
    }
    *key = "writer";
    if ((rule = read_name(row, "writer", out->writer))) {
        return rule;
    }
    *key = "partitions";
    const json_t *partitions = json_object_get(row, "partitions");
    if (!json_is_integer(partitions) || json_integer_value(partitions) < 1 ||
        json_integer_value(partitions) > UINT16_MAX) {
        return "not an integer from 1 to 65535";
    }
    out->partitions = (uint16_t)json_integer_value(partitions);
    if ((rule = read_message(row, out, key))) {
        return rule;
    }
    *key = "retention_days";
    const json_t *days = json_object_get(row, "retention_days");
    out->retention_days = 0;
    if (json_is_null(days)) {
        return read_retention(row, out, key);
    }
    if (!json_is_integer(days) || json_integer_value(days) < 1 ||
        json_integer_value(days) > RETENTION_DAYS_MAX) {
        return "neither null nor an integer from 1 to 36525";
    }
    out->retention_days = (uint32_t)json_integer_value(days);
    return read_retention(row, out, key);
}

static bool name_taken(const struct registry *registry, const char *name)
{
    for (uint32_t i = 0; i < registry->count; i++) {
        if (strcmp(registry->streams[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static int read_streams(const json_t *top, struct registry *out, char *why, size_t why_size)
{
    const json_t *streams = json_object_get(top, "streams");
    if (json_integer_value(json_object_get(top, "format")) != REGISTRY_FORMAT) {
        snprintf(why, why_size, "format is not %d", REGISTRY_FORMAT);
        return -1;
    }
    if (!json_is_array(streams) || json_array_size(streams) > REGISTRY_STREAMS_MAX) {
        snprintf(why, why_size, "streams is not an array of at most %d", REGISTRY_STREAMS_MAX);
        return -1;
    }
    for (size_t i = 0; i < json_array_size(streams); i++) {
        struct registry_stream *stream = &out->streams[i];
        const char *key;
        const char *rule = read_stream(json_array_get(streams, i), stream, &key);
        if (!rule && name_taken(out, stream->name)) {
            key = "name";
            rule = "taken by an earlier stream";
        }
        if (rule) {
            snprintf(why, why_size, "streams[%zu].%s: %s", i, key, rule);
            return -1;
        }
        out->count++;
    }
    return 0;
}

int registry_read(struct registry *out, const char *path, char *why, size_t why_size)
{
    char *text = NULL;
    json_t *top = NULL;
    int result = -1;
    memset(out, 0, sizeof *out);
    FILE *in = fopen(path, "re");
    if (!in) {
        snprintf(why, why_size, "%s: %s", path, strerror(errno));
        return -1;
    }
    text = malloc(REGISTRY_BYTES_MAX);
    size_t size = text ? fread(text, 1, REGISTRY_BYTES_MAX, in) : 0;
    if (!text || ferror(in) || !feof(in)) {
        snprintf(why, why_size, "cannot be read whole (at most %d bytes)", REGISTRY_BYTES_MAX);
        goto out;
    }
    top = json_read(text, size, why, why_size);
    if (top) {
        result = read_streams(top, out, why, why_size);
    }
out:
    if (result) {
        memset(out, 0, sizeof *out);
    }
    json_decref(top);
    free(text);
    fclose(in);
    return result;
}
