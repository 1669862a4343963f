/* Named cursors and work groups, as the broker's files share them: not for anyone outside it. PROTOCOL.md §11. */
#ifndef BROKER_SERVER_READER_H
#define BROKER_SERVER_READER_H

#include "broker/core_group.h"
#include "broker/server.h"

#define READER_NAME_MAX 40
#define READERS_MAX 1024
#define READER_LANES_MAX 4096

struct reader_member {
    uint32_t number; /* from 1; not given again while the broker lives */
    struct core_session *session;
    uint64_t records_max, bytes_max;
};

struct reader {
    char name[READER_NAME_MAX + 1];
    bool is_group, forgotten;
    bool dirty; /* to be stored with the next commit, which someone is told of */
    bool stale; /* has moved, to be stored some time */
    uint64_t generation;
    uint64_t position,
        staged;      /* cursor: everything below is done; what the commit makes of it, 0: nothing */
    uint64_t stored; /* where it would stand after a restart: no trimming beyond */
    struct core_sub_lane *lanes;
    uint32_t lane_count;
    struct reader_member *members; /* a cursor has one at most */
    uint32_t member_count, member_capacity, last_member, turn;
    struct group group;
    uint64_t looked; /* head when the lanes were last looked at for more */
    uint64_t passed; /* forced retention did that up to there; 0: nothing */
    bool trimmed;    /* a forced trim took what it had yet to read: nothing more before a rewind */
    uint64_t delivered, settled, nacked, expired, dead;
    struct reader *next;
};

/* An answer that waits for the commit. */
struct reader_answer {
    struct core_session *session; /* NULL: gone meanwhile */
    char verb[PROTOCOL_VERB_BYTES + 1];
    zmq_msg_t frame;
};

struct readers {
    struct reader *first;
    uint32_t count;
    struct reader_answer *answers;
    uint32_t answer_count, answer_capacity;
};

struct reader *reader_find(struct server *self, const char *name);
struct reader_member *reader_member_of(struct reader *self, const struct core_session *session);
/* Takes the session out of its reader; what it holds is given back. */
void reader_leave(struct server *self, struct core_session *session);
/* To be sent after the commit, with which it stands and falls. */
void reader_answer(struct server *self, struct core_session *session, const char *verb,
                   const struct message_desc *desc, const void *message);

/* server_group.c */
/* The lanes as of group.next. */
void reader_group_seek(struct server *self, struct reader *reader);
/* Ends leases, and stages letters of what had its last attempt. */
void reader_group_turn(struct server *self, struct reader *reader);
/* True if someone could take more at once. */
bool reader_group_deliver(struct server *self, struct reader *reader);

#endif
