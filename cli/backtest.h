/* What a backtest has found, for whoever prints it. */
#ifndef CLI_BACKTEST_H
#define CLI_BACKTEST_H

#include "actors/predictor/backtest.h"
#include "schema/json.h"

#define FOUND_MONTHS_MAX 64
#define FOUND_BANDS 4
#define FOUND_DAYS_MAX 4096
#define FOUND_ERRORS 61 /* whole points from -30 to 30 */

struct found {
    int32_t from, to;
    int every, days;
    enum stat_id stat;
    int64_t games; /* players' games that are scored */
    double features_seconds, seconds;
    struct score total[SYSTEM_COUNT];
    struct score band[SYSTEM_COUNT][FOUND_BANDS]; /* by minutes a game */
    struct score month[SYSTEM_COUNT][FOUND_MONTHS_MAX];
    int32_t months[FOUND_MONTHS_MAX]; /* yyyymm */
    int month_count;
    struct score mean_by_age, season_mean, last_five; /* what everyone starts from */
    struct found_day {
        int32_t date;
        int64_t n;
        double absolute[SYSTEM_COUNT];
    } days_found[FOUND_DAYS_MAX];
    int64_t errors[SYSTEM_COUNT][FOUND_ERRORS]; /* said - actual */
};
extern const int found_band_from[FOUND_BANDS]; /* minutes */

json_t *found_json(const struct found *found);
void found_print(const struct found *found);
/* A page that needs nothing but itself. 0, or -1 with errno. */
int found_page(const struct found *found, const char *path);

#endif
