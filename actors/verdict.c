/* A verdict on a dead letter, as its reader takes it: a record like any other, so that it happens exactly once and again in the
 * same way whenever the log is executed again.
 *
 * Every shard reads ops.verdict; the one that refused the record acts. Retry: the record is offered to the handler once more, as
 * the verdict's own position and time: what it emits then has the verdict for a parent, and the verdict the letter. Refused
 * again it is another letter. The first verdict on a letter counts: later ones find its row. */
#include "actors/step.h"

#include <inttypes.h>
#include <string.h>

#include "config/log.h"
#include "schema/messages.h"

const struct take verdict_take = {.message = &msg_ops_verdict_desc, .every_partition = true};

static const struct take *take_of(const struct shard *self, const char *stream)
{
    for (uint32_t i = 0; i < self->take_count; i++)
        if (strcmp(self->options.actor->takes[i].message->stream, stream) == 0)
            return &self->options.actor->takes[i];
    return NULL;
}

static bool verdict_read(struct shard *self, const struct input *input)
{
    struct message_error error;
    const struct span *payload = &input->record->payload;
    if (input->record->version > msg_ops_verdict_desc.version ||
        message_decode(&msg_ops_verdict_desc, payload->data, payload->size, &self->verdict,
                       &error) != 0) {
        log_warn("verdict-unreadable", "position=%" PRIu64, input->position);
        return false;
    }
    return strcmp(self->verdict.reader, self->reader) == 0;
}

enum verdict_asks verdict_open(struct shard *self, const struct input *input, struct input *again,
                               const struct take **take)
{
    const struct msg_ops_verdict *verdict = &self->verdict;
    if (!verdict_read(self, input))
        return VERDICT_NOTHING;
    int error = shard_env_find_verdict(self->step.txn, verdict->letter);
    if (error != STORE_NOT_FOUND) {
        log_info("verdict-again", "letter=%" PRIu64 " position=%" PRIu64 " action=none",
                 verdict->letter, input->position);
        return error ? VERDICT_FAILED : VERDICT_NOTHING;
    }
    *take = take_of(self, verdict->stream);
    if (strcmp(verdict->verdict, "retry") != 0 || !*take)
        return VERDICT_DROP;
    self->retried =
        (struct record){.key = verdict->key,
                        .key_size = (uint32_t)strlen(verdict->key),
                        .version = verdict->version == UINT64_MAX ? (*take)->message->version
                                                                  : (uint32_t)verdict->version,
                        .parent_count = 1,
                        .parents = {verdict->letter},
                        .payload = verdict->payload};
    *again = *input;
    again->record = &self->retried;
    again->message = self->message;
    again->stream = (*take)->message->stream;
    return VERDICT_RETRY;
}

int verdict_close(struct shard *self, const struct input *input, const char *outcome)
{
    struct msg_ops_resolved out;
    const struct msg_ops_verdict *verdict = &self->verdict;
    log_info("verdict", "letter=%" PRIu64 " verdict=%s outcome=%s by=\"%s\"", verdict->letter,
             verdict->verdict, outcome, verdict->by);
    message_clear(&msg_ops_resolved_desc, &out);
    out.letter = verdict->letter;
    snprintf(out.reader, sizeof out.reader, "%s", verdict->reader);
    snprintf(out.outcome, sizeof out.outcome, "%s", outcome);
    snprintf(out.by, sizeof out.by, "%s", verdict->by);
    out.position = verdict->position;
    snprintf(out.stream, sizeof out.stream, "%s", verdict->stream);
    out.at = verdict->at;
    self->step.input = input; /* its parent */
    ops_resolved_emit(self, &out);
    return shard_env_put_verdict(self->step.txn, verdict->letter, input->position);
}
