/* What is being asked right now: one job per subject, from the slot that made it due until an answer is accepted or given
 * up; each attempt of it is one run. */
#ifndef ACTORS_POLLER_JOBS_H
#define ACTORS_POLLER_JOBS_H

#include "actors/actor.h"
#include "actors/poller/fetch.h"
#include "actors/poller/ledger.h"
#include "actors/poller/plan.h"

#define JOBS_MAX 32
#define JOBS_CAUSE_SIZE 121

struct job {
    bool used;
    enum feed_id feed;
    char arg[FEED_ARG_SIZE];
    char subject[FEED_SUBJECT_SIZE];
    bool after_close, forced;
    char game_id[17];    /* the game it is of; "": of none, or of many */
    int attempt;         /* from 1 */
    int run;             /* of the kit; -1: none open */
    struct fetch *fetch; /* NULL: waits until retry_us */
    bool conditional;
    int64_t asked_us;   /* league time its first attempt began */
    int64_t fetched_us; /* league time its answer was complete; CLOCK_NONE before */
    int64_t retry_us;   /* monotonic */
    /* what becomes of it once the step in the making is durable */
    bool again;
    int64_t wait_us;
    enum error_class failing; /* ERROR_NONE: it was answered */
};

struct jobs {
    const struct settings *settings;
    struct fetcher *fetcher;
    char keys[SOURCE_COUNT][SETTINGS_SECRET_SIZE]; /* "" if none; escaped for where it goes */
    struct job jobs[JOBS_MAX];
    int64_t hold_us[SOURCE_COUNT]; /* monotonic: the service asked for patience */
    int64_t next_us;               /* league time something is due next; CLOCK_NONE: look now */
    /* Of each feed's newest attempt; ERROR_NONE: it was answered, or nothing is due of the feed any more. */
    enum error_class failing[FEED_COUNT];
    int64_t stopped_us
        [SOURCE_COUNT];      /* league time until which nothing that is due is asked; CLOCK_NONE */
    struct ledger_view view; /* room for the plan's input */
};

/* 0, or -1: said. */
int jobs_open(struct jobs *self, const struct settings *settings);
void jobs_close(struct jobs *self);
/* What cannot be had now, as kit_cause wants it; "": nothing is wrong. */
void jobs_cause(const struct jobs *self, char text[JOBS_CAUSE_SIZE]);
/* The tables changed: the plan is made anew. */
void jobs_replan(struct jobs *self);
int jobs_fds(struct jobs *self, struct pollfd *fds, int max, int64_t *timeout_us);
void jobs_work(struct jobs *self, struct kit *kit, const struct pollfd *fds, int count);

#endif
