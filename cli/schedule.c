/* What a data root's games/ files say of one date. */
#include "cli/schedule.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/csv.h"
#include "config/clock.h"

static int column(const struct csv_row *row, const char *name)
{
    for (int i = 0; i < row->count; i++)
        if (!strcmp(row->field[i], name))
            return i;
    return -1;
}

static void take_tip(struct schedule_day *out, int64_t tip_us)
{
    if (!out->tips || tip_us < out->first_tip_us)
        out->first_tip_us = tip_us;
    if (!out->tips || tip_us > out->last_tip_us)
        out->last_tip_us = tip_us;
    out->tips++;
}

/* Rows that do not even split are the import's to complain about; here they are no game of the date. */
static int read_games(struct csv *in, const char *file, int32_t date, struct schedule_day *out,
                      char *why, size_t why_size)
{
    struct csv_row row;
    char wanted[CLOCK_DATE_SIZE];
    int date_at, tip_at;
    clock_format_date(date, wanted);
    if (csv_next(in, &row) != CSV_ROW || (date_at = column(&row, "game_date")) < 0 ||
        (tip_at = column(&row, "tip_utc")) < 0) {
        snprintf(why, why_size, "%s:1: no columns game_date and tip_utc", file);
        return -1;
    }
    for (enum csv_answer answer; (answer = csv_next(in, &row)) != CSV_END;) {
        if (answer == CSV_BROKEN_FILE) {
            snprintf(why, why_size, "%s: %s", file, row.rule);
            return -1;
        }
        if (answer != CSV_ROW || date_at >= row.count || tip_at >= row.count ||
            strcmp(row.field[date_at], wanted) != 0)
            continue;
        out->games++;
        int64_t tip_us;
        if (!row.field[tip_at][0])
            continue;
        if (clock_parse_utc(row.field[tip_at], &tip_us) != 0) {
            snprintf(why, why_size, "%s:%" PRIu64 ": tip_utc: not an instant: %s", file, row.line,
                     row.field[tip_at]);
            return -1;
        }
        take_tip(out, tip_us);
    }
    return 0;
}

static bool ends_with(const char *text, const char *tail)
{
    size_t size = strlen(text), tail_size = strlen(tail);
    return size >= tail_size && !strcmp(text + size - tail_size, tail);
}

int schedule_of_day(const char *root, int32_t date, struct schedule_day *out, char *why,
                    size_t why_size)
{
    char path[4096];
    *out = (struct schedule_day){.first_tip_us = CLOCK_NONE, .last_tip_us = CLOCK_NONE};
    if ((size_t)snprintf(path, sizeof path, "%s/games", root) >= sizeof path) {
        snprintf(why, why_size, "%s: too long", root);
        return -1;
    }
    DIR *folder = opendir(path);
    if (!folder) {
        snprintf(why, why_size, "%s: %s", path, strerror(errno));
        return -1;
    }
    int result = 0;
    for (const struct dirent *entry; !result && (entry = readdir(folder));) {
        if (!ends_with(entry->d_name, ".csv") && !ends_with(entry->d_name, ".csv.gz"))
            continue;
        if ((size_t)snprintf(path, sizeof path, "%s/games/%s", root, entry->d_name) >= sizeof path)
            continue;
        struct csv *in = csv_open(path);
        if (in) {
            result = read_games(in, path, date, out, why, why_size);
        } else {
            snprintf(why, why_size, "%s: %s", path, strerror(errno));
            result = -1;
        }
        csv_close(&in);
    }
    closedir(folder);
    return result;
}
