/* Which runs are open, in a small mapped file beside the environment: it survives a SIGKILL of the process (not a power cut)
 * and costs no fsync. Slot 0 is the run of the record in hand; the others are runs that an edge opened by itself.
 *
 * A mark is left behind by a dead process; whether its run was closed is known from the environment: it was, if the step
 * that was to close it is committed. */
#ifndef STORE_RUN_MARKS_H
#define STORE_RUN_MARKS_H

#include <stdbool.h>
#include <stdint.h>

#define RUN_MARKS_OPEN_MAX 64 /* of an edge, at once */
#define RUN_MARKS_SLOTS (1 + RUN_MARKS_OPEN_MAX)

/* Fixed layout of the file; `open` is written last when a mark is made, first when it is cleared. */
struct run_mark {
    uint64_t open;     /* 1: the rest holds */
    uint64_t step;     /* the step that is to close it; 0: not known yet */
    uint64_t position; /* of the record in hand, 0 for an edge's own */
    uint64_t epoch;
    int64_t opened_at; /* league time */
    int64_t attempt;
    char run_id[64];
    char name[64];
    char cause[104];
};

struct run_marks;

/* NULL with errno. The file is made if it is not there. */
struct run_marks *run_marks_open(const char *dir);
void run_marks_close(struct run_marks **self);
/* `mark.open` is ours to set. */
void run_marks_set(struct run_marks *self, int slot, const struct run_mark *mark);
/* The step that closes it is about to be committed. */
void run_marks_closing(struct run_marks *self, int slot, uint64_t step);
void run_marks_clear(struct run_marks *self, int slot);
/* What stands there; NULL if the slot is not open. */
const struct run_mark *run_marks_get(const struct run_marks *self, int slot);

#endif
