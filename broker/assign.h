/* Which member runs which shard: a pure function of who there is, what each can run and who has what now.
 *
 * Total: every shard that a member with room can run is run by one. Balanced: of each actor, members that can run it have as many
 * as each other or one more; over all actors, no shard could go from one member to another that has two less without breaking that.
 * Sticky: a shard stays where it is unless it must go for these. Deterministic: ties go by the members' order. */
#ifndef BROKER_ASSIGN_H
#define BROKER_ASSIGN_H

#include <stdbool.h>
#include <stdint.h>

#define ASSIGN_NOBODY (-1)

struct assign_shard {
    uint32_t actor;
    int32_t owner; /* in: who has it, or NOBODY; out: who gets it, or NOBODY: nobody can */
};
struct assign {
    uint32_t members, actors, shard_count;
    const bool *runs;         /* [member * actors + actor] */
    const uint32_t *capacity; /* [member]: most shards; 0: any number */
    struct assign_shard *shards;
};
/* How many had an owner and have another now; -1: no memory, nothing was changed. */
int assign_shards(const struct assign *self);

#endif
