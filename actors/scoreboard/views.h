/* What people ask of the tables, as JSON: one implementation for the command, the HTTP API and the exports. */
#ifndef ACTORS_SCOREBOARD_VIEWS_H
#define ACTORS_SCOREBOARD_VIEWS_H

#include <stdbool.h>
#include <stdint.h>

#include "actors/scoreboard/tables.h"
#include "config/settings.h"
#include "schema/json.h"

struct view_query {
    int32_t date;                    /* 0: every date, where `any_date` allows that */
    const char *name, *outcome;      /* runs only; NULL: any */
    uint64_t last;                   /* runs only: the newest so many; 0: all */
    const struct settings *settings; /* report and audit: how often was to be asked */
};
struct view {
    const char *name; /* "boxscores" */
    bool any_date;    /* can do without a date */
    const char *const
        *people; /* the keys that a table for people shows, ended by NULL; NULL: all */
    /* The answer, or NULL with a store_error in *error. */
    json_t *(*make)(struct store_txn *txn, const struct view_query *query, int *error);
};
const struct view *view_find(const char *name); /* NULL */
const struct view *view_at(int index);          /* in order; NULL ends */

/* A prediction with whether it is the one in force: the newest of its game, player, system and stat. */
typedef int view_prediction_visit(void *context, const struct msg_prediction_points *prediction,
                                  bool active);
int view_each_prediction(struct store_txn *txn, int32_t date, view_prediction_visit *visit,
                         void *context);

/* Odds of a date, by key and then as they were seen. Rules of the tags: `closing` is the last price offered before the
 * tip as played (the first sight of play; the scheduled tip while there was none), once the game is under way or over; `opening` the first ever seen; `morning` the one that stood at noon
 * of the game's day. One row can be several: closing goes before opening, opening before morning. */
struct view_odds_row {
    const struct msg_row_odds *row;
    int64_t tip_at;       /* CLOCK_NONE: not known */
    const char *tag;      /* NULL: none */
    bool last_before_tip; /* the newest that was offered before the scheduled tip */
};
typedef int view_odds_visit(void *context, const struct view_odds_row *row);
int view_each_odds(struct store_txn *txn, int32_t date, view_odds_visit *visit, void *context);

#endif
