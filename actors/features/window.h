/* Rolling features, pure: finished games in, named values out. No store, no clock.
 *
 * Exact by construction: sums are of integers, divided once; the two weighted means add in one fixed order. So every
 * compiler says the same, and what is emitted is rounded to 6 decimals. */
#ifndef ACTORS_FEATURES_WINDOW_H
#define ACTORS_FEATURES_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum feature {
#define FEATURE(name, unit, window, missing, source) FEATURE_##name,
#include "actors/features/features.def"
#undef FEATURE
    FEATURE_COUNT
};
const char *feature_name(enum feature feature);

#define WINDOW_GAMES 60      /* the longest window over games */
#define WINDOW_LINES_MAX 256 /* ... and a whole season, or the newest of more */
#define WINDOW_USAGE_GAMES 10
#define WINDOW_TEAM_GAMES 15

/* One player's line in one finished game; also how the store keeps it (host byte order). */
struct window_line {
    uint64_t position; /* of the record it came from */
    int32_t date;
    char game_id[16]; /* zero-padded, not terminated when full; so are the codes below */
    char team[4];
    char opponent[4];
    uint8_t minutes, points, fga, fta, three_attempts, turnovers, offensive_rebounds;
    uint8_t played; /* 0 only on its way in: takes an earlier line of that game back */
    uint8_t spare[4];
};
/* One team's sums in one finished game. */
struct window_team {
    int32_t date;
    char game_id[16];
    char opponent[4];
    int16_t points, allowed, minutes, fga, fta, turnovers, offensive_rebounds;
    int16_t spare;
};

/* Order of games: by date, then id. */
int window_order(int32_t date_a, const char game_a[16], int32_t date_b, const char game_b[16]);

struct window_input {
    int32_t game_date;
    bool home;
    const struct window_line
        *lines; /* his, oldest first; those not before game_date are left out here */
    size_t line_count;
    int64_t games_career; /* known before game_date, also those not in `lines` */
    const struct window_team *const
        *line_teams; /* for each line: his team in that game, NULL if unknown */
    const struct window_team *team, *opponent; /* both sides' games, oldest first, same rule */
    size_t team_count, opponent_count;
    double line; /* NaN: none */
    int books;
};
struct window_output {
    double value[FEATURE_COUNT]; /* NaN: unknown */
    int rests_on[FEATURE_COUNT]; /* games or books behind the value; 0 where that says nothing */
    size_t line_count; /* of input.lines, those before game_date: the newest are the last */
};
void window_values(const struct window_input *input, struct window_output *output);
/* "games:10"; false if the feature has no value. */
bool window_source(const struct window_output *output, enum feature feature, char text[32]);
double window_quality(const struct window_output *output); /* share of features that have a value */

/* The season a league day belongs to, by the year it starts in: it turns on 1 July. */
int32_t window_season(int32_t date);
double window_round(double value); /* to 6 decimals */

#endif
