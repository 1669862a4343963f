#include "sim/bdl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "config/clock.h"

static json_t *team_of(const struct night_team *team)
{
    return json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:s}", "id", (json_int_t)team->bdl_id,
                     "conference", team->conference, "division", team->division, "city", team->city,
                     "name", team->name, "full_name", team->full_name, "abbreviation", team->code);
}

/* How the vendor words the state of a game. */
struct wording {
    char status[40], time[16];
    bool has_time;
    int period;
};

static struct wording word(int64_t tip_us, const struct night_state *state)
{
    static const char *const quarters[] = {"1st Qtr", "2nd Qtr", "3rd Qtr", "4th Qtr"};
    struct wording out = {.has_time = true, .period = state->period};
    switch (state->status) {
    case NIGHT_SCHEDULED:
        if (tip_us != CLOCK_NONE) {
            scene_time(tip_us, false, out.status);
        }
        out.has_time = false;
        break;
    case NIGHT_POSTPONED:
        snprintf(out.status, sizeof out.status, "Postponed");
        out.has_time = false;
        out.period = 0;
        break;
    case NIGHT_FINAL:
        snprintf(out.status, sizeof out.status, "Final");
        snprintf(out.time, sizeof out.time, "Final");
        break;
    case NIGHT_PLAYING:
    case NIGHT_BREAK:
    case NIGHT_HALFTIME:
        snprintf(out.status, sizeof out.status, "%s",
                 state->status == NIGHT_HALFTIME ? "Halftime"
                 : state->period <= 4            ? quarters[state->period - 1]
                                                 : "OT");
        snprintf(out.time, sizeof out.time, "%d:%02d", (int)state->clock_s / 60,
                 (int)state->clock_s % 60);
        break;
    }
    return out;
}

static json_t *text_or_null(const char *text, bool present)
{
    return present ? json_string(text) : json_null();
}

static void set_date(json_t *game, const char *key, int32_t date)
{
    char text[CLOCK_DATE_SIZE];
    clock_format_date(date, text);
    json_object_set_new(game, key, json_string(text));
}

static void set_datetime(json_t *game, int64_t tip_us)
{
    char text[32] = "";
    if (tip_us != CLOCK_NONE) {
        scene_time(tip_us, true, text);
    }
    json_object_set_new(game, "datetime", text_or_null(text, tip_us != CLOCK_NONE));
}

static void set_progress(json_t *game, const struct root *root, const struct wording *wording,
                         const int score[2])
{
    json_object_set_new(game, "season", json_integer(root->season_start));
    json_object_set_new(game, "status", json_string(wording->status));
    json_object_set_new(game, "period", json_integer(wording->period));
    json_object_set_new(game, "time", text_or_null(wording->time, wording->has_time));
    json_object_set_new(game, "postseason", json_false());
    json_object_set_new(game, "home_team_score", json_integer(score[NIGHT_HOME]));
    json_object_set_new(game, "visitor_team_score", json_integer(score[NIGHT_AWAY]));
}

/* ---- games ---- */

/* How a game of the schedule stands: tonight's by their events, others as the schedule has them. */
static void state_of(const struct scene *scene, const struct root_match *match,
                     struct night_state *out)
{
    const struct root *root = scene->root;
    memset(out, 0, sizeof *out);
    for (int i = 0; i < scene->game_count; i++) {
        if (root->games[i].bdl_id == match->bdl_id) {
            *out = scene->state[i];
            return;
        }
    }
    if (match->postponed) {
        out->status = NIGHT_POSTPONED;
    } else if (match->final &&
               match->date < root->date) { /* what is later than tonight is not known yet */
        out->status = NIGHT_FINAL;
        out->period = match->periods;
        out->score[NIGHT_HOME] = match->score[NIGHT_HOME];
        out->score[NIGHT_AWAY] = match->score[NIGHT_AWAY];
    }
}

static json_t *game_of(const struct scene *scene, const struct root_match *match)
{
    struct night_state state;
    json_t *game = json_object();
    state_of(scene, match, &state);
    struct wording wording = word(match->tip_us, &state);
    json_object_set_new(game, "id", json_integer(match->bdl_id));
    set_date(game, "date", match->date);
    set_progress(game, scene->root, &wording, state.score);
    set_datetime(game, match->tip_us);
    json_object_set_new(game, "home_team", team_of(&scene->root->teams[match->home]));
    json_object_set_new(game, "visitor_team", team_of(&scene->root->teams[match->away]));
    return game;
}

static bool wanted(const struct bdl_query *query, int32_t date)
{
    for (int i = 0; i < query->date_count; i++) {
        if (query->dates[i] == date) {
            return true;
        }
    }
    return query->date_count == 0;
}

/* The cursor is the place in the schedule, from 1, of the last game of the page before. */
json_t *bdl_games(const struct scene *scene, const struct bdl_query *query)
{
    const struct root *root = scene->root;
    json_t *data = json_array(), *meta = json_object();
    int place = query->cursor > 0 ? (int)query->cursor : 0, left = query->per_page;
    int64_t last = 0;
    for (; place < root->match_count; place++) {
        if (!wanted(query, root->matches[place].date)) {
            continue;
        }
        if (left-- == 0) {
            json_object_set_new(meta, "next_cursor", json_integer(last));
            break;
        }
        json_array_append_new(data, game_of(scene, &root->matches[place]));
        last = place + 1;
    }
    json_object_set_new(meta, "per_page", json_integer(query->per_page));
    return json_pack("{s:o, s:o}", "data", data, "meta", meta);
}

static json_t *person_of(const struct night_player *player)
{
    const char *space = strchr(player->name, ' ');
    size_t first = space != NULL ? (size_t)(space - player->name) : strlen(player->name);
    return json_pack("{s:I, s:s%, s:s, s:s, s:n, s:n, s:n, s:n, s:n, s:n, s:n, s:n}", "id",
                     (json_int_t)player->bdl_id, "first_name", player->name, first, "last_name",
                     space != NULL ? space + 1 : "", "position", player->position, "height",
                     "weight", "jersey_number", "college", "country", "draft_year", "draft_round",
                     "draft_number");
}

typedef json_t *member_body(const struct scene *scene, const struct night_game *game,
                            const struct night_member *member);

static json_t *injury_of(const struct scene *scene, const struct night_game *game,
                         const struct night_member *member)
{
    const struct night_team *team = &scene->root->teams[game->team[member->side]];
    json_t *person = person_of(&scene->root->players[member->player]);
    json_object_set_new(person, "team_id", json_integer(team->bdl_id));
    return json_pack("{s:o, s:n, s:s, s:s}", "player", person, "return_date", "description",
                     "Listed, and will not play.", "status", "Out");
}

static json_t *active_of(const struct scene *scene, const struct night_game *game,
                         const struct night_member *member)
{
    json_t *person = person_of(&scene->root->players[member->player]);
    json_object_set_new(person, "team", team_of(&scene->root->teams[game->team[member->side]]));
    return person;
}

/* Also when his game is over: nobody gets well by that. */
static bool is_out(const struct scene *scene, int game, const struct night_member *member)
{
    (void)scene, (void)game;
    return !member->appears;
}

static bool is_anyone(const struct scene *scene, int game, const struct night_member *member)
{
    (void)scene, (void)game, (void)member;
    return true;
}

/* The cursor is the place of the last one of the page before, from 1. */
static json_t *members_page(const struct scene *scene, int64_t cursor, int per_page,
                            bool (*wanted_here)(const struct scene *, int,
                                                const struct night_member *),
                            member_body *body)
{
    json_t *data = json_array(), *meta = json_object();
    int64_t place = 0;
    for (int i = 0; i < scene->game_count; i++) {
        const struct night_game *game = &scene->root->games[i];
        for (int m = 0; m < game->roster_count; m++) {
            const struct night_member *member = &game->roster[m];
            if (!wanted_here(scene, i, member) || place++ < cursor) {
                continue;
            }
            if (json_array_size(data) == (size_t)per_page) {
                json_object_set_new(meta, "next_cursor", json_integer(place - 1));
                i = scene->game_count;
                break;
            }
            json_array_append_new(data, body(scene, game, member));
        }
    }
    json_object_set_new(meta, "per_page", json_integer(per_page));
    return json_pack("{s:o, s:o}", "data", data, "meta", meta);
}

json_t *bdl_injuries(const struct scene *scene, int64_t cursor, int per_page)
{
    return members_page(scene, cursor, per_page, is_out, injury_of);
}

json_t *bdl_players(const struct scene *scene, int64_t cursor, int per_page)
{
    return members_page(scene, cursor, per_page, is_anyone, active_of);
}

json_t *bdl_lineup(const struct scene *scene, int64_t game_id)
{
    json_t *data = json_array();
    for (int i = 0; i < scene->game_count; i++) {
        const struct night_game *game = &scene->root->games[i];
        bool begun = scene_live(scene, i) || scene->state[i].status == NIGHT_FINAL;
        for (int m = 0; game->bdl_id == game_id && begun && m < game->roster_count; m++) {
            const struct night_member *member = &game->roster[m];
            if (!member->appears && !member->starter) {
                continue;
            }
            json_array_append_new(
                data, json_pack("{s:i, s:I, s:b, s:s, s:o, s:o}", "id", m + 1, "game_id",
                                (json_int_t)game_id, "starter", member->starter, "position",
                                scene->root->players[member->player].position, "player",
                                person_of(&scene->root->players[member->player]), "team",
                                team_of(&scene->root->teams[game->team[member->side]])));
        }
    }
    return json_pack("{s:o, s:{s:i}}", "data", data, "meta", "per_page", 100);
}

json_t *bdl_game(const struct scene *scene, int64_t id)
{
    const struct root *root = scene->root;
    for (int i = 0; i < root->match_count; i++) {
        if (root->matches[i].bdl_id == id) {
            return json_pack("{s:o}", "data", game_of(scene, &root->matches[i]));
        }
    }
    return NULL;
}

/* ---- box scores ---- */

static void set_periods(json_t *game, const struct night_state *state, enum night_side side)
{
    static const char *const keys[2][7] = {
        {"home_q1", "home_q2", "home_q3", "home_q4", "home_ot1", "home_ot2", "home_ot3"},
        {"visitor_q1", "visitor_q2", "visitor_q3", "visitor_q4", "visitor_ot1", "visitor_ot2",
         "visitor_ot3"}};
    for (int i = 0; i < 7; i++) {
        json_object_set_new(game, keys[side][i],
                            i < state->period ? json_integer(state->by_period[side][i])
                                              : json_null());
    }
    json_object_set_new(
        game, side == NIGHT_HOME ? "home_timeouts_remaining" : "visitor_timeouts_remaining",
        json_null());
    json_object_set_new(game, side == NIGHT_HOME ? "home_in_bonus" : "visitor_in_bonus",
                        json_null());
}

/* 0, 1 or three digits; null without an attempt. */
static json_t *share(int made, int attempted)
{
    if (attempted == 0) {
        return json_null();
    }
    if (made == 0 || made == attempted) {
        return json_integer(made != 0);
    }
    return json_real(round(1000.0 * made / attempted) / 1000.0);
}

/* Whole minutes in two digits: cut off in play, rounded at the end. "00" is who never came in; who was on for less than
 * a minute has "0". */
static json_t *minutes_of(const struct night_stat *stat, bool final)
{
    char text[16];
    int minutes = (int)(stat->seconds / 60 + (final ? 0.5 : 0));
    if (stat->came_in && minutes == 0) {
        return json_string("0");
    }
    snprintf(text, sizeof text, "%02d", minutes);
    return json_string(text);
}

static json_t *line_of(const struct night_player *player, const struct night_stat *stat, bool final)
{
    const struct {
        const char *name;
        int value;
    } counts[] = {{"oreb", stat->oreb},
                  {"dreb", stat->dreb},
                  {"reb", stat->oreb + stat->dreb},
                  {"ast", stat->ast},
                  {"stl", stat->stl},
                  {"blk", stat->blk},
                  {"turnover", stat->tov},
                  {"pf", stat->pf},
                  {"pts", stat->pts},
                  {"plus_minus", stat->plus_minus}};
    json_t *line = json_object();
    json_object_set_new(line, "min", minutes_of(stat, final));
    json_object_set_new(line, "fgm", json_integer(stat->fgm));
    json_object_set_new(line, "fga", json_integer(stat->fga));
    json_object_set_new(line, "fg_pct", share(stat->fgm, stat->fga));
    json_object_set_new(line, "fg3m", json_integer(stat->fg3m));
    json_object_set_new(line, "fg3a", json_integer(stat->fg3a));
    json_object_set_new(line, "fg3_pct", share(stat->fg3m, stat->fg3a));
    json_object_set_new(line, "ftm", json_integer(stat->ftm));
    json_object_set_new(line, "fta", json_integer(stat->fta));
    json_object_set_new(line, "ft_pct", share(stat->ftm, stat->fta));
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        json_object_set_new(line, counts[i].name, json_integer(counts[i].value));
    }
    json_object_set_new(line, "player", person_of(player));
    return line;
}

static json_t *side_of(const struct scene *scene, int index, enum night_side side)
{
    const struct night_game *game = &scene->root->games[index];
    const struct night_state *state = &scene->state[index];
    json_t *team = team_of(&scene->root->teams[game->team[side]]), *players = json_array();
    bool listed = state->status != NIGHT_SCHEDULED && state->status != NIGHT_POSTPONED;
    for (int i = 0; listed && i < game->roster_count; i++) {
        if (game->roster[i].side == side) {
            json_array_append_new(players, line_of(&scene->root->players[game->roster[i].player],
                                                   &state->stat[i], state->status == NIGHT_FINAL));
        }
    }
    json_object_set_new(team, "players", players);
    return team;
}

static json_t *box_of(const struct scene *scene, int index)
{
    const struct night_game *game = &scene->root->games[index];
    const struct night_state *state = &scene->state[index];
    struct wording wording = word(game->tip_us, state);
    json_t *box = json_object();
    json_object_set_new(box, "id", json_integer(game->bdl_id));
    set_date(box, "date", scene->root->date);
    set_datetime(box, game->tip_us);
    set_periods(box, state, NIGHT_HOME);
    set_periods(box, state, NIGHT_AWAY);
    set_progress(box, scene->root, &wording, state->score);
    json_object_set_new(box, "home_team", side_of(scene, index, NIGHT_HOME));
    json_object_set_new(box, "visitor_team", side_of(scene, index, NIGHT_AWAY));
    return box;
}

json_t *bdl_box_scores(const struct scene *scene, int32_t date)
{
    json_t *data = json_array();
    for (int i = 0; i < scene->game_count; i++) {
        if (date == scene->root->date || (date == 0 && scene_in_live_list(scene, i))) {
            json_array_append_new(data, box_of(scene, i));
        }
    }
    return json_pack("{s:o}", "data", data);
}

/* ---- lines of single players, teams, players ---- */

static json_t *stat_of(const struct scene *scene, int index, int member)
{
    const struct night_game *game = &scene->root->games[index];
    const struct night_state *state = &scene->state[index];
    const struct night_team *teams = scene->root->teams;
    const struct night_member *who = &game->roster[member];
    struct wording wording = word(game->tip_us, state);
    json_t *line = line_of(&scene->root->players[who->player], &state->stat[member],
                           state->status == NIGHT_FINAL);
    json_t *of = json_object();
    json_object_del(line, "plus_minus");
    json_object_set_new(line, "id", json_integer(game->bdl_id * 100 + member));
    json_object_set_new(json_object_get(line, "player"), "team_id",
                        json_integer(teams[game->team[who->side]].bdl_id));
    json_object_set_new(line, "team", team_of(&teams[game->team[who->side]]));
    json_object_set_new(of, "id", json_integer(game->bdl_id));
    set_date(of, "date", scene->root->date);
    set_progress(of, scene->root, &wording, state->score);
    set_datetime(of, game->tip_us);
    json_object_set_new(of, "home_team_id", json_integer(teams[game->team[NIGHT_HOME]].bdl_id));
    json_object_set_new(of, "visitor_team_id", json_integer(teams[game->team[NIGHT_AWAY]].bdl_id));
    json_object_set_new(line, "game", of);
    return line;
}

/* The cursor is the place of the last row of the page before, from 1. */
struct page {
    json_t *data, *meta;
    int64_t cursor, place;
    int per_page;
};

/* Whether the next row is on this page. */
static bool page_wants(struct page *self)
{
    if (json_array_size(self->data) == (size_t)self->per_page && self->place >= self->cursor) {
        json_object_set_new(self->meta, "next_cursor", json_integer(self->place));
        self->place = INT64_MAX; /* nothing behind it */
        return false;
    }
    return self->place++ >= self->cursor;
}

static struct page page_of(int64_t cursor, int per_page)
{
    return (struct page){json_array(), json_object(), cursor, 0, per_page};
}

static json_t *page_body(struct page *self)
{
    json_object_set_new(self->meta, "per_page", json_integer(self->per_page));
    return json_pack("{s:o, s:o}", "data", self->data, "meta", self->meta);
}

json_t *bdl_stats(const struct scene *scene, const struct bdl_query *query)
{
    struct page page = page_of(query->cursor, query->per_page);
    for (int i = 0; i < scene->game_count && wanted(query, scene->root->date); i++) {
        bool begun = scene_live(scene, i) || scene->state[i].status == NIGHT_FINAL;
        for (int m = 0; begun && m < scene->root->games[i].roster_count; m++) {
            if (page.place != INT64_MAX && page_wants(&page)) {
                json_array_append_new(page.data, stat_of(scene, i, m));
            }
        }
    }
    return page_body(&page);
}

json_t *bdl_teams(const struct scene *scene)
{
    json_t *data = json_array();
    for (int i = 0; i < scene->root->team_count; i++) {
        json_array_append_new(data, team_of(&scene->root->teams[i]));
    }
    return json_pack("{s:o}", "data", data);
}

json_t *bdl_all_players(const struct scene *scene, int64_t cursor, int per_page, const char *search)
{
    const struct root *root = scene->root;
    struct page page = page_of(cursor, per_page);
    for (int i = 0; i < root->player_count; i++) {
        const struct night_player *player = &root->players[i];
        if (player->last_team < 0 || strcasestr(player->name, search) == NULL ||
            page.place == INT64_MAX || !page_wants(&page)) {
            continue;
        }
        json_t *person = person_of(player);
        json_object_set_new(person, "team", team_of(&root->teams[player->last_team]));
        json_array_append_new(page.data, person);
    }
    return page_body(&page);
}
