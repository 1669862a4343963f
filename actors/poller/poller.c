/* poller - asks the services, and says the exact bytes they answered when those are news.
 * takes  row.game, row.event, ops.command     gives  raw.exchange
 * keeps  states of games and events, per subject when it was asked, what was accepted, and how to ask for changes only
 * never  says a body twice in a row, shows a key, or waits for anything but its own loop */
#include "actors/poller/poller.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/poller/jobs.h"
#include "config/clock.h"

static enum verdict verdict_of(struct step *step, int error)
{
    return error == STORE_OK ? DONE
                             : step_refuse(step, LATER, "store: %s", store_error_text(error));
}

static enum verdict take_game(struct step *step, const struct input *input, void *self)
{
    const struct msg_row_game *row = input->message;
    struct msg_poller_game game;
    if (!ledger_game(step_store(step), row->game_date, row->game_id, &game)) {
        message_clear(&msg_poller_game_desc, &game);
    }
    snprintf(game.game_id, sizeof game.game_id, "%s", row->game_id);
    game.game_date = row->game_date;
    game.tip_at = row->tip_at;
    snprintf(game.status, sizeof game.status, "%s", row->status);
    if (row->source_game_id != MESSAGE_NONE) {
        game.source_game_id = row->source_game_id;
    }
    if (game.begun_at == MESSAGE_NONE && strcmp(row->status, "in_progress") == 0) {
        game.begun_at = input->time_us;
    }
    if (game.box_final_at == MESSAGE_NONE && strcmp(row->status, "final") == 0 &&
        row->box_players > 0) {
        game.box_final_at = input->time_us;
    }
    jobs_replan(self);
    return verdict_of(step, ledger_put_game(step_store(step), &game));
}

static enum verdict take_event(struct step *step, const struct input *input, void *self)
{
    const struct msg_row_event *row = input->message;
    struct msg_poller_event event;
    message_clear(&msg_poller_event_desc, &event);
    snprintf(event.event_id, sizeof event.event_id, "%s", row->event_id);
    snprintf(event.game_id, sizeof event.game_id, "%s", row->game_id);
    event.game_date = row->game_date;
    event.commence_at = row->commence_at;
    jobs_replan(self);
    return verdict_of(step, ledger_put_event(step_store(step), &event));
}

static enum verdict take_command(struct step *step, const struct input *input, void *self)
{
    const struct msg_ops_command *command = input->message;
    struct msg_poller_subject row;
    char arg[FEED_ARG_SIZE];
    bool is_new = false;
    if (strcmp(command->target, "poller") != 0) {
        return DONE;
    }
    bool fetch = strcmp(command->verb, "fetch") == 0;
    if (!fetch && strcmp(command->verb, "poll") != 0) {
        return step_refuse(step, NEVER, "ops_command.verb: the poller knows poll and fetch, not %s",
                           command->verb);
    }
    if (feed_of_subject(command->subject, arg) < 0) {
        return step_refuse(step, NEVER, "ops_command.subject: no feed's: %s", command->subject);
    }
    int error = ledger_new_command(step_store(step), command->command_id, &is_new);
    if (error == STORE_OK && is_new) {
        ledger_subject(step_store(step), command->subject, &row);
        row.forced = true;
        if (fetch) { /* whoever lost what it was told is told again: the answer is news, whatever it is */
            row.body_sha256[0] = row.etag[0] = row.last_modified[0] = '\0';
        }
        error = ledger_put_subject(step_store(step), command->subject, &row);
        jobs_replan(self);
    }
    return verdict_of(step, error);
}

static void *poller_start(const struct settings *settings, bool *failed)
{
    struct jobs *self = calloc(1, sizeof *self);
    if (self == NULL || jobs_open(self, settings) != 0) {
        free(self);
        *failed = true;
        return NULL;
    }
    return self;
}

static void poller_forget(void *self)
{
    jobs_replan(self);
}

static void poller_stop(void *self)
{
    jobs_close(self);
    free(self);
}

static int poller_fds(void *self, struct pollfd *fds, int max, int64_t *timeout_us)
{
    return jobs_fds(self, fds, max, timeout_us);
}

static void poller_work(void *self, struct kit *kit, const struct pollfd *fds, int count)
{
    char cause[JOBS_CAUSE_SIZE];
    jobs_work(self, kit, fds, count);
    jobs_cause(self, cause);
    kit_cause(kit, cause);
}

static const struct take TAKES[] = {
    {&msg_row_game_desc, take_game, RUN_NONE, NULL, true},
    {&msg_row_event_desc, take_event, RUN_NONE, NULL, true},
    {&msg_ops_command_desc, take_command, RUN_NONE, NULL, true},
    {0},
};

/* Of a day's plan. What was accepted last of each subject is kept: it is what the next answer is compared with. */
static const struct aging AGES[] = {
    {"game", AGING_LOG, NULL, NULL}, {"event", AGING_LOG, NULL, NULL}, {NULL, 0, NULL, NULL}};

const struct actor poller_actor = {
    .name = "poller",
    .does = "asks the services, and says what they answered when it is news",
    .takes = TAKES,
    .ages = AGES,
    .edge = true,
    .once = true, /* a command heard again is a poll again, and some are paid for */
    .start = poller_start,
    .forget = poller_forget,
    .stop = poller_stop,
    .fds = poller_fds,
    .work = poller_work,
};
