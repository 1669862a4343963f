/* The live view on a terminal. */
#include "cli/view.h"

#include <stdlib.h>
#include <string.h>

#include "cli/screen.h"
#include "config/clock.h"
#include "config/exit.h"

#define DRAW_INTERVAL_US 250000
#define EVENTS 6

struct view {
    struct screen *screen;
    int32_t date;
    json_t *status; /* NULL until the broker answered */
    int64_t drawn_us, rated_us;
    json_int_t head;
    double rate; /* records a second, real time, over the last second or so */
    char events[EVENTS][160];
    int event_count;
};

struct view *view_open(FILE *out, int32_t date)
{
    struct view *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->date = date;
    self->screen = screen_open(out);
    if (self->screen)
        return self;
    free(self);
    return NULL;
}

void view_night(struct view *self, int32_t date)
{
    self->date = date;
}

void view_close(struct view **self)
{
    if (!*self)
        return;
    screen_close(&(*self)->screen);
    json_decref((*self)->status);
    free(*self);
    *self = NULL;
}

void view_event(struct view *self, const struct child_event *event)
{
    static const char *const words[] = {"started", "ended", "hung: aborted", "killed",
                                        "could not be started"};
    char how[64] = "", at[CLOCK_TEXT_SIZE];
    if (event->kind == CHILD_EXITED && event->signal)
        snprintf(how, sizeof how, " by signal %d: %s", event->signal,
                 exit_verdict_text(event->verdict));
    else if (event->kind == CHILD_EXITED)
        snprintf(how, sizeof how, " with code %d: %s", event->code,
                 exit_verdict_text(event->verdict));
    if (self->event_count == EVENTS) {
        memmove(self->events, self->events + 1, sizeof self->events - sizeof *self->events);
        self->event_count--;
    }
    clock_format_utc(clock_league_us(), at);
    snprintf(self->events[self->event_count++], sizeof *self->events, "%.8s  %s (pid %d) %s%s",
             at + 11, event->child->name, (int)event->pid, words[event->kind], how);
}

static json_int_t status_head(const json_t *status)
{
    return json_integer_value(json_object_get(json_object_get(status, "broker"), "head"));
}

void view_status(struct view *self, const json_t *status)
{
    int64_t now = clock_mono_us();
    json_int_t head = status_head(status);
    if (!self->rated_us || head < self->head) {
        self->rated_us = now;
        self->head = head;
    } else if (now - self->rated_us >= 1000000) {
        self->rate = (double)(head - self->head) * 1e6 / (double)(now - self->rated_us);
        self->rated_us = now;
        self->head = head;
    }
    json_decref(self->status);
    self->status = json_deep_copy(status);
}

static void draw_head(struct view *self, const struct night *night)
{
    char date[CLOCK_DATE_SIZE] = "now", at[CLOCK_TEXT_SIZE];
    struct clock_anchor anchor;
    clock_league_get(&anchor);
    clock_format_utc(anchor.league_us, at);
    if (self->date)
        clock_format_date(self->date, date);
    screen_line(self->screen, "tipoff  night of %s  league time %.19sZ x%g", date, at,
                anchor.speed);
    screen_line(self->screen,
                "log %lld records, %.0f/s   games %d, final %d   predictions %d, graded %d",
                (long long)self->head, self->rate, night->games, night->final, night->predictions,
                night->graded);
    screen_line(self->screen, "%s", "");
}

static void draw_games(struct view *self, const struct night *night)
{
    for (int i = 0; i < night->games; i++) {
        const struct msg_row_game *game = &night->game[i];
        char when[48];
        if (!strcmp(game->status, "in_progress"))
            snprintf(when, sizeof when, "%s%lld %s", game->period > 4 ? "OT" : "Q",
                     (long long)(game->period > 4 ? game->period - 4 : game->period), game->clock);
        else
            snprintf(when, sizeof when, "%s", game->status);
        screen_line(self->screen, "  %-4s %3lld  @ %-4s %3lld   %s", game->away,
                    (long long)(game->away_score == MESSAGE_NONE ? 0 : game->away_score),
                    game->home,
                    (long long)(game->home_score == MESSAGE_NONE ? 0 : game->home_score), when);
    }
    if (night->games)
        screen_line(self->screen, "%s", "");
}

static const json_t *shard_of(const struct view *self, const struct child *child)
{
    size_t i;
    json_t *shard;
    json_array_foreach(json_object_get(self->status, "shards"), i, shard)
    {
        const char *actor = json_string_value(json_object_get(shard, "actor"));
        if (actor && !strcmp(actor, child->actor) &&
            json_integer_value(json_object_get(shard, "partition")) == (json_int_t)child->shard)
            return shard;
    }
    return NULL;
}

static void draw_shards(struct view *self, const struct supervisor *supervisor)
{
    screen_line(self->screen, "  %-14s %-12s %8s %9s %10s %8s", "process", "state", "pid",
                "restarts", "steps", "lag");
    for (int i = 0; i < supervisor_count(supervisor); i++) {
        const struct child *child = supervisor_child(supervisor, i);
        const json_t *shard = shard_of(self, child);
        const char *state = json_string_value(json_object_get(shard, "state"));
        if (child->state != CHILD_RUNNING || !state)
            state = child_state_text(child->state);
        screen_line(self->screen, "  %-14s %-12s %8d %9u %10lld %8lld", child->name, state,
                    (int)child->pid, child->restarts,
                    (long long)json_integer_value(json_object_get(shard, "steps")),
                    (long long)json_integer_value(json_object_get(shard, "lag")));
    }
    screen_line(self->screen, "%s", "");
}

void view_draw(struct view *self, const struct supervisor *supervisor, const struct night *night)
{
    int64_t now = clock_mono_us();
    if (self->drawn_us && now - self->drawn_us < DRAW_INTERVAL_US)
        return;
    self->drawn_us = now;
    screen_begin(self->screen);
    draw_head(self, night);
    draw_games(self, night);
    draw_shards(self, supervisor);
    for (int i = 0; i < self->event_count; i++)
        screen_line(self->screen, "  %s", self->events[i]);
    screen_end(self->screen);
}
