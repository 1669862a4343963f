/* `actors_night ROOT DATE`: one league day of a data root through features, predictor and grader alone, each on the real
 * engine: the history before the day, the day's games and odds, then its final box scores. Prints {"features", "predictions",
 * "grades"} as JSON, for tests/flow/actors_night.py to compare with its own reckoning. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/features/features.h"
#include "actors/grader/grader.h"
#include "actors/harness.h"
#include "actors/predictor/predictor.h"
#include "cli/csv.h"
#include "config/clock.h"
#include "config/settings.h"
#include "schema/json.h"
#include "schema/messages.h"

enum { GAMES_MAX = 20 };

static struct harness *features, *predictor, *grader;
static const char *root;
static int32_t day;
static int64_t now_us;
static struct msg_row_game games[GAMES_MAX];
static int game_count;

static void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "actors_night: %s\n", what);
        exit(70);
    }
}

static void put(struct harness *harness, const struct message_desc *desc, const void *message)
{
    must(harness_put(harness, desc, message, now_us) > 0, desc->name);
}

/* ---- reading ---- */

struct table {
    struct csv *csv;
    char names[CSV_FIELDS_MAX][40];
    int count;
    struct csv_row row;
};

static bool table_open(struct table *self, const char *name)
{
    char path[600];
    memset(self, 0, sizeof *self);
    snprintf(path, sizeof path, "%s/%s.csv.gz", root, name);
    self->csv = csv_open(path);
    if (!self->csv) {
        snprintf(path, sizeof path, "%s/%s.csv", root, name);
        self->csv = csv_open(path);
    }
    if (!self->csv) {
        return false;
    }
    must(csv_next(self->csv, &self->row) == CSV_ROW, path);
    self->count = self->row.count;
    for (int i = 0; i < self->count; i++) {
        snprintf(self->names[i], sizeof self->names[i], "%s", self->row.field[i]);
    }
    return true;
}

static bool table_next(struct table *self)
{
    enum csv_answer answer = csv_next(self->csv, &self->row);
    must(answer == CSV_ROW || answer == CSV_END, "a broken row");
    if (answer == CSV_END) {
        csv_close(&self->csv);
    }
    return answer == CSV_ROW;
}

static const char *text(const struct table *self, const char *name)
{
    for (int i = 0; i < self->count; i++) {
        if (strcmp(self->names[i], name) == 0) {
            return self->row.field[i];
        }
    }
    must(false, name);
    return "";
}

static int64_t number(const struct table *self, const char *name)
{
    const char *value = text(self, name);
    return value[0] ? strtoll(value, NULL, 10) : MESSAGE_NONE;
}

static int32_t date(const struct table *self)
{
    int32_t value;
    must(clock_parse_date(text(self, "game_date"), &value) == 0, "game_date");
    return value;
}

/* ---- the day ---- */

static void put_history_row(const struct table *table)
{
    struct msg_history_player_game row;
    message_clear(&msg_history_player_game_desc, &row);
    strcpy(row.import_id, "night");
    strcpy(row.game_id, text(table, "game_id"));
    strcpy(row.season, text(table, "season"));
    row.game_date = date(table);
    row.player_id = number(table, "player_id");
    strcpy(row.player_name, text(table, "player_name"));
    strcpy(row.team, text(table, "team"));
    strcpy(row.opponent, text(table, "opponent"));
    row.home = number(table, "home") == 1;
    row.minutes = number(table, "min");
    row.seconds = number(table, "sec");
    row.points = number(table, "pts");
    row.rebounds = number(table, "reb");
    row.offensive_rebounds = number(table, "oreb");
    row.defensive_rebounds = number(table, "dreb");
    row.assists = number(table, "ast");
    row.steals = number(table, "stl");
    row.blocks = number(table, "blk");
    row.turnovers = number(table, "tov");
    row.personal_fouls = number(table, "pf");
    row.field_goals_made = number(table, "fgm");
    row.field_goals_attempted = number(table, "fga");
    row.three_pointers_made = number(table, "fg3m");
    row.three_pointers_attempted = number(table, "fg3a");
    row.free_throws_made = number(table, "ftm");
    row.free_throws_attempted = number(table, "fta");
    row.plus_minus = number(table, "plus_minus");
    row.starter = number(table, "starter");
    strcpy(row.source, "actors_night");
    put(features, &msg_history_player_game_desc, &row);
}

static void put_player(const struct table *table)
{
    struct msg_history_player row;
    message_clear(&msg_history_player_desc, &row);
    strcpy(row.import_id, "night");
    row.player_id = number(table, "player_id");
    strcpy(row.player_name, text(table, "player_name"));
    strcpy(row.name_key, text(table, "name_key"));
    strcpy(row.position, text(table, "position"));
    strcpy(row.source, "actors_night");
    put(features, &msg_history_player_desc, &row);
}

static const char *const SEASONS[] = {"player_games/2021-22", "player_games/2022-23",
                                      "player_games/2023-24", "player_games/2024-25",
                                      "player_games/2025-26_to_2025-11-17"};

static void put_history(void)
{
    struct msg_import_commit commit;
    struct table players;
    must(table_open(&players, "players"), "players");
    while (table_next(&players)) {
        put_player(&players);
    }
    for (size_t i = 0; i < sizeof SEASONS / sizeof SEASONS[0]; i++) {
        struct table table;
        must(table_open(&table, SEASONS[i]), SEASONS[i]);
        while (table_next(&table)) {
            if (date(&table) < day) {
                put_history_row(&table);
            }
        }
    }
    message_clear(&msg_import_commit_desc, &commit);
    strcpy(commit.import_id, "night");
    strcpy(commit.sha256, "0");
    put(features, &msg_import_commit_desc, &commit);
    must(harness_run(features) == 0, "features failed");
}

static void put_games(void)
{
    struct table table;
    must(table_open(&table, "games/2025-26"), "games/2025-26");
    while (table_next(&table)) {
        if (date(&table) != day || game_count == GAMES_MAX) {
            continue;
        }
        struct msg_row_game *row = &games[game_count++];
        message_clear(&msg_row_game_desc, row);
        strcpy(row->game_id, text(&table, "game_id"));
        row->game_date = day;
        strcpy(row->home, text(&table, "home"));
        strcpy(row->away, text(&table, "away"));
        must(clock_parse_utc(text(&table, "tip_utc"), &row->tip_at) == 0, "tip_utc");
        strcpy(row->status, "scheduled");
        strcpy(row->feed, "nba_schedule");
        put(features, &msg_row_game_desc, row);
        put(grader, &msg_row_game_desc, row);
    }
}

static void put_odds(void)
{
    struct table table;
    must(table_open(&table, "props_points/2025-26_to_2025-11-17"), "props_points");
    while (table_next(&table)) {
        if (date(&table) != day) {
            continue;
        }
        struct msg_row_odds row;
        message_clear(&msg_row_odds_desc, &row);
        strcpy(row.game_id, text(&table, "game_id"));
        row.game_date = day;
        strcpy(row.event_id, text(&table, "event_id"));
        row.player_id = number(&table, "player_id");
        row.player_known = true;
        strcpy(row.player_name, text(&table, "player_name"));
        strcpy(row.market, "player_points");
        strcpy(row.book, text(&table, "book"));
        row.line = strtod(text(&table, "line"), NULL);
        row.over_price = number(&table, "over_price");
        row.under_price = number(&table, "under_price");
        row.main = number(&table, "main") == 1;
        row.offered = true;
        row.snapshot_at = now_us;
        put(features, &msg_row_odds_desc, &row);
    }
    for (int i = 0; i < game_count; i++) {
        struct msg_row_odds_snapshot mark;
        message_clear(&msg_row_odds_snapshot_desc, &mark);
        strcpy(mark.game_id, games[i].game_id);
        mark.game_date = day;
        strcpy(mark.event_id, "all");
        mark.snapshot_at = now_us;
        put(features, &msg_row_odds_snapshot_desc, &mark);
    }
    must(harness_run(features) == 0, "features failed");
}

static void pass_on(struct harness *from, struct harness *to, const struct message_desc *desc)
{
    for (size_t i = 0; i < harness_count(from, desc); i++) {
        put(to, desc, harness_at(from, desc, i)->message);
    }
    must(harness_run(to) == 0, "a step failed");
}

static void put_final_row(const struct table *table)
{
    struct msg_row_box_score row;
    message_clear(&msg_row_box_score_desc, &row);
    strcpy(row.game_id, text(table, "game_id"));
    row.game_date = day;
    row.player_id = number(table, "player_id");
    row.player_known = row.played = row.final = true;
    strcpy(row.player_name, text(table, "player_name"));
    strcpy(row.team, text(table, "team"));
    strcpy(row.opponent, text(table, "opponent"));
    row.home = number(table, "home") == 1;
    strcpy(row.game_status, "final");
    row.minutes = number(table, "min");
    row.points = number(table, "pts");
    put(grader, &msg_row_box_score_desc, &row);
    for (int i = 0; i < game_count; i++) {
        games[i].box_players += strcmp(games[i].game_id, row.game_id) == 0;
    }
}

static void put_finals(void)
{
    struct table table;
    must(table_open(&table, SEASONS[4]), SEASONS[4]);
    now_us += INT64_C(24) * 3600 * 1000000;
    while (table_next(&table)) {
        if (date(&table) == day) {
            put_final_row(&table);
        }
    }
    for (int i = 0; i < game_count; i++) {
        strcpy(games[i].status, "final");
        games[i].period = 4;
        put(grader, &msg_row_game_desc, &games[i]);
    }
    must(harness_run(grader) == 0, "grader failed");
}

/* Newest of each player and game. */
static json_t *newest(struct harness *harness, const struct message_desc *desc)
{
    json_t *by_key = json_object(), *out = json_array(), *row;
    const char *key;
    for (size_t i = 0; i < harness_count(harness, desc); i++) {
        char name[64];
        row = json_of_message(desc, harness_at(harness, desc, i)->message);
        snprintf(name, sizeof name, "%s %lld", json_string_value(json_object_get(row, "game_id")),
                 (long long)json_integer_value(json_object_get(row, "player_id")));
        json_object_set_new(by_key, name, row);
    }
    json_object_foreach(by_key, key, row)
    {
        json_array_append(out, row);
    }
    json_decref(by_key);
    return out;
}

static struct harness *open_harness(const struct actor *actor, const struct settings *settings)
{
    struct harness *harness = harness_open(actor, settings);
    must(harness != NULL, actor->name);
    harness_group(harness, true);
    return harness;
}

int main(int argc, char **argv)
{
    struct settings settings;
    messages_register();
    must(argc == 3 && clock_parse_date(argv[2], &day) == 0, "usage: actors_night ROOT DATE");
    root = argv[1];
    must(settings_load(&settings, NULL, NULL, 0, stderr) == 0, "settings");
    settings.actor.step_records = 20000;
    settings.actor.step_bytes = 64 << 20;
    features = open_harness(&features_actor, &settings);
    predictor = open_harness(&predictor_actor, &settings);
    grader = open_harness(&grader_actor, &settings);
    now_us = clock_date_start_us(day) + INT64_C(12) * 3600 * 1000000;

    put_history();
    put_games();
    put_odds();
    pass_on(features, predictor, &msg_feature_player_desc);
    pass_on(predictor, grader, &msg_prediction_points_desc);
    put_finals();

    json_t *out = json_object();
    json_object_set_new(out, "features", newest(features, &msg_feature_player_desc));
    json_object_set_new(out, "predictions", newest(predictor, &msg_prediction_points_desc));
    json_object_set_new(out, "grades", newest(grader, &msg_grade_points_desc));
    json_print(stdout, out, 0);
    json_decref(out);
    harness_close(&features);
    harness_close(&predictor);
    harness_close(&grader);
    return 0;
}
