/* ACTOR --member: a small parent that runs the shards which the broker gives this host, each as a process of its own, until asked
 * to stop. Several such parents, of other actors, may speak for one host. PROTOCOL.md §4 says who gets what. */
#ifndef ACTORS_MEMBER_H
#define ACTORS_MEMBER_H

#include "actors/actor.h"
#include "config/options.h"

/* `argv` is what the shards are started with, but for --member and --shard. Returns the exit code. */
int member_main(const struct actor *actor, const struct options *options,
                const struct settings *settings, uint16_t shards, int argc, char **argv);

#endif
