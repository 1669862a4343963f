/* What a data root's games/ files say of one date. */
#include "cli/schedule.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "config/clock.h"

#define LINE_MAX_BYTES 4096
#define COLUMNS_MAX 64

/* Splits one RFC 4180 line in place; returns the number of fields, at most `max`. */
static int split(char *line, char **fields, int max)
{
    int count = 0;
    char *in = line;
    while (count < max) {
        char *out = in;
        fields[count++] = in;
        bool quoted = *in == '"';
        if (quoted)
            in++;
        while (*in && (quoted || *in != ',')) {
            if (quoted && *in == '"' && in[1] != '"') {
                quoted = false;
                in++;
                continue;
            }
            if (quoted && *in == '"')
                in++;
            *out++ = *in++;
        }
        bool more = *in == ',';
        in += more;
        *out = '\0';
        if (!more)
            break;
    }
    return count;
}

static int column(char **fields, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(fields[i], name))
            return i;
    return -1;
}

static int read_games(gzFile in, const char *file, int32_t date, struct schedule_day *out,
                      char *why, size_t why_size)
{
    char line[LINE_MAX_BYTES], wanted[CLOCK_DATE_SIZE];
    char *fields[COLUMNS_MAX];
    int date_at = -1, tip_at = -1, number = 0;
    clock_format_date(date, wanted);
    while (gzgets(in, line, sizeof line)) {
        line[strcspn(line, "\r\n")] = '\0';
        int count = split(line, fields, COLUMNS_MAX);
        if (!number++) {
            date_at = column(fields, count, "game_date");
            tip_at = column(fields, count, "tip_utc");
            if (date_at < 0 || tip_at < 0) {
                snprintf(why, why_size, "%s:1: no column %s", file,
                         date_at < 0 ? "game_date" : "tip_utc");
                return -1;
            }
            continue;
        }
        if (date_at >= count || tip_at >= count || strcmp(fields[date_at], wanted) != 0)
            continue;
        out->games++;
        if (!fields[tip_at][0])
            continue;
        int64_t tip;
        if (clock_parse_utc(fields[tip_at], &tip) != 0) {
            snprintf(why, why_size, "%s:%d: tip_utc: not an instant: %s", file, number,
                     fields[tip_at]);
            return -1;
        }
        if (!out->tips || tip < out->first_tip_us)
            out->first_tip_us = tip;
        if (!out->tips || tip > out->last_tip_us)
            out->last_tip_us = tip;
        out->tips++;
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
        gzFile in = gzopen(path, "re");
        if (!in) {
            snprintf(why, why_size, "%s: %s", path, strerror(errno));
            result = -1;
            break;
        }
        result = read_games(in, path, date, out, why, why_size);
        gzclose(in);
    }
    closedir(folder);
    return result;
}
