/* The parts window_values is made of; each fills its features of `output`. `count`: lines before the day. */
#ifndef ACTORS_FEATURES_WINDOW_PARTS_H
#define ACTORS_FEATURES_WINDOW_PARTS_H

#include "actors/features/window.h"

void window_set(struct window_output *output, enum feature feature, double value, size_t rests_on);

/* Sums over the newest `count` of `lines` (fewer if there are fewer). */
struct line_sums {
    size_t games;
    int64_t points, points_squared, minutes, fga, fgm, three_attempts, threes, fta, ftm, fouls,
        turnovers;
};
struct line_sums window_newest(const struct window_line *lines, size_t line_count, size_t count);
/* Plays that end with him (or the team), in hundredths: FGA + .44 FTA + TO. */
int64_t window_plays(int64_t fga, int64_t fta, int64_t turnovers);

void form_values(const struct window_input *input, size_t count, struct window_output *output);
void shooting_values(const struct window_input *input, size_t count, struct window_output *output);
void stat_values(const struct window_input *input, size_t count, size_t opponent_count,
                 struct window_output *output);
void calendar_values(const struct window_input *input, size_t count, size_t team_count,
                     struct window_output *output);
void side_values(const struct window_input *input, size_t team_count, size_t opponent_count,
                 struct window_output *output);
void mate_values(const struct window_input *input, size_t count, struct window_output *output);

#endif
