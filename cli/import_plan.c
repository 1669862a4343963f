/* Every file is read twice: to check and hash it, and, if it is new, to send it. */
#include "cli/import_plan.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *const root_files[] = {"teams.csv", "players.csv"};
static const char *const root_folders[] = {"games", "player_games", "game_lines", "props_points"};

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), tail = strlen(end);
    return size >= tail && !strcmp(text + size - tail, end);
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int plan_refuse(struct import_plan *self, int file, uint64_t line, const char *rule)
{
    if (self->refusal_count == self->refusal_capacity) {
        size_t capacity = self->refusal_capacity ? 2 * self->refusal_capacity : 64;
        struct import_refusal *bigger = realloc(self->refusals, capacity * sizeof *bigger);
        if (!bigger)
            return -1;
        self->refusals = bigger;
        self->refusal_capacity = capacity;
    }
    char *copy = strdup(rule);
    if (!copy)
        return -1;
    self->refusals[self->refusal_count++] =
        (struct import_refusal){.file = file, .line = line, .rule = copy};
    self->files[file].refused++;
    return 0;
}

static int add_file(struct import_plan *self, const char *path, const char *name, char *why,
                    size_t why_size)
{
    if (strlen(name) >= sizeof self->files[0].name) {
        snprintf(why, why_size, "%s: name is too long", path);
        return -1;
    }
    struct import_file *bigger =
        realloc(self->files, (size_t)(self->count + 1) * sizeof *self->files);
    if (!bigger) {
        snprintf(why, why_size, "out of memory");
        return -1;
    }
    self->files = bigger;
    struct import_file *file = &self->files[self->count];
    *file = (struct import_file){0};
    strcpy(file->name, name);
    struct csv *csv = csv_open(path);
    if (!csv) {
        snprintf(why, why_size, "%s: %s", path, strerror(errno));
        return -1;
    }
    char rule[IMPORT_RULE_SIZE];
    struct csv_row row;
    enum csv_answer answer = csv_next(csv, &row);
    int result = -1;
    if (answer != CSV_ROW)
        snprintf(why, why_size, "%s:1: %s", path, row.rule ? row.rule : "file is empty");
    else if (import_layout_of(&file->layout, &row, rule) != 0)
        snprintf(why, why_size, "%s:1: %s", path, rule);
    else if (!(file->path = strdup(path)))
        snprintf(why, why_size, "out of memory");
    else
        result = 0;
    csv_close(&csv);
    self->count += result == 0;
    return result;
}

/* Files of one folder of a data root, by name. */
static int add_folder(struct import_plan *self, const char *root, const char *folder, char *why,
                      size_t why_size)
{
    char path[PATH_MAX];
    struct dirent **entries;
    snprintf(path, sizeof path, "%s/%s", root, folder);
    int count = scandir(path, &entries, NULL, alphasort), result = 0;
    if (count < 0)
        return 0; /* a root need not have everything */
    for (int i = 0; i < count; i++) {
        const char *base = entries[i]->d_name;
        if (result == 0 && base[0] != '.' &&
            (ends_with(base, ".csv") || ends_with(base, ".csv.gz"))) {
            char name[PATH_MAX];
            snprintf(name, sizeof name, "%s/%s", folder, base);
            snprintf(path, sizeof path, "%s/%s/%s", root, folder, base);
            result = add_file(self, path, name, why, why_size);
        }
        free(entries[i]);
    }
    free(entries);
    return result;
}

static int add_root(struct import_plan *self, const char *root, char *why, size_t why_size)
{
    int before = self->count;
    for (size_t i = 0; i < sizeof root_files / sizeof *root_files; i++) {
        char path[PATH_MAX];
        struct stat info;
        snprintf(path, sizeof path, "%s/%s", root, root_files[i]);
        if (stat(path, &info) == 0 && add_file(self, path, root_files[i], why, why_size) != 0)
            return -1;
    }
    for (size_t i = 0; i < sizeof root_folders / sizeof *root_folders; i++)
        if (add_folder(self, root, root_folders[i], why, why_size) != 0)
            return -1;
    if (self->count == before) {
        snprintf(why, why_size, "%s: nothing in it that could be imported", root);
        return -1;
    }
    return 0;
}

/* A single file keeps the name it has below its data root, if it lies in one. */
static int add_single(struct import_plan *self, const char *path, char *why, size_t why_size)
{
    char full[PATH_MAX];
    if (!realpath(path, full)) {
        snprintf(why, why_size, "%s: %s", path, strerror(errno));
        return -1;
    }
    char *base = strrchr(full, '/');
    *base++ = '\0';
    const char *folder = last_part(full);
    bool rooted = false;
    for (size_t i = 0; i < sizeof root_folders / sizeof *root_folders; i++)
        rooted |= !strcmp(folder, root_folders[i]);
    char name[2 * PATH_MAX];
    snprintf(name, sizeof name, "%s%s%s", rooted ? folder : "", rooted ? "/" : "", base);
    if (!self->teams_path) {
        struct stat info;
        char teams[PATH_MAX + 32];
        snprintf(teams, sizeof teams, "%s/%steams.csv", full, rooted ? "../" : "");
        if (stat(teams, &info) == 0)
            self->teams_path = strdup(teams);
    }
    return add_file(self, path, name, why, why_size);
}

int import_plan_add(struct import_plan *self, const char *path, char *why, size_t why_size)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        snprintf(why, why_size, "%s: %s", path, strerror(errno));
        return -1;
    }
    return S_ISDIR(info.st_mode) ? add_root(self, path, why, why_size)
                                 : add_single(self, path, why, why_size);
}

static int compare_files(const void *a, const void *b)
{
    const struct import_file *x = a, *y = b;
    if (x->layout.kind != y->layout.kind)
        return x->layout.kind < y->layout.kind ? -1 : 1;
    return strcmp(x->name, y->name);
}

void import_plan_sort(struct import_plan *self)
{
    int kept = 0;
    qsort(self->files, (size_t)self->count, sizeof *self->files, compare_files);
    for (int i = 0; i < self->count; i++) {
        if (kept > 0 && compare_files(&self->files[kept - 1], &self->files[i]) == 0)
            free(self->files[i].path); /* named twice on the command line */
        else
            self->files[kept++] = self->files[i];
    }
    self->count = kept;
}

void import_plan_free(struct import_plan *self)
{
    for (int i = 0; i < self->count; i++)
        free(self->files[i].path);
    for (size_t i = 0; i < self->refusal_count; i++)
        free(self->refusals[i].rule);
    free(self->files);
    free(self->refusals);
    free(self->teams_path);
    *self = (struct import_plan){0};
}

/* 0; 1: told the caller nothing of it, the file ends here; -1 out of memory. */
static int check_row(struct import_plan *self, int index, struct import_rows *rows,
                     enum csv_answer answer, const struct csv_row *row, struct hash *taken)
{
    static union import_message message;
    struct import_file *file = &self->files[index];
    char rule[IMPORT_RULE_SIZE];
    if (answer == CSV_BROKEN_FILE || answer == CSV_BROKEN_ROW) {
        if (plan_refuse(self, index, row->line, row->rule) != 0)
            return -1;
        return answer == CSV_BROKEN_FILE;
    }
    switch (import_rows_take(rows, &file->layout, row, file->name, &message, taken, rule)) {
    case IMPORT_TAKEN:
        file->rows++;
        return 0;
    case IMPORT_LEFT_OUT:
        file->left_out++;
        return 0;
    default:
        return plan_refuse(self, index, row->line, rule);
    }
}

int import_plan_check(struct import_plan *self, struct import_rows *rows, import_progress *progress,
                      void *context)
{
    int64_t done = 0;
    for (int i = 0; i < self->count; i++) {
        struct import_file *file = &self->files[i];
        file->first_refusal = self->refusal_count;
        struct csv *csv = csv_open(file->path);
        struct csv_row row;
        int stop = 0;
        if (!csv) {
            if (plan_refuse(self, i, 1, strerror(errno)) != 0)
                return -1;
            continue;
        }
        struct hash *taken = hash_open();
        csv_next(csv, &row); /* the header */
        for (enum csv_answer answer; !stop && (answer = csv_next(csv, &row)) != CSV_END;) {
            stop = check_row(self, i, rows, answer, &row, taken);
            if (++done % 4096 == 0 && progress)
                progress(context, file->name, done);
        }
        csv_close(&csv);
        hash_close(&taken, file->sha256);
        if (stop < 0)
            return -1;
    }
    return 0;
}

int import_plan_read(const struct import_plan *self, int index, struct import_rows *rows,
                     int (*take)(void *context, enum import_kind kind, const void *message),
                     void *context, char *why, size_t why_size)
{
    static union import_message message;
    const struct import_file *file = &self->files[index];
    size_t refusal = file->first_refusal;
    char rule[IMPORT_RULE_SIZE], sha256[HASH_HEX_SIZE];
    struct csv_row row;
    enum csv_answer answer;
    int result = 0;
    struct csv *csv = csv_open(file->path);
    if (!csv) {
        snprintf(why, why_size, "%s: %s", file->path, strerror(errno));
        return -1;
    }
    struct hash *taken = hash_open();
    csv_next(csv, &row);
    while (result == 0 && (answer = csv_next(csv, &row)) != CSV_END) {
        if (refusal < self->refusal_count && self->refusals[refusal].file == index &&
            self->refusals[refusal].line == row.line) {
            refusal++;
            if (answer == CSV_BROKEN_FILE)
                break;
            continue;
        }
        if (answer != CSV_ROW)
            break;
        if (import_rows_again(rows, &file->layout, &row, file->name, &message, taken, rule) ==
            IMPORT_TAKEN)
            result = take(context, file->layout.kind, &message);
    }
    csv_close(&csv);
    hash_close(&taken, sha256);
    if (result == 0 && strcmp(sha256, file->sha256) != 0) {
        snprintf(why, why_size, "%s: changed while it was read", file->path);
        return -1;
    }
    return result;
}
