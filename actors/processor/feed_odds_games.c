/* The Odds API, /v4/sports/S/odds: who wins, the spread and the total of each game at each book. */
#include "actors/processor/feed_read.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The markets that are read: what the two sides of one are called, and whether they have a point. */
static const struct kind {
    const char *key;
    bool teams; /* the sides are the two teams; else Over and Under */
    bool point;
    double least, most; /* of the point */
} KINDS[] = {{"h2h", true, false, 0, 0},
             {"spreads", true, true, -100, 100},
             {"totals", false, true, 50, 500}};

static const struct kind *kind_of(const char *key)
{
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
        if (strcmp(KINDS[i].key, key) == 0) {
            return &KINDS[i];
        }
    }
    return NULL;
}

struct side {
    bool seen;
    int64_t price;
    double point;
};

/* Which of the two sides an outcome is; -1: neither. */
static int side_of(const struct kind *kind, const struct feed_event *event, const char *name)
{
    const char *first = kind->teams ? event->home : "Over",
               *second = kind->teams ? event->away : "Under";
    return strcasecmp(name, first) == 0 ? 0 : strcasecmp(name, second) == 0 ? 1 : -1;
}

static void read_outcome(struct feed_reader *market, const json_t *object, const struct kind *kind,
                         const struct feed_event *event, struct side sides[2])
{
    struct feed_reader reader = feed_reader_of(object);
    char name[FEED_NAME_SIZE] = "";
    feed_text(&reader, "name", REQ, name, sizeof name);
    int64_t price = feed_odds_price(&reader);
    const json_t *point = json_object_get(reader.object, "point");
    int at = side_of(kind, event, name);
    double value = json_is_number(point) ? json_number_value(point) : NAN;
    if (at < 0) {
        feed_break(&reader, "name: %.40s is neither side", name);
    } else if (sides[at].seen) {
        feed_break(&reader, "name: %.40s is there twice", name);
    }
    if (kind->point && !(value >= kind->least && value <= kind->most)) {
        feed_break(&reader, "point: not a number within %g..%g", kind->least, kind->most);
    }
    if (reader.rule[0] != '\0') {
        feed_break(market, "%.190s", reader.rule);
        return;
    }
    sides[at] = (struct side){true, price, value};
}

/* Both sides, and what one gives the other takes. */
static void check_sides(struct feed_reader *reader, const struct kind *kind,
                        const struct side sides[2])
{
    if (!sides[0].seen || !sides[1].seen) {
        feed_break(reader, "outcomes: not both sides");
    } else if (kind->point && kind->teams && sides[0].point != -sides[1].point) {
        feed_break(reader, "outcomes: %g and %g are not each other's opposite", sides[0].point,
                   sides[1].point);
    } else if (kind->point && !kind->teams && sides[0].point != sides[1].point) {
        feed_break(reader, "outcomes: over %g and under %g", sides[0].point, sides[1].point);
    }
}

static void read_market(struct feed *feed, size_t event, const char *book, const json_t *object,
                        const char *path)
{
    struct feed_reader reader = feed_reader_of(object);
    struct side sides[2] = {{false, 0, NAN}, {false, 0, NAN}};
    char key[FEED_KEY_SIZE] = "";
    feed_text(&reader, "key", REQ, key, sizeof key);
    const struct kind *kind = kind_of(key);
    if (reader.rule[0] == '\0' && kind == NULL) {
        return; /* another market: nobody here reads it */
    }
    feed->items++;
    const json_t *outcomes = feed_member(&reader, "outcomes", REQ, JSON_ARRAY);
    for (size_t i = 0; reader.rule[0] == '\0' && i < json_array_size(outcomes); i++) {
        read_outcome(&reader, json_array_get(outcomes, i), kind, &feed->events[event], sides);
    }
    if (reader.rule[0] == '\0') {
        check_sides(&reader, kind, sides);
    }
    size_t own = 0; /* of this event, so far */
    for (size_t i = feed->market_count; i > 0 && feed->markets[i - 1].event == event; i--, own++) {
        const struct feed_market *other = &feed->markets[i - 1];
        if (strcmp(other->book, book) == 0 && strcmp(other->market, key) == 0) {
            feed_break(&reader, "key: %s of %.32s is already in %.60s", key, book, other->path);
        }
    }
    if (own == FEED_EVENT_MARKETS_MAX) {
        feed_break(&reader, "more than %d markets of one event", FEED_EVENT_MARKETS_MAX);
    }
    if (reader.rule[0] != '\0') {
        feed_refuse(feed, path, book, "%s", reader.rule);
        return;
    }
    struct feed_market *market = FEED_ADD(feed, market);
    market->event = event;
    snprintf(market->book, sizeof market->book, "%s", book);
    snprintf(market->market, sizeof market->market, "%s", key);
    snprintf(market->path, sizeof market->path, "%s", path);
    market->point = kind->point ? sides[0].point : NAN;
    market->first_price = sides[0].price;
    market->second_price = sides[1].price;
}

void feed_odds_book(struct feed *feed, size_t event, const json_t *object, const char *path)
{
    struct feed_reader reader = feed_reader_of(object);
    char book[FEED_KEY_SIZE] = "";
    size_t before = feed->market_count;
    feed_text(&reader, "key", REQ, book, sizeof book);
    const json_t *markets = feed_member(&reader, "markets", REQ, JSON_ARRAY);
    if (reader.rule[0] != '\0') {
        feed->items++;
        feed_refuse(feed, path, book, "%s", reader.rule);
        return;
    }
    for (size_t i = 0; i < json_array_size(markets); i++) {
        char below[FEED_PATH_SIZE];
        snprintf(below, sizeof below, "%.100s.markets[%zu]", path, i);
        read_market(feed, event, book, json_array_get(markets, i), below);
    }
    feed->books += feed->market_count > before;
}

static void read_event(struct feed *feed, const json_t *object, size_t index)
{
    struct feed_reader reader = feed_reader_of(object);
    struct feed_event *event = FEED_ADD(feed, event);
    snprintf(event->path, sizeof event->path, "[%zu]", index);
    feed_odds_head(&reader, event);
    const json_t *books = feed_member(&reader, "bookmakers", OPT, JSON_ARRAY);
    feed_odds_once(&reader, feed, event);
    if (reader.rule[0] != '\0') {
        struct feed_event bad = *event;
        feed->event_count--;
        feed->items++;
        feed_refuse(feed, bad.path, bad.event_id, "%s", reader.rule);
        return;
    }
    for (size_t i = 0; i < json_array_size(books); i++) {
        char path[FEED_PATH_SIZE];
        snprintf(path, sizeof path, "[%zu].bookmakers[%zu]", index, i);
        feed_odds_book(feed, feed->event_count - 1, json_array_get(books, i), path);
    }
}

int feed_odds_games(const void *body, size_t size, struct feed *out, char error[FEED_ERROR_SIZE])
{
    return feed_odds_array(body, size, read_event, out, error);
}
