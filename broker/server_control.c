/* Control: one text frame in, one JSON frame out (PROTOCOL.md §9). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/server.h"
#include "config/log.h"
#include "schema/json.h"

static json_t *say_ping(struct server *self, const char *words)
{
    (void)words;
    return json_pack("{s:b, s:s, s:I}", "pong", 1, "broker", self->instance, "pid",
                     (json_int_t)getpid());
}

static json_t *say_status(struct server *self, const char *words)
{
    (void)words;
    return server_status(self);
}

static json_t *clock_status(void)
{
    struct clock_anchor anchor;
    clock_league_get(&anchor);
    json_t *out = json_object();
    json_object_set_new(out, "league_time", json_of_time(clock_league_us()));
    json_object_set_new(out, "league_us", json_integer(clock_league_us()));
    json_object_set_new(out, "speed", json_of_number(anchor.speed));
    json_object_set_new(out, "running", json_boolean(anchor.running));
    return out;
}

static json_t *said_wrong(const char *tag, const char *text)
{
    return json_pack("{s:s, s:s}", "error", tag, "text", text);
}

/* Stores it, then everyone learns of it. */
static json_t *clock_change(struct server *self, struct clock_anchor *anchor)
{
    anchor->real_us = clock_real_us();
    if (!clock_anchor_valid(anchor))
        return said_wrong("usage", "league_us: from year 1 to year 9999");
    if (clock_anchor_save(self->clock_path, anchor) != 0)
        return said_wrong("disk", "the anchor could not be stored");
    clock_league_set(anchor);
    log_info("clock-set", "league_us=%" PRId64 " speed=%g running=%d", anchor->league_us,
             anchor->speed, anchor->running);
    server_tell_clock(self);
    server_sys_clock(self);
    return clock_status();
}

/* Over hours in which nothing is on: never back, and no further than to what falls due next of the records for later, so that each of
 * them gets its position in its own time. */
static json_t *clock_leap(struct server *self, int64_t league_us)
{
    struct clock_anchor anchor;
    clock_league_get(&anchor);
    if (!anchor.running)
        return said_wrong("standing", "a clock that stands does not leap");
    if (self->next_later_us < league_us)
        league_us = self->next_later_us;
    if (league_us <= anchor.league_us)
        return clock_status();
    anchor.league_us = league_us;
    return clock_change(self, &anchor);
}

static json_t *say_clock(struct server *self, const char *words)
{
    char verb[16] = "";
    int64_t league_us;
    double speed;
    struct clock_anchor anchor;
    clock_league_get(&anchor);
    int given = sscanf(words, "CLOCK %15s %" SCNd64 " %lf", verb, &league_us, &speed);
    if (given < 1)
        return clock_status();
    bool start = strcmp(verb, "START") == 0;
    if (strcmp(verb, "LEAP") == 0 && given == 2)
        return clock_leap(self, league_us);
    bool alone = strlen(words) == strlen("CLOCK ") + strlen(verb); /* nothing else was said */
    if ((!start && strcmp(verb, "STAND") != 0) || (given == 1 && !alone) || given == 2)
        return said_wrong("usage",
                          "CLOCK [STAND [<league_us> <speed>] | START [<league_us> <speed>] | "
                          "LEAP <league_us>]");
    if (given == 3 && !(speed > 0 && speed <= 1e6))
        return said_wrong("usage", "speed: above 0, at most 1000000");
    if (given == 3) {
        anchor.league_us = league_us;
        anchor.speed = speed;
    } else {
        anchor.league_us = clock_league_us();
    }
    anchor.running = start;
    return clock_change(self, &anchor);
}

static json_t *say_trim(struct server *self, const char *words)
{
    uint64_t position;
    char force[8] = "";
    int given = sscanf(words, "TRIM %" SCNu64 " %7s", &position, force);
    if (given < 1)
        return said_wrong("usage", "TRIM <position> [FORCE]");
    if (!server_readers_advance(self))
        return said_wrong("disk", "the log cannot be written now");
    uint64_t lowest = server_lowest(self) < position ? server_lowest(self) : position;
    if (self->appending)
        server_commit(self);
    int removed = log_trim(self->log, strcmp(force, "FORCE") == 0 ? position : lowest);
    if (removed < 0)
        return said_wrong("disk", log_error_text(removed));
    return json_pack("{s:i, s:I, s:I}", "segments", removed, "first",
                     (json_int_t)log_first(self->log), "allowed", (json_int_t)lowest);
}

static json_t *say_retain(struct server *self, const char *words)
{
    char force[8] = "";
    if (sscanf(words, "RETAIN %7s", force) == 1 && strcmp(force, "FORCE") != 0)
        return said_wrong("usage", "RETAIN [FORCE]");
    return server_retain_now(self, force[0] != '\0');
}

/* Where to: POSITION <n>, TIME <league us>, FIRST or HEAD. False: said. */
static bool where_to(struct server *self, const char *where, const char *value, uint64_t *position)
{
    int64_t time_us;
    if (strcmp(where, "FIRST") == 0)
        *position = log_first(self->log);
    else if (strcmp(where, "HEAD") == 0)
        *position = log_head(self->log);
    else if (strcmp(where, "POSITION") == 0)
        return sscanf(value, "%" SCNu64, position) == 1;
    else
        return strcmp(where, "TIME") == 0 && sscanf(value, "%" SCNd64, &time_us) == 1 &&
               log_at_time(self->log, time_us, position) == LOG_OK;
    return true;
}

static json_t *say_rewind(struct server *self, const char *words)
{
    char name[64] = "", where[16] = "", value[32] = "";
    uint64_t position, generation;
    int given = sscanf(words, "REWIND %63s %15s %31s", name, where, value);
    if (self->appending)
        server_commit(self); /* the head as it is told */
    if (given < 2 || !where_to(self, where, value, &position))
        return said_wrong("usage", "REWIND <name> POSITION <n> | TIME <us> | FIRST | HEAD");
    const char *why = server_rewind(self, name, position, &generation);
    if (why)
        return json_pack("{s:s, s:s, s:I, s:I}", "error", why, "text",
                         "a cursor or group there is, to a position there is", "first",
                         (json_int_t)log_first(self->log), "head", (json_int_t)log_head(self->log));
    return json_pack("{s:s, s:I, s:I}", "name", name, "position", (json_int_t)position,
                     "generation", (json_int_t)generation);
}

static json_t *say_forget(struct server *self, const char *words)
{
    char name[64];
    if (sscanf(words, "FORGET %63s", name) != 1)
        return said_wrong("usage", "FORGET <name>");
    const char *why = server_forget(self, name);
    return why ? said_wrong(why, name) : json_pack("{s:s}", "forgotten", name);
}

static json_t *say_registry(struct server *self, const char *words)
{
    (void)words;
    return server_registry_reload(self);
}

static const struct {
    const char *word;
    json_t *(*say)(struct server *self, const char *words);
} words_known[] = {{"PING", say_ping},     {"STATUS", say_status},    {"CLOCK", say_clock},
                   {"TRIM", say_trim},     {"RETAIN", say_retain},    {"REWIND", say_rewind},
                   {"FORGET", say_forget}, {"REGISTRY", say_registry}};

static json_t *say(struct server *self, const char *words)
{
    size_t size = strcspn(words, " ");
    for (size_t i = 0; i < sizeof words_known / sizeof *words_known; i++)
        if (strlen(words_known[i].word) == size && strncmp(words, words_known[i].word, size) == 0)
            return words_known[i].say(self, words);
    return said_wrong("unknown-word",
                      "PING, STATUS, CLOCK, TRIM, RETAIN, REWIND, FORGET, REGISTRY");
}

#define QUESTIONS_MAX 16 /* a turn */

void server_control_turn(struct server *self)
{
    char words[512];
    int size;
    for (int i = 0; i < QUESTIONS_MAX; i++) {
        size = zmq_recv(self->control.zmq, words, sizeof words - 1, ZMQ_DONTWAIT);
        self->control.touched = size >= 0;
        if (size < 0)
            return;
        int more;
        size_t more_size = sizeof more;
        words[(size_t)size < sizeof words ? (size_t)size : sizeof words - 1] = '\0';
        while (zmq_getsockopt(self->control.zmq, ZMQ_RCVMORE, &more, &more_size) == 0 && more) {
            char dropped[64];
            if (zmq_recv(self->control.zmq, dropped, sizeof dropped, ZMQ_DONTWAIT) < 0)
                break;
        }
        json_t *answer = say(self, words);
        char *text = answer ? json_text(answer) : NULL;
        const char *reply = text ? text : "{\"error\":\"memory\"}";
        (void)zmq_send(self->control.zmq, reply, strlen(reply), ZMQ_DONTWAIT);
        free(text);
        json_decref(answer);
    }
}
