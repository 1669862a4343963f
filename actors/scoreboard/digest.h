/* A night in five numbers: SHA-256 over canonical rows that hold nothing of when, where or how often it was computed. */
#ifndef ACTORS_SCOREBOARD_DIGEST_H
#define ACTORS_SCOREBOARD_DIGEST_H

#include "actors/scoreboard/tables.h"
#include "schema/hash.h"

enum {
    DIGEST_BOXSCORES,
    DIGEST_ODDS,
    DIGEST_FEATURES,
    DIGEST_PREDICTIONS,
    DIGEST_GRADES,
    DIGEST_PARTS
};
extern const char *const digest_names[DIGEST_PARTS];

struct digest_rows {
    char *
        *rows; /* sorted bytewise; fields apart by tabs, floats with 6 places, absent ones empty */
    int count;
};
struct digest {
    struct digest_rows parts[DIGEST_PARTS];
    char sha256[DIGEST_PARTS][HASH_HEX_SIZE]; /* over the rows, each with a newline */
};
/* 0 or a store_error; digest_free either way. */
int digest_make(struct digest *out, struct store_txn *txn, int32_t date);
void digest_free(struct digest *self);

#endif
