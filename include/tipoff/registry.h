/* What the broker is told of an application: its streams. `PROGRAM --dir DIR --register` does all of this for an actor; these are for
 * programs that are none. */
#ifndef TIPOFF_REGISTRY_H
#define TIPOFF_REGISTRY_H

#include <tipoff/api.h>

/* Writes the streams of all messages registered in this process (tip_message_register), each with `partitions` partitions, as JSON to
 * `path`, atomically; and with them the streams of the runtime that anyone writes (runs, dead letters). The broker reads DIR/registry.json
 * and every DIR/registry.d/NAME.json when it starts, and when it is asked to (control word REGISTRY). 0, or -1 with errno. */
TIP_API int tip_registry_save(const char *path, uint16_t partitions);

#endif
