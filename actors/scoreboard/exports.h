/* The files that others fetch: live/, live-grading/ and status.json under DIR/exports, each replaced as a whole.
 *
 * Against the system these shapes come from: a push is `push` and who never came in is `void` (no `incorrect`, no 0 points);
 * `updated_at` is the league time of the newest record in the file, not of its writing, `position` (beside the keys of those
 * shapes) that record's place in the log: whoever knows what came since sees what a file lacks; errors are averaged over final games only; a game stays with its own date after midnight. */
#ifndef ACTORS_SCOREBOARD_EXPORTS_H
#define ACTORS_SCOREBOARD_EXPORTS_H

#include "actors/scoreboard/tables.h"
#include "schema/json.h"

/* NULL with a store_error in *error. */
json_t *export_live(struct store_txn *txn, int32_t date, int *error);
json_t *export_grading(struct store_txn *txn, int32_t date, int *error);
/* As of league time `now_us`; `today` is the day that is on. */
json_t *export_status(struct store_txn *txn, int32_t today, int64_t now_us, int *error);
/* The day that is on: the league day, or the one before while a game of it is still in play. */
int32_t export_today(struct store_txn *txn, int64_t now_us, int rollover_hour);

/* "Luka Dončić" -> "lukadoncic". */
#define EXPORT_LOOKUP_SIZE 80
void export_lookup(const char *name, char lookup[EXPORT_LOOKUP_SIZE]);

/* ---- writing them ---- */
struct exports;
struct exports *exports_new(const char *dir); /* DIR/exports; NULL without memory */
void exports_free(struct exports **self);
/* Writes what changed since it was last written. 0; or a store_error, or -1 with errno in the log. */
int exports_write(struct exports *self, struct store_txn *txn, int64_t now_us, int rollover_hour);
uint64_t exports_written(const struct exports *self); /* files, since the start */

/* Temporary file, fsync, rename, fsync of the folder. 0, or -1 with errno. */
int exports_replace(const char *path, const char *text, size_t size);

#endif
