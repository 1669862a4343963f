/* BettingPros, /v3/events: the games of a day under its own ids. Teams are codes, times are UTC with a space in the middle. */
#include "actors/processor/feed_read.h"
#include "config/clock.h"

#include <stdio.h>
#include <string.h>

/* "2021-10-21 23:30:00" */
static int64_t read_start(struct feed_reader *reader)
{
    char text[24] = "", whole[32];
    int64_t instant = MESSAGE_NONE;
    feed_text(reader, "scheduled", REQ, text, sizeof text);
    snprintf(whole, sizeof whole, "%.10sT%.8sZ", text, strlen(text) > 11 ? text + 11 : "");
    if (text[0] != '\0' &&
        (strlen(text) != 19 || text[10] != ' ' || clock_parse_utc(whole, &instant) != 0)) {
        feed_break(reader, "scheduled: not an instant");
    }
    return instant;
}

static void read_event(struct feed *feed, const json_t *object, size_t index)
{
    struct feed_reader reader = feed_reader_of(object);
    struct feed_event *event = FEED_ADD(feed, event);
    feed->items++;
    snprintf(event->path, sizeof event->path, "events[%zu]", index);
    int64_t id = feed_int(&reader, "id", REQ, 1, FEED_BP_ID_MAX);
    feed_text(&reader, "home", REQ, event->home, sizeof event->home);
    feed_text(&reader, "visitor", REQ, event->away, sizeof event->away);
    event->commence_us = read_start(&reader);
    if (id != MESSAGE_NONE) {
        feed_bp_event_id(id, event->event_id);
    }
    for (size_t i = 0; i + 1 < feed->event_count; i++) {
        if (reader.rule[0] == '\0' && strcmp(feed->events[i].event_id, event->event_id) == 0) {
            feed_break(&reader, "id: is already in %.40s", feed->events[i].path);
        }
    }
    if (reader.rule[0] != '\0') {
        struct feed_event bad = *event;
        feed->event_count--;
        feed_refuse(feed, bad.path, bad.event_id, "%s", reader.rule);
    }
}

void feed_bp_event_id(int64_t id, char event_id[FEED_EVENT_SIZE])
{
    snprintf(event_id, FEED_EVENT_SIZE, "bp-%lld", (long long)id);
}

const json_t *feed_bp_open(json_t *root, const char *name, char error[FEED_ERROR_SIZE])
{
    const json_t *list = json_object_get(root, name);
    if (!json_is_array(list)) {
        snprintf(error, FEED_ERROR_SIZE, "%s: not an array", name);
        return NULL;
    }
    return list;
}

int feed_bp_events(const void *body, size_t size, struct feed *out, char error[FEED_ERROR_SIZE])
{
    json_t *root = feed_open(body, size, JSON_OBJECT, error);
    const json_t *list = root != NULL ? feed_bp_open(root, "events", error) : NULL;
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (out->event_count == FEED_EVENTS_MAX) {
            feed_refuse(out, "events", NULL, "more than %d events", FEED_EVENTS_MAX);
            break;
        }
        read_event(out, json_array_get(list, i), i);
    }
    json_decref(root);
    return list != NULL ? 0 : -1;
}
