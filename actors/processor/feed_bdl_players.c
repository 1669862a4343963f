/* balldontlie, /v1/players/active: who belongs to which squad, a page at a time. Also what lists of players have in common. */
#include "actors/processor/feed_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const json_t *feed_bdl_person(struct feed_reader *self, const char *member, int64_t *id,
                              char name[FEED_NAME_SIZE])
{
    char first[FEED_NAME_SIZE] = "", last[FEED_NAME_SIZE] = "";
    const json_t *object =
        member != NULL ? feed_member(self, member, REQ, JSON_OBJECT) : self->object;
    name[0] = '\0';
    *id = MESSAGE_NONE;
    if (object == NULL) {
        return NULL;
    }
    struct feed_reader player = feed_reader_of(object);
    *id = feed_int(&player, "id", REQ, 1, FEED_BDL_PLAYER_MAX);
    feed_text(&player, "first_name", OPT, first, sizeof first);
    feed_text(&player, "last_name", OPT, last, sizeof last);
    int size = snprintf(name, FEED_NAME_SIZE, "%s%s%s", first,
                        first[0] != '\0' && last[0] != '\0' ? " " : "", last);
    if (size == 0) {
        feed_break(&player, "first_name: missing, and last_name too");
    } else if (size >= FEED_NAME_SIZE) {
        name[0] = '\0';
        feed_break(&player, "last_name: the name is longer than %d bytes", FEED_NAME_SIZE - 1);
    }
    if (player.rule[0] != '\0') {
        feed_break(self, "%s%s%.150s", member != NULL ? member : "", member != NULL ? "." : "",
                   player.rule);
    }
    return object;
}

static void read_page(struct feed *feed, const json_t *root)
{
    const json_t *cursor = json_object_get(json_object_get(root, "meta"), "next_cursor");
    if (cursor != NULL && !json_is_null(cursor) &&
        (feed_whole(cursor, &feed->next_page) != 0 || feed->next_page <= 0)) {
        feed->next_page = 0;
        feed_refuse(feed, "meta.next_cursor", NULL, "not a whole number above 0");
    }
}

int feed_bdl_list(const void *body, size_t size, feed_bdl_row *row, struct feed *out,
                  char error[FEED_ERROR_SIZE])
{
    json_t *root = feed_open(body, size, JSON_OBJECT, error);
    if (root == NULL) {
        return -1;
    }
    const json_t *data = json_object_get(root, "data");
    int result = json_is_array(data) ? 0 : -1;
    if (result != 0) {
        snprintf(error, FEED_ERROR_SIZE, "data: not an array");
    }
    for (size_t i = 0; result == 0 && i < json_array_size(data); i++) {
        char path[40];
        snprintf(path, sizeof path, "data[%zu]", i);
        if (i == FEED_LISTED_MAX) {
            feed_refuse(out, path, NULL, "more than %d rows", FEED_LISTED_MAX);
            break;
        }
        row(out, json_array_get(data, i), path);
    }
    if (result == 0) {
        read_page(out, root);
    }
    json_decref(root);
    return result;
}

/* "250", or nothing; what is no number is a decoration that is set aside alone. */
static int64_t read_weight(struct feed *feed, struct feed_reader *reader, const char *path)
{
    char text[16] = "", *end = NULL;
    feed_text_cut(reader, "weight", text, sizeof text);
    long weight = strtol(text, &end, 10);
    if (text[0] == '\0') {
        return MESSAGE_NONE;
    }
    if (*end != '\0' || weight < 50 || weight > 600) {
        feed_refuse(feed, path, text, "weight: not a number within 50..600");
        return MESSAGE_NONE;
    }
    return weight;
}

static void read_player(struct feed *feed, const json_t *object, const char *path)
{
    struct feed_reader reader = feed_reader_of(object);
    struct feed_listed *listed = FEED_ADD(feed, listed);
    feed->items++;
    snprintf(listed->path, sizeof listed->path, "%s", path);
    listed->game_source_id = MESSAGE_NONE;
    (void)feed_bdl_person(&reader, NULL, &listed->source_id, listed->name);
    listed->team.source_id = MESSAGE_NONE;
    if (feed_member(&reader, "team", OPT, JSON_OBJECT) != NULL) { /* some who are free have none */
        feed_bdl_team(&reader, "team", &listed->team);
    }
    feed_text_cut(&reader, "position", listed->position, sizeof listed->position);
    feed_text_cut(&reader, "height", listed->height, sizeof listed->height);
    feed_text_cut(&reader, "jersey_number", listed->jersey, sizeof listed->jersey);
    listed->weight = read_weight(feed, &reader, path);
    for (size_t i = 0; i + 1 < feed->listed_count; i++) {
        if (reader.rule[0] == '\0' && feed->listeds[i].source_id == listed->source_id) {
            feed_break(&reader, "id: is already in %.40s", feed->listeds[i].path);
        }
    }
    if (reader.rule[0] != '\0') {
        struct feed_listed bad = *listed;
        feed->listed_count--;
        feed_refuse(feed, path, bad.name, "%s", reader.rule);
    }
}

int feed_bdl_players(const void *body, size_t size, struct feed *out, char error[FEED_ERROR_SIZE])
{
    return feed_bdl_list(body, size, read_player, out, error);
}
