/* What is wrong, judged from what is known. Pure: no clock, store or socket; two times are handed in, the league's for
 * games and sources, monotonic for processes. */
#ifndef ACTORS_WATCHDOG_RULES_H
#define ACTORS_WATCHDOG_RULES_H

#include <stdbool.h>
#include <stdint.h>

#define RULES_INCIDENTS_MAX 128

struct rules {
    int64_t stale_warn_us, stale_alert_us, stale_critical_us; /* league time */
    int64_t unchanged_us, refused_us;                         /* league time */
    int64_t silence_us;                                       /* real time */
    int64_t model_age_us;                                     /* league time */
    double drift_coverage, drift_error;
};

/* One thing that is wrong now. Two with the same cause and subject are the same incident. */
struct incident {
    char cause[25], subject[97];
    const char *severity; /* "warning", "alert", "critical" */
    int64_t
        since_us; /* league time, or CLOCK_NONE: the one who keeps incidents knows when it first saw it */
    char text[241];
};
struct incidents {
    int count;
    struct incident list[RULES_INCIDENTS_MAX];
};

/* ---- sources ---- */

struct watched_game {
    const char *status;      /* row_game's */
    int64_t tip_us;          /* CLOCK_NONE: unknown */
    int64_t seen_playing_us; /* append time of its first state in play, CLOCK_NONE: not seen yet */
};
/* Since when this game is being played as far as anyone can know, CLOCK_NONE: it is not. A game whose tip has passed counts as
 * played even if nothing was heard of it (that is what a dead source looks like), but not for ever; what calendar day it
 * is plays no part. */
int64_t game_on_since(const struct watched_game *game, int64_t now_us);

struct watched_source {
    const char *name; /* of its runs */
    int64_t
        last_good_us; /* its newest run that ended in success or unchanged; CLOCK_NONE: there was none */
};
/* `on_since_us`: since when games are on without a break, CLOCK_NONE: none is. */
void judge_source(const struct rules *rules, const struct watched_source *source,
                  int64_t on_since_us, int64_t now_us, struct incidents *out);

/* Its answers, of which the newest good one came at `last_good_us`, are always the same, although a game is in play since
 * `playing_since_us` (CLOCK_NONE: none is). Without answers nothing is frozen: it is stale. */
void judge_frozen(const struct rules *rules, const char *name, int64_t last_news_us,
                  int64_t last_good_us, int64_t playing_since_us, struct incidents *out);
/* What was fetched is not taken: `last_news_us` is the newest fetched news of the feed, `last_good_us` the newest run that took some
 * (CLOCK_NONE: none did). */
void judge_unprocessed(const struct rules *rules, const char *name, int64_t last_good_us,
                       int64_t last_news_us, int64_t playing_since_us, struct incidents *out);
/* Rows of a feed were set aside, the newest not long ago. */
void judge_refused(const struct rules *rules, const char *feed, int64_t count, int64_t first_us,
                   int64_t last_us, const char *example, int64_t now_us, struct incidents *out);

/* ---- shards ---- */

struct watched_shard {
    char name[48]; /* "grader.0" */
    char state[17], cause[121];
    bool connected;
    int64_t silent_us; /* real time since it was last heard; only if connected */
    int64_t away_us;   /* real time since it was seen connected; only if not */
    int64_t stuck_us;  /* real time for which it has had records to take and took none */
    int64_t lag;
};
void judge_shard(const struct rules *rules, const struct watched_shard *shard,
                 struct incidents *out);

/* ---- the model ---- */

#define RULES_MODEL_FEWEST 300 /* graded predictions before anything is said of how it does */
struct watched_model {
    char name[17];
    int64_t learned_us; /* end of the last day it learned from */
    double mae;         /* as it was promoted with */
    int64_t graded,
        inside;      /* of its newest: how many, and how many of those in the 80 % interval */
    double absolute; /* sum of their errors */
};
/* Old (`model-old`); its intervals mean no longer what they say, or it is off by more than it was (`model-drift`). */
void judge_model(const struct rules *rules, const struct watched_model *model, int64_t now_us,
                 struct incidents *out);

/* ---- dead letters ---- */

void judge_dead_letters(const char *reader, int64_t count, int64_t first_us, struct incidents *out);

#endif
