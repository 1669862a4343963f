/* The inside of the loop, shared by actor.c (the loop), recover.c (what a grant means), rebuild.c (re-execution beside the
 * log) and kit.c (what an edge's work calls). */
#ifndef ACTORS_KIT_H
#define ACTORS_KIT_H

#include "actors/actor.h"
#include "actors/shard.h"
#include "broker/link.h"
#include "config/options.h"
#include "store/compact.h"
#include "store/snapshot.h"

#define KIT_STREAMS_MAX 256

enum kit_stage {
    KIT_WAITING,    /* for the broker, or for the lease */
    KIT_RESTORING,  /* taking the rows of a snapshot */
    KIT_REBUILDING, /* re-executing beside the log */
    KIT_REWINDING,  /* asked to go back, and not there yet */
    KIT_WORKING,
    KIT_DRAINING
};

/* What this producer has in the log in one lane, read back while rebuilding. */
struct own_batch {
    struct own_batch *next;
    uint64_t base, first_seq;
    uint32_t count, size;
    int64_t due_us;
    uint8_t body[];
};
struct own_lane {
    char stream[64];
    uint16_t partition;
    uint64_t last; /* the log holds it up to here */
    struct own_batch *head, *tail;
    uint32_t at; /* records of `head` that are compared */
    size_t byte; /* where the next one begins */
};

/* snapshots.c: the one being written or read, and what is there. */
struct snapshots {
    bool on;
    char folder[4000];
    struct snapshot_slice slice;
    uint64_t newest, needed; /* cursors: of the newest (0: none), of the oldest that is kept (1) */
    uint64_t taken_bytes;    /* by the shard since the newest */
    int64_t since_us;        /* league time of the newest, or of our start */
    int64_t again_us;        /* monotonic: no other before */
    struct snapshot_writer *writer;
    struct snapshot_about about; /* of that one, or of the one being read */
    uint64_t said_until;         /* number of the first batch that is not of its state */
    bool whole;                  /* all but its name */
    int64_t begun_us, slowest_us;
    struct snapshot_reader *reader;
    bool cleared;   /* the environment, for what is read */
    uint64_t tried; /* cursor of the one being read; older ones are left */
    bool own_lease; /* those made under the grant's own epoch are good too */
    /* The grant under which the state is made again. */
    uint64_t first, head, grant_epoch, grant_cursor;
    struct shard_lane *lanes, *spoken; /* all of them; those of the kit's own streams */
    uint32_t lane_count, spoken_count;
};

/* compactions.c: the one being made, and the run that it is. */
struct compactions {
    struct compaction *making;
    struct store_space before;
    bool whole;   /* all but its name */
    bool closing; /* its run is to be closed, like this */
    int run;      /* -1: none could be opened */
    struct run_close how;
    int64_t begun_us; /* monotonic */
    int64_t look_us;  /* monotonic: not looked before */
    int64_t wait_us;  /* between two looks; longer after one that failed */
};

struct kit {
    const struct actor *actor;
    void *self;
    struct options options;
    struct settings settings;
    char config_hash[SETTINGS_HASH_SIZE];
    char incarnation[64];
    struct store *store;
    struct shard *shard; /* from the first welcome on: only then partitions are known */
    struct link *link;
    int signals;
    uint16_t number, shards;

    struct {
        char name[64];
        uint16_t partitions;
    } streams[KIT_STREAMS_MAX];
    uint32_t stream_count;

    enum kit_stage stage;
    bool granted;
    bool own_takes[SHARD_OWN_TAKES]; /* the broker has a stream for them */
    bool ready;                      /* said once caught up since the last start */
    bool told;                       /* the service manager knows */
    uint64_t epoch;
    char holder[160]; /* who has the lease that this one waits for, as last said */
    int64_t lease_us;
    int64_t heard_us; /* monotonic: the broker last answered all that was said to it */
    int64_t pause_us; /* monotonic: no step before (the disk is full) */
    int64_t drain_until_us;
    int64_t beat_us;      /* monotonic: lag last asked for */
    struct own_lane *own; /* while rebuilding */
    uint32_t own_count;
    struct own_lane *asked; /* whose answer is awaited */
    uint64_t *
        refused; /* ascending: what was in hand when it was refused, by the letters of this shard */
    uint32_t refused_count;
    bool refused_known;     /* they were read */
    const char *lost_why;   /* ... and why that is */
    uint64_t rebuild_until; /* what was done before this position is done again, not said again */
    uint64_t compared;      /* records */
    uint64_t uncompared;    /* ... that the log does not hold any more */
    struct snapshots snapshots;
    struct compactions compactions;
    uint64_t log_first; /* as the last grant said */
    enum { REWIND_SETTLING, REWIND_GUARDING, REWIND_CHECKING, REWIND_TRYING } rewind_stage;
    uint64_t rewind_base;     /* from where it is done again; 0: not known */
    bool rewinding;           /* while the state is set back */
    char rewind_differs[240]; /* done again it was not the same */
    char cause[121];          /* what an edge cannot do now; "": nothing */
    bool again;               /* draining for another process of this shard to follow */
    struct step *step;        /* an edge's own, open */
    int exit_code;            /* -1: go on */
};

/* Ends the loop; the first reason counts. */
void kit_end(struct kit *self, int exit_code);

/* recover.c */
void kit_granted(struct kit *self, const struct link_grant *grant);
/* The state is set back as if this lease had found it lost; the grant's cursor: an edge's new one, else what was done. */
void recover_back(struct kit *self, const struct link_grant *grant);
void kit_subscribe(struct kit *self); /* from its cursor */
void kit_subscribe_from(struct kit *self, uint64_t position);
/* Sends what the outbox holds and was not sent under this grant. */
void kit_publish(struct kit *self);
/* Gives back what was taken since, with what is said next. */
void kit_credit(struct kit *self);
/* The environment cannot be read: it gets the name DIR.bad-N, and the next start makes its state again. False: an edge's is left as
 * it is, for people. */
bool kit_environment_set_aside(struct kit *self);
/* False if too much is unacknowledged for another step. */
bool kit_room(const struct kit *self);
/* True if the lease may be over without our having heard of it: nothing is committed before the broker has answered. */
bool kit_stale(const struct kit *self);
/* Waits for the broker's word, and hears signals meanwhile. False: that lease, or this process, is ending. */
bool kit_pump(struct kit *self);
/* Commits the built step and sends it; asks first if the lease is in doubt. 0, or not: it was undone. */
int kit_commit_step(struct kit *self);
/* The environment would not have it: a full disk may become less full, anything else ends this process. */
void kit_step_failed(struct kit *self, int error);
void kit_halt(struct kit *self, const char *tag, const char *why);
bool kit_stream_is_ours(const char *stream); /* what the kit itself says there is never compared */

/* rebuild.c */
void rebuild_forget(struct kit *self);
int rebuild_lane(struct kit *self, const char *stream, uint16_t partition, uint64_t last);
void rebuild_own(struct kit *self,
                 const struct link_batch *batch); /* the log's answer; NULL: its end */
/* Before its first step: reads which records were refused. False: not now, the lease or the process is ending. */
bool rebuild_ready(struct kit *self);
/* shard_options.refused */
bool rebuild_refused(void *context, uint64_t position);
/* Compares what the built step emits with what the log holds. False: it cannot be committed. */
bool rebuild_confirm(struct kit *self);
/* Ends it when all is done again; halts if the log has more than that. */
void rebuild_turn(struct kit *self);

/* ---- what a rebuild does first and last (recover.c): from the beginning of the log, or on from what a snapshot held ---- */
void rebuild_from_start(struct kit *self);
void rebuild_go_on(struct kit *self);

/* rewind.c */
bool rewind_turn(struct kit *self); /* true: more at once */
void rewind_granted(
    struct kit *self); /* a lease: what was asked for under an earlier one goes on */
/* The broker said `trimmed`. True: to a rewind, which is off. */
bool rewind_refused(struct kit *self, const char *why);
/* No snapshot above this is one to make the state from; UINT64_MAX: any will do. */
uint64_t rewind_limit(const struct kit *self);

/* snapshots.c */
/* Cursor of the newest at or below `position`; 1: none. */
uint64_t snapshots_below(const struct kit *self, uint64_t position);
/* Reads the next chunk of that one. 1: more; 0: all of it is good; -1: it is not, and set aside. */
int snapshots_check(struct kit *self, uint64_t cursor);
/* One of the state as it is. 1: being made; 0: there is one; -1: it cannot be made. */
int snapshots_guard(struct kit *self);
/* Removes those with above < cursor <= last, durably. */
void snapshots_forget(struct kit *self, uint64_t above, uint64_t last);
void snapshots_open(struct kit *self); /* when the settings are known */
void snapshots_drop(struct kit *self); /* what is being written or read */
uint64_t snapshots_keep(const struct kit *self);
void snapshots_took(struct kit *self, uint64_t bytes);
bool snapshots_turn(struct kit *self); /* true: a slice is left to copy */
/* From the newest with cursor <= last. False: there is none to make the state from. Else it is being made, or the process ends.
 * The grant is kept either way. */
bool snapshots_restore(struct kit *self, const struct link_grant *grant, uint64_t last);
void snapshots_restore_turn(struct kit *self);

/* compactions.c */
bool compactions_hold(const struct kit *self); /* one is being made: no step, no snapshot */
bool compactions_turn(struct kit *self);       /* true: a slice is left to copy */
int64_t compactions_timeout_us(const struct kit *self);
void compactions_drop(struct kit *self);

/* hear.c */
extern const struct link_handlers kit_handlers;

/* register.c: writes DIR/registry.d/NAME.json and asks the broker, if one runs, to read it. The process's exit code. */
int kit_register(struct kit *self);

/* actor.c */
void kit_said(struct kit *self); /* how far it is, for the next beat */
void kit_drain_again(
    struct kit *self); /* what is open is closed, then the process ends with EXIT_AGAIN */
void kit_signals(struct kit *self);
void kit_loop(struct kit *self); /* until exit_code says so */

#endif
