#include "sim/bettingpros.h"

#include <stdio.h>
#include <string.h>

#include "config/clock.h"
#include "sim/odds_api.h"

#define POINTS 156

static const struct {
    int id;
    const char *key; /* as the lines' file has it */
} books[] = {{10, "fanduel"},   {12, "draftkings"}, {13, "williamhill_us"}, {14, "pointsbetus"},
             {18, "betrivers"}, {19, "betmgm"},     {24, "bet365"}};

/* Its own numbers: the games' without what they have in common. */
static int64_t id_of(const struct night_game *game)
{
    return game->bdl_id - ROOT_STAND_IN_GAME + 20000;
}

static json_t *event_of(const struct scene *scene, int index)
{
    const struct night_game *game = &scene->root->games[index];
    const struct night_team *teams = scene->root->teams;
    enum night_status status = scene->state[index].status;
    char start[32] = "";
    scene_time(game->tip_us, false, start);
    start[10] = ' ';
    start[19] = '\0';
    return json_pack("{s:I, s:s, s:s, s:i, s:s, s:s, s:s}", "id", (json_int_t)id_of(game), "sport",
                     "NBA", "scheduled", start, "season", scene->root->season_start, "status",
                     status == NIGHT_FINAL      ? "closed"
                     : scene_live(scene, index) ? "inprogress"
                                                : "scheduled",
                     "home", teams[game->team[NIGHT_HOME]].code, "visitor",
                     teams[game->team[NIGHT_AWAY]].code);
}

json_t *bettingpros_events(const struct scene *scene, int32_t date)
{
    json_t *events = json_array();
    for (int i = 0; date == scene->root->date && i < scene->game_count; i++) {
        if (scene->state[i].status != NIGHT_POSTPONED) {
            json_array_append_new(events, event_of(scene, i));
        }
    }
    return json_pack("{s:{s:s}, s:o}", "_parameters", "sport", "NBA", "events", events);
}

/* ---- offers ---- */

static json_t *selection_of(json_t *offer, bool over)
{
    return json_array_get(json_object_get(offer, "selections"), over ? 0 : 1);
}

static json_t *offer_in(json_t *offers, const struct night_game *game, const char *player)
{
    for (size_t i = 0; i < json_array_size(offers); i++) {
        json_t *person =
            json_array_get(json_object_get(json_array_get(offers, i), "participants"), 0);
        if (strcmp(json_string_value(json_object_get(person, "name")), player) == 0) {
            return json_array_get(offers, i);
        }
    }
    json_array_append_new(offers,
                          json_pack("{s:I, s:i, s:[{s:s}], s:[{s:s, s:[]}, {s:s, s:[]}]}",
                                    "event_id", (json_int_t)id_of(game), "market_id", POINTS,
                                    "participants", "name", player, "selections", "selection",
                                    "over", "books", "selection", "under", "books"));
    return json_array_get(offers, json_array_size(offers) - 1);
}

static void add_line(json_t *selection, int book, double line, int cost)
{
    json_t *list = json_object_get(selection, "books"), *last = NULL;
    size_t count = json_array_size(list);
    if (cost == 0) {
        return;
    }
    if (count > 0 &&
        json_integer_value(json_object_get(json_array_get(list, count - 1), "id")) == book) {
        last = json_array_get(list, count - 1);
    } else {
        last = json_pack("{s:i, s:[]}", "id", book, "lines");
        json_array_append_new(list, last);
    }
    json_array_append_new(
        json_object_get(last, "lines"),
        json_pack("{s:f, s:i, s:b, s:b}", "line", line, "cost", cost, "active", 1, "best", 0));
}

json_t *bettingpros_offers(const struct scene *scene, int64_t event_id)
{
    json_t *offers = json_array();
    for (int i = 0; i < scene->game_count; i++) {
        const struct night_game *game = &scene->root->games[i];
        for (size_t b = 0; id_of(game) == event_id && b < sizeof books / sizeof *books; b++) {
            int64_t newest_us = odds_api_newest_us(game, books[b].key, scene->now_us);
            for (size_t k = 0; k < game->odds_count; k++) {
                const struct night_odds *odds = &game->odds[k];
                if (strcmp(odds->book, books[b].key) != 0 || odds->snapshot_us != newest_us ||
                    odds->snapshot_us > scene->now_us) {
                    continue;
                }
                json_t *offer = offer_in(offers, game, odds->player_name);
                add_line(selection_of(offer, true), books[b].id, odds->line, odds->over_price);
                add_line(selection_of(offer, false), books[b].id, odds->line, odds->under_price);
            }
        }
    }
    return json_pack("{s:o}", "offers", offers);
}
