/* A trained model: what all systems have learned, as bytes. The bytes are the same for the same games, features and code, so a model
 * is named by their SHA-256. Inside: the days it learned from, the features in the order it wants them, the code that made it, and of
 * each stat and system its weights, trees, spread, and how it did on games it had not learned from. */
#ifndef ACTORS_PREDICTOR_TRAINED_H
#define ACTORS_PREDICTOR_TRAINED_H

#include "actors/predictor/fit.h"
#include "schema/hash.h"
#include "schema/pack.h"

#define TRAINED_FORMAT 1
#define TRAINED_NAME_SIZE 17 /* 16 digits of the hash, and NUL: what predictions carry */

struct trained {
    char sha256[HASH_HEX_SIZE];
    char code[64];
    int32_t from, through; /* days of the games it learned from */
    int64_t rows;
    char **names;
    size_t width;
    struct samples_found *found; /* of `names`; NULL: nothing is remembered */
    bool says[STAT_COUNT];
    struct fitted fitted[STAT_COUNT];
};
/* 0; -1: why. */
int trained_write(const struct trained *self, struct pack *out, char why[SYSTEM_WHY]);
/* NULL: why, by name of what is wrong in the file. */
struct trained *trained_read(const void *bytes, size_t size, char why[SYSTEM_WHY]);
void trained_free(struct trained **self);

/* What every system says of one game. `values`: in the order of `names`. */
struct trained_ask {
    const float *values;
    double line, market; /* NaN: none */
};
struct trained_said {
    double centre[SYSTEM_COUNT]; /* NaN: nothing */
    struct outlook outlook[SYSTEM_COUNT];
};
int trained_say(const struct trained *self, enum stat_id stat, const struct trained_ask *ask,
                struct trained_said *said, char why[SYSTEM_WHY]);

#endif
