/* Members: processes that run shards as they are told (PROTOCOL.md §4). Who they are is what their sessions said with MEMB; who has
 * which shard is decided here, as a pure function of sessions, leases and time.
 *
 * A shard whose owner is silent stays his while its lease runs: it may well be at work. */
#ifndef BROKER_MEMBERS_H
#define BROKER_MEMBERS_H

#include "broker/core.h"

#define MEMBER_ACTORS_MAX 64
#define MEMBER_SHARDS_MAX 256  /* of one actor */
#define MEMBER_SHARDS_ALL 1024 /* of all that one session names */

struct member_actor {
    char actor[33];
    uint16_t shards; /* in all */
};
/* What a session said with MEMB; it is freed with the session. */
struct core_member {
    char name[65];
    uint32_t capacity; /* most shards; 0: any number */
    uint32_t actor_count;
    bool untold; /* what it is to run is not what it was told last */
    struct member_actor actors[MEMBER_ACTORS_MAX];
};

struct member_place {
    char actor[33], owner[65]; /* owner "": nobody */
    uint16_t shard;
};
struct members {
    struct member_place *places; /* by actor and number */
    uint32_t count, capacity;
};

void members_free(struct members *self);
/* The session is, or is again, a member. `*old`: one of the same name and for one of the same actors, which is none any more: it is
 * to be told so. REFUSAL_NONE, or BAD_FRAME, SHARDS_DIFFER, TOO_MANY with `why`. */
enum refusal members_join(struct core *core, struct core_session *session,
                          const struct msg_memb *said, int64_t now_us, struct core_session **old,
                          char why[240]);
/* Decides anew. Sessions whose list has changed are `untold`. How many shards have another owner than before; -1: no memory. */
int members_turn(struct members *self, struct core *core, int64_t now_us);
/* Is this place one that the session was to be told? */
bool members_runs(const struct core_session *session, const struct member_place *place);

#endif
