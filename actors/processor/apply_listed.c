/* Squads and line-ups: lists of players, each row said when it differs from what was said of him last. */
#include "actors/processor/apply.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "actors/processor/listing.h"

#define STARTERS 10

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

/* Is it known, and not another one by its name than by its number? Else it is named. */
static bool team_stands(struct apply *self, const struct feed_club *club,
                        char code[MEMORY_CODE_SIZE])
{
    char by_id[MEMORY_CODE_SIZE] = "", by_name[MEMORY_CODE_SIZE] = "";
    bool numbered = memory_team_by_id(&self->memory, club->team.source_id, by_id);
    bool named = memory_team_by_name(&self->memory, club->team.code, by_name) ||
                 memory_team_by_name(&self->memory, club->team.full_name, by_name);
    strcpy(code, named ? by_name : by_id);
    if (!numbered && !named) {
        feed_refuse(self->feed, club->path, club->team.full_name, "no such team is known");
    } else if (numbered && named && strcmp(by_id, by_name) != 0) {
        feed_refuse(self->feed, club->path, club->team.full_name,
                    "id: %lld is %s, and by its names it is %s", (long long)club->team.source_id,
                    by_id, by_name);
    } else {
        return true;
    }
    self->identity_refused = true;
    return false;
}

/* Held against the teams that are known. */
void apply_teams(struct apply *self)
{
    struct msg_processor_page sum = listing_page(self, 0);
    for (size_t i = 0; i < self->feed->club_count; i++) {
        const struct feed_club *club = &self->feed->clubs[i];
        char code[MEMORY_CODE_SIZE];
        if (club->current) {
            sum.rows++;
            sum.unknown += !team_stands(self, club, code);
            listing_team(&sum, code);
        }
    }
    const struct check_figures figures = {
        .rows = (double)sum.rows,
        .unknown = check_share((double)sum.unknown, (double)sum.rows),
        .broken = check_broken(self),
        .lost = listing_lost(self, sum.teams, 2),
    };
    check_newest(self, LIST_TEAMS, &figures, true);
}

static void say_player(struct apply *self, const struct feed_listed *listed,
                       const struct meant *meant)
{
    static const char *const EXCEPT[] = {"seen_at", NULL};
    struct msg_row_player row, last;
    message_clear(&msg_row_player_desc, &row);
    row.player_id = meant->who.player_id;
    row.player_known = meant->who.known;
    strcpy(row.player_name, meant->who.name);
    strcpy(row.team, meant->team);
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

void apply_players(struct apply *self)
{
    struct msg_processor_page page = listing_page(self, self->feed->listed_count);
    for (size_t i = 0; i < self->feed->listed_count; i++) {
        const struct feed_listed *listed = &self->feed->listeds[i];
        struct meant meant = {0};
        bool stands = identify(self, listed, &meant);
        page.unknown += !stands || !meant.who.known;
        page.nulls += listed->position[0] == '\0';
        listing_team(&page, meant.team);
        if (stands) {
            say_player(self, listed, &meant);
        }
    }
    listing_judge(self, LIST_PLAYERS, &page, 2);
}

/* Of a line-up, as it stands in one body. */
struct lineup {
    int64_t rows, starters, unknown, home; /* home: rows of the league's home side */
};

static void take_entry(struct apply *self, const struct feed_listed *listed,
                       const struct msg_processor_game *game, struct lineup *lineup)
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
    lineup->rows++;
    lineup->starters += row.starter;
    lineup->home += strcmp(meant.team, game->home) == 0;
    lineup->unknown += !row.player_known;
    if (!memory_row_lineup(&self->memory, &row, &last) ||
        !message_equal(&msg_row_lineup_desc, &row, &last, EXCEPT)) {
        memory_put_row_lineup(&self->memory, &row);
        step_emit(self->step, &msg_row_lineup_desc, &row);
    }
}

static void check_lineup(struct apply *self, const struct lineup *lineup)
{
    const double rows = (double)lineup->rows;
    const struct check_figures figures = {
        .rows = rows,
        .unknown = check_share((double)lineup->unknown, rows),
        .off = fabs((double)(lineup->starters - STARTERS)),
        .broken = check_broken(self),
    };
    check_game(self, LIST_LINEUP, self->game_id, self->data_date, &figures);
}

void apply_lineups(struct apply *self)
{
    struct lineup lineup = {0};
    for (size_t i = 0; i < self->feed->listed_count; i++) {
        const struct feed_listed *listed = &self->feed->listeds[i];
        struct msg_processor_game game;
        if (memory_game_by_source(&self->memory, listed->game_source_id, &game)) {
            take_entry(self, listed, &game, &lineup);
        } else {
            self->identity_refused = true;
            feed_refuse(self->feed, listed->path, listed->name, "game_id: no game %lld is known",
                        (long long)listed->game_source_id);
        }
    }
    /* Fewer, or of one side: it is not out yet. */
    if (lineup.rows >= STARTERS && lineup.home > 0 && lineup.home < lineup.rows) {
        check_lineup(self, &lineup);
    }
}
