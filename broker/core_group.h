/* A work group's decisions: which records are out to whom, until when, what was done, what comes again. Pure: no sockets, files
 * or clock (`now_us` is handed in, monotonic); the log is read by whoever asks. PROTOCOL.md §11 is what it implements.
 *
 * What is settled is staged: it counts as done in what group_encode writes, and in truth from group_commit on; group_rollback takes it
 * back to what it was. Memory is bounded by `open_max`: no more records than that stand above the floor. */
#ifndef BROKER_CORE_GROUP_H
#define BROKER_CORE_GROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/pack.h"

enum group_state { GROUP_WAITS, GROUP_OUT, GROUP_DONE };

struct group_entry {
    uint64_t position;
    uint64_t lease;    /* of whom it is out to */
    int64_t due_us;    /* out: the lease ends; waiting: not before */
    int64_t staged_us; /* staged to wait: not before */
    uint64_t bytes; /* of the body that came with it, counted with the first record of its lease */
    uint32_t attempts; /* times it was handed out */
    uint32_t member;   /* 0: none (left, or never was) */
    uint8_t state;
    uint8_t
        staged; /* what it becomes with the commit: GROUP_WAITS, GROUP_DONE; GROUP_OUT: nothing */
};

struct group {
    uint64_t next;               /* nothing from here on was handed out */
    struct group_entry *entries; /* by position */
    uint32_t first, count, capacity;
    int64_t lease_us;
    uint32_t attempts_max, open_max;
    uint64_t last_lease;
    uint32_t staged;  /* entries that are */
    uint32_t waiting; /* entries that do, at least */
    int64_t due_us;   /* nothing happens by itself before; INT64_MAX: never */
};

struct group_lease {
    uint64_t lease, position, bytes;
    uint32_t count, attempts, member;
};

void group_free(struct group *self);
/* Everything below is done. The position of the first that is not, or `next`. */
uint64_t group_floor(const struct group *self);
/* How many records more may stand above the floor. */
uint32_t group_room(const struct group *self);
/* Forgets all entries: the group goes on from `position`. Leases given before are void. */
void group_rewind(struct group *self, uint64_t position);

/* Hands out `count` records (at most group_room) from `position` (>= next) on. 0, or -1: no memory. */
int group_take_new(struct group *self, uint64_t position, uint32_t count, uint32_t member,
                   uint64_t bytes, int64_t now_us, struct group_lease *out);
/* The first that waits, is due and has attempts left; NULL: none. */
const struct group_entry *group_waiting(const struct group *self, int64_t now_us);
/* Hands out that one again, with those behind it that are alike, at most `most` and below `end`. */
void group_take_again(struct group *self, uint64_t position, uint64_t end, uint32_t most,
                      uint32_t member, uint64_t bytes, int64_t now_us, struct group_lease *out);
/* The first that waits and has had its last attempt; NULL: none. It is to be staged done with the letter that says so. */
const struct group_entry *group_spent(const struct group *self);
/* True if all of them are out under that lease, which has not ended, and none is staged. */
bool group_holds(const struct group *self, uint64_t lease, uint64_t position, uint32_t count,
                 int64_t now_us);
/* Of records that are held, or (done) of one that waits. */
void group_stage_done(struct group *self, uint64_t position, uint32_t count);
void group_stage_wait(struct group *self, uint64_t position, uint32_t count, int64_t until_us);
void group_extend(struct group *self, uint64_t position, uint32_t count, int64_t now_us);
struct group_entry *group_at(const struct group *self, uint64_t position); /* NULL: none */

void group_commit(struct group *self);
void group_rollback(struct group *self);

/* Leases that have ended give their records back: so many. To be called when due_us has come. */
uint32_t group_expire(struct group *self, int64_t now_us);
/* A member is gone: what it holds is given back at once. */
void group_leave(struct group *self, uint32_t member, int64_t now_us);
/* Records and bytes out to a member. */
uint32_t group_out(const struct group *self, uint32_t member, uint64_t *bytes);

/* As it stands with what is staged: [next, [[position, count, done, attempts, due], ...]], due as wall time (`wall_us` is the
 * wall's time at monotonic `now_us`), 0 = at once. What is out is written as waiting. */
void group_encode(const struct group *self, struct pack *out, int64_t now_us, int64_t wall_us);
/* 0, or -1: not that, or more than open_max. */
int group_decode(struct group *self, struct unpack *in, int64_t now_us, int64_t wall_us);

#endif
