/* When which subject is due: a pure function of what is known of the games, of when each subject was asked last, and of
 * league time. Slots are multiples of the interval, so that a night's polls do not drift; a slot that was missed is
 * made up for once. */
#ifndef ACTORS_POLLER_PLAN_H
#define ACTORS_POLLER_PLAN_H

#include "actors/poller/feeds.h"

enum plan_state { PLAN_SCHEDULED, PLAN_IN_PLAY, PLAN_FINAL, PLAN_POSTPONED };

struct plan_game {
    char game_id[17];
    int32_t date;
    int64_t tip_us; /* CLOCK_NONE if unknown */
    enum plan_state state;
    bool box_final;       /* its final box score is accepted */
    int64_t box_final_us; /* ... since */
    int64_t source_id;    /* balldontlie's; MESSAGE_NONE if it is not known */
    int64_t begun_us;     /* first seen in play; CLOCK_NONE if not */
    bool in_list;         /* the newest live list has it (true while that cannot be told) */
};
struct plan_event {
    char event_id[FEED_ARG_SIZE];
    char game_id[17];
    int32_t date;
    int64_t commence_us;
};

#define PLAN_MAX 128
struct plan_view {
    const struct settings *settings;
    int64_t now_us;
    const struct plan_game *games; /* of today and the day before, at least */
    int game_count;
    const struct plan_event *events; /* of today */
    int event_count;
    int64_t live_ok_us; /* when the live list was last heard; CLOCK_NONE if never */
    int64_t (*asked)(void *context,
                     const char *subject); /* when it was asked last; CLOCK_NONE if never */
    void *context;
};
struct plan_item {
    enum feed_id feed;
    char arg[FEED_ARG_SIZE];
    int64_t due_us; /* at or before now: at once */
    bool after_close;
};
struct plan {
    struct plan_item items[PLAN_MAX]; /* each subject at most once */
    int count;
};
void plan_make(const struct plan_view *view, struct plan *out);

#endif
