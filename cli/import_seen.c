/* Three small streams are read whole: import.commit, import.file and history.team. */
#include "cli/import_seen.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/log.h"
#include "schema/messages.h"
#include "schema/record.h"

struct seen_file {
    struct msg_import_file file;
    uint64_t position;
};
struct seen_team {
    char import_id[41], team[5];
};
struct import_seen {
    char (*committed)[41];
    size_t committed_count;
    struct seen_file *files;
    size_t file_count;
    struct seen_team *teams;
    size_t team_count;
    bool failed; /* out of memory */
};

struct stream {
    const char *name;
    uint16_t id, partitions; /* partitions 0: not in this log */
};

/* A stream's row in the log's meta begins with its name and its partitions (broker/server_append.c writes it). */
static int find_stream(const struct span *key, const struct span *value, void *context)
{
    struct stream *wanted = context;
    struct unpack in = {value->data, value->size, 0};
    uint32_t fields, size;
    uint64_t partitions;
    const char *name;
    if (key->size != 2 || !unpack_array(&in, &fields) || !unpack_str(&in, &name, &size) ||
        !unpack_u64(&in, &partitions))
        return LOG_CORRUPT;
    if (strlen(wanted->name) == size && !memcmp(wanted->name, name, size)) {
        wanted->id = get_u16(key->data);
        wanted->partitions = (uint16_t)partitions;
    }
    return LOG_OK;
}

/* Room for one more; NULL without memory. */
static void *grow(struct import_seen *self, void *list, size_t count, size_t size)
{
    if (count & (count - 1) || self->failed)
        return list;
    void *bigger = realloc(list, (count ? 2 * count : 1) * size);
    if (bigger)
        return bigger;
    self->failed = true;
    return list;
}

static void take_commit(struct import_seen *self, uint64_t position, const void *message)
{
    const struct msg_import_commit *commit = message;
    (void)position;
    self->committed = grow(self, self->committed, self->committed_count, sizeof *self->committed);
    if (!self->failed)
        memcpy(self->committed[self->committed_count++], commit->import_id,
               sizeof *self->committed);
}

static void take_file(struct import_seen *self, uint64_t position, const void *message)
{
    self->files = grow(self, self->files, self->file_count, sizeof *self->files);
    if (!self->failed) {
        memcpy(&self->files[self->file_count].file, message, sizeof self->files->file);
        self->files[self->file_count++].position = position;
    }
}

static void take_team(struct import_seen *self, uint64_t position, const void *message)
{
    const struct msg_history_team *team = message;
    (void)position;
    self->teams = grow(self, self->teams, self->team_count, sizeof *self->teams);
    if (!self->failed) {
        memcpy(self->teams[self->team_count].import_id, team->import_id,
               sizeof self->teams->import_id);
        memcpy(self->teams[self->team_count++].team, team->team, sizeof self->teams->team);
    }
}

typedef void take_fn(struct import_seen *self, uint64_t position, const void *message);

static int read_batch(struct import_seen *self, struct log *log, uint64_t base,
                      const struct message_desc *desc, take_fn *take, uint64_t *next)
{
    static union {
        struct msg_import_commit commit;
        struct msg_import_file file;
        struct msg_history_team team;
    } message;
    struct batch_header header;
    struct batch_reader reader;
    struct message_error error;
    struct span body;
    struct record record;
    const char *rule;
    int result = log_batch(log, base, &header, &body);
    if (result != LOG_OK)
        return result;
    *next = header.base + header.count;
    if (batch_open(&reader, body.data, body.size, header.count, &rule) != 0)
        return LOG_CORRUPT;
    for (uint64_t position = header.base; batch_next(&reader, &record, &rule) == 1; position++)
        if (message_decode(desc, record.payload.data, record.payload.size, &message, &error) == 0)
            take(self, position, &message);
    return LOG_OK;
}

static int read_stream(struct import_seen *self, struct log *log, const struct message_desc *desc,
                       take_fn *take)
{
    struct stream stream = {.name = desc->stream};
    int error = log_each_meta(log, LOG_META_STREAM, find_stream, &stream);
    for (uint16_t partition = 0; !error && partition < stream.partitions; partition++) {
        uint64_t base, next = log_first(log);
        while ((error = log_next(log, stream.id, partition, next, &base)) == LOG_OK &&
               (error = read_batch(self, log, base, desc, take, &next)) == LOG_OK)
            log_read_end(log);
        log_read_end(log);
        error = error == LOG_NONE ? LOG_OK : error;
    }
    return error;
}

struct import_seen *import_seen_load(const char *dir, char *why, size_t why_size)
{
    const struct log_options options = {.read_only = true};
    struct import_seen *self = calloc(1, sizeof *self);
    struct log *log = NULL;
    char path[4096];
    if (!self)
        return NULL;
    snprintf(path, sizeof path, "%s/log", dir);
    int error = log_open(&log, path, &options);
    if (error == LOG_NONE)
        return self;
    if (!error)
        error = read_stream(self, log, &msg_import_commit_desc, take_commit);
    if (!error)
        error = read_stream(self, log, &msg_import_file_desc, take_file);
    if (!error)
        error = read_stream(self, log, &msg_history_team_desc, take_team);
    log_close(&log);
    if (!error && !self->failed)
        return self;
    snprintf(why, why_size, "%s: %s", path, error ? log_error_text(error) : "out of memory");
    import_seen_free(&self);
    return NULL;
}

void import_seen_free(struct import_seen **self)
{
    if (!*self)
        return;
    free((*self)->committed);
    free((*self)->files);
    free((*self)->teams);
    free(*self);
    *self = NULL;
}

bool import_seen_any(const struct import_seen *self)
{
    return self->committed_count > 0;
}

static bool was_committed(const struct import_seen *self, const char *import_id)
{
    for (size_t i = 0; i < self->committed_count; i++)
        if (!strcmp(self->committed[i], import_id))
            return true;
    return false;
}

const char *import_seen_sha256(const struct import_seen *self, const char *file)
{
    const struct seen_file *newest = NULL;
    for (size_t i = 0; i < self->file_count; i++) {
        const struct seen_file *at = &self->files[i];
        if (!strcmp(at->file.file, file) && was_committed(self, at->file.import_id) &&
            (!newest || at->position > newest->position))
            newest = at;
    }
    return newest ? newest->file.sha256 : NULL;
}

void import_seen_teams(const struct import_seen *self,
                       void (*visit)(void *context, const char *team), void *context)
{
    for (size_t i = 0; i < self->team_count; i++)
        if (was_committed(self, self->teams[i].import_id))
            visit(context, self->teams[i].team);
}
