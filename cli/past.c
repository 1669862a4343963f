#include "cli/past.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/records.h"
#include "config/clock.h"
#include "config/exit.h"
#include "schema/json.h"
#include "schema/messages.h"

struct reading {
    struct past_odds *out; /* NULL: only the list is wanted */
    const char *subject;
    json_t *list; /* the newest body of that subject */
    bool full;    /* no memory */
};

static void keep_subject(struct reading *self, const char *subject)
{
    struct past_odds *out = self->out;
    if (!(out->subject_count & (out->subject_count - 1))) {
        size_t room = out->subject_count ? 2 * out->subject_count : 1;
        void *grown = realloc(out->subjects, room * sizeof *out->subjects);
        if (!grown) {
            self->full = true;
            return;
        }
        out->subjects = grown;
    }
    snprintf(out->subjects[out->subject_count++], sizeof *out->subjects, "%s", subject);
}

static int visit(const struct records_item *item, void *context)
{
    struct reading *self = context;
    struct msg_raw_exchange raw;
    char why[200];
    if (records_message(item, &msg_raw_exchange_desc, &raw) != 0)
        return 0;
    if (self->out && !strcmp(raw.feed, "odds_history"))
        keep_subject(self, raw.subject);
    if (!strcmp(raw.subject, self->subject)) {
        json_decref(self->list);
        self->list = json_read(raw.body.data, raw.body.size, why, sizeof why);
    }
    return self->full;
}

/* Ids go into subjects and URLs: nothing but letters, digits, '-' and '_' is one. */
static bool is_id(const char *text)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    size_t size = strlen(text);
    return size > 0 && size < PAST_ODDS_EVENT_SIZE && strspn(text, allowed) == size;
}

static void take_event(struct past_odds *out, const json_t *row, int32_t date, int rollover_hour)
{
    const char *id = json_string_value(json_object_get(row, "id")),
               *commence = json_string_value(json_object_get(row, "commence_time"));
    int64_t commence_us;
    if (!id || !commence || !is_id(id) || clock_parse_utc(commence, &commence_us) != 0 ||
        clock_league_day(commence_us, rollover_hour) != date ||
        out->event_count == PAST_ODDS_EVENTS_MAX)
        return;
    struct past_odds_event *event = &out->events[out->event_count++];
    snprintf(event->event_id, sizeof event->event_id, "%s", id);
    event->commence_us = commence_us;
}

/* 0, or an exit code with `why`. */
static int read_log(struct reading *self, const char *dir, char *why, size_t why_size)
{
    struct records *log = NULL;
    int code = records_open(&log, dir, why, why_size);
    if (!code && records_each(log, "raw.exchange", 0, UINT64_MAX, visit, self) != 0) {
        code = EXIT_DATA;
        snprintf(why, why_size, "the log cannot be read");
    }
    records_close(&log);
    if (!code && !self->list) {
        code = EXIT_NO;
        snprintf(why, why_size, "the log holds no body of %s (any more)", self->subject);
    }
    return code;
}

int past_odds_read(struct past_odds *out, const char *dir, const char *subject, int32_t date,
                   int rollover_hour, char *why, size_t why_size)
{
    struct reading reading = {.out = out, .subject = subject};
    memset(out, 0, sizeof *out);
    int code = read_log(&reading, dir, why, why_size);
    const json_t *data = json_object_get(reading.list, "data");
    for (size_t i = 0; !code && i < json_array_size(data); i++)
        take_event(out, json_array_get(data, i), date, rollover_hour);
    json_decref(reading.list);
    return code;
}

int past_page_next(const char *dir, const char *subject, int64_t *cursor, char *why,
                   size_t why_size)
{
    struct reading reading = {.subject = subject};
    int code = read_log(&reading, dir, why, why_size);
    *cursor =
        json_integer_value(json_object_get(json_object_get(reading.list, "meta"), "next_cursor"));
    json_decref(reading.list);
    return code;
}

void past_odds_free(struct past_odds *self)
{
    free(self->subjects);
    memset(self, 0, sizeof *self);
}

bool past_odds_has(const struct past_odds *self, const char *subject)
{
    for (size_t i = 0; i < self->subject_count; i++)
        if (!strcmp(self->subjects[i], subject))
            return true;
    return false;
}
