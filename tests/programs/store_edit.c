/* Makes of an environment that nobody holds what a test wants to find there.
 *
 *     store_edit unindex ENV       the scoreboard's runs lose their index: as an older version left them
 *     store_edit hollow ENV MIB    writes and removes so much: pages that are free */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/scoreboard/tables.h"
#include "store/store.h"

enum { VALUE_BYTES = 3000, STEP_ROWS = 2000 };

static void must(int error, const char *what)
{
    if (error) {
        fprintf(stderr, "store_edit: %s: %s\n", what, store_error_text(error));
        exit(70);
    }
}

static void unindex(struct store *store)
{
    static const char *const tables[] = {TABLE_RUN_NAME, TABLE_RUN_OUTCOME, TABLE_RUN_INDEX};
    struct store_txn *txn;
    must(store_begin(store, true, &txn), "begin");
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        must(store_clear(txn, tables[i]), "clear");
    must(store_commit(&txn), "commit");
}

static void hollow(struct store *store, int64_t bytes)
{
    static uint8_t value[VALUE_BYTES];
    struct store_txn *txn;
    for (int64_t row = 0; row * VALUE_BYTES < bytes;) {
        must(store_begin(store, true, &txn), "begin");
        for (int i = 0; i < STEP_ROWS; i++, row++)
            must(store_put(txn, "zz", 0, &row, sizeof row, value, sizeof value), "put");
        must(store_commit(&txn), "commit");
    }
    must(store_begin(store, true, &txn), "begin");
    must(store_clear(txn, "zz"), "clear");
    must(store_commit(&txn), "commit");
}

int main(int argc, char **argv)
{
    struct store *store;
    if (argc < 3)
        return 64;
    must(store_open(&store, argv[2], NULL), argv[2]);
    if (strcmp(argv[1], "unindex") == 0)
        unindex(store);
    else if (strcmp(argv[1], "hollow") == 0 && argc == 4)
        hollow(store, strtoll(argv[3], NULL, 10) << 20);
    else
        return 64;
    store_close(&store);
    return 0;
}
