#include "sim/scene.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "config/clock.h"

#define LINGER_US (5 * 60 * INT64_C(1000000)) /* how long a finished game stays in the live list */

void scene_set(struct scene *self, const struct root *root, int64_t now_us)
{
    self->root = root;
    self->now_us = now_us;
    self->game_count = root->game_count < SCENE_GAMES_MAX ? root->game_count : SCENE_GAMES_MAX;
    for (int i = 0; i < self->game_count; i++) {
        night_game_state(&root->games[i], now_us, &self->state[i]);
    }
}

bool scene_live(const struct scene *self, int game)
{
    enum night_status status = self->state[game].status;
    return status == NIGHT_PLAYING || status == NIGHT_BREAK || status == NIGHT_HALFTIME;
}

bool scene_in_live_list(const struct scene *self, int game)
{
    return scene_live(self, game) || (self->state[game].status == NIGHT_FINAL &&
                                      self->now_us < self->root->games[game].end_us + LINGER_US);
}

void scene_time(int64_t instant_us, bool milliseconds, char text[32])
{
    char full[CLOCK_TEXT_SIZE];
    clock_format_utc(instant_us, full);
    snprintf(text, 32, "%.19s%sZ", full, milliseconds ? ".000" : "");
}
