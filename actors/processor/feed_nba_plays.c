/* The league's play-by-play, /static/json/liveData/playbyplay/playbyplay_GAME.json: what happened in a game, action by action. Scores are
 * text; what an action is worth stands in what it is and whether it went in. */
#include "actors/processor/feed_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *kind;
    int64_t points;
} WORTH[] = {{"2pt", 2}, {"3pt", 3}, {"heave", 3}, {"freethrow", 1}};

static int64_t worth_of(const char *kind, const char *result)
{
    for (size_t i = 0; strcmp(result, "Made") == 0 && i < sizeof WORTH / sizeof WORTH[0]; i++) {
        if (strcmp(WORTH[i].kind, kind) == 0) {
            return WORTH[i].points;
        }
    }
    return 0;
}

/* "99", or nothing. */
static int64_t read_score(struct feed_reader *reader, const char *name)
{
    char text[8] = "", *end = NULL;
    feed_text(reader, name, OPT, text, sizeof text);
    long score = strtol(text, &end, 10);
    if (text[0] == '\0') {
        return MESSAGE_NONE;
    }
    if (*end != '\0' || score < 0 || score > 300) {
        feed_break(reader, "%s: not a number within 0..300", name);
    }
    return score;
}

static void read_action(struct feed *feed, const json_t *object, const char *path)
{
    struct feed_reader reader = feed_reader_of(object);
    struct feed_play *play = FEED_ADD(feed, play);
    char result[16] = "";
    feed->items++;
    snprintf(play->path, sizeof play->path, "%s", path);
    play->number = feed_int(&reader, "actionNumber", REQ, 1, FEED_PLAY_NUMBER_MAX);
    play->period = feed_int(&reader, "period", REQ, 1, 14);
    play->player_id = feed_int(&reader, "personId", OPT, 0, 9999999999);
    feed_text_cut(&reader, "clock", play->clock, sizeof play->clock);
    feed_text(&reader, "teamTricode", OPT, play->team, sizeof play->team);
    feed_text(&reader, "actionType", REQ, play->kind, sizeof play->kind);
    feed_text(&reader, "shotResult", OPT, result, sizeof result);
    play->home_score = read_score(&reader, "scoreHome");
    play->away_score = read_score(&reader, "scoreAway");
    play->points = worth_of(play->kind, result);
    if (play->player_id == 0) {
        play->player_id = MESSAGE_NONE; /* the team's, or nobody's */
    }
    if (play->points > 0 && play->player_id == MESSAGE_NONE) {
        feed_break(&reader, "personId: missing, and it went in");
    }
    for (size_t i = 0; reader.rule[0] == '\0' && i + 1 < feed->play_count; i++) {
        if (feed->plays[i].number == play->number) {
            feed_break(&reader, "actionNumber: is already in %.60s", feed->plays[i].path);
        }
    }
    if (reader.rule[0] != '\0') {
        feed->play_count--;
        feed_refuse(feed, path, NULL, "%s", reader.rule);
    }
}

int feed_nba_plays(const void *body, size_t size, struct feed *out, char error[FEED_ERROR_SIZE])
{
    json_t *root = feed_open(body, size, JSON_OBJECT, error);
    if (root == NULL) {
        return -1;
    }
    struct feed_reader reader = feed_reader_of(json_object_get(root, "game"));
    feed_text(&reader, "gameId", REQ, out->game_id, sizeof out->game_id);
    const json_t *actions = feed_member(&reader, "actions", REQ, JSON_ARRAY);
    int result = 0;
    if (reader.rule[0] != '\0') {
        snprintf(error, FEED_ERROR_SIZE, "game: %.180s", reader.rule);
        feed_free(out);
        result = -1;
    }
    for (size_t i = 0; result == 0 && i < json_array_size(actions); i++) {
        char path[40];
        snprintf(path, sizeof path, "game.actions[%zu]", i);
        if (i == FEED_PLAYS_MAX) {
            feed_refuse(out, path, NULL, "more than %d actions", FEED_PLAYS_MAX);
            break;
        }
        read_action(out, json_array_get(actions, i), path);
    }
    json_decref(root);
    return result;
}
