/* The kit: what an actor is, and the one loop that runs them all.
 *
 * An actor is a table: what it takes and a function per message taken. The loop does the rest: lease, recovery,
 * ready, steps, timers, heartbeats, drain, dead letters. A STEP is one transaction of the shard's environment:
 * state changes + cursor + outbox + closed runs; it is committed (fsynced), then its outbox is published; after a kill
 * anywhere the shard goes on from its cursor and sends its unacknowledged outbox again. So a handler's effects
 * happen exactly once, if all of them go through its `step`.
 *
 * Handlers must be deterministic: no clock, no randomness, no I/O; 'now' is step_now_us(). What a handler keeps in
 * memory between calls must be a cache of the store that `forget` drops: a step may be undone and run again. */
#ifndef ACTORS_ACTOR_H
#define ACTORS_ACTOR_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/settings.h"
#include "schema/message.h"
#include "schema/record.h"
#include "schema/runs.h"
#include "store/store.h"

enum verdict {
    DONE, /* taken */
    LATER, /* not now: undone, waits and is offered again in place, until actor.retry_max_age, then NEVER */
    NEVER /* never: undone, goes to `dead` with what step_refuse said; the rest of the step goes on */
};

struct kit;
struct step;

/* The record in hand. All of it is valid until the handler returns. */
struct input {
    const struct record *record;
    const void *
        message; /* struct msg_..., decoded and checked: what fails the check never reaches a handler */
    const char *stream;
    uint64_t position;
    int64_t time_us; /* league time the broker stamped on its append */
};

typedef enum verdict take_fn(struct step *step, const struct input *input, void *self);

enum run_scope {
    RUN_NONE,       /* taking it is no run of its own */
    RUN_PER_RECORD, /* each record is one run of name `run` */
    RUN_PER_STEP    /* all records of one step that share the name are one run */
};

struct take {
    const struct message_desc *message;
    take_fn *take;
    enum run_scope scope;
    const char
        *run; /* the name people know; NULL with RUN_NONE; a handler may rename it: step_run_name */
    bool
        every_partition; /* each shard reads all of it (reference data), not only its own partitions */
};

/* A table that only grows, and for how long its dated rows are kept: once the league day of a record that is taken is so many
 * days later than a row's date, the row goes, some with each record (actors/aging.c). It is declared where the tables are, and
 * the setting retention.tables overrides it.
 *
 * For an actor that is re-executed this is part of its function: only rows may be aged that its output does not need any more. Not rows that
 * an import writes: an import is appended today, however old its games are. */
struct aging {
    const char *table;
    int32_t days; /* AGING_LOG: as long as the log (retention.default_days); AGING_NEVER */
    /* NULL: store_del. For a row that others hang on. `key` is the row's. */
    int (*remove)(struct store_txn *txn, int32_t date, const struct span *key);
    /* League time that a row was written at; NULL: its date alone counts. Where it is told, a row of an old day stays until it is
     * itself so old: what is polled or done again today about a season ago is new. */
    int64_t (*written_us)(const struct span *value);
};
#define AGING_NEVER 0
#define AGING_LOG (-1)

struct actor {
    const char *name;         /* "grader" */
    const char *does;         /* one line, for --help and docs */
    const struct take *takes; /* ended by a row with message == NULL; may be NULL */
    bool
        edge; /* may read clocks and do I/O in `work`; is never re-executed by replay or after a lost environment */
    bool
        once; /* an edge: what it takes has it do things outside that must not be done twice; never set back (ops.rewind) */
    /* Memory of this process. `start` may return NULL and set *failed. All optional. */
    void *(*start)(const struct settings *settings, bool *failed);
    void (*forget)(
        void *self); /* caches must be dropped: a step was undone, or the environment replaced */
    void (*stop)(void *self);
    /* Edges only. fds: fills at most `max`, lowers *timeout_us (real time) to when `work` wants to be called at the latest.
     * work: called once per loop turn while the shard holds its lease and its outbox is acknowledged far enough; opens steps by kit_step. */
    int (*fds)(void *self, struct pollfd *fds, int max, int64_t *timeout_us);
    void (*work)(void *self, struct kit *kit, const struct pollfd *fds, int count);
    /* The messages that this application brings, ended by NULL: what --register tells the broker. NULL: those registered by hand. */
    const struct message_desc *const *messages;
    const struct aging *ages; /* ended by a row with table == NULL; NULL: nothing is aged */
};

/* ---- inside a step ---- */
struct store_txn *step_store(struct step *step);
int64_t
step_now_us(const struct step *step); /* append time of the record in hand (edges: league clock) */
uint32_t step_shard(const struct step *step,
                    uint32_t *shards); /* this shard's number, and how many there are */
const struct settings *step_settings(const struct step *step);
/* From which date on all rows of a table of this actor are there still, as far as aging goes; 0: all of them are. */
int32_t step_kept_since(const struct step *step, const char *table);
int32_t actor_kept_since(const struct actor *actor, const struct settings *settings,
                         const char *table, int32_t today);
/* Is the record of `desc`'s stream that has this key one of this shard's partitions? */
bool step_owns(const struct step *step, const struct message_desc *desc, const char *key);
/* Records that this step emitted so far: what a handler emitted is the difference. */
uint32_t step_emitted(const struct step *step);

/* Publishes `message` with this step. Key: the message's key field, or `key` if given. Parents: the position in hand, or
 * those given. A message that fails its own check is our bug: the record in hand becomes NEVER. */
struct emit {
    const char *key;         /* NULL: from the message's key field */
    const uint64_t *parents; /* NULL: the position in hand (none outside a take) */
    uint32_t parent_count;
    int64_t
        due_us; /* CLOCK_NONE: now; else a record for later (a timer): gets its position when league time gets there */
};
void step_emit(struct step *step, const struct message_desc *desc, const void *message);
void step_emit_with(struct step *step, const struct message_desc *desc, const void *message,
                    const struct emit *how);
/* The same of what message_encode has made of `message` (copied): for who needed that anyway. */
void step_emit_encoded(struct step *step, const struct message_desc *desc, const void *message,
                       const struct span *payload, const struct emit *how);
void step_later(struct step *step, const struct message_desc *desc, const void *message,
                int64_t due_us);

/* Why NEVER or LATER: "row_game.home: unknown team XYZ". Returns `verdict`, so: return step_refuse(step, NEVER, ...). */
enum verdict step_refuse(struct step *step, enum verdict verdict, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The run of the record in hand (no-ops without one). rows_out, bytes_in and durations are counted by the kit. */
void step_run_name(struct step *step, const char *name);
/* Of a record that is a run only when it is for this shard: its take has RUN_NONE, and this begins one, RUN_PER_RECORD. */
void step_run_begin(struct step *step, const char *name);
void step_run_about(struct step *step, int32_t data_date,
                    const char *game_id); /* either may be absent: 0, NULL */
void step_run_rows(struct step *step, int64_t rows_in, int64_t rows_refused);
void step_run_outcome(struct step *step, enum run_outcome outcome, enum error_class error,
                      const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* ---- edges: steps of their own making, from `work` ---- */
/* NULL when no step can be opened now (no lease, outbox full). While draining `work` is called on, to close what is open. */
struct step *kit_step(struct kit *kit);
/* Makes it durable and publishes it; false if it was undone (disk full, lease lost): nothing of it happened. */
bool kit_commit(struct kit *kit, struct step **step);
void kit_abort(struct kit *kit, struct step **step);
/* Opens a run now, before the work it names (an exchange that is about to start): survives a kill as `crashed`. The handle is an
 * index to close it with in a later step; several may be open. -1 if too many (64) are. */
int kit_run_open(struct kit *kit, const char *name, const char *cause, int attempt);
struct run_close {
    enum run_outcome outcome;
    enum error_class error;
    const char *error_message; /* NULL: none */
    int32_t data_date;
    const char *game_id, *duplicate_of; /* NULL: none */
    int64_t rows_in, rows_refused, bytes_in;
    int64_t next_check; /* CLOCK_NONE: none */
    int64_t bytes_out;  /* left of bytes_in; 0: none */
};
void step_run_close(struct step *step, int run, const struct run_close *how);
/* What this step emits from here on belongs to that open run (-1: to none). */
void step_run_use(struct step *step, int run);
const char *kit_run_id(const struct kit *kit, int run); /* of an open one */
struct store *kit_store(struct kit *kit);               /* for read transactions outside steps */
const struct settings *kit_settings(const struct kit *kit);
bool kit_draining(const struct kit *kit);
/* What it cannot do now although it runs, "CLASS: text; CLASS: text", cut at 120 bytes: told with every heartbeat until another is set.
 * "": nothing. */
void kit_cause(struct kit *kit, const char *cause);
/* Asks the broker (control word, e.g. "STATUS") and returns its JSON text, malloc'ed; NULL if not reachable in 1 s. */
char *kit_control(struct kit *kit, const char *word);

/* ---- main ---- */
/* Handles the command line, settings, signals; runs until asked to stop; returns the process's exit code. */
int actor_main(const struct actor *actor, int argc, char **argv);

#endif
