/* Scores by another source: a second opinion on whether a game is over, and with which score. It changes no game and no box score;
 * where it differs is said by name (row.check): when it comes, and when the box scores' source goes on. */
#include "actors/processor/apply.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "actors/processor/check.h"

/* Points by which the two differ, NAN if one of them has no final score. A correction is not held against what was said before it. */
static double difference(const struct msg_processor_score *score, const struct msg_row_game *row,
                         bool corrected)
{
    if (row->home_score == MESSAGE_NONE || row->away_score == MESSAGE_NONE) {
        return NAN;
    }
    int64_t points =
        llabs(row->home_score - score->home_score) + llabs(row->away_score - score->away_score);
    return corrected && points != 0 ? NAN : (double)points;
}

void apply_second_opinion(struct apply *self, int32_t date, const char *game_id, bool corrected)
{
    struct msg_processor_score score;
    struct msg_row_game row;
    if (!memory_score(&self->memory, date, game_id, &score) ||
        !memory_row_game(&self->memory, date, game_id, &row)) {
        return;
    }
    bool final = strcmp(row.status, feed_status_text(FEED_FINAL)) == 0 && row.box_players > 0;
    const struct check_figures figures = {
        .rows = 1,
        .off = final ? difference(&score, &row, corrected) : NAN,
        .late = final ? 0 : (double)(self->raw->fetched_at - score.over_at) / 60e6,
    };
    check_game(self, LIST_SCORE, game_id, date, &figures);
}

static void take_score(struct apply *self, const struct feed_score *from)
{
    struct msg_processor_event event;
    struct msg_processor_game game;
    struct msg_processor_score score, last;
    char home[MEMORY_CODE_SIZE] = "";
    if (!apply_event_game(self, &self->feed->events[from->event], &event, &game)) {
        return;
    }
    bool swapped = memory_team_by_name(&self->memory, event.home, home) &&
                   strcmp(home, game.home) != 0; /* at a neutral site */
    message_clear(&msg_processor_score_desc, &score);
    score.home_score = swapped ? from->away_score : from->home_score;
    score.away_score = swapped ? from->home_score : from->away_score;
    bool had = memory_score(&self->memory, game.game_date, game.game_id, &last);
    score.over_at = had ? last.over_at : self->raw->fetched_at;
    if (!had || !message_equal(&msg_processor_score_desc, &score, &last, NULL)) {
        memory_put_score(&self->memory, game.game_date, game.game_id, &score);
    }
    apply_second_opinion(self, game.game_date, game.game_id, false);
}

/* What has not ended there has nothing to be held against: play is seen at other times by everyone. */
void apply_scores(struct apply *self)
{
    for (size_t i = 0; i < self->feed->score_count; i++) {
        if (self->feed->scores[i].over) {
            take_score(self, &self->feed->scores[i]);
        }
    }
}
