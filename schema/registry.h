/* What the broker knows of an application: its streams. Printed from the registered messages as
 * JSON {"format":1,"streams":[{"name":..,"writer":..,"partitions":N,"retention_days":N|null,
 * "message":..,"version":N}]}, the last two optional,
 * read by the broker at start. */
#ifndef SCHEMA_REGISTRY_H
#define SCHEMA_REGISTRY_H

#include <stdint.h>
#include <stdio.h>

#define STREAM_NAME_MAX 63
#define REGISTRY_STREAMS_MAX 256

struct registry_stream {
    char name[STREAM_NAME_MAX + 1];
    char writer[STREAM_NAME_MAX + 1]; /* an actor's name, or "*" */
    uint16_t partitions;
    uint32_t retention_days;           /* 0 = kept */
    char message[STREAM_NAME_MAX + 1]; /* what its records are; "" if that is not said */
    uint32_t version;                  /* ... as of which version */
};
struct registry {
    uint32_t count;
    struct registry_stream streams[REGISTRY_STREAMS_MAX];
};

/* From the messages registered in this process, each with `partitions` partitions. */
void registry_of_messages(struct registry *out, uint16_t partitions);
int registry_write(const struct registry *registry,
                   const char *path); /* atomic; 0 or -1 with errno */
int registry_read(struct registry *out, const char *path, char *why, size_t why_size); /* 0 or -1 */

#endif
