/* What the link tells the loop. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "actors/kit.h"
#include "config/exit.h"
#include "config/fault.h"
#include "config/log.h"

static uint16_t partitions_of(void *context, const char *stream)
{
    const struct kit *self = context;
    for (uint32_t i = 0; i < self->stream_count; i++)
        if (strcmp(self->streams[i].name, stream) == 0)
            return self->streams[i].partitions;
    return 0;
}

static void shard_make(struct kit *self)
{
    struct shard_options options = {.actor = self->actor,
                                    .self = self->self,
                                    .settings = &self->settings,
                                    .host = self->options.host,
                                    .number = self->number,
                                    .shards = self->shards,
                                    .store = self->store,
                                    .partitions = partitions_of,
                                    .context = self,
                                    .refused = rebuild_refused};
    for (const struct take *take = self->actor->takes; take && take->message; take++)
        if (partitions_of(self, take->message->stream) == 0) {
            log_error("no-such-stream", "stream=%s hint=\"the broker's registry does not name it\"",
                      take->message->stream);
            kit_end(self, EXIT_CONFIG);
            return;
        }
    int error = shard_open(&self->shard, &options);
    if (error) {
        log_error("environment-unreadable", "dir=%s why=\"%s\"", store_dir(self->store),
                  store_error_text(error));
        kit_end(self,
                error == STORE_CORRUPT && !kit_environment_set_aside(self) ? EXIT_BUG : EXIT_AGAIN);
    }
}

static void on_welcome(void *context, const struct link_stream *streams, uint32_t count)
{
    struct kit *self = context;
    self->stream_count = 0;
    for (uint32_t i = 0; i < count && i < KIT_STREAMS_MAX; i++) {
        snprintf(self->streams[i].name, sizeof self->streams[i].name, "%s", streams[i].name);
        self->streams[i].partitions = streams[i].partitions;
        self->stream_count++;
    }
    for (int i = 0; i < SHARD_OWN_TAKES; i++)
        self->own_takes[i] = partitions_of(self, shard_own_takes[i]->message->stream) > 0;
    if (self->shard)
        return; /* the link asks for the lease again by itself: twice would be two epochs */
    shard_make(self);
    if (self->shard)
        link_lease(self->link, self->number, self->shards, shard_state(self->shard)->env_id);
}

static void on_granted(void *context, const struct link_grant *grant)
{
    struct kit *self = context;
    if (self->shard && self->exit_code < 0)
        kit_granted(self, grant);
}

static void on_waiting(void *context, const char *holder, int64_t retry_us)
{
    struct kit *self = context;
    if (strcmp(self->holder, holder) == 0)
        return; /* said already */
    snprintf(self->holder, sizeof self->holder, "%s", holder);
    log_info("waiting", "shard=%s.%u holder=\"%s\" retry_ms=%" PRId64, self->actor->name,
             self->number, holder, retry_us / 1000);
}

static void on_acked(void *context, const char *stream, uint16_t partition, uint64_t last_seq)
{
    struct kit *self = context;
    if (self->shard && shard_acked(self->shard, stream, partition, last_seq) != 0)
        (void)fault_hit(FAULT_STEP_ACKED);
}

static void zombie(struct kit *self, const char *where, const char *why)
{
    log_error("zombie-refused", "shard=%s.%u epoch=%" PRIu64 " where=%s why=\"%s\"",
              self->actor->name, self->number, self->epoch, where, why);
    kit_end(self, EXIT_AGAIN);
}

static void on_refused(void *context, const char *tag, const char *text, const char *stream,
                       uint16_t partition, uint64_t first_seq)
{
    /* The link asks for a new lease by itself after these, and the grant sends the outbox again. */
    static const char *const passing[] = {"disk-full",     "seq-gap",  "not-leased", "bad-crc",
                                          "after-refusal", "too-many", "no-session"};
    struct kit *self = context;
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
        if (strcmp(tag, passing[i]) == 0) {
            log_warn("refused", "tag=%s why=\"%s\" action=again", tag, text);
            self->granted = false;
            return;
        }
    if (strcmp(tag, "trimmed") == 0 && rewind_refused(self, text))
        return;
    if (strcmp(tag, "stale-epoch") == 0) {
        zombie(self, "broker", text);
        return;
    }
    log_error("refused",
              "tag=%s stream=%s partition=%u sequence=%" PRIu64 " why=\"%s\" action=halted", tag,
              stream, partition, first_seq, text);
    kit_end(self, strcmp(tag, "protocol-version") == 0 ? EXIT_CONFIG : EXIT_BUG);
}

static void on_batch(void *context, const struct link_batch *batch)
{
    struct kit *self = context;
    struct shard_batch mine = {.base = batch->base,
                               .count = batch->count,
                               .stream = batch->stream,
                               .time_us = batch->time_us,
                               .body = batch->body};
    if (self->stage == KIT_DRAINING || self->stage == KIT_REWINDING ||
        self->stage == KIT_RESTORING || !self->shard)
        return; /* nothing of it is for the state that will be */
    if (shard_offer(self->shard, &mine) != 0) {
        log_error("no-memory", "what=batch bytes=%u", batch->body.size);
        kit_end(self, EXIT_AGAIN);
    }
}

static void on_own(void *context, const struct link_batch *batch)
{
    rebuild_own(context, batch);
}

static void on_lost(void *context, const char *why)
{
    struct kit *self = context;
    self->granted = false;
    zombie(self, "broker", why);
}

static void on_down(void *context)
{
    struct kit *self = context;
    self->granted = false;
    self->ready = false;
    if (self->stage != KIT_DRAINING)
        self->stage = KIT_WAITING;
    if (self->shard) {
        shard_undo(self->shard); /* one that was waiting for the broker's word */
        shard_drop_queue(self->shard);
    }
    log_warn("broker-down", "action=reconnect");
}

static void on_up(void *context)
{
    struct kit *self = context;
    if (link_unanswered(self->link) == 0) /* an old answer, read late, proves nothing */
        self->heard_us = clock_mono_us();
}

const struct link_handlers kit_handlers = {.welcome = on_welcome,
                                           .granted = on_granted,
                                           .waiting = on_waiting,
                                           .acked = on_acked,
                                           .refused = on_refused,
                                           .batch = on_batch,
                                           .own = on_own,
                                           .lost = on_lost,
                                           .down = on_down,
                                           .up = on_up};
