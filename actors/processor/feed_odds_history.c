/* The Odds API, /v4/historical/...: what it answered at an instant of the past. The same bodies as of today, wrapped: when they held,
 * and when the snapshots before and behind are. Prices and rules are those of today's feeds. */
#include "actors/processor/feed_read.h"

#include <stdio.h>
#include <string.h>

/* The neighbours are only checked: who wants them asks for their instants. */
static void read_neighbours(struct feed *feed, const json_t *root)
{
    static const char *const names[] = {"previous_timestamp", "next_timestamp"};
    for (size_t i = 0; i < 2; i++) {
        struct feed_reader reader = feed_reader_of(root);
        int64_t instant = feed_time(&reader, names[i], OPT);
        if (instant != MESSAGE_NONE &&
            (i == 0 ? instant >= feed->snapshot_us : instant <= feed->snapshot_us)) {
            feed_break(&reader, "%s: not %s the timestamp", names[i], i == 0 ? "before" : "behind");
        }
        if (reader.rule[0] != '\0') {
            feed_refuse(feed, names[i], NULL, "%s", reader.rule);
        }
    }
}

/* NULL with `error`, else the body, whose `data` is of that type. */
static json_t *open_wrapped(const void *body, size_t size, json_type type, struct feed *out,
                            char error[FEED_ERROR_SIZE])
{
    json_t *root = feed_open(body, size, JSON_OBJECT, error);
    if (root == NULL) {
        return NULL;
    }
    struct feed_reader reader = feed_reader_of(root);
    out->snapshot_us = feed_time(&reader, "timestamp", REQ);
    (void)feed_member(&reader, "data", REQ, type);
    if (reader.rule[0] != '\0') {
        snprintf(error, FEED_ERROR_SIZE, "%.190s", reader.rule);
        out->snapshot_us = 0;
        json_decref(root);
        return NULL;
    }
    read_neighbours(out, root);
    return root;
}

int feed_odds_history_events(const void *body, size_t size, struct feed *out,
                             char error[FEED_ERROR_SIZE])
{
    json_t *root = open_wrapped(body, size, JSON_ARRAY, out, error);
    if (root == NULL) {
        return -1;
    }
    feed_odds_list(out, json_object_get(root, "data"), "data");
    json_decref(root);
    return 0;
}

int feed_odds_history(const void *body, size_t size, struct feed *out, char error[FEED_ERROR_SIZE])
{
    json_t *root = open_wrapped(body, size, JSON_OBJECT, out, error);
    int result = root != NULL
                     ? feed_odds_event(out, json_object_get(root, "data"), "data.", true, error)
                     : -1;
    json_decref(root);
    return result;
}
