/* One record from a person: lease, publish, wait for the acknowledgement, ask where it stands. */
#include "cli/say.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/link.h"
#include "config/clock.h"
#include "config/exit.h"
#include "config/settings.h"
#include "config/version.h"
#include "schema/record.h"

#define LEASE_AGAIN_US 20000
#define ENVIRONMENT                                                                                \
    "operator" /* one for all: the newest who speaks gets the lease at once, the others ask again */

struct say {
    const struct message_desc *desc;
    struct link *link;
    struct pack body;
    const char *key;
    uint16_t partitions, partition;
    uint64_t last_seq, position;
    int64_t lease_us; /* monotonic: when to ask for it again; 0: it is asked for */
    unsigned dice;
    uint64_t said_seq; /* under which it was sent last; 0: never */
    bool welcomed, granted, sent, acked, asked;
    bool not_ours; /* what stands at said_seq is somebody else's */
    char refused[300];
};

static void on_welcome(void *context, const struct link_stream *streams, uint32_t count)
{
    struct say *self = context;
    self->welcomed = true;
    self->granted = self->sent = false;
    self->partitions = 0;
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(streams[i].name, self->desc->stream) == 0)
            self->partitions = streams[i].partitions;
    if (self->partitions == 0) {
        snprintf(self->refused, sizeof self->refused, "the broker has no stream %s",
                 self->desc->stream);
        return;
    }
    self->partition =
        (uint16_t)record_partition(self->key, (uint32_t)strlen(self->key), self->partitions);
    link_lease(self->link, 0, 1, ENVIRONMENT);
}

static void on_granted(void *context, const struct link_grant *grant)
{
    struct say *self = context;
    uint64_t last_seq = 0;
    for (uint32_t i = 0; i < grant->lane_count; i++)
        if (strcmp(grant->lanes[i].stream, self->desc->stream) == 0 &&
            grant->lanes[i].partition == self->partition)
            last_seq = grant->lanes[i].last_seq;
    if (!self->acked) /* else it is behind what was the last one then, and only where it stands is still to be told */
        self->last_seq = last_seq;
    self->granted = true;
    self->sent = self->asked = self->not_ours = false;
    link_state(self->link, "ready", "", 0, 0);
}

static void on_acked(void *context, const char *stream, uint16_t partition, uint64_t last_seq)
{
    struct say *self = context;
    self->acked = self->acked || (self->sent && strcmp(stream, self->desc->stream) == 0 &&
                                  partition == self->partition && last_seq > self->last_seq);
}

/* Somebody else speaks meanwhile: once more, behind what he says; not at once, for he may have the lease yet, nor all at one time. */
static void lease_again(struct say *self)
{
    self->granted = self->sent = false;
    self->lease_us = clock_mono_us() + LEASE_AGAIN_US + rand_r(&self->dice) % LEASE_AGAIN_US;
}

static void on_refused(void *context, const char *tag, const char *text, const char *stream,
                       uint16_t partition, uint64_t first_seq)
{
    static const char *const passing[] = {"stale-epoch", "not-leased", "no-session",
                                          "disk-full",   "seq-gap",    "after-refusal"};
    struct say *self = context;
    (void)stream;
    (void)partition;
    (void)first_seq;
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
        if (strcmp(tag, passing[i]) == 0) {
            lease_again(self);
            return;
        }
    snprintf(self->refused, sizeof self->refused, "%s: %s", tag, text);
}

static void on_lost(void *context, const char *why)
{
    (void)why;
    lease_again(context);
}

static void on_down(void *context)
{
    struct say *self = context;
    self->granted = self->sent = false;
}

static void on_own(void *context, const struct link_batch *batch)
{
    struct say *self = context;
    const struct pack *body = &self->body;
    if (!self->acked) /* sent under a lease that ended before the answer: did it get there? */
        self->not_ours = !batch || batch->first_seq != self->said_seq ||
                         batch->body.size != body->size ||
                         memcmp(batch->body.data, body->data, body->size) != 0;
    if (batch && !self->not_ours)
        self->position = batch->base;
    else
        self->asked = false; /* again, if it did not come */
}

/* Somebody may have spoken since, or it was ours that got there: what stands at its place is looked at before it is said again. */
static bool maybe_there(const struct say *self)
{
    return self->said_seq && self->last_seq >= self->said_seq && !self->not_ours;
}

static void turn(struct say *self)
{
    struct pollfd fd = {.fd = link_fd(self->link), .events = POLLIN};
    int64_t wait_us = link_timeout_us(self->link);
    poll(&fd, 1, wait_us > 20000 ? 20 : (int)((wait_us + 999) / 1000));
    link_turn(self->link);
    if (self->lease_us && clock_mono_us() >= self->lease_us) {
        self->lease_us = 0;
        link_lease(self->link, 0, 1, ENVIRONMENT);
    }
    if (self->granted && !self->sent && !self->acked && maybe_there(self)) {
        if (!self->asked)
            link_own(self->link, self->desc->stream, self->partition, self->said_seq, 1);
        self->asked = true;
    } else if (self->granted && !self->sent && !self->acked) {
        struct link_out out = {.stream = self->desc->stream,
                               .partition = self->partition,
                               .count = 1,
                               .first_seq = self->last_seq + 1,
                               .due_us = CLOCK_NONE,
                               .body = {self->body.data, (uint32_t)self->body.size}};
        self->sent = link_publish(self->link, &out, 1);
        if (self->sent)
            self->said_seq = out.first_seq;
    }
    if (self->acked && self->granted && !self->asked) {
        self->asked = true;
        link_own(self->link, self->desc->stream, self->partition, self->last_seq + 1, 1);
    }
}

static int wait_for(const struct cli *cli, struct say *self, int64_t patience_us)
{
    int64_t began_us = clock_mono_us();
    while (!self->position && !self->refused[0]) {
        int64_t waited_us = clock_mono_us() - began_us;
        if (!self->welcomed && waited_us > 2000000)
            return cli_fail(cli, EXIT_UNREACHABLE, "no broker answers at %s",
                            cli->settings->broker.endpoint);
        if (waited_us > patience_us)
            return cli_fail(cli, EXIT_AGAIN, "the broker did not acknowledge it in time");
        turn(self);
    }
    return self->refused[0] ? cli_fail(cli, EXIT_DATA, "refused: %s", self->refused) : EXIT_OK;
}

/* 0, or an exit code, said. */
static int body_make(const struct cli *cli, struct say *self, const void *message,
                     const uint64_t *parents, uint32_t parent_count, const char *config_hash)
{
    struct message_error error;
    const char *rule = "out of memory";
    size_t most = message_size_max(self->desc, message);
    uint8_t *payload = malloc(most);
    long size = payload ? message_encode(self->desc, message, payload, most, &error) : 0;
    if (size < 0) {
        free(payload);
        return cli_fail(cli, EXIT_DATA, "%s.%s: %s", error.message, error.field, error.rule);
    }
    struct record record = {.key = self->key,
                            .key_size = (uint32_t)strlen(self->key),
                            .version = self->desc->version,
                            .parent_count = parent_count,
                            .payload = {payload, (uint32_t)size}};
    if (parent_count)
        memcpy(record.parents, parents, parent_count * sizeof *parents);
    batch_head(&self->body, 1, version_code(), config_hash);
    int failed = !payload || record_encode(&self->body, &record, &rule) != 0 || self->body.failed;
    free(payload);
    return failed ? cli_fail(cli, EXIT_DATA, "%s: %s", self->desc->name, rule) : EXIT_OK;
}

int say_record(const struct cli *cli, const struct message_desc *desc, const void *message,
               const uint64_t *parents, uint32_t parent_count, int64_t patience_us,
               uint64_t *position)
{
    char host[64], incarnation[48], config_hash[SETTINGS_HASH_SIZE];
    struct say self = {.desc = desc,
                       .dice = (unsigned)getpid(),
                       .key = (const char *)message + message_field(desc, desc->key)->offset};
    settings_hash(cli->settings, config_hash);
    int code = body_make(cli, &self, message, parents, parent_count, config_hash);
    if (gethostname(host, sizeof host) != 0)
        snprintf(host, sizeof host, "localhost");
    host[sizeof host - 1] = '\0';
    snprintf(incarnation, sizeof incarnation, "%d-%lld", (int)getpid(), (long long)clock_real_us());
    struct link_options options = {.endpoint = cli->settings->broker.endpoint,
                                   .actor = "operator",
                                   .host = host,
                                   .incarnation = incarnation,
                                   .code_version = version_code(),
                                   .config_hash = config_hash,
                                   .handlers = {.welcome = on_welcome,
                                                .granted = on_granted,
                                                .acked = on_acked,
                                                .refused = on_refused,
                                                .own = on_own,
                                                .lost = on_lost,
                                                .down = on_down},
                                   .context = &self};
    if (!code && !(self.link = link_open(&options)))
        code = cli_fail(cli, EXIT_UNREACHABLE, "%s: %s", options.endpoint, strerror(errno));
    if (!code)
        code = wait_for(cli, &self, patience_us);
    link_close(&self.link);
    pack_free(&self.body);
    *position = self.position;
    return code;
}

void say_who(char *out, size_t size)
{
    char host[64] = "localhost";
    const struct passwd *user = getpwuid(getuid());
    (void)gethostname(host, sizeof host - 1);
    snprintf(out, size, "%.31s@%s", user ? user->pw_name : "?", host);
}
