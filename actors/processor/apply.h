/* From what a feed says to the rows that changed: against what is remembered, into the step. */
#ifndef ACTORS_PROCESSOR_APPLY_H
#define ACTORS_PROCESSOR_APPLY_H

#include "actors/actor.h"
#include "actors/processor/feed.h"
#include "actors/processor/identity.h"
#include "actors/processor/memory.h"

struct apply {
    struct step *step;
    struct memory memory;
    const struct msg_raw_exchange *raw;
    struct feed *feed; /* apply adds refusals of its own to those of the parser */
    int rollover_hour;
    int32_t data_date;     /* what the run is about: 0, or the day of the first row */
    char game_id[17];      /* ... if all is of one game */
    bool identity_refused; /* some refusal is for want of a cross-walk */
    size_t broken;         /* refusals of the parser */
};

/* One per feed. What they mean for the state of a game, and which may overrule which: apply_games.c. */
typedef void apply_feed(struct apply *self);
apply_feed apply_schedule, apply_games, apply_live, apply_box_scores, apply_injuries, apply_players,
    apply_lineups, apply_stats, apply_teams, apply_all_players, apply_lookup, apply_events,
    apply_props, apply_bdl_props, apply_game_odds, apply_bdl_odds, apply_scores, apply_past_events,
    apply_past_odds, apply_offers, apply_plays;

/* An event and its game; false, and refused, if there is none that it can mean. */
bool apply_event_game(struct apply *self, const struct feed_event *from,
                      struct msg_processor_event *event, struct msg_processor_game *game);

/* Holds a game as it stands here against what another source said of its end, if it did. `corrected`: its final score was another
 * one before. */
void apply_second_opinion(struct apply *self, int32_t date, const char *game_id, bool corrected);

/* Holds the players' points of the play-by-play, if there is one, against the final box score. */
void apply_plays_check(struct apply *self, int32_t date, const char *game_id);

/* Events that wait for their game, after games became known. */
void apply_waiting_events(struct apply *self);

#endif
