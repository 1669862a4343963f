/* The engine of a shard, without sockets: batches in, in log order; steps out. The loop (actor.c), the tests' harness and
 * replay drive the same one.
 *
 * A turn of the owner: shard_offer what arrived; shard_build; then shard_commit, or shard_undo; then send what
 * shard_unsent says, and tell what was acknowledged (shard_acked). */
#ifndef ACTORS_SHARD_H
#define ACTORS_SHARD_H

#include <stdbool.h>
#include <stdint.h>

#include "actors/actor.h"
#include "store/run_marks.h"
#include "store/shard_env.h"

struct shard;

/* What every shard that reads anything reads too, where the broker has such streams. */
extern const struct take verdict_take, rewind_take;
#define SHARD_OWN_TAKES 2
extern const struct take *const shard_own_takes[SHARD_OWN_TAKES];
/* Days that a table's rows are kept under these settings; AGING_NEVER: for ever. */
int32_t aging_days(const struct actor *actor, const struct aging *aging,
                   const struct settings *settings);
/* What retention.tables says of a table of this actor that it does not age; NULL: nothing. */
const char *aging_unknown(const struct actor *actor, const struct settings *settings);

struct shard_options {
    const struct actor *actor;
    void *self; /* the actor's memory, from its `start` */
    const struct settings *settings;
    const char *host;
    uint16_t number, shards;
    struct store *store; /* borrowed */
    /* How many partitions a stream has; 0: there is no such stream. */
    uint16_t (*partitions)(void *context, const char *stream);
    void *context;
    /* Re-execution: runs and dead letters are not said again, nothing is marked open, all that is emitted counts as
     * known (see shard_each_out), nothing enters the outbox. */
    bool replay;
    /* Re-execution: was what is in hand at this position (a record, or a verdict that offers one again) refused? What it was refused for
     * may have been the machine's (a full disk), and is not in the log; NULL: nobody knows. */
    bool (*refused)(void *context, uint64_t position);
};
/* Reads what the environment holds, and which runs a dead owner left open. A store_error. */
int shard_open(struct shard **out, const struct shard_options *options);
void shard_close(struct shard **self);

const struct shard_state *shard_state(const struct shard *self); /* as committed */
void shard_lane(struct shard *self, const char *stream, uint16_t partition, uint64_t *last,
                uint64_t *acked); /* 0, 0 if it never wrote there */
typedef void shard_lane_fn(const struct shard_lane *lane, void *context);
void shard_each_lane(struct shard *self, shard_lane_fn *visit, void *context);

/* A new lease, in one transaction: the epoch; if `discard`, everything else is forgotten first, the cursor is `cursor` and the
 * lanes stand where `lanes` says (the others at 0). The queue is emptied. A store_error. */
struct shard_start {
    uint64_t epoch;
    bool discard, rebuilding;
    bool rewound; /* because it was asked to go back */
    uint64_t cursor;
    const struct shard_lane *lanes;
    uint32_t lane_count;
};
int shard_start(struct shard *self, const struct shard_start *start);
/* Behind shard_start with `discard`, when the rows of a snapshot are in the environment: its cursor is theirs, and the lanes that
 * `lanes` names stand where that says. A store_error. */
int shard_restored(struct shard *self, uint64_t cursor, uint64_t counted_from,
                   const struct shard_lane *lanes, uint32_t lane_count);
/* The log holds this lane up to `last`: what is emitted up to there is to be compared, not sent. */
int shard_known(struct shard *self, const char *stream, uint16_t partition, uint64_t last);
/* Re-execution up to here (not included) repeats nothing the kit said before: runs, dead letters. */
void shard_quiet_until(struct shard *self, uint64_t position);
void shard_rebuilt(struct shard *self); /* with the next commit */

/* Going back (ops.rewind): asked for by a record, which ends the step that takes it. Then it is the owner's turn: nothing more is built
 * until it has set the state back (shard_start with `rewound`), or says why not. */
const struct shard_rewind *shard_rewinding(const struct shard *self); /* as committed */
/* It came to nothing after the state was set back: noted, durably; said when the state is made again. The built step is undone. A
 * store_error. */
int shard_rewind_off(struct shard *self, const char *why);
/* Says what became of it (ops.rewound), in a step of its own; `why` NULL: done, from `position` on (0: an earlier process knew).
 * A store_error. */
int shard_rewind_say(struct shard *self, const char *why, uint64_t position);

/* ---- input ---- */
struct shard_batch {
    uint64_t base;
    uint32_t count;
    const char *stream;
    int64_t time_us;
    struct span body; /* copied */
};
/* Also while a built step waits for its commit: it is no part of that one. -1: no memory. */
int shard_offer(struct shard *self, const struct shard_batch *batch);
void shard_drop_queue(struct shard *self);
uint32_t shard_queued(const struct shard *self); /* batches */
/* Batches that commits have consumed since the last call, for credit: their whole count and bytes. */
void shard_taken(struct shard *self, uint32_t *records, uint64_t *bytes);

/* ---- steps ---- */
enum shard_built {
    SHARD_NOTHING, /* nothing waits */
    SHARD_BUILT,   /* commit or undo it */
    SHARD_WAITING, /* a record said LATER: not before shard_wait_until */
    SHARD_ZOMBIE,  /* the environment was leased to a later epoch: stop at once */
    SHARD_FAILED   /* shard_error says why; nothing of it happened */
};
enum shard_built shard_build(struct shard *self, int64_t mono_us);
int64_t shard_wait_until(const struct shard *self); /* monotonic */
int shard_error(const struct shard *self);          /* a store_error */
/* A store_error; then it is undone. */
int shard_commit(struct shard *self);
void shard_undo(struct shard *self);
/* What the built step publishes, in order. known: the log has it already. 0 to go on. */
typedef int shard_emitted(const struct shard_out *out, bool known, void *context);
int shard_each_out(struct shard *self, shard_emitted *visit, void *context);

/* Edges: a step without input; NULL with shard_error. Then shard_finish, and shard_commit or shard_undo. */
struct step *shard_step_open(struct shard *self);
int shard_step_finish(struct shard *self);
int shard_run_open(struct shard *self, const char *name, const char *cause, int attempt);
const char *shard_run_id(const struct shard *self, int run);
uint32_t shard_runs_open(const struct shard *self);
/* Closes all that are open, in the open step. */
void shard_runs_close(struct shard *self, const struct run_close *how);

/* ---- outbox ---- */
/* The next `index`th batch that was not handed over since the last shard_resend; NULL: none. */
const struct shard_out *shard_unsent(struct shard *self, uint32_t index);
void shard_sent(struct shard *self, uint32_t count);
void shard_resend(struct shard *self); /* all unacknowledged ones, from the oldest */
/* How many batches that was news for; -1: no memory. */
int shard_acked(struct shard *self, const char *stream, uint16_t partition, uint64_t last_seq);
uint32_t shard_outbox(const struct shard *self, uint64_t *records,
                      uint64_t *bytes); /* unacknowledged */
/* Number of the oldest unacknowledged batch; the next one's if there is none. */
uint64_t shard_unacked(struct shard *self);
/* Nothing that this shard takes is left below `position`: its cursor goes there with the next trim. */
void shard_pass(struct shard *self, uint64_t position);
bool shard_trim_due(const struct shard *self); /* acknowledged ones are still in the environment */
int shard_trim(struct shard *self);            /* a small transaction of its own; a store_error */

struct shard_totals {
    uint64_t steps, records, done, never, later, emitted;
};
void shard_totals(const struct shard *self, struct shard_totals *totals);

#endif
