/* Several applications on one broker: their registries, made one without one taking what is another's. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "schema/messages.h"
#include "schema/registry.h"

static bool anyone(const struct registry_stream *stream)
{
    return strcmp(stream->writer, "*") == 0;
}

static const struct registry_stream *stream_of(const struct registry *registry, const char *name)
{
    for (uint32_t i = 0; i < registry->count; i++)
        if (strcmp(registry->streams[i].name, name) == 0)
            return &registry->streams[i];
    return NULL;
}

static const struct registry_stream *stream_by(const struct registry *registry, const char *writer)
{
    for (uint32_t i = 0; i < registry->count; i++)
        if (strcmp(registry->streams[i].writer, writer) == 0)
            return &registry->streams[i];
    return NULL;
}

static const char *whose(const struct registry_stream *stream)
{
    return stream->origin[0] ? stream->origin : "registry.json";
}

/* False: it may not be added, `why` says so. */
static bool may_add(const struct registry *into, const struct registry_stream *stream, char *why,
                    size_t why_size)
{
    const struct registry_stream *known = stream_of(into, stream->name);
    if (known && !(anyone(known) && anyone(stream))) {
        snprintf(why, why_size, "stream %s is of %s", stream->name, whose(known));
        return false;
    }
    const struct registry_stream *writes = anyone(stream) ? NULL : stream_by(into, stream->writer);
    if (writes) {
        snprintf(why, why_size, "stream %s: writer %s is of %s", stream->name, stream->writer,
                 whose(writes));
        return false;
    }
    return true;
}

int registry_merge(struct registry *into, const struct registry *from, const char *origin,
                   char *why, size_t why_size)
{
    uint32_t more = 0;
    for (uint32_t i = 0; i < from->count; i++) {
        if (!may_add(into, &from->streams[i], why, why_size))
            return -1;
        more += !stream_of(into, from->streams[i].name);
    }
    if (into->count + more > REGISTRY_STREAMS_MAX) {
        snprintf(why, why_size, "more than %d streams in all", REGISTRY_STREAMS_MAX);
        return -1;
    }
    for (uint32_t i = 0; i < from->count; i++) {
        if (stream_of(into, from->streams[i].name))
            continue;
        struct registry_stream *stream = &into->streams[into->count++];
        *stream = from->streams[i];
        snprintf(stream->origin, sizeof stream->origin, "%s", origin);
    }
    return 0;
}

/* ---- an application's own file ---- */

int registry_save(const char *path, uint16_t partitions)
{
    struct registry *registry = malloc(sizeof *registry);
    if (!registry)
        return -1;
    messages_register_shared();
    registry_of_messages(registry, partitions);
    int result = registry_write(registry, path);
    int why = errno;
    free(registry);
    errno = why;
    return result;
}

/* ---- the folder ---- */

static int is_registry(const struct dirent *entry)
{
    size_t size = strlen(entry->d_name);
    return entry->d_name[0] != '.' && size > 5 && size <= STREAM_NAME_MAX &&
           strcmp(entry->d_name + size - 5, ".json") == 0;
}

struct gathering {
    struct registry *out, *read;
    registry_file *told;
    void *context;
};

static void add_file(const struct gathering *self, const char *folder, const char *name)
{
    char path[PATH_MAX], why[256] = "";
    bool added = snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path &&
                 registry_read(self->read, path, why, sizeof why) == 0 &&
                 registry_merge(self->out, self->read, name, why, sizeof why) == 0;
    if (self->told)
        self->told(self->context, name, added ? self->read->count : 0, added ? NULL : why);
}

/* How many files there were. */
static int add_folder(const struct gathering *self, const char *folder)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_registry, alphasort);
    for (int i = 0; i < count; i++) {
        add_file(self, folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return count < 0 ? 0 : count;
}

int registry_gather(struct registry *out, const char *dir, const char *asked, registry_file *told,
                    void *context, char *why, size_t why_size)
{
    char path[PATH_MAX];
    struct gathering self = {
        .out = out, .read = malloc(sizeof *self.read), .told = told, .context = context};
    snprintf(path, sizeof path, "%s/registry.json", dir);
    int result = registry_read(out, asked ? asked : path, why, why_size);
    bool none = result != 0 && access(asked ? asked : path, F_OK) != 0;
    snprintf(path, sizeof path, "%s/registry.d", dir);
    /* Applications may be all there is; a broken registry of the pipeline is not passed over. */
    if (self.read && (result == 0 || none) && add_folder(&self, path) > 0)
        result = 0;
    free(self.read);
    return self.read ? result : -1;
}
