/* What was imported before, as the log has it: each file's newest hash among the imports that were committed. */
#ifndef CLI_IMPORT_SEEN_H
#define CLI_IMPORT_SEEN_H

#include <stdbool.h>
#include <stddef.h>

struct import_seen;

/* Reads the log of `dir`, whether a broker runs on it or not. A directory without a log has seen nothing. NULL with `why`. */
struct import_seen *import_seen_load(const char *dir, char *why, size_t why_size);
void import_seen_free(struct import_seen **self);
/* That an import was committed. */
bool import_seen_any(const struct import_seen *self);
/* NULL: never imported. */
const char *import_seen_sha256(const struct import_seen *self, const char *file);
/* Codes of every team that a committed import brought. `visit` is called once for each record. */
void import_seen_teams(const struct import_seen *self,
                       void (*visit)(void *context, const char *team), void *context);

#endif
