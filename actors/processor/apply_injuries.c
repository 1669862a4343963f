/* Injuries. What changed of a player is said; who is not listed any more is said once, if the body is the whole list and none of its
 * rows is broken: otherwise nobody knows who is missing from it. */
#include "actors/processor/apply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/processor/listing.h"
#include "config/clock.h"

#define TEAMS_LEAST 6 /* that play; a single one may well have nobody hurt */

/* As the source says, else of his latest game that is known. */
static bool team_of(struct apply *self, const struct feed_report *injury,
                    const struct identity_player *who, char team[MEMORY_CODE_SIZE])
{
    struct msg_processor_player player;
    if (injury->team_id != MESSAGE_NONE &&
        memory_team_by_id(&self->memory, injury->team_id, team)) {
        return true;
    }
    if (!who->known || !memory_player(&self->memory, who->player_id, &player) ||
        player.team[0] == '\0') {
        return false;
    }
    strcpy(team, player.team);
    return true;
}

/* "Oct 1", or a date. */
static bool reads_as_date(const char *text)
{
    static const char *const MONTHS[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    int32_t date;
    char *end = NULL;
    if (clock_parse_date(text, &date) == 0) {
        return true;
    }
    for (size_t i = 0; i < sizeof MONTHS / sizeof MONTHS[0]; i++) {
        if (strncasecmp(text, MONTHS[i], 3) == 0) {
            long day = strtol(text + strcspn(text, " "), &end, 10);
            return *end == '\0' && day >= 1 && day <= 31;
        }
    }
    return false;
}

/* What the list is judged by, once it is whole. */
static void count(struct msg_processor_page *page, const struct feed_report *injury, bool known,
                  const char *team)
{
    page->unknown += !known;
    page->nulls += injury->description[0] == '\0';
    page->dated += injury->return_date[0] != '\0';
    page->odd += injury->return_date[0] != '\0' && !reads_as_date(injury->return_date);
    listing_team(page, team);
}

static bool take_injury(struct apply *self, const struct feed_report *injury, int64_t *player_id,
                        struct msg_processor_page *page)
{
    static const char *const EXCEPT[] = {"seen_at", NULL};
    struct identity_player who;
    struct msg_row_injury row, last;
    char team[MEMORY_CODE_SIZE] = "";
    if (injury->team_id != MESSAGE_NONE) {
        (void)memory_team_by_id(&self->memory, injury->team_id, team);
    }
    if (!identity_box_player(&self->memory, injury->source_id, injury->name, team, false, &who)) {
        identity_unknown(injury->source_id, injury->name, &who);
    }
    *player_id = who.player_id;
    bool has_team = team_of(self, injury, &who, team);
    count(page, injury, who.known && has_team, team);
    if (!has_team) {
        self->identity_refused = true;
        feed_refuse(self->feed, injury->path, injury->name,
                    "player.team_id: no such team is known");
        return false;
    }
    message_clear(&msg_row_injury_desc, &row);
    row.player_id = who.player_id;
    row.player_known = who.known;
    strcpy(row.player_name, who.name);
    strcpy(row.team, team);
    strcpy(row.status, injury->status);
    strcpy(row.return_date, injury->return_date);
    strcpy(row.description, injury->description);
    row.listed = true;
    row.seen_at = self->raw->fetched_at;
    if (!memory_row_injury(&self->memory, row.player_id, &last) ||
        !message_equal(&msg_row_injury_desc, &row, &last, EXCEPT)) {
        memory_put_row_injury(&self->memory, &row);
        step_emit(self->step, &msg_row_injury_desc, &row);
    }
    return true;
}

struct gone {
    const int64_t *listed;
    size_t listed_count;
    struct msg_row_injury *rows;
    size_t count, capacity;
};

static void collect_gone(const struct msg_row_injury *row, void *context)
{
    struct gone *gone = context;
    for (size_t i = 0; i < gone->listed_count; i++) {
        if (gone->listed[i] == row->player_id) {
            return;
        }
    }
    if (gone->count == gone->capacity) {
        size_t more = gone->capacity == 0 ? 16 : gone->capacity * 2;
        struct msg_row_injury *grown = reallocarray(gone->rows, more, sizeof *grown);
        if (grown == NULL) {
            abort(); /* bounded by what bodies brought before */
        }
        gone->rows = grown;
        gone->capacity = more;
    }
    gone->rows[gone->count++] = *row;
}

static void say_gone(struct apply *self, const int64_t *listed, size_t count)
{
    struct gone gone = {.listed = listed, .listed_count = count};
    memory_each_injury(&self->memory, collect_gone, &gone);
    for (size_t i = 0; i < gone.count; i++) {
        struct msg_row_injury *row = &gone.rows[i];
        row->listed = false;
        row->seen_at = self->raw->fetched_at;
        memory_put_row_injury(&self->memory, row);
        step_emit(self->step, &msg_row_injury_desc, row);
    }
    free(gone.rows);
}

void apply_injuries(struct apply *self)
{
    struct feed *feed = self->feed;
    int64_t *listed = calloc(feed->report_count + 1, sizeof *listed);
    bool first_page = strchr(self->raw->subject, ':') == NULL;
    if (listed == NULL) {
        abort(); /* bounded by the body */
    }
    struct msg_processor_page page = listing_page(self, feed->report_count);
    for (size_t i = 0; i < feed->report_count; i++) {
        (void)take_injury(self, &feed->reports[i], &listed[i], &page);
    }
    listing_judge(self, LIST_INJURIES, &page, TEAMS_LEAST);
    if (first_page && feed->next_page == 0 && feed->refusal_count == 0) {
        say_gone(self, listed, feed->report_count);
    }
    free(listed);
}
