/* An ops_command as its actor takes it. */
#include "actors/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/clock.h"
#include "schema/messages.h"

static void answer(struct step *step, const struct input *input, const char *outcome, int64_t said,
                   const char *text)
{
    const struct msg_ops_command *command = input->message;
    struct msg_command_answer out;
    message_clear(&msg_command_answer_desc, &out);
    snprintf(out.command_id, sizeof out.command_id, "%s", command->command_id);
    snprintf(out.target, sizeof out.target, "%s", command->target);
    out.shard = step_shard(step, NULL);
    snprintf(out.verb, sizeof out.verb, "%s", command->verb);
    snprintf(out.subject, sizeof out.subject, "%s", command->subject[0] ? command->subject : "-");
    snprintf(out.outcome, sizeof out.outcome, "%s", outcome);
    out.said = said;
    snprintf(out.text, sizeof out.text, "%s", text);
    out.at = input->time_us;
    step_emit(step, &msg_command_answer_desc, &out);
}

bool command_is(const struct input *input, const struct command_kind *kind)
{
    const struct msg_ops_command *command = input->message;
    return strcmp(command->target, kind->actor) == 0 && strcmp(command->verb, kind->verb) == 0;
}

bool command_take(struct step *step, const struct input *input, const struct command_kind *kind,
                  const char *key)
{
    const struct msg_ops_command *command = input->message;
    bool known = strcmp(command->verb, kind->verb) == 0;
    if (strcmp(command->target, kind->actor) == 0) {
        if (known && step_owns(step, kind->of, key ? key : command->subject)) {
            if (kind->run)
                step_run_begin(step, kind->run);
            return true;
        }
        if (!known && step_shard(step, NULL) == 0) {
            char text[120];
            snprintf(text, sizeof text, "the %s knows %s%s%s", kind->actor, kind->verb,
                     kind->also ? ", " : "", kind->also ? kind->also : "");
            answer(step, input, "refused", 0, text);
        }
    }
    return false;
}

int32_t command_game(const char *subject, char game_id[COMMAND_GAME_SIZE])
{
    const char *day = strchr(subject, ':');
    int32_t date = 0;
    snprintf(game_id, COMMAND_GAME_SIZE, "%.*s", (int)strcspn(subject, ":"), subject);
    return day && clock_parse_date(day + 1, &date) == 0 ? date : 0;
}

void command_done(struct step *step, const struct input *input, uint32_t said_before)
{
    answer(step, input, "done", (int64_t)(step_emitted(step) - said_before), "");
}

void command_nothing(struct step *step, const struct input *input, const char *fmt, ...)
{
    char text[160];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    step_run_outcome(step, RUN_EMPTY_OK, ERROR_NONE, "%s", text);
    answer(step, input, "nothing", 0, text);
}
