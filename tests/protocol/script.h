/* A conversation with the broker as a list of steps, which are text: `verb name=value ...`, one a line, zeros left out.
 *
 * Values are relative to what the peer knows when the step comes: `epoch=0` is the one it was last granted, `seq0=0` the next
 * sequence of the lane, `from=0` the beginning. So any part of a script is a script, a 0 is always what a good client would
 * say, and a failure can be shrunk by leaving out and by putting 0. */
#ifndef TESTS_PROTOCOL_SCRIPT_H
#define TESTS_PROTOCOL_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { SCRIPT_ARGS = 22, SCRIPT_BATCHES = 3, SCRIPT_BATCH_ARGS = 6 };

/* Of a PUBL, per batch. lane: 0-4; 5 an unknown stream, 6 a partition out of range. seq: 0 next, k > 0 a gap of k, -k what
 * the lane holds as kth from its end. due: milliseconds from now; 0 = not for later. */
#define SCRIPT_BATCH(n) "lane" n " seq" n " count" n " size" n " flaw" n " due" n
#define SCRIPT_VERBS(X)                                                                            \
    X(HELO, "helo", "peer actor incarnation protocol")                                             \
    X(LEAS, "leas", "peer shard env other")                                                        \
    X(SUBS, "subs", "peer lanes from records bytes flaw")                                          \
    X(USUB, "usub", "peer")                                                                        \
    X(CRED, "cred", "peer records bytes")                                                          \
    X(PUBL, "publ",                                                                                \
      "peer epoch producer more " SCRIPT_BATCH("0") " " SCRIPT_BATCH("1") " " SCRIPT_BATCH("2"))   \
    X(OWNQ, "ownq", "peer lane back records")                                                      \
    X(BEAT, "beat", "peer state behind")                                                           \
    X(JOIN, "join", "peer name lanes start back records bytes take flaw")                          \
    X(DONE, "done", "peer name back older")                                                        \
    X(SETL, "setl", "peer name does pick count more old delay flaw")                               \
    X(GBYE, "gbye", "peer")                                                                        \
    X(RAW, "raw", "peer kind")                                                                     \
    X(TURN, "turn", "second")                                                                      \
    X(CLOCK, "clock", "ms")                                                                        \
    X(DEAF, "deaf", "peer on")                                                                     \
    X(TRIM, "trim", "back")                                                                        \
    X(REWIND, "rewind", "name back")                                                               \
    X(FORGET, "forget", "name")                                                                    \
    X(SET, "set", "ms stand")                                                                      \
    X(FULL, "full", "append")                                                                      \
    X(CRASH, "crash", "after")
#define SCRIPT_ROW(id, name, args) SCRIPT_##id,
enum script_verb { SCRIPT_VERBS(SCRIPT_ROW) SCRIPT_VERB_COUNT };
#undef SCRIPT_ROW

enum script_flaw {
    FLAW_NONE,
    FLAW_CRC,
    FLAW_COUNT,     /* the body is not an array of count + 2 */
    FLAW_LARGE,     /* body over the limit */
    FLAW_EMPTY,     /* no records */
    FLAW_MANY,      /* more records than a batch may have */
    FLAW_CONTENT,   /* of a repeat: other bytes */
    FLAW_INSIDE,    /* of a repeat: begins one sequence later */
    FLAW_SHORTER,   /* of a repeat: one record less */
    FLAW_UNKNOWN,   /* of a SUBS: a stream that is not there */
    FLAW_PARTITION, /* of a SUBS */
    FLAW_TWICE,     /* of a SUBS: a lane named twice */
    FLAW_SHAPE,     /* of a SUBS: no list of lanes */
    FLAW_NAME,      /* of a JOIN: no name */
    FLAW_KIND,      /* of a JOIN: neither cursor nor group */
    FLAW_NO_INPUTS  /* of a JOIN: none given */
};

struct script_step {
    uint8_t verb;
    int32_t args[SCRIPT_ARGS];
};
struct script {
    struct script_step *steps;
    uint32_t count, capacity;
};

extern const char *const script_names[SCRIPT_VERB_COUNT];
uint32_t script_args(enum script_verb verb); /* how many it has */
void script_add(struct script *self, const struct script_step *step);
void script_free(struct script *self);
void script_print(const struct script_step *step, FILE *out);
/* Adds what a file says. 0, or -1: said on stderr. */
int script_read(struct script *self, FILE *in);

#endif
