/* Rolling features, pure: finished games in, named values out. No store, no clock.
 *
 * Exact by construction: sums are of integers, divided once; the weighted means add in one fixed order. So every
 * compiler says the same, and what is emitted is rounded to 6 decimals. */
#ifndef ACTORS_FEATURES_WINDOW_H
#define ACTORS_FEATURES_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schema/stats.h"

enum feature {
#define FEATURE(name, unit, window, missing, source) FEATURE_##name,
#include "actors/features/features.def"
#undef FEATURE
    FEATURE_COUNT
};
/* What features.def says of one. */
struct feature_about {
    const char *name, *unit, *window, *missing, *source;
};
const struct feature_about *feature_about(enum feature feature);
const char *feature_name(enum feature feature);

#define WINDOW_GAMES 60      /* the longest window over games but "known" */
#define WINDOW_LINES_MAX 256 /* "known": so many of his newest games */
#define WINDOW_USAGE_GAMES 30
#define WINDOW_TEAM_GAMES                                                                          \
    128 /* of a team that are looked at: this season's, and of the one before what fits */
#define WINDOW_REGULAR_MINUTES 10

enum window_group { GROUP_UNKNOWN, GROUP_GUARD, GROUP_FORWARD, GROUP_CENTER, GROUP_COUNT };
/* By the first letter of a position: "G-F" is a guard. */
enum window_group window_group(const char *position);

#define WINDOW_NOT_KNOWN INT8_MIN

/* One player's line in one finished game; also how the store keeps it (host byte order). */
struct window_line {
    uint64_t position; /* of the record it came from */
    int32_t date;
    char game_id[16]; /* zero-padded, not terminated when full; so are the codes below */
    char team[4];
    char opponent[4];
    uint8_t minutes, points, rebounds, assists, three_pointers_made;
    uint8_t fga, fgm, three_attempts, fta, ftm, turnovers, offensive_rebounds, fouls;
    int8_t plus_minus, starter; /* WINDOW_NOT_KNOWN */
    uint8_t group;              /* where he plays, enum window_group */
    uint8_t home;
    uint8_t played; /* 0 only on its way in: takes an earlier line of that game back */
    uint8_t spare[2];
};
int window_stat(const struct window_line *line, enum stat_id stat);

/* What was summed over the players of one side. */
struct window_sums {
    int16_t points, rebounds, assists, three_pointers_made;
    int16_t minutes, fga, fgm, three_attempts, fta, ftm, turnovers, offensive_rebounds;
    int16_t group_points[GROUP_COUNT], group_minutes[GROUP_COUNT];
};
int window_sums_stat(const struct window_sums *sums, enum stat_id stat);
/* sign 1 or -1. */
void window_sums_line(struct window_sums *sums, const struct window_line *line, int sign);
void window_sums_add(struct window_sums *sums, const struct window_sums *other);

/* One team's game. */
struct window_team {
    int32_t date;
    char game_id[16];
    char opponent[4];
    struct window_sums own, other; /* other: its opponent's, which it allowed */
};

/* Order of games: by date, then id. */
int window_order(int32_t date_a, const char game_a[16], int32_t date_b, const char game_b[16]);

/* A player who is with a team before a game, in brief (window_mate). */
struct window_mate {
    int64_t player_id;
    double minutes, points, plays; /* a game, last 10 */
    int missed;                    /* games of the team since his last one */
    int returned; /* of the team's last game only: how many he had missed before it */
    enum window_group group;
    bool out; /* the injury report says so */
};
/* `lines`, `games`: his and his team's before the game, oldest first. */
struct window_mate window_mate(int64_t player_id, const struct window_line *lines, size_t count,
                               const struct window_team *games, size_t game_count);
/* Points allowed a game over the 15 games before `before`, an index into `games`; NaN of less than 5. */
double window_tier(const struct window_team *games, size_t before);
bool window_mate_absent(const struct window_mate *mate);

struct window_input {
    int32_t game_date;
    const char *game_id; /* may be NULL */
    bool home;
    int64_t player_id;
    const struct window_line
        *lines; /* his, oldest first; those not before game_date are left out here */
    size_t line_count;
    int64_t games_career; /* known before game_date, also those not in `lines` */
    const struct window_team *const *
        line_teams; /* for each line: his team in that game, NULL if unknown; at least the newest WINDOW_USAGE_GAMES */
    const struct window_team *team, *opponent; /* both sides' games, oldest first, same rule */
    size_t team_count, opponent_count;
    const char *team_code, *opponent_code; /* may be NULL */
    const struct window_mate *mates;       /* his team's, he among them */
    size_t mate_count;
    const double *
        tiers; /* for each line: how strong that game's opponent defended then (window_tier); NULL: not known */
    enum window_group group;
    double injury_risk; /* NaN: no report */
    double line;        /* NaN: none */
    int books;
    double line_opening, line_prob_over; /* NaN: not known */
    double spread, total;                /* his team's; NaN: not known */
};
struct window_output {
    double value[FEATURE_COUNT]; /* NaN: unknown */
    int rests_on[FEATURE_COUNT]; /* games or books behind the value; 0 where that says nothing */
    size_t line_count; /* of input.lines, those before game_date: the newest are the last */
};
void window_values(const struct window_input *all, struct window_output *output);
/* Its two halves, in this order: what history makes of him, and what the game, the books and the injury report say, which alone changes
 * when a line moves. */
void window_past(const struct window_input *all, struct window_output *output);
void window_said(const struct window_input *input, struct window_output *output);
/* "games:10"; false if the feature has no value. */
bool window_source(const struct window_output *output, enum feature feature, char text[32]);
double window_quality(const struct window_output *output); /* share of features that have a value */

/* The season a league day belongs to, by the year it starts in: it turns on 1 July. */
int32_t window_season(int32_t date);
double window_round(double value); /* to 6 decimals */

#endif
