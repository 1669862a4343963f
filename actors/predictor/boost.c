#include "actors/predictor/boost.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xgboost/c_api.h>

#include "schema/hash.h"

/* Rows that were asked for and what was said of them: a line that moves changes nothing that the trees see, and asking XGBoost for one
 * row costs more than everything else of a prediction. The whole row is kept and compared, so an answer is never another row's. */
enum { KNOWN_ROWS = 512 };
struct known {
    size_t width; /* of a row; 0: nothing is kept yet */
    bool *there;
    float *values, *answers;
};

struct boost {
    BoosterHandle handle;
    struct known known;
};

static int failed(char *why, size_t why_size)
{
    snprintf(why, why_size, "XGBoost: %.400s", XGBGetLastError());
    char *end = strchr(why, '\n');
    if (end) {
        *end = 0;
    }
    return -1;
}

static int set_number(BoosterHandle handle, const char *name, double value)
{
    char text[40];
    snprintf(text, sizeof text, "%.9g", value);
    return XGBoosterSetParam(handle, name, text);
}

static int set_params(BoosterHandle handle, const struct boost_params *params)
{
    static const struct {
        const char *name, *value;
    } FIXED[] = {
        {"booster", "gbtree"},  {"tree_method", "hist"},     {"objective", "reg:pseudohubererror"},
        {"eval_metric", "mae"}, {"base_score", "0"},         {"nthread", "1"},
        {"verbosity", "0"},     {"validate_parameters", "0"}};
    const struct {
        const char *name;
        double value;
    } learned[] = {{"max_depth", params->depth},
                   {"eta", params->eta},
                   {"subsample", params->subsample},
                   {"colsample_bytree", params->columns},
                   {"min_child_weight", params->min_child_weight},
                   {"lambda", params->lambda},
                   {"huber_slope", params->huber_slope},
                   {"seed", params->seed}};
    int error = 0;
    for (size_t i = 0; i < sizeof FIXED / sizeof FIXED[0] && !error; i++) {
        error = XGBoosterSetParam(handle, FIXED[i].name, FIXED[i].value);
    }
    for (size_t i = 0; i < sizeof learned / sizeof learned[0] && !error; i++) {
        error = set_number(handle, learned[i].name, learned[i].value);
    }
    return error;
}

/* The array interface that XGBoost reads memory by. One thread wherever there is a choice: a pool of threads would not survive the
 * forks of those who fit several at once. */
static void name_array(char *text, size_t size, const float *values, size_t count, size_t width)
{
    snprintf(text, size,
             "{\"data\": [%zu, true], \"shape\": [%zu, %zu], \"typestr\": \"<f4\", "
             "\"version\": 3}",
             (size_t)values, count, width);
}

static int make_matrix(const struct boost_rows *rows, DMatrixHandle *matrix)
{
    char array[200];
    *matrix = NULL;
    name_array(array, sizeof array, rows->values, rows->count, rows->width);
    int error = XGDMatrixCreateFromDense(array, "{\"missing\": NaN, \"nthread\": 1}", matrix);
    return error ? error : XGDMatrixSetFloatInfo(*matrix, "label", rows->labels, rows->count);
}

/* The number behind the colon of "[12]\tvalid-mae:3.14". */
static double said_error(const char *text)
{
    const char *at = strrchr(text, ':');
    return at ? strtod(at + 1, NULL) : NAN;
}

/* Rounds until `valid` stops improving; *best is how many it was best with. */
static int grow(BoosterHandle handle, DMatrixHandle rows, DMatrixHandle valid, int patience,
                int rounds, int *best)
{
    static const char *NAME[] = {"valid"};
    double least = INFINITY;
    *best = rounds;
    for (int i = 0; i < rounds; i++) {
        const char *said;
        if (XGBoosterUpdateOneIter(handle, i, rows)) {
            return -1;
        }
        if (!valid) {
            continue;
        }
        if (XGBoosterEvalOneIter(handle, i, &valid, NAME, 1, &said)) {
            return -1;
        }
        double error = said_error(said);
        if (error < least) {
            least = error;
            *best = i + 1;
        } else if (i + 1 - *best >= patience) {
            return 0;
        }
    }
    return 0;
}

/* Rounds until it is known how many are wanted, or more; *wanted is that. -1: it never will be. */
static int grow_ahead(BoosterHandle handle, DMatrixHandle rows, const struct boost_limit *limit,
                      int most, int *wanted)
{
    *wanted = 0;
    for (int i = 0; i < most && (*wanted == 0 || i < *wanted); i++) {
        if (XGBoosterUpdateOneIter(handle, i, rows)) {
            return -1;
        }
        *wanted = *wanted ? *wanted : limit->rounds(limit, false);
    }
    *wanted = *wanted ? *wanted : limit->rounds(limit, true);
    return *wanted > 0 ? 0 : -1;
}

/* The first `rounds` rounds of it. */
static int cut(struct boost *self, int rounds)
{
    BoosterHandle shorter;
    int have = 0;
    if (XGBoosterBoostedRounds(self->handle, &have) || have <= rounds) {
        return 0;
    }
    if (XGBoosterSlice(self->handle, 0, rounds, 1, &shorter)) {
        return -1;
    }
    XGBoosterFree(self->handle);
    self->handle = shorter;
    return 0;
}

struct boost *boost_fit(const struct boost_rows *rows, const struct boost_rows *valid, int patience,
                        const struct boost_params *params, const struct boost_limit *limit,
                        int *rounds, char *why, size_t why_size)
{
    struct boost *self = calloc(1, sizeof *self);
    DMatrixHandle matrix = NULL, held_out = NULL;
    if (!self) {
        snprintf(why, why_size, "no memory");
        return NULL;
    }
    int error = make_matrix(rows, &matrix);
    if (!error && valid) {
        error = make_matrix(valid, &held_out);
    }
    if (!error) {
        error = XGBoosterCreate(&matrix, 1, &self->handle);
    }
    if (!error) {
        error = set_params(self->handle, params);
    }
    if (!error) {
        error = limit ? grow_ahead(self->handle, matrix, limit, params->rounds, rounds)
                      : grow(self->handle, matrix, held_out, patience, params->rounds, rounds);
    }
    if (!error) {
        error = cut(self, *rounds);
    }
    if (error && limit && *rounds < 0) {
        snprintf(why, why_size, "how many rounds are wanted never became known");
        boost_free(&self);
    } else if (error) {
        failed(why, why_size);
        boost_free(&self);
    }
    if (matrix) {
        XGDMatrixFree(matrix);
    }
    if (held_out) {
        XGDMatrixFree(held_out);
    }
    return self;
}

struct boost *boost_load(const void *bytes, size_t size, char *why, size_t why_size)
{
    struct boost *self = calloc(1, sizeof *self);
    if (!self) {
        snprintf(why, why_size, "no memory");
        return NULL;
    }
    if (XGBoosterCreate(NULL, 0, &self->handle) ||
        XGBoosterSetParam(self->handle, "nthread", "1") ||
        XGBoosterLoadModelFromBuffer(self->handle, bytes, size) ||
        XGBoosterSetParam(self->handle, "nthread", "1")) {
        failed(why, why_size);
        boost_free(&self);
    }
    return self;
}

static void known_free(struct known *known)
{
    free(known->there);
    free(known->values);
    free(known->answers);
    *known = (struct known){.width = 0};
}

/* Without memory for it nothing is kept, and every row is asked for. */
static void known_open(struct known *known, size_t width)
{
    known_free(known);
    known->there = calloc(KNOWN_ROWS, sizeof *known->there);
    known->values = malloc(KNOWN_ROWS * width * sizeof *known->values);
    known->answers = malloc(KNOWN_ROWS * sizeof *known->answers);
    if (known->there && known->values && known->answers) {
        known->width = width;
    } else {
        known_free(known);
    }
}

void boost_free(struct boost **self)
{
    if (*self) {
        known_free(&(*self)->known);
        if ((*self)->handle) {
            XGBoosterFree((*self)->handle);
        }
        free(*self);
        *self = NULL;
    }
}

int boost_save(struct boost *self, const void **bytes, size_t *size, char *why, size_t why_size)
{
    const char *data;
    bst_ulong length;
    if (XGBoosterSaveModelToBuffer(self->handle, "{\"format\": \"ubj\"}", &length, &data)) {
        return failed(why, why_size);
    }
    *bytes = data;
    *size = (size_t)length;
    return 0;
}

static int predict(struct boost *self, const float *values, size_t count, size_t width, float *out,
                   char *why, size_t why_size)
{
    static const char CONFIG[] = "{\"type\": 0, \"training\": false, \"iteration_begin\": 0, "
                                 "\"iteration_end\": 0, \"strict_shape\": false, "
                                 "\"cache_id\": 0, \"missing\": NaN}";
    char array[200];
    const bst_ulong *shape;
    bst_ulong dimensions;
    const float *result;
    name_array(array, sizeof array, values, count, width);
    if (XGBoosterPredictFromDense(self->handle, array, CONFIG, NULL, &shape, &dimensions,
                                  &result)) {
        return failed(why, why_size);
    }
    memcpy(out, result, count * sizeof *out);
    return 0;
}

int boost_predict(struct boost *self, const float *values, size_t count, size_t width, float *out,
                  char *why, size_t why_size)
{
    struct known *known = &self->known;
    const size_t bytes = width * sizeof *values;
    if (count != 1 || width == 0) { /* many at once: of days that are over, each asked for once */
        return predict(self, values, count, width, out, why, why_size);
    }
    if (known->width != width) {
        known_open(known, width);
    }
    const size_t at = (size_t)(hash_fnv64(values, bytes) % KNOWN_ROWS);
    if (known->width && known->there[at] &&
        memcmp(known->values + at * width, values, bytes) == 0) {
        *out = known->answers[at];
        return 0;
    }
    if (predict(self, values, 1, width, out, why, why_size)) {
        return -1;
    }
    if (known->width) {
        memcpy(known->values + at * width, values, bytes);
        known->answers[at] = *out;
        known->there[at] = true;
    }
    return 0;
}
