/* balldontlie, /v2/odds: who wins, the spread and the total of each game, one row per game and vendor, a page at a time. Everything in a row
 * may be null: a market of which nothing is there is not offered. Also what its odds have in common. */
#include "actors/processor/feed_read.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A market: its key as The Odds API has it, and its members; no point: NULL. */
static const struct kind {
    const char *key;
    const char *first_point, *second_point; /* the same one: over and under */
    const char *first_price, *second_price;
    double least, most; /* of the point */
} KINDS[] = {
    {"h2h", NULL, NULL, "moneyline_home_odds", "moneyline_away_odds", 0, 0},
    {"spreads", "spread_home_value", "spread_away_value", "spread_home_odds", "spread_away_odds",
     -100, 100},
    {"totals", "total_value", "total_value", "total_over_odds", "total_under_odds", 50, 500},
};

/* Second-hand: a book's own name must not be taken for its own word. */
void feed_bdl_book(struct feed_reader *self, char book[FEED_KEY_SIZE])
{
    static const char PREFIX[] = "bdl-";
    char vendor[FEED_KEY_SIZE - sizeof PREFIX + 1] = "";
    feed_text(self, "vendor", REQ, vendor, sizeof vendor);
    snprintf(book, FEED_KEY_SIZE, "%s%s", PREFIX, vendor);
}

double feed_bdl_decimal(struct feed_reader *self, const char *name, double least, double most)
{
    const json_t *value = json_object_get(self->object, name);
    double number = NAN;
    if (value == NULL || json_is_null(value)) {
        return NAN;
    }
    if (json_is_number(value)) {
        number = json_number_value(value);
    } else if (json_is_string(value)) {
        const char *text = json_string_value(value);
        char *end = NULL;
        bool plain = text[0] != '\0' && text[strspn(text, "+-.0123456789")] == '\0';
        number = plain ? strtod(text, &end) : NAN;
        number = plain && *end == '\0' ? number : NAN;
    }
    if (!(number >= least && number <= most)) {
        feed_break(self, "%s: not a number within %g..%g", name, least, most);
        return NAN;
    }
    return number;
}

int64_t feed_bdl_price(struct feed_reader *self, const char *name)
{
    int64_t price = feed_int(self, name, OPT, -100000, 100000);
    if (price != MESSAGE_NONE && llabs(price) < 100) {
        feed_break(self, "%s: no American odds", name);
        return MESSAGE_NONE;
    }
    return price;
}

void feed_bdl_event(struct feed_reader *self, struct feed_event *event)
{
    event->source_id = feed_int(self, "game_id", REQ, 1, 99999999999);
    snprintf(event->event_id, sizeof event->event_id, "bdl-%lld", (long long)event->source_id);
}

/* A market of the row; nothing of it there: no market. */
static void read_market(struct feed *feed, const struct kind *kind, const json_t *object,
                        const char *book, const char *path)
{
    struct feed_reader reader = feed_reader_of(object);
    double first = 0, second = 0;
    int64_t first_price = feed_bdl_price(&reader, kind->first_price),
            second_price = feed_bdl_price(&reader, kind->second_price);
    bool priced = first_price != MESSAGE_NONE && second_price != MESSAGE_NONE;
    bool empty = first_price == MESSAGE_NONE && second_price == MESSAGE_NONE;
    if (kind->first_point != NULL) {
        first = feed_bdl_decimal(&reader, kind->first_point, kind->least, kind->most);
        second = feed_bdl_decimal(&reader, kind->second_point, kind->least, kind->most);
        priced = priced && !isnan(first) && !isnan(second);
        empty = empty && isnan(first) && isnan(second);
    }
    if (reader.rule[0] == '\0' && empty) {
        return;
    }
    if (!priced) {
        feed_break(&reader, "%s: not both sides", kind->key);
    } else if (kind->first_point != kind->second_point && first != -second) {
        feed_break(&reader, "%s: %g and %g are not each other's opposite", kind->key, first,
                   second);
    }
    if (reader.rule[0] != '\0') {
        feed_refuse(feed, path, book, "%s", reader.rule);
        return;
    }
    struct feed_market *market = FEED_ADD(feed, market);
    market->event = feed->event_count - 1;
    snprintf(market->book, sizeof market->book, "%s", book);
    snprintf(market->market, sizeof market->market, "%s", kind->key);
    snprintf(market->path, sizeof market->path, "%s", path);
    market->point = kind->first_point != NULL ? first : NAN;
    market->first_price = first_price;
    market->second_price = second_price;
}

/* Where the same game at the same vendor was before; NULL: nowhere. */
static const char *same_before(const struct feed *feed, int64_t source_id, const char *book)
{
    for (size_t i = 0; i < feed->market_count; i++) {
        const struct feed_market *market = &feed->markets[i];
        if (feed->events[market->event].source_id == source_id && strcmp(market->book, book) == 0) {
            return market->path;
        }
    }
    return NULL;
}

/* Each row is an event of its own, though several may have one id. */
static void read_row(struct feed *feed, const json_t *object, const char *path)
{
    struct feed_reader reader = feed_reader_of(object);
    struct feed_event event = {.source_id = MESSAGE_NONE};
    char book[FEED_KEY_SIZE] = "";
    feed->items++;
    feed_bdl_event(&reader, &event);
    feed_bdl_book(&reader, book);
    const char *before = same_before(feed, event.source_id, book);
    if (before != NULL) {
        feed_break(&reader, "vendor: the game's odds of it are already in %.100s", before);
    }
    if (reader.rule[0] != '\0') {
        feed_refuse(feed, path, book, "%s", reader.rule);
        return;
    }
    snprintf(event.path, sizeof event.path, "%s", path);
    *(struct feed_event *)FEED_ADD(feed, event) = event;
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
        read_market(feed, &KINDS[i], object, book, path);
    }
}

int feed_bdl_odds(const void *body, size_t size, struct feed *out, char error[FEED_ERROR_SIZE])
{
    return feed_bdl_list(body, size, read_row, out, error);
}
