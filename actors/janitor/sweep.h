/* What dead owners left in the state directory. A file or folder says its owner's process id in its name: as long as that
 * process lives it is not touched. */
#ifndef ACTORS_JANITOR_SWEEP_H
#define ACTORS_JANITOR_SWEEP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct swept {
    int64_t found; /* leftovers seen, those of the living included */
    int64_t removed;
    int64_t failed; /* could not be removed: said in the log */
};

/* The owner a name tells: "today.json.4711.new", "replay-4711" -> 4711; 0: none, so it is nobody's leftover. */
pid_t sweep_owner(const char *name);
/* Half-written exports: files *.PID.new anywhere below `dir`/exports. */
void sweep_exports(const char *dir, struct swept *out);
/* Half-written files of the state directory itself, of registry.d and of models: *.PID.new; half-made and replaced leagues: folders
 * league-new-PID and league-old-PID. */
void sweep_state(const char *dir, struct swept *out);
/* Scratch folders of replays and private brokers: folders NAME-PID in `dir`/scratch, with all they hold. */
void sweep_scratch(const char *dir, struct swept *out);

/* What was begun beside the environments in `dir`/shards: copies of a compaction, first pages. They tell no process: whoever
 * makes one holds the environment's lock. */
void sweep_shards(const char *dir, struct swept *out);
/* Half-made snapshots: files *.tmp that no living writer holds, in the folders of `root`. */
void sweep_snapshots(const char *root, struct swept *out);

/* A file, or a folder with all it holds; never across a symbolic link. 0 or -1 with errno. */
int sweep_remove(const char *path);

#endif
