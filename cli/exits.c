/* Publishes how processes ended. */
#include "cli/exits.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "broker/link.h"
#include "config/clock.h"
#include "config/log.h"
#include "config/version.h"
#include "schema/record.h"

#define WAITING_MAX 256
#define PARTITIONS_MAX 256
#define BODY_MAX 2048
#define ENV_SIZE 33                /* 32 hex digits and NUL */
#define NO_HASH "0000000000000000" /* exits depend on no setting */

struct waiting {
    struct msg_ops_exit message;
    uint64_t sequence; /* 0 = not sent under this grant */
    uint16_t partition;
};

struct exits {
    struct link *link;
    const struct message_desc *desc;
    char env[ENV_SIZE], incarnation[48];
    bool granted;
    uint16_t partitions; /* of ops.exit; 0 = not known yet */
    uint64_t last_seq[PARTITIONS_MAX];
    struct waiting waiting[WAITING_MAX]; /* in the order they happened */
    int count;
    uint64_t dropped;
};

/* ---- what the link tells ---- */

static void on_welcome(void *context, const struct link_stream *streams, uint32_t count)
{
    struct exits *self = context;
    self->granted = false;
    for (uint32_t i = 0; i < count; i++)
        if (!strcmp(streams[i].name, self->desc->stream) && streams[i].partitions <= PARTITIONS_MAX)
            self->partitions = streams[i].partitions;
}

static void forget_accepted(struct exits *self, uint16_t partition, uint64_t last_seq)
{
    int kept = 0;
    for (int i = 0; i < self->count; i++) {
        const struct waiting *at = &self->waiting[i];
        if (!(at->sequence && at->partition == partition && at->sequence <= last_seq))
            self->waiting[kept++] = *at;
    }
    self->count = kept;
}

/* What the log has decides: an exit that was accepted and not acknowledged to us is not sent again, the others
 * get new numbers. */
static void on_granted(void *context, const struct link_grant *grant)
{
    struct exits *self = context;
    memset(self->last_seq, 0, sizeof self->last_seq);
    for (uint32_t i = 0; i < grant->lane_count; i++) {
        const struct link_lane *lane = &grant->lanes[i];
        if (strcmp(lane->stream, self->desc->stream) != 0 || lane->partition >= PARTITIONS_MAX)
            continue;
        self->last_seq[lane->partition] = lane->last_seq;
        forget_accepted(self, lane->partition, lane->last_seq);
    }
    for (int i = 0; i < self->count; i++)
        self->waiting[i].sequence = 0;
    self->granted = true;
    link_state(self->link, "ready", "", grant->head, 0);
}

static void on_acked(void *context, const char *stream, uint16_t partition, uint64_t last_seq)
{
    (void)stream;
    forget_accepted(context, partition, last_seq);
}

static void on_refused(void *context, const char *tag, const char *text, const char *stream,
                       uint16_t partition, uint64_t first_seq)
{
    struct exits *self = context;
    (void)partition;
    (void)first_seq;
    log_warn("exit-refused", "tag=%s stream=%s why=\"%s\"", tag, stream, text);
    self->granted = false; /* the next grant settles what the log has and what it has not */
}

static void on_lost(void *context, const char *why)
{
    struct exits *self = context;
    log_warn("exit-lease-lost", "why=\"%s\"", why);
    self->granted = false;
    link_lease(self->link, 0, 1, self->env);
}

static void on_down(void *context)
{
    struct exits *self = context;
    self->granted = false;
}

/* ---- */

/* The id of the state that numbers our exits: the same from one life to the next, so that the lease comes at once. */
static int load_env(char env[ENV_SIZE], const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? 0 : read(fd, env, ENV_SIZE - 1);
    if (fd >= 0)
        close(fd);
    if (size == ENV_SIZE - 1) {
        env[size] = '\0';
        return 0;
    }
    uint8_t bytes[(ENV_SIZE - 1) / 2];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return -1;
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(env + 2 * i, 3, "%02x", bytes[i]);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return -1;
    bool good = write(fd, env, ENV_SIZE - 1) == ENV_SIZE - 1;
    return close(fd) == 0 && good ? 0 : -1;
}

struct exits *exits_open(const char *endpoint, const char *host, const char *env_path)
{
    struct exits *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->desc = message_of_stream("ops.exit");
    assert(self->desc);
    if (load_env(self->env, env_path) != 0)
        goto failed;
    snprintf(self->incarnation, sizeof self->incarnation, "%d-%lld", (int)getpid(),
             (long long)clock_real_us());
    struct link_options options = {
        .endpoint = endpoint,
        .actor = "supervisor",
        .host = host,
        .incarnation = self->incarnation,
        .code_version = version_code(),
        .config_hash = NO_HASH,
        .handlers = {.welcome = on_welcome,
                     .granted = on_granted,
                     .acked = on_acked,
                     .refused = on_refused,
                     .lost = on_lost,
                     .down = on_down},
        .context = self,
    };
    self->link = link_open(&options);
    if (self->link) {
        link_lease(self->link, 0, 1,
                   self->env); /* the link asks again whenever the broker comes back */
        return self;
    }
failed:
    free(self);
    return NULL;
}

void exits_close(struct exits **self)
{
    if (!*self)
        return;
    link_close(&(*self)->link);
    free(*self);
    *self = NULL;
}

void exits_add(struct exits *self, const struct msg_ops_exit *message)
{
    struct message_error error;
    if (message_check(self->desc, message, &error) != 0) {
        log_error("exit-malformed", "field=%s rule=\"%s\"", error.field, error.rule);
        return;
    }
    if (self->count == WAITING_MAX) {
        self->dropped++;
        log_warn("exit-dropped", "actor=%s shard=%lld dropped=%llu", self->waiting[0].message.actor,
                 (long long)self->waiting[0].message.shard, (unsigned long long)self->dropped);
        memmove(self->waiting, self->waiting + 1, (WAITING_MAX - 1) * sizeof *self->waiting);
        self->count--;
    }
    self->waiting[self->count++] = (struct waiting){.message = *message};
}

int exits_waiting(const struct exits *self)
{
    return self->count;
}

/* False if it cannot be sent now. */
static bool send_one(struct exits *self, struct waiting *at)
{
    uint8_t payload[BODY_MAX];
    struct message_error error;
    long size = message_encode(self->desc, &at->message, payload, sizeof payload, &error);
    if (size < 0) {
        log_error("exit-malformed", "field=%s rule=\"%s\"", error.field, error.rule);
        return false;
    }
    struct record record = {.key = at->message.actor,
                            .key_size = (uint32_t)strlen(at->message.actor),
                            .version = self->desc->version,
                            .payload = {payload, (uint32_t)size}};
    struct pack body = {0};
    const char *rule = NULL;
    batch_head(&body, 1, version_code(), NO_HASH);
    bool sent = record_encode(&body, &record, &rule) == 0 && !body.failed;
    if (sent) {
        at->partition = (uint16_t)record_partition(record.key, record.key_size, self->partitions);
        at->sequence = self->last_seq[at->partition] + 1;
        struct link_out out = {.stream = self->desc->stream,
                               .partition = at->partition,
                               .count = 1,
                               .first_seq = at->sequence,
                               .due_us = CLOCK_NONE,
                               .body = {body.data, (uint32_t)body.size}};
        sent = link_publish(self->link, &out, 1);
    }
    if (sent)
        self->last_seq[at->partition]++;
    else
        at->sequence = 0;
    pack_free(&body);
    return sent;
}

static void send_waiting(struct exits *self)
{
    for (int i = 0; i < self->count && self->granted && self->partitions; i++)
        if (!self->waiting[i].sequence && !send_one(self, &self->waiting[i]))
            return;
}

int exits_fd(const struct exits *self)
{
    return link_fd(self->link);
}

int64_t exits_timeout_us(const struct exits *self)
{
    return link_timeout_us(self->link);
}

void exits_turn(struct exits *self)
{
    link_turn(self->link);
    send_waiting(self);
}
