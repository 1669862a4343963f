/* What the feed parsers share: reading members of a JSON object under a rule each. The first rule that an object breaks is
 * kept in `rule`; the parser looks once, at the end. */
#ifndef ACTORS_PROCESSOR_FEED_READ_H
#define ACTORS_PROCESSOR_FEED_READ_H

#include "actors/processor/feed.h"
#include "schema/json.h"

struct feed_reader {
    const json_t *object;
    char rule[FEED_RULE_SIZE]; /* "" while none is broken */
};
struct feed_reader
feed_reader_of(const json_t *value); /* breaks a rule at once if it is no object */
void feed_break(struct feed_reader *self, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Absent, null: MESSAGE_NONE, 0 (date), NULL, "" - and a broken rule if REQ. */
int64_t feed_int(struct feed_reader *self, const char *name, enum presence presence, int64_t least,
                 int64_t most);
bool feed_bool(struct feed_reader *self, const char *name);
/* Copies into `out`; too long is a broken rule. */
void feed_text(struct feed_reader *self, const char *name, enum presence presence, char *out,
               size_t out_size);
/* The same, cut where it is too long: for what only people read. */
void feed_text_cut(struct feed_reader *self, const char *name, char *out, size_t out_size);
int64_t feed_time(struct feed_reader *self, const char *name, enum presence presence);
int32_t feed_date(struct feed_reader *self, const char *name,
                  enum presence presence); /* the first ten characters */
const json_t *feed_member(struct feed_reader *self, const char *name, enum presence presence,
                          json_type type);
/* An int, or a float without a fraction; -1 if neither. */
int feed_whole(const json_t *value, int64_t *out);

/* Reads a whole body: an object, or an array if `type` says so. NULL with `error`. */
json_t *feed_open(const void *body, size_t size, json_type type, char error[FEED_ERROR_SIZE]);

/* One more element of a growing array, zeroed. */
void *feed_grow(void **items, size_t *count, size_t *capacity, size_t item_size);
#define FEED_ADD(feed, what)                                                                       \
    feed_grow((void **)&(feed)->what##s, &(feed)->what##_count, &(feed)->what##_capacity,          \
              sizeof *(feed)->what##s)

/* A game of balldontlie without its players: what /games and /box_scores have in common. Takes the last element of
 * feed->games away again and refuses it if a rule is broken; returns whether it stayed. */
bool feed_bdl_head(struct feed *feed, const json_t *object, const char *path);
/* What it says of itself but its sides: id, day, tip, status, period, scores. */
void feed_bdl_state(struct feed_reader *reader, struct feed_game *game);
/* A line of a player, of the game with that index; added, or refused. */
void feed_bdl_line(struct feed *feed, const json_t *object, size_t game, bool home,
                   const char *path);
/* The team that is read itself. */
void feed_bdl_team_of(struct feed_reader *reader, struct feed_team *team);
/* A team of balldontlie, member `name` of what is read; it may be nested once more. */
void feed_bdl_team(struct feed_reader *self, const char *name, struct feed_team *team);
/* The id and "first_name last_name" of a player of balldontlie: member `player`, or `self` itself if NULL. */
const json_t *feed_bdl_person(struct feed_reader *self, const char *member, int64_t *id,
                              char name[FEED_NAME_SIZE]);
/* A list of players, a page of it: each element of `data` to `row`, and where the next page begins (meta.next_cursor). */
typedef void feed_bdl_row(struct feed *feed, const json_t *object, const char *path);
int feed_bdl_list(const void *body, size_t size, feed_bdl_row *row, struct feed *out,
                  char error[FEED_ERROR_SIZE]);
/* Odds of balldontlie: the book that a row of that vendor is said as; a number that may be written as a string (NAN: absent or
 * null); American odds (MESSAGE_NONE likewise). */
void feed_bdl_book(struct feed_reader *self, char book[FEED_KEY_SIZE]);
double feed_bdl_decimal(struct feed_reader *self, const char *name, double least, double most);
int64_t feed_bdl_price(struct feed_reader *self, const char *name);
/* The game that it is of, into an event of its own id. */
void feed_bdl_event(struct feed_reader *self, struct feed_event *event);
#define FEED_BDL_PLAYER_MAX INT64_C(4999999999) /* identity.c makes numbers beyond for others */
/* An event of The Odds API without its bookmakers. */
void feed_odds_head(struct feed_reader *reader, struct feed_event *event);
/* Breaks a rule if the feed has another event with the id of `event`, its last one. */
void feed_odds_once(struct feed_reader *reader, const struct feed *feed,
                    const struct feed_event *event);
/* A body that is an array of events: each, with its index, to `row`, as far as there is room. */
typedef void feed_odds_row(struct feed *feed, const json_t *object, size_t index);
int feed_odds_array(const void *body, size_t size, feed_odds_row *row, struct feed *out,
                    char error[FEED_ERROR_SIZE]);
/* The events of a list; its path is "PREFIX[i]". */
void feed_odds_list(struct feed *feed, const json_t *list, const char *prefix);
/* One event with the lines of its players at each book, and with `markets` those of the game too; paths begin with `prefix`.
 * -1 with `error` if it is not what it should be: then the feed holds nothing. */
int feed_odds_event(struct feed *feed, const json_t *object, const char *prefix, bool markets,
                    char error[FEED_ERROR_SIZE]);
/* The markets of a game at one book, of the event with that index. */
void feed_odds_book(struct feed *feed, size_t event, const json_t *object, const char *path);
/* Marks the main line of each player and market at each book, of those from `first` on: of those with both sides the most even, of equals the lowest. */
void feed_odds_mark_main(struct feed *feed, size_t first);
/* BettingPros: an event's id as ours, and the list `name` of a body; NULL with `error` if there is none. */
#define FEED_BP_ID_MAX INT64_C(9999999999)
void feed_bp_event_id(int64_t id, char event_id[FEED_EVENT_SIZE]);
const json_t *feed_bp_open(json_t *root, const char *name, char error[FEED_ERROR_SIZE]);
/* The price of an outcome of The Odds API, as American odds. */
int64_t feed_odds_price(struct feed_reader *reader);

#endif
