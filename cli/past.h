/* What the log holds of answers that were asked for after the fact: where a page ends, which events a day had, and which snapshots of odds
 * are there already. */
#ifndef CLI_PAST_H
#define CLI_PAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAST_ODDS_EVENTS_MAX 64 /* of one day */
#define PAST_ODDS_EVENT_SIZE 41

struct past_odds {
    struct past_odds_event {
        char event_id[PAST_ODDS_EVENT_SIZE];
        int64_t commence_us;
    } events[PAST_ODDS_EVENTS_MAX];
    size_t event_count;
    char (*subjects)[121]; /* of the snapshots that are there */
    size_t subject_count;
};

/* Reads the newest body of the list `subject`, and of it the events that begin on league day `date`. 0, or an exit code with `why`:
 * EXIT_NO if there is no such body. */
int past_odds_read(struct past_odds *out, const char *dir, const char *subject, int32_t date,
                   int rollover_hour, char *why, size_t why_size);
void past_odds_free(struct past_odds *self);
bool past_odds_has(const struct past_odds *self, const char *subject);

/* The cursor of the page behind the newest body of `subject`; 0: it is the last. 0, or an exit code with `why`. */
int past_page_next(const char *dir, const char *subject, int64_t *cursor, char *why,
                   size_t why_size);

#endif
