/* balldontlie, /v1/player_injuries: who is reported hurt, in the reporters' words. */
#include "actors/processor/feed_read.h"

#include <stdio.h>
#include <string.h>

/* "first_name last_name"; either may be missing, not both. */
static void read_player(struct feed_reader *reader, struct feed_report *injury)
{
    char first[FEED_NAME_SIZE] = "", last[FEED_NAME_SIZE] = "";
    const json_t *object = feed_member(reader, "player", REQ, JSON_OBJECT);
    if (object == NULL) {
        return;
    }
    struct feed_reader player = feed_reader_of(object);
    injury->source_id = feed_int(&player, "id", REQ, 1, 9999999999);
    injury->team_id = feed_int(&player, "team_id", OPT, 0, 9999999999);
    feed_text(&player, "first_name", OPT, first, sizeof first);
    feed_text(&player, "last_name", OPT, last, sizeof last);
    int size = snprintf(injury->name, sizeof injury->name, "%s%s%s", first,
                        first[0] != '\0' && last[0] != '\0' ? " " : "", last);
    if (size == 0) {
        feed_break(&player, "first_name: missing, and last_name too");
    } else if (size >= (int)sizeof injury->name) {
        feed_break(&player, "last_name: the name is longer than %zu bytes",
                   sizeof injury->name - 1);
    }
    if (player.rule[0] != '\0') {
        feed_break(reader, "player.%.150s", player.rule);
    }
}

static void read_injury(struct feed *feed, const json_t *object, const char *path)
{
    struct feed_reader reader = feed_reader_of(object);
    struct feed_report *injury = FEED_ADD(feed, report);
    feed->items++;
    snprintf(injury->path, sizeof injury->path, "%s", path);
    read_player(&reader, injury);
    feed_text(&reader, "status", REQ, injury->status, sizeof injury->status);
    feed_text_cut(&reader, "return_date", injury->return_date, sizeof injury->return_date);
    feed_text_cut(&reader, "description", injury->description, sizeof injury->description);
    for (size_t i = 0; i + 1 < feed->report_count; i++) {
        if (reader.rule[0] == '\0' && feed->reports[i].source_id == injury->source_id) {
            feed_break(&reader, "player.id: is already in %.40s", feed->reports[i].path);
        }
    }
    if (reader.rule[0] != '\0') {
        struct feed_report bad = *injury;
        feed->report_count--;
        feed_refuse(feed, path, bad.name, "%s", reader.rule);
    }
}

int feed_bdl_injuries(const void *body, size_t size, struct feed *out, char error[FEED_ERROR_SIZE])
{
    json_t *root = feed_open(body, size, JSON_OBJECT, error);
    if (root == NULL) {
        return -1;
    }
    const json_t *data = json_object_get(root, "data");
    const json_t *cursor = json_object_get(json_object_get(root, "meta"), "next_cursor");
    int result = 0;
    if (!json_is_array(data)) {
        snprintf(error, FEED_ERROR_SIZE, "data: not an array");
        result = -1;
    }
    for (size_t i = 0; result == 0 && i < json_array_size(data); i++) {
        char path[40];
        snprintf(path, sizeof path, "data[%zu]", i);
        if (i == FEED_INJURIES_MAX) {
            feed_refuse(out, path, NULL, "more than %d players", FEED_INJURIES_MAX);
            break;
        }
        read_injury(out, json_array_get(data, i), path);
    }
    if (result == 0 && cursor != NULL && !json_is_null(cursor) &&
        (feed_whole(cursor, &out->next_page) != 0 || out->next_page <= 0)) {
        out->next_page = 0;
        feed_refuse(out, "meta.next_cursor", NULL, "not a whole number above 0");
    }
    json_decref(root);
    return result;
}
