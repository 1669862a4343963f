#include "actors/processor/identity.h"

#include <stdio.h>
#include <string.h>

#include "actors/processor/lookup.h"
#include "actors/processor/name_key.h"
#include "config/clock.h"
#include "schema/hash.h"

bool identity_team(struct memory *memory, const struct feed_team *team, char code[MEMORY_CODE_SIZE])
{
    return (team->source_id != MESSAGE_NONE && memory_team_by_id(memory, team->source_id, code)) ||
           memory_team_by_name(memory, team->code, code) ||
           memory_team_by_name(memory, team->full_name, code) ||
           memory_team_by_name(memory, team->name, code);
}

/* At a neutral site two sources may disagree on who is at home. */
static bool game_on(struct memory *memory, int32_t date, const char *home, const char *away,
                    struct msg_processor_game *out)
{
    return memory_game_of(memory, date, home, away, out) ||
           memory_game_of(memory, date, away, home, out);
}

bool identity_game(struct memory *memory, const struct feed_game *game, const char *home,
                   const char *away, struct msg_processor_game *out)
{
    int32_t tip_date = game->tip_us == MESSAGE_NONE ? 0 : clock_date_of(game->tip_us);
    if (game_on(memory, game->date, home, away, out) ||
        (tip_date != game->date && game_on(memory, tip_date, home, away, out))) {
        struct msg_processor_game before;
        if (game->source_id != MESSAGE_NONE &&
            (!memory_game_by_source(memory, game->source_id, &before) ||
             strcmp(before.game_id, out->game_id) != 0)) {
            memory_put_source(memory, game->source_id, out->game_id);
        }
        return true;
    }
    if (game->source_id == MESSAGE_NONE || !memory_game_by_source(memory, game->source_id, out)) {
        return false;
    }
    return (strcmp(out->home, home) == 0 && strcmp(out->away, away) == 0) ||
           (strcmp(out->home, away) == 0 && strcmp(out->away, home) == 0);
}

bool identity_event(struct memory *memory, const char *home, const char *away, int64_t commence_us,
                    int rollover_hour, struct msg_processor_game *out)
{
    char home_code[MEMORY_CODE_SIZE], away_code[MEMORY_CODE_SIZE];
    int32_t date = clock_date_of(commence_us), day = clock_league_day(commence_us, rollover_hour);
    return memory_team_by_name(memory, home, home_code) &&
           memory_team_by_name(memory, away, away_code) &&
           (game_on(memory, date, home_code, away_code, out) ||
            (day != date && game_on(memory, day, home_code, away_code, out)));
}

/* ---- players ---- */

struct wanted {
    const char *key;
    int64_t bdl_player_id;   /* MESSAGE_NONE: not from there */
    const char *home, *away; /* teams he may be of; the same twice if it is one */
};

static bool plays_for(const struct msg_processor_player *player, const struct wanted *wanted)
{
    return player->team[0] != '\0' &&
           (strcmp(player->team, wanted->home) == 0 || strcmp(player->team, wanted->away) == 0);
}

/* Of those named like him: who is not known to the source under another id, and - if there are several, or the name is only
 * alike - who plays for one of the teams. 1: *out is he; anything else: nobody, or nobody for sure. */
static int choose(struct memory *memory, const struct wanted *wanted, const char *key, bool alike,
                  struct msg_processor_player *out)
{
    int64_t ids[MEMORY_CANDIDATES_MAX];
    int named = memory_players_named(memory, key, alike, ids);
    int free_count = 0, team_count = 0;
    struct msg_processor_player free_one, team_one;
    for (int i = 0; i < named; i++) {
        struct msg_processor_player player;
        if (!memory_player(memory, ids[i], &player) ||
            (wanted->bdl_player_id != MESSAGE_NONE && player.bdl_player_id != MESSAGE_NONE &&
             player.bdl_player_id != wanted->bdl_player_id) ||
            (alike && !name_key_alike(player.name_key, key))) {
            continue;
        }
        free_count++;
        free_one = player;
        if (plays_for(&player, wanted)) {
            team_count++;
            team_one = player;
        }
    }
    if (!alike && free_count == 1) {
        *out = free_one;
        return 1;
    }
    if (team_count == 1) {
        *out = team_one;
    }
    return free_count == 0 ? 0 : team_count == 1 ? 1 : 2;
}

static bool find(struct memory *memory, const struct wanted *wanted,
                 struct msg_processor_player *out)
{
    const char *alias = name_key_alias(wanted->key);
    int found = wanted->key[0] != '\0' ? choose(memory, wanted, wanted->key, false, out) : 2;
    if (found == 0 && alias != NULL) {
        found = choose(memory, wanted, alias, false, out);
    }
    if (found == 0) {
        found = choose(memory, wanted, wanted->key, true, out);
    }
    return found == 1;
}

static void known(struct identity_player *out, const struct msg_processor_player *player)
{
    out->player_id = player->player_id;
    out->known = true;
    snprintf(out->name, sizeof out->name, "%s", player->player_name);
}

bool identity_box_player(struct memory *memory, int64_t source_id, const char *name,
                         const char *team, bool sure, struct identity_player *out)
{
    char key[NAME_KEY_SIZE];
    struct msg_processor_player player;
    int64_t player_id;
    if (memory_player_by_bdl(memory, source_id, &player_id) &&
        memory_player(memory, player_id, &player)) {
        known(out, &player);
        return true;
    }
    name_key(name, key);
    struct wanted wanted = {.key = key, .bdl_player_id = source_id, .home = team, .away = team};
    if (!find(memory, &wanted, &player) || (sure && !plays_for(&player, &wanted))) {
        return false;
    }
    player.bdl_player_id = source_id;
    memory_put_player(memory, &player);
    known(out, &player);
    return true;
}

void identity_unknown(int64_t source_id, const char *name, struct identity_player *out)
{
    out->player_id = -source_id;
    out->known = false;
    snprintf(out->name, sizeof out->name, "%s", name);
}

bool identity_numbered_player(struct memory *memory, int64_t source_id, struct identity_player *out)
{
    struct msg_processor_player player;
    struct msg_row_player listed;
    int64_t player_id;
    if (memory_player_by_bdl(memory, source_id, &player_id) &&
        memory_player(memory, player_id, &player)) {
        known(out, &player);
        return true;
    }
    if (memory_row_player(memory, -source_id, &listed)) {
        identity_unknown(source_id, listed.player_name, out);
        return true;
    }
    return false;
}

/* Below every negated id of balldontlie (feed_bdl_box_scores.c takes none above 4999999999). */
static int64_t number_of(const char *key)
{
    return -(INT64_C(5000000000) + (int64_t)(hash_fnv64(key, strlen(key)) % UINT64_C(4999999999)));
}

void identity_odds_player(struct memory *memory, const char *name, const char *home,
                          const char *away, struct identity_player *out)
{
    char key[NAME_KEY_SIZE];
    struct msg_processor_player player;
    name_key(name, key);
    struct wanted wanted = {.key = key, .bdl_player_id = MESSAGE_NONE, .home = home, .away = away};
    if (find(memory, &wanted, &player)) {
        known(out, &player);
        return;
    }
    if (lookup_found(memory, key, home, away, out)) {
        return;
    }
    out->player_id = number_of(key[0] != '\0' ? key : name);
    out->known = false;
    snprintf(out->name, sizeof out->name, "%s", name);
}
