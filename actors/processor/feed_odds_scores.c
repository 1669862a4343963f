/* The Odds API, /v4/sports/S/scores: how its games stand. A score is text. */
#include "actors/processor/feed_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCORE_MOST 300

static int64_t read_number(struct feed_reader *reader)
{
    const json_t *value = json_object_get(reader->object, "score");
    int64_t number = 0;
    if (json_is_string(value)) {
        char *end = NULL;
        const char *text = json_string_value(value);
        number = strtol(text, &end, 10);
        if (end == text || *end != '\0') {
            feed_break(reader, "score: not a number");
        }
    } else if (feed_whole(value, &number) != 0) {
        feed_break(reader, "score: %s",
                   value == NULL || json_is_null(value) ? "missing" : "neither text nor a number");
    }
    if (number < 0 || number > SCORE_MOST) {
        feed_break(reader, "score: outside 0..%d", SCORE_MOST);
    }
    return number;
}

static void read_side(struct feed_reader *game, const json_t *object,
                      const struct feed_event *event, struct feed_score *score)
{
    struct feed_reader reader = feed_reader_of(object);
    char name[FEED_NAME_SIZE] = "";
    feed_text(&reader, "name", REQ, name, sizeof name);
    int64_t number = read_number(&reader);
    int64_t *to = strcmp(name, event->home) == 0   ? &score->home_score
                  : strcmp(name, event->away) == 0 ? &score->away_score
                                                   : NULL;
    if (to == NULL) {
        feed_break(&reader, "name: %.40s is neither side", name);
    } else if (*to != MESSAGE_NONE) {
        feed_break(&reader, "name: %.40s is there twice", name);
    } else {
        *to = number;
    }
    if (reader.rule[0] != '\0') {
        feed_break(game, "scores: %.180s", reader.rule);
    }
}

static void read_score(struct feed_reader *reader, const struct feed_event *event,
                       struct feed_score *score)
{
    const json_t *sides = feed_member(reader, "scores", OPT, JSON_ARRAY);
    score->home_score = score->away_score = MESSAGE_NONE;
    score->over = feed_bool(reader, "completed");
    for (size_t i = 0; reader->rule[0] == '\0' && i < json_array_size(sides); i++) {
        read_side(reader, json_array_get(sides, i), event, score);
    }
    bool home = score->home_score != MESSAGE_NONE, away = score->away_score != MESSAGE_NONE;
    if (home != away) {
        feed_break(reader, "scores: not both sides");
    } else if (score->over && !home) {
        feed_break(reader, "scores: missing, and it is completed");
    }
}

static void read_event(struct feed *feed, const json_t *object, size_t index)
{
    struct feed_reader reader = feed_reader_of(object);
    struct feed_event *event = FEED_ADD(feed, event);
    struct feed_score *score = FEED_ADD(feed, score);
    feed->items++;
    snprintf(event->path, sizeof event->path, "[%zu]", index);
    score->event = feed->event_count - 1;
    feed_odds_head(&reader, event);
    read_score(&reader, event, score);
    (void)feed_time(&reader, "last_update", OPT);
    feed_odds_once(&reader, feed, event);
    if (reader.rule[0] != '\0') {
        struct feed_event bad = *event;
        feed->event_count--;
        feed->score_count--;
        feed_refuse(feed, bad.path, bad.event_id, "%s", reader.rule);
    }
}

int feed_odds_scores(const void *body, size_t size, struct feed *out, char error[FEED_ERROR_SIZE])
{
    return feed_odds_array(body, size, read_event, out, error);
}
