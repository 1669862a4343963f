/* Faults on request: what an upstream does wrong, when, and how often. docs/UPSTREAM.md has an example of each. */
#ifndef SIM_FAULTS_H
#define SIM_FAULTS_H

#include <stdbool.h>

#include "schema/json.h"
#include "sim/feeds.h"
#include "sim/scene.h"

#define FAULTS_MAX 64

/* Where a fault acts: on the answer as a whole, on how the games stand, or on the body that is built from it. */
enum fault_level { FAULT_ANSWER, FAULT_SCENE, FAULT_BODY };

#define FAULT_KINDS(X)                                                                             \
    X(STATUS, "status", ANSWER, "an error status; `status`, `retry_after`, `body`")                \
    X(UNAUTHORIZED, "unauthorized", ANSWER, "401 with the plain text Unauthorized")                \
    X(HANG, "hang", ANSWER, "no answer for `seconds` real seconds, then the connection is cut")    \
    X(RESET, "reset", ANSWER, "the connection is cut in the middle of the body")                   \
    X(TRUNCATED, "truncated", ANSWER, "a whole answer that holds half of the JSON")                \
    X(HTML, "html", ANSWER, "200 with an HTML page instead of JSON")                               \
    X(HUGE, "huge", ANSWER, "a JSON body of `bytes`, streamed; `declared`: with its length")       \
    X(GZIP_BOMB, "gzip_bomb", ANSWER, "a small gzip body of `bytes` when unpacked")                \
    X(DUPLICATE, "duplicate", ANSWER, "the same bytes as the answer before, as 200")               \
    X(EMPTY, "empty", ANSWER, "an empty list")                                                     \
    X(STALE, "stale", ANSWER, "how things stood `minutes` of league time ago")                     \
    X(ALTERED_SCORE, "altered_score", SCENE, "the home score is higher by `by`")                   \
    X(STAT, "stat", SCENE, "a count of one player differs by `by`; `stat`, `player`")              \
    X(POSTPONED, "postponed", SCENE, "the game is called off")                                     \
    X(MOVED, "moved", SCENE, "the schedule has it at `was` until `until`: sim/nights.c")           \
    X(MALFORMED_ROW, "malformed_row", BODY, "one row breaks a rule; `how`, `player`")              \
    X(UNKNOWN_PLAYER, "unknown_player", BODY, "somebody nobody knows stands in the box score")     \
    X(SAME_NAME, "same_name", BODY, "a second player whose name normalises to another's")          \
    X(EXTRA_FIELDS, "extra_fields", BODY, "fields nobody has heard of")                            \
    X(NAMES, "names", BODY, "names spelled otherwise; `how`: ascii, decomposed, upper")            \
    X(MISSING, "missing", BODY, "the game is in no box score")                                     \
    X(HALVED, "halved", BODY, "the second half of the list is missing; of box scores: of players") \
    X(PUSH, "push", BODY, "one player's main lines are exactly what he will score")

#define FAULT_KIND_ROW(id, name, level, doc) FAULT_##id,
enum fault_kind { FAULT_KINDS(FAULT_KIND_ROW) FAULT_KIND_COUNT };
#undef FAULT_KIND_ROW

/* An instant: absolute, or minutes after a game's tip or end (of the night's first and last where no game is meant). */
struct fault_time {
    enum { FAULT_NO_TIME, FAULT_AT, FAULT_AFTER_TIP, FAULT_AFTER_FINAL } from;
    int64_t at_us;
    double minutes;
};

struct faults_fault {
    enum fault_kind kind;
    int id; /* given out by faults_add, never twice */
    char path[96];
    enum feed feed; /* FEED_COUNT: any */
    struct fault_time begin, end;
    int times, skip, every; /* times -1: without end */
    int game;               /* of the root's; -1: any */
    int player;             /* of the root's; -1: the fault chooses */
    int status, retry_after_s, seconds, minutes, by;
    int64_t bytes;
    bool declared;
    char body[8], stat[8], how[16];
    int matched, fired;
};

struct faults {
    int count, next_id;
    struct faults_fault fault[FAULTS_MAX];
};

/* Adds what `value` holds: an object, a list of them, or {"faults": [...]}. All or nothing: -1 with `why`. */
int faults_add(struct faults *self, const struct root *root, const json_t *value, char *why,
               size_t why_size);
void faults_clear(struct faults *self);
json_t *faults_list(const struct faults *self, const struct root *root);

/* Which faults act on one request, decided once: their counters move. */
struct faults_due {
    int count;
    const struct faults_fault *fault[FAULTS_MAX];
};
void faults_decide(struct faults *self, const struct root *root, enum feed feed, const char *path,
                   int64_t now_us, struct faults_due *due);
const struct faults_fault *faults_due_answer(const struct faults_due *due);
bool faults_due_any(const struct faults_due *due);

/* sim/fault_bodies.c */
void faults_bend_scene(const struct faults_due *due, struct scene *scene);
void faults_bend_body(const struct faults_due *due, const struct scene *scene, enum feed feed,
                      json_t *body);

#endif
