/* The files that name streams: the pipeline's registry.json, and registry.d/ of applications beside it. */
#include <stdlib.h>

#include "broker/server.h"
#include "config/log.h"

static void file_told(void *context, const char *name, uint32_t streams, const char *why)
{
    json_t *files = context, *row = json_object();
    if (why)
        log_error("registry-refused", "file=registry.d/%s why=\"%s\"", name, why);
    else
        log_info("registry-read", "file=registry.d/%s streams=%u", name, streams);
    json_object_set_new(row, "file", json_of_string(name));
    json_object_set_new(row, "streams", json_integer(streams));
    json_object_set_new(row, "refused", why ? json_of_string(why) : json_null());
    json_array_append_new(files, row);
}

int server_registry_read(struct server *self, struct registry *out)
{
    char why[256];
    if (self->registry) {
        *out = *self->registry;
        return 0;
    }
    json_t *files = json_array();
    if (registry_gather(out, self->settings->dir, self->registry_path, file_told, files, why,
                        sizeof why) != 0) {
        log_error("registry-unreadable", "file=%s why=\"%s\"",
                  self->registry_path ? self->registry_path : "registry.json", why);
        json_decref(files);
        return -1;
    }
    json_decref(self->registries);
    self->registries = files;
    return 0;
}

json_t *server_registry_reload(struct server *self)
{
    struct registry *registry = malloc(sizeof *registry);
    json_t *out = NULL;
    if (!registry || server_registry_read(self, registry) != 0)
        out = json_pack("{s:s, s:s}", "error", "registry", "text",
                        "it cannot be read: all stays as it was");
    else if (server_streams(self, registry) != 0 || !server_streams_stored(self))
        out = json_pack("{s:s, s:s}", "error", "disk", "text", "the streams could not be stored");
    else
        out = json_pack("{s:i, s:O*}", "streams", (int)registry->count, "files", self->registries);
    free(registry);
    return out;
}
