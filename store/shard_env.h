/* What a shard remembers of itself, inside its environment and in the transaction of its steps: who it is, its epoch, how far it
 * has read, the last sequence of each lane, the outbox, and the count of what it did with the records of each stream.
 * All of it lives in reserved tables (names that begin with '_') of the same environment as the actor's own. */
#ifndef STORE_SHARD_ENV_H
#define STORE_SHARD_ENV_H

#include "store/store.h"

#define SHARD_ENV_ID_SIZE 33 /* 32 hex digits and NUL */
#define SHARD_STREAM_MAX 63

struct shard_state {
    char env_id[SHARD_ENV_ID_SIZE]; /* random, made once: names this environment for ever */
    uint64_t epoch;                 /* of the lease it was last used under; 0: never */
    uint64_t step;                  /* steps committed; never goes back */
    uint64_t cursor;                /* next position to take; 0: nothing taken yet */
    uint64_t counted_from;          /* the counts below begin at this position */
    uint64_t outbox_next;           /* number of the next batch to be put into the outbox */
    bool rebuilding; /* what it emits is compared with the log until it has caught up with itself */
};
/* Reads it; a new environment gets an id (durably) first. A read-only one without it: STORE_NOT_FOUND. */
int shard_env_open(struct store *store, struct shard_state *state);
int shard_env_state(struct store_txn *txn, struct shard_state *state);
int shard_env_put_state(struct store_txn *txn, const struct shard_state *state);
/* Forgets everything but id, epoch and step numbers, and the last rewind: its own tables and the actor's. */
int shard_env_discard(struct store_txn *txn, struct shard_state *state);

/* The last ops.rewind that this environment has heard of. It outlives shard_env_discard. */
enum shard_rewind_state {
    SHARD_REWIND_OVER,  /* acted upon, or refused: `asked` is not heard again */
    SHARD_REWIND_ASKED, /* nothing was done for it yet */
    SHARD_REWIND_BEGUN, /* the state was set back; what follows is done again, or was */
    SHARD_REWIND_OFF    /* it cannot be: the state is made again as it was, then `why` is said */
};
#define SHARD_REWIND_WHY 161
struct shard_rewind {
    uint64_t asked, to; /* positions: of the ops.rewind, and what it says; 0, 0: there was none */
    enum shard_rewind_state state;
    char why[SHARD_REWIND_WHY];
};
int shard_env_rewind(struct store_txn *txn, struct shard_rewind *rewind);
int shard_env_put_rewind(struct store_txn *txn, const struct shard_rewind *rewind);

/* Of rows by their whole key (table, NUL, ...): what belongs to one environment and not to the state that a snapshot of it
 * holds: who it is, and the outbox. */
bool shard_env_is_own(const struct span *key);

/* Lanes. `last`: the last sequence given to a record; `acked`: the broker has it up to here, for sure. */
struct shard_lane {
    char stream[SHARD_STREAM_MAX + 1];
    uint16_t partition;
    uint64_t last, acked;
};
int shard_env_put_lane(struct store_txn *txn, const struct shard_lane *lane);
typedef int shard_lane_visit(const struct shard_lane *lane, void *context);
int shard_env_each_lane(struct store_txn *txn, shard_lane_visit *visit, void *context);

/* The outbox: batches as first published, by number, until acknowledged. Each has a CRC-32C over all of it. */
struct shard_out {
    uint64_t number;
    const char *stream;
    uint16_t partition;
    uint32_t count;
    uint64_t first_seq;
    int64_t due_us; /* CLOCK_NONE: at once */
    struct span body;
};
int shard_env_put_out(struct store_txn *txn, const struct shard_out *out);
int shard_env_del_out(struct store_txn *txn, uint64_t number);
typedef int shard_out_visit(const struct shard_out *out, void *context);
/* In order. STORE_CORRUPT if one does not match its CRC. */
int shard_env_each_out(struct store_txn *txn, shard_out_visit *visit, void *context);

/* Outcomes per input stream, since counted_from: every record of the shard's partitions below its cursor has one. */
struct shard_count {
    char stream[SHARD_STREAM_MAX + 1];
    uint64_t done, never;
};
int shard_env_add_count(struct store_txn *txn, const char *stream, uint64_t done, uint64_t never);
typedef int shard_count_visit(const struct shard_count *count, void *context);
int shard_env_each_count(struct store_txn *txn, shard_count_visit *visit, void *context);

/* Verdicts on dead letters that were acted upon, by the letter's position. STORE_NOT_FOUND: none so far. */
int shard_env_find_verdict(struct store_txn *txn, uint64_t letter);
int shard_env_put_verdict(struct store_txn *txn, uint64_t letter, uint64_t position);

#endif
