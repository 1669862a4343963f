/* balldontlie, /v1/teams: all teams there are and were. */
#include "actors/processor/feed_read.h"

#include <stdio.h>
#include <string.h>

static void read_club(struct feed *feed, const json_t *object, const char *path)
{
    struct feed_reader reader = feed_reader_of(object);
    struct feed_club *club = FEED_ADD(feed, club);
    char conference[16] = "";
    feed->items++;
    snprintf(club->path, sizeof club->path, "%s", path);
    feed_bdl_team_of(&reader, &club->team);
    feed_text(&reader, "conference", OPT, conference, sizeof conference);
    club->current = conference[strspn(conference, " ")] != '\0';
    if (club->team.source_id == MESSAGE_NONE) {
        feed_break(&reader, "id: missing");
    }
    for (size_t i = 0; i + 1 < feed->club_count; i++) {
        if (reader.rule[0] == '\0' && feed->clubs[i].team.source_id == club->team.source_id) {
            feed_break(&reader, "id: is already in %.40s", feed->clubs[i].path);
        }
    }
    if (reader.rule[0] != '\0') {
        struct feed_club bad = *club;
        feed->club_count--;
        feed_refuse(feed, path, bad.team.full_name, "%s", reader.rule);
    }
}

int feed_bdl_teams(const void *body, size_t size, struct feed *out, char error[FEED_ERROR_SIZE])
{
    return feed_bdl_list(body, size, read_club, out, error);
}
