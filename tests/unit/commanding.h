/* A command to an actor on the harness, and what it answered last. */
#ifndef TESTS_UNIT_COMMANDING_H
#define TESTS_UNIT_COMMANDING_H

#include <stdio.h>
#include <string.h>

#include "actors/harness.h"
#include "schema/messages.h"

static uint64_t commanded(struct harness *harness, const char *target, const char *verb,
                          const char *subject, int64_t time_us)
{
    static int count;
    struct msg_ops_command command;
    message_clear(&msg_ops_command_desc, &command);
    snprintf(command.target, sizeof command.target, "%s", target);
    snprintf(command.verb, sizeof command.verb, "%s", verb);
    snprintf(command.subject, sizeof command.subject, "%s", subject);
    snprintf(command.by, sizeof command.by, "test");
    snprintf(command.command_id, sizeof command.command_id, "c%d", ++count);
    uint64_t position = harness_put(harness, &msg_ops_command_desc, &command, time_us);
    assert_true(position > 0);
    assert_int_equal(harness_run(harness), 0);
    return position;
}

static void answered(struct harness *harness, size_t answers, const char *outcome, int64_t said)
{
    assert_int_equal(harness_count(harness, &msg_command_answer_desc), answers);
    const struct harness_record *record =
        harness_at(harness, &msg_command_answer_desc, answers - 1);
    const struct msg_command_answer *answer = record->message;
    assert_string_equal(answer->outcome, outcome);
    assert_int_equal(answer->said, said);
    assert_string_equal(record->key, answer->target);
}

#endif
