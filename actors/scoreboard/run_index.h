/* The run history, and its index: runs by name and by outcome, kept in the transaction of each row, so that who wants a few of a
 * season's runs reads those and no others.
 *
 * An environment that was written before there was an index gets it a few days at a time (run_index_make); until it is whole,
 * what is asked for is looked for in all rows. */
#ifndef ACTORS_SCOREBOARD_RUN_INDEX_H
#define ACTORS_SCOREBOARD_RUN_INDEX_H

#include "actors/scoreboard/tables.h"

/* The row of a run, of `date`; one of the same start and id is replaced. `payload` is what `run` was decoded from. A store_error. */
int run_put(struct store_txn *txn, int32_t date, const struct msg_ops_run *run,
            const struct table_mark *mark, const struct span *payload);
/* The row, its keys in the index, and its copy among the polls. `key` as in tables.h. STORE_NOT_FOUND: there is none. */
int run_remove(struct store_txn *txn, int32_t date, const struct span *key);

/* Is each row in the index? False too if nothing was ever written. */
bool run_index_is_whole(struct store_txn *txn);
/* Enters the rows of the next days, `rows` of them or all of a day. 1: there is more; 0: it is whole; else a store_error.
 * `*made` is counted up. */
int run_index_make(struct store_txn *txn, uint64_t rows, uint64_t *made);

struct run_query {
    int32_t from, to;
    const char *name, *outcome; /* NULL: any */
    uint64_t last;              /* the newest so many; 0: all */
};
/* In order of date, start and id. As table_each otherwise. */
int run_each(struct store_txn *txn, const struct run_query *query, table_visit *visit,
             void *context);

#endif
