/* balldontlie, /v2/odds/player_props: what each vendor offers on each player of one game, one row per player, vendor, kind and line, in no
 * pages. Players are numbers. A milestone (30 or more) has no under and is no line; it is set aside, as is a kind that nobody here reads. */
#include "actors/processor/feed_read.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *type;
    const char *market; /* as The Odds API calls it */
} TYPES[] = {{"points", "player_points"},   {"rebounds", "player_rebounds"},
             {"assists", "player_assists"}, {"threes", "player_threes"},
             {"steals", "player_steals"},   {"blocks", "player_blocks"}};

/* Sound rows that are no lines: how many, and where the first is. */
struct aside {
    size_t rows;
    char path[40];
};

struct reading {
    struct feed *feed;
    struct aside milestones, others, unpriced;
};

static void put_aside(struct aside *self, const char *path)
{
    if (self->rows++ == 0) {
        snprintf(self->path, sizeof self->path, "%s", path);
    }
}

static const char *market_of(const char *type)
{
    for (size_t i = 0; i < sizeof TYPES / sizeof TYPES[0]; i++) {
        if (strcmp(TYPES[i].type, type) == 0) {
            return TYPES[i].market;
        }
    }
    return NULL;
}

/* All of a body are of one game: that of the first row that has one. */
static void check_game(struct feed *feed, struct feed_reader *reader, const char *path)
{
    struct feed_event event = {.source_id = MESSAGE_NONE};
    feed_bdl_event(reader, &event);
    if (reader->rule[0] != '\0') {
        return;
    }
    if (feed->event_count == 0) {
        snprintf(event.path, sizeof event.path, "%s", path);
        *(struct feed_event *)FEED_ADD(feed, event) = event;
    } else if (feed->events[0].source_id != event.source_id) {
        feed_break(reader, "game_id: %lld is another game", (long long)event.source_id);
    }
}

static void check_once(const struct feed *feed, struct feed_reader *reader,
                       const struct feed_line *line)
{
    for (size_t i = 0; i < feed->line_count; i++) {
        const struct feed_line *other = &feed->lines[i];
        if (other->source_id == line->source_id && other->line == line->line &&
            strcmp(other->book, line->book) == 0 && strcmp(other->market, line->market) == 0) {
            feed_break(reader, "line_value: the same line is already in %.100s", other->path);
            return;
        }
    }
    if (feed->line_count == FEED_PROP_LINES_MAX) {
        feed_break(reader, "more than %d lines", FEED_PROP_LINES_MAX);
    }
}

/* Over and under; true: it has neither price. */
static bool read_prices(struct feed_reader *reader, const json_t *market, struct feed_line *line)
{
    struct feed_reader prices = feed_reader_of(market);
    line->over_price = feed_bdl_price(&prices, "over_odds");
    line->under_price = feed_bdl_price(&prices, "under_odds");
    if (prices.rule[0] != '\0') {
        feed_break(reader, "market.%.150s", prices.rule);
    }
    return line->over_price == MESSAGE_NONE && line->under_price == MESSAGE_NONE;
}

static void read_row(struct reading *self, const json_t *object, const char *path)
{
    struct feed *feed = self->feed;
    struct feed_reader reader = feed_reader_of(object);
    struct feed_line line = {.line = NAN};
    char type[48] = "", kind[24] = "";
    feed->items++;
    line.source_id = feed_int(&reader, "player_id", REQ, 1, FEED_BDL_PLAYER_MAX);
    feed_bdl_book(&reader, line.book);
    feed_text(&reader, "prop_type", REQ, type, sizeof type);
    line.line = feed_bdl_decimal(&reader, "line_value", 0, 200);
    const json_t *market = feed_member(&reader, "market", REQ, JSON_OBJECT);
    struct feed_reader inner = {.object = market};
    feed_text(&inner, "type", REQ, kind, sizeof kind);
    bool milestone = strcmp(kind, "milestone") == 0;
    if (inner.rule[0] != '\0') {
        feed_break(&reader, "market.%.150s", inner.rule);
    } else if (!milestone && strcmp(kind, "over_under") != 0) {
        feed_break(&reader, "market.type: neither over_under nor milestone");
    }
    check_game(feed, &reader, path);
    bool read_here = !milestone && market_of(type) != NULL;
    bool unpriced = read_here && read_prices(&reader, market, &line);
    if (read_here && !unpriced && isnan(line.line)) {
        feed_break(&reader, "line_value: missing");
    }
    snprintf(line.player, sizeof line.player, "%lld", (long long)line.source_id);
    if (reader.rule[0] == '\0' && read_here && !unpriced) {
        snprintf(line.market, sizeof line.market, "%s", market_of(type));
        check_once(feed, &reader, &line);
    }
    if (reader.rule[0] != '\0') {
        feed_refuse(feed, path, line.source_id != MESSAGE_NONE ? line.player : NULL, "%s",
                    reader.rule);
    } else if (milestone) {
        put_aside(&self->milestones, path);
    } else if (!read_here) {
        put_aside(&self->others, path);
    } else if (unpriced) {
        put_aside(&self->unpriced, path);
    } else {
        snprintf(line.path, sizeof line.path, "%s", path);
        *(struct feed_line *)FEED_ADD(feed, line) = line;
    }
}

int feed_bdl_props(const void *body, size_t size, struct feed *out, char error[FEED_ERROR_SIZE])
{
    struct reading reading = {.feed = out};
    json_t *root = feed_open(body, size, JSON_OBJECT, error);
    const json_t *data = json_object_get(root, "data");
    int result = json_is_array(data) ? 0 : -1;
    if (root != NULL && result != 0) {
        snprintf(error, FEED_ERROR_SIZE, "data: not an array");
    }
    for (size_t i = 0; i < json_array_size(data); i++) {
        char path[40];
        snprintf(path, sizeof path, "data[%zu]", i);
        if (i == FEED_PROPS_MAX) {
            feed_refuse(out, path, NULL, "more than %d rows", FEED_PROPS_MAX);
            break;
        }
        read_row(&reading, json_array_get(data, i), path);
    }
    feed_odds_mark_main(out, 0);
    feed_set_aside(out, reading.milestones.path, reading.milestones.rows, "milestones");
    feed_set_aside(out, reading.others.path, reading.others.rows, "other prop_types");
    feed_set_aside(out, reading.unpriced.path, reading.unpriced.rows, "without a price");
    json_decref(root);
    return result;
}
