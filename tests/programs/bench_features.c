/* How long features takes for five seasons of history and a night: `bench_features [ROWS]`. Prints one JSON object. Made-up
 * players, on the real engine and a real environment; steps as large as replay makes them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/features/features.h"
#include "actors/harness.h"
#include "config/clock.h"
#include "config/settings.h"
#include "schema/messages.h"

enum { TEAMS = 30, SQUAD = 18, PLAYERS_A_SIDE = 11, GAMES_A_DAY = 7, NIGHT_GAMES = 8, BOOKS = 8 };

static struct harness *harness;
static int64_t now_us;

static void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "bench_features: %s\n", what);
        exit(70);
    }
}

static void put(const struct message_desc *desc, const void *message)
{
    now_us += 1000;
    must(harness_put(harness, desc, message, now_us) > 0, desc->name);
}

static void team_name(char *out, int team)
{
    snprintf(out, 5, "T%02d", team % 100);
}

static void put_line(int32_t date, int game, int team, int other, int slot)
{
    struct msg_history_player_game row;
    message_clear(&msg_history_player_game_desc, &row);
    strcpy(row.import_id, "0123456789abcdef");
    snprintf(row.game_id, sizeof row.game_id, "00%08d", game);
    strcpy(row.season, "2024-25");
    row.game_date = date;
    row.player_id = 1000 + team * SQUAD + (slot * 7 + game) % SQUAD;
    snprintf(row.player_name, sizeof row.player_name, "Player %lld", (long long)row.player_id);
    team_name(row.team, team);
    team_name(row.opponent, other);
    row.minutes = 12 + (game + slot) % 25;
    row.points = (game * 3 + slot * 5) % 35;
    row.field_goals_attempted = 5 + (game + slot) % 15;
    row.free_throws_attempted = slot % 6;
    row.turnovers = game % 4;
    strcpy(row.source, "bench");
    put(&msg_history_player_game_desc, &row);
}

static int32_t put_history(int rows)
{
    int32_t date = 20211020;
    int game = 0;
    for (int put_rows = 0; put_rows < rows; game++) {
        int team = (game * 7) % TEAMS, other = (game * 11 + 1) % TEAMS;
        other = other == team ? (other + 1) % TEAMS : other;
        for (int slot = 0; slot < 2 * PLAYERS_A_SIDE && put_rows < rows; slot++, put_rows++) {
            put_line(date, game, slot % 2 ? team : other, slot % 2 ? other : team, slot / 2);
        }
        if (game % GAMES_A_DAY == GAMES_A_DAY - 1) {
            date = clock_date_add(date, 1);
            if (date / 100 % 100 == 5) { /* seasons end in April */
                date = (date / 10000) * 10000 + 1020;
            }
        }
    }
    return clock_date_add(date, 1);
}

static void put_commit(void)
{
    struct msg_import_commit row;
    message_clear(&msg_import_commit_desc, &row);
    strcpy(row.import_id, "0123456789abcdef");
    strcpy(row.sha256, "0");
    put(&msg_import_commit_desc, &row);
}

static void put_game(int32_t date, int number)
{
    struct msg_row_game row;
    message_clear(&msg_row_game_desc, &row);
    snprintf(row.game_id, sizeof row.game_id, "01%08d", number);
    row.game_date = date;
    team_name(row.home, 2 * number);
    team_name(row.away, 2 * number + 1);
    row.tip_at = now_us + INT64_C(100) * 3600 * 1000000;
    strcpy(row.status, "scheduled");
    strcpy(row.feed, "bench");
    put(&msg_row_game_desc, &row);
}

static void put_odds(int32_t date, int number, int round)
{
    struct msg_row_odds row;
    struct msg_row_odds_snapshot mark;
    message_clear(&msg_row_odds_desc, &row);
    message_clear(&msg_row_odds_snapshot_desc, &mark);
    snprintf(row.game_id, sizeof row.game_id, "01%08d", number);
    strcpy(mark.game_id, row.game_id);
    row.game_date = mark.game_date = date;
    strcpy(row.event_id, "event");
    strcpy(mark.event_id, "event");
    strcpy(row.market, "player_points");
    for (int player = 0; player < 2 * SQUAD; player += 2) {
        row.player_id = 1000 + 2 * number * SQUAD + player;
        strcpy(row.player_name, "Someone");
        for (int book = 0; book < BOOKS; book++) {
            snprintf(row.book, sizeof row.book, "book%d", book);
            int above = player / 2 + round % 2;
            row.line = 10.5 + above;
            row.over_price = row.under_price = -110;
            row.main = row.offered = row.player_known = true;
            row.snapshot_at = now_us;
            put(&msg_row_odds_desc, &row);
        }
    }
    mark.snapshot_at = now_us;
    put(&msg_row_odds_snapshot_desc, &mark);
}

static double run(int64_t *from)
{
    must(harness_run(harness) == 0, "a step failed");
    int64_t now = clock_mono_us();
    double seconds = (double)(now - *from) / 1e6;
    *from = now;
    return seconds;
}

int main(int argc, char **argv)
{
    int rows = argc > 1 ? atoi(argv[1]) : 109246;
    struct settings settings;
    messages_register();
    must(settings_load(&settings, NULL, NULL, 0, stderr) == 0, "settings");
    settings.actor.step_records = 20000;
    settings.actor.step_bytes = 64 << 20;
    harness = harness_open(&features_actor, &settings);
    must(harness != NULL, "harness");
    harness_group(harness, true);
    now_us = INT64_C(1763398800000000);

    int32_t date = put_history(rows);
    int64_t from = clock_mono_us();
    double staged = run(&from);
    put_commit();
    double committed = run(&from);
    for (int game = 0; game < NIGHT_GAMES; game++) {
        put_game(date, game);
    }
    double first = run(&from);
    size_t built = harness_count(harness, &msg_feature_player_desc);
    enum { ROUNDS = 10 };
    for (int round = 0; round < ROUNDS; round++) {
        for (int game = 0; game < NIGHT_GAMES; game++) {
            put_odds(date, game, round);
        }
    }
    from = clock_mono_us();
    double odds = run(&from);
    printf(
        "{\"rows\": %d, \"stage_s\": %.3f, \"commit_s\": %.3f, \"games\": %d, \"first_build_s\": "
        "%.3f, \"features\": %zu, \"odds_rounds\": %d, \"odds_s\": %.3f, \"features_in_all\": "
        "%zu}\n",
        rows, staged, committed, NIGHT_GAMES, first, built, ROUNDS, odds,
        harness_count(harness, &msg_feature_player_desc));
    harness_close(&harness);
    return 0;
}
