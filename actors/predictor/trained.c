#include "actors/predictor/trained.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_MOST = 1000, TREES_MOST = 8 << 20 };

/* ---- writing ---- */

static void put_numbers(struct pack *out, const char *name, const double *numbers, size_t count)
{
    pack_text(out, name);
    pack_array(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        pack_f64(out, numbers[i]);
    }
}

static void put_spread(struct pack *out, const struct spread *spread)
{
    pack_text(out, "spread");
    pack_map(out, 4);
    put_numbers(out, "scale", spread->scale, SPREAD_SCALES);
    put_numbers(out, "edges", spread->edges, SPREAD_BANDS - 1);
    put_numbers(out, "z", spread->z[0], SPREAD_BANDS * SPREAD_KNOTS);
    put_numbers(out, "deviation", spread->deviation, SPREAD_BANDS);
}

static int put_system(struct pack *out, const struct fitted *fitted, int system,
                      char why[SYSTEM_WHY])
{
    const struct system_fit *fit = &fitted->fits[system];
    const void *trees = NULL;
    size_t size = 0;
    if (fit->boost && boost_save(fit->boost, &trees, &size, why, SYSTEM_WHY)) {
        return -1;
    }
    pack_text(out, system_at((enum system_id)system)->name);
    pack_map(out, 6);
    put_numbers(out, "weights", fit->coefficients, fit->coefficient_count);
    pack_text(out, "trees");
    pack_bin(out, trees, size);
    put_spread(out, &fitted->spreads[system]);
    pack_text(out, "n");
    pack_i64(out, fitted->figures[system].n);
    pack_text(out, "mae");
    pack_f64(out, fitted->figures[system].mae);
    pack_text(out, "inside");
    pack_i64(out, fitted->figures[system].inside);
    return 0;
}

static int put_stat(struct pack *out, const struct fitted *fitted, char why[SYSTEM_WHY])
{
    uint32_t count = 0;
    for (int i = 0; i < SYSTEM_COUNT; i++) {
        count += system_says((enum system_id)i, fitted->stat);
    }
    pack_text(out, stat_name(fitted->stat));
    pack_map(out, count);
    for (int i = 0; i < SYSTEM_COUNT; i++) {
        if (system_says((enum system_id)i, fitted->stat) && put_system(out, fitted, i, why)) {
            return -1;
        }
    }
    return 0;
}

int trained_write(const struct trained *self, struct pack *out, char why[SYSTEM_WHY])
{
    uint32_t stats = 0;
    for (int i = 0; i < STAT_COUNT; i++) {
        stats += self->says[i];
    }
    pack_map(out, 7);
    pack_text(out, "format");
    pack_i64(out, TRAINED_FORMAT);
    pack_text(out, "code");
    pack_text(out, self->code);
    pack_text(out, "from");
    pack_i64(out, self->from);
    pack_text(out, "through");
    pack_i64(out, self->through);
    pack_text(out, "rows");
    pack_i64(out, self->rows);
    pack_text(out, "features");
    pack_array(out, (uint32_t)self->width);
    for (size_t i = 0; i < self->width; i++) {
        pack_text(out, self->names[i]);
    }
    pack_text(out, "stats");
    pack_map(out, stats);
    for (int i = 0; i < STAT_COUNT; i++) {
        if (self->says[i] && put_stat(out, &self->fitted[i], why)) {
            return -1;
        }
    }
    if (out->failed) {
        snprintf(why, SYSTEM_WHY, "no memory");
    }
    return out->failed ? -1 : 0;
}

/* ---- reading ---- */

struct reading {
    struct unpack in;
    struct trained *self;
    char *why;
};

static bool wrong(struct reading *reading, const char *what)
{
    snprintf(reading->why, SYSTEM_WHY, "not a model of this format: %s, byte %zu", what,
             reading->in.at);
    return false;
}

/* The next key must be this one: the file is ours, its order is fixed. */
static bool key(struct reading *reading, const char *name)
{
    const char *text;
    uint32_t size;
    return (unpack_str(&reading->in, &text, &size) && size == strlen(name) &&
            memcmp(text, name, size) == 0) ||
           wrong(reading, name);
}

static bool get_integer(struct reading *reading, const char *name, int64_t *value)
{
    return key(reading, name) && (unpack_i64(&reading->in, value) || wrong(reading, name));
}

static bool get_numbers(struct reading *reading, const char *name, double *numbers, size_t most,
                        size_t *count)
{
    uint32_t found;
    if (!key(reading, name)) {
        return false;
    }
    if (!unpack_array(&reading->in, &found) || found > most) {
        return wrong(reading, name);
    }
    for (uint32_t i = 0; i < found; i++) {
        if (!unpack_f64(&reading->in, &numbers[i]) || isnan(numbers[i])) {
            return wrong(reading, name);
        }
    }
    *count = found;
    return true;
}

static bool get_exactly(struct reading *reading, const char *name, double *numbers, size_t wanted)
{
    size_t count;
    return get_numbers(reading, name, numbers, wanted, &count) &&
           (count == wanted || wrong(reading, name));
}

static bool get_map(struct reading *reading, uint32_t *count)
{
    return unpack_map(&reading->in, count) || wrong(reading, "a map");
}

static bool get_spread(struct reading *reading, struct spread *spread)
{
    uint32_t count;
    if (!key(reading, "spread") || !get_map(reading, &count) ||
        !get_exactly(reading, "scale", spread->scale, SPREAD_SCALES) ||
        !get_exactly(reading, "edges", spread->edges, SPREAD_BANDS - 1) ||
        !get_exactly(reading, "z", spread->z[0], SPREAD_BANDS * SPREAD_KNOTS) ||
        !get_exactly(reading, "deviation", spread->deviation, SPREAD_BANDS)) {
        return false;
    }
    for (int band = 0; band < SPREAD_BANDS; band++) {
        for (int i = 1; i < SPREAD_KNOTS; i++) {
            if (!(spread->z[band][i] > spread->z[band][i - 1])) {
                return wrong(reading, "z is not rising");
            }
        }
    }
    return true;
}

static bool get_trees(struct reading *reading, struct system_fit *fit)
{
    const uint8_t *trees;
    uint32_t size;
    if (!key(reading, "trees") ||
        (!unpack_bin(&reading->in, &trees, &size) && !wrong(reading, "trees"))) {
        return false;
    }
    if (size > TREES_MOST) {
        return wrong(reading, "trees are too large");
    }
    if (size > 0) {
        fit->boost = boost_load(trees, size, reading->why, SYSTEM_WHY);
    }
    return size == 0 || fit->boost;
}

static bool get_system(struct reading *reading, struct fitted *fitted)
{
    const char *text;
    char name[40] = "";
    uint32_t size, count;
    if (!unpack_str(&reading->in, &text, &size) || size >= sizeof name) {
        return wrong(reading, "the name of a system");
    }
    memcpy(name, text, size);
    enum system_id id = system_named(name);
    if (id == SYSTEM_COUNT) {
        return wrong(reading, "an unknown system");
    }
    struct system_fit *fit = &fitted->fits[id];
    struct fit_figures *figures = &fitted->figures[id];
    return get_map(reading, &count) &&
           get_numbers(reading, "weights", fit->coefficients, LINEAR_MOST,
                       &fit->coefficient_count) &&
           get_trees(reading, fit) && get_spread(reading, &fitted->spreads[id]) &&
           get_integer(reading, "n", &figures->n) && key(reading, "mae") &&
           (unpack_f64(&reading->in, &figures->mae) || wrong(reading, "mae")) &&
           get_integer(reading, "inside", &figures->inside);
}

static bool get_stat(struct reading *reading)
{
    const char *text;
    char name[40] = "";
    uint32_t size, count;
    if (!unpack_str(&reading->in, &text, &size) || size >= sizeof name) {
        return wrong(reading, "the name of a stat");
    }
    memcpy(name, text, size);
    enum stat_id stat = stat_named(name);
    if (stat == STAT_COUNT || reading->self->says[stat]) {
        return wrong(reading, "an unknown stat, or one twice");
    }
    struct fitted *fitted = &reading->self->fitted[stat];
    fitted->stat = stat;
    reading->self->says[stat] = true;
    if (!get_map(reading, &count)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!get_system(reading, fitted)) {
            return false;
        }
    }
    return fitted->fits[SYSTEM_gradient_boosting].boost != NULL || wrong(reading, "no trees");
}

static bool get_names(struct reading *reading)
{
    uint32_t count;
    if (!key(reading, "features") || !unpack_array(&reading->in, &count) || count > NAMES_MOST) {
        return wrong(reading, "features");
    }
    reading->self->names = calloc(count + 1, sizeof(char *));
    for (uint32_t i = 0; reading->self->names && i < count; i++) {
        const char *text;
        uint32_t size;
        if (!unpack_str(&reading->in, &text, &size)) {
            return wrong(reading, "features");
        }
        char *name = calloc(1, size + 1);
        if (!name) {
            return wrong(reading, "no memory");
        }
        memcpy(name, text, size);
        reading->self->names[i] = name;
        reading->self->width = i + 1;
    }
    return reading->self->names || wrong(reading, "no memory");
}

static bool get_all(struct reading *reading)
{
    int64_t format, from, through;
    const char *code;
    uint32_t size, count;
    if (!get_map(reading, &count) || !get_integer(reading, "format", &format)) {
        return false;
    }
    if (format != TRAINED_FORMAT) {
        return wrong(reading, "another format");
    }
    if (!key(reading, "code") || !unpack_str(&reading->in, &code, &size) ||
        size >= sizeof reading->self->code) {
        return wrong(reading, "code");
    }
    memcpy(reading->self->code, code, size);
    if (!get_integer(reading, "from", &from) || !get_integer(reading, "through", &through) ||
        !get_integer(reading, "rows", &reading->self->rows) || !get_names(reading) ||
        !key(reading, "stats") || !get_map(reading, &count)) {
        return false;
    }
    reading->self->from = (int32_t)from;
    reading->self->through = (int32_t)through;
    for (uint32_t i = 0; i < count; i++) {
        if (!get_stat(reading)) {
            return false;
        }
    }
    return count > 0 || wrong(reading, "no stats");
}

struct trained *trained_read(const void *bytes, size_t size, char why[SYSTEM_WHY])
{
    struct trained *self = calloc(1, sizeof *self);
    struct reading reading = {.in = {.data = bytes, .size = size}, .self = self, .why = why};
    if (!self) {
        snprintf(why, SYSTEM_WHY, "no memory");
        return NULL;
    }
    hash_sha256_hex(bytes, size, self->sha256);
    if (!get_all(&reading)) {
        trained_free(&self);
        return NULL;
    }
    self->found = calloc(1, sizeof *self->found); /* without it, it is slower */
    return self;
}

void trained_free(struct trained **self)
{
    struct trained *trained = *self;
    if (!trained) {
        return;
    }
    for (int i = 0; i < STAT_COUNT; i++) {
        fitted_free(&trained->fitted[i]);
    }
    for (size_t i = 0; i < trained->width; i++) {
        free(trained->names[i]);
    }
    free(trained->names);
    free(trained->found);
    free(trained);
    *self = NULL;
}

/* ---- asking ---- */

int trained_say(const struct trained *self, enum stat_id stat, const struct trained_ask *ask,
                struct trained_said *said, char why[SYSTEM_WHY])
{
    const struct sample row = {.line = ask->line, .market = ask->market};
    const struct samples samples = {.stat = stat,
                                    .names = (const char *const *)self->names,
                                    .width = self->width,
                                    .count = 1,
                                    .values = ask->values,
                                    .rows = &row,
                                    .found = self->found};
    const struct fitted *fitted = &self->fitted[stat];
    double *centres[SYSTEM_COUNT];
    for (int i = 0; i < SYSTEM_COUNT; i++) {
        said->centre[i] = NAN;
        centres[i] = &said->centre[i];
    }
    if (fit_say(fitted, &samples, 0, 1, centres, why)) {
        return -1;
    }
    for (int i = 0; i < SYSTEM_COUNT; i++) {
        if (!isnan(said->centre[i])) {
            said->outlook[i] = spread_at(&fitted->spreads[i], &samples, 0, said->centre[i]);
        }
    }
    return 0;
}
