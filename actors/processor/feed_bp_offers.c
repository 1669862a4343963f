/* BettingPros, /v3/offers: what each book offers on each player of one event. The shape is known from other people's code only: what
 * is not as it says is set aside by name. An offer has two selections, each with books, each with lines; its active lines count. */
#include "actors/processor/feed_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CONSENSUS 0 /* no book: the middle of the others */
#define PAGE 100    /* rows of a page at most, as they are asked for */

static const struct {
    int64_t id;
    const char *key; /* as The Odds API calls it */
} BOOKS[] = {{10, "fanduel"},   {12, "draftkings"}, {13, "williamhill_us"}, {14, "pointsbetus"},
             {18, "betrivers"}, {19, "betmgm"},     {24, "bet365"}};

static const struct {
    int64_t id;
    const char *key;
} MARKETS[] = {{156, "player_points"}, {157, "player_rebounds"}, {151, "player_assists"},
               {162, "player_threes"}, {160, "player_steals"},   {152, "player_blocks"}};

/* Whose offer it is, and where. */
struct offer {
    char player[FEED_NAME_SIZE], book[FEED_KEY_SIZE];
    const char *market;
    size_t first; /* of its lines */
    bool over;
};

static const char *market_of(int64_t id)
{
    for (size_t i = 0; i < sizeof MARKETS / sizeof MARKETS[0]; i++) {
        if (MARKETS[i].id == id) {
            return MARKETS[i].key;
        }
    }
    return NULL;
}

/* Second-hand: a book's own name must not be taken for its own word. */
static void name_book(int64_t id, char key[FEED_KEY_SIZE])
{
    for (size_t i = 0; i < sizeof BOOKS / sizeof BOOKS[0]; i++) {
        if (BOOKS[i].id == id) {
            snprintf(key, FEED_KEY_SIZE, "bp-%s", BOOKS[i].key);
            return;
        }
    }
    snprintf(key, FEED_KEY_SIZE, "bp-%lld", (long long)id);
}

static struct feed_line *line_at(struct feed *feed, const struct offer *offer, double point,
                                 const char *path)
{
    for (size_t i = offer->first; i < feed->line_count; i++) {
        struct feed_line *line = &feed->lines[i];
        if (line->line == point && strcmp(line->book, offer->book) == 0) {
            return line;
        }
    }
    struct feed_line *line = FEED_ADD(feed, line);
    snprintf(line->player, sizeof line->player, "%s", offer->player);
    snprintf(line->book, sizeof line->book, "%s", offer->book);
    snprintf(line->market, sizeof line->market, "%s", offer->market);
    snprintf(line->path, sizeof line->path, "%s", path);
    line->line = point;
    line->over_price = line->under_price = MESSAGE_NONE;
    return line;
}

static void read_line(struct feed *feed, const struct offer *offer, const json_t *object,
                      const char *path)
{
    struct feed_reader reader = feed_reader_of(object);
    const json_t *value = json_object_get(reader.object, "line");
    double point = json_is_number(value) ? json_number_value(value) : -1;
    int64_t cost = feed_int(&reader, "cost", REQ, -100000, 100000);
    const json_t *said = json_object_get(reader.object, "active");
    bool active = said == NULL || json_is_null(said) || feed_bool(&reader, "active");
    if (!(point >= 0 && point <= 200)) {
        feed_break(&reader, "line: not a number within 0..200");
    } else if (cost != MESSAGE_NONE && llabs(cost) < 100) {
        feed_break(&reader, "cost: no American odds");
    } else if (feed->line_count - offer->first >= FEED_MARKET_LINES_MAX) {
        feed_break(&reader, "more than %d lines of one offer", FEED_MARKET_LINES_MAX);
    }
    feed->items++;
    if (reader.rule[0] == '\0' && active) {
        struct feed_line *line = line_at(feed, offer, point, path);
        int64_t *side = offer->over ? &line->over_price : &line->under_price;
        if (*side == MESSAGE_NONE) {
            *side = cost;
            return;
        }
        feed_break(&reader, "line: the same side is already in %.100s", line->path);
    }
    if (reader.rule[0] != '\0') {
        feed_refuse(feed, path, offer->player, "%s", reader.rule);
    }
}

static void read_book(struct feed *feed, struct offer *offer, const json_t *object,
                      const char *path)
{
    struct feed_reader reader = feed_reader_of(object);
    int64_t id = feed_int(&reader, "id", REQ, 0, 1000000);
    const json_t *lines = feed_member(&reader, "lines", REQ, JSON_ARRAY);
    if (reader.rule[0] != '\0') {
        feed->items++;
        feed_refuse(feed, path, offer->player, "%s", reader.rule);
        return;
    }
    name_book(id, offer->book);
    for (size_t i = 0; id != CONSENSUS && i < json_array_size(lines); i++) {
        char below[FEED_PATH_SIZE];
        snprintf(below, sizeof below, "%.120s.lines[%zu]", path, i);
        read_line(feed, offer, json_array_get(lines, i), below);
    }
}

static void read_selection(struct feed *feed, struct offer *offer, const json_t *object,
                           const char *path)
{
    struct feed_reader reader = feed_reader_of(object);
    char side[16] = "";
    feed_text(&reader, "selection", REQ, side, sizeof side);
    const json_t *books = feed_member(&reader, "books", REQ, JSON_ARRAY);
    offer->over = strcasecmp(side, "over") == 0;
    if (!offer->over && strcasecmp(side, "under") != 0) {
        feed_break(&reader, "selection: neither over nor under");
    }
    if (reader.rule[0] != '\0') {
        feed->items++;
        feed_refuse(feed, path, offer->player, "%s", reader.rule);
        return;
    }
    for (size_t i = 0; i < json_array_size(books); i++) {
        char below[FEED_PATH_SIZE];
        snprintf(below, sizeof below, "%.100s.books[%zu]", path, i);
        read_book(feed, offer, json_array_get(books, i), below);
    }
}

/* All of a body are of one event: that of the first. */
static void read_event(struct feed *feed, struct feed_reader *reader)
{
    char event_id[FEED_EVENT_SIZE] = "";
    int64_t id = feed_int(reader, "event_id", REQ, 1, FEED_BP_ID_MAX);
    if (id == MESSAGE_NONE) {
        return;
    }
    feed_bp_event_id(id, event_id);
    if (feed->event_count == 0) {
        strcpy(((struct feed_event *)FEED_ADD(feed, event))->event_id, event_id);
        snprintf(feed->events[0].path, sizeof feed->events[0].path, "offers[0].event_id");
    } else if (strcmp(feed->events[0].event_id, event_id) != 0) {
        feed_break(reader, "event_id: %lld is another event", (long long)id);
    }
}

static void read_offer(struct feed *feed, const json_t *object, const char *path)
{
    struct feed_reader reader = feed_reader_of(object);
    struct offer offer = {.first = feed->line_count};
    offer.market = market_of(feed_int(&reader, "market_id", REQ, 0, 100000));
    const json_t *people = feed_member(&reader, "participants", REQ, JSON_ARRAY),
                 *selections = feed_member(&reader, "selections", REQ, JSON_ARRAY);
    struct feed_reader person = feed_reader_of(json_array_get(people, 0));
    feed_text(&person, "name", REQ, offer.player, sizeof offer.player);
    if (offer.market == NULL) {
        feed_break(&reader, "market_id: no market that is known");
    }
    if (person.rule[0] != '\0') {
        feed_break(&reader, "participants[0]: %.150s", person.rule);
    }
    if (reader.rule[0] == '\0') {
        read_event(feed, &reader);
    }
    if (reader.rule[0] != '\0') {
        feed->items++;
        feed_refuse(feed, path, offer.player, "%s", reader.rule);
        return;
    }
    for (size_t i = 0; i < json_array_size(selections); i++) {
        char below[FEED_PATH_SIZE];
        snprintf(below, sizeof below, "%.80s.selections[%zu]", path, i);
        read_selection(feed, &offer, json_array_get(selections, i), below);
    }
    feed_odds_mark_main(feed, offer.first);
}

int feed_bp_offers(const void *body, size_t size, struct feed *out, char error[FEED_ERROR_SIZE])
{
    json_t *root = feed_open(body, size, JSON_OBJECT, error);
    const json_t *list = root != NULL ? feed_bp_open(root, "offers", error) : NULL;
    for (size_t i = 0; i < json_array_size(list); i++) {
        char path[40];
        snprintf(path, sizeof path, "offers[%zu]", i);
        read_offer(out, json_array_get(list, i), path);
    }
    if (json_array_size(list) >= PAGE) {
        feed_refuse(out, "offers", NULL, "a full page: what is behind it was not asked for");
    }
    json_decref(root);
    return list != NULL ? 0 : -1;
}
