/* What the broker knows of an application: its streams. Printed from the registered messages as
 * JSON {"format":1,"streams":[{"name":..,"writer":..,"partitions":N,"retention_days":N|null,
 * "retention_s":N,"retention_bytes":N,"retention_latest":true,"message":..,"version":N}]}, all behind retention_days optional,
 * read by the broker at start: the pipeline's from DIR/registry.json, those of applications beside it from DIR/registry.d/. */
#ifndef SCHEMA_REGISTRY_H
#define SCHEMA_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define STREAM_NAME_MAX 63
#define REGISTRY_STREAMS_MAX 256

struct registry_stream {
    char name[STREAM_NAME_MAX + 1];
    char writer[STREAM_NAME_MAX + 1]; /* an actor's name, or "*" */
    uint16_t partitions;
    uint32_t retention_days;           /* 0 = kept */
    uint64_t retention_s;              /* in its place, if not 0: in seconds */
    uint64_t retention_bytes;          /* the newest so many are kept; 0 = all */
    bool retention_latest;             /* of each key the newest record is kept */
    char message[STREAM_NAME_MAX + 1]; /* what its records are; "" if that is not said */
    uint32_t version;                  /* ... as of which version */
    char origin[STREAM_NAME_MAX + 1];  /* of an application's own file: its name, else "" */
};
struct registry {
    uint32_t count;
    struct registry_stream streams[REGISTRY_STREAMS_MAX];
};

/* From the messages registered in this process, each with `partitions` partitions. */
void registry_of_messages(struct registry *out, uint16_t partitions);
int registry_write(const struct registry *registry,
                   const char *path); /* atomic; 0 or -1 with errno */
/* An application's own file: of what is registered in this process, and of the runtime's streams that anyone writes (runs, dead
 * letters), so that a broker of that application alone has them, too. 0, or -1 with errno. */
int registry_save(const char *path, uint16_t partitions);
int registry_read(struct registry *out, const char *path, char *why, size_t why_size); /* 0 or -1 */

/* ---- several applications on one broker ----
 * Adds `from`, wholly or not at all. A stream has one owner, and so has a writer's name; only a stream that anyone writes ("*") on both
 * sides is shared, as the earlier one says. `from`'s streams are marked with `origin`, the name of their file. 0, or -1 with `why`. */
int registry_merge(struct registry *into, const struct registry *from, const char *origin,
                   char *why, size_t why_size);
/* What became of one file of the folder; `why` NULL: its streams are in. */
typedef void registry_file(void *context, const char *name, uint32_t streams, const char *why);
/* DIR/registry.json (or `asked`), then every DIR/registry.d/NAME.json in the order of their names. A file of the folder that is broken, or takes
 * what belongs to an earlier one, is set aside whole and told. 0, or -1 with `why`: no registry at all. */
int registry_gather(struct registry *out, const char *dir, const char *asked, registry_file *told,
                    void *context, char *why, size_t why_size);

#endif
