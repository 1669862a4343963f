/* The inside of the engine, shared by shard.c (queue and steps), step.c (what handlers call) and ops.c (what the kit says). */
#ifndef ACTORS_STEP_H
#define ACTORS_STEP_H

#include "actors/emission.h"
#include "actors/outbox.h"
#include "actors/shard.h"
#include "config/clock.h"
#include "schema/messages.h"

#define STEP_RUNS_MAX 16
#define RULE_SIZE 241

struct run {
    char id[RECORD_RUN_MAX + 1];
    char name[49];
    char game_id[17];
    char cause[97];
    char duplicate_of[RECORD_RUN_MAX + 1];
    char error_message[241];
    enum run_outcome outcome;
    enum error_class error;
    int32_t data_date;
    int64_t opened_at, opened_mono_us;
    int64_t rows_in, rows_out, rows_refused, bytes_in, bytes_out;
    int64_t attempt, next_check;
    bool rows_told; /* the handler counted the rows of the record in hand itself */
};

struct step {
    struct shard *shard;
    struct store_txn *txn;
    const struct input *input; /* NULL: an edge's own */
    struct run *run;           /* of the record in hand; NULL: none */
    enum run_scope scope;
    int64_t now_us;
    char rule[RULE_SIZE]; /* what step_refuse said */
    bool broken;   /* an emission failed its check: the record becomes NEVER, `rule` says why */
    int64_t loose; /* emitted outside a run: an edge's next step_run_close counts them */
};

struct queued {
    struct queued *next;
    uint64_t base;
    const struct take *take; /* NULL: nobody asked for it */
    int64_t time_us;
    uint32_t count, size;
    uint8_t body[];
};

/* A record of the step being built that its handler shall not see again. */
struct refusal {
    uint32_t index; /* in the step */
    int64_t attempts;
    char rule[RULE_SIZE];
};

struct take_count {
    uint64_t done, never; /* of the step being built */
};

struct shard {
    struct shard_options options;
    struct emission emission;
    struct outbox outbox;
    struct run_marks *marks; /* NULL: replay */
    struct shard_state state;
    struct shard_state building; /* as it will be */
    uint32_t take_count;
    struct take_count *counts;
    void *message; /* room for the largest */
    uint8_t *scratch;
    size_t scratch_size;
    char reader[48], code_version[64], config_hash[17];
    size_t batch_bytes_max;
    bool bodies_made;
    uint64_t quiet_until;
    bool quiet; /* the step being built says nothing of runs and dead letters */
    bool rebuilt;
    uint64_t passed; /* where the cursor may go although nothing was taken; 0: nowhere */

    struct queued *head, *tail;
    uint32_t queued;
    uint32_t head_at; /* records of `head` that are done */
    size_t head_byte; /* where the next one begins */
    uint32_t taken_records;
    uint64_t taken_bytes;
    struct { /* where the step being built stands */
        struct queued *batch;
        uint32_t at;
        size_t byte;
    } here;

    bool open; /* a step is being built */
    struct step step;
    uint32_t step_records;
    uint32_t limit; /* records that this build may take */
    bool retrying;  /* what is in hand is a dead letter's record, by self->verdict */
    struct msg_ops_verdict verdict;
    struct shard_rewind rewind; /* as committed */
    struct shard_rewind rewind_building;
    struct record retried;
    struct refusal *refusals;
    uint32_t refusal_count, refusal_capacity;
    struct run step_runs[STEP_RUNS_MAX];
    uint32_t step_run_count;
    struct run record_run;
    uint64_t run_next;
    char marked[RECORD_RUN_MAX + 1]; /* run whose mark is in slot 0 */
    int error;

    struct { /* a record that said LATER */
        uint64_t position;
        int64_t attempts, since_us, again_us, wait_us; /* monotonic */
        char rule[RULE_SIZE];
    } later;

    struct run_mark crashed[RUN_MARKS_SLOTS]; /* to be said in a step of their own */
    int crashed_slot[RUN_MARKS_SLOTS];
    uint32_t crashed_count;
    bool saying_crashed;
    uint64_t retried_position; /* the record that a crash interrupted */
    int64_t retried_attempt;

    struct run open_runs[RUN_MARKS_OPEN_MAX];
    enum { RUN_FREE, RUN_OPEN, RUN_CLOSING } open_state[RUN_MARKS_OPEN_MAX];
    struct shard_totals totals;

    struct { /* aging.c: how far the step being built is */
        int32_t day;
        uint32_t table;
        int32_t date;
        int64_t removed;
        int64_t from_us, to_us; /* league time of that day */
    } aging;
};

/* ---- run.c ---- */
void run_begin(struct shard *self, struct run *run, const char *name);
/* The run of the record in hand; NULL if its take has none. */
struct run *run_of_record(struct shard *self, const struct take *take, const struct input *input);
struct run *run_in_step(struct shard *self, const char *name); /* found, or begun; NULL: too many */
void run_mark_open(struct shard *self, const struct run *run, int slot, uint64_t position);
void run_marks_recover(struct shard *self); /* at open: what a dead owner left */
void run_say_crashed(struct shard *self);   /* into the step being built */
void run_close_step(struct shard *self);    /* the RUN_PER_STEP ones */
void run_committed(struct shard *self);
void run_undone(struct shard *self);

/* ---- rewind_take.c ---- */
/* The shard's own take of a stream's records; NULL: the stream is none of the kit's, or the shard reads nothing. */
const struct take *own_take_of(const struct shard *self, const char *stream);
/* True: the record asks this shard to go back, and that is noted. `*error`: a store_error, nothing was. */
bool rewind_open(struct shard *self, const struct input *input, int *error);
/* ---- aging.c ---- */
int aging_load(struct shard *self);                  /* as the step's transaction finds it */
int aging_turn(struct shard *self, int64_t time_us); /* a record of then has its outcome */

/* ---- verdict.c ---- */
enum verdict_asks {
    VERDICT_NOTHING, /* another reader's, acted upon before, or unreadable */
    VERDICT_DROP,    /* close it */
    VERDICT_RETRY,   /* offer `again` to `take`, then close it */
    VERDICT_FAILED   /* the environment did not answer */
};
enum verdict_asks verdict_open(struct shard *self, const struct input *input, struct input *again,
                               const struct take **take);
/* Says the outcome, and remembers that it was acted upon. A store_error. */
int verdict_close(struct shard *self, const struct input *input, const char *outcome);

/* ---- ops.c: all that the kit itself says; the one place that knows these messages ---- */
void ops_run_emit(struct shard *self, const struct run *run, int64_t closed_at);
void ops_rewound_emit(struct shard *self, const struct msg_ops_rewound *message);
void ops_resolved_emit(struct shard *self, const struct msg_ops_resolved *message);
void ops_crashed_emit(struct shard *self, const struct run_mark *mark);
void ops_dead_emit(struct shard *self, const struct input *input, const struct run *run,
                   const char *rule, int64_t attempts);

/* ---- shard_step.c, shard_commit.c ---- */
enum shard_built shard_begin(
    struct shard *self); /* opens the step's transaction and looks who owns the environment */
void shard_consume(struct shard *self); /* what was taken, or passed over, leaves the queue */

/* ---- step.c ---- */
int step_put(struct step *step, const struct message_desc *desc, const void *message,
             const struct emit *how, const struct run *run, const char **rule);

#endif
