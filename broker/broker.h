/* The broker process: one thread, one loop. Drain what is waiting, append it in one transaction, fsync, acknowledge,
 * deliver. Owns the log, the sockets and the league clock's anchor. */
#ifndef BROKER_BROKER_H
#define BROKER_BROKER_H

#include <stdint.h>

#include "config/settings.h"
#include "schema/registry.h"

/* Runs until `stop_fd` (a signalfd or the like) is readable with SIGTERM/SIGINT. Returns the process's exit code. Its streams are those of
 * `registry`; NULL: of the files, `registry_path` (NULL: DIR/registry.json) and DIR/registry.d/. */
int broker_run(const struct settings *settings, const struct registry *registry,
               const char *registry_path, int stop_fd);

#endif
