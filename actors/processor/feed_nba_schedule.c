/* The league's schedule, scheduleLeagueV2: game ids, days, tips, sides; never the state of a game that has begun. Games
 * whose teams are not decided yet, and pre-season and all-star games, are no rows. */
#include "actors/processor/feed_read.h"

#include <stdio.h>
#include <string.h>

/* What the id begins with: regular season, play-offs, play-in, cup final. */
static bool counts(const char *game_id)
{
    static const char *const KINDS[] = {"002", "004", "005", "006"};
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
        if (strncmp(game_id, KINDS[i], 3) == 0) {
            return true;
        }
    }
    return false;
}

static void read_team(struct feed_reader *game, const char *name, struct feed_team *team)
{
    struct feed_reader reader = feed_reader_of(feed_member(game, name, REQ, JSON_OBJECT));
    team->source_id = feed_int(&reader, "teamId", OPT, 0, 9999999999);
    feed_text(&reader, "teamTricode", OPT, team->code, sizeof team->code);
    feed_text(&reader, "teamName", OPT, team->name, sizeof team->name);
    if (reader.rule[0] != '\0') {
        feed_break(game, "%s.%.150s", name, reader.rule);
    }
}

/* Midnight Eastern is how the source writes that the tip is not set. */
static int64_t read_tip(struct feed_reader *reader)
{
    char eastern[40] = "";
    feed_text(reader, "gameDateTimeEst", OPT, eastern, sizeof eastern);
    int64_t tip = feed_time(reader, "gameDateTimeUTC", OPT);
    return strstr(eastern, "T00:00:00") != NULL ? MESSAGE_NONE : tip;
}

static void read_game(struct feed *feed, const json_t *object, const char *path)
{
    if (feed->game_count == FEED_GAMES_MAX) {
        feed_refuse(feed, path, NULL, "more than %d games", FEED_GAMES_MAX);
        return;
    }
    struct feed_reader reader = feed_reader_of(object);
    struct feed_game *game = FEED_ADD(feed, game);
    char postponed[16] = "", status_text[64] = "";
    snprintf(game->path, sizeof game->path, "%s", path);
    feed_text(&reader, "gameId", REQ, game->game_id, sizeof game->game_id);
    if (reader.rule[0] == '\0' && !counts(game->game_id)) {
        feed->game_count--;
        return;
    }
    feed->items++;
    game->source_id = game->home_score = game->away_score = MESSAGE_NONE;
    game->date = feed_date(&reader, "gameDateEst", REQ);
    game->tip_us = read_tip(&reader);
    game->neutral = feed_bool(&reader, "isNeutral");
    int64_t status = feed_int(&reader, "gameStatus", REQ, 1, 3);
    feed_text(&reader, "postponedStatus", OPT, postponed, sizeof postponed);
    feed_text(&reader, "gameStatusText", OPT, status_text, sizeof status_text);
    read_team(&reader, "homeTeam", &game->home);
    read_team(&reader, "awayTeam", &game->away);
    bool off = postponed[0] == 'Y' || strcasestr(status_text, "ppd") ||
               strcasestr(status_text, "postponed");
    game->status = off           ? FEED_POSTPONED
                   : status == 3 ? FEED_FINAL
                   : status == 2 ? FEED_IN_PROGRESS
                                 : FEED_SCHEDULED;
    if (strlen(game->game_id) != 10 || game->game_id[strspn(game->game_id, "0123456789")] != '\0') {
        feed_break(&reader, "gameId: not ten digits");
    }
    if (reader.rule[0] != '\0') {
        struct feed_game bad = *game;
        feed->game_count--;
        feed_refuse(feed, path, bad.game_id, "%s", reader.rule);
    } else if (game->home.code[0] == '\0' || game->away.code[0] == '\0') {
        feed->game_count--;
        feed->items--;
    }
}

int feed_nba_schedule(const void *body, size_t size, struct feed *out, char error[FEED_ERROR_SIZE])
{
    json_t *root = feed_open(body, size, JSON_OBJECT, error);
    if (root == NULL) {
        return -1;
    }
    const json_t *days = json_object_get(json_object_get(root, "leagueSchedule"), "gameDates");
    int result = 0;
    if (!json_is_array(days)) {
        snprintf(error, FEED_ERROR_SIZE, "leagueSchedule.gameDates: not an array");
        result = -1;
    }
    for (size_t day = 0; result == 0 && day < json_array_size(days); day++) {
        const json_t *games = json_object_get(json_array_get(days, day), "games");
        if (!json_is_array(games)) {
            char path[60];
            snprintf(path, sizeof path, "leagueSchedule.gameDates[%zu]", day);
            feed_refuse(out, path, NULL, "games: not an array");
            continue;
        }
        for (size_t i = 0; i < json_array_size(games); i++) {
            char path[80];
            snprintf(path, sizeof path, "leagueSchedule.gameDates[%zu].games[%zu]", day, i);
            read_game(out, json_array_get(games, i), path);
        }
    }
    json_decref(root);
    return result;
}
