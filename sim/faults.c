#include "sim/faults.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/clock.h"

#define MINUTE_US INT64_C(60000000)

#define FAULT_KIND_TEXT(id, name, level, doc) {name, FAULT_##level},
static const struct {
    const char *name;
    enum fault_level level;
} kinds[FAULT_KIND_COUNT] = {FAULT_KINDS(FAULT_KIND_TEXT)};
#undef FAULT_KIND_TEXT

static const char *const stat_names[] = {"pts", "oreb", "dreb", "ast", "stl",
                                         "blk", "tov",  "pf",   NULL};
static const char *const row_breaks[] = {"string",  "impossible", "negative",
                                         "missing", "null",       NULL};
static const char *const spellings[] = {"ascii", "decomposed", "upper", NULL};

static bool one_of(const char *word, const char *const *words)
{
    while (*words != NULL && strcmp(word, *words) != 0) {
        words++;
    }
    return *words != NULL;
}

/* ---- reading ---- */

struct reading {
    const struct root *root;
    const json_t *object;
    char *why;
    size_t why_size;
    bool bad;
};

static void refuse(struct reading *self, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void refuse(struct reading *self, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (!self->bad) {
        vsnprintf(self->why, self->why_size, fmt, args);
    }
    self->bad = true;
    va_end(args);
}

static const char *text_of(struct reading *self, const char *key, const char *otherwise)
{
    const json_t *value = json_object_get(self->object, key);
    if (value != NULL && !json_is_string(value)) {
        refuse(self, "%s: not a string", key);
        return otherwise;
    }
    return value != NULL ? json_string_value(value) : otherwise;
}

static int64_t whole_of(struct reading *self, const char *key, int64_t otherwise, int64_t least,
                        int64_t most)
{
    const json_t *value = json_object_get(self->object, key);
    if (value == NULL) {
        return otherwise;
    }
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < least || number > most) {
        refuse(self, "%s: not a whole number from %lld to %lld", key, (long long)least,
               (long long)most);
        return otherwise;
    }
    return number;
}

/* "2025-11-18T01:00:00Z", "tip+30", "tip-5", "final", "final+10" */
static struct fault_time time_of(struct reading *self, const char *key)
{
    struct fault_time out = {.from = FAULT_NO_TIME};
    const char *text = text_of(self, key, NULL);
    char *end = NULL;
    if (text == NULL) {
        return out;
    }
    if (clock_parse_utc(text, &out.at_us) == 0) {
        out.from = FAULT_AT;
        return out;
    }
    bool final = strncmp(text, "final", 5) == 0;
    if (!final && strncmp(text, "tip", 3) != 0) {
        refuse(self, "%s: neither an instant nor tip+MINUTES nor final+MINUTES", key);
        return out;
    }
    const char *rest = text + (final ? 5 : 3);
    out.from = final ? FAULT_AFTER_FINAL : FAULT_AFTER_TIP;
    out.minutes = *rest == '\0' ? 0 : strtod(rest, &end);
    if (*rest != '\0' && ((*rest != '+' && *rest != '-') || *end != '\0')) {
        refuse(self, "%s: neither an instant nor tip+MINUTES nor final+MINUTES", key);
    }
    return out;
}

/* By the NBA's id or by the code of either team. */
static int game_of(struct reading *self)
{
    const struct root *root = self->root;
    const char *text = text_of(self, "game", NULL);
    for (int i = 0; text != NULL && i < root->game_count; i++) {
        const struct night_game *game = &root->games[i];
        if (strcmp(game->id, text) == 0 ||
            strcmp(root->teams[game->team[NIGHT_HOME]].code, text) == 0 ||
            strcmp(root->teams[game->team[NIGHT_AWAY]].code, text) == 0) {
            return i;
        }
    }
    if (text != NULL) {
        refuse(self, "game: no %s tonight", text);
    }
    return -1;
}

/* By the NBA's id or by name, as players.csv has it. */
static int player_of(struct reading *self)
{
    const json_t *value = json_object_get(self->object, "player");
    int found = -1;
    if (value == NULL) {
        return -1;
    }
    if (json_is_integer(value)) {
        found = root_player_find(self->root, json_integer_value(value));
    }
    for (int i = 0; json_is_string(value) && i < self->root->player_count && found < 0; i++) {
        found = strcmp(self->root->players[i].name, json_string_value(value)) == 0 ? i : -1;
    }
    if (found < 0) {
        refuse(self, "player: unknown");
    }
    return found;
}

static void check_words(struct reading *self, const struct faults_fault *fault)
{
    if (fault->kind == FAULT_STAT && !one_of(fault->stat, stat_names)) {
        refuse(self, "stat: unknown: %s", fault->stat);
    }
    if (fault->kind == FAULT_MALFORMED_ROW && !one_of(fault->how, row_breaks)) {
        refuse(self, "how: unknown: %s", fault->how);
    }
    if (fault->kind == FAULT_NAMES && !one_of(fault->how, spellings)) {
        refuse(self, "how: unknown: %s", fault->how);
    }
}

static void check_keys(struct reading *self)
{
    static const char *const keys[] = {
        "kind",     "path",   "feed",   "from",        "to",      "times",   "skip",  "every",
        "game",     "player", "status", "retry_after", "seconds", "minutes", "by",    "bytes",
        "declared", "body",   "stat",   "how",         "date",    "was",     "until", NULL};
    const char *key;
    json_t *value, *object = (json_t *)(uintptr_t)self->object; /* only read */
    json_object_foreach(object, key, value)
    {
        if (!one_of(key, keys)) {
            refuse(self, "%s: unknown", key);
        }
    }
}

static void copy_text(struct reading *self, const char *key, const char *otherwise, char *to,
                      size_t size)
{
    const char *text = text_of(self, key, otherwise);
    if (strlen(text) >= size) {
        refuse(self, "%s: too long", key);
        return;
    }
    memcpy(to, text, strlen(text) + 1);
}

static struct faults_fault read_fault(struct reading *self)
{
    struct faults_fault out = {.feed = FEED_COUNT};
    const char *kind = text_of(self, "kind", ""), *feed = text_of(self, "feed", NULL);
    check_keys(self);
    while (out.kind < FAULT_KIND_COUNT && strcmp(kinds[out.kind].name, kind) != 0) {
        out.kind++;
    }
    if (out.kind == FAULT_KIND_COUNT) {
        refuse(self, "kind: unknown: %s", kind);
        return out;
    }
    if (feed != NULL && (out.feed = feeds_named(feed)) == FEED_COUNT) {
        refuse(self, "feed: unknown: %s", feed);
    }
    bool once = out.kind == FAULT_ALTERED_SCORE; /* A, B, A is what it is for */
    int32_t date = self->root->date;
    const char *day = text_of(self, "date", NULL);
    if (day != NULL && (clock_parse_date(day, &date) != 0 || date != self->root->date)) {
        refuse(self, "date: not this night's");
    }
    copy_text(self, "path", "", out.path, sizeof out.path);
    if (out.kind == FAULT_MOVED && (time_of(self, "was").from != FAULT_AT ||
                                    time_of(self, "until").from != FAULT_AT || day == NULL)) {
        refuse(self, "moved: wants date, and the instants was and until");
    }
    out.begin = time_of(self, "from");
    out.end = time_of(self, "to");
    out.times = (int)whole_of(self, "times", once ? 1 : -1, 0, 1000000);
    out.skip = (int)whole_of(self, "skip", 0, 0, 1000000);
    out.every = (int)whole_of(self, "every", 1, 1, 1000000);
    out.game = game_of(self);
    out.player = player_of(self);
    out.status = (int)whole_of(self, "status", 500, 400, 599);
    out.retry_after_s = (int)whole_of(self, "retry_after", -1, 0, 86400);
    out.seconds = (int)whole_of(self, "seconds", 120, 1, 3600);
    out.minutes = (int)whole_of(self, "minutes", 6, 0, 1440);
    out.by = (int)whole_of(self, "by", 1, -50, 50);
    out.bytes = whole_of(self, "bytes", out.kind == FAULT_GZIP_BOMB ? 1 << 30 : 200 << 20, 1,
                         INT64_C(1) << 36);
    out.declared = json_is_true(json_object_get(self->object, "declared"));
    copy_text(self, "body", "json", out.body, sizeof out.body);
    copy_text(self, "stat", "ast", out.stat, sizeof out.stat);
    copy_text(self, "how", out.kind == FAULT_NAMES ? "ascii" : "string", out.how, sizeof out.how);
    check_words(self, &out);
    return out;
}

int faults_add(struct faults *self, const struct root *root, const json_t *value, char *why,
               size_t why_size)
{
    struct faults next = *self;
    const json_t *list = json_is_object(value) ? json_object_get(value, "faults") : value;
    size_t count = list != NULL ? json_array_size(list) : 1;
    for (size_t i = 0; i < count; i++) {
        struct reading reading = {.root = root,
                                  .object = list != NULL ? json_array_get(list, i) : value,
                                  .why = why,
                                  .why_size = why_size};
        if (!json_is_object(reading.object)) {
            snprintf(why, why_size, "fault %zu: not an object", i + 1);
            return -1;
        }
        if (next.count == FAULTS_MAX) {
            snprintf(why, why_size, "more than %d faults", FAULTS_MAX);
            return -1;
        }
        struct faults_fault fault = read_fault(&reading);
        if (reading.bad) {
            return -1;
        }
        fault.id = ++next.next_id;
        next.fault[next.count++] = fault;
    }
    *self = next;
    return 0;
}

void faults_clear(struct faults *self)
{
    self->count = 0;
}

json_t *faults_list(const struct faults *self, const struct root *root)
{
    json_t *list = json_array();
    for (int i = 0; i < self->count; i++) {
        const struct faults_fault *fault = &self->fault[i];
        json_t *row =
            json_pack("{s:i, s:s, s:i, s:i}", "id", fault->id, "kind", kinds[fault->kind].name,
                      "matched", fault->matched, "fired", fault->fired);
        json_object_set_new(row, "feed",
                            fault->feed < FEED_COUNT ? json_string(feeds_name(fault->feed))
                                                     : json_null());
        json_object_set_new(row, "path", json_of_string(fault->path));
        json_object_set_new(
            row, "game", fault->game >= 0 ? json_string(root->games[fault->game].id) : json_null());
        json_object_set_new(row, "left",
                            fault->times < 0 ? json_null()
                                             : json_integer(fault->times - fault->fired));
        json_array_append_new(list, row);
    }
    return list;
}

/* ---- deciding ---- */

static int64_t instant_of(const struct fault_time *time, const struct root *root, int game,
                          int64_t otherwise)
{
    int64_t first_us = INT64_MAX, last_us = INT64_MIN;
    if (time->from == FAULT_NO_TIME) {
        return otherwise;
    }
    if (time->from == FAULT_AT) {
        return time->at_us;
    }
    for (int i = 0; i < root->game_count; i++) {
        const struct night_game *at = &root->games[i];
        if ((game < 0 || game == i) && at->start_us != CLOCK_NONE) {
            first_us = at->start_us < first_us ? at->start_us : first_us;
            last_us = at->end_us > last_us ? at->end_us : last_us;
        }
    }
    if (last_us == INT64_MIN) {
        return otherwise;
    }
    return (time->from == FAULT_AFTER_TIP ? first_us : last_us) +
           (int64_t)(time->minutes * (double)MINUTE_US);
}

static bool in_window(const struct faults_fault *fault, const struct root *root, int64_t now_us)
{
    return now_us >= instant_of(&fault->begin, root, fault->game, INT64_MIN) &&
           now_us < instant_of(&fault->end, root, fault->game, INT64_MAX);
}

/* A fault of one game touches only the requests that are about it; those that list all games are about every one. */
static bool about_its_game(const struct faults_fault *fault, const struct root *root,
                           enum feed feed, const char *path)
{
    char id[32];
    if (fault->game < 0) {
        return true;
    }
    const struct night_game *game = &root->games[fault->game];
    snprintf(id, sizeof id, "%lld", (long long)game->bdl_id);
    switch (feed) {
    case FEED_BDL_GAME:
        return strstr(path, id) != NULL;
    case FEED_ODDS_EVENT_ODDS:
    case FEED_ODDS_HISTORY:
        return strstr(path, game->event_id) != NULL;
    case FEED_CDN_PLAYS:
        return strstr(path, game->id) != NULL;
    default:
        return true;
    }
}

/* Which feeds show what a fault bends: the others do not use it up. */
static bool touches(enum fault_kind kind, enum feed feed)
{
    bool box = feed == FEED_BDL_BOX_SCORES || feed == FEED_BDL_LIVE;
    switch (kind) {
    case FAULT_STAT:
        return box || feed == FEED_ODDS_SCORES;
    case FAULT_UNKNOWN_PLAYER:
    case FAULT_SAME_NAME:
        return box;
    case FAULT_ALTERED_SCORE:
        return box || feed == FEED_BDL_GAMES || feed == FEED_BDL_GAME || feed == FEED_ODDS_SCORES;
    case FAULT_MALFORMED_ROW:
    case FAULT_NAMES:
        return box || feed == FEED_ODDS_EVENT_ODDS;
    case FAULT_MISSING:
        return box;
    case FAULT_HALVED:
        return box || feed == FEED_BDL_INJURIES || feed == FEED_BDL_PLAYERS ||
               feed == FEED_BDL_TEAMS || feed == FEED_BDL_GAMES || feed == FEED_BDL_LINEUPS ||
               feed == FEED_CDN_SCHEDULE || feed == FEED_ODDS_EVENTS;
    case FAULT_MOVED:
        return false; /* bends the schedule, not what is told of a night */
    case FAULT_PUSH:
        return feed == FEED_ODDS_EVENT_ODDS;
    default:
        return true;
    }
}

void faults_decide(struct faults *self, const struct root *root, enum feed feed, const char *path,
                   int64_t now_us, struct faults_due *due)
{
    due->count = 0;
    for (int i = 0; i < self->count; i++) {
        struct faults_fault *fault = &self->fault[i];
        if ((fault->feed != FEED_COUNT && fault->feed != feed) || !touches(fault->kind, feed) ||
            strncmp(path, fault->path, strlen(fault->path)) != 0 ||
            !about_its_game(fault, root, feed, path) || !in_window(fault, root, now_us)) {
            continue;
        }
        int place = fault->matched++ - fault->skip;
        if (place >= 0 && place % fault->every == 0 &&
            (fault->times < 0 || fault->fired < fault->times)) {
            fault->fired++;
            due->fault[due->count++] = fault;
        }
    }
}

const struct faults_fault *faults_due_answer(const struct faults_due *due)
{
    for (int i = 0; i < due->count; i++) {
        if (kinds[due->fault[i]->kind].level == FAULT_ANSWER) {
            return due->fault[i];
        }
    }
    return NULL;
}

bool faults_due_any(const struct faults_due *due)
{
    return due->count > 0;
}
