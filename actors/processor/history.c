#include "actors/processor/history.h"

#include <stdio.h>
#include <string.h>

#include "actors/processor/name_key.h"

static struct store_key key_of(const char *import_id)
{
    struct store_key key;
    store_key_start(&key);
    store_key_text(&key, import_id);
    return key;
}

void history_stage_team(struct memory *memory, const struct msg_history_team *team)
{
    struct store_key key = key_of(team->import_id);
    store_key_text(&key, team->team);
    memory_put(memory, "stage-team", STORE_UNDATED, &key, &msg_history_team_desc, team);
}

void history_stage_player(struct memory *memory, const struct msg_history_player *player)
{
    struct store_key key = key_of(player->import_id);
    store_key_i64(&key, player->player_id);
    memory_put(memory, "stage-player", STORE_UNDATED, &key, &msg_history_player_desc, player);
}

void history_stage_game(struct memory *memory, const struct msg_history_game *game)
{
    struct store_key key = key_of(game->import_id);
    store_key_text(&key, game->game_id);
    memory_put(memory, "stage-game", STORE_UNDATED, &key, &msg_history_game_desc, game);
}

void history_stage_player_game(struct memory *memory, const struct msg_history_player_game *line)
{
    struct msg_processor_player row;
    struct store_key key = key_of(line->import_id);
    store_key_i64(&key, line->player_id);
    if (memory_get(memory, "stage-roster", STORE_UNDATED, &key, &msg_processor_player_desc, &row) &&
        row.team_date >= line->game_date) {
        return;
    }
    message_clear(&msg_processor_player_desc, &row);
    row.player_id = line->player_id;
    snprintf(row.player_name, sizeof row.player_name, "%s", line->player_name);
    name_key(line->player_name, row.name_key);
    snprintf(row.team, sizeof row.team, "%s", line->team);
    row.team_date = line->game_date;
    memory_put(memory, "stage-roster", STORE_UNDATED, &key, &msg_processor_player_desc, &row);
}

static void commit_player(struct memory *memory, const struct msg_history_player *from)
{
    struct msg_processor_player row, old;
    bool had = memory_player(memory, from->player_id, &old);
    message_clear(&msg_processor_player_desc, &row);
    if (had) {
        row = old;
    }
    row.player_id = from->player_id;
    snprintf(row.player_name, sizeof row.player_name, "%s", from->player_name);
    snprintf(row.name_key, sizeof row.name_key, "%s", from->name_key);
    if (from->bdl_player_id != MESSAGE_NONE) {
        row.bdl_player_id = from->bdl_player_id;
    }
    if (!had || !message_equal(&msg_processor_player_desc, &row, &old, NULL)) {
        memory_put_player(memory, &row);
    }
}

/* A player whom the cross-walk lacks is known by his games. */
static void commit_roster(struct memory *memory, const struct msg_processor_player *from)
{
    struct msg_processor_player row;
    if (!memory_player(memory, from->player_id, &row)) {
        memory_put_player(memory, from);
    } else if (from->team_date >= row.team_date && strcmp(from->team, row.team) != 0) {
        memcpy(row.team, from->team, sizeof row.team);
        row.team_date = from->team_date;
        memory_put_player(memory, &row);
    } else if (from->team_date > row.team_date) {
        row.team_date = from->team_date;
        memory_put_player(memory, &row);
    }
}

/* What the league's own schedule said since stays: it is newer than any file. */
static void commit_game(struct memory *memory, const struct msg_history_game *from)
{
    struct msg_processor_game row, old;
    bool had = memory_game(memory, from->game_id, &old);
    if (had && old.scheduled) {
        return;
    }
    message_clear(&msg_processor_game_desc, &row);
    snprintf(row.game_id, sizeof row.game_id, "%s", from->game_id);
    row.game_date = from->game_date;
    snprintf(row.home, sizeof row.home, "%s", from->home);
    snprintf(row.away, sizeof row.away, "%s", from->away);
    row.tip_at = from->tip_at;
    if (!had || !message_equal(&msg_processor_game_desc, &row, &old, NULL)) {
        memory_put_game(memory, &row);
    }
}

struct commit {
    struct memory *memory;
    const struct message_desc *desc;
    void (*apply)(struct memory *memory, const void *message);
    int64_t rows;
};

static void apply_team(struct memory *memory, const void *message)
{
    memory_put_team(memory, message);
}
static void apply_player(struct memory *memory, const void *message)
{
    commit_player(memory, message);
}
static void apply_game(struct memory *memory, const void *message)
{
    commit_game(memory, message);
}
static void apply_roster(struct memory *memory, const void *message)
{
    commit_roster(memory, message);
}

/* Decodes before it writes: what a scan hands out is gone with the next write. */
static int commit_row(const struct store_row *row, void *context)
{
    struct commit *commit = context;
    union {
        struct msg_history_team team;
        struct msg_history_player player;
        struct msg_history_game game;
        struct msg_processor_player roster;
    } message;
    struct message_error why;
    if (message_decode(commit->desc, row->value.data, row->value.size, &message, &why) != 0) {
        return STORE_CORRUPT;
    }
    commit->apply(commit->memory, &message);
    commit->rows++;
    return commit->memory->error;
}

int64_t history_commit(struct memory *memory, const char *import_id)
{
    static const struct {
        const char *table;
        const struct message_desc *desc;
        void (*apply)(struct memory *memory, const void *message);
    } STAGES[] = {
        {"stage-team", &msg_history_team_desc, apply_team},
        {"stage-player", &msg_history_player_desc, apply_player},
        {"stage-roster", &msg_processor_player_desc, apply_roster},
        {"stage-game", &msg_history_game_desc, apply_game},
    };
    struct store_key prefix = key_of(import_id);
    int64_t rows = 0;
    for (size_t i = 0; i < sizeof STAGES / sizeof STAGES[0] && memory->error == STORE_OK; i++) {
        struct commit commit = {memory, STAGES[i].desc, STAGES[i].apply, 0};
        memory_ok(memory, store_scan(memory->txn, STAGES[i].table, STORE_UNDATED, STORE_UNDATED,
                                     prefix.data, prefix.size, false, commit_row, &commit));
        memory_ok(memory, store_clear(memory->txn, STAGES[i].table));
        rows += commit.rows;
    }
    return rows;
}
