/* The play-by-play: its actions as rows, and the players' points of it held against the final box score. Actions are corrected and
 * removed later: the newest body counts. It changes no game and no box score. */
#include "actors/processor/apply.h"

#include <stdlib.h>
#include <string.h>

#include "actors/processor/check.h"

/* ---- rows ---- */

static void say_play(struct apply *self, const struct msg_row_play *row)
{
    memory_put_row_play(&self->memory, row);
    step_emit(self->step, &msg_row_play_desc, row);
}

static void take_play(struct apply *self, const struct feed_play *play,
                      const struct msg_processor_game *game)
{
    static const char *const EXCEPT[] = {"seen_at", NULL};
    struct msg_row_play row, last;
    message_clear(&msg_row_play_desc, &row);
    strcpy(row.game_id, game->game_id);
    row.game_date = game->game_date;
    row.action = play->number;
    row.period = play->period;
    strcpy(row.clock, play->clock);
    row.player_id = play->player_id;
    strcpy(row.team, play->team);
    strcpy(row.kind, play->kind);
    row.points = play->points;
    row.home_score = play->home_score;
    row.away_score = play->away_score;
    row.seen_at = self->raw->fetched_at;
    if (!memory_row_play(&self->memory, &row, &last) ||
        !message_equal(&msg_row_play_desc, &row, &last, EXCEPT)) {
        say_play(self, &row);
    }
}

struct gone {
    const struct feed *feed;
    struct msg_row_play *rows;
    size_t count;
};

static void collect_gone(const void *message, void *context)
{
    const struct msg_row_play *row = message;
    struct gone *gone = context;
    for (size_t i = 0; i < gone->feed->play_count; i++) {
        if (gone->feed->plays[i].number == row->action) {
            return;
        }
    }
    if (!row->removed && gone->count < FEED_PLAYS_MAX) {
        gone->rows[gone->count++] = *row;
    }
}

/* A body with a broken action cannot say what is gone, nor one without any. */
static void say_gone(struct apply *self, const struct msg_processor_game *game)
{
    struct gone gone = {.feed = self->feed};
    if (self->feed->refusal_count > 0 || self->feed->play_count == 0) {
        return;
    }
    gone.rows = calloc(FEED_PLAYS_MAX, sizeof *gone.rows);
    if (gone.rows == NULL) {
        abort(); /* a machine without memory */
    }
    memory_each_play(&self->memory, game->game_date, game->game_id, collect_gone, &gone);
    for (size_t i = 0; i < gone.count; i++) {
        gone.rows[i].removed = true;
        gone.rows[i].seen_at = self->raw->fetched_at;
        say_play(self, &gone.rows[i]);
    }
    free(gone.rows);
}

void apply_plays(struct apply *self)
{
    struct msg_processor_game game;
    if (!memory_game(&self->memory, self->feed->game_id, &game)) {
        self->identity_refused = true;
        feed_refuse(self->feed, "game.gameId", self->feed->game_id, "no such game is known");
        return;
    }
    self->data_date = game.game_date;
    strcpy(self->game_id, game.game_id);
    for (size_t i = 0; i < self->feed->play_count; i++) {
        take_play(self, &self->feed->plays[i], &game);
    }
    say_gone(self, &game);
    apply_plays_check(self, game.game_date, game.game_id);
}

/* ---- points ---- */

struct tally {
    struct tally_player {
        int64_t id, plays, box;
        bool boxed;
    } players[2 * FEED_GAME_PLAYERS_MAX];
    size_t count;
    int64_t actions;
    bool
        unknown; /* the box score has somebody whom no cross-walk knows: he may be any of the others */
};

static struct tally_player *player_in(struct tally *self, int64_t id)
{
    for (size_t i = 0; i < self->count; i++) {
        if (self->players[i].id == id) {
            return &self->players[i];
        }
    }
    if (self->count == sizeof self->players / sizeof self->players[0]) {
        return NULL;
    }
    self->players[self->count] = (struct tally_player){.id = id};
    return &self->players[self->count++];
}

static void add_play(const void *message, void *context)
{
    const struct msg_row_play *row = message;
    struct tally *tally = context;
    tally->actions += !row->removed;
    struct tally_player *player =
        !row->removed && row->points > 0 ? player_in(tally, row->player_id) : NULL;
    if (player != NULL) {
        player->plays += row->points;
    }
}

static void add_box(const void *message, void *context)
{
    const struct msg_row_box_score *row = message;
    struct tally *tally = context;
    tally->unknown = tally->unknown || !row->player_known;
    struct tally_player *player = row->player_known ? player_in(tally, row->player_id) : NULL;
    if (player != NULL) {
        player->box = row->points;
        player->boxed = true;
    }
}

void apply_plays_check(struct apply *self, int32_t date, const char *game_id)
{
    struct tally tally = {.count = 0};
    struct msg_row_game game;
    int64_t off = 0;
    if (!memory_row_game(&self->memory, date, game_id, &game) || game.box_players == 0 ||
        strcmp(game.status, feed_status_text(FEED_FINAL)) != 0) {
        return;
    }
    memory_each_play(&self->memory, date, game_id, add_play, &tally);
    if (tally.actions == 0) {
        return;
    }
    memory_each_box(&self->memory, date, game_id, add_box, &tally);
    for (size_t i = 0; i < tally.count; i++) {
        const struct tally_player *player = &tally.players[i];
        off += player->boxed || !tally.unknown ? llabs(player->plays - player->box) : 0;
    }
    const struct check_figures figures = {.rows = (double)tally.actions, .off = (double)off};
    check_game(self, LIST_PLAYS, game_id, date, &figures);
}
