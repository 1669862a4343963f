/* Numbered points where a test may kill, stop or fail this process: the crash outcomes that
 * broker/PROTOCOL.md and the kit promise are proved at exactly these places.
 *
 * TIPOFF_FAULT="point:nth[+][:action]", comma separated; the nth passage (1 = first) of the point by this
 * process, with a plus every later one too, does the action: `kill` (SIGKILL to itself, the default), `stop` (SIGSTOP), `fail` (fault_hit
 * returns true and the caller behaves as if the call had failed). TIPOFF_FAULT_ONLY="name[,name]" limits
 * it to processes of that name ("features.0"). TIPOFF_FAULT_ONCE=DIR: a point that fired leaves a file in DIR and
 * does not fire again in a successor. Costs one branch when unset. */
#ifndef CONFIG_FAULT_H
#define CONFIG_FAULT_H

#include <stdbool.h>

#define FAULT_POINTS(X)                                                                            \
    X(HANDLER, "handler", "inside a handler, its run marked open")                                 \
    X(STEP_BEFORE_COMMIT, "step-before-commit", "step built, not committed")                       \
    X(STEP_COMMITTED, "step-committed", "committed, outbox not published")                         \
    X(STEP_PUBLISHED, "step-published", "published, not acknowledged")                             \
    X(STEP_ACKED, "step-acked", "acknowledged, outbox not trimmed")                                \
    X(APPEND_BEFORE_COMMIT, "append-before-commit", "broker: append built, not committed")         \
    X(APPEND_COMMITTED, "append-committed", "broker: appended, not acknowledged")                  \
    X(CHECKPOINT_BEGUN, "checkpoint-begun",                                                        \
      "broker: what the journal holds is not in its segment")                                      \
    X(CHECKPOINT_DONE, "checkpoint-done", "broker: it is, and the journal not written over yet")   \
    X(ROLL_CREATED, "roll-created", "broker: new segment made, not marked complete")               \
    X(ROLL_COMPLETE, "roll-complete", "broker: new segment complete, nothing appended")            \
    X(TRIM_DECIDED, "trim-decided", "broker: segments let go of, their files still there")         \
    X(TRIM_REMOVED, "trim-removed", "broker: the files of one of them removed")                    \
    X(REWRITE_SLICE, "rewrite-slice", "broker: a slice of a rewritten segment committed")          \
    X(REWRITE_BUILT, "rewrite-built", "broker: a segment rewritten, not marked complete")          \
    X(REWRITE_COMPLETE, "rewrite-complete", "broker: it is, and the old one still there")          \
    X(LEASE_BEFORE_GRANT, "lease-before-grant", "broker: lease decided, not durable")              \
    X(LEASE_GRANTED, "lease-granted", "broker: lease durable, holder not told")                    \
    X(LEASE_RECEIVED, "lease-received", "shard: lease received, epoch not in its environment")     \
    X(FETCHED, "fetched", "poller: answer received, nothing committed")                            \
    X(IMPORT_BATCH, "import-batch", "import: between two batches")                                 \
    X(IMPORT_BEFORE_COMMIT, "import-before-commit", "import: all rows sent, commit not")           \
    X(SNAPSHOT_BEGUN, "snapshot-begun", "shard: a snapshot begun, no row copied")                  \
    X(SNAPSHOT_WRITTEN, "snapshot-written", "shard: whole and synced, without its name")           \
    X(SNAPSHOT_LOADED, "snapshot-loaded",                                                          \
      "shard: all of a snapshot's rows loaded, its cursor not")                                    \
    X(SNAPSHOT_RENAMED, "snapshot-renamed", "shard: named, its folder not synced, no older gone")  \
    X(REWIND_TRIED, "rewind-tried",                                                                \
      "shard: asked to go back, and it can; nothing is set back yet")                              \
    X(COMPACT_SLICE, "compact-slice", "store: a slice of an environment copied beside it")         \
    X(COMPACT_CHECKED, "compact-checked",                                                          \
      "store: the copy whole and equal, without the file's name")                                  \
    X(COMPACT_RENAMED, "compact-renamed", "store: it has the name, its folder not synced")         \
    X(COMPACT_SWAPPED, "compact-swapped", "store: that is durable, and the file not opened again") \
    X(EXPORT_WRITTEN, "export-written", "scoreboard: export written, not renamed")                 \
    X(DISK_FULL, "disk-full", "broker or store: the commit says no space")

#define FAULT_POINT_ROW(id, name, doc) FAULT_##id,
enum fault_point { FAULT_POINTS(FAULT_POINT_ROW) FAULT_COUNT };
#undef FAULT_POINT_ROW

/* Reads the environment. Call after log_init with the process's own name. Unknown point: exit 64. */
void fault_init(const char *name);
/* True if an armed `fail` is due here; `kill` and `stop` do not return (or return later). */
bool fault_hit(enum fault_point point);

#endif
