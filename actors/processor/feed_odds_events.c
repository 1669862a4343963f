/* The Odds API, /v4/sports/S/events: which games have odds, under which id. */
#include "actors/processor/feed_read.h"

#include <stdio.h>
#include <string.h>

/* The id goes into a URL later: nothing but letters, digits, '-' and '_' is one. */
static void check_id(struct feed_reader *reader, const char *id)
{
    static const char ALLOWED[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    if (id[strspn(id, ALLOWED)] != '\0') {
        feed_break(reader, "id: holds something else than letters and digits");
    }
}

void feed_odds_head(struct feed_reader *reader, struct feed_event *event)
{
    feed_text(reader, "id", REQ, event->event_id, sizeof event->event_id);
    check_id(reader, event->event_id);
    event->commence_us = feed_time(reader, "commence_time", REQ);
    feed_text(reader, "home_team", REQ, event->home, sizeof event->home);
    feed_text(reader, "away_team", REQ, event->away, sizeof event->away);
}

void feed_odds_once(struct feed_reader *reader, const struct feed *feed,
                    const struct feed_event *event)
{
    for (size_t i = 0; i + 1 < feed->event_count; i++) {
        if (strcmp(feed->events[i].event_id, event->event_id) == 0) {
            feed_break(reader, "id: is already in %.40s", feed->events[i].path);
        }
    }
}

int feed_odds_array(const void *body, size_t size, feed_odds_row *row, struct feed *out,
                    char error[FEED_ERROR_SIZE])
{
    json_t *root = feed_open(body, size, JSON_ARRAY, error);
    if (root == NULL) {
        return -1;
    }
    for (size_t i = 0; i < json_array_size(root); i++) {
        if (out->event_count == FEED_EVENTS_MAX) {
            feed_refuse(out, "[]", NULL, "more than %d events", FEED_EVENTS_MAX);
            break;
        }
        row(out, json_array_get(root, i), i);
    }
    json_decref(root);
    return 0;
}

void feed_odds_list(struct feed *out, const json_t *list, const char *prefix)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct feed_reader reader = feed_reader_of(json_array_get(list, i));
        out->items++;
        if (out->event_count == FEED_EVENTS_MAX) {
            feed_refuse(out, "[]", NULL, "more than %d events", FEED_EVENTS_MAX);
            break;
        }
        struct feed_event *event = FEED_ADD(out, event);
        snprintf(event->path, sizeof event->path, "%s[%zu]", prefix, i);
        feed_odds_head(&reader, event);
        feed_odds_once(&reader, out, event);
        if (reader.rule[0] != '\0') {
            struct feed_event bad = *event;
            out->event_count--;
            feed_refuse(out, bad.path, bad.event_id, "%s", reader.rule);
        }
    }
}

int feed_odds_events(const void *body, size_t size, struct feed *out, char error[FEED_ERROR_SIZE])
{
    json_t *root = feed_open(body, size, JSON_ARRAY, error);
    if (root == NULL) {
        return -1;
    }
    feed_odds_list(out, root, "");
    json_decref(root);
    return 0;
}
