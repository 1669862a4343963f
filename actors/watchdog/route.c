#include "actors/watchdog/route.h"

#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/clock.h"
#include "config/log.h"
#include "schema/json.h"

#define TABLE_ROUTE                                                                                \
    "route" /* undated; route, queued at, alert, state, severity -> JSON and a NUL */
#define HOUR_US INT64_C(3600000000)
#define AGAIN_US INT64_C(1000000) /* before the first try again; doubles */
#define AGAIN_MOST_US (64 * AGAIN_US)
#define TRIES_MAX 12
#define POLL_US 50000

enum { ROUTE_WEBHOOK, ROUTE_COMMAND, ROUTE_COUNT };
static const char *const names[ROUTE_COUNT] = {"webhook", "command"};

struct way {
    const char *to;         /* "": nobody */
    int64_t hour_us;        /* real; when this hour began */
    int64_t sent, left_out; /* in it; left out since the last word about that */
    pid_t child;            /* 0: none */
    bool summary;           /* what the child sends is the count */
    struct store_key key;   /* of the row that it sends */
    int64_t next_us;        /* monotonic: not before */
    int tries;
};

struct route {
    const struct settings *settings;
    struct way ways[ROUTE_COUNT];
};

extern char **environ;

struct route *route_new(const struct settings *settings)
{
    char secret[SETTINGS_SECRET_SIZE];
    struct route *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    int read = settings_secret_read(&settings->alert.webhook_secret, secret, stderr);
    explicit_bzero(secret, sizeof secret);
    if (read < 0) { /* said */
        free(self);
        return NULL;
    }
    self->settings = settings;
    self->ways[ROUTE_WEBHOOK].to = settings->alert.webhook;
    self->ways[ROUTE_COMMAND].to = settings->alert.command;
    return self;
}

void route_free(struct route **self)
{
    if (!*self)
        return;
    for (int i = 0; i < ROUTE_COUNT; i++)
        if ((*self)->ways[i].child) {
            (void)kill((*self)->ways[i].child, SIGKILL);
            (void)waitpid((*self)->ways[i].child, NULL, 0);
        }
    free(*self);
    *self = NULL;
}

/* Slack reads `text`; whoever wants more has the alert beside it. */
static char *body_of(const struct msg_ops_alert *alert)
{
    char text[500];
    json_t *body = json_object();
    snprintf(text, sizeof text, "[%s] %s %s: %s",
             !strcmp(alert->state, "recovered") ? "recovered" : alert->severity, alert->cause,
             alert->subject, alert->text);
    json_object_set_new(body, "text", json_of_string(text));
    json_object_set_new(body, "alert", json_of_message(&msg_ops_alert_desc, alert));
    char *out = json_text(body);
    json_decref(body);
    return out;
}

int route_queue(const struct route *self, struct step *step, const struct msg_ops_alert *alert)
{
    char *body = body_of(alert);
    int error = body && strlen(body) < ROUTE_BODY_MAX ? STORE_OK : STORE_IO;
    for (int i = 0; i < ROUTE_COUNT && !error; i++) {
        struct store_key key;
        if (!self->ways[i].to[0])
            continue;
        store_key_start(&key);
        store_key_text(&key, names[i]);
        store_key_i64(&key, step_now_us(step));
        store_key_text(&key, alert->alert_id);
        store_key_text(&key, alert->state);
        store_key_text(&key, alert->severity);
        error = store_put(step_store(step), TABLE_ROUTE, STORE_UNDATED, key.data, key.size, body,
                          strlen(body) + 1);
    }
    free(body);
    return error;
}

/* ---- the child ---- */

/* What it is to do goes to its stdin, for a command line is for everybody to see: route, target, secret, body; a NUL behind each. */
static pid_t child_start(const struct route *self, int way, const char *body)
{
    char secret[SETTINGS_SECRET_SIZE] = "", self_path[] = "/proc/self/exe";
    char word[] = ROUTE_SEND, *argv[] = {self_path, word, NULL};
    const char *parts[] = {names[way], self->ways[way].to, secret, body};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    pid_t child = 0;
    int ends[2];
    if (way == ROUTE_WEBHOOK &&
        settings_secret_read(&self->settings->alert.webhook_secret, secret, stderr) < 0)
        return 0; /* never without its signature */
    if (pipe(ends) != 0)
        return 0;
    bool written = true; /* far less than a pipe holds */
    for (int i = 0; i < 4; i++)
        written = written &&
                  write(ends[1], parts[i], strlen(parts[i]) + 1) == (ssize_t)strlen(parts[i]) + 1;
    explicit_bzero(secret, sizeof secret);
    (void)close(ends[1]);
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    if (!written || posix_spawn(&child, self_path, &actions, &attributes, argv, environ) != 0)
        child = 0;
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    (void)close(ends[0]);
    return child;
}

/* ---- a turn ---- */

static bool row_drop(struct kit *kit, const struct store_key *key)
{
    struct step *step = kit_step(kit);
    if (!step)
        return false;
    int error = store_del(step_store(step), TABLE_ROUTE, STORE_UNDATED, key->data, key->size);
    if (error && error != STORE_NOT_FOUND) {
        kit_abort(kit, &step);
        return false;
    }
    return kit_commit(kit, &step);
}

/* Its child is done, or still at it. */
static void way_reap(struct way *way, const char *name, struct kit *kit, int64_t now_us)
{
    int status;
    if (waitpid(way->child, &status, WNOHANG) != way->child)
        return;
    way->child = 0;
    bool sent = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (sent || ++way->tries >= TRIES_MAX) {
        if (!sent)
            log_error("alert-not-sent", "route=%s tries=%d action=given-up", name, way->tries);
        if (sent && way->summary)
            way->left_out = 0;
        way->tries = 0;
        way->next_us = 0;
        if (!way->summary && !row_drop(kit, &way->key))
            way->next_us = now_us + AGAIN_US; /* it goes out once more: it carries its id */
        return;
    }
    int64_t pause_us = AGAIN_US << (way->tries < 7 ? way->tries - 1 : 6);
    way->next_us = now_us + (pause_us < AGAIN_MOST_US ? pause_us : AGAIN_MOST_US);
    log_warn("alert-not-sent", "route=%s tries=%d again_ms=%" PRId64, name, way->tries,
             (way->next_us - now_us) / 1000);
}

struct first {
    struct store_key key;
    char body[ROUTE_BODY_MAX];
    bool any;
};

static int first_row(const struct store_row *row, void *context)
{
    struct first *first = context;
    if (row->key.size > sizeof first->key.data || row->value.size > sizeof first->body)
        return STORE_CORRUPT;
    memcpy(first->body, row->value.data, row->value.size);
    memcpy(first->key.data, row->key.data, row->key.size);
    first->key.size = row->key.size;
    return first->any = true;
}

static bool first_find(struct kit *kit, const char *name, struct first *first)
{
    struct store_txn *txn;
    struct store_key prefix;
    first->any = false;
    store_key_start(&prefix);
    store_key_text(&prefix, name);
    if (store_begin(kit_store(kit), false, &txn) != STORE_OK)
        return false;
    int error = store_scan(txn, TABLE_ROUTE, STORE_UNDATED, STORE_UNDATED, prefix.data, prefix.size,
                           false, first_row, first);
    store_abort(&txn);
    if (error < 0)
        log_error("alert-not-sent", "route=%s why=\"its row: %s\"", name, store_error_text(error));
    return first->any;
}

static void way_turn(struct route *self, int at, struct kit *kit, int64_t now_us)
{
    static struct first first;
    struct way *way = &self->ways[at];
    char summary[120];
    if (way->hour_us == 0 || now_us - way->hour_us >= HOUR_US) {
        way->hour_us = now_us;
        way->sent = 0;
    }
    if (way->left_out && way->sent < self->settings->alert.per_hour) {
        snprintf(summary, sizeof summary,
                 "{\"text\":\"%" PRId64 " alerts were left out: more than %" PRId64
                 " in an hour\",\"left_out\":%" PRId64 "}",
                 way->left_out, self->settings->alert.per_hour, way->left_out);
        way->summary = true;
        way->child = child_start(self, at, summary);
    } else if (first_find(kit, names[at], &first)) {
        if (way->sent >= self->settings->alert.per_hour) {
            if (row_drop(kit, &first.key) && way->left_out++ == 0)
                log_warn("alerts-left-out", "route=%s per_hour=%" PRId64, names[at],
                         self->settings->alert.per_hour);
            return;
        }
        way->key = first.key;
        way->summary = false;
        way->child = child_start(self, at, first.body);
    } else {
        return;
    }
    if (way->child && way->tries == 0)
        way->sent++;
    if (!way->child) {
        log_error("alert-not-sent", "route=%s why=\"no child can be started\"", names[at]);
        way->next_us = now_us + AGAIN_MOST_US;
    }
}

void route_turn(struct route *self, struct kit *kit)
{
    int64_t now_us = clock_mono_us();
    for (int i = 0; i < ROUTE_COUNT; i++) {
        struct way *way = &self->ways[i];
        if (!way->to[0])
            continue;
        if (way->child)
            way_reap(way, names[i], kit, now_us);
        else if (way->next_us <= now_us && !kit_draining(kit))
            way_turn(self, i, kit, now_us);
    }
}

void route_wait(const struct route *self, int64_t *timeout_us)
{
    for (int i = 0; i < ROUTE_COUNT; i++)
        if (self->ways[i].child && *timeout_us > POLL_US)
            *timeout_us = POLL_US;
}
