/* What an import is about to do: which files, which rows of them are good, and what their content hashes to. */
#ifndef CLI_IMPORT_PLAN_H
#define CLI_IMPORT_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/import_rows.h"

struct import_refusal {
    int file; /* index in the plan */
    uint64_t line;
    char *rule;
};
struct import_file {
    char *path;
    char name[121]; /* below the data root: what records call it */
    struct import_layout layout;
    int64_t rows, left_out, refused;
    char sha256[HASH_HEX_SIZE]; /* over the rows taken */
    size_t first_refusal;       /* its refusals stand together, by line */
    bool unchanged;             /* as last imported: not sent again */
};
struct import_plan {
    struct import_file *files;
    int count;
    struct import_refusal *refusals;
    size_t refusal_count, refusal_capacity;
    char *teams_path; /* teams.csv of the data root that single files lie in; NULL if not needed */
};

/* A data root (teams.csv, players.csv, games/, player_games/, game_lines/, props_points/) or one file. Of what lies in
 * those places all is taken that ends in .csv or .csv.gz; nothing else of a root is ever read. 0, or -1 with `why`. */
int import_plan_add(struct import_plan *self, const char *path, char *why, size_t why_size);
/* Files in the order of their kinds, each once. */
void import_plan_sort(struct import_plan *self);
void import_plan_free(struct import_plan *self);

typedef void import_progress(void *context, const char *what, int64_t rows);
/* Reads every file, checks every row, fills counts, refusals and hashes. 0, or -1: out of memory. */
int import_plan_check(struct import_plan *self, struct import_rows *rows, import_progress *progress,
                      void *context);
/* Reads a checked file again, and gives each row that was taken, in order. `take` returns 0 to go on. 0, what `take`
 * returned, or -1 with `why`: the file is not what it was. */
int import_plan_read(const struct import_plan *self, int file, struct import_rows *rows,
                     int (*take)(void *context, enum import_kind kind, const void *message),
                     void *context, char *why, size_t why_size);

#endif
