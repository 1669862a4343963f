/* Someone's application beside others on one broker: its streams, told once. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "actors/kit.h"
#include "config/exit.h"
#include "config/log.h"
#include "schema/json.h"
#include "schema/registry.h"
#include "store/env_make.h"

/* Why the broker would not have our file; NULL: it has it. Borrows from `answer`. */
static const char *refused(const json_t *answer, const char *name)
{
    const json_t *files = json_object_get(answer, "files");
    for (size_t i = 0; i < json_array_size(files); i++) {
        const json_t *row = json_array_get(files, i);
        const char *file = json_string_value(json_object_get(row, "file"));
        if (file && strcmp(file, name) == 0)
            return json_string_value(json_object_get(row, "refused"));
    }
    const char *text = json_string_value(json_object_get(answer, "text"));
    return text ? text : "its folder is another one";
}

static int ask(const struct kit *self, const char *name)
{
    char why[160];
    char *text = link_control(self->settings.broker.control_endpoint, "REGISTRY", 2000);
    if (!text) {
        log_info("registered", "file=%s broker=none hint=\"it is read when one starts\"", name);
        return EXIT_OK;
    }
    json_t *answer = json_read(text, strlen(text), why, sizeof why);
    free(text);
    const char *rule = answer ? refused(answer, name) : why;
    if (rule)
        log_error("registry-refused", "file=%s why=\"%s\"", name, rule);
    else
        log_info("registered", "file=%s", name);
    json_decref(answer);
    return rule ? EXIT_CONFIG : EXIT_OK;
}

int kit_register(struct kit *self)
{
    char path[PATH_MAX], name[64];
    size_t count = 0;
    while (self->actor->messages && self->actor->messages[count])
        count++;
    message_register(self->actor->messages, count);
    snprintf(name, sizeof name, "%s.json", self->actor->name);
    int size = snprintf(path, sizeof path, "%s/registry.d", self->settings.dir);
    if (size >= (int)sizeof path - (int)sizeof name)
        log_fatal(EXIT_CONFIG, "path-too-long", "dir=%s", self->settings.dir);
    if ((mkdir(self->settings.dir, 0750) != 0 && errno != EEXIST) ||
        (mkdir(path, 0750) != 0 && errno != EEXIST))
        log_fatal(EXIT_UNREACHABLE, "dir-failed", "dir=%s why=\"%s\"", path, strerror(errno));
    snprintf(path + size, sizeof path - (size_t)size, "/%s", name);
    if (registry_save(path, (uint16_t)self->settings.broker.partitions) != 0)
        log_fatal(EXIT_UNREACHABLE, "registry-unwritten", "file=%s why=\"%s\"", path,
                  strerror(errno));
    path[size] = '\0';
    int unsynced = env_names_sync(path); /* the folder may be new */
    if (unsynced)
        log_fatal(EXIT_UNREACHABLE, "registry-unwritten", "dir=%s why=\"%s\"", path,
                  strerror(unsynced));
    return ask(self, name);
}
