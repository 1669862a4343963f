/* balldontlie's odds: the same lines as The Odds API's, in its own shape. Numbers of lines are strings there. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sim/bdl.h"
#include "sim/odds_api.h"

#define ODDS_ID 500000000
#define PROP_ID 600000000

static json_t *decimal_of(double value)
{
    char text[24];
    snprintf(text, sizeof text, "%.1f", value);
    return json_string(text);
}

static json_t *price_of(int american)
{
    return american != 0 ? json_integer(american) : json_null();
}

static bool is_up(const struct scene *scene, int index)
{
    enum night_status status = scene->state[index].status;
    return status != NIGHT_FINAL && status != NIGHT_POSTPONED;
}

static void set(json_t *row, bool there, const char *key, json_t *value)
{
    json_object_set_new(row, key, there ? json_incref(value) : json_null());
    json_decref(value);
}

static json_t *odds_of(const struct scene *scene, int index)
{
    const struct night_game *game = &scene->root->games[index];
    double spread = game->spread_home;
    char updated[32];
    scene_time(scene->now_us, true, updated);
    json_t *row =
        json_pack("{s:I, s:I, s:s, s:s}", "id", (json_int_t)(ODDS_ID + game->bdl_id), "game_id",
                  (json_int_t)game->bdl_id, "vendor", "draftkings", "updated_at", updated);
    set(row, game->has_spread, "spread_home_value", decimal_of(spread));
    set(row, game->has_spread, "spread_home_odds", json_integer(-110));
    set(row, game->has_spread, "spread_away_value", decimal_of(-spread));
    set(row, game->has_spread, "spread_away_odds", json_integer(-110));
    set(row, game->has_spread, "moneyline_home_odds", json_integer(odds_api_moneyline(spread)));
    set(row, game->has_spread, "moneyline_away_odds", json_integer(odds_api_moneyline(-spread)));
    set(row, game->has_total, "total_value", decimal_of(game->total));
    set(row, game->has_total, "total_over_odds", json_integer(-110));
    set(row, game->has_total, "total_under_odds", json_integer(-110));
    return row;
}

json_t *bdl_odds(const struct scene *scene, const struct bdl_query *query)
{
    json_t *data = json_array(), *meta = json_pack("{s:i}", "per_page", query->per_page);
    bool tonight = false;
    for (int i = 0; i < query->date_count; i++) {
        tonight = tonight || query->dates[i] == scene->root->date;
    }
    for (int i = (int)query->cursor; tonight && i < scene->game_count; i++) {
        if (json_array_size(data) == (size_t)query->per_page) {
            json_object_set_new(meta, "next_cursor", json_integer(i));
            break;
        }
        const struct night_game *game = &scene->root->games[i];
        if (is_up(scene, i) && (game->has_spread || game->has_total)) {
            json_array_append_new(data, odds_of(scene, i));
        }
    }
    return json_pack("{s:o, s:o}", "data", data, "meta", meta);
}

/* ---- players ---- */

static void add_prop(json_t *data, const struct night_game *game, int64_t player,
                     const struct night_odds *odds, double line, json_t *market)
{
    char updated[32];
    scene_time(odds->snapshot_us, true, updated);
    json_array_append_new(data, json_pack("{s:I, s:I, s:I, s:s, s:s, s:o, s:o, s:s}", "id",
                                          (json_int_t)(PROP_ID + (int64_t)json_array_size(data)),
                                          "game_id", (json_int_t)game->bdl_id, "player_id",
                                          (json_int_t)player, "vendor", odds->book, "prop_type",
                                          "points", "line_value", decimal_of(line), "market",
                                          market, "updated_at", updated));
}

json_t *bdl_player_props(const struct scene *scene, int64_t game_id)
{
    json_t *data = json_array();
    for (int i = 0; i < scene->game_count; i++) {
        const struct night_game *game = &scene->root->games[i];
        for (size_t k = 0; game->bdl_id == game_id && is_up(scene, i) && k < game->odds_count;
             k++) {
            const struct night_odds *odds = &game->odds[k];
            int player = root_player_find(scene->root, odds->player_id);
            if (player < 0 ||
                odds->snapshot_us != odds_api_newest_us(game, odds->book, scene->now_us)) {
                continue;
            }
            add_prop(data, game, scene->root->players[player].bdl_id, odds, odds->line,
                     json_pack("{s:s, s:o, s:o}", "type", "over_under", "over_odds",
                               price_of(odds->over_price), "under_odds",
                               price_of(odds->under_price)));
            if (odds->main) {
                add_prop(data, game, scene->root->players[player].bdl_id, odds,
                         ceil(odds->line / 5 + 1) * 5,
                         json_pack("{s:s, s:i}", "type", "milestone", "odds", 200));
            }
        }
    }
    return json_pack("{s:o, s:{s:i}}", "data", data, "meta", "per_page", 25);
}
