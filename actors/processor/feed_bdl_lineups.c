/* balldontlie, /v1/lineups: who stands in the line-up of games that have begun. */
#include "actors/processor/feed_read.h"

#include <stdio.h>
#include <string.h>

static void read_entry(struct feed *feed, const json_t *object, const char *path)
{
    struct feed_reader reader = feed_reader_of(object);
    struct feed_listed *listed = FEED_ADD(feed, listed);
    feed->items++;
    snprintf(listed->path, sizeof listed->path, "%s", path);
    listed->weight = MESSAGE_NONE;
    listed->game_source_id = feed_int(&reader, "game_id", REQ, 1, 99999999999);
    (void)feed_bdl_person(&reader, "player", &listed->source_id, listed->name);
    feed_bdl_team(&reader, "team", &listed->team);
    feed_text_cut(&reader, "position", listed->position, sizeof listed->position);
    listed->starter = feed_bool(&reader, "starter");
    for (size_t i = 0; i + 1 < feed->listed_count; i++) {
        if (reader.rule[0] == '\0' && feed->listeds[i].source_id == listed->source_id &&
            feed->listeds[i].game_source_id == listed->game_source_id) {
            feed_break(&reader, "player.id: is already in %.40s", feed->listeds[i].path);
        }
    }
    if (reader.rule[0] != '\0') {
        struct feed_listed bad = *listed;
        feed->listed_count--;
        feed_refuse(feed, path, bad.name, "%s", reader.rule);
    }
}

int feed_bdl_lineups(const void *body, size_t size, struct feed *out, char error[FEED_ERROR_SIZE])
{
    int result = feed_bdl_list(body, size, read_entry, out, error);
    if (result == 0 && out->next_page > 0) {
        feed_refuse(out, "meta.next_cursor", NULL,
                    "more than one page: the rest was not asked for");
    }
    return result;
}
