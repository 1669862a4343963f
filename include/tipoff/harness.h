/* For an actor's tests: runs it over a list of messages with the real engine, in a scratch environment, with an in-memory
 * log instead of a broker, and keeps what it emitted, decoded.
 *
 *     struct tip_harness *h = tip_harness_open(&word_count, NULL);
 *     tip_harness_put(h, &msg_word_line_desc, &line, time_us);
 *     assert_int_equal(tip_harness_run(h), 0);
 *     const struct tip_harness_record *count = tip_harness_at(h, &msg_word_count_desc, 0);
 *     const struct msg_word_count *message = count->message;
 *
 * What the actor emits gets a position like anything else, and if the actor takes that stream it is offered to it; a record for
 * later gets its position when time gets there. Time is the time of the newest message put. */
#ifndef TIPOFF_HARNESS_H
#define TIPOFF_HARNESS_H

#include <tipoff/actor.h>

struct tip_harness;

struct tip_harness_record {
    const struct tip_message_desc *desc;
    const void *message;     /* decoded; lives as long as the harness */
    const char *key, *run;   /* run: "" if none */
    uint64_t position;       /* 0: for later, not due yet */
    int64_t time_us, due_us; /* due_us: TIP_CLOCK_NONE if it was not for later */
    uint16_t partition;
    uint64_t sequence; /* in its lane */
    uint32_t parent_count;
    uint64_t parents[TIP_RECORD_PARENTS_MAX];
};

/* `tip_settings` NULL: the defaults. NULL if it cannot be (said on stderr). */
TIP_API struct tip_harness *tip_harness_open(const struct tip_actor *actor,
                                             const struct tip_settings *tip_settings);
TIP_API void tip_harness_close(struct tip_harness **self); /* removes the environment */

/* Appends to the log; first lets time pass until `time_us`, so that timers fall due. Returns the position; 0 if the message does not
 * pass its own check (said on stderr). `key` NULL: the message's key field. */
TIP_API uint64_t tip_harness_put(struct tip_harness *self, const struct tip_message_desc *desc,
                                 const void *message, int64_t time_us);
TIP_API uint64_t tip_harness_put_key(struct tip_harness *self, const struct tip_message_desc *desc,
                                     const void *message, const char *key, int64_t time_us);
/* Any bytes as a payload: for what must be refused. */
TIP_API uint64_t tip_harness_put_payload(struct tip_harness *self, const char *stream,
                                         const char *key, uint32_t version, const void *payload,
                                         size_t size, int64_t time_us);
/* While on, putting takes no steps by itself: all that was put waits, and becomes one step if it fits. */
TIP_API void tip_harness_group(struct tip_harness *self, bool on);
/* Takes steps until nothing waits. 0; 1: a record said TIP_LATER and waits; negative: a tip_store_error. */
TIP_API int tip_harness_run(struct tip_harness *self);
/* Lets time pass: what is due by then is appended and taken. */
TIP_API int tip_harness_advance(struct tip_harness *self, int64_t time_us);

/* What was emitted, in order; `desc` NULL: of any message. tip_harness_at: NULL beyond the last. */
TIP_API size_t tip_harness_count(const struct tip_harness *self,
                                 const struct tip_message_desc *desc);
TIP_API const struct tip_harness_record *
tip_harness_at(const struct tip_harness *self, const struct tip_message_desc *desc, size_t index);

/* As after a kill: memory gone, environment reopened; what was not committed never happened. */
TIP_API int tip_harness_restart(struct tip_harness *self);
TIP_API void *tip_harness_self(struct tip_harness *self); /* what `start` returned */
TIP_API struct tip_store *tip_harness_store(struct tip_harness *self);
/* Records with an outcome so far. */
TIP_API void tip_harness_outcomes(const struct tip_harness *self, uint64_t *done, uint64_t *never);

#endif
