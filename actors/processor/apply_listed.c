/* Squads and line-ups: lists of players, each row said when it differs from what was said of him last. */
#include "actors/processor/apply.h"

#include <stdio.h>
#include <string.h>

struct meant {
    struct identity_player who;
    char team[MEMORY_CODE_SIZE];
};

static bool identify(struct apply *self, const struct feed_listed *listed, struct meant *out)
{
    if (!identity_team(&self->memory, &listed->team, out->team)) {
        self->identity_refused = true;
        feed_refuse(self->feed, listed->path, listed->name, "team: no such team is known");
        return false;
    }
    if (!identity_box_player(&self->memory, listed->source_id, listed->name, out->team, false,
                             &out->who)) {
        identity_unknown(listed->source_id, listed->name, &out->who);
    }
    return true;
}

/* Only those for whom the source and the cross-walk name one team: others of that name may be long gone. Nothing is said: it is the
 * cross-walk that learns their numbers. */
void apply_all_players(struct apply *self)
{
    for (size_t i = 0; i < self->feed->listed_count; i++) {
        const struct feed_listed *listed = &self->feed->listeds[i];
        struct meant meant;
        if (identity_team(&self->memory, &listed->team, meant.team)) {
            (void)identity_box_player(&self->memory, listed->source_id, listed->name, meant.team,
                                      true, &meant.who);
        }
    }
}

/* Held against the teams that are known: one that is not, or is another one by its name than by its number, is named. */
void apply_teams(struct apply *self)
{
    for (size_t i = 0; i < self->feed->club_count; i++) {
        const struct feed_club *club = &self->feed->clubs[i];
        char by_id[MEMORY_CODE_SIZE] = "", by_name[MEMORY_CODE_SIZE] = "";
        if (!club->current) {
            continue;
        }
        bool numbered = memory_team_by_id(&self->memory, club->team.source_id, by_id);
        bool named = memory_team_by_name(&self->memory, club->team.code, by_name) ||
                     memory_team_by_name(&self->memory, club->team.full_name, by_name);
        if (!numbered && !named) {
            feed_refuse(self->feed, club->path, club->team.full_name, "no such team is known");
        } else if (numbered && named && strcmp(by_id, by_name) != 0) {
            feed_refuse(self->feed, club->path, club->team.full_name,
                        "id: %lld is %s, and by its names it is %s",
                        (long long)club->team.source_id, by_id, by_name);
        } else {
            continue;
        }
        self->identity_refused = true;
    }
}

void apply_players(struct apply *self)
{
    static const char *const EXCEPT[] = {"seen_at", NULL};
    for (size_t i = 0; i < self->feed->listed_count; i++) {
        const struct feed_listed *listed = &self->feed->listeds[i];
        struct msg_row_player row, last;
        struct meant meant;
        if (!identify(self, listed, &meant)) {
            continue;
        }
        message_clear(&msg_row_player_desc, &row);
        row.player_id = meant.who.player_id;
        row.player_known = meant.who.known;
        strcpy(row.player_name, meant.who.name);
        strcpy(row.team, meant.team);
        strcpy(row.position, listed->position);
        strcpy(row.height, listed->height);
        strcpy(row.jersey, listed->jersey);
        row.weight = listed->weight;
        row.seen_at = self->raw->fetched_at;
        if (!memory_row_player(&self->memory, row.player_id, &last) ||
            !message_equal(&msg_row_player_desc, &row, &last, EXCEPT)) {
            memory_put_row_player(&self->memory, &row);
            step_emit(self->step, &msg_row_player_desc, &row);
        }
    }
}

static void take_entry(struct apply *self, const struct feed_listed *listed,
                       const struct msg_processor_game *game)
{
    static const char *const EXCEPT[] = {"seen_at", NULL};
    struct msg_row_lineup row, last;
    struct meant meant;
    if (!identify(self, listed, &meant)) {
        return;
    }
    if (strcmp(meant.team, game->home) != 0 && strcmp(meant.team, game->away) != 0) {
        feed_refuse(self->feed, listed->path, listed->name, "team: %s is not in game %s",
                    meant.team, game->game_id);
        return;
    }
    message_clear(&msg_row_lineup_desc, &row);
    strcpy(row.game_id, game->game_id);
    row.game_date = game->game_date;
    row.player_id = meant.who.player_id;
    row.player_known = meant.who.known;
    strcpy(row.player_name, meant.who.name);
    strcpy(row.team, meant.team);
    row.starter = listed->starter;
    strcpy(row.position, listed->position);
    row.seen_at = self->raw->fetched_at;
    self->data_date = row.game_date;
    strcpy(self->game_id, row.game_id);
    if (!memory_row_lineup(&self->memory, &row, &last) ||
        !message_equal(&msg_row_lineup_desc, &row, &last, EXCEPT)) {
        memory_put_row_lineup(&self->memory, &row);
        step_emit(self->step, &msg_row_lineup_desc, &row);
    }
}

void apply_lineups(struct apply *self)
{
    for (size_t i = 0; i < self->feed->listed_count; i++) {
        const struct feed_listed *listed = &self->feed->listeds[i];
        struct msg_processor_game game;
        if (memory_game_by_source(&self->memory, listed->game_source_id, &game)) {
            take_entry(self, listed, &game);
        } else {
            self->identity_refused = true;
            feed_refuse(self->feed, listed->path, listed->name, "game_id: no game %lld is known",
                        (long long)listed->game_source_id);
        }
    }
}
