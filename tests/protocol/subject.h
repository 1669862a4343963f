/* The broker under test: everything of it but its sockets, told what an ask says in real frames, its answers written down. */
#ifndef TESTS_PROTOCOL_SUBJECT_H
#define TESTS_PROTOCOL_SUBJECT_H

#include "tests/protocol/model.h"

/* A broker that lies, to see that it is found out. */
enum lie {
    LIE_NONE,
    LIE_ACK_LOST,
    LIE_ACK_EARLY,
    LIE_EPOCH,
    LIE_TWICE, /* from here on: of what it delivers */
    LIE_SWAPPED,
    LIE_DROPPED,
    LIE_DIES,
    LIE_DONE, /* a cursor is said to be further than it is */
    LIE_WORK, /* a record of a group is handed out once more than it is */
    LIE_COUNT
};

struct subject {
    struct answers said; /* since they were last taken */
    struct acks acked;
    struct works works;
    const char *broken; /* what no answer may be, if one was */
    struct subject_inside *inside;
};
extern bool subject_lmdb; /* its log is in LMDB, in a directory; else in memory */
void subject_open(struct subject *self, enum lie lie);
void subject_close(struct subject *self);
void subject_clock(int64_t now_us); /* all clocks read so, from here on */
void subject_say(struct subject *self, const struct ask *ask);
/* What the broker's loop does between waiting and waiting; `second`: with what it does once a second; `muted`: as if it died
 * before its answers left. */
void subject_turn(struct subject *self, bool second, bool muted);
void subject_deaf(struct subject *self, uint32_t peer, bool deaf);
/* Drops what may be dropped below `position`; the position that the log begins at then. */
uint64_t subject_trim(struct subject *self, uint64_t position);
void subject_full(struct subject *self, bool append);
/* Control: what it says is an answer to peer MODEL_PEERS. */
void subject_rewind(struct subject *self, uint32_t reader, uint64_t position);
void subject_forget(struct subject *self, uint32_t reader);
void subject_set(struct subject *self, int64_t by_us, bool stand); /* the league clock */
void subject_crash(struct subject *self);
uint64_t subject_head(const struct subject *self);

#endif
