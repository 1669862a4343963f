#include "sim/odds_api.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "config/clock.h"

#define DROPPED_US (4 * 3600 * INT64_C(1000000)) /* so long after its start an event is gone */
#define BOOKS_MAX 64

static const struct {
    const char *key, *title;
} titles[] = {{"draftkings", "DraftKings"}, {"fanduel", "FanDuel"},
              {"betmgm", "BetMGM"},         {"betonlineag", "BetOnline.ag"},
              {"betrivers", "BetRivers"},   {"bovada", "Bovada"},
              {"fanatics", "Fanatics"},     {"williamhill_us", "Caesars"},
              {"prizepicks", "PrizePicks"}, {"underdog", "Underdog"},
              {"espnbet", "ESPN BET"},      {"hardrockbet", "Hard Rock Bet"}};

static const char *title_of(const char *book)
{
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++) {
        if (strcmp(titles[i].key, book) == 0) {
            return titles[i].title;
        }
    }
    return book;
}

static bool is_listed(const struct scene *scene, int game)
{
    return scene->now_us < scene->root->games[game].commence_us + DROPPED_US &&
           scene->state[game].status != NIGHT_POSTPONED;
}

static json_t *event_of(const struct scene *scene, int index)
{
    const struct night_game *game = &scene->root->games[index];
    char commence[32];
    json_t *event = json_object();
    scene_time(game->commence_us, false, commence);
    json_object_set_new(event, "id", json_string(game->event_id));
    json_object_set_new(event, "sport_key", json_string("basketball_nba"));
    json_object_set_new(event, "sport_title", json_string("NBA"));
    json_object_set_new(event, "commence_time", json_string(commence));
    return event;
}

static void set_teams(json_t *event, const struct scene *scene, int index)
{
    const struct night_game *game = &scene->root->games[index];
    json_object_set_new(event, "home_team",
                        json_string(scene->root->teams[game->team[NIGHT_HOME]].odds_name));
    json_object_set_new(event, "away_team",
                        json_string(scene->root->teams[game->team[NIGHT_AWAY]].odds_name));
}

json_t *odds_api_events(const struct scene *scene)
{
    json_t *events = json_array();
    for (int i = 0; i < scene->game_count; i++) {
        if (is_listed(scene, i)) {
            json_t *event = event_of(scene, i);
            set_teams(event, scene, i);
            json_array_append_new(events, event);
        }
    }
    return events;
}

static json_t *score_of(const struct scene *scene, int index, enum night_side side)
{
    char text[16];
    snprintf(text, sizeof text, "%d", scene->state[index].score[side]);
    return json_pack("{s:s, s:s}", "name",
                     scene->root->teams[scene->root->games[index].team[side]].odds_name, "score",
                     text);
}

json_t *odds_api_scores(const struct scene *scene, bool ended)
{
    json_t *events = json_array();
    for (int i = 0; i < scene->game_count; i++) {
        enum night_status status = scene->state[i].status;
        bool over = status == NIGHT_FINAL, begun = scene_live(scene, i) || over;
        char updated[32];
        scene_time(over ? scene->root->games[i].end_us : scene->now_us, false, updated);
        if (status == NIGHT_POSTPONED || (over && !ended)) {
            continue;
        }
        json_t *event = event_of(scene, i);
        json_object_set_new(event, "completed", json_boolean(over));
        set_teams(event, scene, i);
        json_object_set_new(event, "scores",
                            begun ? json_pack("[o, o]", score_of(scene, i, NIGHT_HOME),
                                              score_of(scene, i, NIGHT_AWAY))
                                  : json_null());
        json_object_set_new(event, "last_update", begun ? json_string(updated) : json_null());
        json_array_append_new(events, event);
    }
    return events;
}

/* Chances from the spread: a point is worth about three in a hundred. */
int odds_api_moneyline(double spread)
{
    double chance = 0.5 - spread * 0.03;
    chance = chance < 0.03 ? 0.03 : chance > 0.97 ? 0.97 : chance;
    return (int)(chance >= 0.5 ? -round(100 * chance / (1 - chance))
                               : round(100 * (1 - chance) / chance));
}

static json_t *price_of(int american, bool decimal);

static json_t *side_of(const char *name, int price, bool decimal, bool has_point, double point)
{
    json_t *side = json_pack("{s:s, s:o}", "name", name, "price", price_of(price, decimal));
    if (has_point) {
        json_object_set_new(side, "point", json_real(point));
    }
    return side;
}

static void add_market(json_t *markets, const char *key, const char *updated, json_t *first,
                       json_t *second)
{
    json_array_append_new(markets, json_pack("{s:s, s:s, s:[o, o]}", "key", key, "last_update",
                                             updated, "outcomes", first, second));
}

static json_t *markets_of(const struct scene *scene, int index, const char *wanted, bool decimal)
{
    const struct night_game *game = &scene->root->games[index];
    const char *home = scene->root->teams[game->team[NIGHT_HOME]].odds_name,
               *away = scene->root->teams[game->team[NIGHT_AWAY]].odds_name;
    double spread = game->spread_home;
    json_t *markets = json_array();
    char updated[32];
    scene_time(scene->now_us, false, updated);
    if (game->has_spread && strstr(wanted, "h2h") != NULL) {
        add_market(markets, "h2h", updated,
                   side_of(home, odds_api_moneyline(spread), decimal, false, 0),
                   side_of(away, odds_api_moneyline(-spread), decimal, false, 0));
    }
    if (game->has_spread && strstr(wanted, "spreads") != NULL) {
        add_market(markets, "spreads", updated, side_of(home, -110, decimal, true, spread),
                   side_of(away, -110, decimal, true, -spread));
    }
    if (game->has_total && strstr(wanted, "totals") != NULL) {
        add_market(markets, "totals", updated, side_of("Over", -110, decimal, true, game->total),
                   side_of("Under", -110, decimal, true, game->total));
    }
    return markets;
}

json_t *odds_api_games(const struct scene *scene, const char *markets, bool decimal)
{
    json_t *events = json_array();
    for (int i = 0; i < scene->game_count; i++) {
        if (!is_listed(scene, i)) {
            continue;
        }
        json_t *event = event_of(scene, i), *books = json_array();
        json_t *own = markets_of(scene, i, markets, decimal);
        set_teams(event, scene, i);
        if (json_array_size(own) > 0) {
            json_array_append_new(books, json_pack("{s:s, s:s, s:O}", "key", "draftkings", "title",
                                                   "DraftKings", "markets", own));
        }
        json_decref(own);
        json_object_set_new(event, "bookmakers", books);
        json_array_append_new(events, event);
    }
    return events;
}

int odds_api_find(const struct scene *scene, const char *event_id)
{
    for (int i = 0; i < scene->game_count; i++) {
        if (strcmp(scene->root->games[i].event_id, event_id) == 0) {
            return is_listed(scene, i) ? i : -1;
        }
    }
    return -1;
}

/* ---- lines ---- */

static json_t *price_of(int american, bool decimal)
{
    if (!decimal) {
        return json_integer(american);
    }
    double price = american > 0 ? 1 + american / 100.0 : 1 + 100.0 / -american;
    return json_real(round(price * 100) / 100);
}

static void add_outcome(json_t *outcomes, const char *name, const struct night_odds *odds,
                        int price, bool decimal)
{
    if (price != 0) { /* one-sided lines are */
        json_array_append_new(outcomes, json_pack("{s:s, s:s, s:o, s:f}", "name", name,
                                                  "description", odds->player_name, "price",
                                                  price_of(price, decimal), "point", odds->line));
    }
}

/* What it does not name any more is no longer offered. */
int64_t odds_api_newest_us(const struct night_game *game, const char *book, int64_t now_us)
{
    int64_t newest_us = CLOCK_NONE;
    for (size_t i = 0; i < game->odds_count; i++) {
        const struct night_odds *odds = &game->odds[i];
        if (strcmp(odds->book, book) == 0 && odds->snapshot_us <= now_us &&
            odds->snapshot_us > newest_us) {
            newest_us = odds->snapshot_us;
        }
    }
    return newest_us;
}

static json_t *market_of(const struct night_game *game, const char *book, int64_t now_us,
                         bool decimal)
{
    int64_t newest_us = odds_api_newest_us(game, book, now_us);
    char updated[32];
    json_t *outcomes = json_array();
    for (size_t i = 0; i < game->odds_count; i++) {
        const struct night_odds *odds = &game->odds[i];
        if (odds->book == book && odds->snapshot_us == newest_us) {
            add_outcome(outcomes, "Over", odds, odds->over_price, decimal);
            add_outcome(outcomes, "Under", odds, odds->under_price, decimal);
        }
    }
    scene_time(newest_us == CLOCK_NONE ? now_us : newest_us, false, updated);
    return json_pack("{s:s, s:s, s:o}", "key", "player_points", "last_update", updated, "outcomes",
                     outcomes);
}

/* Books with a line up by now, in the order of their names. */
static int books_of(const struct night_game *game, int64_t now_us, const char *books[BOOKS_MAX])
{
    int count = 0;
    for (size_t i = 0; i < game->odds_count; i++) {
        const char *book = game->odds[i].book;
        int at = count;
        if (game->odds[i].snapshot_us > now_us) {
            continue;
        }
        for (int k = 0; k < count; k++) {
            at = books[k] == book ? -1 : at;
        }
        if (at < 0 || count == BOOKS_MAX) {
            continue;
        }
        for (; at > 0 && strcmp(books[at - 1], book) > 0; at--) {
            books[at] = books[at - 1];
        }
        books[at] = book;
        count++;
    }
    return count;
}

/* Whether `key` is one of the comma-separated `list`. */
static bool named_in(const char *list, const char *key)
{
    size_t size = strlen(key);
    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, key, size) == 0 && (at[size] == ',' || at[size] == '\0')) {
            return true;
        }
    }
    return list == NULL;
}

json_t *odds_api_event_odds(const struct scene *scene, int index, bool decimal, const char *wanted)
{
    const struct night_game *game = &scene->root->games[index];
    const char *books[BOOKS_MAX];
    int count = books_of(game, scene->now_us, books);
    json_t *event = event_of(scene, index), *list = json_array();
    set_teams(event, scene, index);
    for (int i = 0; i < count; i++) {
        if (!named_in(wanted, books[i])) {
            continue;
        }
        json_array_append_new(list, json_pack("{s:s, s:s, s:[o]}", "key", books[i], "title",
                                              title_of(books[i]), "markets",
                                              market_of(game, books[i], scene->now_us, decimal)));
    }
    json_object_set_new(event, "bookmakers", list);
    return event;
}

/* ---- the past ---- */

#define GRID_US (5 * 60 * INT64_C(1000000))

int64_t odds_api_snapshot_us(int64_t asked_us)
{
    return asked_us / GRID_US * GRID_US;
}

json_t *odds_api_wrap(const struct scene *scene, int64_t now_us, json_t *data)
{
    char at[32], before[32], behind[32];
    scene_time(scene->now_us, false, at);
    scene_time(scene->now_us - GRID_US, false, before);
    scene_time(scene->now_us + GRID_US, false, behind);
    return json_pack(
        "{s:s, s:s, s:o, s:o}", "timestamp", at, "previous_timestamp", before, "next_timestamp",
        scene->now_us + GRID_US <= now_us ? json_string(behind) : json_null(), "data", data);
}

/* That book of the list; added if it is not there. */
static json_t *book_in(json_t *books, const char *key)
{
    for (size_t i = 0; i < json_array_size(books); i++) {
        json_t *book = json_array_get(books, i);
        if (strcmp(json_string_value(json_object_get(book, "key")), key) == 0) {
            return book;
        }
    }
    json_array_append_new(
        books, json_pack("{s:s, s:s, s:[]}", "key", key, "title", title_of(key), "markets"));
    return json_array_get(books, json_array_size(books) - 1);
}

json_t *odds_api_history(const struct scene *scene, int index, const char *markets, bool decimal,
                         const char *books)
{
    bool props = named_in(markets, "player_points");
    json_t *event = odds_api_event_odds(scene, index, decimal, props ? books : "");
    json_t *own = markets_of(scene, index, markets, decimal);
    if (json_array_size(own) > 0 && named_in(books, "draftkings")) {
        json_t *book = book_in(json_object_get(event, "bookmakers"), "draftkings");
        json_array_extend(json_object_get(book, "markets"), own);
    }
    json_decref(own);
    return event;
}
