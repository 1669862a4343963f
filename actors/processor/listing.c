#include "actors/processor/listing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/clock.h"

#define PAGES_MAX 50 /* a chain that is longer goes round */
#define CURSOR_MAX INT64_C(1000000000000000)

struct msg_processor_page listing_page(const struct apply *self, size_t rows)
{
    struct msg_processor_page page;
    message_clear(&msg_processor_page_desc, &page);
    page.rows = (int64_t)rows;
    page.broken = (int64_t)self->broken;
    int64_t next = self->feed->next_page;
    page.next = next > 0 && next <= CURSOR_MAX ? next : 0;
    return page;
}

static bool among(const char *teams, const char *team)
{
    const size_t size = strlen(team);
    for (const char *at = teams; (at = strstr(at, team)) != NULL; at += size) {
        if ((at == teams || at[-1] == ',') && (at[size] == ',' || at[size] == '\0')) {
            return true;
        }
    }
    return false;
}

void listing_team(struct msg_processor_page *page, const char *team)
{
    size_t used = strlen(page->teams);
    if (team[0] != '\0' && !among(page->teams, team) &&
        used + 1 + strlen(team) < sizeof page->teams) {
        snprintf(page->teams + used, sizeof page->teams - used, "%s%s", used > 0 ? "," : "", team);
    }
}

static void add(struct msg_processor_page *sum, const struct msg_processor_page *page)
{
    char teams[sizeof page->teams], *rest = teams;
    sum->rows += page->rows;
    sum->broken += page->broken;
    sum->unknown += page->unknown;
    sum->nulls += page->nulls;
    sum->dated += page->dated;
    sum->odd += page->odd;
    snprintf(teams, sizeof teams, "%s", page->teams);
    for (char *team; (team = strsep(&rest, ",")) != NULL;) {
        listing_team(sum, team);
    }
}

/* Over the newest of each page, from the first to the last, whose cursor it returns; -1: one of them is not known. */
static int64_t sum_up(struct apply *self, struct msg_processor_page *sum)
{
    struct msg_processor_page page;
    int64_t cursor = 0;
    message_clear(&msg_processor_page_desc, sum);
    for (int i = 0; i < PAGES_MAX; i++) {
        if (!memory_page(&self->memory, self->raw->feed, cursor, &page)) {
            return -1;
        }
        add(sum, &page);
        if (page.next == 0) {
            return cursor;
        }
        cursor = page.next;
    }
    return -1;
}

double listing_lost(struct apply *self, const char *teams, size_t least)
{
    struct msg_processor_game games[MEMORY_DAY_GAMES_MAX];
    int32_t today = clock_league_day(self->raw->fetched_at, self->rollover_hour);
    size_t count = memory_games_of(&self->memory, today, today, games, MEMORY_DAY_GAMES_MAX),
           lost = 0;
    for (size_t i = 0; i < count; i++) {
        lost += among(teams, games[i].home) ? 0 : 1;
        lost += among(teams, games[i].away) ? 0 : 1;
    }
    return count > 0 && 2 * count >= least ? (double)lost / (double)(2 * count) : NAN;
}

static size_t teams_in(const char *teams)
{
    size_t count = teams[0] != '\0';
    for (; *teams != '\0'; teams++) {
        count += *teams == ',';
    }
    return count;
}

static void check(struct apply *self, enum check_list list, const struct msg_processor_page *sum,
                  size_t teams_least, bool settled)
{
    const double rows = (double)sum->rows, broken = (double)sum->broken;
    const struct check_figures figures = {
        .rows = rows,
        .unknown = check_share((double)sum->unknown, rows),
        .nulls = check_share((double)sum->nulls, rows),
        .odd = check_share((double)sum->odd, (double)sum->dated),
        .broken = rows + broken > 0 ? broken / (rows + broken) : NAN,
        .mean = check_share(rows, rows) > 0 && sum->teams[0] != '\0'
                    ? rows / (double)teams_in(sum->teams)
                    : NAN,
        .lost = listing_lost(self, sum->teams, teams_least),
    };
    check_newest(self, list, &figures, settled);
}

/* Behind a page that is not the last, others may have changed that are on their way, or not have changed: nobody can tell. */
void listing_judge(struct apply *self, enum check_list list, const struct msg_processor_page *page,
                   size_t teams_least)
{
    const char *colon = strchr(self->raw->subject, ':');
    const int64_t cursor = colon != NULL ? strtoll(colon + 1, NULL, 10) : 0;
    struct msg_processor_page sum;
    memory_put_page(&self->memory, self->raw->feed, cursor, page);
    const int64_t last = sum_up(self, &sum);
    if (last >= 0) {
        check(self, list, &sum, teams_least, last == cursor);
    }
}
