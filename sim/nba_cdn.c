#include "sim/nba_cdn.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "config/clock.h"

/* The league writes Eastern times with a Z behind them. */
static void eastern(int64_t instant_us, const char *format, char *text, size_t size)
{
    struct tm tm;
    time_t seconds = (time_t)(instant_us / 1000000);
    localtime_r(&seconds, &tm);
    strftime(text, size, format, &tm);
}

static void set_text(json_t *object, const char *key, const char *text)
{
    json_object_set_new(object, key, json_string(text));
}

/* How a game of the schedule stands; 1 scheduled, 2 in play, 3 final. */
struct standing {
    int number;
    bool postponed;
    const struct night_state *state; /* tonight's, else NULL */
};

static struct standing standing_of(const struct scene *scene, const struct root_match *match)
{
    bool ended = match->final && !match->postponed && match->date < scene->root->date;
    struct standing out = {.number = ended ? 3 : 1, .postponed = match->postponed};
    for (int i = 0; i < scene->game_count; i++) {
        if (scene->root->games[i].bdl_id == match->bdl_id) {
            out.state = &scene->state[i];
            out.number = scene_live(scene, i) ? 2 : out.state->status == NIGHT_FINAL ? 3 : 1;
            out.postponed = out.state->status == NIGHT_POSTPONED;
        }
    }
    return out;
}

static void set_times(json_t *game, const struct root_match *match)
{
    char day[CLOCK_DATE_SIZE], text[40];
    clock_format_date(match->date, day);
    int64_t midnight_us = clock_date_start_us(match->date);
    /* an unset tip is midnight Eastern */
    int64_t tip_us = match->tip_us == CLOCK_NONE ? midnight_us : match->tip_us;
    snprintf(text, sizeof text, "%sT00:00:00Z", day);
    set_text(game, "gameDateEst", text);
    eastern(tip_us, "1900-01-01T%H:%M:%SZ", text, sizeof text);
    set_text(game, "gameTimeEst", text);
    eastern(tip_us, "%Y-%m-%dT%H:%M:%SZ", text, sizeof text);
    set_text(game, "gameDateTimeEst", text);
    scene_time(midnight_us, false, text);
    set_text(game, "gameDateUTC", text);
    scene_time(tip_us, false, text);
    char time_utc[40];
    snprintf(time_utc, sizeof time_utc, "1900-01-01%.22s", text + 10);
    set_text(game, "gameTimeUTC", time_utc);
    set_text(game, "gameDateTimeUTC", text);
}

static void set_status(json_t *game, const struct root_match *match, const struct standing *now)
{
    char text[40] = "TBD";
    if (now->postponed) {
        snprintf(text, sizeof text, "PPD");
    } else if (now->number == 3) {
        snprintf(text, sizeof text, "Final");
    } else if (now->number == 2) {
        snprintf(text, sizeof text, "Q%d", now->state->period);
    } else if (match->tip_us != CLOCK_NONE) {
        eastern(match->tip_us, "%-I:%M %P ET", text, sizeof text);
    }
    json_object_set_new(game, "gameStatus", json_integer(now->number));
    set_text(game, "gameStatusText", text);
    set_text(game, "postponedStatus", now->postponed ? "Y" : "N");
}

/* Scores only once they are final: before that the file says 0. */
static json_t *side_of(const struct night_team *team, int score)
{
    char slug[32];
    snprintf(slug, sizeof slug, "%s", team->name);
    for (char *c = slug; *c != '\0'; c++) {
        *c = *c == ' ' ? '-' : *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
    }
    return json_pack("{s:I, s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:i}", "teamId",
                     (json_int_t)team->nba_id, "teamName", team->name, "teamCity", team->city,
                     "teamTricode", team->code, "teamSlug", slug, "wins", 0, "losses", 0, "score",
                     score, "seed", 0);
}

static json_t *game_of(const struct scene *scene, const struct root_match *match)
{
    const struct night_team *teams = scene->root->teams;
    struct standing now = standing_of(scene, match);
    char code[32];
    int score[2] = {0, 0};
    json_t *game = json_object();
    for (int side = 0; side < 2 && now.number == 3; side++) {
        score[side] = now.state != NULL ? now.state->score[side] : match->score[side];
    }
    snprintf(code, sizeof code, "%08d/%s%s", (int)match->date, teams[match->away].code,
             teams[match->home].code);
    set_text(game, "gameId", match->id);
    set_text(game, "gameCode", code);
    set_status(game, match, &now);
    set_times(game, match);
    set_text(game, "gameLabel", "");
    set_text(game, "gameSubLabel", "");
    set_text(game, "seriesText", "");
    json_object_set_new(game, "ifNecessary", json_false());
    json_object_set_new(game, "isNeutral", json_boolean(match->neutral));
    json_object_set_new(game, "homeTeam", side_of(&teams[match->home], score[NIGHT_HOME]));
    json_object_set_new(game, "awayTeam", side_of(&teams[match->away], score[NIGHT_AWAY]));
    return game;
}

json_t *nba_cdn_schedule(const struct scene *scene)
{
    const struct root *root = scene->root;
    json_t *days = json_array(), *games = NULL;
    int32_t date = 0;
    for (int i = 0; i < root->match_count; i++) {
        const struct root_match *match = &root->matches[i];
        if (match->date != date) {
            char text[32];
            date = match->date;
            snprintf(text, sizeof text, "%02d/%02d/%04d 00:00:00", date / 100 % 100, date % 100,
                     date / 10000);
            games = json_array();
            json_array_append_new(days, json_pack("{s:s, s:o}", "gameDate", text, "games", games));
        }
        json_array_append_new(games, game_of(scene, match));
    }
    return json_pack("{s:{s:i, s:s}, s:{s:s, s:s, s:o}}", "meta", "version", 1, "request",
                     "scheduleLeagueV2.json", "leagueSchedule", "seasonYear", root->season,
                     "leagueId", "00", "gameDates", days);
}

/* ---- play by play ---- */

static const struct {
    enum night_event_type type;
    const char *action, *sub, *result;
} actions[] = {
    {NIGHT_FG2_MADE, "2pt", "", "Made"},        {NIGHT_FG2_MISS, "2pt", "", "Missed"},
    {NIGHT_FG3_MADE, "3pt", "", "Made"},        {NIGHT_FG3_MISS, "3pt", "", "Missed"},
    {NIGHT_HEAVE_MISS, "heave", "", "Missed"},  {NIGHT_FT_MADE, "freethrow", "", "Made"},
    {NIGHT_FT_MISS, "freethrow", "", "Missed"}, {NIGHT_OREB, "rebound", "offensive", NULL},
    {NIGHT_DREB, "rebound", "defensive", NULL}, {NIGHT_ASSIST, "assist", "", NULL},
    {NIGHT_STEAL, "steal", "", NULL},           {NIGHT_BLOCK, "block", "", NULL},
    {NIGHT_TURNOVER, "turnover", "", NULL},     {NIGHT_FOUL, "foul", "personal", NULL},
    {NIGHT_TEAMFOUL, "foul", "team", NULL},     {NIGHT_TECH, "foul", "technical", NULL},
    {NIGHT_SUB_IN, "substitution", "in", NULL}, {NIGHT_SUB_OUT, "substitution", "out", NULL}};

static json_t *action_of(const struct root *root, const struct night_game *game, size_t index)
{
    const struct night_event *event = &game->events[index];
    const struct night_team *team = &root->teams[game->team[event->side]];
    double left_s = night_period_base_s(event->period) + night_period_length_s(event->period) -
                    event->elapsed_s;
    int64_t person = event->member < 0 ? 0 : root->players[game->roster[event->member].player].id;
    char clock[32], actual[32], home[16], away[16];
    size_t row = 0;
    while (actions[row].type != event->type) {
        row++;
    }
    snprintf(clock, sizeof clock, "PT%02dM%05.2fS", (int)left_s / 60, fmod(left_s, 60));
    snprintf(home, sizeof home, "%d", event->score[NIGHT_HOME]);
    snprintf(away, sizeof away, "%d", event->score[NIGHT_AWAY]);
    scene_time(event->est_us, false, actual);
    json_t *action = json_pack(
        "{s:i, s:s, s:s, s:i, s:s, s:I, s:s, s:s, s:s, s:I, s:i, s:s, s:s, s:s}", "actionNumber",
        (int)index + 1, "clock", clock, "timeActual", actual, "period", event->period, "periodType",
        event->period > 4 ? "OVERTIME" : "REGULAR", "teamId", (json_int_t)team->nba_id,
        "teamTricode", team->code, "actionType", actions[row].action, "subType", actions[row].sub,
        "personId", (json_int_t)person, "orderNumber", ((int)index + 1) * 10000, "scoreHome", home,
        "scoreAway", away, "edited", actual);
    if (actions[row].result != NULL) {
        set_text(action, "shotResult", actions[row].result);
    }
    return action;
}

json_t *nba_cdn_play_by_play(const struct scene *scene, const char *game_id)
{
    for (int i = 0; i < scene->game_count; i++) {
        const struct night_game *game = &scene->root->games[i];
        if (strcmp(game->id, game_id) != 0) {
            continue;
        }
        json_t *list = json_array();
        for (size_t e = 0; e < scene->state[i].events; e++) {
            json_array_append_new(list, action_of(scene->root, game, e));
        }
        return json_pack("{s:{s:i, s:i}, s:{s:s, s:o}}", "meta", "version", 1, "code", 200, "game",
                         "gameId", game->id, "actions", list);
    }
    return NULL;
}
