/* What is polled, once: each feed's name, the run people know it by, whose it is, and how its URL is made. When it is polled:
 * plan.c. */
#ifndef ACTORS_POLLER_FEEDS_H
#define ACTORS_POLLER_FEEDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/settings.h"

enum feed_source { SOURCE_LEAGUE, SOURCE_BDL, SOURCE_ODDS, SOURCE_BETTINGPROS, SOURCE_COUNT };
enum feed_id {
    FEED_NBA_SCHEDULE,
    FEED_BDL_GAMES,
    FEED_BDL_LIVE,
    FEED_BDL_BOX_SCORES,
    FEED_BDL_INJURIES,
    FEED_BDL_PLAYERS,
    FEED_BDL_LINEUPS,
    FEED_BDL_STATS,
    FEED_BDL_TEAMS,
    FEED_BDL_ALL_PLAYERS,
    FEED_BDL_SEARCH,
    FEED_BDL_ODDS,
    FEED_BDL_PROPS,
    FEED_ODDS_EVENTS,
    FEED_ODDS_PROPS,
    FEED_ODDS_GAMES,
    FEED_ODDS_SCORES,
    FEED_ODDS_HISTORY_EVENTS,
    FEED_ODDS_HISTORY,
    FEED_BP_EVENTS,
    FEED_BP_OFFERS,
    FEED_NBA_PLAYS,
    FEED_COUNT
};
enum feed_arg {
    ARG_NONE,
    ARG_DATE,
    ARG_EVENT,
    ARG_PAGE,
    ARG_GAME,      /* the source's id of one */
    ARG_DATE_PAGE, /* 2025-11-17 for the first page, then 2025-11-17+CURSOR */
    ARG_INSTANT,   /* of the past, 20251117T233000Z */
    ARG_EVENT_AT,  /* an event at an instant, EVENT@20251117T233000Z */
    ARG_NAME       /* a player's, normalised: shai-gilgeous-alexander */
}; /* what a subject names beside the feed; a page: nothing for the first, then the cursor that the one before named */

struct feed_desc {
    const char *name; /* raw_exchange.feed */
    const char *run;
    enum feed_source source;
    enum feed_arg arg;
    const char *
        path; /* below the source's base URL; %a argument, %d its date, %s sport, %r regions, %m markets, %c
                   the page, %e event, %t instant and %n last word of the argument */
    char opens;        /* what a body begins with */
    char closes;       /* ... and ends with */
    const char *order; /* the key of raw.exchange, if what it says must be seen in one order with
                          others; NULL: the subject */
};
extern const struct feed_desc FEEDS[FEED_COUNT];
extern const char *const FEED_SOURCES[SOURCE_COUNT]; /* what people call them */

#define FEED_SUBJECT_SIZE 121
#define FEED_URL_SIZE 601
#define FEED_ARG_SIZE 65
#define FEED_EVENT_MAX 40 /* bytes of an event's id */
#define FEED_INSTANT_SIZE 17

/* "bdl_box_scores:2025-11-17", or the feed's name alone. */
void feed_subject(enum feed_id feed, const char *arg, char subject[FEED_SUBJECT_SIZE]);
/* Back: the feed of a subject and its argument; -1 if there is none such, or the argument is not of its kind. */
int feed_of_subject(const char *subject, char arg[FEED_ARG_SIZE]);
/* An instant as a subject has it, to the second; and back: -1 if it is none. */
void feed_instant(int64_t instant_us, char text[FEED_INSTANT_SIZE]);
int feed_instant_of(const char *text, int64_t *instant_us);
/* The instant that an argument is about; CLOCK_NONE: none. */
int64_t feed_arg_instant(enum feed_id feed, const char *arg);
/* The page that an argument is of: its cursor, 0 for the first; -1 if the feed has none. And the argument of the page with that cursor. */
int64_t feed_arg_page(enum feed_id feed, const char *arg);
void feed_page_arg(enum feed_id feed, const char *arg, int64_t cursor, char next[FEED_ARG_SIZE]);
/* The day that it is of; 0: none. */
int32_t feed_arg_date(enum feed_id feed, const char *arg);
/* The URL without its key, and whether a key belongs behind it (&apiKey= or ?apiKey=) or into a header. -1: too long. */
int feed_url(const struct settings *settings, enum feed_id feed, const char *arg,
             char url[FEED_URL_SIZE]);
/* Between the URL and the key: "?apiKey=" or "&apiKey=". "" if the key is not in the URL. */
const char *feed_key_query(enum feed_id feed, const char *url);
/* The key of raw.exchange: what must be seen in one order by one shard. Box scores, games and the schedule speak of the
 * same games, hence share one; an event's odds stand alone. */
const char *feed_order_key(enum feed_id feed, const char *subject);

#endif
