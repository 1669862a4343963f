/* The Odds API, /v4/sports/S/events/E/odds: the lines of one event. An outcome is one side of a line; two sides are one line
 * if book, market, player and point are the same. Several lines of a player at one book are alternates of one main line. */
#include "actors/processor/feed_read.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* American prices are whole and 100 or more away from zero; what lies between 1 and 100 is decimal, whatever its type. */
int64_t feed_odds_price(struct feed_reader *reader)
{
    const json_t *value = json_object_get(reader->object, "price");
    int64_t price = 0;
    if (!json_is_number(value)) {
        feed_break(reader, "price: %s",
                   value == NULL || json_is_null(value) ? "missing" : "not a number");
        return MESSAGE_NONE;
    }
    if (feed_whole(value, &price) == 0 && llabs(price) >= 100 && llabs(price) <= 100000) {
        return price;
    }
    double decimal = json_number_value(value);
    if (!(decimal > 1.001 && decimal < 100)) {
        feed_break(reader, "price: neither American nor decimal odds");
        return MESSAGE_NONE;
    }
    return decimal >= 2 ? llround((decimal - 1) * 100) : -llround(100 / (decimal - 1));
}

static double read_point(struct feed_reader *reader)
{
    const json_t *value = json_object_get(reader->object, "point");
    double point = json_is_number(value) ? json_number_value(value) : -1;
    if (!json_is_number(value)) {
        feed_break(reader, "point: %s",
                   value == NULL || json_is_null(value) ? "missing" : "not a number");
    } else if (!(point >= 0 && point <= 200)) {
        feed_break(reader, "point: outside 0..200");
    }
    return point;
}

/* Where a book's market is in the body, and the first of its lines. */
struct market {
    char book[FEED_KEY_SIZE], key[FEED_KEY_SIZE];
    char path[FEED_PATH_SIZE];
    size_t first;
};

static struct feed_line *find_line(struct feed *feed, const struct market *market,
                                   const char *player, double point)
{
    for (size_t i = market->first; i < feed->line_count; i++) {
        struct feed_line *line = &feed->lines[i];
        if (line->line == point && strcmp(line->player, player) == 0) {
            return line;
        }
    }
    return NULL;
}

static void read_outcome(struct feed *feed, const struct market *market, const json_t *object,
                         const char *path)
{
    struct feed_reader reader = feed_reader_of(object);
    char side[16] = "", player[FEED_NAME_SIZE] = "";
    feed->items++;
    feed_text(&reader, "name", REQ, side, sizeof side);
    feed_text(&reader, "description", REQ, player, sizeof player);
    int64_t price = feed_odds_price(&reader);
    double point = read_point(&reader);
    bool over = strcasecmp(side, "over") == 0;
    if (!over && strcasecmp(side, "under") != 0) {
        feed_break(&reader, "name: neither Over nor Under");
    }
    struct feed_line *line = reader.rule[0] == '\0' ? find_line(feed, market, player, point) : NULL;
    if (line != NULL && (over ? line->over_price : line->under_price) != MESSAGE_NONE) {
        feed_break(&reader, "outcome: the same side of the same line is already in %.100s",
                   line->path);
    }
    if (line == NULL && feed->line_count - market->first == FEED_MARKET_LINES_MAX) {
        feed_break(&reader, "outcome: more than %d lines in one market", FEED_MARKET_LINES_MAX);
    }
    if (reader.rule[0] != '\0') {
        feed_refuse(feed, path, player, "%s", reader.rule);
        return;
    }
    if (line == NULL) {
        line = FEED_ADD(feed, line);
        snprintf(line->player, sizeof line->player, "%s", player);
        snprintf(line->book, sizeof line->book, "%s", market->book);
        snprintf(line->market, sizeof line->market, "%s", market->key);
        snprintf(line->path, sizeof line->path, "%s", path);
        line->line = point;
        line->over_price = line->under_price = MESSAGE_NONE;
    }
    *(over ? &line->over_price : &line->under_price) = price;
}

/* How uneven the two sides are, in the books' own unit: cents from even money. */
static int64_t unevenness(const struct feed_line *line)
{
    int64_t over = line->over_price > 0 ? line->over_price - 100 : line->over_price + 100;
    int64_t under = line->under_price > 0 ? line->under_price - 100 : line->under_price + 100;
    return llabs(over - under);
}

static bool better_main(const struct feed_line *a, const struct feed_line *b)
{
    int64_t a_uneven = unevenness(a), b_uneven = unevenness(b);
    return a_uneven < b_uneven || (a_uneven == b_uneven && a->line < b->line);
}

void feed_odds_mark_main(struct feed *feed, size_t first)
{
    for (size_t i = first; i < feed->line_count; i++) {
        struct feed_line *line = &feed->lines[i];
        line->main = line->over_price != MESSAGE_NONE && line->under_price != MESSAGE_NONE;
        for (size_t j = first; line->main && j < feed->line_count; j++) {
            const struct feed_line *other = &feed->lines[j];
            if (j != i && other->over_price != MESSAGE_NONE && other->under_price != MESSAGE_NONE &&
                strcmp(line->book, other->book) == 0 && strcmp(line->player, other->player) == 0 &&
                strcmp(line->market, other->market) == 0 && better_main(other, line)) {
                line->main = false;
            }
        }
    }
}

static void read_market(struct feed *feed, const json_t *object, struct market *market)
{
    struct feed_reader reader = feed_reader_of(object);
    feed_text(&reader, "key", REQ, market->key, sizeof market->key);
    const json_t *outcomes = feed_member(&reader, "outcomes", REQ, JSON_ARRAY);
    if (reader.rule[0] != '\0') {
        feed->items++;
        feed_refuse(feed, market->path, market->book, "%s", reader.rule);
        return;
    }
    if (strncmp(market->key, "player_", 7) != 0) {
        return; /* lines of the game, not of players: nobody here reads them */
    }
    market->first = feed->line_count;
    for (size_t i = 0; i < json_array_size(outcomes); i++) {
        char path[FEED_PATH_SIZE];
        snprintf(path, sizeof path, "%.100s.outcomes[%zu]", market->path, i);
        read_outcome(feed, market, json_array_get(outcomes, i), path);
    }
    feed_odds_mark_main(feed, market->first);
}

/* False: refused as a whole. */
static bool read_book(struct feed *feed, const json_t *object, const char *path)
{
    struct feed_reader reader = feed_reader_of(object);
    struct market market = {.first = feed->line_count};
    size_t before = feed->line_count;
    snprintf(market.path, sizeof market.path, "%s", path);
    feed_text(&reader, "key", REQ, market.book, sizeof market.book);
    const json_t *markets = feed_member(&reader, "markets", REQ, JSON_ARRAY);
    if (reader.rule[0] != '\0') {
        feed->items++;
        feed_refuse(feed, market.path, market.book, "%s", reader.rule);
        return false;
    }
    for (size_t i = 0; i < json_array_size(markets); i++) {
        snprintf(market.path, sizeof market.path, "%.100s.markets[%zu]", path, i);
        read_market(feed, json_array_get(markets, i), &market);
    }
    feed->books += feed->line_count > before;
    return true;
}

int feed_odds_event(struct feed *feed, const json_t *object, const char *prefix, bool markets,
                    char error[FEED_ERROR_SIZE])
{
    struct feed_reader reader = feed_reader_of(object);
    struct feed_event *event = FEED_ADD(feed, event);
    snprintf(event->path, sizeof event->path, "%sid", prefix);
    feed_odds_head(&reader, event);
    const json_t *books = feed_member(&reader, "bookmakers", REQ, JSON_ARRAY);
    if (reader.rule[0] != '\0') {
        snprintf(error, FEED_ERROR_SIZE, "%s%.180s", prefix, reader.rule);
        feed_free(feed);
        return -1;
    }
    for (size_t i = 0; i < json_array_size(books); i++) {
        char path[FEED_PATH_SIZE];
        size_t known = feed->books;
        snprintf(path, sizeof path, "%sbookmakers[%zu]", prefix, i);
        if (read_book(feed, json_array_get(books, i), path) && markets) {
            feed_odds_book(feed, feed->event_count - 1, json_array_get(books, i), path);
            feed->books = known + (feed->books > known);
        }
    }
    return 0;
}

int feed_odds_props(const void *body, size_t size, struct feed *out, char error[FEED_ERROR_SIZE])
{
    json_t *root = feed_open(body, size, JSON_OBJECT, error);
    int result = root != NULL ? feed_odds_event(out, root, "", false, error) : -1;
    json_decref(root);
    return result;
}
