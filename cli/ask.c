/* tipoff ask - asks an actor to do again what is missing, as the watchdog does by itself, and prints its answer. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/command.h"
#include "cli/records.h"
#include "cli/say.h"
#include "config/clock.h"
#include "config/exit.h"
#include "schema/json.h"
#include "schema/messages.h"

#define PATIENCE_US INT64_C(30000000)
#define WAIT_MS 10000
#define LOOK_US 50000

/* Who can be asked to do what, of what. */
static const struct {
    const char *actor, *verb, *subject;
} asked[] = {{"processor", "reprocess", "a feed's subject, e.g. bdl_box_scores:2026-01-14"},
             {"processor", "say", "a game and its day: GAME:2026-01-14"},
             {"features", "rebuild", "a game"},
             {"predictor", "predict", "a game"},
             {"predictor", "say", "a game and its day: GAME:2026-01-14"},
             {"grader", "grade", "a game"},
             {"grader", "say", "a game"},
             {"scoreboard", "count", "a game and its day: GAME:2026-01-14"},
             {"scoreboard", "export", "a day"}};

struct answer {
    const char *command_id;
    json_t *json;
    bool done;
};

static int visit_answer(const struct records_item *item, void *context)
{
    static struct msg_command_answer message;
    struct answer *self = context;
    if (records_message(item, &msg_command_answer_desc, &message) != 0 ||
        strcmp(message.command_id, self->command_id) != 0)
        return 0;
    self->json = records_payload(item);
    self->done = strcmp(message.outcome, "done") == 0;
    return 1;
}

/* Until it is there, or `wait_ms` are over. */
static int answer_wait(struct cli *cli, uint64_t position, int64_t wait_ms, struct answer *answer)
{
    const struct timespec pause = {.tv_nsec = LOOK_US * 1000};
    int64_t until_us = clock_mono_us() + wait_ms * 1000;
    struct records *log;
    char why[256];
    int code = records_open(&log, cli->dir, why, sizeof why);
    if (code)
        return cli_fail(cli, code, "%s", why);
    while (records_refresh(log) == 0 &&
           records_each(log, msg_command_answer_desc.stream, position, UINT64_MAX, visit_answer,
                        answer) == 0 &&
           !answer->json && clock_mono_us() < until_us)
        nanosleep(&pause, NULL);
    records_close(&log);
    return answer->json ? EXIT_OK
                        : cli_fail(cli, EXIT_AGAIN, "it was asked, and has not answered yet");
}

static int answer_print(struct cli *cli, const struct answer *answer)
{
    const char *outcome = json_string_value(json_object_get(answer->json, "outcome"));
    const char *text = json_string_value(json_object_get(answer->json, "text"));
    json_int_t said = json_integer_value(json_object_get(answer->json, "said"));
    if (cli->json)
        json_print(stdout, answer->json, 0);
    else if (answer->done)
        printf("done: %lld said\n", (long long)said);
    else
        printf("%s: %s\n", outcome ? outcome : "", text ? text : "");
    return answer->done ? EXIT_OK : EXIT_NO;
}

static bool known(const char *actor, const char *verb)
{
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
        if (strcmp(asked[i].actor, actor) == 0 && strcmp(asked[i].verb, verb) == 0)
            return true;
    return false;
}

static int ask_run(struct cli *cli, int argc, char **argv)
{
    struct msg_ops_command command;
    int64_t wait_ms = WAIT_MS;
    uint64_t position;
    if (argc != 3 || !known(argv[0], argv[1])) {
        for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
            fprintf(stderr, "%s %s, of: %s\n", asked[i].actor, asked[i].verb, asked[i].subject);
        return cli_fail(cli, EXIT_USAGE, "wants one of these");
    }
    int code = cli_integer(cli, "wait", 0, 3600000, &wait_ms);
    if (code)
        return code;
    message_clear(&msg_ops_command_desc, &command);
    snprintf(command.target, sizeof command.target, "%s", argv[0]);
    snprintf(command.verb, sizeof command.verb, "%s", argv[1]);
    snprintf(command.subject, sizeof command.subject, "%s", argv[2]);
    say_who(command.by, sizeof command.by);
    snprintf(command.command_id, sizeof command.command_id, "ask:%.40s:%" PRIx64, argv[2],
             (uint64_t)clock_real_us());
    code = say_record(cli, &msg_ops_command_desc, &command, NULL, 0, PATIENCE_US, &position);
    if (code)
        return code;
    struct answer answer = {.command_id = command.command_id};
    code = answer_wait(cli, position, wait_ms, &answer);
    if (!code)
        code = answer_print(cli, &answer);
    json_decref(answer.json);
    return code;
}

static const struct command_option options[] = {
    {"wait", "MS", "so long for the answer (10000)"},
    {NULL, NULL, NULL},
};

const struct command command_ask = {
    .name = "ask",
    .args = "ACTOR VERB SUBJECT",
    .summary = "have an actor do again what is missing: process, build, predict, grade, export",
    .options = options,
    .run = ask_run,
};
