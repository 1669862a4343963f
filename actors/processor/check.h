/* Checks between raw and row: figures of what a body said of one game, or of a list, against what they may be (checks.def). What they
 * find is said (row.check), and nothing is held back: who depends on it knows it by name. */
#ifndef ACTORS_PROCESSOR_CHECK_H
#define ACTORS_PROCESSOR_CHECK_H

#include "actors/processor/apply.h"

enum check_list {
    LIST_BOX,
    LIST_ODDS,
    LIST_SCORE,
    LIST_STATS,
    LIST_PLAYS,
    LIST_LIVE,   /* a game as a list of games in play has it */
    LIST_LINEUP, /* of one game */
    LIST_INJURIES,
    LIST_PLAYERS,
    LIST_TEAMS,
    LIST_SCHEDULE,
    LIST_GAMES, /* of one day */
    LIST_EVENTS
};

/* NAN: there is none, and the check does not apply. Shares are of 1. */
struct check_figures {
    double rows, unknown, nulls, off, mean, late;
    double lost;   /* share of what is known to be that the list lacks */
    double broken; /* share of rows that the parser set aside */
    double odd;    /* what is out of its usual range: a share, or by how much */
};

#define CHECK_GAMES_LEAST 3 /* of fewer games of a day, one that was called off is a large share */

/* A share of few is chance: NAN. */
double check_share(double part, double of);
/* How many rows the parser set aside, as a share of all it found. */
double check_broken(const struct apply *self);

void check_game(struct apply *self, enum check_list list, const char *game_id, int32_t game_date,
                const struct check_figures *figures);
/* The same, of a game that another list than this one speaks for now: only that a check holds again is said. */
void check_game_over(struct apply *self, enum check_list list, const char *game_id,
                     int32_t game_date, const struct check_figures *figures);
/* Of a list of one day; whoever fails is the day. */
void check_day(struct apply *self, enum check_list list, int32_t date,
               const struct check_figures *figures);
/* Of a list of how things are: the newest is of the league day on which it was fetched, and if it holds, the days before are right again. Not `settled`: a
 * part of it may be older than the rest, and only that a check holds again is said. */
void check_newest(struct apply *self, enum check_list list, const struct check_figures *figures,
                  bool settled);

#endif
