/* balldontlie, /v1/box_scores/live and /v1/box_scores?date=: games with a line per player. Both shapes: the older one has
 * no game id, no datetime and no plus_minus. */
#include "actors/processor/feed_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct count {
    const char *name; /* in the body */
    size_t offset;    /* in struct feed_stats */
    int64_t most;
};
#define COUNT(name, member, most)                                                                  \
    {                                                                                              \
        name, offsetof(struct feed_stats, member), most                                            \
    }
static const struct count COUNTS[] = {
    COUNT("pts", points, 200),
    COUNT("reb", rebounds, 100),
    COUNT("oreb", offensive_rebounds, 100),
    COUNT("dreb", defensive_rebounds, 100),
    COUNT("ast", assists, 100),
    COUNT("stl", steals, 60),
    COUNT("blk", blocks, 60),
    COUNT("turnover", turnovers, 60),
    COUNT("pf", personal_fouls, 12),
    COUNT("fgm", field_goals_made, 100),
    COUNT("fga", field_goals_attempted, 120),
    COUNT("fg3m", three_pointers_made, 60),
    COUNT("fg3a", three_pointers_attempted, 90),
    COUNT("ftm", free_throws_made, 90),
    COUNT("fta", free_throws_attempted, 100),
};
#define COUNTS_SIZE (sizeof COUNTS / sizeof COUNTS[0])

static int64_t *count_of(struct feed_stats *stats, const struct count *count)
{
    return (int64_t *)(void *)((char *)stats + count->offset);
}

/* "37", "00", "35:22", a number, null or "". `played`: anything but 00. Seconds are cut off. */
static void read_minutes(struct feed_reader *reader, struct feed_stats *stats)
{
    const json_t *value = json_object_get(reader->object, "min");
    stats->minutes = 0;
    if (value == NULL || json_is_null(value)) {
        return;
    }
    int64_t number = 0;
    if (feed_whole(value, &number) == 0) {
        stats->minutes = number;
        stats->played = number != 0;
    } else if (json_is_string(value)) {
        const char *text = json_string_value(value);
        char *end = NULL;
        size_t digits = strspn(text, "0123456789");
        const char *rest = text + digits;
        bool seconds = rest[0] == ':' && strspn(rest + 1, "0123456789") == 2 && rest[3] == '\0' &&
                       rest[1] < '6';
        if (text[0] == '\0') {
            return;
        }
        if (digits == 0 || digits > 3 || (rest[0] != '\0' && !seconds)) {
            feed_break(reader, "min: neither minutes nor minutes:seconds");
            return;
        }
        stats->minutes = strtol(text, &end, 10);
        stats->played = strcmp(text, "00") != 0 && strcmp(text, "00:00") != 0;
    } else {
        feed_break(reader, "min: neither a string nor a whole number");
    }
    if (stats->minutes < 0 || stats->minutes > 100) {
        feed_break(reader, "min: %lld is outside 0..100", (long long)stats->minutes);
    }
}

/* A player who never came in may have nulls for zeros; for anyone else a missing count is a broken row. */
static void read_counts(struct feed_reader *reader, struct feed_stats *stats)
{
    const char *missing = NULL;
    for (size_t i = 0; i < COUNTS_SIZE; i++) {
        int64_t value = feed_int(reader, COUNTS[i].name, OPT, 0, COUNTS[i].most);
        if (value == MESSAGE_NONE) {
            missing = missing == NULL ? COUNTS[i].name : missing;
            value = 0;
        }
        *count_of(stats, &COUNTS[i]) = value;
        stats->played = stats->played || value != 0;
    }
    stats->plus_minus = feed_int(reader, "plus_minus", OPT, -150, 150);
    stats->played = stats->played || (stats->plus_minus != MESSAGE_NONE && stats->plus_minus != 0);
    if (missing != NULL && stats->played) {
        feed_break(reader, "%s: missing", missing);
    }
}

static void at_most(struct feed_reader *reader, const char *a_name, int64_t a, const char *b_name,
                    int64_t b)
{
    if (a > b) {
        feed_break(reader, "%s: %lld is more than %s, %lld", a_name, (long long)a, b_name,
                   (long long)b);
    }
}

static void check_sums(struct feed_reader *reader, const struct feed_stats *stats)
{
    at_most(reader, "fgm", stats->field_goals_made, "fga", stats->field_goals_attempted);
    at_most(reader, "fg3m", stats->three_pointers_made, "fg3a", stats->three_pointers_attempted);
    at_most(reader, "fg3m", stats->three_pointers_made, "fgm", stats->field_goals_made);
    at_most(reader, "fg3a", stats->three_pointers_attempted, "fga", stats->field_goals_attempted);
    at_most(reader, "ftm", stats->free_throws_made, "fta", stats->free_throws_attempted);
    int64_t points =
        2 * stats->field_goals_made + stats->three_pointers_made + stats->free_throws_made;
    if (stats->points != points) {
        feed_break(reader, "pts: %lld is not 2*fgm + fg3m + ftm, %lld", (long long)stats->points,
                   (long long)points);
    }
    int64_t rebounds = stats->offensive_rebounds + stats->defensive_rebounds;
    if (stats->rebounds != rebounds) {
        feed_break(reader, "reb: %lld is not oreb + dreb, %lld", (long long)stats->rebounds,
                   (long long)rebounds);
    }
}

static void read_name(struct feed_reader *line, struct feed_player *player)
{
    const json_t *object = feed_member(line, "player", REQ, JSON_OBJECT);
    if (object == NULL) {
        return;
    }
    struct feed_reader reader = feed_reader_of(object);
    char first[FEED_NAME_SIZE], last[FEED_NAME_SIZE];
    player->source_id = feed_int(&reader, "id", REQ, 1, 4999999999);
    feed_text(&reader, "first_name", OPT, first, sizeof first);
    feed_text(&reader, "last_name", OPT, last, sizeof last);
    if (first[0] == '\0' && last[0] == '\0') {
        feed_break(&reader, "first_name, last_name: missing");
    } else if (strlen(first) + strlen(last) + 1 >= sizeof player->name) {
        feed_break(&reader, "first_name, last_name: longer than %zu bytes",
                   sizeof player->name - 1);
    } else {
        strcpy(player->name, first);
        strcat(player->name, first[0] != '\0' && last[0] != '\0' ? " " : "");
        strcat(player->name, last);
    }
    if (reader.rule[0] != '\0') {
        feed_break(line, "player.%.150s", reader.rule);
    }
}

void feed_bdl_line(struct feed *feed, const json_t *object, size_t game, bool home,
                   const char *path)
{
    feed->items++;
    if (feed->games[game].players == FEED_GAME_PLAYERS_MAX) {
        feed_refuse(feed, path, NULL, "more than %d players in one game", FEED_GAME_PLAYERS_MAX);
        return;
    }
    struct feed_reader reader = feed_reader_of(object);
    struct feed_player *player = FEED_ADD(feed, player);
    player->game = game;
    player->home = home;
    snprintf(player->path, sizeof player->path, "%s", path);
    read_name(&reader, player);
    read_minutes(&reader, &player->stats);
    read_counts(&reader, &player->stats);
    check_sums(&reader, &player->stats);
    for (size_t i = 0; i + 1 < feed->player_count; i++) {
        if (feed->players[i].game == game && feed->players[i].source_id == player->source_id) {
            feed_break(&reader, "player.id: %lld is already in %.100s",
                       (long long)player->source_id, feed->players[i].path);
        }
    }
    if (reader.rule[0] != '\0') {
        char about[FEED_ABOUT_SIZE];
        snprintf(about, sizeof about, "%.64s (%lld)", player->name, (long long)player->source_id);
        feed->player_count--;
        feed_refuse(feed, path, player->source_id > 0 ? about : NULL, "%s", reader.rule);
        return;
    }
    feed->games[game].players++;
}

static void read_side(struct feed *feed, const json_t *object, const char *name, const char *path,
                      bool home)
{
    const json_t *list = json_object_get(json_object_get(object, name), "players");
    if (list == NULL || json_is_null(list)) {
        return;
    }
    if (!json_is_array(list)) {
        feed_refuse(feed, path, NULL, "%s.players: not an array", name);
        return;
    }
    feed->games[feed->game_count - 1].has_box = true;
    for (size_t i = 0; i < json_array_size(list); i++) {
        char where[FEED_PATH_SIZE];
        snprintf(where, sizeof where, "%.60s.%s.players[%zu]", path, name, i);
        feed_bdl_line(feed, json_array_get(list, i), feed->game_count - 1, home, where);
    }
}

int feed_bdl_box_scores(const void *body, size_t size, struct feed *out,
                        char error[FEED_ERROR_SIZE])
{
    json_t *root = feed_open(body, size, JSON_OBJECT, error);
    if (root == NULL) {
        return -1;
    }
    const json_t *data = json_object_get(root, "data");
    int result = 0;
    if (!json_is_array(data)) {
        snprintf(error, FEED_ERROR_SIZE, "data: not an array");
        result = -1;
    }
    for (size_t i = 0; result == 0 && i < json_array_size(data); i++) {
        const json_t *object = json_array_get(data, i);
        char path[40];
        snprintf(path, sizeof path, "data[%zu]", i);
        if (feed_bdl_head(out, object, path)) {
            read_side(out, object, "home_team", path, true);
            read_side(out, object, "visitor_team", path, false);
        }
    }
    json_decref(root);
    return result;
}
