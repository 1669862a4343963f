/* balldontlie, /v1/games: the day's games and their states. Also the head of a game, which /v1/box_scores shares. */
#include "actors/processor/feed_read.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

void feed_bdl_team_of(struct feed_reader *reader, struct feed_team *team)
{
    team->source_id = feed_int(reader, "id", OPT, 0, 9999999999);
    feed_text(reader, "abbreviation", OPT, team->code, sizeof team->code);
    feed_text(reader, "name", OPT, team->name, sizeof team->name);
    feed_text(reader, "full_name", OPT, team->full_name, sizeof team->full_name);
}

void feed_bdl_team(struct feed_reader *game, const char *name, struct feed_team *team)
{
    const json_t *object = feed_member(game, name, REQ, JSON_OBJECT);
    team->source_id = MESSAGE_NONE;
    if (object == NULL) {
        return;
    }
    if (json_is_object(json_object_get(object, "team"))) {
        object = json_object_get(object, "team"); /* the shape of the vendor's specification */
    }
    struct feed_reader reader = feed_reader_of(object);
    feed_bdl_team_of(&reader, team);
    if (reader.rule[0] != '\0') {
        feed_break(game, "%s.%.150s", name, reader.rule);
    }
}

static bool mentions(const char *text, const char *word)
{
    return strcasestr(text, word) != NULL;
}

/* Text before the numbers: a finished game keeps its period, a postponed one may have any. */
static enum feed_status status_of(const char *text, int64_t period)
{
    if (mentions(text, "final")) {
        return FEED_FINAL;
    }
    if (mentions(text, "postponed") || mentions(text, "ppd")) {
        return FEED_POSTPONED;
    }
    return period > 0 ? FEED_IN_PROGRESS : FEED_SCHEDULED;
}

/* The game clock is a decoration: one that does not fit is set aside alone. */
static void read_clock(struct feed *feed, const json_t *object, struct feed_game *game)
{
    const json_t *value = json_object_get(object, "time");
    if (!json_is_string(value)) {
        return;
    }
    const char *text = json_string_value(value);
    while (*text == ' ') {
        text++;
    }
    size_t size = strlen(text);
    while (size > 0 && text[size - 1] == ' ') {
        size--;
    }
    if (size >= sizeof game->clock) {
        feed_refuse(feed, game->path, NULL, "time: longer than %zu bytes", sizeof game->clock - 1);
        return;
    }
    memcpy(game->clock, text, size);
    game->clock[size] = '\0';
}

void feed_bdl_state(struct feed_reader *reader, struct feed_game *game)
{
    char status[64] = "";
    game->source_id = feed_int(reader, "id", OPT, 1, 99999999999);
    game->date = feed_date(reader, "date", REQ);
    game->tip_us = feed_time(reader, "datetime", OPT);
    feed_text(reader, "status", OPT, status, sizeof status);
    game->period = feed_int(reader, "period", OPT, 0, 14);
    if (game->period == MESSAGE_NONE) {
        game->period = 0;
    }
    if (status[0] == '\0' && json_object_get(reader->object, "period") == NULL) {
        feed_break(reader, "status: missing, and period too");
    }
    game->status = status_of(status, game->period);
    game->home_score = feed_int(reader, "home_team_score", OPT, 0, 300);
    game->away_score = feed_int(reader, "visitor_team_score", OPT, 0, 300);
}

bool feed_bdl_head(struct feed *feed, const json_t *object, const char *path)
{
    feed->items++;
    if (feed->game_count == FEED_GAMES_MAX) {
        feed_refuse(feed, path, NULL, "more than %d games", FEED_GAMES_MAX);
        return false;
    }
    struct feed_reader reader = feed_reader_of(object);
    struct feed_game *game = FEED_ADD(feed, game);
    snprintf(game->path, sizeof game->path, "%s", path);
    feed_bdl_state(&reader, game);
    feed_bdl_team(&reader, "home_team", &game->home);
    feed_bdl_team(&reader, "visitor_team", &game->away);
    if (reader.rule[0] != '\0') {
        feed->game_count--;
        feed_refuse(feed, path, NULL, "%s", reader.rule);
        return false;
    }
    read_clock(feed, object, game);
    for (size_t i = 0; i + 1 < feed->game_count; i++) {
        if (game->source_id != MESSAGE_NONE && feed->games[i].source_id == game->source_id) {
            feed->game_count--;
            feed_refuse(feed, path, NULL, "id: %lld is already in %s", (long long)game->source_id,
                        feed->games[i].path);
            return false;
        }
    }
    return true;
}

int feed_bdl_games(const void *body, size_t size, struct feed *out, char error[FEED_ERROR_SIZE])
{
    json_t *root = feed_open(body, size, JSON_OBJECT, error);
    if (root == NULL) {
        return -1;
    }
    const json_t *data = json_object_get(root, "data");
    const json_t *cursor = json_object_get(json_object_get(root, "meta"), "next_cursor");
    int result = 0;
    if (json_is_object(data)) { /* /v1/games/{id} */
        feed_bdl_head(out, data, "data");
    } else if (json_is_array(data)) {
        for (size_t i = 0; i < json_array_size(data); i++) {
            char path[40];
            snprintf(path, sizeof path, "data[%zu]", i);
            feed_bdl_head(out, json_array_get(data, i), path);
        }
    } else {
        snprintf(error, FEED_ERROR_SIZE, "data: neither an array nor an object");
        result = -1;
    }
    if (result == 0 && cursor != NULL && !json_is_null(cursor)) {
        feed_refuse(out, "meta.next_cursor", NULL,
                    "more than one page: the rest was not asked for");
    }
    json_decref(root);
    return result;
}
