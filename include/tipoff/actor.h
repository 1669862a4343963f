/* The kit: what an actor is, and the one loop that runs them all.
 *
 * An actor is a table: what it takes and a function per message taken. The loop does the rest: lease, recovery, ready, steps, timers,
 * heartbeats, drain, dead letters. A STEP is one transaction of the shard's environment: state changes + cursor + outbox + closed runs; it
 * is committed (fsynced), then its outbox is published; after a kill anywhere the shard goes on from its cursor and sends its
 * unacknowledged outbox again. So a handler's effects happen exactly once, if all of them go through its `step`.
 *
 * Handlers must be deterministic: no clock, no randomness, no I/O; 'now' is tip_step_now_us(). What a handler keeps in memory between calls
 * must be a cache of the store that `forget` drops: a step may be undone and run again. */
#ifndef TIPOFF_ACTOR_H
#define TIPOFF_ACTOR_H

#include <poll.h>
#include <tipoff/api.h>
#include <tipoff/message.h>
#include <tipoff/record.h>
#include <tipoff/runs.h>
#include <tipoff/store.h>

/* What the process was told at birth: see tip_settings_path. */
struct tip_settings;
struct tip_kit;
struct tip_step;

enum tip_verdict {
    TIP_DONE,  /* taken */
    TIP_LATER, /* not now: undone, offered again in place after actor.retry_wait, until actor.retry_max_age; then TIP_NEVER */
    TIP_NEVER /* never: undone, goes to `dead` with what tip_step_refuse said; the rest of the step goes on */
};

/* The record in hand. All of it is borrowed, until the handler returns. */
struct tip_input {
    const struct tip_record *record;
    const void *
        message; /* struct msg_..., decoded and checked: what fails the check is a dead letter and never gets here */
    const char *stream;
    uint64_t position;
    int64_t time_us; /* the time the broker stamped on its append */
};

typedef enum tip_verdict tip_take_fn(struct tip_step *step, const struct tip_input *input,
                                     void *self);

enum tip_run_scope {
    TIP_RUN_NONE,       /* taking it is no run of its own */
    TIP_RUN_PER_RECORD, /* each record is one run of name `run` */
    TIP_RUN_PER_STEP    /* all records of one step that share the name are one run */
};

struct tip_take {
    const struct tip_message_desc *message;
    tip_take_fn *take;
    enum tip_run_scope scope;
    const char *run; /* the name people know; NULL with TIP_RUN_NONE */
    bool
        every_partition; /* each shard reads all of it (reference data), not only its own partitions */
};

/* A table that only grows, and for how long its dated rows are kept: once the league day of a record that is taken is so many
 * days later than a row's date, the row goes, 16 with each record at most. The setting retention.tables overrides it
 * ("word-count.words=60").
 *
 * For an actor that is re-executed this is part of its function: only rows may be aged that its output does not need any more. */
struct tip_aging {
    const char *table;
    int32_t days; /* TIP_AGING_LOG: as long as the log (retention.default_days); TIP_AGING_NEVER */
    /* NULL: tip_store_del. For a row that others hang on; returns a tip_store_error. `key` is the row's, borrowed. */
    int (*remove)(struct tip_store_txn *txn, int32_t date, const struct tip_span *key);
    /* League time that a row was written at, of its value; NULL: its date alone counts. Where it is told, a row of an old day stays until it
     * is itself so old. */
    int64_t (*written_us)(const struct tip_span *value);
};
#define TIP_AGING_NEVER 0
#define TIP_AGING_LOG (-1)

/* Borrowed by tip_actor_main for the life of the process: static. */
struct tip_actor {
    const char
        *name; /* "word-count": who writes its streams, whose leases and environments they are */
    const char *does;             /* one line, for --help */
    const struct tip_take *takes; /* ended by a row with message == NULL; may be NULL */
    bool
        edge; /* may read clocks and do I/O in `work`; is never re-executed after a lost environment */
    bool
        once; /* an edge: what it takes has it do things outside that must not be done twice; `tipoff rewind` is refused */
    /* The memory of this process, handed to every call as `self`: the actor's own. `start` may return NULL, and sets *failed to give up
     * (exit 78). All of these may be NULL. */
    void *(*start)(const struct tip_settings *settings, bool *failed);
    void (*forget)(
        void *self); /* caches must be dropped: a step was undone, or the environment replaced */
    void (*stop)(void *self);
    /* Edges only. fds: fills at most `max`, returns how many, lowers *timeout_us (real time) to when `work` wants to be called at the latest.
     * work: called once per turn of the loop while the shard holds its lease; opens steps by tip_kit_step; must not block. */
    int (*fds)(void *self, struct pollfd *fds, int max, int64_t *timeout_us);
    void (*work)(void *self, struct tip_kit *kit, const struct pollfd *fds, int count);
    /* The messages that this application brings, ended by NULL: what --register tells the broker. NULL: those registered by hand. */
    const struct tip_message_desc *const *messages;
    const struct tip_aging *ages; /* ended by a row with table == NULL; NULL: nothing is aged */
};

/* Handles the command line (--help lists it), settings and signals; runs until asked to stop. The process's exit code: 0 done, 64 usage,
 * 69 unreachable, 70 a bug, 75 not now (start it again), 78 configuration. To be returned from main. */
TIP_API int tip_actor_main(const struct tip_actor *actor, int argc, char **argv);

/* ---- inside a step ---- */
/* The step's transaction, for tip_store_put and so on. Borrowed; never commit or abort it. */
TIP_API struct tip_store_txn *tip_step_store(struct tip_step *step);
/* The append time of the record in hand; the league clock in an edge's own step. */
TIP_API int64_t tip_step_now_us(const struct tip_step *step);
/* This shard's number; in `*shards` how many there are. */
TIP_API uint32_t tip_step_shard(const struct tip_step *step, uint32_t *shards);
TIP_API const struct tip_settings *tip_step_settings(const struct tip_step *step); /* borrowed */

struct tip_emit {
    const char *key;         /* NULL: from the message's key field */
    const uint64_t *parents; /* positions; NULL: the position in hand (none outside a take) */
    uint32_t parent_count;
    int64_t
        due_us; /* TIP_CLOCK_NONE: now; else a record for later (a timer): gets its position when that time comes */
};
/* Publishes a message with this step; copied before the call returns. A message that fails its own check, or whose stream the broker does
 * not know, makes the record in hand TIP_NEVER, whatever the handler returns; in an edge's own step tip_kit_commit is false then. */
TIP_API void tip_step_emit(struct tip_step *step, const struct tip_message_desc *desc,
                           const void *message);
TIP_API void tip_step_emit_with(struct tip_step *step, const struct tip_message_desc *desc,
                                const void *message, const struct tip_emit *how);
TIP_API void tip_step_later(struct tip_step *step, const struct tip_message_desc *desc,
                            const void *message, int64_t due_us);

/* Says why TIP_NEVER or TIP_LATER: "word_line.text: no words". Returns `verdict`, so: return tip_step_refuse(step, TIP_NEVER, ...). */
TIP_API enum tip_verdict tip_step_refuse(struct tip_step *step, enum tip_verdict verdict,
                                         const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The run of the record in hand (nothing happens without one). Text is copied; rows out, bytes and durations are counted by the kit. */
TIP_API void tip_step_run_name(struct tip_step *step, const char *name);
/* Either may be absent: 0, NULL. */
TIP_API void tip_step_run_about(struct tip_step *step, int32_t data_date, const char *game_id);
TIP_API void tip_step_run_rows(struct tip_step *step, int64_t rows_in, int64_t rows_refused);
TIP_API void tip_step_run_outcome(struct tip_step *step, enum tip_run_outcome outcome,
                                  enum tip_error_class error, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- edges: steps of their own making, from `work` ---- */
/* NULL when no step can be opened now (no lease, outbox full): try in a later `work`. One at a time; end it in the same `work`. */
TIP_API struct tip_step *tip_kit_step(struct tip_kit *kit);
/* Makes it durable and publishes it. False: it was undone (disk full, lease lost, a broken message), nothing of it happened. Either way *step
 * is NULL. */
TIP_API bool tip_kit_commit(struct tip_kit *kit, struct tip_step **step);
TIP_API void tip_kit_abort(struct tip_kit *kit, struct tip_step **step);
/* Opens a run now, before the work it names: it survives a kill as `crashed`. Text is copied. A handle to close it with in a later step;
 * -1 if too many (64) are open. */
TIP_API int tip_kit_run_open(struct tip_kit *kit, const char *name, const char *cause, int attempt);
struct tip_run_close {
    enum tip_run_outcome outcome;
    enum tip_error_class error;
    const char *error_message; /* NULL: none */
    int32_t data_date;
    const char *game_id, *duplicate_of; /* NULL: none */
    int64_t rows_in, rows_refused, bytes_in;
    int64_t next_check; /* TIP_CLOCK_NONE: none */
    int64_t bytes_out;  /* left of bytes_in; 0: none */
};
/* Closes it with this step: the handle is spent when the step is committed. Copied. */
TIP_API void tip_step_run_close(struct tip_step *step, int run, const struct tip_run_close *how);
/* What this step emits from here on belongs to that open run (-1: to none). */
TIP_API void tip_step_run_use(struct tip_step *step, int run);
TIP_API const char *tip_kit_run_id(const struct tip_kit *kit, int run); /* borrowed while open */
/* For read transactions outside steps. Borrowed: not to be closed. */
TIP_API struct tip_store *tip_kit_store(struct tip_kit *kit);
TIP_API const struct tip_settings *tip_kit_settings(const struct tip_kit *kit); /* borrowed */
TIP_API bool tip_kit_draining(const struct tip_kit *kit);
/* Asks the broker (a control word, e.g. "STATUS"): its JSON text, the caller's to free(); NULL if it does not answer in a second. */
TIP_API char *tip_kit_control(struct tip_kit *kit, const char *word);

/* ---- around it ---- */
/* DIR/NAME, in the state directory, into `path`. 0, or -1 if it does not fit. */
TIP_API int tip_settings_path(const struct tip_settings *self, char *path, size_t size,
                              const char *name);
TIP_API int64_t tip_clock_mono_us(void);   /* real, never set back: for timeouts */
TIP_API int64_t tip_clock_league_us(void); /* the runtime's 'now': real, or scaled */

/* One line to stderr: `time level actor tag key=value ...`. Tags are stable and greppable; `fmt` makes the key=value part. */
enum tip_log_level {
    TIP_LOG_LEVEL_DEBUG,
    TIP_LOG_LEVEL_INFO,
    TIP_LOG_LEVEL_WARN,
    TIP_LOG_LEVEL_ERROR
};
TIP_API void tip_log_event(enum tip_log_level level, const char *tag, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
