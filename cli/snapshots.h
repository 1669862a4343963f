/* The snapshots of all shards, for whoever checks them. */
#ifndef CLI_SNAPSHOTS_H
#define CLI_SNAPSHOTS_H

/* Reads every whole one below `root` (a folder of folders <actor>-<shard>), and tells those that do not hold. How many were read. */
typedef void snapshots_bad(void *context, const char *name, const char *why);
int snapshots_verify(const char *root, snapshots_bad *bad, void *context);

#endif
