/* What faults do to how games stand, and to the bodies made from it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/clock.h"
#include "sim/faults.h"
#include "sim/spelling.h"

/* ---- how games stand ---- */

static int *stat_of(struct night_stat *stat, const char *name)
{
    const struct {
        const char *name;
        int *value;
    } stats[] = {{"oreb", &stat->oreb}, {"dreb", &stat->dreb}, {"ast", &stat->ast},
                 {"stl", &stat->stl},   {"blk", &stat->blk},   {"tov", &stat->tov},
                 {"pf", &stat->pf}};
    for (size_t i = 0; i < sizeof stats / sizeof *stats; i++) {
        if (strcmp(stats[i].name, name) == 0) {
            return stats[i].value;
        }
    }
    return NULL;
}

/* The member a fault is about: its player, or the first home starter. */
static int member_of(const struct faults_fault *fault, const struct night_game *game)
{
    for (int i = 0; i < game->roster_count; i++) {
        if (fault->player < 0 ? game->roster[i].starter : game->roster[i].player == fault->player) {
            return i;
        }
    }
    return -1;
}

/* Points come as free throws, so that the shooting adds up to them, and into the score and its period. */
static void bend_stat(const struct faults_fault *fault, const struct night_game *game,
                      struct night_state *state)
{
    int member = member_of(fault, game);
    if (member < 0 || state->period == 0) {
        return;
    }
    struct night_stat *stat = &state->stat[member];
    int *value = stat_of(stat, fault->stat);
    if (value != NULL) {
        *value = *value + fault->by < 0 ? 0 : *value + fault->by;
        return;
    }
    int by = stat->ftm + fault->by < 0 ? -stat->ftm : fault->by;
    enum night_side side = game->roster[member].side;
    stat->ftm += by;
    stat->fta += by;
    stat->pts += by;
    state->score[side] += by;
    state->by_period[side][state->period - 1] += by;
}

void faults_bend_scene(const struct faults_due *due, struct scene *scene)
{
    for (int i = 0; i < due->count; i++) {
        const struct faults_fault *fault = due->fault[i];
        bool done = false;
        for (int g = 0; g < scene->game_count && !done; g++) {
            struct night_state *state = &scene->state[g];
            const struct night_game *game = &scene->root->games[g];
            bool meant = fault->game < 0 || fault->game == g;
            if (!meant) {
                continue;
            }
            if (fault->kind == FAULT_POSTPONED) {
                memset(state, 0, sizeof *state);
                state->status = NIGHT_POSTPONED;
                done = true;
            } else if (fault->kind == FAULT_ALTERED_SCORE && state->period > 0) {
                state->score[NIGHT_HOME] += fault->by;
                state->by_period[NIGHT_HOME][state->period - 1] += fault->by;
                done = true;
            } else if (fault->kind == FAULT_STAT && member_of(fault, game) >= 0) {
                bend_stat(fault, game, state);
                done = true;
            }
        }
    }
}

/* ---- names ---- */

static void respell(json_t *object, const char *key, const char *how)
{
    char name[256];
    const char *was = json_string_value(json_object_get(object, key));
    if (was != NULL) {
        spelling_write(was, how, name, sizeof name);
        json_object_set_new(object, key, json_string(name));
    }
}

/* ---- box scores ---- */

typedef void on_line(const struct faults_fault *fault, const struct scene *scene, json_t *line);

static json_t *players_of(json_t *game, const char *side)
{
    return json_object_get(json_object_get(game, side), "players");
}

static void each_line(const struct faults_fault *fault, const struct scene *scene, json_t *body,
                      on_line *act)
{
    static const char *const sides[] = {"home_team", "visitor_team"};
    json_t *games = json_object_get(body, "data");
    for (size_t g = 0; g < json_array_size(games); g++) {
        for (int side = 0; side < 2; side++) {
            json_t *players = players_of(json_array_get(games, g), sides[side]);
            for (size_t i = 0; i < json_array_size(players); i++) {
                act(fault, scene, json_array_get(players, i));
            }
        }
    }
}

/* The game of the body that a fault is about: its own, or the first that has players. */
static json_t *game_in(const struct faults_fault *fault, const struct scene *scene, json_t *body)
{
    json_t *games = json_object_get(body, "data");
    for (size_t g = 0; g < json_array_size(games); g++) {
        json_t *game = json_array_get(games, g);
        json_int_t id = json_integer_value(json_object_get(game, "id"));
        if (fault->game >= 0 ? scene->root->games[fault->game].bdl_id == id
                             : json_array_size(players_of(game, "home_team")) > 0) {
            return game;
        }
    }
    return NULL;
}

/* The line that a fault is about: its player's, or the first of the game. */
static json_t *line_in(const struct faults_fault *fault, const struct scene *scene, json_t *body)
{
    static const char *const sides[] = {"home_team", "visitor_team"};
    json_t *games = json_object_get(body, "data");
    if (fault->player < 0) {
        return json_array_get(players_of(game_in(fault, scene, body), "home_team"), 0);
    }
    for (size_t g = 0; g < json_array_size(games); g++) {
        for (int side = 0; side < 2; side++) {
            json_t *players = players_of(json_array_get(games, g), sides[side]);
            for (size_t i = 0; i < json_array_size(players); i++) {
                json_t *line = json_array_get(players, i);
                json_t *id = json_object_get(json_object_get(line, "player"), "id");
                if (json_integer_value(id) == scene->root->players[fault->player].bdl_id) {
                    return line;
                }
            }
        }
    }
    return NULL;
}

static void break_line(const struct faults_fault *fault, json_t *line)
{
    if (line == NULL) {
        return;
    }
    if (strcmp(fault->how, "string") == 0) {
        json_object_set_new(line, "fgm", json_string("seven"));
    } else if (strcmp(fault->how, "impossible") == 0) {
        json_object_set_new(line, "fga", json_integer(1));
        json_object_set_new(line, "fgm", json_integer(9));
    } else if (strcmp(fault->how, "negative") == 0) {
        json_object_set_new(line, "reb", json_integer(-3));
    } else if (strcmp(fault->how, "missing") == 0) {
        json_object_del(line, "pts");
        json_object_set_new(line, "min", json_string("12"));
    } else {
        json_object_set_new(line, "player", json_null());
    }
}

/* A copy of a line with nothing in it but a few minutes. */
static json_t *stranger(const json_t *line, json_int_t id, const char *first, const char *last)
{
    json_t *copy = json_deep_copy(line), *value;
    const char *key;
    json_object_foreach(copy, key, value)
    {
        if (json_is_integer(value)) {
            json_integer_set(value, 0);
        }
    }
    json_object_set_new(copy, "min", json_string("03"));
    json_object_set_new(copy, "fg_pct", json_null());
    json_object_set_new(copy, "fg3_pct", json_null());
    json_object_set_new(copy, "ft_pct", json_null());
    json_t *player = json_object_get(copy, "player");
    json_object_set_new(player, "id", json_integer(id));
    json_object_set_new(player, "first_name", json_string(first));
    json_object_set_new(player, "last_name", json_string(last));
    return copy;
}

static void add_unknown(const struct faults_fault *fault, const struct scene *scene, json_t *body)
{
    json_t *players = players_of(game_in(fault, scene, body), "home_team");
    if (json_array_size(players) > 0) {
        json_array_append_new(
            players, stranger(json_array_get(players, 0), 999999999, "Zebulon", "Quarterstaff"));
    }
}

/* The namesake stands on the other side, spelled without marks and in capitals. */
static void add_namesake(const struct faults_fault *fault, const struct scene *scene, json_t *body)
{
    json_t *line = line_in(fault, scene, body), *games = json_object_get(body, "data");
    const json_t *player = json_object_get(line, "player");
    char first[128], last[128], plain[128];
    for (size_t g = 0; player != NULL && g < json_array_size(games); g++) {
        json_t *home = players_of(json_array_get(games, g), "home_team");
        json_t *away = players_of(json_array_get(games, g), "visitor_team");
        bool at_home = false, is_away = false;
        for (size_t i = 0; i < json_array_size(home); i++) {
            at_home = at_home || json_array_get(home, i) == line;
        }
        for (size_t i = 0; i < json_array_size(away); i++) {
            is_away = is_away || json_array_get(away, i) == line;
        }
        if (at_home || is_away) {
            spelling_write(json_string_value(json_object_get(player, "first_name")), "ascii", plain,
                           sizeof plain);
            spelling_write(plain, "upper", first, sizeof first);
            spelling_write(json_string_value(json_object_get(player, "last_name")), "ascii", plain,
                           sizeof plain);
            spelling_write(plain, "upper", last, sizeof last);
            json_array_append_new(at_home ? away : home, stranger(line, 999999998, first, last));
            return;
        }
    }
}

static void add_fields(json_t *value, int depth)
{
    const char *key;
    json_t *member;
    if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++) {
            add_fields(json_array_get(value, i), depth);
        }
    } else if (json_is_object(value) && depth > 0) {
        json_object_foreach(value, key, member)
        {
            add_fields(member, depth - 1);
        }
        json_object_set_new(
            value, "x_unheard_of",
            json_pack("{s:[i, n, {s:b}], s:s}", "list", 1, "deep", 1, "text", "none of the above"));
    }
}

static void respell_line(const struct faults_fault *fault, const struct scene *scene, json_t *line)
{
    (void)scene;
    respell(json_object_get(line, "player"), "first_name", fault->how);
    respell(json_object_get(line, "player"), "last_name", fault->how);
}

/* ---- lines of the books ---- */

typedef void on_outcomes(const struct faults_fault *fault, const struct scene *scene, int game,
                         const char *book, json_t *outcomes);

static void each_market(const struct faults_fault *fault, const struct scene *scene, json_t *body,
                        on_outcomes *act)
{
    const char *event = json_string_value(json_object_get(body, "id"));
    json_t *books = json_object_get(body, "bookmakers");
    int game = 0;
    while (event != NULL && game < scene->game_count &&
           strcmp(scene->root->games[game].event_id, event) != 0) {
        game++;
    }
    for (size_t b = 0; event != NULL && game < scene->game_count && b < json_array_size(books);
         b++) {
        json_t *book = json_array_get(books, b), *markets = json_object_get(book, "markets");
        for (size_t m = 0; m < json_array_size(markets); m++) {
            act(fault, scene, game, json_string_value(json_object_get(book, "key")),
                json_object_get(json_array_get(markets, m), "outcomes"));
        }
    }
}

static void respell_outcomes(const struct faults_fault *fault, const struct scene *scene, int game,
                             const char *book, json_t *outcomes)
{
    (void)scene, (void)game, (void)book;
    for (size_t i = 0; i < json_array_size(outcomes); i++) {
        respell(json_array_get(outcomes, i), "description", fault->how);
    }
}

static void break_outcome(const struct faults_fault *fault, const struct scene *scene, int game,
                          const char *book, json_t *outcomes)
{
    (void)scene, (void)game, (void)book;
    json_t *outcome = json_array_get(outcomes, 0);
    if (outcome == NULL) {
        return;
    }
    if (strcmp(fault->how, "missing") == 0) {
        json_object_del(outcome, "point");
    } else if (strcmp(fault->how, "null") == 0) {
        json_object_set_new(outcome, "description", json_null());
    } else if (strcmp(fault->how, "negative") == 0) {
        json_object_set_new(outcome, "point", json_real(-4.5));
    } else if (strcmp(fault->how, "impossible") == 0) {
        json_object_set_new(outcome, "price", json_integer(7));
    } else {
        json_object_set_new(outcome, "price", json_string("evens"));
    }
}

/* Whom a push is about: the fault's player, or the first starter for whom a book has a main line. */
static const struct night_odds *pushed(const struct faults_fault *fault, const struct scene *scene,
                                       int index)
{
    const struct night_game *game = &scene->root->games[index];
    for (int m = 0; m < game->roster_count; m++) {
        int player = game->roster[m].player;
        if (fault->player < 0 ? !game->roster[m].starter : player != fault->player) {
            continue;
        }
        for (size_t i = 0; i < game->odds_count; i++) {
            if (game->odds[i].main && game->odds[i].player_id == scene->root->players[player].id) {
                return &game->odds[i];
            }
        }
    }
    return NULL;
}

static int final_points(const struct scene *scene, int index, int64_t player_id)
{
    const struct night_game *game = &scene->root->games[index];
    struct night_state *end = malloc(sizeof *end);
    int points = -1;
    if (end != NULL && game->end_us != CLOCK_NONE) {
        night_game_state(game, game->end_us, end);
        for (int m = 0; m < game->roster_count; m++) {
            if (scene->root->players[game->roster[m].player].id == player_id) {
                points = end->stat[m].pts;
            }
        }
    }
    free(end);
    return points;
}

static bool is_main(const struct night_game *game, const char *book, const char *name, double line)
{
    for (size_t i = 0; i < game->odds_count; i++) {
        const struct night_odds *odds = &game->odds[i];
        if (odds->main && odds->line == line && strcmp(odds->book, book) == 0 &&
            strcmp(odds->player_name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_of(const struct night_game *game, const char *book, const char *name, int64_t player)
{
    for (size_t i = 0; i < game->odds_count; i++) {
        const struct night_odds *odds = &game->odds[i];
        if (odds->player_id == player && strcmp(odds->book, book) == 0 &&
            strcmp(odds->player_name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* The main line moves; an alternate that stood there already makes room. */
static void push_outcomes(const struct faults_fault *fault, const struct scene *scene, int index,
                          const char *book, json_t *outcomes)
{
    const struct night_odds *whom = pushed(fault, scene, index);
    const struct night_game *game = &scene->root->games[index];
    int points = whom != NULL ? final_points(scene, index, whom->player_id) : -1;
    for (size_t i = json_array_size(outcomes); points >= 0 && i-- > 0;) {
        json_t *outcome = json_array_get(outcomes, i);
        const char *name = json_string_value(json_object_get(outcome, "description"));
        double line = json_number_value(json_object_get(outcome, "point"));
        if (!is_of(game, book, name, whom->player_id)) {
            continue;
        }
        if (is_main(game, book, name, line)) {
            json_object_set_new(outcome, "point", json_real(points));
        } else if (line == points) {
            json_array_remove(outcomes, i);
        }
    }
}

static void take_out(const struct faults_fault *fault, const struct scene *scene, json_t *body)
{
    json_t *games = json_object_get(body, "data");
    for (size_t g = json_array_size(games); g-- > 0;) {
        int64_t id = json_integer_value(json_object_get(json_array_get(games, g), "id"));
        if (fault->game < 0 || id == scene->root->games[fault->game].bdl_id) {
            json_array_remove(games, g);
        }
    }
}

static void halve(json_t *list)
{
    for (size_t left = json_array_size(list) / 2, at = json_array_size(list); at-- > left;) {
        json_array_remove(list, at);
    }
}

static void halve_players(const struct faults_fault *fault, const struct scene *scene, json_t *body)
{
    json_t *game = game_in(fault, scene, body);
    halve(players_of(game, "home_team"));
    halve(players_of(game, "visitor_team"));
}

/* Games by their days, people and events where the body lists them. */
static void halve_list(json_t *body)
{
    json_t *days = json_object_get(json_object_get(body, "leagueSchedule"), "gameDates");
    for (size_t i = 0; i < json_array_size(days); i++) {
        halve(json_object_get(json_array_get(days, i), "games"));
    }
    halve(json_is_array(body) ? body : json_object_get(body, "data"));
}

/* ---- the whole ---- */

static void bend_box(const struct faults_fault *fault, const struct scene *scene, json_t *body)
{
    switch (fault->kind) {
    case FAULT_MALFORMED_ROW:
        break_line(fault, line_in(fault, scene, body));
        break;
    case FAULT_UNKNOWN_PLAYER:
        add_unknown(fault, scene, body);
        break;
    case FAULT_SAME_NAME:
        add_namesake(fault, scene, body);
        break;
    case FAULT_NAMES:
        each_line(fault, scene, body, respell_line);
        break;
    case FAULT_MISSING:
        take_out(fault, scene, body);
        break;
    case FAULT_HALVED:
        halve_players(fault, scene, body);
        break;
    default:
        break;
    }
}

static void bend_odds(const struct faults_fault *fault, const struct scene *scene, json_t *body)
{
    switch (fault->kind) {
    case FAULT_MALFORMED_ROW:
        each_market(fault, scene, body, break_outcome);
        break;
    case FAULT_NAMES:
        each_market(fault, scene, body, respell_outcomes);
        break;
    case FAULT_PUSH:
        each_market(fault, scene, body, push_outcomes);
        break;
    default:
        break;
    }
}

void faults_bend_body(const struct faults_due *due, const struct scene *scene, enum feed feed,
                      json_t *body)
{
    for (int i = 0; i < due->count; i++) {
        if (due->fault[i]->kind == FAULT_EXTRA_FIELDS) {
            add_fields(body, 6);
        } else if (due->fault[i]->kind == FAULT_HALVED && feed != FEED_BDL_LIVE &&
                   feed != FEED_BDL_BOX_SCORES) {
            halve_list(body);
        } else if (feed == FEED_ODDS_EVENT_ODDS) {
            bend_odds(due->fault[i], scene, body);
        } else {
            bend_box(due->fault[i], scene, body);
        }
    }
}
