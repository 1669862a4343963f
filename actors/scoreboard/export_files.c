/* Writing the exports: only what changed, and never half of it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actors/scoreboard/exports.h"
#include "config/clock.h"
#include "config/fault.h"
#include "config/log.h"

enum { DATES_MAX = 64, PATH_SIZE = 4096, EXPORT_MOST_BYTES = 4 << 20 };
#define STATUS_EVERY_US (INT64_C(10) * 1000000) /* real time: its ages go on when nothing happens */

struct shown {
    int32_t date;
    uint64_t position;
};
struct exports {
    char dir[PATH_SIZE - 64];
    struct shown shown[DATES_MAX]; /* the newest dates, and how far their files are */
    int count;
    int32_t today;
    int64_t status_us;
    uint64_t written;
    int complained; /* errno last said, so that a full disk is not said every second */
};

struct exports *exports_new(const char *dir)
{
    struct exports *self = calloc(1, sizeof *self);
    if (self)
        snprintf(self->dir, sizeof self->dir, "%s/exports", dir);
    return self;
}

void exports_free(struct exports **self)
{
    free(*self);
    *self = NULL;
}

uint64_t exports_written(const struct exports *self)
{
    return self->written;
}

static int sync_folder(const char *path)
{
    char folder[PATH_SIZE];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (!slash)
        return 0;
    *slash = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int result = fsync(fd);
    close(fd);
    return result;
}

int exports_replace(const char *path, const char *text, size_t size)
{
    char temporary[PATH_SIZE];
    if ((size_t)snprintf(temporary, sizeof temporary, "%s.%ld.new", path, (long)getpid()) >=
        sizeof temporary) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return -1;
    size_t done = 0;
    while (done < size) {
        ssize_t part = write(fd, text + done, size - done);
        if (part < 0 && errno != EINTR)
            break;
        done += part > 0 ? (size_t)part : 0;
    }
    int error = done < size || fsync(fd) != 0 ? errno : 0;
    close(fd);
    fault_hit(FAULT_EXPORT_WRITTEN);
    if (!error && rename(temporary, path) != 0)
        error = errno;
    if (!error && sync_folder(path) != 0)
        error = errno;
    if (error)
        unlink(temporary);
    errno = error;
    return error ? -1 : 0;
}

static int write_json(struct exports *self, const char *folder, const char *name,
                      const json_t *content)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", self->dir, folder);
    if ((mkdir(self->dir, 0755) != 0 && errno != EEXIST) ||
        (mkdir(path, 0755) != 0 && errno != EEXIST))
        return -1;
    snprintf(path, sizeof path, "%s/%s%s%s.json", self->dir, folder, folder[0] ? "/" : "", name);
    char *text = json_text(content);
    int result = text ? exports_replace(path, text, strlen(text)) : -1;
    free(text);
    self->written += result == 0;
    return result;
}

typedef json_t *make_fn(struct store_txn *txn, int32_t date, int *error);

static int write_date(struct exports *self, struct store_txn *txn, const char *folder, int32_t date,
                      make_fn *make)
{
    int error;
    char name[CLOCK_DATE_SIZE];
    json_t *content = make(txn, date, &error);
    if (!content)
        return error;
    clock_format_date(date, name);
    int result = write_json(self, folder, name, content);
    if (result == 0 && date == self->today)
        result = write_json(self, folder, "latest", content);
    json_decref(content);
    return result;
}

/* Dates with something newer than their files, the newest DATES_MAX of all. */
struct due {
    struct shown dates[DATES_MAX];
    int count;
};

static int take_touched(const struct store_row *row, void *context)
{
    struct due *due = context;
    struct table_mark mark;
    struct span payload;
    if (table_read(&row->value, &mark, &payload) != STORE_OK)
        return STORE_CORRUPT;
    struct shown *last = due->count ? &due->dates[due->count - 1] : NULL;
    if (last && last->date == row->date) {
        last->position = mark.position > last->position ? mark.position : last->position;
        return 0;
    }
    if (due->count == DATES_MAX)
        return 1;
    due->dates[due->count++] = (struct shown){.date = row->date, .position = mark.position};
    return 0;
}

/* How far the files of a date are already, by an earlier life of ours: tables that are being made again must not take
 * them back. 0: there are none. */
static uint64_t position_on_disk(const struct exports *self, int32_t date)
{
    char path[PATH_SIZE], name[CLOCK_DATE_SIZE], why[160];
    uint64_t position = 0;
    clock_format_date(date, name);
    snprintf(path, sizeof path, "%s/live-grading/%s.json", self->dir, name);
    FILE *in = fopen(path, "re");
    char *text = in ? malloc(EXPORT_MOST_BYTES) : NULL;
    size_t size = text ? fread(text, 1, EXPORT_MOST_BYTES, in) : 0;
    json_t *content = size > 0 ? json_read(text, size, why, sizeof why) : NULL;
    const json_t *number = json_object_get(content, "position");
    if (json_is_integer(number) && json_integer_value(number) > 0)
        position = (uint64_t)json_integer_value(number);
    json_decref(content);
    free(text);
    if (in)
        fclose(in);
    return position;
}

static struct shown *shown_of(struct exports *self, int32_t date)
{
    int oldest = 0;
    for (int i = 0; i < self->count; i++) {
        if (self->shown[i].date == date)
            return &self->shown[i];
        oldest = self->shown[i].date < self->shown[oldest].date ? i : oldest;
    }
    int at = self->count < DATES_MAX ? self->count++ : oldest;
    self->shown[at] = (struct shown){.date = date, .position = position_on_disk(self, date)};
    return &self->shown[at];
}

static int write_both(struct exports *self, struct store_txn *txn, int32_t date)
{
    int error = write_date(self, txn, "live", date, export_live);
    return error ? error : write_date(self, txn, "live-grading", date, export_grading);
}

/* With `new_day`, today's files too, though nothing be new in them: `latest` follows the day. */
static int write_due(struct exports *self, struct store_txn *txn, bool new_day)
{
    struct due due = {0};
    int error = store_scan(txn, TABLE_TOUCHED, TABLE_DATE_FIRST, TABLE_DATE_LAST, NULL, 0, true,
                           take_touched, &due);
    error = error == 1 || error == STORE_NOT_FOUND ? STORE_OK : error;
    for (int i = 0; i < due.count && !error; i++) {
        struct shown *shown = shown_of(self, due.dates[i].date);
        bool anew = new_day && due.dates[i].date == self->today;
        new_day = new_day && !anew;
        if (shown->position > due.dates[i].position ||
            (shown->position == due.dates[i].position && !anew))
            continue;
        error = write_both(self, txn, due.dates[i].date);
        if (!error)
            shown->position = due.dates[i].position;
    }
    if (!error && new_day && shown_of(self, self->today)->position == 0)
        error = write_both(self, txn, self->today);
    return error;
}

/* ---- files that are gone ---- */

struct gone {
    const struct exports *exports;
    int32_t dates[DATES_MAX];
    int count;
};

static bool is_gone(const struct exports *self, const char *folder, int32_t date)
{
    char path[PATH_SIZE], name[CLOCK_DATE_SIZE];
    clock_format_date(date, name);
    snprintf(path, sizeof path, "%s/%s/%s.json", self->dir, folder, name);
    return access(path, F_OK) != 0 && errno == ENOENT;
}

static int take_gone(const struct store_row *row, void *context)
{
    struct gone *gone = context;
    if (gone->count && gone->dates[gone->count - 1] == row->date)
        return 0;
    if (is_gone(gone->exports, "live", row->date) ||
        is_gone(gone->exports, "live-grading", row->date))
        gone->dates[gone->count++] = row->date;
    return gone->count == DATES_MAX; /* the rest tomorrow */
}

/* Of every day before today that the tables hold, once a day and at every start: whoever removes a file does not say so. */
static int write_gone(struct exports *self, struct store_txn *txn)
{
    struct gone gone = {.exports = self};
    int error = store_scan(txn, TABLE_TOUCHED, TABLE_DATE_FIRST, clock_date_add(self->today, -1),
                           NULL, 0, true, take_gone, &gone);
    error = error == 1 || error == STORE_NOT_FOUND ? STORE_OK : error;
    for (int i = 0; i < gone.count && !error; i++) {
        log_warn("export-was-gone", "date=%d", (int)gone.dates[i]);
        error = write_both(self, txn, gone.dates[i]);
    }
    return error;
}

static int write_status(struct exports *self, struct store_txn *txn, int64_t now_us)
{
    int error;
    json_t *content = export_status(txn, self->today, now_us, &error);
    if (!content)
        return error;
    error = write_json(self, "", "status", content);
    json_decref(content);
    return error;
}

int exports_write(struct exports *self, struct store_txn *txn, int64_t now_us, int rollover_hour)
{
    uint64_t before = self->written;
    int32_t today = export_today(txn, now_us, rollover_hour);
    bool new_day = today != self->today;
    self->today = today;
    int error = new_day ? write_gone(self, txn) : STORE_OK;
    if (!error)
        error = write_due(self, txn, new_day);
    if (!error &&
        (self->written != before || clock_mono_us() - self->status_us > STATUS_EVERY_US)) {
        error = write_status(self, txn, now_us);
        self->status_us = clock_mono_us();
    }
    if (error && self->complained != errno)
        log_warn("export-failed", "why=\"%s\"",
                 error == -1 ? strerror(errno) : store_error_text(error));
    self->complained = error ? errno : 0;
    return error;
}
