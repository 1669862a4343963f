/* balldontlie, /v1/stats: lines of single players, each with its game and his team, a page at a time. A game names its sides by id only;
 * the teams of its players have names. */
#include "actors/processor/feed_read.h"

#include <stdio.h>
#include <string.h>

/* The game of that id, with its sides; SIZE_MAX if a rule is broken. Every line says it anew: the first counts. */
static size_t read_game(struct feed *feed, struct feed_reader *row, const char *path)
{
    const json_t *object = feed_member(row, "game", REQ, JSON_OBJECT);
    struct feed_game game = {.source_id = MESSAGE_NONE};
    if (object == NULL) {
        return SIZE_MAX;
    }
    struct feed_reader reader = feed_reader_of(object);
    feed_bdl_state(&reader, &game);
    game.home.source_id = feed_int(&reader, "home_team_id", REQ, 1, 9999999999);
    game.away.source_id = feed_int(&reader, "visitor_team_id", REQ, 1, 9999999999);
    if (game.source_id == MESSAGE_NONE) {
        feed_break(&reader, "id: missing");
    }
    if (reader.rule[0] != '\0') {
        feed_break(row, "game.%.150s", reader.rule);
        return SIZE_MAX;
    }
    for (size_t i = 0; i < feed->game_count; i++) {
        if (feed->games[i].source_id == game.source_id) {
            return i;
        }
    }
    snprintf(game.path, sizeof game.path, "%.60s.game", path);
    *(struct feed_game *)FEED_ADD(feed, game) = game;
    return feed->game_count - 1;
}

/* Whether he plays at home; his team's names are the side's. */
static bool read_side(struct feed_reader *row, struct feed_game *game)
{
    struct feed_team team = {.source_id = MESSAGE_NONE};
    feed_bdl_team(row, "team", &team);
    struct feed_team *side = team.source_id == game->home.source_id   ? &game->home
                             : team.source_id == game->away.source_id ? &game->away
                                                                      : NULL;
    if (side == NULL) {
        feed_break(row, "team.id: %lld is neither side of the game", (long long)team.source_id);
        return false;
    }
    if (row->rule[0] == '\0') {
        *side = team;
    }
    return side == &game->home;
}

static void read_line(struct feed *feed, const json_t *object, const char *path)
{
    struct feed_reader row = feed_reader_of(object);
    size_t game = row.object != NULL ? read_game(feed, &row, path) : SIZE_MAX;
    bool home = game != SIZE_MAX && read_side(&row, &feed->games[game]);
    if (row.rule[0] != '\0') {
        feed->items++;
        feed_refuse(feed, path, NULL, "%s", row.rule);
        return;
    }
    feed->games[game].has_box = true;
    feed_bdl_line(feed, object, game, home, path);
}

int feed_bdl_stats(const void *body, size_t size, struct feed *out, char error[FEED_ERROR_SIZE])
{
    return feed_bdl_list(body, size, read_line, out, error);
}
