/* balldontlie, /v1/player_injuries: who is reported hurt, in the reporters' words. */
#include "actors/processor/feed_read.h"

#include <stdio.h>
#include <string.h>

static void read_injury(struct feed *feed, const json_t *object, const char *path)
{
    struct feed_reader reader = feed_reader_of(object);
    struct feed_report *injury = FEED_ADD(feed, report);
    feed->items++;
    snprintf(injury->path, sizeof injury->path, "%s", path);
    const json_t *player = feed_bdl_person(&reader, "player", &injury->source_id, injury->name);
    struct feed_reader of_player = feed_reader_of(player);
    injury->team_id = feed_int(&of_player, "team_id", OPT, 0, 9999999999);
    if (player != NULL && of_player.rule[0] != '\0') {
        feed_break(&reader, "player.%.150s", of_player.rule);
    }
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
    return feed_bdl_list(body, size, read_injury, out, error);
}
