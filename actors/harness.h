/* For an actor's tests: runs it over a list of messages with the real engine, in a scratch environment, with an in-memory
 * log instead of a broker, and keeps what it emitted, decoded.
 *
 *     struct harness *h = harness_open(&grader, NULL);
 *     harness_put(h, &msg_row_game_desc, &game, time_us);
 *     assert_int_equal(harness_run(h), 0);
 *     const struct harness_record *grade = harness_at(h, &msg_grade_points_desc, 0);
 *     const struct msg_grade_points *message = grade->message;
 *
 * What the actor emits gets a position like anything else, and if the actor takes that stream it is offered to it; a record for
 * later gets its position when time gets there. Time is the time of the newest message put. */
#ifndef ACTORS_HARNESS_H
#define ACTORS_HARNESS_H

#include "actors/actor.h"

struct harness;

struct harness_record {
    const struct message_desc *desc;
    const void *message;     /* decoded; lives as long as the harness */
    const char *key, *run;   /* run: "" if none */
    uint64_t position;       /* 0: for later, not due yet */
    int64_t time_us, due_us; /* due_us: CLOCK_NONE if it was not for later */
    uint16_t partition;
    uint64_t sequence; /* in its lane */
    uint32_t parent_count;
    uint64_t parents[RECORD_PARENTS_MAX];
};

/* `settings` NULL: the defaults. NULL if it cannot be (said on stderr). */
struct harness *harness_open(const struct actor *actor, const struct settings *settings);
void harness_close(struct harness **self); /* removes the environment */

/* Appends to the log; first lets time pass until `time_us`, so that timers fall due. Returns the position; 0 if the message does not
 * pass its own check (said on stderr). `key` NULL: the message's key field. */
uint64_t harness_put(struct harness *self, const struct message_desc *desc, const void *message,
                     int64_t time_us);
uint64_t harness_put_key(struct harness *self, const struct message_desc *desc, const void *message,
                         const char *key, int64_t time_us);
/* Any bytes as a payload: for what must be refused. */
uint64_t harness_put_payload(struct harness *self, const char *stream, const char *key,
                             uint32_t version, const void *payload, size_t size, int64_t time_us);
/* While on, putting takes no steps by itself: all that was put waits, and becomes one step if it fits. */
void harness_group(struct harness *self, bool on);
/* Takes steps until nothing waits. 0; 1: a record said LATER and waits; negative: a store_error. */
int harness_run(struct harness *self);
/* Lets time pass: what is due by then is appended and taken. */
int harness_advance(struct harness *self, int64_t time_us);

/* What was emitted, in order; `desc` NULL: of any message. harness_at: NULL beyond the last. */
size_t harness_count(const struct harness *self, const struct message_desc *desc);
const struct harness_record *harness_at(const struct harness *self, const struct message_desc *desc,
                                        size_t index);

/* As after a kill: memory gone, environment reopened; what was not committed never happened. */
int harness_restart(struct harness *self);
void *harness_self(struct harness *self); /* what `start` returned */
struct store *harness_store(struct harness *self);
/* Records with an outcome so far. */
void harness_outcomes(const struct harness *self, uint64_t *done, uint64_t *never);

#endif
