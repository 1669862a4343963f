/* One shard made again as it was, for whoever wants to look at its past. */
#ifndef CLI_REPLAY_H
#define CLI_REPLAY_H

#include "cli/command.h"
#include "cli/records.h"

struct rerun_env {
    char scratch[CLI_PATH_MAX];   /* to be removed */
    char path[CLI_PATH_MAX + 64]; /* the environment: a store */
};
/* Re-executes the shard on every batch that begins below `end`, in a scratch environment. EXIT_OK; EXIT_NO: an edge, whose past
 * cannot be made again; EXIT_UNREACHABLE (errno), EXIT_DATA: it did not go through, said in the log. */
int rerun_until(const struct cli *cli, struct records *records,
                const struct records_producer *producer, uint64_t end, struct rerun_env *out);
void rerun_remove(const struct rerun_env *env);

#endif
