/* The exported files, by what they show. */
#include "actors/watchdog/exported.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "actors/watchdog/due.h"
#include "config/clock.h"
#include "schema/json.h"

#define TABLE_SHOWN "shown" /* date; "live" or "grading" -> position of the newest record */
#define OUTPUT_EXPORT "export"
enum { DAYS_MOST = 3, FILES_MOST = 2 * DAYS_MOST + 3, PATH_SIZE = 4096, FILE_MOST_BYTES = 8 << 20 };

/* The kinds of file, and what each shows. `of_day`: D.json; else one that follows the day. */
static const struct {
    const char *name;
    bool of_day, shows[EXPORTED_WHATS];
} kinds[] = {{"live/", true, {true, false}},
             {"live-grading/", true, {true, true}},
             {"live/latest", false, {true, false}},
             {"live-grading/latest", false, {true, true}},
             {"status", false, {true, true}}};
enum { KINDS = sizeof kinds / sizeof *kinds };
static const char *const whats[EXPORTED_WHATS] = {"live", "grading"};

struct day {
    int32_t date;
    uint64_t newest[EXPORTED_WHATS];
};
/* What this process knows of a file: real time, so nothing of it outlives the process. */
struct file {
    char name[48]; /* below DIR/exports, without .json */
    struct timespec written;
    off_t size;
    ino_t inode;
    int32_t date;      /* that it says it is of */
    uint64_t position; /* that it says; 0: there is none that can be read */
    uint64_t target;   /* that it must get to; 0: it has all */
    int64_t since_us;  /* monotonic: has lacked it since then */
};
struct turn {
    int32_t date;
    bool ask, ended;
    struct msg_ops_action action, end;
};
struct exported {
    char dir[PATH_SIZE - 64];
    int64_t lag_us;
    int64_t
        asked_us; /* monotonic: the last time that files were asked for, as far as this process knows */
    bool busy;
    struct file files[FILES_MOST];
    int file_count;
    struct turn turns[DAYS_MOST];
    int turn_count;
};

struct exported *exported_new(const struct settings *settings)
{
    struct exported *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    snprintf(self->dir, sizeof self->dir, "%s/exports", settings->dir);
    self->lag_us = settings->watchdog.export_lag_us;
    self->asked_us = clock_mono_us();
    return self;
}

void exported_free(struct exported **self)
{
    free(*self);
    *self = NULL;
}

void exported_writer(struct exported *self, bool busy)
{
    self->busy = busy;
}

/* ---- what must be shown ---- */

static int newest_of(struct store_txn *txn, int32_t date, enum exported_what what,
                     uint64_t *position)
{
    struct store_key key;
    struct span value;
    int64_t number = 0;
    store_key_start(&key);
    store_key_text(&key, whats[what]);
    int error = store_get(txn, TABLE_SHOWN, date, key.data, key.size, &value);
    if (!error && store_key_read_i64(&value, &number) != 0)
        error = STORE_CORRUPT;
    *position = (uint64_t)number;
    return error == STORE_NOT_FOUND ? STORE_OK : error;
}

int exported_shows(struct step *step, enum exported_what what, int32_t date, uint64_t position)
{
    struct store_key key, value;
    store_key_start(&key);
    store_key_text(&key, whats[what]);
    store_key_start(&value);
    store_key_i64(&value, (int64_t)position);
    return store_put(step_store(step), TABLE_SHOWN, date, key.data, key.size, value.data,
                     value.size);
}

/* The days around now of which there is anything. */
static int days_find(struct store_txn *txn, int64_t now_us, struct day days[DAYS_MOST], int *count)
{
    int32_t today = clock_date_of(now_us);
    *count = 0;
    for (int offset = -1; offset <= 1; offset++) {
        struct day *day = &days[*count];
        day->date = clock_date_add(today, offset);
        for (int what = 0; what < EXPORTED_WHATS; what++) {
            int error = newest_of(txn, day->date, (enum exported_what)what, &day->newest[what]);
            if (error)
                return error;
        }
        *count += day->newest[EXPORTED_LIVE] > 0;
    }
    return STORE_OK;
}

/* ---- what is shown ---- */

static struct file *file_named(struct exported *self, const char *name)
{
    for (int i = 0; i < self->file_count; i++)
        if (strcmp(self->files[i].name, name) == 0)
            return &self->files[i];
    if (self->file_count == FILES_MOST) { /* of a day that is over: the names of the days go on */
        memmove(self->files, self->files + 1, (FILES_MOST - 1) * sizeof *self->files);
        self->file_count--;
    }
    struct file *file = &self->files[self->file_count++];
    memset(file, 0, sizeof *file);
    snprintf(file->name, sizeof file->name, "%s", name);
    return file;
}

static void file_parse(struct file *file, const char *path)
{
    char why[160], *text = malloc(FILE_MOST_BYTES);
    FILE *in = text ? fopen(path, "re") : NULL;
    size_t size = in ? fread(text, 1, FILE_MOST_BYTES, in) : 0;
    json_t *content = size > 0 ? json_read(text, size, why, sizeof why) : NULL;
    const json_t *position = json_object_get(content, "position");
    const char *date = json_string_value(json_object_get(content, "game_date"));
    if (json_is_integer(position) && json_integer_value(position) > 0)
        file->position = (uint64_t)json_integer_value(position);
    if (!date) /* status.json */
        date = json_string_value(json_object_get(
            json_object_get(json_object_get(content, "services"), "predictions"), "target_date"));
    if (!date || clock_parse_date(date, &file->date) != 0)
        file->date = 0;
    json_decref(content);
    if (in)
        fclose(in);
    free(text);
}

/* Read again only when it is another one. */
static void file_read(const struct exported *self, struct file *file)
{
    char path[PATH_SIZE];
    struct stat now;
    snprintf(path, sizeof path, "%s/%s.json", self->dir, file->name);
    if (stat(path, &now) != 0) {
        memset(&file->written, 0, sizeof file->written);
        file->position = 0;
        file->date = 0;
        return;
    }
    if (now.st_mtim.tv_sec == file->written.tv_sec &&
        now.st_mtim.tv_nsec == file->written.tv_nsec && now.st_size == file->size &&
        now.st_ino == file->inode)
        return;
    file->written = now.st_mtim;
    file->size = now.st_size;
    file->inode = now.st_ino;
    file->position = 0;
    file_parse(file, path);
}

/* ---- judging ---- */

static void subject_of(const struct file *file, char subject[97])
{
    snprintf(subject, 97, "export %s.json", file->name);
}

/* Was it said before this process began? Then it is no news that it is stale. */
static bool said_before(struct store_txn *txn, const struct file *file)
{
    struct store_key key;
    struct span value;
    char subject[97];
    subject_of(file, subject);
    store_key_start(&key);
    store_key_text(&key, "stale");
    store_key_text(&key, subject);
    return store_get(txn, TABLE_INCIDENT, STORE_UNDATED, key.data, key.size, &value) == STORE_OK;
}

/* True: what it lacked so long ago, it lacks still. */
static bool file_stale(const struct exported *self, struct store_txn *txn, struct file *file,
                       uint64_t newest, int64_t mono_us)
{
    if (file->position >= newest) {
        file->target = 0;
        return false;
    }
    if (!file->target || file->position >= file->target) {
        bool first = !file->target;
        file->target = newest;
        file->since_us = first && said_before(txn, file) ? mono_us - self->lag_us : mono_us;
    }
    return mono_us - file->since_us >= self->lag_us;
}

static uint64_t must_show(const struct day *day, int kind)
{
    uint64_t newest = 0;
    for (int what = 0; what < EXPORTED_WHATS; what++)
        if (kinds[kind].shows[what] && day->newest[what] > newest)
            newest = day->newest[what];
    return newest;
}

static void incident_add(struct incidents *out, const struct file *file, bool spent,
                         int64_t mono_us)
{
    if (out->count == RULES_INCIDENTS_MAX)
        return;
    struct incident *incident = &out->list[out->count++];
    struct timespec now;
    char age[48];
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(age, sizeof age, "its file is %" PRId64 " s old",
             (int64_t)(now.tv_sec - file->written.tv_sec));
    snprintf(incident->cause, sizeof incident->cause, "stale");
    subject_of(file, incident->subject);
    incident->severity = spent ? "critical" : "alert";
    incident->since_us = CLOCK_NONE;
    snprintf(incident->text, sizeof incident->text,
             "exports/%s.json shows the log up to %" PRIu64 ", and lacks %" PRIu64 " for %" PRId64
             " s; %s%s",
             file->name, file->position, file->target, (mono_us - file->since_us) / 1000000,
             file->written.tv_sec ? age : "there is no file",
             spent ? "; no remedy helped, and nothing more is tried" : "");
}

/* ---- the remedy of a day's files ---- */

static void action_begin(struct turn *turn, const struct remedy_past *past, const struct file *file,
                         int64_t now_us)
{
    struct msg_ops_action *action = &turn->action;
    char day[CLOCK_DATE_SIZE];
    clock_format_date(turn->date, day);
    remedies_begin(action, turn->date, "", OUTPUT_EXPORT, CAUSE_BEHIND, REMEDY_EXPORT, day);
    action->attempt = past->attempts + 1;
    action->failed = past->failed;
    action->position = file->target;
    action->asked_at = now_us;
    snprintf(action->action_id, sizeof action->action_id, "%s:%s:%s:%" PRId64, OUTPUT_EXPORT, day,
             action->verb, action->attempt);
    snprintf(action->why, sizeof action->why, "%s.json shows the log up to %" PRIu64 "%s",
             file->name, file->position, file->written.tv_sec ? "" : ": it is not there");
}

/* `stale`: the first of the day's files that is; NULL: none. `behind`: one lacks something, stale or not. *spent: nothing more is tried. */
static int day_remedy(struct exported *self, struct store_txn *txn,
                      const struct remedies_look *look, const struct day *day,
                      const struct file *stale, bool behind, bool *spent)
{
    struct turn *turn = &self->turns[self->turn_count];
    struct remedy_past past;
    *turn = (struct turn){.date = day->date};
    *spent = false;
    int error = remedies_past(txn, day->date, "", OUTPUT_EXPORT, REMEDY_EXPORT, &turn->end, &past);
    if (error)
        return error;
    /* Files are written in real time, however fast the league's runs. */
    bool over = remedy_over(REMEDY_EXPORT, &past, look->limits, look->now_us) &&
                clock_mono_us() - self->asked_us >= self->lag_us;
    if (past.open && (!behind || (stale && over))) {
        remedies_end(&turn->end, !behind, look->now_us, "%s",
                     behind ? "its files are as far behind as before" : "its files show all");
        turn->ended = true;
        past.open = false;
        past.failed = turn->end.failed;
    }
    if (stale && look->heal) {
        enum remedy_answer answer =
            remedy_again(REMEDY_EXPORT, &past, look->limits, look->budget, look->now_us);
        *spent = answer == REMEDY_SPENT;
        turn->ask = answer == REMEDY_ASK && !self->busy;
    }
    if (stale && turn->ask) {
        self->asked_us = clock_mono_us();
        action_begin(turn, &past, stale, look->now_us);
        look->budget->asked[REMEDY_EXPORT]++;
    }
    self->turn_count += turn->ask || turn->ended;
    return STORE_OK;
}

static int day_look(struct exported *self, struct store_txn *txn, const struct remedies_look *look,
                    const struct day *day, bool last, struct incidents *out)
{
    const struct file *stale[KINDS];
    int stale_count = 0;
    bool behind = false, spent;
    int64_t mono_us = clock_mono_us();
    for (int kind = 0; kind < KINDS; kind++) {
        char name[sizeof self->files->name], date[CLOCK_DATE_SIZE];
        clock_format_date(day->date, date);
        snprintf(name, sizeof name, "%s%s", kinds[kind].name, kinds[kind].of_day ? date : "");
        struct file *file = file_named(self, name);
        file_read(self, file);
        if (!kinds[kind].of_day && (file->date ? file->date != day->date : !last))
            continue; /* it is of another day, and judged there */
        if (file_stale(self, txn, file, must_show(day, kind), mono_us))
            stale[stale_count++] = file;
        behind = behind || file->target;
    }
    int error = day_remedy(self, txn, look, day, stale_count ? stale[0] : NULL, behind, &spent);
    for (int i = 0; i < stale_count && !error; i++)
        incident_add(out, stale[i], spent, mono_us);
    return error;
}

int exported_look(struct exported *self, struct store_txn *txn, const struct remedies_look *look,
                  struct incidents *out)
{
    struct day days[DAYS_MOST + 1] = {{0}};
    struct stat there;
    int count;
    self->turn_count = 0;
    if (stat(self->dir, &there) != 0)
        return STORE_OK; /* they are written elsewhere, or not yet */
    int error = days_find(txn, look->now_us, days, &count);
    int32_t today = clock_date_of(look->now_us);
    for (int i = 0; i < count && !error; i++) {
        bool last = days[i].date <= today && (i + 1 == count || days[i + 1].date > today);
        error = day_look(self, txn, look, &days[i], last, out);
    }
    return error;
}

bool exported_news(const struct exported *self)
{
    return self->turn_count > 0;
}

int exported_speak(struct exported *self, struct step *step)
{
    for (int i = 0; i < self->turn_count; i++) {
        struct turn *turn = &self->turns[i];
        int error = turn->ended ? remedies_say(step, &turn->end) : STORE_OK;
        if (!error && turn->ask) {
            remedies_command(step, &turn->action);
            error = remedies_say(step, &turn->action);
        }
        if (error)
            return error;
    }
    return STORE_OK;
}
