#include "sim/nights.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/clock.h"
#include "config/log.h"

#define HELD 4 /* tonight's, the day before's, and what somebody asks for from further back */

struct nights {
    char path[PATH_MAX];
    int32_t first, last;
    int rollover_hour;
    int32_t *dates; /* that have a game, in order */
    int date_count;
    struct night_slot slot[HELD];
    uint64_t calls;
    int64_t now_us; /* as of the last nights_at */
    json_t *faults; /* a list of all that were added */
};

static int32_t *find_dates(const struct root *root, int32_t first, int32_t last, int *count)
{
    int32_t *dates = calloc((size_t)root->match_count + 1, sizeof *dates);
    *count = 0;
    for (int i = 0; dates != NULL && i < root->match_count; i++) {
        int32_t date = root->matches[i].date; /* by date */
        if (date >= first && date <= last && (*count == 0 || dates[*count - 1] != date)) {
            dates[(*count)++] = date;
        }
    }
    return dates;
}

struct nights *nights_open(const char *path, int32_t first, int32_t last, int rollover_hour,
                           char *why, size_t why_size)
{
    struct root *root = root_load(path, first, why, why_size);
    struct nights *self = root != NULL ? calloc(1, sizeof *self) : NULL;
    if (self == NULL) {
        root_free(&root);
        return NULL;
    }
    *self = (struct nights){.first = first, .last = last, .rollover_hour = rollover_hour};
    self->slot[0] = (struct night_slot){.root = root};
    snprintf(self->path, sizeof self->path, "%s", path);
    self->dates = find_dates(root, first, last, &self->date_count);
    self->faults = json_array();
    if (self->dates == NULL || self->faults == NULL) {
        snprintf(why, why_size, "no memory");
        nights_close(&self);
    }
    return self;
}

void nights_close(struct nights **self)
{
    if (*self == NULL) {
        return;
    }
    for (int i = 0; i < HELD; i++) {
        root_free(&(*self)->slot[i].root);
    }
    json_decref((*self)->faults);
    free((*self)->dates);
    free(*self);
    *self = NULL;
}

bool nights_many(const struct nights *self)
{
    return self->date_count > 1;
}

/* ---- faults ---- */

/* Is it of this night? One that names no date is of every night that has its game. */
static bool is_of(const json_t *fault, const struct root *root)
{
    int32_t date = 0;
    const char *text = json_string_value(json_object_get(fault, "date"));
    return text == NULL || (clock_parse_date(text, &date) == 0 && date == root->date);
}

/* A game that was called off stays so in the schedule of the nights after it. */
static void call_off(struct root *root, const json_t *fault)
{
    int32_t date = 0;
    const char *kind = json_string_value(json_object_get(fault, "kind"));
    const char *text = json_string_value(json_object_get(fault, "date"));
    const char *game = json_string_value(json_object_get(fault, "game"));
    if (kind == NULL || strcmp(kind, "postponed") != 0 || text == NULL || game == NULL ||
        clock_parse_date(text, &date) != 0 || date >= root->date) {
        return;
    }
    for (int i = 0; i < root->match_count; i++) {
        root->matches[i].postponed =
            root->matches[i].postponed || strcmp(root->matches[i].id, game) == 0;
    }
}

static int give_fault(const struct nights *self, struct night_slot *slot, const json_t *fault,
                      char *why, size_t why_size)
{
    bool dated = json_object_get(fault, "date") != NULL;
    call_off(slot->root, fault);
    if (!is_of(fault, slot->root)) {
        return 0;
    }
    int failed = faults_add(&slot->faults, slot->root, fault, why, why_size);
    return failed != 0 && nights_many(self) && !dated ? 0 : failed;
}

int nights_add_faults(struct nights *self, const json_t *value, char *why, size_t why_size)
{
    struct faults before[HELD];
    const json_t *list = json_is_object(value) ? json_object_get(value, "faults") : value;
    size_t count = list != NULL ? json_array_size(list) : 1;
    int failed = 0;
    for (int i = 0; i < HELD; i++) {
        before[i] = self->slot[i].faults;
    }
    for (size_t n = 0; n < count && failed == 0; n++) {
        const json_t *fault = list != NULL ? json_array_get(list, n) : value;
        for (int i = 0; i < HELD && failed == 0; i++) {
            if (self->slot[i].root != NULL) {
                failed = give_fault(self, &self->slot[i], fault, why, why_size);
            }
        }
    }
    for (int i = 0; i < HELD && failed != 0; i++) {
        self->slot[i].faults = before[i];
    }
    for (size_t n = 0; n < count && failed == 0; n++) {
        json_array_append(self->faults,
                          (json_t *)(uintptr_t)(list != NULL ? json_array_get(list, n) : value));
    }
    return failed;
}

void nights_clear_faults(struct nights *self)
{
    json_array_clear(self->faults);
    for (int i = 0; i < HELD; i++) {
        faults_clear(&self->slot[i].faults);
    }
}

/* Until it is said, a game that was moved is where the schedule had it. */
static void show_moved(const struct nights *self, struct root *root)
{
    for (size_t i = 0; i < json_array_size(self->faults); i++) {
        const json_t *fault = json_array_get(self->faults, i);
        const char *kind = json_string_value(json_object_get(fault, "kind"));
        const char *game = json_string_value(json_object_get(fault, "game"));
        const char *was = json_string_value(json_object_get(fault, "was"));
        const char *until = json_string_value(json_object_get(fault, "until"));
        int64_t was_us, until_us;
        if (kind != NULL && game != NULL && was != NULL && until != NULL &&
            strcmp(kind, "moved") == 0 && clock_parse_utc(was, &was_us) == 0 &&
            clock_parse_utc(until, &until_us) == 0) {
            root_show(root, game, self->now_us < until_us,
                      clock_league_day(was_us, self->rollover_hour), was_us);
        }
    }
}

/* ---- which night ---- */

static struct night_slot *load(struct nights *self, int32_t date)
{
    char why[256];
    struct root *root = root_load(self->path, date, why, sizeof why);
    if (root == NULL) {
        log_warn("night-refused", "root=\"%s\" date=%d why=\"%s\"", self->path, (int)date, why);
        return NULL;
    }
    struct night_slot *slot = &self->slot[0];
    for (int i = 1; i < HELD && slot->root != NULL; i++) {
        if (self->slot[i].root == NULL || self->slot[i].used < slot->used) {
            slot = &self->slot[i];
        }
    }
    root_free(&slot->root);
    *slot = (struct night_slot){.root = root};
    for (size_t i = 0; i < json_array_size(self->faults); i++) {
        if (give_fault(self, slot, json_array_get(self->faults, i), why, sizeof why) != 0) {
            log_warn("fault-refused", "date=%d why=\"%s\"", (int)date, why);
        }
    }
    log_info("night-loaded", "date=%d games=%d faults=%d", (int)date, root->game_count,
             slot->faults.count);
    return slot;
}

struct night_slot *nights_of(struct nights *self, int32_t date)
{
    struct night_slot *found = NULL;
    bool has_games = false;
    for (int i = 0; i < HELD; i++) {
        if (self->slot[i].root != NULL && self->slot[i].root->date == date) {
            found = &self->slot[i];
        }
    }
    for (int i = 0; i < self->date_count && found == NULL; i++) {
        has_games = has_games || self->dates[i] == date;
    }
    if (found == NULL && has_games) {
        found = load(self, date);
    }
    if (found != NULL) {
        found->used = ++self->calls;
        show_moved(self, found->root);
    }
    return found;
}

struct night_slot *nights_at(struct nights *self, int64_t now_us)
{
    int32_t day = clock_league_day(now_us, self->rollover_hour);
    int at = 0;
    self->now_us = now_us;
    while (at < self->date_count - 1 && self->dates[at] < day) {
        at++;
    }
    struct night_slot *slot = nights_of(self, self->dates[at]);
    for (int i = 0; i < HELD && slot == NULL; i++) {
        slot = self->slot[i].root != NULL ? &self->slot[i] : NULL;
    }
    return slot;
}
