/* What the kit itself says: runs, dead letters, what became of them and of a rewind. The one place that says these messages. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "actors/step.h"
#include "config/log.h"
#include "schema/messages.h"
#include "schema/utf8.h"

static bool say(struct shard *self, const struct message_desc *desc, const void *message,
                const struct run *run)
{
    const char *rule;
    const struct emit now = {.due_us = CLOCK_NONE};
    if (step_put(&self->step, desc, message, &now, run, &rule) == 0)
        return true;
    log_error("unsaid", "message=%s rule=\"%s\"", desc->name, rule);
    return false;
}

/* Text of any origin, made fit for a STR: cut at `size`, what is no UTF-8 replaced. */
static void text_put(char *to, size_t size, const char *from, size_t from_size)
{
    size_t most = from_size < size - 1 ? from_size : size - 1, valid;
    while (most < from_size && most > 0 && ((unsigned char)from[most] & 0xc0) == 0x80)
        most--;
    memcpy(to, from, most);
    to[most] = '\0';
    while ((valid = utf8_valid(to, most)) < most)
        to[valid] = '?';
}

static void text_set(char *to, size_t size, const char *from)
{
    text_put(to, size, from, strlen(from));
}

static void run_identity(struct shard *self, struct msg_ops_run *out)
{
    message_clear(&msg_ops_run_desc, out);
    text_set(out->actor, sizeof out->actor, self->options.actor->name);
    out->shard = self->options.number;
    text_set(out->code_version, sizeof out->code_version, self->code_version);
    text_set(out->config_hash, sizeof out->config_hash, self->config_hash);
    text_set(out->host, sizeof out->host, self->options.host);
}

void ops_run_emit(struct shard *self, const struct run *run, int64_t closed_at)
{
    struct msg_ops_run out;
    if (self->quiet)
        return;
    run_identity(self, &out);
    text_set(out.run_id, sizeof out.run_id, run->id);
    text_set(out.name, sizeof out.name, run->name);
    out.epoch = (int64_t)self->state.epoch;
    out.data_date = run->data_date;
    text_set(out.game_id, sizeof out.game_id, run->game_id);
    text_set(out.outcome, sizeof out.outcome, run_outcome_text(run->outcome));
    text_set(out.error_class, sizeof out.error_class, error_class_text(run->error));
    text_set(out.error_message, sizeof out.error_message, run->error_message);
    out.opened_at = run->opened_at;
    out.closed_at = closed_at;
    out.duration_us = clock_mono_us() - run->opened_mono_us;
    out.rows_in = run->rows_in;
    out.rows_out = run->rows_out;
    out.rows_refused = run->rows_refused;
    out.bytes_in = run->bytes_in;
    if (run->bytes_out)
        out.bytes_out = run->bytes_out;
    text_set(out.cause, sizeof out.cause, run->cause);
    text_set(out.duplicate_of, sizeof out.duplicate_of, run->duplicate_of);
    out.attempt = run->attempt;
    if (run->next_check != CLOCK_NONE)
        out.next_check = run->next_check;
    (void)say(self, &msg_ops_run_desc, &out, run);
}

void ops_crashed_emit(struct shard *self, const struct run_mark *mark)
{
    struct msg_ops_run out;
    run_identity(self, &out);
    text_set(out.run_id, sizeof out.run_id, mark->run_id);
    text_set(out.name, sizeof out.name, mark->name);
    out.epoch = (int64_t)mark->epoch;
    text_set(out.outcome, sizeof out.outcome, run_outcome_text(RUN_CRASHED));
    text_set(out.error_class, sizeof out.error_class, error_class_text(ERROR_CRASH));
    text_set(out.error_message, sizeof out.error_message, "its process ended before it did");
    out.opened_at = mark->opened_at;
    out.closed_at = clock_league_us();
    out.duration_us = 0; /* when it ended is not known */
    text_set(out.cause, sizeof out.cause, mark->cause);
    out.attempt = mark->attempt;
    log_warn("run-crashed", "run=%s name=%s attempt=%" PRId64, out.run_id, out.name, out.attempt);
    (void)say(self, &msg_ops_run_desc, &out, NULL);
}

void ops_rewound_emit(struct shard *self, const struct msg_ops_rewound *message)
{
    (void)say(self, &msg_ops_rewound_desc, message, NULL);
}

void ops_resolved_emit(struct shard *self, const struct msg_ops_resolved *message)
{
    if (!self->quiet)
        (void)say(self, &msg_ops_resolved_desc, message, NULL);
}

void ops_dead_emit(struct shard *self, const struct input *input, const struct run *run,
                   const char *rule, int64_t attempts)
{
    static struct msg_dead_letter out;
    log_warn("never", "position=%" PRIu64 " stream=%s attempts=%" PRId64 " rule=\"%s\"",
             input->position, input->stream, attempts, rule);
    if (self->quiet)
        return;
    message_clear(&msg_dead_letter_desc, &out);
    snprintf(out.origin, sizeof out.origin, "%s/%s", self->reader, input->stream);
    out.position = self->retrying ? self->verdict.position : input->position;
    text_set(out.stream, sizeof out.stream, input->stream);
    text_set(out.reader, sizeof out.reader, self->reader);
    text_put(out.key, sizeof out.key, input->record->key, input->record->key_size);
    text_set(out.rule, sizeof out.rule, rule[0] ? rule : "refused without a reason");
    out.attempts = attempts + (self->retrying ? self->verdict.attempts : 0);
    out.version = input->record->version;
    out.payload = input->record->payload;
    out.at = input->time_us;
    self->step.input = input; /* its parent */
    if (!say(self, &msg_dead_letter_desc, &out, run) && out.payload.size) {
        out.payload.size = 0; /* too large to be repeated: it still stands at its position */
        (void)say(self, &msg_dead_letter_desc, &out, run);
    }
}
