/* One run: a script against broker and model side by side. */
#ifndef TESTS_PROTOCOL_RUN_H
#define TESTS_PROTOCOL_RUN_H

#include "tests/protocol/model.h"
#include "tests/protocol/subject.h"

struct run_result {
    bool failed;
    uint32_t step;  /* that failed */
    char kind[24];  /* what a smaller script must fail with, too */
    char why[1024]; /* in words */
};
/* Goes on with `steps` steps made up from `seed` when `script` ends (they are added to it); 0: only what is there. */
void run_script(struct script *script, uint32_t steps, uint64_t seed, enum lie lie,
                struct run_result *result, struct model_totals *totals);
/* The same in a process of its own, so that a broker that dies or hangs fails like one that is wrong. */
void run_apart(struct script *script, uint32_t steps, uint64_t seed, enum lie lie,
               struct run_result *result, struct model_totals *totals);
/* Leaves out and simplifies what the failure does not need; `result` is of what is left. */
void run_shrink(struct script *script, enum lie lie, struct run_result *result);

/* generate.c */
void generate_step(uint64_t *state, const struct model *model, struct script_step *step);

#endif
